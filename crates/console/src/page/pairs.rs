//! 双人复核: acts that one person must not do alone, proposed by one officer and confirmed by another within half an hour.
//!
//! Both prove themselves anew. What an act makes (half of a new account, an export) is shown to whom it belongs, once.

mod asked;

pub(super) use asked::suite_name;

use super::{Sent, render_with, told};
use crate::Console;
use crate::api::id;
use crate::api::people::exported;
use crate::auth::Source;
use crate::fault::Fault;
use crate::page::done::done;
use crate::posted::Posted;
use crate::shell::{Desk, Shell};
use askama::Template;
use asked::{Asked, Kind, act_of, fact_of, title_of};
use axum::Router;
use axum::extract::{Path, Query};
use axum::http::{HeaderName, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use casework::SensitiveAct;
use serde_json::Value;
use store::Countersign;

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/countersigns", get(waiting).post(propose))
        .route("/countersigns/new", get(ask))
        .route("/countersigns/{id}", post(confirm))
        .route("/countersigns/{id}/collect", post(collect))
        .route("/exports/{id}", get(export))
}

struct Row {
    id: String,
    title: &'static str,
    fact: String,
    by: String,
    at: String,
    /// Whoever confirmed.
    done: String,
    over: bool,
    may_confirm: bool,
    mine: bool,
    may_collect: bool,
    may_fetch: bool,
}

/// What is shown once: whose account, and its half.
struct Shown {
    name: String,
    what: &'static str,
    secret: String,
}

#[derive(Template)]
#[template(path = "countersigns.html")]
struct WaitingPage<'a> {
    shell: &'a Shell,
    open: Vec<Row>,
    past: Vec<Row>,
    shown: Option<Shown>,
    codes: bool,
    wrong: &'a str,
}

/// How many of the past are listed.
const PAST_SHOWN: usize = 20;

async fn waiting(desk: Desk) -> Result<Response, Fault> {
    list(&desk, None, None).await
}

async fn list(desk: &Desk, shown: Option<Shown>, fault: Option<Fault>) -> Result<Response, Fault> {
    let acts = desk.console.hall.waiting_acts().await?;
    let rows = acts.iter().filter_map(|one| row(desk, one));
    let (open, mut past): (Vec<Row>, Vec<Row>) = rows.partition(|row| row.done.is_empty() && !row.over);
    past.truncate(PAST_SHOWN);
    let (status, wrong) = told(desk, fault);
    let codes = desk.officer.second_factor;
    let page = WaitingPage { shell: &desk.shell, open, past, shown, codes, wrong: &wrong };
    Ok(render_with(status, &page))
}

/// `None` for what this officer has no say in.
fn row(desk: &Desk, one: &Countersign) -> Option<Row> {
    let act: SensitiveAct = serde_json::from_value(one.act.clone()).ok()?;
    let mine = one.by == desk.officer.name;
    let second = one.done.as_ref().is_some_and(|(name, _)| *name == desk.officer.name);
    let may = desk.may(act.permission());
    if !may && !mine && !second {
        return None;
    }
    let hall = &desk.console.hall;
    let fresh = hall.is_fresh(one.done.as_ref().map_or(one.at, |(_, at)| *at));
    let done = one.done.as_ref();
    let makes_account = matches!(act, SensitiveAct::GiveAccount(_) | SensitiveAct::ResetAccount { .. });
    Some(Row {
        id: one.id.to_string(),
        title: title_of(one.act["kind"].as_str().unwrap_or_default()),
        fact: fact_of(desk, &act),
        by: one.by.clone(),
        at: one.at.to_minute(),
        done: done.map_or(String::new(), |(name, at)| format!("{name} · {}", at.to_minute())),
        over: done.is_none() && !fresh,
        may_confirm: done.is_none() && fresh && may && !mine,
        mine,
        may_collect: done.is_some() && fresh && mine && makes_account && !one.collected,
        may_fetch: done.is_some() && fresh && (mine || second) && act.is_export(),
    })
}

#[derive(Template)]
#[template(path = "countersign.html")]
struct AskPage<'a> {
    shell: &'a Shell,
    asked: Asked,
    /// The act that the form would be.
    act: String,
    codes: bool,
    wrong: &'a str,
}

pub(super) fn ask_page(desk: &Desk, typed: &Posted, fault: Option<Fault>) -> Result<Response, Fault> {
    let asked = Asked::of(desk, typed)?;
    let (status, wrong) = told(desk, fault);
    let act = desk.console.hall.fresh_id().to_string();
    let page = AskPage { shell: &desk.shell, asked, act, codes: desk.officer.second_factor, wrong: &wrong };
    Ok(render_with(status, &page))
}

async fn ask(desk: Desk, Query(fields): Query<Vec<(String, String)>>) -> Result<Response, Fault> {
    ask_page(&desk, &Posted { fields, files: Vec::new() }, None)
}

async fn propose(Source(source): Source, sent: Sent) -> Result<Response, Fault> {
    let Sent { desk, posted } = sent;
    let outcome = match act_of(&posted) {
        Ok(act) => {
            let hall = &desk.console.hall;
            let proposed = hall.propose(&desk.officer, &act, &posted.proof(), &source, posted.key()).await;
            proposed.map_err(Fault::from)
        }
        Err(fault) => Err(fault),
    };
    match outcome {
        Ok(_) => Ok(done("/countersigns", "已提出,等另一个人确认")),
        Err(fault) if fault.status.is_server_error() => Err(fault),
        Err(fault) => ask_page(&desk, &posted, Some(fault)),
    }
}

async fn confirm(Path(text): Path<String>, Source(source): Source, sent: Sent) -> Result<Response, Fault> {
    let Sent { desk, posted } = sent;
    let hall = &desk.console.hall;
    match hall.countersign(&desk.officer, id(&text, "复核编号")?, &posted.proof(), &source).await {
        Ok(made) if made.get("password").is_some() => {
            list(&desk, Some(shown(&made, "口令", "password")), None).await
        }
        Ok(_) => Ok(done("/countersigns", "已确认;导出等要领取的在下面领取")),
        Err(error) => {
            let fault = Fault::from(error);
            if fault.status.is_server_error() { Err(fault) } else { list(&desk, None, Some(fault)).await }
        }
    }
}

fn shown(made: &Value, what: &'static str, key: &str) -> Shown {
    let text = |key: &str| made[key].as_str().unwrap_or_default().to_owned();
    Shown { name: text("name"), what, secret: text(key) }
}

async fn collect(Path(text): Path<String>, sent: Sent) -> Result<Response, Fault> {
    let desk = &sent.desk;
    match desk.console.hall.collect(&desk.officer, id(&text, "复核编号")?).await {
        Ok(made) => list(desk, Some(shown(&made, "动态口令密钥", "code_uri")), None).await,
        Err(error) => list(desk, None, Some(error.into())).await,
    }
}

async fn export(Path(text): Path<String>, desk: Desk) -> Result<Response, Fault> {
    let act = desk.console.hall.signed_export(&desk.officer, id(&text, "复核编号")?).await?;
    let (kind, pieces) = exported(&desk.console.hall, &act);
    let name = if matches!(act, SensitiveAct::ExportAudit {}) { "audit.ndjson" } else { "cases.csv" };
    let headers: [(HeaderName, String); 2] = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    Ok((headers, pieces).into_response())
}
