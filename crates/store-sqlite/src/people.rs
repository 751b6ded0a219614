//! Drafts, enrolments, serials, contacts: records of this node alone, never replicated.

use crate::error::{Broken, unreadable};
use domain::{EntryId, NodeId, Timestamp};
use replication::JournalId;
use rusqlite::{Connection, OptionalExtension, Params, named_params};
use std::collections::BTreeMap;
use store::*;

fn draft_of(text: &str) -> Result<Draft, StoreError> {
    serde_json::from_str(text).map_err(|e| unreadable("read a draft", e))
}

pub(crate) fn drafts(sql: &Connection, officer: Option<&str>) -> Result<Vec<Draft>, StoreError> {
    let texts: Vec<String> = sql
        .prepare_cached(
            "SELECT draft FROM draft WHERE ?1 IS NULL OR officer = ?1 ORDER BY updated_ms DESC, id LIMIT 500",
        )
        .and_then(|mut s| s.query_map([officer], |row| row.get(0))?.collect())
        .broken("list drafts")?;
    texts.iter().map(|text| draft_of(text)).collect()
}

pub(crate) fn drafts_untouched_since(
    sql: &Connection,
    at: Timestamp,
    limit: u32,
) -> Result<Vec<Draft>, StoreError> {
    let texts: Vec<String> = sql
        .prepare_cached("SELECT draft FROM draft WHERE updated_ms < ?1 ORDER BY updated_ms, id LIMIT ?2")
        .and_then(|mut s| s.query_map((at.as_ms(), limit), |row| row.get(0))?.collect())
        .broken("list old drafts")?;
    texts.iter().map(|text| draft_of(text)).collect()
}

pub(crate) fn draft(sql: &Connection, id: EntryId) -> Result<Option<Draft>, StoreError> {
    let text: Option<String> = sql
        .prepare_cached("SELECT draft FROM draft WHERE id = ?1")
        .and_then(|mut s| s.query_row([id.0.as_slice()], |row| row.get(0)).optional())
        .broken("read a draft")?;
    text.map(|text| draft_of(&text)).transpose()
}

pub(crate) fn save_draft(sql: &Connection, draft: &Draft) -> Result<u32, StoreError> {
    let known = self::draft(sql, draft.id)?.map_or(0, |known| known.version);
    if known != draft.version {
        return Err(StoreError::StaleDraft { draft: draft.id });
    }
    let saved = Draft { version: known + 1, ..draft.clone() };
    let text = serde_json::to_string(&saved).map_err(|e| unreadable("write a draft", e))?;
    sql.prepare_cached(
        "INSERT INTO draft(id, officer, version, updated_ms, draft) VALUES(:id, :officer, :version, :updated, :draft)
         ON CONFLICT(id) DO UPDATE SET officer = :officer, version = :version, updated_ms = :updated, draft = :draft",
    )
    .and_then(|mut s| {
        s.execute(named_params! {
            ":id": saved.id.0.as_slice(), ":officer": saved.officer, ":version": saved.version,
            ":updated": saved.updated.as_ms(), ":draft": text,
        })
    })
    .broken("write a draft")?;
    Ok(saved.version)
}

pub(crate) fn pack_draft(sql: &Connection) -> Result<PackDraft, StoreError> {
    let text: Option<String> = sql
        .prepare_cached("SELECT draft FROM pack_draft")
        .and_then(|mut s| s.query_row([], |row| row.get(0)).optional())
        .broken("read the draft of the catalogue")?;
    let read = |text: String| {
        serde_json::from_str(&text).map_err(|e| unreadable("read the draft of the catalogue", e))
    };
    Ok(text.map(read).transpose()?.unwrap_or_default())
}

pub(crate) fn save_pack_draft(sql: &Connection, draft: &PackDraft, action: &str) -> Result<(), StoreError> {
    if pack_draft(sql)?.version != draft.version {
        return Err(StoreError::StalePackDraft);
    }
    let saved = PackDraft { version: draft.version + 1, ..draft.clone() };
    let text =
        serde_json::to_string(&saved).map_err(|e| unreadable("write the draft of the catalogue", e))?;
    sql.prepare_cached("INSERT OR REPLACE INTO pack_draft(one, draft) VALUES(1, ?1)")
        .and_then(|mut s| s.execute([text]))
        .broken("write the draft of the catalogue")?;
    let subject = format!("{} pieces", saved.pieces.len());
    crate::audit::record(sql, saved.at, &saved.by, action, &subject)
}

/// One draft makes at most one submission (I23): whoever comes second finds it gone.
pub(crate) fn consume_draft(sql: &Connection, id: EntryId, version: u32) -> Result<(), StoreError> {
    // A save that came between reading and capturing was answered "saved": it must not vanish with the draft.
    if draft(sql, id)?.is_some_and(|known| known.version != version) {
        return Err(StoreError::StaleDraft { draft: id });
    }
    let gone = sql
        .prepare_cached("DELETE FROM draft WHERE id = ?1")
        .and_then(|mut s| s.execute([id.0.as_slice()]))
        .broken("use up a draft")?;
    if gone == 1 { Ok(()) } else { Err(StoreError::Missing { what: "这份草稿(可能已提交)" }) }
}

pub(crate) fn put_enrolment(sql: &Connection, enrolment: &Enrolment) -> Result<(), StoreError> {
    let text = serde_json::to_string(enrolment).map_err(|e| unreadable("write an enrolment", e))?;
    sql.execute(
        "INSERT INTO enrolment(secret_hash, enrolment) VALUES(?1, ?2)",
        (&enrolment.secret_hash, text),
    )
    .broken("write an enrolment")?;
    crate::audit::record(sql, enrolment.issued, &enrolment.by, "issue token", enrolment.node.as_str())
}

type EnrolmentRow = (String, Option<i64>, Option<i64>);

fn enrolment_of((text, used, voided): EnrolmentRow) -> Result<Enrolment, StoreError> {
    let known: Enrolment = serde_json::from_str(&text).map_err(|e| unreadable("read an enrolment", e))?;
    let at = |ms: Option<i64>| ms.map(Timestamp::from_ms);
    Ok(Enrolment { used: at(used), voided: at(voided), ..known })
}

pub(crate) fn enrolment(sql: &Connection, secret_hash: &str) -> Result<Option<Enrolment>, StoreError> {
    let found: Option<EnrolmentRow> = sql
        .prepare_cached("SELECT enrolment, used_ms, voided_ms FROM enrolment WHERE secret_hash = ?1")
        .and_then(|mut s| s.query_row([secret_hash], |row| EnrolmentRow::try_from(row)).optional())
        .broken("read an enrolment")?;
    found.map(enrolment_of).transpose()
}

/// A city has some hundred machines; more tokens at once are a mistake, and the oldest of them are not shown.
const TOKENS_SHOWN: u32 = 1000;

pub(crate) fn open_enrolments(sql: &Connection, now: Timestamp) -> Result<Vec<Enrolment>, StoreError> {
    let rows: Vec<EnrolmentRow> = sql
        .prepare_cached(
            "SELECT enrolment, used_ms, voided_ms FROM enrolment
              WHERE used_ms IS NULL AND voided_ms IS NULL AND enrolment ->> 'expires' >= ?1
              ORDER BY enrolment ->> 'issued' DESC, secret_hash LIMIT ?2",
        )
        .and_then(|mut s| {
            s.query_map((now.as_ms(), TOKENS_SHOWN), |row| EnrolmentRow::try_from(row))?.collect()
        })
        .broken("list tokens")?;
    rows.into_iter().map(enrolment_of).collect()
}

pub(crate) fn void_enrolment(
    sql: &Connection,
    secret_hash: &str,
    by: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    let voided: Option<String> = sql
        .prepare_cached(
            "UPDATE enrolment SET voided_ms = ?2
              WHERE secret_hash = ?1 AND used_ms IS NULL AND voided_ms IS NULL AND enrolment ->> 'expires' >= ?2
             RETURNING enrolment ->> 'node'",
        )
        .and_then(|mut s| s.query_row((secret_hash, at.as_ms()), |row| row.get(0)).optional())
        .broken("take a token back")?;
    match voided {
        Some(node) => crate::audit::record(sql, at, by, "void token", &node),
        None => Err(StoreError::Missing {
            what: "还没有用的令牌(可能刚用过、已过期或已作废)"
        }),
    }
}

/// A token works once (I27): the second user, in the same step, finds it used.
pub(crate) fn consume_enrolment(
    sql: &Connection,
    secret_hash: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    let used = sql
        .execute(
            "UPDATE enrolment SET used_ms = ?2 WHERE secret_hash = ?1 AND used_ms IS NULL AND voided_ms IS NULL",
            (secret_hash, at.as_ms()),
        )
        .broken("use up an enrolment")?;
    if used == 1 {
        Ok(())
    } else {
        Err(StoreError::Missing { what: "可用的接入令牌(可能已用过或过期)" })
    }
}

/// Where series begin that a restored node knows nothing of, for they may have been begun after its backup: those of that
/// year, and the ledgers of seals.
pub(crate) fn unknown_series(year: i16) -> [String; 2] {
    [format!("*/{year}"), "*/seal".to_owned()]
}

pub(crate) fn last_serial(sql: &Connection, scope: &str) -> Result<u64, StoreError> {
    let kind = if scope.starts_with("seal/") { "seal" } else { scope.rsplit('/').next().unwrap_or_default() };
    let last: Option<i64> = sql
        .prepare_cached(
            "SELECT last FROM serial WHERE scope IN (?1, '*/' || ?2) ORDER BY scope <> ?1 LIMIT 1",
        )
        .and_then(|mut s| s.query_row([scope, kind], |row| row.get(0)).optional())
        .broken("read a serial")?;
    Ok(last.unwrap_or(0) as u64)
}

/// All series and the last number taken in each.
pub(crate) fn serials(sql: &Connection) -> Result<Vec<(String, u64)>, StoreError> {
    sql.prepare_cached("SELECT scope, last FROM serial WHERE scope NOT LIKE '*/%' ORDER BY scope")
        .and_then(|mut s| s.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64)))?.collect())
        .broken("list serials")
}

pub(crate) fn set_serial(sql: &Connection, scope: &str, last: u64) -> Result<(), StoreError> {
    sql.prepare_cached(
        "INSERT INTO serial(scope, last) VALUES(?1, ?2) ON CONFLICT(scope) DO UPDATE SET last = ?2",
    )
    .and_then(|mut s| s.execute((scope, last as i64)))
    .broken("set a serial")?;
    Ok(())
}

/// Takes `number`, which must be the next of its scope: numbers have no gaps and none is given twice (I20).
pub(crate) fn take_serial(sql: &Connection, scope: &str, number: u64) -> Result<(), StoreError> {
    if last_serial(sql, scope)? + 1 != number {
        return Err(StoreError::SerialTaken { scope: scope.to_owned(), number });
    }
    set_serial(sql, scope, number)
}

pub(crate) fn note_contact(sql: &Connection, contact: &Contact) -> Result<(), StoreError> {
    sql.prepare_cached(
        "INSERT INTO contact(node, at_ms, clock_skew_ms, own_head, oldest_waiting_ms, all_through, under, until_ms, version)
         VALUES(:node, :at, :skew, :own, :oldest, :all, :under, :until, :version)
         ON CONFLICT(node) DO UPDATE SET at_ms = :at, clock_skew_ms = :skew, own_head = :own, oldest_waiting_ms = :oldest,
           all_through = max(all_through, :all), under = coalesce(:under, under), until_ms = max(coalesce(:until, until_ms), coalesce(until_ms, :until)),
           version = coalesce(:version, version)
          WHERE at_ms < :at OR all_through < :all",
    )
    .and_then(|mut s| {
        s.execute(named_params! {
            ":node": contact.node.as_str(), ":at": contact.at.as_ms(), ":skew": contact.clock_skew_ms,
            ":own": contact.own_head as i64, ":oldest": contact.oldest_waiting.map(Timestamp::as_ms),
            ":all": contact.all_through as i64, ":under": contact.under,
            ":until": contact.until.map(Timestamp::as_ms), ":version": contact.version,
        })
    })
    .broken("note a contact")?;
    Ok(())
}

/// A certificate was given out; a node that was never heard from says so itself when it greets.
pub(crate) fn note_certificate(sql: &Connection, node: &NodeId, until: Timestamp) -> Result<(), StoreError> {
    sql.prepare_cached(
        "UPDATE contact SET until_ms = ?2 WHERE node = ?1 AND (until_ms IS NULL OR until_ms < ?2)",
    )
    .and_then(|mut s| s.execute((node.as_str(), until.as_ms())))
    .broken("note a certificate")?;
    Ok(())
}

pub(crate) fn contacts(sql: &Connection) -> Result<Vec<Contact>, StoreError> {
    type Line = (String, i64, i64, i64, Option<i64>, i64, Option<String>, Option<i64>, Option<String>);
    let rows: Vec<Line> = sql
        .prepare_cached(
            "SELECT node, at_ms, clock_skew_ms, own_head, oldest_waiting_ms, all_through, under, until_ms, version
               FROM contact ORDER BY node LIMIT 10000",
        )
        .and_then(|mut s| s.query_map([], |row| Line::try_from(row))?.collect())
        .broken("list contacts")?;
    let line = |(node, at, clock_skew_ms, own_head, oldest, all_through, under, until, version): Line| {
        Ok(Contact {
            node: node.parse().map_err(|e| unreadable("list contacts", e))?,
            at: Timestamp::from_ms(at),
            clock_skew_ms,
            own_head: own_head as u64,
            oldest_waiting: oldest.map(Timestamp::from_ms),
            all_through: all_through as u64,
            under,
            until: until.map(Timestamp::from_ms),
            version,
        })
    };
    rows.into_iter().map(line).collect()
}

pub(crate) fn note_confirmed(
    sql: &Connection,
    peer: &NodeId,
    confirmed: &[(JournalId, u64)],
) -> Result<(), StoreError> {
    for (journal, seq) in confirmed {
        sql.prepare_cached(
            "INSERT INTO confirmed(peer, author, channel, seq) VALUES(?1, ?2, ?3, ?4)
             ON CONFLICT(peer, author, channel) DO UPDATE SET seq = ?4",
        )
        .and_then(|mut s| {
            s.execute((peer.as_str(), journal.author.as_str(), journal.channel.to_string(), *seq as i64))
        })
        .broken("note a confirmed position")?;
    }
    Ok(())
}

pub(crate) fn confirmed(sql: &Connection, peer: &NodeId) -> Result<Vec<(JournalId, u64)>, StoreError> {
    let rows: Vec<(String, String, i64)> = sql
        .prepare_cached("SELECT author, channel, seq FROM confirmed WHERE peer = ?1 ORDER BY author, channel")
        .and_then(|mut s| {
            s.query_map([peer.as_str()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect()
        })
        .broken("read confirmed positions")?;
    let line = |(author, channel, seq): (String, String, i64)| {
        let author = author.parse().map_err(|e| unreadable("read confirmed positions", e))?;
        let channel = channel.parse().map_err(|e| unreadable("read confirmed positions", e))?;
        Ok((JournalId { author, channel }, seq as u64))
    };
    rows.into_iter().map(line).collect()
}

pub(crate) fn standings(sql: &Connection, me: &NodeId) -> Result<Standings, StoreError> {
    let numbered = |query: &str| {
        let rows = sql.prepare_cached(query).and_then(|mut s| {
            s.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64)))?.collect()
        });
        rows.broken("read what was published")
    };
    Ok(Standings {
        bundles: numbered("SELECT version, seq FROM trust_bundle ORDER BY version")?,
        held: seq_of(sql, "SELECT author, seq FROM journal WHERE channel = 'up'", [])?,
        receipted: seq_of(sql, "SELECT author, seq FROM custody WHERE by_node = ?1", [me.as_str()])?,
        all_through: seq_of(
            sql,
            "SELECT peer, max(seq) FROM confirmed WHERE channel = 'all' GROUP BY peer",
            [],
        )?,
        contacts: contacts(sql)?.into_iter().map(|contact| (contact.node.clone(), contact)).collect(),
        releases: numbered("SELECT release, seq FROM pack_release ORDER BY release")?,
    })
}

/// A number for each node, by a query that gives the two.
fn seq_of(sql: &Connection, query: &str, params: impl Params) -> Result<BTreeMap<NodeId, u64>, StoreError> {
    let rows: Vec<(String, i64)> = sql
        .prepare_cached(query)
        .and_then(|mut s| s.query_map(params, |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
        .broken("read how the nodes stand")?;
    let line = |(node, seq): (String, i64)| {
        Ok((node.parse().map_err(|e| unreadable("read how the nodes stand", e))?, seq as u64))
    };
    rows.into_iter().map(line).collect()
}
