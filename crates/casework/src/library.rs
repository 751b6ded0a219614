//! The licence library: the hub answers what cases ask of it, and publishes what became of a licence.

use crate::{ActError, Hall};
use domain::dossier::Slip;
use domain::library::{self, Answer, LicenceState, StateChange};
use domain::network::Tier;
use domain::{CaseNo, Day, LicenceNo, form};
use replication::Channel;
use serde::Serialize;
use store::{FiledLicence, kind};

/// A licence as anybody may check it.
#[derive(Debug, Clone, Serialize)]
pub struct LicenceView {
    pub number: LicenceNo,
    pub kind: String,
    pub issued_on: domain::Day,
    pub until: Option<domain::Day>,
    pub state: LicenceState,
    /// The day the answer is of: a village that was cut off knows no later revocation.
    pub status_as_of: domain::Day,
    pub changes: Vec<StateChange>,
}

const AT_ONCE: u32 = 200;

impl Hall {
    /// Answers every case that asks for a paper from the library, each by a slip and with an audit row. Safe to repeat.
    /// Returns how many cases were answered.
    ///
    /// # Errors
    /// [`ActError::Store`]; what was answered so far stands.
    pub async fn answer_library(&self) -> Result<u32, ActError> {
        if self.tier != Tier::City {
            return Ok(0);
        }
        let mut answered = 0;
        for case in self.store.library_asked(AT_ONCE).await? {
            // One case that cannot be answered must not stand before the others.
            match self.answer_one(&case).await {
                Ok(()) => answered += 1,
                Err(ActError::Store(error)) => return Err(ActError::Store(error)),
                Err(error) => tracing::error!(case.id = %case, %error, "the library cannot answer"),
            }
        }
        Ok(answered)
    }

    async fn answer_one(&self, case: &CaseNo) -> Result<(), ActError> {
        let stored = self.stored(case).await?;
        let dossier = &stored.dossier;
        // An item that its release does not hold borrows nothing.
        let item = self.item(Some(dossier.release), &dossier.item).map(|(_, _, item)| item).ok();
        let form = self.form_of(case).await?;
        let (_, person) = form::applicant(&form);
        let mut answers = Vec::new();
        for one in &dossier.borrowed {
            let material = item.as_ref().and_then(|item| item.material(&one.material));
            let licence = material.and_then(|material| material.reuse_licence.as_deref());
            let held = match licence.filter(|_| !person.is_empty()) {
                Some(licence) => self.store.library_of(person, licence).await?,
                None => Vec::new(),
            };
            answers.push(Answer { material: one.material.clone(), found: self.best(held) });
        }
        let page = dossier.submitted_page;
        let slip = Slip {
            // One answer a submission, however often the question is read; after a recall another may stand at this number.
            id: crate::supervise::named_id("library", case, &format!("{page}/{}", dossier.term)),
            about_page: page,
            answers,
            ..self.new_slip(dossier, library::ANSWER, String::new(), None)
        };
        self.write_slip("", dossier, slip).await?;
        Ok(())
    }

    /// The most trusted, then the newest, of what is good today.
    fn best(&self, held: Vec<FiledLicence>) -> Option<library::Filed> {
        let today = self.now().day();
        let good = held.into_iter().filter(|(filed, changes)| {
            library::is_good(filed, library::state_on(changes.iter(), today), today)
        });
        good.map(|(filed, _)| filed).min_by_key(|filed| (filed.trust, std::cmp::Reverse(filed.on)))
    }

    /// # Errors
    /// [`ActError::NotFound`] for a number this node has not seen.
    pub async fn licence_view(&self, number: &LicenceNo) -> Result<LicenceView, ActError> {
        let found = self.store.licence(number).await?;
        let (filed, changes) = found.ok_or_else(|| ActError::NotFound {
            what: "证照(本节点没有收到过)",
            value: number.to_string(),
        })?;
        let today = self.now().day();
        Ok(LicenceView {
            number: number.clone(),
            kind: filed.kind,
            issued_on: filed.on,
            until: filed.until,
            state: library::state_on(changes.iter(), today),
            status_as_of: self.heard_of_all().await?.unwrap_or(filed.on),
            changes,
        })
    }

    /// The day up to which this node knows what the hub told everybody: that of the newest such entry here.
    async fn heard_of_all(&self) -> Result<Option<Day>, ActError> {
        if self.tier == Tier::City {
            return Ok(Some(self.now().day()));
        }
        let (heads, network) = (self.store.heads().await?, self.store.network());
        let hub = network.responsible(self.me(), Tier::City);
        let all = heads
            .into_iter()
            .find(|(journal, _)| Some(&journal.author) == hub && journal.channel == Channel::All);
        let Some((journal, head)) = all else { return Ok(None) };
        Ok(self.store.written_at(&journal, head.seq).await?.map(|at| at.day()))
    }

    /// Suspends or revokes a licence, or lets it count again, for everybody.
    ///
    /// # Errors
    /// [`ActError::Unfit`] without a reason; [`ActError::NotFound`] for a licence the hub did not issue.
    pub async fn change_licence(&self, officer: &str, change: &StateChange) -> Result<(), ActError> {
        self.only_at(Tier::City, "变更证照状态")?;
        self.licence_view(&change.number).await?;
        if change.reason.trim().is_empty() {
            return Err(ActError::Unfit { what: "licence", reason: "请写明理由和依据".to_owned() });
        }
        let entry = self.all_entry(kind::LICENCE_STATE, change.number.to_string(), change)?;
        self.store.append(self.hub_append("licence state", officer, vec![entry])).await?;
        Ok(())
    }
}
