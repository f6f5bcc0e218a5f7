"""What a parsed expression is made of. Each node computes its value for an event, and prints as its own source.

Numbers are decimals of 80 digits. Their magnitude is bounded, so that at least 20 decimals of each are exact.
"""

from __future__ import annotations

import decimal
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, cast

from laguna.kernel.money import PRECISION, ZERO, decimal_text, round_down, round_half_up, round_up

DIGITS_BEFORE, DIGITS_AFTER = 30, 15  # of a result: what counts as numeric (spec 1 §1.9)
MAGNITUDE_MAX = 60  # numbers lie below 10^60; what is smaller than 10^-60 is 0
PLACES_MAX = 30  # to which a number can be rounded
NUMERAL_MAX = 1_000  # characters of a property that is looked at as a number
TEXT_MAX = 10_000  # characters that `concat` may make

Value = Decimal | str

_CONTEXT = decimal.Context(prec=PRECISION, rounding=ROUND_HALF_UP)
_NUMERAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,9})?")


class EvaluationError(Exception):
    """The event has no value. The text says why, for whoever sent the event."""


@dataclass(frozen=True, slots=True)
class EventVariables:
    """What an expression can see of an event; `timestamp` in whole Unix seconds, fractions in properties decimals."""

    code: str
    timestamp: int
    properties: Mapping[str, Any]


def evaluate(expression: Node, event: EventVariables) -> str:
    """The value to store: a number as a decimal string with at most 15 decimals, text as it is.

    `event.properties.left + event.properties.right` of {"left": "1", "right": 2} -> "3.0". EvaluationError when the
    event lacks what it takes.
    """
    value = expression.evaluate(event)
    if isinstance(value, str):
        return value
    result = _shown(value)
    if result.adjusted() >= DIGITS_BEFORE:
        raise EvaluationError("Number out of range")
    return decimal_text(result)


class Node(ABC):
    __slots__ = ()

    @abstractmethod
    def evaluate(self, event: EventVariables) -> Value:
        """The value; EvaluationError if there is none."""

    def number(self, event: EventVariables) -> Decimal:
        """The value where a number is needed."""
        value = self.evaluate(event)
        if isinstance(value, str):
            raise EvaluationError("Expected a decimal")
        return value

    def text(self, event: EventVariables) -> str:
        """The value where text is needed: a number in the shortest plain notation."""
        value = self.evaluate(event)
        return value if isinstance(value, str) else decimal_text(_shown(value)).removesuffix(".0")


def _bounded(number: Decimal) -> Decimal:
    if not number:
        return ZERO  # without sign and tens
    magnitude = number.adjusted()
    if magnitude >= MAGNITUDE_MAX:
        raise EvaluationError("Number out of range")
    return number if magnitude >= -MAGNITUDE_MAX else ZERO


def _shown(number: Decimal) -> Decimal:
    """With the decimals that are stored."""
    return _to_places(round_half_up, number, DIGITS_AFTER)


def _to_places(rounding: Any, number: Decimal, places: int) -> Decimal:
    if cast(int, number.as_tuple().exponent) >= -places:
        return number  # nothing to round off, and perhaps no room for more decimals
    return _bounded(rounding(number, places))


# ---- operands ----


@dataclass(frozen=True, slots=True)
class Number(Node):
    value: Decimal

    def evaluate(self, event: EventVariables) -> Value:
        return self.value

    def __str__(self) -> str:
        return format(self.value, "f")


@dataclass(frozen=True, slots=True)
class Text(Node):
    value: str

    def evaluate(self, event: EventVariables) -> Value:
        return self.value

    def __str__(self) -> str:
        return f"'{self.value}'"


@dataclass(frozen=True, slots=True)
class Code(Node):
    def evaluate(self, event: EventVariables) -> Value:
        return event.code

    def __str__(self) -> str:
        return "event.code"


@dataclass(frozen=True, slots=True)
class Timestamp(Node):
    def evaluate(self, event: EventVariables) -> Value:
        return Decimal(event.timestamp)

    def __str__(self) -> str:
        return "event.timestamp"


@dataclass(frozen=True, slots=True)
class Property(Node):
    """A number, or text that reads as one, is a number; other text and booleans are text.

    Nulls, objects and arrays are no values. As text it is what was sent: "007" stays "007".
    """

    name: str

    def evaluate(self, event: EventVariables) -> Value:
        value = self._sent(event)
        if isinstance(value, str) and (len(value) > NUMERAL_MAX or not _NUMERAL.fullmatch(value)):
            return value
        return _CONTEXT.plus(_bounded(Decimal(value)))

    def text(self, event: EventVariables) -> str:
        value = self._sent(event)
        return value if isinstance(value, str) else format(_bounded(Decimal(value)), "f")

    def _sent(self, event: EventVariables) -> str | int | Decimal:
        value = event.properties.get(self.name)
        if value is True or value is False:
            return "true" if value else "false"
        if isinstance(value, (str, int, Decimal)):
            return value
        raise EvaluationError(f"Variable: {self.name} not found")

    def __str__(self) -> str:
        return f"event.properties.{self.name}"


# ---- operators ----


@dataclass(frozen=True, slots=True)
class Negation(Node):
    operand: Node

    def evaluate(self, event: EventVariables) -> Value:
        return _CONTEXT.minus(self.operand.number(event))

    def __str__(self) -> str:
        return f"-{_operand(self.operand)}"


@dataclass(frozen=True, slots=True)
class Arithmetic(Node):
    """Operands of one precedence, from the left: `first` and pairs of an operator and an operand.

    As a list it is not deep, however long it is.
    """

    first: Node
    rest: tuple[tuple[str, Node], ...]

    def evaluate(self, event: EventVariables) -> Value:
        result = self.first.number(event)
        for operator, operand in self.rest:
            result = _bounded(_OPERATIONS[operator](result, operand.number(event)))
        return result

    def __str__(self) -> str:
        rest = (f" {operator} {_operand(operand)}" for operator, operand in self.rest)
        return f"{_operand(self.first)}{''.join(rest)}"


def _operand(node: Node) -> str:
    return f"({node})" if isinstance(node, Arithmetic) else str(node)


def _divided(dividend: Decimal, divisor: Decimal) -> Decimal:
    if not divisor:
        raise EvaluationError("Division by zero")
    return _CONTEXT.divide(dividend, divisor)


_OPERATIONS = {"+": _CONTEXT.add, "-": _CONTEXT.subtract, "*": _CONTEXT.multiply, "/": _divided}


# ---- functions ----


@dataclass(frozen=True, slots=True)
class Call(Node):
    """`function` in lower case, and at most as many arguments as FUNCTIONS says."""

    function: str
    arguments: tuple[Node, ...]

    def evaluate(self, event: EventVariables) -> Value:
        if self.function == "concat":
            return _joined([argument.text(event) for argument in self.arguments])
        numbers = [argument.number(event) for argument in self.arguments]
        if self.function in _EXTREMES:
            return _EXTREMES[self.function](numbers)
        return _to_places(_ROUNDING[self.function], numbers[0], _places(numbers[1]) if len(numbers) > 1 else 0)

    def __str__(self) -> str:
        return f"{self.function}({', '.join(map(str, self.arguments))})"


_EXTREMES = {"least": min, "greatest": max}
_ROUNDING = {"round": round_half_up, "ceil": round_up, "floor": round_down}
FUNCTIONS: Mapping[str, int | None] = {  # with the most arguments they take; each takes at least one
    "concat": None,
    **dict.fromkeys(_EXTREMES),
    **dict.fromkeys(_ROUNDING, 2),
}


def _joined(texts: Sequence[str]) -> str:
    if sum(map(len, texts)) > TEXT_MAX:
        raise EvaluationError("Text too long")
    return "".join(texts)


def _places(number: Decimal) -> int:
    if number != number.to_integral_value() or abs(number) > PLACES_MAX:
        raise EvaluationError(f"Expected an integer from -{PLACES_MAX} to {PLACES_MAX}")
    return int(number)
