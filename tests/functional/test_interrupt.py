"""Who gives up waiting for a command is told what becomes of it."""
import contextlib
import json
import signal
import socket
import struct
import subprocess

import pytest


@contextlib.contextmanager
def unanswered(build, path, *frames, options=()):
    """A client whose request came, and got these frames, but no answer."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        server.settimeout(60)
        client = subprocess.Popen([f"{build}/tools/cradlectl", "-s", path, "--progress", *options, "reload"], text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        accepted, _ = server.accept()
        with accepted:
            accepted.settimeout(60)
            assert accepted.recv(4)
            for frame in frames:
                body = json.dumps(dict(frame, v=1)).encode()
                accepted.sendall(struct.pack(">I", len(body)) + body)
            yield client


JOB = {"progress": "", "job": 7}, {"progress": "half of it", "job": 7}
WAITS = ({"progress": "waits for job 6: reading devices", "waits": True},)


@pytest.mark.parametrize("frames, words", [
    ((), ["may still be carried out", "cradlectl job list", "cradlectl status"]),
    (JOB, ["goes on as job 7", "cradlectl job wait 7", "cradlectl job cancel 7"]),
    (WAITS, ["had not begun yet, and is not carried out"]),
    (WAITS + JOB, ["goes on as job 7"]),
])
def test_an_interrupted_client_says_what_becomes_of_its_command(build, tmp_path, frames, words):
    with unanswered(build, str(tmp_path / "socket"), *frames) as client:
        for frame in frames:
            if frame["progress"]:
                assert client.stderr.readline() == frame["progress"] + "\n"
        client.send_signal(signal.SIGINT)
        _, said = client.communicate(timeout=60)
    assert client.returncode == -signal.SIGINT
    assert said.startswith("cradlectl: interrupted; ") and all(word in said for word in words), said


def test_a_client_that_waited_long_enough_says_the_same(build, tmp_path):
    with unanswered(build, str(tmp_path / "socket"), *JOB, options=("-t", "1")) as client:
        _, said = client.communicate(timeout=60)
    assert client.returncode == 1 and "no answer within 1 s; the command goes on as job 7" in said


def test_a_command_whose_client_left_goes_on_and_can_be_waited_for(cradled, tmp_path):
    daemon = cradled()
    file = tmp_path / "many.csv"
    file.write_text("endpoint\n" + "".join(f"many-{i:06}\n" for i in range(20000)))
    last = daemon.result("job", "list")["jobs"][-1]["job"]
    client = subprocess.Popen([f"{daemon.build}/tools/cradlectl", "-s", daemon.socket, "--progress", "device", "import",
                               file], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert client.stderr.readline()
    client.send_signal(signal.SIGINT)
    _, said = client.communicate(timeout=60)
    assert client.returncode == 0 or f"goes on as job {last + 1}" in said  # or it was quicker
    done = daemon.ctl("job", "wait", last + 1)
    assert done.returncode == 0 and "20000 new" in done.stdout, done.stdout + done.stderr
    assert daemon.result("job", "show", last + 1)["state"] == "done"
    assert daemon.result("status")["devices"] >= 20000
    refused = daemon.ctl("job", "cancel", last + 1)
    assert refused.returncode == 1 and "is over: done" in refused.stderr
