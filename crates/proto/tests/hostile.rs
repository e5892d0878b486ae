//! Floods: whatever a flow says, it holds no more memory than it may, and costs no more than its bytes.
//!
//! Memory is counted by the allocator, per thread, so that tests beside each other do not disturb the count.
#![allow(clippy::unwrap_used, reason = "a test that cannot unwrap has failed")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::Write as _;
use std::time::{Duration, Instant};

use Direction::{ToClient, ToServer};
use flow::FlowTuple;
use proto::{AppLayer, AppProto, Chunk, FileEvent, Keep, Sink, Transaction};
use wire::{Direction, Endpoint, IpProto, Nanos, Vlans};

/// Bytes that a flow may hold, whatever it speaks.
const PER_FLOW: usize = 2 << 20;
/// Bytes of each payload that are kept.
const KEPT: usize = 64 << 10;
/// Bytes that a body with brotli layers in it may hold besides: a window and what belongs to it.
const BROTLI: usize = 12 << 20;
/// Time that a flood may take in a build without optimisation on a busy machine. What is quadratic takes hours.
const PATIENCE: Duration = Duration::from_secs(20);
/// A flood's size.
const MIB: usize = 1 << 20;

struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(change: isize) {
    // A thread that ends may free after its counters are gone.
    let _ = HELD.try_with(|held| {
        held.set(held.get() + change);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(held.get())));
    });
}

// SAFETY: all work is the system allocator's; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promises are handed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller's promises are handed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Counts, and keeps nothing.
#[derive(Debug, Default)]
struct Counts {
    inspected: u64,
    logged: u64,
    open_files: i64,
    file_bytes: u64,
    anomalies: Vec<&'static str>,
}

impl Sink for Counts {
    /// Detectors want much.
    fn keep(&self) -> Keep {
        Keep { payloads: KEPT, ..Keep::default() }
    }

    fn inspect(&mut self, _: &Transaction) {
        self.inspected += 1;
    }

    fn log(&mut self, _: Transaction) {
        self.logged += 1;
    }

    fn anomaly(&mut self, event: &'static str) {
        if !self.anomalies.contains(&event) {
            self.anomalies.push(event);
        }
    }

    fn file(&mut self, event: FileEvent<'_>) {
        match event {
            FileEvent::Open { .. } => self.open_files += 1,
            FileEvent::Data { bytes, .. } => self.file_bytes += bytes.len() as u64,
            FileEvent::Close { .. } => self.open_files -= 1,
            FileEvent::Gap { .. } => {}
        }
    }
}

struct Flood {
    layer: AppLayer,
    flow: FlowTuple,
    counts: Counts,
    /// What it holds and what it held at most, without what the test holds.
    held: isize,
    peak: isize,
    took: Duration,
}

impl Flood {
    fn new(transport: IpProto, port: u16) -> Self {
        let end = |last, port| Endpoint { ip: [10, 0, 0, last].into(), port };
        let (client, server) = (end(1, 40_000), end(2, port));
        let flow =
            FlowTuple { id: 1, client, server, proto: transport, vlans: Vlans::default(), start: Nanos(0) };
        let counts = Counts { anomalies: Vec::with_capacity(64), ..Counts::default() };
        Flood { layer: AppLayer::new(&flow), flow, counts, held: 0, peak: 0, took: Duration::ZERO }
    }

    fn tcp(port: u16) -> Self {
        Flood::new(IpProto::TCP, port)
    }

    fn of(app: AppProto, transport: IpProto) -> Self {
        let mut flood = Flood::new(transport, 9999);
        flood.layer.announced(&flood.flow.clone(), app, None);
        flood
    }

    fn counted(&mut self, work: impl FnOnce(&mut Self)) {
        let (before, began) = (HELD.get(), Instant::now());
        PEAK.set(before);
        work(self);
        self.took += began.elapsed();
        self.peak = self.peak.max(self.held + PEAK.get() - before);
        self.held += HELD.get() - before;
    }

    /// In segments of so many bytes, or datagrams.
    fn say(&mut self, direction: Direction, bytes: &[u8], step: usize) -> &mut Self {
        self.counted(|flood| {
            for bytes in bytes.chunks(step) {
                let chunk = Chunk { direction, bytes, time: Nanos(0) };
                if flood.flow.proto == IpProto::TCP {
                    flood.layer.data(&flood.flow, chunk, &mut flood.counts);
                } else {
                    flood.layer.datagram(&flood.flow, chunk, &mut flood.counts);
                }
            }
        });
        self
    }

    fn client_says(&mut self, bytes: &[u8]) -> &mut Self {
        self.say(ToServer, bytes, 1460)
    }

    fn server_says(&mut self, bytes: &[u8]) -> &mut Self {
        self.say(ToClient, bytes, 1460)
    }

    /// What went by must have stayed within the bounds, and all of it be told.
    fn end(mut self, name: &str, bound: usize) -> Counts {
        self.counted(|flood| flood.layer.close(&mut flood.counts));
        let (peak, took) = (self.peak as usize, self.took);
        eprintln!("{name}: {} KiB, {} ms, {} logged", peak >> 10, took.as_millis(), self.counts.logged);
        assert!(peak <= bound, "{name} held {peak} bytes");
        assert!(took <= PATIENCE, "{name} took {took:?}");
        assert_eq!(self.counts.inspected, self.counts.logged, "{name}: inspected and never logged");
        assert_eq!(self.counts.open_files, 0, "{name}: a file was never closed");
        self.counts
    }
}

/// So many bytes of it, over and over.
fn over_and_over(what: &[u8], bytes: usize) -> Vec<u8> {
    what.repeat(bytes / what.len().max(1) + 1)
}

fn numbered(count: u32, make: impl Fn(u32) -> Vec<u8>) -> Vec<u8> {
    (0..count).flat_map(make).collect()
}

/// Beginnings of what asks for much: lengths, depths, lines without end.
const PATTERNS: &[(&str, &[u8])] = &[
    ("zeros", &[0; 64]),
    ("ones", &[0xff; 64]),
    ("an endless line", b"AAAAAAAAAAAAAAAA"),
    ("spaces", b"                "),
    ("empty lines", b"\r\n"),
    ("words", b"AUTH A B C D E F\r\n"),
    ("brackets", b"[{(<"),
    ("prompts", b"login:password:"),
    ("literals", b"{0}\r\n"),
    ("arrays", b"*1000000000\r\n"),
    ("sequences", &[0x30, 0x84, 0x7f, 0xff, 0xff, 0xff]),
    ("sequences within sequences", &[0x30, 0x80]),
    ("session responses", &[0x82, 0, 0, 0]),
    ("lists within lists", b"l"),
    ("counts", &[0, 0, 0, 1]),
    ("counts backwards", &[1, 0, 0, 0]),
];

#[test]
fn no_protocol_holds_or_takes_much_of_any_nonsense() {
    let mut met = 0;
    for &app in AppProto::ALL {
        for transport in [IpProto::TCP, IpProto::UDP] {
            let probe = Flood::of(app, transport);
            if probe.layer.silent() || probe.layer.finished() {
                continue;
            }
            met += 1;
            for (name, pattern) in PATTERNS {
                for step in [1, 1460, MIB] {
                    if transport == IpProto::UDP && step != 1460 {
                        continue;
                    }
                    let bytes = over_and_over(pattern, if step == 1 { 64 << 10 } else { 256 << 10 });
                    for directions in [&[ToServer][..], &[ToClient], &[ToServer, ToClient]] {
                        let mut flood = Flood::of(app, transport);
                        for &direction in directions {
                            flood.say(direction, &bytes, step);
                        }
                        flood.end(&format!("{app:?} {name} by {step}"), PER_FLOW);
                    }
                }
            }
        }
    }
    assert!(met > 50, "{met} parsers");
}

#[test]
fn http_requests_without_responses() {
    let mut flood = Flood::tcp(80);
    let requests = over_and_over(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 4 * MIB);
    for _ in 0..7 {
        flood.client_says(&requests);
    }
    let counts = flood.end("a million requests", PER_FLOW);
    assert!(counts.logged > 1_000_000);
}

#[test]
fn http_heads_of_the_largest_size_without_responses() {
    let mut head = b"GET / HTTP/1.1\r\nHost: a\r\n".to_vec();
    head.extend((0..500).flat_map(|n| format!("X-{n}: {}\r\n", "v".repeat(20)).into_bytes()));
    head.extend(b"\r\n");
    let mut flood = Flood::tcp(80);
    flood.client_says(&over_and_over(&head, 4 * MIB));
    let counts = flood.end("headers", PER_FLOW);
    assert!(!counts.anomalies.is_empty());
}

#[test]
fn http_headers_without_end() {
    let mut flood = Flood::tcp(80);
    flood.client_says(b"GET / HTTP/1.1\r\n").client_says(&over_and_over(b"A: b\r\n", 4 * MIB));
    assert!(flood.end("headers without end", PER_FLOW).anomalies.contains(&"REQUEST_FIELD_TOO_LONG"));
}

#[test]
fn http_chunks() {
    for (name, chunk) in [("tiny", &b"1\r\na\r\n"[..]), ("huge", b"fffffffffffffff\r\n"), ("no", b"1;")] {
        let mut flood = Flood::tcp(80);
        flood.client_says(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n");
        flood.say(ToServer, &over_and_over(chunk, MIB), 1);
        flood.end(&format!("{name} chunks"), PER_FLOW);
    }
}

fn gzip(mut bytes: Vec<u8>, layers: usize) -> Vec<u8> {
    for _ in 0..layers {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(&bytes).unwrap();
        bytes = encoder.finish().unwrap();
    }
    bytes
}

fn http_response(coding: &str, body: &[u8]) -> Vec<u8> {
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

#[test]
fn bombs_of_gzip() {
    let mib = vec![0; 64 * MIB];
    for layers in 1..=3 {
        let body = gzip(mib.clone(), layers);
        let mut flood = Flood::tcp(80);
        flood.client_says(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        flood.server_says(&http_response(&["gzip"; 3][..layers].join(", "), &body));
        let counts = flood.end(&format!("gzip in {layers} layers"), PER_FLOW);
        assert!(counts.anomalies.contains(&"COMPRESSION_BOMB"), "{:?}", counts.anomalies);
        assert!(counts.file_bytes < 4 << 20);
    }
}

/// A brotli stream with the largest window that is decoded, of blocks that are not compressed; it does not end.
fn brotli(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for (index, block) in bytes.chunks(1 << 16).enumerate() {
        let len = block.len() as u32 - 1;
        let head = if index == 0 { 0b1011 | len << 7 | 1 << 23 } else { len << 3 | 1 << 19 };
        out.extend(&head.to_le_bytes()[..3]);
        out.extend(block);
    }
    out
}

#[test]
fn windows_of_brotli() {
    let mut body = vec![7; 6 * MIB];
    for _ in 0..3 {
        body = brotli(&body);
    }
    let mut flood = Flood::tcp(80);
    let head = b"Content-Encoding: br, br, br\r\nContent-Length: 9999999\r\n\r\n";
    flood.client_says(&[&b"POST / HTTP/1.1\r\nHost: a\r\n"[..], head].concat()).client_says(&body);
    flood.server_says(&[&b"HTTP/1.1 200 OK\r\n"[..], head].concat()).server_says(&body);
    let counts = flood.end("brotli both ways", BROTLI);
    assert!(counts.file_bytes > 0);
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = &(payload.len() as u32).to_be_bytes()[1..];
    [length, &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const REQUEST: &[u8] = &[0x82, 0x84, 0x86, 0x41, 1, b'a'];

fn http2() -> Flood {
    let mut flood = Flood::tcp(80);
    flood.client_says(&[PREFACE, &frame(4, 0, 0, &[])].concat()).server_says(&frame(4, 0, 0, &[]));
    flood
}

#[test]
fn http2_streams() {
    let mut flood = http2();
    flood.client_says(&numbered(100_000, |n| frame(1, 4, 2 * n + 1, REQUEST)));
    assert!(flood.end("100,000 streams", PER_FLOW).anomalies.contains(&"too_many_streams"));

    let large = [REQUEST, &[0x40, 1, b'x', 0x7f, 0x80, 0x9c, 1], &[b'v'; 20_095][..]].concat();
    let mut flood = http2();
    flood.client_says(&numbered(1000, |n| frame(1, 4, 2 * n + 1, &large)));
    flood.end("streams of large headers", PER_FLOW);

    let mut flood = http2();
    flood.client_says(&numbered(1_000_000, |n| frame(3, 0, 2 * n + 1, &[0; 4])));
    flood.end("resets", PER_FLOW);
}

#[test]
fn http2_streams_that_all_decode() {
    for (coding, body, count, bound) in [
        (&b"br"[..], brotli(&vec![7; 5 * MIB]), 12, 2 * BROTLI),
        (
            b"gzip",
            gzip((0..60_000_u32).flat_map(u32::to_le_bytes).collect(), 1)[..8000].to_vec(),
            200,
            PER_FLOW,
        ),
    ] {
        let mut flood = http2();
        flood.client_says(&numbered(200, |n| frame(1, 5, 2 * n + 1, REQUEST)));
        let head = [&[0x88, 0x0f, 0x0b, coding.len() as u8], coding].concat();
        flood.server_says(&numbered(200, |n| frame(1, 4, 2 * n + 1, &head)));
        flood.server_says(&numbered(count, |n| frame(0, 0, 2 * n + 1, &body[..body.len() - 1])));
        let name = String::from_utf8_lossy(coding);
        assert!(flood.end(&format!("{count} streams of {name}"), bound).file_bytes > 0);
    }
}

#[test]
fn http2_continuations() {
    let mut flood = http2();
    flood.client_says(&frame(1, 0, 1, REQUEST));
    flood.client_says(&over_and_over(&frame(9, 0, 1, &[0; 1000]), 8 * MIB));
    flood.client_says(&frame(9, 4, 1, &[]));
    assert!(!flood.end("continuations", PER_FLOW).anomalies.is_empty());
}

#[test]
fn websocket_frames() {
    let mut flood = Flood::of(AppProto::WebSocket, IpProto::TCP);
    flood.client_says(&[0x81, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
    flood.client_says(&vec![0; 4 * MIB]);
    flood.server_says(&over_and_over(&[0x01, 0x02, b'a', b'b', 0x00, 0x01, b'c'], 4 * MIB));
    flood.end("frames", PER_FLOW);
}

/// A message of parts within parts, each with a boundary of its own.
fn nested(depth: usize) -> Vec<u8> {
    let mut mail = b"From: a@b\r\n".to_vec();
    for n in 0..depth {
        let head = format!("Content-Type: multipart/mixed; boundary=\"b{n}\"\r\n\r\n--b{n}\r\n");
        mail.extend(head.into_bytes());
    }
    mail
}

#[test]
fn mail_within_mail() {
    for (name, mail) in [
        ("parts within parts", nested(10_000)),
        ("messages within messages", over_and_over(b"Content-Type: message/rfc822\r\n\r\n", MIB)),
        ("recipients", over_and_over(b"To: a@b, c@d, e@f\r\n", MIB)),
        ("a header that goes on", over_and_over(b"Subject: x\r\n y\r\n\tz\r\n", MIB)),
        (
            "attachments",
            [
                nested(1),
                over_and_over(b"--b0\r\nContent-Disposition: attachment; filename=x\r\n\r\nx\r\n", MIB),
            ]
            .concat(),
        ),
    ] {
        let mut flood = Flood::tcp(25);
        flood.server_says(b"220 a ESMTP\r\n").client_says(b"EHLO a\r\n").server_says(b"250 a\r\n");
        flood.client_says(b"MAIL FROM:<a@b>\r\n").server_says(b"250 ok\r\n");
        flood.client_says(b"RCPT TO:<a@b>\r\n").server_says(b"250 ok\r\n");
        flood.client_says(b"DATA\r\n").server_says(b"354 go\r\n");
        flood.client_says(&mail).say(ToServer, &mail[..(64 << 10).min(mail.len())], 1);
        let counts = flood.end(name, PER_FLOW);
        if name.contains("within") {
            assert!(counts.anomalies.contains(&"MIME_TOO_DEEP"), "{name}: {:?}", counts.anomalies);
        }
    }
}

#[test]
fn commands_without_answers_and_lines_without_end() {
    for (port, greeting, command) in [
        (21, &b"220 a FTP\r\n"[..], &b"USER a\r\nPASS b\r\nRETR c\r\nSTOR d\r\n"[..]),
        (25, b"220 a ESMTP\r\n", b"HELO a\r\nRCPT TO:<a@b>\r\nAUTH PLAIN AGEAYg==\r\n"),
        (110, b"+OK POP3\r\n", b"USER a\r\nPASS b\r\nRETR 1\r\n"),
        (143, b"* OK IMAP\r\n", b"a LOGIN b c\r\na APPEND x {3}\r\nabc\r\n"),
        (6667, b":a NOTICE AUTH :x\r\n", b"NICK a\r\nUSER a b c :d\r\nPRIVMSG #a :b\r\n"),
        (6379, b"", b"*2\r\n$4\r\nAUTH\r\n$1\r\na\r\n"),
        (11_211, b"", b"get a\r\nset a 0 0 1\r\na\r\n"),
        (23, b"login: ", b"root\r\n"),
    ] {
        for step in [1, 1460] {
            let mut flood = Flood::tcp(port);
            if !greeting.is_empty() {
                flood.server_says(greeting);
            }
            flood.say(ToServer, &over_and_over(command, MIB), step);
            flood.say(ToClient, &over_and_over(b"1-x\r\n* x y\r\n", MIB), step);
            flood.say(ToServer, &vec![b'a'; MIB], step).say(ToClient, &vec![b'a'; MIB], step);
            flood.end(&format!("commands on port {port} by {step}"), PER_FLOW);
        }
    }
}

#[test]
fn telnet_logins_without_answers() {
    let mut flood = Flood::tcp(23);
    flood.server_says(b"\xff\xfd\x18login: ").client_says(b"root\r\n").server_says(b"password: ");
    flood.client_says(b"secret\r\n");
    let line = [vec![b' '; 250], b"\n".to_vec()].concat();
    flood.say(ToClient, &over_and_over(&line, MIB), 1).say(ToClient, &vec![b'i'; MIB], 1);
    flood.end("a server that talks", PER_FLOW);
}

#[test]
fn dns_names_that_point_backwards() {
    // Thirty-two pointers, each at the one before, behind a name of many labels; 4,000 records that use the last.
    let mut message = vec![0, 1, 0x80, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0];
    message.extend(
        [&[63][..], &[b'a'; 63], &[63], &[b'a'; 63], &[63], &[b'a'; 63], &[50], &[b'a'; 50], &[0]].concat(),
    );
    let mut target = 12_u16;
    for _ in 0..31 {
        let at = message.len() as u16;
        message.extend((0xc000 | target).to_be_bytes());
        target = at;
    }
    let record = [
        &(0xc000 | target).to_be_bytes()[..],
        &[0, 6, 0, 1, 0, 0, 0, 0, 0, 2],
        &(0xc000 | target).to_be_bytes(),
    ]
    .concat();
    while message.len() + record.len() < 65_000 {
        message.extend(&record);
    }
    let mut flood = Flood::new(IpProto::UDP, 53);
    for _ in 0..100 {
        flood.say(ToClient, &message, 65_535);
    }
    flood.end("pointers", PER_FLOW);
    let mut flood = Flood::tcp(53);
    let framed = [&(message.len() as u16).to_be_bytes()[..], &message].concat();
    flood.client_says(b"\0\x13\0\x01\0\0\0\x01\0\0\0\0\0\0\x01a\0\0\x01\0\x01");
    for step in [1, 1460] {
        flood.say(ToClient, &over_and_over(&framed, MIB), step);
    }
    flood.end("pointers in a stream", PER_FLOW);
}

#[test]
fn tls_handshakes_of_the_largest_size() {
    for kind in [1, 2, 11, 4] {
        let mut flood = Flood::tcp(443);
        flood.client_says(&[22, 3, 1, 0x40, 0, kind, 0xff, 0xff, 0xff, 3, 3]);
        let record = [&[22, 3, 1, 0x40, 0][..], &[0; 1 << 14]].concat();
        flood.client_says(&vec![0; (1 << 14) - 6]).client_says(&over_and_over(&record, 16 * MIB));
        flood.server_says(&over_and_over(&record, MIB)).say(
            ToClient,
            &over_and_over(&[22, 3, 1, 0, 1, 0], MIB),
            1,
        );
        flood.end(&format!("a handshake of 16 MB of type {kind}"), PER_FLOW);
    }
}

#[test]
fn smb_requests_without_responses() {
    let smb2 = |n: u32, command: u8, body: &[u8]| {
        let mut message = vec![0; 64];
        message[..4].copy_from_slice(b"\xfeSMB");
        (message[4], message[12]) = (64, command);
        message[24..28].copy_from_slice(&n.to_le_bytes());
        message.extend(body);
        [&(message.len() as u32).to_be_bytes()[..], &message].concat()
    };
    // A name of 64 KB, and a pipe's bind, over and over under other names.
    let mut create = vec![0; 56];
    create[0] = 57;
    create[44..48].copy_from_slice(&[120, 0, 0xe8, 0xfd]);
    create.extend([b'a', 0].repeat(30_000));
    let pdu = |n: u32| {
        let mut request = vec![5, 0, 0, 1, 0x10, 0, 0, 0, 0xff, 0xff, 0, 0];
        request.extend(n.to_le_bytes());
        request.resize(4000, 0);
        let mut write = vec![0; 48];
        write[..4].copy_from_slice(&[49, 0, 112, 0]);
        write[4..8].copy_from_slice(&4000_u32.to_le_bytes());
        write[16..20].copy_from_slice(&(n % 32).to_le_bytes());
        [write, request].concat()
    };
    for (name, count, command, body) in [
        ("creates", 300, 5, &(|_| create.clone()) as &dyn Fn(u32) -> Vec<u8>),
        ("a million pending", 1_000_000, 13, &|_| vec![4, 0, 0, 0]),
        ("pipes", 4000, 9, &pdu),
        ("reads", 100_000, 8, &|n| {
            [&[49, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &n.to_le_bytes(), &[0; 29]].concat()
        }),
    ] {
        let mut flood = Flood::tcp(445);
        flood.client_says(&numbered(count, |n| smb2(n, command, &body(n))));
        flood.end(name, PER_FLOW);
    }
    let mut flood = Flood::tcp(445);
    flood.client_says(&smb2(0, 0, &[36, 0]));
    flood.client_says(&[9, 9, 9, 9]).say(ToServer, &over_and_over(&[0x82, 0, 0, 0], 4 * MIB), 65_536);
    flood.say(ToServer, &over_and_over(&[0x82, 0, 0, 0], MIB), 1);
    flood.end("session responses", PER_FLOW);
}

#[test]
fn calls_with_large_bodies_without_answers() {
    let pdu = |call: u32| {
        let stub = 60_000_u16;
        let mut out = vec![5, 0, 0, 3, 0x10, 0, 0, 0];
        out.extend((24 + stub).to_le_bytes());
        out.extend([0, 0]);
        out.extend(call.to_le_bytes());
        out.resize(24 + usize::from(stub), 0xab);
        out
    };
    let calls = numbered(400, pdu);
    let mut flood = Flood::of(AppProto::Dcerpc, IpProto::TCP);
    flood.client_says(&calls);
    assert_eq!(flood.end("calls without answers", PER_FLOW).logged, 400);
}

#[test]
fn websocket_messages_that_unpack_to_much() {
    // Blocks of a thousand zeros each, all compressed alike.
    let mut packed = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(&vec![0; 8 * MIB]).unwrap();
    packed.flush().unwrap();
    let packed = packed.get_ref().clone();
    let mut message = vec![0xc2, 126];
    message.extend((packed.len() as u16).to_be_bytes());
    message.extend(&packed);
    let mut flood = Flood::of(AppProto::WebSocket, IpProto::TCP);
    flood.server_says(&over_and_over(&message, MIB));
    flood.end("messages that unpack to much", PER_FLOW);
}

#[test]
fn ldap_and_snmp_within_limits_of_depth() {
    let search = |n: u32| {
        // A filter of NOTs within NOTs, sixteen bytes of length each.
        let mut filter = vec![0x87, 1, b'a'];
        for _ in 0..200 {
            filter = [&[0xa2, 0x84][..], &(filter.len() as u32).to_be_bytes(), &filter].concat();
        }
        let fields =
            [&[4, 0, 10, 1, 0, 10, 1, 0, 2, 1, 0, 2, 1, 0, 1, 1, 0][..], &filter, &[0x30, 0]].concat();
        let operation = [&[0x63, 0x84][..], &(fields.len() as u32).to_be_bytes(), &fields].concat();
        let id = [&[2, 4][..], &(n & 0x7fff_ffff).to_be_bytes()].concat();
        [&[0x30, 0x84][..], &((id.len() + operation.len()) as u32).to_be_bytes(), &id, &operation].concat()
    };
    let mut flood = Flood::tcp(389);
    flood.client_says(&numbered(10_000, search));
    flood.end("searches", PER_FLOW);
    // Answers of many empty values, none of which is the last.
    let values = [&[4, 1, b'a', 0x31, 0x82, 0x03, 0xe8][..], &[4, 0].repeat(500)].concat();
    let attribute = [&[0x30, 0x82][..], &(values.len() as u16).to_be_bytes(), &values].concat();
    let attributes = attribute.repeat(60);
    let list = [&[4, 0, 0x30, 0x84][..], &(attributes.len() as u32).to_be_bytes(), &attributes].concat();
    let entry = [&[0x64, 0x84][..], &(list.len() as u32).to_be_bytes(), &list].concat();
    let answer = |n: u32| {
        let id = [&[2, 4][..], &n.to_be_bytes()].concat();
        [&[0x30, 0x84][..], &((id.len() + entry.len()) as u32).to_be_bytes(), &id, &entry].concat()
    };
    let mut flood = Flood::tcp(389);
    flood.client_says(&numbered(100, search)).server_says(&numbered(100, answer));
    flood.end("answers of empty values", PER_FLOW);

    let mut deep = vec![5, 0];
    for _ in 0..8000 {
        deep = [&[0x30, 0x84][..], &(deep.len() as u32).to_be_bytes(), &deep].concat();
    }
    let mut flood = Flood::of(AppProto::Snmp, IpProto::UDP);
    flood.say(ToServer, &deep, 65_000);
    flood.end("sequences within sequences", PER_FLOW);
}

#[test]
fn lists_within_lists() {
    for (app, transport, bytes) in [
        (AppProto::BitTorrentDht, IpProto::UDP, [&b"d1:a"[..], &[b'l'; 60_000]].concat()),
        (AppProto::BitTorrentDht, IpProto::UDP, b"d1:ad".repeat(10_000)),
        (AppProto::MongoDb, IpProto::TCP, documents(10_000)),
        (
            AppProto::Amqp,
            IpProto::TCP,
            [
                &b"AMQP\0\0\x09\x01\x01\0\0\0\x3f\xff\xff\0\x0a\0\x0a\0\x09"[..],
                &b"\0\0\xff\xff\x01aF".repeat(8000),
            ]
            .concat(),
        ),
    ] {
        let mut flood = Flood::of(app, transport);
        flood.say(ToServer, &bytes, 65_000).say(ToClient, &bytes, 65_000);
        flood.end(&format!("{app:?} within itself"), PER_FLOW);
    }
}

/// A message of documents within documents.
fn documents(depth: usize) -> Vec<u8> {
    let mut inner = vec![5, 0, 0, 0, 0];
    for _ in 0..depth {
        let len = inner.len() as u32 + 4 + 3 + 1;
        inner = [&len.to_le_bytes()[..], &[3, b'a', 0], &inner, &[0]].concat();
    }
    let len = inner.len() as u32 + 21;
    [&len.to_le_bytes()[..], &[1, 0, 0, 0, 0, 0, 0, 0], &2013_u32.to_le_bytes(), &[0; 5], &inner].concat()
}

#[test]
fn lengths_of_the_largest_size() {
    let call = |n: u32| {
        let mut call = vec![0x80, 0, 0x20, 0];
        call.extend([n, 0, 2, 100_003, 3, 3, 0, 0, 0, 0, 64].iter().flat_map(|n| n.to_be_bytes()));
        call.resize(4 + 0x2000, 7);
        call
    };
    for (name, app, bytes) in [
        (
            "publish",
            AppProto::Mqtt,
            [&b"\x10\x0d\0\x04MQTT\x04\0\0\0\0\x01a\x30\xff\xff\xff\x7f"[..], &vec![0; 4 * MIB]].concat(),
        ),
        (
            "packets that wait",
            AppProto::Mqtt,
            [
                b"\x10\x0d\0\x04MQTT\x04\0\0\0\0\x01a".to_vec(),
                numbered(200, |n| {
                    [&[0x32, 0x84, 0x7d, 0, 1, b'a', 0, n as u8][..], &[0xff; 15_999]].concat()
                }),
            ]
            .concat(),
        ),
        (
            "frame",
            AppProto::Amqp,
            [&b"AMQP\0\0\x09\x01\x03\0\0\x7f\xff\xff\xff"[..], &vec![0; 4 * MIB]].concat(),
        ),
        (
            "message",
            AppProto::MongoDb,
            [&b"\xff\xff\xff\x03\x01\0\0\0\0\0\0\0\xdd\x07\0\0"[..], &vec![0; 4 * MIB]].concat(),
        ),
        (
            "array",
            AppProto::Redis,
            [&b"*1000000000\r\n"[..], &over_and_over(b"$1\r\na\r\n", 4 * MIB)].concat(),
        ),
        (
            "fragment",
            AppProto::Nfs,
            [&[0x00, 0xff, 0xff, 0xff, 0, 0, 0, 1, 0, 0, 0, 0][..], &vec![0; 4 * MIB]].concat(),
        ),
        ("fragments", AppProto::Nfs, over_and_over(&[0, 0, 0, 4, 1, 2, 3, 4], 4 * MIB)),
        ("calls", AppProto::Nfs, numbered(2000, call)),
        (
            "query",
            AppProto::Pgsql,
            [&b"\0\0\0\x10\0\x03\0\0user\0a\0\0Q\x3f\xff\xff\xff"[..], &vec![0xff; 4 * MIB]].concat(),
        ),
        (
            "queries",
            AppProto::Pgsql,
            [
                &b"\0\0\0\x10\0\x03\0\0user\0a\0\0"[..],
                &over_and_over(&[&b"Q\0\0\x40\x03"[..], &[0xff; 0x3fff]].concat(), 4 * MIB),
            ]
            .concat(),
        ),
        ("packet", AppProto::Mysql, [&b"\xff\xff\xff\0"[..], &vec![0xff; 4 * MIB]].concat()),
    ] {
        for step in [1, 1460] {
            let mut flood = Flood::of(app, IpProto::TCP);
            flood.say(ToServer, if step == 1 { &bytes[..MIB.min(bytes.len())] } else { &bytes }, step);
            flood.end(&format!("{app:?} {name} by {step}"), PER_FLOW);
        }
    }
}
