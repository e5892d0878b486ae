//! Hosts on a switch with a SPAN port, and a sensor on the switch. All of it goes when the lab is dropped.
//!
//! ```text
//! a  10.77.0.1 fd77::1 ─ pa ─┐
//! b  10.77.0.2 fd77::2 ─ pb ─┼─ bridge "lan" ─ span-in ═ span
//! c  10.77.0.3 fd77::3 ─ pc ─┘
//!          guard on these                      capture on this
//! ```

use std::fs::File;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::Value;

use crate::support::{Desk, RINGWARD, counters, enforcing, events, ringward, stderr};

/// The hosts of a lab; host `HOSTS[i]` has addresses that end in `i + 1`.
pub const HOSTS: [&str; 3] = ["a", "b", "c"];
/// Long enough for anything that should happen.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// Long enough to tell a dropped packet from a slow one.
const SILENCE: Duration = Duration::from_millis(400);
/// Where every host listens, TCP and UDP.
const PORT: u16 = 8080;
const DNS: u16 = 53;

static LABS: AtomicU32 = AtomicU32::new(0);

pub fn v4(host: &str) -> IpAddr {
    format!("10.77.0.{}", number(host)).parse().unwrap()
}

pub fn v6(host: &str) -> IpAddr {
    format!("fd77::{}", number(host)).parse().unwrap()
}

fn number(host: &str) -> usize {
    HOSTS.iter().position(|&h| h == host).unwrap() + 1
}

/// Removes what an earlier run of these tests left when it was killed: labs whose process is gone.
pub fn sweep() {
    let owner = |name: &str| name.strip_prefix("rwt")?.split_once('x')?.0.parse::<u32>().ok();
    let dead = |name: &str| owner(name).is_some_and(|pid| !PathBuf::from(format!("/proc/{pid}")).exists());
    let names = |folder: &str| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect::<Vec<_>>()
    };
    for name in names("/run/netns").iter().filter(|name| dead(name)) {
        let _ = Command::new("ip").args(["netns", "del", name]).output();
    }
    for name in names("/sys/fs/bpf").iter().filter(|name| dead(name)) {
        let _ = std::fs::remove_dir_all(format!("/sys/fs/bpf/{name}"));
    }
}

/// Runs a program; it must succeed.
pub fn must(command: &str) -> String {
    let words: Vec<&str> = command.split_whitespace().collect();
    let output = Command::new(words[0]).args(&words[1..]).output().unwrap();
    assert!(output.status.success(), "{command}: {}", stderr(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Waits until something is so.
#[track_caller]
pub fn until(what: &str, mut so: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

pub struct Lab {
    name: String,
    pub desk: Desk,
    pub pins: PathBuf,
    sensor: Option<Child>,
}

impl Lab {
    /// A lab in which every host serves; `queues` of the SPAN port.
    pub fn new(queues: u32) -> Self {
        let name = format!("rwt{}x{}", std::process::id(), LABS.fetch_add(1, Ordering::Relaxed));
        let pins = PathBuf::from(format!("/sys/fs/bpf/{name}"));
        let lab = Lab { name, desk: Desk::new("bad.example,Test RAT\n"), pins, sensor: None };
        let sw = lab.ns("sw");
        must(&format!("ip netns add {sw}"));
        must(&format!("ip netns exec {sw} sysctl -qw net.ipv6.conf.default.disable_ipv6=1"));
        // Ageing 0: the bridge floods like a hub, so one more port is a SPAN port.
        must(&format!("ip -n {sw} link add lan type bridge ageing_time 0 mcast_snooping 0"));
        must(&format!("ip -n {sw} link set lan up"));
        for host in HOSTS {
            let ns = lab.ns(host);
            must(&format!("ip netns add {ns}"));
            must(&format!("ip netns exec {ns} sysctl -qw net.ipv6.conf.default.accept_dad=0"));
            must(&format!("ip -n {sw} link add p{host} type veth peer name eth0 netns {ns}"));
            must(&format!("ip -n {sw} link set p{host} master lan up"));
            must(&format!("ip -n {ns} link set lo up"));
            must(&format!("ip -n {ns} link set eth0 up"));
            must(&format!("ip -n {ns} addr add {}/24 dev eth0", v4(host)));
            must(&format!("ip -n {ns} addr add {}/64 dev eth0 nodad", v6(host)));
        }
        let q = format!("numrxqueues {queues} numtxqueues {queues}");
        must(&format!("ip -n {sw} link add span-in {q} type veth peer name span {q}"));
        must(&format!("ip -n {sw} link set span-in master lan up"));
        must(&format!("ip -n {sw} link set span up"));
        for host in HOSTS {
            lab.serve(host);
        }
        for ip in [v4, v6] {
            until("the hosts see each other", || lab.reaches("a", ip("b")) && lab.reaches("c", ip("b")));
        }
        lab
    }

    pub fn ns(&self, host: &str) -> String {
        format!("{}-{host}", self.name)
    }

    /// Runs `work` on a thread that stands in the host's network namespace.
    pub fn on<T: Send + 'static>(&self, host: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
        let ns = File::open(format!("/run/netns/{}", self.ns(host))).unwrap();
        let standing = thread::spawn(move || {
            move_into_link_name_space(ns.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
            work()
        });
        standing.join().unwrap()
    }

    /// A TCP server that answers every request, a UDP one that sends everything back, one on the DNS port
    /// that does the same. Their threads end with the namespace's sockets: when the process ends.
    fn serve(&self, host: &str) {
        let (tcp, udp, dns) = self.on(host, || {
            let at = |port| SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, port));
            (
                TcpListener::bind(at(PORT)).unwrap(),
                UdpSocket::bind(at(PORT)).unwrap(),
                UdpSocket::bind(at(DNS)).unwrap(),
            )
        });
        thread::spawn(move || {
            for stream in tcp.incoming().flatten() {
                thread::spawn(move || answer(stream));
            }
        });
        for socket in [udp, dns] {
            thread::spawn(move || {
                let mut buffer = [0; 2048];
                while let Ok((n, peer)) = socket.recv_from(&mut buffer) {
                    let _ = socket.send_to(&buffer[..n], peer);
                }
            });
        }
    }

    /// Whether a datagram from `host` comes back from `to`.
    pub fn reaches(&self, host: &str, to: IpAddr) -> bool {
        self.on(host, move || {
            let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            let socket = UdpSocket::bind(any).unwrap();
            socket.set_read_timeout(Some(SILENCE)).unwrap();
            let sent = socket.send_to(b"ping", (to, PORT)).is_ok();
            sent && socket.recv(&mut [0; 16]).is_ok()
        })
    }

    /// Asks `to` for `name`, as a resolver would.
    pub fn looks_up(&self, host: &str, to: IpAddr, name: &str) {
        let (query, _) = crate::support::dns_exchange(name);
        self.on(host, move || {
            let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
            UdpSocket::bind(any).unwrap().send_to(&query, (to, DNS)).unwrap();
        });
    }

    /// An HTTP request; whether it was answered.
    pub fn visits(&self, host: &str, to: IpAddr, name: &str, uri: &str) -> bool {
        use std::io::{Read, Write};
        let request = format!("GET {uri} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n");
        self.on(host, move || {
            let Ok(mut stream) = TcpStream::connect_timeout(&SocketAddr::new(to, PORT), SILENCE) else {
                return false;
            };
            stream.set_read_timeout(Some(SILENCE)).unwrap();
            let mut answer = [0; 64];
            stream.write_all(request.as_bytes()).is_ok()
                && stream.read(&mut answer).is_ok_and(|n| answer[..n].starts_with(b"HTTP/1.1 200"))
        })
    }

    /// A configuration with all ports and what else is wanted.
    pub fn configure(&self, more: &str) {
        let mut toml = String::from("[[port]]\nname = \"span\"\nrole = \"capture\"\n");
        for host in HOSTS {
            toml.push_str(&format!("[[port]]\nname = \"p{host}\"\nrole = \"guard\"\n"));
        }
        self.write_config(&format!("{toml}{more}"));
    }

    /// This configuration, and where things are; alerts isolate, unless it says something else.
    pub fn write_config(&self, toml: &str) {
        let mut tables: toml::Table = enforcing(toml).parse().unwrap();
        let mut set = |table: &str, key: &str, value: toml::Value| {
            let table = tables.entry(table).or_insert_with(|| toml::Table::new().into());
            table.as_table_mut().unwrap().insert(key.into(), value);
        };
        set("intel", "files", vec!["iocs.csv".to_owned()].into());
        set("output", "dir", self.desk.path("out").to_string_lossy().into_owned().into());
        set("control", "socket", self.socket().into());
        set("ledger", "dir", self.desk.path("ledger").to_string_lossy().into_owned().into());
        set("isolation", "pin_dir", self.pins.to_string_lossy().into_owned().into());
        set("isolation", "hold_file", self.hold_file().to_string_lossy().into_owned().into());
        std::fs::write(self.desk.path("ringward.toml"), tables.to_string()).unwrap();
    }

    /// Path of the configuration.
    pub fn config(&self) -> String {
        self.desk.path("ringward.toml").to_string_lossy().into_owned()
    }

    /// Where the kill switch is remembered.
    pub fn hold_file(&self) -> PathBuf {
        self.desk.path("state/hold")
    }

    fn socket(&self) -> String {
        self.desk.path("sensor.sock").to_string_lossy().into_owned()
    }

    fn run_command(&self) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.ns("sw"), RINGWARD, "run", "-c"]);
        command.arg(self.desk.path("ringward.toml"));
        command
    }

    /// Starts the sensor and waits until it runs.
    pub fn start(&mut self) {
        let log = self.desk.path("sensor.log");
        let child =
            self.run_command().stderr(File::create(&log).unwrap()).stdin(Stdio::null()).spawn().unwrap();
        self.sensor = Some(child);
        until("the sensor runs", || {
            let text = self.log();
            let ended = self.sensor.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "the sensor ended: {text}");
            text.contains("running; output in ")
        });
    }

    /// Starts a sensor that is expected not to run.
    pub fn start_in_vain(&self) -> Output {
        let pipe = Stdio::piped();
        let mut child = self.run_command().stdin(Stdio::null()).stderr(pipe).spawn().unwrap();
        let end = Instant::now() + PATIENCE;
        while child.try_wait().unwrap().is_none() {
            if Instant::now() > end {
                child.kill().unwrap();
                panic!("it runs: {}", stderr(&child.wait_with_output().unwrap()));
            }
            thread::sleep(Duration::from_millis(10));
        }
        child.wait_with_output().unwrap()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.desk.path("sensor.log")).unwrap_or_default()
    }

    /// The sensor's process.
    pub fn pid(&self) -> u32 {
        self.sensor.as_ref().unwrap().id()
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(self.sensor.as_ref().unwrap());
        kill_process(pid, signal).unwrap();
    }

    /// Waits for the sensor's end; its exit code, if it was not killed.
    pub fn ended(&mut self) -> Option<i32> {
        let mut child = self.sensor.take().unwrap();
        let mut code = None;
        until("the sensor ends", || match child.try_wait().unwrap() {
            Some(status) => {
                code = status.code();
                true
            }
            None => false,
        });
        code
    }

    /// Stops the sensor. Whatever the test was about: every frame must be accounted for.
    pub fn stop(&mut self) {
        self.signal(Signal::TERM);
        assert_eq!(self.ended(), Some(0), "{}", self.log());
        let events = self.events();
        let counters = counters(&events);
        let of = |name: &str| counters[name].as_u64().unwrap_or_else(|| panic!("{name}: {counters}"));
        let parts = ["processed", "bypassed", "passed", "isolated", "dropped"];
        let accounted: u64 = parts.iter().map(|part| of(&format!("capture.{part}"))).sum();
        assert_eq!(of("capture.received"), accounted, "{counters}");
        let by_reason = counters.as_object().unwrap().iter();
        let by_reason = by_reason.filter(|(name, _)| name.starts_with("capture.drop_reason."));
        let reasons: u64 = by_reason.map(|(_, frames)| frames.as_u64().unwrap()).sum();
        assert_eq!(of("capture.dropped"), reasons, "{counters}");
        assert_eq!(of("guard.received"), of("guard.passed") + of("guard.dropped"), "{counters}");
        assert_eq!(of("capture.in_flight"), 0, "{counters}");
    }

    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.ended();
    }

    /// `ringward` with these arguments, talking to this lab's sensor.
    pub fn ringward(&self, args: &[&str]) -> Output {
        let socket = self.socket();
        ringward(self.desk.dir.path(), args.iter().copied().chain(["--socket", &socket]))
    }

    pub fn listed(&self) -> Vec<Value> {
        let output = self.ringward(&["isolate", "list", "--json"]);
        assert!(output.status.success(), "{}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    pub fn is_isolated(&self, host: IpAddr) -> bool {
        self.listed().iter().any(|l| l["host"] == host.to_string())
    }

    pub fn stats(&self) -> Value {
        let output = self.ringward(&["stats", "--json"]);
        assert!(output.status.success(), "{}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    pub fn events(&self) -> Vec<Value> {
        events(&self.desk.path("out/eve.json"))
    }

    /// The steps of a host's isolation so far, as soon as there is one of this kind.
    pub fn step(&self, host: IpAddr, action: &str) -> Value {
        let mut found = Value::Null;
        until(&format!("{host}: {action}"), || {
            let events = self.events();
            let step = events
                .iter()
                .find(|e| e["isolation"]["host"] == host.to_string() && e["isolation"]["action"] == action);
            found = step.cloned().unwrap_or_default();
            !found.is_null()
        });
        found
    }

    /// As a reboot does.
    pub fn remove_pins(&self) {
        let _ = std::fs::remove_dir_all(&self.pins);
    }

    /// The MAC address of a host.
    pub fn mac(&self, host: &str) -> String {
        let links = must(&format!("ip -j -n {} link show eth0", self.ns(host)));
        let links: Value = serde_json::from_str(&links).unwrap();
        links[0]["address"].as_str().unwrap().to_owned()
    }

    /// Makes every host forget its neighbours: ARP and neighbor discovery are needed again.
    pub fn forget_neighbours(&self) {
        for host in HOSTS {
            must(&format!("ip -n {} neigh flush all", self.ns(host)));
        }
    }

    /// The switch's ports on which an XDP program is.
    pub fn xdp_ports(&self) -> Vec<String> {
        let links: Value = serde_json::from_str(&must(&format!("ip -j -n {} link", self.ns("sw")))).unwrap();
        let with = links.as_array().unwrap().iter().filter(|l| !l["xdp"].is_null());
        let mut names: Vec<String> = with.map(|l| l["ifname"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    }

    /// How many users keep a port of the switch promiscuous.
    pub fn promiscuity(&self, port: &str) -> u64 {
        let link = must(&format!("ip -j -d -n {} link show {port}", self.ns("sw")));
        let link: Value = serde_json::from_str(&link).unwrap();
        link[0]["promiscuity"].as_u64().unwrap()
    }
}

fn answer(mut stream: TcpStream) {
    use std::io::{Read, Write};
    let mut buffer = [0; 2048];
    if stream.read(&mut buffer).is_ok_and(|n| n > 0) {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n");
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if let Some(mut sensor) = self.sensor.take() {
            let _ = sensor.kill();
            let _ = sensor.wait();
        }
        // Those of tests with a wire, too.
        for host in HOSTS.iter().chain(&["sw", "l", "r"]) {
            let _ = Command::new("ip").args(["netns", "del", &self.ns(host)]).output();
        }
        self.remove_pins();
        if thread::panicking() {
            eprintln!("the sensor's log:\n{}", self.log());
        }
    }
}
