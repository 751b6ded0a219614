//! The arrows of ARCHITECTURE.md, held by the build itself: pure crates reach no runtime, socket or database.

#![allow(clippy::unwrap_used)]

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

fn metadata() -> Value {
    // Only what this platform builds: the packages of others need not be on the disk.
    let version = Command::new("rustc").arg("-vV").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let arguments = ["metadata", "--format-version", "1", "--offline", "--filter-platform", host];
    let output = Command::new(env!("CARGO")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Normal (not dev, not build) dependencies by package name.
fn graph(metadata: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let mut graph = BTreeMap::new();
    for package in metadata["packages"].as_array().unwrap() {
        let normal = package["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|d| d["kind"].is_null() && d["optional"] == false);
        let names = normal.map(|d| d["name"].as_str().unwrap().to_owned()).collect();
        graph.insert(package["name"].as_str().unwrap().to_owned(), names);
    }
    graph
}

fn reach(graph: &BTreeMap<String, BTreeSet<String>>, from: &str) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut todo = vec![from.to_owned()];
    while let Some(name) = todo.pop() {
        for next in graph.get(&name).into_iter().flatten() {
            if seen.insert(next.clone()) {
                todo.push(next.clone());
            }
        }
    }
    seen
}

#[test]
fn pure_crates_reach_no_runtime_socket_or_database() {
    let graph = graph(&metadata());
    for pure in ["domain", "replication", "vault"] {
        let reached = reach(&graph, pure);
        for forbidden in ["tokio", "tonic", "rusqlite", "axum", "rustls", "hyper"] {
            assert!(!reached.contains(forbidden), "{pure} reaches {forbidden}");
        }
    }
}

#[test]
fn arrows_point_downward_only() {
    let graph = graph(&metadata());
    let layers: &[&[&str]] = &[
        &["domain"],
        &["replication", "proto", "vault"],
        &["store", "trust"],
        &["casework"],
        &["store-sqlite", "link", "runtime", "console"],
        &["tier"],
        &["city-hub", "town-node", "village-agent"],
    ];
    let layer = |name: &str| layers.iter().position(|layer| layer.contains(&name));
    for (name, dependencies) in &graph {
        let Some(own) = layer(name) else { continue };
        for dependency in dependencies {
            let Some(below) = layer(dependency) else { continue };
            // Adapters stand side by side: `link` tells its state to `console` and takes `runtime`'s shutdown.
            let beside = own == 4 && below == 4;
            assert!(below < own || beside, "{name} (layer {own}) depends on {dependency} (layer {below})");
        }
    }
}

#[test]
fn the_verifier_shares_no_code_with_the_nodes() {
    let metadata = metadata();
    let members: BTreeSet<&str> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|p| p["source"].is_null())
        .map(|p| p["name"].as_str().unwrap())
        .collect();
    let graph = graph(&metadata);
    let shared: Vec<&String> =
        graph["verifier"].iter().filter(|name| members.contains(name.as_str())).collect();
    assert!(shared.is_empty(), "{shared:?}");
}
