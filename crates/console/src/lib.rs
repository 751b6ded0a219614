//! The web side every tier shares: log-in, the JSON API, the status page.
//!
//! Everything but the log-in itself asks for a log-in. Not here: rules (`domain`) and use cases (`casework`); a handler
//! reads the request, calls one use case, and says how it went.

mod api;
mod auth;
mod badge;
mod devices;
mod fault;
mod fields;
mod guard;
mod hall;
mod lang;
mod locked;
mod openapi;
mod orders;
mod page;
mod pages;
mod posted;
mod print;
mod routes;
mod seen;
mod serve;
mod shell;
mod timeline;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware;
use casework::{ActError, Hall, Officer, RectificationView};
use domain::network::Tier;
use domain::rating::Stage;
use domain::{CaseNo, Timestamp};
use fault::Fault;
use lang::Lang;
use link::LinkState;
use link::credentials::Credentials;
use shell::Taste;
use std::sync::{Arc, Mutex, PoisonError};
use store::Counts;
use trust::{CaFolder, CityCa};

pub use hall::{
    Away, Begun, CitizenLogin, Citizens, HALL_PAGES, LocalCodes, NoLogin, SendCode, Shown, SignOn, make_room,
};
pub use lang::untranslated;
pub use locked::{Opening, StillLocked, locked_router};
pub use pages::{PAGES, Page, Tells};
pub use routes::{Need, ROUTES, Route};
pub use serve::serve;

/// What the handlers of one node need.
#[derive(Clone)]
pub struct Console {
    pub hall: Hall,
    /// The link upward; none at the hub.
    pub uplink: Option<Arc<LinkState>>,
    pub name: String,
    /// Host names this console answers to beside the loopback ones.
    pub hosts: Vec<String>,
    /// This node as its links see it: what bags are made by and taken in.
    pub node: Option<link::Node>,
    /// What stands beside the counter.
    pub devices: Arc<runtime::config::Devices>,
    /// The certificate that this node shows on its links.
    pub credentials: Option<Arc<Credentials>>,
    /// The port of this node's door for joining nodes.
    pub enrol_port: Option<u16>,
    /// The city's authority; the hub alone has one.
    pub authority: Option<Arc<CaFolder>>,
    /// Citizens at the hub's hall: who says who they are, and who has logged in.
    pub citizens: Arc<Citizens>,
    /// Lists that officers have open, so that a page that looks again every few seconds is one row in the audit.
    pub(crate) seen: Arc<Mutex<seen::Seen>>,
    pub(crate) listed: Arc<Mutex<seen::Listed>>,
    /// What stands on the second screens of the desks.
    pub(crate) tablets: Arc<Mutex<page::Tablets>>,
    /// Pages that are told of changes: who holds how many.
    pub(crate) watchers: Arc<runtime::Guests<String>>,
    /// The node stops, and with it what would go on for ever.
    pub closing: tokio_util::sync::CancellationToken,
    /// How the upload goes that is under way.
    pub(crate) upload: Arc<Mutex<badge::Upload>>,
    /// Bad ratings that wait for somebody, as they were a moment ago; see [`Console::rectifications_open`].
    rectified: Arc<Mutex<Option<(Timestamp, Waiting)>>>,
    /// What was counted a moment ago; see [`Console::counts`].
    counted: Arc<Mutex<Option<(Timestamp, Counts)>>>,
}

/// Cases that were rated badly and wait, and whether each is late.
type Waiting = Arc<[(CaseNo, bool)]>;
const RECTIFIED_MS: i64 = 30_000;

/// Counting a city's million rows for every page of every desk would be most of what the hub does.
const COUNTED_MS: i64 = 2_000;

impl Console {
    pub fn new(hall: Hall, uplink: Option<Arc<LinkState>>, name: String, hosts: Vec<String>) -> Console {
        Console {
            hall,
            uplink,
            name,
            hosts,
            node: None,
            credentials: None,
            enrol_port: None,
            authority: None,
            devices: Arc::default(),
            citizens: Arc::default(),
            seen: Arc::default(),
            listed: Arc::default(),
            tablets: Arc::default(),
            watchers: Arc::default(),
            closing: Default::default(),
            upload: Arc::default(),
            rectified: Arc::default(),
            counted: Arc::default(),
        }
    }

    /// How somebody wants to see a page of this node. Whoever reads English is told the catalogue in the city's newest words.
    pub(crate) fn taste(&self, headers: &HeaderMap) -> Taste {
        let taste = Taste::of(headers);
        if let Some((_, pack)) = self.hall.store.pack(None).filter(|_| taste.lang == Lang::English) {
            lang::learn(&pack);
        }
        taste
    }

    /// What issues certificates, as it is now: another process may have changed it.
    ///
    /// # Errors
    /// Below the hub, and when its files cannot be used.
    pub(crate) fn ca(&self) -> Result<CityCa, Fault> {
        let broken = |told: String| Fault::new(StatusCode::SERVICE_UNAVAILABLE, "authority", told);
        let folder = self.authority.as_ref();
        let folder = folder.ok_or_else(|| broken("发证机构在市级节点".to_owned()))?;
        folder.open().map_err(|error| broken(format!("发证机构现在不能用:{error}")))
    }

    /// What waits at this node. At the hub as of two seconds ago at most; below it, where the header says by these numbers what
    /// has not been uploaded, as of now.
    pub(crate) async fn counts(&self) -> Result<Counts, ActError> {
        let now = self.hall.now();
        let fresh = |at: Timestamp| self.hall.tier == Tier::City && (0..COUNTED_MS).contains(&now.since(at));
        let counted = || self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, counts)) = counted().as_ref().filter(|(at, _)| fresh(*at)) {
            return Ok(counts.clone());
        }
        let counts = self.hall.counts().await?;
        *counted() = Some((now, counts.clone()));
        Ok(counts)
    }

    /// How many bad ratings within an officer's reach wait for somebody, and whether one is late; as of half a minute ago at most,
    /// for the whole house is looked through.
    pub(crate) async fn rectifications_open(&self, officer: &Officer) -> Result<(u64, bool), ActError> {
        let (now, kept) = (self.hall.now(), || self.rectified.lock().unwrap_or_else(PoisonError::into_inner));
        let fresh = |at: Timestamp| (0..RECTIFIED_MS).contains(&now.since(at));
        let known = kept().as_ref().filter(|(at, _)| fresh(*at)).map(|(_, waiting)| waiting.clone());
        let waiting = match known {
            Some(waiting) => waiting,
            None => {
                let open = |one: RectificationView| {
                    (one.stage != Stage::Closed).then_some((one.rectification.case, one.overdue))
                };
                let all = self.hall.rectifications(None).await?;
                let waiting: Waiting = all.into_iter().filter_map(open).collect();
                *kept() = Some((now, waiting.clone()));
                waiting
            }
        };
        let (mut count, mut late, within) = (0, false, self.hall.jurisdiction(officer));
        for (case, overdue) in waiting.iter() {
            if self.hall.lies_within(&within, case).await? {
                count += 1;
                late |= *overdue;
            }
        }
        Ok((count, late))
    }
}

const BODY_BYTES_MAX: usize = 1024 * 1024;

/// All pages and the API of one node.
pub fn router(console: Console) -> Router {
    let hosts = guard::Hosts(console.hosts.clone().into());
    let here = hall::is_here(console.hall.tier);
    Router::new()
        .merge(page::routes(console.clone()))
        .merge(if here { hall::routes() } else { Router::new() })
        .nest("/api/v1", api::routes(console.clone()))
        .fallback(async |taste: shell::Taste| {
            let told = "没有这个页面。请检查地址,或从首页进入。";
            page::bare_refusal(taste, &Fault::new(StatusCode::NOT_FOUND, "not_found", told))
        })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(hosts, guard::check_host))
        .with_state(console)
}
