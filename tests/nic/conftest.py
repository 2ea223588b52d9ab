"""The stage of the tests with network cards: a bridge in a namespace, and a virtual machine whose cards are on it."""
import importlib.util
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

import pytest

from guest import Guest, Kernel

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def load_functional():
    """The functional tests' own stage, by its path: it has the name of this file."""
    spec = importlib.util.spec_from_file_location("functional_stage", ROOT / "tests/functional/conftest.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


functional = load_functional()
wait_for = functional.wait_for
# A guest without KVM, on a machine that does other things, too.
PATIENCE_S = 600
# Model, queues. The first is the appliance's, the second the generator's; the third has a driver of hardware.
CARDS = [("virtio-net-pci", 2), ("virtio-net-pci", 1), ("e1000e", 1)]
FIRST_SLOT = 0x10


def pytest_addoption(parser):
    parser.addoption("--build-dir", default=str(ROOT / "build-test"))


def pytest_configure(config):
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if not config.option.basetemp:
        config.option.basetemp = tempfile.mkdtemp(prefix="pytest-cradle-")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session, exitstatus):
    if exitstatus == 0 and "pytest-cradle-" in str(session.config.option.basetemp):
        shutil.rmtree(session.config.option.basetemp, ignore_errors=True)


def address_of(card):
    return f"0000:00:{FIRST_SLOT + card:02x}.0"


class Bridge(functional.Network):
    """Devices' side: a kernel with addresses on a bridge, a tap a card of the guest, and a cable for frames by hand."""

    def __init__(self, name):
        self.name = name
        subprocess.run(["ip", "netns", "add", name], check=True)
        commands = ["link set lo up", "link add bridge0 type bridge", "link set bridge0 up",
                    "addr add 198.18.0.2/24 dev bridge0", "addr add 2001:2::2/64 dev bridge0 nodad",
                    "link add frames0 type veth peer name frames1", "link set frames0 master bridge0 up",
                    "link set frames1 up"]
        for card, (_, queues) in enumerate(CARDS):
            commands += [f"tuntap add tap{card} mode tap vnet_hdr" + (" multi_queue" if queues > 1 else ""),
                         f"link set tap{card} master bridge0 up"]
        for command in commands:
            subprocess.run(["ip", "-n", name, *command.split()], check=True)

    def forget_neighbours(self):
        self.run("ip", "neigh", "flush", "dev", "bridge0")


def qemu_cards(iommu):
    """QEMU's arguments. RSS is done by QEMU itself, as a card would; what goes in has no checksum yet, as on a cloud's host."""
    arguments = []
    for card, (model, queues) in enumerate(CARDS):
        several = queues > 1
        arguments += ["-netdev", f"tap,id=net{card},ifname=tap{card},script=no,downscript=no,vhost=off"
                      + (f",queues={queues}" if several else "")]
        options = f"{model},netdev=net{card},id=card{card},mac=52:54:00:00:00:0{card},addr={FIRST_SLOT + card:#x},romfile="
        if model.startswith("virtio"):
            options += ",mq=on,rss=on,vectors=8" if several else ""
            options += ",disable-legacy=on,iommu_platform=on,ats=on" if iommu else ""
        arguments += ["-device", options]
    return arguments


class Appliance:
    """cradled in the guest, with the sample configuration."""
    FOLDER = "/etc/cradle"

    def __init__(self, guest, build):
        self.guest, self.build, self.pid = guest, build, None
        guest.must("cp", "-rT", ROOT / "conf", self.FOLDER)
        guest.must("mkdir", "-p", "/run/cradle", "/var/lib/cradle")

    def start(self, device, **settings):
        text = (ROOT / "conf/cradle.conf").read_text()
        wanted = {"workers": "2", "idle_yield": "true", "hugepages": '"yes"', **settings}
        for name, value in wanted.items():
            text, n = re.subn(rf"^(?:# )?{name} = [^;]*;", f"{name} = {value};", text, count=1, flags=re.M)
            assert n == 1, f"cradle.conf has no {name}"
        text = text.replace("net_af_packet0,iface=cradle0", device)
        text = text.replace("# , { port = 5683;", ", { allow_keyed_devices = true; port = 5683;")
        self.guest.write(f"{self.FOLDER}/cradle.conf", text)
        self.pid = self.guest.ask("start", argv=[f"{self.build}/control/cradled", "-c", f"{self.FOLDER}/cradle.conf"],
                                  log="/tmp/cradled.log")["pid"]
        wait_for(self.answers, "the appliance to answer", PATIENCE_S)
        return self

    def answers(self):
        ended = self.guest.ask("wait", pid=self.pid, timeout=0)["code"]
        assert ended is None, f"cradled ended with {ended}: {self.log()}"
        return self.ctl("status").returncode == 0

    def log(self):
        return self.guest.read("/tmp/cradled.log")

    def ctl(self, *argv):
        return self.guest.run(f"{self.build}/tools/cradlectl", *argv, timeout=PATIENCE_S)

    def result(self, *argv):
        done = self.ctl("--json", *argv)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def counters(self):
        result = self.result("stats", "--all")
        return result.get("counters", result)

    def port(self):
        return self.result("status")["ports"][0]

    def stop(self):
        """The exit code."""
        if self.pid is None:
            return 0
        self.guest.ask("signal", pid=self.pid, number=int(signal.SIGTERM))
        code = self.guest.ask("wait", PATIENCE_S + 60, pid=self.pid, timeout=PATIENCE_S)["code"]
        self.pid = None
        return code


@pytest.fixture(scope="session")
def build(request):
    return pathlib.Path(request.config.getoption("--build-dir")).resolve()


@pytest.fixture(scope="session")
def bridge():
    made = Bridge(f"cradle-nic-{os.getpid()}")
    yield made
    made.close()


@pytest.fixture(scope="session")
def kernel(build):
    return Kernel(build / "nic-kernel")


@pytest.fixture(scope="module")
def guest(request, bridge, kernel, tmp_path_factory):
    """With an IOMMU, and so vfio; a module that sets IOMMU to False has neither."""
    iommu = getattr(request.module, "IOMMU", True)
    made = Guest(tmp_path_factory.mktemp("guest"), kernel, bridge.name, qemu_cards(iommu), iommu)
    try:
        made.boot()
        bridge.forget_neighbours()
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def appliances(guest, build, bridge):
    """One at a time on the cards."""
    one = Appliance(guest, build)

    def start(device, **settings):
        assert one.stop() == 0, one.log()
        bridge.forget_neighbours()
        return one.start(device, **settings)
    yield start
    assert one.stop() == 0, one.log()
