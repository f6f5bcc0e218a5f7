"""A webhook receiver that is a process of its own, so that it can be killed: it writes down what it gets, then answers.

Run as a script: `receiver_process.py PORT FILE`. A line of the file is the JSON of a key and a body.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from laguna.kernel import launch


class ReceiverProcess:
    """Comes and goes; port and file stay."""

    def __init__(self, port: int, file: Path) -> None:
        self.url = f"http://127.0.0.1:{port}/hook"
        self._arguments = [str(port), str(file)]
        self._file = file
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(launch.command([sys.executable, "-P", __file__, *self._arguments]))

    def kill(self) -> None:
        """With -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def received(self) -> list[tuple[str, str]]:
        """(key, body) of each delivery, in the order of their arrival."""
        lines = self._file.read_text().splitlines() if self._file.exists() else []
        return [tuple(json.loads(line)) for line in lines]


def _serve(port: int, file: str) -> None:
    log = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["content-length"])
            body = self.rfile.read(length)
            if len(body) < length:  # the sender was killed on the way
                return
            os.write(log, f"{json.dumps([self.headers['x-lago-unique-key'], body.decode()])}\n".encode())
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    _serve(int(sys.argv[1]), sys.argv[2])
