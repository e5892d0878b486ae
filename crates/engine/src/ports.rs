//! The ports of a sensor: what is to be opened, opening it, and what it came to.

use std::io;
use std::sync::Arc;

use capture::{
    BypassTable, CaptureError, CapturePort, Device, IsolationFds, OwnedIsolationFds, Pages, PortOptions,
    Receiver, RingStats, Shared, Steering,
};
use output::Source;

use crate::options::SensorOptions;
use crate::threads::Port;

/// A port to be opened, now and whenever its devices are made anew.
#[derive(Clone, Debug)]
pub(crate) struct PortPlan {
    /// Which of the sensor's ports.
    pub(crate) number: usize,
    /// One device, or the two of an inline pair.
    pub(crate) names: Vec<String>,
    pub(crate) options: PortOptions,
}

/// A port that was opened.
pub(crate) struct Opened {
    pub(crate) port: Arc<CapturePort>,
    /// A receiver per worker.
    pub(crate) receivers: Vec<Receiver>,
    /// Counters of each receiver.
    pub(crate) rings: Vec<RingStats>,
}

/// The maps that every port of the sensor is loaded onto.
#[derive(Debug)]
pub(crate) struct Maps {
    pub(crate) bypass: Arc<BypassTable>,
    pub(crate) isolation: OwnedIsolationFds,
}

impl Maps {
    pub(crate) fn new(bypass: Arc<BypassTable>, isolation: IsolationFds<'_>) -> io::Result<Self> {
        Ok(Maps { bypass, isolation: isolation.try_clone_to_owned()? })
    }
}

impl PortPlan {
    /// The plans of all ports: inline pairs first, because hosts depend on them.
    pub(crate) fn all(options: &SensorOptions) -> Vec<Self> {
        let common = |mode, bind, fail_closed| PortOptions {
            workers: options.workers,
            rx_ring: options.rx_ring,
            mode,
            bind,
            steering: options.steering,
            tunnels: options.tunnels,
            fail_closed,
        };
        let pairs = options.inline.iter().map(|p| (p.names.to_vec(), common(p.mode, p.bind, p.fail_closed)));
        let single = options.capture.iter().map(|p| (vec![p.name.clone()], common(p.mode, p.bind, false)));
        let numbered = pairs.chain(single).enumerate();
        numbered.map(|(number, (names, options))| PortPlan { number, names, options }).collect()
    }

    /// The devices as they are now.
    pub(crate) fn devices(&self) -> Result<Vec<Device>, CaptureError> {
        let open = |name: &String| {
            Device::open(name).map_err(|source| CaptureError::Interface { name: name.clone(), source })
        };
        self.names.iter().map(open).collect()
    }

    /// Opens the port and says what it came to.
    pub(crate) fn open(&self, maps: &Maps) -> Result<Opened, CaptureError> {
        let devices = self.devices()?;
        let pair = devices.len() > 1;
        let shared = Shared { bypass: &maps.bypass, isolation: pair.then(|| maps.isolation.borrow()) };
        let (port, receivers) = CapturePort::open(&devices, self.options, shared)?;
        let rings = receivers.iter().map(Receiver::ring_stats).collect::<io::Result<Vec<_>>>();
        let rings = match rings {
            Ok(rings) => rings,
            Err(source) => {
                let _ = port.release();
                return Err(CaptureError::Interface { name: self.names[0].clone(), source });
            }
        };
        announce(&port, self.options.workers);
        Ok(Opened { port: Arc::new(port), receivers, rings })
    }

    /// The port as one worker sees it.
    pub(crate) fn lane(&self, rings: Receiver) -> Port {
        Port {
            number: self.number,
            rings,
            sources: self.names.iter().map(|name| Source::Interface(Arc::from(name.as_str()))).collect(),
        }
    }
}

/// What a port came to: queues, workers, modes, memory, and the kernel's reason where the better was refused.
fn announce(port: &CapturePort, workers: u32) {
    let memory = port.memory();
    let kind = if port.is_inline() { "inline" } else { "capture" };
    for ((device, mode), nic_time) in port.devices().zip(port.modes()).zip(port.nic_time()) {
        let sockets = match port.steering() {
            Steering::Flow => format!("{} queues x {workers} workers", device.rx_queues),
            Steering::Rss => format!("{} queues, each to one of {workers} workers", device.rx_queues),
        };
        let why = memory.why_not.as_ref().map(|why| format!(" (zero-copy: {why})")).unwrap_or_default();
        tracing::info!(
            "{kind} {}: {sockets}, driver {}, {} XDP, {}{why}, {}'s time",
            device.name,
            device.driver,
            mode.name(),
            if memory.zero_copy { "zero-copy" } else { "copy" },
            if nic_time { "the NIC" } else { "the kernel" },
        );
        let irqs = device.irqs();
        if !irqs.is_empty() {
            let places: Vec<String> = irqs.iter().map(|(irq, cpus)| format!("{irq} on {cpus}")).collect();
            tracing::info!("{kind} {}: interrupts (CPUs): {}", device.name, places.join(", "));
        }
    }
    tracing::info!(
        "{kind} {}: packet memory {} x {} bytes in {}{}",
        port.devices().map(|d| d.name.as_str()).collect::<Vec<_>>().join("+"),
        memory.chunks,
        memory.chunk,
        match memory.pages {
            Pages::Huge => "huge pages",
            Pages::Small => "ordinary pages",
        },
        if memory.multi_buffer { ", frames may span several chunks" } else { "" },
    );
}
