//! The catalogue (事项目录): what the city may do at all, and how. "No power outside the list."
//!
//! Types only; reading and linting a city pack is `pack`, walking an item's stages is `plan`.

pub mod diff;
pub mod life;
pub mod theme;

pub use diff::{Change, diff};
pub use life::{Life, NotInForce};

use crate::calendar::{DayUnit, Limit};
use crate::expr::Expr;
use crate::network::Tier;
use crate::{ItemId, MaterialId, OrgId, StageId};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// One item (事项) in one version, executed exactly as written.
#[derive(Debug, Clone)]
pub struct Item {
    pub id: ItemId,
    pub name: String,
    /// What people call it (俗称): 低保, 开店. Only for finding it; papers bear its name.
    pub also_called: Vec<String>,
    /// The headings of the national platform it stands under, of persons' list or bodies'.
    pub themes: Vec<String>,
    /// Its state, and the days in which this version is in force.
    pub life: Life,
    pub body: OrgId,
    pub implement_code: Option<ImplementCode>,
    pub decision_tier: Tier,
    pub handling: Handling,
    /// None where no text sets one (the general 20 working days of art. 42 then apply to licensing items).
    pub statutory: Option<Limit>,
    /// The text the statutory limit rests on, as it is quoted to people.
    pub statutory_basis: String,
    pub promised: Limit,
    /// Working days within which a deferrable paper may follow (容缺); `None` where none may.
    pub deferral_days: Option<u32>,
    /// The limit of the green channel in days; `None` where there is no such channel.
    pub green_days: Option<u32>,
    /// What kind of power it is (行政许可, 公共服务 …), as the catalogue says it to people.
    pub power: String,
    /// Whether natural persons (自然人) apply for it, and whether bodies do.
    pub for_persons: bool,
    pub for_bodies: bool,
    /// How often the applicant has to come in person; `None` where the catalogue does not say.
    pub visits: Option<u32>,
    pub village_service: String,
    pub accept_conditions: Vec<String>,
    pub legal_basis: Vec<String>,
    pub materials: Vec<Material>,
    pub fields: Vec<Field>,
    pub stages: Vec<Stage>,
    pub fees: Vec<crate::fee::Fee>,
    pub result: ItemResult,
}

/// 即办件 is decided at the counter; 承诺件 within a promised limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Handling {
    Instant,
    Promised,
}

/// The 31-character implementation code (实施编码): credit code + use level + catalogue code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImplementCode {
    pub credit_code: String,
    pub level: char,
    pub catalogue_code: String,
}

impl ImplementCode {
    /// `None` unless it is 31 ASCII characters whose last twelve are digits.
    pub fn parse(text: &str) -> Option<ImplementCode> {
        let well_formed =
            text.len() == 31 && text.is_ascii() && text[18..].bytes().all(|b| b.is_ascii_digit());
        well_formed.then(|| ImplementCode {
            credit_code: text[..18].to_owned(),
            level: text.as_bytes()[18] as char,
            catalogue_code: text[19..].to_owned(),
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Necessity {
    Required,
    /// May be handed in later under a commitment (容缺).
    Deferrable,
    Optional,
}

/// One paper the applicant hands in (申请材料).
#[derive(Debug, Clone)]
pub struct Material {
    pub id: MaterialId,
    pub name: String,
    pub necessity: Necessity,
    /// Asked for only when this holds for the form.
    pub when: Option<Expr>,
    /// The licence type in the library that stands in for the paper.
    pub reuse_licence: Option<String>,
}

/// What a stage (环节) does, which decides what its officer may answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StageKind {
    Intake,
    Appointment,
    CompletenessCheck,
    Accept,
    Review,
    ParallelReview,
    HomeVisit,
    Appraisal,
    Publicity,
    Inspection,
    JointInspection,
    ExpertReview,
    Special,
    Hearing,
    Payment,
    Decision,
    Issue,
    Deliver,
    PostInspection,
}

impl StageKind {
    pub const ALL: [StageKind; 19] = [
        StageKind::Intake,
        StageKind::Appointment,
        StageKind::CompletenessCheck,
        StageKind::Accept,
        StageKind::Review,
        StageKind::ParallelReview,
        StageKind::HomeVisit,
        StageKind::Appraisal,
        StageKind::Publicity,
        StageKind::Inspection,
        StageKind::JointInspection,
        StageKind::ExpertReview,
        StageKind::Special,
        StageKind::Hearing,
        StageKind::Payment,
        StageKind::Decision,
        StageKind::Issue,
        StageKind::Deliver,
        StageKind::PostInspection,
    ];

    /// As written in the catalogue.
    pub fn as_str(self) -> &'static str {
        match self {
            StageKind::Intake => "intake",
            StageKind::Appointment => "appointment",
            StageKind::CompletenessCheck => "completeness_check",
            StageKind::Accept => "accept",
            StageKind::Review => "review",
            StageKind::ParallelReview => "parallel_review",
            StageKind::HomeVisit => "home_visit",
            StageKind::Appraisal => "appraisal",
            StageKind::Publicity => "publicity",
            StageKind::Inspection => "inspection",
            StageKind::JointInspection => "joint_inspection",
            StageKind::ExpertReview => "expert_review",
            StageKind::Special => "special",
            StageKind::Hearing => "hearing",
            StageKind::Payment => "payment",
            StageKind::Decision => "decision",
            StageKind::Issue => "issue",
            StageKind::Deliver => "deliver",
            StageKind::PostInspection => "post_inspection",
        }
    }

    /// Done by the officer at the moment of capture.
    pub fn is_capture(self) -> bool {
        matches!(self, StageKind::Intake | StageKind::Appointment)
    }

    /// Has a meaning only after a favourable decision; a refusal skips it.
    pub fn follows_grant(self) -> bool {
        matches!(self, StageKind::Issue | StageKind::PostInspection)
    }
}

#[derive(Debug, Clone)]
pub struct Stage {
    pub id: StageId,
    pub name: String,
    pub tier: Tier,
    pub role: String,
    pub kind: StageKind,
    pub after: Vec<StageId>,
    pub limit: Limit,
    /// Whether its days count against the item's limit.
    pub counted: bool,
    /// Bodies that may do it; empty means the officers of the tier.
    pub bodies: Vec<OrgId>,
    /// Skipped unless this holds for the form.
    pub when: Option<Expr>,
    /// Waits for a slip of this kind (`applicant_notice`).
    pub trigger: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum FieldKind {
    Text,
    TextArea,
    Bool,
    Integer,
    Decimal,
    Money,
    Date,
    Month,
    DateTime,
    Select,
    MultiSelect,
    Region,
    CitizenNo,
    CreditCode,
    Mobile,
    List,
    Image,
    Geo,
    Table(Vec<Column>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    pub key: String,
    pub kind: FieldKind,
    /// What people call it; the key where the catalogue gives no name.
    pub label: String,
    /// What may stand in it; empty where the catalogue leaves that open.
    pub options: Vec<String>,
}

/// What a blank field can be filled with without asking (预填); the officer may change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefill {
    /// From the citizen number (GB 11643: digits 7–14 and 17).
    Birth,
    Gender,
}

/// One field of the form.
#[derive(Debug, Clone)]
pub struct Field {
    pub key: String,
    pub label: String,
    /// The heading it stands under; empty for what the item asks for itself.
    pub group: Arc<str>,
    pub prefill: Option<Prefill>,
    /// What stands in it before anybody has typed.
    pub default: Option<String>,
    pub kind: FieldKind,
    pub required: bool,
    pub options: Vec<String>,
    pub when: Option<Expr>,
    pub rules: Rules,
}

/// The checks on one field. Numbers bound the value; `Bound::Word` names another field or `today`.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    pub min: Option<Bound>,
    pub max: Option<Bound>,
    pub step: Option<f64>,
    pub not_before: Option<String>,
    pub not_above: Option<String>,
    pub min_length: Option<usize>,
    pub max_length: Option<usize>,
    pub min_count: Option<usize>,
    pub max_count: Option<usize>,
    pub age_max: Option<i32>,
    pub must_be: Option<bool>,
    pub pattern: Option<Arc<regex::Regex>>,
    pub computed: Option<Expr>,
    pub rule: Option<(Expr, String)>,
    /// The number checks apply only while this holds (`id_type=居民身份证`).
    pub when: Option<Expr>,
}

#[derive(Debug, Clone)]
pub enum Bound {
    Number(f64),
    Word(String),
}

/// What a favourable decision gives.
#[derive(Debug, Clone)]
pub struct ItemResult {
    pub kind: String,
    pub name: String,
    pub licence: Option<String>,
}

/// A body of the city (部门).
#[derive(Debug, Clone, Serialize)]
pub struct Org {
    pub id: OrgId,
    pub name: String,
    pub credit_code: String,
    /// The government of a town or street, not a department of the city.
    pub of_town: bool,
}

#[derive(Debug, Clone)]
pub struct LicenceType {
    pub id: String,
    pub name: String,
    pub type_code: String,
    /// As the catalogue words it: `5年`, `长期`, `按证载`.
    pub validity: String,
}

impl Item {
    pub fn stage(&self, id: &StageId) -> Option<&Stage> {
        self.stages.iter().find(|stage| stage.id == *id)
    }
    pub fn material(&self, id: &MaterialId) -> Option<&Material> {
        self.materials.iter().find(|material| material.id == *id)
    }
    /// The statutory limit, with the general one of art. 42 where the item names none.
    ///
    /// # Source
    /// 《行政许可法》 art. 42: 20 working days from acceptance unless a law says otherwise.
    pub fn statutory_or_general(&self) -> Limit {
        self.statutory.unwrap_or(Limit { days: 20.max(self.promised.days), unit: DayUnit::Workday })
    }
}

/// Everything published in one release, in memory and shared.
pub type Items = BTreeMap<ItemId, Arc<Item>>;
