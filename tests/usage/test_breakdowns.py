"""Presentation groups: how the units of a fee come about, for each aggregation (spec 1 §3.7)."""

from __future__ import annotations

from typing import Any

import pytest

from support.billing import make_customer, make_metric, make_plan, only_invoice, standard, subscribe, usage_of, use
from support.client import Client, Json, Sandbox

KEYS = [
    {"value": "team", "options": {"display_in_invoice": True}},
    {"value": "model", "options": {"display_in_invoice": False}},
]
BEFORE = "2024-01-20T00:00:00Z"  # in the period before
EVENTS: list[tuple[str, Json]] = [
    (BEFORE, {"x": "4", "team": "red", "model": "s"}),
    ("2024-02-05T00:00:00Z", {"x": "3", "team": "red", "model": "s"}),
    ("2024-02-06T00:00:00Z", {"x": "3", "team": "blue", "model": "s"}),
    ("2024-02-07T00:00:00Z", {"x": "1.5", "team": "red", "model": "l"}),
    ("2024-02-08T00:00:00Z", {"x": "no number", "team": "blue", "model": "l"}),
    ("2024-02-07T12:00:00Z", {"x": "2", "model": "l"}),
]
S, L = "s", "l"
Rows = dict[tuple[str | None, ...], str]


def rows(found: list[Json], *keys: str) -> Rows:
    for each in found:
        assert set(each) == {"presentation_by", "units"}
        assert list(each["presentation_by"]) == [*keys]
    return {tuple(each["presentation_by"].values()): each["units"] for each in found}


def billed(sandbox: Sandbox, aggregation_type: str, charge: Json | None = None, **metric: Any) -> tuple[Json, Json]:
    """The charge's current usage at the end of February, and its fee of February."""
    client = sandbox("2024-01-01T00:00:00Z")
    field = None if aggregation_type == "count_agg" else "x"
    item = standard(make_metric(client, "calls", aggregation_type, field_name=field, **metric), "1", **(charge or {}))
    item["properties"]["presentation_group_keys"] = KEYS
    make_plan(client, charges=[item])
    make_customer(client)
    subscribe(client)
    for instant, properties in EVENTS:
        use(client, instant, **properties)
    client.at("2024-02-29T23:00:00Z")
    usage = usage_of(client)["charges_usage"][0]
    client.at("2024-03-01T00:00:00Z")
    return usage, fee_of_february(client)


def fee_of_february(client: Client) -> Json:
    invoice = only_invoice(client, issuing_date_from="2024-03-01")
    return next(fee for fee in invoice["fees"] if fee["item"]["type"] == "charge")


@pytest.mark.parametrize(
    ("aggregation_type", "units", "by_both", "by_team"),
    [
        (
            "count_agg",
            "5.0",
            {("blue", L): "1.0", ("blue", S): "1.0", ("red", L): "1.0", ("red", S): "1.0", (None, L): "1.0"},
            {("blue",): "2.0", ("red",): "2.0", (None,): "1.0"},
        ),
        (
            "sum_agg",
            "9.5",
            {("blue", S): "3.0", ("red", L): "1.5", ("red", S): "3.0", (None, L): "2.0"},
            {("blue",): "3.0", ("red",): "4.5", (None,): "2.0"},
        ),
        (  # the greatest of each; they don't add up
            "max_agg",
            "3.0",
            {("blue", S): "3.0", ("red", L): "1.5", ("red", S): "3.0", (None, L): "2.0"},
            {("blue",): "3.0", ("red",): "3.0", (None,): "2.0"},
        ),
        ("latest_agg", "2.0", {(None, L): "2.0"}, {(None,): "2.0"}),  # the last event's
        (  # "3" is present in two teams, and is one unit
            "unique_count_agg",
            "4.0",
            {("blue", L): "1.0", ("blue", S): "1.0", ("red", L): "1.0", ("red", S): "1.0", (None, L): "1.0"},
            {("blue",): "2.0", ("red",): "2.0", (None,): "1.0"},
        ),
    ],
)
def test_the_rows_of_an_aggregation(
    sandbox: Sandbox, aggregation_type: str, units: str, by_both: Rows, by_team: Rows
) -> None:
    usage, fee = billed(sandbox, aggregation_type)
    assert (usage["units"], fee["units"]) == (units, units)
    assert rows(usage["presentation_breakdowns"], "team", "model") == by_both
    assert rows(fee["presentation_breakdowns"], "team") == by_team


def test_the_rows_of_a_running_sum_weighted_by_time(sandbox: Sandbox) -> None:
    """4 from before for 29 days, and 3, 3, 1.5 and 2 for the 25, 24, 23 and 22.5 days that are left."""
    usage, fee = billed(sandbox, "weighted_sum_agg", weighted_interval="seconds", recurring=True)
    assert usage["units"] == fee["units"] == "11.81034482758620689656"
    assert rows(usage["presentation_breakdowns"], "team", "model") == {
        ("blue", S): "2.48275862068965517242",
        ("red", L): "1.18965517241379310345",
        ("red", S): "6.58620689655172413794",
        (None, L): "1.55172413793103448276",
    }
    assert rows(fee["presentation_breakdowns"], "team") == {
        ("blue",): "2.48275862068965517242",
        ("red",): "7.77586206896551724138",
        (None,): "1.55172413793103448276",
    }


def test_the_rows_of_what_is_paid_by_the_day_are_full_units_with_what_was_carried_over(sandbox: Sandbox) -> None:
    usage, fee = billed(sandbox, "sum_agg", {"prorated": True}, recurring=True)
    assert fee["units"] == "13.5"
    assert rows(fee["presentation_breakdowns"], "team") == {("blue",): "3.0", ("red",): "8.5", (None,): "2.0"}
    by_both = {("blue", S): "3.0", ("red", L): "1.5", ("red", S): "7.0", (None, L): "2.0"}
    assert rows(usage["presentation_breakdowns"], "team", "model") == by_both


def test_rounding_is_for_the_whole_so_that_rows_add_up_to_what_was_rounded(sandbox: Sandbox) -> None:
    usage, fee = billed(sandbox, "sum_agg", rounding_function="ceil")
    assert usage["units"] == fee["units"] == "10.0"
    assert rows(fee["presentation_breakdowns"], "team") == {("blue",): "3.0", ("red",): "4.5", (None,): "2.0"}


def test_pricing_groups_have_rows_of_their_own_without_their_keys(sandbox: Sandbox) -> None:
    client = sandbox("2024-01-01T00:00:00Z")
    item = standard(make_metric(client, "calls", "latest_agg", field_name="x"))
    item["properties"] |= {"pricing_group_keys": ["team"], "presentation_group_keys": KEYS}
    make_plan(client, charges=[item])
    make_customer(client)
    subscribe(client)
    for instant, properties in EVENTS:
        use(client, instant, **properties)
    client.at("2024-02-29T23:00:00Z")
    groups = usage_of(client)["charges_usage"][0]["grouped_usage"]
    assert {each["grouped_by"]["team"]: rows(each["presentation_breakdowns"], "model") for each in groups} == {
        "blue": {("s",): "3.0"},
        "red": {("l",): "1.5"},
        None: {("l",): "2.0"},
    }
