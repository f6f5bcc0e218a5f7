"""The charge models by name, and the way from a price to the amounts of a fee (spec 1 §3.9, §3.11). Pure.

Nothing else asks which charge model a charge has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, cast

from laguna.kernel.money import ZERO, exponent, round_half_up, subunits
from laguna.pricing import dynamic, graduated, graduated_percentage, package, percentage, standard, volume
from laguna.pricing.price import Price, Reads, Usage

STORED_PLACES = 15  # decimals of precise amounts (spec 1 §0.1)

KNOWN_CHARGE_MODELS = (
    "standard",
    "graduated",
    "package",
    "percentage",
    "volume",
    "graduated_percentage",
    "custom",
    "dynamic",
)


@dataclass(frozen=True, slots=True)
class ChargeModel:
    """`price` takes properties that `clean` let through without a code, or the default ones; `reads` says of such
    properties what their price needs of usage. `evidence` is what the formula needs beyond totals, as JSON."""

    name: str
    price: Callable[[Usage, Mapping[str, Any]], Price]
    clean: Callable[[Mapping[str, Any]], tuple[dict[str, Any], list[str]]]
    default_properties: Callable[[], dict[str, Any]]
    reads: Callable[[Mapping[str, Any]], Reads] = lambda properties: Reads.UNITS
    evidence: Callable[[Usage, Mapping[str, Any]], dict[str, Any]] = lambda usage, properties: {}


CHARGE_MODELS: Mapping[str, ChargeModel] = {
    model.name: model
    for model in (
        ChargeModel("standard", standard.price, standard.clean, standard.default_properties),
        ChargeModel(
            "graduated",
            graduated.price,
            graduated.clean,
            graduated.default_properties,
            evidence=graduated.evidence,
        ),
        ChargeModel("package", package.price, package.clean, package.default_properties),
        ChargeModel(
            "percentage",
            percentage.price,
            percentage.clean,
            percentage.default_properties,
            percentage.reads,
            percentage.evidence,
        ),
        ChargeModel(
            "graduated_percentage",
            graduated_percentage.price,
            graduated_percentage.clean,
            graduated_percentage.default_properties,
        ),
        ChargeModel("dynamic", dynamic.price, dynamic.clean, dynamic.default_properties, dynamic.reads),
        ChargeModel("volume", volume.price, volume.clean, volume.default_properties),
    )
}


@dataclass(frozen=True, slots=True)
class FeeAmounts:
    """The figures of a fee: cents are minor units of its currency, `precise_unit_amount` is in the major unit."""

    units: Decimal
    amount_cents: int
    precise_amount_cents: Decimal
    precise_unit_amount: Decimal
    unit_amount_cents: int


def _to_places(value: Decimal, places: int) -> Decimal:
    """`value` with at most so many decimals. One that has no more is left alone, however large it is."""
    if cast(int, value.as_tuple().exponent) >= -places:
        return value
    return round_half_up(value, places)


def fee_amounts(price: Price, units: Decimal, currency: str) -> FeeAmounts:
    """A price as the amounts of a fee (spec 1 §3.11 steps 1, 2): 0.116 EUR -> 12 cents, precisely 11.6.

    Precise amounts have the decimals that are stored, so that current usage shows what the invoice will. Negative
    units or a negative amount make everything 0; the price's details keep the raw figures.
    """
    if units < 0 or price.amount < 0:
        return FeeAmounts(ZERO, 0, ZERO, ZERO, 0)
    cents = subunits(currency)
    return FeeAmounts(
        units=units,
        amount_cents=int(_to_places(price.amount, exponent(currency)) * cents),
        precise_amount_cents=_to_places(price.amount * cents, STORED_PLACES),
        precise_unit_amount=_to_places(price.unit_amount, STORED_PLACES),
        unit_amount_cents=int(price.unit_amount * cents),
    )
