//! A capture port: the steering program on a device, and the sockets behind it.

use std::mem::MaybeUninit;
use std::os::fd::AsFd;

use libbpf_rs::OpenObject;
use libbpf_rs::skel::{OpenSkel, SkelBuilder};

use crate::attach::{Attachment, XdpMode};
use crate::bind::{BindMode, QueueMode, bind_all};
use crate::counts::sum_per_cpu;
use crate::error::CaptureError;
use crate::layout::{CaptureCounters, XSKS_CAPACITY};
use crate::netdev::{Device, Promiscuous};
use crate::receiver::Receiver;

mod skel {
    #![allow(missing_docs, missing_debug_implementations, unreachable_pub, clippy::all, clippy::pedantic)]
    #![allow(clippy::undocumented_unsafe_blocks, clippy::unwrap_used)]
    include!(concat!(env!("OUT_DIR"), "/capture.skel.rs"));
}

/// How to open a capture port.
#[derive(Clone, Copy, Debug)]
pub struct PortOptions {
    /// Workers that share the port, at least 1.
    pub workers: u32,
    /// Frames that a worker's receive ring holds per queue; a power of two.
    pub rx_ring: u32,
    /// How the kernel runs the XDP program.
    pub mode: XdpMode,
    /// How frames reach packet memory.
    pub bind: BindMode,
}

/// An open capture port. Its receivers live with the workers; the port must be [detached] before they
/// go, or frames would be steered at sockets that are being torn down.
///
/// [detached]: CapturePort::detach
pub struct CapturePort {
    skel: skel::CaptureSkel<'static>,
    attachment: Attachment,
    queues: Vec<QueueMode>,
    /// What the device had dropped before we came.
    dropped_before: u64,
    _promiscuous: Promiscuous,
}

impl std::fmt::Debug for CapturePort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CapturePort").field("attachment", &self.attachment).finish_non_exhaustive()
    }
}

impl CapturePort {
    /// Opens every receive queue of the device for every worker; one [`Receiver`] per worker.
    ///
    /// # Errors
    /// Anything that keeps the port from seeing all of its traffic.
    pub fn open(device: &Device, options: PortOptions) -> Result<(Self, Vec<Receiver>), CaptureError> {
        let workers = options.workers.max(1);
        if device.rx_queues as usize * workers as usize > XSKS_CAPACITY {
            return Err(CaptureError::TooManySockets {
                name: device.name.clone(),
                queues: device.rx_queues,
                workers,
                limit: XSKS_CAPACITY,
            });
        }
        let skel = load(workers)?;
        let (receivers, queues) = bind_all(device, workers, options.rx_ring, options.bind, &skel.maps.xsks)?;
        let promiscuous = Promiscuous::enable(device)
            .map_err(|source| CaptureError::Interface { name: device.name.clone(), source })?;
        // Last: nothing that can fail may leave the program behind.
        let attachment = Attachment::new(device, options.mode, &skel.progs.rw_capture)?;
        let dropped_before = device.rx_dropped().unwrap_or(0);
        let port = CapturePort { skel, attachment, queues, dropped_before, _promiscuous: promiscuous };
        Ok((port, receivers))
    }

    /// The device.
    #[must_use]
    pub fn device(&self) -> &Device {
        self.attachment.device()
    }

    /// How each queue was bound, in order.
    #[must_use]
    pub fn queues(&self) -> &[QueueMode] {
        &self.queues
    }

    /// How the kernel runs the XDP program.
    #[must_use]
    pub fn mode(&self) -> XdpMode {
        self.attachment.mode()
    }

    /// Counters of the XDP program.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn counters(&self) -> Result<CaptureCounters, CaptureError> {
        sum_per_cpu(&self.skel.maps.capture_counts, "capture_counts")
            .map(|values| CaptureCounters::from_values(&values))
    }

    /// Frames that NIC and driver count as dropped since the port was opened. Those that the program never saw are
    /// among them; with some drivers (veth) also those that found a receive ring full.
    ///
    /// # Errors
    /// The device is gone.
    pub fn nic_dropped(&self) -> std::io::Result<u64> {
        Ok(self.device().rx_dropped()?.saturating_sub(self.dropped_before))
    }

    /// Takes the steering program off the device. Drivers can crash when sockets close first.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn detach(&self) -> Result<(), CaptureError> {
        self.attachment.detach(self.skel.progs.rw_capture.as_fd())
    }
}

fn load(workers: u32) -> Result<skel::CaptureSkel<'static>, CaptureError> {
    let load = |source| CaptureError::Load { object: "capture", source };
    let object: &'static mut MaybeUninit<OpenObject> = Box::leak(Box::new(MaybeUninit::uninit()));
    let mut open = skel::CaptureSkelBuilder::default().open(object).map_err(load)?;
    if let Some(rodata) = open.maps.rodata_data.as_deref_mut() {
        rodata.workers = workers;
    }
    open.load().map_err(load)
}
