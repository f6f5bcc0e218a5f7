"""Which taxes a fee has, and how they are rounded: per fee for show, once per invoice for the total."""

from __future__ import annotations

from typing import Any

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
    usage_of,
    use,
)
from support.client import Client, Sandbox


def make_tax(client: Client, code: str, rate: float, **more: Any) -> str:
    body = {"name": code.upper(), "code": code, "rate": rate, **more}
    return client.post("/taxes", {"tax": body})["tax"]["lago_id"]


def rates(invoice: dict[str, Any], kind: str) -> list[list[str]]:
    return [[tax["tax_code"] for tax in fee["applied_taxes"]] for fee in fees(invoice, kind)]


@pytest.mark.parametrize(
    ("charge", "plan", "customer", "of_charge", "of_subscription"),
    [
        (["charge"], ["plan"], ["customer"], ["charge"], ["plan"]),
        ([], ["plan"], ["customer"], ["plan"], ["plan"]),
        (["charge"], [], ["customer"], ["charge"], ["customer"]),
        ([], [], ["customer"], ["customer"], ["customer"]),
        ([], [], [], ["seller"], ["seller"]),
        (["charge", "plan"], [], [], ["charge", "plan"], ["seller"]),
    ],
)
def test_the_first_source_that_has_taxes_gives_them_all(
    sandbox: Sandbox,
    charge: list[str],
    plan: list[str],
    customer: list[str],
    of_charge: list[str],
    of_subscription: list[str],
) -> None:
    client = sandbox()
    for code, rate in (("charge", 1), ("plan", 2), ("customer", 4)):
        make_tax(client, code, rate)
    make_tax(client, "seller", 8, applied_to_organization=True)
    charges = [standard(make_metric(client), "100", tax_codes=charge)]
    make_plan(client, amount_cents=10000, charges=charges, tax_codes=plan)
    make_customer(client, tax_codes=customer)
    subscribe(client)
    use(client, "2024-01-10T00:00:00Z")

    client.at("2024-02-01T00:00:00Z")

    invoice = only_invoice(client)
    assert rates(invoice, "charge") == [of_charge]
    assert rates(invoice, "subscription") == [of_subscription]
    values = {"charge": 100, "plan": 200, "customer": 400, "seller": 800}
    assert invoice["taxes_amount_cents"] == sum(values[code] for code in of_charge + of_subscription)
    assert invoice["total_amount_cents"] == 20000 + invoice["taxes_amount_cents"]


def test_the_invoice_rounds_its_taxes_once_not_fee_by_fee(sandbox: Sandbox) -> None:
    client = sandbox()
    make_tax(client, "vat", 20, applied_to_organization=True)
    make_plan(client, amount_cents=6833, charges=[standard(make_metric(client), "68.33")])
    subscribe(client)
    use(client, "2024-01-10T00:00:00Z")
    assert usage_of(client)["taxes_amount_cents"] == 1367

    client.at("2024-02-01T00:00:00Z")

    invoice = only_invoice(client)
    assert [fee["taxes_amount_cents"] for fee in invoice["fees"]] == [1367, 1367]
    assert (invoice["fees_amount_cents"], invoice["taxes_amount_cents"]) == (13666, 2733)
    assert invoice["sub_total_excluding_taxes_amount_cents"] == 13666
    assert invoice["sub_total_including_taxes_amount_cents"] == invoice["total_amount_cents"] == 16399
    assert [(tax["amount_cents"], tax["fees_amount_cents"]) for tax in invoice["applied_taxes"]] == [(2733, 13666)]


def test_a_tax_that_changes_later_leaves_finalized_invoices_as_they_are(sandbox: Sandbox) -> None:
    client = sandbox()
    make_tax(client, "vat", 20, applied_to_organization=True)
    make_plan(client, amount_cents=1000)
    subscribe(client)
    client.at("2024-02-01T00:00:00Z")
    before = only_invoice(client)

    client.put("/taxes/vat", {"tax": {"rate": 10, "name": "Lower"}})
    client.at("2024-03-01T00:00:00Z")
    client.delete("/taxes/vat")
    client.at("2024-04-01T00:00:00Z")

    january, february, march = invoices(client)
    assert figures(january) == figures(before)
    assert [each["taxes_amount_cents"] for each in (january, february, march)] == [200, 100, 0]
    assert february["applied_taxes"][0]["tax_name"] == "Lower"
    assert march["applied_taxes"] == []


def test_taxes_with_decimals_are_computed_exactly(sandbox: Sandbox) -> None:
    client = sandbox()
    make_tax(client, "state", 8.875, applied_to_organization=True)
    make_plan(client, amount_cents=20000)
    subscribe(client)
    client.at("2024-02-01T00:00:00Z")
    invoice = only_invoice(client)
    assert invoice["taxes_amount_cents"] == 1775
    assert invoice["fees"][0]["taxes_rate"] == 8.875
