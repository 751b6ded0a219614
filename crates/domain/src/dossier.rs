//! The dossier (案卷): pages written only by its holder, slips by anybody, and the state that is their fold.
//!
//! `decide` may refuse and changes nothing; [`Dossier::apply`] takes a fact that another tier may already have acted on,
//! so it never judges whether the act was wise, only whether the page can stand at this place (number, term, writer).

pub mod by_law;
pub mod decide;
pub mod page;
mod refusal;

pub use page::*;

use crate::clock::{Extension, Reprojection, Suspension};
use crate::ids::EntryId;
use crate::{CaseNo, Day, ItemId, LicenceNo, NodeId, StageId, Timestamp};
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
    /// The only node that may write the next page.
    pub holder: NodeId,
    pub term: u32,
    /// Number of the last page.
    pub pages: u32,
    /// By the village's clock: shown, never used to order or decide.
    pub captured_at: Timestamp,
    pub applicant: String,
    pub attachments: Vec<Attachment>,
    pub skipped: Vec<StageId>,
    pub stages: BTreeMap<StageId, StageState>,
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
    pub officer: String,
    pub at: Timestamp,
    pub by: NodeId,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    pub receiver: String,
    pub proof: String,
    pub at: Timestamp,
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
            holder: author.clone(),
            term: 1,
            pages: 1,
            captured_at: page.at,
            applicant: String::new(),
            attachments: Vec::new(),
            skipped: Vec::new(),
            stages: BTreeMap::new(),
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
        };
        dossier.take_submission(&captured.submission, page, author);
        Some(dossier)
    }

    /// Offers the next page. `is_superior`: the author stands above the present holder, so it may recall.
    pub fn apply(&mut self, page: &Page, author: &NodeId, is_superior: bool) -> Verdict {
        if let PageBody::Recalled { to } = &page.body {
            return self.recall(page, to, is_superior);
        }
        if page.term < self.term {
            return Verdict::Late;
        }
        if page.term > self.term || page.no > self.pages + 1 {
            return Verdict::Held;
        }
        if page.no <= self.pages {
            return Verdict::Refused("another page stands at this number");
        }
        if *author != self.holder {
            return Verdict::Refused("its writer does not hold the dossier");
        }
        self.pages = page.no;
        self.take(&page.body, page, author);
        Verdict::Applied
    }

    fn recall(&mut self, page: &Page, to: &NodeId, is_superior: bool) -> Verdict {
        if page.no < 2 {
            return Verdict::Refused("there is nothing to recall before the capture");
        }
        if page.term == self.term && is_superior && self.recalled && page.no <= self.pages {
            // Two superiors recalled at once: the higher one's recall stands, whichever arrives first.
            return Verdict::Rewind { keep: page.no - 1 };
        }
        if page.term <= self.term {
            return Verdict::Late;
        }
        if page.term > self.term + 1 || page.no > self.pages + 1 {
            return Verdict::Held;
        }
        if !is_superior {
            return Verdict::Refused("only a superior of the holder may recall");
        }
        if page.no <= self.pages {
            return Verdict::Rewind { keep: page.no - 1 };
        }
        self.pages = page.no;
        self.term = page.term;
        self.holder = to.clone();
        self.recalled = true;
        Verdict::Applied
    }

    /// Adds a slip. It changes nothing by itself; slips are kept in id order so that arrival order does not show (I10).
    pub fn add_slip(&mut self, slip: Slip) {
        if let Err(at) = self.slips.binary_search_by_key(&slip.id, |known| known.id) {
            self.slips.insert(at, slip);
        }
    }

    fn take(&mut self, body: &PageBody, page: &Page, author: &NodeId) {
        match body {
            // A second capture cannot change what the citizen confirmed; resubmission is the page for that.
            PageBody::Captured(_) | PageBody::Recalled { .. } | PageBody::SlipNoted { .. } => {}
            PageBody::HandedOver { to } => {
                self.holder = to.clone();
                self.recalled = false;
            }
            PageBody::Claimed { stage } => self.stage(stage).claimed_by = Some(page.officer.clone()),
            PageBody::Released { stage } => self.stage(stage).claimed_by = None,
            PageBody::StageDone { stage, agrees, .. } => self.close_stage(stage, page, author, *agrees),
            PageBody::Accepted { on } => self.accept(*on, author, false),
            PageBody::DeemedAccepted { received } => self.accept(*received, author, true),
            PageBody::Returned { faults, .. } => {
                self.notices += 1;
                self.returned = Some(Returned { faults: faults.clone(), by: author.clone() });
            }
            PageBody::NotAccepted { stage, ground, text } => {
                self.close_stage(stage, page, author, false);
                self.not_accepted = Some(NotAccepted {
                    ground: ground.clone(),
                    text: text.clone(),
                    officer: page.officer.clone(),
                    at: page.at,
                    by: author.clone(),
                });
            }
            PageBody::Suspended { procedure, basis, days, handler } => self.suspensions.push(Suspension {
                procedure: *procedure,
                basis: basis.clone(),
                days: *days,
                handler: handler.clone(),
                approver: page.officer.clone(),
                from: page.at.day(),
                to: None,
                page: page.no,
            }),
            PageBody::Resumed { .. } => {
                if let Some(open) = self.suspensions.iter_mut().find(|one| one.to.is_none()) {
                    open.to = Some(page.at.day());
                }
            }
            PageBody::Extended { days, reason, handler } => {
                self.extension = Some(Extension {
                    days: *days,
                    reason: reason.clone(),
                    handler: handler.clone(),
                    approver: page.officer.clone(),
                    on: page.at.day(),
                    page: page.no,
                });
            }
            PageBody::Reprojected { release, moved } => self.reprojections.push(Reprojection {
                release: *release,
                on: page.at.day(),
                page: page.no,
                moved: moved.clone(),
            }),
            PageBody::Resubmitted(submission) => {
                self.returned = None;
                self.take_submission(submission, page, author);
            }
            PageBody::Decided { stage, outcome, text } => {
                self.close_stage(stage, page, author, *outcome == Outcome::Granted);
                self.decision = Some(Decision {
                    outcome: *outcome,
                    text: text.clone(),
                    officer: page.officer.clone(),
                    at: page.at,
                    by: author.clone(),
                });
            }
            PageBody::Issued { licence } => self.licence = Some(licence.clone()),
            PageBody::Delivered { stage, receiver, proof } => {
                self.close_stage(stage, page, author, true);
                let (receiver, proof) = (receiver.clone(), proof.clone());
                self.delivered = Some(Delivery { receiver, proof, at: page.at });
            }
            PageBody::Withdrawn { .. } => self.withdrawn = true,
        }
    }

    fn take_submission(&mut self, submission: &Submission, page: &Page, author: &NodeId) {
        self.applicant = crate::form::applicant(&submission.form).0.to_owned();
        self.attachments = submission.attachments.clone();
        self.skipped = submission.skipped.clone();
        self.submitted_page = page.no;
        for stage in &submission.closes {
            self.close_stage(stage, page, author, true);
        }
    }

    fn accept(&mut self, on: Day, by: &NodeId, deemed: bool) {
        self.accepted = Some(Accepted { on, by: by.clone(), deemed });
    }

    fn stage(&mut self, id: &StageId) -> &mut StageState {
        self.stages.entry(id.clone()).or_default()
    }
    fn close_stage(&mut self, id: &StageId, page: &Page, author: &NodeId, agrees: bool) {
        let (officer, by) = (page.officer.clone(), Some(author.clone()));
        self.stage(id).done = Some(StageDone { officer, by, at: page.at, agrees });
    }

    pub fn status(&self) -> Status {
        match (&self.decision, &self.delivered) {
            _ if self.withdrawn => Status::Withdrawn,
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
    /// `withdraw`, `note`, `rating`, `applicant_notice`.
    pub kind: String,
    pub text: String,
    pub by: NodeId,
    pub at: Timestamp,
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
pub(crate) mod tests;
