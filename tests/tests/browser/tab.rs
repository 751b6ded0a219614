//! A window of the browser, and what a person does in it. Everything waits for what it needs, nothing sleeps for a time.

use fantoccini::elements::Element;
use fantoccini::wd::Capabilities;
use fantoccini::{Client, ClientBuilder, Locator};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tests::city::{Folder, PASSWORD, Site, eventually};

/// The size of a screen.
#[derive(Clone, Copy)]
pub enum Screen {
    Desk,
    /// 360 px, as the smallest phones are.
    Phone,
    /// A browser that runs no scripts.
    NoScript,
}

/// Chromium and its driver; both end with this.
pub struct Browser {
    driver: Child,
    port: u16,
    profile: Folder,
    windows: AtomicU32,
}

/// A driver, and the port it listens on; `None` when it ended without one.
fn driver() -> Option<(Child, u16)> {
    let mut driver = Command::new("chromedriver")
        .arg("--port=0")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("chromedriver is missing: tests/run.sh installs chromium and chromium-driver");
    let said = driver.stdout.take().expect("it was asked for");
    let mut lines = BufReader::new(said).lines().map_while(Result::ok);
    let port = lines.find_map(|line| {
        line.split("successfully on port ").nth(1)?.trim_end_matches('.').trim().parse::<u16>().ok()
    });
    if port.is_none() {
        let _ = driver.wait();
    }
    port.map(|port| (driver, port))
}

impl Browser {
    pub fn start() -> Browser {
        // It chooses a port and opens it for both kinds of address one after the other: another may be quicker at the second.
        let (driver, port) =
            (0..5).find_map(|_| driver()).expect("chromedriver says on which port it listens");
        Browser { driver, port, profile: Folder::new(), windows: AtomicU32::new(0) }
    }

    pub async fn open(&self, site: &Site, screen: Screen) -> Tab {
        self.open_with(site, screen, None).await
    }

    /// `downloads`: where the window puts what it is given to keep.
    pub async fn open_with(&self, site: &Site, screen: Screen, downloads: Option<&std::path::Path>) -> Tab {
        self.open_at(site.node().web.port(), screen, downloads).await
    }

    /// A window on the pages at a port.
    pub async fn open_at(&self, port: u16, screen: Screen, downloads: Option<&std::path::Path>) -> Tab {
        let base = format!("http://127.0.0.1:{port}");
        // A profile of its own: whoever logs in here is nobody's neighbour.
        let number = self.windows.fetch_add(1, Ordering::Relaxed);
        let profile = format!("--user-data-dir={}", self.profile.0.join(number.to_string()).display());
        let mut args = vec![
            "--headless=new",
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--lang=zh-CN",
            "--window-size=1366,768",
            "--hide-scrollbars",
        ];
        args.push(&profile);
        let mut chrome = json!({ "args": args });
        match screen {
            Screen::Desk => {}
            Screen::Phone => {
                let size = json!({ "width": 360, "height": 740, "pixelRatio": 1.0 });
                chrome["mobileEmulation"] = json!({ "deviceMetrics": size });
            }
            Screen::NoScript => {
                chrome["prefs"] = json!({ "profile.managed_default_content_settings.javascript": 2 });
            }
        }
        if let Some(folder) = downloads {
            chrome["prefs"]["download.default_directory"] = folder.to_str().unwrap().into();
        }
        let mut wanted = Capabilities::new();
        wanted.insert("goog:chromeOptions".to_owned(), chrome);
        let client = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
            .capabilities(wanted)
            .connect(&format!("http://127.0.0.1:{}", self.port))
            .await
            .expect("a window opens");
        Tab { client, base }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

pub struct Tab {
    pub client: Client,
    base: String,
}

impl Tab {
    pub async fn go(&self, path: &str) {
        self.client.goto(&format!("{}{path}", self.base)).await.unwrap();
    }
    /// Where the window is, without the host.
    pub async fn path(&self) -> String {
        let url = self.client.current_url().await.unwrap();
        url.as_str().trim_start_matches(&self.base).to_owned()
    }
    pub async fn log_in(&self, site: &Site, account: &str) {
        self.start_log_in(account).await;
        // As people do: the telephone is looked at last.
        if let Some(code) = site.code(account).await {
            self.fill("#code", &code).await;
        }
        self.press("form button").await;
        self.see(".side").await;
    }
    /// As [`Tab::log_in`], for an account without a second factor.
    pub async fn log_in_without_code(&self, account: &str) {
        self.start_log_in(account).await;
        self.press("form button").await;
        self.see(".side").await;
    }
    async fn start_log_in(&self, account: &str) {
        self.go("/login").await;
        self.fill("#name", account).await;
        self.fill("#password", PASSWORD).await;
    }
    /// A draft of this item, from its guide; its page.
    pub async fn begin(&self, item: &str) -> String {
        self.go(&format!("/guides/{item}")).await;
        self.press("main form button").await;
        self.path().await
    }
    /// Waits until something is on the page.
    pub async fn see(&self, css: &str) -> Element {
        let found = self.client.wait().at_most(Duration::from_secs(30)).for_element(Locator::Css(css)).await;
        match found {
            Ok(element) => element,
            Err(error) => {
                panic!("{css} is not on {}: {error}\n{}", self.path().await, self.text("main").await)
            }
        }
    }
    pub async fn has(&self, css: &str) -> bool {
        self.client.find(Locator::Css(css)).await.is_ok()
    }
    pub async fn count(&self, css: &str) -> usize {
        self.client.find_all(Locator::Css(css)).await.unwrap().len()
    }
    pub async fn text(&self, css: &str) -> String {
        match self.client.find(Locator::Css(css)).await {
            Ok(element) => element.text().await.unwrap_or_default(),
            Err(_) => String::new(),
        }
    }
    /// Waits until the text of something has `words` in it.
    pub async fn reads(&self, css: &str, words: &str) {
        eventually(&format!("{css} reads {words:?}"), async || self.text(css).await.contains(words)).await;
    }
    pub async fn fill(&self, css: &str, text: &str) {
        let field = self.see(css).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }
    pub async fn value(&self, css: &str) -> String {
        self.see(css).await.prop("value").await.unwrap().unwrap_or_default()
    }
    /// Chooses an option, a radio button or a box, or types a date: by its value, as the page would send it.
    pub async fn choose(&self, name: &str, value: &str) {
        let script = "const all = document.getElementsByName(arguments[0]), value = arguments[1]; let done = false;
            for (const one of all) {
                if (one.type === 'radio' || one.type === 'checkbox') { if (one.value === value) { one.checked = true; done = true; } }
                else { one.value = value; done = one.value === value; }
                if (done) { one.dispatchEvent(new Event('change', { bubbles: true })); break; }
            }
            return done;";
        let done = self.script(script, vec![name.into(), value.into()]).await;
        assert_eq!(done, true, "{name} takes {value:?} on {}", self.path().await);
    }
    /// Presses something, and waits for the next page where it leads to one.
    pub async fn press(&self, css: &str) {
        let before = self.script("return window.performance.timeOrigin;", vec![]).await;
        self.see(css).await.click().await.unwrap();
        eventually(&format!("pressing {css} leads on"), async || {
            let after = self
                .client
                .execute("return [document.readyState, window.performance.timeOrigin];", vec![])
                .await;
            after.is_ok_and(|now| now[0] == "complete" && now[1] != before)
        })
        .await;
    }
    pub async fn press_text(&self, words: &str) {
        let path = format!("//main//*[self::button or self::a][contains(normalize-space(.), '{words}')]");
        let script = "const found = document.evaluate(arguments[0], document, null, 9, null).singleNodeValue;
            if (!found) { return false; } found.setAttribute('data-pressed', '1'); return true;";
        let found = self.script(script, vec![path.into()]).await;
        assert_eq!(found, true, "{words:?} is on {}:\n{}", self.path().await, self.text("main").await);
        self.press("[data-pressed]").await;
    }
    pub async fn script(&self, script: &str, arguments: Vec<Value>) -> Value {
        self.client.execute(script, arguments).await.unwrap()
    }
    /// Nothing of the page lies beyond the right edge.
    pub async fn fits(&self) {
        let script =
            "const wide = document.documentElement.scrollWidth, seen = document.documentElement.clientWidth;
            return [wide, seen];";
        let sizes = self.script(script, vec![]).await;
        assert!(sizes[0].as_u64() <= sizes[1].as_u64(), "{} scrolls sideways: {sizes}", self.path().await);
    }
    /// A picture of the window into `target/pictures`, to be looked at.
    pub async fn picture(&self, name: &str) {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/pictures");
        std::fs::create_dir_all(&folder).unwrap();
        let png = self.client.screenshot().await.unwrap();
        std::fs::write(folder.join(format!("{name}.png")), png).unwrap();
    }
    pub async fn close(self) {
        let _ = self.client.close().await;
    }
}
