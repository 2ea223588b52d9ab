"""Who changed what: told for every change, provable, and without a secret in it."""
import json
import os
import re

from conftest import wait_for

SECRET = "a secret that nobody may read"


def lines_of(appliance):
    return [json.loads(line) for line in (appliance.folder / "cradle.db-audit").read_text().splitlines()]


def test_each_change_is_told_with_who_what_before_and_after(stage):
    appliance = stage.start()
    for words in (["device", "value", "set", "demo-0001", "note", SECRET, "--secret"],
                  ["group", "add", "root.audited", "--description", "for the test"],
                  ["group", "value", "set", "root.audited", "password", SECRET],
                  ["group", "remove", "root.nowhere"],
                  ["device", "edit", "demo-0002", "--key", SECRET],
                  ["device", "remove", "demo-0002"]):
        appliance.ctl(*words)
    assert appliance.ctl("group", "list").returncode == 0  # looks: is not told
    value, added, group_value, refused, edited, removed = lines_of(appliance)[-6:]
    assert value["by"]["uid"] == os.getuid() and value["outcome"] == "done"
    assert value["command"][-2:] == ["********", "--secret"] and value["after"]["values"]["note"] == "********"
    assert "before" not in added and added["after"]["groups"][0]["description"] == "for the test"
    assert group_value["before"]["groups"][0]["name"] == "root.audited"
    assert "********" in json.dumps(group_value["after"])
    assert refused["outcome"] == "refused" and "root.nowhere" in refused["error"]
    assert edited["before"]["endpoint"] == "demo-0002" and "after" in edited
    assert removed["before"]["endpoint"] == "demo-0002" and "after" not in removed
    assert SECRET not in (appliance.folder / "cradle.db-audit").read_text() + appliance.log()
    listed = appliance.ctl("audit", "list", "--limit", "2").stdout.splitlines()
    assert len(listed) == 3 and "device remove demo-0002" in listed[2]
    appliance.process.send_signal(1)
    wait_for(lambda: lines_of(appliance)[-1]["command"] == ["reload", "(SIGHUP)"], "the reload's line")


def test_a_changed_file_is_found_out_and_so_is_one_made_anew(stage, tmp_path):
    appliance = stage.start()
    assert appliance.ctl("group", "add", "root.one").returncode == 0
    assert appliance.ctl("group", "add", "root.two").returncode == 0
    good = appliance.ctl("audit", "verify")
    assert good.returncode == 0 and "follow" in good.stdout, good.stderr
    assert appliance.stop() == 0
    anchor = re.findall(r"audit: line (\d+) of \S+ is ([0-9a-f]{64})", appliance.log())[-1]
    (appliance.folder / "devices.csv").unlink()
    appliance.start()
    held = appliance.ctl("audit", "verify", "--anchor", ":".join(anchor))
    assert held.returncode == 0, held.stderr
    text = (appliance.folder / "cradle.db-audit").read_text()
    forged = tmp_path / "forged"
    forged.write_text(text.replace("root.one", "root.six"))
    found = appliance.ctl("audit", "verify", "--file", forged)
    assert found.returncode == 1 and "was changed" in found.stderr
    forged.write_text("".join(text.splitlines(keepends=True)[:1]))
    found = appliance.ctl("audit", "verify", "--file", forged, "--anchor", ":".join(anchor))
    assert found.returncode == 1 and "made anew or cut" in found.stderr


def test_what_cannot_be_told_is_not_done(stage):
    appliance = stage.start()
    (appliance.folder / "cradle.db-audit").rename(appliance.folder / "taken away")
    refused = appliance.ctl("group", "add", "root.untold")
    assert refused.returncode == 1 and "could not be told" in refused.stderr
    assert "root.untold" not in appliance.ctl("group", "list").stdout
    assert "audit" in appliance.ctl("status").stdout
    assert appliance.device("ep=demo-0001")[0] == 0  # devices are served
    (appliance.folder / "taken away").rename(appliance.folder / "cradle.db-audit")
    assert appliance.ctl("group", "add", "root.told").returncode == 0


def test_no_core_file_takes_keys_to_a_disk(daemon):
    limits = open(f"/proc/{daemon.process.pid}/limits").read()
    assert re.search(r"^Max core file size +0 +0 ", limits, re.M), limits
