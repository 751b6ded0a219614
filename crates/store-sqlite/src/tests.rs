//! The SQLite engine passes the contract's stories, both executors, and keeps its own promises.

mod neighbours;
mod restored;
mod sealed;

use super::*;
use replication::run::KeyFault;
use replication::{Hash, Signature, Verify};
use store::conformance;

pub(crate) struct Toy;
impl Sign for Toy {
    fn sign(&self, head: &Hash) -> Signature {
        let mut bytes = [7; 64];
        bytes[..32].copy_from_slice(&head.0);
        Signature(bytes)
    }
}
impl Verify for Toy {
    fn verify(&self, _: &JournalId, _: u64, head: &Hash, signature: &Signature) -> Result<(), KeyFault> {
        if Toy.sign(head) == *signature { Ok(()) } else { Err(KeyFault::Bad) }
    }
}

fn identity() -> Identity {
    Identity {
        node: "v-1".parse().unwrap(),
        area: "522601108201".into(),
        signer: Arc::new(Toy),
        page_cache_kib: VILLAGE_CACHE_KIB,
        key: None,
    }
}
fn inline() -> SqliteStore {
    SqliteStore::open_inline(Connection::open_in_memory().unwrap(), identity()).unwrap()
}
pub(crate) struct Folder(pub PathBuf);
impl Folder {
    pub fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("tongban-store-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Folder(path)
    }
    fn open(&self) -> SqliteStore {
        SqliteStore::open(&self.0, identity()).unwrap()
    }
    fn open_with(&self, key: &DataKey) -> SqliteStore {
        SqliteStore::open(&self.0, Identity { key: Some(key.clone()), ..identity() }).unwrap()
    }
}
impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

macro_rules! conforms {
    ($($story:ident),* $(,)?) => {$(
        #[test]
        fn $story() {
            futures::executor::block_on(conformance::$story(&inline()));
            let folder = Folder::new(stringify!($story));
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
            let store = folder.open();
            runtime.block_on(conformance::$story(&store));
            let folder = Folder::new(concat!(stringify!($story), "-sealed"));
            let store = folder.open_with(&sealed::key(1));
            runtime.block_on(conformance::$story(&store));
        }
    )*};
}
conforms!(
    appends_once_and_only_on_what_was_read,
    loads_runs_that_can_be_checked,
    holds_what_comes_too_early,
    a_poison_entry_stops_only_itself,
    drafts_are_saved_over_the_version_that_was_read,
    an_enrolment_is_used_once,
);

fn run<T>(work: impl Future<Output = T>) -> T {
    futures::executor::block_on(work)
}

#[test]
fn what_was_answered_is_there_after_the_process_is_gone() {
    let folder = Folder::new("reopen");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let before = {
        let store = folder.open();
        runtime.block_on(conformance::loads_runs_that_can_be_checked(&store));
        runtime.block_on(store.heads()).unwrap()
    };
    let store = folder.open();
    assert_eq!(runtime.block_on(store.heads()).unwrap(), before);
    let report = runtime.block_on(store.verify_log(Arc::new(Toy))).unwrap();
    assert!(report.faults.is_empty() && report.entries == 20, "{report:?}");
}

#[test]
fn any_change_behind_our_back_is_found() {
    for tamper in [
        "UPDATE entry SET body = x'00' WHERE pos & 1099511627775 = 3",
        "DELETE FROM entry WHERE pos & 1099511627775 = 20",
        "DELETE FROM entry WHERE pos & 1099511627775 = 5",
        "UPDATE audit SET actor = 'nobody' WHERE seq = 4",
        "DELETE FROM audit WHERE seq = 4",
        "UPDATE audit SET seq = CASE seq WHEN 2 THEN 1003 WHEN 3 THEN 2 ELSE seq END",
    ] {
        let store = inline();
        run(conformance::loads_runs_that_can_be_checked(&store));
        let connection = store.into_connection().unwrap();
        connection.execute_batch(tamper).unwrap();
        let store = SqliteStore::open_inline(connection, identity()).unwrap();
        let report = run(store.verify_log(Arc::new(Toy))).unwrap();
        assert!(!report.faults.is_empty(), "I37: unseen: {tamper}");
    }
}

#[test]
fn projections_folded_anew_are_the_same() {
    let store = inline();
    run(conformance::holds_what_comes_too_early(&store));
    let before = run(store.state_hash()).unwrap();
    run(store.rebuild(conformance::NOW)).unwrap();
    assert_eq!(run(store.state_hash()).unwrap(), before, "I10");
    assert_eq!(run(store.counts()).unwrap().held, 0);
}

/// A newer version folds the same journals to other rows: what an older one kept is not read, it is built anew.
#[test]
fn projections_of_an_older_version_are_built_anew_when_the_node_is_opened() {
    let store = inline();
    run(conformance::holds_what_comes_too_early(&store));
    let before = run(store.state_hash()).unwrap();
    let connection = store.into_connection().unwrap();
    connection.execute_batch("UPDATE dossier SET state = '{}'; UPDATE projected SET version = 0").unwrap();
    let store = SqliteStore::open_inline(connection, identity()).unwrap();
    assert_eq!(run(store.state_hash()).unwrap(), before);
    let connection = store.into_connection().unwrap();
    connection.execute_batch("UPDATE dossier SET pages = 99").unwrap();
    let store = SqliteStore::open_inline(connection, identity()).unwrap();
    let connection = store.into_connection().unwrap();
    let pages: u32 = connection.query_row("SELECT pages FROM dossier", [], |row| row.get(0)).unwrap();
    assert_eq!(pages, 99, "once: rows of this version are left as they are");
}

/// What a node of the version before this one kept is all there when this one has opened it.
#[test]
fn the_tables_of_the_version_before_are_brought_up_to_date_with_what_is_in_them() {
    let folder = Folder::new("before");
    std::fs::create_dir_all(&folder.0).unwrap();
    let file = connect(&folder.0.join("newer.db"), None).unwrap();
    let newer = SqliteStore::open_inline(file, identity()).unwrap();
    run(conformance::holds_what_comes_too_early(&newer));
    let mut older = connect(&folder.0.join("older.db"), None).unwrap();
    schema::migrate_to_the_last_but_one(&mut older);
    let attach = format!("ATTACH '{}' AS newer", folder.0.join("newer.db").display());
    older.execute_batch(&attach).unwrap();
    for table in ["journal", "entry", "request", "audit", "node"] {
        older.execute_batch(&format!("INSERT INTO {table} SELECT * FROM newer.{table}")).unwrap();
    }
    older.execute_batch("DETACH newer; UPDATE projected SET version = 5").unwrap();
    let brought = SqliteStore::open_inline(older, identity()).unwrap();
    let told = |store: &SqliteStore| {
        let cases = run(store.cases(store::CaseQuery { limit: 10, ..Default::default() })).unwrap();
        let length = |line: &store::CaseLine| run(store.history(&line.case)).unwrap().len();
        let histories: Vec<usize> = cases.iter().map(length).collect();
        (histories, run(store.counts()).unwrap().held, run(store.state_hash()).unwrap())
    };
    assert_eq!(told(&newer).0, [2]);
    assert_eq!(told(&brought), told(&newer));
}

/// The writer makes room for its log when nobody wants it, and goes on.
#[test]
fn a_node_that_rests_makes_room_for_its_log() {
    let folder = Folder::new("rests");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let store = folder.open();
    let log = folder.0.join("tongban.db-wal");
    runtime.block_on(conformance::loads_runs_that_can_be_checked(&store));
    let is_roomy = || {
        std::thread::yield_now();
        std::fs::metadata(&log).unwrap().len() > 1024 * 1024
    };
    assert!((0..10_000_000).any(|_| is_roomy()), "no room was made");
    drop(store);
    let report = runtime.block_on(folder.open().verify_log(Arc::new(Toy))).unwrap();
    assert!(report.faults.is_empty() && report.entries == 20, "{report:?}");
}

#[test]
fn a_full_disk_is_told_and_what_was_saved_stays() {
    let connection = Connection::open_in_memory().unwrap();
    connection.pragma_update(None, "page_size", 4096).unwrap();
    let store = SqliteStore::open_inline(connection, identity()).unwrap();
    run(conformance::appends_once_and_only_on_what_was_read(&store));
    let connection = store.into_connection().unwrap();
    let pages: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    connection.pragma_update(None, "max_page_count", pages + 2).unwrap();
    let store = SqliteStore::open_inline(connection, identity()).unwrap();
    let mut last = Ok(());
    for n in 0..50 {
        let bytes = vec![0; 60_000];
        let item = Quarantined {
            at: conformance::NOW,
            peer: "t-1".parse().unwrap(),
            journal: "x".into(),
            seq: n,
            reason: "x".into(),
            bytes,
        };
        last = run(store.quarantine(item));
        if last.is_err() {
            break;
        }
    }
    assert_eq!(last, Err(StoreError::DiskFull), "I40");
    let counts = run(store.counts()).unwrap();
    assert_eq!(counts.by_status.values().sum::<u64>(), 1, "what was told before is still there");
    let report = run(store.verify_log(Arc::new(Toy))).unwrap();
    assert!(report.faults.is_empty(), "{report:?}");
}

#[test]
fn a_neighbour_that_sends_rubbish_for_ever_pushes_out_its_own_and_no_evidence() {
    let store = inline();
    let item = |peer: &str, seq: u64, reason: &str, bytes: Vec<u8>| Quarantined {
        at: conformance::NOW,
        peer: peer.parse().unwrap(),
        journal: format!("{peer}/up"),
        seq,
        reason: reason.into(),
        bytes,
    };
    run(store.quarantine(item("v-1", 1, "bad signature", vec![1; 100]))).unwrap();
    run(store.quarantine(item("t-1", 1, "fork: another entry", vec![7; 60_000]))).unwrap();
    for n in 0..2_500 {
        run(store.quarantine(item("t-1", n, "bad entry", vec![0; 60_000]))).unwrap();
    }
    // Of a machine that was reported lost: 64 MiB are kept whole, and once it is told that there is more.
    for n in 0..1_100 {
        run(store.quarantine(item("t-1", n, "late: case.captured", vec![0; 64_000]))).unwrap();
    }
    let connection = store.into_connection().unwrap();
    let of = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(of("SELECT count(*) FROM quarantine WHERE peer = 'v-1'"), 1, "I39: another's stays");
    assert_eq!(of("SELECT count(*) FROM quarantine WHERE peer = 't-1' AND reason = 'bad entry'"), 2_000);
    assert_eq!(of("SELECT max(length(bytes)) FROM quarantine WHERE reason = 'bad entry'"), 4_096);
    assert_eq!(
        of("SELECT length(bytes) FROM quarantine WHERE reason LIKE 'fork:%'"),
        60_000,
        "evidence stays whole"
    );
    let kept = of("SELECT sum(length(bytes)) FROM quarantine WHERE reason LIKE 'late:%'");
    assert!((60 << 20..=65 << 20).contains(&kept), "{kept}");
    assert_eq!(of("SELECT count(*) FROM quarantine WHERE reason LIKE 'the room for evidence%'"), 1);
}

/// I8: what says that a journal takes nothing more is not to be waved away while it does not.
#[test]
fn a_fork_stays_open_as_long_as_its_journal_is_frozen() {
    let store = inline();
    let freeze = |frozen: bool| {
        run(store.executor.write("freeze", move |work| {
            let sql = "INSERT OR REPLACE INTO journal(no, author, channel, epoch, seq, hash, frozen) VALUES(77, 'v-1', 'up', 1, 3, zeroblob(32), ?1)";
            work.sql.execute(sql, [frozen]).broken("freeze")
        }))
        .unwrap();
    };
    let item = |reason: &str| Quarantined {
        at: conformance::NOW,
        peer: "v-1".parse().unwrap(),
        journal: "v-1/up".into(),
        seq: 3,
        reason: reason.into(),
        bytes: vec![1],
    };
    freeze(true);
    run(store.quarantine(item("fork: another entry"))).unwrap();
    run(store.quarantine(item("bad signature"))).unwrap();
    let numbers: Vec<u64> = run(store.incidents()).unwrap().iter().map(|one| one.no).collect();
    let [other, fork] = numbers[..] else { panic!("{numbers:?}") };
    let settle = |no| run(store.settle_incident(no, "boss", "看过", conformance::NOW));
    assert_eq!(settle(other), Ok(()));
    assert!(matches!(settle(fork), Err(StoreError::Missing { .. })));
    assert_eq!(run(store.counts()).unwrap().quarantined, 1);
    freeze(false);
    assert_eq!(settle(fork), Ok(()));
    assert_eq!(run(store.counts()).unwrap().quarantined, 0);
}

/// I41: an entry of a later version — a kind without meaning here, a header field nobody knows — is kept and passed on
/// byte for byte, so that what was signed is what the next node checks.
#[test]
fn an_entry_of_a_later_version_is_carried_byte_for_byte() {
    use prost::Message;
    use replication::entry::{Core, SUITE_ED25519_SHA256};
    let store = inline();
    run(store.seed_nodes(conformance::network())).unwrap();
    let core = Core {
        suite: SUITE_ED25519_SHA256,
        schema: 1,
        author: "hub".into(),
        channel: "all".into(),
        epoch: 1,
        seq: 1,
        id: vec![3; 16],
        kind: "queue-ticket".into(),
        area: "522601108201".into(),
        ..Core::default()
    };
    let mut core = core.encode_to_vec();
    core.extend([0xa2, 0x06, 3, b'n', b'e', b'w']); // field 100, three bytes
    let mut raw = replication::RawEntry { core: core.into(), body: vec![0xff, 0, 1].into(), signature: None };
    raw.signature = Some(Toy.sign(&raw.hash(&Hash::NONE)));
    let journal: JournalId = JournalId { author: "hub".parse().unwrap(), channel: replication::Channel::All };
    let sent = Run {
        journal: journal.clone(),
        previous: replication::Previous::Hash(Hash::NONE),
        entries: vec![raw],
        proof: None,
    };
    let checked = CheckedRun::check(sent.clone(), replication::Stored::default(), &Toy).unwrap();
    let received = run(store.receive(&"t-1".parse().unwrap(), vec![checked], conformance::NOW)).unwrap();
    assert_eq!((received.stored, received.faults.len()), (1, 0));
    let passed_on = run(store.load_runs(Load::new(vec![(journal, 0)], 1000))).unwrap();
    assert_eq!(passed_on, vec![sent]);
    assert!(run(store.verify_log(Arc::new(Toy))).unwrap().faults.is_empty());
}

/// A village answers for nobody but itself: not for the licence library, not for a bad rating of its own.
#[test]
fn a_village_that_forges_an_answer_makes_an_incident_and_nothing_else() {
    use domain::dossier::Slip;
    use domain::rating::{StepBody, StepEntry};
    use store::{Append, NewEntry, kind};
    let store = inline();
    run(conformance::appends_once_and_only_on_what_was_read(&store));
    let case = run(store.cases(store::CaseQuery::default())).unwrap()[0].case.clone();
    let (me, now) = (store.me().clone(), conformance::NOW);
    let put = |n: u8, kind, body: Vec<u8>| {
        let (id, channel) = (conformance::id(n), replication::Channel::Up);
        let entry = NewEntry { id, channel, kind, subject: case.to_string(), body };
        run(store.append(Append::new(now, "wang", "test", vec![entry]))).unwrap();
    };
    let slip = |n: u8, kind: &str| {
        Slip::plain(conformance::id(n), case.clone(), kind, String::new(), me.clone(), now)
    };
    put(101, kind::SLIP, serde_json::to_vec(&slip(101, domain::library::ANSWER)).unwrap());
    put(102, kind::SLIP, serde_json::to_vec(&slip(9, "note")).unwrap());
    let body = StepBody::AppealDecided { upheld: true, text: "不计入".into() };
    let step = StepEntry { case: case.clone(), at: now, node: me.clone(), officer: "wang".into(), body };
    put(103, kind::RECTIFICATION, serde_json::to_vec(&step).unwrap());
    let told: Vec<String> = run(store.incidents()).unwrap().into_iter().map(|one| one.reason).collect();
    for word in ["only the hub answers", "number differ", "a village does not answer"] {
        assert!(told.iter().any(|reason| reason.contains(word)), "{word}: {told:?}");
    }
    assert!(run(store.dossier(&case)).unwrap().unwrap().dossier.slips.is_empty());

    // A good rating with a lower number, written afterwards, takes no bad one back.
    for (n, grade) in [(105, domain::rating::Grade::Bad), (104, domain::rating::Grade::VeryGood)] {
        let rating = Some(domain::rating::Rating { grade, text: String::new() });
        put(n, kind::SLIP, serde_json::to_vec(&Slip { rating, ..slip(n, "rating") }).unwrap());
    }
    let open = run(store.rectifications(None)).unwrap();
    assert_eq!((open.len(), open[0].grade), (1, domain::rating::Grade::Bad));
}
