"""A plan's new price and the changes of plan that wait (spec 2 PLN-14), and deleting plans under them (PLN-20)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from support.billing import (
    fees,
    invoices,
    make_metric,
    make_plan,
    standard,
    subscribe,
    subscription_amount,
    usage_of,
    use,
)
from support.client import Client, Json, Sandbox


def with_a_downgrade(sandbox: Sandbox, **of_small: Any) -> Client:
    """On 10 April, in the middle of a month at 3000, a downgrade to 1000 waits for May."""
    client = sandbox("2024-04-01T00:00:00Z")
    metric = make_metric(client)
    make_plan(client, "large", 3000, charges=[standard(metric, "2")])
    make_plan(client, "small", 1000, charges=[standard(metric, "1")], **of_small)
    subscribe(client, plan="large")
    client.at("2024-04-10T12:00:00Z")
    subscribe(client, plan="small")
    return client


def reprice(client: Client, code: str, amount_cents: int, **more: Any) -> None:
    client.put(f"/plans/{code}", {"plan": {"amount_cents": amount_cents, **more}})


def lives(client: Client) -> list[tuple[str, str]]:
    """Plan and status of all lives of the subscriptions."""
    statuses = {"status[]": ["active", "pending", "terminated", "canceled"]}
    found = client.get("/subscriptions", statuses)["subscriptions"]
    return sorted((each["plan_code"], each["status"]) for each in found)


def test_a_downgrade_is_canceled_when_the_plan_it_leaves_costs_less_by_now(sandbox: Sandbox) -> None:
    client = with_a_downgrade(sandbox)
    reprice(client, "large", 1000)  # as much as the other: it still goes
    assert lives(client) == [("large", "active"), ("small", "pending")]
    reprice(client, "large", 999)
    assert lives(client) == [("large", "active"), ("small", "canceled")]
    assert client.get("/subscriptions/sub")["subscription"]["next_plan_code"] is None
    client.at("2024-05-01T00:00:00Z")
    assert [subscription_amount(each) for each in invoices(client)] == [999]  # a new price has no proration (PLN-13)


def test_a_change_to_a_plan_that_costs_as_much_by_now_happens_at_once(sandbox: Sandbox) -> None:
    client = with_a_downgrade(sandbox, pay_in_advance=True)
    use(client, "2024-04-10T11:00:00Z")
    reprice(client, "small", 2999)
    assert lives(client) == [("large", "active"), ("small", "pending")]

    reprice(client, "small", 3000)

    assert lives(client) == [("large", "terminated"), ("small", "active")]
    now = client.get("/subscriptions/sub")["subscription"]
    assert (now["started_at"], now["previous_plan_code"]) == ("2024-04-10T12:00:00.000Z", "large")
    use(client, "2024-04-10T12:00:00Z")
    assert usage_of(client)["amount_cents"] == 100
    (invoice,) = invoices(client)
    amounts = {fee["item"]["code"]: fee["amount_cents"] for fee in fees(invoice, "subscription")}
    assert amounts == {"large": 900, "small": 2100}  # 9 days before, 21 from the 10th on
    assert [fee["amount_cents"] for fee in fees(invoice)] == [200]
    client.at("2024-05-01T00:00:00Z")
    assert [fee["amount_cents"] for fee in fees(invoices(client)[-1])] == [100]


def test_a_year_is_what_counts(sandbox: Sandbox) -> None:
    """24000 a year are 2000 a month."""
    client = sandbox("2024-04-01T00:00:00Z")
    make_plan(client, "monthly", 2000)
    make_plan(client, "yearly", 12000, interval="yearly", pay_in_advance=True)
    subscribe(client, plan="monthly")
    subscribe(client, plan="yearly")
    reprice(client, "yearly", 23999)
    assert lives(client) == [("monthly", "active"), ("yearly", "pending")]
    reprice(client, "yearly", 24000)
    assert lives(client) == [("monthly", "terminated"), ("yearly", "active")]


def test_other_edits_of_a_plan_leave_waiting_changes_alone(sandbox: Sandbox) -> None:
    client = with_a_downgrade(sandbox)
    reprice(client, "large", 3000, name="Larger", tax_codes=[])
    reprice(client, "small", 1500, description="dearer, but still less")
    reprice(client, "large", 2000)
    assert lives(client) == [("large", "active"), ("small", "pending")]
    client.at("2024-05-01T00:00:00Z")
    assert lives(client) == [("large", "terminated"), ("small", "active")]


def test_a_subscription_that_waits_for_its_start_is_no_change(sandbox: Sandbox) -> None:
    client = sandbox()
    make_plan(client, "plan", 1000)
    subscribe(client, subscription_at="2024-06-01T00:00:00Z")
    reprice(client, "plan", 5000)
    assert lives(client) == [("plan", "pending")]


def test_overrides_that_follow_the_price_count_too(sandbox: Sandbox) -> None:
    client = with_a_downgrade(sandbox)
    client.put("/subscriptions/sub", {"subscription": {"plan_overrides": {"name": "Mine"}}})
    reprice(client, "large", 900)
    assert lives(client) == [("large", "active"), ("small", "pending")]  # its own plan still costs 3000
    reprice(client, "large", 3000, cascade_updates=True)
    reprice(client, "large", 900, cascade_updates=True)
    assert lives(client) == [("large", "active"), ("small", "canceled")]


def test_many_changes_happen_together(sandbox: Sandbox) -> None:
    client = with_a_downgrade(sandbox, pay_in_advance=True)
    for number in range(5):
        of: Json = {"customer": f"c{number}", "external_id": f"s{number}"}
        subscribe(client, plan="large", **of)
        subscribe(client, plan="small", **of)
    reprice(client, "small", 6000)
    assert lives(client) == [("large", "terminated")] * 6 + [("small", "active")] * 6
    assert len(invoices(client)) == 6


def test_deleting_the_plan_that_is_waited_for_keeps_the_current_one(sandbox: Sandbox) -> None:
    client = with_a_downgrade(sandbox)
    client.delete("/plans/small")
    assert lives(client) == [("large", "active"), ("small", "canceled")]
    client.at("2024-05-01T00:00:00Z")
    assert [subscription_amount(each) for each in invoices(client)] == [3000]


def test_deleting_the_plan_that_is_left_cancels_what_waits(sandbox: Sandbox) -> None:
    client = with_a_downgrade(sandbox)
    client.delete("/plans/large")
    assert lives(client) == [("large", "terminated"), ("small", "canceled")]
    assert [subscription_amount(each) for each in invoices(client)] == [1000]  # 10 of 30 days
    assert client.delete("/plans/large", expect=404)["code"] == "plan_not_found"


@pytest.mark.parametrize("grace", [0, 5])
def test_deleting_a_plan_while_it_is_overridden_billed_and_subscribed_to_leaves_nobody_on_it(
    sandbox: Sandbox, grace: int
) -> None:
    client = sandbox("2024-02-01T00:00:00Z", billing_configuration={"invoice_grace_period": grace})
    make_plan(client, amount_cents=2900)
    names = [f"s{number}" for number in range(6)]
    for name in names:
        subscribe(client, customer=name, external_id=name)
    client.at("2024-02-29T23:59:00Z")
    override: Json = {"subscription": {"plan_overrides": {"amount_cents": 5800}}}
    fresh: Json = {"external_customer_id": "new", "plan_code": "plan", "external_id": "new"}
    with ThreadPoolExecutor(4) as pool:
        answers = [
            pool.submit(client.send, "PUT", "/test_clock", {"test_clock": {"now": "2024-03-01T00:00:00Z"}}),
            *(pool.submit(client.send, "PUT", f"/subscriptions/{name}", override) for name in names[:3]),
            pool.submit(client.send, "DELETE", "/plans/plan"),
            pool.submit(client.send, "POST", "/subscriptions", {"subscription": fresh}),
            *(pool.submit(client.send, "PUT", f"/subscriptions/{name}", override) for name in names[3:]),
        ]
    assert {answer.result().status_code for answer in answers} <= {200, 404, 422}  # 422: an override of one that ended
    client.settle()
    client.at("2024-03-01T00:00:01Z")
    assert {status for _, status in lives(client)} == {"terminated"}
    assert {each["status"] for each in invoices(client)} == {"finalized"}
    client.get("/plans/plan", expect=404)
    client.at("2024-05-01T00:00:00Z")
    for name in names:
        billed = [subscription_amount(each) for each in invoices(client, external_customer_id=name)]
        assert billed in ([2900], [5800], [2900, 94], [5800, 187], [2900, 187]), billed
