//! Pages (卷内页): the facts a holder writes. Each variant is a verb from the counter.

use super::Licence;
use crate::form::{Form, FormFault};
use crate::{CaseNo, Day, EntryId, ItemId, MaterialId, NodeId, StageId, Timestamp};
use serde::{Deserialize, Serialize};

/// One page of a dossier, as its holder wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    pub case: CaseNo,
    /// 1, 2, 3 … without gaps.
    pub no: u32,
    pub term: u32,
    /// By the writer's clock. A village's is evidence only; a town's or the hub's is trusted.
    pub at: Timestamp,
    pub officer: String,
    pub body: PageBody,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PageBody {
    /// 收件: confirmed by the citizen, signed by the proxy officer.
    Captured(Captured),
    HandedOver {
        to: NodeId,
    },
    Claimed {
        stage: StageId,
    },
    Released {
        stage: StageId,
    },
    StageDone {
        stage: StageId,
        agrees: bool,
        opinion: String,
    },
    /// 受理: starts both timers; `on` is day 0.
    Accepted {
        on: Day,
    },
    /// 退回补正: the whole list of faults at once.
    Returned {
        stage: StageId,
        faults: Vec<FormFault>,
    },
    Resubmitted(Submission),
    Decided {
        stage: StageId,
        outcome: Outcome,
        text: String,
    },
    Issued {
        licence: Licence,
    },
    Delivered {
        stage: StageId,
        receiver: String,
        proof: String,
    },
    /// The holder takes notice of a slip that lets something happen.
    SlipNoted {
        slip: EntryId,
    },
    Withdrawn {
        slip: EntryId,
    },
    /// A superior takes the dossier from a lost node; pages the old holder wrote after this number are late.
    Recalled {
        to: NodeId,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Captured {
    pub item: ItemId,
    pub release: u32,
    pub submission: Submission,
}

/// What the citizen hands in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submission {
    pub form: Form,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// Stages conditioned away by this form.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<StageId>,
    /// Capture stages that this page itself completes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub closes: Vec<StageId>,
}

/// A scan or photo, named by the BLAKE3 hash of its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    pub material: MaterialId,
    /// 64 hexadecimal digits.
    pub hash: String,
    pub bytes: u64,
    pub mime: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Granted,
    Refused,
}
