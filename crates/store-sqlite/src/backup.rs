//! A copy of the database as of one moment, made while it is in use, and looking into one without changing it.

use crate::error::Broken;
use crate::known::read_network;
use crate::{VerifyReport, connect, journals, look_into, queries, unlock};
use domain::NodeId;
use domain::network::Network;
use replication::{JournalId, Position, Verify};
use rusqlite::Connection;
use rusqlite::backup::Backup;
use std::path::Path;
use store::StoreError;
use vault::DataKey;

/// Copies the database at `from` to the new file `to`, durable and in one piece: no log beside it. The same key opens both.
///
/// # Errors
/// [`StoreError`]; what was written of the copy is worthless then.
pub fn copy_database(from: &Path, to: &Path, key: Option<&DataKey>) -> Result<(), StoreError> {
    let source = look_into(from, key)?;
    let mut copy = Connection::open(to).broken("make the copy")?;
    unlock(&copy, key)?;
    // In one step: a copy in several begins again with every commit in between, and would never end on a busy node.
    Backup::new(&source, &mut copy).and_then(|backup| backup.step(-1)).broken("copy the database")?;
    copy.pragma_update(None, "journal_mode", "DELETE").broken("close the copy")?;
    copy.close().map_err(|(_, error)| error).broken("close the copy")?;
    let durable = std::fs::File::open(to).and_then(|file| file.sync_all());
    durable.map_err(|e| StoreError::Broken { what: "write the copy to disk", detail: e.to_string() })
}

/// A database that nobody uses, opened to be read.
pub struct Copy(Connection);

impl Copy {
    /// # Errors
    /// [`StoreError::Broken`] when it is not a whole database of this or an older version.
    pub fn open(path: &Path, key: Option<&DataKey>) -> Result<Copy, StoreError> {
        let connection = look_into(path, key)?;
        let answer: String = connection
            .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
            .broken("check the copy")?;
        if answer != "ok" {
            return Err(StoreError::Broken { what: "check the copy", detail: answer });
        }
        Ok(Copy(connection))
    }
    /// # Errors
    /// [`StoreError::Broken`] when the records cannot be read.
    pub fn network(&self) -> Result<Network, StoreError> {
        read_network(&self.0)
    }
    /// # Errors
    /// [`StoreError::Broken`] when it cannot be read.
    pub fn heads(&self) -> Result<Vec<(JournalId, Position)>, StoreError> {
        journals::heads(&self.0)
    }
    /// # Errors
    /// [`StoreError::Broken`] when it cannot be read.
    pub fn state_hash(&self) -> Result<String, StoreError> {
        queries::state_hash(&self.0)
    }
    /// Hashes of the attachments whose bytes lie beside it.
    ///
    /// # Errors
    /// [`StoreError::Broken`] when it cannot be read.
    pub fn attachments(&self) -> Result<Vec<String>, StoreError> {
        self.0
            .prepare("SELECT hash FROM attachment WHERE present = 1 ORDER BY hash")
            .and_then(|mut s| s.query_map([], |row| row.get(0))?.collect())
            .broken("list the attachments")
    }
    /// As [`crate::SqliteStore::verify_log`].
    ///
    /// # Errors
    /// [`StoreError::Broken`] when it cannot be read at all.
    pub fn verify(&self, me: &NodeId, keys: &dyn Verify) -> Result<VerifyReport, StoreError> {
        journals::verify(&self.0, me, keys)
    }
}

/// Notes in the database of a restored node, before anything opens it, which attachments did not come with it: they are
/// asked for again.
///
/// # Errors
/// [`StoreError::Broken`] when it cannot be written.
pub fn forget_attachments(path: &Path, key: Option<&DataKey>, missing: &[String]) -> Result<(), StoreError> {
    let mut connection = connect(path, key)?;
    let transaction = connection.transaction().broken("note missing attachments")?;
    for hash in missing {
        transaction
            .execute("UPDATE attachment SET present = 0 WHERE hash = ?1", [hash])
            .broken("note missing attachments")?;
        // What is not here cannot be on its way from here.
        crate::project::confirmed(&transaction, hash)?;
    }
    transaction.commit().broken("note missing attachments")
}
