"""The end of a stop: everything is put away, the process exits, and threads that DPDK cannot end are still there."""
import contextlib
import os
import pathlib
import select
import socket

import pytest

from conftest import Cradled

PORT = r"net_af_packet0,iface=cradle0"


class Ending:
    """An appliance that stays at its very end until released, where `where` is: its folder, with a memif's socket."""

    def __init__(self, build, network, folder, settings=None):
        self.network, self.fifo = network, folder / "fifo"
        os.mkfifo(self.fifo)
        self.reader = os.open(self.fifo, os.O_RDONLY | os.O_NONBLOCK)
        self.daemon = Cradled(build, network, folder / "conf", settings, env={
            "LD_PRELOAD": str((pathlib.Path(build) / "tests/functional/libstop_guard.so").resolve()),
            "CRADLE_STOP_GUARD": str(self.fifo)})
        self.daemon.start()

    def reach(self):
        self.daemon.process.terminate()
        readable, _, _ = select.select([self.reader], [], [], 60)
        assert readable and os.read(self.reader, 1) == b"x", self.daemon.log()

    def end(self):
        """Its exit code."""
        if self.reader is not None:
            os.close(self.reader)
            self.reader = None
        return self.daemon.stop()


@pytest.fixture
def ending(build, network, tmp_path):
    with contextlib.ExitStack() as stack:
        def make(settings=None):
            one = Ending(build, network, tmp_path, settings)
            stack.callback(one.end)
            return one
        yield make


def memif_peer(network, name):
    """A peer that has connected and said nothing yet. The name is an abstract one, of the namespace."""
    with network.inside():
        peer = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    peer.settimeout(20)
    peer.connect(name)
    return peer


def test_memif_peers_find_a_closed_door_as_the_appliance_exits(ending, network, tmp_path):
    """One that came before and one that comes now: both woke a thread of DPDK's whose memory was gone."""
    name = f"\0{tmp_path}/memif.sock"
    one = ending({PORT: f"net_memif0,role=server,socket={tmp_path}/memif.sock"})
    early = memif_peer(network, name)
    assert early.recv(1000), "its hello"
    one.reach()
    assert early.recv(1000) == b"", "its connection is closed"
    with pytest.raises(ConnectionRefusedError):
        memif_peer(network, name)
    early.close()
    assert one.end() == 0, one.daemon.log()


@pytest.mark.parametrize("question", ["/mempool/list", "/eal/heap_list", "/eal/memzone_list", "/cradle/counters"])
def test_telemetry_answers_while_the_appliance_exits(ending, question):
    """DPDK's thread for it is the last to go: it read memory that was gone."""
    one = ending()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
        client.settimeout(20)
        client.connect(str(one.daemon.runtime_folder() / "dpdk_telemetry.v2"))
        assert b"version" in client.recv(65536)
        one.reach()
        client.send(question.encode())
        assert question.encode() in client.recv(65536)
    assert one.end() == 0, one.daemon.log()


def test_a_start_that_is_refused_leaves_no_socket_of_a_port(build, network, tmp_path):
    """The first port stands when the driver refuses the second one, which is another end of the same memif."""
    device = f"role=server,socket={tmp_path}/memif.sock,socket-abstract=no"
    daemon = Cradled(build, network, tmp_path / "conf", {
        PORT: f"net_memif0,{device}",
        r"^ports = \(": f'ports = ( {{ device = "net_memif1,{device}"; addresses = [ "198.18.1.1/24" ]; }},'})
    done = network.run(f"{build}/control/cradled", "-c", daemon.folder / "cradle.conf", timeout=60)
    assert done.returncode == 1 and "port net_memif0" in done.stderr, done.stderr
    assert not (tmp_path / "memif.sock").exists()
