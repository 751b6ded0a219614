//! Ed25519 keys that sign journals, and the ring of everybody's public keys.

use domain::NodeId;
use domain::network::{Cut, Network, NodeRecord};
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use replication::run::{KeyFault, Sign, Verify};
use replication::{Hash, JournalId, Signature};
use std::collections::BTreeMap;
use std::sync::RwLock;

/// The key with which a node signs the heads of its journals.
pub struct NodeKey(SigningKey);

impl NodeKey {
    /// From 32 random bytes, which are the secret itself.
    pub fn from_secret(secret: [u8; 32]) -> NodeKey {
        NodeKey(SigningKey::from_bytes(&secret))
    }
    pub fn secret(&self) -> [u8; 32] {
        self.0.to_bytes()
    }
    /// Hexadecimal, as node records carry it.
    pub fn public(&self) -> String {
        crate::hex(self.0.verifying_key().as_bytes())
    }
}

impl Sign for NodeKey {
    fn sign(&self, head: &Hash) -> Signature {
        Signature(self.0.sign(&head.0).to_bytes())
    }
}

/// A key as node records carry it.
fn read_key(public: &str) -> Option<VerifyingKey> {
    VerifyingKey::from_bytes(&crate::unhex(public)?.try_into().ok()?).ok()
}
fn signed(key: &VerifyingKey, head: &Hash, signature: &Signature) -> bool {
    key.verify_strict(&head.0, &ed25519_dalek::Signature::from_bytes(&signature.0)).is_ok()
}
/// True when the key of a node record signed this.
pub(crate) fn signed_by(public: &str, head: &Hash, signature: &Signature) -> bool {
    read_key(public).is_some_and(|key| signed(&key, head, signature))
}

/// Public keys of all enrolled nodes, those of machines that were replaced included; refreshed whenever the node list changes.
#[derive(Default)]
pub struct KeyRing(RwLock<BTreeMap<NodeId, Vec<Key>>>);

struct Key {
    key: VerifyingKey,
    cut: Option<Cut>,
}

impl Key {
    fn signed(&self, head: &Hash, signature: &Signature) -> bool {
        signed(&self.key, head, signature)
    }
    fn counts_at(&self, journal: &JournalId, seq: u64) -> bool {
        self.cut.as_ref().is_none_or(|cut| cut.covers(&journal.channel.to_string(), seq))
    }
}

impl KeyRing {
    /// Takes over the keys of all records; a key that cannot be read is left out, so its entries wait as unknown.
    pub fn refresh(&self, network: &Network) {
        let read = |(text, cut): (&str, Option<&Cut>)| Some(Key { key: read_key(text)?, cut: cut.cloned() });
        let keys = |node: &NodeRecord| (node.id.clone(), node.keys().filter_map(read).collect());
        let ring = network.iter().map(keys).filter(|(_, keys): &(_, Vec<Key>)| !keys.is_empty()).collect();
        *self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner) = ring;
    }

    /// Whether a key of the node signed this, at whatever time.
    pub fn speaks_for(&self, node: &NodeId, head: &Hash, signature: &Signature) -> bool {
        let ring = self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        ring.get(node).is_some_and(|keys| keys.iter().any(|key| key.signed(head, signature)))
    }
}

impl Verify for KeyRing {
    fn verify(
        &self,
        journal: &JournalId,
        seq: u64,
        head: &Hash,
        signature: &Signature,
    ) -> Result<(), KeyFault> {
        let ring = self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let keys = ring.get(&journal.author).ok_or(KeyFault::Unknown)?;
        let key = keys.iter().find(|key| key.signed(head, signature)).ok_or(KeyFault::Bad)?;
        if key.counts_at(journal, seq) { Ok(()) } else { Err(KeyFault::Revoked) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::network::Tier;
    use replication::Channel;

    #[test]
    fn only_the_keys_the_hub_published_speak_for_a_node_each_for_its_time() {
        let (key, other) = (NodeKey::from_secret([1; 32]), NodeKey::from_secret([2; 32]));
        let id: NodeId = "v-1".parse().unwrap();
        let mut network = Network::default();
        let record = NodeRecord::first(id.clone(), Tier::Village, None, "", "", key.public());
        network.insert(record.clone());
        let ring = KeyRing::default();
        let (head, up) = (Hash([9; 32]), JournalId::new(&id, Channel::Up));
        assert_eq!(ring.verify(&up, 1, &head, &key.sign(&head)), Err(KeyFault::Unknown));
        ring.refresh(&network);
        assert_eq!(ring.verify(&up, 1, &head, &key.sign(&head)), Ok(()));
        assert_eq!(ring.verify(&up, 1, &head, &other.sign(&head)), Err(KeyFault::Bad));
        assert_eq!(ring.verify(&up, 1, &Hash([8; 32]), &key.sign(&head)), Err(KeyFault::Bad));

        // The laptop is reported lost when the hub has five entries of it, and a new one takes its place.
        let cut =
            Cut { since: domain::Timestamp::from_ms(0), through: BTreeMap::from([("up".to_owned(), 5)]) };
        let lost = NodeRecord { cut: Some(cut), ..record };
        let new = NodeKey::from_secret([3; 32]);
        network.insert(lost.replaced_by(new.public()));
        ring.refresh(&network);
        let place = |seq, key: &NodeKey| ring.verify(&up, seq, &head, &key.sign(&head));
        assert_eq!((place(5, &key), place(6, &key)), (Ok(()), Err(KeyFault::Revoked)), "I26");
        assert_eq!(place(6, &new), Ok(()), "I24");
        assert!(ring.speaks_for(&id, &head, &key.sign(&head)));
    }
}
