#!/usr/bin/env python3
"""Makes the seed corpora of the payload, av1dd and sdp fuzz targets from the vectors: corpus.py <fuzz/corpus>"""
import pathlib
import shutil
import sys

here, out = pathlib.Path(__file__).resolve().parent, pathlib.Path(sys.argv[1])
codec_of = {'vp8': 0, 'vp9': 1, 'h264': 2, 'av1': 3}

for path in sorted(here.glob('*.txt')):
    seen, descriptors = set(), b''
    for line in path.read_text().splitlines():
        ssrc, seq, timestamp, marker, dd, length, payload = line.split()
        dd = b'' if dd == '-' else bytes.fromhex(dd)
        payload = b'' if payload == '-' else bytes.fromhex(payload)
        if dd and len(descriptors) < 1000:
            descriptors += bytes([len(dd)]) + dd
        shape = (len(dd), marker, payload[:1])
        if shape in seen or len(seen) == 8:
            continue
        seen.add(shape)
        head = codec_of[path.stem.split('-')[0]] | int(marker) << 7 | 0x40
        (out / 'payload' / f'{path.stem}-{len(seen)}').write_bytes(bytes([head, len(dd)]) + dd + payload)
    if descriptors:
        (out / 'av1dd' / path.stem).write_bytes(descriptors)
for path in sorted((here.parent / 'sdp').glob('*.sdp')):
    shutil.copy(path, out / 'sdp' / path.stem)
