"""Writes out everything that the PDF of an invoice says (spec 3 §9.2). Pure: from stored rows to strings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from laguna.invoices.pdf import format as written
from laguna.invoices.pdf import parties, text
from laguna.invoices.pdf.format import STYLES, Style
from laguna.invoices.pdf.labels import Labels, labels_of
from laguna.invoices.pdf.lines import FeeRows, Row, row
from laguna.kernel.money import ZERO
from laguna.models import CustomerMetadata, Fee, Invoice, InvoiceTax

FORMAT = 1  # of what is stored; a template that needs another one keeps reading this
TAX_INVOICE_COUNTRIES = frozenset("AU AE NZ ID SG".split())
SHOWN_LABELS = "from bill_to amount_due due_date item units unit_price tax_rate amount subscription".split()


@dataclass(frozen=True, slots=True)
class Section:
    """A subscription on the invoice with its fees; its zone is the customer's, as it was when billed."""

    name: str
    from_at: datetime | None
    to_at: datetime | None
    timezone: str
    fees: Sequence[Fee]


@dataclass(frozen=True, slots=True)
class Source:
    """What is stored of a finalized invoice and its parties."""

    invoice: Invoice
    seller: Mapping[str, Any]
    customer: Mapping[str, Any]
    metadata: Sequence[CustomerMetadata]
    sections: Sequence[Section]
    taxes: Sequence[InvoiceTax]


def compose(source: Source) -> tuple[dict[str, Any], dict[str, Any]]:
    """The content and, apart from it, the parties, whose data can be erased. All values are ready to be shown."""
    locale = source.customer.get("document_locale") or source.seller.get("document_locale") or "en"
    style, labels = STYLES[locale], labels_of(locale)
    return _content(source, labels, style), _parties(source, labels, style)


def title_key(invoice: Invoice, seller_country: str | None) -> str:
    """Which title a document has (spec 3 §9.2)."""
    if invoice.self_billed:
        return "self_billing_invoice"
    if invoice.invoice_type == "credit":
        return "advance_invoice"
    if invoice.invoice_type == "advance_charges":
        return "paid_invoice"
    return "tax_invoice" if seller_country in TAX_INVOICE_COUNTRIES else "invoice"


def _content(source: Source, labels: Labels, style: Style) -> dict[str, Any]:
    invoice = source.invoice
    rows = FeeRows(invoice.currency, labels, style)
    named = [(section, text.line(section.name)) for section in source.sections]
    several = len(named) > 1
    sections = [
        {
            "name": name,
            "rows": [
                *rows.of_section(section.fees, name, ZoneInfo(section.timezone)),
                *([_subtotal(section, invoice.currency, labels, style)] if several else []),
            ],
        }
        for section, name in named
        if section.fees or not several
    ]
    due = invoice.total_amount_cents - invoice.total_paid_amount_cents
    return {
        "format": FORMAT,
        "locale": style.tag,
        "language": style.language,
        "region": style.region,
        "title": labels[title_key(invoice, source.seller.get("country"))],
        "number": text.line(invoice.number),
        "labels": {name: labels[name] for name in SHOWN_LABELS},
        "fields": _fields(invoice, labels, style),
        "amount_due": written.money(due, invoice.currency, style),
        "due_date": written.day(invoice.payment_due_date, style, long=True),
        "summary": [_summary(section, name, rows) for section, name in named] if several else [],
        "sections": sections,
        "totals": _totals(source, labels, style),
        "notes": _notes(source, labels),
        "issued_at": invoice.issuing_date.isoformat(),
    }


def _parties(source: Source, labels: Labels, style: Style) -> dict[str, Any]:
    """Self-billed invoices are drawn up by the customer: the two blocks change places (spec 2 CUS-30)."""
    seller = parties.block(parties.seller_name(source.seller), source.seller, labels, style)
    customer = parties.block(parties.customer_name(source.customer), source.customer, labels, style)
    issuer, receiver = (customer, seller) if source.invoice.self_billed else (seller, customer)
    shown = [item for item in source.metadata if item.display_in_invoice]
    return {
        "author": issuer["name"],
        "from": issuer,
        "bill_to": receiver,
        "fields": [[text.line(item.key), text.line(item.value)] for item in shown],
        "logo": source.seller.get("logo_digest"),
    }


def _fields(invoice: Invoice, labels: Labels, style: Style) -> list[list[str]]:
    term = labels.say("one_day" if invoice.net_payment_term == 1 else "many_days", count=str(invoice.net_payment_term))
    order_number = text.line(invoice.purchase_order_number)
    fields = [
        ["invoice_number", text.line(invoice.number)],
        ["purchase_order_number", order_number],
        ["issue_date", written.day(invoice.issuing_date, style)],
        ["payment_term", term],
    ]
    return [[labels[name], value] for name, value in fields if value]


def _amount_cents(section: Section) -> int:
    return sum(fee.amount_cents for fee in section.fees)


def _subtotal(section: Section, currency: str, labels: Labels, style: Style) -> Row:
    return row("subtotal", labels["subtotal"], amount=written.money(_amount_cents(section), currency, style))


def _summary(section: Section, name: str, rows: FeeRows) -> Row:
    """A subscription as one line of the first page, where there are several."""
    zone = ZoneInfo(section.timezone)
    note = ""
    if section.from_at is not None and section.to_at is not None:
        note = rows.period(section.from_at.astimezone(zone).date(), section.to_at.astimezone(zone).date())
    return row("line", name, note, amount=written.money(_amount_cents(section), rows.currency, rows.style))


def _totals(source: Source, labels: Labels, style: Style) -> list[dict[str, str]]:
    """From the fees to what is due, in the order of the waterfall (spec 3 §0.2). Credits are shown as negative."""
    invoice = source.invoice
    found: list[dict[str, str]] = []

    def add(label: str, amount_cents: int, kind: str = "line") -> None:
        amount = written.money(amount_cents, invoice.currency, style)
        found.append({"kind": kind, "label": label, "amount": amount})

    def credit(name: str, amount_cents: int) -> None:
        if amount_cents:
            add(labels[name], -amount_cents)

    credit("usage_already_billed", invoice.progressive_billing_credit_amount_cents)
    credit("coupons", invoice.coupons_amount_cents)
    add(labels["subtotal_excluding_tax"], invoice.sub_total_excluding_taxes_amount_cents)
    for tax in source.taxes:
        base = written.money(tax.fees_amount_cents, invoice.currency, style)
        rate = written.percent(tax.tax_rate, style)
        add(labels.say("tax_line", name=text.line(tax.tax_name), rate=rate, base=base), tax.amount_cents)
    if not source.taxes:
        add(labels.say("no_tax", rate=written.percent(ZERO, style)), 0)
    add(labels["subtotal_including_tax"], invoice.sub_total_including_taxes_amount_cents)
    credit("credit_notes", invoice.credit_notes_amount_cents)
    credit("prepaid_credits", invoice.prepaid_credit_amount_cents)
    add(labels["total"], invoice.total_amount_cents, "total")
    if invoice.total_paid_amount_cents:
        credit("paid", invoice.total_paid_amount_cents)
        add(labels["total_due"], invoice.total_amount_cents - invoice.total_paid_amount_cents, "total")
    return found


def _notes(source: Source, labels: Labels) -> list[str]:
    """The footer, and for a self-billed invoice the sentence that the law asks for."""
    sentence = labels["self_billing_sentence"] if source.invoice.self_billed else ""
    return [note for note in (sentence, text.lines(source.seller.get("invoice_footer"))) if note]
