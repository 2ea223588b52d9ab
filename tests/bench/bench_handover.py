#!/usr/bin/python3
"""What an upgrade costs devices: the program is replaced again and again while they bootstrap, over af_packet and memif.

usage: bench_handover.py --build-dir DIR [--quick] [--json FILE]
  --quick   2,000 devices in flight and 100,000 in the store, three upgrades

handover_pause_ms: the longest time that workers rested, of all upgrades under load; handover_in_flight: the most runs and
handshakes that passed at once.
handover_20k_failed: devices that failed, with 20,000 in flight over DTLS, an upgrade every 10 s for 3 minutes
(handover_2k_failed with --quick: one every 3 s).
handover_memif_pause_ms, handover_memif_20k_failed: the same over a memif, where the pause is how long the generator's link
was gone at most, or how long workers rested, whichever is more.
handover_1m_standby_s: how long the next process loads 1,000,000 devices while the other one serves
(handover_100k_standby_s with --quick), and handover_1m_pause_ms the pause then.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/functional"))
RTT_MS = 800
FLIGHTS = 6  # round trips of a bootstrap with its handshake


def prepare(one, n):
    """A store of n devices, whose names and keys the generator knows."""
    with open(one.folder / "devices.csv", "w", encoding="ascii") as file:
        file.write("endpoint,key,groups,value.managementId,value.password\n")
        for i in range(1, n + 1):
            file.write(f"dev-{i:07},key-{i:07},root.demo,dev-{i:07},pw\n")


def upgrade(one):
    """What it said; the process before must have ended well."""
    from test_upgrade import Successor
    former = one.process
    said = json.loads(subprocess.run([f"{one.build}/tools/cradlectl", "-s", one.socket, "--json", "upgrade"], check=True,
                                     stdout=subprocess.PIPE, timeout=900).stdout)
    one.process = Successor(said["pid"])
    if former.wait(60) != 0:
        sys.exit("bench_handover: the former process did not end well: " + one.log()[-2000:])
    return said


def under_load(one, port, in_flight, upgrades, every_s):
    """Failed devices, the longest pause, the most that passed at once."""
    from conftest import SERVER4
    rate = in_flight * 1000 // (RTT_MS * FLIGHTS)
    duration = (upgrades + 1) * every_s
    storm = subprocess.Popen(one.network.command(
        f"{one.build}/tools/storm/cradlestorm", "--port", port, "--server", SERVER4, "--source",
        "198.18.0.10+50", "--devices", in_flight * 2, "--rtt", f"{RTT_MS}:50", "--rate", rate, "--duration", duration,
        "--psk", "--cid", "--json", "-"), stdout=subprocess.PIPE, text=True)
    pauses, passed, due = [], [], time.monotonic()
    try:
        for _ in range(upgrades):
            due += every_s
            time.sleep(max(0, due - time.monotonic()))
            said = upgrade(one)
            pauses.append(said["pause_ms"])
            passed.append(said["running"] + said["handshakes"])
            if said["lost"]:
                print(f"handover: not passed: {said['lost']}")
        report = json.loads(storm.communicate(timeout=duration + 300)[0])
    finally:
        if storm.poll() is None:
            storm.kill()
            storm.wait()
    if not report["done"]:
        sys.exit("bench_handover: no device bootstrapped")
    if report["wire"]["replayed"]:
        sys.exit(f"bench_handover: {report['wire']['replayed']} record numbers were used twice")
    pauses.append(report["generator"]["link_down_us"] / 1000)
    return report["failed"], max(pauses), max(passed)


def start(options, network, folder, n, sessions, port=None):
    from conftest import Cradled
    settings = {r"^sessions = \d+": f"sessions = {sessions}"}
    if port:
        settings[r"net_af_packet0,iface=cradle0"] = port
    one = Cradled(options.build_dir, network, folder, settings)
    (folder / "devices.csv").unlink()
    one.start()
    prepare(one, n)
    subprocess.run([f"{one.build}/tools/cradlectl", "-s", one.socket, "device", "import", folder / "devices.csv"],
                   check=True, stdout=subprocess.DEVNULL)
    return one


def measure(options, network, folder):
    in_flight, n, upgrades, every_s = (2000, 100_000, 3, 3) if options.quick else (20_000, 1_000_000, 18, 10)
    load_word, store_word = ("2k", "100k") if options.quick else ("20k", "1m")
    figures = {}
    socket = folder / "memif.sock"
    for word, ours, theirs in (("handover", None, "net_af_packet0,iface=dev0"),
                               ("handover_memif", f"net_memif0,role=server,socket={socket}",
                                f"net_memif0,role=client,socket={socket}")):
        one = start(options, network, folder / word, in_flight * 2, in_flight * 8, ours)
        try:
            failed, pause_ms, passed = under_load(one, theirs, in_flight, upgrades, every_s)
            figures[f"{word}_pause_ms"] = pause_ms
            figures[f"{word}_in_flight"] = passed
            figures[f"{word}_{load_word}_failed"] = failed
        finally:
            one.stop()
    one = start(options, network, folder / "store", n, 1024)
    try:
        said = upgrade(one)
        figures[f"handover_{store_word}_standby_s"] = said["seconds"] - said["pause_ms"] / 1000
        figures[f"handover_{store_word}_pause_ms"] = said["pause_ms"]
    finally:
        one.stop()
    return figures


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build-dir", required=True)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json")
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("handover: left out: needs root, as it makes a namespace")
        return 0
    options.build_dir = os.path.abspath(options.build_dir)
    from conftest import Network
    network = Network(f"cradle-bench-{os.getpid()}")
    try:
        with tempfile.TemporaryDirectory() as folder:
            figures = measure(options, network, pathlib.Path(folder))
    finally:
        network.close()
    for name, value in figures.items():
        print(f"{name:32} {value:12.2f}")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
