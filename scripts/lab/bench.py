"""The benches behind scripts/bench. Every ratio is taken within one run; the calibration is part of it."""
import argparse
import gzip
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import fleet
import load
from rig import LOAD_SECONDS, RELEASE, ROOT, Rig, Table, calibrate, check, ip, needs_root_and_two_cores

ROUNDS = 5  # bare loop and sensor take turns
IDLE_SECONDS = 5
GARBAGE_SECONDS = 60
COALESCE_US = 20
DATA = pathlib.Path(os.environ.get("RINGWARD_DATA", ROOT.parent / "shared" / "data"))
BENCH_MIX = DATA.parent / "tools" / "bench-mix"
MIX_COPIES = (4, 12)
MIX_ROUNDS = 3
PROTOCOL_EVENTS = ["dns", "http", "tls"]


def criterion(name, table):
    """Runs a criterion bench; its medians in nanoseconds by id."""
    calibrate(table)
    command = ["cargo", "bench", "--locked", "--quiet", "-p", "ringward-benches", "--bench", name]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise SystemExit(done.stderr)
    found = {}
    for path in (ROOT / "target" / "criterion").glob("**/new/benchmark.json"):
        about = json.loads(path.read_text())
        estimates = json.loads((path.parent / "estimates.json").read_text())
        found[about["full_id"]] = estimates["median"]["point_estimate"]
    return found


def decode(table):
    found = criterion("decode", table)
    for name in ("udp4_64B", "vlan_tcp6_478B"):
        table.add("decode", found[f"decode/{name}"], "ns/packet", name)


def figures(name, table):
    """Runs a bench that measures by itself: figure, parameters, value, unit and aim on each line."""
    calibrate(table)
    command = ["cargo", "bench", "--locked", "--quiet", "-p", "ringward-benches", "--bench", name]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    for line in done.stdout.splitlines():
        figure, params, value, unit, aim = line.split("\t")
        table.add(figure, float(value), unit, params, aim or None)


def flow(table):
    figures("flow", table)


def search(table):
    figures("search", table)


def indicators(table):
    figures("indicators", table)


def worker(table):
    found = criterion("worker", table)
    for kind in ("unknown_udp", "dns_query"):
        table.add(f"worker, {kind}", found[f"worker/{kind}"] / 64, "ns/packet", "1024 flows, batches of 64")


def throughput(table, size, workers):
    bare, steered, sensor, lost, spent, wrong = [], [], [], [], [], 0
    with Rig(queues=workers) as rig:
        for _ in range(ROUNDS):
            bare.append(rig.bare(size))
            steered.append(rig.bare(size, "--steered"))
            with rig.sensor() as running:
                sent = rig.generate("--seconds", LOAD_SECONDS, "--size", size)
                time.sleep(0.2)
                stats = running.stats()
                check(stats)
                sensor.append(stats["capture.processed"] / sent["seconds"])
                lost.append(stats["capture.dropped"] / stats["capture.received"])
                spent.append(stats["worker.0.packet.p50_ns"])
                wrong += stats["capture.wrong_worker"]
    if wrong:
        raise SystemExit(f"{wrong} flows at the wrong worker")
    params = f"{size} B, {workers} worker{'s' * (workers > 1)}"
    table.add("bare loop, empty program", statistics.median(bare), "packets/s", params)
    table.add("bare loop, our program", statistics.median(steered), "packets/s", params)
    table.add("sensor", statistics.median(sensor), "packets/s", params)
    table.add("dropped (and counted)", 100 * statistics.median(lost), "%", params)
    table.add("a worker's time, all in", statistics.median(spent), "ns/packet", params)
    ratio = lambda base: statistics.median(s / b for s, b in zip(sensor, base))
    table.add("ratio, empty program", ratio(bare), "", params, ">= 0.95")
    table.add("ratio, our program", ratio(steered), "", params, ">= 0.95")


def live(table):
    needs_root_and_two_cores()
    calibrate(table)
    for size in (64, 512):
        for workers in (1, 2):
            throughput(table, size, workers)
    with Rig() as rig, rig.sensor() as running:
        before, start = running.cpu_seconds(), time.monotonic()
        time.sleep(IDLE_SECONDS)
        used = (running.cpu_seconds() - before) / (time.monotonic() - start)
        table.add("idle", 100 * used, "% of a core", f"{IDLE_SECONDS} s without traffic", "< 1")


def programs(table):
    """The XDP programs, by bpf_stats."""
    needs_root_and_two_cores()
    calibrate(table)
    with Rig() as rig:
        median = lambda *args: statistics.median(rig.program(*args) for _ in range(ROUNDS))
        empty = median("--program", "empty")
        table.add("empty program", empty, "ns/packet", "drops everything, looks at nothing")
        for hosts in (0, 1000, 100_000):
            cost = median("--program", "guard", "--hosts", hosts)
            table.add("guard, over empty", cost - empty, "ns/packet", f"passes; {hosts} hosts isolated", "< 20")
        for hosts in (1000, 100_000):
            cost = median("--program", "guard", "--hosts", hosts, "--hit")
            table.add("guard, over empty", cost - empty, "ns/packet", f"drops; {hosts} hosts isolated")
        for name, what in (("steer", "to a worker"), ("bypass", "1024 flows bypassed")):
            table.add(f"{name}, over empty", median("--program", name) - empty, "ns/packet", what)
        # In turns: what tunnels cost is the difference of two numbers that wander.
        costs = [rig.program("--program", "steer", "--tunnels") - rig.program("--program", "steer")
                 for _ in range(ROUNDS)]
        table.add("opening tunnels, over steer", statistics.median(costs), "ns/packet", "packets in no tunnel")


class Wire:
    """Two hosts with a wire between them, "left" and "right" of a namespace in the middle. MTU 1500, and no merging
    of segments: what leaves a host is what a NIC sends."""

    def __init__(self, rig):
        self.rig = rig
        self.hosts = {"left": f"{rig.ns}l", "right": f"{rig.ns}r"}

    def __enter__(self):
        for number, (end, ns) in enumerate(self.hosts.items(), 1):
            ip("netns", "add", ns)
            ip("-n", self.rig.ns, "link", "add", end, "type", "veth", "peer", "name", "eth0", "netns", ns)
            off = ["ethtool", "-K", "eth0", "tx", "off", "tso", "off", "gso", "off", "gro", "on"]
            subprocess.run(["ip", "netns", "exec", ns, *off], check=True, stdout=subprocess.DEVNULL)
            ip("-n", self.rig.ns, "link", "set", end, "up")
            ip("-n", ns, "link", "set", "eth0", "up")
            ip("-n", ns, "addr", "add", f"10.88.0.{number}/24", "dev", "eth0")
        return self

    def __exit__(self, *_):
        for ns in self.hosts.values():
            subprocess.run(["ip", "netns", "del", ns])

    def bridge(self, on):
        ns = self.rig.ns
        if on:
            ip("-n", ns, "link", "add", "bridge", "type", "bridge")
            for end in self.hosts:
                ip("-n", ns, "link", "set", end, "master", "bridge")
            ip("-n", ns, "link", "set", "bridge", "up")
        else:
            ip("-n", ns, "link", "del", "bridge")

    def coalesce(self, us):
        """Hosts wait so long for more frames before they hand them to TCP. A NIC moderates its interrupts; a veth takes
        every frame that is sent alone as one that came alone."""
        for ns in self.hosts.values():
            for setting, value in (("gro_flush_timeout", 1000 * us), ("napi_defer_hard_irqs", int(us > 0))):
                write = f"echo {value} >/sys/class/net/eth0/{setting}"
                subprocess.run(["ip", "netns", "exec", ns, "sh", "-c", write], check=True)

    def xdp_off(self):
        for end in self.hosts:
            ip("-n", self.rig.ns, "link", "set", "dev", end, "xdp", "off")

    def tcp(self):
        """Bytes per second from left to right."""
        run = lambda ns, code: subprocess.Popen(["ip", "netns", "exec", ns, sys.executable, "-c", code],
                                                stdout=subprocess.PIPE, text=True)
        server = run(self.hosts["right"], TCP_SERVER)
        server.stdout.readline()
        client = run(self.hosts["left"], TCP_CLIENT.format(seconds=LOAD_SECONDS))
        client.wait(timeout=60)
        out, _ = server.communicate(timeout=60)
        return float(out)


TCP_SERVER = """
import socket, time
s = socket.create_server(("10.88.0.2", 5001))
print("ready", flush=True)
c, _ = s.accept()
n, start, buffer = 0, time.monotonic(), bytearray(1 << 18)
while got := c.recv_into(buffer):
    n += got
print(n / (time.monotonic() - start))
"""
TCP_CLIENT = """
import socket, time
s = socket.create_connection(("10.88.0.2", 5001), timeout=10)
end, data = time.monotonic() + {seconds}, bytes(1 << 18)
while time.monotonic() < end:
    s.sendall(data)
"""


def inline(table):
    """TCP through an inline pair against the kernel's bridge."""
    needs_root_and_two_cores()
    calibrate(table)
    ports = '[[port]]\nname = "left"\nrole = "inline"\npeer = "right"\n'
    bridged, through, alone = {0: [], COALESCE_US: []}, {0: [], COALESCE_US: []}, []
    with Rig() as rig, Wire(rig) as wire:
        for _ in range(ROUNDS):
            wire.bridge(True)
            time.sleep(0.5)
            for us, rates in bridged.items():
                wire.coalesce(us)
                rates.append(wire.tcp())
            wire.bridge(False)
            with rig.sensor(ports) as running:
                time.sleep(0.5)
                for us, rates in through.items():
                    wire.coalesce(us)
                    rates.append(wire.tcp())
                stats = running.stats()
                check(stats)
                if stats["capture.processed"] < 1000:
                    raise SystemExit(f"the sensor was not in the way: {stats}")
            wire.coalesce(0)
            alone.append(wire.tcp())
            wire.xdp_off()
    params = "one TCP stream, MTU 1500"
    later = f"hosts wait {COALESCE_US} us for more"
    gigabits = lambda rates: statistics.median(rates) * 8 / 1e9
    table.add("kernel bridge", gigabits(bridged[0]), "Gbit/s", params)
    table.add("inline", gigabits(through[0]), "Gbit/s", params)
    table.add("inline, sensor stopped", gigabits(alone), "Gbit/s", params)
    table.add("kernel bridge", gigabits(bridged[COALESCE_US]), "Gbit/s", later)
    table.add("inline", gigabits(through[COALESCE_US]), "Gbit/s", later)
    ratio = lambda ours, theirs: statistics.median(t / b for t, b in zip(ours, theirs))
    table.add("ratio", ratio(through[0], bridged[0]), "", params, ">= 0.8")
    # Against the bridge at its best: waiting may cost it what it brings us.
    best = [max(pair) for pair in zip(*bridged.values())]
    table.add("ratio to the faster bridge", ratio(through[COALESCE_US], best), "", later)


def garbage(table):
    """Random bytes at full rate: nothing may crash, everything must be counted."""
    needs_root_and_two_cores()
    with Rig() as rig, rig.sensor() as running:
        sent = rig.generate("--seconds", GARBAGE_SECONDS, "--garbage", "--size", 128)
        time.sleep(0.5)
        stats = running.stats()
        check(stats)
        if stats["capture.in_flight"] or running.process.poll() is not None:
            raise SystemExit(f"the sensor is not well: {stats}")
        params = f"128 random bytes, {GARBAGE_SECONDS} s"
        table.add("sent", sent["packets"], "packets", params)
        table.add("received", stats["capture.received"], "packets", params)
        table.add("processed", stats["capture.processed"], "packets", params)
        table.add("dropped (and counted)", stats["capture.dropped"], "packets", params)
        table.add("malformed, by a named reason", stats["decoder.invalid"], "packets", params)
        table.add("flows opened", stats["flow.total"], "flows", params)


def replay(table):
    """A capture through AF_XDP: what was sent arrives."""
    needs_root_and_two_cores()
    pcap = os.environ.get("RINGWARD_PCAP")
    if not pcap:
        raise SystemExit("RINGWARD_PCAP names no capture file")
    with Rig() as rig:
        for rate in (20_000, None):
            with rig.sensor() as running:
                limit = ("--rate", rate) if rate else ()
                sent = rig.generate("--seconds", LOAD_SECONDS, "--pcap", pcap, *limit)
                time.sleep(0.5)
                stats = running.stats()
                check(stats)
                params = f"{rate or 'as many as go'} packets/s"
                table.add("sent", sent["packets"], "packets", params)
                table.add("received", stats["capture.received"], "packets", params)
                table.add("rate", sent["packets"] / sent["seconds"], "packets/s", params)


def cpu_seconds(*command):
    """User and system time of a command, all its threads."""
    used = lambda: sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])
    before = used()
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return used() - before


def per_packet(cases):
    """CPU seconds of replays over the bench mix, and of sha256sum of the same bytes: what more copies of it cost, in
    which fixed costs are left out. `cases`: name to (events, more arguments). Also how many packets and bytes more."""
    if not BENCH_MIX.exists():
        raise SystemExit(f"{BENCH_MIX} is not there; RINGWARD_DATA names the folder beside its own")
    build = ["cargo", "build", "--release", "--locked", "--quiet", "-p", "ringward"]
    subprocess.run(build, check=True, cwd=ROOT)
    spent, packets, size = {}, [], []
    with tempfile.TemporaryDirectory(prefix="ringward-mix-") as folder:
        folder = pathlib.Path(folder)
        for copies in MIX_COPIES:
            # One file at a time: they are large.
            pcap = folder / "mix.pcap"
            told = subprocess.run([sys.executable, BENCH_MIX, pcap, str(copies)], check=True, stdout=subprocess.PIPE,
                                  text=True).stdout.split()
            packets.append(int(told[0]))
            size.append(int(told[2]))
            for name in (*cases, "sha256sum"):
                spent.setdefault(name, []).append([])
            config = folder / "ringward.toml"
            replay = (RELEASE / "ringward", "replay", "--reset", "--workers", "1", "--force", "-c", config, "--out",
                      folder / "out")
            # In turns: ratios are of neighbours.
            for _ in range(MIX_ROUNDS):
                for name, (events, more) in cases.items():
                    config.write_text(f"[output]\nevents = {json.dumps(events)}\n")
                    spent[name][-1].append(cpu_seconds(*replay, *more, pcap))
                spent["sha256sum"][-1].append(cpu_seconds("sha256sum", pcap))
    cost = {}
    for name, runs in spent.items():
        few, many = (min(run) for run in (runs[0], runs[-1]))
        cost[name] = many - few
    return cost, packets[-1] - packets[0], size[-1] - size[0]


def mix(table):
    """Decoding, flows, protocols and events over the bench mix, against sha256sum of the same bytes."""
    cases = {"dns, http, tls events": (PROTOCOL_EVENTS, []), "all events": ([], [])}
    cost, more_packets, more_bytes = per_packet(cases)
    params = f"{MIX_COPIES[0]} to {MIX_COPIES[1]} copies"
    table.add("packets", more_packets, "packets", params)
    table.add("sha256sum", cost["sha256sum"] / more_packets * 1e9, "ns/packet", params)
    for name, (events, _) in cases.items():
        table.add("replay", cost[name] / more_packets * 1e9, "ns/packet", name)
        table.add("replay", more_bytes * 8 / cost[name] / 1e9, "Gbit/s", f"a core; {name}")
        aim = "<= 0.2" if events == PROTOCOL_EVENTS else None
        table.add("ratio to sha256sum", cost[name] / cost["sha256sum"], "", name, aim)


def rules(table):
    """The same with no rules, a thousand, and all of them; and what loading them costs."""
    everything = DATA / "rules" / "et-open.rules.gz"
    with tempfile.NamedTemporaryFile("w", suffix=".rules") as some:
        with gzip.open(everything, "rt", errors="replace") as lines:
            enabled = [line for line in lines if line.startswith("alert")]
        some.writelines(enabled[:: len(enabled) // 1000][:1000])
        some.flush()
        events = [*PROTOCOL_EVENTS, "alert"]
        cases = {"no rules": (events, []), "1,000 rules": (events, ["--rules", some.name]),
                 "all rules": (events, ["--rules", everything])}
        cost, more_packets, more_bytes = per_packet(cases)
    for name in cases:
        table.add("replay", cost[name] / more_packets * 1e9, "ns/packet", name, "<= 340" if name == "all rules" else None)
        table.add("replay", more_bytes * 8 / cost[name] / 1e9, "Gbit/s", f"a core; {name}")
        aim = "<= 0.23" if name == "all rules" else None
        table.add("ratio to sha256sum", cost[name] / cost["sha256sum"], "", name, aim)
    table.add("cost of all rules", cost["all rules"] / cost["no rules"], "", "beside none", "<= 1.5")
    check = [RELEASE / "ringward", "rules", "check", "--json", everything]
    told = json.loads(subprocess.run(check, stdout=subprocess.PIPE, text=True).stdout)
    table.add("load and compile", told["seconds"], "s", f"{told['loaded']} rules", "<= 5")
    table.add("compiled set", told["bytes"] / 2**20, "MiB", f"{told['loaded']} rules", "<= 400")
    table.add("rules loaded", told["loaded"] / len(enabled), "", f"of {len(enabled)} enabled", ">= 0.995")


BENCHES = {"decode": decode, "flow": flow, "indicators": indicators, "search": search, "worker": worker, "live": live,
           "programs": programs, "inline": inline, "garbage": garbage, "replay": replay,
           "mix": mix, "rules": rules, "verdict": load.verdict,
           "fleet": fleet.bench}


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench")
    parser.add_argument("name", choices=[*BENCHES, "all"])
    parser.add_argument("--json", action="store_true", help="a JSON object per figure")
    everything = os.environ.get("RINGWARD_RULES", DATA / "rules" / "et-open.rules.gz")
    parser.add_argument("--rules", nargs="?", metavar="FILE", const=everything, type=pathlib.Path,
                        help="live: mixed traffic against these rules; default: RINGWARD_RULES, else those of RINGWARD_DATA")
    args = parser.parse_args()
    if args.rules:
        if args.name != "live":
            parser.error("--rules goes with live")
        return load.rules(Table("live --rules", args.json), BENCH_MIX, args.rules, [*PROTOCOL_EVENTS, "alert"])
    # These need captures that are not ours to bring.
    everything = [name for name in BENCHES if name not in ("replay", "mix", "rules", "search")]
    for name in everything if args.name == "all" else [args.name]:
        BENCHES[name](Table(name, args.json))


main()
