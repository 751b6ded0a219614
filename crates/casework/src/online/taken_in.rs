//! At the town: what citizens handed in becomes a case of its window, or an answer to what was sent back.

use crate::{ActError, Hall};
use domain::EntryId;
use domain::dossier::PageBody;
use domain::dossier::decide::{self, Refusal};
use std::collections::BTreeSet;
use store::{Append, ApplicationLine, ApplicationQuery, StoreError};

/// Applications that a round could not take in.
#[derive(Debug, Default)]
pub struct LeftLying {
    /// Asked again when some time has passed: a catalogue that has not come yet, a case that lies elsewhere.
    later: BTreeSet<EntryId>,
    /// Pages were written for them and did not count: writing more would not help, a person must look.
    never: BTreeSet<EntryId>,
}

impl LeftLying {
    /// Some time has passed.
    pub fn ask_again(&mut self) {
        self.later.clear();
    }
}

impl Hall {
    /// A town takes in what citizens handed in for it: the pages are what its window would write, and the applicant's own act.
    /// Returns how many.
    ///
    /// # Errors
    /// [`ActError::Store`] when nothing can be stored at all. What cannot be taken in stands in no other's way; it is told in the log,
    /// and at the hub among what waits.
    pub async fn take_in_online(&self, left: &mut LeftLying) -> Result<usize, ActError> {
        let query = ApplicationQuery {
            open_only: true,
            town: Some(self.me().clone()),
            limit: 1000,
            ..ApplicationQuery::default()
        };
        let mut taken = 0;
        for line in self.store.applications(query).await? {
            if left.later.contains(&line.id) || left.never.contains(&line.id) {
                continue;
            }
            match self.take_in(&line).await {
                Ok(true) => taken += 1,
                Ok(false) => {
                    let case = &line.application.case;
                    tracing::error!(%case, "the pages of an online application did not count here; look at the incidents");
                    left.never.insert(line.id);
                }
                // Another round was quicker.
                Err(ActError::Store(StoreError::Stale { .. })) => {}
                Err(ActError::Store(
                    error @ (StoreError::DiskFull
                    | StoreError::Recovering { .. }
                    | StoreError::Superseded
                    | StoreError::Closed),
                )) => return Err(error.into()),
                Err(error) => {
                    tracing::warn!(case = %line.application.case, %error, "an online application is not taken in yet");
                    left.later.insert(line.id);
                }
            }
        }
        Ok(taken)
    }

    /// False when its pages are here and the application waits all the same.
    async fn take_in(&self, line: &ApplicationLine) -> Result<bool, ActError> {
        let said = &line.application;
        let (release, _, item) = self.item(Some(said.release), &said.item)?;
        let (officer, now) = (crate::citizens::applicant(), self.now());
        let stored = self.store.dossier(&said.case).await?;
        let (act, decided_on) = match &stored {
            // What was sent back lies here; if it does not, it was sent back somewhere else.
            None if said.mends.is_some() => return Err(Refusal::NotReturned.into()),
            None => {
                let opening = decide::Opening { case: said.case.clone(), item: &item, release, bundle: None };
                let actor = self.actor(&officer);
                (decide::capture(opening, said.submission.clone(), &actor, &self.store.network(), now)?, 0)
            }
            Some(stored) => {
                let laid = self.lay_out(stored).await?;
                let command = decide::Command::Resubmit(said.submission.clone());
                let actor = self.actor(&officer);
                let act = decide::decide(&stored.dossier, &laid.plain(), &actor, command, now)?;
                (act, stored.dossier.pages)
            }
        };
        debug_assert!(matches!(act.pages[0].body, PageBody::Captured(_) | PageBody::Resubmitted(_)));
        let here = self.papers_here(&said.submission);
        let request = self.random.entry_id(now);
        let append = self.append_of("take in online", &officer, request, act, decided_on)?;
        self.store.append(Append { attachments_here: here, ..append }).await?;
        Ok(self.applications_about(&said.case, true).await?.iter().all(|one| one.id != line.id))
    }
}
