//! scripts/demo itself: the main job, its clean-up, its way without root.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::lab::{must, until};
use crate::support::{RINGWARD, stderr};

pub const TESTS: &[(&str, fn())] = &[
    ("demo::observes_the_whole_story", observes_the_whole_story),
    ("demo::leaves_nothing_after_an_interrupt", leaves_nothing_after_an_interrupt),
    ("demo::replays_without_root", replays_without_root),
];

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/demo")
}

/// The demo with the binary under test, in a lab of this name.
fn demo(lab: &str, out: &Path) -> Command {
    let mut command = Command::new(script());
    command.arg(out).env("RINGWARD", RINGWARD).env("LAB", lab);
    command
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn assert_nothing_left(lab: &str) {
    assert!(!must("ip netns list").contains(&format!("rw{lab}-")));
    assert!(!Path::new(&format!("/sys/fs/bpf/ringward-lab-{lab}")).exists());
    let folders = std::fs::read_dir(std::env::temp_dir()).unwrap();
    let left = folders
        .flatten()
        .any(|f| f.file_name().to_string_lossy().starts_with(&format!("ringward-lab-{lab}.")));
    assert!(!left, "the lab's folder is left");
    assert!(processes(lab).is_empty(), "processes are left: {:?}", processes(lab));
}

/// Processes that stand in a namespace of the lab.
fn processes(lab: &str) -> Vec<u32> {
    let servers = ["resolver", "dhcp", "proxy", "dc"];
    let namespaces: Vec<_> = ["sw", "victim", "second", "bystander", "internet"]
        .iter()
        .chain(&servers)
        .filter_map(|ns| std::fs::metadata(format!("/run/netns/rw{lab}-{ns}")).ok())
        .map(|m| std::os::unix::fs::MetadataExt::ino(&m))
        .collect();
    let pids = std::fs::read_dir("/proc").unwrap().flatten();
    pids.filter_map(|e| e.file_name().to_string_lossy().parse().ok())
        .filter(|pid: &u32| {
            std::fs::metadata(format!("/proc/{pid}/ns/net"))
                .is_ok_and(|m| namespaces.contains(&std::os::unix::fs::MetadataExt::ino(&m)))
        })
        .collect()
}

fn observes_the_whole_story() {
    let out = tempfile::tempdir().unwrap();
    let lab = format!("t{}a", std::process::id());
    let output = demo(&lab, out.path()).output().unwrap();
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    let text = stdout(&output);
    for line in [
        "DONE: the victim was cut off, the bystander and the servers were not",
        "the dc is spared, and it is said why",
        "passed questions of clients on, and were not cut off: 10.77.0.53, 10.77.0.80",
        "-> map written",
        "-> first drop",
        "evidence:",
        "report:",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert_nothing_left(&lab);
}

fn leaves_nothing_after_an_interrupt() {
    for (i, signal) in [Signal::INT, Signal::TERM].into_iter().enumerate() {
        let out = tempfile::tempdir().unwrap();
        let lab = format!("t{}b{i}", std::process::id());
        let log = std::fs::File::create(out.path().join("demo.log")).unwrap();
        // In a process group of its own, as a terminal has it: Ctrl-C reaches all of it.
        let folder = out.path().join("demo");
        let mut command = demo(&lab, &folder);
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.stdout(log).spawn().unwrap();
        until("the sensor runs", || {
            std::fs::read_to_string(folder.join("sensor.log")).is_ok_and(|l| l.contains("running"))
        });
        let group = Pid::from_child(&child);
        if signal == Signal::INT {
            rustix::process::kill_process_group(group, signal).unwrap();
        } else {
            kill_process(group, signal).unwrap();
        }
        until("the demo ends", || child.try_wait().unwrap().is_some());
        assert!(!child.wait().unwrap().success());
        thread::sleep(Duration::from_millis(100));
        assert_nothing_left(&lab);
    }
}

fn replays_without_root() {
    let out = tempfile::tempdir().unwrap();
    // Everything the script touches must be readable for nobody; so it runs from a copy.
    let home = out.path().join("home");
    std::fs::create_dir_all(home.join("scripts")).unwrap();
    let scripts = script();
    let scripts = scripts.parent().unwrap();
    must(&format!("cp -r {} {}", scripts.display(), home.display()));
    must(&format!("cp {RINGWARD} {}/ringward", home.display()));
    must(&format!("chown -R 65534:65534 {}", out.path().display()));
    let output = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(home.join("scripts/demo"))
        .arg(out.path().join("result"))
        .env("RINGWARD", home.join("ringward"))
        .env("HOME", &home)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    assert!(stdout(&output).contains("not root: running the same case through replay"));
}
