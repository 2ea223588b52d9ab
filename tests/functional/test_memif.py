"""A memif port and peers that come, leave, and have rings of their own number."""
import contextlib
import signal
import socket
import struct

import pytest

from conftest import SERVER4, wait_for
from memif_peer import SLOTS, MemifPeer

PEER_MAC, EVERYONE = bytes.fromhex("020000000001"), b"\xff" * 6
SERVER, PEER = bytes(map(int, SERVER4.split("."))), bytes([198, 18, 0, 9])
ARP_REQUEST = (EVERYONE + PEER_MAC + bytes.fromhex("0806 0001080006040001") + PEER_MAC + PEER + bytes(6) + SERVER)
COAP_PORT = 5683


def ping(mac, port, message_id):
    """A CoAP ping in UDP without a checksum (RFC 768), over IPv4."""
    udp = struct.pack(">HHHH", port, COAP_PORT, 12, 0) + struct.pack(">BBH", 0x40, 0, message_id)
    header = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, PEER, SERVER)
    total = sum(struct.unpack(">10H", header))
    checksum = ~((total & 0xffff) + (total >> 16)) & 0xffff
    return mac + PEER_MAC + b"\x08\x00" + header[:10] + struct.pack(">H", checksum) + header[12:] + udp


def pongs(frames):
    """(port, message id) of every Reset."""
    return [(struct.unpack_from(">H", frame, 36)[0], struct.unpack_from(">H", frame, 44)[0])
            for frame in frames if frame[12:14] == b"\x08\x00" and frame[42] >> 4 == 7]


@pytest.fixture
def memif(cradled, network, tmp_path):
    """memif(settings) is an appliance on a memif port, and a factory of its peers."""
    path = tmp_path / "memif.sock"
    with contextlib.ExitStack() as peers:
        def make(settings=None):
            daemon = cradled({r"net_af_packet0,iface=cradle0": f"net_memif0,role=server,socket={path}",
                              **(settings or {})})

            def peer(rings=1, **options):
                return peers.enter_context(contextlib.closing(MemifPeer(network, path, rings, **options)))
            return daemon, peer
        yield make


def server_mac(peer):
    peer.send(0, ARP_REQUEST)
    frames = wait_for(peer.receive, "an answer to ARP")
    return frames[0][6:12]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_thousand_peers_leave_in_the_middle_of_a_burst(memif, workers):
    """Each leaves a full ring behind that is being read, and answered, when its memory goes."""
    daemon, make_peer = memif({r"^workers = 1": f"workers = {workers}"})
    before = daemon.counters()
    for _ in range(1000):
        with contextlib.closing(make_peer()) as peer:
            peer.fill(0, [ARP_REQUEST] * (SLOTS - 1))
            peer.post(0)
            while not peer.taken(0):
                assert daemon.process.poll() is None, daemon.log()
            peer.leave()
    assert daemon.process.poll() is None, daemon.log()
    assert daemon.counters()["arp_answered"] - before["arp_answered"] > 1000
    server_mac(make_peer())


@pytest.mark.parametrize("rings", [1, 2, 3, 4])
@pytest.mark.parametrize("workers", [1, 2, 3, 4])
def test_every_frame_is_received_once_with_any_number_of_workers_and_rings(memif, workers, rings):
    """The peer's number of rings is 1, or configured."""
    settings = {r"^workers = 1": f"workers = {workers}"}
    if rings > 1:
        settings[r"^(\s*)# queues = 1;.*"] = rf"\g<1>queues = {rings};"
    daemon, make_peer = memif(settings)
    peer = make_peer(rings)
    mac = server_mac(peer)
    before = daemon.counters()
    asked = [(20000 + n, 100 + n) for n in range(64 * rings)]
    for n, (port, message_id) in enumerate(asked):
        peer.send(n % rings, ping(mac, port, message_id))
    answered = []

    def all_answered():
        answered.extend(pongs(peer.receive()))
        return len(answered) >= len(asked)
    wait_for(all_answered, "all answers")
    assert sorted(answered) == asked
    after = daemon.counters()
    assert after["rx_frames"] - before["rx_frames"] == len(asked)
    assert after["rx_truncated"] == before["rx_truncated"]


def test_peers_that_are_gone_before_they_are_accepted_do_no_harm(memif, network, tmp_path):
    """More of them than there are places for handlers: the driver closed their sockets and let DPDK wait for them, which
    ends a process."""
    daemon, make_peer = memif()
    for _ in range(150):
        daemon.process.send_signal(signal.SIGSTOP)
        with network.inside(), socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
            peer.connect(f"\0{tmp_path}/memif.sock")
        daemon.process.send_signal(signal.SIGCONT)
        with network.inside(), socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
            peer.settimeout(60)
            peer.connect(f"\0{tmp_path}/memif.sock")  # its hello says that the one before was served
            assert peer.recv(1000), daemon.log()
    assert server_mac(make_peer())
