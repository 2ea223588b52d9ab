"""No key and no secret value where it should not be: not in memory that was given back, not in files, logs, command lines.

The keys of this run are known, so they are looked for byte by byte, in every form they take: raw, hex, base64.
"""
import base64
import os
import pathlib
import re
import subprocess

import pytest

from conftest import SERVER4, wait_for
from dtls_client import DtlsClient
from test_privileges import add

LOCKED_AWAY = ("[vvar]", "[vdso]", "[vsyscall]")


def forms(secret):
    """All forms in which bytes could lie about."""
    yield secret
    yield secret.hex().encode()
    yield secret.hex().upper().encode()
    yield base64.b64encode(secret).rstrip(b"=")[:-1]


def mappings(pid):
    """(start, end, name) of all that can be read of a process."""
    for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines():
        found = re.match(r"([0-9a-f]+)-([0-9a-f]+) (r\S+) \S+ \S+ \d+\s*(.*)", line)
        if found and found[4] not in LOCKED_AWAY:
            yield int(found[1], 16), int(found[2], 16), found[4]


def resident(pid, start, end):
    """Ranges of pages that are there: DPDK reserves far more addresses than it uses."""
    page, run = 4096, None
    with open(f"/proc/{pid}/pagemap", "rb", buffering=0) as pagemap:
        at = start
        while at < end:
            pagemap.seek(at // page * 8)
            entries = pagemap.read(min(1 << 16, (end - at) // page) * 8)
            if not entries:
                break
            for i in range(0, len(entries), 8):
                present = entries[i + 7] >> 6  # present, or swapped
                if present and run is None:
                    run = at + i // 8 * page
                if not present and run is not None:
                    yield run, at + i // 8 * page
                    run = None
            at += len(entries) // 8 * page
    if run is not None:
        yield run, min(at, end)


def find_in_memory(pid, secrets):
    """[(name of the secret, mapping, address)] of all that lies in the memory of a process."""
    found = []
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for start, end, name in mappings(pid):
            if end - start > 1 << 34 and not name:
                continue  # reserved, never touched: no page of it is there
            for first, last in resident(pid, start, end):
                try:
                    memory.seek(first)
                    content = memory.read(last - first)
                except (OSError, ValueError):
                    continue
                for label, needles in secrets.items():
                    for needle in needles:
                        at = content.find(needle)
                        while at >= 0:
                            found.append((label, name or "anonymous", hex(first + at)))
                            at = content.find(needle, at + 1)
    return found


def named(**secrets):
    return {label: list(forms(secret)) for label, secret in secrets.items()}


@pytest.fixture
def sealed(cradled, build, tmp_path):
    """An appliance whose store is sealed, so that even SQLite's pages know no key."""
    kek = tmp_path / "kek"
    subprocess.run([f"{build}/control/cradled", "--make-kek", kek], check=True, capture_output=True)

    def prepare(daemon):
        (daemon.folder / "devices.csv").unlink()
    return cradled(settings=add(f'kek = "{kek}";'), prepare=prepare)


def test_what_was_removed_is_nowhere_in_memory(sealed, network, tmp_path):
    keys = {name: os.urandom(16) for name in ("added", "imported_csv", "imported_jsonl", "edited_before", "edited_after", "value")}
    stays = os.urandom(16)
    value = keys["value"].hex()
    csv, jsonl = tmp_path / "in.csv", tmp_path / "in.jsonl"
    csv.write_text(f"endpoint,key_hex,secret.pw\nby-csv,{keys['imported_csv'].hex()},{value}\n")
    jsonl.write_text('{"endpoint":"by-jsonl","key_hex":"%s"}\n' % keys["imported_jsonl"].hex())
    hex_file = tmp_path / "key"

    def add_device(name, key, *command):
        hex_file.write_text(key.hex())
        done = sealed.ctl(*(command or ("device", "add")), name, "--key-hex-file", hex_file)
        assert done.returncode == 0, done.stderr
    add_device("stays", stays)
    add_device("by-add", keys["added"])
    add_device("by-edit", keys["edited_before"])
    add_device("by-edit", keys["edited_after"], "device", "edit")
    for file in (csv, jsonl):
        done = sealed.ctl("device", "import", file)
        assert done.returncode == 0, done.stdout + done.stderr
    for form in ("csv", "jsonl"):
        done = sealed.ctl("device", "export", tmp_path / f"out.{form}", "--secrets")
        assert done.returncode == 0, done.stderr
    pid = sealed.process.pid
    assert find_in_memory(pid, named(stays=stays)), "a key that is in use is found: the search works"
    for label in ("added", "imported_csv", "imported_jsonl", "edited_after"):
        assert find_in_memory(pid, {label: [keys[label]]}), f"{label} is in use"
    DtlsClient(network.udp(), (SERVER4, 5684), b"by-add", keys["added"]).handshake()
    sealed.ctl("device", "show", "by-csv")
    sealed.ctl("task", "preview", "by-csv")
    for name in ("by-add", "by-edit", "by-csv", "by-jsonl"):
        done = sealed.ctl("device", "remove", name)
        assert done.returncode == 0, done.stderr
    gone = named(**keys)
    # Memory is given back once every worker has passed a quiescent point; that is not at once.
    found = []

    def nothing_left():
        found[:] = find_in_memory(pid, gone)
        return not found
    try:
        wait_for(nothing_left, "memory to be wiped", 30)
    except AssertionError:
        raise AssertionError(f"in memory that was given back: {found}") from None
    assert find_in_memory(pid, {"stays": [stays]})


def test_threads_that_open_and_compile_leave_nothing(sealed, tmp_path):
    """At a start with many devices keys are opened and compiled by threads that end: nothing stays on their stacks."""
    devices = 6000  # from 5,000 on several threads compile
    before, after = (tuple(os.urandom(12).hex() for _ in "kv") for _ in range(2))
    csv = tmp_path / "many.csv"

    def put(key, value):
        csv.write_text("endpoint,groups,key,value.managementId,secret.password\n" + "".join(
            f"many-{n:04},root.demo,{key},many-{n:04},{value}\n" for n in range(devices)))
        done = sealed.ctl("device", "import", csv)
        assert done.returncode == 0, done.stdout + done.stderr
    put(*before)
    assert sealed.stop() == 0
    sealed.start()
    pid = sealed.process.pid
    assert f"{devices} devices and their reports loaded" in sealed.log()
    needles = {"key": list(forms(before[0].encode())), "value": list(forms(before[1].encode()))}
    assert {label for label, _, _ in find_in_memory(pid, needles)} == {"key", "value"}, "in use: the search works"
    put(*after)
    found = []

    def nothing_left():
        found[:] = find_in_memory(pid, needles)
        return not found
    try:
        wait_for(nothing_left, "memory to be wiped", 30)
    except AssertionError:
        raise AssertionError(f"in memory that was given back: {len(found)}, such as {found[:8]}") from None


def test_files_logs_and_command_lines_tell_no_key(sealed, tmp_path):
    keys = {"key": os.urandom(16), "value": os.urandom(16)}
    csv = tmp_path / "in.csv"
    csv.write_text(f"endpoint,key_hex,secret.pw\nin-files,{keys['key'].hex()},{keys['value'].hex()}\n")
    assert sealed.ctl("device", "import", csv).returncode == 0
    csv.write_text("endpoint,key_hex\nin-files,%s0\n" % keys["key"].hex())
    refused = sealed.ctl("device", "import", csv)
    assert refused.returncode == 1, "a key of half a byte"
    csv.unlink()
    said = [refused.stdout, refused.stderr]
    for command in (["device", "show", "in-files"], ["device", "list"], ["device", "export", tmp_path / "masked.csv"],
                    ["device", "export", tmp_path / "sealed.csv", "--seal"], ["store", "backup", tmp_path / "copy"],
                    ["task", "preview", "in-files"], ["audit", "list"], ["status"], ["device", "rejected"]):
        done = sealed.ctl("--json", *command)
        said += [done.stdout, done.stderr]
    sealed.device("-i", "in-files", "-k", "wrong key", "ep=in-files", port=5684, timeout=120)
    said.append(sealed.log())
    line = pathlib.Path(f"/proc/{sealed.process.pid}/cmdline").read_bytes()
    environment = pathlib.Path(f"/proc/{sealed.process.pid}/environ").read_bytes()
    assert sealed.stop() == 0
    said.append(sealed.log())
    contents = {"what was said": "\n".join(said).encode(), "command line": line, "environment": environment}
    for folder in (sealed.folder, tmp_path):
        for path in folder.rglob("*"):
            if path.is_file():
                contents[str(path)] = path.read_bytes()
    assert any(name.endswith("cradle.db") for name in contents) and any("sealed.csv" in name for name in contents)
    for label, needles in named(**keys).items():
        for name, content in contents.items():
            for needle in needles:
                assert needle not in content, f"{label} in {name}"


def test_a_sealed_export_is_opened_by_an_import_and_by_nothing_else(sealed, cradled, tmp_path):
    key = os.urandom(16).hex()
    (tmp_path / "key").write_text(key)
    assert sealed.ctl("device", "add", "travels", "--key-hex-file", tmp_path / "key").returncode == 0
    for name in ("out.csv", "out.jsonl"):
        done = sealed.ctl("device", "export", tmp_path / name, "--seal")
        assert done.returncode == 0 and "sealed under" in done.stdout, done.stderr
        assert key.encode() not in (tmp_path / name).read_bytes()
    assert sealed.ctl("device", "remove", "travels").returncode == 0
    for name in ("out.csv", "out.jsonl"):
        done = sealed.ctl("device", "import", tmp_path / name)
        assert done.returncode == 0, done.stderr
        plain = tmp_path / "plain.jsonl"
        assert sealed.ctl("device", "export", plain, "--secrets").returncode == 0
        assert key in plain.read_text()
        assert sealed.ctl("device", "remove", "travels").returncode == 0
    cut = tmp_path / "cut.csv"
    cut.write_bytes((tmp_path / "out.csv").read_bytes()[:-1])
    refused = sealed.ctl("device", "import", cut)
    assert refused.returncode == 1 and "damaged, or cut off" in refused.stderr, refused.stderr
    sealed.stop()
    other = cradled()
    refused = other.ctl("device", "import", tmp_path / "out.csv")
    assert refused.returncode == 1 and "which the setting `kek` does not lead to" in refused.stderr
    refused = other.ctl("device", "export", tmp_path / "no.csv", "--seal")
    assert refused.returncode == 1 and "--make-kek" in refused.stderr
