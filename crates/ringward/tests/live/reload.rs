//! Indicators that change while the sensor runs.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::Signal;

use crate::lab::{Lab, until, v4};
use crate::support::{of_type, stderr};

pub const TESTS: &[(&str, fn())] = &[
    ("reload::new_indicators_count_at_once_and_no_packet_is_lost", new_indicators),
    ("reload::what_cannot_be_loaded_leaves_the_old_in_force", bad_indicators),
];

const OBSERVE: &str = "[policy]\nmode = \"observe\"\n";

fn alerts(lab: &Lab, name: &str) -> usize {
    let of = |event: &&&serde_json::Value| event["alert"]["metadata"]["ioc_value"][0] == name;
    of_type(&lab.events(), "alert").iter().filter(of).count()
}

fn new_indicators() {
    let mut lab = Lab::new(2);
    lab.configure(&format!("[workers]\ncount = 2\n{OBSERVE}"));
    lab.start();
    let stop = Arc::new(AtomicBool::new(false));
    let socket = lab.on("c", || UdpSocket::bind("0.0.0.0:0").unwrap());
    let (ending, to) = (stop.clone(), SocketAddr::new(v4("b"), 9999));
    let chatter = std::thread::spawn(move || {
        while !ending.load(Ordering::Relaxed) {
            let _ = socket.send_to(&[1; 32], to);
            std::thread::sleep(std::time::Duration::from_micros(200));
        }
    });
    lab.looks_up("a", v4("b"), "bad.example");
    until("the old one is seen", || alerts(&lab, "bad.example") == 1);
    for round in 0..5 {
        std::fs::write(lab.desk.path("iocs.csv"), format!("bad.example\nnew{round}.example\n")).unwrap();
        let output = lab.ringward(&["reload"]);
        assert!(output.status.success(), "{}", stderr(&output));
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(told.starts_with("2 indicators: 2 domains\nreloaded in "), "{told}");
        lab.looks_up("a", v4("b"), &format!("new{round}.example"));
        until("the new one is seen", || alerts(&lab, &format!("new{round}.example")) == 1);
    }
    std::fs::write(lab.desk.path("iocs.csv"), "bad.example\nhup.example\n").unwrap();
    lab.signal(Signal::HUP);
    until("the signal is heeded", || lab.stats()["intel.reloads"] == 6);
    lab.looks_up("a", v4("b"), "hup.example");
    until("and what it brought is seen", || alerts(&lab, "hup.example") == 1);
    let output = lab.ringward(&["iocs", "hits", "--json"]);
    let hits: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let of = |name: &str| hits.as_array().unwrap().iter().find(|hit| hit["indicator"] == name);
    assert_eq!(of("bad.example").unwrap()["hits"], 1, "{hits}");
    assert_eq!((of("hup.example").is_some(), of("new4.example").is_some()), (true, false), "{hits}");
    stop.store(true, Ordering::Relaxed);
    chatter.join().unwrap();
    assert_eq!(lab.stats()["capture.dropped"], 0);
    lab.stop();
}

fn bad_indicators() {
    let mut lab = Lab::new(1);
    lab.configure(OBSERVE);
    lab.start();
    let good = std::fs::read(lab.desk.path("iocs.csv")).unwrap();
    for (text, why) in [
        (&b""[..], "iocs.csv:1: the file is empty"),
        (b"\x7fELF\x02\x01\x01\0\0\0", "iocs.csv:1: a program"),
        (b"{\"Event\": {\n\"Attribute\": [", "iocs.csv:2: "),
        (b"nothing of use\n", "iocs.csv:1: none of 1 entries is an indicator"),
    ] {
        std::fs::write(lab.desk.path("iocs.csv"), text).unwrap();
        let output = lab.ringward(&["reload"]);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(why), "{}", stderr(&output));
        assert!(lab.log().contains(why), "{}", lab.log());
    }
    assert_eq!(
        (&lab.stats()["intel.reloads_failed"], &lab.stats()["intel.indicators"]),
        (&4.into(), &1.into())
    );
    lab.looks_up("a", v4("b"), "bad.example");
    until("the old one is in force", || alerts(&lab, "bad.example") == 1);
    std::fs::write(lab.desk.path("iocs.csv"), good).unwrap();
    assert!(lab.ringward(&["reload"]).status.success());
    lab.stop();
}
