//! Guard ports: the program that drops isolated hosts, on as many devices as the box has.

use std::mem::MaybeUninit;
use std::os::fd::AsFd;

use libbpf_rs::OpenObject;
use libbpf_rs::skel::{OpenSkel, SkelBuilder};

use crate::attach::{Attachment, XdpMode};
use crate::counts::per_cpu;
use crate::error::CaptureError;
use crate::isolation::{IsolationMap, reuse_isolation};
use crate::layout::GuardCounters;
use crate::netdev::Device;

mod skel {
    #![allow(missing_docs, missing_debug_implementations, unreachable_pub, clippy::all, clippy::pedantic)]
    #![allow(clippy::undocumented_unsafe_blocks, clippy::unwrap_used)]
    include!(concat!(env!("OUT_DIR"), "/guard.skel.rs"));
}

/// The guard program. What it is put on outlives it: guards stay in force when the daemon dies.
pub struct Guard {
    skel: skel::GuardSkel<'static>,
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guard").finish_non_exhaustive()
    }
}

impl Guard {
    /// Loads the program onto the isolation map.
    ///
    /// # Errors
    /// What libbpf said.
    pub fn load(isolation: &IsolationMap) -> Result<Self, CaptureError> {
        let load = |source| CaptureError::Load { object: "guard", source };
        let object: &'static mut MaybeUninit<OpenObject> = Box::leak(Box::new(MaybeUninit::uninit()));
        let mut open = skel::GuardSkelBuilder::default().open(object).map_err(load)?;
        reuse_isolation!(open, isolation.fds()).map_err(load)?;
        Ok(Guard { skel: open.load().map_err(load)? })
    }

    /// Puts the program on a device.
    ///
    /// # Errors
    /// Somebody else's program is there, or the driver refuses.
    pub fn attach(&self, device: &Device, mode: XdpMode) -> Result<Attachment, CaptureError> {
        Attachment::new(device, mode, &self.skel.progs.rw_guard)
    }

    /// Counters of all guard ports together.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn counters(&self) -> Result<GuardCounters, CaptureError> {
        per_cpu(&self.skel.maps.guard_counts, "guard_counts", 0)
            .map(|values| GuardCounters::from_values(&values))
    }

    /// Takes the program off these devices: nobody is isolated there any more.
    ///
    /// # Errors
    /// The first failure; the others are tried all the same.
    pub fn detach(&self, ports: &[Attachment]) -> Result<(), CaptureError> {
        let mut outcome = Ok(());
        for port in ports {
            outcome = outcome.and(port.detach(self.skel.progs.rw_guard.as_fd()));
        }
        outcome
    }
}
