//! Slows down guessing at log-in. Whoever guesses waits; the officer whose name is guessed at does not.
//!
//! Failures are counted for each name *and* each place they come from, so a third party cannot lock an officer out by
//! failing in their name from elsewhere. After [`FREE`] failures each further one doubles the wait, up to five minutes.
//! Pure: time is an argument, the table is bounded. Unknown names are slowed down like known ones.

use domain::Timestamp;
use std::collections::BTreeMap;

/// At the log-in of officers: slips of the finger that cost nothing.
const FREE: u32 = 5;
const WAIT_MS_MAX: i64 = 300_000;
/// Failures this old are forgotten.
const FORGET_MS: i64 = 3_600_000;
/// Names and places that are remembered at once; the oldest give way.
const REMEMBERED_MAX: usize = 10_000;

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Timestamp,
}

#[derive(Debug)]
pub struct Throttle {
    /// Failures that cost nothing.
    free: u32,
    wait_ms_max: i64,
    /// Failures this old are forgotten.
    forget_ms: i64,
    failures: BTreeMap<(String, String), Failures>,
}

impl Default for Throttle {
    fn default() -> Throttle {
        Throttle::of(FREE, WAIT_MS_MAX, FORGET_MS)
    }
}

impl Throttle {
    /// `free` failures cost nothing; each further one doubles the wait, up to `wait_ms_max`, until none came for `forget_ms`.
    pub fn of(free: u32, wait_ms_max: i64, forget_ms: i64) -> Throttle {
        Throttle { free, wait_ms_max, forget_ms, failures: BTreeMap::new() }
    }

    /// Seconds to wait before another try; `None` when it may be made now.
    pub fn wait(&self, name: &str, source: &str, now: Timestamp) -> Option<u64> {
        let known = self.failures.get(&(name.to_owned(), source.to_owned()))?;
        let over = known.count.checked_sub(self.free)?;
        let wait = (1000i64 << over.min(32)).min(self.wait_ms_max);
        let left = known.last.as_ms() + wait - now.as_ms();
        // A clock that was set back does not lock anybody out for longer than the wait itself.
        (left > 0 && left <= wait).then(|| (left as u64).div_ceil(1000))
    }

    pub fn failed(&mut self, name: &str, source: &str, now: Timestamp) {
        let key = (name.to_owned(), source.to_owned());
        if self.failures.len() >= REMEMBERED_MAX && !self.failures.contains_key(&key) {
            self.make_room(now);
        }
        let known = self.failures.entry(key).or_insert(Failures { count: 0, last: now });
        if now.as_ms() - known.last.as_ms() > self.forget_ms {
            known.count = 0;
        }
        *known = Failures { count: known.count.saturating_add(1), last: now };
    }

    pub fn succeeded(&mut self, name: &str, source: &str) {
        self.failures.remove(&(name.to_owned(), source.to_owned()));
    }

    fn make_room(&mut self, now: Timestamp) {
        let forget_ms = self.forget_ms;
        self.failures.retain(|_, failures| now.as_ms() - failures.last.as_ms() <= forget_ms);
        if self.failures.len() >= REMEMBERED_MAX {
            // Whoever floods the table with names pays for it with their own oldest ones first.
            let mut ages: Vec<i64> = self.failures.values().map(|failures| failures.last.as_ms()).collect();
            ages.sort_unstable();
            let middle = ages[ages.len() / 2];
            self.failures.retain(|_, failures| failures.last.as_ms() > middle);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_ms(1_700_000_000_000 + seconds * 1000)
    }

    #[test]
    fn whoever_guesses_waits_longer_each_time_and_nobody_else_does() {
        let mut throttle = Throttle::default();
        for _ in 0..FREE {
            assert_eq!(throttle.wait("wang", "10.0.0.9", at(0)), None);
            throttle.failed("wang", "10.0.0.9", at(0));
        }
        assert_eq!(throttle.wait("wang", "10.0.0.9", at(0)), Some(1));
        throttle.failed("wang", "10.0.0.9", at(1));
        assert_eq!(throttle.wait("wang", "10.0.0.9", at(1)), Some(2));
        for _ in 0..30 {
            throttle.failed("wang", "10.0.0.9", at(1));
        }
        assert_eq!(throttle.wait("wang", "10.0.0.9", at(1)), Some(300), "never for good");
        assert_eq!(throttle.wait("wang", "127.0.0.1", at(1)), None, "wang at his own desk");
        assert_eq!(throttle.wait("yang", "10.0.0.9", at(1)), None);
        assert_eq!(throttle.wait("wang", "10.0.0.9", at(302)), None);
        assert_eq!(throttle.wait("wang", "10.0.0.9", at(-90_000)), None, "a clock set back by a day");
        throttle.succeeded("wang", "10.0.0.9");
        assert_eq!(throttle.wait("wang", "10.0.0.9", at(1)), None);
    }

    #[test]
    fn a_flood_of_names_fills_no_memory() {
        let mut throttle = Throttle::default();
        for n in 0..3 * REMEMBERED_MAX {
            throttle.failed(&n.to_string(), "10.0.0.9", at(n as i64 / 100));
        }
        assert!(throttle.failures.len() <= REMEMBERED_MAX);
    }
}
