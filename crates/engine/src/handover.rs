//! Whole datagrams on their way to the worker that has their flow.
//!
//! Fragments are steered by their addresses alone, because only the first has ports. So the worker that puts a datagram
//! together need not be the one to which the datagram's flow belongs: it hands the datagram over, in a buffer of the
//! owner's that comes back empty. So does a worker that was brought a tunnel's packet because of something malformed in
//! it. Nobody waits: if the owner has no empty buffer, the frame is dropped and counted.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering, fence};

use crossbeam_queue::ArrayQueue;
use output::Source;
use rustix::event::{EventfdFlags, eventfd};
use wire::{LinkType, Nanos, worker_of};

use crate::input::Input;
use crate::reassembly::Merged;

/// Datagrams that may wait for a worker. With fewer, a worker that the kernel does not run for a moment loses some that
/// its receive ring would have kept.
pub(crate) const HANDOVER_QUEUE: usize = 1024;
/// Buffers larger than this are not kept: the most that idle buffers of a worker take is 16 MiB.
const KEPT_BUFFER: usize = 16 * 1024;

/// A datagram that is handed over.
#[derive(Debug)]
pub(crate) struct Parcel {
    frame: Vec<u8>,
    link: LinkType,
    time: Nanos,
    arrival: Option<Nanos>,
    hash: u32,
    merged: Merged,
    source: Source,
}

impl Parcel {
    /// As the owner's worker takes it.
    pub(crate) fn input(&self, position: u64) -> Input<'_> {
        Input {
            bytes: &self.frame,
            link: self.link,
            time: self.time,
            arrival: self.arrival,
            wire_len: u32::try_from(self.merged.frames.wire_bytes).unwrap_or(u32::MAX),
            steered: Some(self.hash),
            ordinal: None,
            position,
            source: &self.source,
            merged: Some(self.merged),
        }
    }
}

/// What waits for one worker.
#[derive(Debug)]
struct Inbox {
    parcels: ArrayQueue<Parcel>,
    /// Buffers without a datagram: as many as there may be parcels.
    empty: ArrayQueue<Vec<u8>>,
    /// The worker sleeps, or is about to.
    asleep: AtomicBool,
    bell: OwnedFd,
}

/// All workers' inboxes.
#[derive(Debug)]
pub(crate) struct Exchange {
    inboxes: Vec<Inbox>,
    /// Parcels that are not worked on yet.
    under_way: AtomicU64,
    /// Workers that will get no more frames.
    done: AtomicU32,
}

impl Exchange {
    /// For so many workers.
    ///
    /// # Errors
    /// No descriptor left.
    pub(crate) fn new(workers: u32) -> io::Result<Self> {
        let inbox = || -> io::Result<Inbox> {
            let empty = ArrayQueue::new(HANDOVER_QUEUE);
            while empty.push(Vec::new()).is_ok() {}
            Ok(Inbox {
                parcels: ArrayQueue::new(HANDOVER_QUEUE),
                empty,
                asleep: AtomicBool::new(false),
                bell: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            })
        };
        Ok(Exchange {
            inboxes: (0..workers).map(|_| inbox()).collect::<io::Result<_>>()?,
            under_way: AtomicU64::new(0),
            done: AtomicU32::new(0),
        })
    }
}

/// One worker's end of the exchange.
#[derive(Clone, Debug)]
pub(crate) struct Handover {
    exchange: Arc<Exchange>,
    index: u32,
    /// Whether the steering hash says whose a flow is.
    by_hash: bool,
}

impl Handover {
    pub(crate) fn new(exchange: Arc<Exchange>, index: u32, by_hash: bool) -> Self {
        Handover { exchange, index, by_hash }
    }

    fn inbox(&self) -> &Inbox {
        &self.exchange.inboxes[self.index as usize]
    }

    /// The other worker to which packets with this steering hash belong, if it is another.
    pub(crate) fn other_owner(&self, hash: u32) -> Option<u32> {
        let owner = worker_of(hash, self.exchange.inboxes.len() as u32);
        (self.by_hash && owner != self.index).then_some(owner)
    }

    /// Hands a datagram over. False if its owner has no room for it.
    pub(crate) fn give(&self, owner: u32, hash: u32, input: &Input<'_>, merged: Merged) -> bool {
        let inbox = &self.exchange.inboxes[owner as usize];
        let Some(mut frame) = inbox.empty.pop() else { return false };
        frame.clear();
        frame.extend_from_slice(input.bytes);
        let &Input { link, time, arrival, source, .. } = input;
        let parcel = Parcel { frame, link, time, arrival, hash, merged, source: source.clone() };
        self.exchange.under_way.fetch_add(1, Ordering::AcqRel);
        // There are no more buffers than places.
        if inbox.parcels.push(parcel).is_err() {
            self.exchange.under_way.fetch_sub(1, Ordering::AcqRel);
            return false;
        }
        // Either this sees that the worker is about to sleep, or the worker sees the parcel.
        fence(Ordering::SeqCst);
        if inbox.asleep.load(Ordering::Relaxed) && inbox.asleep.swap(false, Ordering::AcqRel) {
            let _ = rustix::io::write(&inbox.bell, &1_u64.to_ne_bytes());
        }
        true
    }

    /// The next datagram for this worker; [`Handover::recycle`] it.
    pub(crate) fn receive(&self) -> Option<Parcel> {
        self.inbox().parcels.pop()
    }

    /// The parcel has been worked on: its buffer is free for another.
    pub(crate) fn recycle(&self, parcel: Parcel) {
        let small = parcel.frame.capacity() <= KEPT_BUFFER;
        let _ = self.inbox().empty.push(if small { parcel.frame } else { Vec::new() });
        self.exchange.under_way.fetch_sub(1, Ordering::AcqRel);
    }

    /// What becomes readable when a parcel comes for a worker that sleeps.
    pub(crate) fn bell(&self) -> BorrowedFd<'_> {
        self.inbox().bell.as_fd()
    }

    /// Before the worker sleeps. False if there is a parcel to be worked on first.
    pub(crate) fn may_sleep(&self) -> bool {
        let inbox = self.inbox();
        inbox.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let empty = inbox.parcels.is_empty();
        if !empty {
            self.wake();
        }
        empty
    }

    /// After it has slept.
    pub(crate) fn wake(&self) {
        let inbox = self.inbox();
        inbox.asleep.store(false, Ordering::Release);
        // Whoever rings after this only cuts the next sleep short.
        let _ = rustix::io::read(&inbox.bell, &mut [0; 8]);
    }

    /// This worker gets no more frames from its rings. To be said once.
    pub(crate) fn done(&self) {
        self.exchange.done.fetch_add(1, Ordering::AcqRel);
    }

    /// Whether no parcel can come any more.
    pub(crate) fn is_over(&self) -> bool {
        self.exchange.done.load(Ordering::Acquire) as usize >= self.exchange.inboxes.len()
            && self.exchange.under_way.load(Ordering::Acquire) == 0
    }
}

#[cfg(test)]
#[path = "handover_tests.rs"]
mod tests;
