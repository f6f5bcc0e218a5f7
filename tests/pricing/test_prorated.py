"""Prices of units paid by the day: the tables of spec 1 §§5.7, 5.8."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laguna.pricing.models import CHARGE_MODELS, fee_amounts
from laguna.pricing.price import Price, Step, Usage
from laguna.pricing.prorated import graduated_amount
from laguna.pricing.tiers import Tier
from support.laws import LAW

D = Decimal


def tier(start: int, end: int | None, unit: str, flat: str) -> Tier:
    return Tier(start, end, D(unit), D(flat))


TWO = [tier(0, 5, "10", "100"), tier(6, None, "5", "50")]
THREE = [tier(0, 5, "10", "100"), tier(6, 15, "5", "50"), tier(16, None, "2", "0")]
ONES = [tier(0, 1, "10", "100"), tier(2, None, "5", "50")]


def amount(full: Sequence[str], prorated: Sequence[str], tiers: Sequence[Tier] = TWO) -> Decimal:
    steps = [Step(D(f), D(p)) for f, p in zip(full, prorated, strict=True)]
    return graduated_amount(steps, tiers).quantize(D("0.01"))


@pytest.mark.parametrize(
    ("full", "prorated", "expected"),
    [
        ("5 5 10 -6", "3.5 2.66667 2 -2.2", "197.33"),
        ("2 5 10 -6", "1.4 2.66667 2 -2.2", "184.33"),
        ("5 -2", "3.5 -1", "125"),
        ("4 2 -3", "2.8 1 -.6", "180.5"),
        ("5 2 -4 10", "3.5 1 -1.6 2", "190"),
        ("5 -100", "2 -33.33", "0"),
        ("1", ".7", "107"),
        ("", "", "100"),
    ],
)
def test_changes_by_the_day(full: str, prorated: str, expected: str) -> None:
    assert amount(full.split(), prorated.split()) == D(expected)


def test_units_that_are_gone_at_the_end_were_there() -> None:
    parts = [D(22) / 31, D(48) / 31, D(7) / 31, D(-25) / 31, D(-2) / 31]
    steps = [Step(D(f), p) for f, p in zip((1, 4, 1, -5, -1), parts, strict=True)]
    assert graduated_amount(steps, TWO).quantize(D("0.01")) == D("165.81")


SEPTEMBER = [(2, 21, "114"), (5, 15, "184"), (-6, 11, "165.67"), (10, 6, "179.67"), (4, 5, "183"), (60, 1, "187")]


def test_a_month_of_changes() -> None:
    steps: list[Step] = []
    assert graduated_amount(steps, THREE) == 100
    for full, days, expected in SEPTEMBER:
        steps.append(Step(D(full), D(full * days) / 30))
        assert graduated_amount(steps, THREE).quantize(D("0.01")) == D(expected)
    carried = [Step(D(75), D(75))]
    assert graduated_amount(carried, THREE) == 370
    carried.append(Step(D(20), D(20) * 15 / 31))
    assert graduated_amount(carried, THREE).quantize(D("0.01")) == D("389.35")


def test_unique_values() -> None:
    add_a, remove_a, again = Step(D(1), D(3) / 30), Step(D(-1), D(0)), Step(D(1), D(17) / 30)
    add_b, add_c = Step(D(1), D(16) / 30), Step(D(1), D(11) / 30)
    assert graduated_amount([Step(D(1), D(21) / 30)], ONES) == 107
    assert graduated_amount([add_a, remove_a], ONES) == 101
    assert graduated_amount([add_a, remove_a, again], ONES).quantize(D("0.01")) == D("106.67")
    assert graduated_amount([add_a, remove_a, again, add_b], ONES).quantize(D("0.01")) == D("159.33")
    assert graduated_amount([add_a, remove_a, again, add_b, add_c], ONES).quantize(D("0.01")) == D("161.17")
    assert graduated_amount([Step(D(1), D(1))] * 3, ONES) == 170


def test_below_nothing_nothing_is_due() -> None:
    free = [tier(0, 2, "0", "0"), tier(3, None, "150", "0")]
    assert graduated_amount([Step(D(-3), D(-3)), *[Step(D(1), D(1))] * 4], free) == 0


def test_a_termination() -> None:
    tiers = [tier(0, 5, "0", "0"), tier(6, None, "10", "0")]
    steps = [Step(D(6), D(6) * 7 / 31), Step(D(1), D(1) / 31)]
    assert graduated_amount(steps, tiers).quantize(D("0.01")) == D("2.58")


def test_volume_takes_the_tier_of_what_is_held() -> None:
    ranges = [
        {"from_value": 0, "to_value": 100, "per_unit_amount": "2", "flat_amount": "10"},
        {"from_value": 101, "to_value": 200, "per_unit_amount": "1", "flat_amount": "0"},
        {"from_value": 201, "to_value": None, "per_unit_amount": "0.5", "flat_amount": "50"},
    ]
    price = CHARGE_MODELS["volume"].price(Usage(D("198.6"), full_units=D(300)), {"volume_ranges": ranges})
    assert (price.amount, price.unit_amount.quantize(D("0.00001"))) == (D("149.3"), D("0.49767"))


def test_standard_divides_by_what_is_held() -> None:
    price = CHARGE_MODELS["standard"].price(Usage(D(10), full_units=D(100)), {"amount": "5.12345"})
    assert (price.amount, price.unit_amount) == (D("51.2345"), D("0.512345"))


RANGES: list[dict[str, Any]] = [
    {"from_value": 0, "to_value": 5, "per_unit_amount": "10", "flat_amount": "100"},
    {"from_value": 6, "to_value": None, "per_unit_amount": "5", "flat_amount": "50"},
]


@LAW
@given(st.lists(st.integers(1, 9), min_size=1, max_size=10))
def test_adds_for_the_whole_period_cost_what_they_cost_at_once(adds: list[int]) -> None:
    graduated = CHARGE_MODELS["graduated"]
    steps = [Step(D(add), D(add)) for add in adds]
    whole = D(sum(adds))
    prorated = graduated.price(Usage(whole, full_units=whole, steps=steps), {"graduated_ranges": RANGES})
    assert prorated.amount == graduated.price(Usage(whole), {"graduated_ranges": RANGES}).amount


@LAW
@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(0, 30)), max_size=10))
def test_never_negative_and_never_more_than_for_all_days(drawn: list[tuple[int, int]]) -> None:
    steps = [Step(D(full), D(full) * days / 30) for full, days in drawn]
    assert graduated_amount(steps, TWO) >= 0
    adds = [step for step in steps if step.full > 0]
    most = sum((step.full for step in adds), D(0))
    in_full = [Step(most, most)] if most else []
    assert graduated_amount(adds, TWO) <= graduated_amount(in_full, TWO)


def test_the_unit_amount_is_of_the_units_held_in_the_end() -> None:
    graduated = CHARGE_MODELS["graduated"]
    steps = [Step(D(5), D("3.5")), Step(D(-2), D(-1))]
    price = graduated.price(Usage(D("2.5"), full_units=D(3), steps=steps), {"graduated_ranges": RANGES})
    assert (price.amount, price.unit_amount * 3, price.details) == (125, 125, {})
    gone = [Step(D(1), D("0.5")), Step(D(-1), D(0))]
    assert graduated.price(Usage(D("0.5"), full_units=D(0), steps=gone), {"graduated_ranges": RANGES}).unit_amount == 0


def test_a_removal_of_what_was_never_held_changes_nothing() -> None:
    assert graduated_amount([Step(D(-1), D(0))], TWO) == 100
    assert graduated_amount([Step(D(-1), D(0)), Step(D(1), D("0.7"))], TWO) == 107


def test_an_add_that_was_gone_before_the_period_fills_no_tier() -> None:
    assert graduated_amount([Step(D(9), D(0)), Step(D(1), D("0.7"))], TWO) == 107


def test_changes_that_cancel_out_in_thirds_leave_only_the_first_flat_amount() -> None:
    third = D(10) / 30
    assert graduated_amount([Step(D(1), third), Step(D(1), third), Step(D(-2), -2 * third)], ONES) == 100
    dust = [Step(D(1), third), Step(D(1), third), Step(D(-2), D(-20) / 30)]
    assert sum(step.prorated for step in dust) != 0
    assert graduated_amount(dust, ONES) == 100


SAME_DAY = [(22, "107.10"), (12, "110.97"), (12, "114.84"), (12, "118.71"), (12, "122.58"), (7, "173.71")]


def test_the_value_that_overflows_a_tier_pays_the_next_one() -> None:
    steps: list[Step] = []
    for days, expected in SAME_DAY:
        steps.append(Step(D(1), D(days) / 31))
        assert graduated_amount(steps, TWO).quantize(D("0.01")) == D(expected)
    assert graduated_amount([Step(D(1), D(1))] * 6, TWO) == 205


def test_an_upgrade_pays_the_days_before_on_the_old_plan_and_the_rest_on_the_new_one() -> None:
    old = [Step(D(75), D(75) * 17 / 31), Step(D(20), D(20) * 2 / 31)]
    new = [Step(D(95), D(95) * 14 / 31)]
    assert [graduated_amount(steps, THREE).quantize(D("0.01")) for steps in (old, new)] == [D("273.23"), D("267.42")]


def test_units_of_before_the_subscription_are_carried() -> None:
    tiers = [tier(0, 5, "0", "0"), tier(6, None, "12", "0")]
    steps = [Step(D(10), D(10))]
    assert graduated_amount(steps, tiers) == 60
    assert graduated_amount([*steps, Step(D(2), D(2) * 26 / 31)], tiers).quantize(D("0.01")) == D("80.13")


def test_swaps_within_a_free_tier_cost_nothing() -> None:
    tiers = [tier(0, 3, "0", "0"), tier(4, None, "10", "0")]
    adds = [Step(D(1), D(1)), Step(D(1), D(4) / 31), Step(D(1), D(30) / 31)]
    assert graduated_amount([*adds, Step(D(-1), D(0)), Step(D(1), D(28) / 31)], tiers) == 0


def test_half_a_cent_is_not_lost_in_divisions() -> None:
    """3 units for one day of 28 and 3 for the others are 3 units: 4.5 cents, not 4.4999..."""
    steps = [Step(D(3), D(3) * days / 28) for days in (1, 27)]
    amount = graduated_amount(steps, [tier(0, None, "0.015", "0")])
    assert amount == D("0.045")
    assert fee_amounts(Price(amount, D(0)), D(6), "EUR").amount_cents == 5
