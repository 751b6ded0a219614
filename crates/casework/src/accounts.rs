//! Giving out accounts: who, with which roles, and the secrets that are shown once.

use crate::logins::{NewAccount, Officer, Proof};
use crate::{ActError, Hall, LoginError};
use domain::access::Roles;
use domain::network::Tier;
use serde_json::{Value, json};
use store::{Account, AccountChange};
use trust::CodeSecret;

/// What is shown once, when an account is made or reset.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Issued {
    pub name: String,
    /// For the officer's phone, where the roles ask for a second factor: the text of the QR code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code_uri: Option<String>,
}

impl Issued {
    /// The answer to whoever made it; nobody sees it again. No password where whoever made it gave one.
    pub fn shown_once(&self, password: Option<&str>) -> Value {
        json!({ "name": self.name, "password": password, "code_uri": self.code_uri })
    }
}

/// How many administrators stand behind a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Persons {
    One,
    Two,
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
        trust::account::check_name(&name).map_err(|fault| unfit(fault.to_string()))?;
        roles.check(self.tier, body.as_ref()).map_err(|bad| unfit(bad.0))?;
        trust::account::check_password(&name, password).map_err(|fault| unfit(fault.to_string()))?;
        let has_one = self.store.account(&name).await?.is_some_and(|known| known.code_secret.is_some());
        let wanted = roles.need_second_factor(self.tier);
        let fresh = code_secret.or_else(|| (wanted && !has_one).then(|| CodeSecret::make(&*self.random)));
        let code_uri = fresh.as_ref().map(|secret| secret.uri(&name, &self.city));
        let stored = self.hashed(password)?;
        let account = Account {
            password: stored.clone(),
            code_secret: fresh.map(|secret| secret.base32()),
            code_used: None,
            disabled: false,
            roles: Some(roles),
            name: name.clone(),
            display,
            body,
        };
        self.store.put_account(account, by, self.now()).await?;
        self.open_data_to(&name, password, &stored).await;
        Ok(Issued { name, code_uri })
    }

    /// A forgotten password or a lost phone: both are made anew.
    ///
    /// # Errors
    /// [`ActError::NotFound`]; [`ActError::Unfit`] for a password that is too easy.
    pub async fn reset_account(&self, by: &str, name: &str, password: &str) -> Result<Issued, ActError> {
        let known = self.known_account(name).await?;
        let roles = self.roles_of(&known);
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
        self.store.change_account(name, AccountChange::Disabled(disabled), by, self.now()).await?;
        if disabled {
            self.shut_data_to(name);
        }
        Ok(())
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
        let stored = self.hashed(new)?;
        let password = AccountChange::Password(stored.clone());
        self.store.change_account(&officer.name, password, &officer.name, self.now()).await?;
        self.open_data_to(&officer.name, new, &stored).await;
        Ok(())
    }

    /// Roles that `persons` administrators together may give in the console.
    ///
    /// # Errors
    /// [`ActError::Unfit`] for roles that only the machine itself may give: whoever gives out accounts must not make
    /// themselves, or a friend, their own auditor. For roles that sign acts of two, when `persons` is one: whoever made both
    /// signers would sign alone.
    pub fn may_be_given(&self, roles: &Roles, persons: Persons) -> Result<(), ActError> {
        if let Some(role) = roles.0.iter().find(|role| role.stands_alone()) {
            let reason = format!("{}只能在服务器上用 user add 设立", role.chinese());
            return Err(unfit(reason));
        }
        if persons == Persons::One && self.tier == Tier::City && roles.sign_with_another() {
            return Err(unfit(
                "这个账号参加双人复核:须由两位系统管理员在“双人复核”中设立或重置,或在服务器上用 user 命令办理",
            ));
        }
        Ok(())
    }

    /// # Errors
    /// [`ActError::Unfit`] for the own account, and for accounts that `persons` may not change.
    pub async fn may_be_changed(&self, by: &str, name: &str, persons: Persons) -> Result<(), ActError> {
        if by == name {
            return Err(unfit("不能更改自己的账号;口令在“更改口令”处更改"));
        }
        match self.store.account(name).await? {
            Some(known) => self.may_be_given(&self.roles_of(&known), persons),
            None => Ok(()),
        }
    }

    /// Whether an account, as it is or with the roles it shall get, is for two administrators to give.
    ///
    /// # Errors
    /// [`ActError::Store`].
    pub async fn needs_two(&self, name: &str, roles: &Roles) -> Result<bool, ActError> {
        let known = self.store.account(name).await?.map(|known| self.roles_of(&known));
        let two =
            |roles: &Roles| roles.sign_with_another() && !roles.0.iter().any(|role| role.stands_alone());
        Ok(self.tier == Tier::City && (two(roles) || known.as_ref().is_some_and(two)))
    }

    pub(crate) fn roles_of(&self, account: &Account) -> Roles {
        account.roles.clone().unwrap_or_else(|| Roles::of_old(self.tier, account.body.as_ref()))
    }

    pub fn random_password(&self) -> String {
        trust::account::random_password(&*self.random)
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
