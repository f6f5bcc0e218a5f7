"""Use cases of webhook endpoints and their deliveries (spec 0 §§17, 18)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import Select, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from laguna.kernel.clock import system_now
from laguna.kernel.context import Context
from laguna.kernel.errors import Problems, not_allowed, not_found
from laguna.kernel.rows import living, refuse_taken
from laguna.models import Organization, ServerSecret, WebhookDelivery, WebhookEndpoint, WebhookMessage
from laguna.webhooks.catalogue import WEBHOOK_TYPES
from laguna.webhooks.outbox import CHANNEL, RETRIED_FOR, delivery_rows, insert_deliveries
from laguna.webhooks.schemas import ReplayInput, WebhookEndpointInput
from laguna.webhooks.signing import Signer, load_private_key, new_private_key

ENDPOINTS_MAX = 10
URL_MAX = 2000
KEY_NAME = "webhook_signing_key"


async def create_endpoint(
    context: Context, data: WebhookEndpointInput, raw_types: object, problems: Problems
) -> WebhookEndpoint:
    """A new endpoint; `raw_types` is what the client sent as `event_types`, whatever its shape."""
    # one at a time, so that two requests don't both find room for the last endpoint
    await context.session.get_one(Organization, context.organization_id, with_for_update=True)
    problems.mandatory(data.given(), ("webhook_url",))
    endpoint = WebhookEndpoint(
        organization_id=context.organization_id, signature_algo="jwt", created_at=context.now, updated_at=context.now
    )
    await _check(context, data, raw_types, problems, None)
    count = select(func.count()).where(WebhookEndpoint.organization_id == context.organization_id)
    if (await context.session.scalar(count) or 0) >= ENDPOINTS_MAX:
        problems.add("base", "Maximum number of webhook endpoints was reached")
    problems.check()
    _assign(endpoint, data.given())
    context.session.add(endpoint)
    await context.session.flush()
    return endpoint


async def update_endpoint(
    context: Context, endpoint: WebhookEndpoint, data: WebhookEndpointInput, raw_types: object, problems: Problems
) -> None:
    values = data.given()
    if "webhook_url" in values:
        problems.mandatory(values, ("webhook_url",))
    await _check(context, data, raw_types, problems, endpoint.id)
    problems.check()
    _assign(endpoint, values)
    endpoint.updated_at = context.now
    await context.session.flush()


async def _check(
    context: Context, data: WebhookEndpointInput, raw_types: object, problems: Problems, but: UUID | None
) -> None:
    if data.webhook_url and "webhook_url" not in problems:
        if not is_url(data.webhook_url):
            problems.add("webhook_url", "url_is_invalid")
        else:
            await refuse_taken(context, problems, WebhookEndpoint, "webhook_url", data.webhook_url, but)
    if raw_types is not None and not isinstance(raw_types, list):
        problems.add("event_types", "must_be_array")
    unknown = [name for name in _normalized(data.event_types or []) or [] if name not in WEBHOOK_TYPES]
    if unknown:
        listed = ", ".join(f'"{name}"' for name in unknown)
        problems.add("event_types", f"contains invalid types: [{listed}]")


def is_url(value: str) -> bool:
    """An http or https URL with a host."""
    try:
        parts = urlsplit(value)
        return (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and (parts.port is None or parts.port > 0)
            and len(value) <= URL_MAX
            and value.isascii()
            and not any(character.isspace() for character in value)
        )
    except ValueError:
        return False


def _normalized(event_types: list[str] | None) -> list[str] | None:
    """Trimmed, lower case, each once; all of them is null (spec 0 §17)."""
    if event_types is None:
        return None
    names = list(dict.fromkeys(name.strip().lower() for name in event_types))
    return None if names == ["*"] else names


def _assign(endpoint: WebhookEndpoint, values: Mapping[str, Any]) -> None:
    for field in ("webhook_url", "name"):
        if field in values:
            setattr(endpoint, field, values[field])
    if values.get("signature_algo"):
        endpoint.signature_algo = values["signature_algo"]
    if "event_types" in values:
        endpoint.event_types = _normalized(values["event_types"])


async def set_first_url(context: Context, url: str | None, problems: Problems) -> None:
    """`webhook_url` of the organization: the URL of its first endpoint, made or removed with it (spec 4 §1.2)."""
    query = living(context, WebhookEndpoint).order_by(WebhookEndpoint.created_at, WebhookEndpoint.id).limit(1)
    first = (await context.session.scalars(query)).one_or_none()
    if not url:
        if first is not None:
            await context.session.delete(first)
        return
    data = WebhookEndpointInput(webhook_url=url)
    if first is None:
        await create_endpoint(context, data, None, problems)
    else:
        await update_endpoint(context, first, data, None, problems)


async def urls_of(context: Context) -> list[str]:
    """The URLs of all endpoints, oldest first."""
    query = (
        select(WebhookEndpoint.webhook_url)
        .where(WebhookEndpoint.organization_id == context.organization_id)
        .order_by(WebhookEndpoint.created_at, WebhookEndpoint.id)
    )
    return list((await context.session.scalars(query)).all())


# --- the log of deliveries


def deliveries_of(context: Context) -> Select[WebhookDelivery, WebhookMessage]:
    return (
        select(WebhookDelivery, WebhookMessage)
        .join(WebhookMessage, WebhookMessage.id == WebhookDelivery.message_id)
        .where(WebhookDelivery.organization_id == context.organization_id)
    )


async def find_delivery(context: Context, delivery_id: UUID | None) -> tuple[WebhookDelivery, WebhookMessage]:
    row = (await context.session.execute(deliveries_of(context).where(WebhookDelivery.id == delivery_id))).one_or_none()
    if row is None:
        raise not_found("webhook_delivery")
    return row[0], row[1]


async def retry_delivery(context: Context, delivery: WebhookDelivery) -> None:
    """Try again at once, and go on for three days; 405 `is_succeeded` for one that has arrived."""
    await context.session.refresh(delivery, with_for_update=True)
    if delivery.status == "succeeded":
        raise not_allowed("is_succeeded")
    now = system_now()
    if delivery.status == "failed":
        delivery.status = "retrying"
    delivery.next_attempt_at, delivery.expires_at = now, max(delivery.expires_at, now + RETRIED_FOR)
    await context.session.flush()
    await context.session.execute(text("SELECT pg_notify(:channel, '')"), {"channel": CHANNEL})


async def replay(context: Context, endpoint: WebhookEndpoint, data: ReplayInput) -> int:
    """Send past messages to an endpoint again, as new deliveries in their old order; how many they are."""
    query = (
        select(WebhookMessage.id, WebhookMessage.object_id)
        .where(WebhookMessage.organization_id == context.organization_id)
        .order_by(WebhookMessage.created_at, WebhookMessage.id)
    )
    if data.from_datetime is not None:
        query = query.where(WebhookMessage.created_at >= data.from_datetime)
    if data.to_datetime is not None:
        query = query.where(WebhookMessage.created_at <= data.to_datetime)
    types = _normalized(data.event_types)
    if types is not None:
        query = query.where(WebhookMessage.webhook_type.in_(types))
    queued_at = system_now()
    rows = [
        row
        for message_id, object_id in (await context.session.execute(query)).all()
        for row in delivery_rows(context.organization_id, [endpoint.id], message_id, object_id, queued_at)
    ]
    if rows:
        await insert_deliveries(context.session, rows)
    return len(rows)


# --- the server's key


async def signer(session: AsyncSession, issuer: str) -> Signer:
    """The server's signer; its key is made at first need and shared by all processes through the database."""
    query = select(ServerSecret.value).where(ServerSecret.name == KEY_NAME)
    pem: str | None = await session.scalar(query)
    if pem is None:
        row = {"name": KEY_NAME, "value": new_private_key()}
        await session.execute(insert(ServerSecret).values(row).on_conflict_do_nothing())
        pem = await session.scalar(query)
    assert pem is not None
    return Signer(load_private_key(pem), issuer)
