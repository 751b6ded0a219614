//! What electronic supervision reads: the log of a case with its trusted days, and the alerts.

use crate::error::{Broken, unreadable};
use crate::journals::seq_of;
use crate::queries::entry_at;
use domain::CaseNo;
use domain::access::Jurisdiction;
use domain::dossier::{Page, Slip};
use domain::network::{Network, Tier};
use domain::supervision::{Alert, CaseLog, LoggedPage, Rung};
use rusqlite::{Connection, OptionalExtension, Row, named_params};
use store::{AlertLine, AlertQuery, OpenAlerts, StoreError};

pub(crate) fn case_log(sql: &Connection, network: &Network, case: &CaseNo) -> Result<CaseLog, StoreError> {
    let rows: Vec<(i64, String)> = sql
        .prepare_cached(
            "SELECT pos, verdict FROM case_entry
              WHERE case_id = (SELECT id FROM known_case WHERE case_no = ?1) AND verdict IN ('applied', 'slip') ORDER BY no, pos",
        )
        .and_then(|mut s| s.query_map([case.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
        .broken("read a log")?;
    let mut log = CaseLog::default();
    for (pos, verdict) in rows {
        let entry = entry_at(sql, pos)?;
        if verdict == "slip" {
            let slip: Slip =
                serde_json::from_slice(&entry.raw.body).map_err(|e| unreadable("read a slip", e))?;
            log.slips.push(slip);
            continue;
        }
        let page: Page = serde_json::from_slice(&entry.raw.body).map_err(|e| unreadable("read a page", e))?;
        let village = network.get(&entry.author).is_none_or(|node| node.tier == Tier::Village);
        let day = if village {
            crate::project::receipt_day(sql, network, &entry.author, seq_of(pos))?
        } else {
            Some(page.at.day())
        };
        log.pages.push(LoggedPage { page, author: entry.author, day });
    }
    Ok(log)
}

pub(crate) fn alert(sql: &Connection, case: &CaseNo, key: &str) -> Result<Option<Alert>, StoreError> {
    let state: Option<String> = sql
        .prepare_cached("SELECT state FROM alert WHERE case_no = ?1 AND key = ?2")
        .and_then(|mut s| s.query_row((case.as_str(), key), |row| row.get(0)).optional())
        .broken("read an alert")?;
    state.map(|state| serde_json::from_str(&state).map_err(|e| unreadable("read an alert", e))).transpose()
}

pub(crate) fn open_alerts(sql: &Connection, within: &Jurisdiction) -> Result<Vec<OpenAlerts>, StoreError> {
    let rows: Vec<(String, Option<String>, String, i64)> = sql
        .prepare_cached(
            "SELECT state ->> '$.raised.responsible.node' AS node, state ->> '$.raised.responsible.body' AS body, rung, count(*)
               FROM alert WHERE open = 1 AND node IS NOT NULL
                AND (:items IS NULL OR case_no IN (SELECT case_no FROM dossier WHERE item IN (SELECT value FROM json_each(:items))))
              GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
        )
        .and_then(|mut s| {
            let params = named_params! { ":items": crate::accounts::items_of(within) };
            s.query_map(params, |row| <(String, Option<String>, String, i64)>::try_from(row))?.collect()
        })
        .broken("count alerts")?;
    let line = |(node, body, rung, count): (String, Option<String>, String, i64)| {
        Ok(OpenAlerts {
            node: node.parse().map_err(|e| unreadable("count alerts", e))?,
            body: body.and_then(|body| body.parse().ok()),
            rung: Rung::from_name(&rung).ok_or_else(|| unreadable("count alerts", rung))?,
            count: count as u64,
        })
    };
    rows.into_iter().map(line).collect()
}

pub(crate) fn alerts(sql: &Connection, query: &AlertQuery) -> Result<Vec<AlertLine>, StoreError> {
    // Each filter has an index or is the table's own order.
    let filter = match (&query.case, query.open_only) {
        (Some(_), _) => "case_no = :case AND (:open = 0 OR open = 1) AND (:rung IS NULL OR rung = :rung)",
        (None, true) => "open = 1 AND :open = 1 AND :case IS NULL AND (:rung IS NULL OR rung = :rung)",
        (None, false) => ":open = 0 AND :case IS NULL AND (:rung IS NULL OR rung = :rung)",
    };
    let read = |row: &Row<'_>| Ok((row.get::<_, i64>("no")?, row.get::<_, String>("state")?));
    let rows: Vec<(i64, String)> = sql
        .prepare_cached(&format!(
            "SELECT no, state FROM alert WHERE {filter} AND no < :before
                AND (:items IS NULL OR case_no IN (SELECT case_no FROM dossier WHERE item IN (SELECT value FROM json_each(:items))))
              ORDER BY no DESC LIMIT :limit"
        ))
        .and_then(|mut s| {
            s.query_map(
                named_params! {
                    ":case": query.case.as_ref().map(CaseNo::as_str), ":rung": query.rung.map(Rung::as_str), ":open": query.open_only,
                    ":items": crate::accounts::items_of(&query.within),
                    ":before": query.before.map_or(i64::MAX, |no| no as i64), ":limit": query.limit.clamp(1, 1000),
                },
                read,
            )?
            .collect()
        })
        .broken("list alerts")?;
    let line = |(no, state): (i64, String)| {
        let alert = serde_json::from_str(&state).map_err(|e| unreadable("list alerts", e))?;
        Ok(AlertLine { no: no as u64, alert })
    };
    rows.into_iter().map(line).collect()
}
