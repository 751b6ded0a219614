//! Who somebody is: signing keys and seals, certificates of the city, join tokens, officer accounts.
//!
//! Private keys are made where they live and never travel. Randomness and time are arguments, except inside the TLS key
//! generator of `rcgen`, which has no seam for them. Not here: sockets (`link`), where accounts are kept (`store`).

pub mod account;
pub mod ca;
pub mod ca_folder;
pub mod cupboard;
pub mod files;
pub mod receipt;
pub mod renewal;
pub mod seal;
pub mod second_factor;
pub mod sign;
pub mod suite;
pub mod token;

pub use ca::{CityCa, NodeCertificate, spiffe_id};
pub use ca_folder::CaFolder;
pub use cupboard::{SealFolder, Seals};
pub use receipt::ReceiptClaim;
pub use renewal::RenewalClaim;
pub use seal::{SealClaim, SealFault, SealKey, SealRing};
pub use second_factor::CodeSecret;
pub use sign::{KeyRing, NodeKey};
pub use suite::Suite;
pub use token::JoinToken;

/// SHA-256 of a certificate's DER bytes, in hexadecimal: what a join token pins.
pub fn fingerprint(der: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    hex(&Sha256::digest(der))
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.is_ascii() && text.len().is_multiple_of(2);
    pairs.then(|| {
        (0..text.len() / 2).map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).ok()).collect()
    })?
}
