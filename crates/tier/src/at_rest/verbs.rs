//! `key`: who opens a machine's data, and what to do when nobody does any more.

use super::locked::welcome;
use super::{RingFile, hub_key, new_key_file};
use crate::cli::Common;
use crate::serve::{Opened, Parts};
use anyhow::{Context, Result, bail};
use clap::Subcommand;
use domain::network::{Network, Standing, Tier};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use store::Store;
use vault::escrow::Question;
use zeroize::Zeroizing;

#[derive(Debug, Subcommand)]
pub enum KeyVerb {
    /// Officers and key files that open this machine's data, and whether the hub can
    Show,
    /// Every password is forgotten: the line to send to the hub, by messenger or stick
    Ask,
    /// The hub's answer: opens the data and gives an officer a new password, printed once
    Answer {
        line: String,
        /// The officer who gets a new password
        #[arg(long)]
        officer: String,
        /// Read the new password from standard input; otherwise one is made
        #[arg(long)]
        password_stdin: bool,
    },
    /// Make a key file that opens the data: for a stick that is kept apart from the machine, or a machine that starts by itself
    File {
        #[arg(long)]
        to: PathBuf,
        /// What the stick is called; making one anew under the same name shuts out the one before
        #[arg(long, default_value = "stick")]
        label: String,
    },
    /// A key file was lost: it no longer opens the data
    ForgetFile { label: String },
}

pub(crate) async fn run(common: &Common, verb: KeyVerb) -> Result<ExitCode> {
    let file = RingFile::of(&common.data_dir);
    match verb {
        KeyVerb::Show => show(common, &file)?,
        KeyVerb::Ask => {
            let line = file.update(|ring| Ok(ring.ask(&*Parts::default().random)?.line()))?;
            crate::users::print_with_code(&line);
        }
        KeyVerb::Answer { line, officer, password_stdin } => {
            let ring = file.expect()?;
            let opened = Opened::open(&common.data_dir, &Parts::default(), Some(ring.answered(&line)?))?;
            let password = crate::users::password(&*opened.hall.random, password_stdin)?;
            welcome(&opened, &officer, &password).await?;
            if !password_stdin {
                println!("{officer} {password}");
            }
        }
        KeyVerb::File { to, label } => {
            make_file(common, &file, &to, &label)?;
            println!("{} opens this machine's data: keep it apart from the machine", to.display());
        }
        KeyVerb::ForgetFile { label } => {
            let known = file.update(|ring| Ok(ring.remove_file(&label)))?;
            anyhow::ensure!(known, "there is no key file called {label}; key show lists them");
            println!("{label} opens nothing any more");
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn make_file(common: &Common, file: &RingFile, to: &Path, label: &str) -> Result<()> {
    let (key, random) =
        (common.key()?.context("the data of this machine lies open")?, Parts::default().random);
    anyhow::ensure!(!to.exists(), "{} is there already: choose another name", to.display());
    // On the stick first: a slot without its file would only look like a way in.
    let secret = new_key_file(to, &*random)?;
    file.update(|ring| {
        ring.set_file(&key, label, &secret, &*random);
        Ok(())
    })
}

fn show(common: &Common, file: &RingFile) -> Result<()> {
    let Some(ring) = file.read()? else {
        println!(
            "{}",
            if common.json {
                json!({ "encrypted": false }).to_string()
            } else {
                "the data lies open".to_owned()
            }
        );
        return Ok(());
    };
    let (officers, files): (Vec<_>, Vec<_>) = (ring.officers().collect(), ring.files().collect());
    let hub = ring.hub().map(|key| trust::hex(&key));
    if common.json {
        println!("{}", json!({ "encrypted": true, "officers": officers, "key_files": files, "hub": hub }));
        return Ok(());
    }
    println!("officers   {}", officers.join(", "));
    println!("key files  {}", if files.is_empty() { "none".to_owned() } else { files.join(", ") });
    println!(
        "hub        {}",
        hub.map_or("cannot open it yet".to_owned(), |key| format!("by its key {}…", &key[..16]))
    );
    Ok(())
}

/// For `doctor`: what stands between this data and a thief, and between its officers and being locked out.
pub(crate) fn examine(data: &Path, tier: Tier, network: Option<&Network>) -> Result<(), String> {
    let ring = match (RingFile::of(data).read().map_err(|e| format!("{e:#}"))?, tier) {
        (Some(_), _) if !RingFile::of(data).copies_agree() => {
            return Err("one of the two copies of the keyring is missing or damaged; next: let the node serve once, and look at the disk".to_owned());
        }
        (Some(ring), _) => ring,
        (None, Tier::Village) => {
            return Err("lies open on a machine that can be carried away; next: enrol it anew (city-hub enroll-token --replace) and join into an empty folder".to_owned());
        }
        (None, Tier::Town | Tier::City) => return Ok(()),
    };
    if ring.officers().next().is_none() && ring.files().next().is_none() {
        return Err("no officer's password opens it; next: user add, or key file".to_owned());
    }
    match (ring.hub(), network.and_then(hub_key)) {
        (None, _) => {
            Err("the hub cannot open it if all passwords are forgotten; next: let it sync once".to_owned())
        }
        (Some(known), Some(now)) if known != now => {
            Err("it is sealed for a former key of the hub; next: let the node serve once".to_owned())
        }
        _ => Ok(()),
    }
}

/// What the hub can say about a question before it answers.
fn look_at(question: &Question, network: &Network) -> Result<String> {
    let machine = &question.machine;
    let record =
        network.get(&machine.node).with_context(|| format!("{} is no node of this city", machine.node))?;
    if record.standing == Standing::Banned {
        bail!("{} was reported lost: its data stays locked; if it was found: node readmit", machine.node);
    }
    if machine.incarnation != record.incarnation {
        bail!(
            "{} is at its machine {} now, the question comes from machine {}: one that was replaced",
            machine.node,
            record.incarnation,
            machine.incarnation
        );
    }
    Ok(format!("{} {}", record.id, record.name))
}

/// The hub's side: who asks, and the answer. The caller has the signatures of two administrators.
///
/// # Errors
/// When the machine was reported lost or replaced, or the line is none of this city's.
pub fn answer_question(opened: &Opened, line: &str) -> Result<(String, String)> {
    let question = Question::parse(line)?;
    let whose = look_at(&question, &opened.store.network())?;
    let secret = Zeroizing::new(opened.identity.sign_key()?.secret());
    Ok((whose, question.answer(&secret, &*opened.hall.random)?))
}
