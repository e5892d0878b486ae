use intel::Loader;
use proto::{Dtls, Quic, Tls, dns};
use wire::{Direction, Endpoint, IpProto, Nanos, Vlans};

use super::*;
use crate::Home;
use flow::FlowTuple;

static HOME: std::sync::OnceLock<Home> = std::sync::OnceLock::new();

const LIST: &str = "evil.example,Demo RAT\n192.0.2.66,C2\nhttp://cdn.example/gate.php,Loader\n";

fn detector() -> IndicatorDetector {
    let mut loader = Loader::new();
    loader.text("c2.csv", LIST).unwrap();
    IndicatorDetector::new(Arc::new(loader.finish().0))
}

fn tuple(client: &str, server: &str) -> FlowTuple {
    let end = |ip: &str| Endpoint { ip: ip.parse().unwrap(), port: 1 };
    FlowTuple {
        id: 1,
        client: end(client),
        server: end(server),
        proto: IpProto::TCP,
        vlans: Vlans::default(),
        start: Nanos(0),
    }
}

fn cx(tuple: &FlowTuple) -> Context<'_> {
    Context {
        tuple,
        direction: Direction::ToServer,
        time: Nanos(5),
        arrival: None,
        orientation: Orientation::Handshake,
        asker: tuple.client.ip,
        home: HOME.get_or_init(Home::default),
    }
}

fn inspect(tx: Transaction, server: &str) -> Vec<Alert> {
    let tuple = tuple("10.0.0.5", server);
    let mut out = Vec::new();
    detector().transaction(&cx(&tuple), &tx, Stage::Begun, &mut Memo::default(), &mut out);
    out
}

fn hit(alert: &Alert) -> &alert::IndicatorHit {
    alert.hit.as_ref().unwrap()
}

fn http(host: &str, uri: &str) -> Vec<Alert> {
    let http = Http { method: "GET".into(), uri: uri.into(), host: Some(host.into()), ..Http::default() };
    inspect(Transaction::from(http), "198.51.100.1")
}

#[test]
fn a_lookup_and_its_answer_are_one_alert() {
    let query = b"\0\x01\x01\0\0\x01\0\0\0\0\0\0\x02c2\x04evil\x07example\0\0\x01\0\x01";
    let mut response = query.to_vec();
    response[2] = 0x81;
    let tuple = tuple("10.0.0.5", "10.0.0.53");
    let (mut memo, mut out) = (Memo::default(), Vec::new());
    for message in [&query[..], &response] {
        let tx = Transaction::from(dns::parse(message).unwrap());
        detector().transaction(&cx(&tuple), &tx, Stage::Begun, &mut memo, &mut out);
    }
    assert_eq!(out.len(), 1);
    assert_eq!((out[0].sid, out[0].victim), (1001, Some("10.0.0.5".parse().unwrap())));
    assert_eq!(
        (&*hit(&out[0]).indicator, hit(&out[0]).observed.as_str()),
        ("evil.example", "c2.evil.example")
    );
    assert_eq!(
        (hit(&out[0]).description.as_deref(), hit(&out[0]).source.as_str()),
        (Some("Demo RAT"), "c2.csv:1")
    );
}

#[test]
fn what_neighbours_are_asked_is_no_domain() {
    let query = b"\0\0\0\0\0\x01\0\0\0\0\0\0\x04evil\x07example\0\0\x01\0\x01";
    let message = dns::parse(query).unwrap();
    let direction = Direction::ToServer;
    assert_eq!(inspect(message.clone().into(), "10.0.0.53").len(), 1);
    for of in [
        Transaction::from(dns::local::Mdns { message: message.clone(), direction }),
        Transaction::from(dns::local::Llmnr { message, direction }),
    ] {
        assert!(inspect(of, "224.0.0.251").is_empty());
    }
}

#[test]
fn http_alerts_once_and_the_url_goes_first() {
    assert_eq!(http("cdn.example", "/gate.php?x=1").iter().map(|a| a.sid).collect::<Vec<_>>(), [1006]);
    assert_eq!(http("www.evil.example", "/").iter().map(|a| a.sid).collect::<Vec<_>>(), [1002]);
    assert!(http("cdn.example", "/other").is_empty());
}

#[test]
fn a_check_in_is_decoded_and_adds_techniques() {
    let alerts = http("evil.example", "/gate?host=DESKTOP-8F2K1QX&user=alice&os=Windows%2010");
    let ids: Vec<&str> = alerts[0].techniques.iter().map(|t| t.id()).collect();
    assert_eq!(ids, ["T1071.001", "T1082", "T1033", "T1041"]);
    assert_eq!(alerts[0].checkin.as_ref().unwrap().user_name.as_ref().unwrap().value, "alice");
}

#[test]
fn who_is_called_by_a_listed_address_is_no_victim() {
    let (outbound, inbound) = (tuple("10.0.0.5", "192.0.2.66"), tuple("192.0.2.66", "10.0.0.5"));
    let mut out = Vec::new();
    detector().flow_start(&cx(&outbound), &mut out);
    detector().flow_start(&cx(&inbound), &mut out);
    assert_eq!((out[0].sid, out[0].victim), (1004, Some("10.0.0.5".parse().unwrap())));
    assert_eq!((out[1].sid, out[1].victim), (1005, None));
}

#[test]
fn a_servers_name_counts_whatever_the_hello_travels_in() {
    let sni = Some("c2.evil.example".to_owned());
    let tls = Tls { sni: sni.clone(), ..Tls::default() };
    let quic = Quic { sni, version: 1, ..Quic::default() };
    for tx in [tls.clone().into(), Dtls(tls).into(), quic.into(), Transaction::from(Quic::default())] {
        let named = !matches!(&tx, Transaction::Quic(quic) if quic.sni.is_none());
        let out = inspect(tx, "198.51.100.1");
        assert_eq!(
            out.first().map(|a| (a.sid, hit(a).observed.as_str())),
            named.then_some((1003, "c2.evil.example"))
        );
    }
}

fn detector_of(list: &str) -> IndicatorDetector {
    let mut loader = Loader::new();
    loader.text("list", list).unwrap();
    IndicatorDetector::new(Arc::new(loader.finish().0))
}

/// Sid and victim of the alerts of a transaction between two hosts, told of twice as parsers do.
fn told(list: &str, tx: impl Into<Transaction>, client: &str, server: &str) -> Vec<(u32, Option<String>)> {
    let (tx, tuple, detector) = (tx.into(), tuple(client, server), detector_of(list));
    let (mut memo, mut out) = (Memo::default(), Vec::new());
    for stage in [Stage::Begun, Stage::Complete] {
        detector.transaction(&cx(&tuple), &tx, stage, &mut memo, &mut out);
    }
    assert_eq!(detector.indicators.hit_count(), out.len() as u64);
    out.iter().map(|alert| (alert.sid, alert.victim.map(|ip| ip.to_string()))).collect()
}

const OURS: &str = "10.0.0.5";
const THEIRS: &str = "198.51.100.1";

#[test]
fn who_has_a_listed_file() {
    let file = |direction, carrier| proto::FileInfo {
        direction,
        name: Some("x".into()),
        size: 1,
        state: proto::FileState::Closed,
        gaps: false,
        magic: None,
        md5: Some([0xaa; 16]),
        sha1: None,
        sha256: None,
        stored: false,
        tx_id: 0,
        app: None,
        carrier,
    };
    let (up, down) = (Direction::ToServer, Direction::ToClient);
    let mail = || Some(Transaction::from(proto::Smtp::default()));
    let fetched = || Some(Transaction::from(proto::Pop3::default()));
    let victim = |ip: &str| Some(ip.to_owned());
    let list = "a".repeat(32);
    for (file, client, server, sid, expected) in [
        (file(down, None), OURS, THEIRS, 1007, victim(OURS)),
        (file(up, None), OURS, THEIRS, 1008, victim(OURS)),
        (file(up, None), THEIRS, OURS, 1009, None),
        (file(up, mail()), THEIRS, OURS, 1010, None),
        (file(up, mail()), OURS, THEIRS, 1010, None),
        (file(down, fetched()), OURS, THEIRS, 1010, victim(OURS)),
    ] {
        assert_eq!(told(&list, file, client, server), [(sid, expected)], "{sid}");
    }
}

fn hex(text: &str) -> proto::tls::Fingerprint {
    proto::tls::Fingerprint { string: String::new(), hash: text.into() }
}

#[test]
fn programs_give_themselves_away() {
    let (sum, sha1) = ("d41d8cd98f00b204e9800998ecf8427e", "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    let ours = Some(OURS.to_owned());
    let hello = Tls { ja3: Some(hex(sum)), ..Tls::default() };
    let list = format!("ja3:{sum}");
    assert_eq!(told(&list, hello.clone(), OURS, THEIRS), [(1012, ours.clone())]);
    // A scanner is nobody's victim.
    assert_eq!(told(&list, hello.clone(), THEIRS, OURS), [(1012, None)]);
    assert!(told(sum, hello, OURS, THEIRS).is_empty(), "an MD5 of a file");
    let quic = Quic { ja4: Some("q13d0312h3_55b375c5d22e_06cda9e17597".into()), ..Quic::default() };
    assert_eq!(told("Q13D0312H3_55b375c5d22e_06cda9e17597", quic, OURS, THEIRS), [(1013, ours.clone())]);
    let side = |hash: &str| {
        Some(proto::ssh::SshSide {
            proto_version: "2.0".into(),
            software_version: "x".into(),
            hassh: Some(hex(hash)),
        })
    };
    let list = format!("hassh:{sum}");
    let ssh = proto::Ssh { client: side(sum), server: None };
    assert_eq!(told(&list, ssh, OURS, THEIRS), [(1014, ours.clone())]);
    let ssh = proto::Ssh { client: None, server: side(sum) };
    assert_eq!(told(&list, ssh, OURS, THEIRS), [(1015, ours.clone())]);
    let certificate = proto::tls::Certificate {
        subject: "CN=evil".into(),
        issuer: String::new(),
        serial: String::new(),
        fingerprint: "da:39:a3:ee:5e:6b:4b:0d:32:55:bf:ef:95:60:18:90:af:d8:07:09".into(),
        not_before: 0,
        not_after: 0,
        names: Vec::new(),
        der: Box::default(),
    };
    let tls = Tls { certificate: Some(certificate), ..Tls::default() };
    assert_eq!(told(&format!("cert:{sha1}"), tls.clone(), OURS, THEIRS), [(1011, ours.clone())]);
    // SHA-256 of nothing.
    let sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(told(&format!("cert:{sha256}"), Dtls(tls), OURS, THEIRS), [(1011, ours.clone())]);
    let http = Http { uri: "/".into(), user_agent: Some("Evil BOT".into()), ..Http::default() };
    assert_eq!(told("user-agent:evil bot", http, OURS, THEIRS), [(1016, ours)]);
}

#[test]
fn mails_have_two_ends() {
    let mail = proto::Smtp {
        mail_from: Some("<Phisher@Evil.example> SIZE=9".into()),
        rcpt_to: vec!["<drop@evil.example>".into()],
        ..proto::Smtp::default()
    };
    assert_eq!(told("phisher@evil.example", mail.clone(), OURS, THEIRS), [(1017, None)]);
    assert_eq!(told("drop@evil.example", mail.clone(), OURS, THEIRS), [(1018, Some(OURS.to_owned()))]);
    assert_eq!(told("drop@evil.example", mail.clone(), THEIRS, OURS), [(1018, None)]);
    assert!(told("evil.example", mail, OURS, THEIRS).is_empty(), "a name in a mail was not asked for");
}
