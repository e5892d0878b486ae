//! bpf/capture.bpf.c. No socket is bound here, so every frame is dropped as such; what matters is the
//! head that the program put before it, and which worker it would have gone to.

use crate::kernel::{
    SETTINGS, Settings, XDP_DROP, capture_counts, load, load_capture, now, run, skel::capture::CaptureSkel,
};
use crate::packets::{A, A6, B, B6, arp, extended, fragment, tagged, tcp, udp, udp6};

/// Name and test.
pub const TESTS: &[(&str, fn())] = &[
    ("capture::puts_a_head_before_the_frame", puts_a_head),
    ("capture::hashes_both_directions_alike", hashes_both_directions_alike),
    ("capture::hashes_through_tags_and_extensions", hashes_through),
    ("capture::keeps_the_fragments_of_a_datagram_together", keeps_fragments_together),
    ("capture::spreads_flows_evenly", spreads_flows_evenly),
    ("capture::survives_any_cut", survives_any_cut),
    ("capture::cuts_what_packet_memory_cannot_take", cuts_long_frames),
];

const HEAD: usize = 16;

fn hash(program: &CaptureSkel<'_>, frame: &[u8]) -> u32 {
    let (_, out) = run(&program.progs.rw_capture, frame);
    u32::from_ne_bytes(out[8..12].try_into().unwrap())
}

fn puts_a_head() {
    let program = load_capture(4);
    let (before, frame) = (now(), udp(A, B, (1, 2)));
    let (verdict, out) = run(&program.progs.rw_capture, &frame);
    assert_eq!(verdict, XDP_DROP);
    assert_eq!(&out[HEAD..], &frame);
    let arrival = u64::from_ne_bytes(out[..8].try_into().unwrap());
    assert!(before < arrival && arrival < now());
    assert_eq!(u32::from_ne_bytes(out[12..16].try_into().unwrap()), frame.len() as u32);
    // received, bytes, steered, passed, isolated, bypassed, shed, no headroom, no socket, NIC time
    assert_eq!(capture_counts(&program), [1, frame.len() as u64, 0, 0, 0, 0, 0, 0, 1, 0, 0]);
}

fn hashes_both_directions_alike() {
    let program = load_capture(4);
    for port in 1..200 {
        assert_eq!(hash(&program, &tcp(A, B, (port, 80))), hash(&program, &tcp(B, A, (80, port))));
        assert_eq!(hash(&program, &udp6(A6, B6, (port, 53))), hash(&program, &udp6(B6, A6, (53, port))));
    }
    assert_ne!(hash(&program, &tcp(A, B, (1, 80))), hash(&program, &tcp(A, B, (2, 80))));
    assert_ne!(hash(&program, &tcp(A, B, (1, 80))), hash(&program, &udp(A, B, (1, 80))));
    assert_eq!(hash(&program, &arp()), 0);
}

fn hashes_through() {
    let program = load_capture(4);
    let (frame, frame6) = (udp(A, B, (7, 8)), udp6(A6, B6, (7, 8)));
    let (plain, plain6) = (hash(&program, &frame), hash(&program, &frame6));
    assert_eq!(hash(&program, &tagged(&frame, &[0x8100])), plain);
    assert_eq!(hash(&program, &tagged(&frame6, &[0x88a8, 0x8100])), plain6);
    for headers in [&[0][..], &[60], &[0, 60, 43, 60], &[60; 6]] {
        assert_eq!(hash(&program, &extended(&frame6, headers)), plain6, "{headers:?}");
    }
}

fn keeps_fragments_together() {
    let program = load_capture(4);
    let frame = udp(A, B, (7, 8));
    let first = hash(&program, &fragment(&frame, 0x2000));
    assert_eq!(hash(&program, &fragment(&frame, 0x2010)), first);
    assert_eq!(hash(&program, &fragment(&frame, 0x0020)), first);
    // Don't-fragment is no fragment.
    assert_eq!(hash(&program, &fragment(&frame, 0x4000)), hash(&program, &frame));
}

fn spreads_flows_evenly() {
    let program = load_capture(4);
    let mut workers = [0_u32; 4];
    for host in 0..16 {
        for port in 0..64 {
            let frame = tcp([10, 0, 1, host], [192, 168, 0, 1], (30_000 + port, 443));
            workers[wire::worker_of(hash(&program, &frame), 4) as usize] += 1;
        }
    }
    // 256 each on average; five standard deviations (13.9) either way.
    assert!(workers.iter().all(|n| (187..=325).contains(n)), "{workers:?}");
}

fn survives_any_cut() {
    let program = load_capture(2);
    let frame = extended(&tagged(&udp6(A6, B6, (7, 8)), &[]), &[0, 60]);
    for len in 14..frame.len() {
        let (verdict, out) = run(&program.progs.rw_capture, &frame[..len]);
        assert_eq!((verdict, out.len()), (XDP_DROP, len + HEAD));
    }
}

fn cuts_long_frames() {
    let program = load(Settings { max_frame: 100, ..SETTINGS });
    let mut frame = udp(A, B, (1, 2));
    for (len, kept) in [(99, 99), (100, 100), (101, 100), (1500, 100)] {
        frame.resize(len, 7);
        let (_, out) = run(&program.progs.rw_capture, &frame);
        assert_eq!(&out[HEAD..], &frame[..kept], "{len}");
        assert_eq!(u32::from_ne_bytes(out[12..16].try_into().unwrap()), len as u32);
    }
    assert_eq!(capture_counts(&program)[1], 99 + 100 + 101 + 1500);
}
