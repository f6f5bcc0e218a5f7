"""The billing grid and local days (spec 2 §0, §4.1, §4.2)."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from laguna.subscriptions.grid import (
    MILLISECOND,
    BillingTime,
    Calendar,
    Interval,
    Kind,
    billing_days_between,
    billing_instant,
    days,
    first_instant,
    is_billing_day,
    local_date,
    month_of_period,
    next_billing_day,
    next_period,
    opens_period,
    period_containing,
    previous_period,
    unbilled_after,
)

UTC_ZONE = ZoneInfo("UTC")


def at(text: str) -> datetime:
    """An instant in UTC: "2024-01-31", "2024-01-31T01:00"."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def day(text: str) -> date:
    return date.fromisoformat(text)


def calendar(rule: str, anchor: str = "2024-01-01", zone: str = "UTC") -> Calendar:
    """A calendar in words: "yearly anniversary, advance, charges monthly", anchored on the local date of an instant."""
    words = [part.strip() for part in rule.split(",")]
    interval, billing_time = words[0].split()
    timezone = ZoneInfo(zone)
    return Calendar(
        interval=Interval(interval),
        billing_time=BillingTime(billing_time),
        anchor=local_date(at(anchor), timezone),
        timezone=timezone,
        pay_in_advance="advance" in words,
        bill_charges_monthly="charges monthly" in words,
        bill_fixed_charges_monthly="fixed charges monthly" in words,
    )


# --- §4.1, §4.2: the grid


@pytest.mark.parametrize(
    ("rule", "anchor", "billing_days"),
    [
        ("weekly calendar", "2023-02-01", ["2023-02-06", "2023-02-13"]),
        ("monthly calendar", "2023-02-10", ["2023-03-01", "2023-04-01"]),
        ("quarterly calendar", "2023-02-10", ["2023-04-01", "2023-07-01", "2023-10-01", "2024-01-01"]),
        ("semiannual calendar", "2023-02-10", ["2023-07-01", "2024-01-01"]),
        ("yearly calendar", "2023-02-10", ["2024-01-01", "2025-01-01"]),
        ("weekly anniversary", "2023-02-01", ["2023-02-08", "2023-02-15"]),
        ("monthly anniversary", "2023-01-30", ["2023-02-28", "2023-03-30"]),
        ("monthly anniversary", "2024-01-30", ["2024-02-29", "2024-03-30"]),
        ("monthly anniversary", "2023-01-31", ["2023-02-28", "2023-03-31", "2023-04-30", "2023-05-31"]),
        ("monthly anniversary", "2024-01-31", ["2024-02-29", "2024-03-31", "2024-04-30", "2024-05-31"]),
        ("quarterly anniversary", "2022-12-31", ["2023-03-31", "2023-06-30", "2023-09-30", "2023-12-31"]),
        ("semiannual anniversary", "2022-08-31", ["2023-02-28", "2023-08-31", "2024-02-29"]),
        ("yearly anniversary", "2020-02-29", ["2021-02-28", "2022-02-28", "2023-02-28", "2024-02-29", "2025-02-28"]),
        ("semiannual anniversary", "2020-02-29", ["2020-08-29", "2021-02-28"]),
        ("yearly anniversary, charges monthly", "2024-01-31", ["2024-02-29", "2024-03-31", "2024-04-30"]),
        ("yearly calendar, fixed charges monthly", "2024-01-31", ["2024-02-01", "2024-03-01"]),
        ("semiannual calendar, charges monthly", "2024-01-31", ["2024-02-01", "2024-03-01"]),
        ("quarterly calendar, charges monthly", "2024-01-31", ["2024-04-01", "2024-07-01"]),  # the flag means nothing
    ],
)
def test_a_subscription_is_billed_on_the_grid_dates_after_its_anchor(
    rule: str, anchor: str, billing_days: list[str]
) -> None:
    a_calendar = calendar(rule, anchor)
    expected = [day(text) for text in billing_days]
    assert list(billing_days_between(a_calendar, day(anchor), expected[-1])) == expected
    assert all(is_billing_day(a_calendar, each) for each in expected)


@pytest.mark.parametrize(
    ("anchor", "billed", "not_billed"),
    [
        ("2021-05-31", ["2023-08-31", "2023-11-30", "2023-02-28", "2024-02-29"], ["2023-08-30"]),
        ("2021-05-30", ["2023-08-30", "2023-11-30"], ["2023-08-31"]),
    ],
)
def test_a_quarterly_anniversary_keeps_its_day_years_later(
    anchor: str, billed: list[str], not_billed: list[str]
) -> None:
    quarterly = calendar("quarterly anniversary", anchor)
    assert all(is_billing_day(quarterly, day(text)) for text in billed)
    assert not any(is_billing_day(quarterly, day(text)) for text in not_billed)


@pytest.mark.parametrize(
    ("zone", "due"),
    [("UTC", "2023-03-01T00:00"), ("Asia/Kolkata", "2023-02-28T18:30"), ("America/Bogota", "2023-03-01T05:00")],
)
def test_a_billing_day_falls_due_at_local_midnight(zone: str, due: str) -> None:
    monthly = calendar("monthly calendar", "2023-02-10", zone)
    billing_day = next_billing_day(monthly, day("2023-02-10"))
    assert billing_day == day("2023-03-01")
    assert billing_instant(monthly, billing_day) == at(due)
    assert local_date(at(due) - MILLISECOND, monthly.timezone) == day("2023-02-28")


@pytest.mark.parametrize(
    ("rule", "anchor", "on", "full_days"),
    [
        ("weekly calendar", "2023-02-01", "2023-02-02", 7),
        ("monthly calendar", "2023-02-01", "2023-02-02", 28),
        ("monthly calendar", "2023-02-01", "2024-02-02", 29),
        ("quarterly calendar", "2023-02-01", "2023-02-02", 90),
        ("quarterly anniversary", "2023-02-01", "2023-12-02", 92),
        ("semiannual calendar", "2023-02-01", "2023-08-02", 184),
        ("yearly calendar", "2023-02-01", "2023-08-02", 365),
        ("yearly calendar", "2023-02-01", "2024-08-02", 366),
        ("yearly anniversary", "2023-07-19", "2023-11-19", 366),
        ("yearly anniversary, charges monthly", "2023-07-19", "2023-11-19", 366),
    ],
)
def test_the_full_length_of_a_period_is_its_number_of_local_days(
    rule: str, anchor: str, on: str, full_days: int
) -> None:
    assert period_containing(calendar(rule, anchor), day(on)).days == full_days


def test_a_split_plan_knows_which_month_of_its_period_it_is_in() -> None:
    yearly = calendar("yearly anniversary, charges monthly", "2024-01-31")
    assert [
        month_of_period(yearly, day(text)) for text in ("2024-01-31", "2024-02-28", "2024-02-29", "2025-01-30")
    ] == [
        1,
        1,
        2,
        12,
    ]
    assert opens_period(yearly, day("2025-01-31"))
    assert not opens_period(yearly, day("2025-02-28"))
    assert opens_period(yearly, day("2025-02-28"), Kind.CHARGES)
    assert not opens_period(yearly, day("2025-02-28"), Kind.FIXED_CHARGES)
    assert month_of_period(calendar("semiannual calendar"), day("2024-09-10")) == 3
    assert month_of_period(calendar("weekly calendar"), day("2024-09-10")) == 1


def test_the_neighbours_of_a_period_touch_it() -> None:
    monthly = calendar("monthly anniversary", "2024-01-31")
    on = day("2024-03-10")
    assert period_containing(monthly, on).last_day == day("2024-03-30")
    assert previous_period(monthly, on).end == period_containing(monthly, on).start == day("2024-02-29")
    assert next_period(monthly, on).start == period_containing(monthly, on).end == day("2024-03-31")


def test_missed_billing_days_are_caught_up_in_order_after_both_start_and_creation() -> None:
    """Spec 2 W-1, PER-14: started in January and created in March, the run of May bills April and May only."""
    monthly = calendar("monthly calendar", zone="America/Bogota")
    after = unbilled_after(monthly, at("2024-01-10"), at("2024-04-01T04:59"))
    assert after == day("2024-03-31")
    assert list(billing_days_between(monthly, after, day("2024-05-20"))) == [day("2024-04-01"), day("2024-05-01")]


def test_a_subscription_that_starts_on_a_billing_day_is_not_billed_by_that_days_run() -> None:
    monthly = calendar("monthly calendar")
    after = unbilled_after(monthly, at("2024-03-01T10:00"), at("2024-03-01T10:00"))
    assert next_billing_day(monthly, after) == day("2024-04-01")


# --- days and instants


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2023-08-01", "2023-08-15T23:59:59", 15),
        ("2023-06-11T10:00", "2023-06-30T23:59:59", 20),
        ("2023-07-01", "2023-07-11", 11),
        ("2023-07-01", "2023-07-01", 1),
        ("2023-07-02", "2023-07-01", 0),
    ],
)
def test_days_are_rounded_up_and_midnight_counts_the_day_it_opens(start: str, end: str, expected: int) -> None:
    """CON-5, spec 1 §0.3."""
    assert days(at(start), at(end), UTC_ZONE) == expected


@pytest.mark.parametrize(
    ("zone", "on", "first"),
    [
        ("America/Sao_Paulo", "2018-11-04", "2018-11-04T03:00"),  # 00:00 -> 01:00 local: the day begins at one
        ("Africa/Cairo", "2024-04-26", "2024-04-25T22:00"),
        ("Asia/Beirut", "2024-03-31", "2024-03-30T22:00"),
        ("America/Havana", "2023-11-05", "2023-11-05T04:00"),  # 01:00 -> 00:00: midnight comes twice
        ("America/St_Johns", "2010-11-07", "2010-11-07T02:30"),  # 00:01 -> 23:01 of the day before
        ("America/Toronto", "1919-03-31", "1919-03-31T04:30"),  # 23:30 -> 00:30: midnight inside the gap
        ("Asia/Kathmandu", "2024-01-01", "2023-12-31T18:15"),
        ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00"),  # skipped as a whole
        ("Pacific/Apia", "2011-12-31", "2011-12-30T10:00"),
    ],
)
def test_a_day_begins_at_its_first_instant_where_clocks_change_at_midnight(zone: str, on: str, first: str) -> None:
    assert first_instant(day(on), ZoneInfo(zone)) == at(first)


def test_a_start_on_a_day_without_midnight_counts_the_day_it_is_left_on_at_night() -> None:
    """Cairo begins 26 April 2024 at 01:00; 00:30 of the 27th is less than 24 hours later, but on the second day."""
    cairo = ZoneInfo("Africa/Cairo")
    assert days(first_instant(day("2024-04-26"), cairo), at("2024-04-26T21:30"), cairo) == 2
