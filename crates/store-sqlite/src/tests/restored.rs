//! A village's disk is an older one than what it told its town.

use super::{Toy, run};
use crate::{Identity, SqliteStore, VILLAGE_CACHE_KIB};
use domain::dossier::{Page, PageBody};
use domain::{EntryId, NodeId, Timestamp};
use replication::session::Load;
use replication::{Channel, CheckedRun, JournalId, Position, Stored};
use rusqlite::Connection;
use std::collections::BTreeSet;
use std::sync::Arc;
use store::*;

const NOW: Timestamp = conformance::NOW;

fn node(id: &str) -> NodeId {
    id.parse().unwrap()
}
fn up() -> JournalId {
    JournalId::new(&node("v-1"), Channel::Up)
}
fn mail() -> JournalId {
    JournalId::new(&node("t-1"), Channel::To(node("v-1")))
}

fn opened(connection: Connection, id: &str) -> SqliteStore {
    let (signer, area) = (Arc::new(Toy), "522601108201".to_owned());
    let identity = Identity { node: node(id), area, signer, page_cache_kib: VILLAGE_CACHE_KIB, key: None };
    let store = SqliteStore::open_inline(connection, identity).unwrap();
    run(store.seed_nodes(conformance::network())).unwrap();
    store
}
fn fresh(id: &str) -> SqliteStore {
    opened(Connection::open_in_memory().unwrap(), id)
}

/// The disk as it is now, and the store that goes on with it.
fn back_up(store: SqliteStore) -> (SqliteStore, Connection) {
    let disk = store.into_connection().unwrap();
    let mut copy = Connection::open_in_memory().unwrap();
    rusqlite::backup::Backup::new(&disk, &mut copy).unwrap().step(-1).unwrap();
    (opened(disk, "v-1"), copy)
}

fn note(no: u8, text: &str) -> Append {
    let entry = NewEntry {
        id: EntryId([no; 16]),
        channel: Channel::Up,
        kind: "later.kind",
        subject: text.into(),
        body: text.into(),
    };
    Append::new(NOW, "wang", "note", vec![entry])
}

fn head(store: &SqliteStore, journal: &JournalId) -> Position {
    let heads = run(store.heads()).unwrap();
    heads.into_iter().find(|(id, _)| id == journal).map_or(Position::NONE, |(_, head)| head)
}

/// Carries a journal over, as a link does: from after `seq`, with the proof of a newer epoch.
fn carry(from: &SqliteStore, to: &SqliteStore, journal: &JournalId, seq: u64) -> Received {
    let load = Load {
        proofs: BTreeSet::from([journal.clone()]),
        ..Load::new(vec![(journal.clone(), seq)], 100_000)
    };
    let runs = run(from.load_runs(load)).unwrap();
    let checked = runs.into_iter().map(|run| CheckedRun::check(run, Stored::default(), &Toy).unwrap());
    run(to.receive(from.me(), checked.collect(), NOW)).unwrap()
}

fn subjects(store: &SqliteStore) -> Vec<String> {
    let runs = run(store.load_runs(Load::new(vec![(up(), 0)], 100_000))).unwrap();
    let checked = CheckedRun::check(runs.into_iter().next().unwrap(), Stored::default(), &Toy).unwrap();
    checked.entries.into_iter().map(|entry| entry.subject).collect()
}

fn restored() -> Recovery {
    Recovery::new(NOW, WhyRecovering::Restored, BTreeSet::from([node("t-1")]), true)
}

#[test]
fn a_restored_node_writes_nothing_until_it_was_answered_and_then_leaves_numbers_out() {
    let store = fresh("v-1");
    let numbered = |no: u8, number: u64| Append {
        takes_serials: vec![("paper/sj/2026".into(), number)],
        ..note(no, "numbered")
    };
    run(store.append(numbered(1, 1))).unwrap();
    assert!(run(store.begin_recovery(restored())).unwrap());
    let refused = run(store.append(numbered(2, 2))).unwrap_err();
    assert_eq!(refused, StoreError::Recovering { awaited: "t-1".into() });
    assert!(!run(store.neighbour_answered(&node("hub"), NOW)).unwrap(), "only the town's word counts");
    assert!(run(store.neighbour_answered(&node("t-1"), NOW)).unwrap());
    assert_eq!(store.recovery(), None);
    let last = |scope: &str| run(store.last_serial(scope)).unwrap();
    assert_eq!(last("paper/sj/2026"), 1 + NUMBERS_LEFT_OUT, "I20: a number of the lost day may be on paper");
    assert_eq!(last("paper/mz/2026"), NUMBERS_LEFT_OUT, "also of a series that the backup does not know");
    assert_eq!(last("seal/mz/1"), NUMBERS_LEFT_OUT);
    assert_eq!(last("paper/mz/2027"), 0);
    run(store.append(numbered(2, 2 + NUMBERS_LEFT_OUT))).unwrap();
    assert_eq!(head(&store, &up()).epoch, 2);
    assert!(run(store.verify_log(Arc::new(Toy))).unwrap().faults.is_empty());
}

#[test]
fn what_was_written_on_an_old_disk_is_filed_after_what_others_gave_back() {
    let (village, town) = (fresh("v-1"), fresh("t-1"));
    (1..=3).for_each(|no| drop(run(village.append(note(no, "before"))).unwrap()));
    let (village, disk) = back_up(village);
    (4..=5).for_each(|no| drop(run(village.append(note(no, "forgotten"))).unwrap()));
    carry(&village, &town, &up(), 0);

    // The old disk is used before anybody notices.
    let village = opened(disk, "v-1");
    run(village.append(note(9, "on the old disk"))).unwrap();
    let own = run(village.load_runs(Load::new(vec![(up(), 3)], 1000))).unwrap();
    let first_hash = CheckedRun::check(own[0].clone(), Stored::default(), &Toy).unwrap().head().hash;
    let taken = carry(&town, &village, &up(), 3);
    assert_eq!(taken.stored, 0, "nobody changes our own journal unless we recover");

    run(village.begin_recovery(Recovery { why: WhyRecovering::Behind, ..restored() })).unwrap();
    carry(&town, &village, &up(), 3);
    assert!(run(village.neighbour_answered(&node("t-1"), NOW)).unwrap());
    let expected = ["before", "before", "before", "forgotten", "forgotten", "v-1", "on the old disk"];
    assert_eq!(subjects(&village), expected, "I1, I9: and the opening of the new epoch between them");
    let runs = run(village.load_runs(Load::new(vec![(up(), 6)], 1000))).unwrap();
    let again = CheckedRun::check(runs[0].clone(), Stored::default(), &Toy).unwrap().entries.remove(0);
    assert_eq!(again.first_hash, Some(first_hash), "the citizen's slip names the hash it had first");
    assert!(run(village.append(note(9, "on the old disk"))).unwrap().repeated, "a retry is still a retry");
    assert!(run(village.append(note(4, "forgotten"))).unwrap().repeated);

    let given = carry(&village, &town, &up(), 5);
    assert_eq!((given.stored, given.faults), (2, vec![]));
    for store in [&village, &town] {
        assert!(run(store.verify_log(Arc::new(Toy))).unwrap().faults.is_empty());
    }
}

#[test]
fn a_branch_that_has_ended_is_kept_and_comes_back_to_its_author_once() {
    let (village, town) = (fresh("v-1"), fresh("t-1"));
    run(village.append(note(1, "before"))).unwrap();
    let (village, disk) = back_up(village);
    (2..=3).for_each(|no| drop(run(village.append(note(no, "only the town has it"))).unwrap()));
    carry(&village, &town, &up(), 0);

    // A person restores, and goes on without the town, which is cut off.
    let village = opened(disk, "v-1");
    run(village.begin_recovery(restored())).unwrap();
    run(village.settle_recovery(vec![node("t-1")], false, NOW)).unwrap();
    run(village.append(note(8, "after the restore"))).unwrap();
    // A job of the town has read the branch to its end.
    let (_, mark) = run(town.cases_since(Mark::new())).unwrap();
    run(town.put_mark("job", mark)).unwrap();
    let given = carry(&village, &town, &up(), 1);
    let read = run(town.mark("job")).unwrap().into_iter().find(|(journal, _)| *journal == up()).unwrap().1;
    assert_eq!(read, 1, "and it looks again at what took the place of the branch");
    assert_eq!((given.stored, given.faults), (2, vec![]), "the town goes over to the branch that goes on");
    assert_eq!(head(&town, &up()), head(&village, &up()));
    let remarks = run(town.incidents()).unwrap();
    assert!(remarks[0].reason.contains("a branch has ended"), "I8: and says so: {remarks:?}");
    assert_eq!(run(town.counts()).unwrap().quarantined, 0, "nothing is left to be done about it");

    for time in 1..=2 {
        carry(&town, &village, &mail(), 0);
        let filed = subjects(&village).iter().filter(|text| *text == "only the town has it").count();
        assert_eq!(filed, 2, "I2: filed again and not twice, time {time}");
    }
    carry(&village, &town, &up(), 3);
    assert_eq!(head(&town, &up()), head(&village, &up()));
}

/// What comes while nothing may be written is receipted as soon as it may be, though nothing more of it comes.
#[test]
fn a_town_that_recovers_owes_receipts_and_gives_them() {
    let (village, town) = (fresh("v-1"), fresh("t-1"));
    run(village.append(note(1, "application"))).unwrap();
    let awaited = BTreeSet::from([node("hub")]);
    run(town.begin_recovery(Recovery { awaited, ..restored() })).unwrap();
    carry(&village, &town, &up(), 0);
    let given = || run(town.custody(&node("v-1"))).unwrap().len();
    assert_eq!(given(), 0);
    assert!(run(town.neighbour_answered(&node("hub"), NOW)).unwrap());
    assert_eq!(given(), 1, "I3: the village learns who has its application");
}

/// What a branch that ended had meant is meant no more, until its author has filed it again.
#[test]
fn a_case_of_a_branch_that_ended_is_gone_until_it_is_filed_again() {
    let (village, town) = (fresh("v-1"), fresh("t-1"));
    run(village.append(note(1, "before"))).unwrap();
    let (village, disk) = back_up(village);
    let case = run(conformance::captures_a_case(&village));
    carry(&village, &town, &up(), 0);
    let knows = |store: &SqliteStore| run(store.dossier(&case)).unwrap().is_some();
    assert!(knows(&town));

    let village = opened(disk, "v-1");
    run(village.begin_recovery(restored())).unwrap();
    run(village.settle_recovery(vec![node("t-1")], false, NOW)).unwrap();
    carry(&village, &town, &up(), 1);
    assert!(!knows(&town), "I10: what is shown is what the journals hold");
    carry(&town, &village, &mail(), 0);
    carry(&village, &town, &up(), 2);
    assert!(knows(&village) && knows(&town), "I2");
    let before = run(town.state_hash()).unwrap();
    run(town.rebuild(NOW)).unwrap();
    assert_eq!(run(town.state_hash()).unwrap(), before, "I10");
}

#[test]
fn a_copy_that_was_superseded_goes_on_only_by_a_persons_word() {
    let store = fresh("v-1");
    run(store.append(note(1, "before"))).unwrap();
    run(store.begin_recovery(Recovery { why: WhyRecovering::Superseded, ..restored() })).unwrap();
    assert_eq!(run(store.append(note(2, "more"))).unwrap_err(), StoreError::Superseded);
    assert!(!run(store.neighbour_answered(&node("t-1"), NOW)).unwrap());
    let left = run(store.settle_recovery(vec![], true, NOW)).unwrap().unwrap();
    assert!(left.takes_back(), "it may now take back what the other copy wrote");
    assert!(run(store.neighbour_answered(&node("t-1"), NOW)).unwrap());
    run(store.append(note(2, "more"))).unwrap();
}

/// A branch that ended had gone on after a page that is not to be: what came after it does not go on from another one (I16, I17).
#[test]
fn what_followed_a_page_that_was_not_to_be_is_shown_to_a_person_and_changes_nothing() {
    let (village, town) = (fresh("v-1"), fresh("t-1"));
    let case = run(conformance::captures_a_case(&village));
    carry(&village, &town, &up(), 0);
    let noted = |slip: u8| PageBody::SlipNoted { slip: EntryId([slip; 16]) };
    let handed_over = || PageBody::HandedOver { to: node("t-1") };
    let pages = |store: &SqliteStore| run(store.dossier(&case)).unwrap().unwrap().dossier.pages;
    let write = |store: &SqliteStore, id: u8, body: PageBody| {
        let (case, no) = (case.clone(), pages(store) + 1);
        let page = Page { case, no, term: 1, at: NOW, officer: "wang".into(), delegation: None, body };
        let (id, subject) = (EntryId([id; 16]), page.case.to_string());
        let body = serde_json::to_vec(&page).unwrap();
        let entry = NewEntry { id, channel: Channel::Up, kind: kind::PAGE, subject, body };
        run(store.append(Append::new(NOW, "wang", "page", vec![entry]))).unwrap();
    };
    let (village, disk) = back_up(village);
    write(&village, 2, noted(2));
    let before = pages(&village);
    carry(&village, &town, &up(), 0);

    // On the old disk the case goes another way, and further.
    let village = opened(disk, "v-1");
    write(&village, 3, noted(3));
    write(&village, 4, handed_over());
    assert_eq!(pages(&village), before + 1);
    run(village.begin_recovery(Recovery { why: WhyRecovering::Behind, ..restored() })).unwrap();
    carry(&town, &village, &up(), 0);
    assert!(run(village.neighbour_answered(&node("t-1"), NOW)).unwrap());
    let dossier = run(village.dossier(&case)).unwrap().unwrap().dossier;
    assert_eq!(
        (dossier.pages, dossier.holder),
        (before, node("v-1")),
        "the case goes on as the town knows it"
    );
    let told: Vec<String> = run(village.incidents()).unwrap().into_iter().map(|one| one.reason).collect();
    assert!(told.iter().any(|reason| reason.contains("did not happen")), "{told:?}");
    carry(&village, &town, &up(), 0);
    let dossier = run(town.dossier(&case)).unwrap().unwrap().dossier;
    assert_eq!((dossier.pages, dossier.holder), (before, node("v-1")));
}
