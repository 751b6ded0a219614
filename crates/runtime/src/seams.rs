//! The machine's own clock and randomness.

use domain::Timestamp;
use domain::seams::{Clock, Random};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods)] // the one place where a product process reads the clock
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Timestamp::from_ms(since.map_or(0, |since| since.as_millis() as i64))
    }
}

/// The machine's clock, moved by what a file says: days of a service centre pass while its staff practises (演练).
///
/// The file holds milliseconds to add. Only named by the environment variable [`DRILL_CLOCK`], and said in the log at start,
/// so that nobody works by it unawares.
#[derive(Debug)]
pub struct DrillClock {
    file: PathBuf,
    /// Offset, and when (machine time) it was read.
    read: Mutex<(i64, i64)>,
}

/// Names the file of the [`DrillClock`].
pub const DRILL_CLOCK: &str = "TONGBAN_DRILL_CLOCK";
const READ_AGAIN_MS: i64 = 100;

impl DrillClock {
    pub fn new(file: PathBuf) -> DrillClock {
        DrillClock { file, read: Mutex::new((0, 0)) }
    }
}

impl Clock for DrillClock {
    fn now(&self) -> Timestamp {
        let machine = SystemClock.now();
        let mut read = self.read.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if machine.as_ms() - read.1 >= READ_AGAIN_MS {
            let offset = std::fs::read_to_string(&self.file).ok().and_then(|text| text.trim().parse().ok());
            // A file that is being written again keeps the offset it had.
            *read = (offset.unwrap_or(read.0), machine.as_ms());
        }
        machine.plus_ms(read.0)
    }
}

/// Whether a drill is on: nobody here is a real person, and every page says so.
pub fn is_drill() -> bool {
    std::env::var_os(DRILL_CLOCK).is_some()
}

/// The clock of this process: the machine's, unless a drill is on.
pub fn clock() -> Arc<dyn Clock> {
    match std::env::var_os(DRILL_CLOCK) {
        None => Arc::new(SystemClock),
        Some(file) => {
            tracing::warn!(file = %file.display(), "DRILL: this node lives by a clock that is moved by hand");
            Arc::new(DrillClock::new(file.into()))
        }
    }
}

#[derive(Debug, Clone, Copy, Default)]
pub struct OsRandom;

impl Random for OsRandom {
    fn fill(&self, bytes: &mut [u8]) {
        // Without randomness no id and no key is safe to make; stopping is the only honest answer.
        getrandom::fill(bytes).expect("the operating system gives randomness");
    }
}
