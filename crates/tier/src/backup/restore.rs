//! Putting a backup in place of a node's data. What was there is moved aside, never deleted: it may hold what nobody else has.

use super::manifest::{Manifest, pool_beside};
use super::{CONFIG, DATABASE, IDENTITY, attachment_files, copy_file, copy_folder, digest, make_room, place};
use crate::cli::TwoPersons;
use crate::serve::{Opened, Parts};
use anyhow::{Context, Result, bail};
use casework::SensitiveAct;
use domain::network::Tier;
use runtime::{DataLock, NodeConfig};
use std::fs;
use std::path::{Path, PathBuf};
use store::{Recovery, Store, WhyRecovering};
use store_sqlite::SqliteStore;
use store_sqlite::backup::{Copy, forget_attachments};

/// What a restore does or, with `--dry-run`, would do.
#[derive(Debug, serde::Serialize)]
pub struct Plan {
    pub node: domain::NodeId,
    pub made_at: domain::Timestamp,
    pub entries: u64,
    pub attachments: u64,
    /// Where the present data goes, if there is any.
    pub moved_to: Option<PathBuf>,
    /// Entries of the node's own journals that the present data has and the backup has not. Neighbours give back what reached
    /// them; the rest stays in the folder that is moved aside.
    pub own_entries_after: u64,
    /// Neighbours whose word the node waits for.
    pub awaited: Vec<domain::NodeId>,
    pub done: bool,
}

/// The hub is put back by two administrators. Their accounts are those in the backup: the data it replaces may be gone.
///
/// # Errors
/// When one of the two is not who they say, or may not.
pub async fn authorise(from: &Path, persons: &TwoPersons) -> Result<()> {
    let manifest = Manifest::open(from)?;
    let config = NodeConfig::load(from)?;
    if config.tier != Tier::City {
        return Ok(());
    }
    // Looked at in a copy: signing uses up codes, and a backup stays as it is.
    let scratch = std::env::temp_dir().join(format!("tongban-restore-{}", std::process::id()));
    let _gone = Scratch(scratch.clone());
    fs::create_dir_all(&scratch)?;
    copy_folder(&from.join(IDENTITY), &scratch.join(IDENTITY))?;
    for name in [DATABASE, CONFIG] {
        copy_file(&from.join(name), &scratch.join(name))?;
    }
    let opened = Opened::open(&scratch, &Parts::default())?;
    let act = SensitiveAct::Restore { backup: manifest.made_at.to_minute() };
    persons.sign(&opened.hall, &act).await.context("restoring the hub")?;
    Ok(())
}

/// A folder that is gone at the end, however it ends.
struct Scratch(PathBuf);
impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// Checks a backup and puts it in place of `data`.
///
/// # Errors
/// With the remedy; the present data stays as it is.
pub async fn restore(from: &Path, data: &Path, dry_run: bool, parts: &Parts) -> Result<Plan> {
    let manifest = Manifest::open(from)?;
    let present = present_node(data, &manifest)?;
    // Nobody may be serving what is moved away. The lock goes with the folder.
    let _lock = if data.exists() { Some(DataLock::take(data)?) } else { None };
    let stamp = parts.clock.now().to_minute().replace([' ', ':', '-'], "");
    let moved_to = present.then(|| beside(data, &format!("before-{stamp}"))).transpose()?;
    let staging = beside(data, "restoring")?;
    if staging.exists() {
        fs::remove_dir_all(&staging).with_context(|| format!("clear {}", staging.display()))?;
    }
    let mut plan = Plan {
        node: manifest.node.clone(),
        made_at: manifest.made_at,
        entries: manifest.entries,
        attachments: manifest.attachments.len() as u64,
        own_entries_after: if present { own_entries_after(data, &manifest)? } else { 0 },
        moved_to,
        awaited: Vec::new(),
        done: false,
    };
    if dry_run {
        return Ok(plan);
    }
    stage(from, &staging, &manifest, data)?;
    plan.awaited = mark(&staging, parts).await?;
    if let Some(aside) = &plan.moved_to {
        fs::rename(data, aside).with_context(|| format!("move {} to {}", data.display(), aside.display()))?;
    } else if data.exists() {
        fs::remove_dir_all(data).with_context(|| format!("clear the empty folder {}", data.display()))?;
    }
    fs::rename(&staging, data).with_context(|| format!("move the restored data to {}", data.display()))?;
    if let Some(above) = data.canonicalize()?.parent() {
        fs::File::open(above)?.sync_all()?;
    }
    plan.done = true;
    Ok(plan)
}

/// True when a node lives in the folder. Only the same node is replaced.
fn present_node(data: &Path, manifest: &Manifest) -> Result<bool> {
    if !NodeConfig::path(data).exists() {
        let strangers = fs::read_dir(data).map_or(0, |files| {
            files.filter_map(Result::ok).filter(|file| file.file_name() != "lock").count()
        });
        if strangers > 0 {
            bail!("{} is not empty and no node lives there: choose an empty folder", data.display());
        }
        return Ok(false);
    }
    let config = NodeConfig::load(data)?;
    if config.id != manifest.node || config.city != manifest.city {
        bail!(
            "{} lives in {}, the backup is of {}: choose its folder",
            config.id,
            data.display(),
            manifest.node
        );
    }
    Ok(true)
}

fn beside(data: &Path, what: &str) -> Result<PathBuf> {
    let name = data.file_name().context("name the data folder, not the root of a disk")?.to_string_lossy();
    let place = data.with_file_name(format!("{name}.{what}"));
    if what.starts_with("before") && place.exists() {
        bail!("{} exists already: look at it, and move it away before another restore", place.display());
    }
    Ok(place)
}

fn own_entries_after(data: &Path, manifest: &Manifest) -> Result<u64> {
    // Data that cannot be read any more is why somebody restores.
    let Ok(heads) = Copy::open(&SqliteStore::path(data)).and_then(|present| present.heads()) else {
        return Ok(0);
    };
    let own = heads.into_iter().filter(|(journal, _)| journal.author == manifest.node);
    Ok(own
        .map(|(journal, head)| {
            let name = journal.to_string();
            let backed_up = manifest.heads.iter().find(|line| line.0 == name).map_or(0, |line| line.2);
            head.seq.saturating_sub(backed_up)
        })
        .sum())
}

fn stage(from: &Path, staging: &Path, manifest: &Manifest, present: &Path) -> Result<()> {
    fs::create_dir_all(staging).with_context(|| format!("make {}", staging.display()))?;
    copy_file(&from.join(DATABASE), &staging.join(DATABASE))?;
    copy_folder(&from.join(IDENTITY), &staging.join(IDENTITY))?;
    let pool = pool_beside(from);
    for hash in manifest.attachments.keys() {
        let target = place(&staging.join("blobs"), hash);
        make_room(&target)?;
        copy_file(&place(&pool, hash), &target)?;
    }
    keep_present_attachments(present, staging)?;
    let database = staging.join(DATABASE);
    let lost: Vec<String> = Copy::open(&database)?
        .attachments()?
        .into_iter()
        .filter(|hash| !manifest.attachments.contains_key(hash))
        .collect();
    forget_attachments(&database, &lost)?;
    // The configuration comes last: with it, a node lives here.
    copy_file(&from.join(CONFIG), &staging.join(CONFIG))
}

/// Scans that came after the backup, from the data that is moved aside: their name is their hash, so those that are whole can
/// be believed, and they may be nowhere else.
fn keep_present_attachments(present: &Path, staging: &Path) -> Result<()> {
    for file in attachment_files(&present.join("blobs")).unwrap_or_default() {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let target = place(&staging.join("blobs"), &name);
        // What cannot be read any more is why somebody restores.
        if !target.exists() && digest(&file).is_ok_and(|(_, hash)| hash == name) {
            make_room(&target)?;
            copy_file(&file, &target)?;
        }
    }
    Ok(())
}

/// The restored node is told, before it serves, that its disk is an older one.
async fn mark(staging: &Path, parts: &Parts) -> Result<Vec<domain::NodeId>> {
    let opened = Opened::open(staging, parts)?;
    let awaited = opened.node().authorities();
    // A village may go on recording with no network; what it then writes is filed after what others give back.
    let closed = opened.config.tier != Tier::Village;
    let recovery = Recovery::new(opened.hall.now(), WhyRecovering::Restored, awaited.clone(), closed);
    opened.store.begin_recovery(recovery).await?;
    if awaited.is_empty() {
        // A hub that has let nobody in yet has nobody to ask.
        opened.store.settle_recovery(Vec::new(), false, opened.hall.now()).await?;
    }
    Ok(awaited.into_iter().collect())
}
