"""A client that costs next to nothing: ready-made requests over a few keep-alive connections, one open on each."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Iterable

_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = b"content-length:"


class RefusedError(Exception):
    """An answer other than 200."""


def request(path: str, key: str, body: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: laguna\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _Connection:
    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._parts: list[bytes] = []
        self._missing = -1  # bytes of the answer's body that haven't come; -1 before its head has

    def send(self, data: bytes) -> None:
        self._parts.clear()
        self._missing = -1
        self.socket.sendall(data)

    def receive(self) -> bool:
        """Whether the answer is complete."""
        data = self.socket.recv(1 << 20)
        if not data:
            raise RefusedError("the server closed the connection")
        if self._missing < 0:
            self._parts.append(data)
            data = b"".join(self._parts)
            end = data.find(_END_OF_HEAD)
            if end < 0:
                return False
            head = data[:end].lower()
            start = head.index(_LENGTH) + len(_LENGTH)
            self._missing = int(head[start:].split(b"\r\n", 1)[0]) - (len(data) - end - len(_END_OF_HEAD))
            if not head.startswith(b"http/1.1 200"):
                raise RefusedError(data.decode(errors="replace"))
        else:
            self._missing -= len(data)
        return self._missing <= 0


def send_all(port: int, requests: Iterable[bytes], connections: int) -> None:
    """Send every request, each connection the next one once it has its answer. RefusedError unless all are 200."""
    pending = iter(requests)
    selector = selectors.DefaultSelector()
    opened = [_Connection(port) for _ in range(connections)]
    busy = 0
    try:
        for connection, data in zip(opened, pending, strict=False):
            connection.send(data)
            selector.register(connection.socket, selectors.EVENT_READ, connection)
            busy += 1
        while busy:
            for key, _ in selector.select():
                connection: _Connection = key.data
                if not connection.receive():
                    continue
                data = next(pending, None)
                if data is None:
                    selector.unregister(connection.socket)
                    busy -= 1
                else:
                    connection.send(data)
    finally:
        for connection in opened:
            connection.socket.close()
        selector.close()
