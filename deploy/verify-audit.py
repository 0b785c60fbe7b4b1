#!/usr/bin/env python3
"""Verifies an audit log of Ward by the published specifications alone; it shares no code with Ward.

    verify-audit.py DIR KEY [HELD]

DIR has `checkpoint` and `tile/` (c2sp.org/tlog-tiles, tlog-checkpoint, signed-note; RFC 6962), KEY is the verifier key
(name+id+key) or a file with it. If that is a key of Ward, which are named ward.XXXXXXXX/audit, each entry also has to begin
with its own index and the hash of the entry before. HELD is a checkpoint that you kept: the log has to begin with that one, or it was cut or
rewritten and signed anew. Without it nobody can tell an older state of the log from the newest.

Needs Python 3.8 and `openssl` 3 (or the program that OPENSSL names), for Ed25519. Ends with 0 if all is well, with 1 if
something is wrong, and says what.
"""
import base64, hashlib, os, pathlib, re, subprocess, sys, tempfile

ED25519_DER = bytes.fromhex("302a300506032b6570032100")  # RFC 8410: what a public key begins with in a file

def sha(*parts):
    return hashlib.sha256(b"".join(parts)).digest()

def need(so, what):
    if not so:
        raise ValueError(what)

def unbase64(text):
    data = base64.b64decode(text, validate=True)
    need(base64.b64encode(data).decode() == text, f"{text} is not how base64 is written")
    return data

def number(text):
    need(text.isascii() and text.isdigit() and str(int(text)) == text, f"{text!r} is no number")
    return int(text)

def signed_by(key, message, signature):
    with tempfile.TemporaryDirectory() as folder:
        files = [pathlib.Path(folder, name) for name in ("key", "message", "signature")]
        for file, data in zip(files, (ED25519_DER + key, message, signature)):
            file.write_bytes(data)
        command = [os.environ.get("OPENSSL", "openssl"), "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-rawin"]
        command += ["-inkey", files[0], "-in", files[1], "-sigfile", files[2]]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        need("Signature Verif" in done.stdout, f"{command[0]} cannot verify: {done.stdout.strip()}")
        return done.returncode == 0 and "Verified Successfully" in done.stdout

def checkpoint(file, vkey):
    """Size and root, if the log has signed them."""
    need(vkey.count("+") >= 2, f"{vkey.strip()!r} is neither a file nor a key, which is name+id+key")
    name, key_id, key = vkey.strip().split("+", 2)
    key = unbase64(key)
    need(len(key) == 33 and key[0] == 1, "the key is none of Ed25519")
    need(sha(name.encode(), b"\n", key)[:4].hex() == key_id, "the key does not have the id that it is named by")
    note = pathlib.Path(file).read_bytes().decode()
    need(all(char == "\n" or char >= " " for char in note), f"{file} has control characters")
    need("\n\n" in note, f"{file} has no signatures")
    text, signatures = note.rsplit("\n\n", 1)
    need(signatures.endswith("\n"), f"the last line of {file} does not end")
    ours = []
    for line in signatures[:-1].split("\n"):
        need(line.startswith("\u2014 ") and line.count(" ") == 2, f"{line!r} is no signature")
        signer, signature = line.split(" ")[1:]
        signature = unbase64(signature)
        if signer == name and signature[:4].hex() == key_id:
            ours.append(signature[4:])
    need(ours, f"{file} is not signed by {name}")
    need(all(signed_by(key[1:], text.encode() + b"\n", one) for one in ours), f"{file} is not what {name} signed")
    need(text.count("\n") >= 2, f"{file} is no checkpoint")
    origin, size, root, *_ = text.split("\n")
    need(origin == name, f"{file} is of the log {origin}, not of {name}")
    need(len(unbase64(root)) == 32, f"{file} has no root")
    return number(size), unbase64(root)

def read(folder, kind, index, width):
    """The file of a tile or bundle, its bytes, and how many it is of: one that has more will do, the log may have grown."""
    digits = str(index).zfill((len(str(index)) + 2) // 3 * 3)
    groups = [digits[at:at + 3] for at in range(0, len(digits), 3)]
    full = pathlib.Path(folder, "tile", kind, *("x" + group for group in groups[:-1]), groups[-1])
    partial = {int(file.name): file for file in pathlib.Path(f"{full}.p").glob("[1-9]*") if file.name.isdigit()}
    there = {**partial, **({256: full} if full.exists() else {})}
    enough = sorted(has for has in there if width <= has <= 256)
    need(enough, f"{full} is missing, and no part of it has {width}")
    return there[enough[0]], there[enough[0]].read_bytes(), enough[0]

def entries(folder, index, width):
    """All of a bundle that is, or should be, so wide."""
    file, data, has = read(folder, "entries", index, width)
    found, at = [], 0
    for _ in range(has):
        length = int.from_bytes(data[at:at + 2], "big")
        need(at + 2 + length <= len(data), f"{file} ends within an entry")
        found.append(data[at + 2:at + 2 + length])
        at += 2 + length
    need(at == len(data), f"{file} has more than {has} entries")
    return found[:width]

def tile(folder, level, index, width):
    file, data, has = read(folder, str(level), index, width)
    need(len(data) == 32 * has, f"{file} does not have {has} hashes")
    return file, [data[at:at + 32] for at in range(0, 32 * width, 32)]

def subtree(hashes):
    """The root over a power of two of hashes."""
    while len(hashes) > 1:
        hashes = [sha(b"\1", left, right) for left, right in zip(hashes[::2], hashes[1::2])]
    return hashes[0]

def follow_each_other(folder, size):
    """Each entry names its place and the one before: who signs a log anew cannot leave one out and keep the others."""
    previous = bytes(32)
    for index in range(size):
        if index % 256 == 0:
            bundle = entries(folder, index // 256, min(256, size - index))
        entry = bundle[index % 256]
        begins = f'{{"index":{index},"prev":"{base64.b64encode(previous).decode()}"'
        need(entry.startswith(begins.encode()), f"entry {index} does not begin with {begins}: it does not follow the one before")
        previous = sha(b"\0", entry)

def root_of(folder, size, first):
    """The root over the first entries of a log of that size, with each hash in each tile on the way compared to what it
    must be."""
    edge, above, level, count = [], None, 0, first
    while count > 0:
        below, above = above, []
        for index in range((count + 255) // 256):
            width, has = (min(256, many - index * 256) for many in (count, size))
            if level == 0:
                made = [sha(b"\0", entry) for entry in entries(folder, index, has)[:width]]
            else:
                made = below[index * 256:index * 256 + width]
            file, hashes = tile(folder, level, index, has)
            need(hashes[:width] == made, f"{file} has other hashes than what is below it")
            if width == 256:
                above.append(subtree(made))
            else:  # full subtrees, the largest first
                sizes = [1 << bit for bit in range(7, -1, -1) if width >> bit & 1]
                starts = [sum(sizes[:at]) for at in range(len(sizes))]
                edge = [subtree(made[at:at + many]) for at, many in zip(starts, sizes)] + edge
        level, count, size = level + 1, count // 256, size // 256
    root = edge.pop() if edge else sha()
    while edge:
        root = sha(b"\1", edge.pop(), root)
    return root

def main(folder, key, held=None):
    vkey = pathlib.Path(key).read_text() if os.path.exists(key) else key
    size, root = checkpoint(pathlib.Path(folder, "checkpoint"), vkey)
    need(root_of(folder, size, size) == root, f"the {size} entries are not those of the checkpoint")
    if re.fullmatch(r"ward\.[0-9a-f]{8}/audit", vkey.strip().split("+")[0]):
        follow_each_other(folder, size)
    if held is None:
        return f"{size} entries, as signed; without a checkpoint that you kept it may be an older state"
    held_size, held_root = checkpoint(held, vkey)
    need(held_size <= size, f"the log has {size} entries and had {held_size}: it was cut")
    need(root_of(folder, size, held_size) == held_root, f"the log does not begin with the {held_size} entries that it had")
    return f"{size} entries, as signed, and the first {held_size} are those of {held}"

if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    try:
        print("ok:", main(*sys.argv[1:]))
    except (OSError, ValueError) as error:
        print("wrong:", error)
        sys.exit(1)
