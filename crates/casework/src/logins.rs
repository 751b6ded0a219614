//! Officers and their log-ins. Nothing is open without one.

use crate::Hall;
use domain::OrgId;
use store::{Account, Login, StoreError};

/// A logged-in officer.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Officer {
    pub name: String,
    pub display: String,
    pub body: Option<OrgId>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    #[error("用户名或口令不对")]
    Wrong,
    #[error("{0}")]
    Store(#[from] StoreError),
}

/// A log-in ends by itself after this.
const LOGIN_HOURS: i64 = 12;

fn token_hash(token: &str) -> String {
    blake3::hash(token.as_bytes()).to_hex().to_string()
}

impl Hall {
    /// Returns the token that later requests carry. Only its hash is stored.
    ///
    /// # Errors
    /// [`LoginError::Wrong`] alike for unknown names, disabled accounts and wrong passwords.
    pub async fn log_in(&self, name: &str, password: &str) -> Result<(String, Officer), LoginError> {
        let account = self.store.account(name).await?.filter(|account| !account.disabled);
        let stored = account.as_ref().map(|account| account.password.clone());
        let password = password.to_owned();
        // argon2 takes tens of milliseconds on purpose; on the runtime's threads it would hold up the links.
        let right = tokio::task::spawn_blocking(move || {
            trust::account::verify_password(&password, stored.as_deref())
        });
        let account = match (right.await, account) {
            (Ok(true), Some(account)) => account,
            _ => return Err(LoginError::Wrong),
        };
        let mut secret = [0; 24];
        self.random.fill(&mut secret);
        let token = trust::hex(&secret);
        let expires = self.now().plus_ms(LOGIN_HOURS * 3_600_000);
        self.store
            .open_login(Login { token_hash: token_hash(&token), account: account.name.clone(), expires })
            .await?;
        Ok((token, Officer { name: account.name, display: account.display, body: account.body }))
    }

    /// # Errors
    /// [`StoreError`] when the database cannot be read; an unknown or expired token is `Ok(None)`.
    pub async fn officer(&self, token: &str) -> Result<Option<Officer>, StoreError> {
        let account = self.store.login(&token_hash(token), self.now()).await?;
        Ok(account.map(|account| Officer {
            name: account.name,
            display: account.display,
            body: account.body,
        }))
    }

    /// # Errors
    /// [`StoreError`].
    pub async fn log_out(&self, token: &str) -> Result<(), StoreError> {
        self.store.close_login(&token_hash(token)).await
    }

    /// Adds an account or gives it a new password.
    ///
    /// # Errors
    /// [`crate::ActError::Unfit`] for a password below eight characters or a name that is not a plain word.
    pub async fn put_account(
        &self,
        name: &str,
        display: &str,
        body: Option<OrgId>,
        password: &str,
    ) -> Result<(), crate::ActError> {
        let unfit = |reason: String| crate::ActError::Unfit { what: "account", reason };
        let plain = (1..=40).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        if !plain {
            return Err(unfit("用户名应为 1–40 个字母、数字、点、横线或下划线".to_owned()));
        }
        let mut salt = [0; 16];
        self.random.fill(&mut salt);
        let password =
            trust::account::hash_password(password, salt).map_err(|fault| unfit(fault.to_string()))?;
        let account = Account { name: name.into(), display: display.into(), body, password, disabled: false };
        Ok(self.store.put_account(account, self.now()).await?)
    }
}
