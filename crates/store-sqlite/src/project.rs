//! Projections: what the entries mean, kept ready for questions. Always a function of the journals.
//!
//! A page that cannot stand stops only its own dossier: it is marked, an incident is noted, everything else goes on (I14).

mod alerts;
mod applications;
mod attachments;
mod filed;
mod judged_again;
mod persons;
mod rebuild;
mod reference;
mod tasks;

pub(crate) use applications::applications;
pub(crate) use attachments::{attachment_arrived, attachments_here, confirmed, on_its_way};
pub(crate) use persons::{breach_of, cases_of_person, list_persons, person_hash, unlisted};
pub(crate) use rebuild::{bring_up_to_date, rebuild};
pub(crate) use reference::seed_nodes;
pub(crate) use tasks::{cases_of, receipt_day, receipted, receipts};

use crate::Identity;
use crate::error::{Broken, unreadable};
use crate::executor::Work;
use crate::journals;
use domain::dossier::{Dossier, Page, PageBody, Slip, Verdict};
use domain::network::NodeRecord;
use domain::{CaseNo, Timestamp, library, plan};
use filed::Open;
use replication::{Entry, epoch};
use rusqlite::{OptionalExtension, params};
use std::collections::BTreeMap;
use std::sync::Arc;
use store::*;

const FOLLOWS_REFUSED: &str =
    "follows a page of the same act that was refused; look at the case, and do it again if it is still right";

pub(crate) struct Projector<'p, 'w> {
    pub work: &'p mut Work<'w>,
    me: &'p Identity,
    now: Timestamp,
    open: BTreeMap<CaseNo, Box<Open>>,
    fresh_receipts: BTreeMap<domain::NodeId, tasks::FreshReceipt>,
    /// Letters or seals have come: read again once, at the end.
    authority_changed: bool,
    notes_incidents: bool,
}

impl<'p, 'w> Projector<'p, 'w> {
    pub fn new(work: &'p mut Work<'w>, me: &'p Identity, now: Timestamp) -> Projector<'p, 'w> {
        Projector {
            work,
            me,
            now,
            open: BTreeMap::new(),
            fresh_receipts: BTreeMap::new(),
            authority_changed: false,
            notes_incidents: true,
        }
    }

    /// For entries that were given their meaning before: what was wrong with them has been told.
    pub fn again(work: &'p mut Work<'w>, me: &'p Identity, now: Timestamp) -> Projector<'p, 'w> {
        Projector { notes_incidents: false, ..Projector::new(work, me, now) }
    }

    /// Gives one stored entry its meaning. Only a failing database is an error; a bad entry becomes an incident.
    pub fn project(&mut self, pos: i64, entry: &Entry) -> Result<(), StoreError> {
        let body = &entry.raw.body;
        match entry.kind.as_str() {
            kind::PAGE => self.project_page(pos, entry, &page_of(entry)),
            kind::SLIP => match serde_json::from_slice::<Slip>(body) {
                Ok(slip) if !self.is_own_word(&slip, entry) => {
                    self.incident(entry, "slip: case, author or number differ from the entry's")
                }
                Ok(slip) if slip.kind == library::ANSWER && !self.may_publish(entry) => {
                    self.incident(entry, "slip: only the hub answers for the licence library")
                }
                Ok(slip) => self.slip(pos, slip),
                Err(error) => self.incident(entry, &format!("slip cannot be read: {}", category(&error))),
            },
            kind::APPLICATION => self.application(pos, entry),
            kind::RECEIPT => self.receipt(entry),
            kind::ALERT => self.alert(entry),
            kind::NODE => self.node(entry),
            kind::CONTACT => self.contact(entry),
            kind::LICENCE_STATE => self.licence_state(entry),
            kind::RECTIFICATION => self.rectification(entry),
            kind::LETTER => self.letter(entry),
            kind::REVOCATION => self.revocation(entry),
            kind::SEAL => self.seal(entry),
            kind::CONTACTS => self.contacts(entry),
            kind::TRUST_BUNDLE => self.trust_bundle(entry),
            kind::PACK_PIECE => self.pack_piece(entry),
            kind::PACK_RELEASE => self.pack_release(entry),
            // Filed again after a restore, it speaks of rows that went with the old disk.
            kind::AUDIT_HEAD if entry.author == self.me.node && entry.first_hash.is_none() => {
                match serde_json::from_slice(body) {
                    Ok(head) => crate::audit::anchor(self.work.sql, &head, pos),
                    Err(error) => {
                        self.incident(entry, &format!("audit head cannot be read: {}", category(&error)))
                    }
                }
            }
            epoch::RETURNED if entry.subject == self.me.node.as_str() => self.returned(entry),
            // A newer version's kind: kept and carried, without a meaning here (I41).
            _ => Ok(()),
        }
    }

    /// Gives one stored entry its meaning, of which `page` is what [`page_of`] made.
    pub fn project_page(
        &mut self,
        pos: i64,
        entry: &Entry,
        page: &Result<Page, String>,
    ) -> Result<(), StoreError> {
        match page {
            Ok(page) => self.page(pos, entry, page),
            Err(reason) => self.incident(entry, reason),
        }
    }

    /// Writes back what was folded. Must be called, or nothing of the dossiers is kept.
    pub fn finish(mut self) -> Result<(), StoreError> {
        if self.authority_changed {
            *self.work.known = Arc::new(self.work.known.with_new_authority(self.work.sql)?);
            self.work.change.reference_data = true;
        }
        let mut opened: Vec<_> = std::mem::take(&mut self.open).into_iter().collect();
        // New ones are then written one behind the other.
        opened.sort_unstable_by_key(|(_, open)| open.id);
        for (case, mut open) in opened {
            if let Some(dossier) = open.dossier.take_if(|_| open.touched) {
                self.write_back(&dossier, &open)?;
                self.work.change.cases.push(case);
            }
        }
        Ok(())
    }

    /// A slip speaks for its writer, and its number is the entry's: nobody takes the place of another's.
    fn is_own_word(&self, slip: &Slip, entry: &Entry) -> bool {
        slip.case.as_str() == entry.subject && slip.by == entry.author && slip.id == entry.id
    }

    fn incident(&mut self, entry: &Entry, reason: &str) -> Result<(), StoreError> {
        if !self.notes_incidents {
            return Ok(());
        }
        let item = Quarantined {
            at: self.now,
            peer: entry.author.clone(),
            journal: format!("{}/{}", entry.author, entry.kind),
            seq: entry.seq,
            reason: format!("{}: {reason}", entry.subject),
            bytes: entry.raw.body.to_vec(),
        };
        journals::quarantine(self.work.sql, &item)
    }

    fn page(&mut self, pos: i64, entry: &Entry, page: &Page) -> Result<(), StoreError> {
        let author = self.work.known.network.get(&entry.author);
        if author.is_some_and(|node| node.place != entry.area) {
            return self.incident(entry, "page: its author does not speak for this area");
        }
        let mut open = self.take(&page.case)?;
        let verdict = self.judge(&mut open, pos, page, entry)?;
        if verdict == Verdict::Held {
            self.note_page(&mut open, pos, page, &verdict)?;
            open.waiting = true;
        }
        if verdict == Verdict::Applied && open.waiting {
            self.apply_held(&mut open)?;
        }
        self.put(&page.case, open);
        Ok(())
    }

    /// What becomes of a page, now or when its turn comes: whether its writer may write it, whether it fits, and what follows
    /// from it. One that has to wait leaves nothing.
    fn judge(
        &mut self,
        open: &mut Open,
        pos: i64,
        page: &Page,
        entry: &Entry,
    ) -> Result<Verdict, StoreError> {
        let verdict = match self.overreach(open, page, entry) {
            Some(reason) => Verdict::Refused(reason),
            None if !self.is_what_was_applied_for(page)? => Verdict::Refused(applications::CHANGED),
            None if self.follows_a_refused_one(open, pos, page)? => Verdict::Refused(FOLLOWS_REFUSED),
            None => self.offer(open, pos, page, entry)?,
        };
        if verdict == Verdict::Held {
            return Ok(verdict);
        }
        self.note_page(open, pos, page, &verdict)?;
        match (&verdict, &open.dossier) {
            (Verdict::Refused(reason), _) => self.incident(entry, reason)?,
            (Verdict::Applied, Some(dossier)) => self.note_person(dossier, open.submitted_pos, page)?,
            _ => {}
        }
        Ok(verdict)
    }

    /// Pages of one act stand or fall together: a hand-over that follows a resubmission which was not to be would move a case that
    /// its writer never saw, wherever its number happens to be free (I16). Pages of one act stand side by side in their journal
    /// and bear one time.
    fn follows_a_refused_one(&self, open: &Open, pos: i64, page: &Page) -> Result<bool, StoreError> {
        // Asked only of a page whose turn has come; an earlier one waits all the same.
        let is_next = open.dossier.as_ref().is_some_and(|dossier| dossier.pages + 1 == page.no);
        if page.no <= 2 || !is_next {
            return Ok(false);
        }
        let refused: Option<i64> = self
            .work
            .sql
            .prepare_cached(
                "SELECT pos FROM case_entry
                  WHERE case_id = ?1 AND pos = ?2 - 1 AND no = ?3 - 1 AND term = ?4 AND verdict = 'refused'",
            )
            .and_then(|mut s| s.query_row((open.id, pos, page.no, page.term), |row| row.get(0)).optional())
            .broken("look at the page before")?;
        let Some(before) = refused else { return Ok(false) };
        let before: Result<Page, _> =
            serde_json::from_slice(&crate::queries::entry_at(self.work.sql, before)?.raw.body);
        Ok(before.is_ok_and(|before| before.at == page.at && before.officer == page.officer))
    }

    /// Competence, as far as this node can judge it: a page may not claim what its writer's tier has no power to do.
    fn overreach(&self, open: &Open, page: &Page, entry: &Entry) -> Option<&'static str> {
        let (item, release) = match (&page.body, &open.dossier) {
            (PageBody::Captured(captured), _) => {
                if page.case.as_str().get(7..15) != Some(&entry.author.code()) {
                    return Some("a case number may be opened only by the node whose code it carries");
                }
                (&captured.item, captured.release)
            }
            (_, Some(dossier)) => (&dossier.item, dossier.release),
            (_, None) => return None,
        };
        let tier = self.work.known.network.get(&entry.author)?.tier;
        let (_, pack) = self.work.known.pack(Some(release))?;
        let item = pack.item(item)?;
        plan::overreach(item, &page.body, tier)
    }

    fn offer(
        &mut self,
        open: &mut Open,
        pos: i64,
        page: &Page,
        entry: &Entry,
    ) -> Result<Verdict, StoreError> {
        let brings_papers =
            matches!(page.body, PageBody::Captured(_) | PageBody::Resubmitted(_) | PageBody::MadeUp { .. });
        open.attachments_changed |= brings_papers;
        let Some(dossier) = &mut open.dossier else {
            if !matches!(page.body, PageBody::Captured(_)) {
                return Ok(Verdict::Held);
            }
            let Some(mut dossier) = Dossier::open(page, &entry.author) else {
                return Ok(Verdict::Refused("a capture must be page 1 of term 1"));
            };
            if open.waiting {
                self.slips_of(open.id)?.into_iter().for_each(|slip| dossier.add_slip(slip));
            }
            self.number_last(open)?;
            (open.dossier, open.captured_pos, open.submitted_pos) = (Some(dossier), pos, pos);
            return Ok(Verdict::Applied);
        };
        let superior = self.work.known.network.is_above(&entry.author, &dossier.holder);
        let verdict = dossier.apply(page, &entry.author, superior);
        let Verdict::Rewind { keep } = verdict else {
            if verdict == Verdict::Applied && matches!(page.body, PageBody::Resubmitted(_)) {
                open.submitted_pos = pos;
            }
            return Ok(verdict);
        };
        self.forget_person(&page.case)?;
        (*dossier, open.submitted_pos) = self.fold_to(open.id, keep)?;
        open.attachments_changed = true;
        let superior = self.work.known.network.is_above(&entry.author, &dossier.holder);
        Ok(dossier.apply(page, &entry.author, superior))
    }

    /// The dossier as it stood after page `keep`, and where its submission stands; later pages of the old term become late.
    fn fold_to(&mut self, id: Option<i64>, keep: u32) -> Result<(Dossier, i64), StoreError> {
        self.work
            .sql
            .prepare_cached("UPDATE case_entry SET verdict = 'late' WHERE case_id = ?1 AND no > ?2 AND verdict = 'applied'")
            .and_then(|mut s| s.execute((id, keep)))
            .broken("mark late pages")?;
        let mut folded: Option<Dossier> = None;
        let mut submitted_pos = 0;
        let mut slips = self.slips_of(id)?;
        for (pos, page, entry) in self.pages_with(id, "applied")? {
            if matches!(page.body, PageBody::Captured(_) | PageBody::Resubmitted(_)) {
                submitted_pos = pos;
            }
            match &mut folded {
                None => {
                    folded = Dossier::open(&page, &entry.author);
                    if let Some(dossier) = &mut folded {
                        std::mem::take(&mut slips).into_iter().for_each(|slip| dossier.add_slip(slip));
                    }
                }
                // Applied once under these rules, so it applies again.
                Some(dossier) => drop(dossier.apply(&page, &entry.author, true)),
            }
            if let Some(dossier) = &folded {
                self.note_person(dossier, submitted_pos, &page)?;
            }
        }
        let dossier = folded.ok_or_else(|| unreadable("fold again", "the capture page is missing"))?;
        Ok((dossier, submitted_pos))
    }

    /// A page has been applied: those that waited for it may follow, in any order they came.
    fn apply_held(&mut self, open: &mut Open) -> Result<(), StoreError> {
        loop {
            let mut moved = false;
            for (pos, page, entry) in self.pages_with(open.id, "held")? {
                // It may have come before the capture, when nobody could tell what its writer may do.
                moved |= self.judge(open, pos, &page, &entry)? == Verdict::Applied;
            }
            if !moved {
                return Ok(());
            }
        }
    }

    fn slip(&mut self, pos: i64, slip: Slip) -> Result<(), StoreError> {
        let case = slip.case.clone();
        let mut open = self.take(&case)?;
        self.note_entry(&mut open, &case, pos, (0, 0), "slip")?;
        self.note_slip(pos, &slip)?;
        open.waiting = true;
        if let Some(dossier) = &mut open.dossier {
            open.attachments_changed |= !slip.attachments.is_empty();
            dossier.add_slip(slip);
        }
        self.put(&case, open);
        Ok(())
    }

    /// Entries of our own that came back. Those we signed are filed again; those that only a machine signed which was lost
    /// are for a person to look at.
    fn returned(&mut self, entry: &Entry) -> Result<(), StoreError> {
        let (late, _): (Vec<_>, Vec<_>) =
            epoch::look(&entry.raw.body).into_iter().partition(|one| self.is_cut(one));
        for late in late {
            self.incident(
                entry,
                &format!("late: {} {} of the machine before this one", late.kind, late.subject),
            )?;
        }
        Ok(())
    }

    /// True of what a machine before this one wrote after it was reported lost.
    fn is_cut(&self, late: &replication::Core) -> bool {
        let record = self.work.known.network.get(&self.me.node);
        record.and_then(NodeRecord::lost_before).is_some_and(|cut| !cut.covers(&late.channel, late.seq))
    }

    /// A town's report of when it last heard from its villages.
    fn contacts(&mut self, entry: &Entry) -> Result<(), StoreError> {
        let Ok(contacts) = serde_json::from_slice::<Vec<Contact>>(&entry.raw.body) else {
            return self.incident(entry, "contacts cannot be read");
        };
        for contact in
            contacts.iter().filter(|contact| self.work.known.network.is_above(&entry.author, &contact.node))
        {
            crate::people::note_contact(self.work.sql, contact)?;
        }
        Ok(())
    }

    fn write_back(&self, dossier: &Dossier, open: &Open) -> Result<(), StoreError> {
        let sql = self.work.sql;
        let id = open.id.ok_or_else(|| unreadable("write a dossier", "its pages are not on file"))?;
        let state = serde_json::to_string(dossier).map_err(|e| unreadable("write a dossier", e))?;
        sql.prepare_cached(
            "INSERT INTO dossier(no, case_no, item, release, origin, holder, status, applicant, captured_ms, captured_pos, submitted_pos, pages, state)
             VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
             ON CONFLICT(no) DO UPDATE SET
               holder = ?6, status = ?7, applicant = ?8, submitted_pos = ?11, pages = ?12, state = ?13",
        )
        .and_then(|mut s| {
            s.execute(params![
                id,
                dossier.case.as_str(),
                dossier.item.as_str(),
                dossier.release,
                dossier.origin.as_str(),
                dossier.holder.as_str(),
                dossier.status().as_str(),
                dossier.applicant,
                dossier.captured_at.as_ms(),
                open.captured_pos,
                open.submitted_pos,
                dossier.pages,
                state,
            ])
        })
        .broken("write a dossier")?;
        if !open.fresh {
            self.forget_tasks(&dossier.case)?;
        }
        if open.attachments_changed {
            self.write_attachments(dossier, open.fresh)?;
        }
        self.close_applications(dossier)?;
        self.write_tasks(dossier, open.submitted_pos)
    }

    fn forget_tasks(&self, case: &CaseNo) -> Result<(), StoreError> {
        self.work
            .sql
            .prepare_cached("DELETE FROM task WHERE case_no = ?1")
            .and_then(|mut s| s.execute([case.as_str()]))
            .broken("write tasks")?;
        Ok(())
    }
}

/// The page an entry of kind `page` carries; what it is not, in words for an incident.
pub(crate) fn page_of(entry: &Entry) -> Result<Page, String> {
    let body = &entry.raw.body[..];
    // Chinese text is looked through ten times as fast as a reader of bytes would; what is no text is told by that one.
    let read = simdutf8::basic::from_utf8(body)
        .map_or_else(|_| serde_json::from_slice::<Page>(body), serde_json::from_str);
    match read {
        Ok(page) if page.case.as_str() == entry.subject && page.officer == entry.officer => Ok(page),
        Ok(_) => Err("page: case or officer differ from the entry's".into()),
        Err(error) => Err(format!("page cannot be read: {}", category(&error))),
    }
}

/// The kind of a parse error without the text it stumbled over: that text may be a citizen's (I33).
fn category(error: &serde_json::Error) -> String {
    format!("{:?} error at column {}", error.classify(), error.column())
}
