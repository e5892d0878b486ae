//! What a running sensor writes: rotation by logrotate, a full disk, modes; and packets that somebody forges.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::isolation::isolate;
use crate::lab::{Lab, must, until, v4};
use crate::support::{Capture, at, dns_exchange, of_type, stderr};

pub const TESTS: &[(&str, fn())] = &[
    ("files::logrotate_loses_and_cuts_no_line", logrotate),
    ("files::a_full_disk_keeps_alerts_and_isolations", full_disk),
    ("files::nobody_else_reads_what_a_run_writes", modes),
    ("files::forged_packets_isolate_nobody", forged),
];

/// Sends the frames of a capture file.
const SEND: &str = "\
import socket, struct, sys
data = open(sys.argv[1], 'rb').read()[24:]
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind(('eth0', 0))
while data:
    length = struct.unpack('<I', data[8:12])[0]
    out.send(data[16:16 + length])
    data = data[16 + length:]
";

/// A small disk in place of a folder, until it is dropped.
struct Disk(String);

impl Disk {
    fn new(folder: &Path, size: &str) -> Self {
        fs::create_dir_all(folder).unwrap();
        let folder = folder.to_string_lossy().into_owned();
        must(&format!("mount -t tmpfs -o size={size} none {folder}"));
        Disk(folder)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["-l", &self.0]).output();
    }
}

/// Hosts that `isolate` steps of these lines name.
fn isolated(events: &[Value]) -> BTreeSet<String> {
    let steps = of_type(events, "isolation").into_iter().map(|event| &event["isolation"]);
    let isolated = steps.filter(|step| step["action"] == "isolate");
    isolated.map(|step| step["host"].as_str().unwrap().to_owned()).collect()
}

/// Isolates hosts of a network that is nobody's; their addresses.
fn isolate_many(lab: &Lab, network: &str, hosts: u32) -> BTreeSet<String> {
    let all: BTreeSet<String> = (1..=hosts).map(|n| format!("{network}.{n}")).collect();
    all.iter().for_each(|host| isolate(lab, &[host]));
    all
}

/// The configuration that is shipped, with its paths and its program put in, run twenty times while events are written.
fn logrotate() {
    if !Path::new("/usr/sbin/logrotate").exists() {
        panic!("logrotate is missing: scripts/install-deps lab");
    }
    let mut lab = Lab::new(1);
    lab.configure("");
    lab.start();
    let shipped = include_str!("../../../../scripts/deploy/logrotate");
    let out = lab.desk.path("out");
    let command =
        format!("{} reopen -c {}", crate::support::RINGWARD, lab.desk.path("ringward.toml").display());
    let stock = shipped
        .replace("/var/log/ringward/eve.json", &out.join("eve.json").to_string_lossy())
        .replace("/usr/bin/env ringward reopen", &command)
        .replace("rotate 7", "rotate 99")
        .replace("    daily\n", "    su root root\n    daily\n");
    let (config, state) = (lab.desk.path("rotate.conf"), lab.desk.path("rotate.state"));
    fs::write(&config, stock).unwrap();
    fs::set_permissions(&config, fs::Permissions::from_mode(0o644)).unwrap();
    let mut wanted = BTreeSet::new();
    for round in 0..20 {
        wanted.extend(isolate_many(&lab, &format!("192.0.{round}"), 3));
        // An empty file is not rotated.
        until("lines are written", || fs::metadata(out.join("eve.json")).is_ok_and(|file| file.len() > 0));
        let done =
            Command::new("/usr/sbin/logrotate").args(["-f", "-s"]).args([&state, &config]).output().unwrap();
        assert!(done.status.success(), "{}", stderr(&done));
    }
    assert_eq!(lab.stats()["output.events_lost"], 0);
    lab.stop();
    let mut text = Vec::new();
    let files: Vec<PathBuf> = fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().path()).collect();
    let named = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().starts_with("eve.json");
    let files: Vec<&PathBuf> = files.iter().filter(|path| named(path)).collect();
    assert!(files.len() > 20, "{files:?}");
    for file in files {
        let read = match file.extension().is_some_and(|end| end == "gz") {
            true => Command::new("gzip").arg("-dc").arg(file).output().unwrap().stdout,
            false => fs::read(file).unwrap(),
        };
        assert!(read.is_empty() || read.ends_with(b"\n"), "{}: its last line is cut", file.display());
        text.extend(read);
    }
    let text = String::from_utf8(text).unwrap();
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(isolated(&events), wanted);
}

fn full_disk() {
    let mut lab = Lab::new(1);
    lab.configure("");
    let out = lab.desk.path("out");
    let disk = Disk::new(&out, "64k");
    lab.start();
    let wanted = isolate_many(&lab, "192.0.2", 150);
    until("it is seen", || lab.stats()["output.failing"] == 1);
    let stats = lab.stats();
    assert!(stats["degraded"][0].as_str().unwrap().contains("eve.json"), "{}", stats["degraded"]);
    assert!(stats["output.lines_waiting"].as_u64().unwrap() > 0, "{stats}");
    assert!(lab.log().contains("No space left"), "{}", lab.log());
    // Whole lines only, while it is full.
    let whole = fs::read_to_string(out.join("eve.json")).unwrap();
    assert!(whole.ends_with("}\n"), "a line is torn");
    must(&format!("mount -o remount,size=8m {}", disk.0));
    until("all is written", || isolated(&lab.events()) == wanted);
    until("it works again", || lab.stats()["output.failing"] == 0);
    let stats = lab.stats();
    assert_eq!((&stats["degraded"], stats["output.lines_waiting"].as_u64()), (&Value::Null, Some(0)));
    // Only what is neither alert nor isolation is lost, and counted by its type.
    let lost = |name: &str| stats[format!("output.lost.{name}")].as_u64().unwrap_or(0);
    assert_eq!((lost("isolation"), lost("alert")), (0, 0));
    let written = of_type(&lab.events(), "audit").len() as u64;
    assert_eq!(written + lost("audit"), 1 + wanted.len() as u64, "the start and each isolation");
    assert!(stats["output.events_lost"].as_u64().unwrap() >= lost("audit"));
    lab.stop();
    drop(disk);
}

fn modes() {
    let mut lab = Lab::new(1);
    lab.configure("[files]\nstore = true\n");
    lab.start();
    lab.looks_up("a", v4("b"), "bad.example");
    until("isolated", || lab.is_isolated(v4("a")));
    until("a report is there", || !lab.desk.list("out/incidents").is_empty());
    until("evidence is there", || !lab.desk.list("out/evidence").is_empty());
    lab.stop();
    let mut folders = vec![lab.desk.path("out"), lab.desk.path("ledger")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder) & 0o027, 0, "{}: {:o}", folder.display(), mode(&folder));
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files += 1;
                assert_eq!(mode(&path) & 0o137, 0, "{}: {:o}", path.display(), mode(&path));
            }
        }
    }
    assert!(files > 4, "{files}");
}

/// Frames from a listed address, and a question in another host's name.
fn forged() {
    const LISTED: &str = "203.0.113.66";
    let mut lab = Lab::new(1);
    fs::write(lab.desk.path("iocs.csv"), format!("bad.example\n{LISTED}\n")).unwrap();
    lab.configure("");
    lab.start();
    let mut capture = Capture::default();
    for host in 1..=3 {
        for port in 40_000..40_010 {
            let (from, to) = (at(&format!("{LISTED}:443")), at(&format!("10.77.0.{host}:{port}")));
            capture.tcp(from, to, 1, 1, "R", b"");
            capture.tcp(from, to, 1, 1, "SA", b"");
            capture.tcp(from, to, 1, 1, "A", b"");
            capture.udp(at(&format!("{LISTED}:53")), to, b"answers nothing");
        }
        let (query, _) = dns_exchange("bad.example");
        capture.udp(at(&format!("10.77.0.{host}:5353")), at("203.0.113.53:53"), &query);
    }
    let file = lab.desk.path("forged.pcap");
    capture.write(&file);
    let sent = Command::new("ip")
        .args(["netns", "exec", &lab.ns("a"), "python3", "-c", SEND])
        .arg(&file)
        .output()
        .unwrap();
    assert!(sent.status.success(), "{}", stderr(&sent));
    let told = |lab: &Lab, sid: u64| {
        let events = lab.events();
        of_type(&events, "alert").iter().filter(|e| e["alert"]["signature_id"] == sid).count()
    };
    until("the questions are seen", || told(&lab, 1001) == 3);
    until("the other packets are seen", || told(&lab, 1005) > 0);
    assert_eq!(told(&lab, 1004), 0, "nobody of ours has called");
    // A look-up that is answered isolates who asked, and nobody else.
    lab.looks_up("b", v4("c"), "bad.example");
    until("who really asked is isolated", || lab.is_isolated(v4("b")));
    assert_eq!(lab.listed().len(), 1);
}
