//! `/api/v1`: every step of the work, for a person's program. The routes are listed, with their meaning, in `openapi`.

mod alerts;

use crate::Console;
use crate::auth::{ByToken, bearer};
use crate::fault::Fault;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header, request::Parts};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use casework::{CaseView, Order};
use domain::clock::{Explained, Procedure};
use domain::dossier::{NotAcceptedGround, Outcome, Status};
use domain::form::{Form, FormFault};
use domain::{CaseNo, Day, EntryId, ItemId, MaterialId, NodeId, OrgId, StageId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::atomic::Ordering;
use store::{CaseQuery, TaskQuery};

type Answer<T> = Result<Json<T>, Fault>;

/// A scan and what JSON adds around it.
const UPLOAD_BYTES_MAX: usize = 12 * 1024 * 1024;

pub(crate) fn routes() -> Router<Console> {
    Router::new()
        .route("/login", post(log_in))
        .route("/logout", post(log_out))
        .route("/openapi.json", get(async |_: ByToken| Json(crate::openapi::document())))
        .route("/status", get(status))
        .route("/sync", post(sync))
        .route("/items", get(items))
        .route("/items/{item}", get(item))
        .route("/drafts", get(drafts).post(start_draft))
        .route("/drafts/{draft}", get(draft).put(save_draft))
        .route("/drafts/{draft}/check", get(check_draft))
        .route(
            "/drafts/{draft}/materials/{material}",
            put(attach).layer(DefaultBodyLimit::max(UPLOAD_BYTES_MAX)),
        )
        .route("/drafts/{draft}/capture", post(capture))
        .route("/queue", get(queue))
        .route("/cases", get(cases))
        .route("/cases/{case}", get(case))
        .route("/cases/{case}/explain", get(explain))
        .route("/cases/{case}/history", get(history))
        .route("/cases/{case}/submission", get(submission))
        .route("/cases/{case}/stages/{stage}/{verb}", post(act))
        .route("/cases/{case}/resubmit", post(resubmit).layer(DefaultBodyLimit::max(8 * UPLOAD_BYTES_MAX)))
        .route("/cases/{case}/slips", post(slip))
        .route("/cases/{case}/withdraw", post(withdraw))
        .route("/cases/{case}/recall", post(recall))
        .route("/cases/{case}/attachments/{hash}", get(attachment))
        .route("/calendar/due", get(due))
        .route("/nodes", get(nodes))
        .route("/incidents", get(incidents))
        .merge(alerts::routes())
        .fallback(async || {
            Fault::new(StatusCode::NOT_FOUND, "not_found", "没有这个接口;接口清单见 /api/v1/openapi.json")
        })
}

/// JSON in, with a refusal that names the field instead of axum's English one.
struct Body<T>(T);

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
fn id<T: FromStr>(text: &str, what: &'static str) -> Result<T, Fault> {
    text.parse().map_err(|_| {
        Fault::new(StatusCode::NOT_FOUND, "not_found", format!("{what}的格式不对:请检查是否抄错"))
    })
}

#[derive(Deserialize)]
struct Credentials {
    name: String,
    password: String,
}

async fn log_in(State(console): State<Console>, Body(credentials): Body<Credentials>) -> Answer<Value> {
    let _turn = console.password_gate.acquire().await.map_err(|_| Fault::logged_out())?;
    let (token, officer) = console.hall.log_in(&credentials.name, &credentials.password).await?;
    Ok(Json(json!({ "token": token, "officer": officer })))
}

async fn log_out(State(console): State<Console>, _: ByToken, parts: Parts) -> Answer<Value> {
    if let Some(token) = bearer(&parts) {
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
    Ok(Json(json!({
        "node": console.hall.me(), "name": console.name, "version": env!("CARGO_PKG_VERSION"), "catalogue_release": release,
        "counts": counts, "outbox": outbox, "link": link,
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
            "decision_tier": item.decision_tier, "promised": item.promised, "village_service": item.village_service,
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
struct NewDraft {
    item: ItemId,
}

async fn start_draft(
    State(console): State<Console>,
    ByToken(officer): ByToken,
    Body(new): Body<NewDraft>,
) -> Answer<store::Draft> {
    Ok(Json(console.hall.start_draft(&officer, &new.item).await?))
}

async fn drafts(State(console): State<Console>, ByToken(officer): ByToken) -> Answer<Vec<store::Draft>> {
    Ok(Json(console.hall.store.drafts(&officer.name).await?))
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
}

async fn save_draft(
    State(console): State<Console>,
    _: ByToken,
    Path(draft): Path<String>,
    Body(saved): Body<SavedForm>,
) -> Answer<store::Draft> {
    Ok(Json(console.hall.save_form(id(&draft, "草稿编号")?, saved.version, saved.form).await?))
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
struct QueueFilter {
    body: Option<OrgId>,
    limit: Option<u32>,
}

async fn queue(
    State(console): State<Console>,
    ByToken(officer): ByToken,
    Query(filter): Query<QueueFilter>,
) -> Answer<Vec<store::TaskLine>> {
    let query = TaskQuery { body: filter.body.or(officer.body), limit: filter.limit.unwrap_or(20) };
    Ok(Json(console.hall.store.tasks(query).await?))
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
    _: ByToken,
    Query(filter): Query<CaseFilter>,
) -> Answer<Vec<store::CaseLine>> {
    let CaseFilter { status, holder, origin, after, limit } = filter;
    Ok(Json(
        console
            .hall
            .store
            .cases(CaseQuery { status, holder, origin, after, limit: limit.unwrap_or(20) })
            .await?,
    ))
}

async fn case(State(console): State<Console>, _: ByToken, Path(case): Path<String>) -> Answer<CaseView> {
    Ok(Json(console.hall.view(&id(&case, "办件编号")?).await?))
}

async fn history(
    State(console): State<Console>,
    _: ByToken,
    Path(case): Path<String>,
) -> Answer<Vec<store::HistoryLine>> {
    Ok(Json(console.hall.store.history(&id(&case, "办件编号")?).await?))
}

async fn submission(
    State(console): State<Console>,
    _: ByToken,
    Path(case): Path<String>,
) -> Answer<Option<impl Serialize>> {
    Ok(Json(console.hall.store.current_submission(&id(&case, "办件编号")?).await?))
}

/// The fields of all stage verbs; each verb reads its own.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct ActFields {
    agrees: Option<bool>,
    opinion: String,
    outcome: Option<Outcome>,
    text: String,
    faults: Vec<FormFault>,
    again: Option<String>,
    ground: Option<NotAcceptedGround>,
    procedure: Option<Procedure>,
    basis: String,
    days: u32,
    finding: String,
    reason: String,
    receiver: String,
    proof: String,
}

fn order(verb: &str, stage: StageId, fields: ActFields) -> Result<Order, Fault> {
    let ActFields {
        agrees,
        opinion,
        outcome,
        text,
        faults,
        again,
        ground,
        procedure,
        basis,
        days,
        finding,
        reason,
        receiver,
        proof,
    } = fields;
    Ok(match verb {
        "claim" => Order::Claim { stage },
        "release" => Order::Release { stage },
        "complete" => Order::Complete {
            stage,
            agrees: agrees.ok_or_else(|| Fault::unfit("缺少 agrees(true 同意,false 不同意)"))?,
            opinion,
        },
        "return" => Order::Return { stage, faults, again },
        "not-accept" => Order::NotAccept {
            stage,
            ground: ground.ok_or_else(|| {
                Fault::unfit("缺少 ground(not_needed、not_ours:competent 或 unmet:article)")
            })?,
            text,
        },
        "suspend" => Order::Suspend {
            stage,
            procedure: procedure.ok_or_else(|| {
                Fault::unfit(
                    "缺少 procedure(hearing、tender、auction、inspection、appraisal 或 expert_review)",
                )
            })?,
            basis,
            days,
        },
        "resume" => Order::Resume { stage, finding },
        "extend" => Order::Extend { stage, days, reason },
        "decide" => Order::Decide {
            stage,
            outcome: outcome.ok_or_else(|| Fault::unfit("缺少 outcome(granted 或 refused)"))?,
            text,
        },
        "issue" => Order::Issue { stage, opinion },
        "deliver" => Order::Deliver { stage, receiver, proof },
        _ => {
            return Err(Fault::new(
                StatusCode::NOT_FOUND,
                "not_found",
                "操作应为 claim、release、complete、return、not-accept、suspend、resume、extend、decide、issue 或 deliver",
            ));
        }
    })
}

/// `Idempotency-Key: <uuid>` makes a retry harmless.
fn request_id(headers: &HeaderMap) -> Result<Option<EntryId>, Fault> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    let parsed = key.to_str().ok().and_then(|key| key.parse().ok());
    parsed.map(Some).ok_or_else(|| Fault::unfit("Idempotency-Key 应为 UUID"))
}

async fn act(
    State(console): State<Console>,
    ByToken(officer): ByToken,
    Path((case, stage, verb)): Path<(String, String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer<CaseView> {
    let fields = if body.is_empty() {
        ActFields::default()
    } else {
        serde_json::from_slice(&body)
            .map_err(|_| Fault::unfit("请求内容与操作不符:请对照 /api/v1/openapi.json"))?
    };
    let order = order(&verb, id(&stage, "环节编号")?, fields)?;
    Ok(Json(console.hall.perform(&officer, &id(&case, "办件编号")?, order, request_id(&headers)?).await?))
}

#[derive(Deserialize)]
struct Resubmission {
    form: Form,
    /// Scans handed in anew: material id → base64.
    #[serde(default)]
    materials: BTreeMap<MaterialId, String>,
}

async fn resubmit(
    State(console): State<Console>,
    ByToken(officer): ByToken,
    Path(case): Path<String>,
    Body(again): Body<Resubmission>,
) -> Answer<CaseView> {
    let mut scans = Vec::new();
    for (material, text) in again.materials {
        let bytes =
            STANDARD.decode(text).map_err(|_| Fault::unfit(format!("材料 {material} 不是 base64")))?;
        scans.push((material, bytes));
    }
    Ok(Json(console.hall.resubmit(&officer, &id(&case, "办件编号")?, again.form, scans).await?))
}

#[derive(Deserialize)]
struct NewSlip {
    kind: String,
    #[serde(default)]
    text: String,
}

async fn slip(
    State(console): State<Console>,
    ByToken(officer): ByToken,
    Path(case): Path<String>,
    Body(new): Body<NewSlip>,
) -> Answer<Value> {
    let slip = console.hall.add_slip(&officer, &id(&case, "办件编号")?, &new.kind, new.text).await?;
    Ok(Json(json!({ "slip": slip })))
}

#[derive(Deserialize)]
struct SlipRef {
    slip: EntryId,
}

async fn withdraw(
    State(console): State<Console>,
    ByToken(officer): ByToken,
    Path(case): Path<String>,
    headers: HeaderMap,
    Body(of): Body<SlipRef>,
) -> Answer<CaseView> {
    let order = Order::Withdraw { slip: of.slip };
    Ok(Json(console.hall.perform(&officer, &id(&case, "办件编号")?, order, request_id(&headers)?).await?))
}

async fn recall(
    State(console): State<Console>,
    ByToken(officer): ByToken,
    Path(case): Path<String>,
    headers: HeaderMap,
) -> Answer<CaseView> {
    Ok(Json(
        console.hall.perform(&officer, &id(&case, "办件编号")?, Order::Recall, request_id(&headers)?).await?,
    ))
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
        view.dossier.attachments.iter().find(|attachment| attachment.hash == hash).ok_or_else(not_here)?;
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

async fn nodes(State(console): State<Console>, _: ByToken) -> Answer<Vec<casework::NodeStatus>> {
    Ok(Json(console.hall.nodes().await?))
}

async fn incidents(State(console): State<Console>, _: ByToken) -> Answer<Vec<store::Incident>> {
    Ok(Json(console.hall.store.incidents().await?))
}
