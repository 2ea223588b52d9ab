"""The first process of the guest: does what the tests ask for, a line of JSON a request, over a virtio console port.

{"id": 1, "do": "run", ...} is answered by {"id": 1, ...}, whenever it is done: requests run beside each other. The guest
powers itself off when nobody has asked for anything for a long time, so that none is left behind.
"""
import base64
import json
import os
import pathlib
import subprocess
import sys
import threading

PORT_NAME = "cradle-nic"
SILENCE_S = 900

processes = {}
answers = threading.Lock()


def find_port():
    for entry in pathlib.Path("/sys/class/virtio-ports").iterdir():
        if (entry / "name").read_text().strip() == PORT_NAME:
            return f"/dev/{entry.name}"
    raise SystemExit("no console port of the tests")


def run(argv, timeout, input=None):
    """A program to its end: exit code and output."""
    try:
        done = subprocess.run(argv, capture_output=True, text=True, errors="replace", timeout=timeout, input=input,
                              stdin=subprocess.DEVNULL if input is None else None)
        return {"code": done.returncode, "out": done.stdout, "err": done.stderr}
    except subprocess.TimeoutExpired as error:
        text = (error.stderr or b"").decode(errors="replace")
        return {"code": -1, "out": (error.stdout or b"").decode(errors="replace"), "err": f"{text}\nno end in {timeout} s"}
    except OSError as error:
        return {"code": 127, "out": "", "err": str(error)}


def start(argv, log):
    """A program that goes on; its output goes to a file."""
    with open(log, "ab") as file:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
    processes[process.pid] = process
    return {"pid": process.pid}


def wait(pid, timeout):
    """Exit code of one that was started; null: it still runs."""
    try:
        return {"code": processes[pid].wait(timeout)}
    except subprocess.TimeoutExpired:
        return {"code": None}


def send_signal(pid, number):
    processes[pid].send_signal(number)
    return {}


def write(path, data, mode):
    file = pathlib.Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(base64.b64decode(data))
    file.chmod(mode)
    return {}


VERBS = {"run": run, "start": start, "wait": wait, "signal": send_signal, "write": write}


def answer(port, request):
    number, verb = request.pop("id"), request.pop("do")
    try:
        reply = VERBS[verb](**request)
    except Exception as error:  # the test that asked is to see it
        reply = {"error": f"{type(error).__name__}: {error}"}
    with answers:
        port.write((json.dumps({"id": number, **reply}) + "\n").encode())


def power_off():
    pathlib.Path("/proc/sysrq-trigger").write_text("o")


def main():
    os.environ.update(PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", HOME="/root", LC_ALL="C.UTF-8")
    with open(find_port(), "r+b", buffering=0) as port:
        port.write(b'{"id": 0}\n')
        line = b""
        while True:
            silence = threading.Timer(SILENCE_S, power_off)
            silence.daemon = True
            silence.start()
            line += port.read(65536) or b""
            silence.cancel()
            *requests, line = line.split(b"\n")
            for request in requests:
                threading.Thread(target=answer, args=(port, json.loads(request)), daemon=True).start()


if __name__ == "__main__":
    try:
        main()
    except BaseException as error:  # the first process must not end: the kernel would
        print(f"agent: {error!r}", file=sys.stderr, flush=True)
        power_off()
        threading.Event().wait()
