//! Incidents: whoever looks after this node says what became of them, and has everything tried again.

use crate::{ActError, Hall, Officer};
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
        Ok(self.store.try_again(&officer.name, self.now()).await?)
    }
}
