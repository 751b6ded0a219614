//! `tongban-verify`: reads nodes' databases and says whether the journals hold and every case told to an officer is there.
//!
//! On purpose it shares no code with the nodes: it parses, hashes and checks by its own reading of the format, so that a
//! mistake in the nodes cannot hide itself. Usage: `tongban-verify FOLDER [ORACLE] [--keys FOLDER]`, where FOLDER holds one folder for each
//! node and ORACLE has one JSON line for each capture that was confirmed to an officer: `{"entry": …, "case": …}`, and
//! the folder after `--keys` has a key file `<node folder>.key` for each node whose data lies encrypted; or
//! `tongban-verify audit FILE [KEY]` for an exported audit.

mod chain;
mod ring;

use anyhow::{Context, Result, bail};
use chain::{Journal, Keys};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str =
    "usage: tongban-verify FOLDER [ORACLE] [--keys FOLDER], or tongban-verify audit FILE [KEY]";

struct Node {
    id: String,
    journals: BTreeMap<String, Journal>,
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<bool> {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    if let [verb, file, key @ ..] = &arguments[..]
        && verb == Path::new("audit")
    {
        let key = key.first().map(|key| key.to_string_lossy().into_owned());
        let rows = verifier::audit::check(file, key.as_deref())?;
        println!("{}", json!({ "audit_rows": rows, "faults": [] }));
        return Ok(true);
    }
    let (arguments, key_files) = match &arguments[..] {
        [rest @ .., option, folder] if option == Path::new("--keys") => (rest, Some(folder.as_path())),
        rest => (rest, None),
    };
    let (folder, oracle) = match arguments {
        [folder] => (folder, None),
        [folder, oracle] => (folder, Some(oracle)),
        _ => bail!("{USAGE}"),
    };
    let nodes = read_nodes(folder, key_files)?;
    let mut faults = Vec::new();
    let hub = nodes.iter().find(|node| node.id == "hub").context("no hub among the folders")?;
    let keys = Keys::published_by(hub)?;
    let mut verified = 0;
    for node in &nodes {
        for journal in node.journals.values() {
            match journal.verify(&keys) {
                Ok(()) => verified += 1,
                Err(fault) => faults.push(format!("{}: {}: {fault}", node.id, journal.name)),
            }
        }
    }
    compare_copies(&nodes, &mut faults);
    let mut report = count_cases(&nodes, hub, oracle.map(PathBuf::as_path), &mut faults)?;
    report["nodes"] = json!(nodes.len());
    report["journals_verified"] = json!(verified);
    report["faults"] = json!(faults);
    let clean = faults.is_empty() && report["lost"] == 0 && report["duplicated"] == 0;
    println!("{report}");
    Ok(clean)
}

fn read_nodes(folder: &Path, key_files: Option<&Path>) -> Result<Vec<Node>> {
    let mut nodes = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
        let path = entry?.path();
        if !path.join("tongban.db").exists() {
            continue;
        }
        let config = std::fs::read_to_string(path.join("node.toml"))
            .with_context(|| format!("read node.toml in {}", path.display()))?;
        let id = config
            .lines()
            .find_map(|line| line.strip_prefix("id = \"")?.strip_suffix('"'))
            .context("node.toml names no id")?;
        let key = ring::database_key(&path, key_files)?;
        let journals = chain::read_journals(&path.join("tongban.db"), key.as_deref())
            .with_context(|| format!("read {}", path.display()))?;
        nodes.push(Node { id: id.to_owned(), journals });
    }
    Ok(nodes)
}

/// Every copy of a journal must be a prefix of (or equal to) the longest one, hash by hash.
fn compare_copies(nodes: &[Node], faults: &mut Vec<String>) {
    let mut longest: BTreeMap<&str, &Journal> = BTreeMap::new();
    for journal in nodes.iter().flat_map(|node| node.journals.values()) {
        let best = longest.entry(&journal.name).or_insert(journal);
        if journal.entries.len() > best.entries.len() {
            *best = journal;
        }
    }
    for node in nodes {
        for journal in node.journals.values() {
            let best = longest[journal.name.as_str()];
            let differs = journal.entries.iter().zip(&best.entries).position(|(a, b)| a.hash != b.hash);
            if let Some(at) = differs {
                faults.push(format!(
                    "{}: {} differs from another node's copy at entry {}",
                    node.id,
                    journal.name,
                    at + 1
                ));
            }
            let author = journal.name.split('/').next().unwrap_or("");
            if node.id == author && journal.entries.len() < best.entries.len() {
                faults.push(format!("{}: others hold more of {} than its author", node.id, journal.name));
            }
        }
    }
}

/// Captures held at a node: entry id → (case, hash, how often).
fn captures(node: &Node) -> BTreeMap<String, (String, String, usize)> {
    captures_in(node.journals.values())
}

/// The captures a node wrote itself: a village's, or those of a town's own window.
fn own_captures(node: &Node) -> BTreeMap<String, (String, String, usize)> {
    captures_in(node.journals.values().filter(|journal| journal.name.split('/').next() == Some(&node.id)))
}

fn captures_in<'n>(journals: impl Iterator<Item = &'n Journal>) -> BTreeMap<String, (String, String, usize)> {
    let mut found: BTreeMap<String, (String, String, usize)> = BTreeMap::new();
    for entry in journals.flat_map(|journal| &journal.entries).filter(|entry| entry.kind == "page") {
        let Ok(page) = serde_json::from_slice::<Value>(&entry.body) else { continue };
        if page["body"].get("captured").is_some() {
            let case = page["case"].as_str().unwrap_or("").to_owned();
            let known = found.entry(entry.id.clone()).or_insert((case, entry.hash_hex(), 0));
            known.2 += 1;
        }
    }
    found
}

fn pages_with(node: &Node, what: &str) -> BTreeSet<String> {
    let pages =
        node.journals.values().flat_map(|journal| &journal.entries).filter(|entry| entry.kind == "page");
    pages
        .filter_map(|entry| serde_json::from_slice::<Value>(&entry.body).ok())
        .filter(|page| page["body"].get(what).is_some())
        .filter_map(|page| page["case"].as_str().map(str::to_owned))
        .collect()
}

fn count_cases(nodes: &[Node], hub: &Node, oracle: Option<&Path>, faults: &mut Vec<String>) -> Result<Value> {
    let at_hub = captures(hub);
    let mut at_town: BTreeSet<String> = BTreeSet::new();
    let mut at_origin: BTreeMap<String, String> = BTreeMap::new();
    for node in nodes {
        at_origin.extend(own_captures(node).into_iter().map(|(id, (_, hash, _))| (id, hash)));
        if node.id.starts_with("t-") {
            at_town.extend(captures(node).into_keys());
        }
    }
    let told: BTreeMap<String, String> = match oracle {
        Some(path) => read_oracle(path)?,
        None => at_origin.keys().map(|id| (id.clone(), String::new())).collect(),
    };
    let mut lost = 0;
    for (id, case) in &told {
        match (at_hub.get(id), at_origin.get(id)) {
            (Some((_, hash, _)), Some(own)) if hash == own => {}
            (found, own) => {
                lost += 1;
                faults.push(format!(
                    "case {case}: told to the officer; at the hub {}, where it was taken in {}",
                    found.is_some(),
                    own.is_some()
                ));
            }
        }
    }
    let mut by_case: BTreeMap<&str, usize> = BTreeMap::new();
    at_hub.values().for_each(|(case, _, times)| *by_case.entry(case).or_default() += times);
    let duplicated = by_case.values().filter(|times| **times > 1).count();
    let of = |set: BTreeSet<String>| at_hub.values().filter(|(case, ..)| set.contains(case)).count();
    Ok(json!({
        "recorded": told.len(),
        "at_town": told.keys().filter(|id| at_town.contains(*id)).count(),
        "at_hub": told.keys().filter(|id| at_hub.contains_key(*id)).count(),
        "decided": of(pages_with(hub, "decided")),
        "delivered": of(pages_with(hub, "delivered")),
        "lost": lost,
        "duplicated": duplicated,
    }))
}

fn read_oracle(path: &Path) -> Result<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let mut told = BTreeMap::new();
    for line in text.lines() {
        let value: Value = serde_json::from_str(line).context("the oracle has a broken line")?;
        let (entry, case) =
            (value["entry"].as_str().context("entry")?, value["case"].as_str().context("case")?);
        told.insert(entry.to_owned(), case.to_owned());
    }
    Ok(told)
}
