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
        Desk::with(FlowTable::new(capacity, Timeouts::default()))
    }

    fn with(table: FlowTable<u32>) -> Self {
        Desk { table, streams: Streams::new(StreamOptions::default()), ended: Vec::new() }
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

/// A flow that both sides have spoken on.
fn established(desk: &mut Desk, client_port: u16, at: u64) {
    desk.see(&udp(client_port, 53), at);
    let mut back = udp(53, client_port);
    (back.src, back.dst) = (back.dst, back.src);
    desk.see(&back, at);
}

#[test]
fn a_table_of_one_flow_works() {
    let mut desk = Desk::new(1);
    for port in 0..50_u16 {
        assert!(desk.see(&udp(port, 9), u64::from(port)).is_new);
        assert!(!desk.see(&udp(port, 9), u64::from(port)).is_new);
    }
    assert_eq!((desk.ended.len(), desk.table.counters().active), (49, 1));
    desk.drain();
    assert!(desk.ended.iter().all(|r| r.packets == [2, 0]));
}

#[test]
fn keys_chosen_to_collide_in_the_stable_hash_do_not_meet() {
    // An attacker knows the stable hash: thousands of flows with equal low bits, as many as find one bucket.
    let mut desk = Desk::new(1 << 16);
    let wanted = |port: u16, host: u8| {
        let mut packet = udp(port, 53);
        packet.src = [10, 7, 0, host].into();
        (packet.flow_key().0.stable_hash() & 0x3ff == 7).then_some(packet)
    };
    let keys: Vec<_> = (0..=255).flat_map(|h| (1024..65_000).filter_map(move |p| wanted(p, h))).collect();
    assert!(keys.len() > 15_000, "{}", keys.len());
    for packet in &keys {
        desk.see(packet, 1);
    }
    assert!(keys.iter().all(|packet| !desk.see(packet, 2).is_new));
    assert!(desk.ended.is_empty());
    // Spread over 8192 buckets of ten, two each on average: what lies elsewhere is next to nothing.
    assert!(desk.table.index.displaced() < 10, "{} are not at home", desk.table.index.displaced());
}

#[test]
fn time_may_go_backwards() {
    let mut desk = Desk::new(10);
    desk.see(&udp(1, 2), 1000 * SECOND);
    desk.expire(1000 * SECOND);
    assert!(!desk.see(&udp(1, 2), 10 * SECOND).is_new, "an old packet is no later one");
    desk.see(&udp(3, 4), 10 * SECOND);
    desk.expire(11 * SECOND);
    assert!(desk.ended.is_empty());
    desk.expire(10 * SECOND + 30 * SECOND + TICK);
    assert_eq!((desk.ended.len(), desk.ended[0].tuple.client.port), (1, 3));
    desk.expire(1000 * SECOND + 30 * SECOND + TICK);
    assert_eq!((desk.ended.len(), desk.ended[1].end), (2, Nanos(1000 * SECOND)));
}

#[test]
fn the_clock_may_jump_by_years() {
    const YEAR: u64 = 365 * 86_400 * SECOND;
    let mut desk = Desk::new(100);
    for (i, at) in [0, YEAR, 50 * YEAR, 3 * YEAR, u64::MAX, 7].into_iter().enumerate() {
        let port = 1000 + i as u16;
        desk.see(&udp(port, 9), at);
        desk.expire(at);
        assert!(!desk.see(&udp(port, 9), at).is_new);
    }
    desk.expire(u64::MAX);
    // Nothing can come after the end of time, and so what is there is not over.
    assert_eq!(desk.table.counters().active, 1);
    desk.drain();
    assert_eq!(desk.ended.len() as u64, desk.table.counters().created);
}

#[test]
fn timeouts_longer_than_a_turn_of_the_wheel_are_kept() {
    let mut timeouts = Timeouts::default();
    timeouts.udp.new = Duration::from_secs(10_000);
    let mut desk = Desk::with(FlowTable::new(10, timeouts));
    let start = 1_700_000_000 * SECOND;
    desk.see(&udp(1, 2), start);
    for second in 0..=10_000 {
        desk.expire(start + second * SECOND);
    }
    assert!(desk.ended.is_empty());
    desk.expire(start + 10_000 * SECOND + TICK);
    assert_eq!(desk.ended.len(), 1);
}

#[test]
fn a_sweep_is_bounded_and_says_that_there_is_more() {
    let mut desk = Desk::new(1000);
    for port in 0..1000 {
        desk.see(&udp(port, 1), 0);
    }
    let ended = &mut desk.ended;
    let mut steps = 0;
    while desk.table.sweep(Nanos(100 * SECOND), 64, &mut |e| ended.push(e.record)) {
        steps += 1;
        assert!(ended.len() <= 64 * steps);
    }
    assert_eq!((ended.len(), steps), (1000, 15));
}

#[test]
fn eviction_takes_unanswered_then_closed_then_established_ones() {
    let mut desk = Desk::new(3);
    established(&mut desk, 5000, 0);
    desk.see(&tcp((1, 2), (6000, 80), 100, TcpFlags::SYN), 1);
    desk.see(&tcp((1, 2), (6000, 80), 101, TcpFlags::RST), 1);
    desk.see(&udp(7000, 9), 2);
    for port in 8000..8003 {
        established(&mut desk, port, 3);
    }
    let order: Vec<_> = desk.ended.iter().map(|r| (r.tuple.client.port, r.state)).collect();
    let expected = [(7000, FlowState::New), (6000, FlowState::Closed), (5000, FlowState::Established)];
    assert_eq!(order, expected);
    assert!(desk.ended.iter().all(|r| r.reason == EndReason::Evicted && r.reason.name() == "forced"));
    assert_eq!(desk.table.counters().evicted, [1, 1, 1]);
}

#[test]
fn an_unanswered_flow_that_goes_on_is_not_the_first_to_go() {
    let mut desk = Desk::new(3);
    desk.see(&udp(1, 9), 0);
    desk.see(&udp(2, 9), 0);
    desk.see(&udp(3, 9), 0);
    desk.see(&udp(1, 9), 20 * SECOND);
    desk.see(&udp(4, 9), 21 * SECOND);
    assert_eq!(desk.ended[0].tuple.client.port, 2, "the first was heard of since");
}

#[test]
fn under_pressure_unanswered_flows_are_given_less_time() {
    let mut desk = Desk::new(100);
    for port in 0..10 {
        established(&mut desk, 5000 + port, 0);
    }
    for port in 0..79 {
        desk.see(&udp(6000 + port, 9), 0);
    }
    desk.expire(4 * SECOND);
    assert_eq!((desk.ended.len(), desk.table.counters().pressures), (0, 0), "89 of 100");
    desk.see(&udp(7000, 9), 4 * SECOND);
    desk.expire(4 * SECOND);
    // A tenth of 30 seconds is over for all but the last, and it stops when there is room again.
    assert_eq!(desk.table.counters().pressures, 1);
    assert_eq!((desk.ended.len(), desk.table.counters().pressed, desk.table.counters().active), (5, 5, 85));
    assert!(desk.ended.iter().all(|r| r.reason == EndReason::Pressure && r.state == FlowState::New));
    desk.expire(5 * SECOND);
    assert_eq!(desk.table.counters().pressures, 1);
}

#[test]
fn a_long_flow_has_interim_records_at_the_interval() {
    let table = FlowTable::new(10, Timeouts::default()).with_interim(Duration::from_secs(60));
    let mut desk = Desk::with(table);
    let due: Vec<u64> = (0..400).filter(|second| desk.see(&udp(1, 2), second * SECOND).interim).collect();
    assert_eq!(due, [60, 120, 180, 240, 300, 360]);
    let slot = desk.see(&udp(1, 2), 401 * SECOND).slot;
    let record = desk.table.get_mut(slot).unwrap().record(EndReason::Active);
    assert_eq!((record.packets, record.reason.name()), ([401, 0], "active"));
}

#[test]
fn connections_outlive_a_flood_with_their_streams() {
    let mut desk = Desk::new(2000);
    let (mut received, mut gaps) = (0, 0);
    let mut see = |desk: &mut Desk, packet: &Packet<'_>, at: u64| {
        let ended = &mut desk.ended;
        let tracked = desk.table.track(packet, Nanos(at), 60, |_| 0, &mut |e| ended.push(e.record));
        let segment = Segment::of(packet, tracked.direction, Nanos(at)).unwrap();
        let flow = desk.table.get_mut(tracked.slot).unwrap();
        flow.tcp.segment(&desk.streams, &segment, &mut |event| match event {
            crate::StreamEvent::Data(_, bytes) => received += bytes.len(),
            crate::StreamEvent::Gap(..) => gaps += 1,
            crate::StreamEvent::Depth(_) | crate::StreamEvent::Anomaly(..) => {}
        });
        desk.table.touch(tracked.slot);
    };
    for port in 0..1000 {
        see(&mut desk, &tcp((1, 2), (5000 + port, 80), 0, TcpFlags::SYN), 0);
        see(&mut desk, &tcp((2, 1), (80, 5000 + port), 0, TcpFlags::SYN | TcpFlags::ACK), 0);
        see(&mut desk, &tcp((1, 2), (5000 + port, 80), 1, TcpFlags::ACK), 0);
    }
    // A minute of SYNs, a thousand a second; each connection says something every ten seconds.
    for n in 0..60_000_u32 {
        let at = SECOND + u64::from(n) * SECOND / 1000;
        let mut syn = tcp((9, 2), (n as u16, 80), n, TcpFlags::SYN);
        syn.src = (0x4000_0000 + n.wrapping_mul(2_654_435_761) / 4).to_be_bytes().into();
        see(&mut desk, &syn, at);
        if n % 10 == 0 {
            let (port, turn) = ((n / 10 % 1000) as u16, n / 10_000);
            let mut data = tcp((1, 2), (5000 + port, 80), 1 + 10 * turn, TcpFlags::ACK);
            data.payload = b"ten bytes.";
            see(&mut desk, &data, at);
        }
        if n % 100 == 0 {
            desk.expire(at);
        }
    }
    assert_eq!((received, gaps), (60_000, 0));
    assert!(desk.ended.iter().all(|r| r.packets[1] == 0), "an established one had to go");
    assert!(desk.table.counters().active <= 2000);
}

proptest! {
    /// However flows are touched, swept and pressed, and wherever time goes: a flow is never swept before its
    /// timeout, none is missed that is over when time goes forwards, and nothing is lost.
    #[test]
    fn the_wheel_agrees_with_a_scan(
        steps in proptest::collection::vec((0..40_u16, any::<bool>(), 0..90_u64, any::<bool>()), 1..400),
        start in prop_oneof![Just(0), Just(1_700_000_000 * SECOND), Just((1 << 40) - 1)],
    ) {
        let mut desk = Desk::new(1000);
        let mut model: HashMap<u16, (u64, [bool; 2])> = HashMap::new();
        let (mut now, mut sent) = (start, 0);
        let limit = |both: &[bool; 2]| {
            let of = Timeouts::default().udp;
            (if *both == [true; 2] { of.established } else { of.new }).as_nanos() as u64
        };
        for (port, back, pause, sweep) in steps {
            now += pause * SECOND / 2;
            if sweep {
                let before = desk.ended.len();
                desk.expire(now);
                for record in &desk.ended[before..] {
                    let port = record.tuple.client.port.max(record.tuple.server.port) - 5000;
                    let (last, both) = model.remove(&port).unwrap();
                    prop_assert!(now - last > limit(&both), "swept too early");
                    prop_assert_eq!(record.end, Nanos(last));
                }
                for (last, both) in model.values() {
                    prop_assert!((last + limit(both)) >> 30 >= now >> 30, "not swept");
                }
                continue;
            }
            let mut packet = udp(5000 + port, 4000);
            if back {
                packet = udp(4000, 5000 + port);
                (packet.src, packet.dst) = (packet.dst, packet.src);
            }
            let tracked = desk.see(&packet, now);
            sent += 1;
            let known = model.get(&port).is_some_and(|(last, both)| now - last <= limit(both));
            prop_assert_eq!(tracked.is_new, !known);
            let entry = model.entry(port).or_default();
            if !known {
                entry.1 = [false; 2];
            }
            entry.0 = now;
            entry.1[tracked.direction.index()] = true;
        }
        desk.drain();
        prop_assert_eq!(desk.ended.iter().flat_map(|r| r.packets).sum::<u64>(), sent);
        prop_assert_eq!(desk.table.index.displaced(), 0);
    }
}
