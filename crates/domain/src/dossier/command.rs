//! The orders of the counter: what an officer can ask of a case.

use super::{Licence, NotAcceptedGround, Outcome, Submission};
use crate::clock::Procedure;
use crate::delivery::{Channel, Proof};
use crate::fee::Charge;
use crate::form::FormFault;
use crate::inspection::Slot;
use crate::{Day, EntryId, MaterialId, OrgId, StageId};

/// Whoever gives the order leaves `licence` open: the counter makes it, with its number.
#[derive(Debug, Clone)]
pub enum Command {
    Claim {
        stage: StageId,
    },
    Release {
        stage: StageId,
    },
    /// Completes a stage that is neither a decision, an issue nor a delivery.
    Complete {
        stage: StageId,
        agrees: bool,
        opinion: String,
        /// Who went to look; a site check needs two.
        officers: Vec<String>,
    },
    /// 核对原件.
    CheckOriginals {
        stage: StageId,
        materials: Vec<MaterialId>,
    },
    /// 改派, by whoever may decide.
    Reassign {
        stage: StageId,
        to: String,
        reason: String,
    },
    /// Starts a publicity (公示); its last day follows from the stage's limit.
    Post {
        stage: StageId,
        place: String,
    },
    ProposeInspection {
        stage: StageId,
        slots: Vec<Slot>,
    },
    /// By each department for itself.
    ConfirmInspection {
        stage: StageId,
        /// At a town, where one house acts for all departments: the department spoken for.
        body: Option<OrgId>,
        slots: Vec<u32>,
    },
    FixInspection {
        stage: StageId,
        slot: u32,
    },
    HoldInspection {
        stage: StageId,
        officers: Vec<String>,
        absent: Vec<OrgId>,
    },
    /// By each department that came, for itself.
    FindInspection {
        stage: StageId,
        body: Option<OrgId>,
        passed: bool,
        text: String,
    },
    NoticeHearing {
        stage: StageId,
        on: Day,
        place: String,
    },
    HoldHearing {
        stage: StageId,
        record: String,
    },
    /// `fen` is the catalogue's amount, computed from the form.
    Charge {
        stage: StageId,
        charge: Charge,
    },
    Dispatch {
        stage: StageId,
        carrier: String,
        waybill: String,
    },
    FailDelivery {
        stage: StageId,
        channel: Channel,
        reason: String,
    },
    /// 一次性补正告知; `again` says why a second one is needed.
    Return {
        stage: StageId,
        faults: Vec<FormFault>,
        again: Option<String>,
    },
    /// 不予受理.
    NotAccept {
        stage: StageId,
        ground: NotAcceptedGround,
        text: String,
    },
    /// Given by the approver; the handler is whoever has claimed the stage.
    Suspend {
        stage: StageId,
        procedure: Procedure,
        basis: String,
        days: u32,
    },
    Resume {
        stage: StageId,
        finding: String,
    },
    /// Given by the approver; the handler is whoever has claimed the stage.
    Extend {
        stage: StageId,
        days: u32,
        reason: String,
    },
    Resubmit(Submission),
    /// Takes the promised papers that a slip brought.
    TakeMakeUp {
        stage: StageId,
        slip: EntryId,
    },
    RefuseMakeUp {
        stage: StageId,
        slip: EntryId,
        reason: String,
    },
    /// 承诺不实.
    BreakCommitment {
        stage: StageId,
        finding: String,
    },
    DeclineGreen {
        stage: StageId,
        reason: String,
    },
    Decide {
        stage: StageId,
        outcome: Outcome,
        text: String,
        /// Needed for a refusal.
        article: Option<String>,
        licence: Option<Licence>,
    },
    Issue {
        stage: StageId,
        licence: Option<Licence>,
        opinion: String,
    },
    Deliver {
        stage: StageId,
        receiver: String,
        channel: Channel,
        proof: Proof,
    },
    Withdraw {
        slip: EntryId,
    },
    /// Takes the dossier away from a holder that is lost.
    Recall,
}

impl Command {
    pub fn stage(&self) -> Option<&StageId> {
        match self {
            Command::Claim { stage }
            | Command::Release { stage }
            | Command::Complete { stage, .. }
            | Command::Return { stage, .. }
            | Command::NotAccept { stage, .. }
            | Command::Suspend { stage, .. }
            | Command::Resume { stage, .. }
            | Command::Extend { stage, .. }
            | Command::TakeMakeUp { stage, .. }
            | Command::RefuseMakeUp { stage, .. }
            | Command::BreakCommitment { stage, .. }
            | Command::DeclineGreen { stage, .. }
            | Command::Decide { stage, .. }
            | Command::Issue { stage, .. }
            | Command::CheckOriginals { stage, .. }
            | Command::Reassign { stage, .. }
            | Command::Post { stage, .. }
            | Command::ProposeInspection { stage, .. }
            | Command::ConfirmInspection { stage, .. }
            | Command::FixInspection { stage, .. }
            | Command::HoldInspection { stage, .. }
            | Command::FindInspection { stage, .. }
            | Command::NoticeHearing { stage, .. }
            | Command::HoldHearing { stage, .. }
            | Command::Charge { stage, .. }
            | Command::Dispatch { stage, .. }
            | Command::FailDelivery { stage, .. }
            | Command::Deliver { stage, .. } => Some(stage),
            Command::Resubmit(_) | Command::Withdraw { .. } | Command::Recall => None,
        }
    }
}
