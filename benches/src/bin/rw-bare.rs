//! A bare AF_XDP receive loop: the yardstick for the sensor. Prints what it received when it is told to stop
//! (a line on standard input, or its end).

use std::io::Read;
use std::mem::MaybeUninit;
use std::num::NonZeroU32;
use std::os::fd::{AsFd, AsRawFd};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::Context;
use capture::Device;
use clap::Parser;
use libbpf_rs::skel::{OpenSkel, SkelBuilder};
use libbpf_rs::{MapCore, MapFlags, Xdp, XdpFlags};
use ringward_benches::{pin, report};
use xsk_rs::config::{BindFlags, Interface, LibxdpFlags, QueueSize, SocketConfig, UmemConfig};
use xsk_rs::{FrameDesc, Socket, Umem};

mod skel {
    #![allow(missing_docs, missing_debug_implementations, dead_code, unreachable_pub)]
    #![allow(clippy::all, clippy::pedantic, clippy::undocumented_unsafe_blocks, clippy::unwrap_used)]
    include!(concat!(env!("OUT_DIR"), "/bare.skel.rs"));
}

const BATCH: usize = 64;
const RING: u32 = 2048;
/// Empty rounds before the loop sleeps in poll(2), as the sensor's workers do.
const SPINS: u32 = 200;

/// Receives from queue 0 of a device and does nothing with it.
#[derive(Debug, Parser)]
struct Args {
    /// The device.
    #[arg(long)]
    device: String,
    /// The core to run on.
    #[arg(long)]
    cpu: Option<usize>,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let device = Device::open(&args.device)?;
    let mut object = MaybeUninit::uninit();
    let skel = skel::BareSkelBuilder::default().open(&mut object)?.load()?;

    let frames = NonZeroU32::new(2 * RING).context("a ring has frames")?;
    let umem = UmemConfig::builder().fill_queue_size(QueueSize::new(2 * RING)?).build()?;
    let (umem, descriptors) = Umem::new(umem, frames, false)?;
    let config = SocketConfig::builder()
        .rx_queue_size(QueueSize::new(RING)?)
        .libxdp_flags(LibxdpFlags::XSK_LIBXDP_FLAGS_INHIBIT_PROG_LOAD)
        .bind_flags(BindFlags::XDP_USE_NEED_WAKEUP)
        .build();
    // SAFETY: the only socket on this queue.
    let bound = unsafe { Socket::new(config, &umem, &Interface::from_str(&args.device)?, 0) };
    let (_tx, mut rx, rings) = bound?;
    let (mut fill, _completion) = rings.context("the first socket has the rings")?;
    // SAFETY: these frames are this UMEM's, and nobody has them yet.
    unsafe { fill.produce(&descriptors) };
    let fd = rx.fd().as_raw_fd();
    skel.maps.sockets.update(&0_u32.to_ne_bytes(), &fd.to_ne_bytes(), MapFlags::ANY)?;
    let xdp = Xdp::new(skel.progs.rw_bare.as_fd());
    xdp.attach(device.index, XdpFlags::DRV_MODE | XdpFlags::UPDATE_IF_NOEXIST)?;

    let stop = Arc::new(AtomicBool::new(false));
    let told = stop.clone();
    thread::spawn(move || {
        let _ = std::io::stdin().read(&mut [0]);
        told.store(true, Ordering::Relaxed);
    });
    if let Some(cpu) = args.cpu {
        pin(cpu)?;
    }
    eprintln!("running");
    let start = Instant::now();
    let mut batch = [FrameDesc::default(); BATCH];
    let (mut packets, mut idle) = (0_u64, 0);
    loop {
        // SAFETY: the descriptors are this socket's.
        let count = unsafe { rx.consume(&mut batch) };
        if count > 0 {
            packets += count as u64;
            idle = 0;
            // SAFETY: the frames were just received and are looked at by nobody.
            while unsafe { fill.produce(&batch[..count]) } == 0 {}
            continue;
        }
        if stop.load(Ordering::Relaxed) {
            break;
        }
        idle += 1;
        if idle > SPINS {
            // SAFETY: one batch of descriptors, as above; poll only sleeps.
            let _ = unsafe { rx.poll_and_consume(&mut batch[..0], 10) };
        }
    }
    xdp.detach(device.index, XdpFlags::DRV_MODE)?;
    report(packets, start.elapsed());
    Ok(())
}
