//! Electronic supervision (电子监察): rules over the log of a case, and the alerts that follow from them.
//!
//! Pure: the rules are data of the city pack, the findings are a function of the pages, the calendar and a day; so whoever
//! has the log can compute them again and must come to the same alerts. An alert is never deleted: it is appealed against
//! and concluded, in words. Not here: when the hub looks (`casework`), what the limits are (`clock`).

mod alert;
mod walk;

pub use alert::{
    Alert, AlertBody, AlertEntry, AlertRefusal, Appeal, Conclusion, ConclusionKind, appeal, conclude,
};
pub use walk::{CaseLog, LoggedPage, Standing, findings, may_have_findings, standing};

use crate::clock::TimerKind;
use crate::{Day, NodeId, OrgId, StageId};
use serde::{Deserialize, Serialize};

/// How loud an alert is (督办等级).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rung {
    Reminder,
    Warning,
    Yellow,
    Red,
}

impl Rung {
    /// The quietest first.
    pub const ALL: [Rung; 4] = [Rung::Reminder, Rung::Warning, Rung::Yellow, Rung::Red];

    pub fn from_name(text: &str) -> Option<Rung> {
        Rung::ALL.into_iter().find(|rung| rung.as_str() == text)
    }
    pub fn as_str(self) -> &'static str {
        match self {
            Rung::Reminder => "reminder",
            Rung::Warning => "warning",
            Rung::Yellow => "yellow",
            Rung::Red => "red",
        }
    }
    pub fn chinese(self) -> &'static str {
        match self {
            Rung::Reminder => "提醒",
            Rung::Warning => "预警",
            Rung::Yellow => "黄牌",
            Rung::Red => "红牌",
        }
    }
}

/// What a rule looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Watch {
    /// 时限监察: a limit of the whole case.
    Timer(TimerKind),
    /// 环节时限: one step over its own days, although the whole may still be in time.
    Step,
    /// 程序监察.
    Event(Event),
}

/// A breach of procedure that a page shows by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Nobody answered in five working days, so the law accepted (art. 32).
    DeemedAccepted,
    /// The applicant was asked a second time for papers (art. 32 allows one notice).
    SecondNotice,
    /// One person both examined and decided.
    OnePerson,
    /// A step was done before those it comes after.
    StepSkipped,
    /// A power was used without naming a letter of delegation.
    NoDelegation,
    /// A site was checked by fewer than two officers (art. 34).
    OneInspector,
    /// A publicity was ended before its last day was over.
    ShortPublicity,
    /// Money was taken before acceptance.
    FeeEarly,
    /// What was charged is not what the catalogue says.
    FeeWrong,
}

/// When a rung is reached: `day` working days after the due day; negative before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RungAt {
    pub rung: Rung,
    #[serde(default)]
    pub day: i32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    pub id: String,
    pub name: String,
    /// The text the rule enforces.
    pub basis: String,
    pub watch: Watch,
    pub rungs: Vec<RungAt>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    pub rules: Vec<Rule>,
}

impl Rules {
    /// Reads the piece `supervision` of a city pack.
    ///
    /// # Errors
    /// Every fault: (rule, reason).
    pub fn parse(text: &str) -> Result<Rules, Vec<(String, String)>> {
        let rules: Rules =
            serde_json::from_str(text).map_err(|error| vec![("-".to_owned(), error.to_string())])?;
        let mut faults = Vec::new();
        for (index, rule) in rules.rules.iter().enumerate() {
            let mut fault = |reason: &str| faults.push((rule.id.clone(), reason.to_owned()));
            if rules.rules[..index].iter().any(|known| known.id == rule.id) {
                fault("two rules have this id");
            }
            if rule.rungs.is_empty() {
                fault("a rule needs at least one rung");
            }
            if !rule.rungs.is_sorted_by(|a, b| a.rung < b.rung && a.day < b.day) {
                fault("rungs must rise, each on a later day than the one before");
            }
            if matches!(rule.watch, Watch::Event(_)) && (rule.rungs.len() != 1 || rule.rungs[0].day != 0) {
                fault("a rule on an event has one rung, on day 0");
            }
        }
        if faults.is_empty() { Ok(rules) } else { Err(faults) }
    }
}

/// Who had to act when the rung was reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Responsible {
    pub node: NodeId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<StageId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<OrgId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub officer: Option<String>,
}

/// One rung that a case reached, with what shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Names the alert within its case: rule, what it is about, rung. The same finding has the same key on every node.
    pub key: String,
    pub rule: String,
    pub rung: Rung,
    /// The first day on which it was so.
    pub day: Day,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Day>,
    /// The last page that stood on that day; for an event the page that shows it.
    pub page: u32,
    pub responsible: Responsible,
    pub text: String,
}

#[cfg(test)]
mod tests;
