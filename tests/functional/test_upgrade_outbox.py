"""The program is replaced while others are to be told of keys: each key arrives, from whichever process."""
import re
import socket
import threading

import coap
import lwm2m
from conftest import SERVER4, wait_for
from dtls_client import DtlsClient
from scripted import SUCCESS
from test_outbox import (NUMBERS, appliance, bench, delivered, key_of, messages, outbox_conf, report_of,  # noqa: F401
                         side, use)
from test_upgrade import upgrade


def away(request):
    return 503, {}


def test_what_waits_in_the_outbox_is_delivered_by_the_next_process(bench, side):  # noqa: F811
    """Under the same idempotency key, and keys that are made after it come behind."""
    name, seen = f"ep-{next(NUMBERS)}", []

    def note(request):
        seen.append(request.headers["Idempotency-Key"])
        return away(request)
    side.receiver.say(note)
    code, events = bench.device(f"ep={name}")
    assert code == 0
    wait_for(lambda: seen, "the server to be asked")
    wait_for(lambda: (report_of(bench, name) or {}).get("status") == "Success", "the report")
    before = messages(bench)
    for _ in range(2):
        upgrade(bench)
    assert [m["message"] for m in messages(bench)] == [m["message"] for m in before]
    other = f"ep-{next(NUMBERS)}"
    _, later = bench.device(f"ep={other}")
    side.receiver.say(None)
    delivered(side, name, key_of(events))
    delivered(side, other, key_of(later))
    assert len(set(seen)) <= 2, "of two messages"
    assert len(side.receiver.of(name)) == len(side.receiver.of(other)) == 1
    wait_for(lambda: messages(bench) == [], "the outbox to be empty")


def test_an_upgrade_that_is_refused_leaves_the_outbox_at_work(bench, side):  # noqa: F811
    """After the store was let go of: the next process finds it wanting only then."""
    side.receiver.say(away)
    name = f"ep-{next(NUMBERS)}"
    code, events = bench.device(f"ep={name}")
    assert code == 0
    wait_for(lambda: (report_of(bench, name) or {}).get("status") == "Success", "the report")
    conf = bench.read("cradle.conf")
    try:
        bench.edit("cradle.conf", r"iface=cradle0", "iface=nowhere0")
        answer = bench.ctl("upgrade")
        assert answer.returncode == 1 and "this process goes on" in answer.stderr, answer.stderr
        assert "new process refuses" in answer.stderr, answer.stderr
    finally:
        bench.write("cradle.conf", conf)
    other = f"ep-{next(NUMBERS)}"
    _, later = bench.device(f"ep={other}")
    wait_for(lambda: len(messages(bench)) == 2, "both keys to wait")
    side.receiver.say(None)
    delivered(side, name, key_of(events))
    delivered(side, other, key_of(later))
    assert len(side.receiver.of(name)) == len(side.receiver.of(other)) == 1


class Secured:
    """A device of these tests that goes on when it is told to."""

    def __init__(self, daemon, name):
        self.client = DtlsClient(daemon.network.udp(), (SERVER4, 5684), name.encode(),
                                 f"key-of-{name}-0123456".encode()).handshake()
        self.client.put(coap.request(queries=[f"ep={name}"]))
        assert coap.Message(self.client.get()).text == "2.04"
        self.step, self.key = coap.Message(self.client.get()), None

    def go_on(self):
        """Answers the step at hand; the next one is there then, if one comes before the Finish's answer."""
        if self.step.path.startswith("/0/"):
            self.key = lwm2m.resources(self.step.payload)[5]
        over = self.step.path == "/bs"
        self.client.put(self.step.answer(SUCCESS[self.step.code]))
        self.step = None if over else coap.Message(self.client.get())


def test_keys_of_a_run_in_progress_are_told_by_the_process_that_ends_it(bench, side):  # noqa: F811
    """They are with the run alone, as it has not ended."""
    name = f"ep-{next(NUMBERS)}"
    device = Secured(bench, name)
    while device.step:
        assert not side.receiver.of(name)
        assert upgrade(bench)["lost"] == {}
        device.go_on()
    delivered(side, name, device.key)
    wait_for(lambda: (report_of(bench, name) or {}).get("status") == "Success", "the report")
    assert len(side.receiver.of(name)) == 1


def test_a_device_that_waits_for_its_key_to_arrive_goes_on_with_the_next_process(bench, side):  # noqa: F811
    name, asked = f"ep-{next(NUMBERS)}", threading.Event()
    use(bench, outbox_conf(side.folder, {"confirm": "before-finish", "timeout": 60, "on_timeout": "fail"}))

    def refuse(request):
        asked.set()
        return away(request)
    side.receiver.say(refuse)
    done = []
    device = threading.Thread(target=lambda: done.append(bench.device(f"ep={name}")))
    device.start()
    try:
        assert asked.wait(60)
        for _ in range(2):
            assert upgrade(bench)["lost"] == {}
        assert not done
    finally:
        side.receiver.say(None)
        device.join(60)
    code, events = done[0]
    assert code == 0
    delivered(side, name, key_of(events))
    wait_for(lambda: (report_of(bench, name) or {}).get("status") == "Success", "the report")
    assert len(side.receiver.of(name)) == 1


def test_keys_are_held_while_an_upgrade_is_refused_and_withdrawn_when_the_run_fails(bench, side):  # noqa: F811
    """The next process had the store, and gave it back as it was."""
    name = f"ep-{next(NUMBERS)}"
    device = Secured(bench, name)
    while device.step.path != "/bs":
        device.go_on()
    refused_after_loading(bench)
    assert not side.receiver.of(name)
    device.client.put(device.step.answer("4.00"))
    wait_for(lambda: (report_of(bench, name) or {}).get("status") == "Error", "the report")
    wait_for(lambda: messages(bench) == [], "the key to be withdrawn")
    assert not side.receiver.of(name)


def refused_after_loading(daemon):
    """The next process has taken everything over, and then finds that somebody has its control socket."""
    conf, other = daemon.read("cradle.conf"), str(daemon.folder / "taken.sock")
    with socket.socket(socket.AF_UNIX) as taken:
        taken.bind(other)
        taken.listen()
        try:
            daemon.edit("cradle.conf", re.escape(daemon.socket), other)
            answer = daemon.ctl("upgrade")
        finally:
            daemon.write("cradle.conf", conf)
    assert answer.returncode == 1 and "the new process refuses" in answer.stderr, answer.stderr
    assert "taken.sock" in answer.stderr, answer.stderr
    assert daemon.result("status")["store"]["healthy"]
