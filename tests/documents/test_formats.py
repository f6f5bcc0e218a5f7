"""How amounts, units, rates and days are written in each locale (spec 3 DOC-5, DOC-7)."""

from __future__ import annotations

import string
from datetime import date
from decimal import Decimal

import pytest

from laguna.invoices.pdf.format import STYLES, country, day, money, number, percent, unit_price
from laguna.invoices.pdf.labels import labels_of
from laguna.kernel.catalogs import LOCALES


def plain(text: str) -> str:
    """Spaces that don't break, as spaces; the minus of print, as a hyphen."""
    return text.replace("\u00a0", " ").replace("\u202f", " ").replace("\u2212", "-")


def test_every_locale_of_the_api_has_a_style_and_labels() -> None:
    assert set(STYLES) == LOCALES
    english = labels_of("en").texts
    for locale in LOCALES:
        texts = labels_of(locale).texts
        assert set(texts) == set(english), locale
        for name, text in texts.items():
            assert text.strip() == text != "", f"{locale} {name}"
            assert placeholders(text) == placeholders(english[name]), f"{locale} {name}"


def placeholders(text: str) -> set[str]:
    return {field for _, field, _, _ in string.Formatter().parse(text) if field}


@pytest.mark.parametrize(
    ("locale", "symbol", "code"),
    [
        ("en", "$1,234.50", "CAD 1,234.50"),
        ("es", "$1,234.50", "CAD 1,234.50"),
        ("zh-TW", "$1,234.50", "CAD 1,234.50"),
        ("de", "$1.234,50", "CAD 1.234,50"),
        ("nb", "$1 234,50", "CAD 1 234,50"),
        ("pt-BR", "$ 1.234,50", "CAD 1.234,50"),
        ("fr", "1 234,50 $", "1 234,50 CAD"),
        ("sv", "1 234,50 $", "1 234,50 CAD"),
        ("it", "1.234,50 $", "1.234,50 CAD"),
    ],
)
def test_money_has_the_symbol_or_the_code_where_the_locale_puts_it(locale: str, symbol: str, code: str) -> None:
    assert plain(money(123450, "USD", STYLES[locale])) == symbol
    assert plain(money(123450, "CAD", STYLES[locale])) == code


@pytest.mark.parametrize(
    ("amount_cents", "currency", "written"),
    [
        (0, "EUR", "€0.00"),
        (5, "EUR", "€0.05"),
        (-5, "EUR", "-€0.05"),
        (-123456789, "GBP", "-£1,234,567.89"),
        (1234, "JPY", "¥1,234"),
        (1234567, "BHD", "BHD 1,234.567"),
        (9223372036854775807, "EUR", "€92,233,720,368,547,758.07"),
    ],
)
def test_money_has_as_many_decimals_as_the_currency(amount_cents: int, currency: str, written: str) -> None:
    assert plain(money(amount_cents, currency, STYLES["en"])) == written


@pytest.mark.parametrize(
    ("amount", "currency", "written"),
    [
        ("12.5", "EUR", "€12.50"),
        ("0", "EUR", "€0.00"),
        ("0.0002", "EUR", "€0.0002"),
        ("0.000123456789", "EUR", "€0.000123457"),  # below 1: six significant digits
        ("0.1234567", "EUR", "€0.123457"),
        ("0.9999999", "EUR", "€1.00"),
        ("3.1234567", "EUR", "€3.123457"),  # from 1 on: six decimals
        ("1234.5", "JPY", "¥1,234.5"),
        ("1E-12", "EUR", "€0.000000000001"),
    ],
)
def test_unit_prices_show_what_matters(amount: str, currency: str, written: str) -> None:
    assert plain(unit_price(Decimal(amount), currency, STYLES["en"])) == written


@pytest.mark.parametrize(
    ("locale", "units", "rate"),
    [
        ("en", "1,234.5", "19.6%"),
        ("es", "1,234.5", "19.6 %"),
        ("zh-TW", "1,234.5", "19.6%"),
        ("de", "1.234,5", "19,6 %"),
        ("nb", "1 234,5", "19,6 %"),
        ("pt-BR", "1.234,5", "19,6%"),
        ("fr", "1 234,5", "19,6 %"),
        ("sv", "1 234,5", "19,6 %"),
        ("it", "1.234,5", "19,6%"),
    ],
)
def test_units_and_rates_follow_the_locale(locale: str, units: str, rate: str) -> None:
    assert plain(number(Decimal("1234.5"), STYLES[locale])) == units
    assert plain(percent(Decimal("19.60000"), STYLES[locale])) == rate


@pytest.mark.parametrize(
    ("units", "written"),
    [("0", "0"), ("1E+3", "1,000"), ("0.000617", "0.000617"), ("12.3456789", "12.345679"), ("-2", "-2")],
)
def test_units_are_exact_to_six_decimals(units: str, written: str) -> None:
    assert plain(number(Decimal(units), STYLES["en"])) == written


@pytest.mark.parametrize(
    ("locale", "medium", "long", "germany"),
    [
        ("en", "Feb 1, 2024", "February 1, 2024", "Germany"),
        ("es", "1 feb 2024", "1 de febrero de 2024", "Alemania"),
        ("zh-TW", "2024年2月1日", "2024年2月1日", "德國"),
        ("de", "01.02.2024", "1. Februar 2024", "Deutschland"),
        ("nb", "1. feb. 2024", "1. februar 2024", "Tyskland"),
        ("pt-BR", "1 de fev. de 2024", "1 de fevereiro de 2024", "Alemanha"),
        ("fr", "1 févr. 2024", "1 février 2024", "Allemagne"),
        ("sv", "1 feb. 2024", "1 februari 2024", "Tyskland"),
        ("it", "1 feb 2024", "1 febbraio 2024", "Germania"),
    ],
)
def test_days_and_countries_are_in_the_language(locale: str, medium: str, long: str, germany: str) -> None:
    style = STYLES[locale]
    assert (day(date(2024, 2, 1), style), day(date(2024, 2, 1), style, long=True)) == (medium, long)
    assert country("DE", style) == germany
