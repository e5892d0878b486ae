//! A capture port: the steering program on a device, and the sockets behind it.

use std::mem::MaybeUninit;
use std::num::NonZeroU32;
use std::os::fd::{AsFd, AsRawFd};
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use libbpf_rs::skel::{OpenSkel, SkelBuilder};
use libbpf_rs::{MapCore, MapFlags, OpenObject};
use rtrb::RingBuffer;
use xsk_rs::config::{BindFlags, FrameSize, Interface, LibxdpFlags, QueueSize, SocketConfig, UmemConfig};
use xsk_rs::{FillQueue, FrameDesc, RxQueue, Socket, TxQueue, Umem};

use crate::attach::{Attachment, XdpMode};
use crate::counts::sum_per_cpu;
use crate::error::CaptureError;
use crate::layout::{CaptureCounters, FRAME_HEAD, XSKS_CAPACITY};
use crate::netdev::{Device, Promiscuous};
use crate::receiver::{Filler, QueueSocket, Receiver};

mod skel {
    #![allow(missing_docs, missing_debug_implementations, unreachable_pub, clippy::all, clippy::pedantic)]
    #![allow(clippy::undocumented_unsafe_blocks, clippy::unwrap_used)]
    include!(concat!(env!("OUT_DIR"), "/capture.skel.rs"));
}

/// Headroom that the kernel keeps before every frame in a chunk.
const XDP_PACKET_HEADROOM: u32 = 256;
/// Link header with two VLAN tags.
const LINK_HEADER: u32 = 14 + 8;
/// Tried in this order; 2048-byte chunks are left to drivers that are known to fill them properly.
const CHUNK_SIZES: [u32; 2] = [2048, 4096];
/// igb in zero-copy mode cuts frames over 1024 bytes with 2048-byte chunks.
const WANTS_LARGE_CHUNKS: [&str; 2] = ["igb", "igc"];
/// A queue that another process has just released stays busy for a while.
const BIND_ATTEMPTS: u32 = 20;
const BIND_PAUSE: Duration = Duration::from_millis(50);
/// Nothing is sent from a capture port, but libxdp wants the rings.
const UNUSED_RING: u32 = 64;

/// How to open a capture port.
#[derive(Clone, Copy, Debug)]
pub struct PortOptions {
    /// Workers that share the port, at least 1.
    pub workers: u32,
    /// Frames that a worker's receive ring holds per queue; a power of two.
    pub rx_ring: u32,
    /// How the kernel runs the XDP program.
    pub mode: XdpMode,
}

/// An open capture port. Its receivers live with the workers; the port must be [detached] before they
/// go, or frames would be steered at sockets that are being torn down.
///
/// [detached]: CapturePort::detach
pub struct CapturePort {
    skel: skel::CaptureSkel<'static>,
    attachment: Attachment,
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
        let receivers = bind_all(device, workers, options.rx_ring, &skel.maps.xsks)?;
        let promiscuous = Promiscuous::enable(device)
            .map_err(|source| CaptureError::Interface { name: device.name.clone(), source })?;
        // Last: nothing that can fail may leave the program behind.
        let attachment = Attachment::new(device, options.mode, &skel.progs.rw_capture)?;
        Ok((CapturePort { skel, attachment, _promiscuous: promiscuous }, receivers))
    }

    /// The device.
    #[must_use]
    pub fn device(&self) -> &Device {
        self.attachment.device()
    }

    /// Counters of the XDP program.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn counters(&self) -> Result<CaptureCounters, CaptureError> {
        sum_per_cpu(&self.skel.maps.capture_counts, "capture_counts")
            .map(|values| CaptureCounters::from_values(&values))
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

/// The chunk in which a frame of this device, with our head before it, has room.
fn chunk_size(device: &Device) -> Result<u32, CaptureError> {
    let overhead = XDP_PACKET_HEADROOM + LINK_HEADER;
    let smallest =
        if WANTS_LARGE_CHUNKS.contains(&device.driver.as_str()) { CHUNK_SIZES[1] } else { CHUNK_SIZES[0] };
    CHUNK_SIZES
        .into_iter()
        .find(|&size| size >= smallest && device.mtu + overhead + FRAME_HEAD as u32 <= size)
        .ok_or_else(|| CaptureError::Mtu {
            name: device.name.clone(),
            mtu: device.mtu,
            max: CHUNK_SIZES[1] - overhead - FRAME_HEAD as u32,
        })
}

fn bind_all(
    device: &Device,
    workers: u32,
    rx_ring: u32,
    xsks: &impl MapCore,
) -> Result<Vec<Receiver>, CaptureError> {
    // One more ring's worth than all receive rings hold: a worker that does not empty its ring can
    // keep frames from nobody else.
    let per_queue = (workers + 1) * rx_ring;
    let mut sockets: Vec<Vec<QueueSocket>> = (0..workers).map(|_| Vec::new()).collect();
    for queue in 0..device.rx_queues {
        // A UMEM for each queue, shared by its workers: libxdp names the first socket of the UMEM when it
        // binds another one, and the kernel shares a queue's rings only with a socket of that queue.
        let (umem, frames) = umem(device, per_queue)?;
        let bound = bind_queue(device, queue, workers, rx_ring, &umem, &frames)?;
        for (worker, socket) in (0..workers).zip(bound) {
            let index = queue * workers + worker;
            let fd = socket.rx.fd().as_raw_fd();
            xsks.update(&index.to_ne_bytes(), &fd.to_ne_bytes(), MapFlags::ANY)
                .map_err(|source| CaptureError::Map { map: "xsks", source })?;
            sockets[worker as usize].push(socket);
        }
    }
    Ok(sockets.into_iter().map(Receiver::new).collect())
}

fn umem(device: &Device, count: u32) -> Result<(Umem, Vec<FrameDesc>), CaptureError> {
    let chunk = chunk_size(device)?;
    let fail = |err: &dyn std::error::Error| CaptureError::Umem {
        name: device.name.clone(),
        bytes: count as usize * chunk as usize,
        what: chain(err),
    };
    let config = UmemConfig::builder()
        .frame_size(FrameSize::new(chunk).map_err(|e| fail(&e))?)
        .fill_queue_size(QueueSize::new(count.next_power_of_two()).map_err(|e| fail(&e))?)
        .comp_queue_size(QueueSize::new(UNUSED_RING).map_err(|e| fail(&e))?)
        .build()
        .map_err(|e| fail(&e))?;
    let count = NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
    Umem::new(config, count, false).map_err(|e| fail(&e))
}

/// One queue's sockets, a worker each. Its fill ring gets all of the queue's frames.
fn bind_queue(
    device: &Device,
    queue: u32,
    workers: u32,
    rx_ring: u32,
    umem: &Umem,
    frames: &[FrameDesc],
) -> Result<Vec<QueueSocket>, CaptureError> {
    let fail = |what: String| CaptureError::Socket { name: device.name.clone(), queue, what };
    let mut fill: Option<FillQueue> = None;
    let mut ends = Vec::new();
    for _ in 0..workers {
        let (tx, rx, first) = bind(device, queue, rx_ring, umem).map_err(fail)?;
        if let Some((mut ring, _completion)) = first {
            // SAFETY: these frames are this UMEM's and nobody has been given them yet.
            let filled = unsafe { ring.produce(frames) };
            if filled != frames.len() {
                return Err(fail(format!("the fill ring took {filled} of {} frames", frames.len())));
            }
            fill = Some(ring);
        }
        ends.push((tx, rx, RingBuffer::new(frames.len())));
    }
    let fill = fill.ok_or_else(|| fail("libxdp gave no fill ring".into()))?;
    let mut returns = Vec::new();
    let mut halves = Vec::new();
    for (tx, rx, (give_back, returned)) in ends {
        returns.push(returned);
        halves.push((tx, rx, give_back));
    }
    let filler = Arc::new(Mutex::new(Filler::new(fill, returns)));
    Ok(halves
        .into_iter()
        .map(|(tx, rx, give_back)| QueueSocket {
            umem: umem.clone(),
            rx,
            _tx: tx,
            give_back,
            filler: filler.clone(),
        })
        .collect())
}

type Bound = (TxQueue, RxQueue, Option<(FillQueue, xsk_rs::CompQueue)>);

fn bind(device: &Device, queue: u32, rx_ring: u32, umem: &Umem) -> Result<Bound, String> {
    let interface = Interface::from_str(&device.name).map_err(|e| e.to_string())?;
    let config = SocketConfig::builder()
        .rx_queue_size(QueueSize::new(rx_ring).map_err(|e| e.to_string())?)
        .tx_queue_size(QueueSize::new(UNUSED_RING).map_err(|e| e.to_string())?)
        .libxdp_flags(LibxdpFlags::XSK_LIBXDP_FLAGS_INHIBIT_PROG_LOAD)
        .bind_flags(BindFlags::XDP_USE_NEED_WAKEUP)
        .build();
    let mut attempt = 1;
    loop {
        // SAFETY: XSK_LIBXDP_FLAGS_INHIBIT_PROG_LOAD is set, which is what a second socket on the same
        // queue requires.
        match unsafe { Socket::new(config, umem, &interface, queue) } {
            Ok(bound) => return Ok(bound),
            Err(err) if attempt < BIND_ATTEMPTS && chain(&err).contains("os error 16") => {
                attempt += 1;
                thread::sleep(BIND_PAUSE);
            }
            Err(err) => return Err(chain(&err)),
        }
    }
}

/// An error with everything it came from on one line.
fn chain(err: &dyn std::error::Error) -> String {
    let mut text = err.to_string();
    let mut source = err.source();
    while let Some(err) = source {
        text.push_str(": ");
        text.push_str(&err.to_string());
        source = err.source();
    }
    text
}
