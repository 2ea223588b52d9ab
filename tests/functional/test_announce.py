"""What the link hears of the appliance's addresses unasked, by a sniffer and by the kernel's neighbour table."""
import contextlib
import socket
import struct

from conftest import SERVER4, SERVER6, wait_for
from test_upgrade import upgrade

BROADCAST, ALL_NODES_MAC = b"\xff" * 6, bytes.fromhex("333300000001")
ALL_NODES = socket.inet_pton(socket.AF_INET6, "ff02::1")
SECOND4, SECOND6 = "198.18.9.1", "2001:2:0:9::1"
PACKET_OUTGOING = 4


def words_sum(data):
    """RFC 1071: 0xffff where the checksum within is right."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total


def announced_by_arp(frame):
    """(MAC, address) of an announcement (RFC 5227 3), or None."""
    if frame[:6] != BROADCAST or frame[12:22] != bytes.fromhex("08060001080006040001"):
        return None
    mac, sender, target_mac, target = struct.unpack("!6s4s6s4s", frame[22:42])
    if sender != target or any(target_mac):
        return None
    assert frame[6:12] == mac
    return mac.hex(":"), socket.inet_ntoa(sender)


def announced_by_advertisement(frame):
    """(MAC, address) of a neighbour advertisement to all nodes (RFC 4861 4.4, 7.2.6), or None."""
    if frame[12:14] != b"\x86\xdd" or frame[20] != 58 or frame[54] != 136 or frame[38:54] != ALL_NODES:
        return None
    source, message = frame[22:38], frame[54:]
    assert frame[:6] == ALL_NODES_MAC and frame[21] == 255
    assert words_sum(source + ALL_NODES + struct.pack("!IHBB", len(message), 0, 0, 58) + message) == 0xffff
    flags, target, option = message[4], message[8:24], message[24:]
    assert flags == 0x20, "override; neither a router's nor solicited"
    assert target == source and option[:2] == b"\x02\x01" and option[2:8] == frame[6:12]
    return frame[6:12].hex(":"), socket.inet_ntop(socket.AF_INET6, target)


class Sniffer:
    """Hears all interfaces of the namespace, those too that are made later."""

    def __init__(self, network):
        with network.inside():
            self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.sock.setblocking(False)
        self.heard = []  # (interface, MAC, address)

    def count(self, interface, mac, address):
        """How often the address was announced by this MAC on the interface so far."""
        with contextlib.suppress(BlockingIOError):
            while True:
                frame, (name, _, way, *_) = self.sock.recvfrom(4096)
                said = len(frame) >= 42 and (announced_by_arp(frame) or announced_by_advertisement(frame))
                if said and way != PACKET_OUTGOING:
                    self.heard.append((name, *said))
        return self.heard.count((interface, mac, address))

    def hears(self, times, interface, mac, addresses):
        for address in addresses:
            wait_for(lambda: self.count(interface, mac, address) >= times, f"{address} to be announced: {self.heard}",
                     60)

    def close(self):
        self.sock.close()


def port_mac(daemon, index=0):
    return daemon.result("status")["ports"][index]["mac"]


def counted(daemon):
    counters = daemon.counters()
    return counters["arp_announced"], counters["nd_announced"]


def test_the_link_hears_of_addresses_at_start_and_after_an_upgrade(cradled, network):
    with contextlib.closing(Sniffer(network)) as sniffer:
        daemon = cradled()
        mac = port_mac(daemon)
        sniffer.hears(3, "dev0", mac, (SERVER4, SERVER6))
        wait_for(lambda: counted(daemon) == (3, 3), "all to be counted")
        assert {what for what in sniffer.heard if what[0] == "dev0"} == {("dev0", mac, SERVER4), ("dev0", mac, SERVER6)}
        upgrade(daemon)
        sniffer.hears(6, "dev0", mac, (SERVER4, SERVER6))


@contextlib.contextmanager
def second_interface(network):
    """Makes cradle1 and dev1, its other end, each time it is asked to."""
    def make():
        network.run("ip", "link", "add", "cradle1", "type", "veth", "peer", "name", "dev1")
        network.run("sysctl", "-w", "net.ipv6.conf.cradle1.disable_ipv6=1", "net.ipv6.conf.dev1.accept_dad=0")
        for end in ("cradle1", "dev1"):
            network.run("ip", "link", "set", end, "up")
        network.run("ip", "address", "add", "198.18.9.2/24", "dev", "dev1")
        network.run("ip", "address", "add", "2001:2:0:9::2/64", "dev", "dev1", "nodad")
    make()
    try:
        yield make
    finally:
        network.run("ip", "link", "del", "cradle1")


def neighbour(network, address):
    """The MAC that dev1 has for it, "" for none."""
    words = network.run("ip", "neigh", "show", address, "dev", "dev1").stdout.split()
    return words[words.index("lladdr") + 1] if "lladdr" in words else ""


def learn(network, mac):
    for address in (SECOND4, SECOND6):
        assert network.run("ping", "-c", "1", "-W", "10", address).returncode == 0
        assert neighbour(network, address) == mac


def test_neighbours_learn_of_a_port_that_is_another(cradled, network):
    """They have the former MAC, and ask nothing."""
    with second_interface(network) as make, contextlib.closing(Sniffer(network)) as sniffer:
        daemon = cradled({r"^ports = \(": 'ports = ( { device = "net_af_packet1,iface=cradle1"; '
                                          f'addresses = [ "{SECOND4}/24", "{SECOND6}/64" ]; }},'})
        first = port_mac(daemon)
        sniffer.hears(3, "dev1", first, (SECOND4, SECOND6))
        learn(network, first)

        network.run("ip", "link", "set", "cradle1", "address", "02:00:00:00:09:01")
        sniffer.hears(3, "dev1", "02:00:00:00:09:01", (SECOND4, SECOND6))
        for address in (SECOND4, SECOND6):
            wait_for(lambda: neighbour(network, address) == "02:00:00:00:09:01", f"{address} to be learnt anew")

        before = sniffer.count("dev1", "02:00:00:00:09:01", SECOND4)
        # Who looks after ports comes by every half second, and has to have seen it.
        downs = daemon.log().count("iface=cradle1: link is down")
        network.run("ip", "link", "set", "dev1", "down")
        wait_for(lambda: daemon.log().count("iface=cradle1: link is down") > downs, "the log to tell of the link")
        network.run("ip", "link", "set", "dev1", "up")
        sniffer.hears(before + 3, "dev1", "02:00:00:00:09:01", (SECOND4,))

        network.run("ip", "link", "del", "cradle1")
        wait_for(lambda: daemon.result("status")["ports"][0]["link"] == "gone", "the interface to be missed")
        make()
        wait_for(lambda: daemon.result("status")["ports"][0]["reopened"] == 1, "the port to be opened again")
        anew = port_mac(daemon)
        assert anew != "02:00:00:00:09:01"
        sniffer.hears(3, "dev1", anew, (SECOND4, SECOND6))
        assert not any(name == "dev1" and "198.18.0." in address for name, _, address in sniffer.heard), \
            "addresses of the other port"
