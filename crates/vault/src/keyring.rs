//! The ring of sealed copies of a machine's [`DataKey`], as it lies beside the data.

use crate::DataKey;
use crate::escrow::{self, EscrowFault, Machine, Question};
use crate::key::PartKey;
use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::seams::Random;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

const FORMAT: &str = "tongban keyring 1";
/// A thief has the sealed copy and all the time in the world: what RFC 9106 (section 4) asks for where memory is scarce, on one lane.
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
/// A ring may ask this much and no more of the machine that reads it.
const MEMORY_KIB_MAX: u32 = 256 * 1024;
const PASSES_MAX: u32 = 16;
const FILE_PREFIX: &str = "tongban-key-1:";

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyringFault {
    #[error("the keyring is damaged ({0}): put its second copy, or that of the last backup, in its place")]
    Damaged(String),
    #[error("this is no key file of this program")]
    KeyFile,
    #[error("the hub's key is not known to this machine: nothing was sealed for it")]
    NoEscrow,
    #[error(transparent)]
    Escrow(#[from] EscrowFault),
}

/// Sealed copies of one key. Plain data: it may lie beside what it opens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keyring {
    format: String,
    pub machine: Machine,
    /// [`DataKey::id`].
    pub key: String,
    slots: Vec<Slot>,
    /// The secret of a question to the hub that waits for its answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    asked: Option<Blob>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum Slot {
    /// By an officer's password.
    Officer { name: String, made_for: String, salt: Blob, memory_kib: u32, passes: u32, sealed: Blob },
    /// By the secret in a file.
    File { label: String, sealed: Blob },
    /// By the hub's key.
    Hub { key: Blob, sealed: Blob },
}

impl Slot {
    fn officer(&self) -> Option<&str> {
        match self {
            Slot::Officer { name, .. } => Some(name),
            Slot::File { .. } | Slot::Hub { .. } => None,
        }
    }
}

/// Bytes, written as base64.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Blob(Vec<u8>);
impl Serialize for Blob {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(&self.0))
    }
}
impl<'de> Deserialize<'de> for Blob {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Blob, D::Error> {
        let text = String::deserialize(deserializer)?;
        STANDARD.decode(text).map(Blob).map_err(serde::de::Error::custom)
    }
}

/// What a key file holds.
pub struct FileSecret(Zeroizing<[u8; 32]>);

impl FileSecret {
    pub fn fresh(random: &dyn Random) -> FileSecret {
        let mut bytes = Zeroizing::new([0; 32]);
        random.fill(&mut *bytes);
        FileSecret(bytes)
    }
    pub fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("{FILE_PREFIX}{}\n", STANDARD.encode(*self.0)))
    }
    /// # Errors
    /// [`KeyringFault::KeyFile`].
    pub fn parse(text: &str) -> Result<FileSecret, KeyringFault> {
        let parse = || {
            let bytes = STANDARD.decode(text.trim().strip_prefix(FILE_PREFIX)?).ok()?;
            Some(FileSecret(Zeroizing::new(bytes.try_into().ok()?)))
        };
        parse().ok_or(KeyringFault::KeyFile)
    }
    fn key(&self) -> PartKey {
        PartKey::of(&blake3::derive_key("tongban 2026 data at rest: key file", &*self.0))
    }
}

fn password_key(password: &str, salt: &[u8], memory_kib: u32, passes: u32) -> Option<PartKey> {
    if memory_kib > MEMORY_KIB_MAX || passes > PASSES_MAX {
        return None;
    }
    let mut key = Zeroizing::new([0; 32]);
    let params = Params::new(memory_kib, passes, 1, Some(32)).ok()?;
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.as_bytes(), salt, &mut *key)
        .ok()?;
    Some(PartKey::of(&key))
}

impl Keyring {
    /// An empty ring: until a slot is set, only whoever holds `key` opens the data.
    pub fn found(machine: Machine, key: &DataKey) -> Keyring {
        Keyring { format: FORMAT.to_owned(), machine, key: key.id(), slots: Vec::new(), asked: None }
    }

    /// # Errors
    /// [`KeyringFault::Damaged`].
    pub fn parse(text: &str) -> Result<Keyring, KeyringFault> {
        let ring: Keyring =
            serde_json::from_str(text).map_err(|error| KeyringFault::Damaged(error.to_string()))?;
        if ring.format != FORMAT {
            return Err(KeyringFault::Damaged(format!("of another kind: {}", ring.format)));
        }
        Ok(ring)
    }
    pub fn text(&self) -> String {
        serde_json::to_string_pretty(self).expect("plain data serialises")
    }

    fn opened(&self, key: &PartKey, sealed: &[u8]) -> Option<DataKey> {
        let plain = key.open(self.machine.node.as_str().as_bytes(), sealed)?;
        DataKey::of(&plain).filter(|key| key.id() == self.key)
    }
    fn seal(&self, with: &PartKey, key: &DataKey, random: &dyn Random) -> Blob {
        Blob(with.seal(self.machine.node.as_str().as_bytes(), key.bytes(), random))
    }

    /// Costs the same whether the name is known or not.
    pub fn open_with_password(&self, name: &str, password: &str) -> Option<DataKey> {
        let known = self.slots.iter().find_map(|slot| match slot {
            Slot::Officer { name: known, salt, memory_kib, passes, sealed, .. } if known == name => {
                Some((&salt.0[..], *memory_kib, *passes, &sealed.0[..]))
            }
            _ => None,
        });
        let (salt, memory_kib, passes, sealed) = known.unwrap_or((&[0; 16], MEMORY_KIB, PASSES, &[]));
        self.opened(&password_key(password, salt, memory_kib, passes)?, sealed)
    }

    pub fn open_with_file(&self, secret: &FileSecret) -> Option<DataKey> {
        let key = secret.key();
        self.slots.iter().find_map(|slot| match slot {
            Slot::File { sealed, .. } => self.opened(&key, &sealed.0),
            _ => None,
        })
    }

    /// An officer's password opens the data from now on. `made_for` tells this password from the next one, and nothing of it.
    pub fn set_officer(
        &mut self,
        key: &DataKey,
        name: &str,
        password: &str,
        made_for: &str,
        random: &dyn Random,
    ) {
        let mut salt = vec![0; 16];
        random.fill(&mut salt);
        let with = password_key(password, &salt, MEMORY_KIB, PASSES).expect("our own parameters are good");
        let sealed = self.seal(&with, key, random);
        self.remove_officer(name);
        let (name, made_for, salt) = (name.to_owned(), made_for.to_owned(), Blob(salt));
        self.slots.push(Slot::Officer {
            name,
            made_for,
            salt,
            memory_kib: MEMORY_KIB,
            passes: PASSES,
            sealed,
        });
    }
    /// Whether the officer's present password opens the data.
    pub fn has_officer(&self, officer: &str, password: &str) -> bool {
        self.slots.iter().any(|slot| {
            matches!(slot, Slot::Officer { name, made_for, .. } if name == officer && made_for == password)
        })
    }
    pub fn officers(&self) -> impl Iterator<Item = &str> {
        self.slots.iter().filter_map(Slot::officer)
    }
    /// Officers' slots of this ring and of another one of the same key, as far as they fit the accounts that there are: `fits` is
    /// asked for an officer and what the slot was made for.
    pub fn keep_fitting(&mut self, other: &Keyring, fits: impl Fn(&str, &str) -> bool) {
        let fitting = |slot: &Slot| match slot {
            Slot::Officer { name, made_for, .. } => fits(name, made_for),
            _ => false,
        };
        let others = other.slots.iter().filter(|_| other.key == self.key);
        let mut officers: Vec<Slot> = Vec::new();
        for slot in self.slots.iter().chain(others).filter(|slot| fitting(slot)) {
            if !officers.iter().any(|known| known.officer() == slot.officer()) {
                officers.push(slot.clone());
            }
        }
        self.slots.retain(|slot| slot.officer().is_none());
        self.slots.extend(officers);
    }
    /// Says whether the officer's password opened the data before.
    pub fn remove_officer(&mut self, officer: &str) -> bool {
        let before = self.slots.len();
        self.slots.retain(|slot| !matches!(slot, Slot::Officer { name, .. } if name == officer));
        self.slots.len() < before
    }

    /// The secret of a key file opens the data from now on; another one under the same label no longer does.
    pub fn set_file(&mut self, key: &DataKey, label: &str, secret: &FileSecret, random: &dyn Random) {
        let sealed = self.seal(&secret.key(), key, random);
        self.remove_file(label);
        self.slots.push(Slot::File { label: label.to_owned(), sealed });
    }
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.slots.iter().filter_map(|slot| match slot {
            Slot::File { label, .. } => Some(label.as_str()),
            _ => None,
        })
    }
    /// Says whether there was such a key file.
    pub fn remove_file(&mut self, file: &str) -> bool {
        let before = self.slots.len();
        self.slots.retain(|slot| !matches!(slot, Slot::File { label, .. } if label == file));
        self.slots.len() < before
    }

    /// The hub opens the data from now on; `hub` is its public Ed25519 key. False when that is no key, and nothing changes.
    pub fn set_hub(&mut self, key: &DataKey, hub: &[u8; 32], random: &dyn Random) -> bool {
        let Some(sealed) = escrow::seal_for_hub(hub, &self.machine, key, random) else { return false };
        self.slots.retain(|slot| !matches!(slot, Slot::Hub { .. }));
        self.slots.push(Slot::Hub { key: Blob(hub.to_vec()), sealed: Blob(sealed) });
        // A question that was asked under the key before would be answered in vain.
        self.asked = None;
        true
    }
    /// The public key of the hub that can open the data.
    pub fn hub(&self) -> Option<[u8; 32]> {
        self.escrow().map(|(hub, _)| hub)
    }
    fn escrow(&self) -> Option<([u8; 32], &[u8])> {
        self.slots.iter().find_map(|slot| match slot {
            Slot::Hub { key, sealed } => Some((key.0[..].try_into().ok()?, &sealed.0[..])),
            _ => None,
        })
    }

    /// The question to the hub; asked again, it is the same until it was answered.
    ///
    /// # Errors
    /// [`KeyringFault::NoEscrow`].
    pub fn ask(&mut self, random: &dyn Random) -> Result<Question, KeyringFault> {
        let asked = self.asked.get_or_insert_with(|| Blob(escrow::fresh_secret(random).to_vec()));
        let secret = <[u8; 32]>::try_from(&asked.0[..]);
        self.question(&secret.map_err(|_| KeyringFault::Damaged("asked".to_owned()))?)
    }
    fn question(&self, secret: &[u8; 32]) -> Result<Question, KeyringFault> {
        let (hub, sealed) = self.escrow().ok_or(KeyringFault::NoEscrow)?;
        Question::new(self.machine.clone(), &hub, sealed.to_vec(), secret).ok_or(KeyringFault::NoEscrow)
    }
    /// The key, from the hub's answer to what was asked last.
    ///
    /// # Errors
    /// [`KeyringFault::Escrow`] when it is no answer to that.
    pub fn answered(&self, answer: &str) -> Result<DataKey, KeyringFault> {
        let secret = self.asked.as_ref().and_then(|asked| <[u8; 32]>::try_from(&asked.0[..]).ok());
        let secret = Zeroizing::new(secret.ok_or(EscrowFault::Sealed)?);
        let key = self.question(&secret)?.open(answer, &secret)?;
        if key.id() == self.key { Ok(key) } else { Err(EscrowFault::Sealed.into()) }
    }
    /// The data was opened, by whatever: nobody waits for an answer any more, and one that is still under way opens nothing.
    pub fn forget_question(&mut self) {
        self.asked = None;
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Never the same bytes twice, and the same in every run.
    #[derive(Default)]
    pub(crate) struct Counting(AtomicU64);
    impl Random for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            let number = self.0.fetch_add(1, Ordering::Relaxed);
            blake3::Hasher::new().update(&number.to_be_bytes()).finalize_xof().fill(bytes);
        }
    }

    fn village() -> Machine {
        Machine { node: "v-522601108201".parse().unwrap(), incarnation: 1 }
    }

    #[test]
    fn officers_come_and_go_and_the_data_stays_open_to_those_who_are_there() {
        let random = Counting::default();
        let key = DataKey::fresh(&random);
        let mut ring = Keyring::found(village(), &key);
        ring.set_officer(&key, "wang", "柿花村-2026", "1", &random);
        ring.set_officer(&key, "li", "another-password", "1", &random);
        let ring_as_stored = Keyring::parse(&ring.text()).unwrap();
        assert_eq!(ring_as_stored, ring);
        let opens = |ring: &Keyring, name, password| {
            ring.open_with_password(name, password).map(|opened| opened.id()) == Some(key.id())
        };
        assert!(opens(&ring, "wang", "柿花村-2026") && opens(&ring, "li", "another-password"));
        assert!(!opens(&ring, "wang", "another-password") && !opens(&ring, "zhao", "柿花村-2026"));
        ring.set_officer(&key, "wang", "a-new-password", "2", &random);
        assert!(opens(&ring, "wang", "a-new-password") && !opens(&ring, "wang", "柿花村-2026"));
        assert!(ring.has_officer("wang", "2") && !ring.has_officer("wang", "1"));
        assert!(ring.remove_officer("wang") && !ring.remove_officer("wang"));
        assert!(!opens(&ring, "wang", "a-new-password") && opens(&ring, "li", "another-password"));
        assert_eq!(ring.officers().collect::<Vec<_>>(), ["li"]);
        assert!(!ring.text().contains("another-password"));
    }

    #[test]
    fn a_restored_machine_opens_for_the_officers_of_its_accounts() {
        let random = Counting::default();
        let key = DataKey::fresh(&random);
        let mut monday = Keyring::found(village(), &key);
        monday.set_officer(&key, "wang", "mondays-password", "w1", &random);
        let mut today = monday.clone();
        today.set_officer(&key, "wang", "tuesdays-password", "w2", &random);
        today.set_officer(&key, "li", "lis-password", "l1", &random);
        today.set_file(&key, "stick", &FileSecret::fresh(&random), &random);
        // Monday's accounts know wang with Monday's password, and nobody else.
        today.keep_fitting(&monday, |name, made_for| (name, made_for) == ("wang", "w1"));
        assert!(today.open_with_password("wang", "mondays-password").is_some());
        assert!(today.open_with_password("wang", "tuesdays-password").is_none());
        assert!(today.open_with_password("li", "lis-password").is_none());
        assert_eq!((today.officers().count(), today.files().count()), (1, 1));
        let stranger = Keyring::found(village(), &DataKey::fresh(&random));
        let mut other = stranger.clone();
        other.keep_fitting(&today, |_, _| true);
        assert_eq!(other, stranger, "slots of another key are of no use");
    }

    #[test]
    fn a_key_file_opens_and_one_made_anew_shuts_out_the_one_before() {
        let random = Counting::default();
        let key = DataKey::fresh(&random);
        let mut ring = Keyring::found(village(), &key);
        let (lost, found) = (FileSecret::fresh(&random), FileSecret::fresh(&random));
        ring.set_file(&key, "stick", &lost, &random);
        let read = FileSecret::parse(&lost.text()).unwrap();
        assert_eq!(ring.open_with_file(&read).unwrap().id(), key.id());
        ring.set_file(&key, "stick", &found, &random);
        assert!(ring.open_with_file(&read).is_none() && ring.open_with_file(&found).is_some());
        assert!(FileSecret::parse("tongban-key-1:AAAA").is_err() && FileSecret::parse("").is_err());
    }

    #[test]
    fn a_forgotten_password_is_a_question_to_the_hub() {
        let random = Counting::default();
        let key = DataKey::fresh(&random);
        let mut ring = Keyring::found(village(), &key);
        assert_eq!(ring.ask(&random), Err(KeyringFault::NoEscrow));
        let hub = ed25519_dalek::SigningKey::from_bytes(&[5; 32]);
        assert!(ring.set_hub(&key, hub.verifying_key().as_bytes(), &random));
        let question = ring.ask(&random).unwrap();
        // The computer was shut down over night.
        let mut ring = Keyring::parse(&ring.text()).unwrap();
        assert_eq!(ring.ask(&random).unwrap(), question);
        let answer = Question::parse(&question.line()).unwrap().answer(&[5; 32], &random).unwrap();
        assert_eq!(ring.answered(&answer).unwrap().id(), key.id());
        ring.forget_question();
        assert!(ring.answered(&answer).is_err(), "an answer counts once");
        assert_ne!(ring.ask(&random).unwrap(), question);
    }

    #[test]
    fn a_damaged_or_hostile_ring_is_refused_and_asks_for_no_more_memory_than_is_right() {
        assert!(Keyring::parse("{").is_err());
        let random = Counting::default();
        let key = DataKey::fresh(&random);
        let mut ring = Keyring::found(village(), &key);
        ring.set_officer(&key, "wang", "柿花村-2026", "1", &random);
        let greedy = ring.text().replace("65536", "4000000000");
        assert!(Keyring::parse(&greedy).unwrap().open_with_password("wang", "柿花村-2026").is_none());
        let other = ring.text().replace("keyring 1", "keyring 9");
        assert!(matches!(Keyring::parse(&other), Err(KeyringFault::Damaged(_))));
    }
}
