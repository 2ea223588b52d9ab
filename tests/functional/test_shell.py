"""`cradlectl shell` as people use it: through a terminal, and lines from a pipe."""
import fcntl
import json
import os
import pty
import re
import select
import signal
import socket
import stat
import struct
import subprocess
import termios
import threading
import time

import pytest

PROMPT = "cradle> "
ESCAPES = re.compile(r"\x1b(\[[0-9;?]*[A-Za-z]|[=>()][B0]?)")
CTRL_C, CTRL_D, TAB, UP = "\x03", "\x04", "\t", "\x1b[A"


class Screen:
    """What a terminal of some columns shows of lines; only what libedit writes is understood."""

    def __init__(self, width):
        self.width, self.rows, self.row, self.column = width, [""], 0, 0

    def put(self, text):
        at = 0
        while at < len(text):
            escape = re.compile(r"\x1b\[(\d*)([A-Za-z])").match(text, at)
            if escape:
                self.move(int(escape[1] or 1), escape[2], bool(escape[1]))
                at = escape.end()
                continue
            self.character(text[at])
            at += 1

    def move(self, count, letter, given):
        if letter == "C":
            self.column += count
        elif letter == "D":
            self.column -= count
        elif letter == "G":
            self.column = count - 1
        elif letter == "A":
            self.row -= count
        elif letter == "K" and not given:
            self.rows[self.row] = self.rows[self.row][:self.column]
        elif letter == "J":
            self.rows[self.row] = self.rows[self.row][:self.column]
            del self.rows[self.row + 1:]
        elif letter == "P":
            row = self.rows[self.row]
            self.rows[self.row] = row[:self.column] + row[self.column + count:]

    def character(self, c):
        if c == "\r":
            self.column = 0
        elif c == "\b":
            self.column -= 1
        elif c == "\n":
            self.row += 1
        elif c >= " ":
            if self.column == self.width:
                self.row, self.column = self.row + 1, 0
            self.fill()
            row = self.rows[self.row].ljust(self.column)
            self.rows[self.row] = row[:self.column] + c + row[self.column + 1:]
            self.column += 1
        self.fill()

    def fill(self):
        while len(self.rows) <= self.row:
            self.rows.append("")


class Terminal:
    """A shell in a terminal."""

    def __init__(self, build, socket_path, home, *options, width=80):
        self.primary, secondary = pty.openpty()
        fcntl.ioctl(secondary, termios.TIOCSWINSZ, struct.pack("HHHH", 25, width, 0, 0))
        self.secondary, self.before, self.text = secondary, termios.tcgetattr(secondary), ""
        self.width = width
        env = dict(os.environ, TERM="xterm", XDG_STATE_HOME=str(home), HOME=str(home), NO_COLOR="1", LC_ALL="C")

        def own_terminal():
            os.setsid()
            fcntl.ioctl(secondary, termios.TIOCSCTTY, 0)
        self.process = subprocess.Popen([f"{build}/tools/cradlectl", "-s", socket_path, *options, "shell"], stdin=secondary,
                                        stdout=secondary, stderr=secondary, env=env, preexec_fn=own_terminal)

    def type(self, keys):
        os.write(self.primary, keys.encode())

    def wait(self, wanted, timeout=20):
        """What came up to something awaited, and that; what follows stays."""
        end = time.monotonic() + timeout
        while (found := wanted(self.text) if callable(wanted) else self.text.find(wanted) + 1) <= 0:
            assert select.select([self.primary], [], [], max(0, end - time.monotonic()))[0], self.text
            try:
                more = os.read(self.primary, 65536)
            except OSError:
                more = b""
            assert more, self.text
            self.text += more.decode(errors="replace")
        size = found if callable(wanted) else found - 1 + len(wanted)
        taken, self.text = self.text[:size], self.text[size:]
        return taken

    def run(self, line):
        """Runs a line at a prompt that was awaited; its output, once the next prompt is there."""
        self.type(line + "\r")
        self.wait("\n")
        return self.wait(PROMPT)[:-len(PROMPT)].replace("\r\n", "\n")

    def line_shows(self, line):
        """Waits until the line after the prompt is this one."""
        def shown(text):
            screen = Screen(self.width)
            screen.put(PROMPT + text)
            return len(text) if screen.rows[screen.row].rstrip() == (PROMPT + line).rstrip() and text else 0
        return self.wait(shown)

    def end(self, keys=CTRL_D):
        self.type(keys)
        code = self.process.wait(20)
        assert termios.tcgetattr(self.secondary) == self.before  # the terminal is as it was
        self.close()
        return code

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for fd in (self.primary, self.secondary):
            if fd >= 0:
                os.close(fd)
        self.primary = self.secondary = -1


@pytest.fixture(scope="module")
def appliance(stage):
    daemon = stage.start()
    assert daemon.ctl("device", "add", "with blank", "--groups", "root.demo", "--domain", "x").returncode == 0
    yield daemon
    stage.clear()


@pytest.fixture
def opened(build, tmp_path):
    shells = []

    def start(socket_path, *options, home=tmp_path, width=80):
        shells.append(Terminal(build, socket_path, home, *options, width=width))
        shells[-1].wait(PROMPT)
        return shells[-1]
    yield start
    for one in shells:
        one.close()


def history(home):
    return (home / "cradle" / "history").read_text().splitlines()


# --- lines that are wrong ---

def test_a_wrong_line_is_said_and_the_shell_stays(appliance, opened):
    shell = opened(appliance.socket)
    assert "closes what the last one opened" in shell.run("device show 'x")
    assert "statu" in shell.run("statu")
    assert "this is the shell" in shell.run("shell")
    assert "usage: exit" in shell.run("exit now")
    assert "running" in shell.run("status")
    assert shell.end() == 0


def test_the_appliance_is_away(opened, tmp_path):
    shell = opened(str(tmp_path / "nobody"))
    assert "nobody answers on" in shell.run("status")
    shell.type("undr" + TAB)
    shell.line_shows("undr")
    shell.type(CTRL_C)
    shell.wait(PROMPT)
    assert "nobody answers on" in shell.run("device add x --key secret-one")
    assert shell.end() == 3
    assert history(tmp_path) == []  # nobody says what is secret


# --- keys ---

def test_tab_completes_commands_endpoints_and_groups(appliance, opened):
    shell = opened(appliance.socket)
    for typed, line in (("undr", "undrain"), ("ex", "exit"), ("to", "top"), ("device sh", "device show"),
                        ("device show demo-0", "device show demo-000"), ("device show wi", "device show with\\ blank"),
                        ("device show 'with b", "device show with\\ blank"), ("group show root.de", "group show root.demo"),
                        ("device add x --groups root.demo,root.de", "device add x --groups root.demo,root.demo"),
                        ("task show g:root.demo", "task show g:root.demo:1"), ("-s x group show root.de", "-s x group show root.demo"),
                        ("task list --gr", "task list --group")):
        shell.type(typed + TAB)
        shell.line_shows(line)
        shell.type(CTRL_C)
        shell.wait(PROMPT)
    shell.type("device show demo-000" + TAB)
    assert re.search(r"\ndemo-0001  demo-0002", shell.wait(PROMPT).replace("\r", ""))
    shell.line_shows("device show demo-000")
    shell.type("1\r")
    assert "root.demo" in shell.wait(PROMPT)
    assert shell.end() == 0


def test_ctrl_c_gives_a_new_prompt_and_ctrl_d_ends(appliance, opened):
    shell = opened(appliance.socket)
    for _ in range(3):
        shell.type("device show x" + CTRL_C)
        shell.wait("^C")
        shell.wait(PROMPT)
    shell.type(CTRL_C)
    shell.wait(PROMPT)
    assert "running" in shell.run("status")
    assert shell.end("exit\r") == 0


def test_a_signal_ends_it_and_gives_the_terminal_back(appliance, opened):
    shell = opened(appliance.socket)
    shell.process.send_signal(signal.SIGTERM)
    assert shell.end("") == 128 + signal.SIGTERM


def test_the_exit_code_is_the_last_commands(appliance, opened):
    shell = opened(appliance.socket)
    assert "no-such" in shell.run("device show no-such")
    assert shell.end() == 1


def test_ctrl_c_while_a_command_runs_ends_only_that(opened, tmp_path):
    """An appliance that says it works on job 7, and never ends."""
    path, server = str(tmp_path / "control"), socket.socket(socket.AF_UNIX)
    server.bind(path)
    server.listen()
    asked, connections = threading.Event(), []

    def read(connection, size):
        data = b""
        while len(data) < size and (more := connection.recv(size - len(data))):
            data += more
        return data

    def serve():
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            words = json.loads(read(connection, struct.unpack(">I", read(connection, 4))[0]))["argv"]
            frame = dict(v=1, progress="at work", job=7)
            if words != ["reload"]:
                frame = dict(v=1, exit=0, text="", result=dict(commands=[]))
            body = json.dumps(frame).encode()
            connection.sendall(struct.pack(">I", len(body)) + body)
            connections.append(connection)
            if words == ["reload"]:
                asked.set()
    threading.Thread(target=serve, daemon=True).start()
    shell = opened(path)
    for _ in range(2):
        asked.clear()
        shell.type("reload\r")
        assert asked.wait(30)
        shell.wait("at work")
        shell.type(CTRL_C)
        assert "goes on as job 7" in shell.wait(PROMPT)
    assert shell.end() == 128 + signal.SIGINT
    server.close()
    for connection in connections:
        connection.close()


def test_a_watch_is_ended_by_ctrl_c(appliance, opened):
    shell = opened(appliance.socket)
    shell.type("watch status\r")
    shell.wait("running")
    shell.type(CTRL_C)
    shell.wait(PROMPT)
    assert shell.end() == 0


# --- history ---

def test_history_lasts_over_two_runs_and_holds_no_secret(appliance, opened, tmp_path):
    shell = opened(appliance.socket)
    shell.run("device list --match 'demo-*'")
    shell.run("device add kept --key-hex 00112233445566778899aabbccddeeff --groups root.demo --domain x")
    shell.run("device edit kept --key-hex=ffeeddccbbaa99887766554433221100")
    shell.run("group value set root.demo some.name very-secret")
    shell.run("# a remark")
    shell.run("group list")
    assert shell.end() == 0
    assert history(tmp_path) == ["device list --match 'demo-*'", "group list"]
    assert stat.S_IMODE((tmp_path / "cradle" / "history").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "cradle").stat().st_mode) == 0o700

    shell = opened(appliance.socket)
    shell.type(UP)
    shell.line_shows("group list")
    shell.type(UP)
    shell.line_shows("device list --match 'demo-*'")
    shell.type("\r")
    assert "demo-0001" in shell.wait(PROMPT)
    assert shell.end() == 0


def test_a_history_that_cannot_be_written_is_said_and_the_shell_works(appliance, build, tmp_path):
    (tmp_path / "cradle").write_text("no folder")
    shell = Terminal(build, appliance.socket, tmp_path)
    assert "kept for this time only" in shell.wait(PROMPT)
    assert "running" in shell.run("status")
    shell.type(UP)
    shell.line_shows("status")
    shell.type(CTRL_C)
    shell.wait(PROMPT)
    assert shell.end() == 0


# --- 80 columns ---

@pytest.mark.parametrize("width", [80, 100])
def test_what_the_shell_shows_fits_the_terminal(appliance, opened, width):
    shell = opened(appliance.socket, width=width)
    shell.type(TAB)
    listed = shell.wait(PROMPT).replace("\r", "").split("\n")
    assert len(listed) > 2 and all(len(ESCAPES.sub("", line)) < width for line in listed)
    assert all(len(line) <= width for line in shell.run("device list").split("\n"))
    # A line that is longer than the terminal is edited and run all the same.
    assert "device show" in shell.run("help" + " " * width + "device show")
    assert shell.end() == 0


def test_names_that_are_not_ascii_are_typed(appliance, opened):
    shell = opened(appliance.socket)
    assert "中文é" in shell.run("device show 中文é")
    assert shell.end() == 1


# --- no terminal ---

def lines_of(daemon, text, *options, **arguments):
    return subprocess.run([f"{daemon.build}/tools/cradlectl", "-s", daemon.socket, *options, "shell"], input=text, text=True,
                          capture_output=True, timeout=60, **arguments)


def test_lines_of_a_pipe_are_run_and_the_last_ones_exit_code_counts(appliance):
    done = lines_of(appliance, "status\n\n# a remark\ngroup show nowhere\n")
    assert done.returncode == 1 and "running" in done.stdout and "nowhere" in done.stderr
    assert PROMPT not in done.stdout and "\x1b" not in done.stdout
    done = lines_of(appliance, "group show nowhere\ndevice show 'with blank'")  # no end of line
    assert done.returncode == 0 and "with blank" in done.stdout
    assert lines_of(appliance, "device show 'with blank\n").returncode == 2
    assert lines_of(appliance, "").returncode == 0
    assert lines_of(appliance, "group show nowhere\nexit\nstatus\n").stdout == ""
    assert lines_of(appliance, "a" * (1 << 20) + "\nstatus\n").returncode == 0


def test_options_before_shell_hold_for_every_line(appliance, tmp_path):
    done = lines_of(appliance, "group list\ngroup show nowhere\n", "--json")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer.get("exit", 0) for answer in answers] == [0, 1]
    assert lines_of(appliance, f"-s {tmp_path}/nobody status\nstatus\n").returncode == 0
    assert appliance.ctl("shell", "now").returncode == 2


def test_lines_of_a_file_are_read_once_though_commands_end(appliance, tmp_path):
    file = tmp_path / "lines"
    file.write_text("group list\ndevice import - --format csv --verify-only\nendpoint,groups,domain\nfrom-file,root.demo,x\n")
    with file.open() as lines:
        done = subprocess.run([f"{appliance.build}/tools/cradlectl", "-s", appliance.socket, "shell"], stdin=lines, text=True,
                              capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("root.demo") == 1, done.stdout
