"""A server of the benchmark's own: a database that goes away afterwards, an organization, and `laguna serve`."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from dataclasses import dataclass

from laguna.accounts.bootstrap import first_organization
from laguna.bench.scratch import scratch
from laguna.kernel.launch import command
from laguna.supervisor import claim_port

START_SECONDS = 60


@dataclass(frozen=True)
class BenchServer:
    """Where it listens, the key of its organization, and its database."""

    port: int
    key: str
    database_url: str


@contextlib.contextmanager
def bench_server(workers: int = 1) -> Generator[BenchServer]:
    """A fresh database on the server of DATABASE_URL, or an embedded one in a temporary folder, and an API on it of
    so many processes."""
    with scratch() as databases:
        url = databases.fresh()
        key = first_organization(url)
        assert key is not None, "a fresh database has no organization"
        port = claim_port("127.0.0.1", 0)
        environment = {**os.environ, "DATABASE_URL": url, "LAGUNA_WORKERS": str(workers), "LAGUNA_LOG_LEVEL": "warning"}
        program = command([sys.executable, "-m", "laguna", "serve", "--host", "127.0.0.1", "--port", str(port)])
        process = subprocess.Popen(program, env=environment, stdin=subprocess.DEVNULL)  # noqa: S603
        try:
            _wait_until_ready(process, port)
            yield BenchServer(port, key, url)
        finally:
            process.terminate()
            process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], port: int) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError("the server did not start")
        with contextlib.suppress(OSError, urllib.error.URLError):
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5).close()
            return
        time.sleep(0.05)
    raise RuntimeError("the server does not answer")
