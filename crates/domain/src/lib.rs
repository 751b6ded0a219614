//! The rules of the service hall, and nothing else: ids, catalogue, forms, working days, dossiers.
//!
//! Pure: no I/O, no clock, no randomness; everything that varies is an argument, so village, town and hub
//! reach the same answer from the same pages. Not here: how pages travel (`replication`), where they are kept
//! (`store`), who may log in (`trust`).

pub mod access;
pub mod application;
pub mod bundle;
pub mod calendar;
pub mod catalogue;
pub mod clock;
pub mod delegation;
pub mod delivery;
pub mod division;
pub mod dossier;
pub mod duty;
pub mod expr;
pub mod fee;
pub mod form;
pub mod green;
pub mod ids;
pub mod inspection;
pub mod library;
pub mod network;
pub mod numbers;
pub mod pack;
pub mod paper;
pub mod plan;
pub mod rating;
pub mod seams;
pub mod sheet;
pub mod standards;
pub mod supervision;
pub mod ticket;
pub mod time;
pub mod tolerance;
pub mod trust_bundle;

pub use ids::{CaseNo, EntryId, ItemId, LicenceNo, MaterialId, NodeId, OrgId, StageId};
pub use time::{Day, Timestamp};
