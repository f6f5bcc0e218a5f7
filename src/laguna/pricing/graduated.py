"""Graduated: each tier prices the units that fall into it (spec 1 §3.9.2). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from laguna.kernel.money import ZERO, decimal_text
from laguna.pricing.price import Price, Usage, per_unit
from laguna.pricing.properties import Cleaning
from laguna.pricing.prorated import graduated_amount, pays_nothing, place
from laguna.pricing.tiers import clean_ranges, default_ranges, read_tiers, spread, touching_or_stepped

RANGES = "graduated_ranges"


def price(usage: Usage, properties: Mapping[str, Any]) -> Price:
    """The tiers up to the one that holds all units: 12 units in 0-10 @10+2 and 11-∞ @5+3 cost 102 + 13 = 115.

    No units still cost the first tier's flat amount (W4). A prorated charge is priced change by change where they are
    known (spec 1 §5.7).
    """
    tiers = read_tiers(properties[RANGES])
    if usage.steps is not None:
        amount = graduated_amount(usage.steps, tiers)
        return Price(amount, per_unit(amount, usage.held))
    amount = ZERO
    details: list[dict[str, Any]] = []
    for tier, units in zip(tiers, spread(usage.units, (tier.to_value for tier in tiers)), strict=False):
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
    return Price(amount, per_unit(amount, usage.units), {RANGES: details})


def evidence(usage: Usage, properties: Mapping[str, Any]) -> dict[str, Any]:
    """Of units that are paid by the day, how much of them was paid in each tier, and the most that were held; or that
    only the first flat amount, or nothing, is due."""
    if usage.steps is None:
        return {}
    placed = place(usage.steps, read_tiers(properties[RANGES]))
    if placed.held < 0:
        return {"outcome": "nothing"}
    if pays_nothing(usage.steps):
        return {"outcome": "first_flat"}
    return {"outcome": "placed", "paid": [str(paid) for paid in placed.paid], "most": str(placed.most)}


def default_properties() -> dict[str, Any]:
    return {RANGES: default_ranges()}


def clean(properties: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """What of `properties` can be stored, and the codes of what is wrong."""
    cleaning = Cleaning(properties)
    clean_ranges(cleaning, RANGES, touching_or_stepped)
    return cleaning.result()
