//! Cases as this node has them on file: the number it gives each, the entries under that number, and the dossier they make.

use super::Projector;
use crate::error::{Broken, unreadable};
use domain::CaseNo;
use domain::dossier::{Dossier, Page, Slip, Verdict};
use replication::Entry;
use rusqlite::{Connection, OptionalExtension};
use store::StoreError;

/// A dossier on its way through one transaction: read once, folded many times, written once.
pub(super) struct Open {
    /// Its `known_case.id`; none of a case of which nothing has come.
    pub id: Option<i64>,
    pub dossier: Option<Dossier>,
    pub captured_pos: i64,
    /// Where the page stands that holds the current submission.
    pub submitted_pos: i64,
    pub attachments_changed: bool,
    /// Pages or slips came before and wait: worth looking for.
    pub waiting: bool,
    /// The case is new, and has no tasks yet.
    pub fresh: bool,
    /// Something came for it, so it is to be written back.
    pub touched: bool,
}

impl Default for Open {
    /// Of a case that nothing is known of.
    fn default() -> Open {
        Open {
            id: None,
            dossier: None,
            captured_pos: 0,
            submitted_pos: 0,
            attachments_changed: false,
            waiting: false,
            fresh: true,
            touched: false,
        }
    }
}

impl Open {
    pub fn is_of(&self, release: u32) -> bool {
        self.dossier.as_ref().is_some_and(|dossier| dossier.release == release)
    }
}

impl Projector<'_, '_> {
    pub(super) fn take(&mut self, case: &CaseNo) -> Result<Box<Open>, StoreError> {
        if let Some(open) = self.open.remove(case) {
            return Ok(open);
        }
        type Row = (i64, bool, Option<String>, Option<i64>, Option<i64>);
        let found: Option<Row> = self
            .work
            .sql
            .prepare_cached(
                "SELECT k.id, EXISTS(SELECT 1 FROM case_entry e WHERE e.case_id = k.id AND e.verdict IN ('held', 'slip')),
                        d.state, d.captured_pos, d.submitted_pos
                   FROM known_case k LEFT JOIN dossier d ON d.no = k.id WHERE k.case_no = ?1",
            )
            .and_then(|mut s| s.query_row([case.as_str()], |row| row.try_into()).optional())
            .broken("read a dossier")?;
        // Of most that are asked about here nothing has come yet.
        let Some((id, waiting, state, captured_pos, submitted_pos)) = found else {
            return Ok(Box::default());
        };
        let dossier: Option<Dossier> = state
            .map(|state| serde_json::from_str(&state))
            .transpose()
            .map_err(|e| unreadable("read a dossier", e))?;
        Ok(Box::new(Open {
            id: Some(id),
            fresh: dossier.is_none(),
            dossier,
            captured_pos: captured_pos.unwrap_or(0),
            submitted_pos: submitted_pos.unwrap_or(0),
            waiting,
            ..Open::default()
        }))
    }

    pub(super) fn put(&mut self, case: &CaseNo, mut open: Box<Open>) {
        open.touched = true;
        self.open.insert(case.clone(), open);
    }

    pub(super) fn note_page(
        &self,
        open: &mut Open,
        pos: i64,
        page: &Page,
        verdict: &Verdict,
    ) -> Result<(), StoreError> {
        let verdict = match verdict {
            Verdict::Applied => "applied",
            Verdict::Held => "held",
            Verdict::Late => "late",
            Verdict::Refused(_) | Verdict::Rewind { .. } => "refused",
        };
        self.note_entry(open, &page.case, pos, (page.no, page.term), verdict)
    }

    /// Files an entry under its case, which has a number here from then on.
    pub(super) fn note_entry(
        &self,
        open: &mut Open,
        case: &CaseNo,
        pos: i64,
        (no, term): (u32, u32),
        verdict: &str,
    ) -> Result<(), StoreError> {
        let sql = self.work.sql;
        let id = match open.id {
            Some(id) => id,
            None => sql
                .prepare_cached("INSERT INTO known_case(case_no) VALUES(?1)")
                .and_then(|mut s| s.insert([case.as_str()]))
                .broken("number a case")?,
        };
        open.id = Some(id);
        sql.prepare_cached(
            "INSERT OR REPLACE INTO case_entry(case_id, pos, no, term, verdict) VALUES(?1, ?2, ?3, ?4, ?5)",
        )
        .and_then(|mut s| s.execute((id, pos, no, term, verdict)))
        .broken("note a page")?;
        Ok(())
    }

    /// Gives a case that has come to stand the last number, if it has one from before, because a later page came first or its capture
    /// was taken back: whoever has read the cases up to a number has read them all (`unlisted`).
    pub(super) fn number_last(&self, open: &mut Open) -> Result<(), StoreError> {
        let Some(before) = open.id else { return Ok(()) };
        let sql = self.work.sql;
        let last: i64 = sql
            .prepare_cached(
                "UPDATE known_case SET id = (SELECT max(id) + 1 FROM known_case) WHERE id = ?1 RETURNING id",
            )
            .and_then(|mut s| s.query_row([before], |row| row.get(0)))
            .broken("number a case")?;
        sql.prepare_cached("UPDATE case_entry SET case_id = ?2 WHERE case_id = ?1")
            .and_then(|mut s| s.execute((before, last)))
            .broken("number a case")?;
        open.id = Some(last);
        Ok(())
    }

    pub(super) fn pages_with(
        &self,
        id: Option<i64>,
        verdict: &str,
    ) -> Result<Vec<(i64, Page, Entry)>, StoreError> {
        let mut found = Vec::new();
        for pos in case_positions(self.work.sql, id, verdict)? {
            let entry = crate::queries::entry_at(self.work.sql, pos)?;
            let page = serde_json::from_slice(&entry.raw.body).map_err(|e| unreadable("read a page", e))?;
            found.push((pos, page, entry));
        }
        Ok(found)
    }

    pub(super) fn slips_of(&self, id: Option<i64>) -> Result<Vec<Slip>, StoreError> {
        let read = |pos| {
            let entry = crate::queries::entry_at(self.work.sql, pos)?;
            serde_json::from_slice(&entry.raw.body).map_err(|e| unreadable("read a slip", e))
        };
        case_positions(self.work.sql, id, "slip")?.into_iter().map(read).collect()
    }
}

fn case_positions(sql: &Connection, id: Option<i64>, verdict: &str) -> Result<Vec<i64>, StoreError> {
    sql.prepare_cached(
        "SELECT pos FROM case_entry WHERE case_id = ?1 AND verdict = ?2 ORDER BY no, term, pos",
    )
    .and_then(|mut s| s.query_map((id, verdict), |row| row.get(0))?.collect())
    .broken("find pages")
}
