//! Sensors and guards in a fleet: each in a lab of its own, a nats-server at the first, a cable from there to each other.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::lab::{HOSTS, Lab, must, until, v4};
use crate::support::stderr;

pub const TESTS: &[(&str, fn())] = &[
    (
        "fleet::what_a_tap_sees_is_in_force_at_guards_elsewhere",
        what_a_tap_sees_is_in_force_at_guards_elsewhere,
    ),
    ("fleet::a_guard_that_is_cut_off_keeps_what_it_had", a_guard_that_is_cut_off_keeps_what_it_had),
    ("fleet::a_release_holds_for_a_guard_that_was_down", a_release_holds_for_a_guard_that_was_down),
];

const PORT: u16 = 4222;

fn skipped() -> bool {
    let there = Command::new("nats-server").arg("--version").output().is_ok();
    if !there {
        eprintln!("SKIPPED: nats-server is not installed; scripts/install-deps lab installs it");
    }
    !there
}

/// Labs with cables, and the server in the first one's switch namespace.
struct Fleet {
    labs: Vec<Lab>,
    server: Option<Child>,
}

impl Fleet {
    fn new(sites: usize) -> Self {
        let labs: Vec<Lab> = (0..sites).map(|_| Lab::new(1)).collect();
        let hub = labs[0].ns("sw");
        must(&format!("ip -n {hub} link set lo up"));
        for (n, lab) in labs.iter().enumerate().skip(1) {
            let site = lab.ns("sw");
            must(&format!("ip -n {hub} link add to{n} type veth peer name cable netns {site}"));
            must(&format!("ip -n {hub} addr add 10.99.{n}.1/30 dev to{n}"));
            must(&format!("ip -n {site} addr add 10.99.{n}.2/30 dev cable"));
            must(&format!("ip -n {hub} link set to{n} up"));
            must(&format!("ip -n {site} link set cable up"));
        }
        let mut fleet = Fleet { labs, server: None };
        fleet.start_server();
        fleet
    }

    fn start_server(&mut self) {
        let folder = self.labs[0].desk.dir.path();
        let config = folder.join("nats.conf");
        let store = folder.join("nats");
        let text = format!("listen: 0.0.0.0:{PORT}\njetstream {{ store_dir: \"{}\" }}\n", store.display());
        std::fs::write(&config, text).unwrap();
        self.server = Some(spawn_server(&self.labs[0].ns("sw"), &config));
        until("the server listens", || {
            self.labs[0].on("sw", || TcpStream::connect(("127.0.0.1", PORT)).is_ok())
        });
    }

    fn stop_server(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill().unwrap();
            server.wait().unwrap();
        }
    }

    /// Cuts a site's cable, or mends it.
    fn cable(&self, site: usize, state: &str) {
        must(&format!("ip -n {} link set to{site} {state}", self.labs[0].ns("sw")));
    }

    /// Starts a site with these ports and what else is wanted, and waits until it is in the fleet.
    fn start(&mut self, site: usize, ports: &str, more: &str) {
        let hub = if site == 0 { "127.0.0.1".to_owned() } else { format!("10.99.{site}.1") };
        let lab = &mut self.labs[site];
        lab.write_config(&format!(
            "{ports}{more}[fleet]\nservers = [\"nats://{hub}:{PORT}\"]\nsite = \"site{site}\"\n"
        ));
        lab.start();
        self.until_connected(site, 1);
    }

    fn until_connected(&self, site: usize, connected: u64) {
        until("the site is in the fleet, or out of it", || self.count(site, "connected") == connected);
    }

    fn count(&self, site: usize, counter: &str) -> u64 {
        self.labs[site].stats()[format!("fleet.{counter}")].as_u64().unwrap()
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.stop_server();
    }
}

fn spawn_server(ns: &str, config: &Path) -> Child {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", ns, "nats-server", "-c"]).arg(config);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn tap() -> String {
    "[[port]]\nname = \"span\"\nrole = \"capture\"\n".into()
}

fn guards() -> String {
    HOSTS.map(|host| format!("[[port]]\nname = \"p{host}\"\nrole = \"guard\"\n")).concat()
}

fn operate(lab: &Lab, args: &[&str]) {
    let output = lab.ringward(args);
    assert!(output.status.success(), "{args:?}: {}", stderr(&output));
}

/// A sensor at a TAP that guards nothing, and guards that see nothing.
fn what_a_tap_sees_is_in_force_at_guards_elsewhere() {
    if skipped() {
        return;
    }
    let mut fleet = Fleet::new(3);
    fleet.start(0, &tap(), "");
    fleet.start(1, &guards(), "");
    let victim = v4("a");
    fleet.labs[0].looks_up("a", v4("b"), "c2.bad.example");
    until("the guard has it", || fleet.labs[1].is_isolated(victim));
    assert!(!fleet.labs[1].reaches("a", v4("b")), "the victim sends");
    assert!(!fleet.labs[1].reaches("b", victim), "the victim is reached");
    assert!(fleet.labs[1].reaches("c", v4("b")), "the bystander is cut off");
    assert!(fleet.labs[0].reaches("a", v4("b")), "there is no guard at the TAP");
    let listed = fleet.labs[1].listed();
    assert_eq!(listed[0]["by"], "fleet");
    assert!(listed[0]["reason"].as_str().unwrap().starts_with("indicator: "), "{listed:?}");
    let step = fleet.labs[1].step(victim, "isolate");
    assert_eq!(step["isolation"]["who"], "site site0", "{step}");

    // Who joins late is told all of it; its own rails hold.
    operate(&fleet.labs[1], &["isolate", "add", &v4("c").to_string(), "--ttl", "60s", "--reason", "hand"]);
    fleet.start(2, &guards(), &format!("[policy]\nprotected = [\"{}\"]\n", v4("c")));
    until("the late guard has it", || fleet.labs[2].is_isolated(victim));
    assert!(!fleet.labs[2].reaches("a", v4("b")));
    until("it refuses what is protected", || fleet.count(2, "refused") == 1);
    assert!(fleet.labs[2].reaches("c", v4("b")) && !fleet.labs[1].reaches("c", v4("b")));
    let spared = fleet.labs[2].step(v4("c"), "withhold");
    assert_eq!(
        (&spared["isolation"]["by"], &spared["isolation"]["who"]),
        (&"fleet".into(), &"site site1".into())
    );

    // A release at a guard is one everywhere, at the sensor too.
    operate(&fleet.labs[1], &["isolate", "rm", &victim.to_string()]);
    until("all have released it", || fleet.labs.iter().all(|lab| !lab.is_isolated(victim)));
    assert!(fleet.labs[1].reaches("a", v4("b")) && fleet.labs[2].reaches("a", v4("b")));
    until("each has told its own, and nobody what came from the fleet", || {
        [0, 1, 2].map(|site| fleet.count(site, "published")) == [1, 2, 0]
    });
    let status = fleet.labs[2].ringward(&["fleet", "status"]);
    assert!(String::from_utf8_lossy(&status.stdout).contains("fleet.connected"), "{status:?}");
    fleet.labs.iter_mut().for_each(Lab::stop);
}

fn a_guard_that_is_cut_off_keeps_what_it_had() {
    if skipped() {
        return;
    }
    let mut fleet = Fleet::new(2);
    fleet.start(0, &guards(), "");
    fleet.start(1, &guards(), "");
    let (a, b, c) = (v4("a"), v4("b"), v4("c"));
    operate(&fleet.labs[0], &["isolate", "add", &a.to_string()]);
    until("both have it", || fleet.labs[1].is_isolated(a));
    fleet.cable(1, "down");
    fleet.until_connected(1, 0);
    until("it says so", || fleet.labs[1].log().contains("fleet: cut off"));
    assert!(fleet.labs[1].log().contains("1 targets of the fleet stay isolated"));
    assert!(!fleet.labs[1].reaches("a", b), "what was in force still is");
    operate(&fleet.labs[0], &["isolate", "rm", &a.to_string()]);
    operate(&fleet.labs[0], &["isolate", "add", &c.to_string()]);
    operate(&fleet.labs[0], &["isolate", "add", &c.to_string(), "--ttl", "2h"]);
    fleet.cable(1, "up");
    until("it is in step again", || fleet.labs[1].is_isolated(c) && !fleet.labs[1].is_isolated(a));
    assert!(fleet.labs[1].reaches("a", b) && !fleet.labs[1].reaches("c", b));
    assert!(fleet.labs[1].log().contains("fleet: connected again after"));
    assert_eq!(fleet.count(1, "reconnects"), 1);

    // Without a server each decides alone; afterwards both do as both have decided.
    fleet.stop_server();
    (0..2).for_each(|site| fleet.until_connected(site, 0));
    operate(&fleet.labs[1], &["isolate", "add", &a.to_string()]);
    operate(&fleet.labs[0], &["isolate", "rm", &c.to_string()]);
    until("the verdict waits", || fleet.count(1, "outbox") == 1);
    assert!(!fleet.labs[1].reaches("c", b) && fleet.labs[0].reaches("c", b));
    fleet.start_server();
    until("the first has what the second decided", || fleet.labs[0].is_isolated(a));
    until("and the second what the first did", || !fleet.labs[1].is_isolated(c));
    assert!(!fleet.labs[0].reaches("a", b) && fleet.labs[1].reaches("c", b));
    until("nothing waits", || (0..2).all(|site| fleet.count(site, "outbox") == 0));
    fleet.labs.iter_mut().for_each(Lab::stop);
}

fn a_release_holds_for_a_guard_that_was_down() {
    if skipped() {
        return;
    }
    let mut fleet = Fleet::new(2);
    fleet.start(0, &guards(), "");
    fleet.start(1, &guards(), "");
    let a = v4("a");
    operate(&fleet.labs[0], &["isolate", "add", &a.to_string()]);
    until("both have it", || fleet.labs[1].is_isolated(a));
    fleet.labs[1].kill();
    assert!(!fleet.labs[1].reaches("a", v4("b")), "the kernel goes on");
    operate(&fleet.labs[0], &["isolate", "rm", &a.to_string()]);
    fleet.labs[1].start();
    until("it hears of the release", || !fleet.labs[1].is_isolated(a));
    assert!(fleet.labs[1].reaches("a", v4("b")));
    fleet.labs.iter_mut().for_each(Lab::stop);
}
