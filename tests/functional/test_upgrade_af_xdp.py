"""The program is replaced on an AF_XDP port, whose queue is one process's at a time: it changes hands; and so it does where
the next configuration has another driver on the same interface, as a fallback has."""
import re
import socket
import subprocess

import pytest

from conftest import wait_for
from scripted import Scripted
from test_upgrade import DEVICES, PATHS, devices_survive_upgrades, is_reported, key_rows, upgrade

PORT, AF_XDP, AF_PACKET = r"net_af_(xdp|packet)0,iface=cradle0", "net_af_xdp0,iface=cradle0", "net_af_packet0,iface=cradle0"


def why_not():
    """What of AF_XDP is missing here, or None."""
    try:
        socket.socket(44, socket.SOCK_RAW).close()
    except OSError as error:
        return f"this kernel gives us no AF_XDP socket: {error}"
    found = subprocess.run("ls /usr/lib/*/dpdk/pmds-*/librte_net_af_xdp.so*", shell=True, capture_output=True)
    return None if found.returncode == 0 else "DPDK has no driver of AF_XDP here"


pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))


@pytest.fixture
def one(cradled):
    return cradled(settings={PORT: AF_XDP, r"^sessions = \d+": "sessions = 16384"}, prepare=lambda daemon: daemon.write(
        "devices.csv", key_rows(DEVICES) + "demo-0001,demo-key-0001-demo,root.demo,mgmt-0001,pw\n"))


def driver(one):
    return one.result("status")["ports"][0]["driver"]


def with_device(one, device):
    """Another configuration, which has this device in place of the port's own."""
    other = one.folder / "other.conf"
    other.write_text(re.sub(PORT, device, one.read("cradle.conf")))
    return other


@pytest.mark.long
def test_no_device_fails_while_the_queue_changes_hands_again_and_again(one, tmp_path):
    assert driver(one) == "net_af_xdp"
    devices_survive_upgrades(one, tmp_path, ["--psk", "--cid"])
    assert driver(one) == "net_af_xdp"


def test_af_packet_takes_over_from_af_xdp(one):
    """As a fallback: the next process's socket is open while the queue is still the former one's."""
    mac = one.result("status")["ports"][0]["mac"]
    client = Scripted(one.network, "ep=demo-0001")
    step = client.begin()
    said = upgrade(one, "--with", with_device(one, AF_PACKET))
    assert said["running"] == 1 and said["lost"] == {}, said
    assert driver(one) == "net_af_packet" and one.result("status")["ports"][0]["mac"] == mac
    assert client.run(step)[0] == PATHS
    is_reported(one, "demo-0001")
    assert one.device("ep=demo-0001")[0] == 0, "a device that comes anew"
    # The way back needs calls that af_packet's process gave up: that is said, and it serves on.
    client = Scripted(one.network, "ep=demo-0001")
    step = client.begin()
    answer = one.ctl("upgrade", "--with", with_device(one, AF_XDP))
    assert answer.returncode == 1 and "lists are inherited: stop and start" in answer.stderr, answer.stderr
    assert driver(one) == "net_af_packet"
    assert client.run(step)[0] == PATHS
    assert one.device("ep=demo-0001")[0] == 0


def test_the_queue_comes_back_where_the_next_process_cannot_open_its_port(one):
    """It finds that only when this one has closed its own."""
    client = Scripted(one.network, "ep=demo-0001")
    step = client.begin()
    before = one.process.pid
    answer = one.ctl("upgrade", "--with", with_device(one, AF_XDP + ",start_queue=77"))
    assert answer.returncode == 1 and "this process goes on" in answer.stderr, answer.stderr
    assert "start_queue=77" in answer.stderr, answer.stderr
    assert one.process.pid == before and one.process.poll() is None and driver(one) == "net_af_xdp"
    assert client.run(step)[0] == PATHS
    wait_for(lambda: one.device("ep=demo-0001")[0] == 0, "a device that comes anew", 60)
    assert upgrade(one)["lost"] == {}
    assert one.device("ep=demo-0001")[0] == 0
