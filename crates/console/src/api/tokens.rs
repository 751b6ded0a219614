//! Tokens that let machines into the network.

use super::{Answer, Body};
use crate::Console;
use crate::auth::{ByToken, Source};
use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use casework::{NewToken, OpenToken, Proof, Seating};
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) fn routes() -> Router<Console> {
    Router::new().route("/tokens", get(open).post(issue)).route("/tokens/{token}/void", post(void))
}

async fn open(State(console): State<Console>, _: ByToken) -> Answer<Vec<OpenToken>> {
    Ok(Json(console.hall.open_tokens().await?))
}

#[derive(Deserialize)]
struct Wanted {
    seating: Seating,
    hours: u32,
    proof: Proof,
}

async fn issue(
    State(console): State<Console>,
    ByToken(officer): ByToken,
    Source(source): Source,
    Body(Wanted { seating, hours, proof }): Body<Wanted>,
) -> Answer<NewToken> {
    let ca = console.ca()?.fingerprint();
    Ok(Json(console.hall.sign_token(&officer, &seating, &ca, hours, &proof, &source).await?))
}

async fn void(
    State(console): State<Console>,
    ByToken(officer): ByToken,
    Path(token): Path<String>,
) -> Answer<Value> {
    console.hall.void_token(&officer, &token).await?;
    Ok(Json(json!({})))
}
