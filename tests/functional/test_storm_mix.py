"""A swarm whose devices are not alike: some fetch a pack, some take little at once, some show a certificate; and what each of
them says became of it, against what the appliance reports."""
import subprocess

import pytest

import devices_view
from conftest import wait_for
from test_storm import DEVICES, EXPECTED, Storm, key_rows
from test_storm_certificates import CertifiedStorm

TASK = "g:root.demo:1"


class MixedStorm(CertifiedStorm):
    """Devices that may show what they like: a key, a certificate or a raw public key."""

    def rows(self):
        return key_rows(DEVICES)

    def run(self, *argv, **options):
        return Storm.run(self, *argv, **options)


@pytest.fixture(scope="module")
def one(build, network, tmp_path_factory):
    made = MixedStorm(build, network, tmp_path_factory.mktemp("mix"), "x509")
    yield made
    assert made.stop() == 0, made.daemon.log()


@pytest.mark.parametrize("security", [[], ["--psk", "--cid"]], ids=["nosec", "psk"])
def test_a_pack_is_learnt_and_holds_for_all(one, tmp_path, security):
    learnt = tmp_path / "learnt"
    code, report = one.run("--pack-share", 100, "--learn", learnt, *security)
    assert code in (0, 4) and report["packs"] == 1, report
    assert learnt.read_text().startswith("/bspack=") and "{ep}" in learnt.read_text()
    # A file for both kinds: who is written to need not have what a pack says, nor the other way round.
    learnt.write_text(learnt.read_text() + EXPECTED)
    code, report, moved = one.moved("--devices", DEVICES, "--pack-share", 25, "--expect", learnt, *security)
    assert code in (0, 4) and report["done"] == DEVICES, report
    assert report["packs"] == moved["bs_pack_requests"] == DEVICES // 4 and report["blocks"] == 0


def test_a_pack_that_is_not_as_expected_is_a_wrong_write(one, tmp_path):
    wrong = tmp_path / "wrong"
    wrong.write_text(EXPECTED + "/bspack=8b\n")
    code, report = one.run("--devices", DEVICES, "--pack-share", 50, "--expect", wrong)
    assert code in (1, 4) and report["outcomes"]["wrong write"] == report["done"] == DEVICES // 2, report


@pytest.mark.parametrize("pct", [112, 11544])
def test_packs_and_writes_in_blocks_are_put_together(one, tmp_path, pct):
    learnt, packed = tmp_path / "learnt", tmp_path / "packed"
    assert one.run("--learn", learnt, "--pct", pct)[0] in (0, 4)
    assert one.run("--pack-share", 100, "--learn", packed, "--pct", pct)[0] in (0, 4)
    learnt.write_text(learnt.read_text() + packed.read_text())
    code, report = one.run("--devices", DEVICES, "--pack-share", 50, "--block", 32, "--block-share", 50, "--psk", "--cid",
                           "--pct", pct, "--expect", learnt)
    assert code in (0, 4) and report["done"] == DEVICES and report["packs"] == DEVICES // 2, report
    assert report["blocks"] > DEVICES  # each of them several
    assert report["plan"]["block"] == 32 and report["plan"]["block_percent"] == 50


def test_packs_in_blocks_over_a_lossy_network(one):
    code, report = one.run("--devices", DEVICES, "--concurrency", DEVICES, "--pack-share", 50, "--block", 64, "--psk", "--loss",
                           5, "--duplicate", 5, "--reorder", 5, "--ack-timeout", 200, "--max-retransmit", 10, "--drain", 1)
    assert code in (0, 4) and report["done"] == DEVICES, report
    assert report["wire"]["retransmitted"] > 0 and report["packs"] == DEVICES // 2


def test_some_show_a_certificate_and_others_a_key(one):
    def computed():
        return one.daemon.result("status")["certificates"]["threads"]["jobs"]
    before = computed()
    assert one.run("--devices", DEVICES, "--psk")[1]["done"] == DEVICES and computed() == before
    code, report = one.run("--devices", DEVICES, "--psk", "--x509", one.authority, "--cert-share", 10, "--expect",
                           one.folder / "expected")
    assert code in (0, 4) and report["done"] == DEVICES, report
    assert (report["plan"]["security"], report["plan"]["certified"]) == ("psk", "x509")
    assert DEVICES // 10 <= computed() - before < DEVICES


def test_each_devices_own_view_is_what_the_reports_say(one, tmp_path):
    file = tmp_path / "outcomes.csv"
    before = devices_view.runs_of(one.daemon.result, TASK)
    code, report = one.run("--devices", DEVICES + 2, "--bootstraps", 3 * DEVICES, "--pack-share", 50, "--psk", "--outcomes", file)
    rows = devices_view.read(file)
    assert len(rows) == DEVICES + 2 and devices_view.finished(rows) == report["done"] > 2 * DEVICES, report
    assert report["packs"] > DEVICES
    strangers = [row for row in rows.values() if row["last"] != "done"]
    assert all(row["endpoint"] in ("dev-0000201", "dev-0000202") for row in strangers) and strangers
    wait_for(lambda: not devices_view.unreported(one.daemon.result, TASK, rows), "all reports")
    assert devices_view.runs_of(one.daemon.result, TASK) - before == report["done"]
    # And it can tell: a device that says it began later than any report.
    rows["dev-0000007"]["last_began_ms"] = str(int(rows["dev-0000007"]["last_ended_ms"]) + 60_000)
    assert devices_view.unreported(one.daemon.result, TASK, rows) == ["dev-0000007"]


@pytest.mark.parametrize("argv, told", [
    (("--block", "48"), "a power of two"),
    (("--block", "8"), "from 16 to 1024"),
    (("--block-share", "50"), "--block-share needs --block"),
    (("--pack-share", "101"), "from 0 to 100"),
    (("--psk", "--x509", "ca"), "--cert-share says how many"),
    (("--cert-share", "5"), "--cert-share needs --psk"),
    (("--x509", "ca", "--rpk", "ca"), "one of them"),
    (("--psk", "--x509", "ca", "--rpk", "ca", "--cert-share", "5"), "one of them"),
    (("--pack-share", "5", "--misbehave", "replay"), "not with --pack-share"),
])
def test_what_does_not_go_together_is_refused(build, argv, told):
    done = subprocess.run([f"{build}/tools/storm/cradlestorm", "--port", "x", "--server", "198.18.0.1", "--source",
                           "198.18.0.10", *argv], text=True, capture_output=True, timeout=60)
    assert done.returncode == 2 and told in done.stderr, done.stderr
