//! What an officer does to a case: the stage verbs, resubmission, slips, withdrawal, recall.

use super::{Answer, Body, UPLOAD_BYTES_MAX, id};
use crate::Console;
use crate::auth::ByToken;
use crate::fault::Fault;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use casework::{CaseView, Order};
use domain::clock::Procedure;
use domain::dossier::{NotAcceptedGround, Outcome};
use domain::form::{Form, FormFault};
use domain::{EntryId, MaterialId, StageId};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/cases/{case}/stages/{stage}/{verb}", post(act))
        .route("/cases/{case}/resubmit", post(resubmit).layer(DefaultBodyLimit::max(8 * UPLOAD_BYTES_MAX)))
        .route("/cases/{case}/slips", post(slip))
        .route("/cases/{case}/withdraw", post(withdraw))
        .route("/cases/{case}/recall", post(recall))
        .route("/cases/{case}/make-up", post(make_up).layer(DefaultBodyLimit::max(8 * UPLOAD_BYTES_MAX)))
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
    slip: Option<EntryId>,
    article: Option<String>,
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
        slip,
        article,
    } = fields;
    let slip = || slip.ok_or_else(|| Fault::unfit("缺少 slip(补交便条的编号)"));
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
            article,
        },
        "take-make-up" => Order::TakeMakeUp { stage, slip: slip()? },
        "refuse-make-up" => Order::RefuseMakeUp { stage, slip: slip()?, reason },
        "commitment-false" => Order::BreakCommitment { stage, finding },
        "decline-green" => Order::DeclineGreen { stage, reason },
        "issue" => Order::Issue { stage, opinion },
        "deliver" => Order::Deliver { stage, receiver, proof },
        _ => {
            return Err(Fault::new(
                StatusCode::NOT_FOUND,
                "not_found",
                "没有这个操作;操作清单见 /api/v1/openapi.json",
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
    let scans = decoded(again.materials)?;
    Ok(Json(console.hall.resubmit(&officer, &id(&case, "办件编号")?, again.form, scans).await?))
}

fn decoded(materials: BTreeMap<MaterialId, String>) -> Result<Vec<(MaterialId, Vec<u8>)>, Fault> {
    let decode = |(material, text): (MaterialId, String)| {
        let bytes = STANDARD.decode(text);
        bytes.map_err(|_| Fault::unfit(format!("材料 {material} 不是 base64"))).map(|bytes| (material, bytes))
    };
    materials.into_iter().map(decode).collect()
}

#[derive(Deserialize)]
struct MakeUp {
    /// Scans of what was promised: material id → base64.
    materials: BTreeMap<MaterialId, String>,
}

async fn make_up(
    State(console): State<Console>,
    ByToken(officer): ByToken,
    Path(case): Path<String>,
    Body(brought): Body<MakeUp>,
) -> Answer<Value> {
    let scans = decoded(brought.materials)?;
    let slip = console.hall.make_up(&officer, &id(&case, "办件编号")?, scans).await?;
    Ok(Json(json!({ "slip": slip })))
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
