//! The audit table: one row for each change and each read of somebody's data, each naming the hash of the one before (I37).
//!
//! Whoever can write to the file could compute the whole chain anew. So its head goes into the node's own journal from time to
//! time (`audit.head`), under the node's signature and out of reach as soon as a neighbour has it; and each act in the
//! journal must have its row.

use crate::error::Broken;
use domain::Timestamp;
use replication::Hash;
use rusqlite::{Connection, OptionalExtension, Row, named_params};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use store::{AuditFound, AuditHead, AuditQuery, AuditRow, StoreError};

pub(crate) fn record(
    sql: &Connection,
    at: Timestamp,
    actor: &str,
    action: &str,
    subject: &str,
) -> Result<(), StoreError> {
    let last: Option<(i64, Vec<u8>)> = sql
        .prepare_cached("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")
        .and_then(|mut s| s.query_row([], |row| Ok((row.get("seq")?, row.get("hash")?))).optional())
        .broken("read the audit head")?;
    let (seq, previous) = last.map_or((1, vec![0; 32]), |(seq, hash)| (seq + 1, hash));
    let hash = row_hash(&previous, seq, at.as_ms(), actor, action, subject);
    sql.prepare_cached(
        "INSERT INTO audit(seq, at_ms, actor, action, subject, previous, hash)
         VALUES(:seq, :at, :actor, :action, :subject, :previous, :hash)",
    )
    .and_then(|mut s| {
        s.execute(named_params! {
            ":seq": seq, ":at": at.as_ms(), ":actor": actor, ":action": action, ":subject": subject,
            ":previous": previous, ":hash": hash.as_slice(),
        })
    })
    .broken("write the audit row")?;
    Ok(())
}

/// Lengths stand before texts, so that no two different rows have the same bytes.
fn row_hash(previous: &[u8], seq: i64, at_ms: i64, actor: &str, action: &str, subject: &str) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(b"tongban audit 1\0");
    hasher.update(previous);
    hasher.update(seq.to_be_bytes());
    hasher.update(at_ms.to_be_bytes());
    for text in [actor, action, subject] {
        hasher.update((text.len() as u64).to_be_bytes());
        hasher.update(text);
    }
    hasher.finalize().into()
}

/// What the rows say: how many there are, what is wrong with them, and who did something when.
pub(crate) struct Walked {
    pub rows: u64,
    pub faults: Vec<String>,
    acts: BTreeSet<(i64, String)>,
}

impl Walked {
    /// Whether some row says that `actor` did something at that moment.
    pub fn has_act(&self, at: Timestamp, actor: &str) -> bool {
        self.acts.contains(&(at.as_ms(), actor.to_owned()))
    }
}

/// `anchors` are read from the signed entries themselves: a table beside the audit would be rewritten along with it.
pub(crate) fn verify(sql: &Connection, mut anchors: Anchors) -> Result<Walked, StoreError> {
    let mut walked = Walked { rows: 0, faults: Vec::new(), acts: BTreeSet::new() };
    let mut expected = (1i64, vec![0u8; 32]);
    let mut statement = sql
        .prepare("SELECT seq, at_ms, actor, action, subject, previous, hash FROM audit ORDER BY seq")
        .broken("read audit")?;
    let mut rows = statement.query([]).broken("read audit")?;
    while let Some(row) = rows.next().broken("read audit")? {
        let text = |name: &str| row.get::<_, String>(name).broken("read audit");
        let seq: i64 = row.get("seq").broken("read audit")?;
        let previous: Vec<u8> = row.get("previous").broken("read audit")?;
        let hash: Vec<u8> = row.get("hash").broken("read audit")?;
        let at: i64 = row.get("at_ms").broken("read audit")?;
        let actor = text("actor")?;
        let right = row_hash(&previous, seq, at, &actor, &text("action")?, &text("subject")?);
        if seq != expected.0 || previous != expected.1 || hash != right {
            walked.faults.push(format!("audit row {seq} was changed, moved, or follows a deleted one"));
        }
        if anchors.remove(&seq).is_some_and(|signed_for| signed_for != hash) {
            let fault =
                format!("audit row {seq} is not the one our journal has signed for: the audit was rewritten");
            walked.faults.push(fault);
        }
        walked.acts.insert((at, actor));
        expected = (seq + 1, hash);
        walked.rows += 1;
    }
    walked.faults.extend(anchors.keys().map(|anchored| {
        format!(
            "audit row {anchored}, which our journal has signed for, is not there: the audit was cut short"
        )
    }));
    Ok(walked)
}

/// Heads that our journal has signed for, by the number of the row.
pub(crate) type Anchors = BTreeMap<i64, Vec<u8>>;

/// Notes where a head of our own audit stands in our journal.
pub(crate) fn anchor(sql: &Connection, head: &AuditHead, pos: i64) -> Result<(), StoreError> {
    let Some(hash) = Hash::from_hex(&head.hash) else { return Ok(()) };
    sql.prepare_cached("INSERT OR REPLACE INTO audit_anchor(seq, hash, pos) VALUES(?1, ?2, ?3)")
        .and_then(|mut s| s.execute((head.seq as i64, hash.0.as_slice(), pos)))
        .broken("note an anchor of the audit")?;
    Ok(())
}

pub(crate) fn anchored(sql: &Connection) -> Result<Option<AuditHead>, StoreError> {
    let newest: Option<(i64, Vec<u8>)> = sql
        .prepare_cached(
            "SELECT a.seq, a.hash FROM audit_anchor a JOIN entry e ON e.pos = a.pos JOIN journal j ON j.no = a.pos >> 40
              WHERE e.epoch = j.epoch ORDER BY a.seq DESC LIMIT 1",
        )
        .and_then(|mut s| s.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).optional())
        .broken("read the anchor of the audit")?;
    Ok(newest.map(|(seq, hash)| AuditHead { seq: seq as u64, hash: hex(&hash) }))
}

/// A damaged hash reads as that of nothing; the chain then shows it.
fn hex(bytes: &[u8]) -> String {
    Hash::from_slice(bytes).unwrap_or_default().to_hex()
}

fn row_of(row: &Row<'_>) -> rusqlite::Result<AuditRow> {
    Ok(AuditRow {
        seq: row.get::<_, i64>("seq")? as u64,
        at: Timestamp::from_ms(row.get("at_ms")?),
        actor: row.get("actor")?,
        action: row.get("action")?,
        subject: row.get("subject")?,
        previous: hex(&row.get::<_, Vec<u8>>("previous")?),
        hash: hex(&row.get::<_, Vec<u8>>("hash")?),
    })
}

/// A search looks at so many rows at most, and says from where it goes on. It trusts no clock to have gone on evenly: only the
/// order of the rows counts.
const SCANNED_MAX: i64 = 1_000_000;

/// Newest first. No index beside the order of the rows: the audit is written with every act and searched now and then.
pub(crate) fn rows(sql: &Connection, query: &AuditQuery) -> Result<AuditFound, StoreError> {
    search(sql, query, SCANNED_MAX)
}

fn search(sql: &Connection, query: &AuditQuery, scanned: i64) -> Result<AuditFound, StoreError> {
    let newest = sql
        .prepare_cached("SELECT coalesce(max(seq), 0) FROM audit")
        .and_then(|mut s| s.query_row([], |row| row.get::<_, i64>(0)))
        .broken("search the audit")?;
    let from = query.from.map(|day| day.plus_days(-1).end().as_ms() + 1);
    let until = query.until.map(|day| day.end().as_ms());
    let before = query.before.map_or(i64::MAX, |seq| seq as i64).min(newest + 1);
    let floor = before - scanned;
    let limit = query.limit.unwrap_or(100).clamp(1, 1000);
    let rows: Vec<AuditRow> = sql
        .prepare_cached(
            "SELECT seq, at_ms, actor, action, subject, previous, hash FROM audit
              WHERE seq < :before AND seq >= :floor
                AND (:actor IS NULL OR actor = :actor) AND (:action IS NULL OR action = :action)
                AND (:subject IS NULL OR subject = :subject)
                AND (:from IS NULL OR at_ms >= :from) AND (:until IS NULL OR at_ms <= :until)
              ORDER BY seq DESC LIMIT :limit",
        )
        .and_then(|mut s| {
            s.query_map(
                named_params! {
                    ":before": before, ":floor": floor, ":actor": query.actor, ":action": query.action,
                    ":subject": query.subject, ":from": from, ":until": until, ":limit": limit,
                },
                row_of,
            )?
            .collect()
        })
        .broken("search the audit")?;
    let next = match rows.last() {
        Some(last) if rows.len() == limit as usize => Some(last.seq),
        // What was looked at was not all there is.
        _ => (floor > 1).then_some(floor as u64),
    };
    Ok(AuditFound { rows, next })
}

pub(crate) fn after(sql: &Connection, seq: u64, limit: u32) -> Result<Vec<AuditRow>, StoreError> {
    sql.prepare_cached(
        "SELECT seq, at_ms, actor, action, subject, previous, hash FROM audit WHERE seq > ?1 ORDER BY seq LIMIT ?2",
    )
    .and_then(|mut s| s.query_map((seq as i64, limit), row_of)?.collect())
    .broken("read the audit")
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{Day, Timestamp};

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    /// Ten rows a day for a hundred days, as a house writes them.
    fn house() -> Connection {
        let mut sql = Connection::open_in_memory().unwrap();
        crate::schema::migrate(&mut sql).unwrap();
        for no in 0..1000i64 {
            let at = day("2026-01-01").plus_days((no / 10) as i32).end().as_ms() - 3_600_000;
            record(&sql, Timestamp::from_ms(at), "wang", if no % 500 == 7 { "publish" } else { "read" }, "")
                .unwrap();
        }
        sql
    }

    #[test]
    fn a_search_that_looked_at_a_part_says_where_it_goes_on_until_it_is_through() {
        let (sql, mut found, mut query) =
            (house(), 0, AuditQuery { action: Some("publish".into()), ..Default::default() });
        let mut looks = 0;
        loop {
            let piece = search(&sql, &query, 100).unwrap();
            found += piece.rows.len();
            looks += 1;
            match piece.next {
                Some(before) => query.before = Some(before),
                None => break,
            }
        }
        assert_eq!((found, looks), (2, 10), "all of it, a hundred rows at a time");
    }

    #[test]
    fn days_are_found_however_the_clock_went() {
        let sql = house();
        // For one row the clock stood years ahead, for one years behind.
        for at in ["2030-01-01", "2000-01-01"] {
            record(&sql, day(at).end(), "wang", "read", "").unwrap();
        }
        record(&sql, day("2026-01-20").end(), "wang", "read", "").unwrap();
        let (mut found, mut query) = (0, AuditQuery { limit: Some(1000), ..Default::default() });
        (query.from, query.until) = (Some(day("2026-01-20")), Some(day("2026-01-21")));
        loop {
            let piece = search(&sql, &query, 100).unwrap();
            found += piece.rows.len();
            match piece.next {
                Some(before) => query.before = Some(before),
                None => break,
            }
        }
        assert_eq!(found, 21);
    }
}
