//! A day at the windows of this house: who was called, and what was written.

use crate::error::{Broken, unreadable};
use crate::project::page_of;
use crate::{audit, journals, queries};
use domain::dossier::Page;
use domain::ticket::{self, Ticket};
use domain::{Day, EntryId, NodeId, Timestamp};
use prost::Message;
use replication::entry::Core;
use rusqlite::Connection;
use store::{StoreError, kind};

pub(crate) fn tickets(sql: &Connection, day: Day) -> Result<Vec<Ticket>, StoreError> {
    let mut statement = sql
        .prepare_cached("SELECT ticket FROM ticket WHERE day = ?1 ORDER BY label")
        .broken("read tickets")?;
    let rows =
        statement.query_map([day.to_string()], |row| row.get::<_, String>(0)).broken("read tickets")?;
    rows.map(|row| {
        serde_json::from_str(&row.broken("read tickets")?).map_err(|e| unreadable("read tickets", e))
    })
    .collect()
}

pub(crate) fn act_on_tickets(
    sql: &Connection,
    order: ticket::Order,
    request: EntryId,
    by: &str,
    now: Timestamp,
) -> Result<Result<Ticket, ticket::Refusal>, StoreError> {
    let day = now.day();
    let changed = match ticket::act(&tickets(sql, day)?, day, order, request, now) {
        Ok(changed) => changed,
        Err(refusal) => return Ok(Err(refusal)),
    };
    for ticket in &changed {
        let text = serde_json::to_string(ticket).map_err(|e| unreadable("write a ticket", e))?;
        sql.prepare_cached("INSERT OR REPLACE INTO ticket(day, label, ticket) VALUES(?1, ?2, ?3)")
            .and_then(|mut s| s.execute((day.to_string(), ticket.label.to_string(), text)))
            .broken("write a ticket")?;
    }
    let meant = changed.into_iter().next().expect("an order that is carried out changes a ticket");
    audit::record(sql, now, by, "ticket", &meant.label.to_string())?;
    Ok(Ok(meant))
}

/// Entries older than the day that may stand in a row before it: filed again after a restore, or by a clock that was wrong for a while.
/// After so many nothing of the day is looked for any more.
const OLDER_MAX: u32 = 10_000;

/// The entries of each own journal, the newest first, until they are from before the day for good. What is no
/// page is an incident already and must not take the report of everything else with it.
pub(crate) fn pages_of_day(sql: &Connection, me: &NodeId, day: Day) -> Result<Vec<Page>, StoreError> {
    let own: Vec<i64> = sql
        .prepare_cached("SELECT no FROM journal WHERE author = ?1 ORDER BY no")
        .and_then(|mut s| s.query_map([me.as_str()], |row| row.get(0))?.collect())
        .broken("find own journals")?;
    let mut pages = Vec::new();
    for no in own {
        let of_day = positions_of_day(sql, no, day)?;
        for pos in of_day.into_iter().rev() {
            pages.extend(page_of(&queries::entry_at(sql, pos)?).ok());
        }
    }
    Ok(pages)
}

/// Where pages of the day stand in a journal, the newest first.
fn positions_of_day(sql: &Connection, no: i64, day: Day) -> Result<Vec<i64>, StoreError> {
    let mut statement = sql
        .prepare_cached("SELECT pos, core FROM entry WHERE pos >= ?1 AND pos < ?2 ORDER BY pos DESC")
        .broken("read a day")?;
    let mut rows =
        statement.query((journals::pos_of(no, 0), journals::pos_of(no + 1, 0))).broken("read a day")?;
    let (mut found, mut older) = (Vec::new(), 0);
    while let Some(row) = rows.next().broken("read a day")? {
        let core: Vec<u8> = row.get("core").broken("read a day")?;
        let core = Core::decode(core.as_slice()).map_err(|e| unreadable("read a day", e))?;
        let written = Timestamp::from_ms(core.claimed_ms).day();
        older = if written < day { older + 1 } else { 0 };
        if older > OLDER_MAX {
            break;
        }
        if written == day && core.kind == kind::PAGE {
            found.push(row.get("pos").broken("read a day")?);
        }
    }
    Ok(found)
}
