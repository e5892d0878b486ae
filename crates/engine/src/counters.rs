//! What a worker counts. One declaration gives the counter, its name in stats and its meaning.

use std::sync::atomic::{AtomicU64, Ordering};

use flow::defrag::Anomaly;
use wire::Malformed;

use crate::histogram::AtomicHistogram;

macro_rules! counters {
    ($($field:ident => $name:literal, $doc:literal;)*) => {
        /// Counters of one worker. Only that worker writes them, anybody may read them at any time.
        #[derive(Debug)]
        pub struct WorkerCounters {
            $(#[doc = $doc] pub $field: Counter,)*
            /// Frames that could not be decoded, by reason.
            pub malformed: [Counter; Malformed::ALL.len()],
            /// What was wrong with fragments.
            pub fragment_anomalies: [Counter; Anomaly::ALL.len()],
            /// Frames that waited in the fullest receive ring, at every batch.
            pub(crate) ring_depth: AtomicHistogram,
            /// Nanoseconds a packet, averaged over each batch.
            pub(crate) packet_ns: AtomicHistogram,
        }

        impl Default for WorkerCounters {
            fn default() -> Self {
                WorkerCounters {
                    $($field: Counter::default(),)*
                    malformed: std::array::from_fn(|_| Counter::default()),
                    fragment_anomalies: std::array::from_fn(|_| Counter::default()),
                    ring_depth: AtomicHistogram::default(),
                    packet_ns: AtomicHistogram::default(),
                }
            }
        }

        /// Name and meaning of every worker counter but those of malformed packets and of fragments.
        pub const WORKER_COUNTERS: &[(&str, &str)] = &[$(($name, $doc),)*];

        impl WorkerCounters {
            /// Adds the present values to `sums`, in the order of [`WORKER_COUNTERS`].
            fn add_to(&self, sums: &mut [u64]) {
                let values = [$(self.$field.get(),)*];
                for (sum, value) in sums.iter_mut().zip(values) {
                    *sum += value;
                }
            }
        }
    };
}

counters! {
    packets => "decoder.pkts", "Frames that a worker took in.";
    bytes => "decoder.bytes", "Bytes of these frames on the wire.";
    wrong_worker => "capture.wrong_worker", "Flows that reached another worker than their own, or two workers; always 0.";
    ipv4 => "decoder.ipv4", "IPv4 packets.";
    ipv6 => "decoder.ipv6", "IPv6 packets.";
    tcp => "decoder.tcp", "TCP segments.";
    udp => "decoder.udp", "UDP datagrams.";
    icmpv4 => "decoder.icmpv4", "ICMP messages.";
    icmpv6 => "decoder.icmpv6", "ICMPv6 messages.";
    vlan => "decoder.vlan", "Frames with a VLAN tag.";
    invalid => "decoder.invalid", "Frames that could not be decoded; decoder.event.* says why.";
    non_ip => "decoder.non_ip", "Well-formed frames of other network protocols (ARP ...).";
    arp => "decoder.arp", "ARP packets among them.";
    tunnelled => "decoder.tunnelled", "IP packets, whole datagrams among them, that came in a tunnel that was opened.";
    inner_invalid => "decoder.inner_invalid", "Packets of tunnels with something in them that could not be decoded: packets of the tunnel's own flow; decoder.event.* says why.";
    fragments => "decoder.fragments", "Fragments among the packets.";
    defrag_reassembled => "defrag.reassembled", "Datagrams put together from fragments.";
    defrag_reassembled_packets => "defrag.reassembled_packets", "Fragments that these came in; they count as packets of the datagram's flow.";
    defrag_held => "defrag.held_packets", "Fragments of datagrams that are not whole yet.";
    defrag_timed_out => "defrag.timed_out_packets", "Fragments of datagrams that were not whole in time.";
    defrag_evicted => "defrag.evicted_packets", "Fragments of datagrams that had to go because of defrag.max_datagrams or defrag.max_mib.";
    defrag_discarded => "defrag.overlap_discarded_packets", "Fragments of datagrams that their receiver drops because some overlap or contradict each other.";
    defrag_flushed => "defrag.flushed_packets", "Fragments of datagrams that were not whole when the sensor stopped or the capture ended.";
    defrag_nested => "defrag.nested_packets", "Fragments within more reassembled datagrams than are opened.";
    handed_over => "defrag.handed_over", "Datagrams put together by one worker, and tunnels' packets with something malformed in them, given to the worker that has their flow.";
    handover_full => "defrag.handover_full_packets", "Frames of these that were dropped because that worker was too slow.";
    cut_short => "decoder.cut_short", "Packets that the capture cut short.";
    unsupported_link => "decoder.unsupported_link", "Frames of a link type that is not decoded.";
    anomalies => "output.anomalies", "Anomaly events of flows: streams and application protocols.";
    bindings_learned => "bindings.learned", "Times that ARP, neighbor discovery or DHCP told where a host lives.";
    bindings_evicted => "bindings.evicted", "Hosts that were forgotten so, because 65,536 others were heard of later.";
    bindings_missed => "bindings.missed", "Times that it was not noted, because another worker was at the table.";
    expectations_refused => "app_layer.expectations_refused", "Flows that other flows announced and that there was no room to wait for.";
    anomalies_suppressed => "output.anomalies_suppressed", "Anomaly events of malformed frames and of fragments beyond the rate limit; each is counted.";
    flows => "flow.total", "Flows opened.";
    flows_tcp => "flow.tcp", "TCP flows opened.";
    flows_udp => "flow.udp", "UDP flows opened.";
    flows_active => "flow.active", "Flows live now.";
    bypass_inspected => "bypass.flows_inspected", "Flows bypassed because there was nothing more to be learned.";
    bypass_shed => "bypass.flows_shed", "Flows bypassed because the worker was overloaded and they were its heaviest.";
    bypass_refused => "bypass.refused", "Flows that should have been bypassed and found the table full.";
    busy_poll_failed => "capture.busy_poll_failed", "Workers that gave busy polling up.";
    flows_evicted => "flow.evicted", "Flows that had to go because the table was full.";
    flows_evicted_new => "flow.evicted_new", "Flows among them that nobody had answered.";
    flows_evicted_closed => "flow.evicted_closed", "Flows among them that were closed.";
    flows_evicted_established => "flow.evicted_established", "Flows among them that were established.";
    flows_pressed => "flow.ended_under_pressure", "Unanswered and closed flows that ended early because the table was nearly full.";
    flows_expired => "flow.expired", "Flows that were silent for too long.";
    pressures => "flow.pressure", "Times a flow table was nearly full.";
    macs_refused => "flow.macs_refused", "Times a frame had a hardware address that there was no room for: 8 are kept of each end of a flow (output.ethernet).";
    flow_interims => "flow.interim_records", "Records of flows that lived on.";
    gaps => "tcp.reassembly_gap", "Holes in TCP streams that nothing filled.";
    depths_reached => "tcp.stream_depth_reached", "Directions of TCP streams that were longer than is read.";
    stream_memory => "tcp.reassembly_memuse", "Bytes that wait behind holes in TCP streams now.";
    segments_refused => "tcp.segment_memcap_drop", "Holes given up because there was no memory to wait for what is missing.";
    parser_limits => "app_layer.limits_hit", "Times a parser met one of its limits.";
    transactions => "app_layer.transactions", "Transactions logged.";
    files => "files.total", "Files that were transferred and told of.";
    files_refused => "files.refused", "Files not followed because too many were open on their flow.";
    files_too_large => "files.too_large", "Files neither hashed nor stored because of files.max_mib.";
    file_memory => "files.memuse", "Bytes of open files that are kept for rules now.";
    files_uninspected => "files.memcap_drop", "Files of which rules saw less than they should: too much was kept.";
    files_lost => "files.lost", "Files not stored because the disk was too slow.";
    rule_candidates => "rules.candidates", "Rules that were looked at because their literal was found or they have none.";
    rule_matches => "rules.matches", "Rules of these that matched, those that only set bits among them.";
    rules_given_up => "rules.given_up", "Verifications given up because they took too many steps, searched too much, or because of an expression's limit.";
    rules_over_limit => "rules.packet_limit", "Matches not told because too many rules had spoken of the same packet or transaction.";
    rules_pending_refused => "rules.pending_refused", "Rules that should have waited for the rest of a transaction and found no room on their flow.";
    rule_bits_refused => "rules.flowbits_refused", "Bits and numbers that rules could not set on a flow because it had too many.";
    rule_windows => "rules.window_memuse", "Bytes of streams that are kept for contents across segments now.";
    rule_windows_refused => "rules.window_memcap_drop", "Pieces of streams that rules saw without what was before them because of rules.window_mib.";
    alerts => "detect.alert", "Alerts raised.";
    alerts_lost => "detect.alert_queue_overflow", "Alerts among them that no verdict was made of: the warden was too slow.";
    sightings_lost => "policy.sightings_lost", "Facts about who serves whom that the judge did not get: the warden was too slow.";
    events_lost => "output.events_lost", "Events dropped because the output was too slow, and lines that the disk refused.";
    evidence_lost => "output.evidence_packets_lost", "Evidence packets among them.";
}

/// A counter with one writer.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`. Only the owning worker may call this: it is a plain load and store.
    pub fn add(&self, n: u64) {
        self.set(self.get() + n);
    }

    /// Sets the value. Only for the owning worker.
    pub fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }

    /// The present value.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The counters of all workers together, by name.
pub fn sum<'a>(workers: impl IntoIterator<Item = &'a WorkerCounters>) -> Vec<(String, u64)> {
    let mut sums = vec![0; WORKER_COUNTERS.len()];
    let mut malformed = [0; Malformed::ALL.len()];
    let mut anomalies = [0; Anomaly::ALL.len()];
    for worker in workers {
        worker.add_to(&mut sums);
        for (sum, counter) in malformed.iter_mut().zip(&worker.malformed) {
            *sum += counter.get();
        }
        for (sum, counter) in anomalies.iter_mut().zip(&worker.fragment_anomalies) {
            *sum += counter.get();
        }
    }
    let named = WORKER_COUNTERS.iter().zip(sums).map(|(&(name, _), value)| (name.to_owned(), value));
    let reasons = Malformed::ALL.iter().zip(malformed);
    let anomalies = Anomaly::ALL.iter().zip(anomalies);
    named
        .chain(reasons.map(|(reason, value)| (format!("decoder.event.{}", reason.name()), value)))
        .chain(anomalies.map(|(anomaly, value)| (anomaly.counter().to_owned(), value)))
        .collect()
}
