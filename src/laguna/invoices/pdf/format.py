"""How numbers, money and days are written in the nine locales of documents (spec 3 DOC-5, DOC-7). Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from babel import Locale
from babel.dates import format_date

from laguna.kernel.money import exponent, round_half_up

SPACE = "\u00a0"  # in numbers: it never ends a line
MINUS = "\u2212"  # as wide as a digit
SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}
SIGNIFICANT_DIGITS, MAX_DECIMALS = 6, 6


@dataclass(frozen=True, slots=True)
class Style:
    """A row of the table of DOC-7. `behind`: the currency follows the amount; `gap`: what parts a symbol from it."""

    tag: str
    decimal: str = "."
    thousands: str = ","
    behind: bool = False
    gap: str = ""
    percent_gap: str = ""

    @property
    def babel(self) -> Locale:
        return Locale.parse(self.tag, sep="-")

    @property
    def language(self) -> str:
        return self.tag.partition("-")[0]

    @property
    def region(self) -> str | None:
        return self.tag.partition("-")[2] or None


STYLES: Mapping[str, Style] = {
    style.tag: style
    for style in (
        Style("en"),
        Style("es", percent_gap=SPACE),
        Style("zh-TW"),
        Style("de", ",", ".", percent_gap=SPACE),
        Style("nb", ",", SPACE, percent_gap=SPACE),
        Style("pt-BR", ",", ".", gap=SPACE),
        Style("fr", ",", SPACE, behind=True, gap=SPACE, percent_gap=SPACE),
        Style("sv", ",", SPACE, behind=True, gap=SPACE, percent_gap=SPACE),
        Style("it", ",", ".", behind=True, gap=SPACE),
    )
}


def _digits(value: Decimal, least: int, most: int, style: Style) -> str:
    """The absolute value, grouped, with at least `least` and at most `most` decimals."""
    whole, _, fraction = format(round_half_up(abs(value), most), "f").partition(".")
    fraction = fraction.rstrip("0").ljust(least, "0")
    grouped = re.sub(r"(?<=\d)(?=(\d{3})+$)", style.thousands, whole)
    return f"{grouped}{style.decimal}{fraction}" if fraction else grouped


def _decimals(value: Decimal) -> int:
    """Below 1, six significant digits; from 1 on, six decimals: 0.000123456789 -> 0.000123457 (DOC-7)."""
    if not value or abs(value) >= 1:
        return MAX_DECIMALS
    return SIGNIFICANT_DIGITS - 1 - value.adjusted()


def _with_currency(value: Decimal, digits: str, currency: str, style: Style) -> str:
    symbol = SYMBOLS.get(currency)
    gap = style.gap if symbol else SPACE
    text = f"{digits}{gap}{symbol or currency}" if style.behind else f"{symbol or currency}{gap}{digits}"
    return f"{MINUS}{text}" if value < 0 and re.search("[1-9]", digits) else text


def money(amount_cents: int, currency: str, style: Style) -> str:
    """An amount in minor units: 123450 EUR is "€1,234.50" in English, "1 234,50 €" in French; JPY has no decimals."""
    return major(Decimal(amount_cents).scaleb(-exponent(currency)), currency, style)


def major(amount: Decimal, currency: str, style: Style) -> str:
    """An amount in major units, rounded to minor ones."""
    places = exponent(currency)
    return _with_currency(amount, _digits(amount, places, places, style), currency, style)


def unit_price(amount: Decimal, currency: str, style: Style) -> str:
    """What one unit costs, in major units: 0.0002 -> "€0.0002", 12.5 -> "€12.50", 3.1234567 -> "€3.123457"."""
    least = exponent(currency)
    digits = _digits(amount, least, max(least, _decimals(amount)), style)
    return _with_currency(amount, digits, currency, style)


def number(value: Decimal, style: Style) -> str:
    """A count of units: 1234.5 -> "1,234.5"."""
    sign = MINUS if value < 0 else ""
    return sign + _digits(value, 0, _decimals(value), style)


def percent(rate: Decimal, style: Style) -> str:
    """20 -> "20%", in German "20 %"."""
    return f"{number(rate, style)}{style.percent_gap}%"


def day(value: date, style: Style, *, long: bool = False) -> str:
    return format_date(value, "long" if long else "medium", locale=style.babel)


def country(code: str, style: Style) -> str:
    return style.babel.territories.get(code, code)
