"""Three members behind a router and their database: what dies under load costs no device, and no edit that was acknowledged."""
import contextlib
import json
import os
import pathlib
import re
import subprocess
import threading
import time

import pytest

from conftest import SERVER4, wait_for
from dtls_client import DtlsClient
from postgres import Postgres
from routed_fleet import MEMBERS, RoutedFleet
from test_cluster import KEY, Fleet, add, bootstraps, good, has, level, refused, reports_of, state

DEVICES = 1000


@pytest.fixture(scope="module")
def three(build, tmp_path_factory):
    """Members 1 to 3 with devices, and routes that follow who answers."""
    database = Postgres().make().start()
    database.sql("CREATE DATABASE three")
    fleet = RoutedFleet(build, tmp_path_factory, database, "three")
    try:
        members = [fleet.member(number) for number in range(1, MEMBERS + 1)]
        good(members[0].ctl("cluster", "init"))
        for one in members[1:]:
            good(one.ctl("cluster", "join"))
        rows = tmp_path_factory.mktemp("rows") / "rows.csv"
        rows.write_text("endpoint,key,groups,value.managementId,secret.password\n" + "".join(
            f"dev-{n:07},key-{n:07},root.demo,m-{n},p\n" for n in range(1, DEVICES + 1)))
        good(members[0].ctl("device", "import", rows))
        level(fleet, *members)
        fleet.routes.start()
        fleet.routes.wait(1, 2, 3)
        yield fleet
    finally:
        fleet.end()
        database.close()


class Storm:
    """Devices that bootstrap meanwhile; who hears nothing for a second begins anew, as its maker's retry does."""

    def __init__(self, fleet, rate, seconds):
        self.process = subprocess.Popen(
            fleet.storm_command("--psk", "--devices", str(DEVICES), "--rate", str(rate), "--duration", str(seconds),
                                "--give-up", "1", "--retries", "100"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def report(self):
        out, err = self.process.communicate(timeout=240)
        assert self.process.returncode in (0, 4), err + out  # 4: a busy machine; what counts is who finished
        return json.loads(out)


class Edits(threading.Thread):
    """Devices that an operator adds meanwhile, on whichever member answers."""

    def __init__(self, fleet, word):
        super().__init__(daemon=True)
        self.fleet, self.word, self.acknowledged, self.ending = fleet, word, [], threading.Event()

    def run(self):
        n = 0
        while not self.ending.wait(0.05):
            n += 1
            one = self.fleet.members[n % MEMBERS + 1][-1]
            name = f"urn:{self.word}:{n}"
            if one.process.poll() is None and one.ctl("device", "add", name, "--key", KEY).returncode == 0:
                self.acknowledged.append(name)

    def stop(self):
        self.ending.set()
        self.join()
        return self.acknowledged


def finished(member):
    return member.counters()["bs_finished"]


def reported(fleet, number):
    return int(fleet.database.sql(f"SELECT count(*) FROM cradle_report WHERE member = {number} AND status = 2", fleet.name))


def member_dies(fleet, number, before):
    one = fleet.members[number][-1]
    wait_for(lambda: finished(one) > before[number], f"member {number} to serve somebody", 60)
    one.process.kill()
    one.process.wait()
    fleet.routes.wait(*({1, 2, 3} - {number}))


def database_dies(fleet, _, before):
    for number, some in fleet.members.items():
        wait_for(lambda: finished(some[-1]) > before[number], f"member {number} to serve somebody", 60)
    fleet.database.kill()
    wait_for(lambda: all(state(some[-1])["state"] == "database away" for some in fleet.members.values()), "it to be missed")
    fleet.database.start()


@pytest.mark.parametrize("die, number", [(member_dies, 1), (member_dies, 2), (member_dies, 3), (database_dies, 0)],
                         ids=["member_1", "member_2", "member_3", "the_database"])
def test_killed_under_load_every_device_finishes(three, die, number):
    """By kill -9, while devices bootstrap and an operator adds some. Reports of all who live on are complete, too."""
    alive = {n: some[-1] for n, some in three.members.items() if n != number}
    for n, one in alive.items():
        wait_for(lambda: state(one)["reports_waiting"] == 0, "reports of before", 60)
    before = {n: finished(some[-1]) for n, some in three.members.items()}
    reports_before = {n: reported(three, n) for n in alive}
    storm, edits = Storm(three, 100, 2), Edits(three, f"during-{number}")
    edits.start()
    die(three, number, before)
    report, acknowledged = storm.report(), edits.stop()
    assert report["failed"] == 0 and report["done"] == report["planned"] == 200, report["outcomes"]
    if number:
        three.members[number][-1].start()
        three.routes.wait(1, 2, 3)
    members = [some[-1] for some in three.members.values()]
    level(three, *members)
    for name in acknowledged:
        assert all(has(one, name) for one in members), name
    for n, one in alive.items():
        wait_for(lambda: reported(three, n) - reports_before[n] == finished(one) - before[n], f"all reports of member {n}", 60)


# ---- the database fails over ----

@pytest.fixture
def databases():
    """One that takes writes, and its standby, without which it commits nothing."""
    primary = Postgres().make().start()
    standby = None
    try:
        primary.sql("CREATE DATABASE over")
        standby = primary.standby().start()
        primary.sql("ALTER SYSTEM SET synchronous_standby_names = '*'")
        primary.sql("SELECT pg_reload_conf()")
        wait_for(lambda: primary.sql("SELECT sync_state FROM pg_stat_replication") == "sync", "the standby to follow")
        yield primary, standby
    finally:
        for one in (standby, primary):
            if one:
                one.close()


def test_what_was_acknowledged_is_there_when_the_standby_takes_over(build, tmp_path_factory, databases):
    """kill -9 of the database that takes writes; both stand in `database`, and the one that takes writes is found."""
    primary, standby = databases
    fleet = Fleet(build, tmp_path_factory, primary, "over")
    primary.url = lambda name: f"postgresql://postgres@/{name}?host={primary.folder},{standby.folder}"
    try:
        a, b = fleet.member(1), fleet.member(2)
        good(a.ctl("cluster", "init"))
        good(b.ctl("cluster", "join"))
        add(a, "urn:dev:before")
        level(fleet, a, b)
        resyncs = state(a)["resyncs"]
        primary.kill()
        refused(a.ctl("device", "add", "urn:dev:meanwhile", "--key", KEY), "cannot be reached", "cluster status")
        bootstraps(b, "urn:dev:before")
        standby.sql("SELECT pg_promote()")
        fleet.database = standby
        level(fleet, a, b)
        add(a, "urn:dev:after")
        level(fleet, a, b)
        bootstraps(b, "urn:dev:after")
        wait_for(lambda: reports_of(a, "urn:dev:before") == ["Success"], "the report of between on the other member")
        assert has(b, "urn:dev:before") and not has(b, "urn:dev:meanwhile")
        assert state(a)["resyncs"] == resyncs  # nothing was lost, so nothing is fetched anew
    finally:
        fleet.end()


def test_a_database_that_went_another_way_is_fetched_whole(clocks_apart):
    """A standby that was behind took over, and has come as far since: the same number, but not the same change."""
    fleet, a, b = clocks_apart
    add(a, "urn:dev:both")
    level(fleet, a, b)
    resyncs = state(a)["resyncs"]
    good(a.ctl("device", "edit", "urn:dev:both", "--domain", "lost"))
    level(fleet, a, b)
    # In its place there is another member's change; who was connected to the former database comes back to this one.
    fleet.database.sql("BEGIN;"
                       "UPDATE cradle_device SET device_domain = 'kept', txn = 99 WHERE endpoint = 'urn:dev:both';"
                       "UPDATE cradle_change SET txn = 99, member = 3 WHERE rev = (SELECT rev FROM cradle_rev);"
                       "COMMIT;", fleet.name)
    fleet.database.kill()
    fleet.database.start()
    for one in (a, b):
        wait_for(lambda: one.result("device", "show", "urn:dev:both")["domain"] == "kept", "what the database has")
        assert state(one)["resyncs"] == resyncs + 1


@contextlib.contextmanager
def lost_while_it_commits(fleet, one, *command):
    """The connection is lost while the database commits: the change may be there, and this time it is."""
    fleet.database.sql("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    fleet.database.sql("SELECT pg_reload_conf()")
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query = 'COMMIT'"
    changing = subprocess.Popen([f"{one.build}/tools/cradlectl", "-s", one.socket, *command], stderr=subprocess.PIPE, text=True)
    wait_for(lambda: fleet.database.sql(waiting) == "1", "the commit to wait for a standby")
    fleet.database.kill()
    _, error = changing.communicate(timeout=60)
    yield changing.returncode, error
    (fleet.database.data / "postgresql.auto.conf").write_text("")
    fleet.database.start()


def test_an_edit_whose_end_nobody_heard_of_is_not_said_to_be_refused(clocks_apart):
    fleet, a, b = clocks_apart
    with lost_while_it_commits(fleet, a, "device", "add", "urn:dev:doubt", "--key", KEY) as (code, error):
        assert code == 1 and "may be there" in error and "cluster status" in error, error
    level(fleet, a, b)
    assert has(a, "urn:dev:doubt") and has(b, "urn:dev:doubt")


def test_a_policy_whose_end_nobody_heard_of_is_not_said_to_be_refused(clocks_apart):
    fleet, a, b = clocks_apart
    level(fleet, a, b)

    def comments():
        return [one.result("task", "list", "--group", "root.demo")["tasks"][0]["comment"] for one in (a, b)]
    task = a.result("task", "list", "--group", "root.demo")["tasks"][0]["id"]
    with lost_while_it_commits(fleet, a, "task", "edit", task, "--comment", "in doubt") as (code, error):
        assert code == 1 and "may be there" in error and "cluster status" in error, error
    wait_for(lambda: comments() == ["in doubt"] * 2, "what the database has on both")


def test_who_has_no_log_of_a_run_says_which_member_has_it(clocks_apart):
    fleet, a, b = clocks_apart
    add(a, "urn:dev:logged")
    level(fleet, a, b)
    task = a.result("task", "list", "--group", "root.demo")["tasks"][0]["id"]
    bootstraps(b, "urn:dev:logged")
    wait_for(lambda: reports_of(a, "urn:dev:logged"), "the report on the other member")
    assert "no log here: member 2 (" in good(a.ctl("report", "show", task, "urn:dev:logged"))
    assert a.result("report", "show", task, "urn:dev:logged")["member"] == 2
    assert "member" not in b.result("report", "show", task, "urn:dev:logged")
    fleet.database.kill()
    assert "is not known" in good(a.ctl("report", "show", task, "urn:dev:logged"))
    fleet.database.start()
    level(fleet, a, b)


# ---- clocks ----

@pytest.fixture(scope="module")
def clocks_apart(build, tmp_path_factory):
    """Two members, the clock of the second 5 s ahead of the first's and the database's."""
    database = Postgres().make().start()
    database.sql("CREATE DATABASE clocks")
    fleet = Fleet(build, tmp_path_factory, database, "clocks")
    try:
        ahead = {"LD_PRELOAD": str(pathlib.Path(build, "tests/functional/libclock_offset.so").resolve()),
                 "CRADLE_CLOCK_OFFSET_S": "5",
                 # A sanitizer wants to be the first library, where there is one.
                 "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}
        a, b = fleet.member(1), fleet.member(2, env=ahead)
        good(a.ctl("cluster", "init"))
        good(b.ctl("cluster", "join"))
        yield fleet, a, b
    finally:
        fleet.end()
        database.close()


def test_clocks_that_are_5_s_apart_do_no_harm(clocks_apart):
    fleet, a, b = clocks_apart
    add(a, "urn:dev:clocks")
    level(fleet, a, b)
    begun_ms = time.time() * 1000
    # Alternately, and the other one knows the newer each time, although it began "before" the former.
    for n, (one, other) in enumerate(((b, a), (a, b), (b, a), (a, b)), 1):
        bootstraps(one, "urn:dev:clocks")
        wait_for(lambda: len(reports_of(other, "urn:dev:clocks")) == n, "the report on the other member")
        if one is b:
            assert other.result("device", "show", "urn:dev:clocks")["last_bootstrap_ms"] >= begun_ms + 5000

    def client(member, port):
        return DtlsClient(member.network.udp(port=port), (SERVER4, 5684), b"urn:dev:clocks", KEY.encode())
    for port, (one, other) in enumerate(((a, b), (b, a)), 40100):
        first, second = client(one, port), client(other, port)
        first.get_cookie()
        wrong = other.counters()["dtls_hello_cookie"]
        second.random, second.cookie, second.messages, second.server_seq = first.random, first.cookie, {}, 1
        second.hello()
        assert other.counters()["dtls_hello_cookie"] == wrong


def test_a_clock_that_is_too_far_off_is_told(clocks_apart):
    fleet, a, b = clocks_apart
    assert "its clock" not in good(a.ctl("cluster", "status"))
    assert b.stop() == 0
    b.env["CRADLE_CLOCK_OFFSET_S"] = "40"
    b.start()
    told = r"2 +.* its clock is [34]\d s ahead of the database's"
    wait_for(lambda: re.search(told, good(a.ctl("cluster", "status"))), "the clock to be told of")
