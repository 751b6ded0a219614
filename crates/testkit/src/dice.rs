//! A clock moved by hand and randomness that replays.

use domain::Timestamp;
use domain::seams::{Clock, Random};
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

/// 2026-11-23 09:00 in China, a Monday.
pub const MONDAY: Timestamp = Timestamp::from_ms(1_795_395_600_000);

pub struct FakeClock(AtomicI64);

impl FakeClock {
    pub fn at(start: Timestamp) -> FakeClock {
        FakeClock(AtomicI64::new(start.as_ms()))
    }
    pub fn advance_ms(&self, ms: i64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.as_ms(), Ordering::SeqCst);
    }
}
impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_ms(self.0.load(Ordering::SeqCst))
    }
}

pub struct SeededRandom(Mutex<StdRng>);

impl SeededRandom {
    pub fn new(seed: u64) -> SeededRandom {
        SeededRandom(Mutex::new(StdRng::seed_from_u64(seed)))
    }
}
impl Random for SeededRandom {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_clock_starts_on_a_working_monday() {
        assert_eq!(MONDAY.to_minute(), "2026-11-23 09:00");
    }
}
