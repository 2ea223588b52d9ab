"""The store as an operator handles it: copies and the way back, keys under a key-encryption key."""
import os
import pathlib
import re
import socket
import subprocess

from conftest import wait_for
from test_ctl_socket import connect, frame, receive


def restore(appliance, *argv):
    return subprocess.run([f"{appliance.build}/tools/cradlectl", "store", "restore", *map(str, argv), "-c",
                           appliance.folder / "cradle.conf"], text=True, capture_output=True, timeout=60)


def ask_with(sock, fd, *argv):
    """The answer to a command whose file is this descriptor, whoever would have opened what."""
    socket.send_fds(sock, [frame({"v": 1, "argv": [str(word) for word in argv], "fd": True})], [fd])
    while "exit" not in (answer := receive(sock)):
        assert "progress" in answer, answer  # the number of its job comes first
    return answer


def test_a_copy_taken_while_it_runs_comes_back_in_place_of_the_store(stage, tmp_path):
    appliance = stage.start()
    assert appliance.device("ep=demo-0001")[0] == 0
    wait_for(lambda: [r["status"] for r in appliance.result("report", "list", "--device", "demo-0001")["reports"]] == ["Success"],
             "the report, which follows the answer")
    copy = tmp_path / "copy"
    told = appliance.ctl("store", "backup", copy)
    assert told.returncode == 0 and "store restore" in told.stdout, told.stderr
    assert sorted(os.listdir(copy)) == ["inventory.db", "manifest.json", "reports.db"]
    assert os.stat(copy).st_mode & 0o777 == 0o700
    again = appliance.ctl("store", "backup", copy)
    assert again.returncode == 1 and str(copy) in again.stderr
    assert appliance.ctl("device", "remove", "demo-0001").returncode == 0
    in_use = restore(appliance, copy)
    assert in_use.returncode == 1 and "in use by process" in in_use.stderr
    assert appliance.stop() == 0
    there = restore(appliance, copy)
    assert there.returncode == 1 and "--replace" in there.stderr
    back = restore(appliance, copy, "--replace")
    assert back.returncode == 0 and "what was there" in back.stdout, back.stderr
    (appliance.folder / "devices.csv").unlink()
    appliance.start()
    reports = appliance.result("report", "list", "--device", "demo-0001")["reports"]
    assert [report["status"] for report in reports] == ["Success"], reports


def test_a_folder_of_another_or_open_to_others_is_not_written_to(daemon, tmp_path):
    sock = connect(daemon)
    folder = tmp_path / "open"
    folder.mkdir(mode=0o755)
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    answer = ask_with(sock, fd, "store", "backup", folder)
    assert answer["exit"] == 1 and "closed to everybody else" in answer["error"]
    file = os.open(__file__, os.O_RDONLY)
    answer = ask_with(sock, file, "store", "backup", folder)
    assert answer["exit"] == 2 and "needs a folder" in answer["error"]
    answer = ask_with(sock, fd, "task", "check", folder)
    assert answer["exit"] == 2 and "no file" in answer["error"]
    os.close(fd)
    os.close(file)
    assert not os.listdir(folder)


KEY, VALUE = "demo-key-0001-demo", "a value that nobody may read"


def make_kek(appliance, path):
    done = subprocess.run([f"{appliance.build}/control/cradled", "--make-kek", path], text=True, capture_output=True)
    assert done.returncode == 0 and "keep a copy" in done.stdout, done.stderr
    return re.search(r"the key ([0-9a-f]{16}) is the first", done.stdout)[1]


def in_files(appliance, text):
    """Where the store holds this text."""
    return [file.name for file in appliance.folder.glob("cradle.db*") if text.encode() in file.read_bytes()]


def start_with(appliance, kek):
    """The same appliance, ended and started anew with this `kek`."""
    assert appliance.stop() == 0, appliance.log()
    text = re.sub(r"^(# )?kek = .*$", f'kek = "{kek}";', appliance.read("cradle.conf"), count=1, flags=re.M)
    appliance.write("cradle.conf", text)
    (appliance.folder / "devices.csv").unlink(missing_ok=True)
    return appliance.start()


def test_keys_in_the_store_are_sealed_by_command_and_no_trace_of_them_stays(stage, tmp_path):
    appliance = stage.start()
    assert appliance.ctl("device", "value", "set", "demo-0001", "note", VALUE, "--secret").returncode == 0
    assert "stored in plain" in appliance.ctl("status").stdout and in_files(appliance, KEY)
    refused = appliance.ctl("store", "rekey")
    assert refused.returncode == 1 and "no `kek` is set" in refused.stderr
    first = make_kek(appliance, tmp_path / "kek")
    start_with(appliance, tmp_path / "kek")
    status = appliance.ctl("status").stdout
    assert first in status and "store rekey" in status
    done = appliance.ctl("store", "rekey")
    assert done.returncode == 0 and first in done.stdout, done.stderr
    assert appliance.result("status")["store"]["not_sealed"] == 0
    assert appliance.device("-i", "demo-0001", "-k", KEY, "ep=demo-0001", port=5684)[0] == 0
    # A second key takes over while it runs; the first is refused to go before.
    second = make_kek(appliance, tmp_path / "kek")
    keys = (tmp_path / "kek").read_text().splitlines()
    (tmp_path / "kek").write_text(keys[0] + "\n")
    early = appliance.ctl("store", "rekey")
    assert early.returncode == 1 and first in early.stderr
    (tmp_path / "kek").write_text("\n".join(keys) + "\n")
    assert second in appliance.ctl("store", "rekey").stdout
    (tmp_path / "kek").write_text(keys[0] + "\n")
    start_with(appliance, tmp_path / "kek")
    assert appliance.device("-i", "demo-0001", "-k", KEY, "ep=demo-0001", port=5684)[0] == 0
    assert appliance.stop() == 0
    assert not in_files(appliance, KEY) and not in_files(appliance, VALUE)
    assert not any(key in appliance.log() for key in keys)


def test_a_start_without_the_right_key_is_refused_and_says_which(stage, tmp_path):
    def sealed(appliance):
        make_kek(appliance, tmp_path / "kek")
        appliance.edit("cradle.conf", r"^# kek = .*", f'kek = "{tmp_path}/kek";')

    appliance = stage.start(prepare=sealed)
    assert appliance.stop() == 0
    program = [f"{appliance.build}/control/cradled", "-c", appliance.folder / "cradle.conf"]
    os.chmod(tmp_path / "kek", 0o644)
    checked = subprocess.run([*program, "--check", "--host"], text=True, capture_output=True)
    assert checked.returncode == 1 and "chmod 600" in checked.stderr
    os.unlink(tmp_path / "kek")
    make_kek(appliance, tmp_path / "kek")
    started = subprocess.run(appliance.network.command(*map(str, program)), text=True, capture_output=True, timeout=60)
    assert started.returncode == 1 and "put that key back" in started.stderr


def test_a_key_of_a_token_seals(stage, tmp_path):
    """softhsm2 plays the token; p11-kit finds it as it finds any."""
    (tmp_path / "tokens").mkdir()
    (tmp_path / "softhsm2.conf").write_text(f"directories.tokendir = {tmp_path}/tokens\nobjectstore.backend = file\n")
    (tmp_path / "pin").write_text("1234\n")
    os.chmod(tmp_path / "pin", 0o600)
    env = dict(os.environ, SOFTHSM2_CONF=str(tmp_path / "softhsm2.conf"))
    module = next(pathlib.Path("/usr/lib").rglob("libsofthsm2.so"))
    tool = ["pkcs11-tool", "--module", module]
    subprocess.run([*tool, "--init-token", "--slot", "0", "--label", "vault", "--so-pin", "5678"], check=True, env=env,
                   capture_output=True)
    subprocess.run(["softhsm2-util", "--init-token", "--free", "--label", "box", "--so-pin", "5678", "--pin", "1234"],
                   check=True, env=env, capture_output=True)
    subprocess.run([*tool, "--token-label", "box", "--login", "--pin", "1234", "--keygen", "--key-type", "AES:32", "--label",
                    "kek", "--usage-sign"], check=True, env=env, capture_output=True)

    def sealed(appliance):
        appliance.edit("cradle.conf", r"^# kek = .*",
                       f'kek = "pkcs11:token=box;object=kek;type=secret-key?pin-source=file:{tmp_path}/pin";')

    appliance = stage.start(prepare=sealed, env=env)
    assert len(appliance.result("status")["store"]["kek"]) == 16
    assert not in_files(appliance, KEY)
    assert appliance.stop() == 0
    (appliance.folder / "devices.csv").unlink()
    appliance.start()
    assert appliance.device("-i", "demo-0001", "-k", KEY, "ep=demo-0001", port=5684)[0] == 0
    assert appliance.stop() == 0
    (tmp_path / "pin").write_text("4321\n")
    wrong = subprocess.run([f"{appliance.build}/control/cradled", "-c", appliance.folder / "cradle.conf", "--check", "--host"],
                           text=True, capture_output=True, env=env)
    assert wrong.returncode == 1 and "does not take the PIN" in wrong.stderr
