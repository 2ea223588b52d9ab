"""What people see: tables in terminals of 80, 100 and 200 columns, with names of every kind."""
import fcntl
import os
import pty
import struct
import subprocess
import termios
import unicodedata

import pytest

WIDE, MARKED, RIGHT_TO_LEFT = "中文设备名字", "café-urn", "מכשיר-אחד"
NAMES = [WIDE, MARKED, RIGHT_TO_LEFT, "urn:imei:" + "0123456789" * 8]


def columns(line):
    """Columns of a terminal: wide characters take two, marks that combine none."""
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
            ["unknown", "list"]]


@pytest.mark.parametrize("width", [80, 100, 200])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_tables_fit_the_terminal(populated, build, width, command):
    lines = in_terminal(width, f"{build}/tools/cradlectl", "-s", populated.socket, *command)
    assert lines
    # Sentences may be longer and wrap; rows of tables never do.
    rows = [line for line in lines if "  " in line.strip()]
    assert all(columns(line) <= width for line in rows), [line for line in rows if columns(line) > width]


def test_columns_stand_below_each_other(populated, build):
    lines = in_terminal(100, f"{build}/tools/cradlectl", "-s", populated.socket, "device", "list", "--columns", "endpoint,state")
    places = {columns(line[:line.index("nothing to send")]) for line in lines if "nothing to send" in line}
    assert len(places) == 1
    assert any(WIDE in line for line in lines) and any(RIGHT_TO_LEFT in line for line in lines)


def test_a_pipe_gets_everything_and_wide_does_in_a_terminal(populated, build):
    whole = populated.ctl("device", "list").stdout
    assert NAMES[3] in whole and "more column" not in whole
    assert in_terminal(80, f"{build}/tools/cradlectl", "-s", populated.socket, "device", "list", "--wide") == whole.splitlines()
    narrow = in_terminal(80, f"{build}/tools/cradlectl", "-s", populated.socket, "device", "list")
    assert any("…" in line for line in narrow)


def test_rows_are_sorted_and_columns_named(populated):
    done = populated.ctl("device", "list", "--sort=-endpoint", "--columns", "endpoint")
    rows = done.stdout.splitlines()[1:]
    assert rows == sorted(rows, key=str.encode, reverse=True)
    assert "columns of this table: endpoint" in populated.ctl("device", "list", "--columns", "x").stdout
