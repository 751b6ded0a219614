//! Seals (审批专用章): the keys that make a paper official, and the check of a paper that needs no network.
//!
//! Every signature names its crypto suite, so that a body may change to another and what it sealed before stays good. Not
//! here: where keys are kept (`cupboard`), the ledger and the number of a paper (`casework`), published seals (`store`).

use crate::sign::NodeKey;
use crate::suite::{Suite, SuiteKey};
use domain::network::{Cut, Network};
use domain::paper::{PaperKind, SealName, SealRecord, SealRecords, SealedPaper, signed_bytes};
use domain::{Day, NodeId};
use std::sync::Arc;

/// A seal that can be pressed.
pub struct SealKey {
    pub name: SealName,
    key: SuiteKey,
}

impl SealKey {
    /// Of the city's own choice of suite, Ed25519, for which every secret will do.
    pub fn new(owner: &str, no: u32, secret: [u8; 32]) -> SealKey {
        SealKey { name: SealName { owner: owner.to_owned(), no }, key: SuiteKey::ed25519(secret) }
    }
    /// `None` when the suite has no key with this secret.
    pub fn of_suite(owner: &str, no: u32, suite: Suite, secret: [u8; 32]) -> Option<SealKey> {
        let key = SuiteKey::new(suite, secret)?;
        Some(SealKey { name: SealName { owner: owner.to_owned(), no }, key })
    }
    /// The seal of a node: the key that signs its journals.
    pub fn of_node(node: &NodeId, key: &NodeKey) -> SealKey {
        SealKey::new(node.as_str(), 0, key.secret())
    }
    pub fn suite(&self) -> Suite {
        self.key.suite()
    }
    pub fn record(&self, from: Day) -> SealRecord {
        SealRecord {
            seal: self.name.clone(),
            suite: self.suite().number(),
            public_key: crate::hex(&self.key.public()),
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
            suite: self.suite().number(),
            content,
            signature: String::new(),
        };
        let bytes = paper.signed_bytes(&self.suite().digest(paper.content.as_bytes()));
        paper.signature = crate::hex(&self.sign(&bytes));
        paper
    }
    pub(crate) fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        self.key.sign(bytes)
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
    /// What is on record of a seal: what the hub published, or the keys that an enrolled node has had.
    fn records(&self, seal: &SealName, network: &Network) -> Vec<SealRecord> {
        if seal.no > 0 {
            return self.0.get(seal).cloned().into_iter().collect();
        }
        let node = seal.owner.parse().ok().and_then(|id| network.get(&id));
        let Some((node, from)) = node.zip(Day::new(1970, 1, 1)) else { return Vec::new() };
        let record = |(key, cut): (&str, Option<&Cut>)| SealRecord {
            seal: seal.clone(),
            suite: Suite::Ed25519Sha256.number(),
            public_key: key.to_owned(),
            from,
            withdrawn: cut.map(|cut| cut.since.day()),
        };
        node.keys().map(record).collect()
    }

    /// Checks a paper of `day`.
    ///
    /// # Errors
    /// [`SealFault`].
    pub fn verify(&self, paper: &SealedPaper, day: Day, network: &Network) -> Result<(), SealFault> {
        let claim = SealClaim::of(paper).ok_or(SealFault::Suite(paper.suite))?;
        self.verify_claim(&claim, day, network)
    }

    /// # Errors
    /// [`SealFault`].
    pub fn verify_claim(&self, claim: &SealClaim, day: Day, network: &Network) -> Result<(), SealFault> {
        let (owner, no) = (claim.seal.owner.clone(), claim.seal.no);
        let records = self.records(&claim.seal, network);
        if records.is_empty() {
            return Err(SealFault::Unknown { owner, no });
        }
        let suite = Suite::of(claim.suite).ok_or(SealFault::Suite(claim.suite))?;
        let bytes = signed_bytes(
            claim.kind,
            &claim.number,
            &claim.seal,
            claim.ledger_no,
            claim.suite,
            &claim.content_hash,
        );
        // The suite is the seal's, not the paper's to choose: else a weak one would open every seal.
        let pressed = |record: &&SealRecord| {
            let key = crate::unhex(&record.public_key).unwrap_or_default();
            record.suite == claim.suite && suite.verifies(&key, &bytes, &claim.signature)
        };
        match records.iter().find(pressed).ok_or(SealFault::Forged)?.withdrawn {
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
    /// `None` when this version does not know the suite of the paper, and so not how its content is hashed.
    pub fn of(paper: &SealedPaper) -> Option<SealClaim> {
        Some(SealClaim {
            kind: paper.kind,
            number: paper.number.clone(),
            seal: paper.seal.clone(),
            ledger_no: paper.ledger_no,
            suite: paper.suite,
            content_hash: Suite::of(paper.suite)?.digest(paper.content.as_bytes()).to_vec(),
            signature: crate::unhex(&paper.signature).unwrap_or_default(),
        })
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
        let claim = SealClaim::decode(&SealClaim::of(&paper).unwrap().encode()).unwrap();
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
    fn a_body_that_changes_to_sm2_keeps_what_it_sealed_before() {
        let (old, new) =
            (SealKey::new("ga", 1, [7; 32]), SealKey::of_suite("ga", 2, Suite::Sm2Sm3, [8; 32]).unwrap());
        let (from, today) = (day("2026-01-01"), day("2026-11-24"));
        let ring = published([SealRecord { withdrawn: Some(today), ..old.record(from) }, new.record(today)]);
        let network = Network::default();
        for (key, suite) in [(&old, 1), (&new, 2)] {
            let paper = key.press(PaperKind::Decision, "1".into(), 1, "{}".into());
            assert_eq!(paper.suite, suite);
            assert_eq!(ring.verify(&paper, today, &network), Ok(()));
            let claim = SealClaim::decode(&SealClaim::of(&paper).unwrap().encode()).unwrap();
            assert_eq!(ring.verify_claim(&claim, today, &network), Ok(()));
            // The paper does not choose by which suite its seal is checked.
            let other = SealedPaper { suite: 3 - suite, ..paper };
            assert_eq!(ring.verify(&other, today, &network), Err(SealFault::Forged));
        }
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
