"""A member of a cluster is replaced while it serves: the next process follows and reports on, and nothing is lost or told
twice between the members."""
import json
import os
import signal
import subprocess

import pytest

from conftest import SERVER4, wait_for
from test_change import new_version, rollout
from test_cluster import (Fleet, KEY, add, bootstraps, database, good, has, level, refused, reports_of,  # noqa: F401
                          state, succeeded)
from test_cluster_policy import TASK, one_policy
from test_upgrade import BUSY, upgrade

DEVICES = 300


@pytest.fixture(scope="module")
def couple(build, tmp_path_factory, database):  # noqa: F811
    one = Fleet(build, tmp_path_factory, database, "upgraded")
    database.sql("CREATE DATABASE upgraded")
    one.a, one.b = one.member(21), one.member(22)
    good(one.a.ctl("cluster", "init"))
    good(one.b.ctl("cluster", "join"))
    yield one
    one.end()


@pytest.fixture
def pair(couple):
    yield couple, couple.a, couple.b
    if couple.database.process.poll() is not None:
        couple.database.start()
    level(couple, couple.a, couple.b)


def rows(fleet, endpoint):
    """How often the members told each other of a run of the device, claims left out."""
    return int(fleet.database.sql("SELECT count(*) FROM cradle_report WHERE task_name <> '' AND"
                                  f" encode(endpoint, 'escape') = '{endpoint}'", fleet.name))


def signal_all(one, number):
    """The server and all its processes: connections stay, and nobody answers in them."""
    children = subprocess.run(["pgrep", "-P", str(one.process.pid)], capture_output=True, text=True).stdout.split()
    for pid in [one.process.pid, *map(int, children)]:
        os.kill(pid, number)


def test_another_member_of_it_is_refused_and_this_one_goes_on(pair):
    fleet, a, b = pair
    conf = a.folder / "other.conf"
    for old, new in (("member = 21", "member = 29"), ('name = "upgraded"', 'name = "another"')):
        conf.write_text(a.read("cradle.conf").replace(old, new))
        refused(a.ctl("upgrade", "--with", conf), "this process goes on", "`cluster` has another")
    # It follows, and sends.
    add(b, "urn:dev:refused")
    level(fleet, a, b)
    bootstraps(a, "urn:dev:refused")
    wait_for(lambda: reports_of(b, "urn:dev:refused") == ["Success"], "the report on the other member")
    add(a, "urn:dev:refused-edit")
    level(fleet, a, b)


def test_one_that_ends_after_it_loaded_is_given_up_and_this_one_follows_again(pair):
    """All but the switch itself: the store was left."""
    fleet, a, b = pair
    conf = a.folder / "elsewhere.conf"
    # Its audit file is opened once the store is the next process's.
    conf.write_text('audit = "/proc/no-such-folder/audit";\n' + a.read("cradle.conf"))
    refused(a.ctl("upgrade", "--with", conf), "this process goes on", "/proc/no-such-folder")
    add(b, "urn:dev:given-up")
    level(fleet, a, b)
    bootstraps(a, "urn:dev:given-up")
    wait_for(lambda: reports_of(b, "urn:dev:given-up") == ["Success"], "the report on the other member")
    assert rows(fleet, "urn:dev:given-up") == 1


def test_nothing_is_lost_or_doubled_while_a_member_is_replaced_under_load(pair, tmp_path):
    fleet, a, b = pair
    many = tmp_path / "many.csv"
    many.write_text("endpoint,key,groups,value.managementId,secret.password\n" + "".join(
        f"dev-{n:07},key-{n:07},root.demo,m-{n},p-{n}\n" for n in range(1, DEVICES + 1)))
    good(a.ctl("device", "import", many))
    level(fleet, a, b)
    before = succeeded(b)
    storm = subprocess.Popen(a.network.command(
        f"{a.build}/tools/storm/cradlestorm", "--port", "net_af_packet0,iface=dev0", "--server", SERVER4, "--source",
        "198.18.0.10+50", "--devices", DEVICES, "--bootstraps", DEVICES, "--concurrency", 40, "--rtt", "150:50",
        "--json", "-", "--psk", "--cid"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: sum(worker["running"] for worker in a.result("status")["workers"]) > BUSY,
             "devices in the middle of their runs", 60)
    editing = subprocess.Popen(["sh", "-c", "for i in 1 2 3 4 5 6 7 8; do "
                                f"{b.build}/tools/cradlectl -s {b.socket} device add urn:dev:meanwhile-$i --key {KEY} || exit; done"])
    said = upgrade(a)
    assert said["lost"] == {}, said
    out, error = storm.communicate(timeout=300)
    assert editing.wait(60) == 0
    report = json.loads(out)
    assert report["failed"] == 0 and report["done"] == report["offered"], report["outcomes"]
    level(fleet, a, b)
    assert all(has(a, f"urn:dev:meanwhile-{i}") for i in range(1, 9))
    wait_for(lambda: state(a)["reports_waiting"] == 0 and succeeded(a) - before == report["done"], "its own reports")
    wait_for(lambda: succeeded(b) - before == report["done"], "all reports on the other member")
    told = fleet.database.sql("SELECT count(*) FROM cradle_report WHERE task_name <> '' AND member = 21 AND"
                              " encode(endpoint, 'escape') LIKE 'dev-%'", fleet.name)
    assert int(told) == report["done"]
    # Both ways, afterwards.
    good(a.ctl("device", "edit", "urn:dev:meanwhile-1", "--domain", "north"))
    wait_for(lambda: b.result("device", "show", "urn:dev:meanwhile-1")["domain"] == "north", "the edit on the other")
    add(b, "urn:dev:after")
    level(fleet, a, b)
    bootstraps(a, "urn:dev:after")
    wait_for(lambda: reports_of(b, "urn:dev:after") == ["Success"], "the report on the other member")


@pytest.mark.parametrize("silent", [False, True], ids=["gone", "silent"])
def test_reports_pass_while_the_database_is_away(pair, silent):
    """Whether it refuses connections, or does not answer in those that there are."""
    fleet, a, b = pair
    endpoint = f"urn:dev:away-{silent}".lower()
    add(a, endpoint)
    level(fleet, a, b)
    if silent:
        signal_all(fleet.database, signal.SIGSTOP)
    else:
        fleet.database.kill()
        wait_for(lambda: state(a)["state"] == "database away", "the database to be missed")
    bootstraps(a, endpoint)
    wait_for(lambda: state(a)["reports_waiting"] == 1, "the report to wait")
    assert upgrade(a)["lost"] == {}
    if silent:
        signal_all(fleet.database, signal.SIGCONT)
    else:
        assert state(a)["reports_waiting"] == 1
        refused(a.ctl("device", "add", "urn:dev:not-now"), "database cannot be reached")
        fleet.database.start()
    wait_for(lambda: reports_of(b, endpoint) == ["Success"], "the report on the other member", 60)
    level(fleet, a, b, timeout=60)
    assert rows(fleet, endpoint) == 1
    assert state(a)["reports_waiting"] == 0 and state(a)["reports_lost"] == 0


def test_a_halt_without_the_database_goes_up_from_the_next_process(pair):
    fleet, a, b = pair
    good(b.ctl("task", "rollout", "start", TASK, "--xml", new_version(b, 83), "--percent", 50))
    one_policy(a, b)
    fleet.database.kill()
    wait_for(lambda: state(a)["state"] == "database away", "the database to be missed")
    good(a.ctl("task", "rollout", "halt", TASK, "--message", "it harms"))
    upgrade(a)
    assert rollout(a)["halted"] == "it harms"
    fleet.database.start()
    wait_for(lambda: rollout(b)["halted"] == "it harms", "the halt on the other", 60)
    one_policy(a, b)
    good(a.ctl("task", "rollout", "abort", TASK))
    one_policy(a, b)
