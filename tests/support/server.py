"""A real server for tests: the API and the worker as their own processes on a database, as in production."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from laguna.kernel import launch

ADMIN_KEY = "operator-key-of-the-tests"
READY_SECONDS = 60
STOP_SECONDS = 15


@dataclass(frozen=True, slots=True)
class Server:
    """Where a started server answers, and on which database it works."""

    url: str
    database_url: str
    admin_key: str
    log: Path

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(database_url: str, **variables: str) -> dict[str, str]:
    """The surroundings of a Laguna process, without what the person who runs the tests has configured."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LAGUNA_", "DATABASE_URL"))}
    return {**kept, "PYTHONUNBUFFERED": "1", "DATABASE_URL": database_url, "LAGUNA_POOL_SIZE": "10", **variables}


def start(command: str, log: Path, variables: dict[str, str]) -> subprocess.Popen[bytes]:
    """`laguna COMMAND` as a process that ends with this one. Call it from the main thread."""
    with log.open("ab") as output:
        return subprocess.Popen(
            launch.command([sys.executable, "-m", "laguna", command]),
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_until_healthy(url: str, api: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and api.poll() is None:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{url}/health", timeout=5).status_code == 200:
                return
        time.sleep(0.05)
    raise AssertionError(f"the server did not start: {log.read_text(errors='replace')[-4000:]}")


@contextmanager
def running_server(database_url: str, folder: Path, *, worker: bool = True, **variables: str) -> Iterator[Server]:
    """API and, unless told otherwise, worker on `database_url`, with their output in `folder`."""
    port, log = free_port(), folder / "server.log"
    values = environment(
        database_url, LAGUNA_HOST="127.0.0.1", LAGUNA_PORT=str(port), LAGUNA_ADMIN_API_KEY=ADMIN_KEY, **variables
    )
    url = f"http://127.0.0.1:{port}"
    processes = [start("serve", log, values)]
    try:
        if worker:
            processes.append(start("work", folder / "worker.log", values))
        wait_until_healthy(url, processes[0], log)
        yield Server(url, database_url, ADMIN_KEY, log)
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            stop(process)
