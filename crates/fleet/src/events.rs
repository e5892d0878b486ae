//! Events that wait for the stream.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::counters::{Counters, count, set};

/// Events that may wait; beyond that the oldest goes, and is counted (`fleet.events_lost`).
const ROOM: usize = 8192;

/// Bytes of an event: less than what a server takes by default (1 MiB). A longer one is lost, and counted.
const MAX_EVENT: usize = 512 * 1024;

/// An event for whoever subscribes: a SIEM, a dashboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetEvent {
    /// The last part of its subject: "alert", "isolation" ...
    pub kind: &'static str,
    /// One JSON object.
    pub json: Vec<u8>,
}

/// An event with the number that keeps the server from taking it twice.
#[derive(Clone, Debug)]
pub(crate) struct Numbered {
    pub(crate) number: u64,
    pub(crate) event: FleetEvent,
}

/// Oldest first.
#[derive(Debug)]
pub(crate) struct EventQueue {
    waiting: VecDeque<Numbered>,
    next: u64,
    counters: Arc<Counters>,
}

impl EventQueue {
    pub(crate) fn new(counters: Arc<Counters>) -> Self {
        EventQueue { waiting: VecDeque::new(), next: 0, counters }
    }

    pub(crate) fn push(&mut self, event: FleetEvent) {
        if event.json.len() > MAX_EVENT {
            return count(&self.counters.events_lost);
        }
        self.next += 1;
        self.waiting.push_back(Numbered { number: self.next, event });
        if self.waiting.len() > ROOM {
            self.waiting.pop_front();
            count(&self.counters.events_lost);
        }
        self.gauge();
    }

    pub(crate) fn pop(&mut self) -> Option<Numbered> {
        let first = self.waiting.pop_front();
        self.gauge();
        first
    }

    /// It did not get there.
    pub(crate) fn put_back(&mut self, event: Numbered) {
        if self.waiting.len() < ROOM {
            self.waiting.push_front(event);
        } else {
            count(&self.counters.events_lost);
        }
        self.gauge();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn gauge(&self) {
        set(&self.counters.events_waiting, self.waiting.len());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    #[test]
    fn the_oldest_goes_first_and_is_counted() {
        let counters = Arc::new(Counters::new());
        let mut queue = EventQueue::new(counters.clone());
        for _ in 0..ROOM + 3 {
            queue.push(FleetEvent { kind: "alert", json: Vec::new() });
        }
        assert_eq!(counters.events_lost.load(Ordering::Relaxed), 3);
        let first = queue.pop().unwrap();
        assert_eq!(first.number, 4);
        queue.put_back(first);
        assert_eq!(queue.pop().unwrap().number, 4);
    }
}
