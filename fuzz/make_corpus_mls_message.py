#!/usr/bin/env python3
"""Makes fuzz/corpus/mls_message and mls_private from the official vectors and by hand. Run in the repository."""
import hashlib
import json
import os

VECTORS = "tests/vectors/mls"
# as enum mls_structure of tests/unit/e2ee/mls_round_trip.h
MESSAGE, LEAF, KEY_PACKAGE, PSK_ID, PROPOSAL, PATH, COMMIT, CONTEXT, INFO, SECRETS, CONTENT, TREE = range(12)
REQUIRED, EXTERNAL_PUB, EXTERNAL_SENDERS = range(12, 15)
SMALL = 3000  # bytes of an entry: small ones are mutated faster


def put(name, data):
    folder = f"fuzz/corpus/{name}"
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, hashlib.sha1(data).hexdigest()[:16]), "wb") as f:
        f.write(data)


def put_structure(kind, data):
    if len(data) <= SMALL:
        put("mls_message", bytes([kind]) + data)


def vec(data):
    assert len(data) < 64
    return bytes([len(data)]) + data


entries = json.load(open(f"{VECTORS}/messages.json"))
fields = [
    ("mls_welcome", MESSAGE, b""), ("mls_group_info", MESSAGE, b""), ("mls_key_package", MESSAGE, b""),
    ("ratchet_tree", TREE, b""), ("group_secrets", SECRETS, b""), ("commit", COMMIT, b""),
    ("add_proposal", PROPOSAL, b"\0\1"), ("update_proposal", PROPOSAL, b"\0\2"), ("update_proposal", LEAF, b""),
    ("remove_proposal", PROPOSAL, b"\0\3"), ("pre_shared_key_proposal", PROPOSAL, b"\0\4"),
    ("pre_shared_key_proposal", PSK_ID, b""), ("re_init_proposal", PROPOSAL, b"\0\5"),
    ("external_init_proposal", PROPOSAL, b"\0\6"), ("group_context_extensions_proposal", PROPOSAL, b"\0\7"),
    ("public_message_application", MESSAGE, b""), ("public_message_proposal", MESSAGE, b""),
    ("public_message_commit", MESSAGE, b""), ("private_message", MESSAGE, b""),
]
for name, kind, front in fields:
    # the shortest ones, and some of the middle: short ones have empty lists
    values = sorted({bytes.fromhex(e[name]) for e in entries}, key=lambda v: (len(v), v))
    for value in values[:2] + values[len(values) // 2:][:2]:
        put_structure(kind, front + value)
        if name == "mls_key_package":
            put_structure(KEY_PACKAGE, value[4:])
        if name == "mls_group_info":
            put_structure(INFO, value[4:])
for entry in json.load(open(f"{VECTORS}/transcript-hashes.json"))[:2]:
    put_structure(CONTENT, bytes.fromhex(entry["authenticated_content"]))
for entry in json.load(open(f"{VECTORS}/key-schedule.json"))[:2]:
    put_structure(CONTEXT, bytes.fromhex(entry["epochs"][0]["group_context"]))
for entry in json.load(open(f"{VECTORS}/treekem.json"))[:3]:
    put_structure(PATH, bytes.fromhex(entry["update_paths"][0]["update_path"]))
# what the vectors lack: X.509 chains, resumption PSKs, application proposals, extensions of the group context
capabilities = vec(b"\0\1") + vec(b"\0\1\x0a\x0a") + vec(b"\xff\1") + vec(b"\xff\2") + vec(b"\0\1\0\2")
x509 = b"\0\2" + vec(vec(b"leaf") + vec(b"ca"))
required = vec(b"\xff\1") + vec(b"\0\1") + vec(b"\0\2")
extensions = vec(b"\0\3" + vec(required) + b"\xff\1" + vec(b"x"))
put_structure(LEAF, vec(b"k" * 32) + vec(b"s" * 32) + x509 + capabilities + b"\3" + vec(b"h" * 32) + extensions + vec(b""))
put_structure(LEAF, vec(b"k" * 32) + vec(b"s" * 32) + b"\0\1" + vec(b"me") + capabilities + b"\1" + b"\0" * 15 + b"\x09" +
              extensions + vec(b"sig"))
put_structure(PSK_ID, b"\2\3" + vec(b"group") + b"\0" * 7 + b"\5" + vec(b"n" * 32))
put_structure(PROPOSAL, b"\xf0\0" + vec(b"ours"))
put_structure(REQUIRED, required)
put_structure(EXTERNAL_PUB, vec(b"k" * 32))
put_structure(EXTERNAL_SENDERS, vec(vec(b"k" * 16) + b"\0\1" + vec(b"server")))
for bad in (b"\xc0", b"\x40\x01", b"\x80\0\0\1", b"\3\0\1\2", b"\1\1"):
    put_structure(TREE, bad)
    put_structure(COMMIT, bad)

# steps of fuzz_mls_private
send = [bytes([2, t, p, 4]) + b"text" for t in range(3) for p in (0, 200)]
deliver = [bytes([3, i]) for i in range(len(send))]
put("mls_private", b"".join(send + deliver))
put("mls_private", b"".join(send + deliver[::-1] + deliver))
put("mls_private", b"".join(send + [bytes([4, i, 0, 30 * i, 1]) for i in range(6)] + deliver))
put("mls_private", bytes([1, 1, 5, 0, 3]) + b"\0\0\0" + send[0] + deliver[0])
put("mls_private", bytes([1, 3, 200, 0, 6]) + b"\4text\xff" + bytes([1, 2, 0, 0, 0]))
for entry in json.load(open(f"{VECTORS}/message-protection.json"))[:1]:
    message = bytes.fromhex(entry["application_priv"])
    put("mls_private", bytes([0]) + len(message).to_bytes(2, "big") + message)
