# SPDX-License-Identifier: GPL-2.0-or-later
"""A server that means harm: what it sends is whatever a function says, byte by byte."""

import re

from listener import Listener, read_message

MIB = 1 << 20
SOAP_TYPE = b"application/soap+xml;charset=UTF-8"
ENVELOPE = (b'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" '
            b'xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
            b'xmlns:n="http://schemas.xmlsoap.org/ws/2004/09/enumeration" '
            b'xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"><s:Header>'
            b'<a:RelatesTo>%s</a:RelatesTo></s:Header><s:Body>%s</s:Body></s:Envelope>')
OS = b"http://schemas.microsoft.com/wbem/wsman/1/wmi/root/cimv2/Win32_OperatingSystem"
IDENTITY = (b'<i:IdentifyResponse xmlns:i="http://schemas.dmtf.org/wbem/wsman/identity/1/'
            b'wsmanidentity.xsd"><i:ProductVendor>Open Management Infrastructure'
            b"</i:ProductVendor></i:IdentifyResponse>")


def message_id(request):
    found = re.search(rb"<a:MessageID>([^<]*)<", request)
    return found.group(1) if found else b""


def soap(request, body):
    """A SOAP answer to @request."""
    return ENVELOPE % (message_id(request), body)


def items(context=b"", inner=b"", first=True, last=False):
    """The body of an answer to Enumerate or Pull."""
    name, prefix = (b"EnumerateResponse", b"w") if first else (b"PullResponse", b"n")
    return (b"<n:%s><n:EnumerationContext>%s</n:EnumerationContext><%s:Items>%s</%s:Items>"
            b"%s</n:%s>" % (name, context, prefix, inner, prefix,
                            b"<n:EndOfSequence/>" if last else b"", name))


def http(body, status=b"200 OK", kind=SOAP_TYPE, head=b""):
    return (b"HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n%s\r\n"
            % (status, kind, len(body), head)) + body


class Hostile(Listener):
    """@harm(connection, request, n) sends what it likes; the connection is closed when it
    returns True, or when the other side goes."""

    def __init__(self, harm):
        self.harm = harm
        self.requests = []
        super().__init__()

    def serve(self, client):
        buffer = bytearray()
        while request := read_message(client, buffer):
            self.requests.append(request)
            if self.harm(client, request, len(self.requests)):
                return


def endless(start, piece, most=1 << 30):
    """Sends @start, then @piece until the other side has had enough."""
    def harm(client, request, n):
        client.sendall(start)
        for _ in range(most // len(piece)):
            client.sendall(piece)
        return True
    return harm


def says(answer, close=True):
    """Answers every request with @answer: bytes, or a function of the request."""
    def harm(client, request, n):
        client.sendall(answer(request) if callable(answer) else answer)
        return close
    return harm
