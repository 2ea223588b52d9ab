"""Bootstrap over DTLS with certificates and raw public keys: libcoap's clients on OpenSSL and GnuTLS, openssl's own, and
operators who mend what refused a device."""
import os
import re
import subprocess

import pytest

from conftest import ROOT, SERVER4, wait_for
from test_nosec import operations

NAME = "bs.example.com"


class Authority:
    """A small authority as README makes one, with openssl alone."""

    def __init__(self, folder, name="Factory"):
        self.folder, self.name = folder, name
        folder.mkdir(parents=True, exist_ok=True)
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650",
                     "-subj", f"/CN={name}", "-keyout", self.path("ca.key"), "-out", self.path("ca.pem"))

    def path(self, name):
        return str(self.folder / name)

    def openssl(self, *argv, **options):
        done = subprocess.run(["openssl", *map(str, argv)], capture_output=True, text=True, **options)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def issue(self, file, cn, usage="clientAuth", days="365", extra=()):
        """FILE.key and FILE.pem."""
        key, pem, request = self.path(file + ".key"), self.path(file + ".pem"), self.path(file + ".csr")
        self.openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={cn}",
                     "-keyout", key, "-out", request)
        extensions = self.folder / (file + ".ext")
        extensions.write_text("\n".join(["keyUsage=critical,digitalSignature", f"extendedKeyUsage={usage}", *extra]))
        self.openssl("x509", "-req", "-in", request, "-CA", self.path("ca.pem"), "-CAkey", self.path("ca.key"),
                     "-CAcreateserial", "-days", days, "-extfile", extensions, "-out", pem)
        return pem, key


def spki_hash(key):
    der = subprocess.run(["openssl", "pkey", "-in", key, "-pubout", "-outform", "der"], capture_output=True, check=True)
    digest = subprocess.run(["openssl", "dgst", "-sha256", "-r"], input=der.stdout, capture_output=True, check=True)
    return digest.stdout.split()[0].decode()


def cert_hash(pem):
    der = subprocess.run(["openssl", "x509", "-in", pem, "-outform", "der"], capture_output=True, check=True)
    digest = subprocess.run(["openssl", "dgst", "-sha256", "-r"], input=der.stdout, capture_output=True, check=True)
    return digest.stdout.split()[0].decode()


TRUST = """
own = ( { key = "bs.key"; chain = "bs.pem"; names = [ "bs.example.com" ]; } );
anchors = ( { file = "ca.pem"; %s } );
%s
"""


class Site:
    """An appliance that trusts an authority, and devices of it."""

    def __init__(self, cradled, tmp_path, anchor="", rest="", token=None):
        self.authority = Authority(tmp_path / "ca")
        self.certs = None

        def prepare(appliance):
            self.certs = appliance.folder / "policy" / "certs"
            self.certs.mkdir()
            pem, key = self.authority.issue("bs", NAME, "serverAuth", extra=[f"subjectAltName=DNS:{NAME}"])
            for file in (pem, self.authority.path("ca.pem")):
                subprocess.run(["cp", file, self.certs], check=True)
            if token:
                token.take(key)
            else:
                subprocess.run(["install", "-m", "600", key, self.certs], check=True)
            appliance.write("policy/trust.conf", (TRUST % (anchor, rest)).replace("bs.key", token.uri if token else "bs.key"))
        self.daemon = cradled(prepare=prepare, env=token and token.env)

    def device(self, pem, key, endpoint="demo-0001", tls="openssl", verify=True):
        options = ["-K", key, "-t", 15]
        if pem:
            options += ["-C", pem]
        if verify:
            options += ["-A", self.authority.path("ca.pem"), "-N", NAME]
        return self.daemon.device(*options, f"ep={endpoint}", tls=tls, port=5684)

    def refused(self, counter, *argv, **options):
        before = self.daemon.counters()[counter]
        code, events = self.device(*argv, **options)
        assert code == 1, events
        assert not operations(events)
        wait_for(lambda: self.daemon.counters()[counter] > before, f"{counter} to grow: {self.daemon.counters()}")

    def listed(self, text, *command):
        """The counter moves on the worker; the list is the control thread's, once it took the event."""
        wait_for(lambda: text in self.daemon.ctl(*command).stdout, f"{text} in {' '.join(command)}")

    def trust(self, anchor="", rest=""):
        self.daemon.write("policy/trust.conf", TRUST % (anchor, rest))
        return self.daemon.ctl("reload")


class Token:
    """A PKCS#11 token by softhsm2, and a PIN in a file."""

    def __init__(self, folder):
        self.pin = folder / "pin"
        self.pin.write_text("1234\n")
        self.pin.chmod(0o600)
        (folder / "tokens").mkdir()
        (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\n")
        self.env = dict(os.environ, SOFTHSM2_CONF=str(folder / "softhsm2.conf"))
        self.uri = f"pkcs11:token=box;object=bs?pin-source=file:{self.pin}"
        self.util("--init-token", "--free", "--label", "box", "--so-pin", "5678")

    def util(self, *argv):
        subprocess.run(["softhsm2-util", *argv, "--pin", "1234"], check=True, env=self.env, capture_output=True)

    def take(self, key, label="bs", number="01"):
        """Key pair of a file, which goes."""
        self.util("--import", key, "--token", "box", "--label", label, "--id", number)
        os.unlink(key)


@pytest.fixture
def site(cradled, tmp_path):
    return lambda **options: Site(cradled, tmp_path, **options)


@pytest.mark.parametrize("tls", ["openssl", "gnutls"])
def test_a_device_with_a_certificate_bootstraps(site, tls):
    here = site()
    code, events = here.device(*here.authority.issue("dev", "demo-0001"), tls=tls)
    assert code == 0, (events, here.daemon.log())
    assert [s["path"] for s in operations(events)] == ["/0/2", "/1/0", "/bs"]
    counters = here.daemon.finished(1)
    assert counters["dtls_finished"] == 1 and counters["bs_finished"] == 1


@pytest.mark.parametrize("tls", ["openssl", "gnutls"])
def test_our_key_in_a_token_signs_there(site, tmp_path, tls):
    here = site(token=Token(tmp_path))
    assert not (here.certs / "bs.key").exists()
    device = here.authority.issue("dev", "demo-0001")
    for _ in range(2):  # a reload opens the token anew
        code, events = here.device(*device, tls=tls)
        assert code == 0, (events, here.daemon.log())
        reloaded = here.daemon.ctl("reload")
        assert reloaded.returncode == 0, reloaded.stdout + reloaded.stderr
    assert here.daemon.finished(2)["bs_finished"] == 2
    assert "pkcs11:token=box" in here.daemon.ctl("trust", "list").stdout


def test_a_token_that_cannot_be_used_is_refused_with_a_remedy(site, tmp_path):
    token = Token(tmp_path)
    here = site(token=token)
    _, other = here.authority.issue("other", "whatever")
    token.take(other, "other", "02")
    trust = (here.daemon.folder / "policy" / "trust.conf").read_text()

    def refused(old, new, why):
        here.daemon.write("policy/trust.conf", trust.replace(old, new))
        answer = here.daemon.ctl("reload")
        assert answer.returncode != 0 and why in answer.stdout + answer.stderr, answer.stdout + answer.stderr
        assert "trust.conf:2" in answer.stdout + answer.stderr
    refused("token=box", "token=bax", "no such token: `p11-kit list-modules`")
    refused("object=bs", "object=bz", "no key of this kind in the token fits")
    refused(";object=bs", "", "more than one key of the token fits")
    refused("object=bs", "object=other", "is not of this key")
    refused("token=box", "token=%zz", "no PKCS#11 URI")
    refused("token=", "tokn=", "a part of the URI is none")
    refused(f"pin-source=file:{token.pin}", "pin-value=1234", "write pin-source=file:FILE")
    refused("/pin", "/pain", "the file of pin-source= cannot be read")
    token.pin.chmod(0o644)
    refused("", "", "chmod 600")
    assert here.device(*here.authority.issue("dev", "demo-0001"))[0] == 0
    token.pin.chmod(0o600)
    token.pin.write_text("4321\n")
    assert here.daemon.stop() == 0
    checked = subprocess.run([f"{here.daemon.build}/control/cradled", "-c", here.daemon.folder / "cradle.conf", "--check"],
                             text=True, capture_output=True, env=token.env)
    assert checked.returncode == 1 and "does not take the PIN" in checked.stderr


def test_a_reload_that_changes_no_file_of_trust_keeps_what_was_verified(site):
    here = site()
    here.daemon.edit("cradle.conf", r"^workers = 1", "curve_threads = 1; workers = 1")
    assert here.daemon.stop() == 0
    here.daemon.start()
    device = here.authority.issue("dev", "demo-0001")

    def chains():
        threads = here.daemon.result("status")["certificates"]["threads"]
        return threads["chains_verified"], threads["chains_cached"]
    assert here.device(*device)[0] == 0
    assert chains() == (1, 0)
    assert here.daemon.ctl("reload").returncode == 0
    assert here.device(*device)[0] == 0
    assert chains() == (1, 1)
    assert here.trust(rest="grace_days = 1;").returncode == 0
    assert here.device(*device)[0] == 0
    assert chains() == (2, 1)


def openssl_cbc(here, network, pem, key):
    done = subprocess.run(network.command(
        "openssl", "s_client", "-dtls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256:@SECLEVEL=0", "-cert", pem, "-key", key,
        "-CAfile", here.authority.path("ca.pem"), "-servername", NAME, "-connect", f"{SERVER4}:5684"),
        input="", text=True, capture_output=True, timeout=30)
    return "Cipher is ECDHE-ECDSA-AES128-SHA256" in done.stdout


def test_cbc_with_certificates_is_served_where_it_is_switched_on(site, network):
    here = site()
    device = here.authority.issue("dev", "demo-0001")
    assert not openssl_cbc(here, network, *device)
    assert here.daemon.counters()["dtls_failed_suite"] > 0
    here.daemon.edit("cradle.conf", r"^workers = 1", "certificates_cbc = true; workers = 1")
    assert here.daemon.ctl("reload").returncode == 0
    assert openssl_cbc(here, network, *device)
    assert here.daemon.counters()["dtls_finished"] == 1


def raw_key_handshake(here, network, key):
    """Whether GnuTLS shakes hands: raw public keys both ways (RFC 7250)."""
    public = key + ".pub"
    here.authority.openssl("pkey", "-in", key, "-pubout", "-out", public)
    done = network.run(
        "gnutls-cli", "--udp", "--insecure", "-p", "5684", SERVER4, "--rawpkkeyfile", key, "--rawpkfile", public,
        "--priority", "NORMAL:-VERS-ALL:+VERS-DTLS1.2:-CIPHER-ALL:+AES-128-CCM-8:-CTYPE-ALL:+CTYPE-CLI-RAWPK:+CTYPE-SRV-RAWPK",
        input="", timeout=30)
    return "Handshake was completed" in done.stdout


def test_a_device_with_a_raw_public_key_is_known_by_it(site, network):
    here = site()
    _, key = here.authority.issue("dev", "whatever")
    identity = "spki-sha256:" + spki_hash(key)
    assert not raw_key_handshake(here, network, key)
    wait_for(lambda: here.daemon.counters()["dtls_certificate_unknown_key"] == 1, "a counter")
    here.listed(identity, "unknown", "list")
    changed = here.daemon.ctl("device", "edit", "demo-0001", "--identity", identity, "--no-key")
    assert changed.returncode == 0, changed.stdout + changed.stderr
    assert raw_key_handshake(here, network, key), here.daemon.log()
    assert here.daemon.counters()["dtls_finished"] == 1
    assert identity in here.daemon.ctl("device", "export").stdout


def test_a_device_with_a_raw_public_key_bootstraps(site):
    here = site()
    _, key = here.authority.issue("dev", "whatever")
    public = key + ".pub"
    here.authority.openssl("pkey", "-in", key, "-pubout", "-out", public)
    here.daemon.ctl("device", "edit", "demo-0001", "--identity", "spki-sha256:" + spki_hash(key), "--no-key")
    code, events = here.daemon.device("-K", key, "-P", public, "-t", 15, "ep=demo-0001", tls="gnutls", port=5684)
    assert code == 0, (events, here.daemon.log())
    assert [s["path"] for s in operations(events)] == ["/0/2", "/1/0", "/bs"]
    # The key says who it is, not the name that is asked under.
    code, events = here.daemon.device("-K", key, "-P", public, "-t", 15, "ep=demo-0002", tls="gnutls", port=5684)
    assert code == 1 and events[0]["code"] == "4.00", events


def test_a_pinned_certificate_needs_no_authority(site):
    here = site()
    other = Authority(here.authority.folder / "other", "Somebody")
    pem, key = other.issue("dev", "demo-0001")
    here.refused("dtls_certificate_issuer", pem, key)
    changed = here.daemon.ctl("device", "edit", "demo-0001", "--identity", "cert-sha256:" + cert_hash(pem), "--no-key")
    assert changed.returncode == 0, changed.stdout + changed.stderr
    code, events = here.device(pem, key)
    assert code == 0, events
    # From now on the device is the pinned one alone, whatever an authority says.
    here.refused("dtls_certificate_unknown", *here.authority.issue("twin", "demo-0001"))
    here.listed("another key or certificate", "device", "rejected")


def test_a_trace_tells_why_a_certificate_is_refused(site):
    here = site()
    pem, key = here.authority.issue("dev", "demo-0001")
    assert here.trust(rest=f'deny = [ "{cert_hash(pem)}" ];').returncode == 0
    here.daemon.ctl("trace", "start", "demo-0001")
    here.refused("dtls_certificate_denied", pem, key)
    why = "its certificate is on the deny list; `trust allow HASH` takes it off"
    lines = []

    def told():
        lines.append(here.daemon.ctl("trace", "show", "demo-0001").stdout)
        return f"-- DTLS handshake refused: {why}" in "".join(lines)
    wait_for(told, f"the trace to tell: {lines}")
    assert "fell silent" not in "".join(lines)
    here.listed("on the deny list", "device", "rejected")
    assert "trust allow HASH" in here.daemon.ctl("device", "show", "demo-0001").stdout
    # Of a certificate that inventory has, too.
    here.daemon.ctl("device", "edit", "demo-0001", "--identity", "cert-sha256:" + cert_hash(pem), "--no-key")
    lines.clear()
    here.refused("dtls_certificate_denied", pem, key)
    wait_for(told, f"the trace to tell: {lines}")
    assert "fell silent" not in "".join(lines)


@pytest.mark.parametrize("form", ["pem", "der"])
def test_files_of_keys_and_certificates_are_identities(site, form):
    here = site()
    other = Authority(here.authority.folder / "other", "Somebody")
    pem, key = other.issue("dev", "demo-0001")
    public = other.path("dev.pub")
    other.openssl("pkey", "-in", key, "-pubout", "-outform", form, "-out", public)
    if form == "der":
        other.openssl("x509", "-in", pem, "-outform", "der", "-out", other.path("dev.der"))
    certificate = other.path("dev.der") if form == "der" else pem
    # A key that is there goes with it.
    done = here.daemon.ctl("device", "edit", "demo-0001", "--certificate", certificate)
    assert done.returncode == 0, done.stderr
    assert here.device(pem, key)[0] == 0
    assert "cert-sha256:" + cert_hash(pem) in here.daemon.ctl("device", "export").stdout
    done = here.daemon.ctl("device", "add", "raw", "--raw-key", public)
    assert done.returncode == 0, done.stderr
    assert "spki-sha256:" + spki_hash(key) in here.daemon.ctl("device", "export").stdout
    for options, message in ((["--raw-key", key], "is a private key"), (["--raw-key", "/etc/hostname"], "no public key"),
                             (["--certificate", public], "no certificate in PEM or DER"),
                             (["--certificate", pem, "--key", "k"], "exclude each other"),
                             (["--certificate", pem, "--identity", "i"], "exclude each other"),
                             (["--identity", "spki-sha256:abc"], "64 hex digits"),
                             (["--identity", "spki-sha256:" + "1" * 64, "--key", "secret"], "no pre-shared key")):
        done = here.daemon.ctl("device", "add", "other", *options)
        assert done.returncode != 0 and message in done.stdout + done.stderr, (options, done.stdout, done.stderr)
    other.openssl("ecparam", "-name", "secp384r1", "-genkey", "-noout", "-out", other.path("p384.key"))
    other.openssl("pkey", "-in", other.path("p384.key"), "-pubout", "-out", other.path("p384.pub"))
    done = here.daemon.ctl("device", "add", "other", "--raw-key", other.path("p384.pub"))
    assert done.returncode == 1 and "not of P-256" in done.stderr


def test_imported_hashes_are_taken_as_people_write_them(site, tmp_path):
    here = site()
    digits = "0123456789abcdef" * 4
    colons = ":".join(digits[i:i + 2] for i in range(0, 64, 2)).upper()
    csv, lines = tmp_path / "devices.csv", tmp_path / "devices.jsonl"
    csv.write_text(f"endpoint,identity\nraw,SPKI-SHA256:{colons}\n")
    lines.write_text('{"endpoint": "pinned", "identity": "cert-sha256:%s"}\n' % digits.upper())
    for file in (csv, lines):
        done = here.daemon.ctl("device", "import", file)
        assert done.returncode == 0, done.stdout + done.stderr
    exported = here.daemon.ctl("device", "export").stdout
    assert f"spki-sha256:{digits}" in exported and f"cert-sha256:{digits}" in exported
    csv.write_text(f"endpoint,identity,key\na,spki-sha256:{digits[:-1]},\nb,spki-sha256:{digits[:-1]}0,secret\n")
    done = here.daemon.ctl("device", "import", csv)
    said = done.stdout + done.stderr
    assert done.returncode == 1 and "2 bad" in said, said
    assert re.search(r"devices\.csv:2.*64 hex digits", said) and re.search(r"devices\.csv:3.*leave one out", said), said


def test_a_refused_device_is_told_of_and_mended(site):
    """The alert says nothing final; the operator learns why, mends it, and the device gets in."""
    here = site()
    other = Authority(here.authority.folder / "other", "Second factory")
    pem, key = other.issue("dev", "demo-0001")
    here.refused("dtls_certificate_issuer", pem, key)
    here.listed("no trusted authority issued its certificate", "device", "rejected")
    subprocess.run(["cp", other.path("ca.pem"), here.certs / "second.pem"], check=True)
    done = here.trust(rest="").returncode
    assert done == 0
    here.daemon.write("policy/trust.conf", (TRUST % ("", "")).replace(
        'anchors = (', 'anchors = ( { file = "second.pem"; },'))
    assert here.daemon.ctl("reload").returncode == 0
    code, events = here.device(pem, key)
    assert code == 0, events
    wait_for(lambda: "demo-0001" not in here.daemon.ctl("device", "rejected").stdout, "the device to be off the list")


def test_a_revoked_device_is_refused_after_a_reload(site):
    here = site()
    ca = here.authority
    pem, key = ca.issue("dev", "demo-0001")
    assert here.device(pem, key)[0] == 0
    (ca.folder / "index.txt").write_text("")
    (ca.folder / "crlnumber").write_text("01\n")
    (ca.folder / "ca.cnf").write_text(
        f"[ca]\ndefault_ca=a\n[a]\ndatabase={ca.path('index.txt')}\ncrlnumber={ca.path('crlnumber')}\n"
        f"default_md=sha256\ndefault_crl_days=30\ncertificate={ca.path('ca.pem')}\nprivate_key={ca.path('ca.key')}\n")
    ca.openssl("ca", "-config", ca.path("ca.cnf"), "-revoke", pem)
    ca.openssl("ca", "-config", ca.path("ca.cnf"), "-gencrl", "-out", here.certs / "factory.crl")
    assert here.trust(rest='crls = [ "factory.crl" ];').returncode == 0
    here.refused("dtls_certificate_revoked", pem, key)
    assert here.device(*ca.issue("dev2", "demo-0001"))[0] == 0


def test_the_endpoints_name_follows_from_the_certificate(site):
    here = site(anchor='endpoint = "demo-${cert.san.dns.take(4)}";')
    pem, key = here.authority.issue("dev", "anything", extra=["subjectAltName=DNS:0001.example.com"])
    assert here.device(pem, key)[0] == 0
    here.refused("dtls_certificate_no_name", *here.authority.issue("plain", "demo-0001"))


def test_an_endpoint_that_nobody_has_is_listed_or_not(site):
    here = site()
    pem, key = here.authority.issue("dev", "new-device")
    here.refused("dtls_certificate_unknown", pem, key, endpoint="new-device")
    here.listed("new-device", "unknown", "list")
    assert here.trust(anchor='unknown = "refuse";').returncode == 0
    pem, key = here.authority.issue("dev2", "other-device")
    here.refused("dtls_certificate_unknown", pem, key, endpoint="other-device")
    assert "other-device" not in here.daemon.ctl("unknown", "list").stdout


def test_an_authority_creates_devices(site):
    here = site(anchor='unknown = "create"; groups = [ "root.demo" ]; create_per_minute = 2;')
    for name in ("managementId", "password"):
        assert here.daemon.ctl("group", "value", "set", "root.demo", name, "of the group").returncode == 0
    pem, key = here.authority.issue("dev", "new-device")
    here.refused("dtls_certificate_unknown", pem, key, endpoint="new-device")
    here.listed("new-device", "device", "created")
    code, events = here.device(pem, key, endpoint="new-device")
    assert code == 0, (events, here.daemon.log())
    shown = here.daemon.result("device", "show", "new-device")
    assert shown["groups"] == ["root.demo"], shown
    assert "new-device" not in here.daemon.ctl("unknown", "list").stdout
    assert re.search(r"device new-device created: .*ca\.pem vouches for", here.daemon.log())
    # One more, and then its minute is over.
    for name in ("second", "third"):
        pem, key = here.authority.issue(name, name)
        here.refused("dtls_certificate_unknown", pem, key, endpoint=name)
    here.listed("second", "device", "created")
    here.listed("third", "unknown", "list")
    counts = here.daemon.result("device", "created")["counts"]
    assert counts == {"made": 2, "over_rate": 1, "full": 0, "failed": 0}
    assert "1 beyond an authority's create_per_minute" in here.daemon.ctl("status").stdout
    # What was created is there after a restart.
    assert here.daemon.stop() == 0
    here.daemon.start()
    assert here.device(here.authority.path("dev.pem"), here.authority.path("dev.key"), endpoint="new-device")[0] == 0


def test_a_group_that_an_authority_creates_in_must_be_there(site):
    here = site()
    done = here.trust(anchor='unknown = "create"; groups = [ "root.dmo" ];')
    assert done.returncode == 1 and 'did you mean "root.demo"' in done.stdout + done.stderr, done.stdout
    assert "trust.conf:3" in done.stdout + done.stderr
    done = here.trust(anchor='groups = [ "root.demo" ];')
    assert done.returncode == 1 and '`unknown = "create"` is missing' in done.stdout + done.stderr
    assert here.trust(anchor='unknown = "create"; groups = [ "root.demo" ];').returncode == 0
    gone = here.daemon.ctl("group", "remove", "root.demo", "--force")
    assert gone.returncode != 0


def test_the_readme_makes_an_authority_and_a_device_of_it(cradled):
    chapter = (ROOT / "README.md").read_text().split("### Devices with certificates\n")[1].split("\n### ")[0]
    blocks = re.findall(r"^```sh\n(.*?)^```", chapter, flags=re.S | re.M)[:2]
    assert "openssl req -x509" in blocks[0] and "trust check" in blocks[1]
    daemon = cradled()
    for name in ("managementId", "password"):
        assert daemon.ctl("group", "value", "set", "root.demo", name, "of the group").returncode == 0
    env = dict(os.environ, PATH=f"{os.path.abspath(daemon.build)}/tools:{os.environ['PATH']}", CRADLE_SOCKET=daemon.socket)
    said = "".join(subprocess.run(["bash", "-ec", block], cwd=daemon.folder, env=env, text=True, capture_output=True,
                                  check=True).stdout for block in blocks)
    # As the remarks behind the two commands say.
    assert re.search(r"refused, and listed by `unknown list`.*created, and served at its next attempt", said, re.S), said
    options = ["-C", daemon.folder / "meter-0007.pem", "-K", daemon.folder / "meter-0007.key", "-t", 15,
               "-A", daemon.folder / "ca.pem", "-N", NAME, "ep=meter-0007"]
    assert daemon.device(*options, port=5684)[0] == 1
    wait_for(lambda: "meter-0007" in daemon.ctl("device", "created").stdout, "the device to be created")
    code, events = daemon.device(*options, port=5684)
    assert code == 0, (events, daemon.log())


def test_commands_edit_trust_as_a_whole(site):
    here = site()
    ctl = here.daemon.ctl
    other = Authority(here.authority.folder / "other", "Second factory")
    pem, key = other.issue("dev", "demo-0001")
    assert "no trusted authority" in ctl("trust", "check", pem).stdout
    second = other.path("second.pem")
    subprocess.run(["cp", other.path("ca.pem"), second], check=True)
    same_name = other.path("bs.pem")
    subprocess.run(["cp", second, same_name], check=True)
    hand_written = "# written by hand\n" + here.daemon.read("policy/trust.conf")
    here.daemon.write("policy/trust.conf", hand_written)
    for argv, message in ((["anchor", second, "--endpoint", "${sv.x}"], "unknown name 'sv'"),
                          (["anchor", second, "--unknown", "crate"], "did you mean"),
                          (["anchor", second, "--groups", "root.demo"], '`unknown = "create"` is missing'),
                          (["anchor", key], "holds a private key"), (["crl", second], "no revocation list"),
                          (["anchor", same_name], "give this one another name"),
                          (["own", pem, "--key", "bs.key"], "is not of this key")):
        done = ctl("trust", "add", *argv)
        assert done.returncode == 1 and message in done.stdout + done.stderr, (argv, done.stdout + done.stderr)
        assert here.daemon.read("policy/trust.conf") == hand_written
        assert not (here.certs / "second.pem").exists()
    done = ctl("trust", "add", "anchor", second, "--unknown", "create", "--groups", "root.demo")
    assert done.returncode == 0, done.stderr
    assert "# written by hand" in here.daemon.read("policy/trust.conf")
    listed = {(row["kind"], row["file"]) for row in here.daemon.result("trust", "list")["trust"]}
    assert listed == {("own", "bs.pem"), ("anchor", "ca.pem"), ("anchor", "second.pem")}
    assert here.daemon.result("trust", "check", pem)["served"]
    assert here.device(pem, key)[0] == 0
    assert ctl("trust", "add", "anchor", second).returncode == 1
    # The decision is the handshake's: named otherwise, denied, allowed again, and gone.
    assert ctl("trust", "set", "anchor", "second.pem", "--endpoint", "x-${cert.cn}").returncode == 0
    assert "created, and served" in ctl("trust", "check", pem).stdout
    assert ctl("trust", "set", "anchor", "second.pem", "--endpoint", "").returncode == 0
    assert ctl("trust", "deny", "cert-sha256:" + cert_hash(pem).upper()).returncode == 0
    assert "on the deny list" in ctl("trust", "check", pem).stdout
    here.refused("dtls_certificate_denied", pem, key)
    assert ctl("trust", "deny", cert_hash(pem)).returncode == 1
    assert ctl("trust", "allow", cert_hash(pem)).returncode == 0
    assert here.device(pem, key)[0] == 0
    assert ctl("trust", "remove", "anchor", "second.pem").returncode == 0
    here.refused("dtls_certificate_issuer", pem, key)
    assert ctl("trust", "remove", "anchor", "second.pem").returncode == 1
    assert ctl("trust", "remove", "own", "bs.pem").returncode == 1, "without a key of ours nobody is served"
    # A name that the authority's template cannot make is told as it is.
    nameless, _ = here.authority.issue("nameless", "x")
    assert ctl("trust", "set", "anchor", "ca.pem", "--endpoint", "${cert.san.dns}").returncode == 0
    assert "not in this certificate" in ctl("trust", "check", nameless).stdout


def test_the_next_revocation_list_takes_the_place_of_the_former(site):
    here = site()
    ca = here.authority
    pem, key = ca.issue("dev", "demo-0001")
    (ca.folder / "index.txt").write_text("")
    (ca.folder / "crlnumber").write_text("01\n")
    (ca.folder / "ca.cnf").write_text(
        f"[ca]\ndefault_ca=a\n[a]\ndatabase={ca.path('index.txt')}\ncrlnumber={ca.path('crlnumber')}\n"
        f"default_md=sha256\ndefault_crl_days=30\ncertificate={ca.path('ca.pem')}\nprivate_key={ca.path('ca.key')}\n")
    ca.openssl("ca", "-config", ca.path("ca.cnf"), "-gencrl", "-out", ca.path("factory.crl"))
    done = here.daemon.ctl("trust", "add", "crl", ca.path("factory.crl"))
    assert done.returncode == 0, done.stderr
    assert here.daemon.result("trust", "check", pem)["served"]
    ca.openssl("ca", "-config", ca.path("ca.cnf"), "-revoke", pem)
    ca.openssl("ca", "-config", ca.path("ca.cnf"), "-gencrl", "-out", ca.path("factory.crl"))
    assert here.daemon.ctl("trust", "add", "crl", ca.path("factory.crl")).returncode == 0
    assert "is revoked" in here.daemon.ctl("trust", "check", pem).stdout
    here.refused("dtls_certificate_revoked", pem, key)
    assert here.daemon.read("policy/trust.conf").count("factory.crl") == 1
    assert here.daemon.ctl("trust", "remove", "crl", "factory.crl").returncode == 0
    assert here.device(pem, key)[0] == 0


def test_an_endpoint_of_another_certificate_is_refused(site):
    here = site()
    pem, key = here.authority.issue("dev", "demo-0001")
    code, events = here.device(pem, key, endpoint="demo-0002")
    assert code == 1 and events[0]["code"] == "4.00", events


@pytest.mark.parametrize("suite", ["ECDHE-ECDSA-AES128-CCM8", "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-CCM"])
def test_openssl_agrees_on_every_suite(site, network, suite):
    here = site()
    pem, key = here.authority.issue("dev", "demo-0001")
    done = network.run("openssl", "s_client", "-dtls1_2", "-connect", f"{SERVER4}:5684", "-cipher", f"{suite}:@SECLEVEL=0",
                       "-cert", pem, "-key", key, "-CAfile", here.authority.path("ca.pem"), "-verify_return_error",
                       "-servername", NAME, "-verify_hostname", NAME, input="", timeout=30)
    assert f"Cipher is {suite}" in done.stdout, done.stdout + done.stderr
    assert "Verify return code: 0 (ok)" in done.stdout
    assert "Extended master secret: yes" in done.stdout
    assert here.daemon.counters()["dtls_finished"] == 1


def test_a_policy_with_a_key_that_others_can_read_is_refused(site):
    here = site()
    (here.certs / "bs.key").chmod(0o644)
    done = here.daemon.ctl("reload")
    assert done.returncode == 1
    assert re.search(r"trust\.conf:2: error.*bs\.key can be read by others", done.stdout + done.stderr), done.stdout
    assert here.device(*here.authority.issue("dev", "demo-0001"))[0] == 0, "the running trust stays"


@pytest.mark.parametrize("anchor, rest, message", [
    ('endpoint = "${cert.name}";', "", "unknown attribute 'name'; known are san, cn"),
    ('endpoint = "${sv.name}";', "", "unknown name 'sv'; known are cert"),
    ('endpoint = "${cert.san.uris}";', "", "gives no text"),
    ('endpoint = "{cn}";', "", "gives every device the same name"),
    ('unknown = "lst";', "", 'did you mean "list"'),
    ("", 'crls = [ "missing.crl" ];', "missing.crl cannot be read"),
    ("", 'crls = [ "ca.pem" ];', "no revocation list in PEM or DER"),
    ("", 'deny = [ "abc" ];', "is no SHA-256"),
    ("", "grace_day = 3;", "grace_days"),
])
def test_check_says_where_trust_is_wrong(site, anchor, rest, message):
    here = site()
    done = here.trust(anchor=anchor, rest=rest)
    assert done.returncode == 1
    assert message in done.stdout + done.stderr, done.stdout + done.stderr
    assert "trust.conf:" in done.stdout + done.stderr


def test_status_warns_ahead_of_the_end(site):
    here = site()
    assert "warning" not in here.daemon.ctl("status").stdout
    certificates = here.daemon.result("status")["certificates"]
    assert "Factory" in certificates["anchor"]["subject"] and NAME in certificates["own"]["subject"]
    pem, key = here.authority.issue("bs", NAME, "serverAuth", days="20")
    for file in (pem, key):
        subprocess.run(["cp", file, here.certs], check=True)
    assert here.daemon.ctl("reload").returncode == 0
    assert re.search(r"warning: our certificate .*ends in (19|20) days", here.daemon.ctl("status").stdout)
    wait_for(lambda: re.search(r"warning: our certificate .*ends in (19|20) days", here.daemon.log()), "the log to tell it")
    certificates = here.daemon.result("status")["certificates"]
    assert certificates["own"]["ends_s"] < certificates["anchor"]["ends_s"]
