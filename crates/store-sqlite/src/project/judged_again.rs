//! Pages that came before the catalogue they rest on: nobody here could tell what their writers may write. Told now, so that
//! every order of arrival comes to the same state (I10), and no writer gains by being early (I18).

use super::{Open, Projector, cases_of};
use crate::error::Broken;
use domain::CaseNo;
use domain::dossier::Verdict;
use std::collections::BTreeSet;
use store::StoreError;

impl Projector<'_, '_> {
    /// Judges the pages of every case captured under `release`, which has just come into force here. Mostly there are none:
    /// the hub publishes before a village can capture, and only a bag or a node set up anew overtakes it.
    pub(super) fn judge_pages_of(&mut self, release: u32) -> Result<(), StoreError> {
        let stored = cases_of(self.work.sql, "SELECT case_no FROM dossier WHERE release = ?1", [release])?;
        let captured_now = self.open.iter().filter(|(_, open)| open.is_of(release));
        let cases: BTreeSet<CaseNo> = captured_now.map(|(case, _)| case.clone()).chain(stored).collect();
        cases.iter().try_for_each(|case| self.judge_pages(case))
    }

    fn judge_pages(&mut self, case: &CaseNo) -> Result<(), StoreError> {
        let mut open = self.take(case)?;
        for (pos, page, entry) in self.pages_with(open.id, "applied")? {
            let Some(reason) = self.overreach(&open, &page, &entry) else { continue };
            self.note_page(&mut open, pos, &page, &Verdict::Refused(reason))?;
            self.incident(&entry, reason)?;
            self.take_back(case, &mut open, page.no)?;
            // What was written upon it waits for the page that belongs there.
            self.apply_held(&mut open)?;
            break;
        }
        self.put(case, open);
        Ok(())
    }

    /// The dossier as it was before page `no`, which does not stand.
    fn take_back(&mut self, case: &CaseNo, open: &mut Open, no: u32) -> Result<(), StoreError> {
        self.work
            .sql
            .prepare_cached("UPDATE case_entry SET verdict = 'held' WHERE case_id = ?1 AND no > ?2 AND verdict = 'applied'")
            .and_then(|mut s| s.execute((open.id, no)))
            .broken("hold pages")?;
        self.forget_person(case)?;
        (open.waiting, open.attachments_changed) = (true, true);
        if no > 1 {
            let (dossier, submitted_pos) = self.fold_to(open.id, no - 1)?;
            (open.dossier, open.submitted_pos) = (Some(dossier), submitted_pos);
            return Ok(());
        }
        for table in ["task", "case_attachment"] {
            self.work
                .sql
                .execute(&format!("DELETE FROM {table} WHERE case_no = ?1"), [case.as_str()])
                .broken("take a case back")?;
        }
        self.work.sql.execute("DELETE FROM dossier WHERE no = ?1", [open.id]).broken("take a case back")?;
        open.dossier = None;
        Ok(())
    }
}
