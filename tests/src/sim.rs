//! A whole city in one thread under virtual time: real domain, replication, casework and SQLite; the lines between the
//! nodes are the only thing played. Everything follows from the seed, so a failing one replays.
//!
//! What is checked, and against what: an oracle of every success told to an officer or a neighbour, kept outside all nodes.

mod checks;
mod faults;
mod images;
mod line;
mod node;
pub(crate) mod people;
mod restoring;
mod traffic;
mod world;

pub use images::{Images, images};
pub use world::{Outcome, Plan, frames, run};
