# SPDX-License-Identifier: GPL-2.0-or-later
"""Registry hives made and read without hvgpu: an empty one after the published format, filled
and exported by hivexregedit.

Source of the format: msuhanov/regf, "Windows registry file format specification".
"""

import pathlib
import re
import struct
import subprocess

from scenario import output_of, tool

SZ, EXPAND_SZ, BINARY, DWORD, MULTI_SZ = 1, 2, 3, 4, 7
TYPES = {"sz": SZ, "expand_sz": EXPAND_SZ, "binary": BINARY, "dword": DWORD,
         "multi_sz": MULTI_SZ}
PAGE = 4096


def empty():
    """A hive of one page: a root key, and the security cell that all keys share."""
    nowhere = 0xffffffff
    # Owner and group BUILTIN\Administrators, no access list: enough for a root key.
    sid = bytes.fromhex("0102000000000005200000002002" + "0000")
    descriptor = struct.pack("<BBHIIII", 1, 0, 0x8000, 20, 20 + len(sid), 0, 0) + sid + sid
    name = b"ROOT"
    root_at, root_len = 32, 96
    key_at = root_at + root_len
    key = b"sk" + struct.pack("<HIIII", 0, key_at, key_at, 1, len(descriptor)) + descriptor
    key_len = (4 + len(key) + 7) // 8 * 8
    root = (b"nk" + struct.pack("<HQIIIIIIIIIIIIIIIHH", 0x2c, 0, 0, nowhere, 0, 0, nowhere,
                                nowhere, 0, nowhere, key_at, nowhere, 0, 0, 0, 0, 0, len(name), 0)
            + name)
    cells = struct.pack("<i", -root_len) + root.ljust(root_len - 4, b"\0")
    cells += struct.pack("<i", -key_len) + key.ljust(key_len - 4, b"\0")
    free = PAGE - 32 - len(cells)
    bins = b"hbin" + struct.pack("<IIQQI", 0, PAGE, 0, 0, 0) + cells + struct.pack("<i", free)
    base = b"regf" + struct.pack("<IIQIIIIIII", 1, 1, 0, 1, 3, 0, 1, root_at, PAGE, 1)
    base = base.ljust(508, b"\0")
    checksum = 0
    for word in struct.unpack("<127I", base):
        checksum ^= word
    base += struct.pack("<I", checksum)
    return base.ljust(PAGE, b"\0") + bins.ljust(PAGE, b"\0")


def wide(text):
    return (text + "\0").encode("utf-16-le")


def encode(text):
    """'dword 1', 'multi_sz a | b' -> a type and the bytes that Windows stores."""
    kind, _, data = text.partition(" ")
    if kind == "dword":
        return DWORD, struct.pack("<I", int(data, 0))
    if kind == "binary":
        return BINARY, bytes.fromhex(data)
    if kind == "multi_sz":
        return MULTI_SZ, b"".join(wide(part) for part in data.split(" | ")) + b"\0\0"
    return TYPES[kind], wide(data)


def parse(lines):
    """[HIVE\\key] sections of 'name = type data' -> {hive: {key: {name: (type, bytes)}}}."""
    hives, values = {}, None
    for line in lines:
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        section = re.fullmatch(r"\[([^\\]+)\\(.*)\]", line)
        if section:
            values = hives.setdefault(section[1], {}).setdefault(section[2], {})
            continue
        name, _, data = line.partition(" = ")
        values["" if name == "@" else name] = encode(data)
    return hives


def merge(path, keys):
    """Writes keys and values into the hive file."""
    lines = ["Windows Registry Editor Version 5.00"]
    known = set()
    for key, values in keys.items():
        parts = key.split("\\")
        for i in range(1, len(parts) + 1):  # it makes no parents by itself
            parent = "\\".join(parts[:i])
            if parent.lower() not in known:
                known.add(parent.lower())
                lines += ["", f"[\\{parent}]"]
        if lines[-1] != f"[\\{key}]":
            lines += ["", f"[\\{key}]"]
        for name, (kind, data) in values.items():
            label = '"{}"'.format(name.replace("\\", "\\\\").replace('"', '\\"')) if name else "@"
            lines.append(f"{label}=hex({kind:x}):{','.join(f'{byte:02x}' for byte in data)}")
    text = "\n".join(lines) + "\n"
    done = subprocess.run([tool("hivexregedit"), "--merge", str(path)], input=text.encode(),
                          capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def make(path, keys):
    pathlib.Path(path).write_bytes(empty())
    merge(path, keys)


def export(path):
    """Every value of a hive: {(key, name): (type, bytes)}, in lower case."""
    text = output_of("hivexregedit", "--export", str(path), "\\").decode("utf-8")
    key, values = None, {}
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        if line.startswith("["):
            key = line[1:-1].lstrip("\\").lower()
            values[key, None] = None  # the key itself
            continue
        found = re.fullmatch(r'(?:"((?:[^"\\]|\\.)*)"|@)=(?:dword:(.*)|hex(?:\((\w+)\))?:(.*))',
                             line)
        if not found:
            assert not line or line.startswith("Windows Registry"), line
            continue
        name = re.sub(r"\\(.)", r"\1", found[1] or "").lower()
        if found[2] is not None:
            values[key, name] = DWORD, struct.pack("<I", int(found[2], 16))
        else:
            values[key, name] = (int(found[3] or "3", 16),
                                 bytes.fromhex(found[4].replace(",", "")))
    return values


# ---- hives that Windows had not finished writing ----

def checksum(base):
    """XOR of the first 127 words of a base block."""
    total = 0
    for word in struct.unpack("<127I", base[:508]):
        total ^= word
    return total


def with_sequence(hive, first, second, kind=0):
    """The base block says that writing began with @first and that @second was finished."""
    base = bytearray(hive[:PAGE])
    struct.pack_into("<II", base, 4, first, second)
    struct.pack_into("<I", base, 28, kind)
    struct.pack_into("<I", base, 508, checksum(base))
    return bytes(base) + hive[PAGE:]


def marvin32(data):
    """The hash of log entries, as the format's description gives it."""
    low, high = 0x7a4e55c5, 0x82ef4d88

    def turn(word, by):
        return (word << by | word >> (32 - by)) & 0xffffffff

    tail = data[len(data) // 4 * 4:] + b"\x80"
    for word in [*struct.unpack(f"<{len(data) // 4}I", data[:len(data) // 4 * 4]),
                 int.from_bytes(tail, "little"), 0]:
        low = low + word & 0xffffffff
        high ^= low
        low = turn(low, 20) + high & 0xffffffff
        high = turn(high, 9) ^ low
        low = turn(low, 27) + high & 0xffffffff
        high = turn(high, 19)
    return high << 32 | low


def log_entry(before, after, sequence):
    """What turns the bins of one hive into those of the next."""
    old, new = before[PAGE:].ljust(len(after) - PAGE, b"\0"), after[PAGE:]
    pages = [at for at in range(0, len(new), 512) if old[at:at + 512] != new[at:at + 512]]
    refs = b"".join(struct.pack("<II", at, 512) for at in pages)
    body = refs + b"".join(new[at:at + 512] for at in pages)
    body = body.ljust((40 + len(body) + 511) // 512 * 512 - 40, b"\0")
    head = b"HvLE" + struct.pack("<IIIII", 40 + len(body), 0, sequence, len(new), len(pages))
    head += struct.pack("<Q", marvin32(body))
    return head + struct.pack("<Q", marvin32(head)) + body


def log(hive, first, *entries):
    """A log file: the base block again, then entries from sequence number @first on."""
    return with_sequence(hive, first, first, kind=6)[:512] + b"".join(entries)
