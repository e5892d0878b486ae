//! Datagrams larger than the MTU, in fragments that the kernel made: each gets to the worker that has its flow.

use std::net::UdpSocket;
use std::time::Duration;

use crate::lab::{Lab, v4, v6};
use crate::steering::{FLOWS, chatters};
use crate::support::counters;

pub const TESTS: &[(&str, fn())] = &[
    ("fragments::datagrams_meet_their_flows_at_four_workers", || meet_their_flows(4)),
    ("fragments::one_worker_hands_nothing_over", || meet_their_flows(1)),
];

const ROUNDS: u64 = 5;
/// 4,008 bytes of UDP: three fragments in IPv4 and IPv6.
const LARGE: usize = 4000;
const FRAGMENTS: u64 = 3;

/// Small and large datagrams on the same sockets: large ones there, nothing back but the port's echo of what fits.
fn large(lab: &Lab) {
    for ip in [v4("b"), v6("b")] {
        lab.on("a", move || {
            let any = if ip.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            // All at once, so that no port is used twice.
            let sockets: Vec<UdpSocket> = (0..FLOWS / 2).map(|_| UdpSocket::bind(any).unwrap()).collect();
            for socket in sockets.iter() {
                socket.connect((ip, 8080)).unwrap();
                socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
                for _ in 0..ROUNDS {
                    socket.send(&[0x5a; LARGE]).unwrap();
                    // The echo is cut to what its buffer held: 2,048 bytes, two fragments.
                    assert_eq!(socket.recv(&mut [0; LARGE]).unwrap(), 2048);
                    socket.send(b"small").unwrap();
                    assert_eq!(socket.recv(&mut [0; LARGE]).unwrap(), 5);
                }
            }
        });
    }
}

fn meet_their_flows(workers: u32) {
    let mut lab = Lab::new(2);
    lab.configure(&format!("[workers]\ncount = {workers}\n"));
    lab.start();
    large(&lab);
    let stats = lab.stats();
    let of = |name: &str| stats[name].as_u64().unwrap_or_else(|| panic!("{name}: {stats}"));
    assert_eq!(of("capture.wrong_worker"), 0, "{stats}");
    assert_eq!(
        of("capture.received"),
        of("capture.processed") + of("capture.dropped") + of("capture.in_flight")
    );
    lab.stop();
    let events = lab.events();
    let last = counters(&events);
    let of = |name: &str| last[name].as_u64().unwrap_or_else(|| panic!("{name}: {last}"));
    assert_eq!(of("capture.wrong_worker"), 0);
    assert_eq!(of("defrag.reassembled"), 2 * FLOWS * ROUNDS);
    assert_eq!(of("defrag.reassembled_packets"), (FRAGMENTS + 2) * FLOWS * ROUNDS);
    for lost in ["held", "timed_out", "evicted", "overlap_discarded", "flushed", "nested", "handover_full"] {
        assert_eq!(of(&format!("defrag.{lost}_packets")), 0, "{lost}");
    }
    // One address pair a family, so that at most two workers see fragments: nearly all belong to others.
    let moved = of("defrag.handed_over");
    assert!(if workers == 1 { moved == 0 } else { moved > FLOWS * ROUNDS / 2 }, "{moved}");
    let flows = chatters(&events);
    assert_eq!(flows.len() as u64, FLOWS);
    for flow in flows {
        // Queues are read in turn: an answer may have been seen before what it answers, and give the flow its direction.
        let (there, back) =
            if flow["dest_port"] == 8080 { ("toserver", "toclient") } else { ("toclient", "toserver") };
        assert_eq!(flow["flow"][format!("pkts_{there}")], (FRAGMENTS + 1) * ROUNDS, "{flow}");
        assert_eq!(flow["flow"][format!("pkts_{back}")], 3 * ROUNDS, "{flow}");
    }
    assert!(lab.log().contains("+ dropped 0 + in flight 0"), "{}", lab.log());
}
