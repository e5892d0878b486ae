//! What the ledger and the isolation map make of a sensor that dies.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use api::Client;
use engine::{Reply, Request};
use rustix::process::Signal;
use serde_json::Value;
use wire::Scope;

use crate::lab::{Lab, must, until, v4, v6};
use crate::support::{events, ringward, stderr};

pub const TESTS: &[(&str, fn())] = &[
    ("crash::a_hundred_kills_lose_nobody_and_invent_nobody", a_hundred_kills),
    ("crash::a_reboot_brings_back_who_has_time_left", a_reboot_brings_back),
    ("crash::who_is_released_is_not_brought_back", who_is_released_is_not_brought_back),
    ("crash::a_damaged_ledger_is_told_of_and_goes_on", a_damaged_ledger),
    ("crash::a_full_disk_is_seen_and_nothing_is_lost", a_full_disk),
];

/// How often the sensor is killed.
const KILLS: u32 = 100;
/// Addresses that the client isolates and releases.
const ADDRESSES: u32 = 12;

/// Numbers that are the same in each run (xorshift64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 32) as u32 % sides
    }
}

/// What must be so after the next start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Isolated,
    Free,
    /// The sensor was killed before it answered, or an alert was on its way.
    Either,
}

impl Lab {
    /// The ledger's steps, whether a sensor runs or not.
    fn history(&self, args: &[&str]) -> Vec<Value> {
        let args = [&["isolate", "history", "--json", "-c", "ringward.toml"], args].concat();
        let output = ringward(self.desk.dir.path(), args);
        assert!(output.status.success() && output.stderr.is_empty(), "{}", stderr(&output));
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn verify(&self) -> std::process::Output {
        ringward(self.desk.dir.path(), ["isolate", "history", "--verify", "-c", "ringward.toml"])
    }

    /// Who is isolated by what the ledger says.
    fn by_ledger(&self) -> BTreeMap<String, u64> {
        let mut open = BTreeMap::new();
        for step in self.history(&[]) {
            let host = step["host"].as_str().unwrap().to_owned();
            match step["action"].as_str().unwrap() {
                "isolate" | "extend" | "adopt" | "restore" if step["enforced"] == true => {
                    open.insert(host, step["verdict"].as_u64().unwrap());
                }
                // Not put back: nobody has it any more.
                "restore" => {
                    open.remove(&host);
                }
                "release" | "expire" => {
                    assert!(open.remove(&host).is_some(), "{host} ends without having begun: {step}");
                }
                _ => {}
            }
        }
        open
    }

    fn by_sensor(&self) -> BTreeMap<String, u64> {
        let of = |l: Value| (l["host"].as_str().unwrap().to_owned(), l["verdict"].as_u64().unwrap());
        self.listed().into_iter().map(of).collect()
    }

    /// The maps are gone with the kernel that had them; the files are not.
    fn reboots(&mut self) {
        self.kill();
        for pin in fs::read_dir(&self.pins).unwrap() {
            fs::remove_file(pin.unwrap().path()).unwrap();
        }
        for port in ["pa", "pb", "pc", "span"] {
            must(&format!("ip -n {} link set dev {port} xdp off", self.ns("sw")));
        }
        assert!(self.reaches("a", v4("b")));
    }
}

/// Isolates, releases and provokes alerts until the sensor is gone; says what must be so then.
fn stir(lab: &Lab, dice: &mut Dice, hosts: &mut BTreeMap<String, Due>, killed: &AtomicBool) {
    while !killed.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_micros(dice.roll(6000).into()));
        let roll = dice.roll(ADDRESSES + 4);
        let real = roll
            .checked_sub(ADDRESSES)
            .map(|n| (["a", "c"][n as usize % 2], [v4, v6][n as usize / 2](["a", "c"][n as usize % 2])));
        let host = real.map_or_else(|| format!("192.0.2.{}", roll + 1), |(_, ip)| ip.to_string());
        let isolated = hosts.insert(host.clone(), Due::Either) == Some(Due::Isolated);
        let (request, then) = match real {
            Some((who, ip)) if !isolated => {
                lab.looks_up(who, if ip.is_ipv4() { v4("b") } else { v6("b") }, "bad.example");
                continue;
            }
            None if !isolated || dice.roll(3) == 0 => {
                let ttl_s = Some(3600 * u64::from(1 + dice.roll(9)));
                let (target, reason) = (host.parse().unwrap(), "stirred".into());
                (Request::IsolateAdd { target, scope: Scope::Both, ttl_s, reason }, Due::Isolated)
            }
            _ => (Request::IsolateRm { target: host.parse().unwrap() }, Due::Free),
        };
        // Without an answer it may have been carried out, or not.
        if let Ok(Reply::Done { .. }) = Client::socket(lab.desk.path("sensor.sock")).ask(&request) {
            hosts.insert(host, then);
        }
    }
}

fn a_hundred_kills() {
    let mut lab = Lab::new(1);
    lab.configure("[policy]\nlifetime = \"5h\"\n[ledger]\nmax_mib = 1\nkeep = 2\n");
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut hosts: BTreeMap<String, Due> = BTreeMap::new();
    let (mut adopted, mut vanished, mut unsure) = (0, 0, 0);
    let begun = Instant::now();
    let mut starting = Duration::ZERO;
    for round in 0..KILLS {
        let start = Instant::now();
        lab.start();
        starting += start.elapsed();
        let isolated = lab.by_sensor();
        for (host, must) in &mut hosts {
            let is = isolated.contains_key(host);
            match must {
                Due::Isolated => {
                    assert!(is, "round {round}: {host} was isolated and is not\n{}", lab.log())
                }
                Due::Free => {
                    assert!(!is, "round {round}: {host} was released and is isolated\n{}", lab.log())
                }
                Due::Either => unsure += 1,
            }
            *must = if is { Due::Isolated } else { Due::Free };
        }
        let invented: Vec<_> = isolated.keys().filter(|host| !hosts.contains_key(*host)).collect();
        assert!(invented.is_empty(), "round {round}: nobody isolated {invented:?}");
        until("ledger and sensor agree", || lab.by_ledger() == isolated);
        let verified = lab.verify();
        assert!(verified.status.success(), "round {round}: {}", stderr(&verified));
        let stats = lab.stats();
        adopted += stats["isolation.adopted"].as_u64().unwrap();
        vanished += stats["isolation.vanished"].as_u64().unwrap();
        assert_eq!((&stats["ledger.damaged"], &stats["ledger.write_errors"]), (&0.into(), &0.into()));

        let killed = AtomicBool::new(false);
        let pause = Duration::from_millis(dice.roll(200).into());
        thread::scope(|scope| {
            scope.spawn(|| stir(&lab, &mut dice, &mut hosts, &killed));
            thread::sleep(pause);
            lab.signal(Signal::KILL);
            killed.store(true, Ordering::Relaxed);
        });
        lab.ended();
    }
    eprintln!(
        "{KILLS} kills in {:.0?}, {:.0?} of it starting; {unsure} in between, {adopted} the ledger had not all of, \
         {vanished} gone from the map; {} steps in the ledger",
        begun.elapsed(),
        starting,
        lab.history(&[]).len()
    );
    lab.start();
    assert!(lab.ringward(&["isolate", "flush"]).status.success());
    lab.stop();
    assert!(lab.by_ledger().is_empty());
    assert!(lab.verify().status.success());
}

fn a_reboot_brings_back() {
    let mut lab = Lab::new(1);
    lab.configure("");
    lab.start();
    lab.looks_up("a", v4("b"), "bad.example");
    until("isolated", || lab.is_isolated(v4("a")));
    let add = |host: &str, ttl: &str| lab.ringward(&["isolate", "add", host, "--ttl", ttl]).status.success();
    assert!(add("10.77.0.3", "10m") && add("192.0.2.1", "1s") && add("192.0.2.2", "10m"));
    assert!(lab.ringward(&["isolate", "rm", "192.0.2.2"]).status.success());
    let before = lab.listed();
    lab.reboots();
    // Since then somebody has protected c.
    lab.configure("[policy]\nprotected = [\"10.77.0.3\"]\n");
    thread::sleep(Duration::from_secs(1));
    lab.start();
    let listed = lab.listed();
    assert_eq!(listed.len(), 1, "{listed:?}");
    for same in ["host", "verdict", "by", "reason", "scope"] {
        assert_eq!(listed[0][same], before.iter().find(|l| l["host"] == "10.77.0.1").unwrap()[same]);
    }
    assert!((3500..3600).contains(&listed[0]["remaining_s"].as_u64().unwrap()), "{listed:?}");
    assert!(!lab.reaches("a", v4("b")), "cut off again");
    assert!(lab.reaches("c", v4("b")));
    let restored = lab.step(v4("a"), "restore");
    assert_eq!(restored["isolation"]["enforced"], true);
    let spared = lab.step(v4("c"), "restore");
    assert_eq!(spared["isolation"]["not_enforced_because"], "protected: configured");
    lab.step("192.0.2.1".parse().unwrap(), "expire");
    let stats = lab.stats();
    assert_eq!(
        (&stats["isolation.restored"], &stats["isolation.not_restored"]),
        (&1.into(), &1.into()),
        "{stats}"
    );
    until("ledger and sensor agree", || lab.by_ledger() == lab.by_sensor());
    let actions: Vec<String> = lab
        .history(&["--host", "10.77.0.1"])
        .iter()
        .map(|step| step["action"].as_str().unwrap().into())
        .collect();
    let restore = actions.iter().position(|action| action == "restore").unwrap();
    assert_eq!(
        (actions[0].as_str(), restore),
        ("isolate", actions.len() - 1 - usize::from(actions.last().unwrap() == "first_drop"))
    );
}

fn who_is_released_is_not_brought_back() {
    let mut lab = Lab::new(1);
    lab.configure("");
    lab.start();
    for host in ["10.77.0.1", "192.0.2.1", "192.0.2.2"] {
        assert!(
            lab.ringward(&["isolate", "add", host, "--ttl", "1h", "--reason", "ticket 7"]).status.success()
        );
    }
    // Out of the map while the ledger cannot hear of it: as if the sensor had been killed on its way to the ledger.
    lab.kill();
    let bpftool = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/lab/bpftool");
    // A host in every VLAN.
    let key = "0 0 0 0 0 0 0 0 0 0 0xff 0xff 192 0 2 1 0xff 0xff 0 0 0 0 0 0";
    must(&format!("{bpftool} map delete pinned {}/isolation key {key}", lab.pins.display()));
    lab.start();
    assert_eq!(lab.by_sensor().into_keys().collect::<Vec<_>>(), ["10.77.0.1", "192.0.2.2"]);
    assert_eq!(lab.stats()["isolation.vanished"], 1);
    let gone = lab.step("192.0.2.1".parse().unwrap(), "release");
    assert_eq!(gone["isolation"]["by"], "unknown");
    assert!(
        lab.log().contains("192.0.2.1: the ledger has it as isolated, and it is not in the map"),
        "{}",
        lab.log()
    );
    // In the map, and nobody has told the ledger.
    lab.kill();
    fs::remove_dir_all(lab.desk.path("ledger")).unwrap();
    lab.start();
    assert_eq!(lab.listed()[0]["by"], "adopted");
    assert_eq!(lab.stats()["isolation.adopted"], 2);
    assert!(
        lab.log().contains("10.77.0.1: was in the isolation map already; unknown to the ledger"),
        "{}",
        lab.log()
    );
    until("it is in the ledger", || lab.by_ledger() == lab.by_sensor());
    // The kill switch while nobody is there, then a reboot.
    lab.kill();
    let flushed = ringward(lab.desk.dir.path(), ["isolate", "flush", "-c", "ringward.toml"]);
    assert!(flushed.status.success() && flushed.stderr.is_empty(), "{}", stderr(&flushed));
    let last = lab.history(&["--limit", "2"]);
    assert_eq!(
        (&last[0]["action"], &last[0]["by"], &last[0]["who"]),
        (&"release".into(), &"operator".into(), &"uid 0".into())
    );
    assert_eq!((&last[1]["action"], &last[1]["who"]), (&"audit.flush".into(), &"uid 0".into()));
    assert!(lab.by_ledger().is_empty());
    lab.start();
    lab.reboots();
    lab.start();
    assert!(lab.listed().is_empty());
    assert!(lab.reaches("a", v4("b")));
}

fn a_damaged_ledger() {
    let mut lab = Lab::new(1);
    lab.configure("");
    lab.start();
    for host in ["10.77.0.1", "192.0.2.1", "192.0.2.2"] {
        assert!(lab.ringward(&["isolate", "add", host]).status.success());
    }
    until("all are written", || lab.by_ledger().len() == 3);
    let text = fs::read_to_string(lab.config()).unwrap().replace("sensor.sock", "second.sock");
    fs::write(lab.desk.path("second.toml"), text).unwrap();
    let second = std::process::Command::new("ip")
        .args(["netns", "exec", &lab.ns("sw"), crate::support::RINGWARD, "run", "-c"])
        .arg(lab.desk.path("second.toml"))
        .output()
        .unwrap();
    assert!(stderr(&second).contains("another sensor writes this ledger"), "{}", stderr(&second));
    lab.kill();
    let file = fs::read_dir(lab.desk.path("ledger")).unwrap().map(|entry| entry.unwrap().path());
    let file = file.into_iter().find(|path| path.extension().is_some_and(|end| end == "jsonl")).unwrap();
    fs::OpenOptions::new().append(true).open(&file).unwrap().write_all(&[0; 5000]).unwrap();
    assert_eq!(lab.verify().status.code(), Some(1));
    lab.start();
    assert!(
        lab.log().contains("5000 bytes are no record") && lab.log().contains("set aside"),
        "{}",
        lab.log()
    );
    assert_eq!(lab.stats()["ledger.damaged"], 1);
    assert_eq!(lab.by_sensor(), lab.by_ledger());
    assert!(lab.verify().status.success());
    // A line in the middle is changed: who is told of before it may have been released in it.
    lab.reboots();
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replacen("192.0.2.1\"", "192.0.2.9\"", 1)).unwrap();
    let refused = lab.verify();
    assert!(
        stderr(&refused).contains("bytes are no record") && stderr(&refused).contains("are missing between")
    );
    lab.start();
    assert_eq!(lab.by_sensor().into_keys().collect::<Vec<_>>(), ["192.0.2.2"]);
    let step = lab.step(v4("a"), "restore");
    assert!(step["isolation"]["not_enforced_because"].as_str().unwrap().contains("damaged"), "{step}");
    assert!(!events(&lab.desk.path("out/eve.json")).iter().any(|e| e["isolation"]["host"] == "192.0.2.9"));
}

/// A file system that goes with its test.
struct Small(String);

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["-l", &self.0]).output();
    }
}

fn a_full_disk() {
    let mut lab = Lab::new(1);
    lab.configure("");
    let dir = lab.desk.path("ledger");
    fs::create_dir(&dir).unwrap();
    let disk = Small(dir.to_string_lossy().into_owned());
    must(&format!("mount -t tmpfs -o size=16k none {}", disk.0));
    lab.start();
    let add = |n: u32| {
        let host = format!("192.0.2.{n}");
        assert!(
            lab.ringward(&["isolate", "add", &host]).status.success(),
            "verdicts do not wait for the disk"
        );
    };
    (1..=60).for_each(add);
    until("it is seen", || lab.stats()["ledger.write_errors"].as_u64().unwrap() > 0);
    assert!(lab.log().contains("ERROR the ledger: ") && lab.log().contains("No space left"), "{}", lab.log());
    assert!(lab.by_ledger().len() < 60);
    must(&format!("mount -o remount,size=1m {}", disk.0));
    until("all is written", || lab.by_ledger() == lab.by_sensor());
    assert_eq!((lab.by_sensor().len(), lab.stats()["output.ledger_lost"].as_u64()), (60, Some(0)));
    assert!(lab.verify().status.success());
    assert!(lab.ringward(&["isolate", "flush"]).status.success());
    lab.stop();
    drop(disk);
}
