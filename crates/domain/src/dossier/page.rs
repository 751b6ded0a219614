//! Pages (卷内页): the facts a holder writes. Each variant is a verb from the counter.

use super::Licence;
use crate::bundle::InBundle;
use crate::clock::{Moved, Procedure};
use crate::delivery::{Channel, ProofKind, Wish};
use crate::form::{FormFault, Written};
use crate::green;
use crate::inspection::Slot;
use crate::library::Borrowed;
use crate::network::Tier;
use crate::paper::SealedPaper;
use crate::tolerance::Commitment;
use crate::{CaseNo, Day, EntryId, ItemId, MaterialId, NodeId, OrgId, StageId, Timestamp};
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
    /// Number of the letter of delegation that the act rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegation: Option<String>,
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
        /// Who went to look (a site check, art. 34).
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        officers: Vec<String>,
    },
    /// 核对原件: scans that were compared with the papers themselves.
    OriginalsChecked {
        stage: StageId,
        materials: Vec<MaterialId>,
    },
    /// 改派: another officer takes over what somebody had claimed.
    Reassigned {
        stage: StageId,
        to: String,
        reason: String,
    },
    /// 公示: posted until the end of this day.
    Posted {
        stage: StageId,
        place: String,
        until: Day,
    },
    /// 联合查验: times are proposed to the departments and the citizen.
    InspectionProposed {
        stage: StageId,
        slots: Vec<Slot>,
    },
    /// A department says which of them it can come to.
    InspectionConfirmed {
        stage: StageId,
        body: OrgId,
        slots: Vec<u32>,
    },
    InspectionFixed {
        stage: StageId,
        slot: u32,
        citizen: EntryId,
    },
    /// The visit took place; who did not come has waived.
    InspectionHeld {
        stage: StageId,
        officers: Vec<String>,
        absent: Vec<OrgId>,
    },
    InspectionFound {
        stage: StageId,
        body: OrgId,
        passed: bool,
        text: String,
    },
    /// 听证通知, at least seven days before (art. 48).
    HearingNoticed {
        stage: StageId,
        on: Day,
        place: String,
    },
    HearingHeld {
        stage: StageId,
        record: String,
    },
    Charged {
        stage: StageId,
        fee: String,
        amount_fen: i64,
        receipt: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        waived: Option<String>,
    },
    /// 寄出.
    Dispatched {
        stage: StageId,
        carrier: String,
        waybill: String,
    },
    DeliveryFailed {
        stage: StageId,
        channel: Channel,
        reason: String,
    },
    /// 受理: starts both timers; `on` is day 0. 容缺受理 where papers promised for later are lacking.
    Accepted {
        on: Day,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        lacking: Vec<MaterialId>,
    },
    /// 补交: papers promised for later were handed in by a slip and taken.
    MadeUp {
        slip: EntryId,
        papers: Vec<Attachment>,
    },
    /// What a slip handed in is not what was promised; the deadline goes on.
    MakeUpRefused {
        slip: EntryId,
        reason: String,
    },
    /// 逾期未补交,视为撤回: a system page without an officer.
    Lapsed {
        due: Day,
    },
    /// 承诺不实: its giver is not accepted tolerantly again.
    CommitmentFalse {
        finding: String,
    },
    /// The request for the green channel is declined; the normal limit runs.
    GreenDeclined {
        reason: String,
    },
    /// 视为受理: no notice was given within five working days of the receipt, so the law accepts as of that day (art. 32).
    DeemedAccepted {
        received: Day,
    },
    /// 补正告知: the whole list of faults at once, and once only. `again` says why a second notice was needed.
    Returned {
        stage: StageId,
        faults: Vec<FormFault>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        again: Option<String>,
    },
    /// 不予受理, in writing: the case ends here (art. 32).
    NotAccepted {
        stage: StageId,
        ground: NotAcceptedGround,
        text: String,
    },
    /// The clock stands still for a procedure of art. 45. Written by the approver; `handler` asked for it.
    Suspended {
        procedure: Procedure,
        basis: String,
        /// Working days asked for: told to the applicant, and not a limit of its own.
        days: u32,
        handler: String,
    },
    /// The procedure is over; the clock goes on from the next day.
    Resumed {
        finding: String,
    },
    /// 延长办理期限, once (art. 42). Written by the approver; `handler` asked for it.
    Extended {
        days: u32,
        reason: String,
        handler: String,
    },
    /// Limits counted anew on a calendar that was published meanwhile; a system page without an officer.
    Reprojected {
        release: u32,
        moved: Vec<Moved>,
    },
    Resubmitted(Submission),
    Decided {
        stage: StageId,
        outcome: Outcome,
        text: String,
        /// The article a refusal rests on (art. 38: a refusal gives its reasons).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        article: Option<String>,
    },
    /// 盖章: the paper that the citizen gets, under the seal of the body or of the node that decided.
    Sealed {
        paper: SealedPaper,
    },
    Issued {
        licence: Licence,
    },
    Delivered {
        stage: StageId,
        receiver: String,
        proof: String,
        #[serde(default)]
        channel: Channel,
        #[serde(default)]
        kind: ProofKind,
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

impl PageBody {
    /// What was handed in by this page.
    pub fn submission(&self) -> Option<&Submission> {
        match self {
            PageBody::Captured(captured) => Some(&captured.submission),
            PageBody::Resubmitted(submission) => Some(submission),
            _ => None,
        }
    }
}

/// Why an application is not taken up.
///
/// # Source
/// 《行政许可法》 art. 32 (1), (2) and (5); for (2) the applicant is told which body is competent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotAcceptedGround {
    /// 依法不需要办理.
    NotNeeded,
    /// 不属于本机关职权范围.
    NotOurs { competent: String },
    /// Does not meet the conditions, or stays incomplete after the supplement notice.
    Unmet { article: String },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Captured {
    pub item: ItemId,
    pub release: u32,
    pub submission: Submission,
    /// The bundle it was taken in with (一件事).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<InBundle>,
    /// The tier of the counter that took it in (收件层级). What the catalogue lets a tier below it do is done there too.
    #[serde(default = "Tier::village", skip_serializing_if = "Tier::is_village")]
    pub intake: Tier,
}

/// An application that reached the city by its own system before any counter took it in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Online {
    /// The entry with which the hub passed it on.
    pub application: EntryId,
    /// The day it entered the hub's system, by the hub's clock: the legal receipt.
    ///
    /// # Source
    /// 《行政许可法》 art. 29 and 33; 《民法典》 art. 137 (a message in data form arrives when it enters the system it was sent to).
    pub on: Day,
}

/// What the citizen hands in.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Submission {
    pub form: Written,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// Stages conditioned away by this form.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<StageId>,
    /// Capture stages that this page itself completes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub closes: Vec<StageId>,
    /// The application made in the citizens' hall that this takes in (网上申请).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub online: Option<Online>,
    /// 容缺: papers promised for later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commitment: Option<Commitment>,
    /// 绿色通道 asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub green: Option<green::Claim>,
    /// 免提交: papers the city shall take from its own library.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub borrowed: Vec<Borrowed>,
    /// 取件方式: how the applicant would like to have the result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wish: Option<Wish>,
}

impl Submission {
    /// The day by which form and papers are judged: the day they were handed in.
    pub fn judged_on(&self, today: Day) -> Day {
        self.online.as_ref().map_or(today, |online| online.on)
    }
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
