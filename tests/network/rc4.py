# SPDX-License-Identifier: GPL-2.0-or-later
"""Kerberos' messages with RC4 (RFC 4757 7.3), by hand: what MIT krb5 cannot write is what
Windows sends, a token without the byte of padding."""

import base64
import hashlib
import hmac
import os

KEY = "1.2.840.113554.1.2.2.5.5"  # GSS_C_INQ_SSPI_SESSION_KEY
FIXED = bytes.fromhex("02011100" "1000ffff")
OID = bytes.fromhex("06092a864886f712010202")


def rc4(key, text):
    box, j, out = list(range(256)), 0, bytearray()
    for i in range(256):
        j = (j + box[i] + key[i % len(key)]) % 256
        box[i], box[j] = box[j], box[i]
    i = j = 0
    for byte in text:
        i = (i + 1) % 256
        j = (j + box[i]) % 256
        box[i], box[j] = box[j], box[i]
        out.append(byte ^ box[(box[i] + box[j]) % 256])
    return bytes(out)


def mac(key, text):
    return hmac.new(key, text, hashlib.md5).digest()


def checksum(key, confounder, data):
    inner = hashlib.md5(b"\x0d\0\0\0" + FIXED + confounder + data).digest()
    return mac(mac(key, b"signaturekey\0"), inner)[:8]


def seal_key(key, number):
    return mac(mac(bytes(b ^ 0xf0 for b in key), bytes(4)), number)


def fields(token):
    """The bytes of DER in front, and the rest behind the mechanism."""
    at = 2 + (token[1] & 0x7f if token[1] & 0x80 else 0)
    assert token[0] == 0x60 and token[at:at + 11] == OID, token[:32].hex()
    assert token[at + 11:at + 19] == FIXED, token[:32].hex()
    return at, token[at + 19:]


def opened(key, token):
    """(sequence number with direction, confounder, data with its padding)."""
    _, rest = fields(token)
    sign = rest[8:16]
    number = rc4(mac(mac(key, bytes(4)), sign), rest[:8])
    text = rc4(seal_key(key, number[:4]), rest[16:])
    assert checksum(key, text[:8], text[8:]) == sign, "not this key"
    return number, text[:8], text[8:]


def sealed(key, number, confounder, data):
    """(header, data)."""
    sign = checksum(key, confounder, data)
    text = rc4(seal_key(key, number[:4]), confounder + data)
    rest = OID + FIXED + rc4(mac(mac(key, bytes(4)), sign), number) + sign + text
    der = b"\x60\x84" + len(rest).to_bytes(4, "big")
    return der + rest[:43], rest[43:]


def parts(message):
    """What a sealed message says its length is, the security header, and all behind it."""
    mark = b"application/octet-stream\r\n"
    at = message.index(mark) + len(mark)
    length = int(message[:at].split(b";Length=")[1].split(b"\r\n")[0])
    header = int.from_bytes(message[at:at + 4], "little")
    return length, message[at + 4:at + 4 + header], message[at + 4 + header:]


class Unpadded:
    """For somebody in between: learns the key with the host's keytab and takes the padding
    out of what goes by, as Windows leaves it out."""

    def __init__(self, keytab, config):
        import gssapi  # the caller skips without it
        self.raw = gssapi.raw
        self.mech = gssapi.OID.from_int_seq(KEY)
        os.environ["KRB5_CONFIG"] = config
        os.environ["KRB5RCACHENAME"] = "none:"  # the host sees the same log-on
        self.creds = gssapi.raw.acquire_cred_from({b"keytab": keytab.encode()},
                                                  usage="accept").creds
        self.key, self.done = None, 0

    def log_on(self, message):
        head = message.split(b"\r\n\r\n")[0]
        token = [line.split()[2] for line in head.split(b"\r\n")
                 if line.startswith(b"Authorization: ")]
        if token:
            context = self.raw.accept_sec_context(base64.b64decode(token[0]),
                                                  acceptor_creds=self.creds).context
            self.key = self.raw.inquire_sec_context_by_oid(context, self.mech)[0]

    def change(self, message, n):
        self.log_on(message)
        if b"application/octet-stream\r\n" not in message:
            return message
        length, header, rest = parts(message)
        number, confounder, data = opened(self.key, header + rest[:length])
        assert data[-1:] == b"\1" and data[-2:-1] == b">", data[-8:]
        new, data = sealed(self.key, number, confounder, data[:-1])
        head, body = message.split(b"\r\n\r\n", 1)
        body = body[:body.index(header) - 4].replace(b";Length=%d" % length,
                                                     b";Length=%d" % (length - 1))
        body += len(new).to_bytes(4, "little") + new + data + rest[length:]
        lines = [b"Content-Length: %d" % len(body)
                 if line.lower().startswith(b"content-length:") else line
                 for line in head.split(b"\r\n")]
        self.done += 1
        return b"\r\n".join(lines) + b"\r\n\r\n" + body
