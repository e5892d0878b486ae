//! What the doctor finds, and whether what it prescribes helps.

use std::process::Command;

use serde_json::Value;

use crate::lab::{Lab, must};
use crate::support::RINGWARD;

pub const TESTS: &[(&str, fn())] = &[
    ("doctor::what_it_prescribes_helps", what_it_prescribes_helps),
    ("doctor::fixes_and_takes_it_back", fixes_and_undoes),
    ("doctor::knows_whose_program_is_attached", knows_whose_program_is_attached),
];

/// Exit code and checks of one interface of the switch.
fn examine(lab: &Lab, port: &str) -> (Option<i32>, Vec<Value>) {
    let output = Command::new("ip")
        .args(["netns", "exec", &lab.ns("sw"), RINGWARD, "doctor", "--json", port])
        .output()
        .unwrap();
    let sections: Value = serde_json::from_slice(&output.stdout).unwrap();
    let section = sections.as_array().unwrap().iter().find(|s| s["name"] == port).unwrap();
    (output.status.code(), section["checks"].as_array().unwrap().clone())
}

fn check<'a>(checks: &'a [Value], name: &str) -> &'a Value {
    checks.iter().find(|c| c["name"] == name).unwrap_or_else(|| panic!("{name}: {checks:?}"))
}

fn what_it_prescribes_helps() {
    let lab = Lab::new(1);
    let sw = lab.ns("sw");
    must(&format!("ip -n {sw} link set span mtu 9000"));
    must(&format!("ip -n {sw} link set span down"));
    let (code, checks) = examine(&lab, "span");
    assert_eq!(code, Some(1));
    for (name, status) in [("mtu", "warn"), ("link", "fail")] {
        let found = check(&checks, name);
        assert_eq!(found["status"], status, "{found}");
        let fix = found["fix"].as_str().unwrap();
        must(&format!("ip netns exec {sw} {fix}"));
    }
    let (code, checks) = examine(&lab, "span");
    assert_eq!(code, Some(0), "{checks:?}");
    assert!(check(&checks, "driver")["message"].as_str().unwrap().starts_with("veth: native XDP"));
    // Whatever is looked at has a line, here and for the machine.
    let names: Vec<&str> = checks.iter().map(|c| c["name"].as_str().unwrap()).collect();
    for line in [
        "link",
        "driver",
        "known bugs",
        "queues",
        "mtu",
        "lro",
        "gro",
        "rxvlan",
        "checksum",
        "rss",
        "clock",
        "interrupts",
        "numa",
        "xdp",
    ] {
        assert!(names.contains(&line), "{line}: {names:?}");
    }
    assert!(check(&checks, "known bugs")["message"].as_str().unwrap().starts_with("none of veth "));
    let (code, checks) = examine(&lab, "nosuch0");
    assert_eq!((code, &check(&checks, "interface")["status"]), (Some(1), &"fail".into()));
}

fn knows_whose_program_is_attached() {
    let mut lab = Lab::new(1);
    lab.configure("");
    lab.start();
    let (code, checks) = examine(&lab, "pa");
    assert_eq!(code, Some(0), "{checks:?}");
    assert!(check(&checks, "xdp")["message"].as_str().unwrap().starts_with("Ringward's \"rw_guard\""));
    lab.stop();
    crate::refusals::attach_somebody_elses(&lab, "pa", "");
    let (code, checks) = examine(&lab, "pa");
    let found = check(&checks, "xdp");
    assert_eq!((code, &found["status"]), (Some(1), &"fail".into()));
    assert!(found["message"].as_str().unwrap().contains("somebody_elses"), "{found}");
}

fn fixes_and_undoes() {
    let lab = Lab::new(1);
    let sw = lab.ns("sw");
    must(&format!("ip -n {sw} link set span mtu 9000"));
    must(&format!("ip -n {sw} link set span down"));
    must(&format!("ip netns exec {sw} ethtool -K span gro on"));
    let state = lab.desk.path("undo");
    let doctor = |how: &str| {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &sw, RINGWARD, "doctor", "span", "--json", how, "--state"]);
        command.arg(&state).output().unwrap()
    };
    let statuses = |output: &std::process::Output| {
        let sections: Value = serde_json::from_slice(&output.stdout).unwrap();
        let checks = sections[1]["checks"].as_array().unwrap().clone();
        ["link", "mtu", "gro"].map(|name| check(&checks, name)["status"].as_str().unwrap().to_owned())
    };
    // The machine is everybody's: what is found there is left as it is.
    let pages = || std::fs::read_to_string("/proc/sys/vm/nr_hugepages").unwrap();
    let before = pages();
    let fixed = doctor("--fix");
    assert_eq!(statuses(&fixed), ["ok", "ok", "ok"], "{fixed:?}");
    assert!(state.exists());
    let undone = doctor("--undo");
    assert_eq!(statuses(&undone), ["fail", "warn", "warn"], "{undone:?}");
    assert!(!state.exists());
    assert_eq!(pages(), before);
}
