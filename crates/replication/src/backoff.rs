//! Back-off with full jitter: after a power cut a hundred villages must not knock in the same second.

/// Waiting times in milliseconds; the random part is an argument so that a simulation can replay it.
#[derive(Debug, Clone)]
pub struct Backoff {
    base_ms: u64,
    cap_ms: u64,
    failures: u32,
}

impl Backoff {
    /// The values of every link: base 1 s, cap 5 min.
    pub fn link() -> Backoff {
        Backoff { base_ms: 1_000, cap_ms: 300_000, failures: 0 }
    }
    pub fn with(base_ms: u64, cap_ms: u64) -> Backoff {
        Backoff { base_ms, cap_ms, failures: 0 }
    }
    /// How long to wait now. `random` is uniform over u64.
    pub fn next_ms(&mut self, random: u64) -> u64 {
        let ceiling = self.base_ms.saturating_mul(1 << self.failures.min(20)).min(self.cap_ms);
        self.failures = self.failures.saturating_add(1);
        random % (ceiling + 1)
    }
    /// The network changed, a person asked, or a session worked: start again from the base.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
    pub fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_cap_and_start_again_after_a_success() {
        let mut backoff = Backoff::link();
        let waits: Vec<u64> = (0..12).map(|_| backoff.next_ms(u64::MAX / 3)).collect();
        assert!(waits.iter().all(|ms| *ms <= 300_000) && waits.iter().any(|ms| *ms > 10_000), "{waits:?}");
        for random in [3, 500_000, u64::MAX] {
            assert!(backoff.next_ms(random) <= 300_000);
        }
        backoff.reset();
        assert!(backoff.next_ms(u64::MAX) <= 1_000);
    }
}
