//! A day at this counter: who is called to which window, and in the evening what was done (日报).

use crate::{ActError, Hall, Officer};
use domain::access::Permission;
use domain::dossier::{Outcome, Page, PageBody};
use domain::network::Tier;
use domain::ticket::{self, Order, Refusal, Summary, Ticket};
use domain::{CaseNo, Day, EntryId, StageId};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// So far back a report is made: what is older is counted from the ledger.
const REPORTED_DAYS: i32 = 92;

/// What was done here on a day.
#[derive(Debug, Clone, Serialize)]
pub struct DayReport {
    pub day: Day,
    /// The most frequent first.
    pub rows: Vec<DayRow>,
    /// Cases that something was done on.
    pub cases: usize,
    pub tickets: Summary,
}

#[derive(Debug, Clone, Serialize)]
pub struct DayRow {
    pub what: String,
    pub count: u32,
    /// By whom, as colleagues call them; what the law did by itself is nobody's.
    pub officers: BTreeMap<String, u32>,
}

impl Hall {
    fn has_windows(&self) -> Result<(), ActError> {
        match self.tier {
            Tier::Town | Tier::City => Ok(()),
            Tier::Village => {
                Err(ActError::WrongTier { what: "取号叫号", place: "设有窗口的镇、市中心" })
            }
        }
    }

    /// Today's numbers.
    ///
    /// # Errors
    /// [`ActError::WrongTier`] in a village.
    pub async fn tickets(&self) -> Result<Vec<Ticket>, ActError> {
        self.has_windows()?;
        Ok(self.store.tickets(self.now().day()).await?)
    }

    /// Takes a number, or calls one. `request` makes a retry harmless.
    ///
    /// # Errors
    /// [`ActError::Unfit`] with the [`Refusal`] in words; nothing was changed.
    pub async fn act_on_tickets(
        &self,
        officer: &Officer,
        order: Order,
        request: Option<EntryId>,
    ) -> Result<Ticket, ActError> {
        self.has_windows()?;
        self.allow(officer, Permission::Assist)?;
        let now = self.now();
        let request = request.unwrap_or_else(|| self.random.entry_id(now));
        let outcome = self.store.act_on_tickets(order, request, &officer.name, now).await?;
        outcome.map_err(|refusal: Refusal| ActError::Unfit { what: "ticket", reason: refusal.to_string() })
    }

    /// 日报: what the pages say that were written here on a day. A pure fold of them, so it is the same whenever it is asked for.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn day_report(&self, day: Day) -> Result<DayReport, ActError> {
        if self.tier == Tier::City {
            return Err(ActError::WrongTier { what: "日报", place: "镇、村" });
        }
        if self.now().day().days_since(day) > REPORTED_DAYS {
            let reason = format!("日报只查最近 {REPORTED_DAYS} 天;更早的请看台账");
            return Err(ActError::Unfit { what: "day", reason });
        }
        let pages = self.store.pages_of_day(day).await?;
        let names: BTreeMap<String, String> =
            self.store.accounts().await?.into_iter().map(|account| (account.name, account.display)).collect();
        let mut rows: BTreeMap<String, DayRow> = BTreeMap::new();
        let mut cases = BTreeSet::new();
        for page in &pages {
            let Some(what) = self.word(page).await? else { continue };
            cases.insert(&page.case);
            let row =
                rows.entry(what.clone()).or_insert(DayRow { what, count: 0, officers: BTreeMap::new() });
            row.count += 1;
            if !page.officer.is_empty() {
                let name = names.get(&page.officer).unwrap_or(&page.officer);
                *row.officers.entry(name.clone()).or_default() += 1;
            }
        }
        let cases = cases.len();
        let mut rows: Vec<DayRow> = rows.into_values().collect();
        rows.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.what.cmp(&b.what)));
        let tickets = ticket::summary(&self.store.tickets(day).await?);
        Ok(DayReport { day, rows, cases, tickets })
    }

    /// What a page is called in a report; nothing of what only moves a case about.
    async fn word(&self, page: &Page) -> Result<Option<String>, ActError> {
        let word = match &page.body {
            PageBody::StageDone { stage, agrees, .. } => {
                let name = self.stage_name(&page.case, stage).await?;
                return Ok(Some(if *agrees { name } else { format!("{name}(不同意)") }));
            }
            PageBody::Captured(_) => "收件",
            PageBody::Resubmitted(_) => "补正后重新提交",
            PageBody::Returned { .. } => "退回补正",
            PageBody::NotAccepted { .. } => "不予受理",
            PageBody::DeemedAccepted { .. } => "逾期未答复,依法视为受理",
            PageBody::Decided { outcome: Outcome::Granted, .. } => "决定准予",
            PageBody::Decided { .. } => "决定不予",
            PageBody::Issued { .. } => "制发证照",
            PageBody::Delivered { .. } => "送达",
            PageBody::Dispatched { .. } => "寄出",
            PageBody::DeliveryFailed { .. } => "送达未成",
            PageBody::MadeUp { .. } => "收下补交的材料",
            PageBody::MakeUpRefused { .. } => "退回补交的材料",
            PageBody::OriginalsChecked { .. } => "核对原件",
            PageBody::Charged { .. } => "收费",
            PageBody::Posted { .. } => "公示",
            PageBody::InspectionHeld { .. } => "查验",
            PageBody::InspectionFound { .. } => "查验意见",
            PageBody::HearingHeld { .. } => "听证",
            PageBody::Suspended { .. } => "期限停止计算",
            PageBody::Resumed { .. } => "期限恢复计算",
            PageBody::Extended { .. } => "期限延长",
            PageBody::Withdrawn { .. } => "撤回申请",
            PageBody::Lapsed { .. } => "没有补交,视为撤回",
            PageBody::Recalled { .. } => "调回案卷",
            _ => return Ok(None),
        };
        Ok(Some(word.to_owned()))
    }

    /// A stage by the name its item gave it when the case was captured.
    async fn stage_name(&self, case: &CaseNo, stage: &StageId) -> Result<String, ActError> {
        let unnamed = || stage.to_string();
        let Some(stored) = self.store.dossier(case).await? else { return Ok(unnamed()) };
        let Some((_, pack)) = self.store.pack(Some(stored.dossier.release)) else { return Ok(unnamed()) };
        let item = pack.item(&stored.dossier.item);
        Ok(item.and_then(|item| item.stage(stage)).map_or_else(unnamed, |stage| stage.name.clone()))
    }
}
