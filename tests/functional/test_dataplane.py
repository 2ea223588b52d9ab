"""The dataplane under other circumstances: several workers, no allocation, other devices than af_packet."""
import json
import mmap
import os
import re
import socket
import struct
import subprocess
import time

import pytest

import coap
from conftest import SERVER4, wait_for
from test_nosec import RawDevice, finish, operations


def test_two_workers_serve_every_flow(cradled, network):
    daemon = cradled({r"^workers = 1": "workers = 2"})
    devices = [RawDevice(network) for _ in range(16)]
    for number, device in enumerate(devices, 1):
        assert finish(device, device.begin()) == ["/0/2", "/1/0", "/bs"]
        # They say one name: a request at one worker that overtakes the last answer at the other ends the run.
        wait_for(lambda: daemon.counters()["bs_finished"] == number, "the last answer to be counted")
    workers = daemon.result("status")["workers"]
    assert len(workers) == 2


def test_all_that_two_workers_send_by_one_queue_of_af_xdp_arrives(cradled, network, build):
    """One worker receives, both send, so that buffers go all round the pool: the kernel must know of each."""
    many = 2000
    daemon = cradled({r"^workers = 1": "workers = 2", r"net_af_packet0,iface=cradle0": "net_af_xdp0,iface=cradle0",
                      r"^sessions = \d+": "sessions = 4096"})
    table = daemon.folder / "many.csv"
    table.write_text("endpoint,key,groups,value.managementId,value.password\n" + "".join(
        f"dev-{n:07},key-{n:07},root.demo,dev-{n:07},pw\n" for n in range(1, many + 1)))
    assert daemon.ctl("device", "import", table).returncode == 0

    def arrived():
        link, = json.loads(network.run("ip", "-s", "-j", "link", "show", "dev0").stdout)
        return link["stats64"]["rx"]["packets"] - daemon.counters()["tx_frames"]
    wait_for(lambda: daemon.result("status")["ports"][0]["link"] == "up", "the link")
    before = arrived()
    done = network.run(f"{build}/tools/storm/cradlestorm", "--port", "net_af_packet0,iface=dev0", "--server", SERVER4,
                       "--source", "198.18.0.10+50", "--devices", many, "--concurrency", "200", "--psk", "--json", "-", timeout=300)
    report = json.loads(done.stdout)
    assert report["done"] == many and not report["failed"], done.stderr
    assert daemon.counters()["handed_over"] > many
    wait_for(lambda: arrived() == before, "all frames to arrive")


def test_queues_that_an_af_xdp_port_does_not_take_are_told_of(cradled, network):
    """The kernel gets what its card, or a veth, puts into the others."""
    def said(settings=None):
        daemon = cradled(settings)
        wait_for(lambda: "ready, control socket" in daemon.log(), "it to be ready")
        assert daemon.stop() == 0
        return re.findall(r"over (\d+) queues, and the port takes (\d+)", daemon.log())
    af_xdp = {r"net_af_packet0,iface=cradle0": "net_af_xdp0,iface=cradle0"}
    assert said(af_xdp) == []
    network.run("ethtool", "-L", "cradle0", "rx", "2")
    try:
        assert said(af_xdp) == [("2", "1")]
        assert said() == [], "af_packet receives from all of them"
    finally:
        network.run("ethtool", "-L", "cradle0", "rx", "1")


def test_workers_allocate_nothing_after_start(cradled, build, network, tmp_path):
    """Counts malloc and its kin by thread through a preloaded library."""
    table = tmp_path / "allocations"
    env = {"LD_PRELOAD": f"{build}/tests/functional/liballoc_guard.so", "CRADLE_ALLOC_GUARD": str(table)}
    daemon = cradled(env=env)

    def worker_counts():
        return subprocess.run([f"{build}/tests/functional/alloc_guard_read", table], text=True, check=True,
                              capture_output=True).stdout
    assert daemon.device("ep=demo-0001")[0] == 0
    before = worker_counts()
    assert before.strip(), "no worker thread was seen"
    for query in ("ep=demo-0001", "ep=nobody", "pct=112"):
        for _ in range(20):
            daemon.device("ep=demo-0001", query) if query != "ep=nobody" else daemon.device(query)
    assert worker_counts() == before


def test_partial_checksums_are_told_with_their_remedy(cradled, network):
    """What the kernel leaves to a veth device to complete, which never does."""
    daemon = cradled()
    network.run("ethtool", "-K", "dev0", "tx", "on")
    try:
        device = RawDevice(network)
        device.send(coap.request(queries=["ep=demo-0001"]))
        wait_for(lambda: daemon.result("status")["rx_udp_partial"], "the datagram to be counted")
        assert 'ethtool -K IFACE tx off' in daemon.ctl("status").stdout
    finally:
        network.run("ethtool", "-K", "dev0", "tx", "off")


@pytest.fixture(params=["net_af_packet1,iface=cradle1", "net_af_xdp1,iface=cradle1"],
                ids=["af_packet", "af_xdp"])
def second_port(cradled, network, request):
    """An appliance with a second port, on cradle1, which the test may take away; dev1 is its other end."""
    def make():
        network.run("ip", "link", "add", "cradle1", "type", "veth", "peer", "name", "dev1")
        network.run("sysctl", "-w", "net.ipv6.conf.cradle1.disable_ipv6=1")
        for end in ("cradle1", "dev1"):
            network.run("ethtool", "-K", end, "tx", "off")
            network.run("ip", "link", "set", end, "up")
        network.run("ip", "address", "add", "198.18.9.2/24", "dev", "dev1")

    make()
    daemon = cradled({r"^ports = \(": 'ports = ( { device = "%s"; addresses = [ "198.18.9.1/24" ]; },' % request.param})
    daemon.make_interface = make
    yield daemon
    network.run("ip", "link", "del", "cradle1")


def first_port(daemon):
    return daemon.result("status")["ports"][0]


def bootstraps_over(daemon, host):
    code, events = daemon.device("ep=demo-0001", host=host)
    return code == 0 and len(operations(events)) == 3


def test_a_link_that_comes_back_serves_again(second_port, network):
    daemon = second_port
    wait_for(lambda: first_port(daemon)["link"] == "up", "the link")

    def said(what):
        return len(re.findall(f"iface=cradle1.*: link is {what}", daemon.log()))

    # The log follows the status, and may have told of a link that came late when the appliance started.
    for end in ("dev1", "cradle1"):
        downs = said("down")
        network.run("ip", "link", "set", end, "down")
        wait_for(lambda: first_port(daemon)["link"] == "down", "the link to be down")
        wait_for(lambda: said("down") > downs, "the log to say so")
        ups = said("up")
        network.run("ip", "link", "set", end, "up")
        wait_for(lambda: first_port(daemon)["link"] == "up", "the link to be up")
        wait_for(lambda: said("up") > ups, "the log to say so")
    wait_for(lambda: bootstraps_over(daemon, "198.18.9.1"), "a device to bootstrap over it")
    assert first_port(daemon)["reopened"] == 0


def test_an_interface_that_is_made_anew_is_opened_again(second_port, network):
    daemon = second_port
    mac = first_port(daemon)["mac"]
    for times in (1, 2):
        network.run("ip", "link", "del", "cradle1")
        wait_for(lambda: first_port(daemon)["link"] == "gone", "the interface to be missed")
        wait_for(lambda: daemon.log().count("its interface is gone") == times, "the log to say so")
        assert "gone" in daemon.ctl("status").stdout
        assert daemon.device("ep=demo-0001")[0] == 0, "the other port serves"
        daemon.make_interface()
        wait_for(lambda: first_port(daemon)["reopened"] == times, "the port to be opened again")
        wait_for(lambda: first_port(daemon)["link"] == "up", "the link")
        wait_for(lambda: bootstraps_over(daemon, "198.18.9.1"), "a device to bootstrap over it")
    assert daemon.log().count("opened again, as its interface was made anew") == 2
    assert first_port(daemon)["mac"] != mac
    assert first_port(daemon)["trouble"] == ""


def test_an_interface_of_another_address_is_known_by_it(second_port, network):
    daemon = second_port
    network.run("ip", "link", "set", "cradle1", "address", "02:00:00:00:09:01")
    wait_for(lambda: first_port(daemon)["mac"] == "02:00:00:00:09:01", "the address to be taken over")
    network.run("ip", "neigh", "flush", "dev", "dev1")
    wait_for(lambda: bootstraps_over(daemon, "198.18.9.1"), "a device to bootstrap over it")


def test_a_link_that_is_down_or_gone_is_told(cradled, network):
    network.run("ip", "link", "add", "cradle1", "type", "veth", "peer", "name", "dev1")
    network.run("ip", "link", "set", "cradle1", "up")
    daemon = cradled({r"^ports = \(": 'ports = ( { device = "net_af_packet1,iface=cradle1"; '
                                      'addresses = [ "198.18.9.1/24" ]; },'})

    def links():
        return [port["link_up"] for port in daemon.result("status")["ports"]]
    assert links() == [False, True], "its peer is down"
    network.run("ip", "link", "set", "dev1", "up")
    wait_for(lambda: links() == [True, True], "the link to come up")
    network.run("ip", "link", "set", "cradle1", "down")
    assert links() == [False, True]
    network.run("ip", "link", "del", "cradle1")
    assert links() == [False, True]


def test_memory_is_said_at_start(cradled):
    log = cradled().log()
    line = next(l for l in log.splitlines() if "bytes" in l and "session" in l)
    numbers = [int(w) for w in line.replace(",", " ").replace(":", " ").split() if w.isdigit()]
    assert any(100 < n <= 512 for n in numbers), line
    wanted = re.search(r"memory: with (\d+) hugepages of 2 MB free at the start", log)
    assert 8 < int(wanted[1]) < 1000, "without hugepages it says how many would do"


def test_over_memif(cradled, network, tmp_path):
    """The same program on shared memory; testpmd bridges it to the veth, so that the same devices reach it."""
    memif = tmp_path / "memif.sock"
    daemon = cradled({r"net_af_packet0,iface=cradle0": f"net_memif0,role=server,socket={memif}"})
    bridge = subprocess.Popen(
        network.command("dpdk-testpmd", "--no-pci", "--no-huge", "-m", "256", "--no-shconf",
                        "--file-prefix", f"bridge-{os.getpid()}", "--log-level", "error", "--lcores", "0@0,1@1",
                        "--vdev", f"net_memif0,role=client,socket={memif}",
                        "--vdev", "net_af_packet0,iface=cradle0", "--",
                        "--forward-mode=io", "--auto-start", "--no-lsc-interrupt", "--total-num-mbufs=4096",
                        "--no-flush-rx"),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        def bridged():
            assert bridge.poll() is None, bridge.stdout.read().decode()
            return network.run("ping", "-c", "1", "-W", "1", SERVER4).returncode == 0
        wait_for(bridged, "the bridge", 60)
        code, events = daemon.device("ep=demo-0001")
        assert code == 0, events
        assert [s["path"] for s in operations(events)] == ["/0/2", "/1/0", "/bs"]
    finally:
        bridge.stdin.close()
        bridge.terminate()
        bridge.wait(20)
