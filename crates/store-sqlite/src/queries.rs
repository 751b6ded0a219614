//! Questions: index scans with a limit, each in a total order.

use crate::error::{Broken, unreadable};
use crate::incidents::OPEN;
use crate::journals::seq_of;
use bytes::Bytes;
use domain::dossier::{Dossier, Page, PageBody, Slip};
use domain::network::Network;
use domain::{CaseNo, NodeId, Timestamp};
use prost::Message;
use replication::entry::Core;
use replication::{Entry, Hash, RawEntry, Signature};
use rusqlite::{Connection, OptionalExtension, Row, named_params};
use sha2::{Digest, Sha256};
use store::*;

/// One entry from its place; its hash was checked when it was stored.
pub(crate) fn entry_at(sql: &Connection, pos: i64) -> Result<Entry, StoreError> {
    let (core, body, signature, hash): (Vec<u8>, Vec<u8>, Option<Vec<u8>>, Vec<u8>) = sql
        .prepare_cached("SELECT core, body, signature, hash FROM entry WHERE pos = ?1")
        .and_then(|mut s| s.query_row([pos], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))))
        .broken("read an entry")?;
    let raw = RawEntry {
        core: Bytes::from(core),
        body: body.into(),
        signature: signature.and_then(|s| Signature::from_slice(&s)),
    };
    let channel = Core::decode(raw.core.clone()).map_err(|e| unreadable("read an entry", e))?.channel;
    let mut entry = Entry::decode(raw, &Hash::NONE, &channel).map_err(|e| unreadable("read an entry", e))?;
    entry.hash = Hash::from_slice(&hash).unwrap_or_default();
    Ok(entry)
}

const MISSING: &str = "(SELECT count(*) FROM case_attachment c JOIN attachment a USING(hash) WHERE c.case_no = d.case_no AND a.present = 0)";

pub(crate) fn dossier(
    sql: &Connection,
    network: &Network,
    case: &CaseNo,
) -> Result<Option<StoredDossier>, StoreError> {
    // Of the journal of whoever captured it: all that receipts for that journal speak of.
    let found: Option<(String, i64, i64, i64, u32, u32)> = sql
        .prepare_cached(&format!(
            "SELECT d.state, d.captured_pos, d.submitted_pos, {MISSING} AS missing,
                    (SELECT count(*) FROM case_entry h WHERE h.case_id = d.no AND h.verdict NOT IN ('applied', 'slip')) AS held,
                    (SELECT max(e.pos) FROM case_entry e WHERE e.case_id = d.no AND e.pos >> 40 = d.captured_pos >> 40) AS last_pos
               FROM dossier d WHERE d.no = (SELECT id FROM known_case WHERE case_no = ?1)"
        ))
        .and_then(|mut s| {
            s.query_row([case.as_str()], |row| Ok((row.get("state")?, row.get("captured_pos")?, row.get("submitted_pos")?, row.get::<_, Option<i64>>("last_pos")?.unwrap_or(0), row.get("missing")?, row.get("held")?)))
                .optional()
        })
        .broken("read a dossier")?;
    let Some((state, captured_pos, submitted_pos, last_pos, missing_attachments, held)) = found else {
        return Ok(None);
    };
    let dossier: Dossier = serde_json::from_str(&state).map_err(|e| unreadable("read a dossier", e))?;
    let receipts = crate::project::receipts(sql, network, &dossier, submitted_pos)?;
    let captured_seq = seq_of(captured_pos);
    let last_seq = seq_of(last_pos).max(captured_seq);
    Ok(Some(StoredDossier { dossier, missing_attachments, captured_seq, last_seq, receipts, held }))
}

pub(crate) fn history(sql: &Connection, case: &CaseNo) -> Result<Vec<HistoryLine>, StoreError> {
    let rows: Vec<(i64, String, String)> = sql
        .prepare_cached(
            "SELECT c.pos, c.verdict, j.channel FROM case_entry c JOIN journal j ON j.no = c.pos >> 40
              WHERE c.case_id = (SELECT id FROM known_case WHERE case_no = ?1) ORDER BY c.verdict = 'slip', c.term, c.no, c.pos LIMIT 2000",
        )
        .and_then(|mut s| {
            s.query_map([case.as_str()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect()
        })
        .broken("read a history")?;
    let line = |(pos, verdict, channel): (i64, String, String)| {
        let entry = entry_at(sql, pos)?;
        let (mut page, mut slip): (Option<serde_json::Value>, Option<Slip>) = (None, None);
        if entry.kind == kind::SLIP {
            slip = serde_json::from_slice(&entry.raw.body).ok();
        } else {
            page = serde_json::from_slice(&entry.raw.body).ok();
        }
        Ok(HistoryLine {
            author: entry.author,
            channel,
            seq: seq_of(pos),
            hash: entry.hash.to_hex(),
            entry: entry.id,
            verdict,
            claimed_at: entry.claimed_at,
            page,
            slip,
            first_hash: entry.first_hash.map(|hash| hash.to_hex()),
        })
    };
    rows.into_iter().map(line).collect()
}

pub(crate) fn case_of_request(sql: &Connection, id: domain::EntryId) -> Result<Option<CaseNo>, StoreError> {
    let Some(pos) = crate::journals::request(sql, id)? else { return Ok(None) };
    Ok(entry_at(sql, pos)?.subject.parse().ok())
}

pub(crate) fn current_submission(sql: &Connection, case: &CaseNo) -> Result<Option<Page>, StoreError> {
    let positions: Vec<i64> = sql
        .prepare_cached(
            "SELECT pos FROM case_entry WHERE case_id = (SELECT id FROM known_case WHERE case_no = ?1) AND verdict = 'applied'
              ORDER BY no DESC LIMIT 500",
        )
        .and_then(|mut s| s.query_map([case.as_str()], |row| row.get(0))?.collect())
        .broken("read the submission")?;
    for pos in positions {
        let entry = entry_at(sql, pos)?;
        let page: Page = serde_json::from_slice(&entry.raw.body).map_err(|e| unreadable("read a page", e))?;
        if matches!(page.body, PageBody::Captured(_) | PageBody::Resubmitted(_)) {
            return Ok(Some(page));
        }
    }
    Ok(None)
}

fn case_line(row: &Row<'_>) -> rusqlite::Result<CaseLine> {
    let text = |name: &str| row.get::<_, String>(name);
    let status = serde_json::from_value(serde_json::Value::String(text("status")?));
    let parsed = text("case_no")?
        .parse()
        .ok()
        .zip(text("item")?.parse().ok())
        .zip(text("origin")?.parse().ok().zip(text("holder")?.parse().ok()));
    let Some((((case, item), (origin, holder)), status)) = parsed.zip(status.ok()) else {
        return Err(rusqlite::Error::InvalidQuery);
    };
    let line = CaseLine {
        case,
        item,
        origin,
        holder,
        status,
        applicant: text("applicant")?,
        captured_at: Timestamp::from_ms(row.get("captured_ms")?),
        captured_seq: seq_of(row.get("captured_pos")?),
        pages: row.get("pages")?,
        missing_attachments: row.get("missing")?,
    };
    Ok(line)
}

/// Rows of `dossier` that a query asks for, as `wrapped` makes a statement of the condition.
fn of_cases<T>(
    sql: &Connection,
    query: &CaseQuery,
    wrapped: impl FnOnce(&str) -> String,
    read: fn(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, StoreError> {
    // Each filter has an index; the planner is not left to choose between them with an OR.
    let filter = match (&query.status, &query.holder) {
        (Some(_), _) => "d.status = :status AND (:holder IS NULL OR d.holder = :holder)",
        (None, Some(_)) => "d.holder = :holder AND :status IS NULL",
        (None, None) => ":status IS NULL AND :holder IS NULL",
    };
    let (beyond, from) = match query.order {
        CaseOrder::OldestFirst => (">", "0"),
        CaseOrder::NewestFirst => ("<", "9223372036854775807"),
    };
    let asked = format!(
        "{filter} AND (:origin IS NULL OR d.origin = :origin)
            AND (:applicant IS NULL OR substr(d.applicant, 1, length(:applicant)) = :applicant)
            AND (:items IS NULL OR d.item IN (SELECT value FROM json_each(:items))) AND d.no {beyond} coalesce((SELECT no FROM dossier WHERE no = (SELECT id FROM known_case WHERE case_no = :after) AND (:items IS NULL OR item IN (SELECT value FROM json_each(:items)))), {from})"
    );
    sql.prepare_cached(&wrapped(&asked))
        .and_then(|mut s| {
            s.query_map(
                named_params! {
                    ":status": query.status.map(domain::dossier::Status::as_str), ":holder": query.holder.as_ref().map(NodeId::as_str),
                    ":origin": query.origin.as_ref().map(NodeId::as_str), ":items": crate::accounts::items_of(&query.within),
                    ":applicant": query.applicant,
                    ":after": query.after.as_ref().map_or("", CaseNo::as_str), ":limit": query.limit.clamp(1, 1000),
                },
                read,
            )?
            .collect()
        })
        .broken("list cases")
}

pub(crate) fn cases(sql: &Connection, query: &CaseQuery) -> Result<Vec<CaseLine>, StoreError> {
    let order = match query.order {
        CaseOrder::OldestFirst => "ASC",
        CaseOrder::NewestFirst => "DESC",
    };
    let listed = |asked: &str| {
        format!(
            "SELECT d.case_no, d.item, d.origin, d.holder, d.status, d.applicant, d.captured_ms, d.captured_pos, d.pages, {MISSING} AS missing
               FROM dossier d WHERE {asked} ORDER BY d.no {order} LIMIT :limit"
        )
    };
    of_cases(sql, query, listed, case_line)
}

/// How many there are, up to the query's limit: nobody counts a million rows for a heading.
pub(crate) fn count_cases(sql: &Connection, query: &CaseQuery) -> Result<u64, StoreError> {
    let counted =
        |asked: &str| format!("SELECT count(*) FROM (SELECT 1 FROM dossier d WHERE {asked} LIMIT :limit)");
    let counts = of_cases(sql, query, counted, |row| row.get::<_, i64>(0))?;
    Ok(counts.first().map_or(0, |count| *count as u64))
}

pub(crate) fn tasks(sql: &Connection, query: &TaskQuery) -> Result<Vec<TaskLine>, StoreError> {
    let filter = if query.body.is_some() { "d.body IN (:body, '')" } else { ":body IS NULL" };
    let mut statement = sql
        .prepare_cached(&format!(
            "SELECT d.case_no, d.stage, d.kind, d.body, d.item, d.applicant, d.due, d.claimed_by, {MISSING} AS missing
               FROM task d WHERE {filter} AND (:kind IS NULL OR d.kind = :kind) AND (:items IS NULL OR d.item IN (SELECT value FROM json_each(:items)))
              ORDER BY d.due, d.case_no, d.stage, d.body LIMIT :limit"
        ))
        .broken("list tasks")?;
    let rows = statement
        .query_map(
            named_params! { ":body": query.body.as_ref().map(domain::OrgId::as_str), ":kind": query.kind, ":items": crate::accounts::items_of(&query.within), ":limit": query.limit.clamp(1, 1000) },
            |row| {
                let text = |name: &str| row.get::<_, String>(name);
                Ok((
                    [text("case_no")?, text("stage")?, text("kind")?, text("body")?, text("item")?, text("applicant")?, text("due")?],
                    row.get::<_, Option<String>>("claimed_by")?,
                    row.get::<_, u32>("missing")?,
                ))
            },
        )
        .broken("list tasks")?;
    let mut tasks = Vec::new();
    for row in rows {
        let ([case, stage, kind, body, item, applicant, due], claimed_by, missing_attachments) =
            row.broken("list tasks")?;
        tasks.push(TaskLine {
            case: case.parse().map_err(|e| unreadable("list tasks", e))?,
            stage: stage.parse().map_err(|e| unreadable("list tasks", e))?,
            kind,
            body: body.parse().ok(),
            item: item.parse().map_err(|e| unreadable("list tasks", e))?,
            applicant,
            due: due.parse().ok(),
            claimed_by,
            missing_attachments,
        });
    }
    Ok(tasks)
}

pub(crate) fn counts(sql: &Connection) -> Result<Counts, StoreError> {
    let one = |query: &str| {
        sql.prepare_cached(query)
            .and_then(|mut s| s.query_row([], |row| row.get::<_, i64>(0)))
            .map(|n| n as u64)
            .broken("count")
    };
    let by_status = sql
        .prepare_cached("SELECT status, count(*) FROM dossier GROUP BY status ORDER BY status")
        .and_then(|mut s| {
            s.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)? as u64)))?.collect()
        })
        .broken("count")?;
    let alerts = sql
        .prepare_cached("SELECT rung, count(*) FROM alert WHERE open = 1 GROUP BY rung ORDER BY rung")
        .and_then(|mut s| s.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64)))?.collect())
        .broken("count")?;
    Ok(Counts {
        by_status,
        alerts,
        entries: one("SELECT coalesce(sum(seq), 0) FROM journal")?,
        tasks: one("SELECT count(*) FROM task")?,
        drafts: one("SELECT count(*) FROM draft")?,
        applications_open: one("SELECT count(*) FROM application WHERE open = 1")?,
        held: one("SELECT count(*) FROM case_entry WHERE verdict <> 'applied' AND verdict <> 'slip'")?,
        quarantined: one(&format!("SELECT count(*) FROM quarantine WHERE {OPEN}"))?,
        attachments_missing: one("SELECT count(*) FROM attachment WHERE present = 0")?,
        attachments_on_way: one(&format!("SELECT count(*) FROM on_way WHERE {NAMED}"))?,
    })
}

pub(crate) fn custody(sql: &Connection, author: &NodeId) -> Result<Vec<CustodyLine>, StoreError> {
    let rows: Vec<(String, i64, i64)> = sql
        .prepare_cached("SELECT by_node, seq, at_ms FROM custody WHERE author = ?1 ORDER BY by_node")
        .and_then(|mut s| {
            s.query_map([author.as_str()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect()
        })
        .broken("read receipts")?;
    let line = |(by, seq, at): (String, i64, i64)| {
        Ok(CustodyLine {
            by: by.parse().map_err(|e| unreadable("read receipts", e))?,
            seq: seq as u64,
            at: Timestamp::from_ms(at),
        })
    };
    rows.into_iter().map(line).collect()
}

/// Named by a case as it stands: what was replaced, or lay on a branch that ended, is nobody's to upload, and the parent will never
/// want it.
const NAMED: &str = "EXISTS (SELECT 1 FROM case_attachment c WHERE c.hash = on_way.hash)";

pub(crate) fn unconfirmed_attachments(
    sql: &Connection,
    after: u64,
    limit: u32,
) -> Result<Vec<(u64, String)>, StoreError> {
    sql.prepare_cached(&format!("SELECT no, hash FROM on_way WHERE no > ?1 AND {NAMED} ORDER BY no LIMIT ?2"))
        .and_then(|mut s| {
            s.query_map((after as i64, limit), |row| Ok((row.get::<_, i64>(0)? as u64, row.get(1)?)))?
                .collect()
        })
        .broken("list attachments on their way")
}

pub(crate) fn wanted_attachments(
    sql: &Connection,
    origins: &[NodeId],
    limit: u32,
) -> Result<Vec<WantedAttachment>, StoreError> {
    let mut wanted = Vec::new();
    // One index scan for each origin: a town that is cut off must not stand before those that can answer.
    for origin in origins {
        let left = limit.saturating_sub(wanted.len() as u32);
        let rows: Vec<(String, i64)> = sql
            .prepare_cached(
                "SELECT hash, bytes FROM attachment WHERE present = 0 AND origin = ?1 ORDER BY hash LIMIT ?2",
            )
            .and_then(|mut s| {
                s.query_map((origin.as_str(), left), |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
            })
            .broken("list wanted attachments")?;
        wanted.extend(rows.into_iter().map(|(hash, bytes)| WantedAttachment {
            hash,
            bytes: bytes as u64,
            origin: origin.clone(),
        }));
    }
    Ok(wanted)
}

pub(crate) fn state_hash(sql: &Connection) -> Result<String, StoreError> {
    let mut hasher = Sha256::new();
    let mut statement = sql
        .prepare(
            "SELECT state FROM (SELECT 0 AS part, case_no, '' AS key, state FROM dossier
                                UNION ALL SELECT 1, case_no, key, state FROM alert) ORDER BY part, case_no, key",
        )
        .broken("hash the state")?;
    let mut rows = statement.query([]).broken("hash the state")?;
    while let Some(row) = rows.next().broken("hash the state")? {
        hasher.update(row.get::<_, String>("state").broken("hash the state")?);
        hasher.update([0]);
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
