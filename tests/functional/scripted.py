"""A device on a plain socket that does what a script says, step by step: well or badly."""
import socket

import coap
from conftest import SERVER4

# The answer that each operation expects.
SUCCESS = {coap.GET: "2.05", coap.POST: "2.04", coap.PUT: "2.04", coap.DELETE: "2.02"}
METHODS = {coap.GET: "GET", coap.POST: "POST", coap.PUT: "PUT", coap.DELETE: "DELETE"}
BLOCK2, BLOCK1, SIZE1 = 23, 27, 60


def block(num, more, szx):
    """The value of a Block option (RFC 7959 2.2)."""
    value = num << 4 | more << 3 | szx
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


class Scripted:
    def __init__(self, network, *queries, port=5683):
        self.sock, self.queries, self.port = network.udp(), queries, port
        self.request = coap.request(queries=queries)

    def send(self, datagram):
        self.sock.sendto(datagram, (SERVER4, self.port))

    def receive(self, timeout=20):
        self.sock.settimeout(timeout)
        return coap.Message(self.sock.recv(2048))

    def after(self, step):
        """What comes after a step that was answered. Copies of it are no news: they come where a test, or a slow machine,
        took its time for the answer."""
        return coap.after(step, self.receive)

    def quiet(self, seconds=0.3):
        """True when nothing comes."""
        try:
            self.receive(seconds)
        except socket.timeout:
            return True
        return False

    def begin(self):
        """Bootstrap-Request; returns the first operation."""
        self.send(self.request)
        reply = self.receive()
        assert (reply.kind, reply.text) == (coap.ACK, "2.04"), reply.text
        return self.receive()

    def again(self):
        """A new request of the same device."""
        self.request = coap.request(queries=self.queries)
        return self.begin()

    def run(self, step, answers=None):
        """Answers every operation from `step` on: as it expects, or as `answers` says for its place in the run. Returns
        them all as (method, path), and the last of them."""
        seen = []
        while True:
            seen.append((METHODS[step.code], step.path))
            answer = (answers or {}).get(len(seen), SUCCESS[step.code])
            self.send(step.answer(answer))
            if (step.path == "/bs" and answer == "2.04") or answer[0] != "2":
                return seen, step
            step = self.after(step)

    def take_blocks(self, step, szx=6, shrink=None):
        """Takes a write in blocks, asking for blocks of `szx`; `shrink` is (after so many, szx). Returns the whole payload,
        the blocks, and the operation that comes next."""
        whole, blocks = b"", 0
        while True:
            value = step.number(BLOCK1)
            if value is None:
                return whole, blocks, step
            num, more, size = value >> 4, value >> 3 & 1, value & 7
            assert num * (16 << size) == len(whole), "a block out of its place"
            assert len(step.payload) == 16 << size or not more
            whole += step.payload
            blocks += 1
            if shrink and blocks > shrink[0]:
                szx = shrink[1]
            code = "2.31" if more else "2.04"
            self.send(coap.message(coap.ACK, coap.code(code), step.mid, step.token,
                                   [(BLOCK1, block(num, more, min(size, szx)))]))
            step = self.after(step)
