use core::net::IpAddr;

use etherparse::{NetHeaders, PacketBuilder, PacketHeaders, TransportHeader};
use proptest::prelude::*;

use super::*;

fn packet(frame: &[u8]) -> Packet<'_> {
    match decode(LinkType::Ethernet, frame) {
        Ok(Decoded::Ip(packet)) => packet,
        other => panic!("not a packet: {other:?}"),
    }
}

fn udp4(payload: &[u8]) -> Vec<u8> {
    let builder =
        PacketBuilder::ethernet2([1; 6], [2; 6]).ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).udp(1234, 53);
    let mut frame = Vec::new();
    builder.write(&mut frame, payload).unwrap();
    frame
}

/// Puts VLAN tags behind the MAC addresses.
fn tagged(frame: &[u8], tags: &[(u16, u16)]) -> Vec<u8> {
    let mut out = frame[..12].to_vec();
    for (tpid, id) in tags {
        out.extend(tpid.to_be_bytes());
        out.extend(id.to_be_bytes());
    }
    out.extend(&frame[12..]);
    out
}

#[test]
fn link_padding_is_not_payload() {
    let mut frame = udp4(b"hi");
    frame.resize(60, 0);
    assert_eq!(packet(&frame).payload, b"hi");
}

#[test]
fn a_datagram_ends_where_its_length_says() {
    let mut frame = udp4(b"abcd");
    frame[39] = 8 + 2; // the IP packet has room for more
    assert_eq!(packet(&frame).payload, b"ab");
    frame[39] = 8 + 9; // and here for less
    assert_eq!((packet(&frame).payload, packet(&frame).missing), (&b"abcd"[..], 5));
}

#[test]
fn tags_are_stripped_and_told() {
    let plain = udp4(b"q");
    let priority_and_id = 0xe000 | 100;
    assert_eq!(packet(&tagged(&plain, &[(0x8100, priority_and_id)])).vlans.ids().collect::<Vec<_>>(), [100]);
    let double = tagged(&plain, &[(0x88a8, 7), (0x8100, 8)]);
    assert_eq!(packet(&double).vlans.ids().collect::<Vec<_>>(), [7, 8]);
    // A priority alone is no VLAN.
    assert_eq!(packet(&tagged(&plain, &[(0x8100, 0xe000)])).vlans, packet(&plain).vlans);
    assert_eq!(packet(&tagged(&plain, &[(0x8100, 0), (0x8100, 8)])).vlans.ids().collect::<Vec<_>>(), [8]);
    let triple = [(0x8100, 1), (0x8100, 2), (0x8100, 3)];
    assert_eq!(packet(&tagged(&plain, &triple)).vlans.ids().collect::<Vec<_>>(), [1, 2, 3]);
    let four = [&triple[..], &[(0x8100, 4)]].concat();
    assert_eq!(decode(LinkType::Ethernet, &tagged(&plain, &four)), Err(Malformed::TooManyVlans));
    assert_eq!(decode(LinkType::Ethernet, &double[..17]), Err(Malformed::VlanTruncated));
}

#[test]
fn the_same_packet_on_every_link() {
    let frame = udp4(b"payload");
    let ip = &frame[14..];
    let want = packet(&frame);
    let mut cooked = vec![0; 14];
    cooked.extend([0x08, 0x00]);
    cooked.extend(ip);
    let cooked2 = [&[8, 0][..], &[0; 18], ip].concat();
    let null = [&[2, 0, 0, 0], ip].concat();
    let with = |head: &[u8]| [head, ip].concat();
    let snap = [0xaa, 0xaa, 3, 0, 0, 0, 8, 0];
    let wifi = |control: [u8; 2], len: usize| {
        let mut head = vec![0; len];
        head[..2].copy_from_slice(&control);
        [&head[..], &snap].concat()
    };
    let qos = wifi([0x88, 1], 26);
    let bare: &[u8] = &[0, 0, 8, 0, 0, 0, 0, 0];
    // Timestamp and flags in two words of presence bits; the flags say that the header is padded to 28 bytes.
    let mut padded = vec![0, 0, 25, 0, 3, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 9, 9, 9, 9, 9, 9, 9, 9, 0x20];
    padded.extend(wifi([0x88, 1], 28));
    let nflog = |attributes: &[u8]| {
        let mut all = [&[2, 0, 0, 0], attributes].concat();
        all.extend((4 + ip.len() as u16).to_le_bytes());
        all.extend([9, 0]);
        all
    };
    for (link, bytes) in [
        (LinkType::RawIp, ip.to_vec()),
        (LinkType::LinuxCooked, cooked),
        (LinkType::LinuxCooked2, cooked2),
        (LinkType::Null, null),
        (LinkType::Slip, with(&[0; 16])),
        (LinkType::Ppp, with(&[0, 0x21])),
        (LinkType::Ppp, with(&[0x21])),
        (LinkType::Ppp, with(&[0xff, 3, 0, 0x21])),
        (LinkType::Ppp, with(&[0xff, 3, 0x02, 0x81, 0, 1, 0x11, 64])),
        (LinkType::PppHdlc, with(&[0xff, 3, 0, 0x21])),
        (LinkType::PppHdlc, with(&[0x0f, 0, 8, 0])),
        (LinkType::CiscoHdlc, with(&[0x8f, 0, 8, 0])),
        (LinkType::CiscoHdlc, with(&[0x8f, 0, 0x88, 0x47, 0, 1, 0x11, 64])),
        (LinkType::FrameRelay, with(&[0x18, 0x41, 3, 0xcc])),
        (LinkType::FrameRelay, with(&[0x18, 0x41, 3, 0, 0x80, 0, 0, 0, 8, 0])),
        (LinkType::FrameRelay, with(&[0x18, 0x41, 8, 0])),
        (LinkType::Fddi, with(&[&[0; 13], &snap[..]].concat())),
        (LinkType::Ieee80211, with(&wifi([8, 1], 24))),
        (LinkType::Ieee80211, with(&wifi([8, 3], 30))),
        (LinkType::Ieee80211, with(&qos)),
        (LinkType::Ieee80211, with(&wifi([0x88, 0x81], 30))),
        (LinkType::Radiotap, with(&[bare, &qos].concat())),
        (LinkType::Radiotap, with(&padded)),
        (LinkType::Ppi, with(&[&[0, 0, 8, 0, 105, 0, 0, 0], &qos[..]].concat())),
        (LinkType::Nflog, with(&nflog(&[]))),
        (LinkType::Nflog, with(&nflog(&[8, 0, 1, 0, 8, 0, 1, 0, 5, 0, 10, 0, 0, 0, 0, 0]))),
    ] {
        assert_eq!(decode(link, &bytes), Ok(Decoded::Ip(want)), "{link:?} {bytes:02x?}");
    }
    for &link in LinkType::ALL {
        assert_eq!(LinkType::from_pcap(i32::from(link.to_pcap())), Some(link));
    }
    // LLC/SNAP: a length instead of a type, then the type (RFC 1042).
    let mut snap = frame[..12].to_vec();
    snap.extend((ip.len() as u16 + 8).to_be_bytes());
    snap.extend([0xaa, 0xaa, 3, 0, 0, 0, 8, 0]);
    snap.extend(ip);
    assert_eq!(packet(&snap), want);
}

#[test]
fn what_is_not_ip_says_what_it_is() {
    let mut arp = udp4(b"");
    arp[12..14].copy_from_slice(&[0x08, 0x06]);
    assert_eq!(decode(LinkType::Ethernet, &arp), Ok(Decoded::NonIp(0x0806)));
}

#[test]
fn contradictions_have_names() {
    let broken = |at: usize, value: u8| {
        let mut frame = udp4(b"abcd");
        frame[at] = value;
        decode(LinkType::Ethernet, &frame).unwrap_err()
    };
    assert_eq!(broken(14, 0x65), Malformed::Ipv4Version);
    assert_eq!(broken(14, 0x44), Malformed::Ipv4HeaderLength);
    assert_eq!(broken(14, 0x4f), Malformed::Ipv4TotalLength);
    assert_eq!(broken(39, 7), Malformed::UdpLength);
    let frame = udp4(b"abcd");
    let short = |len: usize| decode(LinkType::Ethernet, &frame[..len]).unwrap_err();
    assert_eq!(short(13), Malformed::EthernetTruncated);
    assert_eq!(short(33), Malformed::Ipv4Truncated);
    // The sender meant well: the capture cut it.
    assert_eq!(short(41), Malformed::Ipv4Cut);
    for reason in Malformed::ALL {
        assert_eq!(Malformed::ALL[*reason as usize], *reason);
    }
}

#[test]
fn a_short_snap_length_is_told() {
    let frame = udp4(&[7; 100]);
    let cut = packet(&frame[..frame.len() - 60]);
    assert_eq!((cut.payload.len(), cut.missing), (40, 60));
}

#[test]
fn fragments_are_marked_and_have_ports_only_in_front() {
    let mut first = udp4(&[0; 32]);
    first[20] = 0x20; // more fragments
    assert!(packet(&first).fragment);
    assert_eq!(packet(&first).source().port, 1234);
    let mut later = udp4(&[0; 32]);
    later[21] = 4; // offset 32
    assert!(packet(&later).fragment);
    assert_eq!((packet(&later).transport, packet(&later).source().port), (Transport::Other, 0));
}

#[test]
fn ipv6_extension_headers_are_walked_up_to_a_limit() {
    let ipv6 = |extensions: usize| {
        let mut frame = vec![2; 12];
        frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
        frame.extend((extensions as u16 * 8 + 12).to_be_bytes());
        frame.extend([if extensions == 0 { 17 } else { 60 }, 64]);
        frame.extend([0x20; 32]);
        for i in 0..extensions {
            frame.extend([if i + 1 == extensions { 17 } else { 60 }, 0, 1, 4, 0, 0, 0, 0]);
        }
        frame.extend([0, 5, 0, 6, 0, 12, 0, 0]);
        frame.extend(b"data");
        frame
    };
    for extensions in 0..MAX_EXTENSION_HEADERS {
        let frame = ipv6(extensions);
        let found = packet(&frame);
        assert_eq!(
            (found.proto, found.transport.ports(), found.payload),
            (IpProto::UDP, (5, 6), &b"data"[..])
        );
    }
    let deep = ipv6(MAX_EXTENSION_HEADERS);
    assert_eq!(decode(LinkType::Ethernet, &deep), Err(Malformed::TooManyIpv6Extensions));
}

#[test]
fn both_directions_have_one_key() {
    let (a, b) = (
        Endpoint { ip: "10.0.0.1".parse().unwrap(), port: 40000 },
        Endpoint { ip: "10.0.0.2".parse().unwrap(), port: 80 },
    );
    let (there, back) = (
        FlowKey::new(a, b, IpProto::TCP, Vlans::default()),
        FlowKey::new(b, a, IpProto::TCP, Vlans::default()),
    );
    assert_eq!(there.0, back.0);
    assert_ne!(there.1, back.1);
    assert_eq!(there.0.stable_hash(), back.0.stable_hash());
    let mut tag = Vlans::default();
    assert!(tag.push(5));
    assert_ne!(FlowKey::new(a, b, IpProto::TCP, tag).0, there.0);
    assert_ne!(FlowKey::new(a, b, IpProto::UDP, Vlans::default()).0, there.0);
}

#[test]
fn host_keys_keep_the_family() {
    for text in ["10.1.2.3", "2001:db8::1", "::1"] {
        let ip: IpAddr = text.parse().unwrap();
        assert_eq!(HostKey::from(ip).to_string(), text);
        assert_eq!(HostKey::from_octets(HostKey::from(ip).octets()).ip(), ip);
    }
}

#[derive(Clone, Debug)]
enum L4 {
    Tcp { seq: u32, ack: u32, flags: u8, window: u16 },
    Udp,
}

prop_compose! {
    fn any_l4()(tcp in any::<bool>(), seq in any::<u32>(), ack in any::<u32>(), flags in any::<u8>(), window in any::<u16>()) -> L4 {
        if tcp { L4::Tcp { seq, ack, flags, window } } else { L4::Udp }
    }
}

/// A well-formed frame made by etherparse.
fn build(
    v6: bool,
    tag: Option<u16>,
    hosts: [[u8; 16]; 2],
    ports: [u16; 2],
    l4: &L4,
    payload: &[u8],
) -> Vec<u8> {
    let builder = PacketBuilder::ethernet2([1; 6], [2; 6]);
    let four = |host: [u8; 16]| [host[0], host[1], host[2], host[3]];
    let ip = match (tag, v6) {
        (None, false) => builder.ipv4(four(hosts[0]), four(hosts[1]), 64),
        (None, true) => builder.ipv6(hosts[0], hosts[1], 64),
        (Some(id), v6) => {
            let builder = builder.single_vlan(id.try_into().unwrap());
            if v6 {
                builder.ipv6(hosts[0], hosts[1], 64)
            } else {
                builder.ipv4(four(hosts[0]), four(hosts[1]), 64)
            }
        }
    };
    let mut frame = Vec::new();
    match *l4 {
        L4::Udp => ip.udp(ports[0], ports[1]).write(&mut frame, payload).unwrap(),
        L4::Tcp { seq, ack, flags, window } => {
            let mut header = etherparse::TcpHeader::new(ports[0], ports[1], seq, window);
            header.acknowledgment_number = ack;
            header.fin = flags & TcpFlags::FIN != 0;
            header.syn = flags & TcpFlags::SYN != 0;
            header.rst = flags & TcpFlags::RST != 0;
            header.psh = flags & TcpFlags::PSH != 0;
            header.ack = flags & TcpFlags::ACK != 0;
            header.urg = flags & TcpFlags::URG != 0;
            header.ece = flags & TcpFlags::ECE != 0;
            header.cwr = flags & TcpFlags::CWR != 0;
            ip.tcp_header(header).write(&mut frame, payload).unwrap();
        }
    }
    frame
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_bytes_decode_or_have_a_reason(link in prop::sample::select(LinkType::ALL), bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(link, &bytes);
        let _ = decode_innermost(link, &bytes);
    }

    /// One changed or missing byte reaches deeper than random bytes do.
    #[test]
    fn damaged_frames_decode_or_have_a_reason(
        v6 in any::<bool>(), l4 in any_l4(), at in any::<prop::sample::Index>(), value in any::<u8>(), keep in any::<prop::sample::Index>(),
    ) {
        let mut frame = build(v6, Some(5), [[9; 16], [7; 16]], [1, 2], &l4, b"payload");
        let at = at.index(frame.len());
        frame[at] = value;
        frame.truncate(keep.index(frame.len() + 1));
        if let Ok(Decoded::Ip(packet)) = decode(LinkType::Ethernet, &frame) {
            prop_assert!(packet.payload.len() <= frame.len());
        }
    }

    /// etherparse and we read the same out of what etherparse wrote.
    #[test]
    fn an_oracle_agrees(
        v6 in any::<bool>(), tag in proptest::option::of(0..4096_u16), hosts in any::<[[u8; 16]; 2]>(),
        ports in any::<[u16; 2]>(), l4 in any_l4(), payload in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let frame = build(v6, tag, hosts, ports, &l4, &payload);
        let ours = packet(&frame);
        let theirs = PacketHeaders::from_ethernet_slice(&frame).unwrap();
        match theirs.net.unwrap() {
            NetHeaders::Ipv4(ip, _) => {
                prop_assert_eq!((ours.src, ours.dst), (IpAddr::from(ip.source), IpAddr::from(ip.destination)));
            }
            NetHeaders::Ipv6(ip, _) => {
                prop_assert_eq!((ours.src, ours.dst), (IpAddr::from(ip.source), IpAddr::from(ip.destination)));
            }
            other => prop_assert!(false, "{other:?}"),
        }
        match (ours.transport, theirs.transport.unwrap()) {
            (Transport::Tcp(a), TransportHeader::Tcp(b)) => {
                prop_assert_eq!((a.src_port, a.dst_port, a.seq, a.ack, a.window),
                    (b.source_port, b.destination_port, b.sequence_number, b.acknowledgment_number, b.window_size));
                let bit = |flag| a.flags.any(flag);
                prop_assert_eq!((bit(TcpFlags::FIN), bit(TcpFlags::SYN), bit(TcpFlags::RST), bit(TcpFlags::ACK)), (b.fin, b.syn, b.rst, b.ack));
                prop_assert_eq!((bit(TcpFlags::PSH), bit(TcpFlags::URG), bit(TcpFlags::ECE), bit(TcpFlags::CWR)), (b.psh, b.urg, b.ece, b.cwr));
            }
            (Transport::Udp { src_port, dst_port }, TransportHeader::Udp(b)) => {
                prop_assert_eq!((src_port, dst_port), (b.source_port, b.destination_port));
            }
            other => prop_assert!(false, "{other:?}"),
        }
        prop_assert_eq!(ours.payload, &payload[..]);
        prop_assert!(ours.vlans.ids().eq(tag));
        prop_assert_eq!(ours.missing, 0);
    }
}
