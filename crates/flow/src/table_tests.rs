use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;
use wire::{IpProto, TcpFlags, TcpHeader, Vlans};

use super::*;
use crate::record::FlowState;
use crate::tcp::{Segment, StreamOptions, Streams};

const SECOND: u64 = 1_000_000_000;
/// The wheel's.
const TICK: u64 = 1 << 30;

fn udp(src: u16, dst: u16) -> Packet<'static> {
    packet(IpProto::UDP, Transport::Udp { src_port: src, dst_port: dst }, (1, 2))
}

/// A segment from 10.0.0.`hosts.0` to 10.0.0.`hosts.1`.
fn tcp(hosts: (u8, u8), ports: (u16, u16), seq: u32, flags: u8) -> Packet<'static> {
    let flags = TcpFlags(flags);
    let header = TcpHeader { src_port: ports.0, dst_port: ports.1, seq, ack: 0, flags, window: 1000 };
    packet(IpProto::TCP, Transport::Tcp(header), hosts)
}

fn packet(proto: IpProto, transport: Transport, hosts: (u8, u8)) -> Packet<'static> {
    Packet {
        src: [10, 0, 0, hosts.0].into(),
        dst: [10, 0, 0, hosts.1].into(),
        vlans: Vlans::default(),
        proto,
        transport,
        payload: b"",
        ..Packet::default()
    }
}

/// A table and the records of the flows that left it.
struct Desk {
    table: FlowTable<u32>,
    streams: Streams,
    ended: Vec<FlowRecord>,
}

impl Desk {
    fn new(capacity: u32) -> Self {
        let streams = Streams::new(StreamOptions::default());
        Desk { table: FlowTable::new(capacity, Timeouts::default()), streams, ended: Vec::new() }
    }

    fn see(&mut self, packet: &Packet<'_>, at: u64) -> Tracked {
        let ended = &mut self.ended;
        let tracked = self.table.track(packet, Nanos(at), 60, |_| 0, &mut |e| ended.push(e.record));
        if let Some(segment) = Segment::of(packet, tracked.direction, Nanos(at)) {
            let flow = self.table.get_mut(tracked.slot).unwrap();
            flow.tcp.segment(&self.streams, &segment, &mut |_| {});
        }
        self.table.touch(tracked.slot);
        tracked
    }

    fn expire(&mut self, at: u64) {
        let ended = &mut self.ended;
        self.table.expire(Nanos(at), &mut |e| ended.push(e.record));
    }

    fn drain(&mut self) {
        let ended = &mut self.ended;
        self.table.drain(&mut |e| ended.push(e.record));
    }
}

#[test]
fn both_directions_are_one_flow() {
    let mut desk = Desk::new(10);
    assert_eq!(desk.see(&udp(5000, 53), 1).direction, Direction::ToServer);
    let mut back = udp(53, 5000);
    (back.src, back.dst) = (back.dst, back.src);
    let answer = desk.see(&back, 2);
    assert_eq!((answer.direction, answer.is_new), (Direction::ToClient, false));
    desk.drain();
    assert_eq!((desk.ended[0].packets, desk.ended[0].bytes), ([1, 1], [60, 60]));
    assert_eq!(desk.ended[0].state, FlowState::Established);
    assert_eq!(desk.ended[0].reason, EndReason::Shutdown);
}

#[test]
fn a_capture_that_begins_with_an_answer_knows_the_client() {
    let mut desk = Desk::new(10);
    assert_eq!(desk.see(&udp(53, 5000), 1).direction, Direction::ToClient);
    let syn_ack = tcp((9, 8), (7000, 6000), 1, TcpFlags::SYN | TcpFlags::ACK);
    assert_eq!(desk.see(&syn_ack, 1).direction, Direction::ToClient);
    // The SYN decides, whatever the ports.
    assert_eq!(desk.see(&tcp((3, 4), (80, 6000), 1, TcpFlags::SYN), 1).direction, Direction::ToServer);
}

#[test]
fn an_endpoint_that_talks_to_itself_has_one_direction() {
    let mut desk = Desk::new(10);
    let mut land = udp(7, 7);
    land.dst = land.src;
    desk.see(&land, 1);
    assert_eq!(desk.see(&land, 2).direction, Direction::ToServer);
}

#[test]
fn silence_ends_a_flow_by_its_state() {
    let mut desk = Desk::new(10);
    let timeout = Timeouts::default().udp.new.as_nanos() as u64;
    desk.see(&udp(1, 2), 0);
    desk.expire(timeout);
    assert!(desk.ended.is_empty(), "not before the time is over");
    desk.expire(timeout + TICK);
    assert_eq!(desk.ended[0].reason, EndReason::Timeout);
    assert_eq!(desk.table.counters(), FlowCounters { created: 1, expired: 1, ..FlowCounters::default() });
}

#[test]
fn a_packet_after_the_timeout_opens_a_new_flow_though_nobody_swept() {
    let mut desk = Desk::new(10);
    desk.see(&udp(1, 2), 0);
    assert!(!desk.see(&udp(1, 2), 29 * SECOND).is_new);
    assert!(desk.see(&udp(1, 2), 60 * SECOND).is_new);
    assert_eq!((desk.ended.len(), desk.ended[0].end), (1, Nanos(29 * SECOND)));
}

#[test]
fn a_new_connection_on_old_ports_is_a_new_flow() {
    let mut desk = Desk::new(10);
    desk.see(&tcp((1, 2), (5000, 80), 100, TcpFlags::SYN), 0);
    desk.see(&tcp((2, 1), (80, 5000), 500, TcpFlags::SYN | TcpFlags::ACK), 1);
    desk.see(&tcp((1, 2), (5000, 80), 101, TcpFlags::RST), 2);
    // The same SYN again is a retransmission; another number is another connection.
    assert!(desk.see(&tcp((1, 2), (5000, 80), 9999, TcpFlags::SYN), 3).is_new);
    assert_eq!(desk.ended[0].reason, EndReason::Reuse);
    assert_eq!(desk.ended[0].packets, [2, 1]);
}

#[test]
fn a_retransmitted_syn_is_no_new_flow() {
    let mut desk = Desk::new(10);
    desk.see(&tcp((1, 2), (5000, 80), 100, TcpFlags::SYN), 0);
    assert!(!desk.see(&tcp((1, 2), (5000, 80), 100, TcpFlags::SYN), 1).is_new);
}

#[test]
fn a_flood_of_unanswered_flows_pushes_out_its_own_kind() {
    let mut desk = Desk::new(100);
    desk.see(&tcp((1, 2), (5000, 80), 100, TcpFlags::SYN), 0);
    desk.see(&tcp((2, 1), (80, 5000), 500, TcpFlags::SYN | TcpFlags::ACK), 1);
    desk.see(&tcp((1, 2), (5000, 80), 101, TcpFlags::ACK), 2);
    for i in 0..1000 {
        desk.see(&tcp((3, 2), (10_000 + i, 80), 1, TcpFlags::SYN), 10 + u64::from(i));
    }
    assert!(!desk.see(&tcp((1, 2), (5000, 80), 101, TcpFlags::ACK), 2000).is_new, "it was established");
    assert!(desk.ended.iter().all(|r| r.reason == EndReason::Evicted && r.state == FlowState::New));
    assert_eq!(
        desk.table.counters(),
        FlowCounters { created: 1001, evicted: [901, 0, 0], active: 100, ..FlowCounters::default() }
    );
    // The ones that were silent longest went first.
    assert!(desk.ended.windows(2).all(|w| w[0].end <= w[1].end));
}

#[test]
fn ids_are_the_same_in_every_run() {
    let run = || {
        let mut desk = Desk::new(10);
        desk.see(&udp(5000, 53), 7);
        desk.drain();
        desk.ended[0].tuple.id
    };
    assert_eq!(run(), run());
}

proptest! {
    /// Against a map that is scanned: the same packets belong together, nothing is counted twice or lost.
    #[test]
    fn a_simple_model_agrees(
        steps in proptest::collection::vec((0..6_u16, any::<bool>(), 0..40_u64), 1..300),
        capacity in 1..8_u32,
    ) {
        let mut desk = Desk::new(capacity);
        let mut model: HashMap<u16, (u64, [u64; 2])> = HashMap::new();
        let (mut now, mut sent) = (0, 0);
        for (port, back, pause) in steps {
            now += pause * SECOND;
            let mut packet = udp(5000 + port, 4000);
            if back {
                packet = udp(4000, 5000 + port);
                (packet.src, packet.dst) = (packet.dst, packet.src);
            }
            let before = desk.ended.len();
            let tracked = desk.see(&packet, now);
            sent += 1;
            let known = model.get(&port).is_some_and(|&(last, packets)| {
                let both = packets[0] > 0 && packets[1] > 0;
                let limit = if both { Timeouts::default().udp.established } else { Timeouts::default().udp.new };
                Duration::from_nanos(now - last) <= limit
            });
            let evicted = desk.ended[before..].iter().filter(|r| r.reason == EndReason::Evicted);
            for record in evicted {
                let ports = [record.tuple.client.port, record.tuple.server.port];
                model.remove(&(ports.into_iter().find(|&p| p >= 5000).unwrap() - 5000));
            }
            prop_assert_eq!(tracked.is_new, !known);
            let entry = model.entry(port).or_default();
            if tracked.is_new {
                *entry = (now, [0; 2]);
            }
            entry.0 = now;
            entry.1[tracked.direction.index()] += 1;
            prop_assert!(desk.table.counters().active <= u64::from(capacity));
        }
        desk.drain();
        let counted: u64 = desk.ended.iter().flat_map(|r| r.packets).sum();
        prop_assert_eq!(counted, sent);
        prop_assert_eq!(desk.ended.len() as u64, desk.table.counters().created);
    }
}

#[test]
fn a_packet_seen_elsewhere_keeps_a_flow_alive() {
    let mut desk = Desk::new(10);
    let timeout = Timeouts::default().udp.new.as_nanos() as u64;
    let one = desk.see(&udp(1, 2), 0).slot;
    let id = desk.table.get_mut(one).unwrap().tuple.id;
    desk.see(&udp(3, 4), 1);
    assert!(desk.table.seen(one, id, Nanos(timeout)));
    // Only the other flow has been silent for too long, although it is the younger one.
    desk.expire(timeout + TICK);
    assert_eq!((desk.ended.len(), desk.ended[0].tuple.client.port), (1, 3));
    assert!(!desk.table.seen(one, id + 1, Nanos(timeout)));
    desk.expire(2 * timeout + TICK);
    assert_eq!((desk.ended.len(), desk.ended[1].end), (2, Nanos(timeout)));
}
