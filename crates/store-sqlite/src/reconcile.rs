//! What a reconciliation counts: cases a village captured, receipts for them, and what was set aside with a reason.

use crate::error::Broken;
use crate::incidents::OPEN;
use crate::journals::{number_of, pos_of};
use domain::{NodeId, Timestamp};
use replication::{Channel, JournalId};
use rusqlite::Connection;
use store::StoreError;

pub(crate) fn captured_through(sql: &Connection, origin: &NodeId, seq: u64) -> Result<u64, StoreError> {
    let Some(no) = number_of(sql, &JournalId::new(origin, Channel::Up))? else { return Ok(0) };
    let count: i64 = sql
        .prepare_cached(
            "SELECT count(*) FROM dossier WHERE origin = ?1 AND captured_pos > ?2 AND captured_pos <= ?3",
        )
        .and_then(|mut s| s.query_row((origin.as_str(), pos_of(no, 0), pos_of(no, seq)), |row| row.get(0)))
        .broken("count captures")?;
    Ok(count as u64)
}

pub(crate) fn receipted_beyond(
    sql: &Connection,
    author: &NodeId,
    by: &NodeId,
    seq: u64,
) -> Result<Option<Timestamp>, StoreError> {
    let at: Option<i64> = sql
        .prepare_cached("SELECT min(at_ms) FROM receipt WHERE author = ?1 AND by_node = ?2 AND seq > ?3")
        .and_then(|mut s| s.query_row((author.as_str(), by.as_str(), seq as i64), |row| row.get(0)))
        .broken("read receipts")?;
    Ok(at.map(Timestamp::from_ms))
}

pub(crate) fn incidents_about(sql: &Connection, author: &NodeId) -> Result<u64, StoreError> {
    let count: i64 = sql
        .prepare_cached(&format!("SELECT count(*) FROM quarantine WHERE {OPEN} AND journal LIKE ?1 || '/%'"))
        .and_then(|mut s| s.query_row([author.as_str()], |row| row.get(0)))
        .broken("count incidents")?;
    Ok(count as u64)
}
