//! Epochs: how a journal goes on after its author was restored from a backup.
//!
//! An epoch begins with an entry of kind [`OPENING`] that names its parent, the entry before it. Within one epoch there is
//! one hash for each place; a second one is a fork and freezes the journal (I8). A newer epoch, signed by the author, says
//! which of two branches goes on: whoever holds the other one puts it aside, keeps it, and sends it back to the author in an
//! entry of kind [`RETURNED`], so that the author files again what the journal now lacks. Nothing is dropped on the way.

use crate::run::Verify;
use crate::{CheckedRun, Entry, Hash, JournalId, Position, Previous, RawEntry, Run, Signature, Stored};
use bytes::Bytes;
use prost::Message;
use serde::{Deserialize, Serialize};

/// Kind of the first entry of every epoch but a journal's first.
pub const OPENING: &str = "epoch";
/// Kind of an entry that carries somebody's own entries back to them.
pub const RETURNED: &str = "returned";

/// The body of an [`OPENING`] entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    pub parent_epoch: u32,
    pub parent_seq: u64,
    /// Hexadecimal.
    pub parent_hash: String,
    /// For people: `restored`, `behind`, `take_over`.
    pub why: String,
    /// Numbers that nobody will ever be given, because before the restore somebody may have been: (scope, from, through).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub void_numbers: Vec<(String, u64, u64)>,
}

impl Opening {
    /// What an entry says that opens an epoch; `None` unless it names the entry before it, whose hash is `previous`, as its
    /// parent.
    pub fn of(entry: &Entry, previous: &Hash) -> Option<Opening> {
        let opening: Opening = serde_json::from_slice(&entry.raw.body).ok()?;
        let names =
            opening.parent_seq == entry.seq.checked_sub(1)? && opening.parent_hash == previous.to_hex();
        (entry.kind == OPENING && entry.epoch > opening.parent_epoch && names).then_some(opening)
    }
}

/// An opening with what its hash is computed from: proves that its author has begun a newer epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    pub previous: Hash,
    pub entry: RawEntry,
}

/// What a [`Proof`] says once its signature holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proven {
    pub epoch: u32,
    pub parent_seq: u64,
}

impl Proof {
    /// `None` unless the author of `journal` signed it as the first entry of an epoch.
    pub fn check(&self, journal: &JournalId, keys: &dyn Verify) -> Option<Proven> {
        let channel = journal.channel.to_string();
        let entry = Entry::decode(self.entry.clone(), &self.previous, &channel).ok()?;
        let opening = Opening::of(&entry, &self.previous).filter(|_| entry.author == journal.author)?;
        let signed = keys.verify(journal, entry.seq, &entry.hash, &entry.raw.signature?).is_ok();
        signed.then_some(Proven { epoch: entry.epoch, parent_seq: opening.parent_seq })
    }
}

/// Entries put aside, ending with a signed one, on their way back to their author: the body of a [`RETURNED`] entry.
#[derive(Clone, PartialEq, prost::Message)]
struct Envelope {
    #[prost(string, tag = "1")]
    author: String,
    #[prost(string, tag = "2")]
    channel: String,
    #[prost(bytes = "vec", tag = "3")]
    previous: Vec<u8>,
    #[prost(message, repeated, tag = "4")]
    entries: Vec<Enclosed>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Enclosed {
    #[prost(bytes = "bytes", tag = "1")]
    core: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    body: Bytes,
    #[prost(bytes = "vec", tag = "3")]
    signature: Vec<u8>,
}

/// Puts a run into an envelope.
pub fn enclose(journal: &JournalId, previous: Hash, entries: &[RawEntry]) -> Vec<u8> {
    let entry = |raw: &RawEntry| Enclosed {
        core: raw.core.clone(),
        body: raw.body.clone(),
        signature: raw.signature.map(|s| s.0.to_vec()).unwrap_or_default(),
    };
    let envelope = Envelope {
        author: journal.author.to_string(),
        channel: journal.channel.to_string(),
        previous: previous.0.to_vec(),
        entries: entries.iter().map(entry).collect(),
    };
    envelope.encode_to_vec()
}

/// Opens an envelope; `None` when it holds nothing that its author signed.
pub fn open(body: &[u8], keys: &dyn Verify) -> Option<CheckedRun> {
    let Envelope { author, channel, previous, entries } = Envelope::decode(body).ok()?;
    let journal = JournalId { author: author.parse().ok()?, channel: channel.parse().ok()? };
    let entry = |Enclosed { core, body, signature }| RawEntry {
        core,
        body,
        signature: Signature::from_slice(&signature),
    };
    let previous = Previous::Hash(Hash::from_slice(&previous)?);
    let run = Run { journal, previous, entries: entries.into_iter().map(entry).collect(), proof: None };
    CheckedRun::check(run, Stored::default(), keys).ok()
}

/// What an envelope holds, whoever signed it.
pub fn look(body: &[u8]) -> Vec<crate::Core> {
    let entries = Envelope::decode(body).map(|envelope| envelope.entries).unwrap_or_default();
    entries.into_iter().filter_map(|enclosed| crate::Core::decode(enclosed.core).ok()).collect()
}

/// Where to look for the last entry that two branches share: further back with every step, so that it costs little when it is
/// near and is found all the same when it is far.
pub fn further_back(head: u64, tried: u64) -> u64 {
    let distance = head.saturating_sub(tried);
    tried.saturating_sub(distance.max(8) * 2)
}

/// A place in somebody's journal, as the other end of a link stands in it, compared with our own copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compared {
    pub peer: Position,
    /// True when our copy has the same hash there.
    pub same: bool,
}
