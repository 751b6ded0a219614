//! Which journals two nodes of a link keep in common, and which way each flows.
//!
//! Up goes everything written below; down goes `all`, and `to:` the child and its subtree.

use crate::{Channel, JournalId};
use domain::NodeId;
use domain::network::Network;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Up,
    Down,
}

/// The way `journal` flows between `parent` and `child`; `None` when that link has no business with it.
pub fn direction(
    journal: &JournalId,
    parent: &NodeId,
    child: &NodeId,
    network: &Network,
) -> Option<Direction> {
    if network.is_within(&journal.author, child) {
        return Some(Direction::Up);
    }
    if !network.is_within(parent, &journal.author) {
        return None;
    }
    match &journal.channel {
        Channel::All => Some(Direction::Down),
        Channel::To(node) if network.is_within(node, child) => Some(Direction::Down),
        Channel::To(_) | Channel::Up => None,
    }
}
