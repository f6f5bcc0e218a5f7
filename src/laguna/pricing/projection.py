"""What usage will cost at the end of its period, if it goes on as it has begun (spec 1 §6.6). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from laguna.kernel.money import ZERO, round_half_up
from laguna.pricing.models import CHARGE_MODELS
from laguna.pricing.price import Usage

PLACES = 2  # decimals of projected units
_BY_UNITS = ("standard", "graduated", "package", "volume")


def projected_units(units: Decimal, ratio: Decimal) -> Decimal:
    """Units at the end, when `ratio` of the period has passed: 60.33642 after half of it -> 120.67."""
    return round_half_up(units / ratio, PLACES) if 0 < ratio <= 1 else ZERO


def project(model: str, usage: Usage, properties: Mapping[str, Any], ratio: Decimal) -> Decimal:
    """The amount at the end, in major units and unrounded: of the projected units where they alone make the price, else
    the present amount for the time that has passed."""
    if not 0 < ratio <= 1:
        return ZERO
    price = CHARGE_MODELS[model].price
    if model not in _BY_UNITS or usage.steps is not None:
        return max(price(usage, properties).amount / ratio, ZERO)
    units = projected_units(usage.units, ratio)
    if model == "graduated" and not units:
        return ZERO  # without usage not even the first tier's flat amount
    return max(price(Usage(units), properties).amount, ZERO)
