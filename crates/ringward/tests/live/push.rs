//! Alerts on the wire reach webhooks and syslog servers that are not ours.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::lab::{Lab, must, until, v4};

pub const TESTS: &[(&str, fn())] = &[
    ("push::an_alert_arrives_within_a_second", an_alert_arrives_within_a_second),
    ("push::nothing_is_lost_when_receiver_and_sensor_die", nothing_is_lost_when_receiver_and_sensor_die),
    ("push::what_cannot_be_used_is_refused", what_cannot_be_used_is_refused),
];

const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const PORT: u16 = 8900;
/// Webhook and alerts of a configuration: nobody is cut off, or there would be no second alert.
const OBSERVE: &str = "[policy]\nmode = \"observe\"\n";

/// A program in the sensor's network namespace; it ends with this.
struct Running(Child);

impl Running {
    fn start(lab: &Lab, command: &[&str]) -> Self {
        let mut exec = Command::new("ip");
        exec.args(["netns", "exec", &lab.ns("sw")]).args(command).stdin(Stdio::null());
        Running(exec.spawn().unwrap())
    }

    fn receiver(lab: &Lab, pause: &str) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/live/push_receiver.py");
        let (secret, out) = (lab.desk.path("secret"), received(lab));
        let [script, secret, out] = [&script, &secret, &out].map(|path| path.to_str().unwrap());
        let port = PORT.to_string();
        let running = Self::start(lab, &["python3", script, &port, secret, out, pause]);
        until("the receiver listens", || listens(lab, PORT));
        running
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether anybody listens on that TCP port of the sensor's loopback.
fn listens(lab: &Lab, port: u16) -> bool {
    must(&format!("ip netns exec {} ss -Hltn", lab.ns("sw"))).contains(&format!("127.0.0.1:{port}"))
}

fn received(lab: &Lab) -> PathBuf {
    lab.desk.path("received.json")
}

/// What the receiver has written so far.
fn requests(lab: &Lab) -> Vec<Value> {
    let text = std::fs::read_to_string(received(lab)).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
    whole.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A lab with a webhook, and these tables and keys after it.
fn lab(more: &str) -> Lab {
    let lab = Lab::new(1);
    must(&format!("ip -n {} link set lo up", lab.ns("sw")));
    std::fs::write(lab.desk.path("secret"), format!("{SECRET}\n")).unwrap();
    lab.configure(&format!(
        "{OBSERVE}[push]\nspool_dir = \"{}\"\n[[push.webhook]]\nurl = \"http://127.0.0.1:{PORT}/alerts\"\n\
         secret_file = \"{}\"\nmax_retry = 1\n{more}",
        lab.desk.path("spool").display(),
        lab.desk.path("secret").display()
    ));
    lab
}

/// A real syslog server on TCP port 601 and UDP port 514; where it writes.
fn rsyslog(lab: &Lab) -> (Running, PathBuf) {
    let [conf, out, pid] = ["rsyslog.conf", "syslog", "rsyslog.pid"].map(|name| lab.desk.path(name));
    let text = format!(
        "global(maxMessageSize=\"64k\")\nmodule(load=\"imtcp\")\nmodule(load=\"imudp\")\n\
         input(type=\"imtcp\" port=\"601\" address=\"127.0.0.1\")\n\
         input(type=\"imudp\" port=\"514\" address=\"127.0.0.1\")\n\
         template(name=\"all\" type=\"string\" string=\"%syslogfacility-text% %syslogseverity-text% %app-name% \
         %msgid% %structured-data% %msg%\\n\")\naction(type=\"omfile\" file=\"{}\" template=\"all\")\n",
        out.display()
    );
    std::fs::write(&conf, text).unwrap();
    let [conf, pid] = [&conf, &pid].map(|path| path.to_str().unwrap());
    let running = Running::start(lab, &["rsyslogd", "-n", "-f", conf, "-i", pid]);
    until("rsyslogd listens", || listens(lab, 601));
    (running, out)
}

fn an_alert_arrives_within_a_second() {
    let mut lab = lab("[[push.syslog]]\naddress = \"tcp://127.0.0.1:601\"\nfacility = \"local4\"\n\
         [[push.syslog]]\nname = \"cef\"\naddress = \"udp://127.0.0.1\"\nformat = \"cef\"\n");
    let _receiver = Running::receiver(&lab, "0");
    let (_rsyslog, log) = rsyslog(&lab);
    lab.start();
    let asked = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    lab.looks_up("a", v4("b"), "www.bad.example");
    until("three requests arrive", || requests(&lab).len() >= 3);
    let requests = requests(&lab);
    assert!(requests.iter().all(|r| r["verified"] == true && r["fresh"] == true), "{requests:?}");
    // What operators do is told as well: the start.
    let (start, alert, step) = (&requests[0]["body"], &requests[1], &requests[2]);
    assert_eq!(
        (&start["type"], &start["data"]["audit"]["action"]),
        (&"ringward.audit".into(), &"start".into())
    );
    assert_eq!(
        (&alert["body"]["type"], &step["body"]["type"]),
        (&"ringward.alert".into(), &"ringward.isolation".into())
    );
    let data = &alert["body"]["data"];
    assert_eq!(data["src_ip"], "10.77.0.1");
    assert_eq!(data["alert"]["metadata"]["ioc_observed"][0], "www.bad.example");
    assert_eq!(step["body"]["data"]["isolation"]["action"], "withhold");
    let took = Duration::from_nanos(alert["arrived"].as_u64().unwrap().saturating_sub(asked));
    eprintln!("from the look-up to the webhook's receiver: {took:?}");
    assert!(took < Duration::from_secs(1), "{took:?}");
    let lines = || std::fs::read_to_string(&log).unwrap_or_default();
    until("six messages arrive", || lines().lines().count() == 6);
    let text = lines();
    let of = |start: &str| {
        text.lines().find(|l| l.starts_with(start)).unwrap_or_else(|| panic!("{start}: {text}"))
    };
    let line = of("local4 crit ringward alert [ringward@32473 gid=\"7737\" sid=");
    let json: Value = serde_json::from_str(&line[line.find("] {").unwrap() + 2..]).unwrap();
    assert_eq!((&json["event_type"], &json["alert"]), (&"alert".into(), &data["alert"]));
    assert!(of("local4 warning ringward isolation [").contains(" action=\"withhold\""), "{text}");
    assert!(of("local0 crit CEF - - 0|Ringward|Ringward|").contains(" src=10.77.0.1 "), "{text}");
    assert!(of("local0 warning CEF - - 0|Ringward|").contains("|Isolation withheld|6|"), "{text}");
    assert!(of("local4 notice ringward audit [").contains(" action=\"start\""), "{text}");
    assert!(text.contains("|audit:start|Operator action: start|3|"), "{text}");
    let stats = lab.stats();
    for name in ["webhook", "syslog", "cef"] {
        assert_eq!(
            (&stats[&format!("push.{name}.sent")], &stats[&format!("push.{name}.failed")]),
            (&3.into(), &0.into())
        );
        assert_eq!(stats[&format!("output.push.{name}_lost")], 0, "{stats}");
    }
    lab.stop();
}

fn nothing_is_lost_when_receiver_and_sensor_die() {
    let mut lab = lab("events = [\"alert\"]\n");
    let queued = |lab: &Lab| lab.stats()["push.webhook.queued"].as_u64().unwrap();
    let ask = |lab: &Lab, names: std::ops::Range<u32>| {
        for n in names {
            lab.looks_up("a", v4("b"), &format!("n{n}.bad.example"));
        }
    };
    // Nobody listens; the sensor is killed with a full queue.
    lab.start();
    ask(&lab, 0..20);
    until("all wait", || queued(&lab) == 20);
    lab.kill();
    // A slow receiver; the sensor is killed in the middle.
    let receiver = Running::receiver(&lab, "0.05");
    lab.start();
    until("some arrive", || requests(&lab).len() >= 5);
    lab.kill();
    let so_far = requests(&lab).len();
    assert!(so_far < 20, "{so_far}");
    // The receiver dies, too, while there is more.
    lab.start();
    ask(&lab, 20..30);
    until("more arrive", || requests(&lab).len() >= so_far + 3);
    drop(receiver);
    ask(&lab, 30..40);
    until("it is missed", || lab.stats()["push.webhook.failed"].as_u64().unwrap() > 0);
    let _receiver = Running::receiver(&lab, "0");
    until("all is delivered", || queued(&lab) == 0);
    let requests = requests(&lab);
    assert!(requests.iter().all(|r| r["verified"] == true && r["fresh"] == true));
    let mut ids = std::collections::BTreeSet::new();
    let once = requests.iter().filter(|r| ids.insert(r["id"].as_str().unwrap()));
    let names = once.map(|r| r["body"]["data"]["alert"]["metadata"]["ioc_observed"][0].as_str().unwrap());
    let want: Vec<String> = (0..40).map(|n| format!("n{n}.bad.example")).collect();
    assert_eq!(names.collect::<Vec<_>>(), want);
    let again = requests.len() - 40;
    eprintln!(
        "40 alerts, {} requests: {again} delivered twice after two kills and a dead receiver",
        requests.len()
    );
    assert!(again <= 3, "{again}");
    lab.stop();
}

fn what_cannot_be_used_is_refused() {
    let lab = lab("");
    let refused = |lab: &Lab| {
        let output = lab.start_in_vain();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let line = text.lines().last().unwrap_or_default().to_owned();
        assert_eq!(output.status.code(), Some(2), "{text}");
        line
    };
    let secret = lab.desk.path("secret");
    std::fs::write(&secret, "password\n").unwrap();
    let line = refused(&lab);
    assert!(
        line.starts_with("ringward: push.webhook \"webhook\": ") && line.contains("must be \"whsec_\""),
        "{line}"
    );
    std::fs::remove_file(secret).unwrap();
    let line = refused(&lab);
    assert!(line.contains("secret: No such file"), "{line}");
}
