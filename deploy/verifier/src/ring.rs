//! The keyring of a machine whose data lies encrypted, read a second time: the slot of a key file, and the key of the database.

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use serde_json::Value;
use std::path::Path;

/// The raw key of a node's database, 64 hexadecimal digits; `None` where it lies open. `key_files` holds a file called as the
/// node's folder, and `.key`.
pub fn database_key(node: &Path, key_files: Option<&Path>) -> Result<Option<String>> {
    let Ok(ring) = std::fs::read_to_string(node.join("keyring.json")) else { return Ok(None) };
    let name = node.file_name().context("a folder without a name")?.to_string_lossy();
    let folder = key_files.with_context(|| format!("{name} lies encrypted: say --keys FOLDER"))?;
    let path = folder.join(format!("{name}.key"));
    let secret = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let key = open(&ring, &secret).with_context(|| format!("{} does not open {name}", path.display()))?;
    let database = blake3::derive_key("tongban 2026 data at rest: database", &key);
    Ok(Some(blake3::Hash::from(database).to_hex().to_string()))
}

/// The data key: sealed for the file's secret, bound to the node's name.
fn open(ring: &str, secret: &str) -> Option<[u8; 32]> {
    let ring: Value = serde_json::from_str(ring).ok()?;
    let secret = STANDARD.decode(secret.trim().strip_prefix("tongban-key-1:")?).ok()?;
    let cipher =
        XChaCha20Poly1305::new(&blake3::derive_key("tongban 2026 data at rest: key file", &secret).into());
    let node = ring["machine"]["node"].as_str()?.as_bytes();
    let files = ring["slots"].as_array()?.iter().filter(|slot| slot["kind"] == "file");
    let open = |slot: &Value| {
        let sealed = STANDARD.decode(slot["sealed"].as_str()?).ok()?;
        let (nonce, sealed) = sealed.split_first_chunk::<24>()?;
        cipher.decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: node }).ok()?.try_into().ok()
    };
    files.into_iter().find_map(open)
}
