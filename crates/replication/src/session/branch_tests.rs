//! Nodes that were restored, cloned or rolled back, over a line that works.

use super::tests::{Disk, Line, up};
use super::*;
use proptest::prelude::*;

fn cases(disk: &mut Disk, who: &str, from: usize, to: usize) {
    (from..to).for_each(|i| disk.append(&up("v"), &format!("{who} {i}")));
}

#[test]
fn a_village_restored_from_a_backup_takes_its_own_entries_back_before_it_goes_on() {
    let (mut backup, mut town) = (Disk::default(), Disk::default());
    cases(&mut backup, "case", 0, 40);
    town.clone_from(&backup);
    cases(&mut town, "case", 40, 70);
    let mut line = Line::between(("v", backup), ("t", town.clone()));
    line.run(60);
    assert!(line.child.answered);
    assert_eq!(line.child.disk.head(&up("v")), town.head(&up("v")), "I1: what others had is back");

    let mut disk = line.child.disk;
    disk.open_epoch(&up("v"));
    cases(&mut disk, "later", 0, 3);
    let mut line = Line::between(("v", disk.clone()), ("t", town));
    line.run(60);
    assert_eq!(line.parent.disk.head(&up("v")), disk.head(&up("v")));
    assert_eq!(line.parent.disk.head(&up("v")).epoch, 2);
}

/// The town had entries of an old branch that nobody else knew when the village opened its new epoch, and the new branch is
/// longer than one batch: the proof goes ahead, and the town goes over to the branch that goes on.
#[test]
fn who_holds_a_branch_that_has_ended_goes_over_to_the_one_that_goes_on() {
    for (common, dead, lived) in [(0, 3, 30), (40, 1, 30), (40, 25, 1), (200, 90, 120)] {
        let mut village = Disk::default();
        cases(&mut village, "case", 0, common);
        let mut town = village.clone();
        cases(&mut town, "dead", 0, dead);
        cases(&mut village, "lived", 0, lived);
        village.open_epoch(&up("v"));
        cases(&mut village, "later", 0, 2);
        let mut line = Line::between(("v", village.clone()), ("t", town));
        line.run(300);
        assert_eq!(line.parent.disk.head(&up("v")), village.head(&up("v")), "{common} {dead} {lived}");
        assert!(!line.child.refused);
    }
}

#[test]
fn an_old_copy_cannot_win_over_the_epoch_that_took_its_place() {
    let mut old = Disk::default();
    cases(&mut old, "case", 0, 5);
    let mut town = old.clone();
    town.open_epoch(&up("v"));
    cases(&mut town, "new laptop", 0, 2);
    cases(&mut old, "old laptop", 0, 30);
    let town_before = town.head(&up("v"));
    let mut line = Line::between(("v", old.clone()), ("t", town));
    line.child.takes_back = false;
    line.run(60);
    assert_eq!(line.parent.disk.head(&up("v")), town_before, "I8, I12: nothing of the old copy is taken");
    assert!(!line.child.answered, "and the old copy knows that it is behind");
    assert!(line.parent.older_copy, "the town says so to people");
    assert_eq!(line.child.disk.head(&up("v")), old.head(&up("v")), "nothing there is lost");
}

/// I6: a town that lost its disk gets what passed through it from both sides.
#[test]
fn a_town_that_lost_everything_gets_it_from_the_hub_and_from_the_village() {
    let mut village = Disk::default();
    cases(&mut village, "case", 0, 20);
    let mut hub = village.clone();
    let own = JournalId::new(&"t".parse().unwrap(), Channel::To("v".parse().unwrap()));
    (0..9).for_each(|i| hub.append(&own, &format!("receipt {i}")));
    let mut line = Line::between(("t", Disk::default()), ("hub", hub.clone()));
    line.run(60);
    assert_eq!(line.child.disk.head(&own), hub.head(&own), "its own journals");
    let mut line = Line::between(("v", village.clone()), ("t", line.child.disk));
    line.run(60);
    assert_eq!(line.parent.disk.head(&up("v")), village.head(&up("v")));
}

/// A wish that was lost on the way, or whose answer was, is said again; not before, and not after it was fulfilled.
#[test]
fn a_wish_that_brings_nothing_is_said_again() {
    let (mut backup, mut town) = (Disk::default(), Disk::default());
    cases(&mut backup, "case", 0, 4);
    town.clone_from(&backup);
    cases(&mut town, "case", 4, 9);
    let line = Line::between(("v", backup), ("t", town.clone()));
    let mut session = line.child.session;
    let now = Timestamp::from_ms(1_700_000_000_000);
    let (mine, theirs) = (line.child.disk.head(&up("v")), town.head(&up("v")));
    session.wanted.insert(up("v"), branches::Wanted { through: theirs.seq, asked: None, here: false });
    let wished = |outputs: &[Output]| outputs.iter().any(|out| matches!(out, Output::Send(Frame::Want(_))));
    let first = session.want_back(up("v"), mine, theirs.seq, now);
    assert!(wished(first.as_slice()));
    assert!(!wished(&session.on_tick(now.plus_ms(ACK_TIMEOUT_MS / 2))), "patience");
    assert!(wished(&session.on_tick(now.plus_ms(ACK_TIMEOUT_MS + 1))), "I42: it was lost");
    session.got_back(&[(up("v"), theirs)], now.plus_ms(ACK_TIMEOUT_MS + 2));
    assert!(!wished(&session.on_tick(now.plus_ms(3 * ACK_TIMEOUT_MS))), "it has come");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever two ends hold of a village's journal, once the village has opened a new epoch both come to the village's branch.
    #[test]
    fn after_a_new_epoch_both_ends_agree(
        common in 0usize..60, theirs in 0usize..60, ours in 0usize..60, later in 0usize..20, twice in any::<bool>(),
    ) {
        let mut village = Disk::default();
        cases(&mut village, "case", 0, common);
        let mut town = village.clone();
        cases(&mut town, "theirs", 0, theirs);
        if twice {
            town.open_epoch(&up("v"));
            cases(&mut town, "second", 0, theirs);
        }
        cases(&mut village, "ours", 0, ours);
        let mut line = Line::between(("v", village), ("t", town));
        line.run(200);
        let mut disk = line.child.disk;
        disk.open_epoch(&up("v"));
        cases(&mut disk, "later", 0, later);
        let mut line = Line::between(("v", disk.clone()), ("t", line.parent.disk));
        line.run(200);
        prop_assert_eq!(line.parent.disk.head(&up("v")), disk.head(&up("v")));
    }
}
