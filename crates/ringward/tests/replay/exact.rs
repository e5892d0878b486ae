//! Flow records are exact: they add up to the packets read, and to what tshark counts of each conversation.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::oracles::{captures, replay_all};
use crate::support::{Desk, counters, of_type, shared_data, try_tshark};

/// Two ends in order, and the protocol.
type Conversation = (String, String, String);

/// Packets and bytes.
type Sums = BTreeMap<Conversation, (u64, u64)>;

fn conversation(proto: &str, a: (&str, &str), b: (&str, &str)) -> Conversation {
    let end = |(ip, port): (&str, &str)| {
        let ip: std::net::IpAddr = ip.parse().unwrap_or_else(|_| panic!("an address: {ip}"));
        format!("{ip} {port}")
    };
    let (a, b) = (end(a), end(b));
    if a <= b { (a, b, proto.to_owned()) } else { (b, a, proto.to_owned()) }
}

/// What the flow records say of each conversation.
fn ours(events: &[Value]) -> Sums {
    let mut sums = Sums::new();
    for event in events.iter().filter(|e| e["event_type"] == "flow") {
        let text = |name: &str| event[name].as_str().unwrap().to_owned();
        let proto = text("proto");
        if proto != "TCP" && proto != "UDP" {
            continue;
        }
        let (src_port, dest_port) = (event["src_port"].to_string(), event["dest_port"].to_string());
        let key = conversation(&proto, (&text("src_ip"), &src_port), (&text("dest_ip"), &dest_port));
        let count = |name: &str| event["flow"][name].as_u64().unwrap();
        let sum = sums.entry(key).or_default();
        sum.0 += count("pkts_toserver") + count("pkts_toclient");
        sum.1 += count("bytes_toserver") + count("bytes_toclient");
    }
    sums
}

/// What tshark says: of each frame the innermost addresses and ports, as conv,tcp and conv,udp add them up (whose own
/// tables round bytes). Frames about which the two may differ are left out, with all of their conversation.
fn theirs(file: &Path) -> Result<(Sums, BTreeSet<Conversation>), String> {
    let fields = [
        "frame.len",
        "ip.src",
        "ip.dst",
        "ipv6.src",
        "ipv6.dst",
        "tcp.srcport",
        "tcp.dstport",
        "udp.srcport",
        "udp.dstport",
        "frame.protocols",
        "ip.flags.mf",
        "ip.frag_offset",
        "ipv6.fraghdr.nxt",
        "frame.cap_len",
        "tcp.hdr_len",
    ];
    let (mut sums, mut unsure) = (Sums::new(), BTreeSet::new());
    for row in try_tshark(file, "(tcp || udp) && !icmp && !icmpv6", &fields)? {
        let last = |i: usize| row[i].rsplit(',').next().unwrap_or_default();
        let protocols: Vec<&str> = row[9].split(':').collect();
        // The innermost network and transport headers.
        let place = |name: &str| protocols.iter().rposition(|p| *p == name);
        let (src, dst) = if place("ipv6") > place("ip") { (last(3), last(4)) } else { (last(1), last(2)) };
        let tcp = place("tcp") > place("udp");
        let (src_port, dst_port) = if tcp { (last(5), last(6)) } else { (last(7), last(8)) };
        if src.is_empty() || src_port.is_empty() {
            continue;
        }
        let key = conversation(if tcp { "TCP" } else { "UDP" }, (src, src_port), (dst, dst_port));
        let fragment = !row[12].is_empty()
            || row[10].split(',').any(|flag| flag == "1" || flag == "True")
            || row[11].split(',').any(|offset| !matches!(offset, "" | "0"));
        let transport = protocols.iter().position(|p| matches!(*p, "udp" | "tcp"));
        // A header inside of the transport's payload: a tunnel that only one of the two may open.
        let tunnel = transport.is_some_and(|first| place("ip").max(place("ipv6")) > Some(first))
            || protocols.iter().filter(|p| matches!(**p, "ip" | "ipv6" | "udp" | "tcp")).count() > 2;
        // The capture cut TCP's options off: here such a frame is malformed (ipv4.trunc_pkt) and in no flow.
        let number = |i: usize| last(i).parse::<u64>().unwrap_or(0);
        let cut = number(13) < number(0) && number(13) < 40 + number(14);
        // Longer than UDP's length field can say (BIG TCP in VXLAN): tshark does not look into it.
        let big = !tcp && number(0) > 65_575;
        if fragment || tunnel || cut || big {
            unsure.insert(key);
            continue;
        }
        let sum = sums.entry(key).or_default();
        sum.0 += 1;
        sum.1 += row[0].parse::<u64>().unwrap();
    }
    Ok((sums, unsure))
}

/// Every so many-th capture, or all of them with RINGWARD_ALL set (half an hour).
pub fn sample(all: Vec<PathBuf>, every: usize) -> Vec<PathBuf> {
    let every = if std::env::var_os("RINGWARD_ALL").is_some() { 1 } else { every };
    all.into_iter().step_by(every).collect()
}

#[test]
fn conversations_are_what_tshark_counts() {
    let Some(data) = shared_data() else {
        eprintln!("SKIPPED: needs RINGWARD_DATA");
        return;
    };
    let (mut compared, mut left_out, mut wrong) = (0, 0, Vec::new());
    let files = sample(captures(&data.join("pcap")), 37);
    let mut refused = 0;
    for file in &files {
        let desk = Desk::new("");
        let ours = ours(&replay_all(&desk, std::slice::from_ref(file)));
        let (theirs, unsure) = match theirs(file) {
            Ok(counted) => counted,
            Err(err) => {
                // Cut off, or of a link type that it does not know: there is nothing to compare with.
                eprintln!(
                    "{}: left out, tshark says: {}",
                    file.display(),
                    err.lines().last().unwrap_or_default()
                );
                refused += 1;
                continue;
            }
        };
        left_out += unsure.len();
        for (key, counted) in theirs.iter().filter(|(key, _)| !unsure.contains(*key)) {
            compared += 1;
            if ours.get(key) != Some(counted) {
                wrong.push(format!(
                    "{}: {key:?}: tshark {counted:?}, records {:?}",
                    file.display(),
                    ours.get(key)
                ));
            }
        }
    }
    eprintln!(
        "{compared} conversations compared, {left_out} with tunnels, fragments or headers cut off left out, {} differ",
        wrong.len()
    );
    for line in &wrong {
        eprintln!("{line}");
    }
    assert!(wrong.is_empty(), "{} of {compared} differ", wrong.len());
    assert!(compared > 50 && refused * 10 < files.len(), "{compared} compared, {refused} captures refused");
}

/// Every packet read is a packet of one flow record, unless a counter says why not.
pub fn flows_add_up_to_the_packets(events: &[Value]) {
    let mut in_flows = 0;
    for event in events {
        if event["event_type"] == "flow" {
            let count = |name: &str| event["flow"][name].as_u64().unwrap();
            in_flows += count("pkts_toserver") + count("pkts_toclient");
        }
    }
    assert_eq!(of_type(events, "counters").len(), 1, "one line of counters, at the end");
    let counters = counters(events);
    let of = |name: &str| counters[name].as_u64().unwrap_or_else(|| panic!("{name}: {counters}"));
    let elsewhere = [
        "decoder.non_ip",
        "decoder.invalid",
        "defrag.held_packets",
        "defrag.timed_out_packets",
        "defrag.evicted_packets",
        "defrag.overlap_discarded_packets",
        "defrag.flushed_packets",
        "defrag.nested_packets",
        "defrag.handover_full_packets",
    ];
    let packets = of("decoder.pkts");
    let not_in_flows: u64 = elsewhere.iter().map(|name| of(name)).sum();
    eprintln!("{packets} packets: {in_flows} in flow records, {not_in_flows} counted elsewhere");
    assert_eq!(in_flows, packets - not_in_flows, "{counters}");
    assert_eq!(of("output.events_lost"), 0, "no record was lost");
    let malformed =
        counters.as_object().unwrap().iter().filter(|(name, _)| name.starts_with("decoder.event."));
    let malformed: u64 = malformed.map(|(_, count)| count.as_u64().unwrap()).sum();
    assert_eq!(malformed, of("decoder.invalid") + of("decoder.inner_invalid"), "each for one reason");
}
