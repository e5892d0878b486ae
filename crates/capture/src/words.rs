//! A BPF array of 64-bit words that user space reads and writes in place (BPF_F_MMAPABLE).

use std::os::fd::{AsFd, BorrowedFd};
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

use libbpf_rs::{MapCore, MapHandle};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use crate::error::CaptureError;

/// The array's memory. Values must be whole words.
#[derive(Debug)]
pub(crate) struct MappedWords {
    map: MapHandle,
    words: NonNull<AtomicU64>,
    count: usize,
}

// SAFETY: the words are shared memory of atomics; the map is a descriptor.
unsafe impl Send for MappedWords {}
// SAFETY: as above.
unsafe impl Sync for MappedWords {}

impl MappedWords {
    /// Maps the whole array.
    pub(crate) fn new(map: MapHandle, name: &'static str) -> Result<Self, CaptureError> {
        let fail = |err: std::io::Error| CaptureError::Map { map: name, source: err.into() };
        let count = map.max_entries() as usize * map.value_size() as usize / size_of::<u64>();
        let (len, access) = (count * size_of::<u64>(), ProtFlags::READ | ProtFlags::WRITE);
        // SAFETY: a new mapping at an address of the kernel's choice overlaps nothing of ours.
        let words = unsafe { mmap(std::ptr::null_mut(), len, access, MapFlags::SHARED, map.as_fd(), 0) };
        let words = words.map_err(|err| fail(err.into()))?;
        let words =
            NonNull::new(words.cast()).ok_or_else(|| fail(std::io::Error::other("mapped at zero")))?;
        Ok(MappedWords { map, words, count })
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.map.as_fd()
    }

    pub(crate) fn map_mut(&mut self) -> &mut MapHandle {
        &mut self.map
    }

    /// The word at `index`, which must be below the array's number of words.
    pub(crate) fn word(&self, index: usize) -> &AtomicU64 {
        assert!(index < self.count, "word {index} of {}", self.count);
        // SAFETY: inside of the mapping by the assertion; the memory lives as long as `self`.
        unsafe { self.words.add(index).as_ref() }
    }
}

impl Drop for MappedWords {
    fn drop(&mut self) {
        // SAFETY: this mapping was made in `new`, and every reference into it borrows `self`.
        let _ = unsafe { munmap(self.words.as_ptr().cast(), self.count * size_of::<u64>()) };
    }
}
