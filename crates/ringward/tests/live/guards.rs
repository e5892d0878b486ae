//! Ports that enforce isolations and lose their program, and how that is told.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::isolation::isolate;
use crate::lab::{Lab, must, until, v4, v6};
use crate::refusals::attach_somebody_elses;
use crate::support::of_type;

pub const TESTS: &[(&str, fn())] = &[
    ("guards::a_port_that_is_made_anew_is_guarded_again", made_anew),
    ("guards::a_port_that_is_moved_away_and_back_is_guarded_again", moved_away_and_back),
    ("guards::a_program_that_is_taken_off_is_put_back", taken_off),
    ("guards::somebody_elses_program_is_left_alone_and_told", somebody_elses_program),
    ("guards::verdicts_say_that_no_guard_is_in_force", no_guard_in_force),
    ("guards::capture_ports_alone_enforce_nothing_and_say_so", capture_ports_alone),
];

/// Steps of ports: "port_lost", "port_back".
pub fn told(lab: &Lab, action: &str, port: &str) -> Vec<Value> {
    let events = lab.events();
    let steps = of_type(&events, "isolation").into_iter().map(|e| e["isolation"].clone());
    steps.filter(|step| step["action"] == action && step["port"] == port).collect()
}

fn in_force_again(lab: &Lab, port: &str, times: usize) {
    until("it is in force again", || told(lab, "port_back", port).len() == times);
    assert!(lab.log().contains(&format!("guard {port}: in force again")), "{}", lab.log());
    let stats = lab.stats();
    assert_eq!((&stats["enforcement.in_force"], &stats["degraded"]), (&3.into(), &Value::Null));
    assert_eq!(stats["enforcement.gaps"], times);
    assert_eq!(lab.listed()[0]["enforced_on"], serde_json::json!(["pa", "pb", "pc"]));
    assert_eq!(lab.listed()[0]["not_enforced_on"], Value::Null);
}

fn started() -> Lab {
    let mut lab = Lab::new(1);
    lab.configure("");
    lab.start();
    isolate(&lab, &["10.77.0.1"]);
    assert!(!lab.reaches("a", v4("b")) && lab.reaches("a", v6("b")));
    lab
}

fn made_anew() {
    let mut lab = started();
    assert_eq!(
        lab.step(v4("a"), "isolate")["isolation"]["enforced_on"],
        serde_json::json!(["pa", "pb", "pc"])
    );
    let (sw, a) = (lab.ns("sw"), lab.ns("a"));
    must(&format!("ip -n {sw} link del pa"));
    until("it is missed", || told(&lab, "port_lost", "pa").len() == 1);
    let lost = &told(&lab, "port_lost", "pa")[0];
    assert_eq!(lost["not_enforced_on"], serde_json::json!(["pa"]));
    assert!(lost["reason"].as_str().unwrap().contains("interface pa: no such interface"), "{lost}");
    let stats = lab.stats();
    assert_eq!(stats["enforcement.in_force"], 2);
    let why = stats["degraded"][0].as_str().unwrap();
    assert!(why.starts_with("guard port pa has enforced nothing for "), "{why}");
    assert_eq!(lab.listed()[0]["not_enforced_on"], serde_json::json!(["pa"]));
    must(&format!("ip -n {sw} link add pa type veth peer name eth0 netns {a}"));
    let came = Instant::now();
    must(&format!("ip -n {sw} link set pa master lan up"));
    must(&format!("ip -n {a} link set eth0 up"));
    must(&format!("ip -n {a} addr add {}/24 dev eth0", v4("a")));
    must(&format!("ip -n {a} addr add {}/64 dev eth0 nodad", v6("a")));
    until("it is guarded", || lab.xdp_ports().contains(&"pa".to_owned()));
    let took = came.elapsed();
    eprintln!("guarded again {} ms after the port came", took.as_millis());
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert!(!lab.reaches("a", v4("b")));
    in_force_again(&lab, "pa", 1);
    assert!(lab.stats()["enforcement.unguarded_ms"].as_u64().unwrap() > 0);
    until("others reach it", || lab.reaches("a", v6("b")));
    assert!(!lab.reaches("a", v4("b")));
    // A clean end leaves no program, on the new port neither.
    assert!(lab.ringward(&["isolate", "flush"]).status.success());
    assert!(lab.reaches("a", v4("b")));
    lab.stop();
    assert_eq!(lab.xdp_ports(), [""; 0]);
}

fn moved_away_and_back() {
    let lab = started();
    let (sw, c) = (lab.ns("sw"), lab.ns("c"));
    must(&format!("ip -n {sw} link set pa netns {c}"));
    until("it is missed", || told(&lab, "port_lost", "pa").len() == 1);
    must(&format!("ip -n {c} link set pa netns {sw}"));
    must(&format!("ip -n {sw} link set pa master lan up"));
    until("it is back", || told(&lab, "port_back", "pa").len() == 1);
    until("others reach it", || lab.reaches("a", v6("b")));
    assert!(!lab.reaches("a", v4("b")));
    in_force_again(&lab, "pa", 1);
}

fn taken_off() {
    let lab = started();
    must(&format!("ip -n {} link set dev pa xdp off", lab.ns("sw")));
    until("it is told", || told(&lab, "port_back", "pa").len() == 1);
    let back = &told(&lab, "port_back", "pa")[0];
    assert!(back["reason"].as_str().unwrap().contains("Ringward's XDP program was taken off"), "{back}");
    assert!(!lab.reaches("a", v4("b")));
    in_force_again(&lab, "pa", 1);
    // A capture port has no say in isolations; it comes back all the same.
    must(&format!("ip -n {} link set dev span xdp off", lab.ns("sw")));
    until("it is missed", || lab.log().contains("interface span: Ringward's XDP program was taken off"));
    until("it is open again", || lab.log().contains("span: open again"));
    lab.looks_up("b", v4("c"), "bad.example");
    until("it captures", || lab.is_isolated(v4("b")));
    in_force_again(&lab, "pa", 1);
}

/// Takes our program's place on a port.
fn displace(lab: &Lab, port: &str) {
    attach_somebody_elses(lab, port, "-force");
    until("it is told", || lab.log().contains("another XDP program is attached"));
}

fn somebody_elses_program() {
    let lab = started();
    displace(&lab, "pa");
    let stats = lab.stats();
    let why = stats["degraded"][0].as_str().unwrap();
    assert!(why.contains("somebody_elses") && why.contains("pa"), "{why}");
    assert_eq!(stats["enforcement.in_force"], 2);
    // Verdicts of that time tell where they are in force.
    isolate(&lab, &["10.77.0.3"]);
    let step = lab.step(v4("c"), "isolate");
    assert_eq!(step["isolation"]["enforced"], true);
    assert_eq!(step["isolation"]["enforced_on"], serde_json::json!(["pb", "pc"]));
    assert_eq!(step["isolation"]["not_enforced_on"], serde_json::json!(["pa"]));
    let text = lab.ringward(&["isolate", "list"]);
    let text = crate::support::stderr(&text);
    assert!(text.contains("enforced on pb, pc only; not in force on pa"), "{text}");
    // It is never touched.
    std::thread::sleep(Duration::from_millis(1500));
    let links = must(&format!("ip -n {} -d link show pa", lab.ns("sw")));
    assert!(links.contains("somebody_elses"), "{links}");
    must(&format!("ip -n {} link set dev pa xdp off", lab.ns("sw")));
    until("ours is back", || lab.stats()["enforcement.in_force"] == 3);
    assert!(!lab.reaches("a", v4("b")));
    assert!(lab.stats()["enforcement.unguarded_ms"].as_u64().unwrap() >= 1500);
}

fn no_guard_in_force() {
    let mut lab = Lab::new(1);
    lab.write_config(
        "[[port]]\nname = \"span\"\nrole = \"capture\"\n[[port]]\nname = \"pa\"\nrole = \"guard\"\n\
         [policy]\nmode = \"enforce\"\n",
    );
    lab.start();
    displace(&lab, "pa");
    lab.looks_up("a", v4("b"), "bad.example");
    let step = lab.step(v4("a"), "isolate");
    let isolation = &step["isolation"];
    assert_eq!((&isolation["enforced"], &isolation["enforced_on"]), (&false.into(), &serde_json::json!([])));
    let why = isolation["not_enforced_because"].as_str().unwrap();
    assert!(why.starts_with("no guard port is in force: interface pa: another XDP program"), "{why}");
    assert!(lab.reaches("a", v4("b")));
    must(&format!("ip -n {} link set dev pa xdp off", lab.ns("sw")));
    until("it is in force", || !lab.reaches("a", v4("b")));
    until("it is told", || !told(&lab, "port_back", "pa").is_empty());
    let back = told(&lab, "port_back", "pa").pop().unwrap();
    assert_eq!(back["enforced_on"], serde_json::json!(["pa"]));
    assert_eq!(lab.listed()[0]["enforced_on"], serde_json::json!(["pa"]));
}

fn capture_ports_alone() {
    let mut lab = Lab::new(1);
    lab.write_config("[[port]]\nname = \"span\"\nrole = \"capture\"\n[policy]\nmode = \"enforce\"\n");
    lab.start();
    until("it is told at start", || lab.log().contains("WARN"));
    let log = lab.log();
    assert!(
        log.contains("policy.mode is \"enforce\" and no port enforces") && log.contains("add a guard port"),
        "{log}"
    );
    lab.looks_up("a", v4("b"), "bad.example");
    let step = lab.step(v4("a"), "isolate");
    let isolation = &step["isolation"];
    assert_eq!((&isolation["enforced"], &isolation["enforced_on"]), (&false.into(), &serde_json::json!([])));
    assert_eq!(isolation["not_enforced_because"], "no guard port is configured");
    // Nothing is promised, so nothing is missing.
    assert_eq!((&lab.stats()["degraded"], &lab.stats()["enforcement.ports"]), (&Value::Null, &0.into()));
    assert!(lab.reaches("a", v4("b")));
}
