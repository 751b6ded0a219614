//! `simulate`: many seeds, one JSON line; `--start S --seeds 1` replays one.

#![allow(clippy::disallowed_methods)] // measures real time

use clap::Parser;
use serde_json::json;
use std::panic::catch_unwind;
use std::process::ExitCode;
use std::time::Instant;
use tests::sim::{Plan, run};

#[derive(Parser)]
struct Cli {
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    #[arg(long, default_value_t = 1)]
    start: u64,
    #[arg(long, default_value_t = 2)]
    towns: usize,
    #[arg(long, default_value_t = 6)]
    villages: usize,
    #[arg(long, default_value_t = 7)]
    days: i64,
    #[arg(long, default_value_t = 20)]
    cases: usize,
    /// Hubs, towns and villages, such as 1/10/100; instead of --towns and --villages
    #[arg(long, value_parser = topology)]
    topology: Option<(usize, usize)>,
    /// Stop at the first seed that fails
    #[arg(long)]
    until_failure: bool,
}

fn topology(text: &str) -> Result<(usize, usize), String> {
    let parts: Vec<usize> = text.split('/').map_while(|part| part.parse().ok()).collect();
    match parts[..] {
        [1, towns, villages] if towns > 0 && villages >= towns => Ok((towns, villages)),
        _ => Err("1/TOWNS/VILLAGES, with a village for each town".to_owned()),
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let (towns, villages) = cli.topology.unwrap_or((cli.towns, cli.villages));
    let started = Instant::now();
    let (mut failed, mut cases, mut crashes, mut cuts, mut frames) = (Vec::new(), 0, 0, 0, 0);
    let (mut alerts, mut restores, mut branches) = ((0, 0), 0, 0);
    for seed in cli.start..cli.start + cli.seeds {
        let plan = Plan { seed, towns, villages, days: cli.days, cases: cli.cases };
        match catch_unwind(|| run(plan)) {
            Ok(outcome) => {
                cases += outcome.cases;
                crashes += outcome.crashes;
                restores += outcome.restores;
                branches += outcome.branches;
                cuts += outcome.cuts;
                frames += outcome.frames;
                alerts = (alerts.0 + outcome.alerts.0, alerts.1 + outcome.alerts.1);
            }
            Err(_) => {
                eprintln!("seed {seed} failed: replay with `tests/simulate.sh --start {seed} --seeds 1`");
                failed.push(seed);
                if cli.until_failure {
                    break;
                }
            }
        }
    }
    println!(
        "{}",
        json!({ "seeds": cli.seeds, "failed": failed, "cases": cases, "crashes": crashes, "restores": restores, "branches": branches, "cuts": cuts, "frames": frames,
                "alerts": alerts.0, "disproved": alerts.1,
                "seconds": started.elapsed().as_secs() })
    );
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
