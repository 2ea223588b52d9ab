"""Members behind a router with equal routes (ECMP), as devices see a cluster: one address, whoever answers."""
import os
import subprocess
import threading

from conftest import ROOT, wait_for
from test_cluster import Fleet

MEMBERS = 3
SERVICE = "198.18.100.1"
GATEWAY = "198.18.0.254"


def shell(text):
    subprocess.run(["bash", "-c", f". {ROOT}/tools/lib.sh; {text}"], check=True)


class Namespace:
    def __init__(self, name):
        self.name = name

    def command(self, *argv):
        return ["ip", "netns", "exec", self.name, *map(str, argv)]

    def run(self, *argv, **options):
        return subprocess.run(self.command(*argv), text=True, capture_output=True, **options)

    def close(self):
        pass  # with the others


class Routes(threading.Thread):
    """A routing daemon's part: who does not answer, or drains, is sent no devices."""

    def __init__(self, fleet):
        super().__init__(daemon=True)
        self.fleet, self.ending, self.now = fleet, threading.Event(), None

    def serving(self):
        def serves(one):
            return one.process.poll() is None and one.ctl("health").returncode == 0
        return [number for number, some in sorted(self.fleet.members.items()) if serves(some[-1])]

    def run(self):
        while not self.ending.wait(0.1):
            serving = self.serving()
            if serving != self.now:
                shell(f"fleet_routes {self.fleet.stage} {' '.join(map(str, serving))}")
                self.now = serving

    def wait(self, *members):
        wait_for(lambda: self.now == sorted(members), f"routes to {members}", 60)

    def stop(self):
        self.ending.set()
        self.join()


class RoutedFleet(Fleet):
    def __init__(self, build, folders, database, name="", poll_ms=50):
        super().__init__(build, folders, database, name, poll_ms)
        self.stage = f"cradle-routed-{os.getpid()}"
        shell(f"fleet_up {self.stage} {MEMBERS}")
        self.devices = Namespace(self.stage)
        self.networks = {n: Namespace(f"{self.stage}-{n}") for n in range(1, MEMBERS + 1)}
        self.routes = Routes(self)

    def member(self, number, extra="", settings=None, env=None):
        return super().member(number, extra, {
            r"addresses = \[.*\]": f'addresses = [ "198.18.{number}.1/24", "{SERVICE}/32" ]', **(settings or {})}, env)

    def storm_command(self, *argv):
        return self.devices.command(
            f"{self.build}/tools/storm/cradlestorm", "--port", "net_af_packet0,iface=dev0", "--gateway", GATEWAY,
            "--server", SERVICE, "--source", "198.18.0.10+50", "--json", "-", *argv)

    def device(self, endpoint, key):
        """A client of libcoap's; its exit code: 0, it has all that the task gives."""
        return self.devices.run(f"{self.build}/tests/functional/lwm2m_client_openssl", "-i", endpoint, "-k", key, SERVICE, 5684,
                                f"ep={endpoint}", timeout=120).returncode

    def end(self):
        if self.routes.is_alive():
            self.routes.stop()
        super().end()
        shell(f"fleet_down {self.stage} {MEMBERS}")
