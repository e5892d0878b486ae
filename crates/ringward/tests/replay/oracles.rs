//! What others say of the same bytes: Suricata's schema, tshark.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::exact::flows_add_up_to_the_packets;
use crate::support::{Desk, events, ringward, shared_data, tshark};

/// Every capture below a folder.
pub(crate) fn captures(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let stem = name.strip_suffix(".gz").unwrap_or(&name);
            if path.is_dir() {
                folders.push(path);
            } else if [".pcap", ".pcapng", ".cap"].iter().any(|end| stem.ends_with(end)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

pub fn replay_all(desk: &Desk, captures: &[PathBuf]) -> Vec<Value> {
    let args = ["replay", "--force", "--reset", "--iocs", "iocs.csv", "--out", "out"].map(PathBuf::from);
    // Some of these captures are cut off on purpose: exit 1, everything else read.
    let output = ringward(desk.dir.path(), args.iter().chain(captures));
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", crate::support::stderr(&output));
    events(&desk.path("out/eve.json"))
}

/// Event types that the schema has not; it has `mdns`, but refuses the addresses that Suricata 8.0.6 writes there.
#[rustfmt::skip]
const OWN: &[&str] = &[
    "amqp",
    "bacnet",
    "bittorrent",
    "counters",
    "dhcpv6",
    "dtls",
    "evidence",
    "imap",
    "incident",
    "irc",
    "isolation",
    "llmnr",
    "login",
    "mdns",
    "memcached",
    "mongodb",
    "mysql",
    "nbns",
    "ntlm",
    "portmap",
    "redis",
    "rtp",
    "s7",
    "socks",
    "ssdp",
    "stun",
    "syslog",
    "tds",
    "telnet",
];

/// One replay of everything for both promises, because it takes minutes.
#[test]
fn every_line_of_every_capture_fits_the_schema_and_flows_add_up_to_the_packets() {
    let Some(data) = shared_data() else {
        eprintln!("SKIPPED: needs RINGWARD_DATA");
        return;
    };
    let schema = std::fs::read(data.join("schema/eve-8.0.6.schema.json")).unwrap();
    let schema: Value = serde_json::from_slice(&schema).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let captures = captures(&data.join("pcap"));
    assert!(captures.len() > 1000, "{}", captures.len());
    // Names that occur in the captures, so that there are alerts among the lines.
    let desk = Desk::new("google.com\nexample.com\nmicrosoft.com\nfacebook.com\n");
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    let events = replay_all(&desk, &captures);
    for event in &events {
        let kind = event["event_type"].as_str().unwrap().to_owned();
        *kinds.entry(kind.clone()).or_default() += 1;
        if !OWN.contains(&kind.as_str())
            && let Err(err) = validator.validate(event)
        {
            panic!("{err} at {}: {event}", err.instance_path());
        }
    }
    for kind in ["alert", "flow", "dns", "http", "tls", "quic", "ssh", "ike", "stats"] {
        assert!(kinds.get(kind).is_some_and(|&n| n > 0), "{kind}: {kinds:?}");
    }
    flows_add_up_to_the_packets(&events);
}

/// DNS questions, HTTP requests and server names, packet by packet as tshark reads them. A sample of plain
/// captures: tunnels, fragments and HTTP/2 are not read yet, and tshark takes a second for each file.
#[test]
fn tshark_reads_the_same() {
    let Some(data) = shared_data() else {
        eprintln!("SKIPPED: needs RINGWARD_DATA");
        return;
    };
    let folder = data.join("pcap");
    let names = [
        "arkime/tests/pcap/http-302-no-zoneinfo.pcap",
        "corelight/zeek-agenttesla-detector/testing/Traces/0e328ab7-12b2-4843-8717-a5b3ebef33a8.pcap",
        "corelight/zeek-asyncrat-detector/testing/Traces/30a385ed-171e-4f15-ac3f-08c96be7bfd1.pcap",
        "ndpi/tests/cfgs/default/pcap/KakaoTalk_chat.pcap",
        "ndpi/tests/cfgs/default/pcap/android.pcap",
        "ndpi/tests/cfgs/default/pcap/anyconnect-vpn.pcap",
        "ndpi/tests/cfgs/default/pcap/pinterest.pcap",
        "ja4/pcap/tls3.pcapng",
        "retina/traces/tls_ciphers.pcap",
        "zeek/testing/btest/Traces/http/bro.org.pcap",
        "zeek/testing/btest/Traces/wikipedia.pcap",
    ];
    let files: Vec<PathBuf> = names.iter().map(|n| folder.join(n)).filter(|f| f.exists()).collect();
    assert!(files.len() >= 9, "the sample has moved: {files:?}");
    let mut compared = 0;
    for file in files {
        let desk = Desk::new("");
        let events = replay_all(&desk, std::slice::from_ref(&file));
        let ours = |kind: &str, read: &dyn Fn(&Value) -> Option<String>| {
            let mut found: Vec<String> =
                events.iter().filter(|e| e["event_type"] == kind).filter_map(read).collect();
            found.sort();
            found
        };
        let theirs = |filter: &str, fields: &[&str]| {
            let rows = tshark(&file, filter, fields);
            let mut found: Vec<String> = rows.into_iter().map(|r| r.join(" ")).collect();
            found.sort();
            found
        };
        let text = |v: &Value| v.as_str().map(str::to_owned);
        let dns = ours("dns", &|e| text(&e["dns"]["queries"][0]["rrname"]));
        assert_eq!(
            dns,
            theirs("dns && udp.port == 53 && !icmp && dns.qry.name", &["dns.qry.name"]),
            "{}",
            file.display()
        );
        let sni = ours("tls", &|e| text(&e["tls"]["sni"]));
        let mut their_sni = theirs(
            "tls.handshake.type == 1 && tls.handshake.extensions_server_name && tcp",
            &["tls.handshake.extensions_server_name"],
        );
        their_sni.retain(|s| !s.is_empty());
        assert_eq!(sni, their_sni, "{}", file.display());
        let http = ours("http", &|e| {
            Some(format!("{} {}", text(&e["http"]["http_method"])?, text(&e["http"]["url"])?))
        });
        assert_eq!(
            http,
            theirs("http.request && tcp", &["http.request.method", "http.request.uri"]),
            "{}",
            file.display()
        );
        compared += dns.len() + sni.len() + http.len();
    }
    assert!(compared > 200, "{compared}");
}
