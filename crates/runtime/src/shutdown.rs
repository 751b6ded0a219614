//! Shutdown: stop new work, finish work begun, close the database.

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Every task belongs to the tracker and watches the token.
#[derive(Clone, Default)]
pub struct Shutdown {
    pub token: CancellationToken,
    pub tasks: TaskTracker,
}

impl Shutdown {
    /// Runs a task until it ends or shutdown is asked for.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let token = self.token.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = token.cancelled() => {}
                () = work => {}
            }
        });
    }

    /// Asks everything to stop and waits until it has.
    pub async fn stop(&self) {
        self.token.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Returns on Ctrl-C or SIGTERM.
    pub async fn asked_by_system() {
        let interrupt = tokio::signal::ctrl_c();
        #[cfg(unix)]
        {
            let terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
            if let Ok(mut terminate) = terminate {
                tokio::select! {
                    _ = interrupt => {}
                    _ = terminate.recv() => {}
                }
                return;
            }
        }
        let _ = interrupt.await;
    }
}
