# SPDX-License-Identifier: GPL-2.0-or-later
"""Kerberos' messages with RC4 (RFC 4757 7.3), taken apart."""

FIXED = bytes.fromhex("02011100" "1000ffff")
OID = bytes.fromhex("06092a864886f712010202")


def fields(token):
    """The bytes of DER in front, and the rest behind the mechanism."""
    at = 2 + (token[1] & 0x7f if token[1] & 0x80 else 0)
    assert token[0] == 0x60 and token[at:at + 11] == OID, token[:32].hex()
    assert token[at + 11:at + 19] == FIXED, token[:32].hex()
    return at, token[at + 19:]


def parts(message):
    """What a sealed message says its length is, the security header, and all behind it."""
    mark = b"application/octet-stream\r\n"
    at = message.index(mark) + len(mark)
    length = int(message[:at].split(b";Length=")[1].split(b"\r\n")[0])
    header = int.from_bytes(message[at:at + 4], "little")
    return length, message[at + 4:at + 4 + header], message[at + 4 + header:]
