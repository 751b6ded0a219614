//! 网上办事大厅: what a citizen sees of the hub, at `/hall`. Open to everybody; a citizen's own cases only after they have proven
//! who they are. Nothing of an officer's pages is reached from here, and an officer's log-in counts for nothing.

mod access;
mod apply;
mod apply_end;
mod elsewhere;
mod items;
mod mine;
mod open;
mod progress;
mod steps;

pub use access::{Begun, CitizenLogin, Citizens, LocalCodes, NoLogin, SendCode, Shown, make_room};
pub use elsewhere::{Away, SignOn};
pub(crate) use mine::is_here;

use crate::Console;
use crate::auth::{Source, kept};
use crate::fault::Fault;
use crate::page::{render, render_with};
use crate::posted::{CSRF_FIELD, Posted, csrf_token};
use crate::shell::Taste;
use askama::Template;
use axum::extract::{DefaultBodyLimit, FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, extract};
use casework::Citizen;
use domain::network::Contact;
use domain::{Day, Timestamp};
use std::borrow::Cow;

pub(crate) const CITIZEN_COOKIE: &str = "tongban_citizen";

/// 政务服务便民热线, the same everywhere (国办发〔2020〕53号).
const HOTLINE: &str = "12345";

/// What a form of the hall may send, scans aside: anybody may send one.
const FORM_BYTES_MAX: usize = 64 * 1024;

/// Every page of the hall, for tests: method, path, and whether a citizen must have logged in.
pub const HALL_PAGES: &[(&str, &str, bool)] = &[
    ("get", "/hall", false),
    ("get", "/hall/items", false),
    ("get", "/hall/items/{item}", false),
    ("get", "/hall/proxies", false),
    ("get", "/hall/progress", false),
    ("post", "/hall/progress", false),
    ("get", "/hall/verify", false),
    ("post", "/hall/verify", false),
    ("get", "/hall/login", false),
    ("post", "/hall/login", false),
    ("post", "/hall/login/code", false),
    ("get", "/hall/login/away", false),
    ("get", "/hall/login/back", false),
    ("post", "/hall/logout", true),
    ("get", "/hall/mine", true),
    ("get", "/hall/apply/{item}", true),
    ("post", "/hall/apply/{item}", true),
    ("get", "/hall/drafts/{draft}", true),
    ("post", "/hall/drafts/{draft}", true),
    ("post", "/hall/drafts/{draft}/autosave", true),
    ("post", "/hall/drafts/{draft}/drop", true),
    ("get", "/hall/drafts/{draft}/papers", true),
    ("post", "/hall/drafts/{draft}/papers", true),
    ("get", "/hall/drafts/{draft}/papers/{material}", true),
    ("get", "/hall/drafts/{draft}/check", true),
    ("post", "/hall/drafts/{draft}/check", true),
    ("post", "/hall/cases/{case}/mend", true),
    ("get", "/hall/cases/{case}", true),
    ("post", "/hall/cases/{case}/say", true),
    ("post", "/hall/cases/{case}/papers", true),
    ("post", "/hall/cases/{case}/rate", true),
    ("get", "/hall/cases/{case}/sheets/{sheet}", true),
];

pub(crate) fn routes() -> Router<Console> {
    Router::new()
        .merge(items::routes())
        .merge(progress::routes())
        .merge(open::routes())
        .merge(elsewhere::routes())
        .merge(mine::routes())
        .merge(apply::routes())
        .merge(apply_end::routes())
        .route("/hall.css", get(style))
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .layer(middleware::from_fn(as_page))
}

async fn style() -> Response {
    ([(axum::http::header::CONTENT_TYPE, "text/css")], include_str!("../templates/hall/hall.css"))
        .into_response()
}

/// What a page needs to know of whoever reads it.
pub(crate) struct Visitor {
    pub console: Console,
    pub taste: Taste,
    pub citizen: Option<Citizen>,
    /// What stands in the cookie; empty before the log-in.
    pub session: String,
    pub csrf: String,
    /// This page, for the links that change its language.
    pub here: String,
    /// Where they call from: guesses are counted there.
    pub source: String,
}

impl Visitor {
    pub fn t<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.taste.lang.t(text)
    }
    /// What stands in the catalogue, in the reader's language.
    pub fn c<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.taste.lang.c(text)
    }
    pub fn now(&self) -> Timestamp {
        self.console.hall.now()
    }
    pub fn today(&self) -> Day {
        self.now().day()
    }
    pub fn place(&self) -> &str {
        &self.console.name
    }
    /// Whom to ring: the hub's own telephone, or the government's hotline where none is registered.
    pub fn telephone(&self) -> Contact {
        let hall = &self.console.hall;
        let own = hall.store.network().get(hall.me()).and_then(|node| node.contact.clone());
        own.unwrap_or_else(|| Contact { phone: HOTLINE.to_owned(), ..Contact::default() })
    }
    pub fn name(&self) -> &str {
        self.citizen.as_ref().map_or("", |citizen| &citizen.name)
    }
    /// Whoever has logged in; everybody else is sent to do so, and comes back.
    pub fn citizen(&self) -> Result<&Citizen, Fault> {
        self.citizen.as_ref().ok_or_else(Fault::logged_out)
    }
    pub fn is_at(&self, path: &str) -> bool {
        self.here.split('?').next() == Some(path)
    }
}

impl FromRequestParts<Console> for Visitor {
    type Rejection = Fault;
    async fn from_request_parts(parts: &mut Parts, console: &Console) -> Result<Self, Fault> {
        let session = cookie(parts).unwrap_or("").to_owned();
        let citizen = console.citizens.find(&session, console.hall.now());
        let Source(source) = Source::from_request_parts(parts, console).await?;
        Ok(Visitor {
            console: console.clone(),
            taste: console.taste(&parts.headers),
            csrf: csrf_token(&session),
            here: here(parts),
            session,
            citizen,
            source,
        })
    }
}

/// The page for the links that change its language; of a form that came back, the page the form stood on.
fn here(parts: &Parts) -> String {
    let path = parts.uri.path();
    if parts.method.is_safe() {
        return parts.uri.path_and_query().map_or("/hall".to_owned(), |path| path.as_str().to_owned());
    }
    let above = |kind: &str| path.strip_prefix(kind).and_then(|rest| rest.split_once('/'));
    let stood_on = match (above("/hall/cases/"), above("/hall/drafts/")) {
        (Some((case, _)), _) => format!("/hall/cases/{case}"),
        (None, Some((draft, page @ ("papers" | "check")))) => format!("/hall/drafts/{draft}/{page}"),
        (None, Some((draft, _))) => format!("/hall/drafts/{draft}"),
        (None, None) => path.to_owned(),
    };
    if stood_on == "/hall/login/code" { "/hall/login".to_owned() } else { stood_on }
}

fn cookie(parts: &Parts) -> Option<&str> {
    kept(&parts.headers, CITIZEN_COOKIE)
}

/// A form of the hall. Once somebody has logged in it must carry their token; a page elsewhere cannot send one at all (`guard`).
pub(crate) struct Filled {
    pub visitor: Visitor,
    pub posted: Posted,
}

impl FromRequest<Console> for Filled {
    type Rejection = Fault;
    async fn from_request(request: Request, console: &Console) -> Result<Self, Fault> {
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, console).await?;
        Filled::read(visitor, Request::from_parts(parts, body)).await
    }
}

impl Filled {
    /// Reads the form of a visitor who was looked at first.
    pub async fn read(visitor: Visitor, request: Request) -> Result<Filled, Fault> {
        let posted = Posted::read(request, &visitor.console).await?;
        match visitor.citizen.is_none() || posted.get(CSRF_FIELD) == visitor.csrf {
            true => Ok(Filled { visitor, posted }),
            false => Err(crate::posted::foreign()),
        }
    }
}

#[derive(Template)]
#[template(path = "hall/refusal.html")]
struct RefusalPage<'a> {
    hall: &'a Visitor,
    message: &'a str,
}

pub(crate) fn refusal(visitor: &Visitor, fault: &Fault) -> Response {
    render_with(fault.status, &RefusalPage { hall: visitor, message: &fault.message })
}

/// A refusal is a page here, and whoever has to log in first comes back to where they wanted to go.
async fn as_page(extract::OriginalUri(uri): extract::OriginalUri, request: Request, next: Next) -> Response {
    let taste = Taste::of(request.headers());
    let by_get = request.method().is_safe();
    let again = crate::page::come_again(request.method(), request.headers(), &uri);
    let answer = next.run(request).await;
    let Some(fault) = answer.extensions().get::<Fault>().cloned() else { return answer };
    if fault.status == axum::http::StatusCode::UNAUTHORIZED {
        if let Some(again) = again {
            return again;
        }
        let back = if by_get { uri.path() } else { "/hall/mine" };
        return axum::response::Redirect::to(&format!("/hall/login?to={back}")).into_response();
    }
    render_with(fault.status, &BarePage { taste, message: &fault.message })
}

#[derive(Template)]
#[template(path = "hall/bare.html")]
struct BarePage<'a> {
    taste: Taste,
    message: &'a str,
}

/// A page as it is; what comes of a form that has to be mended keeps its status.
pub(crate) fn answer(wrong: bool, page: &impl Template) -> Response {
    match wrong {
        false => render(page),
        true => render_with(axum::http::StatusCode::UNPROCESSABLE_ENTITY, page),
    }
}
