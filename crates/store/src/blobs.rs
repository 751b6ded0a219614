//! Attachments' bytes: content-addressed, written whole or resumed, never changed.

use crate::StoreError;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// An attachment may not be larger.
pub const BLOB_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// Where attachments lie. A blob is visible only once all its bytes are durable and hash to its name.
pub trait Blobs: Send + Sync + 'static {
    /// Stores bytes under the BLAKE3 hash given. Storing the same again is harmless.
    ///
    /// # Errors
    /// [`StoreError::DiskFull`] or [`StoreError::Broken`]; nothing is visible then.
    fn put(&self, hash: &str, bytes: &[u8]) -> Result<(), StoreError>;
    fn has(&self, hash: &str) -> bool;
    /// # Errors
    /// [`StoreError::Missing`] when it is not here.
    fn read(&self, hash: &str, offset: u64, limit: usize) -> Result<Vec<u8>, StoreError>;
    fn size(&self, hash: &str) -> Option<u64>;
    /// Free bytes on the disk where attachments lie, and the database beside them. Unknown is plenty: a disk that is full says so.
    fn room(&self) -> u64;

    /// How many bytes of an unfinished transfer are on disk.
    fn partial(&self, hash: &str) -> u64;
    /// Adds the next bytes of an unfinished transfer. What is here already, of the partial or of the whole, is passed over: two
    /// neighbours may send the same.
    ///
    /// # Errors
    /// [`StoreError::Broken`] when `offset` lies behind the end of the partial.
    fn extend(&self, hash: &str, offset: u64, bytes: &[u8]) -> Result<(), StoreError>;
    /// Forgets an unfinished transfer, which cannot become what its page declares.
    ///
    /// # Errors
    /// When the disk fails.
    fn restart(&self, hash: &str) -> Result<(), StoreError>;
    /// Makes a complete partial visible, if it hashes to its name; otherwise throws it away and says `false`.
    ///
    /// # Errors
    /// When the disk fails.
    fn complete(&self, hash: &str) -> Result<bool, StoreError>;
}

/// Blobs in memory, for simulations.
#[derive(Default)]
pub struct MemoryBlobs {
    whole: Mutex<BTreeMap<String, Vec<u8>>>,
    parts: Mutex<BTreeMap<String, Vec<u8>>>,
    room: Mutex<Option<u64>>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MemoryBlobs {
    /// Says how much room is left; `None` is plenty.
    pub fn set_room(&self, room: Option<u64>) {
        *lock(&self.room) = room;
    }
    /// As a backup copies them.
    pub fn copy(&self) -> MemoryBlobs {
        MemoryBlobs {
            whole: Mutex::new(lock(&self.whole).clone()),
            parts: Mutex::default(),
            room: Mutex::default(),
        }
    }
}

impl Blobs for MemoryBlobs {
    fn put(&self, hash: &str, bytes: &[u8]) -> Result<(), StoreError> {
        lock(&self.whole).insert(hash.to_owned(), bytes.to_vec());
        Ok(())
    }
    fn has(&self, hash: &str) -> bool {
        lock(&self.whole).contains_key(hash)
    }
    fn read(&self, hash: &str, offset: u64, limit: usize) -> Result<Vec<u8>, StoreError> {
        let whole = lock(&self.whole);
        let bytes = whole.get(hash).ok_or(StoreError::Missing { what: "这份附件" })?;
        Ok(bytes.iter().skip(offset as usize).take(limit).copied().collect())
    }
    fn room(&self) -> u64 {
        lock(&self.room).unwrap_or(u64::MAX)
    }

    fn size(&self, hash: &str) -> Option<u64> {
        lock(&self.whole).get(hash).map(|bytes| bytes.len() as u64)
    }
    fn partial(&self, hash: &str) -> u64 {
        lock(&self.parts).get(hash).map_or(0, |bytes| bytes.len() as u64)
    }
    fn extend(&self, hash: &str, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
        if self.has(hash) {
            return Ok(());
        }
        let mut parts = lock(&self.parts);
        let part = parts.entry(hash.to_owned()).or_default();
        let Some(known) = part.len().checked_sub(offset as usize) else {
            return Err(StoreError::Broken {
                what: "resume an attachment",
                detail: "the chunk does not follow".into(),
            });
        };
        part.extend_from_slice(bytes.get(known..).unwrap_or_default());
        Ok(())
    }
    fn restart(&self, hash: &str) -> Result<(), StoreError> {
        lock(&self.parts).remove(hash);
        Ok(())
    }
    fn complete(&self, hash: &str) -> Result<bool, StoreError> {
        if self.has(hash) {
            return Ok(true);
        }
        let Some(bytes) = lock(&self.parts).remove(hash) else { return Ok(false) };
        lock(&self.whole).insert(hash.to_owned(), bytes);
        Ok(true)
    }
}
