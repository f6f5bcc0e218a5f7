"""A `laguna up` on a folder of its own that can be killed as a power cut would: every process of it, with -9."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx

from laguna.kernel import launch
from support.command import laguna
from support.server import ADMIN_KEY, Server, free_port

DEADLINE_SECONDS = 60
WEBHOOK_TIMEOUT_SECONDS = 1.0  # so that what a killed sender held is free again after some seconds


class Installation:
    """Its processes come and go; folder and port stay."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.log = folder.with_suffix(".log")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def server(self) -> Server:
        return Server(f"http://127.0.0.1:{self.port}", "", ADMIN_KEY, self.log)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def first_key(self) -> str:
        """The key that the first start printed."""
        (key,) = re.findall(r"^ +([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$", self.log.read_text(), re.MULTILINE)
        return key

    def launch(self) -> None:
        """Start the processes, and wait for nothing."""
        variables = {
            "LAGUNA_ADMIN_API_KEY": ADMIN_KEY,
            "LAGUNA_WEBHOOK_ALLOW_PRIVATE": "true",
            "LAGUNA_WEBHOOK_TIMEOUT_SECONDS": str(WEBHOOK_TIMEOUT_SECONDS),
        }
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("LAGUNA_", "DATABASE_URL"))}
        up = [sys.executable, "-m", "laguna", "up", "--port", str(self.port), "--data-dir", str(self.folder)]
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                launch.command(up), env={**kept, **variables}, stdout=output, stderr=output, start_new_session=True
            )

    def wait_until_ready(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < deadline:
            assert self._process.poll() is None, self.log.read_text()[-4000:]
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{self.server.url}/health", timeout=5).status_code == 200:
                    return
            time.sleep(0.02)
        raise AssertionError(f"the server did not come up: {self.log.read_text()[-4000:]}")

    def start(self) -> float:
        """Start and wait until it answers; how many seconds that took."""
        began = time.monotonic()
        self.launch()
        self.wait_until_ready()
        return time.monotonic() - began

    def kill(self) -> None:
        """End every process at once with -9, and wait until none is left."""
        assert self._process is not None
        tree = descendants(self._process.pid)
        for pid in tree:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()
        deadline = time.monotonic() + DEADLINE_SECONDS
        while any(map(is_alive, tree)) and time.monotonic() < deadline:
            time.sleep(0.01)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(DEADLINE_SECONDS)

    def check(self) -> str:
        """What `laguna check` says; AssertionError where something doesn't hold."""
        done = laguna("check", "--data-dir", str(self.folder))
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def descendants(pid: int) -> list[int]:
    """The process and everything below it, whatever session it runs in."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            number = int(entry.name)
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(number)
    found, waiting = [], [pid]
    while waiting:
        found.append(waiting.pop())
        waiting.extend(children.get(found[-1], []))
    return found


def is_alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False
