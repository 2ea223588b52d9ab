#!/usr/bin/python3
"""What an upgrade costs devices: the program is replaced again and again while they bootstrap, over af_packet and memif.

usage: bench_handover.py --build-dir DIR [--quick] [--under-load] [--json FILE]
  --quick       2,000 devices in flight and 100,000 in the store, three upgrades
  --under-load  only the devices in flight

Of the devices in flight one in five asks for a Bootstrap-Pack, two in five take 32 bytes in a message, so that writes and packs
come in blocks, one in twenty shows a certificate and the others a key; half of them are in their handshakes. What each is told
is compared with what it must be told.

handover_pause_ms: the longest time that workers rested, of all upgrades under load, or that nothing arrived at the devices if
that is more; handover_in_flight: the most runs and handshakes that passed at once; handover_devices_in_flight: the most devices
that were at it, also those that wait for an answer to their first hello, of whom no server knows anything.
handover_20k_failed: devices that failed, with 20,000 in flight over DTLS, an upgrade every 10 s for 3 minutes
(handover_2k_failed with --quick: one every 3 s). handover_replayed: record numbers that were used twice.
handover_reports_lost: runs that a device finished by its own view and that the appliance did not count, or devices of whose last
run it has no report, whichever is more.
handover_memif_*: the same over a memif, where the pause is also how long the generator's link was gone.
handover_1m_standby_s: how long the next process loads 1,000,000 devices while the other one serves
(handover_100k_standby_s with --quick), and handover_1m_pause_ms the pause then.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import frame
from storm_run import Storm

RTT_MS = 800
FLIGHTS = 6  # round trips of a bootstrap with its handshake
TASK = "g:root.demo:1"
MIX = ("--pack-share", 20, "--block", 32, "--block-share", 40, "--cert-share", 5)


class Appliance:
    """With devices whose names, keys and certificates the generator knows."""

    def __init__(self, options, network, folder, devices, sessions, port=None, certified=True):
        from conftest import Cradled
        from test_storm import key_rows
        settings = {r"^sessions = \d+": f"sessions = {sessions}"}
        if port:
            settings[r"net_af_packet0,iface=cradle0"] = port
        self.one, self.folder, self.devices = Cradled(options.build_dir, network, folder, settings), folder, devices
        (folder / "devices.csv").unlink()
        if certified:
            self.certify()
        self.one.start()
        (folder / "devices.csv").write_text(key_rows(devices))
        subprocess.run([f"{self.one.build}/tools/cradlectl", "-s", self.one.socket, "device", "import", folder / "devices.csv"],
                       check=True, stdout=subprocess.DEVNULL)

    def certify(self):
        """Each device could also show a certificate."""
        folder, self.authority = self.folder, self.folder / "ca"
        subprocess.run([self.storm, "--make-ca", self.authority, "--devices", str(self.devices)], check=True,
                       stdout=subprocess.DEVNULL)
        (folder / "policy/certs").mkdir()
        for name in ("ca.pem", "bs.pem", "bs.key"):
            shutil.copy(self.authority / name, folder / "policy/certs")
        shutil.copy(self.authority / "trust.conf", folder / "policy")

    @property
    def storm(self):
        return f"{self.one.build}/tools/storm/cradlestorm"

    @property
    def process(self):
        return self.one.process

    def ctl(self, *argv):
        """As storm_run has it: the result, or None."""
        answer = self.one.ctl("--json", *argv)
        return json.loads(answer.stdout) if answer.returncode == 0 else None

    def ask(self, *argv):
        """The result of a command, however long it is."""
        return json.loads(subprocess.run([f"{self.one.build}/tools/cradlectl", "-s", self.one.socket, "--json", *argv], check=True,
                                         stdout=subprocess.PIPE, timeout=900).stdout)

    def upgrade(self):
        """What it said; the process before must have ended well."""
        from test_upgrade import Successor
        former = self.one.process
        said = self.ask("upgrade")
        self.one.process = Successor(said["pid"])
        if former.wait(60) != 0:
            sys.exit("bench_handover: the former process did not end well: " + self.one.log()[-2000:])
        return said

    def swarm(self, port, *argv):
        from conftest import SERVER4
        return self.one.network.command(self.storm, "--port", port, "--server", SERVER4, "--source", "198.18.0.10+50", "--psk", "--cid",
                                        *map(str, argv))

    def learn(self, port):
        """What devices must be told: by a write each, and as a pack."""
        expected = self.folder / "expected"
        expected.write_text("")
        for share in (0, 100):
            subprocess.run(self.swarm(port, "--learn", self.folder / "learnt", "--pack-share", share), check=True,
                           stdout=subprocess.DEVNULL, timeout=60)
            expected.write_text(expected.read_text() + (self.folder / "learnt").read_text())
        return expected


def reports_lost(appliance, outcomes, counted):
    """Of runs that devices finished; `counted`: runs before them."""
    import devices_view
    from conftest import wait_for
    rows = devices_view.read(outcomes)
    finished = devices_view.finished(rows)

    def missing():
        return max(finished - (devices_view.runs_of(appliance.ask, TASK) - counted),
                   len(devices_view.unreported(appliance.ask, TASK, rows)))
    try:  # they follow what they tell of
        wait_for(lambda: missing() <= 0, "all reports", 20)
    except AssertionError:
        pass
    return max(0, missing())


def under_load(appliance, port, in_flight, upgrades, every_s):
    """The figures, by their names' last part."""
    import devices_view
    rate, duration = in_flight * 1000 // (RTT_MS * FLIGHTS), (upgrades + 1) * every_s
    expected, outcomes = appliance.learn(port), appliance.folder / "outcomes.csv"
    counted = devices_view.runs_of(appliance.ask, TASK)
    storm = Storm(appliance, appliance.swarm(
        port, "--x509", appliance.authority, *MIX, "--devices", appliance.devices, "--rtt", f"{RTT_MS}:50", "--rate", rate, "--duration",
        duration, "--expect", expected, "--outcomes", outcomes), duration)
    while storm.runs() and appliance.one.counters()["bs_finished"] < rate // 2:
        time.sleep(0.05)  # certificates are issued before it begins
    pauses, passed, due = [], [], time.monotonic()
    for _ in range(upgrades):
        due += every_s
        time.sleep(max(0, due - time.monotonic()))
        said = appliance.upgrade()
        pauses.append(said["pause_ms"])
        passed.append(said["running"] + said["handshakes"])
        if said["lost"]:
            print(f"handover: not passed: {said['lost']}")
    report = storm.report()
    if not report["done"] or not report["packs"] or not report["blocks"]:
        sys.exit(f"bench_handover: no device bootstrapped, or none so: {report}")
    if not report["valid"]:
        print(f"handover: the generator's run is invalid: {report['verdict']}")
    failed = {name: n for name, n in report["outcomes"].items() if n and name != "done"}
    print(f"handover: {report['done']} done, {failed or 'none failed'}, {report['packs']} packs, {report['blocks']} blocks, pauses of workers "
          f"{min(pauses):.0f} to {max(pauses):.0f} ms, of devices {report['generator']['quiet_us'] / 1000:.0f} ms")
    return {
        "pause_ms": max(*pauses, report["generator"]["link_down_us"] / 1000, report["generator"]["quiet_us"] / 1000),
        "in_flight": max(passed),
        "devices_in_flight": max(record["running"] for record in report["records"]),
        "failed": report["failed"],
        "replayed": report["wire"]["replayed"],
        "reports_lost": reports_lost(appliance, outcomes, counted),
    }


def measure_load(options, network, folder):
    in_flight, upgrades, every_s, size = (2000, 3, 3, "2k") if options.quick else (20_000, 18, 10, "20k")
    socket, figures = folder / "memif.sock", {}
    for word, ours, theirs in (("handover", None, "net_af_packet0,iface=dev0"),
                               ("handover_memif", f"net_memif0,role=server,socket={socket}",
                                f"net_memif0,role=client,socket={socket}")):
        appliance = Appliance(options, network, folder / word, in_flight * 2, in_flight * 8, ours)
        try:
            for name, value in under_load(appliance, theirs, in_flight, upgrades, every_s).items():
                figures[f"{word}_{size}_failed" if name == "failed" else f"{word}_{name}"] = value
        finally:
            appliance.one.stop()
    return figures


def measure_store(options, network, folder):
    devices, size = (100_000, "100k") if options.quick else (1_000_000, "1m")
    appliance = Appliance(options, network, folder / "store", devices, 1024, certified=False)
    try:
        said = appliance.upgrade()
        return {f"handover_{size}_standby_s": said["seconds"] - said["pause_ms"] / 1000,
                f"handover_{size}_pause_ms": said["pause_ms"]}
    finally:
        appliance.one.stop()


def measure(options):
    from conftest import Network
    network = Network(f"cradle-bench-{os.getpid()}")
    try:
        with tempfile.TemporaryDirectory() as folder:
            figures = measure_load(options, network, pathlib.Path(folder))
            if not options.under_load:
                figures |= measure_store(options, network, pathlib.Path(folder))
            return figures
    finally:
        network.close()


if __name__ == "__main__":
    sys.exit(frame.run("handover", measure, options=[("--under-load", {"action": "store_true"})]))
