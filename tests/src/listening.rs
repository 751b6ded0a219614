//! Listens to everything the nodes of a test say in their logs, and finds a citizen in it (I33).

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tracing_subscriber::EnvFilter;

#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<u8>>>);

/// Whether anything was ever heard: ears that are deaf find nobody.
static HEARD: AtomicBool = AtomicBool::new(false);

impl Write for Said {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        HEARD.store(true, Ordering::Relaxed);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn said() -> &'static Said {
    static SAID: OnceLock<Said> = OnceLock::new();
    SAID.get_or_init(Said::default)
}

/// From now on whatever is logged in this process is heard, down to the smallest word of our own crates.
pub fn begin() {
    let own = "casework,city_hub,console,domain,link,replication,runtime,store_sqlite,tier,trust";
    let filter = own.split(',').map(|name| format!("{name}=trace")).collect::<Vec<_>>().join(",");
    let writer = || said().clone();
    let subscriber =
        tracing_subscriber::fmt().with_env_filter(EnvFilter::new(filter)).json().with_writer(writer);
    // A second city in one process is heard by the first one's ears.
    let _ = subscriber.try_init();
}

/// # Panics
/// When a citizen's name, number or telephone stands in what was said since the last time.
pub fn check() {
    assert!(HEARD.load(Ordering::Relaxed), "nodes that say nothing: is somebody else listening?");
    let heard = std::mem::take(&mut *said().0.lock().unwrap_or_else(PoisonError::into_inner));
    if let Some(found) = testkit::canary::find(&String::from_utf8_lossy(&heard)) {
        panic!("I33: a citizen in the log: {found}");
    }
}
