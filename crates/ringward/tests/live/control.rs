//! The control API of a running sensor, asked with curl as an operator would, and by those who should not.

use std::process::{Command, Output};

use serde_json::Value;

use crate::lab::{Lab, must, until, v4};
use crate::support::stderr;

pub const TESTS: &[(&str, fn())] = &[
    ("control::curl_over_the_unix_socket_does_everything", unix_socket),
    ("control::https_with_token_or_certificate_and_nothing_else", https),
    ("control::hostile_clients_are_refused_and_others_served", hostile),
    ("control::idle_clients_shut_nobody_out", idle_clients),
    ("control::stray_signals_do_not_end_the_sensor", stray_signals),
    ("control::what_operators_do_is_on_record", on_record),
    ("control::a_killed_sensors_socket_is_replaced", dead_socket),
    ("control::bad_certificates_are_named", bad_files),
    ("control::the_api_sleeps_while_nobody_asks", idle),
];

const PORT: u16 = 9443;

/// curl on the switch, where the sensor is: status and body.
fn curl(lab: &Lab, args: &[&str]) -> (u16, String) {
    let output = run_curl(lab, args);
    assert!(output.status.success(), "{args:?}: {}", stderr(&output));
    split(&output)
}

fn run_curl(lab: &Lab, args: &[&str]) -> Output {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", &lab.ns("sw"), "curl", "-sS", "--max-time", "20", "-w", "\n%{http_code}"]);
    command.args(args).current_dir(lab.desk.dir.path()).output().unwrap()
}

fn split(output: &Output) -> (u16, String) {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let (body, status) = text.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), body.to_owned())
}

fn local(lab: &Lab, path: &str, args: &[&str]) -> (u16, Value) {
    let url = format!("http://localhost{path}");
    let (status, body) = curl(lab, &[&["--unix-socket", "sensor.sock", &url], args].concat());
    (status, serde_json::from_str(&body).unwrap_or_else(|err| panic!("{path}: {err}: {body}")))
}

fn url(path: &str) -> String {
    format!("https://localhost:{PORT}{path}")
}

fn unix_socket() {
    let mut lab = Lab::new(1);
    lab.configure("[control]\nsocket_mode = \"0640\"\nsocket_group = \"daemon\"\n[policy]\nprotected = [\"10.77.0.3\"]\n");
    lab.start();
    use std::os::unix::fs::MetadataExt;
    let socket = std::fs::metadata(lab.desk.path("sensor.sock")).unwrap();
    assert_eq!(socket.mode() & 0o777, 0o640);
    let daemon = must("getent group daemon").split(':').nth(2).unwrap().parse::<u32>().unwrap();
    assert_eq!(socket.gid(), daemon);
    assert_eq!(local(&lab, "/v1/health", &[]).1["status"], "ok");
    assert_eq!(local(&lab, "/v1/version", &[]).1["version"], env!("CARGO_PKG_VERSION"));
    let add = r#"{"target": "10.77.0.1", "ttl_s": 600, "reason": "ticket 42"}"#;
    let (status, done) = local(&lab, "/v1/isolations", &["--json", add]);
    assert_eq!(status, 201);
    let message = done["message"].as_str().unwrap();
    // The end stands in the answer.
    assert!(
        message.starts_with("10.77.0.1 is isolated until 20") && message.ends_with("Z (10m)"),
        "{message}"
    );
    let log = lab.log();
    assert!(
        log.contains("isolated 10.77.0.1 for 10m until 20")
            && log.contains("because operator (uid 0): ticket 42"),
        "{log}"
    );
    assert!(!lab.reaches("a", v4("b")) && lab.reaches("c", v4("b")));
    let listed = local(&lab, "/v1/isolations", &[]).1;
    assert_eq!(listed["isolations"][0]["host"], "10.77.0.1");
    assert_eq!(listed["isolations"][0]["reason"], "ticket 42");
    assert_eq!(lab.step(v4("a"), "isolate")["isolation"]["who"], "uid 0");
    assert!(lab.log().contains("POST \"/v1/isolations\" by uid 0 (uid 0 gid 0 pid "), "{}", lab.log());
    let (status, problem) = local(&lab, "/v1/isolations", &["--json", r#"{"target": "10.77.0.3"}"#]);
    assert_eq!((status, &problem["title"]), (409, &"Conflict".into()), "{problem}");
    assert!(problem["detail"].as_str().unwrap().starts_with("10.77.0.3 is not isolated: "), "{problem}");
    assert_eq!(local(&lab, "/v1/isolations/10.77.0.1", &["-X", "DELETE"]).0, 200);
    assert_eq!(local(&lab, "/v1/isolations/10.77.0.1", &["-X", "DELETE"]).0, 404);
    assert!(lab.reaches("a", v4("b")));
    local(&lab, "/v1/isolations", &["--json", add]);
    local(&lab, "/v1/isolations", &["--json", r#"{"target": "10.9.0.0/16"}"#]);
    assert_eq!(local(&lab, "/v1/isolations/10.9.0.0%2F16", &["-X", "DELETE"]).0, 200);
    let (status, done) = local(&lab, "/v1/isolations", &["-X", "DELETE"]);
    assert_eq!((status, &done["message"]), (200, &"1 hosts released".into()));
    let (status, done) = local(&lab, "/v1/reload", &["-X", "POST"]);
    assert_eq!(status, 200);
    assert!(done["message"].as_str().unwrap().contains("reloaded in "), "{done}");
    lab.looks_up("a", v4("b"), "bad.example");
    until("the hit is counted", || local(&lab, "/v1/indicators/hits", &[]).1["total"] == 1);
    assert_eq!(local(&lab, "/v1/indicators/hits", &[]).1["hits"][0]["indicator"], "bad.example");
    assert!(local(&lab, "/v1/stats", &[]).1["counters"]["api.requests"].as_u64().unwrap() > 10);
    let served = local(&lab, "/openapi.json", &[]).1;
    let printed = lab.desk.dir.path();
    let printed = crate::support::ringward(printed, ["reference", "openapi"]).stdout;
    assert_eq!(served, serde_json::from_slice::<Value>(&printed).unwrap());
    local(&lab, "/v1/isolations", &["-X", "DELETE"]);
    lab.stop();
    assert!(!lab.desk.path("sensor.sock").exists());
}

/// An authority, and certificates that it has signed, as docs/api.md makes them.
fn certificates(lab: &Lab) {
    let path = |name: &str| lab.desk.path(name).display().to_string();
    let new = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    for ca in ["ca", "other-ca"] {
        must(&format!(
            "openssl req -x509 {new} -days 2 -keyout {0}.key -out {0}.pem -subj /CN={ca}",
            path(ca)
        ));
    }
    for (name, ca) in [("server", "ca"), ("soc-1", "ca"), ("viewer", "ca"), ("spy", "other-ca")] {
        must(&format!(
            "openssl req {new} -keyout {0}.key -out {0}.csr -subj /CN={name} -addext subjectAltName=DNS:localhost",
            path(name)
        ));
        must(&format!(
            "openssl x509 -req -in {0}.csr -CA {1}.pem -CAkey {1}.key -days 2 -copy_extensions copy -out {0}.pem",
            path(name),
            path(ca)
        ));
    }
    let token = must("openssl rand -hex 32").trim().to_owned();
    std::fs::write(lab.desk.path("token"), &token).unwrap();
    let read = must(&format!("sha256sum {}", path("token")));
    std::fs::write(lab.desk.path("token.sha256"), read).unwrap();
    std::fs::write(lab.desk.path("bad-token"), "0".repeat(64)).unwrap();
    must(&format!("ip -n {} link set lo up", lab.ns("sw")));
}

fn api(more: &str) -> String {
    format!(
        "[api]\nlisten = \"127.0.0.1:{PORT}\"\ncertificate = \"server.pem\"\nkey = \"server.key\"\n{more}"
    )
}

const CLIENTS: &str = "client_ca = \"ca.pem\"\nclient_write = [\"soc-1\"]\n";
const TOKENS: &str = "[[api.tokens]]\nname = \"soc\"\nscope = \"write\"\nfile = \"token.sha256\"\n";

fn https() {
    let mut lab = Lab::new(1);
    certificates(&lab);
    lab.configure(&api(&format!("{CLIENTS}{TOKENS}")));
    lab.start();
    let token = std::fs::read_to_string(lab.desk.path("token")).unwrap();
    let bearer = |token: &str| format!("Authorization: Bearer {token}");
    let ask = |path: &str, args: &[&str]| curl(&lab, &[&["--cacert", "ca.pem", &url(path)], args].concat());
    let add = r#"{"target": "10.77.0.1"}"#;
    assert_eq!(ask("/v1/isolations", &["-H", &bearer(&token), "--json", add]).0, 201);
    assert_eq!(lab.step(v4("a"), "isolate")["isolation"]["who"], "token soc");
    let as_client =
        |name: &str| ["--cert".into(), format!("{name}.pem"), "--key".into(), format!("{name}.key")];
    let (soc, viewer, spy) = (as_client("soc-1"), as_client("viewer"), as_client("spy"));
    fn with<'a>(client: &'a [String; 4], more: &[&'a str]) -> Vec<&'a str> {
        client.iter().map(String::as_str).chain(more.iter().copied()).collect()
    }
    assert_eq!(ask("/v1/isolations/10.77.0.1", &with(&soc, &["-X", "DELETE"])).0, 200);
    assert!(lab.log().contains("by certificate soc-1 (127.0.0.1:"), "{}", lab.log());
    assert_eq!(ask("/v1/stats", &with(&viewer, &[])).0, 200);
    assert_eq!(ask("/v1/isolations", &with(&viewer, &["-X", "DELETE"])).0, 403);
    assert_eq!(ask("/v1/stats", &[]).0, 401);
    assert_eq!(ask("/v1/stats", &["-H", &bearer("guess")]).0, 401);
    assert!(lab.log().contains("wrong token"), "{}", lab.log());
    let target = url("/v1/stats");
    for args in [
        // Somebody else's certificate; a server that is not known; no TLS.
        with(&spy, &["--cacert", "ca.pem", &target]),
        vec!["--cacert", "other-ca.pem", "-H", &bearer(&token), &target],
        vec![&format!("http://localhost:{PORT}/v1/stats")],
    ] {
        let output = run_curl(&lab, &args);
        assert!(!output.status.success(), "{args:?}");
        assert_eq!(split(&output), (0, String::new()), "{args:?}");
    }
    // The CLI speaks the same.
    let remote = |args: &[&str], more: &[&str]| {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &lab.ns("sw"), crate::support::RINGWARD]).args(args);
        command.args(["--url", &format!("https://localhost:{PORT}"), "--ca", "ca.pem"]).args(more);
        command.current_dir(lab.desk.dir.path()).output().unwrap()
    };
    let output = remote(&["isolate", "add", "10.77.0.1"], &["--token-file", "token"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.starts_with("10.77.0.1 is isolated until 20") && said.lines().count() == 1, "{said}");
    let output = remote(&["isolate", "list"], &["--cert", "viewer.pem", "--key", "viewer.key"]);
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("10.77.0.1  "), "{}", stderr(&output));
    let output = remote(&["isolate", "flush"], &["--cert", "viewer.pem", "--key", "viewer.key"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("certificate viewer may look, not change"), "{}", stderr(&output));
    let output = remote(&["stats"], &["--token-file", "bad-token"]);
    assert!(stderr(&output).contains("this is no token of this sensor"), "{}", stderr(&output));
    // Ten wrong ones, and the right one is not heard any more; over the UNIX socket it is all the same.
    until("blocked", || ask("/v1/stats", &["-H", &bearer("guess")]).0 == 429);
    assert_eq!(ask("/v1/stats", &["-H", &bearer(&token)]).0, 429);
    assert!(lab.ringward(&["isolate", "flush"]).status.success());
    let stats = lab.stats();
    assert!(stats["api.refused.unauthorized"].as_u64().unwrap() >= 10, "{stats}");
    assert!(stats["api.refused.throttled"].as_u64().unwrap() >= 2, "{stats}");
    assert!(stats["api.refused.handshake"].as_u64().unwrap() >= 3, "{stats}");
    lab.stop();
    // Certificates only: without one there is no connection.
    lab.configure(&api(CLIENTS));
    lab.start();
    assert!(!run_curl(&lab, &["--cacert", "ca.pem", "-H", &bearer(&token), &target]).status.success());
    assert_eq!(curl(&lab, &with(&soc, &["--cacert", "ca.pem", &target])).0, 200);
    lab.stop();
}

fn hostile() {
    use std::io::Write;
    use std::os::unix::net::UnixStream;
    let mut lab = Lab::new(1);
    lab.configure("");
    lab.start();
    let big = format!("{{\"target\": \"{}\"}}", "1".repeat(1 << 20));
    std::fs::write(lab.desk.path("big.json"), &big).unwrap();
    std::fs::write(lab.desk.path("mid.json"), &big[..20_000]).unwrap();
    for (args, want) in [
        (&["--json", "@big.json"][..], 413),
        (&["--json", "{\"target\": "], 400),
        (&["--json", "{\"target\": 7}"], 400),
        (&["--json", "{\"target\": \"10.0.0.5\", \"reson\": \"x\"}"], 400),
        (&["--json", "@mid.json"], 413),
        (&["-X", "BREW"], 405),
    ] {
        let base = ["--unix-socket", "sensor.sock", "http://localhost/v1/isolations"];
        let (status, body) = curl(&lab, &[&base, args].concat());
        assert_eq!(status, want, "{args:?}: {body}");
        assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["status"], want, "{body}");
    }
    assert_eq!(
        curl(&lab, &["--unix-socket", "sensor.sock", "http://localhost/../etc/passwd", "--path-as-is"]).0,
        404
    );
    let connect = || UnixStream::connect(lab.desk.path("sensor.sock")).unwrap();
    // As many silent and slow ones as there are places but one, and noise.
    let held: Vec<UnixStream> = (0..31)
        .map(|n| {
            let mut stream = connect();
            let _ = stream.write_all(&b"GET /v1/stats HTTP/1.1\r\nHost: "[..n]);
            stream
        })
        .collect();
    for seed in 0..64u32 {
        let noise: Vec<u8> =
            (0..4096u32).map(|n| (n.wrapping_mul(seed).wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let _ = connect().write_all(&noise);
        assert!(lab.ringward(&["stats"]).status.success());
    }
    drop(held);
    assert_eq!(lab.listed().len(), 0);
    let stats = lab.stats();
    assert_eq!(stats["api.refused.too_large"], 2, "{stats}");
    assert!(stats["api.refused.malformed"].as_u64().unwrap() >= 5, "{stats}");
    let hung_up = |why: &str| stats[format!("api.refused.{why}")].as_u64().unwrap();
    assert!(hung_up("broken") + hung_up("timeout") + hung_up("idle") >= 90, "{stats}");
    lab.stop();
}

fn idle_clients() {
    use std::io::{BufRead, BufReader};
    use std::os::unix::net::UnixStream;
    let mut lab = Lab::new(1);
    certificates(&lab);
    lab.configure(&api(TOKENS));
    lab.start();
    let local: Vec<UnixStream> =
        (0..200).map(|_| UnixStream::connect(lab.desk.path("sensor.sock")).unwrap()).collect();
    // Over TCP from within the switch's namespace.
    let hold = format!(
        "import socket,time\nc=[socket.create_connection(('127.0.0.1',{PORT})) for _ in range(200)]\nprint('held',flush=True)\ntime.sleep(60)"
    );
    let mut python = Command::new("ip");
    let mut remote = python
        .args(["netns", "exec", &lab.ns("sw"), "python3", "-c", &hold])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(remote.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "held\n");
    let began = std::time::Instant::now();
    let listed = lab.ringward(&["isolate", "list"]);
    assert!(listed.status.success(), "{}", stderr(&listed));
    assert!(began.elapsed() < std::time::Duration::from_secs(1), "{:?}", began.elapsed());
    let token = std::fs::read_to_string(lab.desk.path("token")).unwrap();
    let bearer = format!("Authorization: Bearer {token}");
    assert_eq!(curl(&lab, &["--cacert", "ca.pem", "-H", &bearer, &url("/v1/stats")]).0, 200);
    assert!(lab.stats()["api.refused.idle"].as_u64().unwrap() >= 300, "{}", lab.stats());
    remote.kill().unwrap();
    remote.wait().unwrap();
    drop(local);
    lab.stop();
}

fn stray_signals() {
    let mut lab = Lab::new(1);
    lab.configure("[log]\nformat = \"json\"\n");
    lab.start();
    // By number: SIGUSR1, SIGALRM, SIGVTALRM, SIGPROF, SIGIO, SIGPWR, SIGXFSZ, real-time ones.
    for signal in [10, 14, 26, 27, 29, 30, 25, 34, 64] {
        must(&format!("kill -{signal} {}", lab.pid()));
    }
    assert!(lab.ringward(&["stats"]).status.success());
    assert_eq!(lab.stats()["intel.reloads"], 0);
    must(&format!("kill -USR2 {}", lab.pid()));
    until("SIGUSR2 reloads", || lab.stats()["intel.reloads"] == 1);
    lab.stop();
    // And each line of the log is an object.
    let log = lab.log();
    for line in log.lines() {
        let line: Value = serde_json::from_str(line).unwrap_or_else(|err| panic!("{err}: {line}"));
        assert!(
            line["level"].is_string() && line["message"].is_string() && line["timestamp"].is_string(),
            "{line}"
        );
    }
    assert!(log.contains("\"message\":\"running; output in "), "{log}");
}

fn on_record() {
    let mut lab = Lab::new(1);
    certificates(&lab);
    lab.configure(&api(TOKENS));
    lab.start();
    let audits = |lab: &Lab| -> Vec<Value> {
        lab.events().into_iter().filter(|e| e["event_type"] == "audit").map(|e| e["audit"].clone()).collect()
    };
    let said = |lab: &Lab, args: &[&str]| String::from_utf8(lab.ringward(args).stdout).unwrap();
    said(&lab, &["isolate", "add", "10.77.0.1", "--ttl", "10m", "--reason", "x\u{202e}forged"]);
    said(&lab, &["isolate", "rm", "10.77.0.1"]);
    assert!(!lab.ringward(&["isolate", "add", "127.0.0.1"]).status.success());
    said(&lab, &["isolate", "flush", "--hold"]);
    said(&lab, &["isolate", "resume"]);
    assert!(lab.ringward(&["reload"]).status.success());
    let token = std::fs::read_to_string(lab.desk.path("token")).unwrap();
    for shown in ["guess", &token] {
        let bearer = format!("Authorization: Bearer {shown}");
        curl(&lab, &["--cacert", "ca.pem", "-H", &bearer, &url("/v1/stats")]);
    }
    until("all of it is written", || audits(&lab).len() >= 9);
    let events = audits(&lab);
    let actions: Vec<&str> = events.iter().map(|e| e["action"].as_str().unwrap()).collect();
    assert_eq!(
        actions,
        ["start", "isolate", "release", "isolate", "hold", "resume", "reload", "login_refused", "login"]
    );
    assert_eq!((&events[1]["who"], &events[1]["target"]), (&"uid 0".into(), &"10.77.0.1".into()));
    assert_eq!((&events[3]["outcome"], &events[3]["target"]), (&"refused".into(), &"127.0.0.1".into()));
    assert!(events[3]["reason"].as_str().unwrap().contains("is a loopback address"), "{}", events[3]);
    assert!(
        events[6]["detail"].as_str().unwrap().starts_with("indicators 1 -> 1, rules 0 -> 0"),
        "{}",
        events[6]
    );
    assert_eq!(events[8]["who"], "token soc");
    lab.stop();
    let ends: Vec<Value> = audits(&lab);
    assert_eq!(ends.last().unwrap()["action"], "stop");
    // What is done while no sensor runs is in the ledger, behind what the sensor wrote; all of it is chained.
    let alone = |args: &[&str]| {
        let output = crate::support::ringward(lab.desk.dir.path(), args.iter().copied());
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned() + &stderr(&output))
    };
    let config = ["-c", "ringward.toml"];
    assert_eq!(alone(&[&["isolate", "flush", "--hold"], &config[..]].concat()).0, Some(0));
    assert_eq!(alone(&[&["isolate", "resume"], &config[..]].concat()).0, Some(0));
    let (code, text) = alone(&[&["isolate", "history"], &config[..]].concat());
    assert_eq!(code, Some(0), "{text}");
    let steps: Vec<&str> = text.lines().filter_map(|line| line.split_whitespace().nth(1)).collect();
    for action in
        ["start", "isolate", "release", "hold", "resume", "reload", "login", "login_refused", "stop"]
    {
        assert!(steps.contains(&action), "{action}: {text}");
    }
    assert!(text.contains("refused: 127.0.0.1 is not isolated: "), "{text}");
    assert!(
        !text.chars().any(|c| c != '\n' && wire::Shown::is_hazard(c)) && text.contains("x\\u{202e}forged"),
        "{text}"
    );
    assert_eq!(steps[steps.len() - 2..], ["hold", "resume"]);
    assert_eq!(alone(&[&["isolate", "history", "--verify"], &config[..]].concat()).0, Some(0));
}

fn dead_socket() {
    let mut lab = Lab::new(1);
    lab.configure("");
    lab.start();
    lab.kill();
    let socket = lab.desk.path("sensor.sock");
    assert!(socket.exists());
    lab.start();
    assert!(lab.ringward(&["stats"]).status.success());
    lab.stop();
    std::fs::write(&socket, "somebody's notes").unwrap();
    let said = stderr(&lab.start_in_vain());
    assert!(said.contains("sensor.sock: there is a file that is no socket"), "{said}");
    assert!(socket.exists() && lab.xdp_ports().is_empty());
}

fn bad_files() {
    let lab = Lab::new(1);
    certificates(&lab);
    let start = |toml: String, want: &str| {
        lab.configure(&toml);
        let output = lab.start_in_vain();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        // The log is written by a thread of its own, before or after.
        let line = said.lines().rfind(|line| line.starts_with("ringward: ")).unwrap();
        assert!(line.contains(want), "{said}");
        assert!(lab.xdp_ports().is_empty() && !lab.desk.path("sensor.sock").exists());
    };
    start(api(TOKENS).replace("server.pem", "absent.pem"), "ringward.toml: api.certificate: ");
    start(api(TOKENS).replace("server.pem", "token"), "token: there is no certificate in it (PEM)");
    start(api(TOKENS).replace("server.key", "server.pem"), "server.pem: there is no private key in it (PEM)");
    start(api(TOKENS).replace("server.key", "spy.key"), "spy.key: does not go with api.certificate");
    start(api(&CLIENTS.replace("\"ca.pem\"", "\"token\"")), "api.client_ca: ");
    start(
        api(&TOKENS.replace("token.sha256", "server.key")),
        "server.key: does not begin with 64 hexadecimal",
    );
    start(api(""), "api.listen: needs [[api.tokens]] or api.client_ca");
}

fn idle() {
    let mut lab = Lab::new(1);
    certificates(&lab);
    lab.configure(&api(TOKENS));
    lab.start();
    assert!(lab.ringward(&["stats"]).status.success());
    // Threads that asked go after ten seconds.
    std::thread::sleep(std::time::Duration::from_secs(12));
    let switches = || {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", lab.pid())).unwrap();
        let of = |path: std::path::PathBuf| std::fs::read_to_string(path).unwrap_or_default();
        let ours =
            tasks.map(|task| task.unwrap().path()).filter(|task| of(task.join("comm")).starts_with("api"));
        let status: Vec<String> = ours.map(|task| of(task.join("status"))).collect();
        assert_eq!(status.len(), 1, "one thread");
        status[0].lines().filter(|line| line.contains("ctxt_switches")).map(str::to_owned).collect::<Vec<_>>()
    };
    let before = switches();
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(before, switches());
    lab.stop();
}
