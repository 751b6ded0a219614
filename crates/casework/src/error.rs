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
    /// Remedy: an account with the role, or whoever has it.
    #[error("您的岗位没有“{what}”的权限;请由有该岗位的工作人员办理,或请管理员调整岗位")]
    Forbidden { what: &'static str },
    /// Remedy: a log-in with the phone's code.
    #[error("“{what}”须用动态口令登录后办理;请退出后带动态口令重新登录,没有动态口令的请管理员重置账号")]
    SecondFactor { what: &'static str },
    #[error("{0}")]
    Login(crate::LoginError),
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
                StoreError::Stale { .. }
                | StoreError::StaleDraft { .. }
                | StoreError::StalePackDraft
                | StoreError::SerialTaken { .. },
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
            ActError::Forbidden { .. } => "forbidden",
            ActError::SecondFactor { .. } => "second_factor",
            ActError::Login(error) => error.code(),
            ActError::WrongTier { .. } => "wrong_tier",
        }
    }
}
