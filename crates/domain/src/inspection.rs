//! Joint inspection (联合查验): one visit of all departments, from the proposal of slots to one report.
//!
//! Pure: the fold of its pages. A department that does not come has waived and may not ask for a second visit.

use crate::OrgId;
use crate::{Day, EntryId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// A time that is proposed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    pub day: Day,
    /// `09:30`, by the clock on the wall.
    pub time: String,
}

impl std::fmt::Display for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.day, self.time)
    }
}

/// What one department found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub passed: bool,
    pub text: String,
    pub officer: String,
}

/// The visit as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Inspection {
    pub slots: Vec<Slot>,
    /// Which slots each department can come to.
    pub confirmed: BTreeMap<OrgId, BTreeSet<u32>>,
    /// The slot that stands, and the slip by which the citizen agreed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed: Option<(u32, EntryId)>,
    /// Who went (two at least), and which departments did not come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
    pub findings: BTreeMap<OrgId, Finding>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    pub on: Day,
    pub officers: BTreeSet<String>,
    pub absent: BTreeSet<OrgId>,
}

/// Kind of the slip by which the citizen chooses a slot. Its text is the time as [`Slot`] displays it, `2026-11-25 09:30`, not
/// its number: after a new proposal the same number would be another time.
pub const CHOICE: &str = "inspection_slot";
/// A site check is made by at least so many officers.
///
/// # Source
/// 《行政许可法》 art. 34.
pub const OFFICERS_MIN: usize = 2;

impl Inspection {
    /// Departments that came and have not said what they found.
    pub fn silent<'a>(&'a self, bodies: &'a [OrgId]) -> impl Iterator<Item = &'a OrgId> {
        let came = |body: &&OrgId| self.held.as_ref().is_none_or(|held| !held.absent.contains(*body));
        bodies.iter().filter(came).filter(|body| !self.findings.contains_key(*body))
    }
    pub fn all_passed(&self) -> bool {
        self.findings.values().all(|finding| finding.passed)
    }
}
