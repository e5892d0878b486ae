//! Hosts that look a listed name up, one after the other, and go on sending through a guard port: how soon they are cut
//! off is then known of each.

use std::collections::VecDeque;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use capture::{Device, SingleQueue};
use clap::Parser;
use ringward_benches::{dns_query, pin, report, udp};

/// Frames that wait to be sent at most.
const RING: u32 = 64;
/// A host goes on sending until so many more have looked the name up.
const LIVE: usize = 4;
/// The first host; bits are left for 131,072.
const FIRST: u32 = 0x0a02_0000;

/// Hosts that look up a listed name and go on sending.
#[derive(Debug, Parser)]
struct Args {
    /// The device by which they look the name up; its peer is a capture port.
    #[arg(long)]
    device: String,
    /// The device by which they go on sending; its peer is a guard port.
    #[arg(long)]
    guarded: String,
    /// The name.
    #[arg(long)]
    name: String,
    /// Hosts (10.2.0.0/15).
    #[arg(long)]
    hosts: u32,
    /// Microseconds from one host to the next.
    #[arg(long, default_value_t = 1000)]
    interval: u64,
    /// Microseconds between two packets of a host.
    #[arg(long, default_value_t = 25)]
    pause: u64,
    /// The core to run on.
    #[arg(long)]
    cpu: Option<usize>,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    if let Some(cpu) = args.cpu {
        pin(cpu)?;
    }
    // Hosts send whatever else this machine does.
    capture::run_first().context("sending in time")?;
    let open = |name: &str| -> anyhow::Result<_> { Ok(SingleQueue::open(&Device::open(name)?, 0, RING)?) };
    let (mut wire, mut guarded) = (open(&args.device)?, open(&args.guarded)?);
    let query = dns_query(&args.name);
    let (interval, pause) = (Duration::from_micros(args.interval), Duration::from_micros(args.pause));
    let mut live: VecDeque<Vec<u8>> = VecDeque::new();
    let start = Instant::now();
    for host in 0..args.hosts {
        let address = (FIRST + host).to_be_bytes();
        send(&mut wire, &[udp(address, 40_000, [192, 0, 2, 53], 53, &query)])?;
        if live.len() == LIVE {
            live.pop_front();
        }
        live.push_back(udp(address, 40_001, [192, 0, 2, 9], 9, &[0; 18]));
        let next = start + interval * (host + 1);
        while Instant::now() < next {
            let began = Instant::now();
            send(&mut guarded, live.make_contiguous())?;
            let pause = (began + pause).min(next).saturating_duration_since(Instant::now());
            thread::sleep(pause);
        }
    }
    report(args.hosts.into(), start.elapsed());
    Ok(())
}

fn send(socket: &mut SingleQueue, frames: &[Vec<u8>]) -> anyhow::Result<()> {
    for frame in frames {
        while !socket.queue(frame) {
            socket.flush()?;
        }
    }
    socket.flush()?;
    Ok(())
}
