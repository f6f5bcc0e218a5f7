"""Minimum commitments: which period a line settles, and what its fees miss of the commitment (spec 2 §6). Pure.

A commitment is settled once the period is over: in arrears together with the period's own fee, in advance on the next
invoice, and when a subscription ends for the days up to then.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from laguna.kernel.money import round_cents
from laguna.subscriptions.amounts import Occasion, prorated
from laguna.subscriptions.grid import Calendar, Kind, days, first_instant, local_date, opens_period, period_containing
from laguna.subscriptions.periods import Range, finished_range

COUNTED = ("subscription", "charge", "fixed_charge")  # the types of the fees that count towards a commitment (CMT-2)


@dataclass(frozen=True, slots=True)
class Settlement:
    """The part of a plan period whose commitment is due: `start` to `end` as shown, `days` of the whole one's
    `full_days`. It has the fees whose own time has its middle in [opening, closing), the whole period, whatever a
    change of time zone or an early end did to their bounds."""

    start: datetime
    end: datetime
    opening: datetime
    closing: datetime
    days: int
    full_days: int

    def has(self, from_at: datetime | None, to_at: datetime | None) -> bool:
        """Whether a fee for this time is one of the period."""
        if from_at is None or to_at is None:
            return False
        return self.opening <= from_at + (to_at - from_at) / 2 < self.closing


@dataclass(frozen=True, slots=True)
class Missing:
    """What fees of `counted_cents` miss of the commitment for the days, `minimum_cents`."""

    amount_cents: int
    minimum_cents: int
    counted_cents: int


def settlement(
    calendar: Calendar,
    occasion: Occasion,
    started_at: datetime,
    day: date,
    period: Range,
    billed_from: datetime,
) -> Settlement | None:
    """The period that a line settles, or None where it settles none (CMT-3 to CMT-5).

    `period` is the line's subscription range, `billed_from` the start of that of the subscription's first line: what
    came before counts as paid (CMT-1). The day of an upgrade is one of the old plan's (CMT-9).
    """
    if occasion in (Occasion.STARTING, Occasion.PROGRESSIVE):
        return None
    settled = period
    if occasion is Occasion.PERIODIC:
        if not opens_period(calendar, day):
            return None
        if calendar.pay_in_advance:
            settled = finished_range(calendar, Kind.SUBSCRIPTION, started_at, day)
    start, counted = settled.start, settled.days
    if billed_from > start:
        start = billed_from
        counted = days(start, settled.end, calendar.timezone) if start <= settled.end else 0
    if not counted:
        return None
    whole = period_containing(calendar, local_date(settled.start, calendar.timezone))
    return Settlement(
        start=start,
        end=settled.end,
        opening=first_instant(whole.start, calendar.timezone),
        closing=first_instant(whole.end, calendar.timezone),
        days=counted,
        full_days=settled.full_days,
    )


def missing(commitment_cents: int, period: Settlement, fees_cents: Iterable[int]) -> Missing | None:
    """What the period's fees miss of its commitment, before coupons, taxes and credits; None where they reach it.

    1 000 000 a month for 25 of 28 days, one fee of 89 286: 892 857 - 89 286 = 803 571 (spec 2 Ex. 6.C).
    """
    minimum = round_cents(prorated(commitment_cents, period.days, period.full_days))
    counted = sum(fees_cents)
    return Missing(minimum - counted, minimum, counted) if minimum > counted else None
