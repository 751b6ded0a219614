//! SQLite's errors in the words of the contract.

use rusqlite::ErrorCode;
use store::StoreError;

/// Names what was being done when SQLite failed.
pub(crate) trait Broken<T> {
    fn broken(self, what: &'static str) -> Result<T, StoreError>;
}

impl<T> Broken<T> for rusqlite::Result<T> {
    fn broken(self, what: &'static str) -> Result<T, StoreError> {
        self.map_err(|error| match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => StoreError::DiskFull,
            _ => StoreError::Broken { what, detail: error.to_string() },
        })
    }
}

/// For stored values that cannot be read back: the database was changed by other hands, or by a newer version.
pub(crate) fn unreadable(what: &'static str, detail: impl std::fmt::Display) -> StoreError {
    StoreError::Broken { what, detail: detail.to_string() }
}
