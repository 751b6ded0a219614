//! Every link as every role: no page fails, no link is dead, no page is over 100 KB, nothing is left untranslated.

use crate::recording::record_by_program;
use bytes::Bytes;
use domain::access::Role;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::collections::{BTreeSet, VecDeque};
use tests::city::{City, Site, eventually};

const PAGE_BYTES_MAX: usize = 100 * 1024;

struct Crawler {
    client: Client<HttpConnector, Full<Bytes>>,
    port: u16,
    cookie: String,
}

impl Crawler {
    async fn get(&self, path: &str) -> (u16, String) {
        let request =
            Request::get(format!("http://127.0.0.1:{}{path}", self.port)).header("cookie", &self.cookie);
        let answer = self.client.request(request.body(Full::default()).unwrap()).await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8_lossy(&body).into_owned())
    }
}

/// Links of a page to others of this house.
fn links(html: &str) -> impl Iterator<Item = String> {
    let found = html.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next());
    let ours = found.filter(|link| link.starts_with('/') && !link.starts_with("/prefer"));
    ours.map(|link| link.split('#').next().unwrap_or("").replace("&amp;", "&"))
}

/// Follows every link from the home page. Pages of one kind differ by their ids alone: a few of each are enough.
async fn crawl(site: &Site, account: &str, lang: &str) -> usize {
    let token = site.token(account).await;
    let cookie = format!("tongban_session={token}; tongban_lang={lang}");
    let client = Client::builder(TokioExecutor::new()).build(HttpConnector::new());
    let crawler = Crawler { client, port: site.node().web.port(), cookie };
    let (mut seen, mut queue) = (BTreeSet::new(), VecDeque::from(["/".to_owned()]));
    let mut kinds: std::collections::BTreeMap<String, usize> = Default::default();
    while let Some(path) = queue.pop_front() {
        let kind: String = path
            .split('?')
            .next()
            .unwrap_or("")
            .split('/')
            .map(|part| if part.len() > 14 { "*" } else { part })
            .collect::<Vec<_>>()
            .join("/");
        let of_kind = kinds.entry(kind.clone()).or_default();
        if !seen.insert(path.clone()) || *of_kind >= 70 {
            continue;
        }
        *of_kind += 1;
        let (status, html) = crawler.get(&path).await;
        assert!(status == 200 || status == 303, "{account} {lang} {path}: {status}\n{html}");
        assert!(
            html.len() <= PAGE_BYTES_MAX || html.starts_with("TONGBAN-BAG") || kind.contains("/papers/"),
            "{path} has {} bytes",
            html.len()
        );
        if html.starts_with("<!doctype html>") {
            queue.extend(links(&html));
        }
    }
    seen.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_link_as_every_role_in_both_languages() {
    let city = City::start(1).await;
    let village = &city.villages[0];
    let token = village.token("officer").await;
    let case = record_by_program(village, &token, "food", 1).await;
    village.post(&token, "/drafts", serde_json::json!({ "item": "dibao" })).await.unwrap();
    village.post(&token, "/drafts", serde_json::json!({ "bundle": "b_catering" })).await.unwrap();
    eventually("the hub has the case", async || {
        city.hub
            .node()
            .hall()
            .view(&case.parse().unwrap())
            .await
            .is_ok_and(|view| view.missing_attachments == 0)
    })
    .await;
    for site in [village, &city.town, &city.hub] {
        let tier = site.node().hall().tier;
        for role in Role::ALL.into_iter().filter(|role| role.is_at(tier)) {
            let (name, body) = (role.as_str(), role.needs_body().then_some("sj"));
            site.employ(name, body, name).await;
            for lang in ["zh", "en"] {
                let pages = crawl(site, name, lang).await;
                assert!(pages > 5, "{name} sees {pages} pages");
            }
        }
    }
    let missing = console::untranslated();
    assert!(missing.is_empty(), "{missing:#?}");
    city.stop().await;
}
