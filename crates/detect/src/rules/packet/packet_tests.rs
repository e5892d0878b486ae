use std::sync::Arc;

use core::net::IpAddr;

use flow::FlowTuple;
use proptest::prelude::*;
use proto::AppProto;
use rules::{Buffer, Layer};
use wire::{Decoded, Endpoint, LinkType, Nanos, Vlans, decode};

use super::*;
use crate::rules::Instances;

const CLIENT: [u8; 4] = [10, 0, 0, 1];
const SERVER: [u8; 4] = [10, 0, 0, 2];

/// A checksum over a pseudo header (RFC 1071), in the plainest way.
fn checksum(parts: &[&[u8]]) -> [u8; 2] {
    let bytes = parts.concat();
    let mut sum = 0_u32;
    for at in (0..bytes.len()).step_by(2) {
        let low = bytes.get(at + 1).copied().unwrap_or(0);
        sum += u32::from(u16::from_be_bytes([bytes[at], low]));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!(sum as u16)).to_be_bytes()
}

fn ipv4(proto: u8, flags: u16, options: &[u8], body: &[u8]) -> Vec<u8> {
    let len = (20 + options.len() + body.len()) as u16;
    let mut packet = vec![0x45 + (options.len() / 4) as u8, 8];
    packet.extend_from_slice(&len.to_be_bytes());
    packet.extend_from_slice(&[0x12, 0x34]);
    packet.extend_from_slice(&flags.to_be_bytes());
    packet.extend_from_slice(&[64, proto, 0, 0]);
    packet.extend_from_slice(&CLIENT);
    packet.extend_from_slice(&SERVER);
    packet.extend_from_slice(options);
    let sum = checksum(&[&packet]);
    packet[10..12].copy_from_slice(&sum);
    packet.extend_from_slice(body);
    packet
}

fn ipv6(next: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0, 0, body.len() as u8, next, 255];
    packet.extend_from_slice(&[0xfe; 16]);
    packet.extend_from_slice(&[0xfd; 16]);
    packet.extend_from_slice(body);
    packet
}

/// Puts the right checksum at `at` of the transport header of a packet.
fn summed(mut packet: Vec<u8>, at: usize) -> Vec<u8> {
    let v4 = packet[0] >> 4 == 4;
    let header = if v4 { usize::from(packet[0] & 15) * 4 } else { 40 };
    let len = (packet.len() - header) as u16;
    let (addresses, proto) = if v4 { (12..20, packet[9]) } else { (8..40, packet[6]) };
    let pseudo = [&packet[addresses], &[0, proto], &len.to_be_bytes()[..]].concat();
    packet[header + at..header + at + 2].fill(0);
    let without: &[u8] = if proto == 1 || proto == 2 { &[] } else { &pseudo };
    let sum = checksum(&[without, &packet[header..]]);
    packet[header + at..header + at + 2].copy_from_slice(&sum);
    packet
}

fn tcp(flags: u8, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut segment = vec![0x9c, 0x40, 0, 80, 0, 0, 0, 7, 0, 0, 0, 9];
    segment.extend_from_slice(&[0x50 + (options.len() as u8 / 4) * 16, flags, 0xfa, 0xf0, 0, 0, 0, 0]);
    segment.extend_from_slice(options);
    segment.extend_from_slice(payload);
    summed(ipv4(6, 0x4000, &[], &segment), 16)
}

fn udp(payload: &[u8]) -> Vec<u8> {
    let mut datagram = vec![0x9c, 0x40, 0, 53, 0, 8 + payload.len() as u8, 0, 0];
    datagram.extend_from_slice(payload);
    summed(ipv4(17, 0, &[], &datagram), 6)
}

fn tuple(proto: u8) -> FlowTuple {
    let end = |ip: [u8; 4], port| Endpoint { ip: ip.into(), port };
    let start = Nanos(1_000_900_000_000);
    let vlans = Vlans::default();
    FlowTuple {
        id: 1,
        client: end(CLIENT, 40_000),
        server: end(SERVER, 80),
        proto: IpProto(proto),
        vlans,
        start,
    }
}

fn context<'a>(tuple: &'a FlowTuple, packet: Option<&'a Packet<'a>>) -> PacketContext<'a> {
    PacketContext {
        encrypted: false,
        tuple,
        direction: Direction::ToServer,
        time: Nanos(1_003_100_000_000),
        packet,
        established: true,
        app: None,
        known_before: false,
        original: None,
        stream_sizes: [1, 500],
        packets: [3, 2],
        bytes: [300, 20],
        events: &[],
    }
}

fn decoded(frame: &[u8]) -> Packet<'_> {
    match decode(LinkType::RawIp, frame) {
        Ok(Decoded::Ip(packet)) => packet,
        other => panic!("{other:?}"),
    }
}

/// Whether the test holds on a packet from the client.
fn on(frame: &[u8], test: &PacketTest) -> bool {
    let packet = decoded(frame);
    let tuple = tuple(packet.proto.0);
    holds(test, &context(&tuple, Some(&packet)), &Reputation::default())
}

fn is(number: u64) -> NumberTest {
    NumberTest::Equal(number, false)
}

fn is_not(number: u64) -> NumberTest {
    NumberTest::Equal(number, true)
}

/// Each row: a packet, a test that holds on it, and one that does not.
fn check(rows: &[(&[u8], PacketTest, PacketTest)]) {
    for (frame, yes, no) in rows {
        assert!(on(frame, yes), "{yes:?}");
        assert!(!on(frame, no), "{no:?}");
    }
}

#[test]
fn what_the_ip_header_says() {
    use PacketTest as T;
    let plain = udp(b"x");
    let six = ipv6(17, &[0, 1, 0, 2, 0, 8, 0, 0]);
    let options = ipv4(99, 0xa001, &[7, 3, 4, 0], b"");
    let to_itself = {
        let mut frame = udp(b"");
        frame[16..20].copy_from_slice(&CLIENT);
        frame
    };
    let unknown_option = ipv4(99, 0, &[222, 4, 0, 0], b"");
    check(&[
        (&plain, T::Ttl(is(64)), T::Ttl(is_not(64))),
        (&six, T::Ttl(NumberTest::Greater(254)), T::Ttl(NumberTest::Less(255))),
        (&plain, T::Tos(is(8)), T::Tos(is(0))),
        (&plain, T::Tos(is_not(0)), T::Tos(is_not(8))),
        (&plain, T::IpId(is(0x1234)), T::IpId(is(0x3412))),
        (&plain, T::IpProto(is(17)), T::IpProto(is_not(17))),
        (&six, T::IpProto(is(17)), T::Tos(is(0))),
        (&six, T::IpProto(is_not(6)), T::IpId(is_not(1))),
        (&options, T::IpOption(Some(7)), T::IpOption(Some(68))),
        (&options, T::IpOption(None), T::SameIp),
        (&to_itself, T::SameIp, T::IpOption(None)),
        (&unknown_option, T::IpOption(Some(222)), T::IpOption(None)),
        (&options, T::FragOffset(is(1)), T::FragOffset(is(0))),
        (&plain, T::FragOffset(is(0)), T::FragOffset(NumberTest::Greater(0))),
        (&options, T::FragBits(FlagTest::Exactly { bits: 5, mask: 7 }), T::FragBits(FlagTest::All(2, 7))),
        (&options, T::FragBits(FlagTest::Not(2, 7)), T::FragBits(FlagTest::Not(4, 7))),
        (&plain, T::FragBits(FlagTest::Not(2, 7)), T::FragBits(FlagTest::Any(7, 7))),
        (&six, T::VlanLayers(is(0)), T::FragBits(FlagTest::Not(2, 7))),
    ]);
}

#[test]
fn what_the_tcp_header_says() {
    use PacketTest as T;
    let syn = tcp(2, &[2, 4, 5, 0xb4, 3, 3, 9, 0], b"");
    let ece = tcp(0xc2, &[], b"abc");
    let null = tcp(0, &[], b"");
    let exactly = |bits, mask| T::TcpFlags(FlagTest::Exactly { bits, mask });
    check(&[
        (&syn, exactly(2, 0xff), exactly(0x12, 0xff)),
        (&ece, exactly(2, 0x3f), exactly(2, 0xff)),
        (&null, exactly(0, 0xff), exactly(2, 0xff)),
        (&ece, T::TcpFlags(FlagTest::Not(0, 0xff)), exactly(0, 0)),
        (&ece, T::TcpFlags(FlagTest::All(0x82, 0xff)), T::TcpFlags(FlagTest::All(0x12, 0xff))),
        (&ece, T::TcpFlags(FlagTest::Any(0x12, 0xff)), T::TcpFlags(FlagTest::Any(0x10, 0xff))),
        (&ece, T::TcpFlags(FlagTest::Not(0x12, 0xff)), T::TcpFlags(FlagTest::Not(2, 0xff))),
        (&syn, T::TcpSeq(7), T::TcpSeq(9)),
        (&syn, T::TcpAck(9), T::TcpAck(0)),
        (&syn, T::TcpWindow(is(0xfaf0)), T::TcpWindow(is_not(0xfaf0))),
        (&syn, T::TcpMss(is(1460)), T::TcpMss(NumberTest::Less(1460))),
        (&syn, T::TcpWindowScale(is(9)), T::TcpWindowScale(is_not(9))),
        (&syn, T::PayloadSize(is(0)), T::PayloadSize(is(3))),
        (&ece, T::PayloadSize(is(3)), T::TcpMss(is_not(1))),
        (&ece, T::PayloadSize(NumberTest::Between(2, 4, false)), T::TcpWindowScale(is_not(1))),
    ]);
    assert!(!on(&udp(b""), &T::TcpFlags(FlagTest::Not(2, 0xff))), "of TCP only");
}

#[test]
fn what_icmp_says() {
    use PacketTest as T;
    let echo = summed(ipv4(1, 0, &[], &[8, 0, 0, 0, 1, 2, 3, 4, 0xff]), 2);
    let unreachable = ipv4(1, 0, &[], &[3, 1, 0, 0, 1, 2, 3, 4]);
    let too_big = ipv6(58, &[2, 0, 0, 0, 0, 0, 5, 0]);
    let echo6 = ipv6(58, &[129, 0, 0, 0, 0, 7, 0, 9]);
    let igmp = ipv4(2, 0, &[], &[0x16, 0, 0, 0, 224, 0, 0, 5]);
    check(&[
        (&echo, T::IcmpType(is(8)), T::IcmpType(is(0))),
        (&unreachable, T::IcmpCode(NumberTest::Greater(0)), T::IcmpCode(is(0))),
        (&echo, T::IcmpId(0x102), T::IcmpId(0x201)),
        (&echo, T::IcmpSeq(0x304), T::IcmpSeq(0x102)),
        (&echo6, T::IcmpId(7), T::IcmpId(9)),
        (&echo6, T::IcmpSeq(9), T::IcmpV6Mtu(is_not(0))),
        (&unreachable, T::IcmpType(is(3)), T::IcmpId(0x102)),
        (&too_big, T::IcmpV6Mtu(is(1280)), T::IcmpV6Mtu(is(0))),
        (&igmp, T::IgmpType(is(0x16)), T::IgmpType(is(0x11))),
        (&igmp, T::IpProto(is(2)), T::IcmpType(is_not(8))),
        (&echo, T::PayloadSize(is(1)), T::IgmpType(is_not(0))),
    ]);
}

#[test]
fn a_fragment_has_no_transport_and_no_payload() {
    let first = ipv4(6, 0x2000, &[], &tcp(2, &[], b"abcd")[20..]);
    for (test, expected) in [
        (PacketTest::TcpFlags(FlagTest::Exactly { bits: 2, mask: 255 }), false),
        (PacketTest::PayloadSize(is(0)), true),
        (PacketTest::FragBits(FlagTest::Exactly { bits: 1, mask: 7 }), true),
        (PacketTest::Checksum(Layer::TcpV4, true), false),
        (PacketTest::Checksum(Layer::TcpV4, false), false),
        (PacketTest::Checksum(Layer::IpV4, true), true),
    ] {
        assert_eq!(on(&first, &test), expected, "{test:?}");
    }
    assert_eq!(buffer(&first, Buffer::Payload), None);
    assert_eq!(buffer(&first, Buffer::TcpHeader), None);
    assert_eq!(buffer(&first, Buffer::IpV4Header).as_deref(), Some(&first[..20]));
}

#[test]
fn a_cut_packet_is_as_long_as_it_says() {
    let frame = udp(b"12345678");
    let cut = &frame[..frame.len() - 3];
    assert!(on(cut, &PacketTest::PayloadSize(is(8))));
    for right in [true, false] {
        assert!(!on(cut, &PacketTest::Checksum(Layer::UdpV4, right)));
    }
}

#[test]
fn checksums_are_right_or_wrong() {
    let tcp6 = summed(ipv6(6, &tcp(2, &[], b"odd")[20..]), 16);
    let udp6 = summed(ipv6(17, &udp(b"odd")[20..]), 6);
    let icmp6 = summed(ipv6(58, &[128, 0, 0, 0, 0, 1, 0, 1, 9]), 2);
    let icmp = summed(ipv4(1, 0, &[], &[8, 0, 0, 0, 1, 2, 3, 4, 9]), 2);
    let igmp = summed(ipv4(2, 0, &[], &[0x16, 0, 0, 0, 224, 0, 0, 5]), 2);
    for (layer, frame, at) in [
        (Layer::IpV4, udp(b""), 8),
        (Layer::TcpV4, tcp(2, &[], b"odd"), 21),
        (Layer::UdpV4, udp(b"odd"), 21),
        (Layer::TcpV6, tcp6, 41),
        (Layer::UdpV6, udp6, 41),
        (Layer::IcmpV4, icmp, 25),
        (Layer::IcmpV6, icmp6, 45),
        (Layer::Igmp, igmp, 25),
    ] {
        let (right, wrong) = (PacketTest::Checksum(layer, true), PacketTest::Checksum(layer, false));
        assert!(on(&frame, &right) && !on(&frame, &wrong), "{layer:?}");
        let mut broken = frame.clone();
        broken[at] ^= 0x55;
        assert!(on(&broken, &wrong) && !on(&broken, &right), "{layer:?} broken");
    }
}

#[test]
fn a_checksum_that_is_still_to_be_made_is_no_wrong_one() {
    let mut frame = tcp(2, &[], b"abcd");
    let len = (frame.len() - 20) as u16;
    let partial = checksum(&[&CLIENT, &SERVER, &[0, 6], &len.to_be_bytes()]);
    frame[36..38].copy_from_slice(&[!partial[0], !partial[1]]);
    assert!(on(&frame, &PacketTest::Checksum(Layer::TcpV4, true)));
    let mut none = udp(b"abc");
    none[26..28].fill(0);
    for right in [true, false] {
        assert!(!on(&none, &PacketTest::Checksum(Layer::UdpV4, right)));
    }
    let mut six = ipv6(17, &udp(b"abc")[20..]);
    six[46..48].fill(0);
    assert!(on(&six, &PacketTest::Checksum(Layer::UdpV6, false)), "IPv6 does not go without");
}

#[test]
fn what_the_flow_has_come_to() {
    let (tuple, other) = (tuple(6), tuple(17));
    let cx = context(&tuple, None);
    let size = |side, both, test| PacketTest::StreamSize { side, both, test };
    let (client, server) = (Some(Side::Source), Some(Side::Destination));
    for (test, expected) in [
        (size(client, false, is(1)), true),
        (size(server, false, is(500)), true),
        (size(server, false, is_not(500)), false),
        (size(None, false, is(500)), true),
        (size(None, true, is(500)), false),
        (size(None, true, NumberTest::Less(501)), true),
        // From 1000.9 to 1003.1: Suricata subtracts whole seconds.
        (PacketTest::FlowAge(is(3)), true),
        (PacketTest::FlowPackets(client, is(3)), true),
        (PacketTest::FlowPackets(server, is(3)), false),
        (PacketTest::FlowPackets(None, is(2)), true),
        (PacketTest::FlowBytes(server, is(20)), true),
        (PacketTest::FlowBytes(None, is(19)), false),
        (PacketTest::VlanLayers(is(0)), true),
        (PacketTest::PayloadSize(is(0)), false),
        (PacketTest::Ttl(is_not(1)), false),
        (PacketTest::Addresses(vec![SERVER.into()]), true),
        (PacketTest::Addresses(vec![IpAddr::from([9, 9, 9, 9])]), false),
    ] {
        assert_eq!(holds(&test, &cx, &Reputation::default()), expected, "{test:?}");
    }
    let cx = context(&other, None);
    assert!(!holds(&size(client, false, is(1)), &cx, &Reputation::default()), "of TCP only");
}

#[test]
fn vlan_tags_by_place() {
    let mut tuple = tuple(6);
    let none = tuple;
    tuple.vlans.push(666);
    tuple.vlans.push(123);
    let on = |tuple: &FlowTuple, which, test| {
        holds(&PacketTest::VlanId(which, test), &context(tuple, None), &Reputation::default())
    };
    for (which, number, expected) in [
        (Which::At(0), 666, true),
        (Which::At(1), 666, false),
        (Which::At(-1), 123, true),
        (Which::At(-2), 666, true),
        (Which::At(-3), 666, false),
        (Which::At(i32::MIN), 666, false),
        (Which::Any, 123, true),
        (Which::Any, 124, false),
        (Which::All, 123, false),
        (Which::Count, 2, true),
    ] {
        assert_eq!(on(&tuple, which, is(number)), expected, "{which:?} {number}");
    }
    assert!(on(&tuple, Which::All, NumberTest::Greater(100)));
    assert!(!on(&none, Which::All, NumberTest::Greater(100)));
    assert!(on(&none, Which::AllOrNone, NumberTest::Greater(100)));
}

#[test]
fn protocols_and_events() {
    let tuple = tuple(6);
    let cx = PacketContext {
        app: Some(AppProto::Tls),
        known_before: false,
        original: Some(AppProto::Smtp),
        events: &["invalid_handshake", "APPLAYER_MISMATCH_PROTOCOL_BOTH_DIRECTIONS", "stream.fin_syn"],
        ..context(&tuple, None)
    };
    let is = |app, negated, mode| PacketTest::AppProtocol { app, negated, mode };
    let event = |app, name: &str| PacketTest::AppEvent(app, Arc::from(name));
    for (test, expected) in [
        (is(App::Tls, false, 0), true),
        (is(App::Tls, true, 0), false),
        (is(App::Http, true, 0), true),
        (is(App::Smtp, false, 0), false),
        (is(App::Smtp, false, 4), true),
        (event(Some(App::Tls), "INVALID_HANDSHAKE"), true),
        (event(Some(App::Smtp), "INVALID_HANDSHAKE"), true),
        (event(Some(App::Http), "INVALID_HANDSHAKE"), false),
        (event(None, "APPLAYER_MISMATCH_PROTOCOL_BOTH_DIRECTIONS"), true),
        (event(None, "APPLAYER_UNEXPECTED_PROTOCOL"), false),
        (PacketTest::StreamEvent(Arc::from("stream.fin_syn")), true),
        (PacketTest::StreamEvent(Arc::from("stream.fin")), false),
    ] {
        assert_eq!(holds(&test, &cx, &Reputation::default()), expected, "{test:?}");
    }
    let open = context(&tuple, None);
    for (test, expected) in [
        (is(App::Http, true, 0), false),
        (is(App::Unknown, false, 0), true),
        (is(App::Smtp, false, 4), false),
    ] {
        assert_eq!(holds(&test, &open, &Reputation::default()), expected, "{test:?}");
    }
}

#[test]
fn events_of_frames() {
    let test = PacketTest::DecodeEvent(Arc::from("decoder.gre.pkt_too_small"));
    let tuple = tuple(47);
    let packet = Packet { inner_error: Some(wire::Malformed::GreTruncated), ..Packet::default() };
    assert!(holds(&test, &context(&tuple, Some(&packet)), &Reputation::default()));
    let sound = Packet::default();
    assert!(!holds(&test, &context(&tuple, Some(&sound)), &Reputation::default()));
    assert!(is_decode_event(&test, wire::Malformed::GreTruncated.event()));
    assert!(!is_decode_event(&test, wire::Malformed::GreOptionsTruncated.event()));
}

#[test]
fn calls_of_rpc() {
    let call: Vec<u8> = [7_u32, 0, 2, 100_000, 2, 3].iter().flat_map(|word| word.to_be_bytes()).collect();
    let marked = [&[0x80, 0, 0, 24][..], &call].concat();
    let mut reply = call.clone();
    reply[7] = 1;
    let rpc = PacketTest::Rpc;
    check(&[
        (&udp(&call), rpc(100_000, None, None), rpc(100_001, None, None)),
        (&udp(&call), rpc(100_000, Some(2), Some(3)), rpc(100_000, Some(3), None)),
        (&tcp(0x18, &[], &marked), rpc(100_000, None, Some(3)), rpc(100_000, None, Some(4))),
    ]);
    for frame in [udp(&reply), udp(&call[..20]), tcp(0x18, &[], &call)] {
        assert!(!on(&frame, &rpc(100_000, None, None)));
    }
}

#[test]
fn ports_of_somebody_else() {
    let tuple = tuple(6);
    let bounces = |payload: &[u8], app, direction| {
        let frame = tcp(0x18, &[], payload);
        let packet = decoded(&frame);
        let cx = PacketContext { app, direction, ..context(&tuple, Some(&packet)) };
        holds(&PacketTest::FtpBounce, &cx, &Reputation::default())
    };
    let (ftp, up) = (Some(AppProto::Ftp), Direction::ToServer);
    for (payload, expected) in [
        (&b"PORT 10,0,0,9,4,1\r\n"[..], true),
        (b"PORT 10,0,0,1,4,1\r\n", false),
        (b"NOOP\r\nport 8, 8,8,8,1,1\r\n", true),
        (b"PORT 10,0,0\r\n", false),
        (b"PORT 300,0,0,9,4,1\r\n", false),
        (b"STOR 10,0,0,9,4,1\r\n", false),
    ] {
        assert_eq!(bounces(payload, ftp, up), expected, "{payload:?}");
    }
    assert!(!bounces(b"PORT 10,0,0,9,4,1\r\n", Some(AppProto::Smtp), up));
    assert!(!bounces(b"PORT 10,0,0,9,4,1\r\n", ftp, Direction::ToClient));
}

#[test]
fn reputations_of_either_side() {
    let mut reputation = Reputation::default();
    reputation.add_categories("c", "1,Bad,\n");
    reputation.add_list("l", "10.0.0.2,1,50\n");
    let tuple = tuple(6);
    let cx = context(&tuple, None);
    let (source, destination) = (Some(Side::Source), Some(Side::Destination));
    let more = |score| Some(NumberTest::Greater(score));
    for (side, both, score, negated, expected) in [
        (destination, false, more(49), false, true),
        (destination, false, more(50), false, false),
        (source, false, Some(NumberTest::Less(60)), false, false),
        (None, false, more(1), false, true),
        (None, true, more(1), false, false),
        (destination, false, None, false, true),
        (destination, false, None, true, false),
        (source, false, None, true, true),
    ] {
        let test = PacketTest::IpRep(IpRep { side, both, category: Arc::from("Bad"), score, negated });
        assert_eq!(holds(&test, &cx, &reputation), expected, "{test:?}");
    }
}

fn buffer(frame: &[u8], buffer: Buffer) -> Option<Vec<u8>> {
    let packet = decoded(frame);
    let tuple = tuple(packet.proto.0);
    let mut out = Instances::new(Vec::new());
    instances(&context(&tuple, Some(&packet)), buffer, &mut out);
    assert!(out.len() < 2);
    (!out.is_empty()).then(|| out.get(0).to_vec())
}

#[test]
fn buffers_are_parts_of_the_packet() {
    let (segment, datagram) = (tcp(2, &[1, 1, 1, 1], b"abc"), udp(b""));
    let echo = ipv4(1, 0, &[], &[8, 0, 0, 0, 1, 2, 3, 4, 0xff]);
    let echo6 = ipv6(58, &[128, 0, 0, 0, 0, 7, 0, 9, 1]);
    let igmp = ipv4(2, 0, &[], &[0x16, 0, 0, 0, 224, 0, 0, 5]);
    for (frame, wanted, expected) in [
        (&segment, Buffer::Payload, Some(&b"abc"[..])),
        (&segment, Buffer::IpV4Header, Some(&segment[..20])),
        (&segment, Buffer::TcpHeader, Some(&segment[20..44])),
        (&segment, Buffer::UdpHeader, None),
        (&segment, Buffer::IpV6Header, None),
        (&segment, Buffer::IpSource, Some(&CLIENT)),
        (&segment, Buffer::IpDestination, Some(&SERVER)),
        (&segment, Buffer::HttpUri, None),
        (&datagram, Buffer::UdpHeader, Some(&datagram[20..])),
        (&datagram, Buffer::Payload, Some(b"")),
        (&echo, Buffer::IcmpV4Header, Some(&echo[20..28])),
        (&echo, Buffer::IcmpV6Header, None),
        (&echo6, Buffer::IcmpV6Header, Some(&echo6[40..48])),
        (&echo6, Buffer::IpV6Header, Some(&echo6[..40])),
        (&igmp, Buffer::IgmpHeader, Some(&igmp[20..])),
    ] {
        assert_eq!(buffer(frame, wanted).as_deref(), expected, "{wanted:?}");
    }
}

fn any_test() -> impl Strategy<Value = PacketTest> {
    use PacketTest as T;
    let number = prop_oneof![
        any::<u8>().prop_map(|n| is(n.into())),
        any::<u8>().prop_map(|n| is_not(n.into())),
        any::<u64>().prop_map(NumberTest::Greater),
    ];
    let layer = prop::sample::select(vec![
        Layer::IpV4,
        Layer::TcpV4,
        Layer::TcpV6,
        Layer::UdpV4,
        Layer::UdpV6,
        Layer::IcmpV4,
        Layer::IcmpV6,
        Layer::Igmp,
    ]);
    let of_number: Vec<fn(NumberTest) -> T> = vec![
        T::Ttl,
        T::Tos,
        T::IpId,
        T::IpProto,
        T::FragOffset,
        T::TcpWindow,
        T::TcpMss,
        T::TcpWindowScale,
        T::IcmpType,
        T::IcmpCode,
        T::IcmpV6Mtu,
        T::IgmpType,
        T::PayloadSize,
        T::FlowAge,
        T::VlanLayers,
        |test| T::VlanId(Which::At(-1), test),
    ];
    prop_oneof![
        (prop::sample::select(of_number), number).prop_map(|(make, number)| make(number)),
        (layer, any::<bool>()).prop_map(|(layer, right)| T::Checksum(layer, right)),
        (any::<u8>(), any::<u8>()).prop_map(|(bits, mask)| T::TcpFlags(FlagTest::Not(bits, mask))),
        (any::<u8>(), any::<u8>()).prop_map(|(bits, mask)| T::FragBits(FlagTest::All(bits, mask))),
        proptest::option::of(any::<u8>()).prop_map(T::IpOption),
        any::<u16>().prop_map(T::IcmpId),
        any::<u16>().prop_map(T::IcmpSeq),
        Just(T::FtpBounce),
        Just(T::SameIp),
        any::<u32>().prop_map(|program| T::Rpc(program, None, None)),
    ]
}

proptest! {
    #[test]
    fn any_packet_can_be_asked_anything(
        test in any_test(),
        bytes in proptest::collection::vec(any::<u8>(), 0..120),
        start in prop::sample::select(vec![tcp(2, &[], b""), udp(b"x"), ipv4(1, 0, &[], &[8; 8]), ipv6(58, &[2; 8])]),
        damage in any::<prop::sample::Index>(),
        with in any::<u8>(),
    ) {
        let mut frame = start;
        let at = damage.index(frame.len());
        frame[at] = with;
        frame.extend_from_slice(&bytes);
        for frame in [&frame, &bytes] {
            if let Ok(Decoded::Ip(packet)) = decode(LinkType::RawIp, frame) {
                let tuple = tuple(packet.proto.0);
                let cx = PacketContext { app: Some(AppProto::Ftp), ..context(&tuple, Some(&packet)) };
                let _ = holds(&test, &cx, &Reputation::default());
                for info in Buffer::TABLE {
                    let mut out = Instances::new(Vec::new());
                    instances(&cx, info.buffer, &mut out);
                    prop_assert!(out.is_empty() || info.apps.is_empty());
                }
            }
        }
    }
}
