//! What `tongban-verify` checks, for its tests.

pub mod audit;
