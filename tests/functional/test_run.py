"""tools/run, as a newcomer types it: one device bootstraps over each kind of security, and nothing is left behind."""
import os
import pathlib
import re
import subprocess

import pytest

RUN = pathlib.Path(__file__).resolve().parents[2] / "tools/run"


def run(build, *argv, **environment):
    return subprocess.run([RUN, *argv], text=True, capture_output=True, timeout=300,
                          env={**os.environ, "CRADLE_BUILD_DIR": str(pathlib.Path(build).resolve()), **environment})


@pytest.mark.parametrize("option, told", [
    ((), "(DTLS, pre-shared key)"),
    (("--nosec",), "over coap://"),
    (("--x509",), "(DTLS, certificate)"),
    (("--rpk",), "(DTLS, raw public key)"),
], ids=["psk", "nosec", "x509", "rpk"])
def test_one_device_bootstraps(build, option, told):
    done = run(build, "--once", *option)
    assert done.returncode == 0, done.stdout + done.stderr
    assert told in done.stdout
    assert "demo-0001" in done.stdout.partition("== reports")[2], done.stdout
    namespace = re.search(r"in namespace (\S+)", done.stdout)[1]
    assert namespace not in subprocess.run(["ip", "netns"], text=True, capture_output=True, check=True).stdout


def test_af_packet_serves_where_af_xdp_is_not_to_be_had(build):
    done = run(build, "--once", CRADLE_RUN_DRIVER="af_packet")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "by net_af_packet, as CRADLE_RUN_DRIVER says" in done.stdout


def test_three_members_share_what_one_is_told(build):
    """A device bootstraps, its member is killed, and it is served by another one; then all of it is gone."""
    done = run(build, "--cluster", "--once")
    assert done.returncode == 0, done.stdout + done.stderr
    first, second = re.findall(r"it was member (\d)", done.stdout)
    assert first != second
    assert done.stdout.partition("report list (of all members)")[2].count("demo-0001") == 2, done.stdout
    assert re.search(r"cluster demo: following", done.stdout)
    # Each has a name of its own.
    assert all(re.search(rf"^{n} +member-{n} ", done.stdout, re.M) for n in (1, 2, 3)), done.stdout
    namespace = re.search(r"devices in (\S+)", done.stdout)[1]
    folder = re.search(r"own in (\S+)/database", done.stdout)[1]
    assert namespace not in subprocess.run(["ip", "netns"], text=True, capture_output=True, check=True).stdout
    assert not pathlib.Path(folder).exists()
    processes = subprocess.run(["ps", "-eo", "args"], text=True, capture_output=True, check=True).stdout
    assert folder not in processes


def test_options_that_do_not_go_together_are_told(build):
    done = run(build, "--cluster", "--rpk")
    assert done.returncode == 2 and "--cluster" in done.stderr


def test_a_mistyped_option_is_told(build):
    done = run(build, "--rpq")
    assert done.returncode == 2 and "unknown option --rpq" in done.stderr


@pytest.mark.parametrize("options, told", [
    (("-k",), "a pattern follows -k"), (("-k", ""), "a pattern follows -k"),
    (("--quick", "-k", "reload"), "--quick runs no functional tests"), (("--quik",), "unknown option --quik")])
def test_wrong_options_of_the_tests_are_told(options, told):
    done = subprocess.run([RUN.with_name("test"), *options], text=True, capture_output=True, timeout=60)
    assert done.returncode == 2 and told in done.stderr and "line " not in done.stderr, done.stderr
