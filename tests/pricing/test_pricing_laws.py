"""What holds for every price (spec 1 §3.8, §3.9)."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from laguna.pricing.models import CHARGE_MODELS, fee_amounts
from laguna.pricing.price import Price, Usage
from support.laws import LAW

MODELS = st.sampled_from(sorted(CHARGE_MODELS))
PRICES = st.decimals(0, 10**6, places=5).map(lambda price: format(price, "f"))
WHOLE_UNITS = st.integers(0, 10**6).map(Decimal)
ANY_UNITS = st.one_of(
    WHOLE_UNITS,
    st.decimals(0, 60, places=3),  # around the bounds of the tiers below
    st.decimals(0, 10**12, places=9),
)


@st.composite
def tiers(draw: st.DrawFn, steps: tuple[int, ...]) -> list[dict[str, Any]]:
    """Up to five tiers of a few units; each starts one of `steps` after the end of the one before it."""
    ranges: list[dict[str, Any]] = []
    start: Decimal = draw(st.sampled_from([Decimal(0), Decimal(1)]))
    for width in draw(st.lists(st.decimals("0.1", 20, places=1), max_size=4)):
        end = start + width
        ranges.append({"from_value": start, "to_value": end})
        start = end + draw(st.sampled_from(steps))
    ranges.append({"from_value": start, "to_value": None})
    return [{**item, "per_unit_amount": draw(PRICES), "flat_amount": draw(PRICES)} for item in ranges]


@st.composite
def properties_of(draw: st.DrawFn, model: str) -> dict[str, Any]:
    if model == "standard":
        return {"amount": draw(PRICES)}
    if model == "package":
        sizes = {"package_size": draw(st.integers(1, 1000)), "free_units": draw(st.integers(0, 1000))}
        return {"amount": draw(PRICES), **sizes}
    if model == "percentage":
        return {"rate": draw(PRICES), "fixed_amount": draw(PRICES)}
    if model == "dynamic":
        return {}
    ranges = draw(tiers((1, 2) if model == "volume" else (0, 1)))
    if model == "graduated_percentage":
        ranges = [{**item, "rate": item.pop("per_unit_amount")} for item in ranges]
    return {f"{model}_ranges": ranges}


GRADUATED = properties_of("graduated")


def price(model: str, units: Decimal, properties: dict[str, Any]) -> Price:
    cleaned, codes = CHARGE_MODELS[model].clean(properties)
    assert codes == []
    return CHARGE_MODELS[model].price(Usage(units), cleaned)


def poured(events: list[Decimal], ranges: list[dict[str, Any]]) -> Decimal:
    """Bill event by event: each fills the open tier up to its end, then opens the next one."""
    amount, level, index = Decimal(ranges[0]["flat_amount"]), Decimal(0), 0
    for event in events:
        left = event
        while left:
            end = ranges[index]["to_value"]
            room = left if end is None else min(left, end - level)
            amount += room * Decimal(ranges[index]["per_unit_amount"])
            level, left = level + room, left - room
            if left:
                index += 1
                amount += Decimal(ranges[index]["flat_amount"])
    return amount


@LAW
@given(GRADUATED, st.lists(st.decimals(0, 30, places=2), max_size=8))
def test_graduated_at_once_costs_what_the_events_cost_one_by_one(
    properties: dict[str, Any], events: list[Decimal]
) -> None:
    at_once = price("graduated", sum(events, Decimal(0)), properties)
    assert at_once.amount == poured(events, properties["graduated_ranges"])


@LAW
@given(GRADUATED, ANY_UNITS)
def test_graduated_details_add_up_to_the_price_and_the_units(properties: dict[str, Any], units: Decimal) -> None:
    result = price("graduated", units, properties)
    lines = result.details["graduated_ranges"]
    assert sum(Decimal(line["units"]) for line in lines) == units
    assert sum(Decimal(line["total_with_flat_amount"]) for line in lines) == result.amount
    assert all(line["to_value"] is not None and line["to_value"] < units for line in lines[:-1])


@LAW
@given(
    st.data(),
    st.sampled_from(["standard", "graduated", "package", "percentage", "graduated_percentage"]),
    st.lists(ANY_UNITS, min_size=2, max_size=5),
)
def test_more_usage_never_costs_less(data: st.DataObject, model: str, levels: list[Decimal]) -> None:
    properties = data.draw(properties_of(model))
    amounts = [price(model, units, properties).amount for units in sorted(levels)]
    assert all(less <= more for less, more in pairwise(amounts))


@LAW
@given(properties_of("package"), ANY_UNITS)
def test_packages_are_the_ceiling_of_the_paid_units(properties: dict[str, Any], units: Decimal) -> None:
    paid = max(Fraction(units) - properties["free_units"], Fraction(0))
    packages = math.ceil(paid / properties["package_size"])
    assert price("package", units, properties).amount == packages * Decimal(properties["amount"])


@LAW
@given(properties_of("volume"), ANY_UNITS)
def test_volume_uses_exactly_one_tier(properties: dict[str, Any], units: Decimal) -> None:
    reached: list[dict[str, Any]] = []
    below = Decimal(-1)
    for tier in properties["volume_ranges"]:
        end = tier["to_value"]
        if below < units and (end is None or units <= end):
            reached.append(tier)
        below = Decimal("Infinity") if end is None else end
    (tier,) = reached
    amount = price("volume", units, properties).amount
    assert amount == units * Decimal(tier["per_unit_amount"]) + Decimal(tier["flat_amount"])


@LAW
@given(st.data(), MODELS, st.one_of(ANY_UNITS, ANY_UNITS.map(lambda units: -units)))
def test_no_fee_is_ever_negative(data: st.DataObject, model: str, units: Decimal) -> None:
    result = price(model, units, data.draw(properties_of(model)))
    fee = fee_amounts(result, units, data.draw(st.sampled_from(["EUR", "JPY", "KWD"])))
    if units >= 0:
        assert result.amount >= 0 and result.unit_amount >= 0
        assert fee.units == units
    assert min(fee.units, fee.amount_cents, fee.precise_amount_cents, fee.precise_unit_amount) >= 0
    assert abs(fee.precise_amount_cents - fee.amount_cents) <= Decimal("0.5")


@LAW
@given(st.data(), MODELS, ANY_UNITS)
def test_the_unit_amount_times_the_units_is_the_amount(data: st.DataObject, model: str, units: Decimal) -> None:
    properties = data.draw(properties_of(model))
    result = price(model, units, properties)
    paid = Decimal(result.details["paid_units"]) if model == "package" else units
    assert abs(result.unit_amount * paid - (result.amount if paid else 0)) < Decimal("1e-40")


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.decimals(),
    st.floats(),
    st.text(max_size=8),
    st.text("0123456789.eE+-", max_size=12),
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
PRICE_LIKE = st.one_of(PRICES, JSON)
BOUND_LIKE = st.one_of(st.none(), st.integers(-1, 5), st.decimals(0, 5, places=1), JSON)
TIER_LIKE = st.one_of(
    st.fixed_dictionaries(
        {},
        optional={
            "from_value": BOUND_LIKE,
            "to_value": BOUND_LIKE,
            "per_unit_amount": PRICE_LIKE,
            "flat_amount": PRICE_LIKE,
            "rate": PRICE_LIKE,
        },
    ),
    JSON,
)
GROUPS_LIKE = st.one_of(JSON, st.lists(st.text(max_size=4) | JSON, max_size=4))
PROPERTIES_LIKE: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "amount": PRICE_LIKE,
        "package_size": BOUND_LIKE,
        "free_units": BOUND_LIKE,
        "graduated_ranges": st.one_of(st.lists(TIER_LIKE, max_size=3), tiers((0, 1)), JSON),
        "volume_ranges": st.one_of(st.lists(TIER_LIKE, max_size=3), tiers((1, 2)), JSON),
        "graduated_percentage_ranges": st.one_of(st.lists(TIER_LIKE, max_size=3), JSON),
        "rate": PRICE_LIKE,
        "fixed_amount": PRICE_LIKE,
        "free_units_per_events": BOUND_LIKE,
        "free_units_per_total_aggregation": PRICE_LIKE,
        "per_transaction_min_amount": PRICE_LIKE,
        "per_transaction_max_amount": PRICE_LIKE,
        "pricing_group_keys": GROUPS_LIKE,
        "grouped_by": GROUPS_LIKE,
        "presentation_group_keys": st.one_of(
            JSON,
            st.lists(
                st.fixed_dictionaries({"value": st.text(max_size=3)}, optional={"options": JSON, "other": JSON}),
                max_size=3,
            ),
        ),
        "foreign": JSON,
    },
)

CLEANED = MODELS.flatmap(lambda model: st.tuples(st.just(model), PROPERTIES_LIKE | properties_of(model)))


@LAW
@given(CLEANED)
def test_cleaning_takes_any_json_and_what_it_keeps_is_clean(given_to: tuple[str, dict[str, Any]]) -> None:
    model, properties = given_to
    charge_model = CHARGE_MODELS[model]
    cleaned, codes = charge_model.clean(properties)
    again, remaining = charge_model.clean(cleaned)
    assert again == cleaned
    assert len(set(codes)) == len(codes)
    if not codes:
        assert remaining == []
        assert charge_model.price(Usage(Decimal("12.5")), cleaned).amount >= 0


ENCODER: Callable[[Any], bytes] = msgspec.json.Encoder(decimal_format="number").encode
DECODER: Callable[[bytes], Any] = msgspec.json.Decoder(float_hook=Decimal).decode


@LAW
@given(CLEANED)
def test_clean_properties_survive_being_stored_as_json(given_to: tuple[str, dict[str, Any]]) -> None:
    model, properties = given_to
    cleaned, _ = CHARGE_MODELS[model].clean(properties)
    stored = DECODER(ENCODER(cleaned))
    assert CHARGE_MODELS[model].clean(stored)[0] == cleaned


@LAW
@given(st.data(), MODELS, ANY_UNITS)
def test_the_details_of_a_price_can_be_stored_as_json(data: st.DataObject, model: str, units: Decimal) -> None:
    details = price(model, units, data.draw(properties_of(model))).details
    assert DECODER(ENCODER(details)) == details
