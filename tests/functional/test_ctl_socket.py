"""The control socket of the real program against clients that send garbage, half frames, nothing, or do not read:
whatever they do, devices bootstrap and other clients are answered."""
import concurrent.futures
import json
import os
import socket
import struct

import pytest

from conftest import wait_for

CLIENTS_MAX = 128
WATCHES_MAX = 64
BACKLOG_MAX = 32 * 1024 * 1024


def frame(value):
    data = json.dumps(value).encode()
    return struct.pack(">I", len(data)) + data


def request(*argv):
    return frame({"v": 1, "argv": list(argv)})


def connect(daemon):
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(60)
    sock.connect(daemon.socket)
    return sock


def receive_exactly(sock, n):
    data = b""
    while len(data) < n:
        more = sock.recv(n - len(data))
        if not more:
            raise ConnectionError("closed")
        data += more
    return data


def receive(sock):
    return json.loads(receive_exactly(sock, struct.unpack(">I", receive_exactly(sock, 4))[0]))


def is_closed(sock):
    try:
        return sock.recv(1) == b""
    except ConnectionError:
        return True


def expect_service(daemon):
    """A device bootstraps, and another client is answered."""
    assert daemon.device("ep=demo-0001")[0] == 0
    assert daemon.ctl("status").returncode == 0


def resident_bytes(daemon):
    with open(f"/proc/{daemon.process.pid}/statm") as file:
        return int(file.read().split()[1]) * 4096


@pytest.mark.parametrize("garbage", [
    b"\xff\xff\xff\xff", b"GET / HTTP/1.1\r\n\r\n", struct.pack(">I", 1024 * 1024 + 1), frame([]), frame({"v": 2}),
    struct.pack(">I", 4) + b"\xff{}\0", struct.pack(">I", 100000) + b"[" * 100000,
])
def test_garbage_costs_its_sender_the_connection_and_nobody_else(daemon, garbage):
    with connect(daemon) as sock:
        sock.sendall(garbage)
        assert is_closed(sock)
    assert daemon.ctl("status").returncode == 0


def test_half_frames_and_idle_clients_keep_nobody_waiting(daemon):
    socks = [connect(daemon) for _ in range(20)]
    for i, sock in enumerate(socks):
        sock.sendall(request("status")[:3 * i])
    expect_service(daemon)
    for i, sock in enumerate(socks):
        sock.sendall(request("status")[3 * i:])
    assert all(receive(sock)["exit"] == 0 for sock in socks)
    for sock in socks:
        sock.close()


def test_a_frame_in_single_bytes_and_many_frames_in_one_write(daemon):
    with connect(daemon) as sock:
        for byte in request("status"):
            sock.sendall(bytes([byte]))
        assert receive(sock)["exit"] == 0
        sock.sendall(request("status") * 200 + request("statu"))
        assert [receive(sock)["exit"] for _ in range(201)] == [0] * 200 + [2]


def test_one_hundred_clients_at_once(daemon):
    def ask(i):
        with connect(daemon) as sock:
            sock.sendall(request("stats", "bs_*") * 3)
            return [receive(sock)["exit"] for _ in range(3)]

    with concurrent.futures.ThreadPoolExecutor(100) as pool:
        answers = pool.map(ask, range(100))
        assert daemon.device("ep=demo-0001")[0] == 0
        assert list(answers) == [[0, 0, 0]] * 100


def test_with_all_places_taken_the_client_that_was_silent_longest_makes_way(daemon):
    socks = [connect(daemon) for _ in range(CLIENTS_MAX)]
    for sock in socks:
        sock.sendall(request("status"))
        assert receive(sock)["exit"] == 0
    with connect(daemon) as late:
        late.sendall(request("status"))
        assert receive(late)["exit"] == 0
        assert is_closed(socks[0])
        socks[1].sendall(request("status"))
        assert receive(socks[1])["exit"] == 0
    assert daemon.device("ep=demo-0001")[0] == 0
    for sock in socks:
        sock.close()
    assert daemon.ctl("status").returncode == 0


def test_a_thousand_idle_clients_and_deaf_watchers_keep_nobody_out(daemon):
    """Those who watch have at most half of the places, and keep them; an idle one makes way for the next."""
    watchers = [connect(daemon) for _ in range(WATCHES_MAX)]
    for watcher in watchers:
        watcher.sendall(request("watch", "events,counters,status"))  # and never reads
    with connect(daemon) as one_more:
        one_more.sendall(request("watch"))
        answer = receive(one_more)
        assert answer["exit"] == 1 and "watch already" in answer["error"]
    idle = []
    for _ in range(1000):
        idle.append(connect(daemon))
        if len(idle) % 100 == 0:
            expect_service(daemon)
    assert daemon.device("ep=demo-0001")[0] == 0
    assert daemon.result("status")["watches"] == WATCHES_MAX
    for sock in idle + watchers:
        sock.close()
    wait_for(lambda: daemon.result("status")["watches"] == 0, "the watches to end with their clients")


def test_a_client_that_never_reads_is_dropped_with_its_backlog_bounded(daemon):
    before = resident_bytes(daemon)
    asked, size = 0, len(daemon.ctl("help", "manual").stdout)
    peak = 0
    with connect(daemon) as sock:
        with pytest.raises(ConnectionError):
            while asked * size < 4 * BACKLOG_MAX:
                sock.sendall(request("help", "manual"))
                asked += 1
                if asked == 100:  # in the middle of it
                    expect_service(daemon)
                if asked % 100 == 0:
                    peak = max(peak, resident_bytes(daemon))
    assert asked * size > BACKLOG_MAX / 2
    assert peak - before < 3 * BACKLOG_MAX  # the backlog, and twice it for a moment while it grows
    expect_service(daemon)


def test_a_client_that_leaves_in_the_middle_of_its_answers(daemon):
    for _ in range(20):
        with connect(daemon) as sock:
            sock.sendall(request("help", "manual") * 50)
            assert sock.recv(1)
    expect_service(daemon)


def test_a_client_that_closed_its_sending_side_is_answered_and_the_loop_sleeps(daemon):
    with connect(daemon) as sock:
        sock.sendall(request("help", "manual") * 50)
        sock.shutdown(socket.SHUT_WR)
        assert [receive(sock)["exit"] for _ in range(50)] == [0] * 50
        assert is_closed(sock)


def test_a_descriptor_that_nobody_asked_for_is_closed(daemon):
    def descriptors():
        return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))

    before = descriptors()
    with open(os.devnull) as file, connect(daemon) as sock:
        for _ in range(50):
            socket.send_fds(sock, [request("status")], [file.fileno()] * 4)
            assert receive(sock)["exit"] == 0
        assert descriptors() <= before + 1
