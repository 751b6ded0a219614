//! Seals (审批专用章): the keys that make a paper official, and the check of a paper that needs no network.
//!
//! A body's seal is kept by the hub, one file a body, read when it is used; a node that decides by itself seals with the key
//! that signs its journals. Every signature names its crypto suite, so that another can follow. Not here: the ledger and
//! the number of a paper (`casework`), where published seals are kept (`store`).

use crate::ca::TrustError;
use crate::files::IdentityFolder;
use crate::sign::NodeKey;
use domain::network::Network;
use domain::paper::{PaperKind, SealName, SealRecord, SealRecords, SealedPaper, signed_bytes};
use domain::{CaseNo, Day, NodeId, OrgId};
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Ed25519 over SHA-256.
pub const SUITE_ED25519: u32 = 1;

/// A seal that can be pressed.
pub struct SealKey {
    pub name: SealName,
    key: SigningKey,
}

impl SealKey {
    pub fn new(owner: &str, no: u32, secret: [u8; 32]) -> SealKey {
        SealKey { name: SealName { owner: owner.to_owned(), no }, key: SigningKey::from_bytes(&secret) }
    }
    /// The seal of a node: the key that signs its journals.
    pub fn of_node(node: &NodeId, key: &NodeKey) -> SealKey {
        SealKey::new(node.as_str(), 0, key.secret())
    }
    pub fn record(&self, from: Day) -> SealRecord {
        SealRecord {
            seal: self.name.clone(),
            suite: SUITE_ED25519,
            public_key: crate::hex(self.key.verifying_key().as_bytes()),
            from,
            withdrawn: None,
        }
    }
    pub fn press(&self, kind: PaperKind, number: String, ledger_no: u64, content: String) -> SealedPaper {
        let mut paper = SealedPaper {
            kind,
            number,
            seal: self.name.clone(),
            ledger_no,
            suite: SUITE_ED25519,
            content,
            signature: String::new(),
        };
        let bytes = paper.signed_bytes(&Sha256::digest(paper.content.as_bytes()));
        paper.signature = crate::hex(&self.key.sign(&bytes).to_bytes());
        paper
    }
}

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
        let signature = key.key.sign(&bytes).to_bytes().to_vec();
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
        let key = network.get(&self.node).and_then(|node| verifying_key(&node.sign_key));
        let signature = <[u8; 64]>::try_from(&*self.signature).ok();
        let bytes = ReceiptClaim::signed_bytes(&self.case, &self.node, &self.entry_hash);
        key.zip(signature).is_some_and(|(key, signature)| {
            key.verify_strict(&bytes, &ed25519_dalek::Signature::from_bytes(&signature)).is_ok()
        })
    }
}

fn verifying_key(hexadecimal: &str) -> Option<VerifyingKey> {
    VerifyingKey::from_bytes(&crate::unhex(hexadecimal)?.try_into().ok()?).ok()
}

/// Where the seals of a node are kept.
pub trait Seals: Send + Sync {
    /// The seal under which a decision for `body` goes out here; `None` when nobody here keeps one.
    fn seal_for(&self, body: &OrgId) -> Option<SealKey>;
    /// The key with which this node signs slips for citizens; `None` at the hub, which takes in no papers.
    fn own(&self) -> Option<SealKey> {
        None
    }
}

/// A node that decides for itself.
pub struct OwnSeal(pub NodeId, pub [u8; 32]);
impl Seals for OwnSeal {
    fn seal_for(&self, _: &OrgId) -> Option<SealKey> {
        self.own()
    }
    fn own(&self) -> Option<SealKey> {
        Some(SealKey::new(self.0.as_str(), 0, self.1))
    }
}

/// Seals in memory, for a city that lives in one test.
#[derive(Default)]
pub struct SealBox(pub BTreeMap<OrgId, (u32, [u8; 32])>);
impl Seals for SealBox {
    fn seal_for(&self, body: &OrgId) -> Option<SealKey> {
        self.0.get(body).map(|(no, secret)| SealKey::new(body.as_str(), *no, *secret))
    }
}

/// The hub's cupboard: one file a body in the identity folder.
pub struct SealFolder(pub IdentityFolder);

#[derive(Serialize, Deserialize)]
struct SealFile {
    no: u32,
    secret: String,
}

impl SealFolder {
    fn name(body: &OrgId) -> String {
        format!("seals/{body}.json")
    }
    /// # Errors
    /// [`TrustError`] when the file is there and cannot be used.
    pub fn read(&self, body: &OrgId) -> Result<Option<SealKey>, TrustError> {
        let name = SealFolder::name(body);
        if !self.0.exists(&name) {
            return Ok(None);
        }
        let file: Option<SealFile> = serde_json::from_str(&self.0.read(&name)?).ok();
        let key = file.and_then(|file| {
            let secret = crate::unhex(&file.secret)?.try_into().ok()?;
            Some(SealKey::new(body.as_str(), file.no, secret))
        });
        let damaged = || TrustError::Damaged { path: self.0.path(&name).display().to_string() };
        key.map(Some).ok_or_else(damaged)
    }
    /// Makes the next seal of a body and keeps it in place of the one before.
    ///
    /// # Errors
    /// [`TrustError::File`].
    pub fn make(&self, body: &OrgId, secret: [u8; 32]) -> Result<SealKey, TrustError> {
        let no = self.read(body)?.map_or(1, |known| known.name.no + 1);
        let file = SealFile { no, secret: crate::hex(&secret) };
        let text = serde_json::to_string(&file).expect("plain data");
        self.0.write(&SealFolder::name(body), &text)?;
        Ok(SealKey::new(body.as_str(), no, secret))
    }
}
impl Seals for SealFolder {
    fn seal_for(&self, body: &OrgId) -> Option<SealKey> {
        match self.read(body) {
            Ok(key) => key,
            Err(error) => {
                tracing::error!(%error, body = %body, "the seal cannot be used");
                None
            }
        }
    }
}

/// Checks papers against the published seals.
#[derive(Debug, Clone, Default)]
pub struct SealRing(pub Arc<SealRecords>);

/// Why a paper cannot be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealFault {
    #[error("印章 {owner} 第 {no} 号没有备案,或备案尚未送达本机")]
    Unknown { owner: String, no: u32 },
    #[error("加密套件 {0} 本版本不能核验,请升级")]
    Suite(u32),
    #[error("印章自 {from} 起停用,文书日期在其后")]
    Withdrawn { from: Day },
    #[error("印章与内容不符:内容被改动,或不是该单位盖的章")]
    Forged,
}

impl SealRing {
    /// The record of a seal: published by the hub, or the key of an enrolled node.
    fn record(&self, seal: &SealName, network: &Network) -> Option<SealRecord> {
        if seal.no > 0 {
            return self.0.get(seal).cloned();
        }
        let node = network.get(&seal.owner.parse().ok()?)?;
        let from = Day::new(1970, 1, 1)?;
        let public_key = node.sign_key.clone();
        Some(SealRecord { seal: seal.clone(), suite: SUITE_ED25519, public_key, from, withdrawn: None })
    }

    /// Checks a paper of `day`.
    ///
    /// # Errors
    /// [`SealFault`].
    pub fn verify(&self, paper: &SealedPaper, day: Day, network: &Network) -> Result<(), SealFault> {
        let hash = Sha256::digest(paper.content.as_bytes());
        let claim = SealClaim {
            kind: paper.kind,
            number: paper.number.clone(),
            seal: paper.seal.clone(),
            ledger_no: paper.ledger_no,
            suite: paper.suite,
            content_hash: hash.to_vec(),
            signature: crate::unhex(&paper.signature).unwrap_or_default(),
        };
        self.verify_claim(&claim, day, network)
    }

    /// # Errors
    /// [`SealFault`].
    pub fn verify_claim(&self, claim: &SealClaim, day: Day, network: &Network) -> Result<(), SealFault> {
        let (owner, no) = (claim.seal.owner.clone(), claim.seal.no);
        let record = self.record(&claim.seal, network).ok_or(SealFault::Unknown { owner, no })?;
        if claim.suite != SUITE_ED25519 || record.suite != claim.suite {
            return Err(SealFault::Suite(claim.suite));
        }
        let key = verifying_key(&record.public_key).ok_or(SealFault::Forged)?;
        let signature = <[u8; 64]>::try_from(&*claim.signature).map_err(|_| SealFault::Forged)?;
        let bytes = signed_bytes(
            claim.kind,
            &claim.number,
            &claim.seal,
            claim.ledger_no,
            claim.suite,
            &claim.content_hash,
        );
        let signature = ed25519_dalek::Signature::from_bytes(&signature);
        key.verify_strict(&bytes, &signature).map_err(|_| SealFault::Forged)?;
        match record.withdrawn {
            // What was pressed on the day itself, before the seal was laid away, stays good.
            Some(from) if day > from => Err(SealFault::Withdrawn { from }),
            _ => Ok(()),
        }
    }
}

/// What a QR code says of a paper: all but its content, of which it has the hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealClaim {
    pub kind: PaperKind,
    pub number: String,
    pub seal: SealName,
    pub ledger_no: u64,
    pub suite: u32,
    pub content_hash: Vec<u8>,
    pub signature: Vec<u8>,
}

const QR_PREFIX: &str = "TBP1";

impl SealClaim {
    pub fn of(paper: &SealedPaper) -> SealClaim {
        SealClaim {
            kind: paper.kind,
            number: paper.number.clone(),
            seal: paper.seal.clone(),
            ledger_no: paper.ledger_no,
            suite: paper.suite,
            content_hash: Sha256::digest(paper.content.as_bytes()).to_vec(),
            signature: crate::unhex(&paper.signature).unwrap_or_default(),
        }
    }

    /// The text of the QR code.
    pub fn encode(&self) -> String {
        let (hash, signature) = (crate::hex(&self.content_hash), crate::hex(&self.signature));
        [
            QR_PREFIX,
            self.kind.as_str(),
            &self.number,
            &self.seal.owner,
            &self.seal.no.to_string(),
            &self.ledger_no.to_string(),
            &self.suite.to_string(),
            &hash,
            &signature,
        ]
        .join("|")
    }

    /// `None` when it is not the text of such a code.
    pub fn decode(text: &str) -> Option<SealClaim> {
        let parts: Vec<&str> = text.trim().split('|').collect();
        let [QR_PREFIX, kind, number, owner, no, ledger_no, suite, hash, signature] = parts[..] else {
            return None;
        };
        Some(SealClaim {
            kind: PaperKind::from_name(kind)?,
            number: number.to_owned(),
            seal: SealName { owner: owner.to_owned(), no: no.parse().ok()? },
            ledger_no: ledger_no.parse().ok()?,
            suite: suite.parse().ok()?,
            content_hash: crate::unhex(hash)?,
            signature: crate::unhex(signature)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn published(records: impl IntoIterator<Item = SealRecord>) -> SealRing {
        SealRing(Arc::new(records.into_iter().map(|record| (record.seal.clone(), record)).collect()))
    }
    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    #[test]
    fn a_sealed_paper_proves_itself_and_one_changed_letter_gives_it_away() {
        let seal = SealKey::new("sj", 1, [7; 32]);
        let ring = SealRing::default();
        let network = Network::default();
        let paper = seal.press(PaperKind::Decision, "凯市监决〔2026〕1号".into(), 9, "{\"a\":1}".into());
        let today = day("2026-11-24");
        assert!(matches!(ring.verify(&paper, today, &network), Err(SealFault::Unknown { .. })));
        let ring = published([seal.record(day("2026-01-01"))]);
        assert_eq!(ring.verify(&paper, today, &network), Ok(()));
        for change in [
            |paper: &mut SealedPaper| paper.content.push(' '),
            |paper: &mut SealedPaper| paper.number.push('0'),
            |paper: &mut SealedPaper| paper.ledger_no += 1,
        ] {
            let mut forged = paper.clone();
            change(&mut forged);
            assert_eq!(ring.verify(&forged, today, &network), Err(SealFault::Forged));
        }
        let claim = SealClaim::decode(&SealClaim::of(&paper).encode()).unwrap();
        assert_eq!(ring.verify_claim(&claim, today, &network), Ok(()), "the QR code alone is enough");
        assert_eq!(SealClaim::decode("https://example.org"), None);
        let withdrawn = SealRecord { withdrawn: Some(today), ..seal.record(day("2026-01-01")) };
        let ring = published([withdrawn]);
        assert_eq!(ring.verify(&paper, day("2026-11-23"), &network), Ok(()), "pressed while it was good");
        assert_eq!(ring.verify(&paper, today, &network), Ok(()), "pressed that morning");
        assert!(matches!(
            ring.verify(&paper, today.plus_days(1), &network),
            Err(SealFault::Withdrawn { .. })
        ));
    }

    #[test]
    fn a_seal_of_another_body_or_suite_is_no_seal() {
        let ring = published([SealKey::new("sj", 1, [7; 32]).record(day("2026-01-01"))]);
        let other = SealKey::new("mz", 1, [8; 32]);
        let mut paper = other.press(PaperKind::Decision, "1".into(), 1, "{}".into());
        paper.seal.owner = "sj".into();
        assert_eq!(ring.verify(&paper, day("2026-11-24"), &Network::default()), Err(SealFault::Forged));
        paper.suite = 9;
        assert_eq!(ring.verify(&paper, day("2026-11-24"), &Network::default()), Err(SealFault::Suite(9)));
    }
}
