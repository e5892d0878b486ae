//! Whoever outside of the sensor wants to hear of alerts and isolations at once.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};
use output::{Event, Stamp};

/// Places of a queue that stay free.
const LEFT_FREE: usize = 2;

/// One listener's queue. The warden never waits for it: what does not fit is lost to this listener, and counted.
pub struct Tap {
    name: String,
    room: usize,
    wants: Box<dyn Fn(&Event) -> bool + Send>,
    queue: Sender<(Stamp, Event)>,
    lost: Arc<AtomicU64>,
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tap").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Tap {
    /// A tap for the alerts and isolation steps that `wants` says yes to, with room for so many that wait. The receiver
    /// ends when the sensor has stopped. `name` is that of the counter: `output.NAME_lost`.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        room: usize,
        wants: impl Fn(&Event) -> bool + Send + 'static,
    ) -> (Self, Receiver<(Stamp, Event)>) {
        let (queue, receiver) = bounded(room + LEFT_FREE);
        let room = room + LEFT_FREE;
        (Tap { name: name.into(), room, wants: Box::new(wants), queue, lost: Arc::default() }, receiver)
    }

    /// How many were lost to this listener.
    #[must_use]
    pub fn lost(&self) -> Arc<AtomicU64> {
        self.lost.clone()
    }

    pub(crate) fn offer(&self, stamp: &Stamp, event: &Event) {
        if !(self.wants)(event) {
            return;
        }
        // In a queue that is as good as full a writer may spin for its reader, and the warden keeps others from running.
        let full = self.queue.len() + LEFT_FREE > self.room;
        if full || self.queue.try_send((stamp.clone(), event.clone())).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The counter's name and value.
    pub(crate) fn counter(&self) -> (String, u64) {
        (format!("output.{}_lost", self.name), self.lost.load(Ordering::Relaxed))
    }
}
