# SPDX-License-Identifier: GPL-2.0-or-later
"""Somebody on the way between a client and a host: sees all, and can change, repeat or cut
what goes by, one HTTP message at a time."""

import socket
import ssl
import threading


def read_message(sock, buffer):
    """One HTTP message with Content-Length, whole, or b"" at the end."""
    while b"\r\n\r\n" not in buffer:
        piece = sock.recv(65536)
        if not piece:
            return b""
        buffer += piece
    head = buffer.index(b"\r\n\r\n") + 4
    length = 0
    for line in bytes(buffer[:head]).split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    while len(buffer) < head + length:
        piece = sock.recv(65536)
        if not piece:
            return b""
        buffer += piece
    message = bytes(buffer[:head + length])
    del buffer[:head + length]
    return message


def is_sealed(message):
    return b"application/octet-stream\r\n" in message


class Between:
    """@on_request(message, n) and @on_answer(message, n) see the n-th message of all and
    return what is to go on: bytes, a list of them for more than one, or None to hang up."""

    def __init__(self, port, on_request=None, on_answer=None, tls=None, tls_out=None):
        self.target = port
        self.on_request = on_request or (lambda message, n: message)
        self.on_answer = on_answer or (lambda message, n: message)
        self.tls, self.tls_out = tls, tls_out
        self.requests, self.answers, self.connections = [], [], []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.relay, args=(client,), daemon=True).start()

    def relay(self, client):
        seen = []
        self.connections.append(seen)
        try:
            if self.tls:
                client = self.tls.wrap_socket(client, server_side=True)
            host = socket.create_connection(("127.0.0.1", self.target))
            if self.tls_out:
                host = self.tls_out.wrap_socket(host, server_hostname="localhost")
            self.exchange(client, host, seen)
            host.close()
        except (OSError, ssl.SSLError):
            pass
        client.close()

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
