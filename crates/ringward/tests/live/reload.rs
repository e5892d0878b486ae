//! Indicators and rules that change while the sensor runs.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::Signal;

use crate::lab::{Lab, until, v4};
use crate::support::{of_type, stderr};

pub const TESTS: &[(&str, fn())] = &[
    ("reload::new_indicators_count_at_once_and_no_packet_is_lost", new_indicators),
    ("reload::what_cannot_be_loaded_leaves_the_old_in_force", bad_indicators),
    ("reload::new_rules_count_at_once_and_no_packet_is_lost", new_rules),
    ("reload::what_rules_remember_outlives_a_reload", remembered),
];

const OBSERVE: &str = "[policy]\nmode = \"observe\"\n";

fn alerts(lab: &Lab, name: &str) -> usize {
    let of = |event: &&&serde_json::Value| event["alert"]["metadata"]["ioc_value"][0] == name;
    of_type(&lab.events(), "alert").iter().filter(of).count()
}

/// A host that sends without a pause worth speaking of.
struct Chatter {
    stop: Arc<AtomicBool>,
    sender: JoinHandle<u64>,
}

impl Chatter {
    fn new(lab: &Lab) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let socket = lab.on("c", || UdpSocket::bind("0.0.0.0:0").unwrap());
        let ending = stop.clone();
        let sender = std::thread::spawn(move || {
            let mut sent = 0;
            while !ending.load(Ordering::Relaxed) {
                sent += u64::from(
                    socket.send_to(b"of no interest, but long enough to be searched", sink()).is_ok(),
                );
                std::thread::sleep(Duration::from_micros(200));
            }
            sent
        });
        Chatter { stop, sender }
    }

    /// How many packets it has sent.
    fn end(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.sender.join().unwrap()
    }
}

/// Where nobody answers.
fn sink() -> SocketAddr {
    SocketAddr::new(v4("b"), 9999)
}

fn new_indicators() {
    let mut lab = Lab::new(2);
    lab.configure(&format!("[workers]\ncount = 2\n{OBSERVE}"));
    lab.start();
    let chatter = Chatter::new(&lab);
    lab.looks_up("a", v4("b"), "bad.example");
    until("the old one is seen", || alerts(&lab, "bad.example") == 1);
    for round in 0..5 {
        std::fs::write(lab.desk.path("iocs.csv"), format!("bad.example\nnew{round}.example\n")).unwrap();
        let output = lab.ringward(&["reload"]);
        assert!(output.status.success(), "{}", stderr(&output));
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(told.starts_with("2 indicators: 2 domains\nreloaded in "), "{told}");
        lab.looks_up("a", v4("b"), &format!("new{round}.example"));
        until("the new one is seen", || alerts(&lab, &format!("new{round}.example")) == 1);
    }
    std::fs::write(lab.desk.path("iocs.csv"), "bad.example\nhup.example\n").unwrap();
    lab.signal(Signal::HUP);
    until("the signal is heeded", || lab.stats()["intel.reloads"] == 6);
    lab.looks_up("a", v4("b"), "hup.example");
    until("and what it brought is seen", || alerts(&lab, "hup.example") == 1);
    let output = lab.ringward(&["iocs", "hits", "--json"]);
    let hits: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let of = |name: &str| hits.as_array().unwrap().iter().find(|hit| hit["indicator"] == name);
    assert_eq!(of("bad.example").unwrap()["hits"], 1, "{hits}");
    assert_eq!((of("hup.example").is_some(), of("new4.example").is_some()), (true, false), "{hits}");
    chatter.end();
    assert_eq!(lab.stats()["capture.dropped"], 0);
    lab.stop();
}

fn bad_indicators() {
    let mut lab = Lab::new(1);
    lab.configure(OBSERVE);
    lab.start();
    let good = std::fs::read(lab.desk.path("iocs.csv")).unwrap();
    for (text, why) in [
        (&b""[..], "iocs.csv:1: the file is empty"),
        (b"\x7fELF\x02\x01\x01\0\0\0", "iocs.csv:1: a program"),
        (b"{\"Event\": {\n\"Attribute\": [", "iocs.csv:2: "),
        (b"nothing of use\n", "iocs.csv:1: none of 1 entries is an indicator"),
    ] {
        std::fs::write(lab.desk.path("iocs.csv"), text).unwrap();
        let output = lab.ringward(&["reload"]);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(why), "{}", stderr(&output));
        until("the log says so, too", || lab.log().contains(why));
    }
    assert_eq!(
        (&lab.stats()["intel.reloads_failed"], &lab.stats()["intel.indicators"]),
        (&4.into(), &1.into())
    );
    lab.looks_up("a", v4("b"), "bad.example");
    until("the old one is in force", || alerts(&lab, "bad.example") == 1);
    std::fs::write(lab.desk.path("iocs.csv"), good).unwrap();
    assert!(lab.ringward(&["reload"]).status.success());
    lab.stop();
}

/// Rules that nothing here matches.
const FILLERS: usize = 5000;

/// A rule on each of these words with its sid, and thousands besides.
fn rules(words: &[(u32, &str)]) -> String {
    let rule = |sid: u32, word: &str| {
        format!("alert udp any any -> any any (msg:\"{word}\"; content:\"{word}\"; sid:{sid};)\n")
    };
    let fillers = (0..FILLERS).map(|i| rule(100_000 + i as u32, &format!("filler {i} of all")));
    words.iter().map(|&(sid, word)| rule(sid, word)).chain(fillers).collect()
}

fn told(lab: &Lab, sid: u32) -> usize {
    of_type(&lab.events(), "alert").iter().filter(|e| e["alert"]["signature_id"] == sid).count()
}

fn socket(lab: &Lab) -> UdpSocket {
    lab.on("a", || UdpSocket::bind("0.0.0.0:0").unwrap())
}

fn says(socket: &UdpSocket, text: &str) {
    socket.send_to(text.as_bytes(), sink()).unwrap();
}

fn new_rules() {
    let mut lab = Lab::new(2);
    lab.configure(&format!("[rules]\nfiles = [\"our.rules\"]\n[workers]\ncount = 2\n{OBSERVE}"));
    let write = |lab: &Lab, text: &[u8]| std::fs::write(lab.desk.path("our.rules"), text).unwrap();
    write(&lab, rules(&[(1, "the old word"), (9, "mark")]).as_bytes());
    lab.start();
    let chatter = Chatter::new(&lab);
    says(&socket(&lab), "this is the old word");
    until("the old rule speaks", || told(&lab, 1) == 1);
    let mut marks = 0;
    let mut settle = |lab: &Lab, text: &str| {
        marks += 1;
        says(&socket(lab), &format!("{text}; mark"));
        until("the mark behind it is seen", || told(lab, 9) == marks);
    };
    // Bigger and smaller sets in turns.
    for round in 0..4_u32 {
        let word = format!("new word {round}");
        write(&lab, rules(&[(9, "mark"), (20 + round, &word)]).as_bytes());
        let output = lab.ringward(&["reload"]);
        assert!(output.status.success(), "{}", stderr(&output));
        let line = format!("{} rules in ", FILLERS + 2);
        let told_of = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(told_of.contains(&line), "{told_of}");
        settle(&lab, &format!("the old word, and the {word}"));
        until("the new rule speaks", || told(&lab, 20 + round) == 1);
        assert_eq!(told(&lab, 1), 1, "round {round}");
    }
    // Half of a file, and what is none: the last one stays.
    let whole = rules(&[(9, "mark"), (23, "new word 3"), (30, "never in force")]);
    let half = &whole[..whole[..whole.len() / 2].rfind("content").unwrap()];
    let at = format!("our.rules:{}: the rule does not end with a parenthesis", half.lines().count());
    for (text, why) in [
        (half.as_bytes(), at.as_str()),
        (b"\x7fELF\x02\x01\x01\0\0", "our.rules:1: the rule has no options in parentheses"),
    ] {
        write(&lab, text);
        let output = lab.ringward(&["reload"]);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(why), "{}", stderr(&output));
        until("the log says so, too", || lab.log().contains(why));
        settle(&lab, "new word 3 is looked for, what was never in force is not: never in force");
    }
    assert_eq!((told(&lab, 23), told(&lab, 30)), (3, 0));
    let sent = chatter.end();
    // The first, two in each round, two behind each broken file.
    until("what rules did is counted", || lab.stats()["rules.matches"] == 1 + 4 * 2 + 2 * 2);
    let stats = lab.stats();
    let of = |name: &str| stats[name].as_u64().unwrap_or_else(|| panic!("{name}: {stats}"));
    assert_eq!((of("intel.reloads"), of("intel.reloads_failed")), (4, 2));
    assert_eq!(of("rules.in_force"), FILLERS as u64 + 2);
    assert!(of("rules.candidates") >= of("rules.matches"), "{stats}");
    assert_eq!((of("capture.dropped"), of("port.span.nic_dropped")), (0, 0), "{stats}");
    assert!(sent > 100 && of("capture.processed") > sent, "{sent} sent: {stats}");
    lab.stop();
}

fn remembered() {
    let mut lab = Lab::new(1);
    lab.configure(&format!("[rules]\nfiles = [\"our.rules\"]\n{OBSERVE}"));
    let rules = r#"
alert udp any any -> any any (msg:"sets"; content:"let me in"; flowbits:set,in; flowbits:noalert; sid:1;)
alert udp any any -> any any (msg:"asks its flow"; content:"take it"; flowbits:isset,in; sid:2;)
alert udp any any -> any any (msg:"marks"; content:"i am odd"; xbits:set,odd,track ip_src,expire 600; noalert; sid:3;)
alert udp any any -> any any (msg:"asks its host"; content:"again"; xbits:isset,odd,track ip_src; sid:4;)
alert udp any any -> any any (msg:"once"; content:"knock"; threshold:type limit, track by_src, count 1, seconds 600; sid:5;)
alert udp any any -> any any (msg:"often"; content:"knock"; threshold:type threshold, track by_src, count 4, seconds 600; sid:6;)
"#;
    std::fs::write(lab.desk.path("our.rules"), rules).unwrap();
    lab.start();
    let flow = socket(&lab);
    says(&flow, "let me in");
    says(&socket(&lab), "i am odd");
    says(&socket(&lab), "knock knock");
    says(&socket(&lab), "knock knock");
    until("the first knock is heard", || told(&lab, 5) == 1);
    // Other numbers within the set, so that nothing is found again by its place.
    let more = "alert udp any any -> any any (msg:\"first\"; content:\"nowhere\"; sid:99;)\n";
    std::fs::write(lab.desk.path("our.rules"), format!("{more}{rules}")).unwrap();
    let output = lab.ringward(&["reload"]);
    assert!(output.status.success(), "{}", stderr(&output));
    says(&socket(&lab), "take it, from another flow");
    says(&flow, "take it");
    until("the flow is known", || told(&lab, 2) == 1);
    says(&socket(&lab), "again");
    until("the host is known", || told(&lab, 4) == 1);
    says(&socket(&lab), "knock knock");
    says(&socket(&lab), "knock knock");
    until("four knocks in all", || told(&lab, 6) == 1);
    assert_eq!((told(&lab, 5), told(&lab, 2)), (1, 1));
    lab.stop();
}
