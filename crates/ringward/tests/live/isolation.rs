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
    ("isolation::remediation_hosts_stay_reachable", remediation_stays_reachable),
    ("isolation::networks_and_stations_are_cut_off", networks_and_stations),
    ("isolation::scopes_reach_as_far_as_they_say", scopes),
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

/// Whether `host` reaches `to`, over IPv4 and over IPv6.
pub fn reaches(lab: &Lab, host: &str, to: &str) -> (bool, bool) {
    (lab.reaches(host, v4(to)), lab.reaches(host, v6(to)))
}

pub fn isolate(lab: &Lab, args: &[&str]) {
    let output = lab.ringward(&[&["isolate", "add"], args].concat());
    assert!(output.status.success(), "{args:?}: {}", stderr(&output));
}

fn release(lab: &Lab, target: &str) {
    let output = lab.ringward(&["isolate", "rm", target]);
    assert!(output.status.success(), "{target}: {}", stderr(&output));
}

pub const YES: (bool, bool) = (true, true);
pub const NO: (bool, bool) = (false, false);

fn remediation_stays_reachable() {
    let mut lab = Lab::new(1);
    lab.configure("[isolation]\nremediation = [\"10.77.0.2\", \"fd77::2/128\"]\n");
    lab.start();
    // Before.
    for (host, to) in [("a", "b"), ("a", "c"), ("c", "b"), ("b", "a")] {
        assert_eq!(reaches(&lab, host, to), YES, "{host} to {to}");
    }
    // Isolated by what it looks up, over both families.
    for ip in [v4 as fn(&str) -> _, v6] {
        lab.looks_up("a", ip("b"), "bad.example");
        until("isolated", || lab.is_isolated(ip("a")));
    }
    lab.forget_neighbours();
    assert_eq!(reaches(&lab, "a", "b"), YES, "remediation");
    assert_eq!(reaches(&lab, "b", "a"), YES, "remediation");
    assert_eq!(reaches(&lab, "a", "c"), NO, "isolated");
    assert_eq!(reaches(&lab, "c", "a"), NO, "isolated");
    assert_eq!(reaches(&lab, "c", "b"), YES, "bystander");
    assert!(lab.ringward(&["isolate", "flush"]).status.success());
    // A station, too, finds them again; and nobody else.
    let mac = lab.mac("a");
    isolate(&lab, &[&mac]);
    lab.forget_neighbours();
    assert_eq!((reaches(&lab, "a", "b"), reaches(&lab, "b", "a")), (YES, YES));
    assert_eq!((reaches(&lab, "a", "c"), reaches(&lab, "c", "a")), (NO, NO));
    // In force without a sensor.
    lab.kill();
    assert_eq!((reaches(&lab, "a", "b"), reaches(&lab, "a", "c")), (YES, NO));
    // Taken out of the configuration: cut off from the next start on.
    lab.configure("");
    lab.start();
    assert_eq!((reaches(&lab, "a", "b"), reaches(&lab, "c", "b")), (NO, YES));
    assert_eq!(lab.listed()[0]["host"], mac);
}

fn networks_and_stations() {
    let mut lab = Lab::new(1);
    lab.configure("");
    lab.start();
    isolate(&lab, &["10.77.0.2/31"]);
    assert_eq!(reaches(&lab, "a", "b"), (false, true));
    assert_eq!(reaches(&lab, "c", "b"), (false, true));
    assert!(lab.listed()[0]["dropped_packets"].as_u64().unwrap() > 0);
    release(&lab, "10.77.0.2/31");
    isolate(&lab, &["fd77::2/127", "--ttl", "10m"]);
    lab.forget_neighbours();
    assert_eq!((reaches(&lab, "a", "b"), reaches(&lab, "c", "b")), ((true, false), (true, false)));
    release(&lab, "fd77::2/127");
    assert_eq!((reaches(&lab, "a", "b"), reaches(&lab, "c", "b")), (YES, YES));

    let mac = lab.mac("a");
    isolate(&lab, &[&mac]);
    assert_eq!((reaches(&lab, "a", "b"), reaches(&lab, "b", "a"), reaches(&lab, "c", "b")), (NO, NO, YES));
    // Another address does not help it.
    crate::lab::must(&format!("ip -n {} addr add 10.77.0.99/24 dev eth0", lab.ns("a")));
    assert!(!lab.reaches("b", "10.77.0.99".parse().unwrap()));
    // Nor does the end of the sensor; it is adopted by the next.
    lab.kill();
    assert_eq!(reaches(&lab, "a", "b"), NO);
    lab.start();
    assert_eq!((lab.listed()[0]["host"].as_str(), reaches(&lab, "a", "b")), (Some(mac.as_str()), NO));
    assert!(lab.ringward(&["isolate", "flush"]).status.success());
    assert_eq!(reaches(&lab, "a", "b"), YES);
    // b asks for its MAC address in vain no more.
    until("the other address is reached", || lab.reaches("b", "10.77.0.99".parse().unwrap()));
    lab.stop();
    assert!(!lab.pins.exists());
}

fn scopes() {
    let mut lab = Lab::new(1);
    lab.configure("");
    lab.start();
    isolate(&lab, &["10.77.0.1", "--scope", "peers", "--peer", "10.77.0.2", "--peer", "10.77.0.9"]);
    isolate(&lab, &["fd77::1", "--scope", "peers", "--peer", "fd77::3"]);
    assert_eq!((reaches(&lab, "a", "b"), reaches(&lab, "b", "a")), ((false, true), (false, true)));
    assert_eq!((reaches(&lab, "a", "c"), reaches(&lab, "c", "a")), ((true, false), (true, false)));
    assert_eq!(reaches(&lab, "c", "b"), YES);
    let listed = lab.listed();
    assert_eq!((&listed[0]["scope"], &listed[0]["peers"][1]), (&"peers".into(), &"10.77.0.9".into()));
    let text = String::from_utf8(lab.ringward(&["isolate", "list"]).stdout).unwrap();
    assert!(text.contains("from 10.77.0.2, 10.77.0.9"), "{text}");
    // The next sensor knows them.
    lab.kill();
    lab.start();
    assert_eq!(
        (&lab.listed()[0]["scope"], &lab.listed()[0]["peers"][0]),
        (&"peers".into(), &"10.77.0.2".into())
    );
    assert!(lab.ringward(&["isolate", "flush"]).status.success());

    isolate(&lab, &["10.77.0.1", "--scope", "outbound"]);
    assert_eq!(lab.listed()[0]["dropped_packets"], 0);
    // What comes to it passes; its answer does not.
    assert!(!lab.reaches("b", v4("a")));
    assert_eq!(lab.listed()[0]["dropped_packets"], 1);
    assert_eq!(lab.step(v4("a"), "isolate")["isolation"]["scope"], "peers");
    for (args, what) in [
        (&["10.77.0.1", "--scope", "peers"][..], "--peer"),
        (&["10.77.0.1", "--peer", "10.77.0.2"], "only --scope peers"),
        (&["10.77.0.1/33"], "network"),
    ] {
        let output = lab.ringward(&[&["isolate", "add"], args].concat());
        assert!(!output.status.success() && stderr(&output).contains(what), "{}", stderr(&output));
    }
}
