//! The life of an item (事项全生命周期): proposed → legal review → published → suspended → repealed, each with its days.

use crate::Day;
use crate::catalogue::Item;
use serde::{Deserialize, Serialize};
use std::fmt;

/// 事项状态.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// 拟制.
    Proposed,
    /// 合法性审查.
    LegalReview,
    /// 公布.
    #[default]
    Published,
    /// 暂停.
    Suspended,
    /// 废止.
    Repealed,
}

impl State {
    pub const ALL: [(&str, State); 5] = [
        ("proposed", State::Proposed),
        ("legal_review", State::LegalReview),
        ("published", State::Published),
        ("suspended", State::Suspended),
        ("repealed", State::Repealed),
    ];
    pub fn chinese(self) -> &'static str {
        match self {
            State::Proposed => "拟制",
            State::LegalReview => "合法性审查",
            State::Published => "公布",
            State::Suspended => "暂停",
            State::Repealed => "废止",
        }
    }
    /// What may follow. Nothing is published that has not been reviewed, and what is repealed stays so: a new item comes.
    pub fn may_become(self, next: State) -> bool {
        use State::{LegalReview, Proposed, Published, Repealed, Suspended};
        self == next
            || matches!(
                (self, next),
                (Proposed, LegalReview)
                    | (LegalReview, Proposed | Published)
                    | (Published, Suspended | Repealed)
                    | (Suspended, Published | Repealed)
            )
    }
}

/// In which days a version is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Life {
    pub state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Day>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Day>,
}

/// Why nothing may be taken in for an item today.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotInForce {
    State(State),
    NotYet(Day),
    Over(Day),
}

impl fmt::Display for NotInForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotInForce::State(state) => write!(f, "该事项处于“{}”状态,不得办理", state.chinese()),
            NotInForce::NotYet(from) => write!(f, "该事项自 {from} 起施行,此前不得办理"),
            NotInForce::Over(until) => write!(f, "该事项已于 {until} 终止,不得办理"),
        }
    }
}

impl Item {
    /// # Errors
    /// [`NotInForce`]: nothing can be accepted, decided, charged or sealed except under an item version in force.
    pub fn in_force(&self, today: Day) -> Result<(), NotInForce> {
        let Life { state, from, until } = self.life;
        match (state, from, until) {
            (State::Published, Some(from), _) if today < from => Err(NotInForce::NotYet(from)),
            (State::Published, _, Some(until)) if today > until => Err(NotInForce::Over(until)),
            (State::Published, _, _) => Ok(()),
            (state, _, _) => Err(NotInForce::State(state)),
        }
    }
}
