"""kill -9 of a whole appliance at every step of a change: the policy is the one before or the new one, whole.

A library that is preloaded (step_guard.c) counts the calls by which the appliance changes files, and ends it at one of
them; a write is half done then. Started again, it must have one of the two policies in all files, the same as the newest
version of its log, serve devices by it, and know it as what it gives to others. The normal run tries the steps where a
change turns; CRADLE_KILL_STEPS=all tries each one.
"""
import mmap
import os
import re
import struct

import pytest

from conftest import wait_for
from test_change import TASK, lifetime_of, new_version, versions

ALL = os.environ.get("CRADLE_KILL_STEPS") == "all"
NAMES, NAME_BYTES, HEADER, EXIT = 4096, 16, 16, 137  # step_guard.h
NEVER = 0xffffffff
DEVICES = [f"demo-{n:04}" for n in range(1, 5)]
ROWS = "endpoint,key,groups,value.managementId,secret.password\n" + "".join(
    f"{name},key,root.demo,id-{name},pw\n" for name in DEVICES)


class Steps:
    """The table that is shared with the appliance."""

    def __init__(self, path):
        path.write_bytes(bytes(HEADER + NAMES * NAME_BYTES))
        with open(path, "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), 0)

    def arm(self, end_at=NEVER, own=False):
        """own: only steps of the control thread, which come in one order; else those of threads beside it, too."""
        self.memory[4:] = struct.pack("<III", end_at, 0, own) + bytes(NAMES * NAME_BYTES)
        self.memory[:4] = struct.pack("<I", 1)

    def disarm(self):
        """The names of the steps since arm()."""
        self.memory[:4] = bytes(4)
        n = struct.unpack_from("<I", self.memory, 8)[0]
        assert n <= NAMES
        return [self.memory[HEADER + i * NAME_BYTES:HEADER + (i + 1) * NAME_BYTES].rstrip(b"\0").decode() for i in range(n)]


def policy_of(daemon):
    """All files of the policy; when a rollout began is no part of what is compared."""
    folder = daemon.folder / "policy"
    return {str(path.relative_to(folder)): re.sub(r"since = \d+", "since = 0", path.read_text())
            for path in folder.rglob("*") if path.is_file()}


class Scenario:
    """A command, the policy before it and after it, and what devices are given then."""

    def __init__(self, daemon, steps, argv):
        self.daemon, self.steps, self.argv = daemon, steps, argv
        self.version = versions(daemon)[-1]["version"]
        self.before, self.given_before = policy_of(daemon), self.given()
        steps.arm()
        done = daemon.ctl(*argv)
        self.names = steps.disarm()
        assert done.returncode == 0, done.stdout + done.stderr
        self.after, self.given_after = policy_of(daemon), self.given()
        self.changed = {name for name in self.before | self.after if self.before.get(name) != self.after.get(name)}
        assert self.changed and len(self.names) > 10, self.names
        self.back()

    def given(self):
        return [lifetime_of(self.daemon, name) for name in DEVICES]

    def back(self):
        """To the policy before it."""
        self.daemon.result("policy", "revert", self.version)
        assert policy_of(self.daemon) == self.before and self.given() == self.given_before

    def turning_points(self):
        """Where what a start finds becomes another: behind each rename and removal, and in the version's write."""
        moves = [n + 1 for n, name in enumerate(self.names) if name in ("rename", "unlink")]
        return moves + [max(n for n, name in enumerate(self.names) if name == "pwrite")]

    def end_at(self, step, own=False):
        """Killed at a step; whether the command said before that it was done."""
        self.steps.arm(step, own)
        done = self.daemon.ctl(*self.argv)
        if done.returncode == 0:  # fewer steps than the first time, or others' are counted
            self.daemon.process.kill()
        code = self.daemon.process.wait(60)
        self.steps.disarm()
        assert code == EXIT or (code == -9 and done.returncode == 0), f"exit {code}, {done.stdout}{done.stderr}: {self.daemon.log()}"
        return done.returncode == 0

    def check(self, where, acknowledged):
        """All agree on one of the two policies; whether it is the new one."""
        daemon = self.daemon
        now = policy_of(daemon)
        new = now == self.after
        assert new or now == self.before, f"{where}: {sorted(now)}"
        assert new or not acknowledged, where
        newest = versions(daemon)[-1]["version"]
        differing = {at["file"] for at in daemon.result("policy", "diff", self.version, newest)["files"]}
        assert differing == (self.changed if new else set()), where
        assert "version" not in daemon.result("reload"), f"{where}: the files are not those of version {newest}"
        assert self.given() == (self.given_after if new else self.given_before), where
        assert daemon.ctl("audit", "verify").returncode == 0, where
        assert daemon.device(f"ep={DEVICES[0]}")[0] == 0, where
        return new

    def where(self, step):
        return f"{self.argv}, killed at step {step} of {len(self.names)}: {' '.join(self.names[step:step + 1])}"

    def go_on(self, where, acknowledged):
        self.daemon.start()
        if self.check(where, acknowledged):
            self.back()

    def run(self, points):
        """Kills at these steps; each one, where all are asked for."""
        for step in range(len(self.names) + 1) if ALL else points:
            self.go_on(self.where(step), self.end_at(step))

    def start_until(self, at):
        """A start that is killed at a step of its own; the names of its steps."""
        self.steps.arm(at)
        process = self.daemon.spawn()
        wait_for(lambda: process.poll() is not None or self.daemon.ctl("status").returncode == 0, "the start", 60)
        if process.poll() is None:  # there are fewer steps
            process.kill()
        assert process.wait() in (EXIT, -9), self.daemon.log()
        return self.steps.disarm()

    def interrupt(self):
        """Killed behind its journal, by steps of the control thread alone: reports that are written meanwhile are not it."""
        own = [name for name in self.names if name in ("mkostemp", "write", "fsync", "rename")]  # up to there: SQLite does others
        assert not self.end_at(own.index("rename") + 1, own=True)
        assert (self.daemon.folder / "policy/.cradle-journal").exists()

    def run_recovery(self):
        """The start that ends the change is killed, too."""
        self.interrupt()
        names = self.start_until(NEVER)
        self.go_on(f"{self.argv}, killed behind its journal", False)
        moves = [n + 1 for n, name in enumerate(names) if name == "rename"]
        assert len(moves) == 2, names
        for at in range(len(names) + 1) if ALL else moves:
            self.interrupt()
            self.start_until(at)
            self.go_on(f"{self.argv}, killed behind its journal, and again at step {at} of {len(names)}: {names[at:at + 1]}", False)


@pytest.fixture
def stepping(build, cradled, tmp_path):
    """An appliance of the test's own, and its steps."""
    steps = Steps(tmp_path / "steps")
    daemon = cradled(env={"LD_PRELOAD": f"{build}/tests/functional/libstep_guard.so",
                          "CRADLE_STEP_GUARD": str(tmp_path / "steps")}, prepare=lambda one: one.write("devices.csv", ROWS))
    os.unlink(daemon.folder / "devices.csv")
    return daemon, steps


def test_an_edit_of_a_task_killed_at_its_steps(stepping):
    daemon, steps = stepping
    edit = Scenario(daemon, steps, ("task", "edit", TASK, "--xml", new_version(daemon, 91), "--priority", 11))
    assert edit.given_before == ["60"] * len(DEVICES) and edit.given_after == ["91"] * len(DEVICES)
    edit.run(edit.turning_points())
    edit.run_recovery()


def test_a_revert_of_several_files_killed_at_its_steps(stepping):
    daemon, steps = stepping
    daemon.result("server", "add", "m1", "--uri", "h", "--ssid", 7, "--psk", "s3cr3t-psk")
    daemon.result("task", "edit", TASK, "--xml", new_version(daemon, 91), "--priority", 11)
    revert = Scenario(daemon, steps, ("policy", "revert", 1))
    assert revert.changed == {"groups.conf", "servers.conf", "tasks/reference-task.xml"}
    revert.run(revert.turning_points()[1::2])


def test_a_rollout_killed_at_its_steps(stepping):
    daemon, steps = stepping
    start = Scenario(daemon, steps, ("task", "rollout", "start", TASK, "--xml", new_version(daemon, 91), "--percent", 50))
    assert start.changed == {"groups.conf", "tasks/reference-task.r2.xml"}
    start.run(start.turning_points()[:2])
    daemon.result(*start.argv)
    for argv in (("advance", TASK, "--percent", 100), ("finish", TASK), ("halt", TASK), ("abort", TASK))[:4 if ALL else 2]:
        move = Scenario(daemon, steps, ("task", "rollout", *argv))
        move.run(move.turning_points()[:1])
    assert set(daemon.result("task", "rollout", "show", TASK)) > {"new", "former"}
