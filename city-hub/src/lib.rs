//! The city hub (市政务服务中心): publishes the catalogue, enrols nodes, runs the approvals.
//!
//! What it has in common with the other tiers is in `tier`; here is what only the hub can do.

pub mod ca;
pub mod catalogue;
pub mod cli;
pub mod init;
mod nodes;
