"""`events.errors`: once an hour, the events of the hour before that could not be used (spec 1 §1.9, CLK-7).

The writer notes which events are faulty as it stores them, in the same transaction; the hour's report looks at those
again, by the metrics as they are then, tells what is wrong, and forgets them, all in one transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from laguna.ingestion.hints import METRICS, Catalog, catalogs_of
from laguna.kernel import timers
from laguna.kernel.context import Context
from laguna.kernel.db import connection_of
from laguna.kernel.outputs import Output
from laguna.metrics.faults import INVALID_CODE, INVALID_FILTER_VALUES, MISSING_PROPERTY, faults
from laguna.webhooks.outbox import emit, is_listened_to

WEBHOOK, OBJECT = "events.errors", "events_errors"
NOTED_MAX = 1_000  # of an organization and hour by one writer: the first ones tell what is wrong
_HOUR = timedelta(hours=1)
_MINUTES_AFTER = timedelta(minutes=5)

Note = tuple[UUID, str, datetime]  # organization, event key, when to report it


class EventsErrorsObject(Output):
    """Transaction ids. `missing_aggregation_properties` is what Lago's Go client reads (spec 0 §20)."""

    invalid_code: list[str]
    missing_aggregation_property: list[str]
    missing_aggregation_properties: list[str]
    missing_group_key: None
    invalid_filter_values: list[str]


def reported_at(received: datetime) -> datetime:
    """Five minutes after the full hour: 10:00 and 10:59 -> 11:05."""
    return received.replace(minute=0, second=0, microsecond=0) + _HOUR + _MINUTES_AFTER


class Notes:
    """What a writer notes: of each organization the first faulty events of an hour."""

    def __init__(self) -> None:
        self._counts: dict[UUID, tuple[datetime, int]] = {}

    def of(self, organization_id: UUID, keys: Sequence[str], received: datetime) -> list[Note]:
        report_at = reported_at(received)
        known_at, count = self._counts.get(organization_id, (report_at, 0))
        if known_at != report_at:
            count = 0
        kept = keys[: max(NOTED_MAX - count, 0)]
        self._counts[organization_id] = (report_at, count + len(kept))
        return [(organization_id, key, report_at) for key in kept]


_DUE = """
    SELECT o.id AS organization_id, noted.report_at AS due_at, o.id AS item_id
    FROM organizations AS o CROSS JOIN LATERAL (
        SELECT report_at FROM faulty_events WHERE organization_id = o.id ORDER BY report_at LIMIT 1) AS noted
"""
_TAKEN = text(
    """
    WITH taken AS (
        DELETE FROM faulty_events WHERE organization_id = :organization_id AND report_at <= :due_at RETURNING key)
    SELECT event.transaction_id, stream.code, event.properties
    FROM taken JOIN events AS event ON event.key = taken.key JOIN event_streams AS stream ON stream.id = event.stream_id
    ORDER BY event.seq
    """
)


async def report_due(context: Context, due_at: datetime, _: Sequence[UUID]) -> None:
    """Tell of the faulty events of the hours before, if any is still faulty and somebody listens."""
    rows = await context.session.execute(_TAKEN, {"organization_id": context.organization_id, "due_at": due_at})
    taken = [(row.transaction_id, row.code, row.properties) for row in rows]
    if not taken or not await is_listened_to(context, WEBHOOK):
        return
    found = _sorted(await _catalog(context), taken)
    if not any(found.values()):
        return

    async def render() -> list[tuple[UUID, EventsErrorsObject]]:
        return [(context.organization_id, _object(found))]

    await emit(context, WEBHOOK, OBJECT, render)


async def _catalog(context: Context) -> Catalog:
    connection = await connection_of(context.session)
    cursor = await connection.execute(METRICS.encode(), [[context.organization_id]])
    return catalogs_of({context.organization_id: 0}, await cursor.fetchall(), watched=())[context.organization_id]


def _sorted(catalog: Catalog, events: Iterable[tuple[str, str, Mapping[str, Any]]]) -> dict[str, list[str]]:
    """Transaction ids by what is wrong, each once."""
    found: dict[str, dict[str, None]] = {name: {} for name in (INVALID_CODE, MISSING_PROPERTY, INVALID_FILTER_VALUES)}
    for transaction_id, code, properties in events:
        for name in faults(catalog.metrics.get(code), catalog.filters.get(code, {}), properties):
            found[name][transaction_id] = None
    return {name: list(ids) for name, ids in found.items()}


def _object(found: Mapping[str, list[str]]) -> EventsErrorsObject:
    return EventsErrorsObject(
        invalid_code=found[INVALID_CODE],
        missing_aggregation_property=found[MISSING_PROPERTY],
        missing_aggregation_properties=found[MISSING_PROPERTY],
        missing_group_key=None,
        invalid_filter_values=found[INVALID_FILTER_VALUES],
    )


REPORTS = timers.register(timers.Timer(name="report_faulty_events", rank=70, due=_DUE, run=report_due))
