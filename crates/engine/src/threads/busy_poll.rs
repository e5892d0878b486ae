//! Whether busy polling works: some drivers stop delivering when the application polls instead of waiting.

/// Polling that brings nothing for this long is put to the test.
const PATIENCE_NS: u64 = 1_000_000_000;
/// So many tests in a row in which a sleep brought what polling had not: polling does not work. On a quiet link a
/// frame may come during one test, but not during each while none comes in the seconds between.
const STRIKES: u32 = 3;

/// Watches over one worker's polling.
#[derive(Debug, Default)]
pub(crate) struct Watchdog {
    brought_at: u64,
    strikes: u32,
    testing: bool,
}

impl Watchdog {
    /// A round is over. Monotonic nanoseconds; whether it brought frames.
    pub(crate) fn round(&mut self, now: u64, frames: bool) {
        if self.brought_at == 0 {
            self.brought_at = now;
        }
        if self.testing {
            self.testing = false;
            self.brought_at = now;
            self.strikes += u32::from(frames);
        } else if frames {
            self.brought_at = now;
            self.strikes = 0;
        }
    }

    /// Whether the worker should sleep now, to see if that brings what polling does not.
    pub(crate) fn wants_test(&mut self, now: u64) -> bool {
        self.testing = self.brought_at > 0 && now.saturating_sub(self.brought_at) > PATIENCE_NS;
        self.testing
    }

    /// Polling does not work here.
    pub(crate) fn has_failed(&self) -> bool {
        self.strikes >= STRIKES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// Polls for `seconds`, ten rounds each; frames come in rounds that `polled` says and in tests if `slept`.
    fn fails(seconds: u64, polled: impl Fn(u64) -> bool, slept: bool) -> bool {
        let mut dog = Watchdog::default();
        for round in 1..seconds * 10 {
            let now = SECOND + round * SECOND / 10;
            dog.round(now, polled(round));
            if dog.wants_test(now) {
                dog.round(now + 1, slept);
            }
        }
        dog.has_failed()
    }

    #[test]
    fn a_driver_that_needs_sleep_is_found_out() {
        assert!(fails(5, |_| false, true));
    }

    #[test]
    fn a_quiet_link_is_no_failure() {
        assert!(!fails(60, |_| false, false));
        // A frame every two seconds, and one in each test as bad luck has it.
        assert!(!fails(60, |round| round % 20 == 0, true));
    }

    #[test]
    fn a_busy_link_is_never_tested() {
        assert!(!fails(60, |_| true, true));
    }
}
