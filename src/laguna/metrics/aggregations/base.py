"""What an aggregation is: SQL that condenses events, and pure functions that make units of its rows (spec 1 §2.3).

The SQL answers one question about one metric, and groups by the values that some properties of the events have, the
`combination`. Which combinations a charge filter or a pricing group takes together is decided outside of it; the rows
of those come back here to be made one aggregate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

from laguna.kernel.money import ZERO
from laguna.metrics.derivation import number_sql, scalar_sql
from laguna.metrics.window import Window
from laguna.models.event import LANE_SHIFT

Row = Sequence[Any]  # of an aggregation's SQL, after the combination
# `known.limits` is the last arrival that counts of each lane, lane 0 first; what came later isn't known yet
_EVENTS = f"FROM events WHERE stream_id = stream.id AND seq <= known.limits[(seq >> {LANE_SHIFT})::int + 1]"
PRORATED_PLACES = 5  # decimals of prorated units, rounded up


class Detail(Enum):
    """How much of the events is wanted."""

    TOTALS = "totals"
    AMOUNTS = "amounts"  # totals, with what the events say that they cost
    EVENTS = "events"  # each event of the period


@dataclass(frozen=True, slots=True)
class Shape:
    """What the text of a statement depends on: one statement is run for each shape among the queries.

    `derived`: the events carry their values, which an index holds. `recurring`: what came before the period counts.
    `keys`: how many properties make a combination.
    """

    aggregation_type: str
    derived: bool
    recurring: bool
    detail: Detail
    keys: int

    @property
    def number(self) -> str:
        """SQL of an event's number."""
        return "value" if self.derived else number_sql("properties", "asked.field_name")

    @property
    def combination(self) -> str:
        """SQL of the array of property values; a property that is missing, empty or nested is NULL."""
        values = ", ".join(scalar_sql("properties", f"asked.key_{position}") for position in range(self.keys))
        return f"ARRAY[{values}]::text[]"

    @property
    def events(self) -> str:
        """SQL of the events that count."""
        return f"{_EVENTS} AND timestamp < asked.to_at" if self.recurring else self.of_period

    @property
    def of_period(self) -> str:
        return f"{_EVENTS} AND timestamp >= asked.from_at AND timestamp < asked.to_at"

    @property
    def before_period(self) -> str:
        return f"{_EVENTS} AND timestamp < asked.from_at"


@dataclass(frozen=True, slots=True)
class Aggregate:
    """Usage of one bucket, not rounded. `values` and `amount_cents` only where they were asked for.

    `total_units`: what fees show as aggregated; the units where it is None. `paying_events`: how many of the events an
    amount per event is due for; all of them where it is None.
    """

    units: Decimal = ZERO
    events_count: int = 0
    total_units: Decimal | None = None
    paying_events: int | None = None
    values: Sequence[Decimal] = ()
    amount_cents: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Change:
    """A change of what is held: `full` units, of which `prorated` are to be paid in the period."""

    full: Decimal
    prorated: Decimal


@dataclass(frozen=True, slots=True)
class Prorated:
    """Usage of one bucket by the day. `units` are to be paid, `full_units` are held at the end (spec 1 §5)."""

    units: Decimal
    full_units: Decimal
    events_count: int
    changes: Sequence[Change]


@dataclass(frozen=True, slots=True)
class Aggregation:
    """One way to make units of events. `prorate` is absent where units don't last, `deciding` where all rows have a
    part in the units: it gives the one that makes them."""

    sql: Callable[[Shape], str]
    combine: Callable[[Shape, Sequence[Row], Window], Aggregate]
    prorate: Callable[[Sequence[Row], Window], Prorated] | None = None
    deciding: Callable[[Sequence[Row]], Row] | None = None


def numbers(shape: Shape, columns: str, *, rest: str = "") -> str:
    """SQL: `columns` of the numeric events by combination, the others left out (spec 1 §1.9)."""
    return f"""
        SELECT combination, {columns}
        FROM (SELECT {shape.number} AS number, {shape.combination} AS combination, timestamp, seq{rest} {shape.events})
            AS numbers
        WHERE number IS NOT NULL
        GROUP BY combination"""
