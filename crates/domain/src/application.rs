//! 网上申请: what a citizen handed in in the hall, on its way to the counter of the town that takes it in.
//!
//! Pure. The hub signs the application into its journal to that town: from then on it has been received in law, whenever the town
//! hears of it. The town makes of it the same pages as of anything it takes in at its window, and nothing else.
//!
//! # Source
//! 《行政许可法》 art. 29 and 33 (an application may be made by electronic data); 《民法典》 art. 137 (it arrives when it enters the
//! system it was sent to).

use crate::calendar::Calendar;
use crate::catalogue::{Item, StageKind};
use crate::dossier::{Dossier, Submission};
use crate::form::Form;
use crate::{CaseNo, Day, ItemId, NodeId, Timestamp};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Application {
    /// The number the applicant was given; the case bears it from the first.
    pub case: CaseNo,
    pub item: ItemId,
    /// The catalogue it was filled in under (I22).
    pub release: u32,
    /// When it entered the system, by the hub's clock.
    pub at: Timestamp,
    /// The counter that takes it in.
    pub town: NodeId,
    /// Its `online` names this very application.
    pub submission: Submission,
    /// Which notice it answers, the first being 1; absent in a new application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mends: Option<u32>,
}

impl Application {
    /// Whether its town has not taken it in yet, by the case as it stands. What answered a notice that somebody else has answered
    /// meanwhile waits for nothing any more.
    pub fn waits(&self, dossier: Option<&Dossier>) -> bool {
        dossier.is_none_or(|dossier| self.mends.is_some() && self.mends == dossier.open_notice())
    }

    /// Whether a page hands in just this: what the town itself adds (stages it closes, and leaves out) aside.
    pub fn is_what(&self, submission: &Submission) -> bool {
        let bare = |one: &Submission| Submission { skipped: vec![], closes: vec![], ..one.clone() };
        bare(submission) == bare(&self.submission)
    }
}

/// Whether an item can be applied for without coming: the catalogue asks for no visit (跑动次数 0), and nothing at its beginning
/// needs the person there.
pub fn is_offered(item: &Item, today: Day) -> bool {
    let needs_the_person = item.stages.iter().any(|stage| stage.kind == StageKind::Appointment);
    item.visits == Some(0) && item.in_force(today).is_ok() && !needs_the_person
}

/// The field in which an applicant says where they live now.
const LIVES_IN: &str = "live_region";

/// Where an applicant lives, by the division code in their form; else the first place that it names.
pub fn region<'f>(item: &Item, form: &'f Form) -> Option<&'f str> {
    let is_place = |key: &str| {
        item.fields.iter().any(|field| field.key == key && field.kind == crate::catalogue::FieldKind::Region)
    };
    let said = |key: &str| form.get(key).filter(|_| is_place(key))?.as_str().filter(|code| !code.is_empty());
    said(LIVES_IN).or_else(|| item.fields.iter().find_map(|field| said(&field.key)))
}

/// A town that has not taken in an application after a working day is asked why.
pub fn is_overdue(at: Timestamp, calendar: &Calendar, today: Day) -> bool {
    calendar.working_days_left(today, at.day()) < -1
}
