"""Everything is killed with -9 while events come in; after a restart every acknowledged one is there, once."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import httpx

SENDERS = 8
BATCH = 20
DEADLINE_SECONDS = 60


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start(folder: Path, port: int, log: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "laguna", "up", "--port", str(port), "--data-dir", str(folder)]
    with log.open("ab") as output:
        server = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        assert server.poll() is None, log.read_text()
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"http://127.0.0.1:{port}/health", timeout=5).status_code == 200:
                return server
        time.sleep(0.05)
    raise AssertionError(f"the server did not come up: {log.read_text()}")


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


def kill_everything(server: subprocess.Popen[bytes]) -> None:
    tree = descendants(server.pid)
    assert len(tree) >= 4, "supervisor, PostgreSQL, API and worker"
    for pid in tree:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    server.wait()
    deadline = time.monotonic() + DEADLINE_SECONDS
    while any(map(is_alive, tree)) and time.monotonic() < deadline:
        time.sleep(0.01)


class Senders:
    """Clients that send batches until told to stop, and remember what was acknowledged."""

    def __init__(self, url: str, key: str, prefix: str, acknowledged: list[str]) -> None:
        self.acknowledged = acknowledged
        self._url, self._key, self._prefix = url, key, prefix
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(number,)) for number in range(SENDERS)]

    def run_until(self, count: int) -> None:
        for thread in self._threads:
            thread.start()
        deadline = time.monotonic() + DEADLINE_SECONDS
        while len(self.acknowledged) < count and time.monotonic() < deadline:
            time.sleep(0.005)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _send(self, number: int) -> None:
        headers = {"Authorization": f"Bearer {self._key}"}
        with (
            httpx.Client(base_url=self._url, headers=headers, timeout=10) as http,
            contextlib.suppress(httpx.HTTPError),
        ):
            batch = 0
            while not self._stop.is_set():
                ids = [f"{self._prefix}-{number}-{batch}-{position}" for position in range(BATCH)]
                events = [
                    {"transaction_id": text, "external_subscription_id": f"s{number}", "code": "calls"} for text in ids
                ]
                if http.post("/events/batch", json={"events": events}).status_code == 200:
                    self.acknowledged.extend(ids)
                batch += 1


def all_events(url: str, key: str) -> Counter[str]:
    found: Counter[str] = Counter()
    page: int | None = 1
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=30) as http:
        while page:
            answer = http.get("/events", params={"page": page, "per_page": 1000}).json()
            found.update(event["transaction_id"] for event in answer["events"])
            page = answer["meta"]["next_page"]
    return found


def test_events_acknowledged_before_a_kill_are_there_once_after_the_restart(tmp_path: Path) -> None:
    folder, log, port = tmp_path / "data", tmp_path / "log", free_port()
    url = f"http://127.0.0.1:{port}/api/v1"
    server = start(folder, port, log)
    try:
        key = re.search(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", log.read_text())
        assert key, "the first organization's key is printed once"
        acknowledged: list[str] = []
        for round_number in (1, 2):
            senders = Senders(url, key[0], str(round_number), acknowledged)
            senders.run_until(len(acknowledged) + 2000)
            kill_everything(server)
            senders.stop()
            server = start(folder, port, log)
            stored = all_events(url, key[0])
            assert len(acknowledged) >= 2000 * round_number
            assert not set(acknowledged) - set(stored), "nothing acknowledged is lost"
            assert set(stored.values()) == {1}, "nothing is there twice"
    finally:
        if server.poll() is None:
            kill_everything(server)
    assert log.read_text().count("API key") == 1
