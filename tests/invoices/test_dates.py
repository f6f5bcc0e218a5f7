"""Issuing, finalization and due dates (spec 2 §4.5)."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laguna.invoices.dates import (
    DateSettings,
    InvoiceDates,
    IssuingAdjustment,
    IssuingAnchor,
    Timing,
    finalized_dates,
    invoice_dates,
    is_due,
    shifted_dates,
)

PERIOD_END, NEXT_START = IssuingAnchor.CURRENT_PERIOD_END, IssuingAnchor.NEXT_PERIOD_START
KEEP, ALIGN = IssuingAdjustment.KEEP_ANCHOR, IssuingAdjustment.ALIGN_WITH_FINALIZATION_DATE
MARCH_1 = date(2024, 3, 1)
ALL_RULES = list(product(IssuingAnchor, IssuingAdjustment))


def march(number: int) -> date:
    """A day of March 2024; 0 is 29 February."""
    return MARCH_1 + timedelta(days=number - 1)


@pytest.mark.parametrize(
    ("timing", "anchor", "adjustment", "grace", "issued", "finalized"),
    [
        *[(Timing.SUBSCRIPTION, anchor, adjustment, 0, march(1), march(1)) for anchor, adjustment in ALL_RULES],
        *[(Timing.SUBSCRIPTION, anchor, adjustment, 3, march(4), march(4)) for anchor, adjustment in ALL_RULES],
        (Timing.RECURRING, NEXT_START, ALIGN, 0, march(1), march(1)),
        (Timing.RECURRING, NEXT_START, ALIGN, 3, march(4), march(4)),
        (Timing.RECURRING, NEXT_START, KEEP, 0, march(1), march(1)),
        (Timing.RECURRING, NEXT_START, KEEP, 3, march(1), march(4)),
        (Timing.RECURRING, PERIOD_END, KEEP, 0, march(0), march(1)),
        (Timing.RECURRING, PERIOD_END, KEEP, 3, march(0), march(4)),
        (Timing.RECURRING, PERIOD_END, ALIGN, 0, march(0), march(1)),
        (Timing.RECURRING, PERIOD_END, ALIGN, 3, march(4), march(4)),
        *[(Timing.IMMEDIATE, anchor, adjustment, 3, march(1), march(1)) for anchor, adjustment in ALL_RULES],
    ],
)
def test_an_invoice_is_dated_by_its_kind_anchor_adjustment_and_grace(
    timing: Timing, anchor: IssuingAnchor, adjustment: IssuingAdjustment, grace: int, issued: date, finalized: date
) -> None:
    dates = invoice_dates(timing, MARCH_1, DateSettings(grace, 30, anchor, adjustment))
    assert dates == InvoiceDates(issued, finalized, issued + timedelta(days=30))


@pytest.mark.parametrize(
    ("anchor", "adjustment", "draft", "final"),
    [
        (NEXT_START, ALIGN, (march(4), date(2024, 4, 3)), (march(4), date(2024, 4, 3))),
        (NEXT_START, KEEP, (march(1), march(31)), (march(1), march(31))),
        (PERIOD_END, KEEP, (march(0), march(30)), (march(0), march(30))),
    ],
)
def test_a_monthly_run_with_three_days_of_grace_and_thirty_days_to_pay(
    anchor: IssuingAnchor, adjustment: IssuingAdjustment, draft: tuple[date, date], final: tuple[date, date]
) -> None:
    """Ex. 4.F."""
    settings = DateSettings(3, 30, anchor, adjustment)
    dates = invoice_dates(Timing.RECURRING, MARCH_1, settings)
    assert (dates.issuing_date, dates.payment_due_date) == draft
    assert not is_due(dates, march(3))
    assert is_due(dates, march(4))
    assert is_due(dates, march(5))
    done = finalized_dates(Timing.RECURRING, dates, march(4), settings)
    assert (done.issuing_date, done.payment_due_date) == final


def test_a_draft_finalized_early_or_late_is_issued_on_that_day() -> None:
    """ISS-2."""
    settings = DateSettings(3, 30)
    for timing in (Timing.RECURRING, Timing.SUBSCRIPTION):
        draft = invoice_dates(timing, MARCH_1, settings)
        for today in (march(2), march(9)):
            done = finalized_dates(timing, draft, today, settings)
            assert (done.issuing_date, done.payment_due_date) == (today, today + timedelta(days=30))
            assert done.expected_finalization_date == march(4)


def test_only_a_periodic_draft_keeps_its_anchor_when_finalized() -> None:
    settings = DateSettings(3, 30, NEXT_START, KEEP)
    periodic = finalized_dates(Timing.RECURRING, invoice_dates(Timing.RECURRING, MARCH_1, settings), march(9), settings)
    assert (periodic.issuing_date, periodic.payment_due_date) == (march(1), march(31))
    started = finalized_dates(
        Timing.SUBSCRIPTION, invoice_dates(Timing.SUBSCRIPTION, MARCH_1, settings), march(9), settings
    )
    assert started.issuing_date == march(9)


def test_a_shorter_grace_period_brings_drafts_forward_and_may_make_them_due() -> None:
    """CUS-20: from 5 days to 2, on 3 March."""
    draft = invoice_dates(Timing.RECURRING, MARCH_1, DateSettings(5, 10))
    shifted = shifted_dates(Timing.RECURRING, draft, DateSettings(5, 10), DateSettings(2, 10))
    assert shifted == InvoiceDates(march(3), march(3), march(13))
    assert is_due(shifted, march(3))
    assert not is_due(draft, march(3))


def test_keeping_the_anchor_moves_the_issuing_date_of_drafts_but_not_their_finalization() -> None:
    old, new = DateSettings(5, 10), DateSettings(5, 10, PERIOD_END, KEEP)
    shifted = shifted_dates(Timing.RECURRING, invoice_dates(Timing.RECURRING, MARCH_1, old), old, new)
    assert shifted == InvoiceDates(march(0), march(6), march(10))
    started = shifted_dates(Timing.SUBSCRIPTION, invoice_dates(Timing.SUBSCRIPTION, MARCH_1, old), old, new)
    assert started.issuing_date == march(6)


def test_a_new_payment_term_changes_only_the_due_date_of_drafts() -> None:
    """CUS-21."""
    old, new = DateSettings(3, 10), DateSettings(3, 45)
    draft = invoice_dates(Timing.RECURRING, MARCH_1, old)
    assert shifted_dates(Timing.RECURRING, draft, old, new) == InvoiceDates(march(4), march(4), date(2024, 4, 18))


some_settings = st.builds(
    DateSettings,
    grace_period_days=st.integers(0, 60),
    net_payment_term_days=st.integers(0, 90),
    anchor=st.sampled_from(IssuingAnchor),
    adjustment=st.sampled_from(IssuingAdjustment),
)


@given(st.sampled_from(Timing), some_settings, some_settings)
def test_law_a_shifted_draft_has_the_dates_it_would_have_been_made_with(
    timing: Timing, old: DateSettings, new: DateSettings
) -> None:
    draft = invoice_dates(timing, MARCH_1, old)
    assert shifted_dates(timing, draft, old, new) == invoice_dates(timing, MARCH_1, new)
