"""How subscriptions end: the last days are billed, once, also when a plan or a customer is deleted."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from support.billing import (
    covers,
    fees,
    invoices,
    make_customer,
    make_metric,
    make_plan,
    only_invoice,
    only_period,
    standard,
    subscribe,
    subscription_amount,
    use,
)
from support.client import Sandbox


@pytest.mark.parametrize(
    ("start", "end", "interval", "amount_cents", "billed"),
    [
        ("2022-12-15T00:00:00Z", "2022-12-20T12:00:00Z", "monthly", 1000, 194),  # 6 of 31 days
        ("2023-04-24T00:00:00Z", "2023-04-26T00:00:01Z", "monthly", 2000, 200),  # 3 of 30
        ("2024-05-20T00:00:00Z", "2024-06-20T10:00:00Z", "quarterly", 91000, 32000),  # 32 of 91
        ("2024-02-01T00:00:00Z", "2024-02-12T06:00:00Z", "monthly", 2900, 1200),  # 12 of 29
        ("2024-02-01T08:00:00Z", "2024-02-01T09:00:00Z", "monthly", 2900, 100),  # the day it started
    ],
)
def test_a_terminated_plan_in_arrears_bills_its_days_up_to_and_including_the_last(
    sandbox: Sandbox, start: str, end: str, interval: str, amount_cents: int, billed: int
) -> None:
    client = sandbox(start)
    make_plan(client, amount_cents=amount_cents, interval=interval)
    subscribe(client)
    client.at(end)

    ended = client.delete("/subscriptions/sub")["subscription"]

    assert (ended["status"], ended["terminated_at"]) == ("terminated", end)
    invoice = only_invoice(client)
    assert subscription_amount(invoice) == billed
    assert only_period(invoice)["invoicing_reason"] == "subscription_terminating"
    assert covers(invoice)[1] == end.replace("Z", ".000Z")
    assert invoice["issuing_date"] == end[:10]


def test_termination_bills_the_usage_up_to_the_instant(sandbox: Sandbox) -> None:
    client = sandbox("2024-02-01T00:00:00Z")
    make_plan(client, amount_cents=2900, charges=[standard(make_metric(client), "2.07")])
    subscribe(client)
    use(client, "2024-02-12T05:59:59.999Z")
    use(client, "2024-02-12T06:00:00.001Z")
    client.at("2024-02-12T06:00:00Z")

    client.delete("/subscriptions/sub")

    invoice = only_invoice(client)
    assert [(fee["units"], fee["amount_cents"]) for fee in fees(invoice)] == [("1.0", 207)]
    assert subscription_amount(invoice) == 1200
    assert only_period(invoice)["charges_to_datetime"] == "2024-02-12T06:00:00.000Z"


def test_a_terminated_plan_in_advance_bills_no_fee_again_but_its_usage(sandbox: Sandbox) -> None:
    client = sandbox("2024-02-01T00:00:00Z")
    make_plan(client, amount_cents=2900, pay_in_advance=True, charges=[standard(make_metric(client), "5")])
    subscribe(client)
    use(client, "2024-02-10T00:00:00Z")
    client.at("2024-02-12T06:00:00Z")

    client.delete("/subscriptions/sub")

    starting, terminating = invoices(client)
    assert starting["total_amount_cents"] == 2900
    assert subscription_amount(terminating) is None
    assert [fee["amount_cents"] for fee in fees(terminating)] == [500]


def test_termination_on_a_billing_day_after_the_run_bills_one_day_of_the_new_period(sandbox: Sandbox) -> None:
    client = sandbox("2023-09-01T00:00:00Z")
    make_plan(client, amount_cents=1000)
    subscribe(client)
    client.at("2023-10-01T08:00:00Z")

    client.delete("/subscriptions/sub")

    periodic, terminating = invoices(client)
    assert subscription_amount(periodic) == 1000
    assert subscription_amount(terminating) == 32  # 1 of 31 days
    assert covers(terminating) == ("2023-10-01T00:00:00.000Z", "2023-10-01T08:00:00.000Z")


def test_a_termination_that_skips_its_invoice_bills_nothing(sandbox: Sandbox) -> None:
    client = sandbox("2024-02-01T00:00:00Z")
    make_plan(client, amount_cents=2900)
    subscribe(client)
    client.at("2024-02-12T06:00:00Z")

    ended = client.delete("/subscriptions/sub", {"on_termination_invoice": "skip"})["subscription"]

    assert ended["on_termination_invoice"] == "skip"
    assert invoices(client) == []
    client.at("2024-04-01T00:00:00Z")
    assert invoices(client) == []


def test_two_terminations_at_once_make_one_final_invoice(sandbox: Sandbox) -> None:
    client = sandbox("2024-02-01T00:00:00Z")
    make_plan(client, amount_cents=2900)
    subscribe(client)
    client.at("2024-02-12T06:00:00Z")

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: client.send("DELETE", "/subscriptions/sub"), range(4)))
    client.settle()

    assert sorted(answer.status_code for answer in answers) == [200, 404, 404, 404]
    assert subscription_amount(only_invoice(client)) == 1200


def test_a_termination_at_the_very_billing_instant_bills_every_day_once(sandbox: Sandbox) -> None:
    """Whether the run or the termination comes first: 29 days of February and one of March."""
    client = sandbox("2024-02-01T00:00:00Z")
    make_plan(client, amount_cents=2900)
    subscribe(client)
    client.at("2024-03-01T00:00:00Z")

    client.delete("/subscriptions/sub")

    assert [subscription_amount(each) for each in invoices(client)] == [2900, 94]


def test_a_pending_subscription_is_canceled_without_an_invoice(sandbox: Sandbox) -> None:
    client = sandbox("2024-02-01T00:00:00Z")
    make_plan(client, amount_cents=2900, pay_in_advance=True)
    subscribe(client, subscription_at="2024-03-15T00:00:00Z")

    ended = client.delete("/subscriptions/sub", {"status": "pending"})["subscription"]

    assert (ended["status"], ended["canceled_at"]) == ("canceled", "2024-02-01T00:00:00Z")
    client.at("2024-04-01T00:00:00Z")
    assert invoices(client) == []


def test_a_deleted_plan_ends_its_subscriptions_with_final_invoices_and_finalizes_their_drafts(
    sandbox: Sandbox,
) -> None:
    client = sandbox("2024-01-15T00:00:00Z", billing_configuration={"invoice_grace_period": 10})
    make_plan(client, amount_cents=2900)
    make_plan(client, code="other", amount_cents=100)
    subscribe(client)
    subscribe(client, external_id="later", subscription_at="2024-06-01T00:00:00Z")
    subscribe(client, customer="else", plan="other", external_id="stays")
    client.at("2024-02-05T00:00:00Z")
    assert {each["status"] for each in invoices(client)} == {"draft"}

    assert client.delete("/plans/plan")["plan"]["code"] == "plan"

    client.get("/plans/plan", expect=404)
    assert client.get("/subscriptions/sub", {"status": "terminated"})["subscription"]["status"] == "terminated"
    assert client.get("/subscriptions/later", {"status": "canceled"})["subscription"]["status"] == "canceled"
    assert client.get("/subscriptions/stays")["subscription"]["status"] == "active"
    billed = invoices(client, external_customer_id="acme")
    assert [each["status"] for each in billed] == ["finalized", "finalized"]
    assert [subscription_amount(each) for each in billed] == [1590, 500]  # 17 of 31 days, 5 of 29
    assert [each["status"] for each in invoices(client, external_customer_id="else")] == ["draft"]
    make_plan(client, amount_cents=1)  # its code is free again


def test_a_deleted_customer_gets_a_final_invoice_and_all_drafts_are_finalized(sandbox: Sandbox) -> None:
    client = sandbox("2023-12-01T00:00:00Z", billing_configuration={"invoice_grace_period": 90})
    make_plan(client, amount_cents=2900)
    subscribe(client)
    client.at("2024-02-10T00:00:00Z")
    assert [each["status"] for each in invoices(client)] == ["draft", "draft"]

    assert client.delete("/customers/acme")["customer"]["external_id"] == "acme"

    client.get("/customers/acme", expect=404)
    client.get("/subscriptions/sub", expect=404)
    client.at("2024-02-10T00:10:00Z")
    billed = invoices(client)
    assert [each["status"] for each in billed] == ["finalized"] * 3
    assert sorted(subscription_amount(each) or 0 for each in billed) == [1000, 2900, 2900]
    assert {each["customer"]["external_id"] for each in billed} == {"acme"}

    again = make_customer(client, "acme")
    assert again["sequential_id"] == 2


def test_a_subscription_made_again_under_the_same_id_is_a_new_one_that_bills_no_day_twice(sandbox: Sandbox) -> None:
    client = sandbox("2024-02-01T00:00:00Z")
    make_plan(client, amount_cents=2900, charges=[standard(make_metric(client))])
    first = subscribe(client)
    use(client, "2024-02-05T00:00:00Z")
    client.at("2024-02-12T06:00:00Z")
    client.delete("/subscriptions/sub")
    client.at("2024-02-20T00:00:00Z")
    second = subscribe(client)
    assert second["lago_id"] != first["lago_id"]
    use(client, "2024-02-20T00:00:01Z")

    client.at("2024-03-01T00:00:00Z")

    terminating, periodic = invoices(client)
    assert [subscription_amount(each) for each in (terminating, periodic)] == [1200, 1000]  # 12 and 10 of 29 days
    assert [[fee["units"] for fee in fees(each)] for each in (terminating, periodic)] == [["1.0"], ["1.0"]]
