"""cradle-web: metrics and health over HTTP, for friendly collectors and for clients that mean harm."""
import contextlib
import http.client
import json
import os
import pathlib
import re
import resource
import signal
import socket
import ssl
import struct
import subprocess
import threading
import time
import urllib.parse

import pytest
import yaml
from conftest import ROOT, wait_for
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

OPENMETRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}
STATUS = {"version": "9", "state": "running", "devices": 7, "uptime_s": 3, "store": {"healthy": True, "bytes": 5},
          "certificates": {"own": {"subject": "/CN=bs", "ends_s": 1900000000}, "crl": {"subject": "/CN=ca", "ends_s": 1800000000},
                           "created": {"made": 3, "over_rate": 2, "full": 0, "failed": 1}},
          "workers": [{"worker": 0, "running": 2, "lingering": 3, "capacity": 64, "busy_percent": 25.0, "turns": 9}],
          "ports": [{"device": 'net_tap0,iface="x\\y"', "link_up": True, "rx_missed": 4}]}


class Appliance:
    """The control protocol, played: one thread a connection; `answers` maps a command's first word to an answer."""

    def __init__(self, path):
        self.path, self.asked, self.connections = str(path), [], []
        self.answers = {"status": {"exit": 0, "result": STATUS},
                        "stats": {"exit": 0, "result": {"counters": {"bs_finished": 5, "dtls_rx_bad_tag": 2}}},
                        "phases": {"exit": 0, "result": {"total": {"count": 3, "sum_us": 2001000,
                                                                   "buckets": [[1024, 1], [1048576, 2]]}}}}
        self.delay = threading.Event()
        self.delay.set()
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(64)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                self.connections.append(connection)
                threading.Thread(target=self.serve, args=[connection], daemon=True).start()

    def serve(self, connection):
        data = b""
        with contextlib.suppress(OSError):
            while more := connection.recv(65536):
                data += more
                while len(data) >= 4 and len(data) >= 4 + (size := struct.unpack(">I", data[:4])[0]):
                    request, data = json.loads(data[4:4 + size]), data[4 + size:]
                    self.asked.append(request["argv"])
                    self.delay.wait()
                    answer = self.answers[request["argv"][0]]
                    if not isinstance(answer, bytes):
                        body = json.dumps({"v": 1, **answer}).encode()
                        answer = struct.pack(">I", len(body)) + body
                    connection.sendall(answer)

    def close(self):
        self.delay.set()
        # A listener that another thread waits on is only woken by this.
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        os.unlink(self.path)


class Web:
    """The program, listening on a free port of loopback."""

    def __init__(self, build, folder, settings="", control=None, program=None, **options):
        if "console =" not in settings:
            settings += f'console = {{ folder = "{ROOT}/tools/web/console"; users = "{folder}/users"; }};\n'
        self.program, self.folder = program or f"{build}/tools/web/cradle-web", folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.control = control or str(folder / "control.sock")
        self.file = folder / "cradle-web.conf"
        self.file.write_text(f'listen = "127.0.0.1:{self.port}";\n'
                             f'appliance = {{ socket = "{self.control}"; timeout_ms = 500; }};\n' + settings)
        self.start(**options)

    def start(self, **options):
        self.process = subprocess.Popen([self.program, "-c", self.file], stderr=subprocess.PIPE, **options)

        def up():
            assert self.process.poll() is None, self.process.stderr.read().decode()
            with contextlib.suppress(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", self.port)).close()
                return True
        wait_for(up, "cradle-web to listen")

    def get(self, path, headers=None, method="GET", body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            answer.text = answer.read().decode()
            return answer

    def metrics(self):
        return {(s.name, tuple(sorted(s.labels.items()))): s.value
                for family in parse_openmetrics(self.get("/metrics", OPENMETRICS).text) for s in family.samples}

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.log = self.process.communicate(timeout=20)[1].decode()
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        return self.process.returncode


@pytest.fixture
def appliance(tmp_path):
    one = Appliance(tmp_path / "control.sock")
    yield one
    one.close()


@pytest.fixture
def web(build, tmp_path):
    started = []

    def start(settings="", **options):
        started.append(Web(build, tmp_path, settings, **options))
        return started[-1]
    yield start
    for one in started:
        if one.process.poll() is None:
            assert one.stop() == 0, one.log


def test_openmetrics_are_read_by_a_strict_parser(web, appliance):
    answer = web().get("/metrics", OPENMETRICS)
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    families = {f.name: f for f in parse_openmetrics(answer.text)}
    assert families["cradle_bootstraps"].type == "counter"
    assert families["cradle_build"].samples[0].labels["version"] == "9"
    assert families["cradle_up"].samples[0].value == 1
    assert families["cradle_worker_busy_ratio"].samples[0].value == 0.25
    buckets = {(s.labels.get("phase"), s.labels.get("le")): s.value
               for s in families["cradle_bootstrap_duration_seconds"].samples}
    assert buckets[("total", "0.001024")] == 1 and buckets[("total", "0.524288")] == 1
    assert buckets[("total", "1.048576")] == buckets[("total", "268.435456")] == buckets[("total", "+Inf")] == 3
    assert buckets[("handshake", "+Inf")] == 0
    port = families["cradle_port_up"].samples[0]
    assert port.labels == {"device": 'net_tap0,iface="x\\y"'} and port.value == 1
    ends = {s.labels["kind"]: s.value for s in families["cradle_certificate_expiry_timestamp_seconds"].samples}
    assert ends == {"own": 1900000000, "crl": 1800000000}
    created = {s.labels["outcome"]: s.value for s in families["cradle_certificate_devices"].samples}
    assert created == {"made": 3, "over_rate": 2, "full": 0, "failed": 1}
    assert answer.text.endswith("# EOF\n")


def test_the_text_format_is_what_everybody_else_gets(web, appliance):
    answer = web().get("/metrics", {"Accept": "text/html, */*;q=0.1"})
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    samples = {s.name: s.value for f in parse_text(answer.text) for s in f.samples}
    assert samples["cradle_bootstraps_total"] == 5 and samples["cradle_devices"] == 7
    check = subprocess.run(["promtool", "check", "metrics"], input=answer.text, text=True, capture_output=True)
    assert check.returncode == 0, check.stdout + check.stderr


def test_an_absent_appliance_is_said_and_blocks_nobody(web, tmp_path):
    one = web()
    assert one.metrics()[("cradle_up", ())] == 0
    health = one.get("/health")
    assert health.status == 503 and json.loads(health.text) == {"state": "unreachable"}
    appliance = Appliance(one.control)
    wait_for(lambda: one.get("/health").status == 200, "the appliance to be found")
    appliance.close()
    wait_for(lambda: one.get("/health").status == 503, "the appliance to be missed")


def test_a_silent_appliance_is_given_up_and_others_are_served_meanwhile(web, appliance):
    appliance.delay.clear()
    one = web()
    slow = one.connect()
    slow.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
    wait_for(lambda: appliance.asked, "the appliance to be asked")
    assert one.get("/nothing").status == 404  # while the other waits
    assert b"503" in slow.recv(4096)
    slow.close()
    appliance.delay.set()
    wait_for(lambda: one.get("/health").status == 200, "the appliance to be found again")


@pytest.mark.parametrize("answer", [b"\0\0\0\2[]", b"\xff\xff\xff\xff", struct.pack(">I", 22) + b'{"v":1,"want":"read" }',
                                    {"exit": 1, "error": "no"}, {"exit": 0}, {"exit": 0, "result": {"state": 5}}])
def test_an_appliance_that_talks_garbage_is_unreachable(web, appliance, answer):
    one = web()
    appliance.answers["status"] = answer
    assert one.get("/health").status == 503
    one.metrics()
    appliance.answers["status"] = {"exit": 0, "result": STATUS}
    wait_for(lambda: one.get("/health").status == 200, "the appliance to be understood again")


def test_a_draining_appliance_wants_no_devices(web, appliance):
    appliance.answers["status"] = {"exit": 0, "result": dict(STATUS, state="draining")}
    one = web()
    assert one.get("/health").status == 503 and one.metrics()[("cradle_draining", ())] == 1


def test_a_crowd_asks_the_appliance_once(web, appliance):
    appliance.delay.clear()
    one = web("limits = { connections_per_address = 1000; };\n")
    crowd = [one.connect() for _ in range(100)]
    for client in crowd:
        client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
    wait_for(lambda: appliance.asked, "the appliance to be asked")
    appliance.delay.set()
    for client in crowd:
        assert client.recv(65536).startswith(b"HTTP/1.")
        client.close()
    # Those that came in behind the answer may have asked for the next one.
    assert appliance.asked.count(["status"]) <= 2


@pytest.mark.parametrize("request_line, status", [
    ("POST /metrics", 405), ("PUT /health", 405), ("DELETE /metrics", 405), ("OPTIONS /metrics", 405),
    ("GET /nothing", 404), ("GET /metrics/", 404), ("GET //metrics", 404), ("GET /metrics/../health", 404),
    ("GET /metrics?x=1", 200), ("HEAD /metrics", 200)])
def test_only_what_is_served_is_served(web, appliance, request_line, status):
    method, path = request_line.split()
    answer = web().get(path, method=method)
    assert answer.status == status
    if status == 405:
        assert answer.headers["Allow"] == "GET, HEAD"
    if status >= 400:
        assert json.loads(answer.text)["error"]
    if method == "HEAD":
        assert not answer.text


def test_bodies_are_refused(web, appliance):
    one = web()
    assert one.get("/metrics", body=b"x" * 100).status == 413
    with one.connect() as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert b" 413 " in client.recv(4096)


@pytest.mark.parametrize("request_bytes", [
    b"GET /metrics HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 60000 + b"\r\n\r\n",
    b"GET /" + b"a" * 60000 + b" HTTP/1.1\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\n" + b"".join(b"X%d: y\r\n" % i for i in range(9000)) + b"\r\n",
    b"\0\1\2\3\r\n\r\n", b"\r\n" * 5000, b"GET\r\n\r\n", b"GET /metrics HTTP/9.9\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nContent-Length: -1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"])
def test_hostile_heads_are_refused_and_nobody_else_notices(web, appliance, request_bytes):
    one = web("limits = { timeout_s = 1; };\n")
    with one.connect() as client:
        # It may close before it has read all.
        with contextlib.suppress(ConnectionError):
            client.sendall(request_bytes)
        with contextlib.suppress(ConnectionError):
            answer = client.recv(65536)
            assert not answer or answer.startswith(b"HTTP/1.") and b" 200 " not in answer.split(b"\r\n")[0]
    assert one.get("/health").status == 200


def test_a_byte_now_and_then_does_not_hold_a_connection(web, appliance):
    one = web("limits = { timeout_s = 1; };\n")
    head = b"GET /metrics HTTP/1.1\r\nHost: x\r\nX-Slow: "
    with one.connect() as client:
        client.setblocking(False)
        gone = False
        # The time runs from connecting, whatever arrives; a byte each turn would keep an idle time-out from ever coming.
        for i in range(300):
            try:
                client.send(head[i:i + 1] if i < len(head) else b"a")
                if client.recv(1) == b"":
                    gone = True
            except BlockingIOError:
                time.sleep(0.05)
            except ConnectionError:
                gone = True
            if gone:
                break
        assert gone
    assert one.metrics()[("cradle_web_connections_timed_out_total", ())] >= 1


def test_an_answer_that_is_not_read_is_given_up(web, appliance):
    # More than socket buffers take, so that the program must wait for the reader; time for the test's own look at it.
    counters = {f"bs_event_{i}" + "x" * 200: i for i in range(40000)}
    appliance.answers["stats"] = {"exit": 0, "result": {"counters": counters}}
    one = web("limits = { timeout_s = 5; };\n")
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", one.port))
        client.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")

        def cut():
            return 'cradle_web_connections_timed_out_total 0' not in one.get("/metrics", OPENMETRICS).text
        wait_for(cut, "the connection to be cut", 60)
        assert one.get("/health").status == 200


def test_a_thousand_idle_connections_leave_room_for_collectors(web, appliance):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    one = web("limits = { connections_per_address = 1100; };\n")
    idle = [one.connect() for _ in range(1000)]
    for client in idle[::2]:
        client.sendall(b"GET /met")
    assert wait_for(lambda: one.metrics()[("cradle_web_connections", ())] >= 1001 or None, "them to be counted")
    assert one.get("/health").status == 200
    # Idle ones cost nothing: no processor time passes while nobody asks.
    before = cpu_ticks(one.process.pid)
    time.sleep(1)
    assert cpu_ticks(one.process.pid) - before <= 5
    for client in idle:
        client.close()
    wait_for(lambda: one.metrics()[("cradle_web_connections", ())] < 10, "them to be gone")
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def cpu_ticks(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def test_too_many_of_one_address_are_not_let_in(web, appliance):
    one = web("limits = { connections_per_address = 10; timeout_s = 2; };\n")
    clients = [one.connect() for _ in range(50)]
    try:
        for client in clients:
            with contextlib.suppress(ConnectionError):
                client.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        answered = 0
        for client in clients:
            with contextlib.suppress(ConnectionError):
                answered += client.recv(4096).startswith(b"HTTP/1.1 200")
        assert answered == 10
    finally:
        for client in clients:
            client.close()


def test_metrics_are_for_addresses_and_tokens(web, appliance, tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text("0123456789abcdef\n")
    tokens.chmod(0o600)
    one = web('metrics = { allow = ""; token_file = "tokens"; };\n')
    refused = one.get("/metrics")
    assert refused.status == 401 and refused.headers["WWW-Authenticate"] == "Bearer"
    assert one.get("/metrics", {"Authorization": "Bearer 0123456789abcdeX"}).status == 401
    assert one.get("/metrics", {"Authorization": "Bearer 0123456789abcdef"}).status == 200
    assert one.get("/health").status == 200
    assert "0123456789abcdef" not in (one.stop(), one.log)[1]


def test_a_proxy_on_the_same_machine_does_not_open_the_door(web, appliance):
    one = web()
    assert one.get("/metrics").status == 200
    assert one.get("/metrics", {"X-Forwarded-For": "127.0.0.1"}).status == 403
    one.stop()
    one = web('proxy = { addresses = "127.0.0.1"; };\nmetrics = { allow = "192.0.2.0/24"; };\n')
    assert one.get("/metrics").status == 403
    assert one.get("/metrics", {"X-Forwarded-For": "192.0.2.1, 198.51.100.1"}).status == 403
    assert one.get("/metrics", {"X-Forwarded-For": "198.51.100.1, 192.0.2.1"}).status == 200


def test_it_speaks_tls_by_itself(web, appliance, tmp_path):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "9",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", tmp_path / "key.pem",
                    "-out", tmp_path / "cert.pem"], check=True, capture_output=True)
    one = web('tls = { certificate = "cert.pem"; key = "key.pem"; };\nlimits = { timeout_s = 2; };\n')
    context = ssl.create_default_context(cafile=tmp_path / "cert.pem")
    with context.wrap_socket(one.connect(), server_hostname="localhost") as client:
        assert client.version() == "TLSv1.3"
        client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        text = b"".join(iter(lambda: client.recv(65536), b"")).decode()
    expiry = [line for line in text.splitlines() if line.startswith("cradle_web_certificate_expiry_timestamp_seconds ")]
    assert 8 * 86400 < float(expiry[0].split()[1]) - time.time() < 9.1 * 86400
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    with pytest.deprecated_call():
        old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)), one.connect() as client:
        old.wrap_socket(client, server_hostname="localhost")
    # A handshake that never ends is cut like every slow request.
    with one.connect() as client:
        client.sendall(b"\x16\x03\x01")
        assert client.recv(100) == b""


def test_what_is_wrong_is_said_before_it_starts(build, tmp_path):
    def check(text):
        (tmp_path / "web.conf").write_text(text)
        return subprocess.run([f"{build}/tools/web/cradle-web", "--check", "-c", tmp_path / "web.conf"], text=True,
                              capture_output=True)
    assert check("").returncode == 0
    for text, told in (('listen = "localhost";', "no address and port"), ('listen = "::1:80";', "no address and port"),
                       ('listen = "127.0.0.1:99999";', "no address and port"),
                       ('metrics = { allow = "10.0.0.0/33"; };', '"10.0.0.0/33" is no address'),
                       ('metrics = { token_file = "none"; };', "cannot be read"),
                       ('tls = { certificate = "a"; key = "b"; };', "cannot be read"),
                       ('tls = { certificate = "web.conf"; key = "web.conf"; };', "cannot be used")):
        done = check(text)
        assert done.returncode == 1 and told in done.stderr, done.stderr
    taken = socket.create_server(("127.0.0.1", 0))
    (tmp_path / "web.conf").write_text(f'listen = "127.0.0.1:{taken.getsockname()[1]}";')
    done = subprocess.run([f"{build}/tools/web/cradle-web", "-c", tmp_path / "web.conf"], text=True, capture_output=True)
    assert done.returncode == 1 and "Address already in use" in done.stderr
    taken.close()


def test_the_unit_gives_it_no_privileges(build, tmp_path):
    unit = (pathlib.Path(build) / "conf/cradle-web.service").read_text()
    for line in ("CapabilityBoundingSet=\n", "DynamicUser=yes", "StateDirectory=cradle-web", "ProtectSystem=strict", "PrivateUsers=yes",
                 "NoNewPrivileges=yes", "SystemCallFilter=@system-service"):
        assert line in unit
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=20",
                           pathlib.Path(build) / "conf/cradle-web.service"], text=True, capture_output=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr


def test_real_metrics_of_a_bootstrap(web, daemon):
    one = web(control=daemon.socket)
    before = one.metrics()
    assert before[("cradle_up", ())] == 1 and before[("cradle_devices", ())] >= 1
    code, _ = daemon.device("ep=demo-0001")
    assert code == 0

    def grown(name, **labels):
        key = (name, tuple(sorted(labels.items())))
        return one.metrics()[key] - before[key]
    wait_for(lambda: grown("cradle_bootstraps_total", outcome="finished") == 1, "the bootstrap to be counted")
    for phase in ("request", "writes", "finish", "total"):
        assert grown("cradle_bootstrap_duration_seconds_count", phase=phase) == 1
    assert grown("cradle_bootstrap_duration_seconds_sum", phase="total") < 60
    assert grown("cradle_worker_busy_turn_seconds_count") > 0
    assert grown("cradle_control_turn_seconds_count") > 0
    check = subprocess.run(["promtool", "check", "metrics"], input=one.get("/metrics").text, text=True, capture_output=True)
    assert check.returncode == 0, check.stdout + check.stderr
    assert not any(name.startswith("cradle_events") for name, _ in one.metrics())


# --- what is shipped for collectors ---

METRICS = ROOT / "conf/metrics"


def test_the_shipped_rules_hold_for_prometheus():
    for words in (["check", "config", "prometheus.yml"], ["test", "rules", "alerts_test.yml"]):
        done = subprocess.run(["promtool", *words], cwd=METRICS, text=True, capture_output=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_a_case_that_fires_and_one_that_does_not():
    groups = yaml.safe_load((METRICS / "alerts.yml").read_text())["groups"]
    alerts = {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule}
    cases = [case for test in yaml.safe_load((METRICS / "alerts_test.yml").read_text())["tests"]
             for case in test["alert_rule_test"]]
    assert {case["alertname"] for case in cases if case.get("exp_alerts")} == alerts
    assert {case["alertname"] for case in cases if not case.get("exp_alerts")} == alerts


def exported(text):
    return {sample.name for family in parse_text(text) for sample in family.samples}


def test_rules_and_dashboard_name_only_what_is_exported(web, daemon, tmp_path):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "9",
                    "-subj", "/CN=x", "-keyout", tmp_path / "key.pem", "-out", tmp_path / "cert.pem"], check=True,
                   capture_output=True)
    one = web('tls = { certificate = "cert.pem"; key = "key.pem"; };\n', control=daemon.socket)
    with ssl._create_unverified_context().wrap_socket(one.connect()) as client:
        client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        names = exported(b"".join(iter(lambda: client.recv(65536), b"")).decode().split("\r\n\r\n", 1)[1])
    assert "cradle_web_certificate_expiry_timestamp_seconds" in names
    # Of an appliance that trusts somebody; test_openmetrics_are_read_by_a_strict_parser has one.
    names |= {"cradle_certificate_expiry_timestamp_seconds", "cradle_certificate_devices_total"}
    dashboard = json.loads((METRICS / "grafana-dashboard.json").read_text())
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    expressions += [rule["expr"] for group in yaml.safe_load((METRICS / "alerts.yml").read_text())["groups"]
                    for rule in group["rules"]]
    assert len(expressions) > 30
    for expression in expressions:
        used = set(re.findall(r"\bcradle_[a-z0-9_]+", expression))
        assert used <= names, used - names


def test_prometheus_scrapes_it(web, daemon, tmp_path):
    one = web(control=daemon.socket)
    config = yaml.safe_load((METRICS / "prometheus.yml").read_text())
    config["global"]["scrape_interval"] = config["global"]["evaluation_interval"] = "1s"
    config["scrape_configs"][0]["static_configs"] = [{"targets": [f"127.0.0.1:{one.port}"]}]
    config["rule_files"] = [str(METRICS / "alerts.yml")]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = open(tmp_path / "prometheus.log", "w")
    process = subprocess.Popen(["prometheus", f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/tsdb",
                                f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)

    def query(expression):
        with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", "/api/v1/query?" + urllib.parse.urlencode({"query": expression}))
            return json.loads(connection.getresponse().read()).get("data", {}).get("result")
    try:
        found = wait_for(lambda: query('cradle_devices{job="cradle"}'), "a scrape", 60)
        assert int(found[0]["value"][1]) >= 1
        assert query("up")[0]["value"][1] == "1"
        # It asked for, and understood, OpenMetrics: the type of an info is known to it.
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/api/v1/targets/metadata?metric=cradle_build")
        assert json.loads(connection.getresponse().read())["data"][0]["type"] == "info"
        assert wait_for(lambda: query("cradle:failed:ratio_5m") is not None, "the rules to be evaluated")
    finally:
        process.terminate()
        process.wait(20)
        log.close()
