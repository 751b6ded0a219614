//! 核对并收件: the page that is read out to the applicant, the capture of just what it said, and the receipt.

use super::draft::{Opened, open, title};
use super::{Sent, refusal, render, render_with, see};
use crate::Console;
use crate::api::id;
use crate::fault::Fault;
use crate::fields;
use crate::shell::{Desk, Shell};
use askama::Template;
use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use casework::{ActError, DraftForm};
use domain::delivery::Channel;
use domain::dossier::decide::Refusal;
use domain::form::{FormFault, filling};
use domain::{CaseNo, MaterialId, Timestamp};
use store::{Draft, StoreError};

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/drafts/{draft}/check", get(read_aloud))
        .route("/drafts/{draft}/capture", post(capture))
        .route("/cases/{case}/captured", get(captured))
}

struct Line {
    label: String,
    value: String,
}

struct FaultLine {
    href: String,
    label: String,
    reason: String,
}

#[derive(Template)]
#[template(path = "check.html")]
struct CheckPage<'a> {
    shell: &'a Shell,
    draft: &'a Draft,
    title: String,
    lines: Vec<Line>,
    papers: Vec<(String, bool, String)>,
    faults: Vec<FaultLine>,
    wish: String,
    requests: Vec<String>,
    told: &'static str,
}

/// `told`: why the page is shown again.
fn check_page(desk: &Desk, opened: &Opened, told: &'static str) -> Response {
    let (lang, today) = (desk.shell.taste.lang, desk.today());
    let line = |(name, field): &(casework::FieldName, domain::catalogue::Field)| {
        let asked = filling::is_asked(field, &opened.form.around(&opened.draft, name), today);
        let value = DraftForm::value(&opened.draft, name).filter(|_| asked)?;
        let value = fields::spoken(field, value, &opened.pack.divisions, lang);
        Some(Line { label: field.label.clone(), value })
    };
    let paper = |(id, material): &(MaterialId, domain::catalogue::Material)| {
        let draft = &opened.draft;
        let here = draft.attachments.iter().any(|one| one.material == *id);
        let borrowed = draft.borrowed.iter().any(|one| one.material == *id);
        let promised = draft.commitment.as_ref().is_some_and(|promise| promise.materials.contains(id));
        let how = match (here, borrowed, promised) {
            (true, _, _) => "已扫描",
            (_, true, _) => "从证照库调用",
            (_, _, true) => "容缺,稍后补交",
            _ if material.necessity == domain::catalogue::Necessity::Optional => "没有(可以不交)",
            _ => "还没有",
        };
        (material.name.clone(), here || borrowed || promised, desk.t(how).into_owned())
    };
    let fault = |fault: &FormFault| FaultLine {
        href: opened.page_of(fault),
        label: fault.label.clone(),
        reason: desk.t(&fault.reason).into_owned(),
    };
    let wish = opened.draft.wish.as_ref();
    let to = wish.map(|wish| wish.to.clone()).filter(|to| !to.is_empty());
    let wish = desk.t(Channel::wished(wish, desk.shell.tier).chinese()).into_owned();
    let mut requests = Vec::new();
    if let Some(green) = &opened.draft.green {
        requests.push(format!(
            "{}:{} {}",
            desk.t("绿色通道"),
            desk.t(green.ground.chinese()),
            green.evidence
        ));
    }
    if let Some(promise) = opened.draft.commitment.as_ref().filter(|promise| !promise.materials.is_empty()) {
        requests.push(format!("{}:{}", desk.t("容缺承诺书签名"), promise.signed_by));
    }
    let page = CheckPage {
        shell: &desk.shell,
        draft: &opened.draft,
        title: title(desk, &opened.draft),
        lines: opened.form.fields.iter().filter_map(line).collect(),
        papers: opened.papers(today).iter().map(paper).collect(),
        faults: opened.faults.iter().map(fault).collect(),
        wish: to.map_or(wish.clone(), |to| format!("{wish}:{to}")),
        requests,
        told,
    };
    render(&page)
}

async fn read_aloud(desk: Desk, Path(draft): Path<String>) -> Result<Response, Fault> {
    let opened = open(&desk, &draft).await?;
    Ok(check_page(&desk, &opened, ""))
}

async fn capture(Path(draft): Path<String>, sent: Sent) -> Result<Response, Fault> {
    let (desk, posted) = (&sent.desk, &sent.posted);
    let version = posted.get("version").parse().map_err(|_| Fault::unfit("表单没有传完整,请重试"))?;
    match desk.console.hall.capture_read(&desk.officer, id(&draft, "草稿编号")?, version).await {
        Ok(view) => Ok(see(&format!("/cases/{}/captured", view.case))),
        Err(ActError::Store(StoreError::StaleDraft { .. })) => {
            let told = "这份草稿在您读的时候又改过;下面是现在的内容,请再读一遍后收件";
            Ok((StatusCode::CONFLICT, check_page(desk, &open(desk, &draft).await?, told)).into_response())
        }
        Err(ActError::Refused(Refusal::Faulty(_))) => {
            let page = check_page(desk, &open(desk, &draft).await?, "");
            Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
        }
        Err(error) => Ok(refusal(desk, &error.into())),
    }
}

#[derive(Template)]
#[template(path = "captured.html")]
struct CapturedPage<'a> {
    shell: &'a Shell,
    view: &'a casework::CaseView,
    others: Vec<(String, CaseNo)>,
    sheets: Vec<(&'static str, &'static str)>,
    at: String,
}

async fn captured(desk: Desk, Path(case): Path<String>) -> Result<Response, Fault> {
    let case: CaseNo = id(&case, "办件编号")?;
    let hall = &desk.console.hall;
    let view = hall.view(&case).await?;
    let others = match view.dossier.bundle {
        Some(_) => {
            hall.bundle(&case).await?.members.into_iter().map(|one| (one.item_name, one.case)).collect()
        }
        None => Vec::new(),
    };
    let sheets = hall.printable(&case).await?;
    let at: Timestamp = view.dossier.captured_at;
    let page = CapturedPage {
        shell: &desk.shell,
        sheets: sheets.iter().map(|kind| (kind.as_str(), kind.title())).collect(),
        others,
        at: at.to_minute(),
        view: &view,
    };
    Ok(render_with(StatusCode::OK, &page))
}
