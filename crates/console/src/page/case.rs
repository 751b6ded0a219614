//! 办件详情: one page for every tier. Three things stand apart: where it stands in law, where the file is, and what is special about
//! it. Below, what this desk can do now.

use super::acts::Tried;
use super::papers::{self, Scan};
use super::{render, render_with};
use crate::Console;
use crate::api::id;
use crate::fault::Fault;
use crate::fields::{self, Input};
use crate::orders::{At, OrderView};
use crate::shell::{Desk, Shell};
use crate::timeline::{self, Said};
use askama::Template;
use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use casework::{CaseView, Fees, ReadyStage};
use domain::access::Permission;
use domain::catalogue::{FieldKind, Item};
use domain::dossier::{Page, Status};
use domain::form::{Form, filling};
use domain::network::Tier;
use domain::pack::CityPack;
use domain::{CaseNo, NodeId, plan};
use serde_json::Value;
use std::sync::Arc;
use store::AlertQuery;

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
    let form = submission.as_ref().and_then(|page| page.body.submission()).map(|one| one.form.clone());
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

struct RailPoint {
    label: &'static str,
    done: bool,
    aside: String,
}

struct TimerRow {
    name: &'static str,
    due: String,
    class: &'static str,
    lines: Vec<String>,
}

struct FormRow {
    label: String,
    value: String,
}

struct PaperRow {
    name: String,
    scan: Option<Scan>,
    flag: String,
    class: &'static str,
}

struct Happened {
    said: Said,
    by: String,
    at: String,
    verdict: String,
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
    stages: Vec<StageBox>,
    /// What everybody waits for, where this desk can do nothing.
    waits_for: String,
    sheets: Vec<(&'static str, &'static str)>,
    may_assist: bool,
    may_mend: bool,
    /// The slip by which the applicant wants the case back.
    withdraw: Option<String>,
    may_rate: bool,
    lacking: Vec<(String, String)>,
    key: String,
    summary: String,
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
    let sheets = hall.printable(&read.case).await?;
    let pending =
        dossier.slips.iter().find(|slip| slip.kind == "withdraw" && !dossier.noted.contains(&slip.id));
    let mine = dossier.holder == *hall.me();
    let open = dossier.decision.is_none() && dossier.not_accepted.is_none() && !dossier.is_void();
    let here = read.here(desk);
    let name_of =
        |id: &domain::MaterialId| read.item.material(id).map_or(id.to_string(), |one| one.name.clone());
    let lacking = dossier.lacking.iter().map(|id| (id.to_string(), name_of(id))).collect::<Vec<_>>();
    let page = CasePage {
        shell: &desk.shell,
        status_class: status_class(read.view.status),
        flags: flags(desk, read).await?,
        rail: rail(desk, read).await?,
        timers: timers(desk, read),
        form: form_rows(desk, read, shown),
        shown,
        papers: paper_rows(desk, read),
        timeline: happened(desk, read).await?,
        stages: stage_boxes(desk, read, &here, tried),
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
            && !rated(read),
        lacking: if desk.may(Permission::Assist) { lacking } else { Vec::new() },
        key: hall.fresh_id().to_string(),
        summary: tried.map(|tried| desk.t(&tried.fault.message).into_owned()).unwrap_or_default(),
        read,
    };
    Ok(match tried {
        None => render(&page),
        Some(tried) => render_with(tried.fault.status, &page),
    })
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

async fn flags(desk: &Desk, read: &Read) -> Result<Vec<(String, &'static str)>, Fault> {
    let (dossier, view) = (&read.view.dossier, &read.view);
    let mut flags = Vec::new();
    let mut flag = |text: &str, class| flags.push((desk.t(text).into_owned(), class));
    if !dossier.lacking.is_empty() {
        flag("容缺", "warn");
    }
    if dossier.green.is_some() {
        flag("绿色通道", "ok");
    }
    if dossier.bundle.is_some() {
        flag("一件事", "soft");
    }
    if dossier.recalled {
        flag("上级已调回", "warn");
    }
    if dossier.suspended().is_some() {
        flag("期限停止计算", "warn");
    }
    if view.missing_attachments > 0 {
        flag(&format!("附件未到 {} 份", view.missing_attachments), "warn");
    }
    if view.held_pages > 0 {
        flag(&format!("有 {} 页待接续", view.held_pages), "warn");
    }
    if !view.library.pending.is_empty() {
        flag("等证照库答复", "soft");
    }
    if !view.library.absent.is_empty() {
        flag("证照库没有,须提交", "bad");
    }
    if desk.may(Permission::Warnings) {
        let query =
            AlertQuery { case: Some(read.case.clone()), open_only: true, limit: 20, ..AlertQuery::default() };
        for line in desk.console.hall.store.alerts(query).await? {
            if let Some(raised) = line.alert.raised {
                flag(raised.rung.chinese(), "bad");
            }
        }
    }
    Ok(flags)
}

/// 村 — 镇 — 市 — 受理, each with what shows it.
async fn rail(desk: &Desk, read: &Read) -> Result<Vec<RailPoint>, Fault> {
    let (hall, dossier, ticks) = (&desk.console.hall, &read.view.dossier, &read.view.ticks);
    let network = hall.store.network();
    let receipts = hall.store.custody(&dossier.origin).await?;
    let through = |tier: Tier| {
        let node = network.responsible(&dossier.origin, tier)?;
        receipts.iter().find(|line| line.by == *node).map(|line| line.at)
    };
    let at = |tier, done: bool| match through(tier).filter(|_| done) {
        Some(at) => format!("{} {}", desk.t("最近签收"), at.to_minute()),
        None => String::new(),
    };
    let accepted = dossier.accepted.as_ref();
    Ok(vec![
        RailPoint { label: "村里已收", done: true, aside: dossier.captured_at.to_minute() },
        RailPoint { label: "镇里已收", done: ticks.town, aside: at(Tier::Town, ticks.town) },
        RailPoint { label: "市里已收", done: ticks.hub, aside: at(Tier::City, ticks.hub) },
        RailPoint {
            label: "已受理",
            done: accepted.is_some(),
            aside: accepted.map_or(String::new(), |one| one.on.to_string()),
        },
    ])
}

fn timers(desk: &Desk, read: &Read) -> Vec<TimerRow> {
    let today = desk.today();
    let row = |timer: &domain::clock::Explained| {
        let (due, class) = match (timer.met, timer.due) {
            (Some(met), _) => (desk.t(&format!("已于 {met} 完成")).into_owned(), "ok"),
            (None, None) => (desk.t("暂停计算").into_owned(), "soft"),
            (None, Some(due)) => {
                let class = if due.day < today {
                    "bad"
                } else if due.day <= today.plus_days(2) {
                    "warn"
                } else {
                    "soft"
                };
                let text = match due.provisional {
                    true => desk.t(&format!("{} 前(暂定)", due.day)).into_owned(),
                    false => desk.t(&format!("{} 前", due.day)).into_owned(),
                };
                (text, class)
            }
        };
        TimerRow { name: timer.name, due, class, lines: timer.lines.clone() }
    };
    read.view.timers.iter().map(row).collect()
}

fn form_rows(desk: &Desk, read: &Read, shown: bool) -> Vec<FormRow> {
    let (lang, today) = (desk.shell.taste.lang, desk.today());
    let row = |field: &domain::catalogue::Field| {
        let value = read.form.get(&field.key).filter(|_| filling::is_asked(field, &read.form, today))?;
        let masked = match (&field.kind, value) {
            (_, value) if shown => value.clone(),
            (FieldKind::CitizenNo | FieldKind::Mobile, Value::String(text)) => masked(text).into(),
            (FieldKind::Table(columns), Value::Array(rows)) => {
                rows.iter().map(|row| masked_row(columns, row)).collect()
            }
            (_, value) => value.clone(),
        };
        Some(FormRow {
            label: field.label.clone(),
            value: fields::spoken(field, &masked, &read.pack.divisions, lang),
        })
    };
    read.item.fields.iter().filter_map(row).collect()
}

/// Enough to recognise a number, not enough to use it.
fn masked(text: &str) -> String {
    match text.chars().count() {
        11 => format!(
            "{}****{}",
            text.chars().take(3).collect::<String>(),
            text.chars().skip(7).collect::<String>()
        ),
        _ => domain::numbers::mask_number(text),
    }
}

fn masked_row(columns: &[domain::catalogue::Column], row: &Value) -> Value {
    let mut row = row.clone();
    for column in
        columns.iter().filter(|column| matches!(column.kind, FieldKind::CitizenNo | FieldKind::Mobile))
    {
        if let Some(cell) = row.get_mut(&column.key)
            && let Some(text) = cell.as_str()
        {
            *cell = masked(text).into();
        }
    }
    row
}

fn paper_rows(desk: &Desk, read: &Read) -> Vec<PaperRow> {
    let dossier = &read.view.dossier;
    let name_of =
        |id: &domain::MaterialId| read.item.material(id).map_or(id.to_string(), |one| one.name.clone());
    let scan = |one: &domain::dossier::Attachment| {
        let (flag, class) =
            if dossier.checked.contains(&one.material) { ("已核对原件", "ok") } else { ("", "soft") };
        PaperRow {
            name: name_of(&one.material),
            scan: Some(Scan::of(one, format!("/cases/{}/papers/{}", read.case, one.hash))),
            flag: if flag.is_empty() { String::new() } else { desk.t(flag).into_owned() },
            class,
        }
    };
    let without = |id: &domain::MaterialId, flag: &str, class| PaperRow {
        name: name_of(id),
        scan: None,
        flag: desk.t(flag).into_owned(),
        class,
    };
    let mut rows: Vec<PaperRow> = dossier.all_attachments().map(scan).collect();
    rows.extend(dossier.lacking.iter().map(|id| without(id, "容缺,稍后补交", "warn")));
    rows.extend(dossier.borrowed.iter().map(|one| without(&one.material, "从证照库调用", "soft")));
    rows
}

async fn happened(desk: &Desk, read: &Read) -> Result<Vec<Happened>, Fault> {
    let hall = &desk.console.hall;
    let network = hall.store.network();
    let name = |id: &NodeId| network.get(id).map_or_else(|| id.to_string(), |node| node.name.clone());
    let mut lines = Vec::new();
    for line in hall.history(&desk.officer, &read.case).await? {
        let page = line.page.clone().and_then(|page| serde_json::from_value::<Page>(page).ok());
        let (said, officer, at) = match (page, &line.slip) {
            (Some(page), _) => {
                (timeline::page(&page.body, &read.item, &read.pack, &name), page.officer, page.at)
            }
            (None, Some(slip)) => (timeline::slip(slip), String::new(), line.claimed_at),
            (None, None) => continue,
        };
        let verdict = match line.verdict.as_str() {
            "applied" | "slip" => String::new(),
            "held" => desk.t("等前面的页").into_owned(),
            "late" => desk.t("案卷已调回,留待人工处理").into_owned(),
            _ => desk.t("未采用").into_owned(),
        };
        let by = [name(&line.author), officer].join(" ");
        let said = Said { what: desk.t(&said.what).into_owned(), words: said.words };
        lines.push(Happened { said, by: by.trim().to_owned(), at: at.to_minute(), verdict });
    }
    lines.reverse();
    Ok(lines)
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
            let tried = tried.map(|tried| (&tried.posted, tried.reason.as_str()));
            order.view(&case, &t, tried)
        };
        let state = read.view.dossier.stages.get(&stage.stage);
        StageBox {
            name: stage.name.clone(),
            who: stage.bodies.iter().map(|body| read.pack.org_name(body)).collect::<Vec<_>>().join("、"),
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
    let holder =
        network.get(&dossier.holder).map_or_else(|| dossier.holder.to_string(), |node| node.name.clone());
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
