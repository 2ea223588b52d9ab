"""The outbox end to end: keys that runs make reach the LwM2M server, a receiver behind nginx, whatever happens on the way."""
import collections
import datetime
import hashlib
import hmac
import http.server
import ipaddress
import itertools
import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import coap
import lwm2m
from conftest import SERVER4, wait_for
from test_nosec import operations, report_of

TOKEN, SECRET = "token-to-hide-0123456789", "signing-secret-to-hide"


# ---- the other side ----

def certificate(folder, name, issuer=None, host=None):
    """Writes NAME.pem and NAME.key; returns (certificate, key)."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
    builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer[0].subject if issuer else subject)
               .public_key(key.public_key()).serial_number(x509.random_serial_number())
               .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=30))
               .add_extension(x509.BasicConstraints(ca=not issuer, path_length=None), critical=True))
    if host:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]), False)
    made = builder.sign(issuer[1] if issuer else key, hashes.SHA256())
    (folder / f"{name}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / f"{name}.key").write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    os.chmod(folder / f"{name}.key", 0o600)
    return made, key


Request = collections.namedtuple("Request", "method path headers body")


class Receiver:
    """What stands behind nginx: remembers each request, and answers as the test says, with 204 unless told otherwise."""

    def __init__(self, network, port):
        self.taken, self.answer, self.lock = [], None, threading.Lock()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                request = Request(self.command, self.path, dict(self.headers), body)
                status, headers = receiver.judge(request)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_PUT = do_POST = handle_one

            def log_message(self, *_):
                pass

        with network.inside():
            self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def judge(self, request):
        with self.lock:
            answer = self.answer
        status, headers = answer(request) if answer else (204, {})
        if status < 300:
            with self.lock:
                self.taken.append(request)
        return status, headers

    def say(self, answer):
        with self.lock:
            self.answer = answer

    def of(self, endpoint):
        with self.lock:
            return [json.loads(r.body) for r in self.taken if endpoint.encode() in r.body]

    def forget(self):
        with self.lock:
            self.taken.clear()
            self.answer = None

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Nginx:
    """Debian's, with TLS, before the receiver. The stranger's port has a certificate that nobody trusts."""

    def __init__(self, network, folder):
        self.network, self.folder, self.process = network, folder, None
        authority = certificate(folder, "authority")
        certificate(folder, "server", authority, "127.0.0.1")
        certificate(folder, "elsewhere", authority, "192.0.2.7")
        certificate(folder, "stranger", certificate(folder, "nobody"), "127.0.0.1")
        servers = "".join(f"""
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {folder}/{name}.pem;
    ssl_certificate_key {folder}/{name}.key;
    location / {{ proxy_pass http://127.0.0.1:8080; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}""" for port, name in ((8443, "server"), (8444, "stranger"), (8445, "elsewhere")))
        (folder / "nginx.conf").write_text(f"""
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;{servers}
}}
""")

    def start(self):
        self.process = subprocess.Popen(self.network.command("/usr/sbin/nginx", "-c", self.folder / "nginx.conf"),
                                        stderr=subprocess.PIPE)

        def up():
            assert self.process.poll() is None, self.process.stderr.read()
            return ":8443" in self.network.run("ss", "-ltn").stdout
        wait_for(up, "nginx to listen", 60)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)


# ---- ours ----

TARGET = """
    {{
        name = "{name}"; events = "{events}"; url = "https://127.0.0.1:{port}/api/clients/{{{{endpoint}}}}";
        method = "PUT"; body = "{body}"; authority = "{side}/authority.pem"; token_file = "{side}/token";
        signature_file = "{side}/secret"; confirm = "{confirm}"; confirm_timeout_s = {timeout}; on_timeout = "{on_timeout}";
    }}"""


def outbox_conf(side, *targets):
    """outbox.conf with pauses that a test can wait for."""
    preset = dict(name="leshan", events="credentials", port=8443, body="outbox/leshan.json", confirm="stored", timeout=10,
                  on_timeout="finish", side=side)
    return ("retry = { min_ms = 20; max_s = 1; attempts = 3; };\ntargets = (" +
            ",".join(TARGET.format(**{**preset, **target}) for target in targets or [{}]) + "\n);\n")


def prepare(side):
    def write(daemon):
        daemon.edit("cradle.conf", r'^# outbox = "outbox.conf";', 'outbox = "outbox.conf";')
        daemon.write("outbox.conf", outbox_conf(side))
        daemon.write("policy/tasks/account.xml", """<config>
  <lwm2mBootstrapConfiguration serverId="management-psk"/>
  <lwm2mBootstrap/>
</config>
""")
        daemon.write("policy/tasks/plain.xml", """<config>
  <lwm2mBootstrap>
    <write key="LwM2M Server.0.Short Server ID" value="101" type="integer"/>
  </lwm2mBootstrap>
</config>
""")
        daemon.write("policy/groups.conf", "groups = (" + ", ".join(
            f'{{ name = "{group}"; tasks = ( {{ name = "{task}"; file = "{task}.xml"; active = true; }} ); }}'
            for group, task in (("root.account", "account"), ("root.keyless", "plain"))) + ");\n")
        daemon.write("devices.csv", "endpoint,key,groups,value.managementId\n" + "".join(
            f"ep-{i},key-of-ep-{i}-0123456,root.account,id-of-{i}\n" for i in range(60)) +
            "keyless,key-of-keyless-0123,root.keyless,-\n")
    return write


class Side:
    def __init__(self, network, folder):
        self.folder = folder
        for name, text in (("token", TOKEN), ("secret", SECRET)):
            (folder / name).write_text(text + "\n")
            os.chmod(folder / name, 0o600)
        self.receiver = Receiver(network, 8080)
        self.nginx = Nginx(network, folder)
        self.nginx.start()


@pytest.fixture(scope="module")
def side(network, tmp_path_factory):
    one = Side(network, tmp_path_factory.mktemp("side"))
    yield one
    one.nginx.stop()
    one.receiver.close()


@pytest.fixture(scope="module")
def appliance(stage, side):
    yield stage.start(prepare=prepare(side.folder))
    stage.clear()


NUMBERS = iter(range(60))


@pytest.fixture
def bench(appliance, side):
    """The appliance with one target, and a receiver that takes everything; each test has devices of its own."""
    side.receiver.forget()
    yield appliance
    side.receiver.forget()
    use(appliance, outbox_conf(side.folder))
    appliance.ctl("outbox", "retry", "all")
    wait_for(lambda: messages(appliance) == [], "the outbox to be empty")


def use(daemon, conf):
    daemon.write("outbox.conf", conf)
    done = daemon.ctl("reload")
    assert done.returncode == 0, done.stdout + done.stderr


def target_of(daemon):
    return daemon.result("status")["outbox"]["targets"][0]


def messages(daemon):
    return daemon.result("outbox", "list")["messages"]


def key_of(events, resource=5):
    """What the device was written, read by other code than ours."""
    for event in operations(events):
        if event["path"].startswith("/0/"):
            return lwm2m.resources(bytes.fromhex(event["payload"]))[resource]
    raise AssertionError(f"no account among {events}")


def delivered(side, endpoint, key):
    """The credentials of a device that the receiver has, once the last of them is this key."""
    def there():
        had = side.receiver.of(endpoint)
        return had if had and had[-1]["tls"]["details"]["key"] == key.hex() else None
    return wait_for(there, f"the key of {endpoint}")


def test_a_key_that_a_run_makes_reaches_the_server_in_its_shape(bench, side):
    name = f"ep-{next(NUMBERS)}"
    code, events = bench.device(f"ep={name}")
    assert code == 0, events
    told = delivered(side, name, key_of(events))
    assert told == [{"endpoint": name, "tls": {"mode": "psk", "details": {
        "identity": key_of(events, 3).decode(), "key": key_of(events).hex()}}}]
    request = side.receiver.taken[-1]
    assert (request.method, request.path) == ("PUT", f"/api/clients/{name}")
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"
    assert re.fullmatch(r"[0-9a-f]{32}", request.headers["Idempotency-Key"])
    stamp, sign = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", request.headers["X-Cradle-Signature"]).groups()
    assert sign == hmac.new(SECRET.encode(), f"{stamp}.".encode() + request.body, hashlib.sha256).hexdigest()
    wait_for(lambda: report_of(bench, name)["status"] == "Success", "the report")
    wait_for(lambda: messages(bench) == [], "the outbox to be empty")


# ---- a server in trouble ----

@pytest.mark.parametrize("status, headers", [(500, {}), (401, {}), (429, {"Retry-After": "1"}), (503, {})])
def test_a_server_that_refuses_gets_the_same_message_again(bench, side, status, headers):
    """Its copies have one idempotency key; the device has finished long before."""
    name, seen = f"ep-{next(NUMBERS)}", []

    def refuse_twice(request):
        seen.append(request.headers["Idempotency-Key"])
        return (status, headers) if len(seen) < 3 else (204, {})
    side.receiver.say(refuse_twice)
    code, events = bench.device(f"ep={name}")
    assert code == 0
    delivered(side, name, key_of(events))
    assert len(seen) >= 3 and len(set(seen)) == 1
    assert len(side.receiver.of(name)) == 1


def test_a_message_that_is_never_liked_is_a_dead_letter_and_masked_until_it_is_retried(bench, side):
    name = f"ep-{next(NUMBERS)}"
    side.receiver.say(lambda request: (400, {}))
    code, events = bench.device(f"ep={name}")
    key = key_of(events)

    def dead():
        found = bench.result("outbox", "list", "--state", "dead")["messages"]
        return found[0] if found else None
    letter = wait_for(dead, "a dead letter")
    assert (letter["subject"], letter["attempts"], letter["error"]) == (name, 3, "it answered HTTP 400")
    shown = bench.ctl("outbox", "show", letter["message"]).stdout
    assert f"PUT https://127.0.0.1:8443/api/clients/{name}" in shown and "HTTP 400" in shown
    everything = shown + json.dumps(bench.result("outbox", "show", letter["message"])) + bench.log()
    for secret in (key.hex(), key.decode("latin-1"), TOKEN, SECRET):
        assert secret not in everything
    assert "********" in shown
    status = bench.result("status")["outbox"]
    assert status["dead"] == 1 and status["targets"][0]["refused"] >= 3
    side.receiver.say(None)
    assert bench.ctl("outbox", "retry", letter["message"]).returncode == 0
    delivered(side, name, key)
    assert bench.ctl("outbox", "drop", "999999999").returncode == 1
    assert "a number of `outbox list`" in bench.ctl("outbox", "show", "x").stderr


def test_a_newer_key_makes_a_dead_letter_of_its_account_void(bench, side):
    name = f"ep-{next(NUMBERS)}"
    side.receiver.say(lambda request: (422, {}))
    bench.device(f"ep={name}")
    wait_for(lambda: [m["state"] for m in messages(bench)] == ["dead"], "a dead letter")
    side.receiver.say(None)
    _, events = bench.device(f"ep={name}")
    delivered(side, name, key_of(events))
    wait_for(lambda: messages(bench) == [], "the dead letter to go")
    assert len(side.receiver.of(name)) == 1


@pytest.mark.parametrize("port", [8444, 8445])
def test_a_server_with_a_wrong_certificate_gets_nothing(bench, side, port):
    """Of an authority that is not trusted, or for another address."""
    name = f"ep-{next(NUMBERS)}"
    use(bench, outbox_conf(side.folder, {"port": port}))
    before = target_of(bench)["failed"]
    code, events = bench.device(f"ep={name}")
    assert code == 0
    target = wait_for(lambda: target_of(bench)["failed"] >= before + 2 and target_of(bench), "two tries")
    assert target["away"] and "certificate" in target["error"].lower(), target
    assert side.receiver.of(name) == [] and messages(bench)[0]["attempts"] == 0
    use(bench, outbox_conf(side.folder))
    delivered(side, name, key_of(events))


@pytest.fixture
def system_authorities(bench, side):
    """What the appliance finds in /etc/ssl/certs, instead of what is there: the authority that no target names."""
    folder = side.folder / "system"
    folder.mkdir()
    for name in ("nobody.pem", "ca-certificates.crt"):
        shutil.copy(side.folder / "nobody.pem", folder / name)
    subprocess.run(["openssl", "rehash", folder], check=True, capture_output=True)
    inside = ["nsenter", "--mount", "--target", str(bench.process.pid)]
    subprocess.run([*inside, "mount", "--bind", folder, "/etc/ssl/certs"], check=True)
    yield
    subprocess.run([*inside, "umount", "/etc/ssl/certs"], check=True)


def test_where_an_authority_is_named_those_of_the_system_do_not_count(bench, side, system_authorities):
    name = f"ep-{next(NUMBERS)}"
    named = outbox_conf(side.folder, {"port": 8444})
    use(bench, named)
    before = target_of(bench)["failed"]
    code, events = bench.device(f"ep={name}")
    assert code == 0
    target = wait_for(lambda: target_of(bench)["failed"] >= before + 2 and target_of(bench), "two tries")
    assert "certificate" in target["error"].lower() and side.receiver.of(name) == [], target
    use(bench, re.sub(r' authority = "[^"]*";', "", named))
    delivered(side, name, key_of(events))


def test_a_server_that_was_away_gets_all_in_the_order_of_each_device(bench, side):
    """Long after every pause has grown to its bound; nothing counts as refused meanwhile."""
    names = [f"ep-{next(NUMBERS)}" for _ in range(3)]
    before = target_of(bench)["failed"]
    side.nginx.stop()
    keys = {name: [] for name in names}
    for _ in range(2):
        for name in names:
            code, events = bench.device(f"ep={name}")
            assert code == 0
            keys[name].append(key_of(events).hex())
    wait_for(lambda: target_of(bench)["failed"] >= before + 7, "tries until the pause is at its bound", 60)
    assert len(messages(bench)) == 6 and {m["attempts"] for m in messages(bench)} == {0}
    side.nginx.start()
    for name in names:
        delivered(side, name, bytes.fromhex(keys[name][-1]))
        assert [told["tls"]["details"]["key"] for told in side.receiver.of(name)] == keys[name]


def test_a_slow_server_holds_up_no_other_target(bench, side):
    name = f"ep-{next(NUMBERS)}"
    use(bench, outbox_conf(side.folder, {"name": "slow", "body": "outbox/coiote.json"}, {}))
    held = threading.Event()
    
    def answer(request):
        if b"dtlsIdentity" in request.body:
            held.wait(30)
        return 204, {}
    side.receiver.say(answer)
    code, events = bench.device(f"ep={name}")
    wait_for(lambda: any("tls" in told for told in side.receiver.of(name)), "the other target")
    assert not any("properties" in told for told in side.receiver.of(name))
    held.set()
    wait_for(lambda: any("properties" in told for told in side.receiver.of(name)), "the slow one")


# ---- before the Finish ----

def test_a_device_waits_before_its_finish_until_the_server_has_its_key(bench, side):
    name, order = f"ep-{next(NUMBERS)}", []
    use(bench, outbox_conf(side.folder, {"confirm": "before-finish"}))
    held = threading.Event()

    def hold(request):
        order.append("asked")
        held.wait(30)
        return 204, {}
    side.receiver.say(hold)
    done = []
    device = threading.Thread(target=lambda: done.append(bench.device(f"ep={name}")))
    device.start()
    wait_for(lambda: order, "the server to be asked")
    assert not done and report_of(bench, name)["status"] == "InProgress"
    held.set()
    device.join(60)
    code, events = done[0]
    assert code == 0 and side.receiver.of(name)[-1]["tls"]["details"]["key"] == key_of(events).hex()
    assert len(order) == 1
    wait_for(lambda: report_of(bench, name)["status"] == "Success", "the report")


@pytest.mark.parametrize("on_timeout", ["finish", "fail"])
def test_a_server_that_does_not_answer_in_time_decides_as_it_is_set(bench, side, on_timeout):
    name = f"ep-{next(NUMBERS)}"
    use(bench, outbox_conf(side.folder, {"confirm": "before-finish", "timeout": 1, "on_timeout": on_timeout}))
    side.receiver.say(lambda request: (503, {}))
    code, events = bench.device("-t", 5, f"ep={name}")
    finished = [e for e in operations(events) if e["path"] == "/bs"]
    if on_timeout == "finish":
        assert code == 0 and finished
        side.receiver.say(None)
        delivered(side, name, key_of(events))
    else:
        assert code != 0 and not finished
        report = wait_for(lambda: (report_of(bench, name) or {}).get("status") == "Error" and report_of(bench, name),
                          "the report")
        assert "credentials were not delivered in time" in report["summary"]
        wait_for(lambda: messages(bench) == [], "the key to be withdrawn")
        side.receiver.say(None)
        code, events = bench.device(f"ep={name}")
        delivered(side, name, key_of(events))
        assert len(side.receiver.of(name)) == 1


# ---- events ----

def test_events_come_as_webhooks(bench, side):
    name = f"ep-{next(NUMBERS)}"
    events = "bootstrapped, unknown, rejected, failed"
    use(bench, outbox_conf(side.folder, {"name": "operations", "events": events})
        .replace('body = "outbox/leshan.json";', ""))
    assert bench.device(f"ep={name}")[0] == 0
    bench.device("ep=nobody-of-ours")

    def told(event):
        return [t for t in side.receiver.of(event) if t["event"] == event]
    wait_for(lambda: told("bootstrapped") and told("unknown"), "two events")
    event = told("bootstrapped")[-1]
    assert event["endpoint"] == name and event["key_hex"] == "" and re.fullmatch(r"\d{4}-.*Z", event["time"])
    assert told("unknown")[-1]["endpoint"] == "nobody-of-ours"


def events_conf(side, events, *others):
    """A target of events with the body that there is without a template, behind others."""
    return outbox_conf(side.folder, *others, {"name": "operations", "events": events, "body": "none"}).replace(
        'body = "none";', "")


def told(side, event):
    return [body for body in side.receiver.of(event) if body["event"] == event]


def outbox_counters(daemon):
    return daemon.result("status")["outbox"]["counters"]


def test_a_run_that_fails_comes_as_a_webhook_that_says_why(bench, side):
    name = f"ep-{next(NUMBERS)}"
    use(bench, events_conf(side, "bootstrapped, failed"))
    assert bench.device(f"ep={name}", "-r", "1=4.00")[0] != 0
    event = wait_for(lambda: told(side, "failed"), "the event")[-1]
    assert event["endpoint"] == name and "4.00" in event["summary"], event
    assert told(side, "bootstrapped") == []


def test_a_device_that_is_rejected_comes_as_a_webhook_that_says_why(bench, side):
    name = f"ep-{next(NUMBERS)}"
    use(bench, events_conf(side, "unknown, rejected"))
    assert bench.device("-i", name, "-k", "a-key-of-nobody-01", "-t", 20, f"ep={name}", port=5684)[0] != 0
    event = wait_for(lambda: told(side, "rejected"), "the event")[-1]
    assert (event["endpoint"], event["summary"]) == (name, "wrong key")
    assert event["key_hex"] == "" and told(side, "unknown") == []


def test_a_full_outbox_refuses_runs_that_make_keys_and_drops_events_at_half(bench, side):
    """16 messages, and 8 targets that get none: after one run it is half full, after two it is full."""
    first, second, third = (f"ep-{next(NUMBERS)}" for _ in range(3))
    use(bench, "max_messages = 16;\n" +
        events_conf(side, "bootstrapped", *({"name": f"server-{i}"} for i in range(8))))
    side.receiver.say(lambda request: (503, {}))
    before = outbox_counters(bench)

    def since(counter):
        return outbox_counters(bench)[counter] - before[counter]
    assert bench.device(f"ep={first}")[0] == 0
    wait_for(lambda: since("outbox_events_dropped") == 1, "the event to be dropped")
    assert len(messages(bench)) == 8 and since("outbox_full") == 0
    assert bench.device(f"ep={second}")[0] == 0
    assert len(messages(bench)) == 16
    code, events = bench.device(f"ep={third}")
    assert code != 0 and operations(events) == []
    assert [event["code"] for event in events if event["event"] == "reply"] == ["5.03"], events
    assert since("outbox_full") >= 1 and len(messages(bench)) == 16
    wait_for(lambda: "the outbox is full" in bench.log(), "the log")
    assert bench.device("ep=keyless")[0] == 0, "a run that makes no key has nothing to put"
    # There is room again: it is served.
    side.receiver.say(None)
    wait_for(lambda: messages(bench) == [], "the outbox to be empty")
    code, events = bench.device(f"ep={third}")
    assert code == 0

    def keys():
        return [body["tls"]["details"]["key"] for body in side.receiver.of(third) if "tls" in body]
    wait_for(lambda: keys() == [key_of(events).hex()] * 8, "the key at all targets")


def test_of_devices_from_outside_so_many_a_second_are_told(bench, side, network):
    """Anybody can make such events. However slow this machine is: one a second at most is told, the others are counted."""
    use(bench, "outsiders_per_s = 1;\n" + events_conf(side, "unknown"))
    before, began, sock, names = outbox_counters(bench), time.monotonic(), network.udp(socket.AF_INET), itertools.count()

    def knock(times):
        for _ in range(times):
            sock.sendto(coap.request(queries=[f"ep=outside-{next(names)}"]), (SERVER4, 5683))

    def counted():
        now = outbox_counters(bench)
        return [now[name] - before[name] for name in ("outbox_put", "outbox_outsiders_dropped")]
    knock(12)
    wait_for(lambda: sum(counted()) == 12, "all to be counted")
    assert counted()[1] >= 1

    def one_is_told():  # not at once, if somebody was told of just before
        knock(1)
        return told(side, "unknown")
    wait_for(one_is_told, "one to be told")
    assert {event["summary"] for event in told(side, "unknown")} == {"not in the inventory"}
    # A second that has begun at either end counts, too.
    assert len(told(side, "unknown")) <= time.monotonic() - began + 2


# ---- what is refused ----

def test_a_wrong_file_is_refused_whole_and_the_old_one_serves(bench, side):
    name = f"ep-{next(NUMBERS)}"
    bench.write("outbox.conf", outbox_conf(side.folder, {"name": "a", "port": 8443, "events": "credential"},
                                           {"name": "a", "body": "outbox/none.json"}))
    for argv in (("check",), ("reload",)):
        done = bench.ctl(*argv)
        text = done.stdout + done.stderr
        assert done.returncode == 1, text
        assert 'did you mean "credentials"' in text and "target a is duplicated" in text and "none.json" in text
    code, events = bench.device(f"ep={name}")
    delivered(side, name, key_of(events))
    use(bench, outbox_conf(side.folder))


# ---- crashes ----

def kill(daemon):
    daemon.process.kill()
    daemon.process.wait()


@pytest.mark.parametrize("moment", ["asked", "written", "finished", "answering", "delivered"])
def test_whenever_it_is_killed_no_key_of_a_device_that_finished_is_lost(bench, side, moment):
    """Between any two steps: a device that has finished has a key that its server gets; copies have one key."""
    name = f"ep-{next(NUMBERS)}"
    use(bench, outbox_conf(side.folder, {"confirm": "before-finish" if moment == "asked" else "stored"}))
    seen, held = [], threading.Event()

    def answer(request):
        seen.append((request.headers["Idempotency-Key"], request.body))
        if not held.is_set() and moment in ("asked", "answering"):
            held.wait(30)
        return (204, {}) if moment in ("delivered", "asked", "answering") or held.is_set() else (503, {})
    side.receiver.say(answer)
    done = []
    device = threading.Thread(target=lambda: done.append(bench.device("-t", 8, f"ep={name}")))
    device.start()
    if moment == "written":
        wait_for(lambda: messages(bench), "the key in the store")
    elif moment == "finished":
        device.join(60)
    else:
        wait_for(lambda: seen, "the server to be asked")
    kill(bench)
    held.set()
    bench.start()
    device.join(120)
    code, events = done[0]
    if code == 0:
        delivered(side, name, key_of(events))
    by_key = collections.defaultdict(set)
    for key, body in seen:
        by_key[body].add(key)
    assert all(len(keys) == 1 for keys in by_key.values())
    wait_for(lambda: messages(bench) == [], "the outbox to be empty")


def test_a_device_that_is_removed_while_it_waits_takes_its_key_with_it(bench, side):
    name = f"ep-{next(NUMBERS)}"
    use(bench, outbox_conf(side.folder, {"confirm": "before-finish", "timeout": 60}))
    side.receiver.say(lambda request: (503, {}))
    device = threading.Thread(target=lambda: bench.device("-t", 5, f"ep={name}"))
    device.start()
    wait_for(lambda: messages(bench), "the key in the store")
    assert bench.ctl("device", "remove", name).returncode == 0
    wait_for(lambda: messages(bench) == [], "the key to be withdrawn")
    device.join(60)
    side.receiver.say(None)
    assert bench.result("status")["outbox"]["counters"]["outbox_withdrawn"] >= 1
