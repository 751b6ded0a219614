//! Weeks of a hub, two towns and six villages on bad lines, each drawn from its seed; and a day of which every write may be the
//! last. `tests/run.sh` plays hundreds of weeks more.

use tests::city::Folder;
use tests::sim::{Plan, images, run};

/// Runs seeds in two halves so that both cores work.
fn weeks(from: u64, to: u64) {
    let mut alerts = (0, 0);
    for seed in from..to {
        println!("seed {seed}: replay with `tests/simulate.sh --start {seed} --seeds 1`");
        let outcome = run(Plan::week(seed));
        assert!(outcome.cases > 0 && outcome.delivered == outcome.cases, "seed {seed}: {outcome:?}");
        alerts = (alerts.0 + outcome.alerts.0, alerts.1 + outcome.alerts.1);
    }
    println!("{} alerts raised, {} of them disproved by pages that came later", alerts.0, alerts.1);
    assert!(alerts.0 > 0, "weeks in which supervision finds nothing prove nothing about it");
}

#[test]
fn weeks_1_to_10_lose_nothing() {
    weeks(1, 11);
}

#[test]
fn weeks_11_to_20_lose_nothing() {
    weeks(11, 21);
}

#[test]
fn the_same_seed_is_the_same_week() {
    for seed in [3, 14] {
        assert_eq!(run(Plan::week(seed)), run(Plan::week(seed)), "I43: seed {seed}");
    }
}

/// The power goes at every third write of a day's work at four nodes, in the order of the writes and in others, torn or whole.
#[test]
fn whatever_write_is_the_last_what_was_told_is_there() {
    let folder = Folder::new();
    let done = images(7, &folder.0, 3);
    println!("seed 7: {done:?}");
    assert!(done.images >= 1_000 && done.in_checkpoints > 20, "{done:?}");
}
