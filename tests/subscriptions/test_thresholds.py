"""How far usage has come on the way to its thresholds (spec 1 §6.7, W23)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laguna.subscriptions.thresholds import RECURRING_LISTED_MAX, Passed, Reached, Thresholds, passed, progress

NOW = datetime(2024, 3, 1, tzinfo=UTC)


def listed(thresholds: Thresholds, total: int) -> list[tuple[int, str]]:
    return [(each.amount_cents, str(each.completion_ratio)) for each in progress(thresholds, total, Reached(NOW))]


@pytest.mark.parametrize(
    ("thresholds", "total", "expected"),
    [
        (Thresholds([100]), 23, [(100, "0.23")]),
        (Thresholds([200, 100]), 120, [(100, "1"), (200, "0.2")]),
        (Thresholds([100], 200), 120, [(100, "1"), (300, "0.1")]),
        (Thresholds([100], 200), 723, [(100, "1"), (300, "1"), (500, "1"), (700, "1"), (900, "0.115")]),
        # the first that isn't reached is under way, those after it aren't
        (Thresholds([100, 200, 400], 50), 150, [(100, "1"), (200, "0.5"), (400, "0"), (450, "0")]),
        # W23: the fixed threshold is no multiple of the recurring one
        (Thresholds([130], 100), 300, [(130, "1"), (230, "1"), (330, "0.7")]),
        (Thresholds([], 100), 250, [(100, "1"), (200, "1"), (300, "0.5")]),
        (Thresholds([100], 200), 100, [(100, "1"), (300, "0")]),
        (Thresholds([100, 100]), 0, [(100, "0")]),
        (Thresholds(), 500, []),
    ],
)
def test_thresholds_are_listed_with_how_far_usage_has_come(
    thresholds: Thresholds, total: int, expected: list[tuple[int, str]]
) -> None:
    assert listed(thresholds, total) == expected


def test_a_threshold_is_reached_when_its_invoice_was_made_else_now() -> None:
    first, second = NOW - timedelta(days=3), NOW - timedelta(days=2)
    found = progress(Thresholds([100, 150, 200, 300]), 250, Reached(NOW, [(120, first), (190, second)]))
    assert [each.reached_at for each in found] == [first, second, NOW, None]


def test_a_small_recurring_threshold_lists_only_the_latest_multiples() -> None:
    found = progress(Thresholds([], 1), 10**12, Reached(NOW))
    assert len(found) == RECURRING_LISTED_MAX + 1
    assert [found[0].amount_cents, found[-1].amount_cents] == [10**12 - RECURRING_LISTED_MAX + 1, 10**12 + 1]


AMOUNTS = st.integers(1, 10_000)


@given(st.lists(AMOUNTS, max_size=5), st.none() | AMOUNTS, st.integers(0, 100_000))
def test_amounts_rise_and_only_one_threshold_is_under_way(fixed: list[int], recurring: int | None, total: int) -> None:
    found = progress(Thresholds(fixed, recurring), total, Reached(NOW))
    amounts = [each.amount_cents for each in found]
    assert amounts == sorted(set(amounts))
    for each in found:
        assert (each.completion_ratio == 1) == (each.amount_cents <= total) == (each.reached_at is not None)
    assert sum(Decimal(0) < each.completion_ratio < 1 for each in found) <= 1


# --- passing them (spec 2 PGB-2)


@pytest.mark.parametrize(
    ("thresholds", "billed", "more", "expected"),
    [
        (Thresholds([20_000]), 0, 20_000, Passed((20_000,))),  # 7.I
        (Thresholds([20_000]), 20_000, 20_000, Passed()),
        (Thresholds([20_000, 50_000]), 20_000, 20_000, Passed()),  # 7.J
        (Thresholds([20_000, 50_000]), 20_000, 40_000, Passed((50_000,))),
        (Thresholds([500, 200, 700], 1000), 0, 220, Passed((200,))),  # 7.M3
        (Thresholds([500, 200, 700], 1000), 220, 220, Passed()),
        (Thresholds([500, 200, 700], 1000), 220, 440, Passed((500,))),
        (Thresholds([500, 200, 700], 1000), 660, 220, Passed((700,))),
        (Thresholds([500, 200, 700], 1000), 880, 2200, Passed((), True)),
        (Thresholds([500, 200, 700], 1000), 3080, 2200, Passed((), True)),
        (Thresholds([500, 200, 700], 1000), 5280, 2200, Passed((), True)),
        (Thresholds([500, 200, 700], 1000), 0, 5000, Passed((200, 500, 700), True)),
        (Thresholds([100], 1000), 99, 1000, Passed((100,))),
        (Thresholds([100], 1000), 99, 1001, Passed((100,), True)),
        (Thresholds([], 100), 0, 99, Passed()),
        (Thresholds([], 100), 199, 1, Passed((), True)),
        (Thresholds([100]), 50, -60, Passed()),
        (Thresholds([100]), 50, 0, Passed()),
        (Thresholds(), 0, 10**9, Passed()),
    ],
)
def test_usage_passes_what_lies_on_its_way(thresholds: Thresholds, billed: int, more: int, expected: Passed) -> None:
    assert passed(thresholds, billed, more) == expected


@given(st.lists(AMOUNTS, max_size=5), st.none() | AMOUNTS, st.lists(st.integers(0, 20_000), max_size=8))
def test_each_fixed_threshold_is_passed_once_and_all_that_are_reached_are(
    fixed: list[int], recurring: int | None, steps: list[int]
) -> None:
    thresholds = Thresholds(fixed, recurring)
    met: list[int] = []
    times = billed = used = 0
    for step in steps:
        used += step
        found = passed(thresholds, billed, used - billed)
        met += found.fixed
        times += found.recurring
        if found:
            billed = used
        assert not passed(thresholds, billed, 0)
    assert sorted(met) == sorted(amount for amount in set(fixed) if amount <= used)
    largest = max(fixed, default=0)
    if recurring is not None:
        assert times <= max(used - largest, 0) // recurring
        assert (times > 0) == (used - largest >= recurring)
