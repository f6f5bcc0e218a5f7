"""What goes into a charge model and what comes out. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from laguna.kernel.money import ZERO


@dataclass(frozen=True, slots=True)
class Usage:
    """Aggregated and rounded usage of one bucket or group in a period."""

    units: Decimal
    events_count: int = 0


@dataclass(frozen=True, slots=True)
class Price:
    """What usage costs in major units, unrounded. `details` explain it: the API's `amount_details`, JSON-storable."""

    amount: Decimal
    unit_amount: Decimal
    details: dict[str, Any] = field(default_factory=dict[str, Any])


def per_unit(amount: Decimal, units: Decimal) -> Decimal:
    """The share of one unit; 0 where there are no units to share between (spec 1 §3.9)."""
    return amount / units if units else ZERO
