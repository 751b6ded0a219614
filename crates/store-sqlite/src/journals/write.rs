//! Writing to our own journals: chained, signed, one signature for each journal and call.

use super::{insert_entry, journal, pos_of, set_head};
use crate::Identity;
use crate::error::Broken;
use bytes::Bytes;
use domain::{EntryId, Timestamp};
use prost::Message;
use replication::entry::{Core, SUITE_ED25519_SHA256};
use replication::{Channel, Entry, Hash, JournalId, Position, RawEntry};
use rusqlite::Connection;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use store::{NewEntry, StoreError, kind};

/// An entry about to be written, with who writes it and when. Of one that is filed again after a restore these stay as they
/// were, and so does the hash it had first.
pub(super) struct ToWrite {
    pub id: EntryId,
    pub channel: Channel,
    pub kind: String,
    pub subject: String,
    pub body: Vec<u8>,
    pub at: Timestamp,
    pub officer: String,
    pub first_hash: Option<Hash>,
}

impl ToWrite {
    pub fn new(entry: NewEntry, at: Timestamp, officer: &str) -> ToWrite {
        let NewEntry { id, channel, kind, subject, body } = entry;
        ToWrite {
            id,
            channel,
            kind: kind.to_owned(),
            subject,
            body,
            at,
            officer: officer.to_owned(),
            first_hash: None,
        }
    }
}

/// Chains, signs and inserts entries; all entries of one journal in one call share one signature, on the last. `epoch` begins
/// a new one; the first entry of each journal is then its opening.
pub(super) fn write_own(
    sql: &Connection,
    me: &Identity,
    epoch: Option<u32>,
    entries: Vec<ToWrite>,
) -> Result<Vec<(i64, Entry)>, StoreError> {
    let mut by_channel: BTreeMap<Channel, Vec<ToWrite>> = BTreeMap::new();
    for entry in entries {
        by_channel.entry(entry.channel.clone()).or_default().push(entry);
    }
    let mut written = Vec::new();
    for (channel, entries) in by_channel {
        let id = JournalId::new(&me.node, channel);
        let row = journal(sql, &id)?;
        let mut head = row.head;
        head.epoch = match (epoch, head.seq) {
            (Some(epoch), _) => epoch,
            // Another journal of ours may have been begun in this epoch, reached somebody, and been forgotten here.
            (None, 0) => present_epoch(sql, me)?,
            (None, _) => head.epoch,
        };
        let count = entries.len();
        for (index, entry) in entries.into_iter().enumerate() {
            let keeps_request = index == 0 && entry.kind != kind::RECEIPT || entry.first_hash.is_some();
            let mut entry = encode(me, &id, &head, entry)?;
            if index + 1 == count {
                entry.raw.signature = Some(me.signer.sign(&entry.hash));
            }
            debug_assert!(Entry::decode(entry.raw.clone(), &head.hash, &id.channel.to_string()).is_ok());
            head = Position { epoch: head.epoch, seq: head.seq + 1, hash: entry.hash };
            let pos = pos_of(row.no, head.seq);
            insert_entry(sql, pos, head.epoch, &entry.raw, &entry.hash)?;
            // An act is asked for again by the id of its first entry; receipts by nobody.
            if keeps_request {
                remember_request(sql, entry.id, pos)?;
            }
            written.push((pos, entry));
        }
        set_head(sql, row.no, head)?;
    }
    Ok(written)
}

/// The id of an entry that nobody asked for: whoever writes it again writes the same.
pub(super) fn named_id(bytes: &[u8]) -> EntryId {
    let mut id = [0; 16];
    id.copy_from_slice(&Sha256::digest(bytes)[..16]);
    EntryId(id)
}

pub(super) fn remember_request(sql: &Connection, id: EntryId, pos: i64) -> Result<(), StoreError> {
    sql.prepare_cached("INSERT OR IGNORE INTO request(id, pos) VALUES(?1, ?2)")
        .and_then(|mut s| s.execute((id.0.as_slice(), pos)))
        .broken("remember the request")?;
    Ok(())
}

/// The newest epoch of any journal of ours; all are opened together.
pub(super) fn present_epoch(sql: &Connection, me: &Identity) -> Result<u32, StoreError> {
    let newest: Option<u32> = sql
        .prepare_cached("SELECT max(epoch) FROM journal WHERE author = ?1")
        .and_then(|mut s| s.query_row([me.node.as_str()], |row| row.get(0)))
        .broken("read the epoch")?;
    Ok(newest.unwrap_or(0).max(1))
}

fn encode(me: &Identity, journal: &JournalId, head: &Position, new: ToWrite) -> Result<Entry, StoreError> {
    let ToWrite { id, channel: _, kind, subject, body, at, officer, first_hash } = new;
    let core = Core {
        suite: SUITE_ED25519_SHA256,
        schema: 1,
        author: me.node.to_string(),
        channel: journal.channel.to_string(),
        epoch: head.epoch,
        seq: head.seq + 1,
        id: id.0.to_vec(),
        kind: kind.clone(),
        subject: subject.clone(),
        area: me.area.clone(),
        claimed_ms: at.as_ms(),
        officer: officer.clone(),
        first_hash: first_hash.map(|hash| hash.0.to_vec()).unwrap_or_default(),
    };
    let raw = RawEntry { core: core.encode_to_vec().into(), body: Bytes::from(body), signature: None };
    if raw.size() > replication::ENTRY_BYTES_MAX {
        return Err(StoreError::Broken {
            what: "write an entry",
            detail: format!("it has {} bytes, more than 256 KiB", raw.size()),
        });
    }
    Ok(Entry {
        hash: raw.hash(&head.hash),
        raw,
        author: me.node.clone(),
        epoch: head.epoch,
        seq: head.seq + 1,
        id,
        kind,
        subject,
        area: me.area.clone(),
        claimed_at: at,
        officer,
        first_hash,
    })
}

/// True when this very entry stands in our journal from a place on.
pub(super) fn is_filed(
    sql: &Connection,
    journal_no: i64,
    from: u64,
    wanted: &ToWrite,
) -> Result<bool, StoreError> {
    let mut statement = sql
        .prepare_cached("SELECT core FROM entry WHERE pos >= ?1 AND pos < ?2 AND body = ?3")
        .broken("look for an entry")?;
    let mut rows = statement
        .query((pos_of(journal_no, from), pos_of(journal_no + 1, 0), &wanted.body))
        .broken("look for an entry")?;
    while let Some(row) = rows.next().broken("look for an entry")? {
        let core: Vec<u8> = row.get(0).broken("look for an entry")?;
        let Ok(core) = Core::decode(core.as_slice()) else { continue };
        if core.id == wanted.id.0 && core.kind == wanted.kind {
            return Ok(true);
        }
    }
    Ok(false)
}
