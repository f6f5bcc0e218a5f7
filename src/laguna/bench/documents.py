"""PDFs of invoices: how many pages a second are rendered, of invoices that are made up here."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from laguna.invoices.pdf.compose import Section, Source, compose
from laguna.invoices.pdf.render import render_pdf
from laguna.kernel.ids import new_id
from laguna.models import Fee, Invoice, InvoiceTax

START, END = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 31, 23, 59, 59, tzinfo=UTC)
SELLER: Mapping[str, Any] = {
    "name": "Laguna",
    "legal_name": "Laguna SAS",
    "legal_number": "RCS Paris 901 234 567",
    "tax_identification_number": "FR12901234567",
    "email": "billing@laguna.example",
    "address_line1": "12 rue de la Paix",
    "city": "Paris",
    "zipcode": "75002",
    "country": "FR",
    "invoice_footer": "Laguna SAS, capital social de 10 000 €. Merci de votre confiance.",
    "document_locale": "en",
}
CUSTOMER: Mapping[str, Any] = {
    "external_id": "acme",
    "name": "Acme",
    "legal_name": "Acme Inc.",
    "email": "accounting@acme.example",
    "tax_identification_number": "12-3456789",
    "address_line1": "1 Main Street",
    "city": "Springfield",
    "state": "IL",
    "zipcode": "62701",
    "country": "US",
}


def sample_fee(name: str, amount_cents: int, units: int | Decimal = 1, **attributes: Any) -> Fee:
    """A usage fee of January 2024 at 20 % tax."""
    values: dict[str, Any] = {
        "fee_type": "charge",
        "item_name": name,
        "item_description": None,
        "invoice_display_name": name,
        "amount_cents": amount_cents,
        "precise_unit_amount": Decimal(amount_cents) / 100 / (units or 1),
        "units": Decimal(units),
        "taxes_rate": Decimal(20),
        "from_at": START,
        "to_at": END,
        "amount_details": {},
        "evidence": {},
    }
    return Fee(**(values | attributes))


def sample_fees(count: int) -> list[Fee]:
    return [
        sample_fee(f"API calls, region {index + 1}", 125 * (index % 97 + 1), index % 97 + 1) for index in range(count)
    ]


def sample(sections: Sequence[tuple[str, Sequence[Fee]]], **attributes: Any) -> Source:
    """A finalized invoice over these subscriptions; `attributes` are its own, or `seller`, `customer`, `metadata`."""
    fees_amount_cents = sum(fee.amount_cents for _, fees in sections for fee in fees)
    taxes_amount_cents = fees_amount_cents // 5
    total = fees_amount_cents + taxes_amount_cents
    seller, customer = attributes.pop("seller", {}), attributes.pop("customer", {})
    metadata = attributes.pop("metadata", [])
    values: dict[str, Any] = {
        "id": new_id(),
        "invoice_type": "subscription",
        "status": "finalized",
        "self_billed": False,
        "number": "LAG-1234-001-042",
        "purchase_order_number": None,
        "issuing_date": date(2024, 2, 1),
        "payment_due_date": date(2024, 3, 2),
        "net_payment_term": 30,
        "currency": "EUR",
        "progressive_billing_credit_amount_cents": 0,
        "coupons_amount_cents": 0,
        "sub_total_excluding_taxes_amount_cents": fees_amount_cents,
        "taxes_amount_cents": taxes_amount_cents,
        "sub_total_including_taxes_amount_cents": total,
        "credit_notes_amount_cents": 0,
        "prepaid_credit_amount_cents": 0,
        "total_amount_cents": total,
        "total_paid_amount_cents": 0,
    }
    tax = InvoiceTax(
        tax_name="VAT", tax_rate=Decimal(20), fees_amount_cents=fees_amount_cents, amount_cents=taxes_amount_cents
    )
    return Source(
        invoice=Invoice(**(values | attributes)),
        seller={**SELLER, **seller},
        customer={**CUSTOMER, **customer},
        metadata=metadata,
        sections=[Section(name, START, END, "UTC", fees) for name, fees in sections],
        taxes=[tax],
    )


def document(source: Source) -> dict[str, Any]:
    """What is rendered."""
    content, parties = compose(source)
    return {"content": content, "parties": parties}


@dataclass(frozen=True, slots=True)
class Rendered:
    """The median of some renderings of invoices that differ from each other, as in a billing run.

    `seconds` are those of the processor: rendering is one thread's work, and waits for nothing.
    """

    lines: int
    pages: int
    size_bytes: int
    seconds: float

    def __str__(self) -> str:
        return (
            f"lines {self.lines:,}, pages {self.pages}, {self.size_bytes / 1000:,.0f} kB:"
            f" {self.seconds * 1000:,.0f} ms of a core, {self.pages / self.seconds:,.0f} pages/s"
        )


def render_invoices(lines: int, times: int) -> Rendered:
    """Render invoices of so many lines, each with another number; to write out what they say is counted, too."""
    seconds: list[float] = []
    pdf = b""
    for number in range(times + 1):  # the first one also reads the fonts, and is not counted
        source = sample([("Premium", sample_fees(lines))], number=f"LAG-1234-001-{number:03d}")
        began = time.process_time()
        pdf = render_pdf(document(source))
        seconds.append(time.process_time() - began)
    counts = [int(count) for count in re.findall(rb"/Count (\d+)", pdf)]
    return Rendered(lines, max(counts), len(pdf), statistics.median(seconds[1:]))


def measure(times: int, say: Callable[[str], None]) -> None:
    """Invoices of one line, of 60 and of 1,500."""
    for lines in (1, 60, 1500):
        say(str(render_invoices(lines, times)))
