//! Every prefix of every shape of packet, and what the verifier thinks of the programs.

use std::os::fd::{AsFd, AsRawFd};

use crate::kernel::{
    Guarded, SECOND, SETTINGS, Settings, XDP_DROP, XDP_PASS, XDP_REDIRECT, capture_counts, load, now, run,
};
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
    let guarded = Guarded::new(10);
    guarded.isolate(key(A), now() + 600 * SECOND);
    guarded.isolate(A6, now() + 600 * SECOND);
    let (plain, tunnels) = (load(SETTINGS), load(Settings { tunnels: true, ..SETTINGS }));
    let mut frames = 0;
    for (name, frame) in shapes() {
        for len in ETHERNET..=LONGEST {
            let frame = &frame[..len];
            let verdict = guarded.verdict(frame);
            assert!(verdict == XDP_DROP || verdict == XDP_PASS, "{name}, {len} bytes: {verdict}");
            for program in [&plain, &tunnels] {
                let (verdict, out) = run(&program.progs.rw_capture, frame);
                assert_eq!(verdict, XDP_DROP, "{name}, {len} bytes");
                assert_eq!(&out[HEAD..], frame, "{name}, {len} bytes");
                // Nobody listens, so an inline port sends the frame on as it is: there is no other end here.
                let (verdict, out) = run(&program.progs.rw_inline, frame);
                assert!(verdict == XDP_DROP || verdict == XDP_REDIRECT, "{name}, {len} bytes: {verdict}");
                assert_eq!(out, frame, "{name}, {len} bytes");
            }
            frames += 1;
        }
    }
    let [passed, dropped] = guarded.counts();
    assert_eq!(passed + dropped, frames);
    for program in [&plain, &tunnels] {
        let [received, _, steered, passed, isolated, bypassed, shed, no_headroom, no_socket, _] =
            capture_counts(program);
        assert_eq!((received, passed, no_socket), (2 * frames, frames, frames));
        assert_eq!((steered, isolated, bypassed, shed, no_headroom), (0, 0, 0, 0, 0));
    }
}

/// Instructions that the verifier walks, over all paths. Its limit is a million; other kernels walk more, so a
/// seventh of that is ours.
const MOST_INSTRUCTIONS: u32 = 150_000;

fn the_verifier_has_little_to_do() {
    let guarded = Guarded::new(10);
    let (plain, tunnels) = (load(SETTINGS), load(Settings { tunnels: true, ..SETTINGS }));
    for (name, program) in [
        ("rw_guard", guarded.guard.progs.rw_guard.as_fd()),
        ("rw_capture", plain.progs.rw_capture.as_fd()),
        ("rw_inline", plain.progs.rw_inline.as_fd()),
        ("rw_capture with tunnels", tunnels.progs.rw_capture.as_fd()),
        ("rw_inline with tunnels", tunnels.progs.rw_inline.as_fd()),
    ] {
        let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", program.as_raw_fd())).unwrap();
        let row = info.lines().find_map(|l| l.strip_prefix("verified_insns:"));
        let verified: u32 = row.unwrap_or_else(|| panic!("{info}")).trim().parse().unwrap();
        eprintln!("{name}: the verifier walked {verified} instructions");
        assert!(verified < MOST_INSTRUCTIONS, "{name}: {verified}");
    }
}
