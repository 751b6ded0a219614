//! Starting a node: build → spawn → wait → drain. Tests and benchmarks start nodes through the same call.

use crate::at_rest::{self, Keeper, RingFile};
use crate::rounds;
use anyhow::{Context, Result};
use axum::Router;
use casework::{AtRest, Hall};
use console::Console;
use domain::network::{NodeRecord, Tier};
use domain::seams::{Clock, Random};
use link::credentials::Credentials;
use link::enrol::EnrolmentDoor;
use link::meter::Meter;
use link::quota::Allowance;
use link::tls::DoorSwitch;
use link::{LinkState, Node, Uplink, door};
use runtime::config::Listen;
use runtime::{NodeConfig, OsRandom, Shutdown};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use store::Store;
use store_sqlite::blobs::FileBlobs;
use store_sqlite::{Identity, SqliteStore};
use tokio::net::TcpListener;
use trust::cupboard::OwnSeal;
use trust::files::IdentityFolder;
use trust::{CaFolder, KeyRing, SealFolder, Seals};
use vault::{DataKey, Part};

/// What the process has from outside: time, randomness, and a way to reach a telephone.
#[derive(Clone)]
pub struct Parts {
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    /// How codes reach citizens; `None` where nobody set that up, and then nobody logs in at the hall.
    pub codes: Option<Arc<dyn console::SendCode>>,
    /// Where citizens prove elsewhere who they are; `None` where nobody set that up.
    pub sign_on: Option<Arc<dyn console::SignOn>>,
}

impl Default for Parts {
    fn default() -> Parts {
        Parts { clock: runtime::clock(), random: Arc::new(OsRandom), codes: None, sign_on: None }
    }
}

/// A node's data, opened but not serving: what the verbs of the command line work on.
pub struct Opened {
    pub data: PathBuf,
    pub config: NodeConfig,
    pub hall: Hall,
    pub store: Arc<SqliteStore>,
    pub keys: Arc<KeyRing>,
    pub identity: IdentityFolder,
    /// Opens the data, where it lies encrypted.
    pub key: Option<DataKey>,
    allowance: Arc<Mutex<Allowance>>,
}

impl Opened {
    /// With the key of the data, where it lies encrypted.
    ///
    /// # Errors
    /// When no node lives in the folder, or its files cannot be used; each with its remedy.
    pub fn open(data: &Path, parts: &Parts, key: Option<DataKey>) -> Result<Opened> {
        let config = NodeConfig::load(data)?;
        at_rest::demand(data, key.as_ref())?;
        let identity = identity_folder(data, key.as_ref());
        let signer = Arc::new(identity.sign_key()?);
        let page_cache_kib = match config.tier {
            Tier::Village => store_sqlite::VILLAGE_CACHE_KIB,
            Tier::Town | Tier::City => store_sqlite::CENTRE_CACHE_KIB,
        };
        let (node, area) = (config.id.clone(), config.place.clone());
        let author = Identity { node, area, signer, page_cache_kib, key: key.clone() };
        let store = Arc::new(SqliteStore::open(data, author)?);
        let blobs = Arc::new(FileBlobs::open(
            data,
            key.as_ref().map(|key| key.lid(Part::Attachments, parts.random.clone())),
        )?);
        let seals: Arc<dyn Seals> = match config.tier {
            Tier::City => Arc::new(SealFolder(IdentityFolder::of(data))),
            Tier::Town | Tier::Village => Arc::new(OwnSeal(config.id.clone(), identity.sign_key()?.secret())),
        };
        let hall = Hall {
            store: store.clone(),
            blobs,
            seals,
            at_rest: keeper_of(data, parts, key.as_ref()).map(|keeper| Arc::new(keeper) as Arc<dyn AtRest>),
            throttle: Arc::default(),
            passwords: Arc::new(tokio::sync::Semaphore::new(casework::PASSWORDS_AT_ONCE)),
            clock: parts.clock.clone(),
            random: parts.random.clone(),
            tier: config.tier,
            city: config.city.clone(),
        };
        let keys = Arc::new(KeyRing::default());
        keys.refresh(&store.network());
        let (data, allowance) = (data.to_owned(), Arc::default());
        Ok(Opened { data, config, hall, store, keys, identity, key, allowance })
    }

    pub fn node(&self) -> Node {
        let network = self.store.network();
        let incarnation = network.get(&self.config.id).map_or(1, |record| record.incarnation);
        let allowance = self.allowance.clone();
        Node { hall: self.hall.clone(), keys: self.keys.clone(), incarnation, allowance }
    }

    /// The hub's own record stands first in its journal to all, so that everybody can check everything after it.
    ///
    /// # Errors
    /// When it cannot be stored.
    pub async fn introduce(&self) -> Result<()> {
        let config = &self.config;
        let record = NodeRecord::first(
            config.id.clone(),
            config.tier,
            None,
            config.place.clone(),
            config.name.clone(),
            self.identity.sign_key()?.public(),
        );
        self.hall.introduce(record).await?;
        self.keys.refresh(&self.store.network());
        Ok(())
    }

    /// Makes and publishes the seal of every body of the catalogue that has none. Safe to repeat.
    ///
    /// # Errors
    /// When a key cannot be written or a record not be stored.
    pub async fn ensure_seals(&self) -> Result<()> {
        ensure_seals(&self.hall, &SealFolder(IdentityFolder::of(&self.data))).await
    }

    /// The hub's authority; only the hub has its keys.
    pub fn ca(&self) -> CaFolder {
        CaFolder::of(IdentityFolder::of(&self.data), &self.config.city)
    }
}

/// A seal for every body of the catalogue that has none.
pub(crate) async fn ensure_seals(hall: &Hall, folder: &SealFolder) -> Result<()> {
    let Ok((_, pack)) = hall.pack(None) else { return Ok(()) };
    let today = hall.now().day();
    let mut records = Vec::new();
    for body in pack.orgs.keys() {
        // A key that was written and not yet published when the power went is published now.
        let key = match folder.read(body)? {
            Some(key) => key,
            None => folder.make(body, None, &*hall.random)?,
        };
        if !hall.store.seals().contains_key(&key.name) {
            records.push(key.record(today));
        }
    }
    Ok(hall.publish_seals("init", &records).await?)
}

/// A node's own keys, sealed where its data lies encrypted.
pub(crate) fn identity_folder(data: &Path, key: Option<&DataKey>) -> IdentityFolder {
    IdentityFolder::under(data, key.map(|key| key.lid(Part::Identity, Arc::new(OsRandom))))
}

fn keeper_of(data: &Path, parts: &Parts, key: Option<&DataKey>) -> Option<Keeper> {
    let (key, random) = (key?.clone(), parts.random.clone());
    Some(Keeper { file: RingFile::of(data), key, random })
}

/// What a start gives: where the node can be reached, and the handles tests use.
pub struct Running {
    pub opened: Opened,
    pub web: SocketAddr,
    pub link: Option<SocketAddr>,
    pub enrol: Option<SocketAddr>,
    pub uplink: Option<Arc<LinkState>>,
    pub meter: Arc<Meter>,
    pub credentials: Arc<Credentials>,
    children: DoorSwitch,
    shutdown: Shutdown,
    /// The web door; it may have been open before anything else was.
    doors: Shutdown,
}

/// What a start needs.
pub struct Start<'a> {
    pub data: &'a Path,
    pub parts: Parts,
    /// Opens the data, where it lies encrypted.
    pub key: Option<DataKey>,
}

pub(crate) async fn listen(address: &str) -> Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("listen on {address}: is the port taken by another program?"))?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Opens the data, then every door.
///
/// # Errors
/// With the remedy, before any door is open.
pub async fn start(start: Start<'_>) -> Result<Running> {
    let opened = Opened::open(start.data, &start.parts, start.key)?;
    let config = opened.config.clone();
    let (listener, web) = listen(&config.listen.web).await?;
    let doors = Shutdown::default();
    let (running, router) = begin(opened, &start.parts, web, doors.clone()).await?;
    serve_pages(listener, router, &config, &doors)?;
    Ok(running)
}

/// Everything but the web door at `web`, which is given the pages behind it and stops when `doors` are told to.
pub(crate) async fn begin(
    opened: Opened,
    parts: &Parts,
    web: SocketAddr,
    doors: Shutdown,
) -> Result<(Running, Router)> {
    let config = opened.config.clone();
    let identity = opened.identity.clone();
    let credentials = Arc::new(Credentials::load(identity, &config.city, parts.clock.clone())?);
    let (shutdown, meter, children) =
        (Shutdown::default(), Arc::new(Meter::default()), DoorSwitch::default());
    let uplink = config.parent.as_ref().map(|_| Arc::new(LinkState::default()));
    // A restored hub publishes nothing before its towns have answered; it is known to them already.
    let may_write = opened.store.recovery().is_none_or(|recovery| recovery.may_write().is_ok());
    if config.tier == Tier::City && may_write {
        opened.introduce().await?;
        opened.ensure_seals().await?;
    }
    let enrolment = enrolment_door(&opened, uplink.as_ref())?;
    let link = match &config.listen.link {
        Some(address) => {
            let (listener, address) = listen(address).await?;
            let node = opened.node();
            let enrolment = enrolment.clone();
            let (meter, children) = (meter.clone(), children.clone());
            door::open_links(node, enrolment, listener, &credentials, meter, children, &shutdown);
            Some(address)
        }
        None => None,
    };
    let enrol = match (&config.listen.enrol, enrolment) {
        (Some(address), Some(enrolment)) => {
            let (listener, address) = listen(address).await?;
            door::open_enrolment(enrolment, listener, &credentials, Arc::default(), &shutdown);
            Some(address)
        }
        _ => None,
    };
    if let (Some(parent), Some(state)) = (&config.parent, &uplink) {
        let uplink = Uplink {
            node: opened.node(),
            parent: parent.id.clone(),
            address: parent.address.clone(),
            door: parent.door.clone(),
            credentials: credentials.clone(),
            meter: meter.clone(),
            state: state.clone(),
        };
        shutdown.spawn(uplink.run());
    }
    if config.tier != Tier::Village {
        shutdown.spawn(rounds::watch_limits(opened.hall.clone()));
    }
    shutdown.spawn(rounds::believe(opened.hall.clone(), credentials.clone()));
    shutdown.spawn(rounds::anchor_audit(opened.hall.clone()));
    if config.tier == Tier::City {
        shutdown.spawn(rounds::supervise(opened.hall.clone()));
        shutdown.spawn(rounds::lend(opened.hall.clone()));
        shutdown.spawn(rounds::seal_new_bodies(
            opened.hall.clone(),
            SealFolder(IdentityFolder::of(&opened.data)),
        ));
        shutdown.spawn(rounds::list_persons(opened.hall.clone()));
        shutdown.spawn(rounds::reconcile(opened.hall.clone()));
        shutdown.spawn(rounds::watch_applications(opened.hall.clone()));
        shutdown.spawn(rounds::renew_own(opened.hall.clone(), credentials.clone(), Arc::new(opened.ca())));
    }
    if config.tier == Tier::Town {
        shutdown.spawn(rounds::report_contacts(opened.hall.clone()));
        shutdown.spawn(rounds::take_in_online(opened.hall.clone()));
    }
    if let Some(keeper) = keeper_of(&opened.data, parts, opened.key.as_ref()) {
        shutdown.spawn(rounds::tend_keyring(opened.hall.clone(), keeper));
    }
    let mut console =
        Console::new(opened.hall.clone(), uplink.clone(), config.name.clone(), hosts(&config.listen));
    console.node = Some(opened.node());
    console.devices = Arc::new(config.devices.clone());
    console.closing = doors.token.clone();
    console.credentials = Some(credentials.clone());
    console.enrol_port = enrol.map(|address| address.port());
    console.authority = (config.tier == Tier::City).then(|| Arc::new(opened.ca()));
    // All persons of a drill are invented: the code that would go to a telephone is shown.
    let shown = || runtime::is_drill().then(|| Arc::new(console::Shown) as Arc<dyn console::SendCode>);
    if config.tier == Tier::City {
        let codes = parts.codes.clone().or_else(shown);
        let local = |sender| {
            Arc::new(console::LocalCodes::new(opened.hall.clone(), sender)) as Arc<dyn console::CitizenLogin>
        };
        let (provider, sign_on) = (codes.map(local), parts.sign_on.clone());
        console.citizens = Arc::new(console::Citizens::by(provider, sign_on));
    }
    let router = console::router(console);
    tracing::info!(node.id = %config.id, %web, link = ?link, enrol = ?enrol, "serving");
    let running = Running { opened, web, link, enrol, uplink, meter, credentials, children, shutdown, doors };
    Ok((running, router))
}

/// Names under which the pages are asked for.
pub(crate) fn hosts(listen: &Listen) -> Vec<String> {
    let host = listen.web.rsplit_once(':').map_or("", |(host, _)| host).to_owned();
    listen.hosts.iter().cloned().chain([host]).collect()
}

/// Requests begun are finished when it is told to stop; new ones are not taken. Where many links meet, pages have threads of their
/// own: a town whose villages all come back at once goes on answering its counter.
///
/// # Errors
/// When those threads cannot be started.
pub(crate) fn serve_pages(
    listener: TcpListener,
    router: Router,
    config: &NodeConfig,
    doors: &Shutdown,
) -> Result<()> {
    let (proxies, token) = (config.listen.proxies.clone(), doors.token.clone());
    if config.tier == Tier::Village {
        doors.tasks.spawn(console::serve(listener, router, proxies, token));
        return Ok(());
    }
    let listener = listener.into_std()?;
    let serving = runtime::apart("pages", PAGE_THREADS, move || async move {
        match TcpListener::from_std(listener) {
            Ok(listener) => console::serve(listener, router, proxies, token).await,
            Err(error) => tracing::error!(%error, "the web door could not be opened"),
        }
    });
    doors.tasks.spawn(serving.context("start the threads of the pages")?);
    Ok(())
}

const PAGE_THREADS: usize = 2;

fn enrolment_door(opened: &Opened, uplink: Option<&Arc<LinkState>>) -> Result<Option<EnrolmentDoor>> {
    Ok(match (opened.config.tier, uplink) {
        (Tier::City, _) => Some(EnrolmentDoor::Hub {
            hall: opened.hall.clone(),
            ca: Arc::new(opened.ca()),
            serial: Arc::new(AtomicU64::new(1)),
        }),
        (Tier::Town, Some(uplink)) => Some(EnrolmentDoor::Town { uplink: uplink.clone() }),
        _ => None,
    })
}

impl Running {
    pub fn hall(&self) -> &Hall {
        &self.opened.hall
    }
    /// Shuts (or opens) the door for children at once, as a broken line would.
    pub fn refuse_children(&self, shut: bool) {
        self.children.set_shut(shut);
    }
    /// Stops new work, finishes work begun, closes the database.
    pub async fn stop(self) {
        self.doors.stop().await;
        self.shutdown.stop().await;
    }
}
