"""The unit under systemd itself: who it is, readiness, reload, watchdog, a crash, a stop, an upgrade."""
import re
import shutil
import signal
import subprocess

import pytest

from conftest import ROOT, wait_for
from machine import Machine, NoContainer

DROP_IN = """[Service]
WatchdogSec=2
TimeoutAbortSec=2
LoadCredential=kek:/etc/cradle-kek
# Where systemd itself may not raise limits (a container), this stands for LimitMEMLOCK=infinity.
AmbientCapabilities=CAP_IPC_LOCK
CapabilityBoundingSet=CAP_IPC_LOCK
"""
EDITS = [(r"^idle_yield = false", "idle_yield = true"), (r"^hugepages = .*", 'hugepages = "no";'),
         (r"^sessions = \d+", "sessions = 1024"), (r"^objects = ", 'kek = "credential:kek";\nobjects = ')]
LINKS = """
ip link add cradle0 type veth peer name dev0
sysctl -qw net.ipv6.conf.cradle0.disable_ipv6=1 net.ipv6.conf.dev0.accept_dad=0
ethtool -K dev0 tx off >/dev/null
ethtool -K cradle0 tx off >/dev/null
ip link set cradle0 up; ip link set dev0 up; ip link set lo up
ip addr add 198.18.0.2/24 dev dev0
"""


def test_what_the_unit_allows_is_little(build):
    unit = f"{build}/conf/cradle.service"
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=25", "--no-pager", unit],
                          text=True, capture_output=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr


@pytest.fixture(scope="module")
def machine(build, stage, tmp_path_factory):
    if not shutil.which("systemd-nspawn"):
        pytest.skip("there is no systemd-nspawn here")
    stage.rest()
    one = Machine(tmp_path_factory.mktemp("machine"), build)
    one.install()
    one.put("etc/systemd/system/cradle.service.d/test.conf", DROP_IN)
    settings = (ROOT / "conf/cradle.conf").read_text()
    for pattern, replacement in EDITS:
        settings, n = re.subn(pattern, replacement, settings, count=1, flags=re.M)
        assert n == 1, pattern
    one.put("etc/cradle/cradle.conf", settings)
    made = subprocess.run([f"{build}/control/cradled", "--make-kek", one.folder / "files/etc/cradle-kek"],
                          capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    try:
        try:
            one.boot()
        except NoContainer as why:
            pytest.skip(f"no container can be had here: {why}")
        assert one.on_network("sh", "-ec", LINKS).returncode == 0
        done = one.run("chown", "-R", "cradle:cradle", "/etc/cradle")
        assert done.returncode == 0, done.stderr
        yield one
    finally:
        one.close()


@pytest.fixture
def running(machine):
    done = machine.run("systemctl", "start", "cradle")
    assert done.returncode == 0, machine.journal()
    return machine


def device(machine):
    return machine.on_network(f"{machine.build}/tests/functional/lwm2m_client_openssl", "-i", "demo-0001", "-k",
                              "demo-key-0001-demo", "198.18.0.1", "5684", "ep=demo-0001")


def test_it_is_ready_and_is_nobody_but_itself(running):
    """`systemctl start` comes back once it says that it is ready: it answers at once."""
    status = running.run("cradlectl", "status")
    assert status.returncode == 0, status.stderr + running.journal()
    assert "privileges: user cradle, capabilities net_admin, net_raw" in status.stdout
    assert "seccomp enforce, memory locked" in status.stdout, status.stdout + running.journal()
    assert "keys are sealed under" in status.stdout, "the key came as a credential"
    pid = running.show("MainPID")["MainPID"]
    for task in running.run("sh", "-c", f"cat /proc/{pid}/task/*/status").stdout.split("\n\n"):
        assert re.search(r"^NoNewPrivs:\t1$", task, re.M)
    assert running.run("stat", "-c", "%U", "/var/lib/cradle/cradle.db", "/run/cradle/cradle.sock").stdout.split() == ["cradle"] * 2


def test_devices_bootstrap(running):
    running.run("cradlectl", "device", "import", "/etc/cradle/devices.csv")
    done = device(running)
    assert done.returncode == 0, done.stdout + done.stderr + running.journal()
    edit = running.run("cradlectl", "group", "add", "root.made")
    assert edit.returncode == 0, edit.stderr
    assert "root.made" in running.run("cat", "/etc/cradle/policy/groups.conf").stdout


def test_a_reload_takes_new_files_and_refuses_wrong_ones(running):
    before = running.run("cradlectl", "status").stdout
    groups = running.run("cat", "/etc/cradle/policy/groups.conf").stdout
    assert running.run("systemctl", "reload", "cradle").returncode == 0
    assert running.run("cradlectl", "status").stdout.split("generation")[1] != before.split("generation")[1]
    running.run("tee", "/etc/cradle/policy/groups.conf", input=groups + "\nthis is wrong")
    assert running.run("systemctl", "reload", "cradle").returncode != 0
    assert running.show("ActiveState")["ActiveState"] == "active"
    running.run("tee", "/etc/cradle/policy/groups.conf", input=groups)
    assert running.run("systemctl", "reload", "cradle").returncode == 0


def replace_program(machine):
    """As an installation does: another file of the same name."""
    program = "/usr/local/sbin/cradled"
    assert machine.run("sh", "-ec", f"cp {program} {program}.new; mv {program}.new {program}").returncode == 0


def hand_over(machine):
    replace_program(machine)
    done = machine.run("systemctl", "reload", "cradle")
    assert done.returncode == 0, done.stderr + machine.journal()[-4000:]


def test_a_reload_hands_over_to_a_program_that_was_installed(running):
    before = running.show("MainPID", "NRestarts")
    assert running.run("systemctl", "reload", "cradle").returncode == 0
    assert running.show("MainPID")["MainPID"] == before["MainPID"], "nothing is new"
    for _ in range(2):
        hand_over(running)
        after = running.show("MainPID", "NRestarts", "ActiveState")
        assert after["MainPID"] not in ("0", before["MainPID"]), running.journal()[-3000:]
        assert (after["NRestarts"], after["ActiveState"]) == (before["NRestarts"], "active")
        status = running.run("cradlectl", "status").stdout
        assert "privileges: user cradle, capabilities net_admin, net_raw" in status, status
        assert "seccomp enforce, memory locked" in status and "keys are sealed under" in status, status
        assert device(running).returncode == 0
        wait_for(lambda old=before["MainPID"]: running.run("test", "-e", f"/proc/{old}").returncode, "the old process to end")
        before = after


def test_one_that_took_over_is_started_again_after_a_crash(running):
    """systemd supervises it, although it did not start it; and so it does the watchdog's."""
    hand_over(running)
    for signal in ("KILL", "STOP"):
        before = running.show("MainPID", "NRestarts")
        running.run("kill", f"-{signal}", before["MainPID"])
        after = started_again(running, before)
        assert int(after["NRestarts"]) == int(before["NRestarts"]) + 1
        hand_over(running)
        assert device(running).returncode == 0


def started_again(machine, before):
    def again():
        now = machine.show("MainPID", "ActiveState")
        return now["ActiveState"] == "active" and now["MainPID"] not in ("0", before["MainPID"])
    wait_for(again, "the appliance to run again: " + machine.journal()[-2000:], 120)
    return machine.show("MainPID", "NRestarts", "RestartUSec")


def test_after_a_crash_it_is_started_again_within_a_second(running):
    before = running.show("MainPID", "NRestarts")
    running.run("kill", "-KILL", before["MainPID"])
    after = started_again(running, before)
    assert int(after["NRestarts"]) == int(before["NRestarts"]) + 1
    assert after["RestartUSec"] in ("100ms", "200ms", "500ms"), after
    assert device(running).returncode == 0, "its devices and their keys are there"


def put_setting(machine, before, after):
    settings = machine.run("cat", "/etc/cradle/cradle.conf").stdout
    assert before in settings
    machine.run("tee", "/etc/cradle/cradle.conf", input=settings.replace(before, after))
    assert machine.run("systemctl", "restart", "cradle").returncode == 0, machine.journal()[-3000:]


def stored(machine):
    return machine.show("NFileDescriptorStore")["NFileDescriptorStore"]


def test_associations_outlive_crashes_in_memory_that_systemd_keeps(running):
    off, on = "# keep_associations = false", "keep_associations = true"
    put_setting(running, off, on)
    assert running.run("cradlectl", "device", "import", "/etc/cradle/devices.csv").returncode == 0
    waiting = subprocess.Popen(
        running.on_network_command(f"{running.build}/tests/functional/lwm2m_client_openssl", "-w", "-t", 300, "-i", "demo-0001",
                                   "-k", "demo-key-0001-demo", "198.18.0.1", "5684", "ep=demo-0001"),
        stdout=subprocess.PIPE, text=True)
    try:
        while '"waits"' not in (line := waiting.stdout.readline()):
            assert line, running.journal()[-3000:]
        for way in ("crash", "upgrade and crash"):
            assert stored(running) == "1"
            if way != "crash":
                hand_over(running)
                wait_for(lambda: stored(running) == "1", "what the next process keeps to be stored")
            before = running.show("MainPID", "NRestarts")
            running.run("kill", "-KILL", before["MainPID"])
            started_again(running, before)
            assert "1 association outlived a crash; dropped: 0 damaged" in running.journal()[-6000:]
        waiting.send_signal(signal.SIGUSR1)
        assert waiting.wait(120) == 0, running.journal()[-3000:]
        counted = running.run("cradlectl", "stats").stdout
        assert "dtls_restored" in counted and "dtls_started" not in counted, "no handshake was needed"
    finally:
        waiting.kill()
        waiting.wait()
    assert running.run("systemctl", "stop", "cradle").returncode == 0
    assert stored(running) == "0"
    put_setting(running, on, off)
    assert stored(running) == "0"


def test_one_that_stands_still_is_started_again(running):
    before = running.show("MainPID", "NRestarts")
    running.run("kill", "-STOP", before["MainPID"])
    after = started_again(running, before)
    assert int(after["NRestarts"]) == int(before["NRestarts"]) + 1
    assert "watchdog" in running.journal().lower()


def test_it_stops_when_told_to(running):
    assert running.run("systemctl", "stop", "cradle").returncode == 0
    after = running.show("ActiveState", "Result", "ExecMainCode", "ExecMainStatus")
    assert after == {"ActiveState": "inactive", "Result": "success", "ExecMainCode": "1", "ExecMainStatus": "0"}


def test_the_store_of_one_that_ran_as_root_is_taken_over(running):
    """An upgrade: the version before was root's, and so are its files."""
    running.run("systemctl", "stop", "cradle")
    running.run("chown", "-R", "root:root", "/var/lib/cradle")
    assert running.run("systemctl", "start", "cradle").returncode == 0, running.journal()
    assert device(running).returncode == 0
