"""A swarm of devices over shared memory, well behaved and not: cradlestorm against cradled, without a kernel between."""
import json
import pathlib
import re
import socket
import subprocess

import pytest

from conftest import Cradled, wait_for

DEVICES = 200
# The reference task for a device whose managementId is its endpoint name and whose password is "pw" (TLV).
EXPECTED = """\
/0/2=c80018636f6170733a2f2f7572692e6578616d706c653a35363834c10100c10200c8030b{ep}c004c2057077c10a02
/1/0=c10002c1013cc10600c10755
"""


def key_rows(devices):
    """Those that the generator plays by itself, as they are imported."""
    return "endpoint,key,groups,value.managementId,value.password\n" + "".join(
        f"dev-{n:07},key-{n:07},root.demo,dev-{n:07},pw\n" for n in range(1, devices + 1))


class Storm:
    """An appliance behind a memif socket, and the generator in front of it. The socket takes one client at a time."""

    def __init__(self, build, network, folder, settings=None, devices=DEVICES):
        self.build, self.network, self.folder = build, network, folder
        self.memif = folder / "memif.sock"
        self.daemon = Cradled(build, network, folder / "conf", {
            r"net_af_packet0,iface=cradle0": f"net_memif0,role=server,socket={self.memif}", **(settings or {})})
        self.daemon.write("devices.csv", key_rows(devices))
        (folder / "expected").write_text(EXPECTED)
        self.prepare()
        self.daemon.start()

    def prepare(self):
        """What else the appliance has before it starts."""

    def run(self, *argv, server="198.18.0.1", source="198.18.0.10+50", timeout=120):
        """(exit code, report)."""
        # memif's socket is an abstract one: it belongs to the namespace.
        done = self.network.run(
            f"{self.build}/tools/storm/cradlestorm", "--port", f"net_memif0,role=client,socket={self.memif}",
            "--server", server, "--source", source, "--json", "-", *map(str, argv), timeout=timeout)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    def moved(self, *argv, **options):
        """run(), and by how much each counter of the server moved."""
        before = self.daemon.counters()
        code, report = self.run(*argv, **options)
        after = self.daemon.counters()
        return code, report, {name: after[name] - before[name] for name in after}

    def stop(self):
        return self.daemon.stop()


@pytest.fixture
def storm(build, network, tmp_path):
    """A factory, as the session table must be fresh where old peers would be recognised."""
    made = []

    def make(settings=None, **options):
        folder = tmp_path / f"storm{len(made)}"
        folder.mkdir()
        made.append(Storm(build, network, folder, settings, **options))
        return made[-1]
    yield make
    for one in made:
        assert one.stop() == 0, one.daemon.log()


SECURITY = pytest.mark.parametrize("security", [[], ["--psk"]], ids=["nosec", "psk"])


@SECURITY
def test_every_device_gets_exactly_its_task(storm, security):
    one = storm()
    code, report, moved = one.moved("--devices", DEVICES, "--expect", one.folder / "expected", *security)
    assert (code, report["verdict"]) == (0, "valid")
    assert report["done"] == report["offered"] == report["planned"] == DEVICES
    assert report["writes_checked"] and report["failed"] == 0
    assert moved["bs_finished"] == DEVICES
    assert moved["dtls_finished"] == (DEVICES if security else 0)
    phases = report["latency_us"]
    assert phases["whole"]["n"] == phases["bootstrap"]["n"] == DEVICES
    assert phases["cookie"]["n"] == (DEVICES if security else 0)


def test_devices_give_up_where_the_peer_accepts_no_connection_any_more(storm, tmp_path):
    """It has a backlog of 1, as memif's driver: the third attempt to connect again finds it full."""
    path = tmp_path / "peer.sock"
    device = f"socket={path},socket-abstract=no"
    one = storm({r"net_af_packet0,iface=cradle0": f"net_memif0,role=server,{device}"})
    swarm = subprocess.Popen(one.network.command(
        f"{one.build}/tools/storm/cradlestorm", "--port", f"net_memif0,role=client,{device}", "--server", "198.18.0.1",
        "--source", "198.18.0.10+50", "--devices", DEVICES, "--concurrency", 50, "--rtt", 500, "--give-up", 2, "--json",
        "-"), stdout=subprocess.PIPE, text=True)
    try:
        wait_for(lambda: one.daemon.counters()["bs_finished"] > 0, "the first devices to end", 60)
        assert one.stop() == 0, one.daemon.log()
        path.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as peer:
            peer.bind(str(path))
            peer.listen(1)
            report = json.loads(swarm.communicate(timeout=120)[0])
    finally:
        if swarm.poll() is None:
            swarm.kill()
            swarm.wait()
    assert not report["interrupted"] and report["outcomes"]["unfinished"] == 0, report["outcomes"]
    assert report["done"] > 0 and report["outcomes"]["silence"] > 0, report["outcomes"]
    assert report["done"] + report["failed"] == DEVICES


def test_a_run_leaves_no_runtime_folder_behind(storm):
    one = storm()
    # Folders of others come and go meanwhile: the run gets a place of its own.
    alone = ('mkdir -p /run/dpdk && mount -t tmpfs tmpfs /run/dpdk && "$@" >&2 || exit; stat -f -c %T /run/dpdk; ls -A /run/dpdk')
    done = one.network.run(
        "unshare", "--mount", "sh", "-c", alone, "sh", f"{one.build}/tools/storm/cradlestorm",
        "--port", f"net_memif0,role=client,socket={one.memif}", "--server", "198.18.0.1", "--source", "198.18.0.10+50",
        "--devices", "1", timeout=120)
    assert (done.returncode, done.stdout) == (0, "tmpfs\n"), done.stderr


def test_a_wrong_write_is_a_failure(storm):
    one = storm()
    wrong = one.folder / "wrong"
    wrong.write_text(EXPECTED.replace("c1013c", "c1013d"))
    code, report = one.run("--devices", 10, "--expect", wrong)
    assert code == 1 and report["outcomes"]["wrong write"] == 10 and report["done"] == 0
    wrong.write_text(EXPECTED + "-/0\n")
    code, report = one.run("--devices", 10, "--expect", wrong)
    assert code == 1 and report["outcomes"]["missing write"] == 10
    wrong.write_text("/0/2=*\n/1/0=*\n")
    assert one.run("--devices", 10, "--expect", wrong)[0] == 0


def test_an_expectation_is_learnt_from_one_device(storm):
    """Written down from one, it holds for all."""
    one = storm()
    learnt = one.folder / "learnt"
    code, report = one.run("--first", 7, "--learn", learnt, "--psk")
    assert code == 0, report
    assert learnt.read_text() == EXPECTED
    code, report = one.run("--devices", 50, "--expect", learnt)
    assert code == 0 and report["writes_checked"] and report["done"] == 50
    missing = one.folder / "missing"
    assert one.run("--endpoint", "nobody-%u", "--learn", missing)[0] != 0 and not missing.exists()


def test_an_unknown_device_is_refused(storm):
    one = storm()
    code, report = one.run("--devices", 5, "--endpoint", "nobody-%u")
    assert code == 1 and report["outcomes"]["refused"] == 5


def test_devices_from_a_file(storm):
    one = storm()
    table = one.folder / "devices.csv"
    table.write_text("key_hex,endpoint\n" + "".join(
        f"{f'key-{n:07}'.encode().hex()},dev-{n:07}\n" for n in range(1, 21)))
    for devices, options in ((20, []), (1, ["--devices", 1])):  # all of the file, or as many as said
        code, report = one.run("--csv", table, "--psk", "--expect", one.folder / "expected", *options)
        assert code == 0 and report["done"] == devices


@pytest.mark.parametrize("ports", [2, 1], ids=["a_port_each", "one_port_of_two_queues"])
@SECURITY
def test_several_cores_share_the_devices(build, network, tmp_path, ports, security):
    """Two cores are two threads: what they did is one report, and every device did it once."""
    second = tmp_path / "second.sock"
    settings = {r"^workers = 1;": "workers = 2;", r"(device = \"net_memif0.*?;)": r"\1 queues = 2;"} if ports == 1 else {
        r"^ports = \(": 'ports = ( { device = "net_memif1,role=server,id=0,socket=%s"; '
                        'addresses = [ "198.18.0.1/24" ]; },' % second}
    one = Storm(build, network, tmp_path, settings)
    more = () if ports == 1 else ("--port", f"net_memif1,role=client,socket={second}")
    try:
        code, report, moved = one.moved("--cores", 2, "--devices", DEVICES - 1, "--concurrency", 7, *more,
                                        "--expect", one.folder / "expected", *security)
        assert code in (0, 4), report  # 4: the machine has fewer CPUs than pollers
        assert report["done"] == report["offered"] == report["planned"] == DEVICES - 1
        assert moved["bs_finished"] == moved["sessions_opened"] == DEVICES - 1
        assert report["latency_us"]["whole"]["n"] == DEVICES - 1
        assert report["plan"]["cores"] == 2
        assert sum(r["done_per_s"] for r in report["records"]) > 0
    finally:
        assert one.stop() == 0, one.daemon.log()


def test_cores_need_ports_or_queues(storm):
    one = storm()
    done = one.network.run(f"{one.build}/tools/storm/cradlestorm", "--port", "net_pcap0,iface=lo", "--server", "198.18.0.1", "--source",
                           "198.18.0.10", "--devices", 4, "--cores", 2, timeout=60)
    assert done.returncode == 3 and "too few queues" in done.stderr


def test_over_ipv6(storm):
    one = storm()
    code, report, moved = one.moved("--devices", 20, "--psk", server="2001:2::1", source="2001:2::1:0+5")
    assert code == 0 and report["done"] == 20 and moved["bs_finished"] == 20


@SECURITY
def test_a_lossy_network_fails_nobody(storm, security):
    """7 % lost, 10 % copied and late in both directions: the protocols' own retransmissions mend that."""
    # One in seven exchanges fails: with the usual four retransmissions on either side one run in twenty would lose a device,
    # with eight one in a hundred thousand.
    one = storm({r"ack_timeout_ms = 2000": "ack_timeout_ms = 200", r"max_retransmit = 4": "max_retransmit = 8"})
    code, report, moved = one.moved("--devices", DEVICES, "--concurrency", DEVICES, "--loss", 7, "--duplicate", 10,
                                    "--reorder", 10, "--ack-timeout", 200, "--max-retransmit", 8, "--drain", 3,
                                    "--expect", one.folder / "expected", *security)
    assert code == 0, report
    assert report["done"] == DEVICES
    network = report["network"]
    assert network["lost"] and network["duplicated"] and network["reordered"]
    assert report["wire"]["retransmitted"] > 0
    # A device is through once it answered Finish. Where that answer was lost, and those to its copies until the generator
    # ended, the server still asks.
    asking = sum(worker["running"] for worker in one.daemon.result("status")["workers"])
    assert moved["bs_finished"] + asking == moved["bs_started"] == DEVICES and asking < DEVICES / 10


def test_corruption_is_told_by_checksums(storm):
    # As above.
    one = storm({r"ack_timeout_ms = 2000": "ack_timeout_ms = 200", r"max_retransmit = 4": "max_retransmit = 8"})
    code, report, moved = one.moved("--devices", DEVICES, "--corrupt", 7, "--ack-timeout", 200, "--max-retransmit", 8,
                                    "--drain", 1)
    assert code == 0, report
    assert moved["rx_udp_checksum"] == report["network"]["corrupted"] > 0


def test_open_loop_keeps_its_plan(storm):
    one = storm()
    code, report = one.run("--devices", DEVICES, "--rate", 200, "--duration", 2, "--ramp", 1, "--seed", 7)
    # On a machine that is busy with other things starts may be late, and the verdict says so.
    assert code == 0 or (code == 4 and "late" in report["verdict"]), report
    assert report["plan"]["total"] == report["done"] == 300  # 200/s over 2 s, less half of the ramp
    assert report["seconds"] > 1.5


def test_a_plan_that_cannot_be_kept_is_invalid(storm):
    """Two devices behind a second of network cannot start 100 times a second: the figures would lie."""
    code, report = storm().run("--devices", 2, "--rate", 100, "--duration", 2, "--rtt", 500)
    assert code == 4 and not report["valid"]


def test_how_late_a_start_may_be_can_be_said(storm):
    """One device that takes 0.4 s behind its network, four times in a second: starts wait for the runs before."""
    one = storm()
    argv = "--devices", 1, "--rate", 4, "--duration", 1, "--rtt", 100
    code, report = one.run(*argv)
    late_ms = report["generator"]["late_us"] / 1000
    assert code == 4 and late_ms > 100 and report["generator"]["late_allowed_us"] == 100_000
    # On a machine that is busy with other things the plan may not fit its time at all.
    short = "offered less than 99 % of the plan"
    assert report["verdict"].startswith(f"a start was {late_ms:.1f} ms late, 100.0 may be") or report["verdict"] == short
    code, report = one.run(*argv, "--late", 60_000)
    assert report["generator"]["late_us"] > 100_000 and report["generator"]["late_allowed_us"] == 60_000_000
    assert (code, report["verdict"]) == (0, "valid") or report["verdict"] == short, report


def test_a_burst_with_slow_links(storm):
    """Everyone comes back at once, behind 200 ms of network: four answers take four times that."""
    one = storm()
    code, report, moved = one.moved("--burst", DEVICES, "--psk", "--rtt", "200:100")
    assert code == 0, report
    assert moved["bs_finished"] == DEVICES
    assert report["latency_us"]["whole"]["p50"] >= 4 * 200_000


def test_a_run_as_a_picture(storm, tmp_path):
    """gnuplot draws it; what is drawn is what was recorded."""
    import xml.etree.ElementTree as tree
    one = storm()
    svg, page = tmp_path / "run.svg", tmp_path / "run.html"
    code, report = one.run("--devices", DEVICES, "--psk", "--rtt", "100", "--plot", svg)
    assert code == 0, report
    texts = ["".join(node.itertext()).strip() for node in tree.parse(svg).iter() if node.tag.endswith("text")]
    assert any(f"{DEVICES} done, 0 failed" in text for text in texts), texts
    assert {"started", "done", "p99", "seconds"} <= set(texts)
    assert one.run("--devices", 5, "--plot", page)[0] == 0
    text = page.read_text()
    assert text.startswith("<!DOCTYPE html>") and "<svg" in text and "verdict    valid" in text


def test_a_picture_that_cannot_be_drawn_is_told_before_the_run(build, tmp_path):
    def run(*argv, **options):
        return subprocess.run([f"{build}/tools/storm/cradlestorm", "--port", "net_null0", "--server", "198.18.0.1", "--source",
                               "198.18.0.10", *map(str, argv)], text=True, capture_output=True, timeout=60, **options)
    assert run("--plot", "run.png").returncode == 2
    done = run("--plot", tmp_path / "run.svg", env={"PATH": str(tmp_path)})
    assert done.returncode == 3 and "gnuplot-nox" in done.stderr
    assert not (tmp_path / "run.svg").exists()


def test_a_report_has_its_schema(storm):
    """The keys that tools/storm/report.h documents, and a record of each second."""
    one = storm()
    code, report = one.run("--devices", 50, "--rate", 20, "--duration", 2.5, "--psk")
    assert code in (0, 4), report
    assert report["schema"] == 2
    header = (pathlib.Path(__file__).resolve().parents[2] / "tools/storm/report.h").read_text()

    def names(value):
        for key, inner in value.items():
            yield key
            inner = inner[0] if isinstance(inner, list) and inner else inner
            if isinstance(inner, dict):
                yield from names(inner)
    missing = [name for name in names(report) if name not in header and name not in report["outcomes"]]
    assert not missing
    records = report["records"]
    assert len(records) >= 2 and [r["second"] for r in records] == sorted(r["second"] for r in records)
    ends = [0] + [r["second"] for r in records]
    done = sum(r["done_per_s"] * (end - begin) for r, begin, end in zip(records, ends, ends[1:]))
    assert round(done) == report["done"]


def test_an_outage_storm_finishes_whole(storm):
    """5,000 devices come back at once, behind 500 ms of network and into pools for some of them only: every one finishes,
    and no more sessions are made than there is room for."""
    one = storm({r"^sessions = \d+": "sessions = 4096"}, devices=5000)
    code, report, moved = one.moved("--burst", 5000, "--psk", "--rtt", "500:250", "--ack-timeout", 1000,
                                    "--expect", one.folder / "expected", timeout=300)
    assert code in (0, 4), report
    assert report["done"] == report["planned"] == 5000 and report["failed"] == 0
    assert moved["bs_finished"] == moved["dtls_finished"] == 5000
    assert moved["sessions_full"] + moved["dtls_handshakes_full"] > 0, "the pools were not small enough to matter"
    assert one.daemon.result("status")["workers"][0]["sessions"] <= 4096


def read_modes():
    """{name: {"end": "finishes" or "ends", security: counter or "-"}}, from the table itself: no program is built yet."""
    text = (pathlib.Path(__file__).resolve().parents[2] / "tools/storm/misbehave.c").read_text()
    found = {}
    for entry in re.split(r"\n\t\[MISBEHAVE_\w+\] = ", text)[2:]:
        name, counters = re.match(r'\{\s*"([a-z-]+)",\s*(.*?),\s*ANSWER_', entry, re.S).groups()
        names = re.findall(r'NULL|"\w+"', counters)
        names = {"EVERYWHERE": names * 4, "OVER_DTLS": ["NULL"] + names * 3,
                 "WITH_KEYS": ["NULL"] * 2 + names}.get(counters.partition("(")[0], names)
        mode = dict(zip(("nosec", "psk", "x509", "rpk"), ("-" if n == "NULL" else n.strip('"') for n in names)))
        found[name] = {"end": "finishes" if "ANSWER_SERVES" in entry else "ends", **mode}
    return found


MODES_BY_NAME = read_modes()


def modes():
    return [(name, options) for name, mode in MODES_BY_NAME.items() for security, options in (("psk", ["--psk"]), ("nosec", []))
            if mode[security] != "-"]


def test_misbehaviours_are_listed(build):
    listing = subprocess.run([f"{build}/tools/storm/cradlestorm", "--list-misbehave"], text=True, check=True,
                             capture_output=True).stdout
    assert {name: {"end": end, "nosec": nosec, "psk": psk, "x509": x509, "rpk": rpk} for name, end, nosec, psk, x509, rpk in
            (line.split("\t") for line in listing.splitlines())} == MODES_BY_NAME
    assert len(MODES_BY_NAME) == 22


@pytest.fixture(scope="module")
def patient(build, network, tmp_path_factory):
    """One appliance for all modes, which gives up on devices soon; each mode comes from ports of its own."""
    one = Storm(build, network, tmp_path_factory.mktemp("patient"),
                {r"ack_timeout_ms = 2000": "ack_timeout_ms = 100", r"max_retransmit = 4": "max_retransmit = 1"})
    yield one
    assert one.stop() == 0, one.daemon.log()


MODES = modes()


@pytest.mark.parametrize("mode,security", MODES, ids=lambda value: value if isinstance(value, str) else
                         "psk" if value else "nosec")
def test_misbehaviour_moves_its_counter(patient, mode, security):
    """The server counts what devices do wrong, serves them where it can, and serves others as before."""
    counter, least = MODES_BY_NAME[mode]["psk" if security else "nosec"], 1 if mode == "slow-ack" else 20
    port = 20000 + 100 * MODES.index((mode, security))
    before = patient.daemon.counters()
    code, report = patient.run("--devices", 20, "--misbehave", mode, "--give-up", 5, "--slow-ack-ms", 160,
                               "--source-port", port, *security)
    assert code == 0, report
    assert report["done"] == report["outcomes"]["done" if MODES_BY_NAME[mode]["end"] == "finishes" else "misbehaved as told"] == 20
    wait_for(lambda: patient.daemon.counters()[counter] - before[counter] >= least, f"{counter} to move")
    if mode in ("hello-flood", "no-cookie-echo"):
        assert patient.daemon.counters()["sessions_opened"] == before["sessions_opened"]
    assert patient.run("--devices", 20, "--source-port", port + 50, *security)[0] == 0


@pytest.fixture
def besieged(build, network, tmp_path):
    """An appliance with a second port, for what is no device there: besieged(options) brings it, until the test ends."""
    flood_socket, others = tmp_path / "flood.sock", []
    one = Storm(build, network, tmp_path, {
        r"^sessions = \d+": "sessions = 8192",
        r"^ports = \(": 'ports = ( { device = "net_memif1,role=server,id=0,socket=%s"; '
                        'addresses = [ "198.18.9.1/24" ]; },' % flood_socket})

    def bring(*options):
        others.append(subprocess.Popen(network.command(
            f"{build}/tools/storm/cradlestorm", "--port", f"net_memif0,role=client,socket={flood_socket}", "--server",
            "198.18.9.1", "--devices", 100000, "--psk", "--duration", 120, *options),
            stdout=subprocess.PIPE, text=True))
        return one, others[-1]
    yield bring
    for other in others:
        other.terminate()
        other.communicate(timeout=30)
    assert one.stop() == 0, one.daemon.log()


def all_bootstrap(one, flood, *options):
    code, report = one.run("--devices", DEVICES, "--psk", "--expect", one.folder / "expected", *options)
    assert flood.poll() is None, "the flood ended before the devices"
    assert code in (0, 4), report  # 4: both generators share a machine with the appliance
    assert report["done"] == DEVICES and report["failed"] == 0


def test_devices_bootstrap_through_a_flood(besieged):
    """A second port brings spoofed ClientHellos as fast as they come; devices on the first one are served, and the
    flood leaves no session."""
    one, flood = besieged("--source", "198.18.9.10+200", "--misbehave", "hello-flood", "--concurrency", 1)
    before = one.daemon.counters()
    wait_for(lambda: one.daemon.counters()["dtls_hello_verify"] > 100000, "the flood", 60)
    all_bootstrap(one, flood)
    assert one.daemon.counters()["sessions_opened"] - before["sessions_opened"] == DEVICES


@pytest.mark.parametrize("source", ["198.18.9.10+100", "198.19.0.1+25600"], ids=["100-addresses", "100-prefixes"])
def test_devices_bootstrap_beside_half_open_handshakes(besieged, source):
    """10,000 handshakes a second of clients that prove their address and never a key: they fill the pool of 2,048, and
    every device finishes."""
    one, flood = besieged("--source", source, "--misbehave", "half-open", "--rate", 10000,
                          "--give-up", 1)
    wait_for(lambda: one.daemon.counters()["dtls_handshakes_full"] > 1000, "the pool to be full", 60)
    before = one.daemon.counters()
    all_bootstrap(one, flood)
    after = one.daemon.counters()
    assert after["dtls_handshakes_full"] > before["dtls_handshakes_full"], "the pool was not full meanwhile"
    assert after["dtls_handshakes_displaced"] > before["dtls_handshakes_displaced"]


def test_a_device_is_found_by_its_connection_id(storm):
    one = storm()
    code, report, moved = one.moved("--devices", 20, "--psk", "--cid", "--misbehave", "rebind")
    assert code == 0, report
    assert report["outcomes"]["done"] == 20
    assert moved["dtls_moved"] == 20 and moved["bs_finished"] == 20


@pytest.mark.parametrize("server,source", [("198.18.0.1", "198.18.0.10+7"), ("2001:2::1", "2001:2::10+7")])
def test_requests_as_a_capture(build, tmp_path, server, source):
    """tshark reads them: a request of each device, from its own address, with right checksums."""
    file = tmp_path / "requests.pcap"
    subprocess.run([f"{build}/tools/storm/cradlestorm", "--pcap", file, "--server", server, "--source", source,
                    "--devices", "20", "--pct", "112"], check=True, timeout=60)
    text = subprocess.run(["tshark", "-r", file, "-o", "udp.check_checksum:TRUE", "-T", "fields", "-e", "udp.srcport",
                           "-e", "udp.dstport", "-e", "udp.checksum.status", "-e", "coap.opt.uri_query",
                           "-e", "coap.opt.uri_path"], text=True, capture_output=True, check=True, timeout=60).stdout
    rows = [line.split("\t") for line in text.splitlines()]
    assert len(rows) == 20
    for number, (port, to, checksum, query, path) in enumerate(rows):
        assert (int(port), to, checksum, path) == (10000 + number // 7, "5683", "1", "bs")
        assert f"ep=dev-{number + 1:07}" in query and "pct=112" in query


def test_usage_and_start(build, tmp_path):
    def run(*argv):
        return subprocess.run([f"{build}/tools/storm/cradlestorm", *map(str, argv)], text=True, capture_output=True,
                              timeout=60)
    assert run().returncode == 2
    assert run("--rate", "-5").returncode == 2
    assert run("--misbehave", "nicely").returncode == 2
    done = run("--port", "net_nothing0", "--server", "198.18.0.1", "--source", "198.18.0.10")
    assert done.returncode == 3 and "net_nothing0" in done.stderr
    # More devices than addresses and ports hold.
    assert run("--port", "x", "--server", "198.18.0.1", "--source", "198.18.0.10", "--devices", 50000).returncode == 2
    assert run("--port", "x", "--server", "198.18.0.1", "--source", "2001:2::5").returncode == 2
    text = run("--help").stdout
    assert "hello-flood" in text and "dtls_hello_verify" in text


@pytest.mark.parametrize("argv, told", [
    (("--concurency", "5"), 'unknown option "--concurency"; did you mean "--concurrency"?'),
    (("--concurency=5",), 'unknown option "--concurency"; did you mean "--concurrency"?'),
    (("--quite-different-thing",), 'unknown option "--quite-different-thing"'),
    (("-x",), 'unknown option "-x"'),
    (("--rate",), "--rate takes a value"),
    (("--psk=yes",), "--psk takes no value"),
    (("--misbehave", "helo-flood"), 'did you mean "hello-flood"?'),
    (("somewhere",), 'unexpected argument "somewhere"'),
    (("--ack-timeout", "0"), "--ack-timeout 0: a number from 1 to 86400000 is needed"),
    (("--ack-timeout", "86400001"), "a number from 1 to 86400000 is needed"),
    (("--give-up", "0"), "--give-up 0: a number from 0.001 to 86400 is needed"),
    (("--late", "-1"), "--late -1: a number from 0 to 86400000 is needed"),
    (("--late", "nan"), "--late nan: a number from 0 to 86400000 is needed"),
])
def test_a_wrong_option_is_told_with_the_remedy(build, argv, told):
    done = subprocess.run([f"{build}/tools/storm/cradlestorm", *argv], text=True, capture_output=True, timeout=60)
    assert done.returncode == 2 and told in done.stderr and not done.stdout, done.stderr
    assert done.stderr.count("did you mean") <= 1
