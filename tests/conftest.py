"""Fixtures of all tests: one PostgreSQL a run, one database and one server a worker, one organization a test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import psycopg
import pytest

from laguna.kernel.db import Database
from support.client import START, Client, Sandbox, new_organization
from support.database import Databases, RunPostgres
from support.server import Server, running_server

POSTGRES = pytest.StashKey[RunPostgres]()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """With xdist, the process that hands out the tests starts the run's PostgreSQL: it outlives every worker."""
    stash: pytest.Stash = node.config.stash
    if POSTGRES not in stash:
        stash[POSTGRES] = RunPostgres()
    node.workerinput["postgres_url"] = stash[POSTGRES].url


def pytest_unconfigure(config: pytest.Config) -> None:
    postgres = config.stash.get(POSTGRES, None)
    if postgres is not None:
        postgres.stop()


@pytest.fixture(scope="session")
def databases(request: pytest.FixtureRequest) -> Databases:
    """The run's PostgreSQL; without xdist it is started by the first test that needs it."""
    told: dict[str, Any] = getattr(request.config, "workerinput", {})
    if "postgres_url" in told:
        return Databases(told["postgres_url"])
    stash = request.config.stash
    stash[POSTGRES] = RunPostgres()
    return Databases(stash[POSTGRES].url)


@pytest.fixture(scope="session")
def database_url(databases: Databases) -> Iterator[str]:
    """This worker's database: the one its server works on."""
    url = databases.clone()
    yield url
    databases.drop(url)


@pytest.fixture
def own_database_url(databases: Databases) -> Iterator[str]:
    """A fresh database for one test alone, which no server works on."""
    url = databases.clone()
    yield url
    databases.drop(url)


@pytest.fixture(scope="session")
def server(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """This worker's server: API and worker processes."""
    with running_server(database_url, tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(scope="session")
def http() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=60) as client:
        yield client


@pytest.fixture
def sandbox(server: Server, http: httpx.Client, request: pytest.FixtureRequest) -> Sandbox:
    """`sandbox(now="2024-01-01T00:00:00Z", net_payment_term=30)`: a fresh organization with a test clock."""

    def make(now: str = START, **attributes: Any) -> Client:
        client = new_organization(server, http, request.node.name[:100], now)
        if attributes:
            client.put("/organizations", {"organization": attributes})
        return client

    return make


@pytest.fixture
def live(server: Server, http: httpx.Client, request: pytest.FixtureRequest) -> Callable[[], Client]:
    """A client of a fresh live organization, which has no test clock."""
    return lambda: new_organization(server, http, request.node.name[:100], None)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def database(database_url: str, anyio_backend: str) -> AsyncIterator[Database]:
    """This process's own way to the worker's database."""
    database = Database(database_url, pool_size=5)
    yield database
    await database.close()


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What this process sends, whoever sends it."""
    sent: list[str] = []

    for name in ("execute", "executemany", "copy"):
        send = getattr(psycopg.AsyncCursor, name)

        def note(cursor: Any, query: Any, *arguments: Any, _send: Any = send, **more: Any) -> Any:
            sent.append(str(query))
            return _send(cursor, query, *arguments, **more)

        monkeypatch.setattr(psycopg.AsyncCursor, name, note)
    return sent
