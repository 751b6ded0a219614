//! The windows of a house: numbers taken and called, and what was done on a day.

use super::{Answer, Body};
use crate::Console;
use crate::auth::ByToken;
use crate::fault::Fault;
use axum::extract::{Path, Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use casework::{ActError, DayReport};
use domain::ticket::{BadLabel, Label, Matter, Order, Ticket};
use domain::{Day, EntryId};
use serde::Deserialize;

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/tickets", get(tickets).post(take))
        .route("/tickets/call", post(call))
        .route("/tickets/{ticket}", post(change))
        .route("/daily", get(daily))
}

async fn tickets(State(console): State<Console>, _: ByToken) -> Answer<Vec<Ticket>> {
    Ok(Json(console.hall.tickets().await?))
}

#[derive(Deserialize)]
struct Taken {
    matter: Matter,
    #[serde(default)]
    first: bool,
    request: Option<EntryId>,
}

async fn take(
    State(console): State<Console>,
    ByToken(officer): ByToken,
    Body(Taken { matter, first, request }): Body<Taken>,
) -> Answer<Ticket> {
    let order = Order::Take { matter, first };
    Ok(Json(console.hall.act_on_tickets(&officer, order, request).await?))
}

#[derive(Deserialize)]
struct Called {
    window: u8,
    matter: Option<Matter>,
    request: Option<EntryId>,
}

async fn call(
    State(console): State<Console>,
    ByToken(officer): ByToken,
    Body(Called { window, matter, request }): Body<Called>,
) -> Answer<Ticket> {
    let order = Order::Call { window, matter };
    Ok(Json(console.hall.act_on_tickets(&officer, order, request).await?))
}

pub(crate) fn label_of(text: &str) -> Result<Label, Fault> {
    text.parse().map_err(|bad: BadLabel| ActError::Unfit { what: "ticket", reason: bad.to_string() }.into())
}

/// What is done with a number that is out.
pub(crate) fn order_of(label: &str, verb: &str) -> Result<Order, Fault> {
    let label = label_of(label)?;
    match verb {
        "again" => Ok(Order::Again { label }),
        "done" => Ok(Order::Done { label }),
        "miss" => Ok(Order::Miss { label }),
        "back" => Ok(Order::Back { label }),
        _ => Err(Fault::unfit("这个号只能再叫、办完、过号或重排")),
    }
}

#[derive(Deserialize)]
struct Changed {
    verb: String,
    request: Option<EntryId>,
}

async fn change(
    State(console): State<Console>,
    ByToken(officer): ByToken,
    Path(label): Path<String>,
    Body(Changed { verb, request }): Body<Changed>,
) -> Answer<Ticket> {
    let order = order_of(&label, &verb)?;
    Ok(Json(console.hall.act_on_tickets(&officer, order, request).await?))
}

#[derive(Deserialize)]
struct Wanted {
    day: Option<String>,
}

async fn daily(
    State(console): State<Console>,
    _: ByToken,
    Query(Wanted { day }): Query<Wanted>,
) -> Answer<DayReport> {
    let day = match day {
        Some(text) => text.parse::<Day>().map_err(|_| Fault::unfit("day 应为 2026-11-28 这样的日期"))?,
        None => console.hall.now().day(),
    };
    Ok(Json(console.hall.day_report(day).await?))
}
