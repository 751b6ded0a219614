//! Refusals as HTTP: a stable code for programs, a sentence for people, the faults of a form one by one.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use casework::{ActError, LoginError};
use domain::dossier::decide::Refusal;
use domain::form::FormFault;
use serde::Serialize;
use store::StoreError;

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Fault {
    #[serde(skip)]
    pub status: StatusCode,
    pub code: &'static str,
    pub message: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<FormFault>,
}

impl Fault {
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Fault {
        Fault { status, code, message: message.into(), faults: Vec::new() }
    }
    pub fn unfit(message: impl Into<String>) -> Fault {
        Fault::new(StatusCode::UNPROCESSABLE_ENTITY, "unfit", message)
    }
    pub fn no_route() -> Fault {
        let told = "没有这个接口;接口清单见 /api/v1/openapi.json";
        Fault::new(StatusCode::NOT_FOUND, "not_found", told)
    }
    pub fn too_much() -> Fault {
        let told = "一小时内列出的办件太多;请用条件缩小范围,需要全部清单时由两人办理导出(/countersigns)";
        Fault::new(StatusCode::TOO_MANY_REQUESTS, "too_much", told)
    }
    pub fn logged_out() -> Fault {
        Fault::new(StatusCode::UNAUTHORIZED, "login", "请先登录")
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        if self.status.is_server_error() {
            tracing::error!(code = self.code, message = %self.message, "a request failed");
        }
        let mut answer = (self.status, Json(serde_json::json!({ "error": self }))).into_response();
        // For the pages, which tell it in their own way.
        answer.extensions_mut().insert(self);
        answer
    }
}

impl From<ActError> for Fault {
    fn from(error: ActError) -> Fault {
        let status = match &error {
            ActError::NotFound { .. } | ActError::Store(StoreError::Missing { .. }) => StatusCode::NOT_FOUND,
            ActError::Refused(Refusal::Faulty(_)) | ActError::Unfit { .. } => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            ActError::Forbidden { .. } | ActError::SecondFactor { .. } => StatusCode::FORBIDDEN,
            ActError::Login(error) => login_status(error),
            ActError::Refused(_)
            | ActError::Alert(_)
            | ActError::Incomplete { .. }
            | ActError::WrongTier { .. } => StatusCode::CONFLICT,
            ActError::Store(
                StoreError::Stale { .. }
                | StoreError::StaleDraft { .. }
                | StoreError::StalePackDraft
                | StoreError::SerialTaken { .. }
                | StoreError::DelegationRevoked { .. }
                | StoreError::Superseded
                | StoreError::Exists { .. },
            ) => StatusCode::CONFLICT,
            ActError::Store(StoreError::Recovering { .. }) => StatusCode::SERVICE_UNAVAILABLE,
            ActError::Store(StoreError::DiskFull) => StatusCode::INSUFFICIENT_STORAGE,
            ActError::Store(StoreError::Broken { .. } | StoreError::Closed) => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        };
        let faults = match &error {
            ActError::Refused(Refusal::Faulty(faults)) => faults.clone(),
            _ => Vec::new(),
        };
        Fault { status, code: error.code(), message: error.to_string(), faults }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Fault {
        ActError::Store(error).into()
    }
}

impl From<LoginError> for Fault {
    fn from(error: LoginError) -> Fault {
        ActError::from(error).into()
    }
}

fn login_status(error: &LoginError) -> StatusCode {
    match error {
        LoginError::Wrong | LoginError::CodeNeeded => StatusCode::UNAUTHORIZED,
        LoginError::Throttled { .. } => StatusCode::TOO_MANY_REQUESTS,
        LoginError::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
