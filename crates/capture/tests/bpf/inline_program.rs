//! The inline program of bpf/capture.bpf.c. No worker listens here and no other end is set, so a frame that would be
//! sent on is dropped as such, and counted; frames of isolated hosts are counted otherwise.

use libbpf_rs::{MapCore, MapFlags};

use crate::kernel::skel::capture::CaptureSkel;
use crate::kernel::{
    SECOND, SETTINGS, Settings, XDP_DROP, XDP_REDIRECT, capture_counts, load, now, run, target,
};
use crate::packets::{A, A6, B, B6, arp, key, tcp, tunnelled, udp, udp6};

/// Name and test.
pub const TESTS: &[(&str, fn())] = &[
    ("inline::drops_isolated_hosts_in_tunnels_too", drops_isolated),
    ("inline::sends_on_or_drops_without_workers", without_workers),
    ("bypass::counts_by_direction_and_leaves_ends_to_the_worker", bypass_counts),
    ("bypass::knows_its_flow_by_vlan_and_protocol", bypass_keys),
];

/// Fields of `struct capture_counts`.
const PASSED: usize = 3;
const ISOLATED: usize = 4;
const BYPASSED: usize = 5;
const SHED: usize = 6;
const NO_SOCKET: usize = 8;

fn isolate(program: &CaptureSkel<'_>, host: [u8; 16]) {
    let mut entry = [0_u8; 64];
    entry[..8].copy_from_slice(&(now() + 600 * SECOND).to_ne_bytes());
    program.maps.isolation.update(&target(host), &entry, MapFlags::ANY).unwrap();
    // Every bit: what the filter lets through is another test's business. The words before are no filter.
    let mut gate = vec![0xff; program.maps.isolation_gate.value_size() as usize];
    gate[..64].fill(0);
    program.maps.isolation_gate.update(&0_u32.to_ne_bytes(), &gate, MapFlags::ANY).unwrap();
}

fn drops_isolated() {
    let program = load(Settings { tunnels: true, ..SETTINGS });
    isolate(&program, key(A));
    isolate(&program, A6);
    let mut dropped = 0;
    let mut check = |frame: &[u8], isolated: bool| {
        let (verdict, out) = run(&program.progs.rw_inline, frame);
        assert_eq!((verdict, out.as_slice()), (XDP_DROP, frame));
        dropped += u64::from(isolated);
        assert_eq!(capture_counts(&program)[ISOLATED], dropped, "{frame:02x?}");
    };
    for (frame, isolated) in [
        (udp(A, B, (1, 2)), true),
        (udp(B, A, (1, 2)), true),
        (udp(B, B, (1, 2)), false),
        (udp6(B6, A6, (1, 2)), true),
        (udp6(B6, B6, (1, 2)), false),
        (arp(), false),
    ] {
        check(&frame, isolated);
        for (_, tunnel) in tunnelled(&frame) {
            // An ARP packet is in no tunnel of IP packets.
            if frame[12] == 8 && frame[13] == 6 {
                break;
            }
            check(&tunnel, isolated);
        }
    }
}

fn without_workers() {
    for (fail_closed, field) in [(false, PASSED), (true, NO_SOCKET)] {
        let program = load(Settings { fail_closed, ..SETTINGS });
        for frame in [tcp(A, B, (1, 2)), udp6(A6, B6, (3, 4)), arp()] {
            // As it was, without our head.
            assert_eq!(run(&program.progs.rw_inline, &frame), (XDP_DROP, frame));
        }
        assert_eq!((capture_counts(&program)[0], capture_counts(&program)[field]), (3, 3));
    }
    // With another end the frame goes there: to the loopback device of this namespace, for one.
    let program = load(SETTINGS);
    let loopback = 1_u32;
    program.maps.other_end.update(&0_u32.to_ne_bytes(), &loopback.to_ne_bytes(), MapFlags::ANY).unwrap();
    assert_eq!(run(&program.progs.rw_inline, &arp()).0, XDP_REDIRECT);
}

/// `struct flow_key`; endpoints must come in the order of their addresses.
fn flow_key(low: ([u8; 16], u16), high: ([u8; 16], u16), proto: u8, vlans: &[u16]) -> [u8; 48] {
    let mut key = [0; 48];
    key[..16].copy_from_slice(&low.0);
    key[16..32].copy_from_slice(&high.0);
    key[32..34].copy_from_slice(&low.1.to_ne_bytes());
    key[34..36].copy_from_slice(&high.1.to_ne_bytes());
    for (slot, id) in key[36..40].chunks_exact_mut(2).zip(vlans) {
        slot.copy_from_slice(&id.to_ne_bytes());
    }
    (key[40], key[41]) = (vlans.len() as u8, proto);
    key
}

fn bypass(program: &CaptureSkel<'_>, key: &[u8], slot: u32, shed: bool) {
    let mut entry = [0_u8; 8];
    entry[..4].copy_from_slice(&slot.to_ne_bytes());
    entry[4] = u8::from(shed);
    program.maps.bypass.update(key, &entry, MapFlags::ANY).unwrap();
    let mut state = [0_u8; 64];
    state[0] = 1;
    program.maps.bypass_slots.update(&0_u32.to_ne_bytes(), &state, MapFlags::ANY).unwrap();
}

/// Packets and bytes, from low to high and back.
fn counted(program: &CaptureSkel<'_>, slot: u32) -> [u64; 4] {
    let value = program.maps.bypass_slots.lookup(&slot.to_ne_bytes(), MapFlags::ANY).unwrap().unwrap();
    std::array::from_fn(|i| u64::from_ne_bytes(value[i * 8..i * 8 + 8].try_into().unwrap()))
}

/// The same with FIN set.
fn fin(frame: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    frame[14 + 20 + 13] |= 1;
    frame
}

fn bypass_counts() {
    let program = load(SETTINGS);
    let (there, back) = (tcp(A, B, (5000, 443)), tcp(B, A, (443, 5000)));
    let key = flow_key((key(A), 5000), (key(B), 443), 6, &[]);
    let other = tcp(A, B, (5001, 443));
    let all = |frames: &[&Vec<u8>]| {
        for frame in frames {
            run(&program.progs.rw_capture, frame);
        }
    };
    all(&[&there, &back, &other]);
    assert_eq!((counted(&program, 7), capture_counts(&program)[BYPASSED]), ([0; 4], 0));
    bypass(&program, &key, 7, false);
    all(&[&there, &there, &there, &back, &other, &fin(&there)]);
    let len = there.len() as u64;
    assert_eq!(counted(&program, 7), [3, 1, 3 * len, len]);
    let counts = capture_counts(&program);
    // The other flow and the FIN go on to the worker, of which there is none.
    assert_eq!((counts[0], counts[BYPASSED], counts[SHED], counts[NO_SOCKET]), (9, 4, 0, 5));
    bypass(&program, &key, 7, true);
    all(&[&there, &back]);
    assert_eq!((counted(&program, 7)[0], capture_counts(&program)[SHED]), (4, 2));
    // Inline: counted and sent on.
    let before = capture_counts(&program);
    assert_eq!(run(&program.progs.rw_inline, &there), (XDP_DROP, there.clone()));
    assert_eq!((counted(&program, 7)[0], capture_counts(&program)[PASSED]), (5, before[PASSED]));
}

fn bypass_keys() {
    let program = load(SETTINGS);
    let key4 = |vlans: &[u16]| flow_key((key(A), 1), (key(B), 2), 17, vlans);
    bypass(&program, &key4(&[42]), 1, false);
    bypass(&program, &key4(&[42, 42]), 2, false);
    bypass(&program, &flow_key((A6, 2), (B6, 1), 17, &[]), 3, false);
    let frame = udp(A, B, (1, 2));
    for tpids in [&[][..], &[0x8100], &[0x88a8, 0x8100], &[0x88a8, 0x8100]] {
        run(&program.progs.rw_capture, &crate::packets::tagged(&frame, tpids));
    }
    run(&program.progs.rw_capture, &udp6(B6, A6, (1, 2)));
    run(&program.progs.rw_capture, &tcp(A, B, (1, 2)));
    assert_eq!([1, 2, 3].map(|slot| counted(&program, slot)[0]), [1, 2, 0]);
    assert_eq!(counted(&program, 3)[1], 1);
}
