#!/usr/bin/env python3
"""Writes corpus/mlkem and corpus/hpke from the vectors in tests/vectors; run in fuzz/."""
import json
import os

VECTORS = '../tests/vectors/'


def write(target, name, *parts):
    os.makedirs('corpus/' + target, exist_ok=True)
    with open(f'corpus/{target}/{name}', 'wb') as out:
        out.write(b''.join(parts))


def load(name):
    with open(VECTORS + name, encoding='ascii') as source:
        return json.load(source)


encaps = [t for g in load('mlkem/mlkem_768_encaps_test.json')['testGroups'] for t in g['tests']]
valid = next(t for t in encaps if t['result'] == 'valid')
overflow = next(t for t in encaps if t['flags'])
for name, t in (('encaps', valid), ('encaps_overflow', overflow)):
    write('mlkem', name, b'\0', bytes.fromhex(t['ek']), bytes.fromhex(t['m']))
keygen = load('mlkem/mlkem_768_keygen_seed_test.json')['testGroups'][0]['tests'][0]
seed, dk = bytes.fromhex(keygen['seed']), bytes.fromhex(keygen['dk'])
write('mlkem', 'round_trip', b'\1', seed, bytes(32))
write('mlkem', 'round_trip_changed', b'\1', seed, bytes(32), bytes.fromhex('000001 043f80'))
write('mlkem', 'decaps', b'\2', dk, bytes.fromhex(valid['c']))
write('mlkem', 'decaps_no_key', b'\2', b'\xff' * 3000)

# byte 0 is the suite (KEM number of fuzz_hpke.c, hash * 8, AEAD * 64), byte 1 what to do
entries = {e['kem_id']: e for e in load('hpke/rfc9180.json') + load('hpke/hpke-pq.json')}
for number, kem in enumerate((0x20, 0x10, 0x647a, 0x21, 0x12)):
    entry = entries[kem]
    key, enc = bytes.fromhex(entry['pkRm']), bytes.fromhex(entry['enc'])
    ct = bytes.fromhex(entry['encryptions'][0]['ct'])
    write('hpke', f'key_{kem:04x}', bytes([number, 0]), key)
    write('hpke', f'bad_key_{kem:04x}', bytes([number, 0]), b'\xff' * len(key))
    write('hpke', f'message_{kem:04x}', bytes([number + 8, 1]), enc, ct)
    write('hpke', f'own_{kem:04x}', bytes([number + 64, 2]), b'\0\0\0', b'hello')
    write('hpke', f'own_changed_{kem:04x}', bytes([number + 16, 2]), b'\0\3\1', b'hello')
