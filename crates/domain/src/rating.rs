//! Ratings (好差评) and what a bad one sets going (整改).
//!
//! Pure. One rating a matter; its two lowest grades open a rectification by themselves, so nobody has to want it. The
//! rectification is the fold of what was said about it: contact within a working day, mended within five (fifteen when it is
//! complex), the rater asked again. Who was rated never sees who rated.

use crate::calendar::{Calendar, DayUnit, Limit};
use crate::{CaseNo, Day, EntryId, NodeId, Timestamp};
use serde::{Deserialize, Serialize};

/// 五级评价.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    VeryBad,
    Bad,
    Fair,
    Good,
    VeryGood,
}

impl Grade {
    pub const ALL: [Grade; 5] = [Grade::VeryGood, Grade::Good, Grade::Fair, Grade::Bad, Grade::VeryBad];

    /// As programs name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Grade::VeryBad => "very_bad",
            Grade::Bad => "bad",
            Grade::Fair => "fair",
            Grade::Good => "good",
            Grade::VeryGood => "very_good",
        }
    }
    pub fn from_name(text: &str) -> Option<Grade> {
        Grade::ALL.into_iter().find(|grade| grade.as_str() == text)
    }
    pub fn chinese(self) -> &'static str {
        match self {
            Grade::VeryBad => "非常不满意",
            Grade::Bad => "不满意",
            Grade::Fair => "基本满意",
            Grade::Good => "满意",
            Grade::VeryGood => "非常满意",
        }
    }
    /// 差评.
    pub fn is_bad(self) -> bool {
        self <= Grade::Bad
    }
}

/// What a citizen says of one matter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rating {
    pub grade: Grade,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

/// 整改 of a badly rated matter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rectification {
    pub case: CaseNo,
    pub grade: Grade,
    pub opened: Day,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    pub entry: EntryId,
    pub at: Timestamp,
    /// Names of officers are the node's own: the person is node and name.
    pub node: NodeId,
    pub officer: String,
    pub body: StepBody,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepBody {
    /// 联系核实.
    Contacted { text: String },
    /// 情况复杂, fifteen days instead of five.
    Complex { reason: String },
    /// 整改完成.
    Fixed { text: String },
    /// 回访; the grade the rater gives now.
    Revisited { grade: Grade, text: String },
    /// 申诉: the rating is held to be malicious.
    Appealed { reason: String },
    /// The appeal is decided; upheld ends the matter.
    AppealDecided { upheld: bool, text: String },
}

impl StepBody {
    pub fn chinese(&self) -> &'static str {
        match self {
            StepBody::Contacted { .. } => "联系核实",
            StepBody::Complex { .. } => "情况复杂,延至十五个工作日",
            StepBody::Fixed { .. } => "整改完成",
            StepBody::Revisited { .. } => "回访",
            StepBody::Appealed { .. } => "申诉",
            StepBody::AppealDecided { upheld: true, .. } => "申诉成立",
            StepBody::AppealDecided { upheld: false, .. } => "申诉不成立",
        }
    }

    /// What was written.
    pub fn text(&self) -> &str {
        match self {
            StepBody::Contacted { text }
            | StepBody::Fixed { text }
            | StepBody::Revisited { text, .. }
            | StepBody::AppealDecided { text, .. } => text,
            StepBody::Complex { reason } | StepBody::Appealed { reason } => reason,
        }
    }
}

/// The body of a `rectification` entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepEntry {
    pub case: CaseNo,
    pub at: Timestamp,
    pub node: NodeId,
    pub officer: String,
    pub body: StepBody,
}

/// Where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    ToContact,
    ToFix,
    ToRevisit,
    ToDecideAppeal,
    Closed,
}

impl Stage {
    /// What is to be done now.
    pub fn chinese(self) -> &'static str {
        match self {
            Stage::ToContact => "待联系核实",
            Stage::ToFix => "待整改",
            Stage::ToRevisit => "待回访",
            Stage::ToDecideAppeal => "待处理申诉",
            Stage::Closed => "整改已结束",
        }
    }
}

const CONTACT: Limit = Limit { days: 1, unit: DayUnit::Workday };
const FIX: Limit = Limit { days: 5, unit: DayUnit::Workday };
const FIX_COMPLEX: Limit = Limit { days: 15, unit: DayUnit::Workday };

/// Why a step was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RectifyRefusal {
    #[error("请写明内容")]
    NoText,
    #[error("请先联系评价人核实,再登记整改")]
    ContactFirst,
    #[error("请先登记整改完成,再回访")]
    FixFirst,
    #[error("整改已结束")]
    Closed,
    #[error("已有申诉在处理,或已经申诉过")]
    Appealed,
    #[error("没有待处理的申诉;申诉须由申诉人以外的人处理")]
    NoAppeal,
}

impl Rectification {
    pub fn new(case: CaseNo, grade: Grade, opened: Day) -> Rectification {
        Rectification { case, grade, opened, steps: Vec::new() }
    }

    /// Takes what one entry says; steps stand in the order of their ids, whatever order they arrive in (I10).
    pub fn take(&mut self, entry: EntryId, said: StepEntry) {
        if let Err(place) = self.steps.binary_search_by_key(&entry, |step| step.entry) {
            let StepEntry { case: _, at, node, officer, body } = said;
            self.steps.insert(place, Step { entry, at, node, officer, body });
        }
    }

    fn any(&self, is: impl Fn(&StepBody) -> bool) -> bool {
        self.steps.iter().any(|step| is(&step.body))
    }

    pub fn stage(&self) -> Stage {
        let upheld = |body: &StepBody| matches!(body, StepBody::AppealDecided { upheld: true, .. });
        let decided = |body: &StepBody| matches!(body, StepBody::AppealDecided { .. });
        let appealed = |body: &StepBody| matches!(body, StepBody::Appealed { .. });
        // A decision on an appeal that nobody has made ends nothing.
        if (self.any(appealed) && self.any(upheld))
            || self.any(|body| matches!(body, StepBody::Revisited { .. }))
        {
            Stage::Closed
        } else if self.any(appealed) && !self.any(decided) {
            Stage::ToDecideAppeal
        } else if self.any(|body| matches!(body, StepBody::Fixed { .. })) {
            Stage::ToRevisit
        } else if self.any(|body| matches!(body, StepBody::Contacted { .. })) {
            Stage::ToFix
        } else {
            Stage::ToContact
        }
    }

    /// The last day of what is to be done now; `None` where nothing has a limit.
    pub fn due(&self, calendar: &Calendar) -> Option<Day> {
        let complex = self.any(|body| matches!(body, StepBody::Complex { .. }));
        let limit = match self.stage() {
            Stage::ToContact => CONTACT,
            Stage::ToFix if complex => FIX_COMPLEX,
            Stage::ToFix => FIX,
            Stage::ToRevisit | Stage::ToDecideAppeal | Stage::Closed => return None,
        };
        Some(calendar.due_day(self.opened, limit).day)
    }

    /// May this be said now?
    ///
    /// # Errors
    /// [`RectifyRefusal`].
    pub fn check(&self, (node, officer): (&NodeId, &str), body: &StepBody) -> Result<(), RectifyRefusal> {
        let (stage, text) = (self.stage(), body.text());
        if stage == Stage::Closed {
            return Err(RectifyRefusal::Closed);
        }
        if text.trim().is_empty() {
            return Err(RectifyRefusal::NoText);
        }
        match body {
            StepBody::Contacted { .. } => Ok(()),
            StepBody::Complex { .. } | StepBody::Fixed { .. } if stage == Stage::ToContact => {
                Err(RectifyRefusal::ContactFirst)
            }
            StepBody::Complex { .. } | StepBody::Fixed { .. } => Ok(()),
            StepBody::Revisited { .. } if stage != Stage::ToRevisit => Err(RectifyRefusal::FixFirst),
            StepBody::Revisited { .. } => Ok(()),
            StepBody::Appealed { .. } if self.any(|body| matches!(body, StepBody::Appealed { .. })) => {
                Err(RectifyRefusal::Appealed)
            }
            StepBody::Appealed { .. } => Ok(()),
            StepBody::AppealDecided { .. } => {
                let own = self.steps.iter().any(|step| {
                    let his = step.officer == officer && step.node == *node;
                    his && matches!(step.body, StepBody::Appealed { .. })
                });
                let open = stage == Stage::ToDecideAppeal && !own;
                if open { Ok(()) } else { Err(RectifyRefusal::NoAppeal) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dossier::tests::PACK;

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }
    fn says(what: &mut Rectification, id: u8, officer: &str, body: StepBody) -> Result<(), RectifyRefusal> {
        let node: NodeId = "t-1".parse().unwrap();
        what.check((&node, officer), &body)?;
        let said = StepEntry {
            case: what.case.clone(),
            at: Timestamp::from_ms(0),
            node,
            officer: officer.into(),
            body,
        };
        what.take(EntryId([id; 16]), said);
        Ok(())
    }
    fn bad() -> Rectification {
        let case = CaseNo::make(&"v-1".parse().unwrap(), day("2026-11-23"), 7);
        Rectification::new(case, Grade::Bad, day("2026-11-23"))
    }

    #[test]
    fn a_bad_rating_is_answered_within_a_day_mended_within_five_and_asked_again() {
        let mut case = bad();
        assert_eq!(case.due(&PACK.calendar), Some(day("2026-11-24")));
        let fixed = || StepBody::Fixed { text: "已道歉并重新办理".into() };
        assert_eq!(says(&mut case, 1, "wu", fixed()), Err(RectifyRefusal::ContactFirst));
        says(&mut case, 2, "wu", StepBody::Contacted { text: "电话核实".into() }).unwrap();
        assert_eq!(case.due(&PACK.calendar), Some(day("2026-11-30")));
        says(&mut case, 3, "wu", StepBody::Complex { reason: "涉及两个部门".into() }).unwrap();
        assert_eq!(case.due(&PACK.calendar), Some(day("2026-12-14")));
        let revisit = || StepBody::Revisited { grade: Grade::Good, text: "满意".into() };
        assert_eq!(says(&mut case, 4, "wu", revisit()), Err(RectifyRefusal::FixFirst));
        says(&mut case, 5, "wu", fixed()).unwrap();
        says(&mut case, 6, "li", revisit()).unwrap();
        assert_eq!((case.stage(), case.due(&PACK.calendar)), (Stage::Closed, None));
    }

    #[test]
    fn a_malicious_rating_is_appealed_against_and_somebody_else_decides() {
        let mut case = bad();
        says(&mut case, 1, "wu", StepBody::Appealed { reason: "与办件无关的谩骂".into() }).unwrap();
        let upheld = || StepBody::AppealDecided { upheld: true, text: "不计入".into() };
        assert_eq!(says(&mut case, 2, "wu", upheld()), Err(RectifyRefusal::NoAppeal));
        says(&mut case, 3, "judge", upheld()).unwrap();
        assert_eq!(case.stage(), Stage::Closed);
        assert!(Grade::Bad.is_bad() && !Grade::Fair.is_bad());
    }
}
