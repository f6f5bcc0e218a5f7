"""Graduated percentage: each tier takes its rate of the units that fall into it (spec 1 §3.9.6). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from laguna.kernel.money import ZERO, decimal_text
from laguna.pricing.price import Price, Usage, per_unit
from laguna.pricing.properties import Cleaning
from laguna.pricing.tiers import clean_ranges, spread, touching_or_stepped

RANGES = "graduated_percentage_ranges"
_HUNDRED = Decimal(100)


def price(usage: Usage, properties: Mapping[str, Any]) -> Price:
    """The tiers up to the one that holds all units: 150 units in 0-100 5 % and 101-∞ 2 % + 10 cost 5 + 1 + 10 = 16.

    No units still cost the first tier's flat amount (W4).
    """
    amount = ZERO
    details: list[dict[str, Any]] = []
    tiers = properties[RANGES]
    for tier, units in zip(tiers, spread(usage.units, (tier["to_value"] for tier in tiers)), strict=False):
        rate, flat_amount = Decimal(tier["rate"]), Decimal(tier["flat_amount"])
        rated = units * rate / _HUNDRED
        amount += rated + flat_amount
        details.append(
            {
                "from_value": tier["from_value"],
                "to_value": tier["to_value"],
                "flat_unit_amount": decimal_text(flat_amount),
                "rate": decimal_text(rate),
                "units": decimal_text(units),
                "per_unit_total_amount": decimal_text(rated),
                "total_with_flat_amount": decimal_text(rated + flat_amount),
            }
        )
    return Price(amount, per_unit(amount, usage.units), {RANGES: details})


def default_properties() -> dict[str, Any]:
    return {RANGES: [{"from_value": 0, "to_value": None, "rate": "0", "flat_amount": "0"}]}


def clean(properties: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """What of `properties` can be stored, and the codes of what is wrong."""
    cleaning = Cleaning(properties)
    clean_ranges(cleaning, RANGES, touching_or_stepped, {"rate": "invalid_rate", "flat_amount": "invalid_amount"})
    return cleaning.result()
