//! What concerns persons beyond one case: broken commitments, the licence library, bad ratings. A person is found by the
//! keyed hash of their number; the number itself stands only in the journals.

use super::Projector;
use crate::error::{Broken, unreadable};
use domain::dossier::{Dossier, Licence, Outcome, Page, PageBody, Slip};
use domain::form::{Form, Written};
use domain::library::{self, Filed, StateChange, Trust};
use domain::network::Tier;
use domain::rating::StepEntry;
use domain::{CaseNo, LicenceNo};
use replication::Entry;
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

/// Cases that are listed under their persons in one step.
const LISTED_AT_ONCE: i64 = 500;

/// Cases that are not listed under their persons yet, in their order.
pub(crate) struct Unlisted {
    /// The last that is listed.
    after: i64,
    cases: Vec<UnlistedCase>,
}

struct UnlistedCase {
    no: i64,
    case: String,
    submitted: i64,
    persons: Vec<Person>,
}

type Person = [u8; 32];

impl Unlisted {
    pub fn is_empty(&self) -> bool {
        self.cases.is_empty()
    }
}

/// How far cases are listed.
fn listed_through(sql: &Connection) -> Result<i64, StoreError> {
    sql.prepare_cached("SELECT coalesce(max(dossier), 0) FROM person_through")
        .and_then(|mut s| s.query_row([], |row| row.get(0)))
        .broken("read how far persons are listed")
}

/// The next cases to list. To find them out takes most of the work, and needs no writer.
pub(crate) fn unlisted(sql: &Connection) -> Result<Unlisted, StoreError> {
    let after = listed_through(sql)?;
    let rows: Vec<(i64, String, i64)> = sql
        .prepare_cached("SELECT no, case_no, submitted_pos FROM dossier WHERE no > ?1 ORDER BY no LIMIT ?2")
        .and_then(|mut s| {
            s.query_map((after, LISTED_AT_ONCE), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect()
        })
        .broken("read cases to list")?;
    let with_persons = |(no, case, submitted)| {
        Ok(UnlistedCase { no, case, submitted, persons: persons_in(sql, submitted)? })
    };
    let cases = rows.into_iter().map(with_persons).collect::<Result<_, StoreError>>()?;
    Ok(Unlisted { after, cases })
}

/// Lists cases under their persons. Where the projections were built anew meanwhile, or another was quicker, nothing is listed,
/// and from a case on that has changed neither: it is looked for again.
pub(crate) fn list_persons(sql: &Connection, found: &Unlisted) -> Result<(), StoreError> {
    if listed_through(sql)? != found.after {
        return Ok(());
    }
    let mut through = None;
    for UnlistedCase { no, case, submitted, persons } in &found.cases {
        let stands: bool = sql
            .prepare_cached(
                "SELECT EXISTS(SELECT 1 FROM dossier WHERE no = ?1 AND case_no = ?2 AND submitted_pos = ?3)",
            )
            .and_then(|mut s| s.query_row((no, case, submitted), |row| row.get(0)))
            .broken("look for a case to list")?;
        if !stands {
            break;
        }
        list_under(sql, case, persons)?;
        through = Some(no);
    }
    let Some(through) = through else { return Ok(()) };
    sql.prepare_cached(
        "INSERT INTO person_through(one, dossier) VALUES(1, ?1)
         ON CONFLICT(one) DO UPDATE SET dossier = ?1",
    )
    .and_then(|mut s| s.execute([through]))
    .broken("note how far persons are listed")?;
    Ok(())
}

/// Whose case it is, as the submission at `submitted` says.
fn persons_in(sql: &Connection, submitted: i64) -> Result<Vec<Person>, StoreError> {
    form_in(sql, submitted)?.map_or(Ok(Vec::new()), |form| persons_of(sql, &form))
}

/// Everybody whose number a form names.
fn persons_of(sql: &Connection, form: &Form) -> Result<Vec<Person>, StoreError> {
    domain::form::numbers(form).map(|number| person_hash(sql, number)).collect()
}

fn list_under(sql: &Connection, case: &str, persons: &[Person]) -> Result<(), StoreError> {
    for person in persons {
        sql.prepare_cached("INSERT OR IGNORE INTO person_case(person, case_no) VALUES(?1, ?2)")
            .and_then(|mut s| s.execute((person.as_slice(), case)))
            .broken("list a case under its person")?;
    }
    Ok(())
}

/// Lists a case under everybody whose number its form names.
pub(super) fn list_by_form(sql: &Connection, case: &str, form: &Form) -> Result<(), StoreError> {
    list_under(sql, case, &persons_of(sql, form)?)
}

/// The cases listed under a person, the newest first: their numbers begin with the day.
pub(crate) fn cases_of_person(sql: &Connection, number: &str, limit: u32) -> Result<Vec<CaseNo>, StoreError> {
    let person = person_hash(sql, number)?;
    let cases: Vec<String> = sql
        .prepare_cached(
            "SELECT case_no FROM person_case p
              WHERE person = ?1 AND EXISTS(SELECT 1 FROM known_case k JOIN dossier d ON d.no = k.id WHERE k.case_no = p.case_no)
              ORDER BY case_no DESC LIMIT ?2",
        )
        .and_then(|mut s| s.query_map((person.as_slice(), limit), |row| row.get(0))?.collect())
        .broken("look for the cases of a person")?;
    Ok(cases.iter().filter_map(|case| case.parse().ok()).collect())
}

/// The form of the submission that stands at a position.
fn form_in(sql: &Connection, submitted: i64) -> Result<Option<Written>, StoreError> {
    let entry = crate::queries::entry_at(sql, submitted)?;
    let page: Option<Page> = serde_json::from_slice(&entry.raw.body).ok();
    Ok(page.and_then(|page| Some(page.body.submission()?.form.clone())))
}

impl Projector<'_, '_> {
    /// The number of the applicant, from the submission that counts.
    pub(super) fn applicant_number(&self, submitted_pos: i64) -> Result<Option<String>, StoreError> {
        let form = form_in(self.work.sql, submitted_pos)?.unwrap_or_default();
        let number = domain::form::applicant(&form).1;
        Ok((!number.is_empty()).then(|| number.to_owned()))
    }

    /// What a page that counts says about the person behind the case; `dossier` is as the page left it.
    pub(super) fn note_person(
        &self,
        dossier: &Dossier,
        submitted_pos: i64,
        page: &Page,
    ) -> Result<(), StoreError> {
        // Under the number that was put right, too, if it was that. What is not listed yet will be, with the rest.
        if matches!(page.body, PageBody::Resubmitted(_)) {
            let persons = persons_in(self.work.sql, submitted_pos)?;
            list_under(self.work.sql, page.case.as_str(), &persons)?;
        }
        match &page.body {
            PageBody::CommitmentFalse { .. } => self.note_breach(&page.case, submitted_pos),
            PageBody::Issued { licence } => self.file_licence(submitted_pos, dossier, licence),
            PageBody::Decided { outcome: Outcome::Granted, .. } => self.file_copies(submitted_pos, dossier),
            PageBody::Captured(_) | PageBody::Resubmitted(_) if self.is_hub() => self.ask_library(dossier),
            _ => Ok(()),
        }
    }

    /// What the submission that counts now asks of the library and has not been answered; earlier questions, if there were any,
    /// are moot.
    fn ask_library(&self, dossier: &Dossier) -> Result<(), StoreError> {
        let (sql, page) = (self.work.sql, dossier.submitted_page);
        if page > 1 {
            sql.prepare_cached("DELETE FROM library_ask WHERE case_no = ?1")
                .and_then(|mut s| s.execute([dossier.case.as_str()]))
                .broken("ask the library")?;
        }
        let answer = |slip: &Slip| slip.kind == library::ANSWER && slip.about_page == page;
        if dossier.borrowed.is_empty() || dossier.slips.iter().any(answer) {
            return Ok(());
        }
        sql.prepare_cached("INSERT INTO library_ask(case_no, page) VALUES(?1, ?2)")
            .and_then(|mut s| s.execute((dossier.case.as_str(), page)))
            .broken("ask the library")?;
        Ok(())
    }

    fn is_hub(&self) -> bool {
        self.work.known.network.get(&self.me.node).is_some_and(|node| node.tier == Tier::City)
    }

    fn note_breach(&self, case: &CaseNo, submitted_pos: i64) -> Result<(), StoreError> {
        let Some(number) = self.applicant_number(submitted_pos)? else { return Ok(()) };
        let person = person_hash(self.work.sql, &number)?;
        self.work
            .sql
            .prepare_cached("INSERT OR IGNORE INTO breach(person, case_no) VALUES(?1, ?2)")
            .and_then(|mut s| s.execute((person.as_slice(), case.as_str())))
            .broken("note a broken commitment")?;
        Ok(())
    }

    /// A licence the city has issued: nobody hands it in again. Only one of the type the item leads to.
    fn file_licence(
        &self,
        submitted_pos: i64,
        dossier: &Dossier,
        licence: &Licence,
    ) -> Result<(), StoreError> {
        // The release travels in another journal; one that has not come yet keeps nobody's licence out of the library.
        let pack = self.work.known.pack(Some(dossier.release)).map(|(_, pack)| pack);
        let due = pack.as_ref().and_then(|pack| pack.item(&dossier.item)?.result.licence.as_ref());
        if pack.is_some() && due != Some(&licence.kind) {
            return Ok(());
        }
        let validity = pack.as_ref().and_then(|pack| pack.licence_types.get(&licence.kind));
        let until = validity.and_then(|kind| library::valid_until(&kind.validity, licence.issued_on));
        let filed = Filed {
            kind: licence.kind.clone(),
            number: Some(licence.number.clone()),
            trust: Trust::A,
            case: dossier.case.clone(),
            on: licence.issued_on,
            until,
            hash: None,
        };
        self.file(submitted_pos, &filed)
    }

    /// Papers of a granted case that stand for a licence type: B where a window saw the original, C where nobody did.
    fn file_copies(&self, submitted_pos: i64, dossier: &Dossier) -> Result<(), StoreError> {
        let Some((_, pack)) = self.work.known.pack(Some(dossier.release)) else { return Ok(()) };
        let Some(item) = pack.item(&dossier.item) else { return Ok(()) };
        let on = dossier.decision.as_ref().map_or(dossier.captured_at.day(), |decision| decision.at.day());
        for attachment in &dossier.attachments {
            let kind =
                item.material(&attachment.material).and_then(|material| material.reuse_licence.clone());
            let Some(kind) = kind else { continue };
            let trust = if dossier.checked.contains(&attachment.material) { Trust::B } else { Trust::C };
            let hash = Some(attachment.hash.clone());
            let filed =
                Filed { kind, number: None, trust, case: dossier.case.clone(), on, until: None, hash };
            self.file(submitted_pos, &filed)?;
        }
        Ok(())
    }

    fn file(&self, submitted_pos: i64, filed: &Filed) -> Result<(), StoreError> {
        let Some(number) = self.applicant_number(submitted_pos)? else { return Ok(()) };
        let person = person_hash(self.work.sql, &number)?;
        let text = serde_json::to_string(filed).map_err(|e| unreadable("file a licence", e))?;
        let number = filed.number.as_ref().map_or("", LicenceNo::as_str);
        self.work
            .sql
            .prepare_cached(
                "INSERT OR REPLACE INTO filed(person, kind, case_no, number, filed) VALUES(?1, ?2, ?3, ?4, ?5)",
            )
            .and_then(|mut s| s.execute((person.as_slice(), &filed.kind, filed.case.as_str(), number, text)))
            .broken("file a licence")?;
        Ok(())
    }

    /// What a slip means beside the case: a rating, or the library's answer.
    pub(super) fn note_slip(&self, pos: i64, slip: &Slip) -> Result<(), StoreError> {
        let sql = self.work.sql;
        if slip.kind == library::ANSWER {
            // An answer to an earlier submission leaves the question of the later one open.
            sql.prepare_cached("DELETE FROM library_ask WHERE case_no = ?1 AND page = ?2")
                .and_then(|mut s| s.execute((slip.case.as_str(), slip.about_page)))
                .broken("note the library's answer")?;
        }
        let Some(rating) = &slip.rating else { return Ok(()) };
        let grade = serde_json::to_string(&rating.grade).map_err(|e| unreadable("note a rating", e))?;
        sql.prepare_cached(
            "INSERT OR IGNORE INTO rating(case_no, slip, pos, grade, bad) VALUES(?1, ?2, ?3, ?4, ?5)",
        )
        .and_then(|mut s| {
            s.execute((slip.case.as_str(), slip.id.0.as_slice(), pos, grade, rating.grade.is_bad()))
        })
        .broken("note a rating")?;
        Ok(())
    }

    /// Pages that stop counting take back what they said of a person; those that count say it again.
    pub(super) fn forget_person(&self, case: &CaseNo) -> Result<(), StoreError> {
        for delete in [
            "DELETE FROM filed WHERE case_no = ?1",
            "DELETE FROM breach WHERE case_no = ?1",
            "DELETE FROM library_ask WHERE case_no = ?1",
        ] {
            self.work
                .sql
                .prepare_cached(delete)
                .and_then(|mut s| s.execute([case.as_str()]))
                .broken("take back what no longer counts")?;
        }
        Ok(())
    }

    pub(super) fn rectification(&mut self, entry: &Entry) -> Result<(), StoreError> {
        let said = serde_json::from_slice::<StepEntry>(&entry.raw.body).ok();
        let said = said.filter(|said| {
            let same_person = said.officer == entry.officer && said.node == entry.author;
            said.case.as_str() == entry.subject && same_person
        });
        let Some(said) = said else {
            return self.incident(entry, "rectification cannot be read, or differs from its entry");
        };
        // A village is what was rated.
        if self.work.known.network.get(&entry.author).is_none_or(|node| node.tier == Tier::Village) {
            return self.incident(entry, "rectification: a village does not answer its own ratings");
        }
        let text = serde_json::to_string(&said).map_err(|e| unreadable("note a rectification", e))?;
        self.work
            .sql
            .prepare_cached("INSERT OR IGNORE INTO rectify_step(case_no, entry, said) VALUES(?1, ?2, ?3)")
            .and_then(|mut s| s.execute((said.case.as_str(), entry.id.0.as_slice(), text)))
            .broken("note a rectification")?;
        Ok(())
    }

    pub(super) fn licence_state(&mut self, entry: &Entry) -> Result<(), StoreError> {
        let Some(change) = self.published::<StateChange>(entry, "licence state")? else { return Ok(()) };
        let text = serde_json::to_string(&change).map_err(|e| unreadable("write a licence state", e))?;
        self.work
            .sql
            .prepare_cached("INSERT OR IGNORE INTO licence_state(number, seq, change) VALUES(?1, ?2, ?3)")
            .and_then(|mut s| s.execute((change.number.as_str(), entry.seq as i64, text)))
            .broken("write a licence state")?;
        Ok(())
    }
}
