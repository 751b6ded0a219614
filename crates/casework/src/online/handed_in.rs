//! From a draft in the hall to an application on its way, and what is told of one until its town has taken it in.

use super::{NEEDS_A_VISIT, submission_of, unfit};
use crate::citizens::{APPLICANT, not_theirs};
use crate::{ActError, Citizen, Hall};
use domain::application::{self, Application};
use domain::dossier::decide::{self, Refusal};
use domain::dossier::{Online, Page, Submission};
use domain::network::Tier;
use domain::{CaseNo, EntryId};
use replication::Channel;
use std::collections::BTreeSet;
use store::{Append, ApplicationLine, ApplicationQuery, NewEntry, StoreError, kind};

/// Applications that wait for their town and are listed at once.
const WAITING_MAX: u32 = 1000;
/// Of one person, the newest applications that are looked at.
const OF_PERSON_MAX: u32 = 200;
/// Of one case: a case is sent back a few times.
const OF_CASE_MAX: u32 = 100;
/// What one person may hand in in a day: all of it stays for ever, and somebody has to read it.
const A_DAY_MAX: usize = 10;

/// An application that its town has not taken in yet.
#[derive(Debug, Clone)]
pub struct Waiting {
    pub application: Application,
    pub item_name: String,
    pub town_name: String,
    /// More than a working day.
    pub overdue: bool,
}

impl Hall {
    /// Hands in the version that was read, and of no other. The same draft twice is one application.
    ///
    /// # Errors
    /// [`Refusal::Faulty`] with every fault; [`StoreError::StaleDraft`] when it was changed in another window since.
    pub async fn submit_online(
        &self,
        citizen: &Citizen,
        id: EntryId,
        version: u32,
    ) -> Result<CaseNo, ActError> {
        if self.store.draft(id).await?.is_none() {
            // Handed in already: the answer was lost on the way, or somebody pressed twice.
            return self.handed_in(citizen, id).await;
        }
        let draft = self.online_draft(citizen, id).await?;
        if draft.version != version {
            return Err(StoreError::StaleDraft { draft: id }.into());
        }
        let (now, mends) = (self.now(), draft.online.as_ref().and_then(|online| online.mends.clone()));
        let (release, _, item) = match mends {
            None => {
                // The draft keeps its version, but what asks for a visit by now, or is suspended, is not taken in any more.
                let (_, _, newest) = self.item_in_force(APPLICANT, &draft.item).await?;
                if !application::is_offered(&newest, now.day()) {
                    return Err(unfit(NEEDS_A_VISIT));
                }
                self.item(Some(draft.release), &draft.item)?
            }
            Some(_) => self.item(Some(draft.release), &draft.item)?,
        };
        if let Some((case, _)) = &mends {
            let dossier = self.case_of(citizen, case).await?.dossier;
            if !self.is_mended_here(&dossier).await? {
                return Err(Refusal::NotReturned.into());
            }
        }
        let today = |line: &&ApplicationLine| line.application.at.day() == now.day();
        // Who answers a notice answers it: that is bounded by the notices.
        if mends.is_none()
            && self.applications_of(citizen, false).await?.iter().filter(today).count() >= A_DAY_MAX
        {
            return Err(unfit("您今天提交的申请太多了;请明天再提交,或到就近的代办点办理"));
        }
        let faults = self.online_faults(citizen, &draft)?;
        if !faults.is_empty() {
            return Err(Refusal::Faulty(faults).into());
        }
        let mut submission = submission_of(&draft, &item, now.day());
        submission.online = Some(Online { application: id, on: now.day() });
        // What no stage could decide is refused now, not by the town.
        decide::complete_submission(&item, &mut submission, now.day())?;
        let town =
            self.town_of(&draft, &item, &submission.form).ok_or(Refusal::NoNode { tier: Tier::Town })?;
        let case = match &mends {
            Some((case, _)) => case.clone(),
            None => CaseNo::make(&town, now.day(), self.random.u64()),
        };
        let mends = mends.map(|(_, notice)| notice);
        let (item, hashes) = (item.id.clone(), self.papers_here(&submission));
        let said =
            Application { case: case.clone(), item, release, at: now, town: town.clone(), submission, mends };
        let body = serde_json::to_vec(&said)
            .map_err(|e| ActError::Unfit { what: "application", reason: e.to_string() })?;
        let entry = NewEntry {
            id,
            channel: Channel::To(town),
            kind: kind::APPLICATION,
            subject: case.to_string(),
            body,
        };
        let append = Append {
            attachments_here: hashes,
            consumes_draft: Some((id, version)),
            ..Append::new(now, APPLICANT, "apply online", vec![entry])
        };
        let appended = self.store.append(append).await?;
        if appended.repeated { self.handed_in(citizen, id).await } else { Ok(case) }
    }

    /// The case that a draft became.
    async fn handed_in(&self, citizen: &Citizen, id: EntryId) -> Result<CaseNo, ActError> {
        let case = self.store.case_of_request(id).await?;
        let case = case.ok_or_else(|| ActError::NotFound { what: "您的申请", value: id.to_string() })?;
        let known = self.applications_about(&case, false).await?;
        let theirs =
            |line: &ApplicationLine| line.id == id && citizen.is_of(&line.application.submission.form);
        if known.iter().any(theirs) { Ok(case) } else { Err(not_theirs(&case)) }
    }

    /// All applications that wait for their town, the oldest first.
    ///
    /// # Errors
    /// [`ActError::Store`].
    pub async fn waiting_applications(&self) -> Result<Vec<Waiting>, ActError> {
        let query = ApplicationQuery { open_only: true, limit: WAITING_MAX, ..ApplicationQuery::default() };
        let lines = self.store.applications(query).await?;
        Ok(lines.iter().map(|line| self.as_waiting(&line.application)).collect())
    }

    /// What a person handed in and no town has taken in yet, the newest first.
    ///
    /// # Errors
    /// [`ActError::Store`].
    pub async fn waiting_of(&self, citizen: &Citizen) -> Result<Vec<Waiting>, ActError> {
        let lines = self.applications_of(citizen, true).await?;
        Ok(lines.iter().map(|line| self.as_waiting(&line.application)).collect())
    }

    async fn applications_of(
        &self,
        citizen: &Citizen,
        open_only: bool,
    ) -> Result<Vec<ApplicationLine>, ActError> {
        let person = Some(citizen.number.clone());
        let query =
            ApplicationQuery { open_only, person, limit: OF_PERSON_MAX, ..ApplicationQuery::default() };
        let mut lines = self.store.applications(query).await?;
        lines.retain(|line| citizen.is_of(&line.application.submission.form));
        Ok(lines)
    }

    /// What was handed in under the number of a case: it itself, and what mended it.
    pub(super) async fn applications_about(
        &self,
        case: &CaseNo,
        open_only: bool,
    ) -> Result<Vec<ApplicationLine>, ActError> {
        let case = Some(case.clone());
        let query = ApplicationQuery { open_only, case, limit: OF_CASE_MAX, ..ApplicationQuery::default() };
        Ok(self.store.applications(query).await?)
    }

    /// Answers to a notice that came when a window had answered it already: nothing of them was taken in, and whoever looks at the
    /// case is told so.
    ///
    /// # Errors
    /// [`ActError::Store`].
    pub async fn answers_not_taken(&self, case: &CaseNo) -> Result<Vec<Application>, ActError> {
        let mut answers = self.applications_about(case, false).await?;
        answers.retain(|line| !line.open && line.application.mends.is_some());
        if answers.is_empty() {
            return Ok(Vec::new());
        }
        let pages = self.store.history(case).await?.into_iter().filter(|line| line.verdict == "applied");
        let taken: BTreeSet<EntryId> = pages
            .filter_map(|line| serde_json::from_value::<Page>(line.page?).ok())
            .filter_map(|page| page.body.submission()?.online.as_ref().map(|online| online.application))
            .collect();
        answers.retain(|line| !taken.contains(&line.id));
        Ok(answers.into_iter().map(|line| line.application).collect())
    }

    /// Hashes of the scans of a submission that are on this disk.
    pub(super) fn papers_here(&self, submission: &Submission) -> Vec<String> {
        let hashes = submission.attachments.iter().map(|one| one.hash.clone());
        hashes.filter(|hash| self.blobs.has(hash)).collect()
    }

    /// An application by its number, while its town has not taken it in.
    ///
    /// # Errors
    /// [`ActError::Store`].
    pub async fn waiting_application(&self, case: &CaseNo) -> Result<Option<Waiting>, ActError> {
        let open = self.applications_about(case, true).await?;
        Ok(open.first().map(|line| self.as_waiting(&line.application)))
    }

    /// A person's own new application by its number, while its town has not taken it in.
    ///
    /// # Errors
    /// [`ActError::Store`].
    pub async fn waiting_of_case(
        &self,
        citizen: &Citizen,
        case: &CaseNo,
    ) -> Result<Option<Waiting>, ActError> {
        let theirs = |one: &Waiting| {
            one.application.mends.is_none() && citizen.is_of(&one.application.submission.form)
        };
        Ok(self.waiting_application(case).await?.filter(theirs))
    }

    /// As [`Hall::progress`], of an application that its town has not taken in yet.
    ///
    /// # Errors
    /// [`ActError::Store`].
    pub async fn waiting_progress(&self, case: &str, last_four: &str) -> Result<Option<Waiting>, ActError> {
        let Ok(case) = case.trim().parse::<CaseNo>() else { return Ok(None) };
        let Some(waiting) = self.waiting_application(&case).await? else { return Ok(None) };
        if !crate::citizens::ends_so(&waiting.application.submission.form, last_four) {
            return Ok(None);
        }
        self.note_applicant("read", &format!("/hall/progress/{case}")).await?;
        Ok(Some(waiting))
    }

    fn as_waiting(&self, application: &Application) -> Waiting {
        let known = self.item(Some(application.release), &application.item).ok();
        let network = self.store.network();
        let town = network.get(&application.town);
        let newest = self.pack(None).ok();
        let today = self.now().day();
        Waiting {
            item_name: known.map_or_else(|| application.item.to_string(), |(_, _, item)| item.name.clone()),
            town_name: town.map_or_else(|| application.town.to_string(), |town| town.name.clone()),
            overdue: newest
                .is_some_and(|(_, pack)| application::is_overdue(application.at, &pack.calendar, today)),
            application: application.clone(),
        }
    }
}
