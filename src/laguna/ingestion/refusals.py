"""All the errors of a batch that is refused before any transaction looks at it (spec 1 §1.6)."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import text

from laguna.ingestion.computing import computed, failure_text
from laguna.ingestion.decoding import InvalidEventsError
from laguna.ingestion.rendering import unix_ms
from laguna.kernel.context import context_of
from laguna.kernel.db import Database
from laguna.kernel.errors import ApiError, validation
from laguna.metrics.expressions import EvaluationError, parse

EXPRESSIONS = text(
    """
    SELECT code, expression FROM billable_metrics
    WHERE organization_id = :organization_id AND code = ANY(:codes) AND expression IS NOT NULL AND deleted_at IS NULL
    """
)


async def with_failures(database: Database, organization_id: UUID, error: InvalidEventsError) -> ApiError:
    """The errors known, and for the other events those of the expressions as they are now."""
    others = {index: event for index, event in enumerate(error.events) if index not in error.wrong}
    parameters = {"organization_id": organization_id, "codes": list({event.code for event in others.values()})}
    async with database.session() as session:
        received_ms = unix_ms((await context_of(session, organization_id)).now)
        expressions = {code: parse(source) for code, source in await session.execute(EXPRESSIONS, parameters)}
    wrong: dict[int, Any] = dict(error.wrong)
    for index, event in others.items():
        if event.code in expressions:
            try:
                timestamp_ms = event.timestamp if event.timestamp is not None else received_ms
                computed(expressions[event.code], None, event, timestamp_ms)
            except EvaluationError as failure:
                wrong[index] = failure_text(failure)
    return validation({str(index): wrong[index] for index in sorted(wrong)})
