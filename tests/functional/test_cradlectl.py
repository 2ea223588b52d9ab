"""cradlectl against a control socket that this test plays: files, progress, time-outs, and answers that never come."""
import contextlib
import json
import os
import pty
import socket
import struct
import subprocess
import threading

import pytest


def frame(value):
    data = json.dumps(value).encode()
    return struct.pack(">I", len(data)) + data


class Server:
    """Answers each request with what `answer(request, descriptor)` gives: a list of frames, or None to close."""

    def __init__(self, path, answer):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen(5)
        self.answer, self.requests = answer, []
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                sock, _ = self.listener.accept()
                with sock:
                    self.serve(sock)

    def serve(self, sock):
        data, descriptor = b"", None
        while True:
            more, fds, _, _ = socket.recv_fds(sock, 65536, 4)
            if fds:
                descriptor = fds[0]
            if not more:
                return
            data += more
            if len(data) < 4 or len(data) < 4 + struct.unpack(">I", data[:4])[0]:
                continue
            request, data = json.loads(data[4:]), b""
            self.requests.append(request)
            frames = self.answer(request, descriptor)
            if descriptor is not None:
                os.close(descriptor)
                descriptor = None
            if frames is None:
                return
            for value in frames:
                sock.sendall(value if isinstance(value, bytes) else frame(value))

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(10)


@pytest.fixture
def ctl(build, tmp_path):
    """ctl(answer, *words): the program's run, and the requests it sent."""
    servers = []

    def run(answer, *words, **options):
        path = tmp_path / f"sock{len(servers)}"
        servers.append(Server(path, answer))
        options.setdefault("stdin", subprocess.DEVNULL if "input" not in options else None)
        if options["stdin"] is None:
            del options["stdin"]
        options.setdefault("cwd", tmp_path)
        done = subprocess.run([os.path.abspath(f"{build}/tools/cradlectl"), "-s", path, *words], capture_output="stderr" not in options,
                              timeout=60, **options)
        done.requests = servers[-1].requests
        return done

    yield run
    for server in servers:
        server.close()


def reader(want):
    """A server whose command reads word 1 and answers with what it read."""
    def answer(request, descriptor):
        if descriptor is None:
            assert not request["fd"]
            return [dict(v=1, want=want, word=1)]
        assert request["fd"]
        return [dict(v=1, exit=0, text=os.pread(descriptor, 1 << 20, 0).decode())]
    return answer


def writer(exit_code, word=1):
    def answer(request, descriptor):
        if descriptor is None:
            return [dict(v=1, want="write", word=word)]
        os.write(descriptor, b"new\n")
        return [dict(v=1, exit=exit_code, text="3 devices")]
    return answer


def test_a_file_is_opened_here_and_passed(ctl, tmp_path):
    (tmp_path / "in.csv").write_text("content")
    done = ctl(reader("read"), "import", "in.csv")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"content\n", b"")
    assert [r["argv"] for r in done.requests] == [["import", "in.csv"]] * 2


def test_standard_input_and_pipes_are_spooled(ctl, tmp_path):
    big = b"x" * 300000
    assert ctl(reader("read"), "import", "-", input=big).stdout == big + b"\n"
    os.mkfifo(tmp_path / "pipe")
    thread = threading.Thread(target=lambda: (tmp_path / "pipe").write_bytes(b"through"))
    thread.start()
    assert ctl(reader("read"), "import", "pipe").stdout == b"through\n"
    thread.join()


def test_a_file_that_is_not_there_is_told_and_not_asked_for_again(ctl):
    done = ctl(reader("read"), "import", "none.csv")
    assert done.returncode == 1 and b"none.csv: No such file" in done.stderr
    assert len(done.requests) == 1
    done = ctl(reader("read"), "--json", "import", "none.csv")
    assert done.returncode == 1 and "none.csv" in json.loads(done.stdout)["error"]


def test_only_what_the_command_line_names_is_opened(ctl, tmp_path):
    for word in (2, 1000):
        done = ctl(lambda request, fd: [dict(v=1, want="read", word=word)], "import", "in.csv")
        assert done.returncode == 1 and len(done.requests) == 1


def test_a_written_file_replaces_the_old_one_only_when_done(ctl, tmp_path):
    out = tmp_path / "out.csv"
    out.write_text("old\n")
    done = ctl(writer(1), "export", "out.csv")
    assert done.returncode == 1 and out.read_text() == "old\n"
    done = ctl(writer(0), "export", "out.csv")
    assert (done.returncode, done.stdout) == (0, b"3 devices\n") and out.read_text() == "new\n"
    assert out.stat().st_mode & 0o777 == 0o600
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith("out")) == ["out.csv"]
    done = ctl(writer(0), "export", "nowhere/out.csv")
    assert done.returncode == 1 and b"nowhere/out.csv" in done.stderr


def test_standard_output_carries_the_file_alone(ctl):
    done = ctl(writer(0), "export", "-")
    assert (done.stdout, done.stderr) == (b"new\n", b"3 devices\n")
    done = ctl(writer(0, -1), "export")
    assert (done.stdout, done.stderr) == (b"new\n", b"3 devices\n")
    done = ctl(writer(0), "--json", "export", "-")
    assert done.stdout == b"new\n" and json.loads(done.stderr)["schema"] == 1
    done = ctl(writer(1), "export", "-")
    assert (done.returncode, done.stdout) == (1, b"")


def with_progress(request, descriptor):
    return [dict(v=1, progress=f"reading devices: {i} %") for i in (10, 50)] + [dict(v=1, exit=0, text="done")]


def test_progress_is_for_terminals_or_who_asks(ctl):
    assert ctl(with_progress, "import").stderr == b""
    assert ctl(with_progress, "--progress", "import").stderr == b"reading devices: 10 %\nreading devices: 50 %\n"
    assert ctl(with_progress, "import", "--progress").stderr == b"reading devices: 10 %\nreading devices: 50 %\n"
    ours, theirs = pty.openpty()
    done = ctl(with_progress, "import", stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    shown = os.read(ours, 65536)
    os.close(ours)
    assert done.stdout == b"done\n"
    assert shown == b"\r\x1b[Kreading devices: 10 %\r\x1b[Kreading devices: 50 %\r\x1b[K"


def test_errors_are_json_where_json_is_wanted(ctl):
    def refuse(request, descriptor):
        return [dict(v=1, exit=1, text=None, error="no such device", result=None)]
    done = ctl(refuse, "device", "show", "x", "--json")
    assert done.returncode == 1 and json.loads(done.stdout) == {"schema": 1, "exit": 1, "error": "no such device"}
    assert done.requests[0]["argv"] == ["device", "show", "x"] and done.requests[0]["json"]
    assert ctl(refuse, "device", "show", "--", "--json").requests[0]["argv"][-1] == "--json"


@pytest.mark.parametrize("answer, words", [
    (lambda request, fd: None, "without an answer"),
    (lambda request, fd: [b"\xff\xff\xff\xff"], "without an answer"),
    (lambda request, fd: [b"\0\0\0\2[]"], "without an answer"),
])
def test_no_answer_is_told(ctl, answer, words):
    done = ctl(answer, "status")
    assert done.returncode == 1 and words.encode() in done.stderr


def test_a_time_out_is_told(ctl):
    done = ctl(lambda request, fd: [], "--timeout", "1", "status")
    assert done.returncode == 1 and b"no answer within 1 s" in done.stderr


def test_an_interrupted_export_leaves_nothing_behind(build, tmp_path):
    wrote = threading.Event()

    def answer(request, descriptor):
        if descriptor is None:
            return [dict(v=1, want="write", word=1)]
        wrote.set()
        return []
    server = Server(tmp_path / "sock", answer)
    process = subprocess.Popen([os.path.abspath(f"{build}/tools/cradlectl"), "-s", tmp_path / "sock", "export", "out.csv"], cwd=tmp_path)
    assert wrote.wait(30)
    process.terminate()
    assert process.wait(30) == -15
    server.close()
    assert [p.name for p in tmp_path.iterdir()] == ["sock"]


def test_wrong_usage_and_nobody_there(build, tmp_path):
    def run(*words):
        return subprocess.run([os.path.abspath(f"{build}/tools/cradlectl"), "-s", tmp_path / "none", *words], capture_output=True)
    assert run("--nonsense").returncode == 2
    assert run().returncode == 2
    assert run("--timeout", "soon", "status").returncode == 2
    absent = run("status")
    assert absent.returncode == 3 and b"Is cradled running?" in absent.stderr and absent.stdout == b""
    absent = run("--json", "status")
    assert absent.returncode == 3 and json.loads(absent.stdout)["exit"] == 3 and absent.stderr == b""


@pytest.mark.parametrize("argv", [["import", "--verify-only"], ["import"]], ids=["verified", "imported"])
def test_the_line_break_of_a_summary_is_one(daemon, tmp_path, argv):
    table = tmp_path / "none.csv"
    table.write_text("endpoint,key\n")
    done = daemon.ctl("device", *argv, table)
    assert done.returncode == 0 and "\\x0a" not in done.stdout and done.stdout.endswith("\n"), done.stdout


def test_a_request_that_is_too_long_is_told_before_it_is_sent(daemon):
    """Linux takes 128 kB an argument: nine of them."""
    done = daemon.ctl("task", "edit", "g:root.demo:1", *["--comment", "x" * 131000] * 9)
    assert done.returncode == 2 and "a request may have" in done.stderr
