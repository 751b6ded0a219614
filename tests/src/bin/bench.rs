//! `bench`: each measure beside a floor taken in the same run on the same disk; one JSON line for each.
//!
//! The nodes are the real ones: SQLite with full synchronisation, mutual TLS, receipts and audit on. Only the machine is
//! shared, so the CPU of all tiers adds up in one figure.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)] // measures real time; a failed step ends the benchmark

use clap::Parser;
use serde_json::{Value, json};
use std::time::Duration;
use tests::measure::{self, Bench};

#[derive(Parser)]
struct Cli {
    /// Measures to run; all if left out: rules capture drain roundtrip lone reconnect herd attachments idle
    names: Vec<String>,
    /// Only JSON lines
    #[arg(long)]
    json: bool,
    /// Villages of the drain
    #[arg(long, default_value_t = 10)]
    villages: usize,
    /// Cases of each village in the drain
    #[arg(long, default_value_t = 1000)]
    cases: usize,
    /// Villages of `herd`
    #[arg(long, default_value_t = 100)]
    herd: usize,
    /// Seconds that the line of `reconnect` is cut for
    #[arg(long, default_value_t = 20)]
    cut: u64,
}

fn main() {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let wanted = |name: &str| cli.names.is_empty() || cli.names.iter().any(|n| n == name);
    let bench = Bench {
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        fsync_us: measure::fsync_us(),
    };
    let report = |name: &str, lines: Vec<Value>| {
        for mut line in lines {
            line["bench"] = json!(name);
            line["cores"] = json!(bench.cores);
            line["fsync_us"] = json!(bench.fsync_us);
            if cli.json {
                println!("{line}");
            } else {
                println!("{name}: {line}");
            }
        }
    };
    if wanted("rules") {
        report("rules", measure::rules());
    }
    runtime.block_on(async {
        if wanted("capture") {
            report("capture", measure::capture().await);
        }
        if wanted("drain") {
            report("drain", measure::drain(cli.villages, cli.cases).await);
        }
        if wanted("roundtrip") || wanted("lone") {
            report("roundtrip", measure::round_trip(200).await);
        }
        if wanted("reconnect") {
            report(
                "reconnect",
                measure::reconnect(Duration::from_secs(cli.cut), if cli.cut > 60 { 1 } else { 3 }).await,
            );
        }
        if wanted("herd") {
            report("herd", measure::herd(10, cli.herd, 100).await);
        }
        if wanted("attachments") {
            report("attachments", measure::attachments(100).await);
        }
        if wanted("idle") {
            report("idle", measure::idle().await);
        }
    });
}
