//! Where database work runs: on one writer thread with group commit, or inline for a simulation.
//!
//! Group commit: the writer takes whatever queued up while the last commit was on its way to the disk (at most
//! [`GROUP_MAX`]), runs each job so that it can be undone alone, commits once, and only then answers. A job that fails or
//! panics is rolled back alone. Both executors run the very same closures.

use crate::error::Broken;
use crate::known::Known;
use crate::log::Log;
use replication::{JournalId, Position};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use store::{Change, StoreError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use vault::DataKey;

/// More waiting jobs in one commit would only add latency.
const GROUP_MAX: usize = 128;
const QUEUE_MAX: usize = 1024;
const READERS: usize = 2;
/// A case that is relayed and answered comes back sooner. Who wants the writer just then waits for one step of what can wait.
const A_WHILE: Duration = Duration::from_millis(20);

/// What a job may touch.
pub(crate) struct Work<'a> {
    pub sql: &'a Connection,
    pub known: &'a mut Arc<Known>,
    pub change: &'a mut Change,
}

/// What the writer shares with the rest of the store.
pub(crate) struct Writing {
    pub known: Arc<RwLock<Arc<Known>>>,
    pub changes: tokio::sync::broadcast::Sender<Change>,
}

/// Runs a job; the returned closure tells the caller how it ended, once the commit has succeeded or failed.
type Job = Box<dyn FnOnce(&mut Work<'_>) -> (bool, Finish) + Send>;
type Finish = Box<dyn FnOnce(Option<StoreError>) + Send>;

pub(crate) enum Executor {
    Threaded {
        jobs: Option<SyncSender<Job>>,
        writer: Option<std::thread::JoinHandle<()>>,
        readers: Arc<Readers>,
    },
    Inline(Mutex<(Connection, Writing)>),
}

pub(crate) struct Readers {
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

impl Executor {
    /// With `busy`, the log is moved into the database by a thread of its own.
    pub fn threaded(
        connection: Connection,
        path: &Path,
        key: Option<&DataKey>,
        busy: bool,
        writing: Writing,
    ) -> Result<Executor, StoreError> {
        let beside = busy.then(|| crate::connect(path, key)).transpose()?;
        let mut log = Log::of(&connection, path, beside)?;
        let mut idle = Vec::new();
        for _ in 0..READERS {
            let reader = crate::look_into(path, key)?;
            reader.pragma_update(None, "cache_size", -1024).broken("bound the page cache")?;
            reader.set_prepared_statement_cache_capacity(64);
            idle.push(reader);
        }
        let (jobs, queue) = sync_channel(QUEUE_MAX);
        let writer = std::thread::Builder::new()
            .name("db-writer".to_owned())
            .spawn(move || serve(&connection, &queue, &writing, &mut log))
            .map_err(|e| StoreError::Broken { what: "start the writer", detail: e.to_string() })?;
        let readers =
            Arc::new(Readers { idle: Mutex::new(idle), permits: Arc::new(Semaphore::new(READERS)) });
        Ok(Executor::Threaded { jobs: Some(jobs), writer: Some(writer), readers })
    }

    pub fn inline(connection: Connection, writing: Writing) -> Executor {
        Executor::Inline(Mutex::new((connection, writing)))
    }

    pub fn into_connection(mut self) -> Option<Connection> {
        match &mut self {
            Executor::Inline(cell) => {
                let nothing = Connection::open_in_memory().ok()?;
                let cell = cell.get_mut().unwrap_or_else(PoisonError::into_inner);
                Some(std::mem::replace(&mut cell.0, nothing))
            }
            Executor::Threaded { .. } => None,
        }
    }

    /// Runs `op` in one transaction. Returns once COMMIT is on disk: "saved" survives a power cut.
    pub async fn write<T, F>(&self, what: &'static str, op: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Work<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |work| {
            let outcome = catch_unwind(AssertUnwindSafe(|| op(work))).unwrap_or_else(|_| {
                Err(StoreError::Broken { what, detail: "the operation panicked; it was undone".to_owned() })
            });
            let succeeded = outcome.is_ok();
            // A caller who has gone away does not undo the work: by then the outcome is on disk.
            let finish: Finish = Box::new(move |failure| drop(reply.send(failure.map_or(outcome, Err))));
            (succeeded, finish)
        });
        match self {
            Executor::Threaded { jobs, .. } => enqueue(jobs.as_ref().ok_or(StoreError::Closed)?, job).await?,
            Executor::Inline(cell) => {
                let mut cell = cell.lock().unwrap_or_else(PoisonError::into_inner);
                let (connection, writing) = &mut *cell;
                run_group(connection, writing, job, || None);
            }
        }
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Reads on a thread of its own: for lists and reports, whose length depends on what is stored.
    pub async fn read<T, F>(&self, op: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (readers, permit) = match self {
            Executor::Inline(cell) => return op(&cell.lock().unwrap_or_else(PoisonError::into_inner).0),
            Executor::Threaded { readers, .. } => (readers.clone(), readers.permit().await?),
        };
        tokio::task::spawn_blocking(move || readers.run(permit, op)).await.map_err(|_| StoreError::Closed)?
    }

    /// Reads on the caller's thread: for a few rows found by their key, or one batch of a journal. Waking another thread
    /// and being woken again would cost several times what such a read does.
    pub async fn read_briefly<T>(
        &self,
        op: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        match self {
            Executor::Inline(cell) => op(&cell.lock().unwrap_or_else(PoisonError::into_inner).0),
            Executor::Threaded { readers, .. } => readers.run(readers.permit().await?, op),
        }
    }
}

impl Readers {
    async fn permit(&self) -> Result<OwnedSemaphorePermit, StoreError> {
        self.permits.clone().acquire_owned().await.map_err(|_| StoreError::Closed)
    }

    /// The permit is held by the work, not by the caller: one who goes away must not let a second in while the
    /// connection is out.
    fn run<T>(
        &self,
        _permit: OwnedSemaphorePermit,
        op: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let connection =
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop().ok_or(StoreError::Closed)?;
        let outcome = catch_unwind(AssertUnwindSafe(|| in_snapshot(&connection, op)));
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        outcome.unwrap_or_else(|_| {
            Err(StoreError::Broken { what: "read", detail: "the query panicked".to_owned() })
        })
    }
}

/// All statements of one read see the same moment.
fn in_snapshot<T>(
    connection: &Connection,
    op: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let snapshot = connection.unchecked_transaction().broken("begin a read")?;
    op(&snapshot)
}

impl Drop for Executor {
    fn drop(&mut self) {
        if let Executor::Threaded { jobs, writer, .. } = self {
            // Closing the queue lets the writer finish what it has taken; waiting keeps the file ours until then.
            drop(jobs.take());
            if let Some(writer) = writer.take() {
                drop(writer.join());
            }
        }
    }
}

async fn enqueue(jobs: &SyncSender<Job>, mut job: Job) -> Result<(), StoreError> {
    loop {
        match jobs.try_send(job) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Disconnected(_)) => return Err(StoreError::Closed),
            Err(TrySendError::Full(back)) => {
                job = back;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }
}

fn serve(connection: &Connection, queue: &Receiver<Job>, writing: &Writing, log: &mut Log) {
    let mut version = data_version(connection);
    while let Some(first) = next_job(queue, log) {
        let now = data_version(connection);
        if now != version {
            version = now;
            reload(connection, writing);
        }
        run_group(connection, writing, first, || queue.try_recv().ok());
        log.look();
    }
}

/// `None` when no more will come. What can wait is done when nobody has wanted the writer for a while, a little at a time.
fn next_job(queue: &Receiver<Job>, log: &mut Log) -> Option<Job> {
    while log.is_behind() {
        match queue.recv_timeout(A_WHILE) {
            Err(RecvTimeoutError::Timeout) => log.catch_up(),
            next => return next.ok(),
        }
    }
    queue.recv().ok()
}

/// Changes when another process (the command line) has written to the file.
fn data_version(connection: &Connection) -> i64 {
    connection.pragma_query_value(None, "data_version", |row| row.get(0)).unwrap_or(0)
}

/// Another process may have published a catalogue or enrolled a node: what is kept in memory is read again.
fn reload(connection: &Connection, writing: &Writing) {
    let before = writing.known.read().unwrap_or_else(PoisonError::into_inner).clone();
    // Unreadable reference data leaves the old in force; the process that wrote it was told.
    if let Ok(known) = Known::load(connection, Some(&before)) {
        let greet_anew = known.recovery != before.recovery;
        *writing.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(known);
        drop(writing.changes.send(Change { reference_data: true, greet_anew, ..Change::default() }));
    }
}

fn run_group(connection: &Connection, writing: &Writing, first: Job, mut next: impl FnMut() -> Option<Job>) {
    let before = writing.known.read().unwrap_or_else(PoisonError::into_inner).clone();
    let (mut known, mut total) = (before.clone(), Change::default());
    let mut finishes = Vec::new();
    let mut failure = connection.execute_batch("BEGIN IMMEDIATE").broken("begin").err();
    let mut job = Some(first);
    while let Some(run) = job.take() {
        if failure.is_some() {
            // The job was never run, so it has no outcome of its own to report.
            finishes.push(unrun(run));
            break;
        }
        let scope = if finishes.is_empty() { &FIRST } else { &LATER };
        let (finish, broken) = run_one(connection, run, scope, &mut known, &mut total);
        finishes.push(finish);
        failure = broken;
        if finishes.len() < GROUP_MAX && failure.is_none() {
            job = next();
        }
    }
    if failure.is_none() {
        failure = connection.execute_batch("COMMIT").broken("commit").err();
    }
    if failure.is_some() && !connection.is_autocommit() {
        // If even this fails, the next BEGIN will, and every caller is told.
        drop(connection.execute_batch("ROLLBACK"));
    }
    if failure.is_none() && !Arc::ptr_eq(&known, &before) {
        *writing.known.write().unwrap_or_else(PoisonError::into_inner) = known;
    }
    for finish in finishes {
        finish(failure.clone());
    }
    let nothing = total.heads.is_empty()
        && !total.reference_data
        && !total.greet_anew
        && total.greet.is_empty()
        && total.cases.is_empty()
        && total.attachments.is_empty();
    if failure.is_none() && !nothing {
        // Nobody listening is no error.
        drop(writing.changes.send(total));
    }
}

/// A job that finds the database unusable still answers its caller, by being dropped with its reply channel.
fn unrun(job: Job) -> Finish {
    Box::new(move |_| drop(job))
}

/// How one job of a group is undone without its neighbours.
struct Scope {
    open: &'static str,
    keep: &'static str,
    undo: &'static str,
}

/// Nothing else is in the transaction yet, so the transaction itself is begun anew. A savepoint would copy every page that
/// is changed twice, and a batch from a neighbour, which usually comes alone, changes its pages hundreds of times.
const FIRST: Scope = Scope { open: "", keep: "", undo: "ROLLBACK; BEGIN IMMEDIATE" };
const LATER: Scope =
    Scope { open: "SAVEPOINT job", keep: "RELEASE job", undo: "ROLLBACK TO job; RELEASE job" };

fn run_one(
    connection: &Connection,
    run: Job,
    scope: &Scope,
    known: &mut Arc<Known>,
    total: &mut Change,
) -> (Finish, Option<StoreError>) {
    if let Err(error) = connection.execute_batch(scope.open).broken("savepoint") {
        return (unrun(run), Some(error));
    }
    let before = known.clone();
    let mut change = Change::default();
    let (succeeded, finish) = run(&mut Work { sql: connection, known, change: &mut change });
    if connection.is_autocommit() {
        // A full disk or an I/O error made SQLite roll back everything, the neighbours in this group included.
        return (finish, Some(StoreError::DiskFull));
    }
    let end = if succeeded { scope.keep } else { scope.undo };
    let ended = connection.execute_batch(end).broken("end savepoint").err();
    if succeeded {
        merge(total, change);
    } else {
        *known = before;
    }
    (finish, ended)
}

fn merge(total: &mut Change, change: Change) {
    let mut heads: BTreeMap<JournalId, Position> = std::mem::take(&mut total.heads).into_iter().collect();
    heads.extend(change.heads);
    total.heads = heads.into_iter().collect();
    total.reference_data |= change.reference_data;
    total.cases.extend(change.cases);
    total.attachments.extend(change.attachments);
    total.greet_anew |= change.greet_anew;
    total.greet.extend(change.greet);
}
