"""tools/run, as a newcomer types it: one device bootstraps over each kind of security, and nothing is left behind."""
import os
import pathlib
import re
import subprocess

import pytest

RUN = pathlib.Path(__file__).resolve().parents[2] / "tools/run"


def run(build, *argv):
    return subprocess.run([RUN, *argv], text=True, capture_output=True, timeout=300,
                          env={**os.environ, "CRADLE_BUILD_DIR": str(pathlib.Path(build).resolve())})


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


def test_a_mistyped_option_is_told(build):
    done = run(build, "--rpq")
    assert done.returncode == 2 and "unknown option --rpq" in done.stderr
