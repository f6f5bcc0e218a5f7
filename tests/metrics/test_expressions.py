"""Expressions: the examples of spec 1 §2.6, what is no expression, limits, and laws over generated ones."""

from __future__ import annotations

import contextlib
import decimal
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from laguna.kernel.money import decimal_text
from laguna.metrics.expressions import EvaluationError, EventVariables, InvalidExpressionError, evaluate, nodes, parse
from laguna.metrics.expressions.parsing import DEPTH_MAX, LENGTH_MAX, TOKENS_MAX

TIMESTAMP = 1709251200


def value(expression: str, **properties: Any) -> str:
    return evaluate(parse(expression), EventVariables("calls", TIMESTAMP, properties))


def failure(expression: str, **properties: Any) -> str:
    with pytest.raises(EvaluationError) as raised:
        value(expression, **properties)
    return str(raised.value)


def position(text: str) -> int:
    with pytest.raises(InvalidExpressionError) as raised:
        parse(text)
    return raised.value.position


# ---- values ----


@pytest.mark.parametrize(
    ("expression", "properties", "expected"),
    [
        ("event.properties.left + event.properties.right", {"left": "1", "right": "2"}, "3.0"),
        ("concat(event.properties.foo, '-bar')", {"foo": "bar_0"}, "bar_0-bar"),
        ("(123 - event.properties.p) / 10", {"p": "1.23"}, "12.177"),
        ("round(event.properties.p, -1)", {"p": "12.34"}, "10.0"),
        ("round(12.345, 2)", {}, "12.35"),
        ("ceil(12.351, 1)", {}, "12.4"),
        ("floor(12.351, 1)", {}, "12.3"),
        ("round(event.properties.value * event.properties.units)", {"value": "10.4", "units": 2}, "21.0"),
        ("round(event.properties.value)", {"value": "2.4"}, "2.0"),
        ("event.code", {}, "calls"),
        ("event.timestamp", {}, "1709251200.0"),
        ("'10'", {}, "10"),
        ("event.properties.n", {"n": 7}, "7.0"),
        ("event.properties.n", {"n": Decimal("1E+3")}, "1000.0"),
        ("event.properties.n", {"n": "1.5e2"}, "150.0"),
        ("event.properties.n", {"n": "-.5"}, "-0.5"),
        ("event.properties.n", {"n": ""}, ""),
        ("event.properties.n", {"n": "1_000"}, "1_000"),
        ("event.properties.n", {"n": "NaN"}, "NaN"),
        ("event.properties.n", {"n": True}, "true"),
        ("event.properties.a_1B", {"a_1B": "x"}, "x"),
        ("1 - 2 - 3", {}, "-4.0"),
        ("100 / 10 / 5", {}, "2.0"),
        ("2 + 3 * 4", {}, "14.0"),
        ("(2 + 3) * 4", {}, "20.0"),
        ("-2 * -3 - -1", {}, "7.0"),
        ("2--2", {}, "4.0"),
        ("--2", {}, "2.0"),
        ("-(2 - 5)", {}, "3.0"),
        ("0 * -1", {}, "0.0"),
        ("-0", {}, "0.0"),
        ("0.1 + 0.2", {}, "0.3"),
        ("1 / 3 * 3", {}, "1.0"),
        ("round(2.5)", {}, "3.0"),
        ("round(-2.5)", {}, "-3.0"),
        ("ROUND(15, -1)", {}, "20.0"),
        ("Ceil(-2.5)", {}, "-2.0"),
        ("FLOOR(-2.5)", {}, "-3.0"),
        ("ceil(123.456, -2)", {}, "200.0"),
        ("round(3, 1 + 1)", {}, "3.0"),
        ("round(event.properties.n, 30)", {"n": "1.123456789012345678"}, "1.123456789012346"),
        ("least(3, 1.5, 2)", {}, "1.5"),
        ("Greatest(3, -event.properties.n, 2)", {"n": "-4"}, "4.0"),
        ("least(3)", {}, "3.0"),
        ("concat('a')", {}, "a"),
        ("Concat(event.code, '/', event.timestamp, '/', 1 + 1, '/', 1 / 4)", {}, "calls/1709251200/2/0.25"),
        ("concat(event.properties.id, event.properties.n, event.properties.flag)",
            {"id": "007", "n": Decimal("1.50"), "flag": False}, "0071.50false"),
        ("concat('a \"+\" b', '')", {}, 'a "+" b'),
    ],
)  # fmt: skip
def test_an_expression_has_the_value(expression: str, properties: dict[str, Any], expected: str) -> None:
    assert value(expression, **properties) == expected


def test_a_number_is_stored_with_the_decimals_that_still_count_as_numeric() -> None:
    assert value("2 / 3") == "0.666666666666667"
    assert value("0.1 / 1000000000000000") == "0.0"
    assert value("999999999999999999999999999999 + 0.5") == "999999999999999999999999999999.5"


@pytest.mark.parametrize(
    ("expression", "properties", "reason"),
    [
        ("event.properties.left + event.properties.b", {"left": "1"}, "Variable: b not found"),
        ("event.properties.b", {"b": None}, "Variable: b not found"),
        ("event.properties.b", {"b": {"c": 1}}, "Variable: b not found"),
        ("event.properties.b", {"b": [1]}, "Variable: b not found"),
        ("event.properties.b * 2", {"b": "many"}, "Expected a decimal"),
        ("event.properties.b * 2", {"b": True}, "Expected a decimal"),
        ("event.properties.b * 2", {"b": " 1"}, "Expected a decimal"),
        ("event.properties.b * 2", {"b": "٣"}, "Expected a decimal"),
        ("event.properties.b * 2", {"b": "1" * 1_001}, "Expected a decimal"),
        ("event.code + 1", {}, "Expected a decimal"),
        ("'5' + 1", {}, "Expected a decimal"),
        ("concat('1', '2') + 1", {}, "Expected a decimal"),
        ("-'5'", {}, "Expected a decimal"),
        ("round('5')", {}, "Expected a decimal"),
        ("round(5, '1')", {}, "Expected a decimal"),
        ("least(1, 'a')", {}, "Expected a decimal"),
        ("1 / 0", {}, "Division by zero"),
        ("0 / 0", {}, "Division by zero"),
        ("1 / (event.properties.b - 2)", {"b": 2}, "Division by zero"),
        ("round(1.5, 0.5)", {}, "Expected an integer from -30 to 30"),
        ("round(1.5, 31)", {}, "Expected an integer from -30 to 30"),
        ("floor(1.5, -31)", {}, "Expected an integer from -30 to 30"),
        ("event.properties.b", {"b": "1e999999999"}, "Number out of range"),
        ("event.properties.b", {"b": 10**300}, "Number out of range"),
        ("999999999999999999999999999999 + 1", {}, "Number out of range"),
    ],
)
def test_an_expression_has_no_value(expression: str, properties: dict[str, Any], reason: str) -> None:
    assert failure(expression, **properties) == reason


def test_numbers_and_texts_stay_within_limits() -> None:
    big = "999999999999999999999999999999"
    assert failure(f"{big} * {big} * {big}") == "Number out of range"
    assert value(f"{big} * {big} / {big}") == f"{big}.0"
    assert value("concat(event.properties.b)", b="1e-999999999") == "1e-999999999"
    assert value("event.properties.b * 1", b="1e-999999999") == "0.0"
    assert failure("1 / event.properties.b", b="1e-999999999") == "Division by zero"
    text = "event.properties.text"
    assert len(value(f"concat({text}, {text})", text="x" * 5_000)) == 10_000
    assert failure(f"concat({text}, {text})", text="x" * 5_001) == "Text too long"


# ---- what is no expression ----


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("", 0),
        ("   ", 3),
        ("invalid_expression", 0),
        ("1 2", 2),
        ("1 +", 3),
        ("+ 1", 0),
        ("1 + * 2", 4),
        ("(1", 2),
        ("1)", 1),
        ("()", 1),
        (".5", 0),
        ("5.", 1),
        ("1e3", 1),
        ("1.2.3", 3),
        ("'a", 0),
        ("'it''s'", 4),
        ('"a"', 0),
        ("1\n+ 1", 1),
        ("1\t+ 1", 1),
        ("1 ** 2", 3),
        ("1 % 2", 2),
        ("event", 0),
        ("event.", 0),
        ("event.codes", 10),
        ("event.transaction_id", 0),
        ("event.properties.", 0),
        ("event.properties.1a", 0),
        ("event.properties._a", 0),
        ("event.properties.ä", 0),
        ("event.properties.a.b", 18),
        ("Event.code", 0),
        ("event . code", 0),
        ("rOUND(1)", 0),
        ("round", 5),
        ("round 1", 6),
        ("round()", 6),
        ("round(1, 2, 3)", 0),
        ("1 + ceil(1, 2, 3)", 4),
        ("concat()", 7),
        ("concat('a',)", 11),
        ("sum(1, 2)", 0),
        ("__import__('os')", 0),
        ("1" * 31, 30),
        ("0." + "1" * 16, 17),
        ("1\x00", 1),
    ],
)
def test_what_is_no_expression_says_where(text: str, at: int) -> None:
    assert position(text) == at


def test_blanks_may_stand_between_all_parts() -> None:
    assert parse("  round ( -  event.properties.a+1 ,  2 ) ") == parse("round(-event.properties.a + 1, 2)")


def test_length_and_depth_are_limited() -> None:
    assert value("(" * (DEPTH_MAX - 1) + "1" + ")" * (DEPTH_MAX - 1)) == "1.0"
    assert position("(" * DEPTH_MAX + "1" + ")" * DEPTH_MAX) == DEPTH_MAX
    assert position("-" * DEPTH_MAX + "1") == DEPTH_MAX
    assert position("round(" * DEPTH_MAX + "1" + ")" * DEPTH_MAX) == 6 * DEPTH_MAX
    assert value("+".join(["1"] * (TOKENS_MAX // 2))) == f"{TOKENS_MAX // 2}.0"
    assert position("1" + "+1" * TOKENS_MAX) == TOKENS_MAX
    assert position("'" + "x" * LENGTH_MAX + "'") == LENGTH_MAX


# ---- laws ----

numbers = st.decimals(min_value=0, max_value=10**6, places=4)
names = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,5}", fullmatch=True)
operands: st.SearchStrategy[nodes.Node] = st.one_of(
    st.builds(nodes.Number, numbers),
    st.builds(nodes.Text, st.text(st.characters(exclude_characters="'"), max_size=5)),
    st.builds(nodes.Code),
    st.builds(nodes.Timestamp),
    st.builds(nodes.Property, names),
)


def _composed(inner: st.SearchStrategy[nodes.Node]) -> st.SearchStrategy[nodes.Node]:
    def chain(operators: str) -> st.SearchStrategy[nodes.Node]:
        rest = st.lists(st.tuples(st.sampled_from(operators), inner), min_size=1, max_size=3)
        return st.builds(nodes.Arithmetic, inner, rest.map(tuple))

    def call(name: str, most: int | None) -> st.SearchStrategy[nodes.Node]:
        arguments = st.lists(inner, min_size=1, max_size=most or 3)
        return st.builds(nodes.Call, st.just(name), arguments.map(tuple))

    calls = (call(name, most) for name, most in nodes.FUNCTIONS.items())
    return st.one_of(st.builds(nodes.Negation, inner), chain("+-"), chain("*/"), *calls)


expressions = st.recursive(operands, _composed, max_leaves=15)


@given(expressions)
def test_what_is_printed_parses_to_the_same(expression: nodes.Node) -> None:
    assert parse(str(expression)) == expression


json_values = st.none() | st.booleans() | st.integers() | st.decimals(allow_nan=False, allow_infinity=False) | st.text()


@given(expressions, st.dictionaries(names, json_values, max_size=5))
def test_evaluating_gives_a_text_or_says_why_not(expression: nodes.Node, properties: dict[str, Any]) -> None:
    with contextlib.suppress(EvaluationError):
        assert isinstance(evaluate(expression, EventVariables("code", TIMESTAMP, properties)), str)


FRAGMENTS = """
    event.code event.properties.a event. round CONCAT Least ( ) , - + * / 1 0.5 'x' ' . e _ ä
""".split()


@given(st.text() | st.lists(st.sampled_from([*FRAGMENTS, " ", "\n"]), max_size=40).map("".join))
def test_a_text_is_an_expression_or_says_where_it_is_none(text: str) -> None:
    with contextlib.suppress(InvalidExpressionError):
        assert parse(str(parse(text))) == parse(text)


@given(st.text(st.sampled_from("-+*/(),1 "), max_size=2 * LENGTH_MAX))
def test_symbols_in_any_number_are_read_or_refused(text: str) -> None:
    with contextlib.suppress(InvalidExpressionError):
        assert isinstance(parse(text), nodes.Node)


_EXACT = decimal.Context(prec=80, rounding=ROUND_HALF_UP)
_PYTHON = {"+": _EXACT.add, "-": _EXACT.subtract, "*": _EXACT.multiply, "/": _EXACT.divide}


@given(numbers, st.lists(st.tuples(st.sampled_from("+-*/"), numbers), max_size=6))
def test_arithmetic_from_the_left_is_that_of_decimals(first: Decimal, rest: list[tuple[str, Decimal]]) -> None:
    """In parentheses, so that no operator binds tighter."""
    assume(all(operand or operator != "/" for operator, operand in rest))
    text, expected = format(first, "f"), first
    for operator, operand in rest:
        text, expected = f"({text}) {operator} {operand:f}", _PYTHON[operator](expected, operand)
    expected = expected.quantize(Decimal("1e-15"), ROUND_HALF_UP, decimal.Context(prec=200))
    assume(expected.copy_abs() < 10**30)
    assert value(text) == decimal_text(expected or Decimal(0))


@given(st.lists(numbers, min_size=2, max_size=5), st.lists(numbers.filter(bool), min_size=2, max_size=4))
def test_products_bind_tighter_than_sums(terms: list[Decimal], factors: list[Decimal]) -> None:
    product = " * ".join(f"{factor:f}" for factor in factors)
    text = " - ".join(f"{term:f}" for term in terms)
    separate = _EXACT.subtract(Decimal(value(text)), Decimal(value(product)))
    assert Decimal(value(f"{text} - {product}")) == pytest.approx(separate, abs=Decimal("1e-14"))


@given(st.decimals(min_value=-(10**9), max_value=10**9, places=6), st.integers(-9, 9))
def test_rounding_brackets_its_number(number: Decimal, places: int) -> None:
    down, near, up = (
        Decimal(value(f"{name}(event.properties.n, {places})", n=number)) for name in ("floor", "round", "ceil")
    )
    step = Decimal(1).scaleb(-places)
    assert down <= number <= up
    assert near in (down, up)
    assert up - down in (0, step)
    assert abs(near - number) <= step / 2
