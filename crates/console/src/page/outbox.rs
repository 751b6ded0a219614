//! 发件箱 and 同步: what lies on this disk alone, why, and how it can travel otherwise. Nothing can be deleted here.

use super::lists::{CaseView, case_view};
use super::{Sent, render, render_with, see};
use crate::Console;
use crate::fault::Fault;
use crate::shell::{Desk, Shell};
use askama::Template;
use axum::Router;
use axum::extract::Query;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use casework::Outbox;
use domain::NodeId;
use serde::Deserialize;
use std::sync::atomic::Ordering;
use store::{CaseOrder, CaseQuery};

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/outbox", get(outbox))
        .route("/bag", get(export).post(import))
        .route("/sync", get(sync).post(sync_now))
}

struct Waiting {
    line: CaseView,
    town: bool,
}

#[derive(Template)]
#[template(path = "outbox.html")]
struct OutboxPage<'a> {
    shell: &'a Shell,
    outbox: Outbox,
    oldest: String,
    cases: Vec<Waiting>,
    link: LinkView,
    can_carry: bool,
    told: String,
    wrong: String,
}

struct LinkView {
    connected: bool,
    last: String,
    error: String,
    attempts: u64,
}

fn link_view(desk: &Desk) -> LinkView {
    match &desk.console.uplink {
        Some(link) => LinkView {
            connected: link.connected.load(Ordering::Relaxed),
            last: match link.last_contact() {
                Some(last) => desk.shell.ago(last, desk.now()),
                None => desk.t("从未联系").into_owned(),
            },
            error: link.last_error(),
            attempts: link.attempts.load(Ordering::Relaxed),
        },
        None => LinkView { connected: true, last: String::new(), error: String::new(), attempts: 0 },
    }
}

/// Newest cases that are looked through for what is still on its way.
const LOOKED_MAX: u32 = 1000;

async fn page(desk: &Desk, told: String, wrong: String) -> Result<Response, Fault> {
    let hall = &desk.console.hall;
    let outbox = hall.outbox().await?;
    let query = CaseQuery {
        origin: Some(hall.me().clone()),
        order: CaseOrder::NewestFirst,
        limit: LOOKED_MAX,
        ..CaseQuery::default()
    };
    let lines = hall.store.cases(query).await?;
    let waiting = lines
        .iter()
        .filter(|line| line.captured_seq > outbox.hub_has)
        .map(|line| Waiting { line: case_view(desk, line), town: line.captured_seq <= outbox.parent_has });
    let cases = waiting.collect();
    let oldest = outbox.oldest_waiting.map_or(String::new(), |at| desk.shell.ago(at, desk.now()));
    let page = OutboxPage {
        shell: &desk.shell,
        outbox,
        oldest,
        cases,
        link: link_view(desk),
        can_carry: desk.console.node.is_some() && desk.may_open("/bag"),
        told,
        wrong,
    };
    Ok(match page.wrong.is_empty() {
        true => render(&page),
        false => render_with(StatusCode::UNPROCESSABLE_ENTITY, &page),
    })
}

async fn outbox(desk: Desk) -> Result<Response, Fault> {
    page(&desk, String::new(), String::new()).await
}

#[derive(Deserialize)]
struct Whom {
    /// The node the bag is for; the parent where nobody else is named.
    peer: Option<NodeId>,
}

/// Everything another node has not, as one file for a stick (导出上传包).
async fn export(desk: Desk, Query(Whom { peer }): Query<Whom>) -> Result<Response, Fault> {
    let hall = &desk.console.hall;
    let parent = hall.store.network().parent(hall.me()).cloned();
    let (Some(node), Some(peer)) = (&desk.console.node, peer.or(parent)) else {
        return Err(Fault::unfit("请写明数据包交给哪个节点"));
    };
    let mut bytes = Vec::new();
    link::bag::export(node, &peer, &mut bytes).await.map_err(|error| Fault::unfit(error.to_string()))?;
    let name = format!("attachment; filename=\"{}-{}.tbag\"", hall.me(), desk.today());
    let headers =
        [(header::CONTENT_TYPE, "application/octet-stream".to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, bytes).into_response())
}

/// What came on a stick.
async fn import(sent: Sent) -> Result<Response, Fault> {
    let desk = &sent.desk;
    let (Some(node), Some((_, bytes))) = (&desk.console.node, sent.posted.files.first()) else {
        return page(desk, String::new(), desk.t("请先选择 U 盘上的数据包文件").into_owned()).await;
    };
    let report = match link::bag::import(node, &bytes[..]).await {
        Ok(report) => report,
        Err(link::bag::BagError::NotABag) => {
            let told = "这不是数据包文件;请选择扩展名为 .tbag 的文件";
            return page(desk, String::new(), desk.t(told).into_owned()).await;
        }
        Err(error) => return page(desk, String::new(), error.to_string()).await,
    };
    let told = format!("已导入 {} 批记录、{} 份附件", report.runs, report.attachments);
    let told = desk.t(&told).into_owned();
    match report.complete && report.refused.is_empty() {
        true => page(desk, told, String::new()).await,
        false => {
            let wrong = [told, report.note, report.refused.join(";")].join(" ");
            page(desk, String::new(), wrong).await
        }
    }
}

#[derive(Template)]
#[template(path = "sync.html")]
struct SyncPage<'a> {
    shell: &'a Shell,
    outbox: Outbox,
    oldest: String,
    link: LinkView,
    release: String,
    letters: usize,
    missing: u64,
    held: u64,
    may_see_cases: bool,
}

async fn sync(desk: Desk) -> Result<Response, Fault> {
    let hall = &desk.console.hall;
    let outbox = hall.outbox().await?;
    let release = hall.store.pack(None).map_or(String::new(), |(release, pack)| {
        desk.t(&format!("第 {release} 版,{} 项", pack.items.len())).into_owned()
    });
    let page = SyncPage {
        shell: &desk.shell,
        oldest: outbox.oldest_waiting.map_or(String::new(), |at| desk.shell.ago(at, desk.now())),
        outbox,
        link: link_view(&desk),
        release,
        letters: hall.store.delegations().iter().count(),
        missing: desk.counts.attachments_missing,
        held: desk.counts.held,
        may_see_cases: desk.may_open("/outbox"),
    };
    Ok(render(&page))
}

async fn sync_now(sent: Sent) -> Response {
    if let Some(link) = &sent.desk.console.uplink {
        link.poke.notify_one();
    }
    see(match sent.posted.get("to") {
        "/outbox" => "/outbox",
        _ => "/sync",
    })
}
