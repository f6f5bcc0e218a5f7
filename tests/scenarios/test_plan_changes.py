"""Changing the plan: at once where it costs as much or more, else at the end of the period (spec 2 §§3.5, 3.6)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

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
    subscription_amount,
    usage_of,
    use,
)
from support.client import Client, Json, Sandbox


def by_plan(invoice: Json) -> dict[str, int]:
    """The subscription fees of an invoice, by plan."""
    return {fee["item"]["code"]: fee["amount_cents"] for fee in fees(invoice, "subscription")}


@pytest.mark.parametrize(
    ("billing_time", "amounts"), [("calendar", [871, 968, 1226]), ("anniversary", [1000, 1161, 1471])]
)
def test_an_upgrade_in_advance_bills_the_rest_of_the_period(
    sandbox: Sandbox, billing_time: str, amounts: list[int]
) -> None:
    client = sandbox("2024-03-05T00:00:00Z")
    for code, amount in (("small", 1000), ("medium", 1500), ("large", 1900)):
        make_plan(client, code, amount, pay_in_advance=True)
    subscribe(client, plan="small", billing_time=billing_time)
    client.at("2024-03-12T06:00:00Z")
    changed = subscribe(client, plan="medium")
    assert (changed["plan_code"], changed["previous_plan_code"], changed["status"]) == ("medium", "small", "active")
    assert changed["subscription_at"] == "2024-03-05T00:00:00Z"
    subscribe(client, plan="large")
    assert [subscription_amount(invoice) for invoice in invoices(client)] == amounts
    old = client.get("/subscriptions", {"status[]": "terminated"})["subscriptions"]
    assert {(each["plan_code"], each["next_plan_code"]) for each in old} == {("small", "medium"), ("medium", "large")}


def test_an_upgrade_in_arrears_bills_the_days_before_it_and_each_plan_its_usage(sandbox: Sandbox) -> None:
    client = sandbox("2024-01-01T00:00:00Z")
    metric = make_metric(client, "seats", "sum_agg", field_name="seats", recurring=True)
    prorated = standard(metric, "1", prorated=True)
    make_plan(client, "small", 2900, charges=[prorated])
    make_plan(client, "large", 29000, charges=[prorated])
    subscribe(client, plan="small")
    use(client, "2024-01-02T00:00:00Z", "seats", seats=5)
    client.at("2024-02-12T06:00:00Z")
    subscribe(client, plan="large")
    first = invoices(client)[1]
    assert by_plan(first) == {"small": 1100}  # 11 of 29 days
    assert [fee["amount_cents"] for fee in fees(first)] == [190]  # 500 for 11 of 29 days
    client.at("2024-03-01T01:00:00Z")
    second = invoices(client)[2]
    assert by_plan(second) == {"large": 18000}
    assert [fee["amount_cents"] for fee in fees(second)] == [310]


def test_from_a_month_to_a_year(sandbox: Sandbox) -> None:
    client = sandbox("2023-06-29T05:00:00Z")
    make_plan(client, "monthly", 1000, pay_in_advance=True)
    make_plan(client, "yearly", 12000, pay_in_advance=True, interval="yearly")
    subscribe(client, plan="monthly", billing_time="anniversary")
    client.at("2023-09-28T05:00:00Z")
    subscribe(client, plan="yearly")
    last = invoices(client)[-1]
    assert by_plan(last) == {"yearly": 9016}  # 275 of 366 days
    reasons = [period["invoicing_reason"] for period in last["billing_periods"]]
    assert reasons == ["subscription_terminating", "subscription_starting"]


def test_both_sides_are_apart_where_they_can_not_share_an_invoice(sandbox: Sandbox) -> None:
    client = sandbox("2024-03-05T00:00:00Z")
    make_plan(client, "euro", 1000, pay_in_advance=True)
    make_plan(client, "dollar", 1500, pay_in_advance=True, currency="USD")
    subscribe(client, plan="euro")
    client.at("2024-03-12T06:00:00Z")
    subscribe(client, plan="dollar")
    assert [(invoice["currency"], subscription_amount(invoice)) for invoice in invoices(client)[1:]] == [
        ("EUR", None),
        ("USD", 968),
    ]


def test_an_event_at_the_instant_of_an_upgrade_is_the_new_plans(sandbox: Sandbox) -> None:
    client = sandbox("2024-01-10T06:20:00Z")
    metric = make_metric(client)
    make_plan(client, "a", charges=[standard(metric, "1")])
    make_plan(client, "b", charges=[standard(metric, "3")])
    subscribe(client, plan="a")
    use(client, "2024-01-10T07:59:59.999Z")
    use(client, "2024-01-10T08:00:00Z")
    client.at("2024-01-10T08:00:00Z")
    subscribe(client, plan="b")
    assert [fee["amount_cents"] for fee in fees(only_invoice(client))] == [100]
    assert usage_of(client)["amount_cents"] == 300


def test_a_downgrade_waits_for_the_end_of_the_period(sandbox: Sandbox) -> None:
    client = sandbox("2024-03-05T12:00:00Z")
    metric = make_metric(client)
    make_plan(client, "large", 3100, charges=[standard(metric, "2")])
    make_plan(client, "small", 310, pay_in_advance=True, charges=[standard(metric, "1")])
    make_plan(client, "other", 700)
    subscribe(client, plan="large")
    subscribe(client, plan="other", external_id="beside")
    client.at("2024-03-10T12:00:00Z")
    current = subscribe(client, plan="small", name="Less")
    assert (current["plan_code"], current["next_plan_code"]) == ("large", "small")
    assert current["downgrade_plan_date"] == "2024-04-01"
    use(client, "2024-03-31T23:59:59.999Z")
    use(client, "2024-04-01T00:00:00Z")
    client.at("2024-04-01T01:00:00Z")
    now = client.get("/subscriptions/sub")["subscription"]
    assert (now["plan_code"], now["name"], now["started_at"]) == ("small", "Less", "2024-04-01T00:00:00.000Z")
    assert (now["next_plan_code"], now["downgrade_plan_date"]) == (None, None)
    changed, beside = sorted(invoices(client), key=lambda invoice: -len(invoice["billing_periods"]))
    assert by_plan(changed) == {"large": 2700, "small": 310}
    assert [fee["amount_cents"] for fee in fees(changed)] == [200]
    assert by_plan(beside) == {"other": 610}
    assert usage_of(client)["amount_cents"] == 100


def test_a_year_is_over_before_its_downgrade(sandbox: Sandbox) -> None:
    client = sandbox("2024-01-01T00:00:00Z")
    make_plan(client, "yearly", 12000, interval="yearly", pay_in_advance=True)
    make_plan(client, "monthly", 900, pay_in_advance=True)
    subscribe(client, plan="yearly")
    assert subscribe(client, plan="monthly")["downgrade_plan_date"] == "2025-01-01"
    client.at("2024-12-31T23:00:00Z")
    assert client.get("/subscriptions/sub")["subscription"]["plan_code"] == "yearly"
    client.at("2025-01-01T01:00:00Z")
    assert [subscription_amount(invoice) for invoice in invoices(client)] == [12000, 900]


def test_a_downgrade_to_a_yearly_plan_keeps_the_anchor(sandbox: Sandbox) -> None:
    client = sandbox("2023-07-19T08:00:00Z")
    make_plan(client, "monthly", 12900, pay_in_advance=True)
    make_plan(client, "yearly", 118800, interval="yearly", pay_in_advance=True)
    subscribe(client, plan="monthly", billing_time="anniversary")
    client.at("2023-11-01T00:00:00Z")
    subscribe(client, plan="yearly")
    client.at("2023-11-19T12:00:00Z")
    last = invoices(client)[-1]
    assert by_plan(last) == {"yearly": 78875}  # 243 of 366 days


def test_a_downgrade_that_is_replaced_canceled_or_overtaken(sandbox: Sandbox) -> None:
    client = sandbox("2024-03-05T12:00:00Z")
    for code, amount in (("large", 3100), ("medium", 1000), ("small", 310), ("huge", 6200)):
        make_plan(client, code, amount)
    subscribe(client, plan="large")
    subscribe(client, plan="medium")
    assert subscribe(client, plan="small")["next_plan_code"] == "small"
    canceled = client.delete("/subscriptions/sub", {"status": "pending"})["subscription"]
    assert (canceled["plan_code"], canceled["status"]) == ("small", "canceled")
    assert client.get("/subscriptions/sub")["subscription"]["next_plan_code"] is None
    subscribe(client, plan="small")
    assert subscribe(client, plan="large")["next_plan_code"] == "small"  # SUB-12: the same plan changes nothing
    client.at("2024-03-20T12:00:00Z")
    assert subscribe(client, plan="huge")["plan_code"] == "huge"
    client.at("2024-04-01T01:00:00Z")
    now = client.get("/subscriptions/sub")["subscription"]
    assert (now["plan_code"], now["next_plan_code"]) == ("huge", None)


def test_ending_the_current_one_cancels_the_downgrade(sandbox: Sandbox) -> None:
    client = sandbox("2024-03-05T12:00:00Z")
    make_plan(client, "large", 3100)
    make_plan(client, "small", 310)
    subscribe(client, plan="large")
    subscribe(client, plan="small")
    client.delete("/subscriptions/sub")
    statuses = client.get("/subscriptions", {"status[]": ["terminated", "canceled"]})["subscriptions"]
    assert {(each["plan_code"], each["status"]) for each in statuses} == {
        ("large", "terminated"),
        ("small", "canceled"),
    }


def test_two_upgrades_at_once_end_in_one_life(sandbox: Sandbox) -> None:
    client = sandbox("2024-03-05T12:00:00Z")
    for code, amount in (("small", 310), ("medium", 1000), ("large", 3100)):
        make_plan(client, code, amount, pay_in_advance=True)
    subscribe(client, plan="small")
    client.at("2024-03-10T12:00:00Z")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda plan: subscribe(client, plan=plan), ["medium", "large", "medium", "large"]))
    lives = client.get("/subscriptions", {"status[]": ["active", "terminated", "pending", "canceled"]})
    assert sum(each["status"] == "active" for each in lives["subscriptions"]) == 1
    _nothing_is_billed_twice(client)


def test_upgrading_and_terminating_at_once(sandbox: Sandbox) -> None:
    client = sandbox("2024-03-05T12:00:00Z")
    make_plan(client, "small", 310)
    make_plan(client, "large", 3100)
    subscribe(client, plan="small")
    client.at("2024-03-10T12:00:00Z")
    with ThreadPoolExecutor(2) as pool:
        change = pool.submit(subscribe, client, plan="large")
        end = pool.submit(client.send, "DELETE", "/subscriptions/sub")
    assert end.result().status_code in (200, 404)
    assert change.result()["plan_code"] == "large"
    _nothing_is_billed_twice(client)


def _nothing_is_billed_twice(client: Client) -> None:
    periods = [
        (period["lago_subscription_id"], period["invoicing_reason"])
        for invoice in invoices(client)
        for period in invoice["billing_periods"]
    ]
    assert len(periods) == len(set(periods))


def test_another_customers_subscription_is_not_changed(sandbox: Sandbox) -> None:
    client = sandbox("2024-03-05T12:00:00Z")
    make_plan(client, "small", 310)
    make_plan(client, "large", 3100)
    make_customer(client, "other")
    subscribe(client, plan="small")
    answer = client.send(
        "POST",
        "/subscriptions",
        {"subscription": {"external_customer_id": "other", "plan_code": "large", "external_id": "sub"}},
    )
    assert answer.status_code == 422
    assert answer.json()["error_details"] == {"external_id": ["value_already_exist"]}


def test_what_is_held_on_is_billed_by_the_new_plan_alone(sandbox: Sandbox) -> None:
    """A recurring metric that isn't paid by the day: the new plan bills the whole period, where it has the metric."""
    client = sandbox("2024-02-01T00:00:00Z")
    seats = make_metric(client, "seats", "sum_agg", field_name="seats", recurring=True)
    rooms = make_metric(client, "rooms", "sum_agg", field_name="rooms", recurring=True)
    make_plan(client, "small", 100, charges=[standard(seats, "1"), standard(rooms, "1")])
    make_plan(client, "large", 2900, charges=[standard(seats, "2")])
    subscribe(client, plan="small")
    use(client, "2024-02-02T00:00:00Z", "seats", seats=5)
    use(client, "2024-02-02T00:00:00Z", "rooms", rooms=3)
    client.at("2024-02-12T06:00:00Z")
    subscribe(client, plan="large")
    client.at("2024-03-01T01:00:00Z")
    first, second = invoices(client)
    assert [(fee["item"]["code"], fee["amount_cents"]) for fee in fees(first)] == [("rooms", 300)]
    assert [(fee["item"]["code"], fee["amount_cents"]) for fee in fees(second)] == [("seats", 1000)]
