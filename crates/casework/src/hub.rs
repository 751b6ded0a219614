//! What the hub says to all: how its entries are made, and its own introduction.

use crate::{ActError, Hall};
use domain::EntryId;
use domain::network::NodeRecord;
use replication::Channel;
use store::{Append, NewEntry, kind};

impl Hall {
    pub(crate) fn hub_append(&self, action: &'static str, officer: &str, entries: Vec<NewEntry>) -> Append {
        Append::new(self.now(), officer, action, entries)
    }

    pub(crate) fn all_entry(
        &self,
        kind: &'static str,
        subject: String,
        body: &impl serde::Serialize,
    ) -> Result<NewEntry, ActError> {
        let body =
            serde_json::to_vec(body).map_err(|e| ActError::Unfit { what: "entry", reason: e.to_string() })?;
        Ok(NewEntry { id: self.random.entry_id(self.now()), channel: Channel::All, kind, subject, body })
    }

    /// Introduces the hub itself: the first entry of its journal to all.
    ///
    /// # Errors
    /// [`ActError::Store`].
    pub async fn introduce(&self, record: NodeRecord) -> Result<(), ActError> {
        if self.store.network().get(&record.id).is_some() {
            return Ok(());
        }
        let entry = self.all_entry(kind::NODE, record.id.to_string(), &record)?;
        self.store.append(self.hub_append("introduce", "", vec![entry])).await?;
        Ok(())
    }

    #[doc(hidden)]
    pub fn fresh_id(&self) -> EntryId {
        self.random.entry_id(self.now())
    }
}
