//! A node that was restored takes its own entries back, then opens a new epoch and files again what the journals now lack.

use super::branches::{self, Aside};
use super::parted::{PARTED, Parted};
use super::receive::{announce, give_receipts, quarantine};
use super::write::{ToWrite, is_filed, named_id, present_epoch, remember_request, write_own};
use super::{heads, journal};
use crate::error::{Broken, unreadable};
use crate::executor::Work;
use crate::known::Known;
use crate::project::{self, Projector};
use crate::{Identity, audit, people};
use domain::{NodeId, Timestamp};
use prost::Message;
use replication::entry::Core;
use replication::epoch::{OPENING, Opening};
use replication::{Channel, Entry, Hash, JournalId, Position};
use rusqlite::{Connection, OptionalExtension};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use store::{NUMBERS_LEFT_OUT, Quarantined, Recovery, StoreError, WhyRecovering, kind};

pub(crate) fn read(sql: &Connection) -> Result<Option<Recovery>, StoreError> {
    let state: Option<String> = sql
        .prepare_cached("SELECT state FROM recovery")
        .and_then(|mut s| s.query_row([], |row| row.get(0)).optional())
        .broken("read the recovery")?;
    state
        .map(|state| serde_json::from_str(&state).map_err(|e| unreadable("read the recovery", e)))
        .transpose()
}

fn write(work: &mut Work<'_>, recovery: Option<Recovery>) -> Result<(), StoreError> {
    work.sql.execute("DELETE FROM recovery", []).broken("note the recovery")?;
    if let Some(recovery) = &recovery {
        let state = serde_json::to_string(recovery).map_err(|e| unreadable("note the recovery", e))?;
        work.sql
            .execute("INSERT INTO recovery(one, state) VALUES(1, ?1)", [state])
            .broken("note the recovery")?;
    }
    *work.known = Arc::new(work.known.with_recovery(recovery));
    work.change.greet_anew = true;
    Ok(())
}

/// A node that may have told others more than it remembers writes nothing of its own.
pub(super) fn may_write(known: &Known) -> Result<(), StoreError> {
    known.recovery.as_deref().map_or(Ok(()), Recovery::may_write)
}

pub(crate) fn begin(work: &mut Work<'_>, recovery: Recovery) -> Result<bool, StoreError> {
    let present = work.known.recovery.as_deref().cloned();
    let joined = match &present {
        Some(present) => present.clone().joined(recovery),
        None => recovery,
    };
    if present.as_ref() == Some(&joined) {
        return Ok(false);
    }
    let subject = format!("{:?}", joined.why).to_lowercase();
    audit::record(work.sql, joined.since, "", "recovery begins", &subject)?;
    write(work, Some(joined))?;
    Ok(true)
}

pub(crate) fn answered(
    work: &mut Work<'_>,
    me: &Identity,
    peer: &NodeId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let Some(mut recovery) = work.known.recovery.as_deref().cloned() else { return Ok(false) };
    let was_awaited = recovery.awaited.remove(peer);
    if !was_awaited && !recovery.awaited.is_empty() || !recovery.takes_back() {
        return Ok(false);
    }
    if recovery.awaited.is_empty() {
        finish(work, me, &recovery, now)?;
        return Ok(true);
    }
    // Only noted: the links need not greet anew for it.
    write(work, Some(recovery))?;
    work.change.greet_anew = false;
    Ok(false)
}

/// A person's word on a recovery that does not end by itself.
pub(crate) fn settle(
    work: &mut Work<'_>,
    me: &Identity,
    without: &[NodeId],
    take_over: bool,
    now: Timestamp,
) -> Result<Option<Arc<Recovery>>, StoreError> {
    let Some(mut recovery) = work.known.recovery.as_deref().cloned() else { return Ok(None) };
    let said = without.iter().map(NodeId::as_str).collect::<Vec<_>>().join(" ");
    let said = if take_over { format!("take over {said}") } else { said };
    audit::record(work.sql, now, "cli", "recovery settled", said.trim())?;
    if take_over {
        recovery.why = WhyRecovering::Restored;
    }
    recovery.awaited.retain(|node| !without.contains(node));
    if recovery.awaited.is_empty() && recovery.takes_back() {
        finish(work, me, &recovery, now)?;
    } else {
        write(work, Some(recovery))?;
    }
    Ok(work.known.recovery.clone())
}

/// Everybody has answered: a new epoch begins on what we have now.
fn finish(work: &mut Work<'_>, me: &Identity, recovery: &Recovery, now: Timestamp) -> Result<(), StoreError> {
    write(work, None)?;
    let void_numbers = leave_numbers_out(work.sql, recovery, now)?;
    open_epochs(work, me, recovery, void_numbers, now)?;
    // Built anew first, so that what is filed again is judged by what has come back.
    project::rebuild(work, me, now)?;
    file_again(work, me, now)?;
    let returned = branches::send_back(work, me, now)?;
    let mut projector = Projector::new(work, me, now);
    announce(&mut projector, &returned)?;
    let owed = receipts_owed(projector.work, me)?;
    give_receipts(&mut projector, me, owed, now)?;
    projector.finish()?;
    // What was submitted after the backup was made is a case, and its draft is used up.
    work.sql.execute("DELETE FROM draft WHERE id IN (SELECT id FROM request)", []).broken("use up drafts")?;
    spend_tokens(work, now)?;
    work.change.heads.extend(heads(work.sql)?.into_iter().filter(|(id, _)| id.author == me.node));
    audit::record(work.sql, now, "", "recovery ends", "")
}

fn open_epochs(
    work: &mut Work<'_>,
    me: &Identity,
    recovery: &Recovery,
    void_numbers: Vec<(String, u64, u64)>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let epoch = present_epoch(work.sql, me)? + 1;
    let own = heads(work.sql)?.into_iter().filter(|(id, _)| id.author == me.node);
    let mut openings = Vec::new();
    for (id, head) in own {
        let void = if id.channel == announces(me, work.known) { void_numbers.clone() } else { Vec::new() };
        openings.push(opening(&id, head, epoch, recovery, void, now)?);
    }
    write_own(work.sql, me, Some(epoch), openings)?;
    Ok(())
}

/// The journal in which a node says what concerns all its numbers.
fn announces(me: &Identity, known: &Known) -> Channel {
    match known.network.parent(&me.node) {
        None => Channel::All,
        Some(_) => Channel::Up,
    }
}

fn opening(
    id: &JournalId,
    head: Position,
    epoch: u32,
    recovery: &Recovery,
    void_numbers: Vec<(String, u64, u64)>,
    now: Timestamp,
) -> Result<ToWrite, StoreError> {
    let opening = Opening {
        parent_epoch: head.epoch,
        parent_seq: head.seq,
        parent_hash: head.hash.to_hex(),
        why: match recovery.why {
            WhyRecovering::Behind => "behind".to_owned(),
            WhyRecovering::Restored | WhyRecovering::Superseded => "restored".to_owned(),
        },
        void_numbers,
    };
    let body = serde_json::to_vec(&opening).map_err(|e| unreadable("open an epoch", e))?;
    Ok(ToWrite {
        id: named_id(&[&body[..], &epoch.to_be_bytes()].concat()),
        channel: id.channel.clone(),
        kind: OPENING.to_owned(),
        subject: id.author.to_string(),
        body,
        at: now,
        officer: String::new(),
        first_hash: None,
    })
}

/// Numbers that were given after the backup and are known only to a printed sheet must never be given again (I20): every
/// series goes on beyond them, and the new epoch says which numbers are void.
fn leave_numbers_out(
    sql: &Connection,
    recovery: &Recovery,
    now: Timestamp,
) -> Result<Vec<(String, u64, u64)>, StoreError> {
    // No page gives more than one number of a series.
    let room = NUMBERS_LEFT_OUT + recovery.numbered_pages;
    let mut void = Vec::new();
    for (scope, last) in people::serials(sql)? {
        people::set_serial(sql, &scope, last + room)?;
        void.push((scope, last + 1, last + room));
    }
    // A series that was begun after the backup is not known at all: such ones start beyond it too.
    for unknown in people::unknown_series(now.day().year()) {
        people::set_serial(sql, &unknown, room)?;
        void.push((unknown, 1, room));
    }
    Ok(void)
}

/// Our own entries have come back: each is known under its id again, and those with numbers are counted.
pub(super) fn came_back(work: &mut Work<'_>, entries: &[(i64, &Entry)]) -> Result<(), StoreError> {
    let Some(recovery) = work.known.recovery.as_deref().cloned() else { return Ok(()) };
    for (pos, entry) in entries.iter().filter(|(_, entry)| entry.kind != kind::RECEIPT) {
        remember_request(work.sql, entry.id, *pos)?;
    }
    let numbered = entries.iter().filter(|(_, entry)| gives_numbers(entry)).count() as u64;
    if numbered > 0 {
        let numbered_pages = recovery.numbered_pages + numbered;
        let greets = work.change.greet_anew;
        write(work, Some(Recovery { numbered_pages, ..recovery }))?;
        work.change.greet_anew = greets;
    }
    Ok(())
}

fn gives_numbers(entry: &Entry) -> bool {
    let page: serde_json::Value = match entry.kind.as_str() {
        kind::PAGE => serde_json::from_slice(&entry.raw.body).unwrap_or_default(),
        _ => return false,
    };
    ["decided", "issued", "not_accepted"].iter().any(|body| page["body"].get(body).is_some())
}

/// Files again what the journals lack of the branches that ended.
pub(super) fn file_again(work: &mut Work<'_>, me: &Identity, now: Timestamp) -> Result<(), StoreError> {
    if may_write(work.known).is_err() {
        return Ok(());
    }
    let asides = branches::waiting(work.sql, true, &me.node)?;
    if asides.is_empty() {
        return Ok(());
    }
    let mut begins: BTreeMap<&JournalId, u64> = BTreeMap::new();
    for aside in &asides {
        let from = begins.entry(&aside.journal).or_insert(aside.seq);
        *from = aside.seq.min(*from);
    }
    let (mut again, mut seen, mut parted) = (Vec::new(), BTreeSet::new(), Parted::default());
    for aside in &asides {
        let Some(entry) = to_file(aside) else { continue };
        let row = journal(work.sql, &aside.journal)?;
        let twice = !seen.insert((entry.id.0, entry.kind.clone(), entry.body.clone()));
        if twice || is_filed(work.sql, row.no, begins[&aside.journal], &entry)? {
            continue;
        }
        match parted.holds_back(work.sql, &me.node, &entry)? {
            false => again.push(entry),
            true => quarantine(work.sql, &held_back(me, aside, entry, now))?,
        }
    }
    branches::settled(work.sql, &asides)?;
    let count = again.len();
    let written = write_own(work.sql, me, None, again)?;
    let mut projector = Projector::new(work, me, now);
    announce(&mut projector, &written)?;
    projector.finish()?;
    if count > 0 {
        audit::record(work.sql, now, "", "filed again", &count.to_string())?;
    }
    Ok(())
}

fn held_back(me: &Identity, aside: &Aside, entry: ToWrite, now: Timestamp) -> Quarantined {
    let (peer, journal) = (me.node.clone(), aside.journal.to_string());
    Quarantined { at: now, peer, journal, seq: aside.seq, reason: PARTED.to_owned(), bytes: entry.body }
}

/// An entry of an ended branch as it is filed again; `None` for what only meant something in its place.
fn to_file(aside: &Aside) -> Option<ToWrite> {
    let core = Core::decode(aside.raw.core.clone()).ok()?;
    if core.kind == OPENING || core.kind == kind::CONTACTS {
        return None;
    }
    let first_hash = Hash::from_slice(&core.first_hash).unwrap_or(aside.raw.hash(&aside.previous));
    Some(ToWrite {
        id: domain::EntryId(core.id.try_into().ok()?),
        channel: aside.journal.channel.clone(),
        kind: core.kind,
        subject: core.subject,
        body: aside.raw.body.to_vec(),
        at: Timestamp::from_ms(core.claimed_ms),
        officer: core.officer,
        first_hash: Some(first_hash),
    })
}

/// Journals of children that came while nothing could be written, and still wait for our receipt.
fn receipts_owed(work: &Work<'_>, me: &Identity) -> Result<BTreeMap<NodeId, Position>, StoreError> {
    let mut owed = BTreeMap::new();
    for (id, head) in heads(work.sql)? {
        let below = id.channel == Channel::Up && work.known.network.is_above(&me.node, &id.author);
        if below && given(work.sql, me, &id.author)? < head.seq {
            owed.insert(id.author, head);
        }
    }
    Ok(owed)
}

fn given(sql: &Connection, me: &Identity, author: &NodeId) -> Result<u64, StoreError> {
    let seq: Option<i64> = sql
        .prepare_cached("SELECT seq FROM custody WHERE author = ?1 AND by_node = ?2")
        .and_then(|mut s| s.query_row((author.as_str(), me.node.as_str()), |row| row.get(0)).optional())
        .broken("read our receipt")?;
    Ok(seq.unwrap_or(0) as u64)
}

/// A token whose node is known was used after the backup was made: it must not let a second one in (I27). Of the others nobody knows
/// which were taken back since; whoever still waits with one is given another.
fn spend_tokens(work: &Work<'_>, now: Timestamp) -> Result<(), StoreError> {
    for node in work.known.network.iter() {
        work.sql
            .execute(
                "UPDATE enrolment SET used_ms = ?2 WHERE used_ms IS NULL AND enrolment ->> 'node' = ?1",
                (node.id.as_str(), now.as_ms()),
            )
            .broken("spend tokens")?;
    }
    work.sql
        .execute(
            "UPDATE enrolment SET voided_ms = ?1 WHERE used_ms IS NULL AND voided_ms IS NULL",
            [now.as_ms()],
        )
        .broken("take tokens back")?;
    Ok(())
}
