"""Laws that hold for every calendar, zone and instant (spec 2 §4)."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from laguna.subscriptions.grid import (
    DAY,
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
    next_billing_day,
    next_period,
    opens_period,
    period_containing,
    previous_period,
    unbilled_after,
)
from laguna.subscriptions.periods import (
    Range,
    current,
    periodic,
    starting,
    terminating,
)


def at(text: str) -> datetime:
    """An instant in UTC: "2024-01-31", "2024-01-31T01:00"."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


ZONES = [
    "UTC",
    "Africa/Cairo",
    "America/Havana",
    "America/Los_Angeles",
    "America/Nuuk",
    "America/Sao_Paulo",
    "America/St_Johns",
    "Asia/Beirut",
    "Asia/Kathmandu",
    "Asia/Tokyo",
    "Australia/Lord_Howe",
    "Europe/Paris",
    "Pacific/Apia",
    "Pacific/Kiritimati",
]

zones = st.sampled_from(ZONES).map(ZoneInfo)
some_days = st.dates(date(1995, 1, 1), date(2035, 12, 31))


def instants_between(first: str, last: str) -> st.SearchStrategy[datetime]:
    """Instants to the millisecond, as everything stored is."""
    span = (at(last) - at(first)) // MILLISECOND
    return st.integers(0, span).map(lambda offset: at(first) + offset * MILLISECOND)


instants = st.one_of(
    instants_between("1995-01-01", "2035-12-31"),
    # the days around clock changes at midnight, and around Apia's missing one
    instants_between("2011-12-28", "2012-01-02"),
    instants_between("2010-11-06", "2010-11-08"),
    instants_between("2024-03-30", "2024-04-01"),
)
calendars = st.builds(
    Calendar,
    interval=st.sampled_from(Interval),
    billing_time=st.sampled_from(BillingTime),
    anchor=some_days,
    timezone=zones,
    pay_in_advance=st.booleans(),
    bill_charges_monthly=st.booleans(),
    bill_fixed_charges_monthly=st.booleans(),
)
kinds = st.sampled_from(Kind)
many = settings(max_examples=300, deadline=None)

APIA_30TH = Calendar(Interval.MONTHLY, BillingTime.ANNIVERSARY, date(2011, 10, 30), ZoneInfo("Pacific/Apia"))
APIA_31ST = Calendar(Interval.MONTHLY, BillingTime.ANNIVERSARY, date(2011, 10, 31), ZoneInfo("Pacific/Apia"))


@many
@given(calendars, some_days, kinds)
def test_law_every_day_lies_in_exactly_one_period(any_calendar: Calendar, on: date, kind: Kind) -> None:
    period = period_containing(any_calendar, on, kind)
    assert period.start <= on < period.end
    assert period_containing(any_calendar, period.start, kind) == period
    assert period_containing(any_calendar, period.last_day, kind) == period
    assert previous_period(any_calendar, on, kind).end == period.start
    assert next_period(any_calendar, on, kind).start == period.end


@many
@given(calendars, some_days)
def test_law_the_main_grid_is_part_of_the_billing_days(any_calendar: Calendar, on: date) -> None:
    period = period_containing(any_calendar, on)
    assert is_billing_day(any_calendar, period.start)
    for kind in Kind:
        assert opens_period(any_calendar, period.start, kind)


@many
@given(calendars, some_days)
def test_law_the_next_billing_day_strictly_increases(any_calendar: Calendar, on: date) -> None:
    following = next_billing_day(any_calendar, on)
    assert following > on
    assert is_billing_day(any_calendar, following)
    assert list(billing_days_between(any_calendar, on, following)) == [following]
    # an instant later only where a day is left between: a zone may skip the first of two
    assert billing_instant(any_calendar, following) <= billing_instant(any_calendar, following + DAY)


@many
@given(calendars, st.integers(0, 600))
def test_law_the_day_of_the_month_never_drifts(any_calendar: Calendar, steps: int) -> None:
    assume(any_calendar.interval is not Interval.WEEKLY and any_calendar.billing_time is BillingTime.ANNIVERSARY)
    anchor = any_calendar.anchor
    start = period_containing(any_calendar, anchor + timedelta(days=20 * steps)).start
    month_end = (start + DAY).month != start.month
    assert start.day == anchor.day or (start.day < anchor.day and month_end)


@many
@given(zones, instants)
def test_law_an_instant_is_in_the_local_day_that_has_begun(zone: ZoneInfo, instant: datetime) -> None:
    on = local_date(instant, zone)
    assert first_instant(on, zone) <= instant < first_instant(on + DAY, zone)


@many
@given(zones, instants, st.timedeltas(timedelta(0), timedelta(days=3)))
def test_law_local_days_never_run_backwards(zone: ZoneInfo, instant: datetime, later: timedelta) -> None:
    assert local_date(instant, zone) <= local_date(instant + later, zone)


@many
@given(zones, some_days, st.integers(1, 800))
def test_law_days_between_bounds_are_the_dates_between(zone: ZoneInfo, first: date, count: int) -> None:
    end = first + timedelta(days=count)
    opening, closing = first_instant(first, zone), first_instant(end, zone)
    skipped = {date(2011, 12, 30)} & {first, end - DAY} if zone.key == "Pacific/Apia" else set[date]()
    assume(not skipped)  # a bound that never was
    assert days(opening, closing - MILLISECOND, zone) == count


@many
@given(calendars, instants, st.integers(1, 14))
@example(APIA_30TH, datetime(2011, 11, 3, tzinfo=UTC), 5)
@example(APIA_31ST, datetime(2011, 11, 3, tzinfo=UTC), 5)
def test_law_consecutive_ranges_touch_and_cover_the_life(
    any_calendar: Calendar, started_at: datetime, runs: int
) -> None:
    """Every kind's billed usage is the life of the subscription, without gap or overlap."""
    billing_day = local_date(started_at, any_calendar.timezone)
    billed: dict[Kind, list[Range]] = {Kind.CHARGES: [], Kind.FIXED_CHARGES: []}
    for _ in range(runs):
        billing_day = next_billing_day(any_calendar, billing_day)
        ranges = periodic(any_calendar, started_at, billing_day)
        for kind, stretch in ((Kind.CHARGES, ranges.charges), (Kind.FIXED_CHARGES, ranges.fixed_charges)):
            if stretch is not None:
                billed[kind].append(stretch)
    terminated_at = first_instant(billing_day, any_calendar.timezone) + timedelta(hours=30)
    last = terminating(any_calendar, started_at, terminated_at, succeeded=True, previous_billed=True)
    for kind, stretch in ((Kind.CHARGES, last.charges), (Kind.FIXED_CHARGES, last.fixed_charges)):
        assert stretch is not None
        billed[kind].append(stretch)
        assert billed[kind][0].start == started_at
        assert billed[kind][-1].until == terminated_at
        assert all(earlier.until == later.start for earlier, later in pairwise(billed[kind]))
        assert all(each.start <= each.end and each.days <= each.full_days for each in billed[kind])


@many
@given(calendars, instants, instants)
def test_law_an_unclipped_range_has_the_full_days(any_calendar: Calendar, started_at: datetime, now: datetime) -> None:
    assume(now - started_at > timedelta(days=370))
    ranges = current(any_calendar, started_at, now)
    for stretch in (ranges.subscription, ranges.charges, ranges.fixed_charges):
        assert stretch is not None
        assert stretch.days == stretch.full_days
        assert stretch.start <= now < stretch.until


@many
@given(calendars, instants, st.integers(0, 400))
@example(APIA_30TH, datetime(2012, 1, 5, 12, tzinfo=UTC), 3)
@example(APIA_31ST, datetime(2011, 12, 15, 12, tzinfo=UTC), 3)
def test_law_a_period_cut_by_an_upgrade_adds_up_to_the_whole(
    any_calendar: Calendar, upgraded_at: datetime, age: int
) -> None:
    """The day of the upgrade is the new plan's: old days - 1 + new days = the full length."""
    started_at = upgraded_at - timedelta(days=400 + age)
    old = terminating(any_calendar, started_at, upgraded_at, succeeded=True, previous_billed=True)
    new = starting(any_calendar, upgraded_at)
    assert old.subscription.days - 1 + new.subscription.days == new.subscription.full_days
    assert old.charges is not None
    assert old.charges.until == upgraded_at


@many
@given(calendars, instants, st.lists(zones, min_size=2, max_size=6))
def test_law_no_event_is_lost_or_billed_twice_however_often_the_zone_changes(
    any_calendar: Calendar, started_at: datetime, moves: list[ZoneInfo]
) -> None:
    """The zone changes in the middle of a period; the run goes on from the day it billed last."""
    billing_day = local_date(started_at, any_calendar.timezone)
    until = started_at  # nothing is billed yet, and the start isn't backdated
    for zone in moves:
        moved = replace(any_calendar, timezone=zone, bill_charges_monthly=True, bill_fixed_charges_monthly=True)
        billing_day = next_billing_day(moved, max(billing_day, unbilled_after(moved, started_at, started_at)))
        charges = periodic(moved, started_at, billing_day, charges_until=until).charges
        assert charges is not None
        assert charges.start == until
        assert charges.start <= charges.end
        until = charges.until
