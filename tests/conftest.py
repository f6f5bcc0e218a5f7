"""Fixtures of all tests: one PostgreSQL a run, one database and one server a worker, one organization a test."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.client import START, Client, Sandbox, new_organization
from support.database import Databases, shared_postgres
from support.server import Server, running_server


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all processes of this run share."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session")
def databases(run_folder: Path) -> Iterator[Databases]:
    """The run's PostgreSQL."""
    with shared_postgres(run_folder) as shared:
        yield shared


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
