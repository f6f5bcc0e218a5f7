"""A webhook receiver: a real HTTP server that remembers what it gets and answers as told."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

DEADLINE_SECONDS = 40


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def message(self) -> dict[str, Any]:
        return json.loads(self.body)

    @property
    def type(self) -> str:
        return self.message["webhook_type"]

    @property
    def key(self) -> str:
        return self.headers["x-lago-unique-key"]


Answer = Callable[[Received], tuple[int, bytes]]


class Receiver:
    """`answer` decides what is answered; by default 200."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answer: Answer = lambda _: (200, b"")
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                body = self.rfile.read(length)
                if len(body) < length:  # the sender was killed on the way
                    return
                headers = {name.lower(): value for name, value in self.headers.items()}
                got = Received(self.path, headers, body, time.monotonic())
                status, content = receiver.answer(got)
                receiver.received.append(got)
                with suppress(ConnectionError):  # a sender that doesn't wait any longer
                    self.send_response(status)
                    if status in (301, 302):
                        self.send_header("Location", f"http://127.0.0.1:{receiver.port}/elsewhere")
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        class Listener(ThreadingHTTPServer):
            request_queue_size = 128

        self._server = Listener(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def wait_for(self, count: int, path: str | None = None) -> list[Received]:
        """The requests to `path`, at least `count` of them."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while True:
            found = [got for got in self.received if path is None or got.path == path]
            if len(found) >= count:
                return found
            assert time.monotonic() < deadline, f"{len(found)} of {count} arrived: {[got.type for got in found]}"
            time.sleep(0.02)


@contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()
    try:
        yield receiver
    finally:
        receiver.close()
