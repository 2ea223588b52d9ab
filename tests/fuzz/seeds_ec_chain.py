#!/usr/bin/python3
"""Makes the seeds of fuzz_ec_chain: certificates with all that can be wrong with them. Not run by the suite.

usage: seeds_ec_chain.py FOLDER
Keys and signatures are new each time; the time that they are judged at stands in fuzz_ec_chain.c.
"""
import datetime
import ipaddress
import pathlib
import struct
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime.datetime(2027, 1, 15, 8, 0)  # 1800000000
DAY = datetime.timedelta(days=1)
PINNED, DENIED, NAMED, GRACED, LONG = 1, 2, 4, 8, 16
DER = serialization.Encoding.DER


class Holder:
    """A key and its certificate."""

    def __init__(self, cn, issuer=None, key=None, days=(-1, 365), ca=None, usage="digital_signature", extended=None,
                 more=(), names=(), curve=ec.SECP256R1):
        self.key = key or ec.generate_private_key(curve())
        subject = [x509.NameAttribute(NameOID.COMMON_NAME, cn)] if cn else []
        self.name = x509.Name([*(x509.NameAttribute(oid, text) for oid, text in names), *subject])
        builder = (x509.CertificateBuilder().subject_name(self.name).issuer_name((issuer or self).name)
                   .public_key(self.key.public_key()).serial_number(x509.random_serial_number())
                   .not_valid_before(NOW + days[0] * DAY).not_valid_after(NOW + days[1] * DAY))
        if ca is not None:
            builder = builder.add_extension(x509.BasicConstraints(ca=ca >= 0, path_length=ca if 0 <= ca < 9 else None), True)
            usage = "key_cert_sign" if ca >= 0 else usage
        if usage:
            bits = dict.fromkeys(("digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
                                  "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"), False)
            bits[usage] = True
            bits["crl_sign"] = usage == "key_cert_sign"
            builder = builder.add_extension(x509.KeyUsage(**bits), True)
        if extended:
            builder = builder.add_extension(x509.ExtendedKeyUsage([extended]), False)
        for extension in more:
            builder = builder.add_extension(extension, False)
        self.certificate = builder.sign((issuer or self).key, hashes.SHA256())

    @property
    def der(self):
        return self.certificate.public_bytes(DER)

    def revokes(self, *holders, days=(-1, 30)):
        """A revocation list of this authority."""
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.name).last_update(NOW + days[0] * DAY)
        builder = builder.next_update(NOW + days[1] * DAY)
        for holder in holders:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder().serial_number(holder.certificate.serial_number)
                .revocation_date(NOW - DAY).build())
        return builder.sign(self.key, hashes.SHA256()).public_bytes(DER)


def with_len(data):
    return struct.pack(">H", len(data)) + data


def san(*names):
    return x509.SubjectAlternativeName(list(names))


def uris(n):
    return [x509.UniformResourceIdentifier(f"urn:dev:{i}") for i in range(n)]


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)

    def seed(name, *chain, says=0, anchors=None, lists=b""):
        ders = [c.der if isinstance(c, Holder) else c for c in chain]
        anchors = root.der if anchors is None else anchors
        (folder / name).write_bytes(bytes([says]) + b"".join(map(with_len, [anchors, lists, *ders])))

    client = ExtendedKeyUsageOID.CLIENT_AUTH
    root = Holder("Root", ca=9)
    other = Holder("Other", ca=9)
    middle = Holder("Middle", root, ca=9)
    crossed = Holder("Middle", other, key=middle.key, ca=9)
    good = Holder("meter-1", root, extended=client)
    below = Holder("meter-2", middle)
    seed("good", good)
    seed("good-chain", below, middle)
    seed("good-chain-with-root", below, middle, root)
    seed("crossed", below, crossed, middle)
    seed("crossed-twice", below, crossed, crossed)
    seed("crossed-untrusted", below, crossed, crossed, anchors=good.der)
    seed("long-chain", below, *[middle] * 9)
    seed("no-issuer", below)
    seed("other-issuer", Holder("meter-3", other), other)
    seed("self-signed", Holder("meter-4"))
    seed("pinned", Holder("meter-5"), says=PINNED)
    seed("pinned-no-name", Holder("", names=[(NameOID.SERIAL_NUMBER, "5")]), says=PINNED)
    seed("denied", good, says=DENIED)
    seed("expired", Holder("meter-6", root, days=(-90, -60)))
    seed("expired-in-grace", Holder("meter-7", root, days=(-90, -10)), says=GRACED)
    seed("expired-beyond-grace", Holder("meter-8", root, days=(-90, -60)), says=GRACED)
    seed("issuer-expired", Holder("meter-9", old := Holder("Old", root, ca=9, days=(-90, -10))), old, says=GRACED)
    seed("not-yet", Holder("meter-10", root, days=(10, 60)))
    seed("for-servers", Holder("meter-11", root, extended=ExtendedKeyUsageOID.SERVER_AUTH))
    seed("for-nothing", Holder("meter-12", root, usage="crl_sign"))
    seed("issuer-no-authority", Holder("meter-13", plain := Holder("Plain", root, ca=-1)), plain)
    seed("issuer-too-deep", Holder("meter-14", deep := Holder("Deep", flat := Holder("Flat", root, ca=0), ca=9)), deep, flat)
    only = x509.NameConstraints([x509.DNSName("example.com")], None)
    narrow = Holder("Narrow", root, ca=9, more=[only])
    seed("name-not-permitted", Holder("meter-15", narrow, more=[san(x509.DNSName("meter.other.org"))]), narrow)
    seed("name-permitted", Holder("meter-16", narrow, more=[san(x509.DNSName("meter.example.com"))]), narrow)
    revoked = Holder("meter-17", root)
    seed("revoked", revoked, lists=root.revokes(revoked))
    seed("not-revoked", good, lists=root.revokes(revoked))
    seed("list-old", good, lists=root.revokes(revoked, days=(-60, -30)))
    seed("list-of-another", good, lists=other.revokes(revoked))
    seed("lists-two", revoked, lists=other.revokes(revoked) + root.revokes(revoked))
    seed("list-malformed", good, lists=b"\x30\x03\x02\x01")
    seed("list-pem", revoked, lists=x509.load_der_x509_crl(root.revokes(revoked)).public_bytes(serialization.Encoding.PEM))
    pem = root.certificate.public_bytes(serialization.Encoding.PEM)
    seed("anchor-pem", good, anchors=pem)
    seed("anchors-pem-two", good, anchors=pem + other.certificate.public_bytes(serialization.Encoding.PEM))
    seed("anchor-pem-cut", good, anchors=pem[:200] + b"\n-----END CERTIFICATE-----\n")
    seed("anchors-twice", good, anchors=root.der + root.der)
    seed("anchors-rest", good, anchors=root.der + b"\x30")
    seed("anchor-none", good, anchors=b"")
    seed("curve", Holder("meter-18", root, curve=ec.SECP384R1))
    seed("trailing", good.der + b"\0")
    seed("malformed", good.der[:-10])
    seed("malformed-issuer", below, middle.der[:-10])
    seed("trailing-issuer", below, middle.der + b"\0")
    seed("signature", good.der[:-1] + bytes([good.der[-1] ^ 1]))
    seed("no-certificate")
    seed("empty-certificate", b"")
    seed("no-name", Holder("", root, names=[(NameOID.SERIAL_NUMBER, "18")]))
    seed("two-names", Holder("second", root, names=[(NameOID.COMMON_NAME, "first")]))
    seed("named", Holder("meter-19", root, names=[(NameOID.SERIAL_NUMBER, "19")]), says=NAMED)
    seed("named-too-long", good, says=NAMED | LONG)
    seed("named-uris", Holder("meter-20", root, more=[san(*uris(10))]), says=NAMED)
    many = [x509.DNSName(f"m{i}.example.com") for i in range(10)]
    seed("named-dns", Holder("meter-21", root, more=[san(*many, x509.IPAddress(ipaddress.ip_address("::1")))]), says=NAMED)
    seed("named-long-uri", Holder("meter-22", root, more=[san(x509.UniformResourceIdentifier("urn:" + "x" * 300))]), says=NAMED)
    seed("named-nul", Holder("meter-23", root, more=[san(x509.UniformResourceIdentifier("urn:a\0b"))]), says=NAMED)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(pathlib.Path(sys.argv[1]))
