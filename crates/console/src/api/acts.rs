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
use casework::CaseView;
use domain::clock::Procedure;
use domain::delivery::{Channel, OriginalStep, Proof, ProofKind};
use domain::dossier::decide::Command;
use domain::dossier::{NotAcceptedGround, Outcome};
use domain::fee::Charge;
use domain::form::{Form, FormFault};
use domain::inspection::Slot;
use domain::rating::Rating;
use domain::{Day, EntryId, MaterialId, OrgId, StageId};
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
        .route("/cases/{case}/rate", post(rate))
        .route("/cases/{case}/originals", post(move_original))
        .route(
            "/cases/{case}/delivery-photo",
            post(delivery_photo).layer(DefaultBodyLimit::max(UPLOAD_BYTES_MAX)),
        )
        .route("/cases/{case}/make-up", post(make_up).layer(DefaultBodyLimit::max(8 * UPLOAD_BYTES_MAX)))
}

/// The body of an act with the verb it came under, so that each verb reads its own fields and no others.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum Act {
    Claim {},
    Release {},
    Complete {
        agrees: bool,
        #[serde(default)]
        opinion: String,
        #[serde(default)]
        officers: Vec<String>,
    },
    CheckOriginals {
        materials: Vec<MaterialId>,
    },
    Reassign {
        to: String,
        reason: String,
    },
    Return {
        faults: Vec<FormFault>,
        again: Option<String>,
    },
    NotAccept {
        ground: NotAcceptedGround,
        text: String,
    },
    Suspend {
        procedure: Procedure,
        basis: String,
        days: u32,
    },
    Resume {
        finding: String,
    },
    Extend {
        days: u32,
        reason: String,
    },
    Post {
        place: String,
    },
    ProposeInspection {
        slots: Vec<Slot>,
    },
    ConfirmInspection {
        body: Option<OrgId>,
        slots: Vec<u32>,
    },
    FixInspection {
        slot: u32,
    },
    HoldInspection {
        officers: Vec<String>,
        #[serde(default)]
        absent: Vec<OrgId>,
    },
    FindInspection {
        body: Option<OrgId>,
        passed: bool,
        #[serde(default)]
        text: String,
    },
    NoticeHearing {
        on: Day,
        place: String,
    },
    HoldHearing {
        record: String,
    },
    Charge {
        fee: String,
        amount_fen: i64,
        #[serde(default)]
        receipt: String,
        waived: Option<String>,
    },
    TakeMakeUp {
        slip: EntryId,
    },
    RefuseMakeUp {
        slip: EntryId,
        reason: String,
    },
    CommitmentFalse {
        finding: String,
    },
    DeclineGreen {
        reason: String,
    },
    Decide {
        outcome: Outcome,
        #[serde(default)]
        text: String,
        article: Option<String>,
    },
    Issue {
        #[serde(default)]
        opinion: String,
    },
    Dispatch {
        carrier: String,
        waybill: String,
    },
    FailDelivery {
        channel: Channel,
        reason: String,
    },
    Deliver {
        receiver: String,
        proof: String,
        #[serde(default)]
        channel: Channel,
        #[serde(default)]
        proof_kind: ProofKind,
    },
}

impl Act {
    /// # Errors
    /// 404 for a verb that does not exist, 422 naming the field that is missing, unknown or of the wrong kind.
    pub(crate) fn read(verb: &str, body: &[u8]) -> Result<Act, Fault> {
        let unfit = |error: serde_json::Error| {
            let text = error.to_string();
            if text.starts_with(&format!("unknown variant `{verb}`")) {
                let told = "没有这个操作;操作清单见 /api/v1/openapi.json";
                return Fault::new(StatusCode::NOT_FOUND, "not_found", told);
            }
            // The names of fields may be told, what stood in them may be a citizen's (I33).
            let field = text.split('`').nth(1).filter(|_| text.contains("field")).unwrap_or("");
            Fault::unfit(format!("请求内容与操作不符({field}):请对照 /api/v1/openapi.json"))
        };
        let body = if body.is_empty() { &b"{}"[..] } else { body };
        let fields: Value = serde_json::from_slice(body).map_err(unfit)?;
        serde_json::from_value(json!({ verb: fields })).map_err(unfit)
    }

    pub(crate) fn at(self, stage: StageId) -> Command {
        match self {
            Act::Claim {} => Command::Claim { stage },
            Act::Release {} => Command::Release { stage },
            Act::Complete { agrees, opinion, officers } => {
                Command::Complete { stage, agrees, opinion, officers }
            }
            Act::CheckOriginals { materials } => Command::CheckOriginals { stage, materials },
            Act::Reassign { to, reason } => Command::Reassign { stage, to, reason },
            Act::Return { faults, again } => Command::Return { stage, faults, again },
            Act::NotAccept { ground, text } => Command::NotAccept { stage, ground, text },
            Act::Suspend { procedure, basis, days } => Command::Suspend { stage, procedure, basis, days },
            Act::Resume { finding } => Command::Resume { stage, finding },
            Act::Extend { days, reason } => Command::Extend { stage, days, reason },
            Act::Post { place } => Command::Post { stage, place },
            Act::ProposeInspection { slots } => Command::ProposeInspection { stage, slots },
            Act::ConfirmInspection { body, slots } => Command::ConfirmInspection { stage, body, slots },
            Act::FixInspection { slot } => Command::FixInspection { stage, slot },
            Act::HoldInspection { officers, absent } => Command::HoldInspection { stage, officers, absent },
            Act::FindInspection { body, passed, text } => {
                Command::FindInspection { stage, body, passed, text }
            }
            Act::NoticeHearing { on, place } => Command::NoticeHearing { stage, on, place },
            Act::HoldHearing { record } => Command::HoldHearing { stage, record },
            Act::Charge { fee, amount_fen, receipt, waived } => {
                Command::Charge { stage, charge: Charge { fee, amount_fen, receipt, waived, page: 0 } }
            }
            Act::TakeMakeUp { slip } => Command::TakeMakeUp { stage, slip },
            Act::RefuseMakeUp { slip, reason } => Command::RefuseMakeUp { stage, slip, reason },
            Act::CommitmentFalse { finding } => Command::BreakCommitment { stage, finding },
            Act::DeclineGreen { reason } => Command::DeclineGreen { stage, reason },
            Act::Decide { outcome, text, article } => {
                Command::Decide { stage, outcome, text, article, licence: None }
            }
            Act::Issue { opinion } => Command::Issue { stage, opinion, licence: None },
            Act::Dispatch { carrier, waybill } => Command::Dispatch { stage, carrier, waybill },
            Act::FailDelivery { channel, reason } => Command::FailDelivery { stage, channel, reason },
            Act::Deliver { receiver, proof, channel, proof_kind } => {
                let proof = Proof { kind: proof_kind, text: proof };
                Command::Deliver { stage, receiver, channel, proof }
            }
        }
    }
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
    let order = Act::read(&verb, &body)?.at(id(&stage, "环节编号")?);
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

async fn delivery_photo(
    State(console): State<Console>,
    ByToken(officer): ByToken,
    Path(case): Path<String>,
    body: Bytes,
) -> Answer<Value> {
    let case = id(&case, "办件编号")?;
    let hash = console.hall.keep_delivery_photo(&officer, &case, body.to_vec()).await?;
    Ok(Json(json!({ "hash": hash })))
}

async fn make_up(
    State(console): State<Console>,
    ByToken(officer): ByToken,
    Path(case): Path<String>,
    headers: HeaderMap,
    Body(brought): Body<MakeUp>,
) -> Answer<Value> {
    let scans = decoded(brought.materials)?;
    let slip = console.hall.make_up(&officer, &id(&case, "办件编号")?, scans, request_id(&headers)?).await?;
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
    headers: HeaderMap,
    Body(new): Body<NewSlip>,
) -> Answer<Value> {
    let (case, request) = (id(&case, "办件编号")?, request_id(&headers)?);
    let slip = console.hall.add_slip(&officer, &case, &new.kind, new.text, request).await?;
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
    let order = Command::Withdraw { slip: of.slip };
    Ok(Json(console.hall.perform(&officer, &id(&case, "办件编号")?, order, request_id(&headers)?).await?))
}

async fn recall(
    State(console): State<Console>,
    ByToken(officer): ByToken,
    Path(case): Path<String>,
    headers: HeaderMap,
) -> Answer<CaseView> {
    Ok(Json(
        console
            .hall
            .perform(&officer, &id(&case, "办件编号")?, Command::Recall, request_id(&headers)?)
            .await?,
    ))
}

async fn rate(
    State(console): State<Console>,
    ByToken(officer): ByToken,
    Path(case): Path<String>,
    Body(rating): Body<Rating>,
) -> Answer<Value> {
    let slip = console.hall.rate_at_counter(&officer, &id(&case, "办件编号")?, rating).await?;
    Ok(Json(json!({ "slip": slip })))
}

async fn move_original(
    State(console): State<Console>,
    ByToken(officer): ByToken,
    Path(case): Path<String>,
    Body(step): Body<OriginalStep>,
) -> Answer<Value> {
    let slip = console.hall.move_original(&officer, &id(&case, "办件编号")?, step).await?;
    Ok(Json(json!({ "slip": slip })))
}
