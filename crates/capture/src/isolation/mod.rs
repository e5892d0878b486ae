//! The isolation maps, seen from user space: pinned maps that every guard and inline port obeys.
//!
//! An entry is written by a program in the kernel (bpf/isolate.bpf.c). Around it stand, in this order when they come and
//! in the opposite when they go: a target's peers, the gate's bit or count, the entry, a network's place in the trie.
//! Whatever is missing after a crash is put right when the maps are opened.

mod fds;
mod gate;
mod keys;
mod outcome;
mod pinned;
mod pins;
mod table;

use std::collections::BTreeSet;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;

use ipnet::IpNet;
use libbpf_rs::skel::{OpenSkel, SkelBuilder};
use libbpf_rs::{MapCore, MapHandle, OpenObject, ProgramInput};
use rustix::time::{ClockId, clock_gettime};
use wire::{Scope, Target};

pub(crate) use fds::reuse_isolation;
pub use fds::{IsolationFds, OwnedIsolationFds};
pub use outcome::{Table, WriteError, Written};
pub use pinned::PinnedIsolation;

use self::gate::Gate;
use self::keys::{network_key, peers_value, scope_code, target, target_key};
use self::pins::PinnedTargets;
use self::table::{delete, entries, errno, get, keys as all_keys, map_error, next_key, put, take};
use crate::error::CaptureError;
use crate::layout::{IsolationEntry, IsolationRequest, REMEDIATION_CAPACITY, ScopeKind};
use crate::pin::PinFolder;

mod skel {
    #![allow(missing_docs, missing_debug_implementations, unreachable_pub, clippy::all, clippy::pedantic)]
    #![allow(clippy::undocumented_unsafe_blocks, clippy::unwrap_used)]
    include!(concat!(env!("OUT_DIR"), "/isolate.skel.rs"));
}

const NAME: &str = "isolation";
/// Entries that one call of [`IsolationMap::mend`] looks at.
const MEND_AT_ONCE: usize = 256;

/// The pinned isolation maps and the program that writes them.
///
/// The maps outlive this handle: they are pinned, and the guard programs hold them too.
pub struct IsolationMap {
    targets: MapHandle,
    gate: Gate,
    networks: MapHandle,
    peers: MapHandle,
    remedy: MapHandle,
    /// Where [`IsolationMap::mend`] goes on.
    cursor: Option<Vec<u8>>,
    writer: skel::IsolateSkel<'static>,
}

impl std::fmt::Debug for IsolationMap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IsolationMap").field("targets", &self.targets).finish_non_exhaustive()
    }
}

impl IsolationMap {
    /// Adopts the pinned maps, or makes some for `capacity` targets and pins them. Who is isolated by an earlier version's
    /// map is taken over.
    ///
    /// # Errors
    /// What libbpf said; a pin of an unknown layout is refused, not overwritten.
    pub fn open(folder: &PinFolder, capacity: u32) -> Result<Self, CaptureError> {
        let load = |source| CaptureError::Load { object: "isolate", source };
        // The skeleton borrows its object for as long as it lives, which is as long as the process:
        // one small allocation, made once.
        let object: &'static mut MaybeUninit<OpenObject> = Box::leak(Box::new(MaybeUninit::uninit()));
        let mut open = skel::IsolateSkelBuilder::default().open(object).map_err(load)?;
        let maps = &mut open.maps;
        let mut earlier = None;
        match pins::targets(folder.path())? {
            Some(PinnedTargets::Current(map)) => {
                warn_of_capacity(folder, map.max_entries(), capacity);
                maps.isolation.reuse_fd(map.as_fd()).map_err(load)?;
            }
            Some(PinnedTargets::Earlier(map)) => {
                folder.must_be_ours_alone(
                    "an earlier version's isolation map is pinned, and its sensor runs; stop it first, who is isolated \
                     stays so",
                )?;
                maps.isolation.set_max_entries(capacity.max(map.max_entries())).map_err(load)?;
                earlier = Some(entries(&map)?);
            }
            None => maps.isolation.set_max_entries(capacity).map_err(load)?,
        }
        for (name, map) in [
            (pins::GATE, &mut maps.isolation_gate),
            (pins::NETWORKS, &mut maps.isolation_networks),
            (pins::PEERS, &mut maps.isolation_peers),
            (pins::REMEDY, &mut maps.isolation_remedy),
        ] {
            if let Some(pinned) = pins::adopt(folder.path(), name)? {
                map.reuse_fd(pinned.as_fd()).map_err(load)?;
            }
        }
        let writer = open.load().map_err(load)?;
        let handle = |map| MapHandle::try_from(map).map_err(map_error);
        let mut isolation = IsolationMap {
            targets: handle(&writer.maps.isolation)?,
            gate: Gate::new(handle(&writer.maps.isolation_gate)?)?,
            networks: handle(&writer.maps.isolation_networks)?,
            peers: handle(&writer.maps.isolation_peers)?,
            remedy: handle(&writer.maps.isolation_remedy)?,
            cursor: None,
            writer,
        };
        isolation.take_over(earlier.as_deref().unwrap_or_default())?;
        isolation.put_right(folder)?;
        for (name, map) in [
            (pins::GATE, isolation.gate.map_mut()),
            (pins::NETWORKS, &mut isolation.networks),
            (pins::PEERS, &mut isolation.peers),
            (pins::REMEDY, &mut isolation.remedy),
        ] {
            pins::pin(folder, name, map)?;
        }
        match earlier {
            Some(hosts) => {
                pins::succeed(folder, &mut isolation.targets)?;
                tracing::info!("{} hosts taken over from an earlier version's isolation map", hosts.len());
            }
            None => pins::pin(folder, pins::TARGETS, &mut isolation.targets)?,
        }
        Ok(isolation)
    }

    /// Entries of an earlier version, with all that was counted. Its guard obeys its own map until this version's takes
    /// its place.
    fn take_over(&self, earlier: &[(Target, IsolationEntry)]) -> Result<(), CaptureError> {
        for (target, entry) in earlier {
            put(&self.targets, &target_key(*target), &entry.bytes(), Table::Targets)
                .map_err(|err| CaptureError::Map { map: NAME, source: std::io::Error::other(err).into() })?;
        }
        Ok(())
    }

    /// What a sensor that died may have left undone: bits, counts, places in the trie, peers of nobody.
    fn put_right(&self, folder: &PinFolder) -> Result<(), CaptureError> {
        let entries = self.entries()?;
        let alone = folder.is_ours_alone_now();
        self.gate.recount(entries.iter().map(|&(target, _)| target), alone);
        if let Some(latest) = entries.iter().map(|(_, entry)| entry.expires_ns).max() {
            self.gate.raise_latest(latest);
        }
        for &(target, _) in &entries {
            if let Target::Network(net) = target {
                self.place(net).map_err(|err| CaptureError::Map {
                    map: pins::NETWORKS,
                    source: std::io::Error::other(err).into(),
                })?;
            }
        }
        if !alone {
            // What looks left over may be another sensor's that is being written.
            return Ok(());
        }
        for key in all_keys(&self.networks) {
            if let Some(owner) = get(&self.networks, &key)?
                && get(&self.targets, &owner)?.is_none()
            {
                delete(&self.networks, &key)?;
            }
        }
        for owner in all_keys(&self.peers) {
            if get(&self.targets, &owner)?.is_none() {
                delete(&self.peers, &owner)?;
            }
        }
        Ok(())
    }

    /// Looks at some more entries, and lets the packets of those in that somebody wrote past us. Bounded, so that it can
    /// be called often.
    pub fn mend(&mut self) {
        for _ in 0..MEND_AT_ONCE {
            self.cursor = next_key(&self.targets, self.cursor.as_deref());
            let Some(key) = self.cursor.as_deref() else { return };
            let Some(target) = target(key) else { continue };
            self.gate.admit(target);
            if let Ok(Some(value)) = get(&self.targets, key) {
                self.gate.raise_latest(IsolationEntry::parse(&value).expires_ns);
            }
            if let Target::Network(net) = target
                && let Err(err) = self.place(net)
            {
                tracing::error!("{net} is in the isolation map and not in force: {err}");
            }
        }
    }

    /// Takes the pins away, and the folder if it is empty then, unless somebody is isolated at `now_ns`
    /// (CLOCK_MONOTONIC), the kill switch is on or another sensor uses the folder. Whether they are gone.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn unpin_if_idle(folder: &PinFolder, now_ns: u64) -> Result<bool, CaptureError> {
        if !folder.is_ours_alone() {
            return Ok(false);
        }
        if let Some(pinned) = PinnedIsolation::open(folder.path())?
            && (pinned.is_held() || pinned.entries()?.iter().any(|(_, entry)| entry.expires_ns > now_ns))
        {
            folder.share();
            return Ok(false);
        }
        pins::unpin_all(folder)?;
        folder.remove_if_empty();
        Ok(true)
    }

    /// The descriptors, for programs to share.
    #[must_use]
    pub fn fds(&self) -> IsolationFds<'_> {
        IsolationFds {
            targets: self.targets.as_fd(),
            gate: self.gate.fd(),
            networks: self.networks.as_fd(),
            peers: self.peers.as_fd(),
            remedy: self.remedy.as_fd(),
        }
    }

    /// Targets that fit.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.targets.max_entries()
    }

    /// Isolates `target` until `expires_ns` (CLOCK_MONOTONIC). A running isolation keeps its counters, and gets the new
    /// end and scope.
    ///
    /// # Errors
    /// `Full` if there is no entry left, `Held` while the kill switch is on.
    pub fn set(&self, target: Target, scope: &Scope, expires_ns: u64) -> Result<Written, WriteError> {
        if self.is_held() {
            return Err(WriteError::Held);
        }
        let key = target_key(target);
        if let Scope::Peers(peers) = scope {
            put(&self.peers, &key, &peers_value(peers)?, Table::Peers)?;
        }
        let written = self.write(&key, scope, expires_ns).and_then(|written| match target {
            Target::Network(net) => {
                self.place(net).map(|()| Written { at_ns: monotonic_ns(), ..written }).inspect_err(|_| {
                    if !written.extended {
                        let _ = self.remove(target);
                    }
                })
            }
            Target::Host { .. } | Target::Mac(_) => Ok(written),
        });
        let peers_of_nobody = match (&written, scope) {
            (Ok(written), Scope::Both | Scope::Outbound) => written.extended,
            (Err(_), Scope::Peers(_)) => matches!(get(&self.targets, &key), Ok(None)),
            _ => false,
        };
        if peers_of_nobody {
            let _ = delete(&self.peers, &key);
        }
        written
    }

    fn write(&self, key: &[u8; 24], scope: &Scope, expires_ns: u64) -> Result<Written, WriteError> {
        let mut request = IsolationRequest::new(key, scope_code(scope), expires_ns);
        let input = ProgramInput { context_in: Some(request.bytes_mut()), ..ProgramInput::default() };
        self.writer.progs.rw_isolate.test_run(input).map_err(|err| WriteError::Kernel(errno(&err)))?;
        match request.error() {
            0 => Ok(Written { at_ns: request.written_ns(), extended: request.extended() }),
            IsolationRequest::HELD => Err(WriteError::Held),
            error => {
                Err(WriteError::of_insertion(i32::try_from(-error).unwrap_or(libc::EIO), Table::Targets))
            }
        }
    }

    /// Puts an isolated network into the trie.
    fn place(&self, net: IpNet) -> Result<(), WriteError> {
        put(&self.networks, &network_key(net), &target_key(Target::Network(net)), Table::Networks)
    }

    /// The target's entry, expired or not.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn get(&self, target: Target) -> Result<Option<IsolationEntry>, CaptureError> {
        Ok(get(&self.targets, &target_key(target))?.map(|value| IsolationEntry::parse(&value)))
    }

    /// How far an entry of `target` goes, with the names of its peers.
    #[must_use]
    pub fn scope(&self, target: Target, entry: &IsolationEntry) -> Scope {
        pinned::scope(Some(&self.peers), target, entry)
    }

    /// Releases the target; its last state, if it had an entry.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn remove(&self, target: Target) -> Result<Option<IsolationEntry>, CaptureError> {
        let (key, latest) = (target_key(target), self.gate.latest());
        let entry = take(&self.targets, &key)?.map(|value| IsolationEntry::parse(&value));
        if let Target::Network(net) = target {
            delete(&self.networks, &network_key(net))?;
        }
        let Some(entry) = entry else { return Ok(None) };
        if entry.scope == ScopeKind::Peers {
            delete(&self.peers, &key)?;
        }
        self.gate.deleted(target);
        if next_key(&self.targets, None).is_none() {
            self.gate.nobody_left(latest);
        }
        Ok(Some(entry))
    }

    /// Every entry, expired ones included.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn entries(&self) -> Result<Vec<(Target, IsolationEntry)>, CaptureError> {
        entries(&self.targets)
    }

    /// From now on isolated targets reach these networks, and are reached from them; no others.
    ///
    /// # Errors
    /// `Full` if there are too many; those before stay in force then.
    pub fn set_remediation(&self, networks: &[IpNet]) -> Result<(), WriteError> {
        let wanted: BTreeSet<[u8; 24]> = networks.iter().map(|&net| network_key(net)).collect();
        if wanted.len() > REMEDIATION_CAPACITY as usize {
            return Err(WriteError::Full(Table::Remediation));
        }
        let kernel = |_| WriteError::Kernel(libc::EIO);
        for key in all_keys(&self.remedy) {
            if !wanted.contains(key.as_slice()) {
                delete(&self.remedy, &key).map_err(kernel)?;
            }
        }
        self.gate.set_remediation(self.gate.remediation().max(wanted.len() as u64));
        for key in &wanted {
            put(&self.remedy, key, &1_u32.to_ne_bytes(), Table::Remediation)?;
        }
        self.gate.set_remediation(wanted.len() as u64);
        Ok(())
    }

    /// Turns the kill switch on or off: while it is on nothing is dropped, and nothing can be isolated.
    pub fn hold(&self, on: bool) {
        self.gate.hold(on);
    }

    /// Whether the kill switch is on.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.gate.is_held()
    }
}

fn warn_of_capacity(folder: &PinFolder, has: u32, wanted: u32) {
    if has != wanted {
        tracing::warn!(
            "isolation map {} has room for {has} targets, not {wanted}; remove the pin while nothing is isolated to \
             change that",
            folder.pin(pins::TARGETS).display(),
        );
    }
}

fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
}
