"""An application in this process, on the worker's database, and organizations that send events to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

import pytest
from fastapi import FastAPI

from laguna.app import create_app
from laguna.settings import Settings
from support.database import Databases
from support.sender import Sender, make_sender

START = datetime(2024, 3, 1, 10, tzinfo=UTC)


@pytest.fixture(scope="session")
def database_url(databases: Databases) -> Iterator[str]:
    """A database without a server's worker on it, which would fill in values behind a test's back."""
    url = databases.clone()
    yield url
    databases.drop(url)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def app(database_url: str, anyio_backend: str) -> AsyncIterator[FastAPI]:
    app = create_app(Settings(database_url=database_url, log_level="error"))
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
async def sender(app: FastAPI) -> AsyncIterator[Sender]:
    """A live organization."""
    sender = await make_sender(app)
    async with sender.http:
        yield sender


@pytest.fixture
async def sandboxed(app: FastAPI) -> AsyncIterator[Sender]:
    """An organization whose clock stands at START."""
    sender = await make_sender(app, START)
    async with sender.http:
        yield sender
