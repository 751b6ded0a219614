//! The plain pages: log-in, the node's status, and at the hub the map of the network with its table twin.

use crate::Console;
use crate::auth::{ByCookie, COOKIE_NAME, Source, cookie};
use crate::fault::Fault;
use askama::Template;
use axum::Router;
use axum::extract::{Form, State};
use axum::http::{StatusCode, header, request::Parts};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use casework::{LoginError, NodeStatus, Proof};
use domain::dossier::Status;
use domain::network::Tier;
use serde::Deserialize;
use std::sync::atomic::Ordering;

pub(crate) fn routes() -> Router<Console> {
    Router::new()
        .route("/", get(home))
        .route("/login", post(log_in))
        .route("/logout", post(log_out))
        .route("/healthz", get(async || "ok"))
        .route("/style.css", get(style))
}

pub(crate) async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css")], include_str!("../templates/style.css")).into_response()
}

#[derive(Template)]
#[template(path = "login.html")]
pub(crate) struct LoginPage<'a> {
    pub name: &'a str,
    /// Whether anybody here may have a phone that makes codes.
    pub codes: bool,
    /// Whether logging in opens the data first.
    pub locked: bool,
    /// What was typed as the name, so that it need not be typed again.
    pub officer: &'a str,
    /// What to mend; empty at first.
    pub told: &'a str,
}

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage<'a> {
    name: &'a str,
    officer: &'a str,
    badge: String,
    badge_class: &'static str,
    rows: Vec<(&'static str, String)>,
    nodes: Vec<NodeLine>,
    map: String,
}

struct NodeLine {
    id: String,
    name: String,
    tier: &'static str,
    own_head: u64,
    acknowledged: u64,
    last: String,
    oldest: String,
    skew: String,
}

pub(crate) fn render(page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => Html(html).into_response(),
        Err(error) => {
            Fault::new(StatusCode::INTERNAL_SERVER_ERROR, "page", error.to_string()).into_response()
        }
    }
}

fn login_page(console: &Console, officer: &str, told: &str) -> Response {
    let codes = console.hall.tier == Tier::City;
    render(&LoginPage { codes, locked: false, name: &console.name, officer, told })
}

async fn home(State(console): State<Console>, ByCookie(officer): ByCookie) -> Result<Response, Fault> {
    let Some(officer) = officer else {
        return Ok(login_page(&console, "", ""));
    };
    let counts = console.hall.counts().await?;
    let outbox = console.hall.outbox().await?;
    let (badge, badge_class) = badge(&console, outbox.waiting);
    let mut rows = vec![("节点", console.hall.me().to_string())];
    rows.extend(
        console
            .hall
            .store
            .pack(None)
            .map(|(release, pack)| ("事项目录", format!("第 {release} 版,{} 项", pack.items.len()))),
    );
    rows.extend(counts.by_status.iter().map(|(status, count)| (status_name(status), count.to_string())));
    rows.push(("本节点待办", counts.tasks.to_string()));
    rows.push(("附件未到", counts.attachments_missing.to_string()));
    rows.push(("挂起的页", counts.held.to_string()));
    rows.push(("隔离", counts.quarantined.to_string()));
    if let Some(recovery) = console.hall.store.recovery() {
        let words = recovery.may_write().err().map_or_else(
            || format!("从备份恢复,联网后与 {} 核对日志;可照常录入", recovery.awaited_names()),
            |refusal| refusal.to_string(),
        );
        rows.push(("恢复", words));
    }
    let nodes = if console.hall.tier == Tier::Village { Vec::new() } else { console.hall.nodes().await? };
    let map = if console.hall.tier == Tier::City {
        crate::page::map::svg(&nodes, console.hall.now())
    } else {
        String::new()
    };
    let nodes = nodes.iter().map(node_line).collect();
    Ok(render(&HomePage {
        name: &console.name,
        officer: &officer.display,
        badge,
        badge_class,
        rows,
        nodes,
        map,
    }))
}

fn status_name(status: &str) -> &'static str {
    let known: Result<Status, _> = serde_json::from_value(status.into());
    known.map_or("其他", Status::chinese)
}

/// Told from positions: a green line with entries waiting is not "all uploaded".
fn badge(console: &Console, waiting: u64) -> (String, &'static str) {
    let Some(link) = &console.uplink else { return ("市级节点".to_owned(), "ok") };
    let last = link.last_contact().map_or("从未".to_owned(), domain::Timestamp::to_minute);
    match (link.connected.load(Ordering::Relaxed), waiting) {
        (true, 0) => (format!("● 在线 · 全部已上传 · {last}"), "ok"),
        (true, waiting) => (format!("◐ 在线 · 待上传 {waiting} 条"), "busy"),
        (false, 0) => (format!("○ 离线 · 没有待上传 · 上次 {last}"), "off"),
        (false, waiting) => (format!("○ 离线 · {waiting} 条仅存本机 · 上次 {last}"), "off"),
    }
}

fn node_line(node: &NodeStatus) -> NodeLine {
    NodeLine {
        id: node.id.to_string(),
        name: node.name.clone(),
        tier: match node.tier {
            Tier::Village => "村",
            Tier::Town => "镇",
            Tier::City => "市",
        },
        own_head: node.own_head,
        acknowledged: node.acknowledged,
        last: node.last_contact.map_or("—".to_owned(), domain::Timestamp::to_minute),
        oldest: node.oldest_waiting.map_or("—".to_owned(), domain::Timestamp::to_minute),
        skew: node.clock_skew_ms.map_or("—".to_owned(), |ms| format!("{} 秒", ms / 1000)),
    }
}

#[derive(Deserialize)]
struct Credentials {
    name: String,
    password: String,
    #[serde(default)]
    code: String,
}

async fn log_in(
    State(console): State<Console>,
    Source(source): Source,
    Form(credentials): Form<Credentials>,
) -> Result<Response, Fault> {
    let Credentials { name, password, code } = credentials;
    let proof = Proof { password, code: Some(code) };
    match console.hall.log_in(&name, &proof, &source).await {
        Ok((token, _)) => {
            let cookie = format!("{COOKIE_NAME}={token}; HttpOnly; SameSite=Strict; Path=/");
            Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response())
        }
        Err(LoginError::Store(error)) => Err(error.into()),
        Err(error) => {
            let page = login_page(&console, &name, &error.to_string());
            Ok((StatusCode::UNAUTHORIZED, page).into_response())
        }
    }
}

async fn log_out(State(console): State<Console>, parts: Parts) -> Result<Response, Fault> {
    if let Some(token) = cookie(&parts) {
        console.hall.log_out(token).await?;
    }
    let gone = format!("{COOKIE_NAME}=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0");
    Ok(([(header::SET_COOKIE, gone)], Redirect::to("/")).into_response())
}

pub(crate) mod map;
