"""The embedded PostgreSQL: what survives, what ends with whom, and what is refused with which words."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from laguna.kernel import launch
from laguna.kernel.embedded import EmbeddedError, EmbeddedPostgres, running_url
from laguna.kernel.launch import Identity

DEADLINE_SECONDS = 20
SCRIPT = """
import signal, sys
from pathlib import Path
from laguna.kernel.embedded import EmbeddedError, EmbeddedPostgres
try:
    server = EmbeddedPostgres(Path(sys.argv[1]))
    server.start()
except EmbeddedError as error:
    sys.exit(f"refused: {error}")
print(server.pid, server.url, flush=True)
if sys.argv[2] == "hold":
    signal.pause()
server.stop()
"""
# A user namespace with all users in it, in which no further one may be made: as in many containers.
FORBIDDEN = """
import ctypes, os, sys
assert ctypes.CDLL(None).unshare(0x10000000) == 0
print("unshared", flush=True)
sys.stdin.readline()
open("/proc/sys/user/max_user_namespaces", "w").write("0")
os.execv(sys.executable, [sys.executable, "-c", *sys.argv[1:]])
"""

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def until(holds: Callable[[], bool]) -> float:
    """Seconds until `holds` did."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < DEADLINE_SECONDS
        time.sleep(0.01)
    return time.monotonic() - began


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@contextmanager
def held(folder: Path) -> Iterator[tuple[subprocess.Popen[str], int, str]]:
    """A process that runs a server on the folder, the server's process id, and its URL."""
    with subprocess.Popen([sys.executable, "-c", SCRIPT, folder, "hold"], stdout=subprocess.PIPE, text=True) as parent:
        try:
            assert parent.stdout is not None
            pid, url = parent.stdout.readline().split()
            yield parent, int(pid), url
        finally:
            parent.kill()


def run(url: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        cursor = connection.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can get to, unlike pytest's."""
    path = Path(tempfile.mkdtemp(prefix="laguna-test-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def test_a_new_folder_gets_a_durable_database_beside_other_files(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("mine")
    with EmbeddedPostgres(folder) as server:
        settings = "fsync synchronous_commit full_page_writes data_checksums listen_addresses server_encoding TimeZone"
        shown = [run(server.url, f"SHOW {name}")[0][0] for name in settings.split()]
        assert shown == ["on", "on", "on", "on", "", "UTF8", "UTC"]
        locale = "SELECT datlocprovider, datlocale FROM pg_database WHERE datname = current_database()"
        assert run(server.url, locale) == [("b", "C.UTF-8")]
        assert run(server.url, "SELECT current_database()") == [("laguna",)]
        sockets = Path(str(run(server.url, "SHOW unix_socket_directories")[0][0]))
        assert sockets.stat().st_mode & 0o777 == 0o700
    assert (folder / "notes.txt").read_text() == "mine"
    assert server.poll() == 0
    assert not sockets.exists()


def test_data_survives_a_stop_a_restart_and_another_start_under_the_same_url(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path)
    server.start()
    run(server.url, "CREATE TABLE kept AS SELECT 42 AS answer")
    before, url = server.pid, server.url
    server.restart()
    assert (server.pid != before, server.url) == (True, url)
    server.stop()
    with EmbeddedPostgres(tmp_path) as again:
        assert again.url == url
        assert run(again.url, "SELECT answer FROM kept") == [(42,)]


def test_a_dead_server_is_noticed_and_starts_again_with_all_that_was_committed(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path) as server:
        assert server.poll() is None
        run(server.url, "CREATE TABLE kept AS SELECT 42 AS answer")
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        until(lambda: server.poll() is not None)
        assert server.poll() == -signal.SIGKILL
        server.restart()
        assert run(server.url, "SELECT answer FROM kept") == [(42,)]


def test_the_server_ends_cleanly_by_itself_when_its_parent_is_killed(tmp_path: Path) -> None:
    with held(tmp_path) as (parent, pid, url):
        run(url, "CREATE TABLE kept AS SELECT 42 AS answer")
        with psycopg.connect(url):  # an open session doesn't keep it
            parent.kill()
            assert until(lambda: not is_running(pid)) < 5
    assert not (tmp_path / "postgres" / "postmaster.pid").exists()
    assert "database system is shut down" in (tmp_path / "postgres.log").read_text()
    with EmbeddedPostgres(tmp_path) as server:
        assert run(server.url, "SELECT answer FROM kept") == [(42,)]
        assert "not properly shut down" not in (tmp_path / "postgres.log").read_text()


def test_killing_everything_loses_nothing_committed(tmp_path: Path) -> None:
    with held(tmp_path) as (parent, pid, url):
        run(url, "CREATE TABLE kept AS SELECT 42 AS answer")
        os.kill(pid, signal.SIGKILL)
        parent.kill()
    with EmbeddedPostgres(tmp_path) as server:
        assert run(server.url, "SELECT answer FROM kept") == [(42,)]


def test_a_start_right_after_a_kill_stops_the_old_server_and_never_uses_it(tmp_path: Path) -> None:
    with held(tmp_path) as (parent, pid, url), psycopg.connect(url) as old:
        os.kill(pid, signal.SIGSTOP)  # so that it can't have ended yet
        parent.kill()
        parent.wait()
        resume = subprocess.Popen(["/bin/sh", "-c", f"sleep 0.3; kill -CONT {pid}"])
        with EmbeddedPostgres(tmp_path) as server:
            assert not is_running(pid)
            assert server.pid != pid
            with pytest.raises(psycopg.OperationalError):
                old.execute("SELECT 1")
        resume.wait()


def test_a_second_server_on_the_folder_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    with held(tmp_path) as (_, pid, url):
        (tmp_path / "alias").symlink_to(tmp_path)
        for name in (tmp_path, tmp_path / "alias"):
            with pytest.raises(EmbeddedError, match="Another Laguna already runs on the folder"):
                EmbeddedPostgres(name).start()
        assert is_running(pid)
        assert run(url, "SELECT 1") == [(1,)]
        assert running_url(tmp_path) == url


def test_nobody_runs_on_a_folder_without_a_server(tmp_path: Path) -> None:
    assert running_url(tmp_path) is None
    with EmbeddedPostgres(tmp_path):
        pass
    assert running_url(tmp_path) is None


def test_a_folder_of_another_major_version_is_refused_unharmed(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path):
        pass
    version = tmp_path / "postgres" / "PG_VERSION"
    version.write_text("17\n")
    with pytest.raises(EmbeddedError, match="was made by PostgreSQL 17, and this Laguna brings PostgreSQL 18"):
        EmbeddedPostgres(tmp_path).start()
    version.write_text("18\n")
    with EmbeddedPostgres(tmp_path) as server:
        assert run(server.url, "SELECT 1") == [(1,)]


def test_a_folder_with_something_else_in_the_databases_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "letter.txt").write_text("Dear Sir or Madam")
    with pytest.raises(EmbeddedError, match="holds something that is not a PostgreSQL database"):
        EmbeddedPostgres(tmp_path).start()


def test_what_an_interrupted_first_start_left_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres.partial").mkdir()
    (tmp_path / "postgres.partial" / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(tmp_path) as server:
        assert run(server.url, "SELECT 1") == [(1,)]
    assert not (tmp_path / "postgres.partial").exists()


@pytest.mark.parametrize("place", ["/proc/laguna", "{tmp}/file", "{tmp}/file/data"])
def test_a_folder_that_cannot_be_made_is_refused(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EmbeddedError, match=r"Can't use the folder .*: (No such file|File exists|Not a directory)"):
        EmbeddedPostgres(Path(place.format(tmp=tmp_path))).start()


def test_a_long_path_works(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / ("long" * 30) / ("und weiß nicht" * 5)) as server:
        assert run(server.url, "SELECT 1") == [(1,)]


def test_a_process_that_got_the_old_servers_number_does_not_prevent_the_start(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path):
        lines = (tmp_path / "postgres" / "postmaster.pid").read_text().splitlines()
    with subprocess.Popen(["/bin/sh", "-c", "read line"], stdin=subprocess.PIPE) as stranger:
        (tmp_path / "postgres" / "postmaster.pid").write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
        with EmbeddedPostgres(tmp_path) as server:
            assert run(server.url, "SELECT 1") == [(1,)]
        assert stranger.poll() is None
        stranger.kill()


def test_a_setting_postgresql_refuses_is_reported_in_its_words_and_frees_the_folder(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedError, match='invalid value for parameter "max_connections": "many"'):
        EmbeddedPostgres(tmp_path, settings={"max_connections": "many"}).start()
    with EmbeddedPostgres(tmp_path) as server:
        assert run(server.url, "SELECT 1") == [(1,)]


def test_it_can_serve_tcp_with_a_password(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with EmbeddedPostgres(tmp_path, settings={"listen_addresses": "127.0.0.1", "port": str(port)}) as server:
        run(server.url, "ALTER ROLE laguna PASSWORD 'secret'")
        assert run(f"postgresql://laguna:secret@127.0.0.1:{port}/laguna", "SELECT 1") == [(1,)]
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(f"postgresql://laguna:wrong@127.0.0.1:{port}/laguna")


@needs_root
def test_root_runs_it_in_a_user_namespace_and_keeps_its_files(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path) as server:
        assert server.pid is not None
        if Path(f"/proc/{server.pid}/ns/user").stat().st_ino == Path("/proc/self/ns/user").stat().st_ino:
            pytest.skip("this kernel forbids user namespaces")
        assert {path.stat().st_uid for path in (tmp_path / "postgres").rglob("*")} == {0}
        assert int(run(server.url, "SELECT current_setting('is_superuser') = 'on', 1")[0][0] is True) == 1


def forbidden(folder: Path) -> subprocess.CompletedProcess[str]:
    """Start and stop a server on the folder as a root whom the kernel forbids user namespaces."""
    child = subprocess.Popen(
        [sys.executable, "-c", FORBIDDEN, SCRIPT, folder, "stop"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    if child.stdout.readline().strip() != "unshared":
        child.communicate()
        pytest.skip("this kernel forbids user namespaces, so that a test can't forbid them")
    for file in ("uid_map", "gid_map"):
        Path(f"/proc/{child.pid}/{file}").write_text("0 0 65536")
    output, errors = child.communicate("go\n", timeout=DEADLINE_SECONDS)
    return subprocess.CompletedProcess([], child.returncode, output, errors)


@needs_root
def test_without_user_namespaces_root_gives_a_new_database_to_an_unprivileged_account(open_folder: Path) -> None:
    done = forbidden(open_folder)
    assert (done.returncode, done.stderr) == (0, "")
    owners = {path.stat().st_uid for path in (open_folder / "postgres").rglob("*")}
    assert owners == {(open_folder / "postgres").stat().st_uid}
    assert owners != {0}
    assert open_folder.stat().st_uid == 0
    with EmbeddedPostgres(open_folder) as server:  # where they are allowed, the folder stays with its owner
        assert Path(f"/proc/{server.pid}").stat().st_uid in owners


@needs_root
def test_without_user_namespaces_the_place_that_cannot_be_reached_is_named(open_folder: Path) -> None:
    open_folder.chmod(0o700)
    done = forbidden(open_folder / "data")
    assert done.returncode == 1
    assert f"as nobody: can't reach {open_folder}" in done.stderr
    assert "set DATABASE_URL" in done.stderr


@needs_root
def test_without_user_namespaces_roots_own_database_is_not_given_away(open_folder: Path) -> None:
    with EmbeddedPostgres(open_folder):
        pass
    done = forbidden(open_folder)
    assert done.returncode == 1
    assert "in a user namespace: not allowed" in done.stderr
    assert {path.stat().st_uid for path in (open_folder / "postgres").rglob("*")} == {0}


def as_ordinary_user(folder: Path) -> subprocess.CompletedProcess[str]:
    """Start and stop a server on the folder as a user without privileges, to whom root's files belong."""
    program = [sys.executable, "-c", SCRIPT, folder, "stop"]
    if os.geteuid() == 0:
        program = launch.command(program, identity=Identity("namespace", 1, 1))
    done = subprocess.run(program, capture_output=True, text=True, timeout=DEADLINE_SECONDS)
    if done.returncode == launch.CANNOT_BECOME:
        pytest.skip("this kernel forbids user namespaces")
    return done


def test_an_ordinary_user_runs_it_as_themselves(tmp_path: Path) -> None:
    done = as_ordinary_user(tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "postgres").stat().st_uid == os.geteuid()


def test_an_ordinary_user_is_told_of_a_folder_they_cannot_write_to(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    assert as_ordinary_user(tmp_path).stderr == f"refused: Can't write to the folder {tmp_path}.\n"
    refused = as_ordinary_user(tmp_path / "data")
    assert refused.stderr == f"refused: Can't use the folder {tmp_path / 'data'}: Permission denied.\n"
