"""Fees as the rows of a table, and the details that explain a price (spec 3 §9.2, lines and price details). Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from laguna.invoices.pdf import format as written
from laguna.invoices.pdf import text
from laguna.invoices.pdf.format import Style
from laguna.invoices.pdf.labels import Labels
from laguna.models import Fee

LONGEST_WORD = 20  # in the column of items, which wide numbers make narrow
Row = dict[str, str]
Details = Mapping[str, Any]


def row(kind: str, item: str, note: str = "", **cells: str) -> Row:
    """A row as the template takes it: period, line, detail or subtotal. Cells that are not given stay empty."""
    return {
        "kind": kind,
        "item": item,
        "note": note,
        "units": "",
        "unit_price": "",
        "tax_rate": "",
        "amount": "",
    } | cells


def _period(fee: Fee, zone: ZoneInfo) -> tuple[date, date] | None:
    start, end = fee.from_at, fee.to_at
    if fee.fee_type == "commitment":  # shows none of its own, but stands with what it completes
        start, end = (datetime.fromisoformat(fee.evidence[name]) for name in ("from", "to"))
    if start is None or end is None:
        return None
    return start.astimezone(zone).date(), end.astimezone(zone).date()


def _parts(fee: Fee) -> list[str]:
    """Which part of a charge's usage a fee is for: its filter by name or else by values, then the group's values."""
    values = fee.filter_values or {}
    groups: Mapping[str, str | None] = fee.grouped_by or {}
    filtered = fee.filter_display_name or ", ".join(value for listed in values.values() for value in listed)
    shown = (filtered, *(groups[key] for key in sorted(groups)))
    return [text.line(part, longest_word=LONGEST_WORD) for part in shown if part]


def _is_unused_part(fee: Fee) -> bool:
    """A filter or group without usage, which is not shown (spec 3 §9.2)."""
    return not fee.units and not fee.amount_cents and bool(_parts(fee))


class FeeRows:
    """The rows of fees in one currency and locale."""

    def __init__(self, currency: str, labels: Labels, style: Style) -> None:
        self.currency, self.labels, self.style = currency, labels, style

    def of_section(self, fees: Sequence[Fee], name: str, zone: ZoneInfo) -> list[Row]:
        """The fees of one subscription, under a heading for each billing period, in the customer's zone."""
        of_period: dict[tuple[date, date] | None, list[Fee]] = defaultdict(list)  # in the order of their first fees
        for fee in fees:
            if not _is_unused_part(fee):
                of_period[_period(fee, zone)].append(fee)
        rows: list[Row] = []
        for period, together in of_period.items():
            if period is not None:
                rows.append(row("period", self.period(*period)))
            rows.extend(line for fee in together for line in self.of_fee(fee, name))
        return rows

    def period(self, start: date, end: date) -> str:
        return self.labels.say("period", start=written.day(start, self.style), end=written.day(end, self.style))

    def of_fee(self, fee: Fee, section: str = "") -> Iterator[Row]:
        details = [detail for explain in self._explained(fee) for detail in explain(fee)]
        yield row(
            "line",
            self._item(fee, section),
            self._note(fee),
            units=written.number(fee.units, self.style),
            # an average over tiers would explain nothing: the details below say what was charged
            unit_price="" if details or fee.true_up_parent_fee_id else self._price(fee.precise_unit_amount),
            tax_rate=written.percent(fee.taxes_rate, self.style),
            amount=written.money(fee.amount_cents, self.currency, self.style),
        )
        yield from details

    def _item(self, fee: Fee, section: str) -> str:
        name = text.line(fee.invoice_display_name or fee.item_name, longest_word=LONGEST_WORD)
        if fee.true_up_parent_fee_id:
            return self.labels.say("true_up", name=name)
        if fee.fee_type == "commitment" and not fee.evidence["named"]:
            return self.labels["minimum_commitment"]
        if fee.fee_type != "subscription":
            return name
        plan = text.line(fee.item_name, longest_word=LONGEST_WORD)
        label = self.labels["subscription_fee"]
        return label if text.line(fee.item_name) == section else f"{label} – {plan}"

    def _note(self, fee: Fee) -> str:
        """What stands below an item: filter and group of usage, days of a prorated fee, what a minimum lacks,
        description of an add-on."""
        if fee.fee_type == "add_on":
            return text.lines(fee.item_description)
        if fee.true_up_parent_fee_id:
            return " · ".join([self._minimum(fee), *self._days(fee)])
        return " · ".join(self._days(fee) if fee.fee_type in ("subscription", "commitment") else _parts(fee))

    def _days(self, fee: Fee) -> list[str]:
        """How much of its period a fee is for, if not for all of it."""
        days, full_days = fee.evidence.get("days"), fee.evidence.get("full_days")
        if days is None or full_days is None or days == full_days:
            return []
        return [self.labels.say("prorated", days=str(days), full_days=str(full_days))]

    def _minimum(self, fee: Fee) -> str:
        minimum, used = (
            written.money(fee.evidence[name], self.currency, self.style) for name in ("min_amount_cents", "used_cents")
        )
        return self.labels.say("minimum_and_used", minimum=minimum, used=used)

    def _explained(self, fee: Fee) -> list[Callable[[Fee], Iterator[Row]]]:
        """How a price is told: by what is stored of it, so that a new price model only adds a line."""
        known: dict[str, Callable[[Fee], Iterator[Row]]] = {
            "graduated_ranges": self._graduated,
            "graduated_percentage_ranges": self._graduated_percentage,
            "min_max_adjustment_total_amount": self._percentage,
            "flat_unit_amount": self._volume,
            "per_package_size": self._package,
            "total_amount": self._dynamic,
        }
        stored = fee.amount_details.keys() | fee.evidence.keys()
        return [explain for key, explain in known.items() if key in stored]

    def _graduated(self, fee: Fee) -> Iterator[Row]:
        return self._tiers(
            fee.amount_details["graduated_ranges"],
            "per_unit",
            lambda tier: self._price(Decimal(tier["per_unit_amount"])),
        )

    def _graduated_percentage(self, fee: Fee) -> Iterator[Row]:
        return self._tiers(
            fee.amount_details["graduated_percentage_ranges"], "rate", lambda tier: self._rate(tier["rate"])
        )

    def _tiers(self, tiers: Sequence[Details], only: str, price: Callable[[Details], str]) -> Iterator[Row]:
        """What fell into each tier, and the flat fees of those reached. `only` is what a single tier is called."""
        for index, tier in enumerate(tiers):
            name = self._tier(index, tier["from_value"], tier["to_value"], only)
            units, flat = Decimal(tier["units"]), Decimal(tier["flat_unit_amount"])
            if units:
                yield self._detail(name, Decimal(tier["per_unit_total_amount"]), units, price(tier))
            if flat:
                yield self._detail(self.labels.say("flat_fee_of", tier=name), flat)

    def _tier(self, index: int, start: Any, end: Any, only: str) -> str:
        first, last = (written.number(Decimal(value or 0), self.style) for value in (start, end))
        if end is None:
            return self.labels.say("tier_above", start=first) if index else self.labels[only]
        return self.labels.say("tier", start=first, end=last) if index else self.labels.say("first_units", end=last)

    def _volume(self, fee: Fee) -> Iterator[Row]:
        details = fee.amount_details
        flat = Decimal(details["flat_unit_amount"])
        yield self._detail(
            self.labels["per_unit"],
            Decimal(details["per_unit_total_amount"]),
            fee.units,
            self._price(Decimal(details["per_unit_amount"])),
        )
        if flat:
            yield self._detail(self.labels["flat_fee"], flat)

    def _package(self, fee: Fee) -> Iterator[Row]:
        details = fee.amount_details
        size, paid = Decimal(details["per_package_size"]), Decimal(details["paid_units"])
        free = max(fee.units - paid, Decimal(0))
        if free:
            yield self._detail(self.labels["free_units"], Decimal(0), free, self._price(Decimal(0)))
        if paid and size:
            packages = paid // size + (1 if paid % size else 0)
            price = Decimal(details["per_package_unit_amount"])
            label = self.labels.say("packages", size=written.number(size, self.style))
            yield self._detail(label, packages * price, packages, self._price(price))

    def _percentage(self, fee: Fee) -> Iterator[Row]:
        """What is free, the rate of the rest, the amount per event, and what its bounds add or take off."""
        details = fee.amount_details
        free_units, paid_units, rated, fixed, fixed_total, adjustment = (
            Decimal(details[name])
            for name in (
                "free_units",
                "paid_units",
                "per_unit_total_amount",
                "fixed_fee_unit_amount",
                "fixed_fee_total_amount",
                "min_max_adjustment_total_amount",
            )
        )
        if not fee.units:
            return
        if free_units:
            yield self._detail(self.labels["free_units"], Decimal(0), free_units, self._rate("0"))
        if paid_units:
            yield self._detail(self.labels["rate"], rated, paid_units, self._rate(details["rate"]))
        if fixed and details["free_events"]:
            free_events = Decimal(details["free_events"])
            yield self._detail(self.labels["free_events"], Decimal(0), free_events, self._price(Decimal(0)))
        if fixed:
            paid_events = Decimal(details["paid_events"])
            yield self._detail(self.labels["fee_per_event"], fixed_total, paid_events, self._price(fixed))
        if adjustment:
            yield self._detail(self.labels["min_max_adjustment"], adjustment)

    def _dynamic(self, fee: Fee) -> Iterator[Row]:
        """Events that say themselves what they cost."""
        if fee.units:
            total = Decimal(fee.evidence["total_amount"])
            yield self._detail(self.labels["priced_events"], total, Decimal(fee.events_count or 0))

    def _detail(self, item: str, amount: Decimal, units: Decimal | None = None, price: str = "") -> Row:
        return row(
            "detail",
            item,
            units="" if units is None else written.number(units, self.style),
            unit_price=price,
            amount=written.major(amount, self.currency, self.style),
        )

    def _rate(self, rate: str) -> str:
        return written.percent(Decimal(rate), self.style)

    def _price(self, amount: Decimal) -> str:
        return written.unit_price(amount, self.currency, self.style)
