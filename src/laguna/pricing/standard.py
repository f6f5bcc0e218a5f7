"""Standard: every unit at the same price (spec 1 §3.9.1). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from laguna.pricing.price import Price, Usage, per_unit
from laguna.pricing.properties import Cleaning


def price(usage: Usage, properties: Mapping[str, Any]) -> Price:
    """units x `amount`: 10 units at "5.12345" cost 51.2345."""
    amount = usage.units * Decimal(properties["amount"])
    return Price(amount, per_unit(amount, usage.held))


def default_properties() -> dict[str, Any]:
    return {"amount": "0"}


def clean(properties: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """What of `properties` can be stored, and the codes of what is wrong."""
    cleaning = Cleaning(properties)
    cleaning.price("amount", "invalid_amount")
    return cleaning.result()
