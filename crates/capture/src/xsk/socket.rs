//! Sockets: registering packet memory, sizing rings, binding to a queue.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt;
use rustix::net::xdp::{
    SocketAddrXdp, SocketAddrXdpFlags, SocketAddrXdpWithSharedUmem, XDP_PGOFF_RX_RING, XDP_PGOFF_TX_RING,
    XDP_UMEM_PGOFF_COMPLETION_RING, XDP_UMEM_PGOFF_FILL_RING, XdpDesc, XdpUmemReg, XdpUmemRegFlags,
};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, socket_with};

use super::ring::{Consumer, Producer};
use super::umem::Umem;
use crate::netdev::Device;

/// A queue that another process has just released stays busy for a while.
const BIND_ATTEMPTS: u32 = 20;
const BIND_PAUSE: Duration = Duration::from_millis(50);
/// Microseconds that the kernel polls at most in one call, and frames that it takes.
const BUSY_POLL_US: i32 = 20;
const BUSY_POLL_BUDGET: i32 = 64;

pub(crate) use rustix::net::xdp::SocketAddrXdpFlags as BindFlags;

/// Entries of a socket's own rings, powers of two; 0: no such ring.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rings {
    pub(crate) rx: u32,
    pub(crate) tx: u32,
}

/// The rings that all sockets of a queue share.
#[derive(Debug)]
pub(crate) struct QueueRings {
    pub(crate) fill: Producer<u64>,
    pub(crate) completion: Consumer<u64>,
}

/// The descriptor of a socket, with what can be asked of the kernel through it.
#[derive(Debug)]
pub(crate) struct Socket(OwnedFd);

impl Socket {
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    /// Wakes the driver's receiving side, or polls its queue in busy-poll mode.
    pub(crate) fn wake_rx(&self) -> io::Result<()> {
        let mut nothing = [0_u8; 0];
        match rustix::net::recv(&self.0, &mut nothing, RecvFlags::DONTWAIT) {
            Ok(_) | Err(Errno::AGAIN | Errno::BUSY | Errno::NOBUFS | Errno::NETDOWN) => Ok(()),
            Err(err) => Err(err.into()),
        }
    }

    /// Makes the kernel send what is in the transmit ring. Whether it should be asked again.
    pub(crate) fn wake_tx(&self) -> io::Result<bool> {
        match rustix::net::send(&self.0, &[], SendFlags::DONTWAIT) {
            Ok(_) => Ok(false),
            Err(Errno::AGAIN | Errno::BUSY | Errno::NOBUFS) => Ok(true),
            // The device went down: what is in the ring goes when it is up again.
            Err(Errno::NETDOWN | Errno::NXIO) => Ok(false),
            Err(err) => Err(err.into()),
        }
    }

    /// Interrupts of the queue stay off while somebody polls it; or not any more.
    pub(crate) fn set_busy_poll(&self, on: bool) -> io::Result<()> {
        let settings = [
            (libc::SO_PREFER_BUSY_POLL, i32::from(on)),
            (libc::SO_BUSY_POLL, if on { BUSY_POLL_US } else { 0 }),
            (libc::SO_BUSY_POLL_BUDGET, if on { BUSY_POLL_BUDGET } else { 8 }),
        ];
        for (name, value) in settings {
            // SAFETY: the pointer and length describe `value`, which outlives the call.
            let done = unsafe {
                libc::setsockopt(
                    self.0.as_raw_fd(),
                    libc::SOL_SOCKET,
                    name,
                    (&raw const value).cast(),
                    size_of_val(&value) as libc::socklen_t,
                )
            };
            if done < 0 {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(())
    }

    pub(crate) fn try_clone(&self) -> io::Result<OwnedFd> {
        self.0.try_clone()
    }
}

/// A bound socket.
#[derive(Debug)]
pub(crate) struct Xsk {
    pub(crate) socket: Socket,
    pub(crate) rx: Option<Consumer<XdpDesc>>,
    pub(crate) tx: Option<Producer<XdpDesc>>,
    /// If it is the first of its queue.
    pub(crate) queue: Option<QueueRings>,
}

impl Xsk {
    /// Makes the first socket of a UMEM; every other one inherits `flags`.
    pub(crate) fn first(
        umem: &Umem,
        device: &Device,
        queue: u32,
        rings: Rings,
        queue_rings: (u32, u32),
        flags: BindFlags,
    ) -> io::Result<Self> {
        let socket = open()?;
        let area = XdpUmemReg {
            addr: umem.address(),
            len: umem.len() as u64,
            chunk_size: umem.chunk(),
            headroom: 0,
            flags: XdpUmemRegFlags::empty(),
            tx_metadata_len: 0,
        };
        sockopt::set_xdp_umem_reg(&socket, area)?;
        let xsk = Self::with_rings(socket, rings, Some(queue_rings))?;
        let address = SocketAddrXdp::new(flags, device.index.cast_unsigned(), queue);
        retry(|| bind(&xsk.socket.0, &address))?;
        Ok(xsk)
    }

    /// Makes another socket on the UMEM of `bound`: with rings for the queue if it is the queue's first;
    /// otherwise `bound` must be of the same queue.
    pub(crate) fn sharing(
        bound: BorrowedFd<'_>,
        device: &Device,
        queue: u32,
        rings: Rings,
        queue_rings: Option<(u32, u32)>,
    ) -> io::Result<Self> {
        let xsk = Self::with_rings(open()?, rings, queue_rings)?;
        let address = SocketAddrXdpWithSharedUmem {
            addr: SocketAddrXdp::new(
                SocketAddrXdpFlags::XDP_SHARED_UMEM,
                device.index.cast_unsigned(),
                queue,
            ),
            shared_umem_fd: bound,
        };
        retry(|| bind(&xsk.socket.0, &address))?;
        Ok(xsk)
    }

    fn with_rings(socket: OwnedFd, rings: Rings, queue_rings: Option<(u32, u32)>) -> io::Result<Self> {
        if let Some((fill, completion)) = queue_rings {
            sockopt::set_xdp_umem_fill_ring_size(&socket, fill)?;
            sockopt::set_xdp_umem_completion_ring_size(&socket, completion)?;
        }
        if rings.rx > 0 {
            sockopt::set_xdp_rx_ring_size(&socket, rings.rx)?;
        }
        if rings.tx > 0 {
            sockopt::set_xdp_tx_ring_size(&socket, rings.tx)?;
        }
        let at = sockopt::xdp_mmap_offsets(&socket)?;
        let fd = socket.as_fd();
        let rx =
            (rings.rx > 0).then(|| Consumer::map(fd, XDP_PGOFF_RX_RING, &at.rx, rings.rx)).transpose()?;
        let tx =
            (rings.tx > 0).then(|| Producer::map(fd, XDP_PGOFF_TX_RING, &at.tx, rings.tx)).transpose()?;
        let queue = queue_rings
            .map(|(fill, completion)| {
                io::Result::Ok(QueueRings {
                    fill: Producer::map(fd, XDP_UMEM_PGOFF_FILL_RING, &at.fr, fill)?,
                    completion: Consumer::map(fd, XDP_UMEM_PGOFF_COMPLETION_RING, &at.cr, completion)?,
                })
            })
            .transpose()?;
        Ok(Xsk { socket: Socket(socket), rx, tx, queue })
    }
}

fn open() -> io::Result<OwnedFd> {
    Ok(socket_with(AddressFamily::XDP, SocketType::RAW, SocketFlags::CLOEXEC, None)?)
}

fn retry(mut bind: impl FnMut() -> rustix::io::Result<()>) -> io::Result<()> {
    let mut attempt = 1;
    loop {
        match bind() {
            Err(Errno::BUSY) if attempt < BIND_ATTEMPTS => {
                attempt += 1;
                thread::sleep(BIND_PAUSE);
            }
            outcome => return Ok(outcome?),
        }
    }
}
