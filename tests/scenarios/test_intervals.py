"""Every interval, calendar and anniversary, in arrears and in advance: what is billed when, and for which days."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from support.billing import covers, invoices, make_plan, only_period, subscribe, subscription_amount
from support.client import Sandbox

# One day costs 100 in the first period of each plan: 7, 29, 91, 182 and 366 days (2024 is a leap year).
AMOUNTS = {"weekly": 700, "monthly": 2900, "quarterly": 9100, "semiannual": 18200, "yearly": 36600}
START = "2024-02-07T10:00:00Z"  # a Wednesday

ARREARS_BY_CALENDAR = [
    # the invoice of the first, partial period, then the one of the first whole period
    ("weekly", ("2024-02-12", "2024-02-07", "2024-02-11", 500), ("2024-02-19", "2024-02-12", "2024-02-18", 700)),
    ("monthly", ("2024-03-01", "2024-02-07", "2024-02-29", 2300), ("2024-04-01", "2024-03-01", "2024-03-31", 2900)),
    ("quarterly", ("2024-04-01", "2024-02-07", "2024-03-31", 5400), ("2024-07-01", "2024-04-01", "2024-06-30", 9100)),
    (
        "semiannual",
        ("2024-07-01", "2024-02-07", "2024-06-30", 14500),
        ("2025-01-01", "2024-07-01", "2024-12-31", 18200),
    ),
    ("yearly", ("2025-01-01", "2024-02-07", "2024-12-31", 32900), ("2026-01-01", "2025-01-01", "2025-12-31", 36600)),
]
ANNIVERSARIES = {
    "weekly": ["2024-02-07", "2024-02-14", "2024-02-21", "2024-02-28"],
    "monthly": ["2024-02-07", "2024-03-07", "2024-04-07", "2024-05-07"],
    "quarterly": ["2024-02-07", "2024-05-07", "2024-08-07", "2024-11-07"],
    "semiannual": ["2024-02-07", "2024-08-07", "2025-02-07", "2025-08-07"],
    "yearly": ["2024-02-07", "2025-02-07", "2026-02-07", "2027-02-07"],
}


def day_before(day: str) -> str:
    return str(date.fromisoformat(day) - timedelta(days=1))


def days(invoice: dict[str, object]) -> tuple[str, str]:
    first, last = covers(invoice)
    assert first.endswith("T00:00:00.000Z")
    assert last.endswith("T23:59:59.999Z")
    return first[:10], last[:10]


@pytest.mark.parametrize(("interval", "first", "second"), ARREARS_BY_CALENDAR, ids=AMOUNTS)
def test_a_calendar_plan_in_arrears_bills_the_days_of_its_first_period_and_then_whole_ones(
    sandbox: Sandbox, interval: str, first: tuple[str, str, str, int], second: tuple[str, str, str, int]
) -> None:
    client = sandbox(START)
    make_plan(client, amount_cents=AMOUNTS[interval], interval=interval)
    subscribe(client)
    assert invoices(client) == []

    client.at(f"{second[0]}T00:00:00Z")

    billed = invoices(client)
    assert [(each["issuing_date"], *days(each), subscription_amount(each)) for each in billed] == [first, second]
    assert {only_period(each)["invoicing_reason"] for each in billed} == {"subscription_periodic"}
    assert [each["status"] for each in billed] == ["finalized", "finalized"]


@pytest.mark.parametrize(("interval", "first", "second"), ARREARS_BY_CALENDAR, ids=AMOUNTS)
def test_a_calendar_plan_in_advance_bills_the_same_days_when_they_begin(
    sandbox: Sandbox, interval: str, first: tuple[str, str, str, int], second: tuple[str, str, str, int]
) -> None:
    client = sandbox(START)
    make_plan(client, amount_cents=AMOUNTS[interval], interval=interval, pay_in_advance=True)
    subscribe(client)

    client.at(f"{first[0]}T00:00:00Z")

    starting, periodic = invoices(client)
    assert (starting["issuing_date"], *days(starting), subscription_amount(starting)) == ("2024-02-07", *first[1:])
    assert (periodic["issuing_date"], *days(periodic), subscription_amount(periodic)) == (first[0], *second[1:])
    assert only_period(starting)["invoicing_reason"] == "subscription_starting"
    assert only_period(periodic)["invoicing_reason"] == "subscription_periodic"


@pytest.mark.parametrize("interval", ANNIVERSARIES)
def test_an_anniversary_plan_in_arrears_bills_whole_periods_from_the_day_it_started(
    sandbox: Sandbox, interval: str
) -> None:
    client = sandbox(START)
    make_plan(client, amount_cents=AMOUNTS[interval], interval=interval)
    subscribe(client, billing_time="anniversary")
    grid = ANNIVERSARIES[interval]

    client.at(f"{grid[3]}T00:00:00Z")

    billed = invoices(client)
    assert [each["issuing_date"] for each in billed] == grid[1:]
    assert [days(each) for each in billed] == [(grid[k], day_before(grid[k + 1])) for k in range(3)]
    assert [subscription_amount(each) for each in billed] == [AMOUNTS[interval]] * 3


@pytest.mark.parametrize("interval", ANNIVERSARIES)
def test_an_anniversary_plan_in_advance_bills_each_period_in_full_on_its_first_day(
    sandbox: Sandbox, interval: str
) -> None:
    client = sandbox(START)
    make_plan(client, amount_cents=AMOUNTS[interval], interval=interval, pay_in_advance=True)
    subscribe(client, billing_time="anniversary")
    grid = ANNIVERSARIES[interval]

    client.at(f"{grid[2]}T00:00:00Z")

    billed = invoices(client)
    assert [each["issuing_date"] for each in billed] == grid[:3]
    assert [days(each) for each in billed] == [(grid[k], day_before(grid[k + 1])) for k in range(3)]
    assert [subscription_amount(each) for each in billed] == [AMOUNTS[interval]] * 3


def test_a_subscription_of_the_31st_is_billed_on_the_last_day_of_short_months_and_returns_to_the_31st(
    sandbox: Sandbox,
) -> None:
    client = sandbox("2024-01-31T01:00:00Z")
    make_plan(client, amount_cents=1000)
    subscribe(client, billing_time="anniversary")

    client.at("2024-05-31T00:00:00Z")

    billed = invoices(client)
    assert [each["issuing_date"] for each in billed] == ["2024-02-29", "2024-03-31", "2024-04-30", "2024-05-31"]
    assert [days(each) for each in billed] == [
        ("2024-01-31", "2024-02-28"),
        ("2024-02-29", "2024-03-30"),
        ("2024-03-31", "2024-04-29"),
        ("2024-04-30", "2024-05-30"),
    ]
    assert only_period(billed[0])["charges_from_datetime"] == "2024-01-31T01:00:00.000Z"


def test_a_yearly_subscription_of_february_29_is_billed_on_the_28th_in_common_years(sandbox: Sandbox) -> None:
    client = sandbox("2020-02-29T12:00:00Z")
    make_plan(client, amount_cents=36500, interval="yearly", pay_in_advance=True)
    subscribe(client, billing_time="anniversary")

    client.at("2025-02-28T00:00:00Z")

    billed = invoices(client)
    assert [each["issuing_date"] for each in billed] == [
        "2020-02-29",
        "2021-02-28",
        "2022-02-28",
        "2023-02-28",
        "2024-02-29",
        "2025-02-28",
    ]
    assert days(billed[4]) == ("2024-02-29", "2025-02-27")


def test_nothing_is_billed_one_millisecond_before_the_period_ends(sandbox: Sandbox) -> None:
    client = sandbox("2024-02-01T00:00:00Z")
    make_plan(client, amount_cents=2900)
    subscribe(client)

    client.at("2024-02-29T23:59:59.999Z")
    assert invoices(client) == []

    client.at("2024-03-01T00:00:00Z")
    assert [subscription_amount(each) for each in invoices(client)] == [2900]


def test_a_year_passed_at_once_is_billed_month_by_month_in_order(sandbox: Sandbox) -> None:
    client = sandbox("2023-12-15T00:00:00Z", document_number_prefix="YEAR")
    make_plan(client, amount_cents=3100)
    subscribe(client)

    client.at("2024-12-31T23:59:59Z")

    billed = invoices(client)
    assert [each["issuing_date"] for each in billed] == [f"2024-{month:02d}-01" for month in range(1, 13)]
    assert [each["number"] for each in billed] == [f"YEAR-001-{number:03d}" for number in range(1, 13)]
    assert [each["created_at"] for each in billed] == [f"2024-{month:02d}-01T00:00:00Z" for month in range(1, 13)]
    assert [subscription_amount(each) for each in billed] == [1700] + [3100] * 11


def test_going_over_the_same_billing_day_again_bills_nothing_more(sandbox: Sandbox) -> None:
    client = sandbox("2024-02-10T00:00:00Z")
    make_plan(client, amount_cents=2900)
    subscribe(client)
    for instant in ("2024-03-01T00:00:00Z", "2024-03-01T00:00:00Z", "2024-03-01T01:10:00Z", "2024-03-01T23:59:59Z"):
        client.at(instant)
    assert len(invoices(client)) == 1
