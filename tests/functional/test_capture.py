"""`trace start --pcapng`: a file that tshark opens decrypted, without any setting."""
import json
import os
import socket
import stat
import subprocess

import pytest

import coap
from conftest import wait_for
from test_certificates import Site
from test_psk import IDENTITY, KEY, PATHS, PSK, Pipe, bootstrap, connect

DEVICE = IDENTITY.decode()


def tshark(file, *options):
    done = subprocess.run(["tshark", "-n", "-r", str(file), *options], text=True, capture_output=True, timeout=60,
                          env=dict(os.environ, HOME="/nonexistent", XDG_CONFIG_HOME="/nonexistent"))
    assert done.returncode == 0, done.stderr
    return done.stdout


def messages(file):
    """Of each CoAP message that tshark finds: its code, and the path where it has one."""
    rows = tshark(file, "-Y", "coap", "-T", "fields", "-e", "coap.code", "-e", "coap.opt.uri_path_recon").splitlines()
    return [tuple(row.split("\t")) for row in rows]


def paths(file):
    return [path for code, path in messages(file) if code in ("2", "3") and path]


class Captured:
    """A capture, until `stop` has closed its file."""

    def __init__(self, daemon, file, *options):
        self.daemon, self.file = daemon, file
        self.started = daemon.ctl("trace", "start", DEVICE, "--pcapng", file, *options)

    def stop(self):
        ended = self.daemon.log().count("capture of device demo-0001 ended")
        assert self.daemon.ctl("trace", "stop", DEVICE).returncode == 0
        wait_for(lambda: self.daemon.log().count("capture of device demo-0001 ended") > ended, "the file's end")
        return self.file


@pytest.fixture
def captured(daemon, tmp_path):
    taken = []

    def start(*options):
        taken.append(Captured(daemon, tmp_path / f"capture{len(taken)}.pcapng", *options))
        assert taken[-1].started.returncode == 0, taken[-1].started.stderr
        return taken[-1]
    yield start
    daemon.ctl("trace", "stop", DEVICE)


# -- refused

def test_a_file_that_is_there_stays_as_it_is(daemon, tmp_path):
    file = tmp_path / "mine"
    file.write_text("mine")
    os.symlink(tmp_path / "nowhere", tmp_path / "link")
    for name in (file, tmp_path / "link", "-", tmp_path / "no" / "folder"):
        refused = daemon.ctl("trace", "start", DEVICE, "--pcapng", name)
        assert refused.returncode == 1, refused.stdout
    assert file.read_text() == "mine" and not (tmp_path / "nowhere").exists()
    assert daemon.ctl("trace", "show", DEVICE).returncode == 1  # nothing began


@pytest.mark.parametrize("options", [["--for", "0"], ["--for", "2h"], ["--for", "x"], ["--for", "-1"]])
def test_a_time_that_is_none(daemon, tmp_path, options):
    refused = daemon.ctl("trace", "start", DEVICE, "--pcapng", tmp_path / "file", *options)
    assert refused.returncode == 2 and "--for" in refused.stderr
    assert not (tmp_path / "file").exists()
    assert daemon.ctl("trace", "start", DEVICE, "--for", "5m").returncode == 2


def test_nobody_but_root_and_the_appliance_itself_gets_secrets(daemon, tmp_path):
    os.chmod(daemon.socket, 0o666)
    folder = tmp_path / "theirs"
    folder.mkdir()
    for part in (folder, *folder.parents):
        if part.is_relative_to("/tmp") and part != type(part)("/tmp"):
            os.chmod(part, 0o755)
    os.chown(folder, 65534, 65534)
    ctl = folder / "cradlectl"  # where they may run it
    subprocess.run(["cp", f"{daemon.build}/tools/cradlectl", ctl], check=True)
    done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", ctl, "-s", daemon.socket, "trace",
                           "start", DEVICE, "--pcapng", folder / "file"], text=True, capture_output=True, timeout=60)
    os.chmod(daemon.socket, 0o660)
    assert done.returncode == 1 and "session keys" in done.stderr, done
    assert not (folder / "file").exists()


def test_a_descriptor_that_others_can_read_is_refused(daemon, tmp_path):
    """A client of its own may pass anything."""
    file = tmp_path / "open"
    with open(file, "wb") as passed:
        os.chmod(file, 0o644)
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(daemon.socket)
        body = json.dumps(dict(v=1, argv=["trace", "start", DEVICE, "--pcapng", "x"], fd=True)).encode()
        socket.send_fds(sock, [len(body).to_bytes(4, "big") + body], [passed.fileno()])
        answer = b""
        while b"}" not in answer:
            answer += sock.recv(65536)
    assert b"0600" in answer and file.stat().st_size == 0


# -- what tshark sees

def test_tshark_opens_it_decrypted_without_any_setting(daemon, captured):
    one = captured()
    assert "session keys" in one.started.stdout and "delete it" in one.started.stdout
    assert stat.S_IMODE(one.file.stat().st_mode) == 0o600
    assert daemon.device(*PSK, f"ep={DEVICE}", port=5684)[0] == 0
    file = one.stop()
    assert paths(file) == ["/bs", *PATHS], tshark(file)
    assert "SECRET" in subprocess.run(["capinfos", "-k", file], text=True, capture_output=True).stdout or \
        b"SECRET: this file holds" in file.read_bytes()
    assert "begun by uid 0" in daemon.log()


def test_another_device_of_the_same_time_is_not_in_it(daemon, captured, network):
    one = captured()
    assert daemon.ctl("device", "add", "beside", "--key", "key-of-beside", "--groups", "root.demo").returncode == 0
    try:
        daemon.device("-i", "beside", "-k", "key-of-beside", "ep=beside", port=5684)
        assert bootstrap(connect(network).handshake()) == PATHS
    finally:
        daemon.ctl("device", "remove", "beside")
    file = one.stop()
    assert paths(file) == ["/bs", *PATHS]
    ends = {tuple(sorted(row.split(","))) for row in tshark(file, "-T", "fields", "-e", "udp.port").splitlines()}
    assert len(ends) == 1
    assert file.read_bytes().count(b"CLIENT_RANDOM") == 1


@pytest.mark.parametrize("cid", [b"", b"abcde"])
def test_connection_ids_and_a_second_handshake(daemon, captured, network, cid):
    one = captured()
    client = connect(network, cid=cid).handshake()
    assert bootstrap(client) == PATHS
    # Wireshark tells associations by their id alone, so a device gives each another one.
    again = connect(network, cid=cid[::-1]).handshake()
    assert bootstrap(again) == PATHS
    file = one.stop()
    assert paths(file) == ["/bs", *PATHS] * 2, tshark(file)


def test_a_device_that_moves_is_followed(daemon, captured, network):
    one = captured()
    client = connect(network, cid=b"").handshake()
    client.put(coap.request(queries=[f"ep={DEVICE}"]))
    assert coap.Message(client.get()).text == "2.04"
    step = coap.Message(client.get())
    client.sock = network.udp()
    client.put(step.answer("2.04"))
    assert coap.Message(client.get()).path == "/1/0"
    file = one.stop()
    assert len(set(tshark(file, "-T", "fields", "-e", "udp.srcport", "-Y", "udp.dstport == 5684").split())) == 2


@pytest.mark.parametrize("options", [(), ("-e",)])
def test_the_cbc_suite(daemon, captured, options):
    one = captured()
    pipe = Pipe(daemon, "-s", "TLS-PSK-WITH-AES-128-CBC-SHA256", *options)
    assert bootstrap(pipe) == PATHS
    assert pipe.close() == 0
    file = one.stop()
    assert paths(file) == ["/bs", *PATHS], tshark(file)


def test_without_dtls(daemon, captured):
    one = captured()
    assert daemon.device(f"ep={DEVICE}", port=5683)[0] == 0
    file = one.stop()
    assert paths(file) == ["/bs", *PATHS], tshark(file)
    assert b"CLIENT_RANDOM" not in file.read_bytes()


def test_certificates(cradled, tmp_path):
    here = Site(cradled, tmp_path)
    pem, key = here.authority.issue("dev", DEVICE)
    one = Captured(here.daemon, tmp_path / "capture.pcapng")
    assert one.started.returncode == 0, one.started.stderr
    code, events = here.device(pem, key)
    assert code == 0, (events, here.daemon.log())
    file = one.stop()
    assert paths(file) == ["/bs", *PATHS], tshark(file)


def test_a_wrong_key_is_there_to_be_looked_at(daemon, captured, network):
    one = captured()
    client = connect(network, IDENTITY, b"wrong")
    with pytest.raises(Exception):
        client.handshake()
    file = one.stop()
    kinds = tshark(file, "-T", "fields", "-e", "dtls.handshake.type").replace("\n", ",").split(",")
    assert {"1", "2", "16"} <= set(kinds), kinds


def test_a_handshake_from_before_is_said_to_be_closed(daemon, captured, network):
    client = connect(network).handshake()
    one = captured()
    assert bootstrap(client) == PATHS
    file = one.stop()
    assert not messages(file) and "began before the trace" in tshark(file, "-T", "fields", "-e", "frame.comment")


# -- its end

def test_it_ends_by_itself(daemon, captured):
    one = captured("--for", "1s")
    wait_for(lambda: "capture of device demo-0001 ended" in daemon.log().split("for 1 s")[-1], "the end of the time")
    assert daemon.ctl("trace", "show", DEVICE).returncode == 1
    size = one.file.stat().st_size
    assert daemon.device(*PSK, f"ep={DEVICE}", port=5684)[0] == 0
    assert one.file.stat().st_size == size and tshark(one.file) == ""


def test_an_appliance_that_stops_leaves_a_whole_file(cradled, tmp_path):
    daemon = cradled()
    one = Captured(daemon, tmp_path / "capture.pcapng")
    assert daemon.device(*PSK, f"ep={DEVICE}", port=5684)[0] == 0
    assert daemon.stop() == 0
    assert paths(one.file) == ["/bs", *PATHS], tshark(one.file)
