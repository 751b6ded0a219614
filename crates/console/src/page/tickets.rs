//! 取号叫号: numbers taken at the door, called to windows, and shown on the screen of the hall.

use super::{Sent, refusal, render, render_with, see};
use crate::Console;
use crate::api::{label_of, order_of};
use crate::auth::kept;
use crate::fault::Fault;
use crate::shell::{Desk, Shell};
use askama::Template;
use axum::Router;
use axum::extract::Path;
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use casework::{ActError, Hall};
use domain::Timestamp;
use domain::ticket::{self, Matter, Order, State, Summary, Ticket};

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/tickets", get(show).post(take))
        .route("/tickets/call", post(call))
        .route("/tickets/{ticket}", get(slip))
        .route("/tickets/{ticket}/{verb}", post(change))
        .route("/screen", get(screen))
}

/// Which window this browser stands at; kept by the browser, because it belongs to the desk and not to the officer.
const WINDOW_COOKIE: &str = "tongban_window";
/// Numbers that the screen shows as called, the newest first.
const SHOWN_MAX: usize = 6;

fn window_of(headers: &HeaderMap) -> Option<u8> {
    let said = kept(headers, WINDOW_COOKIE)?.parse().ok();
    said.filter(|window| (1..=ticket::WINDOW_MAX).contains(window))
}

/// A number as a row shows it.
struct Row {
    label: String,
    matter: &'static str,
    first: bool,
    window: u8,
    /// `3 号窗口`.
    at: String,
    /// Minutes since it was taken, or since it was called.
    minutes: i64,
    times: u32,
}

fn row(ticket: &Ticket, now: Timestamp) -> Row {
    let (window, since, times) = match ticket.state {
        State::Waiting { .. } => (0, ticket.taken, 0),
        State::Called { window, at, times } => (window, at, times),
        State::Served { window, called, .. } => (window, called, 1),
        State::Missed { window, at } => (window, at, 0),
    };
    Row {
        label: ticket.label.to_string(),
        matter: ticket.label.matter.chinese(),
        first: ticket.first,
        window,
        at: format!("{window} 号窗口"),
        minutes: now.since(since).max(0) / 60_000,
        times,
    }
}

/// Those at windows now, the newest call first.
fn called(tickets: &[Ticket], now: Timestamp) -> Vec<Row> {
    let at = |ticket: &Ticket| match ticket.state {
        State::Called { at, .. } => Some(at),
        _ => None,
    };
    let mut called: Vec<(Timestamp, &Ticket)> =
        tickets.iter().filter_map(|ticket| Some((at(ticket)?, ticket))).collect();
    called.sort_by_key(|(at, ticket)| (std::cmp::Reverse(*at), ticket.label));
    called.into_iter().map(|(_, ticket)| row(ticket, now)).collect()
}

#[derive(Template)]
#[template(path = "tickets.html")]
struct TicketsPage<'a> {
    shell: &'a Shell,
    /// What could not be done, and why.
    told: String,
    /// Empty as long as this browser has not said at which window it stands.
    window: String,
    matters: [Matter; 3],
    /// Who is at this window.
    here: Option<Row>,
    elsewhere: Vec<Row>,
    waiting: Vec<Row>,
    missed: Vec<Row>,
    summary: Summary,
    may_take_in: bool,
    hall: &'a Hall,
}

impl TicketsPage<'_> {
    /// The act that a form of this page would be: a call that is sent twice calls one person.
    fn key(&self) -> String {
        self.hall.fresh_id().to_string()
    }
}

async fn show(headers: HeaderMap, desk: Desk) -> Result<Response, Fault> {
    page(&desk, window_of(&headers), None).await
}

/// As it stands now; with what could not be done, and why.
async fn page(desk: &Desk, window: Option<u8>, told: Option<&ActError>) -> Result<Response, Fault> {
    let (tickets, now) = (desk.console.hall.tickets().await?, desk.now());
    let (here, elsewhere): (Vec<Row>, Vec<Row>) =
        called(&tickets, now).into_iter().partition(|row| Some(row.window) == window);
    let missed = tickets.iter().filter(|ticket| matches!(ticket.state, State::Missed { .. }));
    let page = TicketsPage {
        shell: &desk.shell,
        told: told.map_or_else(String::new, |told| desk.t(&told.to_string()).into_owned()),
        window: window.map_or_else(String::new, |window| window.to_string()),
        matters: Matter::ALL,
        here: here.into_iter().next(),
        elsewhere,
        waiting: ticket::waiting(&tickets).into_iter().map(|ticket| row(ticket, now)).collect(),
        missed: missed.map(|ticket| row(ticket, now)).collect(),
        summary: ticket::summary(&tickets),
        may_take_in: desk.may_open("/new"),
        hall: &desk.console.hall,
    };
    let status = if told.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    Ok(render_with(status, &page))
}

/// Back to the page, or the page with what could not be done.
async fn done(desk: &Desk, window: Option<u8>, outcome: Result<Ticket, ActError>) -> Result<Response, Fault> {
    match outcome {
        Ok(_) => Ok(see("/tickets")),
        Err(told @ ActError::Unfit { .. }) => page(desk, window, Some(&told)).await,
        Err(error) => Err(error.into()),
    }
}

async fn take(sent: Sent) -> Result<Response, Fault> {
    let Sent { desk, posted } = sent;
    let Some(matter) = Matter::from_name(posted.get("matter")) else {
        return Ok(refusal(&desk, &Fault::unfit("请选办事、取件或咨询")));
    };
    let order = Order::Take { matter, first: posted.has("first") };
    let ticket = desk.console.hall.act_on_tickets(&desk.officer, order, posted.key()).await?;
    Ok(see(&format!("/tickets/{}", ticket.label)))
}

async fn call(sent: Sent) -> Result<Response, Fault> {
    let Sent { desk, posted } = sent;
    // What is no number at all is told like one that is out of range.
    let window: u8 = posted.get("window").parse().unwrap_or(0);
    let order = Order::Call { window, matter: Matter::from_name(posted.get("matter")) };
    let called = desk.console.hall.act_on_tickets(&desk.officer, order, posted.key()).await;
    let mut answer = done(&desk, Some(window).filter(|window| *window > 0), called).await?;
    let cookie = format!("{WINDOW_COOKIE}={window}; HttpOnly; SameSite=Strict; Path=/; Max-Age=31536000");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        answer.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(answer)
}

async fn change(
    Path((label, verb)): Path<(String, String)>,
    headers: HeaderMap,
    sent: Sent,
) -> Result<Response, Fault> {
    let Sent { desk, posted } = sent;
    let order = order_of(&label, &verb)?;
    let changed = desk.console.hall.act_on_tickets(&desk.officer, order, posted.key()).await;
    done(&desk, window_of(&headers), changed).await
}

#[derive(Template)]
#[template(path = "ticket.html")]
struct TicketPage<'a> {
    shell: &'a Shell,
    row: Row,
    /// How many are before it; nobody of one that has been called.
    before: Option<usize>,
    taken: String,
}

/// The paper that somebody takes along.
async fn slip(desk: Desk, Path(label): Path<String>) -> Result<Response, Fault> {
    let label = label_of(&label)?;
    let tickets = desk.console.hall.tickets().await?;
    let found = tickets.iter().find(|ticket| ticket.label == label);
    let unknown = || ActError::NotFound { what: "今天的号码", value: label.to_string() };
    let ticket = found.ok_or_else(unknown)?;
    let before = ticket::waiting(&tickets).iter().position(|one| one.label == label);
    let page = TicketPage {
        shell: &desk.shell,
        row: row(ticket, desk.now()),
        before,
        taken: ticket.taken.to_minute(),
    };
    Ok(render(&page))
}

#[derive(Template)]
#[template(path = "screen.html")]
struct ScreenPage<'a> {
    shell: &'a Shell,
    called: Vec<Row>,
    waiting: usize,
    next: Vec<String>,
    clock: String,
}

/// For the large screen of the hall: no names, no menu, and it looks again by itself.
async fn screen(desk: Desk) -> Result<Response, Fault> {
    let (tickets, now) = (desk.console.hall.tickets().await?, desk.now());
    let waiting = ticket::waiting(&tickets);
    let page = ScreenPage {
        shell: &desk.shell,
        called: called(&tickets, now).into_iter().take(SHOWN_MAX).collect(),
        next: waiting.iter().take(SHOWN_MAX).map(|ticket| ticket.label.to_string()).collect(),
        waiting: waiting.len(),
        clock: now.to_clock(),
    };
    Ok(render(&page))
}
