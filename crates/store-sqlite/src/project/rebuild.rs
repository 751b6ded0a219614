//! The projections built anew from the journals: on demand, and when a node of a newer version opens what an older one kept.

use super::Projector;
use crate::Identity;
use crate::error::Broken;
use crate::executor::Work;
use crate::journals::{journal_no_of, seq_of};
use crate::known::Known;
use crate::schema::{PROJECTION_VERSION, PROJECTIONS};
use domain::Timestamp;
use rusqlite::{Connection, TransactionBehavior};
use std::sync::Arc;
use std::time::Duration;
use store::{Change, StoreError};

/// Journals are for ever, projections are this version's.
pub(crate) fn bring_up_to_date(connection: &mut Connection, me: &Identity) -> Result<(), StoreError> {
    if version_of(connection)? == PROJECTION_VERSION {
        return Ok(());
    }
    // Another process may be at it: whoever waits finds it done.
    connection.busy_timeout(Duration::from_secs(600)).broken("set the busy timeout")?;
    rebuild_if_older(connection, me)?;
    connection.busy_timeout(crate::BUSY_TIMEOUT).broken("set the busy timeout")
}

fn version_of(connection: &Connection) -> Result<u32, StoreError> {
    connection
        .query_row("SELECT version FROM projected", [], |row| row.get(0))
        .broken("read the version of the projections")
}

fn rebuild_if_older(connection: &mut Connection, me: &Identity) -> Result<(), StoreError> {
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).broken("begin a rebuild")?;
    let version = version_of(&transaction)?;
    if version == PROJECTION_VERSION {
        return Ok(());
    }
    let newest: Option<i64> = transaction
        .query_row("SELECT max(at_ms) FROM audit", [], |row| row.get(0))
        .broken("read the audit")?;
    // Whatever writes an entry writes its audit row in the same step: without one there is nothing to read.
    if let Some(newest) = newest {
        tracing::info!(from = version, to = PROJECTION_VERSION, "building the projections anew");
        let mut known = Arc::new(Known::load(&transaction, None)?);
        let mut change = Change::default();
        let mut work = Work { sql: &transaction, known: &mut known, change: &mut change };
        rebuild(&mut work, me, Timestamp::from_ms(newest))?;
    }
    transaction
        .execute("UPDATE projected SET version = ?1", [PROJECTION_VERSION])
        .broken("note the version of the projections")?;
    transaction.commit().broken("commit a rebuild")
}

/// All entries. What ancestors tell everybody comes first: cases cannot be read without the catalogue. Then the applications:
/// pages are held against those they take in, which lie in other journals.
fn order_of_reading(sql: &Connection) -> Result<Vec<i64>, StoreError> {
    sql.prepare(
        "SELECT entry.pos FROM journal JOIN entry ON entry.pos >> 40 = journal.no
          ORDER BY journal.channel <> 'all', entry.pos NOT IN (SELECT pos FROM application), entry.pos",
    )
    .and_then(|mut s| s.query_map([], |row| row.get(0))?.collect())
    .broken("rebuild")
}

/// Empties the projections and reads all journals again. `present` of attachments is about files, so it is kept.
pub(crate) fn rebuild(work: &mut Work<'_>, me: &Identity, now: Timestamp) -> Result<(), StoreError> {
    let sql = work.sql;
    sql.execute_batch("CREATE TEMP TABLE IF NOT EXISTS here(hash TEXT); DELETE FROM here; INSERT INTO here SELECT hash FROM attachment WHERE present = 1")
        .broken("rebuild")?;
    let positions = order_of_reading(sql)?;
    for table in PROJECTIONS {
        sql.execute_batch(&format!("DELETE FROM {table}")).broken("rebuild")?;
    }
    *work.known = Arc::new(Known::load(sql, None)?);
    for chunk in positions.chunks(1000) {
        let mut projector = Projector::again(work, me, now);
        for pos in chunk {
            let entry = crate::queries::entry_at(projector.work.sql, *pos)?;
            debug_assert!(entry.seq == seq_of(*pos) && journal_no_of(*pos) > 0);
            projector.project(*pos, &entry)?;
        }
        projector.finish()?;
    }
    // Journals are read one after another, so a receipt may have come after the pages it covers.
    let mut projector = Projector::again(work, me, now);
    projector.list_tasks_again()?;
    projector.finish()?;
    work.sql
        .execute_batch(
            "UPDATE attachment SET present = 1 WHERE hash IN (SELECT hash FROM here); DROP TABLE here",
        )
        .broken("rebuild")?;
    work.change.reference_data = true;
    Ok(())
}
