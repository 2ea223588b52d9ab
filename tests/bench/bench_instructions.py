#!/usr/bin/python3
"""Instructions and cache lines of a bootstrap in the worker, by stage: figures that do not move with the machine's load.

usage: bench_instructions.py --build-dir DIR [--json FILE]

bench_scale runs under callgrind, 2,000 devices in turn, twice: the second run has more rounds, and the difference between
both is a whole number of bootstraps without setting up. Counted is what happens inside stack_receive() and stack_tick().
A stage is a folder of dataplane/core; a function whose name stands in several folders is of "several".

Cryptography stands apart: valgrind knows no SHA instructions, so what runs there is mbedTLS's, not what runs for real.
Cache lines are misses of a simulated first-level data cache of 32 KB: that many devices in turn leave nothing in it, so a
miss is a line that a datagram touches. A second table says which functions meet them first: what lies together there
belongs on lines of its own (session.h, secured_state.h, device_entry in directory.h).

Workers share the directory and nothing that they write: 2, 4 and 8 of them, all at once, take as many instructions each as
one alone, on however many CPUs; a loop over workers would show. Lines that workers take from each other do not, as valgrind
runs one thread at a time: that is bench_scale's workers_2_over_1.

Keys: psk_instructions and nosec_instructions, a bootstrap without its cryptography; psk_lines and nosec_lines, a datagram;
workers_2_instructions_over_1, and so on.
"""
import argparse
import collections
import json
import pathlib
import re
import subprocess
import sys
import tempfile

DEVICES, AT_A_TIME = 2000, 2000  # bench_scale's own number of devices at a time
ROUNDS = (1, 3)
DATAGRAMS = {"nosec": 4, "psk": 7}  # that come, a bootstrap
CRYPTO = "crypto"
FUNCTIONS = 20
WORKERS = (2, 4, 8)


def folders(build):
    """{function: folder of dataplane/core}."""
    found = collections.defaultdict(set)
    core = build / "dataplane/core"
    for path in core.rglob("*.o"):
        folder = path.relative_to(core).parts[0] if len(path.relative_to(core).parts) > 2 else "stack"
        for line in subprocess.run(["nm", "--defined-only", path], text=True, capture_output=True, check=True).stdout.splitlines():
            kind, name = line.split()[-2:]
            if kind in "tTwW":
                found[name.partition(".")[0]].add(folder)
    return {name: min(where) if len(where) == 1 else "several" for name, where in found.items()}


def stage_of(where, name, library):
    """`name`: FUNCTION'CALLER."""
    name, _, caller = name.partition("'")
    name = name.partition(".")[0]
    if "mbedcrypto" in library or caller.startswith("mbedtls_"):  # it wipes by libc's memset()
        return CRYPTO
    if "libc.so" in library or "ld-linux" in library:
        return "libc (copies)"
    return where.get(name, "others")


def count(build, rounds, where, *argv):
    """{stage: (instructions, lines)} of a whole run of bench_scale, and {function: lines}."""
    with tempfile.TemporaryDirectory(prefix="cradle-instructions.") as folder:
        out = pathlib.Path(folder) / "out"
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", "--cache-sim=yes", "--D1=32768,8,64",
             "--collect-atstart=no", "--separate-callers=1", "--toggle-collect=stack_receive", "--toggle-collect=stack_tick",
             build / "tests/bench/bench_scale", *argv, "--rounds", str(rounds)],
            text=True, capture_output=True)
        if done.returncode:
            sys.exit("bench_instructions: " + done.stderr[-2000:])
        text = subprocess.run(["callgrind_annotate", "--threshold=100", "--show=Ir,D1mr,D1mw", "--auto=no", out], text=True,
                              capture_output=True, check=True).stdout
    sums, functions = collections.defaultdict(lambda: [0, 0]), collections.Counter()
    number = r"\s*([\d,.]+)(?: \([ \d.]+%\))?"
    for line in text.splitlines():
        found = re.match(number * 3 + r"\s+\S*?:(\S.*?)(?: \[(.*)\])?$", line)
        if not found or "PROGRAM TOTALS" in line:
            continue
        instructions, reads, writes = (0 if n == "." else int(n.replace(",", "")) for n in found.groups()[:3])
        stage = stage_of(where, found[4], found[5] or "")
        sums[stage][0] += instructions
        sums[stage][1] += reads + writes
        if stage != CRYPTO:
            functions[found[4].partition("'")[0].partition(".")[0]] += reads + writes
    return sums, functions


def of_workers(build, n, where):
    """Instructions of a bootstrap of each of n workers at once."""
    less, more = (sum(instructions for instructions, _ in count(build, rounds, where, "--only", "nosec", "--workers", str(n),
                                                                "--at-once")[0].values()) for rounds in ROUNDS)
    return (more - less) / (ROUNDS[1] - ROUNDS[0]) / AT_A_TIME / n


def print_lines(lines):
    """Which functions meet the lines first. {security: {function: lines a datagram}}."""
    print(f"  {'cache lines met first by':36}{'NoSec':>10}{'PSK':>10}")
    functions = sorted({name for of in lines.values() for name in of}, key=lambda name: -lines["psk"].get(name, 0))
    for name in functions[:FUNCTIONS]:
        print(f"    {name:34}{lines['nosec'].get(name, 0):10.2f}{lines['psk'].get(name, 0):10.2f}")


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1].partition("\n")[0])
    parser.add_argument("--build-dir", required=True, type=pathlib.Path)
    parser.add_argument("--json")
    options = parser.parse_args()
    build = options.build_dir.resolve()
    where, figures, tables, lines = folders(build), {}, {}, {}
    for security, datagrams in DATAGRAMS.items():
        (less, few), (more, many) = (count(build, rounds, where, "--only", security, "--devices", str(DEVICES))
                                     for rounds in ROUNDS)
        bootstraps = (ROUNDS[1] - ROUNDS[0]) * AT_A_TIME
        table = {stage: ((more[stage][0] - less[stage][0]) / bootstraps,
                         (more[stage][1] - less[stage][1]) / bootstraps / datagrams) for stage in more}
        tables[security] = table
        lines[security] = {name: (many[name] - few[name]) / bootstraps / datagrams for name in many}
        figures[f"{security}_instructions"] = round(sum(n for stage, (n, _) in table.items() if stage != CRYPTO))
        figures[f"{security}_lines"] = round(sum(lines for stage, (_, lines) in table.items() if stage != CRYPTO), 1)
    print(f"  {'':24}{'instructions a bootstrap':>28}{'cache lines a datagram':>26}")
    print(f"  {'stage':24}{'NoSec':>14}{'PSK':>14}{'NoSec':>13}{'PSK':>13}")
    stages = {stage for table in tables.values() for stage in table}
    for stage in sorted(stages, key=lambda s: -tables["psk"].get(s, (0, 0))[0]):
        rows = [tables[security].get(stage, (0, 0)) for security in ("nosec", "psk")]
        print(f"  {stage:24}{rows[0][0]:14.0f}{rows[1][0]:14.0f}{rows[0][1]:13.1f}{rows[1][1]:13.1f}")
    print("  without crypto" + "".join(f"{figures[key]:>{width}}" for key, width in (
        ("nosec_instructions", 24), ("psk_instructions", 14), ("nosec_lines", 13), ("psk_lines", 13))))
    print_lines(lines)
    one = of_workers(build, 1, where)
    for n in WORKERS:
        figures[f"workers_{n}_instructions_over_1"] = ratio = round(of_workers(build, n, where) / one, 4)
        print(f"  {n} workers at once, NoSec: {ratio:.4f} of the instructions of one alone")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
