//! What a person must look at, and what was said of it.

use crate::audit;
use crate::error::Broken;
use domain::Timestamp;
use rusqlite::{Connection, Row, named_params};
use store::{Incident, Settled, StoreError};

const LISTED_MAX: u32 = 200;
/// Waits for a person.
pub(crate) const OPEN: &str = "remark = 0 AND settled_ms IS NULL";

pub(crate) fn list(sql: &Connection) -> Result<Vec<Incident>, StoreError> {
    sql.prepare_cached(&format!(
        "SELECT no, at_ms, peer, journal, seq, reason, remark, settled_ms, settled_by, settled_note FROM quarantine
          ORDER BY NOT ({OPEN}), no DESC LIMIT ?1"
    ))
    .and_then(|mut s| s.query_map([LISTED_MAX], incident)?.collect())
    .broken("list incidents")
}

fn incident(row: &Row<'_>) -> rusqlite::Result<Incident> {
    let settled = match row.get::<_, Option<i64>>("settled_ms")? {
        Some(at) => Some(Settled {
            at: Timestamp::from_ms(at),
            by: row.get("settled_by")?,
            note: row.get("settled_note")?,
        }),
        None => None,
    };
    Ok(Incident {
        no: row.get::<_, i64>("no")? as u64,
        at: Timestamp::from_ms(row.get("at_ms")?),
        peer: row.get("peer")?,
        journal: row.get("journal")?,
        seq: row.get::<_, i64>("seq")? as u64,
        reason: row.get("reason")?,
        remark: row.get("remark")?,
        settled,
    })
}

/// What a fork says stays open as long as its journal takes nothing more: otherwise nobody would see that it does not.
pub(crate) fn settle(
    sql: &Connection,
    no: u64,
    by: &str,
    note: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let settled = sql
        .prepare_cached(&format!(
            "UPDATE quarantine SET settled_ms = :at, settled_by = :by, settled_note = :note
              WHERE no = :no AND {OPEN} AND NOT (reason LIKE 'fork:%' AND EXISTS(
                SELECT 1 FROM journal WHERE frozen = 1 AND author || '/' || channel = quarantine.journal))"
        ))
        .and_then(|mut s| {
            s.execute(named_params! { ":no": no as i64, ":at": now.as_ms(), ":by": by, ":note": note })
        })
        .broken("settle an incident")?;
    if settled == 0 {
        return Err(StoreError::Missing {
            what: "这条可以了结的异常:可能刚刚有人处理过;日志分叉的,要等该节点恢复或换机、日志重新打开后才能了结",
        });
    }
    audit::record(sql, now, by, "settle-incident", &no.to_string())
}
