use std::io::{BufReader, Read};
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::thread;

use crossbeam_channel::{Receiver, Sender as ToTap, bounded, unbounded};
use proptest::prelude::*;
use rustls::{ServerConnection, StreamOwned};
use syslog_loose::{ProcId, Protocol, SyslogFacility, SyslogSeverity, Variant};

use super::*;
use crate::testing::{TIME, alert, count, ip, isolation, server_tls, stamp, tuple, until};

fn options(address: &str) -> SyslogOptions {
    SyslogOptions {
        name: "x".into(),
        sensor: Some("berlin".into()),
        address: address.parse().unwrap(),
        format: Format::Rfc5424,
        facility: Facility::named("local4").unwrap(),
        app_name: "ringward".into(),
        ca_file: None,
        timeout: Duration::from_secs(2),
        max_retry: Duration::from_millis(100),
        max_bytes: 8192,
    }
}

fn sender() -> Sender {
    Sender { host: "sensor".into(), pid: 7, ..Sender::here(&options("udp://h")) }
}

fn event(text: &str) -> Event {
    Event::Alert(Box::new(alert(text)))
}

fn step(text: &str) -> Event {
    let mut step = isolation();
    step.reason = text.to_owned();
    step.not_enforced_because = Some(text.to_owned());
    step.who = Some(text.into());
    Event::Isolation(Box::new(step))
}

#[test]
fn a_message_is_as_rfc_5424_has_it() {
    let (message, shortened) = rfc5424::message(&sender(), &stamp(), &event("a \"b\" ]\\"), 8192).unwrap();
    let want = "<162>1 2023-11-14T22:13:20.123456Z sensor ringward 7 alert [ringward@32473 gid=\"7737\" sid=\"1001\" \
                rev=\"1\" severity=\"1\" signature=\"a \\\"b\\\" \\]\\\\\" category=\"a \\\"b\\\" \\]\\\\\" \
                src=\"10.77.0.1\" spt=\"40000\" dst=\"10.77.0.2\" dpt=\"53\" proto=\"UDP\" victim=\"10.77.0.1\" \
                indicator=\"a \\\"b\\\" \\]\\\\\" technique=\"T1071.004\"] {\"timestamp\":\"";
    assert!(message.starts_with(want) && !shortened, "{message}");
    let (message, _) = rfc5424::message(&sender(), &stamp(), &step("why"), 8192).unwrap();
    assert!(
        message.contains(" isolation [ringward@32473 host=\"10.77.0.1\" action=\"isolate\" scope=\"both\"")
    );
}

#[test]
fn a_message_is_as_cef_has_it() {
    let (message, _) = cef::message(&sender(), &stamp(), &event("a|b=c\\d\ne"), 8192).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let want = format!(
        "<162>Nov 14 22:13:20 sensor CEF:0|Ringward|Ringward|{version}|7737:1001|a\\|b=c\\\\d e|9|rt=1700000000123 \
         dvchost=sensor deviceInboundInterface=span cat=a|b\\=c\\\\d\\ne act=alert src=10.77.0.1 spt=40000 \
         dst=10.77.0.2 dpt=53 proto=UDP externalId=7 cn1Label=severity cn1=1 cs1Label=mitreTechniqueId \
         cs1=T1071.004 cs2Label=indicator cs2=a|b\\=c\\\\d\\ne cs3Label=indicatorSource cs3=iocs.csv:1 \
         msg=a|b\\=c\\\\d\\ne cs4Label=victim cs4=10.77.0.1"
    );
    assert_eq!(message, want);
    let mut six = alert("x");
    six.flow = Some(tuple("fd77::1", "fd77::2"));
    let (message, _) = cef::message(&sender(), &stamp(), &Event::Alert(Box::new(six)), 8192).unwrap();
    assert!(
        message.contains(" c6a2Label=Source IPv6 Address c6a2=fd77::1 spt=40000 c6a3Label="),
        "{message}"
    );
    assert!(!message.contains(" src=") && !message.contains(" dst="));
    let (message, _) = cef::message(&sender(), &stamp(), &step("why"), 8192).unwrap();
    assert!(message.contains("|isolation:isolate|Host isolated|8|"), "{message}");
    assert!(message.contains(" outcome=success reason=why src=10.77.0.1 dst=10.77.0.2 "), "{message}");
    // The day has no zero in front.
    let early = Stamp { time: wire::Nanos(1_696_118_400_000_000_000), ..stamp() };
    let (message, _) = cef::message(&sender(), &early, &event("x"), 8192).unwrap();
    assert!(message.starts_with("<162>Oct  1 00:00:00 sensor CEF:0|"), "{message}");
}

/// The fields of the header and the extensions, as the guide says that they are to be read.
fn read_cef(message: &str) -> (Vec<String>, Vec<(String, String)>) {
    let (_, mut rest) = message.split_once(" CEF:").unwrap();
    let mut fields = Vec::new();
    while fields.len() < 7 {
        let mut field = String::new();
        let mut chars = rest.char_indices();
        loop {
            match chars.next().expect("seven fields") {
                (_, '\\') => field.push(chars.next().unwrap().1),
                (at, '|') => {
                    rest = &rest[at + 1..];
                    break;
                }
                (_, c) => field.push(c),
            }
        }
        fields.push(field);
    }
    // A key begins after a space and ends at an equals sign that is not escaped.
    let mut pairs: Vec<(String, String)> = Vec::new();
    let mut value = String::new();
    let mut chars = rest.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => value.push(match chars.next().unwrap() {
                'n' => '\n',
                'r' => '\r',
                c => {
                    assert!(c == '\\' || c == '=', "\\{c}");
                    c
                }
            }),
            '=' => {
                let (before, key) = value.rsplit_once(' ').unwrap_or(("", &value));
                let (before, key) = (before.to_owned(), key.to_owned());
                if let Some(last) = pairs.last_mut() {
                    last.1 = before;
                }
                pairs.push((key, String::new()));
                value.clear();
            }
            c => value.push(c),
        }
    }
    pairs.last_mut().unwrap().1 = value;
    (fields, pairs)
}

fn spaced(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Texts that are likely to break something among any others.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[\\x00-\\x7f\u{80}-\u{a0}é😀]{0,200}",
        "[\\]\"\\\\|=\n\r \\[{}]{0,40}",
        "(é|x|\"|\\\\|😀){0,3000}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// An oracle reads what was written; the message is JSON of the same event, and it is one line within the limit.
    #[test]
    fn any_text_makes_a_valid_message(text in text(), limit in 2048_usize..9000, alert in any::<bool>()) {
        let event = if alert { event(&text) } else { step(&text) };
        let (message, shortened) = rfc5424::message(&sender(), &stamp(), &event, limit).unwrap();
        prop_assert!(message.len() <= limit, "{} > {limit}", message.len());
        prop_assert!(!message.contains(|c: char| c.is_control()));
        let read = syslog_loose::parse_message(&message, Variant::RFC5424);
        prop_assert_eq!(&read.protocol, &Protocol::RFC5424(1));
        prop_assert_eq!(read.facility, Some(SyslogFacility::LOG_LOCAL4));
        prop_assert_eq!(read.severity, Some(SyslogSeverity::SEV_CRIT));
        prop_assert_eq!(read.timestamp.unwrap().timestamp_nanos_opt(), Some(TIME.0 as i64 / 1000 * 1000));
        prop_assert_eq!((read.hostname, read.appname), (Some("sensor"), Some("ringward")));
        prop_assert_eq!(&read.procid, &Some(ProcId::PID(7)));
        prop_assert_eq!(read.msgid, Some(if alert { "alert" } else { "isolation" }));
        prop_assert_eq!(read.structured_data.len(), 1);
        let element = &read.structured_data[0];
        prop_assert_eq!(element.id, "ringward@32473");
        let name = if alert { "signature" } else { "reason" };
        if !text.is_empty() {
            let value = element.params().find(|(n, _)| **n == name).unwrap().1;
            let want = spaced(&text);
            prop_assert_eq!(value, super::line::at_most(&want, 128));
        }
        let json: serde_json::Value = serde_json::from_str(read.msg).unwrap();
        prop_assert_eq!(json["shortened"].as_bool().unwrap_or(false), shortened);
        if !shortened {
            let place = if alert { &json["alert"]["signature"] } else { &json["isolation"]["reason"] };
            prop_assert_eq!(place.as_str(), Some(text.as_str()));
        }
    }

    #[test]
    fn any_text_makes_valid_cef(text in text(), limit in 2048_usize..9000, alert in any::<bool>()) {
        let event = if alert { event(&text) } else { step(&text) };
        let (message, shortened) = cef::message(&sender(), &stamp(), &event, limit).unwrap();
        prop_assert!(message.len() <= limit);
        prop_assert!(!message.contains(|c: char| c.is_control()));
        let (fields, pairs) = read_cef(&message);
        prop_assert_eq!((fields[0].as_str(), fields[1].as_str()), ("0", "Ringward"));
        let of = |key: &str| pairs.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str());
        prop_assert_eq!(of("rt"), Some("1700000000123"));
        if alert {
            let want = spaced(&text);
            prop_assert_eq!(&fields[5], super::line::at_most(&want, 512));
        }
        let free = if alert { "cs2" } else { "reason" };
        let kept = super::line::at_most(&text, 1023);
        let seen: String =
            kept.chars().map(|c| if c.is_control() && c != '\n' && c != '\r' { ' ' } else { c }).collect();
        // A value's end is lost in the space before the next key if it is one itself: readers trim.
        if !shortened && !seen.is_empty() {
            prop_assert_eq!(of(free).map(str::trim), Some(seen.trim()));
        }
    }
}

fn start(options: SyslogOptions) -> (ToTap<(Stamp, Event)>, Syslog) {
    let (tap, events) = bounded(1000);
    (tap, Syslog::start(options, events).unwrap())
}

fn tell(tap: &ToTap<(Stamp, Event)>, range: std::ops::Range<u32>) {
    for n in range {
        tap.send((stamp(), event(&n.to_string()))).unwrap();
    }
}

fn signature(message: &str) -> String {
    let read = syslog_loose::parse_message(message, Variant::RFC5424);
    read.structured_data[0].params().find(|(n, _)| **n == "signature").unwrap().1
}

/// Octet-counted messages until the other side ends, or there were so many.
fn frames(stream: impl Read, most: usize, to: &crossbeam_channel::Sender<String>) {
    let mut stream = BufReader::new(stream);
    for _ in 0..most {
        let mut count = Vec::new();
        loop {
            let mut byte = [0];
            if stream.read_exact(&mut byte).is_err() {
                return;
            }
            if byte == *b" " {
                break;
            }
            count.push(byte[0]);
        }
        let mut message = vec![0; String::from_utf8(count).unwrap().parse().unwrap()];
        stream.read_exact(&mut message).unwrap();
        to.send(String::from_utf8(message).unwrap()).unwrap();
    }
}

fn next(from: &Receiver<String>) -> String {
    signature(&from.recv_timeout(Duration::from_secs(10)).expect("a message"))
}

#[test]
fn tcp_connects_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (tap, syslog) = start(options(&format!("tcp://{}", listener.local_addr().unwrap())));
    let (to, messages) = unbounded();
    let server = thread::spawn(move || {
        // Three connections: two end after two messages.
        for most in [2, 2, usize::MAX] {
            let (stream, _) = listener.accept().unwrap();
            frames(stream, most, &to);
        }
    });
    let counters = syslog.counters();
    for n in [0..2, 2..4, 4..6] {
        tell(&tap, n.clone());
        assert_eq!((next(&messages), next(&messages)), (n.start.to_string(), (n.start + 1).to_string()));
        // The receiver's end of the connection is on its way.
        thread::sleep(Duration::from_millis(100));
    }
    assert_eq!((count(&counters, "sent"), count(&counters, "failed")), (6, 2));
    drop(tap);
    syslog.finish(Duration::from_secs(2));
    server.join().unwrap();
}

#[test]
fn tls_is_verified() {
    let dir = tempfile::tempdir().unwrap();
    let (own, other) = (dir.path().join("own.pem"), dir.path().join("other.pem"));
    let config = server_tls(&own);
    server_tls(&other);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("tls://localhost:{}", listener.local_addr().unwrap().port());
    let (to, messages) = unbounded();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = ServerConnection::new(config.clone()).unwrap();
            frames(StreamOwned::new(connection, stream), usize::MAX, &to);
        }
    });
    let (tap, syslog) = start(SyslogOptions { ca_file: Some(other), ..options(&address) });
    tell(&tap, 0..1);
    let counters = syslog.counters();
    until("it is tried", || count(&counters, "failed") > 1);
    drop(tap);
    syslog.finish(Duration::from_millis(100));
    until("it is given up", || count(&counters, "dropped") == 1);
    assert!(messages.is_empty());
    let (tap, syslog) = start(SyslogOptions { ca_file: Some(own), ..options(&address) });
    tell(&tap, 1..100);
    for n in 1..100 {
        assert_eq!(next(&messages), n.to_string());
    }
    drop(tap);
    syslog.finish(Duration::from_secs(2));
}

#[test]
fn datagrams_are_whole_messages() {
    let dir = tempfile::tempdir().unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let path = dir.path().join("log");
    let unix = UnixDatagram::bind(&path).unwrap();
    unix.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut buffer = vec![0; 65_536];
    let (tap, _udp) = start(options(&format!("udp://{}", udp.local_addr().unwrap())));
    tell(&tap, 0..1);
    let n = udp.recv(&mut buffer).unwrap();
    assert_eq!(signature(std::str::from_utf8(&buffer[..n]).unwrap()), "0");
    let (tap, syslog) = start(options(&format!("unix:{}", path.display())));
    tell(&tap, 1..2);
    let n = unix.recv(&mut buffer).unwrap();
    assert_eq!(signature(std::str::from_utf8(&buffer[..n]).unwrap()), "1");
    // A daemon that is started again.
    drop(unix);
    std::fs::remove_file(&path).unwrap();
    let unix = UnixDatagram::bind(&path).unwrap();
    unix.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    tell(&tap, 2..3);
    let n = unix.recv(&mut buffer).unwrap();
    assert_eq!(signature(std::str::from_utf8(&buffer[..n]).unwrap()), "2");
    assert_eq!(count(&syslog.counters(), "failed"), 1);
}

#[test]
fn a_large_event_is_shortened() {
    let mut large = alert("s");
    large.alert.hit.as_mut().unwrap().observed = "x".repeat(100_000);
    large.alert.victim = Some(ip("10.0.0.9"));
    let event = Event::Alert(Box::new(large));
    let (message, shortened) = rfc5424::message(&sender(), &stamp(), &event, 8192).unwrap();
    assert!(shortened && message.len() < 2048 && message.contains("\"shortened\":true"), "{message}");
}
