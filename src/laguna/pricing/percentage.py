"""Percentage: a rate of the units, and an amount per event, some of them free (spec 1 §3.9.4). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any

from laguna.kernel.money import ZERO, decimal_text
from laguna.pricing.price import Price, Reads, Usage, per_unit
from laguna.pricing.properties import Cleaning, read_decimal_text

_HUNDRED = Decimal(100)
_ONE = Decimal(1)
_ONE_A_TIME = frozenset({"count_agg", "unique_count_agg"})  # each event is a unit
BOUNDS = ("per_transaction_min_amount", "per_transaction_max_amount")


@dataclass(frozen=True, slots=True)
class _Terms:
    """The properties as numbers; an allowance or amount that isn't set is 0, a bound None."""

    rate: Decimal
    fixed: Decimal
    free_events: int
    free_total: Decimal
    lowest: Decimal | None
    highest: Decimal | None

    @property
    def is_bounded(self) -> bool:
        return self.lowest is not None or self.highest is not None

    def rated(self, units: Decimal) -> Decimal:
        return units * self.rate / _HUNDRED

    def bounded(self, amount: Decimal) -> Decimal:
        if self.lowest is not None:
            amount = max(amount, self.lowest)
        return amount if self.highest is None else min(amount, self.highest)


def _terms(properties: Mapping[str, Any]) -> _Terms:
    lowest, highest = (properties.get(bound) for bound in BOUNDS)
    return _Terms(
        rate=Decimal(properties["rate"]),
        fixed=Decimal(properties.get("fixed_amount") or 0),
        free_events=int(properties.get("free_units_per_events") or 0),
        free_total=Decimal(properties.get("free_units_per_total_aggregation") or 0),
        lowest=None if lowest is None else Decimal(lowest),
        highest=None if highest is None else Decimal(highest),
    )


@dataclass(frozen=True, slots=True)
class _Free:
    """Units free of the rate, and events free of the amount per event."""

    units: Decimal = ZERO
    events: int = 0


def price(usage: Usage, properties: Mapping[str, Any]) -> Price:
    """Rate 1.3 %, 2 per event, the first 3 events or 250 units free: 4 events of 50, 100, 250, 400 cost 11.15.

    Usage is free until the first of both allowances is used up, with and without bounds (W14); the event that reaches
    the free total pays what is above it, and the amount per event. Details add up: the rated and the fixed part and
    the adjustment by bounds are the amount.
    """
    terms = _terms(properties)
    free = _free(usage, terms)
    paid_units = max(usage.units - free.units, ZERO)
    paid_events = max(usage.events_count - free.events, 0) if usage.units else 0
    rated, fixed = terms.rated(paid_units), paid_events * terms.fixed
    amount = _by_transaction(usage, terms, free, paid_events) if terms.is_bounded else rated + fixed
    details = {
        "units": decimal_text(usage.units),
        "free_units": decimal_text(free.units),
        "free_events": free.events,
        "paid_units": decimal_text(paid_units),
        "rate": decimal_text(terms.rate),
        "per_unit_total_amount": decimal_text(rated),
        "paid_events": paid_events,
        "fixed_fee_unit_amount": decimal_text(terms.fixed if paid_events else ZERO),
        "fixed_fee_total_amount": decimal_text(fixed),
        "min_max_adjustment_total_amount": decimal_text(amount - (rated + fixed)),
    }
    return Price(amount, per_unit(amount, usage.units), details)


def _free(usage: Usage, terms: _Terms) -> _Free:
    if not terms.free_events and not terms.free_total:
        return _Free()
    if usage.aggregation_type in _ONE_A_TIME:
        return _free_of_ones(int(usage.units), terms)
    if usage.aggregation_type == "sum_agg":
        return _free_of_sum(usage.values, terms)
    return _Free(ZERO, terms.free_events)  # no event has a share in the units: none of them can be free


def _free_events(terms: _Terms, below_total: int) -> int:
    """The fewest that a set allowance leaves free; `below_total` events stay below the free total."""
    if not terms.free_total:
        return terms.free_events
    return min(terms.free_events or below_total, below_total)


def _free_of_ones(count: int, terms: _Terms) -> _Free:
    """Where each event is one unit, the running total is 1, 2, 3, ..."""
    total = terms.free_total
    units = Decimal(min(count, terms.free_events or count))
    below_total = min(count, max(int(total.to_integral_value(ROUND_CEILING)) - 1, 0))
    return _Free(min(units, total or units), _free_events(terms, below_total))


def _free_of_sum(values: Sequence[Decimal], terms: _Terms) -> _Free:
    """Of the running total of the events that may be free: the first ones, else until it is more than the total."""
    units, below_total = ZERO, 0
    for value in values[: terms.free_events or None]:
        units += value
        below_total += units < terms.free_total
        if not terms.free_events and units > terms.free_total:
            break
    return _Free(min(units, terms.free_total or units), _free_events(terms, below_total))


@dataclass(frozen=True, slots=True)
class _Transactions:
    """So many `times` the same: what is paid of the units, and the amount per event."""

    times: int
    paid: Decimal
    fixed: Decimal


def _by_transaction(usage: Usage, terms: _Terms, free: _Free, paid_events: int) -> Decimal:
    """The sum of what the events cost, each within the bounds."""
    return sum(
        (
            each.times * terms.bounded(terms.rated(each.paid) + each.fixed)
            for each in _transactions(usage, terms, free, paid_events)
        ),
        ZERO,
    )


def _transactions(usage: Usage, terms: _Terms, free: _Free, paid_events: int) -> Iterator[_Transactions]:
    """The events that aren't wholly free."""
    if usage.aggregation_type == "sum_agg":
        yield from (_Transactions(1, paid, terms.fixed) for paid in _paid(usage.values, terms))
    elif usage.units and usage.aggregation_type in _ONE_A_TIME:
        count = int(usage.units)
        entirely_free = min(free.events, count)
        partly_free = free.units - entirely_free  # of the event that reaches the free total
        yield _Transactions(count - entirely_free - (1 if partly_free else 0), _ONE, terms.fixed)
        if partly_free:
            yield _Transactions(1, _ONE - partly_free, terms.fixed)
    elif usage.units:  # one event has all the units, the others none (spec 1 §3.9.4)
        yield _Transactions(1, usage.units, terms.fixed if paid_events else ZERO)
        yield _Transactions(max(paid_events - 1, 0), ZERO, terms.fixed)


def _paid(values: Sequence[Decimal], terms: _Terms) -> Iterator[Decimal]:
    """What isn't free of each event that isn't wholly free."""
    has_events, has_total = bool(terms.free_events), bool(terms.free_total)
    events, total = terms.free_events, terms.free_total
    is_free = has_events or has_total
    for value in values:
        paid = value
        if is_free and not (has_events and not events):
            if not has_total or value < total:
                events, total = events - 1, total - value
                continue
            paid = value - total
        is_free = False
        yield paid


def evidence(usage: Usage, properties: Mapping[str, Any]) -> dict[str, Any]:
    """Where amounts have bounds: how many events come to the lowest and to the highest, and for the others how many
    units, and how often the amount per event."""
    terms = _terms(properties)
    if not terms.is_bounded:
        return {}
    free = _free(usage, terms)
    paid_events = max(usage.events_count - free.events, 0) if usage.units else 0
    at_lowest = at_highest = fixed_times = 0
    units = ZERO
    for each in _transactions(usage, terms, free, paid_events):
        amount = terms.rated(each.paid) + each.fixed
        bounded = terms.bounded(amount)
        if bounded > amount:
            at_lowest += each.times
        elif bounded < amount:
            at_highest += each.times
        else:
            units += each.paid * each.times
            fixed_times += each.times if each.fixed else 0
    return {"at_lowest": at_lowest, "at_highest": at_highest, "between_units": str(units), "fixed_times": fixed_times}


def reads(properties: Mapping[str, Any]) -> Reads:
    """Each event's value, where events are free or have bounds."""
    terms = _terms(properties)
    return Reads.VALUES if terms.free_events or terms.free_total or terms.is_bounded else Reads.UNITS


def default_properties() -> dict[str, Any]:
    return {"rate": "0"}


def clean(properties: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """What of `properties` can be stored, and the codes of what is wrong."""
    cleaning = Cleaning(properties)
    cleaning.price("rate", "invalid_rate")
    cleaning.optional_price("fixed_amount", "invalid_fixed_amount")
    cleaning.optional_integer("free_units_per_events", 1, "invalid_free_units_per_events")
    cleaning.optional_price("free_units_per_total_aggregation", "invalid_free_units_per_total_aggregation")
    for bound in BOUNDS:
        cleaning.optional_price(bound, "invalid_amount")
    lowest, highest = (read_decimal_text(cleaning.kept.get(bound)) for bound in BOUNDS)
    if lowest is not None and highest is not None and highest < lowest:
        cleaning.codes.append("per_transaction_max_lower_than_per_transaction_min")
    return cleaning.result()
