//! A citizen who was never here proves elsewhere who they are, comes back, and applies; and a provider that lies lets nobody in.

use crate::tab::{Browser, Screen, Tab};
use async_trait::async_trait;
use city_hub::sign_on::Oidc;
use console::{Away, NoLogin, SignOn};
use std::sync::{Arc, OnceLock};
use tests::city::City;
use tests::provider::{Lie, Provider};
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
