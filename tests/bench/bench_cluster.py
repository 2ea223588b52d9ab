#!/usr/bin/python3
"""What sharing one inventory costs: two members and a PostgreSQL on this machine.

usage: bench_cluster.py --build-dir DIR [--quick] [--json FILE]
  --quick   100,000 devices instead of 1,000,000

cluster_change_visible_ms: the longest of 30 times from the end of `device add` on one member until another one has the device,
with poll_ms as it is without a word; a command's own time is in it.
cluster_join_1m_s: a member without devices joins (of 100,000 devices with --quick: cluster_join_100k_s), and
cluster_copy_1m_s what the database alone needs to copy them out.
cluster_reports_per_s: what one core of the database takes: by its processor time for reports of 4 tasks a device that take the
place of others; cluster_report_database_us: for one of these, cluster_report_first_us: for one of a task and device that have
none yet; cluster_reports_sent_per_s: of one member by the clock, on processors that it shares with the database.
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
CHANGES = 30


class Folders:
    """What the tests' own fixture gives."""

    def __init__(self, folder):
        self.folder, self.n = pathlib.Path(folder), 0

    def mktemp(self, name):
        self.n += 1
        path = self.folder / f"{name}{self.n}"
        path.mkdir()
        return path


def processor_us(pid):
    """Of a server and its processes, also of those that ended."""
    tick, total = os.sysconf("SC_CLK_TCK"), 0
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(entry.name) == pid:
            total += sum(map(int, fields[11:15]))
        elif int(fields[1]) == pid:
            total += sum(map(int, fields[11:13]))
    return total * 1e6 / tick


def change_visible_ms(a, b):
    worst = 0
    for i in range(CHANGES):
        assert a.ctl("device", "add", f"urn:change:{i}", "--key", "a-key-of-the-fleet").returncode == 0
        begun = time.monotonic()
        while b.ctl("device", "show", f"urn:change:{i}").returncode != 0:
            pass
        worst = max(worst, (time.monotonic() - begun) * 1e3)
    return worst


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build-dir", required=True)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json")
    options = parser.parse_args()
    if os.geteuid() != 0 or not list(pathlib.Path("/usr/lib/postgresql").glob("*/bin")):
        print("cluster: left out: needs root and PostgreSQL (apt-get install postgresql)")
        return 0
    from postgres import Postgres
    from test_cluster import Fleet, good
    n, word = (100_000, "100k") if options.quick else (1_000_000, "1m")
    figures = {}
    database = Postgres().make().start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            fleet = Fleet(options.build_dir, Folders(folder), database, "bench", poll_ms=200)
            try:
                database.sql("CREATE DATABASE bench")
                a, b = fleet.member(1), fleet.member(2)
                good(a.ctl("cluster", "init"))
                good(b.ctl("cluster", "join"))
                figures["cluster_change_visible_ms"] = change_visible_ms(a, b)
                good(b.ctl("cluster", "leave"))
                rows = pathlib.Path(folder) / "rows.csv"
                with open(rows, "w", encoding="ascii") as file:
                    file.write("endpoint,key_hex,groups,value.managementId\n")
                    for i in range(n):
                        file.write(f"urn:imei:{i:015},{i:032x},root.demo,m-{i}\n")
                subprocess.run([f"{a.build}/tools/cradlectl", "-s", a.socket, "device", "import", rows], check=True,
                               stdout=subprocess.DEVNULL)
                begun = time.monotonic()
                database.sql("COPY cradle_device TO '/dev/null' (FORMAT binary)", "bench")
                figures[f"cluster_copy_{word}_s"] = time.monotonic() - begun
                begun = time.monotonic()
                subprocess.run([f"{b.build}/tools/cradlectl", "-s", b.socket, "cluster", "join", "--replace"], check=True,
                               stdout=subprocess.DEVNULL)
                figures[f"cluster_join_{word}_s"] = time.monotonic() - begun
                assert b.result("status")["devices"] == n + CHANGES
                fleet.close()
                for name in ("cluster_report_first_us", "cluster_report_database_us"):
                    before, reports = processor_us(database.process.pid), 400_000
                    took = float(subprocess.run([f"{options.build_dir}/tests/bench/cluster_reports", database.url("bench"),
                                                 "bench", fleet.secret, "1", str(reports)], check=True, capture_output=True,
                                                text=True).stdout)
                    figures[name] = (processor_us(database.process.pid) - before) / reports
                figures["cluster_reports_per_s"] = 1e6 / figures["cluster_report_database_us"]
                figures["cluster_reports_sent_per_s"] = reports / took
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
