//! Every prefix of every shape of packet, and what the verifier thinks of the programs.

use std::os::fd::{AsFd, AsRawFd};
use std::process::Command;

use crate::kernel::{
    Guarded, SECOND, SETTINGS, Settings, XDP_DROP, XDP_PASS, XDP_REDIRECT, capture_counts, load,
    load_for_device, now, run,
};
use crate::packets::{A, A6, key, shapes};

/// Name and test.
pub const TESTS: &[(&str, fn())] = &[
    ("every_shape::every_prefix_is_survived_and_counted", every_prefix_is_survived_and_counted),
    ("every_shape::programs_with_nic_time_load_for_a_device", nic_time_loads),
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
        let [received, _, steered, passed, isolated, bypassed, shed, no_headroom, no_socket, _, _] =
            capture_counts(program);
        assert_eq!((received, passed, no_socket), (2 * frames, frames, frames));
        assert_eq!((steered, isolated, bypassed, shed, no_headroom), (0, 0, 0, 0, 0));
    }
}

/// A veth has no clock, but a driver that could hand one over.
fn nic_time_loads() {
    let name = format!("rwt{}", std::process::id());
    let ip =
        |args: &str| assert!(Command::new("ip").args(args.split(' ')).status().unwrap().success(), "{args}");
    ip(&format!("link add {name} type veth peer name {name}p"));
    let device = capture::Device::open(&name).unwrap();
    let loaded = std::panic::catch_unwind(|| {
        let program = load_for_device(device.index.cast_unsigned());
        verified(program.progs.rw_capture_nic.as_fd()).max(verified(program.progs.rw_inline_nic.as_fd()))
    });
    ip(&format!("link del {name}"));
    assert!(!device.has_clock());
    let most = loaded.unwrap();
    eprintln!("with NIC time: the verifier walked {most} instructions");
    assert!(most < MOST_INSTRUCTIONS);
}

/// Instructions that the verifier walked.
fn verified(program: std::os::fd::BorrowedFd<'_>) -> u32 {
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", program.as_raw_fd())).unwrap();
    let row = info.lines().find_map(|l| l.strip_prefix("verified_insns:"));
    row.unwrap_or_else(|| panic!("{info}")).trim().parse().unwrap()
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
        let verified = verified(program);
        eprintln!("{name}: the verifier walked {verified} instructions");
        assert!(verified < MOST_INSTRUCTIONS, "{name}: {verified}");
    }
}
