"""`laguna` as a person meets it: what starts and stops together, and what the errors say.

The application itself is a stand-in (tests/standin): these tests are about the processes around it.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

import laguna as laguna_package
from laguna.kernel.embedded import EmbeddedPostgres, running_url

DEADLINE_SECONDS = 30
STANDIN = Path(__file__).parent / "standin"
SOURCE = Path(laguna_package.__file__).parents[1]  # of the package that is tested, wherever it is installed


def environment(**variables: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LAGUNA_", "DATABASE_URL"))}
    return {**kept, "PYTHONPATH": f"{STANDIN}:{SOURCE}", "PYTHONUNBUFFERED": "1", **variables}


def laguna(*arguments: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "laguna", *map(str, arguments)],
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
    )


def refusal(done: subprocess.CompletedProcess[str]) -> str:
    """The message of a command that refused as it should: exit code 1, a message, no traceback."""
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("Error: ")
    return done.stderr


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(holds: Callable[[], bool]) -> float:
    """Seconds until `holds` did."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < DEADLINE_SECONDS
        time.sleep(0.01)
    return time.monotonic() - began


def parents() -> dict[int, int]:
    """The parent of every living process."""
    found: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if fields[0] != "Z":
            found[int(stat.parent.name)] = int(fields[1])
    return found


def family(pid: int) -> set[int]:
    """The process and all that descend from it."""
    known = parents()
    members = {pid}
    while more := {child for child, parent in known.items() if parent in members} - members:
        members |= more
    return members


def process_named(members: set[int], word: str) -> int:
    """The eldest of the processes that has `word` among its arguments."""
    named = [pid for pid in members if word in Path(f"/proc/{pid}/cmdline").read_text().split("\0")]
    return next(pid for pid in named if parents()[pid] not in named)


class Laguna:
    """A running `laguna up`."""

    def __init__(self, process: subprocess.Popen[str], folder: Path, port: int) -> None:
        self.process, self.folder, self.port = process, folder, port
        self.output = ""

    def read_until_ready(self) -> None:
        assert self.process.stdout is not None
        while "Laguna is ready" not in self.output:
            line = self.process.stdout.readline()
            assert line, self.output
            self.output += line

    def get(self, path: str) -> int:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=DEADLINE_SECONDS) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            error.close()
            return error.code
        except OSError:
            return 0

    def end(self) -> int:
        """Wait for its end, with its output read to the last line. The exit code."""
        output, _ = self.process.communicate(timeout=DEADLINE_SECONDS)
        self.output += output
        return self.process.returncode


@contextmanager
def running(folder: Path, **variables: str) -> Iterator[Laguna]:
    port = free_port()
    with subprocess.Popen(
        [sys.executable, "-m", "laguna", "up", "--port", str(port), "--data-dir", str(folder)],
        env=environment(**variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        server = Laguna(process, folder, port)
        try:
            server.read_until_ready()
            yield server
        finally:
            process.kill()


def test_up_starts_everything_and_shows_the_first_key_once(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        assert f"http://127.0.0.1:{server.port}" in server.output
        assert "Its API key, shown this once" in server.output
        assert server.get("/health") == 200
        server.process.send_signal(signal.SIGINT)
        assert server.end() == 0
        assert "worker: finished what was in flight" in server.output
        assert "Traceback" not in server.output
    with running(tmp_path) as again:
        assert "API key" not in again.output
        again.process.send_signal(signal.SIGTERM)
        assert again.end() == 0


def test_a_request_in_flight_is_answered_before_the_end(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with running(tmp_path / "data") as server:
        statuses: list[int] = []
        request = threading.Thread(target=lambda: statuses.append(server.get(f"/gate?{gate}")))
        request.start()
        until(Path(f"{gate}.waits").exists)
        server.process.send_signal(signal.SIGTERM)
        until(lambda: server.get("/health") == 0)  # no new ones are taken
        gate.touch()
        request.join()
        assert statuses == [200]  # with the database still there
        assert server.end() == 0


def test_a_second_interrupt_stops_at_once(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        request = threading.Thread(target=server.get, args=[f"/gate?{tmp_path / 'never'}"])
        request.start()
        until((tmp_path / "never.waits").exists)
        members = family(server.process.pid)
        server.process.send_signal(signal.SIGINT)
        assert server.process.stdout is not None
        while "Another Ctrl-C stops at once" not in server.output:
            server.output += server.process.stdout.readline()
        server.process.send_signal(signal.SIGINT)
        assert until(lambda: server.process.poll() is not None) < 5
        assert server.end() == 0
        request.join()
        assert not members & parents().keys()


def test_nothing_outlives_a_killed_supervisor(tmp_path: Path) -> None:
    with running(tmp_path, LAGUNA_WORKERS="2") as server:
        members = family(server.process.pid)
        assert len(members) > 6
        server.process.kill()
        assert until(lambda: not members & parents().keys()) < 5
    with running(tmp_path) as again:
        assert again.get("/health") == 200


@pytest.mark.parametrize("part", ["serve", "work", "postgres"])
def test_a_part_that_dies_is_started_again(part: str, tmp_path: Path) -> None:
    with running(tmp_path) as server:
        if part == "postgres":
            victim = int((tmp_path / "postgres" / "postmaster.pid").read_text().split()[0])
        else:
            victim = process_named(family(server.process.pid), part)
        os.kill(victim, signal.SIGKILL)
        until(lambda: victim not in parents())
        if part == "postgres":
            until(lambda: running_url(tmp_path) is not None)
        else:
            until(lambda: any(part in arguments(pid) for pid in family(server.process.pid)))
        until(lambda: server.get("/health") == 200)
        server.process.send_signal(signal.SIGINT)
        assert server.end() == 0
        assert "starting it again" in server.output


def arguments(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return []


def test_a_key_is_made_beside_a_running_laguna_and_without_one(tmp_path: Path) -> None:
    with running(tmp_path) as server:
        made = laguna("keys", "create", "--data-dir", tmp_path)
        assert made.returncode == 0
        server.process.send_signal(signal.SIGINT)
        server.end()
    another = laguna("keys", "create", LAGUNA_DATA_DIR=str(tmp_path))
    assert another.stdout != made.stdout
    message = refusal(laguna("keys", "create", "--organization", "nowhere", "--data-dir", tmp_path))
    assert message == "Error: There is no organization nowhere.\n"


def test_an_external_database_is_used_instead_of_the_embedded_one(tmp_path: Path) -> None:
    port = free_port()
    settings = {"listen_addresses": "127.0.0.1", "port": str(port)}
    with EmbeddedPostgres(tmp_path / "external", settings=settings) as external:
        with psycopg.connect(external.url) as connection:
            connection.execute("ALTER ROLE laguna PASSWORD 'secret'")
        url = f"postgresql+psycopg://laguna:secret@127.0.0.1:{port}/laguna"
        assert laguna("migrate", DATABASE_URL=url).returncode == 0
        with running(tmp_path / "data", DATABASE_URL=url) as server:
            assert server.get("/health") == 200
            server.process.send_signal(signal.SIGINT)
            assert server.end() == 0
        assert not (tmp_path / "data").exists()
        message = refusal(laguna("up", "--port", str(free_port()), DATABASE_URL=url.replace("secret", "guess")))
        assert "password authentication failed" in message
        assert "guess" not in message


def test_a_taken_port_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # as another Laguna's would be
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        message = refusal(laguna("up", "--port", str(port), "--data-dir", tmp_path / "data"))
    assert f"Can't listen on 127.0.0.1:{port}: another program uses the port" in message
    assert not (tmp_path / "data").exists()


def test_an_address_of_another_machine_is_refused(tmp_path: Path) -> None:
    message = refusal(laguna("up", "--host", "192.0.2.1", "--data-dir", tmp_path))
    assert "Can't listen on 192.0.2.1:3000: Cannot assign requested address" in message


def test_two_servers_on_one_folder_are_refused(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path):
        message = refusal(laguna("up", "--port", str(free_port()), "--data-dir", tmp_path))
    assert f"Another Laguna already runs on the folder {tmp_path}" in message


def test_a_folder_of_another_major_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir(mode=0o700)
    (tmp_path / "postgres" / "PG_VERSION").write_text("16\n")
    message = refusal(laguna("up", "--port", str(free_port()), "--data-dir", tmp_path))
    assert "was made by PostgreSQL 16" in message


def test_an_unusable_folder_is_refused() -> None:
    message = refusal(laguna("up", "--port", str(free_port()), "--data-dir", "/proc/laguna"))
    assert "Can't use the folder /proc/laguna" in message


@pytest.mark.parametrize("command", ["up", "serve", "work", "migrate"])
def test_an_unreachable_database_is_reported_without_its_password(command: str) -> None:
    url = f"postgresql://someone:secret@127.0.0.1:{free_port()}/billing"
    message = refusal(laguna(command, DATABASE_URL=url, LAGUNA_PORT=str(free_port())))
    assert "Can't reach the database postgresql://someone:********@127.0.0.1:" in message
    assert "secret" not in message


@pytest.mark.parametrize("command", ["serve", "work"])
def test_the_parts_ask_for_a_database(command: str) -> None:
    assert "DATABASE_URL is not set" in refusal(laguna(command))


def test_wrong_settings_are_named_all_at_once_and_never_shown() -> None:
    message = refusal(laguna("up", LAGUNA_PORT="http", LAGUNA_WORKERS="0", DATABASE_URL="mysql://me:secret@here"))
    assert [line.split(":")[0] for line in message.splitlines()[1:]] == [
        "DATABASE_URL",
        "LAGUNA_PORT",
        "LAGUNA_WORKERS",
    ]
    assert "secret" not in message


def test_config_lists_every_variable_with_its_meaning_and_masks_secrets() -> None:
    done = laguna(
        "config",
        DATABASE_URL="postgres://me:s@cret@db:5432/x?sslmode=require",
        LAGUNA_ADMIN_API_KEY="secret",
        LAGUNA_PORT="4000",
        LAGUNA_HOST="",
    )
    assert done.returncode == 0
    lines = [[cell.strip() for cell in line.split("│")[1:-1]] for line in done.stdout.splitlines() if "│" in line]
    now = {name: (default, current) for name, _, default, current in lines if name}
    assert now["LAGUNA_PORT"] == ("3000", "4000")
    assert now["LAGUNA_HOST"] == ("127.0.0.1", "127.0.0.1")
    assert now["LAGUNA_ADMIN_API_KEY"] == ("", "********")
    assert "cret" not in done.stdout.replace("secrets", "")
    assert all(meaning for _, meaning, _, _ in lines)
    assert {"DATABASE_URL", "LAGUNA_DATA_DIR", "LAGUNA_MAX_BODY_BYTES", "LAGUNA_LOG_FORMAT"} <= now.keys()
