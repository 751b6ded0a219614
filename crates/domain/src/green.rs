//! The green channel (绿色通道): a shorter limit of its own for those who cannot wait.
//!
//! Pure. Who asks says on what ground and shows it; who accepts may decline in writing. The shorter limit also brings the
//! case to the head of every queue, because queues are ordered by due day. The normal limit is kept beside it, so that the
//! compression can be reported.

use crate::Day;
use crate::calendar::Limit;
use crate::catalogue::Item;
use crate::form::{self, Form, FormFault};
use crate::numbers::CitizenNo;
use serde::{Deserialize, Serialize};

/// Why somebody may use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ground {
    /// 企业项目.
    Enterprise,
    /// 60 or older (《老年人权益保障法》 art. 2).
    Elderly,
    Disabled,
    Urgent,
}

impl Ground {
    pub fn chinese(self) -> &'static str {
        match self {
            Ground::Enterprise => "企业项目",
            Ground::Elderly => "老年人",
            Ground::Disabled => "残疾人",
            Ground::Urgent => "紧急",
        }
    }
}

/// The request, as the applicant made it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    pub ground: Ground,
    /// What shows it: number of a disability card, project code, what is urgent.
    pub evidence: String,
}

/// A request that the accepting officer declined, in writing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declined {
    pub reason: String,
    pub officer: String,
}

const ELDERLY_FROM: i32 = 60;

/// The limit of the channel; `None` when the catalogue gives the item none.
pub fn limit(item: &Item) -> Option<Limit> {
    item.green_days.map(|days| Limit { days, unit: item.promised.unit })
}

/// The days an item gets that names none itself: a seventh of the promised limit, at least one.
///
/// # Source
/// Practice of the city's centre, a setting of the catalogue (`green_days` of an item overrides it): 7 working days → 1.
pub fn default_days(promised: u32) -> u32 {
    (promised / 7).max(1).min(promised)
}

/// By how much the channel is shorter, in per cent of the promised limit.
pub fn compression_percent(item: &Item) -> Option<f64> {
    let green = limit(item)?;
    let promised = f64::from(item.promised.days);
    (item.promised.days > 0).then(|| (promised - f64::from(green.days)) * 100.0 / promised)
}

pub(crate) fn faults(item: &Item, form: &Form, claim: &Claim, today: Day) -> Vec<FormFault> {
    let fault = |reason: &str| {
        vec![FormFault { field: "green".into(), label: "绿色通道".into(), reason: reason.to_owned() }]
    };
    if limit(item).is_none() {
        return fault("该事项没有绿色通道,请按普通件提交");
    }
    let (_, number) = form::applicant(form);
    match claim.ground {
        Ground::Elderly => match CitizenNo::parse(number, today) {
            Ok(number) if today.years_since(number.birth()) >= ELDERLY_FROM => Vec::new(),
            Ok(_) | Err(_) => fault("申请人未满 60 周岁,不能以老年人为由"),
        },
        Ground::Enterprise | Ground::Disabled | Ground::Urgent if claim.evidence.trim().is_empty() => {
            fault("请写明依据:项目代码、残疾人证号或紧急情形")
        }
        Ground::Enterprise | Ground::Disabled | Ground::Urgent => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::DayUnit;
    use crate::dossier::tests::PACK;

    #[test]
    fn seven_working_days_become_one() {
        let mut item = (**PACK.item(&"linshi".parse().unwrap()).unwrap()).clone();
        item.promised = Limit { days: 7, unit: DayUnit::Workday };
        item.green_days = Some(default_days(7));
        assert_eq!(limit(&item), Some(Limit { days: 1, unit: DayUnit::Workday }));
        assert!((compression_percent(&item).unwrap() - 600.0 / 7.0).abs() < 1e-9, "85.7 % shorter");
        assert_eq!((default_days(20), default_days(3), default_days(0)), (2, 1, 0));
    }

    #[test]
    fn a_ground_must_be_shown() {
        let item = PACK.item(&"gaoling".parse().unwrap()).unwrap();
        let today = Day::new(2026, 11, 24).unwrap();
        let form =
            |id: &str| serde_json::json!({ "name": "杨兰梅", "id_no": id }).as_object().cloned().unwrap();
        let ask = |ground, evidence: &str, id: &str| {
            let claim = Claim { ground, evidence: evidence.into() };
            faults(item, &form(id), &claim, today).len()
        };
        assert_eq!(ask(Ground::Elderly, "", "522601195103074228"), 0);
        assert_eq!(ask(Ground::Elderly, "", "522601199003074229"), 1);
        assert_eq!(ask(Ground::Urgent, " ", ""), 1);
        assert_eq!(ask(Ground::Disabled, "残疾人证 52260119", ""), 0);
        let food = PACK.item(&"food".parse().unwrap()).unwrap();
        let claim = Claim { ground: Ground::Urgent, evidence: "x".into() };
        assert_eq!(faults(food, &form(""), &claim, today).len(), 1, "no channel in the catalogue");
    }
}
