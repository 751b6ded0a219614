//! What happens to a case by itself: the law's answer where nobody gave one, and a new count where a year was published.

use crate::{ActError, Hall, Officer};
use domain::CaseNo;
use domain::dossier::decide::Act;
use domain::dossier::{Status, by_law};
use store::{CaseQuery, StoreError, StoredDossier};

const PAGE: u32 = 500;
/// Where a limit can still run.
const RUNNING: [Status; 5] =
    [Status::Captured, Status::Returned, Status::Accepted, Status::Granted, Status::Refused];

impl Hall {
    /// Accepts, by a system page, every case here that nobody answered within five working days of its legal receipt
    /// (《行政许可法》 art. 32). Safe to repeat. Returns how many there were.
    ///
    /// # Errors
    /// [`ActError::Store`]; what was written so far stands.
    pub async fn deem_accepted(&self) -> Result<u32, ActError> {
        let mut count = 0;
        for case in self.held(Status::Captured).await? {
            let deemed = self.deem_if_due(&self.stored(&case).await?).await;
            count += u32::from(unhindered(&case, deemed));
        }
        Ok(count)
    }

    /// Counts the limits of every case here anew when the newest release has another calendar than the one they were
    /// counted on, by a system page in each that moves. Safe to repeat. Returns how many moved.
    ///
    /// # Errors
    /// [`ActError::Store`]; what was written so far stands.
    pub async fn reproject(&self) -> Result<u32, ActError> {
        let mut count = 0;
        for status in RUNNING {
            for case in self.held(status).await? {
                let moved = self.reproject_one(&self.stored(&case).await?).await;
                count += u32::from(unhindered(&case, moved));
            }
        }
        Ok(count)
    }

    /// Ends every case here whose promised papers did not come in time (容缺, 逾期视为撤回). Safe to repeat. Returns how many
    /// there were.
    ///
    /// # Errors
    /// [`ActError::Store`]; what was written so far stands.
    pub async fn lapse_commitments(&self) -> Result<u32, ActError> {
        let mut count = 0;
        for case in self.held(Status::Accepted).await? {
            let lapsed = self.lapse_if_due(&self.stored(&case).await?).await;
            count += u32::from(unhindered(&case, lapsed));
        }
        Ok(count)
    }

    /// What the law does to a case by itself, before anybody acts on it. True when it wrote a page.
    pub(crate) async fn law_acts(&self, stored: &StoredDossier) -> Result<bool, ActError> {
        Ok(self.deem_if_due(stored).await? || self.lapse_if_due(stored).await?)
    }

    async fn lapse_if_due(&self, stored: &StoredDossier) -> Result<bool, ActError> {
        if stored.dossier.lacking.is_empty() {
            return Ok(false);
        }
        let laid = self.lay_out(stored).await?;
        match by_law::lapse(&stored.dossier, &laid.plain(), &self.actor(&Officer::system()), self.now()) {
            Some(act) => self.append_by_law("lapse", stored, act).await,
            None => Ok(false),
        }
    }

    /// True when the case was accepted by law just now.
    async fn deem_if_due(&self, stored: &StoredDossier) -> Result<bool, ActError> {
        if stored.dossier.status() != Status::Captured {
            return Ok(false);
        }
        let laid = self.lay_out(stored).await?;
        let act = by_law::deem_accepted(
            &stored.dossier,
            &laid.plain(),
            &self.actor(&Officer::system()),
            self.now(),
        );
        let Some(act) = act else { return Ok(false) };
        let deemed = self.append_by_law("deem-accepted", stored, act).await?;
        if deemed {
            tracing::error!(case.id = %stored.dossier.case, "nobody answered within five working days: accepted by law");
        }
        Ok(deemed)
    }

    async fn reproject_one(&self, stored: &StoredDossier) -> Result<bool, ActError> {
        let dossier = &stored.dossier;
        let (release, newest) = self.pack(None)?;
        if dossier.counted_on() >= release {
            return Ok(false);
        }
        let (_, counted_on) = self.pack(Some(dossier.counted_on()))?;
        if counted_on.calendar == newest.calendar {
            return Ok(false);
        }
        let laid = self.lay_out(stored).await?;
        let (earlier, actor) = ((&counted_on.calendar, release), self.actor(&Officer::system()));
        match by_law::reproject(dossier, &laid.plain(), earlier, &actor, self.now()) {
            Some(act) => self.append_by_law("reproject", stored, act).await,
            None => Ok(false),
        }
    }

    /// False when somebody wrote in the case while we looked; the next look sees what they left.
    async fn append_by_law(
        &self,
        action: &'static str,
        stored: &StoredDossier,
        act: Act,
    ) -> Result<bool, ActError> {
        let request = self.random.entry_id(self.now());
        let append = self.append_of(action, &Officer::system(), request, act, stored.dossier.pages)?;
        match self.store.append(append).await {
            Ok(_) => Ok(true),
            Err(StoreError::Stale { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The cases of this status that this node holds.
    async fn held(&self, status: Status) -> Result<Vec<CaseNo>, ActError> {
        let holder = Some(self.me().clone());
        let mut query = CaseQuery { status: Some(status), holder, limit: PAGE, ..CaseQuery::default() };
        let mut held = Vec::new();
        loop {
            let lines = self.store.cases(query.clone()).await?;
            let Some(last) = lines.last() else { return Ok(held) };
            query.after = Some(last.case.clone());
            held.extend(lines.into_iter().map(|line| line.case));
        }
    }
}

/// A case of a catalogue that is not known here, say, holds up no other.
fn unhindered(case: &CaseNo, done: Result<bool, ActError>) -> bool {
    done.unwrap_or_else(|error| {
        tracing::warn!(case.id = %case, %error, "could not check its limits");
        false
    })
}
