//! bpf/guard.bpf.c

use capture::{IsolationMap, PinFolder};
use libbpf_rs::{MapCore, MapFlags, MapHandle};

use crate::kernel::{Guarded, SECOND, XDP_DROP, XDP_PASS, load_guard, now, run, sleep_until, target};
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
    ("guard::obeys_entries_written_by_hand_once_they_are_mended", obeys_entries_written_by_hand),
];

/// The programs' coarse clock lags behind by so much at most (CONFIG_HZ=100).
const TICK: u64 = SECOND / 100;

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
    assert!(first.last_ns <= first.first_ns && first.first_ns - first.last_ns < TICK);
    assert!(before < first.since_ns && first.since_ns < first.first_ns && first.first_ns < now());
    assert_eq!(box_.verdict(&tcp(B, A, (80, 1))), XDP_DROP);
    let second = box_.entry(key(A)).unwrap();
    assert_eq!((second.packets, second.first_ns), (2, first.first_ns));
    assert!(second.last_ns >= first.last_ns);
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
    sleep_until(end + TICK);
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
    assert_eq!(box_.counts(), [1, 1]);
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

fn obeys_entries_written_by_hand() {
    let folder = std::path::PathBuf::from(format!("/sys/fs/bpf/rwt{}x-mend", std::process::id()));
    let pins = PinFolder::open(&folder).unwrap();
    let mut map = IsolationMap::open(&pins, 1000).unwrap();
    let guard = load_guard(map.fds());
    let frame = |host: u16| udp([10, 9, (host >> 8) as u8, host as u8], B, (1, 2));
    let pinned = MapHandle::from_pinned_path(folder.join("isolation")).unwrap();
    let mut entry = [0_u8; 64];
    entry[..8].copy_from_slice(&(now() + 60 * SECOND).to_ne_bytes());
    for host in 0..600_u16 {
        let host = key([10, 9, (host >> 8) as u8, host as u8]);
        pinned.update(&target(host), &entry, MapFlags::ANY).unwrap();
    }
    assert_eq!(run(&guard.progs.rw_guard, &frame(5)).0, XDP_PASS);
    // So many at once: three times are enough for all of them.
    for _ in 0..3 {
        map.mend();
    }
    let obeyed = (0..600).filter(|&host| run(&guard.progs.rw_guard, &frame(host)).0 == XDP_DROP).count();
    assert_eq!(obeyed, 600);
    // Whoever opens the map next has all bits at once, even without the old gate.
    std::fs::remove_file(folder.join("isolation_gate")).unwrap();
    drop(map);
    let map = IsolationMap::open(&pins, 1000).unwrap();
    let guard = load_guard(map.fds());
    assert_eq!(run(&guard.progs.rw_guard, &frame(599)).0, XDP_DROP);
    drop(map);
    assert!(IsolationMap::unpin_if_idle(&pins, u64::MAX).unwrap());
    assert!(!folder.exists());
}
