//! A copy of the database as of one moment, made while it is in use, and looking into one without changing it.

use crate::error::Broken;
use crate::known::read_network;
use crate::{VerifyReport, configure, journals, queries};
use domain::NodeId;
use domain::network::Network;
use replication::{JournalId, Position, Verify};
use rusqlite::backup::Backup;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use store::StoreError;

/// Copies the database at `from` to the new file `to`, durable and in one piece: no log beside it.
///
/// # Errors
/// [`StoreError`]; what was written of the copy is worthless then.
pub fn copy_database(from: &Path, to: &Path) -> Result<(), StoreError> {
    let source = read_only(from)?;
    let mut copy = Connection::open(to).broken("make the copy")?;
    // In one step: a copy in several begins again with every commit in between, and would never end on a busy node.
    Backup::new(&source, &mut copy).and_then(|backup| backup.step(-1)).broken("copy the database")?;
    copy.pragma_update(None, "journal_mode", "DELETE").broken("close the copy")?;
    copy.close().map_err(|(_, error)| error).broken("close the copy")?;
    let durable = std::fs::File::open(to).and_then(|file| file.sync_all());
    durable.map_err(|e| StoreError::Broken { what: "write the copy to disk", detail: e.to_string() })
}

fn read_only(path: &Path) -> Result<Connection, StoreError> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).broken("open the database")?;
    connection.busy_timeout(crate::BUSY_TIMEOUT).broken("set the busy timeout")?;
    Ok(connection)
}

/// A database that nobody uses, opened to be read.
pub struct Copy(Connection);

impl Copy {
    /// # Errors
    /// [`StoreError::Broken`] when it is not a whole database of this or an older version.
    pub fn open(path: &Path) -> Result<Copy, StoreError> {
        let connection = read_only(path)?;
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
pub fn forget_attachments(path: &Path, missing: &[String]) -> Result<(), StoreError> {
    let mut connection = Connection::open(path).broken("open the database")?;
    configure(&connection)?;
    let transaction = connection.transaction().broken("note missing attachments")?;
    for hash in missing {
        transaction
            .execute("UPDATE attachment SET present = 0 WHERE hash = ?1", [hash])
            .broken("note missing attachments")?;
    }
    transaction.commit().broken("note missing attachments")
}
