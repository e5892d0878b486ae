//! What an XDP program costs: nanoseconds a packet by the kernel's own account (bpf_stats), while rw-generate sends.
//! Prints what was counted when it is told to stop (a line on standard input, or its end).

use std::io::Read;
use std::mem::MaybeUninit;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::Context;
use capture::{
    BypassReason, BypassTable, CapturePort, Device, Guard, IsolationMap, PinFolder, PortOptions, Shared,
    XdpMode,
};
use clap::{Parser, ValueEnum};
use libbpf_rs::query::ProgInfoIter;
use libbpf_rs::skel::{OpenSkel, SkelBuilder};
use libbpf_rs::{Xdp, XdpFlags};
use ringward_benches::{FLOW_PORTS, GENERATOR, SINK, SINK_PORT, pin};
use wire::{Endpoint, FlowKey, IpProto, Scope, Target, Vlans};

mod skel {
    #![allow(missing_docs, missing_debug_implementations, dead_code, unreachable_pub)]
    #![allow(clippy::all, clippy::pedantic, clippy::undocumented_unsafe_blocks, clippy::unwrap_used)]
    include!(concat!(env!("OUT_DIR"), "/empty.skel.rs"));
}

/// Runs one program on a device.
#[derive(Debug, Parser)]
struct Args {
    /// The device.
    #[arg(long)]
    device: String,
    /// The program.
    #[arg(long, value_enum)]
    program: Which,
    /// Guard: so many hosts are isolated.
    #[arg(long, default_value_t = 0)]
    hosts: u32,
    /// Guard: the generator's hosts are among them.
    #[arg(long)]
    hit: bool,
    /// Flows of the generator.
    #[arg(long, default_value_t = 1024)]
    flows: u32,
    /// Steer: tunnels are opened.
    #[arg(long)]
    tunnels: bool,
    /// A folder for pins, on a bpffs.
    #[arg(long)]
    pins: PathBuf,
    /// The core of the worker that takes steered frames.
    #[arg(long, default_value_t = 0)]
    cpu: usize,
}

/// A program to be measured.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Which {
    /// Drops everything without a look: the yardstick.
    Empty,
    /// Drops what isolated hosts send.
    Guard,
    /// Sends every frame to a worker.
    Steer,
    /// Counts the frames of bypassed flows.
    Bypass,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let device = Device::open(&args.device)?;
    // SAFETY: the call returns a descriptor that is ours, or an error.
    let counting =
        unsafe { libbpf_rs::libbpf_sys::bpf_enable_stats(libbpf_rs::libbpf_sys::BPF_STATS_RUN_TIME) };
    anyhow::ensure!(counting >= 0, "the kernel does not count the time of programs");
    // SAFETY: as above; nobody else has it.
    let _counting = unsafe { OwnedFd::from_raw_fd(counting) };
    match args.program {
        Which::Empty => {
            let mut object = MaybeUninit::uninit();
            let skel = skel::EmptySkelBuilder::default().open(&mut object)?.load()?;
            let xdp = Xdp::new(skel.progs.rw_empty.as_fd());
            xdp.attach(device.index, XdpFlags::DRV_MODE | XdpFlags::UPDATE_IF_NOEXIST)?;
            measure("rw_empty")?;
            xdp.detach(device.index, XdpFlags::DRV_MODE)?;
        }
        Which::Guard => {
            let pins = PinFolder::open(&args.pins)?;
            let map = IsolationMap::open(&pins, args.hosts.max(1))?;
            let first = u32::from(GENERATOR) + if args.hit { 0 } else { 1 << 24 };
            for host in 0..args.hosts {
                let set = map.set(Target::host(Ipv4Addr::from(first + host).into()), &Scope::Both, u64::MAX);
                set.map_err(|err| anyhow::anyhow!("{err}"))?;
            }
            let guard = Guard::load(&map)?;
            let port = guard.attach(&device, XdpMode::Native)?;
            measure("rw_guard")?;
            guard.detach(&[port])?;
            drop(map);
            IsolationMap::unpin_if_idle(&pins, u64::MAX)?;
        }
        Which::Steer | Which::Bypass => {
            let bypass = BypassTable::new(args.flows)?;
            if matches!(args.program, Which::Bypass) {
                bypass_all(&bypass, args.flows)?;
            }
            let options = PortOptions { tunnels: args.tunnels, ..PortOptions::default() };
            let shared = Shared { bypass: &bypass, isolation: None };
            let (port, mut receivers) = CapturePort::open(&[device], options, shared)?;
            let stop = Arc::new(AtomicBool::new(false));
            let told = stop.clone();
            let worker = thread::spawn(move || {
                let pinned = pin(args.cpu);
                while !told.load(Ordering::Relaxed) {
                    receivers.iter_mut().for_each(|receiver| {
                        receiver.receive(|_| {});
                    });
                }
                pinned
            });
            measure("rw_capture")?;
            port.release()?;
            stop.store(true, Ordering::Relaxed);
            worker.join().ok().context("the worker died")??;
        }
    }
    Ok(())
}

/// Every flow of the generator is bypassed.
fn bypass_all(table: &BypassTable, flows: u32) -> anyhow::Result<()> {
    for flow in 0..flows {
        let source = Ipv4Addr::from(u32::from(GENERATOR) + flow / FLOW_PORTS.len() as u32);
        let port = FLOW_PORTS.start + (flow % FLOW_PORTS.len() as u32) as u16;
        let source = Endpoint { ip: source.into(), port };
        let sink = Endpoint { ip: SINK.into(), port: SINK_PORT };
        let key = FlowKey::new(source, sink, IpProto::UDP, Vlans::default()).0;
        let slot = table.reserve().context("the table is full")?;
        table.insert(&key, slot, BypassReason::Inspected)?;
    }
    Ok(())
}

/// Waits until told to stop, and prints what the kernel counted of the program meanwhile.
fn measure(name: &str) -> anyhow::Result<()> {
    let read = || {
        let named = ProgInfoIter::default().filter(|p| p.name.to_bytes() == name.as_bytes());
        named.max_by_key(|p| p.id).map(|p| (p.run_time_ns, p.run_cnt)).context("the program is gone")
    };
    let before = read()?;
    eprintln!("running");
    let _ = std::io::stdin().read(&mut [0]);
    let after = read()?;
    println!("{{\"runs\":{},\"ns\":{}}}", after.1 - before.1, after.0 - before.0);
    Ok(())
}
