//! One worker's receiving end of a capture port: its own socket on every queue.
//!
//! A queue's fill ring has one producer, but several workers give frames back to it. Each worker
//! returns its frames through a single-producer ring of its own; whichever worker finds the filler
//! free moves them on into the fill ring. Nobody waits: a worker that finds it taken goes on, because
//! the holder, or the next worker to come by, moves its frames too. A queue has so many frames that
//! all receive rings together cannot hold them all, so a slow worker cannot starve the others.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::Duration;

use rtrb::{Consumer, Producer};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use xsk_rs::{FillQueue, FrameDesc, RxQueue, TxQueue, Umem};

use crate::layout::split_head;

/// Frames handled at once: enough to pay for a ring operation, few enough to stay in the cache.
pub const BATCH: usize = 64;

/// A received frame, borrowed from packet memory until the batch ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The frame from its link header on.
    pub bytes: &'a [u8],
    /// When it entered the XDP program (CLOCK_MONOTONIC nanoseconds).
    pub arrival_ns: u64,
    /// The symmetric flow hash by which it was steered: worker = hash % workers.
    pub hash: u32,
}

/// Moves returned frames into the fill ring of one queue.
pub(crate) struct Filler {
    fill: FillQueue,
    returns: Vec<Consumer<FrameDesc>>,
    /// Frames on their way from `returns` to `fill`.
    batch: [FrameDesc; BATCH],
    pending: usize,
}

impl Filler {
    pub(crate) fn new(fill: FillQueue, returns: Vec<Consumer<FrameDesc>>) -> Self {
        Filler { fill, returns, batch: [FrameDesc::default(); BATCH], pending: 0 }
    }

    fn refill(&mut self) {
        loop {
            for ring in &mut self.returns {
                while self.pending < BATCH {
                    let Ok(frame) = ring.pop() else { break };
                    self.batch[self.pending] = frame;
                    self.pending += 1;
                }
            }
            if self.pending == 0 {
                return;
            }
            // SAFETY: each of these frames was received on this UMEM, given back by its worker, and is
            // in nobody else's hands.
            let done = unsafe { self.fill.produce(&self.batch[..self.pending]) };
            self.batch.copy_within(done..self.pending, 0);
            self.pending -= done;
            if done == 0 {
                return;
            }
        }
    }

    /// Tells a driver that sleeps for want of frames that there are some (XDP_USE_NEED_WAKEUP).
    fn wake(&self, rx: &mut RxQueue) -> io::Result<()> {
        if self.fill.needs_wakeup() { self.fill.wakeup(rx.fd_mut(), 0) } else { Ok(()) }
    }
}

/// One worker's socket on one queue.
pub(crate) struct QueueSocket {
    /// The packet memory of the queue, shared with the other workers' sockets on it.
    pub(crate) umem: Umem,
    pub(crate) rx: RxQueue,
    /// Never used to send; libxdp makes it, and dropping it would be dropping part of the socket.
    pub(crate) _tx: TxQueue,
    pub(crate) give_back: Producer<FrameDesc>,
    pub(crate) filler: Arc<Mutex<Filler>>,
}

/// What the kernel counted on a worker's sockets (getsockopt XDP_STATISTICS).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RingCounters {
    /// Frames lost because the worker's receive ring was full.
    pub rx_ring_full: u64,
    /// Frames lost for other reasons: the fill ring was empty, or the frame is larger than a chunk.
    pub rx_dropped: u64,
    /// Times the fill ring was found empty.
    pub fill_ring_empty: u64,
}

/// A worker's receiving end of one capture port.
pub struct Receiver {
    sockets: Vec<QueueSocket>,
    batch: [FrameDesc; BATCH],
    /// Where the next round begins, so that no queue is served last for ever.
    next: usize,
}

impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Receiver").field("queues", &self.sockets.len()).finish_non_exhaustive()
    }
}

impl Receiver {
    pub(crate) fn new(sockets: Vec<QueueSocket>) -> Self {
        Receiver { sockets, batch: [FrameDesc::default(); BATCH], next: 0 }
    }

    /// Receives a batch from each queue and hands it to `work`; the frames go back to their fill rings
    /// when it returns. Never blocks, never allocates. The number of frames received.
    pub fn receive(&mut self, mut work: impl FnMut(&Batch<'_>)) -> usize {
        let mut total = 0;
        let queues = self.sockets.len();
        for turn in 0..queues {
            let socket = &mut self.sockets[(self.next + turn) % queues];
            // Refill before looking: a driver must not run dry while we work.
            give(socket, &[]);
            // SAFETY: the descriptors are filled by this socket, which is bound to its `umem`.
            let count = unsafe { socket.rx.consume(&mut self.batch) };
            if count > 0 {
                work(&Batch { umem: &socket.umem, frames: &self.batch[..count] });
                give(socket, &self.batch[..count]);
                total += count;
            }
        }
        self.next = self.next.wrapping_add(1);
        total
    }

    /// Sleeps until a frame is there or `timeout` is over. Also wakes drivers that need it.
    ///
    /// # Errors
    /// What poll(2) said; an interrupted sleep is no error.
    pub fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        for socket in &mut self.sockets {
            if let Ok(filler) = socket.filler.try_lock() {
                filler.wake(&mut socket.rx)?;
            }
        }
        let fds: Vec<i32> = self.sockets.iter().map(|s| s.rx.fd().as_raw_fd()).collect();
        let mut polled: Vec<PollFd<'_>> = fds
            .iter()
            // SAFETY: the sockets outlive this call, and with them their descriptors.
            .map(|&fd| PollFd::from_borrowed_fd(unsafe { BorrowedFd::borrow_raw(fd) }, PollFlags::IN))
            .collect();
        let timeout = Timespec::try_from(timeout).map_err(io::Error::other)?;
        match poll(&mut polled, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(err) => Err(err.into()),
        }
    }

    /// A handle on the kernel's counters of these sockets, for another thread. It keeps the sockets
    /// alive, and so must go before the ports can be bound anew.
    ///
    /// # Errors
    /// No descriptor left.
    pub fn ring_stats(&self) -> io::Result<RingStats> {
        let clone = |socket: &QueueSocket| {
            // SAFETY: the socket is alive while `self` is borrowed.
            unsafe { BorrowedFd::borrow_raw(socket.rx.fd().as_raw_fd()) }.try_clone_to_owned()
        };
        Ok(RingStats(self.sockets.iter().map(clone).collect::<io::Result<_>>()?))
    }
}

/// See [`Receiver::ring_stats`].
#[derive(Debug)]
pub struct RingStats(Vec<OwnedFd>);

impl RingStats {
    /// The counters, summed over the worker's sockets.
    ///
    /// # Errors
    /// What getsockopt(2) said.
    pub fn read(&self) -> io::Result<RingCounters> {
        let mut sum = RingCounters::default();
        for socket in &self.0 {
            let stats = statistics(socket)?;
            sum.rx_ring_full += stats.rx_ring_full;
            sum.rx_dropped += stats.rx_dropped;
            sum.fill_ring_empty += stats.rx_fill_ring_empty_descs;
        }
        Ok(sum)
    }
}

fn statistics(socket: &OwnedFd) -> io::Result<libc::xdp_statistics> {
    // SAFETY: xdp_statistics is plain data; all zeroes is a valid value.
    let mut stats: libc::xdp_statistics = unsafe { std::mem::zeroed() };
    let mut len = size_of_val(&stats) as libc::socklen_t;
    // SAFETY: the pointers describe `stats` and `len`, which outlive the call.
    let done = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_XDP,
            libc::XDP_STATISTICS,
            (&raw mut stats).cast(),
            &raw mut len,
        )
    };
    if done < 0 { Err(io::Error::last_os_error()) } else { Ok(stats) }
}

/// Returns frames, and moves on what is waiting if no other worker is at it.
fn give(socket: &mut QueueSocket, frames: &[FrameDesc]) {
    for &frame in frames {
        // The ring holds as many frames as the queue has: it cannot be full.
        let pushed = socket.give_back.push(frame);
        debug_assert!(pushed.is_ok(), "more frames than the queue has");
    }
    match socket.filler.try_lock() {
        Ok(mut filler) => filler.refill(),
        Err(TryLockError::WouldBlock) => {}
        // A worker panicked while it held the filler; its state is a plain list, still whole.
        Err(TryLockError::Poisoned(poisoned)) => PoisonError::into_inner(poisoned).refill(),
    }
}

/// Up to [`BATCH`] frames of one queue.
pub struct Batch<'a> {
    umem: &'a Umem,
    frames: &'a [FrameDesc],
}

impl std::fmt::Debug for Batch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batch").field("frames", &self.frames.len()).finish_non_exhaustive()
    }
}

impl<'a> Batch<'a> {
    /// The frames in the order of their arrival. A frame without the head that the XDP program puts
    /// before each cannot be, and would be skipped.
    pub fn frames(&self) -> impl Iterator<Item = Frame<'a>> + '_ {
        self.frames.iter().filter_map(|desc| {
            // SAFETY: the descriptor came from a receive ring of this UMEM, and the frame is given
            // back only when the batch is over; nobody writes to it until then.
            let data: &'a [u8] = unsafe { self.umem.data(desc) }.contents();
            split_head(data).map(|(arrival_ns, hash, bytes)| Frame { bytes, arrival_ns, hash })
        })
    }
}
