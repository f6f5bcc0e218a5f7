"""What people wrote, their names and addresses, and the nine languages, in the PDF of an invoice."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from laguna.bench.documents import sample_fee
from laguna.invoices.pdf.format import STYLES
from laguna.invoices.pdf.labels import labels_of
from laguna.invoices.pdf.parties import address, customer_name
from laguna.invoices.pdf.text import line, lines
from laguna.kernel.catalogs import LOCALES
from support.pdf import in_order, metadata, missing_glyphs, pdf, plain, reader, spans, text

MARGIN = 0.54 * 72


# --- what users wrote


MARKUP = r"#panic() $x^2$ *bold* _it_ `raw` \ \n \u{41} [a] {b} @ref <lab> // c /* d */ = Title ~ -- ... 'q' \"d\" https://x.y"


@pytest.mark.parametrize(
    "content", [MARKUP, '#read("/etc/passwd")', "#", "$", "*", "\\", '"', "```", "</x>", "%{x}", "{0}"]
)
def test_what_users_wrote_is_printed_as_it_is(content: str) -> None:
    number, named = f"A{content}", {"legal_name": f"L{content}", "city": f"C{content}", "email": f"E{content}"}
    told = text(
        pdf(
            [(f"S{content}", [sample_fee(f"I{content}", 100)])],
            number=number,
            purchase_order_number=f"P{content}",
            customer=named,
            seller={**named, "invoice_footer": f"F{content}"},
            metadata=[metadata(f"K{content}", f"V{content}")],
        )
    )
    for letter in "ALCEISPFKV":  # without spaces: lines are broken where there is none, too
        assert f"{letter}{content}".replace(" ", "") in told.replace(" ", ""), letter


@pytest.mark.parametrize(
    "content",
    [
        "Größe æøå çãõ ñ ß œ Ł ő ğ ș",
        "Ελληνικά Кириллица Українська",
        "繁體中文發票 简体中文 日本語の請求書 한국어",
        "مرحبا بالعالم",
        "שלום עולם",
        "ประเทศไทย",
        "हिन्दी",
        "🚀 ✅ 🇩🇪 👩‍💻 ❤️",
        "€ £ ¥ ₹ ₩ ₽ ₺ ₫ ₴ ₱ ™ © ® § № ½ × → “quoted” „so“ «et» …",
    ],
)
def test_there_is_a_glyph_for_what_people_write(content: str) -> None:
    named = {"legal_name": content}
    made = pdf([(content, [sample_fee(content, 100)])], customer=named, seller={**named, "invoice_footer": content})
    assert missing_glyphs(made) == 0


def test_a_glyph_that_no_font_has_is_found_by_these_tests() -> None:
    assert missing_glyphs(pdf([("Premium", [sample_fee("\U00012000 cuneiform", 100)])])) > 0


@pytest.mark.parametrize(
    ("typed", "printed"),
    [
        ("a\tb\r\nc\u2028d", "a b\nc\nd"),
        ("  x  ", "x"),
        ("\x07\x1b[31m\x7f\ufeff?", "[31m\ufeff?"),
        ("invoice\u202egpj.exe\u2066", "invoicegpj.exe"),  # nothing turns the writing round
        ("Zoe\u0308", "Zoë"),
        (None, ""),
    ],
)
def test_nothing_is_printed_that_has_no_shape_or_turns_the_text_round(typed: str | None, printed: str) -> None:
    assert lines(typed) == printed
    assert line(typed) == printed.replace("\n", " ")


@pytest.mark.parametrize("word", ["W" * 300, "x" * 300 + "@example.com", "Ж" * 300, "ם" * 300, "#" * 300, "字" * 300])
def test_a_long_word_is_broken_inside_its_column(word: str) -> None:
    made = pdf(
        [(word, [sample_fee(word, 100)])],
        number=word,
        customer={"legal_name": word},
        seller={"invoice_footer": word},
        metadata=[metadata("key", word)],
    )
    told = text(made).replace(" ", "")
    assert "€1.00" in told
    for page in reader(made).pages:
        end = float(page.mediabox.right) - MARGIN
        assert all(span.left >= MARGIN - 0.1 and span.right <= end + 0.1 for span in spans(page))


@pytest.mark.parametrize("word", ["W" * 39, "Donaudampfschifffahrtsgesellschaft", "averylongpath/" * 9])
def test_an_item_stays_left_of_wide_numbers(word: str) -> None:
    fee = sample_fee(word, 2305843009213693951, Decimal("1234567890123.123456"))
    (page,) = reader(pdf([("Premium", [fee])], currency="BHD")).pages
    assert word in page.extract_text().replace("\u200b", "").replace("\n", "")
    for row in {span.height for span in spans(page)}:
        in_row = sorted((span.left, span.right) for span in spans(page) if span.height == row)
        assert all(right <= left + 1 for (_, right), (left, _) in pairwise(in_row)), in_row


# --- names and addresses


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        ({"country": "US"}, ["Line 1", "Line 2", "City, State Zip", "United States"]),
        ({"country": "GB"}, ["Line 1", "Line 2", "City", "State", "Zip", "United Kingdom"]),
        ({"country": "BR"}, ["Line 1", "Line 2", "City - State", "Zip", "Brazil"]),
        ({"country": "FR"}, ["Line 1", "Line 2", "Zip City", "State", "France"]),
        ({"country": "JP"}, ["Line 1", "Line 2", "Zip City", "State", "Japan"]),
        (
            {"country": "JP", "city": "千代田区", "state": "東京都"},
            ["Japan", "Zip", "東京都千代田区", "Line 1", "Line 2"],
        ),
        ({"country": None}, ["Line 1", "Line 2", "Zip City", "State"]),
        ({"country": "US", "state": None, "zipcode": None, "address_line2": ""}, ["Line 1", "City", "United States"]),
    ],
)
def test_an_address_is_in_the_order_of_its_country(of: dict[str, Any], expected: list[str]) -> None:
    whole = {"address_line1": "Line 1", "address_line2": "Line 2", "city": "City", "state": "State", "zipcode": "Zip"}
    assert address({**whole, **of}, STYLES["en"]) == expected


def test_a_customer_is_called_by_the_best_name_there_is() -> None:
    names = {"external_id": "c1", "firstname": "Ada", "lastname": "Lovelace", "name": "Engines", "legal_name": "E Ltd"}
    called: list[str] = []
    for name in ("legal_name", "name", "lastname", "firstname", "external_id"):
        called.append(customer_name(names))
        names[name] = ""
    assert called == ["E Ltd", "Engines", "Ada Lovelace", "Ada", "c1"]


# --- locales


@pytest.mark.parametrize("locale", sorted(LOCALES))
def test_each_locale_has_its_words_and_glyphs(locale: str) -> None:
    made = pdf(seller={"document_locale": locale})
    told, labels = text(made), labels_of(locale)
    for name in ("invoice", "from", "bill_to", "amount_due", "item", "unit_price", "total"):
        assert plain(labels[name]) in told, name
    assert missing_glyphs(made) == 0
    assert reader(made).trailer["/Root"]["/Lang"].startswith(locale.split("-")[0])


def test_the_customers_locale_comes_before_the_sellers() -> None:
    told = text(pdf(customer={"document_locale": "de"}, seller={"document_locale": "fr"}))
    assert in_order(told, "Rechnung", "Rechnungsdatum 01.02.2024", "Fälliger Betrag", "€150,00", "2. März 2024")


def test_chinese_is_written_throughout() -> None:
    told = text(pdf([("專業方案", [sample_fee("API 呼叫", 12500, 100)])], seller={"document_locale": "zh-TW"}))
    told = told.replace(" ", "")
    assert in_order(told, "發票", "開立日期2024年2月1日", "應付金額", "€150.00", "專業方案", "API呼叫", "總計€150.00")
