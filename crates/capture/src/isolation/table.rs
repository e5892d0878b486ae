//! Operations on BPF maps that are keyed by bytes.

use std::os::fd::{AsFd, AsRawFd};

use libbpf_rs::{ErrorKind, MapCore, MapFlags, MapHandle};

use super::keys::target;
use super::{NAME, Table, WriteError};
use crate::error::CaptureError;
use crate::layout::IsolationEntry;
use wire::Target;

pub(super) fn map_error(source: libbpf_rs::Error) -> CaptureError {
    CaptureError::Map { map: NAME, source }
}

/// The value of a key.
pub(super) fn get(map: &MapHandle, key: &[u8]) -> Result<Option<Vec<u8>>, CaptureError> {
    map.lookup(key, MapFlags::ANY).map_err(map_error)
}

/// Puts a value into a table that may be full.
pub(super) fn put<const K: usize, const V: usize>(
    map: &MapHandle,
    key: &[u8; K],
    value: &[u8; V],
    table: Table,
) -> Result<(), WriteError> {
    if (map.key_size() as usize, map.value_size() as usize) != (K, V) {
        return Err(WriteError::Kernel(libc::EINVAL));
    }
    // Not through libbpf-rs, whose error does not tell the errno.
    // SAFETY: both buffers have the map's sizes, and the kernel only reads them.
    let done = unsafe {
        libbpf_rs::libbpf_sys::bpf_map_update_elem(
            map.as_fd().as_raw_fd(),
            key.as_ptr().cast(),
            value.as_ptr().cast(),
            libbpf_rs::libbpf_sys::BPF_ANY.into(),
        )
    };
    if done == 0 { Ok(()) } else { Err(WriteError::of_insertion(-done, table)) }
}

/// Deletes a key; its value, if it had one.
pub(super) fn take(map: &MapHandle, key: &[u8]) -> Result<Option<Vec<u8>>, CaptureError> {
    match map.lookup_and_delete(key) {
        Err(err) if err.kind() == ErrorKind::NotFound => Ok(None),
        taken => taken.map_err(map_error),
    }
}

/// Deletes a key if it is there.
pub(super) fn delete(map: &MapHandle, key: &[u8]) -> Result<(), CaptureError> {
    match map.delete(key) {
        Err(err) if err.kind() == ErrorKind::NotFound => Ok(()),
        done => done.map_err(map_error),
    }
}

/// The key after `key`, or the first.
pub(super) fn next_key(map: &MapHandle, key: Option<&[u8]>) -> Option<Vec<u8>> {
    let mut next = vec![0; map.key_size() as usize];
    let key = key.map_or(std::ptr::null(), <[u8]>::as_ptr);
    // SAFETY: both buffers have the map's key size; the kernel reads the one and writes the other.
    let done = unsafe {
        libbpf_rs::libbpf_sys::bpf_map_get_next_key(
            map.as_fd().as_raw_fd(),
            key.cast(),
            next.as_mut_ptr().cast(),
        )
    };
    (done == 0).then_some(next)
}

/// Every key. Collected first: what is deleted meanwhile would send the walk back to its beginning.
pub(super) fn keys(map: &MapHandle) -> Vec<Vec<u8>> {
    map.keys().collect()
}

/// Every entry of a map of targets, in order.
pub(super) fn entries(map: &MapHandle) -> Result<Vec<(Target, IsolationEntry)>, CaptureError> {
    let mut found = Vec::new();
    for key in keys(map) {
        let Some(target) = target(&key) else { continue };
        if let Some(value) = get(map, &key)? {
            found.push((target, IsolationEntry::parse(&value)));
        }
    }
    found.sort_unstable_by_key(|&(target, _)| target);
    Ok(found)
}

/// libbpf-rs keeps the errno inside an io::Error at the bottom of its chain.
pub(super) fn errno(err: &libbpf_rs::Error) -> i32 {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(err);
    while let Some(err) = source {
        if let Some(code) = err.downcast_ref::<std::io::Error>().and_then(std::io::Error::raw_os_error) {
            return code;
        }
        source = err.source();
    }
    libc::EIO
}
