"""The control protocol towards the console: it may speak for a person, is told no secret, and loses nobody's edit."""
import contextlib
import ctypes
import json
import os
import pathlib
import re
import shutil
import socket
import struct
import tempfile
import threading

import pytest

from conftest import ROOT, wait_for
from console import Console

SECRETS = ("correct horse battery", b"correct horse battery".hex(), "demo-key-0001-demo", b"demo-key-0001-demo".hex(),
           "shared-secret-value", "server-psk-in-clear")
NOBODY = 65534
SYS_SETRESUID, SYS_SETRESGID = 117, 119  # of x86-64


@pytest.fixture(scope="module")
def open_folder():
    """Where a user without rights gets to: pytest's own folders are closed to others."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="cradle-console-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def appliance(cradled, open_folder):
    def prepare(daemon):
        daemon.edit("cradle.conf", re.escape(daemon.socket), f"{open_folder}/cradle.sock")
        daemon.edit("cradle.conf", r"# *group = .*", 'group = "nogroup";')
        daemon.edit("cradle.conf", r"# *console_user = .*", 'console_user = "nobody";')
        daemon.socket = f"{open_folder}/cradle.sock"
    yield cradled(prepare=prepare)


class Control:
    """The control protocol by hand, as another user."""

    def __init__(self, path, uid):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        errors = []

        def connect():
            # To the kernel credentials are a thread's: this one alone becomes the other user, and ends.
            libc = ctypes.CDLL(None, use_errno=True)
            for number in (SYS_SETRESGID, SYS_SETRESUID):
                if libc.syscall(number, uid, uid, uid):
                    errors.append(ctypes.get_errno())
            try:
                self.socket.connect(path)
            except OSError as error:
                errors.append(error)
        thread = threading.Thread(target=connect)
        thread.start()
        thread.join()
        assert not errors, errors

    def ask(self, *argv, **fields):
        body = json.dumps({"v": 1, "argv": list(argv), "json": True, **fields}).encode()
        self.socket.sendall(struct.pack(">I", len(body)) + body)
        while True:
            frame = json.loads(self.read(struct.unpack(">I", self.read(4))[0]))
            if "progress" not in frame:
                return frame

    def read(self, n):
        data = b""
        while len(data) < n:
            more = self.socket.recv(n - len(data))
            assert more, "the connection ended"
            data += more
        return data


@pytest.fixture
def console_user(appliance):
    return Control(appliance.socket, NOBODY)


def test_nobody_else_speaks_for_a_person(appliance):
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as own:
        own.connect(appliance.socket)
        body = json.dumps({"v": 1, "argv": ["task", "pause", "g:root.demo:1"], "actor": "ann"}).encode()
        own.sendall(struct.pack(">I", len(body)) + body)
        size = struct.unpack(">I", own.recv(4))[0]
        answer = json.loads(own.recv(size))
    assert answer["exit"] == 2 and "console_user" in answer["error"]
    assert appliance.result("task", "list")["tasks"][0]["active"]


def test_a_change_carries_the_persons_name_into_the_log(appliance, console_user):
    answer = console_user.ask("task", "pause", "g:root.demo:1", actor="ann")
    assert answer["exit"] == 0, answer
    assert f"command task pause g:root.demo:1 by ann, uid {NOBODY}" in appliance.log()
    told = json.loads((appliance.folder / "cradle.db-audit").read_text().splitlines()[-1])
    assert told["by"]["actor"] == "ann" and told["by"]["uid"] == NOBODY
    # A name that would make lines of its own is shown as what it is.
    console_user.ask("task", "resume", "g:root.demo:1", actor="eve\n2026-01-01 notice: all is well " + "x" * 200)
    line = next(l for l in appliance.log().splitlines() if "task resume" in l)
    assert "eve\\x0a" in line and "x" * 100 not in line
    for wrong in (1, ["ann"], {}):
        assert console_user.ask("status", actor=wrong)["exit"] == 2


def commands(appliance):
    text = appliance.ctl("help", "schema").stdout
    return json.loads(text)["commands"]


def test_no_command_reveals_a_secret_to_the_console(appliance, console_user, tmp_path):
    """Every command that looks, with every flag that it has, whatever else it is asked."""
    for words in (["device", "value", "set", "demo-0001", "apiKey", "shared-secret-value", "--secret"],
                  ["group", "value", "set", "root.demo", "groupKey", "shared-secret-value", "--secret"],
                  ["server", "edit", "management-psk", "--psk", "server-psk-in-clear"]):
        assert appliance.ctl(*words).returncode == 0
    assert console_user.ask("trace", "start", "demo-0001")["exit"] == 0
    assert appliance.device("ep=demo-0001")[0] == 0
    wait_for(lambda: appliance.result("report", "list")["reports"], "a report")
    names = {"ENDPOINT": "demo-0001", "ID": "g:root.demo:1", "TASK": "g:root.demo:1", "NAME": "root.demo", "GROUP": "root.demo"}
    asked = 0
    for command in commands(appliance):
        if command["changes"] or command["words"] in ("watch", "completion") or command.get("file") not in (None, "write"):
            continue
        words = [w.strip("[]") for w in command["arguments"].split()][:command["min"]]
        flags = [o["name"] for o in command["options"] if not o.get("argument")]
        for chosen in ([], flags):
            for server in ("g:root.demo:1", "management-psk"):
                argv = command["words"].split() + chosen + [server if w == "ID" else names.get(w, "x") for w in words]
                answer = console_user.ask(*argv)
                text = json.dumps(answer)
                assert not any(secret in text for secret in SECRETS), (argv, text)
                asked += answer.get("exit") == 0
    assert asked > 25


@pytest.mark.parametrize("argv", [["device", "export", "x.csv", "--secrets"], ["store", "backup", "x"]])
def test_what_makes_copies_of_secrets_is_refused(appliance, console_user, argv):
    answer = console_user.ask(*argv, actor="sina")
    assert answer["exit"] == 1 and "do not leave the appliance" in answer["error"] and "want" not in answer


def test_a_task_with_a_secret_in_the_clear_is_not_shown(appliance, console_user):
    shown = console_user.ask("task", "source", "g:root.demo:1")
    assert shown["exit"] == 0 and "<config>" in shown["result"]["xml"]
    bad = appliance.read("policy/tasks/reference-task.xml").replace("${#psk.encodeHex}", "7365637265742d6b6579")
    appliance.write("policy/tasks/reference-task.xml", bad)
    answer = console_user.ask("task", "source", "g:root.demo:1")
    assert answer["exit"] == 1 and "in the clear" in answer["error"] and "7365637265742d6b6579" not in json.dumps(answer)
    assert re.search(r"reference-task\.xml:\d+: ", answer["error"])
    assert "7365637265742d6b6579" in appliance.ctl("task", "source", "g:root.demo:1").stdout  # who is on the appliance sees it
    appliance.write("policy/tasks/reference-task.xml", "<config")
    assert "no good task" in console_user.ask("task", "source", "g:root.demo:1")["error"]


def test_a_change_for_another_generation_is_not_made(appliance, console_user):
    now = console_user.ask("status")["generation"]
    stale = console_user.ask("task", "pause", "g:root.demo:1", expect=str(int(now) + 1))
    assert stale["exit"] == 1 and stale["stale"] and appliance.result("task", "list")["tasks"][0]["active"]
    assert console_user.ask("task", "pause", "g:root.demo:1", expect=now)["exit"] == 0
    assert console_user.ask("status")["generation"] == str(int(now) + 1)


def test_a_secret_value_in_another_resource_is_masked_for_the_console(appliance, console_user, tmp_path):
    """A task may write a secret wherever it likes: a look at the device does not show it in any form."""
    leak = tmp_path / "leak.xml"
    leak.write_text('<config><lwm2mBootstrap><write key="LwM2M Security.3.LwM2M Server URI" value="coaps://${sv.password.encodeHex}.example"/>'
                    '<write key="LwM2M Security.3.Bootstrap-Server" value="false"/><write key="LwM2M Security.3.Security Mode" value="3"/>'
                    '<write key="LwM2M Server.3.Short Server ID" value="3"/><write key="LwM2M Server.3.Binding" value="U"/>'
                    '<write key="/3441/0/0" value="x ${sv.password} y" type="string"/></lwm2mBootstrap></config>')
    assert appliance.ctl("task", "add", leak, "--group", "root.demo").returncode == 0
    assert console_user.ask("trace", "start", "demo-0001")["exit"] == 0
    assert appliance.device("ep=demo-0001")[0] == 0
    plain = appliance.ctl("task", "preview", "demo-0001").stdout
    assert b"correct horse battery".hex() in plain  # root on the appliance sees what is sent
    shown = [json.dumps(console_user.ask(*argv)) for argv in
             (["task", "preview", "demo-0001"], ["trace", "show", "demo-0001"], ["device", "show", "demo-0001"], ["why", "demo-0001"])]
    assert "********.example" in shown[0] and not any(secret in text for text in shown for secret in SECRETS), shown


def test_a_plan_shows_the_console_no_secret_that_a_task_writes_elsewhere(appliance, console_user):
    """Whoever may edit tasks could have any device's secret written where it is shown, and ask what that would change."""
    text = appliance.read("policy/tasks/reference-task.xml")
    for host in ("${sv.password}", "${sv.password.encodeHex}"):
        appliance.write("policy/tasks/reference-task.xml", text.replace("uri.example:5684", f"{host}.example"))
        assert ".example" in appliance.ctl("reload", "--plan").stdout  # root on the appliance sees what would be sent
        answer = console_user.ask("reload", "--plan")
        assert answer["exit"] == 0 and answer["result"]["samples"] and "********.example" in json.dumps(answer), answer
        assert not any(secret in json.dumps(answer) for secret in SECRETS), answer
    assert appliance.ctl("reload").returncode == 0
    answer = console_user.ask("task", "remove", "g:root.demo:1", "--plan")
    assert answer["result"]["changed"] and not any(secret in json.dumps(answer) for secret in SECRETS), answer


def test_a_text_is_tried_on_a_device_before_anybody_has_it(appliance, tmp_path):
    text = tmp_path / "new.xml"
    text.write_text('<config><lwm2mBootstrap><write key="LwM2M Server.0.Lifetime" value="${sv.region.length}"/></lwm2mBootstrap></config>')
    before = appliance.ctl("task", "preview", "demo-0001").stdout
    tried = appliance.result("task", "preview", "demo-0001", "--xml", text)
    assert "Lifetime = 3" in "".join(tried["steps"]) and len(tried["tasks"]) == 1
    text.write_text("<config><nothing/></config>")
    refused = appliance.ctl("task", "preview", "demo-0001", "--xml", text)
    assert refused.returncode == 1 and "nothing" in refused.stderr
    assert appliance.ctl("task", "preview", "demo-0001").stdout == before
    assert appliance.device("ep=demo-0001")[0] == 0  # and the compiler still has what it had
    words = appliance.result("task", "words")
    assert any(t["name"] == "write" and "key" in t["attributes"] for t in words["tags"])
    assert "region" in words["values"] and any(k.endswith("Server.0.Lifetime") for k in words["keys"])


# --- through cradle-web, as the user without rights ---

@pytest.fixture
def console(build, appliance, open_folder, users_file):
    folder = open_folder / "web"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    shutil.copytree(ROOT / "tools/web/console", folder / "console")
    shutil.copy(f"{build}/tools/web/cradle-web", folder)
    one = Console(build, folder, appliance.socket, users_file, pages=folder / "console", program=folder / "cradle-web", uid=NOBODY)
    yield one
    assert one.stop() == 0, one.log


def test_the_log_names_who_changed_it_in_the_browser(console, appliance):
    assert console.person("otto").send("POST", "/tasks/g:root.demo:1/pause").status == 200
    assert f"command task pause -- g:root.demo:1 by otto, uid {NOBODY}" in appliance.log()


def test_two_people_edit_one_policy_and_no_edit_is_lost(console, appliance):
    otto, otis = console.person("otto"), console.person("otis")
    path = "/groups/root.demo"
    seen = otto.get(path).headers["ETag"]
    assert otis.get(path).headers["ETag"] == seen
    assert otis.send("PATCH", path, {"description": "by otis"}, headers={"If-Match": seen}).status == 200
    lost = otto.send("PATCH", path, {"description": "by otto"}, headers={"If-Match": seen})
    assert lost.status == 412 and "meanwhile" in lost.json["detail"]
    assert otto.get(path).json["description"] == "by otis"
    # What somebody changes elsewhere is no reason to refuse.
    seen = otto.get(path).headers["ETag"]
    assert otis.send("POST", "/groups", {"name": "root.other"}).status == 201
    assert otto.send("PATCH", path, {"description": "by otto"}, headers={"If-Match": seen}).status == 200
    assert otto.send("PATCH", path, {"description": "x"}).status == 428
    assert otto.send("PATCH", path, {"description": "x"}, headers={"If-Match": "*"}).status == 200


def test_edits_at_the_same_moment_are_made_one_after_the_other_or_not_at_all(console):
    people = [console.person(name) for name in ("otto", "otis")]
    path = "/groups/root.demo"
    seen = people[0].get(path).headers["ETag"]
    answers = []

    def edit(person, n):
        answers.append(person.send("PATCH", path, {"description": f"number {n}"}, headers={"If-Match": seen}).status)
    threads = [threading.Thread(target=edit, args=[people[n % 2], n]) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200] + [412] * 5


def test_a_tasks_text_is_edited_as_it_was_seen(console):
    otto, otis = console.person("otto"), console.person("otis")
    seen = otto.get("/tasks/g:root.demo:1/source")
    xml = seen.json["xml"]
    bad = xml.replace("LwM2M Server.0.Lifetime", "LwM2M Server.0.Lifetme")
    refused = otto.send("PATCH", "/tasks/g:root.demo:1", {"xml": bad}, headers={"If-Match": "*"})
    assert refused.status == 422 and "Lifetme" in refused.text
    good = xml.replace('Lifetime" value="60"', 'Lifetime" value="90"')
    whole = otto.get("/tasks/g:root.demo:1").headers["ETag"]
    assert otto.send("PATCH", "/tasks/g:root.demo:1", {"xml": good, "comment": "longer"}, headers={"If-Match": whole}).status == 200
    assert otis.get("/tasks/g:root.demo:1/source").json["xml"] == good
    lost = otis.send("PATCH", "/tasks/g:root.demo:1", {"xml": xml}, headers={"If-Match": whole})
    assert lost.status == 412
