"""What the live benches share: a table of figures, two ends of a veth, the sensor on one of them."""
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
RELEASE = ROOT / "target" / "release"
LOAD_SECONDS = 2
# Reading all rules of a large set takes some seconds.
START_SECONDS = 60


def ip(*args):
    subprocess.run(["ip", *args], check=True)


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
            holds = {">=": value >= float(bound), "<=": value <= float(bound), "<": value < float(bound)}[relation]
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


class Rig:
    """Two ends of a veth in a namespace of their own: "gen" sends, "dut" is under test."""

    def __init__(self, queues=1):
        self.ns = f"rwbench{os.getpid()}"
        self.queues = queues
        self.dir = tempfile.TemporaryDirectory(prefix="ringward-bench-")
        self.pins = f"/sys/fs/bpf/{self.ns}"

    def __enter__(self):
        ip("netns", "add", self.ns)
        try:
            # Nobody sends but the generator.
            quiet = self.inside("sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1")
            subprocess.run(quiet, check=True)
            queues = ["numrxqueues", str(self.queues), "numtxqueues", str(self.queues)]
            for pair in (("gen", "dut"), ("g0", "guard0")):
                ip("-n", self.ns, "link", "add", pair[0], *queues, "type", "veth", "peer", "name", pair[1], *queues)
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
        """Sends by one queue, or with a generator on each core, whose frames come by queues of their own."""
        command = self.inside(RELEASE / "rw-generate", "--device", "gen", *args)
        running = [subprocess.Popen([*command, "--cpu", str(cpu)], stdout=subprocess.PIPE)
                   for cpu in range(self.queues)]
        sent = [json.loads(process.communicate()[0]) for process in running]
        return {"packets": sum(s["packets"] for s in sent), "seconds": max(s["seconds"] for s in sent),
                "left_out": max(s.get("left_out", 0) for s in sent)}

    def dropped(self):
        """Frames that the veth dropped between the generator and the sensor's program. What a device of it has dropped
        behind the program (a full ring) is in its receive counters, and in the sensor's."""
        listed = subprocess.run(["ip", "-n", self.ns, "-j", "-s", "link"], check=True, stdout=subprocess.PIPE)
        stats = {link["ifname"]: link["stats64"] for link in json.loads(listed.stdout)}
        return stats["gen"]["tx"]["dropped"]

    def cpus(self):
        """Where workers run: beside the generator's core, or on both."""
        return [1] if self.queues == 1 else [0, 1]

    def bare(self, size, *args):
        """Packets per second of a loop that only receives."""
        cpus = ",".join(map(str, self.cpus()))
        command = self.inside(RELEASE / "rw-bare", "--device", "dut", "--cpus", cpus, *args)
        loop = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        loop.stderr.readline()
        sent = self.generate("--seconds", LOAD_SECONDS, "--size", size)
        time.sleep(0.2)
        out, _ = loop.communicate(b"\n", timeout=30)
        return json.loads(out)["packets"] / sent["seconds"]

    def program(self, *args):
        """Nanoseconds a packet of an XDP program under load, by the kernel's account."""
        command = self.inside(RELEASE / "rw-program", "--device", "dut", "--pins", self.pins, "--cpu", 1, *args)
        running = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if running.stderr.readline() != b"running\n":
            raise SystemExit(running.stderr.read().decode())
        self.generate("--seconds", 1)
        counted = json.loads(running.communicate(b"\n", timeout=30)[0])
        return counted["ns"] / counted["runs"]

    def sensor(self, ports=None, **more):
        return Sensor(self, ports, **more)


PORTS = """
[[port]]
name = "dut"
role = "capture"
[[port]]
name = "guard0"
role = "guard"
"""


class Sensor:
    """The sensor on these ports, a worker on each of the rig's cores, one indicator, perhaps a file of rules, all events
    or some types."""

    def __init__(self, rig, ports=None, rules=None, events=()):
        self.rig, self.folder = rig, pathlib.Path(rig.dir.name)
        cpus = rig.cpus()
        (self.folder / "iocs.csv").write_text("bad.example\n")
        (self.folder / "ringward.toml").write_text(f"""
{ports or PORTS}
[workers]
count = {len(cpus)}
cpus = {cpus}
[intel]
files = ["iocs.csv"]
[bypass]
shed = false
[policy]
mode = "enforce"
max_per_minute = 1000000
max_isolated = 1000000
proven_reserve = 0
[isolation]
pin_dir = "{rig.pins}"
[ledger]
dir = "{self.folder}/ledger"
[rules]
files = {json.dumps([str(rules)] if rules else [])}
[output]
dir = "{self.folder}/out"
events = {json.dumps(list(events))}
[control]
socket = "{self.folder}/sock"
""")

    def __enter__(self):
        command = self.rig.inside(RELEASE / "ringward", "run", "-c", self.folder / "ringward.toml")
        log = self.folder / "log"
        self.process = subprocess.Popen(command, stderr=log.open("w"))
        for _ in range(100 * START_SECONDS):
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

    def cpu_seconds(self):
        """User and system time so far; `ip netns exec` became the sensor."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def check(stats):
    parts = ("processed", "bypassed", "passed", "isolated", "dropped", "in_flight")
    if stats["capture.received"] != sum(stats[f"capture.{part}"] for part in parts):
        raise SystemExit(f"frames are not accounted for: {stats}")


def needs_root_and_two_cores():
    if os.geteuid() != 0:
        raise SystemExit("this bench needs root")
    if (os.cpu_count() or 1) < 2:
        raise SystemExit("this bench needs two cores")
    build = ["cargo", "build", "--release", "--locked", "--quiet", "-p", "ringward", "-p", "ringward-benches"]
    subprocess.run(build, check=True, cwd=ROOT)
