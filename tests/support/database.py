"""One embedded PostgreSQL for all processes of a test run, with a migrated template that databases are cloned from."""

from __future__ import annotations

import re
import shutil
import tempfile
import uuid
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


def _named(url: str, database: str) -> str:
    """The same server's other database."""
    return re.sub(r"@/[^?]*", f"@/{database}", url)


def _name(url: str) -> str:
    found = re.search(r"@/([^?]*)", url)
    assert found is not None
    return found[1]


class RunPostgres:
    """The run's PostgreSQL, in a folder that goes with it. It ends with the process that started it, however it ends.

    Start it in a process that outlives all that use it, from the main thread.
    """

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="laguna-tests-"))
        self._folder.chmod(0o711)  # as root, PostgreSQL may run under another account, which must reach its folder
        self._server = EmbeddedPostgres(self._folder, settings=SETTINGS)
        try:
            self._server.start()
            self.url = self._server.url
            with psycopg.connect(self.url, autocommit=True) as connection:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(TEMPLATE)))
            upgrade(_named(self.url, TEMPLATE))
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        self._server.stop(immediate=True)
        shutil.rmtree(self._folder, ignore_errors=True)


class Databases:
    """Makes and drops databases on the run's server."""

    def __init__(self, url: str) -> None:
        self._url = url

    def clone(self, url: str | None = None) -> str:
        """A fresh database of the current schema, or a copy of one at rest: its URL."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self._url, autocommit=True) as connection:
            statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
            connection.execute(statement.format(sql.Identifier(name), sql.Identifier(_name(url) if url else TEMPLATE)))
        return _named(self._url, name)

    def drop(self, url: str) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
            connection.execute(statement.format(sql.Identifier(_name(url))))
