#!/usr/bin/python3
"""Whole bootstraps, two processes: cradled with one worker and cradlestorm, over shared memory, on two CPUs.

usage: bench_memif.py --build-dir DIR [--quick] [--devices N] [--outage] [--gentle] [--json FILE]
  --quick       shorter runs, up to 1,000,000 devices
  --devices N   up to N devices (10,000,000, where there is memory for them)
  --outage      200,000 devices come back at once, behind 2 s of network: that alone, half a minute and more
  --turns       what lists and scrapes of the largest appliance keep its control thread for: that alone
  --gentle      at the priority of other programs: figures are worse where there are any

Busy time comes from the appliance itself: what its worker spent in turns that had work, divided by the bootstraps that
finished meanwhile, so waiting for the generator does not count. The generator polls without giving its CPU away.
Whatever else runs on the machine can only add, so the cost is the lower quartile of short windows; rates are of the
fastest run. Of six exchanges it is the average of the whole run, other threads of the appliance included (nosec6_us, psk6_us;
_worker_us without them). SECURITY_stack_over_alone: what the stack costs behind memif over what it costs in bench_scale, in
turns. SECURITY_control_us: of the control thread a bootstrap at the highest rate, and as the share of a core that 160,000 a
second take (SECURITY_control_share_160k). For the cost by size, appliances with different numbers of devices take turns: one is stopped while the other is
measured.
"""
import argparse
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

from storm_run import Storm

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONCURRENCY = 512
SESSIONS = 8192  # below every number of devices: each bootstrap opens a session and evicts one, whatever the size
# Of both ends. The driver's own 2,048 bytes a buffer put the heads of all buffers into every 32nd set of the caches, and
# more of them than are under way push the others out.
RING = "rsize=10,bsize=1664"
OUTAGE_DEVICES, OUTAGE_SESSIONS = 200_000, 262_144  # a session each: an operator who wants them back soon sizes so
FLOOD_PER_S = 1_000_000
HALF_OPEN_PER_S = 10_000
WINDOW_S = 0.03
HUGEPAGES_ENOUGH_KB = 2 << 20
MEMORY_10M_KB = 12 << 20  # an appliance of 10,000,000 devices, and a generator with as many
RELOAD_LOAD_S = {"10k": 3, "100k": 3, "1m": 10, "10m": 30}  # devices bootstrap from before its begin until after its end
SIZES = {"10k": 10_000, "100k": 100_000, "1m": 1_000_000, "10m": 10_000_000}
EXPECTED = """\
/0/2=c80018636f6170733a2f2f7572692e6578616d706c653a35363834c10100c10200c8030b{ep}c004c2057077c10a02
/1/0=c10002c1013cc10600c10755
"""


def memory_kb(pid):
    """Resident memory of a process."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1])


def come_first(nice):
    """For a child: before other programs on the same CPUs, where that is allowed: a turn that is interrupted counts whole.

    With autogroups the scheduler compares sessions first, so the child gets one of its own. The generator polls on the
    CPU of the appliance's control thread, and gives way to that.
    """
    def prepare():
        if GENTLE:
            return
        os.setsid()
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, nice)
            pathlib.Path("/proc/self/autogroup").write_text(str(nice))
    return prepare


APPLIANCE_NICE, GENERATOR_NICE = -20, -10
GENTLE = False
STARTED = set()  # appliances: they end with us, whatever happens


def meminfo(key):
    return int(re.search(rf"{key}:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text())[1])


def hugepages():
    """"auto" where there are enough for all of us: one with and one without could not be compared."""
    return "auto" if meminfo("HugePages_Free") * meminfo("Hugepagesize") >= HUGEPAGES_ENOUGH_KB else "no"


def most_devices(quick):
    """How many, when nobody says."""
    if quick:
        return SIZES["1m"]
    if meminfo("MemAvailable") >= MEMORY_10M_KB:
        return SIZES["10m"]
    print(f"  10,000,000 devices left out: they take {MEMORY_10M_KB >> 20} GiB of free memory", file=sys.stderr)
    return SIZES["1m"]


class Appliance:
    """cradled with so many devices, the reference task and one memif port."""
    within = ()  # what a command begins with that is to run beside the port
    flooded = True  # a second port, for what is no device

    def port(self):
        return f"net_memif0,role=server,socket={self.memif},{RING}"

    def generator_port(self):
        return f"net_memif0,role=client,socket={self.memif},{RING}"

    def __init__(self, build, folder, devices, sessions=SESSIONS):
        self.build, self.folder, self.devices = build, folder, devices
        self.control_costs = []  # microseconds of the control thread a bootstrap, of each closed loop
        self.memif, self.flood, self.socket = folder / "memif.sock", folder / "flood.sock", folder / "cradle.sock"
        shutil.copytree(ROOT / "conf", folder, dirs_exist_ok=True)
        text = (folder / "cradle.conf").read_text()
        second = {r"^ports = \(": 'ports = ( { device = "net_memif1,role=server,id=1,socket=%s,%s"; '
                                  'addresses = [ "198.18.9.1/24" ]; },' % (self.flood, RING)}
        for pattern, value in {
                **(second if self.flooded else {}),
                r"/run/cradle/cradle\.sock": str(self.socket),
                r"net_af_packet0,iface=cradle0": self.port(),
                # A poller that yields loses its CPU for milliseconds where anything else runs there.
                r"^idle_yield = \w+": f"idle_yield = {'false' if len(os.sched_getaffinity(0)) > 1 else 'true'}",
                r"^sessions = \d+": f"sessions = {sessions}",
                r'# , (\{ port = 5683; security = "nosec"; )': r", \1allow_keyed_devices = true; ",
                r"^hugepages = .*": f'hugepages = "{hugepages()}";',
                r"/var/lib/cradle/cradle\.db": str(folder / "cradle.db"),
                # Of all addresses of a generator, that few /24 hold.
                r"^    # handshakes_per_prefix_per_s = \d+": "    handshakes_per_prefix_per_s = 1000000",
                r"^    # handshakes_per_s = \d+": "    handshakes_per_s = 1000000",
                r"^file_prefix = .*": f'file_prefix = "bench-{os.getpid()}-{folder.name}";'}.items():
            text, n = re.subn(pattern, value, text, count=1, flags=re.M)
            assert n == 1, pattern
        (folder / "cradle.conf").write_text(text)
        (folder / "expected").write_text(EXPECTED)
        self.start()
        self.import_s = self.put_devices()
        self.stop()
        self.start_s = self.start()  # with all of them

    def seal_devices(self):
        """Their keys under a key-encryption key: (seconds that this takes, seconds of a start after it)."""
        kek = self.folder / "kek"
        subprocess.run([f"{self.build}/control/cradled", "--make-kek", kek], check=True, stdout=subprocess.DEVNULL)
        text = (self.folder / "cradle.conf").read_text()
        (self.folder / "cradle.conf").write_text(re.sub(r"^# kek = .*", f'kek = "{kek}";', text, count=1, flags=re.M))
        self.stop()
        self.start()
        begin = time.monotonic()
        self.ask("store", "rekey")
        took = time.monotonic() - begin
        self.stop()
        return took, self.start()

    def put_devices(self):
        """How devices get in. Seconds that it takes."""
        table = self.folder / "devices.csv"
        with open(table, "w") as file:
            file.write("endpoint,key,groups,value.managementId,value.password\n")
            for n in range(1, self.devices + 1):
                file.write(f"dev-{n:07},key-{n:07},root.demo,dev-{n:07},pw\n")
        begin = time.monotonic()
        done = subprocess.run([f"{self.build}/tools/cradlectl", "-s", self.socket, "device", "import", table], text=True,
                              capture_output=True)
        if done.returncode:
            sys.exit("the devices do not get in: " + done.stderr)
        return time.monotonic() - begin

    def start(self):
        """Seconds until it serves."""
        begin = time.monotonic()
        STARTED.add(self)
        self.log = open(self.folder / "log", "wb")
        self.process = subprocess.Popen([*self.within, f"{self.build}/control/cradled", "-c", self.folder / "cradle.conf"],
                                        stdout=self.log, stderr=self.log, preexec_fn=come_first(APPLIANCE_NICE),
                                        # As the service file has it: devices in huge pages.
                                        env=dict(os.environ, GLIBC_TUNABLES="glibc.malloc.hugetlb=1"))
        while self.ctl("status") is None:
            if self.process.poll() is not None or time.monotonic() > begin + 300:
                sys.exit("cradled does not start:\n" + (self.folder / "log").read_text())
            time.sleep(0.02)
        return time.monotonic() - begin

    def ctl(self, *argv):
        """A command's result; None where it is refused, or nobody answers."""
        done = subprocess.run([f"{self.build}/tools/cradlectl", "-s", self.socket, "--json", *argv], text=True,
                              capture_output=True)
        self.said = done.stdout + done.stderr
        return json.loads(done.stdout) if done.returncode == 0 else None

    def ask(self, *argv):
        """The same of one that must not fail."""
        result = self.ctl(*argv)
        if result is None:
            sys.exit(f"cradlectl {' '.join(argv)} failed: {self.said}\n" + (self.folder / "log").read_text()[-2000:])
        return result

    def sample(self):
        """(busy microseconds, counters) so far."""
        return self.ask("status")["workers"][0]["busy_us"], self.ask("stats", "--all")["counters"]

    def progress(self):
        """(bootstraps finished, busy microseconds, those of them in the stack) so far, read together."""
        status = self.ask("status")
        worker = status["workers"][0]
        return status["bootstraps_finished"], worker["busy_us"], worker["busy_step_us"]["stack"]

    def unpolled_us(self):
        """Microseconds of all its threads but the workers, which poll."""
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) / 1000 for task in tasks
                   if not (task / "comm").read_text().startswith("rte-worker"))

    def control_us(self):
        """Microseconds of its control thread, which is its first one."""
        return int(pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/schedstat").read_text().split()[0]) / 1000

    def steps(self):
        """Busy microseconds so far, by the step of a turn."""
        return self.ask("status")["workers"][0]["busy_step_us"]

    def storm_command(self, *argv, poll=True):
        return [*self.within, f"{self.build}/tools/storm/cradlestorm", "--port", self.generator_port(), "--server", "198.18.0.1",
                "--source", "198.18.4.0+1000", "--devices", str(self.devices), *(["--poll"] if poll else []),
                "--expect", self.folder / "expected", *map(str, argv)]

    def start_storm(self, lasts_s, *argv, poll=True, nice=None):
        """The generator, started; it should end after so many seconds."""
        return Storm(self, self.storm_command(*argv, poll=poll), lasts_s,
                     preexec_fn=come_first(GENERATOR_NICE if nice is None else nice))

    def storm(self, *argv, poll=True, nice=None, lasts_s=60):
        """The generator's report, and what the appliance counted meanwhile, busy time included."""
        busy, before = self.sample()
        report = self.start_storm(lasts_s, *argv, poll=poll, nice=nice).report()
        busy_after, after = self.sample()
        moved = {name: after[name] - before[name] for name in after}
        moved["busy_us"] = busy_after - busy
        return report, moved

    @contextlib.contextmanager
    def alone(self, others):
        """The others stand still meanwhile: two pollers would share a CPU."""
        for other in others:
            other.process.send_signal(signal.SIGSTOP if other is not self else signal.SIGCONT)
        yield self
        for other in others:
            other.process.send_signal(signal.SIGCONT)

    def stop(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()


def closed_loop(appliance, name, options, seconds):
    """(bootstraps a second, (busy microseconds each, those in the stack) in every window) of a closed loop that keeps the
    appliance occupied; the last window is the whole run."""
    storm = appliance.start_storm(seconds, "--concurrency", CONCURRENCY, "--duration", seconds, *options)
    control_us = appliance.control_us()
    samples = [appliance.progress()]
    while storm.runs():
        time.sleep(WINDOW_S)
        samples.append(appliance.progress())
    appliance.control_costs.append((appliance.control_us() - control_us) / max(1, samples[-1][0] - samples[0][0]))
    report = storm.report()
    if report["failed"]:
        sys.exit(f"{name}: {report['failed']} bootstraps failed: {report['outcomes']}")
    if not report["valid"]:
        print(f"  {name}: {report['verdict']}", file=sys.stderr)
    pairs = [*zip(samples, samples[1:]), (samples[0], samples[-1])]
    windows = [tuple((now - then) / (after[0] - before[0]) for then, now in zip(before[1:], after[1:]))
               for before, after in pairs if after[0] - before[0] >= 500]
    return report["done_per_s"], windows


def stack_alone_us(appliances, build, name):
    """Microseconds of such a bootstrap in the stack without a driver, on the worker's CPU, while all appliances stand still."""
    for appliance in appliances.values():
        appliance.process.send_signal(signal.SIGSTOP)
    cpu = max(os.sched_getaffinity(0))
    done = subprocess.run(["taskset", "-c", str(cpu), f"{build}/tests/bench/bench_scale", "--only", name, "--devices", "10000",
                           "--rounds", "16"], text=True, capture_output=True, preexec_fn=come_first(APPLIANCE_NICE))
    for appliance in appliances.values():
        appliance.process.send_signal(signal.SIGCONT)
    found = re.search(rf"{name}\s+(\d+) ns", done.stdout)
    if not found:
        sys.exit("bench_scale failed: " + done.stderr)
    return int(found[1]) / 1000


@contextlib.contextmanager
def timed(what):
    """Says what a part took: a quick run has 28 seconds for all of them."""
    begin = time.monotonic()
    yield
    print(f"  {what}: {time.monotonic() - begin:.1f} s", file=sys.stderr)


def lower_quartile(values):
    """What interrupts only adds, and the least of many would be one whose two readings were apart."""
    return sorted(values)[len(values) // 4]


def shares(before, after, name):
    """Of the busy time between two samples, the part of each step of a turn."""
    spent = {step: after[step] - before[step] for step in after}
    return {f"{name}_{step.replace(' ', '_')}_share": us / sum(spent.values()) for step, us in spent.items()}


def bootstraps(appliances, name, options, seconds, runs, build):
    """Rate and cost, where that goes, and what it is with more devices; and what the stack costs alone, in turns with it."""
    rates, costs = dict.fromkeys(appliances, 0), {size: [] for size in appliances}
    before = appliances["10k"].steps()
    alone = []
    for _ in range(runs):
        for size, appliance in appliances.items():
            with appliance.alone(appliances.values()):
                rate, windows = closed_loop(appliance, name, options, seconds)
            rates[size] = max(rate, rates[size])
            costs[size] += windows
        alone.append(stack_alone_us(appliances, build, name))
    where = shares(before, appliances["10k"].steps(), name)
    cost = {size: lower_quartile([busy for busy, _ in windows]) for size, windows in costs.items()}
    stack, one = lower_quartile([stack for _, stack in costs["10k"]]), statistics.median(alone)
    control = min(appliances["10k"].control_costs[-runs:])
    figures = {f"{name}_bootstraps_per_s": rates["10k"], f"{name}_bootstrap_busy_us": cost["10k"], **where,
               f"{name}_control_us": control, f"{name}_control_share_160k": control * 0.16,
               f"{name}_stack_us": stack, f"{name}_stack_alone_us": one, f"{name}_stack_over_alone": stack / one}
    for size in list(appliances)[1:]:
        figures[f"{name}_bootstrap_busy_{size}_us"] = cost[size]
        figures[f"{name}_cost_{size}_over_10k"] = cost[size] / cost["10k"]
    return figures


@contextlib.contextmanager
def six_exchanges_task(appliance):
    """The reference task with DELETE of /0 and /1 before its writes, meanwhile."""
    file = appliance.folder / "policy/tasks/reference-task.xml"
    kept = file.read_text()
    begin = '<lwm2mBootstrap performBootstrapFinish="true">'
    assert begin in kept
    deletes = '<delete key="LwM2M Security" /><delete key="LwM2M Server" />'
    file.write_text(kept.replace(begin, begin + deletes))
    (appliance.folder / "expected").write_text("-/0\n-/1\n" + EXPECTED)
    appliance.ask("reload")
    yield
    file.write_text(kept)
    (appliance.folder / "expected").write_text(EXPECTED)
    appliance.ask("reload")


def six_exchanges(appliance, seconds):
    """What a bootstrap of six exchanges costs on the average of a whole run, every thread of the appliance included: it is what
    other servers' figures are of."""
    figures = {}
    for name, arguments in (("nosec", []), ("psk", ["--psk"])):
        before, unpolled = appliance.progress(), appliance.unpolled_us()
        closed_loop(appliance, f"{name}, six exchanges", arguments, seconds)
        after = appliance.progress()
        finished = after[0] - before[0]
        worker, others = (after[1] - before[1]) / finished, (appliance.unpolled_us() - unpolled) / finished
        figures |= {f"{name}6_us": worker + others, f"{name}6_worker_us": worker}
    return figures


def half_load(appliance, name, options, rate, seconds):
    """Latencies at half of what the closed loop reached, from the intended start. The generator shares its CPU with the
    control thread: as equals, or most of a latency would be its own wait for that."""
    report, _ = appliance.storm("--rate", rate / 2, "--duration", seconds, "--ramp", seconds / 4, *options,
                                nice=APPLIANCE_NICE)
    if not report["valid"]:
        print(f"  {name} at half load: {report['verdict']}", file=sys.stderr)
    whole = report["latency_us"]["whole"]
    return {f"{name}_half_load_{percentile}_us": whole[percentile]
            for percentile in ("p50", "p90", "p99", "p99_9", "max")}


def flood(appliance, seconds):
    """Spoofed ClientHellos answered a second, and sessions they made: none."""
    report, moved = appliance.storm("--psk", "--misbehave", "hello-flood", "--duration", seconds)
    return {"hello_flood_per_s": moved["dtls_hello_verify"] / report["seconds"],
            "hello_flood_offered_per_s": report["offered"] / report["seconds"],
            "hello_flood_busy_us": moved["busy_us"] / max(1, moved["dtls_hello_verify"]),
            "hello_flood_sessions": moved["sessions_opened"]}


def beside(appliance, seconds, counter, *options):
    """Devices on one port while another brings what is no device, as `options` say; `counter` tells that it has begun.
    The latter's report, the devices', by how much counters moved meanwhile, and seconds."""
    _, before = appliance.sample()
    command = [f"{appliance.build}/tools/storm/cradlestorm", "--port",
               f"net_memif0,role=client,id=1,socket={appliance.flood},{RING}", "--server", "198.18.9.1", "--devices",
               "100000", "--psk", "--duration", str(3 * seconds + 10), *map(str, options)]
    other = Storm(appliance, command, 3 * seconds + 10, preexec_fn=come_first(GENERATOR_NICE))
    try:
        while appliance.sample()[1][counter] - before[counter] < 10000:
            if not other.runs():
                sys.exit("the flood does not start")
            time.sleep(0.02)
        counted, begin = appliance.sample()[1][counter], time.monotonic()
        # Both generators share a CPU: neither may keep it to itself.
        report, moved = appliance.storm("--psk", "--concurrency", 64, "--duration", seconds, poll=False)
        took = time.monotonic() - begin
        moved[counter] = appliance.sample()[1][counter] - counted
        if not other.runs():
            sys.exit("the flood ended before the devices")
    finally:
        other.stop()
    return other.report(), report, moved, took


def flood_and_devices(appliance, seconds):
    """A million spoofed hellos a second, or what the generator can do, beside devices. Nobody may fail, and the flood may
    not begin a handshake, let alone leave a session."""
    offered, report, moved, took = beside(appliance, seconds, "dtls_hello_verify", "--source", "198.18.9.10+200",
                                          "--misbehave", "hello-flood", "--rate", FLOOD_PER_S)
    answered = moved["dtls_hello_verify"] - moved["dtls_started"]
    return {"flooded_hellos_per_s": answered / took, "flooded_offered_per_s": offered["done_per_s"],
            "flooded_bootstraps_per_s": report["done_per_s"], "flooded_failed": report["failed"],
            "flooded_handshakes": moved["dtls_started"] - report["offered"],
            "flooded_p99_us": report["latency_us"]["whole"]["p99"]}


def half_open_and_devices(appliance, seconds):
    """10,000 handshakes a second from 100 addresses that stay open, beside devices: each of these finishes."""
    offered, report, moved, _ = beside(appliance, seconds, "dtls_hello_verify", "--source", "198.18.9.10+100",
                                       "--misbehave", "half-open", "--rate", HALF_OPEN_PER_S, "--give-up", 1)
    return {"half_open_per_s": offered["offered"] / offered["seconds"], "half_open_displaced": moved["dtls_handshakes_displaced"],
            "half_open_bootstraps_per_s": report["done_per_s"], "half_open_failed": report["failed"],
            "half_open_p99_us": report["latency_us"]["whole"]["p99"]}


def outage(options, folder):
    """Everybody comes back at once, behind 2 s of network give or take one."""
    appliance = Appliance(options.build_dir, folder, OUTAGE_DEVICES, OUTAGE_SESSIONS)
    report, moved = appliance.storm("--burst", OUTAGE_DEVICES, "--psk", "--rtt", "2000:1000",
                                    *(["--plot", options.plot] if options.plot else []), poll=False, lasts_s=600)
    return {"outage_200k_s": report["seconds"], "outage_200k_failed": OUTAGE_DEVICES - report["done"],
            "outage_200k_p50_us": report["latency_us"]["whole"]["p50"],
            "outage_200k_p99_us": report["latency_us"]["whole"]["p99"],
            "outage_200k_busy_s": moved["busy_us"] / 1e6,
            "outage_200k_memory_mb": memory_kb(appliance.process.pid) / 1024}


def change_task(appliance):
    """Every device is compiled anew, to the same bytes: a remark of the file changes."""
    file = appliance.folder / "policy/tasks/reference-task.xml"
    file.write_text(file.read_text() + f"<!-- {time.monotonic_ns()} -->\n")


def reload_under_load(appliance, size, rate, seconds):
    """A reload of a changed task while devices bootstrap: how long it takes, and what it costs them. Nobody may fail, no
    datagram be lost."""
    change_task(appliance)
    _, before = appliance.sample()
    # The generator shares its CPU with the control thread, which is busy for once: as equals, or it would lose datagrams.
    storm = appliance.start_storm(seconds, "--psk", "--rate", rate, "--duration", seconds, poll=False, nice=APPLIANCE_NICE)
    time.sleep(1)
    done = appliance.ask("reload")
    if not done["tasks_changed"]:
        sys.exit(f"reload of {appliance.devices} devices had nothing to do")
    report = storm.report()
    _, after = appliance.sample()
    lost = report["generator"]["rx_missed"] + report["generator"]["tx_full"]
    lost += sum(after[name] - before[name] for name in ("rx_missed", "tx_full", "no_buffer") if name in after)
    return {f"reload_{size}_s": done["control_thread_s"], f"reload_{size}_wall_s": done["seconds"],
            f"reload_{size}_failed": report["failed"], f"reload_{size}_datagrams_lost": lost,
            f"reload_{size}_retransmitted": report["wire"]["retransmitted"] + after["coap_tx_retransmit"]
            - before["coap_tx_retransmit"], f"reload_{size}_p99_us": report["latency_us"]["whole"]["p99"]}


def plan(appliance, size):
    """What a change of every device would do is looked through: how long it takes, and by how much memory grows at most."""
    file = appliance.folder / "policy/tasks/reference-task.xml"
    kept = file.read_text()
    file.write_text(re.sub(r'(Lifetime" value=)"\d+"', r'\1"61"', kept))
    before = memory_kb(appliance.process.pid)
    pathlib.Path(f"/proc/{appliance.process.pid}/clear_refs").write_text("5")  # the peak begins anew
    done = appliance.ask("reload", "--plan")
    peak = re.search(r"^VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{appliance.process.pid}/status").read_text(), re.M)
    file.write_text(kept)
    if done["changed"] != appliance.devices:
        sys.exit(f"a plan of {appliance.devices} devices found {done['changed']} that change")
    return {f"plan_{size}_s": done["control_thread_s"], f"plan_{size}_wall_s": done["seconds"],
            f"plan_{size}_extra_mb": (int(peak[1]) - before) / 1024}


def rollout_cost(appliance, seconds, runs):
    """Busy time of a PSK bootstrap while a task is rolled out to half of the devices, over that without: in turns, the best
    of each. The new version writes the same bytes, so that devices find what they expect."""
    text = appliance.folder / "rolled.xml"
    text.write_text((appliance.folder / "policy/tasks/reference-task.xml").read_text() + "<!-- rolled out -->\n")
    best = {}
    for turn in range(2 * runs):
        rolled = bool(turn % 2)
        if rolled:
            appliance.ask("task", "rollout", "start", "g:root.demo:1", "--xml", str(text), "--percent", "50")
        report, moved = appliance.storm("--psk", "--concurrency", 64, "--duration", seconds)
        if rolled:
            appliance.ask("task", "rollout", "abort", "g:root.demo:1")
        cost = moved["busy_us"] / report["done"]
        best[rolled] = min(best.get(rolled, cost), cost)
    return {"rollout_busy_ratio": best[True] / best[False]}


def memory(appliances):
    """What a device costs in the dataplane, as the appliance counts it, and in the whole process."""
    sizes = list(appliances)
    few, many = appliances[sizes[0]], appliances[sizes[-1]]
    figures = {"bytes_per_device": many.ask("status")["bytes_per_device"]}
    figures |= {f"memory_{size}_mb": memory_kb(appliance.process.pid) / 1024 for size, appliance in appliances.items()}
    if few is not many:
        grown = memory_kb(many.process.pid) - memory_kb(few.process.pid)
        figures["process_bytes_per_device"] = grown * 1024 / (many.devices - few.devices)
    return figures


def device_change_ms(appliance, changes=40):
    """Of one connection: from the command to its answer, when it is on the disk and every worker finds it. The median."""
    def ask(sock, *argv):
        data = json.dumps({"v": 1, "argv": argv}).encode()
        sock.sendall(struct.pack(">I", len(data)) + data)
        data, answer = b"", {}
        while "exit" not in answer:  # progress comes before it
            while len(data) < 4 or len(data) < 4 + struct.unpack_from(">I", data)[0]:
                data += sock.recv(65536)
            size = 4 + struct.unpack_from(">I", data)[0]
            answer, data = json.loads(data[4:size]), data[size:]
        if answer["exit"]:
            sys.exit(f"{argv} was refused")
    took = []
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(appliance.socket))
        for number in range(changes):
            for argv in (("device", "add", f"bench-{number}", "--groups", "root.demo"),
                         ("device", "edit", f"bench-{number}", "--domain", "d"), ("device", "remove", f"bench-{number}")):
                begin = time.monotonic()
                ask(sock, *argv)
                took.append(1000 * (time.monotonic() - begin))
    return statistics.median(took)


def control_turns(appliance, seconds):
    """How long lists and scrapes keep the control thread at a time, while devices bootstrap: of its own time, and by the clock
    in turns during which no other program took its CPU. The worst of some rounds."""
    def longest(key, causes, *commands):
        own = unbroken = 0
        for _ in range(5):
            appliance.ask("turns", "--reset")
            for command in commands:
                appliance.ask(*command)
            for turn in appliance.ask("turns")["causes"]:
                if turn["cause"] in causes:
                    own, unbroken = max(own, turn["longest_cpu_us"]), max(unbroken, turn["longest_unbroken_us"])
        return {f"{key}_ms": own / 1000, f"{key.removesuffix('_max')}_unbroken_ms": unbroken / 1000}
    storm = appliance.start_storm(seconds, "--psk", "--rate", 2000, "--duration", seconds, poll=False, nice=APPLIANCE_NICE)
    scrape = [("status",), ("stats", "--all"), ("phases",)] * 10
    figures = longest("list_100k_slice_max", ["device list"], ("device", "list", "--limit", "100000"))
    figures |= longest("list_filtered_slice_max", ["device list"], ("device", "list", "--match", "none-*"))
    figures |= longest("completion", ["complete"], ("complete", "--", "device\x1fshow\x1fnone"))
    figures |= longest("metrics_scrape", ["status", "stats", "phases"], *scrape)
    storm.stop()
    storm.report()
    return figures


def open_appliances(options, folder):
    appliances = {}
    for size, devices in SIZES.items():
        if devices > options.devices or (size == "100k" and options.quick):
            continue
        place = folder / size
        place.mkdir()
        with contextlib.ExitStack() as stack:
            # The ones that serve already would take the CPU from the one that starts.
            for other in appliances.values():
                other.process.send_signal(signal.SIGSTOP)
                stack.callback(other.process.send_signal, signal.SIGCONT)
            appliance = appliances[size] = Appliance(options.build_dir, place, devices)
            if size == "1m":
                appliance.rekey_s, appliance.sealed_start_s = appliance.seal_devices()
        print(f"  {devices} devices: imported in {appliance.import_s:.1f} s, started in {appliance.start_s:.1f} s",
              file=sys.stderr)
    return appliances


def change_devices(appliances):
    figures = {}
    for size, appliance in appliances.items():
        with appliance.alone(appliances.values()):
            figures[f"device_change_{size}_ms"] = device_change_ms(appliance)
    return figures


def measure(options, appliances):
    seconds, runs = (0.5, 4) if options.quick else (3, 5)
    figures = memory(appliances)
    few, largest = appliances["10k"], list(appliances)[-1]
    for size, appliance in appliances.items():
        figures |= {f"start_{size}_s": appliance.start_s, f"import_{size}_s": appliance.import_s}
        if size == "1m":
            figures |= {"kek_rekey_1m_s": appliance.rekey_s, "kek_start_1m_s": appliance.sealed_start_s,
                        "kek_start_1m_ratio": appliance.sealed_start_s / appliance.start_s}
    with timed("devices changed one by one"):
        figures |= change_devices(appliances)
    for name, arguments in (("nosec", []), ("psk", ["--psk"])):
        with timed(f"{name} bootstraps"):
            figures |= bootstraps(appliances, name, arguments, seconds, runs, options.build_dir)
        with timed(f"{name} at half load"), few.alone(appliances.values()):
            figures |= half_load(few, name, arguments, figures[f"{name}_bootstraps_per_s"], seconds)
    figures["memif_stack_over_alone"] = figures["psk_stack_over_alone"]
    with timed("six exchanges"), few.alone(appliances.values()), six_exchanges_task(few):
        figures |= six_exchanges(few, 2 * seconds)
    for size in list(appliances)[1:]:
        figures[f"cost_{size}_over_10k"] = max(figures[f"{name}_cost_{size}_over_10k"] for name in ("nosec", "psk"))
    with timed("floods"), few.alone(appliances.values()):
        figures |= flood(few, seconds)
        figures |= flood_and_devices(few, seconds)
        figures |= half_open_and_devices(few, seconds)
    for size in (size for size in appliances if size in ("1m", "10m") or size == largest):
        with timed(f"reload under load, {size}"), appliances[size].alone(appliances.values()):
            figures |= plan(appliances[size], size)
            figures |= reload_under_load(appliances[size], size, 5000, 3 if options.quick else RELOAD_LOAD_S[size])
    with timed("a rollout"), few.alone(appliances.values()):
        figures |= rollout_cost(few, seconds, runs)
    with timed("lists and scrapes under load"), appliances[largest].alone(appliances.values()):
        figures |= control_turns(appliances[largest], 120)
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build-dir", required=True)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--devices", type=int, default=None)
    parser.add_argument("--outage", action="store_true")
    parser.add_argument("--turns", action="store_true")
    parser.add_argument("--plot", help="with --outage: draw it")
    parser.add_argument("--gentle", action="store_true")
    parser.add_argument("--json")
    options = parser.parse_args()
    global GENTLE
    GENTLE = options.gentle
    if options.devices is None and not options.outage:
        options.devices = most_devices(options.quick)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="cradle-bench-") as folder:
        try:
            if options.outage:
                figures = outage(options, pathlib.Path(folder))
            elif options.turns:
                figures = control_turns(Appliance(options.build_dir, pathlib.Path(folder), options.devices), 120)
            else:
                with timed("appliances made"):
                    appliances = open_appliances(options, pathlib.Path(folder))
                figures = measure(options, appliances)
        finally:
            for appliance in STARTED:
                appliance.stop()
    for key in sorted(figures):
        print(f"{key:32} {figures[key]:12.4g}")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
