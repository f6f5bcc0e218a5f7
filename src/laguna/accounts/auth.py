"""API keys: who may do what for which organization (spec 0 §2)."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from fastapi import Request
from sqlalchemy import or_, select

from laguna.kernel import clock
from laguna.kernel.context import Context
from laguna.kernel.db import Database
from laguna.kernel.errors import unauthorized
from laguna.models import ApiKey, Organization


def new_key() -> str:
    """A fresh key: a random UUID (122 bits of the system's randomness)."""
    return str(uuid.uuid4())


def hash_of(key: str) -> bytes:
    """What is stored of a key. It is random enough that a plain SHA-256 can't be turned back."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def key_of(header: str | None) -> str:
    """The key of an `Authorization` header: its second word, whatever the first. None there: 401."""
    words = (header or "").split()
    if len(words) < 2:
        raise unauthorized()
    return words[1]


@asynccontextmanager
async def open_context(request: Request) -> AsyncGenerator[Context]:
    """The unit of work of a request, scoped to the organization of its key; 401 without a valid one."""
    key = key_of(request.headers.get("authorization"))
    database: Database = request.app.state.database
    query = (
        select(Organization.id, Organization.test_clock)
        .join(ApiKey, ApiKey.organization_id == Organization.id)
        .where(ApiKey.hash == hash_of(key), or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > clock.system_now()))
    )
    async with database.session() as session:
        row = (await session.execute(query)).one_or_none()
        if row is None:
            raise unauthorized()
        organization_id, test_clock = row
        now = max(clock.now(test_clock), getattr(request.state, "not_before", datetime.min.replace(tzinfo=UTC)))
        yield Context(session, organization_id, now, test_clock is not None)
