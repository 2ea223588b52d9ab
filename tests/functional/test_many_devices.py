"""A hundred thousand devices listed and scraped while others bootstrap: what keeps the control thread is counted, not timed."""
import concurrent.futures
import json
import socket
import struct

import pytest

MANY = 100000
ROWS = 200  # of a slice, at most
SCRAPE = ("status",), ("stats", "--all"), ("phases",)


class Control:
    """A connection to the control socket, as a program that knows the protocol has it."""

    def __init__(self, path):
        self.sock, self.data = socket.socket(socket.AF_UNIX), b""
        self.sock.settimeout(60)
        self.sock.connect(path)

    def ask(self, *argv, **fields):
        body = json.dumps(dict(v=1, argv=argv, json=True, **fields)).encode()
        self.sock.sendall(struct.pack(">I", len(body)) + body)
        while True:
            while len(self.data) < 4 or len(self.data) < 4 + struct.unpack(">I", self.data[:4])[0]:
                more = self.sock.recv(1 << 20)
                assert more
                self.data += more
            size = 4 + struct.unpack(">I", self.data[:4])[0]
            answer, self.data = json.loads(self.data[4:size]), self.data[size:]
            if "exit" in answer:
                assert answer["exit"] == 0, answer
                return answer


@pytest.fixture(scope="module")
def crowded(stage, tmp_path_factory):
    daemon = stage.start()
    file = tmp_path_factory.mktemp("many") / "many.csv"
    file.write_text("endpoint,groups\n" + "".join(f"many-{i:06},root.demo\n" for i in range(MANY)))
    done = daemon.ctl("device", "import", file)
    assert done.returncode == 0, done.stdout + done.stderr
    yield daemon
    stage.clear()


def turns(daemon):
    return {turn["cause"]: turn["turns"] for turn in daemon.result("turns")["causes"]}


def test_lists_and_scrapes_go_by_while_devices_bootstrap(crowded):
    lister, scraper = Control(crowded.socket), Control(crowded.socket)
    before, names, page = turns(crowded), [], ""

    def bootstrap(_):
        return crowded.device("-i", "demo-0001", "-k", "demo-key-0001-demo", "ep=demo-0001", port=5684)[0]

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        devices = pool.map(bootstrap, range(5))
        while page is not None:
            answer = lister.ask("device", "list", "--limit", "1000000", "--match", "many-*", page=page)
            rows = answer["result"]["devices"]
            assert len(rows) <= ROWS
            names += [row["endpoint"] for row in rows]
            scraper.ask(*SCRAPE[len(names) % 3])
            page = answer.get("next")
        assert list(devices) == [0] * 5
    assert names == [f"many-{i:06}" for i in range(MANY)]
    # Each slice was a turn of its own, with the workers' turn behind it.
    after = turns(crowded)
    assert after["device list"] - before.get("device list", 0) >= MANY // ROWS


def test_a_list_that_shows_nothing_looks_at_devices_in_slices_too(crowded):
    before = turns(crowded)
    result = crowded.result("device", "list", "--match", "no such device")
    assert result["devices"] == [] and result["count"] == 0
    assert turns(crowded)["device list"] - before.get("device list", 0) >= MANY // 10000


def test_turns_are_told_and_measured_anew(crowded):
    shown = crowded.ctl("turns", "--reset").stdout
    assert "events of workers" in shown and "longest" in shown
    causes = {turn["cause"]: turn for turn in crowded.result("turns")["causes"]}
    assert "device list" not in causes and causes["turns"]["turns"] == 1
    status = crowded.result("status")
    assert status["longest_turn_us"] > 0 and status["longest_turn"]
