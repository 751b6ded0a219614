//! Branches of a journal that ended when its author opened a newer epoch: put aside, kept, and sent back to their author.

use super::write::{ToWrite, named_id, write_own};
use super::{JournalRow, hash_at, journal, known_journal, note, pos_of, recover, set_head};
use crate::error::{Broken, unreadable};
use crate::executor::Work;
use crate::{Identity, project};
use domain::{NodeId, Timestamp};
use replication::epoch::{self, RETURNED};
use replication::run::Fit;
use replication::{Channel, CheckedRun, Hash, JournalId, Position, RawEntry, RunFault, Signature};
use rusqlite::{Connection, named_params};
use std::collections::BTreeSet;
use store::{Quarantined, StoreError};

/// One envelope holds at most so much, so that it fits into an entry.
const ENVELOPE_BYTES: usize = replication::ENTRY_BYTES_MAX - 4096;

/// How a run continues what is stored. Of our own journals, what a neighbour holds counts while we recover, and never else.
pub(super) fn fit(
    work: &Work<'_>,
    me: &Identity,
    row: &JournalRow,
    run: &CheckedRun,
) -> Result<Result<Fit, RunFault>, StoreError> {
    let stored_hash = |seq: u64| hash_at(work.sql, row.no, seq);
    if run.journal.author != me.node {
        return run.fit(row.head, stored_hash);
    }
    let takes_back = work.known.recovery.as_ref().is_some_and(|recovery| recovery.takes_back());
    match run.fit(row.head, stored_hash)? {
        // Said twice, or by a second neighbour.
        Ok(Fit::Known) => Ok(Ok(Fit::Known)),
        _ if !takes_back => Ok(Err(RunFault::Gap { have: row.head })),
        Err(RunFault::Fork { .. }) => run.branch(row.head, stored_hash),
        fit => Ok(fit),
    }
}

/// Leaves every branch that one of the runs shows to have ended; `true` when there was one. The projections are then built
/// anew, for they are a function of what the journals hold.
pub(super) fn leave_ended<'r>(
    work: &mut Work<'_>,
    me: &Identity,
    peer: &NodeId,
    runs: impl Iterator<Item = &'r CheckedRun>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let mut left = false;
    let mut seen = BTreeSet::new();
    // In what neighbours send every day nothing of this happens, and nothing is looked up for it.
    let may_end = |run: &&CheckedRun| run.journal.author == me.node || run.may_end_a_branch();
    for run in runs.filter(may_end).filter(|run| seen.insert(run.journal.clone())) {
        let Some(row) = known_journal(work.sql, &run.journal)? else { continue };
        if let Ok(Fit::Rewind { keep }) = fit(work, me, &row, run)?
            && keep < row.head.seq
        {
            put_aside(work.sql, &run.journal, &row, keep, now)?;
            let reason = format!(
                "a branch has ended: its entries from {} on are kept aside, its author goes on from there",
                keep + 1
            );
            let (peer, journal) = (peer.clone(), run.journal.to_string());
            note(work.sql, &Quarantined { at: now, peer, journal, seq: keep + 1, reason, bytes: vec![] })?;
            left = true;
        }
    }
    if left {
        project::rebuild(work, me, now)?;
    }
    Ok(left)
}

fn put_aside(
    sql: &Connection,
    id: &JournalId,
    row: &JournalRow,
    keep: u64,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (from, to) = (pos_of(row.no, keep + 1), pos_of(row.no + 1, 0));
    sql.prepare_cached(
        "INSERT OR IGNORE INTO aside(author, channel, epoch, seq, previous, core, body, signature, hash, at_ms)
         SELECT :author, :channel, e.epoch, e.pos & :mask, coalesce(b.hash, zeroblob(32)), e.core, e.body, e.signature, e.hash, :at
           FROM entry e LEFT JOIN entry b ON b.pos = e.pos - 1 AND b.pos > :first
          WHERE e.pos >= :from AND e.pos < :to ORDER BY e.pos",
    )
    .and_then(|mut s| {
        s.execute(named_params! {
            ":author": id.author.as_str(), ":channel": id.channel.to_string(), ":mask": (1i64 << super::SEQ_BITS) - 1,
            ":at": now.as_ms(), ":first": pos_of(row.no, 0), ":from": from, ":to": to,
        })
    })
    .broken("put a branch aside")?;
    for what in
        ["DELETE FROM request WHERE pos >= ?1 AND pos < ?2", "DELETE FROM entry WHERE pos >= ?1 AND pos < ?2"]
    {
        sql.execute(what, (from, to)).broken("put a branch aside")?;
    }
    // Whoever read or confirmed the branch has not read or confirmed what takes its place.
    for table in ["mark", "confirmed"] {
        sql.execute(
            &format!("UPDATE {table} SET seq = min(seq, ?3) WHERE author = ?1 AND channel = ?2"),
            (id.author.as_str(), id.channel.to_string(), keep as i64),
        )
        .broken("put a branch aside")?;
    }
    sql.execute("UPDATE journal SET frozen = 0 WHERE no = ?1", [row.no]).broken("put a branch aside")?;
    let epoch: Option<u32> = sql
        .prepare_cached("SELECT max(epoch) FROM entry WHERE pos = ?1")
        .and_then(|mut s| s.query_row([pos_of(row.no, keep)], |row| row.get(0)))
        .broken("put a branch aside")?;
    let hash = hash_at(sql, row.no, keep)?.unwrap_or_default();
    set_head(sql, row.no, Position { epoch: epoch.unwrap_or(0), seq: keep, hash })
}

/// Entries of our own that somebody put aside and has sent back: kept with ours, until they are filed again.
pub(super) fn keep_returned(
    sql: &Connection,
    me: &Identity,
    returned: &CheckedRun,
    now: Timestamp,
) -> Result<(), StoreError> {
    if returned.journal.author != me.node {
        return Ok(());
    }
    let row = journal(sql, &returned.journal)?;
    let mut previous = returned.previous;
    for entry in &returned.entries {
        // What stands in our journal needs no second place.
        if hash_at(sql, row.no, entry.seq)? != Some(entry.hash) {
            sql.prepare_cached(
                "INSERT OR IGNORE INTO aside(author, channel, epoch, seq, previous, core, body, signature, hash, at_ms)
                 VALUES(:author, :channel, :epoch, :seq, :previous, :core, :body, :signature, :hash, :at)",
            )
            .and_then(|mut s| {
                s.execute(named_params! {
                    ":author": entry.author.as_str(), ":channel": returned.journal.channel.to_string(),
                    ":epoch": entry.epoch, ":seq": entry.seq as i64, ":previous": previous.0.as_slice(),
                    ":core": entry.raw.core.as_ref(), ":body": entry.raw.body.as_ref(),
                    ":signature": entry.raw.signature.as_ref().map(|s| s.0.as_slice()),
                    ":hash": entry.hash.0.as_slice(), ":at": now.as_ms(),
                })
            })
            .broken("keep what came back")?;
        }
        previous = entry.hash;
    }
    Ok(())
}

/// An entry that was put aside, as it was.
pub(super) struct Aside {
    pub no: i64,
    pub journal: JournalId,
    pub seq: u64,
    pub previous: Hash,
    pub raw: RawEntry,
}

/// What waits aside: ours to be filed again, or others' to be sent back.
pub(super) fn waiting(sql: &Connection, ours: bool, me: &NodeId) -> Result<Vec<Aside>, StoreError> {
    let order = "ORDER BY author, channel, epoch, seq, no";
    let query = match ours {
        true => format!("SELECT * FROM aside WHERE done = 0 AND author = ?1 {order}"),
        false => format!("SELECT * FROM aside WHERE done = 0 AND author <> ?1 {order}"),
    };
    type Row = (i64, String, String, i64, Vec<u8>, Vec<u8>, Vec<u8>, Option<Vec<u8>>);
    let read = |row: &rusqlite::Row<'_>| -> rusqlite::Result<Row> {
        Ok((
            row.get("no")?,
            row.get("author")?,
            row.get("channel")?,
            row.get("seq")?,
            row.get("previous")?,
            row.get("core")?,
            row.get("body")?,
            row.get("signature")?,
        ))
    };
    let rows: Vec<Row> = sql
        .prepare_cached(&query)
        .and_then(|mut s| s.query_map([me.as_str()], read)?.collect())
        .broken("read what is aside")?;
    let entry = |(no, author, channel, seq, previous, core, body, signature): Row| {
        let author = author.parse().map_err(|e| unreadable("read what is aside", e))?;
        let channel = channel.parse().map_err(|e| unreadable("read what is aside", e))?;
        let signature = signature.and_then(|s| Signature::from_slice(&s));
        Ok(Aside {
            no,
            journal: JournalId { author, channel },
            seq: seq as u64,
            previous: Hash::from_slice(&previous).unwrap_or_default(),
            raw: RawEntry { core: core.into(), body: body.into(), signature },
        })
    };
    rows.into_iter().map(entry).collect()
}

pub(super) fn settled(sql: &Connection, asides: &[Aside]) -> Result<(), StoreError> {
    let mut statement =
        sql.prepare_cached("UPDATE aside SET done = 1 WHERE no = ?1").broken("note what is aside")?;
    for aside in asides {
        statement.execute([aside.no]).broken("note what is aside")?;
    }
    Ok(())
}

/// Sends back to their authors what was put aside here. A node that may not write yet does so when it may.
pub(super) fn send_back(
    work: &mut Work<'_>,
    me: &Identity,
    now: Timestamp,
) -> Result<Vec<(i64, replication::Entry)>, StoreError> {
    let asides = waiting(work.sql, false, &me.node)?;
    if asides.is_empty() || recover::may_write(work.known).is_err() {
        return Ok(Vec::new());
    }
    let mut envelopes = Vec::new();
    for run in runs_of(&asides) {
        let author = &run[0].journal.author;
        let channel = match work.known.network.is_above(author, &me.node) {
            true => Channel::Up,
            false => Channel::To(author.clone()),
        };
        let entries: Vec<RawEntry> = run.iter().map(|aside| aside.raw.clone()).collect();
        let body = epoch::enclose(&run[0].journal, run[0].previous, &entries);
        // The same branch put aside twice is the same envelope.
        let id = named_id(&body);
        envelopes.push(ToWrite {
            id,
            channel,
            kind: RETURNED.to_owned(),
            subject: author.to_string(),
            body,
            at: now,
            officer: String::new(),
            first_hash: None,
        });
    }
    settled(work.sql, &asides)?;
    write_own(work.sql, me, None, envelopes)
}

/// Consecutive entries, each run ending with a signed one and small enough for an envelope.
fn runs_of(asides: &[Aside]) -> Vec<&[Aside]> {
    let (mut runs, mut start, mut size, mut signed) = (Vec::new(), 0, 0, None);
    for (at, aside) in asides.iter().enumerate() {
        let goes_on = at > start
            && aside.journal == asides[at - 1].journal
            && aside.seq == asides[at - 1].seq + 1
            && size + aside.raw.size() <= ENVELOPE_BYTES;
        if at > start && !goes_on {
            let end = signed.map_or(at, |signed: usize| signed + 1);
            runs.push(&asides[start..end]);
            (start, size, signed) = (end, asides[end..at].iter().map(|aside| aside.raw.size()).sum(), None);
        }
        size += aside.raw.size();
        if aside.raw.signature.is_some() {
            signed = Some(at);
        }
    }
    if start < asides.len() {
        runs.push(&asides[start..]);
    }
    runs
}
