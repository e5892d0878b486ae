//! Every kind of target, direction and exception, through bpf/guard.bpf.c and the inline program.

use std::net::{IpAddr, Ipv4Addr};

use capture::{MAX_PEERS, REMEDIATION_CAPACITY, ScopeKind, Table, WriteError};
use libbpf_rs::{MapCore, MapHandle};
use wire::Scope;

use crate::kernel::{SECOND, XDP_DROP, capture_counts, now, run, sleep_until};
use crate::lab::{Lab, TICK};
use crate::packets::{
    A, A6, B, B6, X, Y, Z, arp, dhcp, dhcp6, from_to, in_vlan, ndp, tagged, tunnelled, udp, udp6,
};

/// Name and test.
pub const TESTS: &[(&str, fn())] = &[
    ("targets::a_network_is_cut_off_whole", networks),
    ("targets::families_are_kept_apart", families),
    ("targets::a_network_within_a_network_hides_nothing", nested_networks),
    ("targets::a_host_in_a_vlan_is_cut_off_there_only", vlans),
    ("targets::a_station_is_cut_off_whatever_it_sends", stations),
    ("targets::outbound_lets_answers_in", outbound),
    ("targets::peers_are_cut_off_and_nobody_else", peers),
    ("targets::tunnels_do_not_hide_anybody", tunnels),
    ("targets::remediation_stays_reachable", remediation),
    ("targets::a_host_keeps_its_address_and_its_neighbours", upkeep),
    ("targets::each_ends_by_itself", expiry),
    ("targets::each_counts_its_own_drops", counters),
];

fn networks() {
    let lab = Lab::new();
    lab.both("10.0.0.0/31");
    let c = [10, 0, 0, 3];
    assert!(lab.drops(&udp(A, c, (1, 2))) && lab.drops(&udp(c, A, (1, 2))));
    assert!(!lab.drops(&udp(B, c, (1, 2))) && !lab.drops(&udp6(A6, B6, (1, 2))) && !lab.drops(&arp()));
    let six = lab.both("2001:db8::/127");
    assert!(lab.drops(&udp6(A6, B6, (1, 2))) && lab.drops(&udp6(B6, A6, (1, 2))));
    let mut far = B6;
    far[0] = 0xfd;
    assert!(!lab.drops(&udp6(far, B6, (1, 2))));
    lab.map.remove(six).unwrap().unwrap();
    assert!(!lab.drops(&udp6(A6, B6, (1, 2))));
    assert!(lab.drops(&udp(A, c, (1, 2))));
    lab.map.remove("10.0.0.0/31".parse().unwrap()).unwrap().unwrap();
    assert!(!lab.drops(&udp(A, c, (1, 2))));
    assert_eq!(lab.map.remove(six).unwrap(), None);
}

fn families() {
    let lab = Lab::new();
    let (four, six) = (udp(A, B, (1, 2)), udp6(A6, B6, (1, 2)));
    let all = lab.both("::/0");
    assert!(lab.drops(&six) && !lab.drops(&four));
    lab.map.remove(all).unwrap();
    lab.both("0.0.0.0/0");
    assert!(!lab.drops(&six) && lab.drops(&four));
}

fn nested_networks() {
    let lab = Lab::new();
    let frame = udp(A, [192, 0, 2, 1], (1, 2));
    let back = udp([192, 0, 2, 1], A, (1, 2));
    // The smallest network that A is in lets it pass, for one reason or another; a greater one does not.
    let end = now() + SECOND / 10;
    lab.map.set("10.0.0.0/24".parse().unwrap(), &Scope::Both, end).unwrap();
    lab.isolate("10.0.0.0/16", &Scope::Outbound);
    lab.isolate("10.0.0.0/15", &Scope::Peers(vec![B.into()]));
    let greatest = lab.both("10.0.0.0/8");
    assert!(lab.drops(&back));
    sleep_until(end + TICK);
    assert!(lab.drops(&back), "an isolation that is over hides one that is not");
    assert_eq!(lab.entry(greatest).dropped_packets, 2);
    assert!(lab.drops(&frame), "outbound");
    assert_eq!(lab.entry(greatest).dropped_packets, 2);
    lab.map.remove(greatest).unwrap();
    assert!(!lab.drops(&back) && lab.drops(&frame));
    // As deep as it goes: every prefix of an address, all over but the widest.
    lab.map.remove("10.0.0.0/16".parse().unwrap()).unwrap();
    for prefix in 1..=31 {
        let net = format!("10.0.0.1/{prefix}").parse().unwrap();
        lab.map.set(net, &Scope::Both, 1).unwrap();
    }
    for prefix in 0..=127 {
        let net = format!("2001:db8::1/{prefix}").parse().unwrap();
        lab.map.set(net, &Scope::Both, if prefix == 0 { u64::MAX } else { 1 }).unwrap();
    }
    assert!(!lab.drops(&back));
    assert!(lab.drops(&udp6(B6, A6, (1, 2))));
}

fn vlans() {
    let lab = Lab::new();
    let frames = [udp(A, B, (1, 2)), udp(B, A, (1, 2))];
    let in_42 = lab.both("10.0.0.1@42");
    for frame in &frames {
        assert!(!lab.drops(frame));
        // `tagged` writes 42.
        assert!(lab.drops(&tagged(frame, &[0x8100])) && lab.drops(&tagged(frame, &[0x88a8, 0x8100])));
        assert!(lab.drops(&in_vlan(frame, &[42, 7])), "the outermost tag");
        assert!(!lab.drops(&in_vlan(frame, &[7, 42])) && !lab.drops(&in_vlan(frame, &[43])));
    }
    // Priority bits are none of the VLAN's name.
    let mut urgent = in_vlan(&frames[0], &[42]);
    urgent[14] |= 0xe0;
    assert!(lab.drops(&urgent));
    // Beside it the same host in every VLAN.
    let everywhere = lab.both("10.0.0.1");
    assert!(lab.drops(&frames[0]) && lab.drops(&in_vlan(&frames[0], &[43])));
    let before = lab.entry(everywhere).dropped_packets;
    lab.map.remove(everywhere).unwrap().unwrap();
    assert_eq!(before, 4, "the guard's and the inline port's");
    assert!(!lab.drops(&frames[0]) && lab.drops(&in_vlan(&frames[0], &[42])));
    lab.map.remove(in_42).unwrap().unwrap();
    assert!(!lab.drops(&in_vlan(&frames[0], &[42])));
    lab.both("2001:db8::1@0");
    let six = udp6(A6, B6, (1, 2));
    assert!(lab.drops(&in_vlan(&six, &[0])) && !lab.drops(&six));
}

fn stations() {
    let lab = Lab::new();
    let station = lab.both("02:00:00:00:00:0a");
    for frame in [udp(A, B, (1, 2)), udp6(A6, B6, (1, 2)), arp(), vec![0; 60]] {
        assert!(lab.drops(&from_to(&frame, X, Y)) && lab.drops(&from_to(&frame, Y, X)));
        assert!(!lab.drops(&from_to(&frame, Y, Z)));
        assert!(lab.drops(&in_vlan(&from_to(&frame, X, Y), &[7])));
    }
    lab.isolate("02:00:00:00:00:0a", &Scope::Outbound);
    assert!(lab.drops(&from_to(&arp(), X, Y)) && !lab.drops(&from_to(&arp(), Y, X)));
    lab.isolate("02:00:00:00:00:0a", &Scope::Peers(vec![B.into()]));
    assert!(!lab.drops(&from_to(&arp(), X, Y)));
    assert!(lab.drops(&from_to(&udp(A, B, (1, 2)), X, Y)) && lab.drops(&from_to(&udp(B, A, (1, 2)), Y, X)));
    assert!(!lab.drops(&from_to(&udp(B, A, (1, 2)), X, Y)), "the other end is A");
    lab.map.remove(station).unwrap().unwrap();
    assert!(!lab.drops(&from_to(&udp(A, B, (1, 2)), X, Y)));
}

fn outbound() {
    let lab = Lab::new();
    lab.isolate("10.0.0.1", &Scope::Outbound);
    lab.isolate("2001:db8::/128", &Scope::Outbound);
    lab.isolate("2001:db8::1", &Scope::Outbound);
    assert!(lab.drops(&udp(A, B, (1, 2))) && !lab.drops(&udp(B, A, (1, 2))));
    assert!(lab.drops(&udp6(A6, B6, (1, 2))) && !lab.drops(&udp6(B6, A6, (1, 2))));
    // A new scope of a running isolation keeps its counters.
    let again = lab.map.set("10.0.0.1".parse().unwrap(), &Scope::Both, now() + SECOND).unwrap();
    assert!(again.extended);
    let entry = lab.entry("10.0.0.1".parse().unwrap());
    assert_eq!((entry.scope, entry.dropped_packets), (ScopeKind::Both, 2));
    assert!(lab.drops(&udp(B, A, (1, 2))));
}

fn peers() {
    let lab = Lab::new();
    let c = [10, 0, 0, 3];
    let scope = Scope::Peers(vec![B.into(), IpAddr::from(B6)]);
    for target in ["10.0.0.1", "2001:db8::1", "10.9.0.0/16", "10.0.0.7@42"] {
        let target = lab.isolate(target, &scope);
        assert_eq!(lab.map.scope(target, &lab.entry(target)), scope);
    }
    assert!(lab.drops(&udp(A, B, (1, 2))) && lab.drops(&udp(B, A, (1, 2))));
    assert!(
        !lab.drops(&udp(A, c, (1, 2))) && !lab.drops(&udp(c, A, (1, 2))) && !lab.drops(&udp(B, c, (1, 2)))
    );
    assert!(lab.drops(&udp6(A6, B6, (1, 2))) && lab.drops(&udp([10, 9, 1, 1], B, (1, 2))));
    assert!(!lab.drops(&udp([10, 9, 1, 1], c, (1, 2))));
    assert!(lab.drops(&in_vlan(&udp(B, [10, 0, 0, 7], (1, 2)), &[42])));
    // Others instead.
    lab.isolate("10.0.0.1", &Scope::Peers(vec![c.into()]));
    assert!(!lab.drops(&udp(A, B, (1, 2))) && lab.drops(&udp(A, c, (1, 2))));
    let most: Vec<IpAddr> = (0..MAX_PEERS as u8).map(|n| [192, 0, 2, n].into()).collect();
    lab.isolate("10.0.0.1", &Scope::Peers(most.clone()));
    assert!(most.iter().all(|&peer| match peer {
        IpAddr::V4(peer) => lab.drops(&udp(A, peer.octets(), (1, 2))),
        IpAddr::V6(_) => unreachable!(),
    }));
    let target = "10.0.0.1".parse().unwrap();
    for wrong in [vec![], [most, vec![B.into()]].concat()] {
        let count = wrong.len();
        let refused = lab.map.set(target, &Scope::Peers(wrong), now() + SECOND);
        assert_eq!(refused, Err(WriteError::Peers(count)));
    }
    // Peers go with their target.
    let pinned = MapHandle::from_pinned_path(lab.folder.join("isolation_peers")).unwrap();
    assert_eq!(pinned.keys().count(), 4);
    lab.both("10.0.0.1");
    assert_eq!(pinned.keys().count(), 3);
    lab.map.remove("10.9.0.0/16".parse().unwrap()).unwrap().unwrap();
    assert_eq!(pinned.keys().count(), 2);
}

fn tunnels() {
    let lab = Lab::new();
    let inner = udp(A, [172, 16, 0, 1], (1, 2));
    // Guards look at the outermost packet alone.
    let isolated = |frame: &[u8]| {
        let before = capture_counts(&lab.inline)[4];
        run(&lab.inline.progs.rw_inline, frame);
        capture_counts(&lab.inline)[4] > before
    };
    let within = lab.both("10.0.0.0/24");
    for (name, frame) in tunnelled(&inner) {
        assert!(isolated(&frame), "{name}");
        lab.map.set_remediation(&["172.16.0.0/12".parse().unwrap()]).unwrap();
        assert!(!isolated(&frame), "{name}: remediation within");
        lab.map.set_remediation(&[]).unwrap();
    }
    lab.map.remove(within).unwrap();
    // `tunnelled` builds its outer packets between 192.0.2.1 and 192.0.2.2.
    lab.both("192.0.2.1");
    for (name, frame) in tunnelled(&inner) {
        assert!(isolated(&frame), "{name}: the tunnel's end");
    }
}

fn remediation() {
    let lab = Lab::new();
    let edr = [10, 9, 0, 5];
    lab.both("10.0.0.1");
    lab.both("10.0.4.0/24");
    lab.both("2001:db8::1");
    lab.both("02:00:00:00:00:0a");
    lab.both("10.0.0.6@42");
    let frames = || {
        [
            udp(A, edr, (1, 2)),
            udp(edr, A, (1, 2)),
            udp([10, 0, 4, 7], edr, (1, 2)),
            udp6(B6, A6, (1, 2)),
            from_to(&udp([172, 16, 0, 1], edr, (1, 2)), X, Y),
            in_vlan(&udp(edr, [10, 0, 0, 6], (1, 2)), &[42]),
        ]
    };
    assert!(frames().iter().all(|frame| lab.drops(frame)));
    lab.map.set_remediation(&["10.9.0.0/29".parse().unwrap(), "2001:db8::2/128".parse().unwrap()]).unwrap();
    for (n, frame) in frames().iter().enumerate() {
        assert!(!lab.drops(frame), "{n}");
    }
    assert!(lab.drops(&udp(A, B, (1, 2))), "others are cut off as before");
    assert!(lab.drops(&udp(A, [10, 9, 0, 9], (1, 2))), "just outside");
    // Two isolated hosts do not reach each other because one of them is a remediation peer.
    lab.both("10.9.0.5");
    assert!(lab.drops(&udp(A, edr, (1, 2))) && lab.drops(&udp(edr, A, (1, 2))));
    lab.map.remove("10.9.0.5".parse().unwrap()).unwrap();
    // A new set takes the place of the old one.
    lab.map.set_remediation(&["10.9.0.5/32".parse().unwrap()]).unwrap();
    assert!(!lab.drops(&udp(A, edr, (1, 2))) && lab.drops(&udp6(B6, A6, (1, 2))));
    assert!(lab.drops(&udp(A, [10, 9, 0, 4], (1, 2))));
    lab.map.set_remediation(&[]).unwrap();
    assert!(frames().iter().all(|frame| lab.drops(frame)));
    let many: Vec<_> = (0..=REMEDIATION_CAPACITY)
        .map(|n| ipnet::IpNet::new(Ipv4Addr::from(0x0b00_0000 + n).into(), 32).unwrap())
        .collect();
    assert_eq!(lab.map.set_remediation(&many), Err(WriteError::Full(Table::Remediation)));
    lab.map.set_remediation(&many[1..]).unwrap();
    lab.map.set_remediation(&many[..1024]).unwrap();
    assert!(!lab.drops(&udp(A, [11, 0, 0, 0], (1, 2))) && lab.drops(&udp(A, [11, 0, 4, 0], (1, 2))));
}

fn upkeep() {
    let lab = Lab::new();
    let server = [192, 0, 2, 67];
    let everybody = [255; 4];
    let link = |last: u8| {
        let mut addr = [0; 16];
        (addr[0], addr[1], addr[15]) = (0xfe, 0x80, last);
        addr
    };
    let agents = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2];
    let useful = [
        ndp(133, 255, A6, B6),
        ndp(134, 255, B6, A6),
        ndp(135, 255, A6, B6),
        ndp(136, 255, B6, A6),
        dhcp(A, everybody, (68, 67)),
        dhcp(server, A, (67, 68)),
        dhcp6(link(1), agents, (546, 547)),
        dhcp6(link(9), link(1), (547, 546)),
    ];
    let abused = [
        ndp(135, 254, A6, B6),
        ndp(137, 255, A6, B6),
        ndp(134, 255, A6, B6),
        ndp(128, 255, A6, B6),
        dhcp(A, server, (68, 67)),
        dhcp(A, everybody, (67, 68)),
        dhcp(A, everybody, (68, 69)),
        dhcp6(link(1), B6, (546, 547)),
        dhcp6(B6, link(1), (547, 546)),
    ];
    for target in ["10.0.0.1", "2001:db8::1", "fe80::1"] {
        lab.both(target);
    }
    let all = |frames: &[Vec<u8>], dropped: bool| {
        for (n, frame) in frames.iter().enumerate() {
            assert_eq!(lab.drops(frame), dropped, "{n}");
            assert_eq!(lab.drops(&in_vlan(frame, &[5])), dropped, "{n} in a VLAN");
        }
    };
    all(&useful, false);
    all(&abused, true);
    // The same for networks.
    for target in ["10.0.0.1", "2001:db8::1", "fe80::1"] {
        lab.map.remove(target.parse().unwrap()).unwrap().unwrap();
    }
    for target in ["10.0.0.1/31", "2001:db8::1/127", "fe80::1/127"] {
        lab.both(target);
    }
    all(&useful, false);
    all(&abused, true);
    for target in ["10.0.0.1/31", "2001:db8::1/127", "fe80::1/127"] {
        lab.map.remove(target.parse().unwrap()).unwrap().unwrap();
    }
    // A station gets nothing, unless there is somebody that it must find.
    lab.both("02:00:00:00:00:0a");
    let from_x = |frame: &Vec<u8>| from_to(frame, X, Y);
    let useful: Vec<_> = [0, 2, 4, 6].iter().map(|&n| from_x(&useful[n])).chain([from_x(&arp())]).collect();
    let abused: Vec<_> = abused.iter().map(from_x).collect();
    all(&useful, true);
    lab.map.set_remediation(&["10.9.0.5/32".parse().unwrap()]).unwrap();
    all(&useful, false);
    all(&abused, true);
}

fn expiry() {
    let lab = Lab::new();
    let end = now() + SECOND / 5;
    let frames = [
        ("10.0.0.0/31", udp(A, [10, 0, 0, 3], (1, 2))),
        ("10.0.0.5@42", in_vlan(&udp([10, 0, 0, 5], [10, 0, 0, 3], (1, 2)), &[42])),
        ("02:00:00:00:00:0a", from_to(&arp(), X, Y)),
        ("2001:db8::1", udp6(A6, B6, (1, 2))),
    ];
    for (target, _) in &frames {
        lab.map.set(target.parse().unwrap(), &Scope::Both, end).unwrap();
    }
    assert!(frames.iter().all(|(_, frame)| lab.drops(frame)));
    sleep_until(end + TICK);
    assert!(frames.iter().all(|(_, frame)| !lab.drops(frame)));
    // A new one of the same target begins anew.
    for (target, frame) in &frames {
        let target = target.parse().unwrap();
        assert!(!lab.map.set(target, &Scope::Both, now() + SECOND).unwrap().extended);
        assert_eq!(lab.entry(target).dropped_packets, 0);
        assert!(lab.drops(frame));
    }
}

fn counters() {
    let lab = Lab::new();
    for (target, frame) in [
        ("10.0.0.0/31", udp(A, [10, 0, 0, 3], (1, 2))),
        ("10.0.0.5@42", in_vlan(&udp([10, 0, 0, 5], [10, 0, 0, 3], (1, 2)), &[42])),
        ("02:00:00:00:00:0a", from_to(&arp(), X, Y)),
    ] {
        let before = now();
        let target = lab.both(target);
        for _ in 0..3 {
            assert_eq!(run(&lab.guard.progs.rw_guard, &frame).0, XDP_DROP);
        }
        let entry = lab.entry(target);
        assert_eq!((entry.dropped_packets, entry.dropped_bytes), (3, 3 * frame.len() as u64));
        assert!(before < entry.first_drop_ns && entry.first_drop_ns <= entry.last_drop_ns + TICK);
        assert_eq!(lab.map.remove(target).unwrap(), Some(entry));
        assert!(!lab.drops(&frame));
    }
}
