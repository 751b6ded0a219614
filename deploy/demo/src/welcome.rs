//! The first page of the demo: what this is, who can log in where, and a guided tour of one case from 柿花村 to the seal and back.
//!
//! A browser keeps one log-in for each host name, whatever the port: each tier is asked for under a name of its own, or the tour
//! would log the village out when it logs the town in.

use crate::city::{City, Kind, OFFICER, Site, colleague};
use crate::control::tell;
use crate::staff::Staff;
use anyhow::{Context, Result};
use askama::Template;
use axum::Router;
use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use domain::catalogue::FieldKind;
use domain::pack::{CityPack, kaili_pieces};
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::Value;
use std::sync::Arc;
use tokio::net::TcpListener;

/// The item of the tour: no inspection, a licence at the end.
const ITEM: &str = "geti";
const VILLAGE: &str = "522601108201";

struct Desk {
    city: Arc<City>,
    staff: Arc<Staff>,
    item: String,
    /// What the invented applicant says: label and value.
    answers: Vec<(String, String)>,
    name: String,
    number: String,
}

struct LogIn {
    who: String,
    where_to: String,
    account: String,
    password: String,
    code: bool,
}

#[derive(Template)]
#[template(path = "welcome.html")]
struct WelcomePage<'a> {
    en: bool,
    desk: &'a Desk,
    code: String,
    village: String,
    town: String,
    hub: String,
    village_name: &'a str,
    cut: bool,
    logins: Vec<LogIn>,
    nodes: usize,
    told: String,
}

impl WelcomePage<'_> {
    fn t(&self, chinese: &'static str, english: &'static str) -> &'static str {
        if self.en { english } else { chinese }
    }
}

/// The address of a site under the name of its tier.
fn address(site: &Site) -> String {
    let name = match site.kind {
        Kind::Hub => "city",
        Kind::Town => "town",
        Kind::Village => "village",
    };
    format!("http://{name}.localhost:{}", site.web)
}

/// Serves the page and returns its address.
///
/// # Errors
/// When the port is taken or the catalogue has not got the item.
pub async fn open(city: &Arc<City>, staff: &Arc<Staff>) -> Result<String> {
    let listener = TcpListener::bind(("127.0.0.1", city.options.port - 2)).await?;
    let address = format!("http://{}/", listener.local_addr()?);
    let desk = Arc::new(desk(city.clone(), staff.clone())?);
    let router = Router::new()
        .route("/", get(show))
        .route("/do", post(order))
        .route("/scan.jpg", get(scan))
        .route("/style.css", get(async || ([(header::CONTENT_TYPE, "text/css")], STYLE)))
        .with_state(desk);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

const STYLE: &str = concat!(
    include_str!("../../../crates/console/templates/style.css"),
    include_str!("../templates/welcome.css")
);

fn desk(city: Arc<City>, staff: Arc<Staff>) -> Result<Desk> {
    let pack = CityPack::parse(&kaili_pieces()).map_err(|faults| anyhow::anyhow!("catalogue: {faults:?}"))?;
    let item = pack.item(&ITEM.parse()?).context("the item of the tour is not in the catalogue")?;
    let today = domain::seams::Clock::now(&runtime::SystemClock).day();
    let form = testkit::fill(item, &testkit::applicants(), today, &mut StdRng::seed_from_u64(20));
    let said = |value: &Value, kind: &FieldKind| match (kind, value) {
        (FieldKind::Region, Value::String(code)) => pack.divisions.full_name(code),
        (_, Value::String(text)) => text.clone(),
        (_, Value::Array(list)) => list
            .iter()
            .map(|one| one.as_str().map_or(one.to_string(), str::to_owned))
            .collect::<Vec<_>>()
            .join("、"),
        (_, Value::Bool(is)) => if *is { "是" } else { "否" }.to_owned(),
        (_, other) => other.to_string(),
    };
    let answers = item.fields.iter().filter_map(|field| {
        let value = form.get(&field.key).filter(|_| field.rules.computed.is_none())?;
        Some((field.label.clone(), said(value, &field.kind)))
    });
    let answers = answers.collect();
    let (name, number) = domain::form::applicant(&form);
    let (name, number) = (name.to_owned(), number.to_owned());
    Ok(Desk { city, staff, item: item.name.clone(), answers, name, number })
}

impl Desk {
    fn village(&self) -> Option<&Site> {
        self.city.sites.iter().find(|site| site.place == VILLAGE)
    }
    fn logins(&self) -> Vec<LogIn> {
        let city = &self.city;
        let at = |site: &Site, who: &str, account: &str, code| LogIn {
            who: who.to_owned(),
            where_to: address(site),
            account: account.to_owned(),
            password: site.password.clone(),
            code,
        };
        let mut logins = Vec::new();
        if let Some(village) = self.village() {
            logins.push(at(village, &format!("代办员 · {}", village.name), OFFICER, false));
            let town = &city.sites[village.town];
            logins.push(at(town, &format!("镇窗口 · {}", town.name), OFFICER, false));
        }
        for (body, duty, number, code) in [
            ("zw", "一口受理", "1", false),
            ("sj", "批准(市场监管局)", "3", true),
            ("sj", "制证(市场监管局)", "1", false),
        ] {
            if let Some((_, account, password)) = city.bodies.iter().find(|(id, ..)| id == body) {
                let account = colleague(account, number);
                logins.push(LogIn {
                    who: format!("市中心 · {duty}"),
                    where_to: address(city.hub()),
                    account,
                    password: password.clone(),
                    code,
                });
            }
        }
        logins.push(at(city.hub(), "市中心 · 值守和监察", OFFICER, true));
        logins.push(at(city.hub(), "市中心 · 目录管理员", "editor", true));
        logins.push(at(city.hub(), "市中心 · 系统管理员", "admin", true));
        logins.push(at(city.hub(), "市中心 · 系统管理员(复核)", "admin-2", true));
        logins
    }
}

#[derive(serde::Deserialize, Default)]
#[serde(default)]
struct Asked {
    lang: String,
    told: String,
}

async fn show(State(desk): State<Arc<Desk>>, Query(asked): Query<Asked>) -> Response {
    let village = desk.village();
    let page = WelcomePage {
        en: asked.lang == "en",
        code: desk.staff.code(),
        village: village.map(address).unwrap_or_default(),
        town: village.map(|site| address(&desk.city.sites[site.town])).unwrap_or_default(),
        hub: address(desk.city.hub()),
        village_name: village.map_or("", |site| &site.name),
        cut: village.and_then(|site| site.proxy.get()).is_some_and(|proxy| !proxy.is_open()),
        logins: desk.logins(),
        nodes: desk.city.sites.len(),
        told: asked.told.chars().take(300).collect(),
        desk: &desk,
    };
    match page.render() {
        Ok(html) => Html(html).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

#[derive(serde::Deserialize)]
struct Order {
    order: String,
    #[serde(default)]
    lang: String,
}

fn is_foreign(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none")
}

/// The verbs of the command line that a visitor may give from the page; another site's page may give none.
async fn order(State(desk): State<Arc<Desk>>, headers: HeaderMap, Form(order): Form<Order>) -> Response {
    let known = ["cut ", "heal ", "load "].iter().any(|verb| order.order.starts_with(verb));
    let ours = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("");
    let ours = ours.starts_with("127.0.0.1:") || ours.starts_with("localhost:");
    if !ours || is_foreign(&headers) || !known {
        return StatusCode::FORBIDDEN.into_response();
    }
    let told = tell(&desk.city.options, &order.order).await.unwrap_or_else(|error| format!("{error:#}"));
    let told: String = told.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let lang = if order.lang == "en" { "en" } else { "zh" };
    Redirect::to(&format!("/?lang={lang}&told={told}#network")).into_response()
}

/// A scan to hand in.
async fn scan() -> Response {
    let bytes = testkit::scans::jpeg(&mut StdRng::seed_from_u64(1));
    let name = "attachment; filename=\"scan.jpg\"";
    ([(header::CONTENT_TYPE, "image/jpeg"), (header::CONTENT_DISPOSITION, name)], bytes).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Options;

    #[tokio::test]
    async fn the_first_page_leads_everybody_to_their_desk_in_both_languages() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let data = std::env::temp_dir().join(format!("tongban-demo-{}", std::process::id()));
        std::fs::create_dir_all(&data).unwrap();
        let options = Options {
            cases: 1,
            chaos: false,
            quiet: true,
            seed: 1,
            towns: 2,
            villages: 4,
            port: 17_000,
            dir: data.clone(),
            pack: folder.join("deploy/kaili"),
        };
        let city = Arc::new(City::plan(options).unwrap());
        let staff = Arc::new(Staff::new(city.clone()).unwrap());
        let desk = Arc::new(desk(city, staff).unwrap());
        assert!(!desk.name.is_empty() && desk.number.len() == 18, "the applicant of the tour is a person");
        for lang in ["zh", "en"] {
            let asked = Asked { lang: lang.to_owned(), told: String::new() };
            let answer = show(State(desk.clone()), Query(asked)).await;
            assert_eq!(answer.status(), StatusCode::OK);
            let html = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
            let html = String::from_utf8(html.to_vec()).unwrap();
            for name in ["village.localhost", "town.localhost", "city.localhost"] {
                assert!(html.contains(name), "{name} in {lang}");
            }
            for login in desk.logins() {
                assert!(html.contains(&login.password), "{} can log in", login.who);
            }
        }
        std::fs::remove_dir_all(&data).unwrap();
    }

    #[tokio::test]
    async fn another_sites_page_gives_no_orders() {
        let mut headers = HeaderMap::new();
        headers.insert("sec-fetch-site", "cross-site".parse().unwrap());
        assert!(is_foreign(&headers));
        headers.insert("sec-fetch-site", "same-origin".parse().unwrap());
        assert!(!is_foreign(&headers));
    }
}
