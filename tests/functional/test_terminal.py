"""What people see: tables in terminals of 80, 100 and 200 columns, with names of every kind."""
import fcntl
import json
import os
import pty
import re
import socket
import struct
import subprocess
import termios
import unicodedata

import pytest

WIDE, MARKED, RIGHT_TO_LEFT = "中文设备名字", "café-urn", "מכשיר-אחד"
NAMES = [WIDE, MARKED, RIGHT_TO_LEFT, "urn:imei:" + "0123456789" * 8]


SGR = re.compile(r"\x1b\[[0-9;]*m")  # colours


def columns(line):
    """Columns of a terminal: wide characters take two, marks that combine none."""
    line = SGR.sub("", line)
    return sum(0 if unicodedata.combining(c) or unicodedata.category(c) == "Cf" else
               2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


def in_terminal(width, *argv):
    """Runs a program in a terminal of this width; its lines."""
    primary, secondary = pty.openpty()
    fcntl.ioctl(secondary, termios.TIOCSWINSZ, struct.pack("HHHH", 25, width, 0, 0))
    process = subprocess.Popen(list(map(str, argv)), stdin=secondary, stdout=secondary, stderr=secondary, close_fds=True)
    os.close(secondary)
    data = b""
    try:
        while True:
            more = os.read(primary, 65536)
            if not more:
                break
            data += more
    except OSError:
        pass  # the end of a terminal is EIO
    os.close(primary)
    assert process.wait(30) == 0, data
    return data.decode().replace("\r\n", "\n").splitlines()


@pytest.fixture(scope="module")
def populated(stage):
    daemon = stage.start()
    for name in NAMES:
        done = daemon.ctl("device", "add", name, "--groups", "root.demo", "--domain", "x")
        assert done.returncode == 0, done.stderr
    yield daemon
    stage.clear()


COMMANDS = [["status"], ["stats", "--all"], ["device", "list"], ["device", "show", NAMES[0]], ["device", "profile", "demo-0001"],
            ["report", "list"], ["task", "list"], ["server", "list"], ["group", "list"], ["session", "list"], ["phases"],
            ["unknown", "list"], ["why", "demo-0001"], ["why", NAMES[0]], ["why", NAMES[3]]]


@pytest.mark.parametrize("width", [80, 100, 200])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_tables_fit_the_terminal(populated, build, width, command):
    lines = in_terminal(width, f"{build}/tools/cradlectl", "-s", populated.socket, *command)
    assert lines
    # Sentences may be longer and wrap; rows of tables never do, nor anything of `why`.
    rows = [line for line in lines if "  " in line.strip() or command[0] == "why"]
    assert all(columns(line) <= width for line in rows), [line for line in rows if columns(line) > width]


@pytest.mark.parametrize("width", [80, 100, 200])
def test_colour_on_a_terminal_takes_no_columns(populated, build, width):
    ctl = [f"{build}/tools/cradlectl", "-s", populated.socket]
    for command in (["device", "list"], ["task", "preview", "demo-0001"], ["device", "show", NAMES[0]]):
        plain = in_terminal(width, "env", "NO_COLOR=1", *ctl, *command)
        lines = in_terminal(width, "env", "-u", "NO_COLOR", "TERM=xterm", *ctl, *command)
        assert any(SGR.search(line) for line in lines), lines
        assert not any("\x1b" in line for line in plain)
        assert [SGR.sub("", line) for line in lines] == plain
    for off in (["env", "TERM=dumb", *ctl], ["env", "TERM=xterm", *ctl, "--colour=never"]):
        assert not any("\x1b" in line for line in in_terminal(width, *off, "device", "list"))


def test_colour_elsewhere_only_when_asked_for(populated):
    assert "\x1b" not in populated.ctl("device", "list").stdout
    assert SGR.search(populated.ctl("device", "list", "--colour", "always").stdout)
    assert SGR.search(populated.ctl("--color=always", "device", "list").stdout)
    assert "\x1b" not in populated.ctl("--json", "--colour=always", "device", "list").stdout
    for words in (["--colour=blue", "status"], ["status", "--colour", "blue"]):
        refused = populated.ctl(*words)
        assert refused.returncode == 2 and "auto, always or never" in refused.stderr


def test_columns_stand_below_each_other(populated, build):
    lines = in_terminal(100, f"{build}/tools/cradlectl", "-s", populated.socket, "device", "list", "--columns", "endpoint,state")
    places = {columns(line[:line.index("nothing to send")]) for line in lines if "nothing to send" in line}
    assert len(places) == 1
    assert any(WIDE in line for line in lines) and any(RIGHT_TO_LEFT in line for line in lines)


def test_a_pipe_gets_everything_and_wide_does_in_a_terminal(populated, build):
    whole = populated.ctl("device", "list").stdout
    assert NAMES[3] in whole and "more column" not in whole
    assert in_terminal(80, f"{build}/tools/cradlectl", "-s", populated.socket, "--colour=never",
                       "device", "list", "--wide") == whole.splitlines()
    narrow = in_terminal(80, f"{build}/tools/cradlectl", "-s", populated.socket, "device", "list")
    assert any("…" in line for line in narrow)


def test_rows_are_sorted_and_columns_named(populated):
    done = populated.ctl("device", "list", "--sort=-endpoint", "--columns", "endpoint")
    rows = done.stdout.splitlines()[1:]
    assert rows == sorted(rows, key=str.encode, reverse=True)
    assert "columns of this table: endpoint" in populated.ctl("device", "list", "--columns", "x").stdout


def top_in_terminal(build, daemon, width, height, keys):
    """Runs top in a terminal, presses keys once a picture is there; all that it wrote, and its exit code."""
    primary, secondary = pty.openpty()
    fcntl.ioctl(secondary, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
    before = termios.tcgetattr(secondary)
    process = subprocess.Popen([f"{build}/tools/cradlectl", "-s", daemon.socket, "top"], stdin=secondary, stdout=secondary,
                               stderr=secondary)
    data = b""
    while b"capacity" not in data or b"\x1b[J" not in data:
        data += os.read(primary, 65536)
    os.write(primary, keys)
    code = process.wait(30)
    after = termios.tcgetattr(secondary)
    os.close(secondary)
    try:
        while more := os.read(primary, 65536):
            data += more
    except OSError:
        pass
    os.close(primary)
    assert after == before  # the terminal is as it was
    return data.decode(), code


@pytest.mark.parametrize("width", [80, 100, 200])
def test_top_fits_the_terminal_and_gives_it_back(populated, build, width):
    data, code = top_in_terminal(build, populated, width, 12, b"q")
    assert code == 0 and data.startswith("\x1b[?1049h") and data.endswith("\x1b[?1049l")
    picture = data.split("\x1b[H", 1)[1].split("\x1b[J")[0].replace("\x1b[K", "").replace("\r", "")
    lines = picture.split("\n")
    assert len(lines) <= 12 and all(columns(line) <= width for line in lines)
    assert "bootstraps a second" in picture


def test_top_without_a_terminal_follows_itself(populated):
    done = populated.ctl("top", "--interval", "1", "--count", "2")
    assert done.returncode == 0 and done.stdout.count("bootstraps a second") == 2 and "\x1b" not in done.stdout
    for words in (["top", "--interval", "0"], ["top", "x"], ["top", "--count"], ["--json", "top"]):
        assert populated.ctl(*words).returncode == 2


def test_top_says_when_the_appliance_goes(stage):
    daemon = stage.start()
    top = subprocess.Popen([f"{daemon.build}/tools/cradlectl", "-s", daemon.socket, "top", "--interval", "1"], text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert "running" in top.stdout.readline()
    daemon.stop()
    _, error = top.communicate(timeout=30)
    assert top.returncode == 3 and "has gone" in error
    stage.clear()


# --- long lists ---

class Control:
    """A connection to the control socket."""

    def __init__(self, path):
        self.sock, self.data = socket.socket(socket.AF_UNIX), b""
        self.sock.settimeout(60)
        self.sock.connect(path)

    def send(self, *argv, **fields):
        body = json.dumps(dict(v=1, argv=argv, json=True, **fields)).encode()
        self.sock.sendall(struct.pack(">I", len(body)) + body)

    def receive(self):
        while len(self.data) < 4 or len(self.data) < 4 + struct.unpack(">I", self.data[:4])[0]:
            more = self.sock.recv(1 << 20)
            assert more
            self.data += more
        size = struct.unpack(">I", self.data[:4])[0]
        body, self.data = self.data[4:4 + size], self.data[4 + size:]
        return json.loads(body)

    def ask(self, *argv, **fields):
        self.send(*argv, **fields)
        return self.receive()


LONG = 20000


@pytest.fixture(scope="module")
def long_list(stage, tmp_path_factory):
    daemon = stage.start()
    file = tmp_path_factory.mktemp("long") / "many.csv"
    file.write_text("endpoint,groups,domain\n" + "".join(f"many-{i:06},root.demo,x\n" for i in range(LONG)))
    done = daemon.ctl("device", "import", file)
    assert done.returncode == 0, done.stdout + done.stderr
    yield daemon
    stage.clear()


def test_a_long_list_comes_in_pages_and_others_are_served_between(long_list):
    lister, other = Control(long_list.socket), Control(long_list.socket)
    page, names, pages = "", [], 0
    while page is not None:
        lister.send("device", "list", "--limit", "1000000", page=page)
        other.send("status")
        answer = lister.receive()
        assert answer["exit"] == 0 and len(answer["result"]["devices"]) <= 200
        names += [device["endpoint"] for device in answer["result"]["devices"]]
        assert other.receive()["exit"] == 0
        page, pages = answer.get("next"), pages + 1
    assert pages >= LONG // 200
    assert len(names) == len(set(names)) == answer["result"]["count"]
    assert sum(name.startswith("many-") for name in names) == LONG


def test_the_client_puts_pages_together(long_list):
    result = long_list.result("device", "list", "--limit", "1000000")
    assert len(result["devices"]) == result["count"] >= LONG
    lines = long_list.ctl("device", "list", "--limit", "1000000", "--columns", "endpoint").stdout.splitlines()
    assert lines.count("endpoint") == 1 and len(lines) == result["count"] + 1
    lines = long_list.ctl("device", "list", "--limit", "700", "--match", "many-*").stdout.splitlines()
    assert len(lines) == 702 and lines[-1] == f"... {LONG - 700} more: --offset 700"
    lines = long_list.ctl("device", "list", "--limit", "10", "--offset", "15000", "--match", "many-*", "--columns",
                          "endpoint").stdout.splitlines()
    assert lines[1:11] == [f"many-{i:06}" for i in range(15000, 15010)]


def test_devices_removed_between_pages_spoil_no_others(long_list):
    control, names, page = Control(long_list.socket), [], ""
    while page is not None:
        answer = control.ask("device", "list", "--limit", "1000000", "--match", "many-*", page=page)
        names += [device["endpoint"] for device in answer["result"]["devices"]]
        if page == "":
            assert long_list.ctl("device", "remove", "many-000001").returncode == 0  # was listed
            assert long_list.ctl("device", "remove", "many-019999").returncode == 0  # is yet to be
        page = answer.get("next")
    assert names == [f"many-{i:06}" for i in range(LONG - 1)]


def test_who_knows_no_pages_gets_the_first_and_is_told_so(long_list):
    answer = Control(long_list.socket).ask("device", "list", "--limit", "1000000")
    assert answer["next"] and len(answer["result"]["devices"]) == 200


def test_a_cursor_goes_on_where_the_limit_was(long_list):
    first = long_list.result("device", "list", "--match", "many-*", "--limit", "700", "--cursor", "")
    assert len(first["devices"]) == 700 and "count" not in first
    lines = long_list.ctl("device", "list", "--match", "many-*", "--limit", "3", "--cursor", first["next"]).stdout.splitlines()
    last = first["devices"][-1]["endpoint"]
    assert len(lines) == 5 and all(line > last for line in lines[1:4]) and "there is more: --cursor " in lines[4]
    rest = long_list.result("device", "list", "--match", "many-*", "--limit", "1000000", "--cursor", first["next"])
    assert rest["next"] is None
    names = [device["endpoint"] for device in first["devices"] + rest["devices"]]
    assert names == sorted(set(names)) and len(names) >= LONG - 2
    refused = long_list.ctl("device", "list", "--cursor", "many")
    assert refused.returncode == 2 and "--cursor takes what" in refused.stderr


# --- completion ---

def bash_completes(daemon, socket, line):
    """COMPREPLY of bash for a line, by the completion as it is installed."""
    script = f"""source {os.path.dirname(__file__)}/../../conf/bash-completion
cradlectl() {{ {daemon.build}/tools/cradlectl "$@"; }}
COMP_LINE={line!r} COMP_POINT={len(line)} COMP_TYPE=9
read -ra COMP_WORDS <<<"$COMP_LINE"; [[ $COMP_LINE == *" " ]] && COMP_WORDS+=("")
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_cradlectl; printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(["bash", "-c", script], text=True, capture_output=True, timeout=60,
                          env=dict(os.environ, CRADLE_SOCKET=socket))
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout.split("\n")[:-1]


def test_bash_completes_names_too(populated, stage):
    if populated.process.poll() is not None:  # a test that needed an appliance of its own came between
        stage.rest()
        stage.own.append(populated)
        populated.start()

    def complete(line):
        return bash_completes(populated, populated.socket, line)
    assert complete("cradlectl undr") == ["undrain"]
    assert complete("cradlectl device show demo-") == ["demo-0001", "demo-0002"]
    assert WIDE in complete("cradlectl device show ")
    assert complete("cradlectl group show root.de") == ["root.demo"]
    # What stands before a comma stays: bash puts the candidate in the place of the whole word.
    assert complete("cradlectl device add x --groups root,root.de") == ["root,root.demo"]
    # bash takes what follows a colon for a word of its own.
    assert complete("cradlectl task show g:root.demo:") and all(":" not in one for one in
                                                                complete("cradlectl task show g:root.demo:"))
    assert complete(f"cradlectl -s {populated.socket} task list --gr") == ["--group"]


def test_bash_completes_words_in_silence_when_the_appliance_is_away(populated, tmp_path):
    away = str(tmp_path / "nobody")
    assert "undrain" in bash_completes(populated, away, "cradlectl undr")
    assert bash_completes(populated, away, "cradlectl device show demo-") in ([], [""])
    done = subprocess.run([f"{populated.build}/tools/cradlectl", "-s", away, "__complete", "device", "show", ""], text=True,
                          capture_output=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
