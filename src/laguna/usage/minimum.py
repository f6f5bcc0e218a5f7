"""The spending minimum of a charge: what is missing to it is a fee of its own, the true-up (spec 1 §3.12). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from laguna.kernel.money import ZERO, round_cents, subunits
from laguna.metrics.window import Window
from laguna.pricing.models import FeeAmounts
from laguna.usage.rating import RatedLine


@dataclass(frozen=True, slots=True)
class TrueUp:
    """What is missing to the minimum. `parent` is the line of the charge that it belongs to."""

    parent: RatedLine
    amounts: FeeAmounts
    used_cents: int
    precise_used_cents: Decimal


def true_up(lines: Sequence[RatedLine], window: Window, currency: str) -> TrueUp | None:
    """The true-up of one charge, given all of its lines; None where the minimum for the days is reached.

    A minimum of 1000 in 31 days, 200 used in 15 of them: 483.87 - 200 = 284 cents.
    """
    minimum = Decimal(lines[0].charge.min_amount_cents) * window.days / window.full_days
    used = sum(line.amounts.amount_cents for line in lines)
    if used >= minimum:
        return None
    amount = round_cents(minimum - used)
    precise_used = sum((line.amounts.precise_amount_cents for line in lines), ZERO)
    amounts = FeeAmounts(
        units=Decimal(1),
        amount_cents=amount,
        precise_amount_cents=minimum - precise_used,
        precise_unit_amount=Decimal(amount) / subunits(currency),
        unit_amount_cents=amount,
    )
    parent = next(line for line in lines if line.filter is None)
    return TrueUp(parent, amounts, used, precise_used)
