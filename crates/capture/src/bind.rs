//! Packet memory and sockets: binding every queue of a device for every worker.

use std::num::NonZeroU32;
use std::os::fd::AsRawFd;
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use libbpf_rs::{MapCore, MapFlags};
use rtrb::RingBuffer;
use xsk_rs::config::{BindFlags, FrameSize, Interface, LibxdpFlags, QueueSize, SocketConfig, UmemConfig};
use xsk_rs::{FillQueue, FrameDesc, RxQueue, Socket, TxQueue, Umem};

use crate::error::CaptureError;
use crate::layout::FRAME_HEAD;
use crate::netdev::Device;
use crate::receiver::{Filler, QueueSocket, Receiver};

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

/// How frames reach packet memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BindMode {
    /// Written there by the NIC if the driver can, else copied by the kernel.
    #[default]
    Auto,
    /// Written there by the NIC, or not at all.
    ZeroCopy,
    /// Copied by the kernel.
    Copy,
}

/// How a queue was bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueMode {
    /// The NIC writes into packet memory itself.
    pub zero_copy: bool,
    /// What the kernel said to zero-copy, if it was tried in vain.
    pub why_not: Option<String>,
}

/// Bytes of the largest network-layer packet that fits into a chunk of packet memory.
#[must_use]
pub fn max_mtu() -> u32 {
    CHUNK_SIZES[1] - XDP_PACKET_HEADROOM - LINK_HEADER - FRAME_HEAD as u32
}

/// The chunk in which a frame of this device, with our head before it, has room.
fn chunk_size(device: &Device) -> Result<u32, CaptureError> {
    let overhead = XDP_PACKET_HEADROOM + LINK_HEADER;
    let smallest =
        if WANTS_LARGE_CHUNKS.contains(&device.driver.as_str()) { CHUNK_SIZES[1] } else { CHUNK_SIZES[0] };
    CHUNK_SIZES
        .into_iter()
        .find(|&size| size >= smallest && device.mtu + overhead + FRAME_HEAD as u32 <= size)
        .ok_or_else(|| CaptureError::Mtu { name: device.name.clone(), mtu: device.mtu, max: max_mtu() })
}

/// Binds a socket per worker to every queue, and enters each into `xsks` where the XDP program looks for it.
pub(crate) fn bind_all(
    device: &Device,
    workers: u32,
    rx_ring: u32,
    mode: BindMode,
    xsks: &impl MapCore,
) -> Result<(Vec<Receiver>, Vec<QueueMode>), CaptureError> {
    // One more ring's worth than all receive rings hold: a worker that does not empty its ring can
    // keep frames from nobody else.
    let per_queue = (workers + 1) * rx_ring;
    let mut sockets: Vec<Vec<QueueSocket>> = (0..workers).map(|_| Vec::new()).collect();
    let mut modes = Vec::new();
    for queue in 0..device.rx_queues {
        let (bound, mode) = Queue { device, queue, workers, rx_ring, frames: per_queue }.bind(mode)?;
        modes.push(mode);
        for (worker, socket) in (0..workers).zip(bound) {
            let index = queue * workers + worker;
            let fd = socket.rx.fd().as_raw_fd();
            xsks.update(&index.to_ne_bytes(), &fd.to_ne_bytes(), MapFlags::ANY)
                .map_err(|source| CaptureError::Map { map: "xsks", source })?;
            sockets[worker as usize].push(socket);
        }
    }
    Ok((sockets.into_iter().map(Receiver::new).collect(), modes))
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

/// A queue to be bound.
#[derive(Clone, Copy)]
struct Queue<'a> {
    device: &'a Device,
    queue: u32,
    workers: u32,
    rx_ring: u32,
    /// Frames of packet memory.
    frames: u32,
}

type Bound = (TxQueue, RxQueue, Option<(FillQueue, xsk_rs::CompQueue)>);

impl Queue<'_> {
    /// Binds in the first mode that the driver takes.
    fn bind(self, wish: BindMode) -> Result<(Vec<QueueSocket>, QueueMode), CaptureError> {
        let mut why_not = None;
        if wish != BindMode::Copy {
            match self.bind_as(BindFlags::XDP_ZEROCOPY) {
                Ok(bound) => return Ok((bound, QueueMode { zero_copy: true, why_not: None })),
                Err(err @ CaptureError::Socket { .. }) if wish == BindMode::Auto => {
                    if let CaptureError::Socket { what, .. } = err {
                        why_not = Some(what);
                    }
                }
                Err(err) => return Err(err),
            }
        }
        Ok((self.bind_as(BindFlags::XDP_COPY)?, QueueMode { zero_copy: false, why_not }))
    }

    /// The queue's sockets, a worker each. Its fill ring gets all of the queue's frames.
    ///
    /// Each queue has a UMEM of its own, shared by its workers: libxdp names the first socket of the UMEM when
    /// it binds another one, and the kernel shares a queue's rings only with a socket of that queue.
    fn bind_as(self, mode: BindFlags) -> Result<Vec<QueueSocket>, CaptureError> {
        let fail = |what| CaptureError::Socket { name: self.device.name.clone(), queue: self.queue, what };
        let (umem, frames) = umem(self.device, self.frames)?;
        let mut fill: Option<FillQueue> = None;
        let mut ends = Vec::new();
        for _ in 0..self.workers {
            let (tx, rx, first) = self.socket(&umem, mode).map_err(fail)?;
            if let Some((mut ring, _completion)) = first {
                // SAFETY: these frames are this UMEM's and nobody has been given them yet.
                let filled = unsafe { ring.produce(&frames) };
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
        let socket = |(tx, rx, give_back)| QueueSocket {
            umem: umem.clone(),
            rx,
            _tx: tx,
            give_back,
            filler: filler.clone(),
        };
        Ok(halves.into_iter().map(socket).collect())
    }

    fn socket(self, umem: &Umem, mode: BindFlags) -> Result<Bound, String> {
        let interface = Interface::from_str(&self.device.name).map_err(|e| e.to_string())?;
        let config = SocketConfig::builder()
            .rx_queue_size(QueueSize::new(self.rx_ring).map_err(|e| e.to_string())?)
            .tx_queue_size(QueueSize::new(UNUSED_RING).map_err(|e| e.to_string())?)
            .libxdp_flags(LibxdpFlags::XSK_LIBXDP_FLAGS_INHIBIT_PROG_LOAD)
            .bind_flags(BindFlags::XDP_USE_NEED_WAKEUP | mode)
            .build();
        let mut attempt = 1;
        loop {
            // SAFETY: XSK_LIBXDP_FLAGS_INHIBIT_PROG_LOAD is set, which is what a second socket on the same
            // queue requires.
            match unsafe { Socket::new(config, umem, &interface, self.queue) } {
                Ok(bound) => return Ok(bound),
                Err(err) if attempt < BIND_ATTEMPTS && chain(&err).contains("os error 16") => {
                    attempt += 1;
                    thread::sleep(BIND_PAUSE);
                }
                Err(err) => return Err(chain(&err)),
            }
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
