//! The machine's own clock and randomness.

use domain::Timestamp;
use domain::seams::{Clock, Random};

#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods)] // the one place where a product process reads the clock
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Timestamp::from_ms(since.map_or(0, |since| since.as_millis() as i64))
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
