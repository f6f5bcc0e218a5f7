"""Reading the expression of a metric, and trying one out on an event that isn't stored (spec 1 §2.6)."""

from __future__ import annotations

from calendar import timegm

from laguna.kernel.context import Context
from laguna.kernel.errors import Problems
from laguna.metrics.expressions import EvaluationError, EventVariables, InvalidExpressionError, Node, evaluate, parse
from laguna.metrics.schemas import EvaluationInput


def expression_of(text: str, problems: Problems) -> Node | None:
    """The expression in `text`; None, and `invalid_expression` among the problems, where it can't be read."""
    try:
        return parse(text)
    except InvalidExpressionError:
        problems.add("expression", "invalid_expression")
        return None


def evaluated(context: Context, data: EvaluationInput, problems: Problems) -> str:
    """What would be stored of an event like the one given, by its expression.

    422 with `expression: ["value_is_mandatory"]` or `["invalid_expression"]`, and with `event: ["invalid_event"]` when
    there is none or the expression has no value for it.
    """
    problems.mandatory({"expression": data.expression}, ("expression",))
    expression = expression_of(data.expression or "", problems) if "expression" not in problems else None
    event = _variables(context, data)
    if event is None:
        problems.fail("event", "invalid_event")
    problems.check()
    assert expression is not None
    try:
        return evaluate(expression, event)
    except EvaluationError:
        problems.fail("event", "invalid_event")


def _variables(context: Context, data: EvaluationInput) -> EventVariables | None:
    event = data.event
    if event is None:
        return None
    timestamp = int(event.timestamp) if event.timestamp is not None else timegm(context.now.utctimetuple())
    return EventVariables(event.code or "", timestamp, event.properties or {})
