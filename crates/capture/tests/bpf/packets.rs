//! Frames for the programs.

use etherparse::PacketBuilder;

pub const A: [u8; 4] = [10, 0, 0, 1];
pub const B: [u8; 4] = [10, 0, 0, 2];
pub const A6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
pub const B6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];

/// The map key of an IPv4 host.
pub fn key(host: [u8; 4]) -> [u8; 16] {
    std::net::Ipv4Addr::from(host).to_ipv6_mapped().octets()
}

pub fn udp(src: [u8; 4], dst: [u8; 4], ports: (u16, u16)) -> Vec<u8> {
    let mut frame = Vec::new();
    let builder = PacketBuilder::ethernet2([1; 6], [2; 6]).ipv4(src, dst, 64).udp(ports.0, ports.1);
    builder.write(&mut frame, b"0123456789").unwrap();
    frame
}

pub fn udp6(src: [u8; 16], dst: [u8; 16], ports: (u16, u16)) -> Vec<u8> {
    let mut frame = Vec::new();
    let builder = PacketBuilder::ethernet2([1; 6], [2; 6]).ipv6(src, dst, 64).udp(ports.0, ports.1);
    builder.write(&mut frame, b"0123456789").unwrap();
    frame
}

pub fn tcp(src: [u8; 4], dst: [u8; 4], ports: (u16, u16)) -> Vec<u8> {
    let mut frame = Vec::new();
    let builder = PacketBuilder::ethernet2([1; 6], [2; 6]).ipv4(src, dst, 64).tcp(ports.0, ports.1, 7, 1000);
    builder.write(&mut frame, b"0123456789").unwrap();
    frame
}

pub fn arp() -> Vec<u8> {
    let mut frame = vec![0xff; 12];
    frame.extend([8, 6]);
    frame.extend([0; 46]);
    frame
}

/// The frame with VLAN tags.
pub fn tagged(frame: &[u8], tpids: &[u16]) -> Vec<u8> {
    let mut out = frame[..12].to_vec();
    for tpid in tpids {
        out.extend(tpid.to_be_bytes());
        out.extend([0, 42]);
    }
    out.extend(&frame[12..]);
    out
}

/// An IPv6 frame with extension headers of these types, eight bytes each, before its transport header.
pub fn extended(frame: &[u8], headers: &[u8]) -> Vec<u8> {
    extended_by(frame, &headers.iter().map(|&kind| (kind, 0)).collect::<Vec<_>>())
}

/// The same, each with this length field.
pub fn extended_by(frame: &[u8], headers: &[(u8, u8)]) -> Vec<u8> {
    let mut out = frame[..54].to_vec();
    let transport = out[20];
    let after: Vec<u8> = headers.iter().map(|&(kind, _)| kind).skip(1).chain([transport]).collect();
    if let Some(&(first, _)) = headers.first() {
        out[20] = first;
    }
    for (next, &(kind, field)) in after.iter().zip(headers) {
        let len = match kind {
            44 => 8,
            // Authentication header: units of four, less two.
            51 => (usize::from(field) + 2) * 4,
            _ => (usize::from(field) + 1) * 8,
        };
        let at = out.len();
        out.resize(at + len, 0);
        (out[at], out[at + 1]) = (*next, if kind == 44 { 0 } else { field });
    }
    out.extend(&frame[54..]);
    let len = (out.len() - 54) as u16;
    out[18..20].copy_from_slice(&len.to_be_bytes());
    out
}

/// The frame behind MPLS labels.
pub fn labelled(frame: &[u8], labels: usize) -> Vec<u8> {
    let mut out = frame[..12].to_vec();
    out.extend([0x88, 0x47]);
    for n in 1..=labels {
        out.extend([0, 1, u8::from(n == labels), 64]);
    }
    out.extend(&frame[14..]);
    out
}

/// The frame with an IEEE 802.3 length, LLC and SNAP (RFC 1042) in place of its EtherType.
pub fn snap(frame: &[u8]) -> Vec<u8> {
    let len = (frame.len() - 14 + 8) as u16;
    [&frame[..12], &len.to_be_bytes(), &[0xaa, 0xaa, 3, 0, 0, 0], &frame[12..]].concat()
}

/// A message of multicast listener discovery (RFC 2710, RFC 3810), or what pretends to be one, behind these bytes of a
/// Hop-by-Hop header's options if there are some.
pub fn mld(kind: u8, hop_limit: u8, src: [u8; 16], dst: [u8; 16], options: &[u8], body: usize) -> Vec<u8> {
    let mut frame = [1; 12].to_vec();
    frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
    let before = if options.is_empty() { vec![] } else { [&[58, 0], options].concat() };
    frame.extend(((before.len() + 8 + body) as u16).to_be_bytes());
    frame.extend([if before.is_empty() { 58 } else { 0 }, hop_limit]);
    frame.extend([src, dst].concat());
    frame.extend(before);
    frame.extend([kind, 0, 0, 0, 0, 0, 0, 1]);
    frame.extend(vec![0; body]);
    frame
}

/// The frame in a PPPoE session; `protocol` is PPP's.
pub fn pppoe(frame: &[u8], protocol: u16) -> Vec<u8> {
    let mut out = frame[..12].to_vec();
    out.extend([0x88, 0x64, 0x11, 0, 0, 7]);
    out.extend(((frame.len() - 14 + 2) as u16).to_be_bytes());
    out.extend(protocol.to_be_bytes());
    out.extend(&frame[14..]);
    out
}

/// Between 192.0.2.1 and 192.0.2.2, IPv4 with this protocol and body.
pub fn ipv4(proto: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![1; 12];
    out.extend([8, 0, 0x45, 0]);
    out.extend((20 + body.len() as u16).to_be_bytes());
    out.extend([0, 0, 0, 0, 64, proto, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
    out.extend(body);
    out
}

/// A UDP datagram to this port with this payload, between the same.
pub fn datagram(port: u16, payload: &[u8]) -> Vec<u8> {
    let mut body = vec![0xc0, 0];
    body.extend(port.to_be_bytes());
    body.extend((8 + payload.len() as u16).to_be_bytes());
    body.extend([0, 0]);
    body.extend(payload);
    ipv4(17, &body)
}

/// The frame inside of every tunnel that is opened, by name.
pub fn tunnelled(frame: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let ip = &frame[14..];
    let six = ip[0] >> 4 == 6;
    let ethertype: [u8; 2] = if six { [0x86, 0xdd] } else { [8, 0] };
    let with = |head: &[u8], inner: &[u8]| [head, inner].concat();
    let (e0, e1) = (ethertype[0], ethertype[1]);
    vec![
        ("IP in IP", ipv4(if six { 41 } else { 4 }, ip)),
        ("GRE", ipv4(47, &with(&[0, 0, e0, e1], ip))),
        (
            "GRE with checksum, key, sequence",
            ipv4(47, &with(&[0xb0, 0, e0, e1, 9, 9, 9, 9, 8, 8, 8, 8, 7, 7, 7, 7], ip)),
        ),
        ("GRE with Ethernet", ipv4(47, &with(&[0, 0, 0x65, 0x58], frame))),
        ("VXLAN", datagram(4789, &with(&[8, 0, 0, 0, 0, 0, 1, 0], frame))),
        ("GENEVE", datagram(6081, &with(&[0, 0, 0x65, 0x58, 0, 0, 1, 0], frame))),
        (
            "GENEVE with options",
            datagram(6081, &with(&[2, 0, 0x65, 0x58, 0, 0, 1, 0, 1, 2, 3, 1, 5, 6, 7, 8], frame)),
        ),
        ("GENEVE with IP", datagram(6081, &with(&[0, 0, e0, e1, 0, 0, 1, 0], ip))),
        ("GTP-U", datagram(2152, &with(&[0x30, 255, 0, 9, 0, 0, 0, 1], ip))),
        ("GTP-U with sequence", datagram(2152, &with(&[0x32, 255, 0, 9, 0, 0, 0, 1, 0, 7, 0, 0], ip))),
        (
            "GTP-U with extension",
            datagram(2152, &with(&[0x34, 255, 0, 9, 0, 0, 0, 1, 0, 0, 0, 0x85, 1, 0, 9, 0], ip)),
        ),
    ]
}

/// The frame inside of every tunnel that workers open and the program does not, by name.
pub fn tunnelled_past_the_program(frame: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let ip = &frame[14..];
    let with = |head: &[u8], inner: &[u8]| [head, inner].concat();
    let mut tunnels = vec![
        ("ERSPAN I", ipv4(47, &with(&[0, 0, 0x88, 0xbe], frame))),
        ("ERSPAN II", ipv4(47, &with(&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 1, 0, 1, 0, 0, 0, 0], frame))),
        (
            "ERSPAN III",
            ipv4(47, &with(&[0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0], frame)),
        ),
        (
            "PPTP",
            ipv4(
                47,
                &with(
                    &[0x30, 1, 0x88, 0x0b, 0, 9, 0, 1, 0, 0, 0, 1, if frame[12] == 8 { 0x21 } else { 0x57 }],
                    ip,
                ),
            ),
        ),
    ];
    if ip[0] >> 4 == 6 {
        tunnels.push(("Teredo", datagram(3544, ip)));
    }
    tunnels
}

/// The frame as an IPv4 fragment: `field` is flags and offset.
pub fn fragment(frame: &[u8], field: u16) -> Vec<u8> {
    let mut out = frame.to_vec();
    out[20..22].copy_from_slice(&field.to_be_bytes());
    out
}

/// One frame of every shape that the programs tell apart, padded to at least 128 bytes.
pub fn shapes() -> Vec<(&'static str, Vec<u8>)> {
    let (four, six) = (udp(A, B, (1, 2)), udp6(A6, B6, (1, 2)));
    let mut options = tcp(A, B, (1, 2));
    options[14] = 0x4f; // forty bytes of options, as far as the header says
    let mut shapes = vec![
        ("arp", arp()),
        ("udp4", four.clone()),
        ("tcp4", tcp(A, B, (1, 2))),
        ("ipv4 options", options),
        ("first fragment", fragment(&four, 0x2000)),
        ("later fragment", fragment(&four, 0x0010)),
        ("vlan", tagged(&four, &[0x8100])),
        ("qinq", tagged(&four, &[0x88a8, 0x8100])),
        ("three tags", tagged(&four, &[0x88a8, 0x8100, 0x8100])),
        ("four tags", tagged(&four, &[0x88a8, 0x8100, 0x8100, 0x8100])),
        ("udp6", six.clone()),
        ("udp6 in vlan", tagged(&six, &[0x8100])),
        ("ipv6 extensions", extended(&six, &[0, 60, 43])),
        ("ipv6 fragment", extended(&six, &[44])),
        ("too many extensions", extended(&six, &[60; 12])),
        ("five tags", tagged(&six, &[0x8100; 5])),
        ("eighteen tags", tagged(&four, &[0x8100; 18])),
        ("llc", vec![0; 60]),
        ("snap", snap(&four)),
        ("snap 6 in vlan", tagged(&snap(&six), &[0x8100])),
        ("tags in snap", snap(&tagged(&four, &[0x8100; 2]))),
        ("mpls", labelled(&four, 1)),
        ("four labels", labelled(&six, 4)),
        ("five labels", labelled(&four, 5)),
        ("labels in qinq", tagged(&labelled(&four, 2), &[0x88a8, 0x8100])),
        ("pppoe", pppoe(&four, 0x0021)),
        ("pppoe 6 in vlan", tagged(&pppoe(&six, 0x0057), &[0x8100])),
        ("pppoe control", pppoe(&four, 0xc021)),
        ("authentication header", extended(&six, &[51])),
    ];
    shapes.extend(tunnelled(&four));
    shapes.extend(tunnelled(&six));
    shapes.extend(tunnelled_past_the_program(&six));
    let vxlan = tunnelled(&four).remove(4).1;
    shapes.push(("a tunnel in a tunnel", tunnelled(&vxlan).remove(1).1));
    for (_, frame) in &mut shapes {
        frame.resize(frame.len().max(128), 0);
    }
    shapes
}

/// The frame with other MAC addresses.
pub fn from_to(frame: &[u8], source: [u8; 6], destination: [u8; 6]) -> Vec<u8> {
    [&destination[..], &source, &frame[12..]].concat()
}

/// The frame with 802.1Q tags, outermost first.
pub fn in_vlan(frame: &[u8], vlans: &[u16]) -> Vec<u8> {
    let tags: Vec<u8> = vlans.iter().flat_map(|vlan| [[0x81, 0], vlan.to_be_bytes()].concat()).collect();
    [&frame[..12], &tags, &frame[12..]].concat()
}

/// A message of neighbor discovery (RFC 4861), or what pretends to be one.
pub fn ndp(kind: u8, hop_limit: u8, src: [u8; 16], dst: [u8; 16]) -> Vec<u8> {
    let mut frame = udp6(src, dst, (1, 2));
    (frame[20], frame[21], frame[54], frame[55]) = (58, hop_limit, kind, 0);
    frame
}

/// DHCP; only the ports say so.
pub fn dhcp(src: [u8; 4], dst: [u8; 4], ports: (u16, u16)) -> Vec<u8> {
    udp(src, dst, ports)
}

/// DHCPv6.
pub fn dhcp6(src: [u8; 16], dst: [u8; 16], ports: (u16, u16)) -> Vec<u8> {
    udp6(src, dst, ports)
}

/// Stations.
pub const X: [u8; 6] = [2, 0, 0, 0, 0, 0x0a];
pub const Y: [u8; 6] = [2, 0, 0, 0, 0, 0x0b];
pub const Z: [u8; 6] = [2, 0, 0, 0, 0, 0x0c];
