//! Every prefix of every shape of packet, and what the verifier thinks of the programs.

use std::os::fd::{AsFd, AsRawFd};

use crate::kernel::{Guarded, SECOND, XDP_DROP, XDP_PASS, counts, load_capture, now, run};
use crate::packets::{A, A6, key, shapes};

/// Name and test.
pub const TESTS: &[(&str, fn())] = &[
    ("every_shape::every_prefix_is_survived_and_counted", every_prefix_is_survived_and_counted),
    ("every_shape::the_verifier_has_little_to_do", the_verifier_has_little_to_do),
];

/// The shortest frame that the kernel runs a program on.
const ETHERNET: usize = 14;
const LONGEST: usize = 128;
const HEAD: usize = 16;

fn every_prefix_is_survived_and_counted() {
    let (guarded, capture) = (Guarded::new(10), load_capture(3));
    guarded.isolate(key(A), now() + 600 * SECOND);
    guarded.isolate(A6, now() + 600 * SECOND);
    let mut frames = 0;
    for (name, frame) in shapes() {
        for len in ETHERNET..=LONGEST {
            let frame = &frame[..len];
            let verdict = guarded.verdict(frame);
            assert!(verdict == XDP_DROP || verdict == XDP_PASS, "{name}, {len} bytes: {verdict}");
            let (verdict, out) = run(&capture.progs.rw_capture, frame);
            assert_eq!(verdict, XDP_DROP, "{name}, {len} bytes");
            assert_eq!(&out[HEAD..], frame, "{name}, {len} bytes");
            frames += 1;
        }
    }
    let [received, passed, dropped] = guarded.counts();
    assert_eq!((received, passed + dropped), (frames, frames));
    let [received, _, steered, no_headroom, no_socket] = counts(&capture.maps.capture_counts);
    assert_eq!((received, steered + no_headroom + no_socket), (frames, frames));
}

/// Instructions that the verifier walks, over all paths. Its limit is a million; other kernels walk more, so a
/// tenth of that is ours.
const MOST_INSTRUCTIONS: u32 = 100_000;

fn the_verifier_has_little_to_do() {
    let (guarded, capture) = (Guarded::new(10), load_capture(3));
    for (name, program) in
        [("rw_guard", guarded.guard.progs.rw_guard.as_fd()), ("rw_capture", capture.progs.rw_capture.as_fd())]
    {
        let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", program.as_raw_fd())).unwrap();
        let row = info.lines().find_map(|l| l.strip_prefix("verified_insns:"));
        let verified: u32 = row.unwrap_or_else(|| panic!("{info}")).trim().parse().unwrap();
        eprintln!("{name}: the verifier walked {verified} instructions");
        assert!(verified < MOST_INSTRUCTIONS, "{name}: {verified}");
    }
}
