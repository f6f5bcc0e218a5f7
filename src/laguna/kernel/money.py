"""Exact money: decimals, one rounding function, and the minor units of currencies (spec 1 §0, spec 2 CON-1). Pure."""

from __future__ import annotations

import decimal
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal

PRECISION = 80  # significant digits of intermediate results: 30 before and 15 after the point, multiplied, with room
ZERO = Decimal(0)

_HALF_UP = decimal.Context(prec=PRECISION, rounding=ROUND_HALF_UP)
_UP = decimal.Context(prec=PRECISION, rounding=ROUND_CEILING)
_DOWN = decimal.Context(prec=PRECISION, rounding=ROUND_FLOOR)
decimal.DefaultContext.prec = PRECISION  # contexts of threads and tasks that are made later copy it
decimal.setcontext(decimal.Context(prec=PRECISION))

# ISO 4217. Not babel's table, which is CLDR's: that has no decimals for IQD, LBP and others, a factor of 100 or 1000.
_EXPONENTS = {
    **dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(), 0),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
    **dict.fromkeys("CLF UYW".split(), 4),
}


def _rounded(value: Decimal, places: int, context: decimal.Context) -> Decimal:
    if places >= 0:
        return value.quantize(Decimal(1).scaleb(-places), context=context)
    return value.scaleb(places, context=context).quantize(Decimal(1), context=context).scaleb(-places)


def round_half_up(value: Decimal, places: int = 0) -> Decimal:
    """`value` rounded to `places` decimals, ties away from zero: 2.5 -> 3, -2.5 -> -3. Negative places: tens."""
    return _rounded(value, places, _HALF_UP)


def round_up(value: Decimal, places: int = 0) -> Decimal:
    """`value` rounded towards +infinity: 123.451 -> 123.46 to 2 places, 200 to -2."""
    return _rounded(value, places, _UP)


def round_down(value: Decimal, places: int = 0) -> Decimal:
    """`value` rounded towards -infinity: 123.459 -> 123.45 to 2 places, 100 to -2."""
    return _rounded(value, places, _DOWN)


def round_cents(value: Decimal) -> int:
    """An amount in minor units, possibly with a fraction, as whole minor units: 870.97 -> 871."""
    return int(round_half_up(value))


def exponent(currency: str) -> int:
    """Decimals of a currency's minor unit: EUR 2, JPY 0, KWD 3 (ISO 4217)."""
    return _EXPONENTS.get(currency, 2)


def subunits(currency: str) -> int:
    """Minor units in one major unit: EUR 100, JPY 1, KWD 1000."""
    return 10 ** exponent(currency)


def decimal_text(value: Decimal) -> str:
    """Plain notation with at least one decimal, no trailing zeros: 4 -> "4.0", 1.50 -> "1.5", 1E+2 -> "100.0"."""
    text = format(value, "f")
    if "." not in text:
        return f"{text}.0"
    text = text.rstrip("0")
    return f"{text}0" if text.endswith(".") else text
