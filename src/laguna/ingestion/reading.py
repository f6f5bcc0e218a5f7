"""Reading events back (spec 1 §1.11)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, func, select

from laguna.ingestion.identity import key_range
from laguna.kernel.context import Context
from laguna.kernel.errors import Problems, not_found
from laguna.kernel.outputs import Meta
from laguna.kernel.queries import Query, page_meta
from laguna.models import Event, EventStream, Subscription

_SHOWN = (
    Event.key,
    Event.transaction_id,
    Event.timestamp,
    Event.ingested_at,
    Event.precise_total_amount_cents,
    Event.properties,
    EventStream.code,
    EventStream.external_subscription_id,
)


async def find_event(context: Context, transaction_id: str) -> dict[str, Any]:
    """The first event with this transaction id; several subscriptions may share it. 404 `event_not_found`."""
    lowest, highest = key_range(context.organization_id, transaction_id)
    statement = (
        select(*_SHOWN)
        .join(EventStream, EventStream.id == Event.stream_id)
        .where(
            Event.key.between(lowest, highest),
            Event.transaction_id == transaction_id,
            EventStream.organization_id == context.organization_id,
        )
        .order_by(Event.ingested_at, Event.seq)
        .limit(1)
    )
    row = (await context.session.execute(statement)).mappings().one_or_none()
    if row is None:
        raise not_found("event")
    return _columns(row)


async def list_events(context: Context, query: Query) -> tuple[list[dict[str, Any]], Meta]:
    """Latest timestamp first, then by transaction id."""
    problems = Problems()
    conditions = await _conditions(context, query, problems)
    problems.check()
    total = await context.session.scalar(select(func.count()).select_from(Event).where(*conditions)) or 0
    page, per_page = query.page, query.per_page
    meta = page_meta(page, per_page, total)
    if (page - 1) * per_page >= total:
        return [], meta
    statement = (
        select(*_SHOWN)
        .join(EventStream, EventStream.id == Event.stream_id)
        .where(*conditions)
        .order_by(Event.timestamp.desc(), Event.transaction_id, Event.key)
        .limit(per_page)
        .offset((page - 1) * per_page)
    )
    rows = (await context.session.execute(statement)).mappings()
    return [_columns(row) for row in rows], meta


def _columns(row: RowMapping) -> dict[str, Any]:
    return {str(name): value for name, value in row.items()}


async def _conditions(context: Context, query: Query, problems: Problems) -> list[ColumnElement[bool]]:
    code, subscription = query.text("code"), query.text("external_subscription_id")
    earliest, latest = query.instant("timestamp_from", problems), query.instant("timestamp_to", problems)
    if query.boolean("timestamp_from_started_at"):
        if query.text("timestamp_from") is not None:
            problems.add("timestamp_from", "cannot be used with timestamp_from_started_at")
        if subscription is None:
            problems.add("external_subscription_id", "required with timestamp_from_started_at")
        else:
            earliest = await _started_at(context, subscription)
    streams = select(EventStream.id).where(EventStream.organization_id == context.organization_id)
    if code is not None:
        streams = streams.where(EventStream.code == code)
    if subscription is not None:
        streams = streams.where(EventStream.external_subscription_id == subscription)
    conditions: list[ColumnElement[bool]] = [Event.stream_id.in_(streams)]
    if earliest is not None:
        conditions.append(Event.timestamp >= earliest)
    if latest is not None:
        conditions.append(Event.timestamp <= latest)
    return conditions


async def _started_at(context: Context, external_id: str) -> datetime | None:
    """When the latest subscription with this external id started; None when none has."""
    return await context.session.scalar(
        select(Subscription.started_at)
        .where(
            Subscription.organization_id == context.organization_id,
            Subscription.external_id == external_id,
            Subscription.started_at.is_not(None),
        )
        .order_by(Subscription.started_at.desc())
        .limit(1)
    )
