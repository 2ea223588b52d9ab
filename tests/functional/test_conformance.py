"""What a bootstrap server must pass: B1 to B7 of the checklist, the ETS cases of OMA, and what broke for others.

The devices are libcoap's client, which shares no code with the appliance, and a scripted one that misbehaves. Each device has
a task of its own, so all of them meet one appliance. What no network can show, such as the times of RFC 7252, is held by
tests/unit/test_dialogue_times.c; block-wise answers, error policies and packs by test_answers.c, test_policies.c, test_pack.c.
"""
import json

import pytest

import coap
import lwm2m
from conftest import SERVER4, wait_for
from dtls_client import DtlsClient
from scripted import BLOCK1, BLOCK2, METHODS, SIZE1, SUCCESS, Scripted, block
from test_nosec import operations, report_of

BIG = 3000  # bytes of the value that goes out in blocks


def write(key, value, kind):
    return f'<write key="{key}" value="{value}" type="{kind}"/>'


def security(instance, bootstrap=False, ssid=1):
    name = f"LwM2M Security.{instance}"
    return "".join([
        write(f"{name}.LwM2M Server URI", "coaps://bs.example" if bootstrap else "coaps://dm.example:5684", "string"),
        write(f"{name}.Bootstrap-Server", str(bootstrap).lower(), "boolean"),
        write(f"{name}.Security Mode", 0, "integer"),
        write(f"{name}.Public Key or Identity", "6964", "opaque"),
        write(f"{name}.Server Public Key", "${''}", "opaque"),
        write(f"{name}.Secret Key", "000102030405060708090a0b0c0d0e0f", "opaque"),
        write(f"{name}.Short Server ID", ssid, "integer")])


def server(instance, ssid=1):
    name = f"LwM2M Server.{instance}"
    return "".join([
        write(f"{name}.Short Server ID", ssid, "integer"), write(f"{name}.Lifetime", 86400, "integer"),
        write(f"{name}.Notification Storing When Disabled or Offline", "false", "boolean"),
        write(f"{name}.Binding", "U", "string")])


ACCESS = (write("LwM2M Access Control.0.Object ID", 3, "integer") +
          write("LwM2M Access Control.0.Object Instance ID", 0, "integer") +
          write("LwM2M Access Control.0.Access Control Owner", 65535, "integer"))
DISCOVER, READ1, READ2 = "<discover/>", '<read key="/1"/>', '<read key="/2"/>'
PUT, GET, DELETE, POST = "PUT", "GET", "DELETE", "POST"
FINISH = (POST, "/bs")
DEFAULT = security(0) + server(0)

# Device: its operations, attributes of lwm2mBootstrap, and what must arrive, in order.
FLOWS = {
    # B2: writes at each level, each with every format below
    "b2-object": (DEFAULT, 'granularity="object"', [(PUT, "/0"), (PUT, "/1"), FINISH]),
    "b2-object-two": (security(0) + security(2, ssid=2) + server(0) + server(1, 2), 'granularity="object"',
                      [(PUT, "/0"), (PUT, "/1"), FINISH]),
    "b2-instance": (DEFAULT, "", [(PUT, "/0/0"), (PUT, "/1/0"), FINISH]),
    "b2-resource": (server(0), 'granularity="resource"',
                    [(PUT, "/1/0/0"), (PUT, "/1/0/1"), (PUT, "/1/0/6"), (PUT, "/1/0/7"), FINISH]),
    # B3
    "b3-all": ('<delete key=""/>' + DEFAULT, "", [(DELETE, "/"), (PUT, "/0/0"), (PUT, "/1/0"), FINISH]),
    "b3-object": ('<delete key="/0"/><delete key="/1"/>' + DEFAULT, "",
                  [(DELETE, "/0"), (DELETE, "/1"), (PUT, "/0/0"), (PUT, "/1/0"), FINISH]),
    "b3-instance": ('<delete key="/0/0"/>' + DEFAULT, "", [(DELETE, "/0/0"), (PUT, "/0/0"), (PUT, "/1/0"), FINISH]),
    # B4, B5
    "b4-root": (DISCOVER + DEFAULT, "", [(GET, "/"), (PUT, "/0/0"), (PUT, "/1/0"), FINISH]),
    "b4-object": ('<discover key="/0"/><discover key="/1"/>' + DEFAULT, "",
                  [(GET, "/0"), (GET, "/1"), (PUT, "/0/0"), (PUT, "/1/0"), FINISH]),
    "b5-read": (READ1 + READ2 + DEFAULT, "", [(GET, "/1"), (GET, "/2"), (PUT, "/0/0"), (PUT, "/1/0"), FINISH]),
    # B6
    "b6-finish": ("", "", [FINISH]),
    # OMA-ETS-LightweightM2M_INT; the bootstrap account is instance 1 there (C.13)
    "int-0": (DEFAULT + DISCOVER, 'granularity="object"', [(PUT, "/0"), (PUT, "/1"), (GET, "/"), FINISH]),
    "int-4": (DEFAULT + DISCOVER + READ1 + '<delete key="/0"/><delete key="/1"/>' + DISCOVER + READ1 + DEFAULT, "",
              [(PUT, "/0/0"), (PUT, "/1/0"), (GET, "/"), (GET, "/1"), (DELETE, "/0"), (DELETE, "/1"), (GET, "/"),
               (GET, "/1"), (PUT, "/0/0"), (PUT, "/1/0"), FINISH]),
    "int-8": (DEFAULT + ACCESS + READ1 + READ2, 'granularity="object"',
              [(PUT, "/0"), (PUT, "/1"), (PUT, "/2"), (GET, "/1"), (GET, "/2"), FINISH]),
    "int-9": (write("LwM2M Server.0.Disable Timeout", 86400, "integer"), 'granularity="resource"',
              [(PUT, "/1/0/5"), FINISH]),
}
# Not all of these go to the end well: they are no flows.
OTHERS = {
    "big": (write("LwM2M Security.0.Server Public Key", "ab" * BIG, "opaque") + server(0), ""),
    "stale": (write("LwM2M Server.0.Lifetime", "${sv.lifetime.toInt}", "integer"), ""),
    "own-account": ('<delete key="/0/0"/>' + DEFAULT, ""),
}
# Whole tasks: what an answer decides, and what becomes of refusals.
OPEN = 'performBootstrapFinish="false"'
WHOLE = {
    "beside": f'<lwm2mBootstrap {OPEN}><discover key="LwM2M Security" output="links"/></lwm2mBootstrap>'
              '<store target="instance" value="${#links.freeInstance(0)}"/>'
              "<lwm2mBootstrap>" + security("${#instance}") + server(0) + "</lwm2mBootstrap>",
    "go-on": f'<lwm2mBootstrap onError="continue" {OPEN}><delete key=""/>{READ1}</lwm2mBootstrap>'
             f"<lwm2mBootstrap>{server(0)}</lwm2mBootstrap>",
    "finish-anyway": f'<lwm2mBootstrap onError="finish">{security(0)}{server(0)}</lwm2mBootstrap>',
    "corrected": f'<lwm2mBootstrap>{server(0)}</lwm2mBootstrap><lwm2mBootstrap when="finishRefused">{security(0)}'
                 "</lwm2mBootstrap>",
}
TEXT_KEY = "0123456789abcdef"
FORMATS = [11542, 110, 112, 11544]


def key_of(device):
    return f"key-{device}-0123456"


def groups(devices):
    return "groups = (\n" + ",\n".join(
        f'{{ name = "root.{d}"; tasks = ( {{ name = "{d}"; file = "{d}.xml"; active = true; }} ); }}'
        for d in devices) + "\n);\n"


def inventory(devices):
    rows = ["endpoint,key,key_hex,groups,value.lifetime"]
    for device in devices:
        key, key_hex = KEYS.get(device, (key_of(device), ""))
        rows.append(f"{device},{key},{key_hex},root.{device},{100 if device == 'stale' else ''}")
    return "\n".join(rows) + "\n"


DEVICES = [*FLOWS, *OTHERS, *WHOLE, "text-key", "hex-key"]
KEYS = {"text-key": (TEXT_KEY, ""), "hex-key": ("", TEXT_KEY.encode().hex())}


def prepare(daemon):
    for device in DEVICES:
        operations_, attributes = (FLOWS.get(device) or OTHERS.get(device) or FLOWS["b2-instance"])[:2]
        body = WHOLE.get(device) or f"<lwm2mBootstrap {attributes}>{operations_}</lwm2mBootstrap>"
        daemon.write(f"policy/tasks/{device}.xml", f"<config>{body}</config>")
    daemon.write("policy/groups.conf", groups(DEVICES))
    daemon.write("devices.csv", inventory(DEVICES))


@pytest.fixture(scope="module")
def bench(stage):
    yield stage.start({r"ack_timeout_ms = 2000": "ack_timeout_ms = 3000"}, prepare=prepare)
    stage.clear()


def arrived(events):
    return [(e["method"], e["path"]) for e in operations(events)]


def error_report(daemon, device, *words):
    """Waits for the report of a run that failed, whose summary has these words."""
    def found():
        report = report_of(daemon, device)
        return report if report and report["status"] == "Error" and all(w in report["summary"] for w in words) else None
    return wait_for(found, f"a report of {device} with {words}")


def succeeded(daemon, device):
    wait_for(lambda: (report_of(daemon, device) or {}).get("status") == "Success", f"the report of {device}")


# -- every flow, with an independent client, in every format

@pytest.mark.parametrize("device", FLOWS)
def test_flow(bench, device):
    code, events = bench.device(f"ep={device}")
    assert code == 0, events
    assert arrived(events) == FLOWS[device][2]
    succeeded(bench, device)


@pytest.mark.parametrize("pct", FORMATS)
@pytest.mark.parametrize("device", ["b2-object", "b2-object-two", "b2-instance", "b2-resource"])
def test_b2_writes_at_each_level_in_each_format(bench, device, pct):
    code, events = bench.device(f"ep={device}", f"pct={pct}")
    assert code == 0, events
    assert arrived(events) == FLOWS[device][2]
    for event in operations(events):
        assert event["format"] == (pct if event["method"] == PUT else -1)


# -- B1: the request

B1 = [
    ("ok", {"queries": ["ep=b6-finish"]}, "2.04"),
    ("no ep", {"queries": []}, "4.00"),
    ("unknown ep", {"queries": ["ep=nobody"]}, "4.00"),
    ("pct 110", {"queries": ["ep=b6-finish", "pct=110"]}, "2.04"),
    ("pct 112", {"queries": ["ep=b6-finish", "pct=112"]}, "2.04"),
    ("pct 11542", {"queries": ["ep=b6-finish", "pct=11542"]}, "2.04"),
    ("pct 11544", {"queries": ["ep=b6-finish", "pct=11544"]}, "2.04"),
    ("pct bad: a format of no write", {"queries": ["ep=b6-finish", "pct=40"]}, "4.15"),
    ("pct bad: no number", {"queries": ["ep=b6-finish", "pct=cbor"]}, "4.00"),
    ("pct bad: twice", {"queries": ["ep=b6-finish", "pct=112", "pct=112"]}, "4.00"),
    ("extra query", {"queries": ["lwm2m=1.2", "ep=b6-finish", "b=U", "x"]}, "2.04"),
    ("the URI's own query first", {"queries": ["and=more", "stuff", "ep=b6-finish"]}, "2.04"),
    ("NON", {"queries": ["ep=b6-finish"], "kind": coap.NON}, "4.00"),
    ("GET", {"queries": ["ep=b6-finish"], "method": coap.GET}, "4.05"),
    ("other path", {"path": "rd", "queries": ["ep=b6-finish"]}, "4.04"),
    ("oversized query", {"queries": ["ep=b6-finish", "x" * 256]}, "4.02"),
    ("an endpoint name of 252 bytes", {"queries": ["ep=" + "n" * 252]}, "4.00"),
    ("duplicate ep", {"queries": ["ep=b6-finish", "ep=b6-finish"]}, "4.00"),
    ("a payload is ignored", {"queries": ["ep=b6-finish"], "payload": b"?"}, "2.04"),
    ("a Content-Format is ignored", {"queries": ["ep=b6-finish"], "extra": [(coap.CONTENT_FORMAT, b"\x28")]}, "2.04"),
    ("Accept of a format we speak", {"queries": ["ep=b6-finish"], "extra": [(coap.ACCEPT, b"\x70")]}, "2.04"),
    ("Accept of another", {"queries": ["ep=b6-finish"], "extra": [(coap.ACCEPT, b"\x3c")]}, "4.06"),
    ("one block", {"queries": ["ep=b6-finish"], "extra": [(BLOCK1, block(0, 0, 6))], "payload": b"?"}, "2.04"),
    ("several blocks", {"queries": ["ep=b6-finish"], "extra": [(BLOCK1, block(0, 1, 0))], "payload": b"?" * 16}, "4.13"),
]


@pytest.mark.parametrize("request_,answer", [case[1:] for case in B1], ids=[case[0] for case in B1])
def test_b1_request(bench, network, request_, answer):
    device = Scripted(network)
    device.send(coap.request(**request_))
    assert device.receive().text == answer
    if answer == "2.04":
        assert device.run(device.receive())[0] == [FINISH]


def test_b1_endpoint_name_of_another_identity(bench):
    psk = ("-i", "b6-finish", "-k", key_of("b6-finish"))
    assert bench.device(*psk, "ep=b2-object", port=5684)[1][0]["code"] == "4.00"
    assert bench.device(*psk, "ep=b6-finish", port=5684)[0] == 0
    assert bench.device(*psk, port=5684)[0] == 0  # no ep: the identity's


def test_b1_retransmitted_request(bench, network):
    device = Scripted(network, "ep=b2-instance")
    first = device.begin()
    device.send(device.request)
    assert device.receive().text == "2.04"
    assert device.quiet()
    assert device.run(first)[0] == FLOWS["b2-instance"][2]


def test_b1_second_request_of_the_same_device_from_another_port(bench, network):
    old, new = Scripted(network, "ep=b2-instance"), Scripted(network, "ep=b2-instance")
    stale = old.begin()
    before = bench.counters()
    first = new.begin()
    wait_for(lambda: sum(bench.counters()[c] - before[c] for c in ("bs_superseded", "bs_cancelled")),
             "the older run to end")
    old.send(stale.answer("2.04"))
    assert old.quiet()
    assert new.run(first)[0] == FLOWS["b2-instance"][2]


def test_b1_second_request_with_the_same_message_id_and_a_new_token(bench, network):
    device = Scripted(network, "ep=b2-instance")
    device.begin()
    device.request = coap.request(queries=["ep=b2-instance"], mid=coap.Message(device.request).mid)
    assert device.run(device.begin())[0] == FLOWS["b2-instance"][2]


# -- B2 to B6: what devices answer

ERRORS = [
    ("b2-instance", 1, "4.00", "PUT /0/0"), ("b2-instance", 1, "4.15", "PUT /0/0"), ("b2-instance", 2, "5.00", "PUT /1/0"),
    ("b3-all", 1, "4.00", "DELETE /"), ("b3-object", 2, "4.04", "DELETE /1"), ("b3-all", 1, "4.05", "DELETE /"),
    ("b4-root", 1, "4.04", "GET /"), ("b4-root", 1, "4.05", "GET /"), ("b4-object", 2, "4.06", "GET /1"),
    ("b5-read", 1, "4.05", "GET /1"), ("b5-read", 2, "4.01", "GET /2"),
    ("b6-finish", 1, "4.00", "POST /bs"), ("b6-finish", 1, "4.06", "POST /bs"),
]


@pytest.mark.parametrize("device,step,answer,operation", ERRORS, ids=[f"{d}-{s}-{a}" for d, s, a, _ in ERRORS])
def test_b2_to_b6_error_answers_end_the_run_and_are_reported(bench, network, device, step, answer, operation):
    scripted = Scripted(network, f"ep={device}")
    seen, _ = scripted.run(scripted.begin(), {step: answer})
    assert seen == FLOWS[device][2][:step]
    assert scripted.quiet(), "something was sent after the error, a Finish perhaps"
    error_report(bench, device, operation, answer)


DISTURBANCES = {
    "separate": lambda d, s: (d.send(coap.message(coap.ACK, 0, s.mid)), d.send(s.answer("2.04", coap.CON, 4711))),
    "response before ACK": lambda d, s: (d.send(s.answer("2.04", coap.NON, 4711)), d.send(coap.message(coap.ACK, 0, s.mid))),
    "duplicate ACK": lambda d, s: (d.send(s.answer("2.04")), d.send(s.answer("2.04"))),
    "wrong token first": lambda d, s: (d.send(coap.message(coap.ACK, coap.code("2.04"), s.mid, b"wrong")),
                                       d.send(s.answer("2.04"))),
    "2.01 to a write": lambda d, s: d.send(s.answer("2.01")),
}


@pytest.mark.parametrize("name", DISTURBANCES)
def test_b2_dialogue_survives(bench, network, name):
    device = Scripted(network, "ep=b2-instance")
    first = device.begin()
    DISTURBANCES[name](device, first)
    second = device.receive()
    if second.kind == coap.ACK:  # of a separate response
        assert (second.code, second.mid) == (0, 4711)
        second = device.receive()
    assert device.run(second)[0] == FLOWS["b2-instance"][2][1:]


def test_b2_reset_ends_the_run(bench, network):
    device = Scripted(network, "ep=b2-instance")
    device.send(coap.message(coap.RST, 0, device.begin().mid))
    # The first one may come from a device that has no answer to its request yet.
    device.send(coap.message(coap.RST, 0, device.receive().mid))
    assert device.quiet()
    error_report(bench, "b2-instance", "Reset")


# -- B2: Block1

def big_payload(network):
    """What the task writes, as a device reads it that takes the largest blocks."""
    device = Scripted(network, "ep=big")
    whole, blocks, step = device.take_blocks(device.begin())
    assert blocks == 3 and step.path == "/1/0"
    device.run(step)
    return whole


@pytest.mark.parametrize("szx", range(7))
def test_b2_block1_with_each_szx(bench, network, szx):
    device = Scripted(network, "ep=big")
    whole, blocks, step = device.take_blocks(device.begin(), szx)
    assert lwm2m.resources(whole)[4] == b"\xab" * BIG
    assert blocks == 1 + -(-(len(whole) - 1024) // (16 << szx))
    assert device.run(step)[0] == [(PUT, "/1/0"), FINISH]


@pytest.mark.parametrize("first,then", [(6, 0), (5, 4), (3, 1), (2, 0)])
def test_b2_block1_shrinking_mid_way(bench, network, first, then):
    device = Scripted(network, "ep=big")
    whole, _, step = device.take_blocks(device.begin(), first, shrink=(2, then))
    assert lwm2m.resources(whole)[4] == b"\xab" * BIG
    assert device.run(step)[0] == [(PUT, "/1/0"), FINISH]


@pytest.mark.parametrize("szx", [0, 2, 5])
def test_b2_block1_4_13_with_a_hint_starts_over_in_smaller_blocks(bench, network, szx):
    device = Scripted(network, "ep=big")
    first = device.begin()
    device.send(coap.message(coap.ACK, coap.code("4.13"), first.mid, first.token, [(BLOCK1, block(0, 0, szx))]))
    step = device.receive()
    assert step.number(BLOCK1) == 8 | szx
    whole, _, step = device.take_blocks(step)
    assert whole == big_payload(network)


def test_b2_block1_4_13_without_a_hint(bench, network):
    """To a request that went whole it means: try blocks. To blocks it means: too much (RFC 7959 2.9.3)."""
    device = Scripted(network, "ep=b2-instance")
    first = device.begin()
    device.send(first.answer("4.13"))
    whole, blocks, step = device.take_blocks(device.receive())
    assert whole == first.payload and blocks > 1
    assert device.run(step)[0] == FLOWS["b2-instance"][2][1:]
    device = Scripted(network, "ep=big")
    device.send(device.begin().answer("4.13"))
    assert device.quiet()
    error_report(bench, "big", "4.13")


def test_b2_block1_4_13_with_size1_is_too_much_in_all(bench, network):
    device = Scripted(network, "ep=b2-instance")
    first = device.begin()
    device.send(coap.message(coap.ACK, coap.code("4.13"), first.mid, first.token, [(SIZE1, b"\x10")]))
    assert device.quiet()
    error_report(bench, "b2-instance", "4.13")


def test_b2_block1_4_08_starts_over_once(bench, network):
    device = Scripted(network, "ep=big")
    step = device.begin()
    device.send(coap.message(coap.ACK, coap.code("2.31"), step.mid, step.token, [(BLOCK1, block(0, 1, 6))]))
    step = device.receive()
    assert step.number(BLOCK1) == 1 << 4 | 8 | 6
    device.send(step.answer("4.08"))
    whole, _, step = device.take_blocks(device.receive())
    assert whole == big_payload(network)
    device = Scripted(network, "ep=big")
    device.send(device.begin().answer("4.08"))
    device.send(device.receive().answer("4.08"))
    assert device.quiet()
    error_report(bench, "big", "4.08")


# -- answers that decide what follows, refusals that do not end the run, and corrections

@pytest.mark.parametrize("own,ours", [("/0/1", "/0/0"), ("/0/0", "/0/1")])
@pytest.mark.parametrize("padding", [0, 400])
def test_a_second_bootstrap_account_is_not_written_beside_the_client_s_own(bench, own, ours, padding):
    """Anjay keeps it in /0/1, others in /0/0; the answer of 5,000 bytes comes in blocks."""
    links = f"</>;lwm2m=1.1,<{own}>" + "".join(f",</0/{n}>;ssid={n}" for n in range(100, 100 + padding))
    code, events = bench.device("-p", f"1=40:{links}", "ep=beside")
    assert code == 0, (events, report_of(bench, "beside"))
    assert arrived(events) == [(GET, "/0"), (PUT, ours), (PUT, "/1/0"), FINISH]
    succeeded(bench, "beside")


def test_b3_b5_4_05_may_be_tolerated_and_is_a_warning(bench, network):
    """A 1.0 client knows no Read, some no DELETE /: the task goes on, and the report says so."""
    device = Scripted(network, "ep=go-on")
    step = device.begin()
    device.send(step.answer("4.05"))
    step = device.receive()
    assert (METHODS[step.code], step.path) == (GET, "/1")
    device.send(step.answer("4.05"))
    assert device.run(device.receive())[0] == [(PUT, "/1/0"), FINISH]
    report = wait_for(lambda: (lambda r: r if r and r["status"] == "Warning" else None)(report_of(bench, "go-on")),
                      "the warning")
    assert "4.05" in report["summary"]


def test_b2_an_error_may_lead_to_finish(bench, network):
    device = Scripted(network, "ep=finish-anyway")
    device.send(device.begin().answer("4.00"))
    assert device.run(device.receive())[0] == [FINISH]


def test_b6_finish_4_06_then_fix_and_finish(bench, network):
    device = Scripted(network, "ep=corrected")
    device.send(device.begin().answer("2.04"))
    finish = device.receive()
    assert (METHODS[finish.code], finish.path) == FINISH
    device.send(finish.answer("4.06"))
    assert device.run(device.receive())[0] == [(PUT, "/0/0"), FINISH]
    # Where the first Finish is accepted nothing is corrected.
    assert device.run(device.again())[0] == [(PUT, "/1/0"), FINISH]
    assert device.quiet()


# -- B4, B5: answers whose content nothing depends on

DISCOVERED = {
    "1.0": 'lwm2m="1.0",</0/0>;ssid=101,</0/1>,</1/0>;ssid=101,</3/0>',
    "1.1": '</>;lwm2m=1.1,</0/0>;ssid=101;uri="coaps://server_1.example.com", </0/1/>, </2>',
    "1.2": '</>;lwm2m=1.2,</0/0>;ssid=0,</3303>;ver=1.1,</3303/0>',
    "block-wise": '</>;lwm2m=1.1,' + ",".join(f"</3303/{n}>" for n in range(300)),
}


@pytest.mark.parametrize("name", DISCOVERED)
def test_b4_discover_replies(bench, name):
    code, events = bench.device("-p", f"1=40:{DISCOVERED[name]}", "ep=b4-root")
    assert code == 0, events
    assert arrived(events) == FLOWS["b4-root"][2]
    assert operations(events)[0]["accept"] == 40


def test_b5_read_asks_in_the_device_s_format(bench):
    for pct in FORMATS:
        code, events = bench.device("-p", f"1={pct}:x", "ep=b5-read", f"pct={pct}")
        assert code == 0, events
        assert [s["accept"] for s in operations(events)[:2]] == [pct, pct]


# -- B7: Bootstrap-Pack-Request

PACKED = "b2-instance"  # a task of writes alone: a pack can say it. b6-finish has none, so its pack is refused
B7 = [
    ("Accept 112", {"queries": [f"ep={PACKED}"], "extra": [(coap.ACCEPT, b"\x70")]}, "2.05"),
    ("Accept 110", {"queries": [f"ep={PACKED}"], "extra": [(coap.ACCEPT, b"\x6e")]}, "2.05"),
    ("Accept 11544", {"queries": [f"ep={PACKED}"], "extra": [(coap.ACCEPT, b"\x2d\x18")]}, "2.05"),
    ("no Accept", {"queries": [f"ep={PACKED}"]}, "2.05"),
    ("acc", {"queries": [f"ep={PACKED}", "acc=</0/2>,</21/0>"], "extra": [(coap.ACCEPT, b"\x6e")]}, "2.05"),
    ("refused", {"queries": ["ep=b6-finish"]}, "4.05"),
    ("Accept TLV", {"queries": [f"ep={PACKED}"], "extra": [(coap.ACCEPT, b"\x2d\x16")]}, "4.06"),
    ("Accept text", {"queries": [f"ep={PACKED}"], "extra": [(coap.ACCEPT, b"")]}, "4.06"),
    ("unknown ep", {"queries": ["ep=nobody"]}, "4.00"),
    ("no ep", {"queries": []}, "4.00"),
    ("acc too long", {"queries": [f"ep={PACKED}", "acc=" + "x" * 65]}, "4.00"),
    ("acc twice", {"queries": [f"ep={PACKED}", "acc=</0/0>", "acc=</0/0>"]}, "4.00"),
    ("NON", {"queries": [f"ep={PACKED}"], "kind": coap.NON}, "4.00"),
    ("POST", {"queries": [f"ep={PACKED}"], "method": coap.POST}, "4.05"),
    ("a block of nothing", {"queries": [f"ep={PACKED}"], "extra": [(BLOCK2, b"\x16")]}, "4.00"),
]


@pytest.mark.parametrize("request_,answer", [case[1:] for case in B7], ids=[case[0] for case in B7])
def test_b7_pack_requests(bench, network, request_, answer):
    device = Scripted(network)
    device.send(coap.request("bspack", **{"method": coap.GET, **request_}))
    reply = device.receive()
    assert reply.text == answer
    if answer == "2.05":
        accept = dict(request_.get("extra", [])).get(coap.ACCEPT, b"\x70")
        assert reply.number(coap.CONTENT_FORMAT) == int.from_bytes(accept, "big")
        assert reply.payload


def fetch_pack(device, szx, queries):
    """A whole pack in blocks of `szx`, each asked for with a token and message id of its own; and the ETags seen."""
    whole, tags, num = b"", set(), 0
    while True:
        device.send(coap.request("bspack", queries, coap.GET,
                                 extra=[(coap.ACCEPT, b"\x70"), (BLOCK2, block(num, 0, szx))]))
        reply = device.receive()
        assert reply.text == "2.05"
        tags.add(next(value for number, value in reply.options if number == 4))
        whole += reply.payload
        value = reply.number(BLOCK2)
        if value is None or not value & 8:
            return whole, tags
        assert (value >> 4, value & 7, len(reply.payload)) == (num, szx, 16 << szx)
        num += 1


@pytest.mark.parametrize("szx", range(7))
def test_b7_pack_in_blocks_of_each_size_is_stable(bench, network, szx):
    device, queries = Scripted(network), [f"ep={PACKED}"]
    first, tags = fetch_pack(device, szx, queries)
    again, more_tags = fetch_pack(device, szx, queries)  # from its start, after its end: a new request, a new pack
    assert len(first) > 100 and first == again
    assert len(tags) == len(more_tags) == 1 and tags != more_tags
    assert first == fetch_pack(Scripted(network), 6, queries)[0]


def test_b7_pack_of_another_identity(bench):
    psk = ("-i", "b6-finish", "-k", key_of("b6-finish"))
    _, events = bench.device(*psk, "-m", "GET", "-u", "bspack", "-a", "112", "ep=b2-object", port=5684)
    assert events[0]["code"] == "4.00"


# -- CLIENTS.md, "Dialogue"

def test_bspack_gets_an_answer_and_bs_follows_on_the_same_port(bench, network):
    """Anjay 1.2 asks for a pack first; unanswered it would ask for ever, after an error it turns to /bs at once."""
    device = Scripted(network, "ep=b6-finish")
    device.send(coap.request("bspack", ["ep=b6-finish"], coap.GET, extra=[(coap.ACCEPT, b"\x70")]))
    assert device.receive().text[0] in "45"
    assert device.run(device.begin())[0] == [FINISH]


def test_a_pack_completes_without_a_finish(bench, network):
    device = Scripted(network, f"ep={PACKED}")
    fetch_pack(device, 6, device.queries)
    assert device.quiet(), "something was sent after the pack"
    succeeded(bench, PACKED)


def test_anjay_retries_without_pct_after_4_00(bench, network):
    device = Scripted(network, "ep=b2-instance")
    device.send(coap.request(queries=["ep=b2-instance", "pct=senml"]))
    assert device.receive().text == "4.00"
    assert device.run(device.begin())[0] == FLOWS["b2-instance"][2]


def test_leshan_answers_finish_with_a_separate_con(bench, network):
    device = Scripted(network, "ep=b6-finish")
    finish = device.begin()
    device.send(coap.message(coap.ACK, 0, finish.mid))
    for _ in range(2):  # its copies are acknowledged after the end, too
        device.send(finish.answer("2.04", coap.CON, mid=99))
        ack = device.receive()
        assert (ack.kind, ack.code, ack.mid) == (coap.ACK, 0, 99)
    succeeded(bench, "b6-finish")


@pytest.mark.parametrize("answer", ["2.02", "4.00"])
def test_delete_of_its_own_bootstrap_instance(bench, network, answer):
    """Wakaama and Friendly accept it, Anjay Lite and Leshan answer 4.00."""
    device = Scripted(network, "ep=own-account")
    seen, _ = device.run(device.begin(), {1: answer})
    assert seen[0] == (DELETE, "/0/0")
    if answer == "2.02":
        succeeded(bench, "own-account")
    else:
        error_report(bench, "own-account", "DELETE /0/0", "4.00")


def test_leshan_needs_resources_3_4_and_5(bench):
    """Empty ones, too, are written: else Finish is answered 4.06."""
    _, events = bench.device("ep=b2-instance")
    written = lwm2m.resources(bytes.fromhex(operations(events)[0]["payload"]))
    assert {3, 4, 5} <= set(written) and written[4] == b""


def test_anjay_lite_answers_4_04_to_a_whole_write(bench, network):
    device = Scripted(network, "ep=b2-instance")
    device.run(device.begin(), {1: "4.04"})
    error_report(bench, "b2-instance", "PUT /0/0", "4.04")


def test_anjay_lite_drops_a_zero_length_block1_option(bench, network):
    """Our Block1 options have a byte at least, in the smallest blocks too."""
    device = Scripted(network, "ep=big")
    first = device.begin()
    device.send(coap.message(coap.ACK, coap.code("4.13"), first.mid, first.token, [(BLOCK1, b"")]))
    step, blocks = device.receive(), 0
    while step.number(BLOCK1) is not None:
        assert [len(value) for number, value in step.options if number == BLOCK1] != [0]
        value = step.number(BLOCK1)
        code = "2.31" if value & 8 else "2.04"
        device.send(coap.message(coap.ACK, coap.code(code), step.mid, step.token,
                                 [(BLOCK1, block(value >> 4, value >> 3 & 1, 0))]))
        step, blocks = device.receive(), blocks + 1
    assert blocks > BIG // 16


def test_a_device_that_bootstraps_again_later_is_served_again(bench, network):
    """Anjay, Wakaama and Friendly accept any Finish, and come back when the configuration does not work."""
    device = Scripted(network, "ep=b2-instance")
    assert device.run(device.begin())[0] == device.run(device.again())[0] == FLOWS["b2-instance"][2]


def test_anjay_lite_and_leshan_answer_finish_with_4_06(bench, network):
    device = Scripted(network, "ep=b2-instance")
    seen, _ = device.run(device.begin(), {3: "4.06"})
    assert seen == FLOWS["b2-instance"][2]
    error_report(bench, "b2-instance", "POST /bs", "4.06")


def test_nobody_needs_a_delete_first(bench):
    """Tasks without <delete> are whole bootstraps, and none is implied."""
    code, events = bench.device("ep=b2-instance")
    assert code == 0 and DELETE not in [method for method, _ in arrived(events)]


@pytest.mark.parametrize("root", ["/", "/0", "/1"])
def test_all_answer_discover_with_link_format(bench, network, root):
    device = Scripted(network, "ep=b4-root" if root == "/" else "ep=b4-object")
    asked = [device.begin()]
    while asked[-1].path != "/bs":
        if asked[-1].code == coap.GET:
            assert asked[-1].number(coap.ACCEPT) == 40
        device.send(asked[-1].answer(SUCCESS[asked[-1].code]))
        asked.append(device.receive())
    device.send(asked[-1].answer("2.04"))
    assert root in [step.path for step in asked if step.code == coap.GET]


def test_friendly_needs_about_a_second_an_exchange(bench, network):
    """Slow answers are no loss: nothing is sent again meanwhile, and the run goes to its end."""
    device = Scripted(network, "ep=b2-instance")
    step, seen = device.begin(), []
    while True:
        seen.append((METHODS[step.code], step.path))
        assert device.quiet(1.0), "sent again to a device that is slow"
        device.send(step.answer("2.04"))
        if step.path == "/bs":
            break
        step = device.receive()
    assert seen == FLOWS["b2-instance"][2]
    succeeded(bench, "b2-instance")


# -- TASKS.md, section 7: what broke for others
# (clients give up after EXCHANGE_LIFETIME: test_dialogue_times.c, test_config.c)

def test_a_client_answering_2_01_to_a_write_stopped_a_server(bench):
    code, events = bench.device("-r", "1=2.01", "-r", "2=2.01", "ep=b2-instance")
    assert code == 0 and arrived(events) == FLOWS["b2-instance"][2]


def test_4_05_on_delete_of_root(bench):
    code, events = bench.device("-r", "1=4.05", "ep=b3-all")
    assert code == 1 and arrived(events) == [(DELETE, "/")]
    error_report(bench, "b3-all", "DELETE /", "4.05")


def test_pct_is_looked_for_in_the_uri_query(bench, network):
    device = Scripted(network)
    device.send(coap.request(queries=["pct=112", "x=1", "ep=b2-instance"]))
    assert device.receive().text == "2.04"
    assert device.receive().number(coap.CONTENT_FORMAT) == 112


@pytest.mark.parametrize("device", ["text-key", "hex-key"])
def test_hex_and_text_keys_are_the_same_bytes(bench, device):
    assert bench.device("-i", device, "-k", TEXT_KEY, f"ep={device}", port=5684)[0] == 0


def test_identities_are_shown_in_both_forms(bench):
    shown = bench.result("device", "show", "hex-key")
    assert (shown["identity"], shown["identity_hex"]) == ("hex-key", b"hex-key".hex())
    text = bench.ctl("device", "show", "hex-key").stdout
    assert f"hex-key (hex {b'hex-key'.hex()})" in text and "given as hex" in text
    assert "given as text" in bench.ctl("device", "show", "text-key").stdout
    assert TEXT_KEY not in text and TEXT_KEY.encode().hex() not in text


def test_setting_values_read_too_early_in_the_first_session_were_stale(bench):
    done = bench.ctl("device", "value", "set", "stale", "lifetime", "200")
    assert done.returncode == 0, done.stderr
    _, events = bench.device("ep=stale")
    assert lwm2m.integer(lwm2m.resources(bytes.fromhex(operations(events)[0]["payload"]))[1]) == 200


def test_the_dtls_session_is_not_cut_when_its_key_changes(bench, network):
    old = key_of("b2-instance").encode()
    client = DtlsClient(network.udp(), (SERVER4, 5684), b"b2-instance", old).handshake()
    client.put(coap.request(queries=["ep=b2-instance"]))
    assert coap.Message(client.get()).text == "2.04"
    step = coap.Message(client.get())
    try:
        done = bench.ctl("device", "edit", "b2-instance", "--key", "another-key-0001")
        assert done.returncode == 0, done.stderr
        seen = [step.path]
        while step.path != "/bs":
            client.put(step.answer("2.04"))
            step = coap.Message(client.get())
            seen.append(step.path)
        client.put(step.answer("2.04"))
        assert seen == ["/0/0", "/1/0", "/bs"]
        succeeded(bench, "b2-instance")
        new = DtlsClient(network.udp(), (SERVER4, 5684), b"b2-instance", b"another-key-0001").handshake()
        new.put(coap.request(queries=["ep=b2-instance"]))
        assert coap.Message(new.get()).text == "2.04"
    finally:
        assert bench.ctl("device", "edit", "b2-instance", "--key", old.decode()).returncode == 0


# -- OMA-ETS-LightweightM2M_INT-V1_2: the server's part

def test_LightweightM2M_1_1_int_0(bench):
    """Client Initiated Bootstrap: Write /0, Write /1, Discover, Finish; the client's account is /0/1."""
    discovered = '</>;lwm2m=1.1,</0/0>;ssid=1,</0/1>,</1/0>;ssid=1,</3/0>'
    code, events = bench.device("-p", f"3=40:{discovered}", "ep=int-0")
    assert code == 0, events
    assert [e["code"] for e in events if e["event"] == "reply"] == ["2.04"]
    assert arrived(events) == [(PUT, "/0"), (PUT, "/1"), (GET, "/"), FINISH]
    assert [e["answer"] for e in operations(events)] == ["2.04", "2.04", "2.05", "2.04"]
    succeeded(bench, "int-0")


def test_LightweightM2M_1_1_int_1(bench):
    """The same over PSK; what a client then registers with (int-401) is in what was written."""
    code, events = bench.device("-i", "int-0", "-k", key_of("int-0"), "ep=int-0", port=5684)
    assert code == 0, events
    written = [lwm2m.decode_tlv(bytes.fromhex(e["payload"])) for e in operations(events)[:2]]
    account = {number: value for _, number, value in written[0][0][2]}
    assert written[0][0][:2] == ("instance", 0)
    assert account[0].startswith(b"coaps://") and account[1] == b"\0" and account[2] == b"\0"
    assert account[3] == b"id" and account[5] == bytes(range(16)) and account[10] == b"\1"
    assert {number: value for _, number, value in written[1][0][2]}[0] == account[10]


def test_LightweightM2M_1_1_int_4(bench):
    """Bootstrap Delete: written, seen, deleted, gone, written again."""
    before, after = '</>;lwm2m=1.1,</0/0>;ssid=1,</0/1>,</1/0>;ssid=1,</3/0>', '</>;lwm2m=1.1,</0/1>,</3/0>'
    code, events = bench.device("-p", f"3=40:{before}", "-p", "4=11542:x", "-p", f"7=40:{after}", "-r", "8=2.05", "ep=int-4")
    assert code == 0, events
    assert arrived(events) == FLOWS["int-4"][2]
    assert [e["answer"] for e in operations(events)[4:6]] == ["2.02", "2.02"]


def test_LightweightM2M_1_1_int_6(bench, network):
    """Bootstrap Sequence: a client whose earlier attempt was lost on the way asks again, and is served whole."""
    device = Scripted(network, "ep=int-0")
    device.begin()  # its answer never reaches the client, which starts over
    assert device.run(device.again())[0] == FLOWS["int-0"][2]
    succeeded(bench, "int-0")


def test_LightweightM2M_1_1_int_8(bench):
    """Bootstrap Read of objects 1 and 2."""
    code, events = bench.device("-p", "4=11542:x", "-p", "5=11542:x", "ep=int-8")
    assert code == 0, events
    assert arrived(events) == FLOWS["int-8"][2]
    assert [e["answer"] for e in operations(events)[3:5]] == ["2.05", "2.05"]


def test_LightweightM2M_1_1_int_9(bench):
    """Bootstrap and Configuration Consistency: the client refuses Finish, and nothing more is sent."""
    code, events = bench.device("-r", "2=4.06", "-s", "1", "ep=int-9")
    assert code == 1
    assert arrived(events) == [(PUT, "/1/0/5"), FINISH]
    error_report(bench, "int-9", "POST /bs", "4.06")


def test_LightweightM2M_1_2_int_12(bench):
    """Bootstrap-Pack: objects 0 and 1 in one answer, fetched by libcoap, over PSK; no Finish."""
    code, events = bench.device("-i", PACKED, "-k", key_of(PACKED), "-m", "GET", "-u", "bspack", "-a", "110",
                                f"ep={PACKED}", "acc=</0/1>", port=5684)
    assert code == 0, events
    reply = events[0]
    assert (reply["code"], reply["format"]) == ("2.05", 110)
    names = set()
    base = ""
    for record in json.loads(bytes.fromhex(reply["payload"])):
        base = record.get("bn", base)
        names.add(base + record.get("n", ""))
    assert {"/0/0/0", "/0/0/1", "/0/0/2", "/0/0/10", "/1/0/0", "/1/0/1", "/1/0/7"} <= names
    succeeded(bench, PACKED)
