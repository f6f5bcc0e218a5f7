"""What charges lose when a metric declares fewer values (spec 1 §2.7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from laguna.kernel.context import Context
from laguna.models import Charge, ChargeFilter

ALL_VALUES = "__ALL_FILTER_VALUES__"  # of a charge filter: every value that the metric declares


def trimmed(values: Mapping[str, Sequence[str]], declared: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """A charge filter's values as far as they are still declared; a key without any is gone.

    The marker for all values stays as long as its key does. Pure.
    """
    kept: dict[str, list[str]] = {}
    for key, texts in values.items():
        if key not in declared:
            continue
        known = set(declared[key])
        left = list(texts) if list(texts) == [ALL_VALUES] else [text for text in texts if text in known]
        if left:
            kept[key] = left
    return kept


async def trim_charge_filters(context: Context, metric_id: UUID, declared: Mapping[str, Sequence[str]]) -> None:
    """Take what the metric no longer declares from the filters of all charges on it; empty ones are removed."""
    query = (
        select(ChargeFilter.id, ChargeFilter.values)
        .join(Charge, Charge.id == ChargeFilter.charge_id)
        .where(
            Charge.organization_id == context.organization_id,
            Charge.billable_metric_id == metric_id,
            Charge.deleted_at.is_(None),
            ChargeFilter.deleted_at.is_(None),
        )
    )
    rows: list[dict[str, Any]] = []
    for filter_id, values in await context.session.execute(query):
        left = trimmed(values, declared)
        if left != values:
            gone: datetime | None = None if left else context.now
            rows.append({"id": filter_id, "values": left or values, "updated_at": context.now, "deleted_at": gone})
    if rows:
        await context.session.execute(update(ChargeFilter), rows)
