"""The stage of the functional tests: a private namespace, the real cradled on it, devices, a capture."""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SERVER4, SERVER6 = "198.18.0.1", "2001:2::1"
DEVICE4 = "198.18.0.2"


def pytest_configure(config):
    # A terminated run still takes its namespace and programs down.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    config.addinivalue_line("markers", "long: left out without --long")
    # A folder of this run's own: every other run of root's closes the one that pytest would share, and appliances that
    # are another user must pass through it.
    if not config.option.basetemp:
        config.option.basetemp = tempfile.mkdtemp(prefix="pytest-cradle-")


@pytest.hookimpl(trylast=True)  # when the last appliance has ended
def pytest_sessionfinish(session, exitstatus):
    """What failed can be looked at."""
    if exitstatus == 0 and "pytest-cradle-" in str(session.config.option.basetemp):
        shutil.rmtree(session.config.option.basetemp, ignore_errors=True)


def pytest_addoption(parser):
    parser.addoption("--build-dir", default=str(ROOT / "build-test"))
    parser.addoption("--long", action="store_true", help="tests that take a minute each, too")


def pytest_collection_modifyitems(config, items):
    if not config.getoption("--long"):
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("long")])
        items[:] = [item for item in items if not item.get_closest_marker("long")]


def wait_for(condition, what, timeout=20.0):
    """Polls a condition; the time-out bounds a failing test, it asserts no speed."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited {timeout} s for {what}")


class Network:
    """A namespace with a veth pair: cradle0 for the appliance, dev0 for devices."""

    def __init__(self, name):
        self.name = name
        subprocess.run(["bash", "-c", f". {ROOT}/tools/lib.sh; network_up {name}"], check=True)

    def command(self, *argv):
        return ["ip", "netns", "exec", self.name, *map(str, argv)]

    def run(self, *argv, **options):
        return subprocess.run(self.command(*argv), text=True, capture_output=True, **options)

    @contextlib.contextmanager
    def inside(self):
        """Sockets that are made meanwhile belong to the namespace."""
        host = os.open("/proc/self/ns/net", os.O_RDONLY)
        namespace = os.open(f"/run/netns/{self.name}", os.O_RDONLY)
        try:
            setns(namespace)
            yield
        finally:
            setns(host)
            os.close(host)
            os.close(namespace)

    def udp(self, family=socket.AF_INET, port=0):
        """A UDP socket inside the namespace."""
        with self.inside():
            sock = socket.socket(family, socket.SOCK_DGRAM)
            sock.bind((DEVICE4 if family == socket.AF_INET else "2001:2::2", port))
        sock.settimeout(5)
        return sock

    def frames(self, interface):
        """An AF_PACKET socket on an interface of the namespace."""
        with self.inside():
            return Frames(interface)

    def mac_of(self, address):
        """The MAC that answers ARP for an address."""
        self.run("ping", "-c", "1", "-W", "5", address)
        line = self.run("ip", "neigh", "show", address).stdout.split()
        return bytes.fromhex(line[line.index("lladdr") + 1].replace(":", ""))

    def close(self):
        subprocess.run(["bash", "-c", f". {ROOT}/tools/lib.sh; network_down {self.name}"])


class Frames:
    """Ethernet frames by hand. The kernel takes the tag out of a frame it receives and tells it beside the data."""
    SOL_PACKET, PACKET_AUXDATA, ETH_P_ALL = 263, 8, 3

    def __init__(self, interface):
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(self.ETH_P_ALL))
        self.sock.setsockopt(self.SOL_PACKET, self.PACKET_AUXDATA, 1)
        self.sock.bind((interface, 0))
        self.sock.settimeout(5)

    def send(self, frame):
        self.sock.send(frame)

    def receive(self):
        """A frame without its tag, and the tag (None: untagged)."""
        frame, notes, _, _ = self.sock.recvmsg(4096, 256)
        for level, kind, data in notes:
            if level == self.SOL_PACKET and kind == self.PACKET_AUXDATA:
                status, tci = struct.unpack_from("I", data)[0], struct.unpack_from("H", data, 16)[0]
                if status & 0x10:  # TP_STATUS_VLAN_VALID
                    return frame, tci
        return frame, None


def setns(fd):
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(fd, 0x40000000):
        raise OSError(ctypes.get_errno(), "setns")


class Cradled:
    """The program under test, on a folder of configuration that the test may edit."""

    def __init__(self, build, network, folder, settings=None, env=None):
        self.build, self.network, self.folder = build, network, folder
        self.socket = str(folder / "cradle.sock")
        self.process, self.env = None, env
        shutil.copytree(ROOT / "conf", folder, dirs_exist_ok=True)
        self.edit("cradle.conf", r"/run/cradle/cradle\.sock", self.socket)
        self.edit("cradle.conf", r"/var/lib/cradle/cradle\.db", str(folder / "cradle.db"))
        self.edit("cradle.conf", r"^idle_yield = false", "idle_yield = true")
        self.edit("cradle.conf", r'^file_prefix = .*', f'file_prefix = "{network.name}-{os.urandom(3).hex()}";')
        self.edit("cradle.conf", r'^hugepages = .*', 'hugepages = "no";')
        self.edit("cradle.conf", r'^sessions = \d+', "sessions = 1024")
        # Most devices here have a key, and come by either listener.
        self.edit("cradle.conf", r'# , (\{ port = 5683; security = "nosec"; )', r", \1allow_keyed_devices = true; ")
        for pattern, replacement in (settings or {}).items():
            self.edit("cradle.conf", pattern, replacement)

    def read(self, name):
        return (self.folder / name).read_text()

    def write(self, name, text):
        (self.folder / name).write_text(text)

    def edit(self, name, pattern, replacement):
        text, n = re.subn(pattern, replacement, self.read(name), count=1, flags=re.M)
        assert n == 1, f"{name} has no {pattern}"
        self.write(name, text)

    def spawn(self):
        log = open(self.folder / "log", "ab")
        env = dict(os.environ, **(self.env or {}))
        self.process = subprocess.Popen(
            self.network.command(f"{self.build}/control/cradled", "-c", self.folder / "cradle.conf"),
            stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=env)
        return self.process

    def start(self):
        self.spawn()

        def up():
            assert self.process.poll() is None, self.log()
            return self.ctl("status").returncode == 0
        wait_for(up, "cradled to answer: " + self.log(), 60)
        if (self.folder / "devices.csv").exists():
            done = self.ctl("device", "import", self.folder / "devices.csv")
            assert done.returncode == 0, done.stdout + done.stderr
        # The appliance before may have had another device, and MAC.
        self.network.run("ip", "neigh", "flush", "dev", "dev0")
        return self

    def runtime_folder(self):
        """DPDK's, with the telemetry socket."""
        prefix = re.search(r'^file_prefix = "([^"]+)"', self.read("cradle.conf"), re.M)[1]
        return pathlib.Path("/var/run/dpdk" if os.geteuid() == 0 else os.environ["XDG_RUNTIME_DIR"] + "/dpdk", prefix)

    def log(self):
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def ctl(self, *argv, **options):
        return subprocess.run([f"{self.build}/tools/cradlectl", "-s", self.socket, *map(str, argv)],
                              text=True, capture_output=True, timeout=60, **options)

    def result(self, *argv):
        """The machine-readable result of a command that must succeed."""
        answer = self.ctl("--json", *argv)
        assert answer.returncode == 0, answer.stdout + answer.stderr
        return json.loads(answer.stdout)

    def counters(self):
        result = self.result("stats", "--all")
        return result.get("counters", result)

    def finished(self, runs):
        """The counters once so many runs have finished: a device knows of its end before the appliance counts it."""
        wait_for(lambda: self.counters()["bs_finished"] >= runs, f"{runs} runs to be counted")
        return self.counters()

    def stop(self):
        """SIGTERM, and the exit code."""
        if self.process.poll() is None:
            # `ip netns exec` replaces itself by the program: the pid is cradled's.
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def device(self, *argv, tls="openssl", port=5683, host=SERVER4, timeout=60):
        """Runs a libcoap device; returns (exit code, events)."""
        options, queries, takes_value = [], [], False
        for argument in map(str, argv):
            (options if takes_value or argument.startswith("-") else queries).append(argument)
            takes_value = argument.startswith("-") and not takes_value
        done = self.network.run(f"{self.build}/tests/functional/lwm2m_client_{tls}", *options, host, port, *queries,
                                timeout=timeout)
        events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        assert events, done.stderr
        return done.returncode, events


class Capture:
    """tshark on the devices' side of the veth, and its decoding."""

    def __init__(self, network, file):
        self.network, self.file = network, str(file)
        self.process = subprocess.Popen(network.command("tshark", "-q", "-i", "dev0", "-w", self.file),
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if "Capture started" in line or "Capturing on" in line:
                break
        # tshark says so before its child listens; the file's header is written once it does.
        wait_for(lambda: os.path.exists(self.file) and os.path.getsize(self.file) > 0, "the capture to begin")

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=20)

    def decode(self, display_filter, *options):
        done = subprocess.run(["tshark", "-r", self.file, "-Y", display_filter, "-T", "json",
                               "--no-duplicate-keys", *options],
                              text=True, capture_output=True, check=True, timeout=60)
        return json.loads(done.stdout)


@pytest.fixture(scope="session")
def build(request):
    return request.config.getoption("--build-dir")


@pytest.fixture(scope="session")
def network():
    net = Network(f"cradle-test-{os.getpid()}")
    yield net
    net.close()


@pytest.fixture(scope="session")
def users_file(build, tmp_path_factory):
    """The users of consoles (console.py): hashing takes its time, so once for all tests."""
    from console import USERS, Console  # which is made of what stands here
    return Console.make_users(build, tmp_path_factory.mktemp("users"), USERS)


class Stage:
    """One appliance at a time on the network: two would both answer. The shared one is kept between tests."""

    def __init__(self, build, network, folders):
        self.build, self.network, self.folders = build, network, folders
        self.shared_one = None
        self.own = []

    def shared(self):
        if self.own:
            self.clear()
        if not self.shared_one or self.shared_one.process.poll() is not None:
            self.shared_one = Cradled(self.build, self.network, self.folders.mktemp("shared")).start()
        return self.shared_one

    def start(self, settings=None, env=None, prepare=None):
        self.rest()
        daemon = Cradled(self.build, self.network, self.folders.mktemp("own"), settings, env)
        if prepare:
            prepare(daemon)
        self.own.append(daemon)
        return daemon.start()

    def rest(self):
        """Ends the shared appliance; it must end well."""
        if self.shared_one and self.shared_one.process.poll() is None:
            assert self.shared_one.stop() == 0, self.shared_one.log()
        self.shared_one = None

    def clear(self):
        for daemon in self.own:
            if daemon.process and daemon.process.poll() is None:
                daemon.stop()
        self.own = []


@pytest.fixture(scope="session")
def stage(build, network, tmp_path_factory):
    one = Stage(build, network, tmp_path_factory)
    yield one
    one.clear()
    one.rest()


@pytest.fixture
def daemon(stage):
    """The appliance with the sample configuration, shared between tests: leave it as it was."""
    return stage.shared()


@pytest.fixture
def cradled(stage):
    """A factory: cradled(settings={pattern: replacement}) starts an appliance of the test's own."""
    yield stage.start
    stage.clear()


@pytest.fixture
def capture(network, tmp_path):
    taken = []

    def make():
        taken.append(Capture(network, tmp_path / f"capture{len(taken)}.pcapng"))
        return taken[-1]
    yield make
    for one in taken:
        if one.process.poll() is None:
            one.stop()
