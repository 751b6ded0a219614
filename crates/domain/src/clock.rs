//! The legal clock (限时办结): which limits run on a case, when each ends, and why.
//!
//! Pure: a timer is an anchor, a budget and a ledger of what does not count; due days are derived from them whenever they
//! are asked for and stored nowhere, so a calendar that arrives later corrects them all. Nothing here reads a village's
//! clock (I19). Not here: telling people that a limit is near (`supervision`), who may suspend or extend (`decide`).

use crate::Day;
use crate::calendar::{Calendar, DayUnit, DueDay, Limit, Pause, YearStatus};
use crate::catalogue::{Item, Stage, StageKind};
use crate::dossier::{Decision, Dossier};
use crate::network::Tier;
use crate::{green, plan, tolerance};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A procedure whose time does not count.
///
/// # Source
/// 《行政许可法》 art. 45, which is exhaustive: site checks and publicity do not stop the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Procedure {
    Hearing,
    Tender,
    Auction,
    /// 检验、检测、检疫 that a law prescribes.
    Inspection,
    Appraisal,
    ExpertReview,
}

impl Procedure {
    pub fn chinese(self) -> &'static str {
        match self {
            Procedure::Hearing => "听证",
            Procedure::Tender => "招标",
            Procedure::Auction => "拍卖",
            Procedure::Inspection => "检验、检测、检疫",
            Procedure::Appraisal => "鉴定",
            Procedure::ExpertReview => "专家评审",
        }
    }
}

/// One stretch of time that does not count, from the day after `from` through `to`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspension {
    pub procedure: Procedure,
    pub basis: String,
    /// Working days the applicant was told it would take.
    pub days: u32,
    pub handler: String,
    pub approver: String,
    pub from: Day,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Day>,
    /// The page that is the written notice.
    pub page: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    /// Working days.
    pub days: u32,
    pub reason: String,
    pub handler: String,
    pub approver: String,
    pub on: Day,
    pub page: u32,
}

/// A due day that was counted anew because the arrangement of a year was published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    pub timer: TimerKind,
    pub before: Day,
    pub after: Day,
    /// The new count alone would end in the past: the limit ends on `after` instead, so that nobody is late by a notice.
    #[serde(default)]
    pub kept: bool,
}

/// The page that counted anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reprojection {
    /// The release whose calendar was used.
    pub release: u32,
    pub on: Day,
    pub page: u32,
    pub moved: Vec<Moved>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimerKind {
    /// 五日内一次性告知: the check whether form and papers are complete.
    Completeness,
    Statutory,
    Promised,
    Delivery,
    /// 容缺补交.
    MakeUp,
}

impl TimerKind {
    pub fn chinese(self) -> &'static str {
        match self {
            TimerKind::Completeness => "受理审查",
            TimerKind::Statutory => "法定期限",
            TimerKind::Promised => "承诺期限",
            TimerKind::Delivery => "送达期限",
            TimerKind::MakeUp => "容缺补交期限",
        }
    }
}

/// A limit that runs, or ran, on a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timer<'a> {
    pub kind: TimerKind,
    /// Day 0, and what happened on it.
    pub anchor: Day,
    pub event: &'static str,
    pub budget: Limit,
    /// The article or promise the budget comes from.
    pub basis: String,
    pub extension: Option<&'a Extension>,
    pub suspensions: &'a [Suspension],
    pub reprojections: &'a [Reprojection],
    /// The day on which what was due was done.
    pub met: Option<Day>,
}

/// What is shown of a timer: its due day with its whole derivation, so that a clerk can check it by hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explained {
    pub timer: TimerKind,
    pub name: &'static str,
    pub anchor: Day,
    pub budget: Limit,
    /// `None` while the clock stands still.
    pub due: Option<DueDay>,
    pub met: Option<Day>,
    pub basis: String,
    /// The derivation, one step a line, each with its source.
    pub lines: Vec<String>,
}

const FIVE_DAYS: Limit = Limit { days: 5, unit: DayUnit::Workday };
const TEN_DAYS: Limit = Limit { days: 10, unit: DayUnit::Workday };

/// Days on which somebody above first signed for what a village wrote: no village clock takes part in a limit (I19). Each is
/// `None` while that receipt is not known here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Receipts {
    /// The legal receipt of the current submission.
    pub submitted: Option<Day>,
    /// For the decision that a village made itself.
    pub decided: Option<Day>,
}

impl Receipts {
    /// Everything of the case was signed for on this day.
    pub fn all_on(day: Day) -> Receipts {
        Receipts { submitted: Some(day), decided: Some(day) }
    }
}

/// All timers of a case.
///
/// # Source
/// 《行政许可法》 art. 32 (five days), 42 and 43 (decision), 44 (delivery).
pub fn timers<'a>(item: &Item, dossier: &'a Dossier, receipts: Receipts) -> Vec<Timer<'a>> {
    if dossier.withdrawn || dossier.lapsed.is_some() || dossier.not_accepted.is_some() {
        return Vec::new();
    }
    let plain = |kind, anchor, budget, basis, met| plain(dossier, kind, anchor, budget, basis, met);
    let mut timers = Vec::new();
    let deemed = dossier.accepted.as_ref().is_some_and(|accepted| accepted.deemed);
    let checks = plan::accepting_stage(item).is_some() && dossier.returned.is_none() && !deemed;
    if let Some(anchor) = receipts.submitted.filter(|_| checks) {
        let met = dossier.accepted.as_ref().map(|accepted| accepted.on);
        let basis = "《行政许可法》第三十二条".to_owned();
        let event = match (&dossier.online, dossier.intake) {
            (Some(_), _) => "网上申请进入市系统",
            (_, Tier::Village) => "镇(或窗口)签收申请材料",
            _ => "镇窗口当面收件",
        };
        timers.push(plain(TimerKind::Completeness, (anchor, event), FIVE_DAYS, basis, met));
    }
    if let Some(accepted) = &dossier.accepted {
        let met = dossier.decision.as_ref().map(|decision| decision.at.day());
        let event = if deemed { "逾期未告知,自签收之日视为受理" } else { "受理" };
        let ledger = |kind, budget, basis: &str| Timer {
            extension: dossier.extension.as_ref(),
            suspensions: &dossier.suspensions,
            ..plain(kind, (accepted.on, event), budget, basis.to_owned(), met)
        };
        timers.push(ledger(TimerKind::Statutory, item.statutory_or_general(), &item.statutory_basis));
        let (promised, basis) = promised(item, dossier);
        timers.push(ledger(TimerKind::Promised, promised, &basis));
        if let Some(days) = tolerance::make_up_days(item, dossier.green.is_some())
            .filter(|_| !dossier.lacking.is_empty() || dossier.made_up.is_some())
        {
            let basis = "容缺承诺书(承诺时限前两个工作日,至多 20 个工作日)".to_owned();
            let budget = Limit { days, unit: DayUnit::Workday };
            // Nobody owes a promised paper once the case is decided: a grant needed it, and a refusal needs it no more.
            let ended = dossier.made_up.or(met);
            timers.push(plain(TimerKind::MakeUp, (accepted.on, event), budget, basis, ended));
        }
    }
    if let Some(decision) = &dossier.decision {
        let met = dossier.delivered.as_ref().map(|delivered| delivered.at.day());
        let basis = "《行政许可法》第四十四条".to_owned();
        let anchor = match is_villages_own(item, dossier, decision) {
            true => receipts.decided.map(|day| (day, "镇签收村级决定")),
            false => Some((decision.at.day(), "作出决定")),
        };
        timers.extend(anchor.map(|anchor| plain(TimerKind::Delivery, anchor, TEN_DAYS, basis, met)));
    }
    timers
}

fn is_villages_own(item: &Item, dossier: &Dossier, decision: &Decision) -> bool {
    let stage = decision.stage.as_ref().and_then(|stage| item.stage(stage));
    let at_village = |stage: &Stage| plan::tier_of(stage, dossier) == Tier::Village;
    decision.by == dossier.origin && stage.is_some_and(at_village)
}

/// The limit promised to this applicant: the catalogue's, or that of the green channel.
fn promised(item: &Item, dossier: &Dossier) -> (Limit, String) {
    match (&dossier.green, green::limit(item)) {
        (Some(claim), Some(limit)) => {
            (limit, format!("绿色通道({}),普通件承诺 {} 日", claim.ground.chinese(), item.promised.days))
        }
        _ => (item.promised, "事项目录中的承诺".to_owned()),
    }
}

fn plain<'a>(
    dossier: &'a Dossier,
    kind: TimerKind,
    (anchor, event): (Day, &'static str),
    budget: Limit,
    basis: String,
    met: Option<Day>,
) -> Timer<'a> {
    let reprojections = &dossier.reprojections;
    Timer { kind, anchor, event, budget, basis, extension: None, suspensions: &[], reprojections, met }
}

/// The nearest day by which somebody must have acted; `None` when no clock runs.
pub fn next_due(timers: &[Timer<'_>], calendar: &Calendar) -> Option<DueDay> {
    let open = timers.iter().filter(|timer| timer.met.is_none());
    open.filter_map(|timer| timer.due(calendar)).min_by_key(|due| due.day)
}

/// The day as of which the law has accepted the case because nobody answered in five working days. A limit that ends in a
/// year whose calendar is not published is not held against anybody yet.
///
/// # Source
/// 《行政许可法》 art. 32 (4): 逾期不告知的,自收到申请材料之日起即为受理.
pub fn deemed_accepted(timers: &[Timer<'_>], calendar: &Calendar, today: Day) -> Option<Day> {
    let check = timers.iter().find(|timer| timer.kind == TimerKind::Completeness && timer.met.is_none())?;
    let due = check.due(calendar)?;
    (due.day < today && !due.provisional).then_some(check.anchor)
}

/// Working days by which the limit of this item may be extended, once.
///
/// # Source
/// 《行政许可法》 art. 42: ten days by the head of the body; fifteen where several bodies handle it together.
pub fn extension_max(item: &Item) -> u32 {
    let judges = |stage: &&Stage| {
        use StageKind::{Decision, ExpertReview, Inspection, JointInspection, ParallelReview, Review};
        matches!(stage.kind, Review | ParallelReview | Inspection | JointInspection | ExpertReview | Decision)
    };
    let bodies: BTreeSet<_> = item.stages.iter().filter(judges).flat_map(|stage| &stage.bodies).collect();
    if bodies.len() > 1 { 15 } else { 10 }
}

impl Timer<'_> {
    /// The last day on which it is met in time; `None` while a suspension is open.
    pub fn due(&self, calendar: &Calendar) -> Option<DueDay> {
        let due = self.counted(calendar)?;
        let last = self.moves().last().map(|(_, moved)| moved);
        let kept = last.filter(|moved| moved.kept).map_or(due.day, |moved| moved.after);
        Some(DueDay { day: due.day.max(kept), ..due })
    }

    fn moves(&self) -> impl Iterator<Item = (&Reprojection, &Moved)> {
        let of = |one: &Reprojection| one.on >= self.anchor;
        let all = self.reprojections.iter().filter(move |one| of(one));
        all.flat_map(|one| one.moved.iter().map(move |moved| (one, moved)))
            .filter(|(_, moved)| moved.timer == self.kind)
    }

    /// As [`Timer::due`], by count alone.
    pub(crate) fn counted(&self, calendar: &Calendar) -> Option<DueDay> {
        let closed = |one: &Suspension| Some(Pause { from: one.from, to: one.to? });
        let pauses: Vec<Pause> = self.suspensions.iter().map(closed).collect::<Option<_>>()?;
        let due = calendar.due_day_around(self.anchor, self.budget, &pauses);
        let Some(extension) = self.extension else { return Some(due) };
        // The extension is in working days whatever the limit was in, and follows its last day.
        let more = Limit { days: extension.days, unit: DayUnit::Workday };
        let later = calendar.due_day_around(due.day, more, &pauses);
        Some(DueDay { day: later.day, provisional: due.provisional || later.provisional })
    }

    pub fn explain(&self, calendar: &Calendar) -> Explained {
        let due = self.due(calendar);
        Explained {
            timer: self.kind,
            name: self.kind.chinese(),
            anchor: self.anchor,
            budget: self.budget,
            due,
            met: self.met,
            basis: self.basis.clone(),
            lines: self.derivation(calendar, due),
        }
    }

    fn derivation(&self, calendar: &Calendar, due: Option<DueDay>) -> Vec<String> {
        let unit = unit_name(self.budget.unit);
        let mut lines = vec![
            format!("起算:{} {},当日不计入(《民法典》第二百零一条)", self.anchor, self.event),
            format!("期限:{} 个{unit}({})", self.budget.days, self.basis),
        ];
        lines.extend(self.extension.map(|one| {
            format!(
                "延长:{} 个工作日,{} 由 {} 批准,卷内第 {} 页,理由:{}(《行政许可法》第四十二条)",
                one.days, one.on, one.approver, one.page, one.reason
            )
        }));
        lines.extend(self.suspensions.iter().map(|one| {
            let to = one.to.map_or("尚未结束".to_owned(), |to| format!("至 {to}"));
            format!(
                "不计入:{} 次日起{to},{},依据:{},{} 批准,卷内第 {} 页(《行政许可法》第四十五条)",
                one.from,
                one.procedure.chinese(),
                one.basis,
                one.approver,
                one.page
            )
        }));
        lines.extend(due.map(|due| calendar_line(calendar, self.anchor, due.day)));
        lines.extend(self.moves().map(|(one, moved)| {
            let kept =
                if moved.kept { ",新日历算得的日期已过,不使任何人因此逾期" } else { "" };
            format!(
                "重算:{} 日历(目录第 {} 版)公布,由 {} 改为 {}{kept},卷内第 {} 页",
                one.on, one.release, moved.before, moved.after, one.page
            )
        }));
        lines.push(match (due, self.met) {
            (None, _) => "截止:期限停止计算中".to_owned(),
            (Some(due), None) => format!("截止:{} 当日终了{}", due.day, provisional_mark(due)),
            (Some(due), Some(met)) => format!("截止:{}{};已于 {met} 办结", due.day, provisional_mark(due)),
        });
        lines
    }
}

/// 工作日 or 自然日.
pub fn unit_name(unit: DayUnit) -> &'static str {
    match unit {
        DayUnit::Workday => "工作日",
        DayUnit::Natural => "自然日",
    }
}

fn provisional_mark(due: DueDay) -> &'static str {
    if due.provisional { "(暂定)" } else { "" }
}

/// Which years the count touches, and whether the arrangement of each is published.
pub fn calendar_line(calendar: &Calendar, from: Day, to: Day) -> String {
    let years = (from.year()..=to.year()).map(|year| match calendar.year_status(year) {
        Some(YearStatus::Final) => format!("{year} 年放假安排已公布"),
        Some(YearStatus::Provisional) => format!("{year} 年未公布,暂按周末和法定节日计算"),
        None => format!("{year} 年没有日历,暂按周末计算"),
    });
    let years = years.collect::<Vec<_>>().join(";");
    let region = calendar.region_days(from, to).map(|(day, known)| {
        let effect = if known.affects_limits { "不计入" } else { "照常计入" };
        format!(";{day} {}{effect}({})", known.name, known.basis)
    });
    format!("日历:{years}{}(《行政许可法》第八十二条)", region.collect::<String>())
}

#[cfg(test)]
mod tests;
