"""Benches of the sensor under load: mixed traffic with rules, and how soon a host is cut off."""
import subprocess
import sys
import tempfile
import time
import pathlib

from rig import RELEASE, Rig, calibrate, check, needs_root_and_two_cores

# Mixed traffic.
SECONDS = 5
# Whatever else the machine does may cost packets that the sensor would not lose: a rate is tried so often.
TRIES = 3
RATES = (50_000, 100_000, 200_000, 300_000, 400_000, 485_000, 600_000, 800_000)
# What Suricata 8.0.6 does by AF_XDP with the same rules on such a veth. Recorded there, not by this bench.
PEER = "Suricata 8.0.6 (not measured here)"
PEER_LOSSLESS, PEER_RATE, PEER_LOST = 100_000, 485_000, 48

# Verdicts.
VICTIMS = 5000
INTERVAL_US = 1000


def mixed(rig, pcap, rate, rules, events):
    """A run of mixed traffic through a fresh sensor: packets a second that were sent, and what became of them."""
    with rig.sensor(rules=rules, events=events) as running:
        before = rig.dropped()
        limit = ("--rate", rate) if rate else ()
        sent = rig.generate("--seconds", SECONDS, "--pcap", pcap, "--renew", *limit)
        stats = settled(running)
        nic = rig.dropped() - before
    check(stats)
    reasons = {name.removeprefix("capture.drop_reason."): n for name, n in stats.items()
               if name.startswith("capture.drop_reason.")}
    if stats["capture.dropped"] != sum(reasons.values()):
        raise SystemExit(f"frames were dropped for no reason: {stats}")
    if sent["packets"] != stats["capture.received"] + nic:
        raise SystemExit(f"{sent['packets']} sent, {stats['capture.received']} received, {nic} dropped between them")
    return {"pps": sent["packets"] / sent["seconds"], "sent": sent["packets"], "nic": nic, "reasons": reasons,
            "lost": nic + stats["capture.dropped"], "left_out": sent["left_out"], "stats": stats}


def settled(running):
    """The counters once all that was sent has been worked on."""
    for _ in range(500):
        stats = running.stats()
        if stats["capture.in_flight"] == 0:
            return stats
        time.sleep(0.01)
    raise SystemExit(f"frames stay in flight: {stats}")


def rules(table, bench_mix, file, events):
    """Mixed traffic at the sender's top speed, and the highest rate at which nothing is lost; with and without rules."""
    needs_root_and_two_cores()
    for path in (bench_mix, file):
        if not pathlib.Path(path).exists():
            raise SystemExit(f"{path} is not there; RINGWARD_DATA and RINGWARD_RULES say where to look")
    calibrate(table)
    spent, lossless = {}, {}
    with tempfile.TemporaryDirectory(prefix="ringward-mix-") as folder, Rig() as rig:
        pcap = pathlib.Path(folder) / "mix.pcap"
        subprocess.run([sys.executable, bench_mix, pcap, "1"], check=True, stdout=subprocess.DEVNULL)
        cases = {"no rules": None, "all rules": file}
        for name, used in cases.items():
            top = mixed(rig, pcap, None, used, events)
            stats = top["stats"]
            table.add("sent, top speed", top["pps"], "packets/s", name)
            table.add("frames of the mix that were left out", top["left_out"], "frames", "longer than 1518 bytes or cut short")
            table.add("sent", top["sent"], "packets", name)
            table.add("received", stats["capture.received"], "packets", name)
            table.add("processed", stats["capture.processed"], "packets", name)
            table.add("lost between the ends of the veth", top["nic"], "packets", name)
            for reason, lost in top["reasons"].items():
                table.add(f"lost: {reason}", lost, "packets", name)
            table.add("lost", 100 * top["lost"] / top["sent"], "%", name, "<= 0" if used else None)
            spent[name] = stats["worker.0.packet.p50_ns"]
            table.add("a worker's time, all in", spent[name], "ns/packet", name)
            table.add("alerts", stats["detect.alert"], "alerts", name)
            table.add("events that the output had no room for", stats["output.events_lost"], "events", name)
            lossless[name] = step_search(rig, pcap, used, events, top)
            table.add("highest rate without loss", lossless[name], "packets/s", name,
                      f">= {PEER_LOSSLESS}" if used else None)
    table.add("a worker's time, ratio", spent["all rules"] / spent["no rules"], "", "all rules to none")
    table.add("highest rate without loss, ratio", lossless["all rules"] / max(lossless["no rules"], 1), "",
              "all rules to none")
    table.add("highest rate without loss", PEER_LOSSLESS, "packets/s", PEER)
    table.add("lost", PEER_LOST, "%", f"{PEER}, {PEER_RATE:,} packets/s")


def step_search(rig, pcap, used, events, top):
    """Rates are tried from below until packets are lost, or the sender cannot send so fast; what was sent a second then."""
    best = 0
    for rate in (*(rate for rate in RATES if rate < top["pps"]), None):
        for attempt in range(TRIES):
            run = mixed(rig, pcap, rate, used, events) if rate or attempt else top
            if not run["lost"]:
                best = run["pps"]
                break
        else:
            break
    return best


def verdict(table):
    """From a packet's arrival to the verdict in the map, and to the first packet that is dropped by it."""
    needs_root_and_two_cores()
    calibrate(table)
    for name, loaded in (("idle", False), ("full load", True)):
        with Rig() as rig, rig.sensor() as running:
            seconds = VICTIMS * INTERVAL_US // 1_000_000 + 2
            command = rig.inside(RELEASE / "rw-generate", "--device", "gen", "--cpu", "0", "--seconds", seconds)
            load = subprocess.Popen(command, stdout=subprocess.DEVNULL) if loaded else None
            time.sleep(0.5)
            victims = rig.inside(RELEASE / "rw-victims", "--device", "gen", "--guarded", "g0", "--cpu", "0",
                                 "--name", "c2.bad.example", "--hosts", VICTIMS, "--interval", INTERVAL_US)
            subprocess.run(victims, check=True, stdout=subprocess.DEVNULL)
            if load:
                load.wait(timeout=60)
            stats = settled(running)
            check(stats)
        params = f"{name}, {VICTIMS} hosts"
        if loaded:
            table.add("dropped (and counted)", 100 * stats["capture.dropped"] / stats["capture.received"], "%", params)
        steps = {"alert": "isolation.alert_latency", "map entry": "isolation.latency",
                 "first dropped packet": "isolation.first_drop_latency"}
        for step, key in steps.items():
            if stats[f"{key}.count"] < VICTIMS // 2:
                raise SystemExit(f"too few: {key}.count is {stats[f'{key}.count']} of {VICTIMS}")
            aims = {"p50": "<= 50", "p99": "<= 500"} if loaded and step == "map entry" else {}
            for figure, quantile in (("p50", "p50"), ("p99", "p99"), ("p99.9", "p999")):
                table.add(f"arrival to {step}, {figure}", stats[f"{key}.{quantile}_ns"] / 1000, "us", params,
                          aims.get(figure))
