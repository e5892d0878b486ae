use wire::{TcpHeader, Transport};

use super::*;

fn packet<'a>(transport: Transport, proto: IpProto, payload: &'a [u8]) -> Packet<'a> {
    let [src, dst] = ["10.0.0.5", "192.0.2.66"].map(|ip| ip.parse().unwrap());
    Packet { src, dst, proto, transport, payload, ..Packet::default() }
}

fn of(transport: Transport, proto: IpProto, payload: &[u8]) -> (bool, Orientation) {
    let (tuple, orientation) = orient(&packet(transport, proto, payload), Nanos(1));
    (tuple.client.ip == "10.0.0.5".parse::<std::net::IpAddr>().unwrap(), orientation)
}

fn tcp(flags: u8) -> (bool, Orientation) {
    let (seq, ack, window) = (1, 1, 1000);
    let header = TcpHeader { src_port: 40_000, dst_port: 443, seq, ack, flags: TcpFlags(flags), window };
    of(Transport::Tcp(header), IpProto::TCP, b"")
}

fn udp(src_port: u16, dst_port: u16, payload: &[u8]) -> Orientation {
    of(Transport::Udp { src_port, dst_port }, IpProto::UDP, payload).1
}

#[test]
fn of_tcp_only_a_syn_is_a_call() {
    assert_eq!(tcp(2), (true, Orientation::Handshake));
    assert_eq!(tcp(0x12), (false, Orientation::Guessed), "SYN and ACK");
    for flags in [0, 4, 0x10, 0x11, 0x14, 0x18] {
        assert_eq!(tcp(flags).1, Orientation::Guessed, "{flags:#x}");
    }
}

#[test]
fn what_answers_makes_nobody_a_caller() {
    use Orientation::{Answered, Guessed};
    let (query, answer) = (b"\0\x01\x01\0\0\x01", b"\0\x01\x81\0\0\x01");
    for (from, to, payload, expected) in [
        (40_000, 53, &query[..], Answered),
        (53, 53, query, Answered),
        (40_000, 53, answer, Guessed),
        (53, 53, answer, Guessed),
        (53, 40_000, answer, Guessed),
        (53, 40_000, query, Guessed),
        (123, 123, b"\x23", Answered),
        (123, 123, b"\x24", Guessed),
        (500, 500, &[0; 28], Answered),
        (500, 500, &[1; 28], Guessed),
        (443, 50_000, b"x", Guessed),
        (50_000, 443, b"x", Answered),
        (1194, 50_000, b"x", Guessed),
        (50_000, 1194, b"x", Answered),
        (40_000, 50_000, b"x", Guessed),
        (50_000, 40_000, b"x", Guessed),
        (1194, 1194, b"x", Guessed),
    ] {
        assert_eq!(udp(from, to, payload), expected, "{from} to {to}");
    }
    for (kind, proto, expected) in [
        (8, IpProto::ICMP, Answered),
        (0, IpProto::ICMP, Guessed),
        (3, IpProto::ICMP, Guessed),
        (11, IpProto::ICMP, Guessed),
        (128, IpProto::ICMPV6, Answered),
        (129, IpProto::ICMPV6, Guessed),
        (1, IpProto::ICMPV6, Guessed),
    ] {
        assert_eq!(of(Transport::Icmp { kind, code: 0 }, proto, b"").1, expected, "{proto:?} {kind}");
    }
    assert_eq!(of(Transport::Other, IpProto(47), b"x").1, Guessed);
}
