//! 电子监察: alerts within reach of the reader, an appeal of who is named responsible, and how the supervisors conclude them.

use super::chart::{Bar, stacked};
use super::lists::{CUT, ROWS};
use super::{Sent, Table, refusal, render};
use crate::Console;
use crate::api::id;
use crate::fault::Fault;
use crate::page::done::done;
use crate::shell::{Desk, Shell};
use askama::Template;
use axum::Router;
use axum::extract::{Path, Query};
use axum::response::Response;
use axum::routing::{get, post};
use domain::CaseNo;
use domain::access::Permission;
use domain::supervision::{ConclusionKind, Responsible, Rung};
use serde::Deserialize;
use std::collections::BTreeMap;
use store::{AlertLine, AlertQuery, OpenAlerts};

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/alerts", get(alerts))
        .route("/cases/{case}/alerts/appeal", post(appeal))
        .route("/cases/{case}/alerts/conclude", post(conclude))
}

struct AlertRow {
    /// The appeal that the form beside it would be.
    act: String,
    case: CaseNo,
    key: String,
    rung: &'static str,
    class: &'static str,
    text: String,
    who: String,
    day: String,
    appeals: Vec<String>,
    concluded: String,
    may_appeal: bool,
    may_conclude: bool,
}

/// What is open at one place, by rung.
struct BoardRow {
    name: String,
    rungs: [u64; 4],
    all: u64,
}

#[derive(Template)]
#[template(path = "alerts.html")]
struct AlertsPage<'a> {
    shell: &'a Shell,
    alerts: Vec<AlertRow>,
    open_only: bool,
    /// The one that was asked for.
    rung: &'a str,
    rungs: [Rung; 4],
    chart: String,
    board: Vec<BoardRow>,
    /// How many there are on all pages; empty where nobody knows.
    all: String,
    next: String,
}

#[derive(Deserialize)]
struct AlertFilter {
    #[serde(default)]
    all: String,
    #[serde(default)]
    rung: String,
    #[serde(default)]
    csv: String,
    before: Option<u64>,
}

/// Rows of a table that is carried away.
const TABLE_ROWS: u32 = 999;
/// Places that the picture shows; the table has them all.
const DRAWN_MAX: usize = 12;

/// A page of the list, or as much of it as a table holds.
fn query(desk: &Desk, filter: &AlertFilter, rung: Option<Rung>, limit: u32) -> AlertQuery {
    let open_only = filter.all != "1";
    AlertQuery {
        open_only,
        rung,
        before: filter.before,
        within: desk.within(),
        limit,
        ..AlertQuery::default()
    }
}

async fn alerts(desk: Desk, Query(filter): Query<AlertFilter>) -> Result<Response, Fault> {
    let store = &desk.console.hall.store;
    let rung = Rung::from_name(&filter.rung);
    if rung.is_none() && !filter.rung.is_empty() {
        return Err(Fault::unfit("请从列出的督办等级中选择"));
    }
    if filter.csv == "1" {
        let whole = AlertFilter { before: None, ..filter };
        return csv(&desk, &store.alerts(query(&desk, &whole, rung, TABLE_ROWS + 1)).await?).await;
    }
    let mut lines = store.alerts(query(&desk, &filter, rung, ROWS as u32 + 1)).await?;
    let more = lines.len() > ROWS;
    lines.truncate(ROWS);
    // What follows the first page is the list going on.
    let open = store.open_alerts(desk.within()).await?;
    let waiting: u64 =
        open.iter().filter(|one| rung.is_none_or(|rung| rung == one.rung)).map(|one| one.count).sum();
    let count = match filter.all.as_str() {
        // Of all that ever was, nobody counts more than the page shows.
        "1" if filter.before.is_some() => String::new(),
        "1" => format!("{}{}", lines.len(), if more { "+" } else { "" }),
        _ => waiting.to_string(),
    };
    let board = if filter.before.is_none() { board(&desk, open) } else { Vec::new() };
    let (rung, all) = (rung.map_or("", Rung::as_str), if filter.all == "1" { "1" } else { "0" });
    let next = lines
        .last()
        .filter(|_| more)
        .map_or(String::new(), |last| format!("/alerts?all={all}&rung={rung}&before={}", last.no));
    let page = AlertsPage {
        shell: &desk.shell,
        alerts: lines.iter().filter_map(|line| row(&desk, line)).collect(),
        open_only: all == "0",
        rung,
        rungs: Rung::ALL,
        chart: if board.is_empty() { String::new() } else { chart_of(&desk, &board) },
        board,
        all: count,
        next,
    };
    Ok(render(&page))
}

/// Who is answerable: a department, or a counter.
fn place_of(desk: &Desk, responsible: &Responsible) -> String {
    let hall = &desk.console.hall;
    let body = responsible.body.as_ref().zip(hall.store.pack(None));
    body.map_or_else(
        || hall.store.network().name_of(&responsible.node),
        |(body, (_, pack))| desk.shell.c(pack.org_name(body)).into_owned(),
    )
}

/// The places with the loudest first.
fn board(desk: &Desk, open: Vec<OpenAlerts>) -> Vec<BoardRow> {
    let mut places: BTreeMap<String, [u64; 4]> = BTreeMap::new();
    for OpenAlerts { node, body, rung, count } in open {
        let responsible = Responsible { node, body, stage: None, officer: None };
        let rungs = places.entry(place_of(desk, &responsible)).or_default();
        rungs[Rung::ALL.iter().position(|one| *one == rung).unwrap_or(0)] += count;
    }
    let row = |(name, rungs): (String, [u64; 4])| BoardRow { name, rungs, all: rungs.iter().sum() };
    let mut rows: Vec<BoardRow> = places.into_iter().map(row).collect();
    rows.sort_by_key(|row| std::cmp::Reverse((row.rungs[3], row.rungs[2], row.all)));
    rows
}

fn chart_of(desk: &Desk, board: &[BoardRow]) -> String {
    let series = Rung::ALL.map(|rung| desk.t(rung.chinese()).into_owned());
    let bars: Vec<Bar> = board
        .iter()
        .take(DRAWN_MAX)
        .map(|row| Bar { label: row.name.clone(), parts: row.rungs.to_vec() })
        .collect();
    stacked(&desk.t("未结的督办,按责任单位"), &series, &bars)
}

fn row(desk: &Desk, line: &AlertLine) -> Option<AlertRow> {
    let alert = &line.alert;
    let raised = alert.raised.as_ref()?;
    let concluded = alert.conclusion.as_ref();
    Some(AlertRow {
        act: desk.console.hall.fresh_id().to_string(),
        case: alert.case.clone(),
        key: alert.key.clone(),
        rung: raised.rung.chinese(),
        class: if raised.rung >= Rung::Yellow { "bad" } else { "warn" },
        text: raised.text.clone(),
        who: format!(
            "{} {}",
            place_of(desk, &raised.responsible),
            raised.responsible.officer.as_deref().unwrap_or("")
        ),
        day: raised.day.to_string(),
        appeals: alert.appeals.iter().map(|one| format!("{} {}", one.officer, one.text)).collect(),
        may_appeal: desk.may(Permission::Appeal) && alert.is_open(),
        may_conclude: desk.may(Permission::Conclude) && alert.is_open(),
        concluded: concluded
            .map_or(String::new(), |one| format!("{} {}", desk.t(one.kind.chinese()), one.text)),
    })
}

async fn csv(desk: &Desk, lines: &[AlertLine]) -> Result<Response, Fault> {
    let cases = lines.iter().map(|line| &line.alert.case);
    desk.console.note_table(&desk.officer, cases, "/alerts?csv=1").await?;
    let head = ["督办等级", "办件编号", "责任单位", "责任人", "日期", "内容", "处理结果"];
    let mut table = Table::new(head.map(|cell| desk.t(cell)));
    for alert in lines.iter().take(TABLE_ROWS as usize).map(|line| &line.alert) {
        let Some(raised) = &alert.raised else { continue };
        let concluded = alert.conclusion.as_ref().map_or(String::new(), |one| one.kind.chinese().to_owned());
        table.row([
            desk.t(raised.rung.chinese()).as_ref(),
            alert.case.as_str(),
            &place_of(desk, &raised.responsible),
            raised.responsible.officer.as_deref().unwrap_or(""),
            &raised.day.to_string(),
            &raised.text,
            desk.t(&concluded).as_ref(),
        ]);
    }
    if lines.len() > TABLE_ROWS as usize {
        table.row([desk.t(CUT)]);
    }
    Ok(table.file("alerts"))
}

async fn appeal(Path(case): Path<String>, sent: Sent) -> Result<Response, Fault> {
    let (desk, posted) = (&sent.desk, &sent.posted);
    let hall = &desk.console.hall;
    let (case, request) = (id(&case, "办件编号")?, posted.key());
    hall.appeal(&desk.officer, &case, posted.get("key"), posted.get("text"), request).await?;
    Ok(done("/alerts", "申诉已提交"))
}

async fn conclude(Path(case): Path<String>, sent: Sent) -> Result<Response, Fault> {
    let (desk, posted) = (&sent.desk, &sent.posted);
    let kind = match posted.get("kind") {
        "upheld" => ConclusionKind::Upheld,
        "revoked" => ConclusionKind::Revoked,
        _ => return Ok(refusal(desk, &Fault::unfit("请选择处理结果:属实,或申诉成立撤销"))),
    };
    let case = id(&case, "办件编号")?;
    desk.console.hall.conclude(&desk.officer, &case, posted.get("key"), kind, posted.get("text")).await?;
    Ok(done("/alerts", "处理结论已登记"))
}
