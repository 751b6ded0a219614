//! The door of a machine whose data is locked (上锁): a log-in that opens it, and the way back from forgotten passwords.
//!
//! One log-in does both: it opens the data, and the very same request is then answered by the pages behind the door. Everything
//! else is told `locked` until then.

use crate::api;
use crate::auth::Source;
use crate::fault::Fault;
use crate::guard::{self, Hosts};
use crate::page::{LoginPage, prefer, render, style};
use crate::print::qr;
use crate::shell::Taste;
use askama::Template;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, DefaultBodyLimit, Form, FromRequest, Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use casework::{LoginError, Throttle};
use domain::seams::Clock;
use serde::Deserialize;
use serde_json::json;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tower::ServiceExt;
use trust::account::NAME_BYTES_MAX;

/// Why the data stays locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StillLocked {
    /// No such officer, or not their password.
    Wrong,
    /// What to mend.
    Unfit(String),
    /// The keyring cannot be read or written.
    Ring(String),
    /// The key is right, and the data itself cannot be used.
    Broken(String),
    /// A colleague was quicker: the lock is no more.
    JustOpened,
}

/// What opens the data. The pages behind the door are there before a success is told.
#[async_trait::async_trait]
pub trait Opening: Send + Sync + 'static {
    async fn by_password(&self, officer: &str, password: &str) -> Result<(), StillLocked>;
    /// The line for the hub.
    async fn question(&self) -> Result<String, StillLocked>;
    /// By the hub's answer. `officer` has the password `password` from then on.
    async fn by_answer(&self, answer: &str, officer: &str, password: &str) -> Result<(), StillLocked>;
}

#[derive(Template)]
#[template(path = "unlock.html")]
struct UnlockPage<'a> {
    taste: Taste,
    name: &'a str,
    officer: &'a str,
    told: &'a str,
    question: String,
    /// The question again, as SVG, for a telephone.
    code: String,
}

#[derive(Clone)]
struct Gate {
    behind: Arc<OnceLock<Router>>,
    opening: Arc<dyn Opening>,
    throttle: Arc<Mutex<Throttle>>,
    clock: Arc<dyn Clock>,
    name: Arc<str>,
}

/// The pages of a locked machine, and from the moment `behind` is set those behind them.
pub fn locked_router(
    name: &str,
    hosts: Vec<String>,
    clock: Arc<dyn Clock>,
    opening: Arc<dyn Opening>,
    behind: Arc<OnceLock<Router>>,
) -> Router {
    let gate = Gate { behind, opening, throttle: Arc::default(), clock, name: name.into() };
    let locked = Router::new()
        .route("/", get(show))
        .route("/login", post(log_in))
        .route("/unlock", get(show_question).post(unlock_by_form))
        .route("/api/v1/login", post(log_in))
        .route("/api/v1/unlock", get(question).post(unlock))
        .route("/healthz", get(async || (StatusCode::SERVICE_UNAVAILABLE, "locked")))
        .route("/style.css", get(style))
        .route("/prefer", get(prefer))
        .fallback(locked)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(Hosts(hosts.into()), guard::check_host))
        .with_state(gate.clone());
    let through = move |request: Request| {
        let router = gate.behind.get().unwrap_or(&locked).clone();
        async move { router.oneshot(request).await }
    };
    Router::new().fallback(through)
}

const BODY_BYTES_MAX: usize = 16 * 1024;
const API: &str = "/api/";

impl Gate {
    fn page(&self, taste: Taste, status: StatusCode, officer: &str, told: &str) -> Response {
        let page = LoginPage { taste, codes: false, locked: true, name: &self.name, officer, told, to: "/" };
        (status, render(&page)).into_response()
    }

    async fn unlock_page(&self, taste: Taste, status: StatusCode, officer: &str, told: &str) -> Response {
        let question = match self.opening.question().await {
            Ok(question) => question,
            Err(shut) => return self.page(taste, StatusCode::CONFLICT, officer, &Fault::from(shut).message),
        };
        let code = qr(&question).unwrap_or_default();
        let page = UnlockPage { taste, name: &self.name, officer, told, question, code };
        (status, render(&page)).into_response()
    }

    /// Guesses cost the one who makes them ever more time, as at any log-in.
    async fn guarded(
        &self,
        officer: &str,
        source: &str,
        open: impl Future<Output = Result<(), StillLocked>>,
    ) -> Result<(), Fault> {
        // No account has a longer name, and what is remembered of failures must not grow with what is typed.
        if officer.len() > NAME_BYTES_MAX {
            return Err(LoginError::Wrong.into());
        }
        let throttle = || self.throttle.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        if let Some(seconds) = throttle().wait(officer, source, now) {
            return Err(LoginError::Throttled { seconds }.into());
        }
        throttle().failed(officer, source, now);
        open.await?;
        throttle().succeeded(officer, source);
        Ok(())
    }
}

impl From<StillLocked> for Fault {
    fn from(shut: StillLocked) -> Fault {
        match shut {
            StillLocked::Wrong => LoginError::Wrong.into(),
            StillLocked::Unfit(reason) => Fault::unfit(reason),
            StillLocked::JustOpened => {
                Fault::new(StatusCode::CONFLICT, "opened", "刚刚已有人开锁:请直接登录")
            }
            StillLocked::Ring(detail) => Fault::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "keyring",
                format!("本机的钥匙环(keyring.json)读写不了:{detail};请先腾出磁盘空间;文件坏了的,从备份放回"),
            ),
            StillLocked::Broken(detail) => Fault::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "storage",
                format!("口令正确,但本机数据打不开:{detail};请联系管理员,不要重装"),
            ),
        }
    }
}

async fn show(State(gate): State<Gate>, taste: Taste) -> Response {
    gate.page(taste, StatusCode::OK, "", "")
}

async fn locked(State(_): State<Gate>, uri: Uri) -> Response {
    if uri.path().starts_with(API) {
        let told = "本机数据已上锁:请代办员先登录(登录即开锁);忘记口令见 /api/v1/unlock";
        return Fault::new(StatusCode::LOCKED, "locked", told).into_response();
    }
    Redirect::to("/").into_response()
}

#[derive(Deserialize)]
struct Credentials {
    name: String,
    password: String,
}

/// Opens the data, and lets the pages behind the door answer the very same log-in.
async fn log_in(State(gate): State<Gate>, Source(source): Source, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let is_page = !parts.uri.path().starts_with(API);
    let taste = Taste::of(&parts.headers);
    let body = match to_bytes(body, BODY_BYTES_MAX).await {
        Ok(body) => body,
        Err(_) => return Fault::unfit("登录请求不完整,请重试").into_response(),
    };
    let Some(Credentials { name, password }) = credentials(&body, is_page).await else {
        return Fault::unfit("请填写用户名和口令").into_response();
    };
    let opened = gate.guarded(&name, &source, gate.opening.by_password(&name, &password)).await;
    // Whether by this log-in or by a colleague's: once it is open, the pages behind the door judge themselves.
    match gate.behind.get().cloned().ok_or(opened.err().unwrap_or_else(Fault::logged_out)) {
        Ok(router) => router.oneshot(anew(parts, body)).await.into_response(),
        Err(fault) if is_page => gate.page(taste, fault.status, &name, &fault.message),
        Err(fault) => fault.into_response(),
    }
}

/// The request as it came, without what the locked door's own routes noted on it.
fn anew(parts: Parts, body: Bytes) -> Request {
    let mut request = Request::new(Body::from(body));
    if let Some(caller) = parts.extensions.get::<ConnectInfo<SocketAddr>>() {
        request.extensions_mut().insert(*caller);
    }
    *request.method_mut() = parts.method;
    *request.uri_mut() = parts.uri;
    *request.headers_mut() = parts.headers;
    request
}

async fn credentials(body: &Bytes, is_page: bool) -> Option<Credentials> {
    if !is_page {
        return serde_json::from_slice(body).ok();
    }
    let request = Request::post("/login").header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    let request = request.body(Body::from(body.clone())).ok()?;
    Form::from_request(request, &()).await.ok().map(|Form(credentials)| credentials)
}

async fn question(State(gate): State<Gate>) -> Result<Response, Fault> {
    Ok(Json(json!({ "question": gate.opening.question().await? })).into_response())
}

#[derive(Deserialize)]
struct Answer {
    answer: String,
    officer: String,
    /// The officer's new one.
    password: String,
}

/// Answers are guessed at in nobody's name: no officer can have this one.
const ANSWERS: &str = "/unlock";

impl Gate {
    async fn answered(&self, told: &Answer, source: &str) -> Result<(), Fault> {
        let Answer { answer, officer, password } = told;
        self.guarded(ANSWERS, source, self.opening.by_answer(answer, officer, password)).await
    }
}

async fn unlock(
    State(gate): State<Gate>,
    Source(source): Source,
    api::Body(told): api::Body<Answer>,
) -> Result<Response, Fault> {
    gate.answered(&told, &source).await?;
    Ok(Json(json!({ "unlocked": true })).into_response())
}

async fn show_question(State(gate): State<Gate>, taste: Taste) -> Response {
    gate.unlock_page(taste, StatusCode::OK, "", "").await
}

async fn unlock_by_form(
    State(gate): State<Gate>,
    Source(source): Source,
    taste: Taste,
    Form(told): Form<Answer>,
) -> Response {
    match gate.answered(&told, &source).await {
        Ok(()) => Redirect::to("/").into_response(),
        Err(fault) => gate.unlock_page(taste, fault.status, &told.officer, &fault.message).await,
    }
}
