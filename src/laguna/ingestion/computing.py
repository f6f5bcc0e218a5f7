"""What an expression of a metric makes of an event before it is stored (spec 1 §2.6). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from laguna.ingestion.decoding import Event
from laguna.metrics.expressions import EvaluationError, EventVariables, Node, evaluate


def computed(expression: Node, field_name: str | None, event: Event, timestamp_ms: int) -> Mapping[str, Any]:
    """The properties to store: those sent, and under `field_name` the expression's value. Raises EvaluationError."""
    value = evaluate(expression, EventVariables(event.code, timestamp_ms // 1000, event.properties))
    return {**event.properties, field_name: value} if field_name is not None else event.properties


def failure_text(error: EvaluationError) -> str:
    """What the API says of an event that an expression has no value for (spec 1 §1.6)."""
    return f"expression_evaluation_failed: {error}"
