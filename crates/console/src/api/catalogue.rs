//! The next release of the catalogue: drafted item by item, checked as a whole, published.

use super::{Answer, Body, id};
use crate::Console;
use crate::auth::{ByToken, Source};
use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use casework::{DraftView, Proof};
use domain::ItemId;
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/catalogue/draft", get(draft))
        .route("/catalogue/draft/publish", post(publish))
        .route("/catalogue/draft/discard", post(discard))
        .route("/catalogue/items/{item}", get(item).put(save))
}

async fn draft(State(console): State<Console>, _: ByToken) -> Answer<DraftView> {
    Ok(Json(console.hall.catalogue_draft().await?))
}

async fn item(State(console): State<Console>, _: ByToken, Path(item): Path<String>) -> Answer<Value> {
    let (read, item) = console.hall.drafted_item(&id::<ItemId>(&item, "事项编号")?).await?;
    Ok(Json(json!({ "read": read, "item": item })))
}

#[derive(Deserialize)]
struct Saved {
    read: String,
    item: Value,
}

async fn save(
    State(console): State<Console>,
    ByToken(officer): ByToken,
    Path(name): Path<String>,
    Body(Saved { read, item }): Body<Saved>,
) -> Answer<DraftView> {
    console.hall.draft_item(&officer, &id(&name, "事项编号")?, &read, &item).await?;
    Ok(Json(console.hall.catalogue_draft().await?))
}

#[derive(Deserialize)]
struct Published {
    version: u32,
    proof: Proof,
}

async fn publish(
    State(console): State<Console>,
    ByToken(officer): ByToken,
    Source(source): Source,
    Body(Published { version, proof }): Body<Published>,
) -> Answer<Value> {
    let release = console.hall.sign_release(&officer, version, &proof, &source).await?;
    Ok(Json(json!({ "release": release })))
}

#[derive(Deserialize)]
struct Discarded {
    version: u32,
}

async fn discard(
    State(console): State<Console>,
    ByToken(officer): ByToken,
    Body(Discarded { version }): Body<Discarded>,
) -> Answer<Value> {
    console.hall.discard_draft(&officer.name, version).await?;
    Ok(Json(json!({})))
}
