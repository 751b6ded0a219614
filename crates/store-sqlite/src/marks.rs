//! Jobs that read the journals onward from where they stopped.

use crate::error::{Broken, unreadable};
use crate::journals::{heads, number_of, pos_of};
use crate::project::{cases_of, receipted};
use crate::queries::entry_at;
use domain::CaseNo;
use prost::Message;
use replication::entry::Core;
use replication::{Channel, Custody, JournalId};
use rusqlite::{Connection, named_params};
use std::collections::{BTreeMap, BTreeSet};
use store::{Mark, StoreError, kind};

pub(crate) fn cases_since(sql: &Connection, mark: &Mark) -> Result<(BTreeSet<CaseNo>, Mark), StoreError> {
    let before: BTreeMap<&JournalId, u64> = mark.iter().map(|(journal, seq)| (journal, *seq)).collect();
    let (mut cases, mut now) = (BTreeSet::new(), Mark::new());
    for (journal, head) in heads(sql)? {
        let known = before.get(&journal).copied().unwrap_or(0);
        if head.seq > known
            && let Some(no) = number_of(sql, &journal)?
        {
            read_cases(sql, pos_of(no, known), pos_of(no, head.seq), &mut cases)?;
        }
        now.push((journal, head.seq));
    }
    Ok((cases, now))
}

fn read_cases(
    sql: &Connection,
    after: i64,
    last: i64,
    cases: &mut BTreeSet<CaseNo>,
) -> Result<(), StoreError> {
    let mut statement = sql
        .prepare_cached("SELECT pos, core FROM entry WHERE pos > ?1 AND pos <= ?2 ORDER BY pos")
        .broken("read new entries")?;
    let mut rows = statement.query((after, last)).broken("read new entries")?;
    while let Some(row) = rows.next().broken("read new entries")? {
        let core: Vec<u8> = row.get("core").broken("read new entries")?;
        let core = Core::decode(core.as_slice()).map_err(|e| unreadable("read new entries", e))?;
        match core.kind.as_str() {
            kind::PAGE | kind::SLIP => cases.extend(core.subject.parse::<CaseNo>()),
            kind::RECEIPT => read_receipted(sql, row.get("pos").broken("read new entries")?, cases)?,
            kind::PACK_RELEASE => cases.extend(cases_of(sql, "SELECT case_no FROM dossier", [])?),
            _ => {}
        }
    }
    Ok(())
}

/// Cases with pages that a receipt dates.
fn read_receipted(sql: &Connection, pos: i64, cases: &mut BTreeSet<CaseNo>) -> Result<(), StoreError> {
    let receipt = entry_at(sql, pos)?;
    // What cannot be read has become an incident when it came, and dates nothing.
    let Ok(custody) = serde_json::from_slice::<Custody>(&receipt.raw.body) else { return Ok(()) };
    let journal = JournalId::new(&custody.author, Channel::Up);
    let Some(no) = number_of(sql, &journal)? else { return Ok(()) };
    let before = receipted(sql, &custody.author, &receipt.author, custody.seq as i64)?;
    read_cases(sql, pos_of(no, before), pos_of(no, custody.seq), cases)
}

pub(crate) fn mark(sql: &Connection, job: &str) -> Result<Mark, StoreError> {
    let rows: Vec<(String, String, i64)> = sql
        .prepare_cached("SELECT author, channel, seq FROM mark WHERE job = ?1 ORDER BY author, channel")
        .and_then(|mut s| s.query_map([job], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect())
        .broken("read a mark")?;
    let line = |(author, channel, seq): (String, String, i64)| {
        let author = author.parse().map_err(|e| unreadable("read a mark", e))?;
        let channel = channel.parse().map_err(|e| unreadable("read a mark", e))?;
        Ok((JournalId { author, channel }, seq as u64))
    };
    rows.into_iter().map(line).collect()
}

pub(crate) fn put(sql: &Connection, job: &str, mark: &Mark) -> Result<(), StoreError> {
    let mut statement = sql
        .prepare_cached(
            "INSERT INTO mark(job, author, channel, seq) VALUES(:job, :author, :channel, :seq)
             ON CONFLICT(job, author, channel) DO UPDATE SET seq = :seq WHERE seq <> :seq",
        )
        .broken("note a mark")?;
    for (journal, seq) in mark {
        let channel = journal.channel.to_string();
        statement
            .execute(named_params! {
                ":job": job, ":author": journal.author.as_str(), ":channel": channel, ":seq": *seq as i64,
            })
            .broken("note a mark")?;
    }
    Ok(())
}
