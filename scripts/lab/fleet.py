"""scripts/bench fleet: two guards, each in a namespace of its own, and a nats-server between them."""
import json
import os
import pathlib
import subprocess
import tempfile
import time

from rig import RELEASE, calibrate, ip, needs_root_and_two_cores

FLEET_VERDICTS = 2000
FLEET_PORT = 4222


class Site:
    """A guard in a namespace of its own, with a cable to the server's."""

    def __init__(self, number, hub, folder):
        self.ns, self.number, self.hub = f"rwbench{os.getpid()}f{number}", number, hub
        self.folder = pathlib.Path(folder) / self.ns
        self.pins = f"/sys/fs/bpf/{self.ns}"
        self.process = None

    def __enter__(self):
        self.folder.mkdir()
        ip("netns", "add", self.ns)
        far, near = f"10.99.{self.number}.1", f"10.99.{self.number}.2"
        ip("-n", self.hub, "link", "add", f"to{self.number}", "type", "veth", "peer", "name", "cable", "netns", self.ns)
        for ns, device, address in ((self.hub, f"to{self.number}", far), (self.ns, "cable", near)):
            ip("-n", ns, "addr", "add", f"{address}/30", "dev", device)
            ip("-n", ns, "link", "set", device, "up")
        ip("-n", self.ns, "link", "add", "g0", "type", "veth", "peer", "name", "guard0")
        for end in ("g0", "guard0"):
            ip("-n", self.ns, "link", "set", end, "up")
        (self.folder / "ringward.toml").write_text(f"""
[[port]]
name = "guard0"
role = "guard"
[fleet]
servers = ["nats://{far}:{FLEET_PORT}"]
site = "site{self.number}"
[isolation]
pin_dir = "{self.pins}"
[ledger]
dir = "{self.folder}/ledger"
[output]
dir = "{self.folder}/out"
[control]
socket = "{self.folder}/sock"
""")
        command = ["ip", "netns", "exec", self.ns, RELEASE / "ringward", "run", "-c", self.folder / "ringward.toml"]
        self.process = subprocess.Popen(command, stderr=(self.folder / "log").open("w"))
        for _ in range(1000):
            if self.stats().get("fleet.connected"):
                return self
            time.sleep(0.01)
        raise SystemExit("the site is not in the fleet: " + (self.folder / "log").read_text())

    def ask(self, *args):
        command = [RELEASE / "ringward", *args, "--socket", self.folder / "sock"]
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def stats(self):
        done = self.ask("stats", "--json")
        return json.loads(done.stdout) if done.returncode == 0 else {}

    def __exit__(self, *_):
        if self.process:
            self.ask("isolate", "flush")
            self.process.terminate()
            self.process.wait(timeout=30)
        subprocess.run(["ip", "netns", "del", self.ns])
        subprocess.run(["rm", "-rf", self.pins])


def bench(table):
    """From a verdict at one guard to the map entry at another, by way of a nats-server, all on this machine."""
    needs_root_and_two_cores()
    calibrate(table)
    hub = f"rwbench{os.getpid()}hub"
    ip("netns", "add", hub)
    with tempfile.TemporaryDirectory(prefix="ringward-bench-") as folder:
        config = pathlib.Path(folder) / "nats.conf"
        config.write_text(f'listen: 0.0.0.0:{FLEET_PORT}\njetstream {{ store_dir: "{folder}/nats" }}\n')
        command = ["ip", "netns", "exec", hub, "nats-server", "-c", config]
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            with Site(1, hub, folder) as berlin, Site(2, hub, folder) as oslo:
                for n in range(FLEET_VERDICTS):
                    berlin.ask("isolate", "add", f"10.1.{n // 250}.{n % 250 + 1}", "--ttl", "1h")
                for _ in range(500):
                    stats = oslo.stats()
                    if stats["fleet.applied"] == FLEET_VERDICTS:
                        break
                    time.sleep(0.01)
                if stats["fleet.latency.count"] != FLEET_VERDICTS:
                    raise SystemExit(f"verdicts are missing: {stats}")
                params = f"{FLEET_VERDICTS} isolations, one after the other"
                for figure, key, aim in (("p50", "p50", None), ("p99", "p99", "<= 10"), ("p99.9", "p999", None)):
                    value = stats[f"fleet.latency.{key}_ns"] / 1e6
                    table.add(f"verdict to map entry elsewhere, {figure}", value, "ms", params, aim)
                table.add("most", stats["fleet.latency.max_ns"] / 1e6, "ms", params)
        finally:
            server.kill()
            server.wait()
            subprocess.run(["ip", "netns", "del", hub])
