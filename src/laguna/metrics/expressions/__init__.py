"""Expressions of billable metrics: the value of an event, computed when it is written (spec 1 §2.6). Pure."""

from laguna.metrics.expressions.nodes import EvaluationError, EventVariables, Node, evaluate
from laguna.metrics.expressions.parsing import InvalidExpressionError, parse

__all__ = ["EvaluationError", "EventVariables", "InvalidExpressionError", "Node", "evaluate", "parse"]
