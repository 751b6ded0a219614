//! Print sheets (文书): what the counter prints from a case, every date and number with the page or article it comes from.
//!
//! Pure: a sheet is facts in order, computed from pages; layout is `console`'s. A sheet that goes out under a seal is made
//! from the sealed content and nothing else, so print and proof cannot differ.

mod build;

pub use build::{build, read_paper};

use crate::catalogue::Item;
use crate::clock::Explained;
use crate::dossier::{Dossier, Page};
use crate::paper::SealedPaper;
use crate::supervision::Alert;
use serde::Serialize;

/// Which sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SheetKind {
    /// 收件回执: papers were received; it promises nothing.
    Receipt,
    /// 材料清单.
    Materials,
    /// 代办委托书: the applicant has a village's officer act for them.
    Mandate,
    /// 一次性告知书.
    SupplementNotice,
    /// 受理通知书.
    Acceptance,
    /// 不予受理通知书.
    NotAccepted,
    /// 容缺承诺书.
    Commitment,
    /// 决定书.
    Decision,
    /// 送达回证.
    Service,
    /// 电子证照.
    Licence,
    /// 督办单.
    Alert,
}

impl SheetKind {
    pub const ALL: [SheetKind; 11] = [
        SheetKind::Receipt,
        SheetKind::Materials,
        SheetKind::Mandate,
        SheetKind::SupplementNotice,
        SheetKind::Acceptance,
        SheetKind::NotAccepted,
        SheetKind::Commitment,
        SheetKind::Decision,
        SheetKind::Service,
        SheetKind::Licence,
        SheetKind::Alert,
    ];

    /// As it stands in addresses.
    pub fn as_str(self) -> &'static str {
        match self {
            SheetKind::Receipt => "receipt",
            SheetKind::Materials => "materials",
            SheetKind::Mandate => "mandate",
            SheetKind::SupplementNotice => "supplement-notice",
            SheetKind::Acceptance => "acceptance",
            SheetKind::NotAccepted => "not-accepted",
            SheetKind::Commitment => "commitment",
            SheetKind::Decision => "decision",
            SheetKind::Service => "service",
            SheetKind::Licence => "licence",
            SheetKind::Alert => "alert",
        }
    }
    pub fn from_name(text: &str) -> Option<SheetKind> {
        SheetKind::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
    pub fn title(self) -> &'static str {
        match self {
            SheetKind::Receipt => "收件回执",
            SheetKind::Materials => "申请材料清单",
            SheetKind::Mandate => "代办委托书",
            SheetKind::SupplementNotice => "补正材料一次性告知书",
            SheetKind::Acceptance => "受理通知书",
            SheetKind::NotAccepted => "不予受理通知书",
            SheetKind::Commitment => "容缺受理承诺书",
            SheetKind::Decision => "决定书",
            SheetKind::Service => "送达回证",
            SheetKind::Licence => "电子证照",
            SheetKind::Alert => "督办单",
        }
    }
}

/// One line of facts: what, its value, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fact {
    pub label: &'static str,
    pub value: String,
    pub source: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Section {
    Text(String),
    Facts(Vec<Fact>),
    Table { head: Vec<&'static str>, rows: Vec<Vec<String>> },
}

/// A sheet, ready to be laid out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sheet {
    pub kind: SheetKind,
    pub title: String,
    pub number: Option<String>,
    /// Whom it is for.
    pub to: String,
    pub sections: Vec<Section>,
    /// Places to sign, each with who signs there.
    pub signatures: Vec<&'static str>,
    /// In whose name it is made.
    pub office: String,
    /// The day it bears.
    pub day: String,
    /// Text of the QR code.
    pub code: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sealed: Option<SealedPaper>,
}

/// What a sheet is made from.
pub struct Source<'a> {
    pub dossier: &'a Dossier,
    pub item: &'a Item,
    pub body_name: &'a str,
    /// Where the case was recorded.
    pub place_name: &'a str,
    /// The pages that count, in order.
    pub pages: &'a [Page],
    pub timers: &'a [Explained],
    pub alert: Option<&'a Alert>,
    /// Text of the QR code where the sheet itself is not sealed: the case number, signed by the node that prints.
    pub code: &'a str,
    /// The text of the code of a sealed paper.
    pub sealed_code: &'a dyn Fn(&SealedPaper) -> Option<String>,
}

/// Why a sheet cannot be printed (yet).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoSheet(pub String);
