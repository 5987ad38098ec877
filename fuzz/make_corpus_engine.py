#!/usr/bin/env python3
"""Writes the first inputs of the fuzz target engine into fuzz/corpus/engine/: short conversations as lists of records."""
import os
import struct

HERE = os.path.dirname(os.path.abspath(__file__))
RAW, RTP_A, RTP_B, RTCP_A, RTCP_B, DATA_A, TIME, SETTINGS, MUTE, REOPEN = range(10)


def write(name, records):
    folder = os.path.join(HERE, "corpus", "engine")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "wb") as out:
        for kind, data in records:
            out.write(struct.pack(">BH", kind, len(data)) + data)


def element(identity, value):
    return bytes([identity << 4 | (len(value) - 1)]) + value


def rtp(ssrc, pt, seq, time, payload, marker=False, elements=b"", padding=0):
    first = 0x80 | (0x10 if elements else 0) | (0x20 if padding else 0)
    head = struct.pack(">BBHII", first, pt | (0x80 if marker else 0), seq & 0xFFFF, time & 0xFFFFFFFF, ssrc)
    if elements:
        elements += bytes(-len(elements) % 4)
        head += struct.pack(">HH", 0xBEDE, len(elements) // 4) + elements
    return head + payload + (bytes(padding - 1) + bytes([padding]) if padding else b"")


def vp8(picture, tl0, temporal, key, start=True, sync=True):
    head = bytes([0x80 | (0x10 if start else 0), 0xF0, 0x80 | picture >> 8 & 0x7F, picture & 0xFF, tl0 & 0xFF])
    head += bytes([temporal << 6 | (0x20 if sync else 0) | 3])
    body = b"\x10\x00\x00\x9d\x01\x2a\x40\x01\xb4\x00" if key else b"\x11\x02\x03"
    return head + body + bytes(40)


def vp9(picture, spatial, temporal, key, end):
    head = bytes([0x80 | (0 if key else 0x40) | 0x20 | 0x08 | (0x04 if end else 0)])
    return head + bytes([0x80 | picture >> 8 & 0x7F, picture & 0xFF, temporal << 5 | spatial << 1, 7]) + bytes(30)


def rtcp(count, kind, body):
    return struct.pack(">BBH", 0x80 | count, kind, len(body) // 4) + body


def corpus():
    mid = element(1, b"1")
    wide = element(5, b"\x00\x01")
    frames = [(RTP_A, rtp(101 + i % 3, 96, 100 + i // 3, 3000 * (i // 3), vp8(i // 3, i // 3, 0, i < 6), True, mid + wide)) for i in range(18)]
    write("simulcast", frames + [(SETTINGS, b"\x41\x01"), (TIME, b"\x40")] + frames)
    temporal = [(RTP_A, rtp(104, 96, 200 + i, 3000 * i, vp8(i, i // 4, (0, 2, 1, 2)[i % 4], i == 0), True)) for i in range(12)]
    write("temporal", [(SETTINGS, b"\x01\x00")] + temporal + [(SETTINGS, b"\x39\x00")] + temporal[4:])
    scalable = [(RTP_A, rtp(104, 98, 300 + i, 3000 * (i // 3), vp9(i // 3, i % 3, 0, i < 3, True), i % 3 == 2)) for i in range(12)]
    write("scalable", scalable + [(SETTINGS, b"\x3b\x00")] + scalable)
    audio = [(RTP_A, rtp(105, 111, 400 + i, 960 * i, b"\x78" + bytes(30), False, element(4, b"\x90"))) for i in range(8)]
    write("audio", audio + [(MUTE, b"\x02\x01")] + audio[:2] + [(MUTE, b"\x02\x00"), (TIME, b"\xff")])
    late = [frames[0], frames[3], frames[9], frames[6]]
    write("reordered", late + [(TIME, b"\x08"), (RTP_A, rtp(201, 97, 1, 0, struct.pack(">H", 101) + vp8(1, 1, 0, False)))])
    write("padding", frames[:3] + [(RTP_A, rtp(101, 96, 101, 0, b"", padding=20)), (RTP_A, rtp(101, 96, 102, 3000, vp8(1, 1, 0, False)))])
    nack = rtcp(1, 205, struct.pack(">IIHH", 1, 901, 0, 0xFFFF))
    pli = rtcp(1, 206, struct.pack(">II", 1, 901))
    fir = rtcp(4, 206, struct.pack(">IIIBxxx", 1, 0, 901, 1))
    report = rtcp(1, 201, struct.pack(">IIIIIII", 1, 901, 0x10000001, 1, 2, 3, 4))
    remb = rtcp(15, 206, struct.pack(">II4sII", 1, 0, b"REMB", 0x01040100, 901))
    wide_report = rtcp(15, 205, struct.pack(">IIHHIHBB", 1, 901, 1, 1, 0x00000100, 0x2001, 4, 0))
    sender = rtcp(0, 200, struct.pack(">IIIIII", 101, 0xE0000000, 0, 5, 6, 7)) + rtcp(1, 202, struct.pack(">IBB", 101, 1, 4) + b"fuzz\x00\x00")
    write("feedback", frames[:9] + [(RTCP_B, x) for x in (nack, pli, fir, report, remb, wide_report, report + nack + pli)] + [(RTCP_A, sender), (TIME, b"\xff")])
    init = struct.pack(">HHIIBBHIIHHI", 5000, 5000, 0, 0, 1, 0, 20, 0x1234, 100000, 1024, 1024, 1)
    write("data", [(DATA_A, init), (DATA_A, struct.pack(">HHII", 5000, 5000, 1, 0) + bytes(20))])
    write("raw", [(RAW, frames[0][1]), (RAW, pli), (RAW, bytes(30)), (RAW, b"\x16\xfe\xfd" + bytes(40)), (RAW, b"\x00\x01\x00\x00\x21\x12\xa4\x42" + bytes(12))])
    write("reopen", frames[:6] + [(REOPEN, b"\x00")] + frames[6:12] + [(REOPEN, b"\x01")])
    structure = bytes.fromhex("c1000a8040000000")
    write("descriptor", [(RTP_A, rtp(104, 45, 500 + i, 3000 * i, b"\x18\x0a\x01" + bytes(20), True, element(7, structure if i == 0 else bytes([0xC1, 0, 10 + i])))) for i in range(4)])


if __name__ == "__main__":
    corpus()
