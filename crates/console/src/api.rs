//! `/api/v1`: every step of the work, for a person's program. The routes are listed, with their meaning, in `openapi`.

mod acts;
mod alerts;
mod authority;
mod catalogue;
mod drafts;
mod incidents;
mod library;
pub(crate) mod people;
mod tokens;
mod windows;

pub(crate) use acts::Act;
pub(crate) use windows::{label_of, order_of};

use crate::Console;
use crate::auth::{ByToken, Source, bearer};
use crate::fault::Fault;
use axum::body::Bytes;
use axum::extract::{FromRequest, Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use casework::CaseView;
use domain::access::Jurisdiction;
use domain::clock::Explained;
use domain::dossier::Status;
use domain::{CaseNo, Day, ItemId, NodeId, OrgId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::str::FromStr;
use std::sync::atomic::Ordering;
use store::{CaseQuery, TaskQuery};

type Answer<T> = Result<Json<T>, Fault>;

/// A scan and what JSON adds around it.
const UPLOAD_BYTES_MAX: usize = 12 * 1024 * 1024;

pub(crate) fn routes(console: Console) -> Router<Console> {
    Router::new()
        .route("/login", post(log_in))
        .route("/logout", post(log_out))
        .route("/openapi.json", get(async |_: ByToken| Json(crate::openapi::document())))
        .route("/status", get(status))
        .route("/sync", post(sync))
        .route("/items", get(items))
        .route("/items/{item}", get(item))
        .route("/queue", get(queue))
        .route("/cases", get(cases))
        .route("/cases/{case}", get(case))
        .route("/cases/{case}/explain", get(explain))
        .route("/cases/{case}/bundle", get(bundle))
        .route("/cases/{case}/history", get(history))
        .route("/cases/{case}/submission", get(submission))
        .route("/cases/{case}/attachments/{hash}", get(attachment))
        .route("/standards", get(standards))
        .route("/calendar/due", get(due))
        .route("/nodes", get(nodes))
        .route("/reconciliation", get(reconciliation))
        .route("/slips/look", post(look_at_slip))
        .merge(drafts::routes())
        .merge(acts::routes())
        .merge(authority::routes())
        .merge(catalogue::routes())
        .merge(library::routes())
        .merge(alerts::routes())
        .merge(crate::print::api_routes())
        .merge(people::routes())
        .merge(tokens::routes())
        .merge(windows::routes())
        .merge(incidents::routes())
        .fallback(async || Fault::no_route())
        .layer(axum::middleware::from_fn_with_state(console, crate::auth::admit))
}

/// JSON in, with a refusal that names the field instead of axum's English one.
pub(crate) struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Fault;
    async fn from_request(request: Request, state: &S) -> Result<Self, Fault> {
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|_| Fault::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "请求太大"))?;
        // The position, not the content: what was typed may be a citizen's (I33).
        let parsed = serde_json::from_slice(&bytes);
        parsed.map(Body).map_err(|e| {
            Fault::unfit(format!(
                "请求不是所要的 JSON(第 {} 行第 {} 列附近):请对照 /api/v1/openapi.json",
                e.line(),
                e.column()
            ))
        })
    }
}

/// A path segment as the id it must be.
pub(crate) fn id<T: FromStr>(text: &str, what: &'static str) -> Result<T, Fault> {
    text.parse().map_err(|_| {
        Fault::new(StatusCode::NOT_FOUND, "not_found", format!("{what}的格式不对:请检查是否抄错"))
    })
}

#[derive(Deserialize)]
struct Credentials {
    name: String,
    #[serde(flatten)]
    proof: casework::Proof,
}

async fn log_in(
    State(console): State<Console>,
    Source(source): Source,
    Body(Credentials { name, proof }): Body<Credentials>,
) -> Answer<Value> {
    let (token, officer) = console.hall.log_in(&name, &proof, &source).await?;
    Ok(Json(json!({ "token": token, "officer": officer })))
}

async fn log_out(State(console): State<Console>, _: ByToken, headers: HeaderMap) -> Answer<Value> {
    if let Some(token) = bearer(&headers) {
        console.hall.log_out(token).await?;
    }
    Ok(Json(json!({})))
}

async fn status(State(console): State<Console>, _: ByToken) -> Answer<Value> {
    let counts = console.hall.counts().await?;
    let outbox = console.hall.outbox().await?;
    let link = console.uplink.as_ref().map(|link| {
        json!({
            "connected": link.connected.load(Ordering::Relaxed),
            "last_contact": link.last_contact(),
            "last_error": link.last_error(),
            "attempts": link.attempts.load(Ordering::Relaxed),
        })
    });
    let release = console.hall.store.pack(None).map(|(release, _)| release);
    let letters = console.hall.store.delegations().iter().count();
    Ok(Json(json!({
        "node": console.hall.me(), "name": console.name, "version": env!("CARGO_PKG_VERSION"), "catalogue_release": release,
        "letters": letters,
        "counts": counts, "outbox": outbox, "link": link, "recovery": console.hall.store.recovery(),
    })))
}

async fn sync(State(console): State<Console>, _: ByToken) -> Answer<Value> {
    if let Some(link) = &console.uplink {
        link.poke.notify_one();
    }
    Ok(Json(json!({})))
}

async fn items(State(console): State<Console>, _: ByToken) -> Answer<Value> {
    let (release, pack) = console.hall.pack(None)?;
    let line = |item: &std::sync::Arc<domain::catalogue::Item>| {
        json!({
            "id": item.id, "name": item.name, "body": item.body, "body_name": pack.org_name(&item.body), "handling": item.handling,
            "life": item.life, "decision_tier": item.decision_tier, "promised": item.promised, "village_service": item.village_service,
        })
    };
    Ok(Json(
        json!({ "release": release, "items": pack.items.values().map(line).collect::<Vec<_>>(), "bundles": pack.bundles }),
    ))
}

async fn item(
    State(console): State<Console>,
    _: ByToken,
    Path(item): Path<String>,
) -> Result<Response, Fault> {
    let item: ItemId = id(&item, "事项编号")?;
    let (_, pack, _) = console.hall.item(None, &item)?;
    let guide = pack.guides.get(&item).map(|guide| guide.to_string()).unwrap_or_default();
    Ok(([(header::CONTENT_TYPE, "application/json")], guide).into_response())
}

#[derive(Deserialize)]
struct QueueFilter {
    body: Option<OrgId>,
    limit: Option<u32>,
}

async fn queue(
    State(console): State<Console>,
    ByToken(officer): ByToken,
    Query(filter): Query<QueueFilter>,
) -> Answer<Vec<store::TaskLine>> {
    // An officer of a department works its queue and no other.
    let within = console.hall.jurisdiction(&officer);
    let body = officer.body.clone().filter(|_| within != Jurisdiction::Everything).or(filter.body);
    let limit = filter.limit.unwrap_or(20);
    let query = TaskQuery { body: body.or(officer.body.clone()), within, limit, ..TaskQuery::default() };
    let tasks = console.hall.store.tasks(query).await?;
    console.may_list(&officer, tasks.iter().map(|task| &task.case))?;
    Ok(Json(tasks))
}

#[derive(Deserialize)]
struct CaseFilter {
    status: Option<Status>,
    holder: Option<NodeId>,
    origin: Option<NodeId>,
    after: Option<CaseNo>,
    limit: Option<u32>,
}

async fn cases(
    State(console): State<Console>,
    ByToken(officer): ByToken,
    Query(filter): Query<CaseFilter>,
) -> Answer<Vec<store::CaseLine>> {
    let CaseFilter { status, holder, origin, after, limit } = filter;
    let within = console.hall.jurisdiction(&officer);
    let limit = limit.unwrap_or(20);
    let query = CaseQuery { status, holder, origin, after, within, limit, ..CaseQuery::default() };
    let lines = console.hall.store.cases(query).await?;
    console.may_list(&officer, lines.iter().map(|line| &line.case))?;
    Ok(Json(lines))
}

async fn case(State(console): State<Console>, _: ByToken, Path(case): Path<String>) -> Answer<CaseView> {
    Ok(Json(console.hall.view(&id(&case, "办件编号")?).await?))
}

async fn bundle(
    State(console): State<Console>,
    _: ByToken,
    Path(case): Path<String>,
) -> Answer<casework::BundleView> {
    Ok(Json(console.hall.bundle(&id(&case, "办件编号")?).await?))
}

async fn history(
    State(console): State<Console>,
    ByToken(officer): ByToken,
    Path(case): Path<String>,
) -> Answer<Vec<store::HistoryLine>> {
    Ok(Json(console.hall.history(&officer, &id(&case, "办件编号")?).await?))
}

async fn submission(
    State(console): State<Console>,
    _: ByToken,
    Path(case): Path<String>,
) -> Answer<Option<impl Serialize>> {
    Ok(Json(console.hall.store.current_submission(&id(&case, "办件编号")?).await?))
}

async fn attachment(
    State(console): State<Console>,
    _: ByToken,
    Path((case, hash)): Path<(String, String)>,
) -> Result<Response, Fault> {
    let view = console.hall.view(&id(&case, "办件编号")?).await?;
    // Only papers of the case that was opened: a hash alone opens nothing.
    let not_here = || Fault::new(StatusCode::NOT_FOUND, "not_found", "附件不属于该件,或还没有传到本节点");
    let attachment =
        view.dossier.all_attachments().find(|attachment| attachment.hash == hash).ok_or_else(not_here)?;
    let (blobs, name, bytes) = (console.hall.blobs.clone(), hash.clone(), attachment.bytes as usize);
    let read =
        tokio::task::spawn_blocking(move || blobs.read(&name, 0, bytes)).await.map_err(|_| not_here())?;
    let content = read.map_err(|_| not_here())?;
    Ok(([(header::CONTENT_TYPE, attachment.mime.clone())], content).into_response())
}

async fn explain(
    State(console): State<Console>,
    _: ByToken,
    Path(case): Path<String>,
) -> Answer<Vec<Explained>> {
    Ok(Json(console.hall.view(&id(&case, "办件编号")?).await?.timers))
}

#[derive(Deserialize)]
struct DueQuery {
    anchor: Day,
    working_days: u32,
}

async fn due(State(console): State<Console>, _: ByToken, query: Query<DueQuery>) -> Answer<casework::Due> {
    let Query(DueQuery { anchor, working_days }) = query;
    Ok(Json(console.hall.due(anchor, working_days)?))
}

async fn standards(State(console): State<Console>, _: ByToken) -> Answer<domain::standards::Summary> {
    Ok(Json(console.hall.standards()?))
}

async fn nodes(State(console): State<Console>, _: ByToken) -> Answer<Vec<casework::NodeStatus>> {
    Ok(Json(console.hall.nodes().await?))
}

async fn reconciliation(
    State(console): State<Console>,
    _: ByToken,
) -> Answer<casework::reconcile::Reconciliation> {
    Ok(Json(console.hall.reconcile().await?))
}

#[derive(Deserialize)]
struct SlipText {
    text: String,
}

async fn look_at_slip(
    State(console): State<Console>,
    _: ByToken,
    Body(SlipText { text }): Body<SlipText>,
) -> Answer<Value> {
    let (claim, finding) = console.hall.look_at_slip(&text).await?;
    Ok(Json(
        json!({ "case": claim.case, "village": claim.node, "entry": claim.entry_hash, "finding": finding }),
    ))
}
