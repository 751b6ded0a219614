//! Sealed papers (盖章文书): what the citizen holds in hand, and what anybody can check without a network.
//!
//! A paper is its content, byte for byte as it was sealed, with the number it was given, the place of the use of the seal in
//! the ledger, and the signature. Pure: what is signed is defined here, keys are `trust`'s. Not here: how it looks in print.

use crate::catalogue::Item;
use crate::dossier::{Dossier, NotAcceptedGround, Outcome};
use crate::{CaseNo, Day, ItemId, OrgId};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PaperKind {
    /// 准予决定书 or 不予决定书.
    Decision,
    /// 不予受理通知书.
    NotAccepted,
}

impl PaperKind {
    pub fn as_str(self) -> &'static str {
        match self {
            PaperKind::Decision => "decision",
            PaperKind::NotAccepted => "not_accepted",
        }
    }
    pub fn from_name(text: &str) -> Option<PaperKind> {
        [PaperKind::Decision, PaperKind::NotAccepted].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Whose seal: a body's 审批专用章, kept by the hub, or a node's own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SealName {
    /// Body id or node id.
    pub owner: String,
    /// Which of the owner's seals; 0 is the key with which a node signs its journals.
    pub no: u32,
}

/// A seal as the hub publishes it (印模备案).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealRecord {
    pub seal: SealName,
    /// Crypto suite: 1 is Ed25519 over SHA-256, 2 is SM2 over SM3.
    pub suite: u32,
    /// Hexadecimal.
    pub public_key: String,
    pub from: Day,
    /// The first day on which papers under it no longer count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawn: Option<Day>,
}

/// Published seals, the newest record of each.
pub type SealRecords = std::collections::BTreeMap<SealName, SealRecord>;

/// A paper under a seal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedPaper {
    pub kind: PaperKind,
    /// 文号: unique for ever, without gaps for each body and year.
    pub number: String,
    pub seal: SealName,
    /// Place in the ledger of this seal (用印台账).
    pub ledger_no: u64,
    pub suite: u32,
    /// JSON of [`PaperContent`]; these very bytes were sealed.
    pub content: String,
    /// Hexadecimal.
    pub signature: String,
}

/// What the paper says. Printing adds layout, never facts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaperContent {
    pub number: String,
    pub title: String,
    pub case: CaseNo,
    pub item: ItemId,
    pub item_name: String,
    pub body: OrgId,
    pub body_name: String,
    pub applicant: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// Facts and reasons.
    pub text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub article: Option<String>,
    /// Where the applicant can turn (art. 38).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remedies: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delegation: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<crate::LicenceNo>,
    pub day: Day,
}

/// What a refusal must say about remedies.
///
/// # Source
/// 《行政许可法》 art. 38; 《行政复议法》 (2023) art. 20 (60 days); 《行政诉讼法》 art. 46 (six months).
pub const REMEDIES: &str =
    "如不服本决定,可自收到之日起六十日内向本级人民政府申请行政复议,或者六个月内依法向人民法院提起行政诉讼。";

/// What a paper of a case is drawn up from.
pub struct Drawn<'a> {
    pub dossier: &'a Dossier,
    pub item: &'a Item,
    pub body_name: &'a str,
    pub number: &'a str,
    pub day: Day,
}

impl Drawn<'_> {
    fn content(&self, title: &str, text: &str) -> PaperContent {
        PaperContent {
            number: self.number.to_owned(),
            title: title.to_owned(),
            case: self.dossier.case.clone(),
            item: self.item.id.clone(),
            item_name: self.item.name.clone(),
            body: self.item.body.clone(),
            body_name: self.body_name.to_owned(),
            applicant: self.dossier.applicant.clone(),
            outcome: None,
            text: text.to_owned(),
            article: None,
            remedies: None,
            delegation: None,
            licence: self.dossier.licence.as_ref().map(|licence| licence.number.clone()),
            day: self.day,
        }
    }

    /// The decision of a case that has just been decided; `None` while it is not.
    pub fn decision(&self) -> Option<PaperContent> {
        let decision = self.dossier.decision.as_ref()?;
        let refused = decision.outcome == Outcome::Refused;
        let title = if refused {
            "不予许可(确认、给付)决定书"
        } else {
            "准予许可(确认、给付)决定书"
        };
        let text = if decision.text.trim().is_empty() {
            "申请符合规定的条件、标准"
        } else {
            &decision.text
        };
        Some(PaperContent {
            outcome: Some(decision.outcome),
            article: decision.article.clone(),
            remedies: refused.then(|| REMEDIES.to_owned()),
            delegation: decision.delegation.clone(),
            ..self.content(title, text)
        })
    }

    /// 不予受理通知书; `None` when the application was not refused.
    pub fn not_accepted(&self) -> Option<PaperContent> {
        let refusal = self.dossier.not_accepted.as_ref()?;
        let (text, article) = match &refusal.ground {
            NotAcceptedGround::NotNeeded => {
                (format!("该事项依法不需要办理。{}", refusal.text), "《行政许可法》第三十二条第一款第(一)项")
            }
            NotAcceptedGround::NotOurs { competent } => (
                format!("该事项不属于本机关职权范围,请向{competent}申请。{}", refusal.text),
                "《行政许可法》第三十二条第一款第(二)项",
            ),
            NotAcceptedGround::Unmet { article } => (refusal.text.clone(), article.as_str()),
        };
        Some(PaperContent {
            article: Some(article.to_owned()),
            remedies: Some(REMEDIES.to_owned()),
            ..self.content("不予受理通知书", &text)
        })
    }
}

impl SealedPaper {
    /// # Errors
    /// A text for people when the content is not what this version of a paper holds.
    pub fn read(&self) -> Result<PaperContent, String> {
        serde_json::from_str(&self.content)
            .map_err(|error| format!("文书内容无法读取(第 {} 列)", error.column()))
    }

    /// What the seal signs: everything that names the paper, and the hash of its content. `content_hash` is the suite's.
    pub fn signed_bytes(&self, content_hash: &[u8]) -> Vec<u8> {
        signed_bytes(self.kind, &self.number, &self.seal, self.ledger_no, self.suite, content_hash)
    }
}

/// As [`SealedPaper::signed_bytes`], for one who has only the QR code and so only the hash.
pub fn signed_bytes(
    kind: PaperKind,
    number: &str,
    seal: &SealName,
    ledger_no: u64,
    suite: u32,
    content_hash: &[u8],
) -> Vec<u8> {
    let mut bytes = b"tongban paper 1\0".to_vec();
    for part in [kind.as_str(), number, &seal.owner] {
        bytes.extend((part.len() as u32).to_be_bytes());
        bytes.extend(part.as_bytes());
    }
    bytes.extend(seal.no.to_be_bytes());
    bytes.extend(ledger_no.to_be_bytes());
    bytes.extend(suite.to_be_bytes());
    bytes.extend(content_hash);
    bytes
}
