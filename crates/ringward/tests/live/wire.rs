//! Inline ports: a wire with the sensor in it.
//!
//! ```text
//! l  10.88.0.1 fd88::1 ─ wl ═ sensor ═ wr ─ 10.88.0.2 fd88::2  r
//! ```

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use rustix::process::Signal;

use crate::lab::{Lab, must, until, v4};
use crate::support::{counters, of_type};

pub const TESTS: &[(&str, fn())] = &[
    ("wire::tcp_passes_unharmed_and_is_inspected", tcp_passes_unharmed),
    ("wire::isolated_hosts_are_dropped_on_both_ends", isolated_hosts_are_dropped),
    ("wire::the_kernel_goes_on_alone_when_the_sensor_dies", goes_on_alone),
    ("wire::a_closed_wire_passes_nothing_without_a_sensor", closed_wire),
    ("wire::a_clean_stop_does_not_cut_the_wire", clean_stop),
    ("wire::every_role_in_one_process", every_role),
    ("wire::a_program_that_is_taken_off_is_put_back", taken_off),
    ("wire::inspected_flows_pass_the_wire_in_the_kernel", bypassed_on_the_wire),
];

const LEFT: &str = "10.88.0.1";
const RIGHT: &str = "10.88.0.2";
const PORT: u16 = 9000;

/// Two hosts with nothing but the wire between them. Queues of each end.
fn wire(lab: &Lab, queues: u32) {
    let sw = lab.ns("sw");
    for (end, host, number) in [("wl", "l", 1), ("wr", "r", 2)] {
        let ns = lab.ns(host);
        must(&format!("ip netns add {ns}"));
        let q = format!("numrxqueues {queues} numtxqueues {queues}");
        must(&format!("ip -n {sw} link add {end} {q} type veth peer name eth0 {q} netns {ns}"));
        // Frames leave a NIC with their checksums and one by one; a veth hands them over unfinished. The kernel
        // takes redirected frames in only where GRO is on.
        must(&format!("ip netns exec {ns} ethtool -K eth0 tx off tso off gso off gro on"));
        must(&format!("ip -n {sw} link set {end} up"));
        must(&format!("ip -n {ns} link set lo up"));
        must(&format!("ip -n {ns} link set eth0 up"));
        must(&format!("ip -n {ns} addr add 10.88.0.{number}/24 dev eth0"));
        must(&format!("ip -n {ns} addr add fd88::{number}/64 dev eth0 nodad"));
    }
    lab.on("r", || {
        let udp = UdpSocket::bind(("::", PORT)).unwrap();
        let tcp = TcpListener::bind(("::", PORT)).unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 2048];
            while let Ok((n, peer)) = udp.recv_from(&mut buffer) {
                let _ = udp.send_to(&buffer[..n], peer);
            }
        });
        std::thread::spawn(move || {
            for stream in tcp.incoming().flatten() {
                std::thread::spawn(move || echo(stream));
            }
        });
    });
}

fn echo(mut stream: TcpStream) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(n) = stream.read(&mut buffer) {
        if n == 0 || stream.write_all(&buffer[..n]).is_err() {
            return;
        }
    }
}

/// Whether a datagram from the left comes back from the right.
fn passes(lab: &Lab) -> bool {
    lab.on("l", || {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        socket.send_to(b"ping", (RIGHT, PORT)).is_ok() && socket.recv(&mut [0; 16]).is_ok()
    })
}

/// Sends bytes to the right and gets the same back; panics if they differ.
fn echoes(lab: &Lab, to: &str, bytes: usize) {
    let to = SocketAddr::new(to.parse().unwrap(), PORT);
    lab.on("l", move || {
        let mut stream = TcpStream::connect_timeout(&to, Duration::from_secs(3)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let data: Vec<u8> = (0..bytes).map(|n| (n * 7 % 251) as u8).collect();
        let (mut sender, sent) = (stream.try_clone().unwrap(), data.clone());
        let sending = std::thread::spawn(move || {
            sender.write_all(&sent).unwrap();
            sender.shutdown(std::net::Shutdown::Write).unwrap();
        });
        let mut back = Vec::new();
        stream.read_to_end(&mut back).unwrap();
        sending.join().unwrap();
        assert!(back == data, "{} of {} bytes came back", back.len(), data.len());
    });
}

fn configure(lab: &Lab, more: &str) {
    let toml = format!("[[port]]\nname = \"wl\"\nrole = \"inline\"\npeer = \"wr\"\n{more}");
    lab.write_config(&toml);
}

fn tcp_passes_unharmed() {
    let mut lab = Lab::new(1);
    wire(&lab, 2);
    configure(&lab, "[workers]\ncount = 2\n");
    lab.start();
    until("the wire passes frames", || passes(&lab));
    echoes(&lab, RIGHT, 2_000_000);
    echoes(&lab, "fd88::2", 300_000);
    let stats = lab.stats();
    let of = |name: &str| stats[name].as_u64().unwrap();
    assert_eq!((of("capture.wrong_worker"), of("capture.truncated")), (0, 0));
    assert!(of("port.wl.received") > 1000 && of("port.wr.received") > 1000, "{stats}");
    assert_eq!(of("inline.tx_invalid"), 0);
    lab.stop();
    let events = lab.events();
    let flows = of_type(&events, "flow");
    let tcp: Vec<_> = flows.iter().filter(|f| f["proto"] == "TCP" && f["dest_port"] == PORT).collect();
    assert_eq!(tcp.len(), 2, "{tcp:?}");
    for flow in &tcp {
        assert_eq!(flow["flow"]["state"], "closed");
        assert_eq!(flow["in_iface"], "wl");
    }
    let counters = counters(&events);
    let of = |name: &str| counters[name].as_u64().unwrap_or_else(|| panic!("{name}: {counters}"));
    // What comes after the workers have stopped is passed on by the kernel.
    let elsewhere = of("capture.passed") + of("capture.dropped");
    assert_eq!(of("capture.received"), of("capture.processed") + elsewhere);
    assert_eq!(of("capture.processed"), of("inline.forwarded") + of("inline.tx_ring_full"));
}

fn isolated_hosts_are_dropped() {
    let mut lab = Lab::new(1);
    wire(&lab, 1);
    configure(&lab, "");
    lab.start();
    until("the wire passes frames", || passes(&lab));
    for host in [LEFT, RIGHT] {
        assert!(lab.ringward(&["isolate", "add", host]).status.success());
        assert!(lab.is_isolated(host.parse::<IpAddr>().unwrap()));
        assert!(!passes(&lab), "{host}");
        assert!(lab.ringward(&["isolate", "rm", host]).status.success());
        assert!(passes(&lab), "{host}");
    }
    let stats = lab.stats();
    assert!(stats["capture.isolated"].as_u64().unwrap() >= 2, "{stats}");
    // An indicator does it, too.
    let (query, _) = crate::support::dns_exchange("bad.example");
    lab.on("l", move || {
        UdpSocket::bind("0.0.0.0:0").unwrap().send_to(&query, (RIGHT, 53)).unwrap();
    });
    until("the host is isolated", || lab.is_isolated(LEFT.parse().unwrap()));
    assert!(!passes(&lab));
    lab.stop();
}

fn taken_off() {
    let mut lab = Lab::new(1);
    wire(&lab, 1);
    configure(&lab, "");
    lab.start();
    until("the wire passes frames", || passes(&lab));
    assert!(lab.ringward(&["isolate", "add", LEFT]).status.success());
    for end in ["wl", "wr"] {
        let times = crate::guards::told(&lab, "port_back", "wl+wr").len();
        must(&format!("ip -n {} link set dev {end} xdp off", lab.ns("sw")));
        until("it is back", || crate::guards::told(&lab, "port_back", "wl+wr").len() > times);
        assert!(!passes(&lab), "{end}");
    }
    assert_eq!(lab.stats()["enforcement.gaps"], 2);
    assert_eq!(lab.listed()[0]["enforced_on"], serde_json::json!(["wl", "wr"]));
    assert!(lab.ringward(&["isolate", "flush"]).status.success());
    until("the wire passes frames", || passes(&lab));
    lab.stop();
}

fn goes_on_alone() {
    let mut lab = Lab::new(1);
    wire(&lab, 1);
    configure(&lab, "");
    lab.start();
    until("the wire passes frames", || passes(&lab));
    lab.signal(Signal::KILL);
    lab.ended();
    until("the kernel forwards alone", || passes(&lab));
    echoes(&lab, RIGHT, 200_000);
    // A restart takes over, and isolation holds while it is dead again.
    lab.start();
    until("the wire passes frames", || passes(&lab));
    let before = lab.stats()["capture.processed"].as_u64().unwrap();
    assert!(passes(&lab) && lab.stats()["capture.processed"].as_u64().unwrap() > before);
    assert!(lab.ringward(&["isolate", "add", LEFT, "--ttl", "1h"]).status.success());
    lab.kill();
    assert!(!passes(&lab));
    assert!(lab.ringward(&["isolate", "flush", "-c", &lab.config()]).status.success());
    until("the released host is heard", || passes(&lab));
}

fn closed_wire() {
    let mut lab = Lab::new(1);
    wire(&lab, 1);
    configure(&lab, "on_failure = \"closed\"\n");
    lab.start();
    until("the wire passes frames", || passes(&lab));
    lab.kill();
    assert!(!passes(&lab));
    lab.start();
    until("the wire passes frames", || passes(&lab));
    lab.stop();
    assert!(!passes(&lab));
}

fn clean_stop() {
    let mut lab = Lab::new(1);
    wire(&lab, 1);
    configure(&lab, "");
    lab.start();
    until("the wire passes frames", || passes(&lab));
    lab.stop();
    assert!(lab.log().contains("inline ports stay in force"), "{}", lab.log());
    until("the kernel forwards alone", || passes(&lab));
    assert_eq!(lab.xdp_ports(), ["wl", "wr"]);
}

/// A wire, two capture ports and guards, all of one sensor: each counts its own, and isolation is in force on all.
fn every_role() {
    let mut lab = Lab::new(1);
    wire(&lab, 1);
    let sw = lab.ns("sw");
    must(&format!("ip -n {sw} link add span2-in type veth peer name span2"));
    must(&format!("ip -n {sw} link set span2-in master lan up"));
    must(&format!("ip -n {sw} link set span2 up"));
    configure(
        &lab,
        "[[port]]\nname = \"span\"\nrole = \"capture\"\n[[port]]\nname = \"span2\"\nrole = \"capture\"\n\
         [[port]]\nname = \"pa\"\nrole = \"guard\"\n[[port]]\nname = \"pb\"\nrole = \"guard\"\n\
         [workers]\ncount = 2\nwakeup = \"spin\"\n",
    );
    lab.start();
    for n in 0..2 {
        until("it is told where the workers run", || lab.log().contains(&format!("worker {n}: CPU ")));
    }
    until("the wire passes frames", || passes(&lab));
    assert!(lab.reaches("a", v4("b")));
    until("both capture ports see the switch", || {
        let stats = lab.stats();
        ["span", "span2"].iter().all(|port| stats[format!("port.{port}.steered")].as_u64().unwrap() >= 2)
    });
    // Seen on a capture port, cut off on the wire's ends and on the guards.
    lab.looks_up("a", v4("b"), "bad.example");
    until("isolated", || lab.is_isolated(v4("a")));
    assert!(!lab.reaches("a", v4("b")) && passes(&lab));
    assert!(lab.ringward(&["isolate", "add", RIGHT]).status.success());
    assert!(!passes(&lab));
    assert!(lab.ringward(&["isolate", "flush"]).status.success());
    assert!(passes(&lab) && lab.reaches("a", v4("b")));
    let stats = lab.stats();
    let of = |name: &str| stats[name].as_u64().unwrap_or_else(|| panic!("{name}: {stats}"));
    let ports = ["wl", "wr", "span", "span2"];
    let sum = |key: &str| ports.iter().map(|port| of(&format!("port.{port}.{key}"))).sum::<u64>();
    assert_eq!(sum("received"), of("capture.received"));
    assert_eq!(of("port.wl.isolated") + of("port.wr.isolated"), of("capture.isolated"));
    assert!(of("guard.dropped") > 0, "{stats}");
    lab.stop();
    // What a guard enforces nothing for goes; the wire stays.
    assert_eq!(lab.xdp_ports(), ["wl", "wr"]);
}

fn bypassed_on_the_wire() {
    let mut lab = Lab::new(1);
    wire(&lab, 1);
    configure(&lab, "[bypass]\ninspected = true\n");
    lab.start();
    until("the wire passes frames", || passes(&lab));
    const ROUNDS: u64 = 50;
    lab.on("l", || {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.connect((RIGHT, PORT)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        for _ in 0..ROUNDS {
            socket.send(b"there").unwrap();
            socket.recv(&mut [0; 16]).unwrap();
            std::thread::sleep(Duration::from_millis(2));
        }
    });
    let stats = lab.stats();
    assert!(stats["capture.bypassed"].as_u64().unwrap() > ROUNDS, "{stats}");
    lab.stop();
    let events = lab.events();
    let flows = of_type(&events, "flow");
    let flow = flows.iter().find(|f| f["flow"]["pkts_toserver"] == ROUNDS).expect("the flow, to the packet");
    assert_eq!(flow["flow"]["pkts_toclient"], ROUNDS, "{flow}");
}
