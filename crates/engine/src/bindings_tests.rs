use etherparse::PacketBuilder;

use super::*;

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 5];

fn frame(mac: [u8; 6], tags: &[u16], kind: u16, rest: &[u8]) -> Vec<u8> {
    let mut frame = [[0xff; 6], mac].concat();
    for tag in tags {
        frame.extend([0x81, 0, (tag >> 8) as u8, *tag as u8]);
    }
    frame.extend(kind.to_be_bytes());
    frame.extend(rest);
    frame
}

fn arp(ip: [u8; 4], mac: [u8; 6], tags: &[u16]) -> Vec<u8> {
    let body = [&[0, 1, 8, 0, 6, 4, 0, 2][..], &mac, &ip, &[0; 6], &[10, 0, 0, 1]].concat();
    frame(mac, tags, 0x0806, &body)
}

fn told(frame: &[u8]) -> Option<(String, Station)> {
    let seen = sighting(&decode(LinkType::Ethernet, frame).unwrap(), LinkType::Ethernet, frame)?;
    Some((seen.ip.to_string(), seen.station))
}

fn dhcp(kind: u8, relay: u8) -> Vec<u8> {
    let mut payload = [0; 240];
    payload[..3].copy_from_slice(&[2, 1, 6]);
    payload[16..20].copy_from_slice(&[10, 0, 0, 5]);
    payload[27] = relay;
    payload[28..34].copy_from_slice(&MAC);
    payload[236..].copy_from_slice(&[99, 130, 83, 99]);
    let payload = [&payload[..], &[0, 53, 1, kind, 255]].concat();
    let builder =
        PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], MAC).ipv4([10, 0, 0, 1], [10, 0, 0, 5], 64).udp(67, 68);
    let mut frame = Vec::new();
    builder.write(&mut frame, &payload).unwrap();
    frame
}

fn advertisement(hop_limit: u8) -> Vec<u8> {
    let target: std::net::Ipv6Addr = "fe80::5".parse().unwrap();
    let body = [&target.octets()[..], &[2, 1], &MAC].concat();
    let builder = PacketBuilder::ethernet2(MAC, [0x33, 0x33, 0, 0, 0, 1])
        .ipv6(target.octets(), [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], hop_limit)
        .icmpv6_raw(136, 0, [0x20, 0, 0, 0]);
    let mut frame = Vec::new();
    builder.write(&mut frame, &body).unwrap();
    frame
}

#[test]
fn arp_neighbors_and_leases_tell_where_hosts_live() {
    let here = Station { mac: MAC, vlans: 0 };
    assert_eq!(told(&arp([10, 0, 0, 5], MAC, &[])), Some(("10.0.0.5".into(), here)));
    let tagged = Station { vlans: 0x1007, ..here };
    assert_eq!(told(&arp([10, 0, 0, 5], MAC, &[0, 7])), Some(("10.0.0.5".into(), tagged)), "a priority tag");
    assert_eq!(told(&arp([0; 4], MAC, &[])), None, "a probe");
    assert_eq!(told(&dhcp(5, 0)), Some(("10.0.0.5".into(), here)));
    assert_eq!((told(&dhcp(2, 0)), told(&dhcp(5, 1))), (None, None), "an offer, a relay");
    assert_eq!(told(&advertisement(255)), Some(("fe80::5".into(), here)));
    assert_eq!(told(&advertisement(64)), None, "from another link");
}

#[test]
fn a_frame_from_elsewhere_is_not_its_hosts() {
    let bindings = Bindings::default();
    let host = "10.0.0.5".parse().unwrap();
    let judge = |frame: &[u8]| bindings.judge(host, Some((LinkType::Ethernet, frame)), |_| {});
    let own = arp([10, 0, 0, 5], MAC, &[7]);
    assert_eq!(judge(&own), Binding::Unknown);
    let seen = sighting(&decode(LinkType::Ethernet, &own).unwrap(), LinkType::Ethernet, &own).unwrap();
    assert_eq!(bindings.learn(seen), Learned::Known);
    assert_eq!(judge(&own), Binding::Matches);
    assert_eq!(judge(&frame(MAC, &[8], 0x0800, b"")), Binding::Differs, "another VLAN");
    assert_eq!(judge(&frame([2; 6], &[7], 0x0800, b"")), Binding::Differs, "another MAC address");
    bindings.clear();
    assert_eq!(judge(&own), Binding::Unknown);
}

#[test]
fn a_flood_of_addresses_is_bounded() {
    let bindings = Bindings::default();
    let station = Station { mac: MAC, vlans: 0 };
    let mut evicted = 0;
    for i in 0..2 * MAX_BINDINGS as u32 {
        let ip = std::net::Ipv4Addr::from(0x0a00_0000 + i).into();
        evicted += usize::from(bindings.learn(Sighting { ip, station }) == Learned::Evicted);
    }
    assert!((MAX_BINDINGS..2 * MAX_BINDINGS).contains(&evicted), "{evicted}");
}
