//! The pinned maps: adopting those of an earlier run, and of an earlier version.

use std::path::Path;

use libbpf_rs::{MapCore, MapHandle};

use super::gate::GATE_LEN;
use super::keys::{EARLIER_TARGET_LEN, NETWORK_LEN, PEERS_LEN, TARGET_LEN};
use super::table::map_error;
use crate::error::CaptureError;
use crate::layout::IsolationEntry;
use crate::pin::{PinFolder, in_host_mounts};

/// Names of the pins in the pin folder.
pub(super) const TARGETS: &str = "isolation";
pub(super) const GATE: &str = "isolation_gate";
pub(super) const NETWORKS: &str = "isolation_networks";
pub(super) const PEERS: &str = "isolation_peers";
pub(super) const REMEDY: &str = "isolation_remedy";
/// Every pin. The targets' is the last to be made: where it is, all are.
const ALL: [&str; 5] = [GATE, NETWORKS, PEERS, REMEDY, TARGETS];
/// The filter of earlier versions.
const EARLIER_FILTER: &str = "isolation_filter";
/// Where a map waits that is to take the place of an earlier version's.
const SUCCESSOR: &str = "isolation_next";

/// A pinned map of targets.
pub(super) enum PinnedTargets {
    /// Of this version's layout.
    Current(MapHandle),
    /// Of the layout before 2026: hosts, both ways.
    Earlier(MapHandle),
}

/// The pinned map of targets below `folder`.
pub(super) fn targets(folder: &Path) -> Result<Option<PinnedTargets>, CaptureError> {
    let path = folder.join(TARGETS);
    let Some(map) = pinned(&path)? else { return Ok(None) };
    match (map.key_size() as usize, map.value_size() as usize) {
        (TARGET_LEN, IsolationEntry::LEN) => Ok(Some(PinnedTargets::Current(map))),
        (EARLIER_TARGET_LEN, IsolationEntry::EARLIER_LEN) => Ok(Some(PinnedTargets::Earlier(map))),
        _ => Err(foreign(&path)),
    }
}

/// The pinned map of this name, which must be of this version's layout.
pub(super) fn adopt(folder: &Path, name: &str) -> Result<Option<MapHandle>, CaptureError> {
    let path = folder.join(name);
    let Some(map) = pinned(&path)? else { return Ok(None) };
    let layout = match name {
        GATE => (4, GATE_LEN),
        NETWORKS => (NETWORK_LEN, TARGET_LEN),
        PEERS => (TARGET_LEN, PEERS_LEN),
        REMEDY => (NETWORK_LEN, 4),
        _ => (TARGET_LEN, IsolationEntry::LEN),
    };
    if (map.key_size() as usize, map.value_size() as usize) == layout {
        Ok(Some(map))
    } else {
        Err(foreign(&path))
    }
}

fn pinned(path: &Path) -> Result<Option<MapHandle>, CaptureError> {
    // A folder that may not be looked into is an error, not an empty one.
    let exists = in_host_mounts(|| path.try_exists());
    let there =
        exists.map_err(|source| CaptureError::Pin { path: path.to_owned(), what: "look at", source })?;
    there.then(|| in_host_mounts(|| MapHandle::from_pinned_path(path))).transpose().map_err(map_error)
}

fn foreign(path: &Path) -> CaptureError {
    CaptureError::Pin {
        path: path.to_owned(),
        what: "adopt",
        source: std::io::Error::other(
            "it is not this version's isolation map, nor one that can be taken over; remove the file, which \
             releases who is isolated by it",
        ),
    }
}

/// Pins a map unless it is.
pub(super) fn pin(folder: &PinFolder, name: &str, map: &mut MapHandle) -> Result<(), CaptureError> {
    let path = folder.pin(name);
    if in_host_mounts(|| path.exists()) {
        return Ok(());
    }
    in_host_mounts(|| map.pin(&path)).map_err(map_error)
}

/// Puts the map of targets in the place of an earlier version's, at once.
pub(super) fn succeed(folder: &PinFolder, map: &mut MapHandle) -> Result<(), CaptureError> {
    folder.unpin(SUCCESSOR)?;
    let (from, to) = (folder.pin(SUCCESSOR), folder.pin(TARGETS));
    in_host_mounts(|| map.pin(&from)).map_err(map_error)?;
    in_host_mounts(|| std::fs::rename(&from, &to)).map_err(|source| CaptureError::Pin {
        path: to.clone(),
        what: "replace",
        source,
    })?;
    folder.unpin(EARLIER_FILTER)
}

/// Takes all pins away.
pub(super) fn unpin_all(folder: &PinFolder) -> Result<(), CaptureError> {
    for name in ALL.iter().rev().chain(&[EARLIER_FILTER, SUCCESSOR]) {
        folder.unpin(name)?;
    }
    Ok(())
}
