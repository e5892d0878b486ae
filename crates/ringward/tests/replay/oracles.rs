//! What others say of the same bytes: Suricata's schema, tshark.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::exact::flows_add_up_to_the_packets;
use crate::support::eve::Mapping;
use crate::support::{Desk, events, of_type, ringward, shared_data, tshark};

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

/// Replays captures with the desk's ringward.toml, if it has one.
pub fn replay_all(desk: &Desk, captures: &[PathBuf]) -> Vec<Value> {
    let args = ["replay", "--force", "--reset", "--iocs", "iocs.csv", "--out", "out"];
    let config = desk.path("ringward.toml").exists().then_some(["-c", "ringward.toml"]).into_iter().flatten();
    let args: Vec<PathBuf> = args.into_iter().chain(config).map(PathBuf::from).collect();
    // Some of these captures are cut off on purpose: exit 1, everything else read.
    let output = ringward(desk.dir.path(), args.iter().chain(captures));
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", crate::support::stderr(&output));
    events(&desk.path("out/eve.json"))
}

/// Everything that lines can have.
const ALL_OPTIONS: &str = r#"
[output]
netflow = true
ethernet = true
sensor_name = "sensor"
[output.alert]
payload = true
payload_printable = true
payload_length = true
packet = true
http_body = true
http_body_printable = true
[rules]
files = ["all.rules"]
"#;
/// Alerts on packets, streams, transactions with and without bodies, and frames that cannot be decoded.
const RULES: &str = "\
alert http any any -> any any (msg:\"body\"; flow:to_client; file.data; content:\"e\"; threshold:type limit,track by_src,count 1,seconds 60; sid:1;)
alert http any any -> any any (msg:\"post\"; flow:to_server; http.method; content:\"POST\"; http.request_body; content:\"a\"; sid:2;)
alert tcp any any -> any any (msg:\"stream\"; flow:established; content:\"SSH-\"; metadata:created_at 2026_01_01; sid:3;)
alert udp any any -> any any (msg:\"packet\"; content:\"|00 00 29|\"; threshold:type limit,track by_src,count 1,seconds 60; sid:4;)
alert pkthdr any any -> any any (msg:\"frame\"; decode-event:ipv4.trunc_pkt; sid:5;)
alert ip any any -> any any (msg:\"tunnel\"; itype:0; target:src_ip; reference:cve,2020-1; sid:6;)
";

/// One replay of everything for all promises, because it takes minutes. Whether each line is valid by a schema is seen
/// wherever lines are read.
#[test]
fn every_line_of_every_capture_fits_a_schema_and_flows_add_up_to_the_packets() {
    let Some(data) = shared_data() else {
        eprintln!("SKIPPED: needs RINGWARD_DATA");
        return;
    };
    let captures = captures(&data.join("pcap"));
    assert!(captures.len() > 1000, "{}", captures.len());
    // Names that occur in the captures, so that there are alerts among the lines.
    let desk = Desk::new("google.com\nexample.com\nmicrosoft.com\nfacebook.com\n");
    std::fs::write(desk.path("ringward.toml"), ALL_OPTIONS).unwrap();
    std::fs::write(desk.path("all.rules"), RULES).unwrap();
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    let mut mapping = Mapping::default();
    let events = replay_all(&desk, &captures);
    for event in &events {
        *kinds.entry(event["event_type"].as_str().unwrap().to_owned()).or_default() += 1;
        assert_eq!(event["host"], "sensor", "{event}");
        mapping.add(event);
    }
    for kind in ["alert", "flow", "netflow", "dns", "http", "tls", "quic", "ssh", "ike", "stats", "counters"]
    {
        assert!(kinds.get(kind).is_some_and(|&n| n > 0), "{kind}: {kinds:?}");
    }
    assert_eq!(mapping.conflicts(), Vec::<String>::new());
    let alerts = of_type(&events, "alert");
    let with = |what: &dyn Fn(&Value) -> bool| alerts.iter().filter(|alert| what(alert)).count();
    for (name, what) in [
        ("streams", &(|alert: &Value| alert["stream"] == 1) as &dyn Fn(&Value) -> bool),
        ("packets", &|alert| alert["stream"] == 0),
        ("frames", &|alert| alert["packet"].is_string() && alert["flow_id"].is_null()),
        ("link types", &|alert| alert["packet_info"]["linktype"].as_u64().is_some_and(|of| of != 1)),
        ("addresses", &|alert| alert["ether"]["src_mac"].is_string()),
        ("requests", &|alert| alert["http"]["http_request_body"].is_string()),
        ("responses", &|alert| alert["http"]["http_response_body_printable"].is_string()),
    ] {
        assert!(with(what) > 0, "no alert shows {name}");
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
