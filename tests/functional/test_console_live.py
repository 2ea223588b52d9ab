"""What happens, as it does, in a browser: server-sent events from the appliance's watches."""
import json
import socket
import time

import pytest

from conftest import wait_for
from console import Console


class Stream:
    """An open page: its events as they come."""

    def __init__(self, person, path, timeout=60, headers=""):
        self.socket = socket.create_connection(("127.0.0.1", person.port), timeout=timeout)
        who = f"Cookie: {person.cookie}\r\n" if person.cookie else ""
        self.socket.sendall(f"GET /api/v1/events/{path} HTTP/1.0\r\nHost: 127.0.0.1:{person.port}\r\n{who}{headers}\r\n".encode())
        self.file = self.socket.makefile("r", encoding="utf-8", newline="\n")
        self.status = int(self.file.readline().split()[1])
        self.headers = {}
        for line in iter(self.file.readline, "\r\n"):
            name, _, value = line.partition(":")
            self.headers[name.lower()] = value.strip()

    def event(self, *names):
        """The next of these; None at the end."""
        name = None
        while line := self.file.readline():
            field, _, value = line.rstrip("\n").partition(": ")
            if field == "event":
                name = value
            elif field == "data" and (not names or name in names):
                return name, json.loads(value)
        return None

    def close(self):
        self.file.close()
        self.socket.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("live")


@pytest.fixture
def console(build, folder, users_file, daemon):
    with Console.serving(build, folder, daemon.socket, users_file) as one:
        one.daemon = daemon
        yield one
    wait_for(lambda: daemon.result("status")["watches"] == 0, "the watches to end")


@pytest.fixture
def look():
    streams = []

    def begin(*args, **more):
        streams.append(Stream(*args, **more))
        return streams[-1]
    yield begin
    for stream in streams:
        stream.close()


def metric(console, name):
    return float(next(line for line in console.get("/metrics").text.splitlines() if line.startswith(name + " ")).split()[1])


def test_who_may_look(console, look):
    nobody, vera = console.person(), console.person("vera")
    for person, path, status in ((nobody, "sessions", 401), (vera, "nothing", 404), (vera, "dialogue?device=demo-0001", 403),
                                 (console.person("sina"), "dialogue", 400)):
        stream = look(person, path)
        assert (stream.status, stream.headers["content-type"]) == (status, "application/problem+json"), path
    assert look(vera, "sessions", headers="Sec-Fetch-Site: cross-site\r\n").status == 403
    assert vera.send("POST", "/events/sessions", {}).status == 404
    stream = look(vera, "sessions")
    assert stream.status == 200 and stream.headers["content-type"] == "text/event-stream"
    assert stream.headers["cache-control"] == "no-store" and stream.headers["x-accel-buffering"] == "no"


def test_what_devices_do_is_told(console, look):
    daemon, vera = console.daemon, console.person("vera")
    reports, sessions, outsiders = (look(vera, path) for path in ("reports", "sessions", "outsiders"))
    for stream in (reports, sessions, outsiders):
        assert stream.event() == ("up", {})
    daemon.device("ep=demo-0001")
    daemon.device("ep=stranger-live")
    assert sessions.event("session")[1]["endpoint"] == "demo-0001"
    report = reports.event("report")[1]
    assert report["device"] == "demo-0001" and report["status"] == "Success"
    assert outsiders.event("unknown")[1]["endpoint"] == "stranger-live"


def test_the_overview_has_samples(console, look):
    stream = look(console.person("vera"), "overview")
    assert stream.event() == ("up", {})
    seen = dict(stream.event("status", "phases", "counters") for _ in range(3))
    assert seen["status"]["version"] and "bs_finished" in seen["counters"]["counters"] and "total" in seen["phases"]


def test_a_dialogue_is_followed_as_long_as_somebody_looks(console, look):
    daemon, sina = console.daemon, console.person("sina")
    stream = look(sina, "dialogue?device=demo-0001")
    assert stream.event() == ("up", {})
    daemon.device("ep=demo-0001")
    assert "POST /bs" in stream.event("message")[1]["line"]
    stream.close()
    wait_for(lambda: daemon.result("status")["watches"] == 0, "the trace to end")
    stream = look(sina, "dialogue?device=no-such")
    name, event = stream.event()
    assert name == "refused" and "no-such" in event["why"]
    assert stream.event() is None


def test_the_appliance_is_watched_once_however_many_look(console, look):
    people = [console.person("vera"), console.person("sina")]
    streams = [look(people[i % 2], "sessions") for i in range(24)]
    for stream in streams:
        assert stream.event() == ("up", {})
    assert console.daemon.result("status")["watches"] == 1
    assert metric(console, "cradle_web_streams") == 24
    console.daemon.device("ep=demo-0001")
    for stream in streams:
        assert stream.event("session")[1]["endpoint"] == "demo-0001"
    for stream in streams:
        stream.close()
    wait_for(lambda: metric(console, "cradle_web_streams") == 0, "clients that left to be noticed")
    wait_for(lambda: console.daemon.result("status")["watches"] == 0, "the watch to end")


def test_streams_of_one_user_are_bounded_and_a_place_comes_free(console, look):
    vera = console.person("vera")
    streams = [look(vera, "sessions") for _ in range(16)]
    refused = look(vera, "sessions")
    assert refused.status == 503 and refused.headers["retry-after"] == "10"
    assert look(console.person("sina"), "sessions").status == 200
    streams.pop().close()

    def again():
        stream = look(vera, "sessions")
        return stream.status == 200
    wait_for(again, "a place that came free")


def test_a_stream_ends_with_the_login(console, look):
    vera = console.person("vera")
    stream = look(vera, "sessions")
    assert stream.event() == ("up", {})
    begun = time.monotonic()
    assert vera.send("DELETE", "/session").status == 204
    assert stream.event() is None
    assert time.monotonic() - begun < 30


def test_pages_come_back_with_the_appliance(build, cradled, tmp_path, users_file, look):
    daemon = cradled()
    console = Console(build, tmp_path, daemon.socket, users_file)
    stream = look(console.person("vera"), "sessions")
    assert stream.event() == ("up", {})
    for _ in range(2):
        daemon.stop()
        name, event = stream.event("down")
        assert event["why"]
        daemon.start()
        assert stream.event("up") == ("up", {})
        daemon.device("ep=demo-0001")
        assert stream.event("session")[1]["endpoint"] == "demo-0001"
    assert console.stop() == 0  # with a stream open
