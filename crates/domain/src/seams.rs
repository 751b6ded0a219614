//! The two things every node takes from its surroundings: time and randomness. A simulation gives its own.

use crate::{EntryId, Timestamp};

pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;
}

pub trait Random: Send + Sync {
    fn fill(&self, bytes: &mut [u8]);

    fn u64(&self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_be_bytes(bytes)
    }
    /// A fresh entry id.
    fn entry_id(&self, now: Timestamp) -> EntryId {
        let mut bytes = [0; 10];
        self.fill(&mut bytes);
        EntryId::v7(now, bytes)
    }
}
