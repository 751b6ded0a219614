//! Runs: consecutive entries of one journal, checked by hashing and one signature.
//!
//! On the wire only the last entry of a run carries its signature. It vouches for all before it through the chain; the
//! others would cost 64 incompressible bytes each, and an unchecked one, spoilt on the way, would poison later runs.

use crate::entry::{BadEntry, Entry};
use crate::{Hash, JournalId, Position, RawEntry, RunFault, Signature};
use domain::NodeId;

/// Consecutive entries as a frame carries them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    pub journal: JournalId,
    /// Hash of the entry before the first.
    pub previous: Hash,
    pub entries: Vec<RawEntry>,
}

impl Run {
    pub fn size(&self) -> usize {
        self.entries.iter().map(RawEntry::size).sum::<usize>() + 64
    }
}

/// Signs the heads of one's own journals.
pub trait Sign: Send + Sync {
    fn sign(&self, head: &Hash) -> Signature;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyFault {
    /// The author is not (yet) among the known nodes.
    Unknown,
    Bad,
}

/// Checks heads of others' journals against the keys the hub published.
pub trait Verify: Send + Sync {
    fn verify(&self, author: &NodeId, head: &Hash, signature: &Signature) -> Result<(), KeyFault>;
}

/// A run whose chain and signature hold. Whether it continues what is stored is for [`CheckedRun::fit`].
#[derive(Clone, Debug)]
pub struct CheckedRun {
    pub journal: JournalId,
    pub previous: Hash,
    pub entries: Vec<Entry>,
}

/// How a checked run continues a journal.
#[derive(Debug, PartialEq, Eq)]
pub enum Fit {
    /// Entries from this index on are new.
    New { from: usize },
    /// Everything is known; compare the hashes at these positions to be sure it is the same.
    Known,
}

impl CheckedRun {
    /// # Errors
    /// The [`RunFault`] to tell the sender. Nothing of a faulty run is taken.
    pub fn check(run: Run, keys: &dyn Verify) -> Result<CheckedRun, RunFault> {
        let Run { journal, previous, entries } = run;
        let channel = journal.channel.to_string();
        let mut checked: Vec<Entry> = Vec::with_capacity(entries.len());
        let mut before = previous;
        for raw in entries {
            let entry =
                Entry::decode(raw, &before, &channel).map_err(|BadEntry(field)| RunFault::BadEntry(field))?;
            if entry.author != journal.author {
                return Err(RunFault::BadEntry("author"));
            }
            let follows =
                checked.last().is_none_or(|last| last.seq + 1 == entry.seq && last.epoch <= entry.epoch);
            if entry.seq == 0 || entry.epoch == 0 || !follows {
                return Err(RunFault::BadEntry("seq"));
            }
            before = entry.hash;
            checked.push(entry);
        }
        let Some(last) = checked.last() else { return Err(RunFault::BadEntry("none")) };
        let signature = last.raw.signature.ok_or(RunFault::BadSignature)?;
        match keys.verify(&journal.author, &last.hash, &signature) {
            Ok(()) => Ok(CheckedRun { journal, previous, entries: checked }),
            Err(KeyFault::Unknown) => Err(RunFault::UnknownAuthor),
            Err(KeyFault::Bad) => Err(RunFault::BadSignature),
        }
    }

    /// Compares the run with what is stored; `stored_hash` gives the hash stored at a seq.
    ///
    /// # Errors
    /// [`RunFault::Gap`] with our position when entries in between are missing, [`RunFault::Fork`] when the journal we
    /// have and the one offered have different entries at one seq (I8).
    pub fn fit<E>(
        &self,
        head: Position,
        stored_hash: impl Fn(u64) -> Result<Option<Hash>, E>,
    ) -> Result<Result<Fit, RunFault>, E> {
        let first = self.entries[0].seq;
        let last = self.entries[self.entries.len() - 1].seq;
        if first > head.seq + 1 {
            return Ok(Err(RunFault::Gap { have: head }));
        }
        let known = (head.seq + 1 - first) as usize;
        // Where the run overlaps, one hash decides: the chain makes everything before it equal too.
        let overlap_end = last.min(head.seq);
        let ours = if overlap_end == head.seq { Some(head.hash) } else { stored_hash(overlap_end)? };
        let theirs = if overlap_end + 1 == first {
            self.previous
        } else {
            self.entries[(overlap_end - first) as usize].hash
        };
        if ours != Some(theirs) {
            return Ok(Err(RunFault::Fork { at: overlap_end }));
        }
        Ok(Ok(if known >= self.entries.len() { Fit::Known } else { Fit::New { from: known } }))
    }

    pub fn head(&self) -> Position {
        let last = &self.entries[self.entries.len() - 1];
        Position { epoch: last.epoch, seq: last.seq, hash: last.hash }
    }
}
