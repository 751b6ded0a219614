//! The 1+10+100 network as data: who exists, who is whose parent, where each node stands.

use crate::NodeId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tier {
    Village,
    Town,
    City,
}

impl Tier {
    pub fn as_str(self) -> &'static str {
        match self {
            Tier::Village => "village",
            Tier::Town => "town",
            Tier::City => "city",
        }
    }
}

/// A node as the hub enrolled it. Published to everybody, so that everybody can check everybody's signatures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecord {
    pub id: NodeId,
    pub tier: Tier,
    /// The node it dials; none for the hub.
    pub parent: Option<NodeId>,
    /// Division code at the time of enrolment: a dated attribute, not an identity.
    pub place: String,
    pub name: String,
    /// Hexadecimal Ed25519 key that signs this node's journals.
    pub sign_key: String,
    /// Grows with every re-enrolment (I12).
    pub incarnation: u32,
}

/// Every known node. Small (111 records for a city), so it is kept whole in memory.
#[derive(Debug, Clone, Default)]
pub struct Network {
    nodes: BTreeMap<NodeId, NodeRecord>,
}

impl Network {
    /// Adds or replaces a record; a lower incarnation than the known one is ignored (I12).
    pub fn insert(&mut self, record: NodeRecord) {
        if self.nodes.get(&record.id).is_none_or(|known| known.incarnation <= record.incarnation) {
            self.nodes.insert(record.id.clone(), record);
        }
    }
    pub fn get(&self, id: &NodeId) -> Option<&NodeRecord> {
        self.nodes.get(id)
    }
    pub fn iter(&self) -> impl Iterator<Item = &NodeRecord> {
        self.nodes.values()
    }
    pub fn parent(&self, id: &NodeId) -> Option<&NodeId> {
        self.nodes.get(id)?.parent.as_ref()
    }
    pub fn children<'a>(&'a self, id: &'a NodeId) -> impl Iterator<Item = &'a NodeRecord> {
        self.nodes.values().filter(move |node| node.parent.as_ref() == Some(id))
    }
    /// True when `node` is `root` or stands below it.
    pub fn is_within(&self, node: &NodeId, root: &NodeId) -> bool {
        // Four steps are one more than the network is deep: a loop in the records cannot hang us.
        let mut at = Some(node);
        for _ in 0..4 {
            match at {
                Some(id) if id == root => return true,
                Some(id) => at = self.parent(id),
                None => return false,
            }
        }
        false
    }
    /// True when `above` stands strictly above `node`.
    pub fn is_above(&self, above: &NodeId, node: &NodeId) -> bool {
        above != node && self.is_within(node, above)
    }
    /// The node of `tier` that is responsible for a case of `origin`: itself or one of its ancestors.
    pub fn responsible<'a>(&'a self, origin: &'a NodeId, tier: Tier) -> Option<&'a NodeId> {
        let mut at = self.nodes.get(origin)?;
        for _ in 0..4 {
            if at.tier == tier {
                return Some(&at.id);
            }
            at = self.nodes.get(at.parent.as_ref()?)?;
        }
        None
    }
}
