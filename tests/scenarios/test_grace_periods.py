"""Drafts: open for late usage and changed prices until their grace period is over, then final for good."""

from __future__ import annotations

import pytest

from support.billing import (
    fees,
    figures,
    invoices,
    make_customer,
    make_metric,
    make_plan,
    only_invoice,
    standard,
    subscribe,
    subscription_amount,
    use,
)
from support.client import Client, Sandbox

GRACE = {"invoice_grace_period": 3}


def drafted(sandbox: Sandbox, **configuration: object) -> Client:
    """A customer whose February ends in a draft: 2900 a month and 5 a call."""
    client = sandbox("2024-02-01T00:00:00Z", billing_configuration={**GRACE, **configuration}, net_payment_term=30)
    make_plan(client, amount_cents=2900, charges=[standard(make_metric(client), "5")])
    subscribe(client)
    use(client, "2024-02-10T00:00:00Z")
    client.at("2024-03-01T00:00:00Z")
    return client


def test_an_invoice_in_its_grace_period_is_a_draft_without_a_number(sandbox: Sandbox) -> None:
    client = drafted(sandbox)
    draft = only_invoice(client)
    assert (draft["status"], draft["sequential_id"], draft["payment_status"]) == ("draft", None, "pending")
    assert draft["number"].endswith("-DRAFT")
    assert draft["total_amount_cents"] == 3400
    assert [each["status"] for each in client.get("/invoices", {"status": "draft"})["invoices"]] == ["draft"]


def test_usage_that_arrives_in_the_grace_period_is_billed_when_the_draft_becomes_final(sandbox: Sandbox) -> None:
    client = drafted(sandbox)
    use(client, "2024-02-29T23:59:59.999Z")  # late
    use(client, "2024-03-01T00:00:00Z")  # March's

    client.at("2024-03-03T23:59:59.999Z")
    assert only_invoice(client)["status"] == "draft"

    client.at("2024-03-04T00:00:00Z")
    final = only_invoice(client)
    assert final["status"] == "finalized"
    assert final["sequential_id"] == 1
    assert [(fee["units"], fee["amount_cents"]) for fee in fees(final)] == [("2.0", 1000)]
    assert final["total_amount_cents"] == 3900

    use(client, "2024-02-29T23:00:00Z")  # too late
    client.at("2024-03-05T00:00:00Z")
    assert figures(only_invoice(client)) == figures(final)


@pytest.mark.parametrize(
    ("configuration", "as_draft", "as_final"),
    [
        ({}, ("2024-03-04", "2024-04-03"), ("2024-03-04", "2024-04-03")),
        (
            {
                "subscription_invoice_issuing_date_anchor": "next_period_start",
                "subscription_invoice_issuing_date_adjustment": "keep_anchor",
            },
            ("2024-03-01", "2024-03-31"),
            ("2024-03-01", "2024-03-31"),
        ),
        (
            {
                "subscription_invoice_issuing_date_anchor": "current_period_end",
                "subscription_invoice_issuing_date_adjustment": "keep_anchor",
            },
            ("2024-02-29", "2024-03-30"),
            ("2024-02-29", "2024-03-30"),
        ),
        (
            {
                "subscription_invoice_issuing_date_anchor": "current_period_end",
                "subscription_invoice_issuing_date_adjustment": "align_with_finalization_date",
            },
            ("2024-03-04", "2024-04-03"),
            ("2024-03-04", "2024-04-03"),
        ),
    ],
    ids=["defaults", "keeps the next period's start", "keeps the period's end", "aligned"],
)
def test_dates_follow_anchor_and_adjustment(
    sandbox: Sandbox, configuration: dict[str, str], as_draft: tuple[str, str], as_final: tuple[str, str]
) -> None:
    client = drafted(sandbox, **configuration)
    draft = only_invoice(client)
    assert (draft["issuing_date"], draft["payment_due_date"]) == as_draft
    client.at("2024-03-04T00:00:00Z")
    final = only_invoice(client)
    assert final["status"] == "finalized"
    assert (final["issuing_date"], final["payment_due_date"], final["net_payment_term"]) == (*as_final, 30)


def test_without_grace_an_anchor_at_the_period_end_dates_the_invoice_the_day_before(sandbox: Sandbox) -> None:
    client = sandbox(
        "2024-02-01T00:00:00Z",
        net_payment_term=10,
        billing_configuration={"subscription_invoice_issuing_date_anchor": "current_period_end"},
    )
    make_plan(client, amount_cents=2900)
    subscribe(client)
    client.at("2024-03-01T00:00:00Z")
    invoice = only_invoice(client)
    assert (invoice["issuing_date"], invoice["payment_due_date"]) == ("2024-02-29", "2024-03-10")


def test_a_customers_own_settings_win_over_the_sellers(sandbox: Sandbox) -> None:
    client = sandbox("2024-02-01T00:00:00Z", billing_configuration=GRACE, net_payment_term=30)
    make_plan(client, amount_cents=2900)
    make_customer(client, net_payment_term=0, billing_configuration={"invoice_grace_period": 0})
    subscribe(client)
    client.at("2024-03-01T00:00:00Z")
    invoice = only_invoice(client)
    assert (invoice["status"], invoice["issuing_date"], invoice["payment_due_date"]) == (
        "finalized",
        "2024-03-01",
        "2024-03-01",
    )


def test_a_draft_becomes_final_at_the_customers_midnight(sandbox: Sandbox) -> None:
    client = sandbox("2024-02-01T05:00:00Z", billing_configuration=GRACE)
    make_plan(client, amount_cents=2900)
    make_customer(client, timezone="America/New_York")
    subscribe(client)
    client.at("2024-03-04T04:59:59.999Z")
    assert only_invoice(client)["status"] == "draft"
    client.at("2024-03-04T05:00:00Z")
    invoice = only_invoice(client)
    assert (invoice["status"], invoice["issuing_date"]) == ("finalized", "2024-03-04")


def test_a_new_price_of_the_plan_is_seen_by_drafts_and_not_by_final_invoices(sandbox: Sandbox) -> None:
    client = drafted(sandbox)
    client.at("2024-03-31T00:00:00Z")
    client.at("2024-04-01T00:00:00Z")
    final, draft = invoices(client)
    assert (final["status"], draft["status"]) == ("finalized", "draft")
    plan = client.get("/plans/plan")["plan"]
    charge = {"id": plan["charges"][0]["lago_id"], "charge_model": "standard", "properties": {"amount": "7"}}

    use(client, "2024-03-20T00:00:00Z")
    client.put("/plans/plan", {"plan": {"amount_cents": 1000, "charges": [charge]}})

    unchanged, refreshed = invoices(client)
    assert figures(unchanged) == figures(final)
    assert refreshed["lago_id"] == draft["lago_id"]
    assert refreshed["status"] == "draft"
    assert (subscription_amount(refreshed), [fee["amount_cents"] for fee in fees(refreshed)]) == (1000, [700])
    assert (refreshed["issuing_date"], refreshed["created_at"]) == (draft["issuing_date"], draft["created_at"])
    assert client.get("/plans/plan")["plan"]["charges"][0]["lago_id"] == charge["id"]


def test_a_new_tax_of_the_customer_is_seen_by_its_drafts(sandbox: Sandbox) -> None:
    client = drafted(sandbox)
    assert only_invoice(client)["taxes_amount_cents"] == 0
    client.post("/taxes", {"tax": {"name": "VAT", "code": "vat", "rate": 20}})
    make_customer(client, tax_codes=["vat"])
    assert only_invoice(client)["taxes_amount_cents"] == 680
    client.put("/taxes/vat", {"tax": {"rate": 10}})
    assert only_invoice(client)["taxes_amount_cents"] == 340


def test_a_shorter_grace_period_moves_drafts_and_finalizes_those_that_are_due(sandbox: Sandbox) -> None:
    client = drafted(sandbox)
    client.at("2024-03-02T12:00:00Z")

    make_customer(client, billing_configuration={"invoice_grace_period": 10})
    draft = only_invoice(client)
    assert (draft["status"], draft["issuing_date"]) == ("draft", "2024-03-11")

    make_customer(client, billing_configuration={"invoice_grace_period": 1})
    final = only_invoice(client)
    assert (final["status"], final["issuing_date"]) == ("finalized", "2024-03-02")


def test_a_new_payment_term_of_the_customer_moves_the_due_date_of_drafts(sandbox: Sandbox) -> None:
    client = drafted(sandbox)
    make_customer(client, net_payment_term=5)
    draft = only_invoice(client)
    assert (draft["net_payment_term"], draft["payment_due_date"]) == (5, "2024-03-09")


def test_a_starting_invoice_has_a_grace_period_too(sandbox: Sandbox) -> None:
    client = sandbox("2022-12-15T00:00:00Z", billing_configuration=GRACE)
    make_plan(client, amount_cents=1000, pay_in_advance=True)
    subscribe(client)
    draft = only_invoice(client)
    assert (draft["status"], draft["issuing_date"], draft["total_amount_cents"]) == ("draft", "2022-12-18", 548)
    client.at("2022-12-18T00:00:00Z")
    assert only_invoice(client)["status"] == "finalized"
    assert subscription_amount(only_invoice(client)) == 548


def test_drafts_of_a_year_become_final_one_after_another(sandbox: Sandbox) -> None:
    client = sandbox("2024-01-01T00:00:00Z", billing_configuration={"invoice_grace_period": 45})
    make_plan(client, amount_cents=100)
    subscribe(client)
    client.at("2024-12-31T00:00:00Z")
    billed = invoices(client)
    assert [each["status"] for each in billed] == ["finalized"] * 10 + ["draft"]
    assert [each["sequential_id"] for each in billed] == [*range(1, 11), None]
