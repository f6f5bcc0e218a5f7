"""Graduated prices of units that are paid by the day (spec 1 §5.7). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from laguna.kernel.money import ZERO, round_half_up
from laguna.pricing.price import Step
from laguna.pricing.tiers import Tier

PLACES = 20  # decimals that intermediate results keep (spec 1 §0.1)
_PAID_PLACES = 40  # of units, which are multiplied afterwards
_DIGITS = 70  # before and after the point: beyond there is no room for so many places


@dataclass(frozen=True, slots=True)
class Placed:
    """Changes on the axis of units: how much is to be paid in each tier, the units held in the end, and their most."""

    paid: Sequence[Decimal]
    held: Decimal
    most: Decimal


def graduated_amount(steps: Sequence[Step], tiers: Sequence[Tier]) -> Decimal:
    """Each change fills the tiers from where the ones before it ended, at the part of its price that it is to pay.

    0-5 @10+100, 6-∞ @5+50: +5 for 0.7 of the period and -2 for half of it cost 35 - 10 + 100 = 125. A tier's flat
    amount is due once it was reached; with nothing to pay in all only the first one's. Who holds less than nothing in
    the end pays nothing.
    """
    placed = place(steps, tiers)
    if placed.held < 0:
        return ZERO
    if pays_nothing(steps):
        return tiers[0].flat_amount
    amount = sum((paid * tier.per_unit_amount for paid, tier in zip(placed.paid, tiers, strict=True)), ZERO)
    return max(settled(amount), ZERO) + sum((tier.flat_amount for tier in reached(placed.most, tiers)), ZERO)


def pays_nothing(steps: Sequence[Step]) -> bool:
    """Whether nothing was used, or what was cancels out."""
    return not settled(sum((step.prorated for step in steps), ZERO))


def place(steps: Sequence[Step], tiers: Sequence[Tier]) -> Placed:
    """Where the changes come to lie."""
    paid = [ZERO for _ in tiers]
    held = most = ZERO
    for step in steps:
        if _changes_nothing(step, held):
            continue
        low, high = sorted((held, held + step.full))
        for position, units in enumerate(_by_tier(low, high, tiers)):
            if units:
                paid[position] += units * step.prorated / abs(step.full)
        held += step.full
        most = max(most, held)
    return Placed([settled(units, _PAID_PLACES) for units in paid], held, most)


def settled(value: Decimal, places: int = PLACES) -> Decimal:
    """Without what divisions left behind: thirds that cancel out are nothing, and half a cent stays half a cent."""
    return value if value.adjusted() >= _DIGITS - places else round_half_up(value, places)


def _changes_nothing(step: Step, held: Decimal) -> bool:
    """An add that was gone before the period, and a removal of what isn't held."""
    if not step.full:
        return True
    return not step.prorated and (step.full > 0 or held + step.full < 0)


def _by_tier(low: Decimal, high: Decimal, tiers: Sequence[Tier]) -> Iterator[Decimal]:
    """How much of the axis from one place to another lies in each tier; what is below 0 in the first."""
    bottom: Decimal | None = None
    for tier in tiers:
        top = high if tier.to_value is None else min(high, Decimal(tier.to_value))
        start = low if bottom is None else max(low, bottom)
        yield max(top - start, ZERO)
        bottom = None if tier.to_value is None else Decimal(tier.to_value)


def reached(most: Decimal, tiers: Sequence[Tier]) -> Iterator[Tier]:
    """The tiers whose flat amounts are due: up to the one that holds the most."""
    for tier in tiers:
        yield tier
        if tier.holds_up_to(most):
            return
