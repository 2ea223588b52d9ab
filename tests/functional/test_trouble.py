"""Disks that are full, stores that others lock, policy folders that cannot be read: devices go on bootstrapping, commands say
why they failed and what to do, `status` shows it, and all is well again without a restart."""
import contextlib
import errno
import os
import shutil
import subprocess

import pytest

from conftest import wait_for
from test_policy import Restricted

TASK = "g:root.demo:1"


@contextlib.contextmanager
def small_disk(folder, size):
    """A file system of its own over a folder, with what was in it."""
    kept = folder.parent / (folder.name + ".kept")
    folder.mkdir(exist_ok=True)
    shutil.copytree(folder, kept)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "cradle-test", folder], check=True)
    shutil.copytree(kept, folder, dirs_exist_ok=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def fill(folder):
    """Not a byte is left; the file that takes them."""
    ballast = folder / "ballast"
    with open(ballast, "wb", buffering=0) as file:
        for size in (65536, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))
    return ballast


def refused(answer, *words):
    """Exit code 1, and a sentence that has all of this."""
    assert answer.returncode == 1, answer.stdout + answer.stderr
    for word in words:
        assert word in answer.stderr, answer.stderr
    return answer.stderr


def serves(daemon):
    """A device bootstraps."""
    before = daemon.counters()["bs_finished"]
    code, events = daemon.device("ep=demo-0001")
    assert code == 0, events
    wait_for(lambda: daemon.counters()["bs_finished"] == before + 1, "the appliance to count it")


def report_of(daemon, endpoint="demo-0001"):
    reports = daemon.result("report", "list", "--device", endpoint)["reports"]
    return reports[-1] if reports else None


def until_refused(daemon, tries=2000):
    """Adds devices until one is refused: a log that was longer once has room of its own. (the answer, who is in)"""
    added = []
    for number in range(tries):
        answer = daemon.ctl("device", "add", f"more-{number}", "--groups", "root.demo", "--domain", "x" * 100)
        if answer.returncode:
            return answer, added
        added.append(f"more-{number}")
    raise AssertionError("never refused")


def endpoints(daemon):
    return {device["endpoint"] for device in daemon.result("device", "list", "--limit", 10000)["devices"]}


@pytest.fixture
def disk(tmp_path):
    """A factory of small disks that live as long as the test, and the appliance in it."""
    with contextlib.ExitStack() as stack:
        yield lambda folder, size: stack.enter_context(small_disk(folder, size))


@pytest.fixture
def appliance(disk, stage):
    """An appliance of the test's own, ended before its disks go."""
    yield stage.start
    stage.clear()


def test_the_stores_disk_is_full(appliance, disk, tmp_path):
    store = tmp_path / "store"
    disk(store, "4m")
    daemon = appliance(prepare=lambda one: one.edit("cradle.conf", str(one.folder / "cradle.db"), str(store / "cradle.db")))
    (daemon.folder / "devices.csv").unlink()  # once
    serves(daemon)
    assert daemon.result("status")["store"]["healthy"]
    ballast = fill(store)
    answer, added = until_refused(daemon)
    assert "file system is full" in answer.stderr and "free some space" in answer.stderr
    told = refused(daemon.ctl("device", "value", "set", "demo-0001", "note", "x" * 5000), "file system is full")
    assert str(store / "cradle.db") in told
    refused(daemon.ctl("device", "import", *[make_table(tmp_path, 5000)]), "nothing was imported", "file system is full")
    serves(daemon)
    before = report_of(daemon)
    assert before["status"] == "Success"
    shown = daemon.result("status")["store"]
    assert not shown["healthy"] and "file system is full" in shown["error"]
    assert "file system is full" in daemon.ctl("status").stdout
    assert endpoints(daemon) == {"demo-0001", "demo-0002", *added}, "what was refused is not there"

    ballast.unlink()
    wait_for(lambda: daemon.ctl("device", "add", "late-1", "--groups", "root.demo").returncode == 0, "space to be used")
    wait_for(lambda: daemon.result("status")["store"]["healthy"] and not daemon.result("status")["store"]["queued"],
             "the store to be well")
    assert "fine" in daemon.ctl("status").stdout
    assert daemon.result("status")["store"]["lost"] == 0
    serves(daemon)
    last = report_of(daemon)
    # It is all in the file, too.
    assert daemon.stop() == 0, daemon.log()
    daemon.start()
    assert endpoints(daemon) == {"demo-0001", "demo-0002", "late-1", *added}
    assert report_of(daemon) == last


def make_table(folder, devices):
    table = folder / "many.csv"
    table.write_text("endpoint,groups,domain\n" + "".join(f"many-{n},root.demo,{'y' * 200}\n" for n in range(devices)))
    return table


def test_reports_of_a_full_disk_are_written_once_there_is_room(appliance, disk, tmp_path):
    """None is lost: they wait in memory."""
    store = tmp_path / "store"
    disk(store, "4m")
    daemon = appliance(prepare=lambda one: one.edit("cradle.conf", str(one.folder / "cradle.db"), str(store / "cradle.db")))
    (daemon.folder / "devices.csv").unlink()
    ballast = fill(store)

    def stuck():
        serves(daemon)
        return not daemon.result("status")["store"]["healthy"]
    wait_for(stuck, "the reports' file to be full", 60)
    serves(daemon)
    last = report_of(daemon)
    assert daemon.result("status")["store"]["queued"] > 0
    ballast.unlink()
    wait_for(lambda: daemon.result("status")["store"]["queued"] == 0, "the reports to be written")
    shown = daemon.result("status")["store"]
    assert shown["healthy"] and shown["lost"] == 0
    daemon.process.kill()  # not a word more reaches the file
    daemon.process.wait()
    daemon.start()
    assert report_of(daemon) == last


def test_a_start_on_a_full_disk_says_so_and_after_a_crash_it_serves(appliance, disk, tmp_path):
    """What a killed one left has room for its log's index; one that ended well takes that away."""
    store = tmp_path / "store"
    disk(store, "4m")
    daemon = appliance(prepare=lambda one: one.edit("cradle.conf", str(one.folder / "cradle.db"), str(store / "cradle.db")))
    (daemon.folder / "devices.csv").unlink()
    ballast = fill(store)
    daemon.process.kill()
    daemon.process.wait()
    daemon.start()
    serves(daemon)
    ballast.unlink()
    assert daemon.stop() == 0
    ballast = fill(store)
    done = daemon.network.run(f"{daemon.build}/control/cradled", "-c", daemon.folder / "cradle.conf", timeout=60)
    assert done.returncode == 1 and "file system is full" in done.stderr and "free some space" in done.stderr
    ballast.unlink()
    daemon.start()
    serves(daemon)


@contextlib.contextmanager
def locked(path):
    """Another process would do the same: SQLite's locks of one process are told apart by connection."""
    other = subprocess.Popen(["/usr/bin/python3", "-c", """
import sqlite3, sys
with sqlite3.connect(sys.argv[1], isolation_level=None, timeout=20) as db:
    db.execute("BEGIN EXCLUSIVE")
    print("locked", flush=True)
    sys.stdin.read()
""", path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout.readline() == "locked\n"
        yield
    finally:
        other.stdin.close()
        other.wait()


def test_another_process_locks_the_inventory(appliance):
    daemon = appliance()
    (daemon.folder / "devices.csv").unlink()
    with locked(daemon.folder / "cradle.db"):
        refused(daemon.ctl("device", "add", "new-1", "--groups", "root.demo"), "another process holds it locked", "fuser")
        refused(daemon.ctl("device", "remove", "demo-0002"), "another process holds it locked")
        serves(daemon)
        assert endpoints(daemon) == {"demo-0001", "demo-0002"}
        shown = daemon.result("status")["store"]
        assert not shown["healthy"] and "locked" in shown["error"]
        assert "locked" in daemon.ctl("status").stdout
    assert daemon.ctl("device", "add", "new-1", "--groups", "root.demo").returncode == 0
    wait_for(lambda: daemon.result("status")["store"]["healthy"], "the store to be well")
    assert endpoints(daemon) == {"demo-0001", "demo-0002", "new-1"}


def test_another_process_locks_the_reports(appliance):
    daemon = appliance()
    (daemon.folder / "devices.csv").unlink()
    with locked(str(daemon.folder / "cradle.db") + "-reports"):
        serves(daemon)
        wait_for(lambda: not daemon.result("status")["store"]["healthy"], "the lock to be noticed")
        shown = daemon.result("status")["store"]
        assert "locked" in shown["error"] and shown["queued"] > 0
        # Devices are another file's.
        assert daemon.ctl("device", "add", "new-1", "--groups", "root.demo").returncode == 0
        serves(daemon)
        last = report_of(daemon)
    wait_for(lambda: daemon.result("status")["store"]["queued"] == 0, "the reports to be written")
    assert daemon.result("status")["store"]["healthy"] and daemon.result("status")["store"]["lost"] == 0
    daemon.process.kill()
    daemon.process.wait()
    daemon.start()
    assert report_of(daemon) == last


def policy_trouble(daemon, *words):
    """What `status` says of it, as text and to machines."""
    shown = daemon.result("status")
    assert not shown["policy"]["healthy"] and shown["policy"]["failing_since_ms"]
    for word in words:
        assert word in shown["policy"]["error"], shown["policy"]
        assert word in daemon.ctl("status").stdout
    return shown["generation"]


def policy_is_well(daemon):
    return daemon.result("status")["policy"]["healthy"] and f"{daemon.folder}/policy: fine" in daemon.ctl("status").stdout


def test_the_policys_disk_is_full(appliance, disk):
    daemon = appliance(prepare=lambda one: disk(one.folder / "policy", "256k"))
    folder = daemon.folder / "policy"
    ballast, groups = fill(folder), (folder / "groups.conf").read_bytes()
    before = sorted(os.listdir(folder))
    generation = daemon.result("status")["generation"]
    refused(daemon.ctl("task", "pause", TASK), "groups.conf", os.strerror(errno.ENOSPC), "free some space", "nothing was changed")
    refused(daemon.ctl("group", "value", "set", "root.demo", "note", "x"), os.strerror(errno.ENOSPC))
    assert policy_trouble(daemon, os.strerror(errno.ENOSPC), "free some space") == generation
    assert (folder / "groups.conf").read_bytes() == groups and sorted(os.listdir(folder)) == before
    serves(daemon)
    ballast.unlink()
    assert daemon.ctl("task", "pause", TASK).returncode == 0
    assert daemon.ctl("task", "resume", TASK).returncode == 0
    assert policy_is_well(daemon)
    serves(daemon)


def test_the_policy_folder_is_gone(appliance):
    daemon = appliance()
    folder, aside = daemon.folder / "policy", daemon.folder / "policy.aside"
    assert policy_is_well(daemon)
    folder.rename(aside)
    told = refused(daemon.ctl("reload"), str(folder), os.strerror(errno.ENOENT), "still running generation 1")
    assert "put it back" in told
    refused(daemon.ctl("task", "pause", TASK), str(folder))
    refused(daemon.ctl("group", "add", "root.new"), str(folder))
    assert policy_trouble(daemon, str(folder)) == 1
    assert not folder.exists(), "nothing was made in its place"
    serves(daemon)
    aside.rename(folder)
    assert daemon.ctl("reload").returncode == 0
    assert policy_is_well(daemon)
    serves(daemon)


def test_the_groups_file_alone_is_gone(appliance):
    """A command must not begin a new one: it would be the end of all other groups."""
    daemon = appliance()
    groups, aside = daemon.folder / "policy/groups.conf", daemon.folder / "aside"
    groups.rename(aside)
    for argv in (("group", "add", "root.new"), ("task", "pause", TASK), ("group", "value", "set", "root", "note", "x")):
        assert "put it back" in refused(daemon.ctl(*argv), "groups.conf", os.strerror(errno.ENOENT))
    assert not groups.exists()
    policy_trouble(daemon, "groups.conf", os.strerror(errno.ENOENT))
    serves(daemon)
    aside.rename(groups)
    assert daemon.ctl("group", "add", "root.new").returncode == 0
    assert policy_is_well(daemon)
    serves(daemon)


def test_the_policy_folder_may_not_be_read(appliance):
    """By an appliance that is no more than its owner."""
    def prepare(one):
        one.network = Restricted(one.network)
    daemon = appliance(prepare=prepare)
    folder = daemon.folder / "policy"
    folder.chmod(0)
    try:
        refused(daemon.ctl("reload"), str(folder), os.strerror(errno.EACCES), "check owner and mode", "still running generation 1")
        refused(daemon.ctl("task", "pause", TASK), str(folder), os.strerror(errno.EACCES))
        policy_trouble(daemon, os.strerror(errno.EACCES), "check owner and mode")
        serves(daemon)
    finally:
        folder.chmod(0o755)
    assert daemon.ctl("task", "pause", TASK).returncode == 0
    assert daemon.ctl("task", "resume", TASK).returncode == 0
    assert policy_is_well(daemon)
    serves(daemon)


def test_a_broken_groups_file(appliance):
    daemon = appliance()
    good = daemon.read("policy/groups.conf")
    broken = good.replace("groups = (", "groups = ((", 1)
    daemon.write("policy/groups.conf", broken)
    refused(daemon.ctl("reload"), "groups.conf:", "error", "still running generation 1")
    refused(daemon.ctl("task", "pause", TASK), "groups.conf:", "nothing was changed")
    refused(daemon.ctl("check"), "groups.conf:")
    policy_trouble(daemon, "groups.conf:")
    assert daemon.read("policy/groups.conf") == broken, "a hand's work is left alone"
    serves(daemon)
    daemon.write("policy/groups.conf", good)
    assert daemon.ctl("reload").returncode == 0
    assert policy_is_well(daemon)
    serves(daemon)


def test_an_edit_that_is_refused_is_no_trouble_of_the_files(appliance):
    """They are what they were, and that is what runs."""
    daemon = appliance()
    refused(daemon.ctl("group", "remove", "root.demo", "--recursive"), "root.demo")
    assert policy_is_well(daemon)
