use proptest::prelude::*;
use wire::Nanos;

use super::*;
use crate::testing::tuple;
use crate::transaction::Transaction;

#[derive(Debug, Default)]
struct Log {
    inspected: Vec<Transaction>,
    logged: Vec<Transaction>,
    anomalies: Vec<&'static str>,
}

impl Sink for Log {
    fn inspect(&mut self, transaction: &Transaction) {
        self.inspected.push(transaction.clone());
    }

    fn log(&mut self, transaction: Transaction) {
        self.logged.push(transaction);
    }

    fn anomaly(&mut self, event: &'static str) {
        self.anomalies.push(event);
    }
}

use Direction::{ToClient, ToServer};

/// Feeds pieces of `step` bytes.
fn talk(port: u16, step: usize, turns: &[(Direction, &[u8])]) -> (Log, AppLayer) {
    let stream = tuple(IpProto::TCP, port);
    let mut layer = AppLayer::new(&stream);
    let mut log = Log::default();
    for (direction, bytes) in turns {
        for piece in bytes.chunks(step) {
            layer.data(&stream, Chunk { direction: *direction, bytes: piece, time: Nanos(0) }, &mut log);
        }
    }
    layer.close(&mut log);
    (log, layer)
}

const REQUESTS: &[u8] =
    b"POST /gate.php?h=PC HTTP/1.1\r\nHost: Evil.example:8080\r\nContent-Length: 5\r\n\r\nhello\
GET /two HTTP/1.1\r\nhost: evil.example\r\nUser-Agent: x\r\n\r\n";
const RESPONSES: &[u8] =
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/plain; charset=x\r\n\r\n\
4\r\nwiki\r\n5;x=y\r\npedia\r\n0\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno";

#[test]
fn after_nonsense_the_next_head_is_found_at_the_beginning_of_a_line() {
    let up = b"GET /one HTTP/1.1\r\nHost: a.example\r\n\r\n\x00\x01 GET /no HTTP/1.1\r\nx\n\
               GET /two HTTP/1.1\r\nHost: b.example\r\n\r\n";
    for step in [1, 2, 3, 7, 1000] {
        let (log, _) = talk(80, step, &[(ToServer, up)]);
        let uris: Vec<&str> = log
            .logged
            .iter()
            .map(|t| match t {
                Transaction::Http(http) => http.uri.as_str(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(uris, ["/one", "/two"], "pieces of {step}");
    }
}

fn client_hello() -> Vec<u8> {
    let mut ext = vec![0, 0, 0, 14, 0, 12, 0, 0, 9];
    ext.extend_from_slice(b"Evil.test");
    ext.extend_from_slice(&[0, 16, 0, 5, 0, 3, 2, b'h', b'2']);
    let mut body = vec![3, 3];
    body.extend_from_slice(&[7; 32]);
    body.extend_from_slice(&[0, 0, 2, 0x13, 1, 1, 0]);
    body.extend_from_slice(&(ext.len() as u16).to_be_bytes());
    body.extend_from_slice(&ext);
    let mut message = vec![1, 0];
    message.extend_from_slice(&(body.len() as u16).to_be_bytes());
    message.extend_from_slice(&body);
    let (a, b) = message.split_at(20);
    // Two records for one message.
    [&[0x16, 3, 1, 0, 20][..], a, &[0x16, 3, 1, 0, b.len() as u8], b].concat()
}

/// What was told of the protocol's detection, not by its parser.
fn detection(log: Log) -> Vec<&'static str> {
    log.anomalies.into_iter().filter(|event| event.starts_with("APPLAYER_")).collect()
}

#[test]
fn an_answer_that_is_not_of_the_protocol_is_told_of() {
    let told =
        |port, up: &[u8], down: &[u8]| detection(talk(port, 4096, &[(ToServer, up), (ToClient, down)]).0);
    let (none, hello) = ([""; 0], client_hello());
    assert_eq!(told(80, REQUESTS, RESPONSES), none);
    assert_eq!(told(80, REQUESTS, b"HTT"), none, "too short to tell");
    assert_eq!(told(80, REQUESTS, b" HTTP/1.1 200 OK\r\n\r\n"), [ONLY_ONE_DIRECTION]);
    assert_eq!(told(443, &hello, RESPONSES), [MISMATCH], "a web server without TLS");
    assert_eq!(told(443, &hello, b"\x15\x03\x03\0\x02\x02\x28"), none, "an alert of TLS");
}

#[test]
fn an_answer_behind_a_gap_is_not_judged() {
    let stream = tuple(IpProto::TCP, 80);
    let mut layer = AppLayer::new(&stream);
    let mut log = Log::default();
    layer.data(&stream, Chunk { direction: ToServer, bytes: REQUESTS, time: Nanos(0) }, &mut log);
    layer.gap(&stream, ToClient, 100, &mut log);
    layer.data(&stream, Chunk { direction: ToClient, bytes: b"<p>text", time: Nanos(0) }, &mut log);
    assert_eq!(detection(log), [""; 0]);
}

#[test]
fn what_was_agreed_on_is_expected() {
    let until: [(Direction, &[u8]); 4] = [
        (ToClient, b"220 mail.example ESMTP\r\n"),
        (ToServer, b"EHLO me\r\n"),
        (ToClient, b"250-mail.example\r\n250 STARTTLS\r\n"),
        (ToServer, b"STARTTLS\r\n"),
    ];
    let ready: (Direction, &[u8]) = (ToClient, b"220 ready\r\n");
    let stream = tuple(IpProto::TCP, 25);
    let hello = client_hello();
    let (log, layer) = talk(25, 4096, &[&until[..], &[ready, (ToServer, &hello)]].concat());
    assert_eq!((layer.original(), layer.protocol()), (Some(AppProto::Smtp), Some(AppProto::Tls)));
    assert_eq!((layer.expected(&stream), detection(log)), (None, vec![]));

    let plain: (Direction, &[u8]) = (ToServer, b"EHLO me\r\n");
    let (log, layer) = talk(25, 4096, &[&until[..], &[ready, plain]].concat());
    assert_eq!((layer.original(), layer.protocol()), (Some(AppProto::Smtp), Some(AppProto::Smtp)));
    assert_eq!((layer.expected(&stream), detection(log)), (Some(AppProto::Tls), vec![UNEXPECTED, NO_TLS]));
}

#[test]
fn what_is_usual_on_the_port_is_expected() {
    let expected =
        |port, up: &[u8]| talk(port, 4096, &[(ToServer, up)]).1.expected(&tuple(IpProto::TCP, port));
    assert_eq!(expected(443, REQUESTS), Some(AppProto::Tls));
    assert_eq!(expected(22, &client_hello()), Some(AppProto::Ssh));
    assert_eq!(expected(80, REQUESTS), None);
    assert_eq!(
        expected(80, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"),
        None,
        "HTTP of another version"
    );
    assert_eq!(expected(48_123, REQUESTS), None, "nothing is usual there");
    assert_eq!(expected(443, b"\x00nobody knows"), None, "nothing was found");
}

#[test]
fn http_is_found_on_any_port_in_any_pieces() {
    for step in [1, 2, 3, 7, 19, 1000] {
        let (log, layer) = talk(31337, step, &[(ToServer, REQUESTS), (ToClient, RESPONSES)]);
        assert_eq!(layer.protocol(), Some(AppProto::Http));
        let [Transaction::Http(one), Transaction::Http(two)] = &log.logged[..] else { panic!("{log:?}") };
        assert_eq!((one.method.as_str(), one.uri.as_str()), ("POST", "/gate.php?h=PC"));
        assert_eq!((one.host.as_deref(), one.port), (Some("evil.example"), Some(8080)));
        assert_eq!((one.status, one.response_length), (Some(200), 9));
        assert_eq!(one.content_type.as_deref(), Some("text/plain"));
        assert_eq!((two.status, two.user_agent.as_deref()), (Some(404), Some("x")));
        assert_eq!(log.inspected.len(), 2);
    }
}

#[test]
fn tls_is_found_across_records_and_pieces() {
    for step in [1, 5, 6, 23, 1000] {
        let (log, layer) = talk(8443, step, &[(ToServer, &client_hello())]);
        assert_eq!(layer.protocol(), Some(AppProto::Tls));
        let [Transaction::Tls(tls)] = &log.logged[..] else { panic!("{log:?}") };
        assert_eq!(tls.sni.as_deref(), Some("evil.test"));
        assert_eq!((tls.alpns.as_slice(), tls.version), (&["h2".to_owned()][..], Some(0x303)));
    }
}

#[test]
fn dns_over_tcp_in_pieces() {
    let message = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04evil\x04test\x00\x00\x01\x00\x01";
    let framed = [&(message.len() as u16).to_be_bytes()[..], message].concat();
    for step in [1, 2, 30, 1000] {
        let (log, _) = talk(53, step, &[(ToServer, &[&framed[..], &framed].concat())]);
        assert_eq!(log.logged.len(), 2);
    }
}

#[test]
fn a_server_that_speaks_first_hides_nothing() {
    let (log, _) = talk(80, 1, &[(ToClient, b"220 hello there\r\n"), (ToServer, b"GET /x HTTP/1.0\r\n\r\n")]);
    assert_eq!(log.inspected.len(), 1);
    let (log, layer) =
        talk(21, 1, &[(ToClient, b"999 hello there\r\n"), (ToServer, b"XYZZY anonymous__\r\n")]);
    assert!(log.inspected.is_empty() && layer.protocol().is_none() && layer.finished());
}

#[test]
fn requests_of_sloppy_implants_are_seen() {
    for request in [
        &b"GET /a b?c=d e HTTP/1.1\nHost: evil.test\n\n"[..],
        b"GET /a b?c=d e HTTP/1.1\r\nHost:evil.test \r\nbroken header line\r\n\r\n",
        b"\r\nGET /a b?c=d e HTTP/1.1\r\nHOST: evil.test.\r\n\r\n",
    ] {
        let (log, _) = talk(80, 1000, &[(ToServer, request)]);
        let [Transaction::Http(http)] = &log.inspected[..] else { panic!("{log:?}") };
        assert_eq!((http.uri.as_str(), http.host.as_deref()), ("/a b?c=d e", Some("evil.test")));
    }
}

#[test]
fn parsing_resumes_behind_a_gap() {
    let stream = tuple(IpProto::TCP, 80);
    let mut layer = AppLayer::new(&stream);
    let mut log = Log::default();
    let chunk = |direction, bytes| Chunk { direction, bytes, time: Nanos(0) };
    layer.data(&stream, chunk(ToServer, b"GET /one HTTP/1.1\r\nHo"), &mut log);
    layer.gap(&stream, ToServer, 100, &mut log);
    layer.data(&stream, chunk(ToServer, b"rest of something\r\n"), &mut log);
    layer.data(&stream, chunk(ToServer, b"GET /two HTTP/1.1\r\n\r\n"), &mut log);
    layer.close(&mut log);
    let uris: Vec<&str> =
        log.logged.iter().map(|t| if let Transaction::Http(h) = t { h.uri.as_str() } else { "" }).collect();
    assert_eq!(uris, ["/two"]);
}

proptest! {
    /// Any bytes in any pieces are survived, and everything inspected is logged.
    #[test]
    fn anything_is_survived(
        pieces in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 1..100), any::<bool>()), 0..40),
        port in prop::sample::select(vec![53_u16, 80, 443, 9999]),
        start in 0..4_usize,
    ) {
        let (stream, udp) = (tuple(IpProto::TCP, port), tuple(IpProto::UDP, port));
        let mut layer = AppLayer::new(&stream);
        let mut datagrams = AppLayer::new(&udp);
        let mut log = Log::default();
        let hello = client_hello();
        let first: &[u8] = [&b""[..], b"GET / HTTP/1.1\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", &hello[..30]][start];
        if !first.is_empty() {
            layer.data(&stream, Chunk { direction: ToServer, bytes: first, time: Nanos(0) }, &mut log);
        }
        for (up, bytes, gap) in &pieces {
            let direction = if *up { ToServer } else { ToClient };
            layer.data(&stream, Chunk { direction, bytes, time: Nanos(0) }, &mut log);
            datagrams.datagram(&udp, Chunk { direction, bytes, time: Nanos(0) }, &mut log);
            if *gap {
                layer.gap(&stream, direction, bytes.len() as u64, &mut log);
            }
        }
        layer.close(&mut log);
        datagrams.close(&mut log);
        prop_assert_eq!(log.inspected.len(), log.logged.len());
    }

    /// Where the stream is cut makes no difference.
    #[test]
    fn any_split_gives_the_same(cuts in prop::collection::vec(1_usize..60, 1..30)) {
        let stream = tuple(IpProto::TCP, 80);
        let mut layer = AppLayer::new(&stream);
        let mut log = Log::default();
        for (direction, mut bytes) in [(ToServer, REQUESTS), (ToClient, RESPONSES)] {
            for cut in cuts.iter().cycle() {
                if bytes.is_empty() { break }
                let (piece, rest) = bytes.split_at((*cut).min(bytes.len()));
                layer.data(&stream, Chunk { direction, bytes: piece, time: Nanos(0) }, &mut log);
                bytes = rest;
            }
        }
        layer.close(&mut log);
        let (whole, _) = talk(80, 10_000, &[(ToServer, REQUESTS), (ToClient, RESPONSES)]);
        prop_assert_eq!(log.logged, whole.logged);
    }
}
