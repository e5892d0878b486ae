//! The isolation map, seen from user space: the pinned map that every guard port obeys.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::path::Path;

use libbpf_rs::skel::{OpenSkel, SkelBuilder};
use libbpf_rs::{ErrorKind, MapCore, MapFlags, MapHandle, OpenObject, ProgramInput};
use wire::{HostKey, Scope, Target};

use crate::error::CaptureError;
use crate::filter::Filter;
use crate::layout::{IsolationEntry, IsolationRequest};
use crate::pin::{PinFolder, in_host_mounts};

mod skel {
    #![allow(missing_docs, missing_debug_implementations, unreachable_pub, clippy::all, clippy::pedantic)]
    #![allow(clippy::undocumented_unsafe_blocks, clippy::unwrap_used)]
    include!(concat!(env!("OUT_DIR"), "/isolate.skel.rs"));
}

/// Name of the pin in the pin folder.
const ISOLATION_PIN: &str = "isolation";
const FILTER_PIN: &str = "isolation_filter";
const NAME: &str = "isolation";
/// Entries that one call of [`IsolationMap::mend`] looks at.
const MEND_AT_ONCE: usize = 256;

/// What a write to the isolation map came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// When the entry was in force (CLOCK_MONOTONIC nanoseconds).
    pub at_ns: u64,
    /// Whether a running isolation was given a new end.
    pub extended: bool,
}

/// Why a host could not be put into the isolation map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// Every entry is taken.
    Full,
    /// The kernel part knows no such targets or scopes.
    Unsupported,
    /// The kernel's errno.
    Kernel(i32),
}

impl std::fmt::Display for WriteError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            WriteError::Full => f.write_str("the isolation map is full"),
            WriteError::Unsupported => f.write_str("only hosts can be isolated, and only both ways"),
            WriteError::Kernel(errno) => {
                write!(f, "the kernel refused: {}", std::io::Error::from_raw_os_error(*errno))
            }
        }
    }
}

/// The pinned isolation map and the program that writes it.
///
/// The map outlives this handle: it is pinned, and the guard programs hold it too.
pub struct IsolationMap {
    map: MapHandle,
    filter: Filter,
    /// Where [`IsolationMap::mend`] goes on.
    cursor: Option<Vec<u8>>,
    writer: skel::IsolateSkel<'static>,
}

impl std::fmt::Debug for IsolationMap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IsolationMap").field("map", &self.map).finish_non_exhaustive()
    }
}

impl IsolationMap {
    /// Adopts the pinned map, or makes one for `capacity` hosts and pins it.
    ///
    /// # Errors
    /// What libbpf said; a pin of another layout is refused, not overwritten.
    pub fn open(folder: &PinFolder, capacity: u32) -> Result<Self, CaptureError> {
        let pin = folder.pin(ISOLATION_PIN);
        let load = |source| CaptureError::Load { object: "isolate", source };
        // The skeleton borrows its object for as long as it lives, which is as long as the process:
        // one small allocation, made once.
        let object: &'static mut MaybeUninit<OpenObject> = Box::leak(Box::new(MaybeUninit::uninit()));
        let mut open = skel::IsolateSkelBuilder::default().open(object).map_err(load)?;
        match adopt(&pin)? {
            Some(map) => {
                if map.max_entries() != capacity {
                    tracing::warn!(
                        "isolation map {} has room for {} hosts, not {capacity}; remove the pin while \
                         nothing is isolated to change that",
                        pin.display(),
                        map.max_entries()
                    );
                }
                open.maps.isolation.reuse_fd(map.as_fd()).map_err(load)?;
            }
            None => open.maps.isolation.set_max_entries(capacity).map_err(load)?,
        }
        let filter_pin = folder.pin(FILTER_PIN);
        let pinned = in_host_mounts(|| filter_pin.exists().then(|| MapHandle::from_pinned_path(&filter_pin)));
        if let Some(map) = pinned.transpose().map_err(map_error)? {
            open.maps.isolation_filter.reuse_fd(map.as_fd()).map_err(load)?;
        }
        let writer = open.load().map_err(load)?;
        let mut map = MapHandle::try_from(&writer.maps.isolation).map_err(map_error)?;
        let filter = MapHandle::try_from(&writer.maps.isolation_filter).map_err(map_error)?;
        let mut filter = Filter::new(filter)?;
        // Entries may be older than the filter.
        for (host, _) in entries(&map)? {
            filter.set(host);
        }
        if !in_host_mounts(|| filter_pin.exists()) {
            in_host_mounts(|| filter.map_mut().pin(&filter_pin)).map_err(map_error)?;
        }
        if !in_host_mounts(|| pin.exists()) {
            in_host_mounts(|| map.pin(&pin)).map_err(map_error)?;
        }
        Ok(IsolationMap { map, filter, cursor: None, writer })
    }

    /// Looks at some more entries, and sets the bits of those in the filter that somebody wrote past us. Bounded, so
    /// that it can be called often.
    pub fn mend(&mut self) {
        for _ in 0..MEND_AT_ONCE {
            self.cursor = next_key(&self.map, self.cursor.as_deref());
            let Some(Ok(octets)) = self.cursor.as_deref().map(<[u8; 16]>::try_from) else { return };
            self.filter.set(HostKey::from_octets(octets));
        }
    }

    /// Takes the pin away, and the folder if it is empty then, unless a host is isolated at `now_ns`
    /// (CLOCK_MONOTONIC) or another sensor uses the folder. Whether it is gone.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn unpin_if_idle(folder: &PinFolder, now_ns: u64) -> Result<bool, CaptureError> {
        if !folder.is_ours_alone() {
            return Ok(false);
        }
        let live = match adopt(&folder.pin(ISOLATION_PIN))? {
            Some(map) => entries(&map)?.iter().any(|(_, entry)| entry.expires_ns > now_ns),
            None => false,
        };
        if live {
            return Ok(false);
        }
        folder.unpin(ISOLATION_PIN)?;
        folder.unpin(FILTER_PIN)?;
        folder.remove_if_empty();
        Ok(true)
    }

    /// The descriptors, for programs to share.
    #[must_use]
    pub fn fds(&self) -> IsolationFds<'_> {
        IsolationFds { hosts: self.map.as_fd(), filter: self.filter.fd() }
    }

    /// Hosts that fit.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.map.max_entries()
    }

    /// Isolates `target` until `expires_ns` (CLOCK_MONOTONIC). A running isolation keeps its counters.
    ///
    /// # Errors
    /// `Full` if there is no entry left.
    pub fn set(&self, target: Target, scope: &Scope, expires_ns: u64) -> Result<Written, WriteError> {
        let (Target::Host { host, vlan: None }, Scope::Both) = (target, scope) else {
            return Err(WriteError::Unsupported);
        };
        let mut request = IsolationRequest::new(host, expires_ns);
        let input = ProgramInput { context_in: Some(request.bytes_mut()), ..ProgramInput::default() };
        self.writer.progs.rw_isolate.test_run(input).map_err(|err| WriteError::Kernel(errno(&err)))?;
        match request.error() {
            0 => Ok(Written { at_ns: request.written_ns(), extended: request.extended() }),
            error if error == -i64::from(libc::E2BIG) => Err(WriteError::Full),
            error => Err(WriteError::Kernel(i32::try_from(-error).unwrap_or(libc::EIO))),
        }
    }

    /// The target's entry, expired or not.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn get(&self, target: Target) -> Result<Option<IsolationEntry>, CaptureError> {
        match target {
            Target::Host { host, vlan: None } => get(&self.map, host),
            _ => Ok(None),
        }
    }

    /// Releases the target; its last state, if it had an entry.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn remove(&self, target: Target) -> Result<Option<IsolationEntry>, CaptureError> {
        match target {
            Target::Host { host, vlan: None } => remove(&self.map, host),
            _ => Ok(None),
        }
    }

    /// Every entry, expired ones included.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn entries(&self) -> Result<Vec<(Target, IsolationEntry)>, CaptureError> {
        Ok(entries(&self.map)?.into_iter().map(|(host, entry)| (host.into(), entry)).collect())
    }
}

/// The map of isolated hosts and the filter before it.
#[derive(Clone, Copy, Debug)]
pub struct IsolationFds<'a> {
    /// The map.
    pub hosts: BorrowedFd<'a>,
    /// The filter.
    pub filter: BorrowedFd<'a>,
}

/// The pinned map of a sensor that may be down: enough to list and release hosts.
#[derive(Debug)]
pub struct PinnedIsolation(MapHandle);

impl PinnedIsolation {
    /// Opens the pin below `folder`; `None` if nothing is pinned there.
    ///
    /// # Errors
    /// A pin that is not an isolation map.
    pub fn open(folder: &Path) -> Result<Option<Self>, CaptureError> {
        Ok(adopt(&folder.join(ISOLATION_PIN))?.map(PinnedIsolation))
    }

    /// See [`IsolationMap::remove`].
    ///
    /// # Errors
    /// What the kernel said.
    pub fn remove(&self, target: Target) -> Result<Option<IsolationEntry>, CaptureError> {
        match target {
            Target::Host { host, vlan: None } => remove(&self.0, host),
            _ => Ok(None),
        }
    }

    /// See [`IsolationMap::entries`].
    ///
    /// # Errors
    /// What the kernel said.
    pub fn entries(&self) -> Result<Vec<(Target, IsolationEntry)>, CaptureError> {
        Ok(entries(&self.0)?.into_iter().map(|(host, entry)| (host.into(), entry)).collect())
    }
}

fn adopt(pin: &Path) -> Result<Option<MapHandle>, CaptureError> {
    if !in_host_mounts(|| pin.exists()) {
        return Ok(None);
    }
    let map = in_host_mounts(|| MapHandle::from_pinned_path(pin)).map_err(map_error)?;
    if map.key_size() != 16 || map.value_size() as usize != size_of::<IsolationEntry>() {
        return Err(CaptureError::Pin {
            path: pin.to_owned(),
            what: "adopt",
            source: std::io::Error::other("it is not this version's isolation map; remove it"),
        });
    }
    Ok(Some(map))
}

fn get(map: &MapHandle, host: HostKey) -> Result<Option<IsolationEntry>, CaptureError> {
    let value = map.lookup(&host.octets(), MapFlags::ANY).map_err(map_error)?;
    Ok(value.map(|v| IsolationEntry::parse(&v)))
}

fn remove(map: &MapHandle, host: HostKey) -> Result<Option<IsolationEntry>, CaptureError> {
    match map.lookup_and_delete(&host.octets()) {
        Ok(value) => Ok(value.map(|v| IsolationEntry::parse(&v))),
        Err(err) if err.kind() == ErrorKind::NotFound => Ok(None),
        Err(err) => Err(map_error(err)),
    }
}

/// The key after `key`, or the first.
fn next_key(map: &MapHandle, key: Option<&[u8]>) -> Option<Vec<u8>> {
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

fn entries(map: &MapHandle) -> Result<Vec<(HostKey, IsolationEntry)>, CaptureError> {
    let mut found = Vec::new();
    for key in map.keys() {
        let Ok(octets) = <[u8; 16]>::try_from(key.as_slice()) else { continue };
        let host = HostKey::from_octets(octets);
        if let Some(entry) = get(map, host)? {
            found.push((host, entry));
        }
    }
    found.sort_unstable_by_key(|&(host, _)| host);
    Ok(found)
}

fn map_error(source: libbpf_rs::Error) -> CaptureError {
    CaptureError::Map { map: NAME, source }
}

/// libbpf-rs keeps the errno inside an io::Error at the bottom of its chain.
fn errno(err: &libbpf_rs::Error) -> i32 {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(err);
    while let Some(err) = source {
        if let Some(code) = err.downcast_ref::<std::io::Error>().and_then(std::io::Error::raw_os_error) {
            return code;
        }
        source = err.source();
    }
    libc::EIO
}
