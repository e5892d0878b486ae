//! What a live sensor is made of, and how it can fail.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use capture::{BindMode, CaptureError, Device, Steering, WriteError, XdpMode};
use ipnet::IpNet;
use thiserror::Error;

use crate::ports::PortPlan;
use crate::restore::Restore;
use crate::stats::MoreCounters;
use crate::worker::WorkerOptions;

/// A capture port to open.
#[derive(Clone, Debug)]
pub struct CapturePortOptions {
    /// Interface name.
    pub name: String,
    /// How the kernel runs the program.
    pub mode: XdpMode,
    /// How frames reach packet memory.
    pub bind: BindMode,
}

/// What a worker does when no frame is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wakeup {
    /// Looks again for a while, then sleeps until the kernel wakes it.
    #[default]
    Adaptive,
    /// Looks again for ever: the core is its own.
    Spin,
    /// Lets the kernel poll the NIC from the worker's core, without interrupts.
    BusyPoll,
}

/// Two ports that make a wire, with the sensor in it.
#[derive(Clone, Debug)]
pub struct InlinePair {
    /// Interface names.
    pub names: [String; 2],
    /// How the kernel runs the program.
    pub mode: XdpMode,
    /// How frames reach packet memory.
    pub bind: BindMode,
    /// Whether frames are dropped when no worker takes them, instead of sent on.
    pub fail_closed: bool,
}

/// Flows whose packets the kernel counts in place of the workers.
#[derive(Clone, Copy, Debug)]
pub struct BypassOptions {
    /// Flows at once.
    pub capacity: u32,
    /// Bypass flows from which nothing more can be learned.
    pub inspected: bool,
    /// Bypass the heaviest flows under overload.
    pub shed: bool,
}

/// A guard port to open.
#[derive(Clone, Debug)]
pub struct GuardPort {
    /// Interface name.
    pub name: String,
    /// How the kernel runs the program.
    pub mode: XdpMode,
}

/// Everything a sensor needs.
#[derive(Debug)]
pub struct SensorOptions {
    /// Ports that are read.
    pub capture: Vec<CapturePortOptions>,
    /// Pairs of ports that are a wire.
    pub inline: Vec<InlinePair>,
    /// Which worker gets a frame.
    pub steering: Steering,
    /// Whether a packet in a tunnel belongs to the inner flow.
    pub tunnels: bool,
    /// Flows that are left to the kernel.
    pub bypass: BypassOptions,
    /// Ports on which isolated hosts are dropped.
    pub guard: Vec<GuardPort>,
    /// Number of workers.
    pub workers: u32,
    /// CPUs that workers are pinned to, in turn; empty: those that this process may use.
    pub cpus: Vec<usize>,
    /// Frames per receive ring.
    pub rx_ring: u32,
    /// What a worker does when no frame is there.
    pub wakeup: Wakeup,
    /// Folder of the pins.
    pub pins: PathBuf,
    /// Targets that can be isolated at once.
    pub isolation_capacity: u32,
    /// Networks that isolated hosts still reach.
    pub remediation: Vec<IpNet>,
    /// The kill switch's file.
    pub hold_file: PathBuf,
    /// Between two stats events; zero: none.
    pub stats_interval: Duration,
    /// Worker settings.
    pub worker: WorkerOptions,
    /// Counters of what runs beside the sensor, told with its own.
    pub more_counters: Vec<MoreCounters>,
    /// What a ledger tells of the time before.
    pub restore: Option<Restore>,
}

impl SensorOptions {
    /// Whether all interfaces are there, before anything is made or attached anywhere.
    ///
    /// # Errors
    /// The first that is not.
    pub fn look_up_ports(&self) -> Result<(), SensorError> {
        for plan in PortPlan::all(self) {
            plan.devices()?;
        }
        guard_devices(self)?;
        Ok(())
    }
}

/// The guard ports' devices.
pub(crate) fn guard_devices(options: &SensorOptions) -> Result<Vec<Device>, CaptureError> {
    let open = |name: &String| {
        Device::open(name).map_err(|source| CaptureError::Interface { name: name.clone(), source })
    };
    options.guard.iter().map(|p| open(&p.name)).collect()
}

/// Why a sensor did not start, or how it failed.
#[derive(Debug, Error)]
pub enum SensorError {
    /// Ports, programs, maps.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// The remediation networks.
    #[error("isolation.remediation: {0}")]
    Remediation(WriteError),
    /// A thread could not be started or has died.
    #[error("thread {0}")]
    Thread(String),
    /// The output failed at the end.
    #[error(transparent)]
    Output(io::Error),
}
