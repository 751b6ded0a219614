//! Licences, fees, and badly rated matters.

use super::{Answer, Body, id};
use crate::Console;
use crate::auth::ByToken;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use casework::{Fees, LicenceView, Rated, RectificationView};
use domain::Day;
use domain::library::{LicenceState, StateChange};
use domain::rating::StepBody;
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/licences/{number}", get(licence))
        .route("/licences/{number}/state", post(change))
        .route("/cases/{case}/fees", get(fees))
        .route("/ratings", get(ratings))
        .route("/rectifications", get(rectifications))
        .route("/cases/{case}/rectification", get(rectification).post(rectify))
}

async fn licence(
    State(console): State<Console>,
    _: ByToken,
    Path(number): Path<String>,
) -> Answer<LicenceView> {
    Ok(Json(console.hall.licence_view(&id(&number, "证照编号")?).await?))
}

#[derive(Deserialize)]
struct Change {
    state: LicenceState,
    from: Option<Day>,
    reason: String,
}

async fn change(
    State(console): State<Console>,
    ByToken(officer): ByToken,
    Path(number): Path<String>,
    Body(asked): Body<Change>,
) -> Answer<Value> {
    let Change { state, from, reason } = asked;
    let from = from.unwrap_or_else(|| console.hall.now().day());
    let change = StateChange { number: id(&number, "证照编号")?, state, from, reason };
    console.hall.change_licence(&officer.name, &change).await?;
    Ok(Json(json!({})))
}

async fn fees(State(console): State<Console>, _: ByToken, Path(case): Path<String>) -> Answer<Fees> {
    Ok(Json(console.hall.fees(&id(&case, "办件编号")?).await?))
}

async fn ratings(State(console): State<Console>, ByToken(officer): ByToken) -> Answer<Vec<Rated>> {
    Ok(Json(console.hall.ratings_of(&officer).await?))
}

async fn rectifications(
    State(console): State<Console>,
    ByToken(officer): ByToken,
) -> Answer<Vec<RectificationView>> {
    Ok(Json(console.hall.rectifications_of(&officer).await?))
}

async fn rectification(
    State(console): State<Console>,
    _: ByToken,
    Path(case): Path<String>,
) -> Answer<Vec<RectificationView>> {
    Ok(Json(console.hall.rectifications(Some(id(&case, "办件编号")?)).await?))
}

async fn rectify(
    State(console): State<Console>,
    ByToken(officer): ByToken,
    Path(case): Path<String>,
    Body(body): Body<StepBody>,
) -> Answer<RectificationView> {
    Ok(Json(console.hall.rectify(&officer, &id(&case, "办件编号")?, body, None).await?))
}
