use super::*;
use crate::{Packet, Transport, TunnelKind, decode, decode_innermost};

/// An IPv4 packet with this fragment field.
fn v4(field: u16, id: u16, proto: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0];
    packet.extend((20 + body.len() as u16).to_be_bytes());
    packet.extend(id.to_be_bytes());
    packet.extend(field.to_be_bytes());
    packet.extend([64, proto, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    packet.extend(body);
    packet
}

/// An IPv6 packet with hop-by-hop options before its fragment header.
fn v6(field: u16, id: u32, next: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend((16 + body.len() as u16).to_be_bytes());
    packet.extend([0, 64]);
    packet.extend([0x20; 16]);
    packet.extend([0x21; 16]);
    packet.extend([44, 0, 1, 4, 0, 0, 0, 0]);
    packet.extend([next, 0]);
    packet.extend(field.to_be_bytes());
    packet.extend(id.to_be_bytes());
    packet.extend(body);
    packet
}

fn ethernet(kind: u16, packet: &[u8]) -> Vec<u8> {
    let mut frame = vec![2; 12];
    frame.extend([0x81, 0, 0, 7]);
    frame.extend(kind.to_be_bytes());
    frame.extend(packet);
    frame
}

fn ip<'a>(decoded: Result<Decoded<'a>, crate::Malformed>) -> Packet<'a> {
    let Ok(Decoded::Ip(packet)) = decoded else { panic!("{decoded:?}") };
    packet
}

const UDP: &[u8] = &[0x30, 0x39, 0, 53, 0, 20, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];

#[test]
fn a_fragment_is_found_behind_link_and_extension_headers() {
    for (frame, v4) in [
        (ethernet(0x0800, &v4(0x2000 | 3, 0x1234, 17, UDP)), true),
        (ethernet(0x86dd, &v6(3 << 3 | 1, 0x1234, 17, UDP)), false),
    ] {
        let found = fragment(LinkType::Ethernet, &frame, true).unwrap();
        assert_eq!((found.offset, found.more, found.data), (24, true, UDP));
        assert_eq!((found.key.id, found.key.proto.0), (0x1234, if v4 { 17 } else { 0 }));
        assert!(found.key.vlans.ids().eq([7]));
        assert_eq!(found.head_len(), 18 + if v4 { 20 } else { 48 });
        assert_eq!(found.max_payload(), if v4 { 65_515 } else { 65_527 });
    }
}

#[test]
fn the_head_makes_a_packet_of_the_whole() {
    for frame in [ethernet(0x0800, &v4(0x2000, 9, 17, UDP)), ethernet(0x86dd, &v6(1, 9, 17, UDP))] {
        let first = fragment(LinkType::Ethernet, &frame, false).unwrap();
        let mut whole = Vec::new();
        let head = first.write_head(&mut whole);
        whole.extend_from_slice(first.data);
        whole.extend([9, 10, 11, 12]);
        head.close(&mut whole);
        let packet = ip(decode(LinkType::Ethernet, &whole));
        assert!(!packet.fragment);
        assert_eq!(packet.transport, Transport::Udp { src_port: 12_345, dst_port: 53 });
        assert_eq!(packet.payload, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        assert_eq!((packet.missing, packet.vlans.ids().collect()), (0, vec![7]));
        if whole[18] >> 4 == 4 {
            let sum: u32 = whole[18..38].chunks(2).map(|w| u32::from(be16(w, 0))).sum();
            assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff, "the checksum is right");
        }
    }
}

#[test]
fn a_tunnel_stays_around_it() {
    // 6in4: the outer header is IPv4, what was fragmented is IPv6.
    let frame = ethernet(0x0800, &v4(0, 1, 41, &v6(1, 9, 17, UDP)));
    assert!(fragment(LinkType::Ethernet, &frame, false).is_none());
    let first = fragment(LinkType::Ethernet, &frame, true).unwrap();
    let mut whole = Vec::new();
    let head = first.write_head(&mut whole);
    whole.extend_from_slice(first.data);
    whole.extend([9; 4]);
    head.close(&mut whole);
    let packet = ip(decode_innermost(LinkType::Ethernet, &whole));
    assert_eq!((packet.src, packet.payload.len(), packet.missing), (IpAddr::from([0x20; 16]), 12, 0));
    assert!(!packet.fragment && packet.tunnel.is_some_and(|tunnel| tunnel.kind == TunnelKind::IpInIp));
}

#[test]
fn atomic_fragments_are_none() {
    let frame = ethernet(0x86dd, &v6(0, 9, 17, UDP));
    assert!(!ip(decode(LinkType::Ethernet, &frame)).fragment);
    assert!(fragment(LinkType::Ethernet, &frame, true).is_none());
}

#[test]
fn tiny_first_fragments_are_no_malformed_packets() {
    // RFC 1858: eight bytes of a TCP header.
    for frame in [ethernet(0x0800, &v4(0x2000, 9, 6, &[1; 8])), ethernet(0x86dd, &v6(1, 9, 6, &[1; 8]))] {
        let packet = ip(decode(LinkType::Ethernet, &frame));
        assert_eq!((packet.fragment, packet.transport), (true, Transport::Other));
    }
}

#[test]
fn every_prefix_of_a_fragment_is_a_value() {
    for frame in [ethernet(0x0800, &v4(0x2000, 9, 17, UDP)), ethernet(0x86dd, &v6(1, 9, 17, UDP))] {
        for len in 0..frame.len() {
            if let Some(found) = fragment(LinkType::Ethernet, &frame[..len], true) {
                assert_eq!(found.data.len() + found.missing as usize, UDP.len());
            }
        }
    }
}

#[test]
fn what_cannot_be_a_fragment_is_none() {
    // "Don't fragment" is not "more fragments"; a tunnel, a tag and IPv6 are left to those who look closely.
    let untagged = |kind: u16, packet: Vec<u8>| [&[2; 12][..], &kind.to_be_bytes(), &packet].concat();
    let tcp = |field| untagged(0x0800, v4(field, 9, 6, &[0x50; 20]));
    assert!(
        cannot_be_fragment(LinkType::Ethernet, &tcp(0))
            && cannot_be_fragment(LinkType::Ethernet, &tcp(0x4000))
    );
    for field in [0x2000, 0x0001, 0x1fff, 0x6000] {
        assert!(!cannot_be_fragment(LinkType::Ethernet, &tcp(field)), "{field:#x}");
        assert!(ip(decode_innermost(LinkType::Ethernet, &tcp(field))).fragment, "{field:#x}");
    }
    assert!(!cannot_be_fragment(LinkType::RawIp, &tcp(0)));
    for proto in [4, 17, 41, 47] {
        assert!(!cannot_be_fragment(LinkType::Ethernet, &untagged(0x0800, v4(0, 9, proto, UDP))), "{proto}");
    }
    assert!(!cannot_be_fragment(LinkType::Ethernet, &ethernet(0x0800, &v4(0, 9, 6, &[0x50; 20]))));
    assert!(!cannot_be_fragment(LinkType::Ethernet, &untagged(0x86dd, v6(1, 9, 6, &[1; 8]))));
    for len in 0..24 {
        assert!(!cannot_be_fragment(LinkType::Ethernet, &tcp(0)[..len]), "{len}");
    }
}
