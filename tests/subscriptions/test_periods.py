"""What invoice lines cover: the tables of spec 2 §4.4 and the current period of §4.6."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from laguna.subscriptions.grid import (
    BillingTime,
    Calendar,
    Interval,
    Kind,
    billing_days_between,
    billing_instant,
    local_date,
    opens_period,
    unbilled_after,
)
from laguna.subscriptions.periods import (
    Range,
    Ranges,
    current,
    current_charges_period,
    current_range,
    downgraded,
    exclusive_end,
    periodic,
    progressive,
    starting,
    terminating,
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


def shown(stretch: Range | None, zone: ZoneInfo = UTC_ZONE) -> str:
    """A range as an invoice shows it: "2024-02-01 → 2024-02-29" for whole local days, with times where they are cut."""
    if stretch is None:
        return "null"
    start, end = (instant.astimezone(zone).replace(tzinfo=None) for instant in (stretch.start, stretch.end))
    if stretch.is_empty and start == end:
        return f"empty at {start:%Y-%m-%dT%H:%M}"
    left = f"{start:%Y-%m-%d}" if start.time().isoformat() == "00:00:00" else f"{start:%Y-%m-%dT%H:%M}"
    right = f"{end:%Y-%m-%d}" if end.time().isoformat() == "23:59:59.999000" else f"{end:%Y-%m-%dT%H:%M}"
    return f"{left} → {right}"


def lines(ranges: Ranges) -> list[str]:
    return [shown(ranges.subscription), shown(ranges.charges), shown(ranges.fixed_charges)]


# --- §4.4: the tables of examples


JANUARY_31 = "2024-01-31T01:00"


@pytest.mark.parametrize(
    ("rule", "billed_on", "expected"),
    [
        ("monthly", "2024-02-29", ["2024-01-31 → 2024-02-28", "2024-01-31T01:00 → 2024-02-28"]),
        ("monthly", "2024-03-31", ["2024-02-29 → 2024-03-30"]),
        ("monthly", "2024-04-30", ["2024-03-31 → 2024-04-29"]),
        ("quarterly", "2024-04-30", ["2024-01-31 → 2024-04-29", "2024-01-31T01:00 → 2024-04-29"]),
        ("quarterly", "2024-07-31", ["2024-04-30 → 2024-07-30"]),
        ("semiannual", "2024-07-31", ["2024-01-31 → 2024-07-30", "2024-01-31T01:00 → 2024-07-30"]),
        ("semiannual", "2025-01-31", ["2024-07-31 → 2025-01-30"]),
        ("yearly", "2025-01-31", ["2024-01-31 → 2025-01-30", "2024-01-31T01:00 → 2025-01-30"]),
        (
            "yearly, charges monthly",
            "2024-02-29",
            ["2024-01-31 → 2024-01-31T01:00", "2024-01-31T01:00 → 2024-02-28", "null"],
        ),
        (
            "yearly, charges monthly",
            "2025-01-31",
            ["2024-01-31 → 2025-01-30", "2024-12-31 → 2025-01-30", "2024-01-31T01:00 → 2025-01-30"],
        ),
        (
            "yearly, fixed charges monthly",
            "2024-02-29",
            ["2024-01-31 → 2024-01-31T01:00", "null", "2024-01-31T01:00 → 2024-02-28"],
        ),
        (
            "yearly, charges monthly, fixed charges monthly",
            "2024-03-31",
            ["2024-01-31 → 2024-01-31T01:00", "2024-02-29 → 2024-03-30"],
        ),
        (
            "yearly, charges monthly, fixed charges monthly",
            "2025-01-31",
            ["2024-01-31 → 2025-01-30", "2024-12-31 → 2025-01-30"],
        ),
        (
            "semiannual, charges monthly",
            "2024-02-29",
            ["2024-01-31 → 2024-01-31T01:00", "2024-01-31T01:00 → 2024-02-28", "null"],
        ),
        (
            "semiannual, charges monthly",
            "2024-03-31",
            ["2024-01-31 → 2024-01-31T01:00", "2024-02-29 → 2024-03-30", "null"],
        ),
        (
            "semiannual, charges monthly",
            "2024-07-31",
            ["2024-01-31 → 2024-07-30", "2024-06-30 → 2024-07-30", "2024-01-31T01:00 → 2024-07-30"],
        ),
    ],
)
def test_an_anniversary_plan_in_arrears_bills_the_finished_period(
    rule: str, billed_on: str, expected: list[str]
) -> None:
    """Table 4.A. Where one range is given for several kinds, the last one given stands for those that follow."""
    interval, *flags = rule.split(", ")
    a_calendar = calendar(", ".join([f"{interval} anniversary", *flags]), JANUARY_31)
    ranges = periodic(a_calendar, at(JANUARY_31), day(billed_on))
    assert lines(ranges) == [*expected, *[expected[-1]] * (3 - len(expected))]


@pytest.mark.parametrize(
    ("rule", "anchor", "billed_on", "expected"),
    [
        ("monthly", "2024-01-30", "start", ["2024-01-30 → 2024-02-28", "empty at 2024-01-30T00:00"]),
        ("monthly", "2024-01-30", "2024-02-29", ["2024-02-29 → 2024-03-29", "2024-01-30 → 2024-02-28"]),
        ("monthly", "2024-01-30", "2024-03-30", ["2024-03-30 → 2024-04-29", "2024-02-29 → 2024-03-29"]),
        ("monthly", "2024-01-30", "2024-04-30", ["2024-04-30 → 2024-05-29", "2024-03-30 → 2024-04-29"]),
        ("yearly+", JANUARY_31, "start", ["2024-01-31 → 2025-01-30", "empty at 2024-01-31T01:00"]),
        ("yearly+", JANUARY_31, "2024-02-29", ["2024-01-31 → 2025-01-30", "2024-01-31T01:00 → 2024-02-28", "null"]),
        (
            "yearly+",
            JANUARY_31,
            "2025-01-31",
            ["2025-01-31 → 2026-01-30", "2024-12-31 → 2025-01-30", "2024-01-31T01:00 → 2025-01-30"],
        ),
        ("semiannual+", JANUARY_31, "start", ["2024-01-31 → 2024-07-30", "empty at 2024-01-31T01:00"]),
        ("semiannual+", JANUARY_31, "2024-02-29", ["2024-01-31 → 2024-07-30", "2024-01-31T01:00 → 2024-02-28", "null"]),
        (
            "semiannual+",
            JANUARY_31,
            "2024-07-31",
            ["2024-07-31 → 2025-01-30", "2024-06-30 → 2024-07-30", "2024-01-31T01:00 → 2024-07-30"],
        ),
        ("yearly", "2020-02-29", "2024-02-29", ["2024-02-29 → 2025-02-27", "2023-02-28 → 2024-02-28"]),
        ("yearly", "2020-02-29", "2025-02-28", ["2025-02-28 → 2026-02-27", "2024-02-29 → 2025-02-27"]),
    ],
)
def test_an_anniversary_plan_in_advance_bills_the_coming_period_and_past_usage(
    rule: str, anchor: str, billed_on: str, expected: list[str]
) -> None:
    """Table 4.B; + is with charges monthly."""
    flag = ", charges monthly" if rule.endswith("+") else ""
    a_calendar = calendar(f"{rule.rstrip('+')} anniversary, advance{flag}", anchor)
    started_at = at(anchor)
    ranges = (
        starting(a_calendar, started_at) if billed_on == "start" else periodic(a_calendar, started_at, day(billed_on))
    )
    assert lines(ranges) == [*expected, *[expected[-1]] * (3 - len(expected))]


def test_a_monthly_subscription_through_its_life() -> None:
    """Table 4.B2."""
    anniversary, started = calendar("monthly anniversary", "2024-01-15T10:00"), at("2024-01-15T10:00")
    first = periodic(anniversary, started, day("2024-02-15"))
    assert lines(first)[:2] == ["2024-01-15 → 2024-02-14", "2024-01-15T10:00 → 2024-02-14"]
    on_the_way = progressive(anniversary, started, at("2024-02-20T15:30"))
    assert lines(on_the_way)[:2] == ["2024-02-15 → 2024-03-14"] * 2
    second = periodic(anniversary, started, day("2024-03-15"))
    assert lines(second)[:2] == ["2024-02-15 → 2024-03-14"] * 2

    by_month, started = calendar("monthly calendar", "2024-01-01T10:00"), at("2024-01-01T10:00")
    first = periodic(by_month, started, day("2024-02-01"))
    assert lines(first)[:2] == ["2024-01-01 → 2024-01-31", "2024-01-01T10:00 → 2024-01-31"]
    assert lines(periodic(by_month, started, day("2024-03-01"))) == ["2024-02-01 → 2024-02-29"] * 3


@pytest.mark.parametrize(
    ("rule", "start", "billed_on", "expected", "billed_days", "full_days"),
    [
        ("monthly calendar", "2024-02-04", "2024-03-01", "2024-02-04 → 2024-02-29", 26, 29),
        ("monthly calendar", "2024-02-04", "2024-04-01", "2024-03-01 → 2024-03-31", 31, 31),
        ("quarterly calendar", "2023-02-04", "2023-04-01", "2023-02-04 → 2023-03-31", 56, 90),
        ("semiannual calendar", "2023-02-04", "2023-07-01", "2023-02-04 → 2023-06-30", 147, 181),
        ("yearly calendar", "2022-02-01", "2023-01-01", "2022-02-01 → 2022-12-31", 334, 365),
        ("weekly calendar", "2023-02-01", "2023-02-06", "2023-02-01 → 2023-02-05", 5, 7),
    ],
)
def test_a_calendar_plan_bills_its_first_period_from_the_start(
    rule: str, start: str, billed_on: str, expected: str, billed_days: int, full_days: int
) -> None:
    """Table 4.C."""
    stretch = periodic(calendar(rule, start), at(start), day(billed_on)).subscription
    assert (shown(stretch), stretch.days, stretch.full_days) == (expected, billed_days, full_days)


def test_bounds_are_local_midnights_and_days_ignore_clock_changes() -> None:
    """Table 4.D."""
    new_york = calendar("monthly calendar", "2021-06-01", "America/New_York")
    february = periodic(new_york, at("2021-06-01"), local_date(at("2022-03-01T05:10"), new_york.timezone)).subscription
    assert (february.start, february.end) == (at("2022-02-01T05:00"), at("2022-03-01T04:59:59.999"))

    paris = calendar("monthly calendar", "2021-06-01", "Europe/Paris")
    march = periodic(paris, at("2021-06-01"), local_date(at("2024-03-31T22:10"), paris.timezone)).subscription
    assert (march.start, march.end) == (at("2024-02-29T23:00"), at("2024-03-31T21:59:59.999"))
    assert march.days == march.full_days == 31

    los_angeles = calendar("monthly calendar, advance", "2023-02-08", "America/Los_Angeles")
    start = starting(los_angeles, at("2023-02-08")).subscription
    assert (start.start, start.end) == (at("2023-02-07T08:00"), at("2023-03-01T07:59:59.999"))
    assert (start.days, start.full_days) == (22, 28)


def test_a_week_with_a_25_hour_sunday_has_seven_days() -> None:
    paris = calendar("weekly calendar", "2023-10-26T08:00", "Europe/Paris")
    first = periodic(paris, at("2023-10-26T08:00"), day("2023-10-30")).subscription
    assert (first.start, first.end, first.days) == (at("2023-10-25T22:00"), at("2023-10-29T22:59:59.999"), 4)


def test_a_termination_bills_up_to_its_instant() -> None:
    """Table 4.E, rows 1 and 2. The day of an upgrade is in the range; the fee leaves it to the new plan."""
    monthly, terminated = calendar("monthly calendar", "2024-01-01"), at("2024-02-12T06:00")
    for succeeded in (False, True):
        ranges = terminating(monthly, at("2024-01-01"), terminated, succeeded=succeeded, previous_billed=True)
        assert lines(ranges) == ["2024-02-01 → 2024-02-12T06:00"] * 3
        assert (ranges.subscription.days, ranges.subscription.full_days) == (12, 29)
        assert ranges.charges is not None
        assert (ranges.charges.until == terminated) is succeeded


def test_usage_at_the_instant_of_termination_counts_unless_a_successor_takes_it() -> None:
    monthly, terminated = calendar("monthly calendar", "2024-01-01"), at("2024-02-12T06:00:00.123456")
    alone = terminating(monthly, at("2024-01-01"), terminated, succeeded=False, previous_billed=True).charges
    replaced = terminating(monthly, at("2024-01-01"), terminated, succeeded=True, previous_billed=True).charges
    assert alone is not None and replaced is not None
    assert alone.end == replaced.end == terminated  # shown exactly
    assert alone.until == at("2024-02-12T06:00:00.124")
    assert replaced.until == at("2024-02-12T06:00:00.123")


def test_a_termination_on_a_billing_day_bills_the_finished_period_if_the_run_has_not() -> None:
    """Table 4.E, rows 3 and 4; spec 2 PER-25."""
    monthly, started, terminated = (
        calendar("monthly anniversary", "2023-09-05"),
        at("2023-09-05"),
        at("2023-10-05T00:15"),
    )
    before = terminating(monthly, started, terminated, succeeded=False, previous_billed=False)
    assert lines(before) == ["2023-09-05 → 2023-10-04"] * 3
    assert before.subscription.days == before.subscription.full_days == 30
    after = terminating(monthly, started, terminated, succeeded=False, previous_billed=True)
    assert lines(after) == ["2023-10-05 → 2023-10-05T00:15"] * 3
    assert (after.subscription.days, after.subscription.full_days) == (1, 31)
    upgrade = terminating(monthly, started, terminated, succeeded=True, previous_billed=False)
    assert lines(upgrade) == ["2023-10-05 → 2023-10-05T00:15"] * 3


def test_a_termination_on_the_first_day_has_no_period_before_it() -> None:
    monthly = calendar("monthly anniversary", "2023-09-05")
    ranges = terminating(monthly, at("2023-09-05"), at("2023-09-05T05:00"), succeeded=False, previous_billed=False)
    assert lines(ranges)[0] == "2023-09-05 → 2023-09-05T05:00"
    assert ranges.subscription.days == 1


def test_a_split_plan_that_ends_on_a_monthly_date_before_the_run_bills_up_to_that_midnight() -> None:
    yearly = calendar("yearly calendar, charges monthly", "2024-01-01")
    ranges = terminating(yearly, at("2024-01-01"), at("2024-05-01T09:00"), succeeded=False, previous_billed=False)
    assert lines(ranges) == ["2024-01-01 → 2024-04-30", "2024-04-01 → 2024-04-30", "2024-01-01 → 2024-04-30"]
    assert (ranges.subscription.days, ranges.subscription.full_days) == (121, 366)


def test_a_split_plan_that_ends_between_its_grid_dates_bills_both_kinds() -> None:
    """Spec 2 W-3."""
    yearly = calendar("yearly calendar, advance, fixed charges monthly", "2024-01-10")
    ranges = terminating(yearly, at("2024-01-10T10:00"), at("2024-05-12T09:00"), succeeded=False, previous_billed=True)
    assert lines(ranges)[1:] == ["2024-01-10T10:00 → 2024-05-12T09:00", "2024-05-01 → 2024-05-12T09:00"]


def test_a_downgrade_finishes_the_old_period_and_the_new_plan_starts_at_that_midnight() -> None:
    """Spec 2 DWN-3, W-4; Ex. 3.J."""
    old = calendar("monthly anniversary, advance", "2023-07-19")
    billing_day = day("2023-11-19")
    assert lines(downgraded(old, at("2023-07-19"), billing_day)) == ["2023-10-19 → 2023-11-18"] * 3
    new = calendar("yearly anniversary, advance", "2023-07-19")
    taken_over = billing_instant(old, billing_day)
    ranges = starting(new, taken_over)
    assert lines(ranges)[:2] == ["2023-11-19 → 2024-07-18", "empty at 2023-11-19T00:00"]
    assert (ranges.subscription.days, ranges.subscription.full_days) == (243, 366)


def test_an_upgrade_starts_the_new_plan_on_the_inherited_anchor() -> None:
    """Spec 2 UPG-5, Ex. 3.G."""
    new = calendar("yearly anniversary, advance", "2023-06-29")
    ranges = starting(new, at("2023-09-28T05:00"))
    assert lines(ranges)[:2] == ["2023-09-28 → 2024-06-28", "empty at 2023-09-28T05:00"]
    assert (ranges.subscription.days, ranges.subscription.full_days) == (275, 366)


def test_the_start_of_an_advance_plan_has_no_usage_and_its_own_range_of_fixed_charges() -> None:
    """Ex. 3.A, PER-20, PER-21, PER-23."""
    monthly, started = calendar("monthly calendar, advance", "2024-03-05T12:12"), at("2024-03-05T12:12")
    ranges = starting(monthly, started)
    assert lines(ranges) == ["2024-03-05 → 2024-03-31", "empty at 2024-03-05T12:12", "empty at 2024-03-05T12:12"]
    assert ranges.charges is not None and ranges.charges.days == 0
    fixed = current_range(monthly, Kind.FIXED_CHARGES, started, day("2024-03-05"))
    assert (shown(fixed), fixed.days, fixed.full_days) == ("2024-03-05T12:12 → 2024-03-31", 27, 31)


def test_a_trial_that_ends_later_bills_the_period_it_ends_in() -> None:
    monthly = calendar("monthly calendar, advance", "2024-03-05T12:12")
    ranges = starting(monthly, at("2024-03-05T12:12"), day("2024-04-19"))
    assert lines(ranges)[:2] == ["2024-04-01 → 2024-04-30", "empty at 2024-04-01T00:00"]


def test_a_backdated_advance_plan_bills_only_usage_until_its_next_period() -> None:
    """Ex. 3.D."""
    yearly, started = calendar("yearly calendar, advance, charges monthly", "2023-01-01"), at("2023-01-01")
    after = unbilled_after(yearly, started, at("2023-10-15"))
    november, december, january = billing_days_between(yearly, after, day("2024-01-01"))
    assert lines(periodic(yearly, started, november))[1] == "2023-10-01 → 2023-10-31"
    assert not opens_period(yearly, november) and not opens_period(yearly, december)
    assert lines(periodic(yearly, started, january))[:2] == ["2024-01-01 → 2024-12-31", "2023-12-01 → 2023-12-31"]


# --- PER-24: the customer moves


def test_usage_goes_on_where_it_was_billed_when_the_customers_zone_changes() -> None:
    """Tokyo until February, then Los Angeles: the 17 hours between the two midnights are not lost."""
    tokyo = calendar("monthly calendar", "2021-12-01", "Asia/Tokyo")
    january = periodic(tokyo, at("2021-12-01"), day("2022-02-01")).charges
    assert january is not None and january.end == at("2022-01-31T14:59:59.999")
    los_angeles = replace(tokyo, timezone=ZoneInfo("America/Los_Angeles"))
    february = periodic(los_angeles, at("2021-12-01"), day("2022-03-01"), charges_until=january.until)
    assert february.subscription.start == at("2022-02-01T08:00")
    assert february.charges is not None and february.fixed_charges is not None
    assert (february.charges.start, february.charges.end) == (at("2022-01-31T15:00"), at("2022-03-01T07:59:59.999"))
    assert february.charges.days == february.charges.full_days == 28
    assert february.fixed_charges.start == at("2022-02-01T08:00")


def test_usage_is_not_billed_twice_when_the_customer_moves_east() -> None:
    los_angeles = calendar("monthly calendar", "2021-12-01", "America/Los_Angeles")
    billed = at("2022-03-01T08:00")
    tokyo = replace(los_angeles, timezone=ZoneInfo("Asia/Tokyo"))
    march = periodic(tokyo, at("2021-12-01"), day("2022-04-01"), charges_until=billed).charges
    assert march is not None and march.start == billed
    assert current_charges_period(tokyo, at("2021-12-01"), at("2022-03-09"), charges_until=billed).start == billed


def test_a_gap_of_26_hours_or_more_is_not_billed_afterwards() -> None:
    monthly = calendar("monthly calendar", "2021-12-01")
    march = periodic(monthly, at("2021-12-01"), day("2022-04-01"), charges_until=at("2022-02-27T22:00")).charges
    assert march is not None and march.start == at("2022-03-01")


def test_stored_bounds_give_back_the_end_of_events() -> None:
    monthly = calendar("monthly calendar, advance", "2024-03-05T12:12")
    for ranges in (
        starting(monthly, at("2024-03-05T12:12")),
        periodic(monthly, at("2024-03-05T12:12"), day("2024-04-01")),
    ):
        assert ranges.charges is not None
        assert exclusive_end(ranges.charges.start, ranges.charges.end) == ranges.charges.until


# --- §4.6: the current period


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("weekly", "2024-05-15 → 2024-05-21"),
        ("monthly", "2024-04-30 → 2024-05-30"),
        ("quarterly", "2024-04-30 → 2024-07-30"),
        ("semiannual", "2024-01-31 → 2024-07-30"),
        ("yearly", "2024-01-31 → 2025-01-30"),
    ],
)
def test_the_current_period_of_a_subscription_anchored_on_the_31st(rule: str, expected: str) -> None:
    anniversary = calendar(f"{rule} anniversary", "2024-01-31")
    assert shown(current_charges_period(anniversary, at("2024-01-31"), at("2024-05-20T12:00"))) == expected


def test_the_current_period_of_a_split_plan_follows_the_monthly_grid() -> None:
    """PER-34: fixed charges show their year although they are not billed this month."""
    yearly = calendar("yearly calendar, charges monthly", "2024-01-10T08:00")
    ranges = current(yearly, at("2024-01-10T08:00"), at("2024-05-20T12:00"))
    assert lines(ranges) == ["2024-01-10 → 2024-12-31", "2024-05-01 → 2024-05-31", "2024-01-10T08:00 → 2024-12-31"]


@pytest.mark.parametrize(
    ("zone", "end"),
    [
        ("UTC", "2023-12-31T23:59:59.999"),
        ("Europe/Berlin", "2023-12-31T22:59:59.999"),
        ("America/Los_Angeles", "2024-01-01T07:59:59.999"),
    ],
)
def test_a_year_of_usage_ends_in_the_customers_zone_and_starts_with_the_subscription(zone: str, end: str) -> None:
    """Spec 1 §0.3."""
    started = at("2023-01-01T09:30")
    usage = current_charges_period(
        calendar("yearly calendar", "2023-01-01T09:30", zone), started, at("2023-08-08T09:30")
    )
    assert (usage.start, usage.end) == (started, at(end))


def test_the_current_period_of_an_ended_subscription_is_its_last() -> None:
    monthly = calendar("monthly calendar", "2024-01-01")
    usage = current_charges_period(monthly, at("2024-01-01"), at("2024-06-06"), terminated_at=at("2024-02-12T06:00"))
    assert shown(usage) == "2024-02-01 → 2024-02-12T06:00"


def test_a_subscription_that_starts_later_today_shows_its_first_period() -> None:
    monthly = calendar("monthly calendar", "2024-01-15T18:00")
    assert shown(current_charges_period(monthly, at("2024-01-15T18:00"), at("2024-01-15T09:00"))) == (
        "2024-01-15T18:00 → 2024-01-31"
    )


def test_a_subscription_ended_before_its_hour_has_an_empty_period() -> None:
    monthly = calendar("monthly calendar", "2024-01-15T18:00")
    ranges = terminating(monthly, at("2024-01-15T18:00"), at("2024-01-15T09:00"), succeeded=False, previous_billed=True)
    assert ranges.charges is not None and ranges.charges.is_empty
    assert ranges.charges.start == ranges.charges.end == at("2024-01-15T18:00")
