//! 办件详情: one page for every tier. Three things stand apart: where it stands in law, where the file is, and what is special about
//! it. Below, what this desk can do now.

mod parts;

use super::papers;
use super::{render, render_with};
use crate::Console;
use crate::api::id;
use crate::fault::Fault;
use crate::fields::Input;
use crate::orders::{At, OrderView, Tried};
use crate::shell::{Desk, Shell};
use askama::Template;
use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use casework::{CaseView, Fees, Hall, Preview, ReadyStage};
use domain::access::Permission;
use domain::catalogue::Item;
use domain::dossier::Status;
use domain::form::Form;
use domain::network::Tier;
use domain::pack::CityPack;
use domain::sheet::Section;
use domain::{CaseNo, plan};
use parts::{FormRow, Happened, PaperRow, RailPoint, Step, TimerRow};
use std::sync::Arc;

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/cases/{case}", get(show))
        .route("/cases/{case}/shown", get(show_whole))
        .route("/cases/{case}/papers/{hash}", get(paper))
}

/// A case with everything that its page says.
pub(super) struct Read {
    pub case: CaseNo,
    pub view: CaseView,
    pub item: Arc<Item>,
    pub pack: Arc<CityPack>,
    pub form: Form,
    pub fees: Fees,
}

pub(super) async fn read(desk: &Desk, case: &str) -> Result<Read, Fault> {
    let (case, hall) = (id::<CaseNo>(case, "办件编号")?, &desk.console.hall);
    let view = hall.view(&case).await?;
    let (_, pack, item) = hall.item(Some(view.dossier.release), &view.dossier.item)?;
    let submission = hall.store.current_submission(&case).await?;
    let form = submission.as_ref().and_then(|page| page.body.submission()).map(|one| one.form.to_form());
    let fees = hall.fees(&case).await?;
    Ok(Read { case, view, item, pack, form: form.unwrap_or_default(), fees })
}

impl Read {
    /// Stages that this desk can work on now.
    pub fn here(&self, desk: &Desk) -> Vec<&ReadyStage> {
        let hall = &desk.console.hall;
        let mine = self.view.dossier.holder == *hall.me();
        let of_body = |stage: &&ReadyStage| {
            hall.tier != Tier::City
                || stage.tier != Tier::City
                || stage.bodies.is_empty()
                || desk.officer.body.as_ref().is_some_and(|body| stage.bodies.contains(body))
        };
        let done_here = |stage: &&ReadyStage| {
            self.item
                .stage(&stage.stage)
                .is_some_and(|stage| plan::is_done_here(stage, &self.view.dossier, hall.tier))
        };
        self.view.ready.iter().filter(|_| mine).filter(done_here).filter(of_body).collect()
    }

    pub fn at<'a>(
        &'a self,
        desk: &'a Desk,
        body_name: &'a dyn Fn(&domain::OrgId) -> String,
        may: &'a dyn Fn(Permission) -> bool,
    ) -> At<'a> {
        At {
            tier: desk.console.hall.tier,
            officer: &desk.officer,
            item: &self.item,
            view: &self.view,
            fees: &self.fees,
            body_name,
            may,
        }
    }
}

struct StageBox {
    name: String,
    who: String,
    claimed: String,
    orders: Vec<OrderView>,
}

#[derive(Template)]
#[template(path = "case.html")]
struct CasePage<'a> {
    shell: &'a Shell,
    read: &'a Read,
    status_class: &'static str,
    flags: Vec<(String, &'static str)>,
    rail: Vec<RailPoint>,
    timers: Vec<TimerRow>,
    form: Vec<FormRow>,
    shown: bool,
    papers: Vec<PaperRow>,
    timeline: Vec<Happened>,
    /// 流程图, and its table.
    flow: String,
    steps: Vec<Step>,
    stages: Vec<StageBox>,
    /// Papers are looked at beside the work.
    viewer: bool,
    turn: Option<Turn>,
    /// What the order that is being filled in would make.
    preview: &'a [Preview],
    /// What everybody waits for, where this desk can do nothing.
    waits_for: String,
    sheets: Vec<(&'static str, &'static str)>,
    may_assist: bool,
    may_mend: bool,
    /// The slip by which the applicant wants the case back.
    withdraw: Option<String>,
    may_rate: bool,
    /// The second screen shows it.
    on_tablet: bool,
    lacking: Vec<(String, String)>,
    /// Where each paper original is: paper, holder, since.
    originals: Vec<(String, String, String)>,
    /// When the applicant mended at home what a window had mended already.
    unused: Vec<String>,
    may_recall: bool,
    summary: String,
    hall: &'a Hall,
}

impl CasePage<'_> {
    /// The act that a form of this page would be: two forms are two acts, one that is sent twice is one.
    fn key(&self) -> String {
        self.hall.fresh_id().to_string()
    }
}

async fn show(desk: Desk, Path(case): Path<String>) -> Result<Response, Fault> {
    let read = read(&desk, &case).await?;
    page(&desk, &read, None, false).await
}

/// The same page with the numbers in full; that somebody asked for them is a row of its own in the audit.
async fn show_whole(desk: Desk, Path(case): Path<String>) -> Result<Response, Fault> {
    let read = read(&desk, &case).await?;
    page(&desk, &read, None, true).await
}

pub(super) async fn page(
    desk: &Desk,
    read: &Read,
    tried: Option<&Tried>,
    shown: bool,
) -> Result<Response, Fault> {
    let (hall, dossier) = (&desk.console.hall, &read.view.dossier);
    let fault = tried.and_then(|tried| tried.fault.as_ref());
    let sheets = hall.printable(&read.case).await?;
    let pending =
        dossier.slips.iter().find(|slip| slip.kind == "withdraw" && !dossier.noted.contains(&slip.id));
    let mine = dossier.holder == *hall.me();
    let open = dossier.decision.is_none() && dossier.not_accepted.is_none() && !dossier.is_void();
    let here = read.here(desk);
    let name_of =
        |id: &domain::MaterialId| read.item.material(id).map_or(id.to_string(), |one| one.name.clone());
    let lacking = dossier.lacking.iter().map(|id| (id.to_string(), name_of(id))).collect::<Vec<_>>();
    let steps = parts::steps(desk, read);
    let page = CasePage {
        shell: &desk.shell,
        status_class: status_class(read.view.status),
        flags: parts::flags(desk, read).await?,
        rail: parts::rail(desk, read).await?,
        timers: parts::timers(desk, read),
        form: parts::form_rows(desk, read, shown),
        shown,
        papers: parts::paper_rows(desk, read),
        timeline: parts::happened(desk, read).await?,
        flow: parts::flow(desk, read, &steps),
        steps,
        stages: stage_boxes(desk, read, &here, tried),
        viewer: hall.tier != Tier::Village && !here.is_empty(),
        preview: tried.map_or(&[], |tried| &tried.preview),
        turn: if here.is_empty() { None } else { turn(desk, &read.case).await? },
        waits_for: waits_for(desk, read, here.is_empty()),
        sheets: sheets.iter().map(|kind| (kind.as_str(), kind.title())).collect(),
        may_assist: desk.may(Permission::Assist) && !read.view.finished,
        may_mend: dossier.returned.is_some() && mine && desk.may(Permission::Record),
        withdraw: pending
            .filter(|_| mine && open && desk.may(Permission::Handle))
            .map(|slip| slip.id.to_string()),
        may_rate: desk.may(Permission::Assist)
            && dossier.decision.is_some()
            && dossier.rating().is_none()
            && !rated(read)
            && hall.may_take_rating(&desk.officer, dossier).await?,
        on_tablet: super::tablet::on_tablet(desk).as_ref() == Some(&read.case),
        lacking: if desk.may(Permission::Assist) { lacking } else { Vec::new() },
        originals: originals(read),
        unused: hall.answers_not_taken(&read.case).await?.iter().map(|one| one.at.to_minute()).collect(),
        may_recall: open && !mine && desk.may(Permission::Recall) && is_below(desk, &dossier.holder),
        summary: fault.map(|fault| desk.t(&fault.message).into_owned()).unwrap_or_default(),
        hall,
        read,
    };
    Ok(match fault {
        None => render(&page),
        Some(fault) => render_with(fault.status, &page),
    })
}

/// Where the case stands in the queue of whoever looks, and its neighbours there: the desk goes on without the list between.
struct Turn {
    desk: &'static str,
    place: usize,
    all: String,
    before: Option<CaseNo>,
    after: Option<CaseNo>,
}

/// Tasks of the queue that are counted.
const TURNS_MAX: u32 = 200;

async fn turn(desk: &Desk, case: &CaseNo) -> Result<Option<Turn>, Fault> {
    let tasks = desk.console.hall.store.tasks(desk.queue(TURNS_MAX)).await?;
    let more = if tasks.len() >= TURNS_MAX as usize { "+" } else { "" };
    let mut queue: Vec<CaseNo> = Vec::new();
    // Stages of one case side by side are one turn.
    for task in tasks {
        if !queue.contains(&task.case) {
            queue.push(task.case);
        }
    }
    let Some(at) = queue.iter().position(|one| one == case) else { return Ok(None) };
    Ok(Some(Turn {
        desk: super::lists::queue_name(desk.shell.tier),
        place: at + 1,
        all: format!("{}{more}", queue.len()),
        before: at.checked_sub(1).and_then(|before| queue.get(before).cloned()),
        after: queue.get(at + 1).cloned(),
    }))
}

fn is_below(desk: &Desk, holder: &domain::NodeId) -> bool {
    let hall = &desk.console.hall;
    hall.store.network().is_above(hall.me(), holder)
}

fn originals(read: &Read) -> Vec<(String, String, String)> {
    let one = |(paper, holder, since): &(String, String, domain::Timestamp)| {
        (paper.clone(), holder.clone(), since.to_minute())
    };
    read.view.originals.iter().map(one).collect()
}

fn rated(read: &Read) -> bool {
    read.view.dossier.slips.iter().any(|slip| slip.kind == "rating")
}

fn status_class(status: Status) -> &'static str {
    match status {
        Status::Returned => "warn",
        Status::NotAccepted | Status::Refused | Status::Lapsed => "bad",
        Status::Granted | Status::Delivered => "ok",
        Status::Captured | Status::Accepted | Status::Withdrawn => "soft",
    }
}

fn stage_boxes(desk: &Desk, read: &Read, here: &[&ReadyStage], tried: Option<&Tried>) -> Vec<StageBox> {
    let (body_name, may) = (|body: &domain::OrgId| read.pack.org_name(body).to_owned(), |one| desk.may(one));
    let at = read.at(desk, &body_name, &may);
    let t = |text: &str| desk.t(text).into_owned();
    let case = read.case.to_string();
    let stage_box = |stage: &&ReadyStage| {
        let orders = at.orders(&[stage]);
        let view = |order: &crate::orders::Order| {
            let tried = tried.filter(|tried| tried.stage == order.stage.as_str() && tried.verb == order.verb);
            order.view(&case, desk.console.hall.fresh_id().to_string(), &t, tried)
        };
        let state = read.view.dossier.stages.get(&stage.stage);
        StageBox {
            name: stage.name.clone(),
            who: parts::bodies(desk, read, &stage.bodies),
            claimed: state.and_then(|state| state.claimed_by.clone()).unwrap_or_default(),
            orders: orders.iter().map(view).collect(),
        }
    };
    here.iter().map(stage_box).collect()
}

/// Who has it now, for everybody who cannot do anything but wait.
fn waits_for(desk: &Desk, read: &Read, idle: bool) -> String {
    let (dossier, hall) = (&read.view.dossier, &desk.console.hall);
    if !idle || read.view.finished {
        return String::new();
    }
    if dossier.returned.is_some() && dossier.holder == *hall.me() {
        return String::new();
    }
    let network = hall.store.network();
    let holder = network.name_of(&dossier.holder);
    // Handed over on this disk, and nobody above has it yet.
    if dossier.origin == *hall.me() && dossier.holder != *hall.me() && !read.view.ticks.town {
        return desk.t(&format!("还在本机,没有上传;上传后由 {holder} 办理")).into_owned();
    }
    let stages: Vec<&str> = read.view.ready.iter().map(|stage| stage.name.as_str()).collect();
    match (dossier.returned.is_some(), stages.is_empty()) {
        (true, _) => desk.t(&format!("等 {holder} 联系申请人补正")).into_owned(),
        (false, true) => desk.t(&format!("案卷在 {holder}")).into_owned(),
        (false, false) => desk.t(&format!("案卷在 {holder},等待:{}", stages.join("、"))).into_owned(),
    }
}

async fn paper(desk: Desk, Path((case, hash)): Path<(String, String)>) -> Result<Response, Fault> {
    let view = desk.console.hall.view(&id(&case, "办件编号")?).await?;
    // Only papers of the case that was opened: a hash alone opens nothing.
    let attachment = view.dossier.all_attachments().find(|attachment| attachment.hash == hash);
    let attachment = attachment
        .ok_or_else(|| Fault::new(StatusCode::NOT_FOUND, "not_found", "附件不属于该件,或还没有传到本节点"))?;
    papers::content(&desk.console, attachment).await
}
