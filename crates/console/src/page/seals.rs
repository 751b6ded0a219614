//! A new seal for a department, in place of the present one.

use super::{Sent, bodies_of, render_with, see, told};
use crate::Console;
use crate::auth::Source;
use crate::fault::Fault;
use crate::posted::Posted;
use crate::shell::{Desk, Shell};
use askama::Template;
use axum::Router;
use axum::extract::Query;
use axum::response::Response;
use axum::routing::{get, post};
use trust::Suite;

pub(super) fn routes() -> Router<Console> {
    Router::new().route("/seals/new", get(ask)).route("/seals", post(make))
}

#[derive(Template)]
#[template(path = "seal.html")]
struct SealPage<'a> {
    shell: &'a Shell,
    bodies: Vec<(String, String)>,
    body: &'a str,
    suite: &'a str,
    suites: [(&'static str, &'static str); 2],
    codes: bool,
    wrong: &'a str,
}

/// What a suite is called where people choose one.
pub(super) fn suite_name(suite: Suite) -> &'static str {
    match suite {
        Suite::Ed25519Sha256 => "Ed25519(SHA-256)",
        Suite::Sm2Sm3 => "国密 SM2(SM3)",
    }
}

async fn ask(desk: Desk, Query(fields): Query<Vec<(String, String)>>) -> Result<Response, Fault> {
    page(&desk, &Posted { fields, files: Vec::new() }, None)
}

fn page(desk: &Desk, typed: &Posted, fault: Option<Fault>) -> Result<Response, Fault> {
    let (_, pack) = desk.console.hall.pack(None)?;
    let (status, wrong) = told(desk, fault);
    let page = SealPage {
        shell: &desk.shell,
        bodies: bodies_of(&pack),
        body: typed.get("body"),
        suite: typed.get("suite"),
        suites: Suite::ALL.map(|suite| (suite.name(), suite_name(suite))),
        codes: desk.officer.second_factor,
        wrong: &wrong,
    };
    Ok(render_with(status, &page))
}

async fn make(Source(source): Source, sent: Sent) -> Result<Response, Fault> {
    let Sent { desk, posted } = sent;
    let made = async {
        let body = posted.get("body").parse().map_err(|_| Fault::unfit("请选择部门"))?;
        let suite = match posted.get("suite") {
            "" => None,
            name => Some(name.parse::<Suite>().map_err(|_| Fault::unfit("请从列出的算法中选择"))?),
        };
        let hall = &desk.console.hall;
        Ok::<_, Fault>(hall.sign_seal(&desk.officer, &body, suite, &posted.proof(), &source).await?)
    };
    match made.await {
        Ok(_) => Ok(see("/letters#seals")),
        Err(fault) if fault.status.is_server_error() => Err(fault),
        Err(fault) => page(&desk, &posted, Some(fault)),
    }
}
