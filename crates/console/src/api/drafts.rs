//! From an empty draft to a captured case.

use super::{Answer, Body, UPLOAD_BYTES_MAX, id};
use crate::Console;
use crate::auth::ByToken;
use crate::fault::Fault;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use casework::{CaseView, Requests};
use domain::form::{Form, FormFault};
use domain::{ItemId, MaterialId};
use serde::Deserialize;
use std::collections::BTreeMap;

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/drafts", get(drafts).post(start_draft))
        .route("/drafts/{draft}", get(draft).put(save_draft))
        .route("/drafts/{draft}/check", get(check_draft))
        .route(
            "/drafts/{draft}/materials/{material}",
            put(attach).layer(DefaultBodyLimit::max(UPLOAD_BYTES_MAX)),
        )
        .route("/drafts/{draft}/capture", post(capture))
        .route("/drafts/{draft}/changes", get(changes))
        .route("/drafts/{draft}/drop", post(throw_away))
        .route("/drafts/{draft}/requests", put(save_requests))
}

/// A draft of one item, or of a bundle.
#[derive(Deserialize)]
struct NewDraft {
    item: Option<ItemId>,
    bundle: Option<String>,
}

async fn start_draft(
    State(console): State<Console>,
    ByToken(officer): ByToken,
    Body(new): Body<NewDraft>,
) -> Answer<store::Draft> {
    match (new.item, new.bundle) {
        (Some(item), None) => Ok(Json(console.hall.start_draft(&officer, &item).await?)),
        (None, Some(bundle)) => Ok(Json(console.hall.start_bundle(&officer, &bundle).await?)),
        _ => Err(Fault::unfit("请写明 item(事项)或 bundle(一件事),二者之一")),
    }
}

#[derive(Deserialize)]
struct Whose {
    /// `true` lists those of colleagues too: an officer who has left leaves drafts behind.
    all: Option<bool>,
}

async fn drafts(
    State(console): State<Console>,
    ByToken(officer): ByToken,
    Query(Whose { all }): Query<Whose>,
) -> Answer<Vec<store::Draft>> {
    let whose = (all != Some(true)).then_some(officer.name.as_str());
    Ok(Json(console.hall.store.drafts(whose).await?))
}

async fn draft(
    State(console): State<Console>,
    _: ByToken,
    Path(draft): Path<String>,
) -> Answer<store::Draft> {
    Ok(Json(console.hall.draft(id(&draft, "草稿编号")?).await?))
}

#[derive(Deserialize)]
struct SavedForm {
    version: u32,
    form: Form,
    /// Of a bundle: what an item does not share with the others.
    own: Option<BTreeMap<ItemId, Form>>,
}

async fn save_draft(
    State(console): State<Console>,
    _: ByToken,
    Path(draft): Path<String>,
    Body(saved): Body<SavedForm>,
) -> Answer<store::Draft> {
    Ok(Json(console.hall.save_form(id(&draft, "草稿编号")?, saved.version, saved.form, saved.own).await?))
}

async fn check_draft(
    State(console): State<Console>,
    _: ByToken,
    Path(draft): Path<String>,
) -> Answer<Vec<FormFault>> {
    Ok(Json(console.hall.check_draft(id(&draft, "草稿编号")?).await?))
}

async fn attach(
    State(console): State<Console>,
    _: ByToken,
    Path((draft, material)): Path<(String, String)>,
    bytes: Bytes,
) -> Answer<store::Draft> {
    let (draft, material) = (id(&draft, "草稿编号")?, id::<MaterialId>(&material, "材料编号")?);
    Ok(Json(console.hall.attach(draft, material, bytes.to_vec()).await?))
}

async fn capture(
    State(console): State<Console>,
    ByToken(officer): ByToken,
    Path(draft): Path<String>,
) -> Answer<CaseView> {
    Ok(Json(console.hall.capture(&officer, id(&draft, "草稿编号")?).await?))
}

#[derive(Deserialize)]
struct SavedRequests {
    version: u32,
    #[serde(flatten)]
    requests: Requests,
}

async fn save_requests(
    State(console): State<Console>,
    _: ByToken,
    Path(draft): Path<String>,
    Body(asked): Body<SavedRequests>,
) -> Answer<store::Draft> {
    let SavedRequests { version, requests } = asked;
    Ok(Json(console.hall.save_requests(id(&draft, "草稿编号")?, version, requests).await?))
}

#[derive(Deserialize)]
struct Read {
    version: u32,
}

async fn throw_away(
    State(console): State<Console>,
    ByToken(officer): ByToken,
    Path(draft): Path<String>,
    Body(Read { version }): Body<Read>,
) -> Answer<serde_json::Value> {
    console.hall.drop_draft(&officer, id(&draft, "草稿编号")?, version).await?;
    Ok(Json(serde_json::json!({ "dropped": true })))
}

async fn changes(
    State(console): State<Console>,
    _: ByToken,
    Path(draft): Path<String>,
) -> Answer<Vec<domain::catalogue::Change>> {
    Ok(Json(console.hall.draft_changes(id(&draft, "草稿编号")?).await?))
}
