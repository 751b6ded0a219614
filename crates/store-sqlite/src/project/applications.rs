//! Applications from the citizens' hall (网上申请): known to the hub that signed them and to the town that takes them in.

use super::Projector;
use super::persons::{list_by_form, person_hash};
use crate::error::{Broken, unreadable};
use domain::application::Application;
use domain::dossier::{Dossier, Page};
use domain::network::Tier;
use domain::{CaseNo, EntryId, NodeId};
use replication::Entry;
use rusqlite::{Connection, OptionalExtension, named_params};
use store::{ApplicationLine, ApplicationQuery, StoreError};

/// Why a page is refused that hands in something else than the citizen did.
pub(super) const CHANGED: &str =
    "an online application is taken in as it was handed in, and this is another one";

fn application_in(sql: &Connection, pos: i64) -> Result<Application, StoreError> {
    let entry = crate::queries::entry_at(sql, pos)?;
    serde_json::from_slice(&entry.raw.body).map_err(|e| unreadable("read an application", e))
}

pub(crate) fn applications(
    sql: &Connection,
    query: &ApplicationQuery,
) -> Result<Vec<ApplicationLine>, StoreError> {
    let person = query.person.as_ref().map(|number| person_hash(sql, number)).transpose()?;
    // Each filter has an index or is the table's own order.
    let (filter, order) = match (&query.person, &query.case) {
        (Some(_), _) => (
            "case_no IN (SELECT case_no FROM person_case WHERE person = :person) AND (:case IS NULL OR case_no = :case)",
            "DESC",
        ),
        (None, Some(_)) => ("case_no = :case AND :person IS NULL", "ASC"),
        (None, None) => (":case IS NULL AND :person IS NULL", "ASC"),
    };
    let open = if query.open_only { "open = 1" } else { "true" };
    let rows: Vec<(Vec<u8>, i64, bool)> = sql
        .prepare_cached(&format!(
            "SELECT id, pos, open FROM application
              WHERE {filter} AND {open} AND (:town IS NULL OR town = :town) ORDER BY pos {order} LIMIT :limit"
        ))
        .and_then(|mut s| {
            s.query_map(
                named_params! {
                    ":person": person.as_ref().map(<[u8; 32]>::as_slice), ":case": query.case.as_ref().map(CaseNo::as_str),
                    ":town": query.town.as_ref().map(NodeId::as_str), ":limit": query.limit.clamp(1, 1000),
                },
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )?
            .collect()
        })
        .broken("list applications")?;
    let line = |(id, pos, open): (Vec<u8>, i64, bool)| {
        let id = EntryId(id.try_into().unwrap_or_default());
        Ok(ApplicationLine { id, application: application_in(sql, pos)?, open })
    };
    rows.into_iter().map(line).collect()
}

impl Projector<'_, '_> {
    pub(super) fn application(&mut self, pos: i64, entry: &Entry) -> Result<(), StoreError> {
        let Some(said) = self.published::<Application>(entry, "application")? else { return Ok(()) };
        let names_itself = said.submission.online.as_ref().is_some_and(|one| one.application == entry.id);
        let of_its_town = said.case.as_str().get(7..15) == Some(&said.town.code());
        if !names_itself || said.case.as_str() != entry.subject || !of_its_town {
            return self.incident(entry, "application: number, case or town differ from the entry's");
        }
        let open = self.take(&said.case)?;
        let waits = said.waits(open.dossier.as_ref());
        self.open.insert(said.case.clone(), open);
        let sql = self.work.sql;
        sql.prepare_cached(
            "INSERT OR REPLACE INTO application(id, case_no, town, pos, mends, open) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
        )
        .and_then(|mut s| {
            s.execute((
                entry.id.0.as_slice(),
                said.case.as_str(),
                said.town.as_str(),
                pos,
                said.mends,
                waits,
            ))
        })
        .broken("note an application")?;
        list_by_form(sql, said.case.as_str(), &said.submission.form)?;
        self.work.change.cases.push(said.case.clone());
        // The town asks the hub for what it lacks, as the hub asks towns. Of what has been taken in the case itself speaks.
        for attachment in said.submission.attachments.iter().filter(|_| waits) {
            self.expect_attachment(&said.case, attachment, &said.town)?;
        }
        Ok(())
    }

    /// False of a page that takes in an application otherwise than the citizen made it. A node that does not know the application
    /// cannot tell.
    pub(super) fn is_what_was_applied_for(&self, page: &Page) -> Result<bool, StoreError> {
        let Some((submission, online)) =
            page.body.submission().and_then(|one| Some((one, one.online.as_ref()?)))
        else {
            return Ok(true);
        };
        let pos: Option<i64> = self
            .work
            .sql
            .prepare_cached("SELECT pos FROM application WHERE id = ?1")
            .and_then(|mut s| s.query_row([online.application.0.as_slice()], |row| row.get(0)).optional())
            .broken("look for an application")?;
        let Some(pos) = pos else { return Ok(true) };
        let known = application_in(self.work.sql, pos)?;
        Ok(known.case == page.case && known.is_what(submission))
    }

    /// The case has moved on: what it took in waits no more, as [`Application::waits`] has it.
    pub(super) fn close_applications(&self, dossier: &Dossier) -> Result<(), StoreError> {
        if dossier.intake == Tier::Village {
            return Ok(());
        }
        self.work
            .sql
            .prepare_cached(
                "UPDATE application SET open = (mends IS NOT NULL AND mends IS ?2) WHERE case_no = ?1",
            )
            .and_then(|mut s| s.execute((dossier.case.as_str(), dossier.open_notice())))
            .broken("close an application")?;
        Ok(())
    }
}
