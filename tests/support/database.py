"""One embedded PostgreSQL for all processes of a test run, with a migrated template that databases are cloned from."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from laguna.kernel.embedded import EmbeddedPostgres
from laguna.kernel.migrations import upgrade

TEMPLATE = "laguna_template"
# Nothing of a test run has to survive it.
SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "128MB",
    "max_connections": "300",
}


@contextmanager
def _locked(path: Path, kind: int) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, kind)
        yield


def _named(url: str, database: str) -> str:
    """The same server's other database."""
    return re.sub(r"@/[^?]*", f"@/{database}", url)


def _start() -> tuple[EmbeddedPostgres, str]:
    folder = Path(tempfile.mkdtemp(prefix="laguna-tests-"))
    folder.chmod(0o711)  # as root, PostgreSQL may run under another account, which must reach its folder
    server = EmbeddedPostgres(folder, settings=SETTINGS)
    server.start()
    try:
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
        upgrade(_named(server.url, TEMPLATE))
    except BaseException:
        server.stop(immediate=True)
        raise
    return server, server.url


class Databases:
    """Makes and drops databases on the run's server."""

    def __init__(self, url: str) -> None:
        self._url = url

    def clone(self) -> str:
        """A fresh database of the current schema: its URL."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self._url, autocommit=True) as connection:
            statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
            connection.execute(statement.format(sql.Identifier(name), sql.Identifier(TEMPLATE)))
        return _named(self._url, name)

    def drop(self, url: str) -> None:
        name = re.search(r"@/([^?]*)", url)
        assert name is not None
        with psycopg.connect(self._url, autocommit=True) as connection:
            statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
            connection.execute(statement.format(sql.Identifier(name[1])))


@contextmanager
def shared_postgres(run_folder: Path) -> Iterator[Databases]:
    """The run's PostgreSQL. The first process to ask starts it, and stops it when the last one is done.

    It dies with the process that started it, so that a killed run leaves no server behind. `run_folder` is the same
    for all processes of the run.
    """
    users, starting, told = (run_folder / name for name in ("postgres.users", "postgres.lock", "postgres.json"))
    server: EmbeddedPostgres | None = None
    with _locked(users, fcntl.LOCK_SH):
        with _locked(starting, fcntl.LOCK_EX):
            known = json.loads(told.read_text()) if told.exists() else None
            if known is not None and Path("/proc", str(known["pid"])).exists():
                url = str(known["url"])
            else:
                server, url = _start()
                told.write_text(json.dumps({"url": url, "pid": os.getpid()}))
        try:
            yield Databases(url)
        except BaseException:
            if server is not None:
                server.stop(immediate=True)
            raise
    if server is None:
        return
    with _locked(users, fcntl.LOCK_EX):  # the others are done
        told.unlink(missing_ok=True)
        server.stop(immediate=True)
    shutil.rmtree(server.data_dir, ignore_errors=True)
