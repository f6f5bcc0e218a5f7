"""Free trials: the plan's fee is waived until they end, once per external id (spec 2 §3.10)."""

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
    subscription_amount,
    use,
)
from support.client import Sandbox


@pytest.mark.parametrize(
    ("trial", "start", "zone", "before", "after", "amount"),
    [
        (10, "2024-03-05T12:12:00Z", "UTC", "2024-03-15T12:11:00Z", "2024-03-15T13:00:00Z", 2741935),  # 3.T
        (45, "2024-03-05T12:12:00Z", "UTC", "2024-04-19T12:11:00Z", "2024-04-19T13:00:00Z", 2000000),  # 3.V
        (10, "2024-03-22T18:12:00Z", "Asia/Tokyo", "2024-04-01T18:11:00Z", "2024-04-01T19:00:00Z", 4833333),  # 3.X
    ],
)
def test_a_plan_in_advance_is_paid_from_the_day_its_trial_ends(
    sandbox: Sandbox, trial: int, start: str, zone: str, before: str, after: str, amount: int
) -> None:
    client = sandbox(start)
    make_plan(client, amount_cents=5_000_000, pay_in_advance=True, trial_period=trial)
    make_customer(client, timezone=zone)
    subscribe(client)
    client.at(before)
    assert [subscription_amount(invoice) for invoice in invoices(client)] in ([], [None])
    client.at(after)
    last = invoices(client)[-1]
    assert subscription_amount(last) == amount
    assert last["billing_periods"][0]["invoicing_reason"] == "subscription_starting"
    assert client.get("/subscriptions/sub")["subscription"]["trial_ended_at"] is not None


def test_usage_is_billed_in_a_trial(sandbox: Sandbox) -> None:
    client = sandbox("2024-03-05T12:12:00Z")
    charges = [standard(make_metric(client), "10")]
    make_plan(client, amount_cents=5_000_000, pay_in_advance=True, trial_period=45, charges=charges)
    subscribe(client)
    use(client, "2024-03-10T00:00:00Z")
    client.at("2024-04-01T01:00:00Z")
    invoice = only_invoice(client)
    assert [fee["amount_cents"] for fee in fees(invoice)] == [1000]
    assert subscription_amount(invoice) is None


def test_a_trial_that_ends_on_a_billing_day(sandbox: Sandbox) -> None:
    client = sandbox("2024-03-22T12:00:00Z")
    make_plan(client, amount_cents=5_000_000, pay_in_advance=True, trial_period=10)
    subscribe(client)
    client.at("2024-04-02T00:00:00Z")
    assert [subscription_amount(invoice) for invoice in invoices(client)] == [5_000_000]


@pytest.mark.parametrize(
    ("interval", "start", "after", "amount"),
    [
        ("weekly", "2024-03-06T00:00:00Z", "2024-03-11T01:00:00Z", 29),  # 2 of 7 days
        ("monthly", "2024-03-15T00:00:00Z", "2024-04-01T01:00:00Z", 45),  # 14 of 31
        ("monthly", "2024-03-01T00:00:00Z", "2024-04-01T01:00:00Z", 90),  # 28 of 31
    ],
)
def test_a_plan_in_arrears_bills_the_days_after_its_trial(
    sandbox: Sandbox, interval: str, start: str, after: str, amount: int
) -> None:
    client = sandbox(start)
    make_plan(client, amount_cents=100, interval=interval, trial_period=3)
    subscribe(client)
    client.at(after)
    assert subscription_amount(only_invoice(client)) == amount


def test_a_trial_goes_on_in_the_next_plan(sandbox: Sandbox) -> None:
    client = sandbox("2024-03-05T12:12:00Z")
    make_plan(client, "small", 5_000_000, pay_in_advance=True, trial_period=10)
    make_plan(client, "large", 10_000_000, pay_in_advance=True, trial_period=13)
    subscribe(client, plan="small")
    client.at("2024-03-10T12:12:00Z")
    subscribe(client, plan="large")
    client.at("2024-03-18T13:00:00Z")
    assert [subscription_amount(invoice) for invoice in invoices(client)][-1] == 4_516_129  # 14 of 31 days
    client.at("2024-04-01T01:00:00Z")
    assert subscription_amount(invoices(client)[-1]) == 10_000_000


def test_an_external_id_has_one_trial(sandbox: Sandbox) -> None:
    client = sandbox("2024-03-04T21:00:00Z")
    make_plan(client, amount_cents=3500, pay_in_advance=True, trial_period=7)
    subscribe(client)
    client.at("2024-03-11T22:00:00Z")
    assert subscription_amount(only_invoice(client)) == 2371  # 21 of 31 days
    client.at("2024-03-11T23:00:00Z")
    client.delete("/subscriptions/sub")
    client.at("2024-03-11T23:05:00Z")
    subscribe(client)
    assert subscription_amount(invoices(client)[-1]) == 2371


def test_fractions_of_a_day(sandbox: Sandbox) -> None:
    client = sandbox("2024-03-05T00:00:00Z")
    make_plan(client, amount_cents=3100, pay_in_advance=True, trial_period="1.5")
    subscribe(client)
    client.at("2024-03-06T11:59:00Z")
    assert invoices(client) == []
    client.at("2024-03-06T12:00:00Z")
    assert subscription_amount(only_invoice(client)) == 2600
