//! Packet memory and sockets: binding every queue of a port's devices for every worker.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex};

use crate::error::CaptureError;
use crate::layout::FRAME_HEAD;
use crate::netdev::Device;
use crate::receiver::{BATCH, Lane, Queue, Receiver, STASH};
use crate::xsk::{BindFlags, Pages, Rings, Umem, Xsk};

/// Headroom that the kernel keeps before every frame in a chunk.
const XDP_PACKET_HEADROOM: u32 = 256;
/// Link header with two VLAN tags.
const LINK_HEADER: u32 = 14 + 8;
/// Tried in this order; 2048-byte chunks are left to drivers that are known to fill them properly.
const CHUNK_SIZES: [u32; 2] = [2048, 4096];
/// igb in zero-copy mode cuts frames over 1024 bytes with 2048-byte chunks.
const WANTS_LARGE_CHUNKS: [&str; 2] = ["igb", "igc"];
/// Largest MTU whose frames lie in one chunk each.
pub const MAX_WHOLE_MTU: u32 = CHUNK_SIZES[1] - XDP_PACKET_HEADROOM - LINK_HEADER - FRAME_HEAD as u32;
/// The longest frame that is put together from several chunks: a maximal IP packet and its link header.
pub(crate) const MAX_FRAME: u32 = 65_535 + LINK_HEADER;

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

/// Which worker gets a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Steering {
    /// The one that the symmetric flow hash picks: a socket per queue and worker.
    #[default]
    Flow,
    /// The one that serves the frame's queue: a socket per queue. The NIC must send both directions of a flow
    /// to the same queue.
    Rss,
}

/// What packet memory came to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory {
    /// The NIC writes into it itself.
    pub zero_copy: bool,
    /// What the kernel said to zero-copy, if it was tried in vain.
    pub why_not: Option<String>,
    /// What pages it lies in.
    pub pages: Pages,
    /// Bytes of one chunk.
    pub chunk: u32,
    /// Number of chunks.
    pub chunks: usize,
    /// A frame may span several chunks.
    pub multi_buffer: bool,
}

/// Chunks for the frames of some devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chunking {
    pub(crate) chunk: u32,
    pub(crate) multi_buffer: bool,
}

impl Chunking {
    /// The chunk in which a frame of these devices, with our head before it, has room; several chunks if there is
    /// none so large.
    pub(crate) fn of(devices: &[Device]) -> Self {
        let mtu = devices.iter().map(|d| d.mtu).max().unwrap_or(0);
        let large = devices.iter().any(|d| WANTS_LARGE_CHUNKS.contains(&d.driver.as_str()));
        let smallest = CHUNK_SIZES[usize::from(large)];
        let overhead = XDP_PACKET_HEADROOM + LINK_HEADER + FRAME_HEAD as u32;
        let fitting = CHUNK_SIZES.into_iter().find(|&size| size >= smallest && mtu + overhead <= size);
        Chunking { chunk: fitting.unwrap_or(CHUNK_SIZES[1]), multi_buffer: fitting.is_none() }
    }

    /// Bytes of the longest frame that is captured whole.
    pub(crate) fn max_frame(self) -> u32 {
        if self.multi_buffer { MAX_FRAME } else { self.chunk - XDP_PACKET_HEADROOM - FRAME_HEAD as u32 }
    }
}

/// The sockets to be made.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    /// One device, or the two of an inline pair: frames of the one leave through the other.
    pub(crate) devices: &'a [Device],
    pub(crate) workers: u32,
    /// Frames per receive ring, a power of two; transmit rings of a pair are as long.
    pub(crate) rx_ring: u32,
    pub(crate) mode: BindMode,
    pub(crate) steering: Steering,
    pub(crate) chunking: Chunking,
}

/// A bound socket's place: device of the pair, queue, worker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) device: usize,
    pub(crate) queue: u32,
    pub(crate) worker: u32,
}

/// All sockets of a port.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) receivers: Vec<Receiver>,
    pub(crate) memory: Memory,
    /// A descriptor of each socket, to be entered into the program's map.
    pub(crate) sockets: Vec<(Place, OwnedFd)>,
}

impl Plan<'_> {
    /// Binds in the first mode that the drivers take; zero-copy on all queues or on none, because they share
    /// their memory.
    pub(crate) fn bind(&self) -> Result<Bound, CaptureError> {
        let mut why_not = None;
        if self.mode != BindMode::Copy {
            match self.bind_as(BindFlags::XDP_ZEROCOPY) {
                Err(CaptureError::Socket { source, .. }) if self.mode == BindMode::Auto => {
                    why_not = Some(source.to_string());
                }
                outcome => return outcome,
            }
        }
        let mut bound = self.bind_as(BindFlags::XDP_COPY)?;
        bound.memory.why_not = why_not;
        Ok(bound)
    }

    /// A pair forwards.
    fn is_pair(&self) -> bool {
        self.devices.len() > 1
    }

    fn rings(&self) -> Rings {
        Rings { rx: self.rx_ring, tx: if self.is_pair() { self.rx_ring } else { 0 } }
    }

    fn places(&self) -> impl Iterator<Item = Place> {
        let workers = self.workers;
        let each =
            self.devices.iter().enumerate().flat_map(|(device, d)| {
                (0..d.rx_queues).map(move |queue| Place { device, queue, worker: 0 })
            });
        each.flat_map(move |place| {
            let own = match self.steering {
                Steering::Flow => 0..workers,
                Steering::Rss => place.queue % workers..place.queue % workers + 1,
            };
            own.map(move |worker| Place { worker, ..place })
        })
    }

    fn fill_ring(&self) -> u32 {
        2 * self.rx_ring
    }

    /// More than all receive, transmit and fill rings and all workers together can hold: whoever is slow, a free
    /// chunk is left for everybody else.
    fn chunks(&self) -> usize {
        let rings = self.rings();
        let sockets = self.places().count() * (rings.rx + rings.tx) as usize;
        let queues: u32 = self.devices.iter().map(|d| d.rx_queues).sum();
        let workers = self.workers as usize * (STASH + 2 * BATCH);
        sockets + (queues * self.fill_ring()) as usize + workers
    }

    fn bind_as(&self, mode: BindFlags) -> Result<Bound, CaptureError> {
        let first_device = &self.devices[0];
        let umem = Umem::new(first_device, self.chunks(), self.chunking.chunk).map_err(|what| {
            CaptureError::Umem {
                name: first_device.name.clone(),
                mib: (self.chunks() * self.chunking.chunk as usize).div_ceil(1024 * 1024),
                what,
            }
        })?;
        let umem = Arc::new(umem);
        let mut flags = mode | BindFlags::XDP_USE_NEED_WAKEUP;
        if self.chunking.multi_buffer {
            flags |= BindFlags::XDP_USE_SG;
        }
        // The completion ring takes all that the queue's transmit rings held.
        let completion = (self.rings().tx * self.workers).max(64).next_power_of_two();
        let mut queues: HashMap<(usize, u32), (OwnedFd, Arc<Queue>)> = HashMap::new();
        let mut first: Option<OwnedFd> = None;
        let mut lanes: Vec<Vec<Lane>> = (0..self.workers).map(|_| Vec::new()).collect();
        let mut sockets = Vec::new();
        for place in self.places() {
            let device = &self.devices[place.device];
            let fail = |source: io::Error| CaptureError::Socket {
                name: device.name.clone(),
                queue: place.queue,
                source,
            };
            let of_queue = queues.get(&(place.device, place.queue));
            let rings = Some((self.fill_ring(), completion));
            let mut xsk = match (&first, of_queue) {
                (None, _) => Xsk::first(
                    &umem,
                    device,
                    place.queue,
                    self.rings(),
                    (self.fill_ring(), completion),
                    flags,
                ),
                (Some(any), None) => share(any.as_fd(), device, place, self.rings(), rings),
                (Some(_), Some((owner, _))) => share(owner.as_fd(), device, place, self.rings(), None),
            }
            .map_err(fail)?;
            let handle = xsk.socket.try_clone().map_err(fail)?;
            if first.is_none() {
                first = Some(handle.try_clone().map_err(fail)?);
            }
            let queue = match (xsk.queue.take(), of_queue) {
                (Some(rings), _) => {
                    let queue = Arc::new(Queue { rings: Mutex::new(rings) });
                    let owner = handle.try_clone().map_err(fail)?;
                    queues.insert((place.device, place.queue), (owner, queue.clone()));
                    queue
                }
                (None, Some((_, queue))) => queue.clone(),
                (None, None) => return Err(fail(io::Error::other("no fill ring"))),
            };
            sockets.push((place, handle));
            lanes[place.worker as usize].push(Lane::new(place, xsk, queue).map_err(fail)?);
        }
        let receivers = lanes
            .into_iter()
            .map(|lanes| Receiver::new(umem.clone(), lanes, self.is_pair()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|what| CaptureError::Pair { name: first_device.name.clone(), what })?;
        for (_, queue) in queues.values() {
            queue.fill_from(&umem);
        }
        let memory = Memory {
            zero_copy: mode.contains(BindFlags::XDP_ZEROCOPY),
            why_not: None,
            pages: umem.pages(),
            chunk: umem.chunk(),
            chunks: self.chunks(),
            multi_buffer: self.chunking.multi_buffer,
        };
        Ok(Bound { receivers, memory, sockets })
    }
}

fn share(
    bound: BorrowedFd<'_>,
    device: &Device,
    place: Place,
    rings: Rings,
    queue_rings: Option<(u32, u32)>,
) -> io::Result<Xsk> {
    Xsk::sharing(bound, device, place.queue, rings, queue_rings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(mtu: u32, driver: &str) -> Device {
        Device { name: "x".into(), index: 1, rx_queues: 2, mtu, driver: driver.into() }
    }

    #[test]
    fn chunks_follow_the_mtu() {
        let of = |mtu, driver| Chunking::of(&[device(mtu, driver)]);
        assert_eq!(of(1500, "ice"), Chunking { chunk: 2048, multi_buffer: false });
        assert_eq!(of(1500, "igb"), Chunking { chunk: 4096, multi_buffer: false });
        assert_eq!(of(3000, "ice"), Chunking { chunk: 4096, multi_buffer: false });
        assert_eq!(of(9000, "ice"), Chunking { chunk: 4096, multi_buffer: true });
        // The longest frame of the longest MTU of one chunk is captured whole, and no longer one.
        let longest = 4096 - 256 - 22 - 16;
        assert!(!of(longest, "ice").multi_buffer && of(longest + 1, "ice").multi_buffer);
        assert!(of(longest, "ice").max_frame() >= longest + 22);
        // A pair lives in one memory: the larger MTU decides.
        assert_eq!(Chunking::of(&[device(1500, ""), device(3000, "")]).chunk, 4096);
    }

    #[test]
    fn there_is_more_memory_than_all_rings_hold() {
        let devices = [device(1500, "a"), device(1500, "b")];
        let plan = |devices, steering| Plan {
            devices,
            workers: 3,
            rx_ring: 1024,
            mode: BindMode::Auto,
            steering,
            chunking: Chunking::of(devices),
        };
        let one = plan(&devices[..1], Steering::Flow);
        assert_eq!(one.places().count(), 6);
        assert!(one.chunks() > 6 * 1024 + 2 * 2048);
        let pair = plan(&devices[..], Steering::Flow);
        assert!(pair.chunks() > 12 * 2 * 1024 + 4 * 2048);
        let rss = plan(&devices[..1], Steering::Rss);
        assert_eq!(rss.places().map(|p| p.worker).collect::<Vec<_>>(), [0, 1]);
    }
}
