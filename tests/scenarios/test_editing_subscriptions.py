"""Editing subscriptions, and those that end on a day set before (spec 2 SUB-3, SUB-4, §3.8)."""

from __future__ import annotations

import pytest

from support.billing import invoices, make_customer, make_plan, only_invoice, subscribe, subscription_amount
from support.client import Client, Json, Sandbox


def edit(client: Client, status: int = 200, **fields: object) -> Json:
    answer = client.send("PUT", "/subscriptions/sub", {"subscription": fields})
    assert answer.status_code == status, answer.text
    return answer.json()


@pytest.mark.parametrize(
    ("zone", "issued"),
    [("Europe/Paris", "2023-09-06"), ("Asia/Bangkok", "2023-09-06"), ("America/Bogota", "2023-09-05")],
)
def test_it_ends_on_the_local_day(sandbox: Sandbox, zone: str, issued: str) -> None:
    client = sandbox("2023-09-05T00:00:00Z")
    make_plan(client, amount_cents=1000)
    make_customer(client, timezone=zone)
    subscribe(client, billing_time="anniversary", ending_at="2023-09-06T00:00:00Z")
    client.at("2023-09-06T00:15:00Z")
    assert client.get("/subscriptions/sub", {"status": "terminated"})["subscription"]["status"] == "terminated"
    invoice = only_invoice(client)
    assert (subscription_amount(invoice), invoice["issuing_date"]) == (67, issued)


@pytest.mark.parametrize(("billing_time", "day"), [("anniversary", "2023-10-05"), ("calendar", "2023-10-01")])
def test_an_end_on_a_billing_day_bills_the_finished_period_once(sandbox: Sandbox, billing_time: str, day: str) -> None:
    client = sandbox("2023-09-05T00:00:00Z" if billing_time == "anniversary" else "2023-09-01T00:00:00Z")
    make_plan(client, amount_cents=1000)
    subscribe(client, billing_time=billing_time, ending_at=f"{day}T00:00:00Z")
    client.at(f"{day}T12:00:00Z")
    assert subscription_amount(only_invoice(client)) == 1000


def test_an_end_can_be_moved_and_taken_back(sandbox: Sandbox) -> None:
    client = sandbox("2024-03-05T00:00:00Z")
    make_plan(client, amount_cents=1000)
    subscribe(client, ending_at="2024-03-10T00:00:00Z")
    assert edit(client, ending_at="2024-04-10T00:00:00Z")["subscription"]["ending_at"] == "2024-04-10T00:00:00Z"
    client.at("2024-03-12T00:00:00Z")
    assert edit(client, ending_at=None)["subscription"]["ending_at"] is None
    client.at("2024-05-02T00:00:00Z")
    assert client.get("/subscriptions/sub")["subscription"]["status"] == "active"
    refused = edit(client, 422, ending_at="2024-05-01T00:00:00Z")
    assert refused["error_details"] == {"ending_at": ["invalid_date"]}


def test_names_and_options(sandbox: Sandbox) -> None:
    client = sandbox("2024-03-05T00:00:00Z")
    make_plan(client, amount_cents=1000, pay_in_advance=True)
    subscribe(client)
    changed = edit(
        client,
        name=" Acme ",
        purchase_order_number=" PO-1 ",
        consolidate_invoice=False,
        on_termination_credit_note="skip",
        on_termination_invoice="skip",
    )["subscription"]
    assert (changed["name"], changed["purchase_order_number"], changed["consolidate_invoice"]) == (
        "Acme",
        "PO-1",
        False,
    )
    assert (changed["on_termination_credit_note"], changed["on_termination_invoice"]) == ("skip", "skip")
    refused = edit(client, 422, on_termination_credit_note="x", on_termination_invoice="y", ending_at="nonsense")
    assert refused["error_details"] == {
        "on_termination_credit_note": ["invalid_value"],
        "on_termination_invoice": ["invalid_value"],
        "ending_at": ["invalid_date"],
    }
    client.delete("/subscriptions/sub")
    assert len(invoices(client)) == 1


def test_the_start_of_one_that_waits_can_be_moved(sandbox: Sandbox) -> None:
    client = sandbox("2024-03-05T00:00:00Z")
    make_plan(client, amount_cents=3100, pay_in_advance=True)
    subscribe(client, subscription_at="2024-04-01T00:00:00Z")
    assert edit(client, subscription_at="2024-03-20T00:00:00Z")["subscription"]["status"] == "pending"
    client.at("2024-03-19T12:00:00Z")
    assert invoices(client) == []
    client.at("2024-03-20T01:00:00Z")
    assert subscription_amount(only_invoice(client)) == 1200


@pytest.mark.parametrize(("start", "bills"), [("2024-03-05T00:00:00Z", [2700]), ("2024-02-10T00:00:00Z", [])])
def test_a_start_that_has_come_puts_it_in_force(sandbox: Sandbox, start: str, bills: list[int]) -> None:
    client = sandbox("2024-03-05T12:00:00Z")
    make_plan(client, amount_cents=3100, pay_in_advance=True)
    subscribe(client, subscription_at="2024-04-01T00:00:00Z")
    assert edit(client, subscription_at=start)["subscription"]["status"] == "active"
    assert [subscription_amount(invoice) for invoice in invoices(client)] == bills


def test_what_is_not_there_is_not_edited(sandbox: Sandbox) -> None:
    client = sandbox("2024-03-05T00:00:00Z")
    assert edit(client, 404, name="x")["code"] == "subscription_not_found"
