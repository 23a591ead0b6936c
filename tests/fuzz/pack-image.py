#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Packs a disk image into a seed for the fuzz targets (see fuzz-image.h).

usage: pack-image.py IMAGE SEED
"""
import struct
import sys

PIECE = 512


def counting(block):
    """The first number when the block counts up in 16-bit numbers, else None."""
    numbers = struct.unpack("<%dH" % (len(block) // 2), block)
    first = numbers[0]
    return first if all(n == first + i for i, n in enumerate(numbers)) else None


def pack(image):
    out = bytearray()
    at = 0
    while at < len(image):
        block = image[at:at + PIECE]
        if block.count(block[0]) == len(block):
            end = at + len(block)
            while end < len(image) and image[end] == block[0]:
                end += 1
            if block[0]:
                out += struct.pack("<BIIB", 1, at, end - at, block[0])
            at = end
        elif len(block) == PIECE and counting(block) is not None:
            out += struct.pack("<BIHH", 2, at, PIECE // 2, counting(block))
            at += PIECE
        else:
            data = block.rstrip(b"\0")
            out += struct.pack("<BIH", 0, at, len(data)) + data
            at += len(block)
    return bytes(out)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], "rb") as file:
        image = file.read()
    with open(sys.argv[2], "wb") as file:
        file.write(pack(image))


main()
