//! bpf/isolate.bpf.c

use crate::kernel::{Guarded, Outcome, SECOND, XDP_DROP, now, sleep_until};
use crate::packets::{A, B, key, udp};

/// Name and test.
pub const TESTS: &[(&str, fn())] = &[
    ("isolate::tells_when_it_was_in_force", tells_when),
    ("isolate::extends_without_losing_counters", extends),
    ("isolate::begins_anew_after_the_end", begins_anew),
    ("isolate::says_that_the_map_is_full", full),
    ("isolate::holds_all_hosts_it_promises", holds_all),
];

fn tells_when() {
    let box_ = Guarded::new(10);
    let before = now();
    let Outcome { written_ns, error, extended } = box_.isolate(key(A), before + SECOND);
    assert_eq!((error, extended), (0, false));
    assert!(before < written_ns && written_ns < now());
    assert!(box_.entry(key(A)).unwrap().since_ns <= written_ns);
}

fn extends() {
    let box_ = Guarded::new(10);
    box_.isolate(key(A), now() + 60 * SECOND);
    assert_eq!(box_.verdict(&udp(A, B, (1, 2))), XDP_DROP);
    let (before, end) = (box_.entry(key(A)).unwrap(), now() + 600 * SECOND);
    assert!(box_.isolate(key(A), end).extended);
    let after = box_.entry(key(A)).unwrap();
    assert_eq!(after.expires_ns, end);
    assert_eq!((after.since_ns, after.packets, after.first_ns), (before.since_ns, 1, before.first_ns));
}

fn begins_anew() {
    let box_ = Guarded::new(10);
    let end = now() + SECOND / 10;
    box_.isolate(key(A), end);
    box_.verdict(&udp(A, B, (1, 2)));
    sleep_until(end);
    let again = box_.isolate(key(A), now() + 60 * SECOND);
    assert!(!again.extended);
    let entry = box_.entry(key(A)).unwrap();
    assert_eq!((entry.packets, entry.first_ns), (0, 0));
}

fn full() {
    let box_ = Guarded::new(2);
    assert_eq!(box_.isolate(key(A), now() + SECOND).error, 0);
    assert_eq!(box_.isolate(key(B), now() + SECOND).error, 0);
    assert_eq!(box_.isolate(key([10, 9, 9, 9]), now() + SECOND).error, -i64::from(libc::E2BIG));
    // Who is in already can still be extended.
    let again = box_.isolate(key(A), now() + 2 * SECOND);
    assert_eq!((again.error, again.extended), (0, true));
}

fn holds_all() {
    let box_ = Guarded::new(100_000);
    let end = now() + 600 * SECOND;
    for i in 0..100_000_u32 {
        assert_eq!(box_.isolate(key(i.to_be_bytes()), end).error, 0, "host {i}");
    }
    assert_eq!(box_.verdict(&udp(99_999_u32.to_be_bytes(), B, (1, 2))), XDP_DROP);
}
