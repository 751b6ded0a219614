//! What neighbours send: each run stands or falls alone, and a second history is kept beside the first.

use super::write::{ToWrite, write_own};
use super::{
    JournalRow, branches, insert_entry, journal, journal_of, pos_of, position_of, recover, set_head,
};
use crate::error::{Broken, unreadable};
use crate::executor::Work;
use crate::project::{Projector, page_of};
use crate::{Identity, audit};
use domain::dossier::Page;
use domain::{NodeId, Timestamp};
use replication::run::Fit;
use replication::{Channel, CheckedRun, Custody, Entry, JournalId, Position, RunFault};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use store::*;

/// A run whose pages have been read. Reading needs no database, so whoever brings the run does it, and the writer only writes.
pub(crate) struct Arrived {
    run: CheckedRun,
    /// Of each entry that is a page, what is on it.
    pages: Vec<Option<Result<Page, String>>>,
}

impl Arrived {
    pub fn read(run: CheckedRun) -> Arrived {
        // One that could bring the reader down stops only itself (I14).
        let read = |entry: &Entry| {
            catch_unwind(AssertUnwindSafe(|| page_of(entry)))
                .unwrap_or_else(|_| Err("page cannot be read".to_owned()))
        };
        let page = |entry: &Entry| (entry.kind == kind::PAGE).then(|| read(entry));
        let pages = run.entries.iter().map(page).collect();
        Arrived { run, pages }
    }
    pub fn journal(&self) -> &JournalId {
        &self.run.journal
    }
}

/// Takes runs from a neighbour. Each stands or falls alone; receipts for what arrived are written in the same step.
pub(crate) fn receive(
    work: &mut Work<'_>,
    me: &Identity,
    peer: &NodeId,
    arrived: &[Arrived],
    now: Timestamp,
) -> Result<Received, StoreError> {
    let runs = || arrived.iter().map(|arrived| &arrived.run);
    let mut received = Received::default();
    let mut receipts: BTreeMap<NodeId, Position> = BTreeMap::new();
    let left = branches::leave_ended(work, me, peer, runs(), now)?;
    let mut projector = Projector::new(work, me, now);
    for one in arrived {
        let id = one.run.journal.clone();
        match store_run(&mut projector, me, peer, one, now)? {
            Ok((position, new)) => {
                received.positions.push((id.clone(), position));
                received.stored += new;
                if new > 0 {
                    projector.work.change.heads.push((id.clone(), position));
                    let below = projector.work.known.network.is_above(&me.node, &id.author);
                    if id.channel == Channel::Up && below {
                        receipts.insert(id.author.clone(), position);
                    }
                }
            }
            Err(fault) => received.faults.push((id, fault)),
        }
    }
    // Before the dossiers are written: the day of the receipt starts their first limit.
    give_receipts(&mut projector, me, receipts, now)?;
    if left {
        let returned = branches::send_back(projector.work, me, now)?;
        announce(&mut projector, &returned)?;
    }
    projector.finish()?;
    if runs().any(|run| !run.returned.is_empty()) {
        recover::file_again(work, me, now)?;
    }
    if received.stored > 0 {
        audit::record(work.sql, now, peer.as_str(), "receive", &received.stored.to_string())?;
    }
    Ok(received)
}

/// Gives what we have just written its meaning, and tells the links of it.
pub(super) fn announce(
    projector: &mut Projector<'_, '_>,
    written: &[(i64, Entry)],
) -> Result<(), StoreError> {
    for (pos, entry) in written {
        projector.project(*pos, entry)?;
        projector.work.change.heads.push((journal_of(entry), position_of(entry)));
    }
    Ok(())
}

type StoredRun = Result<(Position, u64), RunFault>;

fn store_run(
    projector: &mut Projector<'_, '_>,
    me: &Identity,
    peer: &NodeId,
    Arrived { run, pages }: &Arrived,
    now: Timestamp,
) -> Result<StoredRun, StoreError> {
    let sql = projector.work.sql;
    let row = journal(sql, &run.journal)?;
    // Only its author thaws a journal, with a new epoch.
    if row.frozen && run.head().epoch <= row.head.epoch {
        return Ok(Err(RunFault::Fork { at: row.head.seq }));
    }
    let from = match branches::fit(projector.work, me, &row, run)? {
        Ok(Fit::New { from }) => from,
        Ok(Fit::Known) => return Ok(Ok((row.head, 0))),
        Err(RunFault::Fork { at }) => {
            freeze(sql, &row, run, peer, at, now)?;
            return Ok(Err(RunFault::Fork { at }));
        }
        // The branch it leads away from has been left; a first one that came with others of its journal is left next time.
        Ok(Fit::Rewind { .. }) => return Ok(Err(RunFault::Gap { have: row.head })),
        Err(fault) => return Ok(Err(fault)),
    };
    let new: Vec<_> = run.entries[from..].iter().map(|entry| (pos_of(row.no, entry.seq), entry)).collect();
    for ((pos, entry), page) in new.iter().zip(&pages[from..]) {
        insert_entry(sql, *pos, entry.epoch, &entry.raw, &entry.hash)?;
        match page {
            Some(page) => projector.project_page(*pos, entry, page)?,
            None => projector.project(*pos, entry)?,
        }
    }
    if run.journal.author == me.node {
        recover::came_back(projector.work, &new)?;
    }
    for (at, returned) in &run.returned {
        if *at >= from {
            branches::keep_returned(sql, me, returned, now)?;
        }
    }
    let head = run.head();
    set_head(sql, row.no, head)?;
    if row.frozen {
        sql.execute("UPDATE journal SET frozen = 0 WHERE no = ?1", [row.no]).broken("thaw a journal")?;
    }
    Ok(Ok((head, new.len() as u64)))
}

/// A second signed history (I8): ours stays, theirs is kept beside it, and nothing more is taken until a person looked.
fn freeze(
    sql: &Connection,
    row: &JournalRow,
    run: &CheckedRun,
    peer: &NodeId,
    at: u64,
    now: Timestamp,
) -> Result<(), StoreError> {
    sql.execute("UPDATE journal SET frozen = 1 WHERE no = ?1", [row.no]).broken("freeze a journal")?;
    for entry in run.entries.iter().filter(|entry| entry.seq >= at) {
        let bytes = entry.raw.evidence();
        let reason = format!("fork: another entry with hash {} is signed for this place", entry.hash.short());
        let (peer, journal) = (peer.clone(), run.journal.to_string());
        quarantine(sql, &Quarantined { at: now, peer, journal, seq: entry.seq, reason, bytes })?;
    }
    Ok(())
}

/// Rows of one neighbour that are kept; its own oldest ones make room, and nobody else's.
const ROWS_OF_ONE_MAX: i64 = 2_000;
/// Evidence of one neighbour: what forks say, and what machines wrote that were reported lost, which may be somebody's application.
/// It is never thrown away for newer; when it is full, that is noted, and its author still has the rest.
const EVIDENCE_BYTES_MAX: i64 = 64 * 1024 * 1024;
/// Of rubbish a sample is enough.
const SAMPLE_BYTES: usize = 4096;

fn is_evidence(reason: &str) -> bool {
    reason.starts_with("fork:") || reason.starts_with("late:")
}

/// Keeps what could not be taken, for a person to look at. Bounded for every neighbour by itself (I39): one that sends rubbish for
/// ever neither fills the disk nor pushes out what others left.
pub(crate) fn quarantine(sql: &Connection, item: &Quarantined) -> Result<(), StoreError> {
    let peer = item.peer.as_str();
    let evidence = is_evidence(&item.reason);
    let kept = if evidence { replication::ENTRY_BYTES_MAX } else { SAMPLE_BYTES };
    let bytes = &item.bytes[..item.bytes.len().min(kept)];
    match evidence {
        true if is_kept(sql, item, bytes)? => return Ok(()),
        true if evidence_of(sql, peer)? > EVIDENCE_BYTES_MAX => return note_full(sql, item),
        true => {}
        false => make_room(sql, peer)?,
    }
    sql.prepare_cached(
        "INSERT INTO quarantine(at_ms, peer, journal, seq, reason, bytes, evidence) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )
    .and_then(|mut s| {
        s.execute((item.at.as_ms(), peer, &item.journal, item.seq as i64, &item.reason, bytes, evidence))
    })
    .broken("quarantine")?;
    if evidence {
        sql.prepare_cached(
            "INSERT INTO evidence(peer, bytes) VALUES(?1, ?2) ON CONFLICT(peer) DO UPDATE SET bytes = bytes + ?2",
        )
        .and_then(|mut s| s.execute((peer, bytes.len() as i64)))
        .broken("measure the quarantine")?;
    }
    Ok(())
}

fn note_full(sql: &Connection, item: &Quarantined) -> Result<(), StoreError> {
    let reason =
        "the room for evidence about this neighbour is full: what more there is stays where it was written";
    note(sql, &Quarantined { seq: 0, reason: reason.to_owned(), bytes: vec![], ..item.clone() })
}

/// What a lost machine wrote, or a fork, is offered again and again.
fn is_kept(sql: &Connection, item: &Quarantined, bytes: &[u8]) -> Result<bool, StoreError> {
    sql.prepare_cached(
        "SELECT EXISTS(SELECT 1 FROM quarantine WHERE peer = ?1 AND journal = ?2 AND seq = ?3 AND reason = ?4 AND bytes = ?5)",
    )
    .and_then(|mut s| {
        let place = (item.peer.as_str(), &item.journal, item.seq as i64, &item.reason, bytes);
        s.query_row(place, |row| row.get(0))
    })
    .broken("look into the quarantine")
}

fn make_room(sql: &Connection, peer: &str) -> Result<(), StoreError> {
    sql.prepare_cached(
        "DELETE FROM quarantine WHERE no IN (
           SELECT no FROM quarantine WHERE peer = ?1 AND evidence = 0 AND remark = 0 ORDER BY no DESC LIMIT -1 OFFSET ?2)",
    )
    .and_then(|mut s| s.execute((peer, ROWS_OF_ONE_MAX - 1)))
    .broken("bound the quarantine")?;
    Ok(())
}

fn evidence_of(sql: &Connection, peer: &str) -> Result<i64, StoreError> {
    sql.prepare_cached("SELECT coalesce(max(bytes), 0) FROM evidence WHERE peer = ?1")
        .and_then(|mut s| s.query_row([peer], |row| row.get(0)))
        .broken("measure the quarantine")
}

pub(super) fn give_receipts(
    projector: &mut Projector<'_, '_>,
    me: &Identity,
    receipts: BTreeMap<NodeId, Position>,
    now: Timestamp,
) -> Result<(), StoreError> {
    // What comes while we recover is receipted when we are done.
    if recover::may_write(projector.work.known).is_err() {
        return Ok(());
    }
    let mut entries = Vec::new();
    for (author, position) in receipts {
        let body = serde_json::to_vec(&Custody::of(&author, position))
            .map_err(|e| unreadable("write a receipt", e))?;
        // A receipt has no asker who could repeat it, so its id need not be random: its seq, which costs little on the wire.
        let mut id = [0; 16];
        id[8..].copy_from_slice(&position.seq.to_be_bytes());
        let id = domain::EntryId(id);
        let (channel, subject) = (Channel::To(author.clone()), author.to_string());
        entries.push(ToWrite::new(NewEntry { id, channel, kind: kind::RECEIPT, subject, body }, now, ""));
    }
    let written = write_own(projector.work.sql, me, None, entries)?;
    announce(projector, &written)
}

/// Notes something an operator should know and that needs nothing done; told once.
pub(crate) fn note(sql: &Connection, item: &Quarantined) -> Result<(), StoreError> {
    let Quarantined { at, peer, journal, seq, reason, bytes: _ } = item;
    sql.prepare_cached(
        "INSERT INTO quarantine(at_ms, peer, journal, seq, reason, bytes, remark) SELECT ?1, ?2, ?3, ?4, ?5, x'', 1
          WHERE NOT EXISTS(SELECT 1 FROM quarantine WHERE peer = ?2 AND journal = ?3 AND seq = ?4 AND reason = ?5)",
    )
    .and_then(|mut s| s.execute((at.as_ms(), peer.as_str(), journal, *seq as i64, reason)))
    .broken("note a remark")?;
    Ok(())
}
