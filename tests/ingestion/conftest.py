"""A database of the run's own, an application on it, and organizations that send events."""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from laguna.accounts.service import create_organization
from laguna.app import create_app
from laguna.kernel.migrations import upgrade
from laguna.settings import Settings

SERVER_URL = os.environ.get("LAGUNA_TEST_DATABASE_URL", "postgresql://laguna@127.0.0.1:54329/postgres")


@pytest.fixture(scope="session")
def database_url() -> Iterator[str]:
    """The URL of a fresh, migrated database."""
    name = f"laguna_test_{uuid.uuid4().hex[:12]}"
    parts = conninfo_to_dict(SERVER_URL)
    with psycopg.connect(SERVER_URL, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    host, port, user = parts.get("host"), parts.get("port"), parts.get("user")
    url = f"postgresql://{user}@{host}:{port}/{name}"
    upgrade(url)
    yield url
    with psycopg.connect(make_conninfo(SERVER_URL), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def app(database_url: str, anyio_backend: str) -> AsyncIterator[FastAPI]:
    app = create_app(Settings(database_url=database_url, log_level="error"))
    async with app.router.lifespan_context(app):
        yield app


@dataclass
class Sender:
    """An organization and a client with its key."""

    id: uuid.UUID
    key: str
    app: FastAPI
    http: httpx.AsyncClient

    async def event(self, **event: Any) -> httpx.Response:
        return await self.http.post("/api/v1/events", json={"event": event})

    async def events(self, *events: dict[str, Any]) -> httpx.Response:
        return await self.http.post("/api/v1/events/batch", json={"events": list(events)})

    async def raw(self, body: bytes, path: str = "/api/v1/events") -> httpx.Response:
        return await self.http.post(path, content=body)

    async def get(self, path: str, **parameters: Any) -> httpx.Response:
        return await self.http.get(f"/api/v1{path}", params=parameters)

    async def metric(self, code: str, kind: str, field: str | None = None) -> dict[str, Any]:
        body = {"billable_metric": {"name": code, "code": code, "aggregation_type": kind, "field_name": field}}
        answer = await self.http.post("/api/v1/billable_metrics", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()["billable_metric"]

    async def transaction_ids(self) -> list[str]:
        events: list[dict[str, Any]] = []
        while True:
            answer = (await self.get("/events", page=len(events) // 1000 + 1, per_page=1000)).json()
            events += answer["events"]
            if answer["meta"]["next_page"] is None:
                return sorted(event["transaction_id"] for event in events)


async def make_sender(app: FastAPI, now: datetime | None = None) -> Sender:
    async with app.state.database.session() as session:
        created = await create_organization(session, "Test", now)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    http = httpx.AsyncClient(
        transport=transport,
        base_url="http://laguna",
        headers={"Authorization": f"Bearer {created.key}", "Content-Type": "application/json"},
    )
    return Sender(created.organization.id, created.key, app, http)


@pytest.fixture
async def sender(app: FastAPI) -> AsyncIterator[Sender]:
    """A live organization."""
    sender = await make_sender(app)
    async with sender.http:
        yield sender


@pytest.fixture
async def sandbox(app: FastAPI) -> AsyncIterator[Sender]:
    """An organization whose clock stands at 2024-03-01 10:00."""
    sender = await make_sender(app, datetime(2024, 3, 1, 10, tzinfo=UTC))
    async with sender.http:
        yield sender
