//! `ca`: the city's authority, its issuer, and how one follows another without anybody being locked out.
//!
//! `next` → everybody believes both → `switch` → everybody has a certificate under the new one → `retire`. Each step says which
//! nodes it waits for, changes nothing while it does, and may be repeated.

use anyhow::{Result, bail};
use casework::SensitiveAct;
use clap::Subcommand;
use domain::NodeId;
use domain::trust_bundle::{Release, TrustBundle};
use serde_json::json;
use tier::serve::Opened;
use tier::{Common, TwoPersons};
use trust::ca_folder::authorities;
use trust::files::{CA_CERT, TLS_CERT};

#[derive(Debug, Subcommand)]
pub(crate) enum CaVerb {
    /// The authorities that are believed, and which nodes know of them
    Show,
    /// A new issuer below the present authority; a serving hub makes one every year by itself. The one before it stays good until it
    /// runs out: if its key may have been seen, go on with next, switch, retire
    RenewIssuer {
        #[command(flatten)]
        persons: TwoPersons,
    },
    /// Make the next authority and let everybody believe it beside the present one. Back the hub up afterwards: a hub restored from
    /// before this could not go on once the former authority is retired
    Next {
        #[command(flatten)]
        persons: TwoPersons,
    },
    /// Issue under the next authority; nodes renew by themselves
    Switch {
        /// Do not wait for nodes that do not know the next authority yet: they must join anew
        #[arg(long)]
        without_waiting: bool,
        #[command(flatten)]
        persons: TwoPersons,
    },
    /// Believe the former authority no more
    Retire {
        /// Do not wait for nodes whose certificate is still under it: they must join anew
        #[arg(long)]
        without_waiting: bool,
        #[command(flatten)]
        persons: TwoPersons,
    },
    /// The oldest release that may sync; `none` lets all
    OldestRelease {
        release: String,
        #[command(flatten)]
        persons: TwoPersons,
    },
}

pub(crate) async fn run(common: &Common, verb: CaVerb) -> Result<()> {
    let opened = common.open()?;
    let sign = async |persons: &TwoPersons, step: &str| {
        persons.sign(&opened.hall, &SensitiveAct::Authority { step: step.to_owned() }).await
    };
    let new_keys = matches!(verb, CaVerb::Next { .. } | CaVerb::Switch { .. });
    let bundle = match verb {
        CaVerb::Show => return show(common, &opened).await,
        CaVerb::RenewIssuer { persons } => {
            let by = sign(&persons, "renew issuer").await?;
            opened.ca().renew_issuer(opened.hall.now())?;
            opened.hall.store.note_act(opened.hall.now(), &by, "renew issuer", "").await?;
            println!("certificates are issued by a new issuer from now on");
            return Ok(());
        }
        CaVerb::Next { persons } => next(&opened, &sign(&persons, "next").await?).await?,
        CaVerb::Switch { without_waiting, persons } => {
            switch(&opened, &sign(&persons, "switch").await?, without_waiting).await?
        }
        CaVerb::Retire { without_waiting, persons } => {
            retire(&opened, &sign(&persons, "retire").await?, without_waiting).await?
        }
        CaVerb::OldestRelease { release, persons } => {
            let oldest = if release == "none" { None } else { Some(release.parse::<Release>()?) };
            let by = sign(&persons, "oldest release").await?;
            opened.hall.publish_trust(&by, present(&opened)?.authorities, oldest).await?
        }
    };
    if common.json {
        println!("{}", json!(bundle));
        return Ok(());
    }
    println!("trust bundle {} is published; ca show tells who has it", bundle.version);
    if new_keys {
        println!("the keys of the hub have changed; next: backup");
    }
    Ok(())
}

/// What is believed now: the newest bundle, or, in a city that has none yet, what lies in the identity folder.
fn present(opened: &Opened) -> Result<TrustBundle> {
    if let Some(bundle) = opened.hall.store.trust_bundle() {
        return Ok(TrustBundle::clone(&bundle));
    }
    let authorities = authorities(&opened.identity.read(CA_CERT)?);
    Ok(TrustBundle { version: 0, authorities, oldest_release: None })
}

/// Publishes what is believed from now on. What is published counts; the file follows it here and at every node.
async fn believe(opened: &Opened, by: &str, bundle: TrustBundle) -> Result<TrustBundle> {
    let bundle = opened.hall.publish_trust(by, bundle.authorities, bundle.oldest_release).await?;
    follow(opened)?;
    Ok(bundle)
}

/// Brings the file to what was published: a step that broke off may have left it behind.
fn follow(opened: &Opened) -> Result<()> {
    if let Some(bundle) = opened.hall.store.trust_bundle() {
        opened.identity.write(CA_CERT, &bundle.certificates())?;
    }
    Ok(())
}

fn wait_for(nodes: &[NodeId], what: &str, anyway: bool) -> Result<()> {
    if nodes.is_empty() || anyway {
        return Ok(());
    }
    let names: Vec<&str> = nodes.iter().take(20).map(NodeId::as_str).collect();
    bail!(
        "{} nodes {what}: {}; wait for their next contact, or --without-waiting, and then give each a token to join anew",
        nodes.len(),
        names.join(", ")
    )
}

/// # Errors
/// When a file cannot be written or the bundle not be published.
pub async fn next(opened: &Opened, by: &str) -> Result<TrustBundle> {
    follow(opened)?;
    let (mut bundle, next) = (present(opened)?, opened.ca().next(opened.hall.now())?);
    if bundle.version > 0 && bundle.believes(&next.fingerprint) {
        return Ok(bundle);
    }
    bundle.authorities.push(next);
    believe(opened, by, bundle).await
}

/// # Errors
/// While nodes do not know the next authority, unless `anyway`.
pub async fn switch(opened: &Opened, by: &str, anyway: bool) -> Result<TrustBundle> {
    follow(opened)?;
    let (ca, mut bundle) = (opened.ca(), present(opened)?);
    if ca.has_next() {
        let next = ca.next(opened.hall.now())?.fingerprint;
        if bundle.version == 0 || !bundle.believes(&next) {
            bail!("nobody knows the next authority yet; next: ca next");
        }
        let lacking = opened.hall.without_bundle(bundle.version).await?;
        wait_for(&lacking, "do not know the next authority yet", anyway)?;
    }
    ca.switch()?;
    let issues = ca.present()?;
    if bundle.authorities.first() == Some(&issues) {
        bail!("there is no next authority; next: ca next");
    }
    bundle.authorities.retain(|one| *one != issues);
    bundle.authorities.insert(0, issues);
    believe(opened, by, bundle).await
}

/// # Errors
/// While nodes show certificates under a former authority, unless `anyway`.
pub async fn retire(opened: &Opened, by: &str, anyway: bool) -> Result<TrustBundle> {
    follow(opened)?;
    let (issues, mut bundle) = (opened.ca().present()?, present(opened)?);
    if opened.ca().has_next() {
        bail!("the next authority does not issue yet; next: ca switch");
    }
    wait_for(
        &under_former(opened, &issues.fingerprint).await?,
        "show no certificate under the present authority yet",
        anyway,
    )?;
    bundle.authorities.retain(|one| *one == issues);
    believe(opened, by, bundle).await
}

/// Who would be locked out if the others were believed no more; the hub's own certificate is looked at on the disk.
async fn under_former(opened: &Opened, issues: &str) -> Result<Vec<NodeId>> {
    let mut nodes = opened.hall.not_shown_under(issues).await?;
    let own = opened.identity.read(TLS_CERT)?;
    if opened.ca().open()?.authority_of(&own).as_deref() != Some(issues) {
        nodes.insert(0, opened.config.id.clone());
    }
    Ok(nodes)
}

async fn show(common: &Common, opened: &Opened) -> Result<()> {
    let (bundle, issues) = (present(opened)?, opened.ca().present()?.fingerprint);
    let lacking = opened.hall.without_bundle(bundle.version).await?;
    let under_former = under_former(opened, &issues).await?;
    if common.json {
        let told = json!({ "version": bundle.version, "oldest_release": bundle.oldest_release, "issues": issues,
            "believed": bundle.authorities.iter().map(|one| &one.fingerprint).collect::<Vec<_>>(),
            "without_bundle": lacking, "under_former": under_former });
        println!("{told}");
        return Ok(());
    }
    let oldest = bundle.oldest_release.map_or("any".to_owned(), |oldest| oldest.to_string());
    println!("trust bundle {}, oldest release {oldest}", bundle.version);
    for one in &bundle.authorities {
        let issuing = if one.fingerprint == issues { "  issues" } else { "" };
        println!("  {}{issuing}", one.fingerprint);
    }
    println!("{} nodes do not know this bundle yet", lacking.len());
    println!("{} nodes have shown no certificate under the issuing authority yet", under_former.len());
    Ok(())
}
