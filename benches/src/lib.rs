//! What the benches share: frames to work on, a clock, a core to run on.

pub mod replay;

use std::net::Ipv4Addr;
use std::ops::Range;
use std::time::Duration;

use etherparse::PacketBuilder;
use rustix::thread::{CpuSet, sched_setaffinity};

/// The generator's first host; bpf/generate.bpf.c counts from here.
pub const GENERATOR: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 0);
/// Source ports of each of its hosts.
pub const FLOW_PORTS: Range<u16> = 20_000..20_016;
/// Where its frames go.
pub const SINK: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// And to which port.
pub const SINK_PORT: u16 = 9999;

/// A UDP frame of the generator, of so many bytes on the wire: 4 more than it has here, because hardware adds the
/// checksum.
#[must_use]
pub fn generated(wire_bytes: usize) -> Vec<u8> {
    let payload = vec![0; wire_bytes.saturating_sub(14 + 20 + 8 + 4)];
    udp(GENERATOR.octets(), FLOW_PORTS.start, SINK.octets(), SINK_PORT, &payload)
}

/// A UDP frame.
#[must_use]
pub fn udp(src: [u8; 4], src_port: u16, dst: [u8; 4], dst_port: u16, payload: &[u8]) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4(src, dst, 64).udp(src_port, dst_port);
    let mut frame = Vec::new();
    // Writing to a vector cannot fail.
    let _ = builder.write(&mut frame, payload);
    frame
}

/// A DNS query for the A record of `name`.
#[must_use]
pub fn dns_query(name: &str) -> Vec<u8> {
    let mut query = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        query.push(label.len().min(63) as u8);
        query.extend(label.bytes().take(63));
    }
    query.extend([0, 0, 1, 0, 1]);
    query
}

/// Pins this thread.
///
/// # Errors
/// What the kernel said.
pub fn pin(cpu: usize) -> std::io::Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu);
    Ok(sched_setaffinity(None, &set)?)
}

/// A line of JSON with what was counted.
pub fn report(packets: u64, time: Duration) {
    println!("{{\"packets\":{packets},\"seconds\":{:.6}}}", time.as_secs_f64());
}
