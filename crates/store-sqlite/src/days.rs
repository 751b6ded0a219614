//! A day at the windows of this house: who was called, and what was written.

use crate::error::{Broken, unreadable};
use crate::{audit, journals};
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

/// Clocks that were set back mix the order of a journal by so many days at most; further back nothing of the day is looked for.
const MIXED_DAYS: i32 = 2;

/// The newest entries of each own journal are read until they are from well before the day.
pub(crate) fn pages_of_day(sql: &Connection, me: &NodeId, day: Day) -> Result<Vec<Page>, StoreError> {
    let own: Vec<i64> = sql
        .prepare_cached("SELECT no FROM journal WHERE author = ?1 ORDER BY no")
        .and_then(|mut s| s.query_map([me.as_str()], |row| row.get(0))?.collect())
        .broken("find own journals")?;
    let mut pages = Vec::new();
    for no in own {
        let mut statement = sql
            .prepare_cached("SELECT core, body FROM entry WHERE pos >= ?1 AND pos < ?2 ORDER BY pos DESC")
            .broken("read a day")?;
        let mut rows =
            statement.query((journals::pos_of(no, 0), journals::pos_of(no + 1, 0))).broken("read a day")?;
        let from = pages.len();
        while let Some(row) = rows.next().broken("read a day")? {
            let core: Vec<u8> = row.get("core").broken("read a day")?;
            let core = Core::decode(core.as_slice()).map_err(|e| unreadable("read a day", e))?;
            let written = Timestamp::from_ms(core.claimed_ms).day();
            if day.days_since(written) > MIXED_DAYS {
                break;
            }
            if written != day || core.kind != kind::PAGE {
                continue;
            }
            let body: Vec<u8> = row.get("body").broken("read a day")?;
            pages.push(serde_json::from_slice(&body).map_err(|e| unreadable("read a page", e))?);
        }
        pages[from..].reverse();
    }
    Ok(pages)
}
