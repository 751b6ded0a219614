//! The orders of the counter: what an officer can ask of a case.

use super::{Licence, NotAcceptedGround, Outcome, Submission};
use crate::clock::Procedure;
use crate::form::FormFault;
use crate::{EntryId, StageId};

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
        proof: String,
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
            | Command::Deliver { stage, .. } => Some(stage),
            Command::Resubmit(_) | Command::Withdraw { .. } | Command::Recall => None,
        }
    }
}
