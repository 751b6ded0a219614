//! What only the hub does: publish the city pack, enrol nodes.

use crate::{ActError, Hall};
use domain::network::{NodeRecord, Tier};
use domain::{EntryId, NodeId, Timestamp};
use replication::Channel;
use store::{Append, Enrolment, NewEntry, kind};
use trust::JoinToken;

/// Where a new node will stand.
#[derive(Debug, Clone)]
pub struct Place {
    pub tier: Tier,
    /// Division code.
    pub place: String,
    /// For a village: the town node it dials. A town's parent is the hub.
    pub parent: Option<NodeId>,
}

/// A token as shown to the administrator, once.
#[derive(Debug, Clone)]
pub struct NewToken {
    pub line: String,
    pub node: NodeId,
    pub name: String,
}

/// A place in the network for one machine.
struct Seat {
    node: NodeId,
    tier: Tier,
    parent: NodeId,
    place: String,
    name: String,
    incarnation: u32,
}

impl Hall {
    pub(crate) fn hub_append(&self, action: &'static str, officer: &str, entries: Vec<NewEntry>) -> Append {
        Append::new(self.now(), officer, action, entries)
    }

    pub(crate) fn all_entry(
        &self,
        kind: &'static str,
        subject: String,
        body: &impl serde::Serialize,
    ) -> Result<NewEntry, ActError> {
        let body =
            serde_json::to_vec(body).map_err(|e| ActError::Unfit { what: "entry", reason: e.to_string() })?;
        Ok(NewEntry { id: self.random.entry_id(self.now()), channel: Channel::All, kind, subject, body })
    }

    /// Introduces the hub itself: the first entry of its journal to all.
    ///
    /// # Errors
    /// [`ActError::Store`].
    pub async fn introduce(&self, record: NodeRecord) -> Result<(), ActError> {
        if self.store.network().get(&record.id).is_some() {
            return Ok(());
        }
        let entry = self.all_entry(kind::NODE, record.id.to_string(), &record)?;
        self.store.append(self.hub_append("introduce", "", vec![entry])).await?;
        Ok(())
    }

    /// Prepares a place for one new node and makes the token that fills it.
    ///
    /// # Errors
    /// [`ActError::NotFound`] for a division or parent that does not exist.
    pub async fn enrol_token(
        &self,
        place: Place,
        ca_fingerprint: &str,
        ttl_ms: i64,
    ) -> Result<NewToken, ActError> {
        self.only_at(Tier::City, "发放入网令牌")?;
        let (_, pack) = self.pack(None)?;
        let division = pack
            .divisions
            .get(&place.place)
            .ok_or_else(|| ActError::NotFound { what: "行政区划", value: place.place.clone() })?;
        let network = self.store.network();
        let parent = match (place.tier, place.parent) {
            (Tier::Town, _) => self.me().clone(),
            (Tier::Village, Some(parent)) => parent,
            (Tier::Village, None) => {
                let town = network
                    .iter()
                    .find(|node| node.tier == Tier::Town && Some(&node.place) == division.parent.as_ref());
                let town = town.ok_or_else(|| ActError::NotFound {
                    what: "该村所属镇的节点(请先让镇入网)",
                    value: place.place.clone(),
                })?;
                town.id.clone()
            }
            (Tier::City, _) => {
                return Err(ActError::Unfit { what: "tier", reason: "市级节点只有一个".to_owned() });
            }
        };
        let expected = if place.tier == Tier::Town { Tier::City } else { Tier::Town };
        if network.get(&parent).is_none_or(|node| node.tier != expected) {
            return Err(ActError::NotFound { what: "上级节点", value: parent.to_string() });
        }
        let name = pack.divisions.full_name(&place.place);
        let seat = Seat {
            node: self.free_node_id(place.tier),
            tier: place.tier,
            parent,
            place: place.place,
            name,
            incarnation: 1,
        };
        self.keep_free(seat, ca_fingerprint, ttl_ms).await
    }

    /// A token for the machine that takes the place of another one of the same node: its disk died, it was lost, or it is old.
    /// The new machine takes the node's journals back from its neighbours; the old one is let in no more once it has joined.
    ///
    /// # Errors
    /// [`ActError::NotFound`] for a node that was never enrolled, [`ActError::Unfit`] for the hub and for one that was closed.
    pub async fn replacement_token(
        &self,
        node: &NodeId,
        ca_fingerprint: &str,
        ttl_ms: i64,
    ) -> Result<NewToken, ActError> {
        self.only_at(Tier::City, "发放入网令牌")?;
        let record = self.replaceable(node)?;
        let seat = Seat {
            node: record.id,
            tier: record.tier,
            parent: record.parent.unwrap_or_else(|| self.me().clone()),
            place: record.place,
            name: record.name,
            incarnation: record.incarnation + 1,
        };
        self.keep_free(seat, ca_fingerprint, ttl_ms).await
    }

    /// Keeps a seat for whoever brings the token, which only they will have.
    async fn keep_free(&self, seat: Seat, ca_fingerprint: &str, ttl_ms: i64) -> Result<NewToken, ActError> {
        let Seat { node, tier, parent, place, name, incarnation } = seat;
        let mut secret = [0; 16];
        self.random.fill(&mut secret);
        let token = JoinToken {
            node: node.clone(),
            tier,
            city: self.city.clone(),
            ca: ca_fingerprint.to_owned(),
            secret: trust::hex(&secret),
            expires: self.now().plus_ms(ttl_ms),
        };
        let enrolment = Enrolment {
            secret_hash: token.secret_hash(),
            node: node.clone(),
            tier,
            parent,
            place,
            name: name.clone(),
            expires: token.expires,
            used: None,
            incarnation,
        };
        self.store.put_enrolment(enrolment).await?;
        Ok(NewToken { line: token.encode(), node, name })
    }

    fn free_node_id(&self, tier: Tier) -> NodeId {
        let prefix = if tier == Tier::Town { "t" } else { "v" };
        let network = self.store.network();
        loop {
            let bits = self.random.u64();
            let tail: String = (0..8)
                .map(|i| {
                    (domain::ids::CROCKFORD[(bits >> (5 * i)) as usize & 31] as char).to_ascii_lowercase()
                })
                .collect();
            let id: NodeId = format!("{prefix}-{tail}").parse().expect("lower-case letters and digits");
            // Case numbers carry the code, so no two nodes may share one.
            if network.iter().all(|node| node.id.code() != id.code()) {
                return id;
            }
        }
    }

    /// Lets a node in: uses up its token and publishes its record, in one durable step (I27).
    ///
    /// # Errors
    /// [`ActError::Unfit`] saying whether the token is unknown, expired or used, and what to do.
    pub async fn admit(
        &self,
        secret_hash: &str,
        node: &NodeId,
        sign_key: &str,
    ) -> Result<(NodeRecord, Vec<NodeRecord>), ActError> {
        let unfit = |reason: &str| ActError::Unfit { what: "token", reason: reason.to_owned() };
        let enrolment = self
            .store
            .enrolment(secret_hash)
            .await?
            .ok_or_else(|| unfit("令牌无效:不是本市发放的,或抄写有误"))?;
        if enrolment.node != *node {
            return Err(unfit("令牌与节点不符"));
        }
        if enrolment.used.is_some() {
            return Err(unfit("令牌已用过一次;请向市级管理员申请新令牌 (city-hub enroll-token)"));
        }
        if enrolment.expires < self.now() {
            return Err(unfit("令牌已过期;请向市级管理员申请新令牌 (city-hub enroll-token)"));
        }
        if trust::unhex(sign_key).is_none_or(|key| key.len() != 32) {
            return Err(unfit("签名公钥格式不对"));
        }
        let record = match (self.store.network().get(node), enrolment.incarnation) {
            (None, 1) => {
                let Enrolment { node, tier, parent, place, name, .. } = enrolment;
                NodeRecord::first(node, tier, Some(parent), place, name, sign_key)
            }
            (Some(known), next) if known.incarnation + 1 == next => known.replaced_by(sign_key),
            (known, _) => {
                let state = known.map_or("还没有入网".to_owned(), |known| {
                    format!("已是第 {} 台机器", known.incarnation)
                });
                return Err(unfit(&format!("令牌与节点现状不符({node} {state});请向市级管理员申请新令牌")));
            }
        };
        let entry = self.all_entry(kind::NODE, record.id.to_string(), &record)?;
        let append = Append {
            consumes_enrolment: Some(secret_hash.to_owned()),
            ..self.hub_append("admit", "", vec![entry])
        };
        self.store.append(append).await?;
        let network = self.store.network();
        let mut known = Vec::new();
        let mut at = record.parent.clone();
        while let Some(above) = at.and_then(|id| network.get(&id)) {
            known.push(above.clone());
            at = above.parent.clone();
        }
        Ok((record, known))
    }

    /// For a retry of an admission whose answer was lost on the way: the same key may ask again.
    ///
    /// # Errors
    /// [`ActError::Store`].
    pub async fn admitted_before(
        &self,
        secret_hash: &str,
        node: &NodeId,
        sign_key: &str,
        now: Timestamp,
    ) -> Result<Option<NodeRecord>, ActError> {
        let enrolment = self.store.enrolment(secret_hash).await?.filter(|enrolment| enrolment.node == *node);
        let Some(enrolment) = enrolment else { return Ok(None) };
        let fresh = enrolment.used.is_some_and(|used| now.since(used) < 10 * 60_000);
        let record = self.store.network().get(&enrolment.node).cloned();
        Ok(record.filter(|record| fresh && record.sign_key == sign_key))
    }

    #[doc(hidden)]
    pub fn fresh_id(&self) -> EntryId {
        self.random.entry_id(self.now())
    }
}
