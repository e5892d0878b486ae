//! However a frame of an isolated host is wrapped; and what such a host sends so that it can still be managed.

use crate::kernel::{SECOND, XDP_DROP, counts, now, run, sleep_until};
use crate::lab::{Lab, TICK};
use crate::packets::{
    A, A6, B, B6, X, Y, arp, dhcp, dhcp6, from_to, in_vlan, labelled, mld, ndp, pppoe, snap, tagged, udp,
    udp6,
};

/// Name and test.
pub const TESTS: &[(&str, fn())] = &[
    ("wrapped::no_wrapping_hides_a_host", no_wrapping_hides_a_host),
    ("wrapped::what_is_too_deep_is_dropped_while_anybody_is_isolated", too_deep),
    ("wrapped::listener_discovery_passes_and_nothing_like_it", listener_discovery),
    ("wrapped::upkeep_is_no_tunnel", upkeep_is_no_tunnel),
];

const TAGS: [u16; 4] = [0x88a8, 0x8100, 0x9100, 0x9200];

/// The frame in every wrapping, by name.
fn wrapped(frame: &[u8]) -> Vec<(String, Vec<u8>)> {
    let ppp = if frame[12] == 8 { 0x0021 } else { 0x0057 };
    let mut all: Vec<(String, Vec<u8>)> = (0..=16)
        .map(|n| {
            let tags: Vec<u16> = (0..n).map(|n| TAGS[n % 4]).collect();
            (format!("{n} tags"), tagged(frame, &tags))
        })
        .collect();
    all.extend((1..=16).map(|n| (format!("{n} labels"), labelled(frame, n))));
    for (name, frame) in [
        ("SNAP", snap(frame)),
        ("SNAP in a VLAN", tagged(&snap(frame), &[0x8100])),
        ("SNAP in five", tagged(&snap(frame), &[0x8100; 5])),
        ("a tag in SNAP", snap(&tagged(frame, &[0x8100]))),
        ("SNAP in SNAP", snap(&snap(frame))),
        ("PPPoE in five tags", tagged(&pppoe(frame, ppp), &[0x8100; 5])),
        ("labels in four tags", tagged(&labelled(frame, 6), &[0x8100; 4])),
    ] {
        all.push((name.into(), frame));
    }
    all
}

fn no_wrapping_hides_a_host() {
    let lab = Lab::new();
    let there = [udp(A, B, (1, 2)), udp6(A6, B6, (1, 2))];
    let back = [udp(B, A, (1, 2)), udp6(B6, A6, (1, 2))];
    let others = [udp(B, [10, 0, 0, 3], (1, 2)), udp6(B6, [9; 16], (1, 2)), arp()];
    let all = |frames: &[Vec<u8>], dropped: bool| {
        for (name, frame) in frames.iter().flat_map(|frame| wrapped(frame)) {
            assert_eq!(lab.drops(&frame), dropped, "{name}");
        }
    };
    all(&there, false);
    for target in ["10.0.0.1", "2001:db8::1"] {
        lab.both(target);
    }
    all(&there, true);
    all(&back, true);
    all(&others, false);
    for (name, frame) in wrapped(&there[0]) {
        for len in 14..frame.len() {
            let before = run(&lab.guard.progs.rw_guard, &frame[..len]).0;
            assert!(before != XDP_DROP || len >= frame.len() - 38, "{name}, {len} bytes");
        }
    }
    for (net, target) in [("10.0.0.0/31", "10.0.0.1"), ("2001:db8::/127", "2001:db8::1")] {
        lab.map.remove(target.parse().unwrap()).unwrap().unwrap();
        lab.both(net);
    }
    all(&there, true);
    all(&others[1..], false);
}

fn too_deep() {
    let lab = Lab::new();
    let deep = [
        tagged(&udp(B, [10, 0, 0, 3], (1, 2)), &[0x8100; 17]),
        tagged(&arp(), &[0x8100; 20]),
        labelled(&udp(A, B, (1, 2)), 17),
        tagged(&labelled(&udp6(A6, B6, (1, 2)), 9), &[0x8100; 8]),
    ];
    let all = |dropped: bool| {
        for (n, frame) in deep.iter().enumerate() {
            assert_eq!(lab.drops(frame), dropped, "{n}");
        }
    };
    all(false);
    // Nobody whom the frames could be of.
    let end = now() + SECOND / 5;
    lab.map.set("192.0.2.9".parse().unwrap(), &wire::Scope::Both, end).unwrap();
    all(true);
    assert_eq!(counts::<3>(&lab.guard.maps.guard_counts), [4, 4, 4]);
    assert_eq!(crate::kernel::capture_counts(&lab.inline)[10], 4);
    lab.map.hold(true);
    all(false);
    lab.map.hold(false);
    sleep_until(end + TICK);
    all(false);
    // Released before its end, beside another and as the last.
    let (first, last) = (lab.both("192.0.2.9"), lab.both("192.0.2.10"));
    lab.map.remove(first).unwrap();
    all(true);
    lab.map.remove(last).unwrap();
    lab.map.remove("192.0.2.9".parse().unwrap()).unwrap();
    all(false);
}

const ALERT: [u8; 6] = [5, 2, 0, 0, 1, 0];

fn multicast(last: u8) -> [u8; 16] {
    let mut group = [0; 16];
    (group[0], group[1], group[15]) = (0xff, 2, last);
    group
}

fn link(last: u8) -> [u8; 16] {
    let mut addr = [0; 16];
    (addr[0], addr[1], addr[15]) = (0xfe, 0x80, last);
    addr
}

fn listener_discovery() {
    let lab = Lab::new();
    for target in ["2001:db8::1", "fe80::1", "::"] {
        lab.both(target);
    }
    let useful = [
        mld(143, 1, link(1), multicast(0x16), &ALERT, 20),
        mld(143, 1, link(1), multicast(0x16), &[1, 0, 5, 2, 0, 0], 20),
        mld(143, 1, link(1), multicast(0x16), &[5, 2, 0, 0, 0, 0], 1200),
        mld(143, 1, [0; 16], multicast(0x16), &ALERT, 20),
        mld(143, 1, A6, multicast(0x16), &ALERT, 20),
        mld(143, 1, link(1), multicast(0x16), &[], 20),
        mld(131, 1, link(1), multicast(0xfb), &ALERT, 16),
        mld(132, 1, link(1), multicast(2), &ALERT, 16),
        mld(130, 1, link(1), multicast(1), &ALERT, 20),
    ];
    let abused = [
        mld(143, 2, link(1), multicast(0x16), &ALERT, 20),
        mld(143, 255, link(1), multicast(0x16), &ALERT, 20),
        mld(143, 1, link(1), B6, &ALERT, 20),
        mld(130, 1, A6, multicast(1), &ALERT, 20),
        mld(128, 1, link(1), multicast(1), &ALERT, 20),
        mld(142, 1, link(1), multicast(1), &ALERT, 20),
        mld(143, 1, link(1), multicast(0x16), &[5, 2, 0, 1, 1, 0], 20),
        mld(143, 1, link(1), multicast(0x16), &[1, 4, 7, 7, 7, 7], 20),
        mld(143, 1, link(1), multicast(0x16), &[5, 2, 0, 0, 7, 7], 20),
        mld(143, 1, link(1), multicast(0x16), &ALERT, 1300),
    ];
    for (frames, dropped) in [(&useful[..], false), (&abused, true)] {
        for (n, frame) in frames.iter().enumerate() {
            assert_eq!(lab.drops(frame), dropped, "{n}");
            assert_eq!(lab.drops(&in_vlan(frame, &[5])), dropped, "{n} in a VLAN");
        }
    }
    // What comes to it, from the querier.
    assert!(!lab.drops(&mld(130, 1, link(9), multicast(1), &ALERT, 20)));
    // A station: nothing, unless it must find somebody.
    lab.both("02:00:00:00:00:0a");
    let report = from_to(&mld(143, 1, link(7), multicast(0x16), &ALERT, 20), X, Y);
    assert!(lab.drops(&report));
    lab.map.set_remediation(&["10.9.0.5/32".parse().unwrap()]).unwrap();
    assert!(!lab.drops(&report));
}

fn upkeep_is_no_tunnel() {
    let lab = Lab::new();
    for target in ["10.0.0.1", "2001:db8::1", "fe80::1"] {
        lab.both(target);
    }
    let agents = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2];
    // Each with this many bytes more in its packet.
    let sent = |more: usize| {
        let mut frames =
            [dhcp(A, [255; 4], (68, 67)), ndp(135, 255, A6, B6), dhcp6(link(1), agents, (546, 547))];
        for frame in &mut frames {
            let at = if frame[12] == 8 { 16 } else { 18 };
            let len = u16::from_be_bytes([frame[at], frame[at + 1]]) + more as u16;
            frame[at..at + 2].copy_from_slice(&len.to_be_bytes());
            frame.resize(frame.len() + more, 7);
        }
        frames
    };
    for (more, dropped) in [(0, false), (400, false), (600, true), (1300, true)] {
        for (n, frame) in sent(more).iter().enumerate() {
            assert_eq!(lab.drops(frame), dropped, "{n}, {more} bytes more");
        }
    }
    // Behind the packet: the padding of a short frame, and no more.
    for (n, mut frame) in sent(0).into_iter().enumerate() {
        frame.resize(frame.len() + 40, 0);
        assert!(!lab.drops(&frame), "{n}");
        frame.resize(frame.len() + 20, 0);
        assert!(lab.drops(&frame), "{n}");
    }
    // A router and a DHCP server have more to say.
    let mut router = ndp(134, 255, B6, A6);
    router.resize(1400, 7);
    assert!(!lab.drops(&router));
}
