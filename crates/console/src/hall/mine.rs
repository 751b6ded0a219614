//! 我的办件: how a matter stands, in a citizen's words, and what they can do about it themselves: bring what was promised, want it
//! back, choose a time, ask for a hearing, take the result, rate it.

use super::apply_end::applied;
use super::{Filled, Visitor, answer, refusal};
use crate::Console;
use crate::api::id;
use crate::fault::Fault;
use crate::page::see;
use crate::posted::SCANS_BYTES_MAX;
use crate::print::Which;
use askama::Template;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, Query, Request};
use axum::response::Response;
use axum::routing::{get, post};
use casework::{ActError, CaseView, May, Waiting};
use domain::delivery::PHOTO;
use domain::dossier::{Outcome, Status};
use domain::network::Tier;
use domain::rating::{Grade, Rating};
use domain::sheet::SheetKind;
use domain::{CaseNo, MaterialId};

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/hall/mine", get(list))
        .route("/hall/cases/{case}", get(show))
        .route("/hall/cases/{case}/say", post(say))
        .route("/hall/cases/{case}/papers", post(hand_in).layer(DefaultBodyLimit::max(SCANS_BYTES_MAX)))
        .route("/hall/cases/{case}/rate", post(rate))
        .route("/hall/cases/{case}/sheets/{sheet}", get(sheet))
}

pub(super) struct Step {
    pub label: &'static str,
    pub done: bool,
    pub day: String,
}

/// How a matter stands, with nothing in it that only its applicant may read.
pub(super) struct Standing {
    pub case: String,
    pub item: String,
    pub status: String,
    pub class: &'static str,
    pub steps: Vec<Step>,
    /// By when the answer is promised.
    pub due: String,
    /// What has to be mended, and where it is handed in.
    pub mend: Vec<(String, String)>,
    pub mend_at: String,
    pub outcome: String,
}

impl Standing {
    pub fn of(visitor: &Visitor, view: &CaseView) -> Standing {
        let dossier = &view.dossier;
        let network = visitor.console.hall.store.network();
        let place = network.get(&dossier.origin).map_or(String::new(), |node| node.name.clone());
        let step =
            |label, day: Option<String>| Step { label, done: day.is_some(), day: day.unwrap_or_default() };
        let ended = dossier.not_accepted.is_some() || dossier.is_void();
        let mut steps = vec![
            step("收件", Some(dossier.captured_at.day().to_string())),
            step("受理", dossier.accepted.as_ref().map(|one| one.on.to_string())),
            step("办结", dossier.decision.as_ref().map(|one| one.at.day().to_string())),
        ];
        if !ended {
            steps.push(step("送达", dossier.delivered.as_ref().map(|one| one.at.day().to_string())));
        }
        let promised = view.timers.iter().filter(|timer| timer.met.is_none()).filter_map(|timer| timer.due);
        let due = promised.map(|due| due.day).min().filter(|_| dossier.decision.is_none());
        let returned = dossier.returned.as_ref().map(|returned| returned.faults.clone()).unwrap_or_default();
        let outcome = match dossier.decision.as_ref().map(|decision| decision.outcome) {
            Some(Outcome::Granted) => "准予",
            Some(Outcome::Refused) => "不予,理由见决定书;不服的可依法申请行政复议或者提起行政诉讼",
            None if dossier.not_accepted.is_some() => "不予受理,理由见通知书",
            None => "",
        };
        Standing {
            case: view.case.to_string(),
            item: view.item_name.clone(),
            status: visitor.t(view.status_text).into_owned(),
            class: match view.status {
                Status::Returned => "warn",
                Status::NotAccepted | Status::Refused | Status::Lapsed => "bad",
                Status::Granted | Status::Delivered => "ok",
                Status::Captured | Status::Accepted | Status::Withdrawn => "soft",
            },
            steps,
            due: due.map_or(String::new(), |day| day.to_string()),
            mend: returned.into_iter().map(|fault| (fault.label, fault.reason)).collect(),
            mend_at: place,
            outcome: visitor.t(outcome).into_owned(),
        }
    }
}

#[derive(Template)]
#[template(path = "hall/mine.html")]
struct MinePage<'a> {
    hall: &'a Visitor,
    cases: Vec<Standing>,
    /// Begun and not handed in: page, item, when it was last written on.
    drafts: Vec<(String, String, String)>,
    waiting: Vec<Waiting>,
}

async fn list(visitor: Visitor) -> Result<Response, Fault> {
    let citizen = visitor.citizen()?;
    let hall = &visitor.console.hall;
    let (views, waiting) = (hall.cases_of(citizen).await?, hall.waiting_of(citizen).await?);
    // What answers a notice is shown with its case.
    let waiting: Vec<Waiting> = waiting.into_iter().filter(|one| one.application.mends.is_none()).collect();
    let named = views.iter().map(|view| view.case.as_str());
    let named: Vec<&str> =
        waiting.iter().map(|one| one.application.case.as_str()).chain(named).take(20).collect();
    hall.note_applicant("read", &format!("/hall/mine {}", named.join(" "))).await?;
    let draft = |draft: &store::Draft| {
        let known = hall.item(Some(draft.release), &draft.item).ok();
        let name = known.map_or_else(|| draft.item.to_string(), |(_, _, item)| item.name.clone());
        (format!("/hall/drafts/{}", draft.id), name, draft.updated.to_minute())
    };
    let drafts = hall.online_drafts(citizen).await?.iter().map(draft).collect();
    let cases = views.iter().map(|view| Standing::of(&visitor, view)).collect();
    Ok(answer(false, &MinePage { hall: &visitor, cases, drafts, waiting }))
}

struct Lacking {
    id: String,
    name: String,
}

#[derive(Template)]
#[template(path = "hall/case.html")]
struct CasePage<'a> {
    hall: &'a Visitor,
    standing: Standing,
    /// What was promised for later, and by when.
    lacking: Vec<Lacking>,
    /// Times of the joint inspection the applicant can choose from.
    slots: Vec<String>,
    sheets: Vec<(&'static str, &'static str)>,
    said: Vec<(&'static str, String, String)>,
    may_withdraw: bool,
    may_ask_hearing: bool,
    may_rate: bool,
    /// Sent back, and mended here.
    may_mend: bool,
    /// Mended, and not taken in by the town yet.
    mended: bool,
    /// When something was mended here that a window had mended already.
    unused: Vec<String>,
    wrong: String,
}

impl CasePage<'_> {
    fn key(&self) -> String {
        self.hall.console.hall.fresh_id().to_string()
    }
}

/// Sheets that go to the applicant.
const THEIRS: [SheetKind; 8] = [
    SheetKind::Receipt,
    SheetKind::Materials,
    SheetKind::SupplementNotice,
    SheetKind::Acceptance,
    SheetKind::NotAccepted,
    SheetKind::Commitment,
    SheetKind::Decision,
    SheetKind::Licence,
];

fn slip_name(kind: &str) -> &'static str {
    match kind {
        "withdraw" => "申请撤回",
        "hearing_request" => "申请听证",
        "inspection_slot" => "申请人选定查验时间",
        "rating" => "评价",
        "make_up" => "补交材料",
        PHOTO => "交付照片",
        _ => "便条",
    }
}

/// Whoever is shown the page has read the case, whatever they sent (I37).
async fn page(visitor: &Visitor, view: &CaseView, wrong: &str) -> Result<Response, Fault> {
    let hall = &visitor.console.hall;
    hall.note_applicant("read", &format!("/hall/cases/{}", view.case)).await?;
    let dossier = &view.dossier;
    let item = hall.item(Some(dossier.release), &dossier.item)?.2;
    let lacking = dossier.lacking.iter().map(|id| Lacking {
        id: id.to_string(),
        name: item.material(id).map_or(id.to_string(), |one| one.name.clone()),
    });
    let may = May::of(hall, dossier);
    let printable = hall.printable(&view.case).await?;
    let page = CasePage {
        hall: visitor,
        standing: Standing::of(visitor, view),
        lacking: lacking.collect(),
        slots: may.slots,
        sheets: printable
            .iter()
            .filter(|kind| THEIRS.contains(kind))
            .map(|kind| (kind.as_str(), kind.title()))
            .collect(),
        said: dossier
            .slips
            .iter()
            .filter(|one| one.from_applicant)
            .map(|one| (slip_name(&one.kind), one.text.clone(), one.at.to_minute()))
            .collect(),
        may_withdraw: may.withdraw,
        may_ask_hearing: may.ask_hearing,
        may_rate: may.rate,
        may_mend: hall.is_mended_here(dossier).await?,
        mended: hall.waiting_application(&view.case).await?.is_some(),
        unused: hall.answers_not_taken(&view.case).await?.iter().map(|one| one.at.to_minute()).collect(),
        wrong: visitor.t(wrong).into_owned(),
    };
    Ok(answer(!page.wrong.is_empty(), &page))
}

async fn show(visitor: Visitor, Path(case): Path<String>) -> Result<Response, Fault> {
    let case: CaseNo = id(&case, "办件编号")?;
    let (hall, citizen) = (&visitor.console.hall, visitor.citizen()?);
    if let Some(waiting) = hall.waiting_of_case(citizen, &case).await? {
        return applied(&visitor, &waiting).await;
    }
    let view = hall.case_of(citizen, &case).await?;
    page(&visitor, &view, "").await
}

async fn say(Path(case): Path<String>, filled: Filled) -> Result<Response, Fault> {
    let (visitor, posted) = (&filled.visitor, &filled.posted);
    let (hall, case) = (&visitor.console.hall, id::<CaseNo>(&case, "办件编号")?);
    let (kind, text) = (posted.get("kind"), posted.get("text").to_owned());
    let citizen = visitor.citizen()?;
    let wrong = match text.is_empty() && kind != "withdraw" {
        true => "请写明要说的内容".to_owned(),
        false => match hall.applicant_says(citizen, &case, kind, text, posted.key()).await {
            Ok(_) => return Ok(see(&format!("/hall/cases/{case}"))),
            Err(ActError::Unfit { reason, .. }) => reason,
            Err(error) => return Err(error.into()),
        },
    };
    page(visitor, &hall.case_of(citizen, &case).await?, &wrong).await
}

/// Whose case it is and that something is lacking is known before the first byte of a scan is read.
async fn hand_in(Path(case): Path<String>, visitor: Visitor, request: Request) -> Result<Response, Fault> {
    let case: CaseNo = id(&case, "办件编号")?;
    let view = visitor.console.hall.case_of(visitor.citizen()?, &case).await?;
    if view.dossier.lacking.is_empty() {
        return page(&visitor, &view, "现在没有要补交的材料").await;
    }
    let Filled { visitor, posted } = Filled::read(visitor, request).await?;
    let (hall, citizen) = (&visitor.console.hall, visitor.citizen()?);
    let unfit = posted.files.iter().find_map(|(_, bytes)| casework::paper_kind(bytes).err());
    let wrong = unfit.or_else(|| posted.files.is_empty().then_some("请先选择要补交的文件"));
    if let Some(wrong) = wrong {
        return page(&visitor, &view, wrong).await;
    }
    let scan = |(name, bytes): &(String, axum::body::Bytes)| {
        Ok::<_, Fault>((id::<MaterialId>(name, "材料编号")?, bytes.to_vec()))
    };
    let scans = posted.files.iter().map(scan).collect::<Result<Vec<_>, _>>()?;
    match hall.hand_in(citizen, &case, scans, posted.key()).await {
        Ok(_) => Ok(see(&format!("/hall/cases/{case}"))),
        Err(ActError::Unfit { reason, .. }) => page(&visitor, &view, &reason).await,
        Err(error) => Err(error.into()),
    }
}

async fn rate(Path(case): Path<String>, filled: Filled) -> Result<Response, Fault> {
    let (visitor, posted) = (&filled.visitor, &filled.posted);
    let (hall, case) = (&visitor.console.hall, id::<CaseNo>(&case, "办件编号")?);
    let view = hall.case_of(visitor.citizen()?, &case).await?;
    let Some(grade) = Grade::from_name(posted.get("grade")) else {
        return page(visitor, &view, "请选一个评价等级").await;
    };
    let text: String = posted.get("text").chars().take(1000).collect();
    match hall.rate(&case, Rating { grade, text }).await {
        Ok(_) => Ok(see(&format!("/hall/cases/{case}"))),
        Err(ActError::Unfit { reason, .. }) => page(visitor, &view, &reason).await,
        Err(error) => Err(error.into()),
    }
}

async fn sheet(
    visitor: Visitor,
    Path((case, name)): Path<(String, String)>,
    Query(which): Query<Which>,
) -> Result<Response, Fault> {
    let case: CaseNo = id(&case, "办件编号")?;
    let hall = &visitor.console.hall;
    hall.case_of(visitor.citizen()?, &case).await?;
    let kind = SheetKind::from_name(&name).filter(|kind| THEIRS.contains(kind));
    let Some(kind) = kind else {
        let told = Fault::new(axum::http::StatusCode::NOT_FOUND, "not_found", "没有这种文书");
        return Ok(refusal(&visitor, &told));
    };
    hall.note_applicant("read", &format!("/hall/cases/{case}/sheets/{name}")).await?;
    crate::print::render(&hall.sheet(&case, kind, None).await?, &Which { alert: None, ..which })
}

/// At other nodes there is no hall.
pub(crate) fn is_here(tier: Tier) -> bool {
    tier == Tier::City
}
