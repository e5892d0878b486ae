use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Mutex;
use std::thread;

use crossbeam_channel::{Sender as ToTap, bounded};
use rustls::{ServerConnection, StreamOwned};

use super::*;
use crate::testing::{alert, count, server_tls, stamp, until};

const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// What the server does with a request.
#[derive(Clone, Debug)]
enum Does {
    Answers(&'static str),
    HangsUp,
    Waits(Duration),
}

#[derive(Clone, Debug)]
struct Got {
    at: Instant,
    head: String,
    fields: BTreeMap<String, String>,
    body: String,
}

impl Got {
    fn signature(&self) -> String {
        let value: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        value["data"]["alert"]["signature"].as_str().unwrap().to_owned()
    }
}

/// A server that does what is scripted, then answers 204.
struct Server {
    at: SocketAddr,
    got: Arc<Mutex<Vec<Got>>>,
}

impl Server {
    fn start(script: &[Does], tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), script, tls)
    }

    fn on(listener: TcpListener, script: &[Does], tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let at = listener.local_addr().unwrap();
        let got = Arc::<Mutex<Vec<Got>>>::default();
        let told = got.clone();
        let mut script: VecDeque<Does> = script.to_vec().into();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let served = match &tls {
                    None => serve(stream, &told, &mut script),
                    Some(config) => {
                        let connection = ServerConnection::new(config.clone()).unwrap();
                        serve(StreamOwned::new(connection, stream), &told, &mut script)
                    }
                };
                drop(served);
            }
        });
        Server { at, got }
    }

    fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }
}

/// One connection, as many requests as the client makes of it.
fn serve(
    stream: impl Read + Write,
    got: &Mutex<Vec<Got>>,
    script: &mut VecDeque<Does>,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        if stream.read_line(&mut head)? == 0 {
            return Ok(());
        }
        let mut fields = BTreeMap::new();
        loop {
            let mut line = String::new();
            stream.read_line(&mut line)?;
            let Some((name, value)) = line.trim().split_once(':') else { break };
            fields.insert(name.to_lowercase(), value.trim().to_owned());
        }
        let mut body = vec![0; fields.get("content-length").map_or(0, |len| len.parse().unwrap())];
        stream.read_exact(&mut body)?;
        let body = String::from_utf8(body).unwrap();
        got.lock().unwrap().push(Got { at: Instant::now(), head, fields, body });
        let answer = match script.pop_front() {
            None => "204 No Content\r\n",
            Some(Does::Answers(text)) => text,
            Some(Does::HangsUp) => return Ok(()),
            Some(Does::Waits(long)) => {
                thread::sleep(long);
                return Ok(());
            }
        };
        let length = if answer.starts_with("204") { "" } else { "Content-Length: 0\r\n" };
        stream.get_mut().write_all(format!("HTTP/1.1 {answer}{length}\r\n").as_bytes())?;
        stream.get_mut().flush()?;
    }
}

fn options(dir: &Path, at: SocketAddr) -> WebhookOptions {
    let secret = dir.join("secret");
    std::fs::write(&secret, SECRET).unwrap();
    WebhookOptions {
        name: "x".into(),
        sensor: Some("berlin".into()),
        url: format!("http://{at}/hook?a=1"),
        secret_file: Some(secret),
        ca_file: None,
        headers: vec![("Authorization".into(), "Bearer t".into())],
        timeout: Duration::from_secs(5),
        max_retry: Duration::from_millis(200),
        spool: dir.join("queue"),
        max_bytes: 1 << 20,
        max_age: Duration::from_secs(3600),
    }
}

fn start(options: WebhookOptions) -> (ToTap<(Stamp, Event)>, Webhook) {
    let (tap, events) = bounded(1000);
    (tap, Webhook::start(options, events).unwrap())
}

fn tell(tap: &ToTap<(Stamp, Event)>, texts: impl IntoIterator<Item = String>) {
    for text in texts {
        tap.send((stamp(), Event::Alert(Box::new(alert(&text))))).unwrap();
    }
}

fn numbers(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|n| n.to_string()).collect()
}

#[test]
fn a_receiver_that_fails_in_every_way_gets_all_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let script = [
        Does::Answers("500 Oops\r\n"),
        Does::HangsUp,
        Does::Answers("204 No Content\r\n"),
        Does::Answers("429 Too Many Requests\r\nRetry-After: 1\r\n"),
        Does::Waits(Duration::from_millis(700)),
        Does::Answers("503 Unavailable\r\n"),
        Does::Answers("408 Request Timeout\r\n"),
    ];
    let server = Server::start(&script, None);
    let (tap, webhook) =
        start(WebhookOptions { timeout: Duration::from_millis(400), ..options(dir.path(), server.at) });
    tell(&tap, numbers(0..20));
    let counters = webhook.counters();
    until("all are delivered", || count(&counters, "sent") == 20);
    let got = server.got();
    assert_eq!(got.len(), 26);
    // Those that are the same event have the same id and body; deduplicated they are in order.
    let mut ids: Vec<&str> = got.iter().map(|g| g.fields["webhook-id"].as_str()).collect();
    ids.dedup();
    assert_eq!(ids.len(), 20);
    let mut order: Vec<String> = got.iter().map(Got::signature).collect();
    order.dedup();
    assert_eq!(order, numbers(0..20));
    assert!(got[4].at - got[3].at >= Duration::from_secs(1), "Retry-After is not honoured");
    let of = |name: &str| count(&counters, name);
    assert_eq!((of("failed"), of("retried"), of("refused"), of("dropped")), (6, 6, 0, 0));
    let first = &got[0];
    assert!(first.head.starts_with("POST /hook?a=1 HTTP/1.1"), "{}", first.head);
    assert_eq!(first.fields["content-type"], "application/json");
    assert_eq!(first.fields["authorization"], "Bearer t");
    let body: serde_json::Value = serde_json::from_str(&first.body).unwrap();
    assert_eq!(
        (&body["type"], &body["timestamp"]),
        (&"ringward.alert".into(), &"2023-11-14T22:13:20.123456789Z".into())
    );
    assert_eq!(body["data"]["event_type"], "alert");
    drop(tap);
    assert_eq!(webhook.finish(Duration::from_secs(5)), 0);
}

#[test]
fn what_is_refused_is_counted_and_not_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&[Does::Answers("400 Bad Request\r\n"), Does::Answers("410 Gone\r\n")], None);
    let (tap, webhook) = start(options(dir.path(), server.at));
    tell(&tap, numbers(0..3));
    let counters = webhook.counters();
    until("all are told", || count(&counters, "sent") + count(&counters, "refused") == 3);
    assert_eq!((count(&counters, "refused"), count(&counters, "retried"), server.got().len()), (2, 0, 3));
}

#[test]
fn a_dead_receiver_costs_nothing_and_gets_all_when_it_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    drop(listener);
    let (tap, webhook) = start(options(dir.path(), at));
    tell(&tap, numbers(0..50));
    let counters = webhook.counters();
    until("they are tried", || count(&counters, "failed") > 1 && count(&counters, "queued") == 50);
    drop(tap);
    let stopping = Instant::now();
    assert_eq!(webhook.finish(Duration::from_secs(5)), 50);
    // Nobody waits for a receiver that is known to be dead.
    assert!(stopping.elapsed() < Duration::from_secs(2), "{:?}", stopping.elapsed());
    let server = Server::on(TcpListener::bind(at).unwrap(), &[], None);
    let (tap, webhook) = start(options(dir.path(), at));
    tell(&tap, numbers(50..60));
    let counters = webhook.counters();
    until("all are delivered", || count(&counters, "sent") == 60);
    let order: Vec<String> = server.got().iter().map(Got::signature).collect();
    assert_eq!(order, numbers(0..60));
    assert_eq!((count(&counters, "queued"), count(&counters, "queued_bytes")), (0, 0));
}

#[test]
fn what_is_left_at_the_end_is_sent_within_its_time() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&[], None);
    let (tap, webhook) = start(options(dir.path(), server.at));
    tell(&tap, numbers(0..100));
    drop(tap);
    assert_eq!(webhook.finish(Duration::from_secs(10)), 0);
    assert_eq!(server.got().len(), 100);
}

#[test]
fn redirects_are_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let elsewhere = Server::start(&[], None);
    let there = format!("307 Temporary Redirect\r\nLocation: http://{}/\r\n", elsewhere.at).leak();
    let server = Server::start(&[Does::Answers(there)], None);
    let (tap, webhook) = start(options(dir.path(), server.at));
    tell(&tap, numbers(0..1));
    let counters = webhook.counters();
    until("it is delivered", || count(&counters, "sent") == 1);
    assert_eq!((elsewhere.got().len(), server.got().len(), count(&counters, "failed")), (0, 2, 1));
}

#[test]
fn whom_nobody_vouches_for_gets_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (own, other) = (dir.path().join("own.pem"), dir.path().join("other.pem"));
    let server = Server::start(&[], Some(server_tls(&own)));
    server_tls(&other);
    let options = WebhookOptions {
        url: format!("https://localhost:{}/", server.at.port()),
        ca_file: Some(other),
        ..options(dir.path(), server.at)
    };
    let (tap, webhook) = start(options.clone());
    tell(&tap, numbers(0..1));
    let counters = webhook.counters();
    until("it is tried", || count(&counters, "failed") > 1);
    assert_eq!(server.got().len(), 0);
    drop(tap);
    assert_eq!(webhook.finish(Duration::from_secs(5)), 1);
    let (_tap, webhook) = start(WebhookOptions { ca_file: Some(own), ..options });
    let counters = webhook.counters();
    until("it is delivered", || count(&counters, "sent") == 1);
    assert_eq!(server.got().len(), 1);
}

#[test]
fn header_fields_are_checked() {
    assert!(check_header("Authorization", "Bearer x").is_ok());
    for (name, value) in
        [("a b", "x"), ("", "x"), ("X", "a\r\nb"), ("Webhook-Id", "x"), ("host", "x"), ("Content-Type", "x")]
    {
        assert!(check_header(name, value).is_err(), "{name}");
    }
}
