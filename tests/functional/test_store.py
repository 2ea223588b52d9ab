"""The store as an operator handles it: copies, and the way back."""
import os
import socket
import subprocess

from test_ctl_socket import connect, frame, receive


def restore(appliance, *argv):
    return subprocess.run([f"{appliance.build}/tools/cradlectl", "store", "restore", *map(str, argv), "-c",
                           appliance.folder / "cradle.conf"], text=True, capture_output=True, timeout=60)


def ask_with(sock, fd, *argv):
    """The answer to a command whose file is this descriptor, whoever would have opened what."""
    socket.send_fds(sock, [frame({"v": 1, "argv": [str(word) for word in argv], "fd": True})], [fd])
    return receive(sock)


def test_a_copy_taken_while_it_runs_comes_back_in_place_of_the_store(stage, tmp_path):
    appliance = stage.start()
    assert appliance.device("ep=demo-0001")[0] == 0
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
