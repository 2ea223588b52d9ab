"""What an operator sees of one device: its dialogue while it runs, its session, its copy in a file."""
import json
import re
import subprocess

from conftest import ROOT, wait_for
from test_control import RawDevice, finish

SECRETS = ("correct horse battery", b"correct horse battery".hex(), "demo-key-0001-demo", b"demo-key-0001-demo".hex())


def test_trace_shows_the_dialogue_decoded_and_masks_keys(daemon):
    assert daemon.ctl("trace", "show", "demo-0001").returncode == 1  # not traced yet
    assert daemon.ctl("trace", "start", "demo-0001").returncode == 0
    try:
        assert daemon.device("-i", "demo-0001", "-k", "demo-key-0001-demo", "ep=demo-0001", port=5684)[0] == 0
        text = ""

        def whole():
            nonlocal text
            text += daemon.ctl("trace", "show", "demo-0001").stdout  # what was shown is not shown again
            return "-> ACK 2.04" in text.partition("<- CON POST /bs")[2]
        wait_for(whole, "the trace")
    finally:
        assert daemon.ctl("trace", "stop", "demo-0001").returncode == 0
    lines = [line for line in text.splitlines() if line.startswith("+")]
    order = ["DTLS handshake finished, TLS_", "-> CON POST /bs?ep=demo-0001", "<- ACK 2.04", "<- CON PUT /0/2",
             "-> ACK 2.04", "<- CON PUT /1/0", "-> ACK 2.04", "<- CON POST /bs", "-> ACK 2.04"]
    at = 0
    for line in lines:
        at += at < len(order) and order[at] in line
    assert at == len(order), text
    assert "coaps://uri.example:5684" in text and "mgmt-0001" in text  # decoded
    assert not any(secret in text for secret in SECRETS), text
    assert daemon.ctl("trace", "stop", "demo-0001").returncode == 1


def test_trace_for_machines(daemon):
    assert daemon.ctl("trace", "start", "demo-0001").returncode == 0
    try:
        assert daemon.device("ep=demo-0001")[0] == 0
        messages = wait_for(lambda: daemon.result("trace", "show", "demo-0001")["messages"], "messages")
        assert all(isinstance(m["t_us"], int) and m["line"] for m in messages)
    finally:
        assert daemon.ctl("trace", "stop", "demo-0001").returncode == 0


def test_a_session_is_shown_while_it_runs(daemon, network):
    device = RawDevice(network)
    first = device.begin()
    shown = wait_for(lambda: (d := daemon.ctl("session", "show", "demo-0001")).returncode == 0 and d.stdout, "the session")
    assert "PUT /0/2" in shown and "management account" in shown
    assert any(s["endpoint"] == "demo-0001" for s in daemon.result("session", "list")["sessions"])
    finish(device, first)
    wait_for(lambda: daemon.ctl("session", "show", "demo-0001").returncode == 1, "its end")


def test_the_log_as_json_has_an_event_a_line(cradled):
    daemon = cradled({r'^    format = "text"': '    format = "json"'})
    daemon.device("-i", "demo-0001", "-k", "demo-key-0001-demo", "ep=demo-0001", port=5684)
    daemon.ctl("log", "level", "debug")
    daemon.edit("policy/groups.conf", r"groups = ", "grups = ")
    assert daemon.ctl("reload").returncode == 1
    assert daemon.stop() == 0
    lines = [json.loads(line) for line in daemon.log().splitlines() if line.startswith("{")]
    events = [line["event"] for line in lines]
    known = re.findall(r"^LOG_EVENT\((\w+),", (ROOT / "control/log_events.def").read_text(), re.M)
    assert set(events) <= set(known), set(events) - set(known)
    assert {"starting", "ready", "generation_live", "command", "reload_refused", "diagnostic", "stopped"} <= set(events)
    assert all(line["time"].endswith("Z") and line["program"] == "cradled" and line["message"] for line in lines)
    # Nothing else is on standard error, but for what is wrong in the settings themselves.
    others = [line for line in daemon.log().splitlines() if not line.startswith("{")]
    assert all("cradle.conf:" in line for line in others), others


def test_why_says_what_a_device_would_be_told(daemon):
    ready = daemon.result("why", "demo-0001")
    assert ready["known"] and ready["verdict"] == "ready" and ready["tasks"][0]["reason"] == "sent", ready
    daemon.device("-i", "demo-0001", "-k", "a-wrong-key-of-it-", "ep=demo-0001", port=5684)
    refused = wait_for(lambda: (w := daemon.result("why", "demo-0001"))["verdict"] == "rejected" and w, "the wrong key")
    assert "wrong key" in refused["answer"]
    assert daemon.device("-i", "demo-0001", "-k", "demo-key-0001-demo", "ep=demo-0001", port=5684)[0] == 0
    wait_for(lambda: daemon.result("why", "demo-0001")["verdict"] == "ready", "it to be let in")
    assert not any(secret in daemon.ctl("why", "demo-0001").stdout for secret in SECRETS)


def test_why_of_a_name_that_no_device_has(daemon):
    nobody = daemon.ctl("why", "demo-001")
    assert nobody.returncode == 1 and "demo-0001" in nobody.stderr
    assert daemon.device("ep=Demo-0001")[0] != 0
    told = wait_for(lambda: (d := daemon.ctl("--json", "why", "Demo-0001")) and "unknown" in json.loads(d.stdout) and
                    json.loads(d.stdout), "the unknown device")
    assert told["exit"] == 1 and told["known"] is False and told["similar"][0] == "demo-0001"


def test_an_export_with_secrets_is_a_copy_and_one_without_says_so(daemon, tmp_path):
    for name in ("copy.csv", "copy.jsonl"):
        copy = tmp_path / name
        assert daemon.ctl("device", "export", copy, "--secrets").returncode == 0
        assert "demo-key-0001-demo" in copy.read_text() and copy.stat().st_mode & 0o777 == 0o600
        again = daemon.result("device", "import", copy)
        assert again["added"] == again["changed"] == again["bad"] == 0 and again["unchanged"] >= 2
    bare = tmp_path / "bare.csv"
    assert daemon.ctl("device", "export", bare).returncode == 0
    assert not any(secret in bare.read_text() for secret in SECRETS)
    refused = daemon.ctl("device", "import", bare)
    assert refused.returncode == 1 and "without its secrets" in refused.stderr


def test_a_bad_row_leaves_all_as_it_was_unless_it_is_skipped(daemon, tmp_path):
    rows = tmp_path / "rows.csv"
    rows.write_text("endpoint,key,groups\nnew-1,k1,root.demo\nnew-2,k2,root.dmo\n,k3,root\nnew-1,k4,root\n")
    verified = daemon.ctl("device", "import", rows, "--verify-only")
    assert verified.returncode == 1
    for words in (":3: error:", "root.dmo", ":4: error:", ":5: error:"):
        assert words in verified.stderr, verified.stderr
    assert daemon.ctl("device", "import", rows).returncode == 1
    assert daemon.ctl("device", "show", "new-1").returncode == 1
    skipped = daemon.ctl("--json", "device", "import", rows, "--skip-bad")
    try:
        result = json.loads(skipped.stdout)
        assert skipped.returncode == 1 and result["added"] == 1 and result["bad"] == 3, skipped.stdout
        assert daemon.ctl("device", "show", "new-1").returncode == 0
    finally:
        assert daemon.ctl("device", "remove", "new-1").returncode == 0


def test_import_from_standard_input(daemon):
    done = subprocess.run([f"{daemon.build}/tools/cradlectl", "-s", daemon.socket, "device", "import", "-"],
                          input='{"endpoint":"new-3","groups":["root"]}\n', text=True, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert daemon.ctl("device", "remove", "new-3").returncode == 0
