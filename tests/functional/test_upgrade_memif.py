"""The program is replaced behind a memif, which is a socket between two processes: it changes hands, and its peer connects
again."""
import json
import signal
import subprocess

import pytest

from conftest import SERVER4, wait_for
from test_storm import Storm
from test_upgrade import upgrade

DEVICES, BUSY, UPGRADES = 2000, 20, 2


@pytest.fixture
def storm(build, network, tmp_path):
    one = Storm(build, network, tmp_path, {r"^sessions = \d+": "sessions = 16384"}, devices=DEVICES)
    yield one
    assert one.stop() == 0, one.daemon.log()


def test_no_device_fails_while_a_memif_changes_hands_again_and_again(storm, tmp_path):
    """Until it is told to end, so that however slow the machine is devices are in the middle of something."""
    one = storm
    with open(tmp_path / "storm.log", "w", encoding="utf8") as log:
        swarm = subprocess.Popen(one.network.command(
            f"{one.build}/tools/storm/cradlestorm", "--port", f"net_memif0,role=client,socket={one.memif}", "--server",
            SERVER4, "--source", "198.18.0.10+50", "--devices", DEVICES, "--rtt", "150:50", "--rate", 150, "--duration",
            600, "--psk", "--cid", "--json", "-"), stdout=subprocess.PIPE, stderr=log, text=True)
    passed = []
    try:
        for _ in range(UPGRADES):
            wait_for(lambda: sum(worker["running"] for worker in one.daemon.result("status")["workers"]) > BUSY,
                     "devices in the middle of their runs", 60)
            said = upgrade(one.daemon)
            assert said["lost"] == {}
            passed.append(said["running"] + said["handshakes"])
        wait_for(lambda: one.daemon.counters()["bs_finished"] > 200, "devices to go on", 60)
    finally:
        swarm.send_signal(signal.SIGINT)
        out, _ = swarm.communicate(timeout=60)
    report = json.loads(out)
    outcomes = {name: n for name, n in report["outcomes"].items() if n}
    assert not set(outcomes) - {"done", "unfinished"} and outcomes["done"] > 200, (outcomes, passed)
    assert max(passed) > BUSY, passed
    # Nothing is copied on the way, so a record number that came before was used twice by us.
    assert report["wire"]["replayed"] == report["wire"]["bad_tags"] == 0, report["wire"]
    assert report["generator"]["link_down_us"] > 0


def test_a_memif_comes_back_where_the_next_process_cannot_open_its_ports(storm):
    """It finds that only when this one has closed its own."""
    assert storm.run("--devices", 20)[1]["done"] == 20
    conf = storm.daemon.read("cradle.conf")
    storm.daemon.edit("cradle.conf", r'device = "(net_memif0[^"]*)"', r'device = "\1,rsize=99"')
    answer = storm.daemon.ctl("upgrade")
    storm.daemon.write("cradle.conf", conf)
    assert answer.returncode == 1 and "this process goes on" in answer.stderr, answer.stderr
    assert "rsize=99" in answer.stderr, answer.stderr
    assert storm.run("--devices", 20)[1]["done"] == 20
    assert upgrade(storm.daemon)["lost"] == {}
    assert storm.run("--devices", 20)[1]["done"] == 20
