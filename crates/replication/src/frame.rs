//! What two nodes say to each other. The same frames go over a gRPC stream and into a bag file (上传包).

use crate::{Hash, JournalId, Position, Run};
use domain::{NodeId, Timestamp};

/// Version of the conversation; a peer with another major version is told so and left in peace.
pub const PROTOCOL: u32 = 2;

#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    Hello(Hello),
    Batch(Batch),
    /// What is owed to the peer when no batch goes its way.
    Acks(Vec<Ack>),
    /// "Send me these, though they flow from me": the speaker was restored and lacks what the peer has.
    Want(Vec<Wish>),
    Bye {
        reason: String,
    },
}

/// First frame in both directions: who speaks, and what it has of the journals the two keep in common.
#[derive(Clone, Debug, PartialEq)]
pub struct Hello {
    pub protocol: u32,
    pub node: NodeId,
    pub incarnation: u32,
    /// By the speaker's clock: the listener shows the difference, and decides nothing by it.
    pub clock: Timestamp,
    pub release: String,
    /// When the oldest entry was written that the speaker's parent has not confirmed.
    pub oldest_waiting: Option<Timestamp>,
    pub positions: Vec<(JournalId, Position)>,
}

/// Entries of a journal after a place, through a number.
#[derive(Clone, Debug, PartialEq)]
pub struct Wish {
    pub journal: JournalId,
    pub from: Position,
    pub through: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    pub no: u64,
    pub runs: Vec<Run>,
    /// What the speaker owes for batches that came the other way.
    pub acks: Vec<Ack>,
}

/// Told only after the entries are on disk: the receiver's positions, and what it could not take. With neither, every run of
/// the batch was taken and ends the journal it belongs to.
#[derive(Clone, Debug, PartialEq)]
pub struct Ack {
    pub no: u64,
    pub positions: Vec<(JournalId, Position)>,
    pub faults: Vec<(JournalId, RunFault)>,
}

/// Why a run was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunFault {
    /// Entries before it are missing; go back to this position.
    Gap {
        have: Position,
    },
    /// We hold another entry at this seq: a clone or a forgery. Both are kept, the journal is frozen.
    Fork {
        at: u64,
    },
    /// What we hold before the run begins otherwise than the sender says; send it again with the whole hash.
    OtherPrevious,
    BadSignature,
    /// Signed by a machine that was reported lost, after it was.
    Revoked,
    BadEntry(&'static str),
    /// Not enrolled as far as we know; try again when the node list has arrived.
    UnknownAuthor,
    /// This peer has no business sending that journal.
    NotYours,
    /// The receiver could not store it just now (disk full …).
    Storage,
}

impl RunFault {
    /// Worth sending again without anybody doing anything.
    pub fn is_passing(&self) -> bool {
        matches!(
            self,
            RunFault::Gap { .. } | RunFault::OtherPrevious | RunFault::UnknownAuthor | RunFault::Storage
        )
    }
    pub fn code(&self) -> &'static str {
        match self {
            RunFault::Gap { .. } => "gap",
            RunFault::Fork { .. } => "fork",
            RunFault::OtherPrevious => "other_previous",
            RunFault::BadSignature => "bad_signature",
            RunFault::Revoked => "revoked",
            RunFault::BadEntry(_) => "bad_entry",
            RunFault::UnknownAuthor => "unknown_author",
            RunFault::NotYours => "not_yours",
            RunFault::Storage => "storage",
        }
    }
}

impl std::fmt::Display for RunFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            RunFault::Gap { have } => write!(f, "gap: have {}", have.seq),
            RunFault::Fork { at } => write!(f, "fork at {at}"),
            RunFault::BadEntry(field) => write!(f, "bad entry: {field}"),
            other => f.write_str(other.code()),
        }
    }
}

impl Hash {
    /// The short form used in messages to people.
    pub fn short(&self) -> String {
        self.to_hex()[..12].to_owned()
    }
}
