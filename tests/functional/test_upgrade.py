"""The program is replaced while devices bootstrap: they finish on the next process, which takes over what the first one
knew; and whatever goes wrong before leaves the first one serving."""
import json
import os
import shutil
import signal
import subprocess
import sys

import pytest

import coap
import devices_view
from conftest import SERVER4, wait_for
from dtls_client import APPLICATION, CID_RECORD, Alert, DtlsClient
from scripted import METHODS, SUCCESS, Scripted
from test_privileges import NET, NOBODY, add, capabilities, own_by, threads
from test_storm import key_rows

IDENTITY, KEY = b"demo-0001", b"demo-key-0001-demo"
PATHS = [("PUT", "/0/2"), ("PUT", "/1/0"), ("POST", "/bs")]


class Successor:
    """The process of the last upgrade, as the appliance of the test from here on: it is no child of ours."""

    def __init__(self, pid):
        self.pid = pid

    def poll(self):
        """Over is who has no thread left but the first one, ended: what is open is closed with the last of them."""
        try:
            state = open(f"/proc/{self.pid}/stat").read().rsplit(")", 1)[1].split()[0]
            tasks = os.listdir(f"/proc/{self.pid}/task")
        except (FileNotFoundError, ProcessLookupError):
            return 0
        return 0 if state == "Z" and len(tasks) == 1 else None

    def send_signal(self, number):
        os.kill(self.pid, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout=None):
        wait_for(lambda: self.poll() is not None, "the process to end", timeout or 20)
        return 0


def upgrade(daemon, *options, command="upgrade"):
    """Upgrades; returns what was said. The former process must have ended well."""
    former = daemon.process
    said = daemon.result(command, *options)
    said = said.get("upgrade", said)
    daemon.process = Successor(said["pid"])
    assert former.wait(20) == 0, daemon.log()
    return said


def test_a_process_whose_first_thread_has_ended_is_not_over_yet():
    child = subprocess.Popen([sys.executable, "-c", "import ctypes, os, sys, threading\n"
                              "threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0))).start()\n"
                              "ctypes.CDLL(None).pthread_exit(None)"], stdin=subprocess.PIPE)
    one = Successor(child.pid)
    try:
        wait_for(lambda: ") Z " in open(f"/proc/{child.pid}/stat").read(), "the first thread to end")
        assert one.poll() is None
        child.stdin.close()
        one.wait()
    finally:
        child.kill()
        child.wait()


def report_of(daemon, endpoint):
    reports = daemon.result("report", "list", "--device", endpoint)["reports"]
    return reports[-1] if reports else {}


def is_reported(daemon, endpoint, status="Success"):
    wait_for(lambda: report_of(daemon, endpoint).get("status") == status, f"the report of {endpoint}")


def test_a_device_in_the_middle_of_its_run_finishes_on_the_next_process(cradled):
    one = cradled()
    device = Scripted(one.network, "ep=demo-0001")
    step = device.begin()
    said = upgrade(one)
    assert said["running"] == 1 and said["lost"] == {}
    seen, _ = device.run(step)
    assert seen == PATHS
    is_reported(one, "demo-0001")
    assert one.result("session", "list")["sessions"] == []


def test_a_copy_of_a_request_from_before_starts_no_second_run(cradled):
    one = cradled()
    device = Scripted(one.network, "ep=demo-0001")
    seen, _ = device.run(device.begin())
    assert seen == PATHS
    upgrade(one)
    device.send(device.request)
    answer = device.receive()
    assert (answer.kind, answer.text) == (coap.ACK, "2.04")
    assert device.quiet()


def sequences(client):
    """The record numbers of the server's epoch 1, in the order they came."""
    return [record[2] for record in client.seen if record[1] == 1 and record[0] in (APPLICATION, CID_RECORD)]


@pytest.mark.parametrize("cid", [None, b"", b"client"])
def test_an_association_goes_on_and_no_record_number_is_used_twice(cradled, cid):
    one = cradled()
    client = DtlsClient(one.network.udp(), (SERVER4, 5684), IDENTITY, KEY, cid=cid).handshake()
    client.put(coap.request(queries=["ep=demo-0001"]))
    assert coap.Message(client.get()).text == "2.04"
    step, seen = coap.Message(client.get()), []
    while True:
        seen.append((METHODS[step.code], step.path))
        said = upgrade(one)
        assert said["associations"] == 1 and said["lost"] == {}
        client.put(step.answer(SUCCESS[step.code]))
        if step.path == "/bs":
            break
        step = coap.after(step, lambda: coap.Message(client.get()))
    assert seen == PATHS
    is_reported(one, "demo-0001")
    numbers = sequences(client)
    assert len(numbers) >= 4 and len(set(numbers)) == len(numbers), numbers


def test_a_handshake_in_progress_goes_on(cradled):
    one = cradled()
    client = DtlsClient(one.network.udp(), (SERVER4, 5684), IDENTITY, KEY)
    client.get_cookie()
    upgrade(one)
    client.hello()  # with a cookie of the first one
    said = upgrade(one)
    assert said["handshakes"] == 1
    for datagram in client.key_exchange():
        client.send(datagram)
    client.finish()
    client.put(coap.request(queries=["ep=demo-0001"]))
    assert coap.Message(client.get()).text == "2.04"


def test_devices_wait_for_less_than_a_second_and_the_socket_stays(cradled):
    one = cradled()
    before = one.result("status")
    said = upgrade(one)
    assert said["pause_ms"] > 0
    assert one.result("status")["devices"] == before["devices"]
    assert one.device("ep=demo-0001")[0] == 0
    assert one.stop() == 0
    assert not os.path.exists(one.socket)


# -- refused: the first process goes on


@pytest.fixture
def waiting(cradled):
    """An appliance with a device in the middle of its run."""
    one = cradled()
    device = Scripted(one.network, "ep=demo-0001")
    return one, device, device.begin()


def refuse(waiting, reason, *options):
    """An upgrade is refused with this reason; then nothing has changed, nor is anybody else there."""
    one, device, step = waiting
    answer = one.ctl("upgrade", *options)
    assert answer.returncode == 1, answer.stdout + answer.stderr
    assert "this process goes on" in answer.stderr and reason in answer.stderr, answer.stderr
    assert one.process.poll() is None
    status = one.result("status")
    assert status["store"]["healthy"]
    seen, _ = device.run(step)
    assert seen == PATHS
    is_reported(one, "demo-0001")
    assert one.ctl("device", "add", "another").returncode == 0
    assert one.device("ep=demo-0001")[0] == 0


def test_a_configuration_that_is_wrong_is_refused(waiting):
    one = waiting[0]
    one.edit("cradle.conf", r"^sessions = \d+", "sessions = -5")
    refuse(waiting, "sessions")


def test_a_policy_that_is_wrong_is_refused(waiting):
    one = waiting[0]
    one.write("policy/groups.conf", one.read("policy/groups.conf") + "\nrubbish rubbish")
    refuse(waiting, "groups.conf")


def test_another_store_is_refused(waiting):
    one = waiting[0]
    one.edit("cradle.conf", r'cradle\.db"', 'other.db"')
    refuse(waiting, "store")


def test_other_workers_are_refused(waiting):
    one = waiting[0]
    one.edit("cradle.conf", r"^workers = \d+", "workers = 2")
    refuse(waiting, "`workers` changes from 1 to 2")


def test_a_configuration_that_is_not_there_is_refused(waiting):
    refuse(waiting, "nowhere.conf", "--with", "/nowhere.conf")


@pytest.fixture
def copied(stage, build, tmp_path):
    """The same as `waiting`, on a copy of the program that the test may replace; and the copy's path."""
    program = tmp_path / "control" / "cradled"
    program.parent.mkdir()
    shutil.copy(f"{build}/control/cradled", program)
    (tmp_path / "tools").symlink_to(os.path.abspath(f"{build}/tools"))
    (tmp_path / "tests").symlink_to(os.path.abspath(f"{build}/tests"))
    stage.build, kept = str(tmp_path), stage.build
    try:
        one = stage.start()
        device = Scripted(one.network, "ep=demo-0001")
        yield (one, device, device.begin()), program
    finally:
        stage.clear()
        stage.build = kept


def replace(program, text=None):
    """As an installation does: another file of that name, with other words or the same."""
    new = program.with_suffix(".new")
    if text:
        new.write_text(text)
        new.chmod(0o755)
    else:
        shutil.copy(program, new)
    new.rename(program)


def test_a_program_that_is_not_there_is_refused(copied):
    waiting, program = copied
    program.unlink()
    refuse(waiting, "No such file")


def test_a_program_that_may_do_less_than_it_needs_is_refused(copied):
    """A shell that makes a process, which no list has."""
    waiting, program = copied
    replace(program, "#!/bin/sh\n(:)\n:\n")
    refuse(waiting, "needs a system call that this one's list does not have")


def test_a_relative_path_is_not_understood(cradled):
    answer = cradled().ctl("upgrade", "--with", "cradle.conf")
    assert answer.returncode == 2 and "whole path" in answer.stderr


def test_another_configuration_applies_what_needs_a_restart(cradled):
    one = cradled()
    device = Scripted(one.network, "ep=demo-0001")
    step = device.begin()
    other = one.folder / "other.conf"
    other.write_text(one.read("cradle.conf").replace("sessions = 1024", "sessions = 2048"))
    upgrade(one, "--with", other)
    assert one.result("status")["workers"][0]["capacity"] == 2048
    seen, _ = device.run(step)
    assert seen == PATHS


def test_a_report_that_ends_on_the_next_process_is_kept(cradled):
    one = cradled()
    device = Scripted(one.network, "ep=demo-0001")
    step = device.begin()

    task = one.result("task", "list")["tasks"][0]["id"]

    def status():
        """None: there is no report yet, as events are told a little later."""
        answer = one.ctl("--json", "report", "show", task, "demo-0001")
        told = json.loads(answer.stdout)
        return told.get("report", told)["status"] if answer.returncode == 0 else None
    wait_for(lambda: status() == "InProgress", "the run to be told")
    upgrade(one)
    assert status() == "InProgress"  # and not interrupted
    device.run(step)
    is_reported(one, "demo-0001")
    upgrade(one)
    assert one.stop() == 0
    one.start()
    assert report_of(one, "demo-0001")["status"] == "Success"


def test_the_audit_file_goes_on_and_names_who_upgraded(cradled):
    one = cradled()
    upgrade(one)
    lines = one.result("audit", "list")["lines"]
    assert lines[-1]["command"] == ["upgrade"] and lines[-1]["by"]["uid"] == os.geteuid()
    assert one.ctl("audit", "verify").returncode == 0


# -- many devices

DEVICES, BUSY, UPGRADES, TASK = 2000, 20, 3, "g:root.demo:1"


def devices_survive_upgrades(one, tmp_path, security):
    """Slow devices: at any time hundreds of them are in the middle of something, of plain writes, packs, or either in blocks.
    None fails, no report is lost, no run is not counted, and no record number is used twice."""
    storm = subprocess.Popen(one.network.command(
        f"{one.build}/tools/storm/cradlestorm", "--port", "net_af_packet0,iface=dev0", "--server", SERVER4, "--source",
        "198.18.0.10+50", "--devices", DEVICES, "--rtt", "150:50", "--rate", 250, "--duration", 8, "--json", "-",
        "--pack-share", 20, "--block", 32, "--block-share", 40, "--outcomes", tmp_path / "outcomes",
        *security), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    passed = []
    for _ in range(UPGRADES):
        wait_for(lambda: sum(worker["running"] for worker in one.result("status")["workers"]) > BUSY,
                 "devices in the middle of their runs", 60)
        said = upgrade(one)
        assert said["lost"] == {}
        passed.append(said["running"] + said["handshakes"])
    out, error = storm.communicate(timeout=300)
    report = json.loads(out)
    assert report["failed"] == 0 and report["done"] == report["offered"], (report["outcomes"], passed)
    # Nothing is lost or copied on the way, so a record number that came before was used twice by us.
    assert report["wire"]["replayed"] == report["wire"]["bad_tags"] == 0, report["wire"]
    assert max(passed) > BUSY, passed
    assert report["packs"] > 0 and report["blocks"] > 0
    rows = devices_view.read(tmp_path / "outcomes")
    wait_for(lambda: not devices_view.unreported(one.result, TASK, rows), "all reports")
    assert devices_view.runs_of(one.result, TASK) == devices_view.finished(rows) == report["done"]


@pytest.mark.parametrize("security", [[], ["--psk", "--cid"]], ids=["nosec", "psk"])
def test_no_device_fails_while_the_program_is_replaced_again_and_again(cradled, tmp_path, security):
    one = cradled(settings={r"^sessions = \d+": "sessions = 16384"},
                  prepare=lambda one: one.write("devices.csv", key_rows(DEVICES)))
    devices_survive_upgrades(one, tmp_path, security)


def test_unknown_identities_pass_with_all_their_bytes(cradled):
    one = cradled()
    with pytest.raises(Alert):
        DtlsClient(one.network.udp(), (SERVER4, 5684), b"no\0body", b"key").handshake()
    wait_for(lambda: one.result("unknown", "list")["unknown"], "the list of unknown devices")
    before = one.result("unknown", "list")["unknown"]
    upgrade(one)
    assert one.result("unknown", "list")["unknown"] == before


# -- what the next process may do is what this one could


def rights(daemon):
    """What the control thread has: capabilities, how many lists of calls, and which user."""
    pid = str(daemon.process.pid)
    status = next(status for _, status in threads(pid) if status["Pid"] == pid)
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
    return capabilities(status["CapPrm"]), status["Seccomp_filters"], status["Uid"]


def opens_its_port_again(one):
    one.network.run("ip", "link", "set", "cradle0", "down")
    wait_for(lambda: one.result("status")["ports"][0]["link"] == "down", "the port to be down", 60)
    one.network.run("ip", "link", "set", "cradle0", "up")
    wait_for(lambda: one.result("status")["ports"][0]["link"] == "up", "the port to be up", 60)


@pytest.mark.parametrize("user", [None, NOBODY], ids=["root", "user"])
def test_the_next_process_may_do_what_this_one_could(cradled, user):
    """However often: lists of calls are inherited, and no second one of the same is laid on top."""
    one = cradled(settings=add(f'user = "{user}";') if user else None, prepare=own_by(user) if user else None)
    before = rights(one)
    assert NET <= before[0]
    for _ in range(3):
        device = Scripted(one.network, "ep=demo-0001")
        step = device.begin()
        assert upgrade(one)["running"] == 1
        assert device.run(step)[0] == PATHS
        assert rights(one) == before
    opens_its_port_again(one)
    assert one.device("ep=demo-0001")[0] == 0


def test_a_user_that_it_cannot_become_is_refused(waiting):
    one = waiting[0]
    own_by(NOBODY)(one)
    one.edit("cradle.conf", r"^objects = ", f'user = "{NOBODY}";\nobjects = ')
    refuse(waiting, "only a start may change who the appliance is")


def test_a_list_of_calls_is_not_taken_away_by_an_upgrade(waiting):
    one = waiting[0]
    one.edit("cradle.conf", r"^objects = ", 'seccomp = "off";\nobjects = ')
    refuse(waiting, 'seccomp = "off": an upgrade cannot allow')


# -- a reload that upgrades where that is the way

NEEDED = "--restart-if-needed"


def test_a_reload_upgrades_where_another_program_was_installed(copied):
    (one, device, step), program = copied
    before = one.process.pid
    assert one.ctl("reload", NEEDED).returncode == 0
    assert one.process.poll() is None, "nothing is new"
    for _ in range(2):  # the next process knows which one it is
        replace(program)
        assert one.ctl("reload").returncode == 0 and one.process.poll() is None, "nobody asked for it"
        assert upgrade(one, NEEDED, command="reload")["pid"] == one.process.pid
    assert one.process.pid != before
    assert one.ctl("reload", NEEDED).returncode == 0
    assert one.process.poll() is None
    assert device.run(step)[0] == PATHS


def test_a_reload_that_cannot_upgrade_says_what_can_be_done(copied):
    (one, device, step), program = copied
    replace(program, "#!/bin/sh\nexit 3\n")
    answer = one.ctl("reload", NEEDED)
    assert answer.returncode == 1 and "nothing was reloaded: `cradlectl reload`" in answer.stderr, answer.stderr
    assert one.ctl("reload").returncode == 0
    assert device.run(step)[0] == PATHS


def test_a_reload_offers_an_upgrade_for_what_needs_a_restart(cradled):
    one = cradled()
    device = Scripted(one.network, "ep=demo-0001")
    step = device.begin()
    one.edit("cradle.conf", r"^sessions = \d+", "sessions = 2048")
    answer = one.ctl("reload")
    assert answer.returncode == 0
    assert "needs a restart: sessions: 1024 -> 2048" in answer.stdout and f"reload {NEEDED}" in answer.stdout
    upgrade(one, NEEDED, command="reload")
    assert one.result("status")["workers"][0]["capacity"] == 2048
    assert "needs a restart" not in one.ctl("reload").stdout
    assert device.run(step)[0] == PATHS


def test_a_reload_that_needs_more_than_an_upgrade_is_live_all_the_same(cradled):
    one = cradled()
    generation = one.result("status")["generation"]
    one.edit("cradle.conf", r"^workers = \d+", "workers = 2")
    answer = one.ctl("reload", NEEDED)
    assert answer.returncode == 1
    assert "`workers` changes from 1 to 2" in answer.stderr and "all else was reloaded" in answer.stderr, answer.stderr
    assert one.process.poll() is None
    assert one.result("status")["generation"] != generation
    assert one.device("ep=demo-0001")[0] == 0
