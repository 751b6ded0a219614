//! Runs: consecutive entries of one journal, checked by hashing and one signature.
//!
//! On the wire only the last entry of a run carries its signature. It vouches for all before it through the chain; the
//! others would cost 64 incompressible bytes each, and an unchecked one, spoilt on the way, would poison later runs.

use crate::entry::{BadEntry, Entry};
use crate::epoch::{self, Opening, Proof, Proven, further_back};
use crate::{Hash, JournalId, Position, RawEntry, RunFault, Signature};

/// The entry before the first of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Previous {
    Hash(Hash),
    /// The first bytes of its hash, to somebody who has that entry: enough to see that both mean the same one. It proves
    /// nothing and need not, because the signature at the end of the run is over a chain that begins with the whole hash.
    Begins([u8; 8]),
}

/// What the receiver of a run has of its journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    pub head: Position,
    /// The hash just before the run begins; `None` when that place is not filled.
    pub before: Option<Hash>,
}

impl Previous {
    fn resolve(self, stored: Stored) -> Result<Hash, RunFault> {
        match (self, stored.before) {
            (Previous::Hash(hash), _) => Ok(hash),
            (Previous::Begins(begins), Some(before)) if before.0.starts_with(&begins) => Ok(before),
            // Two histories, as it seems: only with the whole hash does the run prove it (I8).
            (Previous::Begins(_), Some(_)) => Err(RunFault::OtherPrevious),
            (Previous::Begins(_), None) => Err(RunFault::Gap { have: stored.head }),
        }
    }

    pub fn shortened(self) -> Previous {
        match self {
            Previous::Hash(Hash::NONE) | Previous::Begins(_) => self,
            Previous::Hash(hash) => {
                let mut begins = [0; 8];
                begins.copy_from_slice(&hash.0[..8]);
                Previous::Begins(begins)
            }
        }
    }
}

/// Consecutive entries as a frame carries them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    pub journal: JournalId,
    pub previous: Previous,
    pub entries: Vec<RawEntry>,
    /// To somebody who holds an older branch: the author has begun a newer epoch, and this run leads to it.
    pub proof: Option<Proof>,
}

impl Run {
    /// The place of its first entry, as that says itself; `None` when it cannot be read.
    pub fn first_seq(&self) -> Option<u64> {
        let core = self.entries.first()?.core.clone();
        <crate::Core as prost::Message>::decode(core).ok().map(|core| core.seq).filter(|seq| *seq > 0)
    }

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
    /// Signed by a machine that was reported lost, at a place beyond the last that counts.
    Revoked,
}

/// Checks heads of others' journals against the keys the hub published.
pub trait Verify: Send + Sync {
    /// `seq` is the place in `journal` of the entry whose hash is `head`.
    ///
    /// # Errors
    /// [`KeyFault`].
    fn verify(
        &self,
        journal: &JournalId,
        seq: u64,
        head: &Hash,
        signature: &Signature,
    ) -> Result<(), KeyFault>;
}

/// A run whose chain and signature hold. Whether it continues what is stored is for [`CheckedRun::fit`].
#[derive(Clone, Debug)]
pub struct CheckedRun {
    pub journal: JournalId,
    pub previous: Hash,
    pub entries: Vec<Entry>,
    /// A newer epoch that this run leads to, though it may not reach it yet.
    pub newer: Option<Proven>,
    /// Entries of others that were put aside somewhere and are on their way back: the place of the entry that carries them,
    /// and what is in it. Only what its author signed.
    pub returned: Vec<(usize, CheckedRun)>,
}

/// How a checked run continues a journal.
#[derive(Debug, PartialEq, Eq)]
pub enum Fit {
    /// Entries from this index on are new.
    New { from: usize },
    /// Everything is known; compare the hashes at these positions to be sure it is the same.
    Known,
    /// The author has begun a newer epoch from an earlier place: what stands here after `keep` is a dead branch.
    Rewind { keep: u64 },
}

/// An epoch begins with an entry that names its parent (I9); only a journal's first entry begins one without.
fn opens_rightly(entry: &Entry, before: Option<&Entry>, previous: &Hash) -> bool {
    let begins = before.is_some_and(|before| before.epoch < entry.epoch);
    if entry.kind != epoch::OPENING {
        return !begins;
    }
    Opening::of(entry, previous)
        .is_some_and(|opening| before.is_none_or(|before| before.epoch == opening.parent_epoch))
}

/// The entries for which a signature vouches. That is all of them, by the last; of a machine that was reported lost it is
/// those up to the last signed one that still counts, when the sender left that signature in.
fn vouched_for(
    journal: &JournalId,
    mut entries: Vec<Entry>,
    keys: &dyn Verify,
) -> Result<Vec<Entry>, RunFault> {
    let mut fault = RunFault::BadSignature;
    while let Some(last) = entries.last() {
        let verified =
            last.raw.signature.map(|signature| keys.verify(journal, last.seq, &last.hash, &signature));
        match verified {
            Some(Ok(())) => {
                // Those inside were not looked at, and one that is spoilt would spoil later runs.
                let inside = entries.len() - 1;
                entries[..inside].iter_mut().for_each(|entry| entry.raw.signature = None);
                return Ok(entries);
            }
            Some(Err(KeyFault::Revoked)) => fault = RunFault::Revoked,
            None if fault == RunFault::Revoked => {}
            Some(Err(KeyFault::Unknown)) => return Err(RunFault::UnknownAuthor),
            Some(Err(KeyFault::Bad)) | None => return Err(fault),
        }
        entries.pop();
    }
    Err(fault)
}

impl CheckedRun {
    /// # Errors
    /// The [`RunFault`] to tell the sender. Nothing of a faulty run is taken.
    pub fn check(run: Run, stored: Stored, keys: &dyn Verify) -> Result<CheckedRun, RunFault> {
        let Run { journal, previous, entries, proof } = run;
        let previous = previous.resolve(stored)?;
        let newer = proof.and_then(|proof| proof.check(&journal, keys));
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
            if !opens_rightly(&entry, checked.last(), &before) {
                return Err(RunFault::BadEntry("epoch"));
            }
            before = entry.hash;
            checked.push(entry);
        }
        if checked.is_empty() {
            return Err(RunFault::BadEntry("none"));
        }
        if checked[0].seq == 1 && previous != Hash::NONE {
            return Err(RunFault::BadEntry("previous"));
        }
        let checked = vouched_for(&journal, checked, keys)?;
        let carries = checked.iter().enumerate().filter(|(_, entry)| entry.kind == epoch::RETURNED);
        let returned =
            carries.filter_map(|(at, entry)| Some((at, epoch::open(&entry.raw.body, keys)?))).collect();
        Ok(CheckedRun { journal, previous, entries: checked, newer, returned })
    }

    /// Compares the run with what is stored; `stored_hash` gives the hash stored at a seq.
    ///
    /// # Errors
    /// [`RunFault::Gap`] with our position when entries in between are missing, or with an earlier one while we look for the
    /// place where a newer epoch left the branch we hold; [`RunFault::Fork`] when the journal we have and the one offered have
    /// different entries at one seq (I8).
    pub fn fit<E>(
        &self,
        head: Position,
        stored_hash: impl Fn(u64) -> Result<Option<Hash>, E>,
    ) -> Result<Result<Fit, RunFault>, E> {
        let first = self.entries[0].seq;
        let last = self.head();
        if first > head.seq + 1 {
            return Ok(Err(RunFault::Gap { have: head }));
        }
        let known = (head.seq + 1 - first) as usize;
        // Where the run overlaps, one hash decides: the chain makes everything before it equal too.
        let overlap_end = last.seq.min(head.seq);
        let ours = if overlap_end == head.seq { Some(head.hash) } else { stored_hash(overlap_end)? };
        if ours != Some(self.hash_at(overlap_end)) {
            let newer = self.newer.map_or(last.epoch, |proven| proven.epoch.max(last.epoch));
            if newer <= head.epoch {
                return Ok(Err(RunFault::Fork { at: overlap_end }));
            }
            return self.branch(head, stored_hash);
        }
        let Some(next) = self.entries.get(known) else { return Ok(self.all_known(head)) };
        let goes_on = next.epoch == head.epoch || next.epoch > head.epoch && next.kind == epoch::OPENING;
        Ok(if head.seq == 0 || goes_on {
            Ok(Fit::New { from: known })
        } else {
            Err(RunFault::BadEntry("epoch"))
        })
    }

    /// False of nearly every run: only one that leads to a newer epoch can show that a branch has ended.
    pub fn may_end_a_branch(&self) -> bool {
        let begins_later = self.entries[0].seq == 1 && self.entries[0].epoch > 1;
        self.newer.is_some() || begins_later || self.entries.iter().any(|entry| entry.kind == epoch::OPENING)
    }

    /// Where the run leaves the branch that is stored.
    pub fn branch<E>(
        &self,
        head: Position,
        stored_hash: impl Fn(u64) -> Result<Option<Hash>, E>,
    ) -> Result<Result<Fit, RunFault>, E> {
        let first = self.entries[0].seq;
        if stored_hash(first - 1)? != Some(self.previous) {
            let back = further_back(head.seq, first - 1);
            let seq = self
                .newer
                .map_or(back, |proven| if first - 1 > proven.parent_seq { proven.parent_seq } else { back });
            let have = Position { epoch: head.epoch, seq, hash: stored_hash(seq)?.unwrap_or_default() };
            return Ok(Err(RunFault::Gap { have }));
        }
        for entry in &self.entries {
            if entry.seq > head.seq || stored_hash(entry.seq)? != Some(entry.hash) {
                return Ok(Ok(Fit::Rewind { keep: entry.seq - 1 }));
            }
        }
        Ok(self.all_known(head))
    }

    /// Nothing new; but when the run is on its way to where a newer epoch leaves our branch, the rest of it is wanted.
    fn all_known(&self, head: Position) -> Result<Fit, RunFault> {
        match self.newer {
            Some(newer) if newer.epoch > head.epoch && self.head().seq < head.seq => {
                Err(RunFault::Gap { have: self.head() })
            }
            _ => Ok(Fit::Known),
        }
    }

    /// The hash at a place of the run, or just before it.
    fn hash_at(&self, seq: u64) -> Hash {
        let first = self.entries[0].seq;
        if seq + 1 == first { self.previous } else { self.entries[(seq - first) as usize].hash }
    }

    pub fn head(&self) -> Position {
        let last = &self.entries[self.entries.len() - 1];
        Position { epoch: last.epoch, seq: last.seq, hash: last.hash }
    }
}
