"""What an invoice line covers (spec 2 §4.3 to §4.6): the ranges of fee, usage and fixed charges, per reason. Pure.

Each function answers for one reason, from the grid (`grid.py`) and the facts of the subscription:

    starting      an advance plan's start, also after an upgrade, a downgrade or a trial
    periodic      a billing day of the grid
    terminating   the end of a subscription, with or without a successor
    downgraded    the old side of a downgrade, on the grid date at which the new plan takes over
    progressive   thresholds passed within a period
    current       nothing to bill: reading the present

`charges_until` and `fixed_charges_until` say up to where usage has been billed: `Range.until` of the line before,
progressive lines left aside; of a subscription not billed yet its `started_at`, or None if it is backdated. They matter
when the customer's time zone has changed (spec 2 PER-24).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from laguna.subscriptions.grid import (
    DAY,
    MILLISECOND,
    Calendar,
    Kind,
    Period,
    count_days,
    day_clock,
    first_instant,
    is_billing_day,
    local_date,
    midnight,
    opens_period,
    period_containing,
    previous_period,
)

# The farthest that two time zones set the same local midnight apart (spec 2 PER-24).
_ZONE_SPREAD = timedelta(hours=26)


@dataclass(frozen=True, slots=True)
class Range:
    """A stretch of time on an invoice line.

    `start` is its first instant. `end` is what is stored and shown: a millisecond before the next period (spec 2
    CON-4), or the exact instant of a termination. `until` bounds events, which belong to the range when start <=
    timestamp < until: the next period's start, or for a termination at T: T + 1 ms, so that usage at T itself counts,
    but T where a successor starts then, which takes it (spec 1 §1.7). `days` are counted from start to end (CON-5),
    `full_days` are those of the whole grid period (PER-5).
    """

    start: datetime
    end: datetime
    until: datetime
    days: int
    full_days: int

    @property
    def is_empty(self) -> bool:
        """Whether no event can fall into it."""
        return self.until <= self.start


@dataclass(frozen=True, slots=True)
class Ranges:
    """The ranges of one invoice line; None where a kind is not billed on it (spec 2 PER-32)."""

    subscription: Range
    charges: Range | None
    fixed_charges: Range | None


@dataclass(frozen=True, slots=True)
class _Ending:
    """Where a subscription stopped: the instant shown, and the one from which events no longer count."""

    at: datetime
    until: datetime


def starting(calendar: Calendar, started_at: datetime, day: date | None = None) -> Ranges:
    """The line of an advance plan's first fee (spec 2 PER-23), on its start day or, after a trial, on `day`.

    The fee covers the current period from the start day on; no usage and no fixed charge has happened yet. Advance
    fixed charges have a range of their own: `current_range(calendar, Kind.FIXED_CHARGES, ...)`.
    """
    day = day or local_date(started_at, calendar.timezone)
    fee = current_range(calendar, Kind.SUBSCRIPTION, started_at, day)
    charges = current_range(calendar, Kind.CHARGES, started_at, day)
    fixed_charges = current_range(calendar, Kind.FIXED_CHARGES, started_at, day)
    return Ranges(fee, _emptied(charges), _emptied(fixed_charges))


def periodic(
    calendar: Calendar,
    started_at: datetime,
    day: date,
    *,
    charges_until: datetime | None = None,
    fixed_charges_until: datetime | None = None,
) -> Ranges:
    """The line of a billing day: in arrears the finished period, in advance the coming one; usage of the finished one.

    On the months of a split plan that open no main period, a kind that isn't split has no range (spec 2 PER-32); the
    subscription range stays on the main grid, and its fee is for `amounts` to refuse (PER-31).
    """
    assert is_billing_day(calendar, day), f"{day} is not a billing day"
    if calendar.pay_in_advance:
        fee = current_range(calendar, Kind.SUBSCRIPTION, started_at, day)
    else:
        fee = finished_range(calendar, Kind.SUBSCRIPTION, started_at, day)
    return Ranges(
        fee,
        _finished_if_due(calendar, Kind.CHARGES, started_at, day, charges_until),
        _finished_if_due(calendar, Kind.FIXED_CHARGES, started_at, day, fixed_charges_until),
    )


def downgraded(
    calendar: Calendar,
    started_at: datetime,
    day: date,
    *,
    charges_until: datetime | None = None,
    fixed_charges_until: datetime | None = None,
) -> Ranges:
    """The old side of a downgrade on the grid date `day`: the finished period, also in advance, with no fee then.

    The new side starts at the first instant of `day`, not when the run got to it (spec 2 W-4): see `starting`.
    """
    return periodic(
        replace(calendar, pay_in_advance=False),
        started_at,
        day,
        charges_until=charges_until,
        fixed_charges_until=fixed_charges_until,
    )


def terminating(
    calendar: Calendar,
    started_at: datetime,
    terminated_at: datetime,
    *,
    succeeded: bool,
    previous_billed: bool,
    charges_until: datetime | None = None,
    fixed_charges_until: datetime | None = None,
) -> Ranges:
    """The line of a termination (`succeeded` false) or of an upgrade's old side (true), at the exact instant.

    Every kind is billed up to there from the start of its own period, also the unsplit one of a split plan (spec 2
    W-3). On a billing day, `previous_billed` says whether the run of that day has made its line, or never will,
    because the subscription was created on that day. If not, and nothing succeeds, the line takes the finished period
    in full and leaves the new day free (PER-25, TRM-8), as if the subscription had ended at the last midnight.
    """
    timezone = calendar.timezone
    day = local_date(terminated_at, timezone)
    ending = _ending(terminated_at, succeeded=succeeded)
    if (
        not succeeded
        and not previous_billed
        and local_date(started_at, timezone) < day
        and is_billing_day(calendar, day)
    ):
        midnight = first_instant(day, timezone)
        day -= DAY
        ending = _Ending(midnight - MILLISECOND, midnight)
    return _ranges_at(calendar, started_at, day, ending, charges_until, fixed_charges_until)


def progressive(
    calendar: Calendar, started_at: datetime, now: datetime, *, charges_until: datetime | None = None
) -> Ranges:
    """The line of a progressive invoice: the whole current period, to its planned end (spec 2 PER-26), from where usage
    has been billed up to."""
    return current(calendar, started_at, now, charges_until=charges_until)


def current(
    calendar: Calendar,
    started_at: datetime,
    now: datetime,
    *,
    terminated_at: datetime | None = None,
    charges_until: datetime | None = None,
    fixed_charges_until: datetime | None = None,
) -> Ranges:
    """The period of each kind that contains `now` (spec 2 §4.6, PER-34); of an ended subscription, the one it ended in.

    A subscription that starts later today is active already: it is read as of its start.
    """
    moment = max(now, started_at) if terminated_at is None else min(now, terminated_at)
    ending = None if terminated_at is None else _ending(terminated_at, succeeded=False)
    day = local_date(moment, calendar.timezone)
    return _ranges_at(calendar, started_at, day, ending, charges_until, fixed_charges_until)


def current_charges_period(
    calendar: Calendar,
    started_at: datetime,
    now: datetime,
    *,
    terminated_at: datetime | None = None,
    charges_until: datetime | None = None,
) -> Range:
    """`current_billing_period_*` of a subscription, and from and to of its current usage (spec 2 §4.6)."""
    ranges = current(calendar, started_at, now, terminated_at=terminated_at, charges_until=charges_until)
    assert ranges.charges is not None
    return ranges.charges


def current_range(calendar: Calendar, kind: Kind, started_at: datetime, day: date) -> Range:
    """The period of `kind` that contains `day`, clipped at the start: what is billed in advance (spec 2 §4.3).

    For advance fixed charges and renewed usage charges call it where `opens_period(calendar, day, kind)`, or on the
    start day.
    """
    return _range(calendar, kind, period_containing(calendar, day, kind), started_at)


def finished_range(
    calendar: Calendar, kind: Kind, started_at: datetime, day: date, billed_until: datetime | None = None
) -> Range:
    """The period of `kind` before the one that contains `day`, clipped at the start: what is billed in arrears."""
    return _range(calendar, kind, previous_period(calendar, day, kind), started_at, None, billed_until)


def exclusive_end(start: datetime, end: datetime, *, succeeded: bool = False) -> datetime:
    """`Range.until` from the two instants stored on a line: end + 1 ms, or start if empty; after an upgrade, which
    takes what happens at its own millisecond, the end's."""
    if end <= start:
        return end
    return _ending(end, succeeded=succeeded).until


def _finished_if_due(
    calendar: Calendar, kind: Kind, started_at: datetime, day: date, billed_until: datetime | None
) -> Range | None:
    if not opens_period(calendar, day, kind):
        return None
    return finished_range(calendar, kind, started_at, day, billed_until)


def _ranges_at(
    calendar: Calendar,
    started_at: datetime,
    day: date,
    ending: _Ending | None,
    charges_until: datetime | None,
    fixed_charges_until: datetime | None,
) -> Ranges:
    def of(kind: Kind, billed_until: datetime | None) -> Range:
        return _range(calendar, kind, period_containing(calendar, day, kind), started_at, ending, billed_until)

    return Ranges(
        of(Kind.SUBSCRIPTION, None), of(Kind.CHARGES, charges_until), of(Kind.FIXED_CHARGES, fixed_charges_until)
    )


def _range(
    calendar: Calendar,
    kind: Kind,
    period: Period,
    started_at: datetime,
    ending: _Ending | None = None,
    billed_until: datetime | None = None,
) -> Range:
    """A period in instants, clipped to the life of the subscription (spec 2 PER-20 to 22)."""
    timezone = calendar.timezone
    opening, closing = first_instant(period.start, timezone), first_instant(period.end, timezone)
    # The start day counts whole for the fee (PER-20); usage begins at the exact instant (PER-21).
    life = first_instant(local_date(started_at, timezone), timezone) if kind is Kind.SUBSCRIPTION else started_at
    start, end, until = max(opening, life), closing - MILLISECOND, closing
    if ending is not None and ending.until < closing:
        end, until = ending.at, ending.until
    end, until = max(end, started_at), max(until, started_at)  # a period wholly before the start is empty (PER-22)

    # The grid's own bounds count by their dates: a day that the zone skipped is in the full length too.
    first = midnight(period.start) if start == opening else day_clock(start, timezone)
    last = midnight(period.end) - MILLISECOND if until == closing else day_clock(end, timezone)
    touched = count_days(first, last) if closing > started_at else 0

    if billed_until is not None:
        start = max(_continued(start, billed_until), started_at)
        end, until = max(end, start), max(until, start)
    return Range(start, end, until, touched, period.days)


def _continued(start: datetime, billed_until: datetime) -> datetime:
    """Where usage goes on after what has been billed, when a change of time zone moved the grid (spec 2 PER-24).

    A gap of less than 26 hours is closed, and nothing is billed twice. In an unchanged zone both are equal, so it
    needn't be told. The exact bound is taken where the spec's "previous end + 1 s" would lose the events of most of a
    second.
    """
    if billed_until > start or start - billed_until < _ZONE_SPREAD:
        return billed_until
    return start


def _emptied(whole: Range) -> Range:
    return Range(whole.start, whole.start, whole.start, 0, whole.full_days)


def _ending(terminated_at: datetime, *, succeeded: bool) -> _Ending:
    """A termination in events: at the same millisecond the successor takes over, if there is one (spec 1 §1.7)."""
    millisecond = terminated_at.replace(microsecond=terminated_at.microsecond // 1000 * 1000)
    return _Ending(terminated_at, millisecond if succeeded else millisecond + MILLISECOND)
