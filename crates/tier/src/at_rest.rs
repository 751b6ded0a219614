//! A machine's data at rest: its keyring on the disk, kept in step with the officers' accounts.
//!
//! `keyring.json` lies in the data folder in two copies: whoever loses the ring loses the data. The command line and the serving
//! process both change it, under a lock of its own. What the ring is, is in `vault`.

mod locked;
mod unlock;
mod verbs;

pub use locked::Locked;
pub use unlock::{Unlock, read_key_file};
pub use verbs::{KeyVerb, answer_question};
pub(crate) use verbs::{examine, run};

use anyhow::{Context, Result, bail};
use casework::AtRest;
use domain::NodeId;
use domain::network::{Network, NodeRecord, Tier};
use domain::seams::Random;
use runtime::{NodeConfig, OsRandom};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use trust::files::write_private;
use vault::{DataKey, FileSecret, Keyring, Machine};

const KEYRING: &str = "keyring.json";
const SECOND_COPY: &str = "keyring.copy.json";
const LOCK: &str = "keyring.lock";

/// The keyring of one data folder.
#[derive(Debug, Clone)]
pub struct RingFile(PathBuf);

impl RingFile {
    pub fn of(data: &Path) -> RingFile {
        RingFile(data.to_owned())
    }

    /// True when the data of this folder lies encrypted.
    pub fn exists(&self) -> bool {
        [KEYRING, SECOND_COPY].iter().any(|name| self.0.join(name).exists())
    }

    /// `None` where data lies open.
    ///
    /// # Errors
    /// When both copies are damaged.
    pub fn read(&self) -> Result<Option<Keyring>> {
        if !self.exists() {
            return Ok(None);
        }
        self.read_copy(KEYRING)
            .or_else(|first| {
                let second = self.read_copy(SECOND_COPY).map_err(|_| first)?;
                tracing::warn!("the keyring was damaged or missing; its second copy is in use");
                Ok(second)
            })
            .map(Some)
    }

    fn expect(&self) -> Result<Keyring> {
        self.read()?.context("the data of this machine lies open: it has no keyring")
    }

    fn read_copy(&self, name: &str) -> Result<Keyring> {
        let path = self.0.join(name);
        let read = || Ok(Keyring::parse(&std::fs::read_to_string(&path)?)?);
        read().map_err(|error: anyhow::Error| error.context(format!("read {}", path.display())))
    }

    /// Writes a new ring, both copies.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn write(&self, ring: &Keyring) -> Result<()> {
        let text = ring.text();
        for name in [KEYRING, SECOND_COPY] {
            let path = self.0.join(name);
            write_private(&path, text.as_bytes()).with_context(|| format!("write {}", path.display()))?;
        }
        Ok(())
    }

    /// Changes the ring; nobody else changes it meanwhile.
    ///
    /// # Errors
    /// When there is none, it is damaged, `change` fails or the disk does. What is on the disk is the ring before or the one after.
    pub fn update<T>(&self, change: impl FnOnce(&mut Keyring) -> Result<T>) -> Result<T> {
        let lock = File::create(self.0.join(LOCK)).context("lock the keyring")?;
        lock.lock().context("lock the keyring")?;
        let mut ring = self.expect()?;
        let outcome = change(&mut ring)?;
        // Also when nothing changed: a copy that a crash or a bad sector left behind may hold somebody who left.
        if !self.copies_are(&ring.text()) {
            self.write(&ring)?;
            self.sweep();
        }
        Ok(outcome)
    }

    fn copies_are(&self, text: &str) -> bool {
        [KEYRING, SECOND_COPY]
            .iter()
            .all(|name| std::fs::read_to_string(self.0.join(name)).is_ok_and(|copy| copy == text))
    }

    /// For `doctor`: both copies are there and say the same.
    pub(crate) fn copies_agree(&self) -> bool {
        std::fs::read_to_string(self.0.join(KEYRING)).is_ok_and(|text| self.copies_are(&text))
    }

    /// Removes what writes that were cut off left lying: rings of another day.
    fn sweep(&self) {
        for file in std::fs::read_dir(&self.0).into_iter().flatten().flatten() {
            let name = file.file_name().to_string_lossy().into_owned();
            if name.starts_with("keyring.") && name.ends_with(".new") {
                drop(std::fs::remove_file(file.path()));
            }
        }
    }
}

/// Whom a new machine's data is opened by at first.
pub struct FirstOpener<'a> {
    /// Name and password of the first officer.
    pub officer: Option<(&'a str, &'a str)>,
    /// A key file to be made, or one that was made when joining was tried before.
    pub key_file: Option<&'a Path>,
}

/// The key of a machine that is about to join, with its ring on the disk. Joining may be tried again: the ring of the first try
/// is opened, because what it sealed is how the city knows the machine.
///
/// # Errors
/// When nobody is named who opens it, or the ring of the first try opens for none of them.
pub fn found(data: &Path, node: &NodeId, opener: &FirstOpener<'_>, random: &dyn Random) -> Result<DataKey> {
    if NodeConfig::path(data).exists() {
        bail!("a node lives in {} already: choose an empty folder", data.display());
    }
    let file = RingFile::of(data);
    if let Some(ring) = file.read()? {
        if ring.machine.node != *node {
            bail!("joining was begun in this folder for {}: choose an empty folder", ring.machine.node);
        }
        let by_file = opener.key_file.filter(|path| path.exists()).map(read_key_file).transpose()?;
        let by_officer =
            || opener.officer.and_then(|(name, password)| ring.open_with_password(name, password));
        return by_file.and_then(|secret| ring.open_with_file(&secret)).or_else(by_officer).context(
            "joining was begun in this folder with another officer or key file: give the same (--password-stdin, with the password that was printed), or choose an empty folder and a new token",
        );
    }
    let key = DataKey::fresh(random);
    let mut ring = Keyring::found(Machine { node: node.clone(), incarnation: 0 }, &key);
    match opener {
        FirstOpener { officer: None, key_file: None } => {
            bail!("say who opens this machine's data: --officer NAME, or --key-file FILE")
        }
        // The officer's password is added when their account is made.
        FirstOpener { key_file: Some(path), .. } => {
            ring.set_file(&key, FIRST_FILE, &key_file(path, random)?, random);
        }
        FirstOpener { officer: Some((name, password)), .. } => {
            ring.set_officer(&key, name, password, "", random);
        }
    }
    std::fs::create_dir_all(data).with_context(|| format!("make {}", data.display()))?;
    file.write(&ring)?;
    Ok(key)
}

/// The secret of a key file; one stick may open several machines.
fn key_file(path: &Path, random: &dyn Random) -> Result<FileSecret> {
    if path.exists() {
        return read_key_file(path);
    }
    new_key_file(path, random)
}

pub(super) fn new_key_file(path: &Path, random: &dyn Random) -> Result<FileSecret> {
    let secret = FileSecret::fresh(random);
    write_private(path, secret.text().as_bytes()).with_context(|| format!("write {}", path.display()))?;
    Ok(secret)
}

/// What the key file is called that a machine joined with.
const FIRST_FILE: &str = "first";

/// Seals the key for the hub, as soon as the city has said which machine this is.
pub(crate) fn entrust(data: &Path, key: &DataKey, own: &NodeRecord, records: &[NodeRecord]) -> Result<()> {
    RingFile::of(data).update(|ring| {
        anyhow::ensure!(
            ring.machine.node == own.id,
            "the keyring in this folder is of {}",
            ring.machine.node
        );
        ring.machine.incarnation = own.incarnation;
        if let Some(hub) = records.iter().find(|record| record.tier == Tier::City).and_then(key_of) {
            ring.set_hub(key, &hub, &OsRandom);
        }
        Ok(())
    })
}

/// An open machine keeps its ring in step with the accounts.
#[derive(Clone)]
pub struct Keeper {
    pub file: RingFile,
    pub key: DataKey,
    pub random: Arc<dyn Random>,
}

impl Keeper {
    fn try_admit(&self, officer: &str, password: &str, stored: &str) -> Result<()> {
        let made_for = made_for(stored);
        if self.file.read()?.is_some_and(|ring| ring.has_officer(officer, &made_for)) {
            return Ok(());
        }
        self.file.update(|ring| {
            ring.set_officer(&self.key, officer, password, &made_for, &*self.random);
            Ok(())
        })
    }

    /// What an open machine owes its ring: officers who left while it could not be written go, a question to the hub is answered by
    /// its being open, and both copies are whole. Whom no account knows stays: joining may have been cut off before it was made.
    ///
    /// # Errors
    /// When the ring cannot be read or written.
    pub fn tidy(&self, disabled: &[String]) -> Result<()> {
        self.file.update(|ring| {
            ring.forget_question();
            for name in disabled {
                ring.remove_officer(name);
            }
            Ok(())
        })
    }

    /// The hub opens the data from now on, by the key its record shows.
    ///
    /// # Errors
    /// When the ring cannot be read or written.
    pub fn follow_hub(&self, network: &Network) -> Result<()> {
        let Some(hub) = hub_key(network) else { return Ok(()) };
        if self.file.read()?.is_some_and(|ring| ring.hub() == Some(hub)) {
            return Ok(());
        }
        self.file.update(|ring| Ok(ring.set_hub(&self.key, &hub, &*self.random))).map(drop)
    }
}

/// Tells one password from the next, and nothing of it: the hash of the account's own hash, which lies behind the key.
pub(crate) fn made_for(stored: &str) -> String {
    blake3::hash(stored.as_bytes()).to_hex()[..16].to_owned()
}

/// The public key by which the hub is known now.
pub(crate) fn hub_key(network: &Network) -> Option<[u8; 32]> {
    network.iter().find(|record| record.tier == Tier::City).and_then(key_of)
}

fn key_of(record: &NodeRecord) -> Option<[u8; 32]> {
    trust::unhex(&record.sign_key)?.try_into().ok()
}

impl AtRest for Keeper {
    fn admit(&self, officer: &str, password: &str, stored: &str) {
        if let Err(error) = self.try_admit(officer, password, stored) {
            tracing::error!(
                error = format!("{error:#}"),
                "the password does not open the data yet; next: free disk space"
            );
        }
    }
    fn expel(&self, officer: &str) {
        let removed = self.file.update(|ring| Ok(ring.remove_officer(officer)));
        if let Err(error) = removed {
            tracing::error!(error = format!("{error:#}"), "the keyring still holds an officer who left");
        }
    }
}

/// Refuses to work on encrypted data without its key.
///
/// # Errors
/// With the remedy.
pub(crate) fn demand(data: &Path, key: Option<&DataKey>) -> Result<()> {
    match (RingFile::of(data).read()?, key) {
        (None, None) => Ok(()),
        (Some(ring), Some(key)) if ring.key == key.id() => Ok(()),
        (Some(_), None) => bail!("{}", unlock::LOCKED),
        _ => bail!("the key given is not that of the data in {}", data.display()),
    }
}
