"""What takes a minute each: tools/test --cluster runs it."""
import subprocess

import pytest

from conftest import wait_for
from postgres import Postgres
from routed_fleet import MEMBERS, RoutedFleet, shell
from test_cluster import KEY, Fleet, add, bootstraps, good, has, level, refused, reports_of, state

pytestmark = pytest.mark.long
MANY = 100_000


@pytest.fixture
def split(build, tmp_path_factory):
    """Members 1 to 3, whose database they reach by a network of its own: fleet.cut(N) and fleet.mend(N)."""
    fleet = RoutedFleet(build, tmp_path_factory, None, "split")
    shell(f"fleet_management {fleet.stage} {MEMBERS}")
    database = fleet.database = Postgres(namespace=f"{fleet.stage}-router").make().start()
    database.url = lambda name: f"postgresql://postgres@198.19.1.254/{name}?sslmode=disable"

    def link(number, way):
        subprocess.run(["ip", "-n", f"{fleet.stage}-router", "link", "set", f"mgmt{number}", way], check=True)
    fleet.cut, fleet.mend = lambda number: link(number, "down"), lambda number: link(number, "up")
    try:
        database.sql("CREATE DATABASE split")
        fleet.all = [fleet.member(number) for number in range(1, MEMBERS + 1)]
        good(fleet.all[0].ctl("cluster", "init"))
        for one in fleet.all[1:]:
            good(one.ctl("cluster", "join"))
        fleet.routes.start()
        fleet.routes.wait(1, 2, 3)
        yield fleet
    finally:
        fleet.end()
        database.close()


def asks(fleet, member, endpoint):
    """A device that the router sends to that member; whether it got what the task gives."""
    fleet.routes.stop()
    shell(f"fleet_routes {fleet.stage} {member}")
    return fleet.device(endpoint, KEY) == 0


def test_who_is_cut_off_from_the_database_serves_on_and_catches_up(split):
    """A split as a broken link makes it: nobody is told of it, and packets vanish."""
    one, two, three = split.all
    add(one, "urn:dev:split")
    task = one.result("task", "list", "--group", "root.demo")["tasks"][0]["id"]
    for member in split.all:
        good(member.ctl("task", "edit", task, "--repetition", "once"))
    level(split, *split.all, timeout=60)
    split.cut(1)
    good(two.ctl("device", "add", "urn:dev:beyond", "--key", KEY))
    wait_for(lambda: has(three, "urn:dev:beyond"), "the others to go on without it")
    wait_for(lambda: state(one)["state"] == "database away", "the database to be missed", 60)
    refused(one.ctl("device", "add", "urn:dev:here", "--key", KEY), "cannot be reached", "cluster status")
    assert "silent" in good(two.ctl("cluster", "status"))
    # What is done once is done once on either side of the cut: README says so.
    assert asks(split, 1, "urn:dev:split")
    assert asks(split, 2, "urn:dev:split")
    wait_for(lambda: reports_of(three, "urn:dev:split") == ["Success"], "the report on the other member of this side")
    assert not asks(split, 3, "urn:dev:split"), "members that see each other do it once"
    split.mend(1)
    level(split, *split.all, timeout=60)
    assert has(one, "urn:dev:beyond") and not has(two, "urn:dev:here")
    wait_for(lambda: reports_of(two, "urn:dev:split").count("Success") == 2, "the report of the other side", 60)
    for number in (1, 2, 3):
        assert not asks(split, number, "urn:dev:split")


def test_a_member_that_is_off_while_100000_devices_change(build, tmp_path_factory, tmp_path):
    database = Postgres().make().start()
    fleet = Fleet(build, tmp_path_factory, database, "off")
    try:
        database.sql("CREATE DATABASE off")
        a, b = fleet.member(1), fleet.member(2)
        good(a.ctl("cluster", "init"))
        good(b.ctl("cluster", "join"))

        def table(name, numbers, domain):
            path = tmp_path / name
            path.write_text("endpoint,key,groups,domain\n" + "".join(
                f"urn:dev:{n},{KEY}-{n},root.demo,{domain}\n" for n in numbers))
            return path
        good(a.ctl("device", "import", table("before", range(MANY // 2), "before")))
        level(fleet, a, b, timeout=240)
        before = state(b)
        assert b.stop() == 0
        # Half of them change, as many are new, one is removed; in several changes.
        good(a.ctl("device", "import", table("after", range(MANY), "after")))
        good(a.ctl("device", "remove", "urn:dev:7"))
        add(a, "urn:dev:last")
        b.start()
        level(fleet, a, b, timeout=240)
        assert state(b)["resyncs"] == 0 and state(b)["revision"] >= before["revision"] + 3
        assert b.result("status")["devices"] == a.result("status")["devices"] == MANY
        assert not has(b, "urn:dev:7") and b.result("device", "show", "urn:dev:1")["domain"] == "after"
        assert b.result("device", "show", f"urn:dev:{MANY - 1}")["domain"] == "after"
        bootstraps(b, "urn:dev:last")
    finally:
        fleet.end()
        database.close()
