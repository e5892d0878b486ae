use std::sync::{Arc, Mutex};

use alert::Text;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Method, Request as Http, StatusCode, header};
use axum::response::Response;
use engine::{Caller, HitRow, Listed, Reply, Request, Stats};
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use tower::ServiceExt;
use wire::Scope as Reach;

use super::*;
use crate::access::Door;
use crate::client::{call, reply};
use crate::limits::{MAX_BODY, MAX_FAILURES};
use crate::options::{HttpsOptions, Scope, Token};
use crate::peer::Peer;

const LOCAL: Peer = Peer::Local { uid: 1000, gid: 1000, pid: Some(7) };

fn remote(certificate: Option<&str>) -> Peer {
    Peer::Remote { at: "192.0.2.1:4000".parse().unwrap(), certificate: certificate.map(Into::into) }
}

/// A sensor that says what it is asked, and answers so.
#[derive(Clone, Default)]
struct Desk {
    asked: Arc<Mutex<Vec<(Request, Caller)>>>,
    refuses: bool,
}

impl Desk {
    fn router(&self) -> (Router, Arc<Door>) {
        let token = |name: &str, scope| Token {
            name: name.into(),
            hash: Sha256::digest(format!("secret of {name}")).into(),
            scope,
        };
        let https = HttpsOptions {
            listen: "127.0.0.1:0".parse().unwrap(),
            certificate: "c".into(),
            key: "k".into(),
            client_ca: None,
            client_write: vec!["soc".into()],
            tokens: vec![token("watcher", Scope::Read), token("operator", Scope::Write)],
        };
        let door = Arc::new(Door::new(Some(&https), Arc::default()));
        let desk = self.clone();
        let ask: Ask = Arc::new(move |request, caller| desk.answer(request, caller));
        (router(App::new(ask), door.clone()), door)
    }

    fn answer(&self, request: Request, caller: &Caller) -> Reply {
        let reply = if self.refuses { Reply::Refused { message: "no".into() } } else { answer(&request) };
        self.asked.lock().unwrap().push((request, caller.clone()));
        reply
    }

    fn asked(&self) -> Vec<(Request, Caller)> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

fn answer(request: &Request) -> Reply {
    match request {
        Request::IsolateList => Reply::Hosts {
            held: true,
            hosts: vec![Listed {
                changes: Vec::new(),
                host: "10.1.0.0/16".into(),
                scope: "peers".into(),
                peers: vec!["192.0.2.1".parse().unwrap()],
                verdict: 7,
                remaining_s: 60,
                by: "operator".into(),
                reason: "ticket \"42\"".into(),
                dropped_packets: 1,
                dropped_bytes: u64::MAX,
                enforced_on: vec!["eth1".into()],
                not_enforced_on: vec!["eth2".into()],
            }],
        },
        Request::Stats => {
            let counters = vec![("z.last".into(), 2), ("a.first".into(), u64::MAX)];
            let degraded = vec!["guard port eth2 has enforced nothing for 5 s: it is gone".into()];
            Reply::Stats { stats: Stats { uptime_s: 5, counters, degraded } }
        }
        Request::IocHits { top } => {
            let hit = HitRow {
                kind: "domain".into(),
                indicator: "bad.example".into(),
                hits: 3,
                last_hit: 1,
                source: "list:1".into(),
            };
            Reply::IocHits { total: 9, hits: vec![hit; *top] }
        }
        other => Reply::Done { message: format!("{other:?}") },
    }
}

fn requests() -> Vec<Request> {
    let add = |host: &str, ttl_s, reason: &str| Request::IsolateAdd {
        target: host.parse().unwrap(),
        scope: Reach::Both,
        ttl_s,
        reason: reason.into(),
    };
    vec![
        add("10.0.0.5", None, ""),
        add("fd00::5", Some(60), "ticket 42: \"ü\" \\ / ☃"),
        add("10.0.0.5@100", Some(1), "x"),
        Request::IsolateRm { target: "10.1.0.0/16".parse().unwrap() },
        Request::IsolateRm { target: "fd00:1::/32".parse().unwrap() },
        Request::IsolateRm { target: "02:00:00:00:00:01".parse().unwrap() },
        Request::IsolateRm { target: "10.0.0.5@100".parse().unwrap() },
        Request::IsolateList,
        Request::IsolateFlush { hold: false },
        Request::IsolateFlush { hold: true },
        Request::IsolateResume,
        Request::IsolateAdd {
            target: "10.0.0.6".parse().unwrap(),
            scope: Reach::Peers(vec!["192.0.2.1".parse().unwrap(), "fd00::1".parse().unwrap()]),
            ttl_s: None,
            reason: String::new(),
        },
        Request::IsolateAdd {
            target: "10.0.0.0/24".parse().unwrap(),
            scope: Reach::Outbound,
            ttl_s: None,
            reason: String::new(),
        },
        Request::Stats,
        Request::Reload,
        Request::Reopen,
        Request::IocHits { top: 2 },
    ]
}

fn http(method: &str, path: &str, body: &str) -> Http<Body> {
    let mut http = Http::builder().method(method).uri(path);
    if !body.is_empty() {
        http = http.header(header::CONTENT_TYPE, "application/json");
    }
    http.body(Body::from(body.to_owned())).unwrap()
}

fn block<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(work)
}

async fn send(router: &Router, peer: Peer, mut http: Http<Body>) -> Response {
    http.extensions_mut().insert(peer);
    router.clone().oneshot(http).await.unwrap()
}

/// Status and body; of a refusal, that it is a problem.
async fn answered(router: &Router, peer: Peer, http: Http<Body>) -> (u16, Vec<u8>) {
    let head = http.method() == Method::HEAD;
    let response = send(router, peer, http).await;
    let (status, kind) = (response.status(), response.headers().get(header::CONTENT_TYPE).cloned());
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec();
    if !status.is_success() && !head {
        assert_eq!(kind.unwrap(), "application/problem+json");
        let problem: Problem = serde_json::from_slice(&body).unwrap();
        assert_eq!((problem.status, problem.kind.as_str()), (status.as_u16(), "about:blank"));
        assert!(!problem.detail.is_empty() && problem.title == status.canonical_reason().unwrap());
    }
    (status.as_u16(), body)
}

fn status(peer: Peer, http: Http<Body>) -> u16 {
    block(async { answered(&Desk::default().router().0, peer, http).await.0 })
}

#[test]
fn every_request_arrives_as_it_was_meant_and_so_does_its_reply() {
    let desk = Desk::default();
    let (router, _) = desk.router();
    for request in requests() {
        let (method, path, body) = call(&request);
        let http = http(method.as_str(), &path, &body.unwrap_or_default());
        let (status, body) = block(answered(&router, LOCAL, http));
        assert!((200..300).contains(&status), "{request:?}: {status}");
        let who =
            Caller { by: Text::Own("operator"), who: Some("uid 1000".into()), from: Some("pid 7".into()) };
        assert_eq!(desk.asked(), [(request.clone(), who)]);
        let status = StatusCode::from_u16(status).unwrap();
        assert_eq!(reply(&request, status, &body), Ok(answer(&request)));
    }
}

#[test]
fn what_the_sensor_refuses_is_a_conflict_and_what_is_not_there_is_not_found() {
    let desk = Desk { refuses: true, ..Desk::default() };
    let (router, door) = desk.router();
    for request in requests() {
        let (method, path, body) = call(&request);
        let http = http(method.as_str(), &path, &body.unwrap_or_default());
        let (status, body) = block(answered(&router, LOCAL, http));
        let want = if matches!(request, Request::IsolateRm { .. }) { 404 } else { 409 };
        assert_eq!(status, want, "{request:?}");
        let refused = Reply::Refused { message: "no".into() };
        assert_eq!(reply(&request, StatusCode::from_u16(status).unwrap(), &body), Ok(refused));
    }
    assert_eq!(door.counters.malformed.get(), 0);
}

#[test]
fn a_busy_sensor_is_unavailable() {
    let busy = |_: Request, _: &Caller| Reply::Unavailable { message: "the sensor is busy".into() };
    let door = Arc::new(Door::default());
    let router = router(App::new(Arc::new(busy)), door.clone());
    let response = block(send(&router, LOCAL, http("GET", "/v1/health", "")));
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()[header::RETRY_AFTER], "1");
    assert_eq!(door.counters.unavailable.get(), 1);
}

#[test]
fn nonsense_is_refused_by_name() {
    let desk = Desk::default();
    let (router, door) = desk.router();
    let add = |body: &str| http("POST", "/v1/isolations", body);
    let long = format!("{{\"target\":\"10.0.0.5\",\"reason\":\"{}\"}}", "x".repeat(1025));
    let deep = format!("{{\"target\":{}", "[".repeat(10_000));
    let huge = format!("{{\"target\":\"{}\"}}", "1".repeat(MAX_BODY as usize));
    let untyped = Http::post("/v1/isolations").body(Body::from("{\"target\":\"10.0.0.5\"}")).unwrap();
    for (http, want) in [
        (add("{"), 400),
        (add("[]"), 400),
        (add("{}"), 400),
        (add("{\"target\":5}"), 400),
        (add("{\"target\":null}"), 400),
        (add("{\"target\":\"ten\"}"), 400),
        (add("{\"target\":\"10.0.0.5\",\"tll_s\":5}"), 400),
        (add("{\"target\":\"10.0.0.5\",\"ttl_s\":0}"), 400),
        (add("{\"target\":\"10.0.0.5\",\"ttl_s\":-1}"), 400),
        (add("{\"target\":\"10.0.0.5\",\"ttl_s\":1e99}"), 400),
        (add("{\"target\":\"10.0.0.5\",\"ttl_s\":315360001}"), 400),
        (add("{\"target\":\"10.0.0.5\",\"reason\":\"a\\u001b[2J\"}"), 400),
        (add("{\"target\":\"10.0.0.5\",\"target\":\"10.0.0.6\"}"), 400),
        (add(&long), 400),
        (add(&deep), 400),
        (add(&huge), 413),
        (untyped, 415),
        (http("DELETE", "/v1/isolations/ten", ""), 400),
        (http("DELETE", "/v1/isolations/%ff", ""), 400),
        (http("GET", "/v1/indicators/hits?top=-1", ""), 400),
        (http("GET", "/v1/indicators/hits?top=100001", ""), 400),
        (http("GET", "/v1/indicators/hits?bottom=1", ""), 400),
        (http("PUT", "/v1/isolations", ""), 405),
        (http("POST", "/v1/stats", ""), 405),
        (http("GET", "/v2/stats", ""), 404),
        (http("GET", "/v1/isolations/10.1.0.0/16", ""), 404),
        (http("GET", "/", ""), 404),
    ] {
        let what = format!("{} {}", http.method(), http.uri());
        assert_eq!(block(answered(&router, LOCAL, http)).0, want, "{what}");
        assert_eq!(desk.asked(), []);
    }
    let counters = &door.counters;
    assert_eq!((counters.malformed.get(), counters.too_large.get(), counters.requests.get()), (26, 1, 27));
}

#[test]
fn tokens_and_certificates_open_what_they_should() {
    let with = |method: &str, path: &str, token: &str| {
        let mut http = http(method, path, "");
        http.headers_mut().insert(header::AUTHORIZATION, token.parse().unwrap());
        http
    };
    let read = |token: &str| with("GET", "/v1/stats", token);
    let write = |token: &str| with("DELETE", "/v1/isolations", token);
    assert_eq!(status(remote(None), http("GET", "/v1/stats", "")), 401);
    assert_eq!(status(remote(None), http("GET", "/openapi.json", "")), 401);
    assert_eq!(status(remote(None), http("GET", "/no/such/path", "")), 401);
    assert_eq!(status(remote(None), read("Bearer secret of watcher")), 200);
    assert_eq!(status(remote(None), write("Bearer secret of watcher")), 403);
    assert_eq!(status(remote(None), write("bearer secret of operator")), 200);
    for wrong in
        ["Bearer secret of nobody", "Bearer ", "Bearer", "Basic b3A6eA==", "secret of operator", "\u{e9}"]
    {
        assert_eq!(status(remote(None), read(wrong)), 401, "{wrong}");
        assert_eq!(status(remote(Some("soc")), read(wrong)), 401, "{wrong}");
    }
    assert_eq!(status(remote(Some("soc")), http("DELETE", "/v1/isolations", "")), 200);
    assert_eq!(status(remote(Some("grafana")), http("GET", "/v1/stats", "")), 200);
    assert_eq!(status(remote(Some("grafana")), http("DELETE", "/v1/isolations", "")), 403);
    // A page in the operator's browser.
    let mut page = http("POST", "/v1/reload", "");
    page.headers_mut().insert(header::ORIGIN, "https://evil.example".parse().unwrap());
    assert_eq!(status(remote(Some("soc")), page), 403);
    let desk = Desk::default();
    let (router, _) = desk.router();
    block(send(&router, remote(None), write("Bearer secret of operator")));
    block(send(&router, remote(Some("soc")), http("DELETE", "/v1/isolations", "")));
    let who: Vec<_> = desk.asked().into_iter().map(|(_, caller)| caller.who.unwrap().to_string()).collect();
    assert_eq!(who, ["token operator", "certificate soc"]);
}

#[test]
fn who_guesses_is_not_heard_for_a_while() {
    let (router, door) = Desk::default().router();
    let with = |token: &str| {
        Http::get("/v1/stats").header(header::AUTHORIZATION, token).body(Body::empty()).unwrap()
    };
    for _ in 0..MAX_FAILURES {
        let response = block(send(&router, remote(None), with("Bearer guess")));
        assert_eq!(response.status(), 401);
        assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer");
    }
    let response = block(send(&router, remote(None), with("Bearer secret of operator")));
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()[header::RETRY_AFTER], "60");
    let elsewhere = Peer::Remote { at: "192.0.2.2:1".parse().unwrap(), certificate: None };
    assert_eq!(block(send(&router, elsewhere, with("Bearer secret of operator"))).status(), 200);
    assert_eq!(block(send(&router, LOCAL, with("Bearer guess"))).status(), 200);
    let counters = &door.counters;
    assert_eq!((counters.unauthorized.get(), counters.throttled.get()), (MAX_FAILURES.into(), 1));
}

#[test]
fn every_route_is_described_and_every_description_is_a_route() {
    let (router, _) = Desk::default().router();
    let (status, body) = block(answered(&router, LOCAL, http("GET", "/openapi.json", "")));
    assert_eq!((status, body.as_slice()), (200, openapi().as_bytes()));
    let api: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let mut operations = 0;
    for (path, item) in api["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            operations += 1;
            assert!(operation["responses"]["default"].is_object(), "{method} {path}");
            let path = path.replace("{target}", "10.0.0.5");
            let status = block(answered(&router, LOCAL, http(&method.to_uppercase(), &path, ""))).0;
            assert!(![404, 405, 500].contains(&status), "{method} {path}: {status}");
        }
    }
    assert_eq!(operations, 12);
    // Bounds that the description has as numbers.
    let schema = &api["components"]["schemas"]["NewIsolation"];
    assert_eq!(schema["properties"]["ttl_s"]["maximum"], crate::limits::MAX_TTL_S);
    assert_eq!(schema["properties"]["reason"]["maxLength"], crate::limits::MAX_REASON);
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(api["paths"]["/v1/indicators/hits"]["get"]["parameters"][0]["schema"]["maximum"], 100_000);
}

fn path() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "/v1/isolations",
        "/v1/isolations/",
        "/v1/stats",
        "/v1/reload",
        "/v1/output/reopen",
        "/v1/indicators/hits",
        "/openapi.json",
    ]);
    let tail = "[ -~]{0,40}|(%[0-9a-fA-F]{2}){0,20}";
    (prop_oneof![known.prop_map(str::to_owned), Just("/".to_owned())], tail, "(\\?top=)?[!-~]{0,20}")
        .prop_map(|(known, tail, query)| format!("{known}{tail}{query}"))
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let value = prop_oneof!["[0-9.:/@a-f]{0,20}", "\\PC{0,20}"];
    let fields = (value.clone(), any::<i64>(), value).prop_map(|(target, ttl, reason)| {
        serde_json::json!({ "target": target, "ttl_s": ttl, "reason": reason }).to_string().into_bytes()
    });
    prop_oneof![fields, prop::collection::vec(any::<u8>(), 0..200), Just(vec![b'['; 5000])]
}

proptest! {
    #[test]
    fn no_request_is_the_servers_fault(
        method in prop::sample::select(vec!["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "X"]),
        path in path(),
        body in body(),
        kind in prop::sample::select(vec!["application/json", "application/json; charset=\"", "text/plain", ""]),
        token in prop::option::of("\\PC{0,40}"),
        local: bool,
    ) {
        let mut http = Http::builder().method(method).uri(path).header(header::CONTENT_TYPE, kind);
        if let Some(token) = token {
            http = http.header(header::AUTHORIZATION, format!("Bearer {token}").into_bytes());
        }
        // What hyper would not read never comes here.
        if let Ok(http) = http.body(Body::from(body)) {
            let peer = if local { LOCAL } else { remote(None) };
            let status = block(answered(&Desk::default().router().0, peer, http)).0;
            prop_assert!(status < 500, "{status}");
        }
    }
}

#[test]
fn the_table_in_the_documentation_has_every_route_and_no_other() {
    let api: serde_json::Value = serde_json::from_str(&openapi()).unwrap();
    let mut served: Vec<String> = vec!["GET /openapi.json".into()];
    for (path, item) in api["paths"].as_object().unwrap() {
        served.extend(
            item.as_object().unwrap().keys().map(|method| format!("{} {path}", method.to_uppercase())),
        );
    }
    let table = include_str!("../../../docs/api.md").lines().filter_map(|line| line.strip_prefix("| `"));
    let mut described: Vec<String> =
        table.filter_map(|line| line.split_once("` |")).map(|(route, _)| described_as(route)).collect();
    served.sort();
    described.sort();
    assert_eq!(described, served);
}

/// A route without the example of its body.
fn described_as(route: &str) -> String {
    route.split_once(':').map_or(route, |(route, _)| route).to_owned()
}
