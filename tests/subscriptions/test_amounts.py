"""Subscription fees, trials and the credit for unused time (spec 2 §3.10, §5.1, §5.2, §5.5)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laguna.kernel.money import round_cents
from laguna.subscriptions.amounts import (
    Occasion,
    SubscriptionFee,
    in_trial,
    is_backdated,
    paid_before_creation,
    subscription_fee,
    trial_end,
    unused_days,
    unused_time,
)
from laguna.subscriptions.grid import BillingTime, Calendar, Interval, local_date, next_billing_day
from laguna.subscriptions.periods import downgraded, periodic, progressive, starting, terminating


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def calendar(rule: str, anchor: str, zone: str = "UTC") -> Calendar:
    """ "monthly calendar, advance", anchored on the local date of an instant."""
    words = [part.strip() for part in rule.split(",")]
    interval, billing_time = words[0].split()
    timezone = ZoneInfo(zone)
    return Calendar(
        Interval(interval),
        BillingTime(billing_time),
        local_date(at(anchor), timezone),
        timezone,
        pay_in_advance="advance" in words,
        bill_charges_monthly="charges monthly" in words,
    )


def start_fee(
    amount: int, a_calendar: Calendar, started_at: datetime, trial_ends_at: datetime | None = None
) -> SubscriptionFee | None:
    """The fee on the line of a start, or of a trial's end."""
    moment = max(started_at, trial_ends_at) if trial_ends_at else started_at
    day = local_date(moment, a_calendar.timezone)
    ranges = starting(a_calendar, started_at, day)
    return subscription_fee(
        amount, "EUR", a_calendar, Occasion.STARTING, day, ranges.subscription, trial_ends_at=trial_ends_at
    )


def run_fee(
    amount: int, a_calendar: Calendar, started_at: datetime, billed_on: str, trial_ends_at: datetime | None = None
) -> SubscriptionFee | None:
    """The fee on the line of a billing day."""
    day = date.fromisoformat(billed_on)
    ranges = periodic(a_calendar, started_at, day)
    return subscription_fee(
        amount, "EUR", a_calendar, Occasion.PERIODIC, day, ranges.subscription, trial_ends_at=trial_ends_at
    )


def end_fee(
    amount: int,
    a_calendar: Calendar,
    started_at: datetime,
    terminated_at: datetime,
    *,
    upgraded: bool = False,
    previous_billed: bool = True,
    trial_ends_at: datetime | None = None,
) -> SubscriptionFee | None:
    """The fee on the line of a termination or an upgrade."""
    ranges = terminating(a_calendar, started_at, terminated_at, succeeded=upgraded, previous_billed=previous_billed)
    return subscription_fee(
        amount,
        "EUR",
        a_calendar,
        Occasion.UPGRADED if upgraded else Occasion.TERMINATING,
        local_date(terminated_at, a_calendar.timezone),
        ranges.subscription,
        trial_ends_at=trial_ends_at,
    )


def figures(fee: SubscriptionFee | None) -> tuple[int, int, int] | None:
    """Amount, days, full days."""
    return (fee.amount_cents, fee.days, fee.full_days) if fee else None


# --- first periods


@pytest.mark.parametrize(
    ("amount", "rule", "started_at", "zone", "expected"),
    [
        (1000, "monthly calendar", "2024-03-05", "UTC", (871, 27, 31)),  # 3.A, 5.A
        (1000, "monthly anniversary", "2024-03-05", "UTC", (1000, 31, 31)),  # 3.B
        (10_000, "monthly calendar", "2025-02-08", "UTC", (7500, 21, 28)),  # 5.B, 3.K
        (1000, "monthly calendar", "2022-12-15", "UTC", (548, 17, 31)),  # 5.C, 3.N
        (700, "weekly calendar", "2023-06-16T05:00", "America/Denver", (400, 4, 7)),  # 5.D
        (700, "weekly calendar", "2023-06-16T05:00", "America/Halifax", (300, 3, 7)),
        (700, "weekly calendar", "2023-06-16T20:00", "Europe/Paris", (300, 3, 7)),
        (700, "weekly calendar", "2023-06-16T20:00", "Asia/Karachi", (200, 2, 7)),
        (5000, "monthly calendar", "2023-02-08", "UTC", (3750, 21, 28)),  # 3.M
        (5000, "monthly calendar", "2023-02-08", "America/Los_Angeles", (3929, 22, 28)),
        (5000, "monthly anniversary", "2023-02-08", "UTC", (5000, 28, 28)),
        (0, "monthly calendar", "2024-03-05", "UTC", (0, 27, 31)),  # a free plan still shows its line
    ],
)
def test_an_advance_plan_bills_the_rest_of_its_first_period_at_the_start(
    amount: int, rule: str, started_at: str, zone: str, expected: tuple[int, int, int]
) -> None:
    a_calendar = calendar(f"{rule}, advance", started_at, zone)
    assert figures(start_fee(amount, a_calendar, at(started_at))) == expected


@pytest.mark.parametrize(
    ("amount", "rule", "started_at", "billed_on", "expected"),
    [
        (100, "weekly calendar", "2023-02-01", "2023-02-06", (71, 5, 7)),  # 5.E
        (100, "monthly calendar", "2023-03-15", "2023-04-01", (55, 17, 31)),  # 5.F
        (100, "yearly calendar", "2023-03-15", "2024-01-01", (80, 292, 365)),  # 5.G
        (100, "monthly calendar", "2023-03-15", "2023-05-01", (100, 30, 30)),
        (5_000_000, "monthly calendar", "2023-02-02T19:00", "2023-03-01", (4_821_429, 27, 28)),
        (5_000_000, "semiannual calendar", "2022-04-02", "2022-07-01", (2_486_188, 90, 181)),
    ],
)
def test_an_arrears_plan_bills_its_first_period_from_the_start(
    amount: int, rule: str, started_at: str, billed_on: str, expected: tuple[int, int, int]
) -> None:
    assert figures(run_fee(amount, calendar(rule, started_at), at(started_at), billed_on)) == expected


def test_an_advance_plan_is_billed_in_full_at_each_grid_date() -> None:
    """Spec 2 §5.4."""
    monthly = calendar("monthly calendar, advance", "2024-03-05")
    assert figures(run_fee(1000, monthly, at("2024-03-05"), "2024-04-01")) == (1000, 30, 30)


def test_a_fee_carries_its_exact_amount_and_its_unit() -> None:
    yen = calendar("monthly calendar, advance", "2024-03-05")
    ranges = starting(yen, at("2024-03-05"))
    fee = subscription_fee(1000, "JPY", yen, Occasion.STARTING, date(2024, 3, 5), ranges.subscription)
    assert fee == SubscriptionFee(871, Decimal(27_000) / 31, 1, Decimal(871), 871, 27, 31)
    euros = start_fee(1000, yen, at("2024-03-05"))
    assert euros is not None
    assert euros.precise_unit_amount == Decimal("8.71")
    assert str(euros.precise_amount_cents).startswith("870.967741935483870967")


# --- plan changes


def test_the_fees_and_credits_of_two_upgrades_on_one_day() -> None:
    """Ex. 3.E, 3.F; the tax of 25 % is applied to the unrounded credit."""
    upgraded_at = at("2024-03-12T10:00")
    for rule, first, second, third, credited in [
        ("monthly calendar, advance", 871, 968, 1226, (806, 1210)),
        ("monthly anniversary, advance", 1000, 1161, 1471, (968, 1451)),
    ]:
        a_calendar = calendar(rule, "2024-03-05")
        fees = [
            start_fee(1000, a_calendar, at("2024-03-05")),
            start_fee(1500, a_calendar, upgraded_at),
            start_fee(1900, a_calendar, upgraded_at + timedelta(hours=1)),
        ]
        assert [fee and fee.amount_cents for fee in fees] == [first, second, third]
        for plan, fee, credit in ((1000, first, credited[0]), (1500, second, credited[1])):
            unused = unused_time(a_calendar, upgraded_at, upgraded=True, plan_amount_cents=plan, fee_amount_cents=fee)
            assert unused is not None
            assert round_cents(unused.amount_cents * Decimal("1.25")) == credit


def test_an_upgrade_from_monthly_to_yearly_on_the_29ths_anchor() -> None:
    """Ex. 3.G, 5.K."""
    upgraded_at = at("2023-09-28T05:00")
    monthly = calendar("monthly anniversary, advance", "2023-06-29")
    unused = unused_time(monthly, upgraded_at, upgraded=True, plan_amount_cents=1000, fee_amount_cents=1000)
    assert unused is not None
    assert (round_cents(unused.amount_cents), unused.days, unused.full_days) == (32, 1, 31)
    yearly = calendar("yearly anniversary, advance", "2023-06-29")
    assert figures(start_fee(12_000, yearly, upgraded_at)) == (9016, 275, 366)


def test_the_new_plan_of_an_upgrade_in_arrears_ends_within_its_first_period() -> None:
    """Ex. 3.H, 5.L."""
    for rule, anchor in (("quarterly calendar", "2024-05-20"), ("quarterly anniversary", "2024-01-15")):
        fee = end_fee(91_000, calendar(rule, anchor), at("2024-05-20T12:00"), at("2024-06-20T12:00"))
        assert figures(fee) == (32_000, 32, 91)


def test_an_upgrade_in_february_in_advance_and_in_arrears() -> None:
    """Ex. 3.I."""
    upgraded_at = at("2024-02-12T06:00")
    advance = calendar("monthly calendar, advance", "2024-02-01")
    assert figures(start_fee(29_000, advance, upgraded_at)) == (18_000, 18, 29)
    unused = unused_time(advance, upgraded_at, upgraded=True, plan_amount_cents=2900, fee_amount_cents=2900)
    assert unused is not None
    assert unused.amount_cents == 1800
    assert end_fee(2900, advance, at("2024-02-01"), upgraded_at, upgraded=True) is None  # AMT-5
    arrears = calendar("monthly calendar", "2024-02-01")
    assert figures(end_fee(2900, arrears, at("2024-02-01"), upgraded_at, upgraded=True)) == (1100, 11, 29)
    assert figures(run_fee(29_000, arrears, upgraded_at, "2024-03-01")) == (18_000, 18, 29)


def test_a_plan_replaced_by_an_upgrade_on_the_20th_bills_19_days() -> None:
    """Ex. 5.H."""
    monthly = calendar("monthly calendar", "2023-01-01")
    fee = end_fee(100, monthly, at("2023-01-01"), at("2023-03-20T09:00"), upgraded=True)
    assert figures(fee) == (61, 19, 31)


def test_an_upgrade_on_the_billing_day_leaves_the_old_plan_a_fee_of_nothing() -> None:
    monthly = calendar("monthly calendar", "2024-03-01")
    for upgraded_at in (at("2024-06-01"), at("2024-06-01T10:00")):
        fee = end_fee(10_000, monthly, at("2024-03-01"), upgraded_at, upgraded=True)
        assert figures(fee) == (0, 0, 30)


def test_a_downgrade_bills_the_old_period_and_prorates_the_new_year() -> None:
    """Ex. 3.J, 5.J."""
    day = date(2023, 11, 19)
    yearly = calendar("yearly anniversary, advance", "2023-07-19")
    assert figures(start_fee(118_800, yearly, at("2023-11-19"))) == (78_875, 243, 366)
    for rule, expected in (("monthly anniversary, advance", None), ("monthly anniversary", (12_900, 31, 31))):
        old = calendar(rule, "2023-07-19")
        ranges = downgraded(old, at("2023-07-19"), day)
        fee = subscription_fee(12_900, "EUR", old, Occasion.DOWNGRADED, day, ranges.subscription)
        assert figures(fee) == expected


# --- terminations


@pytest.mark.parametrize(
    ("amount", "rule", "started_at", "terminated_at", "zone", "expected"),
    [
        (2900, "monthly calendar", "2024-02-01", "2024-02-12T06:00", "UTC", (1200, 12, 29)),  # 3.L, 4.E
        (1000, "monthly calendar", "2022-12-15", "2022-12-20T10:00", "UTC", (194, 6, 31)),  # 3.O, 5.I
        (2000, "monthly calendar", "2023-04-24", "2023-04-26T10:00", "UTC", (200, 3, 30)),
        (1000, "monthly anniversary", "2023-09-05", "2023-09-06T00:15", "Europe/Paris", (67, 2, 30)),  # 3.P
        (1000, "monthly anniversary", "2023-09-05", "2023-09-06T00:15", "Asia/Bangkok", (67, 2, 30)),
        (1000, "monthly anniversary", "2023-09-05", "2023-09-06T00:15", "America/Bogota", (67, 2, 30)),
        (1000, "monthly anniversary", "2023-09-05", "2023-09-05T05:00", "UTC", (33, 1, 30)),
    ],
)
def test_a_termination_in_arrears_bills_the_days_up_to_and_with_the_last(
    amount: int, rule: str, started_at: str, terminated_at: str, zone: str, expected: tuple[int, int, int]
) -> None:
    a_calendar = calendar(rule, started_at, zone)
    assert figures(end_fee(amount, a_calendar, at(started_at), at(terminated_at))) == expected


def test_an_end_on_a_billing_day_bills_the_finished_month_once() -> None:
    """Ex. 3.Q."""
    for rule, started_at, ended_at in (
        ("monthly anniversary", "2023-09-05", "2023-10-05"),
        ("monthly calendar", "2023-09-01", "2023-10-01"),
    ):
        a_calendar = calendar(rule, started_at)
        before = end_fee(1000, a_calendar, at(started_at), at(ended_at), previous_billed=False)
        assert figures(before) == (1000, 30, 30)
        advance = calendar(f"{rule}, advance", started_at)
        assert end_fee(1000, advance, at(started_at), at(ended_at), previous_billed=False) is None
    after = end_fee(1000, calendar("monthly calendar", "2023-09-01"), at("2023-09-01"), at("2023-10-01T00:15"))
    assert figures(after) == (32, 1, 31)


@pytest.mark.parametrize(
    ("plan", "rule", "anchor", "zone", "terminated_at", "fee", "expected"),
    [
        (10_000, "monthly calendar", "2025-02-08", "UTC", "2025-02-21T10:00", 7500, (2500, 7, 28)),  # 3.K
        (10_000, "monthly calendar", "2025-02-08", "UTC", "2025-02-08T10:00", 7500, (7143, 20, 28)),
        (2900, "monthly calendar", "2024-02-01", "UTC", "2024-02-12T06:00", 2900, (1700, 17, 29)),  # 3.L
        (2900, "monthly calendar", "2024-02-01", "UTC", "2024-02-01T06:00", 2900, (2800, 28, 29)),
        (5000, "monthly calendar", "2023-02-08", "UTC", "2023-02-08T05:00", 3750, (3571, 20, 28)),  # 3.M
        (5000, "monthly calendar", "2023-02-08", "America/Los_Angeles", "2023-02-08T05:00", 3929, (3750, 21, 28)),
        (5000, "monthly anniversary", "2023-02-08", "UTC", "2023-02-08T05:00", 5000, (4821, 27, 28)),
        (1000, "monthly calendar", "2022-12-15", "UTC", "2022-12-20T10:00", 548, (355, 11, 31)),  # 3.N
    ],
)
def test_a_termination_gives_the_days_after_it_back(
    plan: int, rule: str, anchor: str, zone: str, terminated_at: str, fee: int, expected: tuple[int, int, int]
) -> None:
    advance = calendar(f"{rule}, advance", anchor, zone)
    unused = unused_time(advance, at(terminated_at), upgraded=False, plan_amount_cents=plan, fee_amount_cents=fee)
    assert unused is not None
    assert (round_cents(unused.amount_cents), unused.days, unused.full_days) == expected


def test_a_draft_credit_with_taxes_keeps_its_fraction_until_it_is_rounded() -> None:
    """Ex. 3.N: 11 of 31 days of 1000, with 20 % tax, is 426."""
    advance = calendar("monthly calendar, advance", "2022-12-15")
    unused = unused_time(advance, at("2022-12-20T10:00"), upgraded=False, plan_amount_cents=1000, fee_amount_cents=548)
    assert unused is not None
    assert round_cents(unused.amount_cents * Decimal("1.2")) == 426


def test_the_credit_is_capped_by_the_fee_less_what_was_credited_before() -> None:
    """Ex. 5.N, AMT-21."""
    anniversary = calendar("monthly anniversary, advance", "2024-03-05")
    upgraded_at = at("2024-03-12T12:00")
    capped = unused_time(anniversary, upgraded_at, upgraded=True, plan_amount_cents=1500, fee_amount_cents=1161)
    assert capped is not None
    assert (capped.days, capped.amount_cents) == (24, 1161)
    less = unused_time(
        anniversary, upgraded_at, upgraded=True, plan_amount_cents=1500, fee_amount_cents=1161, credited_cents=1000
    )
    assert less is not None
    assert less.amount_cents == 161
    assert (
        unused_time(
            anniversary, upgraded_at, upgraded=True, plan_amount_cents=1500, fee_amount_cents=1161, credited_cents=1161
        )
        is None
    )


def test_nothing_is_unused_on_the_last_day_unless_an_upgrade_gives_it_back() -> None:
    advance = calendar("monthly calendar, advance", "2024-03-01")
    last_day = at("2024-03-31T09:00")
    assert unused_days(advance, last_day, upgraded=False) == 0
    assert unused_days(advance, last_day, upgraded=True) == 1
    assert unused_time(advance, last_day, upgraded=False, plan_amount_cents=100, fee_amount_cents=100) is None


# --- trials


@pytest.mark.parametrize(
    ("example", "amount", "rule", "started_at", "trial", "zone", "expected"),
    [
        ("3.T", 5_000_000, "monthly calendar", "2024-03-05T12:12", "10", "UTC", (2_741_935, 17, 31)),
        ("3.U", 10_000_000, "monthly calendar", "2024-03-05T12:12", "13", "UTC", (4_516_129, 14, 31)),
        ("3.V", 5_000_000, "monthly calendar", "2024-03-05T12:12", "45", "UTC", (2_000_000, 12, 30)),
        ("3.X", 5_000_000, "monthly calendar", "2024-03-22T18:12", "10", "Asia/Tokyo", (4_833_333, 29, 30)),
        ("3.Z", 3500, "monthly calendar", "2024-03-04T21:00", "7", "UTC", (2371, 21, 31)),
        ("15 of 30", 3000, "monthly anniversary", "2022-08-31T00:01", "15", "UTC", (1500, 15, 30)),
        ("half a day", 3000, "monthly anniversary", "2022-08-31T00:01", "14.5", "UTC", (1600, 16, 30)),
    ],
)
def test_an_advance_plan_is_billed_from_the_day_its_trial_ends(
    example: str, amount: int, rule: str, started_at: str, trial: str, zone: str, expected: tuple[int, int, int]
) -> None:
    advance = calendar(f"{rule}, advance", started_at, zone)
    ends_at = trial_end(at(started_at), Decimal(trial))
    assert figures(start_fee(amount, advance, at(started_at), ends_at)) == expected, example


def test_a_plan_change_keeps_the_start_of_the_trial_and_takes_the_new_length() -> None:
    """Ex. 3.U: 13 days from the first start, although the new plan began on the 10th; then April in full."""
    advance = calendar("monthly calendar, advance", "2024-03-05T12:12")
    ends_at = trial_end(at("2024-03-05T12:12"), Decimal(13))
    assert figures(start_fee(10_000_000, advance, at("2024-03-10"), ends_at)) == (4_516_129, 14, 31)
    april = run_fee(10_000_000, advance, at("2024-03-10"), "2024-04-01", ends_at)
    assert figures(april) == (10_000_000, 30, 30)


def test_a_billing_day_within_the_trial_has_no_subscription_fee() -> None:
    """Ex. 3.V, TRI-4."""
    advance = calendar("monthly calendar, advance", "2024-03-05T12:12")
    ends_at = trial_end(at("2024-03-05T12:12"), Decimal(45))
    assert ends_at == at("2024-04-19T12:12")
    assert run_fee(5_000_000, advance, at("2024-03-05T12:12"), "2024-04-01", ends_at) is None
    assert in_trial(ends_at, date(2024, 4, 18), advance)
    assert not in_trial(ends_at, date(2024, 4, 19), advance)


def test_a_trial_that_ends_on_the_billing_day_is_billed_once_in_full() -> None:
    """Ex. 3.Y: the run bills the whole of April, and then the trial's end finds the period paid."""
    advance = calendar("monthly calendar, advance", "2024-03-22T12:12")
    ends_at = at("2024-04-01T12:12")
    assert figures(run_fee(5_000_000, advance, at("2024-03-22T12:12"), "2024-04-01", ends_at)) == (5_000_000, 30, 30)
    ranges = starting(advance, at("2024-03-22T12:12"), date(2024, 4, 1))
    again = subscription_fee(
        5_000_000,
        "EUR",
        advance,
        Occasion.STARTING,
        date(2024, 4, 1),
        ranges.subscription,
        trial_ends_at=ends_at,
        period_paid=True,
    )
    assert again is None


def test_a_termination_on_the_day_the_trial_ends_gives_that_day_back_too() -> None:
    """Ex. 3.Z, TRI-6: billed 2371 at 22:00, terminated at 23:00; recreated with the trial used up."""
    advance = calendar("monthly calendar, advance", "2024-03-04T21:00")
    ends_at = trial_end(at("2024-03-04T21:00"), Decimal(7))
    assert ends_at == at("2024-03-11T21:00")
    terminated_at = at("2024-03-11T23:00")
    unused = unused_time(
        advance,
        terminated_at,
        upgraded=False,
        plan_amount_cents=3500,
        fee_amount_cents=2371,
        trial_ends_at=ends_at,
    )
    assert unused is not None
    assert (round_cents(unused.amount_cents), unused.days) == (2371, 21)
    assert figures(start_fee(3500, advance, at("2024-03-11T23:05"), ends_at)) == (2371, 21, 31)
    assert end_fee(3500, advance, at("2024-03-04T21:00"), terminated_at, trial_ends_at=ends_at) is None


def test_a_trial_beyond_the_period_leaves_nothing_to_credit() -> None:
    advance = calendar("monthly calendar, advance", "2024-03-04")
    assert unused_days(advance, at("2024-03-11"), upgraded=False, trial_ends_at=at("2024-04-01T12:00")) == 0
    assert unused_days(advance, at("2024-03-11"), upgraded=False, trial_ends_at=at("2024-03-20T12:00")) == 12
    assert unused_days(advance, at("2024-03-11"), upgraded=False, trial_ends_at=at("2024-03-10T12:00")) == 20


@pytest.mark.parametrize(
    ("amount", "rule", "started_at", "trial", "billed_on", "expected"),
    [
        (100, "weekly calendar", "2023-02-01", "3", "2023-02-06", (29, 2, 7)),  # 3.AA
        (100, "monthly calendar", "2023-03-15", "3", "2023-04-01", (45, 14, 31)),  # 3.AB
        (100, "monthly calendar", "2023-03-01", "3", "2023-04-01", (90, 28, 31)),
        (3000, "monthly calendar", "2022-03-15", "45", "2022-04-01", None),
        (3000, "monthly calendar", "2022-03-15", "45", "2022-05-01", (200, 2, 30)),
        (3000, "monthly calendar", "2022-03-15", "45", "2022-06-01", (3000, 31, 31)),
        (3000, "monthly calendar", "2022-03-15", "17", "2022-04-01", (0, 0, 31)),  # ends at the period's end: TRI-5
    ],
)
def test_an_arrears_plan_leaves_the_days_of_the_trial_out(
    amount: int, rule: str, started_at: str, trial: str, billed_on: str, expected: tuple[int, int, int] | None
) -> None:
    ends_at = trial_end(at(started_at), Decimal(trial))
    assert figures(run_fee(amount, calendar(rule, started_at), at(started_at), billed_on, ends_at)) == expected


def test_an_upgrade_after_a_trial_bills_the_days_between_them() -> None:
    monthly = calendar("monthly calendar", "2023-03-01")
    ends_at = trial_end(at("2023-03-01"), Decimal(10))
    fee = end_fee(3100, monthly, at("2023-03-01"), at("2023-03-20T10:00"), upgraded=True, trial_ends_at=ends_at)
    assert figures(fee) == (900, 9, 31)  # the 11th to the 19th


def test_a_plan_without_trial_has_no_trial_end() -> None:
    assert trial_end(at("2024-03-05"), None) is None
    assert trial_end(at("2024-03-05"), Decimal(0)) is None


# --- when there is no fee


def test_a_period_that_is_paid_gets_no_second_fee_but_another_of_the_same_day_does() -> None:
    """AMT-1 as spec 2 W-16 has it: by period, not by day."""
    advance = calendar("monthly calendar, advance", "2024-03-31T09:00")
    day = date(2024, 4, 1)
    line = periodic(advance, at("2024-03-31T09:00"), day).subscription
    assert subscription_fee(1000, "EUR", advance, Occasion.PERIODIC, day, line, period_paid=True) is None
    assert figures(subscription_fee(1000, "EUR", advance, Occasion.PERIODIC, day, line)) == (1000, 30, 30)


def test_a_split_plan_bills_its_fee_only_when_its_main_period_opens() -> None:
    """AMT-2, PER-31."""
    started_at = at("2024-01-31T01:00")
    for rule in ("yearly anniversary, charges monthly", "yearly anniversary, advance, charges monthly"):
        yearly = calendar(rule, "2024-01-31")
        assert run_fee(100, yearly, started_at, "2024-02-29") is None
        assert figures(run_fee(100, yearly, started_at, "2025-01-31")) is not None
    arrears = calendar("yearly anniversary, charges monthly", "2024-01-31")
    assert figures(end_fee(366, arrears, started_at, at("2024-02-09T10:00"))) == (10, 10, 366)


def test_a_line_for_advance_fixed_charges_or_a_threshold_has_no_subscription_fee() -> None:
    """AMT-4, PGB-3."""
    arrears, started_at = calendar("monthly calendar", "2024-03-05"), at("2024-03-05")
    assert start_fee(1000, arrears, started_at) is None
    line = progressive(arrears, started_at, at("2024-03-20")).subscription
    assert subscription_fee(1000, "EUR", arrears, Occasion.PROGRESSIVE, date(2024, 3, 20), line) is None


# --- backdated starts


def test_a_backdated_advance_plan_counts_as_paid_until_its_next_period() -> None:
    """SUB-23, Ex. 3.D."""
    yearly = calendar("yearly calendar, advance, charges monthly", "2023-01-01")
    started_at, created_at = at("2023-01-01"), at("2023-10-15")
    assert paid_before_creation(yearly, started_at, created_at, date(2023, 11, 1))
    assert not paid_before_creation(yearly, started_at, created_at, date(2024, 1, 1))
    assert run_fee(100, yearly, started_at, "2023-11-01") is None
    assert figures(run_fee(100, yearly, started_at, "2024-01-01")) == (100, 366, 366)


def test_backdating_is_told_by_local_days() -> None:
    """Spec 2 W-2: 20:00 on the 4th in New York is the 5th in UTC, and so is the moment of creation."""
    for zone, backdated in (("UTC", True), ("America/New_York", False)):
        advance = calendar("monthly calendar, advance", "2024-03-04T23:00", zone)
        assert is_backdated(advance, at("2024-03-04T23:00"), at("2024-03-05T01:00")) is backdated
        assert (
            paid_before_creation(advance, at("2024-03-04T23:00"), at("2024-03-05T01:00"), date(2024, 3, 5)) is backdated
        )


def test_a_backdated_arrears_plan_owes_its_running_period_from_the_given_start() -> None:
    arrears = calendar("monthly calendar", "2024-03-05")
    assert not paid_before_creation(arrears, at("2024-03-05"), at("2024-03-10T12:00"), date(2024, 3, 10))
    assert figures(run_fee(3100, arrears, at("2024-03-05"), "2024-04-01")) == (2700, 27, 31)
    older = calendar("monthly calendar", "2024-01-05")
    assert figures(run_fee(3100, older, at("2024-01-05"), "2024-04-01")) == (3100, 31, 31)


def test_a_trial_under_way_at_a_backdated_creation_is_billed_when_it_ends() -> None:
    advance = calendar("monthly calendar, advance", "2024-03-05")
    started_at, created_at = at("2024-03-05"), at("2024-03-10T12:00")
    running, over = at("2024-03-20"), at("2024-03-09")
    assert not paid_before_creation(advance, started_at, created_at, date(2024, 3, 20), running)
    assert paid_before_creation(advance, started_at, created_at, date(2024, 3, 20), over)


# --- laws

instants = st.datetimes(datetime(1995, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
zones = st.sampled_from(["UTC", "Africa/Cairo", "America/Sao_Paulo", "Asia/Kathmandu", "Pacific/Apia"]).map(ZoneInfo)
calendars = st.builds(
    Calendar,
    interval=st.sampled_from(Interval),
    billing_time=st.sampled_from(BillingTime),
    anchor=st.dates(date(1995, 1, 1), date(2035, 1, 1)),
    timezone=zones,
    pay_in_advance=st.just(value=False),
)


@settings(max_examples=200, deadline=None)
@given(calendars, instants, st.integers(0, 10**9))
def test_law_an_upgrade_to_the_same_plan_costs_the_whole_period(
    any_calendar: Calendar, upgraded_at: datetime, plan_amount: int
) -> None:
    """In arrears: the old side, and the new one at the period's end, are the plan amount, to the last digit kept."""
    old = end_fee(plan_amount, any_calendar, upgraded_at - timedelta(days=800), upgraded_at, upgraded=True)
    next_day = next_billing_day(any_calendar, local_date(upgraded_at, any_calendar.timezone))
    new = run_fee(plan_amount, any_calendar, upgraded_at, next_day.isoformat())
    assert old is not None and new is not None
    assert old.days + new.days == new.full_days == old.full_days
    assert abs(old.precise_amount_cents + new.precise_amount_cents - plan_amount) < Decimal("1e-60")


@settings(max_examples=200, deadline=None)
@given(calendars, instants, st.integers(0, 10**9))
def test_law_what_an_advance_plan_bills_and_credits_is_what_an_arrears_plan_bills(
    any_calendar: Calendar, ended_at: datetime, plan_amount: int
) -> None:
    """A whole period in advance less its unused days = the days up to the end in arrears."""
    arrears = end_fee(plan_amount, any_calendar, ended_at - timedelta(days=800), ended_at)
    unused = unused_time(
        any_calendar, ended_at, upgraded=False, plan_amount_cents=plan_amount, fee_amount_cents=plan_amount
    )
    assert arrears is not None
    credit = unused.amount_cents if unused else Decimal(0)
    assert abs(plan_amount - credit - arrears.precise_amount_cents) < Decimal("1e-60")
