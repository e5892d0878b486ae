//! What receivers and the kernel count on their sockets, for whoever reads it.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::net::sockopt;

/// What a receiver counts itself. One writer, any readers.
#[derive(Debug, Default)]
pub struct ReceiverCounts {
    /// Frames longer than packet memory takes; their beginning was delivered.
    pub truncated: AtomicU64,
    /// Times that a fill ring was half empty and the pool had nothing for it.
    pub pool_empty: AtomicU64,
    /// Frames put on a transmit ring.
    pub forwarded: AtomicU64,
    /// Frames not forwarded because the transmit ring was full.
    pub tx_ring_full: AtomicU64,
}

/// What the kernel counted on sockets (getsockopt XDP_STATISTICS).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RingCounters {
    /// Frames lost because the worker's receive ring was full.
    pub rx_ring_full: u64,
    /// Frames lost for other reasons: the fill ring was empty, or the frame is larger than a chunk.
    pub rx_dropped: u64,
    /// Times the fill ring was found empty.
    pub fill_ring_empty: u64,
    /// Descriptors on a transmit ring that the kernel refused.
    pub tx_invalid: u64,
}

impl RingCounters {
    /// Adds another socket's.
    pub fn add(&mut self, other: &Self) {
        self.rx_ring_full += other.rx_ring_full;
        self.rx_dropped += other.rx_dropped;
        self.fill_ring_empty += other.fill_ring_empty;
        self.tx_invalid += other.tx_invalid;
    }
}

/// Adds to a counter. Only for its one writer: it is a plain load and store.
pub(crate) fn add(counter: &AtomicU64, n: u64) {
    counter.store(counter.load(Ordering::Relaxed) + n, Ordering::Relaxed);
}

/// See [`Receiver::ring_stats`](crate::Receiver::ring_stats).
#[derive(Debug)]
pub struct RingStats {
    /// Device of the port, queue, socket.
    pub(crate) sockets: Vec<(usize, u32, OwnedFd)>,
    pub(crate) counts: Arc<ReceiverCounts>,
}

impl RingStats {
    /// The kernel's counters of each socket: device of the port, queue, counters.
    ///
    /// # Errors
    /// What getsockopt(2) said.
    pub fn read(&self) -> io::Result<Vec<(usize, u32, RingCounters)>> {
        let read = |(device, queue, socket): &(usize, u32, OwnedFd)| {
            let stats = sockopt::xdp_statistics(socket)?;
            let counters = RingCounters {
                rx_ring_full: stats.rx_ring_full.unwrap_or(0),
                rx_dropped: stats.rx_dropped,
                fill_ring_empty: stats.rx_fill_ring_empty_descs.unwrap_or(0),
                tx_invalid: stats.tx_invalid_descs,
            };
            Ok((*device, *queue, counters))
        };
        self.sockets.iter().map(read).collect()
    }

    /// What the receiver counted.
    #[must_use]
    pub fn counts(&self) -> &ReceiverCounts {
        &self.counts
    }
}
