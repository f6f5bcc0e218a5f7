"""The job that derives a metric's values of the events that came before it.

Until it is done the metric's `values_ready` is false, and aggregation reads the properties of its events.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from laguna.kernel.context import Context
from laguna.kernel.jobs import job
from laguna.metrics.derivation import derived_sql

PAGE_ROWS = 5_000
STREAMS_AT_ONCE = 500
_BEFORE_ALL = (0, datetime(1, 1, 1, tzinfo=UTC), -1)


@dataclass(frozen=True, slots=True)
class _Definition:
    """What an event's derived values depend on."""

    code: str
    aggregation_type: str
    field_name: str | None


_DEFINITION = """
    SELECT code, aggregation_type, field_name FROM billable_metrics
    WHERE id = :metric_id AND organization_id = :organization_id AND deleted_at IS NULL
"""

_STREAMS = text(
    """
    SELECT id FROM event_streams
    WHERE organization_id = :organization_id AND code = :code AND id > :after ORDER BY id LIMIT :limit
    """
)

_PAGE = """
    WITH page AS (
        SELECT key, stream_id, timestamp, seq FROM events
        WHERE stream_id = ANY(:streams) AND (stream_id, timestamp, seq) > (:stream_id, :timestamp, :seq)
        ORDER BY stream_id, timestamp, seq LIMIT :limit
    ), filled AS (
        UPDATE events SET value = {value}, value_text = {value_text}
        FROM page
        WHERE events.key = page.key
            AND (events.value, events.value_text) IS DISTINCT FROM ({value}, {value_text})
    )
    SELECT stream_id, timestamp, seq FROM page ORDER BY stream_id DESC, timestamp DESC, seq DESC LIMIT 1
"""


async def _definition(session: AsyncSession, context: Context, metric_id: UUID, lock: str) -> _Definition | None:
    parameters = {"metric_id": metric_id, "organization_id": context.organization_id}
    row = (await session.execute(text(f"{_DEFINITION} {lock}"), parameters)).one_or_none()
    return _Definition(*row) if row is not None else None


@job("fill_event_values")
async def fill_event_values(context: Context, metric_id: str) -> None:
    """Derive again what the metric's events carry, then say that the columns may be read.

    Safe to repeat: only rows that differ are written, page by page, each in a transaction of its own that first makes
    sure the metric is still the same and keeps it so. Of a metric that changed meanwhile the job of that change does
    the work; one that vanished needs none.
    """
    identifier = UUID(metric_id)
    definition = await _definition(context.session, context, identifier, "")
    if definition is None:
        return
    streams = [0]
    while streams := await _streams_after(context, definition, streams[-1]):
        if not await _fill(context, identifier, definition, streams):
            return
    if await _definition(context.session, context, identifier, "FOR NO KEY UPDATE") == definition:
        await context.session.execute(
            text("UPDATE billable_metrics SET values_ready = true WHERE id = :id"), {"id": identifier}
        )


async def _streams_after(context: Context, definition: _Definition, after: int) -> list[int]:
    parameters = {
        "organization_id": context.organization_id,
        "code": definition.code,
        "after": after,
        "limit": STREAMS_AT_ONCE,
    }
    return list(await context.session.scalars(_STREAMS, parameters))


async def _fill(context: Context, metric_id: UUID, definition: _Definition, streams: list[int]) -> bool:
    """Derive for the events of these streams; False when the metric is no longer the one defined."""
    engine = context.session.bind
    assert isinstance(engine, AsyncEngine)
    value, value_text = derived_sql(definition.aggregation_type, "events.properties", "CAST(:field AS text)")
    page = text(_PAGE.format(value=value, value_text=value_text))
    place: tuple[int, datetime, int] | None = _BEFORE_ALL
    while place is not None:
        async with AsyncSession(engine) as session, session.begin():
            if await _definition(session, context, metric_id, "FOR SHARE") != definition:
                return False
            parameters = {
                "streams": streams,
                "field": definition.field_name,
                "stream_id": place[0],
                "timestamp": place[1],
                "seq": place[2],
                "limit": PAGE_ROWS,
            }
            row = (await session.execute(page, parameters)).one_or_none()
            place = (row.stream_id, row.timestamp, row.seq) if row is not None else None
    return True
