# SPDX-License-Identifier: GPL-2.0-or-later
"""Somebody on the way between a client and a host: sees all, and can change, repeat or cut
what goes by, one HTTP message at a time."""

import socket

from listener import Listener, read_message


def is_sealed(message):
    return b"application/octet-stream\r\n" in message


class Between(Listener):
    """@on_request(message, n) and @on_answer(message, n) see the n-th message of all and
    return what is to go on: bytes, a list of them for more than one, or None to hang up."""

    def __init__(self, port, on_request=None, on_answer=None, tls=None, tls_out=None):
        self.target = port
        self.on_request = on_request or (lambda message, n: message)
        self.on_answer = on_answer or (lambda message, n: message)
        self.tls_out = tls_out
        self.requests, self.answers, self.connections = [], [], []
        super().__init__(tls)

    def connect(self):
        host = socket.create_connection(("127.0.0.1", self.target))
        return self.tls_out.wrap_socket(host, server_hostname="localhost") if self.tls_out else host

    def serve(self, client):
        seen = []
        self.connections.append(seen)
        with self.connect() as host:
            self.exchange(client, host, seen)

    def exchange(self, client, host, seen):
        from_client, from_host = bytearray(), bytearray()
        while True:
            request = read_message(client, from_client)
            if not request:
                return
            seen.append(request)
            self.requests.append(request)
            on = self.on_request(request, len(self.requests))
            if on is None:
                return
            for message in on if isinstance(on, list) else [on]:
                host.sendall(message)
                answer = read_message(host, from_host)
                if not answer:
                    return
                self.answers.append(answer)
            back = self.on_answer(answer, len(self.answers))
            if back is None:
                return
            client.sendall(back)
            if len(back) < len(answer) and back == answer[:len(back)]:
                return  # half an answer
