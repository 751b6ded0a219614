//! A forgotten password: the hub opens what the machine sealed for it, and seals the key again for this one question.
//!
//! The question is one line that can be sent by any messenger, photographed or carried on a stick; so is the answer.
//! Neither tells anything to whoever listens. Who may ask is for two administrators of the hub to find out.
//!
//! # Source
//! HPKE (RFC 9180), base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305. The hub's X25519 key is its Ed25519
//! key in Montgomery form (RFC 7748, 4.1): every village knows it from the hub's own record.

use crate::DataKey;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::NodeId;
use domain::seams::Random;
use ed25519_dalek::{SigningKey, VerifyingKey};
use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use zeroize::Zeroizing;

type Public = <X25519HkdfSha256 as Kem>::PublicKey;
type Private = <X25519HkdfSha256 as Kem>::PrivateKey;

/// Encapsulated key, ciphertext of 32 bytes, tag.
const SEALED_BYTES: usize = 32 + 32 + 16;
const ASKING: &str = "TBK1.";
const ANSWERING: &str = "TBA1.";

/// Why a line is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EscrowFault {
    #[error("这不是完整的一行:请核对有没有抄漏、抄错")]
    Line,
    #[error("这台电脑的钥匙是封给另一把市级密钥的:请用那时的市节点(或它的备份)来开")]
    OtherHub,
    #[error("打不开:这一行不是出自这个市的节点")]
    Sealed,
}

struct FromSeam<'a>(&'a dyn Random);
impl TryRng for FromSeam<'_> {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.0.u64() as u32)
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0.u64())
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(bytes);
        Ok(())
    }
}
impl TryCryptoRng for FromSeam<'_> {}

fn seal(to: &Public, info: &[u8], key: &DataKey, random: &dyn Random) -> Option<Vec<u8>> {
    let (mode, mut random) = (OpModeS::Base, FromSeam(random));
    let (capsule, sealed) =
        hpke::single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &mode,
            to,
            info,
            key.bytes(),
            b"",
            &mut random,
        )
        .ok()?;
    Some([&capsule.to_bytes()[..], &sealed].concat())
}

fn open(with: &Private, info: &[u8], sealed: &[u8]) -> Option<DataKey> {
    let (capsule, sealed) = sealed.split_at_checked(32)?;
    let capsule = <X25519HkdfSha256 as Kem>::EncappedKey::from_bytes(capsule).ok()?;
    let plain = hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
        &OpModeR::Base,
        with,
        &capsule,
        info,
        sealed,
        b"",
    );
    DataKey::of(&Zeroizing::new(plain.ok()?))
}

fn hub_public(ed25519: &[u8; 32]) -> Option<Public> {
    let key = VerifyingKey::from_bytes(ed25519).ok()?;
    Public::from_bytes(key.to_montgomery().as_bytes()).ok()
}

/// One computer: the node, and its how manieth machine it is. A lost one cannot pass for the one that took its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    pub node: NodeId,
    pub incarnation: u32,
}

impl Machine {
    fn kept_for(&self) -> Vec<u8> {
        format!("tongban 2026 escrow of {} {}", self.incarnation, self.node).into_bytes()
    }
}

/// Seals a machine's key for the hub; `hub` is the hub's public Ed25519 key. `None` when that is no key.
pub fn seal_for_hub(
    hub: &[u8; 32],
    machine: &Machine,
    key: &DataKey,
    random: &dyn Random,
) -> Option<Vec<u8>> {
    seal(&hub_public(hub)?, &machine.kept_for(), key, random)
}

/// What the machine keeps between question and answer.
pub fn fresh_secret(random: &dyn Random) -> Zeroizing<[u8; 32]> {
    let mut secret = Zeroizing::new([0; 32]);
    random.fill(&mut *secret);
    secret
}

fn reply_key(secret: &[u8; 32]) -> Option<(Private, Public)> {
    let private = Private::from_bytes(secret).ok()?;
    let public = X25519HkdfSha256::sk_to_pk(&private);
    Some((private, public))
}

/// What a machine asks the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    pub machine: Machine,
    /// First bytes of the hub's public key the data key is sealed for.
    hub: [u8; 8],
    sealed: Vec<u8>,
    reply_to: [u8; 32],
}

impl Question {
    /// `None` when `sealed` is not what [`seal_for_hub`] makes.
    pub fn new(machine: Machine, hub: &[u8; 32], sealed: Vec<u8>, secret: &[u8; 32]) -> Option<Question> {
        let reply_to = reply_key(secret)?.1.to_bytes().into();
        let hub = hub.first_chunk().copied()?;
        (sealed.len() == SEALED_BYTES).then_some(Question { machine, hub, sealed, reply_to })
    }

    pub fn line(&self) -> String {
        let (node, incarnation) =
            (self.machine.node.as_str().as_bytes(), self.machine.incarnation.to_be_bytes());
        let parts = [&[node.len() as u8], node, &incarnation, &self.hub, &self.sealed, &self.reply_to];
        line(ASKING, &parts.concat())
    }

    /// # Errors
    /// [`EscrowFault::Line`].
    pub fn parse(text: &str) -> Result<Question, EscrowFault> {
        let bytes = unline(ASKING, text).ok_or(EscrowFault::Line)?;
        let parse = || {
            let (length, rest) = bytes.split_first()?;
            let (node, rest) = rest.split_at_checked(usize::from(*length))?;
            let (incarnation, rest) = rest.split_first_chunk::<4>()?;
            let (hub, rest) = rest.split_first_chunk::<8>()?;
            let (sealed, reply_to) = rest.split_at_checked(SEALED_BYTES)?;
            let node = std::str::from_utf8(node).ok()?.parse().ok()?;
            let machine = Machine { node, incarnation: u32::from_be_bytes(*incarnation) };
            let reply_to = reply_to.try_into().ok()?;
            Some(Question { machine, hub: *hub, sealed: sealed.to_vec(), reply_to })
        };
        parse().ok_or(EscrowFault::Line)
    }

    /// Opens with the hub's key and seals for whoever asked.
    ///
    /// # Errors
    /// [`EscrowFault`] when it was sealed for another key or comes from elsewhere.
    pub fn answer(&self, hub_secret: &[u8; 32], random: &dyn Random) -> Result<String, EscrowFault> {
        let hub = SigningKey::from_bytes(hub_secret);
        if hub.verifying_key().as_bytes()[..8] != self.hub {
            return Err(EscrowFault::OtherHub);
        }
        let private = Private::from_bytes(&hub.to_scalar_bytes()).map_err(|_| EscrowFault::Sealed)?;
        let key = open(&private, &self.machine.kept_for(), &self.sealed).ok_or(EscrowFault::Sealed)?;
        let reply_to = Public::from_bytes(&self.reply_to).map_err(|_| EscrowFault::Line)?;
        let sealed = seal(&reply_to, self.line().as_bytes(), &key, random).ok_or(EscrowFault::Line)?;
        Ok(line(ANSWERING, &sealed))
    }

    /// The key, from the answer to exactly this question.
    ///
    /// # Errors
    /// [`EscrowFault::Line`] when it is no answer, [`EscrowFault::Sealed`] when it answers another question.
    pub fn open(&self, answer: &str, secret: &[u8; 32]) -> Result<DataKey, EscrowFault> {
        let sealed = unline(ANSWERING, answer).ok_or(EscrowFault::Line)?;
        let (private, _) = reply_key(secret).ok_or(EscrowFault::Sealed)?;
        open(&private, self.line().as_bytes(), &sealed).ok_or(EscrowFault::Sealed)
    }
}

const CHECK_BYTES: usize = 4;

fn check(bytes: &[u8]) -> [u8; CHECK_BYTES] {
    *blake3::hash(bytes).as_bytes().first_chunk().expect("a hash is longer")
}

/// A line says itself whether it was copied whole.
fn line(kind: &str, bytes: &[u8]) -> String {
    format!("{kind}{}", URL_SAFE_NO_PAD.encode([bytes, &check(bytes)].concat()))
}

fn unline(kind: &str, text: &str) -> Option<Vec<u8>> {
    // Messengers break lines and people put blanks between groups.
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let mut bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(kind)?).ok()?;
    let told = bytes.split_off(bytes.len().checked_sub(CHECK_BYTES)?);
    (told == check(&bytes)).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyring::tests::Counting;

    fn machine_of(node: &str, incarnation: u32) -> Machine {
        Machine { node: node.parse().unwrap(), incarnation }
    }

    #[test]
    fn the_hub_gives_the_key_back_to_whoever_asked_and_to_nobody_else() {
        let random = Counting::default();
        let (hub, other_hub) = ([7; 32], [8; 32]);
        let hub_public = SigningKey::from_bytes(&hub).verifying_key().to_bytes();
        let machine = machine_of("v-522601108201", 2);
        let key = DataKey::fresh(&random);
        let sealed = seal_for_hub(&hub_public, &machine, &key, &random).unwrap();
        let secret = fresh_secret(&random);
        let question = Question::new(machine.clone(), &hub_public, sealed.clone(), &secret).unwrap();
        let line = question.line();
        assert!(line.len() < 200, "{} characters are too many for a message", line.len());
        // As a messenger breaks it.
        let broken: String =
            line.as_bytes().chunks(40).map(|c| format!("{}\n ", String::from_utf8_lossy(c))).collect();
        let asked = Question::parse(&broken).unwrap();
        assert_eq!(asked, question);
        let answer = asked.answer(&hub, &random).unwrap();
        assert_eq!(question.open(&answer, &secret).unwrap().id(), key.id());

        assert_eq!(asked.answer(&other_hub, &random), Err(EscrowFault::OtherHub));
        let eavesdropper = fresh_secret(&random);
        assert_eq!(question.open(&answer, &eavesdropper).err(), Some(EscrowFault::Sealed));
        let again = Question::new(machine, &hub_public, sealed.clone(), &eavesdropper).unwrap();
        assert_eq!(
            again.open(&answer, &eavesdropper).err(),
            Some(EscrowFault::Sealed),
            "of another question"
        );
        for other in [machine_of("v-522601108202", 2), machine_of("v-522601108201", 3)] {
            let elsewhere = Question::new(other, &hub_public, sealed.clone(), &secret).unwrap();
            assert_eq!(elsewhere.answer(&hub, &random), Err(EscrowFault::Sealed), "as another machine");
        }
    }

    #[test]
    fn a_line_that_was_copied_wrong_says_so() {
        let random = Counting::default();
        let hub = SigningKey::from_bytes(&[7; 32]).verifying_key().to_bytes();
        let machine = machine_of("v-522601108201", 1);
        let sealed = seal_for_hub(&hub, &machine, &DataKey::fresh(&random), &random).unwrap();
        let line = Question::new(machine, &hub, sealed, &[9; 32]).unwrap().line();
        for at in 0..line.len() {
            let mut other = line.clone().into_bytes();
            other[at] = if other[at] == b'A' { b'B' } else { b'A' };
            let other = String::from_utf8(other).unwrap();
            // The last character of base64 may hold bits that say nothing.
            if Question::parse(&other).is_ok_and(|parsed| parsed.line() != line) {
                panic!("a wrong character at {at} went unnoticed");
            }
            assert!(Question::parse(&line[..at]).is_err());
        }
        assert!(Question::parse("").is_err() && Question::parse("口令忘了").is_err());
    }
}
