//! Events that wait for the stream.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

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
    pub(crate) kind: &'static str,
    pub(crate) json: Bytes,
}

/// Oldest first; those on their way are kept until the server has them.
#[derive(Debug)]
pub(crate) struct EventQueue {
    waiting: VecDeque<Numbered>,
    flying: BTreeMap<u64, Numbered>,
    next: u64,
    counters: Arc<Counters>,
}

impl EventQueue {
    pub(crate) fn new(counters: Arc<Counters>) -> Self {
        EventQueue { waiting: VecDeque::new(), flying: BTreeMap::new(), next: 0, counters }
    }

    pub(crate) fn push(&mut self, event: FleetEvent) {
        if event.json.len() > MAX_EVENT {
            return count(&self.counters.events_lost);
        }
        self.next += 1;
        let event = Numbered { number: self.next, kind: event.kind, json: event.json.into() };
        self.waiting.push_back(event);
        self.trim();
    }

    /// The next to be sent.
    pub(crate) fn pop(&mut self) -> Option<Numbered> {
        let first = self.waiting.pop_front()?;
        self.flying.insert(first.number, first.clone());
        Some(first)
    }

    /// The server has it.
    pub(crate) fn sent(&mut self, number: u64) {
        self.flying.remove(&number);
        self.trim();
    }

    /// It did not get there, and waits again.
    pub(crate) fn returned(&mut self, number: u64) {
        if let Some(event) = self.flying.remove(&number) {
            let place = self.waiting.partition_point(|waiting| waiting.number < number);
            self.waiting.insert(place, event);
        }
        self.trim();
    }

    /// Nothing is on its way any more: the connection is lost.
    pub(crate) fn recall(&mut self) {
        for event in std::mem::take(&mut self.flying).into_values().rev() {
            self.waiting.push_front(event);
        }
        self.trim();
    }

    /// Whether the server has all.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.flying.is_empty()
    }

    fn trim(&mut self) {
        while self.waiting.len() > ROOM {
            self.waiting.pop_front();
            count(&self.counters.events_lost);
        }
        set(&self.counters.events_waiting, self.waiting.len() + self.flying.len());
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
        queue.returned(first.number);
        assert_eq!(queue.pop().unwrap().number, 4);
        assert_eq!(queue.pop().unwrap().number, 5);
        queue.sent(4);
        queue.recall();
        assert_eq!(
            queue.pop().unwrap().number,
            5,
            "what was on its way when the connection was lost goes again"
        );
        assert_eq!(counters.events_waiting.load(Ordering::Relaxed), ROOM as u64 - 1);
    }

    #[test]
    fn too_long_an_event_is_counted() {
        let counters = Arc::new(Counters::new());
        let mut queue = EventQueue::new(counters.clone());
        queue.push(FleetEvent { kind: "alert", json: vec![b'x'; MAX_EVENT + 1] });
        assert!(queue.is_empty());
        assert_eq!(counters.events_lost.load(Ordering::Relaxed), 1);
    }
}
