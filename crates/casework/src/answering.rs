//! What the law does when nobody answers an applicant in time.

use crate::{ActError, Hall, Officer};
use domain::dossier::Status;
use domain::dossier::decide::{self, Desk};
use store::{CaseQuery, StoreError, StoredDossier};

const PAGE: u32 = 500;

impl Hall {
    /// Accepts, by a system page, every case here that nobody answered within five working days of its legal receipt
    /// (《行政许可法》 art. 32). Safe to repeat. Returns how many there were.
    ///
    /// # Errors
    /// [`ActError::Store`]; what was written so far stands.
    pub async fn deem_accepted(&self) -> Result<u32, ActError> {
        let mut query = CaseQuery {
            status: Some(Status::Captured),
            holder: Some(self.me().clone()),
            limit: PAGE,
            ..CaseQuery::default()
        };
        let mut count = 0;
        loop {
            let cases = self.store.cases(query.clone()).await?;
            let Some(last) = cases.last() else { return Ok(count) };
            query.after = Some(last.case.clone());
            for line in cases {
                match self.deem_if_due(&self.stored(&line.case).await?).await {
                    Ok(deemed) => count += u32::from(deemed),
                    // A case that somebody is working on, or of a catalogue not known here, holds up no other.
                    Err(error) => tracing::warn!(case.id = %line.case, %error, "could not check its limit"),
                }
            }
        }
    }

    /// True when the case was accepted by law just now.
    pub(crate) async fn deem_if_due(&self, stored: &StoredDossier) -> Result<bool, ActError> {
        let (_, _, item) = self.item(Some(stored.dossier.release), &stored.dossier.item)?;
        let (network, (_, newest)) = (self.store.network(), self.pack(None)?);
        let (calendar, received) = (&newest.calendar, stored.received);
        let desk = Desk { item: &item, network: &network, calendar, received };
        let system = Officer { name: String::new(), display: String::new(), body: None };
        let now = self.now();
        let act = decide::deem_accepted(&stored.dossier, &desk, &self.actor(&system), now);
        let Some(act) = act else { return Ok(false) };
        let request = self.random.entry_id(now);
        let append = self.append_of("deem-accepted", &system, request, act, stored.dossier.pages)?;
        match self.store.append(append).await {
            Ok(_) => {
                tracing::error!(case.id = %stored.dossier.case, "nobody answered within five working days: accepted by law");
                Ok(true)
            }
            // Somebody answered while we looked.
            Err(StoreError::Stale { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
