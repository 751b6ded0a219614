//! Seats in the network (入网): a token keeps one for a machine, and the machine that brings it takes it, once.

use crate::{ActError, Hall};
use domain::network::{NodeRecord, Standing, Tier};
use domain::{NodeId, Timestamp};
use serde::{Deserialize, Serialize};
use store::{Append, Enrolment, kind};
use trust::JoinToken;

/// Where a new node will stand.
#[derive(Debug, Clone, Deserialize)]
pub struct Place {
    pub tier: Tier,
    /// Division code.
    pub place: String,
    /// For a village: the town node it dials; that of its town if left out. A town's parent is the hub.
    #[serde(default)]
    pub parent: Option<NodeId>,
}

/// A token as shown to the administrator, once.
#[derive(Debug, Clone, Serialize)]
pub struct NewToken {
    #[serde(rename = "token")]
    pub line: String,
    pub node: NodeId,
    pub name: String,
}

/// For whom a token is.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Seating {
    /// The first machine of a place.
    At(Place),
    /// The machine that takes the place of a node's present one: its disk died, it was lost, or it is old. It takes the node's
    /// journals back from its neighbours; the old one is let in no more once it has joined.
    InPlaceOf { node: NodeId },
}

pub(crate) fn unfit(reason: impl Into<String>) -> ActError {
    ActError::Unfit { what: "token", reason: reason.into() }
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
    /// Keeps a seat and makes the token that fills it, for whoever stands at the machine; a page asks with [`Hall::sign_token`].
    ///
    /// # Errors
    /// [`ActError::NotFound`] for a division, parent or node that does not exist; [`ActError::Unfit`] for a machine that has no
    /// token to its name: the hub's, and that of a closed place.
    pub async fn issue_token(
        &self,
        by: &str,
        seating: &Seating,
        ca_fingerprint: &str,
        ttl_ms: i64,
    ) -> Result<NewToken, ActError> {
        self.only_at(Tier::City, "发放入网令牌")?;
        let seat = match seating {
            Seating::At(place) => self.new_seat(place)?,
            Seating::InPlaceOf { node } => self.next_seat(node)?,
        };
        self.keep_free(by, seat, ca_fingerprint, ttl_ms).await
    }

    /// A seat where no machine has been.
    fn new_seat(&self, Place { tier, place, parent }: &Place) -> Result<Seat, ActError> {
        let (_, pack) = self.pack(None)?;
        let division = pack
            .divisions
            .get(place)
            .ok_or_else(|| ActError::NotFound { what: "行政区划", value: place.clone() })?;
        let network = self.store.network();
        let parent = match (tier, parent) {
            (Tier::Town, _) => self.me().clone(),
            (Tier::Village, Some(parent)) => parent.clone(),
            (Tier::Village, None) => {
                let town = network.open_towns().find(|node| Some(&node.place) == division.parent.as_ref());
                let town = town.ok_or_else(|| ActError::NotFound {
                    what: "该村所属镇的节点(请先让镇入网)",
                    value: place.clone(),
                })?;
                town.id.clone()
            }
            (Tier::City, _) => return Err(unfit("市级节点只有一个")),
        };
        let expected = if *tier == Tier::Town { Tier::City } else { Tier::Town };
        let fits = |node: &NodeRecord| node.tier == expected && node.standing == Standing::Active;
        if !network.get(&parent).is_some_and(fits) {
            return Err(ActError::NotFound { what: "上级节点", value: parent.to_string() });
        }
        let (node, name) = (self.free_node_id(*tier), pack.divisions.full_name(place));
        Ok(Seat { node, tier: *tier, parent, place: place.clone(), name, incarnation: 1 })
    }

    /// The seat of a node whose machine is replaced.
    fn next_seat(&self, node: &NodeId) -> Result<Seat, ActError> {
        let record = self.replaceable(node)?;
        Ok(Seat {
            node: record.id,
            tier: record.tier,
            parent: record.parent.unwrap_or_else(|| self.me().clone()),
            place: record.place,
            name: record.name,
            incarnation: record.incarnation + 1,
        })
    }

    /// Keeps a seat for whoever brings the token, which only they will have.
    async fn keep_free(
        &self,
        by: &str,
        seat: Seat,
        ca_fingerprint: &str,
        ttl_ms: i64,
    ) -> Result<NewToken, ActError> {
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
            by: by.to_owned(),
            issued: self.now(),
            voided: None,
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
        if enrolment.voided.is_some() {
            return Err(unfit("令牌已作废;请向市级管理员申请新令牌"));
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
                return Err(unfit(format!("令牌与节点现状不符({node} {state});请向市级管理员申请新令牌")));
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
}
