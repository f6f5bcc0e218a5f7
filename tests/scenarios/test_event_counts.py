"""How many events a fee counts, and how many of them an amount per event is due for (spec 1 §§2.3, 3.9.4, W14, W16)."""

from __future__ import annotations

import pytest

from support.billing import fees, invoices, make_customer, make_metric, make_plan, standard, subscribe, usage_of, use
from support.client import Json, Sandbox

SEATS = [
    ("2024-01-03T00:00:00Z", "ann", "add"),
    ("2024-01-04T00:00:00Z", "ann", "add"),
    ("2024-01-05T00:00:00Z", "bob", "add"),
    ("2024-01-06T00:00:00Z", "bob", "remove"),
    ("2024-01-07T00:00:00Z", "cat", "nonsense"),
    ("2024-02-03T00:00:00Z", "dan", "add"),
]


@pytest.mark.parametrize("properties", [{}, {"free_units_per_events": 1}, {"per_transaction_max_amount": "1000"}])
def test_an_amount_per_event_is_due_once_of_a_sum_that_goes_on(sandbox: Sandbox, properties: Json) -> None:
    client = sandbox()
    metric = make_metric(client, "calls", "sum_agg", field_name="x", recurring=True)
    price = {"rate": "10", "fixed_amount": "2", **properties}
    charge = {"billable_metric_id": metric, "charge_model": "percentage", "properties": price}
    make_plan(client, charges=[charge])
    make_customer(client)
    subscribe(client)
    for day in ("01-10", "01-11", "01-12"):
        use(client, f"2024-{day}T00:00:00Z", x=100)
    client.at("2024-02-10T00:00:00Z")
    use(client, "2024-02-09T00:00:00Z", x=50)
    use(client, "2024-02-09T01:00:00Z", x=50)
    client.at("2024-04-01T00:00:00Z")
    months = [fees(invoice)[0] for invoice in invoices(client)]
    assert [(fee["units"], fee["events_count"]) for fee in months] == [("300.0", 3), ("400.0", 5), ("400.0", 5)]
    paid = [(fee["amount_details"]["paid_events"], fee["amount_cents"]) for fee in months]
    if "free_units_per_events" in properties:  # 20.00 + 2 x 2.00, 35.00 + 2.00, 40.00
        assert paid == [(2, 24_00), (1, 37_00), (0, 40_00)]
    elif properties:  # bounds go event by event, and those are the period's alone
        assert paid == [(3, 36_00), (2, 14_00), (0, 0)]
    else:
        assert paid == [(3, 36_00), (2, 44_00), (0, 40_00)]
    explained = client.get(f"/fees/{months[1]['lago_id']}/explanation")["fee_explanation"]
    assert explained["usage"]["events"]["count"] == 5
    assert explained["steps"][-1]["result"] == f"{months[1]['amount_cents']}.0"


@pytest.mark.parametrize("grouped", [False, True])
def test_a_unique_count_counts_events_and_not_values(sandbox: Sandbox, grouped: bool) -> None:
    client = sandbox()
    metric = make_metric(client, "seats", "unique_count_agg", field_name="user", recurring=True)
    charge = standard(metric, "10")
    if grouped:
        charge["properties"]["pricing_group_keys"] = ["region"]
    make_plan(client, charges=[charge])
    make_customer(client)
    subscribe(client)
    for instant, user, operation in SEATS:
        use(client, instant, "seats", user=user, operation_type=operation)
    client.at("2024-01-31T00:00:00Z")
    usage = usage_of(client)["charges_usage"][0]
    assert (usage["units"], usage["events_count"]) == ("1.0", 4)
    client.at("2024-04-01T00:00:00Z")
    months = [fees(invoice)[0] for invoice in invoices(client)]
    assert [(fee["units"], fee["events_count"]) for fee in months] == [("1.0", 4), ("2.0", 1), ("2.0", 0)]


def test_a_prorated_unique_count_counts_the_events_of_the_period(sandbox: Sandbox) -> None:
    client = sandbox()
    metric = make_metric(client, "seats", "unique_count_agg", field_name="user", recurring=True)
    make_plan(client, charges=[standard(metric, "31", prorated=True)])
    make_customer(client)
    subscribe(client)
    for instant, user, operation in SEATS:
        use(client, instant, "seats", user=user, operation_type=operation)
    client.at("2024-02-01T00:00:00Z")
    fee = fees(invoices(client)[0])[0]
    assert (fee["units"], fee["events_count"], fee["amount_cents"]) == ("1.0", 4, 31_00)  # 29 days of ann, 2 of bob


def test_an_amount_per_event_of_a_unique_count_is_due_for_each_unit(sandbox: Sandbox) -> None:
    """Repeats and removals add no unit, and cost nothing (W33)."""
    client = sandbox()
    metric = make_metric(client, "seats", "unique_count_agg", field_name="user")
    price = {"rate": "100", "fixed_amount": "2"}
    make_plan(client, charges=[{"billable_metric_id": metric, "charge_model": "percentage", "properties": price}])
    make_customer(client)
    subscribe(client)
    for instant, user, operation in SEATS:
        use(client, instant, "seats", user=user, operation_type=operation)
    client.at("2024-02-01T00:00:00Z")
    fee = fees(invoices(client)[0])[0]
    assert (fee["units"], fee["events_count"], fee["amount_cents"]) == ("1.0", 4, 3_00)
