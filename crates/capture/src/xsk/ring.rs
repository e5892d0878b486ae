//! The single-producer, single-consumer rings that user space shares with the kernel.
//!
//! Both indices only grow, and wrap at 2^32. Each side owns one; it publishes entries with a release store and
//! takes the other's index with an acquire load, which pairs with the barriers in net/xdp/xsk_queue.h.

use std::io;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use rustix::net::xdp::{XdpRingFlags, XdpRingOffset};

/// One ring's shared pages.
#[derive(Debug)]
struct Shared<T> {
    base: NonNull<u8>,
    len: usize,
    producer: NonNull<AtomicU32>,
    consumer: NonNull<AtomicU32>,
    flags: NonNull<AtomicU32>,
    entries: NonNull<T>,
    mask: u32,
}

// SAFETY: the pages belong to this value alone until it is dropped; the kernel's accesses to them are atomic
// indices and entries that the protocol gives to one side at a time.
unsafe impl<T: Send> Send for Shared<T> {}

impl<T> Shared<T> {
    /// Maps the ring of `size` entries (a power of two) that `socket` has at `offset`.
    fn map(socket: BorrowedFd<'_>, offset: u64, layout: &XdpRingOffset, size: u32) -> io::Result<Self> {
        // Before Linux 5.4 there were no flags; those kernels have no wake-up protocol either.
        let flags = layout.flags.ok_or_else(|| io::Error::other("Linux is older than 5.4"))?;
        let len = layout.desc as usize + size as usize * size_of::<T>();
        // SAFETY: a new mapping at an address of the kernel's choice overlaps nothing of ours.
        let base = unsafe {
            mmap(
                std::ptr::null_mut(),
                len,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED | MapFlags::POPULATE,
                socket,
                offset,
            )
        }?;
        let base = NonNull::new(base.cast::<u8>()).ok_or_else(|| io::Error::other("mapped at zero"))?;
        // SAFETY: the kernel laid out index, flag and entry fields at these offsets inside of `len` bytes, each
        // aligned for its type.
        unsafe {
            Ok(Shared {
                base,
                len,
                producer: base.add(layout.producer as usize).cast(),
                consumer: base.add(layout.consumer as usize).cast(),
                flags: base.add(flags as usize).cast(),
                entries: base.add(layout.desc as usize).cast(),
                mask: size - 1,
            })
        }
    }

    fn producer(&self) -> &AtomicU32 {
        // SAFETY: inside of the mapping, which lives as long as `self`.
        unsafe { self.producer.as_ref() }
    }

    fn consumer(&self) -> &AtomicU32 {
        // SAFETY: as above.
        unsafe { self.consumer.as_ref() }
    }

    fn entry(&self, index: u32) -> NonNull<T> {
        // SAFETY: the mask keeps the index below the ring's size.
        unsafe { self.entries.add((index & self.mask) as usize) }
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        // SAFETY: this mapping was made in `map`, and every pointer into it goes with `self`.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.len) };
    }
}

/// The end of a ring that user space writes: fill ring (chunk addresses), transmit ring (descriptors).
#[derive(Debug)]
pub(crate) struct Producer<T> {
    shared: Shared<T>,
    /// Ours: the next entry to write.
    next: u32,
    /// The kernel's index as last seen.
    consumed: u32,
}

impl<T: Copy> Producer<T> {
    pub(crate) fn map(
        socket: BorrowedFd<'_>,
        offset: u64,
        layout: &XdpRingOffset,
        size: u32,
    ) -> io::Result<Self> {
        let shared = Shared::map(socket, offset, layout, size)?;
        let (next, consumed) =
            (shared.producer().load(Ordering::Relaxed), shared.consumer().load(Ordering::Acquire));
        Ok(Producer { shared, next, consumed })
    }

    /// Entries of the whole ring.
    pub(crate) fn size(&self) -> u32 {
        self.shared.mask + 1
    }

    /// Entries that can be written. The kernel is asked only if fewer than `wanted` are known to be free: its
    /// index is a cache line of another core.
    pub(crate) fn room(&mut self, wanted: u32) -> u32 {
        let known = self.size() - self.next.wrapping_sub(self.consumed);
        if known >= wanted {
            return known;
        }
        self.consumed = self.shared.consumer().load(Ordering::Acquire);
        self.size() - self.next.wrapping_sub(self.consumed)
    }

    /// Writes as many entries as there is room for; how many these were.
    pub(crate) fn push(&mut self, entries: &[T]) -> usize {
        let room = self.room(u32::try_from(entries.len()).unwrap_or(u32::MAX)) as usize;
        let count = room.min(entries.len());
        for (at, &entry) in (0_u32..).zip(&entries[..count]) {
            // SAFETY: the kernel has consumed this entry and does not look at it before the index is published.
            unsafe { self.shared.entry(self.next.wrapping_add(at)).write(entry) };
        }
        self.next = self.next.wrapping_add(count as u32);
        self.shared.producer().store(self.next, Ordering::Release);
        count
    }

    /// Entries that the kernel has not taken yet.
    pub(crate) fn pending(&mut self) -> u32 {
        self.size() - self.room(u32::MAX)
    }

    /// Whether the kernel sleeps and wants to be told of new entries (XDP_USE_NEED_WAKEUP).
    pub(crate) fn needs_wakeup(&self) -> bool {
        // SAFETY: inside of the mapping, which lives as long as `self`.
        let flags = unsafe { self.shared.flags.as_ref() }.load(Ordering::Relaxed);
        flags & XdpRingFlags::XDP_RING_NEED_WAKEUP.bits() != 0
    }
}

/// The end of a ring that user space reads: receive ring (descriptors), completion ring (chunk addresses).
#[derive(Debug)]
pub(crate) struct Consumer<T> {
    shared: Shared<T>,
    /// Ours: the next entry to read.
    next: u32,
    /// The kernel's index as last seen.
    produced: u32,
}

impl<T: Copy> Consumer<T> {
    pub(crate) fn map(
        socket: BorrowedFd<'_>,
        offset: u64,
        layout: &XdpRingOffset,
        size: u32,
    ) -> io::Result<Self> {
        let shared = Shared::map(socket, offset, layout, size)?;
        let next = shared.consumer().load(Ordering::Relaxed);
        Ok(Consumer { shared, next, produced: next })
    }

    /// Entries that wait, by the kernel's index now.
    pub(crate) fn depth(&mut self) -> u32 {
        self.produced = self.shared.producer().load(Ordering::Acquire);
        self.produced.wrapping_sub(self.next)
    }

    /// Entries of the whole ring.
    pub(crate) fn size(&self) -> u32 {
        self.shared.mask + 1
    }

    /// Copies entries out without giving them up; how many these were. Looks for new ones only if none is known.
    pub(crate) fn peek(&mut self, out: &mut [T]) -> usize {
        let known = self.produced.wrapping_sub(self.next);
        let known = if known == 0 { self.depth() } else { known };
        let count = (known as usize).min(out.len());
        for (at, slot) in (0_u32..).zip(&mut out[..count]) {
            // SAFETY: the kernel has published this entry and writes to it only when it is released.
            *slot = unsafe { self.shared.entry(self.next.wrapping_add(at)).read() };
        }
        count
    }

    /// Gives the first `count` peeked entries back to the kernel.
    pub(crate) fn release(&mut self, count: usize) {
        self.next = self.next.wrapping_add(count as u32);
        self.shared.consumer().store(self.next, Ordering::Release);
    }
}
