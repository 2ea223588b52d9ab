"""cradled on cards behind an IOMMU: bound by dpdk-devbind to vfio-pci, as README says."""
import json

import pytest

from conftest import CARDS, PATIENCE_S, ROOT, address_of, wait_for

IOMMU = True
DEVICES = 200
# The reference task for a device whose managementId is its endpoint name and whose password is "pw" (TLV).
EXPECTED = """\
/0/2=c80018636f6170733a2f2f7572692e6578616d706c653a35363834c10100c10200c8030b{ep}c004c2057077c10a02
/1/0=c10002c1013cc10600c10755
"""
ARP_REQUEST = bytes.fromhex("0001080006040001")


@pytest.fixture(scope="module", autouse=True)
def bound(guest):
    """All cards are DPDK's."""
    guest.must("modprobe", "vfio-pci")
    guest.must("dpdk-devbind.py", "--bind=vfio-pci", *(address_of(card) for card in range(len(CARDS))), timeout=PATIENCE_S)


def knowing_devices(guest, one):
    """The sample's devices, and the generator's; the generator has what they must be told."""
    rows = "".join(f"dev-{n:07},key-{n:07},root.demo,dev-{n:07},pw\n" for n in range(1, DEVICES + 1))
    guest.write("/tmp/devices.csv", "endpoint,key,groups,value.managementId,value.password\n" + rows)
    guest.write("/tmp/expected", EXPECTED)
    for file in ("/tmp/devices.csv", f"{ROOT}/conf/devices.csv"):
        done = one.ctl("device", "import", file)
        assert done.returncode == 0, done.stdout + done.stderr
    return one


@pytest.fixture(scope="module")
def virtio(appliances, guest):
    """The appliance on the card with two queues."""
    return knowing_devices(guest, appliances(address_of(0)))


def bootstraps(bridge, build, port=5684):
    """demo-0001 with its key, from the kernel's own socket on the bridge."""
    key = [] if port == 5683 else ["-i", "demo-0001", "-k", "demo-key-0001-demo"]
    done = bridge.run(f"{build}/tests/functional/lwm2m_client_openssl", *key, "198.18.0.1", port, "ep=demo-0001",
                      timeout=PATIENCE_S)
    return json.loads(done.stdout.splitlines()[-1])["result"]


def storm(guest, build, *argv):
    done = guest.run(f"{build}/tools/storm/cradlestorm", "--port", address_of(1), "--server", "198.18.0.1",
                     "--source", "198.18.0.10+50", "--devices", DEVICES, "--expect", "/tmp/expected", "--json", "-", *argv,
                     timeout=PATIENCE_S)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def pings(bridge, address):
    return bridge.run("ping", "-c", "1", "-W", "5", address).returncode == 0


def test_devbind_shows_the_cards_as_dpdks(guest):
    text = guest.must("dpdk-devbind.py", "--status-dev", "net", timeout=PATIENCE_S)
    theirs = text.split("Network devices using DPDK-compatible driver")[1].split("\n\n")[0]
    for card in range(len(CARDS)):
        assert f"{address_of(card)} " in theirs and "drv=vfio-pci" in theirs, text


def test_the_card_has_its_queues_hash_and_checksums(virtio):
    port = virtio.port()
    assert port["driver"] == "net_virtio" and port["queues"] == 2
    assert port["rss"] and port["rx_checksum"] and port["tx_checksum"]
    assert port["link"] == "up" and port["mac"] == "52:54:00:00:00:00"
    assert "; hugepages" in virtio.log()


def test_neighbours_find_it_by_both_protocols(virtio, bridge):
    """ND comes to a group: without multicast nobody finds an IPv6 address."""
    for address in ("198.18.0.1", "2001:2::1"):
        wait_for(lambda: pings(bridge, address), f"{address} to answer", PATIENCE_S)
    counters = virtio.counters()
    assert counters["nd_answered"] and counters["arp_answered"]


def test_datagrams_of_the_same_host_have_their_checksum_vouched_for(virtio, bridge, build):
    """The bridge's own kernel leaves UDP checksums to the card, and ours to it."""
    features = bridge.run("ethtool", "-k", "bridge0").stdout
    assert "tx-checksum-ip-generic: on" in features
    assert bootstraps(bridge, build) == "finished"
    assert virtio.counters()["rx_udp_partial"] == 0


def test_any_vlan_is_answered_in_kind(virtio, bridge):
    mac, tag = bytes.fromhex("020000000003"), 0x0064
    request = (b"\xff" * 6 + mac + b"\x81\x00" + tag.to_bytes(2, "big") + b"\x08\x06" + ARP_REQUEST + mac
               + bytes([198, 18, 0, 3]) + bytes(6) + bytes([198, 18, 0, 1]))
    frames = bridge.frames("frames1")

    def answer():
        frames.send(request.ljust(64, b"\0"))
        try:
            for _ in range(20):
                frame, found = frames.receive()
                if frame[:6] == mac:
                    return found, frame
        except TimeoutError:
            return None
        return None
    found, _ = wait_for(answer, "a tagged answer", PATIENCE_S)
    assert found == tag


@pytest.mark.parametrize("security", [[], ["--psk"]], ids=["nosec", "psk"])
def test_the_cards_hash_spreads_devices_over_both_workers(virtio, guest, build, security):
    before = virtio.counters()
    code, report = storm(guest, build, *security)
    assert report["failed"] == 0 and report["done"] == DEVICES, report
    assert code == 0 or report["verdict"] == "invalid", report  # the generator may lack a CPU
    after = virtio.counters()
    assert after["bs_finished"] - before["bs_finished"] == DEVICES
    assert after["handed_over"] == before["handed_over"], "the card's hash decides"
    for worker in virtio.result("status")["workers"]:
        assert worker["lingering"] > DEVICES / 10, worker


def test_a_pulled_cable_is_told_and_comes_back(virtio, guest, bridge):
    guest.monitor.set_link("card0", False)
    wait_for(lambda: virtio.port()["link"] == "down", "the link to be down", PATIENCE_S)
    assert "link is down" in virtio.log()
    guest.monitor.set_link("card0", True)
    wait_for(lambda: virtio.port()["link"] == "up", "the link to be up", PATIENCE_S)
    wait_for(lambda: pings(bridge, "198.18.0.1"), "an answer", PATIENCE_S)


def test_another_user_may_have_the_cards(appliances, guest, bridge, build):
    """The start is root's, the card the user's: README's chapter on the first hour."""
    guest.must("chown", "-R", "nobody:nogroup", "/etc/cradle", "/var/lib/cradle", "/run/cradle")
    guest.must("sh", "-c", "chown nobody:nogroup /dev/vfio/[0-9]*")
    one = appliances(address_of(0), user='"nobody"', group='"nogroup"')
    assert one.result("status")["privileges"]["user"] == "nobody"
    wait_for(lambda: pings(bridge, "198.18.0.1"), "an answer", PATIENCE_S)
    assert bootstraps(bridge, build) == "finished"
    assert one.stop() == 0, one.log()
    guest.must("chown", "-R", "root:root", "/etc/cradle", "/var/lib/cradle", "/run/cradle", "/dev/vfio")


def test_a_driver_of_hardware_serves_too(appliances, guest, bridge, build):
    """Intel's 82574L, as QEMU makes it."""
    one = knowing_devices(guest, appliances(address_of(2)))
    port = wait_for(lambda: one.port()["link"] == "up" and one.port(), "the link to be up", PATIENCE_S)
    assert port["driver"] == "net_e1000_em" and port["rx_checksum"] and port["tx_checksum"]
    for address in ("198.18.0.1", "2001:2::1"):
        wait_for(lambda: pings(bridge, address), f"{address} to answer", PATIENCE_S)
    assert bootstraps(bridge, build) == "finished"
    before = one.counters()["bs_finished"]
    code, report = storm(guest, build, "--psk")
    assert report["failed"] == 0 and report["done"] == DEVICES, report
    assert one.counters()["bs_finished"] - before == DEVICES
    guest.monitor.set_link("card2", False)
    wait_for(lambda: one.port()["link"] == "down", "the link to be down", PATIENCE_S)
    guest.monitor.set_link("card2", True)
    wait_for(lambda: one.port()["link"] == "up", "the link to be up", PATIENCE_S)
    wait_for(lambda: pings(bridge, "198.18.0.1"), "an answer", PATIENCE_S)
