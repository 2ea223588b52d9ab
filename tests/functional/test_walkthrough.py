"""README.md's procedure, run as it is printed: no command may fail or print nothing, and each step has its effect."""
import os
import re
import signal
import subprocess

import lwm2m
from conftest import ROOT, SERVER4, Cradled, wait_for
from test_nosec import operations

STEPS = 9


def procedure():
    """The steps of README.md, from 1: each a list of (language, text) of its code blocks, and its prose."""
    section = (ROOT / "README.md").read_text().split("## The procedure, step by step\n")[1].split("\n## ")[0]
    parts = re.split(r"^\*\*(\d)\. ", section, flags=re.M)
    assert [int(number) for number in parts[1::2]] == list(range(1, STEPS + 1))
    steps = {}
    for number, text in zip(parts[1::2], parts[2::2]):
        blocks = re.findall(r"```(\w+)\n(.*?)```", text, flags=re.S)
        steps[int(number)] = (blocks, re.sub(r"```.*?```", "", text, flags=re.S))
        assert any(language == "sh" for language, _ in blocks), f"step {number} has no command"
    return steps


class Operator:
    """A person at a shell in a folder with README's files, on the devices' network."""

    def __init__(self, build, network, folder):
        self.folder, self.build, self.network = folder, build, network
        self.appliance = Cradled(build, network, folder / "conf")
        os.remove(folder / "conf/devices.csv")
        path = [os.path.abspath(f"{build}/{part}") for part in ("control", "tools", "tools/storm")]
        self.env = dict(os.environ, PATH=":".join([*path, os.environ["PATH"]]),
                        CRADLE_SOCKET=self.appliance.socket)
        self.steps = procedure()

    def shell(self, command):
        """Runs one command, which must succeed and say something; returns what it said."""
        done = subprocess.run(self.network.command("bash", "-c", command), cwd=self.folder, env=self.env, text=True,
                              capture_output=True, timeout=60)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        assert done.stdout.strip(), f"{command} printed nothing"
        return done.stdout

    def start(self, command):
        """A command that ends with &: it serves when it answers."""
        log = open(self.folder / "conf/log", "ab")
        process = subprocess.Popen(self.network.command("bash", "-c", "exec " + command.rstrip(" &")), cwd=self.folder,
                                   env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.appliance.process = process

        def up():
            assert process.poll() is None, self.appliance.log()
            return self.appliance.ctl("status").returncode == 0
        wait_for(up, "the appliance to answer", 60)
        self.network.run("ip", "neigh", "flush", "dev", "dev0")
        return self.appliance.log()

    def step(self, number):
        """Writes the step's files and runs its commands; returns {command: output}."""
        blocks, prose = self.steps[number]
        said = {}
        for language, text in blocks:
            if language != "sh":
                name = re.search(rf"`([\w-]+\.{language})`", prose).group(1)
                (self.folder / name).write_text(text)
                continue
            for command in text.replace("\\\n", " ").splitlines():
                said[command] = self.start(command) if command.endswith("&") else self.shell(command)
        return said

    def stop(self):
        if self.appliance.process and self.appliance.process.poll() is None:
            self.appliance.process.send_signal(signal.SIGTERM)
            assert self.appliance.process.wait(20) == 0


def bootstrap(operator, name):
    """A device asks; what was written, by path, or None when it was refused."""
    code, events = operator.appliance.device("-i", name, "-k", f"key-of-{name}", f"ep={name}", port=5684)
    if code != 0:
        return None
    steps = operations(events)
    assert [(s["method"], s["path"]) for s in steps] == [
        ("DELETE", "/0"), ("DELETE", "/1"), ("PUT", "/0/10"), ("PUT", "/1/10"), ("POST", "/bs")]
    return {s["path"]: lwm2m.resources(bytes.fromhex(s["payload"])) for s in steps if s["method"] == "PUT"}


def output(said, words):
    """What the command that begins so printed."""
    return next(text for command, text in said.items() if command.startswith(words))


def check_account(written, identity, password):
    security, server = written["/0/10"], written["/1/10"]
    assert security[0] == b"coaps://lwm2m.example.org:5684"
    assert (security[3], security[5]) == (identity, password)
    assert lwm2m.integer(server[0]) == 10


def test_the_procedure_of_the_readme(build, network, stage, tmp_path):
    stage.clear()
    stage.rest()
    operator = Operator(build, network, tmp_path)
    ctl = operator.appliance.result
    try:
        assert "running" in output(operator.step(1), "cradlectl status")

        said = operator.step(2)
        assert ctl("server", "show", "fleet")["ssid"] == 10
        assert "lwm2m.example.org" in operator.appliance.read("policy/servers.conf")
        assert "${sv.password}" in output(said, "cradlectl server show")

        assert "water meters" in output(operator.step(3), "cradlectl group list")

        said = operator.step(4)
        assert "north" in output(said, "cradlectl group show")
        assert "until a device" not in str(ctl("group", "show", "root.meters.water"))

        said = operator.step(5)
        assert "lwm2mBootstrapCleanse" in output(said, "cradlectl task show")
        assert (operator.folder / "conf/policy/tasks/accounts.xml").read_text() == (
            operator.folder / "accounts.xml").read_text()

        said = operator.step(6)
        assert "3 new" in output(said, "cradlectl device import meters.csv --verify-only")
        assert ctl("device", "list")["count"] == 3

        said = operator.step(7)
        assert "north" in output(said, "cradlectl device profile") and "root.meters (locked)" in output(
            said, "cradlectl device profile")
        assert "/0/10/0 LWM2M Server URI = coaps://lwm2m.example.org:5684" in output(
            said, "cradlectl task preview meter-0001")
        assert "identity: sv.managementId is not set" in output(said, "cradlectl task preview meter-0003")
        assert not any("password of meter" in text for text in said.values())

        check_account(bootstrap(operator, "meter-0001"), b"m-0001", b"password of meter 1")
        check_account(bootstrap(operator, "meter-0002"), b"m-0002", b"password of meter 2")
        assert bootstrap(operator, "meter-0003") is None
        assert bootstrap(operator, "meter-0004") is None
        wait_for(lambda: ctl("unknown", "list")["unknown"], "the unknown device to be listed")
        said = operator.step(8)
        assert "done" in output(said, "cradlestorm")
        assert "meter-0004" in output(said, "cradlectl unknown list")
        assert ctl("unknown", "list")["unknown"] == []
        check_account(bootstrap(operator, "meter-0004"), b"m-0004", b"until a device has its own")

        wait_for(lambda: ctl("task", "list", "--group", "root.meters")["tasks"][0]["reports"]["success"] == 3, "reports")
        said = operator.step(9)
        assert "meter-0003" in output(said, "cradlectl task reports")
        assert "sv.managementId is not set" in output(said, "cradlectl report show")
        assert "1 device will run it again" in output(said, "cradlectl task rerun-failed")
        check_account(bootstrap(operator, "meter-0003"), b"m-0003", b"until a device has its own")
        wait_for(lambda: ctl("task", "list", "--group", "root.meters")["tasks"][0]["reports"]["success"] == 4, "reports")
        assert ctl("task", "reports", "g:root.meters:1", "--status", "Error")["count"] == 0
        # Logs reach the store with its next write.
        wait_for(lambda: "a meter of region north" in (
            ctl("report", "show", "g:root.meters:1", "meter-0003")["log"] or ""), "the task's log")
    finally:
        operator.stop()


def readme_section(title):
    return (ROOT / "README.md").read_text().split(f"## {title}\n")[1].split("\n## ")[0]


def test_the_readme_names_every_command(build):
    """A command stands in the table with all its words, or with its last one behind another of its kind."""
    rows = [row.split("|")[1] for row in readme_section("Control commands").splitlines() if row.startswith("| `")]
    told = set()
    for row in rows:
        for part in row.split(";"):
            names = [re.sub(r" ?[A-Z[].*", "", name).strip() for name in re.findall(r"`([^`]+)`", part)]
            stem = names[0].rpartition(" ")[0]
            told.update({names[0], *names, *(f"{stem} {name}".strip() for name in names[1:])})
    done = subprocess.run([f"{build}/control/cradled", "--command-table"], text=True, capture_output=True, check=True)
    commands = re.findall(r"^([a-z -]+?)(?: [A-Z[].*|  .*)$", done.stdout, flags=re.M)
    assert len(commands) > 40
    assert [name for name in commands if name.strip() not in told and name != "command"] == []


def test_the_examples_of_the_readme_are_good(build, network, cradled, tmp_path):
    section = readme_section("Configuration")
    task = tmp_path / "example.xml"
    task.write_text(re.search(r"```xml\n(.*?)```", section, flags=re.S).group(1))
    daemon = cradled()
    checked = daemon.ctl("task", "check", task)
    assert checked.returncode == 0 and " 0 errors" in checked.stdout, checked.stdout + checked.stderr
    row = re.search(r"^ *`(\{\"endpoint\".*\})`$", section, flags=re.M).group(1)
    (tmp_path / "devices.jsonl").write_text(row + "\n")
    assert daemon.ctl("group", "add", "root.a").returncode == 0
    done = daemon.ctl("device", "import", tmp_path / "devices.jsonl")
    assert done.returncode == 0 and "1 new" in done.stdout, done.stderr
