#!/usr/bin/python3
"""Whole bootstraps over ports of the kernel, af_packet and AF_XDP side by side, on a veth pair each: the same work in one run.

usage: bench_kernel.py --build-dir DIR [--quick] [--gentle] [--json FILE]
  --quick       shorter runs
  --gentle      at the priority of other programs: figures are worse where there are any

512 devices at once bootstrap in six exchanges; their generator is at the other end of the pair, on af_packet, whichever port
the appliance has. The ports take turns. Costs are the averages of whole runs, busy time of the worker and the other threads'
CPU time together; what the kernel does for the worker's sends, the peer's receive path on a veth included, happens in its
turns and counts. Of several runs the median. Latencies are those at 500 bootstraps a second, from the intended start: what
gathering answers for one call costs a lone device would show there.

Keys, with af_packet and af_xdp as PORT, nosec6 and psk6 as WORK: PORT_WORK_us, PORT_WORK_worker_us, PORT_WORK_p50_us and
PORT_WORK_per_send, the datagrams of a system call that sends; af_xdp_over_af_packet, of both works together.
"""
import argparse
import contextlib
import json
import os
import pathlib
import signal
import statistics
import sys
import tempfile

import bench_memif
from bench_memif import Appliance, closed_loop, six_exchanges_task, timed
from bench_peers import Network

DRIVERS = "af_packet", "af_xdp"
DEVICES = 10_000
QUIET_PER_S = 500
WORKS = {"nosec6": [], "psk6": ["--psk"]}


class KernelAppliance(Appliance):
    """The same appliance with a port on one end of a veth pair."""
    flooded = False

    def __init__(self, build, folder, driver, network):
        self.driver, self.within = driver, network.command()
        super().__init__(build, folder, DEVICES)

    def port(self):
        return f"net_{self.driver}0,iface=srv0"

    def generator_port(self):
        return "net_af_packet0,iface=dev0"


def whole_run(appliance, arguments, seconds):
    """(us a bootstrap, the worker's of them, datagrams a send) of a closed loop."""
    counted, before, unpolled = appliance.sample()[1], appliance.progress(), appliance.unpolled_us()
    closed_loop(appliance, appliance.driver, arguments, seconds)
    after, others = appliance.progress(), appliance.unpolled_us() - unpolled
    moved = {name: value - counted[name] for name, value in appliance.sample()[1].items()}
    finished = after[0] - before[0]
    worker = (after[1] - before[1]) / finished
    return worker + others / finished, worker, moved["tx_frames"] / moved["tx_bursts"]


def make(build, folder, driver, network):
    folder.mkdir()
    return KernelAppliance(build, folder, driver, network)


def stop_all():
    for appliance in bench_memif.STARTED:
        appliance.stop()


def measure(appliances, seconds, runs):
    found = {(driver, work): [] for driver in appliances for work in WORKS}
    quiet = {key: [] for key in found}
    for _ in range(runs):
        for driver, work in found:
            appliance = appliances[driver]
            with appliance.alone(appliances.values()):
                found[driver, work].append(whole_run(appliance, WORKS[work], seconds))
                report, _ = appliance.storm("--rate", QUIET_PER_S, "--duration", seconds, *WORKS[work],
                                            nice=bench_memif.APPLIANCE_NICE)
                quiet[driver, work].append(report["latency_us"]["whole"]["p50"])
    figures = {}
    for (driver, work), values in found.items():
        for key, column in zip(("us", "worker_us", "per_send"), zip(*values)):
            figures[f"{driver}_{work}_{key}"] = statistics.median(column)
        figures[f"{driver}_{work}_p50_us"] = statistics.median(quiet[driver, work])
    packet, xdp = (sum(figures[f"{driver}_{work}_us"] for work in WORKS) for driver in DRIVERS)
    figures["af_xdp_over_af_packet"] = xdp / packet
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build-dir", required=True)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--gentle", action="store_true")
    parser.add_argument("--json")
    options = parser.parse_args()
    bench_memif.GENTLE = options.gentle
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="cradle-bench-"))
        networks = {driver: stack.enter_context(contextlib.closing(Network(f"cradle-bench-{driver}-{os.getpid()}")))
                    for driver in DRIVERS}
        stack.callback(stop_all)
        with timed("appliances made"):
            appliances = {driver: make(options.build_dir, pathlib.Path(folder, driver), driver, networks[driver]) for driver in DRIVERS}
        for appliance in appliances.values():
            stack.enter_context(six_exchanges_task(appliance))
        with timed("six exchanges over ports of the kernel"):
            figures = measure(appliances, *((0.5, 2) if options.quick else (2, 5)))
    for key in sorted(figures):
        print(f"{key:32} {figures[key]:12.4g}")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
