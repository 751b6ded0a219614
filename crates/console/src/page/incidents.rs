//! 运行事件: what was refused, could not be stored, or lies too long; and what whoever looks after the node said of it.

mod meaning;

use super::{Sent, render};
use crate::Console;
use crate::api::id;
use crate::fault::Fault;
use crate::page::done::done;
use crate::shell::{Desk, Shell};
use askama::Template;
use axum::Router;
use axum::extract::Path;
use axum::response::Response;
use axum::routing::{get, post};
use domain::access::Permission;
use store::Incident;

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/incidents", get(incidents))
        .route("/incidents/retry", post(retry))
        .route("/incidents/{no}/retry", post(retry_one))
        .route("/incidents/{no}/settle", post(settle))
}

struct Row {
    no: u64,
    at: String,
    from: String,
    journal: String,
    seq: u64,
    reason: String,
    /// What that means and what to do, in words; empty for what nobody has explained.
    means: &'static str,
    /// What was said of it.
    settled: String,
}

#[derive(Template)]
#[template(path = "incidents.html")]
struct IncidentsPage<'a> {
    shell: &'a Shell,
    open: Vec<Row>,
    past: Vec<Row>,
    /// All that wait for a person, those not listed among them.
    all: u64,
    /// Pages that wait for others before them.
    held: u64,
    /// Scans that have not come.
    missing: u64,
    may_settle: bool,
}

async fn incidents(desk: Desk) -> Result<Response, Fault> {
    let incidents = desk.console.hall.store.incidents().await?;
    let network = desk.console.hall.store.network();
    let name = |peer: &str| {
        let node = peer.parse().ok().and_then(|id| network.get(&id));
        node.map_or_else(|| peer.to_owned(), |node| node.name.clone())
    };
    let row = |one: Incident| Row {
        no: one.no,
        at: one.at.to_minute(),
        from: name(&one.peer),
        journal: one.journal,
        seq: one.seq,
        means: meaning::meaning(&one.reason),
        reason: one.reason,
        settled: one.settled.map_or_else(
            || desk.t("备查,不用处理").into_owned(),
            |settled| format!("{} {} {}", settled.at.to_minute(), settled.by, settled.note),
        ),
    };
    let (open, past): (Vec<Incident>, Vec<Incident>) =
        incidents.into_iter().partition(|one| !one.remark && one.settled.is_none());
    let page = IncidentsPage {
        shell: &desk.shell,
        open: open.into_iter().map(row).collect(),
        past: past.into_iter().map(row).collect(),
        all: desk.counts.quarantined,
        held: desk.counts.held,
        missing: desk.counts.attachments_missing,
        may_settle: desk.may(Permission::Operate),
    };
    Ok(render(&page))
}

async fn retry(sent: Sent) -> Result<Response, Fault> {
    sent.desk.console.hall.try_again(&sent.desk.officer).await?;
    Ok(done("/incidents", "已安排全部重试;成了的会从下面消失"))
}

async fn retry_one(Path(no): Path<String>, sent: Sent) -> Result<Response, Fault> {
    sent.desk.console.hall.try_one_again(&sent.desk.officer, id(&no, "编号")?).await?;
    Ok(done("/incidents", "已安排重试;成了会从下面消失"))
}

async fn settle(Path(no): Path<String>, sent: Sent) -> Result<Response, Fault> {
    let Sent { desk, posted } = sent;
    desk.console.hall.settle_incident(&desk.officer, id(&no, "编号")?, posted.get("note")).await?;
    Ok(done("/incidents", "已销案"))
}
