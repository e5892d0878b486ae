//! Who is cut off, who is not, and what is told of it.

use crate::lab::{Lab, until, v4, v6};
use crate::support::{of_type, stderr, tshark};

pub const TESTS: &[(&str, fn())] = &[
    ("isolation::a_lookup_cuts_off_the_victim_and_nobody_else", a_lookup_cuts_off_the_victim),
    ("isolation::a_check_in_over_ipv6_is_told_whole", a_check_in_over_ipv6_is_told_whole),
    ("isolation::operators_isolate_and_release", operators_isolate_and_release),
    ("isolation::a_lifetime_ends_by_itself", a_lifetime_ends_by_itself),
    ("isolation::protected_hosts_are_never_cut_off", protected_hosts_are_never_cut_off),
    ("isolation::a_full_map_is_seen", a_full_map_is_seen),
];

fn a_lookup_cuts_off_the_victim() {
    let mut lab = Lab::new(1);
    lab.configure("");
    lab.start();
    for (ip, family) in [(v4 as fn(&str) -> _, "IPv4"), (v6, "IPv6")] {
        assert!(lab.reaches("a", ip("b")), "{family}");
        lab.looks_up("a", ip("b"), "www.fine.example");
        lab.looks_up("a", ip("b"), "c2.bad.example");
        until("isolated", || lab.is_isolated(ip("a")));
        assert!(!lab.reaches("a", ip("b")), "{family}: the victim sends");
        assert!(!lab.reaches("b", ip("a")), "{family}: the victim is reached");
        assert!(lab.reaches("c", ip("b")), "{family}: the bystander is cut off");
        let step = lab.step(ip("a"), "first_drop");
        assert!(step["isolation"]["dropped_packets"].as_u64().unwrap() > 0);
    }
    // One alert for each family, none for the innocent name.
    assert_eq!(of_type(&lab.events(), "alert").len(), 2);
    assert_eq!(lab.listed().len(), 2);
    for listed in lab.listed() {
        assert_eq!(listed["by"], "indicator");
        assert!(listed["reason"].as_str().unwrap().contains("c2.bad.example"), "{listed}");
        assert!((3500..=3600).contains(&listed["remaining_s"].as_u64().unwrap()));
    }
}

fn a_check_in_over_ipv6_is_told_whole() {
    let mut lab = Lab::new(1);
    lab.configure("");
    lab.start();
    let uri = "/in?host=WIN-7Q2&user=bob&os=Windows+11";
    lab.visits("a", v6("b"), "bad.example", uri);
    until("isolated", || lab.is_isolated(v6("a")));
    assert!(!lab.visits("a", v6("b"), "fine.example", "/"));
    assert!(lab.visits("c", v6("b"), "fine.example", "/"));
    let step = lab.step(v6("a"), "first_drop");
    let isolate = lab.step(v6("a"), "isolate");
    let latency = &isolate["isolation"]["latency"];
    let (alert, map) = (latency["alert_ns"].as_u64().unwrap(), latency["map_ns"].as_u64().unwrap());
    let drop = step["isolation"]["latency"]["first_drop_ns"].as_u64().unwrap();
    assert!(alert <= map && map <= drop, "{alert} {map} {drop}");

    lab.stop();
    let evidence = lab.desk.list("out/evidence");
    assert_eq!(evidence.len(), 1);
    let packets = tshark(&evidence[0], "ipv6", &["tcp.flags.syn", "http.request.uri"]);
    assert!(
        ["1", "True"].contains(&packets[0][0].as_str()),
        "the evidence begins with the handshake: {packets:?}"
    );
    assert!(packets.iter().any(|p| p[1] == uri), "{packets:?}");
    let html = std::fs::read_to_string(&lab.desk.list("out/incidents")[0]).unwrap();
    for part in ["WIN-7Q2", "bob", "Windows 11", "bad.example", "fd77::1"] {
        assert!(html.contains(part), "{part}");
    }
}

fn operators_isolate_and_release() {
    let mut lab = Lab::new(1);
    lab.configure("");
    lab.start();
    let add = |args: &[&str]| lab.ringward(&[&["isolate", "add"], args].concat());
    assert!(add(&["10.77.0.1", "--ttl", "10m", "--reason", "ticket 42"]).status.success());
    assert!(!lab.reaches("a", v4("b")) && lab.reaches("a", v6("b")), "one address, not the other");
    assert!(lab.reaches("c", v4("b")));
    let listed = lab.listed();
    assert_eq!((&listed[0]["by"], &listed[0]["reason"]), (&"operator".into(), &"ticket 42".into()));
    assert!((595..=600).contains(&listed[0]["remaining_s"].as_u64().unwrap()));
    assert!(listed[0]["dropped_packets"].as_u64().unwrap() > 0);

    // A longer time for a running isolation keeps what was counted.
    assert!(add(&["10.77.0.1", "--ttl", "2h"]).status.success());
    let again = &lab.listed()[0];
    assert!(again["remaining_s"].as_u64().unwrap() > 7000);
    assert!(again["dropped_packets"].as_u64().unwrap() >= listed[0]["dropped_packets"].as_u64().unwrap());

    assert!(add(&["fd77::1"]).status.success());
    assert!(!lab.reaches("a", v6("b")));
    assert!(lab.ringward(&["isolate", "rm", "10.77.0.1"]).status.success());
    assert!(lab.reaches("a", v4("b")) && !lab.reaches("a", v6("b")));
    let twice = lab.ringward(&["isolate", "rm", "10.77.0.1"]);
    assert_eq!(twice.status.code(), Some(1));
    assert!(stderr(&twice).contains("10.77.0.1 is not isolated"));
    assert!(add(&["10.77.0.3"]).status.success());
    assert!(lab.ringward(&["isolate", "flush"]).status.success());
    assert!(lab.listed().is_empty());
    assert!(lab.reaches("a", v6("b")) && lab.reaches("c", v4("b")));
}

fn a_lifetime_ends_by_itself() {
    let mut lab = Lab::new(1);
    lab.configure("[policy]\nlifetime = \"2s\"\n");
    lab.start();
    lab.looks_up("a", v4("b"), "bad.example");
    until("isolated", || lab.is_isolated(v4("a")));
    assert!(!lab.reaches("a", v4("b")));
    until("free again", || lab.reaches("a", v4("b")));
    lab.step(v4("a"), "expire");
    assert!(lab.listed().is_empty());
}

fn protected_hosts_are_never_cut_off() {
    let mut lab = Lab::new(1);
    let sw = lab.ns("sw");
    crate::lab::must(&format!("ip -n {sw} addr add 10.77.0.254/24 dev lan"));
    lab.configure("[policy]\nprotected = [\"10.77.0.0/31\", \"fd77::1\"]\n");
    lab.start();
    for ip in [v4, v6] {
        lab.looks_up("a", ip("b"), "bad.example");
        let step = lab.step(ip("a"), "withhold");
        assert!(step["isolation"]["not_enforced_because"].as_str().unwrap().contains("protected"));
        assert!(lab.reaches("a", ip("b")));
    }
    for own in ["10.77.0.254", "10.77.0.1"] {
        let output = lab.ringward(&["isolate", "add", own]);
        assert_eq!(output.status.code(), Some(1), "{own}");
        assert!(
            stderr(&output).contains("protected") || stderr(&output).contains("own address"),
            "{}",
            stderr(&output)
        );
    }
    assert!(lab.listed().is_empty());
}

fn a_full_map_is_seen() {
    let mut lab = Lab::new(1);
    lab.configure("[isolation]\ncapacity = 2\n");
    lab.start();
    for host in ["192.0.2.1", "192.0.2.2"] {
        assert!(lab.ringward(&["isolate", "add", host]).status.success());
    }
    lab.looks_up("a", v4("b"), "bad.example");
    let step = lab.step(v4("a"), "isolate");
    assert_eq!(step["isolation"]["enforced"], false);
    assert_eq!(step["isolation"]["not_enforced_because"], "the isolation map is full");
    until("it is in the log", || {
        lab.log().contains("ERROR 10.77.0.1 should be isolated and is not: the isolation map is full")
    });
    assert_eq!(lab.stats()["isolation.not_enforced"], 1);
    assert!(lab.reaches("a", v4("b")) && !lab.is_isolated(v4("a")));
    let output = lab.ringward(&["isolate", "add", "192.0.2.3"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("full"), "{}", stderr(&output));
    // Room again: the next alert isolates.
    assert!(lab.ringward(&["isolate", "rm", "192.0.2.1"]).status.success());
    lab.looks_up("a", v4("b"), "bad.example");
    until("isolated", || lab.is_isolated(v4("a")));
}
