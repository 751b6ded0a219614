//! Whose password opens the data where it lies encrypted.

use crate::Hall;

/// Keeps the data shut to whoever has no account. What goes wrong here is logged and mended at the officer's next log-in: it must
/// keep nobody from their work.
pub trait AtRest: Send + Sync {
    /// The officer's password, which is right, opens the data from now on, and the one before no longer does. `stored` is its hash
    /// in the account. Takes its time: not for the runtime's threads.
    fn admit(&self, officer: &str, password: &str, stored: &str);
    /// The officer's password opens nothing any more.
    fn expel(&self, officer: &str);
}

impl Hall {
    /// After the account has its new password.
    pub(crate) async fn open_data_to(&self, officer: &str, password: &str, stored: &str) {
        let Some(at_rest) = self.at_rest.clone() else { return };
        let Ok(turn) = self.passwords.clone().acquire_owned().await else { return };
        let (officer, password, stored) = (officer.to_owned(), password.to_owned(), stored.to_owned());
        let admitting = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            at_rest.admit(&officer, &password, &stored);
        });
        if let Err(error) = admitting.await {
            tracing::error!(%error, "a password does not open the data yet; it will after the next log-in");
        }
    }

    pub(crate) fn shut_data_to(&self, officer: &str) {
        if let Some(at_rest) = &self.at_rest {
            at_rest.expel(officer);
        }
    }
}
