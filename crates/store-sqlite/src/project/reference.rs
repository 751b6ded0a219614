//! Reference data: who belongs to the network, and the city pack in force.

use super::Projector;
use crate::error::{Broken, unreadable};
use crate::executor::Work;
use crate::known::Known;
use domain::delegation::{Letter, Revocation};
use domain::network::{NodeRecord, Reached};
use domain::paper::SealRecord;
use domain::trust_bundle::TrustBundle;
use replication::Entry;
use std::sync::Arc;
use store::*;

impl Projector<'_, '_> {
    pub(super) fn may_publish(&self, entry: &Entry) -> bool {
        let network = &self.work.known.network;
        // Before the first record is known the hub is whoever has no parent: it introduces itself in its first entry.
        network.get(&entry.author).is_none_or(|node| node.parent.is_none())
    }

    /// What an entry of the hub says; anything else becomes an incident that names `what`.
    pub(super) fn published<T: serde::de::DeserializeOwned>(
        &mut self,
        entry: &Entry,
        what: &str,
    ) -> Result<Option<T>, StoreError> {
        let Ok(said) = serde_json::from_slice(&entry.raw.body) else {
            self.incident(entry, &format!("{what} cannot be read"))?;
            return Ok(None);
        };
        if !self.may_publish(entry) {
            self.incident(entry, &format!("{what}: only the hub publishes"))?;
            return Ok(None);
        }
        Ok(Some(said))
    }

    pub(super) fn node(&mut self, entry: &Entry) -> Result<(), StoreError> {
        let Ok(mut record) = serde_json::from_slice::<NodeRecord>(&entry.raw.body) else {
            return self.incident(entry, "node record cannot be read");
        };
        // How it is reached is said elsewhere, and stays as it was said.
        record.contact = self.work.known.network.get(&record.id).and_then(|known| known.contact.clone());
        if !self.may_publish(entry) {
            return self.incident(entry, "node record: only the hub enrols");
        }
        let text = serde_json::to_string(&record).map_err(|e| unreadable("write a node record", e))?;
        if !self.work.known.network.takes(&record) {
            let known = self.work.known.network.get(&record.id).map_or(0, |known| known.incarnation);
            // A node that joined knows its neighbours as they are, and then reads how they came to be.
            if record.incarnation < known {
                return Ok(());
            }
            return self.incident(entry, "node record: another key for a machine that is known");
        }
        self.write_node(&record, &text)
    }

    fn write_node(&mut self, record: &NodeRecord, text: &str) -> Result<(), StoreError> {
        self.work
            .sql
            .prepare_cached(
                "INSERT INTO node(id, record) VALUES(?1, ?2) ON CONFLICT(id) DO UPDATE SET record = ?2",
            )
            .and_then(|mut s| s.execute((record.id.as_str(), text)))
            .broken("write a node record")?;
        *self.work.known = Arc::new(self.work.known.with_new_network(self.work.sql)?);
        self.work.change.reference_data = true;
        Ok(())
    }

    pub(super) fn contact(&mut self, entry: &Entry) -> Result<(), StoreError> {
        let Some(said) = self.published::<Reached>(entry, "contact")? else { return Ok(()) };
        let Some(known) = self.work.known.network.get(&said.node) else {
            return self.incident(entry, "contact: nobody knows this node");
        };
        let record = NodeRecord { contact: said.contact, ..known.clone() };
        let text = serde_json::to_string(&record).map_err(|e| unreadable("write a node record", e))?;
        self.write_node(&record, &text)
    }

    fn reload_known(&mut self) -> Result<(), StoreError> {
        *self.work.known = Arc::new(Known::load(self.work.sql, Some(self.work.known))?);
        self.work.change.reference_data = true;
        Ok(())
    }

    /// A letter of delegation. Its number stands for one text for ever, so a second one under it is an incident.
    pub(super) fn letter(&mut self, entry: &Entry) -> Result<(), StoreError> {
        let Some(letter) = self.published::<Letter>(entry, "letter of delegation")? else { return Ok(()) };
        let text = serde_json::to_string(&letter).map_err(|e| unreadable("write a letter", e))?;
        let new = self
            .work
            .sql
            .prepare_cached("INSERT OR IGNORE INTO letter(number, letter) VALUES(?1, ?2)")
            .and_then(|mut s| s.execute((&letter.number, text)))
            .broken("write a letter")?;
        if new == 0 {
            return self.incident(entry, "letter of delegation: its number is taken by another");
        }
        self.authority_changed = true;
        Ok(())
    }

    pub(super) fn revocation(&mut self, entry: &Entry) -> Result<(), StoreError> {
        let Some(revocation) = self.published::<Revocation>(entry, "revocation")? else { return Ok(()) };
        let text = serde_json::to_string(&revocation).map_err(|e| unreadable("write a revocation", e))?;
        self.work
            .sql
            .prepare_cached("INSERT OR IGNORE INTO revocation(number, revocation) VALUES(?1, ?2)")
            .and_then(|mut s| s.execute((&revocation.number, text)))
            .broken("write a revocation")?;
        self.authority_changed = true;
        Ok(())
    }

    pub(super) fn seal(&mut self, entry: &Entry) -> Result<(), StoreError> {
        let Ok(record) = serde_json::from_slice::<SealRecord>(&entry.raw.body) else {
            return self.incident(entry, "seal record cannot be read");
        };
        if !self.may_publish(entry) || record.seal.no == 0 {
            return self.incident(entry, "seal record: only the hub publishes, and not the keys of nodes");
        }
        let text = serde_json::to_string(&record).map_err(|e| unreadable("write a seal record", e))?;
        self.work
            .sql
            .prepare_cached("INSERT OR REPLACE INTO seal(owner, no, record) VALUES(?1, ?2, ?3)")
            .and_then(|mut s| s.execute((&record.seal.owner, record.seal.no, text)))
            .broken("write a seal record")?;
        self.authority_changed = true;
        Ok(())
    }

    /// A version that is known stays what it was: bundles never go back, and are never written anew (I26).
    pub(super) fn trust_bundle(&mut self, entry: &Entry) -> Result<(), StoreError> {
        let Some(bundle) = self.published::<TrustBundle>(entry, "trust bundle")? else { return Ok(()) };
        if bundle.authorities.is_empty() {
            return self.incident(entry, "trust bundle: it believes nobody");
        }
        let text = serde_json::to_string(&bundle).map_err(|e| unreadable("write a trust bundle", e))?;
        self.work
            .sql
            .prepare_cached("INSERT OR IGNORE INTO trust_bundle(version, seq, bundle) VALUES(?1, ?2, ?3)")
            .and_then(|mut s| s.execute((bundle.version, entry.seq as i64, text)))
            .broken("write a trust bundle")?;
        self.authority_changed = true;
        Ok(())
    }

    pub(super) fn pack_piece(&mut self, entry: &Entry) -> Result<(), StoreError> {
        let Some(piece) = self.published::<PackPiece>(entry, "pack piece")? else { return Ok(()) };
        self.work
            .sql
            // A publication that broke off is written again under its number before it comes into force.
            .prepare_cached("INSERT OR REPLACE INTO pack_piece(release, name, text) VALUES(?1, ?2, ?3)")
            .and_then(|mut s| s.execute((piece.release, &piece.name, &piece.text)))
            .broken("write a pack piece")?;
        Ok(())
    }

    pub(super) fn pack_release(&mut self, entry: &Entry) -> Result<(), StoreError> {
        let Some(release) = self.published::<PackRelease>(entry, "pack release")? else { return Ok(()) };
        let names = serde_json::to_string(&release.pieces).map_err(|e| unreadable("write a release", e))?;
        self.work
            .sql
            .prepare_cached("INSERT OR IGNORE INTO pack_release(release, pieces, seq) VALUES(?1, ?2, ?3)")
            .and_then(|mut s| s.execute((release.release, names, entry.seq as i64)))
            .broken("write a release")?;
        if let Err(StoreError::Broken { .. }) = self.reload_known() {
            // A release this version cannot read must not stop the link: the old one stays in force, and somebody is told.
            self.work
                .sql
                .execute("DELETE FROM pack_release WHERE release = ?1", [release.release])
                .broken("drop a release")?;
            return self.incident(entry, "pack release cannot be used by this version: update this node");
        }
        self.judge_pages_of(release.release)?;
        // Cases captured under it get their tasks now, and its calendar may move the due days of all others.
        self.list_tasks_again()
    }
}

pub(crate) fn seed_nodes(work: &mut Work<'_>, records: &[NodeRecord]) -> Result<(), StoreError> {
    for record in records {
        let text = serde_json::to_string(record).map_err(|e| unreadable("write a node record", e))?;
        work.sql
            .execute("INSERT OR REPLACE INTO node(id, record) VALUES(?1, ?2)", (record.id.as_str(), text))
            .broken("write a node record")?;
    }
    *work.known = Arc::new(Known::load(work.sql, Some(work.known))?);
    work.change.reference_data = true;
    Ok(())
}
