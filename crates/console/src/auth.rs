//! Who calls: a bearer token for programs, a cookie for pages (`pages` admits those). The API takes no cookie, and a form of a
//! page carries a token besides, so a foreign site that makes the browser send the cookie can change nothing.
//!
//! [`admit`] stands before every route of the API: it looks the route up in the list, asks for the log-in and the permission,
//! keeps cases of other departments out of sight, and writes reads of persons' data into the audit before they are answered.

use crate::Console;
use crate::fault::Fault;
use crate::routes::{Need, Route};
use axum::extract::{ConnectInfo, FromRequestParts, MatchedPath, Request, State};
use axum::http::header::{AUTHORIZATION, COOKIE};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use casework::Officer;
use domain::CaseNo;
use domain::network::Tier;
use std::net::SocketAddr;
use std::sync::PoisonError;

pub(crate) const COOKIE_NAME: &str = "tongban_session";
const API: &str = "/api/v1";

/// An officer who proved it with a bearer token; [`admit`] has looked.
pub(crate) struct ByToken(pub Officer);

/// The address the caller calls from: where guesses at log-in are counted.
pub(crate) struct Source(pub String);

fn header<'p>(headers: &'p axum::http::HeaderMap, name: &axum::http::HeaderName) -> Option<&'p str> {
    headers.get(name)?.to_str().ok()
}

pub(crate) fn bearer(headers: &axum::http::HeaderMap) -> Option<&str> {
    header(headers, &AUTHORIZATION)?.strip_prefix("Bearer ")
}

/// What the browser keeps for this house, by name.
pub(crate) fn cookies(headers: &axum::http::HeaderMap) -> impl Iterator<Item = (&str, &str)> {
    header(headers, &COOKIE).unwrap_or("").split(';').filter_map(|pair| pair.trim().split_once('='))
}

/// The first cookie of this name.
pub(crate) fn kept<'h>(headers: &'h axum::http::HeaderMap, name: &str) -> Option<&'h str> {
    cookies(headers).find(|(known, _)| *known == name).map(|(_, value)| value)
}

pub(crate) fn cookie(parts: &Parts) -> Option<&str> {
    kept(&parts.headers, COOKIE_NAME)
}

/// Default deny: what the list does not name is not served, and nothing is served to whom the list does not permit it.
pub(crate) async fn admit(State(console): State<Console>, mut request: Request, next: Next) -> Response {
    let asked = Asked {
        matched: request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned()),
        method: request.method().clone(),
        path: request.uri().path().to_owned(),
        query: request.uri().query().map(|query| query.chars().take(200).collect()),
        token: bearer(request.headers()).map(str::to_owned),
    };
    match admitted(&console, &asked).await {
        Err(fault) => fault.into_response(),
        Ok(officer) => {
            if let Some(officer) = officer {
                request.extensions_mut().insert(officer);
            }
            next.run(request).await
        }
    }
}

/// What is asked of a request before its handler sees it.
struct Asked {
    matched: Option<String>,
    method: Method,
    path: String,
    query: Option<String>,
    token: Option<String>,
}

async fn admitted(console: &Console, asked: &Asked) -> Result<Option<Officer>, Fault> {
    let Asked { matched, method, path, query, token } = asked;
    let pattern = matched.as_deref().and_then(|path| path.strip_prefix(API));
    let route = pattern.and_then(|pattern| Route::of(method.as_str(), pattern));
    if route.is_some_and(|route| route.needs == Need::Nothing) {
        return Ok(None);
    }
    let token = token.as_deref().ok_or_else(Fault::logged_out)?;
    let officer = console.hall.officer(token).await?.ok_or_else(Fault::logged_out)?;
    let (Some(route), Some(pattern)) = (route, pattern) else {
        return Err(Fault::no_route());
    };
    if let Need::One(permission) = route.needs {
        console.hall.allow(&officer, permission)?;
    }
    // The API is nested: what its handlers see of the path begins behind the prefix already.
    let path = path.strip_prefix(API).unwrap_or(path);
    if let Some(case) = segment(pattern, path, "{case}") {
        console.hall.within_reach(&officer, &case_no(case)?).await?;
    }
    if route.tells_of_persons() {
        let one = pattern.contains('{') && method == Method::GET;
        // Which part of a list was read is told by its filters; none of them is anybody's data.
        let what = query.as_ref().filter(|_| !one).map_or(path.to_owned(), |query| format!("{path}?{query}"));
        console.note_read(&officer, &what, one).await?;
    }
    Ok(Some(officer))
}

/// What stands in a path where its pattern has `name`.
pub(crate) fn segment<'p>(pattern: &str, path: &'p str, name: &str) -> Option<&'p str> {
    pattern.split('/').zip(path.split('/')).find(|(part, _)| *part == name).map(|(_, text)| text)
}

pub(crate) fn case_no(text: &str) -> Result<CaseNo, Fault> {
    let told = "办件编号的格式不对:请检查是否抄错";
    text.parse().map_err(|_| Fault::new(StatusCode::NOT_FOUND, "not_found", told))
}

impl Console {
    /// At the hub a list reaches over the whole city: it is for looking something up, not for carrying it away.
    pub(crate) fn may_list<'c>(
        &self,
        officer: &Officer,
        cases: impl IntoIterator<Item = &'c CaseNo>,
    ) -> Result<(), Fault> {
        if self.hall.tier != Tier::City {
            return Ok(());
        }
        let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        match listed.show(&officer.name, cases, self.hall.now()) {
            true => Ok(()),
            false => Err(Fault::too_much()),
        }
    }

    /// A file that can be carried away is a row of its own in the audit, whatever was looked at before.
    pub(crate) async fn note_table<'c>(
        &self,
        officer: &Officer,
        cases: impl IntoIterator<Item = &'c CaseNo>,
        what: &str,
    ) -> Result<(), Fault> {
        self.may_list(officer, cases)?;
        self.note_read(officer, what, true).await
    }

    /// The row stands before the answer goes out: nobody has read what the audit does not know (I37).
    pub(crate) async fn note_read(&self, officer: &Officer, what: &str, one: bool) -> Result<(), Fault> {
        let now = self.hall.now();
        let seen = || self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if one || seen().is_new(&officer.name, what, now) {
            self.hall.store.note_act(now, &officer.name, "read", what).await?;
            if !one {
                seen().noted(&officer.name, what, now);
            }
        }
        Ok(())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ByToken {
    type Rejection = Fault;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        parts.extensions.get::<Officer>().cloned().map(ByToken).ok_or_else(Fault::logged_out)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Source {
    type Rejection = Fault;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        let address = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_string());
        Ok(Source(address.unwrap_or_default()))
    }
}
