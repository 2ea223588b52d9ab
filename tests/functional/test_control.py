"""The operator's side: reload as a transaction, exit codes, help, clean ends."""
import json
import os
import signal
import socket
import struct
import subprocess
from types import SimpleNamespace

import pytest

from conftest import ROOT, wait_for
from test_nosec import RawDevice, finish, operations


TASK = "policy/tasks/reference-task.xml"


def test_reload_of_a_bad_file_shows_every_diagnostic_and_keeps_serving(daemon):
    good = daemon.read(TASK)
    generation = daemon.result("status")["generation"]
    bad = good.replace("LwM2M Server.0.Lifetime", "LwM2M Server.0.Lifetme").replace('type="boolean"', 'type="bool"')
    daemon.write(TASK, bad)
    try:
        check = daemon.ctl("check")
        assert check.returncode == 1
        done = daemon.ctl("reload")
        assert done.returncode == 1
        text = done.stdout + done.stderr
        assert f"still running generation {generation}" in text
        assert text.count(": error: ") == 3  # one key, two types
        for number, line in enumerate(bad.splitlines(), 1):
            if "Lifetme" in line or '"bool"' in line:
                assert f"reference-task.xml:{number}:" in text
        assert "Lifetime" in text  # the nearest name
        assert daemon.result("status")["generation"] == generation
        assert daemon.device("ep=demo-0001")[0] == 0
    finally:
        daemon.write(TASK, good)
    assert daemon.ctl("check").returncode == 0


def test_reload_applies_and_a_session_finishes_on_its_generation(daemon, network):
    good = daemon.read(TASK)
    generation = daemon.result("status")["generation"]
    device = RawDevice(network)
    first = device.begin()
    daemon.edit(TASK, 'Lifetime" value="60"', 'Lifetime" value="61"')
    try:
        done = daemon.ctl("reload")
        assert done.returncode == 0, done.stdout + done.stderr
        assert str(generation + 1) in done.stdout
        device.send(first.answer("2.04"))
        second = device.receive()
        assert second.path == "/1/0" and b"\xc1\x01\x3c" in second.payload  # still 60
        assert finish(device, second) == ["/1/0", "/bs"]
        _, events = daemon.device("ep=demo-0001")
        assert "c1013d" in operations(events)[1]["payload"]  # 61
    finally:
        daemon.write(TASK, good)
        assert daemon.ctl("reload").returncode == 0


def test_reload_names_what_needs_a_restart(daemon):
    good = daemon.read("cradle.conf")
    daemon.edit("cradle.conf", r"^sessions = 1024", "sessions = 2048")
    daemon.edit("cradle.conf", r"max_retransmit = 4", "max_retransmit = 3")
    try:
        done = daemon.ctl("reload")
        assert done.returncode == 0
        text = done.stdout
        assert "max_retransmit" in text
        line = next(l for l in text.splitlines() if "sessions" in l and "restart" in text)
        assert "1024" in line and "2048" in line
    finally:
        daemon.write("cradle.conf", good)
        assert daemon.ctl("reload").returncode == 0


def test_a_new_device_is_served_at_once_and_a_removed_one_is_not(daemon):
    assert daemon.device("ep=demo-0003")[0] == 1
    for argv in (("add", "demo-0003", "--groups", "root.demo"),
                 ("value", "set", "demo-0003", "managementId", "m3"),
                 ("value", "set", "demo-0003", "password", "p3")):
        done = daemon.ctl("device", *argv)
        assert done.returncode == 0, done.stderr
    try:
        code, events = daemon.device("ep=demo-0003")
        assert code == 0 and b"m3".hex() in operations(events)[0]["payload"]
        assert "p3" not in daemon.log()
    finally:
        assert daemon.ctl("device", "remove", "demo-0003").returncode == 0
    assert daemon.device("ep=demo-0003")[0] == 1


def test_exit_codes(daemon, build, tmp_path):
    assert daemon.ctl("status").returncode == 0
    usage = daemon.ctl("statu")
    assert usage.returncode == 2 and "status" in usage.stderr + usage.stdout  # the nearest
    assert daemon.ctl("stats", "--nonsense").returncode == 2
    absent = subprocess.run([f"{build}/tools/cradlectl", "-s", str(tmp_path / "none.sock"), "status"],
                            capture_output=True, text=True)
    assert absent.returncode == 3 and "none.sock" in absent.stderr


def test_help_names_every_command_and_json_carries_a_schema_version(daemon):
    text = daemon.ctl("help").stdout
    for word in ("status", "stats", "check", "reload", "stop", "help", "completion", "task", "device", "report"):
        assert word in text
    assert daemon.ctl("help", "reload").returncode == 0
    assert "ack_timeout_ms" in daemon.ctl("help", "settings").stdout
    assert "complete" in daemon.ctl("completion", "bash").stdout
    answer = json.loads(daemon.ctl("--json", "status").stdout)
    assert any("schema" in key or key == "v" for key in answer)


def test_stats_by_pattern_and_secrets_are_masked(daemon):
    daemon.device("ep=demo-0001")
    assert "bs_finished" in daemon.ctl("stats", "bs_*").stdout
    assert "bs_finished" not in daemon.ctl("stats", "coap_*").stdout
    shown = daemon.ctl("device", "show", "demo-0001")
    assert shown.returncode == 0 and "mgmt-0001" in shown.stdout
    for text in (shown.stdout, daemon.ctl("--json", "device", "show", "demo-0001").stdout, daemon.log()):
        assert "demo-key-0001-demo" not in text
        assert "correct horse battery" not in daemon.log()


def test_task_check_works_without_a_daemon(build, tmp_path):
    good = subprocess.run([f"{build}/tools/cradlectl", "task", "check", ROOT / "conf" / TASK],
                          capture_output=True, text=True)
    assert good.returncode == 0, good.stderr
    bad = tmp_path / "bad.xml"
    bad.write_text("<config>\n <wirte key='x'/>\n <lwm2mBootstrap><write key='/0/2/10' value='x'/></lwm2mBootstrap>\n</config>\n")
    done = subprocess.run([f"{build}/tools/cradlectl", "task", "check", bad], capture_output=True, text=True)
    assert done.returncode == 1
    text = done.stdout + done.stderr
    assert "bad.xml:2:2: error: " in text and "write" in text
    assert "bad.xml:3:" in text


def test_offline_check_prints_every_error(build, tmp_path):
    from conftest import Cradled
    one = Cradled(build, SimpleNamespace(name="offline"), tmp_path / "conf")
    assert subprocess.run([f"{build}/control/cradled", "--check", "-c", tmp_path / "conf/cradle.conf"]).returncode == 0
    one.edit("cradle.conf", r"^workers = 1", 'workers = "many"')
    one.edit("cradle.conf", r"max_retransmit", "max_retransmits")
    one.edit("policy/groups.conf", r'name = "root.demo"', 'name = "demo"')
    done = subprocess.run([f"{build}/control/cradled", "--check", "-c", tmp_path / "conf/cradle.conf"],
                          capture_output=True, text=True)
    assert done.returncode == 1
    text = done.stdout + done.stderr
    for word in ("workers", "max_retransmits", "no group name"):
        assert word in text
    assert text.count(": error: ") == 3


def test_the_socket_survives_garbage(daemon):
    def peer():
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.connect(daemon.socket)
        return sock
    for garbage in (b"", b"\0", b"\0\0\0", b"\xff\xff\xff\xff", struct.pack(">I", 5) + b"{nope",
                    struct.pack(">I", 2) + b"[]", struct.pack(">I", 8) + b'{"v":99}', os.urandom(4096)):
        sock = peer()
        sock.sendall(garbage)
        sock.shutdown(socket.SHUT_WR)
        sock.settimeout(5)
        try:
            while sock.recv(4096):
                pass
        except ConnectionError:
            pass
        sock.close()
    silent = [peer() for _ in range(50)]
    assert daemon.ctl("status").returncode == 0
    for sock in silent:
        sock.close()


def test_drain_answers_5_03_with_max_age(daemon, network):
    import coap
    from test_nosec import ask
    assert daemon.ctl("drain").returncode == 0
    try:
        answer = wait_for(lambda: [a for a in ask(network, coap.request(queries=["ep=demo-0001"])) if a.text == "5.03"],
                          "5.03")[0]
        assert answer.number(14) is not None  # Max-Age
    finally:
        assert daemon.ctl("undrain").returncode == 0
    wait_for(lambda: daemon.device("ep=demo-0001")[0] == 0, "service again")


def telemetry(daemon, *commands):
    """What DPDK's telemetry socket answers to each command."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock:
        sock.settimeout(20)
        sock.connect(str(daemon.runtime_folder() / "dpdk_telemetry.v2"))
        largest = json.loads(sock.recv(1024))["max_output_len"]
        answers = []
        for command in commands:
            sock.send(command.encode())
            answers.append(json.loads(sock.recv(largest))[command.split(",")[0]])
        return answers


def test_telemetry_tells_counters_and_workers(daemon):
    before = daemon.counters()["bs_finished"]
    assert daemon.device("ep=demo-0001")[0] == 0
    # The device ends with its last answer, which is counted when it has arrived.
    wait_for(lambda: daemon.counters()["bs_finished"] > before, "its run to be counted")
    all_of_them, first, workers, worker = telemetry(daemon, "/cradle/counters", "/cradle/counters,0", "/cradle/workers",
                                                    "/cradle/worker,0")
    assert set(all_of_them) == set(daemon.counters())
    assert all_of_them["bs_finished"] == first["bs_finished"] == daemon.counters()["bs_finished"] > 0
    assert workers == [0]
    assert worker["capacity"] == 1024 and worker["turns"] >= worker["busy_turns"] > 0
    assert 0 < worker["busy_cycles"] < worker["cycles"] and worker["cycles_per_s"] > 0


def test_telemetry_refuses_what_is_no_worker(daemon):
    assert telemetry(daemon, *(f"/cradle/counters,{what}" for what in ("1", "-1", "x", "0x", "99999999999"))) == [None] * 5
    assert telemetry(daemon, "/cradle/worker", "/cradle/worker,1") == [None] * 2


@pytest.mark.parametrize("how", ["stop", "TERM", "INT"])
def test_clean_end(cradled, how):
    daemon = cradled()
    assert daemon.device("ep=demo-0001")[0] == 0
    if how == "stop":
        assert daemon.ctl("stop").returncode == 0
    else:
        daemon.process.send_signal(getattr(signal, "SIG" + how))
    assert daemon.process.wait(20) == 0, daemon.log()
    assert not os.path.exists(daemon.socket)
    assert not daemon.runtime_folder().exists()
    assert daemon.ctl("status").returncode == 3


def test_killed_appliance_starts_again_over_its_stale_socket(cradled, network):
    daemon = cradled()
    daemon.process.kill()
    daemon.process.wait()
    assert os.path.exists(daemon.socket)
    daemon.start()
    assert daemon.device("ep=demo-0001")[0] == 0


def test_a_second_appliance_on_the_same_socket_is_refused(cradled):
    daemon = cradled()
    done = daemon.network.run(f"{daemon.build}/control/cradled", "-c", daemon.folder / "cradle.conf", timeout=60)
    assert done.returncode != 0 and "cradle.sock" in done.stderr
    assert daemon.ctl("status").returncode == 0
