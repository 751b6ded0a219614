//! The contract of a node's storage, coarse on purpose: append at an expected version, receive checked runs, load a
//! dossier, scan an index. It is not a transaction handle, so an embedded engine and a distributed one can both honour it.
//!
//! Promises every engine keeps (and [`conformance`] proves):
//! - an append or a receipt is answered only after it is durable (I1, I4); entry, projection, audit row and position change
//!   together or not at all;
//! - the same entry id twice is one change; a stale expected version changes nothing;
//! - projections are a function of the journals and can be rebuilt from them.

pub mod blobs;
pub mod conformance;
mod model;
mod people;
mod recovery;

pub use model::*;
pub use people::*;
pub use recovery::*;

use async_trait::async_trait;
use domain::access::Jurisdiction;
use domain::delegation::Delegations;
use domain::dossier::{Dossier, Page};
use domain::library::{Filed, StateChange};
use domain::network::Network;
use domain::pack::{CityPack, Pieces};
use domain::paper::SealRecords;
use domain::rating::Rectification;
use domain::supervision::{Alert, CaseLog};
use domain::ticket::{self, Ticket};
use domain::{CaseNo, Day, EntryId, LicenceNo, NodeId, Timestamp};
use replication::epoch::Compared;
use replication::session::Load;
use replication::{CheckedRun, JournalId, Position, Run, Stored};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Why something was not stored or not found. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    #[error("{case} 刚刚有了新的进展;请重新打开后再办")]
    Stale { case: CaseNo },
    #[error("草稿 {draft} 已在另一个窗口修改,两份内容都保留;请重新打开,对照后再保存")]
    StaleDraft { draft: EntryId },
    #[error("目录草稿刚刚被另一个人改过;请重新打开,对照后再保存")]
    StalePackDraft,
    /// Remedy: read the serial again, number again.
    #[error("编号 {scope} 第 {number} 号刚刚被使用;请重试")]
    SerialTaken { scope: String, number: u64 },
    /// Remedy: a new letter of delegation.
    #[error("授权委托书 {number} 刚刚被撤销,本次办理没有记入")]
    DelegationRevoked { number: String },
    #[error("没有{what}")]
    Missing { what: &'static str },
    #[error("{what}已存在")]
    Exists { what: &'static str },
    /// Remedy: free space; nothing was lost, nothing more is taken until then.
    #[error("磁盘已满,本次没有保存;此前保存的都在。请腾出数据盘空间后重试")]
    DiskFull,
    /// Remedy: an operator. The officer is told to keep the paper.
    #[error("数据库出错({what}):{detail};请保留纸质材料,并告知管理员")]
    Broken { what: &'static str, detail: String },
    /// Remedy: the link to those who are awaited.
    #[error(
        "本节点从备份恢复后正在与 {awaited} 核对日志,核对完以前不能办理;草稿照常保存,请检查与 {awaited} 的网络"
    )]
    Recovering { awaited: String },
    /// Remedy: a person says which copy goes on.
    #[error("本节点的另一份拷贝已经接替它,这一份不再办理;如应以这一份为准,请管理员运行 recover --take-over")]
    Superseded,
    #[error("程序正在停止;请稍后重试")]
    Closed,
}

/// What changed in one commit; told to whoever listens, after it is durable.
#[derive(Debug, Clone, Default)]
pub struct Change {
    pub heads: Vec<(JournalId, Position)>,
    /// Nodes or catalogue changed: [`Store::network`] and [`Store::pack`] give the new ones.
    pub reference_data: bool,
    pub cases: Vec<CaseNo>,
    /// Attachments whose bytes have arrived.
    pub attachments: Vec<String>,
    /// Our own journals are not what they were: whoever talks to a neighbour greets anew.
    pub greet_anew: bool,
    /// Neighbours that are greeted anew by whoever talks to them.
    pub greet: Vec<NodeId>,
}

#[async_trait]
pub trait Store: Send + Sync + 'static {
    fn me(&self) -> &NodeId;
    /// All nodes known now.
    fn network(&self) -> Arc<Network>;
    /// A release of the city pack; `None` stands for the newest.
    fn pack(&self, release: Option<u32>) -> Option<(u32, Arc<CityPack>)>;
    /// The texts a release was built from; `None` stands for the newest.
    async fn pack_pieces(&self, release: Option<u32>) -> Result<Pieces, StoreError>;
    /// Writes an audit row about something that changed nothing here: a refusal, a backup.
    async fn note_act(
        &self,
        at: Timestamp,
        actor: &str,
        action: &'static str,
        subject: &str,
    ) -> Result<(), StoreError>;
    /// Letters of delegation known now.
    fn delegations(&self) -> Arc<Delegations>;
    /// Seals published so far.
    fn seals(&self) -> Arc<SealRecords>;
    /// Changes from now on. A listener that falls behind is told so and reads the heads again.
    fn changes(&self) -> tokio::sync::broadcast::Receiver<Change>;

    /// Writes to our own journals, with everything that follows from it, in one durable step.
    ///
    /// # Errors
    /// [`StoreError::Stale`] when the expected version is not the present one.
    async fn append(&self, append: Append) -> Result<Appended, StoreError>;
    /// Takes checked runs from a neighbour; each run stands or falls by itself.
    async fn receive(
        &self,
        peer: &NodeId,
        runs: Vec<CheckedRun>,
        now: Timestamp,
    ) -> Result<Received, StoreError>;
    /// Keeps bytes nobody can use, with the reason, for a person to look at.
    async fn quarantine(&self, item: Quarantined) -> Result<(), StoreError>;

    async fn heads(&self) -> Result<Vec<(JournalId, Position)>, StoreError>;
    /// What is stored of a journal, with the hash just before `seq`.
    async fn stored(&self, journal: &JournalId, seq: u64) -> Result<Stored, StoreError>;
    /// Compares places of neighbours with our own copies.
    async fn compare(
        &self,
        places: Vec<(JournalId, Position)>,
    ) -> Result<Vec<(JournalId, Compared)>, StoreError>;
    /// Set while this node recovers what it once had.
    fn recovery(&self) -> Option<Arc<Recovery>>;
    /// Begins to recover, or widens a recovery that is on; `true` when that changed anything.
    async fn begin_recovery(&self, recovery: Recovery) -> Result<bool, StoreError>;
    /// A neighbour has said how it stands, and whatever it had more of our journals is here. The last one that is awaited
    /// ends the recovery: a new epoch begins, and what was put aside is filed again. `true` when that has happened.
    async fn neighbour_answered(&self, peer: &NodeId, now: Timestamp) -> Result<bool, StoreError>;
    /// A person's word: goes on without these neighbours, or as the copy that counts.
    async fn settle_recovery(
        &self,
        without: Vec<NodeId>,
        take_over: bool,
        now: Timestamp,
    ) -> Result<Option<Arc<Recovery>>, StoreError>;
    /// Up to where a neighbour surely has the same of a journal as we do.
    async fn shared_with(&self, peer: &NodeId, journal: &JournalId) -> Result<Position, StoreError>;
    /// Notes something an operator should know and that needs nothing done; told once.
    async fn note(&self, item: Quarantined) -> Result<(), StoreError>;

    /// When the entry at a place of a journal was written, by its author's clock.
    async fn written_at(&self, journal: &JournalId, seq: u64) -> Result<Option<Timestamp>, StoreError>;
    /// Runs as asked for, each ending with a signed entry.
    async fn load_runs(&self, load: Load) -> Result<Vec<Run>, StoreError>;

    async fn dossier(&self, case: &CaseNo) -> Result<Option<StoredDossier>, StoreError>;
    /// Pages and slips of a case as they stand in the journals, oldest first.
    async fn history(&self, case: &CaseNo) -> Result<Vec<HistoryLine>, StoreError>;
    /// The submission that counts now: of the capture, or of the last resubmission.
    async fn current_submission(&self, case: &CaseNo) -> Result<Option<Page>, StoreError>;
    /// The log that supervision computes from: the pages that count, with the days they are trusted to be of.
    async fn case_log(&self, case: &CaseNo) -> Result<CaseLog, StoreError>;
    /// Cases of which the journals say something new beyond `mark`, and the mark to ask from next time: pages, slips, receipts
    /// that give a village's pages their day, and a release, whose calendar and rules concern every case.
    async fn cases_since(&self, mark: Mark) -> Result<(BTreeSet<CaseNo>, Mark), StoreError>;
    /// How far a job of this node has read the journals; empty before its first run.
    async fn mark(&self, job: &'static str) -> Result<Mark, StoreError>;
    async fn put_mark(&self, job: &'static str, mark: Mark) -> Result<(), StoreError>;
    async fn alerts(&self, query: AlertQuery) -> Result<Vec<AlertLine>, StoreError>;
    /// All that are open within a jurisdiction, counted by who is answerable and how loud they are.
    async fn open_alerts(&self, within: Jurisdiction) -> Result<Vec<OpenAlerts>, StoreError>;
    async fn alert(&self, case: &CaseNo, key: &str) -> Result<Option<Alert>, StoreError>;
    /// The case that the act with this id was about.
    async fn case_of_request(&self, id: EntryId) -> Result<Option<CaseNo>, StoreError>;
    async fn cases(&self, query: CaseQuery) -> Result<Vec<CaseLine>, StoreError>;
    /// How many a query would list in all, up to its limit.
    async fn count_cases(&self, query: CaseQuery) -> Result<u64, StoreError>;
    async fn tasks(&self, query: TaskQuery) -> Result<Vec<TaskLine>, StoreError>;
    async fn counts(&self) -> Result<Counts, StoreError>;
    /// Last receipts for a journal's author, by the node that gave them.
    async fn custody(&self, author: &NodeId) -> Result<Vec<CustodyLine>, StoreError>;
    /// Those that wait for a person first, then the others, each the newest first; a bounded number.
    async fn incidents(&self) -> Result<Vec<Incident>, StoreError>;
    /// A person has looked at it and says what became of it. The incident stays; it counts no more as open.
    ///
    /// # Errors
    /// [`StoreError::Missing`] of one that is not there, or was settled before.
    async fn settle_incident(&self, no: u64, by: &str, note: &str, now: Timestamp) -> Result<(), StoreError>;
    /// All links greet anew, or that of one neighbour: what was refused, given up or waits is offered and asked for again.
    async fn try_again(&self, by: &str, peer: Option<NodeId>, now: Timestamp) -> Result<(), StoreError>;
    /// What this node has of the cases that `origin` captured among the first `seq` entries of its journal.
    async fn captured_through(&self, origin: &NodeId, seq: u64) -> Result<u64, StoreError>;
    /// When `by` first said that it has more of the journal of `author` than `seq` entries.
    async fn receipted_beyond(
        &self,
        author: &NodeId,
        by: &NodeId,
        seq: u64,
    ) -> Result<Option<Timestamp>, StoreError>;
    /// Open incidents about the journals of `author`.
    async fn incidents_about(&self, author: &NodeId) -> Result<u64, StoreError>;

    /// Drafts of one officer, or of everybody at this counter; the newest first.
    async fn drafts(&self, officer: Option<&str>) -> Result<Vec<Draft>, StoreError>;
    /// Drafts that nobody has saved since, the oldest first.
    async fn drafts_untouched_since(&self, at: Timestamp, limit: u32) -> Result<Vec<Draft>, StoreError>;
    async fn draft(&self, id: EntryId) -> Result<Option<Draft>, StoreError>;
    /// Takes a draft away that nobody wants any more; `actor` stands in the audit for it.
    ///
    /// # Errors
    /// [`StoreError::StaleDraft`] when somebody saved after `version` (I23).
    async fn drop_draft(
        &self,
        id: EntryId,
        version: u32,
        at: Timestamp,
        actor: &str,
    ) -> Result<(), StoreError>;
    /// What the next release of the catalogue shall change; the hub's alone.
    async fn pack_draft(&self) -> Result<PackDraft, StoreError>;
    /// Saves over version `draft.version`; a draft without pieces is none. `action` is what the audit calls it.
    ///
    /// # Errors
    /// [`StoreError::StalePackDraft`] when somebody saved in between.
    async fn save_pack_draft(&self, draft: PackDraft, action: &'static str) -> Result<(), StoreError>;
    /// Applications from the citizens' hall that this node knows of.
    async fn applications(&self, query: ApplicationQuery) -> Result<Vec<ApplicationLine>, StoreError>;
    /// Saves over version `draft.version`; 0 makes a new one. Returns the new version.
    ///
    /// # Errors
    /// [`StoreError::StaleDraft`] when somebody saved in between (I23).
    async fn save_draft(&self, draft: Draft) -> Result<u32, StoreError>;

    /// Attachments of cases from `origins` whose bytes are not here yet.
    async fn wanted_attachments(
        &self,
        origins: Vec<NodeId>,
        limit: u32,
    ) -> Result<Vec<WantedAttachment>, StoreError>;
    async fn attachment_arrived(&self, hash: &str) -> Result<(), StoreError>;
    /// Attachments that are here and that the parent has not said it has, after `after`, in the order in which they came.
    async fn unconfirmed_attachments(&self, after: u64, limit: u32)
    -> Result<Vec<(u64, String)>, StoreError>;
    /// The parent said that it has this one.
    async fn attachment_confirmed(&self, hash: &str) -> Result<(), StoreError>;
    /// The parent asked for it: whatever it said before, it has it no longer.
    async fn attachment_asked_for(&self, hash: &str) -> Result<(), StoreError>;

    async fn account(&self, name: &str) -> Result<Option<Account>, StoreError>;
    async fn accounts(&self) -> Result<Vec<Account>, StoreError>;
    /// Adds an account or changes it; whatever was opened with what it was before ends. `by` is who did it. An account without a
    /// secret keeps the one it had, and the codes used of it stay used.
    async fn put_account(&self, account: Account, by: &str, now: Timestamp) -> Result<(), StoreError>;
    /// Changes one thing about an account; its log-ins end.
    ///
    /// # Errors
    /// [`StoreError::Missing`] of an unknown account.
    async fn change_account(
        &self,
        name: &str,
        change: AccountChange,
        by: &str,
        now: Timestamp,
    ) -> Result<(), StoreError>;
    /// # Errors
    /// [`StoreError::Missing`] when the code was used before.
    async fn open_login(&self, login: Login) -> Result<(), StoreError>;
    /// A code proves one thing once.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when it, or a later one, was used before.
    async fn use_code(&self, account: &str, step: u64) -> Result<(), StoreError>;
    /// The log-in behind a token, unless it has expired or its account was disabled.
    async fn session(&self, token_hash: &str, now: Timestamp) -> Result<Option<Session>, StoreError>;
    /// Somebody is still there.
    async fn touch_login(&self, token_hash: &str, now: Timestamp) -> Result<(), StoreError>;
    async fn close_login(&self, token_hash: &str) -> Result<(), StoreError>;
    /// Ends all log-ins of an account.
    async fn close_logins(&self, account: &str) -> Result<(), StoreError>;

    /// Keeps an act until a second person has signed it.
    async fn put_countersign(&self, countersign: Countersign) -> Result<(), StoreError>;
    async fn countersigns(&self, limit: u32) -> Result<Vec<Countersign>, StoreError>;
    async fn countersign(&self, id: EntryId) -> Result<Option<Countersign>, StoreError>;
    /// Marks it done, once.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when it is not there or was done before.
    async fn take_countersign(
        &self,
        id: EntryId,
        by: &str,
        now: Timestamp,
    ) -> Result<Countersign, StoreError>;

    /// The act could not be done after all: it waits for its second signature again. `reason` goes into the audit.
    async fn reopen_countersign(
        &self,
        id: EntryId,
        by: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// What an act made is told to its proposer, once.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when it is not done yet, or was told before.
    async fn collect_countersign(&self, id: EntryId, by: &str, now: Timestamp) -> Result<(), StoreError>;

    /// Whether a case is here and within a jurisdiction. Of one that is not, nobody learns which of the two it is (I36).
    async fn reaches(&self, case: &CaseNo, within: &Jurisdiction) -> Result<bool, StoreError>;
    async fn audit_rows(&self, query: AuditQuery) -> Result<AuditFound, StoreError>;
    /// Rows after a number, oldest first: for an export in pieces.
    async fn audit_after(&self, seq: u64, limit: u32) -> Result<Vec<AuditRow>, StoreError>;
    /// Signs with the key of our journals what is not an entry. The hash must be of a text that says what it is.
    fn attest(&self, hash: &replication::Hash) -> replication::Signature;
    /// The newest head of our own audit that stands in our journal.
    async fn anchored_audit(&self) -> Result<Option<AuditHead>, StoreError>;

    /// The newest trust bundle that the hub has published and that has come here.
    fn trust_bundle(&self) -> Option<Arc<domain::trust_bundle::TrustBundle>>;
    /// As [`Store::trust_bundle`], read from the disk: another process (the command line) may have published one.
    async fn read_trust_bundle(&self) -> Result<Option<Arc<domain::trust_bundle::TrustBundle>>, StoreError>;
    /// How the nodes below stand: one look for the whole list of them, however busy the node is.
    async fn standings(&self) -> Result<Standings, StoreError>;
    /// Node records told at enrolment, so that the first session knows its peer; the hub's journal confirms them.
    async fn seed_nodes(&self, records: Vec<domain::network::NodeRecord>) -> Result<(), StoreError>;
    async fn put_enrolment(&self, enrolment: Enrolment) -> Result<(), StoreError>;
    /// Tokens that were neither used nor taken back and are still good, the newest first.
    async fn open_enrolments(&self, now: Timestamp) -> Result<Vec<Enrolment>, StoreError>;
    /// Takes a token back.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when it is no longer open.
    async fn void_enrolment(&self, secret_hash: &str, by: &str, now: Timestamp) -> Result<(), StoreError>;
    async fn enrolment(&self, secret_hash: &str) -> Result<Option<Enrolment>, StoreError>;

    /// What a neighbour confirmed of the journals that flow to it. Noted with some delay: too little is honest, too much is not.
    async fn note_confirmed(&self, peer: &NodeId, confirmed: Vec<(JournalId, u64)>)
    -> Result<(), StoreError>;
    async fn confirmed(&self, peer: &NodeId) -> Result<Vec<(JournalId, u64)>, StoreError>;
    /// The last number taken in a scope; 0 before the first. [`Append::takes_serials`] takes the next.
    async fn last_serial(&self, scope: &str) -> Result<u64, StoreError>;
    /// What the library holds of a person under a licence type, oldest case first, each with all that was published about it.
    async fn library_of(&self, person: &str, licence: &str) -> Result<Vec<FiledLicence>, StoreError>;
    async fn licence(&self, number: &LicenceNo) -> Result<Option<FiledLicence>, StoreError>;
    /// Cases that wait for the library's answer here.
    async fn library_asked(&self, limit: u32) -> Result<Vec<CaseNo>, StoreError>;
    /// How the cases taken in since then were rated, by item and grade; each case once.
    async fn ratings(&self, since: Timestamp, within: Jurisdiction) -> Result<Vec<RatingCount>, StoreError>;
    /// Badly rated matters with what was said about each, oldest first; of one case, or of all.
    async fn rectifications(&self, case: Option<CaseNo>) -> Result<Vec<Rectification>, StoreError>;
    /// The case in which this person's commitment turned out untrue, if there is one. Persons are kept as keyed hashes.
    async fn breach_of(&self, person: &str) -> Result<Option<CaseNo>, StoreError>;
    /// Cases of the person (or body) with this number, the newest first, as far as they are listed; see [`Store::list_persons`].
    /// What its town has not taken in yet is no case.
    async fn cases_of_person(&self, number: &str, limit: u32) -> Result<Vec<CaseNo>, StoreError>;
    /// Lists the next cases under their persons, a bounded number at once; `false` when all are listed.
    async fn list_persons(&self) -> Result<bool, StoreError>;
    /// The numbers taken here on a day, in no order that means anything.
    async fn tickets(&self, day: Day) -> Result<Vec<Ticket>, StoreError>;
    /// Carries out an order on the tickets of the day of `now`, in one step: no two windows are given the same number.
    async fn act_on_tickets(
        &self,
        order: ticket::Order,
        request: EntryId,
        by: &str,
        now: Timestamp,
    ) -> Result<Result<Ticket, ticket::Refusal>, StoreError>;
    /// The pages that this node wrote on a day, those of one journal in their order.
    async fn pages_of_day(&self, day: Day) -> Result<Vec<Page>, StoreError>;
    async fn note_contact(&self, contact: Contact) -> Result<(), StoreError>;
    /// A node was given a certificate that is good so long; links that stand do not show it.
    async fn note_certificate(&self, node: &NodeId, until: Timestamp) -> Result<(), StoreError>;
    async fn contacts(&self) -> Result<Vec<Contact>, StoreError>;
}

/// Something in the licence library, and every change of its state that was published.
pub type FiledLicence = (Filed, Vec<StateChange>);

/// A dossier with what this node knows around it.
#[derive(Debug, Clone)]
pub struct StoredDossier {
    pub dossier: Dossier,
    /// Attachments declared but not yet here (I5).
    pub missing_attachments: u32,
    /// Where the first page stands in the journal `up` of the dossier's origin: what receipts are compared with.
    pub captured_seq: u64,
    /// Where the last stands that was written about it in the same journal.
    pub last_seq: u64,
    pub receipts: domain::clock::Receipts,
    /// Pages that wait for a predecessor, are late, or cannot stand.
    pub held: u32,
}

/// As lists show it.
impl From<StoredDossier> for CaseLine {
    fn from(stored: StoredDossier) -> CaseLine {
        let StoredDossier { dossier, missing_attachments, captured_seq, .. } = stored;
        CaseLine {
            status: dossier.status(),
            case: dossier.case,
            item: dossier.item,
            origin: dossier.origin,
            holder: dossier.holder,
            applicant: dossier.applicant,
            captured_at: dossier.captured_at,
            captured_seq,
            pages: dossier.pages,
            missing_attachments,
        }
    }
}
