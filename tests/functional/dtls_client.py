"""A DTLS 1.2 client for TLS_PSK_WITH_AES_128_CCM_8, written from the RFCs (6347, 5246, 4279, 6655, 7627, 9146).

It shares no code with the appliance; every datagram passes through the test's hands, which may lose, repeat, alter or
hold it. Records are kept as (type, epoch, sequence, body).
"""
import hashlib
import hmac
import os
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION, CID_RECORD = 20, 21, 22, 23, 25
CLIENT_HELLO, SERVER_HELLO, HELLO_VERIFY, SERVER_KEY_EXCHANGE, SERVER_HELLO_DONE, CLIENT_KEY_EXCHANGE, FINISHED = (
    1, 2, 3, 12, 14, 16, 20)
EXT_MAX_FRAGMENT, EXT_EMS, EXT_CID, EXT_RENEGOTIATION = 1, 23, 54, 0xff01
CCM_8, CBC_SHA256 = 0xC0A8, 0x00AE


def prf(secret, label, seed, length):
    """P_SHA256, RFC 5246 section 5."""
    seed, out, a = label + seed, b"", label + seed
    while len(out) < length:
        a = hmac.digest(secret, a, "sha256")
        out += hmac.digest(secret, a + seed, "sha256")
    return out[:length]


class Alert(Exception):
    def __init__(self, level, description):
        super().__init__(f"alert {description} (level {level})")
        self.level, self.description = level, description


class DtlsClient:
    def __init__(self, sock, server, identity, key, ems=True, cid=None, suites=(CCM_8,), fragment=0, hello_fragment=0,
                 extensions=b"",
                 record_version=b"\xfe\xff"):
        self.sock, self.server = sock, server
        self.identity, self.key = identity, key
        self.ems, self.cid, self.suites = ems, cid, suites
        self.fragment, self.hello_fragment = fragment, hello_fragment  # bytes a fragment; 0: whole messages
        self.extra_extensions, self.record_version = extensions, record_version
        self.random = os.urandom(32)
        self.cookie = b""
        self.transcript = b""
        self.message_seq = 0
        self.write = [0, 0]  # next sequence by epoch
        self.write_key = self.read_key = None
        self.server_cid = None   # what we put into our records
        self.ems_agreed = False
        self.seen = []           # every record received
        self.messages = {}       # reassembly by message sequence: [type, length, bytearray, received]
        self.server_seq = 0

    # -- records

    def seal(self, kind, body, epoch, sequence=None):
        if sequence is None:
            sequence = self.write[epoch]
            self.write[epoch] += 1
        number = struct.pack(">HQ", epoch, sequence)[:2] + struct.pack(">Q", sequence)[2:]
        if epoch == 0:
            version = self.record_version if kind == HANDSHAKE and body[0] == CLIENT_HELLO else b"\xfe\xfd"
            return bytes([kind]) + version + number + struct.pack(">H", len(body)) + body
        key, salt = self.write_key
        if self.server_cid:
            inner = body + bytes([kind])
            aad = (b"\xff" * 8 + bytes([CID_RECORD, len(self.server_cid), CID_RECORD]) + b"\xfe\xfd" + number
                   + self.server_cid + struct.pack(">H", len(inner)))
            cipher = number + AESCCM(key, tag_length=8).encrypt(salt + number, inner, aad)
            return (bytes([CID_RECORD]) + b"\xfe\xfd" + number + self.server_cid + struct.pack(">H", len(cipher))
                    + cipher)
        aad = number + bytes([kind]) + b"\xfe\xfd" + struct.pack(">H", len(body))
        cipher = number + AESCCM(key, tag_length=8).encrypt(salt + number, body, aad)
        return bytes([kind]) + b"\xfe\xfd" + number + struct.pack(">H", len(cipher)) + cipher

    def open(self, datagram):
        """The records of a datagram; those of epoch 1 decrypted (their tag must be right)."""
        records, at = [], 0
        while at + 13 <= len(datagram):
            kind, number = datagram[at], datagram[at + 3:at + 11]
            epoch = struct.unpack(">H", number[:2])[0]
            cid_len = len(self.cid) if kind == CID_RECORD else 0
            head = at + 11 + cid_len
            length = struct.unpack(">H", datagram[head:head + 2])[0]
            body = datagram[head + 2:head + 2 + length]
            at = head + 2 + length
            if epoch:
                key, salt = self.read_key
                explicit, cipher = body[:8], body[8:]
                if kind == CID_RECORD:
                    aad = (b"\xff" * 8 + bytes([CID_RECORD, cid_len, CID_RECORD]) + b"\xfe\xfd" + number + self.cid
                           + struct.pack(">H", len(cipher) - 8))
                    inner = AESCCM(key, tag_length=8).decrypt(salt + explicit, cipher, aad).rstrip(b"\0")
                    kind, body = inner[-1], inner[:-1]
                else:
                    aad = number + bytes([kind]) + b"\xfe\xfd" + struct.pack(">H", len(cipher) - 8)
                    body = AESCCM(key, tag_length=8).decrypt(salt + explicit, cipher, aad)
            records.append((kind, epoch, int.from_bytes(number[2:], "big"), body))
        self.seen += records
        return records

    def send(self, datagram):
        self.sock.sendto(datagram, self.server)

    def receive(self, timeout=5):
        self.sock.settimeout(timeout)
        return self.sock.recv(4096)

    # -- handshake messages

    def message(self, kind, body, hashed=True):
        head = struct.pack(">B", kind) + struct.pack(">I", len(body))[1:] + struct.pack(">H", self.message_seq)
        if hashed:
            self.transcript += head + b"\0\0\0" + struct.pack(">I", len(body))[1:] + body
        step = (self.hello_fragment if kind == CLIENT_HELLO else self.fragment) or max(1, len(body))
        pieces = [(at, body[at:at + step]) for at in range(0, len(body), step)] or [(0, b"")]
        self.message_seq += 1
        return [head + struct.pack(">I", at)[1:] + struct.pack(">I", len(piece))[1:] + piece for at, piece in pieces]

    def client_hello(self):
        extensions = self.extra_extensions + struct.pack(">HHB", EXT_RENEGOTIATION, 1, 0)
        if self.ems:
            extensions += struct.pack(">HH", EXT_EMS, 0)
        if self.cid is not None:
            extensions += struct.pack(">HHB", EXT_CID, len(self.cid) + 1, len(self.cid)) + self.cid
        suites = b"".join(struct.pack(">H", s) for s in self.suites)
        body = (b"\xfe\xfd" + self.random + b"\0" + bytes([len(self.cookie)]) + self.cookie
                + struct.pack(">H", len(suites)) + suites + b"\1\0" + struct.pack(">H", len(extensions)) + extensions)
        if not self.cookie:
            self.message_seq = 0
        self.transcript = b""
        return [self.seal(HANDSHAKE, piece, 0) for piece in self.message(CLIENT_HELLO, body)]

    def next_messages(self, body):
        """Feeds one handshake record; yields complete messages in order."""
        while body:
            kind, length = body[0], int.from_bytes(body[1:4], "big")
            seq = int.from_bytes(body[4:6], "big")
            offset, size = int.from_bytes(body[6:9], "big"), int.from_bytes(body[9:12], "big")
            entry = self.messages.setdefault(seq, [kind, length, bytearray(length), 0])
            entry[2][offset:offset + size] = body[12:12 + size]
            entry[3] += size
            body = body[12 + size:]
        while self.server_seq in self.messages and self.messages[self.server_seq][3] >= self.messages[self.server_seq][1]:
            kind, length, data, _ = self.messages.pop(self.server_seq)
            head = struct.pack(">B", kind) + struct.pack(">I", length)[1:] + struct.pack(">H", self.server_seq)
            self.server_seq += 1
            yield kind, bytes(data), head + b"\0\0\0" + struct.pack(">I", length)[1:] + bytes(data)

    def get_cookie(self):
        """First flight; takes the cookie of the HelloVerifyRequest."""
        for datagram in self.client_hello():
            self.send(datagram)
        reply = self.receive()
        kind, _, _, body = self.open(reply)[0]
        if kind == ALERT:
            raise Alert(*body)
        assert kind == HANDSHAKE and body[0] == HELLO_VERIFY
        self.cookie = body[15:15 + body[14]]
        self.messages, self.server_seq = {}, 1
        return reply

    def hello(self):
        """Second flight; reads up to ServerHelloDone."""
        for datagram in self.client_hello():
            self.send(datagram)
        self.read_server_flight()

    def read_server_flight(self):
        done = False
        while not done:
            for kind, _, _, body in self.open(self.receive()):
                if kind == ALERT:
                    raise Alert(*body)
                if body[0] == HELLO_VERIFY:
                    # A hello that the cookie made too long for one fragment gets a cookie of another kind.
                    self.cookie = body[15:15 + body[14]]
                    self.server_seq = int.from_bytes(body[4:6], "big") + 1
                    for datagram in self.client_hello():
                        self.send(datagram)
                    continue
                for message, data, raw in self.next_messages(body):
                    self.transcript += raw
                    if message == SERVER_HELLO:
                        self.read_server_hello(data)
                    done |= message == SERVER_HELLO_DONE

    def read_server_hello(self, data):
        self.server_random = data[2:34]
        at = 35 + data[34]
        self.suite = struct.unpack(">H", data[at:at + 2])[0]
        self.server_extensions = {}
        at += 5
        while at + 4 <= len(data):
            kind, size = struct.unpack(">HH", data[at:at + 4])
            self.server_extensions[kind] = data[at + 4:at + 4 + size]
            at += 4 + size
        self.ems_agreed = EXT_EMS in self.server_extensions
        if EXT_CID in self.server_extensions:
            self.server_cid_offered = self.server_extensions[EXT_CID][1:]
        else:
            self.server_cid_offered = None

    def key_exchange(self):
        """ClientKeyExchange, ChangeCipherSpec, Finished as datagrams; switches our side to epoch 1."""
        flight = [self.seal(HANDSHAKE, piece, 0) for piece in
                  self.message(CLIENT_KEY_EXCHANGE, struct.pack(">H", len(self.identity)) + self.identity)]
        zeros = b"\0" * len(self.key)
        premaster = (struct.pack(">H", len(zeros)) + zeros + struct.pack(">H", len(self.key)) + self.key)
        digest = hashlib.sha256(self.transcript).digest()
        if self.ems_agreed:
            self.master = prf(premaster, b"extended master secret", digest, 48)
        else:
            self.master = prf(premaster, b"master secret", self.random + self.server_random, 48)
        block = prf(self.master, b"key expansion", self.server_random + self.random, 40)
        self.write_key, self.read_key = (block[:16], block[32:36]), (block[16:32], block[36:40])
        flight.append(self.seal(CHANGE_CIPHER_SPEC, b"\1", 0))
        self.server_cid = self.server_cid_offered
        verify = prf(self.master, b"client finished", digest, 12)
        flight += [self.seal(HANDSHAKE, piece, 1) for piece in self.message(FINISHED, verify)]
        return flight

    def finish(self):
        """Reads the server's ChangeCipherSpec and Finished, and verifies it."""
        expected = prf(self.master, b"server finished", hashlib.sha256(self.transcript).digest(), 12)
        while True:
            for kind, epoch, _, body in self.open(self.receive()):
                if kind == ALERT:
                    raise Alert(*body)
                if kind == HANDSHAKE and epoch == 1:
                    for message, data, _ in self.next_messages(body):
                        assert message == FINISHED and data == expected, "the server's Finished is wrong"
                        return

    def handshake(self):
        self.get_cookie()
        self.hello()
        for datagram in self.key_exchange():
            self.send(datagram)
        self.finish()
        return self

    # -- application data, in the shape of a socket

    def put(self, data):
        self.send(self.seal(APPLICATION, data, 1))

    def get(self, timeout=5):
        while True:
            for kind, epoch, _, body in self.open(self.receive(timeout)):
                if kind == ALERT:
                    raise Alert(*body)
                if kind == APPLICATION:
                    return body

    def close(self):
        self.send(self.seal(ALERT, b"\1\0", 1))


__all__ = ["Alert", "DtlsClient", "InvalidTag", "prf"]
