//! The dossier (案卷): pages written only by its holder, slips by anybody, and the state that is their fold.
//!
//! `decide` may refuse and changes nothing; [`Dossier::apply`] takes a fact that another tier may already have acted on,
//! so it never judges whether the act was wise, only whether the page can stand at this place (number, term, writer).

mod acts;
pub mod by_law;
mod command;
pub mod decide;
mod fold;
mod handing_over;
mod limits;
pub mod page;
mod procedures;
mod refusal;
mod tolerate;

pub use page::*;

use crate::bundle::InBundle;
use crate::clock::{Extension, Reprojection, Suspension};
use crate::delivery::{Attempt, Channel, Dispatch, OriginalStep, ProofKind, Wish};
use crate::fee::Charge;
use crate::green;
use crate::ids::EntryId;
use crate::inspection::Inspection;
use crate::library::{self, Borrowed};
use crate::network::Tier;
use crate::paper::SealedPaper;
use crate::rating::Rating;
use crate::tolerance::Breach;
use crate::{CaseNo, Day, ItemId, LicenceNo, MaterialId, NodeId, StageId, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The state of a case (办件): the fold of its pages, nothing more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dossier {
    pub case: CaseNo,
    pub item: ItemId,
    /// The catalogue release the case was captured under; it is judged by that one (I22).
    pub release: u32,
    /// Where it was captured; the result goes back there.
    pub origin: NodeId,
    /// The tier of that place.
    #[serde(default = "Tier::village", skip_serializing_if = "Tier::is_village")]
    pub intake: Tier,
    /// The citizen made the current submission in the hall, and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub online: Option<Online>,
    /// The legal receipt of the current submission where the counter's own clock is trusted; a village's is not (I19).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received: Option<Day>,
    /// The only node that may write the next page.
    pub holder: NodeId,
    pub term: u32,
    /// Number of the last page.
    pub pages: u32,
    /// The bundle it was taken in with (一件事).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<InBundle>,
    /// By the village's clock: shown, never used to order or decide.
    pub captured_at: Timestamp,
    pub applicant: String,
    pub attachments: Vec<Attachment>,
    pub skipped: Vec<StageId>,
    pub stages: BTreeMap<StageId, StageState>,
    /// 容缺: papers promised and not handed in yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lacking: Vec<MaterialId>,
    /// The day on which the last promised paper was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_up: Option<Day>,
    /// Slips with papers that were not what was promised, and the day on which the applicant was told.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub make_up_refused: BTreeMap<EntryId, Day>,
    /// The deadline that passed without the promised papers: the application counts as withdrawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lapsed: Option<Day>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breach: Option<Breach>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub green: Option<green::Claim>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub green_declined: Option<green::Declined>,
    /// 免提交: papers the applicant lets the city take from its library.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub borrowed: Vec<Borrowed>,
    /// 取件方式, as the applicant wished it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wish: Option<Wish>,
    /// Scans compared with their originals by a window.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checked: Vec<MaterialId>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub posted: BTreeMap<StageId, Posting>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inspections: BTreeMap<StageId, Inspection>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hearing: Option<Hearing>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub charges: Vec<Charge>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispatched: Option<Dispatch>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<Attempt>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub returned: Option<Returned>,
    /// Supplement notices given so far; the law allows one (art. 32).
    #[serde(default)]
    pub notices: u32,
    /// Number of the page that holds the current submission: its receipt starts the completeness check.
    #[serde(default = "first_page")]
    pub submitted_page: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted: Option<Accepted>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_accepted: Option<NotAccepted>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub suspensions: Vec<Suspension>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extension: Option<Extension>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reprojections: Vec<Reprojection>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<Licence>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered: Option<Delivery>,
    #[serde(default)]
    pub withdrawn: bool,
    /// Taken back by a superior, who now also does what the lost node would have done.
    #[serde(default)]
    pub recalled: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slips: Vec<Slip>,
    /// Slips that a page has answered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub noted: Vec<EntryId>,
    /// 盖章文书, in the order in which they were sealed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub papers: Vec<SealedPaper>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StageState {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_by: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<StageDone>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StageDone {
    pub officer: String,
    /// Where; absent only in a projection older than this field, until it is rebuilt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<NodeId>,
    pub at: Timestamp,
    pub agrees: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// Day 0 of both timers, by the clock of the node that accepted.
    pub on: Day,
    pub by: NodeId,
    /// By operation of law, because nobody answered in time (art. 32).
    #[serde(default)]
    pub deemed: bool,
}

/// The written refusal to take an application up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotAccepted {
    pub ground: NotAcceptedGround,
    pub text: String,
    pub officer: String,
    pub at: Timestamp,
    pub by: NodeId,
}

fn first_page() -> u32 {
    1
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    pub outcome: Outcome,
    pub text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub article: Option<String>,
    /// The stage that decided, and the letter of delegation it was decided under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<StageId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegation: Option<String>,
    pub officer: String,
    pub at: Timestamp,
    pub by: NodeId,
    /// Its page in the dossier.
    pub page: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    pub receiver: String,
    pub proof: String,
    #[serde(default)]
    pub channel: Channel,
    #[serde(default)]
    pub kind: ProofKind,
    pub at: Timestamp,
}

/// 公示.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posting {
    pub place: String,
    pub from: Day,
    /// Its last day.
    pub until: Day,
}

/// 听证.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hearing {
    pub on: Day,
    pub place: String,
    pub noticed: Day,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Returned {
    pub faults: Vec<crate::form::FormFault>,
    pub by: NodeId,
}

/// Where a case stands in law, in the words of the counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Captured,
    Returned,
    Accepted,
    NotAccepted,
    Granted,
    Refused,
    Delivered,
    Withdrawn,
    /// Promised papers did not come in time.
    Lapsed,
}

impl Status {
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Captured => "captured",
            Status::Returned => "returned",
            Status::Accepted => "accepted",
            Status::NotAccepted => "not_accepted",
            Status::Granted => "granted",
            Status::Refused => "refused",
            Status::Delivered => "delivered",
            Status::Withdrawn => "withdrawn",
            Status::Lapsed => "lapsed",
        }
    }
    pub fn chinese(self) -> &'static str {
        match self {
            Status::Captured => "已收件",
            Status::Returned => "退回补正",
            Status::Accepted => "已受理",
            Status::NotAccepted => "不予受理",
            Status::Granted => "准予",
            Status::Refused => "不予",
            Status::Delivered => "已送达",
            Status::Withdrawn => "已撤回",
            Status::Lapsed => "逾期未补交视为撤回",
        }
    }
}

/// What became of a page that was offered to a dossier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Applied,
    /// Its predecessor has not arrived: held, visibly, with an age.
    Held,
    /// Written under a term that is over, after the page its superior recalled from: for a person to deal with.
    Late,
    /// A recall reaches back before pages already applied: fold again from the page after `keep`.
    Rewind {
        keep: u32,
    },
    /// It cannot stand here at all.
    Refused(&'static str),
}

impl Dossier {
    /// Opens a dossier from its first page. `None` when that page is not a capture by its author.
    pub fn open(page: &Page, author: &NodeId) -> Option<Dossier> {
        let PageBody::Captured(captured) = &page.body else { return None };
        if page.no != 1 || page.term != 1 {
            return None;
        }
        let mut dossier = Dossier {
            case: page.case.clone(),
            item: captured.item.clone(),
            release: captured.release,
            origin: author.clone(),
            intake: captured.intake,
            online: None,
            received: None,
            holder: author.clone(),
            term: 1,
            pages: 1,
            bundle: captured.bundle.clone(),
            captured_at: page.at,
            applicant: String::new(),
            attachments: Vec::new(),
            skipped: Vec::new(),
            stages: BTreeMap::new(),
            lacking: Vec::new(),
            made_up: None,
            make_up_refused: BTreeMap::new(),
            lapsed: None,
            breach: None,
            green: None,
            green_declined: None,
            borrowed: Vec::new(),
            wish: None,
            checked: Vec::new(),
            posted: BTreeMap::new(),
            inspections: BTreeMap::new(),
            hearing: None,
            charges: Vec::new(),
            dispatched: None,
            attempts: Vec::new(),
            returned: None,
            notices: 0,
            submitted_page: 1,
            accepted: None,
            not_accepted: None,
            suspensions: Vec::new(),
            extension: None,
            reprojections: Vec::new(),
            decision: None,
            licence: None,
            delivered: None,
            withdrawn: false,
            recalled: false,
            slips: Vec::new(),
            noted: Vec::new(),
            papers: Vec::new(),
        };
        dossier.take_submission(&captured.submission, page, author);
        Some(dossier)
    }

    pub fn status(&self) -> Status {
        match (&self.decision, &self.delivered) {
            _ if self.withdrawn => Status::Withdrawn,
            _ if self.lapsed.is_some() => Status::Lapsed,
            _ if self.returned.is_some() => Status::Returned,
            (_, Some(_)) => Status::Delivered,
            (Some(decision), None) if decision.outcome == Outcome::Granted => Status::Granted,
            (Some(_), None) => Status::Refused,
            (None, None) if self.not_accepted.is_some() => Status::NotAccepted,
            (None, None) if self.accepted.is_some() => Status::Accepted,
            (None, None) => Status::Captured,
        }
    }
    /// The release on whose calendar the limits were last counted and told.
    pub fn counted_on(&self) -> u32 {
        self.reprojections.last().map_or(self.release, |one| one.release)
    }
    /// The suspension that is running, if one is.
    pub fn suspended(&self) -> Option<&Suspension> {
        self.suspensions.iter().find(|one| one.to.is_none())
    }
    /// Every paper of the case, those that slips brought and nobody has judged yet included.
    pub fn all_attachments(&self) -> impl Iterator<Item = &Attachment> {
        self.attachments.iter().chain(self.slips.iter().flat_map(|slip| &slip.attachments))
    }
    /// May this paper still be brought? It was promised for later, or was to come from the library.
    pub fn lacks(&self, material: &MaterialId) -> bool {
        self.lacking.contains(material) || self.borrowed.iter().any(|one| one.material == *material)
    }
    /// The notice that waits for the applicant's answer, the first being 1.
    pub fn open_notice(&self) -> Option<u32> {
        self.returned.is_some().then_some(self.notices)
    }
    /// Ended without an answer of the city: taken back by the applicant, or by a promise not kept.
    pub fn is_void(&self) -> bool {
        self.withdrawn || self.lapsed.is_some()
    }
    /// The rating of this matter: the first that was given, whatever order they arrive in.
    pub fn rating(&self) -> Option<(&Slip, &Rating)> {
        self.slips.iter().find_map(|slip| Some((slip, slip.rating.as_ref()?)))
    }
    /// True when a reviewer disagreed: the decision can then only be a refusal.
    pub fn has_objection(&self) -> bool {
        self.stages.values().filter_map(|stage| stage.done.as_ref()).any(|done| !done.agrees)
    }
}

/// Everything an entry may say about a case besides pages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slip {
    pub id: EntryId,
    pub case: CaseNo,
    /// `withdraw`, `note`, `applicant_notice`, `hearing_request`, `inspection_slot`, and those with contents of their own:
    /// `make_up`, `library`, `rating`, `original`.
    pub kind: String,
    pub text: String,
    /// Papers that came with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// The submission it speaks of, where it speaks of one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub about_page: u32,
    /// The hub's answers from the licence library.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<library::Answer>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rating: Option<Rating>,
    /// 原件流转.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<OriginalStep>,
    /// Written by the applicant at the hall, not by an officer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub from_applicant: bool,
    pub by: NodeId,
    pub at: Timestamp,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Slip {
    /// A slip that says no more than its kind and text.
    pub fn plain(id: EntryId, case: CaseNo, kind: &str, text: String, by: NodeId, at: Timestamp) -> Slip {
        Slip {
            id,
            case,
            kind: kind.to_owned(),
            text,
            attachments: Vec::new(),
            about_page: 0,
            answers: Vec::new(),
            rating: None,
            original: None,
            from_applicant: false,
            by,
            at,
        }
    }
}

/// A licence (证照) as it was issued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Licence {
    pub number: LicenceNo,
    pub kind: String,
    pub name: String,
    pub holder: String,
    pub issuer: String,
    pub issued_on: Day,
}

#[cfg(test)]
mod intake_tests;
#[cfg(test)]
pub(crate) mod procedures_tests;
#[cfg(test)]
pub(crate) mod tests;
#[cfg(test)]
mod tolerance_tests;
#[cfg(test)]
mod walk_tests;
