//! Incidents: whoever looks after this node says what became of them, and has everything tried again.

use crate::{ActError, Hall, Officer};
use domain::NodeId;
use domain::access::Permission;

/// As long as a note may be, in characters.
const NOTE_MAX: usize = 300;

impl Hall {
    /// # Errors
    /// [`ActError::Unfit`] without a note: whoever comes after must know why nothing more is to be done.
    pub async fn settle_incident(&self, officer: &Officer, no: u64, note: &str) -> Result<(), ActError> {
        self.allow(officer, Permission::Operate)?;
        let note = note.trim();
        if note.is_empty() || note.chars().count() > NOTE_MAX {
            let reason = format!("请写明查了什么、怎么处理的,不超过 {NOTE_MAX} 字");
            return Err(ActError::Unfit { what: "note", reason });
        }
        Ok(self.store.settle_incident(no, &officer.name, note, self.now()).await?)
    }

    /// Every link greets its neighbour anew, so that what was refused or given up is offered again, and what is missing asked for.
    ///
    /// # Errors
    /// [`ActError`].
    pub async fn try_again(&self, officer: &Officer) -> Result<(), ActError> {
        self.allow(officer, Permission::Operate)?;
        Ok(self.store.try_again(&officer.name, None, self.now()).await?)
    }

    /// The same with the neighbour alone that one incident is about.
    ///
    /// # Errors
    /// [`ActError::NotFound`] for a number that is none; [`ActError::Unfit`] when it is about no neighbour of this node.
    pub async fn try_one_again(&self, officer: &Officer, no: u64) -> Result<(), ActError> {
        self.allow(officer, Permission::Operate)?;
        let incidents = self.store.incidents().await?;
        let one = incidents.iter().find(|one| one.no == no);
        let one = one.ok_or_else(|| ActError::NotFound { what: "运行事件", value: no.to_string() })?;
        let network = self.store.network();
        let is_neighbour = |node: &NodeId| {
            network.parent(node) == Some(self.me()) || network.parent(self.me()) == Some(node)
        };
        let peer = one.peer.parse::<NodeId>().ok().filter(is_neighbour);
        let peer = peer.ok_or_else(|| ActError::Unfit {
            what: "incident",
            reason: "这一条不是与直接上下级之间的,不能单独重试;请用“全部重试”".to_owned(),
        })?;
        Ok(self.store.try_again(&officer.name, Some(peer), self.now()).await?)
    }
}
