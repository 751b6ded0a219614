//! Whether a node still belongs to the city: lost machines, closed places. The hub's to say, in its journal to all.

use crate::{ActError, Hall};
use domain::NodeId;
use domain::network::{Contact, Cut, NodeRecord, Reached, Standing, Tier};
use replication::JournalId;
use std::collections::BTreeMap;
use store::{Append, kind};

fn unfit(reason: &str) -> ActError {
    ActError::Unfit { what: "node", reason: reason.to_owned() }
}

impl Hall {
    /// The record of a town or village; of the hub `why_not` is said.
    fn below_the_hub(&self, node: &NodeId, why_not: &str) -> Result<NodeRecord, ActError> {
        match self.store.network().get(node) {
            None => Err(ActError::NotFound { what: "节点", value: node.to_string() }),
            Some(record) if record.tier == Tier::City => Err(unfit(why_not)),
            Some(record) => Ok(record.clone()),
        }
    }

    /// The record of a node whose machine may be replaced.
    pub(crate) fn replaceable(&self, node: &NodeId) -> Result<NodeRecord, ActError> {
        let record = self.below_the_hub(node, "市级节点用 backup 和 restore 换机,没有令牌可领")?;
        match record.standing {
            Standing::Evicted => Err(unfit("该节点已撤并;重新设点请用 enroll-token --village 或 --town")),
            Standing::Active | Standing::Banned => Ok(record),
        }
    }

    /// Bans a lost machine (挂失), closes a place (撤并), or takes either back. Whatever the hub has of a banned machine's
    /// journals by now counts, and nothing it signs beyond that.
    ///
    /// # Errors
    /// [`ActError::NotFound`], and [`ActError::Unfit`] for the hub itself or when nothing would change.
    pub async fn set_standing(
        &self,
        officer: &str,
        node: &NodeId,
        standing: Standing,
    ) -> Result<NodeRecord, ActError> {
        self.only_at(Tier::City, "挂失或撤并节点")?;
        let known = self.below_the_hub(node, "市级节点不能挂失或撤并")?;
        if known.standing == standing {
            return Err(unfit(&format!("{node} 已经是这个状态,没有改动")));
        }
        let cut = if standing == Standing::Banned { Some(self.cut_of(node).await?) } else { None };
        let record = NodeRecord { standing, cut, ..known };
        let entry = self.all_entry(kind::NODE, node.to_string(), &record)?;
        let action = match standing {
            Standing::Active => "readmit",
            Standing::Evicted => "evict",
            Standing::Banned => "ban",
        };
        self.store.append(Append::new(self.now(), officer, action, vec![entry])).await?;
        Ok(record)
    }

    /// Publishes how people reach these counters, or takes it back: all of them, or none and what is wrong with each.
    ///
    /// # Errors
    /// [`ActError::NotFound`] for a node nobody knows; [`ActError::Unfit`] with every fault.
    pub async fn set_contacts(
        &self,
        officer: &str,
        contacts: Vec<(NodeId, Option<Contact>)>,
    ) -> Result<usize, ActError> {
        self.only_at(Tier::City, "登记联系方式")?;
        let network = self.store.network();
        let (mut entries, mut faults) = (Vec::new(), Vec::new());
        for (node, contact) in contacts {
            let Some(known) = network.get(&node) else {
                return Err(ActError::NotFound { what: "节点", value: node.to_string() });
            };
            match contact.as_ref().and_then(Contact::fault) {
                Some(fault) => faults.push(format!("{node}:{fault}")),
                None if known.contact == contact => {}
                None => {
                    let subject = node.to_string();
                    entries.push(self.all_entry(kind::CONTACT, subject, &Reached { node, contact })?);
                }
            }
        }
        if !faults.is_empty() {
            return Err(unfit(&faults.join(";")));
        }
        let changed = entries.len();
        if changed > 0 {
            self.store.append(Append::new(self.now(), officer, "publish contacts", entries)).await?;
        }
        Ok(changed)
    }

    async fn cut_of(&self, node: &NodeId) -> Result<Cut, ActError> {
        let own = |(journal, _): &(JournalId, _)| journal.author == *node;
        let heads = self.store.heads().await?.into_iter().filter(own);
        let through: BTreeMap<String, u64> =
            heads.map(|(journal, head)| (journal.channel.to_string(), head.seq)).collect();
        Ok(Cut { since: self.now(), through })
    }
}
