//! bpf/guard.bpf.c

use crate::kernel::{Guarded, SECOND, XDP_DROP, XDP_PASS, now, sleep_until};
use crate::packets::{A, A6, B, B6, arp, extended, fragment, key, tagged, tcp, udp, udp6};

/// Name and test.
pub const TESTS: &[(&str, fn())] = &[
    ("guard::passes_everybody_by_default", passes_everybody_by_default),
    ("guard::drops_both_ways", drops_both_ways),
    ("guard::drops_ipv6", drops_ipv6),
    ("guard::sees_through_tags_extensions_and_fragments", sees_through),
    ("guard::ends_an_isolation_by_itself", ends_an_isolation_by_itself),
    ("guard::counts_every_frame_once", counts_every_frame_once),
    ("guard::survives_any_cut", survives_any_cut),
];

fn passes_everybody_by_default() {
    let box_ = Guarded::new(10);
    for frame in [udp(A, B, (1, 2)), udp6(A6, B6, (1, 2)), arp()] {
        assert_eq!(box_.verdict(&frame), XDP_PASS);
    }
}

fn drops_both_ways() {
    let box_ = Guarded::new(10);
    let (before, frame) = (now(), udp(A, B, (1, 2)));
    assert_eq!(box_.isolate(key(A), now() + 60 * SECOND).error, 0);
    assert_eq!(box_.verdict(&frame), XDP_DROP);
    let first = box_.entry(key(A)).unwrap();
    assert_eq!((first.packets, first.bytes), (1, frame.len() as u64));
    assert_eq!(first.first_ns, first.last_ns);
    assert!(before < first.since_ns && first.since_ns < first.first_ns && first.first_ns < now());
    assert_eq!(box_.verdict(&tcp(B, A, (80, 1))), XDP_DROP);
    let second = box_.entry(key(A)).unwrap();
    assert_eq!((second.packets, second.first_ns), (2, first.first_ns));
    assert!(second.last_ns > first.last_ns);
    assert_eq!(box_.verdict(&udp(B, [10, 0, 0, 3], (1, 2))), XDP_PASS);
    assert_eq!(box_.verdict(&udp6(A6, B6, (1, 2))), XDP_PASS);
}

fn drops_ipv6() {
    let box_ = Guarded::new(10);
    box_.isolate(A6, now() + 60 * SECOND);
    assert_eq!(box_.verdict(&udp6(A6, B6, (1, 2))), XDP_DROP);
    assert_eq!(box_.verdict(&udp6(B6, A6, (1, 2))), XDP_DROP);
    assert_eq!(box_.verdict(&udp(A, B, (1, 2))), XDP_PASS);
    assert_eq!(box_.entry(A6).unwrap().packets, 2);
}

fn sees_through() {
    let box_ = Guarded::new(10);
    box_.isolate(key(A), now() + 60 * SECOND);
    box_.isolate(A6, now() + 60 * SECOND);
    let (frame, frame6) = (udp(A, B, (1, 2)), udp6(A6, B6, (1, 2)));
    for tags in [&[0x8100][..], &[0x88a8, 0x8100], &[0x9100, 0x8100]] {
        assert_eq!(box_.verdict(&tagged(&frame, tags)), XDP_DROP, "{tags:x?}");
        assert_eq!(box_.verdict(&tagged(&frame6, tags)), XDP_DROP, "{tags:x?}");
    }
    assert_eq!(box_.verdict(&extended(&frame6, &[0, 60, 43])), XDP_DROP);
    assert_eq!(box_.verdict(&fragment(&frame, 0x2000)), XDP_DROP);
    assert_eq!(box_.verdict(&fragment(&frame, 0x0010)), XDP_DROP);
}

fn ends_an_isolation_by_itself() {
    let box_ = Guarded::new(10);
    let end = now() + SECOND / 5;
    box_.isolate(key(A), end);
    assert_eq!(box_.verdict(&udp(A, B, (1, 2))), XDP_DROP);
    sleep_until(end);
    assert_eq!(box_.verdict(&udp(A, B, (1, 2))), XDP_PASS);
    let entry = box_.entry(key(A)).unwrap();
    assert_eq!(entry.packets, 1);
    assert!(entry.last_ns < end);
}

fn counts_every_frame_once() {
    let box_ = Guarded::new(10);
    box_.isolate(key(A), now() + 60 * SECOND);
    box_.isolate(key(B), now() + 60 * SECOND);
    // Both ends are isolated: one packet, one drop, on the account of its source.
    assert_eq!(box_.verdict(&udp(A, B, (1, 2))), XDP_DROP);
    assert_eq!((box_.entry(key(A)).unwrap().packets, box_.entry(key(B)).unwrap().packets), (1, 0));
    assert_eq!(box_.verdict(&arp()), XDP_PASS);
    assert_eq!(box_.counts(), [2, 1, 1]);
}

fn survives_any_cut() {
    let box_ = Guarded::new(10);
    box_.isolate(key(A), now() + 60 * SECOND);
    let frame = tagged(&udp(A, B, (1, 2)), &[0x88a8, 0x8100]);
    for len in 14..frame.len() {
        let want = if len >= 14 + 8 + 20 { XDP_DROP } else { XDP_PASS };
        assert_eq!(box_.verdict(&frame[..len]), want, "{len} bytes");
    }
}
