"""The subscription fee (spec 2 §5.1, §5.2), the free trial (§3.10) and the credit for unused time (§5.5). Pure.

A fee is decided by the period it covers, never by how many invoices came before (spec 2 W-9): plan amount x days of
the line's range / days of the whole grid period. A range that was not clipped is the full amount, so the first
period, the one after an upgrade and the last one need no rule of their own. What the rule can't see is told by
`Occasion`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from laguna.kernel.money import ZERO, round_cents, subunits
from laguna.subscriptions.grid import (
    DAY,
    Calendar,
    days,
    local_date,
    opens_period,
    period_containing,
)
from laguna.subscriptions.periods import Range

_MILLISECONDS_PER_DAY = 86_400_000


class Occasion(StrEnum):
    """Why an invoice line is made."""

    STARTING = "starting"  # the start of an advance plan, or of advance fixed charges, or the end of a trial
    PERIODIC = "periodic"
    TERMINATING = "terminating"  # no successor
    UPGRADED = "upgraded"  # the old side of an upgrade
    DOWNGRADED = "downgraded"  # the old side of a downgrade
    PROGRESSIVE = "progressive"

    @property
    def ends_subscription(self) -> bool:
        return self in (Occasion.TERMINATING, Occasion.UPGRADED, Occasion.DOWNGRADED)


@dataclass(frozen=True, slots=True)
class SubscriptionFee:
    """One subscription fee. `days` of `full_days` were billed; `precise_amount_cents` is unrounded (spec 2 §5.2)."""

    amount_cents: int
    precise_amount_cents: Decimal
    units: int
    precise_unit_amount: Decimal  # in the major unit
    unit_amount_cents: int
    days: int
    full_days: int


@dataclass(frozen=True, slots=True)
class UnusedTime:
    """What an advance plan gives back when it ends early: `amount_cents`, before taxes and coupons, is unrounded."""

    amount_cents: Decimal
    days: int
    full_days: int


def prorated(amount_cents: int, days_billed: int, full_days: int) -> Decimal:
    """A plan amount for some days of a period, unrounded, and exact for all of them: 1000, 27, 31 -> 870.967..."""
    return Decimal(amount_cents) * days_billed / full_days


def subscription_fee(
    plan_amount_cents: int,
    currency: str,
    calendar: Calendar,
    occasion: Occasion,
    day: date,
    period: Range,
    *,
    trial_ends_at: datetime | None = None,
    period_paid: bool = False,
) -> SubscriptionFee | None:
    """The subscription fee of one invoice line, or None where the line has none (spec 2 §5.1, §5.2).

    `day` is the local date of the billing instant (for a termination, of `terminated_at`), `period` the line's
    subscription range, `trial_ends_at` what `trial_end` says. `period_paid`: another fee of this subscription for the
    same grid period is on an invoice that counts (spec 2 W-16), or `paid_before_creation` holds.

    Plan of 1000 a month in advance, started on 5 March: 27 of 31 days, 871. A free plan still has its fee of 0.
    """
    if not _fee_exists(calendar, occasion, day, trial_ends_at, period_paid=period_paid):
        return None
    billed = _billed_days(calendar, occasion, period, trial_ends_at)
    precise = prorated(plan_amount_cents, billed, period.full_days)
    amount = round_cents(precise)
    return SubscriptionFee(
        amount_cents=amount,
        precise_amount_cents=precise,
        units=1,
        precise_unit_amount=Decimal(amount) / subunits(currency),
        unit_amount_cents=amount,
        days=billed,
        full_days=period.full_days,
    )


def _fee_exists(
    calendar: Calendar, occasion: Occasion, day: date, trial_ends_at: datetime | None, *, period_paid: bool
) -> bool:
    if period_paid or occasion is Occasion.PROGRESSIVE:  # AMT-1; spec 2 PGB-3
        return False
    if occasion is Occasion.PERIODIC and not opens_period(calendar, day):  # AMT-2
        return False
    if in_trial(trial_ends_at, day, calendar):  # AMT-3
        return False
    if calendar.pay_in_advance:
        return not occasion.ends_subscription  # AMT-5
    return occasion is not Occasion.STARTING  # AMT-4


def _billed_days(calendar: Calendar, occasion: Occasion, period: Range, trial_ends_at: datetime | None) -> int:
    billed = period.days
    if trial_ends_at is not None and trial_ends_at >= period.end:
        billed = 0
    elif trial_ends_at is not None and trial_ends_at > period.start:
        billed = days(trial_ends_at, period.end, calendar.timezone)
    if occasion is Occasion.UPGRADED:  # the day of the upgrade belongs to the new plan
        billed = max(billed - 1, 0)
    return billed


# --- trials and backdating


def trial_end(first_started_at: datetime, trial_period_days: Decimal | None) -> datetime | None:
    """When the free trial ends; None without one (spec 2 TRI-1).

    `first_started_at` is the earliest start among the customer's subscriptions with this external id (W-17): a trial is
    granted once. `trial_period_days` is the current plan's, possibly with a fraction.
    """
    if not trial_period_days:
        return None
    return first_started_at + timedelta(milliseconds=int(trial_period_days * _MILLISECONDS_PER_DAY))


def in_trial(trial_ends_at: datetime | None, day: date, calendar: Calendar) -> bool:
    """Whether a local day lies before the trial's last one, on which the fee begins (spec 2 AMT-3)."""
    return trial_ends_at is not None and local_date(trial_ends_at, calendar.timezone) > day


def is_backdated(calendar: Calendar, started_at: datetime, created_at: datetime) -> bool:
    """Whether a subscription began on an earlier local day than it was created (spec 2 §5.2, W-2)."""
    return local_date(started_at, calendar.timezone) < local_date(created_at, calendar.timezone)


def paid_before_creation(
    calendar: Calendar,
    started_at: datetime,
    created_at: datetime,
    day: date,
    trial_ends_at: datetime | None = None,
) -> bool:
    """Whether the period that contains `day` counts as paid: in advance and backdated (spec 2 SUB-23).

    That is so up to the period of creation, whose first day has passed unbilled. A trial that ends on a later day
    than that of creation leaves a fee that was never due before, so its period is not paid.
    """
    if not calendar.pay_in_advance or not is_backdated(calendar, started_at, created_at):
        return False
    created_on = local_date(created_at, calendar.timezone)
    return not in_trial(trial_ends_at, created_on, calendar) and period_containing(calendar, day).start <= created_on


# --- credit for unused time


def unused_time(
    calendar: Calendar,
    terminated_at: datetime,
    *,
    upgraded: bool,
    plan_amount_cents: int,
    fee_amount_cents: int,
    credited_cents: Decimal | int = 0,
    trial_ends_at: datetime | None = None,
) -> UnusedTime | None:
    """The credit for the unused days of the advance fee F of the period that holds `terminated_at`, or None (§5.5).

    `plan_amount_cents` is the one stored with F, so that a later price doesn't distort it; `credited_cents` what
    credit notes have already given back of F. That F was issued, for this very period, on an invoice not voided, is
    for the caller to know.
    Terminated on 21 February 2025, 10 000 a month, F 7500: 7 of 28 days, 2500.
    """
    period = period_containing(calendar, local_date(terminated_at, calendar.timezone))
    unused = unused_days(calendar, terminated_at, upgraded=upgraded, trial_ends_at=trial_ends_at)
    worth = prorated(plan_amount_cents, unused, period.days)
    amount = min(worth, Decimal(fee_amount_cents)) - credited_cents
    return UnusedTime(amount, unused, period.days) if amount > ZERO else None


def unused_days(
    calendar: Calendar, terminated_at: datetime, *, upgraded: bool, trial_ends_at: datetime | None = None
) -> int:
    """Days from the first unused one to the last of the grid period that holds `terminated_at` (spec 2 AMT-20).

    The day of a termination is used, that of an upgrade isn't. Where a trial ends on the last used day or later, no day
    before the trial's end was paid for, and its own day comes back too (TRI-6); beyond the period there is nothing.
    """
    day = local_date(terminated_at, calendar.timezone)
    period = period_containing(calendar, day)
    last_used = day - DAY if upgraded else day
    first_unused = last_used + DAY
    if trial_ends_at is not None:
        trial_day = local_date(trial_ends_at, calendar.timezone)
        if trial_day >= last_used:
            first_unused = trial_day
    return max((period.end - first_unused).days, 0)
