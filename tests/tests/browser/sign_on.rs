//! A citizen who was never here proves elsewhere who they are, comes back, and applies; and a provider that lies lets nobody in.

use crate::tab::{Browser, Screen, Tab};
use async_trait::async_trait;
use city_hub::sign_on::Oidc;
use console::{Away, NoLogin, SignOn};
use std::sync::{Arc, OnceLock};
use tests::city::City;
use tests::provider::{self, CLIENT, Lie, Provider, SECRET};
use tier::Parts;

/// The hub's own address is known only once it serves.
#[derive(Default)]
struct Later(OnceLock<Oidc>);

#[async_trait]
impl SignOn for Later {
    fn name(&self) -> &str {
        self.0.get().unwrap().name()
    }
    async fn leave(&self) -> Result<Away, NoLogin> {
        self.0.get().unwrap().leave().await
    }
    async fn came_back(&self, state: &str, code: &str) -> Result<casework::Citizen, NoLogin> {
        self.0.get().unwrap().came_back(state, code).await
    }
}

/// A provider that is no work of ours, as a process of its own; it ends with the test.
struct Foreign {
    issuer: String,
    _process: tokio::process::Child,
    /// What it says goes somewhere as long as it lives.
    _said: tokio::io::Lines<tokio::io::BufReader<tokio::process::ChildStdout>>,
}

impl Foreign {
    async fn start(public: &str, name: &str, number: &str) -> Foreign {
        use tokio::io::{AsyncBufReadExt, BufReader};
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut process = tokio::process::Command::new("node")
            .arg(root.join("oidc/provider.mjs"))
            .arg(root.join("../target/oidc"))
            .args([CLIENT, SECRET, &format!("{public}/hall/login/back"), name, number])
            .stdout(std::process::Stdio::piped())
            // It warns of what a test wants of it.
            .stderr(std::process::Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("node is installed (tests/run.sh)");
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        while let Some(line) = lines.next_line().await.unwrap() {
            if let Some(port) = line.strip_prefix("ready ") {
                let issuer = format!("http://localhost:{port}");
                return Foreign { issuer, _process: process, _said: lines };
            }
        }
        panic!("oidc-provider did not start; is it in target/oidc (tests/run.sh)?");
    }
}

/// A certified provider of another make, which tells name and number at its userinfo endpoint alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_of_another_make_lets_a_citizen_in() {
    let later = Arc::new(Later::default());
    let centre = Parts { sign_on: Some(later.clone()), ..Parts::default() };
    let city = City::start_by(1, centre, Parts::default()).await;
    let public = format!("http://127.0.0.1:{}", city.hub.node().web.port());
    let who = testkit::applicants().into_iter().nth(41).unwrap();
    let foreign = Foreign::start(&public, &who.name, &who.id_no).await;
    let oidc = Oidc::new(&provider::config(&foreign.issuer, &public), runtime::clock()).unwrap();
    assert!(later.0.set(oidc).is_ok());

    let browser = Browser::start();
    let tab = browser.open(&city.hub, Screen::Phone).await;
    tab.go("/hall/login?to=/hall/mine").await;
    tab.press_text("用实名账号登录").await;
    tab.fill("input[name=login]", "42").await;
    tab.fill("input[name=password]", "whatever").await;
    tab.press("button[type=submit]").await;
    // It asks whether the hall may know who they are.
    tab.press("button[type=submit]").await;
    tab.reads(".me", &who.name).await;
    assert_eq!(tab.path().await, "/hall/mine");
    tab.close().await;
    city.stop().await;
}

async fn says_yes(tab: &Tab) {
    tab.press_text("用实名账号登录").await;
    assert!(tab.text("main").await.contains("允许"), "at the provider's own page");
    tab.press("main button").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_to_the_city_logs_in_elsewhere_and_begins_an_application() {
    let (provider, later) = (Provider::start().await, Arc::new(Later::default()));
    let centre = Parts { sign_on: Some(later.clone()), ..Parts::default() };
    let city = City::start_by(1, centre, Parts::default()).await;
    let hub = city.hub.node();
    let public = format!("http://127.0.0.1:{}", hub.web.port());
    let oidc = Oidc::new(&provider.config(&public), runtime::clock()).unwrap();
    assert!(later.0.set(oidc).is_ok());
    let who = testkit::applicants().into_iter().nth(40).unwrap();
    *provider.person.lock().unwrap() = (who.name.clone(), who.id_no.clone());

    let browser = Browser::start();
    let tab = browser.open(&city.hub, Screen::Phone).await;
    for lie in [Lie::Key, Lie::Nonce, Lie::Audience, Lie::Nameless] {
        *provider.lie.lock().unwrap() = lie;
        tab.go("/hall/login?to=/hall/mine").await;
        says_yes(&tab).await;
        let told = if lie == Lie::Nameless { "实名认证" } else { "暂时用不了" };
        assert!(tab.text(".wrong").await.contains(told), "{lie:?}: {}", tab.text("main").await);
        tab.go("/hall/mine").await;
        assert!(tab.path().await.starts_with("/hall/login"), "{lie:?} lets nobody in");
    }
    *provider.lie.lock().unwrap() = Lie::None;
    tab.go("/hall/items/sscard").await;
    tab.press_text("网上申请").await;
    tab.fits().await;
    tab.picture("hall-login-elsewhere").await;
    says_yes(&tab).await;
    assert_eq!(tab.path().await, "/hall/apply/sscard", "back where they wanted to go");
    assert!(tab.text(".me").await.contains(&who.name));
    tab.press("main form button").await;
    assert_eq!(tab.value("#id_no").await, who.id_no);
    assert_eq!(tab.value("#name").await, who.name);

    // What comes back to a browser that did not leave is nobody's log-in there.
    let other = browser.open(&city.hub, Screen::Phone).await;
    other.go("/hall/login/back?code=stolen&state=stolen").await;
    assert!(other.text(".wrong").await.contains("登录没有完成"), "{}", other.text("main").await);
    other.close().await;
    tab.close().await;
    city.stop().await;
}
