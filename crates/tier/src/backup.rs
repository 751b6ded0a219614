//! `backup` and `restore`: a node's whole data as of one moment, made while it serves, checked before it counts.
//!
//! Layout of a backup folder: one folder for each backup (`<node>-<time>`: database, configuration, identity, keyring, manifest) and
//! `attachments/`, which all of them share, because an attachment never changes. What lies encrypted on the machine
//! lies encrypted in its backups, under the same key. Only a folder with a manifest is a backup;
//! the manifest is written last, and signed by the node.

mod manifest;
mod restore;

pub use manifest::{Listed, Manifest, list};
pub use restore::{Plan, authorise, key_of, restore};

use crate::at_rest::RingFile;
use crate::serve::Opened;
use anyhow::{Context, Result, bail};
use manifest::Member;
use replication::Verify;
use runtime::OsRandom;
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::Store;
use store_sqlite::SqliteStore;
use store_sqlite::backup::{Copy, copy_database};
use store_sqlite::blobs::Shelf;
use trust::KeyRing;
use vault::{DataKey, Part};

const DATABASE: &str = "tongban.db";
const CONFIG: &str = "node.toml";
const IDENTITY: &str = "identity";
const POOL: &str = "attachments";

/// What a backup came to.
#[derive(Debug, serde::Serialize)]
pub struct Made {
    pub folder: PathBuf,
    pub entries: u64,
    pub attachments: u64,
    /// Attachments that were not in the shared folder yet.
    pub copied: u64,
    pub bytes: u64,
    pub state: String,
    /// Attachments the database counts as here and whose file is missing: to be looked at, though the backup is good.
    pub missing: Vec<String>,
}

/// Makes a backup of a node, which may be serving meanwhile.
///
/// # Errors
/// With the remedy. What is left behind has no manifest and counts for nothing.
pub async fn back_up(opened: &Opened, to: &Path) -> Result<Made> {
    let config = &opened.config;
    let made_at = opened.hall.now();
    let stamp = made_at.to_minute().replace([' ', ':', '-'], "");
    let folder = free_folder(to, &format!("{}-{stamp}", config.id))?;
    let key = opened.key.as_ref();
    copy_database(&SqliteStore::path(&opened.data), &folder.join(DATABASE), key)?;
    let copy = Copy::open(&folder.join(DATABASE), key)?;
    let faults = copy.verify(&config.id, &*keys_of(&copy)?)?.faults;
    if let Some(first) = faults.first() {
        bail!("the log does not verify ({first}); next: verify-log, and keep the last good backup");
    }
    copy_file(&opened.data.join(CONFIG), &folder.join(CONFIG))?;
    copy_folder(&opened.data.join(IDENTITY), &folder.join(IDENTITY))?;
    if let Some(key) = key {
        ring_into(&folder, &opened.data, key)?;
    }
    let pool = pool_in(to, key.map(DataKey::id).as_deref());
    let pooled = pool_attachments(&opened.data.join("blobs"), &pool, &shelf(key))?;
    let missing: Vec<String> =
        copy.attachments()?.into_iter().filter(|hash| !pooled.all.contains_key(hash)).collect();
    let heads = copy.heads()?;
    let manifest = Manifest {
        format: manifest::FORMAT.to_owned(),
        node: config.id.clone(),
        tier: config.tier,
        city: config.city.clone(),
        made_at,
        program: env!("CARGO_PKG_VERSION").to_owned(),
        entries: heads.iter().map(|(_, head)| head.seq).sum(),
        heads: heads.into_iter().map(manifest::head_line).collect(),
        state: copy.state_hash()?,
        members: members_of(&folder)?,
        attachments: pooled.all,
        key: key.map(DataKey::id),
    };
    drop(copy);
    manifest.write(&folder, &opened.identity.sign_key()?)?;
    opened.store.note_act(made_at, "cli", "backup", &folder.display().to_string()).await?;
    let bytes = manifest.members.values().map(|member| member.bytes).sum::<u64>();
    let Manifest { entries, state, attachments, .. } = manifest;
    let attachments = attachments.len() as u64;
    Ok(Made {
        folder,
        entries,
        attachments,
        copied: pooled.copied,
        bytes: bytes + pooled.bytes,
        state,
        missing,
    })
}

/// The keys that the copy itself knows: those the city had published by then.
fn keys_of(copy: &Copy) -> Result<Arc<dyn Verify>> {
    let ring = KeyRing::default();
    ring.refresh(&copy.network()?);
    Ok(Arc::new(ring))
}

/// A folder of its own, readable by its owner only: it holds the node's keys.
fn free_folder(to: &Path, name: &str) -> Result<PathBuf> {
    fs::create_dir_all(to).with_context(|| format!("make {}", to.display()))?;
    for again in 1..100 {
        let name = if again == 1 { name.to_owned() } else { format!("{name}-{again}") };
        let folder = to.join(name);
        let mut builder = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        match builder.create(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).with_context(|| format!("make {}", folder.display())),
        }
    }
    bail!("{} is full of backups of this minute: wait for the next", to.display())
}

/// Copies and makes durable; the copy has the permissions of the original.
fn copy_file(from: &Path, to: &Path) -> Result<()> {
    let copy = || fs::copy(from, to).and_then(|_| fs::File::open(to)?.sync_all());
    copy().with_context(|| format!("copy {} to {}", from.display(), to.display()))
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("make {}", to.display()))?;
    let entries = fs::read_dir(from).with_context(|| format!("read {}", from.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("read {}", from.display()))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() { copy_folder(&source, &target)? } else { copy_file(&source, &target)? }
    }
    Ok(())
}

struct Pooled {
    /// Hash to size.
    all: BTreeMap<String, u64>,
    copied: u64,
    bytes: u64,
}

/// The ring goes along, read and checked: a backup with one that opens nothing would be none. A question to the hub does not.
fn ring_into(folder: &Path, data: &Path, key: &DataKey) -> Result<()> {
    let ring = RingFile::of(data).read()?.filter(|ring| ring.key == key.id());
    let mut ring = ring.context("the keyring is not that of this data; next: doctor")?;
    ring.forget_question();
    RingFile::of(folder).write(&ring)
}

/// The folder of attachments that backups below `to` share: one for each key that seals them.
fn pool_in(to: &Path, key: Option<&str>) -> PathBuf {
    to.join(key.map_or(POOL.to_owned(), |key| format!("{POOL}-{key}")))
}

/// How attachments are read that lie under this key.
fn shelf(key: Option<&DataKey>) -> Shelf {
    Shelf::new(key.map(|key| key.lid(Part::Attachments, Arc::new(OsRandom))))
}

/// Copies the attachments that the shared folder lacks. Files that nobody names any more go along: they may be of a draft.
fn pool_attachments(blobs: &Path, pool: &Path, shelf: &Shelf) -> Result<Pooled> {
    let mut pooled = Pooled { all: BTreeMap::new(), copied: 0, bytes: 0 };
    for file in attachment_files(blobs)? {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let target = place(pool, &name);
        let size = fs::metadata(&file).with_context(|| format!("read {}", file.display()))?.len();
        if fs::metadata(&target).map_or(true, |there| there.len() != size) {
            if shelf.digest(&file, &name).map_or(true, |(_, found)| found != name) {
                bail!("attachment {name} is damaged on this disk; next: doctor, then restore from a backup");
            }
            make_room(&target)?;
            let part = target.with_extension("part");
            copy_file(&file, &part)?;
            fs::rename(&part, &target).with_context(|| format!("write {}", target.display()))?;
            pooled.copied += 1;
            pooled.bytes += size;
        }
        let plain = shelf.measure(&file).with_context(|| format!("read {}", file.display()))?;
        pooled.all.insert(name, plain);
    }
    Ok(pooled)
}

/// Where an attachment lies below a folder: as on a node, under the first two digits of its hash.
fn place(root: &Path, hash: &str) -> PathBuf {
    root.join(hash.get(..2).unwrap_or_default()).join(hash)
}

/// Makes the folder that a file will lie in.
fn make_room(file: &Path) -> Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))
}

/// Whole attachments below a folder laid out by the first two digits of their hash.
fn attachment_files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let Ok(folders) = fs::read_dir(root) else { return Ok(files) };
    for folder in folders {
        let folder = folder.with_context(|| format!("read {}", root.display()))?.path();
        if folder.file_name().is_none_or(|name| name.len() != 2) {
            continue;
        }
        for file in fs::read_dir(&folder).with_context(|| format!("read {}", folder.display()))? {
            let file = file.with_context(|| format!("read {}", folder.display()))?.path();
            if file.file_name().is_some_and(|name| name.len() == 64) {
                files.push(file);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Size, BLAKE3 and hexadecimal of a file, read piece by piece.
fn digest(path: &Path) -> Result<(u64, String)> {
    let read = || -> std::io::Result<(u64, String)> {
        let mut file = fs::File::open(path)?;
        let (mut hasher, mut piece, mut size) = (blake3::Hasher::new(), vec![0; 1 << 16], 0);
        loop {
            let count = file.read(&mut piece)?;
            if count == 0 {
                return Ok((size, hasher.finalize().to_hex().to_string()));
            }
            hasher.update(&piece[..count]);
            size += count as u64;
        }
    };
    read().with_context(|| format!("read {}", path.display()))
}

/// Every file of a backup but its manifest.
fn members_of(folder: &Path) -> Result<BTreeMap<String, Member>> {
    let (mut members, mut left) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(at) = left.pop() {
        for entry in fs::read_dir(&at).with_context(|| format!("read {}", at.display()))? {
            let path = entry.with_context(|| format!("read {}", at.display()))?.path();
            if path.is_dir() {
                left.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).unwrap_or(&path).display().to_string();
            if name != manifest::FILE && name != manifest::SIGNATURE {
                let (bytes, blake3) = digest(&path)?;
                members.insert(name, Member { bytes, blake3 });
            }
        }
    }
    Ok(members)
}
