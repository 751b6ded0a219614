//! Pages of a branch that ended, in a case whose history went another way meanwhile.
//!
//! A page whose number is taken is filed again, and refused by everybody who reads it: it is seen and changes nothing. What followed
//! it on its branch must not be filed: the next number may be free, and the case would go on from a page it never saw (I16, I17).

use crate::error::Broken;
use crate::journals::write::ToWrite;
use domain::dossier::Page;
use domain::{CaseNo, NodeId};
use rusqlite::{Connection, OptionalExtension};
use std::collections::BTreeSet;
use store::{StoreError, kind};

/// Why such a page is kept aside for a person.
pub(super) const PARTED: &str =
    "late: decided on a history that did not happen; look at the case, and do it again if it is still right";

/// Cases of which the branch that is being filed again has a page whose number is taken.
#[derive(Default)]
pub(super) struct Parted(BTreeSet<CaseNo>);

impl Parted {
    /// Whether `entry` followed, on its branch, a page that was not to be.
    pub(super) fn holds_back(
        &mut self,
        sql: &Connection,
        me: &NodeId,
        entry: &ToWrite,
    ) -> Result<bool, StoreError> {
        if entry.kind != kind::PAGE {
            return Ok(false);
        }
        let Ok(page) = serde_json::from_slice::<Page>(&entry.body) else { return Ok(false) };
        if is_taken(sql, &page)? {
            self.0.insert(page.case);
            return Ok(false);
        }
        // The pages before it may have been filed on another day: a branch comes back in pieces.
        Ok(self.0.contains(&page.case) || follows_a_refused_one(sql, me, &page)?)
    }
}

fn is_taken(sql: &Connection, page: &Page) -> Result<bool, StoreError> {
    sql.prepare_cached(
        "SELECT 1 FROM case_entry
          WHERE case_id = (SELECT id FROM known_case WHERE case_no = ?1) AND term = ?2 AND no = ?3 AND verdict = 'applied'",
    )
    .and_then(|mut s| s.query_row((page.case.as_str(), page.term, page.no), |_| Ok(())).optional())
    .broken("look for a page")
    .map(|found| found.is_some())
}

fn follows_a_refused_one(sql: &Connection, me: &NodeId, page: &Page) -> Result<bool, StoreError> {
    sql.prepare_cached(
        "SELECT 1 FROM case_entry h JOIN journal j ON j.no = h.pos >> 40
          WHERE h.case_id = (SELECT id FROM known_case WHERE case_no = ?1) AND h.term = ?2 AND h.no + 1 = ?3 AND h.verdict = 'refused' AND j.author = ?4",
    )
    .and_then(|mut s| {
        s.query_row((page.case.as_str(), page.term, page.no, me.as_str()), |_| Ok(())).optional()
    })
    .broken("look for a page")
    .map(|found| found.is_some())
}
