//! Giving out accounts: who, with which roles, and the secrets that are shown once.

use crate::logins::{NAME_BYTES_MAX, NewAccount, Officer, Proof};
use crate::{ActError, Hall, LoginError};
use domain::access::Roles;
use store::Account;
use trust::CodeSecret;

/// What is shown once, when an account is made or reset.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Issued {
    pub name: String,
    /// For the officer's phone, where the roles ask for a second factor: the text of the QR code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code_uri: Option<String>,
}

fn unfit(reason: impl Into<String>) -> ActError {
    ActError::Unfit { what: "account", reason: reason.into() }
}

impl Hall {
    /// Adds an account or changes a known one, with a new password. A second factor is kept where there is one; one is made
    /// where the roles ask for it, or `code_secret` gives it.
    ///
    /// # Errors
    /// [`ActError::Unfit`] for a name that is not a plain word, a password that is too easy, or roles that do not fit.
    pub async fn put_account(
        &self,
        by: &str,
        new: NewAccount,
        password: &str,
        code_secret: Option<CodeSecret>,
    ) -> Result<Issued, ActError> {
        let NewAccount { name, display, body, roles } = new;
        let plain = (1..=NAME_BYTES_MAX).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        if !plain {
            return Err(unfit("用户名应为 1–40 个字母、数字、点、横线或下划线"));
        }
        roles.check(self.tier, body.as_ref()).map_err(|bad| unfit(bad.0))?;
        trust::account::check_password(&name, password).map_err(|fault| unfit(fault.to_string()))?;
        let known = self.store.account(&name).await?;
        // A code that was used stays used while its secret stays.
        let code_used = known.as_ref().and_then(|known| known.code_used);
        let known = known.and_then(|known| known.code_secret);
        let wanted = roles.need_second_factor(self.tier);
        let fresh = match (code_secret, &known) {
            (Some(given), _) => Some(given),
            (None, None) if wanted => Some(CodeSecret::make(&*self.random)),
            (None, _) => None,
        };
        let code_uri = fresh.as_ref().map(|secret| secret.uri(&name, &self.city));
        let account = Account {
            password: self.hashed(password)?,
            code_secret: fresh.map(|secret| secret.base32()).or(known),
            code_used: if code_uri.is_some() { None } else { code_used },
            disabled: false,
            roles: Some(roles),
            name: name.clone(),
            display,
            body,
        };
        self.store.put_account(account, by, self.now()).await?;
        Ok(Issued { name, code_uri })
    }

    /// A forgotten password or a lost phone: both are made anew.
    ///
    /// # Errors
    /// [`ActError::NotFound`]; [`ActError::Unfit`] for a password that is too easy.
    pub async fn reset_account(&self, by: &str, name: &str, password: &str) -> Result<Issued, ActError> {
        let known = self.known_account(name).await?;
        let roles = known.roles.clone().unwrap_or_else(|| Roles::of_old(self.tier, known.body.as_ref()));
        // The lost phone must open nothing more, whether the present roles ask for one or not.
        let had = known.code_secret.is_some();
        let secret = (had || roles.need_second_factor(self.tier)).then(|| CodeSecret::make(&*self.random));
        let new = NewAccount { name: known.name, display: known.display, body: known.body, roles };
        self.put_account(by, new, password, secret).await
    }

    /// Somebody has left, or comes back. What they wrote stays theirs; their drafts are seen by their colleagues.
    ///
    /// # Errors
    /// [`ActError::NotFound`].
    pub async fn set_disabled(&self, by: &str, name: &str, disabled: bool) -> Result<(), ActError> {
        let known = self.known_account(name).await?;
        Ok(self.store.put_account(Account { disabled, ..known }, by, self.now()).await?)
    }

    /// An officer chooses another password. Other log-ins of theirs end.
    ///
    /// # Errors
    /// [`ActError::Login`] when the present one is wrong; [`ActError::Unfit`] when the new one is too easy.
    pub async fn change_password(
        &self,
        officer: &Officer,
        present: &Proof,
        new: &str,
        source: &str,
    ) -> Result<(), ActError> {
        self.prove(&officer.name, present, source).await?;
        trust::account::check_password(&officer.name, new).map_err(|fault| unfit(fault.to_string()))?;
        let known = self.known_account(&officer.name).await?;
        let account = Account { password: self.hashed(new)?, ..known };
        Ok(self.store.put_account(account, &officer.name, self.now()).await?)
    }

    /// # Errors
    /// [`ActError::Unfit`] for roles that only the machine itself may give: whoever gives out accounts must not make
    /// themselves, or a friend, their own auditor.
    pub fn may_be_given(&self, roles: &Roles) -> Result<(), ActError> {
        match roles.0.iter().find(|role| role.stands_alone()) {
            None => Ok(()),
            Some(role) => {
                let reason = format!("{}只能在服务器上用 user add 设立", role.chinese());
                Err(unfit(reason))
            }
        }
    }

    /// # Errors
    /// [`ActError::Unfit`] for the own account, and for accounts that only the machine itself may change.
    pub async fn may_be_changed(&self, by: &Officer, name: &str) -> Result<(), ActError> {
        if by.name == name {
            return Err(unfit("不能更改自己的账号;口令在“更改口令”处更改"));
        }
        match self.store.account(name).await?.and_then(|known| known.roles) {
            Some(roles) => self.may_be_given(&roles),
            None => Ok(()),
        }
    }

    /// Sixteen characters that can be read aloud: 80 bits.
    pub fn random_password(&self) -> String {
        let mut bytes = [0; 16];
        self.random.fill(&mut bytes);
        let letter =
            |byte: &u8| (domain::ids::CROCKFORD[usize::from(byte & 31)] as char).to_ascii_lowercase();
        bytes.iter().map(letter).collect()
    }

    async fn known_account(&self, name: &str) -> Result<Account, ActError> {
        let known = self.store.account(name).await?;
        known.ok_or_else(|| ActError::NotFound { what: "账号", value: name.to_owned() })
    }

    fn hashed(&self, password: &str) -> Result<String, ActError> {
        let mut salt = [0; 16];
        self.random.fill(&mut salt);
        trust::account::hash_password(password, salt).map_err(|fault| unfit(fault.to_string()))
    }
}

impl From<LoginError> for ActError {
    fn from(error: LoginError) -> ActError {
        match error {
            LoginError::Store(error) => ActError::Store(error),
            error => ActError::Login(error),
        }
    }
}
