"""Amounts that are larger than any invoice can hold: 2^63 cents and more."""

from __future__ import annotations

import pytest

from support.billing import make_customer, make_metric, make_plan, standard, subscribe, use
from support.client import Client, Sandbox

LARGEST_CENTS = 2**63 - 1
REFUSED = {"amount_cents": ["value_is_out_of_range"]}


@pytest.fixture
def client(sandbox: Sandbox) -> Client:
    client = sandbox("2024-03-01T00:00:00Z")
    client.post("/taxes", {"tax": {"name": "VAT", "code": "vat", "rate": 20, "applied_to_organization": True}})
    make_customer(client)
    return client


def test_a_subscription_whose_first_invoice_no_row_can_hold_is_not_started(client: Client) -> None:
    make_plan(client, amount_cents=LARGEST_CENTS, pay_in_advance=True)
    body = {"subscription": {"external_customer_id": "acme", "external_id": "sub", "plan_code": "plan"}}
    answer = client.post("/subscriptions", body, expect=422)
    assert (answer["code"], answer["error_details"]) == ("validation_errors", REFUSED)
    assert client.get("/subscriptions", {"external_customer_id": "acme"})["subscriptions"] == []


def test_usage_that_no_invoice_can_hold_keeps_a_subscription_from_ending(client: Client) -> None:
    price = standard(make_metric(client, "u", "sum_agg", field_name="n"), "9" * 30)
    make_plan(client, charges=[price])
    subscribe(client)
    use(client, "2024-03-01T00:00:00Z", "u", n="9" * 20)
    assert client.delete("/subscriptions/sub", expect=422)["error_details"] == REFUSED
    assert client.get("/subscriptions/sub")["subscription"]["status"] == "active"
    assert client.delete("/subscriptions/sub", {"on_termination_invoice": "skip"})["subscription"]["status"] == (
        "terminated"
    )
