//! Who calls: a bearer token for programs, a cookie for pages. Only reading pages go by the cookie, so a foreign site
//! that makes the browser send it can change nothing.

use crate::Console;
use crate::fault::Fault;
use axum::extract::FromRequestParts;
use axum::http::header::{AUTHORIZATION, COOKIE};
use axum::http::request::Parts;
use casework::Officer;

pub(crate) const COOKIE_NAME: &str = "tongban_session";

/// An officer who proved it with a bearer token.
pub(crate) struct ByToken(pub Officer);

/// An officer who proved it with the page's cookie.
pub(crate) struct ByCookie(pub Option<Officer>);

fn header<'p>(parts: &'p Parts, name: &axum::http::HeaderName) -> Option<&'p str> {
    parts.headers.get(name)?.to_str().ok()
}

pub(crate) fn bearer(parts: &Parts) -> Option<&str> {
    header(parts, &AUTHORIZATION)?.strip_prefix("Bearer ")
}

pub(crate) fn cookie(parts: &Parts) -> Option<&str> {
    let cookies = header(parts, &COOKIE)?.split(';');
    cookies.map(str::trim).find_map(|cookie| cookie.strip_prefix(COOKIE_NAME)?.strip_prefix('='))
}

impl FromRequestParts<Console> for ByToken {
    type Rejection = Fault;
    async fn from_request_parts(parts: &mut Parts, console: &Console) -> Result<Self, Fault> {
        let token = bearer(parts).ok_or_else(Fault::logged_out)?.to_owned();
        console.hall.officer(&token).await?.map(ByToken).ok_or_else(Fault::logged_out)
    }
}

impl FromRequestParts<Console> for ByCookie {
    type Rejection = Fault;
    async fn from_request_parts(parts: &mut Parts, console: &Console) -> Result<Self, Fault> {
        match cookie(parts).map(str::to_owned) {
            Some(token) => Ok(ByCookie(console.hall.officer(&token).await?)),
            None => Ok(ByCookie(None)),
        }
    }
}
