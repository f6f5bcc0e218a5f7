"""Which subscriptions share an invoice (INV-20)."""

from __future__ import annotations

from typing import Any

from support.billing import invoices, make_customer, make_plan, subscribe
from support.client import Client, Sandbox


def lines(client: Client) -> list[tuple[str, list[str]]]:
    """Currency and subscriptions of each invoice."""
    found = [
        (each["currency"], [period["external_subscription_id"] for period in each["billing_periods"]])
        for each in invoices(client)
    ]
    return sorted(found)


def three(client: Client, **of_b: Any) -> None:
    make_plan(client, code="euros", amount_cents=1000)
    make_plan(client, code="dollars", amount_cents=500, currency="USD")
    subscribe(client, plan="euros", external_id="a", name="A")
    subscribe(client, plan="euros", external_id="b", name="B", **of_b)
    subscribe(client, plan="dollars", external_id="c", name="C")


def test_subscriptions_of_a_customer_share_an_invoice_per_currency(sandbox: Sandbox) -> None:
    client = sandbox()
    three(client)
    client.at("2024-02-01T00:00:00Z")
    assert lines(client) == [("EUR", ["a", "b"]), ("USD", ["c"])]
    assert [each["total_amount_cents"] for each in invoices(client, currency="EUR")] == [2000]


def test_a_subscription_that_does_not_consolidate_is_alone_on_its_invoice(sandbox: Sandbox) -> None:
    client = sandbox()
    three(client, consolidate_invoice=False)
    client.at("2024-02-01T00:00:00Z")
    assert lines(client) == [("EUR", ["a"]), ("EUR", ["b"]), ("USD", ["c"])]


def test_an_order_number_has_its_own_invoice_that_shows_it(sandbox: Sandbox) -> None:
    client = sandbox()
    three(client, purchase_order_number=" PO-7 ")
    client.at("2024-02-01T00:00:00Z")
    assert lines(client) == [("EUR", ["a"]), ("EUR", ["b"]), ("USD", ["c"])]
    found = invoices(client, purchase_order_number="po-7")
    assert [(each["purchase_order_number"], len(each["billing_periods"])) for each in found] == [("PO-7", 1)]


def test_customers_never_share_an_invoice(sandbox: Sandbox) -> None:
    client = sandbox()
    make_plan(client, amount_cents=1000)
    for customer in ("acme", "bell"):
        for number in (1, 2):
            subscribe(client, customer=customer, external_id=f"{customer}-{number}")
    client.at("2024-02-01T00:00:00Z")
    assert lines(client) == [("EUR", ["acme-1", "acme-2"]), ("EUR", ["bell-1", "bell-2"])]


def test_lines_stand_in_the_order_of_the_subscriptions_names(sandbox: Sandbox) -> None:
    client = sandbox()
    make_plan(client, amount_cents=1000)
    for external_id, name in (("1", "Zulu"), ("2", "Alpha"), ("3", "Mike")):
        subscribe(client, external_id=external_id, name=name)
    client.at("2024-02-01T00:00:00Z")
    invoice = invoices(client)[0]
    assert [period["external_subscription_id"] for period in invoice["billing_periods"]] == ["2", "3", "1"]
    assert [fee["external_subscription_id"] for fee in invoice["fees"]] == ["2", "3", "1"]


def test_plans_of_different_intervals_share_the_invoice_of_the_day_they_meet(sandbox: Sandbox) -> None:
    client = sandbox()
    make_plan(client, code="monthly", amount_cents=1000)
    make_plan(client, code="quarterly", amount_cents=5000, interval="quarterly", pay_in_advance=True)
    make_customer(client)
    subscribe(client, plan="monthly", external_id="m")
    subscribe(client, plan="quarterly", external_id="q")
    client.at("2024-04-01T00:00:00Z")
    assert lines(client) == [("EUR", ["m"]), ("EUR", ["m"]), ("EUR", ["m", "q"]), ("EUR", ["q"])]


def test_many_customers_are_billed_in_one_night(sandbox: Sandbox) -> None:
    client = sandbox()
    make_plan(client, amount_cents=1000)
    for number in range(60):
        body = {"external_customer_id": f"c{number}", "plan_code": "plan", "external_id": f"s{number}"}
        assert client.send("POST", "/subscriptions", {"subscription": body}).status_code == 200
    client.at("2024-03-01T00:00:00Z")
    listed = client.get("/invoices", {"per_page": 1000})["invoices"]
    assert len(listed) == 120
    assert len({each["number"] for each in listed}) == 120
    assert {each["total_amount_cents"] for each in listed} == {1000}
