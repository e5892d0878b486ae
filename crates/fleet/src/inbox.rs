//! Verdicts of the fleet on their way into force here: the newest of each target, in the order in which targets came up.

use std::collections::{HashMap, VecDeque};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use wire::Target;

use crate::record::Record;

/// A verdict that is to be done here.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    pub(crate) record: Record,
    /// Whether it came as it was decided, and not out of what the bucket had.
    pub(crate) fresh: bool,
}

#[derive(Debug, Default)]
struct Waiting {
    order: VecDeque<Target>,
    tasks: HashMap<Target, Task>,
    closed: bool,
}

/// Holds no more tasks than the table has targets.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

impl Inbox {
    /// In place of what waits for the same target.
    pub(crate) fn put(&self, task: Task) {
        let mut waiting = self.lock();
        let target = task.record.decision.target;
        if waiting.tasks.insert(target, task).is_none() {
            waiting.order.push_back(target);
        }
        self.changed.notify_one();
    }

    /// It could not be done yet. What has come for the same target meanwhile goes before it.
    pub(crate) fn put_back(&self, task: Task) {
        let mut waiting = self.lock();
        let target = task.record.decision.target;
        let Waiting { tasks, order, .. } = &mut *waiting;
        tasks.entry(target).or_insert_with(|| {
            order.push_front(target);
            task
        });
    }

    /// The next; waits for one. `None` when the inbox is closed.
    pub(crate) fn take(&self) -> Option<Task> {
        let mut waiting = self.lock();
        loop {
            if waiting.closed {
                return None;
            }
            if let Some(target) = waiting.order.pop_front() {
                return waiting.tasks.remove(&target);
            }
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Pauses, unless the inbox is closed meanwhile.
    pub(crate) fn pause(&self, time: Duration) {
        let waiting = self.lock();
        let closed = |waiting: &mut Waiting| !waiting.closed;
        drop(self.changed.wait_timeout_while(waiting, time, closed));
    }

    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
