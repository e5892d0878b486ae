use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::alert::{
    Alert, Basis, Binding, CheckIn, Disclosure, IndicatorHit, Observation, Orientation, Parties, Proof,
    RINGWARD_GID, Severity, Technique,
};
use ::flow::{EndReason, FlowRecord, FlowState, FlowTuple, TcpRecord};
use ::proto::ike::{Attributes, IkeBody, IkeV1, IkeV2, KeyMaterial};
use ::proto::quic::Extension;
use ::proto::ssh::SshSide;
use ::proto::tls::{Certificate, Fingerprint};
use ::proto::{AppProto, Http, Ike, Quic, Ssh, Tls, dns};
use wire::{Endpoint, IpProto, LinkType, Nanos, TcpFlags, TunnelKind, Vlans};

use serde_json::Value;

use super::*;
use crate::event::*;
use crate::{Recorder, RecorderOptions, evidence_name, load_incident};

pub(super) fn flow(proto: IpProto, v6: bool) -> FlowTuple {
    let ip = |v4: &str, six: &str| if v6 { six } else { v4 }.parse().unwrap();
    let mut vlans = Vlans::default();
    vlans.push(7);
    FlowTuple {
        id: u64::MAX,
        client: Endpoint { ip: ip("10.0.0.5", "2001:db8::5"), port: 40000 },
        server: Endpoint { ip: ip("192.0.2.1", "2001:db8::1"), port: 80 },
        proto,
        vlans,
        start: Nanos(1_400_000_000_000_000_000),
    }
}

fn tunnel() -> Outer {
    let end = |ip: &str, port| Endpoint { ip: ip.parse().unwrap(), port };
    Outer {
        source: end("198.51.100.1", 48_134),
        destination: end("198.51.100.2", 4789),
        proto: IpProto::UDP,
        kind: TunnelKind::Vxlan,
        depth: 1,
    }
}

pub(super) fn stamp() -> Stamp {
    Stamp {
        time: Nanos(1_400_000_001_000_001_000),
        source: Source::File(Arc::from("a.pcap")),
        packet: Some(3),
    }
}

fn http() -> Http {
    Http {
        method: "GET".into(),
        uri: "/gate?user=<b>alice</b>".into(),
        version: "HTTP/1.1".into(),
        host: Some("evil.example".into()),
        port: Some(8080),
        user_agent: Some("x".into()),
        status: Some(200),
        ..Http::default()
    }
}

fn alert() -> Alert {
    Alert {
        time: stamp().time,
        arrival: None,
        raised: None,
        gid: RINGWARD_GID,
        sid: 1002,
        rev: 1,
        signature: "RINGWARD test".into(),
        category: "test".into(),
        severity: Severity::High,
        observation: Observation::Http,
        direction: Direction::ToServer,
        victim: Some("10.0.0.5".parse().unwrap()),
        basis: Some(Basis::Detector),
        proof: Proof { orientation: Orientation::Handshake, established: true, binding: Binding::Unknown },
        parties: Parties::default(),
        peer: Some("192.0.2.1".parse().unwrap()),
        hit: Some(IndicatorHit {
            kind: "domain",
            indicator: Arc::from("evil.example"),
            observed: "evil.example".into(),
            description: Some(Arc::from("Demo RAT")),
            source: "list.csv:3".into(),
            confidence: Some(75),
            tags: vec!["rat".into()],
            techniques: vec!["T1033".into(), "T1566.001".into()],
        }),
        rule: None,
        techniques: vec![Technique::WebProtocols, Technique::SystemOwnerDiscovery],
        checkin: Some(CheckIn {
            uri: "/gate?user=<b>alice</b>".into(),
            user_name: Some(Disclosure {
                value: "<b>alice</b>".into(),
                found_in: "query user".into(),
                encodings: vec!["percent"],
            }),
            ..CheckIn::default()
        }),
    }
}

pub(super) fn events() -> Vec<Event> {
    let tcp = flow(IpProto::TCP, false);
    let record = |tuple, tcp, icmp| FlowRecord {
        tuple,
        end: Nanos(1_400_000_002_000_000_000),
        packets: [3, 2],
        bytes: [300, 200],
        state: FlowState::Closed,
        reason: EndReason::Shutdown,
        tcp,
        icmp,
    };
    let tcp_record =
        TcpRecord { flags: [TcpFlags(0x1b), TcpFlags(0x53)], state: "closed", gap_bytes: [0, 9] };
    let flow_event = |record: FlowRecord, app| {
        let icmp_reply = record.icmp.map(|_| (129, 0));
        let event = FlowEvent {
            record,
            app,
            original: app,
            expected: app.map(|_| AppProto::Tls),
            alerted: true,
            transactions: 1,
            icmp_reply,
            tunnel: Some(tunnel()),
            macs: None,
            bits: vec!["traffic/label/search".into()],
        };
        Event::Flow(Box::new(event))
    };
    let tx = |transaction| {
        let event = TransactionEvent {
            flow: tcp,
            direction: Direction::ToServer,
            tx_id: 0,
            transaction,
            tunnel: Some(tunnel()),
            ether: None,
        };
        Event::Transaction(Box::new(event))
    };
    let message = b"\x12\x34\x81\x80\0\x01\0\x03\0\x01\0\0\x01a\x01b\0\0\x01\0\x01\
\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x01\
\xc0\x0c\0\x21\0\x01\0\0\0\x3c\0\x08\0\x01\0\x02\0\x50\xc0\x0c\
\xc0\x0c\0\x41\0\x01\0\0\0\x3c\0\x00\
\xc0\x0c\0\x06\0\x01\0\0\0\x3c\0\x18\xc0\x0c\xc0\x0c\0\0\0\x01\0\0\0\x02\0\0\0\x03\0\0\0\x04\0\0\0\x05";
    let evidence = evidence_name(&tcp);
    vec![
        flow_event(record(tcp, Some(tcp_record), None), Some(AppProto::Http)),
        flow_event(record(flow(IpProto::ICMPV6, true), None, Some((128, 0))), None),
        tx(Transaction::from(dns::parse(message).unwrap())),
        tx(Transaction::from(http())),
        tx(Transaction::from(Http::default())),
        tx(tls().into()),
        tx(quic().into()),
        tx(ssh().into()),
        tx(ike(IkeBody::V1(IkeV1 {
            doi: Some(1),
            proposals: vec![Attributes(vec![(1, 7), (14, 256), (99, 1)])],
            keys: [
                KeyMaterial { key_exchange: Some(vec![1, 2]), nonce: Some(vec![3]) },
                KeyMaterial::default(),
            ],
            vendor_ids: vec![vec![0xaf]],
            chosen: Attributes(vec![(1, 7)]),
            ..IkeV1::default()
        }))
        .into()),
        tx(ike(IkeBody::V2(IkeV2 {
            errors: 1,
            notify: vec!["COOKIE".into()],
            chosen: [Some("ENCR_AES_CBC"), None, None],
            ..IkeV2::default()
        }))
        .into()),
        tx(Transaction::from(::proto::Smtp {
            helo: Some("me".into()),
            mail_from: Some("<a@b>".into()),
            rcpt_to: vec!["<c@d>".into()],
            email: Some(::proto::Email {
                from: Some("a@b".into()),
                senders: Vec::new(),
                to: vec!["c@d".into()],
                cc: vec!["e@f".into()],
                subject: Some("s".into()),
                date: Some("now".into()),
                message_id: Some("<1>".into()),
                x_mailer: Some("x".into()),
                received: vec!["from a".into()],
                attachments: vec!["f.exe".into()],
                raw: Vec::new(),
                urls: vec!["evil.example/".into()],
                complete: true,
            }),
        })),
        tx(Transaction::from(::proto::Smtp::default())),
        tx(Transaction::from(::proto::Ftp {
            command: Some("PASV".into()),
            command_data: Some("x".into()),
            replies: vec!["ok".into()],
            codes: vec!["227".into()],
            dynamic_port: Some(5000),
            mode: Some("passive"),
            ..::proto::Ftp::default()
        })),
        tx(Transaction::from(::proto::Ftp::default())),
        tx(Transaction::from(::proto::FtpData {
            command: Some("RETR".into()),
            filename: Some("f".into()),
            ..::proto::FtpData::default()
        })),
        tx(Transaction::from(::proto::Pop3 {
            command: Some("LIST".into()),
            args: vec!["1".into()],
            response: Some(::proto::pop3::Pop3Response {
                success: true,
                header: "x".into(),
                data: vec!["1 2".into()],
            }),
        })),
        tx(Transaction::from(::proto::Pop3::default())),
        tx(Transaction::from(::proto::Rfb {
            server_version: Some(("003".into(), "008".into())),
            client_version: Some(("003".into(), "008".into())),
            security_type: Some(2),
            challenge: Some([1; 16]),
            response: Some([2; 16]),
            security_result: Some(0),
            failure_reason: None,
            shared: Some(true),
            framebuffer: Some(::proto::rfb::Framebuffer::default()),
        })),
        Event::Alert(Box::new(AlertEvent::of_frame(Alert {
            victim: None,
            peer: None,
            hit: None,
            ..alert()
        }))),
        Event::Alert(Box::new(AlertEvent {
            flow: Some(tcp),
            icmp: None,
            packets: [1, 0],
            bytes: [60, 0],
            app: Some(AppProto::Http),
            transaction: Some((0, Transaction::from(http()))),
            alert: alert(),
            forwarded: Some(::alert::Forwarded {
                by: "10.0.0.53".parse().unwrap(),
                asked_by: "10.0.0.5".parse().unwrap(),
                asked: Nanos(1),
            }),
            evidence: Some(evidence.clone()),
            tunnel: Some(tunnel()),
            bits: vec!["seen".into(), "traffic/id/example".into()],
            ether: None,
            content: None,
        })),
        Event::Isolation(Box::new(IsolationEvent {
            verdict: 7,
            target: wire::Target::host("10.0.0.5".parse().unwrap()),
            scope: wire::Scope::Both,
            who: None,
            action: IsolationAction::Isolate,
            by: "indicator".into(),
            reason: "RINGWARD test".into(),
            enforced: true,
            not_enforced_because: None,
            until: Some(Nanos(1_400_003_601_000_000_000)),
            relapse: 2,
            rule: Some("c2-indicators".into()),
            dropped_packets: 0,
            dropped_bytes: 0,
            latency: Latency { alert_ns: Some(20_000), map_ns: Some(410_000), first_drop_ns: None },
            flow: Some(tcp),
            peer: None,
            places: Some(Places { enforced_on: vec!["eth1".into()], missing: vec!["eth2".into()] }),
            impact: Some(Box::new(::alert::Impact {
                first_peers: vec!["10.0.0.6".parse().unwrap()],
                services: vec!["53/udp".into()],
                ..::alert::Impact::default()
            })),
        })),
        Event::Port(PortEvent {
            port: "eth2".into(),
            role: "guard",
            in_force: true,
            reason: "interface eth2 was made anew".into(),
            gap: Some(std::time::Duration::from_millis(700)),
            places: Places { enforced_on: vec!["eth1".into(), "eth2".into()], missing: Vec::new() },
        }),
        Event::Brake(BrakeEvent { on: false, reason: "too many".into(), withheld: 7 }),
        Event::Evidence(Box::new(EvidenceEvent {
            file: evidence,
            flow: tcp,
            link: LinkType::Ethernet,
            packets: vec![EvidencePacket { time: stamp().time, wire_len: 80, frame: vec![1; 61] }],
            complete: true,
        })),
        Event::Anomaly(Box::new(AnomalyEvent::decode("decoder.ipv4.hlen_too_small"))),
        Event::Anomaly(Box::new(AnomalyEvent {
            kind: AnomalyKind::AppLayer,
            event: "REQUEST_HEADER_REPETITION",
            layer: Some("proto_parser"),
            flow: Some((tcp, Direction::ToClient)),
            app: Some(AppProto::Http),
            tx_id: Some(1),
            tunnel: Some(tunnel()),
            ether: None,
        })),
        Event::Stats(Box::new(StatsEvent {
            uptime: 5,
            counters: [
                ("capture.received", 1),
                ("decoder.pkts", 1),
                ("flow.total", 1),
                ("detect.alert", 1),
                ("tcp.reassembly_gap", 0),
                ("guard.dropped", 4),
            ]
            .map(|(n, v)| (n.to_owned(), v))
            .into(),
        })),
    ]
}

/// Lines as others read them.
pub(super) fn lines(stamp: &Stamp, event: &Event, forms: Forms) -> Vec<Value> {
    super::lines(stamp, event, &forms).iter().map(crate::json::Value::reread).collect()
}

/// A handshake in which everything is said.
fn tls() -> Tls {
    let certificate = Certificate {
        subject: "CN=x".into(),
        issuer: "CN=y".into(),
        serial: "01".into(),
        fingerprint: "00:11".into(),
        not_before: 0,
        // The year 9999 says that it never ends; the format knows no such year.
        not_after: 253_402_300_799,
        names: vec!["x".into()],
        der: Box::default(),
    };
    Tls {
        sni: Some("x".into()),
        version: Some(0x304),
        cipher: Some(0x1301),
        alpns: vec!["h2".into()],
        server_alpn: Some("h2".into()),
        ja3: Some(Fingerprint::md5("771,,,,".into())),
        ja3s: Some(Fingerprint::md5("771,,".into())),
        ja4: Some("t13d".into()),
        certificate: Some(certificate.clone()),
        client_certificate: Some(certificate),
        resumed: true,
        from_proto: Some("smtp"),
        ..Tls::default()
    }
}

fn quic() -> Quic {
    Quic {
        version: 1,
        sni: Some("x".into()),
        user_agent: Some("y".into()),
        cyu: Some(Fingerprint::md5("43,SNI".into())),
        ja3: Some(Fingerprint::md5("771,,,,".into())),
        ja3s: Some(Fingerprint::md5("771,,".into())),
        ja4: Some("q13d".into()),
        extensions: vec![
            Extension { kind: 16, values: vec!["h3".into()] },
            Extension { kind: 9999, values: vec![] },
        ],
        ..Quic::default()
    }
}

fn ssh() -> Ssh {
    let hassh = Some(Fingerprint::md5("a;b;c;d".into()));
    let side = SshSide { proto_version: "2.0".into(), software_version: "x".into(), hassh };
    Ssh { client: Some(side), server: None }
}

fn ike(body: IkeBody) -> Ike {
    Ike {
        response: true,
        init_spi: [1; 8],
        resp_spi: [0; 8],
        version: (2, 0),
        exchange_type: 34,
        message_id: 0,
        payloads: vec!["Notify".into()],
        body,
    }
}

#[test]
fn dates_that_the_format_does_not_know_are_left_out() {
    let body = super::tls::body(&tls()).reread();
    assert_eq!((&body["notbefore"], &body["notafter"]), (&"1970-01-01T00:00:00".into(), &Value::Null));
    assert_eq!((&body["from_proto"], &body["client"]["serial"]), (&"smtp".into(), &"01".into()));
}

fn data() -> PathBuf {
    std::env::var_os("RINGWARD_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from)
}

pub(super) const FORMS: Forms = Forms {
    netflow: true,
    dns: DnsVersion::V3,
    secrets: false,
    events: EventTypes::All,
    alert: AlertOptions::DEFAULT,
    sensor: None,
};

#[test]
fn lines_are_valid_by_suricatas_schema() {
    let path = data().join("schema/eve-8.0.6.schema.json");
    let Ok(text) = std::fs::read(&path) else {
        eprintln!("SKIPPED: no schema at {}", path.display());
        return;
    };
    let schema: Value = serde_json::from_slice(&text).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let mut seen = Vec::new();
    for event in events() {
        for line in lines(&stamp(), &event, FORMS) {
            let kind = line["event_type"].as_str().unwrap().to_owned();
            if ["alert", "anomaly", "netflow", "flow", "dns", "http", "tls", "quic", "ssh", "ike", "stats"]
                .contains(&kind.as_str())
            {
                let errors: Vec<String> = validator.iter_errors(&line).map(|e| e.to_string()).collect();
                assert!(errors.is_empty(), "{line:#}\n{errors:?}");
                seen.push(kind);
            }
        }
    }
    seen.dedup();
    let all = [
        "flow", "netflow", "flow", "netflow", "dns", "http", "tls", "quic", "ssh", "ike", "alert", "anomaly",
        "stats",
    ];
    assert_eq!(seen, all);
    let bad = serde_json::json!({"event_type": "dns", "timestamp": "x", "dns": {"version": 3}});
    assert!(!validator.is_valid(&bad), "a schema that accepts everything proves nothing");
}

#[test]
fn community_ids_are_those_of_suricata() {
    let ip = |text: &str| text.parse().unwrap();
    let id = community_id(ip("10.0.3.1"), ip("10.0.3.2"), 52001, 5985, IpProto::TCP);
    assert_eq!(id.as_deref(), Some("1:xy04oZ07nfPLVj48qVqjq9MOEac="));
    let id = community_id(ip("10.15.33.65"), ip("8.8.8.8"), 62083, 53, IpProto::UDP);
    assert_eq!(id.as_deref(), Some("1:6a7LLt9a5fuCSi2PrXhnVlAArUg="));
    let echo = |src, dst, kind| community_id(ip(src), ip(dst), kind, 0, IpProto::ICMP);
    let id = echo("10.10.10.2", "10.10.10.1", 8);
    assert_eq!(id.as_deref(), Some("1:AkS9NH95WiqU1KG1Q6dF3s9Kjfc="));
    assert_eq!(echo("10.10.10.1", "10.10.10.2", 0), id, "request and reply are one");
    let id = community_id(ip("2001:db8:90::1"), ip("2001:db8:90::2"), 144, 0, IpProto::ICMPV6);
    assert_eq!(id.as_deref(), Some("1:VAbKOQfP4y0iqQOg4OQR1AfoZQ8="));
}

#[test]
fn a_run_leaves_lines_evidence_and_a_report() {
    let dir = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::create(dir.path(), RecorderOptions::default()).unwrap();
    for event in events() {
        recorder.record(&stamp(), &event).unwrap();
    }
    recorder.tick().unwrap();
    let written = recorder.finish().unwrap();
    let eve = std::fs::read_to_string(dir.path().join("eve.json")).unwrap();
    assert_eq!(eve.lines().count() as u64, written.lines);
    let types: Vec<String> = eve
        .lines()
        .map(|l| serde_json::from_str::<Value>(l).unwrap()["event_type"].as_str().unwrap().to_owned())
        .collect();
    assert!(types.contains(&"evidence".to_owned()) && types.contains(&"incident".to_owned()), "{types:?}");
    let html = std::fs::read_to_string(dir.path().join(&written.incidents[0])).unwrap();
    assert!(html.contains("410.0 µs") && html.contains("&lt;b&gt;alice") && !html.contains("<b>alice</b>\n"));
    assert!(!html.contains("<b><b>") && !html.contains("http://") && !html.contains("<script"));
    let incident = load_incident(&dir.path().join(written.incidents[0].with_extension("json"))).unwrap();
    assert_eq!((incident.status.as_str(), incident.severity, incident.alerts), ("isolated", 1, 1));
    assert_eq!(incident.disclosed[0].told[0].value, "<b>alice</b>");
    assert_eq!(incident.evidence[0].packets, 1);
    assert_eq!(crate::render_html(&incident, ".."), html);
    let pcapng = std::fs::read(dir.path().join(&written.evidence[0])).unwrap();
    assert_eq!(pcapng[..4], [0x0a, 0x0d, 0x0d, 0x0a]);
    assert_eq!(pcapng.len() % 4, 0);
}

#[test]
fn a_flow_is_told_once_more_by_direction() {
    let all = events();
    let told = |event: &Event| -> Vec<Value> { lines(&stamp(), event, FORMS).split_off(1) };
    let tcp = told(&all[0]);
    assert_eq!((&tcp[0]["src_ip"], &tcp[1]["src_ip"]), (&"10.0.0.5".into(), &"192.0.2.1".into()));
    assert_eq!((&tcp[0]["netflow"]["pkts"], &tcp[1]["netflow"]["bytes"]), (&3.into(), &200.into()));
    assert_eq!((&tcp[0]["tcp"]["tcp_flags"], &tcp[1]["tcp"]["tcp_flags"]), (&"1b".into(), &"53".into()));
    assert_eq!((&tcp[0]["tcp"]["psh"], &tcp[1]["tcp"]["psh"]), (&true.into(), &Value::Null));
    let icmp = told(&all[1]);
    assert_eq!((&icmp[0]["icmp_type"], &icmp[1]["icmp_type"]), (&128.into(), &129.into()));
    assert_eq!(icmp[0]["tunnel"]["proto"], "UDP");
    assert_eq!(lines(&stamp(), &all[0], Forms { netflow: false, ..FORMS }).len(), 1, "only who asks");
}

#[test]
fn only_lines_of_the_types_asked_for_are_written() {
    let all: Vec<Value> = events().iter().flat_map(|event| lines(&stamp(), event, FORMS)).collect();
    let kind = |line: &Value| line["event_type"].as_str().unwrap().to_owned();
    let known: Vec<&str> = EventTypes::known().collect();
    for line in &all {
        assert!(known.contains(&kind(line).as_str()), "{line}");
    }
    for only in ["flow", "netflow", "tls", "counters", "alert"] {
        let forms = || Forms { events: EventTypes::Only(vec![only.into()]), ..FORMS };
        let some: Vec<Value> = events().iter().flat_map(|event| lines(&stamp(), event, forms())).collect();
        let expected: Vec<Value> = all.iter().filter(|line| kind(line) == only).cloned().collect();
        assert!(!some.is_empty(), "{only}");
        assert_eq!(some, expected, "{only}");
    }
    let dir = tempfile::tempdir().unwrap();
    let options =
        RecorderOptions { events: EventTypes::Only(vec!["dns".into()]), ..RecorderOptions::default() };
    let mut recorder = Recorder::create(dir.path(), options).unwrap();
    for event in events() {
        recorder.record(&stamp(), &event).unwrap();
    }
    let written = recorder.finish().unwrap();
    let dns = all.iter().filter(|line| kind(line) == "dns").count() as u64;
    assert!(dns > 0 && dns < all.len() as u64);
    assert_eq!((written.lines, written.evidence.len(), written.incidents.is_empty()), (dns, 1, false));
}

#[test]
fn dns_in_version_2_has_a_line_for_each_question_and_one_for_the_answer() {
    let query = b"\0\x01\x01\0\0\x02\0\0\0\0\0\0\x01a\x07example\0\0\x01\0\x01\x01b\xc0\x0e\0\x1c\0\x01";
    let mut answer = query.to_vec();
    answer[2] = 0x81;
    answer[7] = 1;
    answer.extend_from_slice(b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x01");
    let forms = Forms { dns: DnsVersion::V2, ..FORMS };
    let told = |message: &[u8]| {
        let event = Event::Transaction(Box::new(TransactionEvent {
            flow: flow(IpProto::UDP, false),
            direction: Direction::ToClient,
            tx_id: 4,
            transaction: dns::parse(message).unwrap().into(),
            tunnel: None,
            ether: None,
        }));
        lines(&stamp(), &event, forms.clone())
    };
    let queries = told(query);
    assert_eq!(queries.len(), 2);
    assert_eq!(
        (&queries[1]["dns"]["rrname"], &queries[1]["dns"]["type"]),
        (&"b.example".into(), &"query".into())
    );
    let answers = told(&answer);
    assert_eq!(answers.len(), 1);
    let body = &answers[0]["dns"];
    assert_eq!(
        (&body["version"], &body["type"], &body["rrname"]),
        (&2.into(), &"answer".into(), &"a.example".into())
    );
    assert_eq!((&body["grouped"]["A"][0], &answers[0]["src_ip"]), (&"192.0.2.1".into(), &"10.0.0.5".into()));
}
