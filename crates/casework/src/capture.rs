//! 收件 and 补正: from a draft to a case, and a returned case once more; durable on this disk before anybody is told.

use crate::{ActError, CaseView, Hall, Officer};
use domain::catalogue::Item;
use domain::dossier::Submission;
use domain::dossier::decide::{self, Opening, Refusal};
use domain::form::{Form, filling};
use domain::library::Borrowed;
use domain::{CaseNo, Day, EntryId, MaterialId, NodeId};
use replication::Channel;
use store::{Append, Draft, NewEntry, StoreError, kind};

impl Hall {
    /// 收件: turns a draft into a case, durable on this disk.
    ///
    /// # Errors
    /// [`Refusal::Faulty`] with all faults of form and papers. A draft makes one case only (I23).
    pub async fn capture(&self, officer: &Officer, id: EntryId) -> Result<CaseView, ActError> {
        self.capture_at(officer, id, None).await
    }

    /// As [`Hall::capture`], of the version that was read out to the applicant and of no other.
    ///
    /// # Errors
    /// [`StoreError::StaleDraft`] when somebody changed the draft since.
    pub async fn capture_read(
        &self,
        officer: &Officer,
        id: EntryId,
        version: u32,
    ) -> Result<CaseView, ActError> {
        self.capture_at(officer, id, Some(version)).await
    }

    async fn capture_at(
        &self,
        officer: &Officer,
        id: EntryId,
        read_out: Option<u32>,
    ) -> Result<CaseView, ActError> {
        self.takes_in()?;
        let Some(draft) = self.store.draft(id).await? else {
            // Captured already: the answer was lost on the way, or somebody clicked twice. The case exists, and is told.
            let case = self.store.case_of_request(id).await?;
            let case = case.ok_or_else(|| ActError::NotFound { what: "草稿", value: id.to_string() })?;
            return self.view(&case).await;
        };
        if read_out.is_some_and(|version| version != draft.version) {
            return Err(StoreError::StaleDraft { draft: id }.into());
        }
        if draft.bundle.is_some() {
            return self.capture_bundle(officer, &draft).await;
        }
        // The draft keeps its version, but what has been suspended or repealed meanwhile is not taken in any more.
        self.item_in_force(&officer.name, &draft.item).await?;
        let (release, _, item) = self.item(Some(draft.release), &draft.item)?;
        let now = self.now();
        let case = CaseNo::make(self.me(), now.day(), self.random.u64());
        let act = decide::capture(
            Opening { case: case.clone(), item: &item, release, bundle: None },
            submission_of(&draft, &item, now.day()),
            &self.actor(officer),
            &self.store.network(),
            now,
        )?;
        let append = Append {
            attachments_here: draft.attachments.iter().map(|attachment| attachment.hash.clone()).collect(),
            consumes_draft: Some((id, draft.version)),
            // The draft's own id: a double click or a retry after a lost answer is the same act.
            ..self.append_of("capture", officer, id, act, 0)?
        };
        let appended = self.store.append(append).await?;
        let case =
            if appended.repeated { self.store.case_of_request(id).await?.unwrap_or(case) } else { case };
        self.view(&case).await
    }

    /// A returned case, mended: the whole submission again.
    ///
    /// # Errors
    /// As [`Hall::capture`]; [`Refusal::NotReturned`] when nobody sent it back.
    pub async fn resubmit(
        &self,
        officer: &Officer,
        case: &CaseNo,
        mut form: Form,
        scans: Vec<(MaterialId, Vec<u8>)>,
    ) -> Result<CaseView, ActError> {
        let stored = self.stored(case).await?;
        let before = self.store.current_submission(case).await?;
        let mut attachments = stored.dossier.attachments.clone();
        let mut here = Vec::new();
        for (material, bytes) in scans {
            let attachment = self.keep_blob(material, bytes).await?;
            attachments.retain(|known| known.material != attachment.material);
            here.push(attachment.hash.clone());
            attachments.push(attachment);
        }
        let before = before.as_ref().and_then(|page| page.body.submission()).ok_or(Refusal::NotReturned)?;
        let green = before.green.clone();
        // What was promised and has been brought now is no longer promised; the rest still is.
        let commitment = before.commitment.clone();
        // A paper that is handed in need not come from the library any more.
        let kept = |one: &&Borrowed| attachments.iter().all(|known| known.material != one.material);
        let borrowed = before.borrowed.iter().filter(kept).cloned().collect();
        let wish = before.wish.clone();
        let laid = self.lay_out(&stored).await?;
        filling::ask_only(&laid.item, &mut form, self.now().day());
        let submission = Submission {
            form: form.into(),
            attachments,
            commitment,
            green,
            borrowed,
            wish,
            ..Submission::default()
        };
        let (actor, now) = (self.actor(officer), self.now());
        let command = decide::Command::Resubmit(submission);
        let act = decide::decide(&stored.dossier, &laid.plain(), &actor, command, now)?;
        let request = self.random.entry_id(now);
        let append = self.append_of("resubmit", officer, request, act, stored.dossier.pages)?;
        self.store.append(Append { attachments_here: here, ..append }).await?;
        self.view(case).await
    }

    /// Pages as entries of the journal they belong to, to be taken only if the dossier still has `decided_on` pages.
    pub(crate) fn append_of(
        &self,
        action: &'static str,
        officer: &Officer,
        request: EntryId,
        act: decide::Act,
        decided_on: u32,
    ) -> Result<Append, ActError> {
        let now = self.now();
        let entries = self.entries_of(request, &act)?;
        Ok(Append {
            expected: Some((act.after.case, decided_on)),
            ..Append::new(now, officer.name.clone(), action, entries)
        })
    }

    /// The pages of an act as entries; the first bears the id of the request.
    pub(crate) fn entries_of(&self, request: EntryId, act: &decide::Act) -> Result<Vec<NewEntry>, ActError> {
        let now = self.now();
        let mut entries = Vec::with_capacity(act.pages.len());
        let channel = self.channel_for(&act.after.origin);
        for (index, page) in act.pages.iter().enumerate() {
            let id = if index == 0 { request } else { self.random.entry_id(now) };
            let body = serde_json::to_vec(page)
                .map_err(|e| ActError::Unfit { what: "page", reason: e.to_string() })?;
            entries.push(NewEntry {
                id,
                channel: channel.clone(),
                kind: kind::PAGE,
                subject: page.case.to_string(),
                body,
            });
        }
        Ok(entries)
    }

    /// A node writes about its own cases to its ancestors, about a village's case to that village.
    pub(crate) fn channel_for(&self, origin: &NodeId) -> Channel {
        if origin == self.me() { Channel::Up } else { Channel::To(origin.clone()) }
    }
}

/// What the draft hands in: what is not asked any more stays in the draft.
pub(crate) fn submission_of(draft: &Draft, item: &Item, today: Day) -> Submission {
    let mut form = draft.form.clone();
    filling::ask_only(item, &mut form, today);
    Submission {
        form: form.into(),
        attachments: draft.attachments.clone(),
        commitment: draft.commitment.clone(),
        green: draft.green.clone(),
        borrowed: draft.borrowed.clone(),
        wish: draft.wish.clone(),
        ..Submission::default()
    }
}
