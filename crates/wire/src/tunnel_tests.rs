//! Tunnels, what ICMP and TCP options say, and a frame for every reason there is.

use proptest::prelude::*;

use super::*;

const INNER: [u8; 28] =
    [0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 4, 0xd2, 0, 53, 0, 8, 0, 0];

fn be(n: usize) -> [u8; 2] {
    (n as u16).to_be_bytes()
}

/// IPv4 from 192.0.2.1 to 192.0.2.2.
fn ipv4(proto: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![0x45, 0];
    out.extend(be(20 + body.len()));
    out.extend([0, 0, 0, 0, 64, proto, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
    out.extend(body);
    out
}

fn ipv6(next: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![0x60, 0, 0, 0];
    out.extend(be(body.len()));
    out.extend([next, 64]);
    out.extend([0x20; 32]);
    out.extend(body);
    out
}

fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0xc0, 0];
    out.extend(port.to_be_bytes());
    out.extend(be(8 + payload.len()));
    out.extend([0, 0]);
    out.extend(payload);
    ipv4(17, &out)
}

fn ethernet(kind: u16, body: &[u8]) -> Vec<u8> {
    [&[2; 12][..], &kind.to_be_bytes(), body].concat()
}

fn with(head: &[u8], body: &[u8]) -> Vec<u8> {
    [head, body].concat()
}

/// Every kind of tunnel with the same packet inside.
fn tunnels() -> Vec<(TunnelKind, Vec<u8>)> {
    let frame = ethernet(0x0800, &INNER);
    let six = ipv6(17, &INNER[20..]);
    vec![
        (TunnelKind::IpInIp, ipv4(4, &INNER)),
        (TunnelKind::IpInIp, ipv4(41, &six)),
        (TunnelKind::Gre, ipv4(47, &with(&[0, 0, 8, 0], &INNER))),
        (TunnelKind::Gre, ipv4(47, &with(&[0xb0, 0, 8, 0, 9, 9, 9, 9, 8, 8, 8, 8, 7, 7, 7, 7], &INNER))),
        (TunnelKind::Gre, ipv4(47, &with(&[0, 0, 0x65, 0x58], &frame))),
        (TunnelKind::Pptp, ipv4(47, &with(&[0x30, 1, 0x88, 0x0b, 0, 9, 0, 1, 0, 0, 0, 1, 0x21], &INNER))),
        (
            TunnelKind::Pptp,
            ipv4(
                47,
                &with(&[0x30, 0x81, 0x88, 0x0b, 0, 9, 0, 1, 0, 0, 0, 1, 0, 0, 0, 7, 255, 3, 0, 0x21], &INNER),
            ),
        ),
        (TunnelKind::Erspan, ipv4(47, &with(&[0, 0, 0x88, 0xbe], &frame))),
        (
            TunnelKind::Erspan,
            ipv4(47, &with(&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 1, 0, 1, 0, 0, 0, 0], &frame)),
        ),
        (
            TunnelKind::Erspan,
            ipv4(
                47,
                &with(&[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0], &frame),
            ),
        ),
        (
            TunnelKind::Erspan,
            ipv4(
                47,
                &with(
                    &[&[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20][..], &[0; 10], &[1], &[5; 8]].concat(),
                    &frame,
                ),
            ),
        ),
        (TunnelKind::Vxlan, udp(4789, &with(&[8, 0, 0, 0, 0, 0, 1, 0], &frame))),
        (TunnelKind::Geneve, udp(6081, &with(&[1, 0, 0x65, 0x58, 0, 0, 1, 0, 1, 2, 3, 4], &frame))),
        (TunnelKind::GtpU, udp(2152, &with(&[0x30, 255, 0, 9, 0, 0, 0, 1], &INNER))),
        (TunnelKind::Teredo, udp(3544, &six)),
        (TunnelKind::Teredo, udp(3544, &with(&[0, 0, 1, 2, 3, 4, 5, 6], &six))),
        (
            TunnelKind::Teredo,
            udp(3544, &with(&[&[0, 1, 2, 1][..], &[7; 12], &[0, 0, 1, 2, 3, 4, 5, 6]].concat(), &six)),
        ),
    ]
}

fn innermost(bytes: &[u8]) -> Packet<'_> {
    match decode_innermost(LinkType::RawIp, bytes) {
        Ok(Decoded::Ip(packet)) => packet,
        other => panic!("no packet: {other:?}"),
    }
}

#[test]
fn every_tunnel_is_opened_and_told() {
    for (kind, outer) in tunnels() {
        let found = innermost(&outer);
        assert_eq!(found.transport.ports(), (1234, 53), "{kind:?}");
        let tunnel = found.tunnel.unwrap();
        assert_eq!((tunnel.kind, tunnel.depth), (kind, 1));
        let outside = tunnel.outermost();
        assert_eq!((outside.source.ip.to_string(), outside.proto.0), ("192.0.2.1".into(), outer[9]));
        assert_eq!(outside.destination.port != 0, outer[9] == 17, "{kind:?}");
        let Ok(Decoded::Ip(closed)) = decode(LinkType::RawIp, &outer) else { panic!("{kind:?}") };
        assert_eq!(closed.tunnel, None);
        // Steered by what the program sees.
        let seen = if kind.opened_by_xdp() { Packet { tunnel: None, ..found } } else { closed };
        assert_eq!(found.steering_hash(), seen.steering_hash(), "{kind:?}");
        assert_ne!(found.steering_hash() == closed.steering_hash(), kind.opened_by_xdp(), "{kind:?}");
    }
}

#[test]
fn tunnels_within_tunnels_end_at_the_limit() {
    let twice = ipv4(4, &ipv4(4, &INNER));
    let found = innermost(&twice);
    assert_eq!((found.transport.ports(), found.tunnel.unwrap().depth), ((1234, 53), 2));
    let thrice = ipv4(4, &twice);
    let found = innermost(&thrice);
    assert_eq!((found.proto.0, found.tunnel.unwrap().depth), (4, MAX_TUNNELS as u8));
    // One that the program does not open, in one that it does, and the other way about.
    let mirrored = tunnels().swap_remove(7).1;
    for nested in
        [ipv4(4, &mirrored), ipv4(47, &with(&[0, 0, 0x88, 0xbe], &ethernet(0x0800, &ipv4(4, &INNER))))]
    {
        let found = innermost(&nested);
        assert_eq!(found.transport.ports(), (1234, 53));
        let Ok(Decoded::Ip(gre)) = decode(LinkType::RawIp, if nested[9] == 4 { &mirrored } else { &nested })
        else {
            panic!("no packet")
        };
        assert_eq!(found.steering_hash(), gre.steering_hash());
    }
}

#[test]
fn what_looks_like_a_tunnel_and_is_none_is_itself() {
    let six = ipv6(17, &INNER[20..]);
    for (what, bytes) in [
        ("PPTP acknowledgement", ipv4(47, &[0x20, 0x81, 0x88, 0x0b, 0, 0, 0, 1, 0, 0, 0, 7])),
        ("PPTP control", ipv4(47, &[0x30, 1, 0x88, 0x0b, 0, 4, 0, 1, 0, 0, 0, 1, 0xc0, 0x21, 1, 1])),
        ("GRE of a third version", ipv4(47, &with(&[0, 2, 8, 0], &INNER))),
        ("Teredo of the wrong length", udp(3544, &[&six[..], &[0]].concat())),
        ("GTP echo", udp(2152, &with(&[0x30, 1, 0, 9, 0, 0, 0, 1], &INNER))),
        ("VXLAN with ARP", udp(4789, &with(&[8, 0, 0, 0, 0, 0, 1, 0], &ethernet(0x0806, &ARP)))),
    ] {
        let found = innermost(&bytes);
        assert_eq!((found.src.to_string(), found.tunnel), ("192.0.2.1".into(), None), "{what}");
    }
}

const ARP: [u8; 28] = [0, 1, 8, 0, 6, 4, 0, 2, 1, 1, 1, 1, 1, 1, 10, 0, 0, 1, 2, 2, 2, 2, 2, 2, 10, 0, 0, 2];

#[test]
fn address_resolution_is_read() {
    let frame = ethernet(0x0806, &ARP);
    let Ok(Decoded::Arp(arp)) = decode(LinkType::Ethernet, &frame) else { panic!("no ARP") };
    assert_eq!((arp.operation, arp.sender_mac, arp.target_mac), (2, [1; 6], [2; 6]));
    assert_eq!(
        (arp.sender_ip.to_string(), arp.target_ip.to_string()),
        ("10.0.0.1".into(), "10.0.0.2".into())
    );
    let mut infiniband = frame;
    infiniband[15] = 32;
    assert_eq!(decode(LinkType::Ethernet, &infiniband), Ok(Decoded::NonIp(0x0806)));
}

#[test]
fn echoes_are_flows_by_their_identifier() {
    let echo = |kind: u8, id: u8, back: bool| {
        let mut bytes = ipv4(1, &[kind, 0, 0, 0, 0, id, 0, 1]);
        if back {
            (bytes[15], bytes[19]) = (2, 1);
        }
        innermost(&bytes).flow_key().0
    };
    assert_eq!(echo(8, 7, false), echo(0, 7, true), "request and reply");
    assert_ne!(echo(8, 7, false), echo(8, 9, false), "two programs");
    assert_ne!(echo(8, 7, false), echo(8, 7, true), "each pings the other");
    assert_eq!(echo(13, 7, false), echo(14, 7, true), "timestamps");
    assert_ne!(echo(3, 7, false), echo(8, 7, false), "errors are no echoes");
    let bytes = ipv4(1, &[8, 0, 0, 0, 1, 2, 0, 1]);
    assert_eq!(innermost(&bytes).icmp().unwrap().id, Some(0x102));
    assert_eq!((innermost(&bytes).source().port, innermost(&bytes).destination().port), (8, 0));
}

#[test]
fn errors_say_whose_flow_they_are_about() {
    let four = ipv4(1, &with(&[3, 1, 0, 0, 0, 0, 0, 0], &INNER));
    let six = ipv6(58, &with(&[1, 4, 0, 0, 0, 0, 0, 0], &ipv6(17, &INNER[20..])));
    for bytes in [four, six] {
        let quote = innermost(&bytes).icmp().unwrap().quote.unwrap();
        assert_eq!((quote.proto, quote.ports), (IpProto::UDP, Some((1234, 53))));
        let (src, dst) = quote.endpoints().unwrap();
        assert_eq!((src.port, dst.port), (1234, 53));
    }
    // RFC 792 asks for eight bytes of the datagram only, and some quote less.
    for len in 0..INNER.len() {
        let bytes = ipv4(1, &with(&[11, 0, 0, 0, 0, 0, 0, 0], &INNER[..len]));
        let quote = innermost(&bytes).icmp().unwrap().quote;
        assert_eq!(quote.is_some(), len >= 20, "{len}");
        assert_eq!(quote.is_some_and(|q| q.ports.is_some()), len >= 24, "{len}");
    }
}

#[test]
fn options_of_a_connection_are_read() {
    let options = [2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0, 3, 1, 3, 3, 7];
    let mut segment = vec![0, 1, 0, 2, 0, 0, 0, 9, 0, 0, 0, 0, 10 << 4, 2, 1, 0, 0, 0, 0, 0];
    segment.extend(options);
    let bytes = ipv4(6, &segment);
    let found: Vec<TcpOption<'_>> = innermost(&bytes).tcp_options().collect();
    assert_eq!(
        found,
        [
            TcpOption::Mss(1460),
            TcpOption::SackPermitted,
            TcpOption::Timestamps(9, 3),
            TcpOption::WindowScale(7)
        ]
    );
    assert_eq!(TcpOptions::new(&[0, 2, 4, 5]).count(), 0, "the list ended");
    assert_eq!(TcpOptions::new(&[3, 0, 3, 3, 7]).count(), 0, "a length of nothing");
    assert_eq!(TcpOptions::new(&[3, 3]).count(), 0, "cut off");
    assert_eq!(TcpOptions::new(&[2, 3, 9]).collect::<Vec<_>>(), [TcpOption::Other(2, &[9])]);
    assert_eq!(TcpOptions::new(&[3, 3, 200]).next(), Some(TcpOption::WindowScale(14)));
}

/// A frame for every reason.
fn broken() -> Vec<(Malformed, LinkType, Vec<u8>)> {
    use LinkType as L;
    use Malformed as M;
    let eth = |kind: u16, body: &[u8]| ethernet(kind, body);
    let arp = |at: usize, value: u8| {
        let mut arp = ARP;
        arp[at] = value;
        ethernet(0x0806, &arp)
    };
    let tags = |n: usize| eth(0x8100, &[[0, 1, 0x81, 0]; 5].concat()[..n]);
    let mut tcp = [0_u8; 20];
    tcp[12] = 4 << 4;
    let mut long = tcp;
    long[12] = 8 << 4;
    let mut four = INNER;
    four[0] = 0x44;
    let mut short = INNER;
    short[3] = 19;
    let mut five = INNER;
    five[0] = 0x65;
    let mut cut_options = INNER[..24].to_vec();
    cut_options[0] = 0x47;
    let wrong_six = with(&[0x45], &ipv6(17, &[])[1..]);
    let many = ipv6(60, &[60_u8, 0, 1, 4, 0, 0, 0, 0].repeat(8));
    let six_cut = ipv6(17, &INNER[20..])[..44].to_vec();
    let empty = |len: usize| vec![0_u8; len];
    let attribute = [4_u8, 0, 1, 0].repeat(33);
    vec![
        (M::EthernetTruncated, L::Ethernet, empty(13)),
        (M::CookedTruncated, L::LinuxCooked, empty(15)),
        (M::Cooked2Truncated, L::LinuxCooked2, empty(19)),
        (M::NullTruncated, L::Null, empty(3)),
        (M::RawEmpty, L::RawIp, empty(0)),
        (M::RawVersion, L::RawIp, empty(20)),
        (M::PppTruncated, L::Ppp, empty(1)),
        (M::HdlcTruncated, L::CiscoHdlc, empty(3)),
        (M::FrameRelayTruncated, L::FrameRelay, empty(3)),
        (M::SlipTruncated, L::Slip, empty(15)),
        (M::FddiTruncated, L::Fddi, empty(12)),
        (M::NflogTruncated, L::Nflog, empty(3)),
        (M::TooManyNflogAttributes, L::Nflog, with(&[2, 0, 0, 0], &attribute)),
        (M::RadiotapTruncated, L::Radiotap, empty(7)),
        (M::WirelessTruncated, L::Ieee80211, vec![8, 0, 0]),
        (M::VlanTruncated, L::Ethernet, tags(3)),
        (M::TooManyVlans, L::Ethernet, tags(20)),
        (M::MplsTruncated, L::Ethernet, eth(0x8847, &[0, 0, 0])),
        (M::TooManyLabels, L::Ethernet, eth(0x8847, &[0; 16])),
        (M::PppoeTruncated, L::Ethernet, eth(0x8864, &[0; 7])),
        (M::ArpTruncated, L::Ethernet, eth(0x0806, &ARP[..27])),
        (M::ArpHardwareSize, L::Ethernet, arp(4, 5)),
        (M::ArpProtocolSize, L::Ethernet, arp(5, 6)),
        (M::Ipv4Truncated, L::RawIp, INNER[..19].to_vec()),
        (M::Ipv4Version, L::Ethernet, eth(0x0800, &five)),
        (M::Ipv4HeaderLength, L::RawIp, four.to_vec()),
        (M::Ipv4TotalLength, L::RawIp, short.to_vec()),
        (M::Ipv4Cut, L::RawIp, cut_options),
        (M::Ipv6Truncated, L::RawIp, ipv6(17, &[])[..39].to_vec()),
        (M::Ipv6Version, L::Ethernet, eth(0x86dd, &wrong_six)),
        (M::Ipv6Cut, L::RawIp, six_cut),
        (M::Ipv6ExtensionTruncated, L::RawIp, ipv6(0, &[17, 1, 0, 0, 0, 0, 0, 0])),
        (M::TooManyIpv6Extensions, L::RawIp, many),
        (M::TcpTruncated, L::RawIp, ipv4(6, &tcp[..19])),
        (M::TcpHeaderLength, L::RawIp, ipv4(6, &tcp)),
        (M::TcpOptionsTruncated, L::RawIp, ipv4(6, &long)),
        (M::UdpTruncated, L::RawIp, ipv4(17, &[0; 7])),
        (M::UdpLength, L::RawIp, ipv4(17, &[0, 1, 0, 2, 0, 7, 0, 0])),
        (M::SctpTruncated, L::RawIp, ipv4(132, &[0; 11])),
        (M::Icmpv4Truncated, L::RawIp, ipv4(1, &[0; 7])),
        (M::Icmpv6Truncated, L::RawIp, ipv6(58, &[0; 7])),
        (M::GreTruncated, L::RawIp, ipv4(47, &[0; 3])),
        (M::GreOptionsTruncated, L::RawIp, ipv4(47, &[0x80, 0, 8, 0, 0])),
        (M::PptpTruncated, L::RawIp, ipv4(47, &[0x30, 1, 0x88, 0x0b, 0])),
        (M::ErspanTruncated, L::RawIp, ipv4(47, &[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10])),
        (M::ErspanVersion, L::RawIp, ipv4(47, &[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x30])),
        (M::VxlanTruncated, L::RawIp, udp(4789, &[0; 7])),
        (M::GeneveTruncated, L::RawIp, udp(6081, &[1, 0, 8, 0, 0, 0, 0, 0])),
        (M::GtpTruncated, L::RawIp, udp(2152, &[0x34, 255, 0, 9, 0, 0, 0, 1])),
    ]
}

#[test]
fn every_reason_is_reached() {
    let broken = broken();
    for (reason, link, bytes) in &broken {
        let found = match decode_innermost(*link, bytes) {
            // Of what a tunnel carries: the tunnel's own packet has it.
            Ok(Decoded::Ip(packet)) => packet.inner_error,
            other => other.err(),
        };
        assert_eq!(found, Some(*reason), "{link:?} {bytes:02x?}");
    }
    let reached: Vec<Malformed> = broken.iter().map(|(reason, ..)| *reason).collect();
    assert_eq!(reached, Malformed::ALL, "one for each, in their order");
    let mut names: Vec<&str> = Malformed::ALL.iter().map(|reason| reason.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Malformed::ALL.len(), "no two have the same name");
}

/// Who puts garbage into a tunnel does not hide the tunnel.
#[test]
fn a_tunnel_with_something_malformed_in_it_is_a_packet_of_its_own() {
    for (_, bytes) in tunnels() {
        let Ok(Decoded::Ip(whole)) = decode_innermost(LinkType::RawIp, &bytes) else {
            panic!("{bytes:02x?}")
        };
        let tunnel = whole.tunnel.expect("a tunnel");
        for len in 1..bytes.len() {
            let (Ok(Decoded::Ip(packet)), Ok(Decoded::Ip(outer))) =
                (decode_innermost(LinkType::RawIp, &bytes[..len]), decode(LinkType::RawIp, &bytes[..len]))
            else {
                continue;
            };
            if tunnel.depth == 1 && packet.inner_error.is_some() {
                assert_eq!((packet.src, packet.dst, packet.tunnel), (outer.src, outer.dst, None));
                assert_eq!((packet.payload, packet.transport), (outer.payload, outer.transport));
            }
        }
    }
}

/// At whatever length a packet is cut: a named reason, or a packet that says how much is missing.
#[test]
fn packets_cut_anywhere_are_told_as_cut() {
    let mut shapes: Vec<Vec<u8>> = tunnels().into_iter().map(|(_, bytes)| bytes).collect();
    shapes.push(ipv6(0, &with(&[60, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4, 0, 0, 0, 0], &INNER[20..])));
    shapes.push(ipv4(1, &with(&[3, 1, 0, 0, 0, 0, 0, 0], &INNER)));
    for whole in shapes {
        for len in 0..whole.len() {
            if let Ok(Decoded::Ip(packet)) = decode_innermost(LinkType::RawIp, &whole[..len]) {
                assert!(packet.missing > 0, "{len} of {whole:02x?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// Bytes changed in tunnels, on every link that begins with IP or Ethernet.
    #[test]
    fn damaged_tunnels_decode_or_have_a_reason(
        which in any::<prop::sample::Index>(), outer in any::<prop::sample::Index>(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4), keep in any::<prop::sample::Index>(),
    ) {
        let all = tunnels();
        let mut bytes = all[which.index(all.len())].1.clone();
        if outer.index(2) == 1 {
            bytes = udp(4789, &with(&[8, 0, 0, 0, 0, 0, 1, 0], &ethernet(0x0800, &bytes)));
        }
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        bytes.truncate(keep.index(bytes.len() * 2).max(1));
        if let Ok(Decoded::Ip(packet)) = decode_innermost(LinkType::RawIp, &bytes) {
            prop_assert!(packet.payload.len() + packet.header.len() <= bytes.len());
            let _ = (packet.icmp(), packet.tcp_options().count(), packet.steering_hash());
            if let Some(tunnel) = packet.tunnel {
                prop_assert!(usize::from(tunnel.depth) <= MAX_TUNNELS);
                let outside = tunnel.outermost();
                let Ok(Decoded::Ip(closed)) = decode(LinkType::RawIp, &bytes) else { panic!("the outer packet") };
                prop_assert_eq!((outside.source.ip, outside.destination.ip, outside.proto), (closed.src, closed.dst, closed.proto));
            }
        }
    }

    #[test]
    fn any_options_come_to_an_end(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
        prop_assert!(TcpOptions::new(&bytes).count() <= bytes.len());
    }
}
