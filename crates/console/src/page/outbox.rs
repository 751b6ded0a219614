//! 发件箱 and 同步: what lies on this disk alone, why, and how it can travel otherwise. Nothing can be deleted here.

use super::lists::{CaseView, Paged, ROWS, case_view, days_left, page_within};
use super::{Sent, render, render_with, see};
use crate::Console;
use crate::fault::Fault;
use crate::posted::{self, BAG_BYTES_MAX};
use crate::shell::{Desk, Shell};
use askama::Template;
use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use casework::Outbox;
use domain::NodeId;
use domain::clock::TimerKind;
use domain::dossier::Status;
use domain::network::Tier;
use futures::{StreamExt, TryStreamExt};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use store::CaseLine;
use tokio::io::AsyncBufReadExt;
use tokio_util::io::{ReaderStream, StreamReader};

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/outbox", get(outbox))
        .route("/bag", get(export).post(import).layer(DefaultBodyLimit::max(BAG_BYTES_MAX)))
        .route("/sync", get(sync).post(sync_now))
}

/// A case on its way: where it is, what still has to travel, and how long there is.
struct Waiting {
    line: CaseView,
    /// The town has signed for all of it.
    town: bool,
    /// Scans that belong to it, and their bytes together.
    size: String,
    due: String,
    /// How near the limit is.
    class: &'static str,
}

#[derive(Template)]
#[template(path = "outbox.html")]
struct OutboxPage<'a> {
    shell: &'a Shell,
    outbox: Outbox,
    oldest: String,
    cases: Vec<Waiting>,
    /// How many there are on all pages.
    all: usize,
    page: usize,
    /// Scans that the parent has not confirmed.
    scans: u64,
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
    /// Seconds until it is dialled again.
    next: Option<i64>,
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
            next: link.next_try().map(|at| (at.since(desk.now()) / 1000).max(1)),
        },
        None => {
            LinkView { connected: true, last: String::new(), error: String::new(), attempts: 0, next: None }
        }
    }
}

/// Between the maker of a bag and the line it goes out on.
const PIPE_BYTES: usize = 256 * 1024;

/// Cases of which the hub has not signed for all that was written, here or at a town's villages: each village's in the order of capture.
/// One page of them, how many there are, and which page it is.
async fn on_their_way(desk: &Desk, page: usize) -> Result<(Vec<Waiting>, usize, usize), Fault> {
    let hall = &desk.console.hall;
    let unsigned = hall.cases_unsigned(Tier::City).await?;
    let here = match hall.tier {
        Tier::Village => hall.cases_unsigned(Tier::Town).await?,
        Tier::Town | Tier::City => BTreeSet::new(),
    };
    let mut lines = Vec::new();
    for case in &unsigned {
        // Of a case that is held back until its first page comes there is nothing to show.
        lines.extend(hall.store.dossier(case).await?.map(CaseLine::from));
    }
    // In the order of a village's own journal; a town lists its villages one after another.
    lines.sort_by_key(|line| (line.origin.clone(), line.captured_seq));
    let all = lines.len();
    // It may have emptied since the page before was shown.
    let page = page_within(page, all);
    let mut waiting = Vec::new();
    for line in lines.iter().skip(page * ROWS).take(ROWS) {
        waiting.push(waiting_one(desk, line, !here.contains(&line.case)).await?);
    }
    Ok((waiting, all, page))
}

async fn waiting_one(desk: &Desk, line: &CaseLine, town: bool) -> Result<Waiting, Fault> {
    let view = desk.console.hall.view(&line.case).await?;
    let (scans, bytes) =
        view.dossier.all_attachments().fold((0, 0), |(scans, bytes), one| (scans + 1, bytes + one.bytes));
    let size = match scans {
        0 => "没有扫描件".to_owned(),
        scans => format!("{scans} 份扫描件,{} KB", bytes.div_ceil(1024)),
    };
    // What the applicant has promised to bring is their own limit.
    let ours = view.timers.iter().filter(|timer| timer.met.is_none() && timer.timer != TimerKind::MakeUp);
    let next = ours.filter_map(|timer| timer.due);
    let (due, class) = match next.min_by_key(|due| due.day) {
        Some(due) => days_left(desk, due.day),
        // Before somebody above has signed for it no limit runs, and nobody counts it either.
        None if view.status == Status::Captured => ("镇里签收后起算".to_owned(), "warn"),
        None => ("没有期限".to_owned(), "soft"),
    };
    let (size, due) = (desk.t(&size).into_owned(), desk.t(&due).into_owned());
    Ok(Waiting { line: case_view(desk, line), town, size, due, class })
}

async fn page(desk: &Desk, at: usize, told: String, wrong: String) -> Result<Response, Fault> {
    let hall = &desk.console.hall;
    let outbox = hall.outbox().await?;
    let (cases, all, at) = on_their_way(desk, at).await?;
    let oldest = outbox.oldest_waiting.map_or(String::new(), |at| desk.shell.ago(at, desk.now()));
    let page = OutboxPage {
        shell: &desk.shell,
        outbox,
        oldest,
        cases,
        all,
        page: at,
        scans: desk.counts.attachments_on_way,
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

async fn outbox(desk: Desk, Query(Paged { page: at, .. }): Query<Paged>) -> Result<Response, Fault> {
    page(&desk, at, String::new(), String::new()).await
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
    // Made while it is sent: a bag of a month is larger than an old machine's memory.
    let (out, inward) = tokio::io::duplex(PIPE_BYTES);
    let (node, to) = (node.clone(), peer.clone());
    let made = tokio::spawn(async move { link::bag::export(&node, &to, out).await });
    let mut inward = tokio::io::BufReader::with_capacity(PIPE_BYTES, inward);
    let begun = inward.fill_buf().await.is_ok_and(|first| !first.is_empty());
    if !begun {
        let reason = match made.await {
            Ok(Err(error)) => error.to_string(),
            _ => "数据包没有做成,请重试".to_owned(),
        };
        return Err(Fault::unfit(reason));
    }
    let name = format!("attachment; filename=\"{}-{}.tbag\"", hall.me(), desk.today());
    let headers =
        [(header::CONTENT_TYPE, "application/octet-stream".to_owned()), (header::CONTENT_DISPOSITION, name)];
    // A bag that broke must not look like a whole one: the download fails with it.
    let end = futures::stream::once(async move {
        match made.await {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(Err(std::io::Error::other(error.to_string()))),
            Err(error) => Some(Err(std::io::Error::other(error))),
        }
    });
    let stream = ReaderStream::new(inward).chain(end.filter_map(std::future::ready));
    Ok((headers, Body::from_stream(stream)).into_response())
}

/// What came on a stick; read as it comes, and what was read whole is kept even if the rest does not come.
async fn import(desk: Desk, State(console): State<Console>, request: Request) -> Result<Response, Fault> {
    let mut form = posted::open_file(request, &console).await?;
    let broken = |_| Fault::unfit("文件没有传完整,请再导入一次;已收下的不会重复");
    let (Some(node), Some(file)) = (&console.node, form.next_field().await.map_err(broken)?) else {
        return page(&desk, 0, String::new(), desk.t(CHOOSE_A_FILE).into_owned()).await;
    };
    let mut bytes = tokio::io::BufReader::new(StreamReader::new(file.map_err(std::io::Error::other)));
    if bytes.fill_buf().await.is_ok_and(|first| first.is_empty()) {
        return page(&desk, 0, String::new(), desk.t(CHOOSE_A_FILE).into_owned()).await;
    }
    let report = match link::bag::import(node, bytes).await {
        Ok(report) => report,
        Err(link::bag::BagError::NotABag) => {
            let told = "这不是数据包文件;请选择扩展名为 .tbag 的文件";
            return page(&desk, 0, String::new(), desk.t(told).into_owned()).await;
        }
        Err(error) => return page(&desk, 0, String::new(), error.to_string()).await,
    };
    let told = format!("已导入 {} 批记录、{} 份附件", report.runs, report.attachments);
    let told = desk.t(&told).into_owned();
    match report.complete && report.refused.is_empty() {
        true => page(&desk, 0, told, String::new()).await,
        false => {
            let wrong = [told, report.note, report.refused.join(";")].join(" ");
            page(&desk, 0, String::new(), wrong).await
        }
    }
}

const CHOOSE_A_FILE: &str = "请先选择 U 盘上的数据包文件";

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
