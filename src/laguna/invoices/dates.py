"""When an invoice is issued, finalized and due (spec 2 §4.5). Pure: days are local dates of the customer's zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum


class IssuingAnchor(StrEnum):
    """`subscription_invoice_issuing_date_anchor`: the day that a periodic invoice is dated from."""

    CURRENT_PERIOD_END = "current_period_end"
    NEXT_PERIOD_START = "next_period_start"


class IssuingAdjustment(StrEnum):
    """`subscription_invoice_issuing_date_adjustment`: whether the grace period moves that date."""

    KEEP_ANCHOR = "keep_anchor"
    ALIGN_WITH_FINALIZATION_DATE = "align_with_finalization_date"


class Timing(StrEnum):
    """How an invoice is dated, by why it was made."""

    RECURRING = "recurring"  # the periodic run, downgrades included
    SUBSCRIPTION = "subscription"  # start, termination, upgrade, end of a trial
    IMMEDIATE = "immediate"  # in-advance charge, one-off, credit, progressive, advance charges, payment-gated: no grace


@dataclass(frozen=True, slots=True)
class DateSettings:
    """The resolved settings of customer and billing entity (spec 2 CUS-11, CUS-13, CUS-15)."""

    grace_period_days: int = 0
    net_payment_term_days: int = 0
    anchor: IssuingAnchor = IssuingAnchor.NEXT_PERIOD_START
    adjustment: IssuingAdjustment = IssuingAdjustment.ALIGN_WITH_FINALIZATION_DATE


@dataclass(frozen=True, slots=True)
class InvoiceDates:
    issuing_date: date
    expected_finalization_date: date
    payment_due_date: date


def invoice_dates(timing: Timing, day: date, settings: DateSettings) -> InvoiceDates:
    """The dates of a new invoice; `day` is the local date of the billing instant (spec 2 §4.5).

    Run on 1 March with 3 days of grace and a term of 30 days: issued 4 March, due 3 April.
    """
    issuing = day + _issuing_offset(timing, settings)
    return InvoiceDates(
        issuing_date=issuing,
        expected_finalization_date=day + _grace(timing, settings),
        payment_due_date=_due(issuing, settings),
    )


def finalized_dates(timing: Timing, draft: InvoiceDates, today: date, settings: DateSettings) -> InvoiceDates:
    """The dates of a draft that is finalized on the local day `today`, by hand or by the timer (spec 2 ISS-2).

    It is issued today, save a periodic one that keeps its anchor: the due date follows in both cases.
    """
    keeps = timing is Timing.RECURRING and settings.adjustment is IssuingAdjustment.KEEP_ANCHOR
    issuing = draft.issuing_date if keeps else today
    return InvoiceDates(issuing, draft.expected_finalization_date, _due(issuing, settings))


def shifted_dates(timing: Timing, draft: InvoiceDates, old: DateSettings, new: DateSettings) -> InvoiceDates:
    """The dates of a draft after a change of settings: each moves by the difference (spec 2 CUS-20, CUS-21).

    A draft that `is_due` then is to be finalized right away.
    """
    issuing = draft.issuing_date + _issuing_offset(timing, new) - _issuing_offset(timing, old)
    finalization = draft.expected_finalization_date + _grace(timing, new) - _grace(timing, old)
    return InvoiceDates(issuing, finalization, _due(issuing, new))


def is_due(dates: InvoiceDates, today: date) -> bool:
    """Whether a draft is to be finalized on the customer's local day `today` (spec 2 ISS-3, W-15)."""
    return dates.expected_finalization_date <= today


def _issuing_offset(timing: Timing, settings: DateSettings) -> timedelta:
    """From the billing day to the issuing date."""
    if timing is not Timing.RECURRING:
        return _grace(timing, settings)
    aligned = settings.adjustment is IssuingAdjustment.ALIGN_WITH_FINALIZATION_DATE
    if aligned and settings.grace_period_days > 0:
        return _grace(timing, settings)
    return timedelta(days=-1 if settings.anchor is IssuingAnchor.CURRENT_PERIOD_END else 0)


def _grace(timing: Timing, settings: DateSettings) -> timedelta:
    return timedelta(days=0 if timing is Timing.IMMEDIATE else settings.grace_period_days)


def _due(issuing: date, settings: DateSettings) -> date:
    """Issuing date + net payment term (spec 2 ISS-1)."""
    return issuing + timedelta(days=settings.net_payment_term_days)
