//! Custody receipts (收讫回执) and the four ticks an officer sees.
//!
//! Each tick is computed from a verified receipt or page, never from the absence of an error.

use crate::{Hash, Position};
use serde::{Deserialize, Serialize};

/// "I have the journal `up` of `author` through epoch e, seq n, hash h": the body of a `receipt` entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Custody {
    pub author: domain::NodeId,
    pub epoch: u32,
    pub seq: u64,
    /// Hexadecimal.
    pub hash: String,
}

impl Custody {
    pub fn of(author: &domain::NodeId, position: Position) -> Custody {
        Custody {
            author: author.clone(),
            epoch: position.epoch,
            seq: position.seq,
            hash: position.hash.to_hex(),
        }
    }
    /// True when the receipt names the very entry that stands at its seq in our journal.
    pub fn matches(&self, our_hash: Option<Hash>) -> bool {
        our_hash.is_some_and(|hash| hash.to_hex() == self.hash)
    }
}

/// 已存本机 · 镇已收 · 市已收 · 已受理.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Ticks {
    pub here: bool,
    pub town: bool,
    pub hub: bool,
    pub accepted: bool,
}

impl Ticks {
    /// `captured_seq`: where the capture stands in the village's journal; receipts are cumulative.
    pub fn of(captured_seq: u64, town_through: u64, hub_through: u64, accepted: bool) -> Ticks {
        let hub = hub_through >= captured_seq;
        // The hub can only have it by way of a town; a receipt lost on the way down does not make that untrue.
        Ticks { here: true, town: hub || town_through >= captured_seq, hub, accepted }
    }
    pub fn chinese(self) -> &'static str {
        match self {
            Ticks { accepted: true, .. } => "已受理",
            Ticks { hub: true, .. } => "市已收",
            Ticks { town: true, .. } => "镇已收",
            Ticks { .. } => "仅存本机",
        }
    }
}
