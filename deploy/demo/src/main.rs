//! The whole city on one machine: 1 hub, 10 towns, 100 villages of Kaili as real processes on loopback.
//!
//! `--once` runs the main job from an offline record to a licence handed over and ends with a verdict;
//! `up` leaves the city running for people to use, with verbs to cut, heal, load and verify.

#![allow(clippy::disallowed_methods)] // a driver of real processes lives in real time

mod city;
mod control;
mod overdue;
mod proxy;
mod recording;
mod staff;
mod story;
mod welcome;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// 通办 demo: the whole network on this machine
#[derive(Parser)]
struct Cli {
    /// Run the whole story, print the verdict, end
    #[arg(long)]
    once: bool,
    /// Cases to record
    #[arg(long, default_value_t = 300)]
    cases: usize,
    /// Kill and restart random nodes meanwhile
    #[arg(long)]
    chaos: bool,
    /// Only the verdict on standard output
    #[arg(long)]
    json: bool,
    /// Seed of people, papers and chaos
    #[arg(long, default_value_t = 7)]
    seed: u64,
    #[arg(long, default_value_t = 10)]
    towns: usize,
    #[arg(long, default_value_t = 100)]
    villages: usize,
    /// First port of the block the demo uses
    #[arg(long, default_value_t = 17_000)]
    port: u16,
    /// Folder for all data
    #[arg(long, default_value = "demo-data")]
    dir: PathBuf,
    /// Folder of the city pack
    #[arg(long, default_value = "deploy/kaili")]
    pack: PathBuf,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Subcommand)]
enum Verb {
    /// Start the city and leave it running
    Up,
    /// Cut the link of a town or village (node id, division code or name)
    Cut { node: String },
    /// Heal a link; `all` heals every one
    Heal { node: String },
    /// Record N more cases and work them through
    Load { cases: usize },
    /// The code (动态口令) that the phones of the hub's officers show now
    Code,
    /// Processes and links
    Status,
    /// Check all journals and look for every case told to an officer
    Verify,
    /// Stop the city
    Down,
    #[command(hide = true)]
    Supervise,
}

#[derive(Clone)]
pub struct Options {
    pub cases: usize,
    pub chaos: bool,
    pub quiet: bool,
    pub seed: u64,
    pub towns: usize,
    pub villages: usize,
    pub port: u16,
    pub dir: PathBuf,
    pub pack: PathBuf,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let options = Options {
        cases: cli.cases,
        chaos: cli.chaos,
        quiet: cli.json,
        seed: cli.seed,
        towns: cli.towns,
        villages: cli.villages,
        port: cli.port,
        dir: cli.dir.clone(),
        pack: cli.pack.clone(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let outcome =
        runtime.context("start the runtime").and_then(|runtime| runtime.block_on(run(&cli, options)));
    outcome.unwrap_or_else(|error| {
        eprintln!("{error:#}");
        ExitCode::FAILURE
    })
}

async fn run(cli: &Cli, options: Options) -> Result<ExitCode> {
    if cli.once {
        return story::once(options).await;
    }
    match cli.verb.as_ref().unwrap_or(&Verb::Up) {
        Verb::Up => control::up(options).await,
        Verb::Supervise => control::supervise(options).await,
        Verb::Cut { node } => control::ask(&options, &format!("cut {node}")).await,
        Verb::Heal { node } => control::ask(&options, &format!("heal {node}")).await,
        Verb::Load { cases } => control::ask(&options, &format!("load {cases}")).await,
        Verb::Code => control::ask(&options, "code").await,
        Verb::Status => control::ask(&options, "status").await,
        Verb::Verify => control::ask(&options, "verify").await,
        Verb::Down => control::ask(&options, "down").await,
    }
}
