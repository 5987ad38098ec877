#!/usr/bin/env python3
"""Writes the first inputs of the fuzz targets stun, candidate, icetcp, ice and dtls into fuzz/corpus/."""
import binascii
import hashlib
import hmac
import os
import struct

HERE = os.path.dirname(os.path.abspath(__file__))
COOKIE = 0x2112A442


def write(target, name, data):
    folder = os.path.join(HERE, "corpus", target)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "wb") as out:
        out.write(data)


def attribute(kind, value):
    return struct.pack(">HH", kind, len(value)) + value + bytes(-len(value) % 4)


def stun(kind, attributes, key=None, fingerprint=True):
    body = b"".join(attribute(k, v) for k, v in attributes)

    def head(length):
        return struct.pack(">HHI", kind, length, COOKIE) + bytes(range(12))

    if key is not None:
        mac = hmac.new(key, head(len(body) + 24) + body, hashlib.sha1).digest()
        body += attribute(0x0008, mac)
    if fingerprint:
        crc = binascii.crc32(head(len(body) + 8) + body) ^ 0x5354554E
        body += attribute(0x8028, struct.pack(">I", crc))
    return head(len(body)) + body


def stun_corpus():
    key = b"VOkJxbRl1RmTxUk/WvJxBt"
    check = [(0x0006, b"srvr:peer"), (0xC057, bytes(4)), (0x802A, bytes(8)), (0x0025, b""), (0x0024, b"n\x00\x01\xff")]
    write("stun", "request", stun(1, check, key))
    write("stun", "request_unsigned", stun(1, check))
    write("stun", "request_bare", stun(1, [], fingerprint=False))
    write("stun", "request_unknown", stun(1, check + [(0x7F00, b"abc"), (0x0031, b"")], key))
    write("stun", "success_v4", stun(0x0101, [(0x0020, b"\x00\x01\xa1\x47\xe1\x12\xa6\x43")], key))
    write("stun", "success_v6", stun(0x0101, [(0x0020, b"\x00\x02\xa1\x47" + bytes(16))], key))
    write("stun", "error", stun(0x0111, [(0x0009, b"\x00\x00\x04\x57Role Conflict"), (0x000A, b"\x7f\x00")], key))
    write("stun", "indication", stun(0x0011, []))


def candidate_corpus():
    lines = [
        "candidate:1 1 udp 2130706431 192.0.2.1 7882 typ host",
        "a=candidate:2 1 tcp 1671430143 2001:db8::1 7881 typ host tcptype passive",
        "candidate:3 1 udp 1685987071 198.51.100.7 40112 typ srflx raddr 10.0.0.4 rport 40111 generation 0 ufrag Xy9z",
        "candidate:4 1 UDP 99 1c2d8a04-8f55-43d6-9ffd-ff7a3b8d7d3b.local 54321 typ host network-cost 999",
        "candidate:6 1 udp 1 192.0.2.1 1 typ host ufrag LongerThanTheNext ufrag Xy9z",
        "candidate:5 2 tcp 7 192.0.2.1 9 typ prflx raddr fe80::1 rport 0 tcptype so\r\n",
    ]
    for number, line in enumerate(lines):
        write("candidate", "line%d" % number, line.encode())


def icetcp_corpus():
    frames = b"".join(struct.pack(">H", n) + bytes([n]) * n for n in (1, 0, 20, 200, 3))
    write("icetcp", "frames", b"\x01" + frames)
    write("icetcp", "frames_cut", b"\x0d" + frames)
    write("icetcp", "too_long", b"\x02" + frames + b"\xff\xff" + bytes(40))


def ice_corpus():
    connect = bytes([2, 1, 2, 2, 2, 17]) + bytes([0, 0, 3, 8]) * 12
    write("ice", "connect", connect)
    write("ice", "restart", connect + bytes([4, 0, 2, 3]) + bytes([0, 0, 3, 8]) * 8)
    write("ice", "lose", connect + bytes([5, 1, 5, 2, 3, 255, 3, 255, 0, 0]))
    write("ice", "altered", bytes([2, 1, 1, 9, 3, 25, 1, 41, 3, 25, 0, 0, 1, 77]))
    request = stun(1, [(0x0006, b"uf00:peer"), (0x0024, b"n\x00\x01\xff")], b"guess")
    write("ice", "forged", bytes([6, len(request)]) + request + bytes([7, len(request)]) + request)


def dtls_corpus():
    handshake = bytes([0x00, 0x80, 0x80, 0x80, 0x80, 0x00, 0x00, 0x00, 0x00, 0x80, 0x80, 0x80])
    write("dtls", "handshake", b"\x00" + handshake)
    write("dtls", "wrong_fingerprint", b"\x01" + handshake)
    write("dtls", "data", b"\x00" + handshake + bytes([0x06, 0x86, 0x06, 0x86]))
    write("dtls", "close", b"\x00" + handshake + bytes([0xFF, 0x80]))
    write("dtls", "lost", b"\x00" + bytes([5, 10]) * 3 + handshake)
    write("dtls", "altered", b"\x00" + bytes([0x02, 1, 0, 60]) + bytes([5, 10]) + handshake)
    records = b"".join(bytes([op, kind, epoch, 5, 4]) + b"\x02\x28\x00\x00"
                       for op in (4, 0x84) for kind in range(6) for epoch in (0, 1))
    write("dtls", "records_after", b"\x00" + handshake + records)
    write("dtls", "records_before", b"\x00" + records + handshake)
    raw = b"\x16\xfe\xfd" + bytes(8) + b"\x00\x10" + b"\x01\x00\x10\x00\x00\x00\x00\x00\x00\x00\x00\x04" + bytes(4)
    write("dtls", "raw", b"\x00\x03" + struct.pack(">H", len(raw)) + raw + handshake)


if __name__ == "__main__":
    stun_corpus()
    candidate_corpus()
    icetcp_corpus()
    ice_corpus()
    dtls_corpus()
