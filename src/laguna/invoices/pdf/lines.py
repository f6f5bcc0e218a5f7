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
        details = [detail for explain in self._explained(fee.amount_details) for detail in explain(fee)]
        yield row(
            "line",
            self._item(fee, section),
            self._note(fee),
            units=written.number(fee.units, self.style),
            # an average over tiers would explain nothing: the details below say what was charged
            unit_price="" if details else self._price(fee.precise_unit_amount),
            tax_rate=written.percent(fee.taxes_rate, self.style),
            amount=written.money(fee.amount_cents, self.currency, self.style),
        )
        yield from details

    def _item(self, fee: Fee, section: str) -> str:
        name = text.line(fee.invoice_display_name or fee.item_name, longest_word=LONGEST_WORD)
        if fee.fee_type == "commitment" and not fee.evidence["named"]:
            return self.labels["minimum_commitment"]
        if fee.fee_type != "subscription":
            return name
        plan = text.line(fee.item_name, longest_word=LONGEST_WORD)
        label = self.labels["subscription_fee"]
        return label if text.line(fee.item_name) == section else f"{label} – {plan}"

    def _note(self, fee: Fee) -> str:
        """What stands below an item: filter and group of usage, days of a prorated fee, description of an add-on."""
        if fee.fee_type == "add_on":
            return text.lines(fee.item_description)
        days, full_days = fee.evidence.get("days"), fee.evidence.get("full_days")
        by_days = fee.fee_type in ("subscription", "commitment") and days is not None and full_days is not None
        if by_days and days != full_days:
            return self.labels.say("prorated", days=str(days), full_days=str(full_days))
        return " · ".join(_parts(fee))

    def _explained(self, details: Details) -> list[Callable[[Fee], Iterator[Row]]]:
        """How the stored `amount_details` are told: by what is in them, so that a new price model only adds a line."""
        known: dict[str, Callable[[Fee], Iterator[Row]]] = {
            "graduated_ranges": self._graduated,
            "flat_unit_amount": self._volume,
            "per_package_size": self._package,
        }
        return [explain for key, explain in known.items() if key in details]

    def _graduated(self, fee: Fee) -> Iterator[Row]:
        for index, tier in enumerate(fee.amount_details["graduated_ranges"]):
            start, end = tier["from_value"], tier["to_value"]
            units, flat = Decimal(tier["units"]), Decimal(tier["flat_unit_amount"])
            if units:
                yield self._detail(
                    self._tier(index, start, end),
                    Decimal(tier["per_unit_total_amount"]),
                    units,
                    Decimal(tier["per_unit_amount"]),
                )
            if flat:
                yield self._detail(self.labels.say("flat_fee_of", tier=self._tier(index, start, end)), flat)

    def _tier(self, index: int, start: Any, end: Any) -> str:
        first, last = (written.number(Decimal(value or 0), self.style) for value in (start, end))
        if end is None:
            return self.labels.say("tier_above", start=first) if index else self.labels["per_unit"]
        return self.labels.say("tier", start=first, end=last) if index else self.labels.say("first_units", end=last)

    def _volume(self, fee: Fee) -> Iterator[Row]:
        details = fee.amount_details
        flat = Decimal(details["flat_unit_amount"])
        yield self._detail(
            self.labels["per_unit"],
            Decimal(details["per_unit_total_amount"]),
            fee.units,
            Decimal(details["per_unit_amount"]),
        )
        if flat:
            yield self._detail(self.labels["flat_fee"], flat)

    def _package(self, fee: Fee) -> Iterator[Row]:
        details = fee.amount_details
        size, paid = Decimal(details["per_package_size"]), Decimal(details["paid_units"])
        free = max(fee.units - paid, Decimal(0))
        if free:
            yield self._detail(self.labels["free_units"], Decimal(0), free, Decimal(0))
        if paid and size:
            packages = paid // size + (1 if paid % size else 0)
            price = Decimal(details["per_package_unit_amount"])
            label = self.labels.say("packages", size=written.number(size, self.style))
            yield self._detail(label, packages * price, packages, price)

    def _detail(self, item: str, amount: Decimal, units: Decimal | None = None, price: Decimal | None = None) -> Row:
        return row(
            "detail",
            item,
            units="" if units is None else written.number(units, self.style),
            unit_price="" if price is None else self._price(price),
            amount=written.major(amount, self.currency, self.style),
        )

    def _price(self, amount: Decimal) -> str:
        return written.unit_price(amount, self.currency, self.style)
