//! Fragmented datagrams: their content is seen, their frames are counted, and tshark puts the same together.

use std::collections::BTreeMap;

use capture::CaptureFile;
use flow::HostPolicies;
use flow::defrag::{DefragOptions, Defragmenter, Frames, Policy};
use serde_json::Value;

use crate::oracles::captures;
use crate::support::{Capture, Desk, at, counters, dns_exchange, of_type, shared_data, tshark};

fn counter(events: &[Value], name: &str) -> u64 {
    let last = counters(events);
    last[name].as_u64().unwrap_or_else(|| panic!("{name}: {last}"))
}

#[test]
fn a_lookup_in_fragments_is_seen_and_each_frame_counts_for_its_flow() {
    let desk = Desk::new("bad.example\n");
    let mut capture = Capture::default();
    let (query, answer) = dns_exchange("a-name-that-is-long-enough.bad.example");
    let (client, server) = (at("10.0.0.1:4000"), at("192.0.2.53:53"));
    capture.fragmented_udp(client, server, &query, 16);
    let sent = capture.len();
    // The answer's fragments come in the wrong order.
    capture.fragmented_udp(server, client, &answer, 32);
    let frames = capture.len();
    assert!(sent >= 4 && frames >= sent + 2);
    capture.frames[sent..].reverse();
    let times: Vec<u64> = capture.frames[sent..].iter().rev().map(|(time, _)| *time).collect();
    capture.frames[sent..].iter_mut().zip(&times).for_each(|(frame, time)| frame.0 = *time);
    let bytes: usize = capture.frames[..sent].iter().map(|(_, f)| f.len()).sum();
    let events = desk.replay(&capture, &[]);
    let flows = of_type(&events, "flow");
    assert_eq!(flows.len(), 1, "{flows:?}");
    let flow = &flows[0]["flow"];
    assert_eq!((&flow["pkts_toserver"], &flow["pkts_toclient"]), (&sent.into(), &(frames - sent).into()));
    assert_eq!(flow["bytes_toserver"], bytes);
    assert!(flow["start"].as_str().unwrap().contains(":20.000000"), "its first fragment's time: {flow}");
    let alert = of_type(&events, "alert")[0];
    assert_eq!((&alert["src_port"], &alert["dest_port"]), (&4000.into(), &53.into()));
    assert_eq!(of_type(&events, "isolation").len(), 1);
    assert_eq!(counter(&events, "decoder.fragments"), frames as u64);
    assert_eq!(counter(&events, "defrag.reassembled"), 2);
    assert_eq!(counter(&events, "defrag.reassembled_packets"), frames as u64);
    // Evidence is the whole datagram.
    assert_eq!(desk.list("out/evidence").len(), 1);
}

#[test]
fn overlaps_are_settled_by_the_receivers_policy() {
    let (good, bad) = (dns_exchange("fine.example").0, dns_exchange("evil.example").0);
    let mut capture = Capture::default();
    let (client, server) = (at("10.0.0.1:4000"), at("192.0.2.53:53"));
    // The same datagram twice in the same fragments, but for its name; the last fragment only once.
    capture.fragmented_udp(client, server, &good, 8);
    let parts = capture.len();
    let (_, last) = capture.frames.pop().unwrap();
    let mut second = Capture::default();
    second.fragmented_udp(client, server, &bad, 8);
    for (_, frame) in &second.frames[..parts - 1] {
        capture.frame(frame.clone());
    }
    capture.frame(last);
    let alerts = |config: &str| {
        let desk = Desk::new("evil.example\n");
        std::fs::write(desk.path("ringward.toml"), config).unwrap();
        let events = desk.replay(&capture, &["-c", "ringward.toml"]);
        assert!(counter(&events, "defrag.event.ipv4.frag_overlap") > 0);
        (of_type(&events, "alert").len(), counter(&events, "defrag.overlap_discarded_packets") > 0)
    };
    assert_eq!(alerts(""), (0, false));
    assert_eq!(alerts("[defrag]\npolicy = \"last\"\n"), (1, false));
    assert_eq!(alerts("[[defrag.hosts]]\nnet = \"192.0.2.0/24\"\npolicy = \"bsd-right\"\n"), (1, false));
    assert_eq!(alerts("[defrag]\npolicy = \"discard\"\n"), (0, true));
}

/// What this sensor puts together: frame of the last fragment, payload.
fn ours(path: &std::path::Path) -> (usize, BTreeMap<String, String>) {
    let policies = HostPolicies::new(Policy::First, []);
    let mut table = Defragmenter::new(DefragOptions { policies, ..DefragOptions::default() });
    let (mut found, mut whole, mut fragments) = (BTreeMap::new(), Vec::new(), 0);
    let _ = CaptureFile::open(path).and_then(|file| {
        file.read(|record| {
            let Some(fragment) = record.link.ok().and_then(|link| wire::fragment(link, record.bytes, true))
            else {
                return;
            };
            fragments += 1;
            let frames = Frames::one(record.time, record.wire_len);
            if table.take(&fragment, frames, record.time, &mut whole).is_some() {
                let len = fragment.head_len();
                let header = &whole[..len.min(whole.len())];
                let hex: String = whole[header.len()..].iter().map(|b| format!("{b:02x}")).collect();
                found.insert(record.ordinal.to_string(), hex);
            }
        })
    });
    (fragments, found)
}

/// Where tshark and this sensor differ on purpose: capture, frame, why.
const DIFFERENCES: &[(&str, &str, &str)] = &[
    ("frag-35.pcap", "10", "tshark takes the fragment that an ICMPv6 error quotes for one that was sent"),
    ("frag-8.pcap", "7", "fragments overlap: here the first wins, in tshark another"),
    (
        "ipv6-reassembly-state-leak.pcap",
        "46",
        "with its hop-by-hop options longer than an IPv6 header can say",
    ),
    (
        "ipv6-reassembly-state-leak.pcap",
        "92",
        "with its hop-by-hop options longer than an IPv6 header can say",
    ),
];

#[test]
fn tshark_puts_the_same_together() {
    let Some(data) = shared_data() else {
        eprintln!("SKIPPED: needs RINGWARD_DATA");
        return;
    };
    let (mut with_fragments, mut equal, mut differ) = (0, 0, Vec::new());
    for path in captures(&data.join("pcap")) {
        let (fragments, ours) = ours(&path);
        if fragments == 0 {
            continue;
        }
        with_fragments += 1;
        let filter = "ip.reassembled.data || ipv6.reassembled.data";
        let fields = ["frame.number", "ip.reassembled.data", "ipv6.reassembled.data"];
        let theirs: BTreeMap<String, String> = tshark(&path, filter, &fields)
            .into_iter()
            .map(|row| {
                let data = row.iter().skip(1).rev().find(|d| !d.is_empty()).cloned().unwrap_or_default();
                (row[0].clone(), data.rsplit(',').next().unwrap_or("").to_owned())
            })
            .collect();
        let name = path.strip_prefix(&data).unwrap().display().to_string();
        for frame in ours.keys().chain(theirs.keys().filter(|frame| !ours.contains_key(*frame))) {
            if ours.get(frame) == theirs.get(frame) {
                equal += 1;
            } else if !DIFFERENCES.iter().any(|(file, at, _)| name.ends_with(file) && at == frame) {
                let len = |map: &BTreeMap<String, String>| map.get(frame).map(|hex| hex.len() / 2);
                differ.push(format!(
                    "{name} frame {frame}: {:?} bytes, tshark {:?}",
                    len(&ours),
                    len(&theirs)
                ));
            }
        }
    }
    println!(
        "{with_fragments} captures with fragments, {equal} datagrams equal, {} listed differences",
        DIFFERENCES.len()
    );
    assert!(differ.is_empty(), "{}", differ.join("\n"));
    assert!(with_fragments > 50 && equal > 140, "{with_fragments} {equal}");
}
