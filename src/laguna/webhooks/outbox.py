"""The outbox: what is to be sent is written in the transaction that causes it (spec 0 §18)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import any_, literal, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from laguna.kernel.clock import system_now
from laguna.kernel.context import Context
from laguna.kernel.db import copy_rows
from laguna.kernel.ids import new_id
from laguna.kernel.outputs import Output, to_json
from laguna.models import WebhookEndpoint

CHANNEL = "laguna_webhooks"
RETRIED_FOR = timedelta(days=3)

Render = Callable[[], Awaitable[Sequence[tuple[UUID, Output]]]]

_MESSAGE_COLUMNS = ("id", "organization_id", "created_at", "webhook_type", "object_type", "object_id", "payload")
_DELIVERY_COLUMNS = (
    "id", "organization_id", "endpoint_id", "message_id", "object_id", "status", "attempts", "queued_at",
    "expires_at", "next_attempt_at",
)  # fmt: skip


async def emit(context: Context, webhook_types: str | Sequence[str], object_type: str, render: Render) -> None:
    """Say that something happened to each of the objects that `render` gives, one message for each type.

    They are rendered only if an endpoint listens, now, as they are in this transaction; retries send the same text.
    """
    types = [webhook_types] if isinstance(webhook_types, str) else webhook_types
    listeners = {webhook_type: await _listeners(context, webhook_type) for webhook_type in types}
    if not any(listeners.values()):
        return
    objects = await render()
    messages: list[tuple[object, ...]] = []
    deliveries: list[tuple[object, ...]] = []
    queued_at = system_now()
    for object_id, value in objects:
        for webhook_type, endpoint_ids in listeners.items():
            if not endpoint_ids:
                continue
            message_id = new_id()
            payload = payload_of(context.organization_id, webhook_type, object_type, value)
            messages.append(
                (message_id, context.organization_id, context.now, webhook_type, object_type, object_id, payload)
            )
            deliveries += delivery_rows(context.organization_id, endpoint_ids, message_id, object_id, queued_at)
    if messages:
        await copy_rows(context.session, "webhook_messages", _MESSAGE_COLUMNS, messages)
        await insert_deliveries(context.session, deliveries)


async def is_listened_to(context: Context, webhook_type: str) -> bool:
    """Whether an endpoint wants this type: for work that is done only to tell of it."""
    return bool(await _listeners(context, webhook_type))


def payload_of(organization_id: UUID, webhook_type: str, object_type: str, value: Output) -> str:
    """The body of a message: compact JSON, keys in this order, nothing escaped that needs no escape (spec 0 §19)."""
    start = f'{{"webhook_type":"{webhook_type}","object_type":"{object_type}","organization_id":"{organization_id}"'
    return f'{start},"{object_type}":{to_json(value).decode()}}}'


def delivery_rows(
    organization_id: UUID, endpoint_ids: Iterable[UUID], message_id: UUID, object_id: UUID, queued_at: datetime
) -> list[tuple[object, ...]]:
    """Rows of the outbox that send one message to endpoints, from now on and for three days."""
    return [
        (
            new_id(),
            organization_id,
            endpoint_id,
            message_id,
            object_id,
            "pending",
            0,
            queued_at,
            queued_at + RETRIED_FOR,
            queued_at,
        )
        for endpoint_id in endpoint_ids
    ]


async def insert_deliveries(session: AsyncSession, rows: Sequence[tuple[object, ...]]) -> None:
    """Write rows of the outbox, and wake the senders at commit."""
    await copy_rows(session, "webhook_deliveries", _DELIVERY_COLUMNS, rows)
    await session.execute(text("SELECT pg_notify(:channel, '')"), {"channel": CHANNEL})


async def _listeners(context: Context, webhook_type: str) -> list[UUID]:
    query = (
        select(WebhookEndpoint.id)
        .where(
            WebhookEndpoint.organization_id == context.organization_id,
            or_(WebhookEndpoint.event_types.is_(None), literal(webhook_type) == any_(WebhookEndpoint.event_types)),
        )
        .order_by(WebhookEndpoint.id)
    )
    return list((await context.session.scalars(query)).all())
