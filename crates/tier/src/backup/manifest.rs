//! What a backup says of itself: its files, its journals, the state they fold to; signed by the node it is of.

use super::{DATABASE, members_of, place, pool_in, shelf};
use anyhow::{Context, Result, bail};
use domain::network::Tier;
use domain::{NodeId, Timestamp};
use replication::run::Sign;
use replication::{Hash, JournalId, Position, Signature};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use store_sqlite::backup::Copy;
use store_sqlite::blobs::Shelf;
use trust::files::write_private;
use trust::{KeyRing, NodeKey};
use vault::DataKey;

pub(super) const FORMAT: &str = "tongban backup 1";
pub(super) const FILE: &str = "manifest.json";
pub(super) const SIGNATURE: &str = "manifest.sig";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    pub bytes: u64,
    pub blake3: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Manifest {
    pub format: String,
    pub node: NodeId,
    pub tier: Tier,
    pub city: String,
    pub made_at: Timestamp,
    /// Version of the program that made it.
    pub program: String,
    pub entries: u64,
    /// Journal, epoch, length, hash of the last entry.
    pub heads: Vec<(String, u32, u64, String)>,
    /// Hash of all dossiers as folded.
    pub state: String,
    /// Files of this backup.
    pub members: BTreeMap<String, Member>,
    /// Attachments in the shared folder: hash (which names the file) and size in bytes.
    pub attachments: BTreeMap<String, u64>,
    /// The name of the key that database and attachments lie under; none where they lie open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

pub(super) fn head_line((journal, head): (JournalId, Position)) -> (String, u32, u64, String) {
    (journal.to_string(), head.epoch, head.seq, head.hash.to_hex())
}

fn fingerprint(bytes: &[u8]) -> Hash {
    Hash(*blake3::hash(bytes).as_bytes())
}

impl Manifest {
    /// Written last and whole: from then on the folder is a backup.
    pub(super) fn write(&self, folder: &Path, key: &NodeKey) -> Result<()> {
        let bytes = serde_json::to_vec_pretty(self)?;
        let signature = trust::hex(&key.sign(&fingerprint(&bytes)).0);
        for (name, bytes) in [(SIGNATURE, signature.as_bytes()), (FILE, &bytes[..])] {
            let path = folder.join(name);
            write_private(&path, bytes).with_context(|| format!("write {}", path.display()))?;
        }
        Ok(())
    }

    /// Reads the manifest and believes nothing of it yet but that it is one.
    pub(super) fn read(folder: &Path) -> Result<(Manifest, Vec<u8>)> {
        let path = folder.join(FILE);
        let bytes = fs::read(&path).with_context(|| {
            format!("{} is not a backup, or one that was not finished: it has no {FILE}", folder.display())
        })?;
        let manifest: Manifest = serde_json::from_slice(&bytes)
            .with_context(|| format!("{} is damaged: choose another backup", path.display()))?;
        if manifest.format != FORMAT {
            bail!(
                "this backup is of another kind ({}): restore it with the program that made it",
                manifest.format
            );
        }
        Ok((manifest, bytes))
    }

    /// Reads a backup and checks all of it: signature, files, database, chain, state, attachments.
    ///
    /// # Errors
    /// Naming the first thing that is not as the manifest says.
    pub fn open(folder: &Path, key: Option<&DataKey>) -> Result<Manifest> {
        let (manifest, bytes) = Manifest::read(folder)?;
        let members = members_of(folder)?;
        for (name, member) in &manifest.members {
            match members.get(name) {
                None => bail!("{name} is missing from the backup: choose another"),
                Some(there) if there != member => {
                    bail!("{name} was changed since the backup was made: choose another")
                }
                Some(_) => {}
            }
        }
        if manifest.key != key.map(DataKey::id) {
            bail!("this backup lies under another key than the one given");
        }
        let copy = Copy::open(&folder.join(DATABASE), key)?;
        let ring = KeyRing::default();
        ring.refresh(&copy.network()?);
        let signature = fs::read_to_string(folder.join(SIGNATURE)).ok();
        let signature = signature.and_then(|text| Signature::from_slice(&trust::unhex(text.trim())?));
        let signed =
            signature.map(|signature| ring.speaks_for(&manifest.node, &fingerprint(&bytes), &signature));
        if signed != Some(true) {
            bail!("the manifest is not signed by {}: choose another backup", manifest.node);
        }
        manifest.check_database(&copy, &ring)?;
        manifest.check_attachments(&manifest.pool_beside(folder), &shelf(key))?;
        Ok(manifest)
    }

    /// Where the attachments of a backup lie.
    pub(super) fn pool_beside(&self, folder: &Path) -> PathBuf {
        pool_in(folder.parent().unwrap_or(Path::new(".")), self.key.as_deref())
    }

    fn check_database(&self, copy: &Copy, keys: &KeyRing) -> Result<()> {
        let heads: Vec<_> = copy.heads()?.into_iter().map(head_line).collect();
        if heads != self.heads || copy.state_hash()? != self.state {
            bail!("the database is not the one the manifest describes: choose another backup");
        }
        match copy.verify(&self.node, keys)?.faults.first() {
            None => Ok(()),
            Some(fault) => bail!("the log in the backup does not verify: {fault}"),
        }
    }

    fn check_attachments(&self, pool: &Path, shelf: &Shelf) -> Result<()> {
        for (hash, size) in &self.attachments {
            let path = place(pool, hash);
            if !path.exists() {
                bail!("attachment {hash} is missing from {}: is it complete?", pool.display());
            }
            if shelf.digest(&path, hash).ok() != Some((*size, hash.clone())) {
                bail!("attachment {hash} in {} is damaged", pool.display());
            }
        }
        Ok(())
    }
}

/// A line of `backup list`.
#[derive(Debug, Serialize)]
pub struct Listed {
    pub folder: PathBuf,
    pub node: NodeId,
    pub made_at: Timestamp,
    pub entries: u64,
    pub attachments: u64,
}

/// All finished backups below a folder, newest first.
///
/// # Errors
/// When the folder cannot be read.
pub fn list(from: &Path) -> Result<Vec<Listed>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(from).with_context(|| format!("read {}", from.display()))? {
        let folder = entry.with_context(|| format!("read {}", from.display()))?.path();
        if let Ok((manifest, _)) = Manifest::read(&folder) {
            let Manifest { node, made_at, entries, attachments, .. } = manifest;
            found.push(Listed { folder, node, made_at, entries, attachments: attachments.len() as u64 });
        }
    }
    found.sort_by_key(|listed| std::cmp::Reverse(listed.made_at));
    Ok(found)
}
