"""From text to nodes, by recursive descent over a grammar of eight lines (spec 1 §2.6):

    sum      = product { ("+" | "-") product }
    product  = operand { ("*" | "/") operand }
    operand  = "-" operand | "(" sum ")" | call | variable | number | text
    call     = name "(" sum { "," sum } ")"
    name     = one of six functions, as `round`, `ROUND` or `Round`
    variable = "event.code" | "event.timestamp" | "event.properties." letter { letter | digit | "_" }
    number   = digits [ "." digits ]
    text     = "'" { any character but "'" } "'"

with blanks between any of these. Length and depth are limited, so that no text takes long to read or to evaluate.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import NoReturn

from laguna.metrics.expressions.nodes import (
    DIGITS_AFTER,
    DIGITS_BEFORE,
    FUNCTIONS,
    Arithmetic,
    Call,
    Code,
    Negation,
    Node,
    Number,
    Property,
    Text,
    Timestamp,
)

LENGTH_MAX = 2_000
TOKENS_MAX = 500  # what evaluating it costs for each event
DEPTH_MAX = 50  # of parentheses, calls and signs inside one another
PARSED_KEPT = 1_000

_TOKEN = re.compile(
    rf"""
    (?P<number>[0-9]{{1,{DIGITS_BEFORE}}}(?:\.[0-9]{{1,{DIGITS_AFTER}}})?)
    | (?P<text>'[^']*')
    | (?P<variable>event\.(?:code|timestamp|properties\.[A-Za-z][A-Za-z0-9_]*))
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<symbol>[-+*/(),])
    | (?P<unknown>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_BLANKS = re.compile(" *")
_SPELLINGS = {spelling: name for name in FUNCTIONS for spelling in (name, name.upper(), name.capitalize())}


class InvalidExpressionError(ValueError):
    """The text is no expression; `position` is where reading it failed, from 0."""

    def __init__(self, reason: str, position: int) -> None:
        super().__init__(f"{reason} at position {position}")
        self.position = position


@lru_cache(PARSED_KEPT)
def parse(text: str) -> Node:
    """The expression that `text` holds; InvalidExpressionError where it holds none."""
    if len(text) > LENGTH_MAX:
        raise InvalidExpressionError(f"longer than {LENGTH_MAX} characters", LENGTH_MAX)
    return _Parser(text).whole()


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    position: int


def _tokens(text: str) -> list[_Token]:
    """The tokens, and one of kind "end" behind them."""
    tokens: list[_Token] = []
    position = _after_blanks(text, 0)
    while position < len(text):
        match = _TOKEN.match(text, position)
        assert match is not None
        assert match.lastgroup is not None
        if len(tokens) == TOKENS_MAX:
            raise InvalidExpressionError(f"more than {TOKENS_MAX} parts", position)
        tokens.append(_Token(match.lastgroup, match[0], position))
        position = _after_blanks(text, match.end())
    return [*tokens, _Token("end", "", len(text))]


def _after_blanks(text: str, position: int) -> int:
    match = _BLANKS.match(text, position)
    assert match is not None
    return match.end()


class _Parser:
    """Reads the tokens from the left; each method takes those of its rule."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._next = 0
        self._depth = 0

    def whole(self) -> Node:
        node = self._sum()
        if self._token.kind != "end":
            self._fail()
        return node

    @property
    def _token(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._token
        self._next += token.kind != "end"
        return token

    def _accept(self, symbol: str) -> bool:
        if self._token.kind == "symbol" and self._token.text == symbol:
            self._next += 1
            return True
        return False

    def _expect(self, symbol: str) -> None:
        if not self._accept(symbol):
            self._fail()

    def _fail(self) -> NoReturn:
        token = self._token
        raise InvalidExpressionError(f"unexpected {token.text!r}" if token.text else "unexpected end", token.position)

    def _sum(self) -> Node:
        first, rest = self._product(), list[tuple[str, Node]]()
        while self._token.text in ("+", "-"):
            rest.append((self._take().text, self._product()))
        return Arithmetic(first, tuple(rest)) if rest else first

    def _product(self) -> Node:
        first, rest = self._operand(), list[tuple[str, Node]]()
        while self._token.text in ("*", "/"):
            rest.append((self._take().text, self._operand()))
        return Arithmetic(first, tuple(rest)) if rest else first

    def _operand(self) -> Node:
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise InvalidExpressionError(f"nested deeper than {DEPTH_MAX}", self._token.position)
        if self._accept("-"):
            node: Node = Negation(self._operand())
        elif self._accept("("):
            node = self._sum()
            self._expect(")")
        elif self._token.text in _SPELLINGS:
            node = self._call()
        else:
            node = self._value()
        self._depth -= 1
        return node

    def _call(self) -> Node:
        name = self._take()
        function = _SPELLINGS[name.text]
        self._expect("(")
        arguments = [self._sum()]
        while self._accept(","):
            arguments.append(self._sum())
        self._expect(")")
        most = FUNCTIONS[function]
        if most is not None and len(arguments) > most:
            raise InvalidExpressionError(f"more than {most} arguments of {name.text}", name.position)
        return Call(function, tuple(arguments))

    def _value(self) -> Node:
        text = self._token.text
        match self._token.kind:
            case "number":
                node: Node = Number(Decimal(text))
            case "text":
                node = Text(text[1:-1])
            case "variable":
                node = _variable(text)
            case _:
                self._fail()
        self._next += 1
        return node


def _variable(text: str) -> Node:
    if text == "event.code":
        return Code()
    if text == "event.timestamp":
        return Timestamp()
    return Property(text.removeprefix("event.properties."))
