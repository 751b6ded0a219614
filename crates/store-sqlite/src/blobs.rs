//! Attachments as files: `blobs/ab/abcdef…`, unfinished ones under `blobs/partial`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use store::StoreError;
use store::blobs::Blobs;

pub struct FileBlobs {
    root: PathBuf,
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
    /// # Errors
    /// When the folders cannot be made.
    pub fn open(folder: &Path) -> Result<FileBlobs, StoreError> {
        let root = folder.join("blobs");
        fs::create_dir_all(root.join("partial")).map_err(failed("create the attachment folder"))?;
        Ok(FileBlobs { root, growing: Mutex::new(()) })
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
        let temporary = self.partial_path(hash)?.with_extension("new");
        let write = || {
            let mut file = File::create(&temporary)?;
            file.write_all(bytes)?;
            file.sync_all()
        };
        write().map_err(failed("write an attachment"))?;
        self.publish(&temporary, hash)
    }

    fn has(&self, hash: &str) -> bool {
        self.path(hash).is_ok_and(|path| path.exists())
    }

    fn read(&self, hash: &str, offset: u64, limit: usize) -> Result<Vec<u8>, StoreError> {
        let mut file = File::open(self.path(hash)?).map_err(failed("open an attachment"))?;
        let mut bytes = Vec::with_capacity(limit.min(1 << 20));
        let read =
            file.seek(SeekFrom::Start(offset)).and_then(|_| file.take(limit as u64).read_to_end(&mut bytes));
        read.map_err(failed("read an attachment"))?;
        Ok(bytes)
    }

    fn room(&self) -> u64 {
        rustix::fs::statvfs(&self.root).map_or(u64::MAX, |disk| disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    fn size(&self, hash: &str) -> Option<u64> {
        fs::metadata(self.path(hash).ok()?).ok().map(|data| data.len())
    }

    fn partial(&self, hash: &str) -> u64 {
        self.partial_path(hash).ok().and_then(|path| fs::metadata(path).ok()).map_or(0, |data| data.len())
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
        let append = || OpenOptions::new().create(true).append(true).open(&path)?.write_all(new);
        append().map_err(failed("extend an attachment"))
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
        let bytes = fs::read(&path).map_err(failed("check an attachment"))?;
        if blake3::hash(&bytes).to_hex().as_str() != hash {
            fs::remove_file(&path).map_err(failed("remove a damaged attachment"))?;
            return Ok(false);
        }
        File::open(&path).and_then(|file| file.sync_all()).map_err(failed("flush an attachment"))?;
        self.publish(&path, hash)?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_transfer_resumes_and_a_damaged_one_starts_again() {
        let folder = std::env::temp_dir().join(format!("tongban-blobs-{}", std::process::id()));
        let blobs = FileBlobs::open(&folder).unwrap();
        let bytes: Vec<u8> = (0..100_000u32).map(|n| n as u8).collect();
        let hash = blake3::hash(&bytes).to_hex().to_string();
        blobs.extend(&hash, 0, &bytes[..60_000]).unwrap();
        assert!(!blobs.has(&hash), "I5: not visible before it is whole");
        assert_eq!(blobs.partial(&hash), 60_000);
        assert!(blobs.extend(&hash, 70_000, &bytes[..5]).is_err(), "no gap");
        blobs.extend(&hash, 60_000, &bytes[60_000..]).unwrap();
        assert!(blobs.complete(&hash).unwrap() && blobs.has(&hash));
        assert_eq!(blobs.read(&hash, 99_990, 100).unwrap(), bytes[99_990..]);
        // Two neighbours send the same: neither breaks the other's, and the one that comes second changes nothing.
        let both: Vec<u8> = (0..90_000u32).map(|n| (n / 7) as u8).collect();
        let twice = blake3::hash(&both).to_hex().to_string();
        for (from, to) in [(0, 40_000), (0, 40_000), (40_000, 80_000), (40_000, 90_000), (80_000, 90_000)] {
            blobs.extend(&twice, from as u64, &both[from..to]).unwrap();
        }
        assert!(blobs.complete(&twice).unwrap());
        blobs.extend(&twice, 80_000, &both[80_000..]).unwrap();
        assert!(blobs.complete(&twice).unwrap() && blobs.size(&twice) == Some(90_000));
        assert_eq!(blobs.partial(&twice), 0);
        blobs.extend(&twice.replace('0', "1"), 0, &both).unwrap();
        blobs.restart(&twice.replace('0', "1")).unwrap();
        assert_eq!(blobs.partial(&twice.replace('0', "1")), 0);
        let other = blake3::hash(b"other").to_hex().to_string();
        blobs.extend(&other, 0, b"damaged").unwrap();
        assert!(!blobs.complete(&other).unwrap() && blobs.partial(&other) == 0);
        assert!(blobs.put("../../etc/passwd", b"x").is_err());
        fs::remove_dir_all(folder).unwrap();
    }
}
