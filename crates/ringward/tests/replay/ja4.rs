//! JA4 of the captures of its own project, as that project expects them.

use std::collections::HashMap;
use std::net::IpAddr;

use serde_json::Value;

use crate::oracles::replay_all;
use crate::support::{Desk, shared_data};

/// Capture, client and server: whose hello it is. Addresses are parsed, because IPv6 has more than one spelling.
type Stream = (String, IpAddr, u16, IpAddr, u16);

fn fingerprint(event: &Value) -> Option<(Stream, &str)> {
    let ja4 = event[event["event_type"].as_str()?]["ja4"].as_str()?;
    let (_, capture) = event["pcap_filename"].as_str()?.rsplit_once("/pcap/ja4/")?;
    let end = |ip: &str, port: &str| {
        Some((event[ip].as_str()?.parse().ok()?, u16::try_from(event[port].as_u64()?).ok()?))
    };
    let ((src, src_port), (dst, dst_port)) = (end("src_ip", "src_port")?, end("dest_ip", "dest_port")?);
    Some(((format!("ja4/{capture}"), src, src_port, dst, dst_port), ja4))
}

/// The table is older than the specification in one thing: where an ALPN does not begin in ASCII it has "99" in place of
/// digits of the hexadecimal form.
fn without_old_alpn(seen: &str, expected: &str) -> String {
    match (seen.split_once('_'), expected.split_once('_')) {
        (Some((head, rest)), Some((old, _))) if old.ends_with("99") && head.len() == old.len() => {
            format!("{}99_{rest}", &head[..head.len() - 2])
        }
        _ => seen.to_owned(),
    }
}

/// Every row of the table: a TLS or QUIC stream and the one fingerprint of its ClientHello.
#[test]
fn every_expected_fingerprint_is_written() {
    let Some(data) = shared_data() else {
        eprintln!("SKIPPED: needs RINGWARD_DATA");
        return;
    };
    let table = std::fs::read_to_string(data.join("golden/ja4.tsv")).unwrap();
    let wanted: Vec<(Stream, &str)> = table
        .lines()
        .skip(1)
        .map(|line| {
            let [capture, _, src, dst, src_port, dst_port, _, ja4] =
                line.split('\t').collect::<Vec<_>>().try_into().unwrap();
            let stream = (
                capture.to_owned(),
                src.parse().unwrap(),
                src_port.parse().unwrap(),
                dst.parse().unwrap(),
                dst_port.parse().unwrap(),
            );
            (stream, ja4)
        })
        .collect();
    assert!(wanted.len() >= 150, "{} rows", wanted.len());

    let mut captures: Vec<_> = wanted.iter().map(|(stream, _)| data.join("pcap").join(&stream.0)).collect();
    captures.sort();
    captures.dedup();
    let events = replay_all(&Desk::new(""), &captures);
    let mut found: HashMap<Stream, Vec<&str>> = HashMap::new();
    for (stream, ja4) in events.iter().filter_map(fingerprint) {
        found.entry(stream).or_default().push(ja4);
    }
    let differing: Vec<String> = wanted
        .iter()
        .filter(|(stream, ja4)| {
            let same = |seen: &&str| without_old_alpn(seen, ja4) == *ja4;
            !found.get(stream).is_some_and(|all| all.iter().any(same))
        })
        .map(|(stream, ja4)| format!("{stream:?}: expected {ja4}, found {:?}", found.get(stream)))
        .collect();
    assert!(
        differing.is_empty(),
        "{} of {} differ:\n{}",
        differing.len(),
        wanted.len(),
        differing.join("\n")
    );
}
