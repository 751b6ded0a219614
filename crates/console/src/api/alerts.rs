//! Alerts of electronic supervision, and the limits that are near.

use super::{Answer, Body, id};
use crate::Console;
use crate::auth::ByToken;
use axum::extract::{Path, Query, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use domain::CaseNo;
use domain::supervision::{Alert, ConclusionKind, Rung};
use serde::Deserialize;
use store::{AlertLine, AlertQuery};

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/warnings", get(warnings))
        .route("/alerts", get(alerts))
        .route("/cases/{case}/alerts", get(of_case))
        .route("/cases/{case}/alerts/appeal", post(appeal))
        .route("/cases/{case}/alerts/conclude", post(conclude))
}

#[derive(Deserialize)]
struct Limited {
    limit: Option<u32>,
}

async fn warnings(
    State(console): State<Console>,
    ByToken(officer): ByToken,
    Query(Limited { limit }): Query<Limited>,
) -> Answer<Vec<casework::Warning>> {
    let within = console.hall.jurisdiction(&officer);
    Ok(Json(console.hall.warnings(within, limit.unwrap_or(50)).await?))
}

#[derive(Deserialize)]
struct Filter {
    rung: Option<Rung>,
    /// `true` leaves out those that have been concluded.
    open: Option<bool>,
    before: Option<u64>,
    limit: Option<u32>,
}

async fn alerts(
    State(console): State<Console>,
    ByToken(officer): ByToken,
    Query(filter): Query<Filter>,
) -> Answer<Vec<AlertLine>> {
    let Filter { rung, open, before, limit } = filter;
    let (within, limit) = (console.hall.jurisdiction(&officer), limit.unwrap_or(50));
    let query = AlertQuery { case: None, rung, open_only: open.unwrap_or(false), before, within, limit };
    Ok(Json(console.hall.store.alerts(query).await?))
}

async fn of_case(
    State(console): State<Console>,
    _: ByToken,
    Path(case): Path<String>,
) -> Answer<Vec<AlertLine>> {
    let case: CaseNo = id(&case, "办件编号")?;
    let query = AlertQuery { case: Some(case), limit: 200, ..AlertQuery::default() };
    Ok(Json(console.hall.store.alerts(query).await?))
}

#[derive(Deserialize)]
struct Appealing {
    key: String,
    text: String,
}

async fn appeal(
    State(console): State<Console>,
    ByToken(officer): ByToken,
    Path(case): Path<String>,
    Body(Appealing { key, text }): Body<Appealing>,
) -> Answer<Alert> {
    Ok(Json(console.hall.appeal(&officer, &id(&case, "办件编号")?, &key, &text, None).await?))
}

#[derive(Deserialize)]
struct Concluding {
    key: String,
    kind: ConclusionKind,
    text: String,
}

async fn conclude(
    State(console): State<Console>,
    ByToken(officer): ByToken,
    Path(case): Path<String>,
    Body(Concluding { key, kind, text }): Body<Concluding>,
) -> Answer<Alert> {
    Ok(Json(console.hall.conclude(&officer, &id(&case, "办件编号")?, &key, kind, &text).await?))
}
