//! Attachments as files: `blobs/ab/abcdef…`, unfinished ones under `blobs/partial`.

mod shelf;

pub use shelf::Shelf;

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use store::StoreError;
use store::blobs::Blobs;
use vault::Lid;

/// What is left on the disk that a path lies on.
pub(crate) fn free_bytes(path: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(path)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

pub struct FileBlobs {
    root: PathBuf,
    shelf: Shelf,
    /// Two neighbours may send the same bytes at once; looking where they end and adding to them is one step.
    growing: Mutex<()>,
}

fn failed(what: &'static str) -> impl Fn(io::Error) -> StoreError {
    move |error| match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::DiskFull,
        ErrorKind::NotFound => StoreError::Missing { what: "这份附件" },
        _ => StoreError::Broken { what, detail: error.to_string() },
    }
}

impl FileBlobs {
    /// Sealed under `lid`, where there is one.
    ///
    /// # Errors
    /// When the folders cannot be made.
    pub fn open(folder: &Path, lid: Option<Lid>) -> Result<FileBlobs, StoreError> {
        let root = folder.join("blobs");
        fs::create_dir_all(root.join("partial")).map_err(failed("create the attachment folder"))?;
        Ok(FileBlobs { root, shelf: Shelf::new(lid), growing: Mutex::new(()) })
    }

    fn alone(&self) -> MutexGuard<'_, ()> {
        self.growing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Only hexadecimal hashes name files: nothing from the network can walk out of the folder.
    fn path(&self, hash: &str) -> Result<PathBuf, StoreError> {
        if hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase()) {
            Ok(self.root.join(&hash[..2]).join(hash))
        } else {
            Err(StoreError::Missing { what: "这份附件" })
        }
    }
    fn partial_path(&self, hash: &str) -> Result<PathBuf, StoreError> {
        self.path(hash).map(|_| self.root.join("partial").join(hash))
    }

    fn publish(&self, from: &Path, hash: &str) -> Result<(), StoreError> {
        let to = self.path(hash)?;
        let folder = to.parent().ok_or(StoreError::Missing { what: "这份附件" })?;
        let what = failed("publish an attachment");
        fs::create_dir_all(folder).map_err(&what)?;
        fs::rename(from, &to).map_err(&what)?;
        // Without this a power cut could forget the name of bytes that are on the disk.
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(&what)
    }
}

impl Blobs for FileBlobs {
    fn put(&self, hash: &str, bytes: &[u8]) -> Result<(), StoreError> {
        if self.has(hash) {
            return Ok(());
        }
        // A name of its own: two that write the same at once must not write into one file.
        static WRITTEN: AtomicU64 = AtomicU64::new(0);
        let number = WRITTEN.fetch_add(1, Ordering::Relaxed);
        let temporary =
            self.partial_path(hash)?.with_extension(format!("{}-{number}.new", std::process::id()));
        let write = || {
            // What a power cut left of an attempt before this one.
            File::create(&temporary)?;
            self.shelf.append(&temporary, hash, bytes)?;
            File::open(&temporary)?.sync_all()
        };
        let written =
            write().map_err(failed("write an attachment")).and_then(|()| self.publish(&temporary, hash));
        if written.is_err() {
            drop(fs::remove_file(&temporary));
        }
        written
    }

    fn has(&self, hash: &str) -> bool {
        self.path(hash).is_ok_and(|path| path.exists())
    }

    fn read(&self, hash: &str, offset: u64, limit: usize) -> Result<Vec<u8>, StoreError> {
        let path = self.path(hash)?;
        self.shelf.read(&path, hash, offset, limit).map_err(failed("read an attachment"))
    }

    fn room(&self) -> u64 {
        free_bytes(&self.root).unwrap_or(u64::MAX)
    }

    fn size(&self, hash: &str) -> Option<u64> {
        self.shelf.measure(&self.path(hash).ok()?).ok()
    }

    fn partial(&self, hash: &str) -> u64 {
        self.partial_path(hash).ok().and_then(|path| self.shelf.measure(&path).ok()).unwrap_or(0)
    }

    fn extend(&self, hash: &str, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
        let _alone = self.alone();
        if self.has(hash) {
            return Ok(());
        }
        let Some(known) = self.partial(hash).checked_sub(offset) else {
            let detail = "the chunk does not follow what is here".to_owned();
            return Err(StoreError::Broken { what: "resume an attachment", detail });
        };
        let new = usize::try_from(known).ok().and_then(|known| bytes.get(known..)).unwrap_or_default();
        let path = self.partial_path(hash)?;
        self.shelf.append(&path, hash, new).map_err(failed("extend an attachment"))
    }

    fn restart(&self, hash: &str) -> Result<(), StoreError> {
        let _alone = self.alone();
        match fs::remove_file(self.partial_path(hash)?) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(failed("start an attachment again")(error))
            }
            _ => Ok(()),
        }
    }

    fn complete(&self, hash: &str) -> Result<bool, StoreError> {
        let _alone = self.alone();
        if self.has(hash) {
            return Ok(true);
        }
        let path = self.partial_path(hash)?;
        let whole = match self.shelf.digest(&path, hash) {
            Ok((_, found)) => found == hash,
            Err(error) if error.kind() == ErrorKind::InvalidData => false,
            Err(error) => return Err(failed("check an attachment")(error)),
        };
        if !whole {
            fs::remove_file(&path).map_err(failed("remove a damaged attachment"))?;
            return Ok(false);
        }
        File::open(&path).and_then(|file| file.sync_all()).map_err(failed("flush an attachment"))?;
        self.publish(&path, hash)?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
