"""A swarm of devices with certificates and raw public keys, well behaved and not: cradlestorm's own handshake on libcrypto
against the appliance's."""
import csv
import shutil
import subprocess
import time

import pytest

from conftest import wait_for
from test_storm import DEVICES, EXPECTED, MODES_BY_NAME, Storm

WAYS = pytest.mark.parametrize("way", ["x509", "rpk"])


def make_authority(build, folder, devices=DEVICES):
    return subprocess.run([f"{build}/tools/storm/cradlestorm", "--make-ca", folder, "--devices", str(devices)],
                          text=True, capture_output=True, timeout=60)


class CertifiedStorm(Storm):
    """Beside those with keys, the appliance has as many devices with a certificate (x509) or a raw public key (rpk)."""

    def __init__(self, build, network, folder, way, settings=None, devices=DEVICES):
        self.way, self.authority = way, folder / "ca"
        done = make_authority(build, self.authority, devices)
        assert done.returncode == 0, done.stderr
        super().__init__(build, network, folder, settings, devices)

    def prepare(self):
        policy = self.daemon.folder / "policy"
        (policy / "certs").mkdir()
        for name in ("ca.pem", "bs.pem", "bs.key"):
            shutil.copy(self.authority / name, policy / "certs")
        shutil.copy(self.authority / "trust.conf", policy)
        self.daemon.write("devices.csv", self.rows())

    def rows(self):
        """The devices, as they are imported."""
        with open(self.authority / f"{self.way}.csv", newline="") as table:
            rows = list(csv.DictReader(table))
        return "endpoint,identity,groups,value.managementId,value.password\n" + "".join(
            f"{row['endpoint']},{row.get('identity', '')},root.demo,{row['endpoint']},pw\n" for row in rows)

    def run(self, *argv, **options):
        return super().run(f"--{self.way}", self.authority, *argv, **options)


@pytest.fixture
def storm(build, network, tmp_path):
    made = []

    def make(way, settings=None, **options):
        folder = tmp_path / f"storm{len(made)}"
        folder.mkdir()
        made.append(CertifiedStorm(build, network, folder, way, settings, **options))
        return made[-1]
    yield make
    for one in made:
        assert one.stop() == 0, one.daemon.log()


@pytest.mark.parametrize("options", [(), ("--cid",), ("--helpers", 2)], ids=["plain", "cid", "helpers"])
@WAYS
def test_every_device_gets_exactly_its_task(storm, way, options):
    one = storm(way)
    code, report, moved = one.moved("--devices", DEVICES, "--expect", one.folder / "expected", *options)
    assert code in (0, 4), report  # 4: the machine is busy with other things
    assert report["done"] == report["planned"] == DEVICES and report["failed"] == 0
    assert report["plan"]["security"] == way
    assert moved["bs_finished"] == moved["dtls_finished"] == DEVICES
    assert report["latency_us"]["handshake"]["n"] == DEVICES
    # Again on the same ports: associations are replaced, chains are known already.
    assert one.run("--devices", DEVICES, *options)[1]["done"] == DEVICES


@WAYS
def test_a_lossy_network_fails_nobody(storm, way):
    """10 % lost, copied and late in both directions, flights in parts: the protocols' own retransmissions mend that."""
    one = storm(way, {r"ack_timeout_ms = 2000": "ack_timeout_ms = 200", r"max_retransmit = 4": "max_retransmit = 8"})
    code, report, moved = one.moved("--devices", DEVICES, "--concurrency", DEVICES, "--loss", 10, "--duplicate", 10,
                                    "--reorder", 10, "--ack-timeout", 200, "--max-retransmit", 8, "--drain", 3,
                                    "--expect", one.folder / "expected", timeout=300)
    assert code in (0, 4), report
    assert report["done"] == DEVICES and report["failed"] == 0
    assert report["wire"]["retransmitted"] > 0 and report["network"]["reordered"] > 0
    assert moved["dtls_flight_again"] > 0



@pytest.fixture(scope="module", params=["x509", "rpk"])
def patient(request, build, network, tmp_path_factory):
    one = CertifiedStorm(build, network, tmp_path_factory.mktemp(f"patient-{request.param}"), request.param,
                         {r"ack_timeout_ms = 2000": "ack_timeout_ms = 100", r"max_retransmit = 4": "max_retransmit = 1"})
    yield one
    assert one.stop() == 0, one.daemon.log()


# What is the same below CoAP whatever the keys come from is tried with pre-shared ones; of that, a little.
MODES = [name for name, mode in MODES_BY_NAME.items() if mode["x509"] not in ("-", mode["psk"])]


@pytest.mark.parametrize("mode", [*MODES, "no-cookie-echo", "replay", "reboot", "rebind", "name-of-another"])
def test_misbehaviour_moves_its_counter(patient, mode):
    """The server counts what devices do wrong, answers as it should, and serves others as before."""
    counter = MODES_BY_NAME[mode][patient.way]
    if counter == "-":
        pytest.skip("of certificates alone")
    least = 1 if mode == "slow-ack" else 20
    port = 20000 + 100 * list(MODES_BY_NAME).index(mode)
    before = patient.daemon.counters()
    code, report = patient.run("--devices", 20, "--misbehave", mode, "--give-up", 20, "--slow-ack-ms", 160,
                               "--source-port", port)
    assert code in (0, 4), report
    end = "done" if MODES_BY_NAME[mode]["end"] == "finishes" else "misbehaved as told"
    assert report["done"] == report["outcomes"][end] == 20, report
    wait_for(lambda: patient.daemon.counters()[counter] - before[counter] >= least, f"{counter} to move")
    assert patient.run("--devices", 20, "--source-port", port + 50)[1]["done"] == 20


# What an operator reads of who was refused so.
@pytest.mark.parametrize("mode, reason", [
    ("wrong-ca", "no trusted authority issued its certificate"),
    ("expired", "expired"),
    ("wrong-usage", "not for clients"),
    ("broken-signature", "it has not the key of its certificate"),
])
def test_a_refused_device_is_listed_with_the_true_reason(storm, mode, reason):
    one = storm("x509")
    code, report = one.run("--devices", 3, "--misbehave", mode)
    assert code in (0, 4) and report["outcomes"]["misbehaved as told"] == 3, report
    wait_for(lambda: one.daemon.ctl("device", "rejected").stdout.count(reason) == 3,
             f"{reason}: {one.daemon.ctl('device', 'rejected').stdout}")
    # Each gets in once it does as it should, and is off the list.
    assert one.run("--devices", 3)[1]["done"] == 3
    wait_for(lambda: "dev-0000001" not in one.daemon.ctl("device", "rejected").stdout, "the list to be empty")


def test_an_unexpected_alert_is_a_failure(storm):
    """A generator that took any alert for the one it wanted would judge nothing: this one's devices are unknown."""
    one = storm("x509")
    code, report = one.run("--devices", 3, "--endpoint", "nobody-%u")
    assert code == 1 and report["outcomes"]["alert"] == 3
    code, report = one.run("--devices", 3, "--endpoint", "nobody-%u", "--misbehave", "broken-signature")
    assert report["outcomes"]["misbehaved as told"] == 3, "51: the signature is looked at before the name"


def test_devices_notice_a_server_that_is_not_ours(build, storm):
    """Its certificate is of another authority: every device ends the handshake itself."""
    for way in ("x509", "rpk"):
        one = storm(way)
        other = one.folder / "other"
        assert make_authority(build, other).returncode == 0
        one.authority = other
        code, report = one.run("--devices", 3)
        assert code == 1 and report["outcomes"]["forged handshake"] == 3, report


def test_a_flood_of_hellos_computes_nothing(storm):
    """Who does not show that its address is its own costs no operation of elliptic curves."""
    one = storm("x509", {r"# certificates_per_s = \d+": "certificates_per_s = 5"})

    def jobs():
        return one.daemon.result("status")["certificates"]["threads"]["jobs"]
    for mode in ("hello-flood", "no-cookie-echo"):
        code, report, moved = one.moved("--devices", DEVICES, "--misbehave", mode)
        assert code in (0, 4) and moved["dtls_hello_verify"] >= DEVICES, report
        assert moved["dtls_started"] == moved["sessions_opened"] == 0
    assert jobs() == 0
    # With an address of its own no more than the configured rate: a second's worth at once, and what grows meanwhile.
    started = time.monotonic()
    code, report, moved = one.moved("--burst", DEVICES, "--ack-timeout", 600000, "--give-up", 1)
    allowed = 5 + 5 * (time.monotonic() - started)
    assert 5 <= report["done"] <= allowed and moved["dtls_certificates_limited"] >= DEVICES - allowed, report
    assert jobs() <= 2 * allowed


def test_a_prefix_has_its_share_of_certificates_and_no_more(storm):
    """All devices of the storm are behind one."""
    one = storm("x509", {r"# certificates_per_prefix_per_s = \d+": "certificates_per_prefix_per_s = 5"})
    started = time.monotonic()
    code, report, moved = one.moved("--burst", DEVICES, "--ack-timeout", 600000, "--give-up", 1)
    allowed = 5 + 5 * (time.monotonic() - started)
    assert 5 <= report["done"] <= allowed, report
    assert moved["dtls_certificates_prefix_limited"] >= DEVICES - allowed and moved["dtls_certificates_limited"] == 0


def test_devices_with_keys_bootstrap_beside_a_flood_of_certificates(build, network, tmp_path):
    """Certificates on a second port keep the helper thread busy all the time; every device with a pre-shared key is served."""
    second = tmp_path / "second.sock"
    one = CertifiedStorm(build, network, tmp_path, "x509", {
        r"^ports = \(": 'ports = ( { device = "net_memif1,role=server,id=0,socket=%s"; '
                        'addresses = [ "198.18.9.1/24" ]; },' % second})
    try:
        keys = one.daemon.folder / "keys.csv"
        keys.write_text("endpoint,key,groups,value.managementId,value.password\n" + "".join(
            f"psk-{n:07},key-{n:07},root.demo,psk-{n:07},pw\n" for n in range(1, DEVICES + 1)))
        assert one.daemon.ctl("device", "import", keys).returncode == 0
        before = one.daemon.counters()
        flood = subprocess.Popen(network.command(
            f"{build}/tools/storm/cradlestorm", "--port", f"net_memif0,role=client,socket={second}", "--server", "198.18.9.1",
            "--source", "198.18.9.10+100", "--x509", one.authority, "--devices", DEVICES, "--concurrency", 64,
            "--duration", 300), stdout=subprocess.PIPE, text=True)
        try:
            wait_for(lambda: one.daemon.counters()["dtls_finished"] > before["dtls_finished"] + 2 * DEVICES, "the flood", 60)
            code, report = Storm.run(one, "--devices", DEVICES, "--psk", "--endpoint", "psk-%07u", "--expect",
                                     one.folder / "expected")
            assert flood.poll() is None, "the flood outlasted the devices"
            served = one.daemon.counters()["dtls_finished"] - before["dtls_finished"]
        finally:
            flood.terminate()
            flood.communicate(timeout=30)
        assert code in (0, 4), report  # 4: both generators share a machine with the appliance
        assert report["done"] == DEVICES and report["failed"] == 0
        assert served > 3 * DEVICES, "certificates came and went meanwhile"
    finally:
        assert one.stop() == 0, one.daemon.log()


def openssl(folder, *argv):
    subprocess.run(["openssl", *argv], check=True, capture_output=True, cwd=folder, timeout=60)


def issue_by_hand(folder, name, issuer, extensions):
    """NAME.key and NAME.pem, as a maker with openssl has them."""
    (folder / f"{name}.ext").write_text(extensions)
    openssl(folder, "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key",
            "-subj", f"/CN={name}", "-out", f"{name}.csr")
    openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", f"{issuer}.pem", "-CAkey", f"{issuer}.key", "-days", "30",
            "-extfile", f"{name}.ext", "-out", f"{name}.pem")


def test_devices_show_certificates_of_pem_files(storm, tmp_path, build, network):
    """A maker's own files, one of them with an intermediate; of the authority the storm has the certificate alone."""
    one = storm("x509")
    made, public = one.authority, tmp_path / "public"
    device = "keyUsage = critical, digitalSignature\nextendedKeyUsage = clientAuth\n"
    issue_by_hand(made, "middle", "ca", "basicConstraints = critical, CA:TRUE\nkeyUsage = critical, keyCertSign\n")
    issue_by_hand(made, "dev-0000001", "ca", device)
    issue_by_hand(made, "dev-0000002", "middle", device)
    (made / "dev-0000002.pem").write_text((made / "dev-0000002.pem").read_text() + (made / "middle.pem").read_text())
    public.mkdir()
    shutil.copy(made / "ca.pem", public)
    table = made / "files.csv"
    table.write_text("endpoint,certificate,private_key\n" + "".join(
        f"dev-000000{n},dev-000000{n}.pem,{made}/dev-000000{n}.key\n" for n in (1, 2)))
    code, report, moved = one.moved("--x509", public, "--csv", table, "--expect", one.folder / "expected")
    assert code in (0, 4) and report["done"] == 2, report
    assert moved["dtls_finished"] == 2

    def told(row, *argv):
        table.write_text(f"endpoint,certificate,private_key\n{row}\n")
        done = network.run(f"{build}/tools/storm/cradlestorm", "--port", "net_null0", "--server", "198.18.0.1", "--source",
                           "198.18.0.10", "--x509", public, "--csv", table, *argv)
        assert done.returncode == 2, done
        return done.stderr
    assert "lost.pem: No such file or directory; a name in the CSV is relative" in told("d,lost.pem,middle.key")
    assert "not that of the first certificate" in told("d,middle.pem,dev-0000001.key")
    assert "middle.key: no certificate in PEM" in told("d,middle.key,middle.key")
    assert "middle.pem: no private key in PEM" in told("d,middle.pem,middle.pem")
    assert "needs private_key as well" in told("d,middle.pem,")
    assert "needs certificate as well" in told("d,,middle.key")
    assert "such certificates are issued for it" in told("d,middle.pem,middle.key", "--misbehave", "expired")


@pytest.mark.parametrize("argv, told", [
    (("--x509", "/nowhere"), "/nowhere/ca.pem: No such file or directory; cradlestorm --make-ca makes such a folder"),
    (("--psk", "--x509", "/nowhere"), "--x509 and --psk: one of them"),
    (("--psk", "--misbehave", "expired"), "--misbehave expired needs --x509"),
    (("--misbehave", "broken-signature"), "--misbehave broken-signature needs --x509 or --rpk"),
    (("--psk", "--helpers", "2"), "--helpers is for --x509 and --rpk"),
])
def test_wrong_use_is_told(build, argv, told):
    done = subprocess.run([f"{build}/tools/storm/cradlestorm", "--port", "net_null0", "--server", "198.18.0.1", "--source",
                           "198.18.0.10", *argv], text=True, capture_output=True, timeout=60)
    assert done.returncode == 2 and told in done.stderr


def test_an_authority_is_made_once(build, tmp_path):
    folder = tmp_path / "ca"
    done = make_authority(build, folder, 2)
    assert done.returncode == 0 and f"cradlestorm --x509 {folder}" in done.stdout
    for name in ("ca.key", "bs.key", "devices.secret"):
        assert (folder / name).stat().st_mode & 0o777 == 0o600, name
    checked = subprocess.run(["openssl", "verify", "-purpose", "sslserver", "-CAfile", folder / "ca.pem", folder / "bs.pem"],
                             text=True, capture_output=True, timeout=60)
    assert checked.returncode == 0, checked.stderr
    assert (folder / "rpk.csv").read_text().count("spki-sha256:") == 2
    before = (folder / "ca.pem").read_text()
    again = make_authority(build, folder, 2)
    assert again.returncode == 3 and "is there already" in again.stderr
    assert (folder / "ca.pem").read_text() == before
