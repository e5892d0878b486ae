//! Alerts on their way from the workers to the warden: a queue of one writer and one reader for each worker.
//!
//! Neither side ever waits for the other. The queues of several writers, which others are made of, let their reader spin
//! while a writer is about to write; a real-time warden that has taken the core from just that worker would spin until
//! the kernel's throttle ends it, which is a second.

use std::thread::{self, Thread};

use alert::Sighting;
use output::{AlertEvent, Stamp};
use rtrb::{Consumer, Producer, RingBuffer};
use wire::Nanos;

use crate::notes::Note;

/// What a worker tells the warden.
#[derive(Debug)]
pub(crate) enum Raised {
    /// An alert with where and when it was raised.
    Alert(Stamp, Box<AlertEvent>),
    /// What became of a flow whose alerts wait for proof.
    Note(Note),
}

/// Alerts of one worker that may wait.
const ALERT_QUEUE: usize = 4096;
/// Facts of one worker that may wait.
const SIGHTING_QUEUE: usize = 8192;
/// When so many wait, the warden is woken for them: few enough not to keep an alert waiting that comes behind them.
const SIGHTINGS_AT_ONCE: usize = 256;

/// A fact for the judge, with the time of the packet that showed it.
pub(crate) type Sighted = (Nanos, Sighting);

/// A worker's end.
#[derive(Debug)]
pub(crate) struct AlertSender<T = Raised> {
    /// None once it is closed.
    queue: Option<Producer<T>>,
    warden: Thread,
}

impl<T> AlertSender<T> {
    /// Gives an alert to the warden and wakes it; false if too many wait.
    pub(crate) fn send(&mut self, alert: T) -> bool {
        let sent = self.queue.as_mut().is_some_and(|queue| queue.push(alert).is_ok());
        self.warden.unpark();
        sent
    }
}

impl AlertSender<Sighted> {
    /// Leaves a fact for the warden's next look; false if too many wait.
    pub(crate) fn leave(&mut self, sighted: Sighted) -> bool {
        let Some(queue) = &mut self.queue else { return false };
        let left = queue.push(sighted).is_ok();
        if queue.slots() % SIGHTINGS_AT_ONCE == 0 {
            self.warden.unpark();
        }
        left
    }
}

impl AlertInbox<Sighted> {
    /// For the facts of so many workers.
    pub(crate) fn of_sightings(workers: u32) -> (Self, AlertSenders<Sighted>) {
        AlertInbox::with_room(workers, SIGHTING_QUEUE)
    }
}

impl<T> Drop for AlertSender<T> {
    fn drop(&mut self) {
        self.queue = None;
        self.warden.unpark();
    }
}

/// The warden's end.
#[derive(Debug)]
pub(crate) struct AlertInbox<T = Raised> {
    queues: Vec<Consumer<T>>,
    /// The worker whose turn it is.
    next: usize,
}

/// The workers' ends, until it is known which thread the warden is.
#[derive(Debug)]
pub(crate) struct AlertSenders<T = Raised>(Vec<Producer<T>>);

impl<T> AlertSenders<T> {
    /// The workers' ends, one each.
    pub(crate) fn wake(self, warden: &Thread) -> impl Iterator<Item = AlertSender<T>> {
        self.0.into_iter().map(|queue| AlertSender { queue: Some(queue), warden: warden.clone() })
    }
}

impl<T> AlertInbox<T> {
    /// For so many workers.
    pub(crate) fn new(workers: u32) -> (Self, AlertSenders<T>) {
        AlertInbox::with_room(workers, ALERT_QUEUE)
    }

    fn with_room(workers: u32, room: usize) -> (Self, AlertSenders<T>) {
        let (senders, queues) = (0..workers).map(|_| RingBuffer::new(room)).unzip();
        (AlertInbox { queues, next: 0 }, AlertSenders(senders))
    }

    /// The next alert. Workers take turns.
    pub(crate) fn take(&mut self) -> Option<T> {
        for turn in 0..self.queues.len() {
            let at = (self.next + turn) % self.queues.len();
            if let Ok(alert) = self.queues[at].pop() {
                self.next = at + 1;
                return Some(alert);
            }
        }
        None
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.queues.iter().all(Consumer::is_empty)
    }

    /// Whether all workers are gone and nothing waits.
    pub(crate) fn is_over(&self) -> bool {
        // What a worker has sent is there before it is gone.
        self.queues.iter().all(Consumer::is_abandoned) && self.is_empty()
    }

    /// Sleeps until somebody wakes this thread. Who woke it between its last look and now is heeded.
    pub(crate) fn sleep(&self) {
        thread::park();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn workers_take_turns_and_what_does_not_fit_is_told() {
        let (mut inbox, senders) = AlertInbox::new(2);
        let mut workers: Vec<_> = senders.wake(&thread::current()).collect();
        for number in 0..3 {
            assert!(workers[0].send((0, number)) && workers[1].send((1, number)));
        }
        let order: Vec<_> = std::iter::from_fn(|| inbox.take()).collect();
        assert_eq!(order, [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2), (1, 2)]);
        let sent = (0..=ALERT_QUEUE).filter(|&number| workers[1].send((1, number))).count();
        assert_eq!((sent, inbox.is_empty()), (ALERT_QUEUE, false));
        drop(workers);
        assert!(!inbox.is_over());
        assert_eq!((std::iter::from_fn(|| inbox.take()).count(), inbox.is_over()), (ALERT_QUEUE, true));
    }

    #[test]
    fn no_alert_is_slept_through() {
        let (mut inbox, senders) = AlertInbox::new(1);
        let warden = thread::spawn(move || {
            let mut sum = 0_u64;
            while !inbox.is_over() {
                match inbox.take() {
                    Some(number) => sum += number,
                    // For ever, if a wake-up gets lost.
                    None => inbox.sleep(),
                }
            }
            sum
        });
        let mut worker = senders.wake(warden.thread()).next().unwrap();
        for number in 0..20_000_u64 {
            while !worker.send(number) {}
            if number % 100 == 0 {
                thread::sleep(Duration::from_micros(10));
            }
        }
        drop(worker);
        assert_eq!(warden.join().unwrap(), (0..20_000_u64).sum::<u64>());
    }
}
