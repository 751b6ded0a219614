//! 电子监察: alerts within reach of the reader, an appeal of who is named responsible, and how the supervisors conclude them.

use super::lists::ROWS;
use super::{Sent, refusal, render, see};
use crate::Console;
use crate::api::id;
use crate::fault::Fault;
use crate::shell::{Desk, Shell};
use askama::Template;
use axum::Router;
use axum::extract::{Path, Query};
use axum::response::Response;
use axum::routing::{get, post};
use domain::CaseNo;
use domain::access::Permission;
use domain::supervision::{ConclusionKind, Rung};
use serde::Deserialize;
use store::AlertQuery;

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

#[derive(Template)]
#[template(path = "alerts.html")]
struct AlertsPage<'a> {
    shell: &'a Shell,
    alerts: Vec<AlertRow>,
    open_only: bool,
    next: String,
}

#[derive(Deserialize)]
struct AlertFilter {
    #[serde(default)]
    all: String,
    before: Option<u64>,
}

async fn alerts(desk: Desk, Query(filter): Query<AlertFilter>) -> Result<Response, Fault> {
    let open_only = filter.all != "1";
    let query = AlertQuery {
        open_only,
        before: filter.before,
        within: desk.within(),
        limit: ROWS as u32,
        ..AlertQuery::default()
    };
    let lines = desk.console.hall.store.alerts(query).await?;
    let network = desk.console.hall.store.network();
    let (appeals, concludes) = (desk.may(Permission::Appeal), desk.may(Permission::Conclude));
    let mut rows = Vec::new();
    for line in &lines {
        let alert = &line.alert;
        let Some(raised) = &alert.raised else { continue };
        let node = network.name_of(&raised.responsible.node);
        let concluded =
            alert.conclusion.as_ref().map(|one| format!("{} {}", desk.t(one.kind.chinese()), one.text));
        rows.push(AlertRow {
            act: desk.console.hall.fresh_id().to_string(),
            case: alert.case.clone(),
            key: alert.key.clone(),
            rung: raised.rung.chinese(),
            class: if raised.rung >= Rung::Yellow { "bad" } else { "warn" },
            text: raised.text.clone(),
            who: [node.as_str(), raised.responsible.officer.as_deref().unwrap_or("")].join(" "),
            day: raised.day.to_string(),
            appeals: alert
                .appeals
                .iter()
                .map(|appeal| format!("{} {}", appeal.officer, appeal.text))
                .collect(),
            may_appeal: appeals && alert.is_open(),
            may_conclude: concludes && alert.is_open(),
            concluded: concluded.unwrap_or_default(),
        });
    }
    let next = lines.last().filter(|_| lines.len() == ROWS).map_or(String::new(), |last| {
        format!("/alerts?all={}&before={}", if open_only { "0" } else { "1" }, last.no)
    });
    Ok(render(&AlertsPage { shell: &desk.shell, alerts: rows, open_only, next }))
}

async fn appeal(Path(case): Path<String>, sent: Sent) -> Result<Response, Fault> {
    let (desk, posted) = (&sent.desk, &sent.posted);
    let hall = &desk.console.hall;
    let (case, request) = (id(&case, "办件编号")?, posted.key());
    hall.appeal(&desk.officer, &case, posted.get("key"), posted.get("text"), request).await?;
    Ok(see("/alerts"))
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
    Ok(see("/alerts"))
}
