"""CoAP messages (RFC 7252) built and read by code of its own, for peers that misbehave on purpose."""
import itertools
import os
import struct

CON, NON, ACK, RST = range(4)
GET, POST, PUT, DELETE = 1, 2, 3, 4
URI_PATH, CONTENT_FORMAT, URI_QUERY, ACCEPT, PROXY_URI = 11, 12, 15, 17, 35


def code(text):
    """'4.15' to the byte."""
    major, minor = text.split(".")
    return int(major) << 5 | int(minor)


def _extended(value):
    if value < 13:
        return value, b""
    if value < 269:
        return 13, bytes([value - 13])
    return 14, struct.pack(">H", value - 269)


def option(delta, value):
    d, d_ext = _extended(delta)
    n, n_ext = _extended(len(value))
    return bytes([d << 4 | n]) + d_ext + n_ext + value


def message(kind, number, mid, token=b"", options=(), payload=b"", version=1):
    out = bytes([version << 6 | kind << 4 | len(token), number]) + struct.pack(">H", mid) + token
    last = 0
    for opt, value in sorted(options, key=lambda o: o[0]):
        out += option(opt - last, value)
        last = opt
    return out + (b"\xff" + payload if payload else b"")


# Counted, as RFC 7252 4.4 has it: two by chance the same from one peer would be one message and its copy.
_mids = itertools.count(0x9000)


def request(path="bs", queries=(), method=POST, kind=CON, mid=None, token=None, extra=(), payload=b""):
    options = [(URI_PATH, part.encode()) for part in path.split("/") if part]
    options += [(URI_QUERY, query.encode()) for query in queries] + list(extra)
    mid = next(_mids) & 0xffff if mid is None else mid
    return message(kind, method, mid, os.urandom(4) if token is None else token, options, payload)


class Message:
    def __init__(self, data):
        self.version, self.kind = data[0] >> 6, data[0] >> 4 & 3
        length = data[0] & 15
        self.code, self.mid = data[1], struct.unpack(">H", data[2:4])[0]
        self.token = data[4:4 + length]
        at, number, self.options = 4 + length, 0, []
        while at < len(data) and data[at] != 0xff:
            delta, size = data[at] >> 4, data[at] & 15
            at += 1
            values = []
            for nibble in (delta, size):
                if nibble == 13:
                    nibble = data[at] + 13
                    at += 1
                elif nibble == 14:
                    nibble = struct.unpack(">H", data[at:at + 2])[0] + 269
                    at += 2
                values.append(nibble)
            number += values[0]
            self.options.append((number, data[at:at + values[1]]))
            at += values[1]
        self.payload = data[at + 1:]

    @property
    def text(self):
        return f"{self.code >> 5}.{self.code & 31:02}"

    @property
    def path(self):
        return "/" + "/".join(v.decode() for n, v in self.options if n == URI_PATH)

    def number(self, wanted):
        return next((int.from_bytes(v, "big") for n, v in self.options if n == wanted), None)

    def answer(self, text, kind=ACK, mid=None):
        return message(kind, code(text), self.mid if mid is None else mid, self.token)


def after(step, receive):
    """What comes after a message: not its copies (RFC 7252 4.2)."""
    while True:
        message = receive()
        if (message.kind, message.mid) != (step.kind, step.mid):
            return message
