"""The console's server: who may, what is refused, and commands as resources. Pages are tested in a browser."""
import json
import os
import re
import socket
import stat
import threading
import time

import pytest

from conftest import wait_for
from console import PASSWORD, USERS, Console, Person
from test_web import Appliance


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("console")


@pytest.fixture
def console(build, folder, users_file, daemon):
    """In front of the shared appliance."""
    with Console.serving(build, folder, daemon.socket, users_file) as one:
        yield one


@pytest.fixture
def played(build, tmp_path, users_file):
    """In front of an appliance that the test plays."""
    appliance = Appliance(tmp_path / "control.sock")
    with Console.serving(build, tmp_path, str(tmp_path / "control.sock"), users_file) as one:
        one.appliance = appliance
        yield one
    appliance.close()


# --- logging in ---

def test_nobody_sees_anything_without_a_login(console):
    nobody = console.person()
    for path in ("/status", "/devices", "/devices/demo-0001", "/overview", "/jobs/x", "/session"):
        answer = nobody.get(path)
        assert answer.status == 401, path
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json["title"] == "Not logged in" and answer.json["status"] == 401
    assert nobody.send("POST", "/tasks/g:root.demo:1/pause").status == 401
    assert nobody.get("/openapi.json").status == 200  # it tells nothing of this appliance


@pytest.mark.parametrize("body", [
    {"name": "otto", "password": "wrong"}, {"name": "otto", "password": ""}, {"name": "nobody", "password": PASSWORD},
    {"name": "otto", "password": PASSWORD + " "}, {"name": "OTTO", "password": PASSWORD}])
def test_wrong_logins_are_all_alike(console, body):
    answer = console.person().send("POST", "/session", body)
    assert answer.status == 401 and answer.json["detail"] == "name or password is wrong"
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize("body", [{}, {"name": "otto"}, {"name": 1, "password": "x"}, {"name": "otto", "password": ["x"]},
                                  {"name": "a" * 100, "password": "x"}, {"name": "otto", "password": "x" * 2000}, [], "x"])
def test_logins_that_are_none_are_refused(console, body):
    assert console.person().send("POST", "/session", body).status == 400


def test_a_login_is_a_cookie_that_no_script_and_no_other_site_gets(console):
    answer = console.person().login("otto")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Path=/" in cookie and "Domain" not in cookie
    assert answer.json["role"] == "operator" and len(answer.json["csrf"]) == 64
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_session_that_somebody_planted_never_becomes_a_login(console):
    planted = "cradle=" + "ab" * 32
    person = console.person()
    person.cookie = planted
    assert person.get("/status").status == 401
    assert person.login("otto").status == 201
    assert person.cookie != planted
    thief = console.person()
    thief.cookie = planted
    assert thief.get("/status").status == 401


def test_logging_in_again_ends_the_session_before(console):
    person = console.person("vera")
    before = person.cookie
    assert person.login("otto").status == 201
    old = console.person()
    old.cookie = before
    assert old.get("/status").status == 401
    assert person.get("/session").json["name"] == "otto"


def test_logging_out_ends_the_session_for_whoever_kept_the_cookie(console):
    person = console.person("otto")
    kept = person.cookie
    answer = person.send("DELETE", "/session")
    assert answer.status == 204 and "Max-Age=0" in answer.headers["Set-Cookie"]
    person.cookie = kept
    assert person.get("/status").status == 401


def test_guessing_is_slowed_down_and_other_names_are_not(console):
    guesser = console.person()
    for _ in range(5):
        assert guesser.login("otto", "wrong password").status == 401
    answer = guesser.login("otto")
    assert answer.status == 429 and int(answer.headers["Retry-After"]) >= 1
    assert guesser.login("vera").status == 201


def test_a_login_is_not_waited_for_by_others(console):
    """A password takes its time to check; nobody else does meanwhile."""
    person = console.person("vera")
    answers = []
    crowd = [threading.Thread(target=lambda: answers.append(console.person().login("sina").status)) for _ in range(6)]
    for one in crowd:
        one.start()
    while any(one.is_alive() for one in crowd):
        assert person.get("/session").status == 200
    assert set(answers) <= {201, 503} and 201 in answers


def test_a_password_for_one_login_is_good_for_one(console):
    word = console.user("add", "guest", "--once", "--role", "viewer").strip()
    assert console.person().login("guest", word).status == 201
    assert console.person().login("guest", word).status == 401
    assert "guest" not in console.user("list") and word not in console.users_file.read_text()


def test_who_is_removed_or_gets_another_password_is_logged_out_at_once(console):
    console.user("add", "temp", "--password-file", "-", input=PASSWORD + "\n")
    person, other = console.person("temp"), console.person("vera")
    assert person.get("/status").status == 200
    console.user("role", "temp", "operator")
    assert person.get("/session").json["role"] == "operator"
    console.user("password", "temp", "--password-file", "-", input="another good password\n")
    assert person.get("/status").status == 401
    console.user("remove", "temp")
    assert console.person().login("temp", "another good password").status == 401
    assert other.get("/status").status == 200


def test_users_are_kept_as_hashes_that_nobody_else_reads(console):
    text = console.users_file.read_text()
    assert PASSWORD not in text and text.count("$argon2id$") == len(USERS)
    assert stat.S_IMODE(os.stat(console.users_file).st_mode) == 0o600


@pytest.mark.parametrize("words, told", [
    (["add", "x/y", "--once"], "letters, digits"), (["add", "otto", "--once"], "is there already"),
    (["add", "new", "--role", "boss", "--once"], "viewer, operator or security"), (["remove", "nobody"], "none of this name"),
    (["add", "new", "--password-file", "/dev/null"], "no password in it"), (["add"], "usage"), (["frob", "x"], "usage"),
    (["add", "new", "--once", "--other"], "usage"), (["add", "new"], "no terminal")])
def test_user_commands_say_what_is_wrong_and_change_nothing(console, words, told):
    before = console.users_file.read_text()
    code = 2 if told in ("usage", "viewer, operator or security") else 1
    assert told in console.user(*words, code=code, input="")
    assert console.users_file.read_text() == before


def test_a_short_password_is_refused(console):
    assert "10 characters" in console.user("add", "new", "--password-file", "-", code=1, input="short\n")


# --- who may what ---

def test_roles_end_where_they_say(console):
    vera, otto, sina = (console.person(name) for name in ("vera", "otto", "sina"))
    assert vera.get("/devices").status == 200
    for path in ("/tasks/g:root.demo:1/pause", "/reload", "/drain", "/imports"):
        answer = vera.send("POST", path)
        assert answer.status == 403 and "role" in answer.json["detail"], path
    assert otto.send("POST", "/drain").status == 403
    assert vera.send("POST", "/devices/demo-0001/preview", {"xml": "<config/>"}).status == 403
    assert otto.send("POST", "/check", {"content": 'policy = "/etc";'}).status == 403
    assert otto.get("/traces/demo-0001").status == 403
    assert otto.send("POST", "/devices", {"endpoint": "x", "key": "k"}).status == 403
    assert sina.send("POST", "/drain").status == 200
    assert sina.send("POST", "/undrain").status == 200


def test_changes_need_the_token_of_the_session(console):
    person = console.person("otto")
    for csrf in (None, "", "00" * 32, console.person("otto").csrf):
        answer = person.send("POST", "/tasks/g:root.demo:1/resume", headers={"X-CSRF-Token": csrf})
        assert answer.status == 403, csrf
    assert person.send("POST", "/tasks/g:root.demo:1/resume").status != 403


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
                                     {"Origin": "https://evil.example"}, {"Origin": "null"}])
def test_other_sites_change_nothing_and_log_nobody_in(console, headers):
    person = console.person("otto")
    assert person.send("POST", "/tasks/g:root.demo:1/resume", headers=headers).status == 403
    answer = console.person().send("POST", "/session", {"name": "otto", "password": PASSWORD}, headers=headers)
    assert answer.status == 403


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x",
                                  "application/jsonx"])
def test_bodies_are_json_or_nothing(console, kind):
    person = console.person("otto")
    assert person.send("POST", "/tasks/check", {"content": "<config/>"}, headers={"Content-Type": kind}).status == 415
    assert console.person().send("POST", "/session", {"name": "otto", "password": PASSWORD},
                                 headers={"Content-Type": kind}).status == 415


def test_tokens_are_for_machines(console):
    token = console.user("token", "ci", "--role", "operator").strip()
    machine = console.person(token=token)
    assert machine.get("/status").status == 200
    assert machine.send("POST", "/tasks/g:root.demo:1/resume").status != 403  # no page, no token of a page
    assert machine.send("POST", "/drain").status == 403
    assert token not in console.users_file.read_text()
    assert console.person(token=token[:-1] + ("0" if token[-1] != "0" else "1")).get("/status").status == 401
    assert console.person(token="").get("/status").status == 401
    assert console.person().login("ci", token).status == 401
    console.user("remove", "ci")
    assert machine.get("/status").status == 401


# --- paths, files, bodies ---

@pytest.mark.parametrize("path", ["/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fetc%2fpasswd", "//etc/passwd",
                                  "/console.css/..", "/pages", "/pages/", "/.", "/index.html%00.css", "/routes.js.map",
                                  "/lib/codemirror/../../../etc/passwd", "/lib/jquery/jquery.js", "/metrics/", "/api", "/api/v1"])
def test_no_path_reaches_another_file(console, path):
    with console.connect() as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        data = b""
        while more := client.recv(65536):
            data += more
    assert data.startswith(b"HTTP/1.1 404") and b"root:" not in data


def test_pages_come_with_the_policy_that_keeps_foreign_code_out(console):
    for path, kind in (("/", "text/html; charset=utf-8"), ("/app.js", "text/javascript; charset=utf-8"),
                       ("/console.css", "text/css; charset=utf-8"), ("/lib/codemirror/lib/codemirror.js", "text/javascript; charset=utf-8")):
        answer = console.get(path)
        assert answer.status == 200 and answer.headers["Content-Type"] == kind
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        again = console.get(path, {"If-None-Match": answer.headers["ETag"]})
        assert again.status == 304 and not again.text
    html = console.get("/").text
    assert not re.search(r"<script(?![^>]*src=)|style=|\son\w+=", html)  # nothing that the policy would stop


def test_the_first_page_is_small(console):
    """Without the editor: what a browser loads before it shows the overview."""
    seen, todo = {}, ["/", "/console.css", "/theme.js", "/app.js", "/pages/overview.js", "/icon.svg"]
    while todo:
        path = todo.pop()
        if path in seen:
            continue
        text = console.get(path).text
        seen[path] = len(text.encode())
        for name in re.findall(r'^import .*? from "([^"]+)"', text, re.M):
            todo.append(os.path.normpath(os.path.join(os.path.dirname(path), name)))
    assert sum(seen.values()) < 200_000, seen


@pytest.mark.parametrize("raw, told", [
    ('{"priority": 1', "line 1"), ('{"priority": 1, "priority": 2}', "duplicate"), ("[]", "no JSON object"), ("\xff", "no JSON object"),
    ('{"prioriti": 1}', 'did you mean \\"priority\\"'), ('{"priority": {"a": 1}}', "is text")])
def test_bodies_that_are_none_say_where(console, raw, told):
    person = console.person("otto")
    answer = person.send("PATCH", "/tasks/g:root.demo:1", raw=raw.encode("latin-1"), headers={"If-Match": "*"})
    assert answer.status == 400 and told in answer.text, answer.text


def test_a_body_that_is_too_long_is_refused_by_its_head(console):
    nobody, person = console.person(), console.person("otto")
    assert nobody.send("POST", "/session", headers={"Content-Length": "5000"}, raw=b"x" * 5000).status == 413
    with console.connect() as client:
        client.sendall((f"POST /api/v1/tasks/check HTTP/1.1\r\nHost: 127.0.0.1:{console.port}\r\nCookie: {person.cookie}\r\n"
                        f"X-CSRF-Token: {person.csrf}\r\nContent-Type: application/json\r\n"
                        "Content-Length: 999999999\r\n\r\n").encode())
        assert client.recv(4096).startswith(b"HTTP/1.1 413")
    with console.connect() as client:
        client.sendall((f"POST /api/v1/tasks/check HTTP/1.1\r\nHost: 127.0.0.1:{console.port}\r\nCookie: {person.cookie}\r\n"
                        f"X-CSRF-Token: {person.csrf}\r\nContent-Type: application/json\r\n"
                        "Transfer-Encoding: chunked\r\n\r\n").encode())
        assert client.recv(4096).startswith(b"HTTP/1.1 411")


def test_wrong_methods_name_the_right_ones(console):
    person = console.person("otto")
    answer = person.send("DELETE", "/status")
    assert answer.status == 405 and answer.headers["Allow"] == "GET"
    assert set(person.send("PUT", "/tasks/x").headers["Allow"].split(", ")) == {"GET", "PATCH", "DELETE"}


# --- commands ---

def test_looks_are_the_results_of_commands(console, daemon):
    person = console.person("vera")
    assert person.get("/status").json["generation"] == daemon.result("status")["generation"]
    shown = person.get("/devices/demo-0001").json
    assert shown["endpoint"] == "demo-0001" and "demo-key-0001-demo" not in json.dumps(shown)
    assert [d["endpoint"] for d in person.get("/devices", match="demo-0002").json["devices"]] == ["demo-0002"]
    missing = person.get("/devices/nobody")
    assert missing.status == 404 and "nobody" in missing.json["detail"]
    assert person.get("/devices", limt=3).json["detail"].startswith('there is no field "limt"')


def test_diagnostics_of_a_task_come_with_their_places(console):
    person = console.person("vera")
    bad = '<config>\n  <lwm2mBootstrap>\n    <write key="LwM2M Server.0.Lifetme" value="60"/>\n  </lwm2mBootstrap>\n</config>\n'
    answer = person.send("POST", "/tasks/check", {"content": bad})
    assert answer.status == 422 and answer.headers["Content-Type"] == "application/problem+json"
    found = answer.json["diagnostics"]
    assert any(d["line"] == 3 and "Lifetime" in json.dumps(d) for d in found), found
    assert person.send("POST", "/tasks/check", {"content": "<config/>"}).status == 200


def test_a_plan_by_which_devices_would_fail_is_told_whole_beside_diagnostics(console, daemon):
    """The sample configuration is warned of: that warning is no reason to leave out what the plan found."""
    person = console.person("otto")
    task = person.get("/tasks/g:root.demo:1")
    text = daemon.read("policy/tasks/reference-task.xml").replace("${sv.managementId}", "${sv.nowhere}")
    answer = person.send("PATCH", "/tasks/g:root.demo:1", {"xml": text, "plan": True}, {"If-Match": task.headers["ETag"]})
    assert answer.status == 422, answer.text
    assert [d["level"] for d in answer.json["diagnostics"]] == ["warning"], answer.text
    planned = answer.json["result"]
    assert planned["failing"] >= 1 and planned["causes"] and "diagnostics" not in planned, answer.text
    assert daemon.read("policy/tasks/reference-task.xml") != text


def test_an_import_is_a_job_of_whoever_started_it(console, daemon):
    sina, otto = console.person("sina"), console.person("otto")
    answer = sina.send("POST", "/imports", {"content": "endpoint,key,groups\nweb-1,k1,root.demo\n", "verify-only": True})
    assert answer.status == 202 and answer.headers["Location"] == f"/api/v1/jobs/{answer.json['job']}"
    job = "/jobs/" + answer.json["job"]
    state = wait_for(lambda: (s := sina.get(job).json)["state"] != "running" and s, "the import")
    assert state["state"] == "done" and state["result"]["added"] == 1, state
    assert otto.get(job).status == 404
    assert daemon.ctl("device", "show", "web-1").returncode == 1
    bad = sina.send("POST", "/imports", {"content": "endpoint,groups\nweb-1,root.none\n", "file": "x.csv"})
    state = wait_for(lambda: (s := sina.get("/jobs/" + bad.json["job"]).json)["state"] != "running" and s, "the import")
    assert state["state"] == "failed" and "root.none" in json.dumps(state["problem"])


def test_what_cannot_be_reached_is_said_and_found_again(played):
    person = played.person("otto")
    played.appliance.close()
    wait_for(lambda: person.get("/devices").status == 503, "the appliance to be missed")
    answer = person.get("/devices")
    assert answer.json["title"] == "Not available" and answer.headers["Retry-After"]
    assert person.get("/session").status == 200  # people stay logged in
    played.appliance = Appliance(played.control)
    played.appliance.answers["device"] = {"exit": 0, "result": {"devices": [], "count": 0}}
    assert person.get("/devices").status == 200


@pytest.mark.parametrize("answer", [b"\0\0\0\2[]", b"\xff\xff\xff\xff", b"\0\0\0\x16" + b'{"v":1,"want":"frob"  }', b""])
def test_an_appliance_that_talks_garbage_is_no_answer(played, answer):
    person = played.person("otto")
    played.appliance.answers["device"] = answer
    if not answer:
        threading.Timer(0.2, lambda: [c.shutdown(socket.SHUT_RDWR) for c in played.appliance.connections]).start()
    assert person.get("/devices").status == 503


def test_a_slow_command_keeps_nobody_waiting(played):
    person = played.person("otto")
    played.appliance.answers["device"] = {"exit": 0, "result": {"devices": []}}
    played.appliance.delay.clear()
    result = []
    slow = threading.Thread(target=lambda: result.append(person.get("/devices").status))
    slow.start()
    wait_for(lambda: any(words[0] == "device" for words in played.appliance.asked), "the command")
    assert person.get("/session").status == 200
    played.appliance.delay.set()
    slow.join()
    assert result == [200]


def test_pages_that_are_not_installed_are_said_and_metrics_go_on(build, tmp_path, users_file):
    appliance = Appliance(tmp_path / "control.sock")
    one = Console(build, tmp_path, str(tmp_path / "control.sock"), users_file)
    assert one.stop() == 0
    one.file.write_text(one.file.read_text().replace("tools/web/console", "nothing/here"))
    one = Console.again(one)
    try:
        assert one.get("/").status == 404 and one.get("/health").status == 200
    finally:
        assert one.stop() == 0
        appliance.close()
    assert "console.folder names the pages" in one.log


def test_long_lists_stop_at_their_limit_and_go_on_by_cursor(console, daemon, tmp_path):
    rows = tmp_path / "many.csv"
    names = [f"many-{n:05}" for n in range(1500)]
    rows.write_text("endpoint,key,groups\n" + "".join(f"{name},k,root\n" for name in names))
    assert daemon.ctl("device", "import", rows).returncode == 0
    try:
        person = console.person("vera")
        seen, cursor = [], None
        while cursor != "":
            page = person.get("/devices", match="many-*", cursor=cursor).json
            assert len(page["devices"]) <= 100
            seen += [d["endpoint"] for d in page["devices"]]
            cursor = page["next"] or ""
        assert sorted(seen) == names
        at_once = person.get("/devices", match="many-*", limit=5000).json  # more than a slice of the appliance
        assert sorted(d["endpoint"] for d in at_once["devices"]) == names and not at_once["next"]
        assert person.get("/devices", limit=1000000).status == 400
    finally:
        empty = console.person("sina")
        for name in names:
            assert empty.send("DELETE", f"/devices/{name}").status == 200
