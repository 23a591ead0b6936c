# SPDX-License-Identifier: GPL-2.0-or-later
"""A server with the habits of OMI, where they differ from Windows' (measured: microsoft/omi,
Unix/http/httpauth.c): no tabs in the parts of an encrypted message, a line end too many behind
it, Kerberos' tokens not rotated, another split between header and data.  It logs on through
python3-gssapi, which is a third implementation beside hvgpu's and hvgpu-sim's."""

import base64
import os
import struct

import gssapi

from hostile import IDENTITY, OS, Hostile, http, items, soap

SPNEGO = gssapi.OID.from_int_seq("1.3.6.1.5.5.2")
KIND = (b'multipart/encrypted;protocol="application/HTTP-SPNEGO-session-encrypted";'
        b'boundary="Encrypted Boundary"')
SYSTEM = (b'<p:Win32_OperatingSystem xmlns:p="%s"><p:Caption>Another</p:Caption>'
          b"</p:Win32_OperatingSystem>" % OS)
HEADER = 16


def unseal(context, message):
    body = message[message.index(b"\r\n\r\n") + 4:]
    mark = b"application/octet-stream\r\n"
    at = body.index(mark) + len(mark)
    header = struct.unpack("<I", body[at:at + 4])[0]
    length = int(body[body.index(b";Length=") + 8:].split(b"\r\n")[0])
    return context.unwrap(body[at + 4:at + 4 + header + length]).message


def seal(context, text):
    token = context.wrap(text, True).message
    return http(b"--Encrypted Boundary\r\n"
                b"Content-Type: application/HTTP-SPNEGO-session-encrypted\r\n"
                b"OriginalContent: type=application/soap+xml;charset=UTF-8;Length=%d\r\n"
                b"--Encrypted Boundary\r\nContent-Type: application/octet-stream\r\n"
                % (len(token) - HEADER) + struct.pack("<I", HEADER) + token +
                b"--Encrypted Boundary--\r\n\r\n", kind=KIND)


class Omi(Hostile):
    """One operating system and nothing else, sealed.  @env names the keys: KRB5_CONFIG, NTLM_USER_FILE."""

    def __init__(self, env, keytab):
        os.environ.update({k: env[k] for k in ("KRB5_CONFIG", "NTLM_USER_FILE") if k in env})
        os.environ["KRB5_KTNAME"] = keytab
        self.contexts = {}
        self.sealed = 0
        super().__init__(self.answer)

    def answer(self, client, request, n):
        context = self.contexts.get(client)
        head = request[:request.index(b"\r\n\r\n")]
        if b"Authorization: Negotiate " in head:
            if not context or context.complete:
                context = self.contexts[client] = gssapi.SecurityContext(
                    creds=gssapi.Credentials(usage="accept", mechs=[SPNEGO]), usage="accept")
            token = head.split(b"Authorization: Negotiate ")[1].split(b"\r\n")[0]
            reply = context.step(base64.b64decode(token)) or b""
            client.sendall(http(b"", b"200 OK" if context.complete else b"401 Unauthorized",
                                head=b"WWW-Authenticate: Negotiate " +
                                base64.b64encode(reply) + b"\r\n"))
        elif context and context.complete and b"multipart/encrypted" in head:
            text = unseal(context, request)
            self.sealed += 1
            client.sendall(seal(context, soap(
                text, IDENTITY if b"Identify" in text else
                items(inner=SYSTEM if b"Win32_OperatingSystem" in text else b"", last=True))))
        else:
            client.sendall(http(b"", b"401 Unauthorized",
                                head=b"WWW-Authenticate: Negotiate\r\n"))
