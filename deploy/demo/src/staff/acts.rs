//! Windows and departments: what each kind of stage asks of whoever works it.

use super::Staff;
use crate::city::{Kind, Site};
use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::ItemId;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Map, Value, json};
use testkit::api::refusal;

/// A task as its officer sees it.
pub(super) struct Task<'t> {
    pub site: &'t Site,
    pub account: String,
    pub case: String,
    pub stage: String,
    pub kind: String,
}

impl Task<'_> {
    fn path(&self, verb: &str) -> String {
        format!("/cases/{}/stages/{}/{verb}", self.case, self.stage)
    }
    /// Draws the same lot for a case on every try.
    fn lot(&self, of: u64) -> u64 {
        self.case.bytes().map(u64::from).sum::<u64>() % of
    }
}

impl Staff {
    pub(super) async fn work_task(&self, task: &Task<'_>) -> Result<()> {
        if task.kind == "returned" {
            return self.resubmit(task).await;
        }
        if task.site.kind == Kind::Hub {
            let claimed = self.act(task, "claim", json!({})).await;
            // After a kill the claim may be ours already; at a joint inspection it is one department's for all.
            if let Err(error) = claimed
                && refusal(&error).is_none_or(|refused| refused.code != "claimed")
            {
                return Err(error);
            }
        }
        match task.kind.as_str() {
            "decision" => self.decide(task).await,
            "issue" => self.act(task, "issue", json!({ "opinion": "已制证" })).await.map(drop),
            "deliver" => self.deliver(task).await,
            "publicity" => self.publicity(task).await,
            "joint_inspection" => self.visit(task).await,
            "hearing" => self.hear(task).await,
            "payment" => self.charge(task).await,
            // Whichever stage answers the applicant first finds out what the library does not hold.
            "completeness_check" | "accept" | "review" | "home_visit" => self.take_up(task).await,
            _ => self.complete(task).await,
        }
    }

    async fn act(&self, task: &Task<'_>, verb: &str, body: Value) -> Result<Value> {
        self.post(task.site, &task.account, &task.path(verb), body).await
    }
    async fn dossier(&self, task: &Task<'_>) -> Result<Value> {
        Ok(self.get(task.site, &task.account, &format!("/cases/{}", task.case)).await?["dossier"].take())
    }
    async fn complete(&self, task: &Task<'_>) -> Result<()> {
        let done = json!({ "agrees": true, "opinion": "同意", "officers": ["吴", "李"] });
        self.act(task, "complete", done).await.map(drop)
    }

    /// The check of the papers: now and then something is unclear, and what the library does not hold must be brought.
    async fn take_up(&self, task: &Task<'_>) -> Result<()> {
        if task.kind == "completeness_check" && task.lot(20) == 1 && self.first_return(&task.case) {
            let fault = json!({ "field": "m1", "label": "申请书", "reason": "签名不清楚,请重新签名后拍照" });
            return self.act(task, "return", json!({ "faults": [fault] })).await.map(drop);
        }
        let view = self.get(task.site, &task.account, &format!("/cases/{}", task.case)).await?;
        let absent = view["library"]["absent"].as_array().cloned().unwrap_or_default();
        if absent.is_empty() || !view["dossier"]["accepted"].is_null() {
            return self.complete(task).await;
        }
        let fault = |id: &Value| json!({ "field": id, "label": id, "reason": "市证照库中没有,请提交" });
        let faults: Vec<Value> = absent.iter().map(fault).collect();
        let again = "上次告知时证照库尚未答复";
        self.act(task, "return", json!({ "faults": faults, "again": again })).await.map(drop)
    }

    async fn decide(&self, task: &Task<'_>) -> Result<()> {
        self.bring_what_library_lacks(task).await?;
        for slip in unanswered(&self.dossier(task).await?) {
            self.act(task, "take-make-up", json!({ "slip": slip })).await?;
        }
        let decision = match task.lot(12) {
            0 => {
                json!({ "outcome": "refused", "text": "不符合受理条件第一项", "article": "《行政许可法》第三十八条第二款" })
            }
            _ => json!({ "outcome": "granted", "text": "经审查符合条件,准予" }),
        };
        match self.act(task, "decide", decision).await {
            // 一件事: what rests on a licence that was refused cannot be granted.
            Err(error) if refusal(&error).is_some_and(|refused| refused.code == "rests_on_refused") => {
                let refused = json!({ "outcome": "refused", "text": "所依据的许可未获准予", "article": "《行政许可法》第三十八条第二款" });
                self.act(task, "decide", refused).await.map(drop)
            }
            other => other.map(drop),
        }
    }

    /// Accepted by law before anybody could tell the applicant that the library lacks a paper: it is brought to the window.
    async fn bring_what_library_lacks(&self, task: &Task<'_>) -> Result<()> {
        let view = self.get(task.site, &task.account, &format!("/cases/{}", task.case)).await?;
        let absent = view["library"]["absent"].as_array().cloned().unwrap_or_default();
        if absent.is_empty() || !unanswered(&view["dossier"]).is_empty() {
            return Ok(());
        }
        let mut dice = StdRng::seed_from_u64(task.lot(1 << 40));
        let mut scans = Map::new();
        for id in absent.iter().filter_map(Value::as_str) {
            scans.insert(id.to_owned(), STANDARD.encode(testkit::scans::jpeg(&mut dice)).into());
        }
        let path = format!("/cases/{}/make-up", task.case);
        // Papers are taken in by whoever handles the case; who decides does not sit at the window.
        let window = match task.account.rsplit_once('-') {
            Some((body, _)) if task.site.kind == Kind::Hub => format!("{body}-1"),
            _ => task.account.clone(),
        };
        self.post(task.site, &window, &path, json!({ "materials": scans })).await.map(drop)
    }

    /// One in six results goes by post; the applicant says how it was.
    async fn deliver(&self, task: &Task<'_>) -> Result<()> {
        let proof = if task.lot(6) == 0 {
            let waybill = format!("EA{:09}CN", task.lot(999_983) * 977);
            if self.dossier(task).await?["dispatched"].is_null() {
                self.act(task, "dispatch", json!({ "carrier": "邮政速递", "waybill": waybill })).await?;
            }
            json!({ "receiver": "本人", "channel": "post", "proof_kind": "waybill", "proof": waybill })
        } else {
            json!({ "receiver": "本人", "proof": "领取人签名" })
        };
        self.act(task, "deliver", proof).await?;
        let grade = ["very_good", "good", "good", "fair", "bad"][task.lot(5) as usize];
        let path = format!("/cases/{}/rate", task.case);
        // After a kill the rating may have been given already.
        let rated = self.post(task.site, &task.account, &path, json!({ "grade": grade, "text": "" })).await;
        rated.map(drop).or_else(|error| if refusal(&error).is_some() { Ok(()) } else { Err(error) })
    }

    async fn publicity(&self, task: &Task<'_>) -> Result<()> {
        let posted = !self.dossier(task).await?["posted"][&task.stage].is_null();
        match posted {
            true => self.complete(task).await,
            false => self.act(task, "post", json!({ "place": "政务公开栏和网上大厅" })).await.map(drop),
        }
    }

    async fn hear(&self, task: &Task<'_>) -> Result<()> {
        let hearing = self.dossier(task).await?["hearing"].take();
        if hearing.is_null() {
            let on = self.today().plus_days(7);
            return self
                .act(task, "notice-hearing", json!({ "on": on, "place": "市政务服务中心二楼" }))
                .await
                .map(drop);
        }
        if hearing["record"].is_null() {
            self.act(task, "hold-hearing", json!({ "record": "听证笔录一份" })).await?;
        }
        self.complete(task).await
    }

    async fn charge(&self, task: &Task<'_>) -> Result<()> {
        let fees = self.get(task.site, &task.account, &format!("/cases/{}/fees", task.case)).await?;
        let charged = fees["charged"].as_array().cloned().unwrap_or_default();
        for fee in fees["due"].as_array().into_iter().flatten() {
            if charged.iter().all(|known| known["fee"] != fee["fee"]) {
                let receipt = format!("票{}", task.lot(1_000_000));
                let sum = json!({ "fee": fee["fee"], "amount_fen": fee["amount_fen"], "receipt": receipt });
                self.act(task, "charge", sum).await?;
            }
        }
        self.complete(task).await
    }

    /// The next step of a joint inspection, as the department of this account (at a town: each in turn) can take it.
    async fn visit(&self, task: &Task<'_>) -> Result<()> {
        let dossier = self.dossier(task).await?;
        let visit = &dossier["inspections"][&task.stage];
        let bodies = self.bodies_of(&dossier["item"], &task.stage)?;
        let mine: Vec<String> = match task.account.rsplit_once('-') {
            Some((body, _)) if task.site.kind == Kind::Hub => vec![body.to_owned()],
            _ => bodies,
        };
        if visit.is_null() {
            let chosen = json!({ "kind": "inspection_slot", "text": format!("{} 09:30", self.today()) });
            self.post(task.site, &task.account, &format!("/cases/{}/slips", task.case), chosen).await?;
            let slots = json!({ "slots": [{ "day": self.today(), "time": "09:30" }] });
            return self.act(task, "propose-inspection", slots).await.map(drop);
        }
        let open = |list: &str| mine.iter().find(|body| visit[list][*body].is_null());
        if visit["fixed"].is_null() {
            return match open("confirmed") {
                Some(body) => {
                    self.act(task, "confirm-inspection", json!({ "body": body, "slots": [0] })).await
                }
                None => self.act(task, "fix-inspection", json!({ "slot": 0 })).await,
            }
            .map(drop);
        }
        if visit["held"].is_null() {
            let came = json!({ "officers": ["吴", "李"], "absent": [] });
            return self.act(task, "hold-inspection", came).await.map(drop);
        }
        match open("findings") {
            Some(body) => {
                let found = json!({ "body": body, "passed": true, "text": "符合要求" });
                self.act(task, "find-inspection", found).await.map(drop)
            }
            None => self.complete(task).await,
        }
    }

    fn bodies_of(&self, item: &Value, stage: &str) -> Result<Vec<String>> {
        let item: ItemId = item.as_str().context("item")?.parse()?;
        let known = self.pack.items.get(&item).context("item")?;
        let stage = known.stage(&stage.parse()?).context("stage")?;
        Ok(stage.bodies.iter().map(ToString::to_string).collect())
    }

    /// Mended: what shall no longer come from the library is handed in.
    async fn resubmit(&self, task: &Task<'_>) -> Result<()> {
        let page = self.get(task.site, &task.account, &format!("/cases/{}/submission", task.case)).await?;
        let body = &page["body"];
        let submission =
            if body["captured"].is_null() { &body["resubmitted"] } else { &body["captured"]["submission"] };
        let mut dice = StdRng::seed_from_u64(task.lot(1 << 40));
        let mut scans = Map::new();
        for one in submission["borrowed"].as_array().into_iter().flatten() {
            let id = one["material"].as_str().unwrap_or("").to_owned();
            scans.insert(id, STANDARD.encode(testkit::scans::jpeg(&mut dice)).into());
        }
        let again = json!({ "form": submission["form"], "materials": scans });
        self.post(task.site, &task.account, &format!("/cases/{}/resubmit", task.case), again).await.map(drop)
    }

    fn first_return(&self, case: &str) -> bool {
        self.returned.lock().is_ok_and(|mut returned| returned.insert(case.to_owned()))
    }
}

/// Slips with papers promised for later that nobody has judged.
fn unanswered(dossier: &Value) -> Vec<Value> {
    let noted = dossier["noted"].as_array().cloned().unwrap_or_default();
    let slips = dossier["slips"].as_array().cloned().unwrap_or_default();
    let open = |slip: &Value| slip["kind"] == "make_up" && !noted.contains(&slip["id"]);
    slips.into_iter().filter(open).map(|slip| slip["id"].clone()).collect()
}
