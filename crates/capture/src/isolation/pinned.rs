//! The pinned maps of a sensor that may be down or hang: enough to list and to release, and for the kill switch.

use std::path::Path;

use libbpf_rs::MapHandle;
use wire::{Scope, Target};

use super::gate::Gate;
use super::keys::{self, network_key, target_key};
use super::pins::{self, PinnedTargets};
use super::table::{delete, entries, get, keys as all_keys, take};
use crate::error::CaptureError;
use crate::layout::{IsolationEntry, ScopeKind};

/// Opened pins. Of an earlier version's there are the hosts alone.
#[derive(Debug)]
pub struct PinnedIsolation {
    targets: MapHandle,
    gate: Option<Gate>,
    networks: Option<MapHandle>,
    peers: Option<MapHandle>,
}

impl PinnedIsolation {
    /// Opens the pins in `folder`; `None` if nothing is pinned there.
    ///
    /// # Errors
    /// A pin that is not an isolation map.
    pub fn open(folder: &Path) -> Result<Option<Self>, CaptureError> {
        Ok(match pins::targets(folder)? {
            None => None,
            Some(PinnedTargets::Earlier(targets)) => {
                Some(PinnedIsolation { targets, gate: None, networks: None, peers: None })
            }
            Some(PinnedTargets::Current(targets)) => Some(PinnedIsolation {
                targets,
                gate: pins::adopt(folder, pins::GATE)?.map(Gate::new).transpose()?,
                networks: pins::adopt(folder, pins::NETWORKS)?,
                peers: pins::adopt(folder, pins::PEERS)?,
            }),
        })
    }

    /// See [`IsolationMap::is_held`](super::IsolationMap::is_held).
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.gate.as_ref().is_some_and(Gate::is_held)
    }

    /// Turns the kill switch on or off; false if the pins are those of a version that had none.
    #[must_use]
    pub fn hold(&self, on: bool) -> bool {
        if let Some(gate) = &self.gate {
            gate.hold(on);
        }
        self.gate.is_some()
    }

    /// See [`IsolationMap::remove`](super::IsolationMap::remove).
    ///
    /// # Errors
    /// What the kernel said.
    pub fn remove(&self, target: Target) -> Result<Option<IsolationEntry>, CaptureError> {
        let key = target_key(target);
        let len = libbpf_rs::MapCore::key_size(&self.targets) as usize;
        let Some(key) = key.get(..len) else { return Ok(None) };
        let entry = take(&self.targets, key)?.map(|value| IsolationEntry::parse(&value));
        if let (Target::Network(net), Some(networks)) = (target, &self.networks) {
            delete(networks, &network_key(net))?;
        }
        let Some(entry) = entry else { return Ok(None) };
        if let (ScopeKind::Peers, Some(peers)) = (entry.scope, &self.peers) {
            delete(peers, key)?;
        }
        if let Some(gate) = &self.gate {
            gate.deleted(target);
        }
        Ok(Some(entry))
    }

    /// Releases everybody; how many that were. The first failure is told after all were tried.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn release_all(&self) -> Result<usize, CaptureError> {
        let (mut released, mut outcome) = (0, Ok(()));
        for key in all_keys(&self.targets) {
            match keys::target(&key).map_or_else(
                || take(&self.targets, &key).map(|value| value.is_some()),
                |target| self.remove(target).map(|entry| entry.is_some()),
            ) {
                Ok(was_in) => released += usize::from(was_in),
                Err(err) => outcome = outcome.and(Err(err)),
            }
        }
        outcome.map(|()| released)
    }

    /// See [`IsolationMap::entries`](super::IsolationMap::entries).
    ///
    /// # Errors
    /// What the kernel said.
    pub fn entries(&self) -> Result<Vec<(Target, IsolationEntry)>, CaptureError> {
        entries(&self.targets)
    }

    /// See [`IsolationMap::scope`](super::IsolationMap::scope).
    #[must_use]
    pub fn scope(&self, target: Target, entry: &IsolationEntry) -> Scope {
        scope(self.peers.as_ref(), target, entry)
    }
}

/// How far an entry goes, with its peers.
pub(super) fn scope(peers: Option<&MapHandle>, target: Target, entry: &IsolationEntry) -> Scope {
    match entry.scope {
        ScopeKind::Both => Scope::Both,
        ScopeKind::Outbound => Scope::Outbound,
        ScopeKind::Peers => {
            let value = peers.and_then(|peers| get(peers, &target_key(target)).ok().flatten());
            Scope::Peers(value.map(|value| keys::peers(&value)).unwrap_or_default())
        }
    }
}
