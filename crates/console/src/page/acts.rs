//! What is ordered from the page of a case. A refusal comes back on the same page, with everything that was typed.

use super::case::{self, Read, read};
use super::{FORM_BYTES_MAX, Sent, refusal};
use crate::Console;
use crate::api::{Act, id};
use crate::fault::Fault;
use crate::orders::{DELIVER, Tried};
use crate::page::done::{done, of_order};
use crate::posted::{LOOK_FIELD, PREVIEW_FIELD, Posted, SCANS_BYTES_MAX};
use crate::shell::Desk;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Path};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::post;
use domain::access::Permission;
use domain::delivery::OriginalStep;
use domain::dossier::decide::Command;
use domain::rating::{Grade, Rating};
use domain::{CaseNo, EntryId, MaterialId, StageId};
use store::blobs::BLOB_BYTES_MAX;

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route(
            "/cases/{case}/stages/{stage}/{verb}",
            post(order).layer(DefaultBodyLimit::max(BLOB_BYTES_MAX as usize + FORM_BYTES_MAX)),
        )
        .route("/cases/{case}/slips", post(slip))
        .route("/cases/{case}/withdraw", post(withdraw))
        .route("/cases/{case}/recall", post(recall))
        .route("/cases/{case}/rate", post(rate))
        .route("/cases/{case}/originals", post(move_original))
        .route("/cases/{case}/make-up", post(make_up).layer(DefaultBodyLimit::max(SCANS_BYTES_MAX)))
}

async fn order(
    Path((case, stage, verb)): Path<(String, String, String)>,
    sent: Sent,
) -> Result<Response, Fault> {
    let Sent { desk, mut posted } = sent;
    let known = read(&desk, &case).await?;
    if posted.has(LOOK_FIELD) {
        return case::page(
            &desk,
            &known,
            Some(&Tried { stage, verb, posted, fault: None, preview: Vec::new() }),
            false,
        )
        .await;
    }
    if posted.has(PREVIEW_FIELD) {
        return preview(&desk, &known, stage, verb, posted).await;
    }
    let command = match keep_photo(&desk, &known, &stage, &verb, &mut posted).await {
        Ok(()) => command(&desk, &known, &stage, &verb, &posted),
        Err(fault) => Err(fault),
    };
    let outcome = match command {
        Ok(command) => {
            let performed =
                desk.console.hall.perform(&desk.officer, &known.case, command, posted.key()).await;
            performed.map_err(Fault::from)
        }
        Err(fault) => Err(fault),
    };
    match outcome {
        Ok(_) => Ok(done(&format!("/cases/{case}#work"), of_order(&verb))),
        Err(fault) => {
            // Read again: somebody else may have been quicker, and the page says what is so now.
            let known = read(&desk, &case).await?;
            let tried = Tried { stage, verb, posted, fault: Some(fault), preview: Vec::new() };
            case::page(&desk, &known, Some(&tried), false).await
        }
    }
}

/// The page with what the order would make, and the order as it was filled in.
async fn preview(
    desk: &Desk,
    known: &Read,
    stage: String,
    verb: String,
    posted: Posted,
) -> Result<Response, Fault> {
    let made = match command(desk, known, &stage, &verb, &posted) {
        Ok(command) => {
            desk.console.hall.preview(&desk.officer, &known.case, command).await.map_err(Fault::from)
        }
        Err(fault) => Err(fault),
    };
    let (preview, fault) = match made {
        Ok(preview) => (preview, None),
        Err(fault) => (Vec::new(), Some(fault)),
    };
    case::page(desk, known, Some(&Tried { stage, verb, posted, fault, preview }), false).await
}

/// A photo that came with a hand-over is the proof of it. It is kept when nothing else is lacking.
async fn keep_photo(
    desk: &Desk,
    known: &Read,
    stage: &str,
    verb: &str,
    posted: &mut Posted,
) -> Result<(), Fault> {
    let photo = posted.files.iter().find(|(name, _)| verb == DELIVER && name == "photo");
    let Some((_, bytes)) = photo.cloned() else { return Ok(()) };
    posted.set("proof_kind", "photo");
    command(desk, known, stage, verb, posted)?;
    let hall = &desk.console.hall;
    hall.allow(&desk.officer, Permission::Assist)?;
    let hash = hall.keep_delivery_photo(&desk.officer, &known.case, bytes.to_vec()).await?;
    posted.set("proof", &hash);
    Ok(())
}

fn command(desk: &Desk, known: &Read, stage: &str, verb: &str, posted: &Posted) -> Result<Command, Fault> {
    let stage_id: StageId = id(stage, "环节编号")?;
    let (body_name, may) = (|body: &domain::OrgId| known.pack.org_name(body).to_owned(), |one| desk.may(one));
    let at = known.at(desk, &body_name, &may);
    let here = known.here(desk);
    let orders = at.orders(&here);
    let order = orders.iter().find(|order| order.stage == stage_id && order.verb == verb);
    let Some(order) = order else {
        let state = known.view.dossier.stages.get(&stage_id);
        let told = match state.and_then(|state| state.claimed_by.as_ref()) {
            Some(officer) if *officer != desk.officer.name => format!("这一步已由 {officer} 认领"),
            _ => "这一步现在不能办:案卷可能刚刚有了新的进展,请看下面的最新状态".to_owned(),
        };
        return Err(Fault::new(StatusCode::CONFLICT, "refused", told));
    };
    let faults = order.faults_of(posted);
    if !faults.is_empty() {
        return Err(Fault { faults, ..Fault::unfit("请先改好标出的几项") });
    }
    let body = order.body(posted).to_string();
    Ok(Act::read(verb, body.as_bytes())?.at(stage_id))
}

async fn slip(Path(case): Path<String>, sent: Sent) -> Result<Response, Fault> {
    let (desk, posted) = (&sent.desk, &sent.posted);
    let (kind, text) = (posted.get("kind"), posted.get("text").to_owned());
    let case_no = id(&case, "办件编号")?;
    desk.console.hall.add_slip(&desk.officer, &case_no, kind, text, posted.key()).await?;
    Ok(done(&format!("/cases/{case}#timeline"), "便条已写入案卷,随案卷传到各级"))
}

async fn withdraw(Path(case): Path<String>, sent: Sent) -> Result<Response, Fault> {
    let (desk, posted) = (&sent.desk, &sent.posted);
    let slip: EntryId = id(posted.get("slip"), "便条编号")?;
    let (case_no, command) = (id::<CaseNo>(&case, "办件编号")?, Command::Withdraw { slip });
    desk.console.hall.perform(&desk.officer, &case_no, command, posted.key()).await?;
    Ok(done(&format!("/cases/{case}"), "已按申请人的意思撤回"))
}

async fn recall(Path(case): Path<String>, sent: Sent) -> Result<Response, Fault> {
    let (desk, posted) = (&sent.desk, &sent.posted);
    let case_no: CaseNo = id(&case, "办件编号")?;
    desk.console.hall.perform(&desk.officer, &case_no, Command::Recall, posted.key()).await?;
    Ok(done(&format!("/cases/{case}"), "案卷已收回本级"))
}

async fn rate(Path(case): Path<String>, sent: Sent) -> Result<Response, Fault> {
    let (desk, posted) = (&sent.desk, &sent.posted);
    let Some(grade) = Grade::from_name(posted.get("grade")) else {
        return Ok(refusal(desk, &Fault::unfit("请申请人选一个评价等级")));
    };
    let rating = Rating { grade, text: posted.get("text").to_owned() };
    desk.console.hall.rate_at_counter(&desk.officer, &id(&case, "办件编号")?, rating).await?;
    Ok(done(&format!("/cases/{case}"), "评价已登记"))
}

/// 原件流转: which paper, from whom, to whom.
async fn move_original(Path(case): Path<String>, sent: Sent) -> Result<Response, Fault> {
    let (desk, posted) = (&sent.desk, &sent.posted);
    let told = |name: &str| posted.get(name).to_owned();
    let step = OriginalStep { paper: told("paper"), from: told("from"), to: told("to"), no: 0 };
    desk.console.hall.move_original(&desk.officer, &id(&case, "办件编号")?, step).await?;
    Ok(done(&format!("/cases/{case}#originals"), "原件流转已登记"))
}

/// 容缺补交: scans of what was promised.
async fn make_up(Path(case): Path<String>, sent: Sent) -> Result<Response, Fault> {
    let (desk, posted) = (&sent.desk, &sent.posted);
    desk.console.hall.allow(&desk.officer, Permission::Assist)?;
    let scan = |(name, bytes): &(String, axum::body::Bytes)| {
        Ok::<_, Fault>((id::<MaterialId>(name, "材料编号")?, bytes.to_vec()))
    };
    let scans = posted.files.iter().map(scan).collect::<Result<Vec<_>, _>>()?;
    if scans.is_empty() {
        return Ok(refusal(desk, &Fault::unfit("请先选择要补交的文件")));
    }
    desk.console.hall.make_up(&desk.officer, &id(&case, "办件编号")?, scans, posted.key()).await?;
    Ok(done(&format!("/cases/{case}"), "补交的材料已收下"))
}
