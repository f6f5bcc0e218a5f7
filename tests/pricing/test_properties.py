"""What a charge's properties may be (spec 1 §3.6 to 3.8)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from laguna.pricing.models import CHARGE_MODELS


def clean(model: str, **properties: Any) -> tuple[dict[str, Any], list[str]]:
    return CHARGE_MODELS[model].clean(properties)


def codes(model: str, **properties: Any) -> list[str]:
    return clean(model, **properties)[1]


def ranges(*bounds: tuple[Any, Any], **prices: Any) -> list[dict[str, Any]]:
    amounts = {"per_unit_amount": "1", "flat_amount": "0", **prices}
    return [{"from_value": start, "to_value": end, **amounts} for start, end in bounds]


@pytest.mark.parametrize("model", CHARGE_MODELS)
def test_the_default_properties_are_valid_as_they_are(model: str) -> None:
    defaults = CHARGE_MODELS[model].default_properties()
    assert clean(model, **defaults) == (defaults, [])


@pytest.mark.parametrize(
    "amount", ["0", "12.5", "0012.50", ".5", "5.", "1e-07", "1E2", "9" * 30, "0." + "1" * 15, "1." + "0" * 40]
)
def test_a_price_is_the_text_of_a_decimal_and_stays_as_it_was_written(amount: str) -> None:
    assert clean("standard", amount=amount) == ({"amount": amount}, [])


@pytest.mark.parametrize(
    "amount",
    [
        *(None, "", "foo", "-2", "-0", "+1", " 1", "1\n", "1_000", "1,5", "0x1", "NaN", "Infinity", "١"),
        *(2, Decimal("2.5"), 2.5, True, [], {}, ["1"]),
        *("1" + "0" * 30, "1e30", "1e999", "1e9999", "1e-16", "0." + "0" * 15 + "1", "0" * 101),
    ],
)
def test_what_is_not_the_text_of_a_decimal_is_no_price(amount: Any) -> None:
    assert clean("standard", amount=amount) == ({}, ["invalid_amount"])


def test_a_price_is_mandatory() -> None:
    assert codes("standard") == ["invalid_amount"]


def test_properties_of_another_model_are_dropped() -> None:
    given = {"amount": "1", "rate": "2", "package_size": 10, "graduated_ranges": "nonsense"}
    assert clean("standard", **given) == ({"amount": "1"}, [])


@pytest.mark.parametrize("size", [1, 10, Decimal("10.0"), Decimal("1E+1"), "10"])
def test_a_package_size_is_a_whole_number(size: Any) -> None:
    cleaned, problems = clean("package", amount="1", package_size=size, free_units=0)
    assert (cleaned["package_size"], problems) == (int(size), [])
    assert type(cleaned["package_size"]) is int


@pytest.mark.parametrize("size", [None, 0, -1, True, Decimal("1.5"), 1.0, "ten", "", 10**30, [], {}, Decimal("NaN")])
def test_a_package_holds_at_least_one_unit(size: Any) -> None:
    assert codes("package", amount="1", package_size=size, free_units=0) == ["invalid_package_size"]


@pytest.mark.parametrize("free_units", [None, -1, False, Decimal("0.5"), "foo"])
def test_free_units_are_a_whole_number(free_units: Any) -> None:
    assert codes("package", amount="1", package_size=1, free_units=free_units) == ["invalid_free_units"]


def test_all_problems_of_a_charge_are_told_at_once() -> None:
    problems = ["invalid_amount", "invalid_package_size", "invalid_free_units", "invalid_type"]
    assert codes("package", grouped_by="region") == problems


@pytest.mark.parametrize("model", ["graduated", "volume"])
@pytest.mark.parametrize("given", [{}, {"ranges": None}, {"ranges": []}, {"ranges": {}}, {"ranges": "0-10"}])
def test_a_charge_with_tiers_needs_at_least_one(model: str, given: dict[str, Any]) -> None:
    properties = {f"{model}_{key}": value for key, value in given.items()}
    assert codes(model, **properties) == [f"missing_{model}_ranges"]


STEPPED = [(0, 10), (11, 20), (21, None)]
TOUCHING = [(0, Decimal("0.1")), (Decimal("0.1"), 1), (1, None)]


@pytest.mark.parametrize(
    "bounds",
    [
        STEPPED,
        TOUCHING,
        [(0, None)],
        [(1, None)],
        [(1, 10), (11, None)],
        [(0, 10), (10, 20), (21, None)],
        [(0, Decimal("0.5")), (Decimal("1.5"), None)],
    ],
)
def test_graduated_tiers_follow_each_other(bounds: list[tuple[Any, Any]]) -> None:
    given = ranges(*bounds)
    assert clean("graduated", graduated_ranges=given) == ({"graduated_ranges": given}, [])


NEVER_VALID = [
    [(-1, None)],
    [(2, None)],
    [(Decimal("0.5"), None)],
    [(0, 100)],
    [(0, 100), (120, None)],
    [(0, 100), (90, None)],
    [(0, Decimal("0.1")), (Decimal("0.5"), None)],
    [(0, None), (11, None)],
    [(0, 0), (1, None)],
    [(0, 10), (11, 11), (12, None)],
    [(0, 10), (11, 5), (6, None)],
    [(None, None)],
    [(0, "ten"), (11, None)],
    [(0, True), (2, None)],
    [(False, None)],
    [(0.0, None)],
    [(0, Decimal("NaN")), (11, None)],
    [(0, Decimal("1e999999")), (11, None)],
    [(0, 10**5000), (11, None)],
    [(0, Decimal("1e-16")), (1, None)],
]


@pytest.mark.parametrize("bounds", NEVER_VALID)
@pytest.mark.parametrize("model", ["graduated", "volume"])
def test_tiers_with_a_hole_an_overlap_or_a_wrong_end_are_refused(model: str, bounds: list[tuple[Any, Any]]) -> None:
    assert clean(model, **{f"{model}_ranges": ranges(*bounds)}) == ({}, [f"invalid_{model}_ranges"])


@pytest.mark.parametrize(
    ("bounds", "valid"),
    [
        (STEPPED, True),
        ([(0, 10), (12, None)], True),
        ([(1, 10), (11, None)], True),
        ([(0, Decimal("0.5")), (Decimal("1.5"), None)], True),
        (TOUCHING, False),
        ([(0, 10), (10, None)], False),
        ([(0, 10), (13, None)], False),
    ],
)
def test_volume_tiers_are_a_step_apart_and_never_touch(bounds: list[tuple[Any, Any]], valid: bool) -> None:
    given = ranges(*bounds)
    expected = ({"volume_ranges": given}, []) if valid else ({}, ["invalid_volume_ranges"])
    assert clean("volume", volume_ranges=given) == expected


@pytest.mark.parametrize("amount", [None, "foo", "-2", 2])
@pytest.mark.parametrize("field", ["per_unit_amount", "flat_amount"])
def test_both_prices_of_a_tier_are_mandatory(field: str, amount: Any) -> None:
    assert codes("graduated", graduated_ranges=ranges((0, None), **{field: amount})) == ["invalid_amount"]


def test_problems_of_several_tiers_are_told_once() -> None:
    given = ranges((2, 100), (120, 110), (90, None), per_unit_amount=2)
    assert codes("volume", volume_ranges=given) == ["invalid_volume_ranges", "invalid_amount"]


@pytest.mark.parametrize("tier", [None, 1, "0-10", [], {}])
def test_what_is_not_a_tier_is_refused(tier: Any) -> None:
    assert codes("graduated", graduated_ranges=[tier]) == ["invalid_graduated_ranges", "invalid_amount"]


def test_the_end_of_the_last_tier_may_be_left_out() -> None:
    """A client that never sends null can't say it otherwise."""
    given = [{"from_value": 0, "per_unit_amount": "1", "flat_amount": "0", "foreign": 1}]
    assert clean("graduated", graduated_ranges=given) == ({"graduated_ranges": ranges((0, None))}, [])


def test_bounds_are_kept_as_plain_numbers() -> None:
    given = ranges(("0", Decimal("0.10")), (Decimal("0.1"), "10"), (Decimal("11.0"), None))
    cleaned, problems = clean("graduated", graduated_ranges=given)
    bounds = [(tier["from_value"], tier["to_value"]) for tier in cleaned["graduated_ranges"]]
    assert problems == []
    assert str(bounds) == "[(0, Decimal('0.1')), (Decimal('0.1'), 10), (11, None)]"


def test_a_thousand_tiers_are_enough() -> None:
    thousand = ranges(*((n * 10, n * 10 + 10) for n in range(999)), (9990, None))
    assert codes("graduated", graduated_ranges=thousand) == []
    more = ranges(*((n * 10, n * 10 + 10) for n in range(1000)), (10_000, None))
    assert codes("graduated", graduated_ranges=more) == ["invalid_graduated_ranges"]


@pytest.mark.parametrize("model", CHARGE_MODELS)
def test_every_model_takes_grouping_keys(model: str) -> None:
    defaults = CHARGE_MODELS[model].default_properties()
    shown = [{"value": "user", "options": {"display_in_invoice": True}}, {"value": "team"}]
    given = {**defaults, "pricing_group_keys": ["region"], "presentation_group_keys": shown}
    assert clean(model, **given) == (given, [])


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"grouped_by": ["region"]}, ["region"]),
        ({"grouped_by": ["region"], "pricing_group_keys": ["cloud"]}, ["cloud"]),
        ({"grouped_by": ["region"], "pricing_group_keys": None}, ["region"]),
        ({"grouped_by": ["region"], "pricing_group_keys": []}, None),
        ({"pricing_group_keys": []}, None),
        ({"pricing_group_keys": ["region", "cloud", "region"]}, ["region", "cloud"]),
    ],
)
def test_pricing_groups_have_an_old_name(given: dict[str, Any], kept: list[str] | None) -> None:
    cleaned, problems = clean("standard", amount="1", **given)
    assert (cleaned.get("pricing_group_keys"), problems) == (kept, [])
    assert "grouped_by" not in cleaned


@pytest.mark.parametrize(
    "keys", ["region", {}, {"region": 1}, 1, False, [""], [1], [None], [["a"]], ["\x00"], ["\ud800"]]
)
def test_pricing_groups_are_names_of_event_properties(keys: Any) -> None:
    assert clean("standard", amount="1", pricing_group_keys=keys) == ({"amount": "1"}, ["invalid_type"])


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ("user", ["invalid_type"]),
        (["user"], ["invalid_type"]),
        ([{}], ["invalid_type"]),
        ([{"value": ""}], ["invalid_type"]),
        ([{"value": 1}], ["invalid_type"]),
        ([{"value": "user", "other": 1}], ["invalid_type"]),
        ([{"value": "user", "options": None}], ["invalid_type"]),
        ([{"value": "user", "options": {"display_in_invoice": "yes"}}], ["invalid_type"]),
        ([{"value": "user", "options": {"colour": True}}], ["invalid_type"]),
        ([{"value": "a"}, {"value": "b"}, {"value": "c"}], ["too_many_keys"]),
        ([{"value": "a"}, {"value": "a"}], ["value_is_duplicated"]),
        ([{"value": "a"}, {"value": "a"}, {"value": "a"}], ["too_many_keys", "value_is_duplicated"]),
        ([{"value": "user", "options": {}}], []),
        ([], []),
        (None, []),
    ],
)
def test_presentation_groups_are_at_most_two_different_keys(groups: Any, expected: list[str]) -> None:
    cleaned, problems = clean("standard", amount="1", presentation_group_keys=groups)
    assert problems == expected
    assert cleaned.get("presentation_group_keys") == (groups if groups and not expected else None)
