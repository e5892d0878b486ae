//! Captures to transactions, the short way: streams in the order of their sequence numbers, as they come.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use capture::CaptureFile;
use flow::FlowTuple;
use proto::{AppLayer, Chunk, Keep, Sink, Transaction};
use wire::{Decoded, Direction, FlowKey, IpProto, Nanos, TcpFlags, Transport};

/// Bytes of each payload that are kept.
pub const KEPT: usize = 64 * 1024;

/// What shows each transaction to what it has: early, and when it is complete.
pub struct Shown<F>(pub F);

impl<F: FnMut(&Transaction, bool)> Sink for Shown<F> {
    fn keep(&self) -> Keep {
        Keep { payloads: KEPT, ..Keep::default() }
    }

    fn inspect(&mut self, transaction: &Transaction) {
        (self.0)(transaction, false);
    }

    fn pass(&mut self, transaction: &Transaction) {
        (self.0)(transaction, true);
    }

    fn log(&mut self, transaction: Transaction) {
        (self.0)(&transaction, true);
    }
}

struct Flow {
    tuple: FlowTuple,
    layer: AppLayer,
    next: [Option<u32>; 2],
}

impl Flow {
    fn segment(&mut self, direction: Direction, seq: u32, bytes: &[u8], time: Nanos, sink: &mut dyn Sink) {
        let next = &mut self.next[direction.index()];
        let ahead = seq.wrapping_sub(next.unwrap_or(seq)) as i32;
        let bytes = match ahead {
            ..0 => bytes.get(ahead.unsigned_abs() as usize..).unwrap_or_default(),
            0 => bytes,
            1.. => {
                self.layer.gap(&self.tuple, direction, u64::from(ahead.unsigned_abs()), sink);
                bytes
            }
        };
        if !bytes.is_empty() {
            *next = Some(next.unwrap_or(seq).wrapping_add(ahead.max(0) as u32 + bytes.len() as u32));
            self.layer.data(&self.tuple, Chunk { direction, bytes, time }, sink);
        }
    }
}

/// Shows every transaction of a capture with its flow.
pub fn replay(path: &Path, mut show: impl FnMut(&FlowTuple, &Transaction, bool)) {
    let mut flows: HashMap<FlowKey, Flow> = HashMap::new();
    let read = CaptureFile::open(path).and_then(|capture| {
        capture.read(|record| {
            let Ok(link) = record.link else { return };
            let Ok(Decoded::Ip(packet)) = wire::decode(link, record.bytes) else { return };
            if packet.fragment {
                return;
            }
            let (key, _) = packet.flow_key();
            let (src, dst) = (packet.source(), packet.destination());
            let flow = flows.entry(key).or_insert_with(|| {
                let answer = matches!(packet.transport, Transport::Tcp(tcp)
                    if tcp.flags.any(TcpFlags::SYN) && tcp.flags.any(TcpFlags::ACK));
                let (client, server) = if answer { (dst, src) } else { (src, dst) };
                let tuple = FlowTuple {
                    id: 0,
                    client,
                    server,
                    proto: packet.proto,
                    vlans: packet.vlans,
                    start: record.time,
                };
                Flow { tuple, layer: AppLayer::new(&tuple), next: [None; 2] }
            });
            let direction = if src == flow.tuple.client { Direction::ToServer } else { Direction::ToClient };
            let tuple = flow.tuple;
            let mut sink = Shown(|tx: &Transaction, done| show(&tuple, tx, done));
            match packet.transport {
                Transport::Tcp(tcp) if tcp.flags.any(TcpFlags::SYN) => {
                    flow.next[direction.index()] = Some(tcp.seq.wrapping_add(1));
                }
                Transport::Tcp(tcp) if !packet.payload.is_empty() => {
                    flow.segment(direction, tcp.seq, packet.payload, record.time, &mut sink);
                }
                Transport::Udp { .. } if flow.tuple.proto == IpProto::UDP => {
                    let chunk = Chunk { direction, bytes: packet.payload, time: record.time };
                    flow.layer.datagram(&flow.tuple, chunk, &mut sink);
                }
                _ => {}
            }
        })
    });
    // Damaged captures are shown as far as they go.
    drop(read);
    for flow in flows.values_mut() {
        let tuple = flow.tuple;
        flow.layer.close(&mut Shown(|tx: &Transaction, done| show(&tuple, tx, done)));
    }
}

/// Every capture below a folder.
pub fn captures(folder: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            captures(&path, found);
        } else if path.extension().is_some_and(|e| e == "pcap" || e == "pcapng" || e == "cap") {
            found.push(path);
        }
    }
}
