"""Every tag of the task language end to end: the real program, a device that shares no code with it, and what is kept."""
import pytest

import lwm2m
from conftest import wait_for
from test_nosec import operations, report_of

FOREIGN = ["set", "get", "execute", "add", "in", "rest", "wait", "mail", "alert"]
FILE = bytes(range(256))
LINKS = "</>;lwm2m=1.1,</0/0>,</0/1>;ssid=7,</1/0>;ssid=7"
SERVER = '[{"bn":"/1/0/","n":"0","v":7},{"n":"1","v":4711}]'
WRITE = '<write key="LwM2M Server.{}.Lifetime" value="{}"/>'

# Device: its task, between <config> and </config>. Each is of a group of its own.
TASKS = {
    "effects": """
  <comment text="what a task leaves behind"/>
  <defaults target="interval" value="30"/>
  <defaults target="kind" value="never: it is set"/>
  <store target="lifetime" value="${sv.interval}"/>
  <store type="devProp" target="site" value="north-${#lifetime}-${sv.kind}"/>
  <store type="devProp" target="token" value="word-to-hide" secret="true"/>
  <store type="history" target="model" value="A1"/>
  <removeProperty target="old"/>
  <join group="root.joined"/>
  <leave group="root.left"/>
  <log message="too fine" level="DEBUG"/>
  <log message="${device.endpointName} is at ${sv.site}, old: ${sv.old ? 'gone'}" level="INFO"/>
  <lwm2mBootstrap><write key="LwM2M Server.0.Lifetime" value="${#lifetime.toInt}"/></lwm2mBootstrap>
  <finish status="WARNING" message="half of it"/>""",
    "flow": """
  <if expr="${sv.kind == 'b'}"><log message="is b"/><else><log message="is not b"/></else></if>
  <foreach list="${'1,2'.split(',')}" iterator="n">
    <lwm2mBootstrap performBootstrapFinish="false">""" + WRITE.format("${#n}", "60") + """</lwm2mBootstrap>
  </foreach>
  <foreach list="${device.directGroups}"><log message="in ${#i}"/></foreach>
  <store target="k" value="3"/>
  <while expr="${#k.toInt lt 5}">
    <lwm2mBootstrap performBootstrapFinish="false">""" + WRITE.format("${#k}", "60") + """</lwm2mBootstrap>
    <store target="k" value="${#k.toInt + 1}"/>
  </while>
  <lwm2mBootstrap/>""",
    "endless": '<while expr="${true}"><comment/></while><lwm2mBootstrap/>',
    "files": '<lwm2mBootstrap><upload key="LwM2M Security.5.Server Public Key" resourceId="server.der"/></lwm2mBootstrap>',
    "no-file": '<lwm2mBootstrap><upload key="LwM2M Security.5.Server Public Key" resourceId="none.der"/></lwm2mBootstrap>',
    "answers": """
  <lwm2mBootstrap performBootstrapFinish="false">
    <delete key="LwM2M Server.3"/>
    <discover output="links"/>
    <read key="LwM2M Server.0" output="server"/>
  </lwm2mBootstrap>
  <log message="own account ${#links.bootstrapAccount}, lifetime ${#server.value('/1/0/1')}"/>
  <lwm2mBootstrap>
    <write key="LwM2M Server.${#links.freeInstance(1)}.Lifetime" value="${#server.value('/1/0/1').toInt + 1}"/>
  </lwm2mBootstrap>""",
    "accounts": """
  <lwm2mBootstrapCleanse/>
  <lwm2mBootstrapConfiguration serverName="device management" securityInstanceId="4" serverInstanceId="6"/>
  <lwm2mBootstrapConfiguration serverId="management-psk"/>
  <lwm2mBootstrap performBootstrapFinish="true"/>""",
    "account": """
  <lwm2mBootstrap>
    <write key="LwM2M Security.2.LwM2M Server URI" value="coaps://uri.example:5684"/>
    <write key="LwM2M Security.2.Secret Key" value="${sv.password.encodeHex}"/>
  </lwm2mBootstrap>""",
    "stops": '<lwm2mBootstrap>' + WRITE.format(0, 60) + '</lwm2mBootstrap><finish status="ERROR" message="no further"/>',
    "not-today": '<log message="kind is ${sv.kind}"/><finish status="ERROR" message="not today"/>',
    "never": '<log message="drew ${string.random(8).length}"/><finish status="ERROR" message="never"/>',
    "discards": '<store type="history" target="model" value="A1"/><log message="a word"/><lwm2mBootstrap/>',
    "roots": """
  <foreach list="${('id=' + device.id + '|ep=' + device.endpointName + '|domain=' + (device.domain ? 'none') +
     '|identity=' + device.identity + '|direct=' + device.directGroups.join('+') +
     '|groups=' + device.groups.contains('root') + device.groups.contains('root.roots') +
     '|in=' + device.isInGroup('root') + device.isInGroup('root.flow') +
     '|kind=' + device.property.kind + (device.property.`no such` ? '-') +
     '|created=' + (device.creationTime gt 1600000000)).split('[|]')}">
    <log message="${#i}"/>
  </foreach>
  <foreach list="${('event=' + lwm2m.bootstrapEvent + '|version=' + lwm2m.version + '|pct=' + lwm2m.preferredContentFormat +
     ', last=' + (device.lastBootstrapTime ? 0 gt 1600000000) +
     '|task=' + task.id + ' ' + task.name + ' ' + task.group + ' ' + task.priority +
     '|sv=' + sv.kind + ' ' + sv.`kind` + ' ' + sv.get('ki' + 'nd') + ' ' + (sv.get('none') ? '-') +
     '|res=' + res.sites.by('ep').get(device.endpointName).uri + ' ' + (res.sites.by('ep').get('x').uri ? '-') +
     '|random=' + string.random(9).length + string.secureRandom(9).length).split('[|]')}">
    <log message="${#i}"/>
  </foreach>
  <lwm2mBootstrap/>""",
}
GROUPS = [*TASKS, "joined", "left"]


def prepare(daemon):
    for device, body in TASKS.items():
        daemon.write(f"policy/tasks/{device}.xml", f"<config>{body}\n</config>\n")
    (daemon.folder / "policy/resources").mkdir()
    (daemon.folder / "policy/resources/server.der").write_bytes(FILE)
    daemon.write("policy/resources/sites.csv", "ep,uri\nroots,coaps://roots.example\n")
    daemon.write("policy/groups.conf", "groups = (\n" + ",\n".join(
        f'{{ name = "root.{name}";' + (f' tasks = ( {{ name = "{name}"; file = "{name}.xml"; active = true;'
                                      f'{" discard_details = true;" if name == "discards" else ""} }} );'
                                      if name in TASKS else "") + " }" for name in GROUPS) + "\n);\n")
    daemon.write("devices.csv", "endpoint,key,groups,value.kind,value.old,value.managementId,value.password\n" + "".join(
        f'{name},key-{name}-0123456,"root.{name}{",root.left" if name == "effects" else ""}",b,x,mgmt-{name},word-to-hide\n'
        for name in TASKS))


@pytest.fixture(scope="module")
def bench(stage):
    yield stage.start(prepare=prepare)
    stage.clear()


def arrived(events):
    return [(e["method"], e["path"]) for e in operations(events)]


def ended(daemon, device, status="Success", line=""):
    """The report's summary and its log, once the task has ended so and the log, which is written a little later, has the line."""
    def over():
        report = report_of(daemon, device)
        if not report or report["status"] != status:
            return None
        shown = daemon.result("report", "show", f"g:root.{device}:1", device)
        log = shown["log"] or ""
        return (shown["report"]["summary"], log) if line in log else None
    return wait_for(over, f"{device} to end with {status} and {line!r}")


def values_of(daemon, device):
    return {v["name"]: v for v in daemon.result("device", "show", device)["values"]}


def effects_are_kept(daemon):
    shown = daemon.result("device", "show", "effects")
    values = {v["name"]: v for v in shown["values"]}
    assert "old" not in values
    assert (values["site"]["value"], values["site"]["origin"]) == ("north-30-b", "device")
    assert values["token"]["secret"] and "word-to-hide" not in str(shown)
    assert set(shown["groups"]) == {"root.effects", "root.joined"}


def test_store_defaults_log_finish_join_leave_and_remove_property(bench):
    assert values_of(bench, "effects")["old"]["value"] == "x"
    code, events = bench.device("ep=effects")
    assert code == 0 and arrived(events) == [("PUT", "/1/0"), ("POST", "/bs")]
    assert lwm2m.integer(lwm2m.resources(bytes.fromhex(operations(events)[0]["payload"]))[1]) == 30
    summary, log = ended(bench, "effects", "Warning", "history")
    assert "half of it" in summary
    assert "info effects is at north-30-b, old: gone" in log and "too fine" not in log
    assert "history model = A1" in log
    assert "word-to-hide" not in log
    wait_for(lambda: "site" in values_of(bench, "effects"), "the property")
    effects_are_kept(bench)
    assert "word-to-hide" not in bench.log()


@pytest.mark.parametrize("device,line", [("not-today", "kind is b"), ("never", "drew 8")])
def test_a_task_that_sends_nothing_keeps_its_log(bench, device, line):
    """Compiled ahead, or for its session: the log says why, and there is nothing else to look at."""
    code, events = bench.device(f"ep={device}")
    assert code == 1 and operations(events) == []
    summary, log = ended(bench, device, "Error", line)
    assert device.replace("-", " ") in summary


def test_discarded_details_are_neither_log_nor_history(bench):
    assert bench.device("ep=discards")[0] == 0
    ended(bench, "discards")
    bench.device("ep=flow")
    ended(bench, "flow", line="is ")  # written later, and there: so is what there is of the other
    assert ended(bench, "discards")[1] == ""


def test_if_else_foreach_and_while(bench):
    code, events = bench.device("ep=flow")
    assert code == 0, events
    assert arrived(events) == [("PUT", "/1/1"), ("PUT", "/1/2"), ("PUT", "/1/3"), ("PUT", "/1/4"), ("POST", "/bs")]
    _, log = ended(bench, "flow", line="is b")
    assert "is b\n" in log and "is not b" not in log and "in root.flow\n" in log
    assert bench.ctl("device", "value", "set", "flow", "kind", "c").returncode == 0
    assert bench.device("ep=flow")[0] == 0
    ended(bench, "flow", line="is not b\n")


def test_a_while_without_end_is_bounded(bench):
    code, events = bench.device("ep=endless")
    assert code == 1 and operations(events) == []
    summary, _ = ended(bench, "endless", "Error")
    assert "while" in summary


def test_upload_writes_a_file_of_the_resources_folder(bench):
    code, events = bench.device("ep=files")
    assert code == 0 and arrived(events) == [("PUT", "/0/5"), ("POST", "/bs")]
    assert lwm2m.resources(bytes.fromhex(operations(events)[0]["payload"])) == {4: FILE}


def test_upload_of_a_file_that_is_not_there_names_it(bench):
    code, events = bench.device("ep=no-file")
    assert code == 1 and operations(events) == []
    summary, _ = ended(bench, "no-file", "Error")
    assert "upload" in summary and "none.der" in summary


def test_delete_discover_and_read_with_what_they_bring_back(bench):
    code, events = bench.device("-p", f"2=40:{LINKS}", "-p", f"3=110:{SERVER}", "ep=answers", "pct=110")
    assert code == 0, events
    assert arrived(events) == [("DELETE", "/1/3"), ("GET", "/"), ("GET", "/1/0"), ("PUT", "/1/1"), ("POST", "/bs")]
    assert b"4712" in bytes.fromhex(operations(events)[3]["payload"])
    ended(bench, "answers", line="own account 0, lifetime 4711")


def test_cleanse_and_configuration(bench):
    code, events = bench.device("ep=accounts")
    assert code == 0, events
    assert arrived(events) == [("DELETE", "/0"), ("DELETE", "/1"), ("PUT", "/0/4"), ("PUT", "/1/6"), ("PUT", "/0/2"),
                               ("PUT", "/1/2"), ("POST", "/bs")]
    account = lwm2m.resources(bytes.fromhex(operations(events)[2]["payload"]))
    assert account[0] == b"coaps://lwm2m.example.com:5684" and account[3] == b"mgmt-accounts" and len(account[5]) == 24
    assert account[1] == b"\0" and account[2] == b"\0" and account[10] == b"\2"


def test_finish_with_error_sends_nothing_of_the_task(bench):
    code, events = bench.device("ep=stops")
    assert code == 1 and operations(events) == []
    assert "no further" in ended(bench, "stops", "Error")[0]


@pytest.mark.parametrize("pct,version,last", [(None, "1.0", "false"), (11542, "1.0", "true"), (112, "1.1", "true"),
                                              (11544, "1.2", "true")])
def test_every_root_of_the_expressions(bench, pct, version, last):
    queries = [f"pct={pct}"] if pct else []
    assert bench.device("ep=roots", *queries)[0] == 0
    log = ended(bench, "roots", line=f"info pct={pct or 11542}, last={last}\n")[1].splitlines()
    number = bench.result("device", "show", "roots")["id"]
    for line in (f"id={number}", "ep=roots", "domain=none", "identity=roots", "direct=root.roots", "groups=truetrue",
                 "in=truefalse", "kind=b-", "created=true", "event=bootstrap", f"version={version}",
                 "task=g:root.roots:1 roots root.roots 10", "sv=b b b -", "res=coaps://roots.example -", "random=99"):
        assert f"info {line}" in log


def test_a_preview_is_decoded_and_shows_no_secret(bench):
    text = bench.ctl("task", "preview", "account").stdout
    assert "PUT /0/2" in text and "LWM2M Server URI = coaps://uri.example:5684" in text
    assert "Secret Key = (12 bytes)" in text
    for fmt in (11542, 110, 112, 11544):
        shown = bench.ctl("task", "preview", "account", "--format", fmt).stdout
        assert "LWM2M Server URI = coaps://uri.example:5684" in shown
        assert "word-to-hide" not in shown and b"word-to-hide".hex() not in shown
    assert "word-to-hide" not in bench.ctl("--json", "task", "preview", "account").stdout
    assert "follows depends on the answer to step 2" in bench.ctl("task", "preview", "answers").stdout


@pytest.mark.parametrize("tag", FOREIGN)
def test_tags_of_device_management_are_refused_by_name(build, network, tmp_path, tag):
    import subprocess
    task = tmp_path / "task.xml"
    task.write_text(f"<config>\n  <{tag}/>\n</config>\n")
    done = subprocess.run([f"{build}/tools/cradlectl", "task", "check", task], text=True, capture_output=True)
    assert done.returncode == 1
    assert "task.xml:2:" in done.stderr + done.stdout and f"<{tag}>" in done.stderr + done.stdout
    assert "which a bootstrap appliance does not do" in done.stderr + done.stdout


def test_bootstraps_from_ready_batches_and_per_session_are_told_apart(bench):
    def counts():
        counters = bench.counters()
        return [counters[name] for name in ("bs_ready", "bs_made_per_session", "bs_made_on_demand")]
    bench.device("ep=account")  # its format is the published one now
    before = counts()
    for device in ("account", "account", "accounts"):
        assert bench.device(f"ep={device}")[0] == 0
    assert [after - old for after, old in zip(counts(), before)] == [2, 1, 0]
    assert bench.device("ep=account", "pct=112")[0] == 0
    assert [after - old for after, old in zip(counts(), before)] == [2, 1, 1]
    assert "from ready batches" in bench.ctl("status").stdout


def test_what_tasks_changed_survives_a_restart(bench):
    """Last of this file: the appliance starts again."""
    if "site" not in values_of(bench, "effects"):
        bench.device("ep=effects")
        wait_for(lambda: "site" in values_of(bench, "effects"), "the property")
    assert bench.stop() == 0, bench.log()
    (bench.folder / "devices.csv").unlink()  # no import: what was kept is what is there
    bench.start()
    effects_are_kept(bench)
    ended(bench, "effects", "Warning", "history model = A1")
