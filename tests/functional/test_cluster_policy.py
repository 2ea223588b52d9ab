"""One policy for all members of a cluster, over a real PostgreSQL."""
import os
import re
import signal
import stat
import subprocess

import pytest

from conftest import wait_for
from test_certificates import TRUST, Authority
from test_change import lifetime_of, new_version, rollout, versions
from test_cluster import (KEY, Fleet, add, all_members, bootstraps, database, fleet, good, level,  # noqa: F401 (fixtures)
                          refused, state)

TASK = "g:root.demo:1"


@pytest.fixture(scope="module")
def couple(build, tmp_path_factory, database):  # noqa: F811
    """Two members that tests share: they leave them with one policy, the first one's by the end of a test."""
    one = Fleet(build, tmp_path_factory, database, "policies")
    database.sql("CREATE DATABASE policies")
    one.a, one.b = one.member(21), one.member(22)
    good(one.a.ctl("cluster", "init"))
    good(one.b.ctl("cluster", "join"))
    yield one
    one.end()


def policy_of(member):
    status = state(member)
    return status["policy"], status["policy_digest"], status["policy_trouble"]


def one_policy(*members):
    """Waits until all run the newest version."""
    def same():
        newest = state(members[0])["policy_head"]
        return newest and all(policy_of(one) == (newest, policy_of(members[0])[1], "") for one in members)
    wait_for(same, "one policy on all members")
    return state(members[0])["policy"]


def path_of(member, name):
    return member.folder / "policy" / name


@pytest.fixture
def pair(couple):
    one_policy(couple.a, couple.b)
    yield couple, couple.a, couple.b
    if couple.database.process.poll() is not None:
        couple.database.start()
    for one in (couple.a, couple.b):
        if one.process.poll() is not None:
            one.start()
    level(couple, couple.a, couple.b)
    one_policy(couple.a, couple.b)


def test_what_is_changed_on_one_member_is_served_by_the_other(pair):
    fleet, a, b = pair  # noqa: F811
    before = state(a)["policy"]
    add(a, "urn:dev:policy")
    good(b.ctl("group", "add", "root.both"))
    one_policy(b, a)
    good(a.ctl("server", "add", "extra", "--uri", "extra.example", "--ssid", 77))
    one_policy(a, b)
    good(b.ctl("task", "edit", TASK, "--xml", new_version(b, 77), "--message", "a longer lifetime"))
    assert one_policy(a, b) == before + 3
    assert lifetime_of(a, "urn:dev:policy") == lifetime_of(b, "urn:dev:policy") == "77"
    assert "root.both" in a.read("policy/groups.conf") and "extra.example" in b.read("policy/servers.conf")
    bootstraps(a, "urn:dev:policy")
    # Who, what and why came along.
    last = versions(a)[-1]
    assert "member 22" in last["who"] and last["command"].startswith("task edit") and last["message"] == "a longer lifetime"
    wait_for(lambda: [(m["member"], m["policy"], m["policy_behind"], m["digest"]) for m in state(a)["members"]] ==
             [(n, before + 3, 0, state(a)["policy_digest"]) for n in (21, 22)], "both to be shown")
    assert f"version {before + 3} of {before + 3}" in good(a.ctl("cluster", "status"))
    # A revert is such a change, too; what is only looked at is none.
    good(a.ctl("policy", "revert", versions(a)[-2]["version"]))
    one_policy(a, b)
    good(a.ctl("reload"))
    good(a.ctl("task", "edit", TASK, "--xml", new_version(a, 78), "--plan"))
    assert one_policy(a, b) == before + 4 and lifetime_of(b, "urn:dev:policy") == "60"
    audited = [line for line in b.result("audit", "list")["lines"] if line["command"][:3] == ["cluster", "policy", "pull"]]
    assert audited and audited[-1]["outcome"] == "done", audited


def test_a_change_on_an_older_policy_is_told_who_was_quicker(pair):
    fleet, a, b = pair  # noqa: F811
    before = state(a)["policy"]
    # The follower of one stands still; its commands do not.
    with fleet.session() as psql:
        psql.say("BEGIN; LOCK TABLE cradle_member;")
        wait_for(lambda: fleet.database.sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                                            f" AND datname = '{fleet.name}'", fleet.name) == "2", "both to stand still")
        good(a.ctl("group", "add", "root.quick", "--message", "first"))
        text = b.read("policy/groups.conf")
        said = refused(b.ctl("group", "add", "root.slow"), f"version {before}", f"newest is {before + 1}", "by member 21",
                       "group add root.quick", "cluster policy diff", "cluster policy pull", "nothing was changed")
        assert re.search(r"at \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", said)
        assert b.read("policy/groups.conf") == text and state(b)["policy"] == before
        assert "root.quick" in good(b.ctl("cluster", "policy", "diff"))
        # By hand it goes on at once.
        good(b.ctl("cluster", "policy", "pull"))
        good(b.ctl("group", "add", "root.slow"))
        psql.say("COMMIT;")
    assert one_policy(a, b) == before + 2
    good(a.ctl("group", "remove", "root.quick"))
    one_policy(a, b)
    good(b.ctl("group", "remove", "root.slow"))


def test_files_changed_by_hand_are_pushed_or_make_way_and_are_never_overwritten_unasked(pair):
    fleet, a, b = pair  # noqa: F811
    path_of(b, "tasks/by-hand.xml").write_text(b.read("policy/tasks/reference-task.xml"))
    text = b.read("policy/groups.conf")
    b.write("policy/groups.conf", text + "# a remark by hand\n")
    good(a.ctl("group", "add", "root.meanwhile"))
    wait_for(lambda: "by hand: groups.conf, tasks/by-hand.xml" in state(b)["policy_trouble"], "the refusal")
    wait_for(lambda: any("refuses version" in m["note"] for m in state(a)["members"]), "the refusal on the other")
    assert "a remark by hand" in b.read("policy/groups.conf") and "meanwhile" not in b.read("policy/groups.conf")
    # A push cannot succeed now, and nobody is sent to it.
    said = refused(b.ctl("cluster", "policy", "pull"), "changed by hand", "--discard", "nothing was changed")
    assert "cluster policy push" not in said, said
    refused(b.ctl("cluster", "policy", "push"), "member 21", "group add root.meanwhile", "cluster policy pull", "--discard")
    refused(b.ctl("reload"), "member 21")
    assert "by-hand.xml: added" in good(b.ctl("cluster", "policy", "diff"))
    # It makes way, and is not lost.
    said = good(b.ctl("cluster", "policy", "pull", "--discard"))
    kept = re.search(r"`policy revert (\d+)` brings it back", said)[1]
    assert "by hand" not in b.read("policy/groups.conf") and not path_of(b, "tasks/by-hand.xml").exists()
    one_policy(a, b)
    assert "a remark by hand" in good(b.ctl("policy", "show", kept, "groups.conf")) or \
        "tasks/by-hand.xml" in good(b.ctl("policy", "show", kept))
    log = b.result("policy", "log")["versions"]
    assert [v["who"] for v in log if str(v["version"]) == kept] == [f"uid {os.getuid()}"], log
    # Changed by hand on the newest, a push or a reload makes it everybody's.
    b.write("policy/groups.conf", b.read("policy/groups.conf") + "# pushed\n")
    assert "version" in good(b.ctl("cluster", "policy", "push", "--message", "a remark"))
    one_policy(a, b)
    assert "# pushed" in a.read("policy/groups.conf")
    a.write("policy/groups.conf", a.read("policy/groups.conf") + "# by signal\n")
    a.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "# by signal" in b.read("policy/groups.conf"), "the reload by signal on the other")
    assert "already" in good(b.ctl("cluster", "policy", "push"))
    # The same change by hand on both is no conflict.
    newest = one_policy(a, b)
    for one in (a, b):
        one.write("policy/groups.conf", one.read("policy/groups.conf") + "# on both\n")
    good(a.ctl("reload"))
    good(b.ctl("reload"))
    assert one_policy(a, b) == newest + 1


def test_a_policy_that_is_no_good_here_is_refused_and_the_former_one_serves(pair, tmp_path):
    fleet, a, b = pair  # noqa: F811
    authority = Authority(tmp_path / "ca")
    pem, key = authority.issue("bs", "bs.example.com", "serverAuth", extra=["subjectAltName=DNS:bs.example.com"])
    add(a, "urn:dev:former")
    level(fleet, a, b)
    for member in (a, b):
        path_of(member, "certs").mkdir(exist_ok=True)
    before, lifetime = state(b)["policy"], lifetime_of(b, "urn:dev:former")
    # A key that is each member's own, and is missing on one; another one is everybody's.
    for file in (pem, authority.path("ca.pem")):
        subprocess.run(["cp", file, path_of(a, "certs")], check=True)
    subprocess.run(["install", "-m", "600", key, path_of(a, "certs/member-bs.key")], check=True)
    a.write("policy/trust.conf", TRUST.replace("bs.key", "member-bs.key") % ("", ""))
    a.write("policy/tasks/reference-task.xml", new_version(a, 75).read_text())
    good(a.ctl("cluster", "policy", "push"))
    wait_for(lambda: "member-bs.key" in state(b)["policy_trouble"], "the refusal")
    assert state(b)["policy"] == before and not path_of(b, "trust.conf").exists()
    assert lifetime_of(b, "urn:dev:former") == lifetime != "75" == lifetime_of(a, "urn:dev:former")
    bootstraps(b, "urn:dev:former")
    wait_for(lambda: any(m["member"] == 22 and m["policy_behind"] == 1 and "member-bs.key" in m["note"]
                         for m in state(a)["members"]), "the reason on the other member")
    assert "member-bs.key" in good(a.ctl("cluster", "status"))
    # With its key it takes it by itself.
    subprocess.run(["install", "-m", "600", key, path_of(b, "certs/member-bs.key")], check=True)
    one_policy(a, b)
    assert lifetime_of(b, "urn:dev:former") == "75" and path_of(b, "certs/ca.pem").exists()
    assert "member-bs.key" not in fleet.database.sql("SELECT encode(name, 'escape') FROM cradle_policy_file", fleet.name)
    # A key that is shared comes with it, and is its owner's alone.
    subprocess.run(["install", "-m", "600", key, path_of(a, "certs/bs.key")], check=True)
    a.write("policy/trust.conf", TRUST % ("", ""))
    good(a.ctl("reload"))
    one_policy(a, b)
    assert path_of(b, "certs/bs.key").read_bytes() == path_of(a, "certs/bs.key").read_bytes()
    assert stat.S_IMODE(path_of(b, "certs/bs.key").stat().st_mode) == 0o600
    # It goes where the policy names it no more; a member's own stays.
    path_of(a, "trust.conf").unlink()
    good(a.ctl("reload"))
    one_policy(a, b)
    assert not path_of(b, "trust.conf").exists() and not path_of(b, "certs/bs.key").exists()
    assert path_of(b, "certs/member-bs.key").exists()


def test_what_somebody_else_wrote_into_the_database_is_refused(pair):
    fleet, a, b = pair  # noqa: F811
    before = one_policy(a, b)
    sql = fleet.database.sql
    sql(f"BEGIN; INSERT INTO cradle_policy (version, txn, member, member_name, digest, who, what, why)"
        f" SELECT {before + 1}, 5, member, member_name, 'beef', who, what, why FROM cradle_policy WHERE version = {before};"
        f" INSERT INTO cradle_policy_file (version, name, bytes, gone) VALUES ({before + 1}, 'groups.conf', 'groups = ( );', 0);"
        f" UPDATE cradle_rev SET policy = {before + 1}; COMMIT;", fleet.name)
    for member in (a, b):
        wait_for(lambda: "does not know the cluster's secret" in state(member)["policy_trouble"], "the refusal")
        assert state(member)["policy"] == before
    sql("UPDATE cradle_policy_file SET name = '../groups.conf' WHERE gone = 0 AND bytes = 'groups = ( );'", fleet.name)
    refused(a.ctl("cluster", "policy", "pull"), "damaged")
    # An older copy of the database is what counts.
    sql(f"BEGIN; UPDATE cradle_rev SET policy = {before}; DELETE FROM cradle_policy WHERE version > {before};"
        f" DELETE FROM cradle_policy_file WHERE version > {before}; COMMIT;", fleet.name)
    good(a.ctl("cluster", "policy", "pull"))
    good(b.ctl("cluster", "policy", "pull"))


def test_without_the_database_the_policy_stays_and_a_halt_does_not_wait(pair):
    fleet, a, b = pair  # noqa: F811
    add(a, "urn:dev:alone")
    good(a.ctl("task", "rollout", "start", TASK, "--xml", new_version(a, 81), "--percent", 100))
    before = one_policy(a, b)
    level(fleet, a, b)
    assert lifetime_of(b, "urn:dev:alone") == "81"
    fleet.database.kill()
    wait_for(lambda: state(b)["state"] == "database away", "the database to be missed")
    text = b.read("policy/groups.conf")
    refused(b.ctl("group", "add", "root.late"), "database", "cluster status", "nothing was changed")
    refused(b.ctl("task", "rollout", "advance", TASK, "--percent", 50), "database")
    assert b.read("policy/groups.conf") == text
    good(b.ctl("reload")) # nothing of the policy is in it
    said = good(b.ctl("task", "rollout", "halt", TASK, "--message", "it harms"))
    assert "on this member alone" in said
    assert lifetime_of(b, "urn:dev:alone") != "81" and "alone" in state(b)["policy_trouble"]
    # A member that starts without it has what it had.
    assert a.stop() == 0
    a.start()
    assert lifetime_of(a, "urn:dev:alone") == "81"
    fleet.database.start()
    wait_for(lambda: rollout(a)["halted"] == "it harms", "the halt on the other", 30)
    assert one_policy(a, b) == before + 1
    # Another member was quicker when it was back: the halt is done again on top of that.
    good(a.ctl("task", "rollout", "advance", TASK, "--percent", 100))
    one_policy(a, b)
    level(fleet, a, b)
    fleet.database.kill()
    wait_for(lambda: state(b)["state"] == "database away", "the database to be missed")
    good(b.ctl("task", "rollout", "halt", TASK, "--message", "it harms still"))
    b.process.send_signal(signal.SIGSTOP)
    try:
        fleet.database.start()
        level(fleet, a)
        good(a.ctl("group", "add", "root.quicker"))
    finally:
        b.process.send_signal(signal.SIGCONT)
    wait_for(lambda: rollout(a)["halted"] == "it harms still", "the halt on the other", 30)
    one_policy(a, b)
    assert "root.quicker" in b.read("policy/groups.conf")
    good(a.ctl("task", "rollout", "abort", TASK))


def test_the_first_command_after_a_restart_of_the_database_is_answered(pair):
    fleet, a, _ = pair  # noqa: F811
    good(a.ctl("cluster", "policy", "diff")) # its connection stays open
    fleet.database.stop()
    fleet.database.start()
    good(a.ctl("cluster", "policy", "diff"))


def test_a_rollout_has_the_same_canaries_on_all_members(pair):
    fleet, a, b = pair  # noqa: F811
    names = [f"urn:dev:canary-{i:03}" for i in range(40)]
    rows = a.folder / "canaries.csv"
    rows.write_text("endpoint,key,groups,value.managementId,secret.password\n" +
                    "".join(f"{name},{KEY},root.demo,m,p\n" for name in names))
    good(a.ctl("device", "import", rows))

    def canaries(member):
        return [name for name in names if lifetime_of(member, name) == "91"]
    good(a.ctl("task", "rollout", "start", TASK, "--xml", new_version(a, 91), "--percent", 25))
    level(fleet, a, b)
    one_policy(a, b)
    first = canaries(a)
    assert 0 < len(first) < len(names) and canaries(b) == first
    good(b.ctl("task", "rollout", "advance", TASK, "--percent", 60))
    one_policy(a, b)
    more = canaries(a)
    assert set(first) < set(more) and canaries(b) == more
    good(b.ctl("task", "rollout", "halt", TASK, "--message", "a doubt"))
    one_policy(a, b)
    assert rollout(a)["halted"] == "a doubt" and canaries(a) == canaries(b) == []
    good(a.ctl("task", "rollout", "advance", TASK, "--percent", 60))
    one_policy(a, b)
    assert canaries(b) == canaries(a) == more
    # A member that comes back, and a revert in the middle of it.
    assert b.stop() == 0
    good(a.ctl("task", "rollout", "advance", TASK, "--percent", 100))
    b.start()
    one_policy(a, b)
    assert canaries(b) == canaries(a) == names
    good(b.ctl("task", "rollout", "abort", TASK))
    one_policy(a, b)
    assert canaries(a) == canaries(b) == []


def test_a_rollout_that_fails_on_one_member_is_halted_on_all(pair):
    fleet, a, b = pair  # noqa: F811
    add(a, "urn:dev:fails")
    level(fleet, a, b)
    bad = a.folder / "bad.xml"
    bad.write_text(a.read("policy/tasks/reference-task.xml").replace("${sv.managementId}", "${sv.nowhere}"))
    good(a.ctl("task", "rollout", "start", TASK, "--xml", bad, "--percent", 100, "--halt-after", 2))
    one_policy(a, b)
    for _ in range(2):
        b.device("-i", "urn:dev:fails", "-k", KEY, "ep=urn:dev:fails", port=5684)
    wait_for(lambda: "ended with an error" in rollout(a)["halted"], "the halt on the other member", 30)
    one_policy(a, b)
    assert versions(a)[-1]["who"].startswith("member 22") and "cradled" in versions(a)[-1]["who"]
    bootstraps(a, "urn:dev:fails")
    good(a.ctl("task", "rollout", "abort", TASK))


def test_a_member_that_was_killed_between_the_database_and_its_disk_goes_on(pair):
    fleet, a, b = pair  # noqa: F811
    one_policy(a, b)
    base = path_of(a, ".cradle-cluster")
    former = base.read_bytes()
    good(a.ctl("group", "add", "root.killed"))
    newest = one_policy(a, b)
    a.process.kill()
    a.process.wait()
    base.write_bytes(former) # as if it had not come to write it
    a.start()
    assert one_policy(a, b) == newest
    # Without it nobody knows what the files are; they are the cluster's all the same.
    assert a.stop() == 0
    base.unlink()
    a.start()
    assert one_policy(a, b) == newest and base.exists()
    good(a.ctl("group", "remove", "root.killed"))


def test_keys_of_the_policy_are_sealed_in_the_database(fleet):  # noqa: F811
    kek = fleet.folders.mktemp("kek") / "kek"
    one = fleet.member(1)
    subprocess.run([f"{one.build}/control/cradled", "--make-kek", str(kek)], check=True, capture_output=True)
    assert one.stop() == 0
    one.write("cradle.conf", one.read("cradle.conf") + f'kek = "{kek}";\n')
    one.start()
    good(one.ctl("server", "add", "m1", "--uri", "h", "--ssid", 7, "--psk", "s3cr3t-psk-of-m1"))
    good(one.ctl("cluster", "init"))
    sealed = fleet.database.sql("SELECT count(*) FROM cradle_policy_file WHERE kek IS NOT NULL", fleet.name)
    assert int(sealed) > 1
    everything = fleet.database.run("pg_dump", "-h", fleet.database.folder, "--inserts", fleet.name).stdout
    assert "cradle_policy_file" in everything
    assert "s3cr3t-psk-of-m1".encode().hex() not in everything and "s3cr3t-psk" not in everything
    two = fleet.member(2)
    assert two.stop() == 0
    two.write("cradle.conf", two.read("cradle.conf") + f'kek = "{kek}";\n')
    two.start()
    good(two.ctl("cluster", "join"))
    assert "s3cr3t-psk-of-m1" in two.read("policy/servers.conf")
    assert not path_of(two, "servers.conf").stat().st_mode & 0o007
    assert "s3cr3t" not in path_of(two, ".cradle-cluster").read_text()


def test_a_policy_is_taken_over_by_joining_and_kept_when_leaving(fleet):  # noqa: F811
    one, two = fleet.member(1), fleet.member(2)
    good(one.ctl("group", "add", "root.of-one"))
    good(two.ctl("group", "add", "root.of-two"))
    one.write("policy/groups.conf", one.read("policy/groups.conf") + "# not live\n")
    refused(one.ctl("cluster", "init"), "not what runs", "reload")
    good(one.ctl("reload"))
    good(one.ctl("cluster", "init"))
    assert policy_of(one)[0] == 1 and policy_of(one)[2] == ""
    said = good(two.ctl("cluster", "join"))
    assert "root.of-one" in two.read("policy/groups.conf") and "root.of-two" not in two.read("policy/groups.conf")
    assert "policy revert" in said and policy_of(two) == policy_of(one)
    good(two.ctl("cluster", "leave"))
    assert "root.of-one" in two.read("policy/groups.conf") and not path_of(two, ".cradle-cluster").exists()
    good(two.ctl("group", "add", "root.own"))
    for words in (("pull",), ("push",), ("diff",)):
        refused(two.ctl("cluster", "policy", *words), "in no cluster")
    # A policy that is no good here is no policy to join with.
    good(one.ctl("group", "add", "root.more"))
    path_of(two, "tasks").rename(path_of(two, "elsewhere"))
    path_of(two, "tasks").write_text("no folder")
    refused(two.ctl("cluster", "join"), "not joined")
    assert state(two)["state"] == "alone" and "root.own" in two.read("policy/groups.conf")
    wait_for(lambda: [m["member"] for m in state(one)["members"]] == [1], "the other to be gone")
    path_of(two, "tasks").unlink()
    path_of(two, "elsewhere").rename(path_of(two, "tasks"))


def test_tables_of_an_earlier_release_are_brought_up_by_one_member(fleet):  # noqa: F811
    one, two = fleet.member(1), fleet.member(2)
    good(one.ctl("cluster", "init"))
    good(two.ctl("cluster", "join"))
    refused(one.ctl("cluster", "join"), "already")
    for member in (one, two):
        assert member.stop() == 0
        path_of(member, ".cradle-cluster").unlink()
    two.write("policy/groups.conf", two.read("policy/groups.conf") + "# not the other's\n")
    fleet.database.sql("DROP TABLE cradle_claim, cradle_policy, cradle_policy_file; ALTER TABLE cradle_member DROP COLUMN policy, DROP COLUMN forward;"
                       " UPDATE cradle_rev SET policy = 0; UPDATE cradle_meta SET value = '2' WHERE name = 'schema';", fleet.name)
    for member in (one, two):
        member.start()
    wait_for(lambda: "cluster join" in state(one)["error"], "the tables to be told of")
    assert "what this release needs" in good(one.ctl("cluster", "join"))
    level(fleet, one, two)
    refused(one.ctl("group", "add", "root.new"), "no version of the cluster's policy", "cluster policy push")
    refused(one.ctl("cluster", "policy", "pull"), "no policy yet")
    good(one.ctl("cluster", "policy", "push"))
    good(one.ctl("group", "add", "root.new"))
    one_policy(one)
    wait_for(lambda: "changed by hand" in state(two)["policy_trouble"], "the other's own policy to be told of")
    good(two.ctl("cluster", "policy", "pull", "--discard"))
    one_policy(one, two)
