"""Package: units by the package, a started one in full (spec 1 §3.9.3). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from laguna.kernel.money import ZERO, decimal_text
from laguna.pricing.price import Price, Usage, per_unit
from laguna.pricing.properties import Cleaning


def price(usage: Usage, properties: Mapping[str, Any]) -> Price:
    """Packages begun beyond `free_units` x `amount`: 121 units, 10 free, by 10 at "100" cost 12 x 100 = 1200."""
    size, free_units = Decimal(properties["package_size"]), Decimal(properties["free_units"])
    package_amount = Decimal(properties["amount"])
    paid_units = max(usage.units - free_units, ZERO)
    packages = paid_units // size + (1 if paid_units % size else 0)
    amount = packages * package_amount
    used = bool(usage.units)
    details = {
        "free_units": decimal_text(free_units if used else ZERO),
        "paid_units": decimal_text(paid_units),
        "per_package_size": properties["package_size"] if used else 0,
        "per_package_unit_amount": decimal_text(package_amount if used else ZERO),
    }
    return Price(amount, per_unit(amount, paid_units), details)


def default_properties() -> dict[str, Any]:
    return {"amount": "0", "package_size": 1, "free_units": 0}


def clean(properties: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """What of `properties` can be stored, and the codes of what is wrong."""
    cleaning = Cleaning(properties)
    cleaning.price("amount", "invalid_amount")
    cleaning.integer("package_size", 1, "invalid_package_size")
    cleaning.integer("free_units", 0, "invalid_free_units")
    return cleaning.result()
