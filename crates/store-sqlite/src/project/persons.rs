//! Persons, found by the keyed hash of their number: the number itself stands only in the journals.

use super::Projector;
use crate::error::Broken;
use domain::CaseNo;
use domain::dossier::Page;
use rusqlite::{Connection, OptionalExtension};
use sha2::{Digest, Sha256};
use store::StoreError;

/// What stands for a person in the tables of this node.
pub(crate) fn person_hash(sql: &Connection, number: &str) -> Result<[u8; 32], StoreError> {
    let key: Vec<u8> = sql
        .prepare_cached("SELECT value FROM secret WHERE name = 'lookup'")
        .and_then(|mut s| s.query_row([], |row| row.get(0)))
        .broken("read the look-up key")?;
    let mut hasher = Sha256::new();
    hasher.update(b"tongban person 1\0");
    hasher.update(&key);
    hasher.update(number.to_ascii_uppercase().as_bytes());
    Ok(hasher.finalize().into())
}

/// The first case, by number, in which this person's commitment turned out untrue.
pub(crate) fn breach_of(sql: &Connection, number: &str) -> Result<Option<CaseNo>, StoreError> {
    let person = person_hash(sql, number)?;
    let case: Option<String> = sql
        .prepare_cached("SELECT case_no FROM breach WHERE person = ?1 ORDER BY case_no LIMIT 1")
        .and_then(|mut s| s.query_row([person.as_slice()], |row| row.get(0)).optional())
        .broken("look for a broken commitment")?;
    Ok(case.and_then(|case| case.parse().ok()))
}

impl Projector<'_, '_> {
    /// The number of the applicant, from the submission that counts.
    pub(super) fn applicant_number(&self, submitted_pos: i64) -> Result<Option<String>, StoreError> {
        let entry = crate::queries::entry_at(self.work.sql, submitted_pos)?;
        let page: Option<Page> = serde_json::from_slice(&entry.raw.body).ok();
        let Some(page) = page else { return Ok(None) };
        let Some(submission) = page.body.submission() else { return Ok(None) };
        let number = domain::form::applicant(&submission.form).1;
        Ok((!number.is_empty()).then(|| number.to_owned()))
    }

    pub(super) fn note_breach(&self, case: &CaseNo, submitted_pos: i64) -> Result<(), StoreError> {
        let Some(number) = self.applicant_number(submitted_pos)? else { return Ok(()) };
        let person = person_hash(self.work.sql, &number)?;
        self.work
            .sql
            .prepare_cached("INSERT OR IGNORE INTO breach(person, case_no) VALUES(?1, ?2)")
            .and_then(|mut s| s.execute((person.as_slice(), case.as_str())))
            .broken("note a broken commitment")?;
        Ok(())
    }
}
