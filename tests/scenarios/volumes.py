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


def copy_data(source, at, end, target, shift):
    """What is no hole of @source from @at to @end, to @shift bytes further in @target; most of
    64 GB is one hole."""
    while at < end:
        try:
            at = os.lseek(source.fileno(), at, os.SEEK_DATA)
        except OSError:  # nothing but a hole up to the end
            break
        hole = min(os.lseek(source.fileno(), at, os.SEEK_HOLE), end)
        while at < hole:
            at += os.pwrite(target.fileno(), os.pread(source.fileno(), min(MIB, hole - at), at),
                            at + shift)


def cut(raw, first, length, to):
    """Bytes of a file as a file of their own; its holes stay holes."""
    with open(raw, "rb") as source, open(to, "wb") as target:
        target.truncate(length)
        copy_data(source, first, first + length, target, -first)


def windows_extent(raw):
    """Where the largest basic-data partition of a raw disk is: GPT read by hand."""
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
    return first, length


def windows_volume(image, folder):
    """The NTFS volume of Windows as a file: VHDX by QEMU."""
    raw, volume = f"{folder}/disk.raw", f"{folder}/windows.ntfs"
    output_of("qemu-img", "check", "-f", "vhdx", str(image))
    output_of("qemu-img", "convert", "-f", "vhdx", "-O", "raw", str(image), raw)
    cut(raw, *windows_extent(raw), volume)
    os.unlink(raw)
    return volume


def put_back(raw, volume):
    """The volume in its place of a raw disk, where it was cut out."""
    first, length = windows_extent(raw)
    assert os.path.getsize(volume) == length
    with open(raw, "r+b") as target, open(volume, "rb") as source:
        copy_data(source, 0, length, target, first)


def must_be_clean(volume):
    info = output_of("ntfsinfo", "-m", volume).decode()
    assert "DIRTY" not in info, info
    # -n: only look; it ends with an error if it would have to mend something.
    fixed = subprocess.run([tool("ntfsfix"), "-n", volume], capture_output=True, text=True,
                           check=False)
    assert fixed.returncode == 0, fixed.stdout + fixed.stderr


def cat(volume, path):
    return output_of("ntfscat", volume, path)
