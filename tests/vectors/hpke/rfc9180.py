#!/usr/bin/env python3
"""Reads appendix A of RFC 9180 in its source form (draft-irtf-cfrg-hpke.md) and writes the entries of the modes base and
PSK that have an AEAD as JSON: rfc9180.py < draft-irtf-cfrg-hpke.md > rfc9180.json"""
import json
import re
import sys

text = sys.stdin.read()
entries = []
for block in re.split(r'\n### .* Setup Information\n', text)[1:]:
    parts = re.findall(r'~~~\n(.*?)~~~', block, re.S)
    def fields(part):
        found = re.findall(r'^([\w ]+):((?:[^\n:]*\n)(?:[0-9a-f]+\n)*)', part, re.M)
        return {name: re.sub(r'\s', '', value) for name, value in found}
    entry = fields(parts[0])
    for name in ('mode', 'kem_id', 'kdf_id', 'aead_id'):
        entry[name] = int(entry[name])
    if entry['mode'] > 1 or entry['aead_id'] == 0xffff:
        continue
    entry['encryptions'] = [fields(one + '\n') for one in parts[1].strip().split('\n\n')]
    for one in entry['encryptions']:
        one['seq'] = int(one.pop('sequence number'))
    entry['exports'] = [fields(one + '\n') for one in parts[2].strip().split('\n\n')]
    for one in entry['exports']:
        one['L'] = int(one['L'])
    entries.append(entry)
json.dump(entries, sys.stdout, separators=(',', ':'))
print()
