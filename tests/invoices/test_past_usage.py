"""Past usage: what the invoices of earlier periods billed for usage (spec 1 §6.5, W21)."""

from __future__ import annotations

import pytest

from support.billing import invoices, make_customer, make_metric, make_plan, standard, subscribe, use
from support.client import Client, Json, Sandbox


def past(client: Client, **query: object) -> list[Json]:
    parameters = {"external_subscription_id": "sub", **query}
    return client.get("/customers/acme/past_usage", parameters)["usage_periods"]


def test_each_billed_period_the_newest_first_with_its_usage_alone(sandbox: Sandbox) -> None:
    client = sandbox("2024-01-10T00:00:00Z")
    client.post("/taxes", {"tax": {"name": "VAT", "code": "vat", "rate": 20, "applied_to_organization": True}})
    make_plan(client, amount_cents=5000, charges=[standard(make_metric(client), "2", invoice_display_name="API")])
    make_customer(client)
    subscribe(client)
    subscribe(client, external_id="other")
    for day in ("2024-01-11", "2024-01-12", "2024-02-05"):
        use(client, f"{day}T00:00:00Z")
    use(client, "2024-01-12T00:00:00Z", subscription="other")
    client.at("2024-03-02T00:00:00Z")

    february, january = past(client)

    # the invoice of January has both subscriptions' fees, and those of the plan
    first = next(each for each in invoices(client) if each["issuing_date"] == "2024-02-01")
    assert first["fees_amount_cents"] > 7000
    assert january["lago_invoice_id"] == first["lago_id"]
    assert (january["from_datetime"], january["to_datetime"]) == ("2024-01-10T00:00:00Z", "2024-01-31T23:59:59Z")
    assert (january["issuing_date"], january["currency"]) == ("2024-02-01", "EUR")
    assert (january["amount_cents"], january["taxes_amount_cents"], january["total_amount_cents"]) == (400, 80, 480)
    assert february["amount_cents"] == 200
    charge = january["charges_usage"][0]
    assert (charge["units"], charge["events_count"], charge["amount_cents"]) == ("2.0", 2, 400)
    assert charge["charge"]["invoice_display_name"] == "API"
    assert charge["billable_metric"]["code"] == "calls"
    assert charge["filters"] == charge["grouped_usage"] == []


def test_filters_groups_and_true_ups(sandbox: Sandbox) -> None:
    client = sandbox("2024-01-01T00:00:00Z")
    filters = [{"key": "cloud", "values": ["aws", "gcp"]}]
    metric = make_metric(client, "size", "sum_agg", field_name="size", filters=filters)
    prices = [
        {"values": {"cloud": ["aws"]}, "properties": {"amount": "1"}, "invoice_display_name": "Amazon"},
        {"values": {"cloud": ["gcp"]}, "properties": {"amount": "2"}},
    ]
    charge = standard(metric, "3")
    charge["properties"]["pricing_group_keys"] = ["region"]
    make_plan(client, charges=[{**charge, "filters": prices, "min_amount_cents": 2000}])
    make_customer(client)
    subscribe(client)
    for more in ({"cloud": "aws"}, {"cloud": "gcp"}, {"region": "eu"}, {"region": "us"}):
        use(client, "2024-01-12T00:00:00Z", "size", size=1, **more)
    client.at("2024-02-02T00:00:00Z")

    charge = past(client)[0]["charges_usage"][0]

    # 1 + 2 + 3 + 3, and 11 that are missing to 20: an amount, no unit
    assert (charge["amount_cents"], charge["units"], charge["events_count"]) == (2000, "4.0", 4)
    by_filter = [(each["values"], each["invoice_display_name"], each["units"]) for each in charge["filters"]]
    assert by_filter == [({"cloud": ["aws"]}, "Amazon", "1.0"), ({"cloud": ["gcp"]}, None, "1.0"), (None, None, "2.0")]
    assert sum(each["amount_cents"] for each in charge["filters"]) == 2000
    groups = {each["grouped_by"].get("region"): each["amount_cents"] for each in charge["grouped_usage"]}
    assert groups == {None: 300, "eu": 1400, "us": 300}
    assert sum(groups.values()) == 2000


def test_metric_and_number_of_periods_narrow_it(sandbox: Sandbox) -> None:
    client = sandbox("2024-01-01T00:00:00Z")
    charges = [standard(make_metric(client, code), "1", code=code) for code in ("a", "b")]
    make_plan(client, charges=charges)
    make_customer(client)
    subscribe(client)
    for month in ("01", "02", "03"):
        for code in ("a", "b", "b"):
            use(client, f"2024-{month}-12T00:00:00Z", code)
    client.at("2024-04-02T00:00:00Z")

    assert [each["amount_cents"] for each in past(client)] == [300, 300, 300]
    only_b = past(client, billable_metric_code="b")
    assert [each["amount_cents"] for each in only_b] == [200, 200, 200]
    assert {charge["billable_metric"]["code"] for each in only_b for charge in each["charges_usage"]} == {"b"}
    assert [each["from_datetime"] for each in past(client, periods_count=2)] == [
        "2024-03-01T00:00:00Z",
        "2024-02-01T00:00:00Z",
    ]
    assert len(past(client, periods_count=99)) == 3
    assert past(client, periods_count=0) == []
    page = client.get("/customers/acme/past_usage?external_subscription_id=sub&page=2&per_page=2&periods_count=3")
    assert [each["from_datetime"] for each in page["usage_periods"]] == ["2024-01-01T00:00:00Z"]
    assert page["meta"] == {"current_page": 2, "next_page": None, "prev_page": 1, "total_pages": 2, "total_count": 3}


def test_a_start_paid_in_advance_is_no_period_of_usage(sandbox: Sandbox) -> None:
    client = sandbox("2024-01-01T00:00:00Z")
    make_plan(client, amount_cents=1000, pay_in_advance=True, charges=[standard(make_metric(client), "1")])
    make_customer(client)
    subscribe(client)
    assert len(invoices(client)) == 1
    assert past(client) == []
    client.at("2024-02-02T00:00:00Z")
    assert [(each["from_datetime"], each["amount_cents"]) for each in past(client)] == [("2024-01-01T00:00:00Z", 0)]


@pytest.mark.parametrize(
    ("query", "status", "told"),
    [
        ("", 422, {"external_subscription_id": ["value_is_mandatory"]}),
        ("external_subscription_id=%20", 422, {"external_subscription_id": ["value_is_mandatory"]}),
        ("external_subscription_id=sub&periods_count=x", 422, {"periods_count": ["value_is_invalid"]}),
        ("external_subscription_id=sub&periods_count=-1", 422, {"periods_count": ["value_is_invalid"]}),
        ("external_subscription_id=sub&billable_metric_code=x", 404, "billable_metric_not_found"),
    ],
)
def test_what_is_refused(sandbox: Sandbox, query: str, status: int, told: object) -> None:
    client = sandbox()
    answer = client.get(f"/customers/acme/past_usage?{query}", expect=status)
    assert told in (answer["code"], answer.get("error_details"))


def test_what_is_unknown_has_no_periods(sandbox: Sandbox) -> None:
    client = sandbox()
    assert client.get("/customers/nobody/past_usage?external_subscription_id=sub") == {
        "usage_periods": [],
        "meta": {"current_page": 0, "next_page": None, "prev_page": None, "total_pages": 0, "total_count": 0},
    }
