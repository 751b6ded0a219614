//! The people of the demo: proxy officers who record, windows and departments who work their queues, all through the API.

use crate::city::{City, DUTIES, Kind, OFFICER, Site, colleague};
use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use domain::MaterialId;
use domain::catalogue::{Item, Material, Necessity, StageKind};
use domain::delegation::Delegate;
use domain::duty::Duty;
use domain::network::Tier;
use domain::pack::CityPack;
use http::Method;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
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
        })
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
        let today = domain::seams::Clock::now(&runtime::SystemClock).day();
        let letters = testkit::letters::for_everybody(
            &self.pack,
            &people,
            &format!("凯委〔{}〕", today.year()),
            today,
            today.plus_days(365),
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
                None => match self.api.log_in(site.web, account, self.password(site, account)).await {
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
                Some(_) => return Err(error),
                None if patience == 0 || self.stop.load(Ordering::Relaxed) => return Err(error),
                None => {
                    patience -= 1;
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
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

    async fn get(&self, site: &Site, account: &str, path: &str) -> Result<Value> {
        self.call(site, account, Method::GET, path, Bytes::new()).await
    }
    async fn post(&self, site: &Site, account: &str, path: &str, body: Value) -> Result<Value> {
        self.call(site, account, Method::POST, path, body.to_string().into()).await
    }

    /// Records one case of `item` in a village, with its scans, and writes it into the oracle once it is confirmed.
    pub async fn record(&self, index: usize, item: &str, seed: u64) -> Result<Told> {
        let site = &self.city.sites[index];
        let mut dice = StdRng::seed_from_u64(seed);
        let known = self.pack.items.get(&item.parse()?).context("item")?;
        let today = domain::seams::Clock::now(&runtime::SystemClock).day();
        let mut neighbours: Vec<_> =
            self.people.iter().filter(|person| person.village.starts_with(&site.place)).cloned().collect();
        neighbours.extend(self.people.choose_multiple(&mut dice, 300).cloned());
        let form = testkit::fill(known, &neighbours, today, &mut dice);
        let draft = self.post(site, OFFICER, "/drafts", json!({ "item": item })).await?;
        let id = draft["id"].as_str().context("draft id")?.to_owned();
        let body = json!({ "version": draft["version"], "form": form }).to_string();
        self.call(site, OFFICER, Method::PUT, &format!("/drafts/{id}"), body.into())
            .await
            .or_else(|error| self.saved_already(error))?;
        let asked = domain::plan::asked_materials(known, &form, today);
        let promised = self.promise(site, &id, known, &asked, &form, &mut dice).await?;
        let handed_in = |m: &&&Material| m.necessity != Necessity::Optional && !promised.contains(&m.id);
        for material in asked.iter().filter(handed_in) {
            let scan = testkit::scans::jpeg(&mut dice);
            self.call(
                site,
                OFFICER,
                Method::PUT,
                &format!("/drafts/{id}/materials/{}", material.id),
                scan.into(),
            )
            .await?;
        }
        let captured = self.capture(site, &id).await?;
        let told = Told { case: captured, site: index };
        self.confirm(&id, &told)?;
        if !promised.is_empty() {
            self.promised.lock().map_err(|_| anyhow::anyhow!("poisoned"))?.push((told.clone(), promised));
        }
        Ok(told)
    }

    /// One applicant in three cannot bring a paper that may follow, and signs a commitment (容缺承诺书) for it.
    async fn promise(
        &self,
        site: &Site,
        draft: &str,
        item: &Item,
        asked: &[&Material],
        form: &domain::form::Form,
        dice: &mut StdRng,
    ) -> Result<Vec<MaterialId>> {
        let may_follow = |m: &&&Material| m.necessity == Necessity::Deferrable;
        let materials: Vec<MaterialId> = asked.iter().filter(may_follow).map(|m| m.id.clone()).collect();
        let allowed = domain::tolerance::make_up_days(item).is_some();
        if materials.is_empty() || !allowed || !dice.random_bool(1.0 / 3.0) {
            return Ok(Vec::new());
        }
        let version = self.get(site, OFFICER, &format!("/drafts/{draft}")).await?["version"].clone();
        let commitment = json!({ "materials": materials, "signed_by": domain::form::applicant(form).0 });
        let body = json!({ "version": version, "commitment": commitment }).to_string();
        self.call(site, OFFICER, Method::PUT, &format!("/drafts/{draft}/requests"), body.into())
            .await
            .or_else(|error| self.saved_already(error))?;
        Ok(materials)
    }

    /// Brings what was promised, once the case has been accepted. Returns how many kept their word now.
    async fn keep_promises(&self, index: usize) -> Result<usize> {
        let due: Vec<(Told, Vec<MaterialId>)> = {
            let mut all = self.promised.lock().map_err(|_| anyhow::anyhow!("poisoned"))?;
            let (here, others) = all.drain(..).partition(|(told, _)| told.site == index);
            *all = others;
            here
        };
        let mut kept = 0;
        for (told, materials) in due {
            let brought = self.keep_promise(&told, &materials).await;
            if !matches!(brought, Ok(true)) {
                self.promised.lock().map_err(|_| anyhow::anyhow!("poisoned"))?.push((told, materials));
            } else {
                kept += 1;
            }
        }
        Ok(kept)
    }

    async fn keep_promise(&self, told: &Told, materials: &[MaterialId]) -> Result<bool> {
        let site = &self.city.sites[told.site];
        let dossier = self.get(site, OFFICER, &format!("/cases/{}", told.case)).await?["dossier"].take();
        let has_slip =
            dossier["slips"].as_array().is_some_and(|all| all.iter().any(|s| s["kind"] == "make_up"));
        if has_slip || dossier["lacking"].is_null() {
            return Ok(true);
        }
        if dossier["accepted"].is_null() {
            return Ok(false);
        }
        let mut dice = StdRng::seed_from_u64(told.case.len() as u64);
        let scans: serde_json::Map<String, Value> = materials
            .iter()
            .map(|id| (id.to_string(), STANDARD.encode(testkit::scans::jpeg(&mut dice)).into()))
            .collect();
        self.post(site, OFFICER, &format!("/cases/{}/make-up", told.case), json!({ "materials": scans }))
            .await?;
        Ok(true)
    }

    /// After a kill the same save may come twice; the second finds a newer version, which is its own.
    fn saved_already(&self, error: anyhow::Error) -> Result<Value> {
        match refusal(&error) {
            Some(refused) if refused.code == "stale" => Ok(Value::Null),
            _ => Err(error),
        }
    }

    async fn capture(&self, site: &Site, draft: &str) -> Result<String> {
        let captured = self.post(site, OFFICER, &format!("/drafts/{draft}/capture"), json!({})).await;
        match captured {
            Ok(view) => Ok(view["case"].as_str().context("case number")?.to_owned()),
            // The answer of the first try was lost with the process; the draft is gone because the case exists.
            Err(error) if refusal(&error).is_some_and(|refused| refused.status == 404) => {
                let cases = self.get(site, OFFICER, "/cases?limit=1000").await?;
                for case in cases.as_array().into_iter().flatten().filter_map(|line| line["case"].as_str()) {
                    let history = self.get(site, OFFICER, &format!("/cases/{case}/history")).await?;
                    if history.as_array().into_iter().flatten().any(|line| line["entry"] == draft) {
                        return Ok(case.to_owned());
                    }
                }
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    fn confirm(&self, entry: &str, told: &Told) -> Result<()> {
        let mut oracle = self.oracle.lock().map_err(|_| anyhow::anyhow!("poisoned"))?;
        writeln!(oracle, "{}", json!({ "entry": entry, "case": told.case }))?;
        self.told.lock().map_err(|_| anyhow::anyhow!("poisoned"))?.push(told.clone());
        Ok(())
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
            match self.work_task(site, &person, &text("case"), &text("stage"), &text("kind")).await {
                Ok(()) => done += 1,
                // Somebody else was quicker, or the papers are not all here yet: the next round sees it as it is.
                Err(error) if refusal(&error).is_some_and(|refused| matches!(refused.status, 404 | 409)) => {}
                Err(error) => return Err(error),
            }
        }
        self.acts.fetch_add(done, Ordering::Relaxed);
        Ok(done)
    }

    async fn work_task(&self, site: &Site, account: &str, case: &str, stage: &str, kind: &str) -> Result<()> {
        if kind == "returned" {
            return self.resubmit(site, account, case).await;
        }
        let act = |verb: &str| format!("/cases/{case}/stages/{stage}/{verb}");
        let judges = matches!(kind, "decision" | "issue");
        if site.kind == Kind::Hub {
            let claimed = self.post(site, account, &act("claim"), json!({})).await;
            // After a kill the claim may be ours already.
            if let Err(error) = claimed
                && refusal(&error).is_none_or(|refused| refused.code != "claimed")
            {
                return Err(error);
            }
        }
        let chance = case.bytes().map(u64::from).sum::<u64>() % 20;
        let (verb, body) = match kind {
            "decision" if chance == 0 => (
                "decide",
                json!({ "outcome": "refused", "text": "不符合受理条件第一项", "article": "《行政许可法》第三十八条第二款" }),
            ),
            "decision" => ("decide", json!({ "outcome": "granted", "text": "经审查符合条件,准予" })),
            "issue" => ("issue", json!({ "opinion": "已制证" })),
            "deliver" => ("deliver", json!({ "receiver": "本人", "proof": "领取人签名" })),
            "completeness_check" if chance == 1 && self.first_return(case) => {
                let fault =
                    json!({ "field": "m1", "label": "申请书", "reason": "签名不清楚,请重新签名后拍照" });
                ("return", json!({ "faults": [fault] }))
            }
            _ => ("complete", json!({ "agrees": true, "opinion": "同意" })),
        };
        let lacking = match judges {
            true => self.get(site, account, &format!("/cases/{case}")).await?["dossier"].take(),
            false => Value::Null,
        };
        for slip in unanswered(&lacking) {
            self.post(site, account, &act("take-make-up"), json!({ "slip": slip })).await?;
        }
        self.post(site, account, &act(verb), body).await?;
        Ok(())
    }

    fn first_return(&self, case: &str) -> bool {
        self.returned.lock().is_ok_and(|mut returned| returned.insert(case.to_owned()))
    }

    async fn resubmit(&self, site: &Site, account: &str, case: &str) -> Result<()> {
        let page = self.get(site, account, &format!("/cases/{case}/submission")).await?;
        let body = &page["body"];
        let submission =
            if body["captured"].is_null() { &body["resubmitted"] } else { &body["captured"]["submission"] };
        self.post(site, account, &format!("/cases/{case}/resubmit"), json!({ "form": submission["form"] }))
            .await?;
        Ok(())
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
                done += self.work_queue(site, OFFICER, None).await.unwrap_or(0);
                if site.kind == Kind::Village {
                    let index = self.city.sites.iter().position(|other| std::ptr::eq(other, site));
                    done += self.keep_promises(index.unwrap_or_default()).await.unwrap_or(0);
                }
            }
            for (body, account, _) in self.city.bodies.iter().skip(lane).step_by(lanes) {
                done += self.work_queue(self.city.hub(), account, Some(body)).await.unwrap_or(0);
            }
            if done == 0 {
                tokio::time::sleep(Duration::from_millis(dice.random_range(100..400))).await;
            }
        }
    }

    /// Status of a case as its village sees it.
    pub async fn at_village(&self, told: &Told) -> Result<Value> {
        self.get(&self.city.sites[told.site], OFFICER, &format!("/cases/{}", told.case)).await
    }

    pub async fn status(&self, site: &Site) -> Result<Value> {
        self.get(site, OFFICER, "/status").await
    }
}

/// Slips with papers promised for later that nobody has judged.
fn unanswered(dossier: &Value) -> Vec<Value> {
    let noted = dossier["noted"].as_array().cloned().unwrap_or_default();
    let slips = dossier["slips"].as_array().cloned().unwrap_or_default();
    let open = |slip: &Value| slip["kind"] == "make_up" && !noted.contains(&slip["id"]);
    slips.into_iter().filter(open).map(|slip| slip["id"].clone()).collect()
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
