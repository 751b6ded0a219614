//! A node that was restored from a backup, and what it waits for before it goes on.

use crate::StoreError;
use domain::{NodeId, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Numbers (of papers, licences, ledgers) that a restored node leaves out in every series, beside those it knows of: as many
/// may have been given since the backup without leaving the machine (I20).
pub const NUMBERS_LEFT_OUT: u64 = 100;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhyRecovering {
    /// A neighbour has more of our own journals than we do: the disk is an older one.
    Behind,
    /// Somebody restored a backup, and said so.
    Restored,
    /// Another copy of this node has taken its place. Only a person says which one goes on.
    Superseded,
}

/// Present from the moment a node knows that its disk may be older than what it told others, until it has taken everything
/// back and opened a new epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    pub since: Timestamp,
    pub why: WhyRecovering,
    /// Neighbours that have not yet said what they have of our journals.
    pub awaited: BTreeSet<NodeId>,
    /// True while nothing of our own may be written.
    pub closed: bool,
    /// Pages with numbers (of papers, licences) that have come back so far.
    #[serde(default)]
    pub numbered_pages: u64,
}

impl Recovery {
    pub fn new(since: Timestamp, why: WhyRecovering, awaited: BTreeSet<NodeId>, closed: bool) -> Recovery {
        Recovery { since, why, awaited, closed, numbered_pages: 0 }
    }

    /// Two reasons to recover are one recovery. What a person decided outweighs what was noticed.
    pub fn joined(self, other: Recovery) -> Recovery {
        use WhyRecovering::{Behind, Restored, Superseded};
        let why = match (self.why, other.why) {
            (Restored, _) | (_, Restored) => Restored,
            (Superseded, _) | (_, Superseded) => Superseded,
            (Behind, Behind) => Behind,
        };
        let awaited = self.awaited.into_iter().chain(other.awaited).collect();
        let numbered_pages = self.numbered_pages.max(other.numbered_pages);
        let since = self.since.min(other.since);
        Recovery { since, why, awaited, closed: self.closed || other.closed, numbered_pages }
    }

    /// True when a neighbour's longer history of our own journals may be taken for ours.
    pub fn takes_back(&self) -> bool {
        self.why != WhyRecovering::Superseded
    }

    /// Why nothing of our own may be written now.
    ///
    /// # Errors
    /// [`StoreError::Superseded`] or [`StoreError::Recovering`], for the person who wanted to.
    pub fn may_write(&self) -> Result<(), StoreError> {
        match self.why {
            WhyRecovering::Superseded => Err(StoreError::Superseded),
            _ if self.closed => Err(StoreError::Recovering { awaited: self.awaited_names() }),
            _ => Ok(()),
        }
    }

    pub fn awaited_names(&self) -> String {
        self.awaited.iter().map(NodeId::as_str).collect::<Vec<_>>().join("、")
    }
}
