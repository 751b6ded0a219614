//! The people of the demo: proxy officers who record, windows and departments who work their queues, all through the API.

mod acts;
mod record;

pub use record::Papers;

use crate::city::{City, DUTIES, Kind, OFFICER, Site, colleague};
use anyhow::{Context, Result};
use bytes::Bytes;
use domain::calendar::{DayUnit, Limit};
use domain::catalogue::StageKind;
use domain::delegation::Delegate;
use domain::duty::Duty;
use domain::network::Tier;
use domain::pack::CityPack;
use domain::{Day, ItemId, MaterialId};
use http::Method;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use testkit::api::{Api, refusal};
use testkit::letters::Person;

/// One confirmed capture.
#[derive(Clone, Debug)]
pub struct Told {
    pub case: String,
    pub site: usize,
}

pub struct Staff {
    pub city: Arc<City>,
    api: Api,
    pack: CityPack,
    people: Vec<testkit::Applicant>,
    tokens: Mutex<BTreeMap<(u16, String), String>>,
    pub told: Mutex<Vec<Told>>,
    oracle: Mutex<std::fs::File>,
    pub acts: AtomicUsize,
    returned: Mutex<std::collections::BTreeSet<String>>,
    /// 容缺: who has promised which papers.
    promised: Mutex<Vec<(Told, Vec<MaterialId>)>>,
    pub stop: AtomicBool,
    /// How far the drill clock is ahead of the machine's.
    ahead_ms: AtomicI64,
}

impl Staff {
    /// # Errors
    /// When the pack or the oracle file cannot be used.
    pub fn new(city: Arc<City>) -> Result<Staff> {
        let read = |name: &str| {
            std::fs::read_to_string(city.options.pack.join(name)).with_context(|| name.to_owned())
        };
        let mut pieces = domain::pack::split_items(&read("items.json")?)?;
        for (piece, file) in [
            ("divisions", "divisions_kaili.csv"),
            ("calendar", "calendar_cn.csv"),
            ("calendar_years", "calendar_cn_years.csv"),
            ("orgs", "orgs_kaili.json"),
            ("licence_types", "licence_types.json"),
        ] {
            pieces.insert(piece.to_owned(), read(file)?);
        }
        let pack = CityPack::parse(&pieces)?;
        let oracle = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(city.options.dir.join("oracle.jsonl"))?;
        Ok(Staff {
            city,
            api: Api::new(),
            pack,
            people: testkit::applicants(),
            tokens: Mutex::default(),
            told: Mutex::default(),
            oracle: Mutex::new(oracle),
            acts: AtomicUsize::new(0),
            returned: Mutex::default(),
            promised: Mutex::default(),
            stop: AtomicBool::new(false),
            ahead_ms: AtomicI64::new(0),
        })
    }

    /// The day everybody in this city lives in.
    pub fn today(&self) -> Day {
        let machine = domain::seams::Clock::now(&runtime::SystemClock);
        machine.plus_ms(self.ahead_ms.load(Ordering::Relaxed)).day()
    }

    /// Do limits that end in so many days rest on a published calendar?
    pub fn calendar_is_final_for(&self, days: i64) -> bool {
        let last = Limit { days: days as u32, unit: DayUnit::Natural };
        let due = self.pack.calendar.due_day(self.today(), last);
        let next = Limit { days: 1, unit: DayUnit::Workday };
        !due.provisional && !self.pack.calendar.due_day(due.day, next).provisional
    }

    /// Nights pass (演练时钟): limits run on, publicity comes to its end.
    ///
    /// # Errors
    /// When the clock's file cannot be written.
    pub fn pass_days(&self, days: i64) -> Result<()> {
        let ahead = self.ahead_ms.fetch_add(days * 86_400_000, Ordering::Relaxed) + days * 86_400_000;
        Ok(std::fs::write(self.city.drill_clock(), ahead.to_string())?)
    }

    /// The bodies sign letters of delegation for everybody who works in this city; the hub publishes them.
    ///
    /// # Errors
    /// When the hub refuses one.
    pub async fn delegate(&self) -> Result<usize> {
        let mut people = Vec::new();
        for (body, account, _) in &self.city.bodies {
            for (number, _) in DUTIES {
                let at = Delegate { node: "hub".parse()?, officer: colleague(account, number) };
                people.push(Person { at, tier: Tier::City, body: Some(body.parse()?) });
            }
        }
        for site in self.city.sites.iter().filter(|site| site.kind != Kind::Hub) {
            let tier = if site.kind == Kind::Town { Tier::Town } else { Tier::Village };
            let persons = if tier == Tier::Town { &DUTIES[..] } else { &DUTIES[..1] };
            for (number, _) in persons {
                let node = site.id.get().context("a node that joined")?.parse()?;
                let at = Delegate { node, officer: colleague(OFFICER, number) };
                people.push(Person { at, tier, body: None });
            }
        }
        let today = self.today();
        let letters = testkit::letters::for_everybody(
            &self.pack,
            &people,
            &format!("凯委〔{}〕", today.year()),
            today,
            today.plus_days(730),
        );
        self.post(self.city.hub(), OFFICER, "/letters", json!({ "letters": letters })).await?;
        Ok(letters.len())
    }

    pub fn items(&self) -> Vec<String> {
        self.pack.items.keys().map(ToString::to_string).collect()
    }

    /// Calls as an officer, logging in when needed. A node that is down or restarting is asked again until it answers.
    pub async fn call(
        &self,
        site: &Site,
        account: &str,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Value> {
        let key = (site.web, account.to_owned());
        let mut patience = 200;
        loop {
            let known = self.tokens.lock().map_err(|_| anyhow::anyhow!("poisoned"))?.get(&key).cloned();
            let outcome = match known {
                Some(token) => {
                    self.api
                        .call(method.clone(), site.web, &format!("/api/v1{path}"), Some(&token), body.clone())
                        .await
                }
                None => match self.log_in(site, account).await {
                    Ok(token) => {
                        self.tokens
                            .lock()
                            .map_err(|_| anyhow::anyhow!("poisoned"))?
                            .insert(key.clone(), token);
                        continue;
                    }
                    Err(error) => Err(error),
                },
            };
            let error = match outcome {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            match refusal(&error) {
                Some(refused) if refused.status == 401 && refused.code == "login" => {
                    self.tokens.lock().map_err(|_| anyhow::anyhow!("poisoned"))?.remove(&key);
                }
                // A code whose answer was lost is used up all the same: the phone shows another one soon.
                Some(refused)
                    if matches!(refused.code.as_str(), "wrong_login" | "throttled")
                        && has_phone(site, account)
                        && patience > 0 =>
                {
                    patience -= 1;
                    tokio::time::sleep(Duration::from_secs(2)).await;
                }
                Some(_) => return Err(error),
                None if patience == 0 || self.stop.load(Ordering::Relaxed) => return Err(error),
                None => {
                    patience -= 1;
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    async fn log_in(&self, site: &Site, account: &str) -> Result<String> {
        let code = has_phone(site, account).then(|| self.code());
        self.api.log_in_with(site.web, account, self.password(site, account), code.as_deref()).await
    }

    /// What the phone shows now, on the drill's day.
    pub fn code(&self) -> String {
        let machine = domain::seams::Clock::now(&runtime::SystemClock);
        self.city.phone.code(machine.plus_ms(self.ahead_ms.load(Ordering::Relaxed)))
    }

    fn password<'a>(&'a self, site: &'a Site, account: &str) -> &'a str {
        if site.kind == Kind::Hub && account != OFFICER {
            return self
                .city
                .bodies
                .iter()
                .find(|(body, ..)| account.rsplit_once('-').is_some_and(|(of, _)| of == body))
                .map_or("", |(_, _, password)| password);
        }
        &site.password
    }

    pub(crate) async fn get(&self, site: &Site, account: &str, path: &str) -> Result<Value> {
        self.call(site, account, Method::GET, path, Bytes::new()).await
    }
    pub(crate) async fn post(&self, site: &Site, account: &str, path: &str, body: Value) -> Result<Value> {
        self.call(site, account, Method::POST, path, body.to_string().into()).await
    }

    /// Works the queue of one account once. Returns how many acts were done.
    pub async fn work_queue(&self, site: &Site, account: &str, body: Option<&str>) -> Result<usize> {
        let filter = body.map_or(String::new(), |body| format!("&body={body}"));
        let queue = self.get(site, account, &format!("/queue?limit=100{filter}")).await?;
        let mut done = 0;
        for task in queue.as_array().into_iter().flatten() {
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            let text = |name: &str| task[name].as_str().unwrap_or("").to_owned();
            if task["missing_attachments"] != 0 && site.kind != Kind::Village {
                continue;
            }
            let person = whose(site, account, &text("kind"));
            let (case, stage, kind) = (text("case"), text("stage"), text("kind"));
            match self.work_task(&acts::Task { site, account: person, case, stage, kind }).await {
                Ok(()) => done += 1,
                // Somebody else was quicker, or the papers are not all here yet: the next round sees it as it is.
                Err(error) if refusal(&error).is_some_and(|refused| matches!(refused.status, 404 | 409)) => {}
                Err(error) => return Err(error),
            }
        }
        self.acts.fetch_add(done, Ordering::Relaxed);
        Ok(done)
    }

    /// Everybody's queues, round after round, until told to stop. Villages that are cut off go on working too.
    pub async fn shift(self: Arc<Self>, lane: usize, lanes: usize) {
        let mut dice = StdRng::seed_from_u64(lane as u64);
        while !self.stop.load(Ordering::Relaxed) {
            let mut done = 0;
            for site in self.city.sites.iter().skip(lane).step_by(lanes) {
                if site.kind == Kind::Hub {
                    continue;
                }
                // A node in the middle of a restart is simply visited again in the next round.
                done += told(self.work_queue(site, OFFICER, None).await);
                let index = self.city.sites.iter().position(|other| std::ptr::eq(other, site));
                done += told(self.keep_promises(index.unwrap_or_default()).await);
            }
            for (body, account, _) in self.city.bodies.iter().skip(lane).step_by(lanes) {
                done += told(self.work_queue(self.city.hub(), account, Some(body)).await);
            }
            if done == 0 {
                tokio::time::sleep(Duration::from_millis(dice.random_range(100..400))).await;
            }
        }
    }

    /// Two stages that begin after the same ones were both gone through.
    pub fn ran_in_parallel(&self, dossier: &Value) -> bool {
        let id = dossier["item"].as_str().and_then(|id| id.parse().ok());
        let Some(item) = id.and_then(|id: ItemId| self.pack.items.get(&id)) else { return false };
        let begun = |stage: &&domain::catalogue::Stage| !dossier["stages"][stage.id.as_str()].is_null();
        let begun: Vec<_> = item.stages.iter().filter(begun).collect();
        begun.iter().enumerate().any(|(index, one)| {
            !one.after.is_empty() && begun[..index].iter().any(|other| other.after == one.after)
        })
    }

    /// Status of a case as the counter sees it that took it in.
    pub async fn at_counter(&self, told: &Told) -> Result<Value> {
        self.get(&self.city.sites[told.site], OFFICER, &format!("/cases/{}", told.case)).await
    }

    pub async fn status(&self, site: &Site) -> Result<Value> {
        self.get(site, OFFICER, "/status").await
    }
}

/// A node in the middle of a restart is simply visited again; an officer who may not do what the story asks of them never
/// will, and whoever watches should know.
fn told(done: Result<usize>) -> usize {
    done.unwrap_or_else(|error| {
        if let Some(refused) = refusal(&error)
            && refused.status == 403
        {
            eprintln!("an act of the story is not permitted: {refused}");
        }
        0
    })
}

/// Who at the hub decides or registers has a phone that makes codes.
fn has_phone(site: &Site, account: &str) -> bool {
    site.kind == Kind::Hub && (account == OFFICER || account.ends_with("-3"))
}

/// Who of the house does a stage of this kind: handling, reviewing and approving are three persons'. A village has one.
fn whose(site: &Site, account: &str, kind: &str) -> String {
    let kind = StageKind::ALL.into_iter().find(|known| known.as_str() == kind);
    match kind.and_then(Duty::of) {
        Some(Duty::Review) if site.kind != Kind::Village => colleague(account, "2"),
        Some(Duty::Approve) if site.kind != Kind::Village => colleague(account, "3"),
        _ => account.to_owned(),
    }
}
