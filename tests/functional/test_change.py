"""A change of the policy for a whole fleet: what it would do is told before any device gets it."""
import os
import re
import subprocess

from conftest import ROOT, wait_for
from test_reload import Steady, set_lifetime
from test_storm import Storm

MANY = 20000
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
    assert len(planned) == 4
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
    ring = "rsize=12"
    one = Storm(build, network, tmp_path, {
        r"net_af_packet0,iface=cradle0": f"net_memif0,role=server,socket={tmp_path / 'memif.sock'},{ring}",
        r"^sessions = \d+": "sessions = 8192",
        r"ack_timeout_ms = 2000": "ack_timeout_ms = 20000"}, devices=20000)
    daemon = one.daemon
    try:
        load = Steady(one)
        load.wait_for_more()
        set_lifetime(daemon, 61)
        generation = daemon.result("status")["generation"]
        daemon.result("reload", "--plan")  # what a first look allocates for good
        before = resident_mb(daemon)
        for _ in range(3):
            result = daemon.result("reload", "--plan")
            assert result["changed"] == result["devices"] >= 20000 and result["failing"] == 0
            assert [(at["operation"], at["changed"]) for at in result["operations"]] == [("/1/0/1", result["changed"])]
        assert resident_mb(daemon) - before < 8, "a second fleet would be some 20 MB"
        assert daemon.result("status")["generation"] == generation
        assert load.process.poll() is None, "the load outlasts the plans"
        report = load.end()
        assert report["done"] == report["offered"] and report["failed"] == 0, report
        assert report["wire"]["retransmitted"] == 0
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
