//! 好差评: how each department was rated, and 差评整改: what a bad rating set going, the most urgent first, and the steps of one matter. A village has no such page: who was
//! rated never sees who rated.

use super::chart::{Bar, stacked};
use super::{Sent, render, render_with, status_of};
use crate::Console;
use crate::api::id;
use crate::fault::Fault;
use crate::page::done::done;
use crate::posted::Posted;
use crate::shell::{Desk, Shell};
use askama::Template;
use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use casework::{Rated, RectificationView};
use domain::CaseNo;
use domain::dossier::Dossier;
use domain::rating::{Grade, Stage, StepBody};
use store::StoredDossier;

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/rectifications", get(list))
        .route("/cases/{case}/rectification", get(one).post(step))
}

/// Ended ones that are still listed.
const ENDED_SHOWN: usize = 20;

struct Row {
    case: String,
    item: String,
    grade: &'static str,
    opened: String,
    stage: &'static str,
    due: String,
    class: &'static str,
}

#[derive(Template)]
#[template(path = "rectifications.html")]
struct ListPage<'a> {
    shell: &'a Shell,
    open: Vec<Row>,
    ended: Vec<Row>,
    rated: Vec<Rated>,
    grades: [Grade; 5],
    chart: String,
}

/// How many of each grade, by department.
fn chart_of(desk: &Desk, rated: &[Rated]) -> String {
    let series = Grade::ALL.map(|grade| desk.t(grade.chinese()).into_owned());
    let bars: Vec<Bar> =
        rated.iter().map(|one| Bar { label: one.name.clone(), parts: one.grades.to_vec() }).collect();
    stacked(&desk.t("近一年的评价"), &series, &bars)
}

async fn list(desk: Desk) -> Result<Response, Fault> {
    let (mut open, mut ended) = (Vec::new(), Vec::new());
    for view in desk.console.hall.rectifications_of(&desk.officer).await? {
        let of_its_kind = if view.stage == Stage::Closed { &mut ended } else { &mut open };
        if view.stage != Stage::Closed || of_its_kind.len() < ENDED_SHOWN {
            let stored = desk.console.hall.store.dossier(&view.rectification.case).await?;
            of_its_kind.push(row(&desk, &view, stored.as_ref()));
        }
    }
    let rated = desk.console.hall.ratings_of(&desk.officer).await?;
    let chart = chart_of(&desk, &rated);
    Ok(render(&ListPage { shell: &desk.shell, open, ended, rated, grades: Grade::ALL, chart }))
}

fn row(desk: &Desk, view: &RectificationView, stored: Option<&StoredDossier>) -> Row {
    let rectification = &view.rectification;
    let soon = view.due.is_some_and(|due| due <= desk.today().plus_days(1));
    Row {
        case: rectification.case.to_string(),
        item: stored.map_or(String::new(), |stored| item_name(desk, &stored.dossier)),
        grade: rectification.grade.chinese(),
        opened: rectification.opened.to_string(),
        stage: view.stage.chinese(),
        due: view.due.map_or(String::new(), |due| due.to_string()),
        class: match (view.overdue, soon) {
            (true, _) => "bad",
            (false, true) => "warn",
            (false, false) => "soft",
        },
    }
}

fn item_name(desk: &Desk, dossier: &Dossier) -> String {
    let known = desk.console.hall.item(Some(dossier.release), &dossier.item);
    known.map_or_else(|_| dossier.item.to_string(), |(_, _, item)| item.name.clone())
}

struct Said {
    what: &'static str,
    grade: &'static str,
    text: String,
    who: String,
    at: String,
}

#[derive(Template)]
#[template(path = "rectification.html")]
struct OnePage<'a> {
    shell: &'a Shell,
    row: Row,
    /// What the citizen wrote with the grade.
    complaint: String,
    steps: Vec<Said>,
    /// What may come next, as the form names it.
    next: Vec<(&'static str, &'static str)>,
    grades: Vec<(&'static str, &'static str)>,
    overdue: bool,
    /// The rater is asked for a grade once more.
    asks_grade: bool,
    act: String,
    typed: &'a Posted,
    wrong: String,
}

async fn one(Path(case): Path<String>, desk: Desk) -> Result<Response, Fault> {
    page(&desk, &id(&case, "办件编号")?, &Posted::default(), "").await
}

async fn page(desk: &Desk, case: &CaseNo, typed: &Posted, wrong: &str) -> Result<Response, Fault> {
    let hall = &desk.console.hall;
    let view = hall.rectification(case).await?;
    let network = hall.store.network();
    let said = |step: &domain::rating::Step| Said {
        what: step.body.chinese(),
        grade: match &step.body {
            StepBody::Revisited { grade, .. } => grade.chinese(),
            _ => "",
        },
        text: step.body.text().to_owned(),
        who: format!("{} {}", network.name_of(&step.node), step.officer),
        at: step.at.to_minute(),
    };
    let stored = hall.store.dossier(case).await?;
    let ratings =
        stored.iter().flat_map(|stored| &stored.dossier.slips).filter_map(|slip| slip.rating.as_ref());
    let complaint = ratings.filter(|rating| rating.grade.is_bad()).map(|rating| rating.text.clone()).next();
    let page = OnePage {
        shell: &desk.shell,
        row: row(desk, &view, stored.as_ref()),
        complaint: complaint.unwrap_or_default(),
        steps: view.rectification.steps.iter().map(said).collect(),
        next: next_steps(&view),
        grades: Grade::ALL.map(|grade| (grade.as_str(), grade.chinese())).to_vec(),
        overdue: view.overdue,
        asks_grade: view.stage == Stage::ToRevisit,
        act: hall.fresh_id().to_string(),
        typed,
        wrong: desk.t(wrong).into_owned(),
    };
    Ok(render_with(status_of(wrong), &page))
}

/// The steps that the order of things allows; who may take them is asked when one is taken.
fn next_steps(view: &RectificationView) -> Vec<(&'static str, &'static str)> {
    let appealed = view.rectification.steps.iter().any(|step| matches!(step.body, StepBody::Appealed { .. }));
    let mut next = match view.stage {
        Stage::ToContact => vec![("contacted", "已联系评价人核实")],
        Stage::ToFix => vec![("fixed", "整改完成"), ("complex", "情况复杂,延至十五个工作日")],
        Stage::ToRevisit => vec![("revisited", "已回访评价人")],
        Stage::ToDecideAppeal => vec![("upheld", "申诉成立"), ("dismissed", "申诉不成立")],
        Stage::Closed => Vec::new(),
    };
    if !appealed && view.stage != Stage::Closed {
        next.push(("appealed", "申诉:评价与事实不符或属恶意"));
    }
    next
}

fn body_of(posted: &Posted) -> Result<StepBody, Fault> {
    let text = posted.get("text").to_owned();
    Ok(match posted.get("step") {
        "contacted" => StepBody::Contacted { text },
        "complex" => StepBody::Complex { reason: text },
        "fixed" => StepBody::Fixed { text },
        "revisited" => {
            let grade = Grade::from_name(posted.get("grade"));
            let grade = grade.ok_or_else(|| Fault::unfit("请选择评价人现在的评价"))?;
            StepBody::Revisited { grade, text }
        }
        "appealed" => StepBody::Appealed { reason: text },
        "upheld" => StepBody::AppealDecided { upheld: true, text },
        "dismissed" => StepBody::AppealDecided { upheld: false, text },
        _ => return Err(Fault::unfit("请选择做了哪一步")),
    })
}

async fn step(Path(case): Path<String>, sent: Sent) -> Result<Response, Fault> {
    let Sent { desk, posted } = sent;
    let case: CaseNo = id(&case, "办件编号")?;
    let outcome = match body_of(&posted) {
        Ok(body) => {
            desk.console.hall.rectify(&desk.officer, &case, body, posted.key()).await.map_err(Fault::from)
        }
        Err(fault) => Err(fault),
    };
    match outcome {
        Ok(_) => Ok(done(&format!("/cases/{case}/rectification"), "这一步已登记")),
        Err(fault) if fault.status == StatusCode::UNPROCESSABLE_ENTITY => {
            page(&desk, &case, &posted, &fault.message).await
        }
        Err(fault) => Err(fault),
    }
}
