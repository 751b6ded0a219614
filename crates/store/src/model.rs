//! The plain data that goes in and out of a store.

use domain::access::Jurisdiction;
use domain::delegation::Delegate;
use domain::dossier::{Slip, Status};
use domain::form::Form;
use domain::network::Tier;
use domain::rating::Grade;
use domain::{CaseNo, Day, EntryId, ItemId, NodeId, OrgId, StageId, Timestamp};
use replication::{Channel, JournalId, Position, RunFault};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One entry to write into a journal of our own.
#[derive(Debug, Clone)]
pub struct NewEntry {
    pub id: EntryId,
    pub channel: Channel,
    pub kind: &'static str,
    pub subject: String,
    pub body: Vec<u8>,
}

/// Kinds of entries this version gives a meaning to. Others are carried and kept as they are (I41).
pub mod kind {
    pub const PAGE: &str = "page";
    pub const SLIP: &str = "slip";
    pub const RECEIPT: &str = "receipt";
    pub const ALERT: &str = "alert";
    pub const NODE: &str = "node";
    /// [`domain::network::Reached`].
    pub const CONTACT: &str = "contact";
    /// A letter of delegation.
    pub const LETTER: &str = "delegation";
    pub const REVOCATION: &str = "delegation.revoked";
    /// A licence suspended, revoked or valid again.
    pub const LICENCE_STATE: &str = "licence.state";
    /// What was said about a badly rated matter.
    pub const RECTIFICATION: &str = "rectification";
    /// The record of a seal.
    pub const SEAL: &str = "seal";
    pub const CONTACTS: &str = "contacts";
    /// What the hub signed of a day's reconciliation.
    pub const RECONCILIATION: &str = "reconciliation";
    /// [`domain::application::Application`], from the hub to the town that takes it in.
    pub const APPLICATION: &str = "application";
    /// How far the audit of its author reached; see [`crate::AuditHead`].
    pub const AUDIT_HEAD: &str = "audit.head";
    /// [`domain::trust_bundle::TrustBundle`].
    pub const TRUST_BUNDLE: &str = "trust.bundle";
    pub const PACK_PIECE: &str = "pack.piece";
    pub const PACK_RELEASE: &str = "pack.release";
}

/// One act: entries appended together, under one signature and one audit row.
#[derive(Debug, Clone)]
pub struct Append {
    pub at: Timestamp,
    pub officer: String,
    /// What the audit row says was done.
    pub action: &'static str,
    pub entries: Vec<NewEntry>,
    /// The case and the number of pages it was decided on.
    pub expected: Option<(CaseNo, u32)>,
    /// The draft this act uses up, and the version it was read at.
    pub consumes_draft: Option<(EntryId, u32)>,
    /// The enrolment (hash of its secret) this act uses up.
    pub consumes_enrolment: Option<String>,
    /// Attachments whose bytes lie on this disk already.
    pub attachments_here: Vec<String>,
    /// Serials this act takes: (scope, number). Each must be the next of its scope, so that numbers have no gaps.
    pub takes_serials: Vec<(String, u64)>,
    /// The letter of delegation the act rests on; it must still stand when the act is stored (I18).
    pub relies_on: Option<(String, Delegate)>,
}

impl Append {
    /// An act that writes these entries and depends on nothing.
    pub fn new(
        at: Timestamp,
        officer: impl Into<String>,
        action: &'static str,
        entries: Vec<NewEntry>,
    ) -> Append {
        Append {
            at,
            officer: officer.into(),
            action,
            entries,
            expected: None,
            consumes_draft: None,
            consumes_enrolment: None,
            attachments_here: Vec::new(),
            takes_serials: Vec::new(),
            relies_on: None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    pub heads: Vec<(JournalId, Position)>,
    /// True when this very act had been stored before: a retry.
    pub repeated: bool,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Received {
    /// Our positions now, for every journal named in the batch.
    pub positions: Vec<(JournalId, Position)>,
    pub faults: Vec<(JournalId, RunFault)>,
    /// New entries stored.
    pub stored: u64,
}

fn newest_through(of: &[(u32, u64)], seq: u64) -> Option<u32> {
    of.iter().filter(|(_, at)| *at <= seq).map(|(version, _)| *version).max()
}

/// How the nodes below stand, read at one moment.
#[derive(Debug, Clone, Default)]
pub struct Standings {
    /// How far their own journals are here.
    pub held: BTreeMap<NodeId, u64>,
    /// How far this node has receipted them.
    pub receipted: BTreeMap<NodeId, u64>,
    /// How far each child has confirmed the hub's journal to all.
    pub all_through: BTreeMap<NodeId, u64>,
    pub contacts: BTreeMap<NodeId, Contact>,
    /// Releases of the catalogue, and where in the journal to all each stands; oldest first.
    pub releases: Vec<(u32, u64)>,
    /// Versions of the trust bundle, likewise.
    pub bundles: Vec<(u32, u64)>,
}

impl Standings {
    /// The newest release that somebody has who has the journal to all so far.
    pub fn release_through(&self, seq: u64) -> Option<u32> {
        newest_through(&self.releases, seq)
    }
    /// Likewise of the trust bundle.
    pub fn bundle_through(&self, seq: u64) -> Option<u32> {
        newest_through(&self.bundles, seq)
    }
}

#[derive(Debug, Clone)]
pub struct Quarantined {
    pub at: Timestamp,
    pub peer: NodeId,
    pub journal: String,
    pub seq: u64,
    pub reason: String,
    pub bytes: Vec<u8>,
}

/// The body of a `pack.piece` entry.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PackPiece {
    pub release: u32,
    pub name: String,
    pub text: String,
}

/// The body of a `pack.release` entry: the release is in force from here on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PackRelease {
    pub release: u32,
    /// Names of its pieces. A piece not written anew under this release is taken from the newest earlier one.
    pub pieces: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
pub struct HistoryLine {
    pub author: NodeId,
    pub channel: String,
    pub seq: u64,
    pub hash: String,
    pub entry: EntryId,
    /// `applied`, `held`, `late`, `refused`, `slip`.
    pub verdict: String,
    pub claimed_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub page: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slip: Option<Slip>,
    /// Of an entry filed again after a restore: the hash it had first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_hash: Option<String>,
}

/// In which order cases are listed; the order is that in which they came to this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CaseOrder {
    #[default]
    OldestFirst,
    NewestFirst,
}

#[derive(Debug, Clone, Default)]
pub struct CaseQuery {
    pub status: Option<Status>,
    pub holder: Option<NodeId>,
    pub origin: Option<NodeId>,
    /// Only those whose applicant's name begins so.
    pub applicant: Option<String>,
    pub order: CaseOrder,
    /// List after this case number, in the order asked for.
    pub after: Option<CaseNo>,
    /// The cases that whoever asks may see.
    pub within: Jurisdiction,
    pub limit: u32,
}

#[derive(Debug, Clone, Serialize)]
pub struct CaseLine {
    pub case: CaseNo,
    pub item: ItemId,
    pub origin: NodeId,
    pub holder: NodeId,
    pub status: Status,
    pub applicant: String,
    pub captured_at: Timestamp,
    pub captured_seq: u64,
    pub pages: u32,
    pub missing_attachments: u32,
}

/// So many cases of an item got this grade.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RatingCount {
    pub item: ItemId,
    pub grade: Grade,
    pub count: u64,
}

/// The next release of the catalogue, while it is being written.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PackDraft {
    /// 0 before anything was saved.
    pub version: u32,
    /// Who saved last, and when.
    pub by: String,
    pub at: Timestamp,
    /// By name; only those that are to differ from the release in force.
    pub pieces: BTreeMap<String, DraftPiece>,
}

/// One text of the pack as it shall be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DraftPiece {
    /// `None` takes it out.
    pub text: Option<String>,
    /// Fingerprint of the text it was made from, so that a release in between does not go unnoticed; `None` for a new one.
    pub base: Option<String>,
}

#[derive(Debug, Clone, Default)]
pub struct TaskQuery {
    /// Only tasks of this body; `None` is all of them.
    pub body: Option<OrgId>,
    /// Only stages of this kind, as the catalogue writes it.
    pub kind: Option<&'static str>,
    /// The cases that whoever asks may see.
    pub within: Jurisdiction,
    pub limit: u32,
}

/// A stage that can be worked on at this node now.
#[derive(Debug, Clone, Serialize)]
pub struct TaskLine {
    pub case: CaseNo,
    pub stage: StageId,
    pub kind: String,
    pub body: Option<OrgId>,
    pub item: ItemId,
    pub applicant: String,
    pub due: Option<Day>,
    pub claimed_by: Option<String>,
    pub missing_attachments: u32,
}

#[derive(Debug, Clone, Default, Serialize)]
pub struct Counts {
    pub by_status: std::collections::BTreeMap<String, u64>,
    pub entries: u64,
    pub tasks: u64,
    pub drafts: u64,
    /// Applications from the hall that a town has not taken in yet.
    #[serde(default)]
    pub applications_open: u64,
    pub held: u64,
    pub quarantined: u64,
    pub attachments_missing: u64,
    /// Here, and not yet confirmed by the parent.
    pub attachments_on_way: u64,
    /// Alerts that nobody has concluded, by rung.
    pub alerts: std::collections::BTreeMap<String, u64>,
}

#[derive(Debug, Clone, Serialize)]
pub struct CustodyLine {
    pub by: NodeId,
    pub seq: u64,
    pub at: Timestamp,
}

/// A place in all journals: for each, the entries up to a number.
pub type Mark = Vec<(JournalId, u64)>;

/// Which alerts to list, newest first.
#[derive(Debug, Clone, Default)]
pub struct AlertQuery {
    pub case: Option<CaseNo>,
    pub rung: Option<domain::supervision::Rung>,
    /// Only those that nobody has concluded.
    pub open_only: bool,
    /// List those before this place ([`AlertLine::no`]).
    pub before: Option<u64>,
    /// The cases that whoever asks may see.
    pub within: Jurisdiction,
    pub limit: u32,
}

/// How many alerts of a rung are open at whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenAlerts {
    pub node: NodeId,
    pub body: Option<OrgId>,
    pub rung: domain::supervision::Rung,
    pub count: u64,
}

#[derive(Debug, Clone, Serialize)]
pub struct AlertLine {
    /// Place in this node's list; means nothing elsewhere.
    pub no: u64,
    pub alert: domain::supervision::Alert,
}

/// Something an operator must look at.
#[derive(Debug, Clone, Serialize)]
pub struct Incident {
    /// Its number at this node.
    pub no: u64,
    pub at: Timestamp,
    pub peer: String,
    pub journal: String,
    pub seq: u64,
    pub reason: String,
    /// Good to know, and nothing to be done.
    pub remark: bool,
    /// A person has looked at it.
    pub settled: Option<Settled>,
}

/// What a person said of an incident, who may not be there when somebody asks again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Settled {
    pub at: Timestamp,
    pub by: String,
    pub note: String,
}

/// A case being filled in (草稿). It belongs to the village until it is captured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Draft {
    pub id: EntryId,
    pub officer: String,
    pub item: ItemId,
    pub release: u32,
    pub form: Form,
    pub attachments: Vec<domain::dossier::Attachment>,
    /// 容缺: papers promised for later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commitment: Option<domain::tolerance::Commitment>,
    /// 绿色通道 asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub green: Option<domain::green::Claim>,
    /// 免提交: papers to be taken from the library.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub borrowed: Vec<domain::library::Borrowed>,
    /// 取件方式.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wish: Option<domain::delivery::Wish>,
    /// 网上申请: the draft of a citizen in the hall.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub online: Option<OnlineDraft>,
    /// 一件事: the draft of a bundle; `item` is then its lead and `form` what the items share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<BundleDraft>,
    pub version: u32,
    pub updated: Timestamp,
}

/// What a citizen's draft holds beside form and papers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnlineDraft {
    /// The town whose window shall take it in, where the form does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub town: Option<NodeId>,
    /// The case that was sent back, and which notice this answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mends: Option<(CaseNo, u32)>,
}

/// Applications from the hall, the oldest first.
#[derive(Debug, Clone, Default)]
pub struct ApplicationQuery {
    /// Only those that their town has not taken in yet.
    pub open_only: bool,
    pub town: Option<NodeId>,
    pub case: Option<CaseNo>,
    /// Those that name this number, the newest first.
    pub person: Option<String>,
    pub limit: u32,
}

#[derive(Debug, Clone)]
pub struct ApplicationLine {
    pub id: EntryId,
    pub application: domain::application::Application,
    /// Not taken in yet.
    pub open: bool,
}

/// What a draft of a bundle holds beside the shared form.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct BundleDraft {
    pub bundle: String,
    /// Fields of one item only, or answered otherwise for it.
    pub own: std::collections::BTreeMap<ItemId, Form>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedAttachment {
    pub hash: String,
    pub bytes: u64,
    pub origin: NodeId,
}

/// A place on the network that waits for its node (hub only).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Enrolment {
    pub secret_hash: String,
    pub node: NodeId,
    pub tier: Tier,
    pub parent: NodeId,
    pub place: String,
    pub name: String,
    pub expires: Timestamp,
    pub used: Option<Timestamp>,
    /// Of the machine that will stand there: 1, or that of the one it replaces and one more.
    #[serde(default = "first")]
    pub incarnation: u32,
    /// Who let it go out, and when; unknown of tokens from before this was written down.
    #[serde(default)]
    pub by: String,
    #[serde(default)]
    pub issued: Timestamp,
    /// When it was taken back before anybody came with it.
    #[serde(skip)]
    pub voided: Option<Timestamp>,
}

fn first() -> u32 {
    1
}

/// What was last heard from a node. Towns report theirs upward, so that the hub sees every village.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    pub node: NodeId,
    pub at: Timestamp,
    pub clock_skew_ms: i64,
    /// Length of its own journal `up`, as it said.
    #[serde(default)]
    pub own_head: u64,
    /// When its oldest unconfirmed entry was written, as it said.
    #[serde(default)]
    pub oldest_waiting: Option<Timestamp>,
    /// How far it has confirmed the hub's journal to all: catalogue, letters, seals.
    #[serde(default)]
    pub all_through: u64,
    /// Fingerprint of the authority above the certificate that it showed when it greeted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub under: Option<String>,
    /// Until when its certificate is good: the last that it showed, or was given since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The version of its program, as it said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}
