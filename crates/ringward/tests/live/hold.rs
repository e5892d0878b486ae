//! The kill switch.

use rustix::process::Signal;

use crate::isolation::{NO, YES, isolate, reaches};
use crate::lab::{Lab, until, v4};
use crate::support::{ringward, stderr};

pub const TESTS: &[(&str, fn())] = &[
    ("hold::releases_everybody_and_stays", hold_releases_everybody),
    ("hold::works_while_the_sensor_is_down", hold_while_down),
    ("hold::does_not_wait_for_a_sensor_that_hangs", hold_while_hanging),
    ("hold::a_wish_under_hold_does_not_change_the_past", the_past_stays),
];

fn hold_releases_everybody() {
    let mut lab = Lab::new(1);
    lab.configure("");
    lab.start();
    isolate(&lab, &["10.77.0.1", "--ttl", "10m"]);
    isolate(&lab, &["fd77::/126", "--ttl", "10m"]);
    assert_eq!((reaches(&lab, "a", "b"), lab.stats()["isolation.held"].as_u64()), (NO, Some(0)));
    let output = lab.ringward(&["isolate", "flush", "--hold"]);
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("2 hosts released; hold is in force"),
        "{output:?}"
    );
    assert_eq!(reaches(&lab, "a", "b"), YES);
    assert!(lab.hold_file().exists() && lab.listed().is_empty());
    until("it is in the log", || lab.log().contains("ERROR HOLD is in force"));
    // Nobody is isolated meanwhile, neither by verdict nor by hand, and that is told.
    lab.looks_up("a", v4("b"), "bad.example");
    until("the verdict is written down", || {
        lab.events().iter().any(|e| {
            e["isolation"]["enforced"] == false
                && e["isolation"]["not_enforced_because"]
                    .as_str()
                    .is_some_and(|why| why.contains("hold is in force"))
        })
    });
    let refused = lab.ringward(&["isolate", "add", "10.77.0.1"]);
    assert!(
        !refused.status.success() && stderr(&refused).contains("hold is in force"),
        "{}",
        stderr(&refused)
    );
    assert!(stderr(&lab.ringward(&["isolate", "list"])).contains("HOLD is in force"));
    assert!(stderr(&lab.ringward(&["stats"])).contains("HOLD is in force"));
    assert_eq!(lab.stats()["isolation.held"], 1);
    assert_eq!(reaches(&lab, "a", "b"), YES);
    // It stays after a stop, a kill, and a reboot.
    for end in [Lab::stop as fn(&mut Lab), Lab::kill, |lab| (lab.kill(), lab.remove_pins()).0] {
        end(&mut lab);
        lab.start();
        until("it is in the log", || lab.log().contains("ERROR HOLD is in force"));
        assert!(!lab.ringward(&["isolate", "add", "10.77.0.1"]).status.success());
    }
    assert!(lab.ringward(&["isolate", "resume"]).status.success());
    assert!(!lab.hold_file().exists());
    assert_eq!(lab.stats()["isolation.held"], 0);
    lab.looks_up("a", v4("b"), "bad.example");
    until("isolated", || lab.is_isolated(v4("a")));
    assert_eq!(reaches(&lab, "a", "b"), (false, true));
}

/// Isolated by an indicator, extended and released by an operator; then an operator's wish under hold.
fn the_past_stays() {
    let mut lab = Lab::new(1);
    lab.configure("");
    lab.start();
    lab.looks_up("a", v4("b"), "bad.example");
    until("isolated", || lab.is_isolated(v4("a")));
    assert_eq!(reaches(&lab, "a", "b"), (false, true));
    lab.step(v4("a"), "first_drop");
    isolate(&lab, &["10.77.0.1", "--ttl", "3h", "--reason", "ticket 42"]);
    let listed = &lab.listed()[0];
    assert_eq!(listed["by"], "indicator", "{listed}");
    assert!(listed["reason"].as_str().unwrap().contains("bad.example"), "{listed}");
    let change = &listed["changes"][0];
    assert_eq!((&change["by"], &change["reason"]), (&"operator".into(), &"ticket 42".into()), "{listed}");
    // A stopped sensor's list has the reasons of the ledger.
    lab.stop();
    let listed = ringward(lab.desk.dir.path(), ["isolate", "list", "--json", "-c", "ringward.toml"]);
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(
        (&listed[0]["by"], &listed[0]["changes"][0]["reason"]),
        (&"indicator".into(), &"ticket 42".into())
    );
    lab.start();
    // The report of the first run is closed; this one tells its own.
    assert!(lab.ringward(&["isolate", "rm", "10.77.0.1"]).status.success());
    lab.looks_up("c", v4("b"), "bad.example");
    until("isolated", || lab.is_isolated(v4("c")));
    assert_eq!(reaches(&lab, "c", "b"), (false, true));
    lab.step(v4("c"), "first_drop");
    let host = v4("c").to_string();
    assert!(lab.ringward(&["isolate", "rm", &host]).status.success());
    assert!(lab.ringward(&["isolate", "flush", "--hold"]).status.success());
    assert!(!lab.ringward(&["isolate", "add", &host]).status.success());
    assert!(lab.ringward(&["isolate", "resume"]).status.success());
    lab.stop();
    let incident = lab.desk.list("out/incidents").into_iter().rev();
    let incident = incident
        .filter(|path| path.extension().is_some_and(|ext| ext == "json"))
        .map(|path| serde_json::from_slice::<serde_json::Value>(&std::fs::read(path).unwrap()).unwrap())
        .find(|incident| incident["victim"] == host.as_str())
        .expect("an incident");
    let verdict = &incident["verdict"];
    assert_eq!((&verdict["by"], &verdict["enforced"]), (&"indicator".into(), &true.into()), "{incident}");
    assert!(verdict["dropped_packets"].as_u64() > Some(0) && verdict["map_ns"].is_u64(), "{verdict}");
    assert_eq!((&verdict["end"]["how"], &incident["status"]), (&"released".into(), &"released".into()));
    let later = &incident["verdicts"][1];
    assert_eq!((&later["by"], &later["enforced"]), (&"operator".into(), &false.into()), "{incident}");
    let summary = incident["summary"].as_str().unwrap();
    assert!(
        summary.contains("was isolated after") && summary.contains("A later verdict by operator"),
        "{summary}"
    );
}

/// `ringward isolate` as an operator runs it whose sensor is down; all that it says.
fn alone(lab: &Lab, args: &[&str]) -> String {
    let args = [&["isolate"], args, &["-c", "ringward.toml"]].concat();
    let output = ringward(lab.desk.dir.path(), args.iter().copied());
    assert!(output.status.success(), "{args:?}: {}", stderr(&output));
    String::from_utf8_lossy(&output.stdout).into_owned() + &stderr(&output)
}

fn hold_while_down() {
    let mut lab = Lab::new(1);
    lab.configure("");
    // Nothing was ever pinned.
    assert!(alone(&lab, &["flush", "--hold"]).contains("hold is in force"));
    assert!(lab.hold_file().exists());
    assert!(alone(&lab, &["resume"]).contains("hold is over"));
    lab.start();
    let mac = lab.mac("c");
    isolate(&lab, &["10.77.0.1", "--ttl", "10m"]);
    isolate(&lab, &["fd77::1/127", "--ttl", "10m"]);
    isolate(&lab, &[&mac, "--ttl", "10m"]);
    lab.kill();
    assert_eq!((reaches(&lab, "a", "b"), reaches(&lab, "c", "b")), (NO, NO));
    let listed = alone(&lab, &["list"]);
    assert!(
        listed.contains("10.77.0.1") && listed.contains("fd77::/127") && listed.contains(&mac),
        "{listed}"
    );
    alone(&lab, &["rm", &mac]);
    assert_eq!(reaches(&lab, "c", "b"), (true, true));
    let said = alone(&lab, &["flush", "--hold"]);
    assert!(said.contains("2 hosts released") && said.contains("hold is in force"), "{said}");
    assert_eq!((reaches(&lab, "a", "b"), reaches(&lab, "c", "b")), (YES, YES));
    assert!(alone(&lab, &["list"]).contains("HOLD is in force"));
    lab.start();
    assert!(!lab.ringward(&["isolate", "add", "10.77.0.1"]).status.success());
    lab.kill();
    alone(&lab, &["resume"]);
    lab.start();
    isolate(&lab, &["10.77.0.1"]);
    assert_eq!(reaches(&lab, "a", "b"), (false, true));
}

fn hold_while_hanging() {
    let mut lab = Lab::new(1);
    lab.configure("");
    lab.start();
    isolate(&lab, &["10.77.0.1", "--ttl", "10m"]);
    assert!(!lab.reaches("a", v4("b")));
    lab.signal(Signal::STOP);
    let args = ["isolate", "flush", "--hold", "-c", "ringward.toml"];
    let path = lab.desk.dir.path().to_owned();
    let switch = std::thread::spawn(move || ringward(&path, args));
    until("free at once", || lab.reaches("a", v4("b")));
    assert!(!switch.is_finished(), "it does not wait for the sensor's answer");
    let output = switch.join().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(lab.hold_file().exists());
    lab.signal(Signal::CONT);
    until("the sensor knows", || lab.log().contains("HOLD is in force"));
    until("nobody is listed", || lab.listed().is_empty());
    lab.step(v4("a"), "release");
}
