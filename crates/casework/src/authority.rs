//! What the hub publishes about power: letters of delegation, their revocation, and seals. Every node checks by them.

use crate::{ActError, Hall};
use domain::delegation::{Letter, Revocation};
use domain::network::Tier;
use domain::paper::{SealName, SealRecord};
use domain::{Day, OrgId};
use serde::Serialize;
use store::kind;
use tokio::sync::Mutex;
use trust::{SealClaim, SealRing, Suite};

/// Two at once would give one number to two keys.
static MAKING: Mutex<()> = Mutex::const_new(());

/// A letter with what became of it.
#[derive(Debug, Clone, Serialize)]
pub struct LetterView {
    #[serde(flatten)]
    pub letter: Letter,
    pub revocations: Vec<Revocation>,
    /// Good today for somebody.
    pub in_force: bool,
}

impl Hall {
    /// Publishes letters of delegation, all or none; one that is published already, word for word, stays as it is.
    ///
    /// # Errors
    /// [`ActError::Unfit`] naming the letter and what is wrong with it: a field, a number that is taken, a body or item
    /// that is not in the catalogue.
    pub async fn publish_letters(&self, officer: &str, letters: &[Letter]) -> Result<(), ActError> {
        self.only_at(Tier::City, "签发授权委托书")?;
        let (_, pack) = self.pack(None)?;
        let known = self.store.delegations();
        let mut entries = Vec::new();
        for (index, letter) in letters.iter().enumerate() {
            let unfit = |reason: String| ActError::Unfit {
                what: "letter",
                reason: format!("{}:{reason}", letter.number),
            };
            letter.check().map_err(|bad| unfit(bad.0))?;
            // The same letter again is a retry whose answer was lost: it is in force, and that is what is told.
            if known.iter().any(|(one, revoked)| one == letter && revoked.is_empty()) {
                continue;
            }
            if known.get(&letter.number).is_some()
                || letters[..index].iter().any(|other| other.number == letter.number)
            {
                return Err(unfit("文号已被使用,请另编文号".to_owned()));
            }
            if !pack.orgs.contains_key(&letter.body) {
                return Err(unfit(format!("{} 不是本市的部门", letter.body)));
            }
            if let Some(item) = letter.items.iter().find(|item| pack.item(item).is_none()) {
                return Err(unfit(format!("{item} 不在事项目录中,不得授权")));
            }
            entries.push(self.all_entry(kind::LETTER, letter.number.clone(), letter)?);
        }
        if !entries.is_empty() {
            self.store.append(self.hub_append("delegate", officer, entries)).await?;
        }
        Ok(())
    }

    /// # Errors
    /// [`ActError::NotFound`] for a letter that was never published; [`ActError::Unfit`] without a reason.
    pub async fn revoke_letter(&self, officer: &str, revocation: &Revocation) -> Result<(), ActError> {
        self.only_at(Tier::City, "撤销授权委托书")?;
        let known = self.store.delegations();
        let letter = known
            .get(&revocation.number)
            .ok_or_else(|| ActError::NotFound {
                what: "授权委托书", value: revocation.number.clone()
            })?;
        if revocation.delegate.as_ref().is_some_and(|who| !letter.delegates.contains(who)) {
            let reason = "该授权委托书没有委托此人".to_owned();
            return Err(ActError::Unfit { what: "revocation", reason });
        }
        if revocation.reason.trim().is_empty() {
            return Err(ActError::Unfit { what: "revocation", reason: "请写明撤销理由".to_owned() });
        }
        // Backdating would make void what was decided in good faith.
        if revocation.from < self.now().day() {
            return Err(ActError::Unfit {
                what: "revocation", reason: "撤销日期不得早于今天".to_owned()
            });
        }
        let entry = self.all_entry(kind::REVOCATION, revocation.number.clone(), revocation)?;
        self.store.append(self.hub_append("revoke delegation", officer, vec![entry])).await?;
        Ok(())
    }

    pub fn letters(&self) -> Vec<LetterView> {
        let (known, today) = (self.store.delegations(), self.now().day());
        let view = |letter: &Letter, revocations: &[Revocation]| {
            let stands = |who| !known.is_revoked(&letter.number, who, today);
            let in_force = letter.from <= today && today <= letter.to && letter.delegates.iter().any(stands);
            LetterView { letter: letter.clone(), revocations: revocations.to_vec(), in_force }
        };
        known.iter().map(|(letter, revocations)| view(letter, revocations)).collect()
    }

    /// A new seal for a body in place of the present one, which is withdrawn from today on: it was worn, or its suite is no longer
    /// used. Of the same suite unless another is named.
    ///
    /// # Errors
    /// [`ActError::NotFound`] for a body that the catalogue does not have; [`ActError::Unfit`] when the key cannot be written, or its
    /// record not be published.
    pub async fn renew_seal(
        &self,
        officer: &str,
        body: &OrgId,
        suite: Option<Suite>,
    ) -> Result<SealName, ActError> {
        self.only_at(Tier::City, "备案印章")?;
        self.has_body(body)?;
        // The key is in the cupboard before its record is published: who may not publish must not change the cupboard.
        if let Some(recovery) = self.store.recovery() {
            recovery.may_write()?;
        }
        let _alone = MAKING.lock().await;
        let unfit = |reason: String| ActError::Unfit { what: "seal", reason };
        let key = match self.seals.seal_for(body) {
            // Made, and not published when the disk was full: that one is meant, and not a third.
            Some(key) if !self.store.seals().contains_key(&key.name) => key,
            _ => self
                .seals
                .make(body, suite, &*self.random)
                .map_err(|error| unfit(format!("印章没有刻成,原章照用:{error}")))?,
        };
        let published = self.publish_seals(officer, &[key.record(self.now().day())]).await;
        published.map_err(|error| {
            unfit(format!("新章已刻好,还没有备案,备案前不能用印;请排除故障后再办一次:{error}"))
        })?;
        Ok(key.name)
    }

    /// # Errors
    /// [`ActError::NotFound`] for a body that the catalogue does not have.
    pub(crate) fn has_body(&self, body: &OrgId) -> Result<(), ActError> {
        match self.pack(None)?.1.orgs.contains_key(body) {
            true => Ok(()),
            false => Err(ActError::NotFound { what: "部门", value: body.to_string() }),
        }
    }

    /// Publishes the record of a seal, and withdraws the owner's earlier ones from today on.
    ///
    /// # Errors
    /// [`ActError::Store`].
    pub async fn publish_seals(&self, officer: &str, records: &[SealRecord]) -> Result<(), ActError> {
        self.only_at(Tier::City, "备案印章")?;
        let (known, today) = (self.store.seals(), self.now().day());
        let mut entries = Vec::new();
        let subject = |seal: &SealName| format!("{}-{}", seal.owner, seal.no);
        for record in records {
            let earlier = known.values().filter(|old| {
                old.seal.owner == record.seal.owner && old.seal.no < record.seal.no && old.withdrawn.is_none()
            });
            for old in earlier {
                let withdrawn = SealRecord { withdrawn: Some(today), ..old.clone() };
                entries.push(self.all_entry(kind::SEAL, subject(&old.seal), &withdrawn)?);
            }
            entries.push(self.all_entry(kind::SEAL, subject(&record.seal), record)?);
        }
        if !entries.is_empty() {
            self.store.append(self.hub_append("publish seal", officer, entries)).await?;
        }
        Ok(())
    }

    /// Takes a lost or worn seal out of use from today on; papers pressed before stay good.
    ///
    /// # Errors
    /// [`ActError::NotFound`] for a seal that was never published.
    pub async fn withdraw_seal(&self, officer: &str, seal: &SealName) -> Result<(), ActError> {
        self.only_at(Tier::City, "停用印章")?;
        let known = self.store.seals();
        let record = known.get(seal).ok_or_else(|| ActError::NotFound {
            what: "印章",
            value: format!("{} 第 {} 号", seal.owner, seal.no),
        })?;
        let record = SealRecord { withdrawn: Some(self.now().day()), ..record.clone() };
        let entry = self.all_entry(kind::SEAL, format!("{}-{}", seal.owner, seal.no), &record)?;
        self.store.append(self.hub_append("withdraw seal", officer, vec![entry])).await?;
        Ok(())
    }

    /// Checks the QR code of a paper with what this node knows, without a network. `day` is the day of the paper, where known.
    ///
    /// # Errors
    /// [`ActError::Unfit`] saying why it cannot be believed.
    pub fn verify_claim(&self, claim: &SealClaim, day: Day) -> Result<(), ActError> {
        let ring = SealRing(self.store.seals());
        ring.verify_claim(claim, day, &self.store.network())
            .map_err(|fault| ActError::Unfit { what: "paper", reason: fault.to_string() })
    }
}
