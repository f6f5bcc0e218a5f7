"""What goes into a charge model and what comes out. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Flag, auto
from typing import Any

from laguna.kernel.money import ZERO


class Reads(Flag):
    """What a charge model reads of usage besides the units and how many events made them."""

    UNITS = 0
    VALUES = auto()  # the value of each event of the period
    AMOUNTS = auto()  # what the events say that they cost


@dataclass(frozen=True, slots=True)
class Step:
    """One change of what is held, for a prorated charge: `full` units, of which `prorated` are to be paid."""

    full: Decimal
    prorated: Decimal


@dataclass(frozen=True, slots=True)
class Usage:
    """Aggregated and rounded usage of one bucket or group in a period.

    `events_count` are the events that an amount per event is due for.
    `units` are those to be paid. Of a prorated charge `full_units` are those held, and `steps` the changes that led
    there, by time, what was carried over from before the period as the first (spec 1 §5.7). `values` are those of the
    period's events, by time: given to models that read them, of sum_agg only. `total_amount` is in major units, what
    the events say that they cost. `aggregation_type` tells how units came from events.
    """

    units: Decimal
    events_count: int = 0
    aggregation_type: str = "sum_agg"
    full_units: Decimal | None = None
    steps: Sequence[Step] | None = None
    values: Sequence[Decimal] = ()
    total_amount: Decimal = ZERO

    @property
    def held(self) -> Decimal:
        """The full units: they choose a volume tier and divide the amount of a prorated charge."""
        return self.units if self.full_units is None else self.full_units


@dataclass(frozen=True, slots=True)
class Price:
    """What usage costs in major units, unrounded. `details` explain it: the API's `amount_details`, JSON-storable."""

    amount: Decimal
    unit_amount: Decimal
    details: dict[str, Any] = field(default_factory=dict[str, Any])


def per_unit(amount: Decimal, units: Decimal) -> Decimal:
    """The share of one unit; 0 where there are no units to share between (spec 1 §3.9)."""
    return amount / units if units else ZERO
