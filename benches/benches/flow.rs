//! What the flow table costs: finding a flow among few and among many, opening flows beside a million, a flood.
//!
//! No criterion here: tables of gigabytes are filled once and measured in turns, with prefetching and without, so
//! that the ratios are of one run. Prints a figure a line: name, parameters, value, unit, aim, separated by tabs.

use std::fs;
use std::hint::black_box;
use std::time::Duration;

use flow::{EndReason, FlowTable, KeyHash, Segment, StreamEvent, StreamOptions, Streams, Timeouts};
use rustix::time::{ClockId, clock_gettime};
use wire::{IpProto, Nanos, Packet, TcpFlags, TcpHeader, Transport, Vlans};

/// Packets whose flows are asked for before the first is worked on, as a worker does it.
const BATCH: usize = 32;
/// What the engine keeps on a flow takes as much.
type App = [u64; 7];
/// Packets of a turn.
const LOOKUPS: usize = 1 << 21;
/// Turns in which the ways are measured.
const ROUNDS: usize = 5;
const SECOND: u64 = 1_000_000_000;

/// Time that this thread has had on a processor: what others do on the machine does not count.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn figure(name: &str, params: &str, value: f64, unit: &str, aim: &str) {
    println!("{name}\t{params}\t{value:.3}\t{unit}\t{aim}");
}

fn udp(flow: u64, back: bool) -> Packet<'static> {
    let (client, server) = (((flow >> 8) as u32 | 0x0a00_0000).to_be_bytes(), [192, 0, 2, 1]);
    let (there, here) = (20_000 + (flow & 0xff) as u16, 9999);
    let transport = if back {
        Transport::Udp { src_port: here, dst_port: there }
    } else {
        Transport::Udp { src_port: there, dst_port: here }
    };
    packet(IpProto::UDP, transport, if back { (server, client) } else { (client, server) })
}

fn packet(proto: IpProto, transport: Transport, (src, dst): ([u8; 4], [u8; 4])) -> Packet<'static> {
    Packet {
        src: src.into(),
        dst: dst.into(),
        vlans: Vlans::default(),
        proto,
        transport,
        ..Packet::default()
    }
}

/// A number in a sequence that looks random and is the same in every run.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

/// Memory of this process that is in use, in bytes.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0");
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) * 1024
}

/// What is done with a batch.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    /// Nothing: what making the packets costs.
    Bare,
    Plain,
    Prefetching,
}

/// Packets of random flows; nanoseconds a packet.
fn lookups(table: &mut FlowTable<App>, flows: u64, way: Way, seed: &mut u64) -> f64 {
    let start = cpu_time();
    for _ in 0..LOOKUPS / BATCH {
        let packets: [Packet<'_>; BATCH] =
            black_box(std::array::from_fn(|_| udp(random(seed) % flows, true)));
        if way == Way::Bare {
            continue;
        }
        let hashes: [KeyHash; BATCH] = std::array::from_fn(|i| table.hash(&packets[i]));
        if way == Way::Prefetching {
            hashes.iter().for_each(|&hash| table.prefetch_bucket(hash));
            hashes.iter().for_each(|&hash| table.prefetch_flow(hash));
        }
        for (packet, hash) in packets.iter().zip(hashes) {
            let tracked = table.track_hashed(packet, hash, Nanos(2), 60, |_| [0; 7], &mut |_| {});
            assert!(!tracked.is_new);
            table.touch(black_box(tracked.slot));
        }
    }
    (cpu_time() - start).as_nanos() as f64 / LOOKUPS as f64
}

/// A table with established flows in it.
fn filled(flows: u64, capacity: u64) -> FlowTable<App> {
    let mut table = FlowTable::new(capacity as u32, Timeouts::default());
    for back in [false, true] {
        for flow in 0..flows {
            let slot = table.track(&udp(flow, back), Nanos(1), 60, |_| [1; 7], &mut |_| {}).slot;
            table.touch(slot);
        }
    }
    table
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn lookup_and_update() {
    let mut few = [0.0; 2];
    for flows in [1_000, 100_000, 1_000_000, 10_000_000] {
        let before = resident();
        let mut table = filled(flows, flows);
        let params = format!("flows={flows}");
        if flows >= 1_000_000 {
            let bytes = resident().saturating_sub(before) as f64 / flows as f64;
            figure("bytes a flow, resident", &params, bytes, "bytes", "< 257");
        }
        let mut turns = [Vec::new(), Vec::new()];
        let mut seed = 1;
        lookups(&mut table, flows, Way::Plain, &mut seed);
        for _ in 0..ROUNDS {
            let bare = lookups(&mut table, flows, Way::Bare, &mut seed);
            for (way, turns) in [Way::Prefetching, Way::Plain].into_iter().zip(&mut turns) {
                turns.push(lookups(&mut table, flows, way, &mut seed) - bare);
            }
        }
        for (i, (turns, name)) in turns.into_iter().zip(["prefetching", "plain"]).enumerate() {
            let cost = median(turns);
            figure(&format!("lookup and update, {name}"), &params, cost, "ns/packet", "");
            if flows == 1_000 {
                few[i] = cost;
            }
            if flows == 10_000_000 {
                let aim = if name == "prefetching" { "< 2.5" } else { "" };
                figure(&format!("ratio, {name}"), "10,000,000 to 1,000 flows", cost / few[i], "", aim);
            }
        }
    }
}

/// A million new flows a second beside a million established ones: each costs its opening and, once the table is
/// full, the end of another, its record included.
fn new_flows() {
    const LIVE: u64 = 1_000_000;
    const NEW: u64 = 4_000_000;
    let mut table = filled(LIVE, LIVE + LIVE / 5);
    let (mut records, mut state) = (0_u64, 7);
    let start = cpu_time();
    for batch in 0..NEW / BATCH as u64 {
        let now = Nanos(SECOND + batch * BATCH as u64 * 1000);
        let packets: [Packet<'_>; BATCH] =
            std::array::from_fn(|_| udp(LIVE + (random(&mut state) & 0x7f_ffff), false));
        let hashes: [KeyHash; BATCH] = std::array::from_fn(|i| table.hash(&packets[i]));
        hashes.iter().for_each(|&hash| table.prefetch_bucket(hash));
        hashes.iter().for_each(|&hash| table.prefetch_flow(hash));
        let mut ended = |ended: flow::Ended<App>| records += black_box(&ended.record).packets[0];
        for (packet, hash) in packets.iter().zip(hashes) {
            let slot = table.track_hashed(packet, hash, now, 60, |_| [0; 7], &mut ended).slot;
            table.touch(slot);
        }
        table.sweep(now, BATCH, &mut ended);
    }
    let elapsed = cpu_time() - start;
    let counters = table.counters();
    let opened = counters.created - LIVE;
    let cost = elapsed.as_nanos() as f64 / opened as f64;
    figure("a new flow", "1,000,000 live ones, table full", cost, "ns/flow", "< 1000");
    figure(
        "new flows",
        "a second on one core",
        opened as f64 / elapsed.as_secs_f64(),
        "flows/s",
        ">= 1000000",
    );
    let gone = counters.evicted[2] as f64;
    figure("established flows lost", &format!("{opened} new ones, {records} records"), gone, "flows", "< 1");
}

fn segment(flow: u64, back: bool, seq: u32, ack: u32, flags: u8, payload: &[u8]) -> Packet<'_> {
    let (client, server) = ((0x0b00_0000 | flow as u32).to_be_bytes(), [192, 0, 2, 1]);
    let (src_port, dst_port, hosts) =
        if back { (443, 40_000, (server, client)) } else { (40_000, 443, (client, server)) };
    let header = TcpHeader { src_port, dst_port, seq, ack, flags: TcpFlags(flags), window: 1000 };
    Packet { payload, ..packet(IpProto::TCP, Transport::Tcp(header), hosts) }
}

/// A minute of SYNs from random sources, a million a second, against connections that go on.
fn syn_flood() {
    const CAPACITY: u32 = 262_144;
    const CONNECTIONS: u64 = 100_000;
    const SECONDS: u64 = 60;
    const PER_SECOND: u64 = 1_000_000;
    let mut table: FlowTable<App> = FlowTable::new(CAPACITY, Timeouts::default());
    let (mut bytes, mut gaps, mut lost, mut state) = (0_u64, 0_u64, 0_u64, 7);
    let mut pressed = 0_u64;
    let streams = Streams::new(StreamOptions::default());
    let mut see = |table: &mut FlowTable<App>, packet: &Packet<'_>, now: u64| {
        let mut ended = |ended: flow::Ended<App>| {
            lost += u64::from(ended.record.packets[1] > 0);
            pressed += u64::from(ended.record.reason == EndReason::Pressure);
        };
        let tracked = table.track(packet, Nanos(now), 60, |_| [0; 7], &mut ended);
        let segment = Segment::of(packet, tracked.direction, Nanos(now));
        if let (Some(flow), Some(segment)) = (table.get_mut(tracked.slot), segment) {
            flow.tcp.segment(&streams, &segment, &mut |event| match event {
                StreamEvent::Data(_, data) => bytes += data.len() as u64,
                StreamEvent::Gap(..) => gaps += 1,
                StreamEvent::Depth(_) | StreamEvent::Anomaly(..) => {}
            });
        }
        table.touch(tracked.slot);
        (now % 1_000_000 < 1000).then(|| table.sweep(Nanos(now), 4096, &mut ended));
    };
    let both = TcpFlags::SYN | TcpFlags::ACK;
    for flow in 0..CONNECTIONS {
        see(&mut table, &segment(flow, false, 0, 0, TcpFlags::SYN, b""), SECOND);
        see(&mut table, &segment(flow, true, 0, 1, both, b""), SECOND);
        see(&mut table, &segment(flow, false, 1, 1, TcpFlags::ACK, b""), SECOND);
    }
    let start = cpu_time();
    // Each connection sends ten bytes every second and a half.
    let (mut sent, mut next) = (vec![0_u32; CONNECTIONS as usize], 0_u64);
    let mut data = 0_u64;
    for n in 0..SECONDS * PER_SECOND {
        let now = 2 * SECOND + n * SECOND / PER_SECOND;
        let random_source = random(&mut state);
        let mut syn = segment(0, false, random_source as u32, 0, TcpFlags::SYN, b"");
        syn.src = (0x4000_0000 | (random_source as u32 & 0x3fff_ffff)).to_be_bytes().into();
        see(&mut table, &syn, now);
        if n % 15 == 0 {
            let offset = &mut sent[next as usize];
            see(&mut table, &segment(next, false, 1 + *offset, 1, TcpFlags::ACK, &[0x5a; 10]), now);
            *offset += 10;
            data += 10;
            next = (next + 1) % CONNECTIONS;
        }
    }
    let packets = (SECONDS * PER_SECOND) as f64 * (1.0 + 1.0 / 15.0);
    let cost = (cpu_time() - start).as_nanos() as f64 / packets;
    let counters = table.counters();
    let params = "60 s of 1,000,000 SYN/s, 262,144 flows at most";
    figure("SYN flood", params, cost, "ns/packet", "");
    figure("SYN flood, most flows at once", params, counters.active as f64, "flows", "< 262145");
    let kept = 100.0 * (CONNECTIONS - lost.min(CONNECTIONS)) as f64 / CONNECTIONS as f64;
    figure("SYN flood, established flows kept", params, kept, "%", ">= 99");
    figure("SYN flood, stream bytes delivered", params, 100.0 * bytes as f64 / data as f64, "%", ">= 99");
    figure("SYN flood, gaps", params, gaps as f64, "", "< 1");
    let [new, closed, established] = counters.evicted;
    let kinds = format!("new {new}, closed {closed}, established {established}");
    figure("SYN flood, evicted", &kinds, (new + closed + established) as f64, "flows", "");
    figure("SYN flood, ended under pressure", params, pressed as f64, "flows", "");
}

fn main() {
    // cargo test runs benches that have no harness to see whether they work; this one takes a minute.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    lookup_and_update();
    new_flows();
    syn_flood();
}
