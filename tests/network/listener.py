# SPDX-License-Identifier: GPL-2.0-or-later
"""A port that others connect to, and HTTP as it goes by, message by message."""

import socket
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


class Listener:
    """Gives each connection to serve(client), in a thread of its own, and closes it; what goes
    wrong with a connection is its end.  @tls: an SSL context to serve with."""

    def __init__(self, tls=None):
        self.tls = tls
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
            threading.Thread(target=self.open, args=(client,), daemon=True).start()

    def open(self, client):
        try:
            if self.tls:
                client = self.tls.wrap_socket(client, server_side=True)
            with client:
                self.serve(client)
        except OSError:  # of TLS, too
            pass
