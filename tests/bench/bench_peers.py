#!/usr/bin/python3
"""The appliance beside what Debian has: libcoap's servers on OpenSSL and GnuTLS, and mbedTLS, on the same work.

usage: bench_peers.py --build-dir DIR [--quick] [--json FILE]

Each server stands in a network namespace of its own behind a veth pair, cradlestorm in front of it: one device after the
other shakes hands, with a pre-shared key and with a certificate, and sends a request that is refused. Counted is the CPU
time a handshake, of the whole process, system calls and the kernel's UDP in them included; of the appliance, whose worker
polls, the time of turns that had work, and of the threads that compute with elliptic curves.

Keys: peers_SERVER_psk_us and peers_SERVER_x509_us, with cradle, openssl, gnutls and mbedtls; what a server does not offer is
left out, with the reason.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
SERVER = "198.18.0.1"
IDENTITY, KEY = "dev", "key-of-16-bytes."
TICK_US = 1e6 / os.sysconf("SC_CLK_TCK")


class Network:
    """A namespace with a veth pair: dev0 for the generator, srv0 for the server."""

    def __init__(self, name):
        self.name = name
        self.ip("netns", "add", name)
        self.ip("-n", name, "link", "set", "lo", "up")
        self.ip("-n", name, "link", "add", "srv0", "type", "veth", "peer", "name", "dev0")
        for port in ("srv0", "dev0"):
            subprocess.run(["ip", "netns", "exec", name, "ethtool", "-K", port, "tx", "off"], check=True,
                           stdout=subprocess.DEVNULL)
            self.ip("-n", name, "link", "set", port, "up")

    @staticmethod
    def ip(*argv):
        subprocess.run(["ip", *argv], check=True)

    def command(self, *argv):
        return ["ip", "netns", "exec", self.name, *map(str, argv)]

    def close(self):
        self.ip("netns", "del", self.name)


class Library:
    """A server on the kernel's UDP: its process's CPU time."""

    def __init__(self, network, argv, folder):
        network.ip("-n", network.name, "addr", "add", f"{SERVER}/16", "dev", "srv0")
        self.log = open(folder / "log", "wb")
        self.process = subprocess.Popen(network.command(*argv), stdout=self.log, stderr=self.log)
        wait_until(lambda: f":{5684:04X} " in pathlib.Path(f"/proc/{self.process.pid}/net/udp").read_text(), self.process)

    def spent_us(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * TICK_US

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)


class Appliance:
    """cradled, with the devices that come."""

    def __init__(self, network, build, folder, authority, devices, security):
        self.ctl = [f"{build}/tools/cradlectl", "-s", str(folder / "cradle.sock")]
        shutil.copytree(ROOT / "conf", folder, dirs_exist_ok=True)
        text = (folder / "cradle.conf").read_text()
        for pattern, value in {r"/run/cradle/cradle\.sock": str(folder / "cradle.sock"),
                               r"iface=cradle0": "iface=srv0", r"^idle_yield = \w+": "idle_yield = true",
                               r"/var/lib/cradle/cradle\.db": str(folder / "cradle.db"), r"^hugepages = .*": 'hugepages = "no";',
                               r"198\.18\.0\.1/24": f"{SERVER}/16",
                               r"^file_prefix = .*": f'file_prefix = "{network.name}";'}.items():
            text, n = re.subn(pattern, value, text, count=1, flags=re.M)
            assert n == 1, pattern
        (folder / "cradle.conf").write_text(text)
        (folder / "policy/certs").mkdir()
        for name in ("ca.pem", "bs.pem", "bs.key"):
            shutil.copy(authority / name, folder / "policy/certs")
        shutil.copy(authority / "trust.conf", folder / "policy")
        (folder / "devices.csv").write_text("endpoint,identity,key,groups\n" + "".join(
            f"dev-{n:07},{IDENTITY if security == 'psk' and n == 1 else ''},{KEY if security == 'psk' and n == 1 else ''},root.demo\n"
            for n in range(1, devices + 1)))
        self.log = open(folder / "log", "wb")
        self.process = subprocess.Popen(network.command(f"{build}/control/cradled", "-c", folder / "cradle.conf"),
                                        stdout=self.log, stderr=self.log)
        wait_until(lambda: self.ask("status"), self.process)
        subprocess.run([*self.ctl, "device", "import", folder / "devices.csv"], check=True, stdout=subprocess.DEVNULL)

    def ask(self, *argv):
        done = subprocess.run([*self.ctl, "--json", *argv], text=True, capture_output=True)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def spent_us(self):
        status = self.ask("status")
        return sum(worker["busy_us"] for worker in status["workers"]) + status["certificates"]["threads"]["busy_us"]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)


def wait_until(condition, process):
    deadline = time.monotonic() + 60
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"bench_peers: {process.args} does not start")
        time.sleep(0.02)


def storm(network, build, authority, security, devices):
    """How many handshakes finished."""
    ways = ["--x509", authority] if security == "x509" else ["--psk", "--identity", IDENTITY, "--key", KEY]
    done = subprocess.run(network.command(
        f"{build}/tools/storm/cradlestorm", "--port", "net_af_packet0,iface=dev0", "--server", SERVER, "--source",
        "198.18.4.0+1000", "--devices", devices, "--concurrency", 1, "--give-up", 5, "--misbehave", "name-of-another",
        "--json", "-", *ways), text=True, capture_output=True, timeout=600)
    if not done.stdout:
        sys.exit("bench_peers: " + done.stderr)
    return json.loads(done.stdout)["latency_us"]["handshake"]["n"]


def libraries(build, authority):
    """{name: {security: command}}."""
    certificates = ["-c", authority / "bs.pem", "-j", authority / "bs.key", "-C", authority / "ca.pem"]
    found = {"mbedtls": {"psk": [f"{build}/tests/bench/peer_mbedtls", SERVER, 5684, "psk", IDENTITY, KEY],
                         "x509": [f"{build}/tests/bench/peer_mbedtls", SERVER, 5684, "x509", authority / "ca.pem",
                                  authority / "bs.pem", authority / "bs.key"]}}
    for name in ("openssl", "gnutls"):
        program = shutil.which(f"coap-server-{name}")
        if not program:
            print(f"  libcoap on {name}: not installed (apt-get install libcoap3-bin)")
            continue
        found[name] = {"psk": [program, "-A", SERVER, "-p", 5683, "-v", 0, "-h", "", "-k", KEY],
                       "x509": [program, "-A", SERVER, "-p", 5683, "-v", 0, *certificates]}
    return found


def measure(make, build, authority, security, devices):
    """CPU microseconds a handshake of the server that `make` starts; None: none finished."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="cradle-peers."))
    network = Network(f"cradle-peers-{os.getpid()}")
    try:
        server = make(network, folder)
        try:
            storm(network, build, authority, security, 5)  # what is made once, and chains
            before = server.spent_us()
            finished = storm(network, build, authority, security, devices)
            return (server.spent_us() - before) / finished if finished else None
        finally:
            server.stop()
    finally:
        network.close()
        shutil.rmtree(folder)


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1].partition("\n")[0])
    parser.add_argument("--build-dir", required=True, type=pathlib.Path)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json")
    options = parser.parse_args()
    build, devices = options.build_dir.resolve(), 200 if options.quick else 1000
    figures = {}
    work = pathlib.Path(tempfile.mkdtemp(prefix="cradle-peers-ca."))
    authority = work / "ca"
    try:
        subprocess.run([f"{build}/tools/storm/cradlestorm", "--make-ca", authority, "--devices", str(devices)], check=True,
                       stdout=subprocess.DEVNULL)
        others = libraries(build, authority)
        print(f"  CPU a handshake and a refused request, us{'':14}{'PSK':>8}{'X.509':>10}")
        for name in ("cradle", *others):
            row = {}
            for security in ("psk", "x509"):
                def make(network, folder):
                    if name == "cradle":
                        return Appliance(network, build, folder, authority, devices, security)
                    return Library(network, others[name][security], folder)
                row[security] = measure(make, build, authority, security, devices)
                if row[security]:
                    figures[f"peers_{name}_{security}_us"] = round(row[security], 1)
            print(f"  {name:54}" + "".join(f"{row[s]:8.0f}  " if row[s] else f"{'-':>8}  " for s in row))
    finally:
        shutil.rmtree(work)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
