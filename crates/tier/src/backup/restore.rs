//! Putting a backup in place of a node's data. What was there is moved aside, never deleted: it may hold what nobody else has.

use super::manifest::Manifest;
use super::{CONFIG, DATABASE, IDENTITY, attachment_files, copy_file, copy_folder, make_room, place, shelf};
use crate::at_rest::{RingFile, Unlock, made_for};
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
use store_sqlite::blobs::Shelf;
use vault::{DataKey, Keyring};

/// What a restore does or, with `--dry-run`, would do.
#[derive(Debug, serde::Serialize)]
pub struct Plan {
    pub node: domain::NodeId,
    pub made_at: domain::Timestamp,
    pub entries: u64,
    pub attachments: u64,
    /// Where the present data goes, if there is any.
    pub moved_to: Option<PathBuf>,
    /// Entries of the node's own journals that the present data has and the backup has not; none when it cannot be read. Neighbours
    /// give back what reached them; the rest stays in the folder that is moved aside.
    pub own_entries_after: Option<u64>,
    /// Neighbours whose word the node waits for.
    pub awaited: Vec<domain::NodeId>,
    pub done: bool,
}

/// The hub is put back by two administrators. Their accounts are those in the backup: the data it replaces may be gone.
///
/// # Errors
/// When one of the two is not who they say, or may not.
pub async fn authorise(from: &Path, persons: &TwoPersons) -> Result<()> {
    if NodeConfig::load(from)?.tier != Tier::City {
        return Ok(());
    }
    let manifest = Manifest::open(from, None)?;
    // Looked at in a copy: signing uses up codes, and a backup stays as it is.
    let scratch = std::env::temp_dir().join(format!("tongban-restore-{}", std::process::id()));
    let _gone = Scratch(scratch.clone());
    fs::create_dir_all(&scratch)?;
    copy_folder(&from.join(IDENTITY), &scratch.join(IDENTITY))?;
    for name in [DATABASE, CONFIG] {
        copy_file(&from.join(name), &scratch.join(name))?;
    }
    let opened = Opened::open(&scratch, &Parts::default(), None)?;
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

/// Checks a backup and puts it in place of `data`. `key` opens the backup, where it lies encrypted.
///
/// # Errors
/// With the remedy; the present data stays as it is.
pub async fn restore(
    from: &Path,
    data: &Path,
    dry_run: bool,
    parts: &Parts,
    key: Option<DataKey>,
) -> Result<Plan> {
    let manifest = Manifest::open(from, key.as_ref())?;
    if manifest.tier == Tier::Village && key.is_none() {
        bail!(
            "this backup lies open, and a village's data must not: join anew (city-hub enroll-token --replace); the town gives back what it has"
        );
    }
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
        own_entries_after: if present { own_entries_after(data, &manifest, key.as_ref()) } else { Some(0) },
        moved_to,
        awaited: Vec::new(),
        done: false,
    };
    if dry_run {
        return Ok(plan);
    }
    stage(from, &staging, &manifest, data, key.as_ref())?;
    plan.awaited = mark(&staging, from, parts, key).await?;
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

fn own_entries_after(data: &Path, manifest: &Manifest, key: Option<&DataKey>) -> Option<u64> {
    // Data that cannot be read any more is why somebody restores.
    let heads = Copy::open(&SqliteStore::path(data), key).and_then(|present| present.heads()).ok()?;
    let own = heads.into_iter().filter(|(journal, _)| journal.author == manifest.node);
    Some(
        own.map(|(journal, head)| {
            let name = journal.to_string();
            let backed_up = manifest.heads.iter().find(|line| line.0 == name).map_or(0, |line| line.2);
            head.seq.saturating_sub(backed_up)
        })
        .sum(),
    )
}

fn stage(
    from: &Path,
    staging: &Path,
    manifest: &Manifest,
    present: &Path,
    key: Option<&DataKey>,
) -> Result<()> {
    fs::create_dir_all(staging).with_context(|| format!("make {}", staging.display()))?;
    copy_file(&from.join(DATABASE), &staging.join(DATABASE))?;
    copy_folder(&from.join(IDENTITY), &staging.join(IDENTITY))?;
    if let Some(key) = key {
        let (today, then) = (ring_of(present, key), ring_of(from, key));
        let ring = today
            .or(then)
            .context("neither the backup nor the present data has a keyring that can be read")?;
        RingFile::of(staging).write(&ring)?;
    }
    let pool = manifest.pool_beside(from);
    for hash in manifest.attachments.keys() {
        let target = place(&staging.join("blobs"), hash);
        make_room(&target)?;
        copy_file(&place(&pool, hash), &target)?;
    }
    keep_present_attachments(present, staging, &shelf(key))?;
    let database = staging.join(DATABASE);
    let lost: Vec<String> = Copy::open(&database, key)?
        .attachments()?
        .into_iter()
        .filter(|hash| !manifest.attachments.contains_key(hash))
        .collect();
    forget_attachments(&database, key, &lost)?;
    // The configuration comes last: with it, a node lives here.
    copy_file(&from.join(CONFIG), &staging.join(CONFIG))
}

/// The ring of a folder, if it is of this key.
fn ring_of(folder: &Path, key: &DataKey) -> Option<Keyring> {
    RingFile::of(folder).read().ok().flatten().filter(|ring| ring.key == key.id())
}

/// The restored accounts are those of the backup's day: so are the passwords that open the data. Key files are those of today.
async fn fit_ring(opened: &Opened, from: &Path) -> Result<()> {
    let Some(then) = opened.key.as_ref().and_then(|key| ring_of(from, key)) else { return Ok(()) };
    let accounts = opened.store.accounts().await?;
    let fits = |name: &str, slot: &str| {
        let known = accounts.iter().find(|account| account.name == name && !account.disabled);
        known.is_some_and(|account| made_for(&account.password) == slot)
    };
    RingFile::of(&opened.data).update(|ring| {
        ring.keep_fitting(&then, fits);
        Ok(())
    })
}

/// The key that opens a backup, where it lies encrypted: by the ring of the present data, which knows the passwords of today, or
/// by the backup's own, which knows those of its day.
///
/// # Errors
/// With the remedy.
pub fn key_of(from: &Path, present: &Path, unlock: &Unlock) -> Result<Option<DataKey>> {
    let Some(id) = Manifest::read(from)?.0.key else { return Ok(None) };
    let of_today = RingFile::of(present).read().ok().flatten().filter(|today| today.key == id);
    match of_today.map(|today| unlock.open_ring(&today)) {
        Some(Ok(key)) => Ok(Some(key)),
        _ => unlock.open_ring(&RingFile::of(from).read()?.context("the backup has no keyring")?).map(Some),
    }
}

/// Scans that came after the backup, from the data that is moved aside: their name is their hash, so those that are whole can
/// be believed, and they may be nowhere else.
fn keep_present_attachments(present: &Path, staging: &Path, shelf: &Shelf) -> Result<()> {
    for file in attachment_files(&present.join("blobs")).unwrap_or_default() {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let target = place(&staging.join("blobs"), &name);
        // What cannot be read any more is why somebody restores.
        if !target.exists() && shelf.digest(&file, &name).is_ok_and(|(_, hash)| hash == name) {
            make_room(&target)?;
            copy_file(&file, &target)?;
        }
    }
    Ok(())
}

/// The restored node is told, before it serves, that its disk is an older one.
async fn mark(
    staging: &Path,
    from: &Path,
    parts: &Parts,
    key: Option<DataKey>,
) -> Result<Vec<domain::NodeId>> {
    let opened = Opened::open(staging, parts, key)?;
    fit_ring(&opened, from).await?;
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
