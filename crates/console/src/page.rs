//! The pages for people. Every page reads the request, calls a use case, and shows what came of it; what is wrong is told on the
//! page where it can be mended, with everything that was typed still there.

mod accounts;
mod acts;
mod alerts;
pub(crate) mod answers;
mod board;
mod case;
mod chart;
mod check;
pub(crate) mod choose;
mod daily;
pub(crate) mod done;
mod draft;
mod draft_form;
mod editor;
mod flow;
mod home;
mod house;
mod incidents;
mod ledger;
mod letters;
mod lists;
mod machines;
pub(crate) mod map;
mod mend;
mod network;
mod news;
mod outbox;
mod pairs;
mod papers;
mod planner;
mod rectify;
mod requests;
mod table;
mod tablet;
mod tickets;

use crate::Console;
use crate::auth::{COOKIE_NAME, Source, cookie};
use crate::fault::Fault;
use crate::posted::Posted;
use crate::shell::{Desk, LANG_COOKIE, LARGE_COOKIE, Shell, Taste};
use askama::Template;
use axum::extract::{DefaultBodyLimit, Form, Query, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header, request::Parts};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Router, middleware};
use casework::{LoginError, Proof};
use domain::form::FormFault;
use domain::network::Tier;
use domain::pack::CityPack;
use serde::Deserialize;

/// What a form may send without scans.
const FORM_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Pages behind the log-in, and the few before it.
pub(crate) fn routes(console: Console) -> Router<Console> {
    let inside = Router::new()
        .merge(home::routes())
        .merge(choose::routes())
        .merge(draft::routes())
        .merge(draft_form::routes())
        .merge(papers::routes())
        .merge(requests::routes())
        .merge(check::routes())
        .merge(outbox::routes())
        .merge(lists::routes())
        .merge(alerts::routes())
        .merge(board::routes())
        .merge(planner::routes())
        .merge(rectify::routes())
        .merge(ledger::routes())
        .merge(daily::routes())
        .merge(tickets::routes())
        .merge(tablet::routes())
        .merge(mend::routes())
        .merge(case::routes())
        .merge(acts::routes())
        .merge(network::routes())
        .merge(news::routes())
        .merge(incidents::routes())
        .merge(house::routes())
        .merge(editor::routes())
        .merge(accounts::routes())
        .merge(pairs::routes())
        .merge(letters::routes())
        .merge(machines::routes())
        .merge(crate::print::page_routes())
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .layer(middleware::from_fn_with_state(console, crate::pages::admit));
    Router::new()
        .route("/login", get(show_login).post(log_in))
        .route("/logout", post(log_out))
        .route("/prefer", get(prefer))
        .route("/healthz", get(async || "ok"))
        .route("/style.css", get(style))
        .route("/console.js", get(script))
        .route("/noscript.css", get(noscript_style))
        .merge(crate::print::styles())
        .merge(inside)
}

pub(crate) async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css")], include_str!("../templates/style.css")).into_response()
}
async fn noscript_style() -> Response {
    ([(header::CONTENT_TYPE, "text/css")], include_str!("../templates/noscript.css")).into_response()
}
async fn script() -> Response {
    ([(header::CONTENT_TYPE, "text/javascript")], include_str!("../templates/console.js")).into_response()
}

pub(crate) fn render(page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => Html(html).into_response(),
        Err(error) => {
            Fault::new(StatusCode::INTERNAL_SERVER_ERROR, "page", error.to_string()).into_response()
        }
    }
}

/// A page that says what has to be mended keeps the status of the refusal, so that programs and tests can tell.
pub(crate) fn render_with(status: StatusCode, page: &impl Template) -> Response {
    (status, render(page)).into_response()
}

/// A page without a word of reproach is as it should be; one with is to be mended and sent again.
fn status_of(wrong: &str) -> StatusCode {
    if wrong.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY }
}

/// What a page that comes back says of a refusal, and its status.
fn told(desk: &Desk, fault: Option<Fault>) -> (StatusCode, String) {
    fault.map_or((StatusCode::OK, String::new()), |fault| (fault.status, desk.t(&fault.message).into_owned()))
}

/// The departments to choose from: id and name.
fn bodies_of(pack: &CityPack) -> Vec<(String, String)> {
    pack.orgs.values().map(|org| (org.id.to_string(), org.name.clone())).collect()
}

/// The items to choose from: id and name.
fn items_of(pack: &CityPack) -> Vec<(String, String)> {
    pack.items.values().map(|item| (item.id.to_string(), item.name.clone())).collect()
}

#[derive(Template)]
#[template(path = "refusal.html")]
struct RefusalPage<'a> {
    shell: &'a Shell,
    message: &'a str,
    faults: &'a [FormFault],
}

#[derive(Template)]
#[template(path = "bare.html")]
struct BarePage<'a> {
    taste: Taste,
    message: &'a str,
}

#[derive(Template)]
#[template(path = "again.html")]
struct AgainPage<'a> {
    taste: Taste,
    here: &'a str,
}

/// Whoever followed a link from elsewhere comes without their log-in (`SameSite=Strict`): a page that opens this one again comes from
/// here, and brings it. `None` for whoever came from here already.
pub(crate) fn come_again(method: &Method, headers: &HeaderMap, uri: &Uri) -> Option<Response> {
    let elsewhere =
        headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site" || site == "same-site");
    let here = uri.path_and_query().map_or("/", |path| local(path.as_str()));
    (elsewhere && method.is_safe()).then(|| go_on(Taste::of(headers), here))
}

/// A page that opens another one of this house by itself.
pub(crate) fn go_on(taste: Taste, here: &str) -> Response {
    render(&AgainPage { taste, here })
}

/// A refusal with the menu around it.
pub(crate) fn refusal(desk: &Desk, fault: &Fault) -> Response {
    let page = RefusalPage { shell: &desk.shell, message: &fault.message, faults: &fault.faults };
    render_with(fault.status, &page)
}

/// A refusal to somebody of whom nothing is known.
pub(crate) fn bare_refusal(taste: Taste, fault: &Fault) -> Response {
    render_with(fault.status, &BarePage { taste, message: &fault.message })
}

#[derive(Template)]
#[template(path = "login.html")]
pub(crate) struct LoginPage<'a> {
    pub taste: Taste,
    pub name: &'a str,
    /// Whether anybody here may have a phone that makes codes.
    pub codes: bool,
    /// Whether logging in opens the data first.
    pub locked: bool,
    /// What was typed as the name, so that it need not be typed again.
    pub officer: &'a str,
    /// What to mend; empty at first.
    pub told: &'a str,
    /// Where to go afterwards.
    pub to: &'a str,
}

pub(crate) fn login_page(console: &Console, taste: Taste, officer: &str, told: &str, to: &str) -> Response {
    let codes = console.hall.tier == Tier::City;
    render(&LoginPage { taste, codes, locked: false, name: &console.name, officer, told, to })
}

#[derive(Deserialize)]
struct Whither {
    #[serde(default)]
    to: String,
}

/// A path of this house. Anything else would send people from our log-in to somebody else's page.
pub(crate) fn local(path: &str) -> &str {
    // Browsers throw control characters away before they read an address: `/`, tab, `/` would be another house.
    let plain = !path.contains(|c: char| c == '\\' || c.is_control());
    let ours = path.starts_with('/') && !path.starts_with("//") && plain;
    if ours { path } else { "/" }
}

async fn show_login(
    State(console): State<Console>,
    taste: Taste,
    Query(Whither { to }): Query<Whither>,
) -> Response {
    login_page(&console, taste, "", "", local(&to))
}

#[derive(Deserialize)]
struct Credentials {
    name: String,
    password: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    to: String,
}

async fn log_in(
    State(console): State<Console>,
    taste: Taste,
    Source(source): Source,
    Form(credentials): Form<Credentials>,
) -> Result<Response, Fault> {
    let Credentials { name, password, code, to } = credentials;
    let (proof, to) = (Proof { password, code: Some(code) }, local(&to));
    match console.hall.log_in(&name, &proof, &source).await {
        Ok((token, _)) => {
            let cookie = format!("{COOKIE_NAME}={token}; HttpOnly; SameSite=Strict; Path=/");
            Ok(([(header::SET_COOKIE, cookie)], Redirect::to(to)).into_response())
        }
        Err(LoginError::Store(error)) => Err(error.into()),
        Err(error) => {
            let page = login_page(&console, taste, &name, &error.to_string(), to);
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

#[derive(Deserialize)]
pub(crate) struct Preference {
    lang: Option<String>,
    large: Option<String>,
    #[serde(default)]
    to: String,
}

/// Language and size of letters: kept by the browser, for a year.
pub(crate) async fn prefer(Query(Preference { lang, large, to }): Query<Preference>) -> Response {
    let mut answer = Redirect::to(local(&to)).into_response();
    let mut keep = |name: &str, value: &str| {
        let cookie = format!("{name}={value}; SameSite=Strict; Path=/; Max-Age=31536000");
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            answer.headers_mut().append(header::SET_COOKIE, cookie);
        }
    };
    if let Some(lang) = lang {
        keep(LANG_COOKIE, if lang == "en" { "en" } else { "zh" });
    }
    if let Some(large) = large {
        keep(LARGE_COOKIE, if large == "1" { "1" } else { "0" });
    }
    answer
}

pub(crate) use done::{forget as forget_done, said as said_done};
pub(crate) use home::encoded;
pub(crate) use papers::{Scan, content};
use table::Table;
pub(crate) use tablet::Tablets;

/// After a form was taken: the page that shows it, so that a reload sends nothing again.
pub(crate) fn see(path: &str) -> Response {
    Redirect::to(path).into_response()
}

/// A form that a page sent, with whoever sent it.
pub(crate) struct Sent {
    pub desk: Desk,
    pub posted: Posted,
}

impl axum::extract::FromRequest<Console> for Sent {
    type Rejection = Fault;
    async fn from_request(request: axum::extract::Request, console: &Console) -> Result<Self, Fault> {
        use axum::extract::FromRequestParts;
        let (mut parts, body) = request.into_parts();
        let desk = Desk::from_request_parts(&mut parts, console).await?;
        let posted = Posted::from_request(axum::extract::Request::from_parts(parts, body), console).await?;
        Ok(Sent { desk, posted })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_in_leads_nowhere_else() {
        assert_eq!(local("/cases/1"), "/cases/1");
        for elsewhere in [
            "//evil.example",
            "https://evil.example",
            "/\\evil",
            "",
            "/a\r\nb",
            "/\t/evil.example",
            "/\u{85}/x",
        ] {
            assert_eq!(local(elsewhere), "/", "{elsewhere:?}");
        }
    }
}
