//! One worker's end of a port: its own socket on every queue, and the frames on their way through.
//!
//! A queue's fill ring has one producer, but several workers give frames back to it. Whoever finds its lock free
//! fills it; nobody waits. What cannot be given back at once goes to the worker's stash, what the stash cannot hold
//! goes to the lock-free pool, and every worker tops half-empty fill rings up from there. There are more frames than
//! all rings together can hold, so a worker that does not empty its own cannot starve the others.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use rustix::net::xdp::{XdpDesc, XdpDescOptions};

use crate::bind::{MAX_FRAME, Place};
use crate::layout::{FRAME_HEAD, split_head};
use crate::ring_stats::{ReceiverCounts, RingStats, add};
use crate::xsk::{Consumer, Producer, QueueRings, Socket, Umem, Xsk};

/// Frames handled at once: enough to pay for a ring operation, few enough to stay in the cache.
pub const BATCH: usize = 64;
/// Frames that a worker keeps to itself while a fill ring's lock is taken.
pub(crate) const STASH: usize = 4 * BATCH;
/// Rounds of asking the kernel to send before the rest waits for the next batch.
const SEND_ROUNDS: u32 = 8;
const NO_DESC: XdpDesc = XdpDesc { addr: 0, len: 0, options: XdpDescOptions::empty() };

/// A received frame, borrowed from packet memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The frame from its link header on.
    pub bytes: &'a [u8],
    /// Its length on the wire; more than there are bytes if it did not fit into packet memory.
    pub wire_len: u32,
    /// When it entered the NIC or the XDP program (CLOCK_MONOTONIC nanoseconds).
    pub arrival_ns: u64,
    /// The symmetric flow hash by which it was steered ([`wire::worker_of`]).
    pub hash: u32,
    /// The device of the port that it came in by: 0, or 1 for the second of an inline pair.
    pub device: usize,
}

/// What the sockets of one queue share.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) rings: Mutex<QueueRings>,
}

impl Queue {
    /// The rings, if nobody is at them.
    fn try_lock(&self) -> Option<MutexGuard<'_, QueueRings>> {
        match self.rings.try_lock() {
            Ok(rings) => Some(rings),
            Err(TryLockError::WouldBlock) => None,
            // A worker panicked while it held the lock; indices are published last, so the rings are whole.
            Err(TryLockError::Poisoned(poisoned)) => Some(PoisonError::into_inner(poisoned)),
        }
    }

    /// Fills the ring for the first time.
    pub(crate) fn fill_from(&self, umem: &Umem) {
        let mut rings = self.rings.lock().unwrap_or_else(PoisonError::into_inner);
        while rings.fill.room(1) > 0 {
            let Some(chunk) = umem.take() else { return };
            rings.fill.push(&[chunk]);
        }
    }
}

/// One worker's socket on one queue.
#[derive(Debug)]
pub(crate) struct Lane {
    place: Place,
    socket: Socket,
    rx: Consumer<XdpDesc>,
    tx: Option<Producer<XdpDesc>>,
    queue: Arc<Queue>,
    /// On a pair: the lane of the other device through which frames of this one leave.
    forward: Option<usize>,
}

impl Lane {
    pub(crate) fn new(place: Place, xsk: Xsk, queue: Arc<Queue>) -> io::Result<Self> {
        let rx = xsk.rx.ok_or_else(|| io::Error::other("no receive ring"))?;
        Ok(Lane { place, socket: xsk.socket, rx, tx: xsk.tx, queue, forward: None })
    }
}

/// A worker's end of one port.
#[derive(Debug)]
pub struct Receiver {
    umem: Arc<Umem>,
    lanes: Vec<Lane>,
    /// Free chunks.
    stash: Vec<u64>,
    batch: Box<[XdpDesc; BATCH]>,
    /// Where a frame of several chunks is put together.
    scratch: Vec<u8>,
    counts: Arc<ReceiverCounts>,
    /// Where the next round begins, so that no queue is served last for ever.
    next: usize,
}

impl Receiver {
    pub(crate) fn new(umem: Arc<Umem>, mut lanes: Vec<Lane>, pair: bool) -> Result<Self, &'static str> {
        if pair {
            for at in 0..lanes.len() {
                let place = lanes[at].place;
                let others: Vec<usize> =
                    (0..lanes.len()).filter(|&i| lanes[i].place.device != place.device).collect();
                let to = others.get(place.queue as usize % others.len().max(1));
                lanes[at].forward = Some(*to.ok_or("both devices of a pair need a queue for every worker")?);
            }
        }
        Ok(Receiver {
            umem,
            lanes,
            stash: Vec::with_capacity(STASH + 2 * BATCH),
            batch: Box::new([NO_DESC; BATCH]),
            scratch: Vec::with_capacity(MAX_FRAME as usize + FRAME_HEAD),
            counts: Arc::default(),
            next: 0,
        })
    }

    /// Receives a batch from each queue and hands its frames to `work` in the order of their arrival, as many at once
    /// as lie side by side in packet memory (at most [`BATCH`]); then they leave through the other device of a pair,
    /// or go back to the fill rings. Never blocks, never allocates. The number of frames received.
    pub fn receive(&mut self, mut work: impl FnMut(&[Frame<'_>])) -> usize {
        let mut total = 0;
        let lanes = self.lanes.len();
        for turn in 0..lanes {
            let at = (self.next + turn) % lanes;
            let count = self.take(at);
            if count > 0 {
                total += self.deliver(at, count, &mut work);
                match self.lanes[at].forward {
                    Some(to) => self.forward(to, count),
                    None => self.give_back(count),
                }
            }
            self.top_up(at);
        }
        self.next = self.next.wrapping_add(1);
        total
    }

    /// The fullest receive ring: frames that wait in it, of how many.
    pub fn depth(&mut self) -> (u32, u32) {
        let of = |lane: &mut Lane| (lane.rx.depth(), lane.rx.size());
        self.lanes.iter_mut().map(of).max().unwrap_or((0, 1))
    }

    /// Copies the next descriptors into the batch, whole frames only.
    fn take(&mut self, at: usize) -> usize {
        let rx = &mut self.lanes[at].rx;
        let count = rx.peek(&mut self.batch[..]);
        let is_last = |desc: &XdpDesc| !desc.options.contains(XdpDescOptions::XDP_PKT_CONTD);
        let whole = match self.batch[..count].iter().rposition(is_last) {
            Some(last) => last + 1,
            // The kernel publishes a frame's descriptors together and makes no more than 18 of one.
            None => count,
        };
        rx.release(whole);
        whole
    }

    fn deliver(&mut self, at: usize, count: usize, work: &mut impl FnMut(&[Frame<'_>])) -> usize {
        let device = self.lanes[at].place.device;
        let mut frames = 0;
        let mut truncated = 0;
        let (batch, umem, scratch) = (&self.batch[..count], &self.umem, &mut self.scratch);
        let continues = |desc: &XdpDesc| desc.options.contains(XdpDescOptions::XDP_PKT_CONTD);
        let mut rest = batch;
        while !rest.is_empty() {
            // Frames of one chunk are handed on where they lie, all that follow one another.
            let single = rest.iter().position(continues).unwrap_or(rest.len());
            let mut side_by_side = [Frame::default(); BATCH];
            let mut n = 0;
            for desc in &rest[..single] {
                // SAFETY: the chunk came from a receive ring and is given away only when the batch is over.
                let whole = unsafe { umem.bytes(desc.addr, desc.len) };
                if let Some(frame) = frame(whole, device) {
                    truncated += u64::from(frame.is_truncated());
                    side_by_side[n] = frame;
                    n += 1;
                }
            }
            if n > 0 {
                work(&side_by_side[..n]);
                frames += n;
            }
            rest = &rest[single..];
            // A frame of several chunks is put together first.
            let chunks = rest.iter().position(|desc| !continues(desc)).map_or(rest.len(), |last| last + 1);
            if chunks > 0 {
                scratch.clear();
                for desc in &rest[..chunks] {
                    // SAFETY: as above.
                    let piece = unsafe { umem.bytes(desc.addr, desc.len) };
                    let room = scratch.capacity() - scratch.len();
                    scratch.extend_from_slice(&piece[..piece.len().min(room)]);
                }
                // The kernel makes no frame of more chunks than a batch holds; one without an end is none.
                let ends = rest[..chunks].last().is_some_and(|desc| !continues(desc));
                if let Some(frame) = frame(scratch, device).filter(|_| ends) {
                    truncated += u64::from(frame.is_truncated());
                    work(&[frame]);
                    frames += 1;
                }
                rest = &rest[chunks..];
            }
        }
        if truncated > 0 {
            add(&self.counts.truncated, truncated);
        }
        frames
    }

    /// Puts the batch's chunks into the stash.
    fn give_back(&mut self, count: usize) {
        for desc in &self.batch[..count] {
            let chunk = self.umem.chunk_of(desc.addr);
            keep(&mut self.stash, &self.umem, chunk);
        }
    }

    /// Sends the batch out by another lane, without the heads. What its ring has no room for is dropped.
    fn forward(&mut self, to: usize, count: usize) {
        let mut begins = true;
        for desc in &mut self.batch[..count] {
            if begins {
                desc.addr += FRAME_HEAD as u64;
                // Every frame has its head; but a ring is not ours alone.
                desc.len = desc.len.saturating_sub(FRAME_HEAD as u32);
            }
            begins = !desc.options.contains(XdpDescOptions::XDP_PKT_CONTD);
        }
        let lane = &mut self.lanes[to];
        let Some(tx) = &mut lane.tx else { return self.give_back(count) };
        let room = (tx.room(count as u32) as usize).min(count);
        let is_last = |desc: &XdpDesc| !desc.options.contains(XdpDescOptions::XDP_PKT_CONTD);
        let whole = self.batch[..room].iter().rposition(is_last).map_or(0, |last| last + 1);
        tx.push(&self.batch[..whole]);
        let frames = |descs: &[XdpDesc]| descs.iter().filter(|d| is_last(d)).count() as u64;
        add(&self.counts.forwarded, frames(&self.batch[..whole]));
        if whole < count {
            add(&self.counts.tx_ring_full, frames(&self.batch[whole..count]));
            for at in whole..count {
                let chunk = self.umem.chunk_of(self.batch[at].addr);
                keep(&mut self.stash, &self.umem, chunk);
            }
        }
        self.send(to);
    }

    /// Asks the kernel to send what is on a lane's transmit ring.
    fn send(&mut self, at: usize) {
        let lane = &mut self.lanes[at];
        let Some(tx) = &mut lane.tx else { return };
        for _ in 0..SEND_ROUNDS {
            if tx.pending() == 0 || !tx.needs_wakeup() {
                return;
            }
            match lane.socket.wake_tx() {
                Ok(true) => {}
                Ok(false) => return,
                Err(err) => {
                    tracing::debug!("send: {err}");
                    return;
                }
            }
        }
    }

    /// Moves free chunks into a queue's fill ring if nobody else is at it.
    fn top_up(&mut self, at: usize) {
        let lane = &mut self.lanes[at];
        let Some(mut rings) = lane.queue.try_lock() else { return };
        if lane.tx.is_some() {
            let mut done = [0_u64; BATCH];
            loop {
                let count = rings.completion.peek(&mut done);
                for &address in &done[..count] {
                    keep(&mut self.stash, &self.umem, self.umem.chunk_of(address));
                }
                rings.completion.release(count);
                if count < BATCH {
                    break;
                }
            }
        }
        let fill = &mut rings.fill;
        let room = fill.room(self.stash.len() as u32) as usize;
        let from = self.stash.len().saturating_sub(room);
        let given = fill.push(&self.stash[from..]);
        self.stash.truncate(self.stash.len() - given);
        let half = fill.size() / 2;
        if fill.room(half) > half {
            let (mut taken, mut count) = ([0_u64; BATCH], 0);
            while count < BATCH
                && let Some(chunk) = self.umem.take()
            {
                taken[count] = chunk;
                count += 1;
            }
            fill.push(&taken[..count]);
            if count == 0 {
                add(&self.counts.pool_empty, 1);
            }
        }
        if fill.needs_wakeup()
            && let Err(err) = lane.socket.wake_rx()
        {
            tracing::debug!("wake-up: {err}");
        }
    }

    /// To be called before sleeping on [`Receiver::sockets`]: gives everything back, wakes drivers that need it.
    /// False if frames still wait to be sent.
    pub fn settle(&mut self) -> bool {
        let mut settled = true;
        for at in 0..self.lanes.len() {
            self.send(at);
            self.top_up(at);
            settled &= self.lanes[at].tx.as_mut().is_none_or(|tx| tx.pending() == 0);
        }
        settled
    }

    /// Makes the kernel poll each queue for this worker (busy polling).
    ///
    /// # Errors
    /// What recvmsg(2) said.
    pub fn busy_poll(&self) -> io::Result<()> {
        self.lanes.iter().try_for_each(|lane| lane.socket.wake_rx())
    }

    /// Prepares the sockets for [`Receiver::busy_poll`], or undoes it (socket(7), SO_PREFER_BUSY_POLL).
    ///
    /// # Errors
    /// What setsockopt(2) said.
    pub fn set_busy_poll(&self, on: bool) -> io::Result<()> {
        self.lanes.iter().try_for_each(|lane| lane.socket.set_busy_poll(on))
    }

    /// The sockets, for poll(2) and its like.
    pub fn sockets(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.lanes.iter().map(|lane| lane.socket.fd())
    }

    /// A handle on the counters of this receiver, for another thread. It keeps the sockets alive, and so must go
    /// before the ports can be bound anew.
    ///
    /// # Errors
    /// No descriptor left.
    pub fn ring_stats(&self) -> io::Result<RingStats> {
        let sockets = self
            .lanes
            .iter()
            .map(|lane| Ok((lane.place.device, lane.place.queue, lane.socket.try_clone()?)))
            .collect::<io::Result<_>>()?;
        Ok(RingStats { sockets, counts: self.counts.clone() })
    }
}

/// The frame behind its head. One without our head cannot be: the program puts it before each.
fn frame(whole: &[u8], device: usize) -> Option<Frame<'_>> {
    let (head, bytes) = split_head(whole)?;
    let (wire_len, arrival_ns, hash) = (head.wire_len, head.arrival_ns, head.hash);
    Some(Frame { bytes, wire_len, arrival_ns, hash, device })
}

impl Frame<'_> {
    fn is_truncated(&self) -> bool {
        self.wire_len as usize > self.bytes.len()
    }
}

/// Keeps a free chunk, in the pool if the stash is full.
fn keep(stash: &mut Vec<u64>, umem: &Umem, chunk: u64) {
    if stash.len() < STASH { stash.push(chunk) } else { umem.put(chunk) }
}
