"""A Laguna of the demo's own: `laguna up` in a folder that is gone afterwards."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from laguna.kernel.launch import command

READY_SECONDS = 150
STOP_SECONDS = 60
_READY = re.compile(r"Laguna is ready at (\S+)")


class ServerError(Exception):
    """The server can't be used. The message is written for the person at the terminal."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where a Laguna answers, and the key of its operator API."""

    url: str
    admin_key: str


@contextlib.contextmanager
def own_server() -> Generator[Server]:
    """Start a server on a free port, and stop it again. It ends with this process, even when that is killed."""
    admin_key = secrets.token_urlsafe(32)
    with (
        _ends_as_interrupts(),
        tempfile.TemporaryDirectory(prefix="laguna-demo-", ignore_cleanup_errors=True) as folder,
    ):
        log = Path(folder) / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603
                command(
                    [sys.executable, "-P", "-m", "laguna", "up", "--port", "0", "--data-dir", folder], signal.SIGINT
                ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=_environment(admin_key),
                start_new_session=True,  # a terminal's Ctrl-C reaches the demo alone, which then stops the server
            )
        try:
            yield Server(_address(process, log), admin_key)
        finally:
            _stop(process)


@contextlib.contextmanager
def _ends_as_interrupts() -> Generator[None]:
    """SIGTERM, and a terminal that is closed, clean up as Ctrl-C does."""
    numbers = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _environment(admin_key: str) -> dict[str, str]:
    """Ours, without the configuration of another Laguna: above all not its database."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LAGUNA_", "DATABASE_URL"))}
    return {**kept, "LAGUNA_ADMIN_API_KEY": admin_key, "LAGUNA_LOG_LEVEL": "warning", "PYTHONUNBUFFERED": "1"}


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    """The URL that the server says it is ready at."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        ended = process.poll() is not None
        said = log.read_text(errors="replace")
        if found := _READY.search(said):
            return found[1]
        if ended:
            raise ServerError(f"The demo's server did not start:\n{said.strip()}")
        time.sleep(0.05)
    raise ServerError(f"The demo's server was not ready within {READY_SECONDS} s.")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
