//! What a person must look at.

use super::{Answer, Body, id};
use crate::Console;
use crate::auth::ByToken;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use store::Incident;

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/incidents", get(incidents))
        .route("/incidents/retry", post(retry))
        .route("/incidents/{no}/retry", post(retry_one))
        .route("/incidents/{no}/settle", post(settle))
}

async fn incidents(State(console): State<Console>, _: ByToken) -> Answer<Vec<Incident>> {
    Ok(Json(console.hall.store.incidents().await?))
}

#[derive(Deserialize)]
struct Note {
    note: String,
}

async fn settle(
    State(console): State<Console>,
    ByToken(officer): ByToken,
    Path(no): Path<String>,
    Body(Note { note }): Body<Note>,
) -> Answer<Value> {
    console.hall.settle_incident(&officer, id(&no, "编号")?, &note).await?;
    Ok(Json(json!({})))
}

async fn retry_one(
    State(console): State<Console>,
    ByToken(officer): ByToken,
    Path(no): Path<String>,
) -> Answer<Value> {
    console.hall.try_one_again(&officer, id(&no, "编号")?).await?;
    Ok(Json(json!({})))
}

async fn retry(State(console): State<Console>, ByToken(officer): ByToken) -> Answer<Value> {
    console.hall.try_again(&officer).await?;
    Ok(Json(json!({})))
}
