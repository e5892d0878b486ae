//! The worker loop and the wiring of all rooms.
//!
//! [`Sensor`] runs the pipeline live: workers on their rings, a warden who isolates, a recorder who
//! writes. [`replay`] runs the same [`Worker`] over capture files.
#![forbid(unsafe_code)]

mod anomalies;
mod audit;
mod bindings;
mod bypass;
mod clock;
mod control;
mod counters;
mod expectations;
mod files;
mod handover;
mod histogram;
mod hold;
mod input;
mod latencies;
mod lookback;
mod notes;
mod options;
mod owners;
mod ports;
mod posts;
mod reassembly;
mod register;
mod replay;
mod restore;
mod rooms;
mod sensor;
mod session;
mod shed;
mod sightings;
mod snapshot;
mod stats;
mod tap;
mod threads;
mod warden;
mod worker;

pub use clock::monotonic;
pub use control::{Caller, Desk, HitRow, MAX_HIT_ROWS, RELOAD_TIMEOUT, REPLY_TIMEOUT, Reply, Request};
pub use counters::{Counter, WORKER_COUNTERS, WorkerCounters};
pub use files::FileOptions;
pub use hold::HoldFile;
pub use input::Input;
pub use options::{
    BypassOptions, CapturePortOptions, GuardPort, InlinePair, SensorError, SensorOptions, Wakeup,
};
pub use reassembly::Merged;
pub use register::Changed;
pub use replay::{ReplayError, ReplayOptions, ReplaySummary, replay};
pub use restore::{Known, Released, Restore};
pub use sensor::{Matching, Sensor, Stopped};
pub use snapshot::Snapshot;
pub use stats::{EACH_COUNTERS, MoreCounters, PORT_COUNTERS, Stats, VERDICT_COUNTERS};
pub use tap::Tap;
pub use threads::{Load, Loaded};
pub use warden::{Listed, ListedChange};
pub use worker::{Worker, WorkerOptions};

/// Whether this process runs as root. A capability would do for most of it, but not for mounting a
/// bpffs and moving between mount namespaces.
#[must_use]
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
