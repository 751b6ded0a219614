//! Acts that one person must not do alone (双人复核): shutting nodes out, taking back letters and seals, taking data out in bulk.
//!
//! Two officers who both hold the permission prove themselves anew, the second within half an hour; both names stand in the
//! audit. On the command line both do it at once.

use crate::accounts::{Issued, Persons};
use crate::logins::{NewAccount, Officer, Proof};
use crate::{ActError, Hall};
use domain::access::Permission;
use domain::delegation::Revocation;
use domain::network::{NodeRecord, Standing};
use domain::paper::SealName;
use domain::{EntryId, NodeId, OrgId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::Countersign;
use trust::{CodeSecret, Suite};

/// What waits for a second person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum SensitiveAct {
    /// 挂失.
    BanNode {
        node: NodeId,
    },
    /// 撤并.
    EvictNode {
        node: NodeId,
    },
    ReadmitNode {
        node: NodeId,
    },
    RevokeLetter(Revocation),
    WithdrawSeal(SealName),
    /// A new seal for a body, which withdraws the present one.
    RenewSeal {
        body: OrgId,
        /// That of the present one, if left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        suite: Option<Suite>,
    },
    /// The whole audit, for an auditor.
    ExportAudit {},
    /// The list of all cases.
    ExportCases {},
    /// An account that signs with another one: made, or changed.
    GiveAccount(NewAccount),
    /// Its password and phone made anew.
    ResetAccount {
        name: String,
    },
    /// A step in the change of the city's authority.
    Authority {
        step: String,
    },
    /// The hub's key opens the data of a machine whose passwords are forgotten.
    Unlock {
        machine: String,
    },
    /// A backup in place of the hub's data.
    Restore {
        backup: String,
    },
}

/// How long the first signature waits for the second.
const WAITS_MINUTES: i64 = 30;

impl SensitiveAct {
    /// What any of them asks of whoever signs.
    pub const PERMISSIONS: [Permission; 5] = [
        Permission::Operate,
        Permission::Accounts,
        Permission::Register,
        Permission::Audit,
        Permission::Conclude,
    ];

    /// Makes something to be fetched afterwards.
    pub fn is_export(&self) -> bool {
        matches!(self, SensitiveAct::ExportAudit {} | SensitiveAct::ExportCases {})
    }

    pub fn permission(&self) -> Permission {
        match self {
            SensitiveAct::BanNode { .. }
            | SensitiveAct::EvictNode { .. }
            | SensitiveAct::ReadmitNode { .. }
            | SensitiveAct::Authority { .. }
            | SensitiveAct::Unlock { .. }
            | SensitiveAct::Restore { .. } => Permission::Operate,
            SensitiveAct::GiveAccount(_) | SensitiveAct::ResetAccount { .. } => Permission::Accounts,
            SensitiveAct::RevokeLetter(_)
            | SensitiveAct::WithdrawSeal(_)
            | SensitiveAct::RenewSeal { .. } => Permission::Register,
            SensitiveAct::ExportAudit {} => Permission::Audit,
            SensitiveAct::ExportCases {} => Permission::Conclude,
        }
    }
}

fn unfit(reason: impl Into<String>) -> ActError {
    ActError::Unfit { what: "countersign", reason: reason.into() }
}

/// Who confirms gets the password and no more: whoever had both halves could sign in the other's name.
fn half_of(issued: &Issued, password: &str) -> Value {
    json!({ "name": issued.name, "password": password, "collect": issued.code_uri.is_some() })
}

impl Hall {
    /// The first signature. `request` makes a retry harmless.
    ///
    /// # Errors
    /// [`ActError::Forbidden`], [`ActError::Login`].
    pub async fn propose(
        &self,
        officer: &Officer,
        act: &SensitiveAct,
        proof: &Proof,
        source: &str,
        request: Option<EntryId>,
    ) -> Result<Countersign, ActError> {
        if let Some(id) = request
            && let Some(known) = self.store.countersign(id).await?.filter(|one| one.by == officer.name)
        {
            return Ok(known);
        }
        self.sign(officer, act, proof, source).await?;
        self.could_be_done(&officer.name, act).await?;
        let now = self.now();
        let act =
            serde_json::to_value(act).map_err(|e| ActError::Unfit { what: "act", reason: e.to_string() })?;
        let proposed = Countersign {
            id: request.unwrap_or_else(|| self.random.entry_id(now)),
            act,
            by: officer.name.clone(),
            at: now,
            done: None,
            collected: false,
        };
        self.store.put_countersign(proposed.clone()).await?;
        Ok(proposed)
    }

    /// The second signature; the act is done at once.
    ///
    /// # Errors
    /// [`ActError::Unfit`] for the same person twice, or after half an hour; as the act itself otherwise.
    pub async fn countersign(
        &self,
        officer: &Officer,
        id: EntryId,
        proof: &Proof,
        source: &str,
    ) -> Result<Value, ActError> {
        let open = self.store.countersign(id).await?.filter(|one| one.done.is_none());
        let open =
            open.ok_or_else(|| ActError::NotFound { what: "待复核的操作", value: id.to_string() })?;
        if open.by == officer.name {
            return Err(unfit("须由另一位工作人员复核"));
        }
        if !self.is_fresh(open.at) {
            return Err(unfit("已超过 30 分钟;请重新提出"));
        }
        let act: SensitiveAct = serde_json::from_value(open.act.clone())
            .map_err(|_| unfit("这项操作由别的版本提出;请重新提出"))?;
        self.sign(officer, &act, proof, source).await?;
        // Whoever signed first must still be somebody who may.
        let first = self.store.account(&open.by).await?.filter(|account| !account.disabled);
        let still =
            first.and_then(|account| account.roles).is_some_and(|roles| roles.permit(act.permission()));
        if !still {
            return Err(unfit("提出人已停用或不再有此权限;请重新提出"));
        }
        self.could_be_done(&officer.name, &act).await?;
        self.store.take_countersign(id, &officer.name, self.now()).await?;
        let names = format!("{}+{}", open.by, officer.name);
        let done = self.do_sensitive(&names, &act).await;
        if let Err(error) = &done {
            // What both wanted was not done; nothing may look as if it had been.
            self.store.reopen_countersign(id, &names, &error.to_string(), self.now()).await?;
        }
        done
    }

    /// Whether what was signed at a time may still be acted upon.
    pub fn is_fresh(&self, signed: Timestamp) -> bool {
        (0..=WAITS_MINUTES * 60_000).contains(&self.now().since(signed))
    }

    /// What is refused already when it is proposed.
    async fn could_be_done(&self, by: &str, act: &SensitiveAct) -> Result<(), ActError> {
        match act {
            SensitiveAct::GiveAccount(new) => {
                new.roles
                    .check(self.tier, new.body.as_ref())
                    .map_err(|bad| ActError::Unfit { what: "account", reason: bad.0 })?;
                self.may_be_given(&new.roles, Persons::Two)?;
                self.may_be_changed(by, &new.name, Persons::Two).await
            }
            SensitiveAct::RenewSeal { body, .. } => self.has_body(body),
            SensitiveAct::ResetAccount { name } => {
                if self.store.account(name).await?.is_none() {
                    return Err(ActError::NotFound { what: "账号", value: name.clone() });
                }
                self.may_be_changed(by, name, Persons::Two).await
            }
            _ => Ok(()),
        }
    }

    /// Both signatures at once: two people stand at the machine.
    ///
    /// # Errors
    /// As [`Hall::propose`] and [`Hall::countersign`].
    pub async fn by_two(
        &self,
        act: &SensitiveAct,
        first: (&str, &Proof),
        second: (&str, &Proof),
    ) -> Result<Value, ActError> {
        let names = self.both_sign(act, first, second).await?;
        self.do_sensitive(&names, act).await
    }

    /// Both signatures, for an act that the caller carries out. Returns the names for the audit.
    ///
    /// # Errors
    /// As [`Hall::by_two`].
    pub async fn both_sign(
        &self,
        act: &SensitiveAct,
        first: (&str, &Proof),
        second: (&str, &Proof),
    ) -> Result<String, ActError> {
        if first.0 == second.0 {
            return Err(unfit("须由两位不同的工作人员签字"));
        }
        for (name, proof) in [first, second] {
            let officer = self.prove(name, proof, "console").await?;
            self.allow(&officer, act.permission())?;
        }
        Ok(format!("{}+{}", first.0, second.0))
    }

    async fn sign(
        &self,
        officer: &Officer,
        act: &SensitiveAct,
        proof: &Proof,
        source: &str,
    ) -> Result<(), ActError> {
        self.allow(officer, act.permission())?;
        let proven = self.prove(&officer.name, proof, source).await?;
        self.allow(&proven, act.permission())
    }

    async fn do_sensitive(&self, by: &str, act: &SensitiveAct) -> Result<Value, ActError> {
        let standing = |record: NodeRecord| json!({ "node": record.id, "standing": record.standing });
        match act {
            SensitiveAct::BanNode { node } => {
                Ok(standing(self.set_standing(by, node, Standing::Banned).await?))
            }
            SensitiveAct::EvictNode { node } => {
                Ok(standing(self.set_standing(by, node, Standing::Evicted).await?))
            }
            SensitiveAct::ReadmitNode { node } => {
                Ok(standing(self.set_standing(by, node, Standing::Active).await?))
            }
            SensitiveAct::RevokeLetter(revocation) => {
                self.revoke_letter(by, revocation).await?;
                Ok(json!({ "revoked": revocation.number }))
            }
            SensitiveAct::WithdrawSeal(seal) => {
                self.withdraw_seal(by, seal).await?;
                Ok(json!({ "withdrawn": seal }))
            }
            SensitiveAct::RenewSeal { body, suite } => {
                Ok(json!({ "made": self.renew_seal(by, body, *suite).await? }))
            }
            SensitiveAct::GiveAccount(new) => {
                let password = self.random_password();
                let issued = self.put_account(by, new.clone(), &password, None).await?;
                Ok(half_of(&issued, &password))
            }
            SensitiveAct::ResetAccount { name } => {
                let password = self.random_password();
                let issued = self.reset_account(by, name, &password).await?;
                Ok(half_of(&issued, &password))
            }
            // Fetched afterwards, under the id of the signatures.
            SensitiveAct::ExportAudit {} | SensitiveAct::ExportCases {} => Ok(json!({ "ready": true })),
            SensitiveAct::Authority { .. } => Err(unfit("发证机构的更换须在服务器上用 ca 命令办理")),
            SensitiveAct::Unlock { .. } => Err(unfit("开锁须在市级服务器上用 city-hub unlock 命令办理")),
            SensitiveAct::Restore { .. } => Err(unfit("恢复备份须在停机后用 restore 命令办理")),
        }
    }

    /// # Errors
    /// [`ActError::Store`].
    pub async fn waiting_acts(&self) -> Result<Vec<Countersign>, ActError> {
        Ok(self.store.countersigns(200).await?)
    }

    /// The other half of an account that two made: the secret of the phone, for whoever proposed it, once, within half an hour.
    ///
    /// # Errors
    /// [`ActError::NotFound`] otherwise.
    pub async fn collect(&self, officer: &Officer, id: EntryId) -> Result<Value, ActError> {
        let missing = || ActError::NotFound { what: "可领取的密钥", value: id.to_string() };
        let one =
            self.store.countersign(id).await?.filter(|one| one.by == officer.name).ok_or_else(missing)?;
        let fresh = one.done.as_ref().is_some_and(|(_, at)| self.is_fresh(*at));
        let name = match serde_json::from_value(one.act).map_err(|_| missing())? {
            SensitiveAct::GiveAccount(new) if fresh => new.name,
            SensitiveAct::ResetAccount { name } if fresh => name,
            _ => return Err(missing()),
        };
        self.store.collect_countersign(id, &officer.name, self.now()).await?;
        let secret = self.store.account(&name).await?.and_then(|account| account.code_secret);
        let uri = secret.as_deref().and_then(CodeSecret::parse).map(|secret| secret.uri(&name, &self.city));
        Ok(json!({ "name": name, "code_uri": uri }))
    }

    /// Whether an export was signed by two and may be fetched: by either of them, within half an hour.
    ///
    /// # Errors
    /// [`ActError::NotFound`] otherwise.
    pub async fn signed_export(&self, officer: &Officer, id: EntryId) -> Result<SensitiveAct, ActError> {
        let missing = || ActError::NotFound { what: "已复核的导出", value: id.to_string() };
        let one = self.store.countersign(id).await?.ok_or_else(missing)?;
        let (second, at) = one.done.clone().ok_or_else(missing)?;
        let fresh = self.is_fresh(at);
        let act: SensitiveAct = serde_json::from_value(one.act).map_err(|_| missing())?;
        if !act.is_export() || !fresh || (officer.name != one.by && officer.name != second) {
            return Err(missing());
        }
        self.store.note_act(self.now(), &officer.name, "export", &id.to_string()).await?;
        Ok(act)
    }
}
