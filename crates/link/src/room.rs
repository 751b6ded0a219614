//! Whether what a neighbour brings may be written now, and what an operator is told when it may not.

use crate::quota::{Goods, RESERVE_BYTES, Verdict, nodes_of};
use crate::shell::Node;
use domain::NodeId;
use std::sync::PoisonError;
use store::{Quarantined, StoreError};

impl Node {
    /// Whether `space` more bytes of what a neighbour brings may be written now: the disk has room that is not kept for our own
    /// work, and a child has not used up its day. What may not is offered again by whoever brings it.
    ///
    /// # Errors
    /// [`StoreError`] when the remark for the operator cannot be written.
    pub async fn has_room_for(&self, peer: &NodeId, goods: Goods, space: u64) -> Result<bool, StoreError> {
        let hall = &self.hall;
        if hall.blobs.room() < RESERVE_BYTES.saturating_add(space) {
            tracing::warn!(%peer, "the disk is nearly full: what neighbours bring waits with them");
            let reason = "磁盘将满,暂不接收上下级的数据;请尽快清理磁盘,本机办理不受影响".to_owned();
            self.remark(hall.me(), "disk", reason).await?;
            return Ok(false);
        }
        let verdict = self.verdict(peer, goods);
        if verdict == (Verdict::Wait { first: true }) {
            tracing::error!(%peer, ?goods, "a child brings more than a day's allowance");
            let what = match goods {
                Goods::Entries => "记录",
                Goods::Attachments => "附件",
            };
            let reason =
                format!("{peer} 一天内上传的{what}远超正常用量,已放慢接收;请核实该节点,如失控可挂失(ban)");
            self.remark(peer, "quota", reason).await?;
        }
        Ok(verdict == Verdict::Take)
    }

    /// A neighbour has brought so much: only what has come counts, not what was promised.
    pub fn brought(&self, peer: &NodeId, goods: Goods, bytes: u64) {
        if self.is_measured(peer) {
            self.allowance.lock().unwrap_or_else(PoisonError::into_inner).take(peer, goods, bytes);
        }
    }

    fn verdict(&self, peer: &NodeId, goods: Goods) -> Verdict {
        if !self.is_measured(peer) {
            return Verdict::Take;
        }
        let nodes = nodes_of(&self.hall.store.network(), peer);
        let mut allowance = self.allowance.lock().unwrap_or_else(PoisonError::into_inner);
        allowance.is_open(peer, goods, nodes, self.hall.now())
    }

    /// What comes from above is not measured, and neither is a node that takes back its own.
    fn is_measured(&self, peer: &NodeId) -> bool {
        let store = &self.hall.store;
        store.network().is_above(self.hall.me(), peer) && store.recovery().is_none()
    }

    /// Told once a day.
    async fn remark(&self, about: &NodeId, what: &str, reason: String) -> Result<(), StoreError> {
        let now = self.hall.now();
        let journal = format!("{what} {}", now.day());
        let item = Quarantined { at: now, peer: about.clone(), journal, seq: 0, reason, bytes: vec![] };
        self.hall.store.note(item).await
    }
}
