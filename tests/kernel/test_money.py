"""Exact money: rounding, minor units and the text of decimals (spec 1 §0.1, §0.2)."""

from __future__ import annotations

import decimal
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laguna.kernel.money import PRECISION, decimal_text, exponent, round_cents, round_half_up, subunits


@pytest.mark.parametrize(
    ("value", "places", "rounded"),
    [
        ("0.5", 0, "1"),
        ("-0.5", 0, "-1"),
        ("2.5", 0, "3"),
        ("-2.5", 0, "-3"),
        ("2.4999999999999999999999", 0, "2"),
        ("0.116", 2, "0.12"),
        ("0.115", 2, "0.12"),
        ("-0.115", 2, "-0.12"),
        ("1.0005", 3, "1.001"),
        ("15", -1, "20"),
        ("14.9", -1, "10"),
        ("-15", -1, "-20"),
        ("1250", -2, "1300"),
        ("49", -2, "0"),
    ],
)
def test_halves_are_rounded_away_from_zero(value: str, places: int, rounded: str) -> None:
    assert round_half_up(Decimal(value), places) == Decimal(rounded)


@pytest.mark.parametrize(("value", "cents"), [("870.97", 871), ("283.87", 284), ("2.5", 3), ("-2.5", -3), ("0", 0)])
def test_an_amount_with_a_fraction_becomes_whole_cents(value: str, cents: int) -> None:
    assert round_cents(Decimal(value)) == cents
    assert type(round_cents(Decimal(value))) is int


@pytest.mark.parametrize(
    ("currency", "decimals"), [("EUR", 2), ("USD", 2), ("JPY", 0), ("KRW", 0), ("KWD", 3), ("IQD", 3), ("CLF", 4)]
)
def test_a_currency_has_its_minor_units(currency: str, decimals: int) -> None:
    assert exponent(currency) == decimals
    assert subunits(currency) == 10**decimals


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("4", "4.0"),
        ("1.50", "1.5"),
        ("1E+2", "100.0"),
        ("100", "100.0"),
        ("0", "0.0"),
        ("0.000", "0.0"),
        ("1E-7", "0.0000001"),
        ("-5.16129", "-5.16129"),
        ("2177.4193548387096774", "2177.4193548387096774"),
    ],
)
def test_a_decimal_is_written_plainly_with_a_point(value: str, text: str) -> None:
    assert decimal_text(Decimal(value)) == text


def test_threads_that_start_later_count_as_exactly() -> None:
    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(lambda: decimal.getcontext().prec).result() == PRECISION
        assert str(threads.submit(lambda: Decimal(1) / 3).result()) == "0." + "3" * PRECISION


AMOUNTS = st.decimals(-(10**25), 10**25, allow_nan=False, places=15)


@settings(deadline=None)
@given(AMOUNTS, st.integers(-5, 10))
def test_law_rounding_is_to_the_nearest_and_halves_go_away_from_zero(value: Decimal, places: int) -> None:
    rounded = Fraction(round_half_up(value, places))
    unit = Fraction(10) ** -places
    assert rounded % unit == 0
    distance = abs(rounded - Fraction(value))
    assert distance < unit / 2 or (distance == unit / 2 and abs(rounded) > abs(value))


@settings(deadline=None)
@given(AMOUNTS, st.integers(-5, 10))
def test_law_rounding_is_symmetric_and_rounds_once(value: Decimal, places: int) -> None:
    rounded = round_half_up(value, places)
    assert round_half_up(-value, places) == -rounded
    assert round_half_up(rounded, places) == rounded


@settings(deadline=None)
@given(st.decimals(allow_nan=False, allow_infinity=False).filter(lambda value: abs(value.adjusted()) < 200))
def test_law_the_text_of_a_decimal_reads_as_the_same_decimal(value: Decimal) -> None:
    text = decimal_text(value)
    assert Decimal(text) == value
    assert "." in text and "E" not in text
    fraction = text.split(".")[1]
    assert fraction == "0" or not fraction.endswith("0")
