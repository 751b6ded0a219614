//! `cert show` and `cert renew`, what `doctor` says of the certificate, and how the hub renews its own.

use crate::cli::{CertVerb, Common};
use crate::serve::{Opened, Parts};
use anyhow::{Context, Result};
use casework::Hall;
use domain::seams::Clock;
use link::credentials::Credentials;
use runtime::SystemClock;
use serde_json::json;
use std::process::ExitCode;
use trust::CaFolder;
use trust::ca_folder::ISSUER_WORRYING_DAYS;
use trust::files::IdentityFolder;
use trust::renewal::{WORRYING_DAYS, days_left};

fn credentials(opened: &Opened) -> Result<Credentials> {
    Ok(Credentials::load(opened.identity.clone(), &opened.config.city, Parts::default().clock)?)
}

pub(crate) async fn run(common: &Common, opened: &Opened, verb: CertVerb) -> Result<ExitCode> {
    let credentials = credentials(opened)?;
    if verb == CertVerb::Renew {
        match &opened.config.parent {
            None => renew_own(&opened.hall, &credentials, &opened.ca())?,
            Some(parent) => {
                let door = parent.door.as_deref().context(
                    "the address of the parent's door for joining nodes is not known: write it as `door` under [parent] in node.toml",
                )?;
                link::enrol::renew_at(door, &credentials).await?;
            }
        }
    }
    let (machine, until) = (credentials.machine(), credentials.until());
    let left = days_left(until, opened.hall.now());
    if common.json {
        let (node, incarnation) = (machine.node, machine.incarnation);
        println!("{}", json!({ "node": node, "incarnation": incarnation, "until": until, "days": left }));
    } else {
        println!(
            "{} 第 {} 台机器,证书到 {},还有 {left} 天",
            machine.node,
            machine.incarnation,
            until.to_minute()
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// The hub is its own authority.
pub(crate) fn renew_own(hall: &Hall, credentials: &Credentials, ca: &CaFolder) -> Result<()> {
    let (claim, now, ca) = (credentials.claim()?, hall.now(), ca.open()?);
    let next = ca.issue(&claim.request_pem, &credentials.machine(), now.as_ms() as u64 * 1000, now)?;
    Ok(credentials.install(&next.pem)?)
}

/// For `doctor`: what keeps the certificate from being renewed, while there is time.
pub(crate) fn examine(folder: IdentityFolder, city: &str) -> Result<(), String> {
    let damaged =
        |e: link::credentials::TlsError| format!("{e}; next: restore a backup, or join anew with a token");
    let credentials = Credentials::load(folder, city, Parts::default().clock).map_err(damaged)?;
    let left = days_left(credentials.until(), SystemClock.now());
    match left {
        WORRYING_DAYS.. => Ok(()),
        0.. => Err(format!(
            "ends in {left} days; it is renewed over the link by itself; next: check the link to the parent and this machine's clock, or cert renew"
        )),
        _ => Err(format!(
            "ran out {} days ago; up to {} days it is renewed at the parent's door by itself; next: check the network, or cert renew",
            -left,
            trust::renewal::GRACE_DAYS
        )),
    }
}

/// For `doctor` at the hub: an issuer that runs out shuts every door of the city.
pub(crate) fn examine_issuer(common: &Common, city: &str) -> Result<(), String> {
    let ca = CaFolder::of(IdentityFolder::of(&common.data_dir), city);
    let left = ca
        .issuer_days_left(SystemClock.now())
        .map_err(|e| format!("{e}; next: restore identity/ from a backup"))?;
    match left {
        ISSUER_WORRYING_DAYS.. => Ok(()),
        _ => Err(format!("runs out in {left} days, and with it every certificate; next: ca renew-issuer")),
    }
}
