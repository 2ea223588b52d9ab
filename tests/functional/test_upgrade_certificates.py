"""The program is replaced while devices shake hands with certificates and raw public keys: they go on where they stood,
also those who wait for a helper thread."""
import json
import subprocess

import pytest

from conftest import SERVER4, wait_for
from test_storm_certificates import CertifiedStorm
from test_upgrade import upgrade

DEVICES, UPGRADES = 600, 3
PORT = r"net_af_packet0,iface=cradle0"  # and no memif


@pytest.mark.parametrize("way", ["x509", "rpk"])
def test_handshakes_with_certificates_go_on(build, network, tmp_path, way):
    one = CertifiedStorm(build, network, tmp_path, way, {PORT: PORT, r"^sessions = \d+": "sessions = 4096"}, devices=DEVICES)
    try:
        # Slow devices: at any time a hundred of them are between two of their flights.
        storm = subprocess.Popen(network.command(
            f"{build}/tools/storm/cradlestorm", "--port", "net_af_packet0,iface=dev0", "--server", SERVER4, "--source",
            "198.18.0.10+50", "--devices", DEVICES, "--rtt", "200:50", "--rate", 100, "--duration", 6, "--json", "-", f"--{way}",
            one.authority, "--cid"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        passed = 0
        for _ in range(UPGRADES):
            before = one.daemon.counters()["dtls_started"]
            wait_for(lambda: one.daemon.counters()["dtls_started"] - before > 30, "handshakes to begin", 60)
            said = upgrade(one.daemon)
            assert said["lost"] == {}
            passed += said["handshakes"]
        out, error = storm.communicate(timeout=300)
        report = json.loads(out)
        assert report["failed"] == 0 and report["done"] == report["offered"], (report["outcomes"], error)
        assert report["wire"]["replayed"] == report["wire"]["bad_tags"] == 0, report["wire"]
        assert passed > UPGRADES, "none was in the middle of anything"
    finally:
        assert one.stop() == 0, one.daemon.log()
