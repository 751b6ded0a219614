//! The measures of `tests/bench.sh`. Targets G1–G17 are those of ARCHITECTURE.md, "How fast".

pub mod floor;
mod processes;
mod rig;
mod rules;

use crate::city::Site;
use bytes::Bytes;
use domain::CaseNo;
use rig::Rig;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use store::Change;
use tokio::sync::broadcast::{Receiver, error::RecvError};

pub use floor::fsync_us;
pub use processes::idle;
pub use rules::rules;

pub struct Bench {
    pub cores: usize,
    pub fsync_us: f64,
}

fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// User and system time of this process.
pub(crate) fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

/// Durable local capture against raw SQLite inserts of the same bytes.
pub async fn capture() -> Vec<Value> {
    let rig = Rig::start(1, 1, false).await;
    let village = &rig.villages[0];
    let mut lines = Vec::new();
    for callers in [1usize, 32] {
        let count = 150 * callers.min(16);
        let records: Vec<rig::Record> =
            (0..count).map(|n| rig.record(village, (callers * 100_000 + n) as u64)).collect();
        let bytes: Vec<Vec<u8>> = records.iter().map(|record| record.bytes()).collect();
        let started = Instant::now();
        rig::append_all(village, records, callers).await;
        let rate = count as f64 / started.elapsed().as_secs_f64();
        // One caller waits for one commit at a time, and so does its floor; thirty-two share commits, as a batch does.
        let batch = if callers == 1 { 1 } else { 100 };
        let floor = floor::sqlite(&bytes, batch);
        lines.push(json!({ "what": format!("durable capture, {callers} callers"), "value": round(rate), "unit": "cases/s",
            "floor": round(floor), "floor_is": format!("raw SQLite, FULL, {batch} a commit, one table"), "ratio": round(rate / floor) }));
    }
    rig.stop().await;
    lines
}

/// G1, G2, G4, G7: villages × cases recorded offline, from link-up to durable at the hub with receipts back.
pub async fn drain(villages: usize, cases: usize) -> Vec<Value> {
    let rig = Rig::start(2, villages, false).await;
    let mut bytes = Vec::new();
    for (index, village) in rig.villages.iter().enumerate() {
        let records: Vec<rig::Record> =
            (0..cases).map(|n| rig.record(village, (index * 1_000_000 + n) as u64)).collect();
        bytes.extend(records.iter().map(|record| record.bytes()));
        rig::append_all(village, records, 32).await;
    }
    let total = bytes.len();
    let (wire, busy, started) = (rig.wire(), cpu(), Instant::now());
    rig.connect();
    rig.until_receipted().await;
    let (seconds, busy) = (started.elapsed().as_secs_f64(), cpu() - busy);
    let (rate, first_hop, second_hop) =
        (total as f64 / seconds, rig.wire().0 - wire.0, rig.wire().1 - wire.1);
    let sqlite = floor::median_of_three(|| floor::sqlite_two_rows(&bytes));
    let packed = floor::zstd_batches(&bytes, 1000);
    let size: usize = bytes.iter().map(Vec::len).sum();
    rig.stop().await;
    vec![
        json!({ "what": "three-tier drain (G1, G2)", "value": round(rate), "unit": "cases/s", "cases": total, "seconds": round(seconds),
            "bytes_a_case": size / total, "floor": round(sqlite), "floor_is": "raw SQLite, FULL, batch 100, index and second row", "ratio": round(rate / sqlite) }),
        json!({ "what": "CPU per case over all nodes (G4)", "value": round(busy.as_secs_f64() * 1000.0 / total as f64), "unit": "ms", "floor": 0.30, "floor_is": "target" , "ratio": round(busy.as_secs_f64() * 1000.0 / total as f64 / 0.30) }),
        wire_line("village → town (G7)", first_hop, total, packed),
        wire_line("town → hub (G7)", second_hop, total, packed),
    ]
}

fn wire_line(what: &str, wire: u64, total: usize, packed: usize) -> Value {
    json!({ "what": format!("wire bytes a case, {what}"), "value": round(wire as f64 / total as f64), "unit": "B",
        "floor": round(packed as f64 / total as f64), "floor_is": "zstd -3 of the same bytes in batches of 1,000", "ratio": round(wire as f64 / packed as f64) })
}

/// G5 and G8: one case after another, village → hub → decision → village, with nothing else on the line.
pub async fn round_trip(count: usize) -> Vec<Value> {
    let rig = Rig::start(1, 1, true).await;
    rig.until_receipted().await;
    let clerk = rig.deciding_clerk();
    let village = &rig.villages[0];
    let mut times = Vec::new();
    let mut bytes = Vec::new();
    let mut wire = rig.wire();
    for n in 0..count + 20 {
        if n == 20 {
            (wire, times, bytes) = (rig.wire(), Vec::new(), Vec::new());
        }
        let record = rig.record_for_hub(village, n as u64);
        bytes.push(record.bytes());
        let started = Instant::now();
        let mut changes = village.node().hall().store.changes();
        let case = record.case();
        rig::append_all(village, vec![record], 1).await;
        until_decided(village, &case, &mut changes).await;
        times.push(started.elapsed().as_secs_f64() * 1000.0);
        // Idle means idle: the receipts of the last case are not to ride along with the next.
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
    let spent = rig.wire();
    let both_hops = (spent.0 - wire.0 + spent.1 - wire.1) as f64 / count as f64;
    clerk.abort();
    times.sort_by(f64::total_cmp);
    let dictionary = floor::zstd_with_dictionary(&bytes) as f64;
    let fsync = floor::fsync_us() / 1000.0;
    let (p50, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    rig.stop().await;
    let floor_is = "four times an append of 4 KiB that is synchronised (village, town, hub, town: what a decision must wait for)";
    vec![
        json!({ "what": "idle round trip p50 (G5)", "value": round(p50), "unit": "ms", "floor": round(4.0 * fsync), "floor_is": floor_is, "ratio": round(p50 / (4.0 * fsync)) }),
        json!({ "what": "idle round trip p99 (G5)", "value": round(p99), "unit": "ms", "floor": round(4.0 * fsync), "floor_is": floor_is, "ratio": round(p99 / (4.0 * fsync)) }),
        json!({ "what": "wire for one lone case and its decision, both hops, receipts and acks included (G8)", "value": round(both_hops), "unit": "B",
            "floor": round(dictionary), "floor_is": "the case alone, zstd with the shared dictionary", "ratio": round(both_hops / dictionary) }),
    ]
}

/// Looks when it is told that the case has changed, as an open page does: whoever looks at every change of the village is part of
/// what is measured.
async fn until_decided(village: &Site, case: &CaseNo, changes: &mut Receiver<Change>) {
    loop {
        let told = match changes.recv().await {
            Ok(change) => change.cases.contains(case),
            Err(RecvError::Lagged(_)) => true,
            Err(RecvError::Closed) => panic!("the village is gone"),
        };
        let stored = if told { village.node().hall().store.dossier(case).await.unwrap() } else { None };
        if stored.is_some_and(|stored| stored.dossier.decision.is_some()) {
            return;
        }
    }
}

/// G16: every village of the city comes back in the same second, each with a backlog; somebody at the hub looks meanwhile.
pub async fn herd(towns: usize, villages: usize, cases: usize) -> Vec<Value> {
    let rig = Rig::start(towns, villages, false).await;
    for (index, village) in rig.villages.iter().enumerate() {
        let records = (0..cases).map(|n| rig.record(village, (index * 1_000_000 + n) as u64)).collect();
        rig::append_all(village, records, 32).await;
    }
    let before = resident_mb();
    let reader = rig.reader_of_the_hub().await;
    let still = reader.looks_while(tokio::time::sleep(Duration::from_secs(2))).await.1;
    let started = Instant::now();
    let (seconds, looks) = reader
        .looks_while(async {
            rig.connect();
            rig.until_receipted().await;
            started.elapsed().as_secs_f64()
        })
        .await;
    let (total, errors, after) = ((villages * cases) as f64, rig.errors().await, resident_mb());
    rig.stop().await;
    let floor = percentile(&still, 99);
    vec![
        json!({ "what": format!("{villages} villages of {towns} towns back in one second, {cases} cases each (G16)"), "value": round(total / seconds),
            "unit": "cases/s", "seconds": round(seconds), "errors": errors, "floor": 0, "floor_is": "errors", "ratio": errors }),
        json!({ "what": "the hub's list of all nodes meanwhile, p99 (G16)", "value": round(percentile(&looks, 99)), "unit": "ms",
            "p50": round(percentile(&looks, 50)), "looks": looks.len(), "floor": round(floor), "floor_is": "p99 of the same list before they came",
            "ratio": round(percentile(&looks, 99) / floor) }),
        json!({ "what": "memory of all nodes in one process, growth while they came back", "value": round(after - before), "unit": "MB",
            "floor": round(before), "floor_is": "before", "ratio": round(after / before) }),
    ]
}

fn percentile(sorted: &[f64], of: usize) -> f64 {
    sorted.get((sorted.len() * of / 100).min(sorted.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

/// Memory of this process that is in use.
fn resident_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}

/// G9: the first case at the hub after the line comes back.
pub async fn reconnect(cut: Duration, rounds: u64) -> Vec<Value> {
    let rig = Rig::start(1, 1, true).await;
    rig.until_receipted().await;
    let village = &rig.villages[0];
    let mut worst: f64 = 0.0;
    for round in 0..rounds {
        rig.cut();
        let record = rig.record(village, 5_000 + round);
        rig::append_all(village, vec![record], 1).await;
        tokio::time::sleep(cut).await;
        let started = Instant::now();
        rig.heal();
        rig.until_receipted().await;
        worst = worst.max(started.elapsed().as_secs_f64());
    }
    rig.stop().await;
    let target = if cut.as_secs() > 60 { 15.0 } else { 5.0 };
    vec![
        json!({ "what": format!("first case at the hub after a cut of {} s, worst of {rounds} (G9)", cut.as_secs()),
            "value": round(worst), "unit": "s", "floor": target, "floor_is": "target", "ratio": round(worst / target) }),
    ]
}

/// G11: 200 KB attachments through two hops.
pub async fn attachments(count: usize) -> Vec<Value> {
    let rig = Rig::start(1, 1, false).await;
    let village = &rig.villages[0];
    let mut total = 0u64;
    let mut blobs = Vec::new();
    for n in 0..count {
        let (record, blob) = rig.record_with_scan(village, n as u64);
        total += blob.len() as u64;
        blobs.push(Bytes::from(blob));
        rig::append_all(village, vec![record], 1).await;
    }
    let (wire, started) = (rig.wire(), Instant::now());
    rig.connect();
    rig.until_receipted().await;
    loop {
        let counts = rig.hub.node().hall().counts().await.unwrap();
        if counts.attachments_missing == 0 && counts.by_status.values().sum::<u64>() == count as u64 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let seconds = started.elapsed().as_secs_f64();
    let spent = rig.wire();
    let per_hop = (spent.0 - wire.0).max(spent.1 - wire.1) as f64 / total as f64;
    let rate = total as f64 / 1e6 / seconds;
    let floor = floor::files(&blobs);
    rig.stop().await;
    vec![
        json!({ "what": "200 KB attachments through two hops (G11)", "value": round(rate), "unit": "MB/s", "floor": round(floor), "floor_is": "the same files written twice with fsync and rename", "ratio": round(rate / floor) }),
        json!({ "what": "wire for attachments, the busier hop (G11)", "value": round(per_hop), "unit": "× bytes", "floor": 1.0, "floor_is": "the bytes themselves", "ratio": round(per_hop) }),
    ]
}
