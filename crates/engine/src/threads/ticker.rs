//! What wakes the warden from time to time, so that it can sleep without a timeout.
//!
//! A thread that sleeps until something happens or some time is over has a timer set for it, which is taken back when it is
//! woken before. Where the timer is not the machine's own but a hypervisor's that takes 10 microseconds of its way to the
//! verdict, ten times as long as the wake-up itself (docs/performance.md).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::thread::{self, Thread};
use std::time::Duration;

/// How often the warden is woken while it waits for a first drop, and otherwise.
pub(crate) const CLOSELY: Duration = Duration::from_millis(1);
pub(crate) const SELDOM: Duration = Duration::from_millis(100);

/// What the thread and the one that it wakes share. The thread ends when the other one has let go of it.
#[derive(Debug, Default)]
pub(crate) struct Ticks {
    closely: AtomicBool,
    sleeper: OnceLock<Thread>,
}

/// The sleeper's end.
#[derive(Debug)]
pub(crate) struct Ticker {
    pub(crate) ticks: Arc<Ticks>,
    pub(crate) thread: Thread,
}

impl Ticker {
    /// From now on the calling thread is the one to be woken.
    pub(crate) fn wakes_me(&self) {
        let _ = self.ticks.sleeper.set(thread::current());
    }

    /// Whether it is woken often.
    pub(crate) fn closely(&self, closely: bool) {
        if self.ticks.closely.swap(closely, Ordering::Relaxed) != closely && closely {
            self.thread.unpark();
        }
    }
}

/// The thread's loop.
pub(crate) fn tick(ticks: &Weak<Ticks>) {
    while let Some(shared) = ticks.upgrade() {
        if let Some(sleeper) = shared.sleeper.get() {
            sleeper.unpark();
        }
        let closely = shared.closely.load(Ordering::Relaxed);
        drop(shared);
        thread::park_timeout(if closely { CLOSELY } else { SELDOM });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn the_sleeper_is_woken_seldom_or_closely_and_the_thread_ends_with_it() {
        let ticks = Arc::<Ticks>::default();
        let weak = Arc::downgrade(&ticks);
        let thread = thread::spawn(move || tick(&weak));
        let ticker = Ticker { ticks, thread: thread.thread().clone() };
        ticker.wakes_me();
        let sleeps = |count: u32| {
            let began = Instant::now();
            (0..count).for_each(|_| thread::park());
            began.elapsed()
        };
        sleeps(1);
        assert!(sleeps(2) > SELDOM / 2);
        ticker.closely(true);
        sleeps(1);
        assert!(sleeps(20) < 20 * SELDOM / 2);
        drop(ticker);
        thread.join().unwrap();
    }
}
