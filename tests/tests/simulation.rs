//! A hundred weeks of a hub, two towns and six villages on bad lines, each drawn from its seed.

use tests::sim::{Plan, run};

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
fn weeks_1_to_50_lose_nothing() {
    weeks(1, 51);
}

#[test]
fn weeks_51_to_100_lose_nothing() {
    weeks(51, 101);
}

#[test]
fn the_same_seed_is_the_same_week() {
    for seed in [3, 14] {
        assert_eq!(run(Plan::week(seed)), run(Plan::week(seed)), "I43: seed {seed}");
    }
}
