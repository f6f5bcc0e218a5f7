"""unique_count_agg: how many different values are present, added and not removed since (spec 1 §§2.3, 2.4, 5.4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import groupby

from laguna.kernel.money import ZERO, round_up
from laguna.metrics.aggregations.base import (
    PRORATED_PLACES,
    Aggregate,
    Aggregation,
    Change,
    Detail,
    Prorated,
    Row,
    Shape,
)
from laguna.metrics.derivation import operation_sql, text_sql
from laguna.metrics.window import Window

_ONE = Decimal(1)


def _sql(shape: Shape) -> str:
    """Rows: value, time, arrival, whether it was added, and how many events of the period there are. Of totals the
    last of each value; where all events are one combination, and nothing has to be taken together, only how many values
    are present, and the events of the period."""
    change, value = ("value", "value_text") if shape.derived else (operation_sql("properties"), _text())
    changes = f"""
        (SELECT {change} AS change, {value} AS unique_value, {shape.combination} AS combination, timestamp, seq
            {shape.events}) AS changes"""
    if shape.detail is Detail.EVENTS:
        return f"""
            SELECT combination, unique_value, timestamp, seq, change > 0, (timestamp >= asked.from_at)::int
            FROM {changes}
            WHERE unique_value IS NOT NULL"""
    here = "FILTER (WHERE timestamp >= asked.from_at)" if shape.recurring else ""
    latest = f"""
        SELECT DISTINCT ON (combination, unique_value) combination, unique_value, timestamp, seq, change > 0 AS added,
            count(*) {here} OVER (PARTITION BY combination, unique_value ORDER BY timestamp DESC, seq DESC
                ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS events
        FROM {changes}
        WHERE unique_value IS NOT NULL
        ORDER BY combination, unique_value, timestamp DESC, seq DESC"""
    if shape.keys:
        return latest
    return f"""
        SELECT combination, count(*) FILTER (WHERE added), sum(events)::bigint FROM ({latest}) AS latest
        GROUP BY combination"""


def _text() -> str:
    return text_sql("properties", "asked.field_name")


def _combine(shape: Shape, rows: Sequence[Row], window: Window) -> Aggregate:
    """Present is a value whose last event is an add: an add of a present one and a leading remove change nothing.

    All events of the period are counted (W16); an amount per event is due for those that are a unit (W33).
    """
    if not shape.keys and shape.detail is not Detail.EVENTS:
        present = sum(count for count, _ in rows)
    else:
        present = _present(rows)
    return Aggregate(ZERO + present, sum(row[-1] for row in rows), paying_events=present)


def _present(rows: Sequence[Row]) -> int:
    last: dict[str, tuple[datetime, int, bool]] = {}
    for value, timestamp, seq, added, _ in rows:
        known = last.get(value)
        if known is None or known[:2] < (timestamp, seq):
            last[value] = (timestamp, seq, added)
    return sum(added for _, _, added in last.values())


@dataclass(frozen=True, slots=True)
class _Presence:
    """When a value was added and removed again; None while it is present. `days` of the window it was there."""

    added_at: datetime
    removed_at: datetime | None
    days: int


def _prorate(rows: Sequence[Row], window: Window) -> Prorated:
    """Each value for the days that it was present in the window, the first and the last included.

    31 days: one value from before and one added on the 11th are 1 + 21/31 = 1.67742 units.
    """
    history = sorted(rows, key=lambda row: (row[0], row[1], row[2]))
    presences = [
        presence
        for _, changes in groupby(history, key=lambda row: row[0])
        for presence in _presences(list(changes), window)
    ]
    units = round_up(Decimal(sum(presence.days for presence in presences)) / window.full_days, PRORATED_PLACES)
    return Prorated(units, ZERO + _present(rows), sum(row[-1] for row in rows), _changes(presences, window))


def _presences(changes: Sequence[Row], window: Window) -> Iterator[_Presence]:
    """Of one value. A removal that is taken back on the same day never was (spec 1 §5.4)."""
    added_at: datetime | None = None
    for position, (_, timestamp, _, added, _) in enumerate(changes):
        if added:
            added_at = added_at or timestamp
        elif added_at is not None and not _taken_back(changes[position:], window):
            yield _presence(added_at, timestamp, window)
            added_at = None
    if added_at is not None:
        yield _presence(added_at, None, window)


def _taken_back(changes: Sequence[Row], window: Window) -> bool:
    """Whether the value is added again on the day of the first of its changes."""
    day = window.day(changes[0][1])
    for _, timestamp, _, added, _ in changes[1:]:
        if window.day(timestamp) != day:
            return False
        if added:
            return True
    return False


def _presence(added_at: datetime, removed_at: datetime | None, window: Window) -> _Presence:
    first = max(window.day(added_at), window.first_day)
    last = window.last_day if removed_at is None else min(window.day(removed_at), window.last_day)
    return _Presence(added_at, removed_at, max((last - first).days + 1, 0))


def _changes(presences: Sequence[_Presence], window: Window) -> list[Change]:
    """What was added and removed, by time; what was gone before the window is left out as a whole."""
    dated: list[tuple[datetime, Change]] = []
    for presence in presences:
        if presence.days:
            dated.append((presence.added_at, Change(_ONE, Decimal(presence.days) / window.full_days)))
            if presence.removed_at is not None:
                dated.append((presence.removed_at, Change(-_ONE, ZERO)))
    return [change for _, change in sorted(dated, key=lambda item: item[0])]


UNIQUE_COUNT = Aggregation(_sql, _combine, _prorate)
