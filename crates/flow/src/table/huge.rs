//! Large arrays in large pages: a table of gigabytes that is visited at random otherwise misses the TLB at every
//! visit, and a prefetch has to wait for the page walk as well.

/// Arrays smaller than this are left alone.
const WORTH_IT: usize = 8 << 20;

/// A vector with room for `capacity` values, in huge pages if the kernel has any to give.
#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "madvise has no safe form")]
pub(crate) fn with_capacity<T>(capacity: usize) -> Vec<T> {
    use rustix::mm::{Advice, madvise};
    let mut values: Vec<T> = Vec::with_capacity(capacity);
    let bytes = values.capacity() * size_of::<T>();
    if bytes >= WORTH_IT {
        let page = rustix::param::page_size();
        let start = values.as_mut_ptr().cast::<u8>();
        let inset = start.align_offset(page);
        let len = (bytes - inset) / page * page;
        // SAFETY: the range is whole pages of this vector's own allocation, and the advice changes neither what
        // they hold nor how they may be used. If the kernel does not follow it, nothing is lost.
        let _ = unsafe { madvise(start.wrapping_add(inset).cast(), len, Advice::LinuxHugepage) };
    }
    values
}

/// A vector with room for `capacity` values.
#[cfg(not(target_os = "linux"))]
pub(crate) fn with_capacity<T>(capacity: usize) -> Vec<T> {
    Vec::with_capacity(capacity)
}
