"""A router before two members that announce one address: routes change while devices bootstrap."""
import os
import socket
import subprocess

import pytest

import coap
from conftest import Network, SERVER4, wait_for
from dtls_client import DtlsClient
from postgres import Postgres
from test_cluster import KEY, Fleet, add, good, level, state
from test_upgrade import upgrade

DEVICE = "198.19.0.9"
FORWARD_PORT = 5685


class Router:
    """A namespace with the devices in it, and a link to the namespace of each member, whose kernel is the next hop."""

    def __init__(self, networks):
        self.name = f"cradle-router-{os.getpid()}"
        self.networks = networks
        self.ip("netns", "add", self.name)
        self.inside("ip", "link", "set", "lo", "up")
        self.inside("ip", "addr", "add", f"{DEVICE}/32", "dev", "lo")
        for number, network in networks.items():
            self.connect(number, network)

    def ip(self, *argv):
        subprocess.run(["ip", *map(str, argv)], check=True)

    def inside(self, *argv):
        subprocess.run(["ip", "netns", "exec", self.name, *map(str, argv)], check=True, stdout=subprocess.DEVNULL)

    def connect(self, number, network):
        one, other = f"to{number}", "router0"
        self.ip("-n", self.name, "link", "add", one, "type", "veth", "peer", "name", other, "netns", network.name)
        self.ip("-n", self.name, "addr", "add", f"10.0.{number}.1/24", "dev", one)
        self.ip("-n", network.name, "addr", "add", f"10.0.{number}.2/24", "dev", other)
        self.ip("-n", network.name, "addr", "add", f"{self.own(number, 2)}/24", "dev", "dev0")
        for name, interface in ((self.name, one), (network.name, other)):
            self.ip("-n", name, "link", "set", interface, "up")
            subprocess.run(["ip", "netns", "exec", name, "ethtool", "-K", interface, "tx", "off"], check=True,
                           stdout=subprocess.DEVNULL)
        for name in (self.name, network.name):
            subprocess.run(["ip", "netns", "exec", name, "sysctl", "-qw", "net.ipv4.ip_forward=1",
                            "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0",
                            "net.ipv4.conf.all.send_redirects=0"], check=True)
        # What is for the appliance is none of this kernel's affair, which sees it there, too.
        network.run("sysctl", "-qw", "net.ipv4.conf.cradle0.forwarding=0")
        self.ip("-n", network.name, "route", "add", "default", "via", f"10.0.{number}.1")
        self.ip("-n", self.name, "route", "add", f"{self.own(number, 1)}/32", "via", f"10.0.{number}.2")

    @staticmethod
    def own(number, host):
        """Of the network that is this member's alone."""
        return f"198.18.{number}.{host}"

    def route(self, number):
        """All that devices send goes to this member from now on."""
        self.ip("-n", self.name, "route", "replace", f"{SERVER4}/32", "via", f"10.0.{number}.2")

    def udp(self):
        with Network.inside(self):
            sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            sock.bind((DEVICE, 0))
        sock.settimeout(5)
        return sock

    def close(self):
        self.ip("netns", "del", self.name)


class Routed(Fleet):
    def start(self):
        self.router = Router({number: self.network(number) for number in (1, 2)})
        self.a, self.b = (self.member(
            number, f'forward = "{Router.own(number, 1)}";',
            {r"^( *addresses = ).*": rf'\1[ "{SERVER4}/24", "{Router.own(number, 1)}/24" ];'}) for number in (1, 2))
        good(self.a.ctl("cluster", "init"))
        good(self.b.ctl("cluster", "join"))
        add(self.a, "urn:dev:roams")
        level(self, self.a, self.b)
        return self

    def connect(self):
        self.router.route(1)
        client = DtlsClient(self.router.udp(), (SERVER4, 5684), b"urn:dev:roams", KEY.encode(), cid=b"").handshake()
        assert client.server_cid
        return client

    def end(self):
        super().end()
        self.router.close()


@pytest.fixture(scope="module")
def routed(build, tmp_path_factory):
    database = Postgres().make().start()
    database.sql("CREATE DATABASE routed")
    one = Routed(build, tmp_path_factory, database, "routed")
    yield one.start()
    one.end()
    database.close()


def ping(client, mid):
    client.put(b"\x40\x00\x00" + bytes([mid]))
    try:
        return client.get(0.5) == b"\x70\x00\x00" + bytes([mid])
    except socket.timeout:
        return False


def forwarding(routed):
    """Each has heard where the other is, and told its workers so."""
    def known():
        return all(member["forward"] for member in state(one)["members"]) and len(state(one)["members"]) == 2
    for one in (routed.a, routed.b):
        wait_for(known, "members to know each other's addresses")
    mids = iter(range(256))
    client = routed.connect()
    routed.router.route(2)
    wait_for(lambda: ping(client, next(mids)), "a datagram to be forwarded")


def test_a_route_that_changes_in_the_middle_of_a_bootstrap_loses_nothing(routed):
    forwarding(routed)
    before = routed.a.counters(), routed.b.counters()
    client = routed.connect()
    client.put(coap.request(queries=["ep=urn:dev:roams"]))
    assert coap.Message(client.get()).text == "2.04"
    step = coap.Message(client.get())
    routed.router.route(2)
    paths = [step.path]
    while step.path != "/bs":
        client.put(step.answer("2.04"))
        step = coap.Message(client.get())
        paths.append(step.path)
    client.put(step.answer("2.04"))
    wait_for(lambda: routed.a.counters()["bs_finished"] == before[0]["bs_finished"] + 1, "the bootstrap to end")
    after = routed.a.counters(), routed.b.counters()
    sent = after[1]["forward_sent"] - before[1]["forward_sent"]
    assert sent >= len(paths) and after[0]["forward_received"] - before[0]["forward_received"] == sent
    assert after[1]["bs_finished"] == before[1]["bs_finished"]


def test_what_is_forwarded_finds_its_way_when_its_owner_is_upgraded(routed):
    forwarding(routed)
    client = routed.connect()
    client.put(coap.request(queries=["ep=urn:dev:roams"]))
    assert coap.Message(client.get()).text == "2.04"
    step = coap.Message(client.get())
    routed.router.route(2)
    assert upgrade(routed.a)["running"] == 1
    while step.path != "/bs":
        client.put(step.answer("2.04"))
        step = coap.Message(client.get())
    client.put(step.answer("2.04"))
    wait_for(lambda: routed.a.counters()["bs_finished"] == 1, "the bootstrap to end")  # counters begin anew
    # The other way: it knows where the other takes what it forwards.
    mids = iter(range(256))
    other = DtlsClient(routed.router.udp(), (SERVER4, 5684), b"urn:dev:roams", KEY.encode(), cid=b"").handshake()
    routed.router.route(1)
    wait_for(lambda: ping(other, next(mids)), "a datagram to be forwarded")


def test_a_device_that_changes_its_address_too_is_answered_where_it_is(routed):
    forwarding(routed)
    client = routed.connect()
    routed.router.route(2)
    client.sock = routed.router.udp()  # a new port, as after a NAT's time-out
    assert ping(client, 1)
    before = routed.a.counters()["dtls_moved"]
    assert before > 0
    routed.router.route(1)
    assert ping(client, 2)
    assert routed.a.counters()["dtls_moved"] == before


def test_what_pretends_to_be_forwarded_is_dropped(routed):
    forwarding(routed)
    client = routed.connect()
    before = routed.a.counters()
    sealed = client.seal(23, b"\x40\x00\x00\x07", 1)
    address, port = client.sock.getsockname()
    header = bytes([25, 1, 0, 2]) + bytes(7) + sealed[11:12] + b"\x01\x00" + port.to_bytes(2, "big")
    header += bytes(10) + b"\xff\xff" + socket.inet_aton(address)
    stranger = routed.router.udp()
    for datagram in (header + bytes(16) + sealed, sealed, b"", b"\x19" * 1200):
        stranger.sendto(datagram, (Router.own(1, 1), FORWARD_PORT))
    wait_for(lambda: routed.a.counters()["forward_rejected"] - before["forward_rejected"] == 4, "all to be rejected")
    assert routed.a.counters()["forward_received"] == before["forward_received"]
    for sock in (stranger, client.sock):
        sock.settimeout(0.3)
        with pytest.raises(socket.timeout):
            sock.recv(4096)


def begin(routed):
    """A bootstrap that waits for the device's first answer."""
    client = routed.connect()
    client.put(coap.request(queries=["ep=urn:dev:roams"]))
    assert coap.Message(client.get()).text == "2.04"
    return client, coap.Message(client.get())


def finish(client, step):
    while step.path != "/bs":
        client.put(step.answer("2.04"))
        step = coap.Message(client.get())
    client.put(step.answer("2.04"))


def last_report(member):
    reports = member.result("report", "list", "--device", "urn:dev:roams")["reports"]
    return reports[0] if reports else {"status": None}


def begin_elsewhere(routed):
    """The device begins on the one member, and again on the other: DTLS of its own, as after a restart."""
    first, _ = begin(routed)
    routed.router.route(2)
    second = DtlsClient(routed.router.udp(), (SERVER4, 5684), b"urn:dev:roams", KEY.encode()).handshake()
    second.put(coap.request(queries=["ep=urn:dev:roams"]))
    assert coap.Message(second.get()).text == "2.04"
    return first, second, coap.Message(second.get())


def test_the_last_request_wins_whatever_member_it_came_to(routed):
    before = routed.a.counters()["bs_cancelled"], routed.b.counters()["bs_finished"], [state(one)["superseded"] for one in (routed.a, routed.b)]
    _, second, step = begin_elsewhere(routed)
    wait_for(lambda: routed.a.counters()["bs_cancelled"] == before[0] + 1, "the older run to end")
    finish(second, step)
    wait_for(lambda: routed.b.counters()["bs_finished"] == before[1] + 1, "the newer one to end")
    for member in (routed.a, routed.b):
        wait_for(lambda: last_report(member)["status"] == "Success", "the report of the newer one")
    assert [state(one)["superseded"] for one in (routed.a, routed.b)] == [before[2][0] + 1, before[2][1]]


def test_members_that_are_cut_off_run_each_its_own(routed):
    before = routed.a.counters()["bs_finished"], routed.b.counters()["bs_finished"]
    routed.database.stop()
    try:
        for member in (routed.a, routed.b):
            wait_for(lambda: state(member)["state"] == "database away", "the member to notice")
        first, second, step = begin_elsewhere(routed)
        finish(second, step)
        wait_for(lambda: routed.b.counters()["bs_finished"] == before[1] + 1, "the newer run to end")
        routed.router.route(1)
        first.put(b"\x40\x00\x00\x63")
        while first.get() != b"\x70\x00\x00\x63":  # a step of the older run that is sent again
            pass
        assert [one["endpoint"] for one in routed.a.result("session", "list")["sessions"]] == ["urn:dev:roams"]
    finally:
        routed.database.start()
    for member in (routed.a, routed.b):
        wait_for(lambda: state(member)["state"] == "following", "all to be in order", 60)
    # What waited goes up now, and ends the run that is the older one.
    wait_for(lambda: routed.a.counters()["sessions_opened"] and not routed.a.result("session", "list")["sessions"],
             "the older run to end", 60)
