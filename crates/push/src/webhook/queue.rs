//! The queue on disk between collector and sender.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::Counters;
use crate::backoff::unix_nanos;
use crate::counters::add;
use crate::spool::{Entry, Item, Spool};

#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    /// Mirrors of what the spool counts: whoever reads them must not wait for the disk.
    counters: Arc<Counters>,
}

#[derive(Debug)]
struct State {
    spool: Spool,
    /// Nothing more comes, and nothing is begun after this.
    deadline: Option<Instant>,
}

impl Queue {
    pub(super) fn new(spool: Spool, counters: Arc<Counters>) -> Self {
        let state = Mutex::new(State { spool, deadline: None });
        let queue = Queue { state, changed: Condvar::new(), counters };
        queue.tell(&queue.state());
        queue
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, state: &State) {
        let (events, bytes) = state.spool.waiting();
        let losses = state.spool.losses();
        self.counters.queued.store(events, Ordering::Relaxed);
        self.counters.queued_bytes.store(bytes, Ordering::Relaxed);
        self.counters.dropped.store(losses.dropped, Ordering::Relaxed);
        self.counters.expired.store(losses.expired, Ordering::Relaxed);
        self.counters.damaged.store(losses.damaged, Ordering::Relaxed);
    }

    /// Puts an event in.
    pub(super) fn put(&self, entry: &Entry) -> io::Result<()> {
        let mut state = self.state();
        let put = state.spool.append(entry);
        add(&self.counters.not_written, u64::from(put.is_err()));
        self.tell(&state);
        drop(state);
        self.changed.notify_one();
        put
    }

    /// The oldest event, as soon as there is one. None: it is time to end.
    pub(super) fn next(&self) -> Option<Item> {
        let mut state = self.state();
        loop {
            if state.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return None;
            }
            let item = state.spool.take(unix_nanos());
            self.tell(&state);
            if item.is_some() || state.deadline.is_some() {
                return item;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// It was delivered or refused.
    pub(super) fn done(&self, place: u64) {
        let mut state = self.state();
        state.spool.done(place);
        self.tell(&state);
    }

    /// It was not.
    pub(super) fn not_done(&self, place: u64) {
        let mut state = self.state();
        state.spool.not_done(place);
        self.tell(&state);
    }

    /// Events and bytes that wait.
    pub(super) fn waiting(&self) -> (u64, u64) {
        self.state().spool.waiting()
    }

    /// Nothing more comes; what waits may be sent until `deadline`.
    pub(super) fn close(&self, deadline: Instant) {
        self.state().deadline = Some(deadline);
        self.changed.notify_all();
    }

    /// Sees to it that a power failure takes nothing of what was put in so far. Nobody waits for that: the lock is not
    /// held.
    pub(super) fn sync(&self) {
        let file = self.state().spool.last_file();
        if let Some(Err(err)) = file.map(|file| file.sync_data()) {
            tracing::warn!("push: the queue cannot be synced: {err}");
        }
    }
}
