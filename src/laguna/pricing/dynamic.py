"""Dynamic: events say themselves what they cost (spec 1 §3.9.7). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from laguna.kernel.money import ZERO
from laguna.pricing.price import Price, Reads, Usage, per_unit
from laguna.pricing.properties import Cleaning


def price(usage: Usage, properties: Mapping[str, Any]) -> Price:
    """The sum of what the events cost, nothing where there are no units: 40.2 cents over 20 units are 0.402."""
    amount = usage.total_amount if usage.units else ZERO
    return Price(amount, per_unit(amount, usage.units))


def reads(properties: Mapping[str, Any]) -> Reads:
    return Reads.AMOUNTS


def default_properties() -> dict[str, Any]:
    return {}


def clean(properties: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """It has no properties of its own."""
    return Cleaning(properties).result()
