"""Minimum commitments: the worked examples of spec 2 §6, and laws."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laguna.subscriptions.amounts import Occasion, subscription_fee
from laguna.subscriptions.commitments import Settlement, missing, settlement
from laguna.subscriptions.grid import BillingTime, Calendar, Interval, local_date, next_billing_day
from laguna.subscriptions.periods import Range, downgraded, periodic, starting, terminating

MILLION = 1_000_000
RULES = ("weekly", "monthly", "quarterly", "semiannual", "yearly")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def calendar(rule: str, anchor: datetime, zone: str = "UTC", *, advance: bool = False) -> Calendar:
    """ "monthly calendar", or "yearly calendar, charges monthly"."""
    interval, billing_time = rule.split(",")[0].split()
    timezone = ZoneInfo(zone)
    return Calendar(
        Interval(interval),
        BillingTime(billing_time),
        local_date(anchor, timezone),
        timezone,
        pay_in_advance=advance,
        bill_charges_monthly="charges monthly" in rule,
    )


def on_billing_day(a_calendar: Calendar, started_at: datetime, day: date) -> Settlement | None:
    period = periodic(a_calendar, started_at, day).subscription
    first = starting(a_calendar, started_at).subscription.start
    return settlement(a_calendar, Occasion.PERIODIC, started_at, day, period, first)


def plan_fee(a_calendar: Calendar, started_at: datetime, settled: Settlement, plan_cents: int) -> int:
    """The subscription fee of the settled period, whichever invoice it is on."""
    whole = Range(settled.start, settled.end, settled.end, settled.days, settled.full_days)
    day = local_date(settled.start, a_calendar.timezone)
    occasion = Occasion.STARTING if a_calendar.pay_in_advance else Occasion.TERMINATING
    fee = subscription_fee(plan_cents, "EUR", a_calendar, occasion, day, whole)
    assert fee is not None
    return fee.amount_cents


# --- the worked examples


@pytest.mark.parametrize("advance", [False, True])
@pytest.mark.parametrize(
    ("rule", "start", "day", "days", "expected"),
    [
        ("weekly calendar", "2023-02-01", "2023-02-06", (5, 7), 642_857),  # 6.A
        ("weekly anniversary", "2023-02-01", "2023-02-08", (7, 7), 900_000),  # 6.B
        ("monthly calendar", "2023-02-04", "2023-03-01", (25, 28), 803_571),  # 6.C
        ("quarterly calendar", "2023-02-04", "2023-04-01", (56, 90), 560_000),  # 6.D
        ("yearly calendar", "2022-02-01", "2023-01-01", (334, 365), 823_561),  # 6.E
    ],
)
def test_without_usage_in_arrears_and_in_advance(
    advance: bool, rule: str, start: str, day: str, days: tuple[int, int], expected: int
) -> None:  # 6.F: in advance on the second invoice, identical
    a_calendar = calendar(rule, at(start), advance=advance)
    settled = on_billing_day(a_calendar, at(start), date.fromisoformat(day))
    assert settled is not None
    assert (settled.days, settled.full_days) == days
    found = missing(MILLION, settled, [plan_fee(a_calendar, at(start), settled, 100_000)])
    assert found is not None
    assert found.amount_cents == expected


def test_an_advance_plan_ends_within_a_week() -> None:  # 6.G
    start, end = at("2023-02-01"), at("2023-02-15T10:00")
    a_calendar = calendar("weekly calendar", start, advance=True)
    amounts: list[int] = []
    for day, fee in ((date(2023, 2, 6), 71_429), (date(2023, 2, 13), 100_000)):
        settled = on_billing_day(a_calendar, start, day)
        assert settled is not None
        found = missing(MILLION, settled, [fee])
        assert found is not None
        amounts.append(found.amount_cents)
    period = terminating(a_calendar, start, end, succeeded=False, previous_billed=True).subscription
    settled = settlement(a_calendar, Occasion.TERMINATING, start, end.date(), period, start)
    assert settled is not None
    assert (settled.days, settled.full_days) == (3, 7)
    assert settled.has(at("2023-02-13"), at("2023-02-19T23:59:59.999")), "the whole advance fee counts (CMT-4)"
    found = missing(MILLION, settled, [100_000])
    assert found is not None
    assert [*amounts, found.amount_cents] == [642_857, 900_000, 328_571]


@pytest.mark.parametrize(
    ("rule", "start", "days_billed", "usage", "advance", "expected"),
    [
        ("monthly calendar", "2024-02-28", ["2024-03-01", "2024-04-01"], [3000, 1000], False, [65_276, 989_000]),  # 6.H
        ("monthly calendar", "2024-02-28", ["2024-03-01", "2024-04-01"], [7000, 1500], True, [61_276, 988_500]),  # 6.I
        # 6.J
        ("monthly anniversary", "2024-02-28", ["2024-03-28", "2024-04-28"], [3000, 1000], False, [987_000, 989_000]),
        ("monthly anniversary", "2024-02-28", ["2024-03-28", "2024-04-28"], [7000, 1500], True, [983_000, 988_500]),
        ("weekly calendar", "2024-03-12", ["2024-03-18", "2024-03-25"], [3000, 1000], False, [845_572, 989_000]),  # 6.K
        ("weekly calendar", "2024-03-12", ["2024-03-18", "2024-03-25"], [7000, 1500], True, [841_572, 988_500]),
        # 6.L
        ("quarterly calendar", "2024-03-12", ["2024-04-01", "2024-07-01"], [3000, 1000], False, [214_582, 989_000]),
        ("quarterly calendar", "2024-03-12", ["2024-04-01", "2024-07-01"], [7000, 1500], True, [210_582, 988_500]),
        ("yearly calendar, charges monthly", "2024-03-05", ["2025-01-01"], [8800], False, [808_086]),  # 6.M
        ("yearly calendar, charges monthly", "2024-03-05", ["2025-01-01"], [8700], True, [808_186]),
    ],
)
def test_with_usage(
    rule: str, start: str, days_billed: list[str], usage: list[int], advance: bool, expected: list[int]
) -> None:
    a_calendar = calendar(rule, at(start), advance=advance)
    found: list[int] = []
    for day, used in zip(days_billed, usage, strict=True):
        settled = on_billing_day(a_calendar, at(start), date.fromisoformat(day))
        assert settled is not None
        shortfall = missing(MILLION, settled, [plan_fee(a_calendar, at(start), settled, 10_000), used])
        assert shortfall is not None
        found.append(shortfall.amount_cents)
    assert found == expected


def test_a_downgrade_settles_the_whole_finished_period() -> None:  # 6.N
    start, day = at("2024-03-01"), date(2024, 6, 1)
    for advance in (False, True):
        a_calendar = calendar("monthly calendar", start, advance=advance)
        period = downgraded(a_calendar, start, day).subscription
        settled = settlement(a_calendar, Occasion.DOWNGRADED, start, day, period, start)
        assert settled is not None
        assert (settled.start, settled.days, settled.full_days) == (at("2024-05-01"), 31, 31)
        found = missing(MILLION, settled, [10_000])
        assert found is not None
        assert found.amount_cents == 990_000


def test_the_day_of_an_upgrade_is_still_the_old_plans() -> None:  # CMT-9
    start, end = at("2024-03-01"), at("2024-06-01T10:00")
    a_calendar = calendar("monthly calendar", start)
    period = terminating(a_calendar, start, end, succeeded=True, previous_billed=True).subscription
    settled = settlement(a_calendar, Occasion.UPGRADED, start, end.date(), period, start)
    assert settled is not None
    assert missing(MILLION, settled, [0]) == missing(33_333, Settlement(start, end, start, end, 1, 1), [0])


# --- when nothing is settled


@pytest.mark.parametrize("occasion", [Occasion.STARTING, Occasion.PROGRESSIVE])
def test_starts_and_thresholds_settle_nothing(occasion: Occasion) -> None:
    start = at("2024-03-05")
    a_calendar = calendar("monthly calendar", start, advance=True)
    period = starting(a_calendar, start).subscription
    assert settlement(a_calendar, occasion, start, start.date(), period, period.start) is None


def test_a_month_that_opens_no_year_settles_nothing() -> None:  # CMT-5
    start = at("2024-03-05")
    for advance in (False, True):
        a_calendar = calendar("yearly calendar, charges monthly", start, advance=advance)
        assert on_billing_day(a_calendar, start, date(2024, 5, 1)) is None
        assert on_billing_day(a_calendar, start, date(2025, 1, 1)) is not None


def test_what_was_before_the_first_line_counts_as_paid() -> None:  # CMT-1
    start, day = at("2024-01-01"), date(2024, 3, 1)
    a_calendar = calendar("monthly calendar", start, advance=True)
    coming = periodic(a_calendar, start, day).subscription
    assert settlement(a_calendar, Occasion.PERIODIC, start, day, coming, coming.start) is None
    within = settlement(a_calendar, Occasion.PERIODIC, start, day, coming, at("2024-02-20"))
    assert within is not None
    assert (within.days, within.full_days) == (10, 29)


def test_a_fee_belongs_to_the_period_that_has_its_middle() -> None:
    settled = on_billing_day(calendar("monthly calendar", at("2024-01-01")), at("2024-01-01"), date(2024, 3, 1))
    assert settled is not None
    february, march = (at("2024-02-01"), at("2024-02-29T23:59:59.999")), (at("2024-03-01"), at("2024-03-31T23:59"))
    assert settled.has(*february)
    assert settled.has(*(moment + timedelta(hours=14) for moment in february)), "after a change of time zone"
    assert settled.has(*(moment - timedelta(hours=12) for moment in february))
    assert not settled.has(*march)
    assert not settled.has(*(moment - timedelta(hours=14) for moment in march))
    assert not settled.has(None, None)


# --- laws

amounts = st.integers(0, 10**9)
starts = st.integers(0, 730 * 24 * 60).map(lambda minutes: at("2023-01-01") + timedelta(minutes=minutes))
rules = st.tuples(st.sampled_from(RULES), st.sampled_from(["calendar", "anniversary"])).map(" ".join)
zones = st.sampled_from(["UTC", "Europe/Paris", "America/Los_Angeles", "Asia/Kolkata", "Pacific/Apia"])


@given(amounts, amounts, st.lists(amounts), rules, starts, zones, st.booleans())
def test_a_period_never_bills_less_than_its_commitment(
    commitment: int, plan: int, usage: list[int], rule: str, start: datetime, zone: str, advance: bool
) -> None:
    a_calendar = calendar(rule, start, zone, advance=advance)
    day = next_billing_day(a_calendar, local_date(start, a_calendar.timezone))
    for _ in range(2):
        settled = on_billing_day(a_calendar, start, day)
        assert settled is not None
        fees = [plan_fee(a_calendar, start, settled, plan), *usage]
        found = missing(commitment, settled, fees)
        full = settled.days == settled.full_days
        if found is None:
            assert not full or sum(fees) >= commitment
        else:
            assert found.amount_cents > 0
            assert sum(fees) + found.amount_cents == found.minimum_cents
            assert found.minimum_cents == commitment if full else found.minimum_cents <= commitment
        day = next_billing_day(a_calendar, day)


@given(amounts, st.lists(amounts, min_size=1), st.integers(1, 366), st.integers(1, 366))
def test_more_fees_never_make_a_dearer_invoice_than_both_together(
    commitment: int, fees: list[int], days: int, full_days: int
) -> None:
    start = at("2024-01-01")
    period = Settlement(start, start, start, start, min(days, full_days), full_days)

    def total(counted: list[int]) -> int:
        found = missing(commitment, period, counted)
        return sum(counted) + (found.amount_cents if found else 0)

    assert total(fees[:-1]) <= total(fees) <= total(fees[:-1]) + fees[-1]


@given(amounts, rules, starts, zones, st.integers(0, 400 * 24))
def test_ending_earlier_never_commits_to_more(
    commitment: int, rule: str, start: datetime, zone: str, hours: int
) -> None:
    a_calendar = calendar(rule, start, zone)
    minimums: list[tuple[datetime, int]] = []
    for more in range(0, 72, 9):
        end = start + timedelta(hours=hours + more)
        day = local_date(end, a_calendar.timezone)
        period = terminating(a_calendar, start, end, succeeded=False, previous_billed=True).subscription
        settled = settlement(a_calendar, Occasion.TERMINATING, start, day, period, period.start)
        assert settled is not None
        assert 1 <= settled.days <= settled.full_days
        found = missing(commitment, settled, [])
        minimums.append((settled.opening, found.minimum_cents if found else 0))
    for (period, earlier), (same, later) in pairwise(minimums):
        assert period != same or earlier <= later
