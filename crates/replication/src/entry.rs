//! One entry of a journal: what was hashed is kept and forwarded as it was; nobody encodes it a second time.
//!
//! `hash = SHA-256("tongban entry 1\0" ‖ previous hash ‖ SHA-256(body) ‖ core)`. The two inner hashes are not part of the
//! stored core: a receiver computes both, so they cost nothing on the wire and cannot disagree with what they stand for.

use bytes::Bytes;
use domain::{EntryId, NodeId, Timestamp};
use sha2::{Digest, Sha256};
use std::fmt;

/// A SHA-256 hash of an entry.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// What the first entry of a journal names as its predecessor.
    pub const NONE: Hash = Hash([0; 32]);

    pub fn from_slice(bytes: &[u8]) -> Option<Hash> {
        bytes.try_into().ok().map(Hash)
    }
    pub fn to_hex(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
    pub fn from_hex(text: &str) -> Option<Hash> {
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        let mut bytes = [0; 32];
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * i..2 * i + 2], 16).ok()?;
        }
        Some(Hash(bytes))
    }
}
impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex()[..12])
    }
}

/// An Ed25519 signature over an entry's hash: the signed head of an append.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(pub [u8; 64]);

impl Signature {
    pub fn from_slice(bytes: &[u8]) -> Option<Signature> {
        bytes.try_into().ok().map(Signature)
    }
}
impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sig:{:02x}{:02x}…", self.0[0], self.0[1])
    }
}

/// Ed25519 over SHA-256. The suite is named in every entry so that another can follow.
pub const SUITE_ED25519_SHA256: u32 = 1;

/// The core of an entry, as Protocol Buffers. Unknown fields survive, because the bytes are kept.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Core {
    #[prost(uint32, tag = "1")]
    pub suite: u32,
    #[prost(uint32, tag = "2")]
    pub schema: u32,
    #[prost(string, tag = "3")]
    pub author: String,
    #[prost(string, tag = "4")]
    pub channel: String,
    #[prost(uint32, tag = "5")]
    pub epoch: u32,
    #[prost(uint64, tag = "6")]
    pub seq: u64,
    /// UUIDv7, made by whoever asked for the change.
    #[prost(bytes = "vec", tag = "7")]
    pub id: Vec<u8>,
    #[prost(string, tag = "8")]
    pub kind: String,
    /// What it is about: a case number, a node id.
    #[prost(string, tag = "9")]
    pub subject: String,
    /// Division code the author speaks for.
    #[prost(string, tag = "10")]
    pub area: String,
    /// By the author's clock; never used to order.
    #[prost(sint64, tag = "11")]
    pub claimed_ms: i64,
    #[prost(string, tag = "12")]
    pub officer: String,
    /// Of an entry that its author wrote once before, on a branch that ended with a restore: the hash it had there, which is
    /// what a receipt or a citizen's slip of that day names. Empty otherwise.
    #[prost(bytes = "vec", tag = "13")]
    pub first_hash: Vec<u8>,
}

/// An entry as it is stored and sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RawEntry {
    pub core: Bytes,
    pub body: Bytes,
    /// Present on the last entry of an append.
    pub signature: Option<Signature>,
}

impl RawEntry {
    pub fn size(&self) -> usize {
        self.core.len() + self.body.len() + self.signature.map_or(0, |_| 64)
    }
    /// Core and body, as they are kept for a person when the entry itself cannot be taken.
    pub fn evidence(&self) -> Vec<u8> {
        [&self.core[..], &self.body[..]].concat()
    }
    pub fn hash(&self, previous: &Hash) -> Hash {
        hash_of(previous, &self.core, &self.body)
    }
}

pub fn hash_of(previous: &Hash, core: &[u8], body: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(b"tongban entry 1\0");
    hasher.update(previous.0);
    hasher.update(Sha256::digest(body));
    hasher.update(core);
    Hash(hasher.finalize().into())
}

/// An entry taken apart: its chain hash is known, its core is decoded.
#[derive(Clone, Debug)]
pub struct Entry {
    pub raw: RawEntry,
    pub hash: Hash,
    pub author: NodeId,
    pub epoch: u32,
    pub seq: u64,
    pub id: EntryId,
    pub kind: String,
    pub subject: String,
    pub area: String,
    pub claimed_at: Timestamp,
    pub officer: String,
    /// See [`Core::first_hash`].
    pub first_hash: Option<Hash>,
}

/// Why an entry cannot be read. The name of the field is part of the message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("entry.{0}")]
pub struct BadEntry(pub &'static str);

impl Entry {
    /// # Errors
    /// [`BadEntry`] naming the field; the chain itself is judged by [`crate::run`].
    pub fn decode(raw: RawEntry, previous: &Hash, channel: &str) -> Result<Entry, BadEntry> {
        if raw.size() > crate::ENTRY_BYTES_MAX {
            return Err(BadEntry("size"));
        }
        let core = <Core as prost::Message>::decode(raw.core.clone()).map_err(|_| BadEntry("core"))?;
        let Core {
            suite,
            schema,
            author,
            channel: own_channel,
            epoch,
            seq,
            id,
            kind,
            subject,
            area,
            claimed_ms,
            officer,
            first_hash,
        } = core;
        if suite != SUITE_ED25519_SHA256 {
            return Err(BadEntry("suite"));
        }
        if schema == 0 {
            return Err(BadEntry("schema"));
        }
        if own_channel != channel {
            return Err(BadEntry("channel"));
        }
        Ok(Entry {
            hash: raw.hash(previous),
            raw,
            author: author.parse().map_err(|_| BadEntry("author"))?,
            epoch,
            seq,
            id: EntryId(id.try_into().map_err(|_| BadEntry("id"))?),
            kind,
            subject,
            area,
            claimed_at: Timestamp::from_ms(claimed_ms),
            officer,
            first_hash: Hash::from_slice(&first_hash),
        })
    }
}
