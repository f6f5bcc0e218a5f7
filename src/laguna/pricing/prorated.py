"""Graduated prices of units that are paid by the day (spec 1 §5.7). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from laguna.kernel.money import ZERO, round_half_up
from laguna.pricing.price import Step
from laguna.pricing.tiers import Tier

_PLACES = 20  # decimals that intermediate results keep (spec 1 §0.1)
_LARGE = 50  # digits before the point beyond which there is no room for that many


def graduated_amount(steps: Sequence[Step], tiers: Sequence[Tier]) -> Decimal:
    """Each change fills the tiers from where the ones before it ended, at the part of its price that it is to pay.

    0-5 @10+100, 6-∞ @5+50: +5 for 0.7 of the period and -2 for half of it cost 35 - 10 + 100 = 125. A tier's flat
    amount is due once it was reached; with nothing to pay in all only the first one's. Who holds less than nothing in
    the end pays nothing.
    """
    amount = held = most = ZERO
    for step in steps:
        if _changes_nothing(step, held):
            continue
        low, high = sorted((held, held + step.full))
        amount += _between(low, high, tiers) * step.prorated / abs(step.full)
        held += step.full
        most = max(most, held)
    if held < 0:
        return ZERO
    if not _settled(sum((step.prorated for step in steps), ZERO)):
        return tiers[0].flat_amount
    return max(_settled(amount), ZERO) + _flat_amounts(most, tiers)


def _settled(value: Decimal) -> Decimal:
    """Without what divisions left behind: thirds that cancel out are nothing, and half a cent stays half a cent."""
    return value if value.adjusted() >= _LARGE else round_half_up(value, _PLACES)


def _changes_nothing(step: Step, held: Decimal) -> bool:
    """An add that was gone before the period, and a removal of what isn't held."""
    if not step.full:
        return True
    return not step.prorated and (step.full > 0 or held + step.full < 0)


def _between(low: Decimal, high: Decimal, tiers: Sequence[Tier]) -> Decimal:
    """What the units from one place on the axis to another cost in full; below 0 they are the first tier's."""
    cost = ZERO
    bottom: Decimal | None = None
    for tier in tiers:
        top = high if tier.to_value is None else min(high, Decimal(tier.to_value))
        start = low if bottom is None else max(low, bottom)
        if top > start:
            cost += (top - start) * tier.per_unit_amount
        if tier.to_value is None:
            break
        bottom = Decimal(tier.to_value)
    return cost


def _flat_amounts(most: Decimal, tiers: Sequence[Tier]) -> Decimal:
    total = ZERO
    for tier in tiers:
        total += tier.flat_amount
        if tier.holds_up_to(most):
            break
    return total
