# SPDX-License-Identifier: GPL-2.0-or-later
"""Disks as programs that others wrote see them: qemu-img the VHDX, ntfs-3g's tools the file
system."""

import hashlib
import os
import pathlib
import subprocess

from scenario import output_of, tool

MIB = 1 << 20
BASIC_DATA = bytes.fromhex("a2a0d0ebe5b9334487c068b6b72699c7")


def sha256(path):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).hexdigest()


def tree(folder):
    folder = pathlib.Path(folder)
    return {str(p.relative_to(folder)): sha256(p) for p in folder.rglob("*") if p.is_file()}


def cut(raw, first, length, to):
    """Bytes of a file as a file of their own; its holes stay holes, most of 64 GB is one."""
    with open(raw, "rb") as source, open(to, "wb") as target:
        target.truncate(length)
        at, end = first, first + length
        while at < end:
            try:
                at = os.lseek(source.fileno(), at, os.SEEK_DATA)
            except OSError:  # nothing but a hole up to the end
                break
            hole = min(os.lseek(source.fileno(), at, os.SEEK_HOLE), end)
            target.seek(at - first)
            while at < hole:
                at += target.write(os.pread(source.fileno(), min(MIB, hole - at), at))


def windows_volume(image, folder):
    """The NTFS volume of Windows as a file: VHDX by QEMU, GPT read by hand."""
    raw, volume = f"{folder}/disk.raw", f"{folder}/windows.ntfs"
    output_of("qemu-img", "check", "-f", "vhdx", str(image))
    output_of("qemu-img", "convert", "-f", "vhdx", "-O", "raw", str(image), raw)
    with open(raw, "rb") as file:
        file.seek(512)
        header = file.read(92)
        assert header[:8] == b"EFI PART", "no GPT header"
        at = int.from_bytes(header[72:80], "little") * 512
        count = int.from_bytes(header[80:84], "little")
        size = int.from_bytes(header[84:88], "little")
        parts = []
        file.seek(at)
        for _ in range(count):
            entry = file.read(size)
            first = int.from_bytes(entry[32:40], "little") * 512
            last = int.from_bytes(entry[40:48], "little") * 512 + 511
            if entry[:16] == BASIC_DATA:
                parts.append((last - first + 1, first))
    length, first = max(parts)
    cut(raw, first, length, volume)
    os.unlink(raw)
    return volume


def must_be_clean(volume):
    info = output_of("ntfsinfo", "-m", volume).decode()
    assert "DIRTY" not in info, info
    # -n: only look; it ends with an error if it would have to mend something.
    fixed = subprocess.run([tool("ntfsfix"), "-n", volume], capture_output=True, text=True,
                           check=False)
    assert fixed.returncode == 0, fixed.stdout + fixed.stderr


def cat(volume, path):
    return output_of("ntfscat", volume, path)
