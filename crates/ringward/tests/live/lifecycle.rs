//! Starting, stopping, dying, coming back.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::Signal;

use crate::lab::{Lab, until, v4};
use crate::steering::chatter;
use crate::support::{counters, of_type, ringward, stderr};

pub const TESTS: &[(&str, fn())] = &[
    ("lifecycle::a_clean_stop_leaves_nothing", a_clean_stop_leaves_nothing),
    ("lifecycle::isolation_survives_kill_9_until_its_time_is_over", survives_kill_9),
    ("lifecycle::a_restart_adopts_what_is_in_force", a_restart_adopts),
    ("lifecycle::a_clean_stop_keeps_isolated_hosts_isolated", a_clean_stop_keeps_isolation),
    ("lifecycle::a_stop_under_full_load_loses_nothing_silently", stop_under_load),
    ("lifecycle::busy_polling_delivers", busy_polling),
    ("lifecycle::a_queue_that_is_still_busy_is_waited_for", waits_for_a_busy_queue),
    ("lifecycle::flush_works_while_the_sensor_is_down", flush_works_while_down),
];

fn a_clean_stop_leaves_nothing() {
    let mut lab = Lab::new(1);
    lab.configure("");
    let promiscuity = lab.promiscuity("span");
    for signal in [Signal::TERM, Signal::INT] {
        lab.start();
        assert_eq!(lab.xdp_ports(), ["pa", "pb", "pc", "span"]);
        assert_eq!(lab.promiscuity("span"), promiscuity + 1);
        assert!(lab.pins.join("isolation").exists());
        assert!(lab.ringward(&["isolate", "add", "10.77.0.1"]).status.success());
        assert!(lab.ringward(&["isolate", "flush"]).status.success());
        lab.signal(signal);
        assert_eq!(lab.ended(), Some(0), "{}", lab.log());
        assert_eq!(lab.xdp_ports(), [""; 0]);
        assert_eq!(lab.promiscuity("span"), promiscuity);
        assert!(!lab.pins.exists() && !lab.desk.path("sensor.sock").exists());
        assert!(lab.log().contains("+ dropped 0 + in flight 0"), "{}", lab.log());
    }
}

fn survives_kill_9() {
    let mut lab = Lab::new(1);
    lab.configure("[policy]\nlifetime = \"4s\"\n");
    lab.start();
    lab.looks_up("a", v4("b"), "bad.example");
    until("isolated", || lab.is_isolated(v4("a")));
    lab.kill();
    assert!(!lab.reaches("a", v4("b")), "cut off without a sensor");
    assert!(lab.reaches("c", v4("b")));
    let bpftool = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/lab/bpftool");
    let dump = crate::lab::must(&format!("{bpftool} -j map dump pinned {}/isolation", lab.pins.display()));
    assert!(dump.contains("expires_ns"), "{dump}");
    until("free when the time is over", || lab.reaches("a", v4("b")));
}

fn a_restart_adopts() {
    let mut lab = Lab::new(1);
    lab.configure("");
    lab.start();
    assert!(lab.ringward(&["isolate", "add", "10.77.0.1", "--ttl", "10m"]).status.success());
    assert!(!lab.reaches("a", v4("b")));
    lab.kill();
    lab.start();
    assert!(lab.log().contains("of an earlier run"), "{}", lab.log());
    assert!(!lab.reaches("a", v4("b")), "still cut off");
    let listed = lab.listed();
    assert_eq!(listed[0]["by"], "operator", "the ledger knows whose it is");
    assert!((500..=600).contains(&listed[0]["remaining_s"].as_u64().unwrap()));
    assert!(listed[0]["dropped_packets"].as_u64().unwrap() > 0);
    // Detection goes on as before, and the adopted host is released like any other.
    lab.looks_up("c", v4("b"), "bad.example");
    until("isolated", || lab.is_isolated(v4("c")));
    assert!(lab.ringward(&["isolate", "flush"]).status.success());
    assert!(lab.reaches("a", v4("b")) && lab.reaches("c", v4("b")));
    lab.stop();
    assert_eq!(lab.xdp_ports(), [""; 0]);
}

fn a_clean_stop_keeps_isolation() {
    let mut lab = Lab::new(1);
    lab.configure("");
    lab.start();
    assert!(lab.ringward(&["isolate", "add", "10.77.0.1", "--ttl", "10m"]).status.success());
    lab.stop();
    assert!(lab.log().contains("10.77.0.1 stay isolated"), "{}", lab.log());
    assert_eq!(lab.xdp_ports(), ["pa", "pb", "pc"]);
    assert!(!lab.reaches("a", v4("b")));
}

fn flush_works_while_down() {
    let mut lab = Lab::new(1);
    lab.configure("");
    lab.start();
    assert!(lab.ringward(&["isolate", "add", "10.77.0.1", "--ttl", "10m"]).status.success());
    lab.kill();
    assert!(!lab.reaches("a", v4("b")));
    let output = ringward(lab.desk.dir.path(), ["isolate", "flush", "-c", "ringward.toml"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 hosts released"));
    assert!(lab.reaches("a", v4("b")));
}

fn stop_under_load() {
    let mut lab = Lab::new(2);
    lab.configure("[workers]\ncount = 2\nrx_ring = 64\n[bypass]\nshed = false\n");
    lab.start();
    let stop = Arc::new(AtomicBool::new(false));
    let flooding = ["a", "c"].map(|host| {
        let socket = lab.on(host, || UdpSocket::bind("0.0.0.0:0").unwrap());
        let (stop, to) = (stop.clone(), SocketAddr::new(v4("b"), 9999));
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                let _ = socket.send_to(&[1; 32], to);
            }
        })
    });
    until("there is load", || lab.stats()["capture.processed"].as_u64().unwrap() > 20_000);
    lab.stop();
    stop.store(true, Ordering::Relaxed);
    flooding.into_iter().for_each(|thread| thread.join().unwrap());
    assert!(lab.log().contains("+ in flight 0"), "{}", lab.log());
    assert_eq!(lab.xdp_ports(), [""; 0]);
    // Every packet that was not lost for a reason is in a flow's record.
    let events = lab.events();
    let counters = counters(&events);
    let of = |name: &str| counters[name].as_u64().unwrap();
    let packets = |f: &&serde_json::Value| {
        f["flow"]["pkts_toserver"].as_u64().unwrap() + f["flow"]["pkts_toclient"].as_u64().unwrap()
    };
    let in_flows: u64 = of_type(&events, "flow").iter().map(packets).sum();
    assert_eq!(in_flows, of("capture.received") - of("capture.dropped") - of("decoder.non_ip"));
}

fn busy_polling() {
    let mut lab = Lab::new(1);
    lab.configure("[workers]\nwakeup = \"busy-poll\"\n");
    lab.start();
    chatter(&lab, 3);
    std::thread::sleep(std::time::Duration::from_secs(2));
    chatter(&lab, 3);
    let stats = lab.stats();
    assert!(stats["capture.processed"].as_u64().unwrap() >= 6 * 240, "{stats}");
    assert_eq!(
        (&stats["capture.busy_poll_failed"], &stats["capture.dropped"]),
        (&0.into(), &0.into()),
        "{stats}"
    );
    lab.stop();
}

/// The kernel lets go of a queue a while after the last socket on it was closed.
fn waits_for_a_busy_queue() {
    let mut lab = Lab::new(1);
    lab.configure("");
    let (bound, is_bound) = std::sync::mpsc::channel();
    let (free, is_free) = std::sync::mpsc::channel::<()>();
    let ns = lab.ns("sw");
    let holding = std::thread::spawn(move || {
        let ns = std::fs::File::open(format!("/run/netns/{ns}")).unwrap();
        let kind = Some(rustix::thread::LinkNameSpaceType::Network);
        rustix::thread::move_into_link_name_space(std::os::fd::AsFd::as_fd(&ns), kind).unwrap();
        let device = capture::Device::open("span").unwrap();
        let socket = capture::SingleQueue::open(&device, 0, 64).unwrap();
        bound.send(()).unwrap();
        let _ = is_free.recv();
        std::thread::sleep(std::time::Duration::from_millis(300));
        drop(socket);
    });
    is_bound.recv().unwrap();
    // Held for good: refused, and said why.
    let said = stderr(&lab.start_in_vain());
    assert!(said.contains("interface span, queue 0: AF_XDP socket: ") && said.contains("busy"), "{said}");
    // Held for a moment longer: waited for.
    free.send(()).unwrap();
    lab.start();
    holding.join().unwrap();
    chatter(&lab, 1);
    until("frames arrive", || lab.stats()["capture.processed"].as_u64().unwrap() > 0);
    lab.stop();
}
