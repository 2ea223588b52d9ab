"""Servers, groups and tasks by command: live at once, kept in files that stay a person's, refused whole."""
import os
import re

import pytest

from test_nosec import operations

GROUPS, SERVERS = "policy/groups.conf", "policy/servers.conf"

TASK = """<config>
  <lwm2mBootstrapConfiguration serverId="mgmt"/>
  <lwm2mBootstrap performBootstrapFinish="true"/>
</config>
"""


@pytest.fixture
def appliance(cradled, request):
    """An appliance of the test's own: its files are edited."""
    return cradled()


def done(answer):
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


def refused(answer):
    assert answer.returncode == 1, answer.stdout + answer.stderr
    return answer.stderr


def remarks(text):
    return re.findall(r"#.*", text)


def test_a_server_a_group_and_a_task_by_command_reach_a_device(appliance, tmp_path):
    groups, servers = appliance.read(GROUPS), appliance.read(SERVERS)
    task = tmp_path / "account.xml"
    task.write_text(TASK)
    before = appliance.result("status")["generation"]
    text = done(appliance.ctl("server", "add", "mgmt", "--uri", "lwm2m.example.org", "--ssid", "11", "--identity",
                              "${device.endpointName}", "--psk", "${sv.password}", "--lifetime", "77",
                              "--server-instance", "3"))
    assert "server mgmt added" in text and f"generation {before} -> {before + 1}" in text
    done(appliance.ctl("group", "add", "root.demo.line-1", "--description", "by command"))
    done(appliance.ctl("task", "add", task, "--group", "root.demo", "--priority", "20", "--comment", "made by a test"))
    assert appliance.result("status")["generation"] == before + 3
    assert appliance.read("policy/tasks/account.xml") == TASK
    shown = done(appliance.ctl("task", "list", "--group", "root.demo"))
    assert "g:root.demo:2" in shown and "made by a test" in shown

    # Both tasks run: the account of the file, then that of the command.
    code, events = appliance.device("ep=demo-0001")
    written = {step["path"]: step["payload"] for step in operations(events) if step.get("payload")}
    assert code == 0
    assert b"coaps://lwm2m.example.org:5684".hex() in written["/0/11"]
    assert b"demo-0001".hex() in written["/0/11"]
    assert "c1014d" in written["/1/3"]  # lifetime 77

    # What a person wrote is still there: every remark, and every line of the other entries.
    for old, new in ((groups, appliance.read(GROUPS)), (servers, appliance.read(SERVERS))):
        assert remarks(old) == remarks(new)
        kept = iter(new.splitlines())
        lost = [line for line in old.splitlines() if not any(line in other for other in kept)]
        assert lost == []

    done(appliance.ctl("task", "pause", "g:root.demo:2"))
    _, events = appliance.device("ep=demo-0001")
    assert "/0/11" not in [step["path"] for step in operations(events)]
    done(appliance.ctl("task", "remove", "g:root.demo:2", "--with-file"))
    done(appliance.ctl("server", "remove", "mgmt"))
    done(appliance.ctl("group", "remove", "root.demo.line-1"))
    assert appliance.read(GROUPS) == groups and appliance.read(SERVERS) == servers
    assert not (appliance.folder / "policy/tasks/account.xml").exists()
    assert os.listdir(appliance.folder / "policy") == os.listdir(appliance.folder / "policy")
    assert [name for name in os.listdir(appliance.folder / "policy") if name.startswith(".")] == []
    appliance.stop()


def test_wrong_input_is_refused_whole_with_places(appliance, tmp_path):
    groups, servers = appliance.read(GROUPS), appliance.read(SERVERS)
    generation = appliance.result("status")["generation"]
    bad = tmp_path / "bad.xml"
    bad.write_text("<config>\n <lwm2mBootstrap>\n  <wirte key='/0/1/0'/>\n  <write key='/0/1/10' value='x'/>\n"
                   " </lwm2mBootstrap>\n</config>\n")
    text = refused(appliance.ctl("task", "add", bad, "--group", "root.demo"))
    assert "tasks/bad.xml:3:" in text and "tasks/bad.xml:4:" in text and "nothing was changed" in text
    text = refused(appliance.ctl("server", "add", "m2", "--uri", "coap://h", "--ssid", "2", "--binding", "Z"))
    assert text.count("servers.conf:") == 3  # scheme, SSID of another, binding
    for words in ("write coaps", "management-psk has the Short Server ID 2 already", "a binding is made of"):
        assert words in text
    assert "did you mean \"root.demo\"" in refused(appliance.ctl("group", "edit", "root.dmo", "--priority", "1"))
    assert "2 devices" in refused(appliance.ctl("group", "remove", "root.demo"))
    assert appliance.ctl("server", "add", "m2", "--ssid", "two").returncode == 2
    # A reload that refuses for another file's sake puts the folder back, too.
    devices = appliance.read("devices.conf")
    appliance.write("devices.conf", "devices = 5;\n")
    text = refused(appliance.ctl("group", "add", "root.new"))
    assert "devices.conf:1: error:" in text and f"still running generation {generation}" in text
    appliance.write("devices.conf", devices)
    assert appliance.read(GROUPS) == groups and appliance.read(SERVERS) == servers
    assert not (appliance.folder / "policy/tasks/bad.xml").exists()
    assert appliance.result("status")["generation"] == generation
    answer = appliance.ctl("--json", "group", "add", "toor")
    assert answer.returncode == 1 and '"changed":false' in answer.stdout and '"diagnostics":[{' in answer.stdout


def test_a_folder_that_cannot_be_read_or_written_keeps_the_old_serving(appliance):
    """Also root is refused here: the folder is a file for a while, and then not writable (a mount, read-only)."""
    policy, away = appliance.folder / "policy", appliance.folder / "away"
    generation = appliance.result("status")["generation"]
    policy.rename(away)
    policy.write_text("not a folder")
    for command in (("reload",), ("group", "add", "root.x"), ("server", "edit", "management-psk", "--ssid", "9")):
        text = refused(appliance.ctl(*command))
        assert "Not a directory" in text, text
    assert appliance.device("ep=demo-0001")[0] == 0
    policy.unlink()
    away.rename(policy)

    mount = appliance.network
    assert appliance.result("status")["generation"] == generation
    done(appliance.ctl("group", "add", "root.x"))
    assert mount is not None
    assert appliance.result("status")["generation"] == generation + 1
