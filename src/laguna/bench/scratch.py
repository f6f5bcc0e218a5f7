"""Databases for benchmarks: a fresh one, and copies of it that all begin alike."""

from __future__ import annotations

import contextlib
import secrets
import tempfile
from collections.abc import Generator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from laguna.kernel.embedded import EmbeddedPostgres
from laguna.kernel.migrations import upgrade
from laguna.settings import settings


def _named(url: str, database: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


class Scratch:
    """Makes databases on one server that go away with it; their names begin with `laguna_bench_`."""

    def __init__(self, server_url: str) -> None:
        self._url = server_url
        self._made: list[str] = []

    def fresh(self) -> str:
        """A database of the current schema, empty: its URL."""
        url = self._create(sql.SQL(""))
        upgrade(url)
        return url

    def copy(self, url: str) -> str:
        """A copy of a database that nobody is connected to, with its tables warm: the URL."""
        template = sql.Identifier(urlsplit(url).path[1:])
        made = self._create(sql.SQL("TEMPLATE {} STRATEGY file_copy").format(template))
        with psycopg.connect(made, autocommit=True) as connection:
            connection.execute("SELECT count(properties) FROM events")
            connection.execute("SELECT stream_id, sum(value) FROM events GROUP BY stream_id")
            connection.execute("CHECKPOINT")
        return made

    def settle(self, url: str) -> None:
        """What autovacuum would have done by and by: statistics and the map of what is visible to all."""
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("VACUUM (ANALYZE)")

    def drop(self, url: str) -> None:
        name = urlsplit(url).path[1:]
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
        self._made.remove(name)

    def drop_all(self) -> None:
        for name in [*self._made]:
            self.drop(_named(self._url, name))

    def _create(self, options: sql.Composable) -> str:
        name = f"laguna_bench_{secrets.token_hex(6)}"
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {} {}").format(sql.Identifier(name), options))
        self._made.append(name)
        return _named(self._url, name)


@contextlib.contextmanager
def scratch() -> Generator[Scratch]:
    """On the server of DATABASE_URL, or on an embedded one in a temporary folder."""
    given = settings().database_url
    if given is None:
        with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder)) as postgres:
            yield Scratch(postgres.url)
        return
    made = Scratch(given)
    try:
        yield made
    finally:
        made.drop_all()
