"""What aggregations make of the rows of their SQL: the worked examples (spec 1 §§2.3, 2.4, 5.3 to 5.5)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laguna.metrics.aggregations import AGGREGATIONS, Detail, Shape
from laguna.metrics.aggregations.base import Change, Prorated
from laguna.metrics.window import Window, whole

D = Decimal
PERIOD = whole(datetime(2023, 7, 9, tzinfo=UTC), datetime(2023, 8, 9, tzinfo=UTC))  # 31 days
MAY = whole(datetime(2023, 5, 1, tzinfo=UTC), datetime(2023, 6, 1, tzinfo=UTC))
AUGUST = whole(datetime(2023, 8, 1, tzinfo=UTC), datetime(2023, 9, 1, tzinfo=UTC))
SEPTEMBER = whole(datetime(2023, 9, 1, tzinfo=UTC), datetime(2023, 10, 1, tzinfo=UTC))
MILLISECOND = timedelta(milliseconds=1)


def at(text: str) -> datetime:
    """ "07-19" or "07-19 10:00" of 2023."""
    day, _, clock = text.partition(" ")
    return datetime.fromisoformat(f"2023-{day}T{clock or '00:00'}:00+00:00")


def shape(kind: str, detail: Detail = Detail.TOTALS, keys: int = 0) -> Shape:
    return Shape(kind, derived=True, recurring=True, detail=detail, keys=keys)


def ended(period: Window, last: str, *, upgraded: bool = False) -> Window:
    """The period up to an instant on a day; the day itself is another subscription's after an upgrade."""
    end = at(last)
    days = (end.date() - period.first_day).days + 1
    day = end.date() - timedelta(days=1) if upgraded else end.date()
    return Window(period.start, end + MILLISECOND, end, days - upgraded, period.full_days, day)


def begun(period: Window, first: str) -> Window:
    start = at(first)
    days = (period.last_day - start.date()).days + 1
    return Window(start, period.until, period.end, days, period.full_days, period.last_day)


def prorated_sum(window: Window, carried: str, *events: tuple[str, str]) -> Prorated:
    rows: list[Any] = [(D(carried), 1, None, None)] if D(carried) else []
    rows += [(D(value), 1, at(when), number) for number, (when, value) in enumerate(events)]
    prorate = AGGREGATIONS["sum_agg"].prorate
    assert prorate is not None
    return prorate(rows, window)


def test_a_sum_by_the_day() -> None:
    usage = prorated_sum(MAY, "5", ("05-26 10:00", "12"), ("05-26 11:00", "12"))
    assert (usage.units, usage.full_units, usage.events_count) == (D("9.64517"), D(29), 3)
    assert prorated_sum(MAY, "0", ("05-31 09:00", "4.5")).units == D("0.14517")
    assert prorated_sum(MAY, "0", ("05-31 09:00", "12"), ("05-31 10:00", "8")).units == D("0.64517")


def test_a_sum_counts_what_comes_at_the_very_start_once() -> None:
    assert prorated_sum(MAY, "0", ("05-01", "3")).units == D(3)


def test_what_was_carried_over_is_paid_for_the_days_there_are() -> None:
    assert prorated_sum(begun(MAY, "05-15"), "5").units == D("2.74194")  # ceil(5 x 17/31, 5)
    upgraded = ended(MAY, "05-15 08:00", upgraded=True)
    assert prorated_sum(upgraded, "5").units == D("2.25807")  # 14 days
    assert prorated_sum(upgraded, "0", ("05-14 09:00", "31")).units == D(2)  # the day before and the day itself
    changes = prorated_sum(ended(PERIOD, "07-15"), "6", ("07-15", "1")).changes
    assert changes == [Change(D(6), D(6) * (D(7) / 31)), Change(D(1), D(1) / 31)]


def history(*changes: tuple[str, str, str]) -> list[Any]:
    """(when, value, "add" or "remove") as rows, each of them in the period."""
    return [(value, at(when), number, kind == "add", 1) for number, (when, value, kind) in enumerate(changes)]


def unique(window: Window, *changes: tuple[str, str, str]) -> Prorated:
    prorate = AGGREGATIONS["unique_count_agg"].prorate
    assert prorate is not None
    return prorate(history(*changes), window)


BEFORE = ("06-09 12:00", "a", "add")
UNIQUE = [
    ("for the full period", PERIOD, [BEFORE], "1", 1),
    ("another one on day 11", PERIOD, [BEFORE, ("07-19", "b", "add")], "1.67742", 2),
    ("added on day 16", PERIOD, [("07-24", "a", "add")], "0.51613", 1),
    ("removed on day 16", PERIOD, [BEFORE, ("07-24 09:00", "a", "remove")], "0.51613", 0),
    ("removed on the last day", PERIOD, [BEFORE, ("08-08 23:59", "a", "remove")], "1", 0),
    ("there for 29 days", PERIOD, [("07-10", "a", "add"), ("08-07", "a", "remove")], "0.93549", 0),
    (
        "twice on one day",
        PERIOD,
        [(f"07-20 {hour}:00", "a", kind) for hour, kind in ((10, "add"), (11, "remove"), (12, "add"), (13, "remove"))],
        "0.03226",
        0,
    ),
    (
        "on three days",
        PERIOD,
        [
            (f"07-{day} {hour}", "a", kind)
            for day in (12, 14, 16)
            for hour, kind in (("10:00", "add"), ("12:00", "remove"))
        ],
        "0.09678",
        0,
    ),
    (
        "taken back and repeated",
        PERIOD,
        [
            BEFORE,
            *(
                (f"07-10 {hour}:00", "a", kind)
                for hour, kind in ((10, "add"), (11, "add"), (12, "remove"), (13, "add"))
            ),
            ("07-12 10:00", "a", "add"),
            ("07-12 11:00", "a", "remove"),
        ],
        "0.12904",
        0,
    ),
    ("terminated", ended(PERIOD, "07-24 10:00"), [BEFORE], "0.51613", 1),
    ("upgraded", ended(PERIOD, "07-24 10:00", upgraded=True), [BEFORE], "0.48388", 1),
    ("started", begun(PERIOD, "08-01"), [BEFORE], "0.25807", 1),
    ("gone before", PERIOD, [BEFORE, ("06-20", "a", "remove")], "0", 0),
    ("never there", PERIOD, [("07-20", "a", "remove")], "0", 0),
]


@pytest.mark.parametrize(
    ("window", "changes", "units", "full"), [case[1:] for case in UNIQUE], ids=[c[0] for c in UNIQUE]
)
def test_unique_values_by_the_day(
    window: Window, changes: Sequence[tuple[str, str, str]], units: str, full: int
) -> None:
    usage = unique(window, *changes)
    assert (usage.units, usage.full_units) == (D(units), D(full))


def test_the_changes_of_unique_values() -> None:
    """What is gone before the period isn't among them, so that it moves nothing else."""
    changes = unique(
        SEPTEMBER,
        ("08-01", "gone", "add"),
        ("08-02", "gone", "remove"),
        ("09-10", "a", "add"),
        ("09-12", "a", "remove"),
        ("09-14", "a", "add"),
    ).changes
    assert changes == [
        Change(D(1), D(3) / 30),
        Change(D(-1), D(0)),
        Change(D(1), D(17) / 30),
    ]


def weighted(window: Window, carried: str, *events: tuple[datetime, str]) -> tuple[Decimal, int, Decimal | None]:
    """As the SQL condenses them."""
    area = sum((D(value) * D((window.closes_at - when).total_seconds()) for when, value in events), D(0))
    row = (D(carried), sum((D(value) for _, value in events), D(0)), area, len(events))
    usage = AGGREGATIONS["weighted_sum_agg"].combine(shape("weighted_sum_agg"), [row], window)
    return usage.units, usage.events_count, usage.total_units


def test_a_running_sum_weighted_by_time() -> None:
    hours = [("0:00", 2), ("1:00", 3), ("1:30", 1), ("2:00", -4), ("4:00", -2), ("5:00", 10), ("5:30", -10)]
    events = [(at(f"08-01 {clock:0>5}"), str(value)) for clock, value in hours]
    assert weighted(AUGUST, "0", *events)[0].quantize(D("0.00001")) == D("0.02218")
    units, count, total = weighted(AUGUST, "1000", *events)
    assert (units.quantize(D("0.00001")), count, total) == (D("1000.02218"), 7, D(1000))
    assert weighted(AUGUST, "1000") == (D(1000), 0, D(1000))
    assert weighted(AUGUST, "0", (at("08-01"), "1000"))[0] == 1000
    assert weighted(AUGUST, "0", (at("08-01"), "3"), (at("08-01"), "3"))[0] == 6


def test_a_late_start_weighs_less() -> None:
    march = whole(datetime(2023, 3, 1, tzinfo=UTC), datetime(2023, 4, 1, tzinfo=UTC))
    april = whole(datetime(2023, 4, 1, tzinfo=UTC), datetime(2023, 5, 1, tzinfo=UTC))
    units, _, total = weighted(begun(march, "03-05"), "0", (at("03-05"), "2500"))
    assert (units.quantize(D("0.00001")), total) == (D("2177.41935"), D(2500))
    units, _, total = weighted(april, "2500", (at("04-04"), "-2000"), (at("04-06"), "-200"))
    assert (units.quantize(D("0.00001")), total) == (D("533.33333"), D(300))


def test_of_several_combinations_the_last_value_is_the_latest() -> None:
    rows = [(at("05-02"), 7, D(3), 2), (at("05-02"), 9, D(14), 2), (at("05-01"), 10, D(50), 1)]
    latest = AGGREGATIONS["latest_agg"].combine(shape("latest_agg", keys=1), rows, MAY)
    assert (latest.units, latest.events_count) == (D(14), 5)
    assert AGGREGATIONS["latest_agg"].combine(shape("latest_agg"), [(at("05-02"), 1, D(-3), 1)], MAY).units == 0
    assert AGGREGATIONS["latest_agg"].combine(shape("latest_agg"), [], MAY).units == 0


def test_a_value_in_several_combinations_is_present_as_its_last_event_says() -> None:
    rows = [("a", at("05-01"), 1, True, 1), ("a", at("05-02"), 2, False, 3), ("b", at("04-01"), 3, True, 0)]
    usage = AGGREGATIONS["unique_count_agg"].combine(shape("unique_count_agg", keys=1), rows, MAY)
    assert (usage.units, usage.events_count, usage.paying_events) == (1, 4, 1)


CHANGES = st.lists(
    st.tuples(st.dates(date(2023, 6, 1), date(2023, 8, 8)), st.integers(0, 23), st.sampled_from("abc"), st.booleans()),
    max_size=12,
)


@given(CHANGES)
def test_laws_of_unique_values_by_the_day(drawn: list[tuple[date, int, str, bool]]) -> None:
    """Never more than all values for all days; those held at the end are there for a day at least; each value for
    itself or all together is the same."""
    rows = [
        (value, datetime(day.year, day.month, day.day, hour, tzinfo=UTC), number, added, 1)
        for number, (day, hour, value, added) in enumerate(drawn)
    ]
    prorate = AGGREGATIONS["unique_count_agg"].prorate
    assert prorate is not None
    usage = prorate(rows, PERIOD)
    assert 0 <= usage.units <= len({value for value, *_ in rows})
    assert usage.full_units <= usage.units * 31 + 1
    assert sum((change.full for change in usage.changes), D(0)) == usage.full_units
    apart = [prorate([row for row in rows if row[0] == value], PERIOD) for value in "abc"]
    assert abs(sum((each.units for each in apart), D(0)) - usage.units) <= D("0.00003")


@given(st.lists(st.tuples(st.integers(0, 30), st.decimals(-1000, 1000, places=3)), max_size=8))
def test_a_sum_for_all_days_is_the_sum(drawn: list[tuple[int, Decimal]]) -> None:
    first = [(value, 1, PERIOD.start, number) for number, (_, value) in enumerate(drawn)]
    prorate = AGGREGATIONS["sum_agg"].prorate
    assert prorate is not None
    usage = prorate(first, PERIOD)
    assert usage.units == usage.full_units == sum((value for _, value in drawn), D(0))
