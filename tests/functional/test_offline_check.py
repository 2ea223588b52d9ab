"""`cradled --check`: what a start would fail on is found before, with its place and a remedy; nothing makes it wait."""
import os
import subprocess
from types import SimpleNamespace

import pytest


@pytest.fixture
def offline(build, tmp_path):
    """A copy of the sample configuration; check() gives (exit code, text)."""
    from conftest import Cradled
    one = Cradled(build, SimpleNamespace(name="offline"), tmp_path / "conf")

    def check(*options):
        done = subprocess.run([f"{build}/control/cradled", "--check", *options, "-c", tmp_path / "conf/cradle.conf"],
                              capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout + done.stderr
    one.check = check
    return one


@pytest.mark.parametrize("name", ["cradle.conf", "policy/groups.conf", "policy/servers.conf",
                                  "policy/tasks/reference-task.xml", "policy/resources/x.csv", "objects/x.xml",
                                  "policy/keys/x.der"])
def test_a_pipe_in_place_of_a_file_is_refused_and_never_waited_for(offline, name):
    path = offline.folder / name
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    if name.endswith(".der"):
        offline.edit("policy/servers.conf", r'security = "psk";',
                     'security = "rpk"; public_key = "file:x.der"; server_public_key = "file:x.der"; '
                     'secret_key = "file:x.der";')
    code, text = offline.check()
    assert code == 1 and str(path) in text and "not a regular file" in text


def test_a_host_check_says_what_a_start_would_fail_on(offline):
    """The same settings: good for some machine, and not for this one."""
    offline.edit("cradle.conf", r'^# cpus = .*', 'cpus = "1000";')
    offline.edit("cradle.conf", r'# group = "cradle";.*', 'group = "no-such-group-here";')
    code, text = offline.check()
    assert code == 0, text
    code, text = offline.check("--host")
    assert code == 1 and "CPU 1000" in text and "no-such-group-here" in text
    assert 'there is no interface "cradle0"' in text


@pytest.mark.parametrize("setting, wrong, words", [
    ("device", 'device = "net_af_paket0,iface=cradle0"', 'did you mean "net_af_packet"'),
    ("addresses", 'addresses = [ "198.18.0.0/24" ]', "cannot be our own address"),
    ("eal_args", 'eal_args = "--bogus"', 'DPDK has no option "--bogus"'),
])
def test_a_check_without_the_host_finds_what_no_host_takes(offline, setting, wrong, words):
    offline.edit("cradle.conf", rf'(?:# )?{setting} = [^;]*', wrong)
    code, text = offline.check()
    assert code == 1 and words in text, text
