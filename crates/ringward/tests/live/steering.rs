//! Several workers on several queues: every flow whole at one worker, every frame accounted for.

use std::net::UdpSocket;
use std::time::Duration;

use serde_json::Value;

use crate::lab::{Lab, must, until, v4, v6};
use crate::support::of_type;

pub const TESTS: &[(&str, fn())] = &[
    ("steering::four_workers_on_one_queue", || flows_stay_whole(1, 4)),
    ("steering::three_workers_on_two_queues", || flows_stay_whole(2, 3)),
    ("steering::one_worker_on_four_queues", || flows_stay_whole(4, 1)),
    ("steering::flows_in_a_tunnel_are_whole_flows", flows_in_a_tunnel),
    ("steering::flows_in_every_kind_of_tunnel_are_whole_flows", flows_in_every_tunnel),
    ("steering::a_worker_that_stands_still_starves_nobody", standing_still),
    ("steering::rss_is_trusted_and_watched", rss),
    ("steering::metrics_are_served_to_prometheus", metrics),
    ("steering::every_frame_is_accounted_for_at_any_instant", accounted_for_at_any_instant),
];

pub const FLOWS: u64 = 120;
const ROUNDS: u64 = 25;

/// Datagrams there and back on many flows at once.
pub fn chatter(lab: &Lab, rounds: u64) {
    for ip in [v4("b"), v6("b")] {
        lab.on("a", move || {
            let any = if ip.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            let sockets: Vec<UdpSocket> = (0..FLOWS / 2)
                .map(|_| {
                    let socket = UdpSocket::bind(any).unwrap();
                    socket.connect((ip, 8080)).unwrap();
                    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
                    socket
                })
                .collect();
            for _ in 0..rounds {
                for socket in &sockets {
                    socket.send(b"there").unwrap();
                }
                for socket in &sockets {
                    socket.recv(&mut [0; 16]).unwrap();
                }
            }
        });
    }
}

/// The records of these flows.
pub fn chatters(events: &[Value]) -> Vec<&Value> {
    let ours = |f: &&Value| f["dest_port"] == 8080 || f["src_port"] == 8080;
    of_type(events, "flow").into_iter().filter(ours).collect()
}

fn flows_stay_whole(queues: u32, workers: u32) {
    let mut lab = Lab::new(queues);
    lab.configure(&format!("[workers]\ncount = {workers}\n"));
    lab.start();
    assert!(lab.log().contains(&format!("{queues} queues x {workers} workers")), "{}", lab.log());
    assert!(lab.log().contains("native XDP, copy (zero-copy: "), "{}", lab.log());
    chatter(&lab, ROUNDS);
    let stats = lab.stats();
    assert_eq!(stats["capture.wrong_worker"], 0);
    // With 120 flows every worker has some.
    for n in 0..workers {
        assert!(stats[format!("worker.{n}.packets")].as_u64().unwrap() > 0, "{stats}");
    }
    let metrics = lab.ringward(&["stats", "--prometheus"]);
    let metrics = String::from_utf8(metrics.stdout).unwrap();
    assert!(metrics.contains("ringward_port_received_total{port=\"span\"} "), "{metrics}");
    lab.stop();
    let events = lab.events();
    // Unless it is named otherwise, a sensor is called as its machine.
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    for event in &events {
        assert_eq!((&event["in_iface"], &event["host"]), (&"span".into(), &name.trim().into()), "{event}");
    }
    let flows = chatters(&events);
    // A flow whose directions met different workers would be two flows of half the packets.
    assert_eq!(flows.len() as u64, FLOWS);
    for flow in flows {
        assert_eq!(flow["flow"]["pkts_toserver"], ROUNDS, "{flow}");
        assert_eq!(flow["flow"]["pkts_toclient"], ROUNDS, "{flow}");
    }
    assert!(lab.log().contains("+ dropped 0 + in flight 0"), "{}", lab.log());
}

fn accounted_for_at_any_instant() {
    let mut lab = Lab::new(2);
    // Rings as small as can be: frames may well be lost, but never without a reason.
    lab.configure("[workers]\ncount = 2\nrx_ring = 64\n");
    lab.start();
    let read = |lab: &Lab| {
        let stats = lab.stats();
        let of = |name: &str| stats[name].as_u64().unwrap_or_else(|| panic!("{name}: {stats}"));
        let reasons: u64 =
            ["rx_ring_full", "fill_ring_empty_or_oversized", "no_headroom", "no_socket", "shed"]
                .iter()
                .map(|r| of(&format!("capture.drop_reason.{r}")))
                .sum();
        assert_eq!(of("capture.dropped"), reasons);
        // Ports and workers add up to the whole.
        assert_eq!(of("port.span.received"), of("capture.received"));
        assert_eq!(
            of("worker.0.rx_ring_full") + of("worker.1.rx_ring_full"),
            of("capture.drop_reason.rx_ring_full")
        );
        assert_eq!(
            of("capture.received"),
            of("capture.processed") + of("capture.dropped") + of("capture.in_flight")
        );
        (of("capture.received"), of("capture.in_flight"))
    };
    for _ in 0..10 {
        chatter(&lab, 3);
        read(&lab);
    }
    until("the rings are empty", || read(&lab).1 == 0);
    assert!(read(&lab).0 >= 10 * 3 * 2 * FLOWS);
    lab.stop();
    assert!(lab.log().contains("+ in flight 0"), "{}", lab.log());
}

/// A VXLAN tunnel between two hosts: all of it is one outer flow, and what is in it are many.
fn flows_in_a_tunnel() {
    let mut lab = Lab::new(1);
    for (host, other) in [("a", "b"), ("b", "a")] {
        let (ns, remote) = (lab.ns(host), v4(other));
        must(&format!("ip -n {ns} link add vx type vxlan id 7 remote {remote} dstport 4789 dev eth0"));
        must(&format!("ip netns exec {ns} sysctl -qw net.ipv6.conf.vx.disable_ipv6=1"));
        must(&format!("ip -n {ns} addr add 10.99.0.{}/24 dev vx", if host == "a" { 1 } else { 2 }));
        must(&format!("ip -n {ns} link set vx up"));
    }
    lab.configure("[workers]\ncount = 3\ntunnels = true\n");
    lab.start();
    const TALKS: u16 = 40;
    lab.on("a", || {
        for port in 0..TALKS {
            let socket = UdpSocket::bind(("10.99.0.1", 21_000 + port)).unwrap();
            socket.connect("10.99.0.2:8080").unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            for _ in 0..5 {
                socket.send(b"there").unwrap();
                socket.recv(&mut [0; 16]).unwrap();
            }
        }
    });
    let stats = lab.stats();
    assert_eq!(stats["capture.wrong_worker"], 0, "{stats}");
    for n in 0..3 {
        assert!(stats[format!("worker.{n}.packets")].as_u64().unwrap() > 0, "{stats}");
    }
    lab.stop();
    let events = lab.events();
    let inner: Vec<&Value> =
        of_type(&events, "flow").into_iter().filter(|f| f["dest_ip"] == "10.99.0.2").collect();
    assert_eq!(inner.iter().filter(|f| f["proto"] == "UDP").count(), usize::from(TALKS), "{inner:?}");
    for flow in inner.iter().filter(|f| f["proto"] == "UDP") {
        assert_eq!((&flow["flow"]["pkts_toserver"], &flow["flow"]["pkts_toclient"]), (&5.into(), &5.into()));
    }
}

/// A veth picks the queue without regard to the other direction: just the NIC on which "rss" must not be used, and a
/// test that the counter of wrong workers can count.
fn rss() {
    let mut lab = Lab::new(2);
    lab.configure("[workers]\ncount = 2\nsteer = \"rss\"\n");
    lab.start();
    assert!(lab.log().contains("2 queues, each to one of 2 workers"), "{}", lab.log());
    chatter(&lab, 3);
    let stats = lab.stats();
    assert!(stats["capture.wrong_worker"].as_u64().unwrap() > 0, "{stats}");
    for n in 0..2 {
        // A worker gets what comes by its queue, and all of it.
        assert_eq!(
            stats[format!("worker.{n}.packets")],
            stats[format!("port.span.queue{n}.steered")],
            "{stats}"
        );
    }
    lab.stop();
    assert!(lab.log().contains("+ dropped 0 + in flight 0"), "{}", lab.log());
}

fn metrics() {
    use std::io::{Read, Write};
    let mut lab = Lab::new(1);
    lab.configure("[control]\nprometheus = \"127.0.0.1:9477\"\n");
    must(&format!("ip -n {} link set lo up", lab.ns("sw")));
    lab.start();
    chatter(&lab, 1);
    let ask = |request: &'static [u8]| {
        lab.on("sw", move || {
            let mut stream = std::net::TcpStream::connect("127.0.0.1:9477").unwrap();
            stream.write_all(request).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        })
    };
    assert!(ask(b"\x16\x03\x01nonsense").starts_with("HTTP/1.1 400 "));
    assert!(ask(b"GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404 "));
    let answer = ask(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let queue = "ringward_queue_steered_total{port=\"span\",queue=\"0\"} ";
    for line in ["# TYPE ringward_capture_received_total counter", "ringward_capture_received_total ", queue]
    {
        assert!(answer.contains(&format!("\n{line}")), "{line}: {answer}");
    }
    let (_, metrics) = answer.split_once("\r\n\r\n").unwrap();
    let undescribed =
        metrics.lines().find(|l| l.starts_with("# HELP") && l.trim_end().matches(' ').count() < 3);
    assert_eq!(undescribed, None, "every counter of a running sensor is documented");
    promtool_agrees(metrics);
    lab.stop();
}

/// What Prometheus's own tool says of the metrics, where it is installed.
fn promtool_agrees(metrics: &str) {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let started = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut promtool) = started else { return eprintln!("SKIPPED: needs promtool (Debian: prometheus)") };
    promtool.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let said = promtool.wait_with_output().unwrap();
    assert!(said.status.success(), "{}{metrics}", String::from_utf8_lossy(&said.stderr));
}

/// Both directions of many flows in tunnels that this kernel may have no device for: written by hand.
fn flows_in_every_tunnel() {
    const TALKS: u16 = 30;
    const ROUNDS: u64 = 3;
    let mut lab = Lab::new(2);
    lab.configure("[workers]\ncount = 3\ntunnels = true\n");
    lab.start();
    // IP protocol or UDP port of the tunnel, and what lies before the inner packet (of 33 bytes).
    let kinds: [(u8, u16, &[u8]); 4] = [
        (4, 0, &[]),                                 // IP in IP
        (47, 0, &[0, 0, 8, 0]),                      // GRE
        (17, 6081, &[0, 0, 8, 0, 0, 0, 1, 0]),       // GENEVE
        (17, 2152, &[0x30, 255, 0, 33, 0, 0, 0, 1]), // GTP-U
    ];
    let mut sent = 0;
    for _ in 0..ROUNDS {
        for (host, other) in [("a", "b"), ("b", "a")] {
            let (to, reply) = (v4(other), host == "b");
            lab.on(host, move || {
                let inners =
                    (0_u8..).zip(kinds).flat_map(|(n, kind)| (0..TALKS).map(move |talk| (n, kind, talk)));
                for (n, (proto, port, head), talk) in inners {
                    let (mut from, mut into) = (([10, 99, n, 1], 21_000 + talk), ([10, 99, n, 2], 8080));
                    if reply {
                        std::mem::swap(&mut from, &mut into);
                    }
                    let mut packet = head.to_vec();
                    let builder = etherparse::PacketBuilder::ipv4(from.0, into.0, 64).udp(from.1, into.1);
                    builder.write(&mut packet, b"there").unwrap();
                    send_as(proto, std::net::SocketAddr::new(to, port), &packet);
                }
            });
            // Queues are served in turns: an answer might be seen before what it answers.
            sent += u64::from(TALKS) * kinds.len() as u64;
            until("all are there", || lab.stats()["decoder.udp"].as_u64().unwrap() >= sent);
        }
    }
    let stats = lab.stats();
    assert_eq!(stats["capture.wrong_worker"], 0, "{stats}");
    for n in 0..3 {
        assert!(stats[format!("worker.{n}.packets")].as_u64().unwrap() > 0, "{stats}");
    }
    lab.stop();
    let events = lab.events();
    for n in 0..kinds.len() {
        let inside = |f: &&Value| f["dest_ip"] == format!("10.99.{n}.2") && f["proto"] == "UDP";
        let flows: Vec<&Value> = of_type(&events, "flow").into_iter().filter(inside).collect();
        assert_eq!(flows.len(), usize::from(TALKS), "{n}");
        for flow in flows {
            let (there, back) = (&flow["flow"]["pkts_toserver"], &flow["flow"]["pkts_toclient"]);
            assert_eq!((there, back), (&ROUNDS.into(), &ROUNDS.into()), "{flow}");
        }
    }
}

/// Sends an IP packet of this protocol; UDP from a port of its own.
fn send_as(proto: u8, to: std::net::SocketAddr, payload: &[u8]) {
    use rustix::net::{AddressFamily, Protocol, SendFlags, SocketType, sendto, socket};
    if proto == 17 {
        UdpSocket::bind("0.0.0.0:0").unwrap().send_to(payload, to).unwrap();
        return;
    }
    let proto = std::num::NonZeroU32::new(proto.into()).map(Protocol::from_raw);
    let socket = socket(AddressFamily::INET, SocketType::RAW, proto).unwrap();
    sendto(&socket, payload, SendFlags::empty(), &to).unwrap();
}

/// Two workers on one queue, of which one never looks at its ring: the other gets every frame of its own, and what
/// the first loses is counted as lost by its ring.
fn standing_still() {
    use capture::{BypassTable, CapturePort, Device, PortOptions, Shared};
    const DATAGRAMS: u64 = 20_000;
    const RING: u32 = 64;
    let lab = Lab::new(1);
    let (ready, is_ready) = std::sync::mpsc::channel();
    let (over, is_over) = std::sync::mpsc::channel();
    // Empty rounds of the worker that looks: what was sent before two of them is not in its ring any more.
    let rounds = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let seen = rounds.clone();
    let ns = lab.ns("sw");
    let workers = std::thread::spawn(move || {
        let ns = std::fs::File::open(format!("/run/netns/{ns}")).unwrap();
        let kind = Some(rustix::thread::LinkNameSpaceType::Network);
        rustix::thread::move_into_link_name_space(std::os::fd::AsFd::as_fd(&ns), kind).unwrap();
        let bypass = BypassTable::new(1).unwrap();
        let options = PortOptions { workers: 2, rx_ring: RING, ..PortOptions::default() };
        let shared = Shared { bypass: &bypass, isolation: None };
        let device = Device::open("span").unwrap();
        let (port, mut receivers) = CapturePort::open(&[device], options, shared).unwrap();
        ready.send(()).unwrap();
        let (mut own, mut foreign) = (0_u64, 0_u64);
        let mut drained = false;
        // Once more after the end: what was sent last.
        while !drained {
            drained = is_over.try_recv().is_ok();
            let mut count = |frames: &[capture::Frame<'_>]| {
                let mine = frames.iter().filter(|frame| wire::worker_of(frame.hash, 2) == 1).count();
                own += mine as u64;
                foreign += (frames.len() - mine) as u64;
            };
            while receivers[1].receive(&mut count) > 0 {}
            rounds.fetch_add(1, std::sync::atomic::Ordering::Release);
        }
        port.release().unwrap();
        let steered: u64 = port.counters().unwrap()[0].iter().map(|queue| queue.steered).sum();
        let waiting = u64::from(receivers[0].depth().0);
        let lost: Vec<_> = receivers.iter().map(|r| r.ring_stats().unwrap().read().unwrap()[0].2).collect();
        (own, foreign, steered, waiting, lost)
    });
    is_ready.recv().unwrap();
    let to = v4("b");
    lab.on("a", move || {
        let sockets: Vec<UdpSocket> = (0..32)
            .map(|_| {
                let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
                // Nobody listens there, and nobody is asked to answer so often.
                socket.send_to(b"first", (to, 9998)).unwrap();
                socket
            })
            .collect();
        for n in 0..DATAGRAMS as usize {
            sockets[n % sockets.len()].send_to(b"there", (to, 9998)).unwrap();
            // No faster than the worker, which may have to wait for a core: what it loses is not its own fault.
            if n % 16 == 0 {
                let before = seen.load(std::sync::atomic::Ordering::Acquire);
                while seen.load(std::sync::atomic::Ordering::Acquire) < before + 2 {
                    std::thread::sleep(Duration::from_micros(20));
                }
            }
        }
    });
    std::thread::sleep(Duration::from_millis(100));
    over.send(()).unwrap();
    let (own, foreign, steered, waiting, lost) = workers.join().unwrap();
    assert_eq!(foreign, 0);
    assert_eq!((lost[1].rx_ring_full, lost[1].rx_dropped), (0, 0), "{lost:?}");
    assert_eq!((waiting, lost[0].rx_dropped), (u64::from(RING), 0), "{lost:?}");
    assert!(own > DATAGRAMS / 8 && lost[0].rx_ring_full > DATAGRAMS / 8, "{own} {lost:?}");
    assert_eq!(steered, own + waiting + lost[0].rx_ring_full);
}
