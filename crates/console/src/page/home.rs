//! 工作台: what waits, what needs somebody first. And the small pages around the shell: search, and the own account.

use super::{Sent, render, render_with, see};
use crate::Console;
use crate::auth::Source;
use crate::fault::Fault;
use crate::page::lists::{TaskView, task_views};
use crate::shell::{Desk, Shell};
use askama::Template;
use axum::Router;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::{get, post};
use casework::{Hall, Proof};
use domain::access::Permission;
use domain::network::Tier;
use domain::numbers::{CitizenNo, check_credit_code};
use domain::{CaseNo, Day};
use serde::Deserialize;

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/", get(home))
        .route("/search", get(search).post(search_typed))
        .route("/me", get(me))
        .route("/me/password", post(change_password))
        .route("/me/log-out-everywhere", post(log_out_everywhere))
}

struct Tile {
    href: &'static str,
    label: &'static str,
    count: u64,
    class: &'static str,
}

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage<'a> {
    shell: &'a Shell,
    tiles: Vec<Tile>,
    /// What stands in the way of the whole node: a recovery, mostly.
    notice: Option<String>,
    tasks: Vec<TaskView>,
    may_work: bool,
    may_record: bool,
}

async fn home(desk: Desk) -> Result<Response, Fault> {
    let may_work = desk.may(Permission::ReadCases);
    let tasks = match may_work {
        true => task_views(&desk, desk.queue(10)).await?,
        false => Vec::new(),
    };
    let mut tiles = tiles(&desk).await?;
    // Nobody is shown a way that is closed to them.
    tiles.retain(|tile| desk.may_open(tile.href));
    let notice = recovery(&desk.console.hall).map(|words| desk.t(&words).into_owned());
    Ok(render(&HomePage {
        shell: &desk.shell,
        tiles,
        notice,
        tasks,
        may_work,
        may_record: desk.may_open("/new"),
    }))
}

fn recovery(hall: &Hall) -> Option<String> {
    let recovery = hall.store.recovery()?;
    Some(recovery.may_write().err().map_or_else(
        || format!("从备份恢复,联网后与 {} 核对日志;可照常录入", recovery.awaited_names()),
        |refusal| refusal.to_string(),
    ))
}

async fn tiles(desk: &Desk) -> Result<Vec<Tile>, Fault> {
    let counts = &desk.counts;
    let status = |name: &str| counts.by_status.get(name).copied().unwrap_or(0);
    let tile = |href, label, count, class| Tile { href, label, count, class };
    let bad = |count: u64| if count > 0 { "bad" } else { "" };
    if desk.shell.tier == Tier::Village {
        let waiting = desk.console.hall.cases_unsigned(Tier::City).await?.len() as u64;
        return Ok(vec![
            tile("/drafts", "草稿", counts.drafts, ""),
            tile("/outbox", "待上传到市", waiting, ""),
            tile("/returned", "待补正", status("returned"), bad(status("returned"))),
            tile("/queue", "待送达和村里环节", counts.tasks, ""),
        ]);
    }
    let nodes = desk.console.hall.nodes().await?;
    let silent = nodes.iter().filter(|node| {
        node.id != *desk.console.hall.me()
            && node.last_contact.is_none_or(|at| desk.now().since(at) > 600_000)
    });
    let (silent, alerts) = (silent.count() as u64, counts.alerts.values().sum());
    let mut tiles = Vec::new();
    if desk.may(Permission::ReadCases) {
        tiles.push(tile("/queue", "本节点待办", counts.tasks, ""));
        tiles.push(tile("/cases?status=accepted", "已受理在办", status("accepted"), ""));
    }
    if desk.may(Permission::Warnings) {
        tiles.push(tile("/alerts", "督办未结", alerts, bad(alerts)));
    }
    if desk.may(Permission::Rectify) {
        let (open, late) = desk.console.rectifications_open(&desk.officer).await?;
        tiles.push(tile("/rectifications", "差评整改", open, if late { "bad" } else { "" }));
    }
    tiles.push(tile("/nodes", "十分钟未联系的节点", silent, ""));
    tiles.push(tile("/incidents", "运行事件", counts.quarantined, bad(counts.quarantined)));
    Ok(tiles)
}

#[derive(Deserialize)]
struct Sought {
    #[serde(default)]
    q: String,
}

async fn search(desk: Desk, Query(Sought { q }): Query<Sought>) -> Result<Response, Fault> {
    find(&desk, &q).await
}

async fn search_typed(sent: Sent) -> Result<Response, Fault> {
    find(&sent.desk, sent.posted.get("q")).await
}

/// A case number, a scanned code, somebody's number, or the beginning of a name: whatever was typed, the next page is the right one.
async fn find(desk: &Desk, typed: &str) -> Result<Response, Fault> {
    let text = typed.trim();
    // A scanner types the whole code of a sheet; the case number stands somewhere in it.
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    let number = words.filter_map(|word| word.to_uppercase().parse::<CaseNo>().ok()).next();
    if let Some(case) = number {
        return Ok(see(&format!("/cases/{case}")));
    }
    if text.is_empty() {
        return Ok(see("/cases"));
    }
    if desk.may(Permission::ReadCases) && is_somebodys(text, desk.today()) {
        return super::lists::of_person(desk, text).await;
    }
    let query = encoded(text);
    Ok(see(&format!("/cases?applicant={query}")))
}

/// A citizen's number or a company's.
fn is_somebodys(text: &str, today: Day) -> bool {
    let text = text.to_uppercase();
    CitizenNo::parse(&text, today).is_ok() || check_credit_code(&text).is_ok()
}

/// A value as it may stand in the query of a path.
pub(crate) fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[derive(Template)]
#[template(path = "me.html")]
struct MePage<'a> {
    shell: &'a Shell,
    name: &'a str,
    body: String,
    roles: Vec<&'static str>,
    permissions: Vec<&'static str>,
    codes: bool,
    told: &'a str,
    wrong: &'a str,
}

fn me_page(desk: &Desk, told: &str, wrong: &str) -> Response {
    let hall = &desk.console.hall;
    let body = desk.officer.body.as_ref();
    let body =
        body.and_then(|body| Some(hall.store.pack(None)?.1.org_name(body).to_owned())).unwrap_or_default();
    let permissions = Permission::ALL.into_iter().filter(|one| desk.may(*one)).map(Permission::chinese);
    let page = MePage {
        shell: &desk.shell,
        name: &desk.officer.name,
        body,
        roles: desk.officer.roles.0.iter().map(|role| role.chinese()).collect(),
        permissions: permissions.collect(),
        codes: desk.officer.second_factor,
        told,
        wrong,
    };
    match wrong.is_empty() {
        true => render(&page),
        false => render_with(axum::http::StatusCode::UNPROCESSABLE_ENTITY, &page),
    }
}

async fn me(desk: Desk) -> Response {
    me_page(&desk, "", "")
}

async fn change_password(Source(source): Source, sent: Sent) -> Response {
    let (desk, posted) = (&sent.desk, &sent.posted);
    if posted.get("new") != posted.get("again") {
        return me_page(desk, "", "两次输入的新口令不一样;请重新输入");
    }
    let present =
        Proof { password: posted.get("present").to_owned(), code: Some(posted.get("code").to_owned()) };
    let hall = &desk.console.hall;
    match hall.change_password(&desk.officer, &present, posted.get("new"), &source).await {
        Ok(()) => me_page(desk, "口令已更改;其他设备上的登录已退出", ""),
        Err(error) => me_page(desk, "", &error.to_string()),
    }
}

async fn log_out_everywhere(State(console): State<Console>, sent: Sent) -> Result<Response, Fault> {
    console.hall.log_out_everywhere(&sent.desk.officer).await?;
    Ok(see("/"))
}
