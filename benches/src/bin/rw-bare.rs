//! A bare AF_XDP receive loop: the yardstick for the sensor. Prints what it received when it is told to stop
//! (a line on standard input, or its end).

use std::io::Read;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use capture::{BypassTable, CapturePort, Device, PortOptions, Shared, SingleQueue, Sleeper};
use clap::Parser;
use libbpf_rs::skel::{OpenSkel, SkelBuilder};
use libbpf_rs::{MapCore, MapFlags, Xdp, XdpFlags};
use ringward_benches::{pin, report};

mod skel {
    #![allow(missing_docs, missing_debug_implementations, dead_code, unreachable_pub)]
    #![allow(clippy::all, clippy::pedantic, clippy::undocumented_unsafe_blocks, clippy::unwrap_used)]
    include!(concat!(env!("OUT_DIR"), "/bare.skel.rs"));
}

const RING: u32 = 2048;
/// Empty rounds before the loop sleeps in poll(2), as the sensor's workers do.
const SPINS: u32 = 200;

/// Receives from the queues of a device, a thread each, and does nothing with it.
#[derive(Debug, Parser)]
struct Args {
    /// The device.
    #[arg(long)]
    device: String,
    /// The cores to run on, one a queue.
    #[arg(long, value_delimiter = ',', default_value = "0")]
    cpus: Vec<usize>,
    /// Behind the sensor's own program instead of one that looks at nothing: what is compared then is the work of
    /// the workers.
    #[arg(long)]
    steered: bool,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let device = Device::open(&args.device)?;
    if args.steered {
        return steered(device, &args.cpus);
    }
    let mut object = MaybeUninit::uninit();
    let skel = skel::BareSkelBuilder::default().open(&mut object)?.load()?;
    let stop = Arc::new(AtomicBool::new(false));
    let packets = Arc::new(AtomicU64::new(0));
    let mut threads = Vec::new();
    for (queue, &cpu) in (0..device.rx_queues).zip(args.cpus.iter().cycle()) {
        let socket = SingleQueue::open(&device, queue, RING)?;
        let fd = socket.fd().as_raw_fd();
        skel.maps.sockets.update(&queue.to_ne_bytes(), &fd.to_ne_bytes(), MapFlags::ANY)?;
        let (stop, packets) = (stop.clone(), packets.clone());
        threads.push(thread::spawn(move || receive(socket, cpu, &stop, &packets)));
    }
    let xdp = Xdp::new(skel.progs.rw_bare.as_fd());
    xdp.attach(device.index, XdpFlags::DRV_MODE | XdpFlags::UPDATE_IF_NOEXIST)?;
    let start = wait(&stop);
    for thread in threads {
        let _ = thread.join();
    }
    xdp.detach(device.index, XdpFlags::DRV_MODE)?;
    report(packets.load(Ordering::Relaxed), start.elapsed());
    Ok(())
}

/// Waits until told to stop, and tells the threads; when the wait began.
fn wait(stop: &AtomicBool) -> Instant {
    eprintln!("running");
    let start = Instant::now();
    let _ = std::io::stdin().read(&mut [0]);
    stop.store(true, Ordering::Relaxed);
    start
}

/// The same with a capture port: a worker for each core, which does nothing with its frames.
fn steered(device: Device, cpus: &[usize]) -> anyhow::Result<()> {
    let bypass = BypassTable::new(1)?;
    let options = PortOptions { workers: cpus.len() as u32, rx_ring: RING, ..PortOptions::default() };
    let shared = Shared { bypass: &bypass, isolation: None };
    let (port, receivers) = CapturePort::open(&[device], options, shared)?;
    let stop = Arc::new(AtomicBool::new(false));
    let packets = Arc::new(AtomicU64::new(0));
    let mut threads = Vec::new();
    for (mut receiver, &cpu) in receivers.into_iter().zip(cpus) {
        let sleeper = Sleeper::new()?;
        sleeper.add(&receiver)?;
        let (stop, packets) = (stop.clone(), packets.clone());
        threads.push(thread::spawn(move || {
            let (mut received, mut idle) = (0, 0);
            let _ = pin(cpu);
            loop {
                match receiver.receive(|_| {}) as u64 {
                    0 if stop.load(Ordering::Relaxed) => break,
                    0 => {
                        idle += 1;
                        if idle > SPINS && receiver.settle() {
                            let _ = sleeper.sleep(Duration::from_millis(10));
                        }
                    }
                    count => (received, idle) = (received + count, 0),
                }
            }
            packets.fetch_add(received, Ordering::Relaxed);
        }));
    }
    let start = wait(&stop);
    port.release()?;
    for thread in threads {
        let _ = thread.join();
    }
    report(packets.load(Ordering::Relaxed), start.elapsed());
    Ok(())
}

fn receive(mut socket: SingleQueue, cpu: usize, stop: &AtomicBool, packets: &AtomicU64) {
    if let Err(err) = pin(cpu) {
        eprintln!("not pinned to CPU {cpu}: {err}");
    }
    let (mut received, mut idle) = (0_u64, 0);
    loop {
        match socket.discard() as u64 {
            0 if stop.load(Ordering::Relaxed) => break,
            0 => {
                idle += 1;
                if idle > SPINS && socket.wait(Duration::from_millis(10)).is_err() {
                    break;
                }
            }
            count => {
                received += count;
                idle = 0;
            }
        }
    }
    packets.fetch_add(received, Ordering::Relaxed);
}
