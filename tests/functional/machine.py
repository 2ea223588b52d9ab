"""A machine that systemd runs: this one's files under a layer that is thrown away, in a container of systemd-nspawn.

Nothing is downloaded: what is installed here is there, and the tree under test is installed on top of it. It boots in a
second or two.
"""
import contextlib
import pathlib
import shutil
import subprocess
import time

from conftest import ROOT, wait_for

# Mounts belong to a namespace of the container's own, and so go with it.
START = """
set -e
mount --make-rprivate /
mkdir -p /run/systemd
mount -t tmpfs none /run/systemd
mount -t tmpfs none "$1/layer"
mkdir "$1/layer/up" "$1/layer/work"
cp -a "$1/files/." "$1/layer/up/"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/layer/up,workdir=$1/layer/work" "$1/root"
rm -f "$1/root/etc/machine-id"
exec systemd-nspawn --quiet --directory="$1/root" --private-network --register=no --keep-unit --machine="$2" \\
    --bind-ro=/sys/module --capability=CAP_IPC_LOCK --console=pipe --boot systemd.unit=test.target
"""
TARGET = "[Unit]\nRequires=basic.target\nAfter=basic.target\n"
# Timers and sockets of this machine are not the container's business.
MASKED = ["timers.target", "systemd-networkd.service", "systemd-networkd.socket", "systemd-resolved.service",
          "systemd-firstboot.service", "pcscd.socket"]


class NoContainer(Exception):
    """This machine does not let us have one: its kernel or its own container forbids it."""


class Machine:
    def __init__(self, folder, build):
        self.folder, self.build, self.process, self.leader = folder, build, None, None
        for name in ("layer", "root", "files"):
            (folder / name).mkdir()
        self.put("etc/systemd/system/test.target", TARGET)
        for name in MASKED:
            (folder / "files/etc/systemd/system" / name).symlink_to("/dev/null")

    def put(self, path, text, mode=0o644):
        file = self.folder / "files" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def install(self):
        """The tree under test, at /usr/local, and its sample configuration at /etc/cradle."""
        subprocess.run(["meson", "install", "-C", self.build, "--no-rebuild", "--destdir", self.folder / "files"],
                       check=True, capture_output=True)
        shutil.copytree(ROOT / "conf", self.folder / "files/etc/cradle")

    def boot(self):
        log = open(self.folder / "console", "wb")
        self.process = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", START, "sh", str(self.folder), f"cradle-{time.monotonic_ns() % 10**9}"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.leader = wait_for(self.find_leader, "a container to begin: " + self.console(), 60)
        wait_for(lambda: self.run("systemctl", "is-active", "test.target").stdout.strip() == "active",
                 "systemd to be up", 120)
        return self

    def find_leader(self):
        """The container's first process; None: not there yet."""
        if self.process.poll() is not None:
            raise NoContainer(self.console())
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for child in children:
            with contextlib.suppress(OSError):  # one that has ended meanwhile
                if pathlib.Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                    return int(child)
        return None

    def console(self):
        path = self.folder / "console"
        return path.read_text(errors="replace")[-3000:] if path.exists() else ""

    def command(self, *argv):
        return ["nsenter", "-t", str(self.leader), "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w",
                *map(str, argv)]

    def run(self, *argv, timeout=120, **options):
        return subprocess.run(self.command(*argv), text=True, capture_output=True, timeout=timeout, **options)

    def on_network_command(self, *argv):
        """A program of this machine on the container's network."""
        return ["nsenter", "-t", str(self.leader), "-n", *map(str, argv)]

    def on_network(self, *argv, timeout=120):
        return subprocess.run(self.on_network_command(*argv), text=True, capture_output=True, timeout=timeout)

    def show(self, *properties, unit="cradle"):
        """Properties of a unit, as a dictionary."""
        text = self.run("systemctl", "show", unit, "-p", ",".join(properties)).stdout
        return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)

    def journal(self, unit="cradle"):
        return self.run("journalctl", "--no-pager", "-o", "cat", "-u", unit).stdout

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()  # systemd-nspawn tells systemd to power off
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
