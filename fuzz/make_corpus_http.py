#!/usr/bin/env python3
"""Writes fuzz/corpus/http_head and fuzz/corpus/websocket: requests and frames as clients send them, and as they should not."""
import pathlib
import struct

here = pathlib.Path(__file__).parent / 'corpus'

HEADS = {
    'get': b'GET / HTTP/1.1\r\nHost: localhost:7880\r\n\r\n',
    'browser': b'GET /m/abc?x=1&y=%20 HTTP/1.1\r\nHost: meet.example.org\r\nAccept: text/html,application/xml;q=0.9,*/*;q=0.8\r\n'
               b'Accept-Encoding: gzip, deflate, br\r\nConnection: keep-alive\r\nIf-None-Match: W/"a", "b"\r\n\r\n',
    'post': b'POST /api/v2/meetings HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}',
    'socket': b'GET /rtc?access_token=a.b.c HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n'
              b'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    'proxy': b'GET /x HTTP/1.0\r\nHost: x\r\nX-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: ::1, 192.0.2.2\r\nVia: 1.1 a\r\n'
             b'Forwarded: for=192.0.2.1\r\nX-Real-IP: 192.0.2.1\r\n\r\n',
    'range': b'GET /api/v2/meetings/a/files/b HTTP/1.1\r\nHost: x\r\nRange: bytes=5-9\r\nAuthorization: Bearer a.b.c\r\n\r\n',
    'expect': b'POST /p HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello',
    'absolute': b'\r\nGET http://other:80/a/./b//../%2e%2E/c%2Fd?q HTTP/1.1\r\nHost: x\r\n\r\n',
    'star': b'OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n',
    'space_before_colon': b'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\nContent-Length: 4\r\n\r\n',
    'folded': b'POST / HTTP/1.1\r\nHost: x\r\nX: y\r\n Transfer-Encoding: chunked\r\n\r\n',
    'both_lengths': b'POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n',
    'two_lengths': b'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n',
    'bare_lf': b'GET / HTTP/1.1\nHost: x\n\n',
    'bare_cr': b'GET / HTTP/1.1\r\nHost: x\rX: y\r\n\r\n',
    'no_colon': b'GET / HTTP/1.1\r\nHost: x\r\nnothing\r\n\r\n',
    'escape': b'GET /%zz%0 HTTP/1.1\r\nHost: x\r\n\r\n',
    'nul': b'GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n',
    'tls': b'\x16\x03\x01\x02\x00\x01',
    'empty_lines': b'\r\n\r\n\r\n',
    'many': b'GET / HTTP/1.1\r\nHost: x\r\n' + b'A: b\r\n' * 120 + b'\r\n',
}


def frame(first, payload, mask=b'\x01\x02\x03\x04', length=None):
    n = len(payload) if length is None else length
    head = bytes([first, 0x80 | n]) if n < 126 else bytes([first, 0xfe]) + struct.pack('>H', n) if n < 65536 else bytes([first, 0xff]) + struct.pack('>Q', n)
    return head + mask + bytes(b ^ mask[i & 3] for i, b in enumerate(payload))


FRAMES = {
    'text': frame(0x81, b'hello'),
    'binary_long': frame(0x82, b'x' * 300),
    'fragments': frame(0x01, b'one ') + frame(0x89, b'ping') + frame(0x00, b'two ') + frame(0x80, b'three'),
    'empty': frame(0x82, b'') + frame(0x01, b'') + frame(0x80, b''),
    'pong': frame(0x8a, b'late'),
    'close': frame(0x88, struct.pack('>H', 1000) + b'bye') + frame(0x81, b'after'),
    'close_empty': frame(0x88, b''),
    'close_half': frame(0x88, b'a'),
    'close_reserved': frame(0x88, struct.pack('>H', 1005)),
    'no_mask': b'\x81\x03abc',
    'reserved': frame(0xc1, b'abc'),
    'long_ping': frame(0x89, b'p' * 126),
    'end_of_nothing': frame(0x80, b'x'),
    'two_beginnings': frame(0x01, b'x') + frame(0x01, b'y'),
    'not_shortest': b'\x82\xfe\x00\x05\0\0\0\0abcde',
    'huge': b'\x82\xff\x80' + bytes(7) + bytes(4),
}

for folder, files in (('http_head', HEADS), ('websocket', FRAMES)):
    (here / folder).mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (here / folder / name).write_bytes(data)
