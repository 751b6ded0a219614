//! What a town tells the hub about its villages beside their cases: when each was last heard, and how far its clock is off.

use crate::{ActError, Hall};
use domain::NodeId;
use replication::{Channel, JournalId};
use store::{Append, Contact, NewEntry, kind};

/// A village that is in touch is reported again after this.
const REPORT_AGAIN_MS: i64 = 5 * 60_000;

impl Hall {
    /// Reports contacts that are new or much later than `reported`; returns what has been reported by now.
    ///
    /// # Errors
    /// [`ActError::Store`]; nothing counts as reported then.
    pub async fn report_contacts(&self, reported: &[Contact]) -> Result<Vec<Contact>, ActError> {
        let network = self.store.network();
        let mut contacts = self.store.contacts().await?;
        contacts.retain(|contact| network.is_above(self.me(), &contact.node));
        for contact in &mut contacts {
            contact.all_through = self.all_through(&contact.node).await?;
        }
        let known = |contact: &Contact| reported.iter().find(|known| known.node == contact.node);
        let fresh = |contact: &&Contact| {
            known(contact).is_none_or(|known| {
                let changed = contact.all_through > known.all_through
                    || (&contact.under, contact.until, &contact.version)
                        != (&known.under, known.until, &known.version);
                contact.at.since(known.at) >= REPORT_AGAIN_MS || changed
            })
        };
        let news: Vec<Contact> = contacts.iter().filter(fresh).cloned().collect();
        if news.is_empty() {
            return Ok(reported.to_vec());
        }
        let now = self.now();
        let body = serde_json::to_vec(&news)
            .map_err(|e| ActError::Unfit { what: "contacts", reason: e.to_string() })?;
        let entry = NewEntry {
            id: self.random.entry_id(now),
            channel: Channel::Up,
            kind: kind::CONTACTS,
            subject: self.me().to_string(),
            body,
        };
        self.store.append(Append::new(now, "", "report contacts", vec![entry])).await?;
        let mut all: Vec<Contact> =
            reported.iter().filter(|known| !news.iter().any(|new| new.node == known.node)).cloned().collect();
        all.extend(news);
        Ok(all)
    }

    /// How far a child has confirmed the hub's journal to all.
    ///
    /// # Errors
    /// [`ActError::Store`].
    pub(crate) async fn all_through(&self, child: &NodeId) -> Result<u64, ActError> {
        let confirmed = self.store.confirmed(child).await?;
        let all = |journal: &JournalId| journal.channel == Channel::All;
        Ok(confirmed.iter().filter(|(journal, _)| all(journal)).map(|(_, seq)| *seq).max().unwrap_or(0))
    }
}
