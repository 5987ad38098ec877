#!/usr/bin/env python3
"""Writes fuzz/corpus/wire1: one message of each type of the delivery protocol, and the extensions of a meeting."""
import os

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'corpus/wire1')


def vec(data):
    size = len(data)
    if size < 64:
        return bytes([size]) + data
    return (0x4000 | size).to_bytes(2, 'big') + data


def u64(n):
    return n.to_bytes(8, 'big')


CLIENT = {
    'hello': b'\x01\x00' + u64(0) + vec(b'key package'),
    'resume': b'\x01\x01' + u64(17) + vec(b''),
    'create': b'\x02' + vec(b'group info') + vec(b'tree'),
    'commit': b'\x03' + vec(b'commit' * 20) + vec(b'') + vec(b'group info'),
    'ack': b'\x04' + u64(3),
    'bad': b'\x05' + u64(3) + b'\x00\x07',
    'app': b'\x06' + vec(b'sealed'),
    'direct': b'\x07' + vec(b'p_1') + vec(b'sealed'),
    'leave': b'\x08',
}
SERVER = {
    'state': bytes([129]) + b'\xf0\xa7\x01' + u64(4) + u64(9) + vec(b'sender') + vec(b'info') + vec(b'h' * 48),
    'state_empty': bytes([129]) + b'\xf0\xa7\x00' + u64(0) + u64(0) + vec(b'sender') + vec(b'') + vec(b''),
    'create_now': bytes([130]),
    'join_now': bytes([131]) + vec(b'info') + vec(b'h' * 48),
    'commit_now': bytes([132]) + u64(5) + vec(vec(b'one') + vec(b'two')),
    'handshake': bytes([133]) + u64(6) + vec(b'message'),
    'accepted': bytes([134]) + u64(6) + u64(5),
    'stale': bytes([135]) + u64(5) + vec(b'EPOCH_OVER'),
    'welcome': bytes([136]) + u64(7) + vec(b'welcome') + vec(b'h' * 48),
    'app_from': bytes([137]) + u64(8) + vec(b'p_1') + vec(b'sealed'),
    'direct_from': bytes([138]) + vec(b'p_1') + vec(b'sealed'),
    'ready': bytes([139]) + u64(5),
    'resync': bytes([140]) + vec(b'info') + vec(b'h' * 48),
    'gone': bytes([141, 2]),
    'online': bytes([142]) + vec(vec(b'p_1') + vec(b'p_2')),
    'sent': bytes([143]) + u64(9),
}
EXTENSIONS = {
    'meeting': b'\x01' + vec(b'm' * 32) + b'\x01' + vec(vec(b'p_1') + vec(b'p_2')),
    'client': b'\x01\x01' + vec(b'browser') + vec(b'b' * 32) + vec(b'p' * 32),
}

os.makedirs(OUT, exist_ok=True)
for first, group in ((0, CLIENT), (1, SERVER), (2, EXTENSIONS)):
    for name, data in group.items():
        with open(os.path.join(OUT, name), 'wb') as file:
            file.write(bytes([first]) + data)
