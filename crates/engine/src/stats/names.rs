//! Names and meanings of the counters that are not a worker's own.

/// Name and meaning of the counters of all ports together, in the order in which they are read.
pub const PORT_COUNTERS: [(&str, &str); 25] = [
    ("capture.received", "Frames that entered the XDP programs of the capture and inline ports."),
    ("capture.received_bytes", "Bytes of these frames."),
    ("capture.processed", "Frames that workers took in."),
    ("capture.bypassed", "Frames of flows that need no more inspection, counted in the kernel."),
    (
        "capture.passed",
        "Frames that the kernel sent on to the other end of an inline wire, past the workers.",
    ),
    ("capture.isolated", "Frames of isolated hosts, dropped on inline ports."),
    ("capture.dropped", "Frames that were lost to inspection; the sum of capture.drop_reason.*."),
    ("capture.drop_reason.rx_ring_full", "A worker's receive ring was full: it is too slow."),
    (
        "capture.drop_reason.fill_ring_empty_or_oversized",
        "The kernel had no free frame, or the frame was larger than a chunk of packet memory.",
    ),
    ("capture.drop_reason.no_headroom", "The driver left no room for the frame head."),
    ("capture.drop_reason.no_socket", "No worker's socket on the frame's queue."),
    ("capture.drop_reason.shed", "Frames of flows given up under overload; their records still count them."),
    (
        "capture.in_flight",
        "Frames in rings at this instant: received = processed + bypassed + passed + isolated + dropped + in flight.",
    ),
    ("capture.truncated", "Frames of processed that packet memory had no room for whole."),
    ("capture.fill_ring_empty", "Times the kernel found a fill ring empty."),
    ("capture.pool_empty", "Times a fill ring was half empty and there was no free chunk for it."),
    ("inline.forwarded", "Frames that workers sent on to the other end of an inline wire."),
    ("inline.tx_ring_full", "Frames not sent on because the other end was too slow."),
    ("inline.tx_invalid", "Frames that the kernel refused to send."),
    (
        "inline.too_deep",
        "Frames of capture.isolated that have more than 16 tags, labels and other layers: dropped while anybody is isolated.",
    ),
    ("bypass.active", "Flows bypassed now."),
    ("guard.received", "Frames that entered the guard program, all guard ports together."),
    ("guard.passed", "Frames of these handed to the kernel."),
    ("guard.dropped", "Frames of these from or to isolated hosts."),
    (
        "guard.too_deep",
        "Frames of guard.dropped that have more than 16 tags, labels and other layers: dropped while anybody is isolated.",
    ),
];

/// Name and meaning of the counters of each device of a capture or inline port (`port.NAME.*`), each of its queues
/// (`port.NAME.queueN.*`) and each worker (`worker.N.*`).
pub const EACH_COUNTERS: [(&str, &str); 23] = [
    ("port.NAME.received", "Frames that entered the XDP program of the device."),
    ("port.NAME.received_bytes", "Bytes of these frames."),
    ("port.NAME.steered", "Frames of these redirected to a worker."),
    ("port.NAME.bypassed", "Frames of these of bypassed flows."),
    ("port.NAME.nic_time", "Frames of these stamped by the NIC."),
    (
        "port.NAME.nic_dropped",
        "Frames that NIC and driver count as dropped; some (veth) count those of full receive rings, too.",
    ),
    ("port.NAME.passed", "Inline: frames of these sent on by the kernel."),
    ("port.NAME.isolated", "Inline: frames of these dropped because of an isolated host."),
    ("port.NAME.queueN.received", "Frames that entered the program by this queue."),
    ("port.NAME.queueN.steered", "Frames of these redirected to a worker."),
    ("port.NAME.queueN.no_socket", "Frames of these for which no worker had a socket."),
    ("port.NAME.queueN.rx_ring_full", "Frames of these lost because a receive ring was full."),
    (
        "port.NAME.queueN.rx_dropped",
        "Frames of these lost for want of a free chunk, or because they were too large.",
    ),
    ("port.NAME.queueN.fill_ring_empty", "Times the kernel found the queue's fill ring empty."),
    ("worker.N.packets", "Frames that the worker took in."),
    ("worker.N.bytes", "Bytes of these frames."),
    ("worker.N.flows_active", "Flows live in its table."),
    ("worker.N.rx_ring_full", "Frames lost because its receive rings were full."),
    ("worker.N.rx_dropped", "Frames lost for want of a free chunk, or because they were too large."),
    ("worker.N.fill_ring_empty", "Times the kernel found a fill ring of its queues empty."),
    ("worker.N.pool_empty", "Times it found no free chunk for a half-empty fill ring."),
    ("worker.N.ring_depth.*", "Frames waiting in its fullest receive ring at each batch: p50, p99, maximum."),
    ("worker.N.packet.*_ns", "Nanoseconds a packet takes it, averaged over each batch: p50, p99, maximum."),
];

/// Name and meaning of the counters of verdicts, output and intelligence.
pub const VERDICT_COUNTERS: [(&str, &str); 58] = [
    (
        "detect.alerts_suppressed",
        "Alerts raised and not told, nor judged: their rule's threshold, a suppression or a rate filter says so.",
    ),
    ("isolation.active", "Hosts, networks and stations isolated now."),
    ("isolation.held", "1 while the kill switch is on: nothing is dropped and nobody isolated; else 0."),
    ("enforcement.ports", "Guard and inline ports that are configured."),
    ("enforcement.in_force", "Guard and inline ports that enforce isolations now."),
    ("enforcement.gaps", "Times that such a port was found without its program, or gone."),
    (
        "enforcement.unguarded_ms",
        "Milliseconds during which such ports enforced nothing, all of them together.",
    ),
    ("isolation.not_enforced", "Verdicts that could not be enforced; the log says why."),
    ("isolation.withheld.protected", "Verdicts withheld because somebody is protected."),
    ("isolation.withheld.observe", "Verdicts withheld because policy.mode, or the rule, only observes."),
    (
        "isolation.withheld.infrastructure",
        "Verdicts withheld because others need the host (policy.infrastructure).",
    ),
    (
        "isolation.withheld.brake",
        "Verdicts withheld by the brake (policy.max_per_minute, policy.max_isolated).",
    ),
    (
        "isolation.withheld.proof",
        "Verdicts withheld because it is not proven that the victim took part (when.proof of the policy's rule).",
    ),
    ("isolation.proofs_awaited", "Flows with alerts that wait for that proof now."),
    ("isolation.proofs_forgotten", "Alerts that do not wait any more, because 4,096 later ones did."),
    (
        "isolation.withheld.unproven",
        "Those of the brake's about victims whose part was not proven (policy.proven_reserve).",
    ),
    ("isolation.restored", "Isolations of before a reboot that were put back into the map at the start."),
    ("isolation.not_restored", "Isolations of before a reboot that were not; the log and the event say why."),
    (
        "isolation.adopted",
        "Isolations found in the map at the start that the ledger did not know, or not all of.",
    ),
    (
        "isolation.vanished",
        "Isolations that the ledger had as running, and that were gone from the map at the start.",
    ),
    ("isolation.brakes", "Times the brake tripped."),
    ("isolation.brake_on", "1 while the brake is on."),
    ("isolation.relapses", "Hosts isolated again, for longer, while they were watched."),
    (
        "policy.repeats_forgotten",
        "Hosts whose alerts were counted for a policy rule with `repeat` and are no longer: too many at once.",
    ),
    ("policy.roles", "Roles of hosts that serve others, as seen in the last seven days."),
    ("policy.roles_forgotten", "Hosts that served somebody and were forgotten: too many at once."),
    ("policy.questions_forwarded", "Alerts about questions that a host passed on for a client."),
    ("policy.questions_forgotten", "Questions forgotten before they could be passed on: too many at once."),
    (
        "policy.stations_forgotten",
        "Stations, their addresses, connections and requests for leases that were forgotten: too many at once.",
    ),
    (
        "policy.contacts_refused",
        "Contacts of hosts not kept for what an isolation would cut off: too many hosts.",
    ),
    (
        "isolation.alert_latency.*",
        "From the arrival of a packet that led to an isolation to its alert: count, p50, p90, p99, p99.9, maximum.",
    ),
    (
        "isolation.latency.*",
        "From a packet's arrival to its map entry: count, p50, p90, p99, p99.9, maximum.",
    ),
    (
        "isolation.first_drop_latency.*",
        "From that arrival to the first packet of the host that was dropped: count, p50, p90, p99, p99.9, maximum.",
    ),
    ("output.write_errors", "Writes that failed."),
    ("output.evidence_packets_refused", "Evidence packets not written because of evidence.max_total_mib."),
    (
        "output.files_refused",
        "Files not stored because of files.max_total_mib, or because pieces of them were lost.",
    ),
    ("output.evidence_packets_unwritten", "Evidence packets not written because the disk refused them."),
    ("output.reports_refused", "Incidents without report files because of output.max_reports."),
    (
        "output.reopened",
        "Times eve.json was opened anew: SIGHUP, `ringward reopen`, or its path no longer led to the open file.",
    ),
    ("output.rotated", "Times eve.json was renamed by output.rotate_size or output.rotate_every."),
    (
        "output.rotation_errors",
        "Rotations, compressions and removals of old files that failed; the log says why.",
    ),
    (
        "output.lines_waiting",
        "Lines that wait in memory because the disk refused them: alerts and isolations.",
    ),
    ("output.failing", "1 while the disk refuses what is to be written into eve.json."),
    (
        "output.lost.TYPE",
        "Lines of that event type that the disk refused; they count in output.events_lost, too.",
    ),
    ("output.audit_lost", "What operators did and the sensor had no room to put on record."),
    ("output.verdict_events_lost", "Alerts and isolation steps that the recorder had no room for."),
    ("output.NAME_lost", "Alerts and isolation steps that a listener (push, fleet, ledger) had no room for."),
    ("ledger.records", "Steps written into the ledger."),
    ("ledger.write_errors", "Attempts to write a step that failed, as on a full disk; it is tried again."),
    ("ledger.sync_errors", "Times the ledger could not be made to outlive a power loss."),
    ("ledger.damaged", "Damaged places found in the ledger at the start; the log names the first of them."),
    ("intel.indicators", "Indicators in force."),
    ("rules.in_force", "Rules in force."),
    ("rules.hostbits_refused", "Bits that rules could not set on hosts because there were too many."),
    (
        "rules.dataset_entries_refused",
        "Entries that rules could not put into their datasets because of the sets' limits, since rules were loaded.",
    ),
    (
        "rules.thresholds_refused",
        "Alerts told because there was no room to count them for their rule's threshold.",
    ),
    ("intel.reloads", "Times they were loaded anew, rules and indicators."),
    ("intel.reloads_failed", "Times they could not be; the log says why. What was in force still is then."),
];
