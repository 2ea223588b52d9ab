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
