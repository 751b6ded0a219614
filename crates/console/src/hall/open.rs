//! The log-in of citizens: who they are, then the code, then back to where they wanted to go.

use super::access::{Begun, NoLogin};
use super::{CITIZEN_COOKIE, Filled, Visitor, answer};
use crate::Console;
use crate::fault::Fault;
use crate::page::local;
use askama::Template;
use axum::Router;
use axum::extract::Query;
use axum::http::header;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use casework::Citizen;
use serde::Deserialize;

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/hall/login", get(ask).post(begin))
        .route("/hall/login/code", post(finish))
        .route("/hall/logout", post(log_out))
}

#[derive(Template)]
#[template(path = "hall/login.html")]
struct LoginPage<'a> {
    hall: &'a Visitor,
    /// Where to go afterwards.
    to: &'a str,
    name: &'a str,
    number: &'a str,
    wrong: String,
    /// No code is sent from here.
    no_codes: bool,
    /// Where else they can prove who they are.
    elsewhere: Option<&'a str>,
}

impl LoginPage<'_> {
    /// Nobody can log in here.
    fn closed(&self) -> bool {
        self.no_codes && self.elsewhere.is_none()
    }
}

#[derive(Template)]
#[template(path = "hall/code.html")]
struct CodePage<'a> {
    hall: &'a Visitor,
    to: &'a str,
    challenge: &'a str,
    shown: Option<&'a str>,
    wrong: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Whither {
    to: String,
}

/// A page of the hall; anything else is not for citizens.
pub(super) fn within(to: &str) -> &str {
    let to = local(to);
    if to == "/hall" || to.starts_with("/hall/") { to } else { "/hall/mine" }
}

fn login_page(visitor: &Visitor, to: &str, typed: (&str, &str), wrong: &str) -> Response {
    let page = LoginPage {
        hall: visitor,
        to,
        name: typed.0,
        number: typed.1,
        wrong: visitor.t(wrong).into_owned(),
        no_codes: visitor.console.citizens.provider.is_none(),
        elsewhere: visitor.console.citizens.sign_on.as_deref().map(super::SignOn::name),
    };
    answer(!wrong.is_empty(), &page)
}

async fn ask(visitor: Visitor, Query(whither): Query<Whither>) -> Response {
    login_page(&visitor, within(&whither.to), ("", ""), "")
}

async fn begin(filled: Filled) -> Result<Response, Fault> {
    let (visitor, posted) = (&filled.visitor, &filled.posted);
    let (to, name) = (within(posted.get("to")), posted.get("name"));
    // A thumb sends a small x.
    let number = posted.get("number").to_uppercase();
    let wrong = |told: &str| Ok(login_page(visitor, to, (name, &number), told));
    let Some(provider) = visitor.console.citizens.provider.clone() else {
        return wrong(&NoLogin::Unavailable.to_string());
    };
    if name.is_empty() || number.is_empty() {
        return wrong("请写姓名(或单位名称)和证件号");
    }
    let claimed = Citizen { name: name.to_owned(), number: number.clone() };
    match provider.begin(claimed, &visitor.source).await {
        Ok(Begun::Code { challenge, shown }) => {
            let page = CodePage {
                hall: visitor,
                to,
                challenge: &challenge,
                shown: shown.as_deref(),
                wrong: String::new(),
            };
            Ok(answer(false, &page))
        }
        Err(error) => wrong(&error.to_string()),
    }
}

async fn finish(filled: Filled) -> Result<Response, Fault> {
    let (visitor, posted) = (&filled.visitor, &filled.posted);
    let (to, challenge) = (within(posted.get("to")), posted.get("challenge"));
    let provider = visitor.console.citizens.provider.clone();
    let outcome = match provider {
        Some(provider) => provider.finish(challenge, posted.get("code")).await,
        None => Err(NoLogin::Unavailable),
    };
    match outcome {
        Ok(citizen) => Ok((enter(visitor, citizen).await?, Redirect::to(to)).into_response()),
        Err(error) => {
            let wrong = visitor.t(&error.to_string()).into_owned();
            let page = CodePage { hall: visitor, to, challenge, shown: None, wrong };
            Ok(answer(true, &page))
        }
    }
}

/// The cookie of somebody who has proven who they are.
pub(super) type Entry = [(header::HeaderName, String); 1];

/// Lets somebody in.
pub(super) async fn enter(visitor: &Visitor, citizen: Citizen) -> Result<Entry, Fault> {
    let hall = &visitor.console.hall;
    let newest = hall.cases_of(&citizen).await?.first().map(|view| view.case.to_string());
    hall.note_applicant("log in", &newest.unwrap_or_default()).await?;
    let mut secret = [0; 24];
    hall.random.fill(&mut secret);
    let token: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    visitor.console.citizens.open(&token, citizen, visitor.now());
    let cookie = format!("{CITIZEN_COOKIE}={token}; HttpOnly; SameSite=Strict; Path=/hall");
    Ok([(header::SET_COOKIE, cookie)])
}

/// The log-in page once more, with why.
pub(super) fn refused(visitor: &Visitor, to: &str, why: &NoLogin) -> Response {
    login_page(visitor, to, ("", ""), &why.to_string())
}

async fn log_out(filled: Filled) -> Response {
    let visitor = &filled.visitor;
    visitor.console.citizens.close(&visitor.session);
    let gone = format!("{CITIZEN_COOKIE}=; HttpOnly; SameSite=Strict; Path=/hall; Max-Age=0");
    ([(header::SET_COOKIE, gone)], Redirect::to("/hall")).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_citizens_log_in_leads_into_the_hall_and_nowhere_else() {
        assert_eq!(within("/hall/cases/1"), "/hall/cases/1");
        for elsewhere in ["/accounts", "/hallway", "//evil.example", "/hall/\t//evil", ""] {
            assert_eq!(within(elsewhere), "/hall/mine", "{elsewhere:?}");
        }
    }
}
