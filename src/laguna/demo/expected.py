"""What every invoice must come to, worked out from the raw file alone.

Nothing here is shared with the engine: usage is counted from the text of the rows, by the local calendar that stands in
them (the events carry the UTC hour instead), and priced with plain decimals. Only the prices themselves are common.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple

from laguna.demo.flights import Row
from laguna.demo.tariff import (
    BASE_FEE_CENTS,
    EWR_DAY,
    HOURLY,
    JFK_DAY,
    LGA_DAY,
    NIGHT,
    OFF_PEAK,
    PEAK,
    PRODUCTS,
    SALES_TAX,
    Product,
    Tax,
    plan_of,
)

BASE_FEE = "base_fee"  # the line of the subscription itself, beside those of the products
PART = " · "  # between a product's code and the part of its usage that a line is for
MINIMUM = "minimum"  # the part that fills up to a product's minimum
START = 0  # the "month" of the invoice that a prepaying carrier gets on 1 January


@dataclass(slots=True)
class Usage:
    """A carrier's flights in a month, as the tariff sees them."""

    rows: int = 0
    newark_flights: int = 0
    kennedy_miles: int = 0
    laguardia_aircraft: set[str] = field(default_factory=set[str])
    longest_night_minutes: int = 0

    def count(self, row: Row) -> None:
        self.rows += 1
        if int(row.hour) >= 20 or int(row.hour) < 5:
            if row.air_time != "NA":
                self.longest_night_minutes = max(self.longest_night_minutes, int(row.air_time))
        elif row.origin == "EWR":
            self.newark_flights += 1
        elif row.origin == "JFK":
            self.kennedy_miles += int(row.distance)
        elif row.origin == "LGA" and row.tailnum != "NA":
            self.laguardia_aircraft.add(row.tailnum)

    def add(self, other: Usage) -> None:
        self.rows += other.rows
        self.newark_flights += other.newark_flights
        self.kennedy_miles += other.kennedy_miles
        self.laguardia_aircraft |= other.laguardia_aircraft
        self.longest_night_minutes = max(self.longest_night_minutes, other.longest_night_minutes)

    def units(self) -> dict[str, Decimal]:
        """By the code of the product."""
        return {
            EWR_DAY: Decimal(self.newark_flights),
            JFK_DAY: Decimal(self.kennedy_miles),
            LGA_DAY: Decimal(len(self.laguardia_aircraft)),
            NIGHT: Decimal(self.longest_night_minutes),
        }


class Kind(NamedTuple):
    """What the price of a flight may depend on; the names are those of the properties of events."""

    hours: str
    dest: str
    origin: str


def kind_of(row: Row) -> Kind:
    is_peak = int(row.hour) in (6, 7, 8, 16, 17, 18)
    return Kind(PEAK if is_peak else OFF_PEAK, row.dest, row.origin)


Parts = Mapping[Kind, Usage]


class Tally:
    """The usage of every carrier in every month of the file; of those that pay by the hour also by kinds of flights."""

    def __init__(self) -> None:
        self._usage: dict[tuple[str, int], Usage] = {}
        self._parts: defaultdict[tuple[str, int], defaultdict[Kind, Usage]] = defaultdict(lambda: defaultdict(Usage))

    def count(self, row: Row) -> None:
        key = row.carrier, int(row.month)
        usage = self._usage.get(key)
        if usage is None:
            usage = self._usage[key] = Usage()
        usage.count(row)
        if row.carrier in HOURLY:
            self._parts[key][kind_of(row)].count(row)

    def parts_of(self, carrier: str, month: int) -> Parts:
        return self._parts.get((carrier, month), {})

    def of(self, carrier: str, month: int) -> Usage:
        return self._usage.get((carrier, month)) or Usage()

    def carriers(self) -> set[str]:
        return {carrier for carrier, _ in self._usage}


@dataclass(frozen=True, slots=True)
class Line:
    """A fee: what is billed of what, before taxes. A line of nothing isn't on the invoice."""

    units: Decimal
    amount_cents: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What an invoice says. `lines` by the code of the product, with what part of it they are for, or BASE_FEE."""

    lines: Mapping[str, Line]
    fees_cents: int
    taxes_cents: int
    total_cents: int


def invoices_of(carrier: str, months: Iterable[int], tally: Tally) -> dict[int, Figures]:
    """A carrier's invoices by the month whose usage they bill; each has a base fee, also without any flight.

    In arrears the fee is that of the same month, in advance that of the next one, so that one invoice more is made at
    the start. Every month is billed whole, so all base fees are equal.
    """
    base = {BASE_FEE: Line(Decimal(1), BASE_FEE_CENTS)}
    plan = plan_of(carrier)
    start = {START: invoice(base)} if plan.pay_in_advance else {}
    return start | {
        month: invoice({**base, **usage_lines(plan.products, tally.of(carrier, month), tally.parts_of(carrier, month))})
        for month in months
    }


def usage_lines(products: Sequence[Product], usage: Usage, parts: Parts) -> dict[str, Line]:
    lines: dict[str, Line] = {}
    for product in products:
        if product.filters or product.properties.get("pricing_group_keys"):
            lines |= divided(product, parts)
        else:
            lines[product.code] = _line(product, product.properties, usage)
    return lines


def _line(product: Product, properties: Mapping[str, Any], usage: Usage) -> Line:
    units = usage.units()[product.code]
    return Line(units, cents(FORMULAS[product.charge_model](units, properties)))


def divided(product: Product, parts: Parts) -> dict[str, Line]:
    """The lines of a product by filter and group, and what is missing to its minimum.

    What no filter takes has the product's own price. Each group is priced for itself: 80 flights, of them 30 at peak
    hours to LAX, 40 to SFO and 10 to SFO off peak, are three lines. A part without usage has one line of nothing, which
    the minimum's line needs.
    """
    lines: dict[str, Line] = {}
    buckets = [(each.name, each.hours, each.properties) for each in product.filters]
    taken = {hours for _, hours, _ in buckets}
    for name, hours, properties in [*buckets, (None, None, product.properties)]:
        groups: defaultdict[tuple[str, ...], Usage] = defaultdict(Usage)
        for kind, usage in parts.items():
            if usage.units()[product.code] and (kind.hours not in taken if hours is None else kind.hours == hours):
                keys = properties.get("pricing_group_keys", ())
                groups[tuple(kind._asdict()[key] for key in keys)].add(usage)
        for group, usage in sorted(groups.items()) or [((), Usage())]:
            lines[part(product.code, name, *group)] = _line(product, properties, usage)
    missing = product.min_amount_cents - sum(line.amount_cents for line in lines.values())
    if missing > 0:
        lines[part(product.code, MINIMUM)] = Line(Decimal(1), missing)
    return lines


def part(code: str, *names: str | None) -> str:
    """ewr_day, Peak hours, LAX -> "ewr_day · Peak hours · LAX"."""
    return PART.join([code, *(name for name in names if name)])


def invoice(lines: Mapping[str, Line]) -> Figures:
    """Fees are rounded one by one; taxes together: the sum of base x rate / 100 of all taxes, rounded once."""
    own_taxes: dict[str, Tax] = {product.code: product.tax for product in PRODUCTS if product.tax}
    fees = sum(line.amount_cents for line in lines.values())
    taxes = sum(
        (
            line.amount_cents * Decimal(own_taxes.get(name.partition(PART)[0], SALES_TAX).rate) / 100
            for name, line in lines.items()
        ),
        Decimal(0),
    )
    taxes_cents = rounded(taxes)
    return Figures(
        lines={name: line for name, line in lines.items() if line.units or line.amount_cents},
        fees_cents=fees,
        taxes_cents=taxes_cents,
        total_cents=fees + taxes_cents,
    )


def standard(units: Decimal, properties: Mapping[str, Any]) -> Decimal:
    """Every unit at the same price: 380 x 0.4375 = 166.25."""
    return units * Decimal(properties["amount"])


def graduated(units: Decimal, properties: Mapping[str, Any]) -> Decimal:
    """Each tier prices the units that fall into it, and adds its flat amount once it is reached.

    Tiers 0-10 at 10 + 2, then 11-20 at 5 + 3: 12 units are 102 + 13 = 115. Without usage the first flat amount is due.
    """
    amount, below = Decimal(0), Decimal(0)
    for tier in properties["graduated_ranges"]:
        last = tier["to_value"]
        top = units if last is None else min(units, Decimal(last))
        amount += (top - below) * Decimal(tier["per_unit_amount"]) + Decimal(tier["flat_amount"])
        if last is None or units <= last:
            break
        below = Decimal(last)
    return amount


def package(units: Decimal, properties: Mapping[str, Any]) -> Decimal:
    """Whole packages of what is beyond the free units; one that is begun is due: 12 beyond 5 in tens at 100 are 100."""
    paid = units - properties["free_units"]
    packages = (paid / properties["package_size"]).to_integral_value(ROUND_CEILING) if paid > 0 else Decimal(0)
    return packages * Decimal(properties["amount"])


def volume(units: Decimal, properties: Mapping[str, Any]) -> Decimal:
    """All units at the price of the tier that they reach: 0-100 at 2 + 10, then 101-200 at 1: 101 units are 101."""
    for tier in properties["volume_ranges"]:
        if tier["to_value"] is None or units <= tier["to_value"]:
            return units * Decimal(tier["per_unit_amount"]) + Decimal(tier["flat_amount"])
    raise AssertionError("the last tier has no end")


FORMULAS: Mapping[str, Callable[[Decimal, Mapping[str, Any]], Decimal]] = {
    "standard": standard,
    "graduated": graduated,
    "package": package,
    "volume": volume,
}


def cents(dollars: Decimal) -> int:
    return rounded(dollars * 100)


def rounded(value: Decimal) -> int:
    """To whole units, halves upwards: 52.5 -> 53."""
    return int(value.to_integral_value(rounding=ROUND_HALF_UP))
