"""In the routing as long as it serves: the health check, drain, and the samples for BIRD, FRR and ExaBGP."""
import json
import os
import shutil
import signal
import subprocess

import pytest

import coap
from conftest import ROOT, wait_for
from test_nosec import ask

SAMPLES = ROOT / "conf/routing"
SERVICE = "203.0.113.10/32"
ROUTER = """
router id 198.51.100.254;
protocol device {}
protocol kernel { ipv4 { import none; export all; }; }
protocol bgp appliance {
	local 198.51.100.254 as 64511;
	neighbor 198.51.100.1 as 64512;
	connect delay time 1;
	ipv4 { import all; export none; };
}
"""


def need(program):
    found = shutil.which(program, path=os.environ["PATH"] + ":/usr/sbin")
    assert found, f"{program} is not installed: tools/test does that"
    return found


@pytest.mark.parametrize("program, argv, sample", [
    ("bird", ["-p", "-c"], "bird.conf"),
    ("vtysh", ["--dryrun", "--inputfile"], "frr.conf"),
])
def test_the_daemons_take_the_samples(program, argv, sample, tmp_path):
    assert subprocess.run([need(program), *argv, SAMPLES / sample]).returncode == 0
    spoiled = tmp_path / sample
    spoiled.write_text((SAMPLES / sample).read_text().replace("64512", "sixty"))
    assert subprocess.run([need(program), *argv, spoiled], capture_output=True).returncode != 0


def test_exabgp_takes_its_sample(tmp_path):
    def check(text):
        file = tmp_path / "exabgp.conf"
        file.write_text(text)
        return subprocess.run([need("exabgp"), "--test", file], capture_output=True, text=True, cwd=tmp_path,
                              env={**os.environ, "exabgp_log_destination": "stdout"}, timeout=60)
    sample = (SAMPLES / "exabgp.conf").read_text()
    text = sample.replace("/usr/share/cradle/conf/routing", str(SAMPLES))
    assert text != sample
    good = check(text)
    assert good.returncode == 0, good.stdout + good.stderr
    assert check(text.replace("64512", "sixty")).returncode != 0


class Announcer:
    def __init__(self, daemon, *argv):
        self.process = subprocess.Popen(
            daemon.network.command(SAMPLES / "cradle-announce", *argv), stdout=subprocess.PIPE, text=True,
            env={**os.environ, "CRADLECTL": f"{daemon.build}/tools/cradlectl", "CRADLE_SOCKET": daemon.socket,
                 "INTERVAL": "0.1", "RISE": "2"})

    def stop(self):
        self.process.terminate()
        said = self.process.communicate(timeout=30)[0]
        assert self.process.returncode == 0
        return said


def refuses(network):
    return [answer for answer in ask(network, coap.request(queries=["ep=demo-0001"])) if answer.text == "5.03"]


def test_health_says_why_not(cradled, network):
    daemon = cradled()
    assert daemon.result("health")["serving"] is True
    assert daemon.ctl("health").stdout == "serving\n"
    assert daemon.ctl("drain", "--withdraw", "x").returncode == 2
    assert daemon.ctl("drain", "--withdraw", "60").returncode == 0
    answer = daemon.ctl("health")
    assert answer.returncode == 1 and "drains" in answer.stderr
    # Somebody checks, so that new devices are answered until routes are gone.
    assert daemon.result("status")["state"] == "draining"
    assert not refuses(network)
    assert daemon.ctl("drain", "--withdraw", "0").returncode == 0
    wait_for(lambda: refuses(network), "new devices to be refused")
    assert daemon.ctl("undrain").returncode == 0
    assert daemon.ctl("health").returncode == 0
    network.run("ip", "link", "set", "dev0", "down")
    try:
        wait_for(lambda: "no port has a link" in daemon.ctl("health").stderr, "the check to fail without a link")
    finally:
        network.run("ip", "link", "set", "dev0", "up")
        network.run("ip", "addr", "replace", "2001:2::2/64", "dev", "dev0", "nodad")
    wait_for(lambda: daemon.ctl("health").returncode == 0, "the link to be back")
    daemon.stop()
    assert daemon.ctl("health").returncode == 3


def test_exabgp_hears_of_what_serves(cradled):
    daemon = cradled()
    announcer = Announcer(daemon, "exabgp", "198.51.100.11", SERVICE)
    line = f"route {SERVICE} next-hop 198.51.100.11\n"
    assert announcer.process.stdout.readline() == "announce " + line
    assert daemon.ctl("drain", "--withdraw", "60").returncode == 0
    assert announcer.process.stdout.readline() == "withdraw " + line
    assert daemon.ctl("undrain").returncode == 0
    assert announcer.process.stdout.readline() == "announce " + line
    daemon.process.kill()
    daemon.process.wait()
    assert announcer.process.stdout.readline() == "withdraw " + line
    # A signal that comes upon the withdrawal makes it say so once more.
    assert announcer.stop() in ("", "withdraw " + line)


@pytest.mark.parametrize("argv", [[], ["kernel"], ["exabgp", "198.51.100.11"], ["bgp", "x", "y"]])
def test_the_announcer_tells_how_it_is_used(argv):
    done = subprocess.run([SAMPLES / "cradle-announce", *argv], capture_output=True, text=True, timeout=30)
    assert done.returncode == 2 and "usage: cradle-announce" in done.stderr


class Bird:
    def __init__(self, namespace, folder, name, text):
        self.prefix = ["ip", "netns", "exec", namespace]
        file = folder / f"{name}.conf"
        file.write_text(text)
        self.process = subprocess.Popen([*self.prefix, need("bird"), "-f", "-c", file, "-s", folder / f"{name}.ctl",
                                         "-P", folder / f"{name}.pid"])

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(30) == 0


@pytest.fixture
def router(network):
    """A namespace beside the appliance's machine."""
    name = f"{network.name}-router"

    def ip(*argv):
        subprocess.run(["ip", *argv], check=True)
    ip("netns", "add", name)
    ip("-n", name, "link", "add", "member", "type", "veth", "peer", "name", "router", "netns", network.name)
    ip("-n", name, "addr", "add", "198.51.100.254/24", "dev", "member")
    ip("-n", name, "link", "set", "member", "up")
    ip("-n", network.name, "addr", "add", "198.51.100.1/24", "dev", "router")
    ip("-n", network.name, "link", "set", "router", "up")
    yield name
    ip("-n", network.name, "link", "del", "router")
    ip("netns", "del", name)


def next_hop(router):
    """Where the router sends devices' datagrams, as its kernel sees it."""
    done = subprocess.run(["ip", "-n", router, "-j", "route", "show", SERVICE], capture_output=True, text=True, check=True)
    routes = json.loads(done.stdout or "[]")
    return routes[0].get("gateway") if routes else None


def test_a_drain_takes_the_member_out_of_the_routing_first(cradled, network, router, tmp_path):
    daemon = cradled()
    sample = (SAMPLES / "bird.conf").read_text()
    member = sample.replace("neighbor 198.51.100.254", "connect delay time 1;\n\tneighbor 198.51.100.254")
    birds = [Bird(router, tmp_path, "router", ROUTER), Bird(network.name, tmp_path, "member", member)]
    announcer = Announcer(daemon, "kernel", SERVICE, "2001:db8:10::10/128")
    try:
        wait_for(lambda: next_hop(router) == "198.51.100.11", "the router to hear of the member", 60)
        assert daemon.ctl("drain", "--withdraw", "60").returncode == 0
        wait_for(lambda: next_hop(router) is None, "the route to be withdrawn", 60)
        assert not refuses(network), "devices on their way are still answered"
        assert daemon.ctl("undrain").returncode == 0
        wait_for(lambda: next_hop(router) == "198.51.100.11", "the member to be back", 60)
        announcer.stop()
        wait_for(lambda: next_hop(router) is None, "the route to go with the announcer", 60)
    finally:
        announcer.process.kill()
        for bird in birds:
            bird.stop()
