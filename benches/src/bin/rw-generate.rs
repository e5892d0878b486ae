//! Sends frames out of a device: from inside the kernel, as fast as one core can or in even steps, or those of a
//! capture file through AF_XDP. Counts what it sent.

use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use capture::Device;
use clap::Parser;
use libbpf_rs::skel::{OpenSkel, SkelBuilder};
use libbpf_rs::{ProgramInput, ProgramMut, Xdp, XdpFlags};
use ringward_benches::replay::{Frames, Pace};
use ringward_benches::{generated, pin, report};

mod skel {
    #![allow(missing_docs, missing_debug_implementations, dead_code, unreachable_pub)]
    #![allow(clippy::all, clippy::pedantic, clippy::undocumented_unsafe_blocks, clippy::unwrap_used)]
    include!(concat!(env!("OUT_DIR"), "/generate.skel.rs"));
}

/// linux/bpf.h: the program's verdict is carried out on real frames.
const BPF_F_TEST_XDP_LIVE_FRAMES: u32 = 1 << 1;
/// Frames per system call when sending at full speed.
const BURST: u32 = 32_768;

/// Sends frames out of a device whose peer is under test.
#[derive(Debug, Parser)]
struct Args {
    /// The device.
    #[arg(long)]
    device: String,
    /// Send for so many seconds at full speed.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Flows to send from.
    #[arg(long, default_value_t = 1024)]
    flows: u32,
    /// Bytes of a frame on the wire, checksum included.
    #[arg(long, default_value_t = 64)]
    size: usize,
    /// Random bytes instead of flows.
    #[arg(long)]
    garbage: bool,
    /// Instead: the frames of this capture over and over, through AF_XDP.
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,
    /// Frames of the capture a second; default: as many as the kernel takes.
    #[arg(long, requires = "pcap")]
    rate: Option<u64>,
    /// Alter addresses in each round of the capture, so that its flows are new.
    #[arg(long, requires = "pcap")]
    renew: bool,
    /// The core to run on.
    #[arg(long)]
    cpu: Option<usize>,
}

/// Sends `frame` so many times.
fn send(program: &ProgramMut<'_>, index: i32, frame: &[u8], times: u32) -> anyhow::Result<()> {
    // struct xdp_md: data, data_end, data_meta, ingress_ifindex, rx_queue_index, egress_ifindex.
    let mut context = [0; 24];
    context[4..8].copy_from_slice(&(frame.len() as u32).to_ne_bytes());
    context[12..16].copy_from_slice(&index.to_ne_bytes());
    let input = ProgramInput {
        context_in: Some(&mut context),
        data_in: Some(frame),
        flags: BPF_F_TEST_XDP_LIVE_FRAMES,
        repeat: times,
        ..ProgramInput::default()
    };
    program.test_run(input).context("BPF_PROG_RUN with live frames")?;
    Ok(())
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    if let Some(cpu) = args.cpu {
        pin(cpu)?;
    }
    capture::log_libbpf();
    let device = Device::open(&args.device)?;
    if let Some(path) = &args.pcap {
        let mut frames = Frames::load(path, &device)?;
        let start = Instant::now();
        let sent =
            frames.send(&device, Pace { rate: args.rate, seconds: args.seconds, renew: args.renew })?;
        let (seconds, left_out) = (start.elapsed().as_secs_f64(), frames.left_out);
        println!("{{\"packets\":{sent},\"seconds\":{seconds:.6},\"left_out\":{left_out}}}");
        return Ok(());
    }
    let mut object = MaybeUninit::uninit();
    let mut open = skel::GenerateSkelBuilder::default().open(&mut object)?;
    let data = open.maps.rodata_data.as_mut().context("the program has constants")?;
    data.flows = args.flows;
    data.garbage = u8::from(args.garbage);
    let skel = open.load()?;
    let program = &skel.progs.rw_generate;
    // veth prepares its receive queues, which the run borrows, only when a program is on the device.
    let xdp = Xdp::new(program.as_fd());
    let attached = xdp.attach(device.index, XdpFlags::DRV_MODE | XdpFlags::UPDATE_IF_NOEXIST).is_ok();
    let start = Instant::now();
    let mut sent = 0;
    let frame = generated(args.size);
    while start.elapsed() < Duration::from_secs(args.seconds) {
        send(program, device.index, &frame, BURST)?;
        sent += u64::from(BURST);
    }
    report(sent, start.elapsed());
    if attached {
        xdp.detach(device.index, XdpFlags::DRV_MODE)?;
    }
    Ok(())
}
