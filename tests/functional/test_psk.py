"""Bootstrap over DTLS with pre-shared keys: other people's clients, a misbehaving one, and an independent judge."""
import os
import socket
import struct
import subprocess
import time

import pytest

import coap
import lwm2m
from conftest import DEVICE4, SERVER4, SERVER6, wait_for
from dtls_client import (ALERT, APPLICATION, CBC_SHA256, CCM_8, CHANGE_CIPHER_SPEC, HANDSHAKE, Alert, DtlsClient)
from test_nosec import REFERENCE_SECURITY, REFERENCE_SERVER, operations, report_of

IDENTITY, KEY = b"demo-0001", b"demo-key-0001-demo"
PSK = ("-i", IDENTITY.decode(), "-k", KEY.decode())
PATHS = ["/0/2", "/1/0", "/bs"]


def connect(network, identity=IDENTITY, key=KEY, **options):
    return DtlsClient(network.udp(), (SERVER4, 5684), identity, key, **options)


def bootstrap(client, queries=("ep=demo-0001",)):
    """The whole dialogue through an open session; returns the paths written."""
    client.put(coap.request(queries=queries))
    reply = coap.Message(client.get())
    assert reply.text == "2.04", reply.text
    paths = []
    while not paths or paths[-1] != "/bs":
        step = coap.Message(client.get())
        paths.append(step.path)
        client.put(step.answer("2.04"))
    return paths


def silent(client, timeout=0.4):
    try:
        client.receive(timeout)
    except socket.timeout:
        return True
    return False


def moved(daemon, before):
    """Counters that grew, by how much."""
    after = daemon.counters()
    return {name: value - before.get(name, 0) for name, value in after.items() if value != before.get(name, 0)}


# -- other people's clients

@pytest.mark.parametrize("tls", ["openssl", "gnutls"])
@pytest.mark.parametrize("host", [SERVER4, SERVER6])
def test_libcoap_bootstraps(daemon, tls, host):
    code, events = daemon.device(*PSK, "ep=demo-0001", tls=tls, port=5684, host=host)
    assert code == 0, events
    steps = operations(events)
    assert [s["path"] for s in steps] == PATHS
    assert lwm2m.resources(bytes.fromhex(steps[0]["payload"])) == REFERENCE_SECURITY
    assert lwm2m.resources(bytes.fromhex(steps[1]["payload"])) == REFERENCE_SERVER


class Pipe:
    """dtls_pipe: mbedTLS, with its messages in the shape of DtlsClient's put and get."""

    def __init__(self, daemon, *options, key=KEY.decode()):
        self.process = subprocess.Popen(
            daemon.network.command("timeout", 60, f"{daemon.build}/tests/functional/dtls_pipe", *options, SERVER4, 5684,
                                   IDENTITY.decode(), key),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.suite = self.process.stderr.readline().decode().strip()

    def put(self, data):
        self.process.stdin.write(struct.pack(">H", len(data)) + data)
        self.process.stdin.flush()

    def get(self):
        head = self.process.stdout.read(2)
        assert len(head) == 2, self.process.stderr.read()
        return self.process.stdout.read(struct.unpack(">H", head)[0])

    def close(self):
        self.process.stdin.close()
        return self.process.wait(20)


@pytest.mark.parametrize("options", [(), ("-e",), ("-M", "256"), ("-M", "576"), ("-M", "1500")])
def test_mbedtls_bootstraps(daemon, options):
    pipe = Pipe(daemon, *options)
    assert pipe.suite == "TLS-PSK-WITH-AES-128-CCM-8"
    assert bootstrap(pipe) == PATHS
    assert pipe.close() == 0


@pytest.mark.parametrize("options", [(), ("-e",), ("-m",), ("-e", "-m")])
def test_cbc_suite_bootstraps(daemon, options):
    """Mandatory in LwM2M; with and without encrypt-then-MAC and extended master secret."""
    pipe = Pipe(daemon, "-s", "TLS-PSK-WITH-AES-128-CBC-SHA256", *options)
    assert pipe.suite == "TLS-PSK-WITH-AES-128-CBC-SHA256"
    assert bootstrap(pipe) == PATHS
    assert pipe.close() == 0


def rejected(daemon):
    return {item["endpoint"]: item["reason"] for item in daemon.result("device", "rejected")["rejected"]}


def test_who_shows_a_wrong_key_is_listed_until_it_gets_in(daemon, network):
    with pytest.raises(Alert):
        connect(network, IDENTITY, b"wrong").handshake()
    wait_for(lambda: rejected(daemon).get(IDENTITY.decode()) == "wrong key", "the device among the rejected ones")
    assert "wrong key" in daemon.ctl("device", "show", IDENTITY.decode()).stdout
    assert "rejected: 1 device" in daemon.ctl("status").stdout
    assert bootstrap(Pipe(daemon)) == PATHS
    wait_for(lambda: not rejected(daemon), "nobody rejected")


def test_who_asks_for_what_is_not_served_is_listed_with_what_was_offered(daemon, network):
    subprocess.run(network.command("openssl", "s_client", "-dtls1_2", "-psk_identity", "x", "-psk", KEY.hex(), "-cipher",
                                   "PSK-AES256-CCM8:@SECLEVEL=0", "-connect", f"{SERVER4}:5684"),
                   input="", text=True, capture_output=True, timeout=30)
    with pytest.raises(Alert):
        connect(network, b"i" * 129).handshake()
    sock = network.udp()
    sock.sendto(coap.request(queries=("ep=demo-0001", "pct=60")), (SERVER4, 5683))
    assert coap.Message(sock.recv(2048)).text == "4.15"
    reasons = ["no cipher suite in common: it offers TLS_PSK_WITH_AES_256_CCM_8",
               f"identity of 129 bytes, more than any may have: {'i' * 96}...",
               "answered 4.15: preferred content format not supported; it asks ep=demo-0001&pct=60"]

    def listed():
        items = daemon.result("device", "rejected")["unserved"]
        assert all(item["address"].startswith(DEVICE4) for item in items)
        return {item["reason"] for item in items} >= set(reasons)
    wait_for(listed, "all three among those who are not served")
    assert "asked for what is not served" in daemon.ctl("status").stdout
    assert all(reason in daemon.ctl("device", "rejected").stdout for reason in reasons)


def test_unknown_names_are_listed_with_how_they_came(daemon, network):
    with pytest.raises(Alert):
        connect(network, b"nobody-psk", b"key").handshake()
    client = connect(network)
    client.handshake()
    client.put(coap.request(queries=("ep=nobody-other",)))
    assert coap.Message(client.get()).text == "4.00"
    sock = network.udp()
    sock.sendto(coap.request(queries=("ep=nobody-nosec",)), (SERVER4, 5683))
    assert coap.Message(sock.recv(2048)).text == "4.00"
    expected = {("nobody-psk", "psk", "nobody-psk"), ("nobody-other", "dtls", IDENTITY.decode()),
                ("nobody-nosec", "nosec", "")}

    def listed():
        return expected <= {(item["endpoint"], item["security"], item["identity"])
                            for item in daemon.result("unknown", "list")["unknown"]}
    wait_for(listed, "all three names")
    done = daemon.ctl("unknown", "adopt", "nobody-other", "--key", "k")
    assert done.returncode == 0 and "warning: it asked with the identity of device demo-0001" in done.stdout
    assert daemon.ctl("device", "remove", "nobody-other").returncode == 0
    assert bootstrap(Pipe(daemon)) == PATHS  # got in: no longer rejected


def test_cbc_with_a_wrong_key_is_refused(daemon):
    assert bootstrap(Pipe(daemon)) == PATHS  # got in: no longer rejected
    pipe = Pipe(daemon, "-s", "TLS-PSK-WITH-AES-128-CBC-SHA256", key="another-key-of-its")
    assert pipe.suite.startswith("handshake")
    wait_for(lambda: rejected(daemon) == {IDENTITY.decode(): "wrong key"}, "the device among the rejected ones")


@pytest.mark.parametrize("more", [(), ("-mtu", "256"), ("-mtu", "1400"), ("-maxfraglen", "512")])
def test_openssl_s_client(daemon, network, more):
    done = subprocess.run(network.command("openssl", "s_client", "-dtls1_2", "-psk_identity", IDENTITY.decode(), "-psk",
                                          KEY.hex(), "-cipher", "PSK-AES128-CCM8:@SECLEVEL=0", "-connect",
                                          f"{SERVER4}:5684", *more),
                          input="", text=True, capture_output=True, timeout=30)
    assert "PSK-AES128-CCM8" in done.stdout, done.stdout + done.stderr
    assert "Extended master secret: yes" in done.stdout


# RFC 6347 4.2.3: twelve names of protocols make a hello of more than one datagram.
@pytest.mark.parametrize("cipher", ["PSK-AES128-CBC-SHA256", "PSK-AES128-CCM8"])
def test_openssl_s_client_with_a_hello_in_fragments(daemon, network, capture, cipher):
    trace = capture()
    done = subprocess.run(network.command("openssl", "s_client", "-dtls1_2", "-mtu", "256", "-psk_identity",
                                          IDENTITY.decode(), "-psk", KEY.hex(), "-cipher", f"{cipher}:@SECLEVEL=0", "-alpn",
                                          ",".join(f"a-protocol-{n:02}" for n in range(12)), "-connect",
                                          f"{SERVER4}:5684"),
                          input="", text=True, capture_output=True, timeout=30)
    trace.stop()
    assert f"Cipher is {cipher}" in done.stdout, done.stdout + done.stderr
    assert "Verify return code" in done.stdout and "alert" not in done.stderr, done.stdout + done.stderr
    assert trace.decode("dtls.handshake.type == 1 && dtls.handshake.fragment_offset > 0"), "the hello was not in fragments"


@pytest.mark.parametrize("more", ["", ":%NO_SESSION_HASH"])
def test_gnutls_cli(daemon, network, more):
    done = subprocess.run(network.command("gnutls-cli", "--udp", "--pskusername", IDENTITY.decode(), "--pskkey", KEY.hex(),
                                          "--priority", "NORMAL:-VERS-ALL:+VERS-DTLS1.2:-KX-ALL:+PSK:-CIPHER-ALL:"
                                          "+AES-128-CCM-8:-MAC-ALL:+AEAD" + more, "-p", "5684", SERVER4),
                          input="", text=True, capture_output=True, timeout=30)
    assert "Handshake was completed" in done.stdout, done.stdout + done.stderr


LONG_IDENTITY, LONG_KEY = "i" * 128, "k" * 64  # the longest of both (OMA TS Transport 5.2.8)


@pytest.fixture
def long_daemon(cradled):
    def long_device(daemon):
        daemon.write("devices.csv", f"endpoint,identity,key,groups\nlong-1,{LONG_IDENTITY},{LONG_KEY},root.demo\n")
    return cradled(prepare=long_device)


@pytest.mark.parametrize("more", [(), ("-no_etm",), ("-mtu", "256"), ("-maxfraglen", "512")])
def test_openssl_speaks_cbc(long_daemon, more):
    done = subprocess.run(long_daemon.network.command(
        "openssl", "s_client", "-dtls1_2", "-psk_identity", LONG_IDENTITY, "-psk", LONG_KEY.encode().hex(), "-cipher",
        "PSK-AES128-CBC-SHA256:@SECLEVEL=0", "-connect", f"{SERVER4}:5684", *more),
        input="", text=True, capture_output=True, timeout=30)
    assert "PSK-AES128-CBC-SHA256" in done.stdout, done.stdout + done.stderr
    assert "Extended master secret: yes" in done.stdout
    assert long_daemon.counters()["dtls_finished"] == 1


@pytest.mark.parametrize("more", ["", ":%NO_ETM", ":%NO_SESSION_HASH"])
def test_gnutls_speaks_cbc(long_daemon, more):
    done = subprocess.run(long_daemon.network.command(
        "gnutls-cli", "--udp", "--pskusername", LONG_IDENTITY, "--pskkey", LONG_KEY.encode().hex(), "--priority",
        "NORMAL:-VERS-ALL:+VERS-DTLS1.2:-KX-ALL:+PSK:-CIPHER-ALL:+AES-128-CBC:-MAC-ALL:+SHA256" + more, "-p", "5684",
        SERVER4), input="", text=True, capture_output=True, timeout=30)
    assert "Handshake was completed" in done.stdout, done.stdout + done.stderr
    assert long_daemon.counters()["dtls_finished"] == 1


@pytest.mark.parametrize("mtu", [256, 576, 1280, 1500])
def test_small_mtu_on_the_way(daemon, network, mtu):
    network.run("ip", "link", "set", "dev0", "mtu", mtu)
    try:
        assert daemon.device(*PSK, "ep=demo-0001", port=5684)[0] == 0
    finally:
        network.run("ip", "link", "set", "dev0", "mtu", "1500")
        network.run("ip", "addr", "add", "2001:2::2/64", "dev", "dev0", "nodad")


def test_tshark_decrypts_with_the_key(daemon, capture):
    """The independent judge: the key, a capture, and what was written."""
    trace = capture()
    assert daemon.device(*PSK, "ep=demo-0001", port=5684)[0] == 0
    time.sleep(0.5)  # the capture's own buffer; tshark has no event for it
    trace.stop()
    key = ("-o", f"dtls.psk:{KEY.hex()}", "-d", "dtls.port==5684,coap")
    packets = trace.decode("lwm2mtlv && udp.srcport == 5684", "-x", *key)
    found = [bytes.fromhex(p["_source"]["layers"]["lwm2mtlv_raw"][0]) for p in packets]
    assert [lwm2m.resources(f) for f in found] == [REFERENCE_SECURITY, REFERENCE_SERVER]
    assert trace.decode("_ws.malformed", *key) == []


# -- the handshake, step by step

@pytest.mark.parametrize("options", [
    {}, {"ems": False}, {"fragment": 1}, {"fragment": 5, "ems": False},
    {"hello_fragment": 60}, {"hello_fragment": 75, "fragment": 3},
    {"record_version": b"\xfe\xfd"}, {"record_version": b"\xfe\x00"},
    {"suites": (0xD001, 0xFEFE, CBC_SHA256, CCM_8)},
    {"extensions": struct.pack(">HH", 0x7A7A, 3) + b"abc" + struct.pack(">HH", 53, 1) + b"\0"},
    {"extensions": struct.pack(">HHB", 1, 1, 1)},
], ids=str)
def test_handshake_variants(daemon, network, options):
    client = connect(network, **options).handshake()
    assert client.suite == CCM_8
    assert client.ems_agreed == options.get("ems", True)
    assert 53 not in client.server_extensions
    assert bootstrap(client) == PATHS


def test_hello_verify_is_no_larger_than_the_hello_and_keeps_no_state(daemon, network):
    before = daemon.counters()
    for _ in range(50):
        client = connect(network)
        hello = b"".join(client.client_hello())
        client = connect(network)
        reply = client.get_cookie()
        assert len(reply) <= len(hello)
    assert moved(daemon, before).get("sessions_opened", 0) == 0


def test_a_cookie_of_another_address_or_hello_is_not_taken(daemon, network):
    thief, owner = connect(network), connect(network)
    owner.get_cookie()
    thief.cookie, thief.message_seq = owner.cookie, 1
    for datagram in thief.client_hello():
        thief.send(datagram)
    assert thief.open(thief.receive())[0][3][0] == 3  # another HelloVerifyRequest
    owner.random = os.urandom(32)
    owner.message_seq = 1
    for datagram in owner.client_hello():
        owner.send(datagram)
    assert owner.open(owner.receive())[0][3][0] == 3


@pytest.mark.parametrize("identity,key", [
    (IDENTITY, b"wrong"), (b"nobody", KEY), (IDENTITY + b"\0x", KEY), (b"demo-000", KEY), (b"", KEY),
    (b"x" * 128, KEY)], ids=["wrong key", "unknown", "NUL inside", "prefix", "empty", "128 bytes"])
def test_wrong_identity_or_key_is_alert_51_for_both(daemon, network, identity, key):
    with pytest.raises(Alert) as caught:
        connect(network, identity, key).handshake()
    assert caught.value.description == 51 and caught.value.level == 2


def test_lost_flights_are_answered_again(daemon, network):
    client = connect(network)
    client.get_cookie()
    for datagram in client.client_hello():
        client.send(datagram)
    client.receive()                            # lost on the way: the server's second flight
    client.transcript, client.message_seq = b"", 1
    client.write[0] += 5
    for datagram in client.client_hello():      # our retransmission
        client.send(datagram)
    client.read_server_flight()
    flight = client.key_exchange()
    for datagram in reversed(flight):           # reordered
        client.send(datagram)
    client.receive()                            # lost: the server's last flight
    numbered = client.message_seq - 1
    for datagram in flight[:-1]:
        client.send(datagram)
    # A retransmitted Finished carries a new record sequence number (RFC 6347 4.2.4).
    verify = coap_free_verify(client)
    client.message_seq = numbered
    for piece in client.message(20, verify, hashed=False):
        client.send(client.seal(HANDSHAKE, piece, 1))
    client.finish()
    assert bootstrap(client) == PATHS


def coap_free_verify(client):
    """The verify_data of our Finished: the last 12 bytes that went into the transcript."""
    return client.transcript[-12:]


def test_a_hello_on_a_live_session_keeps_it_until_the_new_one_is_finished(daemon, network):
    old = connect(network).handshake()
    new = DtlsClient(old.sock, old.server, IDENTITY, KEY)
    new.get_cookie()
    new.hello()
    old.put(b"\x40\x00\x0a\x0b")                # the old session still answers a ping
    assert old.get() == b"\x70\x00\x0a\x0b"
    for datagram in new.key_exchange():
        new.send(datagram)
    new.finish()
    assert bootstrap(new) == PATHS
    old.put(b"\x40\x00\x0a\x0c")
    assert silent(old)


# -- records

def test_replayed_tampered_and_foreign_records_change_nothing(daemon, network):
    client = connect(network).handshake()
    ping = client.seal(APPLICATION, b"\x40\x00\x0a\x0b", 1)
    client.send(ping)
    assert client.get() == b"\x70\x00\x0a\x0b"
    before = daemon.counters()
    client.send(ping)                                                          # replay
    bad = bytearray(client.seal(APPLICATION, b"\x40\x00\x0a\x0c", 1))
    bad[-1] ^= 1
    client.send(bytes(bad))                                                    # tampered
    epoch = bytearray(client.seal(APPLICATION, b"\x40\x00\x0a\x0d", 1))
    epoch[4] = 2
    client.send(bytes(epoch))                                                  # wrong epoch
    for size in range(1, 16):                                                  # libcoap on OpenSSL died of these
        client.send(b"\x17\xfe\xfd\x00\x01" + b"\0\0\0\0\x10" + bytes([size]) + struct.pack(">H", size) + b"x" * size)
    client.send(ping[:-3])                                                     # truncated
    assert silent(client)
    grown = moved(daemon, before)
    assert any("replay" in name for name in grown), grown
    assert grown.get("sessions_closed", 0) == 0
    assert bootstrap(client) == PATHS


def test_several_records_in_a_datagram(daemon, network):
    client = connect(network).handshake()
    client.send(b"".join(client.seal(APPLICATION, b"\x40\x00\x0b" + bytes([n]), 1) for n in range(4)))
    mids = {client.get()[3] for _ in range(4)}
    assert mids == {0, 1, 2, 3}


def test_records_in_any_order_within_the_window(daemon, network):
    client = connect(network).handshake()
    records = [client.seal(APPLICATION, b"\x40\x00\x0c" + bytes([n]), 1) for n in range(60)]
    for record in reversed(records):
        client.send(record)
    assert {client.get()[3] for _ in range(60)} == set(range(60))


def test_close_notify_ends_the_session(daemon, network):
    client = connect(network).handshake()
    before = daemon.counters()
    client.close()
    wait_for(lambda: moved(daemon, before).get("sessions_closed", 0) == 1, "the session to end")
    client.put(b"\x40\x00\x0a\x0b")
    assert silent(client) or True
    with pytest.raises((Alert, socket.timeout, Exception)):
        client.get(0.3)


def test_an_idle_session_times_out(cradled, network):
    daemon = cradled({r"(max_retransmit = 4;)": r"\1 dtls_idle_s = 1;"})
    connect(network).handshake()
    wait_for(lambda: daemon.counters()["sessions_opened"] == daemon.counters()["sessions_closed"] == 1, "the time-out")


# -- connection ids

def test_a_device_whose_address_changes_goes_on(daemon, network):
    client = connect(network, cid=b"").handshake()
    assert client.server_cid, "no connection id was agreed"
    client.put(coap.request(queries=["ep=demo-0001"]))
    assert coap.Message(client.get()).text == "2.04"
    first = coap.Message(client.get())
    client.sock = network.udp()                       # a new port, as after a NAT's time-out
    client.put(first.answer("2.04"))
    second = coap.Message(client.get())               # the answer comes to the new address
    assert second.path == "/1/0"
    client.put(second.answer("2.04"))
    third = coap.Message(client.get())
    assert third.path == "/bs"
    client.put(third.answer("2.04"))
    wait_for(lambda: (report_of(daemon, "demo-0001") or {}).get("status") == "Success", "the report")


def test_a_changed_address_finds_the_worker_of_its_connection_id(cradled, network):
    """New ports until one belongs to the other worker by its hash, which has a key of its own at each start."""
    daemon = cradled({r"^workers = 1": "workers = 2"})
    client = connect(network, cid=b"").handshake()
    for n in range(64):
        client.sock = network.udp()
        client.put(b"\x40\x00\x0e" + bytes([n]))
        assert client.get() == b"\x70\x00\x0e" + bytes([n])
        if daemon.counters()["handed_over"] and n >= 8:
            break
    assert bootstrap(client) == PATHS
    assert daemon.counters()["handed_over"] > 0


def test_our_connection_id_is_used_towards_the_device(daemon, network):
    client = connect(network, cid=b"abcde").handshake()
    assert bootstrap(client) == PATHS


def test_an_old_record_from_another_address_does_not_move_the_session(daemon, network):
    client = connect(network, cid=b"").handshake()
    held = client.seal(APPLICATION, b"\x40\x00\x0d\x01", 1)
    client.put(b"\x40\x00\x0d\x02")
    assert client.get()[3] == 2
    elsewhere = network.udp()
    elsewhere.sendto(held, client.server)             # authentic, but not the newest
    time.sleep(0.2)
    client.sock.settimeout(1)
    client.put(b"\x40\x00\x0d\x03")
    assert client.get()[3] in (1, 3)


# -- whose endpoint name

def test_the_endpoint_name_is_taken_from_the_identity(daemon, network):
    assert bootstrap(connect(network).handshake(), queries=()) == PATHS


def test_an_endpoint_name_of_somebody_else_is_refused_and_counted(daemon, network):
    client = connect(network).handshake()
    before = daemon.counters()
    client.put(coap.request(queries=["ep=demo-0002"]))
    assert coap.Message(client.get()).text == "4.00"
    assert moved(daemon, before)["bs_refused_identity"] == 1


def test_an_identity_that_differs_from_the_endpoint_name(cradled, network):
    def other_identity(daemon):
        daemon.write("devices.csv", "endpoint,identity,key,groups,value.managementId,value.password\n"
                     "demo-0001,psk-17,demo-key-0001-demo,root.demo,mgmt-0001,correct horse battery\n")
    daemon = cradled(prepare=other_identity)
    assert bootstrap(connect(network, b"psk-17").handshake()) == PATHS
    assert bootstrap(connect(network, b"psk-17").handshake(), queries=()) == PATHS
    with pytest.raises(Alert):
        connect(network, IDENTITY).handshake()
    assert daemon.finished(2)["bs_finished"] == 2


# -- floods

def test_hellos_without_cookie_echo_leave_devices_served(daemon, network):
    before = daemon.counters()
    sock = network.udp()
    for _ in range(2000):
        client = DtlsClient(sock, (SERVER4, 5684), b"spoofed", b"key")
        for datagram in client.client_hello():
            client.send(datagram)
    assert daemon.device(*PSK, "ep=demo-0001", port=5684)[0] == 0
    assert moved(daemon, before)["sessions_opened"] <= 1


def test_cbc_handshakes_that_never_finish_take_nothing_from_others(daemon, network):
    before = daemon.counters()
    for _ in range(8):
        client = connect(network, suites=(CBC_SHA256,))
        client.get_cookie()
        for datagram in client.client_hello():
            client.send(datagram)
    wait_for(lambda: moved(daemon, before).get("dtls_cbc") == 8, "the handshakes to have begun")
    assert bootstrap(connect(network).handshake()) == PATHS
    assert bootstrap(Pipe(daemon, "-s", "TLS-PSK-WITH-AES-128-CBC-SHA256")) == PATHS


def test_a_configuration_with_the_slow_lane_still_loads(cradled):
    def former(daemon):
        daemon.edit("cradle.conf", r"(max_retransmit = 4;)", r"\1 slow_lane_handshakes = 2;")
    daemon = cradled(prepare=former)
    assert "has no effect any more" in daemon.ctl("reload").stdout
    assert "dtls_slow_lane" in daemon.ctl("stats", "dtls_slow_lane").stdout
