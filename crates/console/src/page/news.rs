//! What changes around a page while it is open: the badge, what waits behind each line of the menu, and that something was written.
//!
//! A browser that asks for `text/event-stream` is told as it happens (Server-Sent Events, WHATWG HTML §9.2); any other gets the
//! present state as JSON and may ask again. The stream ends with the log-in and with the node; it keeps neither alive.

use crate::Console;
use crate::auth::cookie;
use crate::fault::Fault;
use crate::shell::Desk;
use axum::Json;
use axum::Router;
use axum::extract::{FromRequestParts, State};
use axum::http::header::{ACCEPT, CACHE_CONTROL};
use axum::http::{HeaderName, StatusCode, request::Parts};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use domain::network::Tier;
use futures::stream;
use runtime::Place;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::time::Duration;
use store::Change;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep_until, timeout_at};

pub(super) fn routes() -> Router<Console> {
    Router::new().route("/news", get(news))
}

/// Streams at once for one log-in, and in all; whoever finds no place asks from time to time instead. A browser opens six connections
/// to a host: half of them stay for what people do.
const STREAMS_OF_ONE: u32 = 3;
const STREAMS_MAX: u32 = 512;
/// The link can break, and minutes pass, without anything being written.
const LOOKED_EVERY: Duration = Duration::from_secs(5);

/// Between two looks: a city's hub writes all day, and every open page asks it again.
fn pause(tier: Tier) -> Duration {
    Duration::from_millis(if tier == Tier::City { 3_000 } else { 500 })
}

async fn news(State(console): State<Console>, desk: Desk, parts: Parts) -> Result<Response, Fault> {
    let wants = |kind: &str| kind.contains("text/event-stream");
    if !parts.headers.get(ACCEPT).and_then(|kind| kind.to_str().ok()).is_some_and(wants) {
        return Ok(Json(state(&desk)).into_response());
    }
    let full = || Fault::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "同时打开的页面太多;请稍后再看");
    let token = cookie(&parts).map(str::to_owned).ok_or_else(Fault::logged_out)?;
    let places = &console.watchers;
    let place = places.enter(token.clone(), STREAMS_OF_ONE).ok_or_else(full)?;
    let among_all = places.enter(String::new(), STREAMS_MAX).ok_or_else(full)?;
    let watch = Watch {
        changes: console.hall.store.changes(),
        next: Instant::now(),
        told: Value::Null,
        console,
        parts,
        token,
        _places: [place, among_all],
    };
    let stream = stream::unfold(watch, |mut watch| async move {
        let event = watch.next().await?;
        Some((Ok::<_, Infallible>(event), watch))
    });
    let answer = Sse::new(stream).keep_alive(KeepAlive::default());
    // A proxy that collects an answer before it passes it on would pass this one on never.
    let headers = [(CACHE_CONTROL, "no-store"), (HeaderName::from_static("x-accel-buffering"), "no")];
    Ok((headers, answer).into_response())
}

fn state(desk: &Desk) -> Value {
    let badge = desk.shell.badge.as_ref();
    let badge = badge.map(
        |badge| json!({ "mark": badge.mark, "class": badge.class, "text": badge.text, "href": badge.href }),
    );
    let counts: serde_json::Map<String, Value> = desk
        .shell
        .nav
        .iter()
        .map(|line| (line.href.to_owned(), line.count.clone().unwrap_or_default().into()))
        .collect();
    json!({ "badge": badge, "counts": counts })
}

/// One open page.
struct Watch {
    console: Console,
    parts: Parts,
    token: String,
    changes: Receiver<Change>,
    /// Not looked before.
    next: Instant,
    /// As it was told last.
    told: Value,
    _places: [Place<String>; 2],
}

impl Watch {
    /// What to tell next; `None` when the log-in has ended, the node stops, or its database is closed.
    async fn next(&mut self) -> Option<Event> {
        let closing = self.console.closing.clone();
        loop {
            let written = tokio::select! {
                () = closing.cancelled() => return None,
                written = self.wait() => written?,
            };
            let officer = self.console.hall.officer_unasked(&self.token).await.ok()??;
            self.parts.extensions.insert(officer);
            let desk = Desk::from_request_parts(&mut self.parts, &self.console).await.ok()?;
            let now = state(&desk);
            if now != self.told || written {
                self.told = now.clone();
                let event = Event::default().data(json!({ "now": now, "written": written }).to_string());
                return Some(event);
            }
        }
    }

    /// Until there is a reason to look; whether it is that something was written.
    async fn wait(&mut self) -> Option<bool> {
        let first = self.told.is_null();
        sleep_until(self.next).await;
        let pause = pause(self.console.hall.tier);
        let heard = match first {
            true => Ok(Err(RecvError::Lagged(0))),
            false => timeout_at(self.next + LOOKED_EVERY, self.changes.recv()).await,
        };
        let written = match heard {
            Ok(Err(RecvError::Closed)) => return None,
            Ok(_) => !first,
            Err(_) => false,
        };
        // What was written in one go is told once.
        if written {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        self.changes = self.changes.resubscribe();
        self.next = Instant::now() + pause;
        Some(written)
    }
}
