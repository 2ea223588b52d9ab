#!/usr/bin/python3
"""What devices notice when one of three members is killed: three members, a router with equal routes and a PostgreSQL on this
machine, in network namespaces.

usage: bench_failover.py --build-dir DIR [--quick] [--json FILE] [--rate N]
  --quick   2,000 devices and 5 s instead of 20,000 and 20 s
  --rate N  bootstraps a second (PSK); without it 30,000, or 60 % of what the machine does in a closed loop

cluster_failover_failed: devices which did not finish, by their own retransmission or retry; cluster_failover_retried: those that
began anew. cluster_failover_offered_per_s: bootstraps a second, as offered. cluster_failover_longest_s: the device that waited
longest. cluster_failover_reports_lost: runs of the killed member's last moments that no report is of.
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
ASKED, SHARE = 30_000, 0.6


def storm(fleet, *argv):
    return subprocess.Popen(fleet.storm_command("--psk", *map(str, argv)), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True)


def report_of(process):
    out, err = process.communicate(timeout=600)
    if process.returncode not in (0, 1, 4):
        sys.exit(f"cradlestorm: {err}")
    return json.loads(out)


def finished(member):
    return member.counters()["bs_finished"]


def settled(fleet, members, state):
    """Waits until all reports are in the database; their number."""
    while any(state(one)["reports_waiting"] for one in members):
        time.sleep(0.1)
    return int(fleet.database.sql("SELECT count(*) FROM cradle_report WHERE status = 2", fleet.name))


def measure(fleet, options, folder):
    from test_cluster import good, level, state
    n, seconds = (2000, 5) if options.quick else (20_000, 20)
    members = [fleet.member(number, settings={r"sessions = \d+": "sessions = 32768"}) for number in (1, 2, 3)]
    good(members[0].ctl("cluster", "init"))
    for one in members[1:]:
        good(one.ctl("cluster", "join"))
    rows = pathlib.Path(folder) / "rows.csv"
    rows.write_text("endpoint,key,groups,value.managementId,secret.password\n" + "".join(
        f"dev-{i:07},key-{i:07},root.demo,m,p\n" for i in range(1, n + 1)))
    good(members[0].ctl("device", "import", rows))
    level(fleet, *members, timeout=120)
    fleet.routes.start()
    fleet.routes.wait(1, 2, 3)
    rate = options.rate
    if not rate:
        closed = report_of(storm(fleet, "--devices", n, "--concurrency", 200, "--duration", 3))
        rate = min(ASKED, SHARE * closed["done_per_s"])
    before, begun = settled(fleet, members, state), finished(members[0])
    process = storm(fleet, "--devices", n, "--rate", int(rate), "--duration", seconds, "--give-up", 1, "--retries", 100)
    while finished(members[0]) - begun < rate * seconds / 3 / 4 and process.poll() is None:
        pass  # a quarter of its share
    members[0].process.kill()
    members[0].process.wait()
    report = report_of(process)
    reports = settled(fleet, members[1:], state) - before
    return {
        "cluster_failover_offered_per_s": report["offered"] / seconds,
        "cluster_failover_failed": report["failed"],
        "cluster_failover_retried": report["wire"]["retried"],
        "cluster_failover_longest_s": report["latency_us"]["whole"]["p99_9"] / 1e6,
        "cluster_failover_reports_lost": max(0, report["done"] - reports),
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build-dir", required=True)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rate", type=int)
    parser.add_argument("--json")
    options = parser.parse_args()
    if os.geteuid() != 0 or not list(pathlib.Path("/usr/lib/postgresql").glob("*/bin")):
        print("failover: left out: needs root and PostgreSQL (apt-get install postgresql)")
        return 0
    from bench_cluster import Folders
    from postgres import Postgres
    from routed_fleet import RoutedFleet
    database = Postgres().make().start()
    try:
        database.sql("CREATE DATABASE failover")
        with tempfile.TemporaryDirectory() as folder:
            fleet = RoutedFleet(options.build_dir, Folders(folder), database, "failover", poll_ms=200)
            try:
                figures = measure(fleet, options, folder)
            finally:
                fleet.end()
    finally:
        database.close()
    for name, value in figures.items():
        print(f"{name:32} {value:12.2f}")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
