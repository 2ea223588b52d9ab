"""kill -9 at any moment, under load: the store opens, and nothing that was acknowledged is lost.

Each round starts the appliance, lets devices bootstrap and an operator change things one after another, kills it at a random
moment, and holds what the next start finds against what was told before. CRADLE_CRASH_ROUNDS=100 runs more rounds,
CRADLE_CRASH_SEED=N repeats a run's choices.
"""
import collections
import json
import os
import random
import signal
import subprocess
import threading
import time

import pytest

from conftest import wait_for
from test_ctl_socket import connect, frame, receive
from test_storm import Storm

ROUNDS = int(os.environ.get("CRADLE_CRASH_ROUNDS", "15"))
DEVICES = 2000
IMPORTED_AT_ONCE = 300
STORE_LAG_S = 0.1  # what a crash may cost
GROUP, TASK, OPERATORS_TASK = "root.demo", "g:root.demo:1", "g:root.ops:1"
OPERATORS_GROUP = """
    ,
    {
        name = "root.ops";
        tasks = ( { name = "ops account"; file = "reference-task.xml"; } );
    }
);
"""


class Connection:
    """One connection to the control socket, without a program between."""

    def __init__(self, daemon):
        self.sock = connect(daemon)

    def ask(self, *argv):
        """The result of a command, of a list with all its slices. ConnectionError: the appliance is gone."""
        page, whole = "", {}
        while page is not None:
            self.sock.sendall(frame({"v": 1, "argv": list(map(str, argv)), "json": True, "page": page}))
            answer = receive(self.sock)
            while "exit" not in answer:
                answer = receive(self.sock)
            assert answer["exit"] == 0, (argv, answer["error"])
            for key, value in (answer["result"] or {}).items():
                whole[key] = whole.get(key, []) + value if isinstance(value, list) else value
            page = answer.get("next")
        return whole


# What an operator may know: a device (None: there is none) with its domain and a value, a value of a group, a task's state.
Device = collections.namedtuple("Device", "domain note")


class Operator(threading.Thread):
    """Changes things one after another, and keeps what was acknowledged."""

    def __init__(self, storm, chance):
        super().__init__()
        self.storm, self.daemon, self.chance = storm, storm.daemon, chance
        self.told = {"group note": "none", "task active": True}
        self.under_way = {}
        self.acknowledged = self.serial = 0
        self.failure = None

    def again(self, storm_of_round):
        """A thread for the next round, which knows what this one knew."""
        other = Operator(storm_of_round, self.chance)
        other.told, other.serial, other.acknowledged = self.told, self.serial, self.acknowledged
        return other

    def run(self):
        try:
            connection = Connection(self.daemon)
            while True:
                self.step(connection)
        except OSError:
            pass  # it was killed
        except Exception as failure:  # told by the test's own thread
            self.failure = failure

    def step(self, connection):
        self.serial += 1
        argv, self.under_way = self.choose()
        if argv is None:
            self.import_many()
        else:
            connection.ask(*argv)
        self.told.update(self.under_way)
        self.under_way = {}
        self.acknowledged += 1

    def choose(self):
        """(words of the command, what is true afterwards); None instead of words: an import."""
        word = f"w{self.serial}"
        names = [name for name, what in self.told.items() if isinstance(what, Device)]
        name = self.chance.choice(names) if names else None
        kind = self.chance.choice(["add"] * 4 + ["edit", "value"] * 2 + ["remove", "group", "task", "import"])
        if kind == "import":
            return None, {f"many-{self.serial}-{n}": Device(word, "imported") for n in range(IMPORTED_AT_ONCE)}
        if kind == "group":
            return ("group", "value", "set", GROUP, "note", word), {"group note": word}
        if kind == "task":
            active = not self.told["task active"]
            return ("task", "resume" if active else "pause", OPERATORS_TASK), {"task active": active}
        if kind == "add" or not name:
            return (("device", "add", f"op-{self.serial}", "--key", word, "--groups", "root.ops", "--domain", word),
                    {f"op-{self.serial}": Device(word, "")})
        device = self.told[name]
        if kind == "edit":
            return ("device", "edit", name, "--domain", word), {name: device._replace(domain=word)}
        if kind == "value":
            return ("device", "value", "set", name, "note", word), {name: device._replace(note=word)}
        return ("device", "remove", name), {name: None}

    def import_many(self):
        table = self.storm.folder / "many.csv"
        table.write_text("endpoint,key,groups,domain,value.note\n" + "".join(
            f"{name},key,root.ops,{what.domain},{what.note}\n" for name, what in self.under_way.items()))
        done = self.daemon.ctl("device", "import", table)
        if done.returncode:
            assert self.daemon.process.poll() is not None or "reset" in done.stderr or "closed" in done.stderr, done.stderr
            raise ConnectionError("killed")

    def check(self, daemon):
        """All that was acknowledged is there; what was under way is there or not, whole."""
        copy = self.storm.folder / "copy.jsonl"
        assert daemon.ctl("device", "export", copy).returncode == 0
        found = {}
        for line in copy.read_text().splitlines():
            row = json.loads(line)
            note = row.get("values", {}).get("note", "")
            found[row["endpoint"]] = Device(row.get("domain", ""), note["value"] if isinstance(note, dict) else note)
        loaded = sum(name.startswith("dev-") for name in found)
        assert loaded == DEVICES
        shown = daemon.result("group", "show", GROUP)
        notes = [value["value"] for value in shown["values"] if value["name"] == "note"]
        found["group note"] = notes[0] if notes else "none"
        found["task active"] = daemon.result("task", "show", OPERATORS_TASK)["active"]
        lost = {name: (what, found.get(name)) for name, what in self.told.items()
                if found.get(name) != what and name not in self.under_way}
        assert not lost, f"acknowledged, found: {lost}"
        outcome = {found.get(name) == what for name, what in self.under_way.items()}
        assert len(outcome) <= 1, "half of a change is there"
        for name, what in self.under_way.items():
            assert found.get(name) in (what, self.told.get(name)), (name, found.get(name), what)
        if outcome == {True}:
            self.told.update(self.under_way)
        strange = [name for name in found if name not in self.told and not name.startswith("dev-")]
        assert not strange, "devices that nobody added"
        self.under_way = {}


class Witness(threading.Thread):
    """Writes down what the appliance says of finished and running bootstraps, and when."""

    def __init__(self, daemon):
        super().__init__()
        self.daemon, self.seen, self.failure = daemon, [], None

    def run(self):
        try:
            connection = Connection(self.daemon)
            while True:
                finished = connection.ask("report", "list", "--limit", 1000)["reports"]
                asked_ms = time.time() * 1000
                running = connection.ask("session", "list", "--limit", 1000)["sessions"]
                self.seen.append((time.monotonic(), finished,
                                  {one["endpoint"]: asked_ms - 1000 * one["seconds"] for one in running}))
                time.sleep(0.02)
        except OSError:
            pass
        except Exception as failure:
            self.failure = failure

    def due(self, killed):
        """What must be in the store at that time: when the last run of a device began, and what became of it."""
        begun = {}
        for when, finished, running in self.seen:
            if when > killed - STORE_LAG_S:
                break
            for report in finished:
                begun[report["device"]] = max(begun.get(report["device"], 0), report["started_ms"])
            for endpoint, started_ms in running.items():
                # A session is there some moments before its run begins, where it must wait for a batch.
                begun[endpoint] = max(begun.get(endpoint, 0), started_ms - 20)
        return begun


def reports_of(daemon):
    return daemon.result("task", "reports", TASK, "--limit", 100000)["reports"]


def check_reports(daemon, due):
    """None that was due is missing, none claims to be in progress. How many ended well, and were interrupted."""
    reports = {report["device"]: report for report in reports_of(daemon)}
    missing = {endpoint: (begun, reports.get(endpoint)) for endpoint, begun in due.items()
               if endpoint not in reports or reports[endpoint]["started_ms"] < begun}
    assert not missing, f"{len(missing)} of {len(due)}: {list(missing.items())[:3]}"
    assert not [report for report in reports.values() if report["status"] == "InProgress"]
    interrupted = sum("interrupted" in report["summary"] for report in reports.values())
    return sum(report["status"] == "Success" for report in reports.values()), interrupted


def start_storm(storm):
    """Devices over and over, behind 40 ms of network: hundreds are in progress at any time."""
    return subprocess.Popen(storm.network.command(
        f"{storm.build}/tools/storm/cradlestorm", "--port", f"net_memif0,role=client,socket={storm.memif}", "--server",
        "198.18.0.1", "--source", "198.18.0.10+50", "--devices", DEVICES, "--psk", "--rtt", "40:20", "--concurrency", 300,
        "--duration", 600, "--json", "-"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def kill(daemon):
    daemon.process.send_signal(signal.SIGKILL)
    killed = time.monotonic()
    daemon.process.wait()
    return killed


def round_under_load(storm, operator, chance):
    """(what must be found, devices that finished)"""
    daemon = storm.daemon
    witness, load = Witness(daemon), start_storm(storm)
    try:
        wait_for(lambda: daemon.counters()["bs_finished"] > 0, "devices to bootstrap", 60)
        operator.start()
        witness.start()
        wait_for(lambda: len(witness.seen) > 1 or witness.failure, "a first look", 60)
        time.sleep(chance.uniform(0, 1.2))
        killed = kill(daemon)
    finally:
        load.terminate()
        said = load.communicate(timeout=60)
    for thread in (operator, witness):
        thread.join()
        if thread.failure:
            raise thread.failure
    assert load.returncode >= 0, f"the swarm died of signal {-load.returncode} when its appliance left"
    assert said[0], said[1]
    return witness.due(killed), json.loads(said[0])["done"]


def kill_while_starting(storm, chance):
    """From the first instruction to shortly after it serves."""
    daemon = storm.daemon
    with open(daemon.folder / "log", "ab") as log:
        daemon.process = subprocess.Popen(
            daemon.network.command(f"{daemon.build}/control/cradled", "-c", daemon.folder / "cradle.conf"),
            stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    time.sleep(chance.uniform(0, 0.5))
    kill(daemon)


@pytest.fixture
def storm(build, network, tmp_path):
    def with_operators_group(text):
        head, end, tail = text.rpartition("\n);")
        assert end and not tail.strip()
        return head + OPERATORS_GROUP
    one = Storm(build, network, tmp_path, {r"^sessions = \d+": "sessions = 4096"}, devices=DEVICES)
    (one.daemon.folder / "devices.csv").unlink()
    one.daemon.write("policy/groups.conf", with_operators_group(one.daemon.read("policy/groups.conf")))
    assert one.daemon.ctl("reload").returncode == 0
    yield one
    assert one.stop() == 0, one.daemon.log()


def half_written(daemon):
    return [path for path in (daemon.folder / "policy").rglob(".cradle-*") if len(path.name) == len(".cradle-XXXXXX")]


def test_half_written_files_are_swept_away_at_the_start(cradled):
    """They may hold keys. Files of other names are somebody else's."""
    def leave(daemon):
        for name in ("policy/.cradle-a1B2c3", "policy/tasks/.cradle-ZZZZZZ", "policy/.cradle-notes"):
            daemon.write(name, "psk")
    daemon = cradled(prepare=leave)
    assert not half_written(daemon) and (daemon.folder / "policy/.cradle-notes").exists()
    assert "2 half-written files" in daemon.log()


def test_killed_at_any_moment_under_load(storm):
    seed = int(os.environ.get("CRADLE_CRASH_SEED", random.randrange(1 << 30)))
    chance = random.Random(seed)
    operator = Operator(storm, chance)
    finished = due_in_all = well = interrupted = 0
    print(f"CRADLE_CRASH_SEED={seed}")
    for number in range(ROUNDS):
        operator = operator.again(storm)
        due, done = round_under_load(storm, operator, chance)
        if number % 4 == 3:
            kill_while_starting(storm, chance)
        storm.daemon.start()
        operator.check(storm.daemon)
        assert not half_written(storm.daemon)
        well, interrupted = check_reports(storm.daemon, due)
        finished += done
        due_in_all += len(due)
        assert well and interrupted
    print(f"{ROUNDS} rounds: {operator.acknowledged} changes acknowledged, {finished} bootstraps, {due_in_all} reports due; "
          f"in the end {well} devices had finished, {interrupted} were interrupted")
    assert operator.acknowledged and finished and due_in_all
