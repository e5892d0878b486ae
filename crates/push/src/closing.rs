//! When a receiver's threads have to end.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Tells threads until when they may go on.
#[derive(Debug, Default)]
pub(crate) struct Closing {
    deadline: Mutex<Option<Instant>>,
    told: Condvar,
}

impl Closing {
    /// From now on nothing is waited for, and nothing new begun after `deadline`.
    pub(crate) fn close(&self, deadline: Instant) {
        *self.deadline.lock().unwrap_or_else(PoisonError::into_inner) = Some(deadline);
        self.told.notify_all();
    }

    /// Whether the time is over.
    pub(crate) fn is_over(&self) -> bool {
        let deadline = self.deadline.lock().unwrap_or_else(PoisonError::into_inner);
        deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Waits for so long; false, at once, if it is closing.
    pub(crate) fn wait(&self, for_: Duration) -> bool {
        let deadline = self.deadline.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.told.wait_timeout_while(deadline, for_, |deadline| deadline.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.is_none()
    }
}
