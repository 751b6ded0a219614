//! Proxy officers: a case from the form to the capture, and the papers that were promised for later.

use super::{Staff, Told};
use crate::city::{OFFICER, Site};
use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::MaterialId;
use domain::catalogue::{Item, Material, Necessity};
use domain::network::Tier;
use http::Method;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use std::io::Write;
use testkit::api::refusal;

/// What an applicant has with him.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Papers {
    /// Some are promised for later, some shall be lent from the city's library.
    AsLifeIs,
    All,
}

impl Staff {
    /// Records one case of `item` in a village, with its scans, and writes it into the oracle once it is confirmed.
    pub async fn record(&self, index: usize, item: &str, seed: u64, papers: Papers) -> Result<Told> {
        let site = &self.city.sites[index];
        let mut dice = StdRng::seed_from_u64(seed);
        let known = self.pack.items.get(&item.parse()?).context("item")?;
        let (today, neighbours) = (self.today(), self.neighbours(site, &mut dice));
        let form = testkit::fill(known, &neighbours, today, &mut dice);
        let draft = self.post(site, OFFICER, "/drafts", json!({ "item": item })).await?;
        let id = draft["id"].as_str().context("draft id")?.to_owned();
        let body = json!({ "version": draft["version"], "form": form });
        self.save(site, &format!("/drafts/{id}"), body).await?;
        let asked = domain::plan::asked_materials(known, &form, today);
        let (promised, borrowed) = match papers {
            Papers::All => Default::default(),
            Papers::AsLifeIs => self.ask_for(site, &id, known, &asked, &form, &mut dice).await?,
        };
        let handed_in = |m: &&&Material| {
            m.necessity != Necessity::Optional && !promised.contains(&m.id) && !borrowed.contains(&m.id)
        };
        for material in asked.iter().filter(handed_in) {
            self.scan(site, &id, material.id.as_str(), &mut dice).await?;
        }
        let captured = self.capture(site, &id).await?;
        let told = Told { case: captured, site: index };
        self.confirm(&id, &told)?;
        if !promised.is_empty() {
            self.promised.lock().map_err(|_| anyhow::anyhow!("poisoned"))?.push((told.clone(), promised));
        }
        Ok(told)
    }

    fn neighbours(&self, site: &Site, dice: &mut StdRng) -> Vec<testkit::Applicant> {
        let here = self.people.iter().filter(|person| person.village.starts_with(&site.place));
        here.chain(self.people.choose_multiple(dice, 300)).cloned().collect()
    }

    /// One thing (一件事): several items for one person with one set of papers. Every case of it goes into the oracle.
    pub async fn record_bundle(&self, index: usize, bundle: &str, seed: u64) -> Result<Vec<Told>> {
        let site = &self.city.sites[index];
        let mut dice = StdRng::seed_from_u64(seed);
        let (today, neighbours) = (self.today(), self.neighbours(site, &mut dice));
        let known = self.pack.bundle(bundle).context("bundle")?;
        let items: Option<Vec<&Item>> =
            known.items.iter().map(|item| self.pack.items.get(item).map(|item| &**item)).collect();
        let items = items.context("items of the bundle")?;
        let forms = testkit::fill_bundle(&items, &neighbours, today, &mut dice);
        let draft = self.post(site, OFFICER, "/drafts", json!({ "bundle": bundle })).await?;
        let id = draft["id"].as_str().context("draft id")?.to_owned();
        let own: serde_json::Map<String, Value> =
            items.iter().zip(&forms).map(|(item, form)| (item.id.to_string(), json!(form))).collect();
        let body = json!({ "version": draft["version"], "form": {}, "own": own });
        self.save(site, &format!("/drafts/{id}"), body).await?;
        for (item, material) in papers_of_bundle(&items, &forms, today) {
            self.scan(site, &id, &format!("{item}--{}", material.id), &mut dice).await?;
        }
        let lead = self.capture(site, &id).await?;
        let view = self.get(site, OFFICER, &format!("/cases/{lead}")).await?;
        let mut all = Vec::new();
        for member in view["dossier"]["bundle"]["members"].as_array().context("members")? {
            let told = Told { case: member["case"].as_str().context("case")?.to_owned(), site: index };
            let history = self.get(site, OFFICER, &format!("/cases/{}/history", told.case)).await?;
            self.confirm(history[0]["entry"].as_str().context("entry of the capture")?, &told)?;
            all.push(told);
        }
        Ok(all)
    }

    pub fn bundles(&self) -> Vec<String> {
        self.pack.bundles.iter().map(|bundle| bundle.id.clone()).collect()
    }

    /// One applicant in three cannot bring a paper that may follow, and signs a commitment (容缺承诺书) for it; one in five lets
    /// the city look in its own library first (免提交). Returns what is promised and what shall be lent.
    async fn ask_for(
        &self,
        site: &Site,
        draft: &str,
        item: &Item,
        asked: &[&Material],
        form: &domain::form::Form,
        dice: &mut StdRng,
    ) -> Result<(Vec<MaterialId>, Vec<MaterialId>)> {
        let may_follow = |m: &&&Material| m.necessity == Necessity::Deferrable;
        let mut promised: Vec<MaterialId> = asked.iter().filter(may_follow).map(|m| m.id.clone()).collect();
        if domain::tolerance::make_up_days(item, false).is_none() || !dice.random_bool(1.0 / 3.0) {
            promised.clear();
        }
        let lent = |m: &&&Material| m.reuse_licence.is_some() && !promised.contains(&m.id);
        let mut borrowed: Vec<MaterialId> = asked.iter().filter(lent).map(|m| m.id.clone()).collect();
        // Where one house both takes papers and decides at once, nobody waits for an answer from the city.
        if item.decision_tier == Tier::Village || !dice.random_bool(0.2) {
            borrowed.clear();
        }
        if promised.is_empty() && borrowed.is_empty() {
            return Ok((promised, borrowed));
        }
        let name = domain::form::applicant(form).0;
        let version = self.get(site, OFFICER, &format!("/drafts/{draft}")).await?["version"].clone();
        let mut body = json!({ "version": version });
        if !promised.is_empty() {
            body["commitment"] = json!({ "materials": promised, "signed_by": name });
        }
        let consent = |id: &MaterialId| json!({ "material": id, "consent": name });
        body["borrowed"] = borrowed.iter().map(consent).collect();
        self.save(site, &format!("/drafts/{draft}/requests"), body).await?;
        Ok((promised, borrowed))
    }

    /// Brings what was promised, once the case has been accepted. Returns how many kept their word now.
    pub(super) async fn keep_promises(&self, index: usize) -> Result<usize> {
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

    async fn save(&self, site: &Site, path: &str, body: Value) -> Result<()> {
        let saved = self.call(site, OFFICER, Method::PUT, path, body.to_string().into()).await;
        match saved {
            // After a kill the same save may come twice; the second finds a newer version, which is its own.
            Err(error) if refusal(&error).is_none_or(|refused| refused.code != "stale") => Err(error),
            _ => Ok(()),
        }
    }

    /// Scans one paper into a draft.
    async fn scan(&self, site: &Site, draft: &str, paper: &str, dice: &mut StdRng) -> Result<()> {
        let path = format!("/drafts/{draft}/materials/{paper}");
        let scan = testkit::scans::jpeg(dice);
        self.call(site, OFFICER, Method::PUT, &path, scan.into()).await.map(drop)
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
}

/// What the applicant brings for the whole bundle: each paper once, however many items ask for it.
fn papers_of_bundle<'i>(
    items: &[&'i Item],
    forms: &[domain::form::Form],
    today: domain::Day,
) -> Vec<(&'i domain::ItemId, &'i Material)> {
    let mut papers: Vec<(&domain::ItemId, &Material)> = Vec::new();
    for (item, form) in items.iter().zip(forms) {
        for material in domain::plan::asked_materials(item, form, today) {
            let brought = papers.iter().any(|(_, known)| domain::bundle::is_same_paper(known, material));
            if material.necessity != Necessity::Optional && !brought {
                papers.push((&item.id, material));
            }
        }
    }
    papers
}
