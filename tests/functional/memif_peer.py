"""The other end of a memif port, by hand: the client's side of memif 2.0 on a control socket and a memory file."""
import mmap
import os
import socket
import struct
import time

HELLO, INIT, ADD_REGION, ADD_RING, CONNECT, CONNECTED, DISCONNECT = 2, 3, 4, 5, 6, 7, 8
VERSION, COOKIE, TO_SERVER = 0x0200, 0x3E31F20, 1
LOG2_SLOTS = 10
SLOTS, RING_HEADER, DESCRIPTOR, BUFFER = 1 << LOG2_SLOTS, 128, 16, 2048
RING_BYTES = RING_HEADER + SLOTS * DESCRIPTOR
# Of a ring: the driver's side moves the one, the peer's the other.
HEAD, TAIL = 6, 64


class Refused(Exception):
    pass


class MemifPeer:
    """Connected from the start, with as many rings in each direction; the caller's to close()."""

    def __init__(self, network, path, rings=1, timeout=20):
        self.rings = rings
        # Rings to the server, rings from it, and a buffer for each slot of each.
        self.size = 2 * rings * (RING_BYTES + SLOTS * BUFFER)
        self.file = os.memfd_create("memif")
        os.ftruncate(self.file, self.size)
        self.memory = mmap.mmap(self.file, self.size)
        # Of what both sides read and write: by whole stores, while struct.pack_into() writes zeroes first.
        self.words = memoryview(self.memory).cast("H")
        for ring in range(2 * rings):
            struct.pack_into("<IHH", self.memory, ring * RING_BYTES, COOKIE, 1, 0)
            struct.pack_into(f"<{SLOTS * 4}I", self.memory, ring * RING_BYTES + RING_HEADER, *(
                word for slot in range(SLOTS) for word in (0, BUFFER, self._buffer(ring, slot), 0)))
        self.sent, self.received = [0] * rings, [0] * rings
        self.bells = [os.eventfd(0, os.EFD_NONBLOCK) for _ in range(2 * rings)]
        self.descriptors = [self.file, *self.bells]
        deadline = time.monotonic() + timeout
        while True:
            try:
                self._connect(network, path)
                break
            except (Refused, OSError):
                self.socket.close()
                # It has not yet seen that the peer before is gone.
                if time.monotonic() > deadline:
                    self.close()
                    raise
                time.sleep(0.001)
        for ring in range(rings, 2 * rings):  # all slots are the server's to fill
            self.words[(ring * RING_BYTES + HEAD) // 2] = SLOTS

    def _buffer(self, ring, slot):
        return 2 * self.rings * RING_BYTES + (ring * SLOTS + slot) * BUFFER

    def _connect(self, network, path):
        with network.inside():
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(5)
        self.socket.connect(b"\0" + str(path).encode())
        self._expect(HELLO)
        self._tell(INIT, struct.pack("<HIB24s32s", VERSION, 0, 0, b"", b"peer"))
        self._tell(ADD_REGION, struct.pack("<HQ", 0, self.size), self.file)
        for ring in range(2 * self.rings):
            self._tell(ADD_RING, struct.pack("<HHHIBH", TO_SERVER if ring < self.rings else 0, ring % self.rings, 0,
                                             ring * RING_BYTES, LOG2_SLOTS, 0), self.bells[ring])
        self._tell(CONNECT, struct.pack("<32s", b"peer"))

    def _tell(self, kind, body, descriptor=None):
        message = (struct.pack("<H", kind) + body).ljust(128, b"\0")
        rights = [] if descriptor is None else [
            (socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", descriptor))]
        self.socket.sendmsg([message], rights)
        self._expect(CONNECTED if kind == CONNECT else 1)

    def _expect(self, kind):
        message = self.socket.recv(128)
        if len(message) < 2 or struct.unpack_from("<H", message)[0] != kind:
            raise Refused(message)

    def fill(self, ring, frames):
        """Puts frames into the slots that come next; post() gives them to the server."""
        for frame in frames:
            slot = self.sent[ring] % SLOTS
            at = self._buffer(ring, slot)
            self.memory[at:at + len(frame)] = frame
            struct.pack_into("<HHI", self.memory, ring * RING_BYTES + RING_HEADER + slot * DESCRIPTOR, 0, 0, len(frame))
            self.sent[ring] += 1

    def post(self, ring):
        self.words[(ring * RING_BYTES + HEAD) // 2] = self.sent[ring] & 0xffff

    def send(self, ring, *frames):
        self.fill(ring, frames)
        self.post(ring)

    def taken(self, ring):
        """Slots that the server is done with, modulo 65,536."""
        return self.words[(ring * RING_BYTES + TAIL) // 2]

    def receive(self):
        """Frames that came since, of all rings."""
        frames = []
        for ring in range(self.rings):
            base = (self.rings + ring) * RING_BYTES
            tail = self.taken(self.rings + ring)
            while self.received[ring] & 0xffff != tail:
                slot = self.received[ring] % SLOTS
                length = struct.unpack_from("<I", self.memory, base + RING_HEADER + slot * DESCRIPTOR + 4)[0]
                at = self._buffer(self.rings + ring, slot)
                frames.append(self.memory[at:at + length])
                struct.pack_into("<I", self.memory, base + RING_HEADER + slot * DESCRIPTOR + 4, BUFFER)
                self.received[ring] += 1
            self.words[(base + HEAD) // 2] = self.received[ring] + SLOTS & 0xffff
        return frames

    def leave(self):
        """As a peer that dies: the socket alone says so."""
        self.socket.close()

    def close(self):
        """Twice does no harm."""
        self.socket.close()
        while self.descriptors:
            os.close(self.descriptors.pop())
        self.words.release()
        self.memory.close()
