"""What the running appliance may still do: user, capabilities, system calls, memory."""
import contextlib
import os
import pathlib
import pwd
import re
import signal
import subprocess

import pytest

from conftest import Cradled, wait_for

NOBODY = "nobody"  # a user that every machine has
NET = {"net_raw", "net_admin"}


def add(settings):
    """Settings of the root, before `objects`."""
    return {r"^objects = ": settings + "\nobjects = "}


def own_by(user):
    """The appliance's folder becomes the user's, and the way to it is open."""
    def prepare(daemon):
        entry = pwd.getpwnam(user)
        for path in [daemon.folder, *daemon.folder.rglob("*")]:
            with contextlib.suppress(FileNotFoundError):  # of an appliance that runs: gone since it was listed
                os.chown(path, entry.pw_uid, entry.pw_gid)
        for parent in daemon.folder.parents:
            if parent.owner() == "root" and parent != pathlib.Path("/") and "pytest" in str(parent):
                parent.chmod(parent.stat().st_mode | 0o011)
    return prepare


def threads(pid):
    """(name, /proc/PID/task/TID/status as a dictionary) of every thread."""
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        status = dict(line.split(":\t", 1) for line in (task / "status").read_text().splitlines() if ":\t" in line)
        yield status["Name"].strip(), {key: value.strip() for key, value in status.items()}


def capabilities(mask):
    names = {0: "chown", 1: "dac_override", 3: "fowner", 12: "net_admin", 13: "net_raw", 14: "ipc_lock"}
    return {names.get(i, f"cap {i}") for i in range(64) if int(mask, 16) >> i & 1}


def test_threads_have_no_more_capabilities_than_they_need(cradled):
    daemon = cradled()
    main = str(daemon.process.pid)
    seen = set()
    wait_for(lambda: all(int(status["Seccomp_filters"]) >= (3 if "worker" in name else 2) or status["Pid"] == main
                         for name, status in threads(daemon.process.pid)), "threads to have begun")
    for name, status in threads(daemon.process.pid):
        seen.add(name)
        assert status["NoNewPrivs"] == "1", name
        assert status["Seccomp"] == "2", name
        left = capabilities(status["CapPrm"]) - {"ipc_lock"}
        # The list of the process, that of libraries' threads where DPDK made it, and that of its kind.
        lists = 1 if status["Pid"] == main else 3 if "worker" in name else 2
        assert status["Seccomp_filters"] == str(lists), name
        if status["Pid"] == main:
            assert left == NET | {"chown", "dac_override", "fowner"}, "root's files may lie in folders of others"
        elif not left:
            continue
        else:
            assert left == {"chown", "dac_override", "fowner"}, (name, left)
    assert any("worker" in name for name in seen) and "curves" in seen, seen
    answer = daemon.result("status")["privileges"]
    assert answer["user"] == "root" and answer["seccomp"] == "enforce" and not answer["dumpable"]
    assert "privileges: user root, capabilities " in daemon.ctl("status").stdout


def test_as_another_user_nothing_of_root_is_left(cradled):
    daemon = cradled(settings=add(f'user = "{NOBODY}";'), prepare=own_by(NOBODY))
    uid = str(pwd.getpwnam(NOBODY).pw_uid)
    for name, status in threads(daemon.process.pid):
        assert status["Uid"].split() == [uid] * 4, name
        left = capabilities(status["CapPrm"]) - {"ipc_lock"}
        assert left == (NET if status["Pid"] == str(daemon.process.pid) else set()), name
        assert capabilities(status["CapEff"]) == capabilities(status["CapPrm"]), name
    for path in (daemon.folder / "cradle.db", daemon.folder / "cradle.sock"):
        assert path.stat().st_uid == int(uid), path
    assert daemon.result("status")["privileges"]["user"] == NOBODY
    assert daemon.ctl("reload").returncode == 0
    assert daemon.ctl("device", "add", "of-nobody", "--key-hex", "00112233445566778899aabbccddeeff").returncode == 0


def test_a_copy_of_the_store_by_another_user(cradled, tmp_path):
    daemon = cradled(settings=add(f'user = "{NOBODY}";'), prepare=own_by(NOBODY))
    done = daemon.ctl("store", "backup", tmp_path / "copy")
    assert done.returncode == 0, done.stderr
    for path in [tmp_path / "copy", *(tmp_path / "copy").iterdir()]:
        assert path.owner() == "root" and not path.stat().st_mode & 0o077, path
    assert len(list((tmp_path / "copy").iterdir())) == 3


def test_a_port_is_opened_again_without_the_rights_of_the_start(cradled, network):
    daemon = cradled(settings=add(f'user = "{NOBODY}";'), prepare=own_by(NOBODY))
    network.run("ip", "link", "del", "cradle0")
    wait_for(lambda: daemon.result("status")["ports"][0]["link"] == "gone", "the port to be gone", 60)
    subprocess.run(["bash", "-c", f"""
        ip -n {network.name} link add cradle0 type veth peer name dev0
        ip netns exec {network.name} sysctl -qw net.ipv6.conf.cradle0.disable_ipv6=1 net.ipv6.conf.dev0.accept_dad=0
        ip netns exec {network.name} ethtool -K dev0 tx off >/dev/null
        ip netns exec {network.name} ethtool -K cradle0 tx off >/dev/null
        ip -n {network.name} link set cradle0 up; ip -n {network.name} link set dev0 up
        ip -n {network.name} addr add 198.18.0.2/24 dev dev0
        ip -n {network.name} addr add 2001:2::2/64 dev dev0 nodad"""], check=True)
    wait_for(lambda: daemon.result("status")["ports"][0]["reopened"] == 1, "the port to be open again", 60)
    assert network.run("ping", "-c", "1", "-W", "10", "198.18.0.1").returncode == 0


def refused_start(build, network, folder, settings):
    Cradled(build, network, folder, settings)
    done = network.run(f"{build}/control/cradled", "-c", folder / "cradle.conf", timeout=60)
    return done.returncode, done.stdout + done.stderr


def test_a_user_that_is_not_there_is_refused_with_the_remedy(build, network, stage, tmp_path):
    stage.rest()
    code, words = refused_start(build, network, tmp_path, add('user = "nobody-of-this-name";'))
    assert code == 1
    assert 'there is no user "nobody-of-this-name"' in words and "systemd-sysusers" in words


def test_a_call_that_no_list_has_ends_the_process_and_is_named(cradled, build):
    library = pathlib.Path(build) / "tests/functional/libforbidden_call.so"
    daemon = cradled(env={"LD_PRELOAD": str(library)})
    daemon.process.send_signal(signal.SIGTERM)
    wait_for(lambda: daemon.process.poll() is not None, "the process to end", 60)
    assert daemon.process.returncode == -signal.SIGSYS
    assert re.search(r'seccomp: the thread "[^"]+" made the system call ptrace, which its list does not have', daemon.log())


def test_seccomp_can_be_switched_off(cradled):
    daemon = cradled(settings=add('seccomp = "off"; lock_memory = "no";'))
    assert all(status["Seccomp"] == "0" for _, status in threads(daemon.process.pid))
    answer = daemon.result("status")["privileges"]
    assert answer["seccomp"] == "off" and not answer["memory_locked"]
    assert "seccomp off, memory not locked" in daemon.ctl("status").stdout


def test_memory_is_locked_and_in_no_core(cradled):
    daemon = cradled()
    pid = daemon.process.pid
    if not daemon.result("status")["privileges"]["memory_locked"]:
        assert "memory is not locked" in daemon.log()
        pytest.skip("the limit on locked memory does not let us")
    smaps = pathlib.Path(f"/proc/{pid}/smaps").read_text()
    flags = re.findall(r"\[heap\](?:.*\n)*?VmFlags: (.*)", smaps)
    assert flags and all("lo" in found.split() for found in flags), flags
    assert int(pathlib.Path(f"/proc/{pid}/coredump_filter").read_text(), 16) == 0
    assert re.search(r"Max core file size\s+0\s+0", pathlib.Path(f"/proc/{pid}/limits").read_text())
