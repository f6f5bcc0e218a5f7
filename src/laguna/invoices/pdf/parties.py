"""Seller and customer as blocks of lines (spec 3 §9.2). Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from laguna.invoices.pdf import text
from laguna.invoices.pdf.format import Style, country
from laguna.invoices.pdf.labels import Labels

# "Springfield, IL 62701"
_CITY_STATE_ZIP = frozenset("AU CA ID IN MX NZ PH PR US".split())
# the town, then the code on a line of its own
_CITY_THEN_ZIP = frozenset("GB GG HK IE IM JE KE MT SG ZA".split())
# "Sao Paulo - SP", then the code
_CITY_DASH_STATE = frozenset(["BR"])
# from the country's end to the house, where written in the country's own script
_LARGE_TO_SMALL = frozenset("CN HK JP KR MO TW".split())
_FIRST_EAST_ASIAN = "\u2e80"


def _joined(separator: str, *parts: str) -> str:
    return separator.join(part for part in parts if part)


def address(of: Mapping[str, Any], style: Style) -> list[str]:
    """The lines of an address in the order of its country; absent parts leave nothing behind."""
    code = str(of.get("country") or "")
    street = [text.line(of.get("address_line1")), text.line(of.get("address_line2"))]
    city, state, zipcode = (text.line(of.get(name)) for name in ("city", "state", "zipcode"))
    nation = country(code, style) if code else ""
    if code in _LARGE_TO_SMALL and any(letter >= _FIRST_EAST_ASIAN for letter in "".join([*street, city])):
        found = [nation, zipcode, _joined("", state, city), *street]
    elif code in _CITY_STATE_ZIP:
        found = [*street, _joined(", ", city, _joined(" ", state, zipcode)), nation]
    elif code in _CITY_THEN_ZIP:
        found = [*street, city, state, zipcode, nation]
    elif code in _CITY_DASH_STATE:
        found = [*street, _joined(" - ", city, state), zipcode, nation]
    else:
        found = [*street, _joined(" ", zipcode, city), state, nation]
    return [each for each in found if each]


def seller_name(seller: Mapping[str, Any]) -> str:
    return text.line(seller.get("legal_name")) or text.line(seller.get("name"))


def customer_name(customer: Mapping[str, Any]) -> str:
    """Legal name, else name, else first and last name, else what the merchant calls it by."""
    personal = _joined(" ", text.line(customer.get("firstname")), text.line(customer.get("lastname")))
    names = (text.line(customer.get("legal_name")), text.line(customer.get("name")), personal)
    return next((name for name in names if name), text.line(customer.get("external_id")))


def block(name: str, of: Mapping[str, Any], labels: Labels, style: Style) -> dict[str, Any]:
    """`{"name": ..., "lines": [...]}`: legal number, address, e-mail, tax id."""
    tax_id = text.line(of.get("tax_identification_number"))
    entries: Sequence[str] = (
        text.line(of.get("legal_number")),
        *address(of, style),
        text.line(of.get("email")),
        labels.say("tax_id", number=tax_id) if tax_id else "",
    )
    return {"name": name, "lines": [entry for entry in entries if entry]}
