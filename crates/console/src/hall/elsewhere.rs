//! A citizen proves who they are at a provider elsewhere (统一身份认证) and comes back: the hub never sees a password.

use super::open::{enter, refused, within};
use super::{NoLogin, Visitor};
use crate::Console;
use crate::auth::kept;
use crate::fault::Fault;
use crate::page::go_on;
use async_trait::async_trait;
use axum::Router;
use axum::extract::Query;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use casework::Citizen;
use serde::Deserialize;

/// Where to send a citizen, and what they bring back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Away {
    /// The provider's page, with everything it is to know.
    pub url: String,
    /// Comes back with the citizen; it is bound to the browser that left.
    pub state: String,
}

/// An OpenID Connect provider, or anything else that a browser is sent to and comes back from.
#[async_trait]
pub trait SignOn: Send + Sync {
    /// As citizens know it.
    fn name(&self) -> &str;
    /// # Errors
    /// [`NoLogin`] while the provider cannot be reached.
    async fn leave(&self) -> Result<Away, NoLogin>;
    /// `state` and `code` as they came back.
    ///
    /// # Errors
    /// [`NoLogin`] for what is wrong, too late, or was used.
    async fn came_back(&self, state: &str, code: &str) -> Result<Citizen, NoLogin>;
}

/// Remembers which browser left; `Lax`, because it has to come back with a citizen from elsewhere.
const LEFT_COOKIE: &str = "tongban_left";

pub(super) fn routes() -> Router<Console> {
    Router::new().route("/hall/login/away", get(leave)).route("/hall/login/back", get(come_back))
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Whither {
    to: String,
}

async fn leave(visitor: Visitor, Query(whither): Query<Whither>) -> Response {
    // It is kept in a cookie: plain paths alone.
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.');
    let to = Some(within(&whither.to)).filter(|to| to.chars().all(plain)).unwrap_or("/hall/mine");
    let Some(sign_on) = visitor.console.citizens.sign_on.clone() else {
        return refused(&visitor, to, &NoLogin::Unavailable);
    };
    if let Err(wait) = visitor.console.citizens.may_leave(&visitor.source, visitor.now()) {
        return refused(&visitor, to, &wait);
    }
    match sign_on.leave().await {
        Ok(Away { url, state }) => {
            let kept =
                format!("{LEFT_COOKIE}={state}|{to}; HttpOnly; SameSite=Lax; Path=/hall/login; Max-Age=600");
            ([(header::SET_COOKIE, kept)], Redirect::to(&url)).into_response()
        }
        Err(error) => refused(&visitor, to, &error),
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Brought {
    state: String,
    code: String,
}

/// What the browser remembers: the state it left with, and where it wanted to go.
fn left(headers: &HeaderMap) -> Option<(String, String)> {
    let (state, to) = kept(headers, LEFT_COOKIE)?.split_once('|')?;
    Some((state.to_owned(), to.to_owned()))
}

async fn come_back(
    visitor: Visitor,
    headers: HeaderMap,
    Query(brought): Query<Brought>,
) -> Result<Response, Fault> {
    let sign_on = visitor.console.citizens.sign_on.clone();
    let (Some(sign_on), Some((state, to))) = (sign_on, left(&headers)) else {
        return Ok(refused(&visitor, "/hall/mine", &NoLogin::Lost));
    };
    let to = within(&to);
    // Somebody else's log-in is not to be finished in this browser.
    if brought.state != state || brought.code.is_empty() {
        return Ok(refused(&visitor, to, &NoLogin::Lost));
    }
    match sign_on.came_back(&state, &brought.code).await {
        // The page itself leads on, not a redirect: on the way from elsewhere the new cookie (`SameSite=Strict`) does not travel.
        Ok(citizen) => Ok((enter(&visitor, citizen).await?, go_on(visitor.taste, to)).into_response()),
        Err(error) => Ok(refused(&visitor, to, &error)),
    }
}
