"""What keeps an event from being used: told to the organization within the next hour (spec 1 §1.9). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from laguna.metrics.derivation import Derived, MetricValues, derive, text_of

INVALID_CODE = "invalid_code"
MISSING_PROPERTY = "missing_aggregation_property"
INVALID_FILTER_VALUES = "invalid_filter_values"

Filters = Mapping[str, frozenset[str]]  # the values of each filter key of a metric


def faults(metric: MetricValues | None, filters: Filters, properties: Mapping[str, Any]) -> list[str]:
    """What is wrong with an event for the metric of its code, None where no living one has it."""
    if metric is None:
        return [INVALID_CODE]
    found: list[str] = []
    if is_unusable(metric, derive(metric, properties)):
        found.append(MISSING_PROPERTY)
    if has_undeclared_value(filters, properties):
        found.append(INVALID_FILTER_VALUES)
    return found


def is_unusable(metric: MetricValues, derived: Derived) -> bool:
    """Whether the aggregation leaves out an event that gives it this: the field is absent or not numeric, or the
    operation of a unique count is unknown (spec 1 §9 W17)."""
    return derived == (None, None) and metric.aggregation_type != "count_agg"


def has_undeclared_value(filters: Filters, properties: Mapping[str, Any]) -> bool:
    """Whether a filter key of the metric has a value that the metric doesn't list."""
    return any((value := text_of(properties.get(key))) is not None and value not in filters[key] for key in filters)
