//! What the protocols of datagrams, and their streams, say of whole flows.

use std::net::Ipv4Addr;

use Direction::{ToClient, ToServer};
use flow::FlowTuple;
use proptest::prelude::*;
use proto::{AppLayer, AppProto, Chunk, Expectation, FileEvent, Outcome, Sink, Transaction};
use wire::{Direction, Endpoint, IpProto, Nanos, Vlans};

#[derive(Debug, Default, PartialEq)]
struct Log {
    inspected: usize,
    logged: Vec<Transaction>,
    anomalies: Vec<&'static str>,
    expected: Vec<Expectation>,
    file: Vec<u8>,
    files: Vec<(Option<String>, bool)>,
}

impl Sink for Log {
    fn inspect(&mut self, _: &Transaction) {
        self.inspected += 1;
    }

    fn log(&mut self, transaction: Transaction) {
        self.logged.push(transaction);
    }

    fn anomaly(&mut self, event: &'static str) {
        if !self.anomalies.contains(&event) {
            self.anomalies.push(event);
        }
    }

    fn file(&mut self, event: FileEvent<'_>) {
        match event {
            FileEvent::Open { name, .. } => self.files.push((name.map(str::to_owned), true)),
            FileEvent::Data { bytes, .. } => self.file.extend_from_slice(bytes),
            FileEvent::Gap { missing, .. } => self.file.extend((0..missing).map(|_| b'?')),
            FileEvent::Close { truncated, .. } => {
                self.files.last_mut().expect("a file that was opened").1 = truncated;
            }
        }
    }

    fn expect(&mut self, expectation: Expectation) {
        self.expected.push(expectation);
    }
}

type Turns<'a> = [(Direction, &'a [u8])];

fn tuple(proto: IpProto, port: u16) -> FlowTuple {
    let end = |last, port| Endpoint { ip: [10, 0, 0, last].into(), port };
    let (client, server) = (end(1, 40_000), end(2, port));
    FlowTuple { id: 1, client, server, proto, vlans: Vlans::default(), start: Nanos(0) }
}

/// A flow's datagrams, or its stream in pieces of `step`.
fn talk(flow: &FlowTuple, layer: &mut AppLayer, turns: &Turns<'_>, step: usize) -> Log {
    let mut log = Log::default();
    for &(direction, bytes) in turns {
        if flow.proto == IpProto::UDP {
            layer.datagram(flow, Chunk { direction, bytes, time: Nanos(0) }, &mut log);
        } else {
            for bytes in bytes.chunks(step) {
                layer.data(flow, Chunk { direction, bytes, time: Nanos(0) }, &mut log);
            }
        }
    }
    layer.close(&mut log);
    assert_eq!(log.inspected, log.logged.len());
    log
}

fn datagrams(port: u16, turns: &Turns<'_>) -> (Option<AppProto>, Log) {
    let flow = tuple(IpProto::UDP, port);
    let mut layer = AppLayer::new(&flow);
    let log = talk(&flow, &mut layer, turns, 0);
    (layer.protocol(), log)
}

/// In one piece and in many: they must tell the same.
fn stream(port: u16, turns: &Turns<'_>) -> (Option<AppProto>, Log) {
    let flow = tuple(IpProto::TCP, port);
    let mut layer = AppLayer::new(&flow);
    let whole = talk(&flow, &mut layer, turns, usize::MAX);
    for step in [1, 2, 7, 64] {
        let mut pieces = AppLayer::new(&flow);
        assert_eq!(talk(&flow, &mut pieces, turns, step), whole, "in pieces of {step}");
        assert_eq!(pieces.protocol(), layer.protocol());
    }
    (layer.protocol(), whole)
}

const QUESTION: &[u8] = b"\x12\x34\x01\x00\0\x01\0\0\0\0\0\0\x03www\x07example\0\0\x01\0\x01";

fn framed() -> Vec<u8> {
    [&[0, QUESTION.len() as u8], QUESTION].concat()
}

#[test]
fn dns_over_tcp_is_found_on_any_port() {
    let message = framed();
    for port in [53, 8053] {
        let (app, log) = stream(port, &[(ToServer, &message), (ToServer, &message)]);
        assert_eq!((app, log.logged.len()), (Some(AppProto::Dns), 2), "{port}");
    }
    let other = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(stream(53, &[(ToServer, other)]).0, Some(AppProto::Http), "what speaks HTTP on DNS's port");
}

#[test]
fn dns_over_tcp_goes_on_behind_a_hole() {
    let message = framed();
    let flow = tuple(IpProto::TCP, 53);
    for (next, seen) in [(message.as_slice(), 2), (&message[9..], 1)] {
        let (mut layer, mut log) = (AppLayer::new(&flow), Log::default());
        let say = |bytes| Chunk { direction: ToServer, bytes, time: Nanos(0) };
        layer.data(&flow, say(&message), &mut log);
        layer.gap(&flow, ToServer, 34, &mut log);
        layer.data(&flow, say(next), &mut log);
        assert_eq!(log.logged.len(), seen);
    }
}

#[test]
fn flaws_of_dns_are_told() {
    let mut message = QUESTION.to_vec();
    (message[2], message[3], message[11]) = (0x48, 0x40, 1);
    let (_, log) = datagrams(53, &[(ToServer, QUESTION), (ToServer, &message), (ToServer, b"x")]);
    assert_eq!(log.anomalies, ["z_flag_set", "invalid_opcode", "invalid_additionals", "malformed_data"]);
    assert_eq!(log.logged.len(), 2);
}

#[test]
fn the_neighbours_names_are_no_dns() {
    for (port, app) in
        [(5353, AppProto::Mdns), (5355, AppProto::Llmnr), (53, AppProto::Dns), (99, AppProto::Dns)]
    {
        let (found, log) = datagrams(port, &[(ToServer, QUESTION)]);
        assert_eq!((found, log.logged.len()), (Some(app), 1), "{port}");
    }
}

#[test]
fn a_community_is_a_login() {
    let get = b"\x30\x26\x02\x01\x01\x04\x06public\xa0\x19\x02\x01\x07\x02\x01\x00\x02\x01\x00\
        \x30\x0e\x30\x0c\x06\x08\x2b\x06\x01\x02\x01\x01\x01\x00\x05\x00";
    let mut answer = get.to_vec();
    answer[13] = 0xa2;
    let outcomes = |turns: &Turns<'_>| -> Vec<Outcome> {
        let logged = datagrams(9999, turns).1.logged;
        logged
            .iter()
            .filter_map(|t| if let Transaction::Login(l) = t { Some(l.outcome) } else { None })
            .collect()
    };
    assert_eq!(outcomes(&[(ToServer, get), (ToServer, get)]), [Outcome::Unknown]);
    assert_eq!(outcomes(&[(ToServer, get), (ToClient, &answer), (ToServer, get)]), [Outcome::Accepted]);
}

#[test]
fn a_file_is_transferred_where_it_was_announced() {
    let (app, log) = datagrams(69, &[(ToServer, b"\0\x01boot.img\0OCTET\0blksize\x008\0")]);
    assert_eq!(app, Some(AppProto::Tftp));
    let expected = &log.expected[0];
    assert_eq!((expected.endpoint.port, expected.app), (40_000, AppProto::Tftp));
    // The server answers from a port of its own: it opens the flow.
    let flow = tuple(IpProto::UDP, 40_000);
    let mut layer = AppLayer::new(&flow);
    layer.announced(&flow, AppProto::Tftp, expected.note.as_deref());
    let turns: [(Direction, &[u8]); 7] = [
        (ToServer, b"\0\x06blksize\x008\0"),
        (ToClient, b"\0\x04\0\0"),
        (ToServer, b"\0\x03\0\x01abcdefgh"),
        (ToServer, b"\0\x03\0\x01abcdefgh"),
        (ToClient, b"\0\x04\0\x01"),
        (ToServer, b"\0\x03\0\x03qrstuvwx"),
        (ToServer, b"\0\x03\0\x04yz"),
    ];
    let log = talk(&flow, &mut layer, &turns, 0);
    assert_eq!(log.file, b"abcdefgh????????qrstuvwxyz");
    assert_eq!(log.files, [(Some("boot.img".to_owned()), false)]);
}

const SDP: &str =
    "v=0\r\no=a 1 1 IN IP4 10.0.0.1\r\ns=x\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";

#[test]
fn a_call_announces_its_media() {
    let invite = format!("INVITE sip:b@example SIP/2.0\r\nl: {}\r\n\r\n{SDP}", SDP.len());
    let ringing = "SIP/2.0 180 Ringing\r\nContent-Length: 0\r\n\r\n";
    let turns: [(Direction, &[u8]); 3] =
        [(ToServer, invite.as_bytes()), (ToServer, b"\r\n\r\n"), (ToClient, ringing.as_bytes())];
    for (app, log) in [stream(9999, &turns), datagrams(9999, &turns)] {
        assert_eq!((app, log.logged.len()), (Some(AppProto::Sip), 2));
        assert!(log.anomalies.is_empty());
        let ports: Vec<u16> = log.expected.iter().map(|e| e.endpoint.port).collect();
        assert_eq!(ports, [4000, 4001]);
        assert_eq!(log.expected[0].endpoint.ip, Ipv4Addr::new(10, 0, 0, 1));
    }
}

#[test]
fn a_long_body_is_passed_over() {
    let body = "x".repeat(40_000);
    let message = format!("MESSAGE sip:b@example SIP/2.0\r\nContent-Length: 40000\r\n\r\n{body}");
    let (_, log) = stream(5060, &[(ToServer, message.as_bytes()), (ToServer, message.as_bytes())]);
    assert_eq!(log.logged.len(), 2);
}

#[test]
fn media_are_counted() {
    let flow = tuple(IpProto::UDP, 4000);
    let mut layer = AppLayer::new(&flow);
    layer.announced(&flow, AppProto::Rtp, None);
    let packet = |n: u8| [0x80, 8, 0, n, 0, 0, 0, 0, 0, 0, 0, 9, 1, 2];
    let log =
        talk(&flow, &mut layer, &[(ToServer, &packet(1)), (ToServer, &packet(4)), (ToServer, &packet(3))], 0);
    let [Transaction::Rtp(rtp)] = log.logged.as_slice() else { panic!("{:?}", log.logged) };
    let side = rtp.sides[0];
    assert_eq!((side.packets, side.lost, side.source), (3, 1, Some((9, 8))));
}

#[test]
fn peers_and_loggers_are_known_on_any_port() {
    let handshake =
        [b"\x13BitTorrent protocol".as_slice(), &[0; 8], &[1; 20], &[2; 20], b"\0\0\0\0more"].concat();
    let (app, log) = stream(9999, &[(ToServer, &handshake), (ToClient, &handshake)]);
    assert_eq!((app, log.logged.len()), (Some(AppProto::BitTorrent), 2));
    let lines = b"<13>Jan  1 00:00:00 pc x: y\n<14>1 2026-01-01T00:00:00Z pc x - - -\n";
    let (app, log) = stream(9999, &[(ToServer, lines)]);
    assert_eq!((app, log.logged.len()), (Some(AppProto::Syslog), 2));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn any_bytes_are_borne(
        port in prop::sample::select(vec![53u16, 5353, 5355, 137, 67, 546, 161, 123, 1900, 514, 69, 5060, 9999]),
        turns in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 1..300)), 1..6),
    ) {
        let turns: Vec<(Direction, &[u8])> =
            turns.iter().map(|(way, bytes)| (if *way { ToServer } else { ToClient }, bytes.as_slice())).collect();
        datagrams(port, &turns);
        stream(port, &turns);
    }

    /// A sound message with some bytes changed, cut off somewhere.
    #[test]
    fn damaged_messages_are_borne(
        pick in 0usize..5,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let sip = format!("INVITE sip:b@x SIP/2.0\r\nl: {}\r\n\r\n{SDP}SIP/2.0 200 OK\r\n\r\n", SDP.len());
        let dns = [framed(), framed()].concat();
        let dht = b"d1:rd2:id20:abcdefghij01234567895:nodes26:mnopqrstuvwxyz123456abcdefe1:t2:aa1:y1:re".to_vec();
        let syslog = b"28 <13>Jan  1 00:00:00 pc x: y\n<14>1 2026-01-01T00:00:00Z pc x - - -\n".to_vec();
        let (port, mut bytes) =
            [(5060, sip.into_bytes()), (53, dns.clone()), (8053, dns), (6881, dht), (514, syslog)][pick].clone();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(cut.index(bytes.len()) + 1);
        stream(port, &[(ToServer, &bytes)]);
        datagrams(port, &[(ToServer, &bytes)]);
    }
}
