"""Projected usage: the running period's usage at its end, if it goes on as it has begun (spec 1 §6.6, W20)."""

from __future__ import annotations

from typing import Any

import pytest

from support.billing import make_customer, make_metric, make_plan, standard, subscribe, usage_of, use
from support.client import Client, Json, Sandbox


def projected(client: Client, **query: Any) -> Json:
    parameters = {"external_subscription_id": "sub", **query}
    return client.get("/customers/acme/projected_usage", parameters)["customer_projected_usage"]


def test_units_grow_by_the_days_that_are_left(sandbox: Sandbox) -> None:
    client = sandbox("2024-03-01T00:00:00Z")
    client.post("/taxes", {"tax": {"name": "VAT", "code": "vat", "rate": 20, "applied_to_organization": True}})
    metric = make_metric(client, "size", "sum_agg", field_name="size")
    package = {"amount": "5", "free_units": 10, "package_size": 10}
    make_plan(
        client,
        charges=[
            standard(metric, "0.5", code="a"),
            {"billable_metric_id": metric, "charge_model": "package", "properties": package, "code": "b"},
        ],
    )
    make_customer(client)
    subscribe(client)
    client.at("2024-03-11T12:00:00Z")
    use(client, "2024-03-10T00:00:00Z", "size", size="11")

    usage = projected(client)

    # 11 of 31 days: 11 -> 31 units; 31 at 0.50, and three packages of those beyond 10
    by_model = {each["charge"]["charge_model"]: each for each in usage["charges_usage"]}
    assert [each["projected_units"] for each in usage["charges_usage"]] == ["31.0", "31.0"]
    assert by_model["standard"]["projected_amount_cents"] == 1550
    assert by_model["package"]["projected_amount_cents"] == 1500
    assert usage["projected_amount_cents"] == 3050
    shown = usage_of(client)
    for name in ("from_datetime", "to_datetime", "amount_cents", "taxes_amount_cents", "total_amount_cents"):
        assert usage[name] == shown[name]
    assert projected(client, apply_taxes=False)["taxes_amount_cents"] == 0


def test_each_level_is_the_sum_of_its_parts(sandbox: Sandbox) -> None:
    client = sandbox("2024-03-01T00:00:00Z")
    filters = [{"key": "cloud", "values": ["aws", "gcp"]}]
    metric = make_metric(client, "size", "sum_agg", field_name="size", filters=filters)
    prices = [
        {"values": {"cloud": ["aws"]}, "properties": {"amount": "1", "pricing_group_keys": ["region"]}},
        {"values": {"cloud": ["gcp"]}, "properties": {"amount": "2"}},
    ]
    grouped = standard(metric, "3")
    grouped["properties"] |= {"pricing_group_keys": ["region"], "presentation_group_keys": [{"value": "team"}]}
    plain = standard(metric, "1", code="plain")
    plain["properties"]["presentation_group_keys"] = [{"value": "team"}]
    make_plan(client, charges=[{**grouped, "filters": prices}, plain])
    make_customer(client)
    subscribe(client)
    client.at("2024-03-11T12:00:00Z")
    for more in ({"cloud": "aws", "region": "eu"}, {"cloud": "aws"}, {"cloud": "gcp"}, {"region": "us", "team": "x"}):
        use(client, "2024-03-05T00:00:00Z", "size", size="3.7", **more)

    usage = projected(client)

    charge = usage["charges_usage"][0]
    assert charge["charge"].keys() == {"lago_id", "charge_model", "invoice_display_name"}
    for name in ("projected_amount_cents", "amount_cents", "events_count"):
        assert charge[name] == sum(each[name] for each in charge["filters"])
        assert charge[name] == sum(each[name] for each in charge["grouped_usage"])
        for group in charge["grouped_usage"]:
            assert group[name] == sum(each[name] for each in group["filters"])
    # 3.7 x 31/11 = 10.43 units: at 1 twice, at 2, and at 3
    assert [each["projected_amount_cents"] for each in charge["filters"]] == [2086, 2086, 3129]
    assert [each["values"] for each in charge["filters"]] == [{"cloud": ["aws"]}, {"cloud": ["gcp"]}, {}]
    assert [each["projected_units"] for each in charge["filters"]] == ["20.86", "10.43", "10.43"]
    assert usage["projected_amount_cents"] == sum(each["projected_amount_cents"] for each in usage["charges_usage"])
    teams = usage["charges_usage"][1]["projected_presentation_breakdowns"]
    assert teams == [
        {"presentation_by": {"team": "x"}, "units": "10.43"},
        {"presentation_by": {"team": None}, "units": "31.28"},
    ]


def test_what_is_held_stays_as_it_is(sandbox: Sandbox) -> None:
    client = sandbox("2024-03-01T00:00:00Z")
    metric = make_metric(client, "seats", "sum_agg", field_name="size", recurring=True)
    make_plan(client, charges=[standard(metric, "5"), {**standard(metric, "31", code="p"), "prorated": True}])
    make_customer(client)
    subscribe(client)
    client.at("2024-03-11T12:00:00Z")
    use(client, "2024-03-11T00:00:00Z", "seats", size=2)
    usage = projected(client)
    assert [each["projected_units"] for each in usage["charges_usage"]] == ["2.0", "2.0"]
    # 2 for 21 of 31 days, in ceiled units
    assert [each["projected_amount_cents"] for each in usage["charges_usage"]] == [1000, 4200]
    assert usage["projected_amount_cents"] == usage["amount_cents"] == 5200


def test_without_usage_nothing_is_projected_and_at_the_end_nothing_is_added(sandbox: Sandbox) -> None:
    client = sandbox("2024-03-01T00:00:00Z")
    tier = {"from_value": 0, "to_value": None, "per_unit_amount": "1", "flat_amount": "7"}
    graduated = {"billable_metric_id": make_metric(client), "charge_model": "graduated"}
    make_plan(client, charges=[{**graduated, "properties": {"graduated_ranges": [tier]}}])
    make_customer(client)
    subscribe(client)
    nothing = projected(client)
    assert (nothing["amount_cents"], nothing["projected_amount_cents"]) == (700, 0)
    use(client, "2024-03-01T00:00:00Z")
    client.at("2024-03-31T23:59:59.999Z")
    last = projected(client)
    assert last["amount_cents"] == last["projected_amount_cents"] == 800


@pytest.mark.parametrize(
    ("customer", "subscription", "status", "code"),
    [("nobody", "sub", 404, "customer_not_found"), ("acme", "nothing", 405, "no_active_subscription")],
)
def test_it_is_refused_as_current_usage_is(
    sandbox: Sandbox, customer: str, subscription: str, status: int, code: str
) -> None:
    client = sandbox()
    make_customer(client)
    path = f"/customers/{customer}/projected_usage"
    assert client.get(path, {"external_subscription_id": subscription}, expect=status)["code"] == code
