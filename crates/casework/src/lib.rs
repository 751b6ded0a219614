//! Use cases: load, decide, append. The only door to a node's cases, for the web, the command line and the links alike.
//!
//! Promise: a success is told only after the store said it is durable; a refusal changes nothing and says how to mend it.
//! Not here: rules (`domain`), transport (`link`), pages for people (`console`).

mod accounts;
mod act;
mod answering;
mod at_rest;
mod authority;
mod bundles;
mod capture;
mod catalogue;
mod citizens;
mod contacts;
mod countersign;
mod day;
mod desk;
mod drafts;
mod editing;
mod error;
mod exports;
mod filling;
mod hall;
mod hub;
mod incidents;
mod library;
mod logins;
mod online;
mod ratings;
pub mod reconcile;
mod seats;
mod sheets;
mod slips;
mod standing;
mod supervise;
mod throttle;
mod tokens;
mod trust;
mod view;

pub use accounts::{Issued, Persons};
pub use act::Preview;
pub use at_rest::AtRest;
pub use authority::LetterView;
pub use bundles::{BundleView, MemberView};
pub use catalogue::{CatalogueDiff, ItemChange};
pub use citizens::{APPLICANT, Citizen, May};
pub use countersign::SensitiveAct;
pub use day::{DayReport, DayRow};
pub use drafts::{Requests, paper_kind, sniff};
pub use editing::DraftView;
pub use error::ActError;
pub use exports::{AuditCursor, csv_cell};
pub use filling::{DraftForm, FieldName};
pub use hall::{Hall, PASSWORDS_AT_ONCE};
pub use library::LicenceView;
pub use logins::{LoginError, NewAccount, Officer, Proof};
pub use online::{LeftLying, NEEDS_A_VISIT, OnlineRequests, Waiting};
pub use ratings::{Rated, RectificationView};
pub use seats::{NewToken, Place, Seating};
pub use supervise::{AlertName, Scan, Sweep, Warning};
pub use throttle::Throttle;
pub use tokens::OpenToken;
pub use view::{CaseView, Due, FeeLine, Fees, NodeStatus, Outbox, ReadyStage};
