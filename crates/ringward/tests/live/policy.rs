//! Who decides, who is spared, and when the brake is on, among real hosts.

use serde_json::json;

use crate::lab::{Lab, must, until, v4, v6};
use crate::support::{of_type, stderr};

pub const TESTS: &[(&str, fn())] = &[
    ("policy::a_new_one_is_in_force_at_once_and_a_bad_one_is_not", new_policies),
    ("policy::what_the_machine_needs_is_never_isolated", surroundings),
    ("policy::the_brake_holds_alerts_back_and_lets_operators_act", the_brake),
    ("policy::a_relapse_isolates_longer", a_relapse),
];

fn new_policies() {
    let mut lab = Lab::new(1);
    lab.configure("[policy]\nmode = \"observe\"\n");
    lab.start();
    lab.looks_up("a", v4("b"), "bad.example");
    let step = lab.step(v4("a"), "withhold");
    assert_eq!(step["isolation"]["not_enforced_because"], "policy mode is \"observe\"");
    assert!(lab.reaches("a", v4("b")));

    lab.configure("[policy]\nlifetime = \"10m\"\n");
    assert!(lab.ringward(&["reload"]).status.success());
    lab.looks_up("a", v4("b"), "bad.example");
    until("isolated", || lab.is_isolated(v4("a")));
    assert!((590..=600).contains(&lab.listed()[0]["remaining_s"].as_u64().unwrap()));
    assert!(!lab.reaches("a", v4("b")));

    lab.configure("[policy]\nrelapse = [\"1d\", \"1h\"]\n");
    let output = lab.ringward(&["reload"]);
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output);
    let (file, line) = (lab.config(), std::fs::read_to_string(lab.config()).unwrap());
    let line = line.lines().position(|line| line.starts_with("relapse")).unwrap() + 1;
    assert!(told.contains(&format!("{file}:{line}: policy.relapse: must be in ascending order")), "{told}");
    lab.looks_up("c", v4("b"), "bad.example");
    until("the old one isolates", || lab.is_isolated(v4("c")));

    // Whoever is protected from now on is free from now on.
    lab.configure("[policy]\nprotected = [\"10.77.0.1\"]\n");
    assert!(lab.ringward(&["reload"]).status.success());
    until("free", || !lab.is_isolated(v4("a")));
    assert!(lab.reaches("a", v4("b")) && lab.is_isolated(v4("c")));
    assert_eq!(lab.step(v4("a"), "release")["isolation"]["enforced"], true);
    lab.stop();
}

fn surroundings() {
    let mut lab = Lab::new(1);
    let sw = lab.ns("sw");
    must(&format!("ip -n {sw} addr add 10.77.0.254/24 dev lan"));
    must(&format!("ip -n {sw} route add default via 10.77.0.2"));
    lab.configure("");
    lab.start();
    // The gateway is in trouble, and is not cut off.
    lab.looks_up("b", v4("c"), "bad.example");
    let step = lab.step(v4("b"), "withhold");
    assert_eq!(step["isolation"]["not_enforced_because"], "protected: a gateway of this machine");
    assert!(lab.reaches("b", v4("c")));
    let links = must(&format!("ip -j -n {sw} link show lan"));
    let links: serde_json::Value = serde_json::from_str(&links).unwrap();
    let own_mac = links[0]["address"].as_str().unwrap().to_owned();
    for (target, why) in [
        ("10.77.0.254", "the sensor's own address"),
        ("10.77.0.2", "a gateway"),
        ("10.77.0.255", "a broadcast address"),
        ("10.77.0.0/29", "which is protected"),
        ("0.0.0.0/0", "in it"),
        ("224.0.0.5", "is a multicast address, not a host"),
        ("ff:ff:ff:ff:ff:ff", "not a single station"),
        (&own_mac, "the sensor's own address"),
    ] {
        let output = lab.ringward(&["isolate", "add", target]);
        assert_eq!(output.status.code(), Some(1), "{target}");
        assert!(stderr(&output).contains(why), "{target}: {}", stderr(&output));
    }
    assert!(lab.listed().is_empty());
    assert_eq!(lab.stats()["isolation.withheld.protected"], 9);
    // Another gateway, after a reload.
    must(&format!("ip -n {sw} route replace default via 10.77.0.3"));
    assert!(lab.ringward(&["reload"]).status.success());
    assert!(!lab.ringward(&["isolate", "add", "10.77.0.3"]).status.success());
    assert!(lab.ringward(&["isolate", "add", "10.77.0.2"]).status.success());
    lab.stop();
}

fn the_brake() {
    let mut lab = Lab::new(1);
    lab.configure("[policy]\nmax_per_minute = 100\nmax_isolated = 2\nproven_reserve = 0\n");
    lab.start();
    lab.looks_up("a", v4("b"), "bad.example");
    lab.looks_up("a", v6("b"), "bad.example");
    until("both are isolated", || lab.listed().len() == 2);
    lab.looks_up("c", v4("b"), "bad.example");
    let step = lab.step(v4("c"), "withhold");
    let why = "brake: 2 hosts are isolated already";
    assert!(step["isolation"]["not_enforced_because"].as_str().unwrap().starts_with(why), "{step}");
    assert!(lab.reaches("c", v4("b")), "the network is up");
    until("the log is loud", || lab.log().contains("ERROR brake: 2 hosts are isolated already"));
    let stats = lab.stats();
    let of = |name: &str| stats[name].as_u64().unwrap();
    assert_eq!(
        ["isolation.brakes", "isolation.brake_on", "isolation.withheld.brake"].map(of),
        [1, 1, 1],
        "{stats}"
    );
    // An operator knows what he does.
    assert!(lab.ringward(&["isolate", "add", "192.0.2.1"]).status.success());
    assert!(lab.ringward(&["isolate", "flush"]).status.success());
    until("it lets go", || lab.stats()["isolation.brake_on"] == 0);
    until("that is told", || {
        let events = lab.events();
        let steps = of_type(&events, "isolation");
        let of = |action: &str| steps.iter().filter(|e| e["isolation"]["action"] == action).count();
        (of("brake"), of("brake_release")) == (1, 1)
    });
    lab.looks_up("c", v4("b"), "bad.example");
    until("isolated", || lab.is_isolated(v4("c")));
    lab.stop();
}

fn a_relapse() {
    let mut lab = Lab::new(1);
    lab.configure("[policy]\nlifetime = \"1s\"\nrelapse = [\"20m\"]\n");
    lab.start();
    lab.looks_up("a", v4("b"), "bad.example");
    lab.step(v4("a"), "expire");
    assert!(lab.reaches("a", v4("b")));
    lab.looks_up("a", v4("b"), "bad.example");
    until("isolated again", || lab.is_isolated(v4("a")));
    assert!((1190..=1200).contains(&lab.listed()[0]["remaining_s"].as_u64().unwrap()));
    until("which one is told", || {
        let events = lab.events();
        of_type(&events, "isolation").iter().any(|e| e["isolation"]["relapse"] == json!(1))
    });
    assert_eq!(lab.stats()["isolation.relapses"], 1);
    // By hand, too.
    assert!(lab.ringward(&["isolate", "rm", "10.77.0.1"]).status.success());
    lab.looks_up("a", v4("b"), "bad.example");
    until("isolated once more", || lab.is_isolated(v4("a")));
    assert_eq!(lab.stats()["isolation.relapses"], 2);
    lab.stop();
}
