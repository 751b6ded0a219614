//! How much a child may bring in a day, so that one that went mad, or was taken over, fills nobody's disk (I39).
//!
//! Nothing is refused for good: what is over the day's allowance is offered again and taken as the allowance grows. Measured
//! generously: a village with fifty cases a day brings in a week what it may bring in an hour of any day. A node that takes
//! back its own after a restore is not measured, and neither is what comes from above: a whole history may come at once.
//! Pure: time is an argument.

use domain::network::Network;
use domain::{NodeId, Timestamp};
use std::collections::BTreeMap;

/// Bytes of entries a day, for every node at or below the child.
pub const ENTRY_BYTES_A_DAY: u64 = 64 * 1024 * 1024;
/// Bytes of attachments a day, for every node at or below the child.
pub const ATTACHMENT_BYTES_A_DAY: u64 = 2 * 1024 * 1024 * 1024;
/// Free space that only this node's own work may use: what neighbours bring waits with them (I40).
pub const RESERVE_BYTES: u64 = 128 * 1024 * 1024;

const DAY_MS: i64 = 86_400_000;

/// What is measured by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Goods {
    Entries,
    Attachments,
}

impl Goods {
    fn a_day(self) -> u64 {
        match self {
            Goods::Entries => ENTRY_BYTES_A_DAY,
            Goods::Attachments => ATTACHMENT_BYTES_A_DAY,
        }
    }
}

/// What is left of the allowance of one child, at a time.
#[derive(Debug, Clone, Copy)]
struct Left {
    bytes: u64,
    at: Timestamp,
    /// Whether somebody was told that it is used up.
    told: bool,
}

/// Whether something may be taken now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Take,
    /// Later. `first`: it is used up since just now, which an operator should know.
    Wait {
        first: bool,
    },
}

/// The allowances of all children.
#[derive(Debug, Default)]
pub struct Allowance(BTreeMap<(NodeId, Goods), Left>);

impl Allowance {
    /// Whether anything is left to `child` of the day that `nodes` nodes have. A piece may be larger than what is left: one that is
    /// larger than a small allowance ever holds must not wait for ever.
    pub fn is_open(&mut self, child: &NodeId, goods: Goods, nodes: usize, now: Timestamp) -> Verdict {
        let most = goods.a_day().saturating_mul(nodes as u64);
        let full = Left { bytes: most, at: now, told: false };
        let left = self.0.entry((child.clone(), goods)).or_insert(full);
        // A clock that was set back gives nothing, and takes nothing either.
        let passed = now.since(left.at).clamp(0, DAY_MS) as u64;
        let grown = (u128::from(most) * u128::from(passed) / DAY_MS as u128) as u64;
        if grown > 0 || now < left.at {
            left.bytes = left.bytes.saturating_add(grown).min(most);
            left.at = now;
        }
        if left.bytes == 0 {
            let first = !std::mem::replace(&mut left.told, true);
            return Verdict::Wait { first };
        }
        // Told again only after more than half of it has grown back.
        left.told &= left.bytes <= most / 2;
        Verdict::Take
    }

    /// So much has come, after [`Allowance::is_open`] let it.
    pub fn take(&mut self, child: &NodeId, goods: Goods, bytes: u64) {
        if let Some(left) = self.0.get_mut(&(child.clone(), goods)) {
            left.bytes = left.bytes.saturating_sub(bytes);
        }
    }
}

/// How many nodes a child speaks for: itself and what lies below it.
pub fn nodes_of(network: &Network, child: &NodeId) -> usize {
    network.iter().filter(|node| network.is_within(&node.id, child)).count().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_ms(1_700_000_000_000 + hours * 3_600_000)
    }

    /// A piece comes, if it is let.
    fn bring(allowance: &mut Allowance, child: &NodeId, bytes: u64, now: Timestamp) -> Verdict {
        let verdict = allowance.is_open(child, Goods::Entries, 1, now);
        if verdict == Verdict::Take {
            allowance.take(child, Goods::Entries, bytes);
        }
        verdict
    }

    #[test]
    fn a_child_that_went_mad_brings_a_days_allowance_and_then_what_grows() {
        let (mut allowance, child) = (Allowance::default(), "v-1".parse().unwrap());
        let mut brought = 0;
        let batch = 512 * 1024;
        let mut drain = |hours: i64| {
            let (mut count, mut told) = (0u64, 0);
            loop {
                match bring(&mut allowance, &child, batch, at(hours)) {
                    Verdict::Take => count += batch,
                    Verdict::Wait { first } => {
                        told += u32::from(first);
                        break;
                    }
                }
            }
            brought += count;
            (count, told)
        };
        assert_eq!(drain(0), (ENTRY_BYTES_A_DAY, 1), "I39: the operator is told once");
        assert_eq!(drain(0), (0, 0));
        let (later, told) = drain(12);
        assert!(later.abs_diff(ENTRY_BYTES_A_DAY / 2) <= batch && told == 0, "{later}");
        let (next, _) = drain(24 * 30);
        assert!(next <= ENTRY_BYTES_A_DAY + batch, "what was not used is not saved up");
        assert!(brought <= 3 * ENTRY_BYTES_A_DAY);
        let other = "v-2".parse().unwrap();
        assert_eq!(bring(&mut allowance, &other, batch, at(0)), Verdict::Take, "nobody else waits");
    }

    #[test]
    fn one_piece_larger_than_the_allowance_does_not_wait_for_ever_and_a_clock_set_back_gives_nothing() {
        let (mut allowance, child) = (Allowance::default(), "v-1".parse().unwrap());
        let mut bring = |bytes, hours| bring(&mut allowance, &child, bytes, at(hours));
        assert_eq!(bring(3 * ENTRY_BYTES_A_DAY, 10), Verdict::Take);
        assert_eq!(bring(1, 10), Verdict::Wait { first: true });
        assert_eq!(bring(1, 5), Verdict::Wait { first: false });
        assert_eq!(bring(1, 6), Verdict::Take, "an hour later by whatever clock");
    }
}
