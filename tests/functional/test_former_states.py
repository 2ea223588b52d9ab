"""What a former version left on the disk is served, and nothing of it is lost."""
import pytest

import former_state
from conftest import SERVER4, wait_for
from dtls_client import DtlsClient
from test_psk import bootstrap

VERSIONS = sorted(path.name for path in former_state.STATES.iterdir() if path.is_dir())


@pytest.fixture(params=VERSIONS)
def upgraded(request, cradled):
    def prepare(daemon):
        (daemon.folder / "devices.csv").unlink()
        former_state.lay(request.param, daemon.folder / "cradle.db", daemon.folder / "policy")
    return cradled(prepare=prepare)


def report(daemon, device):
    """The last report of the device's only task."""
    [row] = daemon.result("report", "list", "--device", device)["reports"]
    return row


def test_devices_groups_and_reports_of_a_former_version_are_there(upgraded):
    assert [row["endpoint"] for row in upgraded.result("device", "list")["devices"]] == [
        "demo-0001", "demo-0002", "meter-0001"]
    for device, summary in (("demo-0001", "3 operations accepted"), ("meter-0001", "5 operations accepted")):
        found = report(upgraded, device)
        assert (found["status"], found["summary"]) == ("Success", summary)
    assert "a meter of region north" in upgraded.ctl("report", "show", "g:root.meters:1", "meter-0001").stdout
    assert "stranger-1" in upgraded.ctl("unknown", "list").stdout
    values = upgraded.ctl("device", "show", "meter-0001").stdout
    assert "m-0001" in values and "password of meter 1" not in values
    secret = upgraded.ctl("group", "show", "root.meters").stdout
    assert "token" in secret and "a secret of all meters" not in secret


def test_devices_of_a_former_version_keep_their_keys_and_what_ran_once(upgraded, network):
    network.run("ip", "neigh", "flush", "dev", "dev0")
    before = {device: report(upgraded, device) for device in ("demo-0001", "meter-0001")}
    client = DtlsClient(network.udp(), (SERVER4, 5684), b"demo-0001", b"demo-key-0001-demo").handshake()
    bootstrap(client)
    wait_for(lambda: report(upgraded, "demo-0001")["started_ms"] != before["demo-0001"]["started_ms"], "a new report")
    # Its only task runs once, and did: the device is told that there is nothing for it.
    DtlsClient(network.udp(), (SERVER4, 5684), b"meter-0001", b"key-of-meter-0001").handshake()
    assert upgraded.ctl("task", "preview", "meter-0001").returncode == 0
    assert "once" in upgraded.ctl("why", "meter-0001").stdout
    assert report(upgraded, "meter-0001") == before["meter-0001"]


def test_the_group_of_the_tasks_stays_editable_after_an_upgrade(upgraded):
    assert upgraded.ctl("task", "edit", "g:root.meters:1", "--comment", "kept").returncode == 0
    assert upgraded.ctl("server", "show", "fleet").returncode == 0
