//! Reconciliation (对账): for every village and every town's own window, captured = at town = at hub, or the difference with its
//! reason.
//!
//! Nothing here is believed because somebody says so: what a town has is what its signed receipts say, what a village has
//! written is what its journal or its receipts show. A difference that a day does not explain is a finding: the town is cut off
//! from the hub, or it keeps back what it took (I30).

use crate::view::signed_by;
use crate::{ActError, Hall};
use domain::network::{NodeRecord, Standing, Tier};
use domain::{CaseNo, NodeId, Timestamp};
use replication::{Channel, JournalId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use store::{Append, NewEntry, Quarantined, StoreError, kind};
use trust::ReceiptClaim;

/// What is receipted by a town and not at the hub is on its way for so long, and withheld after that.
pub const WITHHELD_AFTER_MS: i64 = 24 * 3_600_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// Everything the village wrote is at the hub.
    Balanced,
    /// Written and not at the town yet, or at the town for less than a day.
    OnTheWay,
    /// Something of this village was set aside with a reason, here.
    Quarantined,
    /// The town has had it for more than a day, and the hub has it not.
    Withheld,
}

impl Balance {
    pub fn chinese(self) -> &'static str {
        match self {
            Balance::Balanced => "平",
            Balance::OnTheWay => "在途",
            Balance::Quarantined => "有隔离",
            Balance::Withheld => "镇收市未收逾一天",
        }
    }
}

/// Entries of a village's journal, and the cases captured in them; `None` where this node lacks the entries to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Amount {
    pub entries: u64,
    pub cases: Option<u64>,
}

#[derive(Debug, Clone, Serialize)]
pub struct VillageBalance {
    pub village: NodeId,
    pub name: String,
    pub town: Option<NodeId>,
    /// As far as this node has heard: from the village itself, its town's report, or its entries.
    pub captured: Amount,
    pub at_town: Amount,
    pub at_hub: Amount,
    /// Incidents here about this village's journals.
    pub quarantined: u64,
    pub balance: Balance,
    /// Since when the oldest of the difference waits where it is.
    pub since: Option<Timestamp>,
}

/// One node's reconciliation of the villages at and below it.
#[derive(Debug, Clone, Serialize)]
pub struct Reconciliation {
    pub at: Timestamp,
    pub node: NodeId,
    /// How many places are in each state.
    pub totals: BTreeMap<Balance, u64>,
    /// Villages, and towns for what their own windows took in.
    pub villages: Vec<VillageBalance>,
}

/// What the hub signs of a day: the totals, and every village that is not balanced.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SignedBalance {
    pub at: Timestamp,
    pub totals: BTreeMap<Balance, u64>,
    /// Village, captured, at town, at hub (entries), state.
    pub open: Vec<(NodeId, u64, u64, u64, Balance)>,
}

/// What a citizen's slip proves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SlipFinding {
    /// The case is here, with the very entry the slip names.
    Here,
    /// The case is here; its entry was filed again after a restore.
    FiledAgain,
    /// The village has signed that it took this case, and nothing of it has reached this node. An incident was noted.
    NotHere,
}

impl Hall {
    /// Computes the reconciliation as of now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn reconcile(&self) -> Result<Reconciliation, StoreError> {
        let network = self.store.network();
        let heads: BTreeMap<JournalId, u64> =
            self.store.heads().await?.into_iter().map(|(id, head)| (id, head.seq)).collect();
        let contacts = self.store.contacts().await?;
        // A town takes in at its own window too.
        let here = |node: &&NodeRecord| node.tier != Tier::City && network.is_within(&node.id, self.me());
        let (mut villages, mut totals) = (Vec::new(), BTreeMap::new());
        for node in network.iter().filter(here).filter(|node| node.standing != Standing::Evicted) {
            let held = heads.get(&JournalId::new(&node.id, Channel::Up)).copied().unwrap_or(0);
            let contact = contacts.iter().find(|contact| contact.node == node.id);
            let line = self.balance_of(node, held, contact).await?;
            *totals.entry(line.balance).or_insert(0) += 1;
            villages.push(line);
        }
        Ok(Reconciliation { at: self.now(), node: self.me().clone(), totals, villages })
    }

    async fn balance_of(
        &self,
        node: &NodeRecord,
        held: u64,
        contact: Option<&store::Contact>,
    ) -> Result<VillageBalance, StoreError> {
        let network = self.store.network();
        let receipts = self.store.custody(&node.id).await?;
        let town = network.responsible(&node.id, Tier::Town).cloned();
        let hub = network.responsible(&node.id, Tier::City).cloned();
        let has = |keeper: Option<&NodeId>| match keeper {
            Some(keeper) if keeper == self.me() => held,
            keeper => signed_by(&receipts, keeper),
        };
        let at_hub = has(hub.as_ref());
        let known = contact.map_or(0, |contact| contact.own_head).max(held).max(at_hub);
        let is_town = node.tier == Tier::Town;
        // What the hub has came by the town, or past it in a bag: either way the town owes nothing of it. What a town's own window
        // took in is at the town.
        let at_town = if is_town { known } else { has(town.as_ref()).max(at_hub) };
        let captured = known.max(at_town);
        let quarantined = self.store.incidents_about(&node.id).await?;
        let taken = match (&town, at_town > at_hub) {
            (Some(own), true) if is_town && own == self.me() => {
                let up = JournalId::new(own, Channel::Up);
                self.store.written_at(&up, at_hub + 1).await?
            }
            (Some(_), true) if is_town => contact.and_then(|contact| contact.oldest_waiting),
            (Some(town), true) => self.store.receipted_beyond(&node.id, town, at_hub).await?,
            _ => None,
        };
        let overdue = |at: Timestamp| self.now().since(at) > WITHHELD_AFTER_MS;
        let (balance, since) = match taken {
            Some(at) if overdue(at) => (Balance::Withheld, Some(at)),
            _ if quarantined > 0 => (Balance::Quarantined, None),
            Some(at) => (Balance::OnTheWay, Some(at)),
            None if captured > at_town || (is_town && at_town > at_hub) => {
                (Balance::OnTheWay, contact.and_then(|contact| contact.oldest_waiting))
            }
            None => (Balance::Balanced, None),
        };
        Ok(VillageBalance {
            village: node.id.clone(),
            name: node.name.clone(),
            captured: self.amount(&node.id, captured, held).await?,
            at_town: self.amount(&node.id, at_town, held).await?,
            at_hub: self.amount(&node.id, at_hub, held).await?,
            town,
            quarantined,
            balance,
            since,
        })
    }

    async fn amount(&self, village: &NodeId, entries: u64, held: u64) -> Result<Amount, StoreError> {
        let cases = match entries <= held {
            true => Some(self.store.captured_through(village, entries).await?),
            false => None,
        };
        Ok(Amount { entries, cases })
    }

    /// Signs the reconciliation of a day into the hub's journal to all; once a day, however often it is asked.
    ///
    /// # Errors
    /// [`ActError::WrongTier`] below the hub, [`ActError::Store`].
    pub async fn sign_reconciliation(&self) -> Result<Reconciliation, ActError> {
        self.only_at(Tier::City, "签署对账")?;
        let result = self.reconcile().await?;
        let open = |line: &&VillageBalance| line.balance != Balance::Balanced;
        let line = |line: &VillageBalance| {
            let (captured, town, hub) = (line.captured.entries, line.at_town.entries, line.at_hub.entries);
            (line.village.clone(), captured, town, hub, line.balance)
        };
        let signed = SignedBalance {
            at: result.at,
            totals: result.totals.clone(),
            open: result.villages.iter().filter(open).map(line).collect(),
        };
        let day = result.at.day().to_string();
        let body = serde_json::to_vec(&signed)
            .map_err(|e| ActError::Unfit { what: "reconciliation", reason: e.to_string() })?;
        let mut id = [0; 16];
        let name = format!("对账{day}");
        id[..name.len().min(16)].copy_from_slice(&name.as_bytes()[..name.len().min(16)]);
        let entry = NewEntry {
            id: domain::EntryId(id),
            channel: Channel::All,
            kind: kind::RECONCILIATION,
            subject: day,
            body,
        };
        self.store.append(Append::new(result.at, "", "reconcile", vec![entry])).await?;
        Ok(result)
    }

    /// Looks at a citizen's slip with the eyes of this node. Genuine, and the case not here, is evidence that it was kept back
    /// or is under way; it is noted for a person (I30).
    ///
    /// # Errors
    /// [`ActError::Unfit`] when the slip is not one, or not signed by the village it names.
    pub async fn look_at_slip(&self, text: &str) -> Result<(ReceiptClaim, SlipFinding), ActError> {
        let unfit = |reason: String| ActError::Unfit { what: "slip", reason };
        let claim = ReceiptClaim::decode(text)
            .ok_or_else(|| unfit("不是收件凭证的二维码内容,请重新扫描".to_owned()))?;
        if !claim.verifies(&self.store.network()) {
            return Err(unfit(format!("回执不是 {} 签发的,或内容被改动", claim.node)));
        }
        let lines = self.store.history(&claim.case).await?;
        let names = |hash: Option<&String>| hash == Some(&claim.entry_hash);
        let finding = if lines.iter().any(|line| names(Some(&line.hash))) {
            SlipFinding::Here
        } else if lines.iter().any(|line| names(line.first_hash.as_ref())) {
            SlipFinding::FiledAgain
        } else {
            self.note_missing(&claim.case, &claim.node).await?;
            SlipFinding::NotHere
        };
        Ok((claim, finding))
    }

    async fn note_missing(&self, case: &CaseNo, village: &NodeId) -> Result<(), StoreError> {
        let network = self.store.network();
        let town = network.parent(village).map_or("its town".to_owned(), ToString::to_string);
        let item = Quarantined {
            at: self.now(),
            peer: village.clone(),
            journal: format!("{village}/up"),
            seq: 0,
            reason: format!(
                "missing: {case} was taken in by {village}, by a slip it signed, and is not here: ask {village} and {town}"
            ),
            bytes: Vec::new(),
        };
        self.store.note(item).await
    }
}
