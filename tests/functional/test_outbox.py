"""The outbox end to end: keys that runs make reach the LwM2M server, a receiver behind nginx, whatever happens on the way."""
import collections
import datetime
import hashlib
import hmac
import http.server
import ipaddress
import json
import os
import re
import subprocess
import threading
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import lwm2m
from conftest import wait_for
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
        daemon.write("policy/groups.conf", 'groups = ( { name = "root"; tasks = ( { name = "account"; '
                     'file = "account.xml"; active = true; } ); } );\n')
        daemon.write("devices.csv", "endpoint,key,groups,value.managementId\n" + "".join(
            f"ep-{i},key-of-ep-{i}-0123456,root,id-of-{i}\n" for i in range(60)))
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
