//! What the three binaries have in common: opening a node's data, serving it, and the verbs every tier has.
//!
//! A tier's own crate says what is special about it; whoever knows one knows all three.

pub mod at_rest;
pub mod backup;
mod certificate;
pub mod cli;
pub mod doctor;
pub mod join;
mod keeping;
mod paper;
pub mod persons;
mod rounds;
pub mod serve;
pub mod users;
pub mod verbs;

pub use cli::{Common, TwoPersons, Verb};
pub use serve::{Parts, Running, Start, start};
