"""Clients with certificates that are odd in one way each, by OpenSSL and GnuTLS: every outcome moves its counter and is
listed with a reason, none hangs, and beside all of them a device in order is served."""
import subprocess

import pytest

from conftest import SERVER4, wait_for
from test_certificates import NAME, Site

OPENSSL = ["openssl", "s_client", "-dtls1_2", "-connect", f"{SERVER4}:5684", "-servername", NAME]
CCM8 = ["-cipher", "ECDHE-ECDSA-AES128-CCM8:@SECLEVEL=0"]
GNUTLS = ["gnutls-cli", "--udp", "--insecure", "-p", "5684", SERVER4]
PRIORITY = "NORMAL:-VERS-ALL:+VERS-DTLS1.2:-CIPHER-ALL:+AES-128-GCM"


class Odd:
    """An authority's devices with other kinds of keys, chains and options."""

    def __init__(self, authority):
        self.ca = authority
        self.cases = []  # (name, command, counter, what `device rejected` says)

    def certificate(self, name, *newkey, cn="demo-0001", extra="", issuer="ca"):
        """NAME.pem and NAME.key, of any kind of key."""
        key, pem, request, extensions = (self.ca.path(f"{name}.{kind}") for kind in ("key", "pem", "csr", "ext"))
        self.ca.openssl("req", "-new", "-newkey", *newkey, "-nodes", "-subj", f"/CN={cn}", "-keyout", key, "-out", request)
        with open(extensions, "w", encoding="utf-8") as file:
            file.write(extra or "keyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\n")
        self.ca.openssl("x509", "-req", "-in", request, "-CA", self.ca.path(f"{issuer}.pem"), "-CAkey",
                        self.ca.path(f"{issuer}.key"), "-days", "30", "-extfile", extensions, "-out", pem)
        return ["-cert", pem, "-key", key]

    def chain(self, length):
        """A leaf and so many authorities between it and the anchor, as one file."""
        issuer, chain = "ca", ""
        for i in range(length - 1):
            name = f"middle{length}-{i}"
            self.certificate(name, *P256, cn=name, issuer=issuer,
                             extra="basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n")
            chain = open(self.ca.path(f"{name}.pem"), encoding="utf-8").read() + chain
            issuer = name
        own = self.certificate(f"chain{length}", *P256, issuer=issuer)
        (self.ca.folder / f"chain{length}.others").write_text(chain)
        return [*own, "-cert_chain", self.ca.path(f"chain{length}.others")]

    def add(self, name, command, counter, listed=None):
        self.cases.append((name, [str(part) for part in command], counter, listed))


P256 = ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")
P384 = ("ec", "-pkeyopt", "ec_paramgen_curve:P-384")


def all_odd(odd):
    good = odd.certificate("good", *P256)
    odd.add("no certificate at all", [*OPENSSL, *CCM8], "dtls_certificate_missing", "it shows no certificate")
    odd.add("a certificate of RSA", [*OPENSSL, *CCM8, *odd.certificate("rsa", "rsa:2048")], "dtls_certificate_missing")
    odd.add("a certificate of Ed25519", [*OPENSSL, *CCM8, *odd.certificate("ed", "ed25519")], "dtls_certificate_missing")
    odd.add("a certificate of P-384", [*OPENSSL, *CCM8, *odd.certificate("p384", *P384, cn="demo-0002")],
            "dtls_certificate_malformed", "its key is not P-256")
    odd.add("a chain of twelve", [*OPENSSL, *CCM8, *odd.chain(12)], "dtls_certificate_malformed", "cannot be read")
    names = ",".join(f"DNS:{'x' * 60}{i:03}.example.com" for i in range(90))
    odd.add("a certificate of 7 KB", [*OPENSSL, *CCM8, *odd.certificate(
        "large", *P256, extra=f"keyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\nsubjectAltName={names}\n")],
        "dtls_certificate_size", "its chain of certificates is too long")
    odd.add("P-384 alone for the key share", [*OPENSSL, *CCM8, *good, "-groups", "P-384"], "dtls_failed_suite",
            "no cipher suite in common")
    odd.add("signatures of RSA alone", [*OPENSSL, "-cipher", "ALL:@SECLEVEL=0", *good, "-sigalgs", "RSA+SHA256"],
            "dtls_failed_suite")
    odd.add("DTLS 1.0", [part if part != "-dtls1_2" else "-dtls1" for part in [
        *OPENSSL, "-cipher", "ALL:@SECLEVEL=0", *good]], "dtls_failed_version")
    odd.add("GnuTLS with P-384", [*GNUTLS, "--x509certfile", odd.ca.path("p384.pem"), "--x509keyfile", odd.ca.path("p384.key"),
                                  "--priority", PRIORITY], "dtls_certificate_malformed")
    key = odd.ca.path("stranger.key")
    odd.ca.openssl("genpkey", "-algorithm", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key)
    odd.ca.openssl("pkey", "-in", key, "-pubout", "-out", key + ".pub")
    odd.add("a raw key of nobody", [*GNUTLS, "--rawpkkeyfile", key, "--rawpkfile", key + ".pub", "--priority",
                                    PRIORITY + ":-CTYPE-ALL:+CTYPE-CLI-RAWPK:+CTYPE-SRV-RAWPK"], "dtls_certificate_unknown_key")
    odd.add("a raw key of Ed25519", [*GNUTLS, "--rawpkkeyfile", odd.ca.path("ed.key"), "--rawpkfile", ed_public(odd),
                                     "--priority", PRIORITY + ":-CTYPE-ALL:+CTYPE-CLI-RAWPK:+CTYPE-SRV-RAWPK"], None)


def ed_public(odd):
    public = odd.ca.path("ed.pub")
    odd.ca.openssl("pkey", "-in", odd.ca.path("ed.key"), "-pubout", "-out", public)
    return public


@pytest.fixture
def site(cradled, tmp_path):
    return lambda **options: Site(cradled, tmp_path, **options)


def test_every_odd_client_is_counted_and_listed_and_none_hangs(site, network):
    here = site()
    odd = Odd(here.authority)
    all_odd(odd)
    before = here.daemon.counters()
    clients = [(name, subprocess.Popen(network.command(*command), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)) for name, command, _, _ in odd.cases]
    try:
        # Beside them all a device in order is served.
        code, events = here.device(*here.authority.issue("dev", "demo-0001"))
        assert code == 0, events
        expected = {}
        for _, _, counter, _ in odd.cases:
            if counter:
                expected[counter] = expected.get(counter, 0) + 1
        for counter, times in expected.items():
            wait_for(lambda counter=counter, times=times: here.daemon.counters()[counter] >= before[counter] + times,
                     f"{counter} to grow by {times}: {here.daemon.counters()}", 60)
        for _, _, _, listed in odd.cases:
            if listed:
                here.listed(listed, "device", "rejected")
        here.listed("demo-0002", "device", "rejected")
        here.listed("spki-sha256:", "unknown", "list")
        for name, client in clients:
            assert client.wait(timeout=60) is not None, f"{name} hangs"
    finally:
        for _, client in clients:
            client.kill()
            client.communicate()


def test_what_is_unusual_and_right_is_served(site, network):
    """Ten certificates, tiny datagrams, extensions that we do not know, and a wish to negotiate anew."""
    here = site()
    odd = Odd(here.authority)
    device = odd.certificate("good", *P256)

    def served(*argv, said=""):
        done = network.run(*OPENSSL, *CCM8, *argv, input=said, timeout=60)
        assert "Cipher is ECDHE-ECDSA-AES128-CCM8" in done.stdout, done.stdout + done.stderr
    served(*odd.chain(10))
    served(*device, "-mtu", 256)
    served(*device, "-alpn", "coap,h2", "-status", "-use_srtp", "SRTP_AES128_CM_SHA1_80")
    assert here.daemon.counters()["dtls_finished"] == 3
    served(*device, said="R\n")
    wait_for(lambda: here.daemon.counters()["dtls_no_renegotiation"] > 0, "the wish to be refused")
    assert here.device(*here.authority.issue("dev", "demo-0001"))[0] == 0
