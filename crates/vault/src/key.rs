//! The key of a machine's data, and the keys made from it.

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use domain::seams::Random;
use std::fmt;
use std::sync::Arc;
use zeroize::{Zeroize, Zeroizing};

const NONCE_BYTES: usize = 24;

/// Opens all that lies on a machine. Gone from memory when dropped.
#[derive(Clone)]
pub struct DataKey(Zeroizing<[u8; 32]>);

/// What a key made from the [`DataKey`] is for: none of them opens what another sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Attachments,
    /// The node's own secret keys.
    Identity,
}

impl Part {
    fn context(self) -> &'static str {
        match self {
            Part::Attachments => "tongban 2026 data at rest: attachments",
            Part::Identity => "tongban 2026 data at rest: identity",
        }
    }
}

impl DataKey {
    pub fn fresh(random: &dyn Random) -> DataKey {
        let mut bytes = Zeroizing::new([0; 32]);
        random.fill(&mut *bytes);
        DataKey(bytes)
    }
    pub(crate) fn of(bytes: &[u8]) -> Option<DataKey> {
        Some(DataKey(Zeroizing::new(bytes.try_into().ok()?)))
    }
    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Names the key and tells nothing of it: 16 hexadecimal digits.
    pub fn id(&self) -> String {
        let mut hash = blake3::derive_key("tongban 2026 data at rest: name of the key", &*self.0);
        let name = blake3::Hash::from(hash).to_hex()[..16].to_owned();
        hash.zeroize();
        name
    }
    /// The raw key of the database, as SQLCipher takes it: 64 hexadecimal digits.
    pub fn database(&self) -> Zeroizing<String> {
        let key = Zeroizing::new(blake3::derive_key("tongban 2026 data at rest: database", &*self.0));
        Zeroizing::new(blake3::Hash::from(*key).to_hex().to_string())
    }
    /// What seals and opens one part of the data.
    pub fn lid(&self, part: Part, random: Arc<dyn Random>) -> Lid {
        Lid { key: PartKey::of(&blake3::derive_key(part.context(), &*self.0)), random }
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataKey({})", self.id())
    }
}

/// Seals and opens pieces, each bound to the name it was sealed under.
///
/// # Source
/// XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03): a random nonce of 192 bits never meets itself again.
#[derive(Clone)]
pub(crate) struct PartKey(XChaCha20Poly1305);

impl PartKey {
    pub fn of(key: &[u8; 32]) -> PartKey {
        PartKey(XChaCha20Poly1305::new(key.into()))
    }
    /// Nonce, ciphertext and tag.
    pub fn seal(&self, name: &[u8], plain: &[u8], random: &dyn Random) -> Vec<u8> {
        let mut nonce = [0; NONCE_BYTES];
        random.fill(&mut nonce);
        let sealed = self.0.encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: name });
        let sealed = sealed.expect("only pieces of more than 256 GiB cannot be sealed");
        [&nonce[..], &sealed].concat()
    }
    /// `None` when it was changed, cut, sealed under another name or with another key.
    pub fn open(&self, name: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_BYTES)?;
        let nonce: [u8; NONCE_BYTES] = nonce.try_into().ok()?;
        self.0.decrypt(&XNonce::from(nonce), Payload { msg: sealed, aad: name }).ok().map(Zeroizing::new)
    }
}

/// Seals and opens what belongs to one [`Part`]. A piece is bound to the name it was sealed under: it cannot be put in the place
/// of another.
#[derive(Clone)]
pub struct Lid {
    key: PartKey,
    random: Arc<dyn Random>,
}

impl Lid {
    /// How much longer sealed pieces are than plain ones: nonce and tag.
    pub const MORE: usize = NONCE_BYTES + 16;

    pub fn seal(&self, name: &[u8], plain: &[u8]) -> Vec<u8> {
        self.key.seal(name, plain, &*self.random)
    }
    /// `None` when it was changed, cut, sealed under another name or with another key.
    pub fn open(&self, name: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.key.open(name, sealed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::tests::Counting;

    #[test]
    fn a_piece_opens_only_as_it_was_sealed() {
        let random = Arc::new(Counting::default());
        let (key, other) = (DataKey::fresh(&*random), DataKey::fresh(&*random));
        assert_ne!(key.id(), other.id());
        assert_ne!(*key.database(), *other.database());
        let lid = |key: &DataKey, part| key.lid(part, random.clone());
        let attachments = lid(&key, Part::Attachments);
        let sealed = attachments.seal(b"a", b"scan");
        assert_eq!(sealed.len(), 4 + Lid::MORE);
        assert_eq!(**attachments.open(b"a", &sealed).unwrap(), *b"scan");
        assert!(attachments.open(b"b", &sealed).is_none(), "another name");
        assert!(lid(&key, Part::Identity).open(b"a", &sealed).is_none(), "another part");
        assert!(lid(&other, Part::Attachments).open(b"a", &sealed).is_none(), "another key");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(attachments.open(b"a", &changed).is_none(), "byte {at} was changed");
            assert!(attachments.open(b"a", &sealed[..at]).is_none(), "cut at {at}");
        }
        assert!(!format!("{key:?}").contains(&key.database()[..8]), "a key is not printed");
    }
}
