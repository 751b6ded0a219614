//! Work that waits at this node, most urgent first, and the receipts its limits are counted from.

use super::Projector;
use crate::error::Broken;
use crate::journals::{self, pos_of, seq_of};
use domain::clock::{self, Receipts};
use domain::dossier::Dossier;
use domain::network::{Network, Tier};
use domain::{CaseNo, Day, NodeId, Timestamp, plan};
use replication::{Channel, Custody, Entry, JournalId};
use rusqlite::{Connection, OptionalExtension, named_params};
use store::*;

/// A receipt noted in this transaction: it covers its author's entries after `after` through `through`.
pub(super) struct FreshReceipt {
    by: NodeId,
    after: u64,
    through: u64,
    day: Day,
}

impl Projector<'_, '_> {
    fn is_beyond_us(&self, journal: &JournalId, custody: &Custody) -> Result<bool, StoreError> {
        Ok(journals::stored(self.work.sql, journal, 1)?.head.seq < custody.seq)
    }

    pub(super) fn receipt(&mut self, entry: &Entry) -> Result<(), StoreError> {
        let Ok(custody) = serde_json::from_slice::<Custody>(&entry.raw.body) else {
            return self.incident(entry, "receipt cannot be read");
        };
        if !self.work.known.network.is_above(&entry.author, &custody.author) {
            return self.incident(entry, "receipt: its author does not stand above the one it receipts");
        }
        let journal = JournalId::new(&custody.author, Channel::Up);
        if custody.author == self.me.node && self.is_beyond_us(&journal, &custody)? {
            // We were restored: a tick must not come from an entry that is not here. All receipts are read again once we have
            // taken back what is ours.
            return match self.work.known.recovery {
                Some(_) => Ok(()),
                None => self.incident(entry, "receipt: it names an entry of ours that we do not have"),
            };
        }
        if let Some(ours) = journals::stored_hash(self.work.sql, &journal, custody.seq)?
            && !custody.matches(Some(ours))
        {
            return self.incident(entry, "receipt: it names another entry than the one that stands there");
        }
        self.work
            .sql
            .prepare_cached(
                "INSERT INTO custody(author, by_node, seq, at_ms) VALUES(:author, :by, :seq, :at)
                 ON CONFLICT(author, by_node) DO UPDATE SET seq = :seq, at_ms = :at WHERE seq < :seq",
            )
            .and_then(|mut s| {
                s.execute(named_params! {
                    ":author": custody.author.as_str(), ":by": entry.author.as_str(), ":seq": custody.seq as i64,
                    ":at": entry.claimed_at.as_ms(),
                })
            })
            .broken("note a receipt")?;
        let before = self.note_receipt_day(entry, &custody)?;
        let fresh = FreshReceipt {
            by: entry.author.clone(),
            after: before,
            through: custody.seq,
            day: entry.claimed_at.day(),
        };
        self.fresh_receipts.insert(custody.author.clone(), fresh);
        if !self.answers_applicants() {
            return self.list_decided_here();
        }
        // Where the town has signed already, its day is the one that counts, whoever signs after it.
        let town = self.work.known.network.responsible(&custody.author, Tier::Town).cloned();
        let signed = match town {
            Some(town) if town != entry.author => receipted(self.work.sql, &custody.author, &town, i64::MAX)?,
            _ => 0,
        };
        let before = before.max(signed);
        if before < custody.seq { self.list_receipted(&custody, before) } else { Ok(()) }
    }

    /// The days that start limits here. A batch and its receipt are stored together, so they are mostly at hand.
    fn receipts(&self, dossier: &Dossier, submitted_pos: i64) -> Result<Receipts, StoreError> {
        if dossier.received.is_some() {
            return Ok(Receipts { submitted: dossier.received, decided: None });
        }
        let network = &self.work.known.network;
        let town = network.responsible(&dossier.origin, Tier::Town);
        let signed = |seq: u64| match self.fresh_receipts.get(&dossier.origin) {
            Some(fresh) if Some(&fresh.by) == town && fresh.after < seq && seq <= fresh.through => {
                Ok(Some(fresh.day))
            }
            _ => receipt_day(self.work.sql, network, &dossier.origin, seq),
        };
        let answers = self.answers_applicants();
        Ok(Receipts {
            submitted: if answers { signed(seq_of(submitted_pos))? } else { None },
            decided: decided_on(self.work.sql, dossier, signed)?,
        })
    }

    /// The five days of art. 32 bind whoever accepts; what still lies in a village waits for the village.
    fn answers_applicants(&self) -> bool {
        self.work.known.network.get(&self.me.node).is_some_and(|node| node.tier != Tier::Village)
    }

    /// Every receipt is kept, because the day of the first one that covers a submission starts its first limit. Returns how
    /// far its author had receipted before.
    fn note_receipt_day(&self, entry: &Entry, custody: &Custody) -> Result<u64, StoreError> {
        let sql = self.work.sql;
        let (author, by) = (custody.author.as_str(), entry.author.as_str());
        let before = receipted(sql, &custody.author, &entry.author, custody.seq as i64)?;
        sql.prepare_cached(
            "INSERT INTO receipt(author, by_node, seq, at_ms) VALUES(?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
        )
        .and_then(|mut s| s.execute((author, by, custody.seq as i64, entry.claimed_at.as_ms())))
        .broken("note a receipt")?;
        Ok(before)
    }

    /// The receipt may come after the pages it covers (the hub hears of the town's later): their limit is known only now.
    fn list_receipted(&mut self, custody: &Custody, before: u64) -> Result<(), StoreError> {
        let journal = JournalId::new(&custody.author, Channel::Up);
        let Some(no) = journals::number_of(self.work.sql, &journal)? else { return Ok(()) };
        // Named, because without statistics the planner would rather walk through all cases of a holder.
        let cases = cases_of(
            self.work.sql,
            "SELECT case_no FROM dossier INDEXED BY dossier_unanswered
              WHERE status = 'captured' AND holder = ?1 AND submitted_pos > ?2 AND submitted_pos <= ?3
              ORDER BY submitted_pos",
            (self.me.node.as_str(), pos_of(no, before), pos_of(no, custody.seq)),
        )?;
        self.touch(cases)
    }

    /// What this village decided by itself is to be delivered within ten days of the receipt that may just have come.
    fn list_decided_here(&mut self) -> Result<(), StoreError> {
        // Named for the same reason: what was delivered long ago stays with its holder.
        let cases = cases_of(
            self.work.sql,
            "SELECT case_no FROM dossier INDEXED BY dossier_status
              WHERE status IN ('granted', 'refused') AND holder = ?1
                AND json_extract(state, '$.decision.by') = ?1 ORDER BY no",
            [self.me.node.as_str()],
        )?;
        self.touch(cases)
    }

    /// Writes the tasks of every open case here again: the catalogue has come, or the calendar is another one.
    pub(super) fn list_tasks_again(&mut self) -> Result<(), StoreError> {
        let cases = cases_of(
            self.work.sql,
            "SELECT case_no FROM dossier WHERE holder = ?1 AND status NOT IN ('delivered', 'withdrawn') ORDER BY no",
            [self.me.node.as_str()],
        )?;
        self.touch(cases)
    }

    fn touch(&mut self, cases: Vec<CaseNo>) -> Result<(), StoreError> {
        for case in cases {
            let open = self.take(&case)?;
            self.put(&case, open);
        }
        Ok(())
    }

    /// Work that waits here: only the holder's node lists it, so two nodes never offer one task.
    pub(super) fn write_tasks(&self, dossier: &Dossier, submitted_pos: i64) -> Result<(), StoreError> {
        let sql = self.work.sql;
        if dossier.holder != self.me.node {
            return Ok(());
        }
        let Some((_, pack)) = self.work.known.pack(Some(dossier.release)) else { return Ok(()) };
        let Some(item) = pack.item(&dossier.item) else { return Ok(()) };
        if dossier.returned.is_some() {
            return insert_task(sql, dossier, "resubmit", "", "returned", "", None);
        }
        let receipts = self.receipts(dossier, submitted_pos)?;
        // The newest calendar, not the one of the capture: a year that is announced later corrects what was provisional.
        let newest = self.work.known.pack(None).map_or_else(|| pack.clone(), |(_, newest)| newest);
        let due = clock::next_due(&clock::timers(item, dossier, receipts), &newest.calendar)
            .map(|due| due.day.to_string())
            .unwrap_or_default();
        let tier = self.work.known.network.get(&self.me.node).map(|node| node.tier);
        for stage in plan::ready_stages(item, dossier)
            .into_iter()
            .filter(|stage| tier.is_some_and(|tier| plan::is_done_here(stage, dossier, tier)))
        {
            let claimed = dossier.stages.get(&stage.id).and_then(|state| state.claimed_by.as_deref());
            let bodies = stage.bodies.iter().map(|body| body.as_str());
            for body in bodies.chain(stage.bodies.is_empty().then_some("")) {
                insert_task(sql, dossier, stage.id.as_str(), body, stage.kind.as_str(), &due, claimed)?;
            }
        }
        Ok(())
    }
}

/// When what was submitted at `submitted_pos`, and what the village itself decided on it, was signed for: by the town, or by
/// the hub where it went past the town. What a town took in itself needs nobody's signature to have been received.
pub(crate) fn receipts(
    sql: &Connection,
    network: &Network,
    dossier: &Dossier,
    submitted_pos: i64,
) -> Result<Receipts, StoreError> {
    if dossier.received.is_some() {
        return Ok(Receipts { submitted: dossier.received, decided: None });
    }
    let signed = |seq| receipt_day(sql, network, &dossier.origin, seq);
    Ok(Receipts { submitted: signed(seq_of(submitted_pos))?, decided: decided_on(sql, dossier, signed)? })
}

/// The day that `signed` gives the page with which the case's own village decided it.
fn decided_on(
    sql: &Connection,
    dossier: &Dossier,
    signed: impl Fn(u64) -> Result<Option<Day>, StoreError>,
) -> Result<Option<Day>, StoreError> {
    let Some(decision) = dossier.decision.as_ref().filter(|one| one.by == dossier.origin) else {
        return Ok(None);
    };
    let seq: Option<u64> = sql
        .prepare_cached(
            "SELECT pos FROM case_entry
              WHERE case_id = (SELECT id FROM known_case WHERE case_no = ?1) AND no = ?2 AND verdict = 'applied'
              ORDER BY pos LIMIT 1",
        )
        .and_then(|mut s| {
            s.query_row((dossier.case.as_str(), decision.page), |row| row.get(0).map(seq_of)).optional()
        })
        .broken("find a decision")?;
    seq.map_or(Ok(None), signed)
}

/// How far `by` had receipted what `author` reports, in receipts for less than `below`.
pub(crate) fn receipted(
    sql: &Connection,
    author: &NodeId,
    by: &NodeId,
    below: i64,
) -> Result<u64, StoreError> {
    let seq: Option<i64> = sql
        .prepare_cached("SELECT max(seq) FROM receipt WHERE author = ?1 AND by_node = ?2 AND seq < ?3")
        .and_then(|mut s| s.query_row((author.as_str(), by.as_str(), below), |row| row.get(0)))
        .broken("read a receipt")?;
    Ok(seq.unwrap_or(0) as u64)
}

/// The cases that `select` gives.
pub(crate) fn cases_of(
    sql: &Connection,
    select: &str,
    parameters: impl rusqlite::Params,
) -> Result<Vec<CaseNo>, StoreError> {
    let cases: Vec<String> = sql
        .prepare_cached(select)
        .and_then(|mut s| s.query_map(parameters, |row| row.get(0))?.collect())
        .broken("find cases")?;
    Ok(cases.iter().filter_map(|case| case.parse().ok()).collect())
}

/// The day on which somebody above first signed for entry `seq` of what `author` reports upward.
pub(crate) fn receipt_day(
    sql: &Connection,
    network: &Network,
    author: &NodeId,
    seq: u64,
) -> Result<Option<Day>, StoreError> {
    for tier in [Tier::Town, Tier::City] {
        let Some(by) = network.responsible(author, tier) else { continue };
        if let Some(at) = first_receipt(sql, author, by, seq)? {
            return Ok(Some(at.day()));
        }
    }
    Ok(None)
}

fn first_receipt(
    sql: &Connection,
    author: &NodeId,
    by: &NodeId,
    seq: u64,
) -> Result<Option<Timestamp>, StoreError> {
    sql.prepare_cached(
        "SELECT at_ms FROM receipt WHERE author = ?1 AND by_node = ?2 AND seq >= ?3 ORDER BY seq LIMIT 1",
    )
    .and_then(|mut s| {
        s.query_row((author.as_str(), by.as_str(), seq as i64), |row| row.get(0).map(Timestamp::from_ms))
            .optional()
    })
    .broken("read a receipt")
}

fn insert_task(
    sql: &Connection,
    dossier: &Dossier,
    stage: &str,
    body: &str,
    kind: &str,
    due: &str,
    claimed: Option<&str>,
) -> Result<(), StoreError> {
    sql.prepare_cached(
        "INSERT INTO task(case_no, stage, body, kind, item, applicant, due, claimed_by)
         VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )
    .and_then(|mut s| {
        // Cases without a due day come after all that have one.
        let due = if due.is_empty() { "9999" } else { due };
        let (case, item) = (dossier.case.as_str(), dossier.item.as_str());
        s.execute((case, stage, body, kind, item, &dossier.applicant, due, claimed))
    })
    .broken("write a task")?;
    Ok(())
}
