//! Carries out what `replication` decides: TLS, gRPC streams, batches packed with zstd, attachments, enrolment, bags.
//!
//! Promises: TLS 1.3 only, both sides proven by certificates of this city; nothing is acknowledged before the store says
//! it is durable; limits stand before allocation. Not here: what flows and in what order (`replication`).

pub mod bag;
pub mod codec;
pub mod credentials;
pub mod dial;
pub mod door;
pub mod enrol;
pub mod meter;
pub mod parcels;
pub mod quota;
mod room;
pub mod shell;
mod squeeze;
mod taking;
pub mod tls;

pub use dial::{LinkState, Uplink};
pub use shell::Node;
