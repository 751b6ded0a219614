//! The identity folder of a node: what it must never lose and never show.

use crate::ca::TrustError;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use vault::Lid;
use zeroize::Zeroizing;

/// Files below `<data>/identity`. With a lid the secret ones are sealed.
#[derive(Clone)]
pub struct IdentityFolder {
    folder: PathBuf,
    lid: Option<Lid>,
}

pub const SIGN_KEY: &str = "sign.key";
pub const TLS_KEY: &str = "tls.key.pem";
pub const TLS_CERT: &str = "tls.cert.pem";
pub const CA_CERT: &str = "ca.cert.pem";
pub const CA_KEY: &str = "ca.key.pem";
/// How a sealed file begins; base64 follows.
const SEALED: &str = "tongban sealed 1:";

impl IdentityFolder {
    pub fn of(data: &Path) -> IdentityFolder {
        IdentityFolder::under(data, None)
    }
    pub fn under(data: &Path, lid: Option<Lid>) -> IdentityFolder {
        IdentityFolder { folder: data.join("identity"), lid }
    }
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
    pub fn exists(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// # Errors
    /// [`TrustError::File`] with the path.
    pub fn read(&self, name: &str) -> Result<String, TrustError> {
        let path = self.path(name);
        std::fs::read_to_string(&path)
            .map_err(|source| TrustError::File { path: path.display().to_string(), source })
    }

    /// Writes whole or not at all, readable by the owner only.
    ///
    /// # Errors
    /// [`TrustError::File`] with the path.
    pub fn write(&self, name: &str, text: &str) -> Result<(), TrustError> {
        let path = self.path(name);
        write_private(&path, text.as_bytes())
            .map_err(|source| TrustError::File { path: path.display().to_string(), source })
    }

    /// Reads what [`IdentityFolder::write_secret`] wrote.
    ///
    /// # Errors
    /// [`TrustError::Sealed`] when it is sealed and this folder was opened without the key, or with another.
    pub fn read_secret(&self, name: &str) -> Result<Zeroizing<String>, TrustError> {
        let text = Zeroizing::new(self.read(name)?);
        let Some(sealed) = text.strip_prefix(SEALED) else { return Ok(text) };
        let open = |lid: &Lid| {
            let plain = lid.open(name.as_bytes(), &STANDARD.decode(sealed.trim_end()).ok()?)?;
            std::str::from_utf8(&plain).ok().map(|text| Zeroizing::new(text.to_owned()))
        };
        let shut = || TrustError::Sealed { path: self.path(name).display().to_string() };
        self.lid.as_ref().and_then(open).ok_or_else(shut)
    }

    /// As [`IdentityFolder::write`], sealed where there is a lid.
    ///
    /// # Errors
    /// [`TrustError::File`] with the path.
    pub fn write_secret(&self, name: &str, text: &str) -> Result<(), TrustError> {
        match &self.lid {
            None => self.write(name, text),
            Some(lid) => {
                let sealed = STANDARD.encode(lid.seal(name.as_bytes(), text.as_bytes()));
                self.write(name, &format!("{SEALED}{sealed}\n"))
            }
        }
    }

    /// Moves a file over another, if it is there.
    ///
    /// # Errors
    /// [`TrustError::File`] with the path.
    pub fn rename(&self, from: &str, to: &str) -> Result<(), TrustError> {
        if !self.exists(from) {
            return Ok(());
        }
        let path = self.path(from);
        let moved = std::fs::rename(&path, self.path(to))
            .and_then(|()| std::fs::File::open(&self.folder)?.sync_all());
        moved.map_err(|source| TrustError::File { path: path.display().to_string(), source })
    }

    /// Removes a file, if it is there.
    ///
    /// # Errors
    /// [`TrustError::File`] with the path.
    pub fn remove(&self, name: &str) -> Result<(), TrustError> {
        let path = self.path(name);
        match std::fs::remove_file(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
                Err(TrustError::File { path: path.display().to_string(), source })
            }
            _ => Ok(()),
        }
    }

    /// # Errors
    /// [`TrustError::Damaged`] when the file does not hold 64 hexadecimal digits.
    pub fn sign_key(&self) -> Result<crate::NodeKey, TrustError> {
        let text = self.read_secret(SIGN_KEY)?;
        let secret = crate::unhex(text.trim()).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
        secret
            .map(crate::NodeKey::from_secret)
            .ok_or_else(|| TrustError::Damaged { path: self.path(SIGN_KEY).display().to_string() })
    }
}

/// Writes a file whole or not at all, readable by the owner only; what is answered is on the disk, name and all.
///
/// # Errors
/// As the operating system says.
pub fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    let named = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = named.unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    // The command line and the serving process may write the same file at once, and so may two tasks of one process.
    static WRITTEN: AtomicU64 = AtomicU64::new(0);
    let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
    let temporary = path.with_extension(format!("{}-{number}.new", std::process::id()));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let write = || {
        let mut file = options.open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    };
    if let Err(error) = write() {
        // Half of a secret is nobody's to find.
        drop(std::fs::remove_file(&temporary));
        return Err(error);
    }
    // The rename itself must survive a power cut, or the node forgets who it is.
    std::fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_folder_lies_where_one_stands() {
        let name = format!("bare-{}.tmp", std::process::id());
        write_private(Path::new(&name), b"x").unwrap();
        assert_eq!(std::fs::read(&name).unwrap(), b"x");
        std::fs::remove_file(&name).unwrap();
    }
}
