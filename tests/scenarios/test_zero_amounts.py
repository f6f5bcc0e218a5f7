"""Invoices over nothing: issued unless the seller or the customer says otherwise."""

from __future__ import annotations

import pytest

from support.billing import (
    fees,
    invoices,
    make_customer,
    make_metric,
    make_plan,
    only_invoice,
    standard,
    subscribe,
    use,
)
from support.client import Sandbox


def test_an_invoice_over_nothing_is_issued_and_counts_as_paid(sandbox: Sandbox) -> None:
    client = sandbox()
    make_plan(client)
    subscribe(client)
    client.at("2024-02-01T00:00:00Z")
    invoice = only_invoice(client)
    assert (invoice["status"], invoice["total_amount_cents"], invoice["payment_status"]) == (
        "finalized",
        0,
        "succeeded",
    )
    assert [fee["amount_cents"] for fee in fees(invoice, "subscription")] == [0]


@pytest.mark.parametrize(
    ("seller", "customer", "issued"),
    [
        (True, "inherit", True),
        (True, "skip", False),
        (True, "finalize", True),
        (False, "inherit", False),
        (False, "skip", False),
        (False, "finalize", True),
    ],
)
def test_the_customers_word_on_empty_invoices_wins_over_the_sellers(
    sandbox: Sandbox, seller: bool, customer: str, issued: bool
) -> None:
    client = sandbox(finalize_zero_amount_invoice=seller)
    make_plan(client)
    make_customer(client, finalize_zero_amount_invoice=customer)
    subscribe(client)
    client.at("2024-02-01T00:00:00Z")
    assert len(invoices(client)) == (1 if issued else 0)


def test_a_skipped_invoice_is_hidden_takes_no_number_and_its_period_counts_as_billed(sandbox: Sandbox) -> None:
    client = sandbox(finalize_zero_amount_invoice=False, document_number_prefix="SKIP")
    make_plan(client, charges=[standard(make_metric(client), "5")])
    subscribe(client)
    client.at("2024-03-01T00:00:00Z")  # January and February without usage
    assert invoices(client) == []
    assert client.get("/fees")["fees"] == []
    use(client, "2024-02-10T00:00:00Z")  # February is over
    use(client, "2024-03-10T00:00:00Z")

    client.at("2024-04-01T00:00:00Z")

    invoice = only_invoice(client)
    assert invoice["number"] == "SKIP-001-001"
    assert [(fee["units"], fee["amount_cents"]) for fee in fees(invoice)] == [("1.0", 500)]


def test_a_draft_over_nothing_disappears_when_it_would_become_final(sandbox: Sandbox) -> None:
    client = sandbox(finalize_zero_amount_invoice=False, billing_configuration={"invoice_grace_period": 3})
    make_plan(client)
    subscribe(client)
    client.at("2024-02-01T00:00:00Z")
    draft = only_invoice(client)
    assert draft["status"] == "draft"
    client.at("2024-02-04T00:00:00Z")
    assert invoices(client) == []
    client.get(f"/invoices/{draft['lago_id']}", expect=404)


def test_usage_that_costs_nothing_leaves_an_invoice_of_zero(sandbox: Sandbox) -> None:
    client = sandbox(finalize_zero_amount_invoice=False)
    make_plan(client, charges=[standard(make_metric(client), "0")])
    subscribe(client)
    use(client, "2024-01-10T00:00:00Z")
    client.at("2024-02-01T00:00:00Z")
    assert invoices(client) == []
