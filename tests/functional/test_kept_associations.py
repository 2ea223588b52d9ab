"""keep_associations: the appliance is killed with its devices holding associations, and the next process takes them up from the
memory that the service manager kept, which is a socket of the test's here. No handshake is needed, no record number of the
appliance comes twice, and none of the device's is taken twice."""
import array
import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import threading

import pytest

import coap
from conftest import SERVER4, Cradled, wait_for
from dtls_client import DtlsClient
from scripted import METHODS, SUCCESS
from test_certificates import NAME, TRUST, Authority, spki_hash
from test_upgrade import IDENTITY, KEY, PATHS, Successor, sequences

SETTING = {r"^# keep_associations = false": "keep_associations = true"}
STORED = "cradle-associations"
HEAD_LAYOUT, HEAD_KEY = 8, 32 + 64 * 20  # offsets in the first page, behind the numbers and behind the listeners


class Manager(threading.Thread):
    """What of systemd is needed here: keeps a descriptor, and gives it to the next process."""

    def __init__(self, folder):
        super().__init__(daemon=True)
        self.path = str(folder / "notify")
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(self.path)
        self.fd, self.names, self.lock = None, [], threading.Lock()
        self.start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                text, notes, _, _ = self.sock.recvmsg(4096, socket.CMSG_SPACE(64))
                words = dict(line.split("=", 1) for line in text.decode().splitlines())
                fds = array.array("i")
                for _, _, data in notes:
                    fds.frombytes(data[:len(data) - len(data) % fds.itemsize])
                if words == {"END": "1"}:
                    return
                with self.lock:
                    self.take(words, list(fds))

    def take(self, words, fds):
        if "FDSTOREREMOVE" in words:
            assert words["FDNAME"] == STORED and not fds
            self.drop()
        elif "FDSTORE" in words:
            self.names.append(words["FDNAME"])
            assert len(fds) == 1
            if self.fd is None:  # FileDescriptorStoreMax=1
                self.fd = fds.pop()
        for fd in fds:
            os.close(fd)

    def drop(self):
        if self.fd is not None:
            os.close(self.fd)
        self.fd = None

    def copy(self):
        """A descriptor of the memory, for the test itself."""
        with self.lock:
            return os.dup(self.fd)

    def end(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"END=1", self.path)
        self.join(20)
        self.sock.close()
        self.drop()


class Kept(Cradled):
    """Started as systemd does: with what it keeps as descriptor 3."""

    manager = None

    def spawn(self):
        fd = self.manager.fd
        argv = self.network.command(f"{self.build}/control/cradled", "-c", self.folder / "cradle.conf")
        env = dict(os.environ, NOTIFY_SOCKET=self.manager.path)
        if fd is not None:
            # LISTEN_PID is the program's own: whatever is between replaces itself.
            argv = ["sh", "-c", 'LISTEN_PID=$$ exec "$@"', "sh", *argv]
            env.update(LISTEN_FDS="1", LISTEN_FDNAMES=STORED)
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=env,
                                            pass_fds=[3] if fd is not None else [],
                                            preexec_fn=(lambda: os.dup2(fd, 3, inheritable=True)) if fd is not None else None)
        return self.process

    def start(self):
        super().start()
        # Devices are in the store from now on.
        if (self.folder / "devices.csv").exists():
            os.rename(self.folder / "devices.csv", self.folder / "devices.csv.done")
        return self

    def crash(self):
        tasks = f"/proc/{self.process.pid}/task"
        self.process.kill()
        self.process.wait()
        # Of one that is no child of ours, the first thread ends before the others let go of the socket.
        wait_for(lambda: not os.path.exists(tasks) or len(os.listdir(tasks)) == 1, "all threads to end")

    def start_again(self):
        """After a crash."""
        self.crash()
        return self.start()


@pytest.fixture
def kept(stage, tmp_path):
    """A factory: kept(settings, prepare) starts an appliance that is kept by the manager that it has."""
    manager = Manager(tmp_path)

    def start(settings=None, prepare=None):
        stage.rest()
        one = Kept(stage.build, stage.network, stage.folders.mktemp("kept"), SETTING if settings is None else settings)
        one.manager = manager
        if prepare:
            prepare(one)
        stage.own.append(one)
        return one.start()
    yield start
    stage.clear()
    manager.end()


def open_client(one, cid=None, identity=IDENTITY, key=KEY):
    return DtlsClient(one.network.udp(), (SERVER4, 5684), identity, key, cid=cid).handshake()


def request(client):
    return coap.request(queries=["ep=" + client.identity.decode()])


def ask(client):
    """The first step of a run. What the process before repeated of another one may still be there."""
    message = request(client)
    client.put(message)
    while (answer := coap.Message(client.get(20))).kind != coap.ACK or answer.mid != coap.Message(message).mid:
        assert answer.kind == coap.CON, answer
    assert answer.text == "2.04"
    return coap.Message(client.get(20))


def run(client, step):
    seen = []
    while True:
        seen.append((METHODS[step.code], step.path))
        client.put(step.answer(SUCCESS[step.code]))
        if step.path == "/bs":
            return seen
        step = coap.after(step, lambda: coap.Message(client.get(20)))


def assert_unused_numbers(client):
    numbers = sequences(client)
    assert len(set(numbers)) == len(numbers), numbers


def is_silent(client, datagram, daemon, counter):
    """The datagram is dropped under this counter, and answered by nobody."""
    before = daemon.counters()[counter]
    client.send(datagram)
    wait_for(lambda: daemon.counters()[counter] > before, f"{counter} to grow")
    client.sock.setblocking(False)
    with pytest.raises(BlockingIOError):
        while True:  # what the process before sent may still be there
            client.open(client.sock.recv(4096))


def content(fd):
    size = os.fstat(fd).st_size
    return os.pread(fd, size, 0)


class Waiting:
    """A device of libcoap that has bootstrapped, and asks again when it is told to."""

    def __init__(self, one, tls, *options, endpoint):
        self.process = subprocess.Popen(
            one.network.command(f"{one.build}/tests/functional/lwm2m_client_{tls}", "-w", "-t", 120, *options, SERVER4, 5684,
                                f"ep={endpoint}"), stdout=subprocess.PIPE, text=True)
        self.lines = []
        while '"waits"' not in (self.lines or [""])[-1]:
            self.lines.append(self.process.stdout.readline())
            assert self.lines[-1], self.lines

    def asks_again(self):
        self.process.send_signal(signal.SIGUSR1)
        rest = self.process.communicate(timeout=120)[0].splitlines()
        assert self.process.returncode == 0, rest
        assert [json.loads(line)["path"] for line in rest if '"operation"' in line] == ["/0/2", "/1/0", "/bs"]

    def close(self):
        self.process.kill()
        self.process.communicate()


def add_certificates(folder):
    """For Cradled's `prepare`: the appliance trusts an authority, and a device has a raw public key."""
    authority = Authority(folder / "ca")

    def prepare(one):
        certs = one.folder / "policy" / "certs"
        certs.mkdir()
        pem, key = authority.issue("bs", NAME, "serverAuth", extra=[f"subjectAltName=DNS:{NAME}"])
        for file in (pem, authority.path("ca.pem")):
            subprocess.run(["cp", file, certs], check=True)
        subprocess.run(["install", "-m", "600", key, certs], check=True)
        one.write("policy/trust.conf", TRUST % ("", ""))
        authority.openssl("pkey", "-in", authority.issue("raw", "raw")[1], "-pubout", "-out", authority.path("raw.pub"))
        raw = f"spki-sha256:{spki_hash(authority.path('raw.key'))}"
        rows = [(f"psk-{i}", "", f"key-of-psk-{i}") for i in range(4)] + [("x509-0", "", ""), ("x509-1", "", ""), ("raw", raw, "")]
        one.write("devices.csv", "endpoint,identity,key,groups,value.managementId,secret.password\n" + "".join(
            f"{endpoint},{identity},{key},root.demo,id,pw\n" for endpoint, identity, key in rows))
    return authority, prepare


def test_every_kind_of_association_outlives_kill_9(kept, tmp_path):
    authority, prepare = add_certificates(tmp_path)
    one = kept(prepare=prepare)
    clients = [open_client(one, cid, b"psk-%d" % i, b"key-of-psk-%d" % i) for i, cid in enumerate((None, b"", b"client"))]
    steps = [ask(client) for client in clients]

    def certificate(name):
        pem, key = authority.issue(name, name)
        return ["-C", pem, "-K", key]
    trust = ["-A", authority.path("ca.pem"), "-N", NAME]
    devices = []
    try:
        for tls, options, endpoint in (
                ("openssl", ["-i", "psk-3", "-k", "key-of-psk-3"], "psk-3"),
                ("openssl", [*certificate("x509-0"), *trust], "x509-0"),
                ("gnutls", [*certificate("x509-1"), *trust], "x509-1"),
                ("gnutls", ["-P", authority.path("raw.pub"), "-K", authority.path("raw.key")], "raw")):
            devices.append(Waiting(one, tls, *options, endpoint=endpoint))
        for client, step in zip(clients, steps):
            client.put(step.answer(SUCCESS[step.code]))
            coap.after(step, lambda: coap.Message(client.get(20)))
        one.start_again()
        assert one.counters()["dtls_restored"] == len(clients) + len(devices)
        assert f"{len(clients) + len(devices)} associations outlived a crash; dropped: 0 damaged" in one.log()
        for client, step in zip(clients, steps):
            # The record that asked for a run before: whoever recorded it starts none.
            old = client.seal(23, request(client), 1, sequence=1)
            is_silent(client, old, one, "dtls_rx_replayed")
            assert run(client, ask(client)) == PATHS
            ask(client)
        one.start_again()  # once more, in the middle of their runs
        assert one.counters()["dtls_restored"] == len(clients) + len(devices)
        for client in clients:
            assert run(client, ask(client)) == PATHS
            assert_unused_numbers(client)
        for device in devices:
            device.asks_again()
        wait_for(lambda: one.counters()["bs_finished"] == len(clients) + len(devices), "the last answer to be taken")
        assert one.counters()["dtls_started"] == 0, "nobody needed a handshake"
    finally:
        for device in devices:
            device.close()
    assert one.stop() == 0, one.log()


def test_devices_that_move_are_found_by_their_id(kept):
    one = kept()
    client = open_client(one, b"client")
    ask(client)
    one.crash()
    client.sock = one.network.udp()  # another port
    one.start()
    assert run(client, ask(client)) == PATHS
    assert_unused_numbers(client)
    assert one.counters()["dtls_moved"] == 1


DEVICES, HOLDERS = 500, 6


def add_many(one):
    one.write("devices.csv", "endpoint,key,groups,value.managementId,secret.password\n" + "".join(
        f"dev-{n:07},key-{n:07},root.demo,id,pw\n" for n in range(1, DEVICES + HOLDERS + 1)))


def test_kill_9_under_load(kept):
    """Other devices shake hands and bootstrap all the time: the memory is written to while the process dies."""
    one = kept(dict(SETTING, **{r"^sessions = \d+": "sessions = 8192"}), add_many)
    clients = [open_client(one, (None, b"client")[i % 2], b"dev-%07d" % (DEVICES + i + 1), b"key-%07d" % (DEVICES + i + 1))
               for i in range(HOLDERS)]
    storm = subprocess.Popen(one.network.command(
        f"{one.build}/tools/storm/cradlestorm", "--port", "net_af_packet0,iface=dev0", "--server", SERVER4, "--source",
        "198.18.0.10+50", "--devices", DEVICES, "--rate", 200, "--duration", 120, "--rtt", "50:20", "--psk", "--cid", "--json", "-"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        for _ in range(3):  # a fourth within a minute would be given up
            wait_for(lambda: one.counters()["dtls_finished"] > 50, "the storm to be at work", 60)
            steps = [ask(client) for client in clients]
            for client, step in zip(clients, steps):
                client.put(step.answer(SUCCESS[step.code]))
            one.start_again()
            counters = one.counters()
            assert counters["dtls_restored"] > HOLDERS, counters["dtls_restored"]
            assert counters["dtls_restore_damaged"] <= 1, "the one that was being written"
            for client in clients:
                assert run(client, ask(client)) == PATHS
                assert_unused_numbers(client)
    finally:
        storm.send_signal(signal.SIGINT)
        report = json.loads(storm.communicate(timeout=120)[0])
    assert report["wire"]["replayed"] == report["wire"]["bad_tags"] == 0, report["wire"]


def test_where_it_is_off_nothing_is_kept(kept):
    one = kept(settings={})
    client = open_client(one)
    ask(client)
    assert one.manager.names == []
    one.start_again()
    assert one.manager.names == [] and "associations" not in one.log()
    is_silent(client, client.seal(23, request(client), 1), one, "dtls_rx_no_session")
    assert run(again := open_client(one), ask(again)) == PATHS


def test_a_stop_in_good_order_leaves_nothing(kept):
    one = kept()
    client = open_client(one)
    ask(client)
    memory = one.manager.copy()
    try:
        assert client.write_key[0] in content(memory), "the device's key is there"
        assert one.stop() == 0, one.log()
        wait_for(lambda: one.manager.fd is None, "the manager to be told")
        assert not any(content(memory)), "wiped"
    finally:
        os.close(memory)


def test_an_upgrade_has_its_own_way_and_then_keeps_anew(kept):
    one = kept()
    client = open_client(one, b"client")
    step = ask(client)
    memory = one.manager.copy()
    try:
        former = one.process
        one.process = Successor(one.result("upgrade")["pid"])
        assert former.wait(20) == 0, one.log()
        assert not any(content(memory)), "what passed cannot come back"
        wait_for(lambda: one.manager.fd is not None, "the next one's memory to be kept")
        assert os.fstat(one.manager.fd).st_ino != os.fstat(memory).st_ino
    finally:
        os.close(memory)
    client.put(step.answer(SUCCESS[step.code]))
    coap.after(step, lambda: coap.Message(client.get(20)))
    one.start_again()
    assert one.counters()["dtls_restored"] == 1
    assert run(client, ask(client)) == PATHS
    assert_unused_numbers(client)


def refuse(one, client, reason):
    """The next process does not take the association up, says why, and keeps those to come."""
    one.start()
    assert f"associations that a crash left are not taken up: {reason}" in one.log()
    assert one.counters()["dtls_restored"] == 0
    is_silent(client, client.seal(23, request(client), 1), one, "dtls_rx_no_session")


@pytest.fixture
def left(kept):
    """(appliance that was killed, its one device, its memory)"""
    one = kept()
    client = open_client(one)
    ask(client)
    one.crash()
    memory = one.manager.copy()
    yield one, client, memory
    os.close(memory)


def test_what_another_version_wrote_is_wiped_as_a_whole(left):
    one, client, memory = left
    os.pwrite(memory, b"\x7f", HEAD_LAYOUT)
    refuse(one, client, "another version of the program wrote them")
    assert client.write_key[0] not in content(memory)
    again = open_client(one)
    one.start_again()
    assert one.counters()["dtls_restored"] == 1
    assert run(again, ask(again)) == PATHS


def test_damaged_memory_is_wiped(left):
    one, client, memory = left
    os.pwrite(memory, bytes([os.pread(memory, 1, HEAD_KEY)[0] ^ 1]), HEAD_KEY)
    refuse(one, client, "their memory is damaged")
    assert client.write_key[0] not in content(memory)


def test_a_damaged_slot_is_dropped_and_the_others_are_not(left):
    one, client, memory = left
    at = content(memory).index(client.write_key[0])
    os.pwrite(memory, b"\0", at)
    one.start()
    assert one.counters()["dtls_restore_damaged"] == 1
    assert "0 associations outlived a crash; dropped: 1 damaged" in one.log()


def test_other_settings_drop_it(left):
    one, client, memory = left
    one.edit("cradle.conf", r"port = 5684", "port = 5694")
    one.start()
    assert "are not taken up: `workers`, `sessions`, listeners or addresses were others" in one.log()
    assert client.write_key[0] not in content(memory)


def test_memory_that_a_living_process_has_is_left_to_it(left):
    one, client, memory = left
    fcntl.lockf(memory, fcntl.LOCK_EX | fcntl.LOCK_NB)
    refuse(one, client, "another process has their memory")
    assert client.write_key[0] in content(memory), "it is the other one's"


def test_switched_off_meanwhile_it_is_wiped(left):
    one, client, memory = left
    one.edit("cradle.conf", r"^keep_associations = true", "keep_associations = false")
    one.start()
    assert "keep_associations is off" in one.log()
    wait_for(lambda: one.manager.fd is None, "the manager to be told")
    assert not any(content(memory))


def test_what_crashes_the_process_again_and_again_is_given_up(left):
    one, client, _ = left
    for _ in range(3):
        one.start()
        assert one.counters()["dtls_restored"] == 1
        one.crash()
    refuse(one, client, "the last three processes that took them up lived for less than a minute")


def test_without_a_manager_it_serves_and_says_so(cradled):
    one = cradled(SETTING)
    assert "a crash will lose associations: keep_associations needs a service manager" in one.log()
    assert run(client := open_client(one), ask(client)) == PATHS
