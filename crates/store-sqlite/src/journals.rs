//! Journals on disk: append, load, verify; what neighbours send is taken in `receive`.

mod branches;
mod parted;
mod receive;
mod recover;
mod write;

pub(crate) use receive::{Arrived, note, quarantine, receive};
pub(crate) use recover::{answered, begin, read as read_recovery, settle};
use write::{ToWrite, write_own};

use crate::error::{Broken, unreadable};
use crate::executor::Work;
use crate::project::Projector;
use crate::{Identity, VerifyReport, audit};
use bytes::Bytes;
use domain::{NodeId, Timestamp};
use prost::Message;
use replication::entry::Core;
use replication::epoch::{self, Compared, Proof};
use replication::run::KeyFault;
use replication::session::Load;
use replication::{
    Channel, Entry, Hash, JournalId, Position, Previous, RawEntry, Run, Signature, Stored, Verify,
};
use rusqlite::{Connection, OptionalExtension};
use std::collections::BTreeMap;
use store::*;

const SEQ_BITS: u32 = 40;

pub(crate) fn pos_of(journal_no: i64, seq: u64) -> i64 {
    journal_no << SEQ_BITS | seq as i64
}
pub(crate) fn seq_of(pos: i64) -> u64 {
    (pos & ((1 << SEQ_BITS) - 1)) as u64
}
pub(crate) fn journal_no_of(pos: i64) -> i64 {
    pos >> SEQ_BITS
}

pub(crate) struct JournalRow {
    pub no: i64,
    pub head: Position,
    pub frozen: bool,
}

fn hash_column(row: &rusqlite::Row<'_>, name: &str) -> rusqlite::Result<Hash> {
    Ok(Hash::from_slice(row.get_ref(name)?.as_blob()?).unwrap_or_default())
}

/// Finds a journal, or makes its row. Numbers are given once and never reused.
fn known_journal(sql: &Connection, id: &JournalId) -> Result<Option<JournalRow>, StoreError> {
    sql.prepare_cached("SELECT no, epoch, seq, hash, frozen FROM journal WHERE author = ?1 AND channel = ?2")
        .and_then(|mut s| {
            s.query_row((id.author.as_str(), id.channel.to_string()), |row| {
                let head = Position {
                    epoch: row.get("epoch")?,
                    seq: row.get::<_, i64>("seq")? as u64,
                    hash: hash_column(row, "hash")?,
                };
                Ok(JournalRow { no: row.get("no")?, head, frozen: row.get("frozen")? })
            })
            .optional()
        })
        .broken("find the journal")
}

/// The row of a journal, opened if this is the first that is heard of it.
fn journal(sql: &Connection, id: &JournalId) -> Result<JournalRow, StoreError> {
    if let Some(row) = known_journal(sql, id)? {
        return Ok(row);
    }
    sql.prepare_cached(
        "INSERT INTO journal(author, channel, epoch, seq, hash) VALUES(?1, ?2, 0, 0, zeroblob(32))",
    )
    .and_then(|mut s| s.execute((id.author.as_str(), id.channel.to_string())))
    .broken("open a journal")?;
    Ok(JournalRow { no: sql.last_insert_rowid(), head: Position::NONE, frozen: false })
}

fn insert_entry(
    sql: &Connection,
    pos: i64,
    epoch: u32,
    raw: &RawEntry,
    hash: &Hash,
) -> Result<(), StoreError> {
    sql.prepare_cached(
        "INSERT INTO entry(pos, epoch, core, body, signature, hash) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
    )
    .and_then(|mut s| {
        let signature = raw.signature.as_ref().map(|s| s.0.as_slice());
        s.execute((pos, epoch, raw.core.as_ref(), raw.body.as_ref(), signature, hash.0.as_slice()))
    })
    .broken("write an entry")?;
    Ok(())
}

fn set_head(sql: &Connection, no: i64, head: Position) -> Result<(), StoreError> {
    sql.prepare_cached("UPDATE journal SET epoch = ?2, seq = ?3, hash = ?4 WHERE no = ?1")
        .and_then(|mut s| s.execute((no, head.epoch, head.seq as i64, head.hash.0.as_slice())))
        .broken("move the head")?;
    Ok(())
}

/// Writes to our own journals and projects what was written.
pub(crate) fn append(work: &mut Work<'_>, me: &Identity, append: Append) -> Result<Appended, StoreError> {
    let Append {
        at,
        officer,
        action,
        entries,
        expected,
        consumes_draft,
        consumes_enrolment,
        attachments_here,
        takes_serials,
        relies_on,
    } = append;
    if let Some(appended) = repeated(work.sql, me, &entries, consumes_draft.is_some())? {
        return Ok(appended);
    }
    recover::may_write(work.known)?;
    if let Some((case, pages)) = &expected {
        let now: Option<u32> = work
            .sql
            .prepare_cached(
                "SELECT pages FROM dossier WHERE no = (SELECT id FROM known_case WHERE case_no = ?1)",
            )
            .and_then(|mut s| s.query_row([case.as_str()], |row| row.get(0)).optional())
            .broken("read the version")?;
        if now.unwrap_or(0) != *pages {
            return Err(StoreError::Stale { case: case.clone() });
        }
    }
    if let Some((number, delegate)) = relies_on
        && work.known.delegations.is_revoked(&number, &delegate, at.day())
    {
        return Err(StoreError::DelegationRevoked { number });
    }
    for (scope, number) in &takes_serials {
        crate::people::take_serial(work.sql, scope, *number)?;
    }
    let subject = entries.first().map(|entry| entry.subject.clone()).unwrap_or_default();
    audit::record(work.sql, at, &officer, action, &subject)?;
    let entries = entries.into_iter().map(|entry| ToWrite::new(entry, at, &officer)).collect();
    let written = write_own(work.sql, me, None, entries)?;
    let mut projector = Projector::new(work, me, at);
    for (pos, entry) in &written {
        projector.project(*pos, entry)?;
    }
    projector.finish()?;
    crate::project::attachments_here(work, &me.node, &attachments_here)?;
    if let Some((draft, version)) = consumes_draft {
        crate::people::consume_draft(work.sql, draft, version)?;
    }
    if let Some(secret) = consumes_enrolment {
        crate::people::consume_enrolment(work.sql, &secret, at)?;
    }
    let heads =
        written.iter().map(|(_, entry)| (journal_of(entry), position_of(entry))).collect::<BTreeMap<_, _>>();
    work.change.heads.extend(heads.clone());
    Ok(Appended { heads: heads.into_iter().collect(), repeated: false })
}

fn journal_of(entry: &Entry) -> JournalId {
    let core = Core::decode(entry.raw.core.clone()).unwrap_or_default();
    JournalId { author: entry.author.clone(), channel: core.channel.parse().unwrap_or(Channel::Up) }
}
fn position_of(entry: &Entry) -> Position {
    Position { epoch: entry.epoch, seq: entry.seq, hash: entry.hash }
}

/// The answer to an act that is already stored, found by the id of its first entry.
fn repeated(
    sql: &Connection,
    me: &Identity,
    entries: &[NewEntry],
    captures: bool,
) -> Result<Option<Appended>, StoreError> {
    let Some(first) = entries.first() else { return Ok(None) };
    let Some(pos) = request(sql, first.id)? else { return Ok(None) };
    let known = crate::queries::entry_at(sql, pos)?;
    // A capture's number is drawn anew by a retry; everything else must be about the same case, or it is another act.
    if !captures && (known.subject != first.subject || known.kind != first.kind) {
        return Err(StoreError::Exists { what: "同一请求编号下的另一次办理" });
    }
    let id = JournalId::new(&me.node, first.channel.clone());
    let head = journal(sql, &id)?.head;
    Ok(Some(Appended { heads: vec![(id, head)], repeated: true }))
}

/// Where the act with this id is stored.
pub(crate) fn request(sql: &Connection, id: domain::EntryId) -> Result<Option<i64>, StoreError> {
    sql.prepare_cached("SELECT pos FROM request WHERE id = ?1")
        .and_then(|mut s| s.query_row([id.0.as_slice()], |row| row.get(0)).optional())
        .broken("look for a request")
}

pub(crate) fn hash_at(sql: &Connection, journal_no: i64, seq: u64) -> Result<Option<Hash>, StoreError> {
    if seq == 0 {
        return Ok(Some(Hash::NONE));
    }
    sql.prepare_cached("SELECT hash FROM entry WHERE pos = ?1")
        .and_then(|mut s| s.query_row([pos_of(journal_no, seq)], |row| hash_column(row, "hash")).optional())
        .broken("read a hash")
}

/// The hash at a place of a journal, if that place is filled here. Asking opens no journal.
pub(crate) fn stored_hash(sql: &Connection, id: &JournalId, seq: u64) -> Result<Option<Hash>, StoreError> {
    number_of(sql, id)?.map_or(Ok(None), |no| hash_at(sql, no, seq))
}

/// What is stored of a journal, with the hash just before `seq`. Asking opens no journal.
pub(crate) fn stored(sql: &Connection, id: &JournalId, seq: u64) -> Result<Stored, StoreError> {
    let before = seq.saturating_sub(1);
    let Some(row) = known_journal(sql, id)? else {
        return Ok(Stored { head: Position::NONE, before: (before == 0).then_some(Hash::NONE) });
    };
    let is_head = row.head.seq == before;
    let before = if is_head { Some(row.head.hash) } else { hash_at(sql, row.no, before)? };
    Ok(Stored { head: row.head, before })
}

/// The number of a journal that is known here.
pub(crate) fn number_of(sql: &Connection, id: &JournalId) -> Result<Option<i64>, StoreError> {
    sql.prepare_cached("SELECT no FROM journal WHERE author = ?1 AND channel = ?2")
        .and_then(|mut s| {
            s.query_row((id.author.as_str(), id.channel.to_string()), |row| row.get(0)).optional()
        })
        .broken("find the journal")
}

pub(crate) fn written_at(
    sql: &Connection,
    id: &JournalId,
    seq: u64,
) -> Result<Option<Timestamp>, StoreError> {
    let core: Option<Vec<u8>> = sql
        .prepare_cached("SELECT e.core FROM journal j JOIN entry e ON e.pos = (j.no << 40 | ?3) WHERE j.author = ?1 AND j.channel = ?2")
        .and_then(|mut s| s.query_row((id.author.as_str(), id.channel.to_string(), seq as i64), |row| row.get(0)).optional())
        .broken("read an entry")?;
    Ok(core
        .and_then(|core| Core::decode(core.as_slice()).ok())
        .map(|core| Timestamp::from_ms(core.claimed_ms)))
}

pub(crate) fn heads(sql: &Connection) -> Result<Vec<(JournalId, Position)>, StoreError> {
    let mut statement = sql
        .prepare_cached(
            "SELECT author, channel, epoch, seq, hash FROM journal WHERE seq > 0 ORDER BY author, channel",
        )
        .broken("read heads")?;
    let rows = statement
        .query_map([], |row| {
            let head = Position {
                epoch: row.get("epoch")?,
                seq: row.get::<_, i64>("seq")? as u64,
                hash: hash_column(row, "hash")?,
            };
            Ok((row.get::<_, String>("author")?, row.get::<_, String>("channel")?, head))
        })
        .broken("read heads")?;
    let mut heads = Vec::new();
    for row in rows {
        let (author, channel, head) = row.broken("read heads")?;
        let author = author.parse().map_err(|e| unreadable("read heads", e))?;
        heads.push((
            JournalId { author, channel: channel.parse().map_err(|e| unreadable("read heads", e))? },
            head,
        ));
    }
    Ok(heads)
}

/// Loads runs within a budget of bytes. A run is cut only after a signed entry, or the receiver could not check it.
pub(crate) fn load_runs(sql: &Connection, load: &Load) -> Result<Vec<Run>, StoreError> {
    let mut left = load.budget;
    let mut runs = Vec::new();
    for (id, after) in &load.wants {
        if left == 0 {
            break;
        }
        let row = journal(sql, id)?;
        let mut entries = load_entries(sql, row.no, *after, left)?;
        if entries.is_empty() {
            continue;
        }
        if !load.signed.contains(id)
            && let Some((_, before)) = entries.split_last_mut()
        {
            before.iter_mut().for_each(|entry| entry.signature = None);
        }
        left = left.saturating_sub(entries.iter().map(RawEntry::size).sum());
        let previous = Previous::Hash(hash_at(sql, row.no, *after)?.unwrap_or_default());
        let proof = if load.proofs.contains(id) { newest_opening(sql, &row)? } else { None };
        runs.push(Run { journal: id.clone(), previous, entries, proof });
    }
    Ok(runs)
}

/// The first entry of a journal's present epoch, unless that is its first epoch.
fn newest_opening(sql: &Connection, row: &JournalRow) -> Result<Option<Proof>, StoreError> {
    let found: Option<i64> = sql
        .prepare_cached("SELECT min(pos) FROM entry WHERE pos > ?1 AND pos < ?2 AND epoch = ?3")
        .and_then(|mut s| {
            s.query_row((pos_of(row.no, 0), pos_of(row.no + 1, 0), row.head.epoch), |row| row.get(0))
        })
        .broken("find an opening")?;
    let Some(pos) = found else { return Ok(None) };
    let entry = crate::queries::entry_at(sql, pos)?;
    let previous = hash_at(sql, row.no, seq_of(pos) - 1)?.unwrap_or_default();
    Ok((entry.kind == epoch::OPENING).then_some(Proof { previous, entry: entry.raw }))
}

/// Compares places that a neighbour names with what stands there here.
pub(crate) fn compare(
    sql: &Connection,
    places: Vec<(JournalId, Position)>,
) -> Result<Vec<(JournalId, Compared)>, StoreError> {
    let one = |(journal, peer): (JournalId, Position)| {
        let same = stored_hash(sql, &journal, peer.seq)? == Some(peer.hash);
        Ok((journal, Compared { peer, same }))
    };
    places.into_iter().map(one).collect()
}

/// How far a neighbour surely has the same of a journal: what it once confirmed and we still have.
pub(crate) fn shared_with(
    sql: &Connection,
    peer: &domain::NodeId,
    id: &JournalId,
) -> Result<Position, StoreError> {
    let Some(row) = known_journal(sql, id)? else { return Ok(Position::NONE) };
    let confirmed = crate::people::confirmed(sql, peer)?;
    let seq = confirmed.iter().find(|(journal, _)| journal == id).map_or(0, |(_, seq)| *seq);
    let seq = seq.min(row.head.seq);
    Ok(Position { epoch: row.head.epoch, seq, hash: hash_at(sql, row.no, seq)?.unwrap_or_default() })
}

fn load_entries(
    sql: &Connection,
    journal_no: i64,
    after: u64,
    budget: usize,
) -> Result<Vec<RawEntry>, StoreError> {
    let mut statement = sql
        .prepare_cached("SELECT core, body, signature FROM entry WHERE pos > ?1 AND pos < ?2 ORDER BY pos")
        .broken("load entries")?;
    let mut rows =
        statement.query((pos_of(journal_no, after), pos_of(journal_no + 1, 0))).broken("load entries")?;
    let mut entries: Vec<RawEntry> = Vec::new();
    let (mut size, mut whole, mut whole_size) = (0, 0, 0);
    while let Some(row) = rows.next().broken("load entries")? {
        let blob = |column: usize| row.get::<_, Vec<u8>>(column).map(Bytes::from).broken("load entries");
        let signature = row.get_ref(2).and_then(|s| Ok(s.as_blob_or_null()?)).broken("load entries")?;
        let signature = signature.and_then(Signature::from_slice);
        let entry = RawEntry { core: blob(0)?, body: blob(1)?, signature };
        size += entry.size();
        // Stop before the budget or the batch limit is passed, once something whole can be sent.
        if whole > 0 && (size > budget || size > replication::BATCH_BYTES_MAX - 4096) {
            break;
        }
        let signed = entry.signature.is_some();
        entries.push(entry);
        if signed {
            (whole, whole_size) = (entries.len(), size);
        }
        if whole_size >= budget {
            break;
        }
    }
    entries.truncate(whole);
    Ok(entries)
}

/// When, who, and which entry.
type OwnAct = (Timestamp, String, String);

/// What officers wrote here in the present epoch, and the heads of the audit that stand signed among it; what came back from
/// neighbours after a restore has lost its rows with the old disk.
fn own_acts(sql: &Connection, me: &NodeId) -> Result<(Vec<OwnAct>, audit::Anchors), StoreError> {
    let places: Vec<i64> = sql
        .prepare("SELECT e.pos FROM entry e JOIN journal j ON j.no = e.pos >> 40 WHERE j.author = ?1 AND e.epoch = j.epoch ORDER BY e.pos")
        .and_then(|mut s| s.query_map([me.as_str()], |row| row.get(0))?.collect())
        .broken("read our own acts")?;
    let (mut acts, mut anchors) = (Vec::new(), audit::Anchors::new());
    for pos in places {
        let entry = crate::queries::entry_at(sql, pos)?;
        // Filed again after a restore, both speak of rows that went with the old disk.
        if entry.first_hash.is_some() {
            continue;
        }
        if entry.kind == kind::AUDIT_HEAD
            && let Ok(head) = serde_json::from_slice::<AuditHead>(&entry.raw.body)
            && let Some(hash) = Hash::from_hex(&head.hash)
        {
            anchors.insert(head.seq as i64, hash.0.to_vec());
        }
        if matches!(entry.kind.as_str(), kind::PAGE | kind::SLIP) {
            let what = format!("entry {} of {} by {}", entry.seq, journal_of(&entry), entry.officer);
            acts.push((entry.claimed_at, entry.officer, what));
        }
    }
    Ok((acts, anchors))
}

/// Walks every chain from its beginning.
pub(crate) fn verify(sql: &Connection, me: &NodeId, keys: &dyn Verify) -> Result<VerifyReport, StoreError> {
    let mut report = VerifyReport::default();
    for (id, head) in heads(sql)? {
        let row = journal(sql, &id)?;
        report.journals += 1;
        let reached = verify_one(sql, &id, row.no, keys, &mut report)?;
        if reached != (head.seq, head.hash) {
            report.faults.push(format!(
                "{id}: the head says {} entries, the chain ends after {}",
                head.seq, reached.0
            ));
        }
    }
    // While a node takes back what it once wrote, its present epoch has acts whose rows went with the old disk. `doctor` and
    // `status` say that it recovers.
    let recovering = recover::read(sql)?.is_some();
    let (acts, anchors) = if recovering { Default::default() } else { own_acts(sql, me)? };
    let walked = audit::verify(sql, anchors)?;
    report.audit_rows = walked.rows;
    for (at, officer, what) in acts {
        if !walked.has_act(at, &officer) {
            report.faults.push(format!("{what} has no audit row: the audit was cut short or rewritten"));
        }
    }
    report.faults.extend(walked.faults);
    Ok(report)
}

fn verify_one(
    sql: &Connection,
    id: &JournalId,
    no: i64,
    keys: &dyn Verify,
    report: &mut VerifyReport,
) -> Result<(u64, Hash), StoreError> {
    let channel = id.channel.to_string();
    let mut statement = sql
        .prepare("SELECT pos, core, body, signature FROM entry WHERE pos > ?1 AND pos < ?2 ORDER BY pos")
        .broken("verify")?;
    let mut rows = statement.query((pos_of(no, 0), pos_of(no + 1, 0))).broken("verify")?;
    let (mut seq, mut before, mut signed) = (0, Hash::NONE, true);
    while let Some(row) = rows.next().broken("verify")? {
        let blob = |name: &str| row.get::<_, Vec<u8>>(name).map(Bytes::from).broken("verify");
        let signature: Option<Vec<u8>> = row.get("signature").broken("verify")?;
        let raw = RawEntry {
            core: blob("core")?,
            body: blob("body")?,
            signature: signature.and_then(|s| Signature::from_slice(&s)),
        };
        seq = seq_of(row.get("pos").broken("verify")?);
        report.entries += 1;
        let checked = raw.signature;
        match Entry::decode(raw, &before, &channel) {
            Ok(entry) => {
                if entry.seq != seq || entry.author != id.author {
                    report.faults.push(format!("{id}: entry {seq} stands at the wrong place"));
                }
                before = entry.hash;
            }
            Err(error) => {
                report.faults.push(format!("{id}: entry {seq} cannot be read: {error}"));
                return Ok((seq, before));
            }
        }
        signed = checked.is_some();
        if let Some(signature) = checked {
            report.signatures += 1;
            // What was taken before its machine was reported lost stays what it is.
            if !matches!(keys.verify(id, seq, &before, &signature), Ok(()) | Err(KeyFault::Revoked)) {
                report
                    .faults
                    .push(format!("{id}: the signature at {seq} does not fit the entries before it"));
            }
        }
    }
    if !signed {
        report.faults.push(format!("{id}: the last append is not signed"));
    }
    Ok((seq, before))
}
