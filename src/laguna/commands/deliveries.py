"""What `laguna webhooks` does on the database."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from laguna.accounts.bootstrap import UnknownOrganizationError, find_organization
from laguna.kernel.context import context_of
from laguna.kernel.db import Database
from laguna.kernel.errors import ApiError
from laguna.kernel.ids import parse_id
from laguna.kernel.queries import parse_instant
from laguna.models import Organization, WebhookDelivery, WebhookEndpoint, WebhookMessage
from laguna.supervisor import StartError
from laguna.webhooks import service
from laguna.webhooks.catalogue import WEBHOOK_TYPES
from laguna.webhooks.schemas import ReplayInput

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Listed:
    """A line of the list."""

    delivery: WebhookDelivery
    message: WebhookMessage
    webhook_url: str


def listed(database_url: str, organization: str | None, status: str, limit: int) -> list[Listed]:
    """The newest deliveries of a status; StartError where no one organization answers to the id or name."""

    async def find(session: AsyncSession) -> list[Listed]:
        owner = await _find_organization(session, organization)
        query = (
            service.deliveries_of(await context_of(session, owner.id))
            .add_columns(WebhookEndpoint.webhook_url)
            .join(WebhookEndpoint, WebhookEndpoint.id == WebhookDelivery.endpoint_id)
            .where(WebhookDelivery.status == status)
            .order_by(WebhookDelivery.id.desc())
            .limit(limit)
        )
        return [Listed(*row) for row in await session.execute(query)]

    return _run(database_url, find)


def resend(database_url: str, delivery_id: str) -> None:
    """Try one delivery again; StartError where there is none, or it has arrived."""

    async def send(session: AsyncSession) -> None:
        identifier = parse_id(delivery_id)
        found = await session.get(WebhookDelivery, identifier) if identifier else None
        if found is None:
            raise StartError(f"There is no delivery {delivery_id}.")
        try:
            await service.retry_delivery(await context_of(session, found.organization_id), found)
        except ApiError as error:
            raise StartError("It has arrived already. `laguna webhooks replay` sends messages anew.") from error

    _run(database_url, send)


def replay(database_url: str, endpoint: str, since: str, until: str | None, types: list[str] | None) -> int:
    """Send past messages to the endpoint of this id or URL; how many they are. StartError where that can't be."""
    unknown = sorted(set(types or []) - WEBHOOK_TYPES)
    if unknown:
        raise StartError(f"There is no webhook type {', '.join(unknown)}.")
    for text in filter(None, (since, until)):
        if parse_instant(text) is None:
            raise StartError(f"{text!r} is no time. Write 2024-05-01 or 2024-05-01T12:00:00Z.")
    data = ReplayInput.model_validate({"from_datetime": since, "to_datetime": until, "event_types": types or None})

    async def send(session: AsyncSession) -> int:
        found = await _find_endpoint(session, endpoint)
        return await service.replay(await context_of(session, found.organization_id), found, data)

    return _run(database_url, send)


def hmac_key(database_url: str, organization: str | None) -> str:
    """What HMAC signatures of an organization are made with; StartError as `listed`."""

    async def find(session: AsyncSession) -> str:
        return (await _find_organization(session, organization)).hmac_key

    return _run(database_url, find)


def _run(database_url: str, work: Callable[[AsyncSession], Awaitable[T]]) -> T:
    """Do `work` in one transaction."""

    async def run() -> T:
        database = Database(database_url, pool_size=1)
        try:
            async with database.session() as session:
                return await work(session)
        finally:
            await database.close()

    return asyncio.run(run())


async def _find_organization(session: AsyncSession, wanted: str | None) -> Organization:
    try:
        return await find_organization(session, wanted)
    except UnknownOrganizationError as error:
        raise StartError(f"{error}.") from error


async def _find_endpoint(session: AsyncSession, wanted: str) -> WebhookEndpoint:
    identifier: UUID | None = parse_id(wanted)
    by_url = WebhookEndpoint.webhook_url == wanted
    query = select(WebhookEndpoint).where(or_(by_url, WebhookEndpoint.id == identifier) if identifier else by_url)
    found = (await session.scalars(query.limit(2))).all()
    if len(found) != 1:
        raise StartError(f"{'No endpoint is' if not found else 'Several endpoints are'} {wanted}; name one by its id.")
    return found[0]
