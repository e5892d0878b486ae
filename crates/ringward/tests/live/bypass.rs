//! Flows that are left to the kernel: their records are exact to the packet all the same.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::lab::{Lab, until, v4};
use crate::steering::{FLOWS, chatter, chatters};
use crate::support::{counters, of_type};

pub const TESTS: &[(&str, fn())] = &[
    ("bypass::inspected_flows_are_counted_to_the_packet", inspected_flows),
    ("bypass::a_tcp_stream_is_counted_to_the_packet", tcp_stream),
    ("bypass::overload_sheds_the_heaviest_flow", overload_sheds),
];

const ROUNDS: u64 = 40;

fn inspected_flows() {
    let mut lab = Lab::new(2);
    lab.configure("[workers]\ncount = 2\n[bypass]\ninspected = true\n");
    lab.start();
    chatter(&lab, ROUNDS);
    let stats = lab.stats();
    let of = |name: &str| stats[name].as_u64().unwrap();
    assert!(of("bypass.flows_inspected") >= FLOWS && of("bypass.active") >= FLOWS, "{stats}");
    assert!(of("capture.bypassed") > FLOWS * ROUNDS, "{stats}");
    lab.stop();
    let events = lab.events();
    let flows = chatters(&events);
    assert_eq!(flows.len() as u64, FLOWS);
    for flow in flows {
        assert_eq!(
            (&flow["flow"]["pkts_toserver"], &flow["flow"]["pkts_toclient"]),
            (&ROUNDS.into(), &ROUNDS.into())
        );
        assert_eq!(flow["flow"]["state"], "established");
        // Ethernet, IP and UDP headers, and five bytes.
        let ip = if flow["src_ip"].as_str().unwrap().contains(':') { 40 } else { 20 };
        assert_eq!(flow["flow"]["bytes_toserver"], ROUNDS * (14 + ip + 8 + 5), "{flow}");
    }
    adds_up(&events);
}

/// Every packet that arrived and was not lost is in exactly one flow's record.
fn adds_up(events: &[Value]) {
    let counters = counters(events);
    let of = |name: &str| counters[name].as_u64().unwrap_or_else(|| panic!("{name}: {counters}"));
    let count = |f: &&Value, key: &str| f["flow"][key].as_u64().unwrap();
    let in_flows: u64 =
        of_type(events, "flow").iter().map(|f| count(f, "pkts_toserver") + count(f, "pkts_toclient")).sum();
    let lost = of("capture.dropped") - of("capture.drop_reason.shed");
    assert_eq!(in_flows, of("capture.received") - lost - of("decoder.non_ip") - of("decoder.invalid"));
    assert_eq!(
        of("capture.received"),
        of("capture.processed") + of("capture.bypassed") + of("capture.dropped")
    );
}

fn tcp_stream() {
    let mut lab = Lab::new(1);
    lab.configure("[bypass]\ninspected = true\n");
    lab.start();
    const BYTES: usize = 3_000_000;
    let server = lab.on("b", || TcpListener::bind("0.0.0.0:7000").unwrap());
    let reading = std::thread::spawn(move || {
        let mut stream = server.accept().unwrap().0;
        stream.write_all(b"welcome to nothing in particular").unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        all.len()
    });
    lab.on("a", || {
        let mut stream = TcpStream::connect(SocketAddr::new(v4("b"), 7000)).unwrap();
        stream.read_exact(&mut [0; 32]).unwrap();
        for chunk in vec![0x5a; BYTES].chunks(50_000) {
            stream.write_all(chunk).unwrap();
            std::thread::sleep(Duration::from_millis(2));
        }
    });
    assert_eq!(reading.join().unwrap(), BYTES);
    let stats = lab.stats();
    assert!(stats["capture.bypassed"].as_u64().unwrap() > 20, "{stats}");
    lab.stop();
    let events = lab.events();
    let flows = of_type(&events, "flow");
    let flow = flows.iter().find(|f| f["dest_port"] == 7000).unwrap();
    // The worker saw both FINs although it did not see what was between.
    assert_eq!((&flow["flow"]["state"], &flow["tcp"]["fin"]), (&"closed".into(), &true.into()), "{flow}");
    assert!(flow["flow"]["bytes_toserver"].as_u64().unwrap() > BYTES as u64, "{flow}");
    adds_up(&events);
}

fn overload_sheds() {
    let mut lab = Lab::new(1);
    // A small ring is soon full, and the worker has to share its core with those who flood.
    lab.configure("[workers]\nrx_ring = 64\ncpus = [0]\n");
    lab.start();
    let stop = Arc::new(AtomicBool::new(false));
    let flood = |from: &str, port: u16| {
        let (stop, to) = (stop.clone(), SocketAddr::new(v4("b"), 9999));
        let socket = lab.on(from, move || UdpSocket::bind(("0.0.0.0", port)).unwrap());
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let _ = socket.send_to(&[1; 32], to);
            }
        })
    };
    let flooding = [flood("a", 6666), flood("c", 6667), flood("c", 6668)];
    until("the flood is shed", || lab.stats()["capture.drop_reason.shed"].as_u64().unwrap() > 1000);
    stop.store(true, Ordering::Relaxed);
    flooding.into_iter().for_each(|thread| thread.join().unwrap());
    assert!(lab.stats()["bypass.flows_shed"].as_u64().unwrap() >= 1);
    chatter(&lab, 2);
    lab.stop();
    let events = lab.events();
    let flows = of_type(&events, "flow");
    let floods = flows.iter().filter(|f| f["dest_port"] == 9999);
    let packets: u64 = floods.map(|f| f["flow"]["pkts_toserver"].as_u64().unwrap()).sum();
    assert!(packets > 1000, "{packets}");
    adds_up(&events);
}
