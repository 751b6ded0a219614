//! The journal format, read a second time: chains of SHA-256, heads signed with Ed25519, cores in Protocol Buffers.

use crate::Node;
use anyhow::{Context, Result, bail};
use ed25519_dalek::{Signature, VerifyingKey};
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;

pub struct Entry {
    pub author: String,
    pub channel: String,
    pub seq: u64,
    pub id: String,
    pub kind: String,
    pub body: Vec<u8>,
    pub hash: [u8; 32],
    signature: Option<Vec<u8>>,
}

impl Entry {
    pub fn hash_hex(&self) -> String {
        hex(&self.hash)
    }
}

pub struct Journal {
    /// `author/channel`.
    pub name: String,
    pub entries: Vec<Entry>,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads all journals of a database and hashes them anew; stored hashes are not believed.
/// `key` opens a database that lies encrypted: 64 hexadecimal digits.
pub fn read_journals(path: &Path, key: Option<&str>) -> Result<BTreeMap<String, Journal>> {
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    if let Some(key) = key {
        db.pragma_update(None, "key", format!("x'{key}'"))?;
        db.pragma_update(None, "cipher_page_size", 8192)?;
    }
    let mut journals = BTreeMap::new();
    let mut list = db.prepare("SELECT no, author, channel, seq FROM journal WHERE seq > 0")?;
    let rows: Vec<(i64, String, String, i64)> = list
        .query_map([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (no, author, channel, head) in rows {
        let mut statement =
            db.prepare("SELECT core, body, signature FROM entry WHERE pos > ?1 AND pos < ?2 ORDER BY pos")?;
        let mut rows = statement.query([no << 40, (no + 1) << 40])?;
        let (mut previous, mut entries) = ([0u8; 32], Vec::new());
        while let Some(row) = rows.next()? {
            let (core, body, signature): (Vec<u8>, Vec<u8>, Option<Vec<u8>>) =
                (row.get(0)?, row.get(1)?, row.get(2)?);
            let entry = read_entry(&previous, &core, body, signature)?;
            previous = entry.hash;
            entries.push(entry);
        }
        let name = format!("{author}/{channel}");
        if entries.len() as i64 != head {
            bail!("{name}: the head says {head}, {} entries are there", entries.len());
        }
        journals.insert(name.clone(), Journal { name, entries });
    }
    Ok(journals)
}

fn read_entry(previous: &[u8; 32], core: &[u8], body: Vec<u8>, signature: Option<Vec<u8>>) -> Result<Entry> {
    let mut hasher = Sha256::new();
    hasher.update(b"tongban entry 1\0");
    hasher.update(previous);
    hasher.update(Sha256::digest(&body));
    hasher.update(core);
    let fields = read_fields(core)?;
    let text = |no: u64| match fields.get(&no) {
        Some(Field::Bytes(bytes)) => String::from_utf8(bytes.clone()).unwrap_or_default(),
        _ => String::new(),
    };
    let seq = if let Some(Field::Number(seq)) = fields.get(&6) { *seq } else { 0 };
    let id = if let Some(Field::Bytes(id)) = fields.get(&7) { uuid(id) } else { String::new() };
    Ok(Entry {
        author: text(3),
        channel: text(4),
        seq,
        id,
        kind: text(8),
        body,
        hash: hasher.finalize().into(),
        signature,
    })
}

fn uuid(bytes: &[u8]) -> String {
    let all = hex(bytes);
    if all.len() != 32 {
        return all;
    }
    format!("{}-{}-{}-{}-{}", &all[..8], &all[8..12], &all[12..16], &all[16..20], &all[20..])
}

enum Field {
    Number(u64),
    Bytes(Vec<u8>),
}

/// The two wire types that cores use: varints and length-delimited fields.
fn read_fields(mut bytes: &[u8]) -> Result<BTreeMap<u64, Field>> {
    let mut fields = BTreeMap::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes)?;
        let field = match tag & 7 {
            0 => Field::Number(varint(&mut bytes)?),
            2 => {
                let length = varint(&mut bytes)? as usize;
                let (value, rest) = bytes.split_at_checked(length).context("a core is cut short")?;
                bytes = rest;
                Field::Bytes(value.to_vec())
            }
            other => bail!("wire type {other} in a core"),
        };
        fields.insert(tag >> 3, field);
    }
    Ok(fields)
}

fn varint(bytes: &mut &[u8]) -> Result<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first().context("a core is cut short")?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Ok(value);
        }
    }
    bail!("a number in a core is too long")
}

/// Everybody's signing keys, as the hub published them. The hub's own is anchored in its first entry.
/// Every key that a node ever had: machines are replaced, and what they signed stays.
pub struct Keys(BTreeMap<String, Vec<VerifyingKey>>);

impl Keys {
    pub fn published_by(hub: &Node) -> Result<Keys> {
        let all = hub.journals.get("hub/all").context("the hub has no journal to all")?;
        let mut keys: BTreeMap<String, Vec<VerifyingKey>> = BTreeMap::new();
        for entry in all.entries.iter().filter(|entry| entry.kind == "node") {
            let record: Value = serde_json::from_slice(&entry.body)?;
            let (id, key) =
                (record["id"].as_str().context("id")?, record["sign_key"].as_str().context("sign_key")?);
            let bytes: Vec<u8> = (0..32)
                .map(|i| u8::from_str_radix(key.get(2 * i..2 * i + 2).unwrap_or("x"), 16))
                .collect::<Result<_, _>>()?;
            let key = VerifyingKey::from_bytes(&bytes.try_into().unwrap_or([0; 32]))?;
            keys.entry(id.to_owned()).or_default().push(key);
        }
        Ok(Keys(keys))
    }
}

impl Journal {
    /// Order, author and every signature that is kept; the last entry must be signed.
    pub fn verify(&self, keys: &Keys) -> Result<(), String> {
        let (author, channel) = self.name.split_once('/').unwrap_or((&self.name, ""));
        let keys = keys.0.get(author).ok_or("its author was never enrolled")?;
        for (index, entry) in self.entries.iter().enumerate() {
            if entry.seq != index as u64 + 1 || entry.author != author || entry.channel != channel {
                return Err(format!("entry {} is not what stands at its place", index + 1));
            }
            if let Some(signature) = &entry.signature {
                let signature = Signature::from_slice(signature)
                    .map_err(|_| format!("signature {} is malformed", index + 1))?;
                if !keys.iter().any(|key| key.verify_strict(&entry.hash, &signature).is_ok()) {
                    return Err(format!("signature {} does not hold", index + 1));
                }
            }
        }
        match self.entries.last() {
            Some(last) if last.signature.is_none() => Err("its head is not signed".to_owned()),
            _ => Ok(()),
        }
    }
}
