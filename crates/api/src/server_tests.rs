use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Instant;

use engine::Stats;
use output::{AuditAction, AuditEvent};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::*;
use crate::client::{Client, ClientError, Remote};
use crate::counters::ApiCounters;
use crate::limits::HEAD_TIMEOUT;
use crate::options::{HttpsOptions, Options, Scope, SocketOptions, Token};

/// A server with an authority that signed for it, in a folder.
struct House {
    dir: TempDir,
    at: SocketAddr,
    counters: Arc<ApiCounters>,
    told: Arc<Mutex<Vec<AuditEvent>>>,
    server: Option<Server>,
}

fn authority(name: &str) -> (String, Issuer<'static, KeyPair>) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    let pem = params.self_signed(&key).unwrap().pem();
    (pem, Issuer::new(params, key))
}

impl House {
    fn new(tokens: bool, client_ca: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let (pem, ca) = authority("ours");
        std::fs::write(path("ca.pem"), pem).unwrap();
        let (pem, others) = authority("somebody else's");
        std::fs::write(path("other-ca.pem"), pem).unwrap();
        for (name, ca) in [("server", &ca), ("soc", &ca), ("spy", &others)] {
            let mut params = CertificateParams::new(vec!["localhost".into(), "127.0.0.1".into()]).unwrap();
            params.distinguished_name.push(DnType::CommonName, name);
            let key = KeyPair::generate().unwrap();
            std::fs::write(path(&format!("{name}.pem")), params.signed_by(&key, ca).unwrap().pem()).unwrap();
            std::fs::write(path(&format!("{name}.key")), key.serialize_pem()).unwrap();
        }
        std::fs::write(path("token"), "opensesame\n").unwrap();
        std::fs::write(path("bad-token"), "openrice\n").unwrap();
        let token =
            Token { name: "t".into(), hash: Sha256::digest("opensesame").into(), scope: Scope::Write };
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let bound = Bound::bind(&Options {
            socket: SocketOptions { path: path("s.sock"), mode: 0o600, group: None },
            https: Some(HttpsOptions {
                listen: free,
                certificate: path("server.pem"),
                key: path("server.key"),
                client_ca: client_ca.then(|| path("ca.pem")),
                client_write: Vec::new(),
                tokens: if tokens { vec![token] } else { Vec::new() },
            }),
        })
        .unwrap();
        let counters = bound.door.counters.clone();
        let ask = |_: Request, caller: &Caller| Reply::Stats {
            stats: Stats {
                uptime_s: 1,
                counters: vec![(caller.who.as_ref().unwrap().to_string(), 0)],
                degraded: Vec::new(),
            },
        };
        let told = Arc::<Mutex<Vec<AuditEvent>>>::default();
        let to = told.clone();
        let bound = bound.on_record(move |event| to.lock().unwrap().push(event));
        let server = Some(bound.serve(ask).unwrap());
        House { dir, at: free, counters, told, server }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Waits: a client may know before the counter does.
    fn handshakes_failed(&self, times: u64) {
        let end = Instant::now() + Duration::from_secs(10);
        while self.counters.handshakes.get() != times {
            assert!(Instant::now() < end, "{} handshakes failed", self.counters.handshakes.get());
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn local(&self) -> Client {
        Client::socket(self.path("s.sock"))
    }

    /// As whom the server knows a client with these files; or why there is no answer.
    fn asks(&self, ca: &str, token: Option<&str>, certificate: Option<&str>) -> Result<String, String> {
        let url = format!("https://localhost:{}", self.at.port());
        let token = token.map(|name| self.path(name));
        let certificate =
            certificate.map(|name| (self.path(&format!("{name}.pem")), self.path(&format!("{name}.key"))));
        let client = Client::https(&Remote {
            url: &url,
            ca: &self.path(ca),
            token_file: token.as_deref(),
            certificate: certificate.as_ref().map(|(c, k)| (c.as_path(), k.as_path())),
        });
        match client.unwrap().ask(&Request::Stats) {
            Ok(Reply::Stats { stats }) => Ok(stats.counters[0].0.clone()),
            Ok(Reply::Refused { message }) => Err(message),
            Ok(other) => panic!("{other:?}"),
            Err(err) => Err(err.to_string()),
        }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            server.stop();
        }
        assert!(!self.path("s.sock").exists(), "the socket is gone at the end");
    }
}

/// What a server sends until it hangs up.
fn rest(mut stream: impl Read) -> String {
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

#[test]
fn the_socket_knows_its_callers() {
    let house = House::new(true, false);
    let uid = rustix::process::getuid().as_raw();
    let Ok(Reply::Stats { stats }) = house.local().ask(&Request::Stats) else { panic!("no stats") };
    assert_eq!(stats.counters[0].0, format!("uid {uid}"));
    let nobody = Client::socket(house.path("absent.sock")).ask(&Request::Stats);
    assert!(matches!(nobody, Err(ClientError::NotRunning { .. })), "{nobody:?}");
}

#[test]
fn https_opens_to_a_token_or_a_certificate() {
    let house = House::new(true, true);
    assert_eq!(house.asks("ca.pem", Some("token"), None), Ok("token t".into()));
    assert_eq!(house.asks("ca.pem", None, Some("soc")), Ok("certificate soc".into()));
    let refused = |ca, token, certificate| house.asks(ca, token, certificate).unwrap_err();
    assert_eq!(refused("ca.pem", Some("bad-token"), None), "this is no token of this sensor");
    assert_eq!(refused("ca.pem", None, None), "a bearer token is needed");
    let unknown = refused("ca.pem", Some("token"), Some("spy"));
    assert!(unknown.contains("UnknownCA") || unknown.contains("UnknownIssuer"), "{unknown}");
    let wrong = refused("other-ca.pem", Some("token"), None);
    assert!(wrong.contains("UnknownIssuer"), "{wrong}");
    assert_eq!(house.counters.unauthorized.get(), 2);
    house.handshakes_failed(2);
}

#[test]
fn without_tokens_a_certificate_is_a_must() {
    let house = House::new(false, true);
    assert_eq!(house.asks("ca.pem", None, Some("soc")), Ok("certificate soc".into()));
    let refused = house.asks("ca.pem", Some("token"), None).unwrap_err();
    assert!(refused.contains("CertificateRequired"), "{refused}");
    house.handshakes_failed(1);
}

#[test]
fn there_is_no_http_over_tcp() {
    let house = House::new(true, false);
    let mut stream = TcpStream::connect(house.at).unwrap();
    stream
        .write_all(b"GET /v1/stats HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer opensesame\r\n\r\n")
        .unwrap();
    let said = rest(&stream);
    assert!(!said.contains("HTTP"), "{said}");
    house.handshakes_failed(1);
    assert_eq!(house.counters.requests.get(), 0);
}

#[test]
fn certificates_that_were_renewed_count_and_bad_ones_do_not() {
    let house = House::new(true, true);
    let good = ["server.pem", "server.key", "ca.pem"].map(|name| std::fs::read(house.path(name)).unwrap());
    std::fs::write(house.path("server.pem"), "no certificate").unwrap();
    assert!(house.asks("ca.pem", Some("token"), None).is_ok(), "the former is in force");
    for name in ["pem", "key"] {
        std::fs::copy(house.path(&format!("spy.{name}")), house.path(&format!("server.{name}"))).unwrap();
    }
    assert!(house.asks("ca.pem", Some("token"), None).unwrap_err().contains("UnknownIssuer"));
    assert!(house.asks("other-ca.pem", Some("token"), None).is_ok());
    for (name, text) in ["server.pem", "server.key", "ca.pem"].iter().zip(good) {
        std::fs::write(house.path(name), text).unwrap();
    }
    assert!(house.asks("ca.pem", Some("token"), None).is_ok());
}

/// Answers come within this, however many idle clients there are.
const AT_ONCE: Duration = Duration::from_secs(1);

#[test]
fn idle_clients_of_the_socket_shut_nobody_out() {
    let house = House::new(true, false);
    let idle: Vec<UnixStream> =
        (0..200).map(|_| UnixStream::connect(house.path("s.sock")).unwrap()).collect();
    let began = Instant::now();
    assert!(house.local().ask(&Request::Stats).is_ok());
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    assert!(house.counters.idle.get() >= 100, "{}", house.counters.idle.get());
    drop(idle);
}

#[test]
fn idle_https_connections_shut_nobody_out() {
    let house = House::new(true, false);
    let idle: Vec<TcpStream> = (0..200).map(|_| TcpStream::connect(house.at).unwrap()).collect();
    let began = Instant::now();
    assert_eq!(house.asks("ca.pem", Some("token"), None), Ok("token t".into()));
    assert!(house.local().ask(&Request::Stats).is_ok());
    assert!(began.elapsed() < AT_ONCE, "{:?}", began.elapsed());
    assert!(house.counters.idle.get() >= 100, "{}", house.counters.idle.get());
    assert_eq!(house.counters.crowded.get(), 0);
    drop(idle);
}

#[test]
fn log_ins_and_refusals_are_on_record() {
    let house = House::new(true, true);
    let told = || house.told.lock().unwrap().clone();
    assert!(house.asks("ca.pem", Some("token"), None).is_ok());
    assert!(house.asks("ca.pem", Some("token"), None).is_ok());
    assert!(house.asks("ca.pem", None, Some("soc")).is_ok());
    assert!(house.asks("ca.pem", Some("bad-token"), None).is_err());
    let seen: Vec<(AuditAction, Option<String>)> =
        told().iter().map(|event| (event.action, event.who.as_deref().map(str::to_owned))).collect();
    assert_eq!(
        seen,
        [
            (AuditAction::Login, Some("token t".into())),
            (AuditAction::Login, Some("certificate soc".into())),
            (AuditAction::LoginRefused, None)
        ]
    );
    let refused = &told()[2];
    assert_eq!(refused.refused.as_deref(), Some("wrong token"));
    assert!(refused.from.as_deref().unwrap().starts_with("127.0.0.1:"), "{refused:?}");
}

#[test]
fn who_is_slow_or_talks_nonsense_is_hung_up_on() {
    let house = House::new(true, false);
    let connect = || UnixStream::connect(house.path("s.sock")).unwrap();
    let say = |text: &[u8]| {
        let mut stream = connect();
        let _ = stream.write_all(text);
        let mut head = [0; 12];
        let _ = stream.read(&mut head);
        String::from_utf8_lossy(&head).into_owned()
    };
    let began = Instant::now();
    let (silent, mut slow) = (connect(), connect());
    slow.write_all(b"GET /v1/stats HTTP/1.1\r\nHost:").unwrap();
    assert_eq!(say(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"), "HTTP/1.1 400");
    let fields = "X: y\r\n".repeat(100);
    assert_eq!(say(format!("GET / HTTP/1.1\r\nHost: x\r\n{fields}\r\n").as_bytes()), "HTTP/1.1 431");
    let long = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", "x".repeat(100_000));
    assert_eq!(say(long.as_bytes()), "HTTP/1.1 431");
    let body =
        "POST /v1/isolations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ";
    assert_eq!(say(format!("{body}99999999999\r\n\r\n").as_bytes()), "HTTP/1.1 413");
    let slow_body = thread::spawn({
        let mut stream = connect();
        move || {
            stream.write_all(format!("{body}20\r\n\r\n{{").as_bytes()).unwrap();
            rest(stream)
        }
    });
    // Others are served meanwhile.
    assert!(house.local().ask(&Request::Stats).is_ok());
    assert!(rest(&slow).is_empty() || !rest(&slow).contains("200"));
    assert!(!rest(&silent).contains("200"));
    assert!(began.elapsed() >= HEAD_TIMEOUT && began.elapsed() < 3 * HEAD_TIMEOUT, "{:?}", began.elapsed());
    assert!(slow_body.join().unwrap().starts_with("HTTP/1.1 408 "));
    let counters = &house.counters;
    // Two heads and a body.
    assert_eq!(counters.timeouts.get(), 3);
    assert_eq!(counters.broken.get(), 3);
    assert_eq!(counters.too_large.get(), 1);
}

#[test]
fn a_request_that_is_being_answered_does_not_hold_up_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.sock");
    let options =
        Options { socket: SocketOptions { path: path.clone(), mode: 0o600, group: None }, https: None };
    let ask = |_: Request, _: &Caller| {
        thread::sleep(Duration::from_secs(30));
        Reply::Done { message: String::new() }
    };
    let server = Bound::bind(&options).unwrap().serve(ask).unwrap();
    let client = thread::spawn(move || Client::socket(path).ask(&Request::Reload));
    thread::sleep(Duration::from_millis(200));
    let began = Instant::now();
    server.stop();
    assert!(began.elapsed() < Duration::from_secs(5));
    assert!(matches!(client.join().unwrap(), Err(ClientError::Broken { .. })));
}
