"""Changing the plan of a subscription: which way it goes, by the price of a year (spec 2 PLN-1, SUB-13). Pure."""

from __future__ import annotations

from laguna.models import Plan
from laguna.subscriptions.grid import Interval

_PERIODS_PER_YEAR = {
    Interval.WEEKLY: 52,
    Interval.MONTHLY: 12,
    Interval.QUARTERLY: 4,
    Interval.SEMIANNUAL: 2,
    Interval.YEARLY: 1,
}


def yearly_amount_cents(interval: str, amount_cents: int) -> int:
    """What a plan costs in a year: 1000 a month -> 12000."""
    return amount_cents * _PERIODS_PER_YEAR[Interval(interval)]


def is_upgrade(current: Plan, wanted: Plan) -> bool:
    """Whether a change happens at once: the wanted plan costs as much a year, or more. Else it waits for the period's
    end."""
    return yearly_amount_cents(wanted.interval, wanted.amount_cents) >= yearly_amount_cents(
        current.interval, current.amount_cents
    )
