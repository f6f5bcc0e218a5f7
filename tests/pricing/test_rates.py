"""Prices that are rates, or what events say: the worked examples (spec 1 §§3.8, 3.9.4, 3.9.6, 3.9.7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import accumulate, pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laguna.pricing.models import CHARGE_MODELS
from laguna.pricing.price import Price, Reads, Usage
from support.laws import LAW

D = Decimal
PERCENTAGE = CHARGE_MODELS["percentage"]


def of(values: Sequence[str], **properties: Any) -> Price:
    """The percentage price of these events' sum."""
    numbers = [D(value) for value in values]
    usage = Usage(sum(numbers, D(0)), len(numbers), "sum_agg", values=numbers)
    return PERCENTAGE.price(usage, {"rate": "0", **properties})


FREE = [
    ({"free_units_per_events": 3, "free_units_per_total_aggregation": "250"}, "250", 2, "11.15"),
    ({"free_units_per_total_aggregation": "250"}, "250", 2, "11.15"),
    ({"free_units_per_events": 3}, "400", 3, "7.2"),
    ({"free_units_per_events": 3, "free_units_per_total_aggregation": "500"}, "400", 3, "7.2"),
    ({}, "0", 0, "18.4"),
]


@pytest.mark.parametrize(("free", "units", "events", "amount"), FREE)
def test_free_units(free: dict[str, Any], units: str, events: int, amount: str) -> None:
    price = of(["50", "100", "250", "400"], rate="1.3", fixed_amount="2", **free)
    assert (D(price.details["free_units"]), price.details["free_events"]) == (D(units), events)
    assert price.amount == D(amount)


def test_everything_is_free_where_no_more_events_came_than_are_free() -> None:
    price = of(["50", "100", "250"], rate="1.3", fixed_amount="2", free_units_per_events=5)
    assert price.amount == 0
    assert price.details["free_events"] == 5


def test_simple_percentages() -> None:
    assert of(["50", "100", "250", "400"], fixed_amount="2").amount == 8
    assert of([], rate="1.3", fixed_amount="2", free_units_per_events=3).amount == 0
    assert of(["4"], rate="2.9").amount == D("0.116")
    assert of(
        ["50", "100", "250", "400"], rate="1.3", fixed_amount="2", free_units_per_total_aggregation="250"
    ).unit_amount == (D("0.0139375"))


RUNNING = [
    ({"free_units_per_events": 3}, ["10"] * 4, ["0", "0", "0", "5.1"]),
    ({"free_units_per_total_aggregation": "15"}, ["4", "4", "4", "4", "10"], ["0", "0", "0", "5.01", "10.11"]),
    (
        {"free_units_per_events": 3, "free_units_per_total_aggregation": "15"},
        ["10", "10", "10"],
        ["0", "5.05", "10.15"],
    ),
    ({"free_units_per_events": 3, "free_units_per_total_aggregation": "15"}, ["1"] * 4, ["0", "0", "0", "5.01"]),
]


@pytest.mark.parametrize(("free", "values", "amounts"), RUNNING)
def test_event_by_event(free: dict[str, Any], values: list[str], amounts: list[str]) -> None:
    prices = [of(values[: n + 1], rate="1", fixed_amount="5", **free).amount for n in range(len(values))]
    assert prices == [D(amount) for amount in amounts]


BOUNDS = {"per_transaction_min_amount": "1.75", "per_transaction_max_amount": "12"}


@pytest.mark.parametrize(
    ("properties", "amount"),
    [
        ({}, "16.142"),
        ({"fixed_amount": "2"}, "18.691"),
        ({"free_units_per_events": 2}, "12"),
        ({"free_units_per_total_aggregation": "30"}, "13.794"),
        ({"free_units_per_events": 3, "free_units_per_total_aggregation": "10000"}, "2.691"),
    ],
)
def test_bounds_per_transaction(properties: dict[str, Any], amount: str) -> None:
    price = of(["10", "80", "10000"], rate="2.99", **BOUNDS, **properties)
    assert price.amount == D(amount)


def test_what_bounds_change_is_told() -> None:
    price = of(["10", "80", "10000"], rate="2.99", **BOUNDS)
    assert D(price.details["min_max_adjustment_total_amount"]) == D("16.142") - D("301.691")
    totals = [of(values, rate="1", fixed_amount="1", **BOUNDS).amount for values in (["100"], ["100", "1000"])]
    assert totals == [2, 13 + 0]
    assert of(["100", "1000", "10000"], rate="1", fixed_amount="1", **BOUNDS).amount == 25


def test_counts_are_ones() -> None:
    usage = Usage(D(5), 5, "count_agg")
    properties = {"rate": "1", "fixed_amount": "1", "free_units_per_events": 1}
    assert PERCENTAGE.price(usage, properties).amount == D("4.04")
    both = {**properties, "free_units_per_events": 4, "free_units_per_total_aggregation": "2.5"}
    assert PERCENTAGE.price(usage, both).details["free_units"] == "2.5"
    assert PERCENTAGE.price(usage, both).details["free_events"] == 2
    bounded = {"rate": "1", "per_transaction_min_amount": "2"}
    assert PERCENTAGE.price(Usage(D(1_000_000), 1_000_000, "count_agg"), bounded).amount == 2_000_000
    assert PERCENTAGE.price(Usage(D(3), 3, "count_agg"), {**bounded, "free_units_per_events": 2}).amount == 2


def test_the_event_that_reaches_the_free_total_pays_the_fixed_amount_although_events_are_free() -> None:
    """Both allowances end when the first is used up (W14), also where the very first event does it."""
    both = {"free_units_per_events": 3, "free_units_per_total_aggregation": "15"}
    for bounds in ({}, {"per_transaction_min_amount": "0"}):
        assert of(["20"], rate="1", fixed_amount="5", **both, **bounds).amount == D("5.05")
        assert of(["15"], rate="1", fixed_amount="5", **both, **bounds).amount == 5
        assert of(["1", "1", "1", "1"], rate="1", fixed_amount="5", **both, **bounds).amount == D("5.01")


def test_details_tell_every_part() -> None:
    price = of(["10", "80", "10000"], rate="2.99", fixed_amount="2", free_units_per_events=1, **BOUNDS)
    assert price.amount == D("16.392")
    assert price.details == {
        "units": "10090.0",
        "free_units": "10.0",
        "free_events": 1,
        "paid_units": "10080.0",
        "rate": "2.99",
        "per_unit_total_amount": "301.392",
        "paid_events": 2,
        "fixed_fee_unit_amount": "2.0",
        "fixed_fee_total_amount": "4.0",
        "min_max_adjustment_total_amount": "-289.0",
    }


def test_a_percentage_of_nothing_tells_so() -> None:
    assert of([], rate="1.3", fixed_amount="2").details == {
        "units": "0.0",
        "free_units": "0.0",
        "free_events": 0,
        "paid_units": "0.0",
        "rate": "1.3",
        "per_unit_total_amount": "0.0",
        "paid_events": 0,
        "fixed_fee_unit_amount": "0.0",
        "fixed_fee_total_amount": "0.0",
        "min_max_adjustment_total_amount": "0.0",
    }


@pytest.mark.parametrize("kind", ["max_agg", "weighted_sum_agg", "custom_agg", "latest_agg"])
def test_of_what_no_event_has_a_share_in_no_units_are_free(kind: str) -> None:
    """One event has the value, the others 0; free events are only free of the fixed amount (spec 1 §3.9.4, W27)."""
    usage = Usage(D(400), 4, kind)
    free = {"rate": "1", "fixed_amount": "2", "free_units_per_events": 3, "free_units_per_total_aggregation": "100"}
    price = PERCENTAGE.price(usage, free)
    assert (price.amount, price.details["free_units"], price.details["free_events"]) == (6, "0.0", 3)
    bounded = {"rate": "1", "fixed_amount": "2", "per_transaction_min_amount": "3", "per_transaction_max_amount": "5"}
    assert PERCENTAGE.price(usage, bounded).amount == 5 + 3 * 3
    assert PERCENTAGE.price(Usage(D(400), 0, kind), bounded).amount == 4
    assert PERCENTAGE.price(Usage(D(0), 0, kind), bounded).amount == 0


def test_free_units_of_a_refund_are_given_back() -> None:
    """The first event is free, also of what it would take off: 10 units are left to pay."""
    price = of(["-5", "10"], rate="1", free_units_per_events=1)
    assert (price.amount, price.details["free_units"]) == (D("0.1"), "-5.0")


def test_values_are_only_read_where_they_tell() -> None:
    assert PERCENTAGE.reads({"rate": "1", "fixed_amount": "2"}) is Reads.UNITS
    for extra in ({"free_units_per_events": 1}, {"per_transaction_max_amount": "0"}):
        assert PERCENTAGE.reads({"rate": "1", **extra}) is Reads.VALUES
    assert CHARGE_MODELS["dynamic"].reads({}) is Reads.AMOUNTS


@LAW
@given(st.lists(st.integers(0, 1000), max_size=12), st.integers(1, 5), st.integers(1, 2000))
def test_laws_of_percentages(drawn: list[int], events: int, total: int) -> None:
    """Never negative; more usage never costs less; an allowance never makes it dearer."""
    values = [str(value) for value in drawn]
    free = {"free_units_per_events": events, "free_units_per_total_aggregation": str(total)}
    prices = [of(values[:n], rate="2.5", fixed_amount="0.3", **free).amount for n in range(len(values) + 1)]
    assert prices[0] == 0
    assert all(before <= after for before, after in pairwise(prices))
    assert prices[-1] <= of(values, rate="2.5", fixed_amount="0.3").amount
    bounded = of(values, rate="2.5", **BOUNDS).amount
    assert D("1.75") * len(values) <= bounded <= 12 * len(values)


GRADUATED = CHARGE_MODELS["graduated_percentage"]


def tiers(*rows: tuple[int, int | None, str, str]) -> Mapping[str, Any]:
    names = ("from_value", "to_value", "rate", "flat_amount")
    return {"graduated_percentage_ranges": [dict(zip(names, row, strict=True)) for row in rows]}


THREE = tiers((0, 10, "1", "200"), (11, 20, "2", "300"), (21, None, "3", "400"))


@pytest.mark.parametrize(
    ("units", "amount"),
    [("0", "200"), ("1", "200.01"), ("10", "200.1"), ("11", "500.12"), ("12", "500.14"), ("21", "900.33")],
)
def test_graduated_percentage(units: str, amount: str) -> None:
    assert GRADUATED.price(Usage(D(units), 1), THREE).amount == D(amount)


def test_graduated_percentage_of_two_tiers() -> None:
    two = tiers((0, 100, "5", "0"), (101, None, "2", "10"))
    assert [GRADUATED.price(Usage(D(units), 1), two).amount for units in (50, 150)] == [D("2.5"), 16]
    touching = tiers((0, 100, "5", "0"), (100, None, "2", "10"))
    assert GRADUATED.price(Usage(D(150), 1), touching).amount == 16


@LAW
@given(st.lists(st.decimals(0, 100, places=2), min_size=1, max_size=8))
def test_tiers_at_once_are_tiers_step_by_step(drawn: list[Decimal]) -> None:
    totals = list(accumulate(drawn))
    prices = [GRADUATED.price(Usage(total, 1), THREE).amount for total in totals]
    assert all(before <= after for before, after in pairwise(prices))


def test_dynamic() -> None:
    dynamic = CHARGE_MODELS["dynamic"]
    price = dynamic.price(Usage(D(20), 2, total_amount=D("0.402")), {})
    assert (price.amount, price.unit_amount) == (D("0.402"), D("0.0201"))
    assert dynamic.price(Usage(D(0), 1, total_amount=D(9)), {}).amount == 0


BAD = [
    ("percentage", {}, ["invalid_rate"]),
    ("percentage", {"rate": "-1"}, ["invalid_rate"]),
    ("percentage", {"rate": 1}, ["invalid_rate"]),
    (
        "percentage",
        {
            "rate": "x",
            "fixed_amount": "-2",
            "free_units_per_events": 0,
            "free_units_per_total_aggregation": "a",
            "per_transaction_min_amount": 3,
        },
        [
            "invalid_rate",
            "invalid_fixed_amount",
            "invalid_free_units_per_events",
            "invalid_free_units_per_total_aggregation",
            "invalid_amount",
        ],
    ),
    (
        "percentage",
        {"rate": "1", "per_transaction_min_amount": "3", "per_transaction_max_amount": "2"},
        ["per_transaction_max_lower_than_per_transaction_min"],
    ),
    ("graduated_percentage", {}, ["missing_graduated_percentage_ranges"]),
    (
        "graduated_percentage",
        {"graduated_percentage_ranges": [{"from_value": 0, "to_value": 5, "rate": 1, "flat_amount": None}]},
        ["invalid_graduated_percentage_ranges", "invalid_rate", "invalid_amount"],
    ),
]


@pytest.mark.parametrize(("model", "properties", "codes"), BAD)
def test_what_is_refused(model: str, properties: dict[str, Any], codes: list[str]) -> None:
    assert CHARGE_MODELS[model].clean(properties)[1] == codes


@pytest.mark.parametrize("model", ["percentage", "graduated_percentage", "dynamic"])
def test_defaults_are_valid_and_foreign_keys_dropped(model: str) -> None:
    defaults = CHARGE_MODELS[model].default_properties()
    assert CHARGE_MODELS[model].clean({**defaults, "volume_ranges": []}) == (defaults, [])


def test_equal_bounds_are_fine() -> None:
    equal = {"rate": "1", "per_transaction_min_amount": "2", "per_transaction_max_amount": "2.0"}
    assert PERCENTAGE.clean(equal) == (equal, [])
