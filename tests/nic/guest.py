"""A virtual machine with network cards on PCI: Debian's kernel on this machine's own files, under a layer that is thrown
away.

Nothing is installed in it and no image is built: it sees our root folder, to read, and keeps in memory what it writes. The
kernel's package is downloaded once, by apt, and unpacked beside the build; it is not installed here.
"""
import base64
import contextlib
import ctypes
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import threading
import time

FOLDER = pathlib.Path(__file__).resolve().parent
KERNEL = "linux-image-amd64"
# What the guest needs before it has its root folder, and with it the other modules.
EARLY_MODULES = ["virtio_pci", "virtio_console", "9pnet_virtio", "9p", "overlay"]
BOOT_S = 900  # without KVM, on a machine that has no time for it

INIT = """#!/bin/busybox sh
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
while read module; do insmod "$module" || echo "init: no $module"; done </modules
mkdir -p /host /layer /root
mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=262144 host /host || poweroff -f
mount -t tmpfs -o size=50% none /layer
mkdir /layer/up /layer/work
mount -t overlay -o lowerdir=/host,upperdir=/layer/up,workdir=/layer/work none /root || poweroff -f
for folder in proc sys dev; do mount --move /$folder /root/$folder; done
mount -t tmpfs none /root/run
mkdir -p /root/dev/shm /root/dev/pts /root/lib/modules
mount -t tmpfs none /root/dev/shm
mount --bind "/root$(cat /modules_folder)" /root/lib/modules
hostname nic-test
ip link set lo up
exec switch_root -c /dev/console /root /usr/bin/python3 "$(cat /agent)"
"""


class Kernel:
    """Debian's, in a folder: its image, and its modules."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.version = self.unpack()
        self.image = self.folder / f"root/boot/vmlinuz-{self.version}"
        self.modules = self.folder / "root/lib/modules"

    def unpack(self):
        package = self.newest()
        marker = self.folder / "version"
        if marker.exists() and marker.read_text() == package:
            return package.removeprefix("linux-image-")
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        subprocess.run(["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", package], cwd=self.folder, check=True,
                       capture_output=True, timeout=600)
        file, = self.folder.glob("*.deb")
        subprocess.run(["dpkg-deb", "-x", file, self.folder / "root"], check=True)
        file.unlink()
        version = package.removeprefix("linux-image-")
        subprocess.run(["depmod", "-b", self.folder / "root", version], check=True)
        marker.write_text(package)
        return version

    def newest(self):
        text = subprocess.run(["apt-cache", "depends", KERNEL], check=True, capture_output=True, text=True).stdout
        names = [line.split()[-1] for line in text.splitlines() if "Depends: linux-image-" in line]
        assert names, f"{KERNEL} is no package here"
        return names[0]

    def files_of(self, module):
        text = subprocess.run(["modprobe", "-d", self.folder / "root", "-S", self.version, "--show-depends", module],
                              check=True, capture_output=True, text=True).stdout
        return [line.split()[1] for line in text.splitlines() if line.startswith("insmod ")]

    def first_files(self, to):
        """The archive that the kernel starts from."""
        folder = to.with_suffix(".folder")
        for name in ("bin", "proc", "sys", "dev"):
            (folder / name).mkdir(parents=True)
        shutil.copy("/bin/busybox", folder / "bin/busybox")
        files = list(dict.fromkeys(file for module in EARLY_MODULES for file in self.files_of(module)))
        for file in files:
            shutil.copy(file, folder)
        (folder / "modules").write_text("".join(f"/{os.path.basename(file)}\n" for file in files))
        (folder / "modules_folder").write_text(str(self.modules))
        (folder / "agent").write_text(str(FOLDER / "agent.py"))
        (folder / "init").write_text(INIT)
        (folder / "init").chmod(0o755)
        names = "\n".join(str(path.relative_to(folder)) for path in sorted(folder.rglob("*")))
        with open(to, "wb") as out:
            subprocess.run(["cpio", "-o", "-H", "newc", "--quiet"], cwd=folder, input=names.encode(), stdout=out, check=True)
        shutil.rmtree(folder)


def has_kvm():
    """Without it each instruction of the guest is translated: ten times slower, and the same otherwise."""
    flags = pathlib.Path("/proc/cpuinfo").read_text().split()
    return ("vmx" in flags or "svm" in flags) and os.access("/dev/kvm", os.R_OK | os.W_OK)


def end_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Done:
    """How a program of the guest ended."""

    def __init__(self, reply):
        self.returncode, self.stdout, self.stderr = reply["code"], reply["out"], reply["err"]


class Guest:
    """`cards`: QEMU's -netdev and -device arguments. `namespace`: where its taps are."""

    def __init__(self, folder, kernel, namespace, cards, iommu, memory_mb=3072, hugepages=640):
        self.folder, self.kernel, self.namespace = pathlib.Path(folder), kernel, namespace
        self.cards, self.iommu, self.memory_mb, self.hugepages = cards, iommu, memory_mb, hugepages
        self.process = self.agent = self.monitor = None
        self.replies, self.asked, self.changed = {}, 0, threading.Condition()

    # ---- life ----

    def command(self):
        first = self.folder / "first.cpio"
        self.kernel.first_files(first)
        arguments = f"console=ttyS0 quiet panic=-1 no_timer_check hugepages={self.hugepages}" + (" intel_iommu=on" if self.iommu else "")
        command = ["ip", "netns", "exec", self.namespace, "qemu-system-x86_64", "-nodefaults", "-no-user-config",
                   "-display", "none", "-no-reboot", "-machine", "q35",
                   "-accel", "kvm,kernel-irqchip=split" if has_kvm() else "tcg,thread=multi", "-cpu", "max",
                   "-smp", str(min(4, len(os.sched_getaffinity(0)))), "-m", str(self.memory_mb),
                   "-kernel", self.kernel.image, "-initrd", first, "-append", arguments,
                   "-serial", f"file:{self.folder}/console",
                   "-qmp", f"unix:{self.folder}/monitor,server=on,wait=off",
                   "-device", "virtio-serial-pci", "-chardev", f"socket,id=agent,path={self.folder}/agent,server=on,wait=off",
                   "-device", "virtserialport,chardev=agent,name=cradle-nic",
                   "-fsdev", "local,id=host,path=/,security_model=none,readonly=on,multidevs=remap",
                   "-device", "virtio-9p-pci,fsdev=host,mount_tag=host"]
        if self.iommu:
            command += ["-device", "intel-iommu,intremap=on,caching-mode=on,device-iotlb=on"]
        return [str(word) for word in command + self.cards]

    def boot(self):
        with open(self.folder / "qemu", "wb") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            preexec_fn=end_with_parent)
        self.monitor = Monitor(self.connect("monitor"))
        self.agent = self.connect("agent")
        threading.Thread(target=self.listen, daemon=True).start()
        self.reply(0, BOOT_S)
        return self

    def connect(self, name):
        deadline = time.monotonic() + 60
        while True:
            sock = socket.socket(socket.AF_UNIX)
            try:
                sock.connect(str(self.folder / name))
                return sock
            except OSError as error:
                sock.close()
                assert self.process.poll() is None, self.text()
                assert time.monotonic() < deadline, f"{error}: {self.text()}"
                time.sleep(0.05)

    def text(self):
        """What qemu and the guest's kernel have said, its end."""
        parts = []
        for name in ("qemu", "console"):
            with contextlib.suppress(OSError):
                parts.append((self.folder / name).read_text(errors="replace")[-3000:])
        return "\n".join(parts)

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for sock in (self.agent, self.monitor and self.monitor.sock):
            if sock:
                sock.close()

    # ---- the agent ----

    def listen(self):
        line = b""
        with contextlib.suppress(OSError):
            while piece := self.agent.recv(65536):
                *lines, line = (line + piece).split(b"\n")
                with self.changed:
                    for text in lines:
                        reply = json.loads(text)
                        self.replies[reply.pop("id")] = reply
                    self.changed.notify_all()
        with self.changed:
            self.replies["end"] = {}
            self.changed.notify_all()

    def reply(self, number, timeout):
        deadline = time.monotonic() + timeout
        with self.changed:
            while number not in self.replies and "end" not in self.replies and time.monotonic() < deadline:
                self.changed.wait(1)
                assert "Kernel panic" not in self.text(), self.text()
            assert number in self.replies, f"the guest did not answer in {timeout} s: {self.text()}"
            return self.replies.pop(number)

    def ask(self, verb, wait_s=60, **arguments):
        self.asked += 1
        number = self.asked
        self.agent.sendall((json.dumps({"id": number, "do": verb, **arguments}) + "\n").encode())
        reply = self.reply(number, wait_s)
        assert "error" not in reply, reply["error"]
        return reply

    def run(self, *argv, timeout=120, input=None):
        return Done(self.ask("run", timeout + 60, argv=list(map(str, argv)), timeout=timeout, input=input))

    def must(self, *argv, **options):
        """Its output; it must end well."""
        done = self.run(*argv, **options)
        assert done.returncode == 0, f"{' '.join(map(str, argv))}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def write(self, path, content, mode=0o644):
        data = content if isinstance(content, bytes) else content.encode()
        self.ask("write", path=str(path), data=base64.b64encode(data).decode(), mode=mode)

    def read(self, path):
        return self.must("cat", path)


class Monitor:
    """QEMU's, where links are pulled."""

    def __init__(self, sock):
        self.sock, self.file = sock, sock.makefile("r")
        sock.settimeout(60)
        self.file.readline()
        self.ask("qmp_capabilities")

    def ask(self, verb, **arguments):
        self.sock.sendall((json.dumps({"execute": verb, "arguments": arguments}) + "\n").encode())
        for line in self.file:
            answer = json.loads(line)
            assert "error" not in answer, answer
            if "return" in answer:
                return answer["return"]
        raise AssertionError("the monitor is gone")

    def set_link(self, card, up):
        self.ask("set_link", name=card, up=up)
