//! The town node (镇便民服务中心): checks what its villages send, keeps a durable copy, relays it, decides what is the town's.
//!
//! What it has in common with the other tiers is in `tier`; here is what is its own.

pub mod cli;
