"""Works out the expressions of an explanation as a reader would: with nothing but their own numbers."""

from __future__ import annotations

import ast
import decimal
import operator
from collections.abc import Callable, Sequence
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal

from support.client import Json

CONTEXT = decimal.Context(prec=80)
OPERATORS: dict[type[ast.operator], Callable[[Decimal, Decimal], Decimal]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def _round(value: Decimal, places: Decimal = Decimal(0)) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-int(places)), ROUND_HALF_UP)


FUNCTIONS: dict[str, Callable[..., Decimal]] = {
    "min": min,
    "max": max,
    "ceil": lambda value: value.to_integral_value(ROUND_CEILING),
    "round": _round,
}


def evaluate(expression: str) -> Decimal:
    """The value of an expression, with 80 digits."""
    with decimal.localcontext(CONTEXT):
        return _value(ast.parse(expression, mode="eval").body, expression)


def _value(node: ast.expr, text: str) -> Decimal:
    if isinstance(node, ast.Constant):
        return Decimal(ast.get_source_segment(text, node) or "")
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand, text)
    if isinstance(node, ast.BinOp):
        return OPERATORS[type(node.op)](_value(node.left, text), _value(node.right, text))
    assert isinstance(node, ast.Call), ast.dump(node)
    assert isinstance(node.func, ast.Name)
    return FUNCTIONS[node.func.id](*(_value(argument, text) for argument in node.args))


def recalculated(explanation: Json) -> Json:
    """The results of an explanation's steps by their names, each worked out from its expression alone."""
    results: Json = {}
    for step in explanation["steps"]:
        results[step["name"]] = evaluate(step["expression"])
        assert results[step["name"]] == Decimal(step["result"]), step
    for tax in explanation["taxes"]:
        assert evaluate(tax["expression"]) == tax["amount_cents"]
    results["taxes_amount_cents"] = evaluate(explanation["taxes_expression"])
    return results


def check_explained(explanations: Sequence[Json], fees: Sequence[Json]) -> None:
    """Who works the explanations out gets the amounts of the fees."""
    for explanation, fee in zip(explanations, fees, strict=True):
        results = recalculated(explanation)
        assert explanation["lago_fee_id"] == fee["lago_id"]
        assert results["amount_cents"] == fee["amount_cents"] == explanation["amount_cents"], explanation
        assert results["precise_amount_cents"] == Decimal(explanation["precise_amount_cents"]), explanation
        assert results["taxes_amount_cents"] == fee["taxes_amount_cents"] == explanation["taxes_amount_cents"]
        assert explanation["total_amount_cents"] == fee["total_amount_cents"]
