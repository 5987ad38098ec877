#!/usr/bin/env python3
"""Writes the seeds of the rtp, rtcp and srtp fuzz targets into corpus/. Run it again after changing it: the
files are named by what they hold."""
import pathlib
import struct

HERE = pathlib.Path(__file__).parent / "corpus"


def save(target, name, data):
    folder = HERE / target
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(bytes(data))


def rtp(payload=b"payload", profile=None, elements=b"", csrcs=0, padding=0, marker=0):
    first = 0x80 | (0x20 if padding else 0) | (0x10 if profile is not None else 0) | csrcs
    out = struct.pack("!BBHII", first, marker << 7 | 96, 0x1234, 0xDEADBEEF, 0xCAFEBABE) + b"\1\2\3\4" * csrcs
    if profile is not None:
        elements += b"\0" * (-len(elements) % 4)
        out += struct.pack("!HH", profile, len(elements) // 4) + elements
    out += payload
    return out + b"\0" * (padding - 1) + bytes([padding]) if padding else out


def rtcp(pt, count, body, padding=0):
    if padding:
        body += b"\0" * (padding - 1) + bytes([padding])
    return struct.pack("!BBH", 0x80 | (0x20 if padding else 0) | count, pt, len(body) // 4) + body


def u32(*values):
    return b"".join(struct.pack("!I", v) for v in values)


def twcc(base, count, chunks, deltas, reference=1000):
    body = u32(1, 2) + struct.pack("!HHI", base, count, reference << 8 | 7)
    body += b"".join(struct.pack("!H", c) for c in chunks) + deltas
    return rtcp(205, 15, body + b"\0" * (-len(body) % 4))


one_byte = b"\x10\x80" + b"\x21\x00\x07" + b"\x32abc" + b"\0" + b"\x42\x12\x34\x56"
two_byte = b"\x01\x01\x80" + b"\x04\x03abc" + b"\xc8\x00" + b"\x2a\x14" + b"d" * 20
save("rtp", "plain", rtp())
save("rtp", "one-byte", rtp(profile=0xBEDE, elements=one_byte))
save("rtp", "one-byte-stop", rtp(profile=0xBEDE, elements=b"\x10\x80\xf0\x00\x20\x01"))
save("rtp", "two-byte", rtp(profile=0x1000, elements=two_byte))
save("rtp", "two-byte-appbits", rtp(profile=0x100F, elements=two_byte))
save("rtp", "csrcs-padding", rtp(csrcs=15, padding=9, marker=1))
save("rtp", "empty-extension", rtp(profile=0xBEDE))
save("rtp", "red", rtp(payload=b"\xef\x0f\x00\x03\x6foldnew"))

block = u32(5, 0x40FFFFFF, 70000, 33, 0x12345678, 65536)
sr = rtcp(200, 1, u32(1, 0xE0000000, 0x80000000, 48000, 100, 9999) + block)
sdes = rtcp(202, 2, u32(1) + b"\x01\x04name\0\0" + u32(2) + b"\x02\x01x\x01\x02ab\0")
nack = rtcp(205, 1, u32(1, 2) + struct.pack("!HHHH", 65530, 0x8421, 10, 0))
save("rtcp", "sr-sdes", sr + sdes)
save("rtcp", "rr-nack-pli-fir", rtcp(201, 1, u32(1) + block) + nack + rtcp(206, 1, u32(1, 2)) +
     rtcp(206, 4, u32(1, 0, 2, 0x05000000)))
save("rtcp", "remb", rtcp(206, 15, u32(1, 0) + b"REMB" + u32(2 << 24 | 5 << 18 | 50000, 7, 8)))
save("rtcp", "bye-reason", rtcp(203, 2, u32(1, 2) + b"\x03bye"))
save("rtcp", "app-xr", rtcp(204, 0, u32(1) + b"name") + rtcp(207, 0, u32(1)))
save("rtcp", "twcc-runs", twcc(65500, 120, [0x2032, 0x0032, 0x4014], bytes(range(50)) + b"\xff\xf0" * 20))
save("rtcp", "twcc-vectors", twcc(10, 21, [0xB0F3, 0xE4E4], bytes(8) + b"\1\0\2\3\4\5\6\7"))
save("rtcp", "twcc-padded", rtcp(205, 15, u32(1, 2) + struct.pack("!HHIHB", 1, 1, 0x500, 0x2001, 4), padding=1))
save("rtcp", "twcc-huge", twcc(10, 65535, [0x1FFF] * 9, b""))
steps = b"".join(struct.pack("!BH", op, value) for op, value in
                 [(1, 1000)] * 40 + [(7, 900)] + [(2, 5000)] * 20 + [(0xC7, 60000), (3, 9), (0x87, 65500), (15, 1200)])
save("rtcp", "recorder", b"\0" + u32(77) + b"\xff\xf0" + steps)

for profile in range(3):
    script = bytes([profile])
    for i in range(6):
        script += struct.pack("!BBHB", 0, i % 2, 65533 + i & 0xFFFF, 5) + b"hello" + b"\0\0"
    script += struct.pack("!BBHB", 2, 1, 9, 3) + b"abc" + b"\x01\x00\x05"
    script += struct.pack("!BBB", 3, 1, 4) + b"rtcp" + b"\0\0"
    script += struct.pack("!BBB", 4, 1, 4) + b"rtcp" + b"\x80\x00\x0c"
    script += b"\x05\x20" + rtp(payload=b"x" * 20) + b"\x06\x20" + rtcp(201, 0, b"r" * 28)
    script += b"\x07" + struct.pack("!BBHB", 0, 0, 70, 1) + b"a\0\0"
    save("srtp", f"steps-{profile}", script)
