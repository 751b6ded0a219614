//! `tongban-verify audit FILE [KEY]`: checks an exported audit by its own reading of the format.
//!
//! The file is JSON, one object a line: who, then the rows, then the signed end. A row's hash is SHA-256 over
//! `"tongban audit 1\0" ‖ previous hash (32 bytes) ‖ number (u64, big-endian) ‖ time (i64 milliseconds) ‖ actor ‖ action ‖ subject`,
//! each text with its length (u64) before it. The end's signature (Ed25519) covers SHA-256 over
//! `"tongban audit export 1\0" ‖ node ‖ number of rows ‖ last hash in hexadecimal`, the node with its length before it.

use anyhow::{Context, Result, bail, ensure};
use ed25519_dalek::{Signature, VerifyingKey};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::io::BufRead;
use std::path::Path;

/// How many rows hold. `key` is the node's public key from elsewhere (the hub's list of nodes); without it the one in the file
/// is believed, which proves only that the file is whole.
///
/// # Errors
/// Naming the first row that was changed, moved or deleted.
pub fn check(file: &Path, key: Option<&str>) -> Result<u64> {
    let file = std::fs::File::open(file).with_context(|| format!("open {}", file.display()))?;
    let mut lines = std::io::BufReader::new(file).lines();
    let first = parse(&lines.next().context("the file is empty")??)?;
    ensure!(first["audit"] == 1, "this is no exported audit of a version known here");
    let node = text(&first, "node")?;
    let told = text(&first, "sign_key").unwrap_or_default();
    if let Some(key) = key {
        ensure!(told == key, "the file was signed with another key than the one given");
    }
    let (mut count, mut before) = (0u64, [0u8; 32]);
    for line in &mut lines {
        let row = parse(&line?)?;
        if row.get("signature").is_some() {
            ensure!(
                row["rows"] == count && unhex::<32>(text(&row, "hash")?)? == before,
                "rows are missing at the end"
            );
            ensure!(lines.next().is_none(), "something stands behind the signed end");
            return signed(&row, node, count, told).map(|()| count);
        }
        count += 1;
        before = follow(&row, count, before).with_context(|| format!("row {count}"))?;
    }
    bail!("the signed end is missing: the file was cut short")
}

fn parse(line: &str) -> Result<Value> {
    serde_json::from_str(line).context("a line is no JSON")
}

fn text<'v>(value: &'v Value, name: &str) -> Result<&'v str> {
    value[name].as_str().with_context(|| format!("{name} is missing"))
}

/// The hash of a row that stands where it should.
fn follow(row: &Value, number: u64, before: [u8; 32]) -> Result<[u8; 32]> {
    ensure!(row["seq"] == number, "it is out of its place: rows were deleted or moved");
    ensure!(unhex::<32>(text(row, "previous")?)? == before, "it does not follow the row before");
    let at = row["at"].as_i64().context("at is missing")?;
    let mut hasher = Sha256::new();
    hasher.update(b"tongban audit 1\0");
    hasher.update(before);
    hasher.update(number.to_be_bytes());
    hasher.update(at.to_be_bytes());
    for name in ["actor", "action", "subject"] {
        let part = text(row, name)?;
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    let hash: [u8; 32] = hasher.finalize().into();
    ensure!(unhex::<32>(text(row, "hash")?)? == hash, "it was changed");
    Ok(hash)
}

fn signed(end: &Value, node: &str, count: u64, key: &str) -> Result<()> {
    let mut hasher = Sha256::new();
    hasher.update(b"tongban audit export 1\0");
    hasher.update((node.len() as u64).to_be_bytes());
    hasher.update(node);
    hasher.update(count.to_be_bytes());
    hasher.update(text(end, "hash")?);
    let hash: [u8; 32] = hasher.finalize().into();
    let key = VerifyingKey::from_bytes(&unhex::<32>(key)?).context("the key is no Ed25519 key")?;
    let signature = Signature::from_bytes(&unhex::<64>(text(end, "signature")?)?);
    key.verify_strict(&hash, &signature).ok().context("the signature at the end does not hold")
}

fn unhex<const N: usize>(text: &str) -> Result<[u8; N]> {
    let wrong = || format!("expected {} hexadecimal digits", 2 * N);
    ensure!(text.len() == 2 * N && text.is_ascii(), wrong());
    let mut bytes = [0; N];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).ok().with_context(wrong)?;
    }
    Ok(bytes)
}
