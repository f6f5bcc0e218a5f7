"""Worked examples of the charge models and of fee amounts (spec 1 §§0.2, 3.9, 3.11, W5)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from laguna.pricing.models import CHARGE_MODELS, KNOWN_CHARGE_MODELS, FeeAmounts, fee_amounts
from laguna.pricing.price import Price, Usage

ZERO_FEE = FeeAmounts(Decimal(0), 0, Decimal(0), Decimal(0), 0)


def priced(model: str, units: str, **properties: Any) -> Price:
    cleaned, codes = CHARGE_MODELS[model].clean(properties)
    assert codes == []
    return CHARGE_MODELS[model].price(Usage(Decimal(units)), cleaned)


def tiers(text: str) -> list[dict[str, Any]]:
    """ "0-10 @10+2, 11-∞ @5+3": from 0 to 10 at 10 a unit and 2 flat, and so on."""
    ranges: list[dict[str, Any]] = []
    for item in text.split(", "):
        bounds, prices = item.split(" @")
        start, end = (None if bound == "∞" else Decimal(bound) for bound in bounds.split("-"))
        per_unit, flat = prices.split("+")
        ranges.append({"from_value": start, "to_value": end, "per_unit_amount": per_unit, "flat_amount": flat})
    return ranges


def graduated(units: str, ranges: str) -> Price:
    return priced("graduated", units, graduated_ranges=tiers(ranges))


def volume(units: str, ranges: str) -> Price:
    return priced("volume", units, volume_ranges=tiers(ranges))


def test_the_models_that_can_be_priced_are_among_those_the_api_knows() -> None:
    assert set(CHARGE_MODELS) <= set(KNOWN_CHARGE_MODELS)
    assert len(KNOWN_CHARGE_MODELS) == 8


@pytest.mark.parametrize("model", CHARGE_MODELS)
def test_a_charge_without_properties_costs_nothing(model: str) -> None:
    price = priced(model, "12.5", **CHARGE_MODELS[model].default_properties())
    assert (price.amount, price.unit_amount) == (0, 0)


@pytest.mark.parametrize(
    ("units", "amount", "expected", "unit_amount"),
    [
        ("10", "5.12345", "51.2345", "5.12345"),
        ("4", "12.5", "50", "12.5"),
        ("0", "20", "0", "0"),
        ("1", "1e-07", "1e-7", "1e-7"),
    ],
)
def test_a_standard_charge_costs_the_same_for_every_unit(
    units: str, amount: str, expected: str, unit_amount: str
) -> None:
    assert priced("standard", units, amount=amount) == Price(Decimal(expected), Decimal(unit_amount), {})


STEPPED = "0-10 @10+2, 11-20 @5+3, 21-∞ @5+3"


@pytest.mark.parametrize(
    ("units", "amount", "unit_amount"),
    [
        ("0", "2", "0"),
        ("1", "12", "12"),
        ("10", "102", "10.2"),
        ("10.5", "107.5", "10.2380952"),
        ("11", "110", "10"),
        ("12", "115", "9.5833333"),
        ("21", "163", "7.7619048"),
    ],
)
def test_graduated_tiers_price_the_units_that_fall_into_them(units: str, amount: str, unit_amount: str) -> None:
    price = graduated(units, STEPPED)
    assert price.amount == Decimal(amount)
    assert round(price.unit_amount, 7) == Decimal(unit_amount)


TOUCHING = "0-0.1 @10+0, 0.1-1 @5+0, 1-∞ @2+0"


@pytest.mark.parametrize(
    ("ranges", "units", "amount"),
    [
        (TOUCHING, "0.05", "0.5"),
        (TOUCHING, "0.5", "3"),
        (TOUCHING, "1.5", "6.5"),
        (TOUCHING, "2", "7.5"),
        ("0-5 @10+100, 6-∞ @5+50", "0", "100"),
        ("0-5 @10+100, 6-∞ @5+50", "3", "130"),
        ("0-5 @10+100, 6-∞ @5+50", "8", "215"),
        ("0-10 @2+0, 11-∞ @1+50", "0", "0"),
        ("1-10 @10+2, 11-∞ @5+3", "0.5", "7"),
        ("1-10 @10+2, 11-∞ @5+3", "12", "115"),
    ],
)
def test_graduated_tiers_may_touch_or_be_a_step_apart(ranges: str, units: str, amount: str) -> None:
    assert graduated(units, ranges).amount == Decimal(amount)


@pytest.mark.parametrize(
    ("ranges", "units", "amount"),
    [
        # with the "+ 1" of all stepped tiers, 10-20 would count 11 units and cost 1 more
        ("0-10 @1+0, 10-20 @1+0, 21-∞ @1+0", "25", "25"),
        ("0-10 @1+0, 11-20 @1+0, 20-∞ @1+0", "25", "25"),
        ("0-10 @3+0, 10-20 @2+0, 21-∞ @1+0", "20", "50"),
    ],
)
def test_a_touching_boundary_among_stepped_ones_bills_no_unit_twice(ranges: str, units: str, amount: str) -> None:
    """Weakness W5 of the specification, decided boundary by boundary."""
    assert graduated(units, ranges).amount == Decimal(amount)


def test_a_graduated_price_explains_every_tier_it_visited() -> None:
    assert graduated("12", STEPPED).details == {
        "graduated_ranges": [
            {
                "from_value": 0,
                "to_value": 10,
                "flat_unit_amount": "2.0",
                "per_unit_amount": "10.0",
                "units": "10.0",
                "per_unit_total_amount": "100.0",
                "total_with_flat_amount": "102.0",
            },
            {
                "from_value": 11,
                "to_value": 20,
                "flat_unit_amount": "3.0",
                "per_unit_amount": "5.0",
                "units": "2.0",
                "per_unit_total_amount": "10.0",
                "total_with_flat_amount": "13.0",
            },
        ]
    }


def test_a_tier_without_units_shows_no_price_per_unit() -> None:
    assert graduated("0", STEPPED).details["graduated_ranges"] == [
        {
            "from_value": 0,
            "to_value": 10,
            "flat_unit_amount": "2.0",
            "per_unit_amount": "0.0",
            "units": "0.0",
            "per_unit_total_amount": "0.0",
            "total_with_flat_amount": "2.0",
        }
    ]


@pytest.mark.parametrize(
    ("units", "free_units", "amount", "unit_amount"),
    [
        ("121", 0, "1300", "10.7438"),
        ("121", 10, "1200", "10.8108"),
        ("121", 200, "0", "0"),
        ("3", 0, "100", "33.3333"),
        ("15", 0, "200", "13.3333"),
        ("3", 5, "0", "0"),
        ("12", 5, "100", "14.2857"),
        ("10", 0, "100", "10"),
        ("10.001", 0, "200", "19.998"),
        ("0", 0, "0", "0"),
    ],
)
def test_a_started_package_is_charged_in_full(units: str, free_units: int, amount: str, unit_amount: str) -> None:
    price = priced("package", units, amount="100", package_size=10, free_units=free_units)
    assert price.amount == Decimal(amount)
    assert round(price.unit_amount, 4) == Decimal(unit_amount)


@pytest.mark.parametrize(
    ("units", "free_units", "paid_units", "size", "amount"),
    [("121", "10.0", "111.0", 10, "100.0"), ("3", "10.0", "0.0", 10, "100.0"), ("0", "0.0", "0.0", 0, "0.0")],
)
def test_a_package_price_tells_free_and_paid_units(
    units: str, free_units: str, paid_units: str, size: int, amount: str
) -> None:
    assert priced("package", units, amount="100", package_size=10, free_units=10).details == {
        "free_units": free_units,
        "paid_units": paid_units,
        "per_package_size": size,
        "per_package_unit_amount": amount,
    }


VOLUME = "0-100 @2+10, 101-200 @1+0, 201-∞ @0.5+50"


@pytest.mark.parametrize(
    ("units", "amount"),
    [("0", "10"), ("1", "12"), ("100", "210"), ("100.5", "100.5"), ("101", "101"), ("200", "200"), ("300", "200")],
)
def test_volume_prices_all_units_by_the_tier_reached(units: str, amount: str) -> None:
    price = volume(units, VOLUME)
    assert price.amount == Decimal(amount)
    assert price.unit_amount * Decimal(units) == (price.amount if Decimal(units) else 0)


@pytest.mark.parametrize(
    ("ranges", "units", "amount"),
    [
        ("1-10 @2+7, 11-∞ @1+0", "0", "7"),
        ("0-10 @2+0, 12-∞ @1+0", "11", "11"),  # the unit that a step of two leaves out
        ("0-1.5 @2+0, 2.5-∞ @1+0", "1.7", "1.7"),
    ],
)
def test_every_number_of_units_reaches_a_volume_tier(ranges: str, units: str, amount: str) -> None:
    assert volume(units, ranges).amount == Decimal(amount)


@pytest.mark.parametrize(
    ("units", "flat", "per_unit", "total"),
    [("300", "50.0", "0.5", "150.0"), ("0", "10.0", "0.0", "0.0"), ("-4", "0.0", "2.0", "0.0")],
)
def test_a_volume_price_tells_its_flat_and_unit_parts(units: str, flat: str, per_unit: str, total: str) -> None:
    assert volume(units, VOLUME).details == {
        "flat_unit_amount": flat,
        "per_unit_amount": per_unit,
        "per_unit_total_amount": total,
    }


@pytest.mark.parametrize(
    "price",
    [
        priced("standard", "-4", amount="12.5"),
        graduated("-4", STEPPED),
        graduated("-0.1", "0-10 @1+100, 11-∞ @1+0"),
        priced("package", "-4", amount="100", package_size=10, free_units=0),
        volume("-4", VOLUME),
    ],
)
def test_negative_usage_is_billed_as_nothing(price: Price) -> None:
    assert fee_amounts(price, Decimal(-4), "EUR") == ZERO_FEE


def test_a_negative_amount_is_billed_as_nothing() -> None:
    assert fee_amounts(Price(Decimal(-1), Decimal(-1)), Decimal(1), "EUR") == ZERO_FEE


@pytest.mark.parametrize(
    ("amount", "unit_amount", "currency", "amount_cents", "precise_amount_cents", "unit_amount_cents"),
    [
        ("0.116", "0.029", "EUR", 12, "11.6", 2),
        ("0.402", "0.0201", "EUR", 40, "40.2", 2),
        ("100.50", "100.50", "KWD", 100500, "100500", 100500),
        ("0.0005", "0.0005", "KWD", 1, "0.5", 0),
        ("99.5", "99.5", "JPY", 100, "99.5", 99),
        ("0.015", "0.019", "EUR", 2, "1.5", 1),
        ("50", "12.5", "EUR", 5000, "5000", 1250),
        ("1.0000000000000000005", "1.0000000000000000005", "EUR", 100, "100", 100),
        ("1e60", "1", "EUR", 10**62, "1e62", 100),
        ("9" * 80, "1", "EUR", int("9" * 80 + "00"), "9" * 80 + "00", 100),
    ],
)
def test_a_price_becomes_cents_by_its_currency(
    amount: str,
    unit_amount: str,
    currency: str,
    amount_cents: int,
    precise_amount_cents: str,
    unit_amount_cents: int,
) -> None:
    fee = fee_amounts(Price(Decimal(amount), Decimal(unit_amount)), Decimal(4), currency)
    assert (fee.units, fee.amount_cents, fee.unit_amount_cents) == (4, amount_cents, unit_amount_cents)
    assert fee.precise_amount_cents == Decimal(precise_amount_cents)
    assert fee.precise_unit_amount == round(Decimal(unit_amount), 15)


@pytest.mark.parametrize(
    ("units", "ranges", "cents", "unit_amount"),
    [
        ("2", "0-1 @0.01+0, 2-∞ @0.01+0.01", 3, "0.015"),
        ("1", "0-∞ @0.03+0.01", 4, "0.04"),
    ],
)
def test_a_graduated_fee_of_a_few_cents(units: str, ranges: str, cents: int, unit_amount: str) -> None:
    fee = fee_amounts(graduated(units, ranges), Decimal(units), "EUR")
    assert (fee.amount_cents, fee.precise_unit_amount) == (cents, Decimal(unit_amount))
