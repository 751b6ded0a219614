//! The 1+10+100 network as data: who exists, who is whose parent, where each node stands.

use crate::{NodeId, Timestamp};
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

    pub fn chinese(self) -> &'static str {
        match self {
            Tier::Village => "村",
            Tier::Town => "镇",
            Tier::City => "市",
        }
    }

    /// Where applications are taken in unless a page says otherwise.
    pub(crate) fn village() -> Tier {
        Tier::Village
    }
    pub(crate) fn is_village(&self) -> bool {
        *self == Tier::Village
    }
}

/// How far the signatures of a machine count that was reported lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    pub since: Timestamp,
    /// By the channel of the journal, the last entry that counts. In a channel that is not named none does.
    pub through: BTreeMap<String, u64>,
}

impl Cut {
    pub fn covers(&self, channel: &str, seq: u64) -> bool {
        self.through.get(channel).is_some_and(|last| seq <= *last)
    }
}

/// Whether a node still belongs to the city. Both ends of it are the hub's to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    #[default]
    Active,
    /// Closed in good order (撤并): it is let in nowhere, and whatever it signed counts.
    Evicted,
    /// Lost or stolen (挂失): it is let in nowhere, and what its key signs beyond the cut is not believed.
    Banned,
}

impl Standing {
    fn is_active(&self) -> bool {
        *self == Standing::Active
    }
    /// Empty of a node like any other.
    pub fn chinese(self) -> &'static str {
        match self {
            Standing::Active => "",
            Standing::Evicted => "已撤并",
            Standing::Banned => "已挂失",
        }
    }
}

/// The key of a machine that was replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormerKey {
    pub incarnation: u32,
    pub sign_key: String,
    /// Of a machine that was reported lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut: Option<Cut>,
}

/// How people reach a counter (联系方式): shown to citizens who look for one, and to the counters below when they are cut off.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contact {
    /// Who is there.
    pub person: String,
    /// Digits, with spaces and hyphens as people write them.
    pub phone: String,
    /// When somebody is there, in words: 工作日 9:00–17:00.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hours: String,
}

impl Contact {
    /// What a telephone dials.
    pub fn dial(&self) -> String {
        self.phone.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect()
    }
}

/// What the hub publishes about one counter; `None` takes it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reached {
    pub node: NodeId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<Contact>,
}

impl Contact {
    /// What is wrong with it, and how to mend it; `None` when it can be published.
    pub fn fault(&self) -> Option<&'static str> {
        let digits = self.phone.chars().filter(char::is_ascii_digit).count();
        let plain = |c: char| c.is_ascii_digit() || matches!(c, '-' | ' ' | '+');
        let plain_text = |text: &str| !text.chars().any(char::is_control);
        match () {
            () if self.person.trim().is_empty() || self.person.chars().count() > 30 => {
                Some("请写明联系人,不超过 30 字")
            }
            () if !(5..=15).contains(&digits) || !self.phone.chars().all(plain) => {
                Some("电话应为 5 至 15 位数字,可带空格和短横")
            }
            () if self.hours.chars().count() > 60 => Some("服务时间不超过 60 字"),
            () if !plain_text(&self.person) || !plain_text(&self.hours) => Some("联系方式只能写一行"),
            () => None,
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
    #[serde(default, skip_serializing_if = "Standing::is_active")]
    pub standing: Standing,
    /// Of the present key, once the node is banned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut: Option<Cut>,
    /// Keys of the machines before this one, oldest first: what they signed is read for ever.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<FormerKey>,
    /// Said in entries of its own ([`Reached`]): who corrects a telephone number has no say in who is let in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact: Option<Contact>,
}

impl NodeRecord {
    /// The first machine of a place.
    pub fn first(
        id: NodeId,
        tier: Tier,
        parent: Option<NodeId>,
        place: impl Into<String>,
        name: impl Into<String>,
        sign_key: impl Into<String>,
    ) -> NodeRecord {
        NodeRecord {
            id,
            tier,
            parent,
            place: place.into(),
            name: name.into(),
            sign_key: sign_key.into(),
            incarnation: 1,
            standing: Standing::Active,
            cut: None,
            earlier: Vec::new(),
            contact: None,
        }
    }

    /// The record of the machine that takes the place of this one.
    pub fn replaced_by(&self, sign_key: impl Into<String>) -> NodeRecord {
        let former = FormerKey {
            incarnation: self.incarnation,
            sign_key: self.sign_key.clone(),
            cut: self.cut.clone(),
        };
        NodeRecord {
            sign_key: sign_key.into(),
            incarnation: self.incarnation + 1,
            standing: Standing::Active,
            cut: None,
            earlier: self.earlier.iter().cloned().chain([former]).collect(),
            ..self.clone()
        }
    }

    /// All keys this node ever had, the present one first, each with how far it counts.
    pub fn keys(&self) -> impl Iterator<Item = (&str, Option<&Cut>)> {
        let earlier = self.earlier.iter().rev().map(|former| (former.sign_key.as_str(), former.cut.as_ref()));
        std::iter::once((self.sign_key.as_str(), self.cut.as_ref())).chain(earlier)
    }

    /// How far the machine before this one counts, if it was reported lost.
    pub fn lost_before(&self) -> Option<&Cut> {
        self.earlier.last()?.cut.as_ref()
    }

    /// Whether a machine that says it is of this incarnation is let in.
    pub fn lets_in(&self, incarnation: u32) -> bool {
        self.standing == Standing::Active && incarnation == self.incarnation
    }
}

/// Every known node. Small (111 records for a city), so it is kept whole in memory.
#[derive(Debug, Clone, Default)]
pub struct Network {
    nodes: BTreeMap<NodeId, NodeRecord>,
}

impl Network {
    /// Adds or replaces a record; one of a lower incarnation than the known, or with another key for the same, is not taken
    /// (I12).
    pub fn insert(&mut self, record: NodeRecord) {
        if self.takes(&record) {
            self.nodes.insert(record.id.clone(), record);
        }
    }
    pub fn takes(&self, record: &NodeRecord) -> bool {
        let Some(known) = self.nodes.get(&record.id) else { return true };
        known.incarnation < record.incarnation
            || known.incarnation == record.incarnation && known.sign_key == record.sign_key
    }
    pub fn get(&self, id: &NodeId) -> Option<&NodeRecord> {
        self.nodes.get(id)
    }
    /// As people call it; of a node that is not known here, its id.
    pub fn name_of(&self, id: &NodeId) -> String {
        self.get(id).map_or_else(|| id.to_string(), |node| node.name.clone())
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
    /// Towns whose windows take in applications.
    pub fn open_towns(&self) -> impl Iterator<Item = &NodeRecord> {
        self.iter().filter(|node| node.tier == Tier::Town && node.standing == Standing::Active)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_that_is_known_keeps_its_key_and_incarnations_only_grow() {
        let id: NodeId = "v-1".parse().expect("an id");
        let first = NodeRecord::first(id.clone(), Tier::Village, None, "522601108201", "v", "aa");
        let mut network = Network::default();
        network.insert(first.clone());
        assert!(network.takes(&NodeRecord { name: "another name".into(), ..first.clone() }));
        let other_key = NodeRecord { sign_key: "bb".into(), ..first.clone() };
        assert!(!network.takes(&other_key), "I24: a key comes with a machine, and a machine with a number");
        let second = first.replaced_by("bb");
        assert!(network.takes(&second));
        network.insert(second);
        assert!(!network.takes(&first), "I12: the machine before it does not come back");
    }
}
