"""Several appliances on one inventory, over a real PostgreSQL."""
import contextlib
import os
import pathlib
import re
import secrets
import signal
import sqlite3
import subprocess
import time

import pytest

from conftest import Cradled, Network, ROOT, SERVER4, wait_for
from dtls_client import DtlsClient
from postgres import Postgres

KEY = "a-key-of-the-fleet"


class Session:
    """psql with a transaction that is left open."""

    def __init__(self, database, name):
        self.process = subprocess.Popen(
            database.command("psql", "-h", database.folder, "-qX", "-v", "ON_ERROR_STOP=1", name),
            stdin=subprocess.PIPE, text=True, cwd=database.folder)

    def __enter__(self):
        return self

    def say(self, text):
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def __exit__(self, *exception):
        self.process.stdin.close()
        assert self.process.wait(20) == 0


class Fleet:
    """Members, each in a namespace of its own, and what they have in common."""

    def __init__(self, build, folders, database, name="", poll_ms=50):
        self.build, self.folders, self.database, self.name, self.poll_ms = build, folders, database, name, poll_ms
        self.secret = folders.mktemp("secret") / "secret"
        self.secret.write_text(secrets.token_hex(32))
        self.secret.chmod(0o600)
        self.networks, self.members = {}, {}

    def network(self, number):
        if number not in self.networks:
            self.networks[number] = Network(f"cradle-fleet-{os.getpid()}-{number}")
        return self.networks[number]

    def member(self, number, extra="", settings=None, env=None):
        """Makes a member's files, and starts it."""
        one = Cradled(self.build, self.network(number), self.folders.mktemp(f"member{number}"), settings, env)
        (one.folder / "devices.csv").unlink(missing_ok=True)
        one.write("cradle.conf", one.read("cradle.conf") + f'''
cluster = {{ name = "{self.name}"; member = {number}; database = "{self.database.url(self.name)}"; secret = "{self.secret}";
  poll_ms = {self.poll_ms}; {extra} }};
''')
        self.members.setdefault(number, []).append(one)
        return one.start()

    def session(self):
        return Session(self.database, self.name)

    def close(self):
        for some in self.members.values():
            for one in some:
                if one.process and one.process.poll() is None:
                    assert one.stop() == 0, one.log()
                assert not re.search("Sanitizer|runtime error:", one.log()), one.log()
        self.members = {}

    def end(self):
        self.close()
        for network in self.networks.values():
            network.close()


@pytest.fixture(scope="module")
def database():
    one = Postgres().make().start()
    yield one
    one.close()


@pytest.fixture(scope="module")
def all_members(build, tmp_path_factory, database):
    one = Fleet(build, tmp_path_factory, database)
    yield one
    one.end()


@pytest.fixture
def fleet(all_members, request):
    """A database of the test's own on the shared server."""
    all_members.name = request.node.name.replace("[", "_").replace("]", "")[:60]
    all_members.database.sql(f'CREATE DATABASE "{all_members.name}"')
    yield all_members
    all_members.close()
    if all_members.database.process.poll() is not None:
        all_members.database.start()


def state(member):
    return member.result("cluster", "status")


def good(answer):
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


def refused(answer, *words):
    assert answer.returncode == 1, answer.stdout + answer.stderr
    for word in words:
        assert word in answer.stderr, answer.stderr
    return answer.stderr


def has(member, endpoint):
    return member.ctl("device", "show", endpoint).returncode == 0


def add(member, endpoint):
    """A device that the demonstration's task has something for."""
    good(member.ctl("device", "add", endpoint, "--key", KEY, "--groups", "root.demo"))
    good(member.ctl("device", "value", "set", endpoint, "managementId", "m-1"))
    good(member.ctl("device", "value", "set", endpoint, "password", "secret words"))


def bootstraps(member, endpoint, key=KEY):
    code, events = member.device("-i", endpoint, "-k", key, f"ep={endpoint}", port=5684)
    assert code == 0, events


def follows(member):
    status = state(member)
    return status["state"] == "following" and status["revision"] == status["head"]


def level(fleet, *members, timeout=20.0):
    """Waits until each has all that is in the database."""
    def all_have():
        newest = int(fleet.database.sql("SELECT rev FROM cradle_rev", fleet.name))
        return all(state(one)["state"] == "following" and state(one)["revision"] == newest for one in members)
    wait_for(all_have, "members to have everything", timeout)


def remove_all(fleet):
    """As one edit of another member."""
    txn = secrets.randbits(40)
    fleet.database.sql(f"BEGIN; UPDATE cradle_device SET dead = 1, ident = NULL, txn = {txn};"
                       "UPDATE cradle_rev SET rev = rev + 1; INSERT INTO cradle_change (rev, txn, member, devices)"
                       f" SELECT rev, {txn}, 3, 1 FROM cradle_rev; COMMIT;", fleet.name)


@pytest.fixture(scope="module")
def couple(build, tmp_path_factory, database):
    """Two members that tests share: they leave them running, with each other, and with no device of theirs."""
    one = Fleet(build, tmp_path_factory, database, "couple")
    database.sql("CREATE DATABASE couple")
    one.a, one.b = one.member(11), one.member(12)
    good(one.a.ctl("cluster", "init"))
    good(one.b.ctl("cluster", "join"))
    yield one
    one.end()


@pytest.fixture
def pair(couple):
    yield couple, couple.a, couple.b
    if couple.database.process.poll() is not None:
        couple.database.start()
    for one in (couple.a, couple.b):
        if one.process.poll() is not None:
            one.start()
    level(couple, couple.a, couple.b)
    for device in couple.a.result("device", "list", "--limit", "100")["devices"]:
        good(couple.a.ctl("device", "remove", device["endpoint"]))
    level(couple, couple.a, couple.b)


def test_a_device_added_on_one_member_bootstraps_on_the_other(pair):
    fleet, a, b = pair
    add(a, "urn:dev:shared")
    level(fleet, b)
    bootstraps(b, "urn:dev:shared")
    good(b.ctl("device", "edit", "urn:dev:shared", "--domain", "north"))
    wait_for(lambda: a.result("device", "show", "urn:dev:shared")["domain"] == "north", "the edit on the first")
    good(b.ctl("device", "remove", "urn:dev:shared"))
    wait_for(lambda: not has(a, "urn:dev:shared"), "the removal on the first")
    wait_for(lambda: [m["member"] for m in state(a)["members"] if m["there"]] == [11, 12], "both to be there")
    assert "following" in good(a.ctl("cluster", "status"))


def test_an_import_of_many_is_one_change_for_all(pair, tmp_path):
    fleet, a, b = pair
    rows = tmp_path / "many.csv"
    rows.write_text("endpoint,key,groups,value.managementId,secret.password\n" +
                    "".join(f"urn:dev:{i},{KEY}-{i},root.demo,m-{i},p-{i}\n" for i in range(3000)))
    before = state(b)["revision"]
    good(a.ctl("device", "import", rows))
    level(fleet, b)
    assert b.result("status")["devices"] == 3000
    assert state(b)["revision"] == before + 1
    bootstraps(b, "urn:dev:2999", KEY + "-2999")
    # Again: nothing has changed, so nothing is written.
    good(a.ctl("device", "import", rows))
    assert state(a)["head"] == before + 1
    remove_all(fleet)
    level(fleet, a, b)
    assert a.result("status")["devices"] == b.result("status")["devices"] == 0


def test_a_store_becomes_the_clusters_and_leaves_with_all_of_it(fleet, tmp_path):
    rows = tmp_path / "some.csv"
    rows.write_text("endpoint,key,groups\n" + "".join(f"urn:dev:{i},{KEY},root\n" for i in range(500)))
    a, b = fleet.member(1), fleet.member(2)
    good(a.ctl("device", "import", rows))
    refused(b.ctl("cluster", "join"), "no cluster", "cluster init")
    refused(a.ctl("cluster", "init"), "500 devices", "--from-store")
    good(a.ctl("cluster", "init", "--from-store"))
    refused(b.ctl("cluster", "init"), "already", "cluster join")
    good(b.ctl("device", "add", "urn:dev:only-here"))
    refused(b.ctl("cluster", "join"), "--replace")
    good(b.ctl("cluster", "join", "--replace"))
    assert b.result("status")["devices"] == 500 and not has(b, "urn:dev:only-here")
    good(b.ctl("cluster", "leave"))
    assert b.result("status")["devices"] == 500 and state(b)["state"] == "alone"
    good(b.ctl("device", "add", "urn:dev:own"))
    good(a.ctl("device", "remove", "urn:dev:1"))
    assert has(b, "urn:dev:1") and not has(a, "urn:dev:own")


def test_an_upload_that_was_cut_off_goes_on(fleet, tmp_path):
    a = fleet.member(1)
    rows = tmp_path / "some.csv"
    rows.write_text("endpoint,key\n" + "".join(f"urn:dev:{i},{KEY}\n" for i in range(30000)))
    good(a.ctl("device", "import", rows))
    process = subprocess.Popen([f"{a.build}/tools/cradlectl", "-s", a.socket, "cluster", "init", "--from-store"])
    wait_for(lambda: fleet.database.sql("SELECT count(*) FROM pg_tables WHERE tablename = 'cradle_meta'", fleet.name) == "1" and
             fleet.database.sql("SELECT count(*) FROM cradle_meta WHERE name = 'uploading'", fleet.name) == "1", "the upload")
    fleet.database.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{fleet.name}'")
    process.wait(60)
    if process.returncode != 0:
        good(a.ctl("cluster", "init", "--from-store"))
    assert fleet.database.sql("SELECT count(*) FROM cradle_device", fleet.name) == "30000"
    b = fleet.member(2)
    good(b.ctl("cluster", "join"))
    assert b.result("status")["devices"] == 30000


def test_members_must_have_the_same_secret_keys_and_another_number(fleet):
    a = fleet.member(1)
    good(a.ctl("cluster", "init"))
    b = fleet.member(2)
    other = b.folder / "other"
    other.write_text(secrets.token_hex(32))
    other.chmod(0o600)
    text = b.read("cradle.conf")
    for before, after, words in (
            (str(fleet.secret), str(other), ["cluster.secret"]),
            ("member = 2;", "member = 1;", ["member 1", "another number"]),
            (f'name = "{fleet.name}"', 'name = "elsewhere"', ["elsewhere", fleet.name])):
        assert b.stop() == 0
        b.write("cradle.conf", text.replace(before, after))
        b.start()
        refused(b.ctl("cluster", "join"), *words)
    kek = b.folder / "kek"
    assert os.system(f"{b.build}/control/cradled --make-kek {kek} > /dev/null") == 0
    assert b.stop() == 0
    b.write("cradle.conf", text + f'kek = "{kek}";\n')
    b.start()
    refused(b.ctl("cluster", "join"), "kek", "plain")


def test_rekey_says_that_the_database_keeps_its_key(fleet):
    a = fleet.member(1)
    assert a.stop() == 0
    kek = a.folder / "kek"
    assert os.system(f"{a.build}/control/cradled --make-kek {kek} > /dev/null") == 0
    a.write("cradle.conf", a.read("cradle.conf") + f'kek = "{kek}";\n')
    a.start()
    assert "former keys" not in good(a.ctl("store", "rekey"))
    good(a.ctl("cluster", "init"))
    assert "keep former keys in `kek`, on every member" in good(a.ctl("store", "rekey"))


def test_edits_wait_for_the_database_and_bootstraps_do_not(pair):
    fleet, a, b = pair
    add(a, "urn:dev:early")
    level(fleet, a, b)
    wait_for(lambda: [m["member"] for m in state(a)["members"] if m["there"]] == [11, 12], "both to be there")
    fleet.database.kill()
    wait_for(lambda: state(a)["state"] == "database away", "the database to be missed")
    said = a.result("status")["cluster"]
    assert said["state"] == "database away" and said["error"], said
    assert "database away: devices bootstrap on" in good(a.ctl("status"))
    # Of the others nobody can tell now; this one is there.
    assert re.search(r"^12 .* not known ", good(a.ctl("cluster", "status")), re.M)
    assert re.search(r"^11 .* yes ", good(a.ctl("cluster", "status")), re.M)
    own = next(m for m in state(a)["members"] if m["member"] == 11)
    assert own["revision"] == state(a)["revision"] and own["behind"] == 0, own # of itself it knows
    wait_for(lambda: not any(m["there"] for m in state(a)["members"] if m["member"] == 12), "the other to grow silent")
    refused(a.ctl("device", "add", "urn:dev:late", "--key", KEY), "database", "cluster status")
    refused(a.ctl("device", "remove", "urn:dev:early"), "database")
    bootstraps(a, "urn:dev:early")
    bootstraps(b, "urn:dev:early")
    # A member starts without the database, too.
    assert b.stop() == 0
    b.start()
    bootstraps(b, "urn:dev:early")
    fleet.database.start()
    level(fleet, a, b)
    add(a, "urn:dev:late")
    wait_for(lambda: has(b, "urn:dev:late"), "the later device")


def test_a_member_that_was_killed_has_all_that_was_acknowledged(pair):
    fleet, a, b = pair
    for i in range(5):
        add(a, f"urn:dev:{i}")
    a.process.kill()
    a.process.wait()
    wait_for(lambda: all(has(b, f"urn:dev:{i}") for i in range(5)), "all devices on the other member")
    good(b.ctl("device", "remove", "urn:dev:0"))
    add(b, "urn:dev:meanwhile")
    a.start()
    wait_for(lambda: follows(a) and has(a, "urn:dev:meanwhile"), "the killed member to catch up")
    assert not has(a, "urn:dev:0") and a.result("status")["devices"] == 5
    assert state(a)["resyncs"] == 0 # what changed is enough


def test_a_transaction_that_began_first_and_ends_last_is_seen(pair):
    """The sequence gap: a number taken early and committed late is never asked for again, where readers go by numbers."""
    fleet, a, b = pair
    add(a, "urn:dev:first")
    wait_for(lambda: has(b, "urn:dev:first"), "the device")
    # A transaction of another member's, as edits are written, which has done everything but its end.
    with fleet.session() as slow:
        slow.say("BEGIN; INSERT INTO cradle_device (endpoint, ident, key_is_hex, created_ms, nosec, dead, txn)"
                 " VALUES ('urn:dev:slow', 'urn:dev:slow', 0, 1, 0, 0, 77);")
        wait_for(lambda: fleet.database.sql("SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'"
                                            f" AND datname = '{fleet.name}'", fleet.name) == "1", "the slow one")
        add(a, "urn:dev:quick")
        wait_for(lambda: has(b, "urn:dev:quick"), "the later one, which does not wait")
        assert not has(b, "urn:dev:slow")
        slow.say("UPDATE cradle_rev SET rev = rev + 1; INSERT INTO cradle_change (rev, txn, member, devices)"
                 " SELECT rev, 77, 3, 1 FROM cradle_rev; COMMIT;")
    wait_for(lambda: has(a, "urn:dev:slow") and has(b, "urn:dev:slow"), "the slow one")


def test_what_waits_for_another_row_is_fetched_anew_where_what_came_behind_it_failed(pair):
    """A row whose identity another device still has waits for that one's; the revision is not passed before it is in."""
    fleet, a, b = pair
    for name, identity in (("one", "x"), ("other", "y")):
        good(a.ctl("device", "add", f"urn:dev:{name}", "--key", KEY, "--identity", identity))
    level(fleet, a, b)
    before = state(b)
    rows = a.folder / "rows.csv"
    rows.write_text("endpoint,key\n" + "".join(f"urn:dev:{i},{KEY}\n" for i in range(5000)))
    # The other stands still while the one gives its identity away and changes once more, behind a batch of others.
    with standing_still(fleet, b, "changes"):
        good(a.ctl("device", "edit", "urn:dev:one", "--identity", "z"))
        good(a.ctl("device", "edit", "urn:dev:other", "--identity", "x"))
        good(a.ctl("device", "import", rows))
        good(a.ctl("device", "edit", "urn:dev:one", "--domain", "north"))
        fleet.database.sql("UPDATE cradle_device SET device_groups = ',' WHERE endpoint = 'urn:dev:one'", fleet.name)
    wait_for(lambda: state(b)["fetched_anew"] >= before["fetched_anew"] + 2, "the damaged row to be met again")
    assert "urn:dev:one" in state(b)["error"]
    fleet.database.sql("UPDATE cradle_device SET device_groups = 'root' WHERE endpoint = 'urn:dev:one'", fleet.name)
    level(fleet, b, timeout=60)
    for one in (a, b):
        assert one.result("device", "show", "urn:dev:other")["identity"] == "x"
        assert one.result("device", "show", "urn:dev:one")["identity"] == "z"
    assert state(b)["resyncs"] == before["resyncs"]
    remove_all(fleet)


def test_a_member_beyond_the_horizon_fetches_everything(pair):
    fleet, a, b = pair
    for name in ("kept", "gone"):
        add(a, f"urn:dev:{name}")
    wait_for(lambda: has(b, "urn:dev:gone"), "both devices")
    assert b.stop() == 0
    good(a.ctl("device", "remove", "urn:dev:gone"))
    add(a, "urn:dev:new")
    # Time passes: all changes are old, and a member forgets them when it starts.
    fleet.database.sql("UPDATE cradle_change SET made_at = made_at - INTERVAL '8 days'", fleet.name)
    assert a.stop() == 0
    a.start()
    wait_for(lambda: fleet.database.sql("SELECT count(*) FROM cradle_change", fleet.name) == "0", "changes to be forgotten")
    assert int(fleet.database.sql("SELECT horizon FROM cradle_rev", fleet.name)) == state(a)["head"]
    assert fleet.database.sql("SELECT count(*) FROM cradle_device WHERE dead = 1", fleet.name) == "0"
    b.start()
    level(fleet, b)
    assert has(b, "urn:dev:kept") and has(b, "urn:dev:new") and not has(b, "urn:dev:gone")
    assert state(b)["resyncs"] == 1


def test_two_that_change_one_device_at_once_are_told(pair):
    """Neither overwrites what the other has not seen."""
    fleet, a, b = pair
    add(a, "urn:dev:both")
    wait_for(lambda: has(b, "urn:dev:both"), "the device")
    # Followers stand still where they tell that they are there; edits do not touch that table.
    with fleet.session() as psql:
        psql.say("BEGIN; LOCK TABLE cradle_member;")
        wait_for(lambda: fleet.database.sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                                            f" AND datname = '{fleet.name}'", fleet.name) == "2", "both to stand still")
        good(a.ctl("device", "edit", "urn:dev:both", "--domain", "of-a"))
        good(a.ctl("device", "edit", "urn:dev:both", "--domain", "of-a-again"))
        refused(b.ctl("device", "edit", "urn:dev:both", "--domain", "of-b"), "another member changed", "try again")
        refused(b.ctl("device", "remove", "urn:dev:both"), "another member changed")
        psql.say("COMMIT;")
    wait_for(lambda: b.result("device", "show", "urn:dev:both")["domain"] == "of-a-again", "the edit on the other")
    good(b.ctl("device", "edit", "urn:dev:both", "--domain", "of-b"))
    wait_for(lambda: a.result("device", "show", "urn:dev:both")["domain"] == "of-b", "the edit on the first")


@contextlib.contextmanager
def standing_still(fleet, member, purpose):
    """The database does nothing on one connection of a member, as if its answers stayed away."""
    number = state(member)["member"]
    asked = (f"SELECT pid FROM pg_stat_activity WHERE datname = '{fleet.name}' AND state = 'idle'"
             f" AND application_name LIKE 'cradle % {number} {purpose}'")
    # Stopped with nothing at hand: it holds no lock.
    wait_for(lambda: fleet.database.sql(asked, fleet.name), f"the connection for {purpose} to be idle")
    pid = 0

    def stopped():
        nonlocal pid
        pid = int(fleet.database.sql(asked, fleet.name) or 0)
        if not pid:
            return False
        os.kill(pid, signal.SIGSTOP)
        wait_for(lambda: pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T", "it to stop")
        locks = fleet.database.sql(f"SELECT count(*) FROM pg_locks WHERE pid = {pid}", fleet.name)
        if locks == "0":
            return True
        os.kill(pid, signal.SIGCONT)
        return False
    wait_for(stopped, f"the connection for {purpose} to stand still")
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def last_of(fleet, endpoint):
    """Member and status of the last report of a device's only task."""
    return fleet.database.sql("SELECT member || ' ' || status FROM cradle_last_report"
                              f" WHERE endpoint = '{endpoint}' AND task_name <> ''", fleet.name)


def reports_of(member, endpoint):
    return [r["status"] for r in member.result("report", "list")["reports"] if r["device"] == endpoint]


def succeeded(member):
    return sum(task["reports"]["success"] for task in member.result("task", "list")["tasks"])


def test_reports_are_the_same_on_all_members(pair):
    fleet, a, b = pair
    add(a, "urn:dev:reported")
    level(fleet, b)
    before = succeeded(a)
    bootstraps(b, "urn:dev:reported")
    wait_for(lambda: reports_of(a, "urn:dev:reported"), "the report on the other member")
    assert reports_of(a, "urn:dev:reported") == ["Success"] and succeeded(a) == before + 1 == succeeded(b)
    # It is not told twice, nor sent back.
    bootstraps(a, "urn:dev:reported")
    wait_for(lambda: len(reports_of(b, "urn:dev:reported")) == 2, "the second one on the first")
    assert len(reports_of(a, "urn:dev:reported")) == 2 and succeeded(a) == before + 1


def ran_by(member, endpoint):
    return [r.get("member") for r in member.result("report", "list")["reports"] if r["device"] == endpoint]


def test_reports_tell_which_member_ran_them_in_the_order_of_their_ends(pair):
    fleet, a, b = pair
    add(a, "urn:dev:ran-by")
    level(fleet, a, b)
    bootstraps(b, "urn:dev:ran-by")
    wait_for(lambda: ran_by(a, "urn:dev:ran-by") == [12], "the report on the other member")
    # Reports of the one stay away for a while: they come behind younger ones.
    with fleet.session() as psql:
        psql.say("BEGIN; LOCK TABLE cradle_report;")
        bootstraps(b, "urn:dev:ran-by")
        wait_for(lambda: ran_by(b, "urn:dev:ran-by") == [12, 12], "the second one where it ran")
        bootstraps(a, "urn:dev:ran-by")
        wait_for(lambda: ran_by(a, "urn:dev:ran-by") == [12, 11], "the third one where it ran")
        psql.say("COMMIT;")
    for one in (a, b):
        wait_for(lambda: ran_by(one, "urn:dev:ran-by") == [12, 12, 11], "all in their order")  # noqa: B023
    # It is in the store, too.
    bootstraps(a, "urn:dev:ran-by")
    wait_for(lambda: ran_by(a, "urn:dev:ran-by") == [12, 12, 11, 11], "the fourth one")
    assert a.stop() == 0
    a.start()
    assert ran_by(a, "urn:dev:ran-by") == [11]
    shown = good(a.ctl("report", "list"))
    assert re.search(r"^started .*device .*member ", shown), shown
    assert re.search(r"^\S+ +urn:dev:ran-by +11 ", shown, re.M), shown
    bootstraps(b, "urn:dev:ran-by")
    wait_for(lambda: ran_by(a, "urn:dev:ran-by") == [11, 12], "the fifth one")
    assert a.stop() == 0
    a.start()
    assert ran_by(a, "urn:dev:ran-by") == [12]


def test_a_late_report_of_another_member_replaces_no_younger_one(pair):
    """Whose run ended last counts, not whose report came last: in the database, and on each member."""
    fleet, a, b = pair
    task = a.result("task", "list", "--group", "root.demo")["tasks"][0]["id"]
    add(a, "urn:dev:late")
    level(fleet, a, b)
    bootstraps(b, "urn:dev:late")
    wait_for(lambda: ran_by(a, "urn:dev:late") == [12], "the first report")
    with standing_still(fleet, b, "reports"):
        bootstraps(b, "urn:dev:late")
        wait_for(lambda: ran_by(b, "urn:dev:late") == [12, 12], "the second one where it ran")
        bootstraps(a, "urn:dev:late")
        wait_for(lambda: ran_by(b, "urn:dev:late") == [12, 12, 11], "the third one on the other member")
        assert last_of(fleet, "urn:dev:late") == "11 2"
    wait_for(lambda: ran_by(a, "urn:dev:late") == [12, 12, 11], "the second one, late, in its place")
    assert last_of(fleet, "urn:dev:late") == "11 2"
    for one in (a, b):
        last = [r for r in one.result("task", "reports", task)["reports"] if r["device"] == "urn:dev:late"]
        assert [r["member"] for r in last] == [11]


def kept_since(member, since_ms):
    """So many reports the store has: what a process that is ended by force leaves behind."""
    with contextlib.closing(sqlite3.connect(f"file:{member.folder}/cradle.db-reports?mode=ro", uri=True)) as reports:
        return reports.execute("SELECT (SELECT count(*) FROM report WHERE status = 2 AND started_ms >= :since) +"
                               " (SELECT count(*) FROM news WHERE task IS NOT NULL AND status = 2 AND started_ms >= :since)",
                               {"since": since_ms}).fetchone()[0]


def test_a_member_ended_by_force_sends_up_what_its_store_has(pair):
    fleet, a, b = pair
    for i in range(3):
        add(a, f"urn:dev:kept-{i}")
    level(fleet, a, b)
    bootstraps(a, "urn:dev:kept-0")
    wait_for(lambda: reports_of(b, "urn:dev:kept-0") == ["Success"], "the report on the other member")
    with standing_still(fleet, a, "reports"):
        since_ms = int(time.time() * 1000)
        for i in range(3):
            bootstraps(a, f"urn:dev:kept-{i}")
        wait_for(lambda: kept_since(a, since_ms) == 3, "the reports in the store")
        a.process.kill()
        a.process.wait()
    assert last_of(fleet, "urn:dev:kept-1") == ""
    a.start()
    for i, times in enumerate((2, 1, 1)):
        wait_for(lambda: reports_of(b, f"urn:dev:kept-{i}") == ["Success"] * times, "all reports on the other member")  # noqa: B023
    assert state(a)["reports_recovered"] == 3
    # Once: who ends in peace has sent all.
    assert a.stop() == 0
    a.start()
    bootstraps(a, "urn:dev:kept-1")
    wait_for(lambda: reports_of(b, "urn:dev:kept-1") == ["Success"] * 2, "one more report")
    assert state(a)["reports_recovered"] == 0


def test_who_left_and_came_again_sends_reports(pair):
    fleet, a, b = pair
    add(a, "urn:dev:again")
    level(fleet, a, b)
    bootstraps(b, "urn:dev:again")
    wait_for(lambda: reports_of(a, "urn:dev:again") == ["Success"], "the report on the first")
    good(b.ctl("cluster", "leave"))
    good(b.ctl("cluster", "join", "--replace"))
    bootstraps(b, "urn:dev:again")
    wait_for(lambda: reports_of(a, "urn:dev:again") == ["Success"] * 2, "the second one on the first")
    assert state(b)["error"] == ""


def test_reports_wait_while_the_database_is_away(pair):
    fleet, a, b = pair
    add(a, "urn:dev:waits")
    level(fleet, a, b)
    fleet.database.kill()
    wait_for(lambda: state(a)["state"] == "database away", "the database to be missed")
    bootstraps(a, "urn:dev:waits")
    wait_for(lambda: state(a)["reports_waiting"] == 1, "the report to wait")
    assert "reports: 1 to be sent, 0 lost" in good(a.ctl("cluster", "status"))
    fleet.database.start()
    wait_for(lambda: reports_of(b, "urn:dev:waits") == ["Success"], "the report on the other member")
    assert state(a)["reports_waiting"] == 0 and state(a)["reports_lost"] == 0


def test_who_was_away_knows_the_last_reports(pair):
    fleet, a, b = pair
    add(a, "urn:dev:while-away")
    level(fleet, a, b)
    assert b.stop() == 0
    before = succeeded(a)
    bootstraps(a, "urn:dev:while-away")
    wait_for(lambda: succeeded(a) == before + 1, "the report")
    b.start()
    wait_for(lambda: b.result("device", "show", "urn:dev:while-away")["last_bootstrap_ms"], "the report on the other member")
    # News of the moment is not news any more.
    assert reports_of(b, "urn:dev:while-away") == [] and succeeded(b) == succeeded(a)


def test_what_is_done_once_is_done_once_wherever_the_device_asks(pair):
    fleet, a, b = pair
    task = a.result("task", "list", "--group", "root.demo")["tasks"][0]["id"]
    for one in (a, b):
        good(one.ctl("task", "edit", task, "--repetition", "once"))
    add(a, "urn:dev:once")
    level(fleet, a, b)
    bootstraps(a, "urn:dev:once")
    wait_for(lambda: reports_of(b, "urn:dev:once") == ["Success"], "the report on the other member")
    code, events = b.device("-i", "urn:dev:once", "-k", KEY, "ep=urn:dev:once", port=5684)
    assert code == 1 and events[0]["code"] == "4.00", events
    # Run again by a command on one: at the next request, on any.
    good(b.ctl("task", "rerun", task))
    wait_for(lambda: a.ctl("task", "preview", "urn:dev:once").returncode == 0 and
             "to be run again" in a.ctl("task", "reports", task).stdout, "the rerun on the first")
    bootstraps(a, "urn:dev:once")
    for one in (a, b):
        good(one.ctl("task", "edit", task, "--repetition", "repeat"))


def do_and_rerun(a, b, task):
    """The first member does it, as the other one hears, and both know that it is to be done again."""
    n = reports_of(b, "urn:dev:claimed").count("Success")
    bootstraps(a, "urn:dev:claimed")
    wait_for(lambda: reports_of(b, "urn:dev:claimed").count("Success") == n + 1, "the report on the other member", 60)
    good(b.ctl("task", "rerun", task))
    wait_for(lambda: "to be run again" in a.ctl("task", "reports", task).stdout, "the rerun on the first", 60)


@pytest.fixture
def once(pair):
    """A device that did something once on the first member, as both know, and is to do it again."""
    fleet, a, b = pair
    task = a.result("task", "list", "--group", "root.demo")["tasks"][0]["id"]
    good(a.ctl("task", "edit", task, "--repetition", "once"))
    add(a, "urn:dev:claimed")
    level(fleet, a, b)
    wait_for(lambda: state(b)["policy"] == state(a)["policy"], "the policy on the other member", 60)
    do_and_rerun(a, b, task)
    yield fleet, a, b
    good(a.ctl("task", "edit", task, "--repetition", "repeat"))
    wait_for(lambda: state(b)["policy"] == state(a)["policy"], "the policy on the other member", 60)


def claims(fleet):
    return fleet.database.sql("SELECT member FROM cradle_claim", fleet.name).split()


def refused_by(member, endpoint):
    code, events = member.device("-i", endpoint, "-k", KEY, f"ep={endpoint}", port=5684)
    return code == 1 and events[0]["code"] == "4.00"


def test_what_another_member_has_done_is_not_done_again_before_that_is_known(once):
    """Where the database does not answer within a second, as on a machine that is busy, it may be: then once more."""
    fleet, a, b = once
    task = a.result("task", "list", "--group", "root.demo")["tasks"][0]["id"]
    for _ in range(6):
        before = state(b)
        with standing_still(fleet, b, "changes"):
            bootstraps(a, "urn:dev:claimed")
            wait_for(lambda: last_of(fleet, "urn:dev:claimed") == "11 2", "the report in the database", 60)
            refused = refused_by(b, "urn:dev:claimed")
            waited = state(b)["once_claimed"] - before["once_claimed"]  # noqa: B023
            assert waited + state(b)["once_unclaimed"] - before["once_unclaimed"] == 1
        wait_for(lambda: not claims(fleet), "claims to be let go of", 60)
        if waited:
            assert refused
            break
        good(b.ctl("task", "rerun", task))
        wait_for(lambda: "to be run again" in a.ctl("task", "reports", task).stdout, "the rerun on the first", 60)
        do_and_rerun(a, b, task)
    else:
        raise AssertionError("the database never answered in time")


def test_a_claim_of_another_member_is_waited_for_and_no_longer_than_a_second(once):
    fleet, a, b = once
    before = state(b)
    # A member that is there has a run of it: neither its end nor its report comes.
    fleet.database.sql("INSERT INTO cradle_member (number, name, instance, rev, digest, note, seen_at)"
                       " VALUES (77, 'x', 1, 0, '', '', now() + INTERVAL '1 hour');"
                       "INSERT INTO cradle_claim (endpoint, member, started_ms) VALUES ('urn:dev:claimed', 77, 1)", fleet.name)
    bootstraps(b, "urn:dev:claimed")
    assert state(b)["once_unclaimed"] == before["once_unclaimed"] + 1
    assert state(b)["once_claimed"] == before["once_claimed"]
    assert claims(fleet) == ["77"]
    fleet.database.sql("DELETE FROM cradle_claim; DELETE FROM cradle_member WHERE number = 77", fleet.name)


@pytest.mark.parametrize("claim", ["99, 1, now()", "11, 1, now() - INTERVAL '10 minutes'", "12, 1, now()"])
def test_a_claim_of_nobody_who_is_there_is_taken_over(once, claim):
    fleet, a, b = once
    fleet.database.sql("INSERT INTO cradle_claim (endpoint, member, started_ms, made_at)"
                       f" VALUES ('urn:dev:claimed', {claim})", fleet.name)
    bootstraps(b, "urn:dev:claimed")
    wait_for(lambda: not claims(fleet), "the claim to be let go of", 60)


def test_without_the_database_what_is_done_once_waits_for_nobody(once):
    fleet, a, b = once
    before = state(b)
    fleet.database.kill()
    wait_for(lambda: state(b)["state"] == "database away", "the database to be missed")
    bootstraps(b, "urn:dev:claimed")
    assert state(b)["once_unclaimed"] == before["once_unclaimed"] + 1
    fleet.database.start()
    level(fleet, a, b)


def test_a_device_that_is_removed_and_added_again_has_done_nothing(pair):
    fleet, a, b = pair
    add(a, "urn:dev:anew")
    level(fleet, a, b)
    bootstraps(a, "urn:dev:anew")
    wait_for(lambda: reports_of(b, "urn:dev:anew") == ["Success"], "the report on the other member")
    created = a.result("device", "show", "urn:dev:anew")["created_ms"]
    wait_for(lambda: time.time() * 1000 >= created + 1000, "another second, by which members tell the two apart")
    # The other member hears of both at once.
    with standing_still(fleet, b, "changes"):
        good(a.ctl("device", "remove", "urn:dev:anew"))
        assert last_of(fleet, "urn:dev:anew") == ""
        before = succeeded(a)
        add(a, "urn:dev:anew")
    level(fleet, a, b)
    assert succeeded(b) == before
    assert b.stop() == 0
    b.start()
    level(fleet, a, b)
    assert succeeded(b) == before


def test_a_handshake_goes_on_with_the_member_that_the_second_hello_comes_to(pair):
    """A cookie is an answer of all members: what router sends the two hellos where is of no importance."""
    fleet, a, b = pair
    add(a, "urn:dev:moves")
    level(fleet, a, b)

    def client(member, port):
        return DtlsClient(member.network.udp(port=port), (SERVER4, 5684), b"urn:dev:moves", KEY.encode())

    def go_on(port):
        """The first hello goes to the one, the second to the other."""
        first, second = client(a, port), client(b, port)
        first.get_cookie()
        second.random, second.cookie, second.messages, second.server_seq = first.random, first.cookie, {}, 1
        second.hello()
        return b.counters()["dtls_hello_cookie"]
    before = b.counters()["dtls_hello_cookie"]
    assert go_on(40001) == before
    # Who is no member any more takes none of theirs: the client is given another one.
    good(b.ctl("cluster", "leave"))
    assert go_on(40002) == before + 1
    good(b.ctl("cluster", "join", "--replace"))


# What CockroachDB, YugabyteDB or a pool of connections does not do, or does otherwise: with the reason beside each.
NOT_EVERYWHERE = {
    r"\bLISTEN\b|\bNOTIFY\b": "no notifications in CockroachDB; in PostgreSQL they serialise commits",
    r"advisory": "no advisory locks in YugabyteDB for long, without effect in CockroachDB",
    r"pg_snapshot|pg_current|xmin|txid_": "no snapshots by number elsewhere",
    r"replication_slot|CREATE PUBLICATION": "a slot keeps the log of a member that is switched off, until the disk is full",
    r"COPY[^;\"]*\bTO\b": "no COPY out in binary in CockroachDB",
    r"\bTEMP(ORARY)?\b": "temporary tables are an experiment in CockroachDB, and bloat catalogues elsewhere",
    r"\bSERIAL\b|nextval|GENERATED": "sequences have gaps and are committed out of order",
    r"\bLOCK TABLE\b": "no table locks in CockroachDB",
    r"\bMERGE\b|\bLATERAL\b|plpgsql|CREATE (FUNCTION|TRIGGER)": "not in all of them, or not in old releases",
    r"\bDELETE\b[^;\"]*\bUSING\b|\bUPDATE\b[^;\"]*(?<!EPOCH )\bFROM\b": "not in old releases of CockroachDB",
    r"\bPREPARE\b|DECLARE .* CURSOR": "a pool of connections gives the next statement to another one",
}


def test_sql_is_what_other_engines_have_too():
    """They are not in Debian, so their words are held against what they lack."""
    found, n = [], 0
    for path in sorted((ROOT / "control/cluster").glob("*.c")):
        text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
        for literals in re.findall(r'(?:"(?:[^"\\\n]|\\.)*"\s*(?:[A-Z_]+\s*)?)+', text):
            sql = "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', literals))
            if not re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|COPY|BEGIN|COMMIT|ROLLBACK)\b", sql):
                continue
            n += 1
            found += [f"{path.name}: {sql}: {why}" for pattern, why in NOT_EVERYWHERE.items() if re.search(pattern, sql)]
    assert not found
    assert n > 30, "where is the SQL?"
