//! Officers and their log-ins. Nothing is open without one, and every log-in ends.

use crate::{ActError, Hall};
use domain::access::{Jurisdiction, Permission, Roles};
use domain::network::Tier;
use domain::{CaseNo, OrgId, Timestamp};
use std::sync::PoisonError;
use store::{Account, Login, StoreError};
use trust::CodeSecret;
use trust::account::NAME_BYTES_MAX;

/// A logged-in officer.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Officer {
    pub name: String,
    pub display: String,
    pub body: Option<OrgId>,
    pub roles: Roles,
    /// Proven with a password and a code of the phone.
    pub second_factor: bool,
}

impl Officer {
    /// The program itself: the law accepts a case, a limit ends. It holds no role, and passes by no desk.
    pub(crate) fn system() -> Officer {
        Officer::of_house("", None, Roles::default())
    }

    /// Somebody who is in the house already.
    pub fn of_house(name: impl Into<String>, body: Option<OrgId>, roles: Roles) -> Officer {
        let name = name.into();
        Officer { display: name.clone(), name, body, roles, second_factor: true }
    }
}

/// What somebody proves themselves with.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(default)]
pub struct Proof {
    pub password: String,
    /// Six digits of the phone, where the account has a second factor.
    pub code: Option<String>,
}

/// An account as somebody wants it to be.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct NewAccount {
    pub name: String,
    pub display: String,
    pub body: Option<OrgId>,
    pub roles: Roles,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    #[error("用户名、口令或动态口令不对;请重新输入,忘记口令请联系管理员重置")]
    Wrong,
    /// Remedy: the six digits of the phone.
    #[error("请再输入手机上的六位动态口令;口令总不对时,请核对本机和手机的时间")]
    CodeNeeded,
    /// Remedy: to wait; nobody else is kept waiting.
    #[error("试错次数过多,请 {seconds} 秒后再试;忘记口令请找管理员重置")]
    Throttled { seconds: u64 },
    #[error("{0}")]
    Store(#[from] StoreError),
}

impl LoginError {
    /// A stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            LoginError::Wrong => "wrong_login",
            LoginError::CodeNeeded => "code_needed",
            LoginError::Throttled { .. } => "throttled",
            LoginError::Store(_) => "storage",
        }
    }
}

/// A log-in ends by itself after this, however busy.
const LOGIN_HOURS: i64 = 12;
/// An officer who went away is logged out after this; the draft is saved.
const IDLE_MINUTES: i64 = 120;
/// How exactly it is known when somebody was last there.
const TOUCH_MINUTES: i64 = 5;

pub(crate) fn token_hash(token: &str) -> String {
    blake3::hash(token.as_bytes()).to_hex().to_string()
}

impl Hall {
    /// Returns the token that later requests carry. Only its hash is stored. `source` is where the caller sits: guessing from
    /// one place slows down nobody at another.
    ///
    /// # Errors
    /// [`LoginError::Wrong`] alike for unknown names, disabled accounts, wrong passwords and wrong codes.
    pub async fn log_in(
        &self,
        name: &str,
        proof: &Proof,
        source: &str,
    ) -> Result<(String, Officer), LoginError> {
        let (account, code) = self.proven(name, proof, source).await?;
        let mut secret = [0; 24];
        self.random.fill(&mut secret);
        let token = trust::hex(&secret);
        let opened = self.now();
        let expires = opened.plus_ms(LOGIN_HOURS * 3_600_000);
        let login =
            Login { token_hash: token_hash(&token), account: account.name.clone(), opened, expires, code };
        match self.store.open_login(login).await {
            // Somebody was quicker with the same code.
            Err(StoreError::Missing { .. }) => return Err(LoginError::Wrong),
            outcome => outcome?,
        }
        Ok((token, self.officer_of(account, code.is_some())))
    }

    fn officer_of(&self, account: Account, second_factor: bool) -> Officer {
        let roles = self.roles_of(&account);
        Officer { name: account.name, display: account.display, body: account.body, roles, second_factor }
    }

    /// The account that this name and proof open, and the half minute of the code it was proven with.
    async fn proven(
        &self,
        name: &str,
        proof: &Proof,
        source: &str,
    ) -> Result<(Account, Option<u64>), LoginError> {
        let now = self.now();
        // No account has a longer name, and what is remembered of failures must not grow with what is typed.
        if name.len() > NAME_BYTES_MAX {
            return Err(LoginError::Wrong);
        }
        let throttle = || self.throttle.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seconds) = throttle().wait(name, source, now) {
            return Err(LoginError::Throttled { seconds });
        }
        let account = self.store.account(name).await?.filter(|account| !account.disabled);
        let stored = account.as_ref().map(|account| account.password.clone());
        let (officer, password) = (name.to_owned(), proof.password.clone());
        // Counted before it is known, and taken back on success: whoever hangs up in between has guessed all the same.
        throttle().failed(name, source, now);
        let turn = self.passwords.clone().acquire_owned().await.map_err(|_| StoreError::Closed)?;
        // argon2 takes tens of milliseconds on purpose; on the runtime's threads it would hold up the links. The turn goes with
        // the work, not with the caller, who may be gone before it ends.
        let at_rest = self.at_rest.clone();
        let right = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let right = trust::account::verify_password(&password, stored.as_deref());
            if let (true, Some(at_rest), Some(stored)) = (right, at_rest, stored) {
                at_rest.admit(&officer, &password, &stored);
            }
            right
        });
        let account = match (right.await, account) {
            (Ok(true), Some(account)) => account,
            _ => return Err(LoginError::Wrong),
        };
        let code = match self.checked_code(&account, proof, now) {
            Err(error) => {
                // Asking for the code is no guess; a wrong one is.
                if error == LoginError::CodeNeeded {
                    throttle().succeeded(name, source);
                }
                return Err(error);
            }
            Ok(code) => code,
        };
        throttle().succeeded(name, source);
        Ok((account, code))
    }

    fn checked_code(
        &self,
        account: &Account,
        proof: &Proof,
        now: Timestamp,
    ) -> Result<Option<u64>, LoginError> {
        let Some(secret) = account.code_secret.as_deref().and_then(CodeSecret::parse) else {
            return Ok(None);
        };
        let code = proof.code.as_deref().filter(|code| !code.trim().is_empty());
        let code = code.ok_or(LoginError::CodeNeeded)?;
        secret.check(code, now, account.code_used).map(Some).ok_or(LoginError::Wrong)
    }

    /// Who carries this token.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be read; an unknown, expired or abandoned log-in is `Ok(None)`.
    pub async fn officer(&self, token: &str) -> Result<Option<Officer>, StoreError> {
        self.officer_by(token, true).await
    }

    /// As [`Hall::officer`], for what a page asks by itself: a page that was left open must not keep its log-in alive.
    ///
    /// # Errors
    /// As [`Hall::officer`].
    pub async fn officer_unasked(&self, token: &str) -> Result<Option<Officer>, StoreError> {
        self.officer_by(token, false).await
    }

    async fn officer_by(&self, token: &str, is_here: bool) -> Result<Option<Officer>, StoreError> {
        let (hash, now) = (token_hash(token), self.now());
        let Some(session) = self.store.session(&hash, now).await? else { return Ok(None) };
        let away = now.as_ms() - session.seen.as_ms();
        if away > IDLE_MINUTES * 60_000 {
            self.store.close_login(&hash).await?;
            return Ok(None);
        }
        if is_here && away > TOUCH_MINUTES * 60_000 {
            self.store.touch_login(&hash, now).await?;
        }
        Ok(Some(self.officer_of(session.account, session.second_factor)))
    }

    /// # Errors
    /// [`StoreError`].
    pub async fn log_out(&self, token: &str) -> Result<(), StoreError> {
        self.store.close_login(&token_hash(token)).await
    }

    /// Ends every log-in of an officer, on all machines.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn log_out_everywhere(&self, officer: &Officer) -> Result<(), StoreError> {
        self.store.close_logins(&officer.name).await?;
        self.store.note_act(self.now(), &officer.name, "log out everywhere", "").await
    }

    /// Proves an officer anew, before an act that one careless click must not do (step-up).
    ///
    /// # Errors
    /// [`LoginError`]; a code that was used for the log-in proves nothing more.
    pub async fn prove(&self, officer: &str, proof: &Proof, source: &str) -> Result<Officer, LoginError> {
        let (account, code) = self.proven(officer, proof, source).await?;
        if let Some(code) = code {
            // Used up, so that whoever looked over a shoulder cannot use it again.
            match self.store.use_code(&account.name, code).await {
                Err(StoreError::Missing { .. }) => return Err(LoginError::Wrong),
                outcome => outcome?,
            }
        }
        Ok(self.officer_of(account, code.is_some()))
    }

    /// # Errors
    /// [`ActError::Forbidden`] when none of the officer's roles opens the area, [`ActError::SecondFactor`] when it asks for a
    /// code and the log-in had none.
    pub fn allow(&self, officer: &Officer, permission: Permission) -> Result<(), ActError> {
        if !officer.roles.permit(permission) {
            return Err(ActError::Forbidden { what: permission.chinese() });
        }
        if permission.needs_second_factor(self.tier) && !officer.second_factor {
            return Err(ActError::SecondFactor { what: permission.chinese() });
        }
        Ok(())
    }

    /// The cases an officer reaches.
    pub fn jurisdiction(&self, officer: &Officer) -> Jurisdiction {
        let newest = self.store.pack(None).map_or(0, |(release, _)| release);
        // An item's departments may have changed from release to release; its cases keep theirs.
        let packs: Vec<_> = match self.tier {
            Tier::City => (1..=newest).filter_map(|release| self.store.pack(Some(release))).collect(),
            Tier::Town | Tier::Village => Vec::new(),
        };
        let items = packs.iter().flat_map(|(_, pack)| pack.items.values().map(|item| &**item));
        officer.roles.jurisdiction(self.tier, officer.body.as_ref(), items)
    }

    /// # Errors
    /// [`ActError::NotFound`] alike for a case that is not here and for one of other departments: who may not see a case does
    /// not learn that it exists (I36).
    pub async fn within_reach(&self, officer: &Officer, case: &CaseNo) -> Result<(), ActError> {
        let within = self.jurisdiction(officer);
        if self.store.reaches(case, &within).await? {
            return Ok(());
        }
        Err(ActError::NotFound { what: "办件", value: case.to_string() })
    }
}
