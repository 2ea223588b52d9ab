#!/usr/bin/python3
"""What the console costs: cradle-web in front of an appliance with many devices.

usage: bench_web.py --build-dir DIR [--quick] [--json FILE]
  --quick   100,000 devices instead of 1,000,000

web_status_p99_ms: 99 of 100 times a status arrives within this, while every page is asked for in turn.
web_control_p99_ms: the same of the control thread's time for one of those requests, as the appliance logs it.
web_turn_max_ms: how long all that kept the control thread at most, of its own time; web_turn_unbroken_max_ms: by the clock, of
turns during which the thread kept its processor (`turns`): what was longer is another program's turn on this machine, or one of
web_turns_waited, which waited for a disk or a lock.
web_idle_percent: processor time of cradle-web while 14 pages are open and nothing happens; web_idle_control_percent: what those
pages cost the control thread, beyond what it takes without them; web_overview_percent: both for an overview that is open.
"""
import argparse
import concurrent.futures
import contextlib
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
# What the pages ask for, and the longest forms of it.
PATHS = ("/devices", "/devices?group=root.demo&limit=1000", "/devices?match=none-*", "/devices?state=bootstrapping", "/tasks", "/groups",
         "/groups/root.demo", "/overview", "/devices/mass-0000005", "/devices/mass-0000005/why", "/devices/mass-0000005/profile",
         "/devices/mass-0000005/preview", "/task-words", "/servers", "/sessions", "/reports?since=1d", "/tasks/g:root.demo:1/reports",
         "/unknown", "/rejected", "/audit", "/changes", "/turns", "/phases", "/counters")
ROUNDS, IDLE_S, LINGER_S = 25, 5, 4
GROUPS, LISTS = 500, 5000  # devices are in one of so many lists of groups


def p99(values):
    return sorted(values)[len(values) * 99 // 100]


def follow(port, token, channel):
    """An open page: it reads what comes, and here nobody looks at it."""
    page = socket.create_connection(("127.0.0.1", port))
    page.sendall(f"GET /api/v1/events/{channel} HTTP/1.0\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    if b" 200 " not in page.recv(4096):
        sys.exit(f"bench_web: {channel} cannot be followed")
    return page


def percent(pid, seconds):
    """Of a processor, by a program's first thread: cradle-web's loop, the appliance's control thread."""
    def spent():
        return int(pathlib.Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[0])
    before, begun = spent(), time.monotonic_ns()
    time.sleep(seconds)
    return (spent() - before) / (time.monotonic_ns() - begun) * 100


def idle_figures(control, web, port, token):
    """What open pages cost while nothing happens."""
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        def both():
            return list(pool.map(lambda pid: percent(pid, IDLE_S), (control, web)))
        without = both()
        pages = [follow(port, token, channel) for channel in ("sessions", "reports") * 7]
        time.sleep(1)  # the pages are there
        idle = both()
        for page in pages:
            page.close()
        time.sleep(LINGER_S)
        page = follow(port, token, "overview")
        overview = both()
        page.close()
    return {"web_idle_percent": idle[1], "web_idle_control_percent": max(0, idle[0] - without[0]),
            "web_overview_percent": max(0, overview[0] - without[0]) + max(0, overview[1] - without[1])}


@contextlib.contextmanager
def running(argv, log):
    with open(log, "wb") as out:
        process = subprocess.Popen(argv, stdout=out, stderr=out)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def until(condition, what):
    deadline = time.monotonic() + 60
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"bench_web: waited too long for {what}")
        time.sleep(0.05)


def settings(folder, port):
    shutil.copytree(ROOT / "conf", folder, dirs_exist_ok=True)
    text = (folder / "cradle.conf").read_text()
    for pattern, replacement in ((r"/run/cradle/cradle\.sock", str(folder / "cradle.sock")), (r'(?m)^hugepages = .*', 'hugepages = "no";'),
                                 (r"/var/lib/cradle/cradle\.db", str(folder / "cradle.db")), (r"(?m)^idle_yield = false", "idle_yield = true"),
                                 (r'(?m)^file_prefix = .*', f'file_prefix = "bench-web-{os.getpid()}";'), (r'net_af_packet0,iface=\w+', "net_null0")):
        text, n = re.subn(pattern, replacement, text)
        if not n:
            sys.exit(f"bench_web: the sample has no {pattern}")
    (folder / "cradle.conf").write_text(text)
    groups = "".join(f', {{ name = "root.g{i}"; tasks = ( {{ name = "t{i}"; file = "t.xml"; }} ); }}' for i in range(GROUPS))
    policy = folder / "policy/groups.conf"
    text, n = re.subn(r"\)\s*;\s*\Z", groups + ");\n", policy.read_text())
    if not n:
        sys.exit("bench_web: the sample's groups end in another way")
    policy.write_text(text)
    (folder / "policy/tasks/t.xml").write_text("<config><log message='seen'/></config>\n")
    (folder / "web.conf").write_text(f'listen = "127.0.0.1:{port}";\nappliance = {{ socket = "{folder}/cradle.sock"; }};\n'
                                     f'console = {{ folder = "{ROOT}/tools/web/console"; users = "{folder}/users"; }};\n')


def measure(folder, build, n):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings(folder, port)
    ctl = [f"{build}/tools/cradlectl", "-s", folder / "cradle.sock"]
    web = [f"{build}/tools/web/cradle-web", "-c", folder / "web.conf"]
    rows = folder / "mass.csv"
    lists = [f'"root.demo,root.g{i % GROUPS},root.g{(i * 7 + i // GROUPS) % GROUPS}"' for i in range(LISTS)]
    rows.write_text("endpoint,key,groups\n" + "".join(f"mass-{i:07},key-{i:07},{lists[i % LISTS]}\n" for i in range(n)))
    token = subprocess.run([*web, "user", "token", "bench", "--role", "security"], check=True, capture_output=True, text=True).stdout.strip()
    url = f"http://127.0.0.1:{port}/api/v1"

    def get(path):
        begun = time.perf_counter()
        urllib.request.urlopen(urllib.request.Request(url + path, headers={"Authorization": f"Bearer {token}"})).read()
        return (time.perf_counter() - begun) * 1e3

    with running([f"{build}/control/cradled", "-c", folder / "cradle.conf"], folder / "log") as daemon:
        until(lambda: subprocess.run([*ctl, "status"], capture_output=True).returncode == 0, "the appliance")
        subprocess.run([*ctl, "device", "import", rows], check=True, capture_output=True)
        subprocess.run([*ctl, "log", "level", "debug"], check=True, capture_output=True)
        with running(web, folder / "web.log") as process:
            until(lambda: not socket.socket().connect_ex(("127.0.0.1", port)), "cradle-web")
            status = []
            subprocess.run([*ctl, "turns", "--reset"], check=True, capture_output=True)
            for _ in range(ROUNDS):
                for path in PATHS:
                    get(path)
                    status.append(get("/status"))
            done = subprocess.run([*ctl, "--json", "turns"], check=True, capture_output=True, text=True)
            causes = json.loads(done.stdout)["causes"]
            idle = idle_figures(daemon.pid, process.pid, port, token)
    turns = [int(us) / 1e3 for us in re.findall(r"command .* took (\d+) us", (folder / "log").read_text(errors="replace"))]
    worst, unbroken = (max(causes, key=lambda cause: cause[key]) for key in ("longest_cpu_us", "longest_unbroken_us"))
    print(f"  the longest of its own was \"{worst['cause']}\", the longest unbroken one \"{unbroken['cause']}\"", file=sys.stderr)
    waited = {cause["cause"]: (cause["waited"], cause["longest_waited_us"] / 1e3) for cause in causes if cause["waited"]}
    print(f"  turns that waited, and the longest in ms: {waited}", file=sys.stderr)
    return {"web_status_p99_ms": p99(status), "web_control_p99_ms": p99(turns), **idle,
            "web_turn_max_ms": worst["longest_cpu_us"] / 1e3,
            "web_turn_unbroken_max_ms": unbroken["longest_unbroken_us"] / 1e3,
            "web_turns_waited": sum(cause["waited"] for cause in causes)}


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--build-dir", required=True)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="cradle-bench-web-") as folder:
        figures = measure(pathlib.Path(folder), options.build_dir, 100_000 if options.quick else 1_000_000)
    for key, value in figures.items():
        print(f"  {key:24} {value:.3g}")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(figures))


if __name__ == "__main__":
    main()
