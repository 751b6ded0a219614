//! Questions about the licence library and about badly rated matters.

use crate::error::{Broken, unreadable};
use crate::journals::seq_of;
use crate::project::person_hash;
use domain::access::Jurisdiction;
use domain::library::{Filed, StateChange};
use domain::network::Network;
use domain::rating::{Rectification, StepEntry};
use domain::{CaseNo, EntryId, LicenceNo, Timestamp};
use rusqlite::{Connection, OptionalExtension, named_params};
use store::{FiledLicence, RatingCount, StoreError};

fn with_state(sql: &Connection, filed: &str) -> Result<FiledLicence, StoreError> {
    let filed: Filed = serde_json::from_str(filed).map_err(|e| unreadable("read the library", e))?;
    let Some(number) = &filed.number else { return Ok((filed, Vec::new())) };
    let changes: Vec<String> = sql
        .prepare_cached("SELECT change FROM licence_state WHERE number = ?1 ORDER BY seq LIMIT 1000")
        .and_then(|mut s| s.query_map([number.as_str()], |row| row.get(0))?.collect())
        .broken("read the state of a licence")?;
    let read =
        |text: &String| serde_json::from_str(text).map_err(|e| unreadable("read the state of a licence", e));
    let changes: Vec<StateChange> = changes.iter().map(read).collect::<Result<_, _>>()?;
    Ok((filed, changes))
}

pub(crate) fn library_of(
    sql: &Connection,
    person: &str,
    licence: &str,
) -> Result<Vec<FiledLicence>, StoreError> {
    let person = person_hash(sql, person)?;
    let filed: Vec<String> = sql
        .prepare_cached(
            "SELECT filed FROM filed WHERE person = ?1 AND kind = ?2 ORDER BY case_no, number LIMIT 1000",
        )
        .and_then(|mut s| s.query_map((person.as_slice(), licence), |row| row.get(0))?.collect())
        .broken("read the library")?;
    filed.iter().map(|filed| with_state(sql, filed)).collect()
}

pub(crate) fn licence(sql: &Connection, number: &LicenceNo) -> Result<Option<FiledLicence>, StoreError> {
    let filed: Option<String> = sql
        .prepare_cached("SELECT filed FROM filed WHERE number = ?1 AND number <> '' LIMIT 1")
        .and_then(|mut s| s.query_row([number.as_str()], |row| row.get(0)).optional())
        .broken("read the library")?;
    filed.map(|filed| with_state(sql, &filed)).transpose()
}

pub(crate) fn asked(sql: &Connection, limit: u32) -> Result<Vec<CaseNo>, StoreError> {
    let cases: Vec<String> = sql
        .prepare_cached("SELECT case_no FROM library_ask ORDER BY case_no LIMIT ?1")
        .and_then(|mut s| s.query_map([limit], |row| row.get(0))?.collect())
        .broken("list what the library is asked")?;
    Ok(cases.iter().filter_map(|case| case.parse().ok()).collect())
}

pub(crate) fn ratings(
    sql: &Connection,
    since: Timestamp,
    within: &Jurisdiction,
) -> Result<Vec<RatingCount>, StoreError> {
    let rows: Vec<(String, String, i64)> = sql
        // The first rating of a case is the one that counts, whichever came first here (I10).
        .prepare_cached(
            "SELECT d.item, one.grade, COUNT(*) FROM rating AS one
               JOIN known_case AS known ON known.case_no = one.case_no JOIN dossier AS d ON d.no = known.id
              WHERE d.captured_ms >= :since AND (:items IS NULL OR d.item IN (SELECT value FROM json_each(:items)))
                AND NOT EXISTS (SELECT 1 FROM rating AS other WHERE other.case_no = one.case_no AND other.slip < one.slip)
              GROUP BY d.item, one.grade ORDER BY d.item, one.grade",
        )
        .and_then(|mut s| {
            let items = crate::accounts::items_of(within);
            let given = named_params! { ":since": since.as_ms(), ":items": items };
            s.query_map(given, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect()
        })
        .broken("count ratings")?;
    let count = |(item, grade, count): (String, String, i64)| {
        let item = item.parse().map_err(|e| unreadable("count ratings", e))?;
        let grade = serde_json::from_str(&grade).map_err(|e| unreadable("count ratings", e))?;
        Ok(RatingCount { item, grade, count: count as u64 })
    };
    rows.into_iter().map(count).collect()
}

pub(crate) fn rectifications(
    sql: &Connection,
    network: &Network,
    case: Option<&CaseNo>,
) -> Result<Vec<Rectification>, StoreError> {
    let rows: Vec<(String, i64, String)> = sql
        // What is over comes last, so that it never pushes out what waits. One rectification a matter: the bad rating with the lowest number counts, whichever came first here (I10), and no
        // later good one takes it back.
        .prepare_cached(
            "SELECT case_no, pos, grade FROM rating AS one
              WHERE bad AND (?1 IS NULL OR case_no = ?1)
                AND NOT EXISTS (SELECT 1 FROM rating AS other WHERE other.case_no = one.case_no AND other.bad AND other.slip < one.slip)
              ORDER BY EXISTS (SELECT 1 FROM rectify_step AS step WHERE step.case_no = one.case_no
                                  AND json_extract(step.said, '$.body.revisited') IS NOT NULL), pos DESC
              LIMIT 1000",
        )
        .and_then(|mut s| {
            s.query_map([case.map(CaseNo::as_str)], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect()
        })
        .broken("list bad ratings")?;
    rows.into_iter().map(|(case, pos, grade)| rectification(sql, network, &case, pos, &grade)).collect()
}

fn rectification(
    sql: &Connection,
    network: &Network,
    case: &str,
    pos: i64,
    grade: &str,
) -> Result<Rectification, StoreError> {
    let entry = crate::queries::entry_at(sql, pos)?;
    let upwards: bool = sql
        .prepare_cached("SELECT channel = 'up' FROM journal WHERE no = ?1")
        .and_then(|mut s| s.query_row([crate::journals::journal_no_of(pos)], |row| row.get(0)))
        .broken("read a bad rating")?;
    // A village's clock starts no limit: the day is that of the signed receipt, where one is known.
    let receipt = match upwards {
        true => crate::project::receipt_day(sql, network, &entry.author, seq_of(pos))?,
        false => None,
    };
    let opened = receipt.unwrap_or_else(|| entry.claimed_at.day());
    let case: CaseNo = case.parse().map_err(|e| unreadable("read a bad rating", e))?;
    let grade = serde_json::from_str(grade).map_err(|e| unreadable("read a bad rating", e))?;
    let mut found = Rectification::new(case, grade, opened);
    let steps: Vec<(Vec<u8>, String)> = sql
        .prepare_cached("SELECT entry, said FROM rectify_step WHERE case_no = ?1 ORDER BY entry LIMIT 1000")
        .and_then(|mut s| s.query_map([found.case.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
        .broken("read a rectification")?;
    for (entry, said) in steps {
        let said: StepEntry =
            serde_json::from_str(&said).map_err(|e| unreadable("read a rectification", e))?;
        found.take(EntryId(entry.try_into().unwrap_or_default()), said);
    }
    Ok(found)
}
