"""Volume: all units at the price of the tier that is reached (spec 1 §3.9.5). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from laguna.kernel.money import ZERO, decimal_text
from laguna.pricing.price import Price, Usage, per_unit
from laguna.pricing.properties import Bound, Cleaning
from laguna.pricing.tiers import clean_ranges, default_ranges, read_tiers

RANGES = "volume_ranges"


def price(usage: Usage, properties: Mapping[str, Any]) -> Price:
    """units x the reached tier's price + its flat amount: 101 units in 0-100 @2+10 and 101-∞ @1+0 cost 101.

    The tier reached is the first one that the units don't go beyond: a fraction between two tiers is in the upper
    one, no units at all in the first, whose flat amount they cost (W4). Fewer than none cost nothing. Of a prorated
    charge the units held choose the tier (spec 1 §5.8).
    """
    units, held = usage.units, usage.held
    tier = next(tier for tier in read_tiers(properties[RANGES]) if tier.holds_up_to(held))
    is_negative = units < 0 or held < 0
    per_unit_total = ZERO if is_negative else units * tier.per_unit_amount
    flat_amount = ZERO if is_negative else tier.flat_amount
    amount = per_unit_total + flat_amount
    shown = tier.per_unit_amount if is_negative or held == units else per_unit(per_unit_total, held)
    details = {
        "flat_unit_amount": decimal_text(flat_amount),
        "per_unit_amount": decimal_text(shown if held else ZERO),
        "per_unit_total_amount": decimal_text(per_unit_total),
    }
    return Price(amount, per_unit(amount, held), details)


def _follows(end: Bound, start: Bound) -> bool:
    """A step apart; two are tolerated. Touching would leave the unit in between to both tiers."""
    return start in (end + 1, end + 2)


def default_properties() -> dict[str, Any]:
    return {RANGES: default_ranges()}


def clean(properties: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """What of `properties` can be stored, and the codes of what is wrong."""
    cleaning = Cleaning(properties)
    clean_ranges(cleaning, RANGES, _follows)
    return cleaning.result()
