//! Names and positions of journals (日志).

use crate::Hash;
use domain::NodeId;
use std::fmt;
use std::str::FromStr;

/// The three kinds of journal a node may write.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// To its ancestors.
    Up,
    /// To everybody below.
    All,
    /// To one node below.
    To(NodeId),
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Channel::Up => f.write_str("up"),
            Channel::All => f.write_str("all"),
            Channel::To(node) => write!(f, "to:{node}"),
        }
    }
}

impl FromStr for Channel {
    type Err = domain::ids::BadId;
    fn from_str(text: &str) -> Result<Channel, Self::Err> {
        match text {
            "up" => Ok(Channel::Up),
            "all" => Ok(Channel::All),
            _ => match text.strip_prefix("to:") {
                Some(node) => Ok(Channel::To(node.parse()?)),
                None => Err(domain::ids::BadId { kind: "channel", value: text.chars().take(40).collect() }),
            },
        }
    }
}

/// One journal: its author and channel.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JournalId {
    pub author: NodeId,
    pub channel: Channel,
}

impl JournalId {
    pub fn new(author: &NodeId, channel: Channel) -> JournalId {
        JournalId { author: author.clone(), channel }
    }
}
impl fmt::Display for JournalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.author, self.channel)
    }
}

/// How far a node has a journal: everything up to `seq` is stored and its last hash is `hash`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    pub epoch: u32,
    pub seq: u64,
    pub hash: Hash,
}

impl Position {
    pub const NONE: Position = Position { epoch: 0, seq: 0, hash: Hash::NONE };
}
