//! What the tests of the binary share: captures made of conversations, and the binary itself.

#![allow(dead_code, unreachable_pub, reason = "each test target uses a part of it")]

pub mod eve;

use std::ffi::OsStr;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use etherparse::{IpHeaders, PacketBuilder, PacketBuilderStep};
use serde_json::Value;

/// The binary under test.
pub const RINGWARD: &str = env!("CARGO_BIN_EXE_ringward");

/// Runs the binary with these arguments in `dir`.
pub fn ringward<S: AsRef<OsStr>>(dir: &Path, args: impl IntoIterator<Item = S>) -> Output {
    Command::new(RINGWARD).args(args).current_dir(dir).output().expect("the binary runs")
}

/// Standard error as text.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Every line of an eve.json; of one that is being written, every whole line. Each is valid by a schema.
pub fn events(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|err| panic!("{}: {err}", path.display()));
    let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
    let line = |line: &str| serde_json::from_str(line).expect("a JSON object per line");
    let events: Vec<Value> = whole.lines().map(line).collect();
    events.iter().for_each(eve::valid);
    events
}

/// The events of one type.
pub fn of_type<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events.iter().filter(|e| e["event_type"] == kind).collect()
}

/// The last `counters` line, by dotted names as `ringward stats --json` has them.
pub fn counters(events: &[Value]) -> Value {
    fn flatten(prefix: &str, value: &Value, out: &mut serde_json::Map<String, Value>) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    let dot = if prefix.is_empty() { "" } else { "." };
                    flatten(&format!("{prefix}{dot}{name}"), value, out);
                }
            }
            number => assert!(out.insert(prefix.to_owned(), number.clone()).is_none(), "{prefix} twice"),
        }
    }
    let mut out = serde_json::Map::new();
    flatten("", &of_type(events, "counters").pop().expect("a line of counters")["counters"], &mut out);
    out.into()
}

/// The shared folder of captures and schemas, if it is there.
pub fn shared_data() -> Option<PathBuf> {
    let folder = std::env::var_os("RINGWARD_DATA").map(PathBuf::from)?;
    folder.is_dir().then_some(folder)
}

/// A capture in the making: frames a millisecond apart.
#[derive(Clone, Debug)]
pub struct Capture {
    pub frames: Vec<(u64, Vec<u8>)>,
    pub now_ns: u64,
    /// VLAN tag of the frames that are added.
    pub vlan: Option<u16>,
}

impl Default for Capture {
    fn default() -> Self {
        Capture { frames: Vec::new(), now_ns: 1_700_000_000_000_000_000, vlan: None }
    }
}

pub fn at(text: &str) -> SocketAddr {
    text.parse().expect("an address with a port")
}

impl Capture {
    /// Lets time pass.
    pub fn pause(&mut self, seconds: u64) {
        self.now_ns += seconds * 1_000_000_000;
    }

    /// Adds a whole frame.
    pub fn frame(&mut self, frame: Vec<u8>) {
        self.frames.push((self.now_ns, frame));
        self.now_ns += 1_000_000;
    }

    fn ip(&self, src: SocketAddr, dst: SocketAddr) -> PacketBuilderStep<IpHeaders> {
        let eth = PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
        match (self.vlan, src.ip(), dst.ip()) {
            (None, IpAddr::V4(a), IpAddr::V4(b)) => eth.ipv4(a.octets(), b.octets(), 64),
            (None, IpAddr::V6(a), IpAddr::V6(b)) => eth.ipv6(a.octets(), b.octets(), 64),
            (Some(id), IpAddr::V4(a), IpAddr::V4(b)) => {
                eth.single_vlan(id.try_into().unwrap()).ipv4(a.octets(), b.octets(), 64)
            }
            (Some(id), IpAddr::V6(a), IpAddr::V6(b)) => {
                eth.single_vlan(id.try_into().unwrap()).ipv6(a.octets(), b.octets(), 64)
            }
            _ => panic!("one address family at a time"),
        }
    }

    pub fn udp(&mut self, src: SocketAddr, dst: SocketAddr, payload: &[u8]) {
        let mut frame = Vec::new();
        self.ip(src, dst).udp(src.port(), dst.port()).write(&mut frame, payload).unwrap();
        self.frame(frame);
    }

    /// An IPv4 datagram in fragments of up to `size` bytes, a multiple of 8.
    pub fn fragmented_udp(&mut self, src: SocketAddr, dst: SocketAddr, payload: &[u8], size: usize) {
        let mut frame = Vec::new();
        self.ip(src, dst).udp(src.port(), dst.port()).write(&mut frame, payload).unwrap();
        let at = frame.len() - payload.len() - 28;
        let (header, data) = frame[at..].split_at(20);
        let id = (self.frames.len() as u16).to_be_bytes();
        for (n, part) in data.chunks(size).enumerate() {
            let more = (n + 1) * size < data.len();
            let field = (n * size / 8) as u16 | u16::from(more) << 13;
            let mut packet = header.to_vec();
            packet[2..4].copy_from_slice(&(20 + part.len() as u16).to_be_bytes());
            packet[4..6].copy_from_slice(&id);
            packet[6..8].copy_from_slice(&field.to_be_bytes());
            self.frame([&frame[..at], &packet, part].concat());
        }
    }

    /// A segment; `flags` in the usual letters.
    pub fn tcp(&mut self, src: SocketAddr, dst: SocketAddr, seq: u32, ack: u32, flags: &str, payload: &[u8]) {
        let mut header = etherparse::TcpHeader::new(src.port(), dst.port(), seq, 64_000);
        header.acknowledgment_number = ack;
        header.syn = flags.contains('S');
        header.ack = flags.contains('A');
        header.psh = flags.contains('P');
        header.fin = flags.contains('F');
        header.rst = flags.contains('R');
        let mut frame = Vec::new();
        self.ip(src, dst).tcp_header(header).write(&mut frame, payload).unwrap();
        self.frame(frame);
    }

    /// A whole connection: handshake, what the client says in segments of `segment` bytes, what the server
    /// says, the end.
    pub fn connection(
        &mut self,
        client: SocketAddr,
        server: SocketAddr,
        up: &[u8],
        down: &[u8],
        segment: usize,
    ) {
        let (mut c, mut s) = (1000, 5000);
        self.tcp(client, server, c, 0, "S", b"");
        self.tcp(server, client, s, c + 1, "SA", b"");
        (c, s) = (c + 1, s + 1);
        self.tcp(client, server, c, s, "A", b"");
        for part in up.chunks(segment) {
            self.tcp(client, server, c, s, "PA", part);
            c += part.len() as u32;
        }
        for part in down.chunks(1400) {
            self.tcp(server, client, s, c, "PA", part);
            s += part.len() as u32;
        }
        self.tcp(client, server, c, s, "FA", b"");
        self.tcp(server, client, s, c + 1, "FA", b"");
        self.tcp(client, server, c + 1, s + 1, "A", b"");
    }

    pub fn http(&mut self, client: SocketAddr, server: SocketAddr, host: &str, uri: &str) {
        let up = format!("GET {uri} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: Mozilla/4.0\r\n\r\n");
        let down = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n";
        self.connection(client, server, up.as_bytes(), down.as_bytes(), 1400);
    }

    pub fn dns(&mut self, client: SocketAddr, server: SocketAddr, name: &str) {
        let (query, answer) = dns_exchange(name);
        self.udp(client, server, &query);
        self.udp(server, client, &answer);
    }

    pub fn tls(&mut self, client: SocketAddr, server: SocketAddr, sni: &str) {
        self.connection(client, server, &client_hello(sni), b"", 1400);
    }

    /// The number of frames.
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Swaps frames about, so that they arrive in another order at the same times.
    pub fn reorder(&mut self, order: impl Fn(usize) -> usize) {
        let frames: Vec<Vec<u8>> = self.frames.iter().map(|(_, f)| f.clone()).collect();
        for (i, (_, frame)) in self.frames.iter_mut().enumerate() {
            *frame = frames[order(i)].clone();
        }
    }

    /// As a classic capture file with nanoseconds.
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.extend(0xa1b2_3c4d_u32.to_le_bytes());
        out.extend([2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 1, 0, 0, 0]);
        for (time, frame) in &self.frames {
            out.extend(((time / 1_000_000_000) as u32).to_le_bytes());
            out.extend(((time % 1_000_000_000) as u32).to_le_bytes());
            out.extend((frame.len() as u32).to_le_bytes());
            out.extend((frame.len() as u32).to_le_bytes());
            out.extend(frame);
        }
        out
    }

    pub fn write(&self, path: &Path) {
        std::fs::write(path, self.bytes()).unwrap();
    }
}

/// An A query for `name` and its answer 192.0.2.80.
pub fn dns_exchange(name: &str) -> (Vec<u8>, Vec<u8>) {
    let mut question = Vec::new();
    for label in name.split('.') {
        question.push(label.len() as u8);
        question.extend(label.as_bytes());
    }
    question.extend([0, 0, 1, 0, 1]);
    let query = [&[0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], &question].concat();
    let record = [0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 80];
    let answer = [&[0x12, 0x34, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0][..], &question, &record].concat();
    (query, answer)
}

/// A TLS 1.2 ClientHello with a server name.
pub fn client_hello(sni: &str) -> Vec<u8> {
    let name = sni.as_bytes();
    let n = name.len() as u16;
    let mut extension = vec![0, 0];
    extension.extend((n + 5).to_be_bytes());
    extension.extend((n + 3).to_be_bytes());
    extension.push(0);
    extension.extend(n.to_be_bytes());
    extension.extend(name);
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend([0, 0, 2, 0xc0, 0x2f, 1, 0]);
    body.extend((extension.len() as u16).to_be_bytes());
    body.extend(extension);
    let mut out = vec![22, 3, 1];
    out.extend((body.len() as u16 + 4).to_be_bytes());
    out.push(1);
    out.extend(&(body.len() as u32).to_be_bytes()[1..]);
    out.extend(body);
    out
}

/// A configuration under which alerts isolate, unless it says something else.
pub fn enforcing(toml: &str) -> String {
    let mut tables: toml::Table = toml.parse().unwrap();
    let policy = tables.entry("policy").or_insert_with(|| toml::Table::new().into());
    policy.as_table_mut().unwrap().entry("mode").or_insert_with(|| "enforce".into());
    tables.to_string()
}

/// A folder for one test, with an indicator list in it.
pub struct Desk {
    pub dir: tempfile::TempDir,
}

impl Desk {
    pub fn new(indicators: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let indicators = if indicators.is_empty() { "# none\n" } else { indicators };
        std::fs::write(dir.path().join("iocs.csv"), indicators).unwrap();
        Desk { dir }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Replays a capture; it must succeed. The events. Verdicts are to isolate, unless a configuration is given.
    pub fn replay(&self, capture: &Capture, more: &[&str]) -> Vec<Value> {
        capture.write(&self.path("case.pcap"));
        std::fs::write(self.path("enforce.toml"), enforcing("")).unwrap();
        let config = if more.contains(&"-c") { &[][..] } else { &["-c", "enforce.toml"] };
        let args = ["replay", "--force", "--iocs", "iocs.csv", "--out", "out"]
            .iter()
            .chain(config)
            .chain(more)
            .copied();
        let output = ringward(self.dir.path(), args.chain(["case.pcap"]));
        assert!(output.status.success(), "{}", stderr(&output));
        events(&self.path("out/eve.json"))
    }

    /// The files of a folder, sorted.
    pub fn list(&self, folder: &str) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.path(folder));
        let mut files: Vec<PathBuf> = entries.into_iter().flatten().map(|e| e.unwrap().path()).collect();
        files.sort();
        files
    }
}

/// What tshark reads out of a capture: a row per packet that matches `filter`, a column per field. Panics if
/// tshark cannot open it.
pub fn tshark(path: &Path, filter: &str, fields: &[&str]) -> Vec<Vec<String>> {
    try_tshark(path, filter, fields)
        .unwrap_or_else(|err| panic!("tshark cannot read {}: {err}", path.display()))
}

/// As [`tshark`]; what tshark says if it cannot read the capture to its end.
pub fn try_tshark(path: &Path, filter: &str, fields: &[&str]) -> Result<Vec<Vec<String>>, String> {
    let mut command = Command::new("tshark");
    command.args(["-r", path.to_str().unwrap(), "-T", "fields", "-E", "separator=/t"]);
    // Every port is fair game for HTTP and TLS here; tshark guesses by port unless told.
    command.args(["-o", "tcp.try_heuristic_first:TRUE"]);
    if !filter.is_empty() {
        command.args(["-Y", filter]);
    }
    for field in fields {
        command.args(["-e", field]);
    }
    let output = command.output().expect("tshark is installed (scripts/install-deps)");
    if !output.status.success() {
        return Err(stderr(&output));
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect())
}
