//! Why a use case did not happen, with what the person can do about it.

use domain::dossier::decide::Refusal;
use domain::supervision::AlertRefusal;
use store::StoreError;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActError {
    #[error("{0}")]
    Refused(#[from] Refusal),
    #[error("{0}")]
    Alert(#[from] AlertRefusal),
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("没有找到{what}:{value}")]
    NotFound { what: &'static str, value: String },
    #[error("{reason}")]
    Unfit { what: &'static str, reason: String },
    #[error("附件还有 {missing} 份没有传到,正在传输;到齐后才能办理")]
    Incomplete { missing: u32 },
    #[error("{what}只能在{place}办理")]
    WrongTier { what: &'static str, place: &'static str },
}

impl ActError {
    /// A stable code for programs.
    pub fn code(&self) -> &'static str {
        match self {
            ActError::Refused(Refusal::Faulty(_)) => "form_faults",
            ActError::Refused(Refusal::ClaimedBy { .. }) => "claimed",
            ActError::Refused(Refusal::HeldElsewhere { .. }) => "held_elsewhere",
            ActError::Refused(Refusal::RestsOn { .. }) => "rests_on",
            ActError::Refused(Refusal::RestsOnRefused { .. }) => "rests_on_refused",
            ActError::Refused(_) | ActError::Alert(_) => "refused",
            ActError::Store(
                StoreError::Stale { .. } | StoreError::StaleDraft { .. } | StoreError::SerialTaken { .. },
            ) => "stale",
            ActError::Store(StoreError::DelegationRevoked { .. }) => "refused",
            ActError::Store(StoreError::Missing { .. }) | ActError::NotFound { .. } => "not_found",
            ActError::Store(StoreError::Exists { .. }) => "exists",
            ActError::Store(StoreError::DiskFull) => "disk_full",
            ActError::Store(StoreError::Recovering { .. }) => "recovering",
            ActError::Store(StoreError::Superseded) => "superseded",
            ActError::Store(StoreError::Broken { .. } | StoreError::Closed) => "storage",
            ActError::Unfit { .. } => "unfit",
            ActError::Incomplete { .. } => "incomplete",
            ActError::WrongTier { .. } => "wrong_tier",
        }
    }
}
