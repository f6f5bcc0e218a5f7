"""What the PDF of an invoice says: read back from its bytes."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from laguna.bench.documents import document, sample, sample_fee, sample_fees
from laguna.invoices.pdf.compose import title_key
from laguna.invoices.pdf.render import render, render_pages, render_pdf
from laguna.models import Fee, Invoice
from support.pdf import ONE, in_order, metadata, pages, pdf, reader, spans, text
from support.pictures import JPEG, png

MARGIN = 0.54 * 72


# --- the whole page


def test_an_invoice_says_who_bills_whom_for_what_and_when_it_is_due() -> None:
    told = text(pdf(purchase_order_number="PO-77", metadata=[metadata("Cost center", "4711")]))
    assert in_order(
        told,
        "Invoice",
        "Invoice number LAG-1234-001-042",
        "Purchase order number PO-77",
        "Issue date Feb 1, 2024",
        "Payment term 30 days",
        "Cost center 4711",
    )
    assert in_order(
        told,
        "From Laguna SAS",
        "RCS Paris 901 234 567",
        "12 rue de la Paix",
        "75002 Paris",
        "France",
        "billing@laguna.example",
        "Tax ID: FR12901234567",
    )
    assert in_order(told, "Bill to Acme Inc.", "1 Main Street", "Springfield, IL 62701", "United States", "12-3456789")
    assert in_order(told, "Amount due", "Due date", "€150.00", "March 2, 2024")
    assert in_order(told, "Premium", "Item Units Unit price Tax rate Amount", "From Jan 1, 2024 to Jan 31, 2024")
    assert "API calls 100 €1.25 20% €125.00" in told
    assert in_order(
        told,
        "Subtotal excluding tax €125.00",
        "VAT (20% on €125.00) €25.00",
        "Subtotal including tax €150.00",
        "Total €150.00",
        "Laguna SAS, capital social de 10 000 €. Merci de votre confiance.",
        "Invoice LAG-1234-001-042 1 / 1",
    )


def test_what_is_not_known_leaves_no_empty_line() -> None:
    bare = dict.fromkeys(document(sample(ONE))["parties"]) | {"legal_name": "Acme", "country": None}
    nothing = dict.fromkeys("email tax_identification_number legal_number address_line1 city state zipcode".split())
    told = document(sample(ONE, customer=bare | nothing, seller={"invoice_footer": None}))
    assert told["parties"]["bill_to"] == {"name": "Acme", "lines": []}
    assert told["content"]["notes"] == []


def test_credits_are_negative_and_what_is_paid_is_taken_off() -> None:
    told = text(
        pdf(
            coupons_amount_cents=1000,
            progressive_billing_credit_amount_cents=200,
            credit_notes_amount_cents=300,
            prepaid_credit_amount_cents=400,
            total_amount_cents=10000,
            total_paid_amount_cents=2500,
        )
    )
    assert in_order(
        told,
        "Amount due",
        "€75.00",
        "Usage already billed −€2.00",
        "Coupons −€10.00",
        "Subtotal excluding tax",
        "Credit notes −€3.00",
        "Prepaid credits −€4.00",
        "Total €100.00",
        "Already paid −€25.00",
        "Total due €75.00",
    )


def test_an_invoice_without_taxes_says_so() -> None:
    source = sample(ONE, taxes_amount_cents=0)
    untaxed = render_pdf(document(type(source)(**{**fields(source), "taxes": []})))
    assert "Tax (0%) €0.00" in text(untaxed)


def fields(source: Any) -> dict[str, Any]:
    return {name: getattr(source, name) for name in source.__dataclass_fields__}


def test_metadata_is_shown_only_where_that_is_wanted() -> None:
    told = text(pdf(metadata=[metadata("Shown", "yes"), metadata("Hidden", "no", shown=False)]))
    assert "Shown yes" in told
    assert "Hidden" not in told


def test_a_self_billed_invoice_is_the_customers_who_says_for_whom() -> None:
    told = text(pdf(self_billed=True))
    assert in_order(told, "Self-billing invoice", "From Acme Inc.", "Bill to Laguna SAS", "on behalf of the supplier")


@pytest.mark.parametrize(
    ("attributes", "country", "title"),
    [
        ({}, "FR", "invoice"),
        ({}, None, "invoice"),
        ({}, "AU", "tax_invoice"),
        ({}, "SG", "tax_invoice"),
        ({"invoice_type": "credit"}, "AU", "advance_invoice"),
        ({"invoice_type": "advance_charges"}, "FR", "paid_invoice"),
        ({"self_billed": True}, "AU", "self_billing_invoice"),
    ],
)
def test_the_title_tells_what_kind_of_invoice_it_is(
    attributes: dict[str, Any], country: str | None, title: str
) -> None:
    invoice = Invoice(**({"invoice_type": "subscription", "self_billed": False} | attributes))
    assert title_key(invoice, country) == title


# --- lines


def one_fee(fee: Fee) -> str:
    return text(pdf([("Premium", [fee])]))


def test_a_graduated_price_is_told_tier_by_tier() -> None:
    first = {
        "from_value": 0,
        "to_value": 10,
        "flat_unit_amount": "2",
        "per_unit_amount": "10",
        "units": "10",
        "per_unit_total_amount": "100",
        "total_with_flat_amount": "102",
    }
    last = {**first, "from_value": 11, "to_value": None, "flat_unit_amount": "3", "per_unit_amount": "5"}
    last |= {"units": "2", "per_unit_total_amount": "10", "total_with_flat_amount": "13"}
    told = one_fee(sample_fee("Messages", 11500, 12, amount_details={"graduated_ranges": [first, last]}))
    assert in_order(
        told,
        "Messages 12 20% €115.00",
        "First 10 10 €10.00 €100.00",
        "First 10: flat fee €2.00",
        "11 and above 2 €5.00 €10.00",
        "11 and above: flat fee €3.00",
    )


def test_tiers_of_fractions_are_told_to_where_they_end() -> None:
    tier = {"flat_unit_amount": "0", "per_unit_amount": "1", "units": "1.5", "per_unit_total_amount": "1.5"}
    ranges = [
        {**tier, "from_value": 0, "to_value": Decimal("1.5")},
        {**tier, "from_value": Decimal("1.5"), "to_value": 3},
        {**tier, "from_value": 3, "to_value": None, "units": "0"},
    ]
    told = one_fee(sample_fee("GB", 300, 3, amount_details={"graduated_ranges": ranges}))
    assert in_order(told, "First 1.5 1.5 €1.00 €1.50", "1.5 to 3 1.5 €1.00 €1.50")
    assert "3 and above" not in told


def test_a_volume_price_is_told_with_its_flat_fee() -> None:
    details = {"flat_unit_amount": "10", "per_unit_amount": "0.0002", "per_unit_total_amount": "0.02"}
    told = one_fee(sample_fee("Storage", 1002, 100, amount_details=details))
    assert in_order(told, "Storage 100 20% €10.02", "Per unit 100 €0.0002 €0.02", "Flat fee €10.00")


def test_packages_are_counted_after_the_free_units() -> None:
    details = {"free_units": "10", "paid_units": "111", "per_package_size": 10, "per_package_unit_amount": "100"}
    told = one_fee(sample_fee("Images", 120000, 121, amount_details=details))
    assert in_order(
        told,
        "Images 121 20% €1,200.00",
        "Free units 10 €0.00 €0.00",
        "Packages of 10 units 12 €100.00 €1,200.00",
    )


def test_nothing_used_of_a_package_needs_no_explanation() -> None:
    details = {"free_units": "0", "paid_units": "0", "per_package_size": 0, "per_package_unit_amount": "0"}
    fee = sample_fee("Images", 0, amount_details=details, units=0)
    assert "Images 0 €0.00 20% €0.00" in one_fee(fee)


def test_a_prorated_subscription_fee_tells_its_days() -> None:
    evidence = {"days": 20, "full_days": 31}
    told = one_fee(sample_fee("Premium", 3161, fee_type="subscription", evidence=evidence))
    assert in_order(told, "Subscription fee", "20 of 31 days")
    whole = one_fee(sample_fee("Premium", 4900, fee_type="subscription", evidence={"days": 31, "full_days": 31}))
    assert "of 31 days" not in whole


def test_a_subscription_fee_names_the_plan_where_the_subscription_is_called_otherwise() -> None:
    fee = sample_fee("Gold", 4900, fee_type="subscription", invoice_display_name="Team Berlin")
    assert "Subscription fee – Gold" in text(pdf([("Team Berlin", [fee])]))


def test_each_period_has_a_heading_in_the_customers_zone() -> None:
    evening = datetime(2024, 1, 31, 15, tzinfo=UTC)  # midnight in Tokyo
    fees = [
        sample_fee("Seats", 100, from_at=evening, to_at=datetime(2024, 2, 29, 14, 59, 59, tzinfo=UTC)),
        sample_fee("Calls", 100, from_at=datetime(2023, 12, 31, 15, tzinfo=UTC), to_at=evening),
        sample_fee("Texts", 100, from_at=datetime(2023, 12, 31, 15, tzinfo=UTC), to_at=evening),
    ]
    source = sample([("Premium", fees)])
    (section,) = source.sections
    in_tokyo = type(section)(**{**fields(section), "timezone": "Asia/Tokyo"})
    told = text(render_pdf(document(type(source)(**{**fields(source), "sections": [in_tokyo]}))))
    assert in_order(
        told, "From Feb 1, 2024 to Feb 29, 2024", "Seats", "From Jan 1, 2024 to Feb 1, 2024", "Calls", "Texts"
    )
    assert told.count("From Jan 1, 2024") == 1


def test_fees_of_a_period_stand_together_under_one_heading() -> None:
    march = {"from_at": datetime(2024, 3, 1, tzinfo=UTC), "to_at": datetime(2024, 3, 31, 23, 59, 59, tzinfo=UTC)}
    told = text(
        pdf([("Premium", [sample_fee("Calls", 100), sample_fee("Seats", 100, **march), sample_fee("Texts", 100)])])
    )
    assert in_order(told, "From Jan 1, 2024", "Calls", "Texts", "From Mar 1, 2024", "Seats")
    assert told.count("From Jan 1, 2024") == 1


def usage(units: int, **part: Any) -> Fee:
    """A fee for a part of a charge's usage, with what tells the part set on it."""
    fee = sample_fee("Calls", 100 * units, units)
    for name, value in part.items():
        setattr(fee, name, value)
    return fee


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ({"filter_display_name": "Europe #1"}, "Calls Europe #1 3"),
        (
            {"filter_display_name": None, "filter_values": {"cloud": ["aws", "gcp"], "zone": ["eu"]}},
            "Calls aws, gcp, eu 3",
        ),
        ({"grouped_by": {"region": "north", "agent": "*a*", "model": None}}, "Calls *a* · north 3"),
        ({"filter_display_name": "Europe", "grouped_by": {"agent": "007"}}, "Calls Europe · 007 3"),
        ({"filter_display_name": None, "filter_values": None, "grouped_by": {}}, "Calls 3"),
    ],
)
def test_usage_tells_its_filter_and_its_group(part: dict[str, Any], told: str) -> None:
    assert f"{told} €1.00 20% €3.00" in one_fee(usage(3, **part))


def test_filters_without_usage_are_not_shown() -> None:
    fees = [usage(0, filter_display_name="Europe"), usage(2, filter_display_name="Asia"), usage(0)]
    told = text(pdf([("Premium", fees)]))
    assert "Europe" not in told
    assert in_order(told, "Calls Asia 2", "Calls 0")


def test_several_subscriptions_are_summed_up_on_the_first_page() -> None:
    sections = [("Premium", sample_fees(2)), ("Backup", [sample_fee("GB", 1000, 4)]), ("Idle", [])]
    first, second = pages(pdf(sections))
    assert in_order(first, "Subscription Amount", "Premium", "€3.75", "Backup", "€10.00", "Idle", "€0.00", "Total")
    assert "API calls" not in first
    assert in_order(second, "Premium", "API calls, region 2", "Subtotal €3.75", "Backup", "GB 4", "Subtotal €10.00")
    assert "Idle" not in second


def test_an_invoice_of_nothing_is_still_a_page() -> None:
    assert in_order(text(pdf([("Premium", [])])), "Premium", "Total €0.00")


# --- many pages


def test_1500_lines_run_over_pages_with_repeated_headers_and_page_numbers() -> None:
    told = pages(pdf([("Premium", sample_fees(1500))]))
    assert len(told) > 30
    for number, page in enumerate(told, start=1):
        assert page.endswith(f"Invoice LAG-1234-001-042 {number} / {len(told)}"), page[-100:]
    listing = [page for page in told if "API calls" in page]
    for page in listing:
        assert "Premium Item Units Unit price Tax rate Amount From Jan 1, 2024 to Jan 31, 2024 API calls" in page
    found = [int(word) for page in listing for word in region_numbers(page)]
    assert found == list(range(1, 1501))
    assert in_order(told[-1], "Subtotal excluding tax", "Total", "Merci de votre confiance.")


def region_numbers(page: str) -> list[str]:
    return [part.split(" ", 1)[0] for part in page.split("API calls, region ")[1:]]


def test_a_periods_heading_never_stands_alone_at_the_end_of_a_page() -> None:
    april = {"from_at": datetime(2024, 4, 1, tzinfo=UTC), "to_at": datetime(2024, 4, 30, 23, 59, 59, tzinfo=UTC)}
    for count in range(15, 26):  # the end of the first page is among them
        told = pages(pdf([("Premium", [*sample_fees(count), sample_fee("Seats", 100, **april)])]))
        for page in told:
            assert ("From Apr 1" in page) == ("Seats" in page)


def test_a_very_long_item_is_printed_whole() -> None:
    told = "".join(pages(pdf([("Premium", [sample_fee("word " * 3000, 100)])])))
    assert told.count("word") == 3000


# --- the file


def test_the_same_document_gives_the_same_bytes_also_in_another_process() -> None:
    code = (
        "import hashlib; from laguna.bench.documents import *; from laguna.invoices.pdf.render import render_pdf;"
        "print(hashlib.sha256(render_pdf(document(sample([('Premium', sample_fees(30))])))).hexdigest())"
    )
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout
    told = document(sample([("Premium", sample_fees(30))]))
    here = {hashlib.sha256(render_pdf(told)).hexdigest() for _ in range(3)}
    assert here == {there.strip()}


def test_the_file_says_what_it_is() -> None:
    about = reader(pdf()).metadata
    assert about is not None
    assert (about.title, about.author) == ("Invoice LAG-1234-001-042", "Laguna SAS")
    assert str(about.creation_date) == "2024-02-01 00:00:00+00:00"


def at(pdf: bytes) -> tuple[float, float, float, float]:
    """Where the one picture of the first page stands: left, bottom, width and height in points."""
    page = reader(pdf).pages[0]
    found: list[tuple[float, float, float, float]] = []

    def visit(operator: bytes, operands: Any, matrix: Any, _: Any) -> None:
        if operator == b"Do":
            a, _b, _c, d, e, f = matrix
            found.append((e, f if d > 0 else f + d, a, abs(d)))

    page.extract_text(visitor_operand_before=visit)
    (place,) = found
    return place


@pytest.mark.parametrize(
    ("width", "height", "shown"),
    [
        (1200, 120, (147.4, 14.74)),  # 52 mm wide
        (100, 900, (5.04, 45.35)),  # 16 mm high
        (12, 10, (12, 10)),  # never enlarged
    ],
)
def test_a_logo_stands_at_the_top_right_and_moves_nothing(width: int, height: int, shown: tuple[float, float]) -> None:
    told = document(sample(ONE))
    made, without = render_pdf({**told, "logo": png(width, height)}), render_pdf(told)
    page = reader(made).pages[0]
    left, bottom, *size = at(made)
    assert size == pytest.approx(shown, abs=0.1)
    assert left + size[0] == pytest.approx(float(page.mediabox.right) - MARGIN, abs=0.1)
    assert bottom + size[1] == pytest.approx(float(page.mediabox.top) - MARGIN, abs=0.1)
    assert spans(page) == spans(reader(without).pages[0])
    assert text(made) == text(without)


def test_a_jpeg_is_a_logo_too_and_only_on_the_first_page() -> None:
    first, *others = reader(render_pdf({**document(sample([("Premium", sample_fees(60))])), "logo": JPEG})).pages
    assert len(others) == 2
    assert "/XObject" in first["/Resources"]
    assert not any("/XObject" in page["/Resources"] for page in others)


def test_long_metadata_stands_beside_the_logo() -> None:
    told = document(sample(ONE, metadata=[metadata("Project", "word " * 40)]))
    made = render_pdf({**told, "logo": png(1200, 350)})
    left, bottom, *_ = at(made)
    beside = [span for span in spans(reader(made).pages[0]) if span.height > bottom]
    assert beside
    assert all(span.right < left for span in beside)


def test_other_requests_go_on_while_a_document_is_rendered() -> None:
    told = document(sample([("Premium", sample_fees(1500))]))

    async def beats_meanwhile() -> int:
        rendering, beats = asyncio.ensure_future(render(told)), 0
        while not rendering.done():
            beats += 1
            await asyncio.sleep(0)
        assert rendering.result().startswith(b"%PDF")
        return beats

    assert asyncio.run(beats_meanwhile()) > 100


def test_pages_can_be_had_as_images() -> None:
    images = render_pages(document(sample([("Premium", sample_fees(60))])))
    assert len(images) == 3
    assert all(image.startswith(b"\x89PNG") for image in images)
