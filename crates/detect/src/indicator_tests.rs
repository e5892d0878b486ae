use intel::Loader;
use proto::{Dtls, Quic, Tls, dns};
use wire::{Direction, Endpoint, IpProto, Nanos, Vlans};

use super::*;
use flow::FlowTuple;

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
    Context { tuple, direction: Direction::ToServer, time: Nanos(5), arrival: None }
}

fn inspect(tx: Transaction, server: &str) -> Vec<Alert> {
    let tuple = tuple("10.0.0.5", server);
    let mut out = Vec::new();
    detector().transaction(&cx(&tuple), &tx, Stage::Begun, &mut Memo::default(), &mut out);
    out
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
    assert_eq!((&*out[0].hit.indicator, out[0].hit.observed.as_str()), ("evil.example", "c2.evil.example"));
    assert_eq!(
        (out[0].hit.description.as_deref(), out[0].hit.source.as_str()),
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
            out.first().map(|a| (a.sid, a.hit.observed.as_str())),
            named.then_some((1003, "c2.evil.example"))
        );
    }
}
