//! One AF_XDP socket on one queue, and nothing else: for generators, yardsticks and tests.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::xdp::{XdpDesc, XdpDescOptions};

use crate::bind::Chunking;
use crate::error::CaptureError;
use crate::netdev::Device;
use crate::receiver::BATCH;
use crate::xsk::{BindFlags, QueueRings, Rings, Umem, Xsk};

/// See the module's text.
#[derive(Debug)]
pub struct SingleQueue {
    umem: Umem,
    xsk: Xsk,
    rings: QueueRings,
    free: Vec<u64>,
    batch: Vec<XdpDesc>,
    sent: u64,
}

impl SingleQueue {
    /// Opens a queue with rings of `ring` entries, a power of two; the kernel's choice of zero-copy or copy.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn open(device: &Device, queue: u32, ring: u32) -> Result<Self, CaptureError> {
        let chunk = Chunking::of(std::slice::from_ref(device)).chunk;
        let chunks = 4 * ring as usize;
        let umem = Umem::new(device, chunks, chunk).map_err(|what| CaptureError::Umem {
            name: device.name.clone(),
            mib: (chunks * chunk as usize).div_ceil(1024 * 1024),
            what,
        })?;
        let fail = |source| CaptureError::Socket { name: device.name.clone(), queue, source };
        let rings = Rings { rx: ring, tx: ring };
        let flags = BindFlags::XDP_USE_NEED_WAKEUP;
        let mut xsk = Xsk::first(&umem, device, queue, rings, (2 * ring, ring), flags).map_err(fail)?;
        let mut rings = xsk.queue.take().ok_or_else(|| fail(io::Error::other("no fill ring")))?;
        for chunk in std::iter::from_fn(|| umem.take()).take(2 * ring as usize) {
            rings.fill.push(&[chunk]);
        }
        let free = std::iter::from_fn(|| umem.take()).collect();
        Ok(SingleQueue { umem, xsk, rings, free, batch: Vec::with_capacity(BATCH), sent: 0 })
    }

    /// The socket, to be entered into an XSKMAP.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.xsk.socket.fd()
    }

    /// Receives a batch and gives it straight back; how many frames it had.
    pub fn discard(&mut self) -> usize {
        const NONE: XdpDesc = XdpDesc { addr: 0, len: 0, options: XdpDescOptions::empty() };
        let Some(rx) = &mut self.xsk.rx else { return 0 };
        let mut batch = [NONE; BATCH];
        let count = rx.peek(&mut batch);
        rx.release(count);
        let mut chunks = [0; BATCH];
        for (chunk, desc) in chunks.iter_mut().zip(&batch[..count]) {
            *chunk = self.umem.chunk_of(desc.addr);
        }
        // The fill ring has room for every frame that is not in it.
        self.rings.fill.push(&chunks[..count]);
        count
    }

    /// Sleeps until a frame is there or `timeout` is over.
    ///
    /// # Errors
    /// What poll(2) said.
    pub fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        let timeout = Timespec::try_from(timeout).map_err(io::Error::other)?;
        let fd = self.xsk.socket.fd();
        match poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::IN)], Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(err) => Err(err.into()),
        }
    }

    /// Copies a frame into packet memory and queues it. False if there is no room, or it does not fit into a chunk.
    pub fn queue(&mut self, frame: &[u8]) -> bool {
        if frame.len() > self.umem.chunk() as usize || self.batch.len() == BATCH && !self.push() {
            return false;
        }
        let Some(chunk) = self.free.pop().or_else(|| self.reclaim()) else { return false };
        // SAFETY: the chunk was free, so it is ours until it is on the transmit ring.
        unsafe { self.umem.write(chunk, frame) };
        self.batch.push(XdpDesc { addr: chunk, len: frame.len() as u32, options: XdpDescOptions::empty() });
        true
    }

    /// Puts the batch on the transmit ring. False if it has no room.
    fn push(&mut self) -> bool {
        let Some(tx) = &mut self.xsk.tx else { return false };
        let done = tx.push(&self.batch);
        self.batch.drain(..done);
        self.batch.is_empty()
    }

    /// Hands what is queued to the kernel and lets it send; true if nothing is left to be sent.
    ///
    /// # Errors
    /// What sendto(2) said.
    pub fn flush(&mut self) -> io::Result<bool> {
        let pushed = self.push();
        if let Some(chunk) = self.reclaim() {
            self.free.push(chunk);
        }
        let Some(tx) = &mut self.xsk.tx else { return Ok(true) };
        if tx.pending() > 0 && tx.needs_wakeup() {
            self.xsk.socket.wake_tx()?;
        }
        Ok(pushed && tx.pending() == 0)
    }

    /// Takes back what was sent. One of the chunks.
    fn reclaim(&mut self) -> Option<u64> {
        let mut done = [0; BATCH];
        loop {
            let count = self.rings.completion.peek(&mut done);
            self.rings.completion.release(count);
            self.sent += count as u64;
            self.free.extend_from_slice(&done[..count]);
            if count < BATCH {
                return self.free.pop();
            }
        }
    }

    /// Frames that the kernel says it has sent.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent
    }
}
