//! In steady state no packet costs an allocation: counted by an allocator (dhat) over the whole way of a frame, from
//! the receive ring through decode, flow and detection and back to the fill ring. The part with rings needs root.

#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

use std::fs::File;
use std::os::fd::AsFd;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use capture::{BATCH, BypassTable, CapturePort, Device, PortOptions, Shared, SingleQueue};
use engine::{Input, Snapshot, Worker, WorkerCounters, WorkerOptions};
use etherparse::PacketBuilder;
use flow::defrag::DefragOptions;
use flow::{Pressure, StreamOptions, Timeouts};
use intel::Loader;
use output::Source;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use wire::{LinkType, Nanos};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

const FLOWS: u16 = 256;
const ROUNDS: u64 = 200;
/// Frames in a burst: they must fit into the rings.
const BURST: usize = 128;
const PATIENCE: Duration = Duration::from_secs(5);

fn main() {
    let _profiler = dhat::Profiler::builder().testing().build();
    let frames: Vec<Vec<u8>> = (0..FLOWS).flat_map(|n| [udp(n), tcp(n)]).collect();
    let packets = worker_alone(&frames);
    println!("test worker_alone ... ok: 0 allocations in {packets} packets");
    if rustix::process::geteuid().is_root() {
        let packets = with_rings(&frames);
        println!("test with_rings ... ok: 0 allocations in {packets} packets");
    } else {
        eprintln!("SKIPPED: allocations of the rings need root");
    }
}

fn udp(flow: u16) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2([2; 6], [4; 6])
        .ipv4([10, 5, 0, flow as u8], [10, 6, 0, 1], 64)
        .udp(20_000 + flow, 9999);
    let mut frame = Vec::new();
    builder.write(&mut frame, &[0x5a; 64]).unwrap();
    frame
}

/// A segment of a connection that nothing else is known of.
fn tcp(flow: u16) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2([2; 6], [4; 6])
        .ipv4([10, 5, 1, flow as u8], [10, 6, 0, 1], 64)
        .tcp(30_000 + flow, 443, 1000, 4096);
    let mut frame = Vec::new();
    builder.write(&mut frame, &[]).unwrap();
    frame
}

fn worker() -> Worker {
    let mut loader = Loader::new();
    loader.text("test", "bad.example\n").unwrap();
    let options = WorkerOptions {
        max_flows: 4096,
        timeouts: Timeouts::default(),
        streams: StreamOptions::default(),
        pressure: Pressure::default(),
        interim: Duration::ZERO,
        tunnels: false,
        defrag: DefragOptions::default(),
        lookback: 1 << 20,
        files: engine::FileOptions::default(),
        evidence_limit: 1 << 20,
        rule_windows: detect::rules::WINDOW_MEMORY,
        evidence_severity: alert::Severity::High,
        shown: output::Shown::default(),
        clock: None,
    };
    let snapshot = Snapshot::new(loader.finish().0);
    Worker::new(&options, &snapshot, Arc::new(WorkerCounters::default()))
}

/// A frame as the `n`th of all.
fn input<'a>(frame: &'a [u8], n: u64, source: &'a Source) -> Input<'a> {
    Input {
        bytes: frame,
        link: LinkType::Ethernet,
        time: Nanos(1_000_000 + n * 1000),
        arrival: None,
        wire_len: frame.len() as u32,
        steered: None,
        ordinal: None,
        position: n * 256,
        source,
        merged: None,
    }
}

/// Gives a batch of frames to the worker, the first of them the `n`th of all.
fn process<'a>(worker: &mut Worker, frames: impl Iterator<Item = &'a [u8]>, n: u64, source: &'a Source) {
    let mut inputs = [input(&[], n, source); BATCH];
    let mut count = 0;
    for (frame, place) in frames.zip(&mut inputs) {
        *place = input(frame, n + count as u64, source);
        count += 1;
    }
    worker.batch(&inputs[..count], &mut |_, _, event| panic!("nothing is to be told: {event:?}"));
}

/// Allocations while `work` runs.
fn allocations(work: impl FnOnce()) -> u64 {
    let before = dhat::HeapStats::get().total_blocks;
    work();
    dhat::HeapStats::get().total_blocks - before
}

fn worker_alone(frames: &[Vec<u8>]) -> u64 {
    let source = Source::Interface(Arc::from("test"));
    let mut worker = worker();
    let mut n = 0;
    let mut round = |worker: &mut Worker| {
        for batch in frames.chunks(BATCH) {
            process(worker, batch.iter().map(Vec::as_slice), n, &source);
            n += batch.len() as u64;
        }
    };
    // The first packets open the flows.
    round(&mut worker);
    let count = allocations(|| (0..ROUNDS).for_each(|_| round(&mut worker)));
    assert_eq!(count, 0, "allocations in {} packets", ROUNDS * frames.len() as u64);
    ROUNDS * frames.len() as u64
}

fn ip(args: &str) {
    let done = Command::new("ip").args(args.split_whitespace()).status().unwrap();
    assert!(done.success(), "ip {args}");
}

/// A network namespace with a veth pair, for as long as this lives.
struct Lab(String);

impl Lab {
    fn new() -> Self {
        let lab = Lab(format!("rwalloc{}", std::process::id()));
        let ns = &lab.0;
        ip(&format!("netns add {ns}"));
        // Nothing but our frames.
        ip(&format!("netns exec {ns} sysctl -qw net.ipv6.conf.default.disable_ipv6=1"));
        ip(&format!("-n {ns} link add gen type veth peer name dut"));
        for end in ["gen", "dut"] {
            ip(&format!("-n {ns} link set {end} up"));
        }
        let ns = File::open(format!("/run/netns/{ns}")).unwrap();
        move_into_link_name_space(ns.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
        lab
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        ip(&format!("netns del {}", self.0));
    }
}

fn with_rings(frames: &[Vec<u8>]) -> u64 {
    let _lab = Lab::new();
    let bypass = BypassTable::new(16).unwrap();
    let options = PortOptions { rx_ring: 1024, ..PortOptions::default() };
    let shared = Shared { bypass: &bypass, isolation: None };
    let dut = Device::open("dut").unwrap();
    let (port, mut receivers) = CapturePort::open(&[dut], options, shared).unwrap();
    let mut generator = SingleQueue::open(&Device::open("gen").unwrap(), 0, 1024).unwrap();
    let source = Source::Interface(Arc::from("dut"));
    let mut worker = worker();
    let (mut n, mut sent, mut count, mut measured) = (0, 0, 0, 0);
    for round in 0..ROUNDS {
        for burst in frames.chunks(BURST) {
            burst.iter().for_each(|frame| assert!(generator.queue(frame)));
            while !generator.flush().unwrap() {}
            let receiver = &mut receivers[0];
            let blocks = allocations(|| {
                // The kernel hands a burst over when it likes.
                let end = Instant::now() + PATIENCE;
                sent += burst.len() as u64;
                while n < sent && Instant::now() < end {
                    receiver.receive(|frames| {
                        process(&mut worker, frames.iter().map(|frame| frame.bytes), n, &source);
                        n += frames.len() as u64;
                    });
                }
            });
            // The first round opens the flows.
            if round > 0 {
                count += blocks;
                measured = n;
            }
        }
    }
    port.release().unwrap();
    assert!(n >= ROUNDS * frames.len() as u64, "only {n} frames came");
    assert_eq!(count, 0, "allocations in {measured} packets");
    measured
}
