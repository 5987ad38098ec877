#!/usr/bin/env python3
"""Writes the seed inputs of fuzz_sctp, fuzz_sctp_pair and fuzz_dcep to the corpus folders beside this script."""
import os
import random
import struct

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")


def save(target, name, data):
    folder = os.path.join(HERE, target)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "wb") as f:
        f.write(data)


def pad(data):
    return data + bytes(-len(data) % 4)


def chunk(kind, flags, value):
    return pad(struct.pack("!BBH", kind, flags, 4 + len(value)) + value)


def record(control, chunks):
    return bytes([control, len(chunks)]) + chunks


def data(tsn, stream, ssn, flags=3, payload=b"hello"):
    return chunk(0, flags, struct.pack("!IHHI", tsn & 0xFFFFFFFF, stream, ssn, 51) + payload)


def sack(cum, gaps=(), dups=()):
    value = struct.pack("!IIHH", cum & 0xFFFFFFFF, 100000, len(gaps), len(dups))
    value += b"".join(struct.pack("!HH", *g) for g in gaps) + b"".join(struct.pack("!I", d) for d in dups)
    return chunk(3, 0, value)


def forward(tsn, skips=()):
    return chunk(192, 0, struct.pack("!I", tsn) + b"".join(struct.pack("!HH", *s) for s in skips))


def reset_outgoing(seq, last, streams):
    value = struct.pack("!III", seq, 0, last) + b"".join(struct.pack("!H", s) for s in streams)
    return chunk(130, 0, pad(struct.pack("!HH", 13, 4 + len(value)) + value))


def param(kind, value=b""):
    return pad(struct.pack("!HH", kind, 4 + len(value)) + value)


INIT = struct.pack("!IIHHI", 0x01020304, 100000, 10, 10, 77)
REL, PAUSE, SEND, RESET, CLOSE = 1, 8, 16, 32, 128

save("sctp", "ordered", b"".join(record(REL, data(i, 1, i)) for i in range(4)))
save("sctp", "fragments", record(REL, data(0, 1, 0, 2)) + record(REL, data(2, 1, 0, 1)) + record(REL, data(1, 1, 0, 0)))
save("sctp", "holes", b"".join(record(REL, data(2 * i, 1, i, 7)) for i in range(20)))
save("sctp", "sacks", record(SEND | 3 | 64, b"") + record(REL, sack(-1, [(2, 2), (3, 3)])) + record(REL, sack(0)) + record(REL, sack(2)))
save("sctp", "forward", record(REL, data(3, 1, 2)) + record(REL, forward(2, [(1, 1), (2, 0)])) + record(REL | PAUSE, forward(9)))
save("sctp", "reset", record(REL, reset_outgoing(0, 0, [1, 2])) + record(RESET | 1, b"") + record(REL, data(0, 1, 0)) +
     record(REL | PAUSE, chunk(130, 0, struct.pack("!HHII", 16, 12, 0, 1))))
save("sctp", "reset_others", record(REL, chunk(130, 0, struct.pack("!HHIHH", 14, 12, 0, 1, 2))) +
     record(REL, chunk(130, 0, struct.pack("!HHIHH", 17, 12, 1, 4, 0))) + record(REL, chunk(130, 0, struct.pack("!HHI", 15, 8, 2))))
save("sctp", "init", record(4, chunk(1, 0, INIT + param(0xC000) + param(0x8008, bytes([130, 192])) + param(0xC123, b"ab") + param(0x4001))))
save("sctp", "init_ack", record(0, chunk(2, 0, INIT + param(7, bytes(40)))))
save("sctp", "cookie", record(0, chunk(10, 0, bytes(77))) + record(0, chunk(11, 0, b"")))
save("sctp", "heartbeat", record(0, chunk(4, 0, param(1, b"12345678"))) + record(0, chunk(5, 0, param(1, b"12345678"))))
save("sctp", "shutdown", record(SEND, b"") + record(REL, chunk(7, 0, struct.pack("!I", 0))) + record(0, chunk(8, 0, b"")) + record(0, chunk(14, 0, b"")))
save("sctp", "our_shutdown", record(CLOSE | PAUSE | REL, b"") + record(0, chunk(8, 0, b"")))
save("sctp", "abort", record(0, chunk(6, 0, struct.pack("!HH", 12, 4))))
save("sctp", "error_unknown", record(0, chunk(9, 0, struct.pack("!HHI", 3, 8, 1)) + chunk(200, 0, b"x") + chunk(70, 0, b"y")))

rng = random.Random(1)
for i in range(8):
    save("sctp_pair", "random_%d" % i, bytes(rng.randrange(256) for _ in range(60 + 60 * i)))
save("sctp_pair", "bulk", bytes([1] + [24 | s for s in range(8)] + [0x3F, 0xBF] * 20))
save("sctp_pair", "lossy", bytes([0] + [0x3F, 0xBF] * 4 + [6, 7, 0x40, 0, 0x3F, 0xBF, 0x7F] * 30))

OPEN = bytes([3, 0x81, 1, 0, 0, 0, 0, 0, 0, 6, 0, 0]) + b"_lossy"
save("dcep", "open", OPEN)
save("dcep", "session", bytes([0, 50, len(OPEN)]) + OPEN + bytes([0, 51, 2]) + b"hi" + bytes([1, 50, 1, 2]) +
     bytes([1, 53, 3]) + b"abc" + bytes([1, 56, 1, 0]) + bytes([0, 0x80, 0]) + bytes([2, 50, len(OPEN)]) + OPEN + bytes([0, 0xFF, 0]))
