//! Nodes of a fleet with a real nats-server. Skipped, loudly, where there is none (scripts/install-deps lab).

#![allow(clippy::unwrap_used, missing_docs, reason = "a test that cannot unwrap has failed")]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use fleet::{
    Credentials, Decision, Enforcer, Fleet, FleetEvent, FleetOptions, Input, Outcome, Record, State, Tls,
};
use tempfile::TempDir;
use wire::{Nanos, Scope, Target};

const PATIENCE: Duration = Duration::from_secs(20);

/// Whether there is a server to test with; says so if not.
fn skipped() -> bool {
    let there = Command::new("nats-server").arg("--version").output().is_ok();
    if !there {
        eprintln!("SKIPPED: nats-server is not installed; scripts/install-deps lab installs it");
    }
    !there
}

#[track_caller]
fn until(what: &str, mut so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn now() -> Nanos {
    Nanos::default().after(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap())
}

/// A server, which goes when it is dropped.
struct Server {
    dir: TempDir,
    port: u16,
    more: String,
    process: Option<Child>,
}

impl Server {
    /// With what else is in its configuration; DIR stands for its folder.
    fn new(more: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let more = more.replace("DIR", dir.path().to_str().unwrap());
        Server { dir, port, more, process: None }
    }

    fn started(more: &str) -> Self {
        let mut server = Server::new(more);
        server.start();
        server
    }

    fn start(&mut self) {
        let store = self.dir.path().join("store");
        let config = self.dir.path().join("server.conf");
        let text = format!(
            "listen: 127.0.0.1:{}\njetstream {{ store_dir: \"{}\" }}\n{}",
            self.port,
            store.display(),
            self.more
        );
        std::fs::write(&config, text).unwrap();
        let log = std::fs::File::create(self.dir.path().join("server.log")).unwrap();
        let child = Command::new("nats-server")
            .arg("-c")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.process = Some(child);
        until("the server listens", || std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok());
    }

    fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    fn options(&self, site: &str) -> FleetOptions {
        FleetOptions {
            servers: vec![format!("nats://127.0.0.1:{}", self.port)],
            site: site.into(),
            tls: Tls::default(),
            credentials: Credentials::None,
            bucket: "ringward".into(),
            replicas: 1,
            events_bytes: 1 << 20,
            events_age: Duration::from_secs(3600),
        }
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
        if thread::panicking() {
            let log = std::fs::read_to_string(self.dir.path().join("server.log"));
            eprintln!("the server's log:\n{}", log.unwrap_or_default());
        }
    }
}

/// What was done at a site, in order: "+10.0.0.5" isolated, "-10.0.0.5" released.
#[derive(Clone, Default)]
struct Done(Arc<Mutex<Vec<String>>>);

impl Enforcer for Done {
    fn isolate(&self, record: &Record, lifetime: Duration) -> Outcome {
        assert!(lifetime <= Duration::from_secs(3600));
        if record.decision.target.to_string() == "10.0.0.250" {
            return Outcome::Refused("protected".into());
        }
        self.0.lock().unwrap().push(format!("+{}", record.decision.target));
        Outcome::Done
    }

    fn release(&self, record: &Record) -> Outcome {
        self.0.lock().unwrap().push(format!("-{}", record.decision.target));
        Outcome::Done
    }
}

struct Site {
    fleet: Option<Fleet>,
    done: Done,
}

impl Site {
    fn join(options: FleetOptions) -> Self {
        let done = Done::default();
        let fleet = Fleet::start(options, Box::new(done.clone())).unwrap();
        Site { fleet: Some(fleet), done }
    }

    fn fleet(&self) -> &Fleet {
        self.fleet.as_ref().unwrap()
    }

    fn get(&self, counter: &str) -> u64 {
        let counters = self.fleet().counters()();
        let name = format!("fleet.{counter}");
        counters.into_iter().find(|(n, _)| *n == name).unwrap_or_else(|| panic!("{name}")).1
    }

    fn decide(&self, target: &str, state: State) {
        self.decide_for(target, state, Duration::from_secs(600));
    }

    fn decide_for(&self, target: &str, state: State, lifetime: Duration) {
        let at = now();
        self.fleet().inputs()(Input::Decided(Decision {
            target: target.parse::<Target>().unwrap(),
            state,
            scope: Scope::Both,
            verdict: at.0,
            by: "operator".into(),
            reason: "test".into(),
            at,
            until: at.after(lifetime),
        }));
    }

    fn done(&self) -> Vec<String> {
        self.done.0.lock().unwrap().clone()
    }

    fn is_connected(&self) -> bool {
        self.get("connected") == 1
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(fleet) = self.fleet.take() {
            fleet.stop();
        }
    }
}

#[test]
fn a_verdict_is_in_force_everywhere_and_a_late_joiner_catches_up() {
    if skipped() {
        return;
    }
    let server = Server::started("");
    let (berlin, oslo) = (Site::join(server.options("berlin")), Site::join(server.options("oslo")));
    until("both are there", || berlin.is_connected() && oslo.is_connected());
    berlin.decide("10.0.0.5", State::Isolated);
    berlin.decide("fe80::1@7", State::Isolated);
    oslo.decide("10.1.0.0/16", State::Isolated);
    until("oslo does as berlin says", || oslo.done() == ["+10.0.0.5", "+fe80::1@7"]);
    until("and berlin as oslo", || berlin.done() == ["+10.1.0.0/16"]);
    oslo.decide("10.0.0.5", State::Released);
    until("berlin releases", || berlin.done() == ["+10.1.0.0/16", "-10.0.0.5"]);

    let late = Site::join(server.options("late"));
    until("the late one has all", || late.done().len() == 3);
    let mut done = late.done();
    done.sort();
    assert_eq!(done, ["+10.1.0.0/16", "+fe80::1@7", "-10.0.0.5"]);
    for site in [&berlin, &oslo, &late] {
        until("all know the same", || site.get("isolated") == 2 && site.get("outbox") == 0);
        assert_eq!((site.get("invalid"), site.get("refused"), site.get("duplicates")), (0, 0, 0));
    }
    assert!(oslo.get("latency.count") >= 2);
    assert_eq!(late.get("latency.count"), 0, "what was in force already says nothing of the latency");
}

#[test]
fn two_sites_that_decide_at_once_agree() {
    if skipped() {
        return;
    }
    let server = Server::started("");
    let sites = ["berlin", "oslo", "rome"].map(|name| Site::join(server.options(name)));
    until("all are there", || sites.iter().all(Site::is_connected));
    thread::scope(|scope| {
        for (n, site) in sites.iter().enumerate() {
            scope.spawn(move || {
                for round in 0..200 {
                    let state = if (round + n) % 3 == 0 { State::Released } else { State::Isolated };
                    site.decide(&format!("10.0.0.{}", round % 7), state);
                }
            });
        }
    });
    until("all is sent", || sites.iter().all(|site| site.get("outbox") == 0));
    // Whoever joins now sees what holds; the others must have come to the same.
    let late = Site::join(server.options("late"));
    until("the late one has read it", || late.done().len() == 7);
    let expected = late.get("isolated");
    until("all agree", || sites.iter().all(|site| site.get("isolated") == expected));
    let last_word = |site: &Site, target: &str| {
        site.done().iter().rev().find(|done| done[1..] == *target).map(|done| done[..1].to_owned())
    };
    let conflicts: u64 = sites.iter().map(|site| site.get("conflicts")).sum();
    println!("{conflicts} times another was first");
    for n in 0..7 {
        let target = format!("10.0.0.{n}");
        let holds = last_word(&late, &target);
        // The site whose own verdict holds has nothing to do; the others have done it last.
        until("the others do what holds", || {
            sites.iter().filter(|site| last_word(site, &target) == holds).count() >= 2
        });
    }
}

#[test]
fn cut_off_it_keeps_what_it_has_and_comes_back_into_step() {
    if skipped() {
        return;
    }
    let mut server = Server::started("");
    let (berlin, oslo) = (Site::join(server.options("berlin")), Site::join(server.options("oslo")));
    until("both are there", || berlin.is_connected() && oslo.is_connected());
    berlin.decide("10.0.0.1", State::Isolated);
    until("oslo has it", || oslo.done() == ["+10.0.0.1"]);
    server.stop();
    until("they notice", || !berlin.is_connected() && !oslo.is_connected());
    assert_eq!(oslo.get("isolated"), 1, "what was in force still is");
    for _ in 0..50 {
        berlin.decide("10.0.0.2", State::Isolated);
        berlin.decide("10.0.0.3", State::Isolated);
    }
    berlin.decide("10.0.0.3", State::Released);
    oslo.decide("10.0.0.1", State::Released);
    until("the state waits, not the history", || berlin.get("outbox") == 2 && oslo.get("outbox") == 1);
    server.start();
    until("they are back", || berlin.is_connected() && oslo.is_connected());
    until("oslo is in step", || oslo.get("outbox") == 0 && oslo.done().len() == 3);
    until("berlin is in step", || berlin.get("outbox") == 0 && berlin.done() == ["-10.0.0.1"]);
    let mut done = oslo.done();
    done.sort();
    assert_eq!(done, ["+10.0.0.1", "+10.0.0.2", "-10.0.0.3"]);
    assert_eq!((berlin.get("reconnects"), oslo.get("reconnects")), (1, 1));
    assert_eq!(berlin.get("isolated"), 1);
}

#[test]
fn a_server_that_has_lost_everything_is_told_again() {
    if skipped() {
        return;
    }
    let mut server = Server::started("");
    let berlin = Site::join(server.options("berlin"));
    berlin.decide("10.0.0.1", State::Isolated);
    until("it is sent", || berlin.get("published") == 1);
    server.stop();
    until("it notices", || !berlin.is_connected());
    std::fs::remove_dir_all(server.dir.path().join("store")).unwrap();
    server.start();
    let oslo = Site::join(server.options("oslo"));
    until("oslo hears of it all the same", || oslo.done() == ["+10.0.0.1"]);
}

#[test]
fn what_is_over_goes_and_what_is_refused_is_counted() {
    if skipped() {
        return;
    }
    let server = Server::started("");
    let (berlin, oslo) = (Site::join(server.options("berlin")), Site::join(server.options("oslo")));
    until("both are there", || berlin.is_connected() && oslo.is_connected());
    berlin.decide("10.0.0.250", State::Isolated);
    until("oslo protects it", || oslo.get("refused") == 1);
    berlin.decide_for("10.0.0.9", State::Isolated, Duration::from_millis(1500));
    until("oslo has it", || oslo.done() == ["+10.0.0.9"]);
    until("it is over", || oslo.get("isolated") == 1 && berlin.get("isolated") == 1);
    let late = Site::join(server.options("late"));
    until("the late one passes it over", || late.get("stale") == 1 && late.get("refused") == 1);
    assert_eq!(late.done(), Vec::<String>::new());
}

#[test]
fn what_is_no_record_changes_nothing() {
    if skipped() {
        return;
    }
    let server = Server::started("");
    let oslo = Site::join(server.options("oslo"));
    until("it is there", || oslo.is_connected());
    let address = format!("nats://127.0.0.1:{}", server.port);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = async_nats::connect(address).await.unwrap();
        let store = async_nats::jetstream::new(client).get_key_value("ringward").await.unwrap();
        store.put("host.10.0.0.1", "nonsense".into()).await.unwrap();
        store.put("host.10.0.0.2", vec![0xff; 70_000].into()).await.unwrap_err();
        let decision = Decision {
            target: "10.0.0.3".parse().unwrap(),
            state: State::Isolated,
            scope: Scope::Both,
            verdict: 1,
            by: "x".into(),
            reason: String::new(),
            at: now(),
            until: now().after(Duration::from_secs(60)),
        };
        let record = Record { site: "mars".into(), decision };
        // Under another's key; then as it should be, and once more.
        store.put("host.10.0.0.4", record.to_json().into()).await.unwrap();
        store.put("host.10.0.0.3", record.to_json().into()).await.unwrap();
        store.put("host.10.0.0.3", record.to_json().into()).await.unwrap();
        let mut older = record.clone();
        older.decision.at = Nanos(record.decision.at.0 - 1_000_000_000);
        older.decision.state = State::Released;
        store.put("host.10.0.0.3", older.to_json().into()).await.unwrap();
    });
    until("all is read", || oslo.get("received") >= 5);
    until("the older one is put right", || oslo.get("published") == 1);
    assert_eq!(oslo.done(), ["+10.0.0.3"]);
    assert_eq!((oslo.get("invalid"), oslo.get("duplicates"), oslo.get("stale")), (2, 1, 1));
}

#[test]
fn events_are_in_the_stream_once() {
    if skipped() {
        return;
    }
    let mut server = Server::started("");
    let berlin = Site::join(server.options("berlin"));
    let tell = berlin.fleet().inputs();
    let event = |n: u32| Input::Event(FleetEvent { kind: "alert", json: format!("{{\"n\":{n}}}").into() });
    until("it is there", || berlin.is_connected());
    (0..100).for_each(|n| tell(event(n)));
    until("they are sent", || berlin.get("events_published") == 100);
    server.stop();
    until("it notices", || !berlin.is_connected());
    (100..200).for_each(|n| tell(event(n)));
    server.start();
    until("the others are sent", || berlin.get("events_published") == 200);
    assert_eq!((berlin.get("events_lost"), berlin.get("events_waiting")), (0, 0));
    let address = format!("nats://127.0.0.1:{}", server.port);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (messages, subject) = runtime.block_on(async {
        let context = async_nats::jetstream::new(async_nats::connect(address).await.unwrap());
        let mut stream = context.get_stream("ringward_events").await.unwrap();
        let messages = stream.info().await.unwrap().state.messages;
        (messages, stream.get_raw_message(1).await.unwrap().subject)
    });
    assert_eq!((messages, subject.as_str()), (200, "ringward.events.berlin.alert"));
}

/// The permissions of docs/fleet.md.
const ACCOUNT: &str = r#"
authorization {
  users = [
    { user: admin, password: admin }
    { user: ringward, password: "a b c", permissions: {
        publish: ["$KV.ringward.>", "ringward.events.>", "$JS.API.STREAM.INFO.KV_ringward",
          "$JS.API.STREAM.INFO.ringward_events", "$JS.API.STREAM.PURGE.KV_ringward",
          "$JS.API.CONSUMER.CREATE.KV_ringward.>", "$JS.API.CONSUMER.CREATE.KV_ringward",
          "$JS.API.CONSUMER.DELETE.KV_ringward.>", "$JS.API.DIRECT.GET.KV_ringward.>",
          "$JS.API.STREAM.CREATE.KV_ringward", "$JS.API.STREAM.CREATE.ringward_events",
          "$JS.FC.>"]
        subscribe: ["_INBOX.>"] } }
  ]
}
"#;

#[test]
fn passwords_are_checked_and_the_documented_permissions_are_enough() {
    if skipped() {
        return;
    }
    let server = Server::started(ACCOUNT);
    let as_user = |site: &str, password: &str| {
        let file = server.file(site, password);
        let credentials = Credentials::Password { user: "ringward".into(), file };
        Site::join(FleetOptions { credentials, ..server.options(site) })
    };
    let (berlin, oslo) = (as_user("berlin", "a b c\n"), as_user("oslo", "a b c"));
    until("they are let in", || berlin.is_connected() && oslo.is_connected());
    berlin.decide("10.0.0.1", State::Isolated);
    oslo.decide("10.0.0.1", State::Released);
    until("they hear of each other", || berlin.get("received") >= 1 && oslo.get("received") >= 1);
    until("all is sent", || berlin.get("outbox") == 0 && oslo.get("outbox") == 0);
    berlin.fleet().inputs()(Input::Event(FleetEvent { kind: "alert", json: b"{}".to_vec() }));
    until("events too", || berlin.get("events_published") == 1);

    let (wrong, nobody) = (as_user("wrong", "b"), Site::join(server.options("nobody")));
    thread::sleep(Duration::from_secs(1));
    assert!(!wrong.is_connected() && !nobody.is_connected());
    assert_eq!(wrong.done(), Vec::<String>::new());
}

#[test]
fn tokens_and_nkeys_are_checked() {
    if skipped() {
        return;
    }
    let server = Server::started("authorization { token: \"secret\" }\n");
    let with = |site: &str, token: &str| {
        let credentials = Credentials::Token(server.file(site, token));
        Site::join(FleetOptions { credentials, ..server.options(site) })
    };
    let (good, bad) = (with("good", "secret\n"), with("bad", "Secret"));
    until("the token is good", || good.is_connected());
    thread::sleep(Duration::from_millis(500));
    assert!(!bad.is_connected());

    // Two key pairs made for this test alone.
    let pair = nkeys::KeyPair::new_user();
    let stranger = nkeys::KeyPair::new_user();
    let server =
        Server::started(&format!("authorization {{ users = [ {{ nkey: {} }} ] }}\n", pair.public_key()));
    let with = |site: &str, pair: &nkeys::KeyPair| {
        let credentials = Credentials::Nkey(server.file(site, &pair.seed().unwrap()));
        Site::join(FleetOptions { credentials, ..server.options(site) })
    };
    let (good, bad) = (with("good", &pair), with("bad", &stranger));
    until("the key is good", || good.is_connected());
    thread::sleep(Duration::from_millis(500));
    assert!(!bad.is_connected());
}

/// A certificate authority with a server's and a client's certificate, in a folder.
fn authority(folder: &Path) {
    let openssl = |args: &str| {
        let done = Command::new("openssl").args(args.split(' ')).current_dir(folder).output().unwrap();
        assert!(done.status.success(), "openssl {args}: {}", String::from_utf8_lossy(&done.stderr));
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2";
    for ca in ["ca", "other"] {
        openssl(&format!("req -x509 {key} -keyout {ca}.key -out {ca}.pem -subj /CN=Test-{ca}"));
    }
    std::fs::write(folder.join("san"), "subjectAltName=IP:127.0.0.1\n").unwrap();
    for (name, ca) in [("server", "ca"), ("client", "ca"), ("stranger", "other")] {
        openssl(&format!("req {key} -keyout {name}.key -out {name}.csr -subj /CN={name}"));
        openssl(&format!(
            "x509 -req -in {name}.csr -CA {ca}.pem -CAkey {ca}.key -CAcreateserial -days 2 -extfile san -out {name}.pem"
        ));
    }
}

#[test]
fn tls_is_checked_on_both_sides() {
    if skipped() {
        return;
    }
    let mut server = Server::new(
        "tls { cert_file: \"DIR/server.pem\", key_file: \"DIR/server.key\", ca_file: \"DIR/ca.pem\", verify: true }\n",
    );
    authority(server.dir.path());
    server.start();
    let path = |name: &str| server.dir.path().join(name);
    let with = |site: &str, ca: &str, client: &str| {
        let identity = Some((path(&format!("{client}.pem")), path(&format!("{client}.key"))));
        let tls = Tls { ca: Some(path(&format!("{ca}.pem"))), identity };
        Site::join(FleetOptions { tls, ..server.options(site) })
    };
    let good = with("good", "ca", "client");
    until("those who trust each other meet", || good.is_connected());
    let bad = [with("wrong-ca", "other", "client"), with("wrong-client", "ca", "stranger")];
    let no_tls = Site::join(server.options("clear"));
    let system = FleetOptions {
        servers: vec![format!("tls://127.0.0.1:{}", server.port)],
        ..server.options("system")
    };
    let system = Site::join(system);
    thread::sleep(Duration::from_secs(1));
    assert!(bad.iter().chain([&no_tls, &system]).all(|site| !site.is_connected()));
}
