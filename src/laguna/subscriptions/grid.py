"""The billing grid (spec 2 §4.1, §4.2): which local days open a period, and when a local day begins. Pure.

A calendar lays grid dates P0, P1, ... over the days of a time zone; period k is [Pk, Pk+1) in whole local days. Days
are dates: an instant comes in only through `local_date` and goes out only through `first_instant`, so no clock change
touches a period.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)
MILLISECOND = timedelta(milliseconds=1)
_SECOND = timedelta(seconds=1)

# The anchor of all calendar grids: a Monday that opens a month, a quarter, a half-year and a year.
_CALENDAR_ANCHOR = date(2001, 1, 1)


class Interval(StrEnum):
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    QUARTERLY = "quarterly"
    SEMIANNUAL = "semiannual"
    YEARLY = "yearly"


class BillingTime(StrEnum):
    CALENDAR = "calendar"
    ANNIVERSARY = "anniversary"


class Kind(StrEnum):
    """What a period is for: each kind has its own range on an invoice line (spec 2 §4.3)."""

    SUBSCRIPTION = "subscription"
    CHARGES = "charges"
    FIXED_CHARGES = "fixed_charges"


_MONTHS = {Interval.MONTHLY: 1, Interval.QUARTERLY: 3, Interval.SEMIANNUAL: 6, Interval.YEARLY: 12}


@dataclass(frozen=True, slots=True)
class Calendar:
    """What decides the periods of one subscription: its plan's interval and flags, its anchor, its customer's zone.

    `anchor` is the local date of `subscription_at`, not of `started_at`: it survives plan changes (spec 2 PER-1).
    The split flags mean something for yearly and semiannual plans only (PER-4) and are ignored elsewhere.
    """

    interval: Interval
    billing_time: BillingTime
    anchor: date
    timezone: ZoneInfo
    pay_in_advance: bool = False
    bill_charges_monthly: bool = False
    bill_fixed_charges_monthly: bool = False

    def interval_of(self, kind: Kind) -> Interval:
        """The interval on which `kind` is billed: the plan's, or monthly where that kind is split (spec 2 PER-30)."""
        split = (kind is Kind.CHARGES and self.bill_charges_monthly) or (
            kind is Kind.FIXED_CHARGES and self.bill_fixed_charges_monthly
        )
        return Interval.MONTHLY if split and self._can_split else self.interval

    @property
    def billing_interval(self) -> Interval:
        """The interval between billing days: monthly as soon as one kind is split (spec 2 PER-10)."""
        split = self.bill_charges_monthly or self.bill_fixed_charges_monthly
        return Interval.MONTHLY if split and self._can_split else self.interval

    @property
    def _can_split(self) -> bool:
        return self.interval in (Interval.SEMIANNUAL, Interval.YEARLY)


@dataclass(frozen=True, slots=True)
class Period:
    """The local days from `start` to the day before `end`."""

    start: date
    end: date

    @property
    def days(self) -> int:
        """The full length that day prices divide by: 28 to 31, 365 or 366, ... (spec 2 PER-5)."""
        return (self.end - self.start).days

    @property
    def last_day(self) -> date:
        return self.end - DAY


# --- instants and local days


@lru_cache(maxsize=65_536)
def first_instant(day: date, timezone: ZoneInfo) -> datetime:
    """The first instant of a local day, in UTC (spec 2 CON-4).

    Where a clock change skips midnight that is the instant of the change (00:00 to 01:00: 01:00 local); where
    midnight comes twice, the first. A day skipped as a whole (Apia, 2011-12-30) begins, and ends, with the next one.
    """
    local = datetime.combine(day, time(), timezone)
    instant = local.astimezone(UTC)
    if _wall_clock(instant, timezone) == midnight(day):
        return instant
    # Midnight lies in a gap: the change comes after midnight by the new offset and not after midnight by the old one.
    before, after = local.replace(fold=1).astimezone(UTC), instant
    while after - before > _SECOND:  # offsets change on whole seconds
        middle = before + timedelta(seconds=(after - before) // _SECOND // 2)
        if _wall_clock(middle, timezone).date() >= day:
            after = middle
        else:
            before = middle
    return after


def local_date(instant: datetime, timezone: ZoneInfo) -> date:
    """The local day of an instant (spec 2 CON-6): the latest day that has begun.

    That is the date on the wall, save for the minutes that a clock set back over midnight shows a second time: they
    stay in the day that had begun, so that days never run backwards and every instant is in exactly one.
    """
    day = _wall_clock(instant, timezone).date()
    return day + DAY if instant >= first_instant(day + DAY, timezone) else day


def days(start: datetime, end: datetime, timezone: ZoneInfo) -> int:
    """Local days from `start` to `end`, by the wall clock and rounded up, whatever the offsets did (spec 2 CON-5).

    An `end` at the first instant of a day counts that day. 1 March 00:00 to 31 March 23:59:59.999 in Paris: 31.
    """
    return count_days(day_clock(start, timezone), day_clock(end, timezone))


def count_days(first: datetime, last: datetime) -> int:
    """Days between two day clocks, rounded up; `last` at midnight counts its day (spec 2 CON-5)."""
    if last.time() == time():
        last += _SECOND
    return max(-((first - last) // DAY), 0)


def day_clock(instant: datetime, timezone: ZoneInfo) -> datetime:
    """The local wall clock, without its zone; 00:00 for a day's first instant also where midnight was skipped."""
    day = local_date(instant, timezone)
    if instant == first_instant(day, timezone):
        return midnight(day)
    return max(_wall_clock(instant, timezone), midnight(day))


def midnight(day: date) -> datetime:
    """The wall clock at which a day begins."""
    return datetime.combine(day, time())


def _wall_clock(instant: datetime, timezone: ZoneInfo) -> datetime:
    return instant.astimezone(timezone).replace(tzinfo=None)


# --- periods


def period_containing(calendar: Calendar, day: date, kind: Kind = Kind.SUBSCRIPTION) -> Period:
    """The grid period of `kind` that `day` lies in. Anchor 31 January, monthly, 10 March: 29 February to 30 March."""
    return _period(calendar, calendar.interval_of(kind), day)


def previous_period(calendar: Calendar, day: date, kind: Kind = Kind.SUBSCRIPTION) -> Period:
    """The period before the one that contains `day`."""
    return period_containing(calendar, period_containing(calendar, day, kind).start - DAY, kind)


def next_period(calendar: Calendar, day: date, kind: Kind = Kind.SUBSCRIPTION) -> Period:
    """The period after the one that contains `day`."""
    return period_containing(calendar, period_containing(calendar, day, kind).end, kind)


def opens_period(calendar: Calendar, day: date, kind: Kind = Kind.SUBSCRIPTION) -> bool:
    """Whether `day` is a grid date of `kind`: the days on which it is billed (spec 2 PER-31, PER-32)."""
    return period_containing(calendar, day, kind).start == day


def month_of_period(calendar: Calendar, day: date) -> int:
    """Which month of its grid period `day` lies in, from 1: 1 to 12 in a year. 1 in a month or a week."""
    if calendar.interval not in _MONTHS:
        return 1
    start = period_containing(calendar, day).start
    month = _period(calendar, Interval.MONTHLY, day).start
    return _month_number(month) - _month_number(start) + 1


def _period(calendar: Calendar, interval: Interval, day: date) -> Period:
    anchor = calendar.anchor if calendar.billing_time is BillingTime.ANNIVERSARY else _CALENDAR_ANCHOR
    if interval is Interval.WEEKLY:
        start = day - timedelta(days=(day - anchor).days % 7)
        return Period(start, start + timedelta(days=7))
    return _period_of_months(anchor, _MONTHS[interval], day)


@lru_cache(maxsize=65_536)  # a billing run asks for few days of few anchors, each many times
def _period_of_months(anchor: date, months: int, day: date) -> Period:
    steps = (_month_number(day) - _month_number(anchor)) // months
    if _plus_months(anchor, steps * months) > day:
        steps -= 1
    return Period(_plus_months(anchor, steps * months), _plus_months(anchor, (steps + 1) * months))


def _month_number(day: date) -> int:
    return day.year * 12 + day.month - 1


def _plus_months(anchor: date, months: int) -> date:
    """`anchor` moved by months, on its own day or the month's last. Always from the anchor: no drift (spec 2 PER-2)."""
    year, month = divmod(_month_number(anchor) + months, 12)
    return date(year, month + 1, min(anchor.day, monthrange(year, month + 1)[1]))


# --- billing days


def is_billing_day(calendar: Calendar, day: date) -> bool:
    """Whether the periodic run bills on `day`: a grid date, or a monthly one where a kind is split (spec 2 PER-10)."""
    return _period(calendar, calendar.billing_interval, day).start == day


def next_billing_day(calendar: Calendar, after: date) -> date:
    """The first billing day later than `after`."""
    return _period(calendar, calendar.billing_interval, after).end


def billing_instant(calendar: Calendar, day: date) -> datetime:
    """When a billing day falls due: its first instant in the customer's zone (spec 2 PER-10)."""
    return first_instant(day, calendar.timezone)


def billing_days_between(calendar: Calendar, after: date, until: date) -> Iterator[date]:
    """The billing days later than `after` and not later than `until`, in order: what a run catches up on (spec 2 W-1).

    `after` is the last day billed, or `unbilled_after` for a subscription that was never billed.
    """
    day = next_billing_day(calendar, after)
    while day <= until:
        yield day
        day = next_billing_day(calendar, day)


def unbilled_after(calendar: Calendar, started_at: datetime, created_at: datetime) -> date:
    """Up to this day, included, a subscription has nothing for the periodic run to bill (spec 2 PER-11, PER-14)."""
    return max(local_date(started_at, calendar.timezone), local_date(created_at, calendar.timezone))
