"""Servers, groups and tasks by command: live at once, kept in files that stay a person's, refused whole."""
import os
import re
import subprocess

import pytest

from test_nosec import operations

GROUPS, SERVERS = "policy/groups.conf", "policy/servers.conf"

TASK = """<config>
  <lwm2mBootstrapConfiguration serverId="mgmt"/>
  <lwm2mBootstrap performBootstrapFinish="true"/>
</config>
"""


@pytest.fixture
def appliance(cradled):
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


def test_a_server_a_group_and_a_task_by_command_are_live_and_remarks_stay(appliance, tmp_path):
    groups, servers = appliance.read(GROUPS), appliance.read(SERVERS)
    task = tmp_path / "account.xml"
    task.write_text(TASK.replace("<lwm2mBootstrapConfiguration serverId=\"mgmt\"/>", """
  <lwm2mBootstrap performBootstrapFinish="false">
    <write key="/1/3/1" value="77"/>
  </lwm2mBootstrap>"""))
    before = appliance.result("status")["generation"]
    text = done(appliance.ctl("server", "add", "mgmt", "--uri", "lwm2m.example.org", "--ssid", "11"))
    assert "server mgmt added" in text and f"generation {before} -> {before + 1}" in text
    assert "coaps://lwm2m.example.org:5684" in done(appliance.ctl("server", "show", "mgmt"))
    done(appliance.ctl("group", "add", "root.demo.line-1", "--description", "by command"))
    done(appliance.ctl("task", "add", task, "--group", "root.demo", "--priority", "20", "--comment", "made by a test"))
    assert appliance.result("status")["generation"] == before + 3
    assert appliance.read("policy/tasks/account.xml") == task.read_text()
    shown = done(appliance.ctl("task", "list", "--group", "root.demo"))
    assert "g:root.demo:2" in shown and "made by a test" in shown

    # Both tasks run: that of the file, then that of the command.
    code, events = appliance.device("ep=demo-0001")
    assert code == 0 and [step["path"] for step in operations(events)] == ["/0/2", "/1/0", "/1/3", "/bs"]

    # What a person wrote is still there: every remark, and every line of the other entries.
    for old, new in ((groups, appliance.read(GROUPS)), (servers, appliance.read(SERVERS))):
        assert remarks(old) == remarks(new)
        kept = iter(new.splitlines())
        lost = [line for line in old.splitlines() if not any(line in other for other in kept)]
        assert lost == []

    done(appliance.ctl("task", "pause", "g:root.demo:2"))
    _, events = appliance.device("ep=demo-0001")
    assert [step["path"] for step in operations(events)] == ["/0/2", "/1/0", "/bs"]
    done(appliance.ctl("task", "remove", "g:root.demo:2", "--with-file"))
    done(appliance.ctl("server", "remove", "mgmt"))
    done(appliance.ctl("group", "remove", "root.demo.line-1"))
    assert not (appliance.folder / "policy/tasks/account.xml").exists()
    assert [name for name in os.listdir(appliance.folder / "policy") if name.startswith(".")] == []
    # Byte for byte, but for the number that keeps the other task's id.
    assert appliance.read(SERVERS) == servers
    assert re.sub(r"\n *number = 1;", "", appliance.read(GROUPS)) == groups
    assert "number = 1;" in appliance.read(GROUPS)


def test_a_server_added_by_command_is_written_to_a_device(appliance, tmp_path):
    task = tmp_path / "account.xml"
    task.write_text(TASK)
    done(appliance.ctl("server", "add", "mgmt", "--uri", "lwm2m.example.org", "--ssid", "11", "--identity",
                       "${device.endpointName}", "--psk", "${sv.password}", "--lifetime", "77",
                       "--server-instance", "3"))
    done(appliance.ctl("task", "add", task, "--group", "root.demo", "--priority", "20"))
    code, events = appliance.device("ep=demo-0001")
    written = {step["path"]: step["payload"] for step in operations(events) if step.get("payload")}
    assert code == 0
    assert b"coaps://lwm2m.example.org:5684".hex() in written["/0/11"]
    assert b"demo-0001".hex() in written["/0/11"]
    assert "c1014d" in written["/1/3"]  # lifetime 77
    text = refused(appliance.ctl("server", "remove", "mgmt"))
    assert "server mgmt is written by g:root.demo:2" in text


def test_wrong_input_is_refused_whole_with_places(appliance, tmp_path):
    groups, servers = appliance.read(GROUPS), appliance.read(SERVERS)
    generation = appliance.result("status")["generation"]
    bad = tmp_path / "bad.xml"
    bad.write_text("<config>\n <lwm2mBootstrap>\n  <wirte key='/0/1/0'/>\n  <write key='/0/1/10' value='x'/>\n"
                   " </lwm2mBootstrap>\n</config>\n")
    text = refused(appliance.ctl("task", "add", bad, "--group", "root.demo"))
    assert "tasks/bad.xml:3:" in text and "tasks/bad.xml:4:" in text and "nothing was changed" in text
    text = refused(appliance.ctl("server", "add", "m2", "--uri", "coap://h", "--ssid", "0", "--binding", "Z"))
    assert text.count("servers.conf:") == 3  # scheme, SSID, binding
    for words in ("write coaps", "0 is out of range", "a binding is made of"):
        assert words in text
    assert "did you mean \"root.demo\"" in refused(appliance.ctl("group", "edit", "root.dmo", "--priority", "1"))
    assert "2 devices" in refused(appliance.ctl("group", "remove", "root.demo"))
    assert appliance.ctl("server", "add", "m2", "--ssid", "two").returncode == 2
    # A reload that refuses for another file's sake puts the folder back, too.
    settings = appliance.read("cradle.conf")
    appliance.write("cradle.conf", "workres = 1;\n" + settings)
    text = refused(appliance.ctl("group", "add", "root.new"))
    assert "cradle.conf:1: error:" in text and f"still running generation {generation}" in text
    appliance.write("cradle.conf", settings)
    assert appliance.read(GROUPS) == groups and appliance.read(SERVERS) == servers
    assert not (appliance.folder / "policy/tasks/bad.xml").exists()
    assert appliance.result("status")["generation"] == generation
    answer = appliance.ctl("--json", "group", "add", "toor")
    assert answer.returncode == 1 and '"changed":false' in answer.stdout and '"diagnostics":[{' in answer.stdout


def test_a_folder_that_cannot_be_read_or_written_keeps_the_old_serving(appliance):
    policy, away = appliance.folder / "policy", appliance.folder / "away"
    generation = appliance.result("status")["generation"]
    policy.rename(away)
    policy.write_text("not a folder")
    for command in (("reload",), ("group", "add", "root.x"), ("server", "edit", "management-psk", "--ssid", "9")):
        text = refused(appliance.ctl(*command))
        assert "policy/" in text and "Not a directory" in text
    assert appliance.device("ep=demo-0001")[0] == 0
    policy.unlink()
    away.rename(policy)

    assert appliance.result("status")["generation"] == generation
    done(appliance.ctl("group", "add", "root.x"))
    assert appliance.result("status")["generation"] == generation + 1


class Restricted:
    """A network whose programs run without root's right to read and write every file."""

    def __init__(self, network):
        self.network = network

    def __getattr__(self, name):
        return getattr(self.network, name)

    def command(self, *argv):
        return self.network.command("setpriv", "--bounding-set", "-dac_override,-dac_read_search", *argv)


def test_missing_permissions_are_named_and_the_old_serves(cradled):
    def restrict(appliance):
        appliance.network = Restricted(appliance.network)
    appliance = cradled(prepare=restrict)
    policy, file = appliance.folder / "policy", appliance.folder / GROUPS
    generation, groups = appliance.result("status")["generation"], appliance.read(GROUPS)
    file.chmod(0)
    for command in (("reload",), ("group", "add", "root.x"), ("task", "pause", "g:root.demo:1")):
        text = refused(appliance.ctl(*command))
        assert "groups.conf: error: cannot be read: Permission denied" in text
    assert appliance.device("ep=demo-0001")[0] == 0
    file.chmod(0o644)
    policy.chmod(0o555)
    text = refused(appliance.ctl("group", "add", "root.x"))
    assert "groups.conf cannot be written: Permission denied; check owner and mode" in text and "; nothing was changed" in text
    assert appliance.read(GROUPS) == groups
    assert appliance.result("status")["generation"] == generation
    policy.chmod(0o755)
    done(appliance.ctl("group", "add", "root.x"))
    assert appliance.result("status")["generation"] == generation + 1
    assert file.stat().st_mode & 0o777 == 0o644


def test_secrets_of_commands_stay_out_of_the_log(appliance):
    done(appliance.ctl("group", "value", "set", "root.demo", "pin", "4711-0815", "--secret"))
    done(appliance.ctl("server", "edit", "management-psk", "--psk=correct-horse"))
    assert appliance.ctl("server", "edit", "management-psk", "--psk", "wrong-horse", "--ssid", "x").returncode == 2
    shown = done(appliance.ctl("group", "show", "root.demo")) + done(appliance.ctl("server", "show", "management-psk"))
    log = appliance.log()
    assert "command group value set root.demo pin ******** --secret by uid 0" in log
    assert "command server edit management-psk --psk=******** by uid 0" in log
    for secret in ("4711-0815", "correct-horse", "wrong-horse"):
        assert secret not in log + shown


COSTLY, LONG = "(((((a*)+)+)+)+)+", "a" * 60 + "c"


def test_what_takes_a_pattern_too_long_is_refused_before_it_is_kept(appliance, tmp_path):
    task, rows = tmp_path / "match.xml", tmp_path / "rows.csv"
    task.write_text("""<config><if expr="${sv.text.matches('PATTERN') ? false}"><log message="x"/></if></config>"""
                    .replace("PATTERN", COSTLY))
    done(appliance.ctl("task", "add", task, "--group", "root.demo", "--name", "match"))
    done(appliance.ctl("group", "value", "set", "root.demo", "text", "aa"))
    groups, generation = appliance.read(GROUPS), appliance.result("status")["generation"]

    text = refused(appliance.ctl("group", "value", "set", "root.demo", "text", LONG))
    assert 'value "text" of group root.demo' in text and "task match" in text and "such as demo-000" in text, text
    assert appliance.read(GROUPS) == groups

    rows.write_text(f"endpoint,groups,value.text\nnew-1,root.demo,aa\nnew-2,root.demo,{LONG}\n")
    for how in ((), ("--verify-only",)):
        text = refused(appliance.ctl("device", "import", rows, *how))
        assert ":3: error: device new-2: " in text and "task match" in text and ":2:" not in text, text
    assert appliance.ctl("device", "show", "new-1").returncode == 1
    assert appliance.ctl("device", "import", rows, "--skip-bad").returncode == 1
    done(appliance.ctl("device", "show", "new-1"))
    assert appliance.ctl("device", "show", "new-2").returncode == 1

    appliance.write(GROUPS, groups.replace('"aa"', f'"{LONG}"'))
    for command in ("check", "reload"):
        text = refused(appliance.ctl(command))
        assert 'value "text" of group root.demo' in text and "task match" in text, text
    assert appliance.result("status")["generation"] == generation
    appliance.write(GROUPS, groups)
    done(appliance.ctl("reload"))
