"""Days are the customer's: when a month ends, how many days it has, and what a change of zone does."""

from __future__ import annotations

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
    ("zone", "before", "midnight", "days"),
    [
        ("UTC", "2023-02-28T23:59:59.999Z", "2023-03-01T00:00:00Z", 24),
        ("Asia/Kolkata", "2023-02-28T18:29:59.999Z", "2023-02-28T18:30:00Z", 24),
        ("America/Bogota", "2023-03-01T04:59:59.999Z", "2023-03-01T05:00:00Z", 24),
        ("Pacific/Kiritimati", "2023-02-28T09:59:59.999Z", "2023-02-28T10:00:00Z", 23),  # it was the 6th there
    ],
)
def test_a_month_is_billed_at_the_customers_midnight(
    sandbox: Sandbox, zone: str, before: str, midnight: str, days: int
) -> None:
    client = sandbox("2023-02-05T12:00:00Z")
    make_plan(client, amount_cents=2800)
    make_customer(client, timezone=zone)
    subscribe(client)

    client.at(before)
    assert invoices(client) == []

    client.at(midnight)
    invoice = only_invoice(client)
    assert invoice["issuing_date"] == "2023-03-01"
    assert covers(invoice)[1] == before
    assert invoice["created_at"] == midnight
    assert subscription_amount(invoice) == days * 100


@pytest.mark.parametrize(
    ("zone", "run", "first", "last"),
    [
        ("America/New_York", "2022-04-01T04:00:00Z", "2022-03-01T05:00:00.000Z", "2022-04-01T03:59:59.999Z"),
        ("America/New_York", "2022-12-01T05:00:00Z", "2022-11-01T04:00:00.000Z", "2022-12-01T04:59:59.999Z"),
        ("Europe/Paris", "2024-03-31T22:00:00Z", "2024-02-29T23:00:00.000Z", "2024-03-31T21:59:59.999Z"),
        ("Europe/Paris", "2024-10-31T23:00:00Z", "2024-09-30T22:00:00.000Z", "2024-10-31T22:59:59.999Z"),
    ],
)
def test_a_month_in_which_the_clocks_change_is_billed_in_full(
    sandbox: Sandbox, zone: str, run: str, first: str, last: str
) -> None:
    client = sandbox(first, timezone=zone)
    make_plan(client, amount_cents=4567, charges=[standard(make_metric(client))])
    subscribe(client)
    use(client, first)
    use(client, last)
    use(client, run)

    client.at(run)

    invoice = only_invoice(client)
    assert covers(invoice) == (first, last)
    assert subscription_amount(invoice) == 4567
    assert [fee["units"] for fee in fees(invoice)] == ["2.0"]


@pytest.mark.parametrize(
    ("zone", "hour", "amount_cents"),
    [
        ("America/Denver", "05:00", 400),  # still Thursday there
        ("America/Halifax", "05:00", 300),
        ("Europe/Paris", "20:00", 300),
        ("Asia/Karachi", "20:00", 200),  # Saturday already
    ],
)
def test_the_first_week_is_prorated_by_the_customers_weekday(
    sandbox: Sandbox, zone: str, hour: str, amount_cents: int
) -> None:
    client = sandbox(f"2023-06-16T{hour}:00Z")
    make_plan(client, amount_cents=700, interval="weekly", pay_in_advance=True)
    make_customer(client, timezone=zone)
    subscribe(client)
    assert subscription_amount(only_invoice(client)) == amount_cents


def test_a_start_at_midnight_utc_is_the_day_before_in_los_angeles(sandbox: Sandbox) -> None:
    client = sandbox("2023-02-08T00:00:00Z")
    make_plan(client, amount_cents=2800, pay_in_advance=True)
    make_customer(client, timezone="America/Los_Angeles")
    subscribe(client)
    invoice = only_invoice(client)
    assert covers(invoice) == ("2023-02-07T08:00:00.000Z", "2023-03-01T07:59:59.999Z")
    assert subscription_amount(invoice) == 2200
    assert invoice["issuing_date"] == "2023-02-07"


def test_a_month_that_begins_where_the_clock_skips_midnight_begins_at_its_first_instant(sandbox: Sandbox) -> None:
    """Beirut, 2021-03-28: the clocks go from 0:00 to 1:00."""
    client = sandbox("2021-03-20T00:00:00Z", timezone="Asia/Beirut")
    make_plan(client, amount_cents=700, interval="weekly", charges=[standard(make_metric(client))])
    subscribe(client, billing_time="anniversary", subscription_at="2021-03-21T00:00:00Z")
    use(client, "2021-03-27T21:59:59.999Z")
    use(client, "2021-03-27T22:00:00Z")

    client.at("2021-03-27T22:00:00Z")

    invoice = only_invoice(client)
    assert invoice["issuing_date"] == "2021-03-28"
    assert covers(invoice)[1] == "2021-03-27T21:59:59.999Z"
    assert [fee["units"] for fee in fees(invoice)] == ["1.0"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("UTC", "America/Los_Angeles"),
        ("UTC", "Asia/Tokyo"),
        ("Pacific/Kiritimati", "Pacific/Pago_Pago"),
        ("America/New_York", "Europe/Paris"),
    ],
)
def test_a_change_of_time_zone_in_a_period_loses_no_event_and_bills_none_twice(
    sandbox: Sandbox, before: str, after: str
) -> None:
    client = sandbox("2024-01-10T00:00:00Z")
    make_plan(client, charges=[standard(make_metric(client))])
    make_customer(client, timezone=before)
    subscribe(client)
    instants = [
        f"{day}T{hour:02d}:30:00Z"
        for day in ("2024-01-31", "2024-02-01", "2024-02-29", "2024-03-01", "2024-03-31", "2024-04-01")
        for hour in range(0, 24, 3)
    ]
    for instant in instants:
        use(client, instant)

    client.at("2024-02-15T00:00:00Z")
    make_customer(client, timezone=after)
    client.at("2024-05-10T00:00:00Z")

    billed = invoices(client)
    assert [each["issuing_date"] for each in billed] == ["2024-02-01", "2024-03-01", "2024-04-01", "2024-05-01"]
    assert sum(fee["events_count"] for each in billed for fee in fees(each)) == len(instants)
    ends = [only_period(each)["charges_to_datetime"] for each in billed]
    starts = [only_period(each)["charges_from_datetime"] for each in billed]
    assert all(end < start for end, start in zip(ends, starts[1:], strict=False))


def test_a_change_of_zone_on_the_eve_of_a_billing_day_moves_it_and_keeps_one_invoice_a_month(sandbox: Sandbox) -> None:
    client = sandbox("2024-01-01T00:00:00Z")
    make_plan(client, amount_cents=3100)
    make_customer(client, timezone="UTC")
    subscribe(client)
    client.at("2024-01-31T20:00:00Z")
    make_customer(client, timezone="Asia/Tokyo")  # where February began five hours ago

    assert [each["issuing_date"] for each in invoices(client)] == ["2024-02-01"]
    client.at("2024-02-01T00:00:00Z")
    client.at("2024-03-01T00:00:00Z")
    assert [each["issuing_date"] for each in invoices(client)] == ["2024-02-01", "2024-03-01"]


def test_a_change_of_zone_back_over_a_billed_midnight_does_not_bill_the_month_again(sandbox: Sandbox) -> None:
    client = sandbox("2024-01-01T00:00:00Z")
    make_plan(client, amount_cents=3100)
    make_customer(client, timezone="Asia/Tokyo")
    subscribe(client)
    client.at("2024-01-31T16:00:00Z")
    assert len(invoices(client)) == 1
    make_customer(client, timezone="America/Los_Angeles")
    client.at("2024-02-02T00:00:00Z")
    assert len(invoices(client)) == 1
