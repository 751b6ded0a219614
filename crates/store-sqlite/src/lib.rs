//! The embedded engine: one SQLite file, one writer that commits all waiting work at once, a few readers.
//!
//! Heads are always read inside the transaction that moves them, never cached, so that a second process (an import on
//! the command line) cannot make this one write a wrong chain. Not here: what a page means (`domain`), how runs are
//! checked (`replication`).

mod accounts;
mod audit;
pub mod backup;
pub mod blobs;
mod checkpoint;
mod days;
mod error;
mod executor;
mod incidents;
mod journals;
mod known;
mod library;
mod log;
mod marks;
mod people;
mod project;
mod queries;
mod reconcile;
mod schema;
mod supervision;

use async_trait::async_trait;
use domain::access::Jurisdiction;
use domain::delegation::Delegations;
use domain::dossier::Page;
use domain::network::Network;
use domain::pack::CityPack;
use domain::paper::SealRecords;
use domain::rating::Rectification;
use domain::supervision::{Alert, CaseLog};
use domain::ticket::{self, Ticket};
use domain::trust_bundle::TrustBundle;
use domain::{CaseNo, Day, EntryId, LicenceNo, NodeId, Timestamp};
use error::Broken;
use executor::Executor;
use journals::Arrived;
use known::Known;
use replication::epoch::Compared;
use replication::session::Load;
use replication::{CheckedRun, JournalId, Position, Run, RunFault, Sign, Stored};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use store::*;
use vault::DataKey;
use zeroize::Zeroizing;

/// Oldest SQLite whose WAL is known to be sound; the bundled one is newer.
const OLDEST_SQLITE: i32 = 3_051_003;
const PAGE_BYTES: i64 = 8192;
/// How long one process waits for another that writes to the same database.
const BUSY_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);
/// Listeners that fall further behind than this read the heads again.
const CHANGES_KEPT: usize = 1024;

/// Who the node is: the author of everything it appends.
#[derive(Clone)]
pub struct Identity {
    pub node: NodeId,
    /// Division code the node speaks for.
    pub area: String,
    pub signer: Arc<dyn Sign>,
    /// Memory for the writer's pages. A node that takes in cases under random numbers from many villages writes pages
    /// twice when its indexes do not fit.
    pub page_cache_kib: u32,
    /// Opens the database, where it lies encrypted.
    pub key: Option<DataKey>,
}

impl Identity {
    /// A village has one officer who records one case at a time, and its PC little memory.
    fn is_busy(&self) -> bool {
        self.page_cache_kib > VILLAGE_CACHE_KIB
    }
}

/// Page cache of a village on an old PC: it writes one case at a time.
pub const VILLAGE_CACHE_KIB: u32 = 2 * 1024;
/// Page cache of a town or the hub.
pub const CENTRE_CACHE_KIB: u32 = 8 * 1024;

pub struct SqliteStore {
    identity: Identity,
    executor: Executor,
    known: Arc<RwLock<Arc<Known>>>,
    changes: tokio::sync::broadcast::Sender<Change>,
}

impl SqliteStore {
    /// Opens (or makes) the database in `folder` with its own writer thread.
    ///
    /// # Errors
    /// [`StoreError::Broken`] when the file is damaged, of a newer version, or cannot be written.
    pub fn open(folder: &Path, identity: Identity) -> Result<SqliteStore, StoreError> {
        std::fs::create_dir_all(folder)
            .map_err(|e| StoreError::Broken { what: "create the data folder", detail: e.to_string() })?;
        let path = Self::path(folder);
        let connection = connect(&path, identity.key.as_ref())?;
        let cache = -i64::from(identity.page_cache_kib);
        connection.pragma_update(None, "cache_size", cache).broken("bound the page cache")?;
        let (key, busy) = (identity.key.clone(), identity.is_busy());
        Self::assemble(connection, identity, |connection, writing| {
            Executor::threaded(connection, &path, key.as_ref(), busy, writing)
        })
    }

    /// Everything on the caller's thread, for a simulation that must replay. The connection outlives a simulated crash.
    ///
    /// # Errors
    /// As [`SqliteStore::open`].
    pub fn open_inline(connection: Connection, identity: Identity) -> Result<SqliteStore, StoreError> {
        Self::assemble(connection, identity, |connection, writing| Ok(Executor::inline(connection, writing)))
    }

    fn assemble(
        mut connection: Connection,
        identity: Identity,
        executor: impl FnOnce(Connection, executor::Writing) -> Result<Executor, StoreError>,
    ) -> Result<SqliteStore, StoreError> {
        steady(&connection)?;
        schema::migrate(&mut connection)?;
        project::bring_up_to_date(&mut connection, &identity)?;
        let known = Arc::new(RwLock::new(Arc::new(Known::load(&connection, None)?)));
        let (changes, _) = tokio::sync::broadcast::channel(CHANGES_KEPT);
        let writing = executor::Writing { known: known.clone(), changes: changes.clone() };
        Ok(SqliteStore { identity, executor: executor(connection, writing)?, known, changes })
    }

    pub fn path(folder: &Path) -> PathBuf {
        folder.join("tongban.db")
    }

    /// Gives the connection back, as a crash leaves the disk behind. Only for an inline store.
    pub fn into_connection(self) -> Option<Connection> {
        self.executor.into_connection()
    }

    /// Builds all projections anew from the journals, in one step (I10).
    ///
    /// # Errors
    /// [`StoreError`]; the old projections stay.
    pub async fn rebuild(&self, now: Timestamp) -> Result<(), StoreError> {
        let me = self.identity.clone();
        self.executor.write("rebuild projections", move |work| project::rebuild(work, &me, now)).await
    }

    /// A hash over all dossiers as folded here: equal wherever the same journals were read.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be read.
    pub async fn state_hash(&self) -> Result<String, StoreError> {
        self.executor.read(queries::state_hash).await
    }

    /// Checks the chain of every journal and of the audit table; `keys` checks the signed heads. Lists what is wrong.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be read at all.
    pub async fn verify_log(&self, keys: Arc<dyn replication::Verify>) -> Result<VerifyReport, StoreError> {
        let me = self.identity.node.clone();
        self.executor.read(move |connection| journals::verify(connection, &me, &*keys)).await
    }

    async fn receive_some(
        &self,
        peer: &NodeId,
        runs: &Arc<Vec<Arrived>>,
        range: std::ops::Range<usize>,
        now: Timestamp,
    ) -> Result<Received, StoreError> {
        let (me, peer, runs) = (self.identity.clone(), peer.clone(), runs.clone());
        let receive = move |work: &mut executor::Work<'_>| {
            journals::receive(work, &me, &peer, &runs[range.clone()], now)
        };
        self.executor.write("receive", receive).await
    }

    /// The database refused something in one of these runs: the others are not to suffer for it (I14).
    async fn receive_one_by_one(
        &self,
        peer: &NodeId,
        runs: &Arc<Vec<Arrived>>,
        now: Timestamp,
    ) -> Result<Received, StoreError> {
        let mut all = Received::default();
        for (index, run) in runs.iter().enumerate() {
            match self.receive_some(peer, runs, index..index + 1, now).await {
                Ok(Received { positions, faults, stored }) => {
                    all.positions.extend(positions);
                    all.faults.extend(faults);
                    all.stored += stored;
                }
                Err(error @ StoreError::Broken { .. }) => {
                    tracing::error!(%error, journal = %run.journal(), "a run could not be stored; it will be asked for again");
                    all.faults.push((run.journal().clone(), RunFault::Storage));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(all)
    }

    fn known(&self) -> Arc<Known> {
        self.known.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }
}

/// What `verify-log` found.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct VerifyReport {
    pub journals: u64,
    pub entries: u64,
    pub signatures: u64,
    pub audit_rows: u64,
    pub faults: Vec<String>,
}

/// Opens the file with the settings every connection that writes must have.
///
/// # Errors
/// [`StoreError::Broken`] when it is not a database or cannot be written.
pub fn connect(path: &Path, key: Option<&DataKey>) -> Result<Connection, StoreError> {
    let connection = Connection::open(path).broken("open the database")?;
    unlock(&connection, key)?;
    configure(&connection)?;
    Ok(connection)
}

/// Opens the file for reading alone.
///
/// # Errors
/// [`StoreError::Broken`] when it is not a database that `key` opens.
pub fn look_into(path: &Path, key: Option<&DataKey>) -> Result<Connection, StoreError> {
    // Used by one thread at a time, as every connection here: it needs no locks of its own.
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).broken("open the database")?;
    unlock(&connection, key)?;
    connection.busy_timeout(BUSY_TIMEOUT).broken("set the busy timeout")?;
    Ok(connection)
}

/// What SQLite says of the file's structure: `ok`, or the first fault.
///
/// # Errors
/// [`StoreError::Broken`] when it cannot be read at all.
pub fn quick_check(path: &Path, key: Option<&DataKey>) -> Result<String, StoreError> {
    look_into(path, key)?
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .broken("check the database")
}

/// Gives a connection the key, before anything touches the file.
///
/// # Source
/// SQLCipher: AES-256-CBC with HMAC-SHA512 on every page of the database, its log and its journal. The key is random already, so
/// it is given raw and not stretched.
fn unlock(connection: &Connection, key: Option<&DataKey>) -> Result<(), StoreError> {
    let Some(key) = key else { return Ok(()) };
    // It would write on its own to standard error what the caller is told as an error.
    connection.execute_batch("PRAGMA cipher_log_level = NONE").broken("unlock the database")?;
    let raw = Zeroizing::new(format!("x'{}'", *key.database()));
    connection.pragma_update(None, "key", raw.as_str()).broken("unlock the database")?;
    connection.pragma_update(None, "cipher_page_size", PAGE_BYTES).broken("unlock the database")?;
    let looked = connection.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get::<_, i64>(0));
    looked.map(drop).broken("unlock the database")
}

/// # Errors
/// [`StoreError::Broken`] when the file is not a database.
pub fn configure(connection: &Connection) -> Result<(), StoreError> {
    if rusqlite::version_number() < OLDEST_SQLITE {
        return Err(StoreError::Broken {
            what: "check the SQLite version",
            detail: rusqlite::version().to_owned(),
        });
    }
    connection.pragma_update(None, "page_size", PAGE_BYTES).broken("set the page size")?;
    connection.pragma_update(None, "journal_mode", "WAL").broken("switch to write-ahead logging")?;
    connection.pragma_update(None, "synchronous", "FULL").broken("ask for full synchronisation")?;
    connection.pragma_update(None, "mmap_size", 0).broken("turn memory mapping off")?;
    connection.pragma_update(None, "cache_size", -2048).broken("bound the page cache")?;
    // In a drain a checkpoint every few hundred cases would cost more than the commits. A node's writer looks after its log itself
    // (`log`); this is for the command line.
    connection
        .pragma_update(None, "wal_autocheckpoint", checkpoint::STEP_PAGES)
        .broken("space the checkpoints")?;
    // What undoing a savepoint needs: it never outlives the transaction, so it need not be a file.
    connection.pragma_update(None, "temp_store", "MEMORY").broken("keep temporary pages in memory")?;
    connection.busy_timeout(BUSY_TIMEOUT).broken("set the busy timeout")?;
    steady(connection)
}

/// Statements stay prepared: without this SQLite plans every one that holds a `LIMIT ?` or a `LIKE ?` anew each time it is bound,
/// which cost more than a third of all the time spent in it.
fn steady(connection: &Connection) -> Result<(), StoreError> {
    connection.set_prepared_statement_cache_capacity(128);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).broken("keep plans as they are")?;
    Ok(())
}

#[async_trait]
impl Store for SqliteStore {
    fn me(&self) -> &NodeId {
        &self.identity.node
    }
    fn network(&self) -> Arc<Network> {
        self.known().network.clone()
    }
    fn pack(&self, release: Option<u32>) -> Option<(u32, Arc<CityPack>)> {
        self.known().pack(release)
    }
    fn delegations(&self) -> Arc<Delegations> {
        self.known().delegations.clone()
    }
    fn seals(&self) -> Arc<SealRecords> {
        self.known().seals.clone()
    }
    fn attest(&self, hash: &replication::Hash) -> replication::Signature {
        self.identity.signer.sign(hash)
    }
    fn changes(&self) -> tokio::sync::broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    async fn pack_pieces(&self, release: Option<u32>) -> Result<domain::pack::Pieces, StoreError> {
        self.executor.read(move |sql| known::pieces(sql, release)).await
    }
    async fn note_act(
        &self,
        at: Timestamp,
        actor: &str,
        action: &'static str,
        subject: &str,
    ) -> Result<(), StoreError> {
        let (actor, subject) = (actor.to_owned(), subject.to_owned());
        self.executor
            .write("note an act", move |work| audit::record(work.sql, at, &actor, action, &subject))
            .await
    }

    async fn append(&self, append: Append) -> Result<Appended, StoreError> {
        let me = self.identity.clone();
        self.executor.write("append", move |work| journals::append(work, &me, append)).await
    }
    async fn receive(
        &self,
        peer: &NodeId,
        runs: Vec<CheckedRun>,
        now: Timestamp,
    ) -> Result<Received, StoreError> {
        let runs: Arc<Vec<Arrived>> = Arc::new(runs.into_iter().map(Arrived::read).collect());
        match self.receive_some(peer, &runs, 0..runs.len(), now).await {
            Err(error @ StoreError::Broken { .. }) if runs.len() > 1 => {
                tracing::warn!(%error, %peer, "a batch could not be stored as one; run by run now");
                self.receive_one_by_one(peer, &runs, now).await
            }
            outcome => outcome,
        }
    }
    async fn quarantine(&self, item: Quarantined) -> Result<(), StoreError> {
        self.executor.write("quarantine", move |work| journals::quarantine(work.sql, &item)).await
    }

    async fn heads(&self) -> Result<Vec<(JournalId, Position)>, StoreError> {
        self.executor.read_briefly(journals::heads).await
    }
    async fn compare(
        &self,
        places: Vec<(JournalId, Position)>,
    ) -> Result<Vec<(JournalId, Compared)>, StoreError> {
        self.executor.read_briefly(move |sql| journals::compare(sql, places)).await
    }
    fn recovery(&self) -> Option<Arc<Recovery>> {
        self.known().recovery.clone()
    }
    async fn begin_recovery(&self, recovery: Recovery) -> Result<bool, StoreError> {
        self.executor.write("begin a recovery", move |work| journals::begin(work, recovery)).await
    }
    async fn neighbour_answered(&self, peer: &NodeId, now: Timestamp) -> Result<bool, StoreError> {
        let (me, peer) = (self.identity.clone(), peer.clone());
        self.executor.write("recover", move |work| journals::answered(work, &me, &peer, now)).await
    }
    async fn settle_recovery(
        &self,
        without: Vec<NodeId>,
        take_over: bool,
        now: Timestamp,
    ) -> Result<Option<Arc<Recovery>>, StoreError> {
        let me = self.identity.clone();
        let settle =
            move |work: &mut executor::Work<'_>| journals::settle(work, &me, &without, take_over, now);
        self.executor.write("settle a recovery", settle).await
    }
    async fn shared_with(&self, peer: &NodeId, journal: &JournalId) -> Result<Position, StoreError> {
        self.executor.read_briefly(|sql| journals::shared_with(sql, peer, journal)).await
    }
    async fn note(&self, item: Quarantined) -> Result<(), StoreError> {
        self.executor.write("note a remark", move |work| journals::note(work.sql, &item)).await
    }
    async fn written_at(&self, journal: &JournalId, seq: u64) -> Result<Option<Timestamp>, StoreError> {
        let journal = journal.clone();
        self.executor.read_briefly(move |sql| journals::written_at(sql, &journal, seq)).await
    }
    async fn stored(&self, journal: &JournalId, seq: u64) -> Result<Stored, StoreError> {
        let journal = journal.clone();
        self.executor.read_briefly(move |sql| journals::stored(sql, &journal, seq)).await
    }
    async fn load_runs(&self, load: Load) -> Result<Vec<Run>, StoreError> {
        self.executor.read_briefly(move |sql| journals::load_runs(sql, &load)).await
    }

    async fn dossier(&self, case: &CaseNo) -> Result<Option<StoredDossier>, StoreError> {
        let network = self.network();
        self.executor.read_briefly(|sql| queries::dossier(sql, &network, case)).await
    }
    async fn history(&self, case: &CaseNo) -> Result<Vec<HistoryLine>, StoreError> {
        let case = case.clone();
        self.executor.read(move |sql| queries::history(sql, &case)).await
    }
    async fn current_submission(&self, case: &CaseNo) -> Result<Option<Page>, StoreError> {
        let case = case.clone();
        self.executor.read_briefly(move |sql| queries::current_submission(sql, &case)).await
    }
    async fn case_log(&self, case: &CaseNo) -> Result<CaseLog, StoreError> {
        let (network, case) = (self.network(), case.clone());
        self.executor.read(move |sql| supervision::case_log(sql, &network, &case)).await
    }
    async fn cases_since(&self, mark: Mark) -> Result<(BTreeSet<CaseNo>, Mark), StoreError> {
        self.executor.read(move |sql| marks::cases_since(sql, &mark)).await
    }
    async fn mark(&self, job: &'static str) -> Result<Mark, StoreError> {
        self.executor.read(move |sql| marks::mark(sql, job)).await
    }
    async fn put_mark(&self, job: &'static str, mark: Mark) -> Result<(), StoreError> {
        self.executor.write("note a mark", move |work| marks::put(work.sql, job, &mark)).await
    }
    async fn alerts(&self, query: AlertQuery) -> Result<Vec<AlertLine>, StoreError> {
        self.executor.read(move |sql| supervision::alerts(sql, &query)).await
    }
    async fn open_alerts(&self, within: Jurisdiction) -> Result<Vec<OpenAlerts>, StoreError> {
        self.executor.read(move |sql| supervision::open_alerts(sql, &within)).await
    }
    async fn alert(&self, case: &CaseNo, key: &str) -> Result<Option<Alert>, StoreError> {
        self.executor.read_briefly(|sql| supervision::alert(sql, case, key)).await
    }
    async fn case_of_request(&self, id: EntryId) -> Result<Option<CaseNo>, StoreError> {
        self.executor.read_briefly(move |sql| queries::case_of_request(sql, id)).await
    }
    async fn cases(&self, query: CaseQuery) -> Result<Vec<CaseLine>, StoreError> {
        self.executor.read(move |sql| queries::cases(sql, &query)).await
    }
    async fn count_cases(&self, query: CaseQuery) -> Result<u64, StoreError> {
        self.executor.read(move |sql| queries::count_cases(sql, &query)).await
    }
    async fn tasks(&self, query: TaskQuery) -> Result<Vec<TaskLine>, StoreError> {
        self.executor.read(move |sql| queries::tasks(sql, &query)).await
    }
    async fn counts(&self) -> Result<Counts, StoreError> {
        self.executor.read(queries::counts).await
    }
    async fn custody(&self, author: &NodeId) -> Result<Vec<CustodyLine>, StoreError> {
        let author = author.clone();
        self.executor.read_briefly(move |sql| queries::custody(sql, &author)).await
    }
    async fn incidents(&self) -> Result<Vec<Incident>, StoreError> {
        self.executor.read(incidents::list).await
    }
    async fn settle_incident(&self, no: u64, by: &str, note: &str, now: Timestamp) -> Result<(), StoreError> {
        let (by, note) = (by.to_owned(), note.to_owned());
        let settle = move |work: &mut executor::Work<'_>| incidents::settle(work.sql, no, &by, &note, now);
        self.executor.write("settle an incident", settle).await
    }
    async fn try_again(&self, by: &str, peer: Option<NodeId>, now: Timestamp) -> Result<(), StoreError> {
        let by = by.to_owned();
        let again = move |work: &mut executor::Work<'_>| {
            audit::record(work.sql, now, &by, "try-again", peer.as_ref().map_or("", NodeId::as_str))?;
            work.change.greet_anew = peer.is_none();
            work.change.greet.extend(peer.clone());
            Ok(())
        };
        self.executor.write("try again", again).await
    }

    async fn captured_through(&self, origin: &NodeId, seq: u64) -> Result<u64, StoreError> {
        self.executor.read_briefly(|sql| reconcile::captured_through(sql, origin, seq)).await
    }
    async fn receipted_beyond(
        &self,
        author: &NodeId,
        by: &NodeId,
        seq: u64,
    ) -> Result<Option<Timestamp>, StoreError> {
        self.executor.read_briefly(|sql| reconcile::receipted_beyond(sql, author, by, seq)).await
    }
    async fn incidents_about(&self, author: &NodeId) -> Result<u64, StoreError> {
        self.executor.read_briefly(|sql| reconcile::incidents_about(sql, author)).await
    }

    async fn drafts(&self, officer: Option<&str>) -> Result<Vec<Draft>, StoreError> {
        let officer = officer.map(str::to_owned);
        self.executor.read(move |sql| people::drafts(sql, officer.as_deref())).await
    }
    async fn drafts_untouched_since(&self, at: Timestamp, limit: u32) -> Result<Vec<Draft>, StoreError> {
        self.executor.read(move |sql| people::drafts_untouched_since(sql, at, limit)).await
    }
    async fn draft(&self, id: EntryId) -> Result<Option<Draft>, StoreError> {
        self.executor.read_briefly(move |sql| people::draft(sql, id)).await
    }
    async fn drop_draft(
        &self,
        id: EntryId,
        version: u32,
        at: Timestamp,
        actor: &str,
    ) -> Result<(), StoreError> {
        let actor = actor.to_owned();
        let gone = move |work: &mut executor::Work<'_>| {
            people::consume_draft(work.sql, id, version)?;
            audit::record(work.sql, at, &actor, "drop draft", &id.to_string())
        };
        self.executor.write("drop draft", gone).await
    }
    async fn applications(&self, query: ApplicationQuery) -> Result<Vec<ApplicationLine>, StoreError> {
        self.executor.read(move |sql| project::applications(sql, &query)).await
    }
    async fn save_draft(&self, draft: Draft) -> Result<u32, StoreError> {
        self.executor.write("save draft", move |work| people::save_draft(work.sql, &draft)).await
    }

    async fn pack_draft(&self) -> Result<PackDraft, StoreError> {
        self.executor.read_briefly(people::pack_draft).await
    }
    async fn save_pack_draft(&self, draft: PackDraft, action: &'static str) -> Result<(), StoreError> {
        let save = move |work: &mut executor::Work<'_>| people::save_pack_draft(work.sql, &draft, action);
        self.executor.write("save draft", save).await
    }
    async fn wanted_attachments(
        &self,
        origins: Vec<NodeId>,
        limit: u32,
    ) -> Result<Vec<WantedAttachment>, StoreError> {
        self.executor.read(move |sql| queries::wanted_attachments(sql, &origins, limit)).await
    }
    async fn attachment_arrived(&self, hash: &str) -> Result<(), StoreError> {
        let (hash, me) = (hash.to_owned(), self.identity.node.clone());
        let arrived = self.executor.write("attachment arrived", move |work| {
            work.change.attachments.push(hash.clone());
            project::attachment_arrived(work, &me, &hash)
        });
        arrived.await
    }
    async fn unconfirmed_attachments(
        &self,
        after: u64,
        limit: u32,
    ) -> Result<Vec<(u64, String)>, StoreError> {
        self.executor.read_briefly(move |sql| queries::unconfirmed_attachments(sql, after, limit)).await
    }
    async fn attachment_confirmed(&self, hash: &str) -> Result<(), StoreError> {
        let hash = hash.to_owned();
        self.executor.write("attachment confirmed", move |work| project::confirmed(work.sql, &hash)).await
    }
    async fn attachment_asked_for(&self, hash: &str) -> Result<(), StoreError> {
        let hash = hash.to_owned();
        self.executor.write("attachment asked for", move |work| project::on_its_way(work.sql, &hash)).await
    }

    async fn account(&self, name: &str) -> Result<Option<Account>, StoreError> {
        self.executor.read_briefly(|sql| accounts::account(sql, name)).await
    }
    async fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        self.executor.read(accounts::accounts).await
    }
    async fn put_account(&self, account: Account, by: &str, now: Timestamp) -> Result<(), StoreError> {
        let by = by.to_owned();
        let put = move |work: &mut executor::Work<'_>| accounts::put_account(work.sql, &account, &by, now);
        self.executor.write("store account", put).await
    }
    async fn change_account(
        &self,
        name: &str,
        change: AccountChange,
        by: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (name, by) = (name.to_owned(), by.to_owned());
        let change =
            move |work: &mut executor::Work<'_>| accounts::change_account(work.sql, &name, &change, &by, now);
        self.executor.write("change account", change).await
    }
    async fn open_login(&self, login: Login) -> Result<(), StoreError> {
        self.executor.write("open login", move |work| accounts::open_login(work.sql, &login)).await
    }
    async fn use_code(&self, account: &str, step: u64) -> Result<(), StoreError> {
        let account = account.to_owned();
        self.executor.write("use a code", move |work| accounts::use_code(work.sql, &account, step)).await
    }
    async fn session(&self, token_hash: &str, now: Timestamp) -> Result<Option<Session>, StoreError> {
        self.executor.read_briefly(|sql| accounts::session(sql, token_hash, now)).await
    }
    async fn touch_login(&self, token_hash: &str, now: Timestamp) -> Result<(), StoreError> {
        let token = token_hash.to_owned();
        self.executor.write("keep login", move |work| accounts::touch_login(work.sql, &token, now)).await
    }
    async fn close_login(&self, token_hash: &str) -> Result<(), StoreError> {
        let token = token_hash.to_owned();
        self.executor.write("close login", move |work| accounts::close_login(work.sql, &token)).await
    }
    async fn close_logins(&self, account: &str) -> Result<(), StoreError> {
        let account = account.to_owned();
        self.executor.write("close logins", move |work| accounts::close_logins(work.sql, &account)).await
    }
    async fn put_countersign(&self, countersign: Countersign) -> Result<(), StoreError> {
        let put = move |work: &mut executor::Work<'_>| accounts::put_countersign(work.sql, &countersign);
        self.executor.write("store countersignature", put).await
    }
    async fn countersigns(&self, limit: u32) -> Result<Vec<Countersign>, StoreError> {
        self.executor.read(move |sql| accounts::countersigns(sql, limit)).await
    }
    async fn countersign(&self, id: EntryId) -> Result<Option<Countersign>, StoreError> {
        self.executor.read_briefly(|sql| accounts::countersign(sql, id)).await
    }
    async fn take_countersign(
        &self,
        id: EntryId,
        by: &str,
        now: Timestamp,
    ) -> Result<Countersign, StoreError> {
        let by = by.to_owned();
        let take = move |work: &mut executor::Work<'_>| accounts::take_countersign(work.sql, id, &by, now);
        self.executor.write("countersign", take).await
    }
    async fn reopen_countersign(
        &self,
        id: EntryId,
        by: &str,
        reason: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (by, reason) = (by.to_owned(), reason.to_owned());
        let reopen = move |work: &mut executor::Work<'_>| {
            accounts::reopen_countersign(work.sql, id, &by, &reason, now)
        };
        self.executor.write("reopen countersignature", reopen).await
    }
    async fn collect_countersign(&self, id: EntryId, by: &str, now: Timestamp) -> Result<(), StoreError> {
        let by = by.to_owned();
        let collect =
            move |work: &mut executor::Work<'_>| accounts::collect_countersign(work.sql, id, &by, now);
        self.executor.write("collect", collect).await
    }
    async fn reaches(&self, case: &CaseNo, within: &Jurisdiction) -> Result<bool, StoreError> {
        self.executor.read_briefly(|sql| accounts::reaches(sql, case, within)).await
    }
    async fn audit_rows(&self, query: AuditQuery) -> Result<AuditFound, StoreError> {
        self.executor.read(move |sql| audit::rows(sql, &query)).await
    }
    async fn audit_after(&self, seq: u64, limit: u32) -> Result<Vec<AuditRow>, StoreError> {
        self.executor.read(move |sql| audit::after(sql, seq, limit)).await
    }
    async fn anchored_audit(&self) -> Result<Option<AuditHead>, StoreError> {
        self.executor.read(audit::anchored).await
    }

    async fn seed_nodes(&self, records: Vec<domain::network::NodeRecord>) -> Result<(), StoreError> {
        self.executor.write("seed nodes", move |work| project::seed_nodes(work, &records)).await
    }
    async fn put_enrolment(&self, enrolment: Enrolment) -> Result<(), StoreError> {
        self.executor.write("store enrolment", move |work| people::put_enrolment(work.sql, &enrolment)).await
    }
    async fn open_enrolments(&self, now: Timestamp) -> Result<Vec<Enrolment>, StoreError> {
        self.executor.read(move |sql| people::open_enrolments(sql, now)).await
    }
    async fn void_enrolment(&self, secret_hash: &str, by: &str, now: Timestamp) -> Result<(), StoreError> {
        let (secret, by) = (secret_hash.to_owned(), by.to_owned());
        let void = move |work: &mut executor::Work<'_>| people::void_enrolment(work.sql, &secret, &by, now);
        self.executor.write("take a token back", void).await
    }
    async fn enrolment(&self, secret_hash: &str) -> Result<Option<Enrolment>, StoreError> {
        let secret = secret_hash.to_owned();
        self.executor.read_briefly(move |sql| people::enrolment(sql, &secret)).await
    }

    async fn note_confirmed(
        &self,
        peer: &NodeId,
        confirmed: Vec<(JournalId, u64)>,
    ) -> Result<(), StoreError> {
        let peer = peer.clone();
        self.executor
            .write("note confirmed positions", move |work| {
                people::note_confirmed(work.sql, &peer, &confirmed)
            })
            .await
    }
    async fn confirmed(&self, peer: &NodeId) -> Result<Vec<(JournalId, u64)>, StoreError> {
        let peer = peer.clone();
        self.executor.read(move |sql| people::confirmed(sql, &peer)).await
    }
    async fn last_serial(&self, scope: &str) -> Result<u64, StoreError> {
        self.executor.read_briefly(|sql| people::last_serial(sql, scope)).await
    }
    async fn library_of(&self, person: &str, licence: &str) -> Result<Vec<FiledLicence>, StoreError> {
        self.executor.read_briefly(|sql| library::library_of(sql, person, licence)).await
    }
    async fn licence(&self, number: &LicenceNo) -> Result<Option<FiledLicence>, StoreError> {
        self.executor.read_briefly(|sql| library::licence(sql, number)).await
    }
    async fn library_asked(&self, limit: u32) -> Result<Vec<CaseNo>, StoreError> {
        self.executor.read_briefly(|sql| library::asked(sql, limit)).await
    }
    async fn ratings(&self, since: Timestamp, within: Jurisdiction) -> Result<Vec<RatingCount>, StoreError> {
        self.executor.read(move |sql| library::ratings(sql, since, &within)).await
    }
    async fn rectifications(&self, case: Option<CaseNo>) -> Result<Vec<Rectification>, StoreError> {
        let network = self.network();
        self.executor.read(move |sql| library::rectifications(sql, &network, case.as_ref())).await
    }
    async fn breach_of(&self, person: &str) -> Result<Option<CaseNo>, StoreError> {
        self.executor.read_briefly(|sql| project::breach_of(sql, person)).await
    }
    async fn cases_of_person(&self, number: &str, limit: u32) -> Result<Vec<CaseNo>, StoreError> {
        let number = number.to_owned();
        self.executor.read(move |sql| project::cases_of_person(sql, &number, limit)).await
    }
    async fn list_persons(&self) -> Result<bool, StoreError> {
        let found = self.executor.read(project::unlisted).await?;
        if found.is_empty() {
            return Ok(false);
        }
        self.executor.write("list persons", move |work| project::list_persons(work.sql, &found)).await?;
        Ok(true)
    }
    async fn tickets(&self, day: Day) -> Result<Vec<Ticket>, StoreError> {
        self.executor.read_briefly(|sql| days::tickets(sql, day)).await
    }
    async fn act_on_tickets(
        &self,
        order: ticket::Order,
        request: EntryId,
        by: &str,
        now: Timestamp,
    ) -> Result<Result<Ticket, ticket::Refusal>, StoreError> {
        let by = by.to_owned();
        let act =
            move |work: &mut executor::Work<'_>| days::act_on_tickets(work.sql, order, request, &by, now);
        self.executor.write("tickets", act).await
    }
    async fn pages_of_day(&self, day: Day) -> Result<Vec<Page>, StoreError> {
        let me = self.identity.node.clone();
        self.executor.read(move |sql| days::pages_of_day(sql, &me, day)).await
    }
    async fn note_contact(&self, contact: Contact) -> Result<(), StoreError> {
        self.executor.write("note contact", move |work| people::note_contact(work.sql, &contact)).await
    }
    async fn note_certificate(&self, node: &NodeId, until: Timestamp) -> Result<(), StoreError> {
        let node = node.clone();
        let note = move |work: &mut executor::Work<'_>| people::note_certificate(work.sql, &node, until);
        self.executor.write("note certificate", note).await
    }
    fn trust_bundle(&self) -> Option<Arc<TrustBundle>> {
        self.known().bundle.clone()
    }
    async fn read_trust_bundle(&self) -> Result<Option<Arc<TrustBundle>>, StoreError> {
        self.executor.read_briefly(known::read_bundle).await
    }
    async fn standings(&self) -> Result<Standings, StoreError> {
        let me = self.identity.node.clone();
        self.executor.read(move |sql| people::standings(sql, &me)).await
    }
    async fn contacts(&self) -> Result<Vec<Contact>, StoreError> {
        self.executor.read(people::contacts).await
    }
}

#[cfg(test)]
mod tests;
