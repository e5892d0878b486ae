//! Ports whose frames reach workers: capture (one device) and inline (two devices, a wire between them).

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd};

use libbpf_rs::libbpf_sys::{BPF_F_XDP_DEV_BOUND_ONLY, BPF_F_XDP_HAS_FRAGS};
use libbpf_rs::skel::{OpenSkel, SkelBuilder};
use libbpf_rs::{MapCore, MapFlags, OpenObject, ProgramMut};

use crate::attach::{Attachment, XdpMode};
use crate::bind::{BindMode, Chunking, Memory, Plan, Steering};
use crate::bypass::BypassTable;
use crate::counts::per_cpu;
use crate::error::CaptureError;
use crate::isolation::{IsolationFds, reuse_isolation};
use crate::layout::{CaptureCounters, QUEUES_CAPACITY, XSKS_CAPACITY};
use crate::netdev::{Device, Promiscuous};
use crate::receiver::Receiver;

mod skel {
    #![allow(missing_docs, missing_debug_implementations, unreachable_pub, clippy::all, clippy::pedantic)]
    #![allow(clippy::undocumented_unsafe_blocks, clippy::unwrap_used)]
    include!(concat!(env!("OUT_DIR"), "/capture.skel.rs"));
}

/// How to open a port.
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
    /// Which worker gets a frame.
    pub steering: Steering,
    /// Whether a packet in a tunnel belongs to the inner flow.
    pub tunnels: bool,
    /// Inline: whether frames are dropped when there is no worker for them, instead of sent on.
    pub fail_closed: bool,
}

impl Default for PortOptions {
    fn default() -> Self {
        PortOptions {
            workers: 1,
            rx_ring: 2048,
            mode: XdpMode::Native,
            bind: BindMode::Auto,
            steering: Steering::Flow,
            tunnels: false,
            fail_closed: false,
        }
    }
}

/// What all ports of a sensor share.
#[derive(Clone, Copy, Debug)]
pub struct Shared<'a> {
    /// Bypassed flows.
    pub bypass: &'a BypassTable,
    /// Isolated hosts ([`IsolationMap::fds`](crate::IsolationMap::fds)), for inline ports.
    pub isolation: Option<IsolationFds<'a>>,
}

/// One device of a port.
struct End {
    skel: skel::CaptureSkel<'static>,
    attachment: Attachment,
    nic_time: bool,
    /// What the device had dropped before we came.
    dropped_before: u64,
    _promiscuous: Promiscuous,
}

/// An open port. Its receivers live with the workers; the port must be [released] before they go, or frames would
/// be steered at sockets that are being torn down.
///
/// [released]: CapturePort::release
pub struct CapturePort {
    ends: Vec<End>,
    memory: Memory,
    steering: Steering,
}

impl std::fmt::Debug for CapturePort {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let attachments: Vec<_> = self.ends.iter().map(|end| &end.attachment).collect();
        f.debug_struct("CapturePort").field("ends", &attachments).finish_non_exhaustive()
    }
}

impl CapturePort {
    /// Opens every receive queue of the devices for every worker; one [`Receiver`] per worker. One device makes a
    /// capture port, two an inline pair.
    ///
    /// # Errors
    /// Anything that keeps the port from seeing all of its traffic.
    pub fn open(
        devices: &[Device],
        options: PortOptions,
        shared: Shared<'_>,
    ) -> Result<(Self, Vec<Receiver>), CaptureError> {
        let workers = options.workers.max(1);
        let per_queue = if options.steering == Steering::Flow { workers } else { 1 };
        for device in devices {
            if device.rx_queues as usize * per_queue as usize > XSKS_CAPACITY {
                return Err(CaptureError::TooManySockets {
                    name: device.name.clone(),
                    queues: device.rx_queues,
                    workers,
                    limit: XSKS_CAPACITY,
                });
            }
        }
        let chunking = Chunking::of(devices);
        let plan = Plan {
            devices,
            workers,
            rx_ring: options.rx_ring,
            mode: options.bind,
            steering: options.steering,
            chunking,
        };
        let program = Loading { options, per_queue, chunking, shared, pair: devices.len() > 1 };
        let mut loaded = devices.iter().map(|d| program.load(d)).collect::<Result<Vec<_>, _>>()?;
        let bound = plan.bind()?;
        for (place, socket) in &bound.sockets {
            let own = if options.steering == Steering::Flow { place.worker } else { 0 };
            let index = place.queue * per_queue + own;
            let fd = socket.as_raw_fd();
            loaded[place.device]
                .skel
                .maps
                .xsks
                .update(&index.to_ne_bytes(), &fd.to_ne_bytes(), MapFlags::ANY)
                .map_err(|source| CaptureError::Map { map: "xsks", source })?;
        }
        if let [a, b] = devices {
            loaded[0].leads_to(b)?;
            loaded[1].leads_to(a)?;
        }
        let mut port = CapturePort { ends: Vec::new(), memory: bound.memory, steering: options.steering };
        // Last: nothing that can fail may leave a program behind.
        for (device, loaded) in devices.iter().zip(loaded.drain(..)) {
            match End::attach(device, loaded, options.mode) {
                Ok(end) => port.ends.push(end),
                Err(err) => {
                    let _ = port.detach();
                    return Err(err);
                }
            }
        }
        Ok((port, bound.receivers))
    }

    /// The devices: one, or the two of an inline pair.
    pub fn devices(&self) -> impl Iterator<Item = &Device> {
        self.ends.iter().map(|end| end.attachment.device())
    }

    /// Why the program is not in force on one of the devices any more, if it is not.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        self.ends.iter().find_map(|end| end.attachment.trouble(end.attachment.device()))
    }

    /// Whether frames of each device leave through the other.
    #[must_use]
    pub fn is_inline(&self) -> bool {
        self.ends.len() > 1
    }

    /// What packet memory came to be.
    #[must_use]
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Which worker gets a frame.
    #[must_use]
    pub fn steering(&self) -> Steering {
        self.steering
    }

    /// How the kernel runs the XDP program of each device.
    pub fn modes(&self) -> impl Iterator<Item = XdpMode> {
        self.ends.iter().map(|end| end.attachment.mode())
    }

    /// Whether the NIC's time is asked for, for each device.
    pub fn nic_time(&self) -> impl Iterator<Item = bool> {
        self.ends.iter().map(|end| end.nic_time)
    }

    /// Counters of each device's XDP program, a set per queue.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn counters(&self) -> Result<Vec<Vec<CaptureCounters>>, CaptureError> {
        self.ends.iter().map(End::counters).collect()
    }

    /// Frames that NIC and driver of each device count as dropped since the port was opened. Those that the program
    /// never saw are among them; with some drivers (veth) also those that found a receive ring full.
    pub fn nic_dropped(&self) -> Vec<u64> {
        let of =
            |end: &End| end.attachment.device().rx_dropped().unwrap_or(0).saturating_sub(end.dropped_before);
        self.ends.iter().map(of).collect()
    }

    /// Sends no more frames to the receivers. A capture port's program comes off; an inline port's stays, because
    /// hosts depend on the wire, and goes on without workers.
    ///
    /// # Errors
    /// The first failure; the rest is tried all the same.
    pub fn release(&self) -> Result<(), CaptureError> {
        // Drivers can crash when sockets close while frames are steered at them.
        if !self.is_inline() {
            return self.detach();
        }
        for end in &self.ends {
            for index in 0..XSKS_CAPACITY as u32 {
                // Most indices have no socket.
                let _ = end.skel.maps.xsks.delete(&index.to_ne_bytes());
            }
        }
        Ok(())
    }

    /// Takes the programs off all devices. An inline wire is cut by this.
    ///
    /// # Errors
    /// The first failure; the rest is tried all the same.
    pub fn detach(&self) -> Result<(), CaptureError> {
        let pair = self.is_inline();
        let outcomes: Vec<_> = self.ends.iter().map(|end| end.detach(pair)).collect();
        outcomes.into_iter().collect()
    }
}

impl End {
    fn attach(device: &Device, loaded: Loaded, mode: XdpMode) -> Result<Self, CaptureError> {
        let promiscuous = Promiscuous::enable(device)
            .map_err(|source| CaptureError::Interface { name: device.name.clone(), source })?;
        let program = program_of(&loaded.skel, loaded.pair, loaded.nic_time);
        let attachment = Attachment::new(device, mode, program)?;
        let dropped_before = device.rx_dropped().unwrap_or(0);
        let Loaded { skel, nic_time, .. } = loaded;
        Ok(End { skel, attachment, nic_time, dropped_before, _promiscuous: promiscuous })
    }

    fn detach(&self, pair: bool) -> Result<(), CaptureError> {
        self.attachment.detach(program_of(&self.skel, pair, self.nic_time).as_fd())
    }

    fn counters(&self) -> Result<Vec<CaptureCounters>, CaptureError> {
        let queues = (self.attachment.device().rx_queues as usize).clamp(1, QUEUES_CAPACITY);
        let mut counters = Vec::with_capacity(queues);
        for queue in 0..queues as u32 {
            let values = per_cpu(&self.skel.maps.capture_counts, "capture_counts", queue)?;
            counters.push(CaptureCounters::from_values(&values));
        }
        Ok(counters)
    }
}

/// A program that is loaded and not attached yet.
struct Loaded {
    skel: skel::CaptureSkel<'static>,
    pair: bool,
    nic_time: bool,
}

impl Loaded {
    /// Where frames go that no worker takes.
    fn leads_to(&self, other: &Device) -> Result<(), CaptureError> {
        self.skel
            .maps
            .other_end
            .update(&0_u32.to_ne_bytes(), &other.index.to_ne_bytes(), MapFlags::ANY)
            .map_err(|source| CaptureError::Map { map: "other_end", source })
    }
}

fn program_of<'a>(
    skel: &'a skel::CaptureSkel<'static>,
    pair: bool,
    nic_time: bool,
) -> &'a ProgramMut<'static> {
    match (pair, nic_time) {
        (false, false) => &skel.progs.rw_capture,
        (false, true) => &skel.progs.rw_capture_nic,
        (true, false) => &skel.progs.rw_inline,
        (true, true) => &skel.progs.rw_inline_nic,
    }
}

/// What a program is loaded with.
#[derive(Clone, Copy)]
struct Loading<'a> {
    options: PortOptions,
    /// Sockets per queue.
    per_queue: u32,
    chunking: Chunking,
    shared: Shared<'a>,
    pair: bool,
}

impl Loading<'_> {
    /// With the NIC's time where there is a NIC clock and the driver hands it over; otherwise without.
    fn load(self, device: &Device) -> Result<Loaded, CaptureError> {
        if self.options.mode != XdpMode::Generic && device.has_clock() {
            match self.load_as(device, true) {
                Ok(loaded) => return Ok(loaded),
                Err(err) => tracing::info!("{}: kernel time, not the NIC's: {err}", device.name),
            }
        }
        self.load_as(device, false)
    }

    fn load_as(self, device: &Device, nic_time: bool) -> Result<Loaded, CaptureError> {
        let load = |source| CaptureError::Load { object: "capture", source };
        let object: &'static mut MaybeUninit<OpenObject> = Box::leak(Box::new(MaybeUninit::uninit()));
        let mut open = skel::CaptureSkelBuilder::default().open(object).map_err(load)?;
        if let Some(rodata) = open.maps.rodata_data.as_deref_mut() {
            rodata.workers = self.per_queue;
            rodata.max_frame = self.chunking.max_frame();
            rodata.multi_buffer = u8::from(self.chunking.multi_buffer);
            rodata.tunnels = u8::from(self.options.tunnels);
            rodata.fail_closed = u8::from(self.options.fail_closed);
        }
        open.maps.bypass.reuse_fd(self.shared.bypass.flows()).map_err(load)?;
        open.maps.bypass_slots.reuse_fd(self.shared.bypass.slots()).map_err(load)?;
        match self.shared.isolation {
            Some(fds) => reuse_isolation!(open, fds).map_err(load)?,
            // Capture ports do not ask who is isolated; the object needs some map all the same.
            None => open.maps.isolation.set_max_entries(1).map_err(load)?,
        }
        let progs = &mut open.progs;
        for (program, pair, nic) in [
            (&mut progs.rw_capture, false, false),
            (&mut progs.rw_capture_nic, false, true),
            (&mut progs.rw_inline, true, false),
            (&mut progs.rw_inline_nic, true, true),
        ] {
            let wanted = (pair, nic) == (self.pair, nic_time);
            program.set_autoload(wanted);
            let mut flags = 0;
            if self.chunking.multi_buffer {
                flags |= BPF_F_XDP_HAS_FRAGS;
            }
            if nic {
                program.set_ifindex(device.index.cast_unsigned());
                flags |= BPF_F_XDP_DEV_BOUND_ONLY;
            }
            if wanted {
                program.set_flags(flags);
            }
        }
        Ok(Loaded { skel: open.load().map_err(load)?, pair: self.pair, nic_time })
    }
}
