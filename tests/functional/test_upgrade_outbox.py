"""The program is replaced while others are to be told of keys: each key arrives, from whichever process."""
import threading

from conftest import wait_for
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


def test_keys_that_are_with_their_run_alone_are_waited_for(bench, side):  # noqa: F811
    """Refused with the reason; then the run ends well, and an upgrade is possible."""
    name, asked, held = f"ep-{next(NUMBERS)}", threading.Event(), threading.Event()
    use(bench, outbox_conf(side.folder, {"confirm": "before-finish"}))

    def hold(request):
        asked.set()
        held.wait(60)
        return 204, {}
    side.receiver.say(hold)
    done = []
    device = threading.Thread(target=lambda: done.append(bench.device(f"ep={name}")))
    device.start()
    try:
        assert asked.wait(60)
        answer = bench.ctl("upgrade")
        assert answer.returncode == 1, answer.stdout
        assert "1 run made keys that the outbox tells once the run is over" in answer.stderr, answer.stderr
    finally:
        held.set()
        device.join(60)
    code, events = done[0]
    assert code == 0 and side.receiver.of(name)[-1]["tls"]["details"]["key"] == key_of(events).hex()
    side.receiver.say(None)
    wait_for(lambda: (report_of(bench, name) or {}).get("status") == "Success", "the report")
    upgrade(bench)
    assert len(side.receiver.of(name)) == 1
