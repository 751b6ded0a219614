//! G12, G13, G17: the real binaries as processes: memory while draining, CPU and memory at rest, time to serving.

use super::rig::{Rig, append_all};
use super::round;
use crate::city::{Site, key_of, stick};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

struct Process {
    child: Child,
    tier: &'static str,
}
impl Drop for Process {
    fn drop(&mut self) {
        // Ours, and at its end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    fn start(program: &Path, data: &Path, tier: &'static str) -> (Process, f64) {
        let config = runtime::NodeConfig::load(data).unwrap();
        let started = Instant::now();
        let mut command = Command::new(program);
        if key_of(data).is_some() {
            command.env("TONGBAN_KEY_FILE", stick(data));
        }
        let child = command
            .args(["--data-dir".as_ref(), data.as_os_str(), "serve".as_ref()])
            .env("TONGBAN_LOG", "error")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        while std::net::TcpStream::connect(&config.listen.web).is_err() {
            std::thread::sleep(Duration::from_millis(2));
        }
        (Process { child, tier }, started.elapsed().as_secs_f64() * 1000.0)
    }
    fn status(&self, key: &str) -> f64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.trim_start_matches(':').trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
    }
    fn ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }
}

/// Fixed ports instead of chosen ones, so that the processes find each other.
fn pin(site: &Site, parent: Option<&Site>) {
    let node = site.node();
    let mut config = node.opened.config.clone();
    config.listen.web = node.web.to_string();
    config.listen.link = node.link.map(|address| address.to_string());
    config.listen.enrol = node.enrol.map(|address| address.to_string());
    if let (Some(own), Some(parent)) = (config.parent.as_mut(), parent) {
        own.address = parent.node().link.unwrap().to_string();
    }
    config.save(&site.data).unwrap();
}

pub async fn idle() -> Vec<Value> {
    const VILLAGES: usize = 10;
    const CASES: usize = 1000;
    let mut rig = Rig::start(2, VILLAGES, false).await;
    for (index, village) in rig.villages.iter().enumerate() {
        let records = (0..CASES).map(|n| rig.record(village, (index * 1_000_000 + n) as u64)).collect();
        append_all(village, records, 32).await;
    }
    pin(&rig.hub, None);
    rig.towns.iter().for_each(|town| pin(town, Some(&rig.hub)));
    for (index, village) in rig.villages.iter().enumerate() {
        pin(village, Some(&rig.towns[index % 2]));
    }
    let programs = std::env::current_exe().unwrap().parent().unwrap().to_path_buf();
    let program = |name: &str| -> PathBuf { programs.join(name) };
    for site in rig.villages.iter_mut().chain(&mut rig.towns).chain(std::iter::once(&mut rig.hub)) {
        site.stop().await;
    }
    let mut processes = vec![Process::start(&program("city-hub"), &rig.hub.data, "hub").0];
    processes
        .extend(rig.towns.iter().map(|town| Process::start(&program("town-node"), &town.data, "town").0));
    let mut to_serving: f64 = 0.0;
    for village in &rig.villages {
        let (process, ms) = Process::start(&program("village-agent"), &village.data, "village");
        to_serving = to_serving.max(ms);
        processes.push(process);
    }
    let hub = tier::serve::Opened::open(&rig.hub.data, &tier::Parts::default(), None).unwrap();
    while hub.hall.counts().await.unwrap().by_status.values().sum::<u64>() < (VILLAGES * CASES) as u64 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    let worst = |tier: &str, key: &str| {
        processes.iter().filter(|p| p.tier == tier).map(|p| p.status(key)).fold(0.0, f64::max)
    };
    let mut lines = Vec::new();
    for (tier, target) in [("village", 40.0), ("town", 60.0), ("hub", 120.0)] {
        let peak = worst(tier, "VmHWM");
        lines.push(json!({ "what": format!("memory while draining, {tier} (G12)"), "value": round(peak), "unit": "MB", "floor": target, "floor_is": "target", "ratio": round(peak / target) }));
    }
    let before: u64 = processes.iter().map(Process::ticks).sum();
    tokio::time::sleep(Duration::from_secs(10)).await;
    let busy = (processes.iter().map(Process::ticks).sum::<u64>() - before) as f64 / 10.0;
    let all = format!("idle CPU of {} connected nodes, % of a core (G13)", processes.len());
    lines.push(json!({ "what": all, "value": round(busy), "unit": "%", "floor": 2.0, "floor_is": "target for all 111 nodes", "ratio": round(busy / 2.0) }));
    drop(processes);
    let village = &rig.villages[0].data;
    let (fresh, ms) = Process::start(&program("village-agent"), village, "village");
    tokio::time::sleep(Duration::from_secs(2)).await;
    let rss = fresh.status("VmRSS");
    lines.push(json!({ "what": "village agent, start to serving, 1,000 cases stored (G17)", "value": round(ms.min(to_serving)), "unit": "ms", "floor": 200, "floor_is": "target", "ratio": round(ms.min(to_serving) / 200.0) }));
    lines.push(json!({ "what": "village agent, memory at rest (G17)", "value": round(rss), "unit": "MB", "floor": 20.0, "floor_is": "target", "ratio": round(rss / 20.0) }));
    lines
}
