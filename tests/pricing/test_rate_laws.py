"""What holds for every price that is a rate, or what events say (spec 1 §§3.9.4, 3.9.6, 3.9.7, W5, W14)."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from laguna.pricing.models import CHARGE_MODELS
from laguna.pricing.price import Price, Usage
from support.laws import LAW

D = Decimal
PERCENTAGE, GRADUATED, GRADUATED_PERCENTAGE, DYNAMIC, STANDARD = (
    CHARGE_MODELS[name] for name in ("percentage", "graduated", "graduated_percentage", "dynamic", "standard")
)
AMOUNTS = st.decimals(0, 100, places=2).map(str)
VALUES = st.lists(st.decimals(0, 60, places=1), max_size=10)
SIGNED_VALUES = st.lists(st.decimals(-60, 60, places=1), max_size=10)
RATED = st.fixed_dictionaries({"rate": AMOUNTS}, optional={"fixed_amount": AMOUNTS})
FREE = st.fixed_dictionaries(
    {},
    optional={
        "free_units_per_events": st.integers(1, 8),
        "free_units_per_total_aggregation": st.one_of(
            st.decimals(0, 200, places=1), st.integers(0, 12), st.just(D(10) ** 29)
        ).map(str),
    },
)
LOWEST, HIGHEST = "per_transaction_min_amount", "per_transaction_max_amount"
BOUNDS = st.one_of(
    st.just({}),
    st.tuples(AMOUNTS, AMOUNTS).map(lambda pair: dict(zip((LOWEST, HIGHEST), sorted(pair, key=D), strict=True))),
    AMOUNTS.map(lambda amount: {LOWEST: amount}),
    AMOUNTS.map(lambda amount: {HIGHEST: amount}),
)
ANY = st.tuples(RATED, FREE, BOUNDS).map(lambda parts: {**parts[0], **parts[1], **parts[2]})
NEVER_BINDING = {LOWEST: "0", HIGHEST: "9" * 20}
WITHOUT_VALUES = ["count_agg", "unique_count_agg", "max_agg", "weighted_sum_agg", "latest_agg", "custom_agg"]


def of_sum(values: Sequence[Decimal], properties: dict[str, Any]) -> Price:
    return PERCENTAGE.price(Usage(sum(values, D(0)), len(values), "sum_agg", values=values), properties)


def of(kind: str, units: Decimal, events: int, properties: dict[str, Any]) -> Price:
    return PERCENTAGE.price(Usage(units, events, kind), properties)


def parts(price: Price) -> Decimal:
    names = ("per_unit_total_amount", "fixed_fee_total_amount", "min_max_adjustment_total_amount")
    return sum((D(price.details[name]) for name in names), D(0))


@LAW
@given(ANY, SIGNED_VALUES, st.sampled_from(WITHOUT_VALUES), st.integers(0, 40), st.integers(0, 40))
def test_percentage_details_add_up_to_the_amount(
    properties: dict[str, Any], values: list[Decimal], kind: str, units: int, events: int
) -> None:
    assert parts(price := of_sum(values, properties)) == price.amount
    assert parts(price := of(kind, D(units), events, properties)) == price.amount


@LAW
@given(RATED, FREE, VALUES)
def test_bounds_that_never_bind_change_nothing(
    rated: dict[str, Any], free: dict[str, Any], values: list[Decimal]
) -> None:
    """One rule of what is free, with and without bounds (W14)."""
    assume(sum(values))
    properties = rated | free
    assert of_sum(values, properties | NEVER_BINDING).amount == of_sum(values, properties).amount


@LAW
@given(RATED, FREE, st.sampled_from(WITHOUT_VALUES), st.integers(0, 40), st.integers(0, 40))
def test_bounds_that_never_bind_change_nothing_where_values_are_not_known(
    rated: dict[str, Any], free: dict[str, Any], kind: str, units: int, events: int
) -> None:
    if kind in ("count_agg", "unique_count_agg"):
        events = units
    properties = rated | free
    bounded, plain = (of(kind, D(units), events, given_) for given_ in (properties | NEVER_BINDING, properties))
    assert bounded.amount == plain.amount


@LAW
@given(ANY, st.integers(0, 30), st.sampled_from(["count_agg", "unique_count_agg"]))
def test_a_count_is_priced_as_a_sum_of_ones(properties: dict[str, Any], count: int, kind: str) -> None:
    """The closed form is what going event by event gives."""
    assert of(kind, D(count), count, properties) == of_sum([D(1)] * count, properties)


@LAW
@given(ANY, st.integers(10**6, 10**12))
def test_a_huge_count_costs_no_time(properties: dict[str, Any], count: int) -> None:
    one_more = of("count_agg", D(count + 1), count + 1, properties).amount
    assert one_more >= of("count_agg", D(count), count, properties).amount >= 0


@LAW
@given(RATED, FREE, VALUES)
def test_what_is_free_is_the_lesser_allowance(
    rated: dict[str, Any], free: dict[str, Any], values: list[Decimal]
) -> None:
    details = of_sum(values, rated | free).details
    events = free.get("free_units_per_events")
    total = D(free.get("free_units_per_total_aggregation", 0))
    allowed = [sum(values, D(0))] if events or total else [D(0)]
    if events:
        allowed.append(sum(values[:events], D(0)))
    if total:
        allowed.append(total)
    assert D(details["free_units"]) == min(allowed)
    assert D(details["free_units"]) + D(details["paid_units"]) == D(details["units"])
    assert details["free_events"] <= (events or len(values))


@LAW
@given(ANY, VALUES)
def test_one_more_event_never_costs_less(properties: dict[str, Any], values: list[Decimal]) -> None:
    amounts = [of_sum(values[:count], properties).amount for count in range(len(values) + 1)]
    assert amounts[0] == 0
    assert all(less <= more for less, more in pairwise(amounts))


@LAW
@given(ANY, FREE, VALUES)
def test_an_allowance_never_makes_it_dearer(
    properties: dict[str, Any], free: dict[str, Any], values: list[Decimal]
) -> None:
    without = {key: value for key, value in properties.items() if not key.startswith("free_")}
    assert of_sum(values, without | free).amount <= of_sum(values, without).amount


@LAW
@given(RATED, BOUNDS, VALUES, VALUES)
def test_without_allowances_the_parts_cost_what_the_whole_costs(
    rated: dict[str, Any], bounds: dict[str, Any], one: list[Decimal], other: list[Decimal]
) -> None:
    assume(bounds or (sum(one) and sum(other)))  # events that sum up to nothing pay no fixed amount unless bounded
    properties = rated | bounds
    amounts = [of_sum(values, properties).amount for values in (one, other, one + other)]
    assert amounts[0] + amounts[1] == amounts[2]


@LAW
@given(RATED, st.tuples(AMOUNTS, AMOUNTS).map(lambda pair: sorted(pair, key=D)), VALUES)
def test_each_event_is_within_its_bounds(rated: dict[str, Any], bounds: list[str], values: list[Decimal]) -> None:
    lowest, highest = bounds
    amount = of_sum(values, {**rated, LOWEST: lowest, HIGHEST: highest}).amount
    assert D(lowest) * len(values) <= amount <= D(highest) * len(values)


@LAW
@given(ANY, st.sampled_from(["sum_agg", *WITHOUT_VALUES]), st.decimals(-1000, 1000, places=2), st.integers(0, 9))
def test_no_usage_crashes_a_percentage(properties: dict[str, Any], kind: str, units: Decimal, events: int) -> None:
    """A recurring sum may have units without an event, or fewer than none."""
    if kind in ("count_agg", "unique_count_agg"):
        units = abs(units.to_integral_value())
    price = of(kind, units, events, properties)
    assert price.amount >= 0 or units < 0


@st.composite
def rate_tiers(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Up to five tiers that touch or are a step apart."""
    rows: list[dict[str, Any]] = []
    start = D(draw(st.sampled_from([0, 1])))
    for width in draw(st.lists(st.decimals("0.1", 20, places=1), max_size=4)):
        rows.append({"from_value": start, "to_value": start + width})
        start += width + draw(st.sampled_from([0, 1]))
    rows.append({"from_value": start, "to_value": None})
    return [{**row, "rate": draw(AMOUNTS), "flat_amount": draw(AMOUNTS)} for row in rows]


def of_tiers(units: Decimal, ranges: Sequence[dict[str, Any]]) -> Price:
    cleaned, codes = GRADUATED_PERCENTAGE.clean({"graduated_percentage_ranges": ranges})
    assert codes == []
    return GRADUATED_PERCENTAGE.price(Usage(units), cleaned)


@LAW
@given(rate_tiers(), st.decimals(0, 100, places=2))
def test_a_graduated_rate_is_a_graduated_price_of_a_hundredth(ranges: list[dict[str, Any]], units: Decimal) -> None:
    priced = [{**row, "per_unit_amount": str(D(row["rate"]) / 100)} for row in ranges]
    assert of_tiers(units, ranges).amount == GRADUATED.price(Usage(units), {"graduated_ranges": priced}).amount


@LAW
@given(rate_tiers(), st.decimals(0, 100, places=2))
def test_graduated_percentage_details_add_up(ranges: list[dict[str, Any]], units: Decimal) -> None:
    price = of_tiers(units, ranges)
    lines = price.details["graduated_percentage_ranges"]
    assert sum(D(line["units"]) for line in lines) == units
    assert sum(D(line["total_with_flat_amount"]) for line in lines) == price.amount
    assert all(line["to_value"] < units for line in lines[:-1])


@LAW
@given(rate_tiers(), VALUES)
def test_graduated_rates_at_once_are_rates_event_by_event(ranges: list[dict[str, Any]], values: list[Decimal]) -> None:
    """What each event adds to the price sums up to the price of all."""
    totals = [sum(values[:count], D(0)) for count in range(len(values) + 1)]
    amounts = [of_tiers(total, ranges).amount for total in totals]
    assert all(less <= more for less, more in pairwise(amounts))
    poured = D(ranges[0]["flat_amount"])
    below = D(0)
    for row in ranges:
        end = row["to_value"]
        shares = [max(min(after, end or after) - max(before, below), D(0)) for before, after in pairwise(totals)]
        poured += sum(shares, D(0)) * D(row["rate"]) / 100
        if row is not ranges[0] and any(shares):
            poured += D(row["flat_amount"])
        below = end
    assert amounts[-1] == poured


@LAW
@given(st.lists(st.tuples(st.decimals("0.1", 60, places=1), st.decimals(0, 10**6, places=15)), max_size=6))
def test_dynamic_and_standard_prices_are_the_sum_of_their_parts(events: list[tuple[Decimal, Decimal]]) -> None:
    usages = [Usage(units, 1, total_amount=amount) for units, amount in events]
    whole = Usage(
        sum((units for units, _ in events), D(0)),
        len(events),
        total_amount=sum((amount for _, amount in events), D(0)),
    )
    for model, properties in ((DYNAMIC, {}), (STANDARD, {"amount": "0.333"})):
        assert model.price(whole, properties).amount == sum(model.price(usage, properties).amount for usage in usages)
