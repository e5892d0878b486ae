//! What fuzzers feed. Each function takes any bytes and panics if a promise is broken; the same functions run
//! over the corpus in `tests/corpus.rs`.
#![forbid(unsafe_code)]

use std::io::Write;

use capture::CaptureFile;
use flow::{
    FlowTuple, HostPolicies, OverlapPolicy, Segment, StreamEvent, StreamOptions, Streams, TcpConnection,
};
use intel::Loader;
use proto::{AppLayer, Chunk, Sink, Transaction};
use wire::{Decoded, Direction, Endpoint, IpProto, LinkType, Nanos, TcpFlags, TcpHeader, Vlans};

/// Takes any bytes, panics if a promise is broken.
pub type Target = fn(&[u8]);

/// The fuzz targets by name, in the order of the way of a packet.
pub const TARGETS: &[(&str, Target)] = &[
    ("capture_file", capture_file),
    ("decode", decode),
    ("reassembly", reassembly),
    ("overlaps", overlaps),
    ("stream", stream),
    ("datagram", datagram),
    ("data_protocols", data_protocols),
    ("indicators", indicators),
    ("check_in", check_in),
];

/// A capture file: read to its end or to a named damage.
pub fn capture_file(data: &[u8]) {
    let Ok(mut file) = tempfile::NamedTempFile::new() else { return };
    if file.write_all(data).is_err() {
        return;
    }
    let mut bytes = 0;
    let read = CaptureFile::open(file.path()).and_then(|capture| capture.read(|r| bytes += r.bytes.len()));
    // Compressed input may be larger inside; plain input may not.
    assert!(data.starts_with(&[0x1f, 0x8b]) || bytes <= data.len());
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
    let Some((&pick, turns)) = data.split_first() else { return };
    let port = PORTS[usize::from(pick) % PORTS.len()];
    let whole = talk(port, turns, usize::MAX);
    for step in [1, 7] {
        let pieces = talk(port, turns, step);
        assert_eq!(pieces.logged, whole.logged, "in pieces of {step}");
    }
}

fn talk(port: u16, turns: &[u8], step: usize) -> Log {
    let mut log = Log::default();
    let mut rest = turns;
    let flow = tuple(IpProto::TCP, port);
    let mut layer = AppLayer::new(&flow);
    while let Some((head, tail)) = rest.split_first_chunk::<2>() {
        let direction = if head[0] & 1 == 0 { Direction::ToServer } else { Direction::ToClient };
        if head[1] == 255 {
            layer.gap(&flow, direction, 10, &mut log);
            rest = tail;
            continue;
        }
        let (bytes, tail) = tail.split_at(usize::from(head[1]).min(tail.len()));
        rest = tail;
        for piece in bytes.chunks(step.min(bytes.len().max(1))) {
            layer.data(&flow, Chunk { direction, bytes: piece, time: Nanos(0) }, &mut log);
        }
    }
    layer.close(&mut log);
    assert_eq!(log.inspected, log.logged.len(), "inspected and never logged");
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

/// Server ports of databases, brokers, file servers and controllers.
const DATA_PORTS: [u16; 13] =
    [2049, 111, 1883, 5672, 3306, 5432, 1433, 27_017, 502, 20_000, 102, 44_818, 47_808];

/// A conversation with a database, broker, file server or controller, over TCP and over UDP: the first byte picks the
/// port, then as in `stream`.
pub fn data_protocols(data: &[u8]) {
    let Some((&pick, turns)) = data.split_first() else { return };
    let port = DATA_PORTS[usize::from(pick) % DATA_PORTS.len()];
    let whole = talk(port, turns, usize::MAX);
    for step in [1, 7] {
        assert_eq!(talk(port, turns, step).logged, whole.logged, "in pieces of {step}");
    }
    if !turns.is_empty() {
        say(port, turns);
    }
}

/// An indicator list: what is loaded is found again.
pub fn indicators(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut loader = Loader::new();
    loader.text("fuzz", &text);
    let (set, report) = loader.finish();
    assert!(set.len() as u64 <= report.domains + report.ips + report.urls);
    for line in text.lines() {
        let _ = set.domain(line);
        if let Ok(ip) = line.parse() {
            let _ = set.ip(ip);
        }
    }
}

/// The URI of a C2 request.
pub fn check_in(data: &[u8]) {
    let _ = detect::c2::decode(&String::from_utf8_lossy(data));
}
