//! What fuzzers feed. Each function takes any bytes and panics if a promise is broken; the same functions run
//! over the corpus in `tests/corpus.rs`.
#![forbid(unsafe_code)]

mod verify;

use std::io::Write;

use capture::CaptureFile;
use flow::defrag::{DefragOptions, Defragmenter, Frames, Policy};
use flow::{
    FlowTuple, HostPolicies, OverlapPolicy, Segment, StreamEvent, StreamOptions, Streams, TcpConnection,
};
use intel::{Kind, Loader, Observable, Progress};
use proto::http1::HttpParser;
use proto::http2::Http2Parser;
use proto::websocket::WebSocketParser;
use proto::{AppLayer, AppProto, Chunk, FileEvent, Parser, Sink, Step, Transaction};
pub use verify::verify;
use wire::{Decoded, Direction, Endpoint, IpProto, LinkType, Nanos, TcpFlags, TcpHeader, Vlans};

/// Takes any bytes, panics if a promise is broken.
pub type Target = fn(&[u8]);

/// The fuzz targets by name, in the order of the way of a packet.
pub const TARGETS: &[(&str, Target)] = &[
    ("capture_file", capture_file),
    ("decode", decode),
    ("fragments", fragments),
    ("reassembly", reassembly),
    ("overlaps", overlaps),
    ("stream", stream),
    ("announced", announced),
    ("text", text),
    ("datagram", datagram),
    ("datagrams", datagrams),
    ("web", web),
    ("messages", messages),
    ("data_protocols", data_protocols),
    ("indicators", indicators),
    ("rules", rules),
    ("stix_pattern", stix_pattern),
    ("check_in", check_in),
    ("check_in_stream", check_in_stream),
    ("verify", verify),
];

/// A rule file, and the same bytes as a threshold file: what is not loaded is named with its line.
pub fn rules(data: &[u8]) {
    let settings = rules::Settings::default();
    let lines = 1 + data.iter().filter(|&&b| b == b'\n').count() as u64;
    if let Err((line, why)) = rules::Filters::parse(data, &settings) {
        assert!(u64::from(line) <= lines && !why.is_empty());
    }
    let mut loader = rules::Loader::new(settings);
    loader.text("fuzz", data);
    let (loaded, report) = loader.finish();
    assert_eq!(loaded.len() as u64, report.loaded);
    for refused in report.errors.iter().chain(&report.unsupported) {
        assert!(refused.line >= 1 && u64::from(refused.line) <= lines && !refused.why.is_empty());
    }
    for rule in &loaded {
        assert!(rule.sid > 0 && rule.parts.iter().all(|part| !part.tests.is_empty()));
    }
}

/// A capture file: read to its end or to a named damage.
pub fn capture_file(data: &[u8]) {
    let Ok(mut file) = tempfile::NamedTempFile::new() else { return };
    if file.write_all(data).is_err() {
        return;
    }
    let mut bytes = 0;
    let read = CaptureFile::open(file.path()).and_then(|capture| capture.read(|r| bytes += r.bytes.len()));
    // Compressed input may be larger inside; plain input may not.
    assert!(unpack::Format::of(data) != unpack::Format::Plain || bytes <= data.len());
    drop(read);
}

/// A frame; the first byte picks the link type.
pub fn decode(data: &[u8]) {
    let Some((&pick, frame)) = data.split_first() else { return };
    let link = LinkType::ALL[usize::from(pick) % LinkType::ALL.len()];
    for packet in [wire::decode(link, frame), wire::decode_innermost(link, frame)] {
        let Ok(Decoded::Ip(packet)) = packet else { continue };
        assert!(packet.header.len() + packet.payload.len() <= frame.len());
        if !matches!(packet.transport, wire::Transport::Icmp { .. }) {
            let (there, swapped) = packet.flow_key();
            let (back, other) =
                wire::FlowKey::new(packet.destination(), packet.source(), packet.proto, packet.vlans);
            assert_eq!(there, back);
            assert!(swapped != other || packet.source() == packet.destination());
        }
        let back = wire::Packet { src: packet.dst, dst: packet.src, fragment: true, ..packet };
        assert!(!packet.fragment || back.steering_hash() == packet.steering_hash());
        assert!(packet.tcp_options().count() <= 40);
        if let Some(quote) = packet.icmp().and_then(|message| message.quote) {
            assert!(quote.body.len() <= packet.payload.len());
        }
        if let Some(tunnel) = packet.tunnel {
            assert!(usize::from(tunnel.depth) <= wire::MAX_TUNNELS);
            assert!(!tunnel.outermost().source.ip.is_unspecified() || frame.windows(4).any(|w| w == [0; 4]));
        }
    }
}

/// Fragments: the first byte picks the policy; then each version and identification, offset, flags and length, so many
/// bytes. No more memory is taken than allowed, no fragment is forgotten, and what is whole decodes.
pub fn fragments(data: &[u8]) {
    const MAX_BYTES: usize = 16 * 1024;
    let Some((&pick, mut rest)) = data.split_first() else { return };
    let policy = Policy::ALL[usize::from(pick) % Policy::ALL.len()];
    let policies = HostPolicies::new(policy, []);
    let mut table = Defragmenter::new(DefragOptions {
        max_datagrams: 4,
        max_bytes: MAX_BYTES,
        policies,
        ..DefragOptions::default()
    });
    let (mut time, mut given, mut whole_packets, mut whole) = (0, 0, 0, Vec::new());
    while let Some((head, tail)) = rest.split_first_chunk::<4>() {
        let [name, a, b, len] = *head;
        let (payload, tail) = tail.split_at(usize::from(len).min(tail.len()));
        rest = tail;
        let (offset, more) = (u16::from_be_bytes([a & 0x1f, b]), a & 0x80 != 0);
        let packet = fragment(name & 0x80 != 0, name & 7, offset, more, payload);
        time += u64::from(name & 0x78) << 27;
        let Some(fragment) = wire::fragment(LinkType::RawIp, &packet, true) else { continue };
        given += 1;
        let frames = Frames::one(Nanos(time), packet.len() as u32);
        if let Some(frames) = table.take(&fragment, frames, Nanos(time), &mut whole) {
            whole_packets += u64::from(frames.packets);
            assert!(whole.len() as u64 <= frames.wire_bytes, "more than came on the wire");
            if let Ok(Decoded::Ip(packet)) = wire::decode(LinkType::RawIp, &whole) {
                assert!(!packet.fragment && packet.payload.len() < whole.len());
            }
        }
        assert!(table.memory() <= MAX_BYTES && table.len() <= 4);
    }
    table.flush();
    let counters = table.counters();
    assert_eq!((counters.packets, counters.reassembled_packets), (given, whole_packets));
    assert_eq!((counters.held_packets(), table.is_empty()), (0, true));
}

fn fragment(v6: bool, id: u8, offset: u16, more: bool, data: &[u8]) -> Vec<u8> {
    let len = data.len() as u16;
    let mut packet = Vec::new();
    if v6 {
        packet.extend([0x60, 0, 0, 0]);
        packet.extend((8 + len).to_be_bytes());
        packet.extend([44, 64]);
        packet.extend([0x20; 32]);
        packet.extend([17, 0]);
        packet.extend((offset << 3 | u16::from(more)).to_be_bytes());
        packet.extend([0, 0, 0, id]);
    } else {
        packet.extend([0x45, 0]);
        packet.extend((20 + len).to_be_bytes());
        packet.extend([0, id]);
        packet.extend((offset | u16::from(more) << 13).to_be_bytes());
        packet.extend([64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    }
    packet.extend(data);
    packet
}

/// Segments: direction and flags, position, length, so many bytes. What comes out is never more than went in, and
/// never more than promised waits.
pub fn reassembly(data: &[u8]) {
    let streams = Streams::new(StreamOptions { memory: 4096, ..StreamOptions::default() });
    let mut tcp = TcpConnection::default();
    let mut rest = data;
    let (mut fed, mut got) = (0, 0);
    while let Some((head, tail)) = rest.split_first_chunk::<5>() {
        let [control, a, b, ack, len] = *head;
        let (payload, tail) = tail.split_at(usize::from(len).min(tail.len()));
        rest = tail;
        let direction = if control & 1 == 0 { Direction::ToServer } else { Direction::ToClient };
        let seq = u32::from_be_bytes([b & 0x80, 0, a, b]).wrapping_mul(3);
        let missing = u32::from(control & 0x80) / 8;
        fed += payload.len();
        let segment =
            Segment { missing, direction, ..segment(seq, u32::from(ack) << 4, control >> 1, payload) };
        tcp.segment(&streams, &segment, &mut |event| count(&event, &mut got));
        assert!(tcp.waiting_bytes() <= 4096);
    }
    tcp.flush(&streams, &mut |event| count(&event, &mut got));
    assert!(got <= fed, "{got} bytes out of {fed}");
    assert_eq!(streams.budget().used(), 0);
}

fn segment(seq: u32, ack: u32, flags: u8, payload: &[u8]) -> Segment<'_> {
    Segment {
        header: TcpHeader { src_port: 1, dst_port: 2, seq, ack, flags: TcpFlags(flags), window: 1000 },
        window_scale: None,
        direction: Direction::ToServer,
        receiver: [10, 0, 0, 2].into(),
        payload,
        missing: 0,
        time: Nanos(0),
    }
}

fn count(event: &StreamEvent<'_>, got: &mut usize) {
    if let StreamEvent::Data(_, bytes) = event {
        assert!(!bytes.is_empty());
        *got += bytes.len();
    }
}

/// Segments that may disagree, against a model with one cell per byte. The first byte picks the policy, then place
/// and length of each segment; its bytes are its number.
pub fn overlaps(data: &[u8]) {
    let Some((&pick, places)) = data.split_first() else { return };
    let policy = OverlapPolicy::ALL[usize::from(pick) % OverlapPolicy::ALL.len()];
    let policies = HostPolicies::new(policy, []);
    let streams = Streams::new(StreamOptions { policies, ..StreamOptions::default() });
    // Numbers wrap in the middle.
    let start = u32::MAX - 100;
    let mut tcp = TcpConnection::default();
    tcp.segment(&streams, &segment(start, 0, TcpFlags::SYN, b""), &mut |_| {});
    let mut model = Model { policy, cells: vec![None; 512], whole: Vec::new(), delivered: Vec::new() };
    let mut out = Vec::new();
    // The number is the byte, so that there are no more than numbers.
    for place in places.as_chunks::<2>().0.iter().take(256) {
        let (at, len) = (usize::from(place[0]), 1 + usize::from(place[1] % 64));
        let payload = vec![model.whole.len() as u8; len];
        let seq = start.wrapping_add(1).wrapping_add(at as u32);
        tcp.segment(&streams, &segment(seq, 0, TcpFlags::PSH, &payload), &mut |event| match event {
            StreamEvent::Data(_, bytes) => out.extend_from_slice(bytes),
            StreamEvent::Gap(..) | StreamEvent::Depth(_) => panic!("nothing was given up"),
            StreamEvent::Anomaly(..) => {}
        });
        model.take(at, at + len);
        assert_eq!(out, model.delivered, "{policy:?}");
    }
}

/// What a receiver has: the segment that each byte came from.
struct Model {
    policy: OverlapPolicy,
    cells: Vec<Option<usize>>,
    /// Where each segment lay.
    whole: Vec<(usize, usize)>,
    delivered: Vec<u8>,
}

impl Model {
    fn take(&mut self, at: usize, end: usize) {
        let from = at.max(self.delivered.len());
        let number = self.whole.len();
        self.whole.push((from, end));
        let before = self.cells.clone();
        for place in from..end {
            let wins = before[place].is_none_or(|owner| {
                let mine = |place: &usize| before[*place] == Some(owner);
                let cut = (
                    (0..place).rev().take_while(mine).last().unwrap_or(place),
                    (place..before.len()).take_while(mine).last().unwrap_or(place) + 1,
                );
                let old = if self.policy.compares_whole_segments() { self.whole[owner] } else { cut };
                self.policy.new_wins((old.0 as u32, old.1 as u32), (from as u32, end as u32))
            });
            if wins {
                self.cells[place] = Some(number);
            }
        }
        while let Some(owner) = self.cells[self.delivered.len()] {
            self.delivered.push(owner as u8);
        }
    }
}

#[derive(Debug, Default)]
struct Log {
    inspected: usize,
    logged: Vec<Transaction>,
}

impl Sink for Log {
    fn inspect(&mut self, _: &Transaction) {
        self.inspected += 1;
    }

    fn log(&mut self, transaction: Transaction) {
        self.logged.push(transaction);
        assert!(self.logged.len() <= self.inspected, "logged before it was inspected");
    }
}

/// Server ports, so that protocols are met where they are usual and where they are not. The first four are those of
/// the oldest inputs in the corpus.
const PORTS: [u16; 4] = [80, 443, 53, 9999];

fn tuple(proto: IpProto, server_port: u16) -> FlowTuple {
    let end = |last, port| Endpoint { ip: [10, 0, 0, last].into(), port };
    FlowTuple {
        id: 1,
        client: end(1, 40_000),
        server: end(2, server_port),
        proto,
        vlans: Vlans::default(),
        start: Nanos(0),
    }
}

/// A TCP conversation: the first byte picks the server's port; turns of direction, length, bytes; length 255 is a
/// hole. The same turns in pieces of other sizes give the same transactions.
pub fn stream(data: &[u8]) {
    any_split(data, &PORTS);
}

/// Ports of the text protocols and of those that are told by what both sides say.
const TEXT_PORTS: [u16; 11] = [21, 25, 110, 143, 23, 6379, 5900, 1080, 6667, 11211, 9999];

/// As [`stream`], where mail, files, terminals, chats, caches, screens and proxies are usual.
pub fn text(data: &[u8]) {
    any_split(data, &TEXT_PORTS);
}

fn any_split(data: &[u8], ports: &[u16]) {
    let whole = talk(data, usize::MAX, ports);
    for step in [1, 7] {
        let pieces = talk(data, step, ports);
        assert_eq!(pieces.logged, whole.logged, "in pieces of {step}");
    }
}

fn talk(data: &[u8], step: usize, ports: &[u16]) -> Log {
    let mut log = Log::default();
    let Some((&pick, rest)) = data.split_first() else { return log };
    let flow = tuple(IpProto::TCP, ports[usize::from(pick) % ports.len()]);
    turns(AppLayer::new(&flow), &flow, rest, step, &mut log);
    log
}

/// A conversation whose protocol is known beforehand, so that its parser meets what no probe would let pass: the first
/// byte picks the protocol and, by its highest bit, the transport; turns as in [`stream`]. Every protocol that has a
/// parser is reached.
pub fn announced(data: &[u8]) {
    let Some((&pick, rest)) = data.split_first() else { return };
    let app = AppProto::ALL[usize::from(pick & 0x7f) % AppProto::ALL.len()];
    let stream = pick & 0x80 == 0;
    let flow = tuple(if stream { IpProto::TCP } else { IpProto::UDP }, PORTS[3]);
    let run = |step| {
        let (mut layer, mut log) = (AppLayer::new(&flow), Log::default());
        layer.announced(&flow, app, None);
        turns(layer, &flow, rest, step, &mut log);
        log
    };
    let whole = run(usize::MAX);
    assert_eq!(whole.inspected, whole.logged.len(), "inspected and never logged");
    // A datagram is what it is; a stream may be cut anywhere.
    for step in [1, 7].into_iter().filter(|_| stream) {
        assert_eq!(run(step).logged, whole.logged, "in pieces of {step}");
    }
}

fn turns(mut layer: AppLayer, flow: &FlowTuple, mut rest: &[u8], step: usize, log: &mut Log) {
    let stream = flow.proto == IpProto::TCP;
    while let Some((head, tail)) = rest.split_first_chunk::<2>() {
        let direction = if head[0] & 1 == 0 { Direction::ToServer } else { Direction::ToClient };
        if stream && head[1] == 255 {
            layer.gap(flow, direction, 10, log);
            rest = tail;
            continue;
        }
        let (bytes, tail) = tail.split_at(usize::from(head[1]).min(tail.len()));
        rest = tail;
        if !stream && !bytes.is_empty() {
            layer.datagram(flow, Chunk { direction, bytes, time: Nanos(0) }, log);
            continue;
        }
        for piece in bytes.chunks(step.min(bytes.len().max(1))) {
            layer.data(flow, Chunk { direction, bytes: piece, time: Nanos(0) }, log);
        }
    }
    layer.close(log);
    assert_eq!(log.inspected, log.logged.len(), "inspected and never logged");
}

/// Files of a connection: opened once, closed once, in between data.
#[derive(Debug, Default)]
struct WebLog {
    log: Log,
    open: std::collections::HashMap<u64, Vec<u8>>,
    closed: Vec<(u64, Vec<u8>, bool)>,
}

impl Sink for WebLog {
    fn inspect(&mut self, transaction: &Transaction) {
        self.log.inspect(transaction);
    }

    fn log(&mut self, transaction: Transaction) {
        self.log.log(transaction);
    }

    fn file(&mut self, event: FileEvent<'_>) {
        match event {
            FileEvent::Open { handle, .. } => {
                assert!(self.open.insert(handle, Vec::new()).is_none(), "opened twice");
            }
            FileEvent::Data { handle, bytes } => {
                self.open.get_mut(&handle).expect("an open file").extend_from_slice(bytes);
            }
            FileEvent::Gap { handle, .. } => assert!(self.open.contains_key(&handle)),
            FileEvent::Close { handle, truncated, .. } => {
                let bytes = self.open.remove(&handle).expect("an open file");
                self.closed.push((handle, bytes, truncated));
            }
        }
    }
}

/// A connection of HTTP/1, HTTP/2 or WebSocket, by the first byte; turns as in [`stream`]. However it is split it gives
/// the same transactions and files.
pub fn web(data: &[u8]) {
    let whole = surf(data, usize::MAX);
    for step in [1, 5] {
        let pieces = surf(data, step);
        assert_eq!(pieces.log.logged, whole.log.logged, "in pieces of {step}");
        assert_eq!(pieces.closed, whole.closed, "in pieces of {step}");
    }
}

fn surf(data: &[u8], step: usize) -> WebLog {
    let mut log = WebLog::default();
    let Some((&pick, mut rest)) = data.split_first() else { return log };
    let mut parser: Box<dyn Parser> = match pick % 3 {
        0 => Box::<HttpParser>::default(),
        1 => Box::<Http2Parser>::default(),
        _ => Box::<WebSocketParser>::default(),
    };
    'all: while let Some((head, tail)) = rest.split_first_chunk::<2>() {
        let direction = if head[0] & 1 == 0 { Direction::ToServer } else { Direction::ToClient };
        let (bytes, tail) = tail.split_at(usize::from(head[1]).min(tail.len()));
        rest = tail;
        if head[1] == 255 {
            if parser.gap(direction, 10, &mut log) != Step::More {
                break 'all;
            }
            continue;
        }
        for piece in bytes.chunks(step.min(bytes.len().max(1))) {
            if parser.data(Chunk { direction, bytes: piece, time: Nanos(0) }, &mut log) != Step::More {
                break 'all;
            }
        }
    }
    parser.close(&mut log);
    assert_eq!(log.log.inspected, log.log.logged.len(), "inspected and never logged");
    assert!(log.open.is_empty(), "a file was never closed");
    log
}

/// A UDP payload; the first byte picks the port.
pub fn datagram(data: &[u8]) {
    let Some((&pick, bytes)) = data.split_first() else { return };
    if !bytes.is_empty() {
        say(PORTS[usize::from(pick) % PORTS.len()], bytes);
    }
}

fn say(port: u16, bytes: &[u8]) {
    let mut log = Log::default();
    let flow = tuple(IpProto::UDP, port);
    let mut layer = AppLayer::new(&flow);
    for direction in [Direction::ToServer, Direction::ToClient] {
        layer.datagram(&flow, Chunk { direction, bytes, time: Nanos(0) }, &mut log);
    }
    layer.close(&mut log);
}

/// A conversation in datagrams: the first byte picks the port; turns of direction, length, bytes.
pub fn datagrams(data: &[u8]) {
    let Some((&pick, mut rest)) = data.split_first() else { return };
    let mut log = Log::default();
    let flow = tuple(IpProto::UDP, PORTS[usize::from(pick) % PORTS.len()]);
    let mut layer = AppLayer::new(&flow);
    while let Some((head, tail)) = rest.split_first_chunk::<2>() {
        let direction = if head[0] & 1 == 0 { Direction::ToServer } else { Direction::ToClient };
        // Eight bytes a unit: an Initial packet of QUIC has 1,200.
        let (bytes, tail) = tail.split_at((usize::from(head[1]) * 8).min(tail.len()));
        rest = tail;
        if !bytes.is_empty() {
            layer.datagram(&flow, Chunk { direction, bytes, time: Nanos(0) }, &mut log);
        }
    }
    layer.close(&mut log);
    assert_eq!(log.inspected, log.logged.len(), "inspected and never logged");
}

/// Ports of the protocols whose datagrams are messages for themselves, and one that is nobody's.
const MESSAGE_PORTS: [u16; 14] = [53, 5353, 5355, 137, 67, 547, 161, 123, 1900, 514, 69, 5060, 6881, 9999];

/// Several datagrams of a flow: the first byte picks the server's port and whether the flow was announced as RTP or
/// TFTP; then turns of direction, length, bytes.
pub fn messages(data: &[u8]) {
    let Some((&pick, mut rest)) = data.split_first() else { return };
    let mut log = Log::default();
    let flow = tuple(IpProto::UDP, MESSAGE_PORTS[usize::from(pick >> 2) % MESSAGE_PORTS.len()]);
    let mut layer = AppLayer::new(&flow);
    match pick & 3 {
        1 => layer.announced(&flow, AppProto::Rtp, None),
        2 => layer.announced(&flow, AppProto::Tftp, Some("roctet\0file")),
        _ => {}
    }
    while let Some((&[turn, len], tail)) = rest.split_first_chunk::<2>() {
        let direction = if turn & 1 == 0 { Direction::ToServer } else { Direction::ToClient };
        let (bytes, tail) = tail.split_at(usize::from(len).min(tail.len()));
        rest = tail;
        if !bytes.is_empty() {
            layer.datagram(&flow, Chunk { direction, bytes, time: Nanos(0) }, &mut log);
        }
    }
    layer.close(&mut log);
    assert_eq!(log.inspected, log.logged.len(), "inspected and never logged");
}

/// Server ports of databases, brokers, file servers and controllers.
const DATA_PORTS: [u16; 13] =
    [2049, 111, 1883, 5672, 3306, 5432, 1433, 27_017, 502, 20_000, 102, 44_818, 47_808];

/// A conversation with a database, broker, file server or controller, over TCP and over UDP: the first byte picks the
/// port, then as in `stream`.
pub fn data_protocols(data: &[u8]) {
    any_split(data, &DATA_PORTS);
    let Some((&pick, turns)) = data.split_first() else { return };
    if !turns.is_empty() {
        say(DATA_PORTS[usize::from(pick) % DATA_PORTS.len()], turns);
    }
}

/// An indicator list of whatever format: what is loaded is counted, and what was read is found again.
pub fn indicators(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for name in ["fuzz", "fuzz.csv"] {
        let mut loader = Loader::with_limit(1000);
        let loaded = loader.text(name, &text);
        let (set, report) = loader.finish();
        assert_eq!(set.len() as u64, report.loaded());
        assert!(loaded.is_err() || set.len() <= 1000);
        let mut progress = Progress::default();
        for line in text.lines().take(100) {
            let _ = set.domain(line, Nanos(0));
            let url = Observable::Url { host: line, port: Some(1), uri: line };
            for seen in [url, Observable::Text(Kind::Email, line), Observable::Hex(Kind::Ja3, line)] {
                if let Some(hit) = set.look_up(&seen, Nanos(0)) {
                    set.hit(&hit, Nanos(0));
                }
                let _ = set.advance(&seen, Nanos(0), &mut progress);
            }
            if let Ok(ip) = line.parse() {
                let _ = set.ip(ip, Nanos(0));
            }
        }
        assert!(set.hits().len() <= set.len());
        let (next, _) = Loader::new().finish();
        next.inherit(&set);
        assert_eq!(next.hit_count(), 0);
    }
}

/// A pattern of STIX, in an indicator in a bundle: it is loaded, or refused by line.
pub fn stix_pattern(data: &[u8]) {
    let pattern = serde_json::Value::from(String::from_utf8_lossy(data));
    let bundle = format!(
        "{{\"type\": \"bundle\", \"objects\": [\n{{\"type\": \"indicator\", \"id\": \"indicator--1\", \
         \"pattern\": {pattern}}}]}}"
    );
    let mut loader = Loader::with_limit(100_000);
    let loaded = loader.text("fuzz", &bundle);
    let (set, report) = loader.finish();
    assert_eq!(set.len() as u64, report.loaded());
    assert!(loaded.is_err() || report.loaded() + report.skipped > 0);
    assert!(report.errors.iter().all(|error| error.line == 2));
}

/// The URI of a C2 request.
pub fn check_in(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let _ = detect::c2::decode(&text);
    let headers = [(&b"Cookie"[..], data), (&b"User-Agent"[..], data), (&b"X-Data"[..], data)];
    let _ = detect::c2::decode_request(&detect::c2::Request { uri: "/", headers: &headers, body: data });
}

/// What a client says first over TCP: what is told of it is short and bears no control characters.
pub fn check_in_stream(data: &[u8]) {
    let _ = detect::c2::is_whole(data);
    let Some(found) = detect::c2::decode_opening(data) else { return };
    let told = [found.host_name, found.user_name, found.operating_system];
    assert!(told.iter().any(Option::is_some));
    for disclosure in told.into_iter().flatten() {
        assert!(disclosure.value.chars().count() <= 128 && !disclosure.value.contains(char::is_control));
    }
}
