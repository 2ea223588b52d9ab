#!/usr/bin/python3
"""Whole bootstraps, two processes: cradled with one worker and cradlestorm, over shared memory, on two CPUs.

usage: bench_memif.py --build-dir DIR [--quick] [--json FILE]

Busy time comes from the appliance itself: what its worker spent in turns that had work, divided by the bootstraps that
finished meanwhile, so waiting for the generator does not count. The generator polls without giving its CPU away. Whatever else runs on the machine can only add, so of
several runs the least busy one is taken; rates are of the fastest run.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEVICES = 10000
CONCURRENCY = 512
EXPECTED = """\
/0/2=c80018636f6170733a2f2f7572692e6578616d706c653a35363834c10100c10200c8030b{ep}c004c2057077c10a02
/1/0=c10002c1013cc10600c10755
"""


class Appliance:
    """cradled with DEVICES devices, the reference task and one memif port."""

    def __init__(self, build, folder):
        self.build, self.folder = build, folder
        self.memif, self.socket = folder / "memif.sock", folder / "cradle.sock"
        shutil.copytree(ROOT / "conf", folder, dirs_exist_ok=True)
        text = (folder / "cradle.conf").read_text()
        for pattern, value in {
                r"/run/cradle/cradle\.sock": str(self.socket),
                r"net_af_packet0,iface=cradle0": f"net_memif0,role=server,socket={self.memif},rsize=12",
                r"^idle_yield = \w+": "idle_yield = true",
                r"^file_prefix = .*": f'file_prefix = "bench-{os.getpid()}";'}.items():
            text, n = re.subn(pattern, value, text, count=1, flags=re.M)
            assert n == 1, pattern
        (folder / "cradle.conf").write_text(text)
        (folder / "devices.conf").write_text("devices = (\n" + ",\n".join(
            f'{{ endpoint = "dev-{n:07}"; key = "key-{n:07}"; groups = [ "root.demo" ]; '
            f'values = {{ managementId = "dev-{n:07}"; password = "pw"; }}; }}' for n in range(1, DEVICES + 1)) + "\n);\n")
        (folder / "expected").write_text(EXPECTED)
        self.log = open(folder / "log", "wb")
        self.process = subprocess.Popen([f"{build}/control/cradled", "-c", folder / "cradle.conf"], stdout=self.log,
                                        stderr=self.log)
        deadline = time.monotonic() + 60
        while self.ctl("status") is None:
            if self.process.poll() is not None or time.monotonic() > deadline:
                sys.exit("cradled does not start:\n" + (folder / "log").read_text())
            time.sleep(0.05)

    def ctl(self, *argv):
        done = subprocess.run([f"{self.build}/tools/cradlectl", "-s", self.socket, "--json", *argv], text=True,
                              capture_output=True)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def sample(self):
        """(busy microseconds, counters) so far."""
        return self.ctl("status")["workers"][0]["busy_us"], self.ctl("stats", "--all")["counters"]

    def storm(self, *argv):
        """The generator's report, and what the appliance counted meanwhile, busy time included."""
        busy, before = self.sample()
        done = subprocess.run(
            [f"{self.build}/tools/storm/cradlestorm", "--port",
             f"net_memif0,role=client,socket={self.memif},rsize=12", "--server", "198.18.0.1",
             "--source", "198.18.0.10+100", "--devices", str(DEVICES), "--json", "-", "--poll",
             "--expect", self.folder / "expected", *map(str, argv)], text=True, capture_output=True, timeout=60)
        if not done.stdout:
            sys.exit("cradlestorm failed: " + done.stderr)
        busy_after, after = self.sample()
        moved = {name: after[name] - before[name] for name in after}
        moved["busy_us"] = busy_after - busy
        return json.loads(done.stdout), moved

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)


def bootstraps(appliance, name, options, seconds, runs):
    """Rate and busy time of a closed loop that keeps the appliance occupied."""
    rates, costs = [], []
    for _ in range(runs):
        report, moved = appliance.storm("--concurrency", CONCURRENCY, "--duration", seconds, *options)
        if report["failed"]:
            sys.exit(f"{name}: {report['failed']} bootstraps failed: {report['outcomes']}")
        rates.append(report["done_per_s"])
        costs.append(moved["busy_us"] / moved["bs_finished"])
        if not report["valid"]:
            print(f"  {name}: {report['verdict']}", file=sys.stderr)
    return {f"{name}_bootstraps_per_s": max(rates), f"{name}_bootstrap_busy_us": min(costs)}


def half_load(appliance, name, options, rate, seconds):
    """Latencies at half of what the closed loop reached, from the intended start."""
    report, _ = appliance.storm("--rate", rate / 2, "--duration", seconds, "--ramp", seconds / 4, *options)
    if not report["valid"]:
        print(f"  {name} at half load: {report['verdict']}", file=sys.stderr)
    whole = report["latency_us"]["whole"]
    return {f"{name}_half_load_p50_us": whole["p50"], f"{name}_half_load_p99_us": whole["p99"]}


def flood(appliance, seconds):
    """Spoofed ClientHellos answered a second, and sessions they made: none."""
    report, moved = appliance.storm("--psk", "--misbehave", "hello-flood", "--duration", seconds)
    return {"hello_flood_per_s": moved["dtls_hello_verify"] / report["seconds"],
            "hello_flood_offered_per_s": report["offered"] / report["seconds"],
            "hello_flood_busy_us": moved["busy_us"] / max(1, moved["dtls_hello_verify"]),
            "hello_flood_sessions": moved["sessions_opened"]}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build-dir", required=True)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json")
    options = parser.parse_args()
    seconds, runs = (0.7, 2) if options.quick else (3, 3)
    figures = {}
    with tempfile.TemporaryDirectory(prefix="cradle-bench-") as folder:
        appliance = Appliance(options.build_dir, pathlib.Path(folder))
        try:
            for name, arguments in (("nosec", []), ("psk", ["--psk"])):
                figures |= bootstraps(appliance, name, arguments, seconds, runs)
                figures |= half_load(appliance, name, arguments, figures[f"{name}_bootstraps_per_s"], seconds)
            figures |= flood(appliance, seconds)
        finally:
            appliance.stop()
    for key in sorted(figures):
        print(f"{key:28} {figures[key]:12.4g}")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
