//! A real city in one process: real SQLite files, TLS, gRPC, HTTP; only the machine is shared.

use bytes::Bytes;
use casework::{NewAccount, Place, Seating};
use domain::NodeId;
use domain::access::Roles;
use domain::delegation::Delegate;
use domain::network::Tier;
use http::Method;
use runtime::NodeConfig;
use runtime::config::Listen;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use testkit::api::Api;
use testkit::letters::Person;
use tier::at_rest::{self, FirstOpener, RingFile, read_key_file};
use tier::join::{JoinOrder, join};
use tier::serve::Opened;
use tier::{Parts, Running, Start, start};
use trust::{CodeSecret, JoinToken};
use vault::DataKey;

pub const PASSWORD: &str = "test-password";

/// A folder of its own, gone at the end.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("tongban-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}
impl Default for Folder {
    fn default() -> Folder {
        Folder::new()
    }
}
impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub fn pack_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/kaili")
}

/// One running node and how to talk to it.
pub struct Site {
    pub data: PathBuf,
    pub running: Option<Running>,
    pub parts: Parts,
    pub api: Api,
    /// Log-ins that are open: a code of the phone opens one.
    tokens: Mutex<BTreeMap<String, String>>,
}

/// The phone that makes everybody's codes.
pub fn phone() -> CodeSecret {
    CodeSecret::parse("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP").unwrap()
}

/// The places of the villages, all in 碧波镇.
const VILLAGES: [&str; 4] = ["522601108201", "522601108202", "522601108203", "522601108204"];

pub struct City {
    pub hub: Site,
    pub town: Site,
    pub villages: Vec<Site>,
    pub folder: Folder,
}

fn any_port() -> String {
    "127.0.0.1:0".to_owned()
}

impl Site {
    pub async fn serve(data: PathBuf, parts: Parts) -> Site {
        let running = start(Start { data: &data, parts: parts.clone(), key: key_of(&data) }).await.unwrap();
        let site = Site { data, running: Some(running), parts, api: Api::new(), tokens: Mutex::default() };
        let roles = match site.node().hall().tier {
            Tier::Village => "proxy_officer",
            Tier::Town => "town_supervisor",
            Tier::City => "supervision_officer,registrar",
        };
        site.employ("officer", None, roles).await;
        site
    }
    /// Gives somebody an account; whoever decides or registers at the hub gets the codes of [`phone`].
    pub async fn employ(&self, name: &str, body: Option<&str>, roles: &str) {
        let hall = self.node().hall();
        let roles: Roles = roles.parse().unwrap();
        let phone = roles.need_second_factor(hall.tier).then(phone);
        let (name, display) = (name.to_owned(), format!("{name}(测试)"));
        let new = NewAccount { name, display, body: body.map(|body| body.parse().unwrap()), roles };
        hall.put_account("test", new, PASSWORD, phone).await.unwrap();
    }
    pub fn node(&self) -> &Running {
        self.running.as_ref().unwrap()
    }
    pub fn opened(&self) -> &Opened {
        &self.node().opened
    }
    pub async fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop().await;
        }
    }
    pub async fn start_again(&mut self) {
        let (data, parts) = (&self.data, self.parts.clone());
        self.running = Some(start(Start { data, parts, key: key_of(data) }).await.unwrap());
    }
    /// The parent has a new address: this node is told, and started again.
    pub async fn dial(&mut self, parent: &Site) {
        self.stop().await;
        let mut config = NodeConfig::load(&self.data).unwrap();
        let told = config.parent.as_mut().unwrap();
        told.address = parent.node().link.unwrap().to_string();
        told.door = parent.node().enrol.map(|door| door.to_string());
        config.save(&self.data).unwrap();
        self.start_again().await;
    }
    pub async fn token(&self, account: &str) -> String {
        let known = self.tokens.lock().unwrap().get(account).cloned();
        if let Some(token) = known
            && self.raw(Method::GET, "/api/v1/me", Some(&token)).await.0 == 200
        {
            return token;
        }
        let token = self.log_in(account).await;
        self.tokens.lock().unwrap().insert(account.to_owned(), token.clone());
        token
    }
    /// A code that was not used, and counts now and for a while to come: on a busy machine half a minute is soon over. Where all
    /// were used, the telephone's next one, as people wait for it.
    pub async fn code(&self, account: &str) -> Option<String> {
        let known = self.node().hall().store.account(account).await.unwrap().unwrap();
        known.code_secret.as_ref()?;
        let mut found = None;
        eventually("the telephone shows a code that was not used", async || {
            found = self.unused_code(account).await;
            found.is_some()
        })
        .await;
        found
    }
    async fn unused_code(&self, account: &str) -> Option<String> {
        const A_WHILE: i64 = 20_000;
        let hall = self.node().hall();
        let known = hall.store.account(account).await.unwrap().unwrap();
        let (now, phone) = (hall.now(), phone());
        let codes = [-30_000, 0, 30_000].map(|ms| phone.code(now.plus_ms(ms)));
        let counts = |code: &&String, ms| phone.check(code, now.plus_ms(ms), known.code_used).is_some();
        let lasting = codes.iter().find(|code| counts(code, 0) && counts(code, A_WHILE));
        lasting.or_else(|| codes.iter().find(|code| counts(code, 0))).cloned()
    }
    pub async fn log_in(&self, account: &str) -> String {
        let code = self.code(account).await;
        let port = self.node().web.port();
        self.api.log_in_with(port, account, PASSWORD, code.as_deref()).await.unwrap()
    }
    /// What somebody proves themselves with anew.
    pub async fn proof(&self, account: &str) -> Value {
        json!({ "password": PASSWORD, "code": self.code(account).await })
    }
    pub async fn call(&self, token: &str, method: Method, path: &str, body: Bytes) -> anyhow::Result<Value> {
        self.api.call(method, self.node().web.port(), &format!("/api/v1{path}"), Some(token), body).await
    }
    pub async fn get(&self, token: &str, path: &str) -> Value {
        self.call(token, Method::GET, path, Bytes::new()).await.unwrap()
    }
    pub async fn post(&self, token: &str, path: &str, body: Value) -> anyhow::Result<Value> {
        self.call(token, Method::POST, path, body.to_string().into()).await
    }
    /// Raw HTTP without a log-in: (status, body).
    pub async fn raw(&self, method: Method, path: &str, token: Option<&str>) -> (u16, Value) {
        match self.api.call(method, self.node().web.port(), path, token, Bytes::new()).await {
            Ok(value) => (200, value),
            Err(error) => match testkit::api::refusal(&error) {
                Some(refused) => {
                    (refused.status, json!({ "code": refused.code, "message": refused.message }))
                }
                None => panic!("{path}: {error:#}"),
            },
        }
    }
}

impl City {
    /// One hub, one town, `villages` villages; every village joined by token and connected.
    pub async fn start(villages: usize) -> City {
        City::start_with(villages, Parts::default()).await
    }

    /// As [`City::start`], the villages living by other clocks.
    pub async fn start_with(villages: usize, village_parts: Parts) -> City {
        City::start_by(villages, Parts::default(), village_parts).await
    }

    /// Hub and town live by the clock of `centre`, the villages by that of `village_parts`.
    pub async fn start_by(villages: usize, centre: Parts, village_parts: Parts) -> City {
        crate::listening::begin();
        let folder = Folder::new();
        let data = |name: &str| folder.0.join(name);
        let listen = Listen::new(any_port(), Some(any_port()), Some(any_port()));
        city_hub::init::init(&data("hub"), &pack_folder(), "kaili.tongban", listen).await.unwrap();
        let hub = Site::serve(data("hub"), centre.clone()).await;
        let listen = Listen::new(any_port(), Some(any_port()), Some(any_port()));
        let token = city_token(&hub, Tier::Town, "522601108").await;
        enter(&hub, &hub, data("town"), Tier::Town, &token, listen).await.unwrap();
        let town = Site::serve(data("town"), centre).await;
        eventually("the town is connected", async || {
            town.node().uplink.as_ref().unwrap().channel().is_some()
        })
        .await;
        let mut city = City { hub, town, villages: Vec::new(), folder };
        for place in VILLAGES.iter().take(villages) {
            let data = city.folder.0.join(format!("village-{place}"));
            let token = city_token(&city.hub, Tier::Village, place).await;
            let listen = Listen::new(any_port(), None, None);
            enter(&city.town, &city.town, data.clone(), Tier::Village, &token, listen).await.unwrap();
            city.villages.push(Site::serve(data, village_parts.clone()).await);
        }
        for village in &city.villages {
            eventually("the catalogue arrives", async || village.node().hall().pack(None).is_ok()).await;
        }
        city.delegate().await;
        city
    }

    /// Every body gives its people, and those of town and villages, their letters of delegation.
    async fn delegate(&self) {
        let hall = self.hub.node().hall();
        let (_, pack) = hall.pack(None).unwrap();
        let person = |node: &NodeId, officer: String, tier, body| Person {
            at: Delegate { node: node.clone(), officer },
            tier,
            body,
        };
        let mut people = Vec::new();
        for body in pack.orgs.keys() {
            for number in ["1", "2", "3", "head"] {
                people.push(person(hall.me(), format!("{body}-{number}"), Tier::City, Some(body.clone())));
            }
        }
        for site in self.villages.iter().chain([&self.town]) {
            let hall = site.node().hall();
            for officer in ["officer", "officer-2", "officer-3"] {
                people.push(person(hall.me(), officer.to_owned(), hall.tier, None));
            }
        }
        let (from, to) = ("2026-01-01".parse().unwrap(), "2036-12-31".parse().unwrap());
        let letters = testkit::letters::for_everybody(&pack, &people, "委", from, to);
        hall.publish_letters("cli", &letters).await.unwrap();
        for site in self.villages.iter().chain([&self.town]) {
            let known = || site.node().hall().letters().len();
            eventually("the letters arrive", async || known() >= letters.len()).await;
        }
    }

    pub async fn body_officer(&self, body: &str) -> String {
        self.body_colleague(body, "1").await
    }

    /// Another person of a body: who handles a case neither reviews nor approves it.
    pub async fn body_colleague(&self, body: &str, number: &str) -> String {
        let account = format!("{body}-{number}");
        self.hub.employ(&account, Some(body), "chief_representative").await;
        self.hub.token(&account).await
    }

    pub async fn stop(mut self) {
        for village in &mut self.villages {
            village.stop().await;
        }
        self.town.stop().await;
        self.hub.stop().await;
        crate::listening::check();
    }
}

pub async fn city_token(hub: &Site, tier: Tier, place: &str) -> String {
    let ca = hub.opened().ca().open().unwrap();
    let seating = Seating::At(Place { tier, place: place.into(), parent: None });
    hub.node().hall().issue_token("test", &seating, &ca.fingerprint(), 3_600_000).await.unwrap().line
}

/// Joins through the door of `door`, to dial `parent` later.
pub async fn enter(
    door: &Site,
    parent: &Site,
    data: PathBuf,
    tier: Tier,
    token: &str,
    listen: Listen,
) -> anyhow::Result<()> {
    let now = door.node().hall().now();
    let (door, parent) = (door.node().enrol.unwrap().to_string(), parent.node().link.unwrap().to_string());
    let key = match tier {
        Tier::Village => Some(lock(&data, token)?),
        Tier::Town | Tier::City => None,
    };
    join(JoinOrder { data: &data, door: &door, token, parent: &parent, listen, tier, now, key })
        .await
        .map(drop)
}

/// The stick of a village, which opens its data: beside the data folder, never in it.
pub fn stick(data: &Path) -> PathBuf {
    data.with_extension("key")
}

/// A village's data lies encrypted before anything is in it.
fn lock(data: &Path, token: &str) -> anyhow::Result<DataKey> {
    let (node, stick) = (JoinToken::decode(token)?.node, stick(data));
    let opener = FirstOpener { officer: None, key_file: Some(&stick) };
    at_rest::found(data, &node, &opener, &runtime::OsRandom)
}

/// What opens a node's data, where it lies encrypted.
pub fn key_of(data: &Path) -> Option<DataKey> {
    let ring = RingFile::of(data).read().unwrap()?;
    Some(ring.open_with_file(&read_key_file(&stick(data)).unwrap()).expect("the stick opens the data"))
}

/// Waits for a condition; a minute without it fails the test.
pub async fn eventually(what: &str, mut check: impl AsyncFnMut() -> bool) {
    for _ in 0..3000 {
        if check().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("waited a minute in vain until {what}");
}
