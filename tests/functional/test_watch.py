"""Following what happens: events, reports and traces as they come, until either side ends it."""
import contextlib
import ctypes
import json
import os
import pathlib
import signal
import subprocess

import pytest

from conftest import wait_for
from test_ctl_socket import connect, receive, request


class Watcher:
    """A cradlectl that does not end by itself; its lines as they come."""

    def __init__(self, daemon, *argv):
        self.process = subprocess.Popen([f"{daemon.build}/tools/cradlectl", "-s", daemon.socket, *argv],
                                        text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def line(self):
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        return line.rstrip("\n")

    def event(self, **members):
        """The next event with these members."""
        while True:
            event = json.loads(self.line())
            if all(event.get(name) == value for name, value in members.items()):
                return event

    def end(self, number=signal.SIGINT):
        self.process.send_signal(number)
        _, error = self.process.communicate(timeout=60)
        return self.process.returncode, error


@pytest.fixture
def watch(daemon):
    """Watchers of the shared appliance; each has been heard when it is returned."""
    watchers = []

    def begin(*argv):
        before = daemon.result("status")["watches"]
        watchers.append(Watcher(daemon, *argv))
        wait_for(lambda: daemon.result("status")["watches"] > before, "the watch to begin")
        return watchers[-1]
    yield begin
    for watcher in watchers:
        if watcher.process.poll() is None:
            watcher.end()


def bootstrap(daemon):
    assert daemon.device("-i", "demo-0001", "-k", "demo-key-0001-demo", "ep=demo-0001", port=5684)[0] == 0


def test_a_bootstrap_is_told_from_its_start_to_its_report(daemon, watch):
    watcher = watch("--json", "watch")
    bootstrap(daemon)
    started = watcher.event(kind="session", what="started")
    assert started["endpoint"] == "demo-0001" and started["peer"].startswith("198.18.0.2:")
    report = watcher.event(kind="report")
    assert report["device"] == "demo-0001" and report["status"] == "Success" and report["schema"] == 1
    assert watcher.event(kind="session", what="finished")["at_ms"] >= started["at_ms"]
    assert watcher.end() == (0, "")


def test_who_is_not_let_in_is_told(daemon, watch):
    watcher = watch("watch", "unknown,rejected")
    daemon.device("ep=nobody-knows-me")
    assert "unknown   nobody-knows-me  198.18.0.2:" in watcher.line()
    daemon.device("-i", "demo-0001", "-k", "a-wrong-key-of-it-", "ep=demo-0001", port=5684)
    line = watcher.line()
    assert "rejected  demo-0001" in line and "wrong key" in line
    bootstrap(daemon)  # leaves the list as it was
    daemon.ctl("unknown", "adopt", "nobody-knows-me", "--no-key")
    daemon.ctl("device", "remove", "nobody-knows-me")


def test_a_list_of_reports_goes_on_with_those_that_come(daemon, watch):
    bootstrap(daemon)
    wait_for(lambda: daemon.result("report", "list")["reports"], "a report")
    watcher = watch("--json", "report", "list", "--follow", "--limit", "3")
    before = json.loads(watcher.line())["reports"]
    assert 1 <= len(before) <= 3
    bootstrap(daemon)
    report = watcher.event(kind="report")
    assert report["device"] == "demo-0001" and report["started_ms"] >= before[-1]["started_ms"]


def test_a_dialogue_is_followed_and_its_trace_ends_with_the_follower(daemon, watch):
    watcher = watch("trace", "start", "demo-0001", "--follow")
    bootstrap(daemon)
    lines = []
    while "Finish" not in "".join(lines) and "/bs, " not in "".join(lines[2:]):
        lines.append(watcher.line())
    assert "-> CON POST /bs?ep=demo-0001" in "".join(lines) and "<- CON PUT /0/2" in "".join(lines)
    assert watcher.end()[0] == 0
    assert daemon.ctl("trace", "show", "demo-0001").returncode == 1  # nobody else traces it


def test_messages_for_machines_are_lines_of_json(daemon, watch):
    watcher = watch("--json", "trace", "start", "demo-0001", "--follow")
    bootstrap(daemon)
    first = message = watcher.event(kind="message")
    while "CON POST /bs?ep=demo-0001" not in message["line"]:
        message = watcher.event(kind="message")
    assert first["t_us"] == 0 <= message["t_us"]


def test_counters_come_with_their_rates(daemon, watch):
    watcher = watch("--json", "watch", "counters")
    first = watcher.event(kind="counters")
    assert first["per_second"] == {} and first["counters"] == dict(first["counters"], **{"bs_failed_pack": 0})
    second = watcher.event(kind="counters")
    assert 0.5 < second["interval_s"]


def test_the_end_of_the_appliance_is_told(cradled):
    daemon = cradled()
    watcher = Watcher(daemon, "watch", "status")
    assert "running" in watcher.line()
    assert daemon.stop() == 0
    _, error = watcher.process.communicate(timeout=60)
    assert watcher.process.returncode == 3 and error == "the appliance stops\n"


def test_an_appliance_that_is_killed_ends_the_watch(cradled):
    daemon = cradled()
    watcher = Watcher(daemon, "--json", "watch", "status")
    watcher.event(kind="status")
    daemon.process.kill()
    output, _ = watcher.process.communicate(timeout=60)
    last = json.loads(output.splitlines()[-1])
    assert watcher.process.returncode == last["exit"] == 3 and "has gone" in last["error"]


# ptrace(2): one thread alone is stopped.
SEIZE, INTERRUPT, DETACH, WAIT_FOR_THREADS = 0x4206, 0x4207, 17, 0x40000000


@contextlib.contextmanager
def stopped_worker(daemon):
    """The first worker stands still meanwhile, the rest of the appliance does not."""
    libc = ctypes.CDLL(None, use_errno=True)
    tasks = pathlib.Path(f"/proc/{daemon.process.pid}/task")
    thread = next(int(task.name) for task in tasks.iterdir() if "worker" in (task / "comm").read_text())

    def ptrace(request):
        assert libc.ptrace(request, thread, None, None) == 0, os.strerror(ctypes.get_errno())
    ptrace(SEIZE)
    ptrace(INTERRUPT)
    os.waitpid(thread, WAIT_FOR_THREADS)
    try:
        yield
    finally:
        ptrace(DETACH)


@pytest.mark.parametrize("follow", [[], ["--follow"]], ids=["shown", "followed"])
def test_a_trace_has_begun_when_that_is_said(daemon, follow):
    """It was said when workers had been told: one that was busy just then received a device's first message before it
    looked."""
    begun = f"trace start demo-0001{' --follow' if follow else ''} by"
    before = daemon.log().count(begun)
    with connect(daemon) as sock:
        with stopped_worker(daemon):
            sock.sendall(request("trace", "start", "demo-0001", *follow))
            wait_for(lambda: daemon.log().count(begun) > before, "the command to be served")
            assert daemon.result("status")["watches"] == 0
            sock.setblocking(False)
            with pytest.raises(BlockingIOError):
                sock.recv(1)
            sock.settimeout(60)
        assert receive(sock)["exit"] == 0
        assert daemon.device("ep=demo-0001")[0] == 0
        if follow:
            assert "POST /bs" in receive(sock)["text"]
        else:
            assert "POST /bs" in daemon.ctl("trace", "show", "demo-0001").stdout
            assert daemon.ctl("trace", "stop", "demo-0001").returncode == 0
