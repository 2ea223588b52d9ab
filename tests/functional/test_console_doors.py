"""Other ways into the console than a password: a client certificate, and the name that a trusted proxy vouches for."""
import json
import ssl
import subprocess

import pytest

from console import PASSWORD, Console, Person
from test_web import Appliance


@pytest.fixture
def console(build, tmp_path, users_file):
    appliance = Appliance(tmp_path / "control.sock")
    started = []

    def start(settings):
        one = Console(build, tmp_path, str(tmp_path / "control.sock"), users_file, settings)
        one.user("add", "carol", "--other", "--role", "operator")
        started.append(one)
        return one
    yield start
    for one in started:
        assert one.stop() == 0, one.log
    appliance.close()


PROXY = 'proxy = {{ addresses = "{}"; user_header = "X-Remote-User"; }};\n'


def test_a_trusted_proxy_names_the_user(console):
    one = console(PROXY.format("127.0.0.1"))
    person = one.person()
    named = {"X-Remote-User": "carol"}
    assert person.send("GET", "/session", headers=named).json == {"name": "carol", "role": "operator", "version": "0.1.0"}
    assert person.send("POST", "/session", headers=named).status == 201  # a login without a password
    # Not of those who have passwords of their own, nor of nobody.
    for name in ("otto", "nobody", "", "carol\x00"):
        with_name = {"X-Remote-User": name.replace("\x00", "%00")}
        assert person.send("GET", "/status", headers=with_name).status == 401, name
    assert person.send("GET", "/status").status == 401
    # What a browser sends by itself, for another site, changes nothing.
    assert person.send("POST", "/tasks/x/pause", headers={**named, "Sec-Fetch-Site": "cross-site"}).status == 403


@pytest.mark.parametrize("addresses", ["192.0.2.1", "10.0.0.0/8, ::2"])
def test_nobody_else_names_a_user(console, addresses):
    one = console(PROXY.format(addresses))
    person = one.person()
    for headers in ({"X-Remote-User": "carol"}, {"X-Remote-User": "carol", "X-Forwarded-For": "192.0.2.1"}):
        assert person.send("GET", "/session", headers=headers).status == 401
    assert person.login("otto").status == 201


def openssl(*words):
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


@pytest.fixture
def authority(tmp_path):
    """Files NAME.pem and NAME.key: of two authorities, the server, and people."""
    for name in ("ca", "other"):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "9", "-subj", f"/CN={name}",
                "-keyout", tmp_path / f"{name}.key", "-out", tmp_path / f"{name}.pem")

    def issue(name, file, by="ca", usage="clientAuth"):
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                "-keyout", tmp_path / f"{file}.key", "-out", tmp_path / f"{file}.csr")
        (tmp_path / f"{file}.ext").write_text(f"extendedKeyUsage={usage}\nsubjectAltName=DNS:localhost\n")
        openssl("x509", "-req", "-in", tmp_path / f"{file}.csr", "-CA", tmp_path / f"{by}.pem", "-CAkey", tmp_path / f"{by}.key",
                "-CAcreateserial", "-days", "9", "-extfile", tmp_path / f"{file}.ext", "-out", tmp_path / f"{file}.pem")
    issue("localhost", "server", usage="serverAuth")
    issue("carol", "carol")
    issue("otto", "otto")
    issue("carol", "forged", by="other")
    return tmp_path


def ask(one, folder, certificate=None, request="GET /api/v1/session HTTP/1.0\r\n\r\n"):
    context = ssl.create_default_context(cafile=folder / "ca.pem")
    if certificate:
        context.load_cert_chain(folder / f"{certificate}.pem", folder / f"{certificate}.key")
    with context.wrap_socket(one.connect(), server_hostname="localhost") as client:
        client.sendall(request.encode())
        text = b"".join(iter(lambda: client.recv(65536), b"")).decode()
    head, _, body = text.partition("\r\n\r\n")
    return int(head.split()[1]), head, body


def test_a_client_certificate_names_the_user(console, authority):
    one = console('tls = { certificate = "server.pem"; key = "server.key"; client_authority = "ca.pem"; };\n')
    status, _, body = ask(one, authority, "carol")
    assert status == 200 and json.loads(body)["name"] == "carol"
    assert ask(one, authority)[0] == 401
    assert ask(one, authority, "otto")[0] == 401  # who has a password does not come by a certificate
    try:
        assert ask(one, authority, "forged")[0] == 401
    except (ssl.SSLError, ConnectionError):
        pass  # the library ends it before
    # With TLS a cookie is for TLS alone.
    body = json.dumps({"name": "otto", "password": PASSWORD})
    status, head, _ = ask(one, authority, request="POST /api/v1/session HTTP/1.0\r\nContent-Type: application/json\r\n"
                          f"Content-Length: {len(body)}\r\n\r\n{body}")
    assert status == 201 and "Set-Cookie: __Host-cradle=" in head and "; Secure" in head


@pytest.mark.parametrize("settings, told", [
    ('tls = { client_authority = "ca.pem"; };', "needs certificate and key"),
    ('proxy = { user_header = "X-User"; };', "needs proxy.addresses"),
    ('tls = { certificate = "server.pem"; key = "server.key"; client_authority = "server.key"; };', "no certificate of an authority")])
def test_doors_that_cannot_be_are_said_before_it_starts(build, authority, settings, told):
    (authority / "bad.conf").write_text(settings)
    done = subprocess.run([f"{build}/tools/web/cradle-web", "--check", "-c", authority / "bad.conf"], text=True, capture_output=True)
    assert done.returncode == 1 and told in done.stderr, done.stderr


def test_a_password_is_asked_for_without_a_person(console):
    """Neither a certificate nor a proxy: a login without a body is none."""
    one = console("")
    assert Person(one.port).send("POST", "/session").status == 401
