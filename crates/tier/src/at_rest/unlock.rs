//! How a person at the machine, or a key file on a stick, opens its data.

use super::RingFile;
use anyhow::{Context, Result, bail};
use clap::Args;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use vault::{DataKey, FileSecret, Keyring};
use zeroize::Zeroizing;

pub(super) const LOCKED: &str = "the data of this machine is locked: give --key-file FILE, or --unlock-as OFFICER at a terminal; \
     if every password is forgotten: key ask";

/// What opens the data of a machine where it lies encrypted.
#[derive(Debug, Clone, Default, Args)]
pub struct Unlock {
    /// Where the data lies encrypted (villages): a key file opens it, as `key file` made it
    #[arg(long, env = "TONGBAN_KEY_FILE", value_name = "FILE", global = true)]
    pub key_file: Option<PathBuf>,
    /// Where the data lies encrypted: the officer whose password opens it; the terminal asks for it
    #[arg(long, value_name = "OFFICER", global = true)]
    pub unlock_as: Option<String>,
}

/// Reads a key file.
///
/// # Errors
/// When it is not there or is no key file.
pub fn read_key_file(path: &Path) -> Result<FileSecret> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("read {}: is the stick in?", path.display()))?;
    FileSecret::parse(&Zeroizing::new(text)).with_context(|| format!("read {}", path.display()))
}

impl Unlock {
    /// The key of the data in `data`; `None` where it lies open.
    ///
    /// # Errors
    /// With the remedy: nothing was given, or it does not open this data.
    pub fn open(&self, data: &Path) -> Result<Option<DataKey>> {
        match RingFile::of(data).read()? {
            None => Ok(None),
            Some(ring) => self.open_ring(&ring).map(Some),
        }
    }

    /// The key, where a key file is given and opens the data. Asks nobody: without it a serving node waits for an officer.
    pub fn open_unattended(&self, data: &Path) -> Option<DataKey> {
        let unattended = Unlock { key_file: Some(self.key_file.clone()?), unlock_as: None };
        unattended.open(data).unwrap_or_else(|error| {
            tracing::warn!(error = format!("{error:#}"), "the key file does not open the data");
            None
        })
    }

    pub(crate) fn open_ring(&self, ring: &Keyring) -> Result<DataKey> {
        if let Some(path) = &self.key_file {
            let known: Vec<&str> = ring.files().collect();
            return ring.open_with_file(&read_key_file(path)?).with_context(|| {
                format!("{} does not open this data; its key files are: {}", path.display(), known.join(", "))
            });
        }
        let name = match &self.unlock_as {
            Some(name) => name.clone(),
            None if std::io::stdin().is_terminal() => ask("officer: ")?,
            None => bail!("{LOCKED}"),
        };
        let password = rpassword::prompt_password(format!("{name}: password: ")).context(LOCKED)?;
        ring.open_with_password(&name, &Zeroizing::new(password))
            .with_context(|| format!("no such officer, or not their password: {name}"))
    }
}

fn ask(what: &str) -> Result<String> {
    print!("{what}");
    std::io::stdout().flush()?;
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;
    Ok(line.trim().to_owned())
}
