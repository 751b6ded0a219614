//! What the QR code on a citizen's slip proves: that a node took in a case.

use crate::seal::SealKey;
use crate::suite::Suite;
use domain::network::Network;
use domain::{CaseNo, NodeId};

/// Version 1 is signed with the suite of the journals, Ed25519 over SHA-256.
const RECEIPT_PREFIX: &str = "TBR1";

/// What a citizen's slip proves: this node took in this case, as the entry with this hash. A case that was withheld on the
/// way can be proven with it anywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceiptClaim {
    pub case: CaseNo,
    pub node: NodeId,
    /// Hexadecimal hash of the entry that holds the capture.
    pub entry_hash: String,
    pub signature: Vec<u8>,
}

impl ReceiptClaim {
    fn signed_bytes(case: &CaseNo, node: &NodeId, entry_hash: &str) -> Vec<u8> {
        format!("tongban receipt 1\0{case}\0{node}\0{entry_hash}").into_bytes()
    }
    pub fn make(key: &SealKey, case: &CaseNo, node: &NodeId, entry_hash: &str) -> ReceiptClaim {
        let bytes = ReceiptClaim::signed_bytes(case, node, entry_hash);
        let signature = key.sign(&bytes).to_vec();
        ReceiptClaim { case: case.clone(), node: node.clone(), entry_hash: entry_hash.to_owned(), signature }
    }
    /// The text of the QR code.
    pub fn encode(&self) -> String {
        let signature = crate::hex(&self.signature);
        [RECEIPT_PREFIX, self.case.as_str(), self.node.as_str(), &self.entry_hash, &signature].join("|")
    }
    /// `None` when it is not the text of such a code.
    pub fn decode(text: &str) -> Option<ReceiptClaim> {
        let parts: Vec<&str> = text.trim().split('|').collect();
        let [RECEIPT_PREFIX, case, node, entry_hash, signature] = parts[..] else { return None };
        Some(ReceiptClaim {
            case: case.parse().ok()?,
            node: node.parse().ok()?,
            entry_hash: entry_hash.to_owned(),
            signature: crate::unhex(signature)?,
        })
    }
    /// True when the node that it names has signed it.
    pub fn verifies(&self, network: &Network) -> bool {
        let Some(node) = network.get(&self.node) else { return false };
        let bytes = ReceiptClaim::signed_bytes(&self.case, &self.node, &self.entry_hash);
        let signed = |key: Vec<u8>| Suite::Ed25519Sha256.verifies(&key, &bytes, &self.signature);
        // A slip outlives the machine that printed it.
        node.keys().filter_map(|(key, _)| crate::unhex(key)).any(signed)
    }
}
