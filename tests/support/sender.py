"""An organization that sends events to an application in this process."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
from fastapi import FastAPI

from laguna.accounts.service import create_organization


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

    async def metric(self, code: str, kind: str, field: str | None = None, **more: Any) -> dict[str, Any]:
        body = {"name": code, "code": code, "aggregation_type": kind, "field_name": field, **more}
        answer = await self.http.post("/api/v1/billable_metrics", json={"billable_metric": body})
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
