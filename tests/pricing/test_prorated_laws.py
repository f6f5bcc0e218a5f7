"""What holds for every price of units that are paid by the day (spec 1 §§5.7, 5.8)."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from laguna.pricing.models import CHARGE_MODELS, fee_amounts
from laguna.pricing.price import Price, Step, Usage
from support.laws import LAW

D = Decimal
GRADUATED = CHARGE_MODELS["graduated"]
AMOUNTS = st.decimals(0, 100, places=3).map(str)
UNITS = st.decimals("0.1", 20, places=1)
EXACT = D("1e-17")  # how far a sum of rounded parts may be away

Change = tuple[Decimal, int]  # units, and the days of DAYS that they are paid for
Ranges = list[dict[str, Any]]


@st.composite
def tiers(draw: st.DrawFn) -> Ranges:
    """Up to four tiers that touch or are a step apart."""
    rows: Ranges = []
    start = D(0)
    for width in draw(st.lists(UNITS, max_size=3)):
        rows.append({"from_value": start, "to_value": start + width})
        start += width + draw(st.sampled_from([0, 1]))
    rows.append({"from_value": start, "to_value": None})
    return [{**row, "per_unit_amount": draw(AMOUNTS), "flat_amount": draw(AMOUNTS)} for row in rows]


def prorated(changes: Sequence[Change], ranges: Ranges, days: int = 31) -> Price:
    steps = [Step(units, units * paid / days) for units, paid in changes]
    full = sum((units for units, _ in changes), D(0))
    units = sum((step.prorated for step in steps), D(0))
    return GRADUATED.price(Usage(units, len(steps), full_units=full, steps=steps), {"graduated_ranges": ranges})


def plain(units: Decimal, ranges: Ranges) -> Decimal:
    return GRADUATED.price(Usage(units), {"graduated_ranges": ranges}).amount


def flats(units: Decimal, ranges: Ranges) -> Decimal:
    return plain(units, [{**row, "per_unit_amount": "0"} for row in ranges])


ADDS = st.lists(st.tuples(UNITS, st.integers(1, 31)), min_size=1, max_size=6)
ANY_CHANGES = st.lists(st.tuples(st.decimals(-20, 20, places=1), st.integers(0, 31)), max_size=8)


@LAW
@given(tiers(), st.lists(UNITS, min_size=1, max_size=6))
def test_what_is_added_for_the_whole_period_costs_the_plain_price(ranges: Ranges, adds: list[Decimal]) -> None:
    price = prorated([(units, 31) for units in adds], ranges)
    assert price.amount == plain(sum(adds, D(0)), ranges)


@LAW
@given(tiers(), ADDS)
def test_adds_are_paid_exactly_by_the_day(ranges: Ranges, adds: list[Change]) -> None:
    """Against fractions, which have no rounding: the n-th add costs its part of what it adds to the plain price."""
    totals = [D(0), *accumulate(units for units, _ in adds)]
    unit_prices = [{**row, "flat_amount": "0"} for row in ranges]
    costs = [Fraction(plain(total, unit_prices)) for total in totals]
    due = Fraction(flats(totals[-1], ranges))
    for (_, paid), before, after in zip(adds, costs[:-1], costs[1:], strict=True):
        due += (after - before) * paid / 31
    amount = prorated(adds, ranges).amount
    assert abs(Fraction(amount) - due) < Fraction(1, 10**20)
    fee = fee_amounts(Price(amount, D(0)), totals[-1], "EUR")
    assert fee.amount_cents == (due * 100 + Fraction(1, 2)) // 1


@LAW
@given(tiers(), ADDS, st.integers(0, 5))
def test_a_change_in_two_parts_costs_what_it_costs_at_once(ranges: Ranges, adds: list[Change], at: int) -> None:
    at %= len(adds)
    units, days = adds[at]
    part = (units / 3).quantize(D("0.01"))
    apart = [*adds[:at], (part, days), (units - part, days), *adds[at + 1 :]]
    assert abs(prorated(apart, ranges).amount - prorated(adds, ranges).amount) < EXACT


@LAW
@given(tiers(), ADDS, st.integers(1, 31))
def test_what_cancels_out_costs_the_first_flat_amount(ranges: Ranges, adds: list[Change], days: int) -> None:
    """Though thirds and thirty-firsts have no exact decimals."""
    same_day = [(units, days) for units, _ in adds]
    back = (-sum((units for units, _ in adds), D(0)), days)
    assert prorated([*same_day, back], ranges).amount == D(ranges[0]["flat_amount"])


@LAW
@given(tiers(), ADDS, UNITS, st.integers(1, 31), st.integers(1, 31))
def test_what_is_taken_back_later_costs_the_days_between(
    ranges: Ranges, adds: list[Change], units: Decimal, one: int, other: int
) -> None:
    """As if it had been an add for those days; what it filled of the tiers stays due."""
    later, sooner = sorted((one, other))
    assume(later < sooner)
    taken_back = prorated([*adds, (units, sooner), (-units, later)], ranges)
    shorter = prorated([*adds, (units, sooner - later)], ranges)
    assert abs(taken_back.amount - shorter.amount) < EXACT


@LAW
@given(tiers(), ANY_CHANGES)
def test_no_prorated_price_is_negative(ranges: Ranges, changes: list[Change]) -> None:
    price = prorated(changes, ranges)
    assert price.amount >= 0
    if sum(units for units, paid in changes if paid) < 0 and all(paid for _, paid in changes):
        assert price.amount == 0


@LAW
@given(tiers(), ADDS, st.tuples(UNITS, st.integers(1, 31)))
def test_one_more_add_never_costs_less(ranges: Ranges, adds: list[Change], more: Change) -> None:
    assert prorated([*adds, more], ranges).amount >= prorated(adds, ranges).amount


@LAW
@given(tiers(), ANY_CHANGES)
def test_without_its_changes_a_prorated_charge_costs_the_plain_price(ranges: Ranges, changes: list[Change]) -> None:
    units = abs(sum((units for units, _ in changes), D(0)))
    price = GRADUATED.price(Usage(units, full_units=units + 1), {"graduated_ranges": ranges})
    assert price.amount == plain(units, ranges)


VOLUME_RANGES: Ranges = [
    {"from_value": 0, "to_value": 100, "per_unit_amount": "2", "flat_amount": "10"},
    {"from_value": 101, "to_value": 200, "per_unit_amount": "1", "flat_amount": "0"},
    {"from_value": 201, "to_value": None, "per_unit_amount": "0.5", "flat_amount": "50"},
]


@LAW
@given(st.decimals(0, 300, places=2), st.integers(0, 31))
def test_the_flat_amount_of_a_prorated_volume_is_due_in_full(held: Decimal, days: int) -> None:
    volume = CHARGE_MODELS["volume"]
    units = held * days / 31
    price = volume.price(Usage(units, full_units=held), {"volume_ranges": VOLUME_RANGES})
    whole = volume.price(Usage(held), {"volume_ranges": VOLUME_RANGES})
    flat = D(whole.details["flat_unit_amount"])
    assert abs(price.amount - flat - (whole.amount - flat) * days / 31) < EXACT
    assert abs(price.unit_amount * held - (price.amount if held else 0)) < EXACT


@pytest.mark.parametrize(("units", "held"), [("-1", "-5"), ("0.5", "-2"), ("-0.5", "3")])
def test_a_prorated_volume_below_nothing_costs_nothing(units: str, held: str) -> None:
    price = CHARGE_MODELS["volume"].price(Usage(D(units), full_units=D(held)), {"volume_ranges": VOLUME_RANGES})
    assert price.amount == 0


def test_a_prorated_volume_tells_what_a_unit_held_costs() -> None:
    usage = Usage(D("150"), full_units=D(300))
    assert CHARGE_MODELS["volume"].price(usage, {"volume_ranges": VOLUME_RANGES}).details == {
        "flat_unit_amount": "50.0",
        "per_unit_amount": "0.25",
        "per_unit_total_amount": "75.0",
    }
