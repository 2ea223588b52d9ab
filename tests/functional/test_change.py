"""A change of the policy for a whole fleet: what it would do is told before any device gets it."""
import hashlib
import os
import re
import subprocess

from conftest import ROOT, wait_for
from test_reload import DEVICES, set_lifetime, storm_under_load, while_devices_bootstrap
from test_storm import Storm

MANY = 100000
TASK = "g:root.demo:1"


def commands_of_readme():
    """The commands of README's chapter, as they are printed."""
    chapter = (ROOT / "README.md").read_text().split("### Changing a task for a million devices\n")[1].split("\n## ")[0]
    lines = [line for block in re.findall(r"```sh\n(.*?)```", chapter, flags=re.S) for line in block.splitlines()]
    return [re.sub(r"\s+#.*", "", line) for line in lines]


def resident_mb(daemon):
    """Memory of the appliance that is its own, in MB."""
    with open(f"/proc/{daemon.process.pid}/status", encoding="utf-8") as status:
        return int(re.search(r"^RssAnon:\s+(\d+) kB", status.read(), re.M)[1]) / 1024


def import_many(daemon, n, row):
    file = daemon.folder / "many.csv"
    file.write_text("endpoint,key,groups,value.managementId,secret.password\n" + "".join(row(i) for i in range(n)))
    done = daemon.ctl("device", "import", file)
    assert done.returncode == 0, done.stdout + done.stderr


def test_commands_of_the_readme_plan_and_change_nothing(cradled):
    daemon = cradled()
    before = {name: daemon.read(f"policy/{name}") for name in ("groups.conf", "tasks/reference-task.xml")}
    (daemon.folder / "reference-task.xml").write_text(before["tasks/reference-task.xml"].replace("uri.example", "other.example"))
    generation = daemon.result("status")["generation"]
    planned = [line for line in commands_of_readme() if "plan" in line]
    moving = [line for line in commands_of_readme() if "rollout" in line]
    assert len(planned) == 4 and len(moving) == 4
    for line in planned:
        done = subprocess.run(["bash", "-c", line.split(" && ")[0].replace(
            "cradlectl", f"{os.path.abspath(daemon.build)}/tools/cradlectl -s {daemon.socket}")], cwd=daemon.folder, text=True,
            capture_output=True, timeout=60)
        assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
        assert "nothing was changed" in done.stdout, f"{line}: {done.stdout}"
        if "--xml" in line:
            assert "coaps://uri.example:5684 -> coaps://other.example:5684" in done.stdout
            assert "would be sent to a host that none is sent to now" in done.stdout
    assert daemon.result("status")["generation"] == generation
    for name, text in before.items():
        assert daemon.read(f"policy/{name}") == text
    for line in moving:
        done = subprocess.run(["bash", "-c", line.replace(
            "cradlectl", f"{os.path.abspath(daemon.build)}/tools/cradlectl -s {daemon.socket}")], cwd=daemon.folder, text=True,
            capture_output=True, timeout=60)
        assert done.returncode == 0 and done.stdout, f"{line}: {done.stdout}{done.stderr}"
    assert "other.example" in daemon.read("policy/tasks/reference-task.r2.xml")
    assert 'file = "reference-task.r2.xml"' in daemon.read("policy/groups.conf")


def test_a_change_that_breaks_one_percent_is_told_by_cause(cradled):
    daemon = cradled()
    import_many(daemon, MANY, lambda i: f"many-{i:06},key,root.demo,{60 if i % 100 else 'sixty'},pw-{i}\n")
    broken = daemon.read("policy/tasks/reference-task.xml").replace("Lifetime\" value=\"60\"", "Lifetime\" value=\"${sv.managementId.toInt}\"")
    daemon.write("changed.xml", broken)
    done = daemon.ctl("--json", "task", "edit", TASK, "--xml", daemon.folder / "changed.xml", "--plan")
    assert done.returncode == 1, done.stdout + done.stderr
    said = daemon.ctl("task", "edit", TASK, "--xml", daemon.folder / "changed.xml", "--plan")
    assert said.returncode == 1 and "a task cannot be compiled any more" in said.stdout, said.stdout + said.stderr
    failing = MANY // 100 + 1  # and a device of the demonstration
    assert re.search(rf"^  {failing}: task management account", said.stdout, re.M), said.stdout
    assert "pw-" not in said.stdout


def test_a_plan_under_load_disturbs_nobody_and_keeps_no_second_fleet(build, network, tmp_path):
    one = storm_under_load(build, network, tmp_path)
    daemon = one.daemon

    def plan(times):
        for _ in range(times):
            result = daemon.result("reload", "--plan")
            assert result["changed"] == result["devices"] == DEVICES and result["failing"] == 0
            assert [(at["operation"], at["changed"]) for at in result["operations"]] == [("/1/0/1", DEVICES)]

    def plan_under(load):
        load.wait_for_more()
        plan(3)
    try:
        generation = daemon.result("status")["generation"]
        set_lifetime(daemon, 61)
        load, _ = while_devices_bootstrap(one, plan_under)
        report = load.end()
        assert report["done"] == report["offered"] > 0 and report["failed"] == 0, report
        assert report["wire"]["retransmitted"] == 0
        # Nobody bootstraps: what grows now is a plan's, not that of sessions which a slow machine keeps open.
        before = resident_mb(daemon)
        plan(3)
        assert resident_mb(daemon) - before < 8, "a second fleet would be some 20 MB"
        assert daemon.result("status")["generation"] == generation
    finally:
        assert one.stop() == 0, daemon.log()


def test_a_plan_may_be_called_off(cradled):
    daemon = cradled()
    import_many(daemon, 100_000, lambda i: f"many-{i:06},key,root.demo,id-{i},pw-{i}\n")
    seconds = 60

    def called_off():
        nonlocal seconds
        seconds += 1
        set_lifetime(daemon, seconds)
        asked = subprocess.Popen([f"{daemon.build}/tools/cradlectl", "-s", daemon.socket, "reload", "--plan"],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while asked.poll() is None:
            last = daemon.result("job", "list")["jobs"][-1]
            if last["state"] == "running":
                daemon.ctl("job", "cancel", last["job"])
        out, _ = asked.communicate()
        return asked.returncode == 1 and "called off" in out
    wait_for(called_off, "a plan to be called off", 60)


def versions(daemon):
    return daemon.result("policy", "log")["versions"]


def test_each_change_is_a_version_and_any_can_be_made_live_again(cradled):
    daemon = cradled()
    assert [(at["version"], at["command"]) for at in versions(daemon)] == [(1, "start")]
    first = {name: daemon.read(f"policy/{name}") for name in ("groups.conf", "servers.conf", "tasks/reference-task.xml")}
    # By command, with a secret; by hand and reload; a reload of nothing new is no version.
    assert daemon.result("server", "add", "m1", "--uri", "h", "--ssid", 7, "--psk", "s3cr3t-psk", "--message", "a server for ann")["version"] == 2
    set_lifetime(daemon, 77)
    assert daemon.result("reload", "--message", "longer")["version"] == 3
    assert "version" not in daemon.result("reload")
    kept = versions(daemon)
    assert [(at["version"], at["message"]) for at in kept] == [(1, ""), (2, "a server for ann"), (3, "longer")]
    assert kept[1]["who"] == "uid 0" and "--psk=" not in kept[1]["command"] and "s3cr3t" not in kept[1]["command"]
    # Secrets are masked, what differs is shown.
    for argv in (("policy", "diff", 1), ("policy", "show", 2, "servers.conf"), ("policy", "diff", 1, 2), ("policy", "show", 3)):
        for json_option in ((), ("--json",)):
            said = daemon.ctl(*json_option, *argv)
            assert said.returncode == 0 and "s3cr3t" not in said.stdout, said.stdout + said.stderr
    said = daemon.ctl("policy", "diff", 2, 3).stdout
    assert re.search(r'^-\s+<write key="LwM2M Server.0.Lifetime" value="60"', said, re.M), said
    assert re.search(r'^\+\s+<write key="LwM2M Server.0.Lifetime" value="77"', said, re.M), said
    # What cannot be: nothing changes.
    for argv, words in ((("policy", "revert", 99), "there is no version 99"), (("policy", "revert", "x"), "a version is a number"),
                        (("policy", "show", 1, "none"), "has no file none"),
                        (("reload", "--message", "x" * 1001), "at most 1000 bytes")):
        refused = daemon.ctl(*argv)
        assert refused.returncode in (1, 2) and words in refused.stderr, refused.stderr
    assert "coaps://h" in daemon.read("policy/servers.conf") or '"h"' in daemon.read("policy/servers.conf")
    # A plan of it, then it: the files are what they were, and live.
    plan = daemon.result("policy", "revert", 1, "--plan")
    assert [(at["operation"], at["changed"]) for at in plan["operations"]] == [("/1/0/1", plan["changed"])], plan
    done = daemon.result("policy", "revert", 1, "--message", "too long")
    assert done["changed"] and done["version"] == 4 and done["reverted_to"] == 1
    for name, text in first.items():
        assert daemon.read(f"policy/{name}") == text, name
    assert not daemon.result("policy", "revert", 1)["changed"]
    # What was changed while the appliance was away is a version of the start.
    assert daemon.stop() == 0
    set_lifetime(daemon, 78)
    daemon.start()
    assert [(at["version"], at["command"]) for at in versions(daemon)][-1] == (5, "start")
    assert versions(daemon)[-2]["message"] == "too long"
    assert daemon.result("policy", "diff", 1, 4)["files"] == []
    # A version that does not fit the devices that there are is refused, and all stays.
    daemon.result("group", "add", "root.new")
    assert daemon.ctl("device", "add", "in-new", "--no-key", "--groups", "root.new").returncode == 0
    now = daemon.read("policy/groups.conf")
    refused = daemon.ctl("policy", "revert", 1)
    assert refused.returncode == 1 and "root.new" in refused.stderr and "nothing was changed" in refused.stderr, refused.stderr
    assert daemon.read("policy/groups.conf") == now and "78" in daemon.read("policy/tasks/reference-task.xml")
    assert daemon.result("reload")["reloaded"]


def leave_change(daemon, files):
    """What a process leaves that was killed in the middle of a change: the first file is moved, the others are not."""
    lines = []
    for at, (name, text) in enumerate(files.items()):
        path = daemon.folder / "policy" / name
        staged = path.parent / f".cradle-STAGE{at}"
        before, after = (hashlib.sha256(it.encode()).hexdigest() for it in (daemon.read(f"policy/{name}"), text))
        (staged if at else path).write_text(text)
        lines.append(f"{before} {after} {staged.name} {name}\n")
    (daemon.folder / "policy/.cradle-journal").write_text("cradle files 1\n" + "".join(lines))


def test_a_change_that_was_interrupted_is_ended_at_the_start_and_at_a_reload(cradled):
    daemon = cradled()
    names = ("tasks/reference-task.xml", "groups.conf", "servers.conf")

    def ended():
        left = [path for path in (daemon.folder / "policy").rglob(".cradle-*")]
        return not left and all(daemon.read(f"policy/{name}").endswith(mark) for name, mark in marks.items())

    marks = dict(zip(names, ("<!-- one -->\n", "# one\n", "# one\n")))
    leave_change(daemon, {name: daemon.read(f"policy/{name}") + mark for name, mark in marks.items()})
    checked = daemon.ctl("check")
    assert checked.returncode == 0 and "was interrupted" in checked.stdout + checked.stderr, checked.stdout + checked.stderr
    assert not ended(), "a check changes nothing"
    done = daemon.ctl("reload")
    assert done.returncode == 0 and "interrupted, and was finished" in done.stdout, done.stdout + done.stderr
    assert ended() and "interrupted, and was finished" in daemon.log()
    assert "interrupted" not in daemon.ctl("reload").stdout
    # The same by a start; and a file that somebody edited in between is theirs.
    assert daemon.stop() == 0
    marks = dict(zip(names, ("<!-- two -->\n", "# two\n", "# by hand\n")))
    leave_change(daemon, {name: daemon.read(f"policy/{name}") + "# two\n" * (mark[0] == "#") + mark * (mark[0] != "#")
                          for name, mark in marks.items()})
    (daemon.folder / "policy/servers.conf").write_text(daemon.read("policy/servers.conf") + "# by hand\n")
    marks["servers.conf"] = "# one\n# by hand\n"
    daemon.start()
    assert ended() and "as somebody left them since: servers.conf" in daemon.log(), daemon.log()
    assert daemon.result("policy", "diff", 1, 2)["files"], "the start kept it as a version"


def test_versions_are_sealed_and_read_after_a_new_key(build, cradled, tmp_path):
    keys = tmp_path / "kek"
    subprocess.run([f"{build}/control/cradled", "--make-kek", str(keys)], check=True, capture_output=True)
    daemon = cradled({r"^# ?kek = .*": f'kek = "{keys}";'})
    daemon.result("server", "add", "m1", "--uri", "h", "--ssid", 7, "--psk", "s3cr3t-psk-of-m1")
    daemon.result("server", "remove", "m1")
    subprocess.run([f"{build}/control/cradled", "--make-kek", str(keys)], check=True, capture_output=True)
    daemon.result("store", "rekey")
    assert daemon.stop() == 0
    for part in daemon.folder.glob("cradle.db*"):
        assert b"s3cr3t-psk" not in part.read_bytes(), part
    first = keys.read_text().splitlines()
    keys.write_text("\n".join([line for line in first if line and not line.startswith("#")][:1]) + "\n")
    daemon.start()
    assert daemon.result("policy", "revert", 2)["version"] == 4
    assert "s3cr3t-psk-of-m1" in daemon.read("policy/servers.conf")


def lifetime_of(daemon, endpoint):
    """What a device would be given now."""
    steps = "".join(daemon.result("task", "preview", endpoint)["steps"])
    return re.search(r"/1/0/1 Lifetime = (\d+)", steps)[1]


def new_version(daemon, seconds):
    file = daemon.folder / "new.xml"
    file.write_text(re.sub(r'(Lifetime" value=)"\d+"', rf'\1"{seconds}"', daemon.read("policy/tasks/reference-task.xml")))
    return file


def rollout(daemon):
    return daemon.result("task", "rollout", "show", TASK)


def test_a_part_of_the_devices_gets_a_new_version_and_stays_the_same_part(cradled):
    daemon = cradled()
    n = 400
    import_many(daemon, n, lambda i: f"many-{i:06},key,root.demo,id-{i},pw-{i}\n")
    some = [f"many-{i:06}" for i in range(0, n, 10)]
    file = new_version(daemon, 91)
    # What cannot be.
    for argv, words in (((), "--percent N, --count N or --group NAME"), (("--percent", "0"), "above 0 and up to 100"),
                        (("--percent", "1", "--count", "2"), "--percent N, --count N or --group NAME"),
                        (("--group", "root.demu"), "did you mean"), (("--percent", "1", "--advance", "1h 50, 2h 10"), "rising percents")):
        refused = daemon.ctl("task", "rollout", "start", TASK, "--xml", file, *argv)
        assert refused.returncode in (1, 2) and words in refused.stderr, refused.stderr
    assert "is in no rollout" in daemon.ctl("task", "rollout", "advance", TASK).stderr
    # Some, and which: a plan tells how many, a preview who.
    planned = daemon.result("task", "rollout", "start", TASK, "--xml", file, "--percent", 25, "--plan")["changed"]
    assert n / 8 < planned < n / 2, planned
    daemon.result("task", "rollout", "start", TASK, "--xml", file, "--percent", 25, "--message", "longer lifetime")
    assert daemon.ctl("task", "rollout", "start", TASK, "--xml", file, "--percent", 1).returncode == 1
    assert daemon.result("status")["rollouts"][0]["percent"] == 25
    first = [name for name in some if lifetime_of(daemon, name) == "91"]
    assert 0 < len(first) < len(some)
    # The same after a reload, a restart, a change of another task; one that is added has its place at once.
    daemon.result("group", "value", "set", "root.demo", "region", "north")
    assert daemon.stop() == 0
    daemon.start()
    assert [name for name in some if lifetime_of(daemon, name) == "91"] == first
    assert daemon.ctl("device", "remove", first[0]).returncode == 0
    assert daemon.ctl("device", "add", first[0], "--no-key", "--groups", "root.demo").returncode == 0
    for name in ("managementId", "password"):
        assert daemon.ctl("device", "value", "set", first[0], name, "x").returncode == 0
    assert lifetime_of(daemon, first[0]) == "91"
    # More of them, those among them; then a revert in the middle of it, and back.
    daemon.result("task", "rollout", "advance", TASK, "--percent", 60)
    more = [name for name in some if lifetime_of(daemon, name) == "91"]
    assert set(first) < set(more) < set(some)
    assert "no step left" in daemon.ctl("task", "rollout", "advance", TASK).stderr
    kept = versions(daemon)[-1]["version"]
    daemon.result("policy", "revert", 1)
    assert {lifetime_of(daemon, name) for name in some} == {"60"}
    daemon.result("policy", "revert", kept)
    assert [name for name in some if lifetime_of(daemon, name) == "91"] == more
    # By hand halted, gone on, finished; and another one aborted, of a group.
    daemon.result("task", "rollout", "halt", TASK, "--message", "a doubt")
    assert rollout(daemon)["halted"] == "a doubt" and {lifetime_of(daemon, name) for name in some} == {"60"}
    assert "a doubt" in daemon.ctl("status").stdout
    daemon.result("task", "rollout", "advance", TASK, "--percent", 60)
    assert [name for name in some if lifetime_of(daemon, name) == "91"] == more
    daemon.result("task", "rollout", "finish", TASK)
    assert {lifetime_of(daemon, name) for name in some} == {"91"}
    assert "rollout" not in re.sub("#.*", "", daemon.read("policy/groups.conf"))
    daemon.result("group", "add", "root.demo.pilot")
    assert daemon.ctl("device", "edit", some[1], "--groups", "root.demo.pilot").returncode == 0
    daemon.result("task", "rollout", "start", TASK, "--xml", new_version(daemon, 92), "--group", "root.demo.pilot")
    assert [name for name in some if lifetime_of(daemon, name) == "92"] == [some[1]]
    assert daemon.ctl("device", "edit", some[1], "--groups", "root.demo").returncode == 0
    assert daemon.ctl("device", "edit", some[2], "--groups", "root.demo.pilot").returncode == 0
    assert [name for name in some if lifetime_of(daemon, name) == "92"] == [some[2]]
    daemon.result("task", "rollout", "abort", TASK)
    assert {lifetime_of(daemon, name) for name in some} == {"91"}
    # What is written by hand is checked.
    daemon.edit("policy/groups.conf", r"^(\s*)priority = 10;", r'\1priority = 10; rollout = { former = "none.xml"; percent = 101; advnce = "x"; };')
    refused = daemon.ctl("check")
    assert refused.returncode == 1 and "0 to 100" in refused.stderr and "advance" in refused.stderr and "none.xml" in refused.stderr, refused.stderr


def test_a_version_that_fails_for_all_is_halted_after_the_first_devices(build, network, tmp_path):
    devices = 2000
    one = Storm(build, network, tmp_path, devices=devices)
    daemon = one.daemon
    try:
        bad = daemon.folder / "bad.xml"
        bad.write_text(daemon.read("policy/tasks/reference-task.xml").replace("${sv.managementId}", "${sv.nowhere}"))
        daemon.result("task", "rollout", "start", TASK, "--xml", bad, "--percent", 5, "--halt-after", 5)
        code, report = one.run("--devices", devices, "--psk", "--concurrency", 20, "--bootstraps", devices)
        wait_for(lambda: rollout(daemon)["halted"], "the rollout to be halted", 60)
        failed = rollout(daemon)["new"]["errors"]
        assert 5 <= failed <= devices * (5 + 1) / 100, report
        assert "ended with an error" in rollout(daemon)["halted"]
        assert "ended with an error" in daemon.ctl("status").stdout
        # Where operators look: the task, its reports, the report that decided it, the metrics' cause.
        assert daemon.result("status")["rollouts"][0]["cause"] == "errors"
        assert "ended with an error" in daemon.ctl("task", "show", TASK).stdout
        listed = daemon.result("report", "list", "--status", "error", "--limit", 1000)
        assert [at["cause"] for at in listed["halted"]] == ["errors"], listed
        assert "ended with an error" in daemon.ctl("report", "list").stdout
        assert "halted" not in daemon.result("report", "list", "--task", "g:root.demo:2")
        logs = [daemon.ctl("report", "show", TASK, at["device"]).stdout for at in listed["reports"]]
        assert sum("with this run the rollout is halted" in log for log in logs) == 1, logs
        by_version = daemon.result("task", "show", TASK)["versions"]
        assert by_version[-1]["file"] == "reference-task.r2.xml" or by_version[0]["file"] == "reference-task.r2.xml", by_version
        last = versions(daemon)[-1]
        assert "rollout halt" in last["command"] and "cradled" in last["who"] and "ended with an error" in last["message"], last
        assert "ended with an error" in daemon.log()
        # Nobody gets it from then on, nor after a restart, which forgets nothing.
        counted = rollout(daemon)
        assert daemon.stop() == 0
        daemon.start()
        assert [rollout(daemon)[name] for name in ("new", "former")] == [counted[name] for name in ("new", "former")]
        assert daemon.result("task", "show", TASK)["versions"] == by_version
        code, report = one.run("--devices", devices, "--psk", "--concurrency", 20, "--bootstraps", devices)
        assert report["done"] == devices and report["failed"] == 0, report
        assert rollout(daemon)["new"] == counted["new"] and rollout(daemon)["former"]["errors"] == 0
        wait_for(lambda: rollout(daemon)["former"]["runs"] == counted["former"]["runs"] + devices, "the runs to be counted", 60)
        daemon.result("task", "rollout", "abort", TASK)
        assert daemon.result("status")["rollouts"] == []
    finally:
        assert one.stop() == 0, daemon.log()


def test_a_device_that_is_rerun_in_mid_rollout_gets_its_version_again(cradled):
    daemon = cradled()
    daemon.result("task", "edit", TASK, "--repetition", "once")
    daemon.result("task", "rollout", "start", TASK, "--xml", new_version(daemon, 91), "--percent", 50)
    lifetime = lifetime_of(daemon, "demo-0001")
    its, other = ("new", "former") if lifetime == "91" else ("former", "new")

    def runs(n):
        return rollout(daemon)[its]["runs"] == n and rollout(daemon)[other]["runs"] == 0

    assert daemon.device("ep=demo-0001")[0] == 0
    wait_for(lambda: runs(1), "the first run")
    daemon.result("task", "rerun", TASK, "--device", "demo-0001")
    assert lifetime_of(daemon, "demo-0001") == lifetime
    assert daemon.device("ep=demo-0001")[0] == 0
    wait_for(lambda: runs(2), "the second run")
    daemon.result("task", "rollout", "advance", TASK, "--percent", 100)
    daemon.result("task", "rerun", TASK, "--device", "demo-0001")
    assert lifetime_of(daemon, "demo-0001") == "91"
    assert daemon.device("ep=demo-0001")[0] == 0
    wait_for(lambda: rollout(daemon)["new"]["runs"] == (3 if its == "new" else 1), "the run of the new version")
    assert [at["runs"] for at in daemon.result("task", "show", TASK)["versions"]] in ([3], [2, 1])


def test_a_report_tells_who_came_back_and_who_registered(cradled):
    daemon = cradled()

    def report():
        return daemon.result("report", "show", TASK, "demo-0001")["report"]

    assert "0 reports say so" in daemon.ctl("device", "registered", "demo-0001").stdout
    assert "there is no device" in daemon.ctl("device", "registered", "demo-0009").stderr
    assert daemon.device("ep=demo-0001")[0] == 0
    wait_for(lambda: "Success" in daemon.ctl("report", "show", TASK, "demo-0001").stdout, "the report")
    assert "came back" not in daemon.ctl("report", "show", TASK, "demo-0001").stdout
    # Again, until two runs were within a minute on this machine.
    wait_for(lambda: daemon.device("ep=demo-0001")[0] == 0 and re.search(
        r"came back after \d+ s, \d+(st|nd|rd|th) time", daemon.ctl("report", "show", TASK, "demo-0001").stdout), "the return", 120)
    assert daemon.result("task", "show", TASK)["came_back"] >= 1
    wait_for(lambda: report()["status"] == "Success", "the last report")
    before = report()
    assert daemon.result("device", "registered", "demo-0001")["tasks"] == [TASK]
    after = report()
    assert after["status"] == "Registered" and after["summary"] == before["summary"] and after["started_ms"] == before["started_ms"]
    assert "came back after" in daemon.ctl("report", "show", TASK, "demo-0001").stdout, "its log stays"
    assert daemon.result("device", "registered", "demo-0001")["tasks"] == []
    counts = daemon.result("task", "show", TASK)["reports"]
    assert counts["registered"] == 1 and counts["success"] == 0
    assert [at["device"] for at in daemon.result("report", "list", "--status", "registered")["reports"]] == ["demo-0001"]
    assert daemon.stop() == 0
    daemon.start()
    assert report()["status"] == "Registered"
