//! Ed25519 keys that sign journals, and the ring of everybody's public keys.

use domain::NodeId;
use domain::network::Network;
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use replication::run::{KeyFault, Sign, Verify};
use replication::{Hash, Signature};
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

/// Public keys of all enrolled nodes; refreshed whenever the node list changes.
#[derive(Default)]
pub struct KeyRing(RwLock<BTreeMap<NodeId, VerifyingKey>>);

impl KeyRing {
    /// Takes over the keys of all records; a record whose key cannot be read is left out, so its entries wait as unknown.
    pub fn refresh(&self, network: &Network) {
        let read = |text: &str| VerifyingKey::from_bytes(&crate::unhex(text)?.try_into().ok()?).ok();
        let keys = network.iter().filter_map(|node| Some((node.id.clone(), read(&node.sign_key)?))).collect();
        *self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner) = keys;
    }
}

impl Verify for KeyRing {
    fn verify(&self, author: &NodeId, head: &Hash, signature: &Signature) -> Result<(), KeyFault> {
        let keys = self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let key = keys.get(author).ok_or(KeyFault::Unknown)?;
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        key.verify_strict(&head.0, &signature).map_err(|_| KeyFault::Bad)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::network::{NodeRecord, Tier};

    #[test]
    fn only_the_key_the_hub_published_speaks_for_a_node() {
        let (key, other) = (NodeKey::from_secret([1; 32]), NodeKey::from_secret([2; 32]));
        let id: NodeId = "v-1".parse().unwrap();
        let mut network = Network::default();
        let record = NodeRecord {
            id: id.clone(),
            tier: Tier::Village,
            parent: None,
            place: String::new(),
            name: String::new(),
            sign_key: key.public(),
            incarnation: 1,
        };
        network.insert(record);
        let ring = KeyRing::default();
        let head = Hash([9; 32]);
        assert_eq!(ring.verify(&id, &head, &key.sign(&head)), Err(KeyFault::Unknown));
        ring.refresh(&network);
        assert_eq!(ring.verify(&id, &head, &key.sign(&head)), Ok(()));
        assert_eq!(ring.verify(&id, &head, &other.sign(&head)), Err(KeyFault::Bad));
        assert_eq!(ring.verify(&id, &Hash([8; 32]), &key.sign(&head)), Err(KeyFault::Bad));
    }
}
