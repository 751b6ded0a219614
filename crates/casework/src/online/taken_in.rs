//! At the town: what citizens handed in becomes a case of its window, or an answer to what was sent back.

use crate::{ActError, Hall};
use domain::dossier::PageBody;
use domain::dossier::decide;
use store::{Append, ApplicationLine, ApplicationQuery, StoreError};

impl Hall {
    /// A town takes in what citizens handed in for it: the pages are what its window would write, and the applicant's own act.
    /// Returns how many.
    ///
    /// # Errors
    /// [`ActError::Store`]. What cannot be taken in now is looked at again in the next round, and told in the log.
    pub async fn take_in_online(&self) -> Result<usize, ActError> {
        let query = ApplicationQuery {
            open_only: true,
            town: Some(self.me().clone()),
            limit: 200,
            ..ApplicationQuery::default()
        };
        let mut taken = 0;
        for line in self.store.applications(query).await? {
            match self.take_in(&line).await {
                Ok(()) => taken += 1,
                // Another round was quicker.
                Err(ActError::Store(StoreError::Stale { .. })) => {}
                Err(ActError::Store(error)) => return Err(error.into()),
                Err(error) => {
                    tracing::warn!(case = %line.application.case, %error, "an online application is not taken in yet");
                }
            }
        }
        Ok(taken)
    }

    async fn take_in(&self, line: &ApplicationLine) -> Result<(), ActError> {
        let said = &line.application;
        let (release, _, item) = self.item(Some(said.release), &said.item)?;
        let (officer, now) = (crate::citizens::applicant(), self.now());
        let stored = self.store.dossier(&said.case).await?;
        let (act, decided_on) = match &stored {
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
        let here = said.submission.attachments.iter().map(|one| one.hash.clone());
        let here = here.filter(|hash| self.blobs.has(hash)).collect();
        let request = self.random.entry_id(now);
        let append = self.append_of("take in online", &officer, request, act, decided_on)?;
        self.store.append(Append { attachments_here: here, ..append }).await?;
        Ok(())
    }
}
