//! Packet memory: one area in chunks of one size, shared with the kernel.

use std::fs;
use std::io;
use std::ptr::NonNull;

use crossbeam_queue::ArrayQueue;
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};

use crate::netdev::Device;

/// x86-64's and arm64's smaller huge page.
const HUGE_PAGE: usize = 2 * 1024 * 1024;
/// mbind(2): allocate on the preferred node, elsewhere if it is full.
const MPOL_PREFERRED: libc::c_int = 1;
/// Memory that is left to everybody else.
const LEAVE_FREE: u64 = 64 * 1024 * 1024;

/// What pages packet memory came to lie in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pages {
    /// Reserved huge pages (vm.nr_hugepages).
    Huge,
    /// Ordinary pages; the kernel was asked to merge them into transparent huge pages.
    Small,
}

/// Packet memory and the chunks of it that nobody has.
///
/// A chunk is always in exactly one place: a fill ring, the NIC, a receive ring, a worker's hands or stash, a
/// transmit or completion ring, or the pool here. Its owner alone may read it.
#[derive(Debug)]
pub(crate) struct Umem {
    base: NonNull<u8>,
    len: usize,
    chunk: u32,
    pages: Pages,
    /// Addresses (offsets) of free chunks.
    pool: ArrayQueue<u64>,
}

// SAFETY: the area is plain memory; who may read or write a chunk is settled by who holds its address.
unsafe impl Send for Umem {}
// SAFETY: as above.
unsafe impl Sync for Umem {}

impl Umem {
    /// Memory of `chunks` chunks of `chunk` bytes (2048 or 4096), on the device's NUMA node.
    ///
    /// # Errors
    /// There is not so much memory, in words for an operator.
    pub(crate) fn new(device: &Device, chunks: usize, chunk: u32) -> Result<Self, String> {
        let len = (chunks * chunk as usize).next_multiple_of(HUGE_PAGE);
        let (base, pages) = match map(len, MapFlags::HUGETLB | MapFlags::HUGE_2MB) {
            Ok(base) => (base, Pages::Huge),
            Err(_) => {
                let free = available_memory().unwrap_or(u64::MAX);
                if len as u64 > free.saturating_sub(LEAVE_FREE) {
                    return Err(format!(
                        "only {} MiB are free; lower workers.rx_ring, workers.count or the port's queues",
                        free / (1024 * 1024)
                    ));
                }
                (map(len, MapFlags::empty()).map_err(|err| err.to_string())?, Pages::Small)
            }
        };
        let pool = ArrayQueue::new(chunks);
        for index in 0..chunks as u64 {
            let _ = pool.push(index * u64::from(chunk));
        }
        let umem = Umem { base, len, chunk, pages, pool };
        if let Some(node) = device.numa_node() {
            umem.prefer(node);
        }
        if pages == Pages::Small {
            // SAFETY: advice changes how the area is backed, not what is in it.
            let _ = unsafe { madvise(base.as_ptr().cast(), len, Advice::LinuxHugepage) };
        }
        Ok(umem)
    }

    /// Asks for the node's memory. Not worth failing for: the wrong node is slower, not wrong.
    fn prefer(&self, node: u32) {
        let mask = 1_u64.checked_shl(node).unwrap_or(0);
        // SAFETY: the area is ours and not touched yet; the mask outlives the call.
        let done = unsafe {
            libc::syscall(
                libc::SYS_mbind,
                self.base.as_ptr(),
                self.len,
                MPOL_PREFERRED,
                &raw const mask,
                u64::BITS as libc::c_ulong,
                0,
            )
        };
        if done < 0 {
            tracing::warn!("packet memory is not bound to NUMA node {node}: {}", io::Error::last_os_error());
        }
    }

    /// Address of the area, for its registration.
    pub(crate) fn address(&self) -> u64 {
        self.base.as_ptr() as u64
    }

    /// Bytes of the area.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Bytes of a chunk.
    pub(crate) fn chunk(&self) -> u32 {
        self.chunk
    }

    pub(crate) fn pages(&self) -> Pages {
        self.pages
    }

    /// The address of the chunk that an address lies in.
    pub(crate) fn chunk_of(&self, address: u64) -> u64 {
        address & !(u64::from(self.chunk) - 1)
    }

    /// Takes a free chunk.
    pub(crate) fn take(&self) -> Option<u64> {
        self.pool.pop()
    }

    /// Puts a free chunk back.
    pub(crate) fn put(&self, chunk: u64) {
        let put = self.pool.push(chunk);
        debug_assert!(put.is_ok(), "more chunks than there are");
    }

    /// The bytes of a frame; empty if the descriptor does not lie in the area.
    ///
    /// # Safety
    /// The caller holds the chunk, and gives it to nobody while the slice lives.
    pub(crate) unsafe fn bytes(&self, address: u64, len: u32) -> &[u8] {
        let end = address.checked_add(u64::from(len));
        if end.is_none_or(|end| end > self.len as u64) {
            return &[];
        }
        // SAFETY: inside of the area; nobody writes to the chunk by the caller's promise.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr().add(address as usize), len as usize) }
    }

    /// Writes a frame of our own into a chunk.
    ///
    /// # Safety
    /// The caller holds the chunk.
    pub(crate) unsafe fn write(&self, chunk: u64, bytes: &[u8]) {
        assert!(bytes.len() <= self.chunk as usize && chunk + u64::from(self.chunk) <= self.len as u64);
        // SAFETY: inside of the area, and nobody else reads or writes the chunk by the caller's promise.
        unsafe {
            let to = self.base.as_ptr().add(chunk as usize);
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len());
        }
    }
}

impl Drop for Umem {
    fn drop(&mut self) {
        // SAFETY: every slice of the area borrows `self`. The kernel has pinned the pages it still uses.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.len) };
    }
}

fn map(len: usize, how: MapFlags) -> io::Result<NonNull<u8>> {
    // SAFETY: a new mapping at an address of the kernel's choice overlaps nothing of ours.
    let base = unsafe {
        mmap_anonymous(std::ptr::null_mut(), len, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE | how)
    }?;
    NonNull::new(base.cast()).ok_or_else(|| io::Error::other("mapped at zero"))
}

/// Bytes that can be had without swapping (proc_meminfo(5), MemAvailable).
fn available_memory() -> Option<u64> {
    let info = fs::read_to_string("/proc/meminfo").ok()?;
    let line = info.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}
