//! How long to wait before the next attempt.

use std::time::Duration;

/// After the first failure: a connection that was closed under us, a server that is restarted.
const FIRST: Duration = Duration::from_millis(250);

/// Waits that double up to a limit. Each is drawn from its upper half, so that sensors that failed together do not come
/// back together.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    limit: Duration,
    failures: u32,
}

impl Backoff {
    pub(crate) fn new(limit: Duration) -> Self {
        Backoff { limit, failures: 0 }
    }

    /// It worked: the next failure is a first one again. How many there were.
    pub(crate) fn reset(&mut self) -> u32 {
        std::mem::take(&mut self.failures)
    }

    /// Whether the last attempt failed.
    pub(crate) fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// It failed: how long to wait.
    pub(crate) fn next(&mut self) -> Duration {
        self.draw(random())
    }

    fn draw(&mut self, random: u64) -> Duration {
        // 250 ms doubled 20 times are three days.
        let whole = FIRST.saturating_mul(1 << self.failures.min(20)).min(self.limit);
        self.failures = self.failures.saturating_add(1);
        let half = whole / 2;
        half + half.mul_f64(random as f64 / u64::MAX as f64)
    }
}

/// A random number; the clock's if the system has none.
pub(crate) fn random() -> u64 {
    getrandom::u64().unwrap_or_else(|_| unix_nanos())
}

/// Nanoseconds since 1970.
pub(crate) fn unix_nanos() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_nanos() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_limit() {
        let mut backoff = Backoff::new(Duration::from_secs(60));
        let longest: Vec<u64> = (0..12).map(|_| backoff.draw(u64::MAX).as_millis() as u64).collect();
        assert_eq!(longest[..5], [250, 500, 1000, 2000, 4000]);
        assert_eq!(longest[10..], [60_000, 60_000]);
        assert_eq!(backoff.reset(), 12);
        assert!(!backoff.is_failing());
        assert_eq!(backoff.draw(0), Duration::from_millis(125));
        backoff.failures = u32::MAX;
        assert_eq!(backoff.draw(u64::MAX), Duration::from_secs(60));
    }
}
