"""Percentage: a rate of the units, and an amount per event, some of them free (spec 1 §3.9.4). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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

    def of(self, units: Decimal) -> Decimal:
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
    units: Decimal = ZERO
    events: int = 0


def price(usage: Usage, properties: Mapping[str, Any]) -> Price:
    """Rate 1.3 %, 2 per event, the first 3 events or 250 units free: 4 events of 50, 100, 250, 400 cost 11.15."""
    terms = _terms(properties)
    free = _free(usage, terms)
    paid_units = max(usage.units - free.units, ZERO)
    paid_events = max(usage.events_count - free.events, 0) if usage.units else 0
    rated, fixed = terms.of(paid_units), paid_events * terms.fixed
    amount = rated + fixed
    adjustment = ZERO
    if terms.is_bounded:
        amount, unbounded = _by_transaction(usage, terms)
        adjustment = amount - unbounded
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
        "min_max_adjustment_total_amount": decimal_text(adjustment),
    }
    return Price(amount, per_unit(amount, usage.units), details)


def _free(usage: Usage, terms: _Terms) -> _Free:
    """What is free of the rate and of the amount per event: the lesser of both allowances (W14)."""
    if not terms.free_events and not terms.free_total:
        return _Free()
    if usage.aggregation_type in _ONE_A_TIME:
        return _free_of_ones(int(usage.units), terms)
    if usage.aggregation_type != "sum_agg":
        return _Free(ZERO, _fewest(terms.free_events, 0))
    running = list(_running(usage.values, terms))
    below = sum(1 for total in running if total < terms.free_total)
    events = _fewest(terms.free_events, below)
    if not running or not running[-1]:
        return _Free(ZERO, events)
    last = running[-1]
    if not terms.free_total or last <= terms.free_total:
        return _Free(last, events)
    return _Free(terms.free_total, events)


def _fewest(*allowances: int) -> int:
    """The smallest one that is set."""
    return min((allowance for allowance in allowances if allowance), default=0)


def _free_of_ones(count: int, terms: _Terms) -> _Free:
    """Where each event is one unit, the running total is 1, 2, 3, ..."""
    total = terms.free_total
    below = (
        min(count, int(total.to_integral_value(ROUND_CEILING)) - 1) if total > 0 else 0
    )  # those strictly less than the total
    if terms.free_events and terms.free_events < count:
        last = Decimal(terms.free_events)
    else:
        last = Decimal(max(count, 0))
    units = last if not total else min(last, total)
    return _Free(units, _fewest(terms.free_events, max(below, 0)))


def _running(values: Sequence[Decimal], terms: _Terms) -> Iterable[Decimal]:
    """The running total of the events that may be free: the first ones, else until it is more than the free total."""
    total = ZERO
    for position, value in enumerate(values):
        if terms.free_events and position >= terms.free_events:
            return
        total += value
        yield total
        if not terms.free_events and total > terms.free_total:
            return


def _by_transaction(usage: Usage, terms: _Terms) -> tuple[Decimal, Decimal]:
    """The sum of each event's amount within its bounds, and the sum without them."""
    bounded = unbounded = ZERO
    for paid, times in _paid(usage, terms):
        amount = terms.of(paid) + terms.fixed
        unbounded += amount * times
        bounded += terms.bounded(amount) * times
    return bounded, unbounded


def _paid(usage: Usage, terms: _Terms) -> Iterable[tuple[Decimal, int]]:
    """What of each event's value is to be paid, with how often it comes in a row; events that are free are left out."""
    free_total, free_events = terms.free_total, terms.free_events
    for value, times in _transactions(usage, terms):
        paid = value
        if free_total > 0:
            if free_total > value:
                free_total -= value
                continue
            paid, free_total, free_events = value - free_total, ZERO, 0
        elif free_events > 0:
            free_events -= 1
            continue
        yield paid, times


def evidence(usage: Usage, properties: Mapping[str, Any]) -> dict[str, Any]:
    """Where amounts have bounds: how many events come to the lowest and to the highest, and how many to their own
    amount, for how many units."""
    terms = _terms(properties)
    if not terms.is_bounded:
        return {}
    at_lowest = at_highest = between = 0
    units = ZERO
    for paid, times in _paid(usage, terms):
        amount = terms.of(paid) + terms.fixed
        bounded = terms.bounded(amount)
        if bounded > amount:
            at_lowest += times
        elif bounded < amount:
            at_highest += times
        else:
            between += times
            units += paid * times
    return {"at_lowest": at_lowest, "at_highest": at_highest, "between": between, "between_units": str(units)}


def _transactions(usage: Usage, terms: _Terms) -> Iterable[tuple[Decimal, int]]:
    """The values to walk, each with how often it comes in a row: of a sum its events, of a count as many ones as there
    are, of anything else the value itself."""
    if usage.aggregation_type in _ONE_A_TIME:
        count = max(int(usage.units), 0)
        apart = min(count, terms.free_events + int(terms.free_total) + 1)  # those that allowances may concern
        yield from ((_ONE, 1) for _ in range(apart))
        if count > apart:
            yield _ONE, count - apart
    elif usage.aggregation_type == "sum_agg":
        yield from ((value, 1) for value in usage.values)
    elif usage.units:
        yield usage.units, 1


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
