#!/usr/bin/env python3
"""Makes fuzz/corpus/mls_tree from the official vectors: trees, and trees with an update path. Run in the repository."""
import hashlib
import json
import os

OUT = "fuzz/corpus/mls_tree"
VECTORS = "tests/vectors/mls"


def put(suite, sender, tree, path):
    data = bytes([suite, sender]) + len(tree).to_bytes(3, "big") + tree + path
    with open(os.path.join(OUT, hashlib.sha1(data).hexdigest()[:16]), "wb") as f:
        f.write(data)


os.makedirs(OUT, exist_ok=True)
for entry in json.load(open(f"{VECTORS}/tree-validation.json")):
    if entry["cipher_suite"] == 1 and len(entry["tree"]) < 16000:
        put(1, 0, bytes.fromhex(entry["tree"]), b"")
for entry in json.load(open(f"{VECTORS}/treekem.json")):
    if entry["cipher_suite"] in (1, 2) and len(entry["ratchet_tree"]) < 8000:
        tree = bytes.fromhex(entry["ratchet_tree"])
        for path in entry["update_paths"][:3]:
            put(entry["cipher_suite"], path["sender"], tree, bytes.fromhex(path["update_path"]))
# shapes that no vector has: nothing, one blank, a blank at the end, a parent alone, a list longer than the tree
for tree in ("00", "0100", "40" + "41" + "00" * 65, "0401010000", "ffffffff"):
    put(1, 0, bytes.fromhex(tree), b"")
