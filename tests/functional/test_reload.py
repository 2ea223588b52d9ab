"""A reload of tasks while devices bootstrap at a steady rate: none of them notices."""
import json
import re
import subprocess

from conftest import wait_for
from test_storm import EXPECTED, Storm

DEVICES, RATE, SECONDS = 20000, 300, 12
# A stall of the machine may not be told from a lost datagram: rings hold seconds, and who waits is patient.
RING, PATIENCE_MS = "rsize=14", 20000
UNDER_LOAD = {r"^sessions = \d+": "sessions = 8192", r"ack_timeout_ms = 2000": f"ack_timeout_ms = {PATIENCE_MS}"}


class Steady:
    """The generator, while it runs."""

    def __init__(self, storm, seconds, *argv):
        self.storm = storm
        self.process = subprocess.Popen(storm.network.command(
            f"{storm.build}/tools/storm/cradlestorm", "--port", f"net_memif0,role=client,socket={storm.memif},{RING}",
            "--server", "198.18.0.1", "--source", "198.18.0.10+200", "--devices", DEVICES, "--psk", "--rate", RATE,
            "--duration", seconds, "--ack-timeout", PATIENCE_MS, "--json", "-", *argv),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def has_ended(self):
        return self.process.poll() is not None

    def wait_for_more(self, bootstraps=200):
        finished = self.storm.daemon.counters()["bs_finished"]
        wait_for(lambda: self.storm.daemon.counters()["bs_finished"] >= finished + bootstraps or self.has_ended(), "bootstraps", 60)

    def end(self):
        said = self.process.communicate(timeout=120)
        assert said[0], said[1]
        return json.loads(said[0])


def storm_under_load(build, network, folder):
    return Storm(build, network, folder, {
        r"net_af_packet0,iface=cradle0": f"net_memif0,role=server,socket={folder / 'memif.sock'},{RING}", **UNDER_LOAD}, devices=DEVICES)


def while_devices_bootstrap(storm, act, *argv):
    """The load during which all of act(load) was done, and counters before it. On a slow machine that takes longer than
    the load lasts: then again, with a longer one."""
    seconds, done = SECONDS, False
    while not done:
        before = storm.daemon.counters()
        load = Steady(storm, seconds, *argv)
        act(load)
        done = not load.has_ended()
        if not done:
            load.end()
            seconds *= 2
    return load, before


def set_lifetime(daemon, seconds):
    daemon.edit("policy/tasks/reference-task.xml", r'(Lifetime" value=)"\d+"', rf'\1"{seconds}"')


def test_a_reload_under_load_disturbs_nobody(build, network, tmp_path):
    one = storm_under_load(build, network, tmp_path)
    daemon = one.daemon
    any_lifetime = tmp_path / "any"
    any_lifetime.write_text("\n".join(line if line.startswith("/0/2") else "/1/0=*" for line in EXPECTED.splitlines()) + "\n")

    def reload(load):
        for lifetime in (61, 62, 63):
            load.wait_for_more()
            set_lifetime(daemon, lifetime)
            done = daemon.result("reload")
            assert done["tasks_changed"] == ["root.demo: management account"]
            assert done["devices"] == DEVICES and done["devices_failed"] == 0
            assert 0 < done["control_thread_s"] <= done["seconds"]
    try:
        load, before = while_devices_bootstrap(one, reload, "--expect", any_lifetime)
        load.wait_for_more()
        report = load.end()
        moved = {name: value - before[name] for name, value in daemon.counters().items()}
        assert report["done"] == report["offered"] > 0 and report["failed"] == 0, report
        assert moved["bs_finished"] == moved["sessions_opened"] == report["done"]
        assert report["wire"]["retransmitted"] == report["wire"]["duplicates"] == moved["coap_tx_retransmit"] == 0
        assert report["generator"]["rx_missed"] == report["generator"]["tx_full"] == moved["no_buffer"] == 0
        assert [port["rx_missed"] + port["rx_errors"] + port["tx_errors"] for port in daemon.result("status")["ports"]] == [0]
        assert sum(moved[name] for name in moved if name.startswith("bs_failed") or name.startswith("dtls_failed")) == 0

        # And what was told is live for every device.
        now = tmp_path / "now"
        now.write_text(EXPECTED.replace("c1013c", "c1013f"))
        code, report = one.run("--devices", DEVICES, "--concurrency", 64, "--bootstraps", 2000, "--expect", now)
        assert code in (0, 4) and report["done"] == 2000 and report["failed"] == 0, report
    finally:
        assert one.stop() == 0, daemon.log()


def test_status_answers_while_a_reload_runs(cradled):
    """A reload of many devices takes the control thread a while: who only looks need not wait for its end."""
    daemon = cradled()
    many = daemon.folder / "many.csv"
    many.write_text("endpoint,key,groups\n" + "".join(f"many-{n:06},key-{n:06},root.demo\n" for n in range(100_000)))
    assert daemon.ctl("device", "import", many).returncode == 0
    seconds = 60

    def seen():
        nonlocal seconds
        seconds += 1
        set_lifetime(daemon, seconds)
        reload = subprocess.Popen([f"{daemon.build}/tools/cradlectl", "-s", daemon.socket, "--progress", "reload"],
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        told = []
        while reload.poll() is None:
            told.append(daemon.result("status")["in_progress"])
        progress = reload.communicate()[1]
        assert reload.returncode == 0, progress
        assert re.search(r"^making devices live: \d+ of \d+$", progress, re.M), progress
        return any(re.fullmatch(r"making devices live: \d+ of \d+", line) for line in told)
    wait_for(seen, "status to answer amidst a reload", 60)
    assert daemon.result("status")["in_progress"] == ""
