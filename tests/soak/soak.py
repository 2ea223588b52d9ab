#!/usr/bin/env python3
"""A soak: storms, floods, reloads, edits, imports and exports, over and over; does anything grow?

Run by tools/soak, which builds first. Each round a swarm bootstraps over DTLS and another without, one mode of misbehaviour
floods, and meanwhile an operator changes devices, groups, tasks and servers, reloads, imports and exports. Between rounds,
when nobody is connected, figures are taken: memory, files, handles, threads. They rise while caches fill and pools are
touched; after the warm-up they must be flat, and at the end no session may be left.
"""
import argparse
import json
import os
import pathlib
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests/functional"))
from conftest import Network, wait_for  # noqa: E402
from test_storm import MODES_BY_NAME, Storm  # noqa: E402

DEVICES = 500
LINGER_S, IDLE_S = 20, 10  # short, so that what ended is gone within a round or two
SETTINGS = {r"linger_s = 247": f"linger_s = {LINGER_S}", r"# dtls_idle_s = 60": f"dtls_idle_s = {IDLE_S}",
            r"^sessions = 1024": "sessions = 16384"}
WARM_UP_S = 300
# What is measured: unit, and by how much the last quarter may stand above the first after the warm-up: a share, and so much.
# The write-ahead log rises and falls by design (control/store/store_checkpoint.h), below a bound.
WAL_MAX_MB = 300
FIGURES = {
    "rss": ("MB", 0.05, 2.0),
    "store": ("MB", 0.05, 1.0),
    "wal": ("MB", 0, WAL_MAX_MB),
    "reports": ("MB", 0.05, 1.0),
    "other_files": ("MB", 0.05, 0.5),
    "handles": ("", 0, 0),
    "threads": ("", 0, 0),
}
# What the log says where a command had no answer: the thread that serves it, the machine, or the disk.
STALLS = ("does not go on", "goes on;", "stood still", "waits for the disk", "waited for the disk")
SMALL_TASK = """<config><lwm2mBootstrap><write key="/1/0/1" value="{}" /></lwm2mBootstrap></config>"""


class Operator(threading.Thread):
    """Changes things as long as it runs, each several times a second; a refusal that nobody expects is kept."""

    def __init__(self, storm, chance):
        super().__init__(daemon=True)
        self.storm, self.daemon, self.chance = storm, storm.daemon, chance
        self.ending = threading.Event()
        self.serial, self.done, self.refused = 0, {}, []

    def run(self):
        kinds = [self.device, self.value, self.group, self.task, self.server, self.reload, self.bulk, self.look]
        while not self.ending.is_set():
            kind = self.chance.choice(kinds)
            self.serial += 1
            try:
                kind(f"soak-{self.serial}")
                self.done[kind.__name__] = self.done.get(kind.__name__, 0) + 1
            except (OSError, subprocess.SubprocessError) as failure:
                self.refused.append(str(failure))

    def ask(self, *argv, **options):
        answer = self.daemon.ctl(*argv, **options)
        if answer.returncode:
            said = (answer.stderr or answer.stdout).strip()
            self.refused.append(f"{' '.join(map(str, argv))}: {said[:300]}")
        return answer.stdout

    def device(self, name):
        self.ask("device", "add", name, "--key", name, "--groups", "root.demo")
        self.ask("device", "edit", name, "--domain", "soak")
        self.ask("device", "remove", name)

    def value(self, name):
        endpoint = f"dev-{self.chance.randrange(1, DEVICES + 1):07}"
        self.ask("device", "value", "set", endpoint, "note", name)
        self.ask("device", "value", "unset", endpoint, "note")

    def group(self, name):
        self.ask("group", "add", f"root.{name}")
        self.ask("group", "value", "set", f"root.{name}", "note", name)
        self.ask("group", "remove", f"root.{name}")

    def task(self, name):
        """A task of the devices that bootstrap: they report on it, and then it is gone."""
        file = self.storm.folder / f"{name}.xml"
        file.write_text(SMALL_TASK.format(self.serial))
        added = json.loads(self.ask("--json", "task", "add", file, "--group", "root.demo", "--name", name,
                                    "--repetition", "repeat") or "{}")
        file.unlink()
        self.ending.wait(self.chance.uniform(0.2, 1.5))
        if added.get("id"):
            self.ask("task", "remove", added["id"], "--with-file")

    def server(self, name):
        self.ask("server", "add", name, "--uri", "coaps://soak.example:5684", "--ssid", 1000 + self.serial % 60000,
                 "--psk", name)
        self.ask("server", "edit", name, "--lifetime", 60 + self.serial % 1000)
        self.ask("server", "remove", name)

    def reload(self, _):
        self.ask("reload")

    def bulk(self, name):
        """Out and in again, and some more in that are removed."""
        out = self.storm.folder / "export.jsonl"
        self.ask("device", "export", "--secrets", out)
        self.ask("device", "import", out)
        rows = [f"{name}-{n}" for n in range(20)]
        table = self.storm.folder / "import.csv"
        table.write_text("endpoint,key\n" + "".join(f"{row},k\n" for row in rows))
        self.ask("device", "import", table)
        for row in rows:
            self.ask("device", "remove", row)

    def look(self, _):
        for words in (["status"], ["stats", "--all"], ["report", "list"], ["device", "list", "--limit", 100],
                      ["session", "list"], ["unknown", "list"], ["device", "rejected"]):
            self.ask(*words)


def misbehaviours():
    """Modes of devices without certificates, with whether each needs DTLS."""
    return [(name, mode["nosec"] == "-") for name, mode in MODES_BY_NAME.items() if mode["psk"] != "-"]


def run_storm(storm, *argv):
    """Finished, failed; a generator that says nothing ends the soak."""
    _, report = storm.run("--devices", DEVICES, "--drain", 0.2, "--give-up", 20, *argv)
    return report["done"], report["failed"]


def size_of(path):
    return path.stat().st_size / 1e6 if path.exists() else 0.0


def sample(storm):
    pid = storm.daemon.process.pid
    status = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines())
    folder = storm.daemon.folder
    stores = {path.name: size_of(path) for path in folder.glob("cradle.db*")}
    stores |= {path.name: size_of(path) for path in folder.glob("*reports*")}
    wal = sum(size for name, size in stores.items() if name.endswith(("-wal", "-shm")))
    reports = sum(size for name, size in stores.items() if "reports" in name and not name.endswith(("-wal", "-shm")))
    every = sum(size_of(path) for path in folder.rglob("*") if path.is_file() and path.name != "log")
    return {
        "rss": int(status["VmRSS"].split()[0]) / 1024,
        "store": stores.get("cradle.db", 0.0),
        "wal": wal,
        "reports": reports,
        "other_files": every - sum(stores.values()),
        "handles": len(os.listdir(f"/proc/{pid}/fd")),
        "threads": int(status["Threads"]),
    }


def sessions_of(storm):
    return sum(worker["sessions"] for worker in storm.daemon.result("status")["workers"])


def verdict(samples, warm_up_s):
    """Prints a line a figure; True when all are flat."""
    late = [figures for at, figures in samples if at >= warm_up_s]
    if len(late) < 4:
        print(f"only {len(late)} samples after the warm-up: run longer")
        return False
    quarter = max(1, len(late) // 4)
    flat = True
    for name, (unit, share, slack) in FIGURES.items():
        # A client may be connected just now: what counts is what is left without.
        middle = min if name in ("handles", "threads") else statistics.median
        first = middle(figures[name] for figures in late[:quarter])
        last = middle(figures[name] for figures in late[-quarter:])
        limit = WAL_MAX_MB if name == "wal" else first * (1 + share) + slack
        last = max(figures[name] for figures in late) if name == "wal" else last
        good = last <= limit
        flat &= good
        print(f"  {'flat ' if good else 'GROWS'} {name:12} {first:9.2f} -> {last:9.2f} {unit:2} (limit {limit:.2f})")
    return flat


def soak(storm, seconds, samples):
    """Rounds until the time is up; (bootstraps, failed, rounds)."""
    modes, began, done, failed, rounds = misbehaviours(), time.monotonic(), 0, 0, 0
    print(f"{'s':>6} {'runs':>9} {'sessions':>8} " + " ".join(f"{name:>11}" for name in FIGURES), flush=True)
    while time.monotonic() - began < seconds:
        for argv in (["--psk", "--concurrency", 100, "--duration", 3], ["--concurrency", 100, "--duration", 2],
                     ["--psk", "--cid", "--rtt", "20:10", "--loss", 2, "--burst", 100]):
            one, other = run_storm(storm, *argv)
            done, failed = done + one, failed + other
        mode, needs_psk = modes[rounds % len(modes)]
        run_storm(storm, "--misbehave", mode, "--rate", 300, "--duration", 2,
                  *(["--psk"] if needs_psk or rounds // len(modes) % 2 else []))
        rounds += 1
        figures = sample(storm)
        samples.append((time.monotonic() - began, figures))
        print(f"{samples[-1][0]:6.0f} {done:9} {sessions_of(storm):8} " +
              " ".join(f"{figures[name]:11.2f}" for name in FIGURES), flush=True)
    return done, failed, rounds


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build-dir", required=True)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    chance = random.Random(options.seed)
    seconds, samples = options.minutes * 60, []
    warm_up_s = min(WARM_UP_S, seconds / 2)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="cradle-soak-"))
    network = Network(f"cradle-soak-{os.getpid()}")
    storm = operator = None
    good = False
    try:
        storm = Storm(options.build_dir, network, folder, SETTINGS, devices=DEVICES)
        operator = Operator(storm, chance)
        operator.start()
        done, failed, rounds = soak(storm, seconds, samples)
        operator.ending.set()
        operator.join()
        print(f"{rounds} rounds, {done} bootstraps, {failed} that did not finish; changes: "
              + ", ".join(f"{n} {name}" for name, n in sorted(operator.done.items())))
        for refusal in operator.refused[:5]:
            print(f"  refused: {refusal}")
        print(f"after a warm-up of {warm_up_s:.0f} s")
        good = verdict(samples, warm_up_s)
        wait_for(lambda: sessions_of(storm) == 0, "the last session to go", 4 * (LINGER_S + IDLE_S))
        print("  flat  no session is left")
        ended = storm.stop()
        print(f"the appliance ended with {ended}")
        good = good and ended == 0 and not operator.refused
    except AssertionError as failure:
        print(f"soak: {failure}", file=sys.stderr)
    finally:
        if operator:
            operator.ending.set()
        if storm and storm.daemon.process.poll() is None:
            storm.stop()
        if storm and (not good):
            log = storm.daemon.log().splitlines()
            print("\n".join(line for line in log if any(word in line for word in STALLS)), file=sys.stderr)
            print("the end of the appliance's log:\n" + "\n".join(log[-10:]), file=sys.stderr)
        network.close()
        shutil.rmtree(folder, ignore_errors=True)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps([{"at_s": at, **figures} for at, figures in samples]) + "\n")
    print("verdict: flat" if good else "verdict: NOT flat")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
