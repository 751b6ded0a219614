//! Looks for trouble and changes nothing. Each fault names the next command.

use crate::cli::Common;
use crate::serve::{Opened, Parts, identity_folder};
use anyhow::Result;
use runtime::NodeConfig;
use serde_json::json;
use std::net::ToSocketAddrs;
use std::process::ExitCode;
use std::time::Duration;
use store::Store;
use store_sqlite::SqliteStore;

struct Finding {
    what: &'static str,
    fault: Option<String>,
}

/// # Errors
/// Only when the report itself cannot be printed.
pub async fn run(common: &Common) -> Result<ExitCode> {
    let findings = examine(common).await;
    let sick = findings.iter().any(|finding| finding.fault.is_some());
    if common.json {
        let lines: Vec<_> = findings
            .iter()
            .map(|f| json!({ "check": f.what, "ok": f.fault.is_none(), "fault": f.fault }))
            .collect();
        println!("{}", json!({ "healthy": !sick, "checks": lines }));
    } else {
        for finding in &findings {
            match &finding.fault {
                None => println!("ok    {}", finding.what),
                Some(fault) => println!("FAULT {}: {fault}", finding.what),
            }
        }
    }
    Ok(if sick { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

async fn examine(common: &Common) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut note = |what, fault: Option<String>| findings.push(Finding { what, fault });
    let config = match NodeConfig::load(&common.data_dir) {
        Ok(config) => config,
        Err(error) => {
            note("configuration", Some(format!("{:#}", anyhow::Error::from(error))));
            return findings;
        }
    };
    note("configuration", None);
    note("disk can be written", writable(common).err());
    if config.tier == domain::network::Tier::City {
        note("issuer of certificates", crate::certificate::examine_issuer(common, &config.city).err());
    }
    let at_rest = |network| crate::at_rest::examine(&common.data_dir, config.tier, network).err();
    match common.key() {
        // What is behind the lock cannot be looked at; what is before it can.
        Err(error) => {
            note("data at rest", at_rest(None));
            note("data can be opened", Some(format!("{error:#}")));
        }
        Ok(key) => {
            let folder = identity_folder(&common.data_dir, key.as_ref());
            note("certificate", crate::certificate::examine(folder, &config.city).err());
            match Opened::open(&common.data_dir, &Parts::default(), key) {
                Ok(opened) => {
                    note("data at rest", at_rest(Some(&opened.store.network())));
                    note("database opens", None);
                    note("database is whole", quick_check(&opened).err());
                    note("no pages held, nothing in quarantine", trouble(&opened).await.err());
                    note("clocks agree", clocks(&opened).await.err());
                    note("journals as others have them", recovery(&opened).err());
                }
                Err(error) => note(
                    "database opens",
                    Some(format!("{error:#}; next: restore the data folder from a backup")),
                ),
            }
        }
    }
    if let Some(parent) = &config.parent {
        note("parent answers", reach(&parent.address).err());
    }
    findings
}

fn writable(common: &Common) -> Result<(), String> {
    let path = common.data_dir.join("doctor.tmp");
    let probe = std::fs::write(&path, [0; 65_536]).and_then(|()| std::fs::remove_file(&path));
    probe.map_err(|e| format!("{e}; next: free space on the disk of {}", common.data_dir.display()))
}

fn quick_check(opened: &Opened) -> Result<(), String> {
    match store_sqlite::quick_check(&SqliteStore::path(&opened.data), opened.key.as_ref()) {
        Ok(answer) if answer == "ok" => Ok(()),
        Ok(answer) => Err(format!("{answer}; next: stop the node and restore the data folder from a backup")),
        Err(error) => Err(error.to_string()),
    }
}

async fn trouble(opened: &Opened) -> Result<(), String> {
    let counts = opened.hall.counts().await.map_err(|e| e.to_string())?;
    match (counts.held, counts.quarantined) {
        (0, 0) => Ok(()),
        (held, quarantined) => {
            Err(format!("{held} held, {quarantined} in quarantine; next: look at /api/v1/incidents"))
        }
    }
}

fn recovery(opened: &Opened) -> Result<(), String> {
    opened.store.recovery().map_or(Ok(()), |recovery| Err(crate::keeping::sentence(&recovery)))
}

async fn clocks(opened: &Opened) -> Result<(), String> {
    const TOLERATED_MS: i64 = 5 * 60_000;
    let contacts = opened.store.contacts().await.map_err(|e| e.to_string())?;
    let off = contacts.iter().find(|contact| contact.clock_skew_ms.abs() > TOLERATED_MS);
    match off {
        Some(contact) => Err(format!(
            "{} and this machine differ by {} minutes; next: set the clock of the one that is wrong",
            contact.node,
            contact.clock_skew_ms / 60_000
        )),
        None => Ok(()),
    }
}

fn reach(address: &str) -> Result<(), String> {
    let resolved =
        address.to_socket_addrs().map_err(|e| format!("{address}: {e}"))?.next().ok_or("no address")?;
    let connected = std::net::TcpStream::connect_timeout(&resolved, Duration::from_secs(3));
    connected
        .map(drop)
        .map_err(|e| format!("{address}: {e}; next: check the network; work goes on offline meanwhile"))
}
