"""The console in a real browser (Debian's chromium, by playwright-core): pictures of each step are kept as artefacts."""
import json
import os
import pathlib
import subprocess

import pytest

from conftest import ROOT, wait_for
from console import PASSWORD, Console

SCRIPTS = ROOT / "tests/functional/browser"
MARKUP = "<img src=x onerror=window.pwned=1>"


@pytest.fixture(scope="module")
def packages():
    """As the lock file says; from the registry once."""
    lock, mark = SCRIPTS / "package-lock.json", SCRIPTS / "node_modules/.lock"
    if not mark.exists() or mark.read_text() != lock.read_text():
        done = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=SCRIPTS, text=True,
                              capture_output=True)
        assert done.returncode == 0, done.stdout + done.stderr
        mark.write_text(lock.read_text())
    return SCRIPTS


@pytest.fixture
def console(build, cradled, tmp_path, users_file):
    daemon = cradled()
    with Console.serving(build, tmp_path, daemon.socket, users_file) as one:
        one.daemon = daemon
        yield one


@pytest.fixture
def scenario(build, network, console, packages):
    def run(name, **more):
        shots = pathlib.Path(build) / "screenshots"
        shots.mkdir(exist_ok=True)
        daemon = console.daemon
        device = network.command(f"{build}/tests/functional/lwm2m_client_openssl", "-i", "demo-0001", "-k", "demo-key-0001-demo",
                                 "198.18.0.1", "5684", "ep=demo-0001")
        stranger = network.command(f"{build}/tests/functional/lwm2m_client_openssl", "198.18.0.1", "5683")
        env = dict(os.environ, STRANGER=json.dumps(stranger), CONSOLE_URL=f"http://127.0.0.1:{console.port}",
                   CONSOLE_SHOTS=str(shots), CONSOLE_PASSWORD=PASSWORD, CRADLECTL=f"{build}/tools/cradlectl",
                   CRADLE_SOCKET=daemon.socket, DEVICE=json.dumps(device), **more)
        return subprocess.Popen(["node", SCRIPTS / name], env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT)
    return run


def finish(process, said_before=""):
    try:
        said = said_before + process.communicate(timeout=170)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        said = process.communicate()[0]
    assert process.returncode == 0, said[-4000:]


def test_the_nine_steps(scenario, console):
    console.daemon.device("ep=stranger-7")
    finish(scenario("nine-steps.mjs"))
    shots = list((pathlib.Path(console.build) / "screenshots").glob("*.png"))
    assert len(shots) > 25 and all(shot.stat().st_size > 5000 for shot in shots)


def test_what_devices_and_people_write_is_never_markup(scenario, console, tmp_path):
    daemon = console.daemon
    name, task = f"dev {MARKUP}", tmp_path / "loud.xml"
    task.write_text(f'<config><log message="{MARKUP}"/><finish status="ERROR" message="{MARKUP}"/></config>'.replace("<img", "&lt;img")
                    .replace("=1>", "=1&gt;"))
    for words in (["group", "edit", "root.demo", "--description", MARKUP], ["device", "add", name, "--no-key", "--groups", "root.demo"],
                  ["group", "value", "set", "root.demo", "hello", MARKUP], ["device", "value", "set", name, "own", MARKUP],
                  ["server", "add", "evil", "--name", MARKUP, "--uri", "coaps://a.example", "--ssid", "9"],
                  ["task", "add", task, "--group", "root.demo", "--name", MARKUP, "--comment", MARKUP]):
        done = daemon.ctl(*words)
        assert done.returncode == 0, done.stderr
    daemon.device("ep=demo-0001")
    daemon.device(f"ep=who {MARKUP}")
    wait_for(lambda: MARKUP in json.dumps(daemon.result("unknown", "list")), "the unknown device")
    wait_for(lambda: MARKUP in json.dumps(daemon.result("report", "list")), "the report")
    quoted = "/devices/" + name.replace("<", "%3C").replace(">", "%3E").replace(" ", "%20")
    finish(scenario("hostile.mjs", PAGES=json.dumps(["/devices", quoted, f"{quoted}/values", "/groups", "/groups/root.demo",
                                                     "/groups/root.demo/values", "/servers", "/unknown", "/reports",
                                                     "/devices/demo-0001/reports", "/reports/g:root.demo:2/demo-0001"])))


def test_two_people_edit_one_task_and_a_viewer_none(scenario):
    finish(scenario("two-people.mjs"))


def conversation(process, steps):
    """Does what the scenario asks for, each once."""
    said = ""
    for line in process.stdout:
        said += line
        word = line.split()[1:] if line.startswith("ASK ") else None
        if not word:
            break
        steps.pop(word[0])()
        process.stdin.write("\n")
        process.stdin.flush()
        if not steps:
            break
    said += process.stdout.read()  # what is buffered already, too
    finish(process, said)
    assert not steps


def certificates(folder):
    """An authority, one that ended, our certificate for nine more days, and a device's."""
    def run(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    def key(name):
        run("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", f"{name}.key")
        (folder / f"{name}.key").chmod(0o600)
    folder.mkdir()
    for name, subject, days in (("ca", "Factory", "365"), ("old", "Old", "-1")):
        key(name)
        run("req", "-new", "-key", f"{name}.key", "-subj", f"/CN={subject}", "-out", f"{name}.csr")
        (folder / "ca.ext").write_text("basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign,cRLSign\n")
        run("x509", "-req", "-in", f"{name}.csr", "-signkey", f"{name}.key", "-days", days, "-extfile", "ca.ext", "-out", f"{name}.pem")
    for name, subject, days in (("bs", "bs.example", "10"), ("meter", "meter-42", "30")):
        key(name)
        run("req", "-new", "-key", f"{name}.key", "-subj", f"/CN={subject}", "-out", f"{name}.csr")
        run("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", days, "-out",
            f"{name}.pem")


def test_trust_settings_and_the_audit(scenario, console):
    daemon = console.daemon
    certs = daemon.folder / "policy/certs"
    certificates(certs)
    daemon.write("policy/trust.conf", 'own = ( { key = "bs.key"; chain = "bs.pem"; } );\n'
                 'anchors = ( { file = "ca.pem"; }, { file = "old.pem"; } );\n' + f'deny = [ "{"a" * 64}" ];\n')
    done = daemon.ctl("reload")
    assert done.returncode == 0, done.stderr
    good = daemon.read("cradle.conf")

    def change():
        daemon.write("cradle.conf", good.replace("max_retransmit = 4", "max_retransmit = 3") + 'kek = "pkcs11:token=x;object=k?pin-value=4711";\n')
    process = scenario("administration.mjs", DEVICE_PEM=str(certs / "meter.pem"))
    conversation(process, {"change": change, "spoil": lambda: daemon.write("cradle.conf", good + "sessions = nonsense;\n")})


def test_the_appliance_restarts_under_an_open_page_and_has_many_devices(scenario, console, tmp_path):
    daemon, rows = console.daemon, tmp_path / "mass.csv"
    rows.write_text("endpoint,key\n" + "".join(f"mass-{n:07},k\n" for n in range(100000)))

    def fill():
        assert daemon.ctl("device", "import", rows).returncode == 0
    steps = {"stop": daemon.stop, "start": daemon.start, "fill": fill}
    conversation(scenario("restart.mjs"), steps)


def test_pages_follow_what_happens(scenario):
    finish(scenario("live.mjs"))


def test_a_validator_accepts_the_document_of_the_api(console, packages):
    text = console.get("/api/v1/openapi.json").text
    done = subprocess.run(["node", packages / "openapi.mjs"], input=text, text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
