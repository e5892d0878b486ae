"""The benches behind scripts/bench. Every ratio is taken within one run; the calibration is part of it."""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
RELEASE = ROOT / "target" / "release"
ROUNDS = 5  # bare loop and sensor take turns
LOAD_SECONDS = 2
BEACONS = 2000


class Table:
    """Figures, as a table for people or a JSON line each for programs."""

    def __init__(self, bench, as_json):
        self.bench, self.as_json = bench, as_json
        if not as_json:
            print(f"{'figure':<34} {'params':<34} {'value':>14} {'unit':<10} {'aim':<9} holds")

    def add(self, figure, value, unit, params="", aim=None):
        holds = None
        if aim is not None:
            relation, bound = aim.split()
            holds = value >= float(bound) if relation == ">=" else value < float(bound)
        if self.as_json:
            row = {"bench": self.bench, "figure": figure, "params": params, "value": value,
                   "unit": unit, "aim": aim, "holds": holds}
            print(json.dumps(row))
        else:
            shown = f"{value:,.3f}" if isinstance(value, float) else f"{value:,}"
            verdict = {True: "yes", False: "NO", None: ""}[holds]
            print(f"{figure:<34} {params:<34} {shown:>14} {unit:<10} {aim or '':<9} {verdict}")
        sys.stdout.flush()


def calibrate(table):
    """sha256sum over 256 MiB: how fast this machine is today."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(bytes(256 << 20))
        file.flush()
        start = time.monotonic()
        subprocess.run(["sha256sum", file.name], check=True, stdout=subprocess.DEVNULL)
        table.add("calibration: sha256sum", 256 / (time.monotonic() - start), "MiB/s", "256 MiB of zeros")


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


def flow(table):
    found = criterion("flow", table)
    for flows in (1_000, 100_000, 1_000_000):
        table.add("lookup and update", found[f"flow_lookup/{flows}"], "ns/packet", f"flows={flows}")
    table.add("ratio", found["flow_lookup/1000000"] / found["flow_lookup/1000"], "", "1,000,000 to 1,000 flows")


def indicators(table):
    found = criterion("indicators", table)
    for kind in ("miss", "one_percent_hits"):
        few, many = found[f"indicators/{kind}/1000"], found[f"indicators/{kind}/1000000"]
        table.add(f"look-up, {kind}", few, "ns", "indicators=1000")
        table.add(f"look-up, {kind}", many, "ns", "indicators=1000000")
        table.add(f"ratio, {kind}", many / few, "", "1,000,000 to 1,000 indicators")


def worker(table):
    found = criterion("worker", table)
    for kind in ("unknown_udp", "dns_query"):
        table.add(f"worker, {kind}", found[f"worker/{kind}"], "ns/packet", "1024 flows")


class Rig:
    """Two ends of a veth in a namespace of their own: "gen" sends, "dut" is under test."""

    def __init__(self):
        self.ns = f"rwbench{os.getpid()}"
        self.dir = tempfile.TemporaryDirectory(prefix="ringward-bench-")
        self.pins = f"/sys/fs/bpf/{self.ns}"

    def __enter__(self):
        ip = lambda *args: subprocess.run(["ip", *args], check=True)
        ip("netns", "add", self.ns)
        try:
            for pair in (("gen", "dut"), ("g0", "guard0")):
                ip("-n", self.ns, "link", "add", pair[0], "type", "veth", "peer", "name", pair[1])
                for end in pair:
                    ip("-n", self.ns, "link", "set", end, "up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        subprocess.run(["ip", "netns", "del", self.ns])
        subprocess.run(["rm", "-rf", self.pins])
        self.dir.cleanup()

    def inside(self, *command):
        return ["ip", "netns", "exec", self.ns, *map(str, command)]

    def generate(self, *args):
        command = self.inside(RELEASE / "rw-generate", "--device", "gen", "--cpu", "0", *args)
        return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)

    def bare(self):
        """Packets per second of a loop that only receives."""
        command = self.inside(RELEASE / "rw-bare", "--device", "dut", "--cpus", "1")
        loop = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        loop.stderr.readline()
        sent = self.generate("--seconds", LOAD_SECONDS)
        time.sleep(0.2)
        out, _ = loop.communicate(b"\n", timeout=30)
        return json.loads(out)["packets"] / sent["seconds"]

    def sensor(self):
        return Sensor(self)


class Sensor:
    """The sensor on "dut", one worker, one indicator."""

    def __init__(self, rig):
        self.rig, self.folder = rig, pathlib.Path(rig.dir.name)
        (self.folder / "iocs.csv").write_text("bad.example\n")
        (self.folder / "ringward.toml").write_text(f"""
[[port]]
name = "dut"
role = "capture"
[[port]]
name = "guard0"
role = "guard"
[workers]
cpus = [1]
[intel]
files = ["iocs.csv"]
[isolation]
pin_dir = "{rig.pins}"
[output]
dir = "{self.folder}/out"
[control]
socket = "{self.folder}/sock"
""")

    def __enter__(self):
        command = self.rig.inside(RELEASE / "ringward", "run", "-c", self.folder / "ringward.toml")
        log = self.folder / "log"
        self.process = subprocess.Popen(command, stderr=log.open("w"))
        for _ in range(500):
            if "ringward: running" in log.read_text():
                return self
            time.sleep(0.01)
        raise SystemExit("the sensor does not run: " + log.read_text())

    def __exit__(self, *_):
        subprocess.run([RELEASE / "ringward", "isolate", "flush", "--socket", self.folder / "sock"],
                       stdout=subprocess.DEVNULL)
        self.process.terminate()
        self.process.wait(timeout=30)

    def stats(self):
        command = [RELEASE / "ringward", "stats", "--json", "--socket", self.folder / "sock"]
        return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def check(stats):
    total = stats["capture.processed"] + stats["capture.dropped"] + stats["capture.in_flight"]
    if stats["capture.received"] != total:
        raise SystemExit(f"frames are not accounted for: {stats}")


def latency(table, stats, params):
    if stats["isolation.latency.count"] < BEACONS // 2:
        raise SystemExit(f"too few isolations: {stats['isolation.latency.count']}")
    for figure, key, aim in (("p50", "p50", None), ("p99", "p99", "< 1000"), ("p99.9", "p999", None)):
        name = f"arrival to map entry, {figure}"
        table.add(name, stats[f"isolation.latency.{key}_ns"] / 1000, "us", params, aim)


def live(table):
    if os.geteuid() != 0:
        raise SystemExit("scripts/bench live needs root")
    if (os.cpu_count() or 1) < 2:
        raise SystemExit("scripts/bench live needs two cores")
    build = ["cargo", "build", "--release", "--locked", "--quiet", "-p", "ringward", "-p", "ringward-benches"]
    subprocess.run(build, check=True, cwd=ROOT)
    calibrate(table)
    bare, sensor, lost = [], [], []
    with Rig() as rig:
        for _ in range(ROUNDS):
            bare.append(rig.bare())
            with rig.sensor() as running:
                sent = rig.generate("--seconds", LOAD_SECONDS)
                time.sleep(0.2)
                stats = running.stats()
                check(stats)
                sensor.append(stats["capture.processed"] / sent["seconds"])
                lost.append(stats["capture.dropped"] / stats["capture.received"])
        params = f"60 B, 1024 flows, median of {ROUNDS}"
        table.add("calibration: bare receive loop", statistics.median(bare), "packets/s", params)
        table.add("sensor, one worker", statistics.median(sensor), "packets/s", params)
        table.add("dropped (and counted)", 100 * statistics.median(lost), "%", params)
        ratio = statistics.median(s / b for s, b in zip(sensor, bare))
        table.add("ratio to bare loop", ratio, "", params, ">= 0.9")
        beacons = ("--beacons", BEACONS, "--name", "c2.bad.example")
        with rig.sensor() as running:
            rig.generate(*beacons)
            time.sleep(0.2)
            latency(table, running.stats(), f"idle, {BEACONS} hosts")
        with rig.sensor() as running:
            seconds = BEACONS / 1000 + 3
            command = rig.inside(RELEASE / "rw-generate", "--device", "gen", "--cpu", "0", "--seconds", int(seconds))
            load = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            time.sleep(0.5)
            rig.generate(*beacons)
            load.wait(timeout=60)
            time.sleep(0.2)
            stats = running.stats()
            check(stats)
            latency(table, stats, f"full load, {BEACONS} hosts")


BENCHES = {"decode": decode, "flow": flow, "indicators": indicators, "worker": worker, "live": live}


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench")
    parser.add_argument("name", choices=[*BENCHES, "all"])
    parser.add_argument("--json", action="store_true", help="a JSON object per figure")
    args = parser.parse_args()
    for name in BENCHES if args.name == "all" else [args.name]:
        BENCHES[name](Table(name, args.json))


main()
