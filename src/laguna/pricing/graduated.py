"""Graduated: each tier prices the units that fall into it (spec 1 §3.9.2). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from laguna.kernel.money import ZERO, decimal_text
from laguna.pricing.price import Price, Usage, per_unit
from laguna.pricing.properties import Bound, Cleaning
from laguna.pricing.prorated import graduated_amount, pays_nothing, place
from laguna.pricing.tiers import clean_ranges, default_ranges, read_tiers

RANGES = "graduated_ranges"


def price(usage: Usage, properties: Mapping[str, Any]) -> Price:
    """The tiers up to the one that holds all units: 12 units in 0-10 @10+2 and 11-∞ @5+3 cost 102 + 13 = 115.

    A tier prices what lies above the end of the one before it. That is "top - from" where the two touch and
    "top - from + 1" where they are a step apart, decided at each boundary, not for all tiers at once, so that no unit
    is billed twice (spec 1 W5). No units still cost the first tier's flat amount (W4), and a tier that is filled
    exactly does not open the next one.
    """
    if usage.steps is not None:
        amount = graduated_amount(usage.steps, read_tiers(properties[RANGES]))
        return Price(amount, per_unit(amount, usage.held))
    amount = ZERO
    details: list[dict[str, Any]] = []
    below: Bound = 0
    for tier in read_tiers(properties[RANGES]):
        is_last = tier.holds_up_to(usage.units)
        top = usage.units if is_last or tier.to_value is None else tier.to_value
        units = ZERO + top - below
        per_unit_total = units * tier.per_unit_amount
        total = per_unit_total + tier.flat_amount
        amount += total
        details.append(
            {
                "from_value": tier.from_value,
                "to_value": tier.to_value,
                "flat_unit_amount": decimal_text(tier.flat_amount),
                "per_unit_amount": decimal_text(tier.per_unit_amount if units else ZERO),
                "units": decimal_text(units),
                "per_unit_total_amount": decimal_text(per_unit_total),
                "total_with_flat_amount": decimal_text(total),
            }
        )
        if is_last or tier.to_value is None:
            break
        below = tier.to_value
    return Price(amount, per_unit(amount, usage.units), {RANGES: details})


def evidence(usage: Usage, properties: Mapping[str, Any]) -> dict[str, Any]:
    """Of units that are paid by the day, how much of them was paid in each tier, and the most that were held; or that
    only the first flat amount, or nothing, is due."""
    if usage.steps is None:
        return {}
    if pays_nothing(usage.steps):
        return {"outcome": "nothing" if sum(step.full for step in usage.steps) < 0 else "first_flat"}
    placed = place(usage.steps, read_tiers(properties[RANGES]))
    if placed.held < 0:
        return {"outcome": "nothing"}
    return {"outcome": "placed", "paid": [str(paid) for paid in placed.paid], "most": str(placed.most)}


def _follows(end: Bound, start: Bound) -> bool:
    """Touching, or a step apart."""
    return start in (end, end + 1)


def default_properties() -> dict[str, Any]:
    return {RANGES: default_ranges()}


def clean(properties: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """What of `properties` can be stored, and the codes of what is wrong."""
    cleaning = Cleaning(properties)
    clean_ranges(cleaning, RANGES, _follows)
    return cleaning.result()
