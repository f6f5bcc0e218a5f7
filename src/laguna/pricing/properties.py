"""Reading the properties of a charge from a request (spec 1 §3.6 to 3.8): what every charge model needs. Pure.

What is read is kept as it can be stored as JSON: prices as the text that was given, numbers as int where they are
whole, else as Decimal.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, cast

from laguna.kernel.money import round_half_up

DIGITS_BEFORE, DIGITS_AFTER = 30, 15  # of the decimal point: beyond them nothing is a price, and nothing explodes
TEXT_MAX = 100  # characters of a decimal; leading and trailing zeros have room
PRESENTATION_KEYS_MAX = 2

# No sign, blank or underscore; an exponent is ordinary text for small numbers ("1e-07") in many languages.
_DECIMAL_TEXT = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")

Bound = int | Decimal


def _plain(number: Decimal) -> Decimal | None:
    """The same number without trailing zeros; None where it is not finite or has too many digits."""
    if not number.is_finite():
        return None
    if not number:
        return Decimal(0)
    if number.adjusted() >= DIGITS_BEFORE:
        return None
    rounded = round_half_up(number, DIGITS_AFTER)
    return rounded.normalize() if rounded == number else None


def read_decimal_text(value: Any) -> Decimal | None:
    """A decimal >= 0 from its text, as prices are given: "0.05". A JSON number is refused (spec 1 §0.1)."""
    if not isinstance(value, str) or len(value) > TEXT_MAX or not _DECIMAL_TEXT.fullmatch(value):
        return None
    return _plain(Decimal(value))


def read_number(value: Any) -> Bound | None:
    """A number from a JSON number, or from the text of one >= 0: an int where it is whole. Booleans are no numbers."""
    number: Decimal | None
    if isinstance(value, str):
        number = read_decimal_text(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        number = _plain(Decimal(value))
    elif isinstance(value, Decimal):
        number = _plain(value)
    else:
        number = None
    if number is None:
        return None
    return int(number) if number == number.to_integral_value() else number


def _is_key(value: Any) -> bool:
    """Whether an event property can have this name: not empty, and nothing that a database refuses."""
    if not isinstance(value, str) or not value or "\x00" in value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True


class Cleaning:
    """Takes a charge's properties one by one: what is valid is kept, the rest leaves a code, foreign keys are dropped.

    All codes are collected, so that an answer can name every problem at once.
    """

    def __init__(self, given: Mapping[str, Any]) -> None:
        self.given = given
        self.kept: dict[str, Any] = {}
        self.codes: list[str] = []

    def price(self, key: str, code: str) -> None:
        """A mandatory decimal, kept as it was written."""
        value = self.given.get(key)
        if read_decimal_text(value) is None:
            self.codes.append(code)
        else:
            self.kept[key] = value

    def integer(self, key: str, lowest: int, code: str) -> None:
        """A mandatory whole number of at least `lowest`."""
        number = read_number(self.given.get(key))
        if isinstance(number, int) and number >= lowest:
            self.kept[key] = number
        else:
            self.codes.append(code)

    def optional_price(self, key: str, code: str) -> None:
        """A decimal that may be left out."""
        if self.given.get(key) not in (None, ""):
            self.price(key, code)

    def optional_integer(self, key: str, lowest: int, code: str) -> None:
        """A whole number that may be left out."""
        if self.given.get(key) not in (None, ""):
            self.integer(key, lowest, code)

    def result(self) -> tuple[dict[str, Any], list[str]]:
        """What was kept, with the grouping keys that every model takes, and each code once, in order."""
        self._pricing_groups()
        self._presentation_groups()
        return self.kept, list(dict.fromkeys(self.codes))

    def _pricing_groups(self) -> None:
        """Spec 1 §3.6: `grouped_by` is the old name. No keys is no grouping."""
        keys = self.given.get("pricing_group_keys")
        if keys is None:
            keys = self.given.get("grouped_by")
        if keys is None or keys == []:
            return
        if isinstance(keys, list) and all(map(_is_key, cast(list[Any], keys))):
            self.kept["pricing_group_keys"] = list(dict.fromkeys(cast(list[str], keys)))
        else:
            self.codes.append("invalid_type")

    def _presentation_groups(self) -> None:
        """Spec 1 §3.7: at most two of `{"value": key, "options": {"display_in_invoice": true}}`."""
        groups = self.given.get("presentation_group_keys")
        if groups is None or groups == []:
            return
        if not isinstance(groups, list) or not all(map(_is_presentation_group, cast(list[Any], groups))):
            self.codes.append("invalid_type")
            return
        values = [group["value"] for group in cast(list[dict[str, Any]], groups)]
        problems = {
            "too_many_keys": len(values) > PRESENTATION_KEYS_MAX,
            "value_is_duplicated": len(set(values)) < len(values),
        }
        codes = [code for code, found in problems.items() if found]
        self.codes.extend(codes)
        if not codes:
            self.kept["presentation_group_keys"] = groups


def _is_presentation_group(group: Any) -> bool:
    if not isinstance(group, dict):
        return False
    group = cast(dict[str, Any], group)
    options: Any = group.get("options", {})
    return (
        group.keys() <= {"value", "options"}
        and _is_key(group.get("value"))
        and isinstance(options, dict)
        and cast(dict[str, Any], options).keys() <= {"display_in_invoice"}
        and all(isinstance(option, bool) for option in cast(Sequence[Any], options.values()))
    )
