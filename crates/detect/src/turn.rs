//! Workers of a replay take turns where they share what they remember.
//!
//! A worker that comes to something shared at a packet waits until no other worker is at an earlier one. So all that is
//! shared is asked and changed in the order of the packets, and the number of workers does not show. The worker at the
//! earliest packet never waits, so that they cannot wait for each other in a circle. Live workers do not take turns:
//! there the order in which packets come is all the order there is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A worker's place in the order of all packets.
#[derive(Clone, Debug)]
pub struct Turn {
    /// At which packet each worker is, or before which if it has none to work on.
    places: Arc<[AtomicU64]>,
    mine: usize,
}

impl Turn {
    /// Turns of so many workers, all before the first packet.
    #[must_use]
    pub fn among(workers: usize) -> Vec<Turn> {
        let places: Arc<[AtomicU64]> = (0..workers).map(|_| AtomicU64::new(0)).collect();
        (0..workers).map(|mine| Turn { places: places.clone(), mine }).collect()
    }

    /// This worker is at that packet: all before it is done.
    pub fn reach(&self, packet: u64) {
        self.places[self.mine].store(packet, Ordering::Release);
    }

    /// Waits until every other worker is at this one's packet or at a later one.
    pub fn wait(&self) {
        let here = self.places[self.mine].load(Ordering::Relaxed);
        for other in &*self.places {
            // What the other did before it came there is seen from here on.
            while other.load(Ordering::Acquire) < here {
                std::thread::yield_now();
            }
        }
    }
}

/// A worker that dies must not leave the others waiting.
impl Drop for Turn {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.reach(u64::MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn what_is_shared_is_done_in_the_order_of_the_packets() {
        for workers in [1, 2, 3, 8] {
            let done = Mutex::new(Vec::new());
            std::thread::scope(|scope| {
                for turn in Turn::among(workers) {
                    let done = &done;
                    scope.spawn(move || {
                        for packet in (1..=400_u64).filter(|n| (n * n / 7) as usize % workers == turn.mine) {
                            turn.reach(packet);
                            if packet % 3 == 0 {
                                turn.wait();
                                done.lock().unwrap().push(packet);
                            }
                        }
                        turn.reach(401);
                    });
                }
            });
            let expected: Vec<u64> = (1..=400).filter(|n| n % 3 == 0).collect();
            assert_eq!(done.into_inner().unwrap(), expected, "{workers} workers");
        }
    }

    #[test]
    fn a_worker_that_dies_holds_nobody_up() {
        let mut turns = Turn::among(2);
        let (last, first) = (turns.pop().unwrap(), turns.pop().unwrap());
        first.reach(1);
        last.reach(2);
        let died = std::thread::spawn(move || {
            let _held = first;
            panic!("on purpose");
        });
        assert!(died.join().is_err());
        last.wait();
    }
}
