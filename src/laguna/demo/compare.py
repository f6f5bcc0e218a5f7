"""The invoices beside the independent figures: each total, and what it is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from laguna.demo.expected import BASE_FEE, MINIMUM, START, Figures, Line, part
from laguna.demo.flights import YEAR


@dataclass(frozen=True, slots=True)
class Invoice:
    """An invoice as the API answers it."""

    carrier: str
    issued_on: date
    number: str
    status: str
    figures: Figures


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that isn't as the raw file says. None: the invoice, or this line of it, isn't there."""

    carrier: str
    month: int
    what: str
    invoiced: str | None
    expected: str | None


@dataclass(frozen=True, slots=True)
class Total:
    """The total of the invoice of one carrier and month. None: there is no such invoice."""

    invoiced_cents: int | None
    expected_cents: int

    @property
    def agrees(self) -> bool:
        return self.invoiced_cents == self.expected_cents


@dataclass(slots=True)
class Comparison:
    """By carrier and month, START included."""

    totals: dict[tuple[str, int], Total] = field(default_factory=dict[tuple[str, int], Total])
    differences: list[Difference] = field(default_factory=list[Difference])

    @property
    def agrees(self) -> bool:
        return not self.differences

    @property
    def equal_totals(self) -> int:
        return sum(total.agrees for total in self.totals.values())


def invoice_of(fields: Mapping[str, Any]) -> Invoice:
    """From the answer to `GET /invoices/:id`."""
    lines = {
        _name(fee): Line(Decimal(fee["units"]), fee["amount_cents"])
        for fee in fields["fees"]
        if not _only_carries_minimum(fee)
    }
    return Invoice(
        carrier=fields["customer"]["external_id"],
        issued_on=date.fromisoformat(fields["issuing_date"]),
        number=fields["number"],
        status=fields["status"],
        figures=Figures(lines, fields["fees_amount_cents"], fields["taxes_amount_cents"], fields["total_amount_cents"]),
    )


def _name(fee: Mapping[str, Any]) -> str:
    item = fee["item"]
    if item["type"] == "subscription":
        return BASE_FEE
    if fee["lago_true_up_parent_fee_id"]:
        return part(item["code"], MINIMUM)
    return part(item["code"], item["filter_invoice_display_name"], *item["grouped_by"].values())


def _only_carries_minimum(fee: Mapping[str, Any]) -> bool:
    """A line of nothing that is there for the line that fills up to the minimum, which refers to it."""
    return bool(fee["lago_true_up_fee_id"]) and not Decimal(fee["units"]) and not fee["amount_cents"]


def issued_on(month: int) -> date:
    """The day of the invoice for a month's usage: the first of the next one; START's is 1 January."""
    return date(YEAR + month // 12, month % 12 + 1, 1)


def compare(expected: Mapping[str, Mapping[int, Figures]], invoices: Iterable[Invoice]) -> Comparison:
    """`expected`: by carrier and month. Every invoice must be there once, and none besides."""
    result = Comparison()
    found: dict[tuple[str, date], Invoice] = {}
    for invoice in invoices:
        key = invoice.carrier, invoice.issued_on
        months = (month for month in expected.get(invoice.carrier, {}) if issued_on(month) == invoice.issued_on)
        month = next(months, None)
        if month is None or key in found:
            name = f"invoice {invoice.number} of {invoice.issued_on}"
            cents = dollars(invoice.figures.total_cents)
            result.differences.append(Difference(invoice.carrier, START if month is None else month, name, cents, None))
            continue
        found[key] = invoice
    for carrier, months_of_carrier in expected.items():
        for month, figures in months_of_carrier.items():
            invoice = found.get((carrier, issued_on(month)))
            result.totals[carrier, month] = Total(invoice and invoice.figures.total_cents, figures.total_cents)
            result.differences += _differences(carrier, month, invoice, figures)
    return result


def _differences(carrier: str, month: int, invoice: Invoice | None, expected: Figures) -> Iterable[Difference]:
    if invoice is None:
        yield Difference(carrier, month, "invoice", None, dollars(expected.total_cents))
        return
    if invoice.status != "finalized":
        yield Difference(carrier, month, "status", invoice.status, "finalized")
    actual = invoice.figures
    for code in {**expected.lines, **actual.lines}:
        pair = actual.lines.get(code), expected.lines.get(code)
        if pair[0] != pair[1]:
            yield Difference(carrier, month, code, *map(_line, pair))
    amounts = (
        ("fees", actual.fees_cents, expected.fees_cents),
        ("taxes", actual.taxes_cents, expected.taxes_cents),
        ("total", actual.total_cents, expected.total_cents),
    )
    for what, invoiced, figure in amounts:
        if invoiced != figure:
            yield Difference(carrier, month, what, dollars(invoiced), dollars(figure))


def _line(line: Line | None) -> str | None:
    return None if line is None else f"{line.units.normalize():f} units, {dollars(line.amount_cents)}"


def dollars(cents: int) -> str:
    """1234567 -> 12,345.67"""
    return f"{cents // 100:,}.{cents % 100:02d}"
